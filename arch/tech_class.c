/* Decodes one component class of a technology file. */
#include "arch/tech_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const macro_names[SRAM_N] = {"sram_read_pj", "sram_write_pj", "sram_leak_mw",
                                                "sram_area_mm2", "sram_access_ns", "sram_cycle_ns"};
static const char *const units[] = {"MAC", "read", "write", "value", "transfer", "push", "op", "bit", "byte",
                                    "word", "cycle", "command", "packet", "update", "access", "shift",
                                    "element", NULL};

/* One class being decoded. */
struct ctx {
    struct arena *a;
    struct tech *t;
    struct tech_class *c;
    const struct place *at;
    const char *names[TECH_MAX_NAMES]; /* the scope; NULL where not yet legal */
    struct dim dims[TECH_MAX_NAMES];
    size_t n_names;
    struct err *err;
};

static bool name_taken(struct ctx *x, const struct place *at, const char *name)
{
    for (size_t i = 0; i < x->n_names; i++)
        if (x->names[i] && strcmp(x->names[i], name) == 0)
            return !err_add(x->err, ERR_CONFIG, at,
                            "the name `%s` is already a coefficient, parameter or local",
                            name);
    return false;
}

static bool push_name(struct ctx *x, const struct place *at, const char *name)
{
    if (name && name_taken(x, at, name))
        return false;
    if (x->n_names == TECH_MAX_NAMES)
        return err_add(x->err, ERR_CONFIG, at, "too many names in this class; %d are legal", TECH_MAX_NAMES);
    x->dims[x->n_names] = (struct dim){0, 0, 0};
    x->names[x->n_names++] = name;
    return true;
}

static bool load_params(struct ctx *x, const struct ynode *node)
{
    const struct ynode *p = yaml_get(node, "params");
    bool ok = true;

    if (!p || p->kind != YNODE_LIST)
        return err_add(x->err, ERR_CONFIG, p ? &p->at : x->at, "`params` must be a list of names");
    if (p->n > COST_MAX_PARAMS)
        return err_add(x->err, ERR_CONFIG, &p->at, "too many parameters; %d are legal", COST_MAX_PARAMS);
    x->c->params = ARENA_NEW(x->a, const char *, p->n + 1);
    x->c->n_params = p->n;
    for (size_t i = 0; i < p->n; i++) {
        if (p->items[i]->kind != YNODE_SCALAR)
            return err_add(x->err, ERR_CONFIG, &p->items[i]->at, "a parameter is a name");
        x->c->params[i] = p->items[i]->text;
        ok = push_name(x, &p->items[i]->at, p->items[i]->text) && ok;
    }
    return ok;
}

static const struct expr *checked(struct ctx *x, const struct ynode *n, const char *unit)
{
    const struct expr *e = expr_parse(x->a, n, x->names, x->n_names, x->err);
    struct dim dim;

    return e && tech_check_dim(e, n, x->dims, unit, &dim, x->err) ? e : NULL;
}

/* Numbers without a unit are expected where the key does not say one. */
static const char *unit_of_key(const char *key)
{
    return strcmp(key, "energy_fj") == 0   ? "fJ"
           : strcmp(key, "energy_pj") == 0 ? "pJ"
           : strcmp(key, "power_nw") == 0  ? "nW"
           : strcmp(key, "area_um2") == 0  ? "um2"
           : strcmp(key, "fo4") == 0       ? "FO4"
                                           : "1";
}

static const struct expr *formula(struct ctx *x, const struct ynode *map, const char *key)
{
    const struct ynode *n = yaml_get(map, key);

    if (n)
        return checked(x, n, unit_of_key(key));
    err_add(x->err, ERR_CONFIG, &map->at, "the key `%s` is missing", key);
    return NULL;
}

static bool no_such_memory(struct ctx *x, const struct ynode *m, const char *nm)
{
    struct text legal = {0};

    sram_list(x->t->sram, &legal);
    err_add(x->err, ERR_CONFIG, &m->at, "the SRAM table has no rows for cell `%s` at %s nm; legal: %s",
            x->c->cell, nm, legal.s);
    text_finish(&legal);
    return false;
}

