/* The integer forward pass (docs/model.md, integer dataflow): every operation is
 * on whole numbers; floating point appears only where a tap wants real values. */
#include "workloads/qnet.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int32_t clip(int64_t v, int32_t most)
{
    return (int32_t)(v > most ? most : v < -most ? -most : v);
}

/* floor(v / 2^s + 1/2); a negative s shifts left */
static int64_t shift_round(int64_t v, int s)
{
    if (s <= 0)
        return (int64_t)((uint64_t)v << -s);
    return s > 62 ? 0 : (v + (INT64_C(1) << (s - 1))) >> s;
}

int64_t rq_apply(struct rq q, int64_t acc)
{
    return shift_round(acc * q.m, q.sh);
}

struct rq rq_of(double factor)
{
    int e;
    double f = frexp(factor, &e);
    if (!(factor > 0) || e < -45)
        return (struct rq){0, 1};
    int32_t m = (int32_t)lround(f * 32768);
    if (m == 32768) {
        m = 16384;
        e++;
    }
    return (struct rq){m, 15 - e};
}

/* Largest r with r^2 <= v, a bit a step as the hardware does. */
static uint64_t isqrt(uint64_t v)
{
    uint64_t r = 0, bit = UINT64_C(1) << 62;
    while (bit > v)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        bool fits = v >= r + bit;
        v -= fits ? r + bit : 0;
        r = (r >> 1) + (fits ? bit : 0);
    }
    return r;
}

struct irun {
    const struct qnet *q;
    const struct net *n;
    enum net_form form;
    uint64_t S;
    tap_fn tap;
    void *arg;
    struct overflow *over;
    uint32_t rng;
};

static int16_t *words(uint64_t n)
{
    return memset(xrealloc(NULL, n + 1, 2), 0, (n + 1) * 2);
}

/* Taps values v times scale. */
static void show(const struct irun *r, uint64_t layer, enum point p, const int16_t *v, uint64_t n,
                 double scale)
{
    double *real = xrealloc(NULL, n + 1, sizeof *real);
    for (uint64_t i = 0; i < n; i++)
        real[i] = v[i] * scale;
    r->tap(r->arg, layer, p, real, n);
    free(real);
}

static int32_t dot16(const int16_t *a, const int16_t *b, uint64_t n)
{
    int32_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Products of 16-bit values may leave 32 bits. */
static int64_t dot_wide(const int16_t *a, const int16_t *b, uint64_t n)
{
    int64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += (int32_t)a[i] * b[i];
    return sum;
}

/* y = clip(RQS(x W^T)); x S,in; y S,out */
static void linear(const struct irun *r, const int16_t *x, const struct qmat *w, const struct rq *rq,
                   int32_t most,
                   int16_t *y)
{
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++)
            y[s * w->out + o] = (int16_t)clip(rq_apply(rq[o], dot16(x + s * w->in, w->w + o * w->in,
                                                                    w->in)), most);
}

/* Raw accumulators as real values; also what a residual addition takes. */
static void show_linear(const struct irun *r, uint64_t layer, enum point p, const int16_t *x,
                        const struct qmat *w,
                        double scale)
{
    double *real = xrealloc(NULL, r->S * w->out + 1, sizeof *real);
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++)
            real[s * w->out + o] = dot16(x + s * w->in, w->w + o * w->in, w->in) * scale * w->scale[o];
    r->tap(r->arg, layer, p, real, r->S * w->out);
    free(real);
}

/* q, k S,d 16 bits -> H,S,dk 8 bits: two products of Q1.14 and an addition */
static void rotary(const struct irun *r, const int16_t *x, struct rq rq, int16_t *out)
{
    const struct net *n = r->n;
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t h = 0; h < n->H; h++)
            for (uint64_t j = 0; j < n->dk / 2; j++) {
                const int16_t *in = x + s * n->d + h * n->dk + 2 * j;
                int16_t *o = out + (h * r->S + s) * n->dk + 2 * j;
                int64_t c = r->q->cos[s * (n->dk / 2) + j], t = r->q->sin[s * (n->dk / 2) + j];
                o[0] = (int16_t)clip(rq_apply(rq, in[0] * c - in[1] * t), r->q->amax);
                o[1] = (int16_t)clip(rq_apply(rq, in[1] * c + in[0] * t), r->q->amax);
            }
}

