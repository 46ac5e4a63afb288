/* Retention of one head: parallel, recurrent, chunkwise, and one token against a
 * key-value cache (facts/retnet.md sections 1 and 2). Row normalisers are dropped:
 * they cancel in the per-head norm. */
#include "workloads/lower_ret.h"

#include "base/num.h"

static struct where add_tok(struct where w, const struct affine *tok, uint64_t pitch)
{
    struct affine a = aff_scale(*tok, (int64_t)pitch);
    w.addr = aff_add(w.addr, &a);
    return w;
}

static struct sweep sweep_of(struct lower *l, uint64_t rows, uint64_t n, uint64_t k)
{
    struct sweep s = {.rows = rows, .n = n, .k = k, .first = true, .last = true, .src = RING_ACT,
                      .out_bytes = 1, .decay = -1, .useful_scale = 1, .k_depth = -1};
    sweep_mode(l, &s, l->ab, l->ab);
    return s;
}

/* The slice of value columns, `bytes` each, of rows that begin at w. */
static struct where where_slice(struct where w, const struct ret_op *r, uint64_t bytes)
{
    struct affine at = aff_scale(r->dv0, (int64_t)bytes);
    w.addr = aff_add(w.addr, &at);
    return w;
}

typedef void (*slice_fn)(struct lower *l, struct ret_op *r);

/* Slices of value columns, one after the other: the first, a loop over the
 * others, what is left. */
static void each_slice(struct lower *l, struct ret_op *r, slice_fn fn)
{
    uint64_t cols = min64(r->hp.dv, l->dv), full = l->dv / cols, rest = l->dv % cols;
    r->dv = cols;
    r->dv0 = r->slice = aff(0);
    r->again = false;
    fn(l, r);
    r->again = true;
    if (full > 1) {
        unsigned d = both_repeat(l, full - 1);
        r->slice = aff_term(aff(1), d, 1);
        r->dv0 = aff_scale(r->slice, (int64_t)cols);
        fn(l, r);
        both_end(l);
    }
    if (rest) {
        r->dv = rest;
        r->slice = aff((int64_t)full);
        r->dv0 = aff((int64_t)(full * cols));
        fn(l, r);
    }
}

/* Scores of `rows` queries against `keys` keys at k: masked, decayed,
 * requantised into a score slot. */
static void emit_scores(struct lower *l, const struct ret_op *r, uint64_t rows, uint64_t keys, struct where k,
                        bool causal, uint8_t q_age)
{
    struct sweep s = sweep_of(l, rows, keys, l->dk);
    s.src_age = q_age;
    s.dst = MM_SCORE;
    s.set = k;
    s.pitch = l->k.pitch;
    s.tensor = l->w->decode == DECODE_KV_CACHE && r->form == FORM_PARALLEL && l->kc.used ? T_KV : T_ACT;
    s.causal = causal ? CAUSAL_SCORES : CAUSAL_NONE;
    s.decay = 0;
    s.acc_base = (uint32_t)(rows * r->dv);
    s.useful_scale = !r->again && !r->padded; /* scores computed again are no useful work */
    emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_SCORE, 0, 0);
    emit_sweep(l, &s);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_SCORE, 0, 2);
}

static void emit_values(struct lower *l, const struct ret_op *r, uint64_t rows, uint64_t keys, struct where v,
                        bool causal, bool first, bool last)
{
    struct sweep s = sweep_of(l, rows, r->dv, keys);
    s.src = RING_SCORE;
    s.first = first;
    s.last = last;
    s.dst = MM_OUT;
    s.out_bytes = 2;
    s.set = where_slice(v, r, 1);
    s.transpose = true;
    s.pitch = l->v.pitch;
    s.tensor = T_ACT;
    s.causal = causal ? CAUSAL_VALUES : CAUSAL_NONE;
    s.useful_scale = !r->padded;
    emit_sweep(l, &s);
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_SCORE, 0, 2);
}

static void load_queries(struct lower *l, struct where q, uint64_t rows)
{
    emit_load(l, RING_ACT, q, rows, l->dk, l->q.pitch, T_ACT, true, true);
}

