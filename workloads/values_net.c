/* A whole reading: network, calibration, golden model, program, quality. */
#include "workloads/values.h"

#include "base/hash.h"
#include "base/num.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- synthetic networks ---- */

static double uniform(struct rng *r) /* -1..1 */
{
    return (double)(rng_next(r) >> 11) / (double)(UINT64_C(1) << 52) - 1;
}

/* Uniform as Xavier's initialisation has it, times `gain`. */
static const double *drawn(struct arena *a, struct rng *r, uint64_t rows, uint64_t cols, double gain)
{
    double *w = ARENA_NEW(a, double, rows * cols), most = gain * sqrt(6.0 / (double)(rows + cols));
    for (uint64_t i = 0; i < rows * cols; i++)
        w[i] = most * uniform(r);
    return w;
}

static const double *gains(struct arena *a, struct rng *r, uint64_t n)
{
    double *w = ARENA_NEW(a, double, n);
    for (uint64_t i = 0; i < n; i++)
        w[i] = 1 + 0.3 * uniform(r);
    return w;
}

static void draw_layer(struct net *n, struct net_layer *l, struct rng *r)
{
    struct arena *a = &n->arena;
    l->wq = drawn(a, r, n->d, n->d, 1);
    l->wk = drawn(a, r, n->d, n->d, 1);
    l->wv = drawn(a, r, n->V, n->d, 1);
    l->wg = drawn(a, r, n->V, n->d, 1);
    l->wo = drawn(a, r, n->d, n->V, 1);
    if (n->kind == NET_MSR)
        return;
    l->ln1 = gains(a, r, n->d);
    l->ln2 = gains(a, r, n->d);
    l->fc1 = drawn(a, r, n->F, n->d, 1);
    l->gate = drawn(a, r, n->F, n->d, 1);
    l->fc2 = drawn(a, r, n->d, n->F, 1);
}

static uint64_t weight_count(const struct work *w)
{
    const struct shape *s = &w->shape;
    uint64_t d = s->d_model, layer = 2 * d * d + 3 * d * s->value_dim + 3 * d * s->ffn_dim;
    return s->layers * layer + 2 * s->vocab * d;
}

/* 2^(-5-h), or the paper's even spacing of logarithms between 1/32 and 1/512. */
static double decay_of(const struct shape *s, uint64_t h)
{
    double step = s->heads > 1 ? (double)h / (double)(s->heads - 1) : 0;
    return s->gamma == 0 ? 1 - ldexp(1, -5 - (int)h) : 1 - exp(log(1.0 / 32) + step * log(32.0 / 512));
}

static void shape_of(struct net *n, const struct work *w, uint64_t S)
{
    const struct shape *s = &w->shape;
    n->kind = w->kind == WORK_MSR ? NET_MSR : NET_LM;
    n->dir = "a synthetic network";
    n->S = S;
    n->d = s->d_model;
    n->H = s->heads;
    n->V = s->value_dim;
    n->dk = n->d / n->H;
    n->dv = n->V / n->H;
    n->F = w->kind == WORK_MSR ? 0 : s->ffn_dim;
    n->L = s->layers;
    n->vocab = w->kind == WORK_MSR ? 0 : s->vocab;
    n->B = w->chunk;
    n->eps = 1e-6;
    n->pre_norm = s->pre_norm;
    n->alpha = s->pre_norm ? 1 : pow(2.0 * (double)s->layers, 0.25); /* deepnorm */
    n->embed_scale = 1;
    n->gelu = s->activation == ACTIVATION_GELU;
    for (uint64_t h = 0; h < n->H; h++)
        n->decay[h] = decay_of(s, h);
}

enum { MAX_SYNTHETIC = 1 << 26 }; /* weights */

struct net *net_synthetic(const struct work *w, uint64_t seed, uint64_t S, const double **seqs,
                          struct err *err)
{
    struct rng r = {seed};
    if (weight_count(w) > MAX_SYNTHETIC) {
        err_add(err, ERR_CONFIG, NULL, "values: %s has %" PRIu64 " weights; legal: up to %d, or values false",
                w->name, weight_count(w), MAX_SYNTHETIC);
        return NULL;
    }
    struct net *n = xrealloc(NULL, 1, sizeof *n);
    memset(n, 0, sizeof *n);
    shape_of(n, w, S);
    n->layer = ARENA_NEW(&n->arena, struct net_layer, n->L);
    for (uint64_t l = 0; l < n->L; l++)
        draw_layer(n, &n->layer[l], &r);
    if (n->kind == NET_LM) {
        n->embed = drawn(&n->arena, &r, n->vocab, n->d, 4);
        n->lm = drawn(&n->arena, &r, n->vocab, n->d, 1);
        n->ln = n->pre_norm ? gains(&n->arena, &r, n->d) : NULL;
    }
    for (uint64_t s = 0; s < w->batch; s++) {
        double *in = ARENA_NEW(&n->arena, double, S * (n->kind == NET_LM ? 1 : n->d) + 1);
        for (uint64_t i = 0; i < S * (n->kind == NET_LM ? 1 : n->d); i++)
            in[i] = n->kind == NET_LM ? (double)rng_below(&r, n->vocab) : uniform(&r);
        seqs[s] = in;
    }
    n->x = n->kind == NET_MSR ? seqs[0] : NULL;
    n->tokens = n->kind == NET_LM ? seqs[0] : NULL;
    return n;
}

