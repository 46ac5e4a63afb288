/* Scaling over nodes: exact at the table, monotone, reversible, and not the way
 * of Accelergy's library plug-in. */
#include "arch/scaling.h"

#include <criterion/criterion.h>
#include <math.h>

static double energy(double from, double to, double volts)
{
    return scaling_energy(to, volts) / scaling_energy(from, volts);
}

Test(scaling, exact_at_table_nodes)
{
    static const struct { double nm, a, b, c, area; } rows[] = {
        {130, 7.171, -6.709, 2.904, 6.4}, {90, 4.762, -4.781, 2.092, 2.8}, {65, 3.755, -4.398, 1.975, 1.5},
        {45, 1.103, -0.362, 0.2767, 1},   {32, 0.9559, -0.7823, 0.471, 0.46},
        {20, 0.373, -0.1582, 0.04104, 0.21},
        {16, 0.2958, -0.1241, 0.03024, 0.19}, {14, 0.2363, -0.09675, 0.02239, 0.17},
        {10, 0.2068, -0.09311, 0.02375, 0.10}, {7, 0.1776, -0.09097, 0.02447, 0.059},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (double v = 0.5; v < 1.4; v += 0.1)
            cr_expect_float_eq(scaling_energy(rows[i].nm, v), rows[i].a * v * v + rows[i].b * v + rows[i].c,
                               1e-12);
        cr_expect_float_eq(scaling_area(rows[i].nm), rows[i].area, 1e-12);
    }
    cr_expect(isnan(scaling_energy(6.9, 1)) && isnan(scaling_area(131)) && isnan(scaling_energy(NAN, 1)));
}

/* Arithmetic from the published polynomials. */
Test(scaling, between_nodes)
{
    static const struct { double nm, volts, f; } rows[] = {
        {45, 0.9, 0.844}, {40, 1.1, 1.042}, {22, 0.8, 0.204}, {22, 0.65, 0.141}, {22, 0.5, 0.099},
        {16, 0.8, 0.120},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_float_eq(scaling_energy(rows[i].nm, rows[i].volts), rows[i].f, 0.0006, "%g nm %g V: %g",
                           rows[i].nm, rows[i].volts, scaling_energy(rows[i].nm, rows[i].volts));
}

/* The plug-in at revision ba4e9da moves from the larger node towards the smaller
 * one by the fraction that belongs to the other direction: it says 0.586 and
 * 0.418 for 22 nm, less for 30 nm than for 24. */
Test(scaling, not_backwards_as_accelergy)
{
    static const struct { double nm, wrong_energy, wrong_area; } rows[] = {
        {30, 0.294, 0.252}, {24, 0.513, 0.377}, {22, 0.586, 0.418}, {21, 0.623, 0.439},
    };

    cr_expect_float_eq(energy(45, 22, 0.8), 0.294, 0.001);
    cr_expect_float_eq(scaling_area(22), 0.252, 0.001);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_gt(fabs(energy(45, rows[i].nm, 0.8) / rows[i].wrong_energy - 1), 0.1, "%g nm", rows[i].nm);
        cr_expect_gt(fabs(scaling_area(rows[i].nm) / rows[i].wrong_area - 1), 0.1, "%g nm", rows[i].nm);
    }
}

Test(scaling, monotone_in_node_and_supply)
{
    for (double v = 0.5; v <= 1.21; v += 0.05)
        for (double nm = 7.5; nm <= 130; nm += 0.5) {
            cr_expect_gt(scaling_energy(nm, v), scaling_energy(nm - 0.5, v), "%g nm at %g V", nm, v);
            cr_expect_gt(scaling_area(nm), scaling_area(nm - 0.5), "%g nm", nm);
        }
    for (double nm = 7; nm <= 45; nm += 1)
        for (double v = 0.5; v <= 1.2; v += 0.05)
            cr_expect_gt(scaling_energy(nm, v + 0.05), scaling_energy(nm, v), "%g nm at %g V", nm, v);
}

Test(scaling, reversible_and_transitive)
{
    static const double nm[] = {130, 77, 65, 45, 40, 28, 22, 16, 12, 7};

    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++) {
            cr_expect_float_eq(energy(nm[i], nm[j], 0.8) * energy(nm[j], nm[i], 0.8), 1, 1e-12);
            for (size_t k = 0; k < 10; k++)
                cr_expect_float_eq(energy(nm[i], nm[j], 0.8) * energy(nm[j], nm[k], 0.8),
                                   energy(nm[i], nm[k], 0.8), 1e-9);
        }
}
