#include "base/yamldoc.h"
#include "tests/results_util.h"

static rs_sweep *load(const char *text, rs_err *err)
{
    write_scratch("a1.yaml", "name: a1\nengine: {rows: 16}\n");
    write_scratch("a2.yaml", "name: a2\nengine: {rows: 64}\n");
    write_scratch("w1.yaml", "name: w1\nseq: 96\nform: parallel\n");
    write_scratch("w2.yaml", "name: w2\n");
    return rs_sweep_load(write_scratch("s.yaml", text), err);
}

/* All points as `arch work set set ...` lines; excluded ones are left out. */
static char *list(const rs_sweep *s)
{
    struct text t = {0};
    rs_point_buf *b = rs_point_buf_create(s);
    text_add(&t, "");
    for (uint64_t n = 0; n < rs_sweep_count(s); n++) {
        rs_point p = rs_sweep_point(s, n, b);
        if (p.excluded)
            continue;
        text_printf(&t, "%s %s", strrchr(p.arch_path, '/') + 1, strrchr(p.work_path, '/') + 1);
        for (size_t i = 0; i < p.n_sets; i++)
            text_printf(&t, " %s", p.sets[i]);
        text_add(&t, "\n");
    }
    rs_point_buf_destroy(b);
    return t.s;
}

#define BASE "sweep: s\nbase: {arch: a1.yaml, work: w1.yaml}\n"

static const struct {
    const char *yaml, *points;
} decoded[] = {
    {BASE, "a1.yaml w1.yaml\n"},
    {BASE "axes: {work.seq: [64, 128], work.form: [parallel, recurrent]}",
     "a1.yaml w1.yaml work.seq=64 work.form=parallel\na1.yaml w1.yaml work.seq=64 work.form=recurrent\n"
     "a1.yaml w1.yaml work.seq=128 work.form=parallel\na1.yaml w1.yaml work.seq=128 work.form=recurrent\n"},
    {BASE "axes: [{work.a: [1]}, {work.b: [2, 3]}]",
     "a1.yaml w1.yaml work.a=1 work.b=2\na1.yaml w1.yaml work.a=1 work.b=3\n"},
    {BASE "axes: {work.seq: {from: 8, to: 33, step: 8}}",
     "a1.yaml w1.yaml work.seq=8\na1.yaml w1.yaml work.seq=16\na1.yaml w1.yaml work.seq=24\n"
     "a1.yaml w1.yaml work.seq=32\n"},
    {BASE "axes: {work.seq: {from: 64, to: 300, times: 2}}",
     "a1.yaml w1.yaml work.seq=64\na1.yaml w1.yaml work.seq=128\na1.yaml w1.yaml work.seq=256\n"},
    {BASE "axes: {arch.l2.bytes: {from: 4 KiB, to: 8 KiB, times: 2}}",
     "a1.yaml w1.yaml arch.l2.bytes=4 KiB\na1.yaml w1.yaml arch.l2.bytes=8 KiB\n"},
    {BASE "axes: {work.seq: {from: 18446744073709551614, to: 18446744073709551615, step: 9}}",
     "a1.yaml w1.yaml work.seq=18446744073709551614\n"},
    {BASE "axes: {array: [{arch.engine.rows: 8, arch.engine.cols: 4}, {arch.engine.rows: 2}]}",
     "a1.yaml w1.yaml arch.engine.rows=8 arch.engine.cols=4\na1.yaml w1.yaml arch.engine.rows=2\n"},
    {BASE "axes: {arch.modes: [[{w: 8, a: 4}], [1, '2']]}",
     "a1.yaml w1.yaml arch.modes=[{w: 8, a: 4}]\na1.yaml w1.yaml arch.modes=[1, \"2\"]\n"},
    {"sweep: s\nbase: {arch: a1.yaml}\naxes: {work: [w1.yaml, w2.yaml], work.seq: [1, 2]}",
     "a1.yaml w1.yaml work.seq=1\na1.yaml w1.yaml work.seq=2\na1.yaml w2.yaml work.seq=1\n"
     "a1.yaml w2.yaml work.seq=2\n"},
    {BASE "set: {work.seq: 5}\naxes: {work.form: [x]}\n"
     "groups: [{axes: {work.a: [1, 2]}}, {base: {arch: a2.yaml}, set: {work.a: 3}}]",
     "a1.yaml w1.yaml work.seq=5 work.form=x work.a=1\na1.yaml w1.yaml work.seq=5 work.form=x work.a=2\n"
     "a2.yaml w1.yaml work.seq=5 work.form=x work.a=3\n"},
};

