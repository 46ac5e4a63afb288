/* The choice of a mapping: what is left out, what is kept as tallies, and what lowering does not read. */
#include "tests/random_design.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_DESIGNS = 400, SEED = 5 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

/* Longer sequences than designs that are simulated have, every second time. */
static void draw(struct random_design *d, struct rng *rng)
{
    static const unsigned seqs[] = {96, 320, 512, 640, 1000, 1024, 2048};
    random_design_draw(d, rng);
    if (d->base != BASE_GEMM && rng_below(rng, 2))
        random_design_set(d, "work.seq", "%u", seqs[rng_below(rng, 7)]);
    if (d->base == BASE_NETWORK && rng_below(rng, 2))
        random_design_set(d, "work.map.order", "auto");
    if (d->base == BASE_NETWORK && rng_below(rng, 2))
        random_design_set(d, "work.phase", "prefill");
}

static char *text_of(bool ok, struct program *p)
{
    struct text t = {0};
    if (ok) {
        program_print(p, &t);
        text_add(&t, p->notes.s ? p->notes.s : "");
    }
    program_finish(p);
    return t.s;
}

static const char *command_of(const struct random_design *d, struct text *t)
{
    random_design_command(d, t);
    return t->s;
}

/* Every mapping tried, and those that the search tries: the same choice. */
static void same_choice(const struct random_design *d, const rs_design *design)
{
    struct err a = {0}, b = {0};
    struct program fast, slow;
    struct text line = {0};
    bool ok = lower(&fast, design->arch, design->work, &a);
    bool also = lower_exhaustively(&slow, design->arch, design->work, &b);
    char *x = text_of(ok, &fast), *y = text_of(also, &slow);
    cr_expect(ok == also && (!ok || strcmp(x, y) == 0), "%s", command_of(d, &line));
    free(x);
    free(y);
    text_finish(&line);
    err_finish(&a);
    err_finish(&b);
}

/* What is counted of a mapping while it is emitted, and its whole program. */
static void same_estimate(const struct random_design *d, const rs_design *design, const struct mappings *maps,
                          const struct mapping *it)
{
    struct err err = {0};
    struct program p;
    struct text line = {0};
    cr_assert(lower_recipe(&p, design->arch, design->work, &it->recipe, &err), "%s", command_of(d, &line));
    struct machine *m = machine_create(design->arch, &p, &evq_wheel, false, &err);
    cr_assert_not_null(m);
    shapes_reprice(maps->shapes);
    cr_expect_eq(tally_estimate(it->tally, maps->shapes, m), machine_estimate(m, &p), "%s",
                 command_of(d, &line));
    cr_expect_eq(tally_bound(it->tally, maps->shapes, m, NULL), machine_bound(m), "%s", command_of(d, &line));
    cr_expect_eq(tally_totals(it->tally)->macs, m->macs, "%s", command_of(d, &line));
    machine_destroy(m);
    program_finish(&p);
    text_finish(&line);
    err_finish(&err);
}

/* The bound of the program, and that of the mapping chosen among tallies; and each mapping. */
static void same_bound(const struct random_design *d, const rs_design *design)
{
    struct err err = {0};
    struct program p;
    struct text line = {0};
    struct mappings maps = {.shapes = shapes_create()};
    bool ok = lower(&p, design->arch, design->work, &err);
    cr_expect_eq(lower_mappings(&maps, design->arch, design->work, &err), ok);
    if (ok) {
        struct machine *m = machine_create(design->arch, &p, &evq_wheel, false, &err);
        const struct mapping *best = mappings_choose(&maps, m);
        uint64_t fast = tally_bound(best->tally, maps.shapes, m, NULL), slow = machine_bound(m);
        cr_expect_eq(fast, slow, "%" PRIu64 ", not %" PRIu64 ": %s", fast, slow, command_of(d, &line));
        machine_destroy(m);
    }
    for (size_t i = 0; i < maps.n; i++)
        if (maps.v[i].recipe.T)
            same_estimate(d, design, &maps, &maps.v[i]);
    program_finish(&p);
    mappings_finish(&maps);
    shapes_destroy(maps.shapes);
    text_finish(&line);
    err_finish(&err);
}