/* The macro's results take six slots in every class; they have names only in
 * a class that has a macro. */
static bool load_macro(struct ctx *x, const struct ynode *node)
{
    static const char *const keys[] = {"cell", "node_nm", "capacity_bytes", "width_bits", NULL};
    const struct ynode *m = yaml_get(node, "memory");
    const char *nm;
    uint64_t v = 0;

    if (m) {
        if (m->kind != YNODE_MAP || !tech_known_keys(m, "memory", keys, x->err))
            return m->kind == YNODE_MAP ? false
                                        : err_add(x->err, ERR_CONFIG, &m->at, "`memory` must be a map");
        if (!x->t->sram)
            return err_add(x->err, ERR_CONFIG, &m->at, "`memory` needs the key `sram_table` at top level");
        x->c->cell = tech_text(m, "cell", &m->at, x->err);
        nm = tech_text(m, "node_nm", &m->at, x->err);
        x->c->macro_bytes = formula(x, m, "capacity_bytes");
        x->c->macro_bits = formula(x, m, "width_bits");
        if (!x->c->cell || !nm || !x->c->macro_bytes || !x->c->macro_bits)
            return false;
        if (!text_parse_u64(nm, UNIT_NONE, &v, NULL, 0, &(const char *){NULL}) || v > 1000 ||
            !sram_has(x->t->sram, x->c->cell, (unsigned)v))
            return no_such_memory(x, m, nm);
        x->c->node_nm = (unsigned)v;
    }
    for (unsigned q = 0; q < SRAM_N; q++)
        if (!push_name(x, &node->at, m ? macro_names[q] : NULL))
            return false;
        else
            x->dims[x->n_names - 1] = tech_dim_of_name(macro_names[q]);
    return true;
}

static bool load_locals(struct ctx *x, const struct ynode *node)
{
    const struct ynode *m = yaml_get(node, "locals");
    size_t first = x->n_names;
    bool ok = true;

    if (!m)
        return true;
    if (m->kind != YNODE_MAP)
        return err_add(x->err, ERR_CONFIG, &m->at, "`locals` must be a map of formulas");
    x->c->n_locals = m->n;
    x->c->locals = m->keys;
    x->c->local_exprs = ARENA_NEW(x->a, const struct expr *, m->n + 1);
    x->c->local_order = ARENA_NEW(x->a, size_t, m->n + 1);
    for (size_t i = 0; i < m->n; i++)
        ok = push_name(x, &m->key_at[i], m->keys[i]) && ok;
    for (size_t i = 0; ok && i < m->n; i++) {
        x->c->local_exprs[i] = expr_parse(x->a, m->items[i], x->names, x->n_names, x->err);
        ok = x->c->local_exprs[i] != NULL;
    }
    ok = ok && tech_order(x->c->local_exprs, m->keys, (const struct ynode *const *)m->items, m->n, first,
                          x->c->local_order, x->err);
    for (size_t i = 0; ok && i < m->n; i++) {
        size_t l = x->c->local_order[i];

        ok = tech_check_dim(x->c->local_exprs[l], m->items[l], x->dims, NULL, &x->dims[first + l], x->err);
    }
    return ok;
}

static bool load_area(struct ctx *x, const struct ynode *node)
{
    const struct ynode *um2 = yaml_get(node, "area_um2"), *ge = yaml_get(node, "area_ge");

    if (!um2 == !ge)
        return err_add(x->err, ERR_CONFIG, um2 ? &um2->at : x->at,
                       "exactly one of `area_ge` and `area_um2` is required");
    x->c->area_in_um2 = um2 != NULL;
    x->c->area = formula(x, node, um2 ? "area_um2" : "area_ge");
    return x->c->area && push_name(x, &node->at, "area_ge");
}

