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

/* Flags of the second word. */
enum { S_HOST = 1, S_TRANSPOSE = 2, S_FROM_STATE = 4, S_FIRST = 8, S_LAST = 16,
       S_SILENT = 32 /* a step without a read-out */ };

/* Words are put together in registers: read back at once in another width, bytes would have to wait. */
static inline uint64_t two_words(uint64_t low, uint64_t high)
{
    return low | high << 32;
}

/* Of a command; with so many rows that pass. */
static inline struct shape shape_of(const struct cmd *c, bool host, uint32_t issued_rows)
{
    bool silent = c->op == OP_RET_STEP && !retention_reads(c);
    uint64_t flags = (host ? S_HOST : 0) | (c->transpose ? S_TRANSPOSE : 0) |
                     (c->from_state ? S_FROM_STATE : 0) | (c->first ? S_FIRST : 0) |
                     (c->last ? S_LAST : 0) | (silent ? S_SILENT : 0);
    return (struct shape){{
        c->op | c->unit << 8 | c->a_bits << 16 | (uint64_t)c->passes << 24 | (uint64_t)c->k_scale << 32 |
            (uint64_t)c->mm_dst << 40 | (uint64_t)c->vec_kind << 48 | (uint64_t)c->src.ring << 56,
        two_words(flags << 8 | (c->addr.c & 3), c->row_words),
        two_words(issued_rows, c->rows),
        two_words(c->row_bytes, c->planes),
        two_words(c->cols, c->k),
        c->words,
        c->cycles,
    }};
}

/* The same with other rows. */
static inline struct shape shape_with_rows(struct shape k, uint32_t issued_rows)
{
    k.w[2] = two_words(issued_rows, k.w[2] >> 32);
    return k;
}

static inline bool shape_is_host(const struct shape *k)
{
    return k->w[1] >> 8 & S_HOST;
}

/* Words of L2. */
static inline bool shape_moves(const struct shape *k)
{
    uint8_t op = (uint8_t)k->w[0];
    return shape_is_host(k) ? op == OP_UDMA_RX || op == OP_UDMA_TX : op_streams(op);
}

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
    struct step_end {   /* of each step; what the host does comes after the last */
        uint32_t items; /* the first that is not its */
        uint32_t parts; /* prog_op */
    } *ends;
    uint32_t n_items, n_moves, n_ends;
    uint64_t steps;     /* of the sequencer */
    struct tally_totals totals;
};

#endif
