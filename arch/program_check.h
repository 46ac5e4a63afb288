/* What a program may not do; command by command while it is emitted, or all at once. */
#ifndef ARCH_PROGRAM_CHECK_H
#define ARCH_PROGRAM_CHECK_H

#include "arch/arch.h"
#include "arch/program.h"

struct loop_span { /* of the indices of the loops that are open */
    int64_t most[PROG_MAX_DEPTH];
    unsigned depth;
};

/* Smallest and largest value of an affine expression over the open loops. */
static inline void affine_range(const struct affine *a, const struct loop_span *s, int64_t *lo, int64_t *hi)
{
    *lo = *hi = a->c;
    for (unsigned d = 0; d < s->depth; d++) {
        int64_t end = a->k[d] * s->most[d];
        *(end < 0 ? lo : hi) += end;
    }
}

static inline void loop_open(struct loop_span *s, const struct affine *trips)
{
    int64_t lo, hi;
    affine_range(trips, s, &lo, &hi);
    s->most[s->depth++] = hi > 0 ? hi - 1 : 0;
}

static inline bool cmd_touches_l2(const struct cmd *c)
{
    switch (c->op) {
    case OP_LOAD: case OP_STORE: case OP_RET_LOAD: case OP_RET_SAVE: case OP_UDMA_RX: case OP_UDMA_TX:
    case OP_TAKE:
        return true;
    case OP_LDW:
        return !c->from_state;
    default:
        return false;
    }
}

/* First byte and the one after the last. */
static inline void cmd_touched(const struct program *p, const struct loop_span *s, const struct cmd *c,
                               int64_t *lo, int64_t *hi)
{
    affine_range(&c->addr, s, lo, hi);
    *hi += (int64_t)(c->rows - 1) * c->row_stride + (int64_t)(c->planes - 1) * c->plane_stride + c->row_bytes;
    if (c->l2ring != L2RING_NONE)
        *hi += (int64_t)((p->l2rings[c->l2ring].parts - 1) * p->l2rings[c->l2ring].stride);
}

static inline bool bytes_in_l2(uint64_t l2_bytes, int64_t lo, int64_t hi)
{
    return lo >= 0 && hi <= (int64_t)l2_bytes;
}

/* A part of a ring has its own bytes: another one may be in use. */
static inline bool bytes_in_part(const struct program *p, const struct cmd *c, int64_t lo, int64_t hi)
{
    if (c->l2ring == L2RING_NONE || !cmd_touches_l2(c))
        return true;
    const struct l2ring *r = &p->l2rings[c->l2ring];
    return lo >= (int64_t)r->base && hi <= (int64_t)(r->base + r->parts * r->stride);
}

static inline bool cmd_in_slot(const struct program *p, const struct cmd *c)
{
    return c->op != OP_LOAD || (uint64_t)c->rows * c->row_bytes <= p->slot_bytes[c->dst.ring];
}

/* The rule of program_check for one command, where the interleaved memory has so many bytes. */
static inline bool cmd_stays_inside(const struct program *p, uint64_t l2_bytes, const struct loop_span *s,
                                    const struct cmd *c)
{
    int64_t lo = 0, hi = 0;
    if (cmd_touches_l2(c))
        cmd_touched(p, s, c, &lo, &hi);
    return bytes_in_l2(l2_bytes, lo, hi) && bytes_in_part(p, c, lo, hi) && cmd_in_slot(p, c);
}

#endif
