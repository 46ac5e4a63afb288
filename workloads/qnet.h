/* A calibrated integer network: what the accelerator holds. Widths and operations
 * follow the integer dataflow of docs/model.md; symmetric ranges, zero point 0. */
#ifndef WORKLOADS_QNET_H
#define WORKLOADS_QNET_H

#include "workloads/golden.h"
#include "workloads/work.h"

/* y = clip((acc m + 2^(sh-1)) >> sh), m in [2^14, 2^15): a real factor, rounded once */
struct rq {
    int32_t m;
    int sh;
};
struct rq rq_of(double factor);
int64_t rq_apply(struct rq q, int64_t acc);
int32_t clip(int64_t v, int32_t most); /* to -most..most */

struct qmat {          /* out,in */
    int16_t *w;        /* int2..int8 values */
    double *scale;     /* out: real value of one step */
    uint64_t out, in;
};

struct qhead {
    int decay_shift;    /* gamma = 1 - 2^-shift, -1: multiply */
    uint32_t gamma_u16; /* gamma, U0.16 */
    uint32_t gamma_chunk_u16; /* gamma^B */
    int p;              /* state step: k v 2^p */
    int read_shift;     /* state to what is read */
    double state_max;   /* calibrated, in steps of k v */
    uint16_t *table;    /* decay_block: gamma^i, U0.decay_bits */
    uint32_t *block;    /* gamma^(i decay_block), U0.16 */
    uint64_t n_blocks;
    struct rq score;    /* static scores */
    double score_scale;
    uint64_t *eps;      /* S: eps z_n / s^2 in 2^-12 of a squared step of q k v */
    uint64_t *eps_static; /* the same when scores have a scale of their own */
    double gamma;
};

struct qlayer {
    struct qmat wq, wk, wv, wg, wo, fc1, gate, fc2;
    struct rq *rq_q, *rq_k, *rq_v, *rq_g, *rq_fc1, *rq_gate; /* by output channel */
    struct rq *rq_o, *rq_fc2;                               /* into the residual stream */
    struct rq qr, kr, y, gated, prod, res1, res2;
    int16_t *ln1, *ln2;       /* d: int8 gains */
    struct rq n1, n2;         /* norm to int8 */
    struct rq back1, back2;   /* post-norm: norm to the residual stream */
    uint64_t eps1, eps2;      /* of a squared step of the stream, in 1/256 */
    int16_t swish[256], act[256];
    double s_x, s_q, s_k, s_qr, s_kr, s_v, s_g, s_y, s_sw, s_gated, s_in, s_r1, s_n1, s_u, s_a, s_act, s_gp,
        s_prod,
        s_r2, s_n2, s_w1, s_w2;
    struct qhead *head;       /* H */
};

struct qnet {
    struct arena arena;
    const struct net *n;
    struct quant q;
    int32_t amax, rmax, omax; /* largest activation, 16-bit value before rotary, residual */
    int32_t smax;             /* state */
    int16_t *cos, *sin;       /* S_max,dk/2: Q1.14 */
    uint64_t S_max;
    struct qlayer *layer;
    struct qmat embed, lm;
    struct rq *rq_embed;      /* vocab */
    struct rq undecay;        /* takes the decay table's full scale away again */
    struct rq narrow;         /* post-norm: embedding to int8 */
    int16_t *ln;
    struct rq nf;
    uint64_t epsf;
    double s_f, s_wf;
};

/* Where an accumulator or a state left its width, and how often. */
struct overflow {
    uint64_t n[N_POINTS];
};

/* Calibrates on sequences of S tokens each (as golden_f64 takes them). NULL with
 * an error (78) when a knob cannot be met. */
struct qnet *qnet_create(const struct net *n, const struct quant *q, uint64_t n_seqs, uint64_t S,
                         const double *const *seqs, struct err *err);
void qnet_destroy(struct qnet *q);
/* Integer forward pass; taps get dequantised values. */
void golden_int(const struct qnet *q, enum net_form form, uint64_t S, const double *in, tap_fn tap, void *arg,
                struct overflow *over);

#endif
