#include "base/yamldoc.h"
#include "base/yamlset.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* One input being turned into nodes. */
struct build {
    struct arena *a;
    struct err *err;
    yaml_document_t *doc;
    const char *name;
    const char **lines; /* start of every line of the arena copy; NULL for yaml_set */
    size_t n_lines;
    const char *setting; /* yaml_set: "path=value", the source line of every place */
    unsigned value_col;  /* yaml_set: 0-based column of the value in it */
    size_t n_visits;
};

/* Bytes of the line break at s as libyaml sees it (CR LF is one break), 0 for none. */
static size_t break_len(const char *s)
{
    if (s[0] == '\r' && s[1] == '\n')
        return 2;
    if (s[0] == '\r' || s[0] == '\n')
        return 1;
    if (strncmp(s, "\xc2\x85", 2) == 0)
        return 2;
    return strncmp(s, "\xe2\x80\xa8", 3) == 0 || strncmp(s, "\xe2\x80\xa9", 3) == 0 ? 3 : 0;
}

/* Fills `lines` when not NULL; returns the number of lines. */
static size_t split_lines(const char *s, const char **lines)
{
    size_t n = 0, b;

    if (lines)
        lines[n] = s;
    for (n = 1; *s; s += b ? b : 1) {
        b = break_len(s);
        if (b && lines)
            lines[n] = s + b;
        n += b > 0;
    }
    return n;
}

static struct place place_at(const struct build *b, yaml_mark_t mark)
{
    size_t line = mark.line < b->n_lines ? mark.line : b->n_lines - 1;

    if (b->setting)
        return (struct place){b->name, b->setting, 1, b->value_col + (unsigned)mark.column + 1};
    return (struct place){b->name, b->lines[line], (unsigned)line + 1, (unsigned)mark.column + 1};
}

__attribute__((format(printf, 3, 4))) static bool fail(struct build *b, const struct place *at,
                                                       const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_add(b->err, ERR_CONFIG, at, "%s", text);
}

static struct ynode *build_node(struct build *b, int id, unsigned depth);

static struct ynode *build_scalar(struct build *b, const yaml_node_t *y, struct ynode *n)
{
    const char *s = (const char *)y->data.scalar.value;

    if (strlen(s) != y->data.scalar.length) {
        fail(b, &n->at, "a NUL character in a value is not legal");
        return NULL;
    }
    n->kind = YNODE_SCALAR;
    n->text = arena_strndup(b->a, s, y->data.scalar.length);
    n->quoted = y->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return n;
}

static struct ynode *build_list(struct build *b, const yaml_node_t *y, struct ynode *n, unsigned depth)
{
    size_t count = (size_t)(y->data.sequence.items.top - y->data.sequence.items.start);

    n->kind = YNODE_LIST;
    n->items = ARENA_NEW(b->a, struct ynode *, count);
    for (size_t i = 0; i < count; i++) {
        struct ynode *item = build_node(b, y->data.sequence.items.start[i], depth + 1);

        if (!item)
            return NULL;
        n->items[n->n++] = item;
    }
    return n;
}

/* A map entry on its way into a node: explicit ones first, then merged ones. */
struct entry {
    const char *key;
    struct place key_at;
    struct ynode *value;
    size_t index;
    bool merged, dropped;
};
struct entries {
    struct entry *v;
    size_t n, cap;
};

static void add_entry(struct entries *es, struct entry e)
{
    if (es->n == es->cap) {
        es->cap = es->cap ? es->cap * 2 : 16;
        es->v = xrealloc(es->v, es->cap, sizeof(*es->v));
    }
    e.index = es->n;
    es->v[es->n++] = e;
}

static int by_key(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int c = strcmp(a->key, b->key);

    return c ? c : a->index < b->index ? -1 : a->index > b->index;
}

static int by_index(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;

    return a->index < b->index ? -1 : a->index > b->index;
}

