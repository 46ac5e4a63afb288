#include "workloads/equalize.h"

#include "base/num.h"
#include "workloads/golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAIN_MOST = 127, EXPONENTS = 8, RANGES = 48 };

struct spread { /* of channels over the sequences */
    double *most, *square; /* largest magnitude; sum of squares */
};
struct ranges { /* L of each but `final` */
    const struct net *n;
    struct spread ln1, ln2;  /* d */
    struct spread q, k;      /* d / 2: of a pair, which rotary turns as a whole */
    struct spread product, gate, act; /* F */
    struct spread final;
};

static void widen(const struct spread *s, uint64_t layer, const double *v, uint64_t n, uint64_t width)
{
    double *most = s->most + layer * width, *square = s->square + layer * width;
    for (uint64_t i = 0; i < n; i++) {
        most[i % width] = fmax(most[i % width], fabs(v[i]));
        square[i % width] += v[i] * v[i];
    }
}

static void widen_pairs(const struct spread *s, uint64_t layer, const double *v, uint64_t n, uint64_t pairs)
{
    double *most = s->most + layer * pairs, *square = s->square + layer * pairs;
    for (uint64_t i = 0; i < n / 2; i++) {
        double x = v[2 * i] * v[2 * i] + v[2 * i + 1] * v[2 * i + 1];
        most[i % pairs] = fmax(most[i % pairs], sqrt(x));
        square[i % pairs] += x;
    }
}

static void tap(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    const struct ranges *r = arg;
    uint64_t d = r->n->d, F = r->n->F;
    if (p == P_Q || p == P_K)
        widen_pairs(p == P_Q ? &r->q : &r->k, layer, v, n, d / 2);
    const struct spread *s = p == P_LN1 ? &r->ln1 : p == P_LN2 ? &r->ln2 : p == P_FINAL ? &r->final
        : p == P_PROD ? &r->product : p == P_GATE ? &r->gate : p == P_ACT ? &r->act : NULL;
    if (s)
        widen(s, layer, v, n, p == P_PROD || p == P_GATE || p == P_ACT ? F : d);
}

static double *copy(struct arena *a, const double *w, uint64_t n)
{
    return memcpy(ARENA_NEW(a, double, n), w, n * sizeof *w);
}

struct reader { /* a matrix that reads the channels at hand */
    double *w;  /* out,in */
    uint64_t out;
};

static double *zeros(uint64_t n)
{
    return memset(xrealloc(NULL, n, sizeof(double)), 0, n * sizeof(double));
}

/* Largest share that each of `in` columns has of the largest weight of its row. */
static void column_shares(const struct reader *r, uint64_t in, double *share)
{
    for (uint64_t o = 0; o < r->out; o++) {
        const double *row = r->w + o * in;
        double most = 0;
        for (uint64_t i = 0; i < in; i++)
            most = fmax(most, fabs(row[i]));
        for (uint64_t i = 0; i < in && most > 0; i++)
            share[i] = fmax(share[i], fabs(row[i]) / most);
    }
}

struct widths {
    double activation_most, weight_most; /* largest numbers */
    double tokens; /* in a sum of squares */
};
struct noise { /* variances of a reader's outputs, summed: as 12 steps^2 are one */
    double activations, weights, signal;
};

/* What rounding channels times t, of steps `step` (squared), and columns over t adds to the outputs. */
static struct noise noise_of(const struct reader *r, uint64_t in, const double *square, const double *t,
                             double step, double weight_most)
{
    struct noise sum = {0};
    double moved = 0;
    for (uint64_t i = 0; i < in; i++)
        moved += square[i] * t[i] * t[i];
    for (uint64_t o = 0; o < r->out; o++) {
        const double *row = r->w + o * in;
        double most = 0;
        for (uint64_t i = 0; i < in; i++) {
            double w = row[i] / t[i];
            sum.activations += w * w * step;
            sum.signal += row[i] * row[i] * square[i];
            most = fmax(most, fabs(w));
        }
        sum.weights += most * most / (weight_most * weight_most) * moved;
    }
    return sum;
}

static double squared_step(const double *range, const double *t, uint64_t n, double most)
{
    double largest = 0;
    for (uint64_t i = 0; i < n; i++)
        largest = fmax(largest, range[i] * t[i]);
    return largest * largest / (most * most);
}

static void factors(double *t, const double *share, const double *range, uint64_t n, double exponent)
{
    for (uint64_t i = 0; i < n; i++)
        t[i] = range[i] > 0 && share[i] > 0 ? pow(share[i] / range[i], exponent) : 1;
}

