#include "arch/tech_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const tech_fixed_names[TECH_N_FIXED] = {
    "v_nom",      "v_min",         "v_max",  "v_t",    "alpha",       "v_dibl",     "temp_ref_k",
    "temp_slope_k", "fo4_ps", "ge_um2", "utilisation", "cal_energy", "cal_area",
    "data_zeros",  "data_toggles",
};

bool tech_known_keys(const struct ynode *map, const char *what, const char *const *keys, struct err *err)
{
    bool ok = true;
    size_t n_keys = 0;

    while (keys[n_keys])
        n_keys++;
    for (size_t i = 0; i < map->n; i++) {
        const char *near;
        size_t k = 0;

        while (k < n_keys && strcmp(keys[k], map->keys[i]) != 0)
            k++;
        if (k < n_keys)
            continue;
        near = text_nearest(map->keys[i], keys, n_keys);
        ok = err_add(err, ERR_CONFIG, &map->key_at[i], "unknown key `%s` in %s%s%s%s", map->keys[i], what,
                     near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    }
    return ok;
}

const char *tech_text(const struct ynode *map, const char *key, const struct place *at, struct err *err)
{
    const struct ynode *n = yaml_get(map, key);

    if (!n) {
        err_add(err, ERR_CONFIG, at, "the key `%s` is missing", key);
        return NULL;
    }
    if (n->kind == YNODE_SCALAR && n->text[0])
        return n->text;
    err_add(err, ERR_CONFIG, &n->at, "`%s` must be a text that is not empty", key);
    return NULL;
}

static bool real_in(const struct ynode *n, const char *key, double min, double max, double *out,
                    struct err *err)
{
    if (n->kind == YNODE_SCALAR && text_parse_real(n->text, out) && *out >= min && *out <= max)
        return true;
    char from[32], to[32];
    return err_add(err, ERR_CONFIG, &n->at, "`%s` must be a number from %s to %s", key,
                   text_real(min, from, sizeof from), text_real(max, to, sizeof to));
}

bool tech_backing(const struct ynode *map, const struct place *at, double *rel_err, struct err *err)
{
    const struct ynode *n = yaml_get(map, "rel_err");
    bool ok = true;

    if (!n)
        ok = err_add(err, ERR_CONFIG, at, "the key `rel_err` is missing: the relative error of this number");
    else
        ok = real_in(n, "rel_err", 0, 10, rel_err, err);
    if (!yaml_get(map, "source"))
        return err_add(err, ERR_CONFIG, at, "the key `source` is missing: where this number comes from");
    return tech_text(map, "source", at, err) && ok;
}

const char *tech_sibling(struct arena *a, const struct place *at, const char *file)
{
    const char *slash = at->file ? strrchr(at->file, '/') : NULL;

    if (file[0] == '/' || !slash)
        return arena_strdup(a, file);
    return arena_printf(a, "%.*s/%s", (int)(slash - at->file), at->file, file);
}

/* Depth-first order; the state of formula i: 0 new, 1 on the path, 2 done. */
struct sorter {
    const struct expr *const *exprs;
    const char *const *names;
    const struct ynode *const *nodes;
    size_t n, first, n_done;
    size_t *order;
    struct err *err;
    unsigned char state[TECH_MAX_NAMES];
};

static bool visit(struct sorter *s, size_t i)
{
    s->state[i] = 1;
    for (size_t j = 0; j < s->n; j++) {
        if (!expr_uses(s->exprs[i], (unsigned)(s->first + j)) || s->state[j] == 2)
            continue;
        if (s->state[j] == 1)
            return err_add(s->err, ERR_CONFIG, &s->nodes[i]->at,
                           "the formula of `%s` needs `%s`, which needs it in turn; cycles are not legal",
                           s->names[i], s->names[j]);
        if (!visit(s, j))
            return false;
    }
    s->state[i] = 2;
    s->order[s->n_done++] = i;
    return true;
}

bool tech_order(const struct expr *const *exprs, const char *const *names, const struct ynode *const *nodes,
                size_t n, size_t first, size_t *order, struct err *err)
{
    struct sorter s = {.exprs = exprs, .names = names, .nodes = nodes, .n = n, .first = first,
                       .order = order, .err = err};

    for (size_t i = 0; i < n; i++)
        if (s.state[i] == 0 && !visit(&s, i))
            return false;
    return true;
}

static struct ynode *merge(struct arena *a, const struct ynode *base, const struct ynode *own)
{
    struct ynode *m = ARENA_NEW(a, struct ynode, 1);

    *m = *own;
    if (!base || base->kind != YNODE_MAP || own->kind != YNODE_MAP)
        return m;
    m->items = ARENA_NEW(a, struct ynode *, base->n + own->n);
    m->keys = ARENA_NEW(a, const char *, base->n + own->n);
    m->key_at = ARENA_NEW(a, struct place, base->n + own->n);
    m->n = 0;
    for (size_t i = 0; i < base->n; i++) {
        if (yaml_get(own, base->keys[i]))
            continue;
        m->keys[m->n] = base->keys[i];
        m->key_at[m->n] = base->key_at[i];
        m->items[m->n++] = base->items[i];
    }
    for (size_t i = 0; i < own->n; i++) {
        m->keys[m->n] = own->keys[i];
        m->key_at[m->n] = own->key_at[i];
        m->items[m->n++] = merge(a, yaml_get(base, own->keys[i]), own->items[i]);
    }
    return m;
}

struct ynode *tech_merge_base(struct arena *a, const struct ynode *root, struct err *err)
{
    const struct ynode *chain[4];
    size_t n = 0;
    struct ynode *m;

    for (const struct ynode *r = root; r;) {
        const struct ynode *base = yaml_get(r, "base");

        if (r->kind != YNODE_MAP) {
            err_add(err, ERR_CONFIG, &r->at, "a technology file must be a map");
            return NULL;
        }
        if (base && n == 3) {
            err_add(err, ERR_CONFIG, &base->at, "too many `base` files; three in a chain are legal");
            return NULL;
        }
        chain[n++] = r;
        r = NULL;
        if (base && base->kind != YNODE_SCALAR) {
            err_add(err, ERR_CONFIG, &base->at, "`base` must be the name of a file");
            return NULL;
        }
        if (base && !(r = yaml_load_from(a, tech_sibling(a, &base->at, base->text), &base->at, err)))
            return NULL;
    }
    m = merge(a, NULL, chain[n - 1]);
    while (--n > 0)
        m = merge(a, m, chain[n - 1]);
    return m;
}

static const char *const coef_keys[] = {"value", "unit", "rel_err", "source", "doc", NULL};

static bool load_coef(struct arena *a, struct tech *t, const struct ynode *map, size_t i,
                      const struct expr **exprs, const struct ynode **nodes, struct err *err)
{
    const struct ynode *c = map->items[i];
    const struct place *at = &map->key_at[i];
    bool ok;

    if (c->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, &c->at, "a coefficient is a map: {value, rel_err, source}");
    ok = tech_known_keys(c, "a coefficient", coef_keys, err);
    ok = tech_backing(c, at, &t->coef_err[i], err) && ok;
    t->coef_dims[i] = tech_dim_of_name(map->keys[i]);
    if (yaml_get(c, "unit"))
        ok = tech_dim_of_unit(yaml_get(c, "unit"), &t->coef_dims[i], err) && ok;
    nodes[i] = yaml_get(c, "value");
    if (!nodes[i])
        return err_add(err, ERR_CONFIG, at, "the key `value` is missing");
    exprs[i] = expr_parse(a, nodes[i], t->coef_names, t->n_coefs, err);
    return exprs[i] && ok;
}

static bool eval_coefs(struct tech *t, const struct expr **exprs, const struct ynode **nodes,
                       const size_t *order, struct err *err)
{
    bool ok = true;

    for (size_t k = 0; k < t->n_coefs; k++) {
        size_t i = order[k];
        char value[32];

        t->coefs[i] = expr_eval(exprs[i], t->coefs);
        if (!isfinite(t->coefs[i]) || t->coefs[i] < 0)
            ok = err_add(err, ERR_CONFIG, &nodes[i]->at, "`%s` is %s; a finite number of at least 0 is legal",
                         t->coef_names[i], text_real(t->coefs[i], value, sizeof value));
    }
    return ok;
}

static bool pick_fixed(struct tech *t, const struct place *at, const struct ynode **nodes, struct err *err)
{
    bool ok = true;

    for (unsigned f = 0; f < TECH_N_FIXED; f++) {
        size_t i = 0;

        while (i < t->n_coefs && strcmp(t->coef_names[i], tech_fixed_names[f]) != 0)
            i++;
        t->fixed_at[f] = i;
        if (i == t->n_coefs && f >= TECH_N_REQUIRED) {
            t->fixed[f] = f == TECH_DATA_ZEROS ? 1.0 / 256 : 0.5;
            continue;
        }
        if (i == t->n_coefs) {
            ok = err_add(err, ERR_CONFIG, at, "the coefficient `%s` is missing", tech_fixed_names[f]);
            continue;
        }
        t->fixed[f] = t->coefs[i];
        if (!(t->coefs[i] > 0))
            ok = err_add(err, ERR_CONFIG, &nodes[i]->at, "`%s` must be above 0", t->coef_names[i]);
    }
    return ok;
}

static bool load_coefs(struct arena *a, struct tech *t, const struct ynode *root, struct err *err)
{
    const struct ynode *map = yaml_get(root, "coefficients");
    const struct ynode **nodes;
    const struct expr **exprs;
    size_t *order;
    bool ok = true;

    if (!map || map->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, map ? &map->at : &root->at,
                       "`coefficients` must be a map of {value, rel_err, source}");
    if (map->n > TECH_MAX_NAMES / 2)
        return err_add(err, ERR_CONFIG, &map->at, "too many coefficients; %d are legal", TECH_MAX_NAMES / 2);
    t->n_coefs = map->n;
    t->coef_names = map->keys;
    t->coefs = ARENA_NEW(a, double, map->n + 1);
    t->coef_err = ARENA_NEW(a, double, map->n + 1);
    t->coef_dims = ARENA_NEW(a, struct dim, map->n + 1);
    nodes = ARENA_NEW(a, const struct ynode *, map->n + 1);
    t->coef_exprs = exprs = ARENA_NEW(a, const struct expr *, map->n + 1);
    t->coef_order = order = ARENA_NEW(a, size_t, map->n + 1);
    for (size_t i = 0; i < map->n; i++)
        ok = load_coef(a, t, map, i, exprs, nodes, err) && ok;
    if (!ok || !tech_order(exprs, t->coef_names, nodes, map->n, 0, order, err))
        return false;
    ok = eval_coefs(t, exprs, nodes, order, err);
    t->coefs_up = ARENA_NEW(a, double, map->n * map->n + 1);
    for (size_t i = 0; i < map->n; i++)
        tech_eval_coefs(t, i, 1 + t->coef_err[i], t->coefs_up + i * map->n);
    return pick_fixed(t, &map->at, nodes, err) && ok;
}

static bool load_voltage(struct tech *t, const struct ynode *root, struct err *err)
{
    const struct ynode *v = yaml_get(root, "voltage"), *k = yaml_get(root, "temp_k");
    bool ok = true;

    t->voltage = t->fixed[TECH_V_NOM];
    t->temp_k = t->fixed[TECH_TEMP_REF];
    if (v)
        ok = real_in(v, "voltage", t->fixed[TECH_V_MIN], t->fixed[TECH_V_MAX], &t->voltage, err);
    if (k)
        ok = real_in(k, "temp_k", 200, 450, &t->temp_k, err) && ok;
    if (t->fixed[TECH_V_MIN] <= t->fixed[TECH_V_T] || t->fixed[TECH_V_MAX] < t->fixed[TECH_V_MIN])
        ok = err_add(err, ERR_CONFIG, &root->at, "v_t < v_min <= v_max must hold");
    return ok;
}

static bool load_activity(struct tech *t, const struct ynode *root, struct err *err)
{
    const struct ynode *n = yaml_get(root, "activity");
    const char *text = n && n->kind == YNODE_SCALAR ? n->text : "";

    t->measured = strcmp(text, "measured") == 0;
    return !n || t->measured || strcmp(text, "default") == 0 ||
           err_add(err, ERR_CONFIG, &n->at, "`activity` must be default or measured");
}

static bool load_table(struct arena *a, struct tech *t, const struct ynode *root, struct err *err)
{
    static const char *const keys[] = {"file", "source", "doc", NULL};
    const struct ynode *map = yaml_get(root, "sram_table"), *file;

    if (!map)
        return true;
    if (map->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, &map->at, "`sram_table` is a map: {file, source}");
    if (!tech_known_keys(map, "sram_table", keys, err) || !tech_text(map, "file", &map->at, err) ||
        !tech_text(map, "source", &map->at, err))
        return false;
    file = yaml_get(map, "file");
    t->sram = sram_load(a, tech_sibling(a, &file->at, file->text), &file->at, err);
    return t->sram != NULL;
}

static bool load_classes(struct arena *a, struct tech *t, const struct ynode *root, struct err *err)
{
    const struct ynode *map = yaml_get(root, "classes");
    bool ok = true;

    if (!map || map->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, map ? &map->at : &root->at, "`classes` must be a map of classes");
    t->classes = ARENA_NEW(a, struct tech_class, map->n + 1);
    for (size_t i = 0; i < map->n; i++)
        ok = tech_load_class(a, t, map->keys[i], map->items[i], &map->key_at[i], root, err) && ok;
    return ok;
}

struct tech *tech_decode(struct arena *a, const struct ynode *root, struct err *err)
{
    static const char *const keys[] = {"name", "doc", "base", "voltage", "temp_k", "activity", "coefficients",
                                       "sram_table", "idle", "leak", "area_err", "accelergy", "classes",
                                       NULL};
    struct tech *t = ARENA_NEW(a, struct tech, 1);
    struct ynode *merged = tech_merge_base(a, root, err);
    bool ok;

    if (!merged)
        return NULL;
    t->root = merged;
    ok = tech_known_keys(merged, "a technology file", keys, err);
    t->name = tech_text(merged, "name", &root->at, err);
    ok = load_coefs(a, t, merged, err) && t->name && ok;
    if (!ok)
        return NULL;
    ok = load_voltage(t, merged, err);
    ok = load_activity(t, merged, err) && ok;
    ok = load_table(a, t, merged, err) && ok;
    ok = tech_load_tables(a, t, merged, err) && ok;
    ok = ok && load_classes(a, t, merged, err);
    return ok ? t : NULL;
}