struct ihead {
    const struct qhead *h;
    const int16_t *q, *k; /* S,dk */
    const int16_t *v, *vt;/* S,dv; dv,S */
    int64_t *o;           /* dv: the row at hand */
    int16_t *y;           /* S rows of dv, V apart: after the norm */
    double *raw;          /* S,dv: o as real values */
    struct rq rq_y;
    double s_o;           /* real value of a step of o */
    const uint64_t *eps;  /* in its units */
    int32_t *state;       /* dk,dv */
    int16_t *a;           /* S: scores */
    int64_t *acc;         /* S */
};

/* gamma^i as table entry and block factor, on an accumulator; the product keeps
 * decay_bits more bits. */
static int64_t decayed(const struct irun *r, const struct qhead *h, uint64_t i, int64_t acc)
{
    uint64_t b = r->q->q.decay_block;
    acc *= h->table[i % b];
    return i < b ? acc : i / b >= h->n_blocks ? 0 : (acc * h->block[i / b] + 32768) >> 16;
}

static int bits_of(uint64_t v)
{
    return v ? 64 - __builtin_clzll(v) : 0;
}

/* Integer per-head norm of row t: o has steps of s_o 2^up; z is the row's
 * position for eps. */
static void norm_row(struct irun *r, const struct ihead *h, uint64_t t, uint64_t z, int up)
{
    const struct net *n = r->n;
    uint64_t most = 0, sum = 0;
    int64_t *o = h->o;
    for (uint64_t c = 0; c < n->dv; c++) {
        most = max64(most, (uint64_t)llabs(o[c]));
        h->raw[t * n->dv + c] = ldexp((double)o[c] * h->s_o, up);
    }
    if (most > INT32_MAX)
        r->over->n[P_RET]++;
    int e = bits_of(most) - (int)r->q->q.norm_bits + 1; /* a row of its own scale */
    e = most ? e : 0;
    int32_t top = (1 << (r->q->q.norm_bits - 1)) - 1;
    for (uint64_t c = 0; c < n->dv; c++) {
        o[c] = clip(shift_round(o[c], e), top);
        sum += (uint64_t)(o[c] * o[c]);
    }
    int down = 2 * (e + up); /* of a squared step */
    uint64_t eps = h->eps[z];
    eps = down >= 64 ? 0 : down >= 0 ? eps >> down : bits_of(eps) - down > 60 ? UINT64_C(1) << 60
        : eps << -down;
    uint64_t std = isqrt((sum << 12) / n->dv + eps); /* 6 fractional bits */
    int64_t inv = (int64_t)((UINT64_C(1) << 30) / max64(std, 1));
    for (uint64_t c = 0; c < n->dv; c++)
        h->y[t * n->V + c] = (int16_t)clip(rq_apply(h->rq_y, shift_round(o[c] * inv, 4)), r->q->amax);
}

/* Scores of row t against keys [from, to): decayed, requantised; returns the
 * power of two of a step. */
static int score_row(struct irun *r, const struct ihead *h, uint64_t t, uint64_t from, uint64_t to)
{
    const struct quant *q = &r->q->q;
    const uint64_t dk = r->n->dk;
    int32_t top = (1 << (q->score_bits - 1)) - 1;
    uint64_t most = 0;
    for (uint64_t m = from; m < to; m++) {
        h->acc[m] = decayed(r, h->h, t - m, dot16(h->q + t * dk, h->k + m * dk, dk));
        most = max64(most, (uint64_t)llabs(h->acc[m]));
    }
    if (q->score_scale == SCORE_STATIC) {
        for (uint64_t m = from; m < to; m++)
            h->a[m] = (int16_t)clip(rq_apply(h->h->score, h->acc[m]), top);
        return 0;
    }
    int s = bits_of(most) - (int)q->score_bits + 1;
    s = s > 0 ? s : 0;
    for (uint64_t m = from; m < to; m++)
        h->a[m] = (int16_t)clip(shift_round(h->acc[m], s), top);
    return s;
}

/* o += A V over keys [from, to), blocks of score_block keys; the result has steps
 * of 2^returned. A wide row keeps its bits: blocks meet at the smallest step. */
