/* A calibrated integer network: what the accelerator holds. Widths and operations
 * follow the integer dataflow of docs/model.md; symmetric ranges, zero point 0. */
#ifndef WORKLOADS_QNET_H
#define WORKLOADS_QNET_H

#include "workloads/golden.h"
#include "workloads/intops.h"
#include "workloads/work.h"

struct qmat {          /* out,in */
    int16_t *w;        /* int2..int8 values */
    double *scale;     /* out: real value of one step */
    uint64_t out, in;
};

struct qhead {
    double gamma;
    double s_q, s_k;       /* before rotary */
    double s_qr, s_kr, s_v;
    struct state_rule state;
    struct decay_table decay;
    uint32_t *gamma_pow; /* B+1: gamma^i, U0.16 */
    int read_shift;      /* state to what is read */
    double state_max;    /* calibrated, in steps of k v */
    double row_max;      /* calibrated: largest accumulated value of a row, real */
    struct rq score;     /* static scores */
    double score_scale;
    /* Accumulators of a form to the int16 row: static scores shift by this; under
     * row_shift an accumulator of steps 2^up of q k v shifts by this - up. */
    int o_shift[N_NET_FORMS];
    struct rq to_inner;  /* chunkwise, static scores: the decayed cross part to the inner step */
    double s_o[N_NET_FORMS];      /* real value of a step of the 16-bit row */
    uint64_t *eps[N_NET_FORMS];   /* S_max: eps z_n in 2^-12 of a squared step of the row */
};

struct qlayer {
    struct qmat wq, wk, wv, wg, wo, fc1, gate, fc2;
    struct rq *rq_q, *rq_k, *rq_v, *rq_g, *rq_fc1, *rq_gate; /* by output channel */
    struct rq *rq_o, *rq_fc2;                               /* into the residual stream */
    struct rq *rq_msr;                                      /* msr alone: to int8 */
    struct rq qr, kr, gated, prod, res1, res2;
    struct head_norm y;
    struct rms_norm ln1, ln2; /* gains int8 */
    struct rq n1, n2;         /* norm to int8 */
    struct rq back1, back2;   /* post-norm: norm to the residual stream */
    int16_t swish[256], act[256];
    double s_x, s_g, s_y, s_sw, s_gated, s_msr, s_in, s_r1, s_n1, s_u, s_a, s_act,
        s_gp, s_prod, s_r2, s_n2, s_w1, s_w2;
    struct qhead *head;       /* H */
};

struct qnet {
    struct arena arena;
    const struct net *n;
    struct quant q;
    int32_t amax, rmax, omax; /* largest activation, 16-bit value before rotary, residual */
    int16_t *cos, *sin;       /* S_max,dk/2: Q1.14 */
    uint64_t S_max;
    struct qlayer *layer;
    struct qmat embed, lm;
    struct rq *rq_embed;      /* vocab */
    struct rq undecay;        /* takes the decay table's full scale away again */
    struct rq narrow;         /* post-norm: embedding to int8 */
    struct rms_norm ln;
    struct rq nf;
    double s_f, s_wf;
};

/* Where a value left its width. */
enum overflow_place {
    OVER_ACC,      /* 32-bit accumulator of the retention's output or read-out */
    OVER_ROW,      /* 16-bit row before the per-head norm */
    OVER_STATE,
    OVER_MSR,      /* what retention adds to the residual stream */
    OVER_FFN,      /* what the FFN adds */
    OVER_RESIDUAL, /* the stream after an addition */
    N_OVERFLOWS
};
extern const char *const overflow_names[N_OVERFLOWS];
struct overflow { /* how often, by layer */
    uint64_t n[NET_MAX_LAYERS][N_OVERFLOWS];
};
uint64_t overflow_count(const struct overflow *o);

/* Calibrates on sequences of S tokens each (as golden_f64 takes them), with tables
 * for S_max positions and chunks of n->B. A quantized network is loaded; it must be of the
 * same knobs but state_bits, read_bits, score_scale and state_update: what follows from
 * those is computed for the machine at hand. NULL with an error (78) when a knob cannot be
 * met. */
struct qnet *qnet_create(const struct net *n, const struct quant *q, uint64_t n_seqs, uint64_t S,
                         const double *const *seqs, uint64_t S_max, struct err *err);
void qnet_destroy(struct qnet *q);
/* Widths that follow from q->q. */
void qnet_widths(struct qnet *q);
/* A quantized network as a directory, and back: the same integers, nothing is calibrated. Errors:
 * 73, 74; 65, 66, 78. */
bool qnet_save(const struct qnet *q, const char *dir, struct err *err);
struct qnet *qnet_load(const struct net *n, uint64_t S_max, struct err *err);

/* ---- the integer forward pass ---- */

/* The first `prefill` tokens in a form, then `decode` tokens one by one, from the
 * state that prefill left (built in chunks after the parallel form) or, kv_cache, as
 * rows of the parallel form. */
struct golden_job {
    enum net_form form;
    uint64_t prefill, decode;
    bool kv_cache;
};
/* Do the job's numbers depend on the length of chunks? */
bool golden_has_chunks(const struct golden_job *job, const struct quant *q);
/* Integers of a point, as the datapath holds them: P_MSR of an msr and P_RET, P_STATE
 * (H,dk,dv) are what memory holds, P_LOGITS accumulators. */
typedef void (*int_tap_fn)(void *arg, uint64_t layer, enum point p, const int32_t *v, uint64_t n);
struct golden_sink { /* NULL: not wanted */
    tap_fn real;     /* dequantised; accumulators where a requantisation follows an output */
    int_tap_fn whole;
    void *arg;
};
void golden_int(const struct qnet *q, const struct golden_job *job, const double *in,
                const struct golden_sink *sink, struct overflow *over);
/* What enters: in as golden_f64 takes it -> S,d (msr int8; else the residual stream). */
void golden_input(const struct qnet *q, uint64_t S, const double *in, int16_t *x);

#endif
