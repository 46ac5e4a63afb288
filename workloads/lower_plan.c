/* How a head is cut into tiles: query rows, value columns, tokens a step. */
#include "workloads/lower_ret.h"

#include "base/num.h"

/* Cycles in which a set of n x k activations comes over the ports, or the rows pass it. */
static uint64_t set_cycles(const struct lower *l, uint64_t rows, uint64_t n, uint64_t k)
{
    const struct engine_cfg *e = l->engine;
    bool serial = e->style == ENGINE_SYSTOLIC && e->fill_drain == FILL_SERIAL; /* each tile's own */
    uint64_t load = div_up(bytes_of(n * k, l->ab), 4 * l->tcdm->hwpe_ports);
    return max64(load, rows + (serial ? 2 * e->rows + e->cols - 2 : 0));
}

/* Cycles of a block of rows queries and as many keys: scores are computed again for each slice of value
 * columns, and what follows scores waits until the pipeline is empty. */
static uint64_t pair_cycles(const struct lower *l, uint64_t rows, uint64_t dv)
{
    uint64_t nt = l->geom.n_tile, kt = l->geom.k_tile * mode_scale(l->engine, l->act_mode);
    uint64_t keys = min64(rows, nt), depth = min64(l->dk, kt), cols = min64(dv, nt), seen = min64(rows, kt);
    uint64_t scores = div_up(rows, nt) * div_up(l->dk, kt) * set_cycles(l, rows, keys, depth);
    uint64_t values = div_up(dv, nt) * div_up(rows, kt) * set_cycles(l, rows, cols, seen);
    uint64_t passes = l->row_shift ? 2 : 1; /* the first finds the maximum of a row */
    uint64_t block = passes * scores + values + 2 * l->engine->latency_cycles;
    return div_up(l->dv, dv) * block;
}

/* What it takes besides where no norm rides along: its share of the cycles in which the ports write raw rows
 * and read them again. Queries meet half of all keys, and those on the diagonal. */
static uint64_t raw_cycles(const struct lower *l, uint64_t rows, uint64_t keys)
{
    uint64_t both = 2 * rows * div_up(2 * l->dv, 4 * l->tcdm->hwpe_ports);
    return 2 * both / (div_up(keys, rows) + 1);
}

/* Columns of a slice end on a byte, or with the head. */
static uint64_t whole_bytes(const struct lower *l, uint64_t cols)
{
    uint64_t unit = byte_unit(l->ab);
    return cols < l->dv ? cols / unit * unit : l->dv;
}

static uint64_t state_fit(const struct lower *l)
{
    uint64_t fit = l->ret->state == STATE_ENGINE ? l->acc_values / l->dk :
                   l->state_bytes * 8 / (l->dk * l->ret->state_bits);
    return l->lean ? min64(fit, l->dv) >> l->lean : fit;
}

/* Words that hold the shifts of a row's scores: one a block of keys. */
static uint64_t row_words(const struct lower *l, enum work_form form)
{
    uint64_t block = l->w->quant.score_block, keys = form == FORM_CHUNKWISE ? chunk_of(l) : l->context;
    return !l->row_shift ? 0 : block ? div_up(keys, block) : 1;
}

/* Of one query row against a cache. */
static uint64_t cached_fit(const struct lower *l)
{
    uint64_t taken = l->geom.n_tile + row_words(l, FORM_PARALLEL);
    return min64(l->acc_values - min64(taken, l->acc_values), l->out_slot / 2);
}

uint64_t value_columns(const struct lower *l)
{
    return min64(state_fit(l), cached_fit(l));
}

bool value_tiles(const struct lower *l)
{
    struct head_plan hp;
    uint64_t nt = l->geom.n_tile, cached = cached_plan(l).dv;
    bool state = l->state_dv == l->dv || l->state_dv % nt == 0;
    bool whole = plan_form(l, (enum work_form)l->w->form, &hp) && (hp.dv == l->dv || hp.dv % nt == 0);
    bool cache = decodes(l->w) && l->w->decode == DECODE_KV_CACHE;
    return state && (l->w->phase == PHASE_DECODE || whole) && (!cache || cached == l->dv || cached % nt == 0);
}

/* Value columns whose state fits where it works. */
static uint64_t state_columns(const struct lower *l)
{
    uint64_t fit = whole_bytes(l, state_fit(l));
    return l->state_dv ? min64(fit, l->state_dv) : fit;
}

/* The same when a chunk's sums are there as well: a state in the engine leaves the accumulators it takes. */
static uint64_t chunk_columns(const struct lower *l, uint64_t rows, uint64_t taken)
{
    uint64_t fit = state_columns(l);
    if (l->ret->state == STATE_ENGINE)
        fit = min64(fit, (l->acc_values - rows * taken) / (rows + l->dk));
    return fit;
}

