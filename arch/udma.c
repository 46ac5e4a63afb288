/* The uDMA: one linear channel a direction between L2 and the off-chip memory,
 * one running and one pending transfer each, a word FIFO in between
 * (udma_core 32bcc4f, by reading). Each direction is a master of the
 * interconnect and moves one 32-bit word an access; an unaligned start costs one
 * access more. */
#include "arch/result.h"
#include "arch/udma.h"
#include "base/num.h"

#include <assert.h>
#include <stdlib.h>

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct udma_cfg, m), .def = d
static const struct field fields[] = {
    {F("fifo_words", FIELD_U64, fifo_words, "4"), .no_program = true, .min = 1, .max = 64, .unit = "words",
     .doc = "FIFO between channel and L2", .prov = PROV_RTL, .source = "udma_core: FIFO depth 4"},
    {F("max_transfer_bytes", FIELD_BYTES, max_transfer_bytes, "1 MiB"), .min = 64, .max = 1 << 21,
     .doc = "largest transfer", .prov = PROV_RTL, .source = "udma_cfg_pkg.sv: TRANS_SIZE 20 bit"},
    {F("pending", FIELD_U64, pending, "1"), .no_program = true, .max = 3, .unit = "transfers",
     .doc = "transfers that may wait behind the running one", .prov = PROV_RTL,
     .source = "udma_core: 1 running + 1 pending per channel"},
    {F("cfg_stores", FIELD_U64, cfg_stores, "5"), .no_program = true, .min = 3, .max = 16, .unit = "stores",
     .doc = "register writes to program one transfer", .prov = PROV_RTL,
     .source = "SADDR, SIZE, CFG, HYPER_ADDR, HYPER_CFG: udma_hyper bd41ed1, by reading"},
    {0},
};
#undef F
static const struct section section = {"udma", "uDMA channels to the off-chip memory",
                                       sizeof(struct udma_cfg), fields, NULL};

struct transfer *channel_head(struct channel *c)
{
    return &c->q[c->head];
}

bool udma_room(const struct machine *m, bool tx)
{
    const struct udma_cfg *cfg = m->udma_cfg;
    return m->udma->ch[tx ? 0 : 1].n <= cfg->pending;
}

bool udma_busy(const struct machine *m)
{
    return m->udma->ch[0].n || m->udma->ch[1].n;
}

static void begin(struct machine *m, unsigned i)
{
    struct channel *c = &m->udma->ch[i];
    const struct transfer *t = channel_head(c);
    fold_set_left(m, LEFT_EXT + i);
    fold_set_left(m, LEFT_L2 + i);
    c->ext_left = t->bytes;
    c->l2_left = t->bytes;
    c->l2_addr = (uint64_t)t->l2;
    c->fifo_bytes = 0;
}

enum { C_RX_BYTES, C_TX_BYTES, C_TRANSFERS, C_WORDS };

void udma_count(struct machine *m, uint64_t bytes, bool rx, uint64_t bursts)
{
    m->counter[m->cb.udma + (rx ? C_RX_BYTES : C_TX_BYTES)] += bytes;
    m->counter[m->cb.udma + C_TRANSFERS]++;
    m->counter[m->cb.udma + C_WORDS] += (bytes + 3) / 4;
    hyperram_count(m, bytes, rx, bursts);
}

void udma_append(struct machine *m, const struct cmd *cmd, int64_t l2, int64_t ext)
{
    unsigned i = cmd->op == OP_UDMA_TX ? 0 : 1;
    struct channel *c = &m->udma->ch[i];
    assert(c->n < 4);
    c->q[(c->head + c->n) % 4] = (struct transfer){cmd, l2, ext, cmd->row_bytes};
    if (c->n++ == 0)
        begin(m, i);
}

void udma_enqueue(struct machine *m, const struct cmd *cmd, int64_t l2, int64_t ext)
{
    unsigned i = cmd->op == OP_UDMA_TX ? 0 : 1;
    uint64_t bytes = cmd->row_bytes;
    fold_saw_transfer(m, l2, ext);
    m->counter[m->cb.udma + (i ? C_RX_BYTES : C_TX_BYTES)] += bytes;
    m->counter[m->cb.udma + C_TRANSFERS]++;
    m->traffic[cmd->tensor][i ? 2 : 3] += bytes;
    udma_append(m, cmd, l2, ext);
    hyperram_kick(m);
    tcdm_wake(m);
}

/* Bytes that the next L2 access carries: up to the end of its word. */
static uint64_t beat(struct machine *m, unsigned i)
{
    const struct channel *c = &m->udma->ch[i];
    uint64_t n = 4 - (c->l2_addr & 3);
    return left_at_least(m, LEFT_L2 + i, c->l2_left, n) ? n : c->l2_left;
}

static void advance(struct machine *m, unsigned i)
{
    struct channel *c = &m->udma->ch[i];
    uint64_t n = beat(m, i);
    c->l2_left -= n;
    c->l2_addr += n;
}

