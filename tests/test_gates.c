/* Gate counts against the published synthesis results, and the `estimate`
 * front end that serves them. */
#include "arch/estimate.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLS = 20, MAX_UNITS = 24 };

static const char *const params[] = {"w_bits", "a_bits", "length", "acc_bits", "p1", "p2", "p3"};
enum { UNIT = 1, STYLE = 2, FIRST_PARAM = 3, COMB = 10, SEQ = 11, TOTAL = 12, N_FA = 14, N_HA = 15 };

static unsigned split(char *line, char **col)
{
    unsigned n = 0;

    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p && n < MAX_COLS;) {
        col[n++] = p;
        p = strchr(p, ',');
        if (p)
            *p++ = '\0';
    }
    return n;
}

static struct arena arena;
static struct tech *tech;

static void setup(void)
{
    struct err err = {0};
    struct ynode *root = yaml_load(&arena, TEST_ROOT "/configs/tech/gf22fdx.yaml", &err);

    cr_assert_not_null(root);
    tech = tech_decode(&arena, root, &err);
    cr_assert_not_null(tech, "%s", err_render(&err, "test"));
}

static void teardown(void)
{
    arena_finish(&arena);
}

static struct estimate estimate_row(char **col)
{
    struct estimate_arg args[7];
    struct estimate e;
    struct err err = {0};
    size_t n = 0;

    for (unsigned k = 0; k < 7; k++)
        if (col[FIRST_PARAM + k][0])
            args[n++] = (struct estimate_arg){params[k], col[FIRST_PARAM + k]};
    cr_assert(estimate_unit(tech, col[UNIT], strcmp(col[STYLE], "rtl") == 0 ? GATES_RTL : GATES_CSA, args, n,
                            &e,
                            &err), "%s: %s", col[0], err.n_diags ? err.diags[0].text : "");
    return e;
}

struct tally {
    char name[24];
    unsigned n;
    double sum, max;
};

static struct tally *tally_of(struct tally *t, const char *unit, const char *style)
{
    char name[24];

    /* `mul` and `dot` have two styles; the other blocks one. */
    snprintf(name, sizeof(name), "%s%s", unit,
             strcmp(style, "rtl") == 0 && (strcmp(unit, "mul") == 0 || strcmp(unit,
                                                                              "dot") == 0) ? "_rtl" : "");
    while (t->name[0] && strcmp(t->name, name) != 0)
        t++;
    snprintf(t->name, sizeof(t->name), "%s", name);
    return t;
}

Test(gates, every_published_row, .init = setup, .fini = teardown)
{
    FILE *f = fopen(TEST_REFERENCE "/area/gate_counts.csv", "r");
    struct tally tallies[MAX_UNITS] = {{{0}, 0, 0, 0}};
    char line[512], *col[MAX_COLS];
    unsigned n_rows = 0;

    cr_assert_not_null(f);
    cr_assert_not_null(fgets(line, sizeof(line), f));
    while (fgets(line, sizeof(line), f)) {
        struct tally *t;
        struct estimate e;
        double err_pct;

        cr_assert_geq(split(line, col), 16);
        e = estimate_row(col);
        t = tally_of(tallies, col[UNIT], col[STYLE]);
        err_pct = 100 * fabs((e.gates.comb_ge + e.gates.seq_ge) / atof(col[TOTAL]) - 1);
        t->n++;
        t->sum += err_pct;
        t->max = fmax(t->max, err_pct);
        cr_expect_float_eq(e.gates.seq_ge, atof(col[SEQ]), 1e-6, "%s: flip-flops %.2f", col[0],
                           e.gates.seq_ge);
        n_rows++;
    }
    fclose(f);
    cr_expect_eq(n_rows, 178);
    for (struct tally *t = tallies; t->name[0]; t++) {
        bool rtl = strstr(t->name, "_rtl") != NULL, dot = strcmp(t->name, "dot") == 0;

        printf("gates %-8s %3u rows, mean %.2f %%, max %.2f %%\n", t->name, t->n, t->sum / t->n, t->max);
        /* Plain synthesis of products is a property of the synthesiser. */
        cr_expect_leq(t->sum / t->n, rtl ? 20 : dot ? 0.5 : 4, "%s mean", t->name);
        cr_expect_leq(t->max, rtl ? 60 : dot ? 2 : 10, "%s max", t->name);
    }
}

