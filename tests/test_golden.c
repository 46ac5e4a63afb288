/* Golden numerics against torchscale's tensors and trained networks, and the
 * arithmetic that they stand on. */
#include "tests/effort.h"
#include "workloads/eval.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef TEST_ROOT
#define TEST_ROOT "."
#endif

static struct eval *run(const char *dir, const char *const *sets, size_t n, unsigned forms, struct net **net)
{
    struct arena a = {0};
    struct err err = {0};
    struct quant q;
    char path[4096];
    snprintf(path, sizeof path, TEST_ROOT "/%s", dir);
    cr_assert(eval_quant(&a, sets, n, &q, &err));
    *net = net_load(path, &err);
    cr_assert(*net, "%s: %s", path, err.n_diags ? err.diags[0].text : "");
    struct eval *e = eval_run(*net, &q, forms, &err);
    cr_assert(e, "%s: %s", path, err.n_diags ? err.diags[0].text : "");
    arena_finish(&a);
    return e;
}

static double tensor(const struct eval_form *f, const char *name, bool sqnr)
{
    for (unsigned i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensors[i].name, name))
            return sqnr ? f->tensors[i].sqnr_db : f->tensors[i].max_abs_error;
    cr_assert_fail("no tensor %s", name);
    return NAN;
}

#define MSR "tests/reference/retnet/msr_s16_d64_h2_v1_c8"
#define BLOCK "tests/reference/retnet/block_s64_d64_h4_v2_c16"

/* Where an independent float program of the same form agreed. */
Test(golden, float_forms_match_torchscale)
{
    static const char *const dirs[] = {MSR, BLOCK};
    for (unsigned i = 0; i < 2; i++) {
        struct net *n;
        struct eval *e = run(dirs[i], NULL, 0, 7, &n);
        for (unsigned f = 0; f < 3; f++) {
            cr_expect(e->form[f].max_abs_error <= 4e-6, "%s %u: %g", dirs[i], f, e->form[f].max_abs_error);
            cr_expect(e->form[f].max_abs_error_f32 <= 1e-5, "%s %u: %g", dirs[i], f,
                      e->form[f].max_abs_error_f32);
        }
        cr_expect(tensor(&e->form[1], "state_final", false) < 1e-6);
        cr_expect(tensor(&e->form[1], "scale_final", false) < 1e-4);
        cr_expect(tensor(&e->form[0], "out_ref64", false) <= 4e-6);
        if (i == 0)
            cr_expect(tensor(&e->form[1], "ret_recurrent_ref64", false) <= 1e-6);
        eval_destroy(e);
        net_destroy(n);
    }
}

Test(golden, json_names_the_tensors_of_all_forms)
{
    struct net *n;
    struct eval *e = run(MSR, NULL, 0, 7, &n);
    struct text out = {0};
    eval_json(e, &out);
    const char *all = strstr(out.s, "\"tensors\":"), *forms = strstr(out.s, "\"forms\":");
    static const char *const names[] = {"\"q\":", "\"out_parallel\":", "\"out_recurrent\":",
                                        "\"out_chunkwise\":", "\"state_final\":", "\"out_ref64\":"};
    cr_assert(all && forms && all < forms);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *at = strstr(all, names[i]);
        cr_expect(at && at < forms, "%s", names[i]);
    }
    text_finish(&out);
    eval_destroy(e);
    net_destroy(n);
}

/* What an independent integer program reached, minus half a decibel. */
Test(golden, integers_reach_the_measured_quality)
{
    struct net *n;
    struct eval *e = run(MSR, NULL, 0, 7, &n);
    static const double least[3] = {28.3 - 0.5, 28.4 - 0.5, 28.3 - 0.5};
    for (unsigned f = 0; f < 3; f++) {
        cr_expect(e->form[f].sqnr_db >= least[f], "form %u: %.2f dB", f, e->form[f].sqnr_db);
        cr_expect_eq(overflow_count(&e->form[f].over), 0);
    }
    eval_destroy(e);
    net_destroy(n);
    e = run(BLOCK, NULL, 0, 7, &n);
    static const double block[3] = {28.3 - 0.5, 28.5 - 0.5, 28.3 - 0.5};
    for (unsigned f = 0; f < 3; f++) {
        double msr = tensor(&e->form[f], "mid_msr", true);
        cr_expect(msr >= block[f], "form %u: %.2f dB", f, msr);
        cr_expect(e->form[f].sqnr_db >= 45.5 - 0.5, "form %u: %.2f dB", f, e->form[f].sqnr_db); /* 7.5 */
    }
    eval_destroy(e);
    net_destroy(n);
}

/* More bits per byte than floating point at the default point, calibrated on the last quarter of the
 * evaluation sequences and scored on the first three. */
Test(golden, trained_networks_keep_their_quality)
{
    static const struct {
        const char *dir;
        double most;
        const char *sets[2];
        unsigned n_sets;
    } cases[] = {{"workloads/networks/kjv_d64_l2", 0.03, {NULL}, 0},
                 {"workloads/networks/kjv_d64_l2", 0.03, {"work.quant.score_scale=static",
                                                          "work.quant.state_bits=16"}, 2},
                 {"workloads/networks/kjv_d128_l4", 0.02, {NULL}, 0},
                 {"workloads/networks/kjv_d128_l4", 0.02, {"work.quant.score_scale=static",
                                                           "work.quant.state_bits=16"}, 2}};
    for (unsigned i = 0; i < EFFORT(4, 2); i++) {
        struct net *n;
        struct eval *e = run(cases[i].dir, cases[i].sets, cases[i].n_sets, 7, &n);
        cr_expect(e->calibrated_from == 12 && e->calibrated_rows == 4 && e->scored_rows == 12);
        for (unsigned f = 0; f < 3; f++) {
            double more = e->form[f].integer_bits - e->form[f].float_bits;
            cr_expect(more <= cases[i].most, "%s, form %u: %.4f", cases[i].dir, f, more);
            /* A 16-bit state has no room to spare. */
            cr_expect(overflow_count(&e->form[f].over) <= (cases[i].n_sets ? 10 : 0));
            cr_expect(f == 2 || e->form[f].max_abs_error < 1e-5);
        }
        eval_destroy(e);
        net_destroy(n);
    }
}

