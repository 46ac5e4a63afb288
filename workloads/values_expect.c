/* What the golden model says the numbers of a run are. */
#include "workloads/values_impl.h"

#include "base/hash.h"
#include "base/num.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct shot {
    int32_t *v;
    uint64_t n;
};
struct sequence {
    const double *in;
    struct shot *shot;  /* L,N_POINTS */
    int32_t **state;    /* L: what a decode finds */
};
struct expected {
    const struct work *w;
    const struct qnet *q;
    uint64_t S, batch;
    struct sequence *seq;
    int16_t *input;     /* S,d: rows that are there (msr, block, product) */
    uint64_t input_rows, width;
    struct rq *rq;      /* of logits or of a product, by output */
    int16_t *weights;   /* of a product: n,k */
    int32_t *product;   /* m,n */
    struct overflow *over;
};

static void catch(void *arg, uint64_t layer, enum point p, const int32_t *v, uint64_t n)
{
    struct shot *s = &((struct shot *)arg)[layer * N_POINTS + p];
    free(s->v);
    s->v = memcpy(xrealloc(NULL, n + 1, sizeof *v), v, n * sizeof *v);
    s->n = n;
}

static void catch_state(void *arg, uint64_t layer, enum point p, const int32_t *v, uint64_t n)
{
    int32_t **states = arg;
    if (p == P_STATE)
        states[layer] = memcpy(xrealloc(states[layer], n + 1, sizeof *v), v, n * sizeof *v);
}

/* The context of a decode was taken in token by token. */
struct golden_job golden_job_of(const struct work *w)
{
    static const enum net_form forms[] = {[FORM_PARALLEL] = NET_PARALLEL, [FORM_RECURRENT] = NET_RECURRENT,
                                          [FORM_CHUNKWISE] = NET_CHUNKWISE};
    bool cache = w->phase != PHASE_PREFILL && w->decode == DECODE_KV_CACHE;
    struct golden_job j = {.form = forms[w->form], .prefill = w->seq, .kv_cache = cache};
    j.decode = w->phase == PHASE_PREFILL ? 0 : w->tokens;
    if (w->phase == PHASE_DECODE)
        j.form = cache ? NET_PARALLEL : NET_RECURRENT;
    return j;
}

/* most: no accumulator is larger */
static struct rq rq_for(double factor, int requant, double most)
{
    struct rq q = rq_of(factor, requant);
    return requant == REQUANT_INT32 ? rq_within(q, (int64_t)most) : q;
}

/* Logits take 16 bits of a step that no row of weights can leave. */
static struct rq *logits_rq(const struct qnet *q)
{
    const struct qmat *m = &q->lm;
    double most = 0;
    struct rq *rq = xrealloc(NULL, m->out, sizeof *rq);
    for (uint64_t o = 0; o < m->out; o++) {
        double sum = 0;
        for (uint64_t i = 0; i < m->in; i++)
            sum += abs(m->w[o * m->in + i]);
        most = fmax(most, sum * m->scale[o] * q->amax);
    }
    for (uint64_t o = 0; o < m->out; o++)
        rq[o] = rq_for(m->scale[o] * INT16_MAX / fmax(most, 1e-30), q->q.requant, most / m->scale[o]);
    return rq;
}

struct expected *expected_create(const struct work *w, const struct qnet *q, const double *const *in,
                                 struct err *err)
{
    struct expected *e = calloc(1, sizeof *e);
    struct golden_job job = golden_job_of(w), before = {job.form, w->seq, 0, false};
    (void)err;
    if (!e)
        abort();
    *e = (struct expected){.w = w, .q = q, .S = job.prefill + job.decode, .batch = w->batch};
    e->over = calloc(1, sizeof *e->over);
    e->seq = calloc(w->batch, sizeof *e->seq);
    uint64_t L = q->n->L;
    for (uint64_t s = 0; s < w->batch; s++) {
        struct sequence *seq = &e->seq[s];
        seq->in = in[s];
        seq->shot = calloc(L * N_POINTS, sizeof *seq->shot);
        seq->state = calloc(L, sizeof *seq->state);
        struct golden_sink sink = {NULL, catch, seq->shot}, states = {NULL, catch_state, seq->state};
        golden_int(q, &job, in[s], &sink, e->over);
        if (w->phase == PHASE_DECODE && w->decode == DECODE_STATE)
            golden_int(q, &before, in[s], &states, e->over);
    }
    if (q->n->kind == NET_LM)
        e->rq = logits_rq(q);
    if (q->n->kind != NET_LM) {
        e->width = q->n->d;
        e->input = xrealloc(NULL, q->n->S * q->n->d + 1, sizeof *e->input);
        golden_input(q, q->n->S, q->n->x, e->input);
        e->input_rows = q->n->S;
    }
    return e;
}