static int inner_row(struct irun *r, struct ihead *h, uint64_t t, uint64_t from)
{
    const struct net *n = r->n;
    uint64_t block = r->q->q.score_block ? r->q->q.score_block : t + 1 - from;
    int step = 0;
    bool any = false;
    memset(h->o, 0, n->dv * sizeof *h->o);
    for (uint64_t at = from; at <= t; at += block) {
        uint64_t to = min64(at + block, t + 1);
        int s = score_row(r, h, t, at, to), up = any ? s - step : 0;
        if (any && up < 0)
            for (uint64_t c = 0; c < n->dv; c++)
                h->o[c] = shift_round(h->o[c], up); /* to the finer step */
        step = any && up > 0 ? step : s;
        any = true;
        for (uint64_t c = 0; c < n->dv; c++)
            h->o[c] += shift_round(dot_wide(h->a + at, h->vt + c * r->S + at, to - at), up > 0 ? -up : 0);
    }
    return step;
}

static void parallel(struct irun *r, struct ihead *h)
{
    bool fixed = r->q->q.score_scale == SCORE_STATIC;
    double unit = h->s_o;
    h->s_o = fixed ? h->h->score_scale * unit : unit;
    h->eps = fixed ? h->h->eps_static : h->h->eps;
    for (uint64_t t = 0; t < r->S; t++) {
        int up = inner_row(r, h, t, 0);
        norm_row(r, h, t, t, fixed ? up : up - (int)r->q->q.decay_bits);
    }
    h->s_o = unit;
}

static uint32_t random32(struct irun *r)
{
    r->rng ^= r->rng << 13;
    r->rng ^= r->rng >> 17;
    r->rng ^= r->rng << 5;
    return r->rng;
}

/* v / 2^s as the state's rounding has it. */
static int64_t state_shift(struct irun *r, int64_t v, int s)
{
    if (s <= 0)
        return (int64_t)((uint64_t)v << -s);
    if (r->q->q.rounding == ROUND_TRUNCATE)
        return v >> s;
    if (r->q->q.rounding == ROUND_STOCHASTIC)
        return (v + (int64_t)(random32(r) & ((UINT64_C(1) << s) - 1))) >> s;
    return shift_round(v, s);
}

static int32_t state_keep(struct irun *r, int64_t s)
{
    if (s > r->q->smax || s < -(int64_t)r->q->smax)
        r->over->n[P_STATE]++;
    return clip(s, r->q->smax);
}

static int64_t state_decay(struct irun *r, const struct qhead *h, int64_t s)
{
    if (h->decay_shift >= 0)
        return s - state_shift(r, s, h->decay_shift);
    return state_shift(r, s * h->gamma_u16, 16);
}

/* S <- decay(S) + k v / 2^p */
static void state_token(struct irun *r, struct ihead *h, uint64_t t)
{
    const struct net *n = r->n;
    for (uint64_t i = 0; i < n->dk; i++)
        for (uint64_t c = 0; c < n->dv; c++) {
            int32_t *s = &h->state[i * n->dv + c];
            int64_t kv = (int32_t)h->k[t * n->dk + i] * h->v[t * n->dv + c];
            *s = state_keep(r, state_decay(r, h->h, *s) + state_shift(r, kv, h->h->p));
        }
}

/* out = q S, S as read_bits wide values: steps of q k v 2^(p + read_shift) */
static void read_out(struct irun *r, const struct ihead *h, uint64_t t, int64_t *out)
{
    const struct net *n = r->n;
    int32_t top = (1 << (r->q->q.read_bits - 1)) - 1;
    memset(out, 0, n->dv * sizeof *out);
    for (uint64_t i = 0; i < n->dk; i++) {
        int32_t q = h->q[t * n->dk + i];
        for (uint64_t c = 0; c < n->dv; c++)
            out[c] += q * clip(shift_round(h->state[i * n->dv + c], h->h->read_shift), top);
    }
    for (uint64_t c = 0; c < n->dv; c++)
        if (llabs(out[c]) > INT32_MAX)
            r->over->n[P_RET]++;
}

