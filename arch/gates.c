#include "arch/gates.h"

#include <math.h>
#include <stdint.h>

/* The library, NAND2 = 1 (tests/reference/area/README.md). */
static const double ge_full = 5.33, ge_half = 3.33, ge_and = 1.33, ge_nand = 1.00, ge_dff = 5.67,
                    ge_dff_reset = 6.67, ge_mux = 2.33;

enum { MAX_BITS = 64 };

/* A column of the tree: bits, and whether the first of them is a constant 1. */
struct column {
    unsigned long bits;
    unsigned constant;
};

static void fill(struct column *col, unsigned w, unsigned a, unsigned length, unsigned acc_bits, unsigned n)
{
    /* Signs of Baugh-Wooley: each product adds 2^(w-1) + 2^(a-1) - 2^(w+a-1). */
    uint64_t ones = ((uint64_t)1 << (a - 1)) + ((uint64_t)1 << (w - 1)) - ((uint64_t)1 << (w + a - 1));

    ones *= length;
    for (unsigned i = 0; i < w; i++)
        for (unsigned j = 0; j < a && i + j < n; j++)
            col[i + j].bits += length;
    for (unsigned c = 0; c < n; c++) {
        col[c].constant = ones >> c & 1;
        col[c].bits += col[c].constant + (acc_bits > 0);
    }
}

/* Brings every column down to `limit` bits, from the right. */
static void reduce(struct column *col, unsigned n, unsigned long limit, struct dadda *d)
{
    for (unsigned c = 0; c < n; c++) {
        unsigned long excess = col[c].bits > limit ? col[c].bits - limit : 0;
        unsigned long full = excess / 2, half = excess % 2;

        if (excess == 0)
            continue;
        d->merged += col[c].constant;
        d->full += full - (col[c].constant && full > 0);
        d->half += half - (col[c].constant && full == 0);
        col[c].constant = 0;
        col[c].bits = limit;
        if (c + 1 < n)
            col[c + 1].bits += full + half;
    }
}

struct dadda gates_dadda(unsigned w, unsigned a, unsigned length, unsigned acc_bits)
{
    unsigned n = acc_bits ? acc_bits : w + a, first = 0, stages = 0;
    struct column col[MAX_BITS] = {{0, 0}};
    unsigned long tallest = 0, limits[64] = {2};
    struct dadda d = {0, 0, 0, 0};

    fill(col, w, a, length, acc_bits, n);
    for (unsigned c = 0; c < n; c++)
        tallest = col[c].bits > tallest ? col[c].bits : tallest;
    while (limits[stages] < tallest) {
        limits[stages + 1] = limits[stages] * 3 / 2;
        stages++;
    }
    while (stages-- > 0)
        reduce(col, n, limits[stages], &d);
    while (first < n && col[first].bits < 2)
        first++;
    d.carry_bits = n - first;
    return d;
}

/* Partial products: NAND where one operand's sign bit takes part, else AND. */
static double products(unsigned w, unsigned a)
{
    unsigned nands = w + a - 2;

    return ge_and * (w * a - nands) + ge_nand * nands;
}

static double max_of(double x, double y)
{
    return x > y ? x : y;
}

struct gates gates_mul(unsigned w, unsigned a, enum gate_style style)
{
    struct dadda d = gates_dadda(w, a, 1, 0);
    double c;

    if (style == GATES_RTL)
        return (struct gates){gates_mul_rtl(w, a), 0};
    /* Final adder: fit over 107 multipliers, mean error 0.9 %. Two rows need no
     * tree, and the adder merges with the products. */
    c = d.carry_bits;
    return (struct gates){products(w, a) + ge_full * (double)d.full + ge_half * (double)d.half +
                              max_of(0, 8.153 * c - 22.303 + 26.452 / c - (w == 2 || a == 2 ? 4.474 : 0)), 0};
}

struct gates gates_dot(unsigned w, unsigned a, unsigned length, unsigned acc_bits, enum gate_style style)
{
    struct dadda d = gates_dadda(w, a, length, acc_bits);
    double l = length, seq = ge_dff_reset * acc_bits;

    if (style == GATES_RTL)
        return (struct gates){gates_dot_rtl(w, a, length, acc_bits), seq};
    /* Final adder, clear and enable per accumulator bit: fit to the 100
     * published rows, mean error 0.26 %. */
    return (struct gates){l * products(w, a) + ge_full * (double)d.full + ge_half * (double)d.half +
                              10.905 * acc_bits - 7.804, seq};
}

