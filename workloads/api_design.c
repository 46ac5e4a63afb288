/* Designs: three files and settings, decoded together. */
#include "workloads/api.h"
#include "workloads/net_digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const part_names[N_PARTS] = {"arch", "work", "tech"};

int part_index(const char *name)
{
    for (int p = 0; p < N_PARTS; p++)
        if (strcmp(part_names[p], name) == 0)
            return p;
    return -1;
}

static struct ynode *copy_tree(struct arena *a, const struct ynode *from)
{
    struct ynode *to = ARENA_NEW(a, struct ynode, 1);
    *to = *from;
    if (from->kind == YNODE_SCALAR)
        return to;
    to->items = ARENA_NEW(a, struct ynode *, from->n);
    for (size_t i = 0; i < from->n; i++)
        to->items[i] = copy_tree(a, from->items[i]);
    if (from->kind == YNODE_LIST)
        return to;
    /* Keys and places change when a setting adds or sets one; texts never do. */
    to->keys = ARENA_NEW(a, const char *, from->n);
    to->key_at = ARENA_NEW(a, struct place, from->n);
    memcpy(to->keys, from->keys, from->n * sizeof *to->keys);
    memcpy(to->key_at, from->key_at, from->n * sizeof *to->key_at);
    return to;
}

static bool bad_path(const char *set, size_t len, struct err *err)
{
    const struct section *const sections[] = {arch_section(), work_section()};
    char path[128], hint[160] = "";
    snprintf(path, sizeof path, "%.*s", (int)(len < 127 ? len : 127), set);
    for (int p = 0; p < 2 && !*hint; p++)
        if (schema_find(sections[p], path, NULL))
            snprintf(hint, sizeof hint, " (did you mean '%s.%s'?)", part_names[p], path);
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%.*s", (int)strcspn(path, "."), path);
    const char *near = text_nearest(prefix, part_names, N_PARTS);
    if (near && !*hint && strcmp(near, path) != 0)
        snprintf(hint, sizeof hint, " (did you mean '%s%s'?)", near, path + strlen(prefix));
    return err_add(err, ERR_USAGE, NULL, "'%s' is not the path of a setting; legal: a key below arch, work "
                   "or tech, such as arch.engine.units%s", path, hint);
}

/* Index of the part that "arch.engine.rows=16" sets; -1 after an error. */
static int set_part(const char *set, struct err *err)
{
    size_t len = strcspn(set, "=");
    if (!set[len] || len == 0) {
        err_add(err, ERR_USAGE, NULL, "'%s' is not a setting; legal: PATH=VALUE, such as work.seq=512", set);
        return -1;
    }
    for (int p = 0; p < N_PARTS; p++) {
        size_t n = strlen(part_names[p]);
        if (len > n + 1 && strncmp(set, part_names[p], n) == 0 && set[n] == '.')
            return p;
    }
    bad_path(set, len, err);
    return -1;
}

/* A map of the three trees, so that places show the full path. */
static struct ynode *root_of(struct rs_design *d)
{
    struct ynode *root = ARENA_NEW(&d->arena, struct ynode, 1);
    root->kind = YNODE_MAP;
    root->items = ARENA_NEW(&d->arena, struct ynode *, N_PARTS);
    root->keys = ARENA_NEW(&d->arena, const char *, N_PARTS);
    root->key_at = ARENA_NEW(&d->arena, struct place, N_PARTS);
    for (int p = 0; p < N_PARTS; p++) {
        if (!d->tree[p])
            continue;
        root->items[root->n] = d->tree[p];
        root->keys[root->n++] = part_names[p];
    }
    return root;
}

