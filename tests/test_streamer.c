/* HWPE streamers: fill and drain, FIFOs, misalignment, strides, limits of the RTL. */
#include "arch/hwpe_stream.h"
#include "tests/replay_text.h"

/* What happened on the streams of one trace. */
struct stream_counts {
    unsigned grants, source, sink, done;
    uint64_t last_grant, last_source, last_done;
};

static struct stream_counts streams(const char *params)
{
    struct stream_counts n = {0};
    struct text trace = {0}, out;
    text_printf(&trace, "# dut: hwpe_stream\n# address unit: word\n# background_masters: 4\n%s", params);
    out = replay_text(trace.s);
    for (const char *s = out.s; s && *s; s = strchr(s, '\n'), s = s ? s + 1 : s) {
        unsigned long long c;
        if (sscanf(s, "g %*u %llu", &c) == 1) {
            n.grants++;
            n.last_grant = c;
        } else if (sscanf(s, "s %llu", &c) == 1) {
            n.source++;
            n.last_source = c;
        } else if (!strncmp(s, "k ", 2)) {
            n.sink++;
        } else if (sscanf(s, "d %*s %llu", &c) == 1) {
            n.done++;
            n.last_done = c;
        }
    }
    text_finish(&trace);
    text_finish(&out);
    return n;
}

#define NARROW "# masters: 6\n# banks: 4\n# words: 1\n"
#define DECOUPLED NARROW "# decoupled: 1\n# load_fifo_depth: 4\n# sink_fifo_depth: 2\n"
#define DIRECT NARROW "# decoupled: 0\n# load_fifo_depth: 0\n# sink_fifo_depth: 0\n"
#define SINK "# start_src: -1\n# start_snk: 0\n# snk_size: 32\n"

/* Phenomenon 7: fill and drain do not depend on the length. */
Test(phenomenon_7, streamer_fill_and_drain)
{
    for (unsigned size = 1; size <= 300; size += 23) {
        char params[256];
        snprintf(params, sizeof params, DECOUPLED "# src_size: %u\n", size);
        struct stream_counts n = streams(params);
        cr_assert_eq(n.grants, size);
        cr_assert_eq(n.last_source, size + 4u); /* request at 2, data 3 later */
        cr_assert_eq(n.last_done, n.last_source + 2);
        snprintf(params, sizeof params, DIRECT "# src_size: %u\n", size);
        n = streams(params);
        cr_assert_eq(n.last_source, size + 1u); /* request at 1, data 1 later */
        cr_assert_eq(n.last_done, n.last_grant + 1);
    }
}

/* A deeper FIFO is never slower against a consumer that stalls at random. */
Test(phenomenon_7, fifo_depth)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        uint64_t last = UINT64_MAX;
        for (unsigned depth = 1; depth <= 16; depth *= 2) {
            char params[512];
            snprintf(params, sizeof params,
                     "# masters: 12\n# banks: 8\n# words: 4\n# decoupled: 1\n# load_fifo_depth: %u\n"
                     "# sink_fifo_depth: 2\n# src_size: 200\n# ready_pct: 70\n# ready_seed: %u\n",
                     depth, seed);
            struct stream_counts n = streams(params);
            cr_assert_eq(n.grants, 800u);
            cr_assert_eq(n.source, 200u);
            cr_assert_leq(n.last_source, last, "seed %u depth %u", seed, depth);
            last = n.last_source;
        }
    }
}

/* Phenomenon 8: a misaligned line takes one access more. */
Test(phenomenon_8, misalignment)
{
    for (unsigned offset = 0; offset < 4; offset++) {
        char params[256];
        snprintf(params, sizeof params, DECOUPLED "# src_base: %u\n# src_size: 64\n", 256 + offset);
        struct stream_counts n = streams(params);
        cr_assert_eq(n.grants, 64u + (offset != 0));
        cr_assert_eq(n.source, 64u);
        cr_assert_eq(n.last_source, 68u + (offset != 0));
        snprintf(params, sizeof params, DECOUPLED SINK "# snk_base: %u\n", 256 + offset);
        n = streams(params);
        cr_assert_eq(n.grants, 32u + (offset != 0));
        cr_assert_eq(n.sink, 32u);
    }
}

