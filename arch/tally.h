/* What the bound of a program is a function of: shapes of commands and how often
 * each runs, step by step. Made once for a program, evaluated in microseconds for
 * any architecture of which lowering makes the same program. */
#ifndef ARCH_TALLY_H
#define ARCH_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct machine;
struct program;

/* Different shapes, shared by tallies. */
struct shapes;
struct shapes *shapes_create(void);
void shapes_destroy(struct shapes *s);
size_t shapes_count(const struct shapes *s);

struct tally;
struct tally *tally_create(const struct program *p, struct shapes *shapes);
void tally_destroy(struct tally *t);
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
