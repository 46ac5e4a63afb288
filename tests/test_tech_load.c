/* What a technology file may not say, and where the error points; formulas. */
#include "arch/cost.h"
#include "arch/expr.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A small legal file. Tests replace the first line that begins with a key. */
static const char *const lines[] = {
    "name: small",
    "voltage: 1.0",
    "coefficients:",
    "  v_nom: {value: 1, rel_err: 0, source: test}",
    "  v_min: {value: 0.5, rel_err: 0, source: test}",
    "  v_max: {value: 1.2, rel_err: 0, source: test}",
    "  v_t: {value: 0.3, rel_err: 0, source: test}",
    "  alpha: {value: 1.3, rel_err: 0, source: test}",
    "  v_dibl: {value: 0.3, rel_err: 0, source: test}",
    "  temp_ref_k: {value: 300, rel_err: 0, source: test}",
    "  temp_slope_k: {value: 30, rel_err: 0, source: test}",
    "  fo4_ps: {value: 30, rel_err: 0, source: test}",
    "  ge_um2: {value: 0.2, rel_err: 0, source: test}",
    "  utilisation: {value: 0.8, rel_err: 0, source: test}",
    "  cal_energy: {value: 1, rel_err: 0, source: test}",
    "  cal_area: {value: 1, rel_err: 0, source: test}",
    "  e_bit: {value: \"2 * e_base\", rel_err: 0.1, source: test}",
    "  e_base: {value: 3, rel_err: 0.1, source: test}",
    "idle: {energy_fj: 0, rel_err: 0, source: test}",
    "leak: {power_nw: \"0.1 * area_ge\", rel_err: 0, source: test}",
    "classes:",
    "  reg:",
    "    params: [bits]",
    "    locals: {twice: \"2 * bits\", four: \"2 * twice\"}",
    "    area_ge: \"6 * bits\"",
    "    actions:",
    "      write: {energy_fj: \"e_bit * four\", unit: write, rel_err: 0.1, source: test}",
};
enum { N_LINES = sizeof(lines) / sizeof(lines[0]) };

static void assemble(struct text *t, const char *key, const char *with)
{
    bool done = key[0] == '\0';

    for (size_t i = 0; i < N_LINES; i++) {
        bool hit = !done && strncmp(lines[i], key, strlen(key)) == 0;

        done |= hit;
        if (!hit || with[0])
            text_printf(t, "%s\n", hit ? with : lines[i]);
    }
    cr_assert(done, "no line `%s`", key);
}

static struct tech *decode(struct arena *a, const char *text, struct err *err)
{
    struct ynode *root = yaml_parse(a, "t.yaml", text, strlen(text), err);

    return root ? tech_decode(a, root, err) : NULL;
}

Test(tech_load, a_small_file_is_legal)
{
    struct arena a = {0};
    struct text t = {0};
    struct err err = {0};
    struct cost_item it = {.component = "r", .cls = "reg", .instances = 2, .n_params = 1, .n_actions = 1,
                           .params = {{"bits", 8}}, .actions = {{"write", 10}}, .total_cycles = 1000};
    struct cost_price p;
    struct tech *tech;

    assemble(&t, "", "");
    tech = decode(&a, t.s, &err);
    cr_assert_not_null(tech, "%s", err.n_diags ? err.diags[0].text : "");
    cr_assert(tech_price(tech, &it, 1000, &p, &err));
    cr_expect_eq(p.lines[0].energy_fj, 10 * 6 * 32);
    cr_expect_float_eq(p.area_ge, 96, 1e-9);
    cr_expect_float_eq(p.area_um2, 24, 1e-9);
    /* 4.8 nW each, two of them, for a second. */
    cr_expect_eq(p.lines[2].energy_fj, 9600000);
    text_finish(&t);
    arena_finish(&a);
}

