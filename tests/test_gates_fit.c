/* The gate counts of arch/gates.c that are fits: the published rows alone give
 * the coefficients, and they predict the rows and slices that a fit leaves out. */
#include "arch/gates.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 128, MAX_TERMS = 4, N_PARAMS = 7 };
enum { W, A, LENGTH, ACC, P1, P2, P3 };

struct row {
    double p[N_PARAMS], comb, total;
};

/* What is fitted: ge_comb - known(p) = coefficients x terms(p). */
struct form {
    const char *unit;
    unsigned n_terms;
    double (*known)(const double *p);
    void (*terms)(const double *p, double *t);
    double (*model)(const double *p); /* ge_comb of arch/gates.c */
    double loo_mean, loo_max;         /* limits in percent */
    double slice_max;                 /* of a whole value of a parameter; 0: too few rows */
};

static double nothing(const double *p)
{
    (void)p;
    return 0;
}

static void xbar_terms(const double *p, double *t)
{
    t[0] = p[P1] * p[P2] * (2.125 * p[P3] + 13);
    t[1] = p[P1] * p[P1] * p[P2];
    t[2] = p[P1] * p[P3];
}

static double xbar_model(const double *p)
{
    return gates_crossbar((unsigned)p[P1], (unsigned)p[P2], (unsigned)p[P3]).comb_ge;
}

static void fifo_terms(const double *p, double *t)
{
    t[0] = p[P1] * p[P2];
    t[1] = p[P1];
    t[2] = log2(p[P1]) + 1;
}

static double fifo_model(const double *p)
{
    return gates_fifo((unsigned)p[P1], (unsigned)p[P2]).comb_ge;
}

static void regfile_terms(const double *p, double *t)
{
    t[0] = p[P1] * p[P2];
    t[1] = p[P1] * p[P2] * p[P3];
    t[2] = p[P1] * (1 + p[P3]);
    t[3] = p[P1] * log2(p[P1]);
}

static double regfile_model(const double *p)
{
    return gates_regfile((unsigned)p[P1], (unsigned)p[P2], (unsigned)p[P3]).comb_ge;
}

static void line_terms(const double *p, double *t)
{
    t[0] = p[P1];
    t[1] = 1;
}

static double isqrt_model(const double *p)
{
    return gates_isqrt((unsigned)p[P1]).comb_ge;
}

static double div_model(const double *p)
{
    return gates_div((unsigned)p[P1]).comb_ge;
}

static double tree(const double *p)
{
    struct dadda d = gates_dadda((unsigned)p[W], (unsigned)p[A], (unsigned)p[LENGTH], (unsigned)p[ACC]);
    double nands = p[W] + p[A] - 2;

    return p[LENGTH] * (1.33 * (p[W] * p[A] - nands) + nands) + 5.33 * (double)d.full + 3.33 * (double)d.half;
}

static void dot_terms(const double *p, double *t)
{
    t[0] = p[ACC];
    t[1] = 1;
}

static double dot_model(const double *p)
{
    return gates_dot((unsigned)p[W], (unsigned)p[A], (unsigned)p[LENGTH], (unsigned)p[ACC],
                     GATES_CSA).comb_ge;
}

static double product(const double *p)
{
    return gates_mul((unsigned)p[W], (unsigned)p[ACC], GATES_CSA).comb_ge;
}

static void requant_terms(const double *p, double *t)
{
    double n = p[ACC] + p[W];

    t[0] = n * log2(n);
    t[1] = n;
}

static double requant_model(const double *p)
{
    return gates_requant((unsigned)p[ACC], (unsigned)p[W], (unsigned)p[A]).comb_ge;
}

static const struct form forms[] = {
    {"dot", 2, tree, dot_terms, dot_model, 0.3, 1.2, 1.5},
    {"xbar", 3, nothing, xbar_terms, xbar_model, 2, 6, 6},
    {"fifo", 3, nothing, fifo_terms, fifo_model, 1.5, 4, 4},
    {"regfile", 4, nothing, regfile_terms, regfile_model, 2, 5, 10},
    {"isqrt", 2, nothing, line_terms, isqrt_model, 3, 5, 0},
    {"div", 2, nothing, line_terms, div_model, 1, 2, 0},
    {"requant", 2, product, requant_terms, requant_model, 4, 8, 0},
};

static unsigned load(const char *unit, struct row *rows)
{
    FILE *f = fopen(TEST_REFERENCE "/area/gate_counts.csv", "r");
    char line[512];
    unsigned n = 0;

    cr_assert_not_null(f);
    while (fgets(line, sizeof(line), f)) {
        char *col[20], *p = line;
        unsigned k = 0;

        while (p && k < 20) {
            col[k++] = p;
            p = strchr(p, ',');
            if (p)
                *p++ = '\0';
        }
        if (k < 13 || strcmp(col[1], unit) != 0 || (strcmp(unit, "dot") == 0 && strcmp(col[2], "csa") != 0))
            continue;
        for (unsigned i = 0; i < N_PARAMS; i++)
            rows[n].p[i] = atof(col[3 + i]);
        rows[n].comb = atof(col[10]);
        rows[n++].total = atof(col[12]);
    }
    fclose(f);
    return n;
}