/* A program of the cache, which another design may have left there, and one that is made for this design. */
static struct lower_cache *cache;
static void same_cached(const struct random_design *d, const rs_design *design)
{
    struct err a = {0}, b = {0};
    struct program own;
    struct text line = {0}, x = {0};
    for (unsigned again = 0; again < 2; again++) {
        bool ok = lower(&own, design->arch, design->work, &a);
        const struct program *kept = lower_cached(cache, design->arch, design->work, &b);
        char *y = text_of(ok, &own);
        if (kept) {
            program_print(kept, &x);
            text_add(&x, kept->notes.s ? kept->notes.s : "");
        }
        cr_expect(ok == (kept != NULL) && (!ok || strcmp(x.s, y) == 0), "%s", command_of(d, &line));
        cr_expect_eq(a.code, b.code);
        free(y);
        text_finish(&x);
    }
    text_finish(&line);
    err_finish(&a);
    err_finish(&b);
}

static void each_random(void (*check)(const struct random_design *, const rs_design *), uint64_t n,
                        uint64_t seed)
{
    struct random_bases bases;
    struct rng rng = {seed};
    unsigned legal = 0;
    rs_err *err = rs_err_create();
    random_bases_load(&bases);
    for (uint64_t i = 0; i < n; i++) {
        struct random_design d;
        draw(&d, &rng);
        rs_err_clear(err);
        rs_design *design = random_design_create(&d, &bases, err);
        if (design) {
            check(&d, design);
            legal++;
        }
        rs_design_destroy(design);
    }
    cr_expect(legal > n / 3, "%u legal designs of %" PRIu64, legal, n);
    rs_err_destroy(err);
    random_bases_finish(&bases);
}

Test(mapping, nothing_better_is_left_out)
{
    each_random(same_choice, setting("RETSIM_MAPPINGS", N_DESIGNS), setting("RETSIM_MAPPINGS_SEED", SEED));
}

Test(mapping, tallies_bound_as_programs_do)
{
    each_random(same_bound, setting("RETSIM_MAPPINGS", N_DESIGNS), setting("RETSIM_MAPPINGS_SEED", SEED + 1));
}

Test(mapping, programs_that_are_kept_are_those_of_the_design)
{
    cache = lower_cache_create();
    uint64_t n = setting("RETSIM_MAPPINGS", N_DESIGNS);
    each_random(same_cached, n, setting("RETSIM_MAPPINGS_SEED", SEED + 2));
    lower_cache_destroy(cache);
}

/* ---- bounds of many points ---- */

/* Keys of the default design with values near those it has; some do not go together. */
static const struct {
    const char *path;
    uint64_t v[6]; /* up to the first 0 after the first */
} knobs[] = {
    {"arch.engine.units", {1, 4, 8, 16, 7}},
    {"arch.engine.length", {8, 32, 64}},
    {"arch.engine.requant_lanes", {1, 4, UINT64_MAX}},
    {"arch.engine.fill_drain", {0, 1}},
    {"arch.vector.lanes", {1, 4, 8, 16}},
    {"arch.vector.div_cycles", {1, 32, 64}},
    {"arch.retention.lanes", {1, 16, 64}},
    {"arch.retention.state", {0, 1, 2}},
    {"arch.retention.state_bits", {16, 32, 24}},
    {"arch.retention.fused_readout", {0, 1}},
    {"arch.tcdm.banks", {1, 4, 16, 3}},
    {"arch.tcdm.bytes", {524288, 131072, 65536}},
    {"arch.tcdm.hwpe_ports", {1, 2, 4}},
    {"arch.hyperram.bytes_per_phy_clk", {1, 2, 4}},
    {"arch.hyperram.burst_bytes", {512, 64, 1024, 66}},
    {"arch.buffers.accumulator.ports", {0, 1}},
    {"arch.buffers.activation.width_bits", {64, 256, UINT64_MAX}},
    {"arch.buffers.activation.bytes", {16384, 4096, 2048}},
    {"arch.sequencer.step_cycles", {0, 1, 20}},
    {"arch.apb.store_cycles", {1, 5, 60}},
    {"arch.clocks.periph", {200000000, 100000000, 50000000}},
    {"work.form", {0, 1, 2, 3}},
    {"work.seq", {512, 64, 100, 1024, 1}},
    {"work.chunk", {64, 16, 50}},
    {"work.batch", {1, 2}},
    {"work.quant.weights", {8, 4, 2}},
    {"work.phase", {0, 1, 2}},
    {"work.map.token_block", {UINT64_MAX, 32, 16}},
};
enum { N_KNOBS = sizeof knobs / sizeof knobs[0], MOST = 6, N_POINTS = 400 };

