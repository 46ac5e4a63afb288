#include "base/schema.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LISTED = 8, MAX_KEYS = 256 };

/* One decoding run. */
struct decode {
    struct arena *a;
    struct err *err;
};

/* A key being decoded, for messages. */
struct key {
    const struct field *f;
    const char *path; /* of the section that holds it */
};

static bool decode_section(struct decode *d, const struct section *sec, const struct ynode *node,
                           const char *path, void *out);

static char *join(struct arena *a, const char *path, const char *key)
{
    return *path ? arena_printf(a, "%s.%s", path, key) : arena_strdup(a, key);
}

/* "arch.engine.rows <fmt>" at a place. */
__attribute__((format(printf, 4, 5))) static bool fail(struct decode *d, const struct key *k,
                                                       const struct place *at, const char *fmt, ...)
{
    char text[768];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_add(d->err, ERR_CONFIG, at, "%s%s%s %s", k->path, *k->path ? "." : "", k->f->key, text);
}

static bool is_empty(const struct ynode *n)
{
    return n->kind == YNODE_SCALAR && !n->quoted && !*n->text;
}

static const char *found(const struct ynode *n)
{
    if (n->kind == YNODE_SCALAR)
        return is_empty(n) ? "empty" : "a scalar";
    return n->kind == YNODE_MAP ? "a map" : "a list";
}

static const char *expected(const struct field *f)
{
    static const char *const text[] = {
        [FIELD_U64] = "an integer",
        [FIELD_BYTES] = "a size such as '64 KiB'",
        [FIELD_HZ] = "a frequency such as '200 MHz'",
        [FIELD_BOOL] = "true or false",
        [FIELD_FLAG] = "0 or 1",
        [FIELD_ENUM] = "one of its names",
        [FIELD_TEXT] = "a text",
        [FIELD_REAL] = "a decimal number",
        [FIELD_SECTION] = "a map",
        [FIELD_LIST] = "a list of maps",
        [FIELD_U64S] = "a list of integers such as [1, 2]",
    };

    return text[f->type];
}

static const char *or_auto(const struct field *f)
{
    if (!f->allow_auto)
        return "";
    return f->auto_word ? " or max" : " or auto";
}

static const char *show(const struct field *f, uint64_t v, char *buf, size_t size)
{
    if (f->type == FIELD_BYTES)
        return text_bytes(v, buf, size);
    if (f->type == FIELD_HZ)
        return text_hz(v, buf, size);
    snprintf(buf, size, "%" PRIu64, v);
    return buf;
}

static bool check_range(struct decode *d, const struct key *k, const struct place *at, uint64_t v)
{
    const struct field *f = k->f;
    bool bounded = f->max != 0 && f->max != UINT64_MAX;
    char is[32], min[32], max[32];

    if (v == FIELD_AUTO) /* would be taken for `auto` */
        return fail(d, k, at, "is too large; legal: up to %" PRIu64, UINT64_MAX - 1);
    if (v >= f->min && (f->max == 0 || v <= f->max))
        return true;
    show(f, v, is, sizeof(is));
    show(f, f->min, min, sizeof(min));
    if (!bounded)
        return fail(d, k, at, "is %s; legal: at least %s%s", is, min, or_auto(f));
    return fail(d, k, at, "is %s; legal: %s..%s%s", is, min, show(f, f->max, max, sizeof(max)), or_auto(f));
}

static bool decode_integer(struct decode *d, const struct key *k, const struct ynode *n, uint64_t *out)
{
    enum unit unit = k->f->type == FIELD_BYTES ? UNIT_BYTES : k->f->type == FIELD_HZ ? UNIT_HZ : UNIT_NONE;
    const char *why;
    char buf[256];

    if (n->quoted)
        return fail(d, k, &n->at, "is the quoted text '%s'; write it without quotes", n->text);
    if (k->f->allow_auto && strcmp(n->text, schema_auto(k->f)) == 0) {
        *out = FIELD_AUTO;
        return true;
    }
    if (k->f->type == FIELD_FLAG && strcmp(n->text, "0") != 0 && strcmp(n->text, "1") != 0)
        return fail(d, k, &n->at, "is '%s'; legal: 0, 1%s", n->text, k->f->allow_auto ? ", auto" : "");
    if (!text_parse_u64(n->text, unit, out, buf, sizeof(buf), &why))
        return fail(d, k, &n->at, "is '%s': %s%s", n->text, why, or_auto(k->f));
    return check_range(d, k, &n->at, *out);
}

