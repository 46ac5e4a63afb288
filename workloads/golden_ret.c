/* Integer retention of one layer: scores, state, read-out and per-head norm of every
 * head, in the parallel, recurrent and chunkwise form and for tokens after them. */
#include "workloads/golden_int.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ihead {
    const struct irun *r;
    const struct qlayer *w;
    const struct qhead *h;
    uint64_t layer, index;
    uint64_t *over;         /* N_OVERFLOWS */
    const int16_t *q, *k;   /* S,dk */
    const int16_t *v, *vt;  /* S,dv; dv,S */
    int16_t *o, *y;         /* S rows of dv, V apart: before and after the norm */
    double *real;           /* the same: o as real values */
    int64_t *acc, *cross;   /* dv: the row at hand */
    int64_t *score;         /* S: before and */
    int16_t *a;             /* after requantisation */
    int32_t *state;         /* dk,dv */
    int16_t *read;          /* dk,dv: as it is read */
    int64_t *sum;           /* dk,dv: k v over a chunk */
};

static bool is_static(const struct ihead *h)
{
    return h->r->q->q.score_scale == SCORE_STATIC;
}

/* Row t: 32-bit accumulators of steps 2^up (row_shift: of q k v) -> int16 -> per-head norm; z is the
 * position of which eps is taken. */
static void finish_row(struct ihead *h, enum net_form form, uint64_t t, uint64_t z, int up)
{
    const struct net *n = h->r->n;
    int shift = h->h->o_shift[form] - (is_static(h) || form == NET_RECURRENT ? 0 : up);
    int16_t *o = h->o + t * n->V;
    for (uint64_t c = 0; c < n->dv; c++) {
        int64_t acc = acc32(h->acc[c], &h->over[OVER_ACC]);
        o[c] = (int16_t)clip_counted(shift_round(acc, shift), INT16_MAX, &h->over[OVER_ROW]);
        h->real[t * n->V + c] = o[c] * h->h->s_o[form];
    }
    head_norm_row(&h->w->y, o, n->dv, h->h->eps[form][z], h->y + t * n->V);
}

/* Scores of row t against keys [from, to): decayed, requantised; returns the
 * power of two of a step. */
static int score_row(struct ihead *h, uint64_t t, uint64_t from, uint64_t to)
{
    const struct quant *q = &h->r->q->q;
    const uint64_t dk = h->r->n->dk;
    int32_t top = (1 << (q->score_bits - 1)) - 1;
    if (is_static(h)) {
        for (uint64_t m = from; m < to; m++) {
            int64_t acc = decayed(&h->h->decay, t - m, dot16(h->q + t * dk, h->k + m * dk, dk));
            h->a[m] = (int16_t)clip(rq_apply(h->h->score, acc), top);
        }
        return 0;
    }
    uint64_t most = 0;
    for (uint64_t m = from; m < to; m++) {
        h->score[m] = decayed(&h->h->decay, t - m, dot16(h->q + t * dk, h->k + m * dk, dk));
        most = max64(most, (uint64_t)llabs(h->score[m]));
    }
    int s = row_shift(bit_width(most), q->score_bits);
    for (uint64_t m = from; m < to; m++)
        h->a[m] = (int16_t)clip(shift_round(h->score[m], s), top);
    return s;
}

/* Scores wider than a byte may leave 32 bits. */
static int64_t weigh(const struct ihead *h, const int16_t *a, const int16_t *v, uint64_t n)
{
    if (h->r->q->q.score_bits <= 8 && n < 1 << 16)
        return dot16(a, v, n);
    int64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += (int32_t)a[i] * v[i];
    return sum;
}

/* acc = A V over keys [from, t], blocks of score_block keys when rows have shifts; the
 * result has steps of 2^returned. Blocks meet at the smallest step: no bits are lost. */
static int inner_row(struct ihead *h, uint64_t t, uint64_t from)
{
    const struct net *n = h->r->n;
    uint64_t S = h->r->S, block = h->r->q->q.score_block;
    int step = 0;
    bool any = false;
    if (!block || is_static(h))
        block = t + 1 - from;
    memset(h->acc, 0, n->dv * sizeof *h->acc);
    for (uint64_t at = from; at <= t; at += block) {
        uint64_t to = min64(at + block, t + 1);
        int s = score_row(h, t, at, to), up = any ? s - step : 0;
        if (any && up < 0)
            for (uint64_t c = 0; c < n->dv; c++)
                h->acc[c] = shift_round(h->acc[c], up); /* to the finer step */
        step = any && up > 0 ? step : s;
        any = true;
        for (uint64_t c = 0; c < n->dv; c++)
            h->acc[c] += shift_round(weigh(h, h->a + at, h->vt + c * S + at, to - at), up > 0 ? -up : 0);
    }
    return is_static(h) ? 0 : step - (int)h->r->q->q.decay_bits;
}

