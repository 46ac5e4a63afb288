/* The units' relative state: slots, queues, results under way. */
#include "arch/fold.h"

struct context {
    const struct cmd *cmds;
    const struct command_name *names;
    uint64_t allocs[N_RINGS + 1]; /* of each ring, and of none */
    uint32_t line; /* bytes; an address matters modulo them */
};

/* Of an allocation matters how many came after it. */
STATE_BODY uint64_t alloc_state(const struct context *x, uint8_t ring, uint64_t alloc, struct state_io *io)
{
    uint64_t age = state_u8(io, x->allocs[ring] - alloc);
    return io->load ? x->allocs[ring] - age : alloc;
}

/* Its place in the program; of equal commands it may become another. */
STATE_BODY uint32_t command_state(const struct machine *m, const struct context *x, uint32_t pc,
                                  struct state_io *io)
{
    uint32_t name = state_u32(io, io->load ? 0 : x->names[pc].name);
    return io->load ? fold_named(m, name) : pc;
}

STATE_BODY void issued_state(const struct machine *m, const struct context *x, struct issued *is,
                             struct state_io *io)
{
    is->pc = command_state(m, x, is->pc, io);
    if (io->load)
        is->c = &x->cmds[is->pc];
    struct command_name c = x->names[is->pc];
    is->rows = state_u32(io, is->rows);
    is->addr = state_u16(io, (uint64_t)is->addr & (x->line - 1));
    is->src = alloc_state(x, c.src, is->src, io);
    is->src2 = alloc_state(x, c.src2, is->src2, io);
    is->set = alloc_state(x, c.set, is->set, io);
    is->dst = alloc_state(x, c.dst, is->dst, io);
}

STATE_BODY void commit_state(const struct machine *m, const struct context *x, struct commit *k,
                             struct state_io *io)
{
    k->at = state_time(io, m->now, k->at);
    uint32_t pc = command_state(m, x, io->load ? 0 : (uint32_t)(k->c - x->cmds), io);
    k->c = &x->cmds[pc];
    k->dst = alloc_state(x, x->names[pc].dst, k->dst, io);
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

STATE_BODY void units_state(struct machine *m, struct state_io *io)
{
    struct context x = {.cmds = m->prog->cmds[THREAD_ACCEL], .names = fold_commands(m),
                        .line = 4 * m->tcdm_cfg->banks};
    for (unsigned r = 0; r < N_RINGS; r++) {
        ring_state(&m->ring[r], io);
        x.allocs[r] = m->ring[r].allocs;
    }
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
            issued_state(m, &x, &u->q[(u->head + k) % QUEUE_MAX], io);
        for (unsigned k = 0; k < u->n_commits; k++)
            commit_state(m, &x, &u->commits[(u->commit_head + k) % N_COMMITS], io);
    }
    m->n_order = state_u8(io, m->n_order);
    state_bytes(io, m->order, m->n_order);
}

void unit_state(struct machine *m, struct state_io *io)
{
    STATE_EITHER_WAY(units_state, m, io);
}
