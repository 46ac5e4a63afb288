/* Quality of the integer datapath where no file has data: shapes, outliers, decays, long
 * sequences, against what was measured by others (facts/retnet.md section 7). */
#include "tests/net_gen.h"

#include <criterion/criterion.h>
#include <stdio.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median over seeds 1..5 of the SQNR of each form. A single case may lose 5 dB by the sign of one
 * near-zero score in its first row, where a head's only key meets the norm. */
static void median(struct gen g, const struct quant *q, double out[3], uint64_t *over)
{
    enum { SEEDS = 5 };
    double all[3][SEEDS];
    *over = 0;
    for (unsigned s = 0; s < SEEDS; s++) {
        struct err err = {0};
        g.seed = s + 1;
        struct net *n = gen_net(&g);
        struct eval *e = eval_run(n, q, 7, &err);
        cr_assert(e, "%s", err.n_diags ? err.diags[0].text : "");
        for (unsigned f = 0; f < 3; f++) {
            all[f][s] = e->form[f].sqnr_db;
            *over += overflow_count(&e->form[f].over);
        }
        eval_destroy(e);
        net_destroy(n);
    }
    for (unsigned f = 0; f < 3; f++) {
        qsort(all[f], SEEDS, sizeof all[f][0], by_value);
        out[f] = all[f][SEEDS / 2];
    }
}

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
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double db[3];
        uint64_t over;
        median(cases[i].g, &q, db, &over);
        for (unsigned f = 0; f < 3; f++)
            cr_expect(db[f] >= cases[i].least[f] - 0.5, "case %u, form %u: %.2f dB", i, f, db[f]);
        cr_expect_eq(over, 0, "case %u: %d overflows", i, (int)over);
    }
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
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double db[3];
        uint64_t over;
        char w[40], a[40];
        snprintf(w, sizeof w, "work.quant.weights=%s", cases[i].weights);
        snprintf(a, sizeof a, "work.quant.activations=%s", cases[i].activations);
        struct quant q = gen_quant(w, a);
        median(g, &q, db, &over);
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
        uint64_t over;
        struct gen g = cases[i].g;
        double eight[16];
        for (unsigned h = 0; h < 16; h++)
            eight[h] = even[h % 4];
        g.decay = g.decay ? eight : NULL;
        median(g, &q, db, &over);
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
    for (unsigned i = 0; i < 2; i++) {
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

/* ---- section 7.4: the state over 8192 tokens ---- */

enum { TOKENS = 8192, DK = 16, DV = 16, N_KEYS = TOKENS * DK };

static int8_t q8[N_KEYS], k8[N_KEYS], v8[N_KEYS];

static int8_t narrow(double v)
{
    return (int8_t)clip(llround(v), 127);
}

static void draw_tokens(void)
{
    struct rng r = {42};
    for (unsigned i = 0; i < N_KEYS; i++) {
        q8[i] = narrow(32 * gen_normal(&r));
        k8[i] = narrow(32 * gen_normal(&r));
        v8[i] = narrow(32 * gen_normal(&r));
    }
}

/* SQNR of q S over the last half, token updates. */
static double token_error(unsigned h, int bits, int p, int rounding)
{
    struct state_rule rule = {rounding, 5 + (int)h, p, 0,
                              bits == 32 ? INT32_MAX : bits == 16 ? INT16_MAX : 127};
    double exact[DK * DV] = {0}, gamma = 1 - ldexp(1, -5 - (int)h), signal = 0, noise = 0;
    int32_t state[DK * DV] = {0};
    uint64_t over = 0;
    for (unsigned t = 0; t < TOKENS; t++) {
        uint64_t draw = state_draw(7, 0, h, t);
        for (unsigned i = 0; i < DK; i++)
            for (unsigned c = 0; c < DV; c++) {
                unsigned at = i * DV + c;
                int32_t kv = k8[t * DK + i] * v8[t * DV + c];
                exact[at] = exact[at] * gamma + kv;
                state[at] = state_token(&rule, draw, at, state[at], kv, &over);
            }
        for (unsigned c = 0; c < DV && t >= TOKENS / 2; c++) {
            double want = 0, have = 0;
            for (unsigned i = 0; i < DK; i++) {
                want += q8[t * DK + i] * exact[i * DV + c];
                have += q8[t * DK + i] * ldexp(state[i * DV + c], p);
            }
            signal += want * want;
            noise += (want - have) * (want - have);
        }
    }
    cr_expect_eq(over, 0);
    return 10 * log10(signal / noise);
}

static int step_for(unsigned h) /* 16 bits: from the largest exact state */
{
    double exact[DK * DV] = {0}, gamma = 1 - ldexp(1, -5 - (int)h), most = 0;
    for (unsigned t = 0; t < TOKENS; t++)
        for (unsigned at = 0; at < DK * DV; at++) {
            exact[at] = exact[at] * gamma + k8[t * DK + at / DV] * v8[t * DV + at % DV];
            most = fmax(most, fabs(exact[at]));
        }
    return (int)fmax(0, ceil(log2(most / INT16_MAX)));
}

Test(quality, state_error_over_8192_tokens)
{
    static const struct {
        unsigned h;
        double wide, wide_truncated, narrow, narrow_truncated, stochastic; /* the table's iid figures */
    } table[] = {{0, 92.9, 71.1, 68.9, 47.0, 66.6}, {3, 93.5, 61.7, 43.7, 34.1, 59.1},
                 {5, 93.3, 55.5, 31.4, 25.4, 52.2}, {7, 92.9, 51.5, 23.4, 19.1, 45.8}};
    draw_tokens();
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        unsigned h = table[i].h;
        int p = step_for(h);
        double wide = token_error(h, 32, -4, STATE_HALF_UP), cut = token_error(h, 32, -4, STATE_TRUNCATE);
        double narrow16 = token_error(h, 16, p, STATE_HALF_UP), cut16 = token_error(h, 16, p, STATE_TRUNCATE);
        double drawn = token_error(h, 16, p, STATE_STOCHASTIC);
        cr_expect(fabs(wide - table[i].wide) < 4, "h %u: %.1f dB", h, wide);
        cr_expect(fabs(cut - table[i].wide_truncated) < 4, "h %u truncated: %.1f dB", h, cut);
        cr_expect(fabs(narrow16 - table[i].narrow) < 6, "h %u, 16 bits: %.1f dB", h, narrow16);
        cr_expect(fabs(cut16 - table[i].narrow_truncated) < 6, "h %u, 16 bits truncated: %.1f dB", h, cut16);
        cr_expect(fabs(drawn - table[i].stochastic) < 6, "h %u, stochastic: %.1f dB", h, drawn);
        if (h >= 5)
            cr_expect(drawn > narrow16 + 10 && wide > narrow16 + 40, "h %u", h);
    }
}

