/* Tile kernels on an engine fed by streams against a second account of them (tests/tiles_twin.c).
 * RETSIM_TWIN_RUNS chooses how many, RETSIM_TWIN_SEED which. */
#include "tests/tiles_twin.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_RUNS = 400 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

static rs_result *simulate_by(const struct tiles_job *j, rs_method method, const char *more)
{
    rs_err *err = rs_err_create();
    rs_result *r = tiles_twin_simulate(j, method, more, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return r;
}

static rs_result *simulate(const struct tiles_job *j, const char *more)
{
    return simulate_by(j, RS_FOLDED, more);
}

static const char *settings(const struct tiles_job *j)
{
    static char text[2400];
    size_t n = 0;
    for (unsigned i = 0; i < j->n_sets; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, " -s %s", j->text[i]);
    return text;
}

Test(tiles_twin, core_runs, .timeout = 1800)
{
    struct rng rng = {setting("RETSIM_TWIN_SEED", 11)};
    for (uint64_t i = 0; i < setting("RETSIM_TWIN_RUNS", N_RUNS); i++) {
        struct tiles_job j;
        tiles_twin_core(&j, &rng);
        rs_result *r = simulate(&j, NULL);
        uint64_t is = rs_result_summary(r)->cycles;
        cr_expect_eq(is, j.cycles, "kernel %d%s: %" PRIu64 " cycles, not %" PRIu64, j.kernel, settings(&j),
                     is, j.cycles);
        cr_expect(tiles_twin_phases(&j, r), "kernel %d%s", j.kernel, settings(&j));
        rs_result_destroy(r);
    }
}

Test(tiles_twin, jobs_behind_a_port, .timeout = 1800)
{
    struct rng rng = {setting("RETSIM_TWIN_SEED", 11) + 1};
    for (uint64_t i = 0; i < setting("RETSIM_TWIN_RUNS", N_RUNS) / 3; i++) {
        struct tiles_job j;
        tiles_twin_port(&j, &rng);
        rs_result *r = simulate(&j, NULL);
        uint64_t is = rs_result_summary(r)->cycles, sum = 0;
        cr_expect_eq(is, j.cycles, "kernel %d%s: %" PRIu64 " cycles, not %" PRIu64, j.kernel, settings(&j),
                     is, j.cycles);
        size_t n;
        const rs_layer *l = rs_result_layers(r, &n);
        for (size_t k = 0; k < n; k++)
            sum += l[k].cycles;
        cr_expect_eq(sum, is, "jobs follow each other");
        rs_result_destroy(r);
    }
}

static void stalled(bool build, uint64_t seed, uint64_t runs)
{
    struct rng rng = {seed};
    for (uint64_t i = 0; i < runs; i++) {
        struct tiles_job j;
        struct tiles_port p;
        size_t n;
        tiles_twin_stalled(&j, &p, build, &rng);
        struct tiles_step *step = tiles_port_steps(&j, &n);
        tiles_port_run(&p, j.queued, step, n);
        rs_result *r = simulate(&j, NULL);
        uint64_t is = rs_result_summary(r)->cycles;
        cr_expect_eq(is, step[n - 1].done, "kernel %d%s: %" PRIu64 " cycles, not %" PRIu64, j.kernel,
                     settings(&j), is, step[n - 1].done);
        cr_expect(tiles_twin_steps(step, n, r), "kernel %d%s", j.kernel, settings(&j));
        rs_result_destroy(r);
        if (i % 4 == 0) {
            rs_result *full = simulate_by(&j, RS_FULL, NULL), *bound = simulate_by(&j, RS_BOUND, NULL);
            cr_expect_eq(rs_result_summary(full)->cycles, is, "kernel %d%s, full", j.kernel, settings(&j));
            cr_expect_leq(rs_result_summary(bound)->cycles, is, "kernel %d%s", j.kernel, settings(&j));
            rs_result_destroy(full);
            rs_result_destroy(bound);
        }
        free(step);
    }
}

Test(tiles_twin, jobs_behind_a_stalled_port, .timeout = 1800)
{
    stalled(false, setting("RETSIM_TWIN_SEED", 11) + 3, setting("RETSIM_TWIN_RUNS", N_RUNS) / 2);
}

Test(tiles_twin, jobs_behind_a_stalled_port_of_other_sizes, .timeout = 1800)
{
    stalled(true, setting("RETSIM_TWIN_SEED", 11) + 4, setting("RETSIM_TWIN_RUNS", N_RUNS) / 2);
}

/* With stalls: never faster than without, and near the port's beats over the share of cycles with a grant.
 */
Test(tiles_twin, stalled_port, .timeout = 1800)
{
    static const struct {
        const char *text;
        double duty;
    } stalls[] = {
        {"low_when_c%4==3", 0.75},     {"low_when_c%2==1", 0.5},       {"high_only_when_c%4==0", 0.25},
        {"low_when_hash8==0", 0.875},  {"low_when_hash1024<102", 0.9}, {"low_when_c%128>=96", 0.75},
        {"low_when_c%512>=384", 0.75}, {"low_when_c%8==1", 0.875},     {"high_only_when_c%3<2", 2 / 3.0},
    };
    struct rng rng = {setting("RETSIM_TWIN_SEED", 11) + 2};
    for (uint64_t i = 0; i < setting("RETSIM_TWIN_RUNS", N_RUNS) / 3; i++) {
        unsigned k = (unsigned)(i % (sizeof stalls / sizeof *stalls));
        char stall[64];
        struct tiles_job j;
        uint64_t jobs = 0, beats = 0;
        tiles_twin_port(&j, &rng);
        snprintf(stall, sizeof stall, "arch.memory.stall=%s", stalls[k].text);
        rs_result *r = simulate(&j, stall);
        uint64_t is = rs_result_summary(r)->cycles;
        for (unsigned m = 0; m < j.n; m++) {
            const struct tiles_phase *p = &j.phase[m];
            jobs += p->outputs * p->inner;
            beats += p->outputs * (p->inner * (160 + 2 * p->bias) + 128);
        }
        /* A hole of a pattern may lie at either end. */
        double least = (double)beats / stalls[k].duty - 520;
        double most = (double)j.cycles / stalls[k].duty + 20 * (double)jobs + 520;
        cr_expect_geq(is, j.cycles, "kernel %d%s %s", j.kernel, settings(&j), stall);
        cr_expect((double)is >= least && (double)is <= most, "kernel %d%s %s: %" PRIu64 ", not %.0f..%.0f",
                  j.kernel, settings(&j), stall, is, least, most);
        rs_result_destroy(r);
    }
}

/* Figures of the RTL that are in no table: jobs of a port with a share of its cycles. */
Test(tiles_twin, jobs_of_a_stalled_port_as_measured)
{
    static const struct {
        const char *kernel, *stall;
        unsigned e, cycles, partial; /* of the run; of a job that ends no output, 0: not measured */
    } rows[] = {
        {"linear", "low_when_c%4==3", 64, 401, 0},
        {"linear", "low_when_c%2==1", 64, 592, 0},
        {"linear", "high_only_when_c%4==0", 64, 1178, 0},
        {"linear", "low_when_hash1024<102", 64, 340, 0},
        {"attention", "none", 64, 1851, 0},
        {"attention", "low_when_c%4==3", 64, 2400, 0},
        {"attention", "low_when_c%2==1", 64, 3556, 0},
        {"attention", "high_only_when_c%4==0", 64, 7018, 0},
        {"attention", "low_when_c%4==3", 128, 0, 276},
        {"attention", "low_when_hash8==0", 128, 0, 276},
        {"attention", "low_when_c%2==1", 128, 0, 336},
        {"attention", "high_only_when_c%4==0", 128, 0, 660},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[300], text[2][64];
        const char *sets[] = {text[0], text[1]};
        rs_options options;
        rs_err *err = rs_err_create();
        snprintf(path, sizeof path, TEST_ROOT "/workloads/kernels/ita_%s.yaml", rows[i].kernel);
        snprintf(text[0], sizeof text[0], "work.e=%u", rows[i].e);
        snprintf(text[1], sizeof text[1], "arch.memory.stall=%s", rows[i].stall);
        rs_options_default(&options);
        rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/ita_hwpe.yaml", path, NULL, sets, 2, err);
        rs_result *r = d ? rs_run(d, &options, err) : NULL;
        cr_assert_not_null(r, "%s", rs_err_text(err));
        size_t n;
        const rs_layer *l = rs_result_layers(r, &n);
        if (rows[i].cycles)
            cr_expect_eq(rs_result_summary(r)->cycles, rows[i].cycles, "%s %s", rows[i].kernel,
                         rows[i].stall);
        if (rows[i].partial) /* the second product's, the first one fills the array */
            cr_expect_eq(l[2].cycles, rows[i].partial, "%s %s", rows[i].kernel, rows[i].stall);
        rs_result_destroy(r);
        rs_design_destroy(d);
        rs_err_destroy(err);
    }
}
