#include "arch/soc_bus.h"

#include <stddef.h>
#include <string.h>

#define BIT(i) (UINT64_C(1) << (i))

/* pulpissimo hw/includes/soc_mem_map.svh @bfc3d9a. */
struct region {
    uint32_t start, end;
    uint8_t target;
};
static const struct region system_map[] = {
    {0x1C000000, 0x1C008000, SOC_PRIVATE0},
    {0x1C008000, 0x1C010000, SOC_PRIVATE1},
    {0x1A000000, 0x1A040000, SOC_ROM},
    {0x1A10C000, 0x1A10D000, SOC_APB_HWPE},
    {0x1A101000, 0x1A107000, SOC_APB}, /* GPIO, uDMA, SoC control, timer, event generator */
    {0x1A109000, 0x1A10C000, SOC_APB}, /* interrupt control, APB timer */
    {0x1A10F000, 0x1A140000, SOC_APB}, /* stdout, debug, chip control */
    {0x1A100000, 0x1A400000, SOC_APB_NONE},
    {0x10000000, 0x10400000, SOC_PLUG},
};
enum { INTERLEAVED_START = 0x1C010000, INTERLEAVED_END = 0x1C090000 };

void soc_bus_init(struct soc_bus *bus, unsigned n_masters, unsigned n_banks)
{
    memset(bus, 0, sizeof *bus);
    bus->n_masters = (uint8_t)n_masters;
    xbar_init(&bus->interleaved, n_masters, n_banks, false);
    /* The fourth output of the RTL, for errors, is out of reach behind the demux. */
    xbar_init(&bus->contiguous, SOC_BUS_SYSTEM_MASTERS, 3, false);
    xbar_init(&bus->axi_mux, SOC_BUS_SYSTEM_MASTERS, 2, true);
    xbar_init(&bus->apb_mux, 2, 1, true);
}

uint8_t soc_bus_target(const struct soc_bus *bus, unsigned master, uint32_t addr)
{
    if (master == 0 && addr >> 20 == 0) /* the FC data port sees L2 at address 0 as well */
        addr |= 0x1C000000;
    if (addr >= INTERLEAVED_START && addr < INTERLEAVED_END)
        return (uint8_t)(addr >> 2 & (bus->interleaved.n_banks - 1u));
    if (master >= SOC_BUS_SYSTEM_MASTERS)
        return SOC_HWPE_ERROR;
    for (unsigned i = 0; i < sizeof system_map / sizeof *system_map; i++)
        if (addr >= system_map[i].start && addr < system_map[i].end)
            return system_map[i].target;
    return SOC_AXI_ERROR;
}

static uint64_t way_responses(const struct soc_bus *bus)
{
    uint64_t set = 0;
    for (unsigned d = 0; d < 2; d++)
        if (bus->way[d].response)
            set |= BIT(bus->way[d].bridge_master);
    return set;
}

uint64_t soc_bus_responses(const struct soc_bus *bus)
{
    return bus->memory | bus->error[0] | way_responses(bus);
}

bool soc_bus_idle(const struct soc_bus *bus)
{
    /* A freed transaction slot of the AXI demux shows one cycle after its response. */
    return !(bus->pending | bus->way[0].busy | bus->way[1].busy);
}

static bool spill_valid(const struct soc_spill *s)
{
    return s->a_full || s->b_full;
}

static unsigned spill_head(const struct soc_spill *s)
{
    return s->b_full ? s->b : s->a;
}

static bool spill_ready(const struct soc_spill *s)
{
    return !(s->a_full && s->b_full);
}

/* One cycle: `fill` (only when ready) takes `value` in, `pop` takes the head out. */
static void spill_step(struct soc_spill *s, bool fill, unsigned value, bool pop)
{
    struct soc_spill old = *s;
    bool a_drain = old.a_full && !old.b_full;
    if (a_drain && !pop) {
        s->b_full = 1;
        s->b = old.a;
    } else if (old.b_full && pop) {
        s->b_full = 0;
        s->b = 0;
    }
    if (fill) {
        s->a_full = 1;
        s->a = (uint8_t)value;
    } else if (a_drain) {
        s->a_full = 0;
        s->a = 0;
    }
}

struct demand {
    uint64_t bank[XBAR_MAX_BANKS]; /* only the first n_banks are cleared */
    uint64_t contiguous[3];
    uint64_t axi[2]; /* by direction */
    uint64_t immediate, slow, none, error;
};

static void sort_requests(const struct soc_bus *bus, uint64_t request, uint64_t write,
                          const uint8_t target[], struct demand *d)
{
    memset(d->bank, 0, bus->interleaved.n_banks * sizeof *d->bank);
    memset(d->contiguous, 0, sizeof *d - offsetof(struct demand, contiguous));
    for (uint64_t left = request; left; left &= left - 1) {
        unsigned m = (unsigned)__builtin_ctzll(left), t = target[m];
        uint64_t bit = BIT(m);
        if (t < SOC_PRIVATE0)
            d->bank[t] |= bit;
        else if (t <= SOC_ROM)
            d->contiguous[t - SOC_PRIVATE0] |= bit;
        else if (t == SOC_AXI_ERROR)
            d->error |= bit;
        else if (t == SOC_HWPE_ERROR)
            d->immediate |= bit;
        else if (t != SOC_PLUG) {
            d->axi[write >> m & 1] |= bit;
            d->slow |= t == SOC_APB_HWPE ? bit : 0;
            d->none |= t == SOC_APB_NONE ? bit : 0;
        }
    }
}

