/* The integer forward pass (docs/model.md, integer dataflow): every operation is
 * on whole numbers; floating point appears only where a tap wants real values. */
#include "workloads/golden_int.h"

#include "base/num.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char *const overflow_names[N_OVERFLOWS] = {
    "retention accumulator", "row before the per-head norm", "state", "contribution of retention",
    "contribution of the FFN", "residual stream"};

uint64_t overflow_count(const struct overflow *o)
{
    uint64_t sum = 0;
    for (unsigned l = 0; l < NET_MAX_LAYERS; l++)
        for (unsigned p = 0; p < N_OVERFLOWS; p++)
            sum += o->n[l][p];
    return sum;
}

int16_t *int_words(uint64_t n)
{
    return memset(xrealloc(NULL, n + 1, 2), 0, (n + 1) * 2);
}

void int_show(const struct irun *r, uint64_t layer, enum point p, const int16_t *v, uint64_t n, double scale)
{
    if (r->sink->real && !isnan(scale)) {
        double *real = xrealloc(NULL, n + 1, sizeof *real);
        for (uint64_t i = 0; i < n; i++)
            real[i] = v[i] * scale;
        r->sink->real(r->sink->arg, layer, p, real, n);
        free(real);
    }
    if (r->sink->whole) {
        int32_t *whole = xrealloc(NULL, n + 1, sizeof *whole);
        for (uint64_t i = 0; i < n; i++)
            whole[i] = v[i];
        r->sink->whole(r->sink->arg, layer, p, whole, n);
        free(whole);
    }
}

void int_show_heads(const struct irun *r, uint64_t layer, enum point p, const int16_t *v, uint64_t n,
                    uint64_t group, size_t step)
{
    const struct qhead *head = r->q->layer[layer].head;
    if (r->sink->real) {
        double *real = xrealloc(NULL, n + 1, sizeof *real);
        for (uint64_t i = 0; i < n; i++)
            real[i] = v[i] * *(const double *)((const char *)&head[i / group % r->n->H] + step);
        r->sink->real(r->sink->arg, layer, p, real, n);
        free(real);
    }
    int_show(r, layer, p, v, n, NAN);
}

/* acc = x W^T; x S,in; acc S,out */
static int32_t *products(const struct irun *r, const int16_t *x, const struct qmat *w)
{
    int32_t *acc = xrealloc(NULL, r->S * w->out + 1, sizeof *acc);
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++)
            acc[s * w->out + o] = dot16(x + s * w->in, w->w + o * w->in, w->in);
    return acc;
}

/* Accumulators as real values. */
static void show_acc(const struct irun *r, uint64_t layer, enum point p, const int32_t *acc,
                     const struct qmat *w, double scale)
{
    if (!r->sink->real)
        return;
    double *real = xrealloc(NULL, r->S * w->out + 1, sizeof *real);
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++)
            real[s * w->out + o] = acc[s * w->out + o] * scale * w->scale[o];
    r->sink->real(r->sink->arg, layer, p, real, r->S * w->out);
    free(real);
}

/* y = clip(RQS(x W^T)); y S,out */
static void linear(const struct irun *r, const int16_t *x, const struct qmat *w, const struct rq *rq,
                   int32_t most, int16_t *y)
{
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++) {
            int32_t acc = dot16(x + s * w->in, w->w + o * w->in, w->in);
            y[s * w->out + o] = (int16_t)clip(rq_apply(rq[o], acc), most);
        }
}

