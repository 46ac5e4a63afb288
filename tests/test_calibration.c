/* What calibration does to a network: other coordinates, weights rounded with error feedback, the
 * scale of static scores. */
#include "tests/effort.h"
#include "tests/net_medians.h"
#include "workloads/equalize.h"
#include "workloads/feedback.h"
#include "workloads/score_scale.h"

#include <math.h>

enum { IN = 24, ROWS = 200, OUT = 16 };

/* Rows whose channels share a part `common`. */
static void draw_rows(struct rng *r, double common, double *x)
{
    for (unsigned s = 0; s < ROWS; s++) {
        double shared = gen_normal(r);
        for (unsigned i = 0; i < IN; i++)
            x[s * IN + i] = common * shared + gen_normal(r) * (i % 5 ? 1 : 4);
    }
}

Test(calibration, factor_is_that_of_the_second_moments)
{
    static double x[ROWS * IN], h[IN * IN], r[IN * IN];
    struct rng rng = {3};
    draw_rows(&rng, 2, x);
    second_moments(h, x, ROWS, IN);
    memcpy(r, h, sizeof r);
    feedback_factor(r, IN);
    double mean = 0;
    for (unsigned i = 0; i < IN; i++)
        mean += h[i * IN + i] / IN;
    for (unsigned i = 0; i < IN; i++)
        for (unsigned j = 0; j <= i; j++) {
            double sum = 0, want = h[i * IN + j] + (i == j ? 0.01 * mean : 0);
            for (unsigned k = i; k < IN; k++)
                sum += r[i * IN + k] * r[j * IN + k];
            cr_expect(fabs(sum - want) < 1e-9 * mean, "%u %u: %g, not %g", i, j, sum, want);
        }
}

/* |X (w - w^)|^2 of all rows of weights. */
static double output_noise(const double *x, const double *w, const int16_t *q, double step)
{
    double sum = 0;
    for (unsigned s = 0; s < ROWS; s++)
        for (unsigned o = 0; o < OUT; o++) {
            double e = 0;
            for (unsigned i = 0; i < IN; i++)
                e += x[s * IN + i] * (w[o * IN + i] - q[o * IN + i] * step);
            sum += e * e;
        }
    return sum;
}

/* Where channels move together most of the error can be made good; where they do not, none, and
 * weights go to the nearest step. */
Test(calibration, feedback_makes_errors_good)
{
    static double x[ROWS * IN], h[IN * IN], w[OUT * IN], scale[OUT];
    int16_t near[OUT * IN], fed[OUT * IN];
    struct rng rng = {5};
    const double step = 0.2;
    draw_rows(&rng, 8, x);
    second_moments(h, x, ROWS, IN);
    feedback_factor(h, IN);
    for (unsigned i = 0; i < OUT * IN; i++) {
        w[i] = gen_normal(&rng);
        near[i] = (int16_t)clip((int64_t)floor(w[i] / step + 0.5), 7);
        scale[i % OUT] = step;
    }
    feedback_round(h, w, scale, OUT, IN, 7, fed);
    for (unsigned i = 0; i < OUT * IN; i++)
        cr_assert(abs(fed[i]) <= 7);
    cr_expect(output_noise(x, w, fed, step) < 0.5 * output_noise(x, w, near, step));
    memset(h, 0, sizeof h);
    for (unsigned i = 0; i < IN; i++)
        h[i * IN + i] = 1 + i;
    feedback_factor(h, IN);
    feedback_round(h, w, scale, OUT, IN, 7, fed);
    cr_expect_eq(memcmp(near, fed, sizeof near), 0);
}

struct last {
    enum point p;
    double *v;
    uint64_t n;
};
static void keep(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    struct last *l = arg;
    if (p != l->p)
        return;
    (void)layer;
    l->v = memcpy(xrealloc(l->v, n, sizeof *v), v, n * sizeof *v);
    l->n = n;
}

/* Whatever the bits, the network computes what it did. */
Test(calibration, evened_networks_are_the_same_function)
{
    static const double odd[4] = {1 - 0.0345, 1 - 0.0123, 1 - 0.005, 1 - 0.0009};
    static const struct gen cases[] = {{NET_LM, 40, 32, 4, 64, 16, 48, 2, 50, 2, 0, false, odd, 1},
                                       {NET_LM, 33, 48, 2, 48, 16, 40, 2, 50, 1, 0, true, NULL, 2},
                                       {NET_BLOCK, 20, 32, 2, 64, 7, 48, 1, 0, 3, 4, false, NULL, 3},
                                       {NET_MSR, 20, 32, 4, 32, 8, 0, 1, 0, 4, 3, false, odd, 4}};
    static const char *const bits[] = {"work.quant.weights=8", "work.quant.weights=3"};
    for (unsigned i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        struct net *n = gen_net(&cases[i / 2]);
        struct quant q = gen_quant(bits[i % 2], NULL);
        const double *in = n->kind == NET_LM ? n->tokens : n->x;
        enum point out = n->kind == NET_LM ? P_LOGITS : n->kind == NET_MSR ? P_MSR : P_OUT;
        struct arena a = {0};
        struct net *e = equalized(&a, n, &q, 1, n->S, &in);
        for (unsigned f = 0; f < 3; f++) {
            struct last x = {.p = out}, y = {.p = out};
            double signal = 0, noise = 0;
            golden_f64(n, (enum net_form)f, n->S, in, keep, &x);
            golden_f64(e, (enum net_form)f, n->S, in, keep, &y);
            for (uint64_t j = 0; j < x.n; j++) {
                signal += x.v[j] * x.v[j];
                noise += (x.v[j] - y.v[j]) * (x.v[j] - y.v[j]);
            }
            /* In the chunkwise form eps sees a normaliser that is taken of the keys' state alone. */
            cr_expect(noise < (f == NET_CHUNKWISE ? 1e-8 : 1e-20) * signal, "case %u, form %u: %g of %g", i,
                      f, noise, signal);
            free(x.v);
            free(y.v);
        }
        arena_finish(&a);
        net_destroy(n);
    }
}

