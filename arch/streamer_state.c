/* The streamer's relative state. */
#include "arch/streamer.h"

/* Of an address matter the bank and how many words a wide port moves with it. */
static uint32_t address_state(const struct streamer *st, uint32_t addr, struct state_io *io)
{
    uint32_t bank = state_u8(io, addr >> 2 & st->bank_mask);
    uint32_t words = st->lanes < st->ports ? state_u8(io, addr >> WORDS_SHIFT) : 0;
    return bank << 2 | words << WORDS_SHIFT;
}

static void fifos_state(const struct streamer *st, struct hwpe_fifos *f, unsigned depth, struct state_io *io)
{
    static const uint32_t none[HWPE_MAX_PORTS];
    if (io->load)
        hwpe_fifos_clear(f);
    for (unsigned p = 0; p < st->lanes; p++) {
        unsigned n = state_u8(io, hwpe_fifo_count(f, depth, p));
        for (unsigned i = 0; io->load && i < n; i++)
            hwpe_fifo_push(f, (1u << st->lanes) - 1, depth, 1u << p, none); /* room; the addresses follow */
        for (unsigned i = 0; i < n; i++) {
            uint32_t *addr = hwpe_fifo_entry(f, p, i);
            *addr = address_state(st, *addr, io);
        }
    }
}

/* Words of all ports' FIFOs: levels from the first to the last that a port reaches. */
static void fill_state(struct hwpe_fill *f, unsigned depth, struct state_io *io)
{
    for (unsigned w = 0; w * 4 < depth; w++)
        f->more[w] = state_u64(io, f->more[w]);
}

/* Words of loads that are on their way. */
static void lanes_state(const struct streamer *st, struct stream *s, struct state_io *io)
{
    struct hwpe_load *l = &s->load;
    l->joined = state_u16(io, l->joined);
    l->answered = state_u16(io, l->answered);
    l->late_in = state_u16(io, l->late_in);
    l->late_out = state_u16(io, l->late_out);
    l->packets = state_u8(io, l->packets);
    fill_state(&l->data, l->depth, io);
    unsigned n = state_u8(io, (unsigned)(s->flying - s->joining) % MAX_FLYING);
    s->flying = (uint8_t)((s->joining + n) % MAX_FLYING);
    for (unsigned k = 0; k < n; k++) {
        uint16_t *need = &s->flying_need[(s->joining + k) % MAX_FLYING];
        *need = state_u16(io, *need);
    }
    fifos_state(st, &l->fifo, l->depth, io);
}

/* The command in work: where its generator is, the packet on offer. How much of
 * lines and planes is left is not part of it (fold.h). */
static void command_state(struct machine *m, unsigned i, struct state_io *io)
{
    const struct streamer *st = m->streamer;
    struct stream *s = &m->streamer->s[i];
    uint32_t line = 4 * st->bank_mask + 3;
    if (io->load) {
        s->c = unit_head(&m->unit[stream_unit[i]])->c;
        s->strided = stream_strided(m, s->c);
    }
    s->work_at = state_time(io, m->now, s->work_at);
    s->line_at = state_u16(io, (uint64_t)s->line_at & line);
    s->pos = state_u16(io, s->pos & (s->strided ? line : st->bank_mask));
    if (s->strided || s->c->planes > 1) {
        s->plane_at = state_u16(io, (uint64_t)s->plane_at & line);
        s->plane = state_u32(io, s->plane);
    }
    s->need = state_u16(io, s->need);
    s->generated = state_u8(io, s->generated);
    for (unsigned left = s->need; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left);
        s->addr[p] = address_state(st, s->addr[p], io);
    }
}

static void quiet(struct stream *s)
{
    uint16_t sent = s->load.sent;
    hwpe_load_init(&s->load, s->load.n_ports, s->load.depth);
    s->load.sent = sent;
    s->flying = s->joining = 0;
}

static void stream_state(struct machine *m, unsigned i, struct state_io *io)
{
    struct streamer *st = m->streamer;
    struct stream *s = &m->streamer->s[i];
    bool busy = s->c, on = st->active >> i & 1;
    uint8_t head = state_u8(io, busy | (unsigned)on << 1);
    busy = head & 1;
    on = head >> 1 & 1;
    st->active = (uint8_t)((st->active & ~(1u << i)) | (unsigned)on << i);
    s->wait = state_u8(io, s->wait);
    s->load.sent = state_u16(io, s->load.sent);
    /* Whether a command that starts then follows without a gap. */
    uint64_t since = state_time(io, m->now, s->idle_since);
    if (io->load)
        s->idle_since = since > m->now ? since : 0;
    if (io->load && !busy) {
        s->c = NULL;
        s->need = 0;
    }
    if (busy)
        command_state(m, i, io);
    if (i == STORE && on)
        fifos_state(st, &s->store.fifo, s->store.depth, io);
    else if (i == STORE && io->load)
        hwpe_fifos_clear(&s->store.fifo);
    else if (on)
        lanes_state(st, s, io);
    else if (io->load)
        quiet(s);
}

/* Whose turn it is at each port, and whom requests belong to that were refused. */
static void turns_state(struct streamer *st, struct state_io *io)
{
    unsigned all = (1u << st->lanes) - 1;
    st->held = state_u16(io, st->held);
    for (unsigned i = 1; i < N_STREAMS; i++) {
        st->prefers[i] = state_u16(io, st->prefers[i]);
        st->asks[i] = state_u16(io, st->asks[i] & st->held);
    }
    st->prefers[0] = (uint16_t)(all & ~(st->prefers[1] | st->prefers[2]));
    st->asks[0] = (uint16_t)(st->held & ~(st->asks[1] | st->asks[2]));
}

void streamer_state(struct machine *m, struct state_io *io)
{
    turns_state(m->streamer, io);
    for (unsigned i = 0; i < N_STREAMS; i++)
        stream_state(m, i, io);
}
