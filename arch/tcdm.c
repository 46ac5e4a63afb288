/* Interleaved L2: word-interleaved single-port banks behind an interconnect.
 * `crossbar`, PULPissimo's: one rr_arb_tree a bank (arch/xbar.h),
 * the accelerator has ports of 32 bits like
 * everybody else. `hci`, the clusters': the accelerator has one wide port and
 * competes with the cores' crossbar as a whole (arch/hci.h). Both
 * are the arbiters of `replay`. Banks grant every cycle, data follow one cycle
 * later. It ticks only while somebody asks; in other cycles no state can
 * change. */
#include "arch/hci.h"
#include "arch/result.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

/* Arbitration indices of PULPissimo (interconnect.md section 1). HWPE port p is
 * at FIRST_HWPE + (ports - 1 - p): the bus is declared the other way round. */
enum { MASTER_UDMA_TX = 2, MASTER_UDMA_RX = 3, FIRST_HWPE = 9, N_UDMA = 2 };
/* Place of other masters (arch/traffic.c): in order, but for the uDMA's two as
 * long as the others suffice. */
static unsigned system_master(const struct machine *m, unsigned i)
{
    bool skip = m->traffic_cfg->masters <= FIRST_HWPE - N_UDMA && i >= MASTER_UDMA_TX;
    return skip ? i + N_UDMA : i;
}
static const char *const kind_names[] = {"crossbar", "hci", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct hci_cfg, m), .def = d
static const struct field hci_fields[] = {
    {F("invert_prio", FIELD_BOOL, invert_prio, "false"), .no_program = true,
     .doc = "false: the cores' side has priority; true: the accelerator's"},
    {F("prio_num", FIELD_U64, prio_num, "1"), .no_program = true, .max = 255, .unit = "conflict cycles",
     .doc = "of `prio_den` conflict cycles the side with priority wins this many; 0: all"},
    {F("prio_den", FIELD_U64, prio_den, "2"), .no_program = true,
     .min = 1, .max = 255, .unit = "conflict cycles",
     .doc = "length of a round of priorities"},
    {0},
};
#undef F
static const struct section hci_section = {"hci", "priorities of the wide port", sizeof(struct hci_cfg),
                                           hci_fields, NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct tcdm_cfg, m), .def = d
static const struct field fields[] = {
    {F("kind", FIELD_ENUM, kind, "crossbar"), .no_program = true, .names = kind_names,
     .doc = "crossbar: PULPissimo's; hci: the cluster interconnect, one wide port (hypothetical)"},
    {F("hci", FIELD_SECTION, hci, NULL), .sub = &hci_section, .doc = "priorities of the wide port"},
    {F("banks", FIELD_U64, banks, "4"), .no_program = true,
     .min = 1, .max = 64, .doc = "word-interleaved banks, a power of two",
     .prov = PROV_RTL, .source = "pulp_soc_defines.sv NB_L2_CHANNELS"},
    {F("bytes", FIELD_BYTES, bytes, "512 KiB"), .min = 1024, .max = 1ull << 44,
     .doc = "interleaved memory, all banks together", .prov = PROV_RTL,
     .source = "soc_mem_map.svh: window 0x1C010000..0x1C090000; 256 KiB are built by default"},
    {F("masters", FIELD_U64, masters, "13"), .no_program = true,
     .min = 10, .max = 64, .doc = "masters of the crossbar",
     .prov = PROV_RTL, .source = "soc_interconnect_wrap.sv: 9 + NB_HWPE_PORTS"},
    {F("hwpe_ports", FIELD_U64, hwpe_ports, "4"), .min = 1, .max = MAX_PORTS,
     .doc = "32-bit ports of the accelerator, or words of its wide port; other than 4 is hypothetical",
     .prov = PROV_RTL, .source = "pulp_soc.sv NB_HWPE_PORTS"},
    {F("ideal", FIELD_BOOL, ideal, "false"), .no_program = true,
     .doc = "operands are there when they are asked for: transfers take no time (hypothetical)"},
    {0},
};
#undef F
static const struct section section = {"tcdm", "interleaved L2 and its crossbar", sizeof(struct tcdm_cfg),
                                       fields, NULL};