/* workloads/networks/README.md: the increase over floating point on two sequences, calibrated on one,
 * exceeds the table's by at most 0.02 or a tenth. */
Test(golden, fewer_bits_cost_what_the_table_says)
{
    static const struct {
        const char *dir, *weights, *activations;
        double real, table[2]; /* parallel, recurrent; the chunkwise form has the larger */
    } cases[] = {
        {"workloads/networks/kjv_d64_l2", "8", "8", 1.4635, {1.4921, 1.4909}},
        {"workloads/networks/kjv_d64_l2", "6", "8", 1.4635, {1.5356, 1.5353}},
        {"workloads/networks/kjv_d64_l2", "6", "6", 1.4635, {2.1131, 2.0608}},
        {"workloads/networks/kjv_d128_l4", "8", "8", 1.2121, {1.2266, 1.2292}},
        {"workloads/networks/kjv_d128_l4", "6", "8", 1.2121, {1.2353, 1.2333}},
        {"workloads/networks/kjv_d128_l4", "6", "6", 1.2121, {1.3344, 1.2988}}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i += EFFORT(1, 3)) {
        char w[40], a[40];
        const char *sets[] = {"work.quant.calibration_row=12", "work.quant.score_rows=2", w, a};
        struct net *n;
        snprintf(w, sizeof w, "work.quant.weights=%s", cases[i].weights);
        snprintf(a, sizeof a, "work.quant.activations=%s", cases[i].activations);
        struct eval *e = run(cases[i].dir, sets, 4, 7, &n);
        for (unsigned f = 0; f < 3; f++) {
            double want = cases[i].table[f == 1] - cases[i].real;
            double more = e->form[f].integer_bits - e->form[f].float_bits;
            cr_expect(more <= want + fmax(0.02, 0.1 * want), "%s W%sA%s, form %u: %.4f", cases[i].dir,
                      cases[i].weights, cases[i].activations, f, more);
            if (f < 2)
                cr_expect_float_eq(e->form[f].float_bits, cases[i].real, 1e-4);
        }
        eval_destroy(e);
        net_destroy(n);
    }
}

Test(golden, requantiser_rounds_half_up_to_a_15_bit_factor)
{
    for (double f = 1e-9; f < 1e4; f *= 1.37) {
        struct rq q = rq_of(f, REQUANT_HALF_UP);
        cr_expect(q.m >= 16384 && q.m < 32768, "%g", f);
        cr_expect(fabs(ldexp(q.m, -q.sh) / f - 1) <= 1.0 / 32768, "%g", f);
    }
    cr_expect_eq(rq_apply(rq_of(0.5, REQUANT_HALF_UP), 3), 2);
    cr_expect_eq(rq_apply(rq_of(0.5, REQUANT_HALF_UP), -3), -1);
    cr_expect_eq(rq_apply(rq_of(0, REQUANT_HALF_UP), 1000), 0);
    cr_expect_eq(clip(200, 127), 127);
    cr_expect_eq(clip(-200, 127), -127);
}

Test(golden, knobs_are_checked)
{
    struct arena a = {0};
    static const struct {
        const char *set;
        int code;
    } cases[] = {{"work.quant.weights=9", 78}, {"work.quant.wieghts=8", 78}, {"arch.engine.units=4", 64},
                 {"work.quant.calibration=best", 78}, {"work.quant.rounding=truncate", 0}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        struct quant q;
        bool ok = eval_quant(&a, &cases[i].set, 1, &q, &err);
        cr_expect_eq(ok, cases[i].code == 0, "%s", cases[i].set);
        cr_expect_eq((int)err.code, cases[i].code, "%s", cases[i].set);
        err_finish(&err);
    }
    arena_finish(&a);
}

/* Widths, scales, roundings and decays in every combination that they may meet:
 * nothing overflows unseen, and more bits are not worse by much. */
Test(golden, every_knob_works)
{
    static const char *const knobs[] = {
        "work.quant.weight_scale=tensor", "work.quant.state_bits=32", "work.quant.state_update=token",
        "work.quant.read_bits=8", "work.quant.rounding=truncate", "work.quant.rounding=stochastic",
        "work.quant.decay=shift", "work.quant.decay=multiply", "work.quant.decay=per_token",
        "work.quant.decay_bits=16", "work.quant.decay_block=16", "work.quant.score_scale=static",
        "work.quant.score_block=8", "work.quant.rotary_bits=8", "work.quant.norm_bits=16",
        "work.quant.calibration=minmax", "work.quant.calibration=percentile", "work.quant.residual_bits=12"};
    for (unsigned i = 0; i < sizeof knobs / sizeof knobs[0]; i++) {
        struct net *n;
        struct eval *e = run(MSR, &knobs[i], 1, 7, &n);
        for (unsigned f = 0; f < 3; f++)
            cr_expect(e->form[f].sqnr_db > 18, "%s, form %u: %.2f dB", knobs[i], f, e->form[f].sqnr_db);
        eval_destroy(e);
        net_destroy(n);
    }
}