/* Marks what an earlier entry hides; two explicit entries are an error. */
static bool resolve_duplicates(struct build *b, struct entries *es)
{
    const struct entry *first = NULL;
    bool ok = true;

    if (es->n == 0)
        return true;
    qsort(es->v, es->n, sizeof(*es->v), by_key);
    for (size_t i = 0; i < es->n; i++) {
        struct entry *e = &es->v[i];

        if (!first || strcmp(first->key, e->key) != 0) {
            first = e;
            continue;
        }
        e->dropped = true;
        if (!e->merged)
            ok = fail(b, &e->key_at, "duplicate key '%s'; it is already set in line %u", e->key,
                      first->key_at.line);
    }
    qsort(es->v, es->n, sizeof(*es->v), by_index);
    return ok;
}

static bool merge_map(struct build *b, struct entries *es, const struct ynode *map)
{
    if (map->kind != YNODE_MAP)
        return fail(b, &map->at, "'<<' can only merge a map or a list of maps");
    for (size_t i = 0; i < map->n; i++) {
        struct entry e = {.key = map->keys[i], .key_at = map->key_at[i], .value = map->items[i]};

        e.merged = true;
        add_entry(es, e);
    }
    return true;
}

static bool merge(struct build *b, struct entries *es, const struct ynode *from)
{
    bool ok = true;

    if (from->kind != YNODE_LIST)
        return merge_map(b, es, from);
    for (size_t i = 0; i < from->n; i++)
        ok &= merge_map(b, es, from->items[i]);
    return ok;
}

static bool collect_pair(struct build *b, const yaml_node_pair_t *pair, struct entries *es, unsigned depth)
{
    const yaml_node_t *k = yaml_document_get_node(b->doc, pair->key);
    struct entry e = {.key_at = place_at(b, k->start_mark)};

    if (k->type != YAML_SCALAR_NODE)
        return fail(b, &e.key_at, "a key must be plain text, not a %s",
                    k->type == YAML_MAPPING_NODE ? "map" : "list");
    if (strlen((const char *)k->data.scalar.value) != k->data.scalar.length)
        return fail(b, &e.key_at, "a NUL character in a key is not legal");
    e.key = arena_strndup(b->a, (const char *)k->data.scalar.value, k->data.scalar.length);
    e.value = build_node(b, pair->value, depth + 1);
    if (!e.value)
        return false;
    add_entry(es, e);
    return true;
}

static bool is_merge_key(const struct build *b, int id)
{
    const yaml_node_t *k = yaml_document_get_node(b->doc, id);

    return k->type == YAML_SCALAR_NODE && k->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
        && strcmp((const char *)k->data.scalar.value, "<<") == 0;
}

/* Explicit entries first, so that they win whatever the place of `<<`. */
static bool collect_entries(struct build *b, const yaml_node_t *y, struct entries *es, unsigned depth)
{
    const yaml_node_pair_t *end = y->data.mapping.pairs.top, *merging = NULL;
    struct ynode *from;
    struct place at;
    bool ok = true;

    for (const yaml_node_pair_t *p = y->data.mapping.pairs.start; p < end; p++) {
        if (!is_merge_key(b, p->key)) {
            ok &= collect_pair(b, p, es, depth);
        } else if (merging) {
            at = place_at(b, yaml_document_get_node(b->doc, p->key)->start_mark);
            ok = fail(b, &at, "duplicate key '<<'; write one with a list of maps");
        } else {
            merging = p;
        }
        if (b->n_visits > YAML_MAX_NODES)
            return false;
    }
    if (!merging)
        return ok;
    from = build_node(b, merging->value, depth + 1);
    return from && merge(b, es, from) && ok;
}

static struct ynode *build_map(struct build *b, const yaml_node_t *y, struct ynode *n, unsigned depth)
{
    struct entries es = {0};
    bool ok = collect_entries(b, y, &es, depth);

