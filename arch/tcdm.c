/* Interleaved L2: word-interleaved single-port banks behind the crossbar, one
 * rr_arb_tree a bank (arch/xbar.h; facts/interconnect.md section 2). Banks grant
 * every cycle, data follow one cycle later. It ticks only while somebody asks;
 * in other cycles no state can change. */
#include "arch/result.h"
#include "arch/xbar.h"

#include <stdlib.h>
#include <string.h>

/* Arbitration indices of PULPissimo (interconnect.md section 1). HWPE port p is
 * at FIRST_HWPE + (ports - 1 - p): the bus is declared the other way round. */
enum { MASTER_UDMA_TX = 2, MASTER_UDMA_RX = 3, FIRST_HWPE = 9 };

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct tcdm_cfg, m), .def = d
static const struct field fields[] = {
    {F("banks", FIELD_U64, banks, "4"), .min = 1, .max = 64, .doc = "word-interleaved banks, a power of two",
     .prov = PROV_RTL, .source = "pulp_soc_defines.sv NB_L2_CHANNELS"},
    {F("bytes", FIELD_BYTES, bytes, "512 KiB"), .min = 1024, .max = 1ull << 44,
     .doc = "interleaved memory, all banks together", .prov = PROV_RTL,
     .source = "soc_mem_map.svh: window 0x1C010000..0x1C090000; 256 KiB are built by default"},
    {F("masters", FIELD_U64, masters, "13"), .min = 10, .max = 64, .doc = "masters of the crossbar",
     .prov = PROV_RTL, .source = "soc_interconnect_wrap.sv: 9 + NB_HWPE_PORTS"},
    {F("hwpe_ports", FIELD_U64, hwpe_ports, "4"), .min = 1, .max = MAX_PORTS,
     .doc = "32-bit ports of the accelerator; other than 4 is hypothetical", .prov = PROV_RTL,
     .source = "pulp_soc.sv NB_HWPE_PORTS"},
    {F("ideal", FIELD_BOOL, ideal, "false"),
     .doc = "operands are there when they are asked for: transfers take no time (hypothetical)"},
    {0},
};
#undef F
static const struct section section = {"tcdm", "interleaved L2 and its crossbar", sizeof(struct tcdm_cfg),
                                       fields, NULL};

struct tcdm {
    struct xbar xbar;
    struct event tick;
    uint64_t ran_at; /* cycle of the last arbitration */
};

enum { C_HWPE, C_UDMA, C_CONFLICT, C_BUSY };

static void tick(void *self, uint64_t now)
{
    struct machine *m = self;
    struct tcdm *t = m->tcdm;
    m->now = now;
    t->ran_at = now;
    uint64_t ask[XBAR_MAX_BANKS];
    uint8_t bank[MAX_PORTS], udma_bank[2];
    unsigned ports = (unsigned)m->tcdm_cfg->hwpe_ports, banks = (unsigned)m->tcdm_cfg->banks;
    uint32_t hwpe = streamer_requests(m, bank), udma = udma_requests(m, udma_bank);
    uint32_t hwpe_won = 0, udma_won = 0;
    memset(ask, 0, banks * sizeof ask[0]);
    for (uint32_t left = hwpe; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left);
        ask[bank[p]] |= 1ull << (FIRST_HWPE + ports - 1 - p);
    }
    if (udma & 1)
        ask[udma_bank[0]] |= 1ull << MASTER_UDMA_TX;
    if (udma & 2)
        ask[udma_bank[1]] |= 1ull << MASTER_UDMA_RX;
    for (unsigned b = 0; b < banks; b++) {
        int won = xbar_grant(&t->xbar, b, ask[b]);
        if (won >= FIRST_HWPE)
            hwpe_won |= 1u << (FIRST_HWPE + ports - 1 - (unsigned)won);
        else if (won >= 0)
            udma_won |= won == MASTER_UDMA_TX ? 1 : 2;
    }
    if (m->tcdm_cfg->ideal)
        udma_won = udma; /* streams do not even ask */
    uint64_t *n = &m->counter[m->cb.tcdm];
    unsigned asked = (unsigned)__builtin_popcount(hwpe) + (unsigned)__builtin_popcount(udma);
    unsigned won = (unsigned)__builtin_popcount(hwpe_won) + (unsigned)__builtin_popcount(udma_won);
    n[C_HWPE] += (unsigned)__builtin_popcount(hwpe_won);
    n[C_UDMA] += (unsigned)__builtin_popcount(udma_won);
    n[C_CONFLICT] += asked - won;
    n[C_BUSY] += won != 0;
    udma_grants(m, udma_won);
    streamer_grants(m, hwpe_won, hwpe);
    tcdm_wake(m);
}

