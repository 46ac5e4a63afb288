#include "workloads/intops.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>

struct rq rq_of(double factor, int requant)
{
    int e;
    double f = frexp(factor, &e);
    if (!(factor > 0) || e < -45)
        return (struct rq){0, 1, 0};
    int32_t m = (int32_t)lround(f * 32768);
    if (m == 32768) {
        m = 16384;
        e++;
    }
    int sh = 15 - e;
    return (struct rq){m, sh, sh > 0 && requant != REQUANT_FLOOR ? INT64_C(1) << (sh - 1) : 0};
}

struct rq rq_within(struct rq q, int64_t most)
{
    for (int drop = 0; drop < 15; drop++) {
        int sh = q.sh - drop;
        struct rq r = {(q.m + (1 << drop >> 1)) >> drop, sh, sh > 0 ? INT64_C(1) << (sh - 1) : 0};
        if (rq_fits32(r, most))
            return r;
    }
    return (struct rq){0, 1, 0};
}

void decay_entries(uint16_t *to, double gamma, uint64_t n, uint64_t bits)
{
    double full = (double)((1u << bits) - 1);
    for (uint64_t i = 0; i < n; i++)
        to[i] = (uint16_t)round(pow(gamma, (double)i) * full);
}

void decay_powers(uint32_t *to, double gamma, uint64_t n, uint64_t step)
{
    for (uint64_t i = 0; i < n; i++)
        to[i] = (uint32_t)fmin(round(pow(gamma, (double)(i * step)) * 65536), 65535);
}

/* A bit a step, as the hardware does. */
uint64_t isqrt64(uint64_t v)
{
    uint64_t r = 0, bit = UINT64_C(1) << 62;
    while (bit > v)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        bool fits = v >= r + bit;
        v -= fits ? r + bit : 0;
        r = (r >> 1) + (fits ? bit : 0);
    }
    return r;
}

/* eps / 2^down, as far as 60 bits hold it. */
static uint64_t eps_at(uint64_t eps, int down)
{
    if (down >= 0)
        return down >= 64 ? 0 : eps >> down;
    int bits = eps ? 64 - __builtin_clzll(eps) : 0;
    if (bits == 0)
        return 0;
    return bits - down > 60 ? UINT64_C(1) << 60 : eps << -down;
}

void head_norm_row(const struct head_norm *h, const int16_t *o, uint64_t dv, uint64_t eps, int16_t *y)
{
    uint64_t most = 0, sum = 0;
    int32_t top = (1 << (h->norm_bits - 1)) - 1;
    for (uint64_t c = 0; c < dv; c++)
        most = max64(most, (uint64_t)abs(o[c]));
    int e = most ? 64 - __builtin_clzll(most) - (int)h->norm_bits + 1 : 0; /* a row of its own scale */
    for (uint64_t c = 0; c < dv; c++) {
        int64_t n = clip(shift_round(o[c], e), top);
        sum += (uint64_t)(n * n);
    }
    bool native = h->kind == NORM_NATIVE;
    /* 6 fractional bits of the root, and one division a row */
    int64_t std = native ? (int64_t)max64(isqrt64((sum << 12) / dv + eps_at(eps, 2 * e)), 1)
                         : (int64_t)isqrt64(sum / dv + 1);
    int64_t inv = (INT64_C(1) << 30) / std;
    for (uint64_t c = 0; c < dv; c++) {
        int64_t n = clip(shift_round(o[c], e), top);
        int64_t v = native ? rq_apply(h->rq, shift_round(n * inv, 4)) : (n * h->rq.m / std) >> h->rq.sh;
        y[c] = (int16_t)clip(v, h->most);
    }
}

int64_t rms_std(const struct rms_norm *n, const int16_t *x, uint64_t d)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < d; i++)
        sum += (uint64_t)((int32_t)x[i] * x[i]);
    if (n->kind == NORM_DEEPLOY)
        return (int64_t)isqrt64(sum / d + 1);
    return (int64_t)max64(isqrt64((sum << 8) / d + n->eps), 1);
}
