#include "arch/tech_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;

static bool not_legal(double v)
{
    return !isfinite(v) || v < 0;
}

void tech_fill_locals(const struct tech *t, const struct tech_class *c, double *slots)
{
    for (size_t i = 0; i < c->n_locals; i++) {
        size_t l = c->local_order[i];

        slots[tech_slot_local(t, c) + l] = expr_eval(c->local_exprs[l], slots);
    }
}

bool tech_fill(const struct tech *t, const struct tech_class *c, double *slots, char *why, size_t size)
{
    double *macro = slots + tech_slot_macro(t, c), *area = slots + tech_slot_area(t, c);

    memset(macro, 0, SRAM_N * sizeof(*macro));
    if (c->cell) {
        double bytes = expr_eval(c->macro_bytes, slots), bits = expr_eval(c->macro_bits, slots);

        if (!sram_query(t->sram, c->cell, c->node_nm, bytes, bits, macro)) {
            char capacity[32], width[32];
            snprintf(why, size, "a memory of %s bytes and %s bits is not possible",
                     text_real(bytes, capacity, sizeof capacity), text_real(bits, width, sizeof width));
            return false;
        }
    }
    tech_fill_locals(t, c, slots);
    *area = expr_eval(c->area, slots);
    if (not_legal(*area)) {
        char value[32];
        snprintf(why, size, "the area is %s", text_real(*area, value, sizeof value));
        return false;
    }
    if (c->area_in_um2)
        *area *= t->fixed[TECH_UTILISATION] / t->fixed[TECH_GE_UM2];
    return true;
}

void tech_set_activity(const struct tech *t, const struct tech_class *c, const struct cost_activity *a,
                       double *slots)
{
    double *v = slots + tech_slot_zeros(t, c);
    bool known = t->measured && a->pairs && a->bits;

    v[0] = known ? (double)a->zeros / (double)a->pairs : t->fixed[TECH_DATA_ZEROS];
    v[1] = known ? (double)a->toggles / (double)a->bits : t->fixed[TECH_DATA_TOGGLES];
}

static bool set_params(const struct tech *t, const struct tech_class *c, const struct cost_item *item,
                       double *slots, struct err *err)
{
    slots[tech_slot_pipeline(t, c)] = item->pipeline > 1 ? item->pipeline : 1;
    tech_set_activity(t, c, &item->activity, slots);
    for (size_t i = 0; i < c->n_params; i++) {
        unsigned k = 0;

        while (k < item->n_params && strcmp(item->params[k].name, c->params[i]) != 0)
            k++;
        if (k == item->n_params)
            return err_add(err, ERR_CONFIG, &c->at, "%s: class `%s` needs the parameter `%s`",
                           item->component,
                           c->name, c->params[i]);
        slots[tech_slot_param(t) + i] = item->params[k].value;
    }
    return true;
}

/* The coefficient is rounded to attojoules once; the product, below 2^117, to
 * femtojoules. */
static bool book(struct cost_line *l, uint64_t count, double attojoules)
{
    u128 fj;

    if (not_legal(attojoules) || attojoules > 9e15)
        return false;
    fj = ((u128)count * (uint64_t)llround(attojoules) + 500) / 1000;
    l->count = count;
    l->each = (uint64_t)llround(attojoules);
    l->energy_fj = (uint64_t)fj;
    return fj >> 63 == 0;
}

static bool too_big(const struct cost_item *item, const char *action, struct err *err)
{
    return err_add(err, ERR_DATA, NULL,
                   "%s: the energy of `%s` (class `%s`) is not a number from 0 to 2^63 fJ",
                   item->component, action, item->cls);
}

static bool unknown_action(const struct tech_class *c, const struct cost_item *item, const char *name,
                           struct err *err)
{
    const char *names[COST_MAX_ACTIONS], *near;

