/* What the forms of retention share: slices of value columns, tiles of scores and
 * values, finished rows. */
#include "workloads/lower_ret.h"

#include "base/num.h"

struct where where_tok(struct where w, const struct affine *tok, uint64_t pitch)
{
    struct affine a = aff_scale(*tok, (int64_t)pitch);
    w.addr = aff_add(w.addr, &a);
    return w;
}

struct sweep ret_sweep(struct lower *l, uint64_t rows, uint64_t n, uint64_t k)
{
    struct sweep s = {.rows = rows, .n = n, .k = k, .first = true, .last = true, .src = RING_ACT,
                      .src_pitch = (uint32_t)bytes_of(k, l->ab), .a_bits = (uint8_t)l->ab,
                      .w_bits = (uint8_t)l->ab, .useful_scale = 1, .k_depth = -1};
    sweep_mode(l, &s, l->act_mode);
    return s;
}

/* Position of key `tok` of the sequence at hand. */
struct affine key_position(const struct lower *l, const struct affine *tok)
{
    struct affine seq = aff_scale(l->seq, PROG_SEQUENCE);
    return aff_add(*tok, &seq);
}

/* The slice of value columns of t's rows that begin at w. */
struct where where_slice(struct lower *l, struct where w, const struct ret_op *r, const struct tensor *t)
{
    struct affine at = column_place(l, t, &r->dv0);
    w.addr = aff_add(w.addr, &at);
    return w;
}

/* Staged results of a slice have its columns alone: a head's of the gated rows, or the
 * slice's of the head's raw rows. */
static void run_slice(struct lower *l, struct ret_op *r, slice_fn fn)
{
    struct affine head = aff_scale(l->head, (int64_t)l->dv);
    if (r->dst == &l->y)
        tensor_slice(&l->y, l->dv, &head);
    else if (r->dst)
        tensor_slice(r->dst, r->dv, &r->dv0);
    fn(l, r);
    if (r->dst)
        tensor_whole(r->dst);
}

/* Slices of value columns, one after the other: the first, a loop over the
 * others, what is left. */
void each_slice(struct lower *l, struct ret_op *r, slice_fn fn)
{
    uint64_t cols = min64(r->hp.dv, l->dv), full = l->dv / cols, rest = l->dv % cols;
    r->dv = cols;
    r->dv0 = r->slice = aff(0);
    r->again = false;
    run_slice(l, r, fn);
    r->again = true;
    if (full > 1) {
        unsigned d = both_repeat(l, full - 1);
        r->slice = aff_term(aff(1), d, 1);
        r->dv0 = aff_scale(r->slice, (int64_t)cols);
        run_slice(l, r, fn);
        both_end(l);
    }
    if (rest) {
        r->dv = rest;
        r->slice = aff((int64_t)full);
        r->dv0 = aff((int64_t)(full * cols));
        run_slice(l, r, fn);
    }
}

uint64_t row_words_at(const struct lower *l, const struct ret_op *r, uint64_t rows)
{
    return rows * (r->dv + l->geom.n_tile);
}

/* `rows` queries against `keys` keys at k, masked and decayed. */
static struct sweep score_sweep(struct lower *l, const struct ret_op *r, const struct inner *t,
                                struct where k)
{
    struct sweep s = ret_sweep(l, t->rows, t->keys, l->dk);
    s.set = k;
    s.pitch = l->k.pitch;
    s.tensor = l->k.kind;
    s.causal = t->causal ? CAUSAL_SCORES : CAUSAL_NONE;
    s.what = WHAT_SCORE;
    s.col = aff(0);
    s.pos = t->pos;
    s.pos_step = 1;
    s.key = t->key;
    s.acc_base = (uint32_t)(t->rows * r->dv);
    s.acc_tile = true;
    s.row_at = (uint32_t)row_words_at(l, r, t->rows);
    s.row_words = (uint32_t)r->hp.words;
    return s;
}

void emit_maxima(struct lower *l, const struct ret_op *r, const struct inner *t, struct where k)
{
    struct sweep s = score_sweep(l, r, t, k);
    s.dst = MM_MAX;
    s.again = true; /* the scores come in the second pass */
    s.useful_scale = 0;
    emit_sweep(l, &s);
}

