/* Gate counts of synthesised blocks and the table of memories. */
#include "tests/accuracy.h"

#include "arch/estimate.h"
#include "arch/sram.h"

#include <stdio.h>
#include <string.h>

static bool is_product(const char *unit)
{
    return strcmp(unit, "mul") == 0 || strcmp(unit, "dot") == 0;
}

/* `units` is what to compare and the style: a unit, the products, or all others. */
static bool wanted(const struct csv *c, const char *units)
{
    const char *unit = csv_text(c, "unit"), *style = csv_text(c, "style"), *space = strchr(units, ' ');
    size_t n = (size_t)(space - units);
    if (strcmp(space + 1, style))
        return false;
    if (strncmp(units, "products", n) == 0)
        return is_product(unit);
    if (strncmp(units, "other", n) == 0)
        return !is_product(unit);
    return strlen(unit) == n && strncmp(unit, units, n) == 0;
}

static double gates(const struct tech *tech, const struct csv *c)
{
    static const char *const params[] = {"w_bits", "a_bits", "length", "acc_bits", "p1", "p2", "p3"};
    struct estimate_arg args[7];
    struct estimate e;
    struct err err = {0};
    size_t n = 0;
    enum gate_style style = strcmp(csv_text(c, "style"), "rtl") == 0 ? GATES_RTL : GATES_CSA;
    for (unsigned k = 0; k < 7; k++)
        if (csv_text(c, params[k])[0])
            args[n++] = (struct estimate_arg){params[k], csv_text(c, params[k])};
    if (!estimate_unit(tech, csv_text(c, "unit"), style, args, n, &e, &err))
        accuracy_die("%s: %s", csv_text(c, "id"), err.n_diags ? err.diags[0].text : "");
    return e.gates.comb_ge + e.gates.seq_ge;
}

void accuracy_area(struct accuracy *a, const char *units)
{
    struct arena arena = {0};
    struct err err = {0};
    struct ynode *root = yaml_load(&arena, TEST_ROOT "/configs/tech/gf22fdx.yaml", &err);
    struct tech *tech = root ? tech_decode(&arena, root, &err) : NULL;
    struct csv c;
    if (!tech)
        accuracy_die("%s", err_render(&err, "accuracy"));
    csv_open(&c, "area/gate_counts.csv");
    while (csv_next(&c))
        if (wanted(&c, units))
            accuracy_point(a, gates(tech, &c), csv_real(&c, "ge_total"));
    arena_finish(&arena);
}

static bool is_row(const struct sram_row *r, const void *row)
{
    return r == row;
}

/* Each row by the table without it. */
void accuracy_sram(struct accuracy *a, const char *quantity)
{
    static const char *const names[SRAM_N] = {"read_pj", "write_pj", "leak_mw",
                                              "area_mm2", "access_ns", "cycle_ns"};
    struct arena arena = {0};
    struct err err = {0};
    struct sram_table *t = sram_load(&arena, TEST_REFERENCE "/sram/cacti.csv", NULL, &err);
    unsigned q = 0;
    if (!t)
        accuracy_die("%s", err_render(&err, "accuracy"));
    while (q < SRAM_N && strcmp(names[q], quantity))
        q++;
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct sram_row *r = &t->rows[i];
        struct arena scratch = {0};
        struct sram_table *rest = sram_without(&scratch, t, is_row, r);
        double v[SRAM_N];
        if (!rest || !sram_query(rest, r->cell, r->node_nm, r->capacity_bytes, r->width_bits, v))
            accuracy_die("memory row %zu: no estimate", i);
        accuracy_point(a, v[q], r->value[q]);
        arena_finish(&scratch);
    }
    arena_finish(&arena);
}
