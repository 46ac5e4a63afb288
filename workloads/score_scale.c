#include "workloads/score_scale.h"

#include "base/arena.h"
#include "base/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_PER_OCTAVE = 4 };

struct search {
    const struct net *n;
    const float *q, *k, *v; /* of one sequence */
    float *q8, *k8;         /* the same as the integers have them */
    float *a, *a8, *rounded; /* scores of a row: real, of q8 and k8, these in steps */
    double *want, *have;    /* dv: the row's output */
    double error[SCORE_STEPS];
};

/* o = a V, scaled to length 1; false where it is 0 */
static bool output(const struct search *s, const float *a, uint64_t keys, double *o)
{
    uint64_t dv = s->n->dv;
    double sum = 0;
    float part[64];
    for (uint64_t c = 0; c < dv; c += 64) {
        uint64_t width = min64(64, dv - c);
        memset(part, 0, sizeof part);
        for (uint64_t m = 0; m < keys; m++)
            for (uint64_t i = 0; i < width && a[m] != 0; i++)
                part[i] += a[m] * s->v[m * dv + c + i];
        for (uint64_t i = 0; i < width; i++) {
            o[c + i] = (double)part[i];
            sum += o[c + i] * o[c + i];
        }
    }
    for (uint64_t c = 0; c < dv && sum > 0; c++)
        o[c] /= sqrt(sum);
    return sum > 0;
}

/* a = q k gamma^(t-m) */
static void scores(const float *q, const float *k, uint64_t t, uint64_t dk, double gamma, float *a)
{
    double decay = 1;
    for (uint64_t m = t + 1; m-- > 0; decay *= gamma) {
        float sum = 0;
        for (uint64_t i = 0; i < dk; i++)
            sum += q[t * dk + i] * k[m * dk + i];
        a[m] = sum * (float)decay;
    }
}

static void row(struct search *s, uint64_t t, double gamma, double largest, int32_t top)
{
    uint64_t dk = s->n->dk, dv = s->n->dv;
    scores(s->q, s->k, t, dk, gamma, s->a);
    scores(s->q8, s->k8, t, dk, gamma, s->a8);
    if (!output(s, s->a, t + 1, s->want))
        return;
    for (unsigned i = 0; i < SCORE_STEPS; i++) {
        float inv = (float)(top / largest * exp2((double)i / STEPS_PER_OCTAVE)), most = (float)top;
        for (uint64_t m = 0; m <= t; m++)
            s->rounded[m] = fminf(fmaxf(floorf(s->a8[m] * inv + 0.5f), -most), most);
        bool any = output(s, s->rounded, t + 1, s->have);
        for (uint64_t c = 0; c < dv; c++) {
            double e = s->want[c] - (any ? s->have[c] : 0);
            s->error[i] += e * e;
        }
    }
}

/* n values in whole steps */
static void in_steps(const float *from, uint64_t n, double step, int32_t most, float *to)
{
    float inv = (float)(1 / step), back = (float)step, top = (float)most;
    for (uint64_t i = 0; i < n; i++)
        to[i] = fminf(fmaxf(floorf(from[i] * inv + 0.5f), -top), top) * back;
}

double score_step(const struct head_rows *rows, const struct net *n, const struct score_operands *ops,
                  double gamma, uint64_t S, double largest, int32_t top)
{
    struct search s = {.n = n, .a = xrealloc(NULL, S, sizeof *s.a), .a8 = xrealloc(NULL, S, sizeof *s.a),
                       .rounded = xrealloc(NULL, S, sizeof *s.a),
                       .q8 = xrealloc(NULL, S * n->dk, sizeof *s.q8),
                       .k8 = xrealloc(NULL, S * n->dk, sizeof *s.k8),
                       .want = xrealloc(NULL, n->dv, sizeof *s.want),
                       .have = xrealloc(NULL, n->dv, sizeof *s.have)};
    unsigned best = 0;
    for (uint64_t at = 0; at < rows->n && largest > 0; at += S) {
        s.q = rows->q + at * n->dk;
        s.k = rows->k + at * n->dk;
        s.v = rows->v + at * n->dv;
        in_steps(s.q, S * n->dk, ops->q_step, ops->most, s.q8);
        in_steps(s.k, S * n->dk, ops->k_step, ops->most, s.k8);
        uint64_t looked = min64(max64(SCORE_ROWS, SCORE_PAIRS / S), S);
        for (uint64_t i = 0; i < looked; i++)
            row(&s, looked > 1 ? i * (S - 1) / (looked - 1) : 0, gamma, largest, top);
    }
    for (unsigned i = 1; i < SCORE_STEPS; i++)
        best = s.error[i] < s.error[best] ? i : best;
    free(s.a);
    free(s.a8);
    free(s.q8);
    free(s.k8);
    free(s.rounded);
    free(s.want);
    free(s.have);
    return largest / top / exp2((double)best / STEPS_PER_OCTAVE);
}
