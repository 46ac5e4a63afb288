/* The accelerator's streams (arch/streamer.c, what `run` simulates) against hwpe_stream_source and _sink as
 * `replay` validates them on RTL: random patterns, widths, depths and contention, every port granted in the
 * same cycle for the same bank. */
#include "arch/hwpe_stream.h"
#include "arch/machine.h"
#include "arch/xbar.h"
#include "base/hash.h"
#include "workloads/api.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ARCH TEST_ROOT "/configs/arch/pulpissimo_retention.yaml"
#define GEMM TEST_ROOT "/workloads/kernels/gemm.yaml"

enum { BACKGROUND = 6, MAX_CYCLES = 6000 };

struct trial {
    bool store;
    unsigned ports, banks, depth, busy_pct;
    uint32_t base, lines, packets; /* packets of a line */
    int32_t stride;                /* bytes */
    uint64_t seed;
};

/* Background masters and the crossbar; one copy for each of the two models. */
struct surroundings {
    struct xbar xbar;
    struct rng rng;
    uint64_t asking;
    uint8_t bank[BACKGROUND];
};

static void surround(struct surroundings *s, const struct trial *t)
{
    memset(s, 0, sizeof *s);
    s->rng.s = t->seed;
    xbar_init(&s->xbar, BACKGROUND + t->ports, t->banks, false);
}

/* One cycle: returns the granted ports. */
static unsigned arbitrate(struct surroundings *s, const struct trial *t, unsigned ports, const uint8_t *bank)
{
    uint64_t ask[XBAR_MAX_BANKS] = {0};
    unsigned granted = 0;
    for (unsigned m = 0; m < BACKGROUND; m++) {
        bool starts = rng_below(&s->rng, 100) < t->busy_pct;
        uint8_t to = (uint8_t)rng_below(&s->rng, t->banks);
        if (!(s->asking >> m & 1) && starts) {
            s->asking |= UINT64_C(1) << m;
            s->bank[m] = to;
        }
        if (s->asking >> m & 1)
            ask[s->bank[m]] |= UINT64_C(1) << m;
    }
    for (unsigned left = ports; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left);
        ask[bank[p]] |= UINT64_C(1) << (BACKGROUND + p);
    }
    for (unsigned b = 0; b < t->banks; b++) {
        int m = xbar_grant(&s->xbar, b, ask[b]);
        if (m >= BACKGROUND)
            granted |= 1u << (m - BACKGROUND);
        else if (m >= 0)
            s->asking &= ~(UINT64_C(1) << m);
    }
    return granted;
}

/* The reference: RTL streamer. */
struct rtl {
    struct hwpe_source source;
    struct hwpe_sink sink;
    bool started;
    uint32_t left; /* packets that the producer still has */
};

static bool rtl_valid(const struct rtl *r)
{
    return r->started && r->left;
}

static void rtl_start(struct rtl *r, const struct trial *t)
{
    struct hwpe_pattern p = {.base = t->base, .trans_size = t->lines * t->packets,
                             .line_length = (uint16_t)t->packets, .line_stride = (int16_t)t->stride,
                             .feat_length = (uint16_t)t->lines};
    hwpe_source_init(&r->source, &p, t->ports, true, t->depth);
    hwpe_sink_init(&r->sink, &p, t->ports, t->depth);
    r->started = false;
    r->left = p.trans_size;
    if (t->store)
        hwpe_sink_start(&r->sink, &p);
    else
        hwpe_source_start(&r->source, &p);
}

static unsigned rtl_request(const struct rtl *r, const struct trial *t, uint8_t *bank)
{
    uint32_t addr[HWPE_MAX_PORTS] = {0};
    unsigned ports = t->store ? hwpe_sink_request(&r->sink, rtl_valid(r), addr)
                              : hwpe_source_request(&r->source, true, addr);
    for (unsigned p = 0; p < t->ports; p++)
        bank[p] = (uint8_t)(addr[p] >> 2 & (t->banks - 1));
    return ports;
}

static bool rtl_step(struct rtl *r, const struct trial *t, unsigned granted)
{
    if (t->store)
        r->left -= hwpe_sink_step(&r->sink, rtl_valid(r), granted);
    else
        hwpe_source_step(&r->source, true, granted);
    r->started = true;
    return t->store ? r->sink.done : r->source.done;
}

