/* Zero operands and bits that change, as the values reading counts them. */
#include "tests/random_design.h"
#include "workloads/api.h"
#include "workloads/lower.h"
#include "workloads/values_impl.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static rs_design *product(const char *const *sets, size_t n)
{
    rs_err *err = rs_err_create();
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml",
                                  TEST_ROOT "/workloads/kernels/gemm.yaml", NULL, sets, n, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return d;
}

static unsigned ones(unsigned x)
{
    return (unsigned)__builtin_popcount(x);
}

/* Two sets of eight outputs, all rows past each: from the operands themselves. */
Test(activity, of_a_product_by_its_definition)
{
    const char *sets[] = {"work.m=20", "work.n=16", "work.k=30", "arch.engine.units=8",
                          "arch.engine.length=32"};
    enum { M = 20, N = 16, K = 30, UNITS = 8, LENGTH = 32, SEED = 5 };
    rs_design *d = product(sets, 5);
    struct program p;
    struct err err = {0};
    struct values_counts counts;
    struct expected *e = expected_gemm(d->work, SEED);
    cr_assert(lower(&p, d->arch, d->work, &err));
    struct values_job job = {d->arch, d->work, &p, NULL, e, SEED};
    cr_assert(values_run(&job, &counts, &err), "%s", err.n_diags ? err.diags[0].text : "");
    uint64_t zeros = 0, toggles = 0;
    int16_t last[LENGTH] = {0};
    for (unsigned o = 0; o < N; o++)
        for (unsigned i = 0; i < LENGTH; i++)
            zeros += i >= K || expected_weights(e, o)[i] == 0 ? M : 0;
    for (unsigned set = 0; set < N / UNITS; set++)
        for (unsigned r = 0; r < M; r++)
            for (unsigned i = 0; i < K; i++) {
                int16_t now = expected_input(e, r)[i];
                toggles += ones((unsigned)(now ^ last[i]) & 0xff);
                last[i] = now;
            }
    const struct cost_activity *a = &counts.activity[ACTIVITY_ENGINE];
    cr_expect_eq(a->pairs, M * N * LENGTH);
    cr_expect_eq(a->zeros, zeros, "%" PRIu64 ", not %" PRIu64, a->zeros, zeros);
    cr_expect_eq(a->bits, N / UNITS * M * LENGTH * 8);
    cr_expect_eq(a->toggles, toggles, "%" PRIu64 ", not %" PRIu64, a->toggles, toggles);
    /* Inputs are read once, weights once, results are written; rows begin on words. */
    cr_expect_eq(counts.activity[ACTIVITY_TCDM].bits, 32 * (M * ((K + 3) / 4) + N * K / 4 + M * N / 4));
    expected_destroy(e);
    program_finish(&p);
    rs_design_destroy(d);
}

/* Who takes turns is drawn; what is counted does not depend on it, and stays
 * inside what there is. */
Test(activity, does_not_depend_on_the_order)
{
    struct random_bases b;
    struct rng rng = {.s = 21};
    unsigned done = 0;
    random_bases_load(&b);
    for (unsigned i = 0; i < 200 && done < 12; i++) {
        struct random_design d;
        rs_err *err = rs_err_create();
        random_design_draw(&d, &rng);
        rs_design *design = random_design_create(&d, &b, err);
        rs_result *bound = design ? rs_run(design, &(rs_options){.method = RS_BOUND}, err) : NULL;
        if (bound && rs_result_summary(bound)->cycles < 300000) {
            struct program p;
            struct values_report one, two;
            struct text what = {0};
            struct err e = {0};
            random_design_command(&d, &what);
            cr_assert(lower(&p, design->arch, design->work, &e));
            cr_assert(values_point(design->arch, design->work, &p, NULL, 3, 1, &one, &e), "%s\n%s", what.s,
                      e.n_diags ? e.diags[0].text : "");
            cr_assert(values_point(design->arch, design->work, &p, NULL, 3, 3, &two, &e));
            for (int k = 0; k < N_ACTIVITIES; k++) {
                const struct cost_activity *a = &one.counts.activity[k];
                cr_expect_arr_eq(a, &two.counts.activity[k], sizeof *a, "%s: %d", what.s, k);
                cr_expect(a->zeros <= a->pairs && a->toggles <= a->bits, "%s: %d", what.s, k);
            }
            cr_expect_gt(one.counts.activity[ACTIVITY_ENGINE].toggles, 0);
            /* A step of the state multiplies twice, or once when nothing is read out. */
            uint64_t pairs = one.counts.activity[ACTIVITY_RETENTION].pairs;
            uint64_t steps = one.counts.macs_issued - one.counts.activity[ACTIVITY_ENGINE].pairs;
            cr_expect(pairs <= steps && steps <= 2 * pairs, "%s", what.s);
            done++;
            text_finish(&what);
            program_finish(&p);
        }
        rs_result_destroy(bound);
        rs_design_destroy(design);
        rs_err_destroy(err);
    }
    cr_expect_eq(done, 12);
    random_bases_finish(&b);
}