Test(tech_load, errors_have_a_place)
{
    static const struct { const char *key, *with; unsigned line, col; const char *says; } rows[] = {
        {"name", "names: small", 1, 1, "unknown key `names` in a technology file (did you mean `name`?)"},
        {"voltage", "voltage: 2", 2, 10, "must be a number from 0.5 to 1.2"},
        {"voltage", "voltage: high", 2, 10, "must be a number"},
        {"voltage", "voltage: 1.0\nactivity: some", 3, 11, "default or measured"},
        {"  v_nom", "  v_nom: {value: 1, rel_err: 0}", 4, 3, "`source` is missing"},
        {"  v_nom", "  v_nom: {value: 1, rel_err: 0, source: \"\"}", 4, 41, "not empty"},
        {"  v_nom", "  v_nom: {value: 1, source: test}", 4, 3, "`rel_err` is missing"},
        {"  v_nom", "  v_nom: {rel_err: 0, source: test}", 4, 3, "`value` is missing"},
        {"  v_nom", "  v_nom: {value: 1, rel_err: -1, source: test}", 4, 30, "from 0 to 10"},
        {"  v_nom", "  v_nom: {valu: 1, value: 1, rel_err: 0, source: t}", 4, 11, "did you mean `value`"},
        {"  v_nom", "  v_nom: 1", 4, 10, "{value, rel_err, source}"},
        {"  v_nom", "  v_nom: {value: 0, rel_err: 0, source: test}", 4, 18, "above 0"},
        {"  fo4_ps", "  fo4: {value: 30, rel_err: 0, source: test}", 4, 3, "`fo4_ps` is missing"},
        {"  e_base", "  e_base: {value: \"1 + e_bit\", rel_err: 0, source: t}", 18, 19,
         "cycles are not legal"},
        {"  e_base", "  e_base: {value: \"-1\", rel_err: 0, source: t}", 18, 19, "at least 0"},
        {"  e_base", "  e_base: {value: \"1 / 0\", rel_err: 0, source: t}", 18, 19, "finite"},
        {"  e_bit", "  e_bit: {value: \"2 * e_bas\", rel_err: 0, source: t}", 17, 23,
         "did you mean `e_base`"},
        {"  e_bit", "  e_bit: {value: 2 * e_bas, rel_err: 0, source: t}", 17, 22, "did you mean `e_base`"},
        {"  e_bit", "  e_bit: {value: \"mn(1, 2)\", rel_err: 0, source: t}", 17, 19, "did you mean `min`"},
        {"  e_bit", "  e_bit: {value: \"1 + max(1)\", rel_err: 0, source: t}", 17, 23,
         "max takes 2 arguments, not 1"},
        {"  e_bit", "  e_bit: {value: \"sqrt(1, 2)\", rel_err: 0, source: t}", 17, 19,
         "sqrt takes 1 argument, not 2"},
        {"  e_bit", "  e_bit: {value: \"(1 + 2\", rel_err: 0, source: t}", 17, 25, "expected `)`"},
        {"  e_bit", "  e_bit: {value: \"1 + \", rel_err: 0, source: t}", 17, 23, "expected a number"},
        {"  e_bit", "  e_bit: {value: \"1 2\", rel_err: 0, source: t}", 17, 21, "an operator"},
        {"  e_bit", "  e_bit: {value: [1], rel_err: 0, source: t}", 17, 18, "a formula or a number"},
        {"leak", "", 21, 3, "must be maps"},
        {"    params", "    params: bits", 23, 13, "a list of names"},
        {"    params", "    params: [e_bit]", 23, 14, "already a coefficient"},
        {"    locals", "    locals: {a: \"b\", b: \"a\"}", 24, 0, "cycles are not legal"},
        {"    locals", "    locals: {twice: \"area_ge\", four: \"1\"}", 24, 0, "unknown name `area_ge`"},
        {"    area_ge", "    area_ge: \"-5\"", 25, 14, "the area is -5"},
        {"    area_ge", "    area_ge: \"5 - bits\"", 25, 14, "the area is -59"},
        {"    area_ge", "    area: 5", 22, 3, "exactly one of `area_ge` and `area_um2`"},
        {"    area_ge", "    area_ge: \"sram_read_pj\"", 25, 15, "unknown name `sram_read_pj`"},
        {"    actions", "    action:", 22, 3, "`actions` must be a map"},
        {"      write", "      write: {energy_fj: 1, unit: wrte, rel_err: 0, source: t}", 27, 35,
         "unknown unit `wrte` (did you mean `write`?)"},
        {"      write", "      write: {energy_nj: 1, unit: write, rel_err: 0, source: t}", 27, 7,
         "exactly one of `energy_fj` and `energy_pj`"},
        {"      write", "      write: {energy_fj: 1, rel_err: 0, source: t}", 27, 7, "`unit` is missing"},
        {"      write", "      write: {energy_fj: 1, unit: write, rel_err: 0}", 27, 7, "`source` is missing"},
        {"      write", "      write: {energy_fj: 1, unit: write, kind: on, rel_err: 0, source: t}", 27, 48,
         "onchip or offchip"},
        {"      write", "      write: {energy_fj: \"0 - bits\", unit: write, rel_err: 0, source: t}", 27, 14,
         "the energy of `write` is -64"},
        {"  e_base", "  e_base: {value: 3, unit: fj, rel_err: 0, source: t}", 18, 28,
         "unknown unit `fj`"},
        {"    area_ge", "    area_ge: \"fo4_ps * bits\"", 25, 14, "comes to ps; a number is expected"},
        {"    area_ge", "    area_ge: \"6 * bits + ge_um2 + fo4_ps\"", 25, 14,
         "quantities of different kinds"},
        {"    area_ge", "    area_ge: \"log2(ge_um2)\"", 25, 14, "a logarithm"},
        {"    area_ge", "    area_um2: \"fo4_ps * bits\"", 25, 15, "comes to ps; um2 is expected"},
        {"      write", "      write: {energy_fj: \"ge_um2\", unit: write, rel_err: 0, source: t}", 27, 26,
         "comes to um2; fJ is expected"},
        {"      write", "      write: {energy_fj: 1, unit: write, bound: lower, rel_err: 0, source: t}", 27,
         49,        "`bound` must be upper"},
        {"    area_ge", "    area_ge: 5\n    path: {a: 1, b: {fo4: 2, kind: slow}}", 26, 36,
         "logic, loop or register"},
        {"    area_ge", "    area_ge: 5\n    path: {a: \"ge_um2\"}", 26, 15, "a number is expected"},
        {"    area_ge", "    area_ge: 5\n    path: {a: \"bit\"}", 26, 16, "did you mean `bits`"},
        {"    area_ge", "    area_ge: 5\n    path_fo4: 3\n    path: {a: 1}", 26, 15, "only one of"},
        {"    area_ge", "    area_ge: 5\n    area_err: {rel_err: 0.1}", 26, 15, "`source` is missing"},
        {"  reg", "  fifo:", 22, 3, "class `fifo` lacks the action `push`"},
        {"  reg", "  fifo:", 23, 14, "no component gives the parameter `bits` to class `fifo`"},
        {"idle", "sram_table: {file: nowhere.csv, source: test}", 19, 20, "cannot be opened"},
        {"idle", "base: nowhere.yaml", 19, 7, "cannot be opened"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        struct text t = {0};
        struct err err = {0};
        bool found = false;

        assemble(&t, rows[i].key, rows[i].with);
        cr_expect_null(decode(&a, t.s, &err), "row %zu: `%s` is accepted", i, rows[i].with);
        for (unsigned d = 0; d < err.n_diags; d++) {
            const struct diag *g = &err.diags[d];

            found |= strstr(g->text, rows[i].says) && g->at.line == rows[i].line &&
                     (rows[i].col == 0 || g->at.col == rows[i].col);
        }
        cr_expect(found, "row %zu, `%s`: got %u:%u %s", i, rows[i].with,
                  err.n_diags ? err.diags[0].at.line : 0,
                  err.n_diags ? err.diags[0].at.col : 0, err.n_diags ? err.diags[0].text : "nothing");
        err_finish(&err);
        text_finish(&t);
        arena_finish(&a);
    }
}

Test(tech_load, pricing_errors_name_the_component)
{
    static const struct { const char *cls, *param, *action, *says; } rows[] = {
        {"regs", "bits", "write", "no class `regs` (did you mean `reg`?)"},
        {"reg", "bit", "write", "needs the parameter `bits`"},
        {"reg", "bits", "wrte", "no action `wrte` (did you mean `write`?)"},
    };
    struct arena a = {0};
    struct text t = {0};
    struct err err = {0};
    struct tech *tech;

    assemble(&t, "", "");
    tech = decode(&a, t.s, &err);
    cr_assert_not_null(tech);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cost_item it = {.component = "dut", .cls = rows[i].cls, .instances = 1, .n_params = 1,
                               .n_actions = 1, .params = {{rows[i].param, 8}}, .actions = {{rows[i].action,
                                                                                            1}}};
        struct cost_price p;

        cr_expect_not(tech_price(tech, &it, 1000, &p, &err));
        cr_assert_eq(err.n_diags, 1);
        cr_expect_not_null(strstr(err.diags[0].text, rows[i].says), "%s", err.diags[0].text);
        cr_expect_not_null(strstr(err.diags[0].text, "dut"), "%s", err.diags[0].text);
        err_finish(&err);
        err = (struct err){0};
    }
    text_finish(&t);
    arena_finish(&a);
}

