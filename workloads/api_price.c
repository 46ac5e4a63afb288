/* Prices of a finished machine: every cost item by the technology, summed by
 * component and action. */
#include "arch/result.h"
#include "workloads/api.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;

/* One formula of the technology, an action or the area of a class, is wrong by
 * the same part wherever it is used: its errors add up. Those of different
 * formulas are taken as independent. */
struct rule {
    const char *cls, *what; /* NULL: the area */
    double sigma;
};
struct share { /* of a rule in the error of a component, in fJ or um2 */
    size_t component, rule;
    double sigma;
};
/* Sums on their way into a result. */
struct bill {
    struct rs_result *r;
    const struct tech *tech;
    struct rule *rules;
    struct share *shares;
    size_t n_rules, n_shares;
    double fmax_hz, path_rel_err;
    const char *path, *path_component;
};

/* Items of a component come one after the other, mostly: the last one is looked at first. */
static size_t find_component(struct bill *b, const char *name, const char *cls)
{
    struct rs_result *r = b->r;
    for (size_t i = r->n_components; i-- > 0;)
        if (strcmp(r->components[i].name, name) == 0)
            return i;
    r->components[r->n_components] = (rs_component){.name = arena_strdup(&r->arena, name),
                                                    .class_name = arena_strdup(&r->arena, cls)};
    return r->n_components++;
}

/* The action's row, made when it is not there. Rows of a component have its name, not a copy. */
static rs_action *find_action(struct bill *b, const rs_component *component, const char *action,
                              const char *unit, rs_energy_kind kind)
{
    struct rs_result *r = b->r;
    for (size_t i = r->n_actions; i-- > 0;) {
        rs_action *a = &r->actions[i];
        if (a->component == component->name && a->kind == kind && strcmp(a->action, action) == 0)
            return a;
    }
    rs_action *a = &r->actions[r->n_actions++];
    *a = (rs_action){.component = component->name,
                     .action = arena_strdup(&r->arena, action),
                     .unit = arena_strdup(&r->arena, unit), .kind = kind};
    return a;
}

static bool add(uint64_t *sum, uint64_t more, const char *what, struct err *err)
{
    u128 total = (u128)*sum + more;
    if (total > INT64_MAX)
        return err_add(err, ERR_DATA, NULL, "%s exceeds 2^63 - 1 fJ; legal: a smaller seq, tokens or batch",
                       what);
    *sum = (uint64_t)total;
    return true;
}

static size_t find_rule(struct bill *b, const char *cls, const char *what)
{
    for (size_t i = b->n_rules; i-- > 0;)
        if (b->rules[i].what == what && strcmp(b->rules[i].cls, cls) == 0)
            return i;
    b->rules[b->n_rules] = (struct rule){cls, what, 0};
    return b->n_rules++;
}

static void add_share(struct bill *b, const rs_component *c, const char *cls, const char *what, double sigma)
{
    struct share s = {(size_t)(c - b->r->components), find_rule(b, cls, what), sigma};
    b->shares[b->n_shares++] = s;
}

/* Error of the energy or the area of one component; of all when it is SIZE_MAX. */
static double total_sigma(struct bill *b, size_t component, bool area)
{
    double variance = 0;
    for (size_t i = 0; i < b->n_rules; i++)
        b->rules[i].sigma = 0;
    for (size_t i = 0; i < b->n_shares; i++)
        if (component == SIZE_MAX || b->shares[i].component == component)
            b->rules[b->shares[i].rule].sigma += b->shares[i].sigma;
    for (size_t i = 0; i < b->n_rules; i++)
        if ((b->rules[i].what == NULL) == area)
            variance += b->rules[i].sigma * b->rules[i].sigma;
    return sqrt(variance);
}

