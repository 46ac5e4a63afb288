/* SRAM interpolation: leave-one-out on the published table, its edges and its
 * errors. */
#include "arch/sram.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
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

Test(sram, leave_one_out, .init = setup, .fini = teardown)
{
    /* Mean and largest error in percent; cycle time has no target upstream. */
    static const struct { const char *name; double mean, max; } limit[SRAM_N] = {
        {"read_pj", 8, 55}, {"write_pj", 5, 28}, {"leak_mw", 3, 25},
        {"area_mm2", 6, 45}, {"access_ns", 4.5, 20}, {"cycle_ns", 10, 100},
    };
    double sum[SRAM_N] = {0}, max[SRAM_N] = {0};

    for (size_t i = 0; i < table->n_rows; i++) {
        const struct sram_row *r = &table->rows[i];
        double v[SRAM_N];

        cr_assert(sram_query(table, r->cell, r->node_nm, r->capacity_bytes, r->width_bits, i, v));
        for (unsigned q = 0; q < SRAM_N; q++) {
            double e = 100 * fabs(v[q] / r->value[q] - 1);

            sum[q] += e;
            max[q] = fmax(max[q], e);
        }
    }
    for (unsigned q = 0; q < SRAM_N; q++) {
        printf("sram %-9s %zu rows left out in turn, mean %.2f %%, max %.2f %%\n", limit[q].name,
               table->n_rows,
               sum[q] / (double)table->n_rows, max[q]);
        cr_expect_leq(sum[q] / (double)table->n_rows, limit[q].mean, "%s mean", limit[q].name);
        cr_expect_leq(max[q], limit[q].max, "%s max", limit[q].name);
    }
}

Test(sram, a_row_is_returned_as_it_is, .init = setup, .fini = teardown)
{
    cr_expect_eq(table->n_rows, 479);
    for (size_t i = 0; i < table->n_rows; i += 7) {
        const struct sram_row *r = &table->rows[i];
        double v[SRAM_N], near[SRAM_N];

        cr_assert(sram_query(table, r->cell, r->node_nm, r->capacity_bytes, r->width_bits, SIZE_MAX, v));
        cr_expect_arr_eq(v, r->value, sizeof(v));
        /* ... and the surface passes close by: no step at the grid. */
        cr_assert(sram_query(table, r->cell, r->node_nm, r->capacity_bytes + 1e-3, r->width_bits, SIZE_MAX,
                             near));
        for (unsigned q = 0; q < SRAM_N; q++)
            cr_expect_leq(fabs(near[q] / v[q] - 1), 0.01, "row %zu, quantity %u", i, q);
    }
}

/* CACTI itself is not monotone from point to point; over a factor of four in
 * capacity, or two in width, it is. */
Test(sram, monotone_over_octaves, .init = setup, .fini = teardown)
{
    for (double bytes = 64; bytes <= 1 << 22; bytes *= 1.3)
        for (double bits = 16; bits <= 512; bits *= 2) {
            double v[SRAM_N], big[SRAM_N], wide[SRAM_N];

            cr_assert(sram_query(table, "lstp", 22, bytes, bits, SIZE_MAX, v));
            cr_assert(sram_query(table, "lstp", 22, 4 * bytes, bits, SIZE_MAX, big));
            cr_assert(sram_query(table, "lstp", 22, bytes, 2 * bits, SIZE_MAX, wide));
            cr_expect_gt(big[SRAM_READ_PJ], v[SRAM_READ_PJ], "read, %g B x %g", bytes, bits);
            cr_expect_gt(big[SRAM_WRITE_PJ], v[SRAM_WRITE_PJ], "write, %g B x %g", bytes, bits);
            cr_expect_gt(big[SRAM_AREA_MM2], v[SRAM_AREA_MM2], "area, %g B x %g", bytes, bits);
            cr_expect_gt(big[SRAM_LEAK_MW], v[SRAM_LEAK_MW], "leakage, %g B x %g", bytes, bits);
            cr_expect_gt(big[SRAM_ACCESS_NS], v[SRAM_ACCESS_NS], "access, %g B x %g", bytes, bits);
            cr_expect_gt(wide[SRAM_WRITE_PJ], v[SRAM_WRITE_PJ], "write by width, %g B x %g", bytes, bits);
        }
}

Test(sram, continuous_at_the_edges, .init = setup, .fini = teardown)
{
    static const double at[][2] = {{1024, 64}, {524288, 64}, {32768, 32}, {32768, 256}};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        double in[SRAM_N], out[SRAM_N];

        cr_assert(sram_query(table, "lstp", 45, at[i][0] * 0.9999, at[i][1] * 0.9999, SIZE_MAX, in));
        cr_assert(sram_query(table, "lstp", 45, at[i][0] * 1.0001, at[i][1] * 1.0001, SIZE_MAX, out));
        for (unsigned q = 0; q < SRAM_N; q++)
            cr_expect_leq(fabs(in[q] / out[q] - 1), 0.01, "point %zu, quantity %u", i, q);
    }
}

Test(sram, refuses, .init = setup, .fini = teardown)
{
    double v[SRAM_N];

    cr_expect_not(sram_query(table, "lstp", 28, 1024, 32, SIZE_MAX, v));
    cr_expect_not(sram_query(table, "none", 22, 1024, 32, SIZE_MAX, v));
    cr_expect_not(sram_query(table, "lstp", 22, 0, 32, SIZE_MAX, v));
    cr_expect_not(sram_query(table, "lstp", 22, 1024, NAN, SIZE_MAX, v));
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
