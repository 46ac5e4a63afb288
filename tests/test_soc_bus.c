/* The SoC interconnect: peripherals, queues of the AXI path, address legality. */
#include "arch/soc_bus.h"
#include "base/hash.h"
#include "tests/replay_text.h"

/* Requests of one master with one parameter on the SoC bus; cycles of grant and response. */
struct access {
    unsigned master;
    uint64_t first, grant, response;
};

static unsigned replay_accesses(const char *trace, struct access a[], unsigned max)
{
    struct text out = replay_text(trace);
    unsigned n = 0, index;
    for (const char *s = out.s; s && *s; s = strchr(s, '\n'), s = s ? s + 1 : s) {
        unsigned long long v[3];
        if (n < max && sscanf(s, "%u %u %llu %llu %llu", &a[n].master, &index, v, v + 1, v + 2) == 5) {
            a[n].first = v[0];
            a[n].grant = v[1];
            a[n++].response = v[2];
        }
    }
    text_finish(&out);
    return n;
}

/* Phenomenon 5: one outstanding access; a peripheral blocks L2; periods 5, 4 and 6. */
Test(phenomenon_5, apb_periods)
{
    static const struct {
        const char *lines;
        unsigned latency, period;
    } rows[] = {
        {"1 1a104000\n", 4, 5}, {"0 1a104000\n", 4, 5}, {"1 1a10c000\n", 4, 5}, {"0 1a10c000\n", 5, 6},
        {"0 60000000\n", 2, 3}, {"0 1c010000\n", 1, 1}, {"1 1c000000\n", 1, 1}, {"0 1a000000\n", 1, 1},
        {"0 1a100000\n", 3, 4},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text trace = {0};
        struct access a[8];
        text_add(&trace, SOC_HEAD);
        for (unsigned k = 0; k < 8; k++)
            text_printf(&trace, "4 0 %s", rows[i].lines);
        cr_assert_eq(replay_accesses(trace.s, a, 8), 8u);
        for (unsigned k = 0; k < 8; k++) {
            cr_assert_eq(a[k].grant, k * rows[i].period, "row %u", i);
            cr_assert_eq(a[k].response, a[k].grant + rows[i].latency, "row %u", i);
        }
        text_finish(&trace);
    }
}

Test(phenomenon_5, a_peripheral_store_holds_back_the_next_load)
{
    struct access a[2];
    cr_assert_eq(replay_accesses(SOC_HEAD "0 0 1 1a104000\n0 0 0 1c010000\n", a, 2), 2u);
    cr_assert_eq(a[0].response, 4u);
    cr_assert_eq(a[1].first, 1u);
    cr_assert_eq(a[1].grant, 4u);
}

/* Two or more masters on the peripherals in one direction: one access in 4 cycles, shared
 * equally. Measured: 64 reads of two masters in 250 cycles. */
Test(phenomenon_5, masters_share_the_apb_bridge)
{
    static const unsigned who[] = {0, 4, 1, 2, 3, 5};
    for (unsigned n = 2; n <= 6; n++)
        for (unsigned write = 0; write < 2; write++) {
            struct text trace = {0};
            struct access a[6 * 32];
            uint64_t last = 0, end[6] = {0};
            text_add(&trace, SOC_HEAD);
            for (unsigned k = 0; k < 32 * n; k++)
                text_printf(&trace, "%u 0 %u 1a104000\n", who[k % n], write);
            cr_assert_eq(replay_accesses(trace.s, a, 32 * n), 32 * n);
            for (unsigned k = 0; k < 32 * n; k++)
                last = a[k].grant > last ? a[k].grant : last;
            for (unsigned k = 0; k < 32 * n; k++)
                for (unsigned i = 0; i < n; i++)
                    if (a[k].master == who[i] && a[k].response > end[i])
                        end[i] = a[k].response;
            if (n == 2)
                cr_assert_eq(last, 249u);
            for (unsigned i = 0; i < n; i++) { /* the responses come every 4 cycles, in turn */
                cr_assert_geq(end[i], 4u * 32 * n - 4 * (n - 1));
                cr_assert_leq(end[i], 4u * 32 * n);
            }
            text_finish(&trace);
        }
}

/* A reader and a writer that start together meet once in the bridge, then both run freely. */
Test(phenomenon_5, reader_and_writer)
{
    struct access a[16];
    struct text trace = {0};
    text_add(&trace, SOC_HEAD);
    for (unsigned k = 0; k < 16; k++)
        text_printf(&trace, "%u 0 %u 1a104000\n", k % 2 ? 4u : 0u, k % 2);
    cr_assert_eq(replay_accesses(trace.s, a, 16), 16u);
    for (unsigned k = 0; k < 16; k++)
        cr_assert_eq(a[k].response - a[k].grant, k == 8 ? 6u : 4u, "%u", k);
    text_finish(&trace);
}