/* q, k S,d 16 bits -> H,S,dk 8 bits: two products of Q1.14 and an addition */
static void rotary(const struct irun *r, const int16_t *x, struct rq rq, int16_t *out)
{
    const struct net *n = r->n;
    uint64_t pairs = n->dk / 2;
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t h = 0; h < n->H; h++)
            for (uint64_t j = 0; j < pairs; j++)
                rotate_pair(x + s * n->d + h * n->dk + 2 * j, r->q->cos[s * pairs + j],
                            r->q->sin[s * pairs + j], rq, r->q->amax, out + (h * r->S + s) * n->dk + 2 * j);
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
static void msr(const struct irun *r, uint64_t layer, const int16_t *x, int16_t *gated)
{
    const struct net *n = r->n;
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t S = r->S, d = n->d, V = n->V;
    int16_t *q = int_words(S * d), *k = int_words(S * d), *v = int_words(S * V), *g = int_words(S * V);
    int16_t *qr = int_words(S * d), *kr = int_words(S * d);
    linear(r, x, &w->wq, w->rq_q, r->q->rmax, q);
    linear(r, x, &w->wk, w->rq_k, r->q->rmax, k);
    linear(r, x, &w->wv, w->rq_v, r->q->amax, v);
    linear(r, x, &w->wg, w->rq_g, r->q->amax, g);
    int_show_heads(r, layer, P_Q, q, S * d, n->dk, offsetof(struct qhead, s_q));
    int_show_heads(r, layer, P_K, k, S * d, n->dk, offsetof(struct qhead, s_k));
    int_show_heads(r, layer, P_V, v, S * V, n->dv, offsetof(struct qhead, s_v));
    int_show(r, layer, P_G, g, S * V, w->s_g);
    rotary(r, q, w->qr, qr);
    rotary(r, k, w->kr, kr);
    int_show_heads(r, layer, P_QR, qr, S * d, S * n->dk, offsetof(struct qhead, s_qr));
    int_show_heads(r, layer, P_KR, kr, S * d, S * n->dk, offsetof(struct qhead, s_kr));
    int_retention(r, layer, qr, kr, v, gated);
    int_show(r, layer, P_NORM, gated, S * V, w->s_y);
    table(g, w->swish, S * V);
    int_show(r, layer, P_SWISH, g, S * V, w->s_sw);
    product(r, gated, g, w->gated, S * V);
    int_show(r, layer, P_GATED, gated, S * V, w->s_gated);
    int16_t *all[] = {q, k, v, g, qr, kr};
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

/* RMS norm of 16-bit rows: to int8 in y and, for post-norm blocks, back to the stream in x. */
static void norm(const struct irun *r, int16_t *x, const struct rms_norm *rms, struct rq rq,
                 const struct rq *back, int16_t *y)
{
    uint64_t d = r->n->d;
    for (uint64_t s = 0; s < r->S; s++) {
        int16_t *row = x + s * d;
        int64_t std = rms_std(rms, row, d);
        for (uint64_t i = 0; i < d; i++) {
            int16_t v = row[i], gain = rms->gain[i];
            y[s * d + i] = (int16_t)clip(rms_element(rms, rq, v, gain, std), r->q->amax);
            if (back)
                row[i] = (int16_t)clip(rms_element(rms, *back, v, gain, std), r->q->omax);
        }
    }
}

struct sum { /* an addition to the residual stream */
    uint64_t layer;
    enum point added;
    const struct qmat *w;
    const struct rq *rq; /* its accumulators to the stream's step */
    double scale;        /* of its input */
    struct rq keep;      /* the stream to its new step */
    enum overflow_place place;
};

/* x <- clip(RQS(x) + clip(RQS(a W^T))), 16 bits */
static void residual(const struct irun *r, const struct sum *sum, const int16_t *a, int16_t *x)
{
    const struct qmat *w = sum->w;
    int32_t *acc = products(r, a, w), most = r->q->omax;
    uint64_t *over = r->over->n[sum->layer];
    int16_t *added = int_words(r->S * w->out);
    show_acc(r, sum->layer, sum->added, acc, w, sum->scale);
    for (uint64_t s = 0; s < r->S; s++)
        for (uint64_t o = 0; o < w->out; o++) {
            uint64_t i = s * w->out + o;
            added[i] = (int16_t)clip_counted(rq_apply(sum->rq[o], acc[i]), most, &over[sum->place]);
            x[i] = (int16_t)clip_counted(rq_apply(sum->keep, x[i]) + added[i], most, &over[OVER_RESIDUAL]);
        }
    int_show(r, sum->layer, sum->added, added, r->S * w->out, NAN);
    free(added);
    free(acc);
}

static void ffn(const struct irun *r, uint64_t layer, const int16_t *u, int16_t *prod)
{
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t size = r->S * r->n->F;
    int16_t *b = int_words(size);
    linear(r, u, &w->fc1, w->rq_fc1, r->q->amax, prod);
    linear(r, u, &w->gate, w->rq_gate, r->q->amax, b);
    int_show(r, layer, P_FC1, prod, size, w->s_a);
    int_show(r, layer, P_GATE, b, size, w->s_gp);
    table(prod, w->act, size);
    int_show(r, layer, P_ACT, prod, size, w->s_act);
    product(r, prod, b, w->prod, size);
    int_show(r, layer, P_PROD, prod, size, w->s_prod);
    free(b);
}

/* x: residual stream; u: its narrow, normalised copy, written for the next block
 * by post-norm */
static void block(const struct irun *r, uint64_t layer, int16_t *x, int16_t *u)
{
    const struct net *n = r->n;
    const struct qlayer *w = &r->q->layer[layer];
    uint64_t size = r->S * n->d;
    int16_t *a = int_words(r->S * max64(n->V, n->F));
    struct sum one = {layer, P_MSR, &w->wo, w->rq_o, w->s_gated, w->res1, OVER_MSR};
    struct sum two = {layer, P_FFN, &w->fc2, w->rq_fc2, w->s_prod, w->res2, OVER_FFN};
    int_show(r, layer, P_HIDDEN, x, size, w->s_in);
    if (n->pre_norm)
        norm(r, x, &w->ln1, w->n1, NULL, u);
    int_show(r, layer, P_LN1, u, size, w->s_x);
    msr(r, layer, u, a);
    residual(r, &one, a, x);
    int_show(r, layer, P_RES1, x, size, w->s_r1);
    if (n->pre_norm)
        norm(r, x, &w->ln2, w->n2, NULL, u);
    else
        norm(r, x, &w->ln1, w->n1, &w->back1, u);
    int_show(r, layer, P_LN2, u, size, w->s_u);
    ffn(r, layer, u, a);
    residual(r, &two, a, x);
    if (!n->pre_norm)
        norm(r, x, &w->ln2, w->n2, &w->back2, u);
    int_show(r, layer, P_OUT, x, size, n->pre_norm ? w->s_r2 : w->s_n2);
    free(a);
}

static void lm_head(const struct irun *r, int16_t *x, int16_t *u)
{
    const struct qnet *q = r->q;
    if (r->n->pre_norm)
        norm(r, x, &q->ln, q->nf, NULL, u);
    int_show(r, 0, P_FINAL, u, r->S * r->n->d, q->s_f);
    int32_t *acc = products(r, u, &q->lm);
    show_acc(r, 0, P_LOGITS, acc, &q->lm, q->s_f);
    if (r->sink->whole)
        r->sink->whole(r->sink->arg, 0, P_LOGITS, acc, r->S * q->lm.out);
    free(acc);
}

/* MSR alone: the output takes a byte. */
static void msr_output(const struct irun *r, const int16_t *gated)
{
    const struct qlayer *w = &r->q->layer[0];
    int32_t *acc = products(r, gated, &w->wo);
    int16_t *out = int_words(r->S * r->n->d);
    show_acc(r, 0, P_MSR, acc, &w->wo, w->s_gated);
    for (uint64_t i = 0; i < r->S * r->n->d; i++)
        out[i] = (int16_t)clip(rq_apply(w->rq_msr[i % r->n->d], acc[i]), r->q->amax);
    int_show(r, 0, P_MSR, out, r->S * r->n->d, NAN);
    free(out);
    free(acc);
}

void golden_input(const struct qnet *q, uint64_t S, const double *in, int16_t *x)
{
    const struct net *n = q->n;
    const struct qlayer *first = &q->layer[0];
    bool narrow = n->kind == NET_MSR;
    for (uint64_t i = 0; i < S * n->d; i++) {
        if (n->kind == NET_LM) {
            uint64_t token = (uint64_t)in[i / n->d];
            x[i] = (int16_t)clip(rq_apply(q->rq_embed[token], q->embed.w[token * n->d + i % n->d]), q->omax);
        } else {
            x[i] = (int16_t)clip(llround(in[i] / (narrow ? first->s_x : first->s_in)),
                                 narrow ? q->amax : q->omax);
        }
    }
}

void golden_int(const struct qnet *q, const struct golden_job *job, const double *in,
                const struct golden_sink *sink, struct overflow *over)
{
    const struct net *n = q->n;
    uint64_t S = job->prefill + job->decode;
    struct irun r = {q, n, job, S, sink, over};
    int16_t *x = int_words(S * n->d), *u = int_words(S * n->d), *gated = int_words(S * n->V);
    golden_input(q, S, in, x);
    for (uint64_t i = 0; i < S * n->d && n->kind != NET_MSR && !n->pre_norm; i++)
        u[i] = (int16_t)clip(rq_apply(q->narrow, x[i]), q->amax);
    if (n->kind == NET_MSR) {
        msr(&r, 0, x, gated);
        msr_output(&r, gated);
    }
    for (uint64_t l = 0; n->kind != NET_MSR && l < n->L; l++)
        block(&r, l, x, u);
    if (n->kind == NET_LM)
        lm_head(&r, x, u);
    free(x);
    free(u);
    free(gated);
}
