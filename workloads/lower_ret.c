/* Retention of one head: parallel, recurrent, chunkwise, and one token against a
 * key-value cache. Row normalisers are dropped:
 * they cancel in the per-head norm. */
#include "workloads/lower_ret.h"

#include "base/num.h"

/* ---- parallel ---- */

typedef void (*keys_fn)(struct lower *l, const struct ret_op *r, const struct inner *t,
                        const struct block *kb);

/* The first pass of scores with a shift for each row. */
static void max_block(struct lower *l, const struct ret_op *r, const struct inner *t, const struct block *kb)
{
    struct tensor *keys[] = {&l->k, NULL};
    host_in(l, keys, kb);
    emit_maxima(l, r, t, tensor_in(l, &l->k, kb));
    tensor_in_end(l, &l->k);
}

static void key_block(struct lower *l, const struct ret_op *r, const struct inner *t, const struct block *kb)
{
    struct tensor *kv[] = {&l->k, &l->v, NULL};
    host_in(l, kv, kb);
    struct where k = tensor_in(l, &l->k, kb), v = tensor_in(l, &l->v, kb);
    emit_scores(l, r, t, k);
    if (t->last)
        emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_OUT, 0, 0);
    emit_values(l, r, t, v);
    tensor_in_end(l, &l->k);
    tensor_in_end(l, &l->v);
}

/* The key blocks before a block of queries, `i` of them, then its own. */
struct key_blocks {
    uint64_t rows, step;
    const struct block *b;     /* the queries */
    const struct affine *i;
    bool part;                 /* the last has a part of its keys, against a cache */
};

static void over_keys(struct lower *l, struct ret_op *r, const struct key_blocks *k, keys_fn fn)
{
    struct block kb = {k->step, aff(0)};
    bool k_pending = l->k.pending, v_pending = l->v.pending;
    l->k.pending = l->v.pending = false; /* earlier blocks were waited for by earlier queries */
    unsigned d = prog_repeat(l->p, THREAD_ACCEL, *k->i);
    prog_repeat(l->p, THREAD_HOST, *k->i);
    kb.tok.k[d] = (int64_t)k->step;
    struct inner t = {.rows = k->rows, .keys = k->step, .pos = position_of(l, &k->b->tok)};
    t.key = key_position(l, &kb.tok);
    fn(l, r, &t, &kb);
    both_end(l);
    l->k.pending = k_pending;
    l->v.pending = v_pending;
    kb = (struct block){k->part ? k->step : k->rows, aff_scale(*k->i, (int64_t)k->step)};
    /* A part of a block is computed whole; what counts was booked above. */
    r->padded = k->part;
    t.keys = kb.rows;
    t.key = key_position(l, &kb.tok);
    t.causal = !k->part;
    t.last = true;
    fn(l, r, &t, &kb);
    r->padded = false;
}

static struct cmd *emit_clear(struct lower *l, uint64_t at, uint64_t values)
{
    struct cmd *c = emit(l, OP_CLEAR, UNIT_ENGINE);
    c->acc_offset = (uint32_t)at;
    c->cols = (uint32_t)values;
    return c;
}

void clear_row_words(struct lower *l, const struct ret_op *r, uint64_t rows)
{
    emit_clear(l, row_words_at(l, r, rows), rows * r->hp.words);
}

/* Scores and values of all keys that a block of queries sees. With a shift for each row of scores
 * the keys pass twice. */
static void all_keys(struct lower *l, struct ret_op *r, const struct key_blocks *k)
{
    bool k_pending = l->k.pending;
    if (r->hp.words) {
        clear_row_words(l, r, k->rows);
        over_keys(l, r, k, max_block);
        l->k.pending = false;
    }
    over_keys(l, r, k, key_block);
    l->k.pending = k_pending;
}

/* One block of queries: the key blocks before it, then its own. `i` counts the
 * blocks before it. */
static void query_block(struct lower *l, struct ret_op *r, uint64_t rows, const struct block *b,
                        const struct affine *i, uint64_t step, const struct affine *useful_keys)
{
    struct tensor *in[] = {&l->q, r->hp.fused ? &l->g : NULL, NULL}, *out[] = {r->dst, NULL};
    host_in(l, in, b);
    struct where q = tensor_in(l, &l->q, b), g = r->hp.fused ? tensor_in(l, &l->g, b) : q;
    struct where o = out_place(l, r, b);
    load_queries(l, q, rows);
    struct cmd *clear = emit_clear(l, 0, rows * r->dv);
    clear->useful = useful_keys ? aff_scale(*useful_keys, (int64_t)((r->again ? 0 : l->dk) + r->dv)) : aff(0);
    struct key_blocks keys = {rows, step, b, i, useful_keys != NULL};
    all_keys(l, r, &keys);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_OUT, 0, out_stage(r));
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    emit_result(l, r, o, g, rows, &b->tok);
    tensor_in_end(l, &l->q);
    if (r->hp.fused)
        tensor_in_end(l, &l->g);
    tensor_out_end(l, r->dst);
    host_out(l, out, b);
}

