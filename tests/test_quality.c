/* Quality of the integer datapath where no file has data: shapes, outliers, decays, long
 * sequences, against what was measured by others (facts/retnet.md section 7). */
#include "tests/effort.h"
#include "tests/net_medians.h"
#include "tests/state_error.h"

#include <stdio.h>

#define MSR_OF(S, d, H, V, B, gain, outliers) \
    {NET_MSR, S, d, H, V, B, 0, 1, 0, gain, outliers, false, NULL, 0}

/* Section 7.1, minus half a decibel. */
Test(quality, default_point_reaches_what_was_measured)
{
    static const struct {
        struct gen g;
        double least[3];
    } cases[] = {{MSR_OF(16, 64, 2, 64, 8, 1, 0), {28.3, 28.4, 28.3}},
                 {MSR_OF(64, 64, 4, 128, 16, 1, 0), {28.3, 28.5, 28.3}},
                 {MSR_OF(64, 128, 4, 256, 16, 4, 0), {25.3, 25.4, 25.4}},
                 {MSR_OF(256, 128, 2, 128, 8, 1, 0), {27.2, 27.6, 27.4}},
                 {MSR_OF(256, 128, 4, 256, 64, 1, 0), {27.1, 27.4, 27.2}},
                 {MSR_OF(256, 64, 2, 64, 64, 1, 3), {22.6, 22.7, 22.6}}};
    struct quant q = gen_quant(NULL, NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i += EFFORT(1, 2)) {
        double db[3];
        uint64_t over = gen_medians(cases[i].g, &q, 5, db);
        for (unsigned f = 0; f < 3; f++)
            cr_expect(db[f] >= cases[i].least[f] - 0.5, "case %u, form %u: %.2f dB", i, f, db[f]);
        cr_expect_eq(over, 0, "case %u: %d overflows", i, (int)over);
    }
}

/* ---- the first row of a sequence ---- */

struct first { /* what a run leaves */
    enum net_form form;
    double *norm, *out, *q, *k; /* S,V; S,d; H,S,dk */
};

static void take(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    struct first *f = arg;
    double **to = p == P_NORM ? &f->norm : p == P_MSR ? &f->out : p == P_QR ? &f->q
        : p == P_KR ? &f->k : NULL;
    (void)layer;
    if (to)
        *to = memcpy(xrealloc(*to, n, sizeof *v), v, n * sizeof *v);
}

static void drop(struct first *f)
{
    double *all[] = {f->norm, f->out, f->q, f->k};
    for (unsigned i = 0; i < 4; i++)
        free(all[i]);
}

static double product(const double *a, const double *b, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double row_db(const double *want, const double *have, uint64_t from, uint64_t to)
{
    double signal = 0, noise = 0;
    for (uint64_t i = from; i < to; i++) {
        signal += want[i] * want[i];
        noise += (want[i] - have[i]) * (want[i] - have[i]);
    }
    return 10 * log10(signal / noise);
}

/* Rounded to a byte, as any dataflow with int8 queries and keys has them. */
static void to_bytes(const double *v, uint64_t n, double *to)
{
    double most = 0;
    for (uint64_t i = 0; i < n; i++)
        most = fmax(most, fabs(v[i]));
    for (uint64_t i = 0; i < n; i++)
        to[i] = round(v[i] / most * 127) * most / 127;
}

/* The first row of a head is the sign of q0 k0 times v0 over its length. Where single cases lose
 * decibels a head has that sign wrong, its score is next to nothing, the rows after it are as good as
 * in other cases, and rounding q and k to a byte, with all else exact, turns signs as well. */
Test(quality, a_lost_case_has_lost_a_sign)
{
    enum { SEEDS = 40, S = 64, D = 128, H = 4, V = 256, DK = D / H, DV = V / H };
    struct gen g = MSR_OF(S, D, H, V, 16, 4, 0);
    struct quant q = gen_quant(NULL, NULL);
    unsigned flipped = 0, by_bytes = 0, lost = 0;
    double least_rest = INFINITY;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct err err = {0};
        struct first real = {0}, whole = {0};
        static struct overflow over;
        double near[D], keys[D];
        bool flip = false;
        g.seed = seed;
        struct net *n = gen_net(&g);
        struct qnet *qn = eval_quantize(n, &q, S, &err);
        cr_assert(qn);
        golden_f64(n, NET_PARALLEL, S, n->x, take, &real);
        golden_int(qn, &(struct golden_job){.prefill = S}, n->x,
                   &(struct golden_sink){.real = take, .arg = &whole}, &over);
        for (unsigned h = 0; h < H; h++) {
            const double *a = real.q + h * S * DK, *b = real.k + h * S * DK;
            double score = product(a, b, DK), size = sqrt(product(a, a, DK) * product(b, b, DK));
            bool turned = product(real.norm + h * DV, whole.norm + h * DV, DV) < 0;
            to_bytes(a, DK, near);
            to_bytes(b, DK, keys);
            by_bytes += product(near, keys, DK) * score < 0;
            flipped += turned;
            flip = flip || turned;
            cr_expect(!turned || fabs(score) < 0.03 * size, "seed %u, head %u: %g of %g", seed, h, score,
                      size);
        }
        double all = row_db(real.out, whole.out, 0, S * D), rest = row_db(real.out, whole.out, D, S * D);
        lost += all < 23;
        cr_expect(all > 23 || flip, "seed %u: %.2f dB without a turned sign", seed, all);
        least_rest = fmin(least_rest, rest);
        drop(&real);
        drop(&whole);
        qnet_destroy(qn);
        net_destroy(n);
    }
    cr_expect(lost > 0 && by_bytes > 0 && flipped <= 4, "%u lost, %u signs turned, %u by bytes alone", lost,
              flipped, by_bytes);
    cr_expect(least_rest > 24.8, "%.2f dB", least_rest); /* the bar of section 7.1 */
}

