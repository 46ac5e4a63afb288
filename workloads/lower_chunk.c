/* Retention chunk by chunk, and the state of a finished sequence. */
#include "workloads/lower_ret.h"

#include "base/num.h"

/* ---- chunkwise ---- */

struct chunk_op {
    struct ret_op *r;
    struct where q, k, khat, v, g, out; /* of the chunk */
    uint64_t len;
    struct affine tok; /* its first */
};

static void inner_tile(struct lower *l, struct chunk_op *c, struct inner *t, const struct affine *at)
{
    struct affine tok = aff_add(*at, &c->tok);
    t->key = position_of(l, &tok);
    emit_scores(l, c->r, t, where_tok(c->k, at, l->k.pitch));
    if (t->last)
        emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_OUT, 0, 0);
    emit_values(l, c->r, t, where_tok(c->v, at, l->v.line));
}

/* Queries x state, decayed and brought to the step of the inner products. */
static void cross_rows(struct lower *l, const struct chunk_op *c, const struct inner *t)
{
    struct sweep s = ret_sweep(l, t->rows, c->r->dv, l->dk);
    sweep_mode(l, &s, engine_mode(l->engine, l->ret->read_bits, l->w->quant.activations));
    s.w_bits = (uint8_t)l->ret->read_bits;
    s.dst = MM_ACC;
    s.from_state = true;
    s.state = state_at(l, c->r);
    s.pitch = c->r->dv * l->ret->state_bits / 8;
    s.set.l2ring = L2RING_NONE;
    s.tensor = T_STATE;
    s.what = WHAT_CROSS;
    s.col = c->r->dv0;
    s.pos = t->pos;
    s.pos_step = 1;
    s.key = position_of(l, &c->tok);
    emit_sweep(l, &s);
}

/* `rows` queries at offset within the chunk. */
static void chunk_rows(struct lower *l, struct chunk_op *c, uint64_t rows, const struct affine *i,
                       bool earlier)
{
    struct ret_op *r = c->r;
    uint64_t step = r->hp.rows;
    struct affine off = aff_scale(*i, (int64_t)step), j = aff(0), tok = aff_add(off, &c->tok);
    struct inner t = {.rows = rows, .keys = step, .pos = position_of(l, &tok)};
    load_queries(l, where_tok(c->q, &off, l->q.pitch), rows);
    cross_rows(l, c, &t);
    if (earlier) {
        inner_tile(l, c, &t, &j);
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff_plus(*i, -1));
        j = aff_term(aff((int64_t)step), d, (int64_t)step);
        inner_tile(l, c, &t, &j);
        prog_end(l->p, THREAD_ACCEL);
    }
    t.keys = rows;
    t.causal = t.last = true;
    inner_tile(l, c, &t, &off);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_OUT, 0, out_stage(r));
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    emit_result(l, r, where_tok(c->out, &off, staged_pitch(r->dst)), where_tok(c->g, &off, l->g.pitch), rows,
                &tok);
}

struct state_tile { /* rows of the state that pass at a time, tokens that an activation slot holds of them */
    uint64_t rows, tokens;
};

/* Products of all tokens of a chunk meet in the accumulators: the state is rounded once. */
static struct state_tile state_tile_of(const struct lower *l, const struct chunk_op *c)
{
    uint64_t nt = l->geom.n_tile, kt = l->geom.k_tile, unit = byte_unit(l->khat.bits);
    uint64_t line = bytes_of(c->len, l->ab);
    struct state_tile t = {min64(l->dk, min64(l->act_slot / line, l->acc_values / nt)), c->len};
    t.rows = t.rows < l->dk ? t.rows / unit * unit : l->dk;
    if (t.rows)
        return t;
    t.rows = min64(l->dk, min64(l->acc_values / c->r->dv, l->act_slot / kt));
    t.rows = t.rows < l->dk ? max64(t.rows / unit * unit, min64(unit, l->dk)) : l->dk;
    t.tokens = l->act_slot / t.rows * 8 / l->ab;
    t.tokens = t.tokens > kt ? t.tokens / kt * kt : t.tokens;
    return t;
}