/* Chunks of 64: one rounding for 64 tokens, and keys that are decayed to a byte. */
Test(quality, state_error_in_chunks)
{
    static const struct {
        unsigned h;
        double least; /* section 7.4, B=64, 8-bit keys, iid */
    } table[] = {{0, 33.9}, {3, 38.7}, {5, 39.7}, {7, 42.6}};
    enum { B = 64 };
    draw_tokens();
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        unsigned h = table[i].h;
        double exact[DK * DV] = {0}, gamma = 1 - ldexp(1, -5 - (int)h), signal = 0, noise = 0;
        struct state_rule rule = {STATE_HALF_UP, -1, step_for(h), 0, INT16_MAX};
        int32_t state[DK * DV] = {0};
        uint64_t over = 0;
        for (unsigned t = 0; t < TOKENS; t += B)
            for (unsigned at = 0; at < DK * DV; at++) {
                int64_t sum = 0;
                for (unsigned j = 0; j < B; j++) {
                    int32_t k = k8[(t + j) * DK + at / DV], v = v8[(t + j) * DV + at % DV];
                    exact[at] = exact[at] * gamma + k * v;
                    uint32_t g = (uint32_t)lround(pow(gamma, B - 1 - j) * 255);
                    sum += llround(k * (double)g / 255) * v;
                }
                uint32_t whole = (uint32_t)lround(pow(gamma, B) * 65536);
                state[at] = state_chunk(&rule, 0, at, state[at], whole, sum, &over);
                if (t >= TOKENS / 2) {
                    double e = exact[at] - ldexp(state[at], rule.p);
                    signal += exact[at] * exact[at];
                    noise += e * e;
                }
            }
        double db = 10 * log10(signal / noise);
        cr_expect(db > table[i].least - 3, "h %u: %.1f dB", h, db);
        cr_expect_eq(over, 0);
    }
}