/* Section 7.2, S256 d128 H4 V=2d B64, per channel, minus half a decibel. */
Test(quality, fewer_bits_cost_what_was_measured)
{
    static const struct {
        const char *weights, *activations;
        double least[3];
    } cases[] = {{"6", "8", {24.8, 25.4, 24.9}}, {"4", "8", {15.6, 15.6, 15.6}}, {"6", "6", {16.1, 16.7,
                                                                                             16.5}},
                 {"4", "4", {5.4, 6.3, 5.8}}};
    struct gen g = MSR_OF(256, 128, 4, 256, 64, 1, 0);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i += EFFORT(1, 3)) {
        double db[3];
        char w[40], a[40];
        snprintf(w, sizeof w, "work.quant.weights=%s", cases[i].weights);
        snprintf(a, sizeof a, "work.quant.activations=%s", cases[i].activations);
        struct quant q = gen_quant(w, a);
        gen_medians(g, &q, 5, db);
        for (unsigned f = 0; f < 3; f++)
            cr_expect(db[f] >= cases[i].least[f] - 0.5, "W%sA%s, form %u: %.2f dB", cases[i].weights,
                      cases[i].activations, f, db[f]);
    }
}

/* Kinds of network that have no reference file. */
Test(quality, other_shapes_work)
{
    static const double even[4] = {1 - 0.03125, 1 - 0.0123, 1 - 0.005, 1 - 0.001953125};
    static const struct {
        struct gen g;
        double least;
    } cases[] = {
        {MSR_OF(100, 64, 16, 64, 24, 2, 0), 22},                                     /* 16 heads, dk 4 */
        {MSR_OF(70, 96, 3, 192, 32, 1, 0), 26},                                      /* dk 32, dv 64,
            ragged */
        {{NET_MSR, 130, 64, 4, 128, 50, 0, 1, 0, 1, 0, false, even, 0}, 26},         /* decays */
        {{NET_BLOCK, 64, 64, 2, 128, 16, 96, 1, 0, 2, 0, true, NULL, 0}, 24},        /* post-norm, deepnorm */
        {{NET_BLOCK, 50, 128, 8, 256, 16, 256, 1, 0, 1, 0, false, even, 0}, 35},
        {{NET_LM, 40, 64, 2, 128, 16, 128, 2, 64, 2, 0, false, NULL, 0}, 27},
        {{NET_LM, 45, 64, 4, 128, 16, 128, 2, 64, 2, 0, true, even, 0}, 22}};
    struct quant q = gen_quant(NULL, NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double db[3];
        struct gen g = cases[i].g;
        double eight[16];
        for (unsigned h = 0; h < 16; h++)
            eight[h] = even[h % 4];
        g.decay = g.decay ? eight : NULL;
        uint64_t over = gen_medians(g, &q, 5, db);
        for (unsigned f = 0; f < 3; f++)
            cr_expect(db[f] >= cases[i].least, "case %u, form %u: %.2f dB", i, f, db[f]);
        cr_expect_eq(over, 0, "case %u: %d overflows", i, (int)over);
    }
}

