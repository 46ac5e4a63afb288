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
    n->kind = w->kind == WORK_MSR ? NET_MSR : w->kind == WORK_BLOCK ? NET_BLOCK : NET_LM;
    n->dir = "a synthetic network";
    n->S = S;
    n->d = s->d_model;
    n->H = s->heads;
    n->V = s->value_dim;
    n->dk = n->d / n->H;
    n->dv = n->V / n->H;
    n->F = w->kind == WORK_MSR ? 0 : s->ffn_dim;
    n->L = s->layers;
    n->vocab = n->kind == NET_LM ? s->vocab : 0;
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
    n->x = n->kind == NET_LM ? NULL : seqs[0];
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

/* Summed cross-entropy in bits of the tokens after each position. */
static double bits_of(const struct shots *s, const double *tokens, uint64_t n, uint64_t vocab)
{
    double sum = 0;
    for (uint64_t t = 0; t < n; t++) {
        const double *row = s->v + t * vocab;
        double most = row[0], z = 0;
        for (uint64_t i = 1; i < vocab; i++)
            most = fmax(most, row[i]);
        for (uint64_t i = 0; i < vocab; i++)
            z += exp(row[i] - most);
        sum += log2(z) + (most - row[(uint64_t)tokens[t + 1]]) / log(2);
    }
    return sum;
}

static double sqnr(const struct shots *real, const struct shots *whole)
{
    double signal = 0, noise = 0;
    for (uint64_t i = 0; i < whole->n && i < real->n; i++) {
        signal += real->v[i] * real->v[i];
        noise += (real->v[i] - whole->v[i]) * (real->v[i] - whole->v[i]);
    }
    return noise > 0 ? 10 * log10(signal / noise) : signal > 0 ? 300 : 0;
}

/* Of the first sequence: integers, dequantised before any output requantisation, against the
 * float model; of text also how well both predict it. */
static void quality(const struct reading *pt, struct values_report *out)
{
    const struct net *n = pt->net;
    enum point p = n->kind == NET_MSR ? P_MSR : n->kind == NET_BLOCK ? P_OUT : P_LOGITS;
    struct golden_job job = golden_job_of(pt->w);
    struct shots whole = {.p = p}, real = {.p = p};
    struct golden_sink sink = {catch_output, NULL, &whole};
    struct overflow *over = calloc(1, sizeof *over);
    golden_int(pt->q, &job, pt->seqs[0], &sink, over);
    golden_f64(n, job.form, pt->S, pt->seqs[0], catch_output, &real);
    out->sqnr_db = sqnr(&real, &whole);
    uint64_t scored = n->eval ? min64(pt->S, n->eval_len) : 0;
    if (scored) {
        out->bits = bits_of(&whole, pt->seqs[0], scored, n->vocab) / (double)scored;
        out->float_bits = bits_of(&real, pt->seqs[0], scored, n->vocab) / (double)scored;
    }
    free(whole.v);
    free(real.v);
    free(over);
}

/* Text for each sequence: the network's own tokens, or its evaluation sequences from the
 * first; the last quarter of these calibrates. */
static bool texts(struct reading *pt, struct err *err)
{
    const struct net *n = pt->net;
    uint64_t rows = n->eval ? n->eval_rows : 1, have = n->eval ? n->eval_len + 1 : n->S;
    if (pt->w->batch > rows || pt->S > have)
        return err_add(err, ERR_CONFIG, NULL, "values: %s has %" PRIu64 " sequences of %" PRIu64 " tokens, "
                       "and work.batch, seq and tokens ask for %" PRIu64 " of %" PRIu64 "; legal: up to what "
                       "it has", n->dir, rows, have, pt->w->batch, pt->S);
    for (uint64_t s = 0; s < pt->w->batch; s++)
        pt->seqs[s] = n->eval ? n->eval + s * have : n->tokens;
    return true;
}

/* Rows of a layer or block alone. */
static bool rows(struct reading *pt, struct err *err)
{
    const struct net *n = pt->net;
    const struct work *w = pt->w;
    if (n->kind == NET_BLOCK && (w->phase != PHASE_PREFILL || w->batch > 1 || pt->p->scope < w->seq))
        return err_add(err, ERR_CONFIG, NULL, "values: a block overwrites its input, so its values need one "
                       "prefill of one sequence; legal: work.phase prefill, work.batch 1, work.map.order "
                       "layer");
    if (n->kind == NET_BLOCK && pt->S > n->S)
        return err_add(err, ERR_CONFIG, NULL, "values: %s has %" PRIu64 " rows; legal: work.seq up to that",
                       n->dir, n->S);
    for (uint64_t s = 0; s < w->batch; s++)
        pt->seqs[s] = n->kind == NET_MSR ? repeated(pt->net, w, pt->p, pt->S, s) : n->x;
    return true;
}