static void recurrent(struct irun *r, struct ihead *h)
{
    h->eps = h->h->eps;
    for (uint64_t t = 0; t < r->S; t++) {
        state_token(r, h, t);
        read_out(r, h, t, h->o);
        norm_row(r, h, t, t, h->h->p + h->h->read_shift);
    }
}

/* S <- gamma^B S + (K gamma^(B-1-j))^T V / 2^p */
static void state_chunk(struct irun *r, struct ihead *h, uint64_t at, uint64_t len)
{
    const struct net *n = r->n;
    for (uint64_t i = 0; i < n->dk; i++)
        for (uint64_t c = 0; c < n->dv; c++) {
            int64_t sum = 0;
            for (uint64_t j = 0; j < len; j++) {
                int64_t k = h->k[(at + j) * n->dk + i];
                k = clip(rq_apply(r->q->undecay, decayed(r, h->h, n->B - 1 - j, k)), r->q->amax);
                sum += k * h->v[(at + j) * n->dv + c];
            }
            int32_t *s = &h->state[i * n->dv + c];
            int64_t kept = state_shift(r, (int64_t)*s * h->h->gamma_chunk_u16, 16);
            *s = state_keep(r, kept + state_shift(r, sum, h->h->p));
        }
}

static void chunkwise(struct irun *r, struct ihead *h)
{
    const struct net *n = r->n;
    bool fixed = r->q->q.score_scale == SCORE_STATIC;
    int64_t *cross = xrealloc(NULL, n->dv, sizeof *cross);
    double unit = h->s_o;
    int bits = (int)r->q->q.decay_bits, state_step = h->h->p + h->h->read_shift - bits;
    h->s_o = fixed ? h->h->score_scale * unit : unit;
    h->eps = fixed ? h->h->eps_static : h->h->eps;
    struct rq to_inner = rq_of(ldexp(1 / h->h->score_scale, state_step));
    for (uint64_t at = 0; at < r->S; at += n->B) {
        uint64_t len = min64(n->B, r->S - at);
        for (uint64_t i = 0; i < len; i++) {
            int up = inner_row(r, h, at + i, at), inner_step = fixed ? up : up - bits;
            read_out(r, h, at + i, cross);
            for (uint64_t c = 0; c < n->dv; c++) {
                int64_t x = decayed(r, h->h, i + 1, cross[c]);
                h->o[c] += fixed ? shift_round(rq_apply(to_inner, x), up)
                                 : shift_round(x, inner_step - state_step);
            }
            norm_row(r, h, at + i, i, inner_step);
        }
        if (r->q->q.state_update == UPDATE_CHUNK)
            state_chunk(r, h, at, len);
        else
            for (uint64_t j = 0; j < len; j++)
                state_token(r, h, at + j);
    }
    h->s_o = unit;
    free(cross);
}

/* qr, kr H,S,dk; v S,V -> y S,V after the per-head norm */
static void retention(struct irun *r, uint64_t layer, const int16_t *qr, const int16_t *kr, const int16_t *v,
                      int16_t *y)
{
    const struct net *n = r->n;
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t S = r->S;
    int16_t *vh = words(S * n->dv), *vt = words(S * n->dv), *a = words(S);
    double *raw = xrealloc(NULL, S * n->dv + 1, sizeof *raw), *all = xrealloc(NULL, S * n->V + 1,
                                                                              sizeof *all);
    struct ihead h = {.v = vh, .vt = vt, .a = a, .raw = raw, .rq_y = w->y, .s_o = w->s_qr * w->s_kr * w->s_v};
    h.o = xrealloc(NULL, n->dv, sizeof *h.o);
    h.acc = xrealloc(NULL, S + 1, sizeof *h.acc);
    h.state = xrealloc(NULL, n->dk * n->dv, sizeof *h.state);
    for (uint64_t i = 0; i < n->H; i++) {
        for (uint64_t s = 0; s < S; s++)
            for (uint64_t c = 0; c < n->dv; c++)
                vt[c * S + s] = vh[s * n->dv + c] = v[s * n->V + i * n->dv + c];
        memset(h.state, 0, n->dk * n->dv * sizeof *h.state);
        h.h = &w->head[i];
        h.q = qr + i * S * n->dk;
        h.k = kr + i * S * n->dk;
        h.y = y + i * n->dv;
        if (r->form == NET_PARALLEL)
            parallel(r, &h);
        else if (r->form == NET_RECURRENT)
            recurrent(r, &h);
        else
            chunkwise(r, &h);
        for (uint64_t s = 0; s < S; s++)
            memcpy(all + s * n->V + i * n->dv, raw + s * n->dv, n->dv * sizeof *raw);
    }
    r->tap(r->arg, layer, P_RET, all, S * n->V);
    void *mine[] = {vh, vt, a, raw, all, h.o, h.acc, h.state};
    for (unsigned i = 0; i < 8; i++)
        free(mine[i]);
}

