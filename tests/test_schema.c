#include "base/schema.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    const char *name;
    uint64_t ports;
};
struct side_unit {
    uint64_t lanes;
    int update;
};
struct engine {
    uint64_t rows, cols, spare;
    int dataflow;
};
struct machine {
    struct engine engine;
    struct side_unit unit;
    struct list streams, extra;
    uint64_t bytes, cache, soc_hz, bus_hz, gated, big;
    bool fast;
    const char *label;
    double volts;
    struct u64s widths;
};

static const char *const dataflows[] = {"os", "ws", "is", NULL};
static const char *const updates[] = {"token", "chunk", NULL};

#define AT(member) .offset = offsetof(struct stream, member)
static const struct field stream_fields[] = {
    {.key = "name", .type = FIELD_TEXT, AT(name), .doc = "Name."},
    {.key = "ports", .type = FIELD_U64, AT(ports), .def = "1", .min = 1, .max = 4},
    {0},
};
#undef AT
static const struct section stream_section = {
    "stream", "One stream.", sizeof(struct stream), stream_fields, NULL,
};

#define AT(member) .offset = offsetof(struct side_unit, member)
static const struct field unit_fields[] = {
    {.key = "lanes", .type = FIELD_U64, AT(lanes), .def = "16", .min = 1, .max = 64},
    {.key = "update", .type = FIELD_ENUM, AT(update), .def = "chunk", .names = updates},
    {0},
};
#undef AT
static const struct section unit_section = {
    "unit", "Optional unit.", sizeof(struct side_unit), unit_fields, NULL,
};

static bool check_engine(const void *self, const struct ynode *node, struct err *err)
{
    const struct engine *e = self;

    if (e->rows * e->cols <= 4096)
        return true;
    return err_add(err, ERR_CONFIG, &node->at, "rows x cols is %lu; legal: up to 4096", e->rows * e->cols);
}

#define AT(member) .offset = offsetof(struct engine, member)
static const struct field engine_fields[] = {
    {.key = "rows", .type = FIELD_U64, AT(rows), .def = "16", .min = 1, .max = 1024, .unit = "elements",
     .doc = "Rows of the array.", .prov = PROV_RTL, .source = "ITA"},
    {.key = "cols", .type = FIELD_U64, AT(cols), .def = "16", .min = 1, .max = 1024},
    {.key = "spare", .type = FIELD_U64, AT(spare), .def = "auto", .max = 9, .allow_auto = true},
    {.key = "dataflow", .type = FIELD_ENUM, AT(dataflow), .def = "os", .names = dataflows},
    {0},
};
#undef AT
static const struct section engine_section = {"engine", "The array.", sizeof(struct engine), engine_fields,
                                              check_engine};

#define AT(member) .offset = offsetof(struct machine, member)
static const struct field machine_fields[] = {
    {.key = "engine", .type = FIELD_SECTION, AT(engine), .sub = &engine_section, .doc = "The array."},
    {.key = "unit", .type = FIELD_SECTION, AT(unit), .def = "none", .sub = &unit_section},
    {.key = "streams", .type = FIELD_LIST, AT(streams), .sub = &stream_section, .doc = "Streams."},
    {.key = "extra", .type = FIELD_LIST, AT(extra), .def = "[]", .sub = &stream_section},
    {.key = "bytes", .type = FIELD_BYTES, AT(bytes), .def = "64 KiB", .min = 64, .max = 1 << 20},
    {.key = "cache", .type = FIELD_BYTES, AT(cache), .def = "auto", .allow_auto = true},
    {.key = "soc", .type = FIELD_HZ, AT(soc_hz), .min = 1000000},
    {.key = "bus", .type = FIELD_HZ, AT(bus_hz), .def = "auto", .allow_auto = true},
    {.key = "gated", .type = FIELD_FLAG, AT(gated), .def = "auto", .allow_auto = true},
    {.key = "big", .type = FIELD_U64, AT(big), .def = "0"},
    {.key = "fast", .type = FIELD_BOOL, AT(fast), .def = "true"},
    {.key = "label", .type = FIELD_TEXT, AT(label), .def = ""},
    {.key = "volts", .type = FIELD_REAL, AT(volts), .def = "0.8"},
    {.key = "widths", .type = FIELD_U64S, AT(widths), .def = "[8, 4]", .min = 2, .max = 32},
    {0},
};
static const struct section machine_section = {
    "machine", "All of it.", sizeof(struct machine), machine_fields, NULL,
};

