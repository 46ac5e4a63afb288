/* Requantisation in 32 bits, as Deeploy's C kernels do it. */
#ifndef WORKLOADS_REQUANT32_H
#define WORKLOADS_REQUANT32_H

#include "workloads/qnet.h"

/* Multipliers of products and sums that Deeploy has kernels for (of matrices, of elements, of the residual
 * stream) lose bits until no product leaves 32 bits, whatever the operands. Rotary, scores, norms and the
 * state's part of a chunk have no such kernel and keep theirs. */
void requant32_narrow(struct qnet *q);
/* Does no product of theirs leave 32 bits? */
bool requant32_fits(const struct qnet *q);

#endif