    ok = resolve_duplicates(b, &es) && ok;
    n->kind = YNODE_MAP;
    n->items = ARENA_NEW(b->a, struct ynode *, es.n);
    n->keys = ARENA_NEW(b->a, const char *, es.n);
    n->key_at = ARENA_NEW(b->a, struct place, es.n);
    for (size_t i = 0; i < es.n; i++) {
        bool home_of_anchors = depth == 0 && !b->setting && strncmp(es.v[i].key, "x-", 2) == 0;

        if (es.v[i].dropped || home_of_anchors)
            continue;
        n->items[n->n] = es.v[i].value;
        n->keys[n->n] = es.v[i].key;
        n->key_at[n->n++] = es.v[i].key_at;
    }
    free(es.v);
    return ok ? n : NULL;
}

static bool has_own_tag(const yaml_node_t *y)
{
    const char *usual = y->type == YAML_SCALAR_NODE   ? YAML_STR_TAG
                      : y->type == YAML_SEQUENCE_NODE ? YAML_SEQ_TAG
                                                      : YAML_MAP_TAG;

    return y->tag && strcmp((const char *)y->tag, usual) != 0;
}

static struct ynode *build_node(struct build *b, int id, unsigned depth)
{
    const yaml_node_t *y = yaml_document_get_node(b->doc, id);
    struct ynode *n = ARENA_NEW(b->a, struct ynode, 1);

    n->at = place_at(b, y->start_mark);
    if (++b->n_visits > YAML_MAX_NODES) {
        if (b->n_visits == YAML_MAX_NODES + 1)
            fail(b, &n->at, "too many values; at most %d are legal, aliases counted each time",
                 YAML_MAX_NODES);
        return NULL;
    }
    if (depth >= YAML_MAX_DEPTH) {
        fail(b, &n->at, "nested too deeply (an alias that contains itself?); at most %d levels are legal",
             YAML_MAX_DEPTH);
        b->n_visits = YAML_MAX_NODES + 1; /* stop: a cycle with branches would report this 2^32 times */
        return NULL;
    }
    if (has_own_tag(y)) {
        fail(b, &n->at, "a tag ('%s') is not legal here; write the plain value", (const char *)y->tag);
        return NULL;
    }
    if (y->type == YAML_SCALAR_NODE)
        return build_scalar(b, y, n);
    return y->type == YAML_SEQUENCE_NODE ? build_list(b, y, n, depth) : build_map(b, y, n, depth);
}

/* libyaml gives a byte offset, not a mark, for bytes that are no characters. */
static bool reader_error(struct build *b, const yaml_parser_t *parser, const char *text)
{
    size_t line = 0, col = 1;
    struct place at;

    while (line + 1 < b->n_lines && (size_t)(b->lines[line + 1] - text) <= parser->problem_offset)
        line++;
    for (const char *p = b->lines[line]; *p && p < text + parser->problem_offset; p++)
        col += ((unsigned char)*p & 0xc0) != 0x80;
    at = (struct place){b->name, b->lines[line], (unsigned)line + 1, (unsigned)col};
    if (b->setting)
        at = (struct place){b->name, b->setting, 1, b->value_col + 1};
    if (parser->problem_value == -1)
        return fail(b, &at, "not valid UTF-8: %s", parser->problem);
    return fail(b, &at, "%s%s (code 0x%x)", strstr(parser->problem, "UTF-8") ? "not valid UTF-8: " : "",
                parser->problem, (unsigned)parser->problem_value);
}

/* The character that a mark points to; '\0' past the end of its line. */
static char char_at(const struct build *b, yaml_mark_t mark)
{
    const char *s = mark.line < b->n_lines ? b->lines[mark.line] : "";

    for (size_t c = 0; *s && !break_len(s) && c < mark.column; c++)
        for (s++; ((unsigned char)*s & 0xc0) == 0x80;)
            s++;
    return *s;
}

