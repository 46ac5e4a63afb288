/* A program reduced to which commands run how often: what a bound or an estimate
 * is made of. Loops multiply instead of repeating; only those that shapes
 * depend on are stepped. */
#ifndef ARCH_VISIT_H
#define ARCH_VISIT_H

#include "arch/machine.h"

struct visited {
    const struct cmd *c;
    enum thread_id th;
    uint32_t rows; /* that pass */
    uint64_t n;    /* executions */
    const uint64_t *idx; /* of the loops around it; those that multiply are at 0 */
    unsigned depth;
};
struct visitor {
    void *self;
    void (*command)(void *self, const struct visited *v); /* of either thread, control too */
    /* A step of the accelerator ends, the last one after the host's thread; the next has so many parts. */
    void (*step)(void *self, uint32_t parts);
    bool useful; /* loops that only useful work depends on are stepped as well */
};
void program_visit(const struct program *p, const struct visitor *v);

/* Moves bytes between L2 and a buffer. */
static inline bool op_streams(uint8_t op)
{
    return op == OP_LOAD || op == OP_STORE || op == OP_LDW || op == OP_RET_LOAD || op == OP_RET_SAVE;
}
static inline bool cmd_streams(const struct cmd *c)
{
    return op_streams(c->op);
}
/* Keeps a unit busy or is counted; the others only wait, post and step. */
static inline bool cmd_works(const struct cmd *c)
{
    return cmd_streams(c) || c->op == OP_MM || c->op == OP_RET_STEP || c->op == OP_RET_DECAY ||
           c->op == OP_VEC || c->op == OP_CLEAR;
}
/* Busy cycles of the unit of an accelerator command. */
uint64_t cmd_busy_cycles(const struct machine *m, const struct cmd *c, uint32_t rows);

/* Sums over a program. */
struct bound_sums {
    uint64_t busy[N_UNITS + 1]; /* cycles; the last is the host's */
    uint64_t words, steps;      /* of the interleaved memory; of the sequencer */
    uint64_t serial;            /* cycles of steps one after the other */
    uint64_t off_bytes, off_bursts;
};
/* Cycles of a step by the busy cycles of its units. Parts follow each other through the units, and the first
 * part of the next step follows the last one: it takes as long as the busiest unit (streams share the ports).
 * A step of one part, for which the next one waits, passes through one unit after the other; weights go along
 * with the engine. */
static inline uint64_t step_cycles(const uint64_t busy[N_UNITS], uint32_t parts)
{
    uint64_t most = busy[UNIT_LOAD] + busy[UNIT_WEIGHT] + busy[UNIT_STORE];
    uint64_t engine = busy[UNIT_ENGINE] > busy[UNIT_WEIGHT] ? busy[UNIT_ENGINE] : busy[UNIT_WEIGHT];
    uint64_t through = busy[UNIT_LOAD] + engine + busy[UNIT_RETENTION] + busy[UNIT_VECTOR] + busy[UNIT_STORE];
    for (unsigned u = UNIT_ENGINE; u <= UNIT_VECTOR; u++)
        most = busy[u] > most ? busy[u] : most;
    return parts == 1 && through > most ? through : most;
}
uint64_t bound_of(const struct machine *m, const struct bound_sums *s);
/* Which of them it is. */
const char *bound_limit(const struct machine *m, const struct bound_sums *s);
uint64_t estimate_of_sums(const struct machine *m, const struct bound_sums *s);

#endif
