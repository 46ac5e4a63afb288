/* Axes of a sweep file: lists, ranges and lists of maps. */
#include "results/sweep_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const sweep_files[N_FILES + 1] = {"arch", "work", "tech", NULL};

int sweep_file_index(const char *key)
{
    for (int i = 0; i < N_FILES; i++) {
        if (!strcmp(key, sweep_files[i]))
            return i;
    }
    return -1;
}

static size_t count_names(const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    return n;
}

bool sweep_keys_check(const struct ynode *node, const char *what, const char *const *names, struct err *err)
{
    struct text all = {0};
    bool ok = true;
    if (node->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, &node->at, "%s must be a map", what);
    for (size_t i = 0; names[i]; i++)
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    for (size_t i = 0; i < node->n; i++) {
        size_t k = 0;
        while (names[k] && strcmp(names[k], node->keys[i]))
            k++;
        if (names[k])
            continue;
        const char *near = text_nearest(node->keys[i], names, count_names(names));
        ok = err_add(err, ERR_CONFIG, &node->key_at[i], "unknown key `%s` in %s; legal are %s%s%s%s",
                     node->keys[i], what, all.s, near ? " (did you mean `" : "", near ? near : "",
                     near ? "`?)" : "");
    }
    text_finish(&all);
    return ok;
}

const char *sweep_file_path(struct rs_sweep *s, const struct ynode *node, struct err *err)
{
    if (node->kind != YNODE_SCALAR || !node->text[0]) {
        err_add(err, ERR_CONFIG, &node->at, "must be the path of a file, relative to the sweep file");
        return NULL;
    }
    const char *dir = node->text[0] == '/' ? "" : s->dir;
    const char *path = arena_printf(&s->arena, "%s%s", dir, node->text);
    if (access(path, R_OK) == 0)
        return path;
    err_add(err, ERR_CONFIG, &node->at, "cannot read `%s`; paths are relative to the sweep file", path);
    return NULL;
}

static void flow_scalar(const struct ynode *node, struct text *out)
{
    if (!node->quoted) {
        text_add(out, node->text);
        return;
    }
    text_add(out, "\"");
    for (const char *p = node->text; *p; p++)
        text_printf(out, strchr("\"\\", *p) ? "\\%c" : *p == '\n' ? "\\n" : "%c", *p);
    text_add(out, "\"");
}

/* YAML flow text of a value, as `-s PATH=VALUE` takes it. */
static void flow_text(const struct ynode *node, struct text *out)
{
    if (node->kind == YNODE_SCALAR) {
        flow_scalar(node, out);
        return;
    }
    text_add(out, node->kind == YNODE_LIST ? "[" : "{");
    for (size_t i = 0; i < node->n; i++) {
        text_add(out, i ? ", " : "");
        if (node->kind == YNODE_MAP)
            text_printf(out, "%s: ", node->keys[i]);
        flow_text(node->items[i], out);
    }
    text_add(out, node->kind == YNODE_LIST ? "]" : "}");
}

/* "arch.x", "work.x" or "tech.x". */
static bool check_path(const char *path, const struct place *at, struct err *err)
{
    const char *dot = strchr(path, '.');
    char head[32];
    size_t n = dot ? (size_t)(dot - path) : strlen(path);
    if (n >= sizeof head)
        n = sizeof head - 1;
    memcpy(head, path, n);
    head[n] = '\0';
    if (dot && dot[1] && sweep_file_index(head) >= 0)
        return true;
    const char *near = text_nearest(head, sweep_files, N_FILES);
    return err_add(err, ERR_CONFIG, at, "`%s` is no path of a configuration; legal are arch.KEY, work.KEY, "
                   "tech.KEY, and arch, work, tech for files%s%s%s%s", path,
                   near ? " (did you mean `" : "", near ? near : "", near && dot ? dot : "",
                   near ? "`?)" : "");
}

static bool assign_text(struct rs_sweep *s, const char *path, const char *value, const struct place *at,
                        struct assign *out)
{
    *out = (struct assign){.path = path, .value = arena_strdup(&s->arena, value), .at = *at};
    out->set = arena_printf(&s->arena, "%s=%s", path, value);
    return true;
}