/* Phenomenon 8: a stride of 16 bytes stays in one bank, two such streams get half each. */
Test(phenomenon_8, strides)
{
    static const char one_bank[] =
        DECOUPLED "# start_snk: 0\n# src_size: 64\n# snk_size: 64\n# src_line_length: 1\n"
        "# snk_line_length: 1\n"
        "# src_feat_length: 64\n# snk_feat_length: 64\n# src_line_stride: 16\n# snk_line_stride: 16\n";
    char params[512];
    struct stream_counts n = streams(one_bank);
    cr_assert_eq(n.grants, 128u);
    cr_assert_geq(n.last_grant, 127u);
    cr_assert_leq(n.last_grant, 132u);
    snprintf(params, sizeof params, "%s# snk_base: 4100\n", one_bank);
    n = streams(params);
    cr_assert_eq(n.grants, 128u);
    cr_assert_leq(n.last_grant, 66u);
}

/* Four limits that the RTL of v1.8.0 shows in simulation. */
Test(streamer, limits_of_the_rtl)
{
    struct stream_counts n = streams(DECOUPLED "# src_base: 257\n# src_size: 64\n# src_line_length: 8\n"
                                     "# src_line_stride: 64\n# src_feat_length: 8\n");
    cr_assert_eq(n.grants, 65u, "one extra access for all lines together");
    cr_assert_eq(n.done, 0u, "never finishes");
    n = streams(DIRECT "# src_base: 257\n# src_size: 64\n");
    cr_assert_eq(n.source, 66u, "two packets too many");
    n = streams(DECOUPLED SINK "# valid_period: 3\n");
    cr_assert_eq(n.grants, 31u, "done before the last packet");
    n = streams(DECOUPLED SINK "# valid_period: 2\n");
    cr_assert_eq(n.grants, 32u);
}

/* Address order of the three loops, with the two ways to roll. */
Test(streamer, address_loops)
{
    static const struct {
        unsigned outer;
        uint32_t addr[16];
    } rows[] = {
        {0, {0, 4, 64, 68, 1000, 1004, 1064, 1068, 2000, 2004, 2064, 2068, 0, 4, 64, 68}},
        {1, {0, 4, 64, 68, 0, 4, 64, 68, 0, 4, 64, 68, 1000, 1004, 1064, 1068}},
    };
    for (unsigned i = 0; i < 2; i++) {
        struct hwpe_pattern p = {.trans_size = 16, .line_length = 2, .line_stride = 64, .feat_length = 2,
                                 .feat_stride = 1000, .feat_roll = 3, .loop_outer = (uint16_t)rows[i].outer};
        struct hwpe_addrgen g;
        hwpe_addrgen_init(&g, &p, 1, false, false);
        for (unsigned k = 0; k < 16; k++) {
            cr_assert_eq(hwpe_addrgen_addr(&g), rows[i].addr[k], "row %u packet %u", i, k);
            hwpe_addrgen_step(&g, true);
        }
    }
}

/* A second job on the same streamers repeats the first, cycle for cycle. */
Test(streamer, jobs_repeat)
{
    struct hwpe_pattern p = {.base = 256, .trans_size = 20, .line_length = 20, .feat_length = 1};
    struct hwpe_source s;
    uint64_t seen[2] = {0};
    hwpe_source_init(&s, &p, 1, true, 4);
    for (unsigned job = 0; job < 2; job++) {
        hwpe_source_start(&s, &p);
        for (unsigned c = 0; c < 40; c++) {
            uint32_t addr[HWPE_MAX_PORTS];
            bool ready = c % 3 != 1;
            unsigned want = hwpe_source_request(&s, ready, addr);
            if (hwpe_source_step(&s, ready, want))
                seen[job] |= UINT64_C(1) << c;
        }
        cr_assert(hwpe_source_quiet(&s));
    }
    cr_assert_eq(__builtin_popcountll(seen[0]), 20);
    cr_assert_eq(seen[0], seen[1]);
}

