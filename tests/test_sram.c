/* SRAM interpolation: rows and slices of the published table left out, its edges
 * and its errors. */
#include "arch/sram.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static struct arena arena;
static struct sram_table *table;

static void setup(void)
{
    struct err err = {0};

    table = sram_load(&arena, TEST_REFERENCE "/sram/cacti.csv", NULL, &err);
    cr_assert_not_null(table);
}

static void teardown(void)
{
    arena_finish(&arena);
}

/* What to leave out: rows like this one in the fields that are not zero. */
struct slice {
    const struct sram_row *row;
    bool capacity, width, table;
};

static bool in_slice(const struct sram_row *r, const void *arg)
{
    const struct slice *s = arg;

    return (!s->capacity || r->capacity_bytes == s->row->capacity_bytes) &&
           (!s->width || r->width_bits == s->row->width_bits) &&
           (!s->table || (r->node_nm == s->row->node_nm && strcmp(r->cell, s->row->cell) == 0));
}

struct tally {
    size_t n;
    double sum[SRAM_N], max[SRAM_N];
};

static void add_row(struct tally *t, const struct sram_table *from, const struct sram_row *r)
{
    double v[SRAM_N];

    cr_assert(sram_query(from, r->cell, r->node_nm, r->capacity_bytes, r->width_bits, v));
    t->n++;
    for (unsigned q = 0; q < SRAM_N; q++) {
        double e = 100 * fabs(v[q] / r->value[q] - 1);

        t->sum[q] += e;
        t->max[q] = fmax(t->max[q], e);
    }
}

/* Every row estimated by the table without the slice that it is in. */
static struct tally leave_out(struct slice s)
{
    struct tally t = {0};

    for (size_t i = 0; i < table->n_rows; i++) {
        struct arena a = {0};
        bool seen = false;

        s.row = &table->rows[i];
        for (size_t k = 0; k < i; k++)
            seen |= in_slice(&table->rows[k], &s);
        if (seen)
            continue;
        const struct sram_table *rest = sram_without(&a, table, in_slice, &s);
        for (size_t k = i; k < table->n_rows; k++)
            if (in_slice(&table->rows[k], &s))
                add_row(&t, rest, &table->rows[k]);
        arena_finish(&a);
    }
    cr_assert_eq(t.n, table->n_rows);
    return t;
}

static const char *const names[SRAM_N] = {"read_pj", "write_pj", "leak_mw", "area_mm2", "access_ns",
                                          "cycle_ns"};

static void within(const char *what, const struct tally *t, const double (*limit)[2])
{
    for (unsigned q = 0; q < SRAM_N; q++) {
        double mean = t->sum[q] / (double)t->n;

        printf("sram %-9s %s out: mean %.2f %%, max %.2f %%\n", names[q], what, mean, t->max[q]);
        cr_expect_leq(mean, limit[q][0], "%s: %s mean", what, names[q]);
        cr_expect_leq(t->max[q], limit[q][1], "%s: %s max", what, names[q]);
    }
}

Test(sram, leave_one_out, .init = setup, .fini = teardown)
{
    static const double limit[SRAM_N][2] = {{8, 55}, {5, 28}, {3, 25}, {6, 45}, {4.5, 20}, {10, 100}};
    struct tally t = leave_out((struct slice){.capacity = true, .width = true, .table = true});

    within("one row", &t, limit);
}

/* Whole slices: harder than the rows that are missing in the table. A width is
 * far from the next one, and the outer two of four are extrapolated. */
Test(sram, leave_slices_out, .init = setup, .fini = teardown)
{
    static const double bars[SRAM_N][2] = {{10, 60}, {6, 33}, {4, 30}, {6, 50}, {5, 20}, {10, 100}};
    static const double width[SRAM_N][2] = {{16, 100}, {8, 40}, {4, 30}, {9, 50}, {5, 20}, {10, 150}};
    struct tally t = leave_out((struct slice){.capacity = true});

    within("a capacity", &t, bars);
    t = leave_out((struct slice){.capacity = true, .width = true});
    within("a capacity and width", &t, bars);
    t = leave_out((struct slice){.table = true, .width = true});
    within("a width of one node and cell", &t, bars);
    t = leave_out((struct slice){.width = true});
    within("a width", &t, width);
}

/* Rows move only where CACTI's own energy falls for a larger memory. */
Test(sram, rows_come_back, .init = setup, .fini = teardown)
{
    static const double limit[SRAM_N][2] = {{0.3, 10}, {0.2, 8}, {0.01, 0.1}, {0.01, 0.1}, {0.5, 5},
                                            {1e-9, 1e-9}};
    struct tally t = {0};

    cr_expect_eq(table->n_rows, 479);
    for (size_t i = 0; i < table->n_rows; i++)
        add_row(&t, table, &table->rows[i]);
    within("no row", &t, limit);
}

