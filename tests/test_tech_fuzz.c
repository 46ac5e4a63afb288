/* Formulas and technology files at random: a formula comes to what plain
 * arithmetic on its tree says, and whatever else is written is legal or refused
 * with a place. */
#include "arch/cost.h"
#include "arch/expr.h"
#include "base/hash.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"x", "y", "a_long_name"};
static const double slots[] = {3, 0.5, 17};
enum { N_NAMES = 3, N_TREES = 20000, N_GARBAGE = 100000, N_FILES = 600 };

static const struct expr *parse(struct arena *a, const char *text, struct err *err)
{
    struct ynode n = {.kind = YNODE_SCALAR, .text = text, .at = {"f", text, 1, 1}};

    return expr_parse(a, &n, names, N_NAMES, err);
}

/* ---- trees ---- */

static double tree(struct rng *r, unsigned depth, struct text *out);

static double leaf(struct rng *r, struct text *out)
{
    static const char *const numbers[] = {"0", "1", "2.5", "64", "1e-3", "0.125", "7e2"};
    size_t i = rng_below(r, 7 + N_NAMES);

    text_add(out, i < 7 ? numbers[i] : names[i - 7]);
    return i < 7 ? atof(numbers[i]) : slots[i - 7];
}

static double call(struct rng *r, unsigned depth, struct text *out)
{
    static const char *const f[] = {"min", "max", "pow", "sqrt", "log2", "clog2", "exp", "ln"};
    size_t i = rng_below(r, 8);
    double u, v = 0;

    text_printf(out, "%s(", f[i]);
    u = tree(r, depth, out);
    if (i < 3) {
        text_add(out, ", ");
        v = tree(r, depth, out);
    }
    text_add(out, ")");
    switch (i) {
    case 0: return isnan(u) || isnan(v) ? NAN : fmin(u, v);
    case 1: return isnan(u) || isnan(v) ? NAN : fmax(u, v);
    case 2: return pow(u, v);
    case 3: return sqrt(u);
    case 4: return log2(u);
    case 5: return isnan(u) ? NAN : u > 1 ? ceil(log2(u)) : 0;
    case 6: return exp(u);
    default: return log(u);
    }
}

/* Brackets around every operand: the order of operators has its own test. */
static double operation(struct rng *r, unsigned depth, struct text *out)
{
    static const char ops[] = "+-*/^";
    size_t i = rng_below(r, 5);
    double u, v;

    text_add(out, "(");
    u = tree(r, depth, out);
    text_printf(out, "%s%c%s", rng_below(r, 2) ? ") " : ")", ops[i], rng_below(r, 2) ? " (" : "(");
    v = tree(r, depth, out);
    text_add(out, ")");
    return i == 0 ? u + v : i == 1 ? u - v : i == 2 ? u * v : i == 3 ? u / v : pow(u, v);
}

static double tree(struct rng *r, unsigned depth, struct text *out)
{
    size_t kind = depth ? rng_below(r, 8) : 0;

    if (kind < 2)
        return leaf(r, out);
    if (kind == 2) {
        text_add(out, "-(");
        double v = -tree(r, depth - 1, out);
        text_add(out, ")");
        return v;
    }
    return kind < 5 ? call(r, depth - 1, out) : operation(r, depth - 1, out);
}

Test(expr, trees_come_to_their_value)
{
    struct rng r = {.s = 3};
    unsigned n_finite = 0;

    for (unsigned i = 0; i < N_TREES; i++) {
        struct arena a = {0};
        struct err err = {0};
        struct text t = {0};
        double want = tree(&r, 4, &t), got;
        const struct expr *e = parse(&a, t.s, &err);

        cr_assert_not_null(e, "%s: %s", t.s, err.n_diags ? err.diags[0].text : "");
        got = expr_eval(e, slots);
        n_finite += isfinite(want) != 0;
        cr_expect(got == want || (isnan(got) && isnan(want)), "%s is %.17g, not %.17g", t.s, want, got);
        text_finish(&t);
        arena_finish(&a);
    }
    cr_expect_gt(n_finite, N_TREES / 2);
}