static void parallel(struct ihead *h, uint64_t from, uint64_t to)
{
    for (uint64_t t = from; t < to; t++) {
        int up = inner_row(h, t, 0);
        finish_row(h, NET_PARALLEL, t, t, up);
    }
}

/* S <- gamma S + k v / 2^p */
static void token_update(struct ihead *h, uint64_t t)
{
    const struct net *n = h->r->n;
    const struct state_rule rule = h->h->state;
    uint64_t draw = state_draw(h->r->q->q.seed, h->layer, h->index, t), over = 0;
    const int16_t *v = h->v + t * n->dv;
    for (uint64_t i = 0; i < n->dk; i++) {
        int32_t *s = h->state + i * n->dv, k = h->k[t * n->dk + i];
        for (uint64_t c = 0; c < n->dv; c++)
            s[c] = state_token(&rule, draw, i * n->dv + c, s[c], k * v[c], &over);
    }
    h->over[OVER_STATE] += over;
}

/* S <- gamma^len S + sum_j (k_j gamma^(len-1-j)) v_j / 2^p: one rounding a chunk */
static void chunk_update(struct ihead *h, uint64_t at, uint64_t len)
{
    const struct net *n = h->r->n;
    const struct state_rule rule = h->h->state;
    uint64_t size = n->dk * n->dv, draw = state_draw(h->r->q->q.seed, h->layer, h->index, at + len - 1);
    memset(h->sum, 0, size * sizeof *h->sum);
    for (uint64_t j = 0; j < len; j++)
        for (uint64_t i = 0; i < n->dk; i++) {
            int64_t whole = decayed(&h->h->decay, len - 1 - j, h->k[(at + j) * n->dk + i]);
            int32_t k = clip(rq_apply(h->r->q->undecay, whole), h->r->q->amax);
            const int16_t *v = h->v + (at + j) * n->dv;
            for (uint64_t c = 0; c < n->dv; c++)
                h->sum[i * n->dv + c] += k * v[c];
        }
    for (uint64_t i = 0; i < size; i++)
        h->state[i] = state_chunk(&rule, draw, i, h->state[i], h->h->gamma_pow[len],
                                  acc32(h->sum[i], &h->over[OVER_ACC]), &h->over[OVER_STATE]);
}

/* The state takes up tokens [at, at + len). */
static void update(struct ihead *h, uint64_t at, uint64_t len)
{
    if (h->r->q->q.state_update == UPDATE_CHUNK) {
        chunk_update(h, at, len);
        return;
    }
    for (uint64_t j = 0; j < len; j++)
        token_update(h, at + j);
}

/* The top bits of the state, read_bits of them. */
static void read_state(struct ihead *h)
{
    const struct net *n = h->r->n;
    int32_t top = (1 << (h->r->q->q.read_bits - 1)) - 1;
    int shift = h->h->read_shift;
    for (uint64_t i = 0; i < n->dk * n->dv; i++)
        h->read[i] = (int16_t)clip(shift_round(h->state[i], shift), top);
}

/* out = q S: steps of q k v 2^(p + read_shift) */
static void read_out(struct ihead *h, uint64_t t, int64_t *out)
{
    const struct net *n = h->r->n;
    memset(out, 0, n->dv * sizeof *out);
    for (uint64_t i = 0; i < n->dk; i++) {
        int32_t q = h->q[t * n->dk + i];
        const int16_t *s = h->read + i * n->dv;
        for (uint64_t c = 0; c < n->dv; c++)
            out[c] += q * s[c];
    }
    for (uint64_t c = 0; c < n->dv; c++)
        out[c] = acc32(out[c], &h->over[OVER_ACC]);
}

static void recurrent(struct ihead *h, uint64_t from, uint64_t to)
{
    for (uint64_t t = from; t < to; t++) {
        token_update(h, t);
        read_state(h);
        read_out(h, t, h->acc);
        finish_row(h, NET_RECURRENT, t, t, h->h->state.p + h->h->read_shift);
    }
}

/* Row i of the chunk at `at`: the state of the chunks before, decayed and rounded once,
 * with the inner products on top. */
