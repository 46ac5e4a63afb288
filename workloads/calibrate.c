#include "workloads/calibrate.h"

#include "base/num.h"
#include "workloads/feedback.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEPT = 1 << 17, CLIP_STEPS = 80 };
enum { BINS_PER_OCTAVE = 64, LEAST_OCTAVE = -32, N_BINS = 56 * BINS_PER_OCTAVE };

struct bin {
    double n, sum, squares;
};
/* Magnitudes of one point of one layer: all of them, and when they are too many bins of
 * equal ratio alone. */
struct samples {
    double most, n;
    double *kept;    /* NULL past MAX_KEPT */
    struct bin *bin; /* N_BINS; the first takes all that is smaller */
};

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

static void sample(struct samples *s, const double *v, uint64_t n)
{
    if (!s->bin)
        s->bin = memset(xrealloc(NULL, N_BINS, sizeof *s->bin), 0, N_BINS * sizeof *s->bin);
    for (uint64_t i = 0; i < n; i++) {
        double x = fabs(v[i]);
        int at = x > 0 ? (int)floor((log2(x) - LEAST_OCTAVE) * BINS_PER_OCTAVE) : 0;
        struct bin *b = &s->bin[at < 0 ? 0 : at >= N_BINS ? N_BINS - 1 : at];
        b->n++;
        b->sum += x;
        b->squares += x * x;
        s->most = larger(s->most, x);
    }
    if (s->n + (double)n <= MAX_KEPT) {
        s->kept = xrealloc(s->kept, (uint64_t)s->n + n + 1, sizeof *v);
        memcpy(s->kept + (uint64_t)s->n, v, n * sizeof *v);
    } else {
        free(s->kept);
        s->kept = NULL;
    }
    s->n += (double)n;
}

/* Raw state of a head and its read-out: q, k S,dk; v S rows of dv, V apart. */
static void largest_state(const struct net *n, uint64_t S, const double *q, const double *k, const double *v,
                          double gamma, struct head_range *most)
{
    double *state = xrealloc(NULL, (n->dk + 1) * n->dv, sizeof *state), *o = state + n->dk * n->dv;
    double largest = 0;
    memset(state, 0, n->dk * n->dv * sizeof *state);
    for (uint64_t t = 0; t < S; t++) {
        memset(o, 0, n->dv * sizeof *o);
        for (uint64_t i = 0; i < n->dk; i++)
            for (uint64_t c = 0; c < n->dv; c++) {
                double *s = &state[i * n->dv + c];
                *s = *s * gamma + k[t * n->dk + i] * v[t * n->V + c];
                o[c] += q[t * n->dk + i] * *s;
                largest = larger(largest, fabs(*s));
            }
        for (uint64_t c = 0; c < n->dv; c++)
            most->row = larger(most->row, fabs(o[c]));
    }
    most->state = larger(most->state, largest);
    free(state);
}

/* Key m meets DEALT queries at a time: sums that do not wait for each other. */
static double largest_score(const struct net *n, uint64_t S, const double *qr, const double *kr, double gamma)
{
    enum { DEALT = 4 };
    double most = 0;
    for (uint64_t m = 0; m < S; m++) {
        double decay = 1;
        for (uint64_t t = m; t < S && decay > 1e-4; t += DEALT) {
            double sum[DEALT] = {0};
            uint64_t some = min64(DEALT, S - t);
            for (uint64_t i = 0; i < n->dk; i++)
                for (unsigned j = 0; j < DEALT; j++)
                    sum[j] += qr[min64(t + j, S - 1) * n->dk + i] * kr[m * n->dk + i];
            for (unsigned j = 0; j < some; j++, decay *= gamma)
                most = larger(most, fabs(sum[j]) * decay);
        }
    }
    return most;
}

static double largest_of(const double *v, uint64_t rows, uint64_t width, uint64_t stride)
{
    double most = 0;
    for (uint64_t s = 0; s < rows; s++)
        for (uint64_t i = 0; i < width; i++)
            most = fmax(most, fabs(v[s * stride + i]));
    return most;
}

/* q or k before rotary: S,d */
static void before_rotary(struct calibration *c, uint64_t layer, bool keys, const double *v)
{
    const struct net *n = c->n;
    for (uint64_t h = 0; h < n->H; h++) {
        struct head_range *r = &c->head[layer * n->H + h];
        double *most = keys ? &r->k : &r->q;
        *most = fmax(*most, largest_of(v + h * n->dk, c->S, n->dk, n->d));
    }
}