void tcdm_wake(struct machine *m)
{
    struct tcdm *t = m->tcdm;
    uint8_t bank[2];
    if (t->tick.queued || !(streamer_busy(m) || udma_requests(m, bank)))
        return;
    uint64_t at = soc_edge(m, m->now);
    /* Requests made after this cycle's arbitration wait for the next. */
    machine_post(m, &t->tick, at == t->ran_at ? at + m->soc_ticks : at, PHASE_ARBITRATE);
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    m->tcdm = calloc(1, sizeof *m->tcdm);
    if (!m->tcdm)
        abort();
    xbar_init(&m->tcdm->xbar, (unsigned)m->tcdm_cfg->masters, (unsigned)m->tcdm_cfg->banks, false);
    machine_event(m, &m->tcdm->tick, tick);
    m->tcdm->ran_at = UINT64_MAX;
    m->cb.tcdm = counter_add(m, "tcdm", "hwpe_grant", "word");
    counter_add(m, "tcdm", "udma_grant", "word");
    counter_add(m, "tcdm", "conflict", "request-cycle");
    counter_add(m, "tcdm", "busy", "cycle");
    return true;
}

static void finish(struct machine *m)
{
    free(m->tcdm);
}

static void state(const struct machine *m, struct text *out)
{
    text_addn(out, (const char *)m->tcdm->xbar.rr, m->tcdm_cfg->banks);
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct tcdm_cfg *c = ARCH_CFG(a, tcdm);
    if (c->banks & (c->banks - 1))
        err_add(err, ERR_CONFIG, &node->at, "arch.tcdm.banks is %llu; legal: a power of two",
                (unsigned long long)c->banks);
    if (c->masters < FIRST_HWPE + c->hwpe_ports)
        err_add(err, ERR_CONFIG, &node->at, "arch.tcdm.masters is %llu; %llu HWPE ports need at least %llu",
                (unsigned long long)c->masters, (unsigned long long)c->hwpe_ports,
                (unsigned long long)(FIRST_HWPE + c->hwpe_ports));
    if (c->hwpe_ports != 4)
        arch_hypothetical(a, "arch.tcdm.hwpe_ports"); /* fc_hwpe.sv binds exactly four */
    if (c->bytes > 512 * 1024)
        arch_hypothetical(a, "arch.tcdm.bytes"); /* beyond the window of the memory map */
    if (c->ideal)
        arch_hypothetical(a, "arch.tcdm.ideal");
    return !err_any(err);
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct tcdm_cfg *c = m->tcdm_cfg;
    const uint64_t *stream = &m->counter[m->cb.streamer], *udma = &m->counter[m->cb.udma];
    uint64_t writes = stream[2] + udma[0] / 4, reads = stream[0] + stream[1] + udma[1] / 4;
    if (c->ideal)
        return; /* what does not exist has no price */
    struct cost_item *it = cost_add(sink, "tcdm", "sram", c->banks);
    cost_param(it, "capacity_bytes", (double)(c->bytes / c->banks));
    cost_param(it, "width_bits", 32);
    cost_count(it, "read", reads);
    cost_count(it, "write", writes);
    it->path = "access";
    it = cost_add(sink, "tcdm", "crossbar", 1);
    cost_param(it, "masters", (double)c->masters);
    cost_param(it, "banks", (double)c->banks);
    cost_param(it, "data_bits", 32);
    cost_count(it, "transfer", reads + writes);
    it->path = "arbitration";
}

const struct arch_class tcdm_class = {.name = "tcdm", .section = &section, .check = check, .init = init,
                                      .finish = finish, .state = state, .cost = cost};
