/* The static scale of a head's scores from calibration rows. */
#ifndef WORKLOADS_SCORE_SCALE_H
#define WORKLOADS_SCORE_SCALE_H

#include "workloads/calibrate.h"

/* Real value of a step of scores: of largest / top and the clippings below it, the one that turns
 * rows after the per-head norm least from what unrounded scores give. Looks at every row of a
 * short sequence (one row that was not looked at and clips may be half of the noise), at SCORE_PAIRS
 * scores of a longer one, and at SCORE_ROWS rows at least; grows with max(SCORE_PAIRS, SCORE_ROWS S)
 * (dk + SCORE_STEPS dv). */
enum { SCORE_ROWS = 32, SCORE_PAIRS = 16384, SCORE_STEPS = 16 };
struct score_operands { /* queries and keys as the array has them: steps, largest integer */
    double q_step, k_step;
    int32_t most;
};
double score_step(const struct head_rows *rows, const struct net *n, const struct score_operands *ops,
                  double gamma, uint64_t S, double largest, int32_t top);

#endif
