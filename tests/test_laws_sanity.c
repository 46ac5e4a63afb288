/* Arithmetic that was done before the simulator was: engine, vector and memory
 * cycles of three networks, by hand from shapes and widths, at 200 MHz, without
 * conflicts. A row that is more than 40 % off means that one of the two is
 * wrong. E1 and E2 are the trained networks of tests/reference/retnet_lm. */
#include "include/retsim.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { E1, E2, E3, N_NETWORKS, MAX_SETS = 5 };
static const char *const networks[N_NETWORKS] = {"edge_kjv_d64", "edge_kjv_d128", "edge_d256"};

static double count(const rs_result *r, const char *component, const char *action)
{
    size_t n;
    const rs_action *a = rs_result_actions(r, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i].component, component) == 0 && strcmp(a[i].action, action) == 0)
            return (double)a[i].count;
    cr_assert_fail("no counter %s.%s", component, action);
    return 0;
}

static double bytes(const rs_result *r, const char *name)
{
    size_t n;
    const rs_amount *a = rs_result_traffic(r, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i].name, name) == 0)
            return (double)a[i].value;
    return 0;
}

/* ---- what the rows measure, in cycles of the SoC ---- */

static double engine(const rs_result *r)
{
    return count(r, "engine", "busy");
}

static double retention(const rs_result *r)
{
    return count(r, "retention", "busy");
}

static double engine_then_retention(const rs_result *r)
{
    return engine(r) + retention(r);
}

/* Elements over eight lanes. */
static double vector_elements(const rs_result *r)
{
    return (count(r, "vector", "op") + count(r, "vector", "lut")) / 8;
}

static double square_roots_and_divisions(const rs_result *r)
{
    return count(r, "vector", "isqrt") * 17 + count(r, "vector", "div") * 32;
}

/* The weights' share of the HyperRAM's time; its PHY runs at half the clock. */
static double weights_from_hyperram(const rs_result *r)
{
    double all = bytes(r, "offchip_read") + bytes(r, "offchip_write");
    return 2 * count(r, "hyperram", "active") * bytes(r, "offchip_read_weight") / all;
}

static double tokens(const rs_result *r)
{
    return (double)rs_result_summary(r)->tokens;
}

static double token(const rs_result *r)
{
    return (double)rs_result_summary(r)->cycles / tokens(r);
}

static double weights_from_l2(const rs_result *r)
{
    return bytes(r, "l2_read_weight") / 16 / tokens(r);
}

static double state_through_l2(const rs_result *r)
{
    return (bytes(r, "l2_read_state") + bytes(r, "l2_write_state")) / 16 / tokens(r);
}

static double state_in_place(const rs_result *r)
{
    return retention(r) / tokens(r);
}

/* With all waits, conflicts and start-up. */
static double everything(const rs_result *r)
{
    return (double)rs_result_summary(r)->cycles;
}

/* Sets of keys and values: all sets less those of weights. */
static double cache_through_l2(const rs_result *r)
{
    return (count(r, "streamer", "weight") * 4 - bytes(r, "l2_read_weight")) / 16 / tokens(r);
}

#define DECODE "work.phase=decode", "work.tokens=1", "work.seq=511"
#define BIG_STATE "arch.buffers.state.bytes=512 KiB"

