#include "arch/estimate.h"
#include "arch/tech_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_UNIT_PARAMS = 4 };
enum { U_MUL, U_DOT, U_REQUANT, U_XBAR, U_FIFO, U_REGFILE, U_BARREL, U_ADD, U_MAX, U_ISQRT, U_DIV, N_UNITS };

/* Reference units. `alias` is what a table's column means; `param` the
 * parameter of the technology class that prices the same block. */
struct ref_param {
    const char *name, *alias, *param;
    unsigned min, max;
    const char *def; /* NULL: required */
};
static const struct ref_unit {
    const char *name, *cls;
    double rel_err; /* of the gate count: the larger error on rows that were not fitted */
    struct ref_param params[MAX_UNIT_PARAMS + 1];
} units[N_UNITS] = {
    [U_MUL] = {"mul", "mul", 0.05,
               {{"w_bits", NULL, "w_bits", 2, 32, NULL},
                {"a_bits", NULL, "a_bits", 2, 32, NULL},
                {"length", NULL, NULL, 1, 1, "1"}}},
    [U_DOT] = {"dot", "dot_product", 0.02,
               {{"w_bits", NULL, "w_bits", 2, 32, NULL},
                {"a_bits", NULL, "a_bits", 2, 32, NULL},
                {"length", NULL, "length", 1, 65536, NULL},
                {"acc_bits", NULL, "acc_bits", 4, 64, NULL}}},
    [U_REQUANT] = {"requant", "requant", 0.02,
                   {{"acc_bits", NULL, "acc_bits", 4, 48, NULL},
                    {"w_bits", "mul_bits", "mul_bits", 2, 32, NULL},
                    {"a_bits", "out_bits", NULL, 1, 64, "8"}}},
    [U_XBAR] = {"xbar", "crossbar", 0.07,
                {{"p1", "masters", "masters", 1, 1024, NULL},
                 {"p2", "banks", "banks", 1, 1024, NULL},
                 {"p3", "data_bits", "data_bits", 1, 4096, NULL}}},
    [U_FIFO] = {"fifo", "fifo", 0.05,
                {{"p1", "depth", "depth", 1, 65536, NULL}, {"p2", "width_bits", "width_bits", 1, 65536,
                                                            NULL}}},
    [U_REGFILE] = {"regfile", "regfile", 0.08,
                   {{"p1", "depth", "depth", 2, 65536, NULL},
                    {"p2", "width_bits", "width_bits", 1, 65536, NULL},
                    {"p3", "read_ports", "read_ports", 1, 64, "1"}}},
    [U_BARREL] = {"barrel", "barrel", 0.03, {{"p1", "bits", "bits", 2, 4096, NULL}}},
    [U_ADD] = {"add", "add", 0.02, {{"p1", "bits", "bits", 1, 4096, NULL}}},
    [U_MAX] = {"max", "max", 0.03, {{"p1", "bits", "bits", 1, 4096, NULL}}},
    [U_ISQRT] = {"isqrt", "isqrt", 0.05, {{"p1", "bits", "bits", 4, 256, NULL}}},
    [U_DIV] = {"div", "div", 0.02, {{"p1", "bits", "bits", 4, 256, NULL}}},
};

const char *const estimate_units[] = {"mul", "dot", "requant", "xbar", "fifo", "regfile", "barrel", "add",
                                      "max",
                                      "isqrt", "div", "sram", NULL};

static unsigned n_params(const struct ref_unit *u)
{
    unsigned n = 0;

    while (n < MAX_UNIT_PARAMS && u->params[n].name)
        n++;
    return n;
}

void estimate_list(const struct tech *t, struct text *out)
{
    for (size_t i = 0; i < N_UNITS; i++) {
        text_printf(out, "  %-16s", units[i].name);
        for (unsigned k = 0; k < n_params(&units[i]); k++) {
            const struct ref_param *p = &units[i].params[k];

            text_printf(out, " %s%s%s%s%s", p->name, p->alias ? "|" : "", p->alias ? p->alias : "",
                        p->def ? "=" : "", p->def ? p->def : "");
        }
        text_add(out, "\n");
    }
    text_add(out, "  sram             capacity_bytes width_bits cell node_nm\n");
    for (size_t i = 0; t && i < t->n_classes; i++) {
        text_printf(out, "  %-16s", t->classes[i].name);
        for (size_t k = 0; k < t->classes[i].n_params; k++)
            text_printf(out, " %s", t->classes[i].params[k]);
        text_add(out, "\n");
    }
}