static struct arena arena;
static struct err err;
static struct machine m;

static void finish(void)
{
    err_finish(&err);
    arena_finish(&arena);
}

TestSuite(schema, .fini = finish);

static bool decode(const char *s)
{
    struct ynode *n = yaml_parse(&arena, "m.yaml", s, strlen(s), &err);

    cr_assert(n, "%s", s);
    memset(&m, 0xa5, sizeof(m));
    return schema_decode(&arena, &machine_section, n, "arch", &m, &err);
}

static void decode_ok(const char *s)
{
    bool ok = decode(s);
    char *text = err_render(&err, "t");

    cr_assert(ok && !err_any(&err), "%s", text);
    free(text);
}

Test(schema, defaults)
{
    decode_ok("soc: 200 MHz\nstreams: []\n");
    cr_assert(m.engine.rows == 16 && m.engine.cols == 16 && m.engine.dataflow == 0);
    cr_assert(m.engine.spare == FIELD_AUTO && m.cache == FIELD_AUTO && m.bus_hz == FIELD_AUTO);
    cr_assert(m.gated == FIELD_AUTO);
    cr_assert(m.unit.lanes == 0 && m.unit.update == 0, "an absent optional section stays zero");
    cr_assert(m.streams.n == 0 && m.extra.n == 0);
    cr_assert(m.bytes == 65536 && m.soc_hz == 200000000 && m.fast);
    cr_assert_str_eq(m.label, "");
    cr_assert_eq(m.volts, 0.8);
    cr_assert(m.widths.n == 2 && m.widths.v[0] == 8 && m.widths.v[1] == 4);
}

static const char full[] = "engine: {rows: 32, cols: 8, spare: 3, dataflow: is}\nunit: {lanes: 4}\n"
                           "streams: [{name: in, ports: 2}, {name: 'out'}]\nextra: [{name: x}]\n"
                           "bytes: 1 MiB\ncache: 3 KiB\nsoc: 333.3 MHz\nbus: 100MHz\ngated: 1\n"
                           "big: 18446744073709551614\nfast: false\nlabel: a b\nvolts: 1e-3\nwidths: [2]\n";

Test(schema, everything_set)
{
    const struct stream *s;

    decode_ok(full);
    s = m.streams.items;
    cr_assert(m.engine.rows == 32 && m.engine.cols == 8 && m.engine.spare == 3 && m.engine.dataflow == 2);
    cr_assert(m.unit.lanes == 4 && m.unit.update == 1);
    cr_assert(m.streams.n == 2 && s[0].ports == 2 && s[1].ports == 1);
    cr_assert_str_eq(s[1].name, "out");
    cr_assert(m.extra.n == 1 && m.bytes == 1 << 20 && m.cache == 3072 && m.soc_hz == 333300000);
    cr_assert(m.bus_hz == 100000000 && m.gated == 1 && m.big == UINT64_MAX - 1 && !m.fast);
    cr_assert_str_eq(m.label, "a b");
    cr_assert(m.volts == 1e-3 && m.widths.n == 1 && m.widths.v[0] == 2);
}

Test(schema, sections_may_be_empty_or_none)
{
    decode_ok("soc: 1 GHz\nstreams: []\nengine:\nunit: none\n");
    cr_assert(m.engine.rows == 16 && m.unit.lanes == 0);
    decode_ok("soc: 1 GHz\nstreams: []\nunit:\n");
    cr_assert_eq(m.unit.lanes, 16);
}

struct bad {
    const char *yaml; /* after "streams: []\nsoc: 200 MHz\n" */
    unsigned line, col;
    const char *text;
};