/* The finished rows: norm and gate on the way out, or raw. */
static void emit_result(struct lower *l, const struct ret_op *r, struct where out, struct where g,
                        uint64_t rows)
{
    if (!r->hp.fused) {
        emit_store(l, where_slice(out, r, 2), rows, r->dv * 2, l->o.pitch, T_ACT, true);
        return;
    }
    emit_load(l, RING_AUX, g, rows, l->dv, l->g.pitch, T_ACT, true, true);
    struct cmd *c = emit_vec(l, VEC_RMS_GATE, rows, l->dv);
    c->src = (struct slot_use){.ring = RING_OUT, .stage = 1};
    c->src2 = (struct slot_use){.ring = RING_AUX, .stage = 2, .release = true};
    c->dst = (struct slot_use){.ring = RING_OUT, .stage = 2, .commit = true};
    emit_store(l, out, rows, l->dv, l->y.pitch, T_ACT, true);
}

static uint8_t out_stage(const struct ret_op *r)
{
    return r->hp.fused ? 1 : 2;
}

static struct where out_place(struct lower *l, struct ret_op *r, const struct block *b)
{
    struct where w = tensor_out(l, r->dst, b);
    if (r->dst == &l->y) {
        struct affine col = aff_scale(l->head, (int64_t)l->dv);
        w.addr = aff_add(w.addr, &col);
    }
    return w;
}

/* ---- parallel ---- */

static void key_block(struct lower *l, const struct ret_op *r, uint64_t rows, uint64_t keys,
                      const struct block *kb, bool causal, bool last)
{
    struct tensor *kv[] = {&l->k, &l->v, NULL};
    host_in(l, kv, kb);
    struct where k = tensor_in(l, &l->k, kb), v = tensor_in(l, &l->v, kb);
    emit_scores(l, r, rows, keys, k, causal, 0);
    if (last)
        emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_OUT, 0, 0);
    emit_values(l, r, rows, keys, v, causal, false, last);
    tensor_in_end(l, &l->k);
    tensor_in_end(l, &l->v);
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
    struct cmd *clear = emit(l, OP_CLEAR, UNIT_ENGINE);
    clear->useful = useful_keys ? aff_scale(*useful_keys, (int64_t)((r->again ? 0 : l->dk) + r->dv)) : aff(0);
    struct block kb = {step, aff(0)};
    bool k_pending = l->k.pending, v_pending = l->v.pending;
    l->k.pending = l->v.pending = false; /* earlier blocks were waited for by earlier queries */
    unsigned d = prog_repeat(l->p, THREAD_ACCEL, *i);
    prog_repeat(l->p, THREAD_HOST, *i);
    kb.tok.k[d] = (int64_t)step;
    key_block(l, r, rows, step, &kb, false, false);
    both_end(l);
    l->k.pending = k_pending;
    l->v.pending = v_pending;
    kb = (struct block){useful_keys ? step : rows, aff_scale(*i, (int64_t)step)};
    /* A part of a block is computed whole; what counts was booked above. */
    r->padded = useful_keys != NULL;
    key_block(l, r, rows, kb.rows, &kb, !useful_keys, true);
    r->padded = false;
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_OUT, 0, out_stage(r));
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    emit_result(l, r, o, g, rows);
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

/* ---- chunkwise ---- */

struct chunk_op {
    struct ret_op *r;
    struct where q, k, khat, v, g, out; /* of the chunk */
    uint64_t len;
};