static bool syntax_error(struct build *b, const yaml_parser_t *parser, const char *text)
{
    struct place at;

    if (parser->error == YAML_READER_ERROR)
        return reader_error(b, parser, text);
    if (parser->error == YAML_MEMORY_ERROR)
        return err_add(b->err, ERR_SOFTWARE, NULL, "out of memory while parsing %s", b->name);
    at = place_at(b, parser->problem_mark);
    if (char_at(b, parser->problem_mark) == '\t')
        return fail(b, &at, "a tab is not legal there; indent with spaces");
    if (parser->context && parser->context_mark.line != parser->problem_mark.line && !b->setting)
        return fail(b, &at, "%s (%s in line %zu)", parser->problem, parser->context,
                    parser->context_mark.line + 1);
    if (parser->context)
        return fail(b, &at, "%s (%s)", parser->problem, parser->context);
    return fail(b, &at, "%s", parser->problem);
}

/* An empty document is an empty map, an empty setting an empty text. */
static struct ynode *empty_root(struct build *b)
{
    struct ynode *n = ARENA_NEW(b->a, struct ynode, 1);

    n->kind = b->setting ? YNODE_SCALAR : YNODE_MAP;
    n->text = "";
    n->at = place_at(b, (yaml_mark_t){0});
    return n;
}

bool yaml_is_empty(const struct ynode *n)
{
    return n->kind == YNODE_SCALAR && !n->quoted && !*n->text;
}

static bool check_style(struct build *b, const yaml_node_t *y)
{
    struct place at = place_at(b, y->start_mark);

    if (!b->setting)
        return true;
    if ((y->type == YAML_MAPPING_NODE && y->data.mapping.style == YAML_BLOCK_MAPPING_STYLE)
        || (y->type == YAML_SEQUENCE_NODE && y->data.sequence.style == YAML_BLOCK_SEQUENCE_STYLE))
        return fail(b, &at, "write a list as [a, b] and a map as {a: 1, b: 2}");
    return true;
}

static struct ynode *build_root(struct build *b, yaml_document_t *doc)
{
    const yaml_node_t *root = yaml_document_get_root_node(doc);
    struct ynode *n;

    b->doc = doc;
    if (root && !check_style(b, root))
        return NULL;
    n = root ? build_node(b, 1, 0) : empty_root(b);
    return n && yaml_is_empty(n) ? empty_root(b) : n;
}

/* Costs of libyaml that grow with the square of the input are cut off before
 * the document is loaded: depth (simple keys) and anchors (linear search). */
enum { MAX_ANCHORS = 1000 };

struct survey {
    unsigned depth, n_documents, n_anchors;
};

static bool has_anchor(const yaml_event_t *ev)
{
    return (ev->type == YAML_SCALAR_EVENT && ev->data.scalar.anchor)
        || (ev->type == YAML_SEQUENCE_START_EVENT && ev->data.sequence_start.anchor)
        || (ev->type == YAML_MAPPING_START_EVENT && ev->data.mapping_start.anchor);
}

static bool survey_event(struct build *b, struct survey *s, const yaml_event_t *ev)
{
    struct place at = place_at(b, ev->start_mark);

    if (ev->type == YAML_SEQUENCE_START_EVENT || ev->type == YAML_MAPPING_START_EVENT)
        s->depth++;
    if (ev->type == YAML_SEQUENCE_END_EVENT || ev->type == YAML_MAPPING_END_EVENT)
        s->depth--;
    s->n_documents += ev->type == YAML_DOCUMENT_START_EVENT;
    s->n_anchors += has_anchor(ev);
    if (s->depth > YAML_MAX_DEPTH)
        return fail(b, &at, "nested too deeply; at most %d levels are legal", YAML_MAX_DEPTH);
    if (s->n_anchors > MAX_ANCHORS)
        return fail(b, &at, "too many anchors; at most %d are legal", MAX_ANCHORS);
    if (s->n_documents > 1)
        return fail(b, &at, "a second document is not legal; split the file at '---'");
    return true;
}

