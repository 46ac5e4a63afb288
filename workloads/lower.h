/* Lowering: a workload on an architecture becomes a program. */
#ifndef WORKLOADS_LOWER_H
#define WORKLOADS_LOWER_H

#include "arch/arch.h"
#include "arch/program.h"
#include "arch/tally.h"
#include "workloads/work.h"

/* Fills `p` (initialised by the callee; program_finish by the caller also on
 * failure). False when something does not fit: the error says by how many
 * bytes, where, and which keys would make it fit. */
bool lower(struct program *p, const struct arch *a, const struct work *w, struct err *err);
/* The same choice of a mapping with every mapping tried: the slow twin. */
bool lower_exhaustively(struct program *p, const struct arch *a, const struct work *w, struct err *err);

/* The programs that lower chooses among, as tallies: what lowering does not read chooses anew among them in
 * microseconds. */
struct mapping {
    struct tally *tally;
    bool staged, parked, off_chip; /* some tensor is staged; the stream is; something lives off-chip */
};
struct mappings {
    struct shapes *shapes; /* of the caller; several may share it */
    struct mapping *v;
    size_t n;
};
/* Fills m; mappings_finish by the caller also on failure. */
bool lower_mappings(struct mappings *m, const struct arch *a, const struct work *w, struct err *err);
/* What lower would choose on this machine, of which lowering makes the same mappings. */
const struct mapping *mappings_choose(const struct mappings *m, const struct machine *on);
void mappings_finish(struct mappings *m);
/* The same for the kernels in tiles, on an engine fed by streams: an error when only one of the two is. */
bool lower_tiles(struct program *p, const struct arch *a, const struct work *w, struct err *err);

#endif