/* Takes what a channel's factor is short of a whole multiple of the gains' step to the weights. */
static void fold(double *gain, const double *t, struct reader *readers, unsigned n, uint64_t d)
{
    double largest = 0;
    for (uint64_t c = 0; c < d; c++)
        largest = fmax(largest, fabs(gain[c] * t[c]));
    for (uint64_t c = 0; c < d && largest > 0; c++) {
        double step = largest / GAIN_MOST, whole = round(gain[c] * t[c] / step);
        whole = whole == 0 ? copysign(1, gain[c]) : whole;
        double factor = gain[c] / (whole * step);
        for (unsigned i = 0; i < n; i++)
            for (uint64_t o = 0; o < readers[i].out; o++)
                readers[i].w[o * d + c] *= factor;
        gain[c] = whole * step;
    }
}

/* Channels of a norm: times (share of the weights / range)^e, e of least predicted noise. */
static void fold_norm(const struct widths *w, double *gain, const double *range, const double *square,
                      struct reader *readers, unsigned n, uint64_t d)
{
    double *share = zeros(d), *t = zeros(d), least = INFINITY, best = 0;
    for (unsigned i = 0; i < n; i++)
        column_shares(&readers[i], d, share);
    for (int e = 0; e <= EXPONENTS; e++) {
        double sum = 0;
        factors(t, share, range, d, (double)e / EXPONENTS);
        for (unsigned i = 0; i < n; i++) {
            double step = squared_step(range, t, d, w->activation_most);
            struct noise x = noise_of(&readers[i], d, square, t, step * w->tokens, w->weight_most);
            sum += x.signal > 0 ? (x.activations + x.weights) / x.signal : 0;
        }
        best = sum < least ? e : best;
        least = fmin(least, sum);
    }
    factors(t, share, range, d, best / EXPONENTS);
    fold(gain, t, readers, n, d);
    free(share);
    free(t);
}

/* Factors s of the pairs of a head: queries times s, keys over s. A query's noise meets the
 * keys' squares and the other way round; steps follow from the largest pair of each. With 1
 * for the largest query and K for the largest key the sum of both is least at s^2 = sqrt(k / q) / K,
 * as far as the two ranges allow. */
static double pair_noise(const double *const most[2], const double *const square[2], uint64_t pairs, double K,
                         double *s)
{
    double sum = 0;
    for (uint64_t p = 0; p < pairs; p++) {
        double q = square[0][p], k = square[1][p];
        s[p] = 1;
        if (!(q > 0) || !(k > 0))
            continue;
        s[p] = fmin(fmax(sqrt(sqrt(k / q) / K), most[1][p] / K), 1 / most[0][p]);
        sum += k / (s[p] * s[p]) + K * K * q * s[p] * s[p];
    }
    return sum;
}

/* Pairs of queries and keys of one head: K is searched from the least possible one on. */
static void balance(double *wq, double *wk, const double *const most[2], const double *const square[2],
                    uint64_t dk, uint64_t d)
{
    uint64_t pairs = dk / 2;
    double *s = zeros(pairs), from = 0, best = 0, least = INFINITY;
    for (uint64_t p = 0; p < pairs; p++)
        from = fmax(from, most[0][p] * most[1][p]);
    for (int i = 0; i < RANGES && from > 0; i++) {
        double K = from * exp2(i / 8.0), noise = pair_noise(most, square, pairs, K, s);
        best = noise < least ? K : best;
        least = fmin(least, noise);
    }
    if (from > 0)
        pair_noise(most, square, pairs, best, s);
    for (uint64_t i = 0; i < dk * d && from > 0; i++) {
        wq[i] *= s[i / d / 2];
        wk[i] /= s[i / d / 2];
    }
    free(s);
}

struct product { /* of one layer: F channels */
    const double *most, *square, *gate, *act;
    double *w_gate, *w_next; /* F,d; d,F */
    uint64_t d, F;
};

/* Noise of the FFN's output when a channel of the gate, and so of the product, is times t. */
static double product_noise(const struct widths *w, const struct product *p, const double *t)
{
    struct reader next = {p->w_next, p->d};
    double step = squared_step(p->most, t, p->F, w->activation_most) * w->tokens;
    double gate_step = squared_step(p->gate, t, p->F, w->activation_most);
    struct noise x = noise_of(&next, p->F, p->square, t, step, w->weight_most);
    double gate = 0;
    for (uint64_t o = 0; o < p->d; o++)
        for (uint64_t c = 0; c < p->F; c++) {
            double v = p->w_next[o * p->F + c] / t[c];
            gate += v * v * p->act[c] * gate_step;
        }
    return x.activations + x.weights + gate;
}

/* Channels of the FFN's product and of its gate against the columns that read them: a gate's
 * row gives what the next matrix takes. */
