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

typedef void (*tile_fn)(struct lower *l, struct chunk_op *c, struct inner *t, const struct affine *at);

static void max_tile(struct lower *l, struct chunk_op *c, struct inner *t, const struct affine *at)
{
    struct affine tok = aff_add(*at, &c->tok);
    t->key = position_of(l, &tok);
    emit_maxima(l, c->r, t, where_tok(c->k, at, l->k.pitch));
}

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
    s.row_at = (uint32_t)row_words_at(l, c->r, t->rows);
    s.row_words = (uint32_t)c->r->hp.words;
    emit_sweep(l, &s);
}

/* The tiles of keys before block `i` of a chunk, then its own. */
static void over_tiles(struct lower *l, struct chunk_op *c, struct inner t, const struct affine *i,
                       bool earlier,
                       tile_fn fn)
{
    uint64_t step = c->r->hp.rows;
    struct affine own = aff_scale(*i, (int64_t)step), j = aff(0);
    if (earlier) {
        fn(l, c, &t, &j);
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff_plus(*i, -1));
        j = aff_term(aff((int64_t)step), d, (int64_t)step);
        fn(l, c, &t, &j);
        prog_end(l->p, THREAD_ACCEL);
    }
    t.keys = t.rows;
    t.causal = t.last = true;
    fn(l, c, &t, &own);
}

/* `rows` queries at offset within the chunk. */
static void chunk_rows(struct lower *l, struct chunk_op *c, uint64_t rows, const struct affine *i,
                       bool earlier)
{
    struct ret_op *r = c->r;
    uint64_t step = r->hp.rows;
    struct affine off = aff_scale(*i, (int64_t)step), tok = aff_add(off, &c->tok);
    struct inner t = {.rows = rows, .keys = step, .pos = position_of(l, &tok)};
    load_queries(l, where_tok(c->q, &off, l->q.pitch), rows);
    if (r->hp.words) { /* what the state adds comes to the step of the scores: their shifts come first */
        clear_row_words(l, r, rows);
        over_tiles(l, c, t, i, earlier, max_tile);
    }
    cross_rows(l, c, &t);
    over_tiles(l, c, t, i, earlier, inner_tile);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_OUT, 0, out_stage(r));
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    emit_result(l, r, where_tok(c->out, &off, staged_pitch(r->dst)), where_tok(c->g, &off, l->g.pitch), rows,
                &tok);
}

/* ---- the state takes up a chunk ---- */

/* Tokens that step the state at a time, keys and values in one activation slot. */
static void update_rows(struct lower *l, void *arg, const struct block *b)
{
    const struct chunk_op *c = arg;
    uint64_t rows = b->rows;
    const struct rows_of k = {rows, l->dk, l->k.bits, 0};
    const struct rows_of v = {rows, c->r->dv, l->v.bits, rows * bytes_of(l->dk, l->ab)};
    struct where values = where_slice(l, where_tok(c->v, &b->tok, l->v.pitch), c->r, &l->v);
    emit_load(l, RING_ACT, where_tok(c->k, &b->tok, l->k.pitch), &k, l->k.pitch, T_ACT, true, false);
    emit_load(l, RING_ACT, values, &v, l->v.pitch, T_ACT, false, true);
    struct cmd *step = emit(l, OP_RET_STEP, ret_unit(l));
    struct affine tok = aff_add(c->tok, &b->tok);
    emit_what(l, step, WHAT_STATE, &c->r->dv0, &tok);
    step->rows = (uint32_t)rows;
    step->k = (uint32_t)l->dk;
    step->cols = (uint32_t)c->r->dv;
    step->a_bits = (uint8_t)l->ab;
    step->state_at = state_at(l, c->r);
    step->useful = aff((int64_t)(rows * l->dk * c->r->dv));
    step->src = (struct slot_use){.ring = RING_ACT, .stage = 2, .release = true};
}

/* Token by token, without a read-out. The load unit may read what the weight unit has waited for,
 * which takes the state back when all is read. */