/* `rows` queries at offset within the chunk. */
static void chunk_rows(struct lower *l, struct chunk_op *c, uint64_t rows, const struct affine *i,
                       bool earlier)
{
    struct ret_op *r = c->r;
    uint64_t step = r->hp.rows;
    struct affine off = aff_scale(*i, (int64_t)step);
    load_queries(l, add_tok(c->q, &off, l->q.pitch), rows);
    struct sweep s = sweep_of(l, rows, r->dv, l->dk); /* cross: queries x state */
    sweep_mode(l, &s, l->ret->read_bits, l->ab);
    s.last = false;
    s.from_state = true;
    s.set.l2ring = L2RING_NONE;
    s.tensor = T_STATE;
    s.decay = 1;
    emit_sweep(l, &s);
    if (earlier) {
        struct affine j = aff(0);
        emit_scores(l, r, rows, step, c->k, false, 0);
        emit_values(l, r, rows, step, c->v, false, false, false);
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff_plus(*i, -1));
        j = aff_term(aff((int64_t)step), d, (int64_t)step);
        emit_scores(l, r, rows, step, add_tok(c->k, &j, l->k.pitch), false, 0);
        emit_values(l, r, rows, step, add_tok(c->v, &j, l->v.pitch), false, false, false);
        prog_end(l->p, THREAD_ACCEL);
    }
    emit_scores(l, r, rows, rows, add_tok(c->k, &off, l->k.pitch), true, 0);
    emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_OUT, 0, 0);
    emit_values(l, r, rows, rows, add_tok(c->v, &off, l->v.pitch), true, false, true);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_OUT, 0, out_stage(r));
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    emit_result(l, r, add_tok(c->out, &off, r->dst->pitch), add_tok(c->g, &off, l->g.pitch), rows);
}

/* S <- gamma^B S + K^T V: rows of the decayed, transposed keys move past sets
 * of values. The next chunk may not read before the pipeline is empty. */
static void chunk_state(struct lower *l, const struct chunk_op *c)
{
    uint64_t step = l->act_slot / l->dk;
    for (uint64_t at = 0; at < c->len; at += step) {
        uint64_t n = min64(step, c->len - at);
        struct cmd *ld = emit_load(l, RING_ACT, where_at(c->khat, (int64_t)(at * l->khat.pitch)), n, l->dk,
                                   l->khat.pitch, T_ACT, true, true);
        ld->transpose = true;
        ld->rows = (uint32_t)n;
        ld->row_bytes = (uint32_t)l->dk;
        struct sweep s = sweep_of(l, l->dk, c->r->dv, n);
        s.dst = MM_STATE;
        s.out_bytes = (uint8_t)(l->ret->state_bits / 8);
        s.set = where_slice(where_at(c->v, (int64_t)(at * l->v.pitch)), c->r, 1);
        s.transpose = true;
        s.pitch = l->v.pitch;
        s.tensor = T_ACT;
        s.decay = 2;
        emit_sweep(l, &s);
        emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    }
    state_pass(l, UNIT_ENGINE, UNIT_WEIGHT);
}

static void chunk_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct chunk_op c = {.r = r, .len = b->rows};
    c.q = tensor_in(l, &l->q, b);
    c.k = tensor_in(l, &l->k, b);
    c.khat = tensor_in(l, &l->khat, b);
    c.v = tensor_in(l, &l->v, b);
    c.g = r->hp.fused ? tensor_in(l, &l->g, b) : c.q;
    c.out = out_place(l, r, b);
    if (l->ret->state == STATE_L2)
        state_load(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    state_take(l, UNIT_WEIGHT);
    uint64_t step = r->hp.rows, full = b->rows / step, rest = b->rows % step;
    struct affine i = aff(0);
    if (full)
        chunk_rows(l, &c, step, &i, false);
    if (full > 1) {
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)full - 1));
        i = aff_term(aff(1), d, 1);
        chunk_rows(l, &c, step, &i, true);
        prog_end(l->p, THREAD_ACCEL);
    }
    if (rest) {
        i = aff((int64_t)full);
        chunk_rows(l, &c, rest, &i, full > 0);
    }
    chunk_state(l, &c);
    if (l->ret->state == STATE_L2)
        state_save(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    struct tensor *in[] = {&l->q, &l->k, &l->khat, &l->v};
    for (unsigned t = 0; t < 4; t++)
        tensor_in_end(l, in[t]);
    if (r->hp.fused)
        tensor_in_end(l, &l->g);
    tensor_out_end(l, r->dst);
}

static uint64_t slices_of(const struct lower *l, uint64_t dv)
{
    return (l->dv + dv - 1) / dv;
}

static void staged_blocks(struct lower *l, struct ret_op *r, uint64_t rows, struct tensor *const *in,
                          block_fn fn)
{
    struct tensor *out[] = {r->dst, NULL};
    each_staged(l, r->tokens, rows, in, out, fn, r);
}

