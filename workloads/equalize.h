/* The same function in other coordinates: factors of channels move from a norm's gains into
 * the weights after it, between queries and keys, and from the FFN's gate into the matrix
 * after it, so that the channels of a tensor fill its one scale more evenly. */
#ifndef WORKLOADS_EQUALIZE_H
#define WORKLOADS_EQUALIZE_H

#include "workloads/net.h"

/* A network that computes what n computes, from ranges on sequences of S tokens. Lives in
 * `a` and borrows from n what it does not change. Norms whose result is kept in the
 * residual stream (post-norm) stay as they are. */
struct net *equalized(struct arena *a, const struct net *n, const struct quant *q, uint64_t n_seqs,
                      uint64_t S, const double *const *seqs);

#endif
