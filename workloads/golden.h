/* Golden numerics: a network evaluated in floating point (f32, f64) in the
 * parallel, recurrent and chunkwise forms of torchscale (facts: equations of
 * microsoft/torchscale, multiscale_retention.py), and in integers. One function
 * per equation; shapes in trailing comments. */
#ifndef WORKLOADS_GOLDEN_H
#define WORKLOADS_GOLDEN_H

#include "workloads/net.h"

/* Named intermediates, in the order of a block. */
enum point {
    P_HIDDEN,  /* S,d  input of the block */
    P_LN1,     /* S,d  norm before retention (pre-norm) */
    P_Q, P_K,  /* S,d  projections, keys scaled by dk^-0.5 */
    P_V, P_G,  /* S,V */
    P_QR, P_KR,/* H,S,dk  after rotary */
    P_RET,     /* S,H,dv  retention before the per-head norm */
    P_NORM,    /* S,H,dv */
    P_SWISH,   /* S,V  swish(g) */
    P_GATED,   /* S,V */
    P_MSR,     /* S,d */
    P_RES1,    /* S,d  residual stream after retention */
    P_LN2,     /* S,d  input of the FFN */
    P_FC1, P_ACT, P_GATE, P_PROD, /* S,F */
    P_FFN,     /* S,d */
    P_OUT,     /* S,d  output of the block */
    P_FINAL,   /* S,d  after the last norm */
    P_LOGITS,  /* S,vocab */
    P_STATE,   /* H,dv,dk  state after the last token, divided by sqrt(z) (recurrent) */
    P_SCALE,   /* H        z of the last token (recurrent) */
    N_POINTS
};
/* Called with each intermediate; layer 0 for those of no layer. */
typedef void (*tap_fn)(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n);

/* One sequence of S tokens: in is S,d (msr, block) or S token numbers (lm). */
void golden_f64(const struct net *n, enum net_form form, uint64_t S, const double *in, tap_fn tap, void *arg);
void golden_f32(const struct net *n, enum net_form form, uint64_t S, const double *in, tap_fn tap, void *arg);

/* rotary angle of pair j: 10000^(-j/(dk/2-1)), end point included (torchscale) */
double rotary_angle(uint64_t j, uint64_t dk);

#endif
