/* The choice of a mapping. The mapping keys that are `auto` are tried and the
 * program with the smaller estimate is kept. */
#include "workloads/lower_ctx.h"

#include "arch/result.h"
#include "base/arena.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

enum { SCOPE_UNIT = 64 }; /* scopes are whole numbers of so many tokens */

static uint64_t context_of(const struct work *w)
{
    uint64_t tokens = decodes(w) ? w->tokens : 0;
    return round_up(w->seq + tokens, 64);
}

static const char *order_name(const struct work *w, const struct lower *l)
{
    if (w->phase == PHASE_DECODE)
        return "token";
    if (l->scope >= w->seq)
        return "layer";
    if (l->layer_major)
        return "layer, in parts of the sequence";
    return l->scope == l->T ? "block" : "layer by layer over part of the sequence";
}

/* Query rows of a block in the parallel form: whole blocks fill a scope. */
static uint64_t query_rows(uint64_t scope, uint64_t rows, uint64_t most)
{
    uint64_t r = most;
    while (scope < rows && scope % r)
        r /= 2;
    return r;
}

static bool block_is_fixed(const struct work *w)
{
    return w->map.token_block != FIELD_AUTO || w->phase == PHASE_DECODE;
}

static uint64_t largest_block(const struct arch *a, const struct work *w)
{
    bool fixed = block_is_fixed(w);
    if (w->kind == WORK_GEMM && !fixed && ARCH_CFG(a, buffers)->ideal)
        return gemm_rows(w); /* buffers without a price take all of it */
    return w->phase == PHASE_DECODE ? w->batch : fixed ? w->map.token_block : 64;
}

/* One scope (0: the token block), one token block. A program with a tallier has no notes; one that does not
 * fit says nothing but what it needs off-chip. */
static enum fit lower_one(struct program *p, const struct arch *a, const struct work *w, uint64_t scope,
                          uint64_t T, struct style style, struct err *err)
{
    uint64_t rows = max64(w->kind == WORK_GEMM ? gemm_rows(w) : w->seq, 1);
    struct lower l = {.arch = a, .w = w, .p = p, .err = err, .T = T, .may_spill = style.spill,
                      .may_pipe = style.pieces, .kv_local = style.local, .parked = style.parked,
                      .deep = style.deep, .layer_major = style.layers,
                      .sliced = style.sliced, .lean = style.lean, .must_spill = style.needed,
                      .unwanted = style.known && T == largest_block(a, w)};
    l.scope = min64(scope ? scope : T, rows);
    l.R = query_rows(l.scope, rows, (style.queries ? style.queries : 64) >> style.lean);
    l.context = context_of(w);
    enum fit fit = lower_build(&l);
    if (fit == FIT_WELL && !(p->tallier ? tallier_sound(p->tallier) : program_check(p, a, err)))
        fit = FIT_NOT;
    if (fit != FIT_WELL) {
        uint64_t needs = p->ext_bytes;
        program_clear(p);
        p->ext_bytes = needs;
        return fit;
    }
    if (p->tallier)
        return FIT_WELL;
    text_printf(&p->notes, "order %s: %llu tokens a layer, token block %llu\n", order_name(w, &l),
                (unsigned long long)(w->phase == PHASE_DECODE ? w->batch : l.scope), (unsigned long long)T);
    uint64_t each = (w->phase != PHASE_DECODE ? w->seq : 0) + (decodes(w) ? w->tokens : 0);
    p->tokens_done = w->kind == WORK_GEMM ? gemm_rows(w) : w->batch * each;
    return FIT_WELL;
}

/* Of the trials that were too much for the off-chip memory, the one that needs least. */
struct over {
    uint64_t bytes; /* 0: there was none */
    struct recipe recipe;
};

static void note_over(struct over *o, uint64_t bytes, struct recipe r)
{
    if (!o->bytes || bytes < o->bytes)
        *o = (struct over){bytes, r};
}

/* The largest token block that fits or is not wanted, not below `least` when it is free; 0: none does. */
static uint64_t lower_scope(struct program *p, const struct arch *a, const struct work *w, uint64_t scope,
                            struct style style, uint64_t least, enum fit *fit, struct over *too_much,
                            struct err *err)
{
    bool fixed = block_is_fixed(w), over = false;
    *fit = FIT_NOT;
    for (uint64_t T = largest_block(a, w); T; T /= 2) {
        struct err local = {0};
        *fit = lower_one(p, a, w, scope, T, style, &local);
        bool fits = *fit == FIT_WELL || *fit == FIT_UNWANTED, last = T <= least || fixed || fits;
        over |= *fit == FIT_OVER;
        if (*fit == FIT_OVER)
            note_over(too_much, p->ext_bytes, (struct recipe){scope, T, style});
        for (unsigned i = 0; !fits && last && i < local.n_diags; i++)
            err_add(err, local.code, NULL, "%s", local.diags[i].text);
        err_finish(&local);
        if (fits)
            return T;
        if (last)
            break;
    }
    *fit = over ? FIT_OVER : FIT_NOT;
    return 0;
}

