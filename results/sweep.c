/* Sweeps: a mixed-radix product of axes, decoded point by point. */
#include "results/sweep_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const top_keys[] = {"sweep", "doc",  "method", "quality", "values", "base",
                                       "set",   "axes", "where",  "groups",  NULL};
static const char *const group_keys[] = {"doc", "base", "set", "axes", "where", NULL};

struct axis_list {
    struct axis *v;
    size_t n, cap;
};
struct where_list {
    struct where **v;
    size_t n, cap;
};

static struct axis *axis_add(struct axis_list *l)
{
    if (l->n == l->cap)
        l->v = xrealloc(l->v, l->cap = l->cap * 2 + 8, sizeof *l->v);
    return &l->v[l->n++];
}

static bool decode_axes(struct rs_sweep *s, const struct ynode *node, struct axis_list *out, struct err *err)
{
    bool ok = true;
    if (!node)
        return true;
    if (node->kind == YNODE_SCALAR)
        return err_add(err, ERR_CONFIG, &node->at, "`axes` must be a map or a list of maps");
    for (size_t i = 0; i < node->n; i++) {
        if (node->kind == YNODE_MAP)
            ok &= sweep_axis_decode(s, node->keys[i], &node->key_at[i], node->items[i], axis_add(out), err);
        else if (node->items[i]->kind == YNODE_MAP)
            ok &= decode_axes(s, node->items[i], out, err);
        else
            ok = err_add(err, ERR_CONFIG, &node->items[i]->at, "must be a map of one axis");
    }
    return ok;
}

static struct where **where_add(struct where_list *l)
{
    if (l->n == l->cap)
        l->v = xrealloc(l->v, l->cap = l->cap * 2 + 8, sizeof *l->v);
    return &l->v[l->n++];
}

static bool add_where(struct rs_sweep *s, const struct ynode *node, struct where_list *out, struct err *err)
{
    struct where *w = sweep_where_parse(s, node, err);
    *where_add(out) = w;
    return w != NULL;
}

static bool decode_where(struct rs_sweep *s, const struct ynode *node, struct where_list *out,
                         struct err *err)
{
    bool ok = true;
    if (!node)
        return true;
    if (node->kind != YNODE_LIST)
        return add_where(s, node, out, err);
    for (size_t i = 0; i < node->n; i++)
        ok &= add_where(s, node->items[i], out, err);
    return ok;
}

static bool decode_base(struct rs_sweep *s, const struct ynode *node, const char **files, struct err *err)
{
    bool ok = true;
    if (!node)
        return true;
    if (!sweep_keys_check(node, "`base`", sweep_files, err))
        return false;
    for (int i = 0; i < N_FILES; i++) {
        const struct ynode *v = yaml_get(node, sweep_files[i]);
        if (!v)
            continue;
        files[i] = sweep_file_path(s, v, err);
        ok &= files[i] != NULL;
    }
    return ok;
}

/* The parts that the file's top and each group share. */
struct part {
    const char *files[N_FILES];
    struct axis_list axes;
    struct where_list where;
};

static bool decode_part(struct rs_sweep *s, const struct ynode *node, struct part *out, struct err *err)
{
    const struct ynode *set = yaml_get(node, "set");
    bool ok = decode_base(s, yaml_get(node, "base"), out->files, err);
    if (set)
        ok &= sweep_fixed_decode(s, "set", set, axis_add(&out->axes), err);
    ok &= decode_axes(s, yaml_get(node, "axes"), &out->axes, err);
    return decode_where(s, yaml_get(node, "where"), &out->where, err) && ok;
}

static void part_finish(struct part *p)
{
    free(p->axes.v);
    free(p->where.v);
}

struct seen {
    size_t n;
    const char *path[SWEEP_MAX_SETS];
    const struct axis *axis[SWEEP_MAX_SETS];
};

/* A path that two axes set would have two values. */
static bool see(struct seen *seen, const struct axis *axis, const struct assign *x, struct err *err)
{
    size_t k = 0;
    while (k < seen->n && strcmp(seen->path[k], x->path))
        k++;
    if (k < seen->n)
        return seen->axis[k] == axis ||
               err_add(err, ERR_CONFIG, &x->at, "`%s` is set by two axes, `%s` and `%s`", x->path,
                       seen->axis[k]->key, axis->key);
    if (k == SWEEP_MAX_SETS)
        return err_add(err, ERR_CONFIG, &x->at, "more than %d keys set in one point", SWEEP_MAX_SETS);
    seen->path[k] = x->path;
    seen->axis[seen->n++] = axis;
    return true;
}

