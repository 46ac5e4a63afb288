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

/* Cost of a query-key pair in blocks of rows x rows: scores are computed again for each slice of value
 * columns, and what follows scores waits until the pipeline is empty. */
static uint64_t pair_cost(const struct lower *l, uint64_t rows, uint64_t dv)
{
    uint64_t nt = l->geom.n_tile, kt = l->geom.k_tile * mode_scale(l->engine, act_mode(l));
    uint64_t keys = min64(rows, nt), depth = min64(l->dk, kt), cols = min64(dv, nt), seen = min64(rows, kt);
    uint64_t scores = div_up(rows, nt) * div_up(l->dk, kt) * set_cycles(l, rows, keys, depth);
    uint64_t values = div_up(dv, nt) * div_up(rows, kt) * set_cycles(l, rows, cols, seen);
    uint64_t block = scores + values + 2 * l->engine->latency_cycles;
    return div_up(l->dv, dv) * block * 1024 / (rows * rows);
}

/* Columns of a slice end on a byte, or with the head. */
static uint64_t whole_bytes(const struct lower *l, uint64_t cols)
{
    uint64_t unit = byte_unit(l->ab);
    return cols < l->dv ? cols / unit * unit : l->dv;
}

static uint64_t state_fit(const struct lower *l)
{
    return l->ret->state == STATE_ENGINE ? l->acc_values / l->dk :
           l->state_bytes * 8 / (l->dk * l->ret->state_bits);
}

/* Of one query row against a cache. */
static uint64_t cached_fit(const struct lower *l)
{
    return min64(l->acc_values - min64(l->geom.n_tile, l->acc_values), l->out_slot / 2);
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

/* As many slices as `most` columns force, of nearly equal width. */
static uint64_t even_slices(uint64_t dv, uint64_t most, uint64_t tile)
{
    uint64_t slices = (dv + most - 1) / most, even = ((dv + slices - 1) / slices + tile - 1) / tile * tile;
    return even < most ? even : most;
}

static bool plan_rows(const struct lower *l, uint64_t most, bool with_state, struct head_plan *hp)
{
    uint64_t best = UINT64_MAX, nt = l->geom.n_tile, q = bytes_of(l->dk, l->ab);
    for (uint64_t rows = 1; rows <= most; rows++) {
        if (most % rows || rows * bytes_of(rows, l->sb) > l->score_slot || rows * q > l->act_slot)
            continue;
        if (l->acc_values / rows <= nt)
            continue;
        uint64_t dv = min64(l->acc_values / rows - nt, l->out_slot / (2 * rows));
        if (with_state)
            dv = min64(dv, state_columns(l));
        dv = dv >= l->dv ? l->dv : dv / nt * nt;
        if (!dv)
            continue;
        dv = even_slices(l->dv, dv, nt);
        uint64_t cost = pair_cost(l, rows, dv);
        if (cost > best)
            continue;
        best = cost;
        hp->rows = rows;
        hp->dv = dv;
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

uint64_t chunk_of(const struct lower *l)
{
    return min64(l->w->chunk, max64(l->w->seq, 1));
}

bool retention_check(struct lower *l)
{
    struct head_plan hp;
    if (!plan_recurrent(l, &hp))
        return err_add(l->err, ERR_CONFIG, NULL, "one column of a %llu-row state does not fit the state "
                       "buffer; raise arch.buffers.state.bytes", (unsigned long long)l->dk);
    bool engine = l->w->form != FORM_RECURRENT;
    uint64_t rows = l->w->form == FORM_PARALLEL ? l->R : chunk_of(l);
    if (engine && !plan_rows(l, rows, l->w->form == FORM_CHUNKWISE, &hp))
        return err_add(l->err, ERR_CONFIG, NULL, "retention tiles do not fit; raise "
                       "arch.buffers.accumulator.bytes, score.bytes or activation.bytes");
    return true;
}

bool plan_form(const struct lower *l, enum work_form form, struct head_plan *hp)
{
    if (form == FORM_RECURRENT)
        return plan_recurrent(l, hp);
    return plan_rows(l, form == FORM_PARALLEL ? l->R : chunk_of(l), form == FORM_CHUNKWISE, hp);
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
    return plan_rows(l, 64, false, &hp) ? hp.rows : 1;
}

/* A single query row. */
struct head_plan cached_plan(const struct lower *l)
{
    struct head_plan one = {.rows = 1};
    uint64_t fit = cached_fit(l), nt = l->geom.n_tile;
    one.dv = whole_bytes(l, fit >= nt ? fit / nt * nt : fit);
    one.fused = one.dv == l->dv && bytes_of(l->dv, l->ab) <= l->aux_slot;
    return one;
}

bool cached_fused(const struct lower *l)
{
    return cached_plan(l).fused;
}