static bool decode_bool(struct decode *d, const struct key *k, const struct ynode *n, bool *out)
{
    /* 0 and 1 as well: scripts write them for every other switch. */
    *out = strcmp(n->text, "true") == 0 || strcmp(n->text, "1") == 0;
    if (n->quoted)
        return fail(d, k, &n->at, "is the quoted text '%s'; write true or false without quotes", n->text);
    if (!*out && strcmp(n->text, "false") != 0 && strcmp(n->text, "0") != 0)
        return fail(d, k, &n->at, "is '%s'; legal: true, false", n->text);
    return true;
}

static bool decode_real(struct decode *d, const struct key *k, const struct ynode *n, double *out)
{
    if (n->quoted)
        return fail(d, k, &n->at, "is the quoted text '%s'; write it without quotes", n->text);
    if (!text_parse_real(n->text, out))
        return fail(d, k, &n->at, "is '%s'; legal: a finite decimal number such as 0.8 or 1e-3", n->text);
    return true;
}

static size_t count_names(const char *const *names)
{
    size_t n = 0;

    while (names[n])
        n++;
    return n;
}

static bool decode_enum(struct decode *d, const struct key *k, const struct ynode *n, int *out)
{
    size_t count = count_names(k->f->names);
    struct text legal = {0};
    const char *near;

    for (size_t i = 0; i < count; i++)
        if (strcmp(k->f->names[i], n->text) == 0) {
            *out = (int)i;
            return true;
        }
    for (size_t i = 0; i < count; i++)
        text_printf(&legal, "%s%s", i ? ", " : "", k->f->names[i]);
    near = text_nearest(n->text, k->f->names, count);
    if (near)
        text_printf(&legal, " (did you mean '%s'?)", near);
    fail(d, k, &n->at, "is '%s'; legal: %s", n->text, legal.s ? legal.s : "nothing");
    text_finish(&legal);
    return false;
}

static bool decode_scalar(struct decode *d, const struct key *k, const struct ynode *n, void *out)
{
    if (n->kind != YNODE_SCALAR || (is_empty(n) && k->f->type != FIELD_TEXT))
        return fail(d, k, &n->at, "is %s; expected %s%s", found(n), expected(k->f), or_auto(k->f));
    switch (k->f->type) {
    case FIELD_BOOL:
        return decode_bool(d, k, n, out);
    case FIELD_REAL:
        return decode_real(d, k, n, out);
    case FIELD_ENUM:
        return decode_enum(d, k, n, out);
    case FIELD_TEXT:
        if (is_empty(n))
            return fail(d, k, &n->at, "is empty; write a text, or \"\" for none");
        *(const char **)out = arena_strdup(d->a, n->text);
        return true;
    default:
        return decode_integer(d, k, n, out);
    }
}

static bool decode_u64s(struct decode *d, const struct key *k, const struct ynode *n, struct u64s *out)
{
    bool ok = true;

    if (n->kind != YNODE_LIST)
        return fail(d, k, &n->at, "is %s; expected %s", found(n), expected(k->f));
    out->n = n->n;
    out->v = ARENA_NEW(d->a, uint64_t, n->n);
    for (size_t i = 0; i < n->n; i++) {
        const struct ynode *item = n->items[i];
        struct field one = *k->f;
        struct key ki = {&one, k->path};

        one.type = FIELD_U64;
        one.allow_auto = false;
        one.key = arena_printf(d->a, "%s[%zu]", k->f->key, i);
        ok &= decode_scalar(d, &ki, item, &out->v[i]);
    }
    return ok;
}