/* The same point the long way. */
static rs_result *run_point(const rs_design *base, const size_t *knob, const uint64_t *value, size_t n,
                            rs_memory *memory, rs_err *err)
{
    char text[MOST][96];
    const char *sets[MOST];
    for (size_t i = 0; i < n; i++) {
        const char *path = knobs[knob[i]].path, *key = strchr(path, '.') + 1;
        const struct section *sec = strncmp(path, "work", 4) ? arch_section() : work_section();
        const struct field *f = schema_find(sec, key, NULL);
        if (value[i] == UINT64_MAX)
            snprintf(text[i], sizeof text[i], "%s=auto", path);
        else if (f->type == FIELD_ENUM)
            snprintf(text[i], sizeof text[i], "%s=%s", path, value[i] < 3 ? f->names[value[i]] : "none");
        else
            snprintf(text[i], sizeof text[i], "%s=%" PRIu64 "%s", path, value[i],
                     f->type == FIELD_BYTES ? " B" : f->type == FIELD_HZ ? " Hz" : "");
        sets[i] = text[i];
    }
    rs_design *d = rs_design_with(base, sets, n, err);
    rs_result *r = d ? rs_run(d, &(rs_options){.method = RS_BOUND, .memory = memory}, err) : NULL;
    rs_design_destroy(d);
    return r;
}

/* A run that may find its program in the memory of earlier ones. */
static void same_run(const rs_result *fresh, const rs_design *base, const size_t *knob,
                     const uint64_t *value, size_t n, rs_memory *memory)
{
    rs_err *err = rs_err_create();
    rs_result *r = run_point(base, knob, value, n, memory, err);
    cr_assert_eq(r != NULL, fresh != NULL, "%s", rs_err_text(err));
    if (r) {
        size_t a, b;
        const char *const *x = rs_result_notes(fresh, &a), *const *y = rs_result_notes(r, &b);
        cr_expect_eq(rs_result_summary(r)->cycles, rs_result_summary(fresh)->cycles);
        cr_expect_str_eq(rs_result_counts(r), rs_result_counts(fresh));
        cr_assert_eq(a, b);
        for (size_t i = 0; i < a; i++)
            cr_expect_str_eq(x[i], y[i]);
    }
    rs_result_destroy(r);
    rs_err_destroy(err);
}

/* True when it is a legal point. */
static bool same_point(rs_bounds *b, const rs_design *base, const size_t *knob, const uint64_t *value,
                       size_t n, rs_memory *memory)
{
    rs_err *fast = rs_err_create(), *slow = rs_err_create();
    rs_bound bound;
    rs_result *r = run_point(base, knob, value, n, NULL, slow);
    same_run(r, base, knob, value, n, memory);
    bool ok = rs_bounds_at(b, value, &bound, fast);
    cr_expect_eq(ok, r != NULL, "%d: %s; %s", ok, rs_err_text(fast), rs_err_text(slow));
    cr_expect_eq(rs_err_code(fast), rs_err_code(slow), "%s; %s", rs_err_text(fast), rs_err_text(slow));
    if (ok && r) {
        size_t k;
        const rs_amount *t = rs_result_traffic(r, &k);
        cr_expect_eq(bound.cycles, rs_result_summary(r)->cycles);
        cr_expect_eq(bound.macs, rs_result_summary(r)->macs);
        cr_expect_eq(bound.l2_bytes, t[0].value + t[1].value);
        cr_expect_eq(bound.offchip_bytes, t[2].value + t[3].value);
        cr_expect_not_null(bound.limit);
    }
    rs_result_destroy(r);
    rs_err_destroy(fast);
    rs_err_destroy(slow);
    return ok;
}

/* A few knobs, and points in their values, again and again: what is kept is what would be made. */
Test(bounds, are_those_of_runs)
{
    struct random_bases bases;
    struct rng rng = {setting("RETSIM_MAPPINGS_SEED", SEED)};
    rs_err *err = rs_err_create();
    rs_memory *memory = rs_memory_create();
    random_bases_load(&bases);
    unsigned legal = 0;
    for (unsigned round = 0; round < 20; round++) {
        const rs_design *base = bases.design[rng_below(&rng, 4) ? BASE_NETWORK : BASE_MSR];
        size_t n = 1 + rng_below(&rng, MOST), knob[MOST];
        const char *paths[MOST];
        for (size_t i = 0; i < n; i++) {
            bool again = true;
            while (again) {
                knob[i] = rng_below(&rng, N_KNOBS);
                again = false;
                for (size_t k = 0; k < i; k++)
                    again |= knob[k] == knob[i];
            }
            paths[i] = knobs[knob[i]].path;
        }
        rs_bounds *b = rs_bounds_create(base, paths, n, err);
        cr_assert(b, "%s", rs_err_text(err));
        for (unsigned p = 0; p < N_POINTS / 20; p++) {
            uint64_t value[MOST];
            for (size_t i = 0; i < n; i++) {
                size_t most = 1;
                while (most < 6 && knobs[knob[i]].v[most])
                    most++;
                value[i] = knobs[knob[i]].v[rng_below(&rng, most)];
            }
            legal += same_point(b, base, knob, value, n, memory);
        }
        rs_bounds_destroy(b);
    }
    cr_expect(legal > N_POINTS / 2, "%u legal points", legal);
    rs_memory_destroy(memory);
    random_bases_finish(&bases);
    rs_err_destroy(err);
}