/* What a technology makes of the counts of a product with these weights. */
static rs_result *priced(const char *activity, const struct cost_activity *counted)
{
    const char *sets[] = {"work.m=64", "work.n=64", "work.k=64"};
    rs_err *err = rs_err_create();
    rs_design *d = product(sets, 3);
    rs_design *tech = rs_tech_load(TEST_ROOT "/configs/tech/gf22fdx.yaml", &activity, 1, err);
    struct program p;
    struct arena a = {0};
    cr_assert(tech && lower(&p, d->arch, d->work, rs_err_inner(err)), "%s", rs_err_text(err));
    struct machine *m = machine_create(d->arch, &p, &evq_wheel, false, rs_err_inner(err));
    m->activity = counted;
    struct account acc = {.sink.total_cycles = machine_bound(m), .info = m->info, .counter = m->counter,
                          .n_counters = m->n_counters};
    machine_cost(m, &acc.sink);
    rs_result *r = rs_reprice(account_text(&a, &acc), acc.sink.total_cycles, m->clocks->soc_hz, tech, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    cost_sink_finish(&acc.sink);
    machine_destroy(m);
    program_finish(&p);
    arena_finish(&a);
    rs_design_destroy(d);
    rs_design_destroy(tech);
    rs_err_destroy(err);
    return r;
}

static const rs_action *action_of(const rs_result *r, const char *component, const char *action)
{
    size_t n;
    const rs_action *a = rs_result_actions(r, &n);
    size_t i = 0;
    while (i < n && (strcmp(a[i].component, component) || strcmp(a[i].action, action)))
        i++;
    cr_assert_lt(i, n, "%s.%s", component, action);
    return &a[i];
}

/* Counts travel with the account; who wants them gets other prices, who does not
 * gets those of a run without values. */
Test(activity, reaches_the_prices)
{
    static const struct cost_activity quiet[N_ACTIVITIES] = {
        [ACTIVITY_ENGINE] = {1000, 500, 8000, 800}, [ACTIVITY_TCDM] = {100, 0, 3200, 320}};
    rs_result *plain = priced("tech.activity=default", NULL), *kept = priced("tech.activity=default", quiet);
    rs_result *wanted = priced("tech.activity=measured", quiet);
    rs_result *none = priced("tech.activity=measured", NULL);
    size_t n;
    uint64_t e = action_of(plain, "engine", "mac")->energy_fj;
    cr_expect_eq(rs_result_summary(kept)->energy_fj, rs_result_summary(plain)->energy_fj);
    cr_expect_eq(rs_result_summary(none)->energy_fj, rs_result_summary(plain)->energy_fj);
    rs_result_notes(none, &n);
    cr_expect_eq(n, 1, "a note that nothing was measured");
    rs_result_notes(wanted, &n);
    cr_expect_eq(n, 0);
    /* 1 - 0.8 + 0.8 x (0.5 / (255 / 256)) x (0.1 / 0.5) */
    cr_expect_float_eq((double)action_of(wanted, "engine", "mac")->energy_fj / (double)e,
                       0.2 + 0.8 * 0.5 * 256 / 255 * 0.2, 1e-4);
    cr_expect_lt(action_of(wanted, "tcdm", "transfer")->energy_fj,
                 action_of(plain, "tcdm", "transfer")->energy_fj);
    cr_expect_eq(action_of(wanted, "engine", "zero_operand")->count, 500);
    cr_expect_eq(action_of(kept, "tcdm", "toggle")->count, 320);
    rs_result_destroy(plain);
    rs_result_destroy(kept);
    rs_result_destroy(wanted);
    rs_result_destroy(none);
}

/* Counts that a run with values stored give the prices of a run that wants them. */
Test(activity, is_priced_again_as_it_was_run)
{
    struct random_bases b;
    struct rng rng = {.s = 4};
    unsigned done = 0;
    random_bases_load(&b);
    for (unsigned i = 0; i < 200 && done < 8; i++) {
        struct random_design d, wants;
        const char *measured = "tech.activity=measured";
        rs_err *err = rs_err_create();
        random_design_draw(&d, &rng);
        wants = d;
        random_design_set(&wants, "tech.activity", "measured");
        rs_design *plain = random_design_create(&d, &b, err), *other = random_design_create(&wants, &b, err);
        rs_design *tech = rs_tech_load(TEST_ROOT "/configs/tech/gf22fdx.yaml", &measured, 1, err);
        rs_result *bound = plain ? rs_run(plain, &(rs_options){.method = RS_BOUND}, err) : NULL;
        if (bound && rs_result_summary(bound)->cycles < 200000) {
            rs_options with = {.values = true};
            rs_result *one = rs_run(plain, &with, err), *two = rs_run(other, &with, err);
            cr_assert(one && two && tech, "%s", rs_err_text(err));
            const rs_summary *s = rs_result_summary(two);
            rs_result *again = rs_reprice(rs_result_counts(one), s->cycles, s->soc_hz, tech, err);
            cr_assert_not_null(again, "%s", rs_err_text(err));
            cr_expect_eq(rs_result_summary(again)->energy_fj, s->energy_fj);
            cr_expect_neq(rs_result_summary(one)->energy_fj, s->energy_fj);
            cr_expect_str_eq(rs_result_counts(one), rs_result_counts(two));
            rs_result_destroy(one);
            rs_result_destroy(two);
            rs_result_destroy(again);
            done++;
        }
        rs_result_destroy(bound);
        rs_design_destroy(plain);
        rs_design_destroy(other);
        rs_design_destroy(tech);
        rs_err_destroy(err);
    }
    cr_expect_eq(done, 8);
    random_bases_finish(&b);
}
