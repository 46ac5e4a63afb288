/* Rounding of a matrix with error feedback: what one column loses by rounding goes to the
 * columns after it, as far as their inputs move together on the calibration sequences. */
#ifndef WORKLOADS_FEEDBACK_H
#define WORKLOADS_FEEDBACK_H

#include <stdint.h>

/* h += X^T X, h in,in (its lower triangle), X S,in. */
void second_moments(double *h, const double *x, uint64_t S, uint64_t in);
/* h (its lower triangle) <- R, upper triangular with R R^T = h + ridge. Grows with in^3 / 3. */
void feedback_factor(double *h, uint64_t in);
/* Rounds `rows` rows of weights to steps `scale` of -most..most, least in |(w - w^) R|^2 column
 * by column (Babai's nearest plane; GPTQ's order of work without the inverse). Grows with
 * rows in^2 / 2. */
void feedback_round(const double *r, const double *w, const double *scale, uint64_t rows, uint64_t in,
                    int32_t most, int16_t *to);

#endif
