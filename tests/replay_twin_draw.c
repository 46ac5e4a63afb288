/* Random scenarios for the slow twin of the interconnects, and their text. */
#include "tests/replay_twin.h"

#include <inttypes.h>
#include <string.h>

static bool chance(struct rng *rng, unsigned pct)
{
    return rng_below(rng, 100) < pct;
}

/* How the addresses of one master go on. */
struct walk {
    uint32_t base, span, stride; /* words */
    bool random;
};

static struct walk draw_walk(const struct twin *t, struct rng *rng)
{
    static const uint32_t spans[] = {1, 2, 4, 16, 64, 1000};
    struct walk w = {.base = (uint32_t)rng_below(rng, 256), .span = spans[rng_below(rng, 6)]};
    w.random = chance(rng, 50);
    w.stride = chance(rng, 30) ? t->banks : (uint32_t)rng_below(rng, 4);
    return w;
}

static uint32_t step(const struct walk *w, unsigned i, struct rng *rng)
{
    return w->base + (w->random ? (uint32_t)rng_below(rng, w->span) : i * w->stride);
}

/* Every region of the map, its first and last words, and what lies in none. */
static uint32_t soc_address(uint32_t word, unsigned kinds, struct rng *rng)
{
    static const uint32_t base[] = {
        0x1C010000, 0x1C000000, 0x1C008000, 0x1A000000, 0x1A104000, 0x1A10C000, 0x1A100000, 0x60000000,
        0x00010000, 0x1C08FF00, 0x1C007F00, 0x1C00FF00, 0x1A03FF00, 0x1A101000, 0x1A106F00, 0x1A109000,
        0x1A10BF00, 0x1A10CF00, 0x1A10D000, 0x1A10F000, 0x1A13FF00, 0x1A140000, 0x1A3FFF00, 0x1A400000,
        0x1C090000, 0x00000000, 0x1A10E000, 0x1A107000, 0xFFFFFF00,
    };
    enum { COMMON = 8, ALL = sizeof base / sizeof base[0] };
    unsigned k =
        kinds ? (unsigned)rng_below(rng, kinds == 1 ? COMMON : ALL) : 4 + (unsigned)rng_below(rng, 2);
    return base[k] + 4 * (word % 64);
}

static void draw_requests(struct twin *t, unsigned m, unsigned n, struct rng *rng)
{
    struct walk w = draw_walk(t, rng);
    uint32_t earliest = chance(rng, 50) ? 0 : (uint32_t)rng_below(rng, 20);
    unsigned gap_pct = chance(rng, 50) ? 0 : (unsigned)rng_below(rng, 100),
             gap = 1 + (unsigned)rng_below(rng, 30);
    unsigned write_pct = (unsigned)rng_below(rng, 3) * 50, kinds = (unsigned)rng_below(rng, 3);
    t->n[m] = n;
    for (unsigned i = 0; i < n; i++) {
        struct twin_request *q = &t->request[m][i];
        uint32_t word = step(&w, i, rng);
        if (chance(rng, gap_pct))
            earliest += 1 + (uint32_t)rng_below(rng, gap);
        q->earliest = earliest;
        q->write = chance(rng, write_pct);
        q->addr = t->dut == TWIN_SOC ? soc_address(word, kinds, rng) : t->byte_addresses ? 4 * word : word;
    }
}

/* Some neighbours in lock step, with as many requests each. */
static void draw_groups(struct twin *t, struct rng *rng)
{
    unsigned group = 0;
    for (unsigned m = 0; m + 1 < t->masters; m++) {
        unsigned size = 2 + (unsigned)rng_below(rng, 3);
        if (!chance(rng, 15) || m + size > t->masters)
            continue;
        group++;
        for (unsigned k = 0; k < size; k++) {
            draw_requests(t, m + k, t->n[m] ? t->n[m] : 20, rng);
            t->group[m + k] = group;
        }
        m += size - 1;
    }
}