static void parallel_slice(struct lower *l, struct ret_op *r)
{
    uint64_t step = r->hp.rows, full = r->tokens / step, rest = r->tokens % step;
    struct affine before = l->blk; /* in tokens: blocks of the scope are whole steps */
    before.c /= (int64_t)step;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        before.k[d] /= (int64_t)step;
    if (full) {
        unsigned d = both_repeat(l, full);
        struct block b = {step, aff_term(aff(0), d, (int64_t)step)};
        struct affine i = aff_term(before, d, 1);
        query_block(l, r, step, &b, &i, step, NULL);
        both_end(l);
    }
    if (rest) {
        struct block b = {rest, aff((int64_t)(full * step))};
        struct affine i = aff_plus(before, (int64_t)full);
        query_block(l, r, rest, &b, &i, step, NULL);
    }
    struct tensor *out[] = {r->dst, NULL};
    struct tensor *in[] = {&l->q, &l->k, &l->v, r->hp.fused ? &l->g : NULL, NULL};
    host_drain(l, out, r->tokens, step);
    host_release(l, in);
}

/* ---- recurrent ---- */

struct step_op {
    const struct ret_op *r;
    struct where q, k, v, g, out;
    struct affine tok; /* of the block */
};

static void step_rows(struct lower *l, void *arg, const struct block *b)
{
    const struct step_op *s = arg;
    const struct ret_op *r = s->r;
    bool l2 = l->ret->state == STATE_L2;
    uint64_t rows = b->rows;
    uint64_t at = rows * bytes_of(l->dk, l->ab);
    const struct rows_of q = {rows, l->dk, l->q.bits, 0}, k = {rows, l->dk, l->k.bits, at},
                         v = {rows, r->dv, l->v.bits, 2 * at};
    struct where values = where_slice(l, where_tok(s->v, &b->tok, l->v.pitch), r, &l->v);
    emit_load(l, RING_ACT, where_tok(s->q, &b->tok, l->q.pitch), &q, l->q.pitch, T_ACT, true, false);
    emit_load(l, RING_ACT, where_tok(s->k, &b->tok, l->k.pitch), &k, l->k.pitch, T_ACT, false, false);
    emit_load(l, RING_ACT, values, &v, l->v.pitch, T_ACT, false, true);
    if (l2)
        state_load(l, r, ret_unit(l), ret_unit(l));
    state_take(l, ret_unit(l));
    struct cmd *c = emit(l, OP_RET_STEP, ret_unit(l));
    struct affine tok = aff_add(s->tok, &b->tok);
    emit_what(l, c, WHAT_RAW, &r->dv0, &tok);
    c->rows = (uint32_t)rows;
    c->k = (uint32_t)l->dk;
    c->cols = (uint32_t)r->dv;
    c->a_bits = (uint8_t)l->ab;
    c->out_bits = 16;
    c->state_at = state_at(l, r);
    c->useful = aff((int64_t)(2 * rows * l->dk * r->dv));
    c->src = (struct slot_use){.ring = RING_ACT, .stage = 2, .release = true};
    c->dst = (struct slot_use){.ring = RING_OUT, .stage = out_stage(r), .acquire = true, .commit = true};
    state_pass(l, ret_unit(l), ret_unit(l));
    if (l2)
        state_save(l, r, ret_unit(l), ret_unit(l));
    emit_result(l, r, where_tok(s->out, &b->tok, staged_pitch(r->dst)), where_tok(s->g, &b->tok, l->g.pitch),
                rows,
                &tok);
}

static void step_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct step_op s = {.r = r, .tok = b->tok};
    s.q = tensor_in(l, &l->q, b);
    s.k = tensor_in(l, &l->k, b);
    s.v = tensor_in(l, &l->v, b);
    s.g = r->hp.fused ? tensor_in(l, &l->g, b) : s.q;
    s.out = out_place(l, r, b);
    uint64_t rows = l->ret->state == STATE_L2 ? 1 : r->hp.tokens;
    each_block(l, b->rows, min64(rows, b->rows), NULL, step_rows, &s);
    struct tensor *in[] = {&l->q, &l->k, &l->v};
    for (unsigned i = 0; i < 3; i++)
        tensor_in_end(l, in[i]);
    if (r->hp.fused)
        tensor_in_end(l, &l->g);
    tensor_out_end(l, r->dst);
}

static void step_body(struct lower *l, struct ret_op *r)
{
    struct tensor *in[] = {&l->q, &l->k, &l->v, r->hp.fused ? &l->g : NULL, NULL};
    staged_blocks(l, r, min64(l->T, r->tokens), in, step_block);
}

/* ---- any form ---- */