/* Rows of the decayed, transposed keys from `row` on move past sets of values. */
static void state_rows(struct lower *l, const struct chunk_op *c, const struct state_tile *t, uint64_t rows,
                       const struct affine *row)
{
    uint64_t bytes = l->ret->state_bits / 8, line = c->r->dv * bytes;
    struct affine last = aff_plus(c->tok, (int64_t)c->len - 1), at_row = aff_scale(*row, (int64_t)line);
    for (uint64_t at = 0; at < c->len; at += t->tokens) {
        uint64_t n = min64(t->tokens, c->len - at);
        struct where k = where_at(c->khat, (int64_t)(at * l->khat.pitch));
        struct affine first = col_bytes(row, l->khat.bits);
        const struct rows_of keys = {n, rows, l->khat.bits, 0};
        k.addr = aff_add(k.addr, &first);
        struct cmd *ld = emit_load(l, RING_ACT, k, &keys, l->khat.pitch, T_ACT, true, true);
        ld->transpose = true;
        ld->rows = (uint32_t)n;
        ld->row_bytes = (uint32_t)bytes_of(rows, keys.bits);
        ld->buf_pitch = (uint32_t)bytes_of(n, keys.bits);
        struct sweep s = ret_sweep(l, rows, c->r->dv, n);
        s.first = at == 0;
        s.last = at + n == c->len;
        s.acc_tile = n == c->len;
        s.dst = MM_STATE;
        s.out_bits = (uint8_t)l->ret->state_bits;
        s.dst_pitch = (uint32_t)line;
        s.set = where_slice(l, where_at(c->v, (int64_t)(at * l->v.line)), c->r, &l->v);
        s.transpose = true;
        s.pitch = l->v.line;
        s.plane = l->v.plane;
        s.tensor = l->v.kind;
        s.what = WHAT_STATE;
        s.col = c->r->dv0;
        s.pos = position_of(l, &last);
        s.pos_step = 1;
        s.key = *row;
        s.tokens = (uint32_t)c->len;
        s.state = state_at(l, c->r);
        s.state = aff_add(s.state, &at_row);
        emit_sweep(l, &s);
        emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    }
}

/* S <- gamma^B S + K^T V. The next chunk may not read before the pipeline is empty. */
static void chunk_state(struct lower *l, const struct chunk_op *c)
{
    struct state_tile t = state_tile_of(l, c);
    uint64_t full = l->dk / t.rows, rest = l->dk % t.rows;
    struct affine row = aff(0);
    if (full > 1) {
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)full));
        row = aff_term(row, d, (int64_t)t.rows);
        state_rows(l, c, &t, t.rows, &row);
        prog_end(l->p, THREAD_ACCEL);
    } else {
        state_rows(l, c, &t, t.rows, &row);
    }
    row = aff((int64_t)(full * t.rows));
    if (rest)
        state_rows(l, c, &t, rest, &row);
    state_pass(l, UNIT_ENGINE, UNIT_WEIGHT);
}

static void chunk_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct chunk_op c = {.r = r, .len = b->rows, .tok = b->tok};
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

void chunk_body(struct lower *l, struct ret_op *r)
{
    struct tensor *in[] = {&l->q, &l->k, &l->khat, &l->v, r->hp.fused ? &l->g : NULL, NULL};
    staged_blocks(l, r, chunk_of(l), in, chunk_block);
}

/* ---- state of a finished sequence ---- */

static void build_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct chunk_op c = {.r = r, .len = b->rows, .tok = b->tok};
    c.khat = tensor_in(l, &l->khat, b);
    c.v = tensor_in(l, &l->v, b);
    if (l->ret->state == STATE_L2)
        state_load(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    state_take(l, UNIT_WEIGHT);
    state_pass(l, UNIT_WEIGHT, UNIT_ENGINE);
    state_take(l, UNIT_ENGINE);
    chunk_state(l, &c);
    if (l->ret->state == STATE_L2)
        state_save(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    tensor_in_end(l, &l->khat);
    tensor_in_end(l, &l->v);
}

static void build_slice(struct lower *l, struct ret_op *r)
{
    struct tensor *in[] = {&l->khat, &l->v, NULL}, *none[] = {NULL};
    state_open(l, r);
    state_begin(l, r, UNIT_WEIGHT);
    each_staged(l, r->tokens, chunk_of(l), in, none, build_block, r);
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