/* Samples of each head: q or k H,S,dk, or v S,V */
static void sample_heads(struct calibration *c, uint64_t layer, enum head_point p, const double *v)
{
    const struct net *n = c->n;
    for (uint64_t h = 0; h < n->H; h++) {
        struct samples *s = &c->by_head[(layer * n->H + h) * N_HEAD_POINTS + p];
        if (p != HEAD_V)
            sample(s, v + h * c->S * n->dk, c->S * n->dk);
        for (uint64_t t = 0; t < c->S && p == HEAD_V; t++)
            sample(s, v + t * n->V + h * n->dv, n->dv);
    }
}

static void after_keys(struct calibration *c, uint64_t layer, const double *kr)
{
    const struct net *n = c->n;
    for (uint64_t h = 0; h < n->H; h++) {
        struct head_range *most = &c->head[layer * n->H + h];
        const double *q = c->kept[0] + h * c->S * n->dk, *k = kr + h * c->S * n->dk;
        largest_state(n, c->S, q, k, c->kept[1] + h * n->dv, n->decay[h], most);
        most->score = fmax(most->score, largest_score(n, c->S, q, k, n->decay[h]));
    }
}

/* What a head's scores are made of, for a search of their scale. */
static void keep_rows(struct calibration *c, uint64_t layer, const double *kr)
{
    const struct net *n = c->n;
    uint64_t S = c->S;
    for (uint64_t h = 0; h < n->H; h++) {
        struct head_rows *r = &c->rows[layer * n->H + h];
        r->q = xrealloc(r->q, (r->n + S) * n->dk, sizeof *r->q);
        r->k = xrealloc(r->k, (r->n + S) * n->dk, sizeof *r->k);
        r->v = xrealloc(r->v, (r->n + S) * n->dv, sizeof *r->v);
        for (uint64_t i = 0; i < S * n->dk; i++) {
            r->q[r->n * n->dk + i] = (float)c->kept[0][h * S * n->dk + i];
            r->k[r->n * n->dk + i] = (float)kr[h * S * n->dk + i];
        }
        for (uint64_t i = 0; i < S * n->dv; i++)
            r->v[r->n * n->dv + i] = (float)c->kept[1][i / n->dv * n->V + h * n->dv + i % n->dv];
        r->n += S;
    }
}

/* Inputs of matrices: which a point is, N_MATRIX_INPUTS for none. */
static enum matrix_input input_of(enum point p)
{
    return p == P_LN1 ? IN_LN1 : p == P_GATED ? IN_GATED : p == P_LN2 ? IN_LN2 : p == P_PROD ? IN_PROD
        : p == P_FINAL ? IN_FINAL : N_MATRIX_INPUTS;
}

static void add_input(struct calibration *c, uint64_t layer, enum matrix_input i, const double *v,
                      uint64_t width)
{
    double **h = &c->inputs[layer * N_MATRIX_INPUTS + i];
    if (!*h)
        *h = memset(xrealloc(NULL, width * width, sizeof **h), 0, width * width * sizeof **h);
    second_moments(*h, v, c->S, width);
}

static void tap(void *arg, uint64_t layer, enum point p, const double *v, uint64_t count)
{
    struct calibration *c = arg;
    if (p == P_STATE || p == P_SCALE)
        return;
    if (p < P_LOGITS)
        sample(&c->s[layer * N_POINTS + p], v, count);
    if (c->want & CALIBRATE_INPUTS && input_of(p) != N_MATRIX_INPUTS)
        add_input(c, layer, input_of(p), v, count / c->S);
    if (p == P_Q || p == P_K)
        before_rotary(c, layer, p == P_K, v);
    if (p != P_V && p != P_QR && p != P_KR)
        return;
    sample_heads(c, layer, p == P_V ? HEAD_V : p == P_QR ? HEAD_QR : HEAD_KR, v);
    if (p != P_KR) { /* both come before the keys */
        double **to = &c->kept[p == P_V];
        *to = memcpy(xrealloc(*to, count, sizeof **to), v, count * sizeof *v);
        return;
    }
    after_keys(c, layer, v);
    if (c->want & CALIBRATE_ROWS)
        keep_rows(c, layer, v);
    free(c->kept[0]);
    free(c->kept[1]);
    c->kept[0] = c->kept[1] = NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return x < y ? -1 : x > y;
}

/* The nearest whole number of a magnitude below 2^51, in a form that the compiler turns
 * into vector instructions. */
static inline double nearest(double v)
{
    const double big = 0x1.8p52;
    return v + big - big;
}

