/* Integer arithmetic that every part needs. Arguments are small enough that no sum wraps. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdint.h>

static inline uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* a / b rounded up; b > 0. */
static inline uint64_t div_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* The smallest multiple of `step` that is not below a; step > 0. */
static inline uint64_t round_up(uint64_t a, uint64_t step)
{
    return div_up(a, step) * step;
}

/* Bytes that `n` elements of `bits` each take when packed. */
static inline uint64_t bytes_of(uint64_t n, uint64_t bits)
{
    return div_up(n * bits, 8);
}

/* Bits that are set. Without the machine's instruction the compiler's builtin is a call. */
static inline unsigned count_bits(uint32_t v)
{
    v -= v >> 1 & 0x55555555u;
    v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0fu;
    return v * 0x01010101u >> 24;
}

static inline uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* a and b above 0. */
static inline uint64_t lcm(uint64_t a, uint64_t b)
{
    return a / gcd(a, b) * b;
}

#endif