/* ---- the point ---- */

/* Rows of a layer alone stay in place: later scopes and every decode find them again. */
static const double *repeated(struct net *n, const struct work *w, const struct program *p, uint64_t S,
                              uint64_t seq)
{
    double *x = ARENA_NEW(&n->arena, double, S * n->d + 1);
    for (uint64_t t = 0; t < S; t++) {
        bool prefill = w->phase != PHASE_DECODE && t < w->seq;
        uint64_t row = prefill ? t % p->scope : seq;
        memcpy(x + t * n->d, n->x + row % n->S * n->d, n->d * sizeof *x);
    }
    return x;
}

struct reading {
    const struct arch *arch;
    const struct work *w;
    const struct program *p;
    struct net *net;
    struct qnet *q;
    const double **seqs;
    uint64_t S;
    uint64_t seed;
    unsigned n_seeds;
};

static bool read_program(struct reading *pt, const struct expected *e, struct values_report *out,
                         struct err *err)
{
    struct values_job job = {pt->arch, pt->w, pt->p, pt->q, e, 0};
    for (unsigned i = 0; i < pt->n_seeds; i++) {
        job.seed = pt->seed + i;
        if (!values_run(&job, &out->counts, err))
            return false;
    }
    return true;
}

struct shots {
    double *v;
    uint64_t n;
    enum point p;
};

static void catch_output(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    struct shots *s = arg;
    (void)layer;
    if (p == s->p) {
        free(s->v);
        s->v = memcpy(xrealloc(NULL, n + 1, sizeof *v), v, n * sizeof *v);
        s->n = n;
    }
}

/* Signal over noise of the first sequence's output, dequantised before any requantisation. */
static double quality(const struct reading *pt)
{
    enum point p = pt->net->kind == NET_MSR ? P_MSR : P_LOGITS;
    struct golden_job job = golden_job_of(pt->w);
    struct shots whole = {.p = p}, real = {.p = p};
    struct golden_sink sink = {catch_output, NULL, &whole};
    struct overflow *over = calloc(1, sizeof *over);
    double signal = 0, noise = 0;
    golden_int(pt->q, &job, pt->seqs[0], &sink, over);
    golden_f64(pt->net, job.form, pt->S, pt->seqs[0], catch_output, &real);
    for (uint64_t i = 0; i < whole.n && i < real.n; i++) {
        signal += real.v[i] * real.v[i];
        noise += (real.v[i] - whole.v[i]) * (real.v[i] - whole.v[i]);
    }
    free(whole.v);
    free(real.v);
    free(over);
    return noise > 0 ? 10 * log10(signal / noise) : signal > 0 ? 300 : 0;
}

static bool with_network(struct reading *pt, const struct quant *quant, struct values_report *out,
                         struct err *err)
{
    for (uint64_t s = 0; pt->net->kind == NET_MSR && s < pt->w->batch; s++)
        pt->seqs[s] = repeated(pt->net, pt->w, pt->p, pt->S, s);
    pt->q = qnet_create(pt->net, quant, 1, pt->S, pt->seqs, pt->S, err);
    struct expected *e = pt->q ? expected_create(pt->w, pt->q, pt->seqs, err) : NULL;
    bool ok = e && read_program(pt, e, out, err);
    if (ok)
        out->sqnr_db = quality(pt);
    expected_destroy(e);
    qnet_destroy(pt->q);
    return ok;
}

/* Widths that the hardware has. */
static struct quant quant_of(const struct arch *a, const struct work *w)
{
    const struct retention_cfg *r = ARCH_CFG(a, retention);
    struct quant q = w->quant;
    q.state_bits = r->state_bits;
    q.read_bits = r->read_bits;
    q.score_scale = SCORE_STATIC;
    q.state_update = UPDATE_CHUNK;
    return q;
}

static bool product(struct reading *pt, struct values_report *out, struct err *err)
{
    struct expected *e = expected_gemm(pt->w, pt->seed);
    bool ok = read_program(pt, e, out, err);
    expected_destroy(e);
    return ok;
}

bool values_point(const struct arch *a, const struct work *w, const struct program *p, const char *dir,
                  uint64_t seed, unsigned n_seeds, struct values_report *out, struct err *err)
{
    struct golden_job job = golden_job_of(w);
    struct quant quant = quant_of(a, w);
    struct reading pt = {.arch = a, .w = w, .p = p, .seed = seed, .n_seeds = n_seeds};
    *out = (struct values_report){.sqnr_db = NAN, .bits = NAN, .float_bits = NAN, .synthetic = !dir};
    if (w->kind == WORK_GEMM)
        return product(&pt, out, err);
    pt.S = job.prefill + job.decode;
    pt.seqs = xrealloc(NULL, w->batch, sizeof *pt.seqs);
    pt.net = dir ? net_load(dir, err) : net_synthetic(w, seed, pt.S, pt.seqs, err);
    bool ok = pt.net && with_network(&pt, &quant, out, err);
    net_destroy(pt.net);
    free(pt.seqs);
    return ok;
}
