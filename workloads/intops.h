/* The integer operations of the datapath on one element or one row, with which the
 * golden model and the values reading of a program are both written. Loops over
 * tensors are not here: each of the two has its own. */
#ifndef WORKLOADS_INTOPS_H
#define WORKLOADS_INTOPS_H

#include <stdbool.h>
#include <stdint.h>

/* y = (acc m + add) >> sh, m in [2^14, 2^15): a real factor. add is 2^(sh-1) to
 * round half up (Deeploy's and QuantLib's RequantShift), 0 to round down. */
struct rq {
    int32_t m;
    int sh;
    int64_t add;
};
enum { REQUANT_HALF_UP, REQUANT_FLOOR, REQUANT_INT32 };
/* Of REQUANT_INT32: before rq_within. */
struct rq rq_of(double factor, int requant);
/* Do product and sum stay in 32 bits for every |acc| <= most? */
static inline bool rq_fits32(struct rq q, int64_t most)
{
    return most * q.m + q.add <= INT32_MAX;
}
/* The same factor with as many bits of m as 32 bits have room for: Deeploy's kernels, which shift an int32
 * product. Rounds half up. */
struct rq rq_within(struct rq q, int64_t most);

/* Decay by table: gamma^i is entry[i % entries] (of full scale 2^decay_bits - 1)
 * times block[i / entries] (U0.16). */
struct decay_table {
    uint16_t *entry;
    uint32_t *block;
    uint64_t entries, n_blocks;
};
/* gamma^i of full scale 2^bits - 1, i < n: 1 is not among U0.bits, so all are scaled */
void decay_entries(uint16_t *to, double gamma, uint64_t n, uint64_t bits);
/* gamma^(i step), i < n, as U0.16 */
void decay_powers(uint32_t *to, double gamma, uint64_t n, uint64_t step);

/* How a state is kept: decay by a shift (1 - gamma = 2^-shift; -1: by gamma_u16),
 * k v entering as 2^-p of itself, limits +-most. */
struct state_rule {
    int rounding; /* ROUND_* of work.h */
    int decay_shift, p;
    uint32_t gamma_u16;
    int32_t most;
};
enum { STATE_HALF_UP, STATE_TRUNCATE, STATE_STOCHASTIC, STATE_HALF_EVEN };

/* To -most..most. */
static inline int32_t clip(int64_t v, int32_t most)
{
    return (int32_t)(v > most ? most : v < -(int64_t)most ? -(int64_t)most : v);
}

/* The same, counted where it changes a value. */
static inline int32_t clip_counted(int64_t v, int32_t most, uint64_t *over)
{
    *over += v > most || v < -(int64_t)most;
    return clip(v, most);
}

/* What a 32-bit accumulator holds of a sum, counted where that is not the sum. */
static inline int32_t acc32(int64_t sum, uint64_t *over)
{
    *over += sum != (int32_t)sum;
    return (int32_t)sum;
}

/* floor(v / 2^s + 1/2); a negative s shifts left */
static inline int64_t shift_round(int64_t v, int s)
{
    if (s <= 0)
        return s < -63 ? 0 : (int64_t)((uint64_t)v << -s);
    return s > 62 ? 0 : (v + (INT64_C(1) << (s - 1))) >> s;
}

static inline int64_t rq_apply(struct rq q, int64_t acc)
{
    int64_t v = acc * q.m + q.add;
    return q.sh > 0 ? v >> q.sh : (int64_t)((uint64_t)v << -q.sh);
}

/* acc gamma^i; the product has decay_bits more bits. Past the table: nothing is left. */
static inline int64_t decayed(const struct decay_table *t, uint64_t i, int64_t acc)
{
    if (i < t->entries)
        return acc * t->entry[i];
    uint64_t b = i / t->entries;
    return b >= t->n_blocks ? 0 : (acc * t->entry[i % t->entries] * t->block[b] + 32768) >> 16;
}

/* Stochastic rounding draws from a counter, not from a generator's past: the result
 * does not depend on the order in which a state is worked on. */
static inline uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}
/* For all elements of a head's state that token `token` updates. */
static inline uint64_t state_draw(uint64_t seed, uint64_t layer, uint64_t head, uint64_t token)
{
    return mix64(mix64(mix64(seed + UINT64_C(0x9e3779b97f4a7c15)) + (layer << 32 | head)) + token);
}