static bool assign_node(struct rs_sweep *s, const char *path, const struct place *key_at,
                        const struct ynode *node, struct assign *out, struct err *err)
{
    if (sweep_file_index(path) >= 0) {
        *out = (struct assign){.path = path, .value = sweep_file_path(s, node, err), .at = node->at};
        return out->value != NULL;
    }
    struct text value = {0};
    if (!check_path(path, key_at, err))
        return false;
    flow_text(node, &value);
    assign_text(s, path, value.s ? value.s : "", &node->at, out);
    text_finish(&value);
    return true;
}

static bool decode_map(struct rs_sweep *s, const struct ynode *node, struct choice *out, struct err *err)
{
    bool ok = true;
    out->n = node->n;
    out->assigns = ARENA_NEW(&s->arena, struct assign, node->n);
    for (size_t i = 0; i < node->n; i++)
        ok &= assign_node(s, node->keys[i], &node->key_at[i], node->items[i], &out->assigns[i], err);
    return ok;
}

bool sweep_fixed_decode(struct rs_sweep *s, const char *key, const struct ynode *node, struct axis *out,
                        struct err *err)
{
    if (node->kind != YNODE_MAP)
        return err_add(err, ERR_CONFIG, &node->at, "`%s` must be a map of paths and values", key);
    *out = (struct axis){.key = key, .at = node->at, .n = 1};
    out->choices = ARENA_NEW(&s->arena, struct choice, 1);
    return decode_map(s, node, &out->choices[0], err);
}

struct quantity { /* a whole number and its unit, "" for none */
    uint64_t n;
    const char *unit;
};

static bool parse_quantity(struct rs_sweep *s, const struct ynode *node, struct quantity *out,
                           struct err *err)
{
    char buf[160];
    const char *why = "must be a whole number, with a unit when the key has one";
    if (node->kind == YNODE_SCALAR) {
        size_t digits = strspn(node->text, "0123456789");
        out->unit = node->text + digits + strspn(node->text + digits, " ");
        char *number = arena_strndup(&s->arena, node->text, digits);
        if (digits && text_parse_u64(number, UNIT_NONE, &out->n, buf, sizeof buf, &why) &&
            strspn(out->unit, "0123456789.-+") == 0)
            return true;
    }
    return err_add(err, ERR_CONFIG, &node->at, "%s", why);
}

struct range {
    struct quantity from, to, step, times;
};

static bool range_decode(struct rs_sweep *s, const struct ynode *node, struct range *r, struct err *err)
{
    static const char *const names[] = {"from", "to", "step", "times", NULL};
    struct quantity *parts[] = {&r->from, &r->to, &r->step, &r->times};
    bool ok = sweep_keys_check(node, "a range", names, err);
    for (size_t i = 0; i < 4; i++) {
        const struct ynode *v = yaml_get(node, names[i]);
        if (v)
            ok &= parse_quantity(s, v, parts[i], err);
        else if (i < 2)
            ok = err_add(err, ERR_CONFIG, &node->at, "a range needs `%s`", names[i]);
    }
    const struct ynode *step = yaml_get(node, "step"), *times = yaml_get(node, "times");
    if (!ok)
        return false;
    if (!step == !times)
        return err_add(err, ERR_CONFIG, &node->at, "a range needs either `step` (added) or `times` "
                       "(multiplied)");
    if (strcmp(r->from.unit, r->to.unit) || (step && strcmp(r->from.unit, r->step.unit)))
        return err_add(err, ERR_CONFIG, &node->at, "`from`, `to` and `step` must have the same unit");
    if (r->from.n > r->to.n)
        return err_add(err, ERR_CONFIG, &node->at, "`from` is larger than `to`");
    if (step && !r->step.n)
        return err_add(err, ERR_CONFIG, &step->at, "`step` must be at least 1");
    if (times && (r->times.n < 2 || r->times.unit[0] || !r->from.n))
        return err_add(err, ERR_CONFIG, &times->at, "`times` must be at least 2, without unit, and `from` "
                       "not 0");
    return true;
}

