/* What the bound of a program is a function of: shapes of commands and how often
 * each runs, step by step. Made once for a program, evaluated in microseconds for
 * any architecture of which lowering makes the same program. */
#ifndef ARCH_TALLY_H
#define ARCH_TALLY_H

#include "arch/program.h"

#include <stddef.h>

struct arch;
struct machine;

/* Different shapes, shared by tallies. */
struct shapes;
struct shapes *shapes_create(void);
void shapes_destroy(struct shapes *s);
size_t shapes_count(const struct shapes *s);

struct tally;
struct tally *tally_create(const struct program *p, struct shapes *shapes);
void tally_destroy(struct tally *t);
size_t tally_bytes(const struct tally *t); /* of memory */

/* Makes tallies of programs that nobody needs otherwise: a program with a tallier (program.h) hands its
 * commands over and keeps none. */
/* Of program `p`. Its commands are checked as program_check does, for `a` (NULL: they are not). */
struct tallier *tallier_create(struct shapes *shapes, const struct program *p, const struct arch *a);
void tallier_destroy(struct tallier *t);
/* Another program begins. */
void tallier_clear(struct tallier *t);
/* Where the next command is written; it is complete when another one comes. */
struct cmd *tallier_next(struct tallier *t, enum thread_id th);
/* A command of the accelerator that only passes through its sequencer. */
void tallier_pass(struct tallier *t);
void tallier_repeat(struct tallier *t, enum thread_id th, const struct affine *trips);
void tallier_end(struct tallier *t, enum thread_id th);
/* The next command of the accelerator begins a step of so many parts (prog_op). */
void tallier_step(struct tallier *t, uint64_t parts);
/* Would program_check let it pass so far? */
bool tallier_sound(struct tallier *t);
/* The same as tally_create of the program. */
struct tally *tallier_tally(struct tallier *t);
/* What does not depend on the architecture any more. */
struct tally_totals {
    uint64_t macs, l2_bytes, offchip_bytes;
};
const struct tally_totals *tally_totals(const struct tally *t);
/* Makes costs of the shapes good for the machine's configuration as it is now: before the first use of
 * tallies, and whenever it has changed. */
void shapes_reprice(struct shapes *s);
/* The same as machine_bound and machine_estimate for the program, in SoC cycles; `limit` (NULL: not wanted)
 * is what is busy all the time. */
uint64_t tally_bound(const struct tally *t, struct shapes *s, const struct machine *m, const char **limit);
uint64_t tally_estimate(const struct tally *t, struct shapes *s, const struct machine *m);

#endif
