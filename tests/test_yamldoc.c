#include "base/hash.h"
#include "base/text.h"
#include "base/yamldoc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct arena arena;
static struct err err;

static void finish(void)
{
    err_finish(&err);
    arena_finish(&arena);
}

TestSuite(yamldoc, .fini = finish, .timeout = 120);

static struct ynode *parse(const char *s)
{
    return yaml_parse(&arena, "t.yaml", s, strlen(s), &err);
}

static struct ynode *parse_ok(const char *s)
{
    struct ynode *n = parse(s);
    char *text = err_render(&err, "t");

    cr_assert(n && !err_any(&err), "%s", text);
    free(text);
    return n;
}

static const char *text_at(const struct ynode *map, const char *key)
{
    struct ynode *n = yaml_get(map, key);

    return n && n->kind == YNODE_SCALAR ? n->text : NULL;
}

Test(yamldoc, a_tree_with_places)
{
    struct ynode *n = parse_ok("# head\nengine:\n  rows: 16\n  name: \"a b\"\nlist: [1, {k: v}]\n"), *e, *l;

    cr_assert_eq(n->kind, YNODE_MAP);
    cr_assert_eq(n->n, 2);
    cr_assert_str_eq(n->keys[1], "list");
    cr_assert_eq(n->key_at[1].line, 5);
    e = yaml_get(n, "engine");
    cr_assert_str_eq(text_at(e, "rows"), "16");
    cr_assert_eq(e->items[0]->at.line, 3);
    cr_assert_eq(e->items[0]->at.col, 9);
    cr_assert_eq(strncmp(e->items[0]->at.source, "  rows: 16\n", 11), 0);
    cr_assert_str_eq(e->items[0]->at.file, "t.yaml");
    cr_assert(!e->items[0]->quoted && e->items[1]->quoted);
    l = yaml_get(n, "list");
    cr_assert(l->kind == YNODE_LIST && l->n == 2);
    cr_assert_str_eq(text_at(l->items[1], "k"), "v");
    cr_assert_null(yaml_get(n, "rows"));
    cr_assert_null(yaml_get(NULL, "rows"));
    cr_assert_null(yaml_get(l, "rows"));
}

Test(yamldoc, null_and_nothing_are_texts)
{
    struct ynode *n = parse_ok("a: null\nb: ~\nc:\nd: ''\n");

    cr_assert_str_eq(text_at(n, "a"), "null");
    cr_assert_str_eq(text_at(n, "b"), "~");
    cr_assert_str_eq(text_at(n, "c"), "");
    cr_assert(!yaml_get(n, "c")->quoted && yaml_get(n, "d")->quoted);
}

Test(yamldoc, an_empty_document_is_an_empty_map)
{
    static const char *const texts[] = {"",      "\n\n",        "# only a remark\n",
                                        "---\n", "---\n...\n", "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ynode *n = parse_ok(texts[i]);

        cr_assert(n->kind == YNODE_MAP && n->n == 0, "'%s'", texts[i]);
        cr_assert_eq(n->at.line, 1);
    }
}

Test(yamldoc, a_byte_order_mark_does_not_move_columns)
{
    struct ynode *n = parse_ok("\xef\xbb\xbfk: v\n");

    cr_assert_eq(n->key_at[0].col, 1);
    cr_assert_eq(n->items[0]->at.col, 4);
}

Test(yamldoc, merge_keys)
{
    struct ynode *n = parse_ok("x-a: &a {p: 1, q: 1}\nx-b: &b {q: 2, r: 2}\n"
                               "one:\n  <<: *a\n  q: 9\nboth:\n  s: 3\n  <<: [*a, *b]\n"
                               "deep: {<<: {<<: *b, t: 4}}\n'<<': 5\n");
    struct ynode *one = yaml_get(n, "one"), *both = yaml_get(n, "both"), *deep = yaml_get(n, "deep");

    cr_assert_null(yaml_get(n, "x-a"));
    cr_assert_eq(n->n, 4); /* a quoted << is a key like any other */
    cr_assert_str_eq(text_at(one, "p"), "1");
    cr_assert_str_eq(text_at(one, "q"), "9");
    cr_assert_eq(one->n, 2);
    cr_assert_eq(yaml_get(one, "p")->at.line, 1); /* where it is written */
    cr_assert_str_eq(text_at(both, "q"), "1");
    cr_assert_str_eq(text_at(both, "r"), "2");
    cr_assert_str_eq(both->keys[0], "s");
    cr_assert_eq(both->n, 4);
    cr_assert_str_eq(text_at(deep, "r"), "2");
    cr_assert_str_eq(text_at(deep, "t"), "4");
}

