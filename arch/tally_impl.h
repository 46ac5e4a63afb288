/* What tallies are made of: shared by the file that makes them and the one that uses them. */
#ifndef ARCH_TALLY_IMPL_H
#define ARCH_TALLY_IMPL_H

#include "arch/tally.h"
#include "arch/visit.h"

/* All that cycles, words and bytes of a command depend on, packed: they are looked up by it (shapes.c). */
enum { SHAPE_WORDS = 7 };
struct shape {
    uint64_t w[SHAPE_WORDS];
};

struct cost {
    uint64_t stamp; /* of the pricing that it is good for */
    uint64_t cycles, words, bytes, bursts;
};

struct shapes {
    struct shape *shape;
    struct cost *cost;
    struct cmd cmd;   /* the shape that is being priced, as a command; the rest of it stays zero */
    uint32_t n, cap;
    uint32_t *slot;   /* open addressing: index + 1 */
    uint32_t n_slots;
    uint64_t stamp;
};

/* Of a command; with so many rows that pass. */
struct shape shape_of(const struct cmd *c, bool host, uint32_t issued_rows);
/* The same with other rows. */
struct shape shape_with_rows(struct shape k, uint32_t issued_rows);
bool shape_moves(const struct shape *k); /* words of L2 */
/* The number of a shape, which is added when it is new. */
uint32_t shapes_intern(struct shapes *s, const struct shape *k);
const struct cost *shapes_price(struct shapes *s, uint32_t i, const struct machine *m);
static inline const struct cost *shapes_cost(struct shapes *s, uint32_t i, const struct machine *m)
{
    return s->cost[i].stamp == s->stamp ? &s->cost[i] : shapes_price(s, i, m);
}

struct item {
    uint32_t shape;
    uint32_t unit; /* N_UNITS: the host */
    uint64_t n;
};

struct tally {
    struct item *items; /* of steps, one after the other */
    struct item *moves; /* of the whole program: what takes words of memory */
    uint32_t *ends;     /* of each step, in items; what the host does comes after the last */
    uint32_t n_items, n_moves, n_ends;
    uint64_t steps;     /* of the sequencer */
    struct tally_totals totals;
};

#endif
