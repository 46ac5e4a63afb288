#include "arch/expr.h"
#include "arch/scaling.h"
#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum op { OP_NUM, OP_SLOT, OP_NEG, OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW,
          OP_MIN, OP_MAX, OP_CLOG2, OP_LOG2, OP_SQRT, OP_LN, OP_EXP, OP_DADDA,
          OP_NODE_ENERGY, OP_NODE_AREA };

struct expr_op {
    enum op op;
    unsigned slot;
    double number;
};
struct expr {
    unsigned n_ops;
    struct expr_op ops[];
};

static const struct function {
    const char *name;
    enum op op;
    unsigned arity;
} functions[] = {
    {"min", OP_MIN, 2},   {"max", OP_MAX, 2},   {"pow", OP_POW, 2}, {"clog2", OP_CLOG2, 1},
    {"log2", OP_LOG2, 1}, {"sqrt", OP_SQRT, 1}, {"ln", OP_LN, 1},   {"exp", OP_EXP, 1},
    {"dadda", OP_DADDA, 1}, {"node_energy", OP_NODE_ENERGY, 2}, {"node_area", OP_NODE_AREA, 1},
};
enum { N_FUNCTIONS = sizeof(functions) / sizeof(functions[0]), MAX_NAME = 64 };

struct parser {
    const char *text, *p;
    const struct ynode *node;
    const char *const *names;
    size_t n_names;
    struct err *err;
    unsigned n_ops, depth;
    struct expr_op ops[EXPR_MAX_OPS];
};

static bool fail(struct parser *ps, const char *where, const char *what)
{
    struct place at = ps->node->at;

    at.col += (unsigned)(where - ps->text) + (ps->node->quoted ? 1 : 0);
    return err_add(ps->err, ERR_CONFIG, &at, "%s", what);
}

static bool emit(struct parser *ps, struct expr_op op)
{
    if (ps->n_ops == EXPR_MAX_OPS)
        return fail(ps, ps->p, "the formula is too long; at most 512 operands and operators are legal");
    ps->ops[ps->n_ops++] = op;
    return true;
}