static void draw_hci(struct twin *t, struct rng *rng)
{
    t->cores = (unsigned)rng_below(rng, 9);
    t->ext = (unsigned)rng_below(rng, 3);
    t->dma = (unsigned)rng_below(rng, 5);
    t->hwpes = (unsigned)rng_below(rng, chance(rng, 30) ? 7 : 3);
    t->masters = t->cores + t->ext + t->dma + t->hwpes;
    if (!t->masters)
        t->masters = t->cores = 1;
    t->words = 1 + (unsigned)rng_below(rng, t->banks < 16 ? t->banks : 16);
    t->invert = chance(rng, 50);
    t->num = chance(rng, 40) ? 0 : (unsigned)rng_below(rng, 6);
    t->den = chance(rng, 10) ? (unsigned)rng_below(rng, 256) : (unsigned)rng_below(rng, 10);
}

void twin_draw(struct twin *t, enum twin_dut dut, struct rng *rng)
{
    memset(t, 0, sizeof *t);
    t->dut = dut;
    t->byte_addresses = dut == TWIN_SOC || chance(rng, 50);
    t->masters = 1 + (unsigned)rng_below(rng, chance(rng, 10) ? TWIN_MASTERS : 16);
    t->banks = 1 + (unsigned)rng_below(rng, chance(rng, 10) ? 64 : 32);
    if (dut == TWIN_SOC) {
        t->masters = 10 + (unsigned)rng_below(rng, 7);
        t->banks = 1u << rng_below(rng, 5);
    }
    if (dut == TWIN_HCI)
        draw_hci(t, rng);
    unsigned idle_pct = (unsigned)rng_below(rng, 3) * 30, blocking_pct = (unsigned)rng_below(rng, 3) * 40;
    for (unsigned m = 0; m < t->masters; m++) {
        t->blocking[m] = chance(rng, blocking_pct);
        if (!chance(rng, idle_pct))
            draw_requests(t, m, 1 + (unsigned)rng_below(rng, TWIN_REQUESTS), rng);
    }
    if (chance(rng, 40))
        draw_groups(t, rng);
}

static void members(const struct twin *t, unsigned group, struct text *out)
{
    text_printf(out, group ? "# group:" : "# blocking:");
    for (unsigned m = 0; m < t->masters; m++)
        if (group ? t->group[m] == group : t->blocking[m])
            text_printf(out, " %u", m);
    text_add(out, "\n");
}

void twin_trace(const struct twin *t, struct text *out)
{
    static const char *const names[] = {"interleaved_crossbar", "soc_interconnect_wrap",
                                        "hci_interconnect"};
    unsigned groups = 0;
    text_printf(out, "# dut: %s\n# masters: %u\n# banks: %u\n# address unit: %s\n", names[t->dut],
                t->masters, t->banks, t->byte_addresses ? "byte" : "word");
    if (t->dut == TWIN_HCI)
        text_printf(out,
                    "# n_core: %u\n# n_ext: %u\n# n_dma: %u\n# n_hwpe: %u\n# hwpe_words: %u\n"
                    "# invert_prio: %u\n# prio_num: %u\n# prio_den: %u\n",
                    t->cores, t->ext, t->dma, t->hwpes, t->words, t->invert, t->num, t->den);
    members(t, 0, out);
    for (unsigned m = 0; m < t->masters; m++)
        groups = t->group[m] > groups ? t->group[m] : groups;
    for (unsigned g = 1; g <= groups; g++)
        members(t, g, out);
    for (unsigned m = 0; m < t->masters; m++)
        for (unsigned i = 0; i < t->n[m]; i++) {
            const struct twin_request *q = &t->request[m][i];
            text_printf(out, "%u %" PRIu32 " %d %" PRIx32 "\n", m, q->earliest, q->write, q->addr);
        }
}

void twin_result(const struct twin *t, struct text *out)
{
    text_add(out, "# columns: master index first_request_cycle grant_cycle response_cycle\n");
    for (unsigned m = 0; m < t->masters; m++)
        for (unsigned i = 0; i < t->n[m]; i++) {
            const struct twin_request *q = &t->request[m][i];
            text_printf(out, "%u %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", m, i, q->first, q->grant,
                        q->response);
        }
}