static bool lower_scope_or_fail(struct program *p, const struct arch *a, const struct work *w,
                                uint64_t scope, struct style style, struct err *err)
{
    enum fit fit;
    struct over any = {0};
    return lower_scope(p, a, w, scope, style, 1, &fit, &any, err) > 0;
}

static bool check_modes(const struct arch *a, const struct work *w, struct err *err)
{
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    const struct retention_cfg *r = ARCH_CFG(a, retention);
    if (!engine_mode(e, w->quant.weights, 8))
        return err_add(err, ERR_CONFIG, NULL, "arch.engine.modes has none for %llu-bit weights x 8-bit "
                       "activations; add one or change work.quant.weights",
                       (unsigned long long)w->quant.weights);
    if (w->form == FORM_CHUNKWISE && !engine_mode(e, r->read_bits, 8))
        return err_add(err, ERR_CONFIG, NULL, "arch.engine.modes has none for %llu-bit states x 8-bit "
                       "queries; add {w: %llu, a: 8, passes: 2} or lower arch.retention.read_bits",
                       (unsigned long long)r->read_bits, (unsigned long long)r->read_bits);
    return true;
}

/* The next smaller scope worth a trial: whole blocks of 64, about twice as many
 * scopes in two steps (1, 2, 3, 4, 6, 8, 12, ... of them); 0 after the last. */
static uint64_t next_scope(uint64_t rows, uint64_t scope)
{
    if (scope <= 64)
        return 0;
    uint64_t n = div_up(rows, scope), low = 1;
    while (low * 2 <= n)
        low *= 2;
    for (;;) {
        n = n < 2 ? n + 1 : n == low ? low + low / 2 : low * 2;
        low = n >= low * 2 ? low * 2 : low;
        uint64_t next = round_up(div_up(rows, n), 64);
        if (next < scope)
            return next;
    }
}

static bool lower_quiet(struct program *p, const struct arch *a, const struct work *w, uint64_t scope)
{
    struct err quiet = {0};
    bool ok = lower_scope_or_fail(p, a, w, scope, (struct style){0}, &quiet);
    err_finish(&quiet);
    return ok;
}

/* The best mapping so far, and what trials need: one machine gives all estimates. */
struct search {
    const struct arch *arch;
    const struct work *work;
    bool exhaustive; /* leaves nothing out, and lowers whole programs: the slow twin */
    struct mappings *collect; /* gets all of them instead of a choice; NULL */
    struct program *best, trial;
    struct machine *machine;
    struct shapes *shapes;
    struct tallier *tallier; /* takes the trials' commands; NULL when exhaustive */
    struct mapping choice; /* the best, without a tally */
    bool found;
    struct over over; /* of all trials */
    bool whole;      /* the last trial has the largest blocks, and nothing off-chip */
    bool large;      /* it has the largest blocks */
    bool home;       /* some trial has nothing off-chip */
    uint64_t roomy;  /* a bit for each scope that fits in the largest blocks without staging */
    uint64_t cycles; /* estimate of the best */
};

static void search_begin(struct search *s)
{
    program_init(&s->trial);
    if (s->exhaustive)
        return;
    s->shapes = s->collect ? s->collect->shapes : shapes_create();
    s->tallier = tallier_create(s->shapes, &s->trial, s->arch);
    program_count(&s->trial, s->tallier);
    if (s->collect)
        return;
    s->machine = xrealloc(NULL, 1, sizeof *s->machine);
    memset(s->machine, 0, sizeof *s->machine);
    machine_resolve(s->machine, s->arch);
}

static void search_end(struct search *s)
{
    program_finish(&s->trial);
    tallier_destroy(s->tallier);
    if (s->exhaustive)
        machine_destroy(s->machine);
    else
        free(s->machine);
    if (!s->collect)
        shapes_destroy(s->shapes);
}

