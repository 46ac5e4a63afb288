/* Calibration: ranges of every point from float runs, and the steps that a way of
 * calibrating makes of them. */
#ifndef WORKLOADS_CALIBRATE_H
#define WORKLOADS_CALIBRATE_H

#include "workloads/golden.h"
#include "workloads/work.h"

struct samples; /* magnitudes of one point of one layer */
struct head_range { /* largest magnitudes of a head over the sequences, real values */
    double state;   /* sum gamma^i k v */
    double row;     /* q times that */
    double score;   /* q k gamma^i */
    double q, k;    /* before rotary */
};
/* Points that matrices of weights read. */
enum matrix_input { IN_LN1, IN_GATED, IN_LN2, IN_PROD, IN_FINAL, N_MATRIX_INPUTS };
/* What is asked of a calibration beside ranges. */
enum { CALIBRATE_INPUTS = 1, CALIBRATE_ROWS = 2 };
struct head_rows { /* of all sequences, one after the other */
    float *q, *k, *v; /* n,dk; n,dk; n,dv: after rotary */
    uint64_t n;
};
struct calibration {
    struct arena arena;
    const struct net *n;
    struct samples *s;       /* L,N_POINTS */
    struct samples *by_head; /* L,H,N_HEAD_POINTS */
    struct head_range *head; /* L,H */
    struct head_rows *rows;  /* L,H; CALIBRATE_ROWS */
    double **inputs;         /* L,N_MATRIX_INPUTS: X^T X; CALIBRATE_INPUTS */
    double *kept[2];         /* qr and v of the layer at hand */
    uint64_t S;
    unsigned want; /* CALIBRATE_* */
};

void calibrate(struct calibration *c, const struct net *n, unsigned want, uint64_t n_seqs, uint64_t S,
               const double *const *seqs);
void calibration_finish(struct calibration *c);
/* Points that may have a scale for each head. */
enum head_point { HEAD_QR, HEAD_KR, HEAD_V, N_HEAD_POINTS };
/* Largest magnitude of a point. */
double calibrated_most(const struct calibration *c, uint64_t layer, enum point p);
/* Real value of a step of which `most` is the largest number. */
double calibrated_step(const struct calibration *c, int way, uint64_t layer, enum point p, int32_t most);
double calibrated_head_step(const struct calibration *c, int way, uint64_t layer, uint64_t head,
                            enum head_point p, int32_t most);
/* The same for values that are all there: weights. */
double step_of(int way, const double *v, uint64_t n, double largest, int32_t most);

#endif
