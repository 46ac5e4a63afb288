/* Random (architecture, workload) pairs as settings on the shipped files, and
 * the shrinking of one that breaks a law to the settings that matter. */
#ifndef TESTS_RANDOM_DESIGN_H
#define TESTS_RANDOM_DESIGN_H

#include "base/hash.h"
#include "base/text.h"
#include "include/retsim.h"

enum random_base { BASE_NETWORK, BASE_MSR, BASE_GEMM, N_BASES };
enum { RANDOM_MAX_SETS = 96, RANDOM_SET_SIZE = 160 };

struct random_design {
    enum random_base base;
    size_t n;
    char set[RANDOM_MAX_SETS][RANDOM_SET_SIZE]; /* "PATH=VALUE" */
};

struct random_bases { /* the shipped files, parsed once */
    rs_design *design[N_BASES];
};
/* Aborts the test when a file does not load. */
void random_bases_load(struct random_bases *b);
void random_bases_finish(struct random_bases *b);

/* Draws settings; about half of the pairs are legal, the others do not fit. */
void random_design_draw(struct random_design *d, struct rng *rng);
/* Adds a cluster interconnect or the traffic of other masters to it. */
void random_design_draw_beside(struct random_design *d, struct rng *rng);
/* Leaves about a sixth of the settings: a design near the shipped ones, with their long loops. */
void random_design_thin(struct random_design *d, struct rng *rng);
/* Adds a setting, or changes it. */
__attribute__((format(printf, 3, 4))) void random_design_set(struct random_design *d, const char *path,
                                                             const char *fmt, ...);
/* Value as drawn; NULL when the shipped file's holds. */
const char *random_design_get(const struct random_design *d, const char *path);
/* The design, or NULL with the reason in err. */
rs_design *random_design_create(const struct random_design *d, const struct random_bases *b, rs_err *err);
/* The command line that runs it, from the repository's root. */
void random_design_command(const struct random_design *d, struct text *out);
/* Drops settings one by one as long as `fails` still holds. */
void random_design_shrink(struct random_design *d, bool (*fails)(const struct random_design *d, void *arg),
                          void *arg);

#endif
