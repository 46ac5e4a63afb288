/* F(n, V) = a V^2 + b V + c and the areas relative to 45 nm, as in
 * accelergy-library-plug-in scaling.py (revision ba4e9da). Between nodes the
 * values themselves are interpolated, by the fraction of the way from the
 * smaller node; that plug-in goes the wrong way and doubles the energy at 22 nm
 * (tests/test_scaling.c). */
#include "arch/scaling.h"

#include <math.h>
#include <stddef.h>
#include <stddef.h>

static const struct node {
    double nm, a, b, c, area;
} nodes[] = {
    {7, 0.1776, -0.09097, 0.02447, 0.059},  {10, 0.2068, -0.09311, 0.02375, 0.10},
    {14, 0.2363, -0.09675, 0.02239, 0.17},  {16, 0.2958, -0.1241, 0.03024, 0.19},
    {20, 0.373, -0.1582, 0.04104, 0.21},    {32, 0.9559, -0.7823, 0.471, 0.46},
    {45, 1.103, -0.362, 0.2767, 1},         {65, 3.755, -4.398, 1.975, 1.5},
    {90, 4.762, -4.781, 2.092, 2.8},        {130, 7.171, -6.709, 2.904, 6.4},
};
enum { N_NODES = sizeof(nodes) / sizeof(nodes[0]) };

/* The node at or below `nm`, and the fraction of the way to the next. */
static const struct node *below(double nm, double *part)
{
    unsigned i = 0;

    if (!(nm >= nodes[0].nm && nm <= nodes[N_NODES - 1].nm))
        return NULL;
    while (i + 2 < N_NODES && nodes[i + 1].nm <= nm)
        i++;
    *part = (nm - nodes[i].nm) / (nodes[i + 1].nm - nodes[i].nm);
    return &nodes[i];
}

static double at(const struct node *n, double volts)
{
    return n->a * volts * volts + n->b * volts + n->c;
}

double scaling_energy(double node_nm, double volts)
{
    double part = 0;
    const struct node *n = below(node_nm, &part);

    return n ? at(n, volts) * (1 - part) + at(n + 1, volts) * part : NAN;
}

double scaling_area(double node_nm)
{
    double part = 0;
    const struct node *n = below(node_nm, &part);

    return n ? n->area * (1 - part) + n[1].area * part : NAN;
}