static void even_product(const struct widths *w, const struct product *p)
{
    struct reader next = {p->w_next, p->d};
    double *share = zeros(p->F), *range = zeros(p->F), *t = zeros(p->F), *best = zeros(p->F);
    double least = INFINITY;
    column_shares(&next, p->F, share);
    for (int mix = 0; mix <= 4; mix++) {
        for (uint64_t c = 0; c < p->F; c++)
            range[c] = pow(p->most[c], mix / 4.0) * pow(p->gate[c], 1 - mix / 4.0);
        for (int e = 0; e <= EXPONENTS; e++) {
            factors(t, share, range, p->F, (double)e / EXPONENTS);
            double noise = product_noise(w, p, t);
            if (noise < least)
                memcpy(best, t, p->F * sizeof *t);
            least = fmin(least, noise);
        }
    }
    for (uint64_t c = 0; c < p->F && isfinite(least); c++)
        for (uint64_t i = 0; i < p->d; i++) {
            p->w_gate[c * p->d + i] *= best[c];
            p->w_next[i * p->F + c] /= best[c];
        }
    double *all[] = {share, range, t, best};
    for (unsigned i = 0; i < 4; i++)
        free(all[i]);
}

static void layer(struct arena *a, const struct net *n, const struct widths *w, struct net_layer *l,
                  const struct ranges *r, uint64_t i)
{
    uint64_t d = n->d, F = n->F;
    double *wq = copy(a, l->wq, d * d), *wk = copy(a, l->wk, d * d);
    for (uint64_t h = 0; h < n->H; h++) {
        uint64_t at = i * d / 2 + h * n->dk / 2, first = h * n->dk * d;
        const double *most[2] = {r->q.most + at, r->k.most + at};
        const double *square[2] = {r->q.square + at, r->k.square + at};
        balance(wq + first, wk + first, most, square, n->dk, d);
    }
    l->wq = wq;
    l->wk = wk;
    if (n->kind == NET_MSR)
        return;
    double *gate = copy(a, l->gate, F * d), *fc2 = copy(a, l->fc2, F * d);
    struct product p = {r->product.most + i * F, r->product.square + i * F, r->gate.most + i * F,
                        r->act.square + i * F, gate, fc2, d, F};
    even_product(w, &p);
    l->gate = gate;
    l->fc2 = fc2;
    if (!n->pre_norm)
        return;
    double *wv = copy(a, l->wv, n->V * d), *wg = copy(a, l->wg, n->V * d), *ln1 = copy(a, l->ln1, d);
    double *fc1 = copy(a, l->fc1, F * d), *ln2 = copy(a, l->ln2, d);
    struct reader one[] = {{wq, d}, {wk, d}, {wv, n->V}, {wg, n->V}}, two[] = {{fc1, F}, {gate, F}};
    fold_norm(w, ln1, r->ln1.most + i * d, r->ln1.square + i * d, one, 4, d);
    fold_norm(w, ln2, r->ln2.most + i * d, r->ln2.square + i * d, two, 2, d);
    l->wv = wv;
    l->wg = wg;
    l->ln1 = ln1;
    l->fc1 = fc1;
    l->ln2 = ln2;
}

static struct spread spread(struct arena *a, uint64_t n)
{
    return (struct spread){ARENA_NEW(a, double, n + 1), ARENA_NEW(a, double, n + 1)};
}

struct net *equalized(struct arena *a, const struct net *n, const struct quant *q, uint64_t n_seqs,
                      uint64_t S, const double *const *seqs)
{
    uint64_t d = n->d, L = n->L, F = n->F;
    struct ranges r = {n, spread(a, L * d), spread(a, L * d), spread(a, L * d / 2), spread(a, L * d / 2),
                       spread(a, L * F), spread(a, L * F), spread(a, L * F), spread(a, d)};
    struct widths w = {(double)((1u << (q->activations - 1)) - 1), (double)((1u << (q->weights - 1)) - 1),
                       (double)(n_seqs * S)};
    for (uint64_t i = 0; i < n_seqs; i++)
        golden_f64(n, NET_PARALLEL, S, seqs[i], tap, &r);
    struct net *e = ARENA_NEW(a, struct net, 1);
    *e = *n;
    e->arena = (struct arena){0};
    e->layer = ARENA_NEW(a, struct net_layer, L);
    for (uint64_t i = 0; i < L; i++) {
        e->layer[i] = n->layer[i];
        layer(a, n, &w, &e->layer[i], &r, i);
    }
    if (n->kind != NET_LM || !n->pre_norm)
        return e;
    double *ln = copy(a, n->ln, d), *lm = copy(a, n->lm, n->vocab * d);
    struct reader head = {lm, n->vocab};
    fold_norm(&w, ln, r.final.most, r.final.square, &head, 1, d);
    e->ln = ln;
    e->lm = lm;
    return e;
}
