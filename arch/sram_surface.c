/* The surface of one cell and node: six quantities at every knot of capacity
 * and width.
 *
 * CACTI picks the cheapest array organisation point by point, so its tables
 * have steps of tens of per cent that no smooth form follows. The steps are
 * shared: the same capacity and width in another node or cell type steps the
 * same way. Knots without a row are therefore estimated by a Gaussian process
 * in (log capacity, log width, table): a quadratic trend per table plus a
 * residual that is correlated along both axes and between tables.
 *
 * The organisation with the least ED^2 may cost less energy than that of a
 * smaller memory. Nobody builds the smaller one then, and a search must not
 * prefer a size for it: energy is made monotone in capacity and width, leakage,
 * area and access time in capacity. Cycle time is left as it is.
 *
 * tests/test_sram.c leaves out rows, capacities, widths and parts of tables. */
#include "arch/sram_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that take part in one estimate: more gain nothing (checked to 160). */
enum { NEIGHBOURS = 64 };

/* Covariance of the residuals. The weights (own table 0.002, same cell type
 * 0.1 falling with the node's distance, all tables 0.1) and the lengths (0.5
 * octaves of capacity, 1 of width) were set once, for all six quantities
 * together, by leave-one-out on the published rows; doubling both lengths
 * raises the mean error by about a tenth. */
static double residual_cov(const struct sram_row *p, const struct sram_row *q)
{
    double between = 0.1;

    if (strcmp(p->cell, q->cell) == 0) {
        between += 0.1 * exp(-fabs(log((double)p->node_nm / q->node_nm)) / 0.5);
        between += p->node_nm == q->node_nm ? 0.002 : 0;
    }
    return between * exp(-fabs(p->x - q->x) / 0.5 - fabs(p->y - q->y));
}

/* Trend: a quadratic with nearly free coefficients shared by all tables, a
 * free level per table and small differences of shape between tables. */
static double covariance(const struct sram_row *p, const struct sram_row *q)
{
    double basis = 1 + p->x * q->x / 9 + p->y * q->y / 2.25 + p->x * p->y * q->x * q->y / 16 +
                   p->x * p->x * q->x * q->x / 81 + p->y * p->y * q->y * q->y / 4;
    bool same = p->node_nm == q->node_nm && strcmp(p->cell, q->cell) == 0;

    return residual_cov(p, q) + 25 * basis + (same ? 25 + 0.03 * basis : 0);
}

struct neighbour {
    double cov;
    size_t row;
};

static int by_cov(const void *va, const void *vb)
{
    const struct neighbour *a = va, *b = vb;

    if (a->cov != b->cov)
        return a->cov < b->cov ? 1 : -1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Solves K w = k in place by Cholesky; K is positive definite by its nugget. */
static void solve(unsigned n, double k[NEIGHBOURS][NEIGHBOURS], double *w)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j <= i; j++) {
            double s = k[i][j];

            for (unsigned m = 0; m < j; m++)
                s -= k[i][m] * k[j][m];
            k[i][j] = i == j ? sqrt(fmax(s, 1e-12)) : s / k[j][j];
        }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned m = 0; m < i; m++)
            w[i] -= k[i][m] * w[m];
        w[i] /= k[i][i];
    }
    for (unsigned i = n; i-- > 0;) {
        for (unsigned m = i + 1; m < n; m++)
            w[i] -= k[m][i] * w[m];
        w[i] /= k[i][i];
    }
}

static void interpolate(const struct sram_table *t, const struct sram_row *p, double out[SRAM_N])
{
    struct neighbour *near = xrealloc(NULL, t->n_rows, sizeof(*near));
    double k[NEIGHBOURS][NEIGHBOURS], w[NEIGHBOURS];
    unsigned n = 0;
    size_t n_all = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        near[n_all++] = (struct neighbour){residual_cov(p, &t->rows[i]), i};
    qsort(near, n_all, sizeof(*near), by_cov);
    for (n = 0; n < NEIGHBOURS && n < n_all; n++) {
        const struct sram_row *r = &t->rows[near[n].row];

        w[n] = covariance(p, r);
        for (unsigned j = 0; j <= n; j++)
            k[n][j] = covariance(r, &t->rows[near[j].row]) + (j == n ? 1e-5 : 0);
    }
    solve(n, k, w);
    for (unsigned q = 0; q < SRAM_N; q++) {
        double s = 0;

        for (unsigned i = 0; i < n; i++)
            s += w[i] * t->rows[near[i].row].log_value[q];
        out[q] = s;
    }
    free(near);
}

static const struct sram_row *find_row(const struct sram_table *t, const struct sram_row *p)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct sram_row *r = &t->rows[i];

        if (r->node_nm == p->node_nm && r->capacity_bytes == p->capacity_bytes &&
            r->width_bits == p->width_bits && strcmp(r->cell, p->cell) == 0)
            return r;
    }
    return NULL;
}

static void fill_knots(const struct sram_table *t, const char *cell, unsigned node_nm, double (*v)[SRAM_N])
{
    for (unsigned i = 0; i < t->n_bytes; i++)
        for (unsigned j = 0; j < t->n_bits; j++) {
            struct sram_row p = {.cell = cell, .node_nm = node_nm, .capacity_bytes = t->bytes[i],
                                 .width_bits = t->bits[j]};
            const struct sram_row *r = find_row(t, &p);
            double *out = v[i * t->n_bits + j];

            sram_place(&p);
            if (r)
                memcpy(out, r->log_value, sizeof(r->log_value));
            else
                interpolate(t, &p, out);
        }
}

/* Mean of the largest value at or below each knot and the smallest at or above
 * it: monotone, and what was monotone stays as it was. `wide` looks along the
 * width, too. */
static void make_monotone(const struct sram_table *t, double (*v)[SRAM_N], unsigned q, bool wide)
{
    unsigned n = t->n_bytes, m = t->n_bits;
    double *low = xrealloc(NULL, 2 * (size_t)n * m, sizeof(*low)), *high = low + n * m;

    for (unsigned k = 0; k < n * m; k++) {
        low[k] = v[k][q];
        if (k >= m)
            low[k] = fmax(low[k], low[k - m]);
        if (wide && k % m > 0)
            low[k] = fmax(low[k], low[k - 1]);
    }
    for (unsigned k = n * m; k-- > 0;) {
        high[k] = v[k][q];
        if (k + m < n * m)
            high[k] = fmin(high[k], high[k + m]);
        if (wide && (k + 1) % m > 0)
            high[k] = fmin(high[k], high[k + 1]);
    }
    for (unsigned k = 0; k < n * m; k++)
        v[k][q] = (low[k] + high[k]) / 2;
    free(low);
}

void sram_fill(const struct sram_table *t, struct sram_surface *s)
{
    fill_knots(t, s->cell, s->node_nm, s->v);
    make_monotone(t, s->v, SRAM_READ_PJ, true);
    make_monotone(t, s->v, SRAM_WRITE_PJ, true);
    make_monotone(t, s->v, SRAM_LEAK_MW, false);
    make_monotone(t, s->v, SRAM_AREA_MM2, false);
    make_monotone(t, s->v, SRAM_ACCESS_NS, false);
}
