#include "workloads/equalize.h"

#include "base/num.h"
#include "workloads/golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAIN_MOST = 127 };

struct ranges { /* largest magnitude of each channel */
    const struct net *n;
    double *ln1, *ln2;  /* L,d */
    double *q, *k;      /* L,d / 2: sum of fourth powers of a pair before rotary */
    double *final;      /* d */
    double *product, *gate; /* L,F */
};

static void widen(double *most, const double *v, uint64_t n, uint64_t d)
{
    for (uint64_t i = 0; i < n; i++)
        most[i % d] = fmax(most[i % d], fabs(v[i]));
}

static void add_fourth(double *sum, const double *v, uint64_t n, uint64_t d)
{
    for (uint64_t i = 0; i < n; i++)
        sum[i % d / 2] += v[i] * v[i] * v[i] * v[i];
}

static void tap(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    struct ranges *r = arg;
    uint64_t d = r->n->d;
    if (p == P_LN1)
        widen(r->ln1 + layer * d, v, n, d);
    if (p == P_LN2)
        widen(r->ln2 + layer * d, v, n, d);
    if (p == P_FINAL)
        widen(r->final, v, n, d);
    if (p == P_PROD)
        widen(r->product + layer * r->n->F, v, n, r->n->F);
    if (p == P_GATE)
        widen(r->gate + layer * r->n->F, v, n, r->n->F);
    if (p == P_Q)
        add_fourth(r->q + layer * d / 2, v, n, d);
    if (p == P_K)
        add_fourth(r->k + layer * d / 2, v, n, d);
}

static double *copy(struct arena *a, const double *w, uint64_t n)
{
    return memcpy(ARENA_NEW(a, double, n), w, n * sizeof *w);
}

struct reader { /* a matrix that reads a normalised row */
    double *w;  /* out,d */
    uint64_t out;
};

/* Largest share that each of `in` columns has of the largest weight of its row, over what it
 * already is in `share`. */
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

static double *zeros(uint64_t n)
{
    return memset(xrealloc(NULL, n, sizeof(double)), 0, n * sizeof(double));
}

/* Divides channel c of a norm by a fourth root of its range over its weight (half of what
 * would fill both evenly: each row of the weights has a scale of its own already), and leaves
 * gains that are whole multiples of one step: the weights take up what rounding leaves. */
static void fold_norm(double *gain, const double *range, struct reader *readers, unsigned n, uint64_t d)
{
    double *want = zeros(d), *share = zeros(d), largest = 0;
    for (unsigned i = 0; i < n; i++)
        column_shares(&readers[i], d, share);
    for (uint64_t c = 0; c < d; c++) {
        want[c] = range[c] > 0 && share[c] > 0 ? gain[c] / sqrt(sqrt(range[c] / share[c])) : gain[c];
        largest = fmax(largest, fabs(want[c]));
    }
    for (uint64_t c = 0; c < d && largest > 0; c++) {
        double step = largest / GAIN_MOST, whole = round(want[c] / step);
        whole = whole == 0 ? copysign(1, want[c]) : whole;
        double factor = gain[c] / (whole * step);
        for (unsigned i = 0; i < n; i++)
            for (uint64_t o = 0; o < readers[i].out; o++)
                readers[i].w[o * d + c] *= factor;
        gain[c] = whole * step;
    }
    free(want);
    free(share);
}

/* Pairs of queries and keys meet in the middle: rotary turns both of a pair alike. Fourth
 * powers lie between the largest value, which sets the step, and the mean square, which the
 * noise of the other side is multiplied by. */
static void balance(double *wq, double *wk, const double *q, const double *k, uint64_t d)
{
    for (uint64_t p = 0; p < d / 2; p++) {
        double t = q[p] > 0 && k[p] > 0 ? sqrt(sqrt(sqrt(k[p] / q[p]))) : 1;
        for (uint64_t i = 0; i < 2 * d; i++) {
            wq[2 * p * d + i] *= t;
            wk[2 * p * d + i] /= t;
        }
    }
}

