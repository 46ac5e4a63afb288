/* The vector unit, and the retention unit's steps. */
#include "workloads/values_impl.h"

#include "base/num.h"

#include <inttypes.h>
#include <string.h>

struct vec {
    struct values *v;
    const struct vissued *is;
    const struct cmd *c;
    struct bytes *src, *src2, *dst;
    uint32_t row;  /* at hand */
    int64_t pos;   /* its token */
};

/* The row's elements in the first or second operand. */
static bool take(const struct vec *x, bool second, int16_t *to)
{
    const struct cmd *c = x->c;
    unsigned bits = second ? c->w_bits : c->a_bits;
    uint64_t bytes = bytes_of(c->cols, bits), pitch = !second && c->src_pitch ? c->src_pitch : bytes;
    const uint8_t *from = bytes_at(x->v, x->is, second ? x->src2 : x->src,
                                   (int64_t)((second ? c->src2_at : c->src_at) + x->row * pitch), bytes);
    if (!from)
        return false;
    unpack(from, 0, bits, c->cols, to);
    return true;
}

static bool give(const struct vec *x, bool second, const int16_t *from)
{
    const struct cmd *c = x->c;
    unsigned bits = second ? c->out2_bits : c->out_bits;
    uint64_t bytes = bytes_of(c->cols, bits), at = second ? c->dst2_at : c->dst_at;
    uint8_t *to = bytes_put(x->v, x->is, x->dst, (int64_t)(at + x->row * bytes), bytes);
    if (!to)
        return false;
    pack(to, 0, bits, c->cols, from);
    return true;
}

/* Keys as the state takes them: decayed to the end of their chunk. */
static bool decayed_keys(const struct vec *x, const int16_t *k)
{
    struct values *v = x->v;
    const struct qhead *h = head_of(v, x->is);
    uint64_t pos = position(x->pos), chunk = v->work->chunk, first = pos / chunk * chunk;
    uint64_t last = min64(first + chunk, v->work->seq) - 1;
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = (int16_t)clip(rq_apply(v->q->undecay, decayed(&h->decay, last - pos, k[i])), v->q->amax);
    return give(x, true, v->out);
}

static bool rotary(const struct vec *x)
{
    struct values *v = x->v;
    const struct qlayer *l = layer_of(v, x->is);
    struct rq rq = x->c->what == WHAT_QR ? l->qr : l->kr;
    uint64_t pairs = v->n->dk / 2, at = position(x->pos) * pairs + (uint64_t)x->is->col / 2;
    if (x->is->col % 2 || x->c->cols % 2 || position(x->pos) >= v->q->S_max)
        return values_fail(v, x->is, "rotary of columns %" PRId64 " to %" PRId64 " at position %" PRIu64,
                           x->is->col, x->is->col + x->c->cols - 1, position(x->pos));
    if (!take(x, false, v->a))
        return false;
    for (uint32_t j = 0; j < x->c->cols / 2; j++)
        rotate_pair(v->a + 2 * j, v->q->cos[at + j], v->q->sin[at + j], rq, v->q->amax, v->b + 2 * j);
    if (!give(x, false, v->b))
        return false;
    return x->c->vec_kind != VEC_ROTARY_DECAY || decayed_keys(x, v->b);
}

static bool lut(const struct vec *x)
{
    struct values *v = x->v;
    const int16_t *table = layer_of(v, x->is)->swish;
    if (!take(x, false, v->a))
        return false;
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = table[v->a[i] + 128];
    return give(x, false, v->out);
}

static bool glu(const struct vec *x)
{
    struct values *v = x->v;
    const struct qlayer *l = layer_of(v, x->is);
    if (!take(x, false, v->a) || !take(x, true, v->b))
        return false;
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = (int16_t)clip(rq_apply(l->prod, (int32_t)l->act[v->a[i] + 128] * v->b[i]), v->q->amax);
    return give(x, false, v->out);
}

static bool residual(const struct vec *x)
{
    struct values *v = x->v;
    const struct qlayer *l = layer_of(v, x->is);
    struct rq keep = x->c->what == WHAT_RES1 ? l->res1 : l->res2;
    if (!take(x, false, v->a) || !take(x, true, v->b))
        return false;
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = (int16_t)clip(rq_apply(keep, v->b[i]) + v->a[i], v->q->omax);
    return give(x, false, v->out);
}