static bool check_paths(const struct group *g, struct err *err)
{
    struct seen seen = {0};
    for (size_t a = 0; a < g->n_axes; a++) {
        const struct axis *axis = &g->axes[a];
        for (size_t c = 0; c < axis->n; c++) {
            for (size_t k = 0; k < axis->choices[c].n; k++) {
                if (!see(&seen, axis, &axis->choices[c].assigns[k], err))
                    return false;
            }
        }
    }
    return true;
}

static bool sets_file(const struct group *g, int file)
{
    for (size_t a = 0; a < g->n_axes; a++) {
        size_t hits = 0;
        for (size_t c = 0; c < g->axes[a].n; c++) {
            for (size_t k = 0; k < g->axes[a].choices[c].n; k++)
                hits += !strcmp(g->axes[a].choices[c].assigns[k].path, sweep_files[file]);
        }
        if (hits && hits == g->axes[a].n)
            return true;
    }
    return false;
}

static bool finish_group(struct rs_sweep *s, struct group *g, struct err *err)
{
    for (int i = FILE_ARCH; i <= FILE_WORK; i++) {
        if (!g->files[i] && !sets_file(g, i))
            err_add(err, ERR_CONFIG, &g->at, "no `%s` file: give base.%s or an axis `%s`", sweep_files[i],
                    sweep_files[i], sweep_files[i]);
    }
    check_paths(g, err);
    g->count = 1;
    for (size_t a = 0; a < g->n_axes; a++) {
        g->count *= g->axes[a].n; /* at most 10^5 each time, and 10^9 before */
        if (g->count > SWEEP_MAX_POINTS)
            return err_add(err, ERR_CONFIG, &g->axes[a].at, "more than 10^9 points with this axis; legal: "
                           "fewer, in several sweeps into one database");
    }
    s->count += g->count;
    if (s->count > SWEEP_MAX_POINTS)
        return err_add(err, ERR_CONFIG, &g->at, "more than 10^9 points with this group; legal: fewer, in "
                       "several sweeps into one database");
    for (size_t w = err_any(err) ? g->n_where : 0; w < g->n_where; w++) /* loads files: not after an error */
        sweep_where_check(s, g, g->where[w], err);
    return !err_any(err);
}

static void *copy_array(struct rs_sweep *s, const void *v, size_t n, size_t size)
{
    void *copy = arena_alloc(&s->arena, n * size + 1);
    if (n)
        memcpy(copy, v, n * size);
    return copy;
}

static bool fill_group(struct rs_sweep *s, const struct part *p, struct group *g, struct err *err)
{
    memcpy(g->files, p->files, sizeof g->files);
    g->n_axes = p->axes.n;
    g->axes = copy_array(s, p->axes.v, p->axes.n, sizeof *p->axes.v);
    g->n_where = p->where.n;
    g->where = copy_array(s, p->where.v, p->where.n, sizeof *p->where.v);
    return finish_group(s, g, err);
}

/* A group is what the file's top says and then what it says itself. */
static bool decode_group(struct rs_sweep *s, const struct part *top, const struct ynode *node,
                         struct group *g, struct err *err)
{
    struct part p = {.files = {top->files[0], top->files[1], top->files[2]}};
    g->at = node->at;
    if (!sweep_keys_check(node, "a group", group_keys, err))
        return false;
    for (size_t i = 0; i < top->axes.n; i++)
        *axis_add(&p.axes) = top->axes.v[i];
    for (size_t i = 0; i < top->where.n; i++)
        *where_add(&p.where) = top->where.v[i];
    bool ok = decode_part(s, node, &p, err) && fill_group(s, &p, g, err);
    part_finish(&p);
    return ok;
}

static bool decode_groups(struct rs_sweep *s, const struct ynode *root, struct err *err)
{
    const struct ynode *groups = yaml_get(root, "groups");
    struct part top = {{NULL}, {0}, {0}};
    bool ok = decode_part(s, root, &top, err);
    if (groups && (groups->kind != YNODE_LIST || !groups->n))
        ok = err_add(err, ERR_CONFIG, &groups->at, "`groups` must be a list of {base, set, axes, where}");
    s->n_groups = !ok ? 0 : groups ? groups->n : 1;
    s->groups = ARENA_NEW(&s->arena, struct group, s->n_groups + 1);
    if (ok && !groups) {
        s->groups[0].at = root->at;
        ok = fill_group(s, &top, &s->groups[0], err);
    }
    for (size_t i = 0; groups && i < s->n_groups; i++)
        ok &= decode_group(s, &top, groups->items[i], &s->groups[i], err);
    part_finish(&top);
    return ok;
}