static bool start_parser(struct build *b, yaml_parser_t *parser, const char *text, size_t len)
{
    if (!yaml_parser_initialize(parser))
        return err_add(b->err, ERR_SOFTWARE, NULL, "out of memory while parsing %s", b->name);
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
    return true;
}

/* Syntax, limits and the number of documents of the whole input. */
static bool survey(struct build *b, const char *text, size_t len)
{
    yaml_parser_t parser;
    yaml_event_t ev = {0};
    struct survey s = {0};
    bool ok = start_parser(b, &parser, text, len);

    if (!ok)
        return false;
    while (ok && ev.type != YAML_STREAM_END_EVENT) {
        yaml_event_delete(&ev);
        ok = yaml_parser_parse(&parser, &ev) ? survey_event(b, &s, &ev) : syntax_error(b, &parser, text);
    }
    yaml_event_delete(&ev);
    yaml_parser_delete(&parser);
    return ok;
}

static struct ynode *parse_text(struct build *b, const char *text, size_t len)
{
    struct ynode *n = NULL;
    yaml_parser_t parser;
    yaml_document_t doc;

    b->n_lines = split_lines(text, NULL);
    b->lines = ARENA_NEW(b->a, const char *, b->n_lines);
    split_lines(text, b->lines);
    if (!survey(b, text, len) || !start_parser(b, &parser, text, len))
        return NULL;
    if (yaml_parser_load(&parser, &doc)) {
        n = build_root(b, &doc);
        yaml_document_delete(&doc);
    } else {
        syntax_error(b, &parser, text);
    }
    yaml_parser_delete(&parser);
    return n;
}

struct ynode *yaml_parse_setting(struct arena *a, const char *setting, const char *value, const char *name,
                                 struct err *err)
{
    struct build b = {.a = a, .err = err, .name = name, .setting = setting};

    b.value_col = (unsigned)(value - setting);
    return parse_text(&b, value, strlen(value));
}

struct ynode *yaml_parse(struct arena *a, const char *name, const char *text, size_t len, struct err *err)
{
    struct build b = {.a = a, .err = err, .name = arena_strdup(a, name)};
    struct place at = {.file = b.name};

    if (len > YAML_MAX_BYTES) {
        fail(&b, &at, "the file is too large; at most %d MiB are legal", YAML_MAX_BYTES >> 20);
        return NULL;
    }
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
        text += 3;
        len -= 3;
    }
    return parse_text(&b, arena_strndup(a, text, len), len);
}

struct ynode *yaml_load_from(struct arena *a, const char *path, const struct place *from, struct err *err)
{
    struct place at = {.file = path};
    struct ynode *n = NULL;
    FILE *f = fopen(path, "rb");
    char *buf;
    size_t len;

    if (!f && from)
        err_add(err, ERR_NOINPUT, from, "`%s` cannot be opened: %s", path, strerror(errno));
    else if (!f)
        err_add(err, ERR_NOINPUT, &at, "cannot be opened: %s", strerror(errno));
    if (!f)
        return NULL;
    buf = xrealloc(NULL, YAML_MAX_BYTES + 1, 1);
    len = fread(buf, 1, YAML_MAX_BYTES + 1, f);
    if (ferror(f))
        err_add(err, ERR_NOINPUT, &at, "cannot be read: %s", strerror(errno));
    else if (len == 0)
        err_add(err, ERR_CONFIG, &at, "the file is empty");
    else
        n = yaml_parse(a, path, buf, len, err);
    free(buf);
    fclose(f);
    return n;
}

struct ynode *yaml_load(struct arena *a, const char *path, struct err *err)
{
    return yaml_load_from(a, path, NULL, err);
}

const struct place *yaml_place(const struct ynode *map, const char *key)
{
    const struct ynode *value = yaml_get(map, key);
    return value ? &value->at : &map->at;
}

struct ynode *yaml_get(const struct ynode *map, const char *key)
{
    for (size_t i = 0; map && map->kind == YNODE_MAP && i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}