static bool is_one_of(const char *key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

/* Every argument must be a known name, given once. */
static bool known_args(const char *unit, const struct estimate_arg *args, size_t n_args,
                       const char *const *names, size_t n, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; i < n_args; i++) {
        const char *near;

        for (size_t k = 0; k < i; k++)
            if (strcmp(args[k].key, args[i].key) == 0)
                ok = err_add(err, ERR_USAGE, NULL, "`%s` is given twice", args[i].key);
        if (is_one_of(args[i].key, names, n))
            continue;
        near = text_nearest(args[i].key, names, n);
        ok = err_add(err, ERR_USAGE, NULL, "%s has no parameter `%s`%s%s%s", unit, args[i].key,
                     near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    }
    return ok;
}

static const char *find(const struct estimate_arg *args, size_t n_args, const char *key)
{
    for (size_t i = 0; key && i < n_args; i++)
        if (strcmp(args[i].key, key) == 0)
            return args[i].value;
    return NULL;
}

static bool read_params(const struct ref_unit *u, const struct estimate_arg *args, size_t n_args,
                        unsigned v[MAX_UNIT_PARAMS], struct err *err)
{
    const char *names[2 * MAX_UNIT_PARAMS];
    size_t n = 0;
    bool ok;

    for (unsigned k = 0; k < n_params(u); k++) {
        names[n++] = u->params[k].name;
        if (u->params[k].alias)
            names[n++] = u->params[k].alias;
    }
    ok = known_args(u->name, args, n_args, names, n, err);
    for (unsigned k = 0; k < n_params(u); k++) {
        const struct ref_param *p = &u->params[k];
        const char *text = find(args, n_args, p->name), *why;
        uint64_t x;
        char buf[128];

        text = text ? text : find(args, n_args, p->alias);
        text = text ? text : p->def;
        if (!text)
            ok = err_add(err, ERR_USAGE, NULL, "%s needs the parameter `%s`", u->name, p->name);
        else if (!text_parse_u64(text, UNIT_NONE, &x, buf, sizeof(buf), &why) || x < p->min || x > p->max)
            ok = err_add(err, ERR_USAGE, NULL, "%s: `%s` must be an integer from %u to %u", u->name, p->name,
                         p->min, p->max);
        else
            v[k] = (unsigned)x;
    }
    return ok;
}

/* `pipeline=p` of any class; takes it out of the arguments. */
static bool take_pipeline(struct estimate_arg *args, size_t *n_args, unsigned *pipeline, struct err *err)
{
    size_t n = 0;
    bool ok = true;

    *pipeline = 1;
    for (size_t i = 0; i < *n_args; i++) {
        uint64_t v = 0;

        if (strcmp(args[i].key, "pipeline") != 0) {
            args[n++] = args[i];
            continue;
        }
        if (!text_parse_u64(args[i].value, UNIT_NONE, &v, NULL, 0, &(const char *){NULL}) || v < 1 || v > 64)
            ok = err_add(err, ERR_USAGE, NULL, "`pipeline` must be an integer from 1 to 64");
        *pipeline = (unsigned)v;
    }
    *n_args = n;
    return ok;
}

static struct gates count(const struct ref_unit *u, enum gate_style style, const unsigned *v)
{
    switch (u - units) {
    case U_MUL: return gates_mul(v[0], v[1], style);
    case U_DOT: return gates_dot(v[0], v[1], v[2], v[3], style);
    case U_REQUANT: return gates_requant(v[0], v[1], v[2]);
    case U_XBAR: return gates_crossbar(v[0], v[1], v[2]);
    case U_FIFO: return gates_fifo(v[0], v[1]);
    case U_REGFILE: return gates_regfile(v[0], v[1], v[2]);
    case U_BARREL: return gates_barrel(v[0]);
    case U_ADD: return gates_add(v[0]);
    case U_MAX: return gates_max(v[0]);
    case U_ISQRT: return gates_isqrt(v[0]);
    default: return gates_div(v[0]);
    }
}

/* One count of each action of the class, and its leakage. */
static bool price_class(const struct tech *t, struct cost_item *item, struct estimate *out,
                        struct cost_price *price, struct err *err)
{
    const struct tech_class *c = tech_find_class(t, item->cls);

    item->component = item->cls;
    item->instances = 1;
    item->path = "longest";
    item->clocked_cycles = 1;
    item->total_cycles = 1000000;
    for (size_t i = 0; i < c->n_actions; i++)
        item->actions[item->n_actions++] = (struct cost_action){c->actions[i].name, 1};
    /* A million cycles of 1 GHz: 1 ms, in which 1 nW is 1000 fJ. */
    if (!tech_price(t, item, 1000000000, price, err))
        return false;
    out->cls = c->name;
    out->n_lines = price->n_lines;
    memcpy(out->lines, price->lines, sizeof(out->lines));
    out->leak_nw = (double)price->lines[price->n_lines - 1].energy_fj / 1000;
    out->path_fo4 = price->path_fo4;
    out->path_rel_err = price->path_rel_err;
    out->n_stages = price->n_stages;
    memcpy(out->stages, price->stages, sizeof(out->stages));
    return true;
}

static void finish_area(const struct tech *t, struct estimate *out)
{
    double um2 = t->fixed[TECH_GE_UM2] / t->fixed[TECH_UTILISATION] * t->fixed[TECH_CAL_AREA];

    out->area_um2 = out->area_ge * um2;
    out->fmax_hz = tech_fmax_hz(t, out->path_fo4);
    out->fmax_rel_err = tech_fmax_rel_err(t, out->path_rel_err);
    out->level_err = tech_area_level_err(t);
}

/* Registers that more ranks add to a unit: what its class says. */
static bool add_ranks(const struct tech *t, struct cost_item *item, struct estimate *out, double with,
                      struct err *err)
{
    struct cost_item one = *item;
    struct cost_price price;

    one.pipeline = 1;
    if (!tech_price(t, &one, 1000000000, &price, err))
        return false;
    out->gates.seq_ge += with - price.area_ge;
    out->area_ge += with - price.area_ge;
    return true;
}

static bool reference_unit(const struct tech *t, const struct ref_unit *u, enum gate_style style,
                           const struct estimate_arg *args, size_t n_args, unsigned pipeline,
                           struct estimate *out, struct err *err)
{
    struct cost_item item = {.cls = u->cls, .pipeline = pipeline};
    struct cost_price price;
    unsigned v[MAX_UNIT_PARAMS] = {0};

    if (!read_params(u, args, n_args, v, err))
        return false;
    if (u == &units[U_DOT] && v[3] < v[0] + v[1])
        return err_add(err, ERR_USAGE, NULL, "dot: `acc_bits` must be at least w_bits + a_bits = %u",
                       v[0] + v[1]);
    if (u == &units[U_REQUANT] && v[0] + v[1] > 64)
        return err_add(err, ERR_USAGE, NULL, "requant: acc_bits + w_bits is at most 64");
    if (style == GATES_RTL && u == &units[U_REQUANT])
        return err_add(err, ERR_USAGE, NULL, "requant has no rtl style; csa is legal");
    out->gates = count(u, style, v);
    out->has_gates = true;
    out->area_ge = out->gates.comb_ge + out->gates.seq_ge;
    out->rel_err = style == GATES_RTL && (u == &units[U_MUL] || u == &units[U_DOT]) ? 0.15 : u->rel_err;
    for (unsigned k = 0; k < n_params(u); k++)
        if (u->params[k].param)
            item.params[item.n_params++] = (struct cost_param){u->params[k].param, v[k]};
    if (tech_find_class(t, u->cls) && (!price_class(t, &item, out, &price, err) ||
                                       !add_ranks(t, &item, out, price.area_ge, err)))
        return false;
    finish_area(t, out);
    return true;
}

static bool number(const char *unit, const char *key, const char *text, double *out, struct err *err)
{
    if (!text)
        return err_add(err, ERR_USAGE, NULL, "%s needs the parameter `%s`", unit, key);
    if (text_parse_real(text, out) && *out >= 0)
        return true;
    return err_add(err, ERR_USAGE, NULL, "%s: `%s` must be a number of at least 0", unit, key);
}

/* The macro as the technology's class prices it, when it is of that cell and
 * node; the path of any other is its access time. */
static bool price_macro(const struct tech *t, double bytes, double bits, struct estimate *out,
                        struct err *err)
{
    const struct tech_class *c = tech_find_class(t, "sram");
    struct cost_item item = {.cls = "sram", .n_params = 2,
                             .params = {{"capacity_bytes", bytes}, {"width_bits", bits}}};
    struct cost_price price;

    if (c && c->cell && strcmp(c->cell, out->cell) == 0 && c->node_nm == out->node_nm) {
        if (!price_class(t, &item, out, &price, err))
            return false;
        out->area_ge = price.area_ge;
        finish_area(t, out);
    }
    out->area_um2 = out->sram[SRAM_AREA_MM2] * 1e6;
    return true;
}

static bool no_such_memory(const struct tech *t, const char *cell, double nm, struct err *err)
{
    struct text legal = {0};

    sram_list(t->sram, &legal);
    err_add(err, ERR_USAGE, NULL, "sram: the table has no cell `%s` at %g nm; legal: %s", cell, nm, legal.s);
    text_finish(&legal);
    return false;
}

/* Cell and node are those of the technology's class unless they are given. */
static bool sram_unit(const struct tech *t, const struct estimate_arg *args, size_t n_args,
                      struct estimate *out, struct err *err)
{
    static const char *const names[] = {"capacity_bytes", "width_bits", "cell", "node_nm"};
    const char *cell = find(args, n_args, "cell"), *node = find(args, n_args, "node_nm");
    const struct tech_class *c = tech_find_class(t, "sram");
    double bytes = 0, bits = 0, nm = c && c->cell ? c->node_nm : 22;
    bool ok = known_args("sram", args, n_args, names, 4, err);

    out->is_sram = true;
    out->cell = cell ? cell : c && c->cell ? c->cell : "lstp";
    ok = number("sram", names[0], find(args, n_args, names[0]), &bytes, err) && ok;
    ok = number("sram", names[1], find(args, n_args, names[1]), &bits, err) && ok;
    ok = (!node || number("sram", names[3], node, &nm, err)) && ok;
    if (!ok)
        return false;
    if (!t->sram)
        return err_add(err, ERR_USAGE, NULL, "the technology `%s` has no SRAM table", t->name);
    out->node_nm = nm <= 1000 && nm == floor(nm) ? (unsigned)nm : 0;
    if (!sram_has(t->sram, out->cell, out->node_nm))
        return no_such_memory(t, out->cell, nm, err);
    if (bytes < 1 || bytes > 1e9 || bits < 1 || bits > 65536 || bits > 8 * bytes)
        return err_add(err, ERR_USAGE, NULL,
                       "sram: 1 to 1e9 bytes and 1 to 65536 bits, at least one word, are legal");
    sram_query(t->sram, out->cell, out->node_nm, bytes, bits, out->sram);
    out->extrapolated = !sram_inside(t->sram, bytes, bits);
    /* Mean leave-one-out error is 4 to 7 %; between CACTI and a real macro there is more. */
    out->rel_err = 0.10;
    return price_macro(t, bytes, bits, out, err);
}

static bool class_unit(const struct tech *t, const struct tech_class *c, const struct estimate_arg *args,
                       size_t n_args, unsigned pipeline, struct estimate *out, struct err *err)
{
    struct cost_item item = {.cls = c->name, .pipeline = pipeline};
    struct cost_price price;
    bool ok = known_args(c->name, args, n_args, c->params, c->n_params, err);

    for (size_t i = 0; i < c->n_params; i++) {
        item.params[i].name = c->params[i];
        ok = number(c->name, c->params[i], find(args, n_args, c->params[i]), &item.params[i].value,
                    err) && ok;
    }
    item.n_params = (unsigned)c->n_params;
    if (!ok || !price_class(t, &item, out, &price, err))
        return false;
    out->area_ge = price.area_ge;
    out->rel_err = price.area_rel_err;
    finish_area(t, out);
    return true;
}

static bool is_unit(const char *name)
{
    for (size_t i = 0; estimate_units[i]; i++)
        if (strcmp(estimate_units[i], name) == 0)
            return true;
    return false;
}

bool estimate_unit(const struct tech *t, const char *unit, enum gate_style style,
                   struct estimate_arg *args, size_t n_args, struct estimate *out, struct err *err)
{
    const struct tech_class *c = tech_find_class(t, unit);
    const char *names[N_UNITS + 129], *near;
    unsigned pipeline;
    size_t n = 0;

    memset(out, 0, sizeof(*out));
    if (!take_pipeline(args, &n_args, &pipeline, err))
        return false;
    if (strcmp(unit, "sram") == 0 && pipeline == 1)
        return sram_unit(t, args, n_args, out, err);
    for (size_t i = 0; i < N_UNITS; i++)
        if (strcmp(units[i].name, unit) == 0)
            return reference_unit(t, &units[i], style, args, n_args, pipeline, out, err);
    if (c)
        return class_unit(t, c, args, n_args, pipeline, out, err);
    for (; estimate_units[n]; n++)
        names[n] = estimate_units[n];
    for (size_t i = 0; i < t->n_classes && i < 100; i++)
        if (!is_unit(t->classes[i].name))
            names[n++] = t->classes[i].name;
    near = text_nearest(unit, names, n);
    struct text all = {0};
    for (size_t i = 0; i < n; i++)
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    err_add(err, ERR_USAGE, NULL, "no class `%s`; legal: %s%s%s%s", unit, all.s,
            near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    text_finish(&all);
    return false;
}