static rs_design *design(const struct trial *t)
{
    char text[6][64];
    const char *sets[6];
    rs_err *err = rs_err_create();
    snprintf(text[0], 64, "arch.tcdm.hwpe_ports=%u", t->ports);
    snprintf(text[1], 64, "arch.tcdm.banks=%u", t->banks);
    snprintf(text[2], 64, "arch.tcdm.masters=40");
    snprintf(text[3], 64, "arch.streamer.%s.fifo=%u", t->store ? "store" : "load", t->depth ? t->depth : 1);
    snprintf(text[4], 64, "arch.streamer.%s.issue=%s", t->store ? "store" : "load",
             t->depth ? "decoupled" : "lockstep");
    snprintf(text[5], 64, "arch.streamer.store_fence=false");
    for (unsigned i = 0; i < 6; i++)
        sets[i] = text[i];
    rs_design *d = rs_design_load(ARCH, GEMM, NULL, sets, 6, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return d;
}

static struct cmd command(const struct trial *t)
{
    return (struct cmd){.op = t->store ? OP_STORE : OP_LOAD, .unit = t->store ? UNIT_STORE : UNIT_LOAD,
                        .rows = t->lines, .row_bytes = 4 * t->ports * t->packets, .row_stride = t->stride,
                        .planes = 1};
}

/* Grants compared; fails the test at the first difference. A wide sink without a fence may starve beside
 * busy masters; then it has to be stuck in both. */
static uint64_t compare(const struct trial *t)
{
    struct err err = {0};
    struct program p;
    struct surroundings mine, its;
    struct rtl rtl;
    rs_design *d = design(t);
    struct cmd c = command(t);
    struct issued is = {.c = &c, .addr = t->base};
    program_init(&p);
    struct machine *m = machine_create(d->arch, &p, &evq_wheel, false, &err);
    cr_assert_not_null(m);
    surround(&mine, t);
    surround(&its, t);
    uint64_t grants = 0;
    bool done = false;
    rtl_start(&rtl, t);
    streamer_start(m, (enum unit_id)c.unit, &is);
    for (unsigned cycle = 0; !done && cycle < MAX_CYCLES; cycle++) {
        uint8_t bank[MAX_PORTS], want[HWPE_MAX_PORTS];
        struct bank_use use = {0, 0};
        m->now = cycle * m->soc_ticks;
        unsigned asked = streamer_requests(m, bank, &use), should = rtl_request(&rtl, t, want);
        cr_assert_eq(asked, should, "%s %u ports depth %u, cycle %u: ports %x ask, not %x",
                     t->store ? "store" : "load", t->ports, t->depth, cycle, asked, should);
        for (unsigned left = asked; left; left &= left - 1) {
            unsigned port = (unsigned)__builtin_ctz(left);
            cr_assert_eq(bank[port], want[port], "cycle %u port %u", cycle, port);
        }
        unsigned granted = arbitrate(&mine, t, asked, bank);
        cr_assert_eq(granted, arbitrate(&its, t, should, want));
        grants += (unsigned)__builtin_popcount(granted);
        streamer_grants(m, granted, asked);
        done = rtl_step(&rtl, t, granted);
    }
    cr_assert_eq(streamer_busy(m), !done, "both are done, or both are stuck");
    machine_destroy(m);
    program_finish(&p);
    rs_design_destroy(d);
    return grants;
}

static void random_trials(bool store, unsigned n, uint64_t seed)
{
    struct rng rng = {seed};
    uint64_t grants = 0;
    for (unsigned i = 0; i < n; i++) {
        struct trial t = {.store = store, .seed = rng_next(&rng)};
        t.ports = 1 + (unsigned)rng_below(&rng, 8);
        t.depth = rng_below(&rng, 6) ? 1 + (unsigned)rng_below(&rng, 8) : 0;
        if (store && t.ports > 1) /* legal ones: others may block for ever */
            t.depth = 2 + t.depth % 8;
        t.busy_pct = (unsigned)rng_below(&rng, 40);
        t.base = 4 * (uint32_t)rng_below(&rng, 64);
        t.lines = 1 + (uint32_t)rng_below(&rng, 6);
        t.packets = 1 + (uint32_t)rng_below(&rng, 40);
        t.banks = 4u << rng_below(&rng, 3);
        while (t.banks < t.ports)
            t.banks *= 2;
        t.stride = 4 * (int32_t)rng_below(&rng, 100);
        grants += compare(&t);
    }
    cr_log_info("%s: %u patterns, %u grants alike", store ? "store" : "load", n, (unsigned)grants);
    cr_assert_gt(grants, 100u * n);
}

Test(streams, loads_are_those_of_hwpe_stream_source)
{
    random_trials(false, 150, 1);
}

Test(streams, stores_are_those_of_hwpe_stream_sink)
{
    random_trials(true, 150, 2);
}

/* A line that does not start on a word takes one access more, in both. */
Test(streams, misaligned_lines)
{
    for (uint32_t off = 1; off <= 3; off++)
        for (uint32_t words = 2; words < 60; words += 7) {
            struct trial t = {.ports = 1, .depth = 4, .banks = 4, .busy_pct = 20, .base = 64 + off,
                              .lines = 1, .packets = words, .seed = words};
            cr_expect_eq(compare(&t), words + 1);
        }
}
