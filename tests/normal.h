/* Normal numbers from a seed. */
#ifndef TESTS_NORMAL_H
#define TESTS_NORMAL_H

#include "base/hash.h"

#include <math.h>

static double gen_normal(struct rng *r)
{
    double u = ((double)(rng_next(r) >> 11) + 1) * 0x1p-53, v = (double)(rng_next(r) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

#endif