static char peek(struct parser *ps)
{
    while (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n')
        ps->p++;
    return *ps->p;
}

static bool parse_sum(struct parser *ps);

static bool number(struct parser *ps)
{
    const char *start = ps->p;
    char buf[48];
    double v;

    while (isdigit((unsigned char)*ps->p) || *ps->p == '.')
        ps->p++;
    if (*ps->p == 'e' || *ps->p == 'E') {
        ps->p++;
        if (*ps->p == '+' || *ps->p == '-')
            ps->p++;
        while (isdigit((unsigned char)*ps->p))
            ps->p++;
    }
    snprintf(buf, sizeof(buf), "%.*s", (int)(ps->p - start < 47 ? ps->p - start : 47), start);
    if (ps->p - start > 47 || !text_parse_real(buf, &v))
        return fail(ps, start, "this is not a number; a decimal such as 0.25 or 3e-3 is legal");
    return emit(ps, (struct expr_op){OP_NUM, 0, v});
}

static bool arguments(struct parser *ps, const struct function *f, const char *where)
{
    unsigned n = 0;
    char what[96];

    ps->p++;
    do {
        if (n)
            ps->p++;
        if (!parse_sum(ps))
            return false;
        n++;
    } while (peek(ps) == ',');
    if (peek(ps) != ')')
        return fail(ps, ps->p, "expected `,` or `)` here");
    ps->p++;
    if (n == f->arity)
        return emit(ps, (struct expr_op){f->op, 0, 0});
    snprintf(what, sizeof(what), "%s takes %u argument%s, not %u", f->name, f->arity,
             f->arity == 1 ? "" : "s", n);
    return fail(ps, where, what);
}

static bool unknown(struct parser *ps, const char *where, const char *name, bool call)
{
    const char *list[N_FUNCTIONS + 256] = {0}, *near;
    size_t n = 0;
    char what[320];

    for (size_t i = 0; call && i < N_FUNCTIONS; i++)
        list[n++] = functions[i].name;
    for (size_t i = 0; !call && i < ps->n_names && n < 256; i++)
        if (ps->names[i])
            list[n++] = ps->names[i];
    near = text_nearest(name, list, n);
    snprintf(what, sizeof(what), "unknown %s `%s`%s%s%s%s", call ? "function" : "name", name,
             call ? "; min, max, pow, clog2, log2, sqrt, ln, exp, dadda, node_energy and "
                    "node_area are legal" : "",
             near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    return fail(ps, where, what);
}

static bool name(struct parser *ps)
{
    const char *start = ps->p;
    char id[MAX_NAME];
    size_t n;

    while (isalnum((unsigned char)*ps->p) || *ps->p == '_')
        ps->p++;
    n = (size_t)(ps->p - start);
    if (n >= sizeof(id))
        return fail(ps, start, "this name is too long; 63 characters are legal");
    memcpy(id, start, n);
    id[n] = '\0';
    if (peek(ps) == '(') {
        for (size_t i = 0; i < N_FUNCTIONS; i++)
            if (strcmp(functions[i].name, id) == 0)
                return arguments(ps, &functions[i], start);
        return unknown(ps, start, id, true);
    }
    for (size_t i = 0; i < ps->n_names; i++)
        if (ps->names[i] && strcmp(ps->names[i], id) == 0)
            return emit(ps, (struct expr_op){OP_SLOT, (unsigned)i, 0});
    return unknown(ps, start, id, false);
}

static bool parse_atom(struct parser *ps)
{
    char c = peek(ps);

    if (c == '(') {
        ps->p++;
        if (!parse_sum(ps))
            return false;
        if (peek(ps) != ')')
            return fail(ps, ps->p, "expected `)` here");
        ps->p++;
        return true;
    }
    if (isdigit((unsigned char)c) || c == '.')
        return number(ps);
    if (isalpha((unsigned char)c) || c == '_')
        return name(ps);
    return fail(ps, ps->p, "expected a number, a name or `(` here");
}

/* Minus binds weaker than ^ (-2^2 is -4); ^ groups to the right. */
static bool parse_power(struct parser *ps)
{
    bool ok = true, negative = false;

    if (ps->depth >= EXPR_MAX_DEPTH)
        return fail(ps, ps->p, "the formula is nested too deeply; 48 levels are legal");
    ps->depth++;
    for (; peek(ps) == '-'; ps->p++)
        negative = !negative;
    ok = parse_atom(ps);
    if (ok && peek(ps) == '^') {
        ps->p++;
        ok = parse_power(ps) && emit(ps, (struct expr_op){OP_POW, 0, 0});
    }
    ps->depth--;
    return ok && (!negative || emit(ps, (struct expr_op){OP_NEG, 0, 0}));
}

static bool parse_product(struct parser *ps)
{
    if (!parse_power(ps))
        return false;
    for (char c = peek(ps); c == '*' || c == '/'; c = peek(ps)) {
        ps->p++;
        if (!parse_power(ps) || !emit(ps, (struct expr_op){c == '*' ? OP_MUL : OP_DIV, 0, 0}))
            return false;
    }
    return true;
}

static bool parse_sum(struct parser *ps)
{
    if (!parse_product(ps))
        return false;
    for (char c = peek(ps); c == '+' || c == '-'; c = peek(ps)) {
        ps->p++;
        if (!parse_product(ps) || !emit(ps, (struct expr_op){c == '+' ? OP_ADD : OP_SUB, 0, 0}))
            return false;
    }
    return true;
}

const struct expr *expr_parse(struct arena *a, const struct ynode *node, const char *const *names,
                              size_t n_names, struct err *err)
{
    struct parser ps = {.text = node->text, .p = node->text, .node = node, .names = names,
                        .n_names = n_names, .err = err};
    struct expr *e = NULL;

    if (node->kind != YNODE_SCALAR) {
        err_add(err, ERR_CONFIG, &node->at, "a formula or a number is expected here");
        return NULL;
    }
    if (!parse_sum(&ps))
        return NULL;
    if (peek(&ps) != '\0') {
        fail(&ps, ps.p, "an operator or the end of the formula is expected here");
        return NULL;
    }
    e = arena_alloc(a, sizeof(*e) + ps.n_ops * sizeof(e->ops[0]));
    e->n_ops = ps.n_ops;
    memcpy(e->ops, ps.ops, ps.n_ops * sizeof(e->ops[0]));
    return e;
}

/* Levels of full adders that bring a column of `height` bits down to two:
 * Dadda's sequence 2, 3, 4, 6, 9, 13, ... */
static double dadda_levels(double height)
{
    double limit = 2, levels = 0;

    for (; limit < height && levels < 200; levels++)
        limit = floor(limit * 1.5);
    return isnan(height) ? NAN : levels;
}

static double unary(enum op op, double x)
{
    switch (op) {
    case OP_NEG: return -x;
    case OP_CLOG2: return x <= 1 ? 0 : ceil(log2(x));
    case OP_LOG2: return log2(x);
    case OP_SQRT: return sqrt(x);
    case OP_LN: return log(x);
    case OP_DADDA: return dadda_levels(x);
    case OP_NODE_AREA: return scaling_area(x);
    default: return exp(x);
    }
}

static double binary(enum op op, double x, double y)
{
    switch (op) {
    case OP_ADD: return x + y;
    case OP_SUB: return x - y;
    case OP_MUL: return x * y;
    case OP_DIV: return x / y;
    case OP_POW: return pow(x, y);
    case OP_MIN: return isnan(x) || x < y ? x : y;
    case OP_NODE_ENERGY: return scaling_energy(x, y);
    default: return isnan(x) || x > y ? x : y;
    }
}

static bool is_binary(enum op op)
{
    return (op >= OP_ADD && op <= OP_MAX) || op == OP_NODE_ENERGY;
}

/* Each level of nesting can hold at most three values (sum, product, power). */
double expr_eval(const struct expr *e, const double *slots)
{
    double stack[4 * EXPR_MAX_DEPTH];
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_ops; i++) {
        const struct expr_op *o = &e->ops[i];

        if (o->op == OP_NUM) {
            stack[n++] = o->number;
        } else if (o->op == OP_SLOT) {
            stack[n++] = slots[o->slot];
        } else if (is_binary(o->op)) {
            n--;
            stack[n - 1] = binary(o->op, stack[n - 1], stack[n]);
        } else {
            stack[n - 1] = unary(o->op, stack[n - 1]);
        }
    }
    return stack[0];
}

bool expr_uses(const struct expr *e, unsigned slot)
{
    for (unsigned i = 0; i < e->n_ops; i++)
        if (e->ops[i].op == OP_SLOT && e->ops[i].slot == slot)
            return true;
    return false;
}

/* Pure numbers go with anything: a constant has the unit of what it is added to. */
static bool add_dims(struct dim *a, struct dim b, const char **why)
{
    *why = "adds or compares quantities of different kinds";
    if (dim_pure(*a))
        *a = b;
    return dim_pure(b) || dim_same(*a, b);
}

static bool root_dim(struct dim *a, const char **why)
{
    *why = "takes the root of a quantity that has none";
    if (a->energy % 2 || a->time % 2 || a->length % 2)
        return false;
    *a = (struct dim){a->energy / 2, a->time / 2, a->length / 2};
    return true;
}

static bool power_dim(struct dim *a, const struct expr_op *exponent, const char **why)
{
    int n = exponent->op == OP_NUM && fabs(exponent->number) <= 4 ? (int)exponent->number : 0;

    *why = "raises a quantity with a unit to a power that is no small whole number";
    if (dim_pure(*a))
        return true;
    if (exponent->op != OP_NUM || n != exponent->number)
        return false;
    *a = (struct dim){(signed char)(a->energy * n), (signed char)(a->time * n), (signed char)(a->length * n)};
    return true;
}

static struct dim times(struct dim a, struct dim b, int sign)
{
    return (struct dim){(signed char)(a.energy + sign * b.energy), (signed char)(a.time + sign * b.time),
                        (signed char)(a.length + sign * b.length)};
}

static bool binary_dim(const struct expr_op *o, struct dim *a, struct dim b, const char **why)
{
    switch (o->op) {
    case OP_MUL: *a = times(*a, b, 1); return true;
    case OP_DIV: *a = times(*a, b, -1); return true;
    case OP_POW: return power_dim(a, o - 1, why);
    default: return add_dims(a, b, why);
    }
}

bool expr_dim(const struct expr *e, const struct dim *slots, struct dim *out, const char **why)
{
    struct dim stack[4 * EXPR_MAX_DEPTH];
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_ops; i++) {
        const struct expr_op *o = &e->ops[i];

        if (o->op == OP_NUM || o->op == OP_SLOT) {
            stack[n++] = o->op == OP_SLOT ? slots[o->slot] : (struct dim){0, 0, 0};
        } else if (is_binary(o->op)) {
            n--;
            if (!binary_dim(o, &stack[n - 1], stack[n], why))
                return false;
        } else if (o->op == OP_SQRT) {
            if (!root_dim(&stack[n - 1], why))
                return false;
        } else if (o->op != OP_NEG && !dim_pure(stack[n - 1])) {
            *why = "takes a logarithm or an exponential of a quantity with a unit";
            return false;
        }
    }
    *out = stack[0];
    return true;
}
