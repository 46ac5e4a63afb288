/* Units of a technology file: a coefficient's `unit`, else the end of its name
 * (_fj, _um2, ..), says what it is; formulas must come to what their key says. */
#include "arch/tech_impl.h"

#include <string.h>

static const struct unit_def {
    const char *name, *suffix; /* suffix NULL: only as `unit` */
    struct dim dim;
} units[] = {
    {"fJ", "_fj", {2, 0, 0}},        {"pJ", "_pj", {2, 0, 0}},          {"nW", "_nw", {2, -2, 0}},
    {"uW", "_uw", {2, -2, 0}},       {"mW", "_mw", {2, -2, 0}},         {"ps", "_ps", {0, 2, 0}},
    {"ns", "_ns", {0, 2, 0}},        {"um", "_um", {0, 0, 2}},          {"mm", "_mm", {0, 0, 2}},
    {"um2", "_um2", {0, 0, 4}},      {"mm2", "_mm2", {0, 0, 4}},        {"fJ/mm", NULL, {2, 0, -2}},
    {"pJ/mm", NULL, {2, 0, -2}},     {"nW/GE", "_nw_per_ge", {2, -2, 0}}, {"V", NULL, {0, 0, 0}},
    {"K", "_k", {0, 0, 0}},          {"FO4", NULL, {0, 0, 0}},          {"GE", "_ge", {0, 0, 0}},
    {"1", NULL, {0, 0, 0}},          {"bit", NULL, {0, 0, 0}},          {"byte", NULL, {0, 0, 0}},
    {"clocks", "_clocks", {0, 0, 0}}, {"pJ/bit", "_pj_per_bit", {2, 0, 0}},
};
enum { N_UNITS = sizeof(units) / sizeof(units[0]) };

struct dim tech_dim_of_name(const char *name)
{
    size_t len = strlen(name), best = 0;
    struct dim dim = {0, 0, 0};

    for (size_t i = 0; i < N_UNITS; i++) {
        size_t n = units[i].suffix ? strlen(units[i].suffix) : 0;

        if (n > best && n < len && strcmp(name + len - n, units[i].suffix) == 0) {
            best = n;
            dim = units[i].dim;
        }
    }
    return dim;
}

bool tech_dim_of_unit(const struct ynode *unit, struct dim *out, struct err *err)
{
    const char *names[N_UNITS], *near, *text = unit->kind == YNODE_SCALAR ? unit->text : "";

    for (size_t i = 0; i < N_UNITS; i++) {
        names[i] = units[i].name;
        *out = units[i].dim;
        if (strcmp(units[i].name, text) == 0)
            return true;
    }
    near = text_nearest(text, names, N_UNITS);
    return err_add(err, ERR_CONFIG, &unit->at, "unknown unit `%s`; fJ, pJ, nW, uW, mW, ps, ns, um, mm, um2, "
                   "mm2, fJ/mm, pJ/mm, pJ/bit, nW/GE, GE, FO4, V, K, bit, byte, clocks and 1 are legal%s%s%s",
                   text, near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
}

static const char *word(struct dim d)
{
    for (size_t i = 0; i < N_UNITS; i++)
        if (dim_same(units[i].dim, d))
            return units[i].name;
    return "a unit of its own";
}

bool tech_check_dim(const struct expr *e, const struct ynode *node, const struct dim *slots,
                    const char *expected, struct dim *out, struct err *err)
{
    struct dim want = {0, 0, 0};
    const char *why = "";

    for (size_t i = 0; i < N_UNITS && expected; i++)
        if (strcmp(units[i].name, expected) == 0)
            want = units[i].dim;
    if (!expr_dim(e, slots, out, &why))
        return err_add(err, ERR_CONFIG, &node->at, "the formula %s", why);
    /* A formula of numbers alone has the unit of its key. */
    if (!expected || dim_same(*out, want) || dim_pure(*out))
        return true;
    return err_add(err, ERR_CONFIG, &node->at, "the formula comes to %s; %s is expected", word(*out),
                   dim_pure(want) ? "a number" : expected);
}
