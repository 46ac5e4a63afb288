/* What tallies are made of: shared by the file that makes them and the one that uses them. */
#ifndef ARCH_TALLY_IMPL_H
#define ARCH_TALLY_IMPL_H

#include "arch/tally.h"
#include "arch/visit.h"

/* All that cycles, words and bytes of a command depend on. Compared as bytes. */
struct shape {
    uint8_t op, unit, a_bits, passes, k_scale, mm_dst, vec_kind, src_ring, misaligned;
    bool host, transpose, from_state, first, last, silent; /* silent: a step without a read-out */
    uint32_t issued_rows, rows, row_bytes, planes, cols, k, words, cycles, row_words;
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

/* The number of a shape, which is added when it is new. */
uint32_t shapes_intern(struct shapes *s, const struct shape *k);

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