static void token_state(struct lower *l, const struct chunk_op *c)
{
    uint64_t token = bytes_of(l->dk, l->ab) + bytes_of(c->r->dv, l->ab);
    uint64_t rows = min64(c->len, l->act_slot / token);
    state_pass(l, UNIT_WEIGHT, UNIT_LOAD);
    state_take(l, UNIT_LOAD);
    state_pass(l, UNIT_LOAD, ret_unit(l));
    state_take(l, ret_unit(l));
    each_block(l, c->len, rows, NULL, update_rows, (void *)c);
    state_pass(l, ret_unit(l), UNIT_WEIGHT);
    if (!l->k.ext && !l->v.ext)
        return;
    state_take(l, UNIT_WEIGHT);
    state_pass(l, UNIT_WEIGHT, UNIT_WEIGHT);
}

struct state_tile { /* rows of the state that pass at a time, tokens that an activation slot holds of them */
    uint64_t rows, tokens;
};

/* Products of all tokens of a chunk meet in the accumulators: the state is rounded once. */
static struct state_tile state_tile_of(const struct lower *l, const struct chunk_op *c)
{
    uint64_t nt = l->geom.n_tile, kt = l->geom.k_tile, unit = byte_unit(l->khat.bits);
    uint64_t line = bytes_of(c->len, l->ab), sums = free_sums(l);
    struct state_tile t = {min64(l->dk, min64(l->act_slot / line, sums / nt)), c->len};
    t.rows = t.rows < l->dk ? t.rows / unit * unit : l->dk;
    if (t.rows)
        return t;
    t.rows = min64(l->dk, min64(sums / c->r->dv, l->act_slot / kt));
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
        s.pos_step = 0; /* rows are of the state: all take up the same tokens */
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

static void take_up(struct lower *l, const struct chunk_op *c)
{
    if (l->token_update)
        token_state(l, c);
    else
        chunk_state(l, c);
}

/* What a chunk reads, with a NULL behind it. */
static void chunk_inputs(struct lower *l, const struct ret_op *r, struct tensor **in)
{
    *in++ = &l->q;
    *in++ = &l->k;
    if (!l->token_update)
        *in++ = &l->khat;
    *in++ = &l->v;
    if (r->hp.fused)
        *in++ = &l->g;
    *in = NULL;
}

static void chunk_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct chunk_op c = {.r = r, .len = b->rows, .tok = b->tok};
    c.q = tensor_in(l, &l->q, b);
    c.k = tensor_in(l, &l->k, b);
    if (!l->token_update)
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
    take_up(l, &c);
    if (l->ret->state == STATE_L2)
        state_save(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    struct tensor *in[6];
    chunk_inputs(l, r, in);
    for (unsigned t = 0; in[t]; t++)
        tensor_in_end(l, in[t]);
    tensor_out_end(l, r->dst);
}

void chunk_body(struct lower *l, struct ret_op *r)
{
    struct tensor *in[6];
    chunk_inputs(l, r, in);
    staged_blocks(l, r, chunk_of(l), in, chunk_block);
}

/* ---- state of a finished sequence ---- */

static void build_block(struct lower *l, void *arg, const struct block *b)
{
    struct ret_op *r = arg;
    struct chunk_op c = {.r = r, .len = b->rows, .tok = b->tok};
    struct tensor *keys = l->token_update ? &l->k : &l->khat;
    struct where k = tensor_in(l, keys, b);
    c.k = c.khat = k;
    c.v = tensor_in(l, &l->v, b);
    if (l->ret->state == STATE_L2)
        state_load(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    state_take(l, UNIT_WEIGHT);
    if (!l->token_update) {
        state_pass(l, UNIT_WEIGHT, UNIT_ENGINE);
        state_take(l, UNIT_ENGINE);
    }
    take_up(l, &c);
    if (l->ret->state == STATE_L2)
        state_save(l, r, UNIT_WEIGHT, UNIT_WEIGHT);
    tensor_in_end(l, keys);
    tensor_in_end(l, &l->v);
}

static void build_slice(struct lower *l, struct ret_op *r)
{
    struct tensor *in[] = {l->token_update ? &l->k : &l->khat, &l->v, NULL}, *none[] = {NULL};
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
    if (!l->token_update)
        tensor_open(l, &l->khat, 0, false);
    each_slice(l, &r, build_slice);
}