/* ---- garbage ---- */

Test(expr, garbage_is_refused_with_a_place)
{
    static const char *const bits[] = {"x", "y", "min", "max(", "sqrt(", "(", ")", "+", "-", "*", "/", "^",
                                       ",", "1", "2.5", "1e", "..", " ", "\t", "$", "clog2(", "a_long_nam",
                                       "\xc3\xa9"};
    struct rng r = {.s = 5};
    unsigned n_legal = 0;

    for (unsigned i = 0; i < N_GARBAGE; i++) {
        struct arena a = {0};
        struct err err = {0};
        struct text t = {0};
        const struct expr *e;

        text_add(&t, "");
        for (uint64_t k = rng_below(&r, 10); k > 0; k--)
            text_add(&t, bits[rng_below(&r, sizeof(bits) / sizeof(bits[0]))]);
        e = parse(&a, t.s, &err);
        n_legal += e != NULL;
        if (e) {
            cr_expect_eq(err.n_diags, 0);
            expr_eval(e, slots);
        } else {
            cr_assert_eq(err.n_diags, 1, "`%s`", t.s);
            cr_expect_eq(err.diags[0].at.line, 1);
            cr_expect(err.diags[0].at.col >= 1 && err.diags[0].at.col <= t.len + 1, "`%s`: column %u", t.s,
                      err.diags[0].at.col);
        }
        err_finish(&err);
        text_finish(&t);
        arena_finish(&a);
    }
    cr_expect_gt(n_legal, 1000);
}

/* ---- files ---- */

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *s = NULL;

    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    *len = (size_t)ftell(f);
    rewind(f);
    s = xrealloc(s, *len + 1, 1);
    cr_assert_eq(fread(s, 1, *len, f), *len);
    s[*len] = '\0';
    fclose(f);
    return s;
}

/* One to three characters dropped, doubled or replaced, or a line dropped. */
static void damage(struct rng *r, char *s)
{
    static const char put[] = "0123456789abcdef_.:{}[]()+-*/^,\"' \n";

    for (uint64_t n = 1 + rng_below(r, 3); n > 0; n--) {
        size_t len = strlen(s), at = rng_below(r, len);

        switch (rng_below(r, 4)) {
        case 0:
            memmove(s + at, s + at + 1, len - at);
            break;
        case 1:
            s[at] = put[rng_below(r, sizeof(put) - 1)];
            break;
        case 2: {
            char *end = strchr(s + at, '\n');

            while (at > 0 && s[at - 1] != '\n')
                at--;
            if (end)
                memmove(s + at, end + 1, strlen(end));
            break;
        }
        default:
            memmove(s + at + 1, s + at, len - at + 1);
            break;
        }
    }
}

Test(tech_file, damaged_files_are_legal_or_refused_with_a_place)
{
    static const char path[] = TEST_ROOT "/configs/tech/gf22fdx.yaml";
    struct rng r = {.s = 9};
    size_t len;
    char *whole = read_file(path, &len), *s = xrealloc(NULL, len + 8, 1);
    unsigned n_refused = 0;

    for (unsigned i = 0; i < N_FILES; i++) {
        struct arena a = {0};
        struct err err = {0};
        struct ynode *root;

        memcpy(s, whole, len + 1);
        damage(&r, s);
        root = yaml_parse(&a, path, s, strlen(s), &err);
        if (!root || !tech_decode(&a, root, &err)) {
            cr_assert_gt(err.n_diags, 0);
            for (size_t k = 0; k < err.n_diags; k++)
                cr_expect(err.diags[k].at.line > 0 && err.diags[k].at.col > 0, "%s", err.diags[k].text);
            n_refused++;
        } else {
            cr_expect_eq(err.n_diags, 0);
        }
        err_finish(&err);
        arena_finish(&a);
    }
    cr_expect_gt(n_refused, N_FILES / 4);
    free(s);
    free(whole);
}