Test(sweep, decodes_points)
{
    for (size_t i = 0; i < sizeof decoded / sizeof decoded[0]; i++) {
        rs_err *err = rs_err_create();
        rs_sweep *s = load(decoded[i].yaml, err);
        cr_assert(s, "row %zu: %s", i, rs_err_text(err));
        char *got = list(s);
        cr_expect_str_eq(got, decoded[i].points, "row %zu: %s", i, got);
        free(got);
        rs_sweep_destroy(s);
        rs_err_destroy(err);
    }
}

/* Over work.a = 1..4, work.u = 2 KiB and base values arch.engine.rows = 16,
 * work.seq = 96, work.form = parallel: the values of work.a that pass. */
static const struct {
    const char *where, *passing;
} constraints[] = {
    {"work.a == 3", "3"},
    {"work.a != 3", "124"},
    {"work.a < 3", "12"},
    {"work.a <= 3", "123"},
    {"3 < work.a", "4"},
    {"work.a >= 2.5", "34"},
    {"work.a == 1 or work.a == 4", "14"},
    {"work.a > 1 and work.a < 4", "23"},
    {"work.a == 1 or work.a > 2 and work.a < 4", "13"},
    {"work.a > 2 and work.a < 4 or work.a == 1", "13"},
    {"arch.engine.rows == 16", "1234"},
    {"arch.engine.rows > work.seq", ""},
    {"work.form == parallel", "1234"},
    {"work.form != parallel", ""},
    {"work.form == 'parallel' and work.a < 3", "12"},
    {"work.form=='parallel'", "1234"},
    {"'parallel' != work.form or work.a == 2", "2"},
    {"work.u >= 2048", "1234"},
    {"work.u == 2 KiB and work.a<=1", "1"},
    {"work.u > 2 KiB", ""},
};

Test(sweep, applies_constraints)
{
    for (size_t i = 0; i < sizeof constraints / sizeof constraints[0]; i++) {
        char yaml[512], got[8] = "";
        snprintf(yaml, sizeof yaml, BASE "axes: {work.u: [2 KiB], work.a: {from: 1, to: 4, step: 1}}\n"
                 "where: [\"%s\"]", constraints[i].where);
        rs_err *err = rs_err_create();
        rs_sweep *s = load(yaml, err);
        cr_assert(s, "%s: %s", constraints[i].where, rs_err_text(err));
        cr_assert_eq(rs_sweep_count(s), 4);
        rs_point_buf *b = rs_point_buf_create(s);
        for (uint64_t n = 0; n < 4; n++) {
            if (!rs_sweep_point(s, n, b).excluded)
                snprintf(got + strlen(got), 2, "%d", (int)n + 1);
        }
        cr_expect_str_eq(got, constraints[i].passing, "%s: %s", constraints[i].where, got);
        rs_point_buf_destroy(b);
        rs_sweep_destroy(s);
        rs_err_destroy(err);
    }
}