/* Scores, requantised into a score slot. */
void emit_scores(struct lower *l, const struct ret_op *r, const struct inner *t, struct where k)
{
    struct sweep s = score_sweep(l, r, t, k);
    s.dst = MM_SCORE;
    s.out_bits = (uint8_t)l->sb;
    s.dst_pitch = (uint32_t)bytes_of(t->keys, l->sb);
    s.again = r->again;
    s.useful_scale = !r->again && !r->padded; /* scores computed again are no useful work */
    emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_SCORE, 0, 0);
    emit_sweep(l, &s);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_SCORE, 0, 2);
}

void emit_values(struct lower *l, const struct ret_op *r, const struct inner *t, struct where v)
{
    struct sweep s = ret_sweep(l, t->rows, r->dv, t->keys);
    s.row_at = (uint32_t)row_words_at(l, r, t->rows);
    s.row_words = (uint32_t)r->hp.words;
    s.src = RING_SCORE;
    s.a_bits = (uint8_t)l->sb;
    s.src_pitch = (uint32_t)bytes_of(t->keys, l->sb);
    sweep_mode(l, &s, engine_mode(l->engine, l->w->quant.activations, l->w->quant.score_bits));
    s.first = t->first;
    s.last = t->last;
    s.dst = MM_OUT;
    s.out_bits = 16;
    s.dst_pitch = (uint32_t)(2 * r->dv);
    s.set = where_slice(l, v, r, &l->v);
    s.transpose = true;
    s.pitch = l->v.line;
    s.plane = l->v.plane;
    s.tensor = l->v.kind;
    s.causal = t->causal ? CAUSAL_VALUES : CAUSAL_NONE;
    s.what = WHAT_RAW;
    s.col = r->dv0;
    s.pos = t->pos;
    s.pos_step = 1;
    s.key = t->key;
    s.useful_scale = !r->padded;
    emit_sweep(l, &s);
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_SCORE, 0, 2);
}

void load_queries(struct lower *l, struct where q, uint64_t rows)
{
    struct rows_of r = {rows, l->dk, l->q.bits, 0};
    emit_load(l, RING_ACT, q, &r, l->q.pitch, T_ACT, true, true);
}

/* The finished rows: norm and gate on the way out, or raw. */
void emit_result(struct lower *l, const struct ret_op *r, struct where out, struct where g,
                        uint64_t rows, const struct affine *tok)
{
    struct affine none = aff(0);
    struct rows_of rows_of = {rows, r->dv, r->dst->bits, 0};
    if (!r->hp.fused) {
        struct where to = l->o.ext ? out : where_slice(l, out, r, &l->o);
        emit_what(l, emit_store(l, to, &rows_of, &l->o, true), WHAT_RAW, &r->dv0, tok);
        return;
    }
    struct rows_of gates = {rows, l->dv, l->g.bits, 0};
    emit_load(l, RING_AUX, g, &gates, l->g.pitch, T_ACT, true, true);
    struct cmd *c = emit_vec(l, VEC_RMS_GATE, rows, l->dv, 16, l->ab);
    c->out_bits = (uint8_t)l->ab;
    emit_what(l, c, WHAT_GATED, &none, tok);
    c->src = (struct slot_use){.ring = RING_OUT, .stage = 1};
    c->src2 = (struct slot_use){.ring = RING_AUX, .stage = 2, .release = true};
    c->dst = (struct slot_use){.ring = RING_OUT, .stage = 2, .commit = true};
    emit_what(l, emit_store(l, out, &rows_of, &l->y, true), WHAT_GATED, &none, tok);
}

uint8_t out_stage(const struct ret_op *r)
{
    return r->hp.fused ? 1 : 2;
}

struct where out_place(struct lower *l, struct ret_op *r, const struct block *b)
{
    struct where w = tensor_out(l, r->dst, b);
    if (r->dst == &l->y && !l->y.ext) {
        struct affine col = aff_scale(l->head, (int64_t)l->dv);
        col = col_bytes(&col, l->y.bits);
        w.addr = aff_add(w.addr, &col);
    }
    return w;
}

uint64_t slices_of(const struct lower *l, uint64_t dv)
{
    return (l->dv + dv - 1) / dv;
}

void staged_blocks(struct lower *l, struct ret_op *r, uint64_t rows, struct tensor *const *in,
                   block_fn fn)
{
    struct tensor *out[] = {r->dst, NULL};
    each_staged(l, r->tokens, rows, in, out, fn, r);
}