struct tcdm {
    struct xbar xbar;
    struct hci hci;
    struct event tick;
    bool others;     /* other masters make traffic */
    uint64_t ran_at; /* cycle of the last arbitration */
    uint32_t refused; /* cycles in a row in which the accelerator asked in vain */
};
enum { STARVED = 1 << 20 }; /* cycles: whoever waits so long waits for ever */

enum { C_HWPE, C_UDMA, C_CONFLICT, C_BUSY };

struct demand { /* of one cycle, or what of it was granted; masks */
    uint32_t hwpe, udma, traffic;
};

struct where_to {
    uint8_t hwpe[MAX_PORTS], udma[N_UDMA], traffic[32];
};

/* Lone requests: each is granted, and its bank prefers its master (xbar_next). */
static struct demand grant_all(struct machine *m, const struct demand *d, const struct where_to *bank)
{
    uint8_t *rr = m->tcdm->xbar.rr;
    unsigned first = FIRST_HWPE + (unsigned)m->tcdm_cfg->hwpe_ports - 1; /* port 0 */
    for (uint32_t left = d->hwpe; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left);
        rr[bank->hwpe[p]] = (uint8_t)(first - p);
    }
    if (d->udma & 1)
        rr[bank->udma[0]] = MASTER_UDMA_TX;
    if (d->udma & 2)
        rr[bank->udma[1]] = MASTER_UDMA_RX;
    for (uint32_t left = d->traffic; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        rr[bank->traffic[i]] = (uint8_t)system_master(m, i);
    }
    return *d;
}

/* Sets of requests of the banks that are asked for; the others are not read. */
static void no_requests(uint64_t ask[], const struct bank_use *use)
{
    for (uint64_t left = use->asked; left; left &= left - 1)
        ask[__builtin_ctzll(left)] = 0;
}

static struct demand crossbar(struct machine *m, const struct demand *d, const struct where_to *bank,
                              const struct bank_use *use)
{
    if (!use->twice)
        return grant_all(m, d, bank);
    uint64_t ask[XBAR_MAX_BANKS];
    unsigned last = FIRST_HWPE + (unsigned)m->tcdm_cfg->hwpe_ports - 1; /* port 0 */
    struct demand won = {0};
    no_requests(ask, use);
    for (uint32_t left = d->hwpe; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left);
        ask[bank->hwpe[p]] |= 1ull << (last - p);
    }
    if (d->udma & 1)
        ask[bank->udma[0]] |= 1ull << MASTER_UDMA_TX;
    if (d->udma & 2)
        ask[bank->udma[1]] |= 1ull << MASTER_UDMA_RX;
    uint8_t who[FIRST_HWPE] = {0}; /* 1 + the made-up master at a system master's place */
    for (uint32_t left = d->traffic; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        unsigned at = system_master(m, i);
        ask[bank->traffic[i]] |= 1ull << at;
        who[at] = (uint8_t)(i + 1);
    }
    for (uint64_t left = use->asked; left; left &= left - 1) {
        unsigned b = (unsigned)__builtin_ctzll(left);
        unsigned w = (unsigned)xbar_grant(&m->tcdm->xbar, b, ask[b]);
        if (w >= FIRST_HWPE)
            won.hwpe |= 1u << (last - w);
        else if (who[w])
            won.traffic |= 1u << (who[w] - 1);
        else
            won.udma |= w == MASTER_UDMA_TX ? 1 : 2;
    }
    return won;
}

/* Log masters: the cores, then the uDMA as a DMA. */
static struct demand cluster(struct machine *m, const struct demand *d, const struct where_to *bank,
                             const struct bank_use *use)
{
    uint64_t ask[XBAR_MAX_BANKS];
    unsigned cores = (unsigned)m->traffic_cfg->masters;
    no_requests(ask, use);
    for (uint32_t left = d->traffic; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        ask[bank->traffic[i]] |= 1ull << i;
    }
    for (unsigned i = 0; i < N_UDMA; i++)
        if (d->udma >> i & 1)
            ask[bank->udma[i]] |= 1ull << (cores + i);
    struct hci_grants g = hci_step(&m->tcdm->hci, use->asked, ask, d->hwpe, bank->hwpe);
    return (struct demand){.hwpe = (uint32_t)g.hwpe, .udma = (uint32_t)(g.log >> cores),
                           .traffic = (uint32_t)(g.log & ((1ull << cores) - 1))};
}