/* Energy never falls with capacity or width, the rest not with capacity: inside
 * the table, between its rows, and outside. */
Test(sram, monotone, .init = setup, .fini = teardown)
{
    static const struct { const char *cell; unsigned nm; } tables[] = {
        {"lstp", 22}, {"lstp", 65}, {"hp", 45}};

    for (size_t k = 0; k < sizeof(tables) / sizeof(tables[0]); k++)
        for (double bytes = 64; bytes <= 1 << 23; bytes *= 1.13)
            for (double bits = 8; bits <= 1024; bits *= 1.19) {
                double v[SRAM_N], big[SRAM_N], wide[SRAM_N];

                cr_assert(sram_query(table, tables[k].cell, tables[k].nm, bytes, bits, v));
                cr_assert(sram_query(table, tables[k].cell, tables[k].nm, 1.13 * bytes, bits, big));
                cr_assert(sram_query(table, tables[k].cell, tables[k].nm, bytes, 1.19 * bits, wide));
                for (unsigned q = 0; q < SRAM_CYCLE_NS; q++)
                    cr_expect_geq(big[q], v[q] * (1 - 1e-12), "%s of %g B x %g", names[q], bytes, bits);
                cr_expect_geq(wide[SRAM_READ_PJ], v[SRAM_READ_PJ] * (1 - 1e-12), "%g B x %g", bytes, bits);
                cr_expect_geq(wide[SRAM_WRITE_PJ], v[SRAM_WRITE_PJ] * (1 - 1e-12), "%g B x %g", bytes, bits);
            }
}

Test(sram, continuous_at_the_edges, .init = setup, .fini = teardown)
{
    static const double at[][2] = {{1024, 64}, {524288, 64}, {32768, 32}, {32768, 256}};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        double in[SRAM_N], out[SRAM_N];

        cr_assert(sram_query(table, "lstp", 45, at[i][0] * 0.9999, at[i][1] * 0.9999, in));
        cr_assert(sram_query(table, "lstp", 45, at[i][0] * 1.0001, at[i][1] * 1.0001, out));
        for (unsigned q = 0; q < SRAM_N; q++)
            cr_expect_leq(fabs(in[q] / out[q] - 1), 0.01, "point %zu, quantity %u", i, q);
    }
}

Test(sram, refuses, .init = setup, .fini = teardown)
{
    double v[SRAM_N];

    cr_expect_not(sram_query(table, "lstp", 28, 1024, 32, v));
    cr_expect_not(sram_query(table, "none", 22, 1024, 32, v));
    cr_expect_not(sram_query(table, "lstp", 22, 0, 32, v));
    cr_expect_not(sram_query(table, "lstp", 22, 1024, NAN, v));
}

Test(sram, table_errors_have_a_place)
{
    static const char head[] = "cell,node_nm,capacity_bytes,width_bits,"
                               "read_pj,write_pj,leak_mw,area_mm2,access_ns,cycle_ns\n";
    static const struct { const char *text, *says; unsigned line; } rows[] = {
        {"", "is empty", 1},
        {"cell,node_nm\n", "`read_pj` is missing", 1},
        {"H", "has no rows", 1},
        {"Hlstp,22,1024,32,1,1,1,1,1\n", "`cycle_ns` is missing", 2},
        {"Hlstp,22,1024,32,1,1,1,1,1,1\nlstp,22,1024,32,1,-1,1,1,1,1\n", "`write_pj`", 3},
        {"Hlstp,22,1024,32,1,x,1,1,1,1\n", "`x` is not a number", 2},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[] = "/tmp/test_sram_XXXXXX";
        struct arena a = {0};
        struct err err = {0};
        int fd = mkstemp(path);
        FILE *f = fdopen(fd, "w");

        fprintf(f, "%s%s", rows[i].text[0] == 'H' ? head : "", rows[i].text + (rows[i].text[0] == 'H'));
        fclose(f);
        cr_expect_null(sram_load(&a, path, NULL, &err));
        remove(path);
        cr_assert_eq(err.n_diags, 1);
        cr_expect_eq(err.diags[0].at.line, rows[i].line, "row %zu: line %u", i, err.diags[0].at.line);
        cr_expect_not_null(strstr(err.diags[0].text, rows[i].says), "`%s`", err.diags[0].text);
        err_finish(&err);
        arena_finish(&a);
    }
}
