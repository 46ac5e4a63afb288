/* Between the two files of the integer forward pass. */
#ifndef WORKLOADS_GOLDEN_INT_H
#define WORKLOADS_GOLDEN_INT_H

#include "workloads/qnet.h"

struct irun {
    const struct qnet *q;
    const struct net *n;
    const struct golden_job *job;
    uint64_t S; /* all tokens */
    const struct golden_sink *sink;
    struct overflow *over;
};

int16_t *int_words(uint64_t n); /* zeros */
/* Taps values v times scale. */
void int_show(const struct irun *r, uint64_t layer, enum point p, const int16_t *v, uint64_t n, double scale);
/* The same with a scale for each head; `group` values of a head lie together. step: where
 * struct qhead has it. */
void int_show_heads(const struct irun *r, uint64_t layer, enum point p, const int16_t *v, uint64_t n,
                    uint64_t group, size_t step);

static inline int32_t dot16(const int16_t *a, const int16_t *b, uint64_t n)
{
    int32_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* qr, kr H,S,dk; v S,V -> y S,V after the per-head norm */
void int_retention(const struct irun *r, uint64_t layer, const int16_t *qr, const int16_t *kr,
                   const int16_t *v, int16_t *y);

#endif