/* What everybody asks for in this cycle. */
static struct demand ask(struct machine *m, struct where_to *bank, struct bank_use *use)
{
    struct demand d = {.hwpe = streamer_requests(m, bank->hwpe, use), .udma = udma_requests(m, bank->udma)};
    for (unsigned left = d.udma; left; left &= left - 1)
        bank_used(use, bank->udma[__builtin_ctz(left)]);
    if (m->tcdm->others)
        d.traffic = traffic_requests(m, bank->traffic);
    for (unsigned left = d.traffic; left; left &= left - 1)
        bank_used(use, bank->traffic[__builtin_ctz(left)]);
    return d;
}

static void arbitrate(struct machine *m)
{
    struct tcdm *t = m->tcdm;
    struct where_to bank;
    struct bank_use use = {0, 0};
    t->ran_at = m->now;
    struct demand d = ask(m, &bank, &use);
    struct demand won = m->tcdm_cfg->kind == INTERCONNECT_HCI ? cluster(m, &d, &bank, &use)
                                                              : crossbar(m, &d, &bank, &use);
    if (m->tcdm_cfg->ideal)
        won.udma = d.udma; /* streams do not even ask */
    uint64_t *n = &m->counter[m->cb.tcdm];
    uint32_t refused = (d.hwpe & ~won.hwpe) | (d.udma & ~won.udma) << MAX_PORTS;
    if (refused)
        n[C_CONFLICT] += count_bits(refused);
    n[C_BUSY] += (won.hwpe | won.udma) != 0;
    if (won.udma) {
        n[C_UDMA] += count_bits(won.udma);
        udma_grants(m, won.udma);
    }
    n[C_HWPE] += streamer_grants(m, won.hwpe, d.hwpe);
    if (t->others)
        traffic_grants(m, won.traffic, d.traffic);
    t->refused = d.hwpe && !won.hwpe ? t->refused + 1 : 0;
}

bool tcdm_starved(const struct machine *m)
{
    return m->tcdm->refused >= STARVED;
}

/* Other masters do not keep a machine alive that has nothing else to do. */
static bool alive(const struct machine *m)
{
    for (unsigned i = 0; i < m->n_events; i++)
        if (m->events[i]->queued)
            return true;
    return false;
}

/* An arbitration is to come that is not on its way yet. */
static bool asked_for(struct machine *m)
{
    uint8_t bank[N_UDMA];
    if (m->tcdm->tick.queued || tcdm_starved(m))
        return false;
    return streamer_busy(m) || udma_requests(m, bank) || (m->tcdm->others && alive(m));
}

void tcdm_wake(struct machine *m)
{
    struct tcdm *t = m->tcdm;
    if (!asked_for(m))
        return;
    uint64_t at = soc_edge(m, m->now);
    /* Requests made after this cycle's arbitration wait for the next. */
    machine_post(m, &t->tick, at == t->ran_at ? at + m->soc_ticks : at, PHASE_ARBITRATE);
}