static bool decode_list(struct decode *d, const struct key *k, const struct ynode *n, struct list *out)
{
    const struct section *sub = k->f->sub;
    bool ok = true;

    if (n->kind != YNODE_LIST)
        return fail(d, k, &n->at, "is %s; expected %s", found(n), expected(k->f));
    out->n = n->n;
    out->items = arena_alloc(d->a, n->n * sub->size);
    for (size_t i = 0; i < n->n; i++) {
        const char *path = arena_printf(d->a, "%s%s%s[%zu]", k->path, *k->path ? "." : "", k->f->key, i);

        ok &= decode_section(d, sub, n->items[i], path, (char *)out->items + i * sub->size);
    }
    return ok;
}

static bool may_be_none(const struct field *f)
{
    return f->def && strcmp(f->def, "none") == 0;
}

static bool decode_value(struct decode *d, const struct key *k, const struct ynode *n, void *out)
{
    switch (k->f->type) {
    case FIELD_SECTION:
        if (may_be_none(k->f) && n->kind == YNODE_SCALAR && !n->quoted && strcmp(n->text, "none") == 0)
            return true;
        return decode_section(d, k->f->sub, n, join(d->a, k->path, k->f->key), out);
    case FIELD_LIST:
        return decode_list(d, k, n, out);
    case FIELD_U64S:
        return decode_u64s(d, k, n, out);
    default:
        return decode_scalar(d, k, n, out);
    }
}

static const char *example(const struct field *f, char *buf, size_t size)
{
    static const char *const text[] = {
        [FIELD_BYTES] = "64 KiB", [FIELD_HZ] = "200 MHz", [FIELD_BOOL] = "true", [FIELD_FLAG] = "1",
        [FIELD_TEXT] = "text",    [FIELD_REAL] = "0.8",   [FIELD_U64S] = "[1, 2]",
    };

    if (f->type == FIELD_U64)
        return show(f, f->min ? f->min : 1, buf, size);
    if (f->type == FIELD_ENUM)
        return f->names[0];
    if (f->type != FIELD_LIST)
        return text[f->type];
    snprintf(buf, size, "[{%s: ..}]", f->sub->fields[0].key ? f->sub->fields[0].key : "");
    return buf;
}

/* The default of an absent key, through the same parser as a written value. */
static bool decode_default(struct decode *d, const struct key *k, const struct ynode *map, void *out)
{
    const struct field *f = k->f;
    struct ynode plain = {.kind = YNODE_SCALAR, .at = map->at, .text = f->def}, *n = &plain;
    struct ynode none = {.kind = YNODE_MAP, .at = map->at};
    char buf[80];

    if (f->type == FIELD_SECTION && !f->def)
        return decode_value(d, k, &none, out);
    if (!f->def)
        return fail(d, k, &map->at, "is required; e.g. '%s'", example(f, buf, sizeof(buf)));
    if (may_be_none(f) && f->type == FIELD_SECTION)
        return true;
    plain.quoted = f->type == FIELD_TEXT;
    if (f->type == FIELD_SECTION || f->type == FIELD_LIST || f->type == FIELD_U64S)
        n = yaml_parse(d->a, "default", f->def, strlen(f->def), d->err);
    return n && decode_value(d, k, n, out);
}

static const struct field *field_of(const struct section *sec, const char *key)
{
    for (const struct field *f = sec->fields; f->key; f++)
        if (strcmp(f->key, key) == 0)
            return f;
    return NULL;
}

static bool unknown_key(struct decode *d, const struct section *sec, const char *key, const struct place *at,
                        const char *path)
{
    const char *names[MAX_KEYS], *near;
    struct text hint = {0};
    size_t n = 0;

    for (; n < MAX_KEYS && sec->fields[n].key; n++)
        names[n] = sec->fields[n].key;
    near = text_nearest(key, names, n);
    if (!near && n > MAX_LISTED)
        text_printf(&hint, "; see `retsim explain%s%s`", *path ? " " : "", path);
    if (n <= MAX_LISTED)
        text_add(&hint, "; legal keys: ");
    for (size_t i = 0; i < n && n <= MAX_LISTED; i++)
        text_printf(&hint, "%s%s", i ? ", " : "", names[i]);
    if (near)
        text_printf(&hint, " (did you mean '%s'?)", near);
    err_add(d->err, ERR_CONFIG, at, "unknown key '%s' in %s%s", key, *path ? path : sec->name, hint.s);
    text_finish(&hint);
    return false;
}