/* Least squares of relative errors over the rows that are not left out. False
 * when they do not determine all coefficients. */
static bool fit(const struct form *f, const struct row *rows, unsigned n, const bool *out, double *c)
{
    double m[MAX_TERMS][MAX_TERMS + 1] = {{0}};
    unsigned k = f->n_terms;

    for (unsigned r = 0; r < n; r++) {
        double t[MAX_TERMS], w = 1 / rows[r].total, y = (rows[r].comb - f->known(rows[r].p)) * w;

        f->terms(rows[r].p, t);
        for (unsigned i = 0; i < k && !out[r]; i++) {
            for (unsigned j = 0; j < k; j++)
                m[i][j] += t[i] * w * t[j] * w;
            m[i][k] += t[i] * w * y;
        }
    }
    for (unsigned i = 0; i < k; i++) {
        double pivot = m[i][i];

        if (fabs(pivot) < 1e-9)
            return false;
        for (unsigned j = i; j <= k; j++)
            m[i][j] /= pivot;
        for (unsigned r = 0; r < k; r++) {
            double by = m[r][i];

            for (unsigned j = i; j <= k && r != i; j++)
                m[r][j] -= by * m[i][j];
        }
    }
    for (unsigned i = 0; i < k; i++)
        c[i] = m[i][k];
    return true;
}

static double error_of(const struct form *f, const struct row *r, const double *c)
{
    double t[MAX_TERMS], ge = f->known(r->p);

    f->terms(r->p, t);
    for (unsigned i = 0; i < f->n_terms; i++)
        ge += c[i] * t[i];
    return 100 * fabs(ge - r->comb) / r->total;
}

Test(gates_fit, coefficients_are_those_of_the_published_rows)
{
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        struct row rows[MAX_ROWS];
        unsigned n = load(forms[k].unit, rows);
        bool out[MAX_ROWS] = {false};
        double c[MAX_TERMS];

        cr_assert(n > forms[k].n_terms && fit(&forms[k], rows, n, out, c), "%s", forms[k].unit);
        for (unsigned r = 0; r < n; r++) {
            double fitted = error_of(&forms[k], &rows[r], c);
            double model = 100 * fabs(forms[k].model(rows[r].p) - rows[r].comb) / rows[r].total;

            cr_expect_leq(fabs(model - fitted), 0.6, "%s, row %u: %.2f and %.2f %%", forms[k].unit, r, model,
                          fitted);
        }
    }
}

Test(gates_fit, rows_left_out_are_predicted)
{
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        struct row rows[MAX_ROWS];
        unsigned n = load(forms[k].unit, rows);
        double sum = 0, max = 0;

        for (unsigned r = 0; r < n; r++) {
            bool out[MAX_ROWS] = {false};
            double c[MAX_TERMS], e;

            out[r] = true;
            cr_assert(fit(&forms[k], rows, n, out, c), "%s", forms[k].unit);
            e = error_of(&forms[k], &rows[r], c);
            sum += e;
            max = fmax(max, e);
        }
        printf("gates %-8s one row out: mean %.2f %%, max %.2f %%\n", forms[k].unit, sum / n, max);
        cr_expect_leq(sum / n, forms[k].loo_mean, "%s mean", forms[k].unit);
        cr_expect_leq(max, forms[k].loo_max, "%s max", forms[k].unit);
    }
}

/* All rows with one value of one parameter at once: a width, a length, a depth
 * that no row of the fit has. */
Test(gates_fit, slices_left_out_are_predicted)
{
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        struct row rows[MAX_ROWS];
        unsigned n = load(forms[k].unit, rows), n_slices = 0;
        double max = 0;

        for (unsigned q = 0; q < N_PARAMS && forms[k].slice_max > 0; q++)
            for (unsigned r = 0; r < n; r++) {
                bool out[MAX_ROWS] = {false};
                unsigned left = 0;
                double c[MAX_TERMS];

                for (unsigned i = 0; i < n; i++) {
                    out[i] = rows[i].p[q] == rows[r].p[q];
                    left += !out[i];
                }
                if (left <= forms[k].n_terms || !fit(&forms[k], rows, n, out, c))
                    continue;
                max = fmax(max, error_of(&forms[k], &rows[r], c));
                n_slices++;
            }
        if (n_slices)
            printf("gates %-8s a slice out: max %.2f %%\n", forms[k].unit, max);
        cr_expect(forms[k].slice_max == 0 || n_slices > 0);
        cr_expect_leq(max, forms[k].slice_max, "%s", forms[k].unit);
    }
}
