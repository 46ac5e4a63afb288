/* Networks drawn from a seed, in memory: shapes, gains, outliers and decays that no file has. */
#ifndef TESTS_NET_GEN_H
#define TESTS_NET_GEN_H

#include "base/hash.h"
#include "base/num.h"
#include "tests/normal.h"
#include "workloads/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct gen {
    enum net_kind kind;
    uint64_t S, d, H, V, B, F, L, vocab;
    double gain;       /* on the official initialisation */
    unsigned outliers; /* input channels that are 12 times as large */
    bool post_norm;
    const double *decay; /* H; NULL: 1 - 2^(-5-h) */
    uint64_t seed;
};

static const double *gen_xavier(struct arena *a, struct rng *r, uint64_t out, uint64_t in, double gain)
{
    double *w = ARENA_NEW(a, double, out * in), most = gain * sqrt(6.0 / (double)(out + in));
    for (uint64_t i = 0; i < out * in; i++)
        w[i] = most * ((double)(rng_next(r) >> 11) * 0x1p-52 - 1);
    return w;
}

static const double *gen_gains(struct arena *a, struct rng *r, uint64_t n)
{
    double *w = ARENA_NEW(a, double, n);
    for (uint64_t i = 0; i < n; i++)
        w[i] = 1 + 0.2 * gen_normal(r);
    return w;
}

static void gen_layer(struct net *n, struct net_layer *l, const struct gen *g, struct rng *r)
{
    struct arena *a = &n->arena;
    double in = g->gain * 0.1767766952966369, deep = pow(8.0 * (double)n->L, -0.25); /* 2^-2.5 */
    if (!g->post_norm)
        deep = 1;
    l->wq = gen_xavier(a, r, n->d, n->d, in);
    l->wk = gen_xavier(a, r, n->d, n->d, in);
    l->wv = gen_xavier(a, r, n->V, n->d, in * deep);
    l->wg = gen_xavier(a, r, n->V, n->d, in);
    l->wo = gen_xavier(a, r, n->d, n->V, 0.5 * g->gain * deep);
    if (n->kind == NET_MSR)
        return;
    l->ln1 = gen_gains(a, r, n->d);
    l->ln2 = gen_gains(a, r, n->d);
    l->fc1 = gen_xavier(a, r, n->F, n->d, deep);
    l->gate = gen_xavier(a, r, n->F, n->d, 1);
    l->fc2 = gen_xavier(a, r, n->d, n->F, deep);
}

static void gen_input(struct net *n, const struct gen *g, struct rng *r)
{
    double *x = ARENA_NEW(&n->arena, double, n->S * n->d);
    if (n->kind == NET_LM) {
        for (uint64_t i = 0; i < n->S; i++)
            x[i] = (double)rng_below(r, n->vocab);
        n->tokens = x;
        return;
    }
    for (uint64_t i = 0; i < n->S * n->d; i++)
        x[i] = gen_normal(r) * (i % n->d < g->outliers ? 12 : 1);
    n->x = x;
}

static struct net *gen_net(const struct gen *g)
{
    struct rng r = {g->seed * 7919 + 1};
    struct net *n = xrealloc(NULL, 1, sizeof *n);
    memset(n, 0, sizeof *n);
    n->dir = "/nonexistent/generated";
    n->kind = g->kind;
    n->S = g->S;
    n->d = g->d;
    n->H = g->H;
    n->V = g->V;
    n->B = g->B;
    n->dk = g->d / g->H;
    n->dv = g->V / g->H;
    n->L = g->L ? g->L : 1;
    n->F = g->kind == NET_MSR ? 0 : g->F;
    n->vocab = g->kind == NET_LM ? g->vocab : 0;
    n->eps = 1e-6;
    n->pre_norm = !g->post_norm;
    n->alpha = g->post_norm ? pow(2.0 * (double)n->L, 0.25) : 1;
    n->embed_scale = 1;
    for (uint64_t h = 0; h < n->H; h++)
        n->decay[h] = g->decay ? g->decay[h] : 1 - ldexp(1, -5 - (int)h);
    n->layer = ARENA_NEW(&n->arena, struct net_layer, n->L);
    for (uint64_t l = 0; l < n->L; l++)
        gen_layer(n, &n->layer[l], g, &r);
    if (n->kind == NET_LM) {
        n->embed = gen_xavier(&n->arena, &r, n->vocab, n->d, 8);
        n->lm = gen_xavier(&n->arena, &r, n->vocab, n->d, 1);
        n->ln = g->post_norm ? NULL : gen_gains(&n->arena, &r, n->d);
    }
    gen_input(n, g, &r);
    return n;
}

/* Knobs with their defaults and a setting or two. */
static struct quant gen_quant(const char *a, const char *b)
{
    const char *sets[2] = {a, b};
    struct arena arena = {0};
    struct err err = {0};
    struct quant q;
    if (!eval_quant(&arena, sets, (a != NULL) + (b != NULL), &q, &err))
        abort();
    arena_finish(&arena);
    return q;
}

#endif