static const struct {
    const char *yaml, *error;
} wrong[] = {
    {"base: {}", "1:1: error: a sweep file needs `sweep: NAME`"},
    {"sweep: a b", "1:8: error: the name must be"},
    {BASE "axs: {}", "3:1: error: unknown key `axs` in a sweep file; legal are sweep, doc, method, quality, "
                     "values, base, set, axes, where, groups (did you mean `axes`?)"},
    {BASE "method: foldd", "3:9: error: `method` must be full, folded or bound (did you mean `folded`?)"},
    {BASE "values: yes", "3:9: error: `values` must be true or false"},
    {"sweep: s\nbase: {arch: a1.yaml, wrk: w1.yaml}", "2:23: error: unknown key `wrk` in `base`; legal are "
                                                      "arch, work, tech (did you mean `work`?)"},
    {"sweep: s\nbase: {arch: a1.yaml}", "no `work` file: give base.work or an axis `work`"},
    {"sweep: s\nbase: {arch: none.yaml, work: w1.yaml}", "2:14: error: cannot read `"},
    {BASE "axes: {work.seq: 64}", "3:18: error: axis `work.seq` must be a list"},
    {BASE "axes: {work.seq: []}", "3:18: error: axis `work.seq` must be a list"},
    {BASE "axes: {wrk.seq: [64]}", "3:8: error: `wrk.seq` is no path of a configuration; legal are arch.KEY, "
                                   "work.KEY, tech.KEY, and arch, work, tech for files (did you mean "
                                   "`work.seq`?)"},
    {BASE "axes: {work.seq: {from: 1, to: 4}}", "a range needs either `step` (added) or `times`"},
    {BASE "axes: {work.seq: {from: 1, to: 4, step: 1, times: 2}}", "a range needs either"},
    {BASE "axes: {work.seq: {from: 1, stop: 4, step: 1}}", "3:28: error: unknown key `stop` in a range"},
    {BASE "axes: {work.seq: {from: 9, to: 4, step: 1}}", "`from` is larger than `to`"},
    {BASE "axes: {work.seq: {from: 1, to: 4, step: 0}}", "3:41: error: `step` must be at least 1"},
    {BASE "axes: {work.seq: {from: 1, to: 4, times: 1}}", "`times` must be at least 2"},
    {BASE "axes: {work.seq: {from: 0, to: 4, times: 2}}", "`times` must be at least 2"},
    {BASE "axes: {work.seq: {from: 1 KiB, to: 4 MiB, times: 2}}", "must have the same unit"},
    {BASE "axes: {work.seq: {from: -1, to: 4, times: 2}}", "3:25: error: "},
    {BASE "axes: {work.seq: {from: 0, to: 200000, step: 1}}", "more than 100000 values"},
    {BASE "axes: {work.seq: [{work.a: 1}]}", "3:19: error: a map sets several keys together"},
    {BASE "axes: {work.a: [1], z: [{work.a: 2}]}", "`work.a` is set by two axes, `work.a` and `z`"},
    {BASE "set: {work.a: 1}\naxes: {work.a: [1]}", "`work.a` is set by two axes, `set` and `work.a`"},
    {BASE "where: work.a == 1", "3:8: error: `work.a` has no value here"},
    {BASE "axes: {work.a: [1, auto]}\nwhere: work.a < 2",
     "4:8: error: `work.a` can be `auto`, which is no number"},
    {BASE "where: work.form < 3", "`work.form` can be `parallel`, which is no number"},
    {BASE "where: work.seq = 3", "expected `A OP B`"},
    {BASE "where: work.seq == 3 xor work.seq == 4", "`3 xor work.seq` is neither a path, a number"},
    {BASE "where: 1 == 2", "`1 == 2` compares no path"},
    {BASE "where: work.seq == engine.rows", "`engine.rows` is no path of a configuration"},
    {BASE "axes: {work.mode: [fast, slow]}\nwhere: work.mode != slwo",
     "4:21: error: `work.mode` is never `slwo` in this sweep (did you mean `slow`?)"},
    {BASE "axes: {work.tokens: [1, 2]}\nwhere: [work.seq == 3 or 2 < work.token]",
     "4:30: error: `work.token` has no value here"},
    {BASE "axes: {work.tokens: [1, 2]}\nwhere: work.seq == 3 or 2 < work.token",
     "legal: an axis, a key of `set` or of the file (did you mean `work.tokens`?)"},
    {BASE "axes: {work.tokens: [1, 2]}\nwhere: [work.token == 3, \"work.sequ > 1 \"]",
     "4:27: error: `work.sequ` has no value here"}, /* in quotes, and after another error */
    {BASE "where:\n  work.form == parallel\n  and work.sek < 3",
     "4:3: error: `work.sek` has no value"},
    {BASE "where: wrok.seq == 1 or work.seq == 3",
     "3:8: error: `wrok.seq` is no path of a configuration; legal "
     "are arch.KEY, work.KEY, tech.KEY (did you mean `work.seq`?)"},
    {BASE "where: \"work.form == 'parallel\"", "nothing to compare `work.form` with"},
    {BASE "where: work.seq ==", "nothing to compare `work.seq` with"},
    {BASE "groups: []", "3:9: error: `groups` must be a list"},
    {BASE "groups: [{axs: {}}]", "3:11: error: unknown key `axs` in a group"},
    {BASE "axes: {work.a: {from: 1, to: 99999, step: 1}, work.b: {from: 1, to: 99999, step: 1},"
          " work.c: {from: 1, to: 99999, step: 1}, work.d: {from: 1, to: 99999, step: 1}}",
     "more than 10^9 points"},
    {BASE "axes: {work.seq: [64, 128, 64]}", "3:28: error: axis `work.seq` has `64` twice"},
    {"[1, 2", "s.yaml:1:"},
    {"- 1", "a sweep file must be a map"},
    {"name: soc\nengine: {units: 8}", "1:1: error: this is no sweep file: it has none of the keys"},
};