static const struct row {
    const char *name;
    double (*measure)(const rs_result *r);
    const char *sets[MAX_SETS];
    double cycles[N_NETWORKS]; /* 0: no such row */
} rows[] = {
    {"projections and FFN", engine, {"work.form=recurrent"}, {0.229e6, 1.835e6, 11.01e6}},
    {"with parallel retention", engine, {"work.form=parallel"}, {0.451e6, 2.72e6, 13.7e6}},
    {"with recurrent retention, serial", engine_then_retention, {"work.form=recurrent"},
     {0.492e6, 2.88e6, 17.3e6}},
    {"recurrent retention alone", retention, {"work.form=recurrent"}, {0.262e6, 1.049e6, 6.29e6}},
    {"with chunks of 64", engine, {"work.form=chunkwise"}, {0.328e6, 2.23e6, 12.8e6}},
    {"vector unit, elements", vector_elements, {"work.form=recurrent"}, {0.18e6, 0.72e6, 2.2e6}},
    {"vector unit, roots and divisions", square_roots_and_divisions, {"work.form=recurrent"},
     {0.20e6, 0.60e6, 0.90e6}},
    {"weights from HyperRAM, layer by layer", weights_from_hyperram, {"work.map.order=layer"},
     {0, 1.0e6, 6.0e6}},
    {"weights from HyperRAM, block by block", weights_from_hyperram, {"work.map.order=block"},
     {0, 8.0e6, 48e6}},
    {"the whole of parallel prefill", everything, {"work.form=parallel"}, {0.451e6, 2.72e6, 13.7e6}},
    {"the whole of recurrent prefill", everything, {"work.form=recurrent"}, {0.492e6, 2.88e6, 17.3e6}},
    {"the whole of chunkwise prefill", everything, {"work.form=chunkwise"}, {0.328e6, 2.23e6, 12.8e6}},
    {"decode, a token", token, {DECODE}, {7680, 1.017e6, 6.28e6}},
    {"decode, weights from L2", weights_from_l2, {DECODE}, {7680, 58e3, 360e3}},
    {"decode, state through L2", state_through_l2, {DECODE, "arch.retention.state=l2"}, {2048, 8192, 49152}},
    {"decode, state in a buffer", state_in_place, {DECODE, BIG_STATE}, {512, 2048, 12288}},
    {"decode, cache of 512 positions", cache_through_l2,
     {DECODE, "work.decode=kv_cache", "arch.hyperram.bytes=16 MiB"}, {12288, 49152, 147456}},
};

static rs_result *run(const char *network, const char *const *sets)
{
    char path[256];
    rs_err *err = rs_err_create();
    size_t n = 0;
    while (n < MAX_SETS && sets[n])
        n++;
    snprintf(path, sizeof path, TEST_ROOT "/workloads/models/%s.yaml", network);
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml", path, NULL, sets, n,
                                  err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_result *r = rs_run(d, &(rs_options){.method = RS_FOLDED}, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
    return r;
}

Test(laws_sanity, cycles_are_within_40_percent_of_arithmetic)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int k = 0; k < N_NETWORKS; k++) {
            double should = rows[i].cycles[k];
            if (should == 0)
                continue;
            rs_result *r = run(networks[k], rows[i].sets);
            double is = rows[i].measure(r), off = (is / should - 1) * 100;
            cr_log_info("E%d %-36s %12.0f of %10.0f: %+.1f %%", k + 1, rows[i].name, is, should, off);
            cr_expect(off <= 40 && off >= -40, "E%d %s: %.0f cycles, %.0f by hand", k + 1, rows[i].name, is,
                      should);
            rs_result_destroy(r);
        }
}

/* Whatever is shipped fits the largest shipped architecture, in every form. */
Test(laws_sanity, every_model_fits)
{
    static const char *const models[] = {"edge_kjv_d64", "edge_kjv_d128", "edge_d192", "edge_d256",
                                         "torchscale_base", "torchscale_medium", "torchscale_xl",
                                         "torchscale_3b", "torchscale_7b", "retnet_1p3b", "retnet_2p7b",
                                         "retnet_6p7b"};
    static const char *const sets[][2] = {{"work.form=parallel", "work.phase=prefill"},
                                          {"work.form=recurrent", "work.phase=both"},
                                          {"work.form=chunkwise", "work.phase=both"}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        for (int k = 0; k < 3; k++) {
            char path[256];
            rs_err *err = rs_err_create();
            snprintf(path, sizeof path, TEST_ROOT "/workloads/models/%s.yaml", models[i]);
            rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention_big.yaml", path, NULL,
                                          sets[k], 2, err);
            rs_result *r = d ? rs_run(d, &(rs_options){.method = RS_BOUND}, err) : NULL;
            cr_expect_not_null(r, "%s %s: %s", models[i], sets[k][0], rs_err_text(err));
            rs_result_destroy(r);
            rs_design_destroy(d);
            rs_err_destroy(err);
        }
}
