/* The table of memories: reading it, and looking up a macro on the surface
 * through it (arch/sram_surface.c). */
#include "arch/sram_impl.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 512, MAX_COLUMNS = 32, MAX_ROWS = 100000, MAX_KNOTS = 4096,
       MAX_TABLES = sizeof(((struct sram_surfaces *)0)->of) / sizeof(struct sram_surface) };

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

void sram_place(struct sram_row *r)
{
    r->x = log2(r->capacity_bytes / 32768);
    r->y = log2(r->width_bits / 64);
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
    sram_place(r);
    for (unsigned q = 0; q < SRAM_N; q++) {
        r->value[q] = v[q];
        r->log_value[q] = log(v[q]);
    }
    return true;
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
        t->n_rows++;
    }
    return t->n_rows > 0 || err_add(err, ERR_CONFIG, &at, "the table has no rows");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The different values of `v`, sorted. */
static unsigned distinct(double *v, size_t n)
{
    unsigned out = 0;

    qsort(v, n, sizeof(*v), by_value);
    for (size_t i = 0; i < n; i++)
        if (out == 0 || v[i] != v[out - 1])
            v[out++] = v[i];
    return out;
}

/* Knots of the surfaces: every capacity with every width. */
static bool find_knots(struct arena *a, struct sram_table *t, const struct place *at, struct err *err)
{
    t->bytes = ARENA_NEW(a, double, t->n_rows);
    t->bits = ARENA_NEW(a, double, t->n_rows);
    for (size_t i = 0; i < t->n_rows; i++) {
        t->bytes[i] = t->rows[i].capacity_bytes;
        t->bits[i] = t->rows[i].width_bits;
    }
    t->n_bytes = distinct(t->bytes, t->n_rows);
    t->n_bits = distinct(t->bits, t->n_rows);
    return (size_t)t->n_bytes * t->n_bits <= MAX_KNOTS ||
           err_add(err, ERR_CONFIG, at, "the table has %u capacities and %u widths; at most %d combinations"
                   " are legal", t->n_bytes, t->n_bits, MAX_KNOTS);
}

static struct sram_surface *find_surface(const struct sram_table *t, const char *cell, unsigned node_nm)
{
    for (size_t i = 0; i < t->surfaces->n; i++)
        if (t->surfaces->of[i].node_nm == node_nm && strcmp(t->surfaces->of[i].cell, cell) == 0)
            return &t->surfaces->of[i];
    return NULL;
}

static bool prepare(struct arena *a, struct sram_table *t, const struct place *at, struct err *err)
{
    struct sram_surfaces *s = t->surfaces = ARENA_NEW(a, struct sram_surfaces, 1);

    if (!find_knots(a, t, at, err))
        return false;
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct sram_row *r = &t->rows[i];
        double (*v)[SRAM_N];

        if (find_surface(t, r->cell, r->node_nm))
            continue;
        if (s->n == MAX_TABLES)
            return err_add(err, ERR_CONFIG, at, "the table has more than %d cells and nodes", MAX_TABLES);
        v = arena_alloc(a, (size_t)t->n_bytes * t->n_bits * sizeof(*v));
        s->of[s->n++] = (struct sram_surface){.cell = r->cell, .node_nm = r->node_nm, .v = v};
    }
    return true;
}

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
    grown = t->rows;
    t->rows = ARENA_NEW(a, struct sram_row, t->n_rows + 1);
    if (t->n_rows)
        memcpy(t->rows, grown, t->n_rows * sizeof(*grown));
    free(grown);
    return ok && prepare(a, t, at, err) ? t : NULL;
}

struct sram_table *sram_without(struct arena *a, const struct sram_table *t,
                                bool (*out)(const struct sram_row *row, const void *arg), const void *arg)
{
    struct sram_table *s = ARENA_NEW(a, struct sram_table, 1);
    struct err err = {0};

    s->rows = ARENA_NEW(a, struct sram_row, t->n_rows + 1);
    for (size_t i = 0; i < t->n_rows; i++)
        if (!out(&t->rows[i], arg))
            s->rows[s->n_rows++] = t->rows[i];
    return s->n_rows && prepare(a, s, NULL, &err) ? s : NULL;
}

bool sram_has(const struct sram_table *t, const char *cell, unsigned node_nm)
{
    return find_surface(t, cell, node_nm) != NULL;
}

void sram_list(const struct sram_table *t, struct text *out)
{
    for (size_t i = 0; i < t->surfaces->n; i++)
        text_printf(out, "%s%s %u", i ? ", " : "", t->surfaces->of[i].cell, t->surfaces->of[i].node_nm);
}

/* Outside the table the edge is extended by power laws: slopes of the
 * log-quadratic fits of the same data (C^0.57 and so on). Order as enum. */
static const double slope_bytes[SRAM_N] = {0.57, 0.45, 0.90, 0.98, 0.26, 0.26};
static const double slope_wide[SRAM_N] = {0.90, 1.00, 0.0, 0.20, 0.0, 0.0};
static const double slope_narrow[SRAM_N] = {0.30, 0.60, 0.0, 0.0, 0.0, 0.0};

/* Knot at or below v, and the part of the way to the next in logarithms. */
static unsigned knot(const double *knots, unsigned n, double v, double *part)
{
    unsigned i = 0;

    while (i + 2 < n && knots[i + 1] <= v)
        i++;
    *part = n > 1 ? log(v / knots[i]) / log(knots[i + 1] / knots[i]) : 0;
    return i;
}

bool sram_inside(const struct sram_table *t, double capacity_bytes, double width_bits)
{
    return capacity_bytes >= t->bytes[0] && capacity_bytes <= t->bytes[t->n_bytes - 1] &&
           width_bits >= t->bits[0] && width_bits <= t->bits[t->n_bits - 1];
}

bool sram_query(const struct sram_table *t, const char *cell, unsigned node_nm, double capacity_bytes,
                double width_bits, double out[SRAM_N])
{
    double bytes, bits, px, py, c, w;
    unsigned i, j;
    struct sram_surface *s = find_surface(t, cell, node_nm);

    if (!(capacity_bytes > 0 && width_bits > 0) || !s)
        return false;
    pthread_mutex_lock(&t->surfaces->lock);
    if (!s->filled)
        sram_fill(t, s);
    s->filled = true;
    pthread_mutex_unlock(&t->surfaces->lock);
    bytes = fmin(fmax(capacity_bytes, t->bytes[0]), t->bytes[t->n_bytes - 1]);
    bits = fmin(fmax(width_bits, t->bits[0]), t->bits[t->n_bits - 1]);
    i = knot(t->bytes, t->n_bytes, bytes, &px) * t->n_bits;
    j = knot(t->bits, t->n_bits, bits, &py);
    unsigned right = t->n_bytes > 1 ? t->n_bits : 0, up = t->n_bits > 1;
    c = capacity_bytes / bytes;
    w = width_bits / bits;
    for (unsigned q = 0; q < SRAM_N; q++) {
        double low = s->v[i + j][q] * (1 - px) + s->v[i + j + right][q] * px;
        double high = s->v[i + j + up][q] * (1 - px) + s->v[i + j + right + up][q] * px;

        out[q] = exp(low * (1 - py) + high * py) * pow(c, slope_bytes[q]) *
                 pow(w, w > 1 ? slope_wide[q] : slope_narrow[q]);
    }
    return true;
}