/* Channels of the FFN's product and of its gate against the columns that read them: a gate's
 * row gives what the next matrix takes. */
static void even_product(double *gate, double *fc2, const double *product, const double *range, uint64_t d,
                         uint64_t F)
{
    struct reader next = {fc2, d};
    double *share = zeros(F);
    column_shares(&next, F, share);
    for (uint64_t c = 0; c < F; c++) {
        double both = sqrt(product[c] * range[c]), s = both > 0 && share[c] > 0 ? sqrt(both / share[c]) : 1;
        for (uint64_t i = 0; i < d; i++) {
            gate[c * d + i] /= s;
            fc2[i * F + c] *= s;
        }
    }
    free(share);
}

static void layer(struct arena *a, const struct net *n, struct net_layer *l, const struct ranges *r,
                  uint64_t i)
{
    uint64_t d = n->d;
    double *wq = copy(a, l->wq, d * d), *wk = copy(a, l->wk, d * d);
    balance(wq, wk, r->q + i * d / 2, r->k + i * d / 2, d);
    l->wq = wq;
    l->wk = wk;
    if (n->kind == NET_MSR)
        return;
    double *gate = copy(a, l->gate, n->F * d), *fc2 = copy(a, l->fc2, n->F * d);
    even_product(gate, fc2, r->product + i * n->F, r->gate + i * n->F, d, n->F);
    l->gate = gate;
    l->fc2 = fc2;
    if (!n->pre_norm)
        return;
    double *wv = copy(a, l->wv, n->V * d), *wg = copy(a, l->wg, n->V * d), *ln1 = copy(a, l->ln1, d);
    double *fc1 = copy(a, l->fc1, n->F * d), *ln2 = copy(a, l->ln2, d);
    struct reader one[] = {{wq, d}, {wk, d}, {wv, n->V}, {wg, n->V}}, two[] = {{fc1, n->F}, {gate, n->F}};
    fold_norm(ln1, r->ln1 + i * d, one, 4, d);
    fold_norm(ln2, r->ln2 + i * d, two, 2, d);
    l->wv = wv;
    l->wg = wg;
    l->ln1 = ln1;
    l->fc1 = fc1;
    l->ln2 = ln2;
}

struct net *equalized(struct arena *a, const struct net *n, uint64_t n_seqs, uint64_t S,
                      const double *const *seqs)
{
    uint64_t d = n->d;
    struct ranges r = {.n = n, .ln1 = ARENA_NEW(a, double, n->L * d), .ln2 = ARENA_NEW(a, double, n->L * d),
                       .final = ARENA_NEW(a, double, d), .q = ARENA_NEW(a, double, n->L * d),
                       .k = ARENA_NEW(a, double, n->L * d),
                       .product = ARENA_NEW(a, double, n->L * n->F + 1),
                       .gate = ARENA_NEW(a, double, n->L * n->F + 1)};
    for (uint64_t i = 0; i < n_seqs; i++)
        golden_f64(n, NET_PARALLEL, S, seqs[i], tap, &r);
    struct net *e = ARENA_NEW(a, struct net, 1);
    *e = *n;
    e->arena = (struct arena){0};
    e->layer = ARENA_NEW(a, struct net_layer, n->L);
    for (uint64_t i = 0; i < n->L; i++) {
        e->layer[i] = n->layer[i];
        layer(a, n, &e->layer[i], &r, i);
    }
    if (n->kind != NET_LM || !n->pre_norm)
        return e;
    double *ln = copy(a, n->ln, d), *lm = copy(a, n->lm, n->vocab * d);
    struct reader head = {lm, n->vocab};
    fold_norm(ln, r.final, &head, 1, d);
    e->ln = ln;
    e->lm = lm;
    return e;
}
