/* CACTI picks the cheapest array organisation point by point, so its tables
 * have steps of tens of per cent that no smooth form follows. The steps are
 * shared: the same capacity and width in another node or cell type steps the
 * same way. Interpolation is therefore a Gaussian process in (log capacity,
 * log width, table): a quadratic trend per table plus a residual that is
 * correlated along both axes and between tables. Leave-one-out error on the
 * 479 published rows (tests/test_sram.c): read 6.9, write 3.5, area 4.4,
 * access 3.5, leakage 1.9 % in the mean. */
#include "arch/sram.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows that take part in one estimate: more gain nothing (checked to 160). */
enum { NEIGHBOURS = 64, MAX_LINE = 512, MAX_COLUMNS = 32, MAX_ROWS = 100000 };

static const char *const columns[] = {"read_pj", "write_pj", "leak_mw", "area_mm2", "access_ns", "cycle_ns",
                                      "cell", "node_nm", "capacity_bytes", "width_bits"};
enum { COL_CELL = SRAM_N, COL_NODE, COL_BYTES, COL_BITS, N_COLUMNS };

static unsigned split(char *line, char *fields[MAX_COLUMNS])
{
    unsigned n = 0;

    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p && n < MAX_COLUMNS; n++) {
        char *comma = strchr(p, ',');

        fields[n] = p;
        if (comma)
            *comma = '\0';
        p = comma ? comma + 1 : NULL;
    }
    return n;
}

static bool header(char *line, unsigned where[N_COLUMNS], const struct place *at, struct err *err)
{
    char *fields[MAX_COLUMNS];
    unsigned n = split(line, fields);

    for (unsigned c = 0; c < N_COLUMNS; c++) {
        where[c] = 0;
        while (where[c] < n && strcmp(fields[where[c]], columns[c]) != 0)
            where[c]++;
        if (where[c] == n)
            return err_add(err, ERR_CONFIG, at, "the column `%s` is missing", columns[c]);
    }
    return true;
}

static bool row(struct arena *a, char *line, const unsigned where[N_COLUMNS], struct sram_row *r,
                const struct place *at, struct err *err)
{
    char *fields[MAX_COLUMNS];
    unsigned n = split(line, fields);
    double v[N_COLUMNS] = {0};

    for (unsigned c = 0; c < N_COLUMNS; c++) {
        if (where[c] >= n)
            return err_add(err, ERR_CONFIG, at, "the column `%s` is missing in this row", columns[c]);
        if (c != COL_CELL && (!text_parse_real(fields[where[c]], &v[c]) || !(v[c] > 0)))
            return err_add(err, ERR_CONFIG, at, "`%s` is not a number above zero in column `%s`",
                           fields[where[c]], columns[c]);
    }
    if (v[COL_NODE] > 1000)
        return err_add(err, ERR_CONFIG, at, "node_nm is above 1000");
    r->cell = arena_strdup(a, fields[where[COL_CELL]]);
    r->node_nm = (unsigned)v[COL_NODE];
    r->capacity_bytes = v[COL_BYTES];
    r->width_bits = v[COL_BITS];
    r->x = log2(r->capacity_bytes / 32768);
    r->y = log2(r->width_bits / 64);
    for (unsigned q = 0; q < SRAM_N; q++) {
        r->value[q] = v[q];
        r->log_value[q] = log(v[q]);
    }
    return true;
}

static void note_range(struct sram_table *t, const struct sram_row *r)
{
    bool first = t->n_rows == 0;

    t->min_bytes = first ? r->capacity_bytes : fmin(t->min_bytes, r->capacity_bytes);
    t->max_bytes = first ? r->capacity_bytes : fmax(t->max_bytes, r->capacity_bytes);
    t->min_bits = first ? r->width_bits : fmin(t->min_bits, r->width_bits);
    t->max_bits = first ? r->width_bits : fmax(t->max_bits, r->width_bits);
}

static bool read_rows(struct arena *a, FILE *f, struct sram_table *t, struct place at, struct err *err)
{
    unsigned where[N_COLUMNS];
    char line[MAX_LINE];
    size_t cap = 0;

    at.line = at.col = 1;
    if (!fgets(line, sizeof(line), f))
        return err_add(err, ERR_CONFIG, &at, "the table is empty");
    if (!header(line, where, &at, err))
        return false;
    while (fgets(line, sizeof(line), f)) {
        at.line++;
        if (line[strcspn(line, "\r\n")] == '\0')
            continue;
        if (t->n_rows == MAX_ROWS)
            return err_add(err, ERR_CONFIG, &at, "the table is too long; 100000 rows are legal");
        if (t->n_rows == cap) {
            cap = cap ? 2 * cap : 512;
            t->rows = xrealloc(t->rows, cap, sizeof(*t->rows));
        }
        if (!row(a, line, where, &t->rows[t->n_rows], &at, err))
            return false;
        note_range(t, &t->rows[t->n_rows]);
        t->n_rows++;
    }
    return t->n_rows > 0 || err_add(err, ERR_CONFIG, &at, "the table has no rows");
}

/* A design has a few macros and a sweep asks for them again and again. What is
 * remembered is what would be computed, so that results do not depend on it. */