static uint64_t memory_grants(struct soc_bus *bus, const struct demand *d)
{
    uint64_t grants = d->immediate;
    for (unsigned b = 0; b < bus->interleaved.n_banks; b++) {
        int winner = xbar_grant(&bus->interleaved, b, d->bank[b]);
        grants |= winner < 0 ? 0 : BIT(winner);
    }
    for (unsigned b = 0; b < 3; b++) {
        int winner = xbar_grant(&bus->contiguous, b, d->contiguous[b]);
        grants |= winner < 0 ? 0 : BIT(winner);
    }
    return grants;
}

/* The APB master takes the head of its queue through setup and access. Returns
 * true in the cycle in which the access ends; *direction is then answered in
 * the next cycle. An address without slave ends in its setup cycle. */
static bool apb_step(struct soc_bus *bus, unsigned *direction)
{
    if (!spill_valid(&bus->apb_queue))
        return false;
    *direction = spill_head(&bus->apb_queue);
    uint64_t master = BIT(bus->way[*direction].bridge_master);
    if (!bus->apb_access) {
        if (bus->none & master)
            return true;
        bus->apb_access = 1;
        bus->apb_wait = *direction == 0 && bus->slow & master;
        return false;
    }
    if (bus->apb_wait) {
        bus->apb_wait--;
        return false;
    }
    bus->apb_access = 0;
    return true;
}

/* axi_to_axi_lite (one transaction a direction) and the arbiter of
 * axi_lite_to_apb. Returns the set of directions accepted (0, 1 or 2). */
static unsigned bridge_accept(struct soc_bus *bus)
{
    uint64_t want = 0;
    for (unsigned d = 0; d < 2; d++)
        if (spill_valid(&bus->way[d].queue) && !bus->way[d].bridge_busy)
            want |= BIT(d);
    if (!xbar_seen(&bus->apb_mux, 0, want))
        return 0;
    int winner = xbar_settle(&bus->apb_mux, 0, want, spill_ready(&bus->apb_queue));
    return winner < 0 ? 0 : 1u << winner;
}

static int mux_grant(struct soc_bus *bus, unsigned d, uint64_t want)
{
    if (!xbar_seen(&bus->axi_mux, d, want))
        return -1;
    return xbar_settle(&bus->axi_mux, d, want, spill_ready(&bus->way[d].queue));
}

/* All AXI stages move at once: what a stage sees is the state before the cycle. */
static uint64_t apb_grants(struct soc_bus *bus, const uint64_t want[2])
{
    unsigned done = 0, accepted;
    uint64_t grants = 0;
    int winner[2];

    for (unsigned w = 0; w < 2; w++)
        winner[w] = mux_grant(bus, w, want[w]);
    accepted = bridge_accept(bus);
    bool popped = apb_step(bus, &done);
    spill_step(&bus->apb_queue, accepted, accepted >> 1, popped);
    for (unsigned w = 0; w < 2; w++) {
        struct soc_axi_way *way = &bus->way[w];
        bool taken = accepted >> w & 1;
        if (way->response) { /* the master takes it now; the converter is free in the next cycle */
            way->bridge_busy = 0;
            way->bridge_master = 0;
        }
        if (taken) {
            way->bridge_busy = 1;
            way->bridge_master = (uint8_t)spill_head(&way->queue);
        }
        spill_step(&way->queue, winner[w] >= 0, winner[w] < 0 ? 0 : (unsigned)winner[w], taken);
        way->response = popped && done == w;
        grants |= winner[w] < 0 ? 0 : BIT(winner[w]);
    }
    return grants;
}

static void remember(uint64_t *set, uint64_t granted, uint64_t value)
{
    *set = (*set & ~granted) | (value & granted);
}

/* A master has at most one AXI transaction a direction, and its slot is free
 * only after the cycle of the response (MaxMstTrans=1). An address that no
 * region claims goes to the error slave of its master: no queue, answered two
 * cycles after the grant. */
static uint64_t axi_grants(struct soc_bus *bus, const struct demand *d, uint64_t write,
                           uint64_t responses)
{
    uint64_t free[2] = {~bus->way[0].busy, ~bus->way[1].busy};
    uint64_t want[2] = {d->axi[0] & free[0], d->axi[1] & free[1]};
    uint64_t errors = d->error & ((free[0] & ~write) | (free[1] & write));
    uint64_t grants = errors | apb_grants(bus, want);

    bus->error[0] = bus->error[1];
    bus->error[1] = errors;
    bus->way[0].busy &= ~(responses & ~bus->write);
    bus->way[1].busy &= ~(responses & bus->write);
    bus->way[0].busy |= grants & ~write;
    bus->way[1].busy |= grants & write;
    remember(&bus->write, grants | responses, write & grants);
    remember(&bus->slow, grants | responses, d->slow & grants);
    remember(&bus->none, grants | responses, d->none & grants);
    return grants;
}

uint64_t soc_bus_step(struct soc_bus *bus, uint64_t request, uint64_t write, const uint8_t target[])
{
    struct demand d;
    uint64_t responses = soc_bus_responses(bus), axi_responses = bus->error[0] | way_responses(bus);
    uint64_t memory, axi = 0;

    sort_requests(bus, request & (~bus->pending | responses), write, target, &d);
    memory = memory_grants(bus, &d);
    if (d.error | d.axi[0] | d.axi[1] | bus->way[0].busy | bus->way[1].busy)
        axi = axi_grants(bus, &d, write, axi_responses);
    bus->memory = memory;
    bus->pending = (bus->pending & ~responses) | memory | axi;
    return memory | axi;
}
