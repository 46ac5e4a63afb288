/* Increment distributions that queue tests and the benchmark share:
 * always 1 | mostly 1, some bursts | pipelines with off-chip accesses |
 * uniform and short | uniform and far beyond the wheel. */
#ifndef TESTS_EVQ_DIST_H
#define TESTS_EVQ_DIST_H

#include "base/hash.h"

enum dist { DIST_ONE, DIST_ACCEL, DIST_MIXED, DIST_U64, DIST_LONG, N_DISTS };
static const char *const dist_names[N_DISTS] = {"one", "accel", "mixed", "u64", "long"};

static inline uint64_t dist_next(enum dist dist, struct rng *r)
{
    uint64_t x = rng_next(r), u = x >> 48, v = x & 0xffffffff; /* u: which branch, v: where in it */
    unsigned permille = (unsigned)(u * 1000 >> 16);

    switch (dist) {
    case DIST_ONE:
        return 1;
    case DIST_ACCEL:
        return permille < 900 ? 1 : permille < 980 ? 2 + v % 15 : 100 + v % 900;
    case DIST_MIXED:
        return permille < 600 ? 1
             : permille < 900 ? 2 + v % 63
             : permille < 995 ? 64 + v % 900
                              : 4096 + v % 61440;
    case DIST_U64:
        return 1 + v % 64;
    default:
        return 1 + v % 20000;
    }
}

#endif
