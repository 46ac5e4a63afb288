/* HyperRAM behind the uDMA's HyperBus peripheral, half duplex. A burst of n
 * bytes takes fixed + command + latency x (1 + extra) + n / bytes_per_clk +
 * recovery PHY clocks (udma_hyper bd41ed1, by reading); bursts end at
 * `burst_bytes` boundaries and when CS# has been low for max_cs clocks. When a
 * FIFO is full or empty the PHY clock stops. */
#include "arch/result.h"
#include "arch/udma.h"

#include "base/num.h"

static const char *const kind_names[] = {"hyperram", "none", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct hyperram_cfg, m), .def = d
static const struct field fields[] = {
    {F("kind", FIELD_ENUM, kind, "hyperram"), .names = kind_names, .doc = "off-chip memory"},
    {F("bytes", FIELD_BYTES, bytes, "8 MiB"), .min = 1024, .max = 1ull << 40, .doc = "off-chip capacity",
     .prov = PROV_DATASHEET, .source = "S27KS0641: 64 Mbit (data sheet 001-97964)"},
    {F("phy_div", FIELD_U64, phy_div, "2"), .no_program = true,
     .min = 1, .max = 16, .doc = "peripheral clocks of one PHY clock",
     .prov = PROV_RTL, .source = "udma_hyper clk_gen_hyper divides by two"},
    {F("bytes_per_phy_clk", FIELD_U64, bytes_per_phy_clk, "2"), .no_program = true,
     .min = 1, .max = 64, .unit = "bytes",
     .doc = "payload of a PHY clock (8 bit DDR = 2)", .prov = PROV_RTL, .source = "udma_hyper: 8-bit DDR"},
    {F("command_clks", FIELD_U64, command_clks, "3"), .no_program = true,
     .max = 64, .unit = "PHY clocks", .doc = "command words",
     .prov = PROV_RTL, .source = "udma_hyper: 3 CA words"},
    {F("latency_clks", FIELD_U64, latency_clks, "6"), .no_program = true, .max = 64, .unit = "PHY clocks",
     .doc = "access latency", .prov = PROV_RTL, .source = "udma_hyper default"},
    {F("extra_latency", FIELD_U64, extra_latency, "1"), .no_program = true,
     .max = 1, .doc = "1: latency is paid twice",
     .prov = PROV_RTL, .source = "udma_hyper default: enabled"},
    {F("recovery_clks", FIELD_U64, recovery_clks, "6"), .no_program = true, .max = 64, .unit = "PHY clocks",
     .doc = "read-write recovery", .prov = PROV_RTL, .source = "udma_hyper default"},
    {F("fixed_clks", FIELD_U64, fixed_clks, "2"), .no_program = true, .max = 64, .unit = "PHY clocks",
     .doc = "controller overhead of a burst", .prov = PROV_ESTIMATE,
     .source = "udma_hyper bd41ed1: states of the controller, about 2; not measured"},
    {F("max_cs_clks", FIELD_U64, max_cs_clks, "665"), .no_program = true,
     .min = 16, .max = 65535, .unit = "PHY clocks",
     .doc = "longest burst: CS# low", .prov = PROV_RTL, .source = "udma_hyper default"},
    {F("burst_bytes", FIELD_BYTES, burst_bytes, "512 B"), .min = 16, .max = 1 << 20,
     .doc = "bursts do not cross multiples of this", .prov = PROV_RTL,
     .source = "udma_hyper splits at page boundaries (128, 256, ... B)"},
    {0},
};
#undef F
static const struct section section = {"hyperram", "off-chip memory", sizeof(struct hyperram_cfg), fields,
                                       NULL};

static uint64_t clk_ticks(const struct machine *m)
{
    return m->hyperram_cfg->phy_div * m->periph_ticks;
}

static uint64_t overhead_clks(const struct hyperram_cfg *h)
{
    return h->fixed_clks + h->command_clks + h->latency_clks * (1 + h->extra_latency);
}

uint64_t hyperram_burst_ticks(const struct machine *m, uint64_t bytes)
{
    const struct hyperram_cfg *h = m->hyperram_cfg;
    uint64_t data = div_up(bytes, h->bytes_per_phy_clk);
    return (overhead_clks(h) + data + h->recovery_clks) * clk_ticks(m);
}

enum { C_READ, C_WRITE, C_BURSTS, C_CLKS };

void hyperram_count(struct machine *m, uint64_t bytes, bool rx, uint64_t bursts)
{
    const struct hyperram_cfg *h = m->hyperram_cfg;
    uint64_t *n = &m->counter[m->cb.hyperram];
    n[C_BURSTS] += bursts;
    n[rx ? C_READ : C_WRITE] += bytes;
    n[C_CLKS] += bursts * overhead_clks(h) + div_up(bytes, h->bytes_per_phy_clk);
}

/* Up to the end of the page or what chip select allows, if that much is left. */
static uint64_t burst_limit(const struct hyperram_cfg *h, uint64_t ext)
{
    uint64_t page = h->burst_bytes - ext % h->burst_bytes;
    uint64_t data_clks = h->max_cs_clks > overhead_clks(h) ? h->max_cs_clks - overhead_clks(h) : 1;
    uint64_t most = data_clks * h->bytes_per_phy_clk / 4 * 4;
    return page < most || !most ? page : most;
}

static void arm(struct machine *m, uint64_t clks)
{
    /* Clocks of the PHY are counted from the peripheral clock's edges. */
    uint64_t base = round_up(m->now, m->periph_ticks);
    machine_post(m, &m->udma->tick, base + clks * clk_ticks(m), PHASE_DELIVER);
}