static const struct bad bad_cases[] = {
    {"engine: {rowz: 1}", 3, 10,
     "unknown key 'rowz' in arch.engine; legal keys: rows, cols, spare, dataflow (did you mean 'rows'?)"},
    {"engine: {zzz: 1}", 3, 10, "unknown key 'zzz' in arch.engine; legal keys: rows, cols, spare, dataflow"},
    {"byts: 1", 3, 1, "unknown key 'byts' in arch (did you mean 'bytes'?)"},
    {"zzzzz: 1", 3, 1, "unknown key 'zzzzz' in arch; see `retsim explain arch`"},
    {"engine: {rows: 3000}", 3, 16, "arch.engine.rows is 3000; legal: 1..1024"},
    {"engine: {rows: 0}", 3, 16, "arch.engine.rows is 0; legal: 1..1024"},
    {"engine: {spare: 10}", 3, 17, "arch.engine.spare is 10; legal: 0..9 or auto"},
    {"engine: {rows: auto}", 3, 16,
     "arch.engine.rows is 'auto': it is not a number; write a decimal integer such as 16"},
    {"engine: {spare: x}", 3, 17,
     "arch.engine.spare is 'x': it is not a number; write a decimal integer such as 16 or auto"},
    {"engine: {rows: '16'}", 3, 16, "arch.engine.rows is the quoted text '16'; write it without quotes"},
    {"engine: {rows: 010}", 3, 16,
     "arch.engine.rows is '010': leading zeros (octal?) are not legal; write a decimal integer such as 16"},
    {"engine: {rows: 8 KiB}", 3, 16,
     "arch.engine.rows is '8 KiB': 'KiB' does not belong there; write a plain integer such as 8"},
    {"engine: {rows: [1]}", 3, 16, "arch.engine.rows is a list; expected an integer"},
    {"engine: {rows: {a: 1}}", 3, 16, "arch.engine.rows is a map; expected an integer"},
    {"engine: {rows: }", 3, 16, "arch.engine.rows is empty; expected an integer"},
    {"engine: {dataflow: ox}", 3, 20, "arch.engine.dataflow is 'ox'; legal: os, ws, is (did you mean 'os'?)"},
    {"engine: {dataflow: row}", 3, 20, "arch.engine.dataflow is 'row'; legal: os, ws, is"},
    {"engine: {rows: 1024, cols: 5}", 3, 9, "rows x cols is 5120; legal: up to 4096"},
    {"engine: 5", 3, 9, "arch.engine is a scalar; expected a map"},
    {"engine: [5]", 3, 9, "arch.engine is a list; expected a map"},
    {"unit: off", 3, 7, "arch.unit is a scalar; expected a map"},
    {"bytes: 64", 3, 8,
     "arch.bytes is '64': it has no unit; legal units: B, KiB, MiB, GiB, e.g. '64 KiB'"},
    {"bytes: 64 KB", 3, 8,
     "arch.bytes is '64 KB': 'KB' is not a unit; legal units: B, KiB, MiB, GiB, e.g. '64 KiB'"},
    {"bytes: 3 MiB", 3, 8, "arch.bytes is 3 MiB; legal: 64 B..1 MiB"},
    {"gated: 2", 3, 8, "arch.gated is '2'; legal: 0, 1, auto"},
    {"gated: true", 3, 8, "arch.gated is 'true'; legal: 0, 1, auto"},
    {"big: 18446744073709551615", 3, 6, "arch.big is too large; legal: up to 18446744073709551614"},
    {"fast: yes", 3, 7, "arch.fast is 'yes'; legal: true, false"},
    {"fast: 'true'", 3, 7, "arch.fast is the quoted text 'true'; write true or false without quotes"},
    {"label:", 3, 7, "arch.label is empty; write a text, or \"\" for none"},
    {"label: [a]", 3, 8, "arch.label is a list; expected a text"},
    {"volts: inf", 3, 8, "arch.volts is 'inf'; legal: a finite decimal number such as 0.8 or 1e-3"},
    {"widths: 8", 3, 9, "arch.widths is a scalar; expected a list of integers such as [1, 2]"},
    {"widths: [8, 64]", 3, 13, "arch.widths[1] is 64; legal: 2..32"},
    {"widths: [8, auto]", 3, 13,
     "arch.widths[1] is 'auto': it is not a number; write a decimal integer such as 16"},
    {"extra: {name: x}", 3, 8, "arch.extra is a map; expected a list of maps"},
    {"extra: [7]", 3, 9, "arch.extra[0] is a scalar; expected a map"},
    {"extra: [{name: x}, {ports: 1}]", 3, 20, "arch.extra[1].name is required; e.g. 'text'"},
    {"extra: [{name: x, port: 1}]", 3, 19,
     "unknown key 'port' in arch.extra[0]; legal keys: name, ports (did you mean 'ports'?)"},
};