struct norm { /* gains and scales of one */
    const struct rms_norm *rms;
    struct rq narrow, back;
};

static struct norm norm_of(const struct vec *x)
{
    const struct qnet *q = x->v->q;
    const struct qlayer *l = layer_of(x->v, x->is);
    if (x->c->what == WHAT_FINAL)
        return (struct norm){&q->ln, q->nf, q->nf};
    /* Post-norm: the first norm makes what the FFN takes, the second what comes after the block. */
    bool first = (x->c->what == WHAT_LN1) == q->n->pre_norm;
    return first ? (struct norm){&l->ln1, l->n1, l->back1} : (struct norm){&l->ln2, l->n2, l->back2};
}

static bool rms(const struct vec *x)
{
    struct values *v = x->v;
    struct norm n = norm_of(x);
    if (!take(x, false, v->a))
        return false;
    int64_t std = rms_std(n.rms, v->a, x->c->cols);
    for (uint32_t i = 0; i < x->c->cols; i++) {
        int16_t gain = n.rms->gain[i];
        v->out[i] = (int16_t)clip(rms_element(n.rms, n.narrow, v->a[i], gain, std), v->q->amax);
        v->b[i] = (int16_t)clip(rms_element(n.rms, n.back, v->a[i], gain, std), v->q->omax);
    }
    return give(x, false, v->out) && (!x->c->out2_bits || give(x, true, v->b));
}

static bool narrow(const struct vec *x)
{
    struct values *v = x->v;
    if (!take(x, false, v->a))
        return false;
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = (int16_t)clip(rq_apply(v->q->narrow, v->a[i]), v->q->amax);
    return give(x, false, v->out);
}

static bool gather(const struct vec *x)
{
    struct values *v = x->v;
    uint64_t token = expected_token(v->job->want, x->pos);
    if (token >= v->n->vocab)
        return values_fail(v, x->is, "there is no token at position %" PRIu64, position(x->pos));
    struct rq rq = v->q->rq_embed[token];
    if (!take(x, false, v->a))
        return false;
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = (int16_t)clip(rq_apply(rq, v->a[i]), v->q->omax);
    return give(x, false, v->out);
}

static bool norm_gate(const struct vec *x)
{
    struct values *v = x->v;
    const struct qlayer *l = layer_of(v, x->is);
    const struct qhead *h = head_of(v, x->is);
    uint64_t pos = position(x->pos);
    enum net_form form = form_at(v, pos);
    uint64_t eps = h->eps[form][eps_position(v, pos)];
    if (!take(x, false, v->a) || !take(x, true, v->b))
        return false;
    head_norm_row(&l->y, v->a, x->c->cols, eps, v->out);
    for (uint32_t i = 0; i < x->c->cols; i++)
        v->out[i] = (int16_t)clip(rq_apply(l->gated, (int32_t)v->out[i] * v->b[i]), v->q->amax);
    return give(x, false, v->out);
}

static bool (*const kinds[N_VEC_KINDS])(const struct vec *x) = {
    [VEC_RMS] = rms, [VEC_RMS_GATE] = norm_gate, [VEC_ROTARY] = rotary, [VEC_ROTARY_DECAY] = rotary,
    [VEC_LUT] = lut, [VEC_GLU] = glu, [VEC_RESIDUAL] = residual, [VEC_REQUANT] = narrow,
    [VEC_GATHER] = gather,
};

bool run_vec(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    if (c->vec_kind >= N_VEC_KINDS || !kinds[c->vec_kind])
        return values_fail(v, is, "a vector command that no program has");
    struct vec x = {.v = v, .is = is, .c = c, .src = &slot_of(v, &c->src, is->src)->b};
    x.src2 = c->src2.ring == RING_NONE ? x.src : &slot_of(v, &c->src2, is->src2)->b;
    x.dst = &slot_of(v, &c->dst, is->dst)->b;
    for (x.row = 0; x.row < is->rows; x.row++) {
        x.pos = is->pos + (int64_t)(x.row * c->pos_step);
        if (!kinds[c->vec_kind](&x))
            return false;
    }
    return true;
}

/* ---- retention, token by token ---- */

struct step {
    struct values *v;
    const struct vissued *is;
    const struct cmd *c;
    const struct qhead *h;
    const int16_t *q, *k, *val; /* of the token */
    uint64_t pos;
};