/* Cycles when units overlap within a step and the off-chip memory with all. */
static uint64_t estimate_of(struct search *s)
{
    if (s->tallier) {
        struct tally *t = tallier_tally(s->tallier);
        uint64_t cycles = tally_estimate(t, s->shapes, s->machine);
        tally_destroy(t);
        return cycles;
    }
    struct err e = {0};
    if (!s->machine)
        s->machine = machine_create(s->arch, &s->trial, &evq_wheel, false, &e);
    uint64_t cycles = s->machine ? machine_estimate(s->machine, &s->trial) : UINT64_MAX;
    err_finish(&e);
    return cycles;
}

/* Some tensor of a layer may be staged. */
static bool stages(const struct style *s)
{
    return s->spill || s->parked || s->layers;
}

/* Estimates are some percent off (docs/model.md). What comes later has more waits, of which the estimate
 * knows nothing: it has to win by more than a hair, and staging, where the best does without, clearly. What
 * leaves the chip counts half as much again: it multiplies the energy. */
static bool wins(const struct mapping *m, uint64_t cycles, const struct mapping *best, uint64_t best_cycles)
{
    bool begins = stages(&m->recipe.style) && !stages(&best->recipe.style);
    cycles *= m->off_chip ? 3 : 2;
    best_cycles *= best->off_chip ? 3 : 2;
    return cycles < best_cycles - best_cycles / (begins ? 16 : 64);
}

static void add_mapping(struct mappings *to, struct tally *tally, struct mapping m)
{
    to->v = xrealloc(to->v, to->n + 1, sizeof *to->v);
    m.tally = tally;
    to->v[to->n++] = m;
}

static void weigh(struct search *s, struct mapping m)
{
    if (s->collect) {
        add_mapping(s->collect, tallier_tally(s->tallier), m);
        s->found = true;
        s->choice.off_chip |= m.off_chip;
        return;
    }
    uint64_t cycles = estimate_of(s);
    if (s->found && !wins(&m, cycles, &s->choice, s->cycles))
        return;
    s->choice = m;
    s->found = true;
    s->cycles = cycles;
}

static bool consider(struct search *s, uint64_t scope, struct style style)
{
    struct err quiet = {0};
    struct mapping m = {0};
    enum fit fit;
    style.needed = style.spill && !s->exhaustive && s->work->form != FORM_PARALLEL;
    /* Staging that leaves only a few tokens a block wastes every weight set. */
    uint64_t block = lower_scope(&s->trial, s->arch, s->work, scope, style, stages(&style) ? 4 : 1, &fit,
                                 &s->over, &quiet);
    m.recipe = (struct recipe){scope, block, style};
    m.off_chip = s->trial.ext_bytes > 0;
    bool largest = block == largest_block(s->arch, s->work);
    m.roomy = largest && scope >= max64(s->work->seq, 1);
    s->large = fit == FIT_WELL && largest;
    s->whole = block >= SCOPE_UNIT && !m.off_chip;
    s->home |= fit == FIT_WELL && !m.off_chip;
    if (fit == FIT_WELL)
        weigh(s, m);
    err_finish(&quiet);
    return block > 0;
}

/* The largest block, and with it the scope, for which nothing has to leave the chip: that it is small, so
 * that weights are loaded more often, may cost less. */
static void consider_home(struct search *s)
{
    uint64_t T = s->home || block_is_fixed(s->work) ? 0 : largest_block(s->arch, s->work) / 2;
    for (bool done = false; T >= 4 && !done; T /= 2) {
        struct err quiet = {0};
        struct mapping m = {.recipe = {.T = T}};
        done = lower_one(&s->trial, s->arch, s->work, 0, T, m.recipe.style, &quiet) == FIT_WELL &&
               !s->trial.ext_bytes;
        if (done)
            weigh(s, m);
        err_finish(&quiet);
    }
}

/* L2 is too small for all that would like to be there. */
static bool is_pressed(const struct mapping *best)
{
    return !best || (best->off_chip && (!best->roomy || stages(&best->recipe.style)));
}

/* Smaller parts of heads leave room for more tokens, sliced or not, by one halving or two. */
enum { CUTS = 6 };
static struct style cut_heads(struct style s, unsigned i)
{
    s.sliced = i % 2;
    s.lean = (uint8_t)(i / 2);
    return s;
}

/* The longest scope above `least` that fits when all but the rows of one product waits off-chip, `least`
 * when none does: weights pass once a scope. Blocks of style.queries share keys and values that come from
 * off-chip, and fill a scope. */
static uint64_t consider_parked(struct search *s, uint64_t rows, uint64_t least, struct style style)
{
    uint64_t step = s->work->form == FORM_PARALLEL ? style.queries : 8, scope = rows;
    while (scope > least && !consider(s, scope, style))
        scope = scope > 64 ? next_scope(rows, scope) : scope > step ? (scope - 1) / step * step : 0;
    return max64(scope, least);
}