static void chunk_row(struct ihead *h, uint64_t at, uint64_t i)
{
    const struct net *n = h->r->n;
    int state_step = h->h->state.p + h->h->read_shift - (int)h->r->q->q.decay_bits;
    int up = inner_row(h, at + i, at);
    read_out(h, at + i, h->cross);
    for (uint64_t c = 0; c < n->dv; c++) {
        int64_t x = decayed(&h->h->decay, i + 1, h->cross[c]);
        int64_t cross = is_static(h) ? rq_apply(h->h->to_inner, x) : shift_round(x, up - state_step);
        h->acc[c] = (int64_t)((uint64_t)h->acc[c] + (uint64_t)cross);
    }
    finish_row(h, NET_CHUNKWISE, at + i, i, up);
}

static void chunkwise(struct ihead *h, uint64_t S)
{
    uint64_t B = h->r->n->B;
    for (uint64_t at = 0; at < S; at += B) {
        uint64_t len = min64(B, S - at);
        read_state(h);
        for (uint64_t i = 0; i < len; i++)
            chunk_row(h, at, i);
        update(h, at, len);
    }
}

/* The state that decode goes on from after a parallel prefill. */
static bool builds_state(const struct golden_job *job)
{
    return job->form == NET_PARALLEL && job->prefill && job->decode && !job->kv_cache;
}

bool golden_has_chunks(const struct golden_job *job, const struct quant *q)
{
    if (builds_state(job))
        return q->state_update == UPDATE_CHUNK;
    return job->form == NET_CHUNKWISE && job->prefill;
}

static void head(struct ihead *h)
{
    const struct golden_job *job = h->r->job;
    uint64_t first = job->prefill, all = h->r->S;
    if (job->form == NET_PARALLEL)
        parallel(h, 0, first);
    else if (job->form == NET_RECURRENT)
        recurrent(h, 0, first);
    else
        chunkwise(h, first);
    if (job->kv_cache) {
        parallel(h, first, all);
        return;
    }
    for (uint64_t at = 0; at < first && builds_state(job); at += h->r->n->B)
        update(h, at, min64(h->r->n->B, first - at));
    recurrent(h, first, all);
}

static void heads(struct ihead *h, int16_t *vh, int16_t *vt, int32_t *states, const int16_t *v)
{
    const struct irun *r = h->r;
    const struct net *n = r->n;
    const int16_t *q = h->q, *k = h->k;
    int16_t *o = h->o, *y = h->y;
    double *real = h->real;
    for (uint64_t i = 0; i < n->H; i++) {
        for (uint64_t s = 0; s < r->S; s++)
            for (uint64_t c = 0; c < n->dv; c++)
                vt[c * r->S + s] = vh[s * n->dv + c] = v[s * n->V + i * n->dv + c];
        h->h = &h->w->head[h->index = i];
        h->q = q + i * r->S * n->dk;
        h->k = k + i * r->S * n->dk;
        h->o = o + i * n->dv;
        h->y = y + i * n->dv;
        h->real = real + i * n->dv;
        h->state = states + i * n->dk * n->dv;
        head(h);
    }
}

void int_retention(const struct irun *r, uint64_t layer, const int16_t *qr, const int16_t *kr,
                   const int16_t *v, int16_t *y)
{
    const struct net *n = r->n;
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t S = r->S, size = n->dk * n->dv;
    int16_t *vh = int_words(S * n->dv), *vt = int_words(S * n->dv), *o = int_words(S * n->V);
    int32_t *states = memset(xrealloc(NULL, n->H * size, 4), 0, n->H * size * 4);
    double *real = xrealloc(NULL, S * n->V + 1, sizeof *real);
    struct ihead h = {.r = r, .w = w, .layer = layer, .over = r->over->n[layer], .q = qr, .k = kr, .v = vh,
                      .vt = vt, .o = o, .y = y, .real = real,
                      .acc = xrealloc(NULL, n->dv, sizeof *h.acc),
                      .cross = xrealloc(NULL, n->dv, sizeof *h.cross),
                      .score = xrealloc(NULL, S + 1, sizeof *h.score), .a = int_words(S),
                      .read = int_words(size), .sum = xrealloc(NULL, size, sizeof *h.sum)};
    heads(&h, vh, vt, states, v);
    if (r->sink->real)
        r->sink->real(r->sink->arg, layer, P_RET, real, S * n->V);
    int_show(r, layer, P_RET, o, S * n->V, NAN);
    if (r->sink->whole)
        r->sink->whole(r->sink->arg, layer, P_STATE, states, n->H * size);
    void *mine[] = {vh, vt, o, states, real, h.acc, h.cross, h.score, h.a, h.read, h.sum};
    for (unsigned i = 0; i < sizeof mine / sizeof mine[0]; i++)
        free(mine[i]);
}