uint32_t udma_requests(struct machine *m, uint8_t *bank)
{
    struct udma *u = m->udma;
    const struct udma_cfg *cfg = m->udma_cfg;
    uint32_t mask = 0;
    struct channel *tx = &u->ch[0], *rx = &u->ch[1];
    if (!tx->n && !rx->n)
        return 0;
    uint64_t banks = m->tcdm_cfg->banks;
    /* Bytes of an unfinished word wait in the channel's aligner, not in the FIFO. */
    bool room = tx->fifo_bytes / 4 < cfg->fifo_words;
    if (tx->n && room && left_at_least(m, LEFT_L2, tx->l2_left, 1)) {
        bank[0] = (uint8_t)(tx->l2_addr >> 2 & (banks - 1));
        mask |= 1;
    }
    if (rx->n && rx->fifo_bytes && rx->fifo_bytes >= beat(m, 1)) {
        bank[1] = (uint8_t)(rx->l2_addr >> 2 & (banks - 1));
        mask |= 2;
    }
    return mask;
}

void udma_next_transfer(struct machine *m, unsigned i)
{
    struct channel *c = &m->udma->ch[i];
    c->head = (c->head + 1) % 4;
    if (--c->n)
        begin(m, i);
}

void udma_finish_transfer(struct machine *m, unsigned i)
{
    const struct cmd *c = channel_head(&m->udma->ch[i])->c;
    uint16_t token = c->token, token2 = c->token2;
    fold_saw_transfer_end(m, i);
    udma_next_transfer(m, i);
    token_post(m, token, 1);
    if (token2 != TOKEN_NONE)
        token_post(m, token2, 1);
    hyperram_kick(m);
    tcdm_wake(m); /* the next transfer may want to read */
    host_try(m);
}

void udma_grants(struct machine *m, uint32_t granted)
{
    struct udma *u = m->udma;
    m->counter[m->cb.udma + C_WORDS] += count_bits(granted);
    if (granted & 1) {
        u->ch[0].fifo_bytes += beat(m, 0);
        advance(m, 0);
        hyperram_kick(m);
    }
    if (!(granted & 2))
        return;
    struct channel *rx = &u->ch[1];
    rx->fifo_bytes -= beat(m, 1);
    advance(m, 1);
    hyperram_kick(m);
    /* The completion event belongs to the next cycle, when the write is done. */
    if (!left_at_least(m, LEFT_L2 + 1, rx->l2_left, 1)) {
        acct_sync(m);
        udma_finish_transfer(m, 1);
    }
}

void udma_create(struct machine *m)
{
    if (m->udma)
        return;
    m->udma = calloc(1, sizeof *m->udma);
    if (!m->udma)
        abort();
    m->udma->dir = -1;
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    udma_create(m);
    m->cb.udma = counter_add(m, "udma", "rx_byte", "byte");
    counter_add(m, "udma", "tx_byte", "byte");
    counter_add(m, "udma", "transfer", "transfer");
    counter_add(m, "udma", "word", "word");
    return true;
}

static void finish(struct machine *m)
{
    free(m->udma);
}

/* What is left of the running transfers is not part of it: fold.c watches where it matters. */
static void state(struct machine *m, struct state_io *io)
{
    uint64_t line = 4 * m->tcdm_cfg->banks, page = m->hyperram_cfg->burst_bytes;
    for (unsigned i = 0; i < 2; i++) {
        struct channel *c = &m->udma->ch[i];
        c->n = state_u8(io, c->n);
        if (!c->n)
            continue;
        c->fifo_bytes = state_u16(io, c->fifo_bytes);
        c->l2_addr = state_u16(io, c->l2_addr % line);
        for (unsigned k = 1; k < c->n; k++) {
            const struct transfer *t = &c->q[(c->head + k) % 4];
            state_u32(io, t->c->token | (unsigned)t->c->token2 << 16);
            state_u32(io, t->bytes);
            state_u16(io, (uint64_t)t->l2 % line);
            state_u32(io, (uint64_t)t->ext % page);
        }
    }
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct udma_cfg *c = ARCH_CFG(a, udma);
    if (c->max_transfer_bytes > 1 << 20)
        arch_hypothetical(a, "arch.udma.max_transfer_bytes");
    if (c->pending > 1)
        arch_hypothetical(a, "arch.udma.pending");
    (void)node;
    (void)err;
    return true;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    struct cost_item *it = cost_add(sink, "udma", "udma", 1);
    cost_param(it, "channels", 13); /* 7 TX, 6 RX linear channels: udma_cfg_pkg.sv */
    it->path = "stage";
    cost_count(it, "word", m->counter[m->cb.udma + C_WORDS]);
}

const struct arch_class udma_class = {.name = "udma", .section = &section, .check = check, .init = init,
                                      .finish = finish, .state = state, .cost = cost};