/* Hidden rows go off-chip only for a longer scope; half of the staging, and of the slices of value columns,
 * may be worth it in the parallel form. */
static void consider_all_parked(struct search *s, uint64_t rows, bool pressed)
{
    struct style style = {.parked = true, .queries = 16}, deep = style;
    deep.deep = true;
    uint64_t scope = consider_parked(s, rows, 0, style), least = s->large ? scope : 0;
    consider_parked(s, rows, scope, deep);
    style.queries = 8;
    if (s->work->form == FORM_PARALLEL)
        consider_parked(s, rows, 0, style);
    style.queries = 16;
    for (unsigned i = 1; i < (pressed ? CUTS : 2); i++) {
        struct style cut = cut_heads(style, i);
        consider_parked(s, rows, cut.lean ? least : 0, cut);
    }
}

/* Shorter scopes consist of the same blocks as the whole sequence. */
static bool same_blocks(const struct work *w)
{
    return SCOPE_UNIT % w->chunk == 0 || w->chunk % SCOPE_UNIT == 0;
}

/* Every scope in one style. `at_home` has a bit for each scope that fits in the largest blocks with nothing
 * off-chip: what a style that puts more there adds is transfers, so that in such blocks it is left out.
 * Returns such bits for this style. */
static uint64_t consider_style(struct search *s, uint64_t rows, struct style style, uint64_t at_home)
{
    uint64_t mine = 0, bit = 1;
    for (uint64_t scope = rows; scope; scope = next_scope(rows, scope), bit <<= 1) {
        if (((style.local || style.layers) && scope == rows) || (style.lean && s->roomy & bit))
            continue;
        style.known = at_home & bit && !s->exhaustive;
        consider(s, scope <= SCOPE_UNIT && scope < rows ? 0 : scope, style);
        mine |= s->whole ? bit : 0;
        s->roomy |= s->large && !stages(&style) ? bit : 0;
        if (style.spill && scope == rows && s->whole && same_blocks(s->work))
            break;
    }
    return mine;
}

/* Where the largest blocks fit, there is nothing to gain by it. */
static void consider_lean(struct search *s, uint64_t rows)
{
    bool parallel = s->work->form == FORM_PARALLEL && s->work->phase == PHASE_PREFILL;
    for (unsigned i = 2; i < CUTS; i++) {
        consider_style(s, rows, cut_heads((struct style){0}, i), 0);
        if (parallel)
            consider_style(s, rows, cut_heads((struct style){.local = true}, i), 0);
        consider_style(s, rows, cut_heads((struct style){.spill = true, .queries = 16}, i), 0);
    }
}

/* Every scope from the whole sequence to one token block; the smallest estimate wins, the larger scope
 * among equals. Spilling has to win clearly: where the whole sequence passes in the largest blocks and
 * nothing spills, shorter scopes, which repeat the same steps, cannot. */
static bool lower_best(struct search *s, uint64_t rows)
{
    const struct work *w = s->work;
    search_begin(s);
    uint64_t plain = consider_style(s, rows, (struct style){.spill = false}, 0);
    uint64_t pieces = consider_style(s, rows, (struct style){.pieces = true}, 0);
    uint64_t sliced = consider_style(s, rows, (struct style){.sliced = true}, 0);
    consider_home(s);
    for (int i = 0; i < 2 && w->form == FORM_PARALLEL && w->phase == PHASE_PREFILL; i++)
        consider_style(s, rows, (struct style){.local = true, .sliced = i}, plain);
    if (w->form == FORM_PARALLEL) /* smaller blocks of queries may be for the better by themselves */
        plain = pieces = sliced = 0;
    consider_style(s, rows, (struct style){.spill = true, .queries = 16}, plain);
    consider_style(s, rows, (struct style){.spill = true, .sliced = true, .queries = 16}, sliced);
    consider_style(s, rows, (struct style){.spill = true, .pieces = true, .queries = 16}, pieces);
    bool pressed = s->collect || is_pressed(s->found ? &s->choice : NULL);
    if (pressed)
        consider_lean(s, rows);
    bool parks = w->kind == WORK_NETWORK && w->phase == PHASE_PREFILL && w->map.spill;
    if (s->collect)
        s->collect->over = s->over.bytes > 0;
    if (parks && (!s->found || s->choice.off_chip))
        consider_all_parked(s, rows, pressed);
    /* Keys and values of one layer are kept instead of all. */
    if (parks && s->over.bytes && w->form == FORM_PARALLEL && w->shape.pre_norm) {
        consider_style(s, rows, (struct style){.layers = true, .local = true}, 0);
        consider_style(s, rows, (struct style){.layers = true}, 0);
        consider_style(s, rows, (struct style){.layers = true, .spill = true, .queries = 16}, 0);
    }
    search_end(s);
    return s->found;
}