static bool decode_section(struct decode *d, const struct section *sec, const struct ynode *node,
                           const char *path, void *out)
{
    struct ynode empty = {.kind = YNODE_MAP, .at = node->at};
    const struct ynode *value;
    bool ok = true;

    if (is_empty(node)) /* `engine:` with every key commented out */
        node = &empty;
    if (node->kind != YNODE_MAP)
        return err_add(d->err, ERR_CONFIG, &node->at, "%s is %s; expected a map", *path ? path : sec->name,
                       found(node));
    for (size_t i = 0; i < node->n; i++)
        if (!field_of(sec, node->keys[i]))
            ok = unknown_key(d, sec, node->keys[i], &node->key_at[i], path);
    for (const struct field *f = sec->fields; f->key; f++) {
        struct key k = {f, path};

        value = yaml_get(node, f->key);
        ok &= value ? decode_value(d, &k, value, (char *)out + f->offset)
                    : decode_default(d, &k, node, (char *)out + f->offset);
    }
    return ok && (!sec->check || sec->check(out, node, d->err));
}

bool schema_decode(struct arena *a, const struct section *sec, const struct ynode *node, const char *path,
                   void *out, struct err *err)
{
    struct decode d = {.a = a, .err = err};
    struct ynode empty = {.kind = YNODE_MAP};

    memset(out, 0, sec->size);
    return decode_section(&d, sec, node ? node : &empty, path, out);
}

/* Cuts the first segment of a path: up to a dot or a bracket. */
static size_t segment_len(const char *path)
{
    return strcspn(path, ".[");
}

/* Skips a list item: ".0", ".NAME" or "[0]". */
static const char *skip_item(const char *p)
{
    if (*p == '[')
        return strchr(p, ']') ? strchr(p, ']') + 1 : p + strlen(p);
    if (*p == '.')
        p += 1 + strcspn(p + 1, ".");
    return p;
}

bool schema_put(const struct field *f, const char *path, uint64_t v, void *out, struct err *err)
{
    struct decode d = {NULL, err};
    struct field named = *f;
    struct key k = {&named, ""};
    size_t legal = f->type == FIELD_ENUM ? count_names(f->names) : 2;

    named.key = path;
    switch (f->type) {
    case FIELD_BOOL:
    case FIELD_ENUM:
        if (v >= legal)
            return fail(&d, &k, NULL, "is %" PRIu64 "; legal: 0..%zu", v, legal - 1);
        if (f->type == FIELD_BOOL)
            *(bool *)out = v;
        else
            *(int *)out = (int)v;
        return true;
    case FIELD_U64:
    case FIELD_BYTES:
    case FIELD_HZ:
    case FIELD_FLAG:
        *(uint64_t *)out = v;
        if (v == FIELD_AUTO && f->allow_auto)
            return true;
        if (f->type == FIELD_FLAG && v > 1)
            return fail(&d, &k, NULL, "is %" PRIu64 "; legal: 0, 1", v);
        return check_range(&d, &k, NULL, v);
    default:
        return fail(&d, &k, NULL, "is no number; legal: keys with integers, switches or names");
    }
}

const struct field *schema_find(const struct section *sec, const char *path, const struct section **owner)
{
    size_t len = segment_len(path);
    const struct field *f = sec->fields;
    const char *rest = path + len;

    while (f->key && (strlen(f->key) != len || strncmp(f->key, path, len) != 0))
        f++;
    if (!f->key)
        return NULL;
    if (f->type == FIELD_LIST)
        rest = skip_item(rest);
    else if (f->type == FIELD_U64S && *rest == '[')
        rest = skip_item(rest);
    if (*rest == '.' && f->sub)
        return schema_find(f->sub, rest + 1, owner);
    if (*rest)
        return NULL;
    if (owner)
        *owner = sec;
    return f;
}