/* One score that lies far outside must not take the steps of all others. */
Test(calibration, a_lone_score_does_not_set_the_scale)
{
    enum { S = 64, WIDTH = 8 };
    static float q[S * WIDTH], k[S * WIDTH], v[S * WIDTH];
    struct rng r = {9};
    for (unsigned i = 0; i < S * WIDTH; i++) {
        q[i] = (float)gen_normal(&r);
        k[i] = (float)gen_normal(&r);
        v[i] = (float)gen_normal(&r);
    }
    struct head_rows rows = {q, k, v, S};
    struct net n = {.dk = WIDTH, .dv = WIDTH};
    const struct score_operands ops = {6.0 / 127, 6.0 / 127, 127};
    double plain = score_step(&rows, &n, &ops, 0.96875, S, 12, 127);
    for (unsigned i = 0; i < WIDTH; i++)
        q[20 * WIDTH + i] = k[20 * WIDTH + i] = 10;
    double lone = score_step(&rows, &n, &ops, 0.96875, S, 800, 127);
    cr_expect(plain <= 12.0 / 127, "%g", plain);
    cr_expect(lone < 800.0 / 127 / 4, "%g", lone);
}

/* The search sees queries and keys as bytes, so that single networks, whose first rows decide, lose little to
 * a calibration by largest values: by real queries and keys the worst of thirty lost 1.6 and 3 dB. */
Test(calibration, static_scores_of_single_networks)
{
    static const struct gen cases[] = {{NET_MSR, 128, 64, 8, 64, 16, 0, 1, 0, 1, 0, false, NULL, 0},
                                       {NET_MSR, 64, 64, 4, 128, 16, 0, 1, 0, 1, 0, false, NULL, 0}};
    struct quant careful = gen_quant("work.quant.score_scale=static", NULL);
    struct quant plain = gen_quant("work.quant.score_scale=static", "work.quant.calibration=minmax");
    for (unsigned i = EFFORT(0, 1); i < 2; i++) {
        double least = INFINITY, gained = 0;
        enum { SEEDS = 30 };
        for (unsigned s = 1; s <= SEEDS; s++) {
            struct gen g = cases[i];
            struct err err = {0};
            g.seed = s;
            struct net *n = gen_net(&g);
            struct eval *a = eval_run(n, &careful, 1, &err), *b = eval_run(n, &plain, 1, &err);
            cr_assert(a && b);
            least = fmin(least, a->form[0].sqnr_db - b->form[0].sqnr_db);
            gained += (a->form[0].sqnr_db - b->form[0].sqnr_db) / SEEDS;
            eval_destroy(a);
            eval_destroy(b);
            net_destroy(n);
        }
        cr_expect(least > -1.2, "case %u: %.2f dB less than by largest values", i, -least);
        cr_expect(gained > 0.08, "case %u: %.2f dB more in the mean", i, gained);
    }
}

/* Channels of a trained network in other units: factors exp(1.5 normal) from gains to the weights
 * behind, from queries to keys, from the gate to the matrix behind. */
static void spoil(struct net *n, uint64_t seed)
{
    struct rng r = {seed};
    uint64_t d = n->d, F = n->F;
    for (uint64_t l = 0; l < n->L; l++) {
        struct net_layer *w = &n->layer[l];
        double *readers[] = {(double *)w->wq, (double *)w->wk, (double *)w->wv, (double *)w->wg};
        uint64_t out[] = {d, d, n->V, n->V};
        for (uint64_t c = 0; c < d; c++) {
            double t = exp(1.5 * gen_normal(&r)), pair = exp(1.5 * gen_normal(&r));
            ((double *)w->ln1)[c] *= t;
            for (unsigned m = 0; m < 4; m++)
                for (uint64_t o = 0; o < out[m]; o++)
                    readers[m][o * d + c] /= t;
            for (uint64_t i = 0; i < 2 * d && c < d / 2; i++) {
                readers[0][2 * c * d + i] *= pair;
                readers[1][2 * c * d + i] /= pair;
            }
        }
        for (uint64_t c = 0; c < F; c++) {
            double t = exp(1.5 * gen_normal(&r));
            for (uint64_t i = 0; i < d; i++) {
                ((double *)w->gate)[c * d + i] *= t;
                ((double *)w->fc2)[i * F + c] /= t;
            }
        }
    }
}