static void table(int16_t *x, const int16_t *lut, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        x[i] = lut[x[i] + 128];
}

static void product(const struct irun *r, int16_t *x, const int16_t *y, struct rq rq, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        x[i] = (int16_t)clip(rq_apply(rq, (int32_t)x[i] * y[i]), r->q->amax);
}

/* x S,d int8 -> gated S,V int8: what the output projection takes */
static void msr(struct irun *r, uint64_t layer, const int16_t *x, int16_t *gated)
{
    const struct net *n = r->n;
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t S = r->S, d = n->d, V = n->V;
    int16_t *q = words(S * d), *k = words(S * d), *v = words(S * V), *g = words(S * V);
    int16_t *qr = words(S * d), *kr = words(S * d);
    linear(r, x, &w->wq, w->rq_q, r->q->rmax, q);
    linear(r, x, &w->wk, w->rq_k, r->q->rmax, k);
    linear(r, x, &w->wv, w->rq_v, r->q->amax, v);
    linear(r, x, &w->wg, w->rq_g, r->q->amax, g);
    show(r, layer, P_Q, q, S * d, w->s_q);
    show(r, layer, P_K, k, S * d, w->s_k);
    show(r, layer, P_V, v, S * V, w->s_v);
    show(r, layer, P_G, g, S * V, w->s_g);
    rotary(r, q, w->qr, qr);
    rotary(r, k, w->kr, kr);
    show(r, layer, P_QR, qr, S * d, w->s_qr);
    show(r, layer, P_KR, kr, S * d, w->s_kr);
    retention(r, layer, qr, kr, v, gated);
    show(r, layer, P_NORM, gated, S * V, w->s_y);
    table(g, w->swish, S * V);
    show(r, layer, P_SWISH, g, S * V, w->s_sw);
    product(r, gated, g, w->gated, S * V);
    show(r, layer, P_GATED, gated, S * V, w->s_gated);
    show_linear(r, layer, P_MSR, gated, &w->wo, w->s_gated);
    int16_t *all[] = {q, k, v, g, qr, kr};
    for (unsigned i = 0; i < 6; i++)
        free(all[i]);
}

/* RMS norm of 16-bit rows: x gain / std, isqrt with 4 fractional bits. To int8
 * in y and, for post-norm blocks, back to the stream in x. */
static void norm(const struct irun *r, int16_t *x, const int16_t *gain, uint64_t eps, struct rq rq,
                 const struct rq *back, int16_t *y)
{
    uint64_t d = r->n->d;
    for (uint64_t s = 0; s < r->S; s++) {
        uint64_t sum = 0;
        int16_t *row = x + s * d;
        for (uint64_t i = 0; i < d; i++)
            sum += (uint64_t)((int32_t)row[i] * row[i]);
        int64_t std = (int64_t)max64(isqrt((sum << 8) / d + eps), 1);
        for (uint64_t i = 0; i < d; i++) {
            int64_t t = (int64_t)row[i] * gain[i] * 65536 / std;
            y[s * d + i] = (int16_t)clip(rq_apply(rq, t), r->q->amax);
            if (back)
                row[i] = (int16_t)clip(rq_apply(*back, t), r->q->omax);
        }
    }
}

/* x <- RQS(x) + RQS(a W^T), 16 bits */
static void residual(const struct irun *r, int16_t *x, struct rq keep, const int16_t *a, const struct qmat *w,
                     const struct rq *rq)
{
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++) {
            int64_t add = rq_apply(rq[o], dot16(a + s * w->in, w->w + o * w->in, w->in));
            int64_t sum = rq_apply(keep, x[s * w->out + o]) + add;
            if (sum > r->q->omax || sum < -(int64_t)r->q->omax)
                r->over->n[P_RES1]++;
            x[s * w->out + o] = (int16_t)clip(sum, r->q->omax);
        }
}