/* Weights whose rows differ: a scale for each pays, as section 7.2 (*) says (3.5 dB at W8). */
Test(quality, channel_scales_pay_where_channels_differ)
{
    struct gen g = MSR_OF(64, 128, 4, 256, 16, 1, 0);
    struct quant channel = gen_quant(NULL, NULL), tensor = gen_quant("work.quant.weight_scale=tensor", NULL);
    struct err err = {0};
    struct net *n = gen_net(&g);
    struct rng r = {11};
    double *wv = ARENA_NEW(&n->arena, double, n->V * n->d);
    for (uint64_t o = 0; o < n->V; o++) {
        double row = exp(0.7 * gen_normal(&r));
        for (uint64_t i = 0; i < n->d; i++)
            wv[o * n->d + i] = n->layer[0].wv[o * n->d + i] * row;
    }
    n->layer[0].wv = wv;
    struct eval *a = eval_run(n, &channel, 2, &err), *b = eval_run(n, &tensor, 2, &err);
    cr_expect(a->form[0].sqnr_db > b->form[0].sqnr_db, "%.2f and %.2f dB", a->form[0].sqnr_db,
              b->form[0].sqnr_db);
    eval_destroy(a);
    eval_destroy(b);
    net_destroy(n);
}

/* A trained network with other decays than it was trained with: another function, but the
 * integers must still follow the float model. */
Test(quality, other_decays_are_followed)
{
    static const double decays[2][2] = {{1 - 0.03125, 1 - 0.0078125}, {1 - 0.0345, 1 - 0.0141}};
    for (unsigned i = EFFORT(0, 1); i < 2; i++) {
        struct err err = {0};
        struct net *n = net_load(TEST_ROOT "/workloads/networks/kjv_d64_l2", &err);
        struct quant q = gen_quant("work.quant.score_rows=3", NULL);
        cr_assert(n);
        memcpy(n->decay, decays[i], sizeof decays[i]);
        struct eval *e = eval_run(n, &q, 7, &err);
        cr_assert(e);
        for (unsigned f = 0; f < 3; f++) {
            cr_expect(e->form[f].integer_bits - e->form[f].float_bits < 0.05, "%u %u: %.4f over %.4f", i, f,
                      e->form[f].integer_bits, e->form[f].float_bits);
            cr_expect_eq(overflow_count(&e->form[f].over), 0);
        }
        eval_destroy(e);
        net_destroy(n);
    }
}

/* Section 7.4, the state over 8192 tokens: rounding, truncation, chances and chunks. */
Test(quality, state_error_over_8192_tokens)
{
    enum { LAST = STATE_LENGTHS - 1, UPDATES = STATE_SEEDS * STATE_TOKENS * 256 };
    for (unsigned i = 0; i < STATE_HEADS; i += EFFORT(1, 4)) {
        struct state_error e;
        state_error_of(i, &e);
        for (unsigned v = 0; v < STATE_VARIANTS; v++) {
            double want = state_measured[i][v];
            cr_expect(want == 0 || fabs(e.db[v][LAST] - want) < STATE_LIMIT_DB,
                      "h %u, variant %u: %.1f dB, measured %.1f",
                      state_heads[i], v, e.db[v][LAST], want);
            cr_expect(e.over[v] < UPDATES / 100000, "h %u, variant %u: %d clipped", state_heads[i], v,
                      (int)e.over[v]);
        }
        /* Ties are frequent where k v is shifted (p > 0). */
        cr_expect(e.db[STATE_16_EVEN][LAST] > e.db[STATE_16][LAST] - 0.5, "h %u", state_heads[i]);
        if (state_heads[i] >= 2 && state_heads[i] <= 5)
            cr_expect(e.db[STATE_16_EVEN][LAST] > e.db[STATE_16][LAST] + 12, "h %u", state_heads[i]);
        if (state_heads[i] >= 5)
            cr_expect(e.db[STATE_16_STOCHASTIC][LAST] > e.db[STATE_16][LAST] + 10 &&
                      e.db[STATE_16_CHUNK][LAST] > e.db[STATE_16][LAST] + 8 &&
                      e.db[STATE_32][LAST] > e.db[STATE_16][LAST] + 40, "h %u", state_heads[i]);
    }
}