static const struct expr *parse(struct arena *a, const char *text, struct err *err)
{
    static const char *const names[] = {"x", "y"};
    struct ynode n = {.kind = YNODE_SCALAR, .text = text, .at = {"f", text, 1, 1}};

    return expr_parse(a, &n, names, 2, err);
}

Test(expr, values)
{
    static const struct { const char *text; double value; } rows[] = {
        {"1 + 2 * 3", 7}, {"(1 + 2) * 3", 9}, {"2 - 3 - 4", -5}, {"16 / 4 / 2", 2}, {"2^3^2", 512}, {"-2^2",
                                                                                                     -4},
        {"2^-1", 0.5}, {"--3", 3}, {"- 3", -3}, {"x * y", 15}, {"min(x, y) + max(x, y)", 8}, {"pow(x, 2)", 9},
        {"clog2(1)", 0}, {"dadda(2)", 0}, {"dadda(3)", 1}, {"dadda(9)", 4}, {"dadda(13)", 5},
        {"dadda(513)", 15}, {"clog2(5)", 3}, {"clog2(8)", 3}, {"clog2(0)", 0}, {"log2(8)", 3}, {"sqrt(x * 3)",
                                                                                             3},
        {"ln(exp(2))", 2}, {"1e3 + 2.5e-1", 1000.25}, {"min(max(1, x), y - 1)", 3}, {" ( ( x ) ) ", 3},
        {"1 + 2 * 3 ^ 2 - 4", 15}, {"min(1 + 2 * 3^min(1, 2), 1 + 2 * 3^max(1, 2))", 7},
    };
    static const double slots[] = {3, 5};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        struct err err = {0};
        const struct expr *e = parse(&a, rows[i].text, &err);

        cr_assert_not_null(e, "%s: %s", rows[i].text, err.n_diags ? err.diags[0].text : "");
        cr_expect_float_eq(expr_eval(e, slots), rows[i].value, 1e-9, "%s", rows[i].text);
        arena_finish(&a);
    }
}

