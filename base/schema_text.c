/* What a schema table says about itself and its values, as text. */
#include "base/arena.h"
#include "base/json.h"
#include "base/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines of canonical text, to be sorted. */
struct lines {
    char **v;
    size_t n, cap;
};

static void add_line(struct lines *ls, char *line)
{
    if (ls->n == ls->cap) {
        ls->cap = ls->cap ? ls->cap * 2 : 64;
        ls->v = xrealloc(ls->v, ls->cap, sizeof(*ls->v));
    }
    ls->v[ls->n++] = line;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_path(struct text *t, const char *path, const char *key)
{
    text_add(t, path);
    text_add(t, *path ? "." : "");
    text_add(t, key);
}

static bool all_zero(const void *p, size_t n)
{
    const unsigned char *b = p;

    for (size_t i = 0; i < n; i++)
        if (b[i])
            return false;
    return true;
}

/* Texts that could be taken for another value or another line are quoted. */
static void add_text_value(struct text *t, const char *s)
{
    struct json j;
    bool plain = s && *s && *s != '"';

    for (const char *p = s; plain && *p; p++)
        plain = (unsigned char)*p >= 0x20 && *p != 0x7f;
    if (plain) {
        text_add(t, s);
        return;
    }
    json_begin(&j, t);
    json_str(&j, NULL, s ? s : "");
}

static void add_integer(struct text *t, const struct field *f, uint64_t v)
{
    if (v == FIELD_AUTO) {
        text_add(t, schema_auto(f));
        return;
    }
    text_u64(t, v);
    text_add(t, f->type == FIELD_BYTES ? " B" : f->type == FIELD_HZ ? " Hz" : "");
}

static void add_u64s(struct text *t, const struct u64s *u)
{
    text_add(t, "[");
    for (size_t i = 0; i < u->n; i++)
        text_printf(t, "%s%" PRIu64, i ? ", " : "", u->v[i]);
    text_add(t, "]");
}

static void add_scalar(struct text *t, const struct field *f, const void *p)
{
    char buf[40];

    switch (f->type) {
    case FIELD_BOOL:
        text_add(t, *(const bool *)p ? "true" : "false");
        break;
    case FIELD_ENUM:
        text_add(t, f->names[*(const int *)p]);
        break;
    case FIELD_TEXT:
        add_text_value(t, *(const char *const *)p);
        break;
    case FIELD_REAL:
        text_add(t, text_real(*(const double *)p, buf, sizeof(buf)));
        break;
    case FIELD_U64S:
        add_u64s(t, p);
        break;
    default:
        add_integer(t, f, *(const uint64_t *)p);
    }
}

static void emit_section(const struct section *sec, const void *self, const char *path, struct lines *ls);

static void emit_list(const struct field *f, const struct list *l, struct text *path, struct lines *ls)
{
    size_t len = path->len;

    if (l->n == 0) {
        text_add(path, ": []");
        add_line(ls, path->s);
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        path->len = len;
        text_printf(path, "[%zu]", i);
        emit_section(f->sub, (const char *)l->items + i * f->sub->size, path->s, ls);
    }
    text_finish(path);
}

static bool may_be_none(const struct field *f)
{
    return f->type == FIELD_SECTION && f->def && strcmp(f->def, "none") == 0;
}

static void emit_field(const struct field *f, const void *p, const char *path, struct lines *ls)
{
    bool absent = may_be_none(f) && all_zero(p, f->sub->size);
    struct text t = {0};

    add_path(&t, path, f->key);
    if (f->type == FIELD_LIST) {
        emit_list(f, p, &t, ls);
        return;
    }
    if (f->type == FIELD_SECTION && !absent) {
        emit_section(f->sub, p, t.s, ls);
        text_finish(&t);
        return;
    }
    text_add(&t, ": ");
    if (absent)
        text_add(&t, "none");
    else
        add_scalar(&t, f, p);
    add_line(ls, t.s);
}

static void emit_section(const struct section *sec, const void *self, const char *path, struct lines *ls)
{
    for (const struct field *f = sec->fields; f->key; f++)
        emit_field(f, (const char *)self + f->offset, path, ls);
}

void schema_emit(const struct section *sec, const void *self, const char *path, struct text *out)
{
    struct lines ls = {0};

    emit_section(sec, self, path, &ls);
    if (ls.n)
        qsort(ls.v, ls.n, sizeof(*ls.v), by_bytes);
    for (size_t i = 0; i < ls.n; i++) {
        text_add(out, ls.v[i]);
        text_add(out, "\n");
        free(ls.v[i]);
    }
    free(ls.v);
}

static void add_bytes(struct text *out, uint64_t v)
{
    text_addn(out, (const char *)&v, sizeof v);
}

static void add_value_bytes(const struct field *f, const void *p, struct text *out)
{
    const struct list *l = p;
    const struct u64s *u = p;
    switch (f->type) {
    case FIELD_BOOL:
        add_bytes(out, *(const bool *)p);
        break;
    case FIELD_ENUM:
        add_bytes(out, (uint64_t)*(const int *)p);
        break;
    case FIELD_TEXT:
        text_add(out, *(const char *const *)p ? *(const char *const *)p : "");
        text_addn(out, "", 1);
        break;
    case FIELD_U64S:
        add_bytes(out, u->n);
        text_addn(out, (const char *)u->v, u->n * sizeof *u->v);
        break;
    case FIELD_SECTION:
        schema_program_bytes(f->sub, p, out);
        break;
    case FIELD_LIST:
        add_bytes(out, l->n);
        for (size_t i = 0; i < l->n; i++)
            schema_program_bytes(f->sub, (const char *)l->items + i * f->sub->size, out);
        break;
    default: /* integers and reals, eight bytes each */
        text_addn(out, p, sizeof(uint64_t));
    }
}

void schema_program_bytes(const struct section *sec, const void *self, struct text *out)
{
    for (const struct field *f = sec->fields; f->key; f++)
        if (!f->no_program)
            add_value_bytes(f, (const char *)self + f->offset, out);
}

static const char *type_name(const struct field *f)
{
    static const char *const names[] = {
        [FIELD_U64] = "integer",    [FIELD_BYTES] = "bytes", [FIELD_HZ] = "frequency",
        [FIELD_BOOL] = "bool",      [FIELD_FLAG] = "0 or 1", [FIELD_ENUM] = "one of",
        [FIELD_TEXT] = "text",      [FIELD_REAL] = "number", [FIELD_SECTION] = "section",
        [FIELD_LIST] = "list of sections", [FIELD_U64S] = "list of integers",
    };

    return names[f->type];
}

static void add_bound(struct text *t, const struct field *f, uint64_t v)
{
    char buf[32];

    if (f->type == FIELD_BYTES)
        text_add(t, text_bytes(v, buf, sizeof(buf)));
    else if (f->type == FIELD_HZ)
        text_add(t, text_hz(v, buf, sizeof(buf)));
    else
        text_printf(t, "%" PRIu64, v);
}

static void add_auto(struct text *t, const struct field *f)
{
    if (f->allow_auto)
        text_printf(t, " or %s", schema_auto(f));
}

/* "integer 1..1024 or auto", "one of os, ws, is". */
static void add_type(struct text *t, const struct field *f)
{
    text_add(t, type_name(f));
    for (size_t i = 0; f->type == FIELD_ENUM && f->names[i]; i++)
        text_printf(t, "%s%s", i ? ", " : " ", f->names[i]);
    if (f->type == FIELD_FLAG) {
        add_auto(t, f);
        return;
    }
    if (f->max != 0 && f->max != UINT64_MAX) {
        text_add(t, " ");
        add_bound(t, f, f->min);
        text_add(t, "..");
        add_bound(t, f, f->max);
    } else if (f->min) {
        text_add(t, " at least ");
        add_bound(t, f, f->min);
    }
    add_auto(t, f);
}

static const char *prov_name(enum prov prov)
{
    static const char *const names[] = {
        [PROV_CHOICE] = "free choice",   [PROV_RTL] = "RTL",           [PROV_MEASURED] = "measured",
        [PROV_DATASHEET] = "data sheet", [PROV_ESTIMATE] = "estimate", [PROV_ASSUMPTION] = "assumption",
    };

    return names[prov];
}

static const char *default_text(const struct field *f)
{
    if (f->def)
        return *f->def ? f->def : "\"\"";
    return f->type == FIELD_SECTION ? "(the defaults of its keys)" : "(required)";
}

void schema_explain(const struct field *f, const char *path, struct text *out)
{
    text_printf(out, "%s\n    %s\n    type: ", path, f->doc ? f->doc : "");
    add_type(out, f);
    if (f->unit)
        text_printf(out, "\n    unit: %s", f->unit);
    text_printf(out, "\n    default: %s\n    basis: %s%s%s\n", default_text(f), prov_name(f->prov),
                f->source ? ", " : "", f->source ? f->source : "");
    if (f->sub) {
        text_add(out, "    keys:");
        for (const struct field *k = f->sub->fields; k->key; k++)
            text_printf(out, "%s %s", k == f->sub->fields ? "" : ",", k->key);
        text_add(out, "\n");
    }
}

static void list_section(const struct section *sec, unsigned depth, struct text *out)
{
    for (const struct field *f = sec->fields; f->key; f++) {
        int indent = (int)(2 * depth), width = 26 - indent > 1 ? 26 - indent : 1;

        text_printf(out, "%*s%-*s ", indent, "", width, f->key);
        if (f->type == FIELD_SECTION)
            text_printf(out, "%s\n", f->doc ? f->doc : "");
        else
            text_printf(out, "%s [%s]\n", f->doc ? f->doc : "", default_text(f));
        if (f->sub)
            list_section(f->sub, depth + 1, out);
    }
}

void schema_list(const struct section *sec, const char *path, struct text *out)
{
    text_printf(out, "%s%s%s\n", *path ? path : sec->name, sec->doc ? "  " : "", sec->doc ? sec->doc : "");
    list_section(sec, 1, out);
}

static void json_section(struct json *j, const struct section *sec, const struct field *f, bool root);

/* "integer" with its bounds; JSON readers lose integers above 2^53. */
static void json_integer(struct json *j, const struct field *f)
{
    json_str(j, "type", "integer");
    json_u64(j, "minimum", f->type == FIELD_FLAG ? 0 : f->min);
    if (f->type == FIELD_FLAG)
        json_u64(j, "maximum", 1);
    else if (f->max != 0 && f->max <= (uint64_t)1 << 53)
        json_u64(j, "maximum", f->max);
}

static void json_with_unit(struct json *j, const struct field *f)
{
    const char *pattern = f->type == FIELD_BYTES ? "(0|[1-9][0-9]*) ?(B|KiB|MiB|GiB)"
                                                 : "(0|[1-9][0-9]*)(\\.[0-9]+)? ?(Hz|kHz|MHz|GHz)";
    char buf[80];

    if (f->allow_auto)
        snprintf(buf, sizeof(buf), "^(%s|%s)$", schema_auto(f), pattern);
    else
        snprintf(buf, sizeof(buf), "^%s$", pattern);
    json_str(j, "type", "string");
    json_str(j, "pattern", buf);
}

static void json_or_auto(struct json *j, const struct field *f)
{
    if (!f->allow_auto) {
        json_integer(j, f);
        return;
    }
    json_open(j, "anyOf", '[');
    json_open(j, NULL, '{');
    json_integer(j, f);
    json_close(j, '}');
    json_open(j, NULL, '{');
    json_str(j, "const", schema_auto(f));
    json_close(j, '}');
    json_close(j, ']');
}

static void json_names(struct json *j, const struct field *f)
{
    json_open(j, "enum", '[');
    for (size_t i = 0; f->names[i]; i++)
        json_str(j, NULL, f->names[i]);
    json_close(j, ']');
}

static void json_items(struct json *j, const struct field *f)
{
    json_str(j, "type", "array");
    json_open(j, "items", '{');
    if (f->type == FIELD_LIST)
        json_section(j, f->sub, NULL, false);
    else
        json_integer(j, f);
    json_close(j, '}');
}

/* A section that may be absent may also be written `none`. */
static void json_maybe_section(struct json *j, const struct field *f)
{
    if (!may_be_none(f)) {
        json_section(j, f->sub, f, false);
        return;
    }
    json_open(j, "anyOf", '[');
    json_open(j, NULL, '{');
    json_section(j, f->sub, NULL, false);
    json_close(j, '}');
    json_open(j, NULL, '{');
    json_str(j, "const", "none");
    json_close(j, '}');
    json_close(j, ']');
}

static void json_type(struct json *j, const struct field *f)
{
    switch (f->type) {
    case FIELD_U64:
    case FIELD_FLAG:
        json_or_auto(j, f);
        break;
    case FIELD_BYTES:
    case FIELD_HZ:
        json_with_unit(j, f);
        break;
    case FIELD_BOOL:
        json_str(j, "type", "boolean");
        break;
    case FIELD_REAL:
        json_str(j, "type", "number");
        break;
    case FIELD_ENUM:
        json_names(j, f);
        break;
    case FIELD_TEXT:
        json_str(j, "type", "string");
        break;
    case FIELD_SECTION:
        json_maybe_section(j, f);
        break;
    case FIELD_LIST:
    case FIELD_U64S:
        json_items(j, f);
        break;
    }
}

static void json_u64s_default(struct json *j, const char *def)
{
    struct arena a = {0};
    struct err err = {0};
    const struct ynode *n = yaml_parse(&a, "default", def, strlen(def), &err);
    const char *why;
    char buf[128];
    uint64_t v;

    json_open(j, "default", '[');
    for (size_t i = 0; n && i < n->n; i++)
        if (n->items[i]->kind == YNODE_SCALAR
            && text_parse_u64(n->items[i]->text, UNIT_NONE, &v, buf, sizeof(buf), &why))
            json_u64(j, NULL, v);
    json_close(j, ']');
    err_finish(&err);
    arena_finish(&a);
}

static void json_default(struct json *j, const struct field *f)
{
    const char *why;
    char buf[128];
    uint64_t v;
    double real;

    if (!f->def)
        return;
    if (f->type == FIELD_U64S || (f->type == FIELD_LIST && strcmp(f->def, "[]") == 0))
        json_u64s_default(j, f->def);
    else if (f->type == FIELD_BOOL)
        json_bool(j, "default", strcmp(f->def, "true") == 0);
    else if (f->type == FIELD_REAL && text_parse_real(f->def, &real))
        json_real(j, "default", real);
    else if ((f->type == FIELD_U64 || f->type == FIELD_FLAG)
             && text_parse_u64(f->def, UNIT_NONE, &v, buf, sizeof(buf), &why))
        json_u64(j, "default", v);
    else if (f->type != FIELD_LIST && (f->type != FIELD_SECTION || may_be_none(f)))
        json_str(j, "default", f->def);
}

/* `f` is the key that holds the section, NULL for a list item or the root:
 * its own line of documentation is nearer to the reader than the section's. */
static void json_section(struct json *j, const struct section *sec, const struct field *f, bool root)
{
    json_str(j, "type", "object");
    if (!f && sec->doc)
        json_str(j, "description", sec->doc);
    json_open(j, "properties", '{');
    for (const struct field *k = sec->fields; k->key; k++) {
        json_open(j, k->key, '{');
        json_type(j, k);
        if (k->doc)
            json_str(j, "description", k->doc);
        json_default(j, k);
        json_close(j, '}');
    }
    json_close(j, '}');
    if (root) { /* the home of anchors */
        json_open(j, "patternProperties", '{');
        json_open(j, "^x-", '{');
        json_close(j, '}');
        json_close(j, '}');
    }
    json_bool(j, "additionalProperties", false);
    json_open(j, "required", '[');
    for (const struct field *k = sec->fields; k->key; k++)
        if (!k->def && k->type != FIELD_SECTION)
            json_str(j, NULL, k->key);
    json_close(j, ']');
}

void schema_json(const struct section *sec, struct text *out)
{
    struct json j;

    json_begin(&j, out);
    json_open(&j, NULL, '{');
    json_str(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_str(&j, "title", sec->name);
    json_section(&j, sec, NULL, true);
    json_close(&j, '}');
    text_add(out, "\n");
}
