#include "tests/state_error.h"

#include "tests/normal.h"
#include "workloads/intops.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DK = 16, DV = DK, SIZE = DK * DV };

const unsigned state_heads[STATE_HEADS] = {0, 1, 2, 3, 5, 7, 9, 11, 15};
const double state_measured[STATE_HEADS][STATE_VARIANTS] = {
    {92.9, 71.1, 68.9, 47.0, 66.6, 33.9}, {93.3, 67.9, 69.1, 43.8, 66.7, 36.3},
    {93.3, 64.8, 46.9, 37.2, 59.3, 37.9}, {93.5, 61.7, 43.7, 34.1, 59.1, 38.7},
    {93.3, 55.5, 31.4, 25.4, 52.2, 39.7}, {92.9, 51.5, 23.4, 19.1, 45.8, 42.6},
    {92.0, 50.8, 18.4, 16.9, 46.3, 53.2}, {88.6, 50.7, 20.6, 13.3, 47.6, 59.8},
    {67.5, 50.5, 23.1, 12.0, 49.1, 55.6}};
const int state_measured_p[STATE_HEADS] = {0, 0, 1, 1, 2, 3, 3, 3, 3};

static const struct {
    int rounding;
    int32_t most;
    bool chunk;
} variants[STATE_VARIANTS] = {{STATE_HALF_UP, INT32_MAX, false},   {STATE_TRUNCATE, INT32_MAX, false},
                              {STATE_HALF_UP, INT16_MAX, false},   {STATE_TRUNCATE, INT16_MAX, false},
                              {STATE_STOCHASTIC, INT16_MAX, false}, {STATE_HALF_UP, INT16_MAX, true},
                              {STATE_HALF_EVEN, INT16_MAX, false}};

/* The data of one seed and what queries read of the exact state of one head. */
struct exact {
    double gamma;
    int p; /* of a 16-bit state: from the largest exact one, as calibration takes it */
    int8_t q[STATE_TOKENS][DK], k[STATE_TOKENS][DK], v[STATE_TOKENS][DV];
    double now[STATE_TOKENS][DV];   /* state with the query's token */
    double chunk[STATE_TOKENS][DV]; /* state of the chunks before */
};

/* Normal values whose largest takes 127: the step of `minmax` calibration. */
static void draw_tensor(struct rng *r, int8_t *to)
{
    struct rng again = *r;
    double most = 0;
    for (unsigned i = 0; i < STATE_TOKENS * DK; i++)
        most = fmax(most, fabs(gen_normal(r)));
    for (unsigned i = 0; i < STATE_TOKENS * DK; i++)
        to[i] = (int8_t)lround(gen_normal(&again) * 127 / most);
}

static void draw_tokens(struct exact *x, uint64_t seed)
{
    struct rng r = {seed};
    draw_tensor(&r, x->q[0]);
    draw_tensor(&r, x->k[0]);
    draw_tensor(&r, x->v[0]);
}

static void read_exact(const int8_t *q, const double *state, double *out)
{
    for (unsigned at = 0; at < SIZE; at++)
        out[at % DV] = (at < DV ? 0 : out[at % DV]) + q[at / DV] * state[at];
}

static void exact_states(struct exact *x, unsigned h)
{
    double state[SIZE] = {0}, before[SIZE] = {0}, most = 0;
    x->gamma = 1 - ldexp(1, -5 - (int)h);
    for (unsigned t = 0; t < STATE_TOKENS; t++) {
        if (t % STATE_CHUNK == 0)
            memcpy(before, state, sizeof state);
        for (unsigned at = 0; at < SIZE; at++) {
            state[at] = state[at] * x->gamma + x->k[t][at / DV] * x->v[t][at % DV];
            most = fmax(most, fabs(state[at]));
        }
        read_exact(x->q[t], state, x->now[t]);
        read_exact(x->q[t], before, x->chunk[t]);
    }
    x->p = (int)fmax(0, ceil(log2(most / INT16_MAX)));
}

struct kept { /* an integer state */
    struct state_rule rule;
    int32_t s[SIZE];
    uint64_t over;
};

static void take_token(struct kept *k, const struct exact *x, unsigned h, unsigned t)
{
    uint64_t draw = state_draw(7, 0, h, t);
    for (unsigned at = 0; at < SIZE; at++)
        k->s[at] = state_token(&k->rule, draw, at, k->s[at], x->k[t][at / DV] * x->v[t][at % DV], &k->over);
}

