/* Tile kernels on an engine fed by streams, a second account for tests: rows counted cycle by cycle from
 * the rules measured on an RTL, for random builds, shapes and stalls; and behind a port, where nothing
 * stalls, the sum of the measured cycles of its jobs. With the simulator's result of the same. */
#ifndef TESTS_TILES_TWIN_H
#define TESTS_TILES_TWIN_H

#include "base/hash.h"
#include "include/retsim.h"

#include <stdbool.h>
#include <stdint.h>

enum tiles_kernel { LINEAR, ATTENTION, FEEDFORWARD, SINGLE_ATTENTION, N_KERNELS };
enum { TILES_PHASES = 64, TILES_SETS = 16 };

/* Output tiles, each of `inner` tile steps one after the other. */
struct tiles_phase {
    const char *name;
    uint64_t outputs, inner;
    bool bias;
    uint64_t first_row, last_row, first_out, last_out; /* cycles */
};

struct tiles_job {
    enum tiles_kernel kernel;
    uint64_t s, e, p, f, tile;
    bool bias, queued; /* queued: jobs are committed ahead */
    struct tiles_phase phase[TILES_PHASES];
    unsigned n;
    uint64_t cycles; /* what the second account says */
    const char *arch;
    char text[TILES_SETS][80]; /* settings of the simulator */
    unsigned n_sets;
};

/* A random run of the core. */
void tiles_twin_core(struct tiles_job *j, struct rng *rng);
/* A random run behind a port without stalls. */
void tiles_twin_port(struct tiles_job *j, struct rng *rng);
/* The design of a job with one more setting, or NULL. NULL, and *err says why. */
rs_result *tiles_twin_simulate(const struct tiles_job *j, const char *set, rs_err *err);
/* Rows and outputs of every phase are where the second account has them. */
bool tiles_twin_phases(const struct tiles_job *j, const rs_result *r);

#endif