static bool add_line(struct bill *b, const struct cost_item *it, const struct cost_line *line,
                     struct err *err)
{
    static const rs_energy_kind kinds[] = {RS_ONCHIP, RS_OFFCHIP, RS_IDLE};
    rs_summary *s = &b->r->summary;
    uint64_t *const totals[] = {&s->energy_onchip_fj, &s->energy_offchip_fj, &s->energy_idle_fj};
    rs_component *c = &b->r->components[find_component(b, it->component, it->cls)];
    rs_action *a = find_action(b, c, line->action, line->unit ? line->unit : "", kinds[line->kind]);
    double sigma = (double)line->energy_fj * line->rel_err, before = (double)a->energy_fj * a->rel_err;
    a->priced = true;
    a->upper_bound |= line->upper && line->energy_fj > 0;
    add_share(b, c, it->cls, line->action, sigma);
    if (line->energy_fj)
        a->rel_err = (before + sigma) / (double)(a->energy_fj + line->energy_fj);
    else if (!a->energy_fj)
        a->rel_err = line->rel_err;
    if (line->upper && !add(&s->energy_upper_fj, line->energy_fj, "energy", err))
        return false;
    return add(&a->count, line->count, "a count", err) &&
        add(&a->energy_fj, line->energy_fj, "energy", err) &&
           add(&c->energy_fj, line->energy_fj, "energy", err) &&
           add(totals[line->kind], line->energy_fj, "energy", err) &&
           add(&s->energy_fj, line->energy_fj, "energy", err);
}

/* The slowest path limits its component, and the slowest component the whole. */
static void add_path(struct bill *b, rs_component *c, const struct cost_item *it,
                     const struct cost_price *price)
{
    double hz = it->path && price->path_fo4 > 0 ? tech_fmax_hz(b->tech, price->path_fo4) : 0;
    if (hz <= 0)
        return;
    if (price->path_fo4 > c->path_fo4) {
        c->path_fo4 = price->path_fo4;
        c->path_rel_err = price->path_rel_err;
        c->fmax_hz = (uint64_t)hz;
        c->path = arena_strdup(&b->r->arena, it->path);
    }
    if (b->path == NULL || hz < b->fmax_hz) {
        b->fmax_hz = hz;
        b->path_rel_err = price->path_rel_err;
        b->path = it->path;
        b->path_component = c->name;
    }
}

static bool add_item(struct bill *b, const struct cost_item *it, struct err *err)
{
    struct cost_price price;
    if (!tech_price(b->tech, it, b->r->summary.soc_hz, &price, err))
        return false;
    rs_component *c = &b->r->components[find_component(b, it->component, it->cls)];
    uint64_t um2 = (uint64_t)llround(price.area_um2);
    c->area_um2 += um2;
    b->r->summary.area_um2 += um2;
    add_share(b, c, it->cls, NULL, price.area_um2 * price.area_rel_err);
    bool ok = true;
    for (unsigned i = 0; i < price.n_lines && ok; i++)
        ok = add_line(b, it, &price.lines[i], err);
    add_path(b, c, it, &price);
    return ok;
}

/* Counters that the technology has no price for, each beside its component. */
static void add_counters(struct bill *b, const struct account *acc)
{
    for (unsigned i = 0; i < acc->n_counters; i++) {
        const struct counter_info *info = &acc->info[i];
        const rs_component *c = &b->r->components[find_component(b, info->component, info->component)];
        bool known = false;
        for (size_t k = b->r->n_actions; k-- > 0 && !known;)
            known = b->r->actions[k].component == c->name &&
                    strcmp(b->r->actions[k].action, info->action) == 0;
        if (!known)
            find_action(b, c, info->action, info->unit, RS_ONCHIP)->count = acc->counter[i];
    }
}

/* What the operands were, where values were computed; a price follows from it if
 * the technology wants that. */
static void add_activity(struct bill *b, const struct cost_sink *sink)
{
    bool known = false;
    for (unsigned i = 0; i < sink->n; i++) {
        const struct cost_item *it = &sink->items[i];
        const struct cost_activity *a = &it->activity;
        if (!a->pairs)
            continue;
        const rs_component *c = &b->r->components[find_component(b, it->component, it->cls)];
        find_action(b, c, "operation", "operation", RS_ONCHIP)->count = a->pairs;
        find_action(b, c, "zero_operand", "operation", RS_ONCHIP)->count = a->zeros;
        find_action(b, c, "operand_bit", "bit", RS_ONCHIP)->count = a->bits;
        find_action(b, c, "toggle", "bit", RS_ONCHIP)->count = a->toggles;
        known = true;
    }
    if (tech_wants_activity(b->tech) && !known)
        result_note(b->r, "activity: measured, but no values were computed (run --values); prices are those "
                    "of default activity");
}