/* Takes tokens t .. t + STATE_CHUNK - 1 with one rounding; keys are decayed to 8 bits. */
static void take_chunk(struct kept *k, const struct exact *x, unsigned t)
{
    enum { DECAY_BITS = 8 };
    uint16_t entry[STATE_CHUNK];
    uint32_t power[STATE_CHUNK + 1];
    struct decay_table table = {entry, NULL, STATE_CHUNK, 0};
    struct rq undecay = rq_of(1.0 / ((1 << DECAY_BITS) - 1), REQUANT_HALF_UP);
    int64_t sum[SIZE] = {0};
    decay_entries(entry, x->gamma, STATE_CHUNK, DECAY_BITS);
    decay_powers(power, x->gamma, STATE_CHUNK + 1, 1);
    for (unsigned j = 0; j < STATE_CHUNK; j++)
        for (unsigned i = 0; i < DK; i++) {
            int32_t key = clip(rq_apply(undecay, decayed(&table, STATE_CHUNK - 1 - j, x->k[t + j][i])), 127);
            for (unsigned c = 0; c < DV; c++)
                sum[i * DV + c] += key * x->v[t + j][c];
        }
    for (unsigned at = 0; at < SIZE; at++)
        k->s[at] = state_chunk(&k->rule, 0, at, k->s[at], power[STATE_CHUNK], acc32(sum[at], &k->over),
                               &k->over);
}

/* Last half of the shortest length that ends after token t; -1 before the first of them. */
static int half_of(unsigned t)
{
    int n = -1;
    for (unsigned from = STATE_SHORTEST / 2; t >= from; from *= 2)
        n++;
    return n;
}

static uint64_t error_of_seed(const struct exact *x, unsigned h, enum state_variant variant, double *db)
{
    double signal[STATE_LENGTHS] = {0}, noise[STATE_LENGTHS] = {0};
    bool chunk = variants[variant].chunk;
    int32_t most = variants[variant].most;
    struct kept k = {{variants[variant].rounding, chunk ? -1 : 5 + (int)h, most > INT16_MAX ? -4 : x->p, 0,
                      most}, {0}, 0};
    for (unsigned t = 0; t < STATE_TOKENS; t++) {
        const double *want = chunk ? x->chunk[t] : x->now[t];
        int n = half_of(t);
        if (chunk && t && t % STATE_CHUNK == 0)
            take_chunk(&k, x, t - STATE_CHUNK);
        if (!chunk)
            take_token(&k, x, h, t);
        for (unsigned c = 0; c < DV && n >= 0; c++) {
            int64_t have = 0;
            for (unsigned i = 0; i < DK; i++)
                have += (int64_t)x->q[t][i] * k.s[i * DV + c];
            double error = want[c] - ldexp((double)have, k.rule.p);
            signal[n] += want[c] * want[c];
            noise[n] += error * error;
        }
    }
    for (unsigned n = 0; n < STATE_LENGTHS; n++)
        db[n] = 10 * log10(signal[n] / noise[n]);
    return k.over;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Over the seeds, for each variant and length. */
static void medians(double all[STATE_VARIANTS][STATE_LENGTHS][STATE_SEEDS], struct state_error *out)
{
    for (unsigned v = 0; v < STATE_VARIANTS; v++)
        for (unsigned n = 0; n < STATE_LENGTHS; n++) {
            qsort(all[v][n], STATE_SEEDS, sizeof all[v][n][0], by_value);
            out->db[v][n] = all[v][n][STATE_SEEDS / 2];
            out->least[v] = all[v][n][0]; /* those of the last length stay */
            out->most[v] = all[v][n][STATE_SEEDS - 1];
        }
}

void state_error_of(unsigned head, struct state_error *out)
{
    enum { MOST_SEEDS = 1000 };
    static struct exact x;
    double all[STATE_VARIANTS][STATE_LENGTHS][STATE_SEEDS] = {0}, db[STATE_LENGTHS];
    unsigned found = 0;
    *out = (struct state_error){0};
    while (found < STATE_SEEDS && out->seeds_tried < MOST_SEEDS) {
        draw_tokens(&x, ++out->seeds_tried);
        exact_states(&x, state_heads[head]);
        if (x.p != state_measured_p[head])
            continue;
        for (unsigned v = 0; v < STATE_VARIANTS; v++) {
            out->over[v] += error_of_seed(&x, state_heads[head], v, db);
            for (unsigned n = 0; n < STATE_LENGTHS; n++)
                all[v][n][found] = db[n];
        }
        found++;
    }
    medians(all, out);
}
