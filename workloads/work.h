/* A workload: a network (or one kernel), the form of retention, the phase, the
 * quantization and the mapping. Immutable after work_decode. */
#ifndef WORKLOADS_WORK_H
#define WORKLOADS_WORK_H

#include "base/schema.h"

enum work_kind {
    WORK_NETWORK, WORK_MSR, WORK_BLOCK, WORK_GEMM, WORK_LINEAR,
    WORK_ATTENTION, WORK_FEEDFORWARD, WORK_SINGLE_ATTENTION
};
enum work_form { FORM_PARALLEL, FORM_RECURRENT, FORM_CHUNKWISE };
enum work_phase { PHASE_PREFILL, PHASE_DECODE, PHASE_BOTH };
enum work_decode_by { DECODE_STATE, DECODE_KV_CACHE };
enum work_lm_head { LM_LAST, LM_ALL, LM_NONE };
enum map_order { ORDER_AUTO, ORDER_LAYER, ORDER_BLOCK, ORDER_TOKEN };
enum kernel_activation { KERNEL_IDENTITY, KERNEL_RELU, KERNEL_GELU };
enum activation { ACTIVATION_SWISH, ACTIVATION_GELU };

struct shape {
    uint64_t d_model, heads, value_dim, ffn_dim, layers, vocab;
    int gamma;      /* 0 formula 1 - 2^(-5-h), 1 linspace */
    int activation; /* enum activation */
    bool pre_norm;
};
enum { SCALE_TENSOR, SCALE_CHANNEL };
enum { ACTIVATION_TENSOR, ACTIVATION_HEAD, ACTIVATION_AUTO };
enum { EQUALIZE_NONE, EQUALIZE_CHANNEL, EQUALIZE_AUTO };
enum { WEIGHTS_NEAREST, WEIGHTS_FEEDBACK, WEIGHTS_AUTO };
enum { UPDATE_TOKEN, UPDATE_CHUNK, UPDATE_AUTO };
enum { ROUND_HALF_UP, ROUND_TRUNCATE, ROUND_STOCHASTIC, ROUND_HALF_EVEN, ROUND_AUTO };
enum { DECAY_AUTO, DECAY_SHIFT, DECAY_MULTIPLY, DECAY_PER_TOKEN };
enum { SCORE_STATIC, SCORE_ROW_SHIFT, SCORE_AUTO };
enum { CALIBRATE_MINMAX, CALIBRATE_PERCENTILE, CALIBRATE_MSE };
struct quant { /* widths in bits */
    uint64_t weights, activations, residual;
    uint64_t state_bits, read_bits, decay_bits, decay_block, score_bits, score_block, rotary_bits, norm_bits;
    uint64_t seed, calibration_row, calibration_rows, score_rows; /* FIELD_AUTO: as the network's size asks */
    int weight_scale, weight_rounding, activation_scale, equalize, state_update, rounding, decay, score_scale;
    int calibration;
    int requant, norm; /* REQUANT_*, NORM_* of intops.h */
};
struct map { /* FIELD_AUTO: chosen by lowering, reported in the notes */
    uint64_t token_block;
    int order; /* enum map_order */
    bool spill;
};
struct work {
    const char *name, *title;
    const char *network; /* directory of weights and inputs, as written; "": none */
    int kind, form, phase, decode, lm_head;
    uint64_t seq, tokens, chunk, batch;
    struct shape shape;
    struct quant quant;
    struct map map;
    uint64_t m, n, k; /* WORK_GEMM: C[m,n] = A[m,k] B[k,n] */
    uint64_t s, e, p, f, bias; /* kernels in tiles: sequence, embedding, projection, feed-forward */
    int activation;            /* enum kernel_activation */
    uint64_t sample_cycles; /* host work between two generated tokens; FIELD_AUTO: 2 a vocabulary entry */
};

const struct section *work_section(void);
const struct section *quant_section_of(void); /* work.quant alone */
/* NULL on error; lives in `a`. Rejects shapes that do not divide, with the reason. */
struct work *work_decode(struct arena *a, const struct ynode *root, struct err *err);
/* The two halves of it. The second puts values in the place of `auto`. */
struct work *work_decode_unchecked(struct arena *a, const struct ynode *root, struct err *err);
bool work_check(struct work *w, const struct ynode *root, struct err *err);

/* A kernel that is lowered in whole tiles, for an engine fed by streams. */
static inline bool work_is_tiled(const struct work *w)
{
    return w->kind >= WORK_LINEAR;
}
/* It has a residual stream, norms and feed-forward networks. */
static inline bool work_has_stream(const struct work *w)
{
    return w->kind == WORK_NETWORK || w->kind == WORK_BLOCK;
}
static inline uint64_t work_dk(const struct work *w)
{
    return w->shape.d_model / w->shape.heads;
}
static inline uint64_t work_dv(const struct work *w)
{
    return w->shape.value_dim / w->shape.heads;
}
/* What `auto` means in programs and evaluations alike: a network's scores have a shift for each row; shapes
 * alone, whose numbers are nobody's, one scale, which saves the pass for the maximum. */
static inline int work_score_scale(const struct work *w)
{
    return w->quant.score_scale != SCORE_AUTO ? w->quant.score_scale :
           *w->network ? SCORE_ROW_SHIFT : SCORE_STATIC;
}
/* Useful MACs in closed form; the oracle for the program's count. */
uint64_t work_macs(const struct work *w);

#endif