static void chunk_body(struct lower *l, struct ret_op *r)
{
    struct tensor *in[] = {&l->q, &l->k, &l->khat, &l->v, r->hp.fused ? &l->g : NULL, NULL};
    staged_blocks(l, r, chunk_of(l), in, chunk_block);
}

/* ---- recurrent ---- */

struct step_op {
    const struct ret_op *r;
    struct where q, k, v, g, out;
};

static void step_rows(struct lower *l, void *arg, const struct block *b)
{
    const struct step_op *s = arg;
    const struct ret_op *r = s->r;
    bool l2 = l->ret->state == STATE_L2;
    emit_load(l, RING_ACT, add_tok(s->q, &b->tok, l->q.pitch), b->rows, l->dk, l->q.pitch, T_ACT, true,
              false);
    emit_load(l, RING_ACT, add_tok(s->k, &b->tok, l->k.pitch), b->rows, l->dk, l->k.pitch, T_ACT, false,
              false);
    emit_load(l, RING_ACT, where_slice(add_tok(s->v, &b->tok, l->v.pitch), r, 1), b->rows, r->dv, l->v.pitch,
              T_ACT, false, true);
    if (l2)
        state_load(l, r, ret_unit(l), ret_unit(l));
    state_take(l, ret_unit(l));
    struct cmd *c = emit(l, OP_RET_STEP, ret_unit(l));
    c->rows = (uint32_t)b->rows;
    c->k = (uint32_t)l->dk;
    c->cols = (uint32_t)r->dv;
    c->out_bytes = 2;
    c->useful = aff((int64_t)(2 * b->rows * l->dk * r->dv));
    c->src = (struct slot_use){.ring = RING_ACT, .stage = 2, .release = true};
    c->dst = (struct slot_use){.ring = RING_OUT, .stage = out_stage(r), .acquire = true, .commit = true};
    state_pass(l, ret_unit(l), ret_unit(l));
    if (l2)
        state_save(l, r, ret_unit(l), ret_unit(l));
    emit_result(l, r, add_tok(s->out, &b->tok, r->dst->pitch), add_tok(s->g, &b->tok, l->g.pitch), b->rows);
}

static void step_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct step_op s = {.r = r};
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
                           r->form == FORM_CHUNKWISE ? &l->khat : NULL};
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
    prog_op(l->p);
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
    struct block b = {1, l->seq};
    struct tensor *out[] = {r->dst, NULL};
    query_block(l, r, 1, &b, &r->key_blocks, cache_block(l), &r->part_keys);
    host_drain(l, out, 1, 1);
}

void emit_cached(struct lower *l, const struct affine *full, const struct affine *keys)
{
    struct ret_op r = {.form = FORM_PARALLEL, .tokens = 1};
    prog_op(l->p);
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

/* ---- state of a finished sequence ---- */

static void build_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct chunk_op c = {.r = r, .len = b->rows};
    c.khat = tensor_in(l, &l->khat, b);
    c.v = tensor_in(l, &l->v, b);
    state_take(l, UNIT_WEIGHT);
    state_pass(l, UNIT_WEIGHT, UNIT_ENGINE);
    state_take(l, UNIT_ENGINE);
    chunk_state(l, &c);
    tensor_in_end(l, &l->khat);
    tensor_in_end(l, &l->v);
}

static void build_slice(struct lower *l, struct ret_op *r)
{
    struct tensor *in[] = {&l->khat, &l->v, NULL}, *none[] = {NULL};
    state_open(l, r);
    state_begin(l, r, UNIT_WEIGHT);
    each_staged(l, r->tokens, min64(l->T, r->tokens), in, none, build_block, r);
    state_end(l, r, UNIT_WEIGHT);
    state_close(l, r);
}

void emit_state_build(struct lower *l, uint64_t tokens)
{
    struct ret_op r = {.form = FORM_PARALLEL, .tokens = tokens};
    r.hp.dv = l->state_dv;
    tensor_open(l, &l->khat, 0, false);
    each_slice(l, &r, build_slice);
}
