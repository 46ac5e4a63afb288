/* Prices of a finished machine: every cost item by the technology, summed by
 * component and action. */
#include "arch/result.h"
#include "workloads/api.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;

/* Sums on their way into a result. */
struct bill {
    struct rs_result *r;
    double variance; /* of the energy, in fJ^2 */
    double fmax_hz;
    const char *path, *path_component;
};

static size_t find_component(struct bill *b, const char *name, const char *cls)
{
    struct rs_result *r = b->r;
    for (size_t i = 0; i < r->n_components; i++)
        if (strcmp(r->components[i].name, name) == 0)
            return i;
    r->components[r->n_components] = (rs_component){.name = arena_strdup(&r->arena, name),
                                                    .class_name = arena_strdup(&r->arena, cls)};
    return r->n_components++;
}

/* The action's row, made when it is not there. */
static rs_action *find_action(struct bill *b, const char *component, const char *action, const char *unit,
                              rs_energy_kind kind)
{
    struct rs_result *r = b->r;
    for (size_t i = 0; i < r->n_actions; i++) {
        rs_action *a = &r->actions[i];
        if (a->kind == kind && strcmp(a->component, component) == 0 && strcmp(a->action, action) == 0)
            return a;
    }
    rs_action *a = &r->actions[r->n_actions++];
    *a = (rs_action){.component = arena_strdup(&r->arena, component),
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

static bool add_line(struct bill *b, const struct cost_item *it, const struct cost_line *line,
                     struct err *err)
{
    static const rs_energy_kind kinds[] = {RS_ONCHIP, RS_OFFCHIP, RS_IDLE};
    rs_summary *s = &b->r->summary;
    uint64_t *const totals[] = {&s->energy_onchip_fj, &s->energy_offchip_fj, &s->energy_idle_fj};
    rs_component *c = &b->r->components[find_component(b, it->component, it->cls)];
    rs_action *a = find_action(b, c->name, line->action, line->unit ? line->unit : "", kinds[line->kind]);
    double sigma = (double)line->energy_fj * line->rel_err;
    a->priced = true;
    b->variance += sigma * sigma;
    return add(&a->count, line->count, "a count", err) &&
        add(&a->energy_fj, line->energy_fj, "energy", err) &&
           add(&c->energy_fj, line->energy_fj, "energy", err) &&
           add(totals[line->kind], line->energy_fj, "energy", err) &&
           add(&s->energy_fj, line->energy_fj, "energy", err);
}

static bool add_item(struct bill *b, const struct tech *tech, const struct cost_item *it, struct err *err)
{
    struct cost_price price;
    memset(&price, 0, sizeof price);
    if (!tech_price(tech, it, b->r->summary.soc_hz, &price, err))
        return false;
    rs_component *c = &b->r->components[find_component(b, it->component, it->cls)];
    uint64_t um2 = (uint64_t)llround(price.area_um2);
    c->area_um2 += um2;
    b->r->summary.area_um2 += um2;
    bool ok = true;
    for (unsigned i = 0; i < price.n_lines && ok; i++)
        ok = add_line(b, it, &price.lines[i], err);
    double hz = it->path && price.path_fo4 > 0 ? tech_fmax_hz(tech, price.path_fo4) : 0;
    if (hz > 0 && (b->path == NULL || hz < b->fmax_hz)) {
        b->fmax_hz = hz;
        b->path = it->path;
        b->path_component = c->name;
    }
    return ok;
}

/* Counters that the technology has no price for, each beside its component. */
static void add_counters(struct bill *b, const struct account *acc)
{
    for (unsigned i = 0; i < acc->n_counters; i++) {
        const struct counter_info *info = &acc->info[i];
        size_t c = find_component(b, info->component, info->component), n = b->r->n_actions;
        const char *component = b->r->components[c].name;
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known |= strcmp(b->r->actions[k].component, component) == 0 &&
                     strcmp(b->r->actions[k].action, info->action) == 0;
        if (!known)
            find_action(b, component, info->action, info->unit, RS_ONCHIP)->count = acc->counter[i];
    }
}

/* Actions in the order of their components. */
static void group_actions(struct rs_result *r)
{
    rs_action *sorted = ARENA_NEW(&r->arena, rs_action, r->n_actions);
    size_t n = 0;
    for (size_t c = 0; c < r->n_components; c++)
        for (size_t i = 0; i < r->n_actions; i++)
            if (strcmp(r->actions[i].component, r->components[c].name) == 0)
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
    if (s->soc_hz > s->fmax_hz)
        result_note(b->r, "the clock of %sHz is above the estimated limit of %sHz (%s: %s)",
                    text_si((double)s->soc_hz, is, sizeof is),
                    text_si((double)s->fmax_hz, limit, sizeof limit),
                    b->path_component, b->path);
}

bool account_price(struct rs_result *r, const struct account *acc, const struct tech *tech, struct err *err)
{
    struct bill b = {.r = r};
    const struct cost_sink *sink = &acc->sink;
    bool ok = true;
    r->components = ARENA_NEW(&r->arena, rs_component, sink->n + acc->n_counters);
    r->actions = ARENA_NEW(&r->arena, rs_action, (size_t)sink->n * (COST_MAX_ACTIONS + 2) + acc->n_counters);
    for (unsigned i = 0; i < sink->n && ok; i++)
        ok = add_item(&b, tech, &sink->items[i], err);
    add_counters(&b, acc);
    group_actions(r);
    set_fmax(&b);
    r->summary.energy_rel_err = r->summary.energy_fj ? sqrt(b.variance) / (double)r->summary.energy_fj : 0;
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
