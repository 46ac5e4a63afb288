/* Accelergy's tables (ERT and ART, version 0.4) in the place of formulas. Energies
 * are in pJ per action of one instance, leakage an action `leak` in pJ per
 * cycle, areas in um2 of one instance. The last two parts of a table's name,
 * brackets removed, are component and class; other tables are of no use here. */
#include "arch/tech_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "a.b.engine.dot_product[0..7]" -> "engine.dot_product"; NULL when there are
 * not two parts. */
static const char *short_name(struct arena *a, const char *name)
{
    char *plain = arena_strdup(a, name), *out = plain, *last = NULL, *before = NULL;

    for (const char *p = name; *p; p++) {
        size_t skip = *p == '[' ? strcspn(p, "]") : 0;

        p += skip;
        if (!skip)
            *out++ = *p;
        if (!*p)
            break;
    }
    *out = '\0';
    for (char *p = plain; *p; p++)
        if (*p == '.') {
            before = last;
            last = p;
        }
    return last ? before ? before + 1 : plain : NULL;
}

static struct tech_table *add_table(struct arena *a, struct tech *t, const struct ynode *entry,
                                    struct err *err)
{
    const char *full = tech_text(entry, "name", &entry->at, err);
    const char *name = full ? short_name(a, full) : NULL;

    if (!full)
        return NULL;
    if (!name) {
        err_add(err, ERR_CONFIG, &entry->at, "the name `%s` has no component and class, such as "
                "chip.engine.dot_product[0..7]", full);
        return NULL;
    }
    for (size_t i = 0; i < t->n_tables; i++)
        if (strcmp(t->tables[i].name, name) == 0)
            return &t->tables[i];
    t->tables[t->n_tables] = (struct tech_table){.name = name, .at = entry->at, .area_um2 = -1};
    return &t->tables[t->n_tables++];
}

static bool figure(const struct ynode *map, const char *key, double *out, struct err *err)
{
    const struct ynode *n = yaml_get(map, key);

    if (!n)
        return err_add(err, ERR_CONFIG, &map->at, "the key `%s` is missing", key);
    if (n->kind == YNODE_SCALAR && text_parse_real(n->text, out) && *out >= 0 && *out <= 1e15)
        return true;
    return err_add(err, ERR_CONFIG, &n->at, "`%s` must be a number of at least 0", key);
}

/* An action may come once for each combination of arguments: their mean counts,
 * as in Accelergy's own summary. */
static bool add_action(struct tech_table *table, const struct ynode *node, struct err *err)
{
    const char *name = tech_text(node, "name", &node->at, err);
    struct tech_table_action *a = table->actions;
    double pj;

    if (!name || !figure(node, "energy", &pj, err))
        return false;
    while (a < table->actions + table->n_actions && strcmp(a->name, name) != 0)
        a++;
    if (a == table->actions + table->n_actions) {
        if (table->n_actions == COST_MAX_ACTIONS + 2)
            return err_add(err, ERR_CONFIG, &node->at, "too many actions; %d are legal",
                           COST_MAX_ACTIONS + 2);
        table->n_actions++;
        *a = (struct tech_table_action){.name = name};
    }
    a->pj = (a->pj * a->n + pj) / (a->n + 1);
    a->n++;
    return true;
}

static bool load_entry(struct arena *a, struct tech *t, const struct ynode *entry, bool is_area,
                       struct err *err)
{
    struct tech_table *table = add_table(a, t, entry, err);
    const struct ynode *actions = yaml_get(entry, "actions");
    bool ok = true;

    if (!table)
        return false;
    if (is_area)
        return figure(entry, "area", &table->area_um2, err);
    if (!actions || actions->kind != YNODE_LIST)
        return err_add(err, ERR_CONFIG, &entry->at, "`actions` must be a list of {name, arguments, energy}");
    for (size_t i = 0; i < actions->n; i++)
        ok = add_action(table, actions->items[i], err) && ok;
    return ok;
}

/* The list of tables of a file, or NULL. */
static const struct ynode *load_file(struct arena *a, const struct ynode *map, const char *key,
                                     const char *top, struct err *err)
{
    const struct ynode *file = yaml_get(map, key), *root, *list;

    if (file->kind != YNODE_SCALAR) {
        err_add(err, ERR_CONFIG, &file->at, "`%s` must be the name of a file", key);
        return NULL;
    }
    root = yaml_load_from(a, tech_sibling(a, &file->at, file->text), &file->at, err);
    list = root ? yaml_get(yaml_get(root, top), "tables") : NULL;
    if (root && (!list || list->kind != YNODE_LIST)) {
        err_add(err, ERR_CONFIG, &root->at, "not a table of Accelergy: `%s: {version, tables: [..]}` is "
                "legal", top);
        return NULL;
    }
    return list;
}