static int32_t state_get(const struct values *v, const uint8_t *at)
{
    int32_t s;
    if (v->state_bytes == 2)
        return get16(at);
    memcpy(&s, at, 4);
    return s;
}

/* One row of the state: decay, update, and its share of the read-out. */
static void step_row(const struct step *t, uint32_t i, uint64_t draw, uint64_t *over)
{
    struct values *v = t->v;
    uint64_t size = v->state_bytes;
    uint8_t *row = v->state.v + t->is->state + i * t->c->cols * size;
    int32_t q = t->q ? t->q[i] : 0, k = t->k[i], top = (1 << (v->q->q.read_bits - 1)) - 1;
    uint64_t at = i * v->n->dv + (uint64_t)t->is->col;
    for (uint32_t c = 0; c < t->c->cols; c++) {
        int32_t s = state_token(&t->h->state, draw, at + c, state_get(v, row + c * size),
                                k * t->val[c], over);
        if (size == 2)
            put16(row + 2 * c, s);
        else
            memcpy(row + 4 * c, &s, 4);
        int32_t read = clip(shift_round(s, t->h->read_shift), top);
        v->wide[c] = (int32_t)((uint32_t)v->wide[c] + (uint32_t)(q * read));
    }
}

static bool one_token(struct step *t, struct bytes *dst, uint32_t r)
{
    struct values *v = t->v;
    uint64_t over = 0, unit = (uint64_t)t->is->unit;
    uint64_t draw = state_draw(v->q->q.seed, unit / v->heads, unit % v->heads, t->pos);
    memset(v->wide, 0, t->c->cols * sizeof *v->wide);
    for (uint32_t i = 0; i < t->c->k; i++)
        step_row(t, i, draw, &over);
    if (!dst)
        return true;
    uint8_t *to = bytes_put(v, t->is, dst, (int64_t)t->c->dst_at + 2 * r * (int64_t)t->c->cols,
                            2 * t->c->cols);
    for (uint32_t c = 0; to && c < t->c->cols; c++)
        put16(to + 2 * c, clip(shift_round(v->wide[c], t->h->o_shift[NET_RECURRENT]), INT16_MAX));
    return to != NULL;
}

/* NULL when nobody wrote it. */
static const int16_t *step_operand(const struct step *t, const struct bytes *src, uint64_t at, uint32_t n,
                                   int16_t *to)
{
    const uint8_t *from = bytes_at(t->v, t->is, src, (int64_t)at, bytes_of(n, t->c->a_bits));
    if (from)
        unpack(from, 0, t->c->a_bits, n, to);
    return from ? to : NULL;
}

bool run_step(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    bool reads = retention_reads(c);
    struct bytes *src = &slot_of(v, &c->src, is->src)->b;
    struct bytes *dst = reads ? &slot_of(v, &c->dst, is->dst)->b : NULL;
    struct step t = {.v = v, .is = is, .c = c, .h = head_of(v, is)};
    uint64_t elements = (uint64_t)c->k * c->cols;
    if (!bytes_at(v, is, &v->state, is->state, elements * v->state_bytes))
        return false;
    /* Queries (if any), keys and values of the tokens lie one after the other. */
    uint64_t key = bytes_of(c->k, c->a_bits), value = bytes_of(c->cols, c->a_bits);
    for (uint32_t r = 0; r < is->rows; r++) {
        uint64_t each = is->rows * key, keys = reads ? each : 0;
        t.q = reads ? step_operand(&t, src, r * key, c->k, v->a) : NULL;
        t.k = step_operand(&t, src, keys + r * key, c->k, v->b);
        t.val = step_operand(&t, src, keys + each + r * value, c->cols, v->out);
        t.pos = position(is->pos + (int64_t)(r * c->pos_step));
        if ((reads && !t.q) || !t.k || !t.val || !one_token(&t, dst, r))
            return false;
        activity_step(v, c, t.k, t.val);
    }
    v->counts->macs += (reads ? 2 : 1) * is->rows * elements;
    v->counts->macs_issued += (reads ? 2 : 1) * is->rows * elements;
    return true;
}

bool run_clear(struct values *v, const struct vissued *is)
{
    uint64_t bytes = (uint64_t)is->c->k * is->c->cols * v->state_bytes;
    uint8_t *s = bytes_put(v, is, &v->state, is->state, bytes);
    if (s)
        memset(s, 0, bytes);
    return s != NULL;
}