/* The adder cells of a compressor tree are not fitted: they are counted. */
Test(gates, adder_cells_are_exact)
{
    FILE *f = fopen(TEST_REFERENCE "/area/gate_counts.csv", "r");
    char line[512], *col[MAX_COLS];
    unsigned n = 0;

    cr_assert_not_null(f);
    cr_assert_not_null(fgets(line, sizeof(line), f));
    while (fgets(line, sizeof(line), f)) {
        bool requant, tree;
        struct dadda d;

        cr_assert_geq(split(line, col), 16);
        requant = strcmp(col[UNIT], "requant") == 0;
        tree = requant || ((strcmp(col[UNIT], "mul") == 0 || strcmp(col[UNIT], "dot") == 0) &&
                           strcmp(col[STYLE], "csa") == 0);
        if (!tree)
            continue;
        d = requant ? gates_dadda((unsigned)atoi(col[3]), (unsigned)atoi(col[6]), 1, 0)
                    : gates_dadda((unsigned)atoi(col[3]), (unsigned)atoi(col[4]), (unsigned)atoi(col[5]),
                                  (unsigned)atoi(col[6]));
        cr_expect_eq(d.full, (unsigned long)atol(col[N_FA]), "%s: %lu full adders", col[0], d.full);
        cr_expect_eq(d.half, (unsigned long)atol(col[N_HA]), "%s: %lu half adders", col[0], d.half);
        n++;
    }
    fclose(f);
    cr_expect_eq(n, 111);
}

/* Multipliers synthesised with the same flow, not in the published table. */
Test(gates, multipliers_of_other_sizes)
{
    static const struct { unsigned w, a; double ge; } rows[] = {
        {2, 2, 11.33}, {2, 3, 19.32}, {3, 3, 34.33}, {4, 8, 190.19}, {16, 16, 1638.74},
        {2, 24, 302.39}, {3, 16, 302.39}, {4, 12, 295.76},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double ge = gates_mul(rows[i].w, rows[i].a, GATES_CSA).comb_ge;

        cr_expect_leq(fabs(ge / rows[i].ge - 1), 0.10, "%ux%u: %.2f for %.2f", rows[i].w, rows[i].a, ge,
                      rows[i].ge);
        cr_expect_float_eq(ge, gates_mul(rows[i].a, rows[i].w, GATES_CSA).comb_ge, 1e-9, "operands commute");
    }
}

Test(gates, grow_with_every_parameter)
{
    for (unsigned b = 8; b < 32; b++) {
        cr_expect_gt(gates_add(b + 1).comb_ge, gates_add(b).comb_ge);
        cr_expect_gt(gates_max(b + 1).comb_ge, gates_max(b).comb_ge);
        cr_expect_gt(gates_barrel(b + 1).comb_ge, gates_barrel(b).comb_ge);
        cr_expect_gt(gates_fifo(b + 1, 8).comb_ge, gates_fifo(b, 8).comb_ge);
        cr_expect_gt(gates_regfile(b + 1, 8, 2).comb_ge, gates_regfile(b, 8, 2).comb_ge);
        cr_expect_gt(gates_crossbar(b + 1, 8, 32).comb_ge, gates_crossbar(b, 8, 32).comb_ge);
        cr_expect_gt(gates_crossbar(8, b + 1, 32).comb_ge, gates_crossbar(8, b, 32).comb_ge);
        cr_expect_gt(gates_dot(8, 8, b + 1, 32, GATES_CSA).comb_ge, gates_dot(8, 8, b, 32,
                                                                              GATES_CSA).comb_ge);
        cr_expect_gt(gates_mul(b + 1, 8, GATES_CSA).comb_ge, gates_mul(b, 8, GATES_CSA).comb_ge);
        cr_expect_gt(gates_requant(b + 1, 8, 8).comb_ge, gates_requant(b, 8, 8).comb_ge);
    }
}