/* Phenomenon 10: an HWPE port outside interleaved memory meets an error slave. */
Test(phenomenon_10, address_legality)
{
    static const struct {
        unsigned master;
        uint32_t addr;
        unsigned target;
    } rows[] = {
        {9, 0x1C000000, SOC_HWPE_ERROR}, {12, 0x1A000000, SOC_HWPE_ERROR}, {10, 0x1A10C000, SOC_HWPE_ERROR},
        {11, 0x00010000, SOC_HWPE_ERROR}, {9, 0x1C08FFFC, 3},               {9, 0x1C090000, SOC_HWPE_ERROR},
        {0, 0x00010004, 1},               {0, 0x00000000, SOC_PRIVATE0},    {1, 0x00010004, SOC_AXI_ERROR},
        {4, 0x1C00FFFC, SOC_PRIVATE1},    {4, 0x1A03FFFC, SOC_ROM},         {4, 0x1A040000, SOC_AXI_ERROR},
        {2, 0x1A10C004, SOC_APB_HWPE},    {2, 0x1A10D000, SOC_APB_NONE},    {2, 0x1A13FFFC, SOC_APB},
        {3, 0x1A400000, SOC_AXI_ERROR},   {3, 0x10000000, SOC_PLUG},        {8, 0x1C010008, 2},
    };
    struct access a[1];
    struct soc_bus bus;
    soc_bus_init(&bus, 13, 4);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(soc_bus_target(&bus, rows[i].master, rows[i].addr), rows[i].target, "row %u", i);
    cr_assert_eq(replay_accesses(SOC_HEAD "9 3 0 1c000000\n", a, 1), 1u);
    cr_assert_eq(a[0].grant, 3u);
    cr_assert_eq(a[0].response, 4u);
}

/* Random traffic: every request is granted and answered once, and the bus comes to rest
 * in its first state but for the round-robin pointers. */
Test(soc_bus, conservation)
{
    static const uint32_t base[] = {0x1C010000, 0x1C000000, 0x1C008000, 0x1A000000,
                                    0x1A104000, 0x1A10C000, 0x1A100000, 0x60000000};
    struct rng rng = {5};
    for (unsigned run = 0; run < 20; run++) {
        struct soc_bus bus, rest;
        uint64_t asserted = 0, open = 0, write = 0, granted = 0, answered = 0;
        uint8_t target[XBAR_MAX_MASTERS] = {0};
        soc_bus_init(&bus, 9 + 1 + run % 8, 4);
        for (unsigned c = 0; c < 3000 || asserted || !soc_bus_idle(&bus); c++) {
            uint64_t responses = soc_bus_responses(&bus);
            cr_assert_eq(responses & ~open, 0u);
            answered += (unsigned)__builtin_popcountll(responses);
            open &= ~responses;
            for (unsigned m = 0; c < 3000 && m < bus.n_masters; m++) {
                if (asserted >> m & 1 || rng_below(&rng, 4))
                    continue;
                asserted |= UINT64_C(1) << m;
                write = (write & ~(UINT64_C(1) << m)) | (rng_next(&rng) & UINT64_C(1) << m);
                uint32_t addr = base[rng_below(&rng, 8)] + 4 * (uint32_t)rng_below(&rng, 64);
                target[m] = soc_bus_target(&bus, m, addr);
            }
            uint64_t grants = soc_bus_step(&bus, asserted, write, target);
            cr_assert_eq(grants & ~asserted, 0u);
            cr_assert_eq(grants & open, 0u, "one outstanding access");
            asserted &= ~grants;
            open |= grants;
            granted += (unsigned)__builtin_popcountll(grants);
            cr_assert_lt(c, 20000u);
        }
        cr_assert_eq(granted, answered);
        cr_assert_gt(granted, 3000u);
        soc_bus_init(&rest, bus.n_masters, 4);
        memcpy(rest.interleaved.rr, bus.interleaved.rr, sizeof rest.interleaved.rr);
        memcpy(rest.contiguous.rr, bus.contiguous.rr, sizeof rest.contiguous.rr);
        memcpy(rest.axi_mux.rr, bus.axi_mux.rr, sizeof rest.axi_mux.rr);
        memcpy(rest.apb_mux.rr, bus.apb_mux.rr, sizeof rest.apb_mux.rr);
        cr_assert_eq(memcmp(&rest, &bus, sizeof bus), 0, "run %u", run);
    }
}