static bool decode_name(struct rs_sweep *s, const struct ynode *root, struct err *err)
{
    const struct ynode *name = yaml_get(root, "sweep");
    if (!name)
        return err_add(err, ERR_CONFIG, &root->at, "a sweep file needs `sweep: NAME`");
    const char *legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (name->kind != YNODE_SCALAR || !name->text[0] || name->text[strspn(name->text, legal)])
        return err_add(err, ERR_CONFIG, &name->at, "the name must be of letters, digits, `_`, `.` and `-`");
    s->name = name->text;
    return true;
}

static bool decode_method(struct rs_sweep *s, const struct ynode *root, struct err *err)
{
    static const char *const names[] = {[RS_FULL] = "full", [RS_FOLDED] = "folded", [RS_BOUND] = "bound"};
    const struct ynode *node = yaml_get(root, "method");
    s->method = RS_FOLDED;
    if (!node)
        return true;
    for (int i = 0; node->kind == YNODE_SCALAR && i < 3; i++) {
        if (!strcmp(node->text, names[i])) {
            s->method = (rs_method)i;
            return true;
        }
    }
    const char *near = node->kind == YNODE_SCALAR ? text_nearest(node->text, names, 3) : NULL;
    return err_add(err, ERR_CONFIG, &node->at, "`method` must be full, folded or bound%s%s%s",
                   near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
}

static bool decode_flag(const struct ynode *root, const char *key, bool *flag, struct err *err)
{
    const struct ynode *node = yaml_get(root, key);
    if (!node)
        return true;
    *flag = node->kind == YNODE_SCALAR && !strcmp(node->text, "true");
    return *flag || (node->kind == YNODE_SCALAR && !strcmp(node->text, "false")) ||
           err_add(err, ERR_CONFIG, &node->at, "`%s` must be true or false", key);
}

static bool decode_sweep(struct rs_sweep *s, struct err *err)
{
    const struct ynode *root = yaml_load(&s->arena, s->path, err);
    if (!root)
        return false;
    if (root->kind == YNODE_MAP && !yaml_get(root, "sweep") && !yaml_get(root, "base") &&
        !yaml_get(root, "axes") && !yaml_get(root, "groups"))
        return err_add(err, ERR_CONFIG, &root->at, "this is no sweep file: it has none of the keys `sweep`, "
                       "`base`, `axes` and `groups`; an example is configs/sweeps/pe_array.yaml");
    bool ok = sweep_keys_check(root, "a sweep file", top_keys, err);
    if (root->kind != YNODE_MAP)
        return false;
    ok &= decode_name(s, root, err);
    ok &= decode_method(s, root, err);
    ok &= decode_flag(root, "quality", &s->quality, err);
    ok &= decode_flag(root, "values", &s->values, err);
    return decode_groups(s, root, err) && ok;
}

/* The file's own text, for the database. */
static bool read_spec(struct rs_sweep *s, struct err *err)
{
    FILE *f = fopen(s->path, "rb");
    struct text t = {0};
    char buf[4096];
    size_t n;
    if (!f)
        return err_add(err, ERR_NOINPUT, NULL, "cannot read `%s`", s->path);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        text_addn(&t, buf, n);
    bool bad = ferror(f);
    fclose(f);
    s->spec = arena_strndup(&s->arena, t.s ? t.s : "", t.len);
    text_finish(&t);
    return !bad || err_add(err, ERR_IO, NULL, "cannot read `%s`", s->path);
}

rs_sweep *rs_sweep_load(const char *path, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct rs_sweep *s = xrealloc(NULL, 1, sizeof *s);
    *s = (struct rs_sweep){.method = RS_FOLDED};
    const char *slash = strrchr(path, '/');
    s->path = arena_strdup(&s->arena, path);
    s->dir = arena_strndup(&s->arena, path, slash ? (size_t)(slash - path + 1) : 0);
    if (decode_sweep(s, e) && read_spec(s, e))
        return s;
    rs_sweep_destroy(s);
    return NULL;
}

void rs_sweep_destroy(rs_sweep *s)
{
    if (!s)
        return;
    arena_finish(&s->arena);
    free(s);
}

/* Groups share what the top of the file says. */
static bool seen_before(const rs_sweep *s, size_t group, const struct place *at)
{
    for (size_t g = 0; g < group; g++)
        for (size_t i = 0; i < s->groups[g].n_axes; i++) {
            const struct place *other = &s->groups[g].axes[i].at;
            if (other->line == at->line && other->col == at->col)
                return true;
        }
    return false;
}

static bool axis_legal(const struct axis *a, sweep_value_f *legal, struct err *err)
{
    bool ok = true;
    for (size_t c = 0; c < a->n; c++)
        for (size_t k = 0; k < a->choices[c].n; k++) {
            const struct assign *as = &a->choices[c].assigns[k];
            if (as->set)
                ok &= legal(as->path, as->value, &as->at, err);
        }
    return ok;
}

bool sweep_each_value(const rs_sweep *s, sweep_value_f *legal, struct err *err)
{
    bool ok = true;
    for (size_t g = 0; g < s->n_groups; g++)
        for (size_t i = 0; i < s->groups[g].n_axes; i++)
            if (!seen_before(s, g, &s->groups[g].axes[i].at))
                ok &= axis_legal(&s->groups[g].axes[i], legal, err);
    return ok;
}

const char *rs_sweep_name(const rs_sweep *s)
{
    return s->name;
}

const char *sweep_spec(const rs_sweep *s)
{
    return s->spec;
}

uint64_t rs_sweep_count(const rs_sweep *s)
{
    return s->count;
}

bool rs_sweep_quality(const rs_sweep *s)
{
    return s->quality;
}

bool rs_sweep_values(const rs_sweep *s)
{
    return s->values;
}

rs_method rs_sweep_method(const rs_sweep *s)
{
    return s->method;
}

rs_point_buf *rs_point_buf_create(const rs_sweep *s)
{
    (void)s;
    struct rs_point_buf *b = xrealloc(NULL, 1, sizeof *b);
    *b = (struct rs_point_buf){{NULL}, {NULL}};
    return b;
}

void rs_point_buf_destroy(rs_point_buf *b)
{
    free(b);
}

static void apply(const struct choice *choice, const char **files, rs_point *p, struct rs_point_buf *b)
{
    for (size_t k = 0; k < choice->n; k++) {
        const struct assign *x = &choice->assigns[k];
        int file = sweep_file_index(x->path);
        if (file >= 0) {
            files[file] = x->value;
            continue;
        }
        b->assigns[p->n_sets] = x;
        b->sets[p->n_sets++] = x->set;
    }
}

rs_point rs_sweep_point(const rs_sweep *s, uint64_t n, rs_point_buf *b)
{
    const struct group *g = s->groups;
    rs_point p = {.sets = b->sets};
    while (n >= g->count)
        n -= (g++)->count;
    const char *files[N_FILES] = {g->files[0], g->files[1], g->files[2]};
    uint64_t radix = g->count;
    for (size_t a = 0; a < g->n_axes; a++) { /* the last axis changes fastest */
        radix /= g->axes[a].n;
        apply(&g->axes[a].choices[n / radix], files, &p, b);
        n %= radix;
    }
    p.arch_path = files[FILE_ARCH];
    p.work_path = files[FILE_WORK];
    p.tech_path = files[FILE_TECH];
    for (size_t w = 0; w < g->n_where && !p.excluded; w++)
        p.excluded = !sweep_where_holds(s, g->where[w], &p, b);
    return p;
}

/* A bijection of [0, 2^bits): each step is one (odd multiplier, xor of higher
 * bits), walked until it falls below count. */
static uint64_t permute(uint64_t n, uint64_t count)
{
    unsigned bits = 1;
    while (bits < 64 && (count - 1) >> bits)
        bits++;
    uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    unsigned shift = bits / 2 + 1 > bits - 1 ? 1 : bits / 2 + 1;
    do {
        n = (n * 0x9e3779b97f4a7c15u + 0x7f4a7c15u) & mask;
        n ^= n >> shift;
        n = (n * 0xbf58476d1ce4e5b9u) & mask;
        n ^= n >> shift;
    } while (n >= count);
    return n;
}

bool rs_sweep_in_shard(const rs_sweep *s, uint64_t n, uint64_t i, uint64_t n_shards)
{
    return n_shards <= 1 || permute(n, s->count) % n_shards == i;
}