static void ffn(const struct irun *r, uint64_t layer, const int16_t *u, int16_t *prod)
{
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t size = r->S * r->n->F;
    int16_t *b = words(size);
    linear(r, u, &w->fc1, w->rq_fc1, r->q->amax, prod);
    linear(r, u, &w->gate, w->rq_gate, r->q->amax, b);
    show(r, layer, P_FC1, prod, size, w->s_a);
    show(r, layer, P_GATE, b, size, w->s_gp);
    table(prod, w->act, size);
    show(r, layer, P_ACT, prod, size, w->s_act);
    product(r, prod, b, w->prod, size);
    show(r, layer, P_PROD, prod, size, w->s_prod);
    show_linear(r, layer, P_FFN, prod, &w->fc2, w->s_prod);
    free(b);
}

/* x: residual stream; u: its narrow, normalised copy, written for the next block
 * by post-norm */
static void block(struct irun *r, uint64_t layer, int16_t *x, int16_t *u)
{
    const struct net *n = r->n;
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t size = r->S * n->d;
    int16_t *a = words(r->S * max64(n->V, n->F));
    show(r, layer, P_HIDDEN, x, size, w->s_in);
    if (n->pre_norm)
        norm(r, x, w->ln1, w->eps1, w->n1, NULL, u);
    show(r, layer, P_LN1, u, size, w->s_x);
    msr(r, layer, u, a);
    residual(r, x, w->res1, a, &w->wo, w->rq_o);
    show(r, layer, P_RES1, x, size, w->s_r1);
    norm(r, x, n->pre_norm ? w->ln2 : w->ln1, n->pre_norm ? w->eps2 : w->eps1, n->pre_norm ? w->n2 : w->n1,
         n->pre_norm ? NULL : &w->back1, u);
    show(r, layer, P_LN2, u, size, w->s_u);
    ffn(r, layer, u, a);
    residual(r, x, w->res2, a, &w->fc2, w->rq_fc2);
    if (!n->pre_norm)
        norm(r, x, w->ln2, w->eps2, w->n2, &w->back2, u);
    show(r, layer, P_OUT, x, size, n->pre_norm ? w->s_r2 : w->s_n2);
    free(a);
}

static void head_of(const struct irun *r, int16_t *x, int16_t *u)
{
    const struct net *n = r->n;
    const struct qnet *q = r->q;
    if (n->pre_norm)
        norm(r, x, q->ln, q->epsf, q->nf, NULL, u);
    show(r, 0, P_FINAL, u, r->S * n->d, q->s_f);
    show_linear(r, 0, P_LOGITS, u, &q->lm, q->s_f);
}

void golden_int(const struct qnet *q, enum net_form form, uint64_t S, const double *in, tap_fn tap, void *arg,
                struct overflow *over)
{
    const struct net *n = q->n;
    struct irun r = {q, n, form, S, tap, arg, over, (uint32_t)q->q.seed | 1};
    int16_t *x = words(S * n->d), *u = words(S * n->d), *gated = words(S * n->V);
    const struct qlayer *first = &q->layer[0];
    for (uint64_t i = 0; i < S * n->d; i++) {
        if (n->kind == NET_LM) {
            uint64_t token = (uint64_t)in[i / n->d];
            x[i] = (int16_t)clip(rq_apply(q->rq_embed[token], q->embed.w[token * n->d + i % n->d]), q->omax);
        } else {
            x[i] = (int16_t)clip(llround(in[i] / (n->kind == NET_MSR ? first->s_x : first->s_in)),
                                 n->kind == NET_MSR ? q->amax : q->omax);
        }
        if (n->kind != NET_MSR && !n->pre_norm)
            u[i] = (int16_t)clip(rq_apply(q->narrow, x[i]), q->amax);
    }
    if (n->kind == NET_MSR)
        msr(&r, 0, x, gated);
    for (uint64_t l = 0; n->kind != NET_MSR && l < n->L; l++)
        block(&r, l, x, u);
    if (n->kind == NET_LM)
        head_of(&r, x, u);
    free(x);
    free(u);
    free(gated);
}