struct sram_memo {
    pthread_mutex_t lock;
    unsigned n;
    struct sram_row rows[64];
};

struct sram_table *sram_load(struct arena *a, const char *path, const struct place *at, struct err *err)
{
    struct sram_table *t = ARENA_NEW(a, struct sram_table, 1);
    FILE *f = fopen(path, "r");
    struct sram_row *grown;
    bool ok;

    if (!f) {
        err_add(err, ERR_NOINPUT, at, "the table `%s` cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    ok = read_rows(a, f, t, (struct place){.file = path}, err);
    fclose(f);
    t->memo = ARENA_NEW(a, struct sram_memo, 1);
    pthread_mutex_init(&t->memo->lock, NULL);
    grown = t->rows;
    t->rows = ARENA_NEW(a, struct sram_row, t->n_rows + 1);
    if (t->n_rows)
        memcpy(t->rows, grown, t->n_rows * sizeof(*grown));
    free(grown);
    return ok ? t : NULL;
}

bool sram_has(const struct sram_table *t, const char *cell, unsigned node_nm)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (t->rows[i].node_nm == node_nm && strcmp(t->rows[i].cell, cell) == 0)
            return true;
    return false;
}

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

static void interpolate(const struct sram_table *t, const struct sram_row *p, size_t skip,
                        double out[SRAM_N])
{
    struct neighbour *near = xrealloc(NULL, t->n_rows, sizeof(*near));
    double k[NEIGHBOURS][NEIGHBOURS], w[NEIGHBOURS];
    unsigned n = 0;
    size_t n_all = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        if (i != skip)
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
        out[q] = exp(s);
    }
    free(near);
}

/* Outside the table the edge is extended by power laws: slopes of the
 * log-quadratic fits of the same data (C^0.57 and so on). Order as enum. */
static const double slope_bytes[SRAM_N] = {0.57, 0.45, 0.90, 0.98, 0.26, 0.26};
static const double slope_wide[SRAM_N] = {0.90, 1.00, 0.0, 0.20, 0.0, 0.0};
static const double slope_narrow[SRAM_N] = {0.30, 0.60, 0.0, 0.0, 0.0, 0.0};

static bool same_macro(const struct sram_row *a, const struct sram_row *b)
{
    return a->node_nm == b->node_nm && a->capacity_bytes == b->capacity_bytes &&
           a->width_bits == b->width_bits && strcmp(a->cell, b->cell) == 0;
}

static bool look_up(const struct sram_table *t, const struct sram_row *p, size_t skip, double out[SRAM_N])
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (i != skip && same_macro(&t->rows[i], p)) {
            memcpy(out, t->rows[i].value, sizeof(t->rows[i].value));
            return true;
        }
    return false;
}

static bool recall(const struct sram_table *t, const struct sram_row *p, size_t skip, double out[SRAM_N])
{
    bool found = false;

    if (skip < t->n_rows)
        return false;
    pthread_mutex_lock(&t->memo->lock);
    for (unsigned i = 0; i < t->memo->n && !found; i++)
        if ((found = same_macro(&t->memo->rows[i], p)))
            memcpy(out, t->memo->rows[i].value, sizeof(t->memo->rows[i].value));
    pthread_mutex_unlock(&t->memo->lock);
    return found;
}

static void remember(const struct sram_table *t, const struct sram_row *p, size_t skip,
                     const double out[SRAM_N])
{
    struct sram_memo *memo = t->memo;
    size_t row = 0;

    while (row < t->n_rows && strcmp(t->rows[row].cell, p->cell) != 0)
        row++; /* the caller's text may not live as long */
    if (skip < t->n_rows || row == t->n_rows)
        return;
    pthread_mutex_lock(&memo->lock);
    if (memo->n < sizeof(memo->rows) / sizeof(memo->rows[0])) {
        memo->rows[memo->n] = *p;
        memo->rows[memo->n].cell = t->rows[row].cell;
        memcpy(memo->rows[memo->n++].value, out, sizeof(memo->rows[0].value));
    }
    pthread_mutex_unlock(&memo->lock);
}

bool sram_query(const struct sram_table *t, const char *cell, unsigned node_nm, double capacity_bytes,
                double width_bits, size_t skip, double out[SRAM_N])
{
    struct sram_row p = {.cell = cell, .node_nm = node_nm};
    double c, w;

    if (!(capacity_bytes > 0 && width_bits > 0) || !sram_has(t, cell, node_nm))
        return false;
    p.capacity_bytes = fmin(fmax(capacity_bytes, t->min_bytes), t->max_bytes);
    p.width_bits = fmin(fmax(width_bits, t->min_bits), t->max_bits);
    p.x = log2(p.capacity_bytes / 32768);
    p.y = log2(p.width_bits / 64);
    if (!look_up(t, &p, skip, out) && !recall(t, &p, skip, out)) {
        interpolate(t, &p, skip, out);
        remember(t, &p, skip, out);
    }
    c = capacity_bytes / p.capacity_bytes;
    w = width_bits / p.width_bits;
    for (unsigned q = 0; q < SRAM_N; q++)
        out[q] *= pow(c, slope_bytes[q]) * pow(w, w > 1 ? slope_wide[q] : slope_narrow[q]);
    return true;
}