/* `bound: upper` marks a number that is no estimate. */
static bool load_bound(struct ctx *x, const struct ynode *m, struct tech_price_rule *r)
{
    const struct ynode *b = yaml_get(m, "bound");

    r->upper = b != NULL;
    return !b || (b->kind == YNODE_SCALAR && strcmp(b->text, "upper") == 0) ||
           err_add(x->err, ERR_CONFIG, &b->at, "`bound` must be upper");
}

/* An energy is `energy_fj` or `energy_pj`. */
static bool load_energy(struct ctx *x, const struct ynode *m, const struct place *at,
                        struct tech_price_rule *r)
{
    const struct ynode *fj = yaml_get(m, "energy_fj"), *pj = yaml_get(m, "energy_pj");

    if (!fj == !pj)
        return err_add(x->err, ERR_CONFIG, pj ? &pj->at : at,
                       "exactly one of `energy_fj` and `energy_pj` is required");
    r->scale = pj ? 1000 : 1;
    if (!load_bound(x, m, r))
        return false;
    r->expr = formula(x, m, pj ? "energy_pj" : "energy_fj");
    return tech_backing(m, at, &r->rel_err, x->err) && r->expr;
}

static bool load_action(struct ctx *x, const struct ynode *m, const char *name, const struct place *at,
                        struct tech_action *out)
{
    static const char *const keys[] = {"energy_fj", "energy_pj", "unit", "kind", "bound", "rel_err", "source",
                                       "doc", NULL};
    const struct ynode *kind = yaml_get(m, "kind");
    const char *near;
    size_t u = 0;
    bool ok;

    if (m->kind != YNODE_MAP)
        return err_add(x->err, ERR_CONFIG, &m->at, "an action is a map: {energy_fj, unit, rel_err, source}");
    out->name = name;
    ok = tech_known_keys(m, "an action", keys, x->err);
    ok = load_energy(x, m, at, &out->energy) && ok;
    if (kind && (kind->kind != YNODE_SCALAR ||
                 (strcmp(kind->text, "onchip") != 0 && strcmp(kind->text, "offchip") != 0)))
        ok = err_add(x->err, ERR_CONFIG, &kind->at, "`kind` must be onchip or offchip");
    else
        out->kind = kind && strcmp(kind->text, "offchip") == 0 ? COST_OFFCHIP : COST_ONCHIP;
    out->unit = tech_text(m, "unit", at, x->err);
    if (!out->unit)
        return false;
    while (units[u] && strcmp(units[u], out->unit) != 0)
        u++;
    if (units[u])
        return ok;
    near = text_nearest(out->unit, units, u);
    return err_add(x->err, ERR_CONFIG, &yaml_get(m, "unit")->at, "unknown unit `%s`%s%s%s", out->unit,
                   near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
}

static bool load_actions(struct ctx *x, const struct ynode *node)
{
    const struct ynode *m = yaml_get(node, "actions");
    bool ok = true;

    if (!m || m->kind != YNODE_MAP)
        return err_add(x->err, ERR_CONFIG, m ? &m->at : x->at, "`actions` must be a map of actions");
    if (m->n > COST_MAX_ACTIONS)
        return err_add(x->err, ERR_CONFIG, &m->at, "too many actions; %d are legal", COST_MAX_ACTIONS);
    x->c->n_actions = m->n;
    x->c->actions = ARENA_NEW(x->a, struct tech_action, m->n + 1);
    for (size_t i = 0; i < m->n; i++)
        ok = load_action(x, m->items[i], m->keys[i], &m->key_at[i], &x->c->actions[i]) && ok;
    return ok;
}

/* `idle` and `leak`: the class's own, else the file's default. */
static bool load_background(struct ctx *x, const struct ynode *node, const struct ynode *root)
{
    static const char *const idle_keys[] = {"energy_fj", "energy_pj", "bound", "rel_err", "source", "doc",
                                            NULL};
    static const char *const leak_keys[] = {"power_nw", "bound", "rel_err", "source", "doc", NULL};
    const struct ynode *idle = yaml_get(node, "idle") ? yaml_get(node, "idle") : yaml_get(root, "idle");
    const struct ynode *leak = yaml_get(node, "leak") ? yaml_get(node, "leak") : yaml_get(root, "leak");
    bool ok;

    if (!idle || idle->kind != YNODE_MAP || !leak || leak->kind != YNODE_MAP)
        return err_add(x->err, ERR_CONFIG, x->at,
                       "`idle` and `leak` must be maps, here or as the file's default");
    ok = tech_known_keys(idle, "idle", idle_keys, x->err) && tech_known_keys(leak, "leak", leak_keys, x->err);
    ok = load_energy(x, idle, &idle->at, &x->c->idle) && ok;
    x->c->leak.scale = 1;
    ok = load_bound(x, leak, &x->c->leak) && ok;
    x->c->leak.expr = formula(x, leak, "power_nw");
    return tech_backing(leak, &leak->at, &x->c->leak.rel_err, x->err) && x->c->leak.expr && ok;
}

static bool load_stage(struct ctx *x, const char *name, const struct ynode *n, const struct place *at,
                       struct tech_stage *out)
{
    static const char *const keys[] = {"fo4", "kind", "doc", NULL};
    static const char *const kinds[] = {"logic", "loop", "register"};
    const struct ynode *kind = yaml_get(n, "kind");
    unsigned k = 0;