static int16_t drawn(struct rng *rng, unsigned bits)
{
    int32_t most = (1 << (bits - 1)) - 1;
    return (int16_t)((int32_t)rng_below(rng, (uint64_t)(2 * most + 1)) - most);
}

struct expected *expected_gemm(const struct work *w, uint64_t seed)
{
    struct expected *e = calloc(1, sizeof *e);
    struct rng rng = {seed};
    if (!e)
        abort();
    uint64_t rows = w->m * w->batch, n = w->n, k = w->k;
    *e = (struct expected){.w = w, .S = rows, .batch = 1, .width = k, .input_rows = rows};
    e->input = xrealloc(NULL, rows * k + 1, sizeof *e->input);
    e->weights = xrealloc(NULL, n * k + 1, sizeof *e->weights);
    e->product = xrealloc(NULL, rows * n + 1, sizeof *e->product);
    e->rq = xrealloc(NULL, n, sizeof *e->rq);
    for (uint64_t i = 0; i < rows * k; i++)
        e->input[i] = drawn(&rng, (unsigned)w->quant.activations);
    for (uint64_t i = 0; i < n * k; i++)
        e->weights[i] = drawn(&rng, (unsigned)w->quant.weights);
    /* Uniform operands: results spread over about half of the range, some leave it. */
    double most_a = (1 << (w->quant.activations - 1)) - 1, most_w = (1 << (w->quant.weights - 1)) - 1;
    double spread = 0.58 * most_a * 0.58 * most_w * sqrt((double)k);
    for (uint64_t o = 0; o < n; o++)
        e->rq[o] = rq_for((40 + (double)rng_below(&rng, 40)) / spread, w->quant.requant,
                          (double)k * most_a * most_w);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t o = 0; o < n; o++) {
            int64_t sum = 0;
            for (uint64_t i = 0; i < k; i++)
                sum += (int32_t)e->input[r * k + i] * e->weights[o * k + i];
            e->product[r * n + o] = clip(rq_apply(e->rq[o], (int32_t)sum), INT8_MAX);
        }
    return e;
}

void expected_destroy(struct expected *e)
{
    if (!e)
        return;
    for (uint64_t s = 0; e->seq && s < e->batch; s++) {
        for (uint64_t i = 0; i < e->q->n->L * N_POINTS; i++)
            free(e->seq[s].shot[i].v);
        for (uint64_t l = 0; l < e->q->n->L; l++)
            free(e->seq[s].state[l]);
        free(e->seq[s].shot);
        free(e->seq[s].state);
    }
    free(e->seq);
    free(e->input);
    free(e->rq);
    free(e->weights);
    free(e->product);
    free(e->over);
    free(e);
}

/* ---- what the reading asks ---- */

const struct rq *expected_rq(const struct expected *e, enum what_kind what)
{
    (void)what;
    return e->rq;
}

uint64_t expected_token(const struct expected *e, int64_t pos)
{
    uint64_t seq = (uint64_t)(pos / PROG_SEQUENCE), at = position(pos);
    return seq < e->batch && at < e->S ? (uint64_t)e->seq[seq].in[at] : UINT32_MAX;
}

const int16_t *expected_input(const struct expected *e, uint64_t row)
{
    return e->input + row % e->input_rows * e->width;
}

const int16_t *expected_weights(const struct expected *e, uint64_t out)
{
    return e->weights + out * e->w->k;
}

const int32_t *expected_state(const struct expected *e, uint64_t seq, uint64_t layer)
{
    return e->seq[seq].state[layer];
}

const int32_t *expected_point(const struct expected *e, uint64_t seq, uint64_t layer, enum point p)
{
    return e->seq[seq].shot[layer * N_POINTS + p].v;
}