struct form_ops {
    bool state;                                      /* it has one */
    void (*body)(struct lower *l, struct ret_op *r); /* r->tokens of one slice */
};
static const struct form_ops form_ops[] = {
    [FORM_PARALLEL] = {false, parallel_slice},
    [FORM_RECURRENT] = {true, step_body},
    [FORM_CHUNKWISE] = {true, chunk_body},
};

/* The unit that takes the state first. */
static enum unit_id state_user(const struct lower *l, const struct ret_op *r)
{
    return r->form == FORM_CHUNKWISE ? UNIT_WEIGHT : ret_unit(l);
}

/* Tokens that an op of this form handles at a time. */
static uint64_t rows_of(const struct lower *l, const struct ret_op *r)
{
    switch (r->form) {
    case FORM_RECURRENT: return min64(l->T, r->tokens);
    case FORM_CHUNKWISE: return chunk_of(l);
    default: return r->hp.rows;
    }
}

static void slice_begin(struct lower *l, struct ret_op *r)
{
    if (!form_ops[r->form].state)
        return;
    state_open(l, r);
    state_begin(l, r, state_user(l, r));
}

static void slice_end(struct lower *l, struct ret_op *r)
{
    if (!form_ops[r->form].state)
        return;
    state_end(l, r, state_user(l, r));
    state_close(l, r);
}

static void whole_slice(struct lower *l, struct ret_op *r)
{
    slice_begin(l, r);
    form_ops[r->form].body(l, r);
    slice_end(l, r);
}

/* Waits for the inputs: block by block when they are first read in the order and in
 * the blocks in which they were written. */
static void open_inputs(struct lower *l, const struct ret_op *r)
{
    struct tensor *in[] = {&l->q, &l->k, &l->v, r->hp.fused ? &l->g : NULL,
                           r->form == FORM_CHUNKWISE && !l->token_update ? &l->khat : NULL};
    bool once = slices_of(l, r->hp.dv) == 1;
    for (unsigned i = 0; i < 5; i++)
        if (in[i])
            tensor_open(l, in[i], rows_of(l, r), once);
}

static void close_inputs(struct lower *l, const struct ret_op *r)
{
    l->q.pending = l->k.pending = l->v.pending = l->khat.pending = false;
    if (r->hp.fused)
        l->g.pending = false;
}

static struct ret_op op_of(struct lower *l, enum work_form form, uint64_t tokens)
{
    struct ret_op r = {.form = form, .tokens = tokens};
    plan_form(l, form, &r.hp);
    r.dst = r.hp.fused ? &l->y : &l->o;
    return r;
}

void emit_retention(struct lower *l, enum work_form form, uint64_t tokens)
{
    struct ret_op r = op_of(l, form, tokens);
    prog_op(l->p, div_up(tokens, rows_of(l, &r)));
    open_inputs(l, &r);
    each_slice(l, &r, whole_slice);
    close_inputs(l, &r);
    tensor_written(r.dst, tokens, rows_of(l, &r), slices_of(l, r.hp.dv));
    if (!r.hp.fused)
        emit_norm_gate(l, tokens);
}

struct ret_op retention_begin(struct lower *l, enum work_form form)
{
    struct ret_op r = op_of(l, form, 0);
    r.dv = l->dv;
    slice_begin(l, &r);
    return r;
}

void retention_piece(struct lower *l, struct ret_op *r, uint64_t tokens)
{
    r->tokens = tokens;
    prog_op(l->p, div_up(tokens, rows_of(l, r)));
    open_inputs(l, r);
    form_ops[r->form].body(l, r);
    close_inputs(l, r);
    tensor_written(r->dst, tokens, rows_of(l, r), 1);
    if (!r->hp.fused)
        emit_norm_gate(l, tokens);
}

void retention_end(struct lower *l, struct ret_op *r)
{
    slice_end(l, r);
}

/* ---- one token against the cache ---- */

static void cached_slice(struct lower *l, struct ret_op *r)
{
    struct block b = {1, aff(0)};
    struct tensor *out[] = {r->dst, NULL};
    query_block(l, r, 1, &b, &r->key_blocks, cache_block(l), &r->part_keys);
    host_drain(l, out, 1, 1);
}

void emit_cached(struct lower *l, const struct affine *full, const struct affine *keys)
{
    struct ret_op r = {.form = FORM_PARALLEL, .tokens = 1};
    prog_op(l->p, 1);
    struct head_plan one = cached_plan(l);
    r.hp = one;
    r.dst = one.fused ? &l->y : &l->o;
    struct tensor *in[] = {&l->q, &l->k, &l->v, one.fused ? &l->g : NULL, NULL};
    for (unsigned i = 0; in[i]; i++)
        tensor_open(l, in[i], 0, false);
    r.key_blocks = *full;
    r.part_keys = *keys;
    each_slice(l, &r, cached_slice);
    tensor_written(r.dst, 1, 1, slices_of(l, r.hp.dv));
    if (!one.fused)
        emit_norm_gate(l, 1);
}