Test(calibration, outlier_channels_are_taken_back)
{
    double db[2][3];
    struct quant q = gen_quant("work.quant.score_rows=2", "work.quant.score_scale=static");
    for (unsigned i = 0; i < 2; i++) {
        struct err err = {0};
        struct net *n = net_load(TEST_ROOT "/workloads/networks/kjv_d64_l2", &err);
        cr_assert(n);
        if (i)
            spoil(n, 17);
        struct eval *e = eval_run(n, &q, 7, &err);
        cr_assert(e);
        for (unsigned f = 0; f < 3; f++)
            db[i][f] = e->form[f].sqnr_db;
        eval_destroy(e);
        net_destroy(n);
    }
    for (unsigned f = 0; f < 3; f++)
        cr_expect(db[1][f] > db[0][f] - 1.5, "form %u: %.2f dB, %.2f before", f, db[1][f], db[0][f]);
}

/* What scored language models take by default, on kinds that nobody trained: other widths, heads and
 * decays, post-norm with deepnorm, sequences that end inside a chunk, outlier channels. */
Test(calibration, other_kinds_gain_or_keep)
{
    static const double odd[8] = {1 - 0.0345, 1 - 0.0123, 1 - 0.005, 1 - 0.0009,
                                  1 - 0.02, 1 - 0.1, 1 - 0.3, 1 - 0.00017};
    static const struct gen cases[] = {{NET_LM, 45, 64, 4, 128, 16, 128, 2, 64, 2, 0, true, odd, 0},
                                       {NET_LM, 70, 96, 8, 96, 24, 80, 3, 100, 1, 0, false, odd, 0},
                                       {NET_LM, 100, 64, 2, 64, 30, 200, 1, 64, 3, 0, false, NULL, 0},
                                       {NET_BLOCK, 64, 64, 2, 128, 17, 96, 1, 0, 2, 4, false, odd, 0},
                                       {NET_BLOCK, 90, 128, 8, 128, 32, 96, 1, 0, 2, 0, true, odd, 0},
                                       {NET_MSR, 130, 64, 4, 128, 50, 0, 1, 0, 4, 5, false, odd, 0}};
    static const char *const sets[] = {"work.quant.equalize=channel", "work.quant.weight_rounding=feedback",
                                       "work.quant.activation_scale=head", "work.quant.score_scale=static"};
    double gained = 0;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double plain[3], careful[3], fixed[3];
        for (unsigned m = 0; m < 3; m++) {
            struct arena a = {0};
            struct err err = {0};
            struct quant q;
            cr_assert(eval_quant(&a, sets, m ? m + 2 : 0, &q, &err));
            cr_expect_eq(gen_medians(cases[i], &q, 3, m == 0 ? plain : m == 1 ? careful : fixed), 0);
            arena_finish(&a);
        }
        for (unsigned f = 0; f < 3; f++) {
            gained += careful[f] - plain[f];
            cr_expect(careful[f] > plain[f] - 0.3, "case %u, form %u: %.2f dB, %.2f without", i, f,
                      careful[f], plain[f]);
            cr_expect(fixed[f] > careful[f] - 1, "case %u, form %u: %.2f dB static, %.2f", i, f, fixed[f],
                      careful[f]);
        }
    }
    cr_expect(gained > 18, "%.1f dB over 18 figures", gained);
}

/* ---- few tokens ---- */

/* Logits of a language model with `rows` sequences of S random tokens. */
static double logits_db(uint64_t S, uint64_t rows, const char *knob)
{
    struct gen g = {NET_LM, S, 64, 2, 128, 16, 128, 2, 64, 2, 0, false, NULL, 51};
    struct net *n = gen_net(&g);
    struct rng r = {7};
    struct err err = {0};
    double *tokens = ARENA_NEW(&n->arena, double, rows * (S + 1));
    for (uint64_t i = 0; i < rows * (S + 1); i++)
        tokens[i] = (double)rng_below(&r, n->vocab);
    n->eval = tokens;
    n->eval_rows = rows;
    n->eval_len = S;
    struct quant q = gen_quant(knob, NULL);
    struct eval *e = eval_run(n, &q, 1u << NET_RECURRENT, &err);
    cr_assert(e, "%s", err.n_diags ? err.diags[0].text : "");
    double db = e->form[0].sqnr_db;
    eval_destroy(e);
    net_destroy(n);
    return db;
}

Test(calibration, few_tokens_do_not_even_channels_out)
{
    double few = logits_db(50, 4, NULL), few_plain = logits_db(50, 4, "work.quant.equalize=none");
    double few_even = logits_db(50, 4, "work.quant.equalize=channel");
    double many = logits_db(128, 16, NULL), many_plain = logits_db(128, 16, "work.quant.equalize=none");
    cr_expect_eq(few, few_plain);
    cr_expect(few > few_even + 2, "50 tokens: %.2f dB, evened out %.2f", few, few_even);
    cr_expect(many > many_plain, "512 tokens: %.2f dB, as they are %.2f", many, many_plain);
}
