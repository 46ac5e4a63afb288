/* The values reading of a program: the commands that are timed, executed on bytes.
 * Memories, slots and tokens are those of arch/program.h; units, host and uDMA take
 * turns in an order drawn from a seed, so that a wait that is missing shows as
 * wrong numbers under some seed. */
#ifndef WORKLOADS_VALUES_H
#define WORKLOADS_VALUES_H

#include "arch/activity.h"
#include "arch/arch.h"
#include "arch/program.h"
#include "workloads/qnet.h"

/* What the golden model says the numbers are. */
struct expected; /* values_expect.c */

struct values_job {
    const struct arch *arch;
    const struct work *work;
    const struct program *prog;
    const struct qnet *q;       /* NULL: a matrix product */
    const struct expected *want;
    uint64_t seed;              /* of the order */
};
struct values_counts { /* as the timing reading counts them */
    uint64_t macs, macs_issued, compared;
    struct cost_activity activity[N_ACTIVITIES];
    uint64_t traffic[N_TENSOR_KINDS][4]; /* L2 read, L2 write, off-chip read, off-chip write */
};

/* Executes. False with an error (70): a number that differs from the golden model's,
 * bytes read that nobody wrote, an address or a slot out of range, a deadlock. */
bool values_run(const struct values_job *job, struct values_counts *counts, struct err *err);

/* ---- values_net.c ---- */

/* A network of the workload's shape with weights drawn from a seed (kind network or msr), and
 * tokens or rows for `S` tokens of each sequence in seqs[batch]. NULL with an error (78) when it is
 * too large to hold. */
struct net *net_synthetic(const struct work *w, uint64_t seed, uint64_t S, const double **seqs,
                          struct err *err);

/* Is n of the workload's kind and shape? Else an error (78) at the place, NULL: nowhere. */
bool network_fits(const struct net *n, const struct work *w, const struct place *at, struct err *err);
/* The workload's numbers with the widths that the hardware has. */
struct quant values_quant(const struct arch *a, const struct work *w);

/* What one reading found. */
struct values_report {
    struct values_counts counts;
    double sqnr_db;                  /* integer against float model; NAN for a product */
    double bits, float_bits;         /* per byte, where the tokens are text; else NAN */
    bool synthetic;                  /* weights are drawn */
    bool multiplies;                 /* the decay of a head is no shift */
};
/* Reads the program under schedules from `seed` on, `n_seeds` of them, on the network in `dir` (NULL:
 * a synthetic one). False with an error. */
bool values_point(const struct arch *a, const struct work *w, const struct program *p, const char *dir,
                  uint64_t seed, unsigned n_seeds, struct values_report *out, struct err *err);

/* ---- values_expect.c ---- */

/* The golden model of every sequence of the workload: in[s] as golden_f64 takes it, for
 * all tokens of the run. NULL with an error (65, 78). */
struct expected *expected_create(const struct work *w, const struct qnet *q, const double *const *in,
                                 struct err *err);
/* Of a matrix product: operands drawn from a seed. */
struct expected *expected_gemm(const struct work *w, uint64_t seed);
void expected_destroy(struct expected *e);
/* The run as the golden model takes it. */
struct golden_job golden_job_of(const struct work *w);

#endif