uint64_t expected_tokens(const struct expected *e)
{
    return e->S;
}

struct source { /* where the golden model has the numbers of a row */
    enum point p;
    uint64_t layer, width; /* of all heads; by_head: of one, H,S,width */
    bool named, by_head;
};

static struct source source_of(const struct expected *e, enum what_kind what, uint64_t layer)
{
    const struct net *n = e->q->n;
    bool pre = n->pre_norm, last = layer + 1 == n->L;
    switch (what) {
    case WHAT_EMBED: return (struct source){P_HIDDEN, 0, n->d, true, false};
    case WHAT_NARROW: return (struct source){P_LN1, 0, n->d, true, false};
    case WHAT_LN1:
        if (pre)
            return (struct source){P_LN1, layer, n->d, true, false};
        return last ? (struct source){P_FINAL, 0, n->d, n->kind == NET_LM, false}
                    : (struct source){P_LN1, layer + 1, n->d, true, false};
    case WHAT_QR: return (struct source){P_QR, layer, n->dk, true, true};
    case WHAT_KR: return (struct source){P_KR, layer, n->dk, true, true};
    case WHAT_V: return (struct source){P_V, layer, n->V, true, false};
    case WHAT_SWISH: return (struct source){P_SWISH, layer, n->V, true, false};
    case WHAT_RAW: return (struct source){P_RET, layer, n->V, true, false};
    case WHAT_GATED: return (struct source){P_GATED, layer, n->V, true, false};
    case WHAT_RES1: return (struct source){P_RES1, layer, n->d, true, false};
    case WHAT_LN2: return (struct source){P_LN2, layer, n->d, true, false};
    case WHAT_PROD: return (struct source){P_PROD, layer, n->F, true, false};
    case WHAT_RES2: return (struct source){P_OUT, layer, n->d, pre, false};
    case WHAT_BACK2: return (struct source){P_OUT, layer, n->d, true, false};
    case WHAT_FINAL: return (struct source){P_FINAL, 0, n->d, true, false};
    case WHAT_LOGITS: return (struct source){P_LOGITS, 0, n->vocab, true, false};
    case WHAT_MSR: return (struct source){P_MSR, 0, n->d, true, false};
    default: return (struct source){0};
    }
}

static bool of_heads(enum what_kind what)
{
    return what == WHAT_V || what == WHAT_SWISH || what == WHAT_RAW || what == WHAT_GATED;
}

/* First of the numbers; NULL: not named, *bad set when there is no such row. */
static const int32_t *row_of(const struct expected *e, enum what_kind what, uint64_t unit, uint64_t col,
                             int64_t pos, uint64_t n, bool *bad)
{
    uint64_t seq = (uint64_t)pos / (uint64_t)PROG_SEQUENCE, at = position(pos);
    if (what == WHAT_GEMM) {
        *bad = at >= e->S || col + n > e->w->n;
        return *bad ? NULL : e->product + at * e->w->n + col;
    }
    const struct net *net = e->q->n;
    uint64_t H = net->H, layer = unit / H, head = unit % H;
    struct source s = source_of(e, what, layer);
    if (!s.named)
        return NULL;
    if (of_heads(what))
        col += head * net->dv;
    const struct shot *shot = seq < e->batch && layer < net->L
        ? &e->seq[seq].shot[s.layer * N_POINTS + s.p] : NULL;
    *bad = !shot || at >= e->S || col + n > s.width;
    if (*bad)
        return NULL;
    uint64_t first = (s.by_head ? head * e->S + at : at) * s.width + col;
    *bad = first + n > shot->n;
    return *bad ? NULL : shot->v + first;
}

int64_t expected_differs(const struct expected *e, enum what_kind what, uint64_t unit, uint64_t col,
                         int64_t pos,
                         const int32_t *row, uint64_t n, int32_t *should)
{
    bool bad = false;
    const int32_t *want = row_of(e, what, unit, col, pos, n, &bad);
    if (bad)
        return 0;
    for (uint64_t i = 0; want && i < n; i++) {
        int32_t w = want[i];
        if (what == WHAT_LOGITS)
            w = clip(rq_apply(e->rq[col + i], w), INT16_MAX);
        *should = w;
        if (w != row[i])
            return (int64_t)i;
    }
    return -1;
}