uint64_t free_sums(const struct lower *l)
{
    return l->acc_values - (l->ret->state == STATE_ENGINE ? l->dk * l->state_dv : 0);
}

/* As many slices as `most` columns force, of nearly equal width. */
static uint64_t even_slices(uint64_t dv, uint64_t most, uint64_t tile)
{
    uint64_t slices = (dv + most - 1) / most, even = ((dv + slices - 1) / slices + tile - 1) / tile * tile;
    return even < most ? even : most;
}

uint64_t chunk_of(const struct lower *l)
{
    return min64(l->w->chunk, max64(l->w->seq, 1));
}

/* As many keys as rows make a tile; it lies within one block of keys that share a shift. */
static bool plan_rows(const struct lower *l, enum work_form form, uint64_t most, struct head_plan *hp)
{
    uint64_t best = UINT64_MAX, nt = l->geom.n_tile, q = bytes_of(l->dk, l->ab);
    uint64_t words = row_words(l, form), taken = nt + words;
    uint64_t block = l->row_shift ? l->w->quant.score_block : 0;
    uint64_t keys = form == FORM_CHUNKWISE ? chunk_of(l) : l->context;
    bool doubles = !(most & (most - 1)); /* no other numbers divide it */
    for (uint64_t rows = 1; rows <= most; rows += doubles ? rows : 1) {
        if (most % rows || block % rows || rows * bytes_of(rows, l->sb) > l->score_slot ||
            rows * q > l->act_slot)
            continue;
        if (l->acc_values / rows <= taken)
            continue;
        uint64_t dv = min64(l->acc_values / rows - taken, l->out_slot / (2 * rows));
        if (form == FORM_CHUNKWISE)
            dv = min64(dv, chunk_columns(l, rows, taken));
        dv = dv >= l->dv ? l->dv : dv / nt * nt;
        if (!dv)
            continue;
        dv = even_slices(l->dv, dv, nt);
        uint64_t raw = l->sliced || dv == l->dv ? 0 : raw_cycles(l, rows, keys);
        uint64_t cost = (pair_cycles(l, rows, dv) + raw) * 1024 / (rows * rows);
        if (cost > best)
            continue;
        best = cost;
        hp->rows = rows;
        hp->dv = dv;
        hp->words = words;
    }
    hp->fused = best != UINT64_MAX && hp->dv == l->dv && hp->rows * bytes_of(l->dv, l->ab) <= l->aux_slot;
    return best != UINT64_MAX;
}

static bool plan_recurrent(const struct lower *l, struct head_plan *hp)
{
    hp->dv = state_columns(l);
    if (!hp->dv)
        return false;
    uint64_t v = bytes_of(hp->dv, l->ab), gate = bytes_of(l->dv, l->ab);
    uint64_t fit = min64(l->act_slot / (2 * bytes_of(l->dk, l->ab) + v), l->out_slot / (2 * hp->dv));
    hp->fused = hp->dv == l->dv && l->aux_slot >= gate;
    if (hp->fused)
        fit = min64(fit, l->aux_slot / gate);
    for (hp->tokens = l->T; hp->tokens > 1 && hp->tokens > fit; hp->tokens = (hp->tokens + 1) / 2)
        ;
    return fit >= 1;
}

/* A mode in which values meet scores of their width. */
static bool check_scores(struct lower *l)
{
    const struct work *w = l->w;
    bool scores = (w->phase != PHASE_DECODE && w->form != FORM_RECURRENT) ||
                  (decodes(w) && w->decode == DECODE_KV_CACHE);
    if (!scores || engine_mode(l->engine, w->quant.activations, w->quant.score_bits))
        return true;
    return err_add(l->err, ERR_CONFIG, NULL, "arch.engine.modes has none for %llu-bit values x %llu-bit "
                   "scores; add {w: 8, a: 16, passes: 2} or lower work.quant.score_bits to 8",
                   (unsigned long long)w->quant.activations, (unsigned long long)w->quant.score_bits);
}

