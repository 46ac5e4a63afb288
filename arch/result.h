/* What a run leaves behind, as plain arrays; the public accessors of
 * include/retsim.h are views of it. */
#ifndef ARCH_RESULT_H
#define ARCH_RESULT_H

#include "arch/cost.h"
#include "arch/machine.h"

struct cost_sink { /* zero-initialise */
    struct cost_item *items;
    unsigned n, cap;
    uint64_t total_cycles; /* run length in SoC cycles */
};
/* A new zeroed item booked on `component`; total_cycles is set. */
struct cost_item *cost_add(struct cost_sink *s, const char *component, const char *cls, uint64_t instances);
void cost_param(struct cost_item *it, const char *name, double value);
void cost_count(struct cost_item *it, const char *action, uint64_t count);
/* Books clocked cycles without work, as the configured clock gating has it:
 * `none` clocks all instances for the whole run, `unit` those of a unit while it
 * is busy, `lane` only those that work. `busy_cycles` are the unit's, `active`
 * the sum over instances of cycles with work. */
void cost_idle(const struct machine *m, struct cost_item *it, uint64_t busy_cycles, uint64_t active);
/* Notes what its operands were, when the machine's values were computed. */
void cost_activity(const struct machine *m, struct cost_item *it, enum activity_of of);
void cost_sink_finish(struct cost_sink *s);

/* All cost items of a finished machine. */
void machine_cost(const struct machine *m, struct cost_sink *s);
/* Closed-form lower bound of the run in SoC cycles: every unit perfectly
 * overlapped, no conflicts. Also fills the machine's additive counters (macs,
 * traffic, actions) without simulating. */
uint64_t machine_bound(struct machine *m);
/* The same with steps of the program one after the other and a part of the
 * off-chip time beside them, of any program on the machine: no bound, but a fair
 * guide for choosing a mapping. Counts nothing. */
uint64_t machine_estimate(struct machine *m, const struct program *p);

#endif
