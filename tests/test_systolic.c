/* The systolic array alone (configs/arch/systolic_ideal.yaml): SCALE-Sim's cycles, whatever the shape. The
 * rows of SCALE-Sim itself are in the table of docs/accuracy.md. */
#include "base/hash.h"
#include "include/retsim.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDEAL TEST_ROOT "/configs/arch/systolic_ideal.yaml"
#define REAL TEST_ROOT "/configs/arch/systolic_16x16_ws.yaml"
#define GEMM TEST_ROOT "/workloads/kernels/gemm.yaml"

enum flow { OS, WS, IS, N_FLOWS };
static const char *const flows[] = {"os", "ws", "is"};

struct gemm {
    enum flow flow;
    uint64_t rows, cols, m, n, k;
    bool overlapped;
};

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint64_t scalesim_cycles(const struct gemm *g)
{
    uint64_t skew = g->rows + g->cols - 2;
    switch (g->flow) {
    case OS: return ceil_div(g->m, g->rows) * ceil_div(g->n, g->cols) * (g->k + skew);
    case WS: return ceil_div(g->k, g->rows) * ceil_div(g->n, g->cols) * (g->m + g->rows + skew);
    default: return ceil_div(g->k, g->rows) * ceil_div(g->m, g->cols) * (g->n + g->rows + skew);
    }
}

static rs_result *run(const char *arch, const struct gemm *g, rs_method method)
{
    char text[7][64];
    const char *sets[7];
    rs_options options = {.method = method};
    rs_err *err = rs_err_create();
    snprintf(text[0], sizeof text[0], "arch.engine.dataflow=%s", flows[g->flow]);
    const char *const keys[] = {"arch.engine.rows", "arch.engine.cols", "work.m", "work.n", "work.k"};
    const uint64_t values[] = {g->rows, g->cols, g->m, g->n, g->k};
    for (unsigned i = 0; i < 5; i++)
        snprintf(text[i + 1], sizeof text[i + 1], "%s=%" PRIu64, keys[i], values[i]);
    snprintf(text[6], sizeof text[6], "arch.engine.fill_drain=%s", g->overlapped ? "overlapped" : "serial");
    for (unsigned i = 0; i < 7; i++)
        sets[i] = text[i];
    rs_design *d = rs_design_load(arch, GEMM, NULL, sets, 7, err);
    rs_result *r = d ? rs_run(d, &options, err) : NULL;
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
    return r;
}

static void check(const struct gemm *g, rs_method method)
{
    rs_result *r = run(IDEAL, g, method);
    const rs_summary *s = rs_result_summary(r);
    uint64_t sum = 0;
    size_t n;
    const rs_amount *cause = rs_result_breakdown(r, &n);
    for (size_t i = 0; i < n; i++)
        sum += cause[i].value;
    cr_expect_eq(s->cycles, scalesim_cycles(g), "%s %" PRIu64 "x%" PRIu64 ", m %" PRIu64 " n %" PRIu64 " k %"
                 PRIu64 ": %" PRIu64 " cycles, not %" PRIu64, flows[g->flow], g->rows, g->cols, g->m, g->n,
                 g->k, s->cycles, scalesim_cycles(g));
    cr_expect_eq(sum, s->cycles);
    cr_expect_eq(s->macs, g->m * g->n * g->k);
    cr_expect_geq(s->macs_issued, s->macs);
    rs_result_destroy(r);
}

/* Mostly small sizes, at random around the array's. */
static uint64_t size(struct rng *rng, uint64_t most)
{
    return 1 + rng_below(rng, 1 + rng_below(rng, most));
}

Test(systolic, random_shapes_on_rectangular_arrays)
{
    struct rng rng = {7};
    for (unsigned i = 0; i < 240; i++) {
        struct gemm g = {(enum flow)(i % N_FLOWS), size(&rng, 130), size(&rng, 130), size(&rng, 700),
                         size(&rng, 700), size(&rng, 700), false};
        check(&g, i % 4 ? RS_FOLDED : RS_FULL);
    }
}

Test(systolic, any_size)
{
    static const struct gemm rows[] = {
        {OS, 8, 32, 100000, 100000, 100000, false}, {WS, 8, 32, 100000, 100000, 100000, false},
        {IS, 8, 32, 100000, 100000, 100000, false}, {OS, 1, 1, 1, 1, 1, false}, {WS, 1, 1, 1, 1, 1, false},
        {IS, 1, 1, 1, 1, 1, false}, {OS, 128, 16, 100003, 7, 99991, false},
        {WS, 128, 16, 100003, 7, 99991, false}, {IS, 128, 16, 7, 100003, 99991, false},
        {WS, 1, 1, 4, 3, 9, false}, {OS, 3, 1024, 1048576, 1048576, 64, false},
        {IS, 1024, 1024, 1048576, 64, 1048576, false}, {WS, 1024, 1, 64, 1048576, 1048576, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], RS_FOLDED);
}

static bool has_total(const char *arch, uint64_t *value)
{
    struct gemm g = {.flow = WS, .rows = 16, .cols = 16, .m = 64, .n = 64, .k = 64};
    rs_result *r = run(arch, &g, RS_FOLDED);
    char *json = rs_result_json(r), *at = strstr(json, "\"scalesim_total_cycles\":");
    if (at)
        *value = strtoull(at + strlen("\"scalesim_total_cycles\":"), NULL, 10);
    bool has = at != NULL;
    free(json);
    rs_result_destroy(r);
    return has;
}

/* SCALE-Sim prints the index of the last cycle. */
Test(systolic, total_cycles_as_scalesim_prints_them)
{
    uint64_t value = 0;
    cr_assert(has_total(IDEAL, &value));
    cr_expect_eq(value, 4u * 4 * (64 + 2 * 16 + 16 - 2) - 1);
    cr_expect_not(has_total(REAL, &value), "a real array is not comparable");
}

/* What overlapping saves: fill and drain in every tile, and absent rows. */
Test(systolic, overlapped_tiles_are_faster)
{
    struct rng rng = {8};
    for (unsigned i = 0; i < 30; i++) {
        struct gemm g = {(enum flow)(i % N_FLOWS), 16, 16, size(&rng, 200), size(&rng, 200),
                         size(&rng, 200), true};
        rs_result *r = run(IDEAL, &g, RS_FULL);
        const rs_summary *s = rs_result_summary(r);
        cr_expect_lt(s->cycles, scalesim_cycles(&g), "%s %" PRIu64 " %" PRIu64 " %" PRIu64, flows[g.flow],
                     g.m, g.n, g.k);
        cr_expect_geq(s->cycles, ceil_div(s->macs, 16 * 16));
        rs_result_destroy(r);
    }
}