Test(yamldoc, aliases_are_copies)
{
    struct ynode *n = parse_ok("a: &a {k: 1}\nb: *a\n");

    cr_assert(yaml_set(&arena, n, "b.k", "2", "command line", &err));
    cr_assert_str_eq(text_at(yaml_get(n, "a"), "k"), "1");
    cr_assert_str_eq(text_at(yaml_get(n, "b"), "k"), "2");
}

struct bad {
    const char *text;
    unsigned line, col;
    const char *says;
};

Test(yamldoc, errors_have_a_place_and_a_reason)
{
    static const struct bad cases[] = {
        {"a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key 'a'; it is already set in line 1"},
        {"m: {k: 1, j: 2,\n    k: 3}\n", 2, 5, "duplicate key 'k'; it is already set in line 1"},
        {"a:\n\tb: 1\n", 2, 1, "a tab is not legal there; indent with spaces"},
        {"a: 1\n? [x, y]\n: 2\n", 2, 3, "a key must be plain text, not a list"},
        {"? {x: y}\n: 2\n", 1, 3, "a key must be plain text, not a map"},
        {"a: 1\n---\nb: 2\n", 2, 1, "a second document"},
        {"a: [1, 2\nb: 3\n", 2, 2, "did not find expected ',' or ']'"},
        {"a: *none\n", 1, 4, "undefined alias"},
        {"a: &a [*a]\n", 1, 4, "an alias that contains itself"},
        {"a: \"x\\0y\"\n", 1, 4, "NUL"},
        {"\"x\\0y\": 1\n", 1, 1, "NUL"},
        {"a: !!int 5\n", 1, 4, "tag"},
        {"a: !mine {k: 1}\n", 1, 4, "tag"},
        {"x:\n  <<: 5\n", 2, 7, "'<<' can only merge"},
        {"x:\n  <<: [{a: 1}, b]\n", 2, 16, "'<<' can only merge"},
        {"x:\n  <<: {a: 1}\n  <<: {b: 1}\n", 3, 3, "duplicate key '<<'"},
        {"ok: 1\nbad: \xff\n", 2, 6, "not valid UTF-8"},
        {"ok: 1\nbad: \xe2\x82\n", 2, 7, "not valid UTF-8"},
        {"ok: \xc3\xa9\xc3\xa9 \x01\n", 1, 8, "control characters are not allowed (code 0x1)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bad *c = &cases[i];

        cr_assert_null(parse(c->text), "%s", c->text);
        cr_assert_eq(err.code, ERR_CONFIG);
        cr_assert(strstr(err.diags[0].text, c->says), "%s says: %s", c->text, err.diags[0].text);
        cr_assert(err.diags[0].at.line == c->line && err.diags[0].at.col == c->col, "%s at %u:%u: %s",
                  c->text, err.diags[0].at.line, err.diags[0].at.col, err.diags[0].text);
        err_finish(&err);
    }
}

Test(yamldoc, all_duplicates_are_reported)
{
    cr_assert_null(parse("a: 1\na: 2\na: 3\nb: {c: 1, c: 2}\n"));
    cr_assert_eq(err.n_diags, 3);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(strstr(err.diags[i].text, "duplicate key"));
}

Test(yamldoc, depth_and_visits_are_capped)
{
    struct text t = {0};

    text_add(&t, "x-0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for (int i = 1; i < 10; i++) {
        text_printf(&t, "x-%d: &x%d [", i, i);
        for (int k = 0; k < 10; k++)
            text_printf(&t, "%s*x%d", k ? ", " : "", i - 1);
        text_add(&t, "]\n");
    }
    cr_assert_null(parse(t.s));
    cr_assert_eq(err.n_diags, 1);
    cr_assert(strstr(err.diags[0].text, "too many values; at most 100000"));
    cr_assert_lt(arena.used_bytes, 64 << 20);
    err_finish(&err);
    text_finish(&t);

    cr_assert_null(parse("a: &a {b: *a, c: *a, d: [*a, *a], <<: *a}\n"));
    cr_assert_eq(err.n_diags, 1);
    err_finish(&err);

    for (int i = 0; i < 31; i++)
        text_add(&t, "[");
    for (int i = 0; i < 31; i++)
        text_add(&t, "]");
    cr_assert(parse(t.s), "31 lists are legal");
    text_finish(&t);
}

Test(yamldoc, hostile_nesting_is_quick)
{
    struct text t = {0};

    for (int i = 0; i < 1 << 20; i++)
        text_add(&t, "[");
    cr_assert_null(yaml_parse(&arena, "t", t.s, t.len, &err));
    cr_assert(err_any(&err));
    text_finish(&t);
}

Test(yamldoc, load_says_what_is_wrong_with_a_file)
{
    char path[] = "/tmp/test_yamldoc_XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    struct ynode *n;

    cr_assert_null(yaml_load(&arena, path, &err));
    cr_assert_eq(err.code, ERR_CONFIG);
    cr_assert(strstr(err.diags[0].text, "the file is empty"));
    err_finish(&err);

    fputs("k: 12\n", f);
    fflush(f);
    n = yaml_load(&arena, path, &err);
    cr_assert_str_eq(text_at(n, "k"), "12");
    cr_assert_str_eq(n->at.file, path);

    for (int i = 0; i < 70000; i++)
        fputs("# 0123456789012345678901234567890123456789012345678901234567\n", f);
    fclose(f);
    cr_assert_null(yaml_load(&arena, path, &err));
    cr_assert(strstr(err.diags[0].text, "too large; at most 4 MiB"));
    err_finish(&err);
    unlink(path);

    cr_assert_null(yaml_load(&arena, path, &err));
    cr_assert_eq(err.code, ERR_NOINPUT);
    cr_assert_str_eq(err.diags[0].at.file, path);
    err_finish(&err);
    cr_assert_null(yaml_load(&arena, "/", &err));
    cr_assert_eq(err.code, ERR_NOINPUT);
}

Test(yamldoc, settings)
{
    struct ynode *n = parse_ok("engine: {rows: 16}\nempty:\n"
                               "streams: [{name: in, ports: 2}, {name: out, ports: 1}]\n");
    struct ynode *s = yaml_get(n, "streams"), *rows;

    cr_assert(yaml_set(&arena, n, "engine.rows", "32", "command line", &err));
    rows = yaml_get(yaml_get(n, "engine"), "rows");
    cr_assert_str_eq(rows->text, "32");
    cr_assert_str_eq(rows->at.file, "command line");
    cr_assert_str_eq(rows->at.source, "engine.rows=32");
    cr_assert(rows->at.line == 1 && rows->at.col == 13);
    cr_assert_eq(yaml_get(n, "engine")->key_at[0].col, 8);

    cr_assert(yaml_set(&arena, n, "streams.1.ports", "4", "c", &err));
    cr_assert(yaml_set(&arena, n, "streams.in.ports", "8", "c", &err));
    cr_assert_str_eq(text_at(s->items[1], "ports"), "4");
    cr_assert_str_eq(text_at(s->items[0], "ports"), "8");
    cr_assert(yaml_set(&arena, n, "streams.0", "{name: new}", "c", &err));
    cr_assert_str_eq(text_at(s->items[0], "name"), "new");
    cr_assert_eq(s->items[0]->at.col, 11);
    cr_assert_eq(s->items[0]->items[0]->at.col, 18);

    cr_assert(yaml_set(&arena, n, "a.b.c", "200 MHz", "c", &err));
    cr_assert_str_eq(text_at(yaml_get(yaml_get(n, "a"), "b"), "c"), "200 MHz");
    cr_assert(yaml_set(&arena, n, "empty.k", "", "c", &err));
    cr_assert_str_eq(text_at(yaml_get(n, "empty"), "k"), "");
    cr_assert(yaml_set(&arena, n, "list", "[8, 16]", "c", &err));
    cr_assert_eq(yaml_get(n, "list")->n, 2);
    cr_assert(yaml_set(&arena, n, "quoted", "'7'", "c", &err));
    cr_assert(yaml_get(n, "quoted")->quoted);
    cr_assert(yaml_set(&arena, n, "map", "{}", "c", &err));
    cr_assert_eq(yaml_get(n, "map")->kind, YNODE_MAP);
    cr_assert_eq(n->n, 7);
}

Test(yamldoc, bad_settings)
{
    static const struct {
        const char *path, *value;
        unsigned col;
        const char *says;
    } cases[] = {
        {"engine.rows.x", "1", 13, "'x' cannot be set below a plain value ('16')"},
        {"streams.2.ports", "1", 9, "no item '2' in this list of 1"},
        {"streams.inn.ports", "1", 9, "no item 'inn'"},
        {"engine..rows", "1", 8, "is not a path"},
        {"", "1", 1, "is not a path"},
        {"engine.", "1", 8, "is not a path"},
        {"engine.rows", "[1", 13, ""},
        {"engine", "a: 1", 8, "write a list as [a, b] and a map as {a: 1, b: 2}"},
        {"engine", "- 1", 8, "write a list as"},
        {"engine", "a\n---\nb", 8, "second document"},
        {"engine", "{a: 1, a: 2}", 15, "duplicate key 'a'"},
        {"engine", "\xff", 8, "UTF-8"},
    };
    struct ynode *n = parse_ok("engine: {rows: 16}\nstreams: [{name: in, ports: 2}]\n");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert(!yaml_set(&arena, n, cases[i].path, cases[i].value, "command line", &err));
        cr_assert(strstr(err.diags[0].text, cases[i].says), "%s says: %s", cases[i].path, err.diags[0].text);
        cr_assert_eq(err.diags[0].at.line, 1);
        if (*cases[i].says)
            cr_assert_eq(err.diags[0].at.col, cases[i].col, "%s=%s at %u", cases[i].path, cases[i].value,
                         err.diags[0].at.col);
        err_finish(&err);
    }
    cr_assert_str_eq(text_at(yaml_get(n, "engine"), "rows"), "16");
}