static double squared_error(const double *v, uint64_t n, double step, int32_t most)
{
    double sum[4] = {0}, inv = 1 / step, top = most;
    for (uint64_t i = 0; i < n; i++) {
        double q = v[i] * inv;
        q = q > top ? top : q;
        q = q < -top ? -top : q;
        double e = v[i] - nearest(q) * step;
        sum[i & 3] += e * e;
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

double step_of(int way, const double *v, uint64_t n, double largest, int32_t most)
{
    double best = largest / most, least = INFINITY;
    if (!(largest > 0))
        return 1.0 / most;
    if (way == CALIBRATE_MINMAX)
        return best;
    if (way == CALIBRATE_PERCENTILE) {
        double *sorted = memcpy(xrealloc(NULL, n, sizeof *sorted), v, n * sizeof *v);
        qsort(sorted, n, sizeof *sorted, by_size);
        double at = fabs(sorted[(uint64_t)(0.9999 * (double)(n - 1))]);
        free(sorted);
        return at > 0 ? at / most : best;
    }
    for (int i = 0; i < CLIP_STEPS; i++) {
        double step = largest / most * (100 - i) / 100, e = squared_error(v, n, step, most);
        if (e < least)
            best = step;
        least = fmin(least, e);
    }
    return best;
}

/* Squared error of rounding and clipping, from bins: exact where values are
 * clipped, step^2/12 where a bin is wide against a step. */
static double bin_error(const struct samples *s, double step, int32_t most)
{
    double sum = 0, top = most * step;
    for (unsigned i = 0; i < N_BINS; i++) {
        const struct bin *b = &s->bin[i];
        if (b->n == 0)
            continue;
        double x = b->sum / b->n, q = floor(x / step + 0.5) * step;
        if (x > top)
            sum += b->squares - 2 * top * b->sum + b->n * top * top;
        else if (x / BINS_PER_OCTAVE > step / 4)
            sum += b->n * step * step / 12;
        else
            sum += b->squares - 2 * q * b->sum + b->n * q * q;
    }
    return sum;
}

static double percentile_of(const struct samples *s, double share)
{
    double n = 0;
    for (unsigned i = 0; i < N_BINS; i++) {
        n += s->bin[i].n;
        if (n >= share * s->n && s->bin[i].n > 0)
            return s->bin[i].sum / s->bin[i].n;
    }
    return s->most;
}

double calibrated_most(const struct calibration *c, uint64_t layer, enum point p)
{
    return c->s[layer * N_POINTS + p].most;
}

static double sampled_step(const struct samples *s, int way, int32_t most)
{
    double best = s->most / most, least = INFINITY;
    if (s->kept)
        return step_of(way, s->kept, (uint64_t)s->n, s->most, most);
    if (!s->bin || !(s->most > 0))
        return 1.0 / most;
    if (way == CALIBRATE_MINMAX)
        return best;
    if (way == CALIBRATE_PERCENTILE)
        return fmax(percentile_of(s, 0.9999), 1e-12) / most;
    for (int i = 0; i < CLIP_STEPS; i++) {
        double step = s->most / most * (100 - i) / 100, e = bin_error(s, step, most);
        if (e < least)
            best = step;
        least = fmin(least, e);
    }
    return best;
}

double calibrated_step(const struct calibration *c, int way, uint64_t layer, enum point p, int32_t most)
{
    return sampled_step(&c->s[layer * N_POINTS + p], way, most);
}

double calibrated_head_step(const struct calibration *c, int way, uint64_t layer, uint64_t head,
                            enum head_point p, int32_t most)
{
    return sampled_step(&c->by_head[(layer * c->n->H + head) * N_HEAD_POINTS + p], way, most);
}

void calibrate(struct calibration *c, const struct net *n, unsigned want, uint64_t n_seqs, uint64_t S,
               const double *const *seqs)
{
    *c = (struct calibration){.n = n, .S = S, .want = want};
    c->s = ARENA_NEW(&c->arena, struct samples, n->L * N_POINTS);
    c->by_head = ARENA_NEW(&c->arena, struct samples, n->L * n->H * N_HEAD_POINTS);
    c->head = ARENA_NEW(&c->arena, struct head_range, n->L * n->H);
    c->rows = ARENA_NEW(&c->arena, struct head_rows, n->L * n->H);
    c->inputs = ARENA_NEW(&c->arena, double *, n->L * N_MATRIX_INPUTS);
    for (uint64_t i = 0; i < n_seqs; i++) {
        golden_f64(n, NET_PARALLEL, S, seqs[i], tap, c);
        if (n->kind == NET_MSR)
            sample(&c->s[P_LN1], seqs[i], S * n->d);
    }
}

static void samples_finish(struct samples *s, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        free(s[i].bin);
        free(s[i].kept);
    }
}

void calibration_finish(struct calibration *c)
{
    samples_finish(c->s, c->n->L * N_POINTS);
    for (uint64_t i = 0; i < c->n->L * c->n->H; i++) {
        free(c->rows[i].q);
        free(c->rows[i].k);
        free(c->rows[i].v);
    }
    for (uint64_t i = 0; i < c->n->L * N_MATRIX_INPUTS; i++)
        free(c->inputs[i]);
    samples_finish(c->by_head, c->n->L * c->n->H * N_HEAD_POINTS);
    arena_finish(&c->arena);
}