Test(bounds, refuse_what_is_no_number)
{
    static const char *const bad[] = {"arch.name", "arch.engine", "arch.engine.modes", "work.m",
                                      "tech.voltage", "arch.engine.unit", "", "arch"};
    struct random_bases bases;
    rs_err *err = rs_err_create();
    random_bases_load(&bases);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rs_err_clear(err);
        cr_expect_null(rs_bounds_create(bases.design[BASE_NETWORK], &bad[i], 1, err), "%s", bad[i]);
        cr_expect_neq(rs_err_code(err), 0, "%s", bad[i]);
    }
    random_bases_finish(&bases);
    rs_err_destroy(err);
}

/* ---- keys that lowering does not read ---- */

struct flip {
    const rs_design *base;
    const char *lowered;
    struct rng rng;
    unsigned flipped;
};

static char *lowered(const rs_design *d)
{
    rs_err *err = rs_err_create();
    char *s = rs_lower(d, err);
    cr_assert(s, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return s;
}

/* A legal value, at random; values that other keys forbid are drawn again. */
static void flip_key(struct flip *f, const struct field *field, const char *path)
{
    rs_err *err = rs_err_create();
    for (unsigned tries = 0; tries < 8; tries++) {
        char set[160];
        const char *sets[] = {set};
        uint64_t most = field->max ? field->max : 64, span = most - field->min + 1;
        uint64_t v = field->min + rng_below(&f->rng, span < 100 || tries > 3 ? span : 100);
        if (field->type == FIELD_ENUM || field->type == FIELD_BOOL) {
            unsigned names = 2;
            while (field->type == FIELD_ENUM && field->names[names - 1] && field->names[names])
                names++;
            v = rng_below(&f->rng, field->type == FIELD_ENUM && !field->names[1] ? 1 : names);
        }
        if (field->type == FIELD_ENUM)
            snprintf(set, sizeof set, "%s=%s", path, field->names[v]);
        else
            snprintf(set, sizeof set, "%s=%" PRIu64 "%s", path,
                     field->type == FIELD_HZ ? v * 1000000 % 400000000 + 1000000 : v,
                     field->type == FIELD_BYTES ? " B" : field->type == FIELD_HZ ? " Hz" : "");
        rs_err_clear(err);
        rs_design *d = rs_design_with(f->base, sets, 1, err);
        if (!d)
            continue;
        char *now = lowered(d);
        cr_expect_str_eq(now, f->lowered, "%s changes the program", set);
        f->flipped++;
        free(now);
        rs_design_destroy(d);
    }
    rs_err_destroy(err);
}

static void flip_section(struct flip *f, const struct section *sec, const char *path)
{
    for (const struct field *k = sec->fields; k->key; k++) {
        char full[128];
        snprintf(full, sizeof full, "%s.%s", path, k->key);
        if (k->type == FIELD_SECTION)
            flip_section(f, k->sub, full);
        else if (k->no_program)
            flip_key(f, k, full);
    }
}

/* With the mapping given, a program is what lowering makes of what it reads. */
Test(lowering, does_not_read_what_says_so)
{
    static const char *const sets[][3] = {
        {"work.form=parallel", "work.phase=both", "work.map.order=layer"},
        {"work.form=recurrent", "work.seq=2048", "work.map.order=block"},
        {"work.form=chunkwise", "arch.tcdm.bytes=128 KiB", "work.map.order=layer"},
        {"arch.retention.state=l2", "arch.engine.style=systolic", "work.map.order=layer"},
        {"work.phase=decode", "work.decode=kv_cache", "arch.sequencer.autonomy=tile"}};
    struct random_bases bases;
    rs_err *err = rs_err_create();
    random_bases_load(&bases);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        rs_design *base = rs_design_with(bases.design[BASE_NETWORK], sets[i], 3, err);
        cr_assert(base, "%s", rs_err_text(err));
        char *text = lowered(base);
        struct flip f = {.base = base, .lowered = text, .rng = {SEED + i}};
        flip_section(&f, arch_section(), "arch");
        cr_expect(f.flipped > 300, "%u", f.flipped);
        free(text);
        rs_design_destroy(base);
    }
    random_bases_finish(&bases);
    rs_err_destroy(err);
}