Test(schema, each_mistake_has_its_text_and_place)
{
    char yaml[300];

    for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
        const struct bad *b = &bad_cases[i];

        snprintf(yaml, sizeof(yaml), "streams: []\nsoc: 200 MHz\n%s\n", b->yaml);
        cr_assert(!decode(yaml), "%s is taken", b->yaml);
        cr_assert_eq(err.code, ERR_CONFIG);
        cr_assert_str_eq(err.diags[0].text, b->text, "%s says: %s", b->yaml, err.diags[0].text);
        cr_assert_eq(err.n_diags, 1, "%s: %u errors", b->yaml, err.n_diags);
        cr_assert(err.diags[0].at.line == b->line && err.diags[0].at.col == b->col, "%s at %u:%u", b->yaml,
                  err.diags[0].at.line, err.diags[0].at.col);
        err_finish(&err);
    }
}

Test(schema, all_mistakes_are_reported_at_once)
{
    cr_assert(!decode("engine: {rows: x, colls: 1}\nfast: no\n"));
    cr_assert_eq(err.n_diags, 5); /* and two required keys */
    err_sort(&err);
    cr_assert_str_eq(err.diags[0].text, "arch.streams is required; e.g. '[{name: ..}]'");
    cr_assert_str_eq(err.diags[1].text, "arch.soc is required; e.g. '200 MHz'");
    cr_assert(err.diags[0].at.line == 1 && err.diags[0].at.col == 1);
    cr_assert_eq(err.diags[4].at.line, 2);
    err_finish(&err);
    cr_assert(!decode("streams: []\nsoc: 1 kHz\n"));
    cr_assert_str_eq(err.diags[0].text, "arch.soc is 1 kHz; legal: at least 1 MHz");
}

Test(schema, no_node_is_an_empty_map)
{
    struct engine e;

    cr_assert(schema_decode(&arena, &engine_section, NULL, "arch.engine", &e, &err));
    cr_assert_eq(e.rows, 16);
    cr_assert(!schema_decode(&arena, &stream_section, NULL, "", &e, &err));
    cr_assert_str_eq(err.diags[0].text, "name is required; e.g. 'text'");
}

Test(schema, the_root_must_be_a_map)
{
    cr_assert(!decode("[1, 2]"));
    cr_assert_str_eq(err.diags[0].text, "arch is a list; expected a map");
}

Test(schema, canonical_text)
{
    struct text t = {0};

    decode_ok(full);
    schema_emit(&machine_section, &m, "arch", &t);
    cr_assert_str_eq(t.s, "arch.big: 18446744073709551614\narch.bus: 100000000 Hz\narch.bytes: 1048576 B\n"
                          "arch.cache: 3072 B\narch.engine.cols: 8\narch.engine.dataflow: is\n"
                          "arch.engine.rows: 32\narch.engine.spare: 3\narch.extra[0].name: x\n"
                          "arch.extra[0].ports: 1\narch.fast: false\narch.gated: 1\narch.label: a b\n"
                          "arch.soc: 333300000 Hz\narch.streams[0].name: in\narch.streams[0].ports: 2\n"
                          "arch.streams[1].name: out\narch.streams[1].ports: 1\narch.unit.lanes: 4\n"
                          "arch.unit.update: chunk\narch.volts: 0.001\narch.widths: [2]\n");
    text_finish(&t);
    decode_ok("soc: 200 MHz\nstreams: []\nlabel: \"a\\nb: c\"\n");
    schema_emit(&machine_section, &m, "", &t);
    cr_assert(strstr(t.s, "bus: auto\n") && strstr(t.s, "cache: auto\n") && strstr(t.s, "gated: auto\n"));
    cr_assert(strstr(t.s, "engine.spare: auto\n") && strstr(t.s, "unit: none\n"));
    cr_assert(strstr(t.s, "streams: []\n") && strstr(t.s, "extra: []\n") && strstr(t.s, "widths: [8, 4]\n"));
    cr_assert(strstr(t.s, "label: \"a\\nb: c\"\n"), "a value cannot forge a line");
    text_finish(&t);
}

/* What was written in another way but means the same has the same text. */
Test(schema, canonical_text_ignores_spelling)
{
    struct text a = {0}, b = {0};

    decode_ok("soc: 0.2 GHz\nstreams: [{name: in}]\nbytes: 64 KiB\n");
    schema_emit(&machine_section, &m, "arch", &a);
    decode_ok("x-s: &s {ports: 1}\nbytes: 65536 B\nvolts: 8e-1\nstreams:\n- <<: *s\n  name: \"in\"\n"
              "soc: 200MHz\n");
    schema_emit(&machine_section, &m, "arch", &b);
    cr_assert_str_eq(a.s, b.s);
    text_finish(&a);
    text_finish(&b);
}