bool retention_check(struct lower *l)
{
    struct head_plan hp;
    if (!check_scores(l))
        return false;
    if (!state_columns(l))
        return err_add(l->err, ERR_CONFIG, NULL, "one column of a state of %llu rows does not fit the state "
                       "buffer; raise arch.buffers.state.bytes", (unsigned long long)l->dk);
    if (!plan_recurrent(l, &hp))
        return err_add(l->err, ERR_CONFIG, NULL, "one token's query, key and values of a head, or its row of "
                       "results, do not fit a slot; raise arch.buffers.%s.bytes (%llu B a slot)",
                       l->out_slot < 2 * hp.dv ? "output" : "activation",
                       (unsigned long long)(l->out_slot < 2 * hp.dv ? l->out_slot : l->act_slot));
    bool engine = l->w->form != FORM_RECURRENT;
    uint64_t rows = l->w->form == FORM_PARALLEL ? l->R : chunk_of(l);
    if (engine && !plan_rows(l, (enum work_form)l->w->form, rows, &hp))
        return err_add(l->err, ERR_CONFIG, NULL, "retention tiles do not fit; raise "
                       "arch.buffers.accumulator.bytes, score.bytes or activation.bytes");
    bool cache = decodes(l->w) && l->w->decode == DECODE_KV_CACHE;
    uint64_t words = row_words(l, FORM_PARALLEL);
    if (cache && l->acc_values <= l->geom.n_tile + words)
        return err_add(l->err, ERR_CONFIG, NULL, "the accumulators cannot hold the %llu score shifts of a "
                       "row; raise arch.buffers.accumulator.bytes or work.quant.score_block",
                       (unsigned long long)words);
    return true;
}

bool plan_form(const struct lower *l, enum work_form form, struct head_plan *hp)
{
    if (form == FORM_RECURRENT)
        return plan_recurrent(l, hp);
    return plan_rows(l, form, form == FORM_PARALLEL ? l->R : chunk_of(l), hp);
}

uint64_t retention_block(const struct lower *l)
{
    struct head_plan hp;
    if (l->w->form == FORM_CHUNKWISE)
        return chunk_of(l);
    return l->w->form == FORM_PARALLEL && plan_form(l, FORM_PARALLEL, &hp) ? hp.rows : l->T;
}

uint64_t state_slice(const struct lower *l)
{
    struct head_plan step, chunk;
    uint64_t dv = l->dv;
    if (plan_recurrent(l, &step))
        dv = min64(dv, step.dv);
    if (l->w->form == FORM_CHUNKWISE && l->w->phase != PHASE_DECODE && plan_form(l, FORM_CHUNKWISE, &chunk))
        dv = min64(dv, chunk.dv);
    bool builds = l->w->form == FORM_PARALLEL && l->w->phase == PHASE_BOTH;
    if (builds && l->ret->state == STATE_ENGINE) /* beside at least one row of sums */
        dv = min64(dv, whole_bytes(l, max64(l->acc_values / (l->dk + 1), byte_unit(l->ab))));
    return dv;
}

bool retention_fused(const struct lower *l, enum work_form form)
{
    struct head_plan hp;
    return plan_form(l, form, &hp) && hp.fused;
}

uint64_t cache_block(const struct lower *l)
{
    struct head_plan hp;
    return plan_rows(l, FORM_PARALLEL, 64, &hp) ? hp.rows : 1;
}

/* A single query row. */
struct head_plan cached_plan(const struct lower *l)
{
    struct head_plan one = {.rows = 1, .words = row_words(l, FORM_PARALLEL)};
    uint64_t fit = cached_fit(l), nt = l->geom.n_tile;
    one.dv = whole_bytes(l, fit >= nt ? fit / nt * nt : fit);
    one.fused = one.dv == l->dv && bytes_of(l->dv, l->ab) <= l->aux_slot;
    return one;
}

bool cached_fused(const struct lower *l)
{
    return cached_plan(l).fused;
}

struct heads_plan { /* all that may be cut */
    struct head_plan prefill, cache;
    uint64_t state_dv; /* 0: they do not fit */
};

static struct heads_plan plan_heads(const struct lower *l)
{
    const struct work *w = l->w;
    struct heads_plan p = {.state_dv = 0};
    if (w->phase != PHASE_DECODE && !plan_form(l, (enum work_form)w->form, &p.prefill))
        return p;
    if (decodes(w) && w->decode == DECODE_KV_CACHE)
        plan_rows(l, FORM_PARALLEL, 64, &p.cache);
    p.state_dv = state_slice(l);
    return p;
}

static bool plans_equal(const struct head_plan *a, const struct head_plan *b)
{
    return a->rows == b->rows && a->dv == b->dv && a->tokens == b->tokens && a->fused == b->fused;
}

static bool differ(const struct lower *l, bool sliced, unsigned lean)
{
    struct lower other = *l;
    other.sliced = sliced;
    other.lean = lean;
    other.R = min64(l->R << (l->lean - lean), 64);
    struct heads_plan p = plan_heads(l), q = plan_heads(&other);
    bool equal = plans_equal(&p.prefill, &q.prefill) && plans_equal(&p.cache, &q.cache);
    return p.state_dv && !(equal && p.state_dv == q.state_dv);
}

bool heads_differ(const struct lower *l)
{
    if (l->w->kind == WORK_GEMM)
        return false;
    return (!l->sliced || differ(l, false, l->lean)) && (!l->lean || differ(l, l->sliced, l->lean - 1));
}
