/* Inside the lowering of matrix products. */
#ifndef WORKLOADS_LOWER_GEMM_H
#define WORKLOADS_LOWER_GEMM_H

#include "workloads/lower_ctx.h"

struct gemm_plan { /* of one segment on blocks of `rows` tokens */
    uint64_t group;   /* output columns that share accumulators and output slot */
    uint64_t k_chunk; /* contraction that an activation slot holds */
    bool hold;        /* the whole operand fits in one slot: loaded once a block */
};

struct gemm_plan plan_of(const struct lower *l, uint64_t rows, uint64_t k, uint64_t n, enum post post);

#endif