Test(sweep, explains_errors)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rs_err *err = rs_err_create();
        rs_sweep *s = load(wrong[i].yaml, err);
        cr_expect_null(s, "row %zu loads", i);
        cr_expect_eq(rs_err_code(err), 78, "row %zu: code %d", i, rs_err_code(err));
        cr_expect(strstr(rs_err_text(err), wrong[i].error), "row %zu: %s", i, rs_err_text(err));
        rs_err_clear(err);
        cr_expect_null(rs_sweep_load(scratch("s.yaml"), err));
        rs_sweep_destroy(s);
        rs_err_destroy(err);
    }
}

Test(sweep, reports_all_errors_and_missing_files)
{
    rs_err *err = rs_err_create();
    cr_assert_null(load("swep: s\nmethod: x\naxes: {a: [1], work.b: 2}\nwhere: [1 == 1]", err));
    const char *text = rs_err_text(err);
    const char *expected[] = {"1:1: error: unknown key `swep`", "2:9: error", "3:8: error", "3:24: error",
                              "4:9: error"};
    for (size_t i = 0; i < 5; i++)
        cr_expect(strstr(text, expected[i]), "%s in %s", expected[i], text);
    rs_err_clear(err);
    cr_assert_null(rs_sweep_load("/none/such.yaml", err));
    cr_expect_eq(rs_err_code(err), 66);
    rs_err_destroy(err);
}

Test(sweep, shards_are_a_balanced_partition)
{
    static const uint64_t counts[] = {1, 2, 3, 5, 8, 97, 1000, 4096};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        char yaml[160];
        snprintf(yaml, sizeof yaml, BASE "axes: {work.a: {from: 1, to: %llu, step: 1}}",
                 (unsigned long long)counts[c]);
        rs_err *err = rs_err_create();
        rs_sweep *s = load(yaml, err);
        cr_assert(s);
        for (uint64_t shards = 1; shards < 8; shards++) {
            uint64_t size[8] = {0};
            for (uint64_t n = 0; n < counts[c]; n++) {
                unsigned owners = 0;
                for (uint64_t i = 0; i < shards; i++) {
                    bool mine = rs_sweep_in_shard(s, n, i, shards);
                    owners += mine;
                    size[i] += mine;
                }
                cr_assert_eq(owners, 1);
            }
            for (uint64_t i = 0; i < shards; i++)
                cr_assert(size[i] == counts[c] / shards || size[i] == counts[c] / shards + 1);
        }
        rs_sweep_destroy(s);
        rs_err_destroy(err);
    }
}

/* Cheap and dear points come sorted: a shard of consecutive points, or of every
 * second one, would be lopsided. */
Test(sweep, shards_mix_the_points)
{
    rs_err *err = rs_err_create();
    rs_sweep *s = load(BASE "axes: {work.a: {from: 1, to: 4096, step: 1}}", err);
    uint64_t sum = 0, even = 0, n_mine = 0;
    for (uint64_t n = 0; n < 4096; n++) {
        if (!rs_sweep_in_shard(s, n, 0, 8))
            continue;
        sum += n;
        even += n % 2 == 0;
        n_mine++;
    }
    cr_expect(sum / n_mine > 1700 && sum / n_mine < 2400, "mean %llu", (unsigned long long)(sum / n_mine));
    cr_expect(even > n_mine * 2 / 5 && even < n_mine * 3 / 5, "even %llu", (unsigned long long)even);
    rs_sweep_destroy(s);
    rs_err_destroy(err);
}

Test(sweep, documents_itself)
{
    struct arena a = {0};
    struct err err = {0};
    char *json = rs_sweep_schema_json(), *text = rs_sweep_explain();
    const struct ynode *root = yaml_parse(&a, "schema", json, strlen(json), &err);
    cr_assert(root, "the schema is no JSON");
    static const char *const keys[] = {"sweep", "doc",  "method", "quality", "values", "base",
                                       "set",   "axes", "where",  "groups"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        cr_expect(yaml_get(yaml_get(root, "properties"), keys[i]), "%s", keys[i]);
        cr_expect(strstr(text, keys[i]));
    }
    cr_expect_eq(yaml_get(root, "properties")->n, sizeof keys / sizeof keys[0]);
    free(json);
    free(text);
    arena_finish(&a);
    err_finish(&err);
}
