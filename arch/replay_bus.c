/* The three interconnects without streamers. */
#include "arch/hci.h"
#include "arch/replay_engine.h"
#include "arch/soc_bus.h"

#include <string.h>

#define BIT(m) (UINT64_C(1) << (m))

void replay_crossbar(struct replay_engine *e)
{
    uint64_t requests[XBAR_MAX_BANKS] = {0}, active = 0;
    struct xbar x;

    xbar_init(&x, e->trace->n_masters, e->trace->n_banks, false);
    for (uint64_t cycle = 0; e->asserted | e->waiting; cycle++) {
        uint64_t fresh = replay_engine_assert(e, cycle);
        if (!e->asserted) {
            cycle = replay_engine_next(e) - 1;
            continue;
        }
        for (; fresh; fresh &= fresh - 1) {
            unsigned m = (unsigned)__builtin_ctzll(fresh), b = replay_bank(e->trace, e->master[m].addr);
            requests[b] |= BIT(m);
            active |= BIT(b);
        }
        for (uint64_t left = active; left; left &= left - 1) {
            unsigned b = (unsigned)__builtin_ctzll(left), m = (unsigned)xbar_grant(&x, b, requests[b]);
            requests[b] &= ~BIT(m);
            if (!requests[b])
                active &= ~BIT(b);
            replay_engine_grant(e, m, cycle, replay_bank_symbol(b));
            replay_engine_response(e, m, cycle + 1);
        }
    }
}

struct hci_run {
    struct hci hci;
    unsigned n_log;
    uint64_t requests[XBAR_MAX_BANKS]; /* of log masters */
    uint64_t asked;                    /* banks that have some */
    uint8_t bank[XBAR_MAX_MASTERS];    /* of each master; of an HWPE its first */
};

static void hci_cycle(struct replay_engine *e, struct hci_run *r, uint64_t fresh, uint64_t cycle)
{
    for (; fresh; fresh &= fresh - 1) {
        unsigned m = (unsigned)__builtin_ctzll(fresh);
        r->bank[m] = (uint8_t)replay_bank(e->trace, e->master[m].addr);
        if (m >= r->n_log)
            continue;
        r->requests[r->bank[m]] |= BIT(m);
        r->asked |= BIT(r->bank[m]);
    }
    uint64_t hwpe = r->n_log < 64 ? e->asserted >> r->n_log : 0;
    struct hci_grants g = hci_step(&r->hci, r->asked, r->requests, hwpe, r->bank + r->n_log);
    uint64_t granted = g.log | (g.hwpe ? g.hwpe << r->n_log : 0);
    for (; granted; granted &= granted - 1) {
        unsigned m = (unsigned)__builtin_ctzll(granted);
        if (m < r->n_log && !(r->requests[r->bank[m]] &= ~BIT(m)))
            r->asked &= ~BIT(r->bank[m]);
        replay_engine_grant(e, m, cycle, m < r->n_log ? replay_bank_symbol(r->bank[m]) : '#');
        replay_engine_response(e, m, cycle + 1);
    }
}

void replay_hci(struct replay_engine *e)
{
    const struct replay_hci *c = &e->trace->hci;
    struct hci_run r;

    memset(&r, 0, sizeof r);
    r.n_log = c->n_core + c->n_ext + c->n_dma;
    hci_init(&r.hci, r.n_log, e->trace->n_banks, c->n_hwpe, c->words);
    r.hci.invert = (uint8_t)c->invert;
    r.hci.num = (uint8_t)c->num;
    r.hci.den = (uint8_t)c->den;
    for (uint64_t cycle = 0; e->asserted | e->waiting; cycle++) {
        uint64_t fresh = replay_engine_assert(e, cycle);
        if (e->asserted)
            hci_cycle(e, &r, fresh, cycle);
        else
            cycle = replay_engine_next(e) - 1;
    }
}

static char soc_symbol(unsigned target)
{
    static const char symbols[] = "PQRAHNEX";
    return target < SOC_PRIVATE0 ? replay_bank_symbol(target) : symbols[target - SOC_PRIVATE0];
}

void replay_soc(struct replay_engine *e)
{
    uint8_t target[XBAR_MAX_MASTERS] = {0};
    struct soc_bus bus;
    uint64_t write = 0;

    soc_bus_init(&bus, e->trace->n_masters, e->trace->n_banks);
    for (uint64_t cycle = 0; e->asserted | e->waiting || !soc_bus_idle(&bus); cycle++) {
        uint64_t answered = soc_bus_responses(&bus), granted;
        for (; answered; answered &= answered - 1)
            replay_engine_response(e, (unsigned)__builtin_ctzll(answered), cycle);
        uint64_t fresh = replay_engine_assert(e, cycle);
        if (!e->asserted && soc_bus_idle(&bus)) {
            cycle = replay_engine_next(e) - 1;
            continue;
        }
        for (; fresh; fresh &= fresh - 1) {
            unsigned m = (unsigned)__builtin_ctzll(fresh);
            target[m] = soc_bus_target(&bus, m, e->master[m].addr);
            write = e->master[m].write ? write | BIT(m) : write & ~BIT(m);
        }
        granted = soc_bus_step(&bus, e->asserted, write, target);
        for (; granted; granted &= granted - 1) {
            unsigned m = (unsigned)__builtin_ctzll(granted);
            replay_engine_grant(e, m, cycle, soc_symbol(target[m]));
        }
    }
}