bool lower_recipe(struct program *p, const struct arch *a, const struct work *w, const struct recipe *r,
                  struct err *err)
{
    program_init(p);
    return lower_one(p, a, w, r->scope, r->T, r->style, err) == FIT_WELL;
}

bool lower_searches(const struct arch *a, const struct work *w)
{
    bool prefill = w->phase != PHASE_DECODE && w->kind != WORK_GEMM;
    bool tiles = work_is_tiled(w) || ARCH_CFG(a, streams)->feed != FEED_BUFFERS;
    return !tiles && prefill && w->map.order == ORDER_AUTO;
}

/* The search's choice, or the only program there is, goes to s->best. */
static bool lower_with(struct search *s, struct err *err)
{
    struct program *p = s->best;
    const struct arch *a = s->arch;
    const struct work *w = s->work;
    program_init(p);
    if (work_is_tiled(w) || ARCH_CFG(a, streams)->feed != FEED_BUFFERS)
        return lower_tiles(p, a, w, err);
    if (!check_modes(a, w, err))
        return false;
    if (w->shape.layers + 3 > MAX_LAYERS)
        return err_add(err, ERR_CONFIG, NULL, "work.shape.layers is %llu; legal: up to %d",
                       (unsigned long long)w->shape.layers, MAX_LAYERS - 3);
    uint64_t rows = max64(w->kind == WORK_GEMM ? gemm_rows(w) : w->seq, 1);
    uint64_t fixed = w->map.order == ORDER_BLOCK ? 0 : rows;
    const struct style spilled = {.spill = true, .queries = 16};
    if (!lower_searches(a, w))
        return lower_quiet(p, a, w, fixed) || lower_scope_or_fail(p, a, w, fixed, spilled, err);
    if (lower_best(s, rows))
        return s->collect || lower_recipe(p, a, w, &s->choice.recipe, err);
    if (s->over.bytes) /* for its error */
        return lower_recipe(p, a, w, &s->over.recipe, err);
    return lower_scope_or_fail(p, a, w, 0, spilled, err); /* for its error, or as a last resort */
}

bool lower(struct program *p, const struct arch *a, const struct work *w, struct err *err)
{
    return lower_with(&(struct search){.arch = a, .work = w, .best = p}, err);
}

bool lower_exhaustively(struct program *p, const struct arch *a, const struct work *w, struct err *err)
{
    return lower_with(&(struct search){.arch = a, .work = w, .best = p, .exhaustive = true}, err);
}

bool lower_mappings(struct mappings *m, const struct arch *a, const struct work *w, struct err *err)
{
    struct program p;
    bool ok = lower_with(&(struct search){.arch = a, .work = w, .best = &p, .collect = m}, err);
    if (ok && !m->n)
        add_mapping(m, tally_create(&p, m->shapes), (struct mapping){.off_chip = p.ext_bytes > 0});
    program_finish(&p);
    return ok;
}

/* Parked mappings come after all that stay in L2 or are staged, and are for what does not stay there; layer
 * by layer comes last, where some trial so far was too much off-chip. */
const struct mapping *mappings_choose(const struct mappings *m, const struct machine *on)
{
    const struct mapping *best = NULL;
    bool late = false, parks = false; /* parks: what comes before them is off-chip, or there is nothing */
    bool tight = false, pressed = false;
    uint64_t cycles = 0;
    for (size_t i = 0; i < m->n && m->n > 1; i++) {
        const struct mapping *it = &m->v[i];
        const struct style *s = &it->recipe.style;
        if (!tight && (s->lean || s->parked || s->layers)) {
            tight = true;
            pressed = is_pressed(best);
        }
        if (s->lean && !pressed)
            continue;
        if (!late && (s->parked || s->layers)) {
            late = true;
            parks = !best || best->off_chip;
        }
        if (!parks && (s->parked || (s->layers && !m->over)))
            continue;
        uint64_t mine = tally_estimate(it->tally, m->shapes, on);
        if (best && !wins(it, mine, best, cycles))
            continue;
        best = it;
        cycles = mine;
    }
    return best ? best : m->v;
}

void mappings_finish(struct mappings *m)
{
    for (size_t i = 0; i < m->n; i++)
        tally_destroy(m->v[i].tally);
    free(m->v);
    m->v = NULL;
    m->n = 0;
}