static struct qnet *calibrated(struct reading *pt, const struct quant *quant, struct err *err)
{
    const struct net *n = pt->net;
    const double *seqs[64] = {pt->seqs[0]};
    uint64_t len = n->eval ? n->eval_len : pt->S, quarter = max64(n->eval_rows / 4, 1), from, count = 1;
    from = quant->calibration_row == FIELD_AUTO ? n->eval_rows - min64(quarter, n->eval_rows)
                                                : quant->calibration_row;
    if (n->eval)
        count = quant->calibration_rows != FIELD_AUTO ? quant->calibration_rows
              : quant->calibration_row != FIELD_AUTO ? 1 : quarter;
    count = min64(count, 64);
    if (n->eval && from + count > n->eval_rows) {
        err_add(err, ERR_CONFIG, NULL, "%s has %" PRIu64 " evaluation sequences; "
                "work.quant.calibration_row and calibration_rows must lie within", n->dir, n->eval_rows);
        return NULL;
    }
    for (uint64_t i = 0; n->eval && i < count; i++)
        seqs[i] = n->eval + (from + i) * (n->eval_len + 1);
    return qnet_create(n, quant, count, len, seqs, max64(pt->S, len), err);
}

/* What the workload leaves open is not silently other than what the network was quantized for. */
static bool as_quantized(const struct reading *pt, const struct quant *quant, struct err *err)
{
    const struct quant *asked = &pt->w->quant;
    if (!pt->net->quantized)
        return true;
    const struct quant *was = &pt->net->quantized->quant;
    if (asked->score_scale == SCORE_AUTO && was->score_scale != quant->score_scale)
        return err_add(err, ERR_CONFIG, NULL, "values: %s was quantized for other scores; legal: "
                       "work.quant.score_scale static or row_shift, whichever is meant", pt->net->dir);
    if (asked->state_update == UPDATE_AUTO && was->state_update != quant->state_update)
        return err_add(err, ERR_CONFIG, NULL, "values: %s was quantized for other updates of the state; "
                       "legal: work.quant.state_update token or chunk, whichever is meant", pt->net->dir);
    return true;
}

static bool with_network(struct reading *pt, const struct quant *quant, struct values_report *out,
                         struct err *err)
{
    bool lm = pt->net->kind == NET_LM;
    struct golden_job job = golden_job_of(pt->w);
    bool chunks = golden_has_chunks(&job, quant);
    if (pt->net->quantized && chunks && pt->net->B != pt->w->chunk)
        return err_add(err, ERR_CONFIG, NULL, "values: %s was quantized for chunks of %" PRIu64 "; legal: "
                       "work.chunk %" PRIu64 ", or a form without chunks", pt->net->dir, pt->net->B,
                       pt->net->B);
    if (!as_quantized(pt, quant, err))
        return false;
    if (chunks)
        pt->net->B = pt->w->chunk; /* the run's, whatever the network was trained with */
    if (!out->synthetic && lm && !texts(pt, err))
        return false;
    if (!lm && !rows(pt, err))
        return false;
    pt->q = calibrated(pt, quant, err);
    struct expected *e = NULL;
    if (pt->q)
        e = expected_create(pt->w, pt->q, pt->seqs, err);
    for (uint64_t i = 0; pt->q && i < pt->net->L * pt->net->H; i++)
        out->multiplies |= pt->q->layer[i / pt->net->H].head[i % pt->net->H].state.decay_shift < 0;
    bool ok = e && read_program(pt, e, out, err);
    if (ok)
        quality(pt, out);
    expected_destroy(e);
    qnet_destroy(pt->q);
    return ok;
}

/* Widths that the hardware has. */
struct quant values_quant(const struct arch *a, const struct work *w)
{
    const struct retention_cfg *r = ARCH_CFG(a, retention);
    struct quant q = w->quant;
    q.state_bits = r->state_bits;
    if (q.read_bits == FIELD_AUTO)
        q.read_bits = r->read_bits;
    if (q.rounding == ROUND_AUTO)
        q.rounding = r->rounding;
    if (q.decay == DECAY_AUTO && r->decay != 0) /* the lanes multiply */
        q.decay = DECAY_SHIFT + r->decay;
    q.score_scale = work_score_scale(w);
    if (q.state_update == UPDATE_AUTO)
        q.state_update = r->update;
    return q;
}

