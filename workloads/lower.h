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

/* How tight L2 is taken to be. */
struct style {
    bool spill;  /* tensors of one layer may live off-chip */
    bool pieces; /* heads are projected and retained piece by piece, when they can */
    bool local;  /* L2 holds keys and values of one head, an archive those of earlier scopes */
    bool parked; /* the stream and the rows of finished heads wait off-chip */
    bool deep;   /* and the hidden rows */
    bool layers; /* every scope passes a layer before any passes the next */
    bool needed; /* spilling that moves nothing off-chip is not wanted */
    bool sliced; /* value columns are cut for longer blocks of queries, though no norm can ride along then */
    bool known;  /* in the largest blocks it is known to be no better than what was tried, and not wanted */
    uint8_t lean; /* times that query rows of the parallel form, and value columns of a state, are halved */
    uint64_t queries; /* rows of a block in the parallel form, at most: staged ones stay small; 0: 64 */
};
struct recipe { /* what makes a mapping's program; token block T 0: lower does */
    uint64_t scope, T;
    struct style style;
};
/* The programs that lower chooses among, as tallies: what lowering does not read chooses anew among them in
 * microseconds. */
struct mapping {
    struct tally *tally;
    struct recipe recipe;
    bool off_chip; /* something lives off-chip */
    bool roomy;    /* all of a sequence passes a layer at once, in the largest blocks */
};
struct mappings {
    struct shapes *shapes; /* of the caller; several may share it */
    struct mapping *v;
    size_t n;
    bool over; /* some trial before the parked ones was too much for the off-chip memory */
};
/* Fills m; mappings_finish by the caller also on failure. */
bool lower_mappings(struct mappings *m, const struct arch *a, const struct work *w, struct err *err);
/* What lower would choose on this machine, of which lowering makes the same mappings. */
const struct mapping *mappings_choose(const struct mappings *m, const struct machine *on);
void mappings_finish(struct mappings *m);
/* Is there a choice? Else lower makes the only program there is. */
bool lower_searches(const struct arch *a, const struct work *w);
/* The program of one mapping, as lower. */
bool lower_recipe(struct program *p, const struct arch *a, const struct work *w, const struct recipe *r,
                  struct err *err);

/* Programs and mappings of earlier points, for those of which lowering reads the same. */
struct lower_cache;
struct lower_cache *lower_cache_create(void);
void lower_cache_destroy(struct lower_cache *c);
/* The same program as lower's; good until the next call. NULL with an error. */
const struct program *lower_cached(struct lower_cache *c, const struct arch *a, const struct work *w,
                                   struct err *err);
/* The same for the kernels in tiles, on an engine fed by streams: an error when only one of the two is. */
bool lower_tiles(struct program *p, const struct arch *a, const struct work *w, struct err *err);

#endif