    for (size_t i = 0; i < c->n_actions; i++)
        names[i] = c->actions[i].name;
    near = text_nearest(name, names, c->n_actions);
    return err_add(err, ERR_CONFIG, &c->at, "%s: class `%s` has no action `%s`%s%s%s", item->component,
                   c->name,
                   name, near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
}

static bool price_actions(const struct tech *t, const struct tech_class *c, const struct cost_item *item,
                          const double *slots, struct cost_price *out, struct err *err)
{
    double v = t->voltage / t->fixed[TECH_V_NOM];
    double onchip = v * v * t->fixed[TECH_CAL_ENERGY];
    const struct tech_table *table = tech_find_table(t, item);

    for (unsigned i = 0; i < item->n_actions; i++) {
        const struct tech_action *a = NULL;
        struct cost_line *l = &out->lines[out->n_lines++];

        for (size_t k = 0; k < c->n_actions && !a; k++)
            if (strcmp(c->actions[k].name, item->actions[i].name) == 0)
                a = &c->actions[k];
        if (!a)
            return unknown_action(c, item, item->actions[i].name, err);
        *l = (struct cost_line){.kind = a->kind, .action = a->name, .unit = a->unit,
                                .rel_err = a->energy.rel_err, .upper = a->energy.upper};
        /* Off-chip parts have their own supply. */
        double aj = expr_eval(a->energy.expr, slots) * a->energy.scale * 1000 *
                    (a->kind == COST_ONCHIP ? onchip : 1);
        if (!tech_table_energy(t, table, a->name, &aj, &l->rel_err, err))
            return false;
        if (!book(l, item->actions[i].count, aj))
            return too_big(item, a->name, err);
    }
    return true;
}

static double leak_factor(const struct tech *t)
{
    double v0 = t->fixed[TECH_V_NOM];

    return t->voltage / v0 * exp((t->voltage - v0) / t->fixed[TECH_V_DIBL]) *
           exp((t->temp_k - t->fixed[TECH_TEMP_REF]) / t->fixed[TECH_TEMP_SLOPE]);
}

/* Picowatts, rounded once, times seconds: 1 pW for 1 s is 1000 fJ. */
static bool book_leak(struct cost_line *l, const struct cost_item *item, double pw, uint64_t soc_hz)
{
    u128 x;

    if (soc_hz == 0 || not_legal(pw) || pw > 9e15)
        return false;
    x = (u128)item->instances * (uint64_t)llround(pw);
    if (x >> 63)
        return false;
    x *= item->total_cycles;
    l->count = item->total_cycles;
    l->each = (uint64_t)llround(pw);
    if (x / soc_hz >> 53)
        return false;
    l->energy_fj = (uint64_t)(x / soc_hz) * 1000 + (uint64_t)(x % soc_hz * 1000 / soc_hz);
    return true;
}

static bool price_background(const struct tech *t, const struct tech_class *c, const struct cost_item *item,
                             const double *slots, uint64_t soc_hz, struct cost_price *out, struct err *err)
{
    double v = t->voltage / t->fixed[TECH_V_NOM];
    struct cost_line *clock = &out->lines[out->n_lines++], *leak = &out->lines[out->n_lines++];

    *clock = (struct cost_line){.kind = COST_IDLE, .action = "clock", .unit = "cycle",
                                .rel_err = c->idle.rel_err, .upper = c->idle.upper};
    *leak = (struct cost_line){.kind = COST_IDLE, .action = "leak", .unit = "cycle",
                               .rel_err = c->leak.rel_err, .upper = c->leak.upper};
    const struct tech_table *table = tech_find_table(t, item);
    double aj = expr_eval(c->idle.expr, slots) * c->idle.scale * 1000 * v * v * t->fixed[TECH_CAL_ENERGY];
    double pw = expr_eval(c->leak.expr, slots) * leak_factor(t) * 1000;
    if (!tech_table_energy(t, table, "clock", &aj, &clock->rel_err, err) ||
        !tech_table_leak(t, table, &pw, &leak->rel_err, err))
        return false;
    if (!book(clock, item->clocked_cycles, aj))
        return too_big(item, "clock", err);
    if (!book_leak(leak, item, pw, soc_hz))
        return too_big(item, "leak", err);
    return true;
}

const struct tech_class *tech_find_class(const struct tech *t, const char *name)
{
    for (size_t i = 0; i < t->n_classes; i++)
        if (strcmp(t->classes[i].name, name) == 0)
            return &t->classes[i];
    return NULL;
}

static bool unknown_class(const struct tech *t, const struct cost_item *item, struct err *err)
{
    const char *names[128], *near;
    size_t n = 0;

    for (; n < t->n_classes && n < 128; n++)
        names[n] = t->classes[n].name;
    near = text_nearest(item->cls, names, n);
    return err_add(err, ERR_CONFIG, &t->root->at, "%s: the technology `%s` has no class `%s`%s%s%s",
                   item->component, t->name, item->cls, near ? " (did you mean `" : "", near ? near : "",
                   near ? "`?)" : "");
}

/* Balanced ranks: logic is divided, a loop stays whole, and each rank pays for
 * its register. */
static double slowest_rank(const struct cost_stage *stages, unsigned n, unsigned ranks)
{
    double sum[3] = {0};

    for (unsigned i = 0; i < n; i++)
        sum[stages[i].kind] += stages[i].fo4;
    return sum[COST_REGISTER] + fmax(sum[COST_LOOP], (sum[COST_LOGIC] + sum[COST_LOOP]) / ranks);
}

static double path_fo4(const struct tech_class *c, const double *slots, unsigned ranks,
                       struct cost_stage *stages)
{
    for (size_t i = 0; i < c->n_stages; i++)
        stages[i] = (struct cost_stage){c->stages[i].name, c->stages[i].kind,
                                        expr_eval(c->stages[i].expr, slots)};
    return slowest_rank(stages, (unsigned)c->n_stages, ranks);
}

/* First-order error of the path: each coefficient behind it moves alone by its
 * error, and what follows from it moves along. */
static double path_error(const struct tech *t, const struct tech_class *c, double *slots, unsigned ranks,
                         double nominal)
{
    struct cost_stage scratch[COST_MAX_STAGES];
    double variance = 0;

    for (size_t k = 0; k < c->n_path_coefs; k++) {
        double d;

        memcpy(slots, t->coefs_up + c->path_coefs[k] * t->n_coefs, t->n_coefs * sizeof(slots[0]));
        tech_fill_locals(t, c, slots);
        d = path_fo4(c, slots, ranks, scratch) / nominal - 1;
        variance += d * d;
    }
    memcpy(slots, t->coefs, t->n_coefs * sizeof(slots[0]));
    tech_fill_locals(t, c, slots);
    return sqrt(variance);
}

static bool price_path(const struct tech *t, const struct tech_class *c, const struct cost_item *item,
                       double *slots, struct cost_price *out, struct err *err)
{
    unsigned ranks = item->pipeline > 1 ? item->pipeline : 1;

    out->n_stages = (unsigned)c->n_stages;
    out->path_fo4 = path_fo4(c, slots, ranks, out->stages);
    for (unsigned i = 0; i < out->n_stages; i++)
        if (not_legal(out->stages[i].fo4))
            return err_add(err, ERR_CONFIG, &c->at, "%s: class `%s`: the stage `%s` of the path is %g FO4",
                           item->component, c->name, out->stages[i].name, out->stages[i].fo4);
    if (out->path_fo4 > 0)
        out->path_rel_err = path_error(t, c, slots, ranks, out->path_fo4);
    return true;
}

bool tech_price(const struct tech *t, const struct cost_item *item, uint64_t soc_hz,
                struct cost_price *out, struct err *err)
{
    const struct tech_class *c = tech_find_class(t, item->cls);
    double slots[TECH_MAX_NAMES];
    double ge_um2 = t->fixed[TECH_GE_UM2] / t->fixed[TECH_UTILISATION];
    char why[160];

    memset(out, 0, sizeof(*out));
    if (!c)
        return unknown_class(t, item, err);
    memcpy(slots, t->coefs, t->n_coefs * sizeof(slots[0]));
    if (!set_params(t, c, item, slots, err))
        return false;
    if (!tech_fill(t, c, slots, why, sizeof(why)))
        return err_add(err, ERR_CONFIG, &c->at, "%s: class `%s`: %s", item->component, c->name, why);
    out->area_ge = slots[tech_slot_area(t, c)] * (double)item->instances;
    out->area_um2 = out->area_ge * ge_um2 * t->fixed[TECH_CAL_AREA];
    out->area_rel_err = c->area_rel_err;
    tech_table_area(t, item, out);
    if (item->path && c->n_stages && !price_path(t, c, item, slots, out, err))
        return false;
    return price_actions(t, c, item, slots, out, err) &&
           price_background(t, c, item, slots, soc_hz, out, err);
}