    out->name = name;
    if (n->kind == YNODE_SCALAR) {
        out->expr = checked(x, n, "FO4");
        return out->expr != NULL;
    }
    if (n->kind != YNODE_MAP)
        return err_add(x->err, ERR_CONFIG, at, "a stage is a formula or a map: {fo4, kind}");
    while (kind && k < 3 && (kind->kind != YNODE_SCALAR || strcmp(kinds[k], kind->text) != 0))
        k++;
    if (k == 3)
        return err_add(x->err, ERR_CONFIG, &kind->at, "`kind` must be logic, loop or register");
    out->kind = (enum cost_stage_kind)k;
    out->expr = formula(x, n, "fo4");
    return tech_known_keys(n, "a stage", keys, x->err) && out->expr;
}

/* `path` is a map of stages, `path_fo4` one formula for all. */
static bool load_path(struct ctx *x, const struct ynode *node)
{
    const struct ynode *one = yaml_get(node, "path_fo4"), *map = yaml_get(node, "path");
    bool ok = true;

    if (one && map)
        return err_add(x->err, ERR_CONFIG, &one->at, "only one of `path` and `path_fo4` is legal");
    if (map && (map->kind != YNODE_MAP || map->n > COST_MAX_STAGES))
        return err_add(x->err, ERR_CONFIG, &map->at, "`path` must be a map of at most %d stages",
                       COST_MAX_STAGES);
    x->c->n_stages = one ? 1 : map ? map->n : 0;
    x->c->stages = ARENA_NEW(x->a, struct tech_stage, x->c->n_stages + 1);
    if (one)
        return load_stage(x, "path", one, &one->at, &x->c->stages[0]);
    for (size_t i = 0; i < x->c->n_stages; i++)
        ok = load_stage(x, map->keys[i], map->items[i], &map->key_at[i], &x->c->stages[i]) && ok;
    return ok;
}

/* The error of the area: the class's own, else the file's default. */
static bool load_area_err(struct ctx *x, const struct ynode *node, const struct ynode *root)
{
    static const char *const keys[] = {"rel_err", "source", "doc", NULL};
    const struct ynode *e = yaml_get(node, "area_err") ? yaml_get(node, "area_err") :
                                                         yaml_get(root, "area_err");

    if (!e)
        return true;
    if (e->kind != YNODE_MAP)
        return err_add(x->err, ERR_CONFIG, &e->at, "`area_err` must be a map: {rel_err, source}");
    return tech_known_keys(e, "area_err", keys, x->err) &&
           tech_backing(e, &e->at, &x->c->area_rel_err, x->err);
}

/* A formula with a mistake in it is missing. */
static bool in_path(const struct tech_class *c, unsigned slot)
{
    for (size_t i = 0; i < c->n_stages; i++)
        if (c->stages[i].expr && expr_uses(c->stages[i].expr, slot))
            return true;
    for (size_t i = 0; i < c->n_locals; i++)
        if (c->local_exprs[i] && expr_uses(c->local_exprs[i], slot))
            return true;
    return false;
}

/* Coefficients with an error that the path names, itself or through others. */
static void find_path_coefs(struct ctx *x)
{
    const struct tech *t = x->t;
    struct tech_class *c = x->c;

    c->path_coefs = ARENA_NEW(x->a, size_t, t->n_coefs + 1);
    for (size_t j = 0; j < t->n_coefs && c->n_stages; j++) {
        const double *up = t->coefs_up + j * t->n_coefs;
        bool moves = false;

        for (size_t i = 0; i < t->n_coefs && !moves; i++)
            moves = up[i] != t->coefs[i] && in_path(c, (unsigned)i);
        if (moves && j != t->fixed_at[TECH_FO4_PS])
            c->path_coefs[c->n_path_coefs++] = j;
    }
}

static const struct ynode *area_node(const struct ynode *node)
{
    return yaml_get(node, yaml_get(node, "area_ge") ? "area_ge" : "area_um2");
}

/* Formulas are tried once with every parameter at 64, so that a sign error is
 * found when the file is read and not in the middle of a sweep. */
static bool probe(struct ctx *x, const struct ynode *node)
{
    double slots[TECH_MAX_NAMES];
    char why[160];

    memcpy(slots, x->t->coefs, x->t->n_coefs * sizeof(slots[0]));
    for (size_t i = 0; i < x->c->n_params; i++)
        slots[tech_slot_param(x->t) + i] = 64;
    slots[tech_slot_pipeline(x->t, x->c)] = 1;
    tech_set_activity(x->t, x->c, &(struct cost_activity){0}, slots);
    if (!tech_fill(x->t, x->c, slots, why, sizeof(why)))
        return err_add(x->err, ERR_CONFIG, &area_node(node)->at,
                       "class `%s` with every parameter at 64: %s", x->c->name, why);
    for (size_t i = 0; i < x->c->n_actions; i++) {
        double e = expr_eval(x->c->actions[i].energy.expr, slots);

        if (!isfinite(e) || e < 0)
            return err_add(x->err, ERR_CONFIG, &yaml_get(node, "actions")->items[i]->at,
                           "class `%s` with every parameter at 64: the energy of `%s` is %g", x->c->name,
                           x->c->actions[i].name, e);
    }
    return true;
}

bool tech_load_class(struct arena *a, struct tech *t, const char *name, const struct ynode *node,
                     const struct place *key_at, const struct ynode *root, struct err *err)
{
    static const char *const keys[] = {"params", "memory", "locals", "area_ge", "area_um2", "area_err",
                                       "path_fo4", "path", "idle", "leak", "actions", "doc", NULL};
    struct tech_class *c = &t->classes[t->n_classes];
    struct ctx x = {.a = a, .t = t, .c = c, .at = key_at, .n_names = t->n_coefs, .err = err};
    bool ok;

    if (node->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, &node->at, "a class is a map");
    *c = (struct tech_class){.name = name, .at = *key_at}; /* a class with a mistake may have been here */
    memcpy(x.names, t->coef_names, t->n_coefs * sizeof(x.names[0]));
    memcpy(x.dims, t->coef_dims, t->n_coefs * sizeof(x.dims[0]));
    ok = tech_known_keys(node, "a class", keys, err);
    if (!load_params(&x, node) || !push_name(&x, key_at, "pipeline") ||
        !push_name(&x, key_at, "zeros") || !push_name(&x, key_at, "toggles") || !load_macro(&x, node) ||
        !load_locals(&x, node) || !load_area(&x, node))
        return false;
    ok = load_actions(&x, node) && ok;
    ok = load_background(&x, node, root) && ok;
    ok = load_path(&x, node) && ok;
    ok = load_area_err(&x, node, root) && ok;
    ok = ok && tech_check_needs(c, yaml_get(node, "params"), err);
    if (!ok || !probe(&x, node))
        return false;
    find_path_coefs(&x);
    t->n_classes++;
    return true;
}
