/* Tile kernels on an engine fed by streams, a second account for tests: rows counted cycle by cycle from
 * the rules measured on an RTL, for random builds, shapes and stalls; behind a port, every queue of its
 * four streams cycle by cycle, and where nothing stalls, the sum of the measured cycles of its jobs. With
 * the simulator's result of the same. */
#ifndef TESTS_TILES_TWIN_H
#define TESTS_TILES_TWIN_H

#include "base/hash.h"
#include "include/retsim.h"

#include <stdbool.h>
#include <stdint.h>

enum tiles_kernel { LINEAR, ATTENTION, FEEDFORWARD, SINGLE_ATTENTION, N_KERNELS };
enum { TILES_PHASES = 64, TILES_SETS = 24 };

/* Output tiles, each of `inner` tile steps one after the other. */
struct tiles_phase {
    const char *name;
    uint64_t outputs, inner;
    bool bias;
    uint64_t first_row, last_row, first_out, last_out; /* cycles */
};

/* Cycles in which somebody is not there. */
struct tiles_pattern {
    char text[40];
    unsigned kind, n, k; /* kind: 0 none, 1 ==, 2 >=, 3 <, 4 hash8, 5 hash1024 */
    bool high;           /* high_only_when */
};
bool tiles_pattern_up(const struct tiles_pattern *t, uint64_t cycle, unsigned port);
/* From the text of a setting; false: it is none. */
bool tiles_pattern_parse(struct tiles_pattern *t, const char *text);

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

/* ---- an engine behind a port ---- */

struct tiles_port {
    uint64_t units, length, latency, credits, sets;
    uint64_t port_bytes, bias_bits;
    uint64_t addresses, requests, beats; /* places in a stream's queues */
    uint64_t to_start, restart;          /* cycles: trigger to start, done to start of a queued job */
    struct tiles_pattern stall;
};
enum { TILES_INPUT, TILES_WEIGHT, TILES_BIAS, TILES_OUTPUT, TILES_STREAMS };
/* One tile step, a job: cycles of its events, and what its streams moved over the port. */
struct tiles_step {
    const struct tiles_phase *phase;
    bool last; /* of the inner steps: has outputs */
    uint64_t start, first_row, last_row, first_out, last_out, done;
    uint64_t beats[TILES_STREAMS];
};
/* The steps of a job in their order, to be freed; *n: how many. */
struct tiles_step *tiles_port_steps(const struct tiles_job *j, size_t *n);
/* Fills in the cycles of every step. */
void tiles_port_run(const struct tiles_port *p, bool queued, struct tiles_step *step, size_t n);
/* As measured: 16 units of 64. */
extern const struct tiles_port tiles_port_measured;

/* The phases of a job from its kernel and sizes. */
void tiles_twin_phases_of(struct tiles_job *j);
/* A random run of the core. */
void tiles_twin_core(struct tiles_job *j, struct rng *rng);
/* A random run behind a port without stalls. */
void tiles_twin_port(struct tiles_job *j, struct rng *rng);
/* A random run behind a port whose memory may stall; `build`: of another size than the measured one too. */
void tiles_twin_stalled(struct tiles_job *j, struct tiles_port *p, bool build, struct rng *rng);
/* Jobs are where the second account has them, and so are the beats of their streams. */
bool tiles_twin_steps(const struct tiles_step *step, size_t n, const rs_result *r);
/* The design of a job with one more setting, or NULL. NULL, and *err says why. */
rs_result *tiles_twin_simulate(const struct tiles_job *j, rs_method method, const char *set, rs_err *err);
/* Rows and outputs of every phase are where the second account has them. */
bool tiles_twin_phases(const struct tiles_job *j, const rs_result *r);

#endif