/* Actions in the order of their components. */
static void group_actions(struct rs_result *r)
{
    rs_action *sorted = ARENA_NEW(&r->arena, rs_action, r->n_actions);
    size_t n = 0;
    for (size_t c = 0; c < r->n_components; c++)
        for (size_t i = 0; i < r->n_actions; i++)
            if (r->actions[i].component == r->components[c].name)
                sorted[n++] = r->actions[i];
    r->actions = sorted;
}

static void set_fmax(struct bill *b)
{
    rs_summary *s = &b->r->summary;
    char is[32], limit[32];
    if (!b->path)
        return;
    s->fmax_hz = (uint64_t)b->fmax_hz;
    s->fmax_rel_err = tech_fmax_rel_err(b->tech, b->path_rel_err);
    if (s->soc_hz > s->fmax_hz)
        result_note(b->r, "the clock of %sHz is above the estimated limit of %sHz (%s: %s)",
                    text_si((double)s->soc_hz, is, sizeof is),
                    text_si((double)s->fmax_hz, limit, sizeof limit),
                    b->path_component, b->path);
}

static double relative(double sigma, uint64_t of)
{
    return of ? sigma / (double)of : 0;
}

static void set_errors(struct bill *b)
{
    rs_summary *s = &b->r->summary;
    s->energy_rel_err = relative(total_sigma(b, SIZE_MAX, false), s->energy_fj);
    s->area_rel_err = relative(total_sigma(b, SIZE_MAX, true), s->area_um2);
    s->voltage = tech_voltage(b->tech);
    s->energy_level_err = tech_energy_level_err(b->tech);
    s->area_level_err = tech_area_level_err(b->tech);
    for (size_t i = 0; i < b->r->n_components; i++) {
        rs_component *c = &b->r->components[i];
        c->energy_rel_err = relative(total_sigma(b, i, false), c->energy_fj);
        c->area_rel_err = relative(total_sigma(b, i, true), c->area_um2);
        c->fmax_rel_err = c->fmax_hz ? tech_fmax_rel_err(b->tech, c->path_rel_err) : 0;
    }
}

bool account_price(struct rs_result *r, const struct account *acc, const struct tech *tech, struct err *err)
{
    const struct cost_sink *sink = &acc->sink;
    size_t most = (size_t)sink->n * (COST_MAX_ACTIONS + 2);
    struct bill b = {.r = r, .tech = tech};
    bool ok = true;
    r->components = ARENA_NEW(&r->arena, rs_component, sink->n + acc->n_counters);
    r->actions = ARENA_NEW(&r->arena, rs_action, most + acc->n_counters + 4 * sink->n);
    b.rules = ARENA_NEW(&r->arena, struct rule, most + sink->n);
    b.shares = ARENA_NEW(&r->arena, struct share, most + sink->n);
    for (unsigned i = 0; i < sink->n && ok; i++)
        ok = add_item(&b, &sink->items[i], err);
    add_counters(&b, acc);
    add_activity(&b, sink);
    group_actions(r);
    set_fmax(&b);
    set_errors(&b);
    return ok;
}

bool result_price(struct rs_result *r, const struct machine *m, const struct tech *tech, struct err *err)
{
    struct account acc = {.sink.total_cycles = r->summary.cycles, .info = m->info, .counter = m->counter,
                          .n_counters = m->n_counters};
    machine_cost(m, &acc.sink);
    r->counts = account_text(&r->arena, &acc);
    bool ok = account_price(r, &acc, tech, err);
    cost_sink_finish(&acc.sink);
    return ok;
}