/* Multiplier, then a shifter over the whole product, rounding, saturation. */
struct gates gates_requant(unsigned acc_bits, unsigned mul_bits, unsigned out_bits)
{
    double n = acc_bits + mul_bits;

    return (struct gates){gates_mul(mul_bits, acc_bits, GATES_CSA).comb_ge + 2.137 * n * log2(n) + 11.66 * n,
                          ge_dff * out_bits};
}

/* Requests carry data, byte enables, write enable and 12 address bits. */
struct gates gates_crossbar(unsigned masters, unsigned banks, unsigned data_bits)
{
    double n = masters, m = banks, d = data_bits;

    return (struct gates){1.6215 * n * m * (2.125 * d + 13) + 1.2397 * n * n * m - 1.5279 * n * d,
                          ge_dff_reset * ((n - 1) * m + n) + ge_dff * n * ceil(log2(m))};
}

struct gates gates_fifo(unsigned depth, unsigned width)
{
    double d = depth, w = width, bits = ceil(log2(d));

    return (struct gates){3.4661 * d * w + 6.8538 * d + 5.6082 * (log2(d) + 1),
                          ge_dff * d * w + ge_dff_reset * (3 * bits + 1)};
}

struct gates gates_regfile(unsigned words, unsigned width, unsigned read_ports)
{
    double d = words, w = width, r = read_ports;

    return (struct gates){max_of(ge_mux * d * w, 1.8415 * d * w + 1.5127 * d * w * r - 2.5416 * d * (1 + r) +
                                                     2.9816 * d * log2(d)),
                          ge_dff * d * w};
}

/* A measured block: widths that were synthesised as the reference was, and
 * their gates; between them straight lines, beyond them the last slope. */
struct sample {
    double width, ge;
};

static double measured(const struct sample *s, unsigned n, double width)
{
    unsigned i = 1;

    while (i + 1 < n && s[i].width < width)
        i++;
    return s[i - 1].ge +
           (s[i].ge - s[i - 1].ge) * (width - s[i - 1].width) / (s[i].width - s[i - 1].width);
}
#define MEASURED(s, width) measured(s, sizeof(s) / sizeof((s)[0]), width)

/* The mapper has its good and bad widths, up to a tenth from any line. */
struct gates gates_barrel(unsigned width)
{
    static const struct sample s[] = {
        {2, 2.33}, {4, 13.98}, {6, 32.64}, {8, 48.93}, {12, 97.54}, {16, 139.81}, {20, 203.11},
        {24, 245.41}, {32, 350.52}, {40, 497.74}, {48, 595.60}, {64, 841.18}};
    double w = width, levels = (log2(w) + ceil(log2(w))) / 2;

    if (width > 64)
        return (struct gates){2.3164 * w * levels - 0.7325 * w, 0};
    return (struct gates){MEASURED(s, w), 0};
}

struct gates gates_add(unsigned width)
{
    static const struct sample s[] = {
        {1, 3.33}, {2, 10.33}, {3, 18.65}, {4, 25.65}, {6, 40.97}, {8, 56.29}, {12, 86.93},
        {16, 117.57}, {20, 147.21}, {24, 178.85}, {28, 209.49}, {32, 245.85}, {36, 274.49}, {40, 307.13},
        {44, 332.05}, {48, 366.08}, {56, 429.69}, {64, 494.61}};

    return (struct gates){MEASURED(s, width), 0};
}

struct gates gates_max(unsigned width)
{
    static const struct sample s[] = {
        {1, 1.33}, {2, 6.00}, {3, 12.99}, {4, 20.34}, {6, 30.00}, {8, 41.33}, {10, 69.36}, {12, 85.33},
        {14, 107.99}, {16, 118.32}, {18, 137.99}, {20, 142.68}, {22, 169.40}, {24, 181.33}, {28, 213.62},
        {32, 245.29}, {36, 271.67}, {40, 307.96}, {44, 339.64}, {48, 382.62}, {56, 445.18}, {64, 499.57}};

    return (struct gates){MEASURED(s, width), 0};
}

struct gates gates_isqrt(unsigned width)
{
    return (struct gates){11.407 * width + 35.63, 13.34 * width + 60.03};
}

struct gates gates_div(unsigned width)
{
    return (struct gates){19.266 * width + 31.79, 20.01 * width + 53.36};
}