/* What the program does not have is an error, never left out without a word. */
static bool computable(const struct arch *a, const struct work *w, struct err *err)
{
    const struct retention_cfg *r = ARCH_CFG(a, retention);
    const struct quant *q = &w->quant;
    if (work_is_tiled(w))
        return err_add(err, ERR_CONFIG, NULL,
                       "values: an engine fed by streams has no values reading; legal: a "
                       "work.kind of network, msr, block or gemm");
    if (w->kind == WORK_GEMM)
        return true;
    if (q->state_bits != FIELD_AUTO && q->state_bits != r->state_bits)
        return err_add(err, ERR_CONFIG, NULL, "values: work.quant.state_bits is %" PRIu64 ", and "
                       "arch.retention.state_bits %" PRIu64 "; legal: the same, or auto", q->state_bits,
                       r->state_bits);
    if (q->read_bits != FIELD_AUTO && q->read_bits > r->read_bits)
        return err_add(err, ERR_CONFIG, NULL, "values: work.quant.read_bits is %" PRIu64 ", and "
                       "arch.retention.read_bits %" PRIu64 "; legal: auto, or up to that", q->read_bits,
                       r->read_bits);
    return true;
}

static bool product(struct reading *pt, struct values_report *out, struct err *err)
{
    struct expected *e = expected_gemm(pt->w, pt->seed);
    bool ok = read_program(pt, e, out, err);
    expected_destroy(e);
    return ok;
}

bool network_fits(const struct net *n, const struct work *w, const struct place *at, struct err *err)
{
    static const char *const kinds[] = {[NET_MSR] = "msr", [NET_BLOCK] = "block", [NET_LM] = "network"};
    static const enum net_kind wanted[] = {[WORK_NETWORK] = NET_LM, [WORK_MSR] = NET_MSR,
                                           [WORK_BLOCK] = NET_BLOCK};
    const struct shape *s = &w->shape;
    const struct {
        const char *key;
        uint64_t has, asked;
    } sizes[] = {
        {"d_model", n->d, s->d_model}, {"heads", n->H, s->heads}, {"value_dim", n->V, s->value_dim},
        {"ffn_dim", n->F, n->kind == NET_MSR ? n->F : s->ffn_dim}, {"layers", n->L, s->layers},
        {"vocab", n->vocab, s->vocab}, {"pre_norm", n->pre_norm, s->pre_norm},
    };
    struct text has = {0}, asked = {0};
    if (w->kind > WORK_BLOCK || n->kind != wanted[w->kind])
        return err_add(err, ERR_CONFIG, at, "work.network: %s is of kind %s; legal: a network of the "
                       "workload's kind", n->dir, kinds[n->kind]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].has == sizes[i].asked)
            continue;
        text_printf(&has, "%s%s %" PRIu64, has.len ? ", " : "", sizes[i].key, sizes[i].has);
        text_printf(&asked, "%s%" PRIu64, asked.len ? ", " : "", sizes[i].asked);
    }
    bool ok = !has.len || err_add(err, ERR_CONFIG, at, "work.network: %s has %s, and work.shape says %s; "
                                  "legal: a network of this shape, or \"\" for drawn weights", n->dir, has.s,
                                  asked.s);
    text_finish(&has);
    text_finish(&asked);
    return ok;
}

/* The network in `dir`, when it has the workload's shape. */
static struct net *matching(const char *dir, const struct work *w, struct err *err)
{
    struct net *n = net_load(dir, err);
    if (n && network_fits(n, w, NULL, err))
        return n;
    net_destroy(n);
    return NULL;
}

bool values_point(const struct arch *a, const struct work *w, const struct program *p, const char *dir,
                  uint64_t seed, unsigned n_seeds, struct values_report *out, struct err *err)
{
    struct golden_job job = golden_job_of(w);
    struct quant quant = values_quant(a, w);
    struct reading pt = {.arch = a, .w = w, .p = p, .seed = seed, .n_seeds = n_seeds};
    *out = (struct values_report){.sqnr_db = NAN, .bits = NAN, .float_bits = NAN, .synthetic = !dir};
    if (!computable(a, w, err))
        return false;
    if (w->kind == WORK_GEMM)
        return product(&pt, out, err);
    pt.S = job.prefill + job.decode;
    pt.seqs = xrealloc(NULL, w->batch, sizeof *pt.seqs);
    pt.net = dir ? matching(dir, w, err) : net_synthetic(w, seed, pt.S, pt.seqs, err);
    bool ok = pt.net && with_network(&pt, &quant, out, err);
    net_destroy(pt.net);
    free(pt.seqs);
    return ok;
}