Test(schema, find_by_path)
{
    static const struct {
        const char *path;
        const struct field *want;
        const struct section *owner;
    } cases[] = {
        {"engine", &machine_fields[0], &machine_section},
        {"engine.rows", &engine_fields[0], &engine_section},
        {"streams", &machine_fields[2], &machine_section},
        {"streams.0", &machine_fields[2], &machine_section},
        {"streams.0.ports", &stream_fields[1], &stream_section},
        {"streams.in.ports", &stream_fields[1], &stream_section},
        {"streams[12].ports", &stream_fields[1], &stream_section},
        {"widths[1]", &machine_fields[13], &machine_section},
        {"engine.row", NULL, NULL},
        {"engine.rows.x", NULL, NULL},
        {"engin", NULL, NULL},
        {"streams.0.x", NULL, NULL},
        {"streams[0", &machine_fields[2], &machine_section},
        {"engine.", NULL, NULL},
        {"", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct section *owner = NULL;

        cr_assert(schema_find(&machine_section, cases[i].path, &owner) == cases[i].want, "%s", cases[i].path);
        cr_assert(owner == cases[i].owner, "%s", cases[i].path);
    }
}

Test(schema, explain_and_list)
{
    struct text t = {0};

    schema_explain(&engine_fields[0], "arch.engine.rows", &t);
    cr_assert_str_eq(t.s, "arch.engine.rows\n    Rows of the array.\n    type: integer 1..1024\n"
                          "    unit: elements\n    default: 16\n    basis: RTL, ITA\n");
    text_finish(&t);
    schema_explain(&machine_fields[0], "arch.engine", &t);
    cr_assert(strstr(t.s, "keys: rows, cols, spare, dataflow\n"));
    text_finish(&t);
    schema_explain(&machine_fields[4], "arch.bytes", &t);
    cr_assert(strstr(t.s, "type: bytes 64 B..1 MiB\n") && strstr(t.s, "default: 64 KiB\n"));
    text_finish(&t);
    schema_list(&machine_section, "arch", &t);
    cr_assert(strstr(t.s, "arch  All of it.\n"));
    cr_assert(strstr(t.s, "\n    rows                   Rows of the array. [16]\n"));
    cr_assert(strstr(t.s, "\n  soc ") && strstr(t.s, "[(required)]\n"));
    text_finish(&t);
}

Test(schema, json_schema)
{
    struct text t = {0};

    schema_json(&engine_section, &t);
    cr_assert_str_eq(
        t.s, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"engine\","
             "\"type\":\"object\",\"description\":\"The array.\",\"properties\":{"
             "\"rows\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024,"
             "\"description\":\"Rows of the array.\",\"default\":16},"
             "\"cols\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024,\"default\":16},"
             "\"spare\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0,\"maximum\":9},{\"const\":\"auto\"}],"
             "\"default\":\"auto\"},"
             "\"dataflow\":{\"enum\":[\"os\",\"ws\",\"is\"],\"default\":\"os\"}},"
             "\"patternProperties\":{\"^x-\":{}},\"additionalProperties\":false,\"required\":[]}\n");
    text_finish(&t);
    schema_json(&machine_section, &t);
    cr_assert(strstr(t.s, "\"bytes\":{\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]*) ?(B|KiB|MiB|GiB)$\","
                          "\"default\":\"64 KiB\"}"));
    cr_assert(strstr(t.s, "\"pattern\":\"^(auto|(0|[1-9][0-9]*)(\\\\.[0-9]+)? ?(Hz|kHz|MHz|GHz))$\""));
    cr_assert(strstr(t.s, "\"widths\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":2,"
                          "\"maximum\":32},\"default\":[8,4]}"));
    cr_assert(strstr(t.s, "\"extra\":{\"type\":\"array\""));
    cr_assert(strstr(t.s, "\"required\":[\"name\"]},\"default\":[]}"));
    cr_assert(strstr(t.s, "\"fast\":{\"type\":\"boolean\",\"default\":true}"));
    cr_assert(strstr(t.s, "\"required\":[\"streams\",\"soc\"]}\n"));
    cr_assert(strstr(t.s, "{\"const\":\"none\"}],\"default\":\"none\"}"));
    text_finish(&t);
}