/* Applies the settings of the parts whose trees are there. */
static bool apply_sets(struct rs_design *d, const char *const *sets, size_t n_sets, const bool *wanted,
                       struct err *err)
{
    struct ynode *root = root_of(d);
    bool ok = true;
    for (size_t i = 0; i < n_sets; i++) {
        int p = set_part(sets[i], err);
        if (p < 0 || !wanted[p]) {
            ok = ok && p >= 0;
            continue;
        }
        size_t len = strcspn(sets[i], "=");
        const char *path = arena_strndup(&d->arena, sets[i], len);
        ok = yaml_set(&d->arena, root, path, sets[i] + len + 1, "command line", err) && ok;
    }
    return ok;
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Canonical lines without what changes no result: titles, the name of the technology file, which prices and
 * does not time, and where a network's directory is. What is in it counts where numbers come from it, in
 * rs_design_key. */
static const char *identity(struct arena *a, struct text *t)
{
    static const char *const dropped[] = {"arch.tech: ", "arch.title: ", "work.title: "};
    static const char network[] = "work.network: ";
    struct text kept = {0};
    text_add(&kept, "");
    for (const char *line = t->s ? t->s : "", *end; *line; line = end) {
        bool drop = false;
        end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        for (int i = 0; i < 3; i++)
            drop |= begins(line, dropped[i]);
        if (begins(line, network)) {
            const char *from = line + strlen(network);
            from = arena_strndup(a, from, strcspn(from, "\n"));
            text_printf(&kept, "%s%s\n", network, last_part(a, from));
        } else if (!drop) {
            text_addn(&kept, line, (size_t)(end - line));
        }
    }
    const char *s = arena_strdup(a, kept.s);
    text_finish(&kept);
    text_finish(t);
    return s;
}

static void set_text(struct rs_design *d, enum part part, struct text *t)
{
    d->text[part] = identity(&d->arena, t);
    d->hash[part] = hash_bytes(d->text[part], strlen(d->text[part]));
}

static bool decode_arch(struct rs_design *d, struct err *err)
{
    struct text t = {0};
    d->arch = arch_decode(&d->arena, d->tree[PART_ARCH], err);
    if (!d->arch)
        return false;
    schema_emit(arch_section(), d->arch->blob, "arch", &t);
    set_text(d, PART_ARCH, &t);
    return true;
}

bool design_set_clock(struct rs_design *d, uint64_t hz, struct err *err)
{
    static const bool arch_only[N_PARTS] = {[PART_ARCH] = true};
    struct ynode *kept = d->tree[PART_ARCH];
    char set[64];
    const char *const sets[] = {set};
    snprintf(set, sizeof set, "arch.clocks.soc=%" PRIu64 " Hz", hz);
    d->tree[PART_ARCH] = copy_tree(&d->arena, kept);
    bool ok = apply_sets(d, sets, 1, arch_only, err) && decode_arch(d, err);
    d->tree[PART_ARCH] = kept;
    return ok;
}

static bool decode_work(struct rs_design *d, struct err *err)
{
    struct text t = {0};
    d->work = work_decode(&d->arena, d->tree[PART_WORK], err);
    if (!d->work)
        return false;
    schema_emit(work_section(), d->work, "work", &t);
    set_text(d, PART_WORK, &t);
    return true;
}

static bool decode_tech(struct rs_design *d, struct err *err)
{
    struct text t = {0};
    d->tech = tech_decode(&d->arena, d->tree[PART_TECH], err);
    if (!d->tech)
        return false;
    tech_emit(d->tech, &t);
    set_text(d, PART_TECH, &t);
    return true;
}

const char *path_beside(struct arena *a, const char *from, const char *path)
{
    const char *slash = strrchr(from, '/');
    if (path[0] == '/' || !slash)
        return arena_strdup(a, path);
    return arena_printf(a, "%.*s/%s", (int)(slash - from), from, path);
}

static bool load_tech(struct rs_design *d, const char *const *sets, size_t n_sets, struct err *err)
{
    static const bool tech_only[N_PARTS] = {[PART_TECH] = true};
    const struct place *from = d->tech_given ? NULL : yaml_place(d->tree[PART_ARCH], "tech");
    if (!d->tech_given)
        d->tech_path = path_beside(&d->arena, d->arch_path, d->arch->tech_path);
    d->tree[PART_TECH] = yaml_load_from(&d->arena, d->tech_path, from, err);
    return d->tree[PART_TECH] && apply_sets(d, sets, n_sets, tech_only, err) && decode_tech(d, err);
}

static struct rs_design *create(void)
{
    struct rs_design *d = xrealloc(NULL, 1, sizeof *d);
    memset(d, 0, sizeof *d);
    atomic_init(&d->refs, 1);
    return d;
}

/* A file, or the directory of a network. */
static struct ynode *load_work(struct rs_design *d, const char *path, struct err *err)
{
    struct stat st;
    path = arena_strdup(&d->arena, path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return network_work(&d->arena, path, err);
    d->work_path = path;
    return yaml_load(&d->arena, path, err);
}

rs_design *rs_design_load(const char *arch_path, const char *work_path, const char *tech_path,
                          const char *const *sets, size_t n_sets, rs_err *err)
{
    static const bool wanted[N_PARTS] = {[PART_ARCH] = true, [PART_WORK] = true};
    struct err *e = rs_err_inner(err);
    struct rs_design *d = create();
    d->arch_path = arena_strdup(&d->arena, arch_path);
    d->tech_given = tech_path != NULL;
    d->tech_path = tech_path ? arena_strdup(&d->arena, tech_path) : NULL;
    d->tree[PART_ARCH] = yaml_load(&d->arena, d->arch_path, e);
    d->tree[PART_WORK] = load_work(d, work_path, e);
    bool ok = part_fits(d->tree[PART_ARCH], PART_ARCH, e);
    ok = part_fits(d->tree[PART_WORK], PART_WORK, e) && ok;
    ok = ok && apply_sets(d, sets, n_sets, wanted, e);
    if (ok) { /* both are decoded, so that all errors show at once */
        ok = decode_arch(d, e);
        ok = decode_work(d, e) && ok;
    }
    if (ok && load_tech(d, sets, n_sets, e) && (!clock_is_max(d) || clock_resolve(d, e)))
        return d;
    rs_design_destroy(d);
    return NULL;
}

rs_design *rs_tech_load(const char *path, const char *const *sets, size_t n_sets, rs_err *err)
{
    struct rs_design *d = create();
    d->tech_given = true;
    d->tech_path = arena_strdup(&d->arena, path);
    if (load_tech(d, sets, n_sets, rs_err_inner(err)))
        return d;
    rs_design_destroy(d);
    return NULL;
}

const char *rs_tech_coefficient(const rs_design *tech, size_t i, double *value, double *rel_err)
{
    return tech_coefficient(tech->tech, i, value, rel_err);
}

rs_design *rs_tech_scaled(const rs_design *tech, const char *coefficient, double factor, rs_err *err)
{
    const char *name;
    double value, rel_err;
    size_t i = 0;
    while ((name = tech_coefficient(tech->tech, i, &value, &rel_err)) && strcmp(name, coefficient))
        i++;
    if (!name) {
        rs_err_add(err, 64, "the technology has no coefficient `%s`", coefficient);
        return NULL;
    }
    struct rs_design *d = create();
    d->base = (struct rs_design *)tech; /* only its count of references changes */
    atomic_fetch_add(&d->base->refs, 1);
    d->text[PART_TECH] = tech->text[PART_TECH];
    d->hash[PART_TECH] = tech->hash[PART_TECH];
    d->tech = tech_scaled(&d->arena, tech->tech, i, factor);
    return d;
}

static bool decode_changed(struct rs_design *d, const bool *changed, struct err *err)
{
    bool ok = !changed[PART_ARCH] || decode_arch(d, err);
    ok = (!changed[PART_WORK] || decode_work(d, err)) && ok;
    return (!changed[PART_TECH] || decode_tech(d, err)) && ok;
}

rs_design *rs_design_with(const rs_design *base, const char *const *sets, size_t n_sets, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    bool changed[N_PARTS] = {false};
    for (size_t i = 0; i < n_sets; i++) {
        int p = set_part(sets[i], e);
        if (p >= 0)
            changed[p] = true;
    }
    if (err_any(e))
        return NULL;
    struct rs_design *d = create();
    d->base = (struct rs_design *)base; /* only its count of references changes */
    atomic_fetch_add(&d->base->refs, 1);
    d->arch_path = base->arch_path;
    d->work_path = base->work_path;
    d->tech_given = base->tech_given;
    d->tech_path = base->tech_path;
    d->arch = base->arch;
    d->work = base->work;
    d->tech = base->tech;
    for (int p = 0; p < N_PARTS; p++) {
        d->text[p] = base->text[p];
        d->hash[p] = base->hash[p];
        d->tree[p] = changed[p] ? copy_tree(&d->arena, base->tree[p]) : base->tree[p];
    }
    bool ok = apply_sets(d, sets, n_sets, changed, e) && decode_changed(d, changed, e);
    if (ok && !d->tech_given && strcmp(d->arch->tech_path, base->arch->tech_path) != 0)
        ok = load_tech(d, sets, n_sets, e); /* arch.tech was set */
    if (ok && clock_is_max(d) && (changed[PART_ARCH] || changed[PART_TECH]))
        ok = clock_resolve(d, e);
    if (ok)
        return d;
    rs_design_destroy(d);
    return NULL;
}

void rs_design_destroy(rs_design *d)
{
    while (d && atomic_fetch_sub(&d->refs, 1) == 1) {
        struct rs_design *base = d->base;
        arena_finish(&d->arena);
        free(d);
        d = base;
    }
}

const char *rs_design_text(const rs_design *d, const char *part)
{
    int p = part_index(part);
    return p < 0 ? NULL : d->text[p];
}

const char *rs_design_name(const rs_design *d, const char *part)
{
    switch (part_index(part)) {
    case PART_ARCH:
        return d->arch->name;
    case PART_WORK:
        return d->work->name;
    case PART_TECH:
        return tech_name(d->tech);
    default:
        return NULL;
    }
}

void rs_design_part_hash(const rs_design *d, const char *part, uint8_t hash[16])
{
    int p = part_index(part);
    struct hash128 none = {{0}};
    memcpy(hash, p < 0 ? none.b : d->hash[p].b, 16);
}

void rs_options_default(rs_options *options)
{
    *options = (rs_options){.method = RS_FOLDED};
}

bool rs_design_network(const rs_design *d, const rs_options *options, uint8_t digest[16])
{
    struct arena a = {0};
    struct hash128 h = {{0}};
    const char *dir = options->values || options->quality ? design_network(&a, d) : "";
    bool there = *dir && net_digest(dir, &h);
    memcpy(digest, h.b, sizeof h.b);
    arena_finish(&a);
    return there;
}

void rs_design_key(const rs_design *d, const rs_options *options, uint8_t key[16])
{
    struct text t = {0};
    text_add(&t, d->text[PART_ARCH]);
    text_add(&t, "\n");
    text_add(&t, d->text[PART_WORK]);
    text_printf(&t, "\n%s\nvalues: %d\nmodel: %s\n", options->method == RS_BOUND ? "bound" : "exact",
                options->values, rs_model_version());
    if (options->quality)
        text_add(&t, "quality: 1\n");
    struct hash128 h;
    char hex[33];
    if (rs_design_network(d, options, h.b)) {
        hash_hex(&h, hex);
        text_printf(&t, "network: %s\n", hex);
    }
    h = hash_bytes(t.s, t.len);
    memcpy(key, h.b, 16);
    text_finish(&t);
}
