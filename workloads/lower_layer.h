/* Inside lowering: what a layer is made of. */
#ifndef WORKLOADS_LOWER_LAYER_H
#define WORKLOADS_LOWER_LAYER_H

#include "arch/result.h"
#include "workloads/lower_ctx.h"

/* A job of the host; `counted`: it takes a context of the register file. */
void emit_job(struct lower *l, bool counted);
void job_begin(struct lower *l, enum autonomy level);
void job_end(struct lower *l, enum autonomy level);
void mark(struct lower *l, unsigned name, const struct affine *index);

struct gemm gemm_op(struct tensor *in, uint64_t k, uint64_t tokens, struct affine w_off);
void add_seg(struct gemm *g, uint64_t n, enum post post, enum what_kind what, struct tensor *dst,
             struct tensor *dst2);
void run_gemm(struct lower *l, struct gemm *g);
/* Queries, keys, values and gates of the head at hand; `norm`: of an input that is
 * normalised on the way. */
void project(struct lower *l, uint64_t tokens, bool norm);
void output_and_ffn(struct lower *l, uint64_t tokens);

/* Readers inside a loop cannot wait for what was written before it. */
void settle(struct lower *l, struct tensor *t);
/* A loop on both threads and its index. */
unsigned loop_index(struct lower *l, uint64_t trips, struct affine *index);
void heads_begin(struct lower *l);
void heads_end(struct lower *l);
/* The loop over layers; post-norm layers find their narrow input written already. */
void layers_begin(struct lower *l, uint64_t tokens);
void layers_end(struct lower *l);
/* A layer of it. */
void layer_begin(struct lower *l, uint64_t tokens);
void layer_end(struct lower *l);
void prefill_layer(struct lower *l, uint64_t tokens);
void embed(struct lower *l, uint64_t tokens);
/* Logits of `tokens` from `first` of the scope. */
void head_on(struct lower *l, uint64_t tokens, uint64_t first);

#endif