/* As long as nothing else is due the next cycle follows at once. */
static void tick(void *self, uint64_t now)
{
    struct machine *m = self;
    for (m->now = now;;) {
        arbitrate(m);
        if (!asked_for(m))
            return;
        uint64_t next = m->now + m->soc_ticks;
        if (m->watched || !m->evq_ops->reach(m->evq, next, PHASE_ARBITRATE)) {
            machine_post(m, &m->tcdm->tick, next, PHASE_ARBITRATE);
            return;
        }
        m->now = next;
    }
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    m->tcdm = calloc(1, sizeof *m->tcdm);
    if (!m->tcdm)
        abort();
    const struct tcdm_cfg *c = m->tcdm_cfg;
    unsigned cores = (unsigned)m->traffic_cfg->masters, ports = (unsigned)c->hwpe_ports;
    xbar_init(&m->tcdm->xbar, (unsigned)c->masters, (unsigned)c->banks, false);
    if (c->kind == INTERCONNECT_HCI)
        hci_init(&m->tcdm->hci, cores + N_UDMA, (unsigned)c->banks, 1, ports);
    m->tcdm->hci.invert = c->hci.invert_prio;
    m->tcdm->hci.num = (uint8_t)c->hci.prio_num;
    m->tcdm->hci.den = (uint8_t)c->hci.prio_den;
    machine_event(m, &m->tcdm->tick, tick);
    m->tcdm->others = traffic_on(m);
    if (m->tcdm->others)
        machine_post(m, &m->tcdm->tick, 0, PHASE_ARBITRATE);
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

static void state(struct machine *m, struct state_io *io)
{
    struct hci *h = &m->tcdm->hci;
    bool wide = m->tcdm_cfg->kind == INTERCONNECT_HCI;
    struct xbar *x = wide ? &h->log : &m->tcdm->xbar;
    for (unsigned b = 0; b < m->tcdm_cfg->banks; b++) {
        x->rr[b] = state_u8(io, x->rr[b]);
        if (!wide)
            continue;
        x->locked[b] = state_u64(io, x->locked[b]);
        h->stalled = (h->stalled & ~(UINT64_C(1) << b)) | (uint64_t)(x->locked[b] != 0) << b;
    }
    if (wide)
        h->count = state_u8(io, h->count);
    if (io->load)
        m->tcdm->ran_at = UINT64_MAX; /* not in this cycle */
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct tcdm_cfg *c = ARCH_CFG(a, tcdm);
    if (c->banks & (c->banks - 1))
        err_add(err, ERR_CONFIG, yaml_place(node, "banks"), "arch.tcdm.banks is %llu; legal: a power of two",
                (unsigned long long)c->banks);
    if (c->kind == INTERCONNECT_HCI && c->hwpe_ports > c->banks)
        err_add(err, ERR_CONFIG, yaml_place(node, "hwpe_ports"),
                "arch.tcdm.hwpe_ports is %llu; a wide port of so many words "
                "needs as many banks", (unsigned long long)c->hwpe_ports);
    if (c->kind == INTERCONNECT_HCI)
        arch_hypothetical(a, "arch.tcdm.kind"); /* HCI is not in PULPissimo's lock file */
    if (c->kind == INTERCONNECT_CROSSBAR && c->masters < FIRST_HWPE + c->hwpe_ports)
        err_add(err, ERR_CONFIG, yaml_place(node, "masters"),
                "arch.tcdm.masters is %llu; %llu HWPE ports need at least %llu",
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
    uint64_t sent = udma[1] / 4; /* words; the last one of a transfer may be a part */
    uint64_t writes = stream[2] + udma[3] - sent, reads = stream[0] + stream[1] + sent;
    reads += traffic_words(m); /* what others do costs energy here, too; read or write is not said */
    if (c->ideal)
        return; /* what does not exist has no price */
    struct cost_item *it = cost_add(sink, "tcdm", "sram", c->banks);
    cost_param(it, "capacity_bytes", (double)(c->bytes / c->banks));
    cost_param(it, "width_bits", 32);
    cost_count(it, "read", reads);
    cost_count(it, "write", writes);
    it->path = "access";
    it = cost_add(sink, "tcdm", "crossbar", 1);
    uint64_t branch = m->traffic_cfg->masters + N_UDMA + c->hwpe_ports;
    cost_param(it, "masters", (double)(c->kind == INTERCONNECT_HCI ? branch : c->masters));
    cost_param(it, "banks", (double)c->banks);
    cost_param(it, "data_bits", 32);
    cost_count(it, "transfer", reads + writes);
    it->path = "arbitration";
    cost_activity(m, it, ACTIVITY_TCDM);
}

const struct arch_class tcdm_class = {.name = "tcdm", .section = &section, .check = check, .init = init,
                                      .finish = finish, .state = state, .cost = cost};