/* Depth and length are bounded, by an error and not by the stack. */
Test(expr, limits)
{
    static const struct { const char *open, *middle, *close; unsigned legal; } shapes[] = {
        {"(", "1", ")", 40}, {"min(1 + 2 * ", "3", ", 4)", 40}, {"1 ^ ", "1", "", 40}, {"1 + 2 * (", "1", ")",
                                                                                        40},
        {"1 + ", "1", "", 200}, {"-", "1", "", 2000},
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (unsigned deep = 0; deep < 2; deep++) {
            unsigned n = deep ? 20000 : shapes[i].legal;
            struct arena a = {0};
            struct err err = {0};
            struct text t = {0};
            const struct expr *e;

            for (unsigned k = 0; k < n; k++)
                text_add(&t, shapes[i].open);
            text_add(&t, shapes[i].middle);
            for (unsigned k = 0; k < n; k++)
                text_add(&t, shapes[i].close);
            e = parse(&a, t.s, &err);
            if (deep && shapes[i].open[0] != '-')
                cr_expect(e == NULL && err.n_diags == 1, "`%s` x %u", shapes[i].open, n);
            else
                cr_expect(e != NULL && isfinite(expr_eval(e, (double[]){1, 1})), "`%s` x %u", shapes[i].open,
                          n);
            err_finish(&err);
            text_finish(&t);
            arena_finish(&a);
        }
}