/* The nearest of v / 2^s, of two the even one; s > 0 */
static inline int64_t shift_even(int64_t v, int s)
{
    return s > 62 ? 0 : (v + (INT64_C(1) << (s - 1)) - 1 + (v >> s & 1)) >> s;
}

/* v / 2^s in the state's rounding; draw: random bits, used by stochastic rounding alone */
static inline int64_t state_shift(int rounding, uint64_t draw, int64_t v, int s)
{
    if (s <= 0 || rounding == STATE_HALF_UP)
        return shift_round(v, s);
    if (rounding == STATE_TRUNCATE)
        return v >> s;
    if (rounding == STATE_HALF_EVEN)
        return shift_even(v, s);
    return (v + (int64_t)(draw & ((UINT64_C(1) << s) - 1))) >> s;
}

/* s <- gamma s + kv / 2^p. draw: state_draw; at: row dv + column */
static inline int32_t state_token(const struct state_rule *r, uint64_t draw, uint64_t at, int32_t s,
                                  int32_t kv, uint64_t *over)
{
    uint64_t d = r->rounding == STATE_STOCHASTIC ? mix64(draw + at) : 0;
    int64_t kept = r->decay_shift >= 0 ? s - state_shift(r->rounding, d, s, r->decay_shift)
                                       : state_shift(r->rounding, d, (int64_t)s * r->gamma_u16, 16);
    return clip_counted(kept + state_shift(r->rounding, d >> 32, kv, r->p), r->most, over);
}

/* s <- gamma^len s + sum / 2^p, sum over a chunk of len tokens. draw: of its last token */
static inline int32_t state_chunk(const struct state_rule *r, uint64_t draw, uint64_t at, int32_t s,
                                  uint32_t gamma_len_u16, int64_t sum, uint64_t *over)
{
    uint64_t d = r->rounding == STATE_STOCHASTIC ? mix64(draw + at) : 0;
    int64_t kept = state_shift(r->rounding, d, (int64_t)s * gamma_len_u16, 16);
    return clip_counted(kept + state_shift(r->rounding, d >> 32, sum, r->p), r->most, over);
}

/* Adjacent pairs x turn by a table's angle (Q1.14) and are requantised. */
static inline void rotate_pair(const int16_t *x, int16_t cos, int16_t sin, struct rq rq, int32_t most,
                               int16_t *y)
{
    y[0] = (int16_t)clip(rq_apply(rq, (int64_t)x[0] * cos - (int64_t)x[1] * sin), most);
    y[1] = (int16_t)clip(rq_apply(rq, (int64_t)x[1] * cos + (int64_t)x[0] * sin), most);
}

static inline unsigned bit_width(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* The power of two by which a row whose largest magnitude has `width` bits fits `bits`. */
static inline int row_shift(unsigned width, uint64_t bits)
{
    int s = (int)width - (int)bits + 1;
    return s > 0 ? s : 0;
}

uint64_t isqrt64(uint64_t v); /* largest r with r^2 <= v */

/* How norms divide: retsim's own isqrt with fractional bits and eps, or iRMSNorm of
 * Deeploy and QuantLib: y = ((x w) / isqrt(mean(x^2) + 1)) >> sh, '/' truncating. */
enum { NORM_NATIVE, NORM_DEEPLOY };

/* Per-head norm of a 16-bit row: shifted so that its largest takes norm_bits, divided
 * by its root mean square, requantised to y. */
struct head_norm {
    int kind;
    uint64_t norm_bits;
    struct rq rq;  /* native: of steps of 2^-20; Deeploy: w and sh */
    int32_t most;
};
/* eps in 2^-12 of a squared step of o */
void head_norm_row(const struct head_norm *h, const int16_t *o, uint64_t dv, uint64_t eps, int16_t *y);

/* RMS norm with gain of a 16-bit row of the residual stream. */
struct rms_norm {
    int kind;
    uint64_t eps;        /* of a squared step, in 1/256 (native) */
    const int16_t *gain; /* d */
};
/* What divides the row x. */
int64_t rms_std(const struct rms_norm *n, const int16_t *x, uint64_t d);

/* Element x of a row with gain `gain`: not yet clipped. */
static inline int64_t rms_element(const struct rms_norm *n, struct rq rq, int16_t x, int16_t gain,
                                  int64_t std)
{
    if (n->kind == NORM_DEEPLOY)
        return ((int64_t)x * gain * rq.m / std) >> rq.sh;
    return rq_apply(rq, (int64_t)x * gain * 65536 / std);
}

#endif