static void walk(const struct ynode *n, unsigned *n_scalars)
{
    if (n->kind == YNODE_SCALAR)
        *n_scalars += strlen(n->text) < 1000;
    for (size_t i = 0; i < n->n; i++)
        walk(n->items[i], n_scalars);
}

static const char sample[] = "x-base: &b {rows: 16, clocks: {soc: 200 MHz}}\n"
                             "engine:\n  <<: *b\n  style: \"dot\"\n  modes: [{w: 8, a: 8}, {w: 4, a: 8}]\n"
                             "\xc3\xa9t\xc3\xa9: 'x'\nlong: >\n  one\n  two\n";

/* Random damage must end in a tree or in errors, never in a crash. */
Test(yamldoc, damaged_files)
{
    static const char bytes[] = "\0\t\n\r :-[]{}&*!|>'\"%@`#?,<ab01\xff\xc3\xe2\x85";
    struct rng r = {7};
    unsigned n_ok = 0, n_bad = 0, n_scalars = 0;

    for (int i = 0; i < 20000; i++) {
        char text[sizeof(sample)];
        size_t len = sizeof(sample) - 1;
        struct ynode *n;

        memcpy(text, sample, sizeof(sample));
        for (uint64_t k = 1 + rng_below(&r, 4); k > 0; k--)
            text[rng_below(&r, len)] = bytes[rng_below(&r, sizeof(bytes) - 1)];
        len -= rng_below(&r, 4) ? 0 : rng_below(&r, len);
        n = yaml_parse(&arena, "fuzz", text, len, &err);
        cr_assert((n == NULL) == err_any(&err));
        if (n)
            walk(n, &n_scalars);
        *(n ? &n_ok : &n_bad) += 1;
        free(err_render(&err, "t"));
        finish();
    }
    cr_assert(n_ok > 1000 && n_bad > 1000 && n_scalars > 5000, "%u %u %u", n_ok, n_bad, n_scalars);
}
