/* What the program knows about its own input files. Sweep files belong to
 * results/, whose schema is asked for here: this file stands above both. */
#include "results/sweep.h"
#include "workloads/api.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PATHS = 600 };

static const char *const kinds[] = {"arch", "workload", "sweep", "tech", "work"};

char *rs_schema_json(const char *kind, rs_err *err)
{
    struct text t = {0};
    if (strcmp(kind, "arch") == 0)
        schema_json(arch_section(), &t);
    else if (strcmp(kind, "work") == 0 || strcmp(kind, "workload") == 0)
        schema_json(work_section(), &t);
    else if (strcmp(kind, "tech") == 0)
        tech_schema_json(&t);
    else if (strcmp(kind, "sweep") == 0)
        return rs_sweep_schema_json();
    else {
        const char *near = text_nearest(kind, kinds, 5);
        rs_err_add(err, ERR_USAGE, "no schema '%s'; legal: arch, workload, sweep, tech%s%s%s", kind,
                   near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    }
    return t.s;
}

static void explain_all(struct text *t)
{
    char *sweep = rs_sweep_explain();
    schema_list(arch_section(), "arch", t);
    text_add(t, "\n");
    schema_list(work_section(), "work", t);
    text_add(t, "\n");
    tech_explain(NULL, t);
    text_printf(t, "\n%s", sweep ? sweep : "");
    free(sweep);
}

/* Dotted paths of every key of the architecture and the workload. */
struct paths {
    struct arena arena;
    const char *v[MAX_PATHS];
    size_t n;
};

static void collect(struct paths *p, const struct section *sec, const char *prefix)
{
    for (const struct field *f = sec->fields; f->key; f++) {
        const char *path = arena_printf(&p->arena, "%s.%s", prefix, f->key);
        if (p->n < MAX_PATHS)
            p->v[p->n++] = path;
        if (f->sub)
            collect(p, f->sub, path);
    }
}

/* The last words of a path, as many as the key has. */
static const char *last_words(const char *path, const char *key)
{
    size_t words = 1;
    for (const char *c = key; *c; c++)
        words += *c == '.';
    const char *s = path + strlen(path);
    while (s > path && (s[-1] != '.' || --words))
        s--;
    return s;
}

/* The full path that a key without its prefix stands for, or a near one. */
static const char *suggest(struct paths *p, const char *key)
{
    size_t len = strlen(key);
    collect(p, arch_section(), "arch");
    collect(p, work_section(), "work");
    for (size_t i = 0; i < p->n; i++) {
        size_t n = strlen(p->v[i]);
        if (n > len && p->v[i][n - len - 1] == '.' && strcmp(p->v[i] + n - len, key) == 0)
            return p->v[i];
    }
    const char *near = text_nearest(key, p->v, p->n), *ends[MAX_PATHS];
    for (size_t i = 0; i < p->n; i++)
        ends[i] = last_words(p->v[i], key);
    const char *end = near ? NULL : text_nearest(key, ends, p->n);
    for (size_t i = 0; end && !near; i++)
        near = ends[i] == end ? p->v[i] : NULL;
    return near;
}

static bool unknown_key(const char *key, rs_err *err)
{
    struct paths p = {.n = 0};
    const char *near = suggest(&p, key);
    rs_err_add(err, ERR_USAGE, "no key '%s'; legal: a path below arch, work, tech or sweep, as `retsim "
               "explain` lists them%s%s%s", key, near ? " (did you mean '" : "", near ? near : "",
               near ? "'?)" : "");
    arena_finish(&p.arena);
    return false;
}

static bool explain_section(const struct section *sec, const char *part, const char *key, struct text *t)
{
    const char *rest = key + strlen(part);
    if (!*rest) {
        schema_list(sec, part, t);
        return true;
    }
    const struct field *f = schema_find(sec, rest + 1, NULL);
    if (!f)
        return false;
    if (f->type != FIELD_SECTION)
        schema_explain(f, key, t);
    if (f->type == FIELD_LIST)
        text_add(t, "\n");
    if (f->sub)
        schema_list(f->sub, key, t);
    return true;
}

static bool has_prefix(const char *key, const char *part)
{
    size_t n = strlen(part);
    return strncmp(key, part, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static bool explain_key(const char *key, struct text *t)
{
    if (has_prefix(key, "arch"))
        return explain_section(arch_section(), "arch", key, t);
    if (has_prefix(key, "work"))
        return explain_section(work_section(), "work", key, t);
    if (has_prefix(key, "tech"))
        tech_explain(key[4] ? key + 5 : NULL, t);
    if (strcmp(key, "sweep") == 0) {
        char *sweep = rs_sweep_explain();
        text_add(t, sweep ? sweep : "");
        free(sweep);
    }
    return t->len > 0;
}

char *rs_explain(const char *key, rs_err *err)
{
    struct text t = {0};
    if (!key)
        explain_all(&t);
    else if (!explain_key(key, &t))
        unknown_key(key, err);
    return t.s;
}

/* Decodes one value of a key as if the key were alone in its section. */
static bool value_ok(const struct field *f, const char *path, const char *value, const struct place *at,
                     struct err *err)
{
    struct field alone[2] = {*f, {.key = NULL}};
    uint64_t out[8];
    struct arena a = {0};
    struct ynode root = {.kind = YNODE_MAP, .at = *at};
    const char *prefix = arena_strndup(&a, path, (size_t)(strrchr(path, '.') - path));
    alone[0].offset = 0;
    const struct section sec = {.name = prefix, .doc = "", .size = sizeof out, .fields = alone};
    bool ok = yaml_set(&a, &root, f->key, value, at->file, err);
    if (ok) {
        root.items[0]->at = *at;
        root.key_at[0] = *at;
        ok = schema_decode(&a, &sec, &root, prefix, out, err);
    }
    arena_finish(&a);
    return ok;
}

static bool sweep_value_ok(const char *path, const char *value, const struct place *at, struct err *err)
{
    struct paths p = {.n = 0};
    struct text t = {0};
    const char *rest = strchr(path, '.') + 1;
    const struct section *sec = path[0] == 'a' ? arch_section() : path[0] == 'w' ? work_section() : NULL;
    const struct field *f = sec ? schema_find(sec, rest, NULL) : NULL;
    if (!sec)
        tech_explain(rest, &t);
    bool known = f || t.len, ok = known;
    const char *near = known ? NULL : suggest(&p, path);
    if (!known)
        err_add(err, ERR_CONFIG, at, "unknown key '%s'%s%s%s; see `retsim explain`", path,
                near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    else if (f && f->type != FIELD_SECTION && f->type != FIELD_LIST)
        ok = value_ok(f, path, value, at, err);
    text_finish(&t);
    arena_finish(&p.arena);
    return ok;
}

bool rs_sweep_validate(const rs_sweep *s, rs_err *err)
{
    return sweep_each_value(s, sweep_value_ok, rs_err_inner(err));
}

static bool check_sweep(const char *path, rs_err *err)
{
    rs_sweep *s = rs_sweep_load(path, err);
    bool ok = s && rs_sweep_validate(s, err);
    rs_sweep_destroy(s);
    return ok;
}

static bool check_arch(struct arena *a, const char *path, const struct ynode *root, struct err *err)
{
    const struct arch *arch = arch_decode(a, root, err);
    if (!arch)
        return false;
    const char *tech = path_beside(a, path, arch->tech_path);
    const struct ynode *node = yaml_load_from(a, tech, yaml_place(root, "tech"), err);
    return node && tech_decode(a, node, err);
}

static bool check_file(struct arena *a, const char *path, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    const struct ynode *root = yaml_load(a, path, e);
    if (!root)
        return false;
    if (root->kind != YNODE_MAP)
        return err_add(e, ERR_CONFIG, &root->at, "not a map of keys; legal: an architecture, workload, "
                       "technology or sweep file");
    switch (file_kind_of(root)) {
    case KIND_ARCH:
        return check_arch(a, path, root, e);
    case KIND_WORK:
        return work_decode(a, root, e);
    case KIND_TECH:
        return tech_decode(a, root, e);
    case KIND_SWEEP:
        return check_sweep(path, err);
    default:
        return err_add(e, ERR_CONFIG, &root->at, "no key of an architecture, workload, technology or sweep "
                       "file; see `retsim explain`");
    }
}

int rs_check(const char *path, rs_err *err)
{
    struct arena a = {0};
    bool ok = check_file(&a, path, err);
    arena_finish(&a);
    return ok ? 0 : -1;
}