/* The closed form in the technology file and the structural count agree. */
Test(gates, technology_formula_agrees, .init = setup, .fini = teardown)
{
    static const char *const lengths[] = {"4", "8", "16", "32", "64", "128"};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct estimate_arg args[] = {{"w_bits", "8"}, {"a_bits", "8"}, {"length", lengths[i]}, {"acc_bits",
                                                                                                 "26"}};
        struct estimate s, c;
        struct err err = {0};

        cr_assert(estimate_unit(tech, "dot", GATES_CSA, args, 4, &s, &err));
        cr_assert(estimate_unit(tech, "dot_product", GATES_CSA, args, 4, &c, &err));
        cr_expect_leq(fabs(c.area_ge / s.area_ge - 1), 0.05, "length %s: %.0f and %.0f GE", lengths[i],
                      c.area_ge,
                      s.area_ge);
        cr_expect_eq(s.lines[0].energy_fj, c.lines[0].energy_fj);
    }
}

Test(estimate, says_what_is_wrong, .init = setup, .fini = teardown)
{
    static const struct {
        const char *unit;
        struct estimate_arg args[4];
        enum gate_style style;
        const char *says;
    } rows[] = {
        {"dots", {{0}}, GATES_CSA, "did you mean `dot`"},
        {"mul", {{"w_bits", "8"}}, GATES_CSA, "needs the parameter `a_bits`"},
        {"mul", {{"w_bits", "8"}, {"a_bit", "8"}}, GATES_CSA, "did you mean `a_bits`"},
        {"mul", {{"w_bits", "8"}, {"w_bits", "8"}, {"a_bits", "4"}}, GATES_CSA, "given twice"},
        {"mul", {{"w_bits", "1"}, {"a_bits", "4"}}, GATES_CSA, "from 2 to 32"},
        {"add", {{"p1", "x"}}, GATES_CSA, "must be an integer"},
        {"requant", {{"acc_bits", "26"}, {"w_bits", "8"}}, GATES_RTL, "no rtl style"},
        {"dot", {{"w_bits", "8"}, {"a_bits", "8"}, {"length", "4"}, {"acc_bits", "12"}}, GATES_CSA,
         "at least"},
        {"sram", {{"capacity_bytes", "1024"}}, GATES_CSA, "needs the parameter `width_bits`"},
        {"sram", {{"capacity_bytes", "1024"}, {"width_bits", "32"}, {"cell", "xyz"}}, GATES_CSA, "no cell"},
        {"sram", {{"capacity_bytes", "4"}, {"width_bits", "64"}}, GATES_CSA, "legal"},
        {"core", {{"kge", "-3"}}, GATES_CSA, "at least 0"},
        {"core", {{"kge", "nan"}}, GATES_CSA, "at least 0"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct estimate_arg args[4];
        struct estimate e;
        struct err err = {0};
        size_t n = 0;

        memcpy(args, rows[i].args, sizeof(args));
        while (n < 4 && args[n].key)
            n++;
        cr_expect_not(estimate_unit(tech, rows[i].unit, rows[i].style, args, n, &e, &err));
        cr_expect_eq(err.code, ERR_USAGE);
        cr_assert_gt(err.n_diags, 0, "%s", rows[i].says);
        cr_expect_not_null(strstr(err.diags[0].text, rows[i].says), "`%s` is not in `%s`", rows[i].says,
                           err.diags[0].text);
        err_finish(&err);
    }
}