static bool range_next(const struct range *r, uint64_t *v)
{
    bool wrapped = r->step.n ? __builtin_add_overflow(*v, r->step.n, v)
                             : __builtin_mul_overflow(*v, r->times.n, v);
    return !wrapped && *v <= r->to.n;
}

static bool decode_range(struct rs_sweep *s, const struct ynode *node, struct axis *out, struct err *err)
{
    struct range r = {.from = {0, ""}};
    if (sweep_file_index(out->key) >= 0)
        return err_add(err, ERR_CONFIG, &node->at, "the files of axis `%s` must be a list", out->key);
    if (!check_path(out->key, &out->at, err) || !range_decode(s, node, &r, err))
        return false;
    uint64_t v = r.from.n;
    do {
        if (++out->n > SWEEP_MAX_VALUES)
            return err_add(err, ERR_CONFIG, &node->at, "more than %d values", SWEEP_MAX_VALUES);
    } while (range_next(&r, &v));
    out->choices = ARENA_NEW(&s->arena, struct choice, out->n);
    v = r.from.n;
    for (size_t i = 0; i < out->n; i++, range_next(&r, &v)) {
        char value[80];
        snprintf(value, sizeof value, "%llu%s%.40s", (unsigned long long)v, r.from.unit[0] ? " " : "",
                 r.from.unit);
        out->choices[i] = (struct choice){1, ARENA_NEW(&s->arena, struct assign, 1)};
        assign_text(s, out->key, value, &node->at, out->choices[i].assigns);
    }
    return true;
}

static bool decode_item(struct rs_sweep *s, const struct ynode *item, const struct axis *axis,
                        struct choice *out, struct err *err)
{
    bool is_label = !strchr(axis->key, '.') && sweep_file_index(axis->key) < 0;
    if (item->kind == YNODE_MAP && is_label)
        return decode_map(s, item, out, err);
    if (item->kind == YNODE_MAP)
        return err_add(err, ERR_CONFIG, &item->at, "a map sets several keys together: give the axis a name "
                       "of its own instead of `%s`", axis->key);
    *out = (struct choice){1, ARENA_NEW(&s->arena, struct assign, 1)};
    return assign_node(s, axis->key, &axis->at, item, out->assigns, err);
}

static int by_text(const void *a, const void *b)
{
    const struct assign *x = *(const struct assign *const *)a, *y = *(const struct assign *const *)b;
    int order = strcmp(x->value, y->value);
    return order ? order : (x > y) - (x < y);
}

/* The same value twice: one point would be planned as two. */
static bool repeats(const struct axis *axis, struct err *err)
{
    const struct assign **all = xrealloc(NULL, axis->n, sizeof *all);
    bool twice = false;
    size_t n = 0;
    for (size_t i = 0; i < axis->n; i++)
        if (axis->choices[i].n == 1)
            all[n++] = axis->choices[i].assigns;
    qsort(all, n, sizeof *all, by_text);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(all[i - 1]->value, all[i]->value) && !strcmp(all[i - 1]->path, all[i]->path))
            twice = !err_add(err, ERR_CONFIG, &all[i]->at, "axis `%s` has `%s` twice", axis->key,
                             all[i]->value);
    free(all);
    return twice;
}

bool sweep_axis_decode(struct rs_sweep *s, const char *key, const struct place *key_at,
                       const struct ynode *node, struct axis *out, struct err *err)
{
    *out = (struct axis){.key = key, .at = *key_at};
    if (node->kind == YNODE_MAP)
        return decode_range(s, node, out, err);
    if (node->kind != YNODE_LIST || !node->n)
        return err_add(err, ERR_CONFIG, &node->at, "axis `%s` must be a list of values, {from, to, step} or "
                       "{from, to, times}", key);
    if (node->n > SWEEP_MAX_VALUES)
        return err_add(err, ERR_CONFIG, &node->at, "more than %d values", SWEEP_MAX_VALUES);
    bool ok = true;
    out->n = node->n;
    out->choices = ARENA_NEW(&s->arena, struct choice, node->n);
    for (size_t i = 0; ok && i < node->n; i++)
        ok = decode_item(s, node->items[i], out, &out->choices[i], err);
    return ok && !repeats(out, err);
}