static bool start_burst(struct machine *m)
{
    struct udma *u = m->udma;
    const struct hyperram_cfg *h = m->hyperram_cfg;
    for (unsigned k = 0; k < 2; k++) {
        unsigned i = (unsigned)(u->last + 1 + (int)k) & 1;
        struct channel *c = &u->ch[i];
        if (!c->n || !left_at_least(m, LEFT_EXT + i, c->ext_left, 1))
            continue;
        const struct transfer *t = channel_head(c);
        uint64_t limit = burst_limit(h, (uint64_t)t->ext + t->bytes - c->ext_left);
        fold_saw_burst(m, i);
        u->burst_left = left_at_least(m, LEFT_EXT + i, c->ext_left, limit) ? limit : c->ext_left;
        u->dir = (int)i;
        u->last = (int)i;
        m->counter[m->cb.hyperram + C_BURSTS]++;
        m->counter[m->cb.hyperram + (i ? C_READ : C_WRITE)] += u->burst_left;
        uint64_t data = div_up(u->burst_left, h->bytes_per_phy_clk);
        m->counter[m->cb.hyperram + C_CLKS] += overhead_clks(h) + data;
        arm(m, overhead_clks(h));
        return true;
    }
    u->dir = -1;
    return false;
}

/* One word between PHY and FIFO; false when the FIFO is not ready. */
static bool move_word(struct machine *m, uint64_t bytes)
{
    struct udma *u = m->udma;
    struct channel *c = &u->ch[u->dir];
    if (u->dir == 1) {
        /* The dual-clock FIFO of 8 sits in front of the channel's own. */
        if (c->fifo_bytes + bytes > 4 * (m->udma_cfg->fifo_words + 8))
            return false;
        c->fifo_bytes += bytes;
    } else {
        if (c->fifo_bytes < bytes)
            return false;
        c->fifo_bytes -= bytes;
    }
    c->ext_left -= bytes;
    u->burst_left -= bytes;
    tcdm_wake(m);
    return true;
}

static void tick(void *self, uint64_t now)
{
    struct machine *m = self;
    struct udma *u = m->udma;
    m->now = now;
    const struct hyperram_cfg *h = m->hyperram_cfg;
    if (u->dir < 0 || u->in_recovery) {
        u->in_recovery = false;
        start_burst(m);
        return;
    }
    uint64_t bytes = left_at_least(m, LEFT_BURST, u->burst_left, 4) ? 4 : u->burst_left;
    if (!move_word(m, bytes)) {
        u->stopped = true; /* until the FIFO moves */
        return;
    }
    uint64_t clks = div_up(4, h->bytes_per_phy_clk);
    if (left_at_least(m, LEFT_BURST, u->burst_left, 1)) {
        arm(m, clks);
        return;
    }
    struct channel *c = &u->ch[u->dir];
    u->in_recovery = true;
    bool sent = u->dir == 0 && !left_at_least(m, LEFT_EXT, c->ext_left, 1);
    arm(m, clks + h->recovery_clks);
    if (sent) {
        acct_sync(m);
        udma_finish_transfer(m, 0);
    }
}

void hyperram_kick(struct machine *m)
{
    struct udma *u = m->udma;
    if (u->stopped) {
        u->stopped = false;
        arm(m, 1);
    } else if (u->dir < 0 && !u->tick.queued)
        start_burst(m);
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    udma_create(m);
    machine_event(m, &m->udma->tick, tick);
    m->udma->last = 0;
    m->cb.hyperram = counter_add(m, "hyperram", "read_byte", "byte");
    counter_add(m, "hyperram", "write_byte", "byte");
    counter_add(m, "hyperram", "command", "burst");
    counter_add(m, "hyperram", "active", "PHY clock");
    return true;
}

static void state(struct machine *m, struct state_io *io)
{
    struct udma *u = m->udma;
    uint8_t v = state_u8(io, (unsigned)(u->dir + 1) | (unsigned)u->last << 2 | (unsigned)u->in_recovery << 3 |
                                 (unsigned)u->stopped << 4);
    u->dir = (v & 3) - 1;
    u->last = v >> 2 & 1;
    u->in_recovery = v >> 3 & 1;
    u->stopped = v >> 4 & 1;
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct hyperram_cfg *h = ARCH_CFG(a, hyperram);
    if (h->burst_bytes % 4)
        return err_add(err, ERR_CONFIG, yaml_place(node, "burst_bytes"), "arch.hyperram.burst_bytes is %llu; "
                       "legal: a multiple of 4", (unsigned long long)h->burst_bytes);
    /* 32 MiB is the largest HyperRAM whose address the peripheral drives in one chip select. */
    if (h->bytes > 64ull << 20)
        arch_hypothetical(a, "arch.hyperram.bytes");
    if (h->bytes_per_phy_clk > 2)
        arch_hypothetical(a, "arch.hyperram.bytes_per_phy_clk");
    return true;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const uint64_t *n = &m->counter[m->cb.hyperram];
    if (m->hyperram_cfg->kind == OFFCHIP_NONE)
        return;
    /* The two ends of the link: on the chip, and the device. */
    for (unsigned end = 0; end < 2; end++) {
        struct cost_item *it = cost_add(sink, "hyperram", end ? "hyperram" : "hyperram_phy", 1);
        if (end)
            cost_param(it, "capacity_bytes", (double)m->hyperram_cfg->bytes);
        cost_count(it, "read_byte", n[C_READ]);
        cost_count(it, "write_byte", n[C_WRITE]);
        cost_count(it, "command", n[C_BURSTS]);
    }
}

const struct arch_class hyperram_class = {.name = "hyperram", .section = &section, .check = check,
                                          .init = init, .state = state, .cost = cost};
