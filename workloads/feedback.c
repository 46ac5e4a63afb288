#include "workloads/feedback.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the mean square of the inputs: keeps inputs that never move from taking up errors. */
#define RIDGE 0.01

void second_moments(double *h, const double *x, uint64_t S, uint64_t in)
{
    for (uint64_t s = 0; s < S; s++, x += in)
        for (uint64_t i = 0; i < in; i++)
            for (uint64_t j = 0; j <= i; j++)
                h[i * in + j] += x[i] * x[j];
}

/* Column k of R, from the last to the first: R_kk^2 is what the columns after k leave of
 * h_kk, and R_ik (i < k) what they leave of h_ik over it. */
void feedback_factor(double *h, uint64_t in)
{
    double mean = 0;
    for (uint64_t i = 0; i < in; i++)
        mean += h[i * in + i] / (double)in;
    for (uint64_t i = 0; i < in; i++)
        h[i * in + i] += mean > 0 ? RIDGE * mean : 1;
    double *column = xrealloc(NULL, in, sizeof *column);
    for (uint64_t k = in; k-- > 0;) {
        double root = sqrt(h[k * in + k]);
        for (uint64_t i = 0; i < k; i++)
            column[i] = h[k * in + i] / root;
        for (uint64_t i = 0; i < k; i++)
            for (uint64_t j = 0; j <= i; j++)
                h[i * in + j] -= column[i] * column[j];
        for (uint64_t i = 0; i < k; i++)
            h[i * in + k] = column[i];
        h[k * in + k] = root;
    }
    free(column);
}

void feedback_round(const double *r, const double *w, const double *scale, uint64_t rows, uint64_t in,
                    int32_t most, int16_t *to)
{
    double *owed = xrealloc(NULL, in, sizeof *owed); /* sum of errors so far, times R */
    for (uint64_t o = 0; o < rows; o++) {
        memset(owed, 0, in * sizeof *owed);
        for (uint64_t k = 0; k < in; k++) {
            const double *row = r + k * in;
            double want = w[o * in + k] + owed[k] / row[k];
            double q = floor(want / scale[o] + 0.5);
            q = fmin(fmax(q, -most), most);
            double e = w[o * in + k] - q * scale[o];
            to[o * in + k] = (int16_t)q;
            for (uint64_t j = k + 1; j < in; j++)
                owed[j] += e * row[j];
        }
    }
    free(owed);
}
