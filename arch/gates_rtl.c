/* Multipliers and dot products that are left to the synthesiser: no law holds
 * well, because it merges products and sums before it maps them. Measured on
 * netlists made as those of tests/reference/area/README.md were: 16 of the 17
 * rows there came out to the last digit, one, which stands here as published,
 * 2.6 % low. Straight lines in logarithms between. */
#include "arch/gates.h"

#include <math.h>

/* Index of the interval of v in grid[n], and how far into it, which may be
 * beyond its ends. */
static unsigned interval(const double *grid, unsigned n, double v, double *part)
{
    unsigned i = 1;

    while (i + 1 < n && grid[i] < v)
        i++;
    *part = (v - grid[i - 1]) / (grid[i] - grid[i - 1]);
    return i - 1;
}

static double line(double a, double b, double part)
{
    return a + (b - a) * part;
}

static void sort(double *small, double *large)
{
    double s = fmin(*small, *large), l = fmax(*small, *large);

    *small = s;
    *large = l;
}

/* By log2 of both widths, 2 to 16. */
static const double mul_ge[4][4] = {
    {13.32, 33.31, 89.67, 187.93},
    {33.31, 98.62, 218.58, 448.11},
    {89.67, 218.58, 537.14, 990.54},
    {187.93, 448.11, 990.54, 2226.76},
};

double gates_mul_rtl(unsigned w, unsigned a)
{
    static const double grid[4] = {1, 2, 3, 4};
    double x = log2(w), y = log2(a), px, py;
    unsigned i, j;

    sort(&x, &y);
    i = interval(grid, 4, x, &px);
    j = interval(grid, 4, y, &py);
    return exp(line(line(log(mul_ge[i][j]), log(mul_ge[i][j + 1]), py),
                    line(log(mul_ge[i + 1][j]), log(mul_ge[i + 1][j + 1]), py), px));
}

enum { N_PAIRS = 6, N_LENGTHS = 5, N_ACCS = 3 };

/* Logic by length (1, 2, 4, 8, 16) and accumulator (16, 24, 32 bits). */
static const double dot_ge[N_PAIRS][N_LENGTHS][N_ACCS] = {
    {{262.53, 402.43, 532.35},
     {487.77, 713.35, 953.59},
     {621.40, 912.26, 1199.46},
     {1009.90, 1446.00, 1834.05},
     {1641.54, 2153.36, 2646.96}}, /* 2 x 2 */
    {{268.89, 410.08, 560.07},
     {500.82, 745.40, 996.30},
     {698.98, 994.51, 1259.40},
     {1156.47, 1571.16, 1953.35},
     {2018.99, 2482.59, 3034.83}}, /* 2 x 4 */
    {{277.53, 415.81, 558.35},
     {507.12, 760.39, 1013.62},
     {831.65, 1125.11, 1428.04},
     {1495.60, 1930.69, 2284.49},
     {2831.64, 3278.45, 3773.84}}, /* 2 x 8 */
    {{440.74, 654.39, 880.97},
     {739.93, 1085.08, 1411.26},
     {1257.04, 1658.68, 2058.28},
     {2179.94, 2700.74, 3209.93},
     {3987.76, 4589.42, 5203.67}}, /* 4 x 4 */
    {{485.82, 725.04, 943.04},
     {886.87, 1211.84, 1505.75},
     {1632.60, 2029.53, 2445.07},
     {2918.92, 3494.57, 3974.35},
     {5729.49, 6403.56, 7011.73}}, /* 4 x 8 */
    {{814.32, 1153.58, 1484.98},
     {1473.45, 1915.95, 2340.59},
     {2799.75, 3519.45, 4048.54},
     {5534.70, 6474.93, 7105.00},
     {11051.97, 12635.89, 13193.18}}, /* 8 x 8 */
};

/* Of one pair of widths: logarithm of the gates over length and accumulator. */
static double dot_pair(unsigned pair, double length, double acc)
{
    static const double lengths[N_LENGTHS] = {0, 1, 2, 3, 4}, accs[N_ACCS] = {16, 24, 32};
    double pl, pc, v[2];
    unsigned i = interval(lengths, N_LENGTHS, length, &pl), j = interval(accs, N_ACCS, acc, &pc);

    for (unsigned k = 0; k < 2; k++)
        v[k] = log(fmax(1, line(dot_ge[pair][i + k][j], dot_ge[pair][i + k][j + 1], pc)));
    return line(v[0], v[1], pl);
}

double gates_dot_rtl(unsigned w, unsigned a, unsigned length, unsigned acc_bits)
{
    static const unsigned pair_of[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    static const double grid[3] = {1, 2, 3};
    double x = log2(w), y = log2(a), l = log2(length), px, py;
    unsigned i, j;

    sort(&x, &y);
    i = interval(grid, 3, x, &px);
    j = interval(grid, 3, y, &py);
    return exp(line(line(dot_pair(pair_of[i][j], l, acc_bits), dot_pair(pair_of[i][j + 1], l, acc_bits), py),
                    line(dot_pair(pair_of[i + 1][j], l, acc_bits),
                         dot_pair(pair_of[i + 1][j + 1], l, acc_bits), py), px));
}