static bool load_settings(struct tech *t, const struct ynode *map, struct err *err)
{
    static const char *const keys[] = {"ert", "art", "voltage", "cycle_ns", "rel_err", "source", "doc", NULL};
    double volts = 0;
    bool ok = tech_known_keys(map, "accelergy", keys, err);

    ok = figure(map, "voltage", &volts, err) && ok;
    ok = figure(map, "cycle_ns", &t->table_cycle_ns, err) && ok;
    ok = tech_backing(map, &map->at, &t->table_rel_err, err) && ok;
    if (!ok)
        return false;
    if (fabs(volts - t->voltage) > 1e-9)
        return err_add(err, ERR_CONFIG, &yaml_get(map, "voltage")->at,
                       "the tables hold at %g V, the technology runs at %g V; constants cannot be scaled",
                       volts, t->voltage);
    return t->table_cycle_ns > 0 ||
           err_add(err, ERR_CONFIG, &yaml_get(map, "cycle_ns")->at, "`cycle_ns` must be above 0");
}

bool tech_load_tables(struct arena *a, struct tech *t, const struct ynode *root, struct err *err)
{
    static const char *const files[2] = {"ert", "art"}, *const tops[2] = {"ERT", "ART"};
    const struct ynode *map = yaml_get(root, "accelergy"), *lists[2] = {NULL, NULL};
    size_t n = 0;
    bool ok = true;

    if (!map)
        return true;
    if (map->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, &map->at, "`accelergy` is a map: {ert, art, voltage, cycle_ns, "
                       "rel_err, source}");
    if (!load_settings(t, map, err))
        return false;
    for (int i = 0; i < 2; i++)
        if (yaml_get(map, files[i])) {
            lists[i] = load_file(a, map, files[i], tops[i], err);
            ok = lists[i] && ok;
            n += lists[i] ? lists[i]->n : 0;
        }
    t->tables = ARENA_NEW(a, struct tech_table, n + 1);
    for (int i = 0; i < 2 && ok; i++)
        for (size_t k = 0; lists[i] && k < lists[i]->n; k++)
            ok = load_entry(a, t, lists[i]->items[k], i == 1, err) && ok;
    return ok;
}

void cost_table_name(const struct cost_item *item, char *out, size_t size)
{
    if (item->ordinal)
        snprintf(out, size, "%s.%s_%u", item->component, item->cls, item->ordinal + 1);
    else
        snprintf(out, size, "%s.%s", item->component, item->cls);
}

const struct tech_table *tech_find_table(const struct tech *t, const struct cost_item *item)
{
    char name[128];

    if (t->n_tables == 0)
        return NULL;
    cost_table_name(item, name, sizeof(name));
    for (size_t i = 0; i < t->n_tables; i++)
        if (strcmp(t->tables[i].name, name) == 0)
            return &t->tables[i];
    return NULL;
}

/* False with an error when the table has energies, but not this one. */
static bool find_pj(const struct tech_table *table, const char *action, const double **pj, struct err *err)
{
    *pj = NULL;
    if (!table || table->n_actions == 0)
        return true;
    for (unsigned i = 0; i < table->n_actions; i++)
        if (strcmp(table->actions[i].name, action) == 0) {
            *pj = &table->actions[i].pj;
            return true;
        }
    return err_add(err, ERR_CONFIG, &table->at, "the table of `%s` has no action `%s`", table->name, action);
}

bool tech_table_energy(const struct tech *t, const struct tech_table *table, const char *action,
                       double *attojoules, double *rel_err, struct err *err)
{
    const double *pj;

    if (!find_pj(table, action, &pj, err))
        return false;
    if (pj) {
        *attojoules = *pj * 1e6;
        *rel_err = t->table_rel_err;
    }
    return true;
}

bool tech_table_leak(const struct tech *t, const struct tech_table *table, double *picowatts,
                     double *rel_err, struct err *err)
{
    const double *pj;

    if (!find_pj(table, "leak", &pj, err))
        return false;
    if (pj) {
        *picowatts = *pj / t->table_cycle_ns * 1e9; /* 1 pJ in 1 ns is 1 mW */
        *rel_err = t->table_rel_err;
    }
    return true;
}

void tech_table_area(const struct tech *t, const struct cost_item *item, struct cost_price *out)
{
    const struct tech_table *table = tech_find_table(t, item);

    if (!table || table->area_um2 < 0)
        return;
    out->area_um2 = table->area_um2 * (double)item->instances;
    out->area_ge = out->area_um2 * t->fixed[TECH_UTILISATION] / (t->fixed[TECH_GE_UM2] *
                                                                  t->fixed[TECH_CAL_AREA]);
    out->area_rel_err = t->table_rel_err;
}

void tech_emit_tables(const struct tech *t, struct text *out)
{
    for (size_t i = 0; i < t->n_tables; i++) {
        const struct tech_table *table = &t->tables[i];

        if (table->area_um2 >= 0)
            text_printf(out, "tech.accelergy.area_um2.%s: %.17g\n", table->name, table->area_um2);
        for (unsigned k = 0; k < table->n_actions; k++)
            text_printf(out, "tech.accelergy.energy_pj.%s.%s: %.17g\n", table->name, table->actions[k].name,
                        table->actions[k].pj);
    }
}
