/* The units' relative state: slots, queues, results under way. */
#include "arch/fold.h"

/* Of an allocation matters how many came after it. */
STATE_BODY uint64_t alloc_state(const struct machine *m, const struct slot_use *s, uint64_t alloc,
                                struct state_io *io)
{
    uint64_t all = s->ring == RING_NONE ? 0 : m->ring[s->ring].allocs;
    uint64_t age = state_u8(io, s->ring == RING_NONE ? 0 : all - alloc);
    return io->load ? all - age : alloc;
}

/* Its place in the program; of equal commands it may become another. */
STATE_BODY uint32_t command_state(const struct machine *m, const uint32_t *names, uint32_t pc,
                                  struct state_io *io)
{
    uint32_t name = state_u32(io, io->load ? 0 : names[pc]);
    return io->load ? fold_named(m, name) : pc;
}

STATE_BODY void issued_state(const struct machine *m, const uint32_t *names, struct issued *is,
                             struct state_io *io)
{
    uint32_t bytes = 4 * m->tcdm_cfg->banks;
    is->pc = command_state(m, names, is->pc, io);
    if (io->load)
        is->c = &m->prog->cmds[THREAD_ACCEL][is->pc];
    is->rows = state_u32(io, is->rows);
    is->addr = state_u16(io, (uint64_t)is->addr & (bytes - 1));
    is->src = alloc_state(m, &is->c->src, is->src, io);
    is->src2 = alloc_state(m, &is->c->src2, is->src2, io);
    is->set = alloc_state(m, &is->c->set, is->set, io);
    is->dst = alloc_state(m, &is->c->dst, is->dst, io);
}

STATE_BODY void commit_state(const struct machine *m, const uint32_t *names, struct commit *k,
                             struct state_io *io)
{
    const struct cmd *cmds = m->prog->cmds[THREAD_ACCEL];
    k->at = state_time(io, m->now, k->at);
    k->c = &cmds[command_state(m, names, io->load ? 0 : (uint32_t)(k->c - cmds), io)];
    k->dst = alloc_state(m, &k->c->dst, k->dst, io);
}

/* Slots are alike: they are told apart by who gets them next, not by place. */
STATE_BODY void ring_state(struct ring *r, struct state_io *io)
{
    if (io->load) /* any number will do that slot 0 is next at */
        r->allocs = r->n_slots << 32;
    uint64_t round = r->allocs / r->n_slots, next = r->allocs % r->n_slots;
    for (uint64_t k = 0; k < r->n_slots; k++) {
        struct slot *s = &r->slot[next];
        s->lifetimes = round - state_u8(io, round - s->lifetimes);
        s->stage = state_u8(io, s->stage);
        next = next + 1 < r->n_slots ? next + 1 : 0;
        round += !next;
    }
}

/* Which command is older is all that matters of their numbers: whose queues they are in, by age. */
STATE_BODY void order_state(struct machine *m, struct state_io *io)
{
    uint64_t seq[N_UNITS]; /* of the oldest one that a queue has left; saving */
    unsigned at[N_UNITS], n = 0;
    for (unsigned i = 0; i < N_UNITS; i++) {
        const struct hw_unit *u = &m->unit[i];
        seq[i] = u->n ? u->q[u->head].seq : UINT64_MAX;
        at[i] = 0;
        n += u->n;
    }
    for (unsigned number = 0; number < n; number++) {
        unsigned oldest = 0;
        for (unsigned i = 1; i < N_UNITS && !io->load; i++)
            oldest = seq[i] < seq[oldest] ? i : oldest;
        oldest = state_u8(io, oldest);
        struct hw_unit *u = &m->unit[oldest];
        if (io->load)
            u->q[(u->head + at[oldest]++) % QUEUE_MAX].seq = number;
        else
            seq[oldest] = ++at[oldest] < u->n ? u->q[(u->head + at[oldest]) % QUEUE_MAX].seq : UINT64_MAX;
    }
    if (io->load)
        m->next_seq = n;
}

STATE_BODY void units_state(struct machine *m, struct state_io *io)
{
    const uint32_t *names = fold_commands(m);
    for (unsigned r = 0; r < N_RINGS; r++)
        ring_state(&m->ring[r], io);
    for (unsigned i = 0; i < N_UNITS; i++) {
        struct hw_unit *u = &m->unit[i];
        uint32_t head = state_u32(io, u->n | (unsigned)u->busy << 8 | (unsigned)u->active << 9 |
                                          (unsigned)(u->blocked + 1) << 10 | u->n_commits << 16);
        u->n = head & 255;
        u->busy = head >> 8 & 1;
        u->active = head >> 9 & 1;
        u->blocked = (int)(head >> 10 & 63) - 1;
        u->n_commits = head >> 16;
        u->drain_until = state_time(io, m->now, u->drain_until);
        for (unsigned k = 0; k < u->n; k++)
            issued_state(m, names, &u->q[(u->head + k) % QUEUE_MAX], io);
        for (unsigned k = 0; k < u->n_commits; k++)
            commit_state(m, names, &u->commits[(u->commit_head + k) % N_COMMITS], io);
    }
    order_state(m, io);
}

void unit_state(struct machine *m, struct state_io *io)
{
    STATE_EITHER_WAY(units_state, m, io);
}
