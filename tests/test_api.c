/* The library's public face: designs, identities, results. */
#include "arch/machine.h"
#include "include/retsim.h"
#include "workloads/api.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCH TEST_ROOT "/configs/arch/pulpissimo_retention.yaml"
#define MODEL(name) TEST_ROOT "/workloads/models/" name ".yaml"
#define KERNEL(name) TEST_ROOT "/workloads/kernels/" name ".yaml"

enum { MAX_SETS = 12 };

/* Settings end with NULL. */
static size_t count(const char *const *sets)
{
    size_t n = 0;
    while (sets && sets[n])
        n++;
    return n;
}

static rs_design *load(const char *work, const char *const *sets)
{
    rs_err *err = rs_err_create();
    rs_design *d = rs_design_load(ARCH, work, NULL, sets, count(sets), err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return d;
}

static rs_result *run(const rs_design *d, rs_method method)
{
    rs_err *err = rs_err_create();
    rs_options options = {.method = method};
    rs_result *r = rs_run(d, &options, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return r;
}

static bool same_key(const rs_design *a, const rs_design *b, rs_method ma, rs_method mb)
{
    uint8_t ka[16], kb[16];
    rs_design_key(a, &(rs_options){.method = ma}, ka);
    rs_design_key(b, &(rs_options){.method = mb}, kb);
    return memcmp(ka, kb, 16) == 0;
}

Test(api, the_identity_of_a_point_is_what_can_change_its_counts)
{
    static const struct {
        const char *sets[3];
        bool same;
    } rows[] = {
        {{"work.title=other", NULL}, true},
        {{"arch.title=other", NULL}, true},
        {{"tech.voltage=0.7", NULL}, true},
        {{"arch.tech=../tech/generic65.yaml", NULL}, true},
        {{"work.seq=512", "arch.clocks.soc=200 MHz", NULL}, true}, /* as it is */
        {{"work.seq=511", NULL}, false},
        {{"work.name=other", NULL}, false},
        {{"arch.engine.units=16", NULL}, false},
        {{"arch.clocks.soc=199 MHz", NULL}, false},
    };
    rs_design *base = load(MODEL("edge_kjv_d64"), NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rs_design *d = load(MODEL("edge_kjv_d64"), rows[i].sets);
        cr_expect_eq(same_key(base, d, RS_FOLDED, RS_FOLDED), rows[i].same, "%s", rows[i].sets[0]);
        rs_design_destroy(d);
    }
    cr_expect(same_key(base, base, RS_FULL, RS_FOLDED));
    cr_expect_not(same_key(base, base, RS_FULL, RS_BOUND));
    rs_design_destroy(base);
}

Test(api, the_technology_has_an_identity_of_its_own)
{
    const char *const sets[] = {"tech.voltage=0.7", NULL};
    rs_design *a = load(MODEL("edge_kjv_d64"), NULL), *b = load(MODEL("edge_kjv_d64"), sets);
    uint8_t ha[16], hb[16];
    rs_design_part_hash(a, "tech", ha);
    rs_design_part_hash(b, "tech", hb);
    cr_expect_neq(memcmp(ha, hb, 16), 0);
    rs_design_part_hash(a, "arch", ha);
    rs_design_part_hash(b, "arch", hb);
    cr_expect_eq(memcmp(ha, hb, 16), 0);
    rs_design_destroy(a);
    rs_design_destroy(b);
}

static const char *const parts[] = {"arch", "work", "tech"};

static void expect_same_texts(const rs_design *a, const rs_design *b)
{
    for (int p = 0; p < 3; p++) {
        cr_expect_str_eq(rs_design_text(a, parts[p]), rs_design_text(b, parts[p]));
        cr_expect_str_eq(rs_design_name(a, parts[p]), rs_design_name(b, parts[p]));
    }
}

static const char *const variants[][MAX_SETS] = {
    {NULL},
    {"work.seq=17", NULL},
    {"arch.engine.units=4", "arch.buffers.state.bytes=32 KiB", NULL},
    {"tech.voltage=0.7", NULL},
    {"arch.tech=../tech/generic65.yaml", NULL},
    {"arch.tech=../tech/generic65.yaml", "tech.temp_k=320", "work.form=recurrent", NULL},
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

Test(api, a_variant_is_what_loading_with_its_settings_gives)
{
    rs_design *base = load(MODEL("edge_kjv_d64"), NULL), *again = load(MODEL("edge_kjv_d64"), NULL);
    for (int i = 0; i < N_VARIANTS; i++) {
        rs_err *err = rs_err_create();
        rs_design *loaded = load(MODEL("edge_kjv_d64"), variants[i]);
        rs_design *with = rs_design_with(base, variants[i], count(variants[i]), err);
        cr_assert_not_null(with, "%s", rs_err_text(err));
        expect_same_texts(with, loaded);
        rs_design_destroy(loaded);
        rs_design_destroy(with);
        rs_err_destroy(err);
    }
    expect_same_texts(base, again); /* variants left it alone */
    rs_design_destroy(base);
    rs_design_destroy(again);
}

Test(api, a_variant_outlives_its_base)
{
    rs_err *err = rs_err_create();
    rs_design *base = load(MODEL("edge_kjv_d64"), NULL);
    const char *const sets[] = {"work.seq=8"};
    rs_design *d = rs_design_with(base, sets, 1, err);
    rs_design_destroy(base);
    rs_result *r = run(d, RS_FOLDED);
    cr_expect_eq(rs_result_summary(r)->tokens, 8);
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
}

/* Equal commands at other places in a word move another number of words. */
Test(api, folded_counts_words_of_misaligned_rows)
{
    const char *const sets[] = {"arch.engine.units=3", "arch.tcdm.ideal=true", "work.seq=65",
                                "work.shape.d_model=130", "work.shape.heads=1", NULL};
    rs_design *d = load(MODEL("edge_kjv_d64"), sets);
    rs_result *full = run(d, RS_FULL), *folded = run(d, RS_FOLDED);
    size_t n, k;
    const rs_action *a = rs_result_actions(full, &n), *b = rs_result_actions(folded, &k);
    cr_assert_eq(n, k);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(a[i].count, b[i].count, "%s", a[i].action);
    rs_result_destroy(full);
    rs_result_destroy(folded);
    rs_design_destroy(d);
}

static void *many_variants(void *arg)
{
    for (int i = 0; i < 120; i++) {
        rs_err *err = rs_err_create();
        const char *const *sets = variants[i % N_VARIANTS];
        rs_design *d = rs_design_with(arg, sets, count(sets), err);
        rs_design *of_it = d ? rs_design_with(d, variants[1], 1, err) : NULL;
        rs_design_destroy(d);
        if (!of_it)
            return arg;
        rs_design_destroy(of_it);
        rs_err_destroy(err);
    }
    return NULL;
}

Test(api, threads_share_a_base)
{
    rs_design *base = load(MODEL("edge_kjv_d64"), NULL);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, many_variants, base), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = base;
        pthread_join(t[i], &failed);
        cr_expect_null(failed);
    }
    rs_design_destroy(base);
}

Test(api, wrong_settings_leave_no_variant)
{
    static const struct {
        const char *set;
        int code;
    } rows[] = {{"work.seq", 64},         {"seq=5", 64},          {"work.seq=-1", 78},
                {"work.sequence=5", 78},  {"arch.engine=3", 78},  {"arch.tech=nowhere.yaml", 66},
                {"tech.voltage=9", 78},   {"work.seq.x=1", 78},   {"work.form=[", 78}};
    rs_design *base = load(MODEL("edge_kjv_d64"), NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rs_err *err = rs_err_create();
        cr_expect_null(rs_design_with(base, &rows[i].set, 1, err), "accepted: %s", rows[i].set);
        cr_expect_eq(rs_err_code(err), rows[i].code, "%s: %d", rows[i].set, rs_err_code(err));
        cr_expect_neq(*rs_err_text(err), '\0');
        rs_err_destroy(err);
    }
    rs_design_destroy(base);
}

Test(api, values_change_nothing_that_is_timed)
{
    rs_err *err = rs_err_create();
    static const char *const sets[] = {"work.seq=64", NULL};
    rs_design *d = load(MODEL("edge_kjv_d64"), sets);
    rs_result *timed = rs_run(d, &(rs_options){0}, err);
    rs_result *both = rs_run(d, &(rs_options){.values = true}, err);
    cr_assert(timed && both, "%s", rs_err_text(err));
    cr_expect_not(rs_result_summary(timed)->has_values);
    cr_expect(rs_result_summary(both)->has_values);
    cr_expect_eq(rs_result_summary(timed)->cycles, rs_result_summary(both)->cycles);
    cr_expect_gt(rs_result_summary(both)->values_compared, 64 * 64);
    rs_result_destroy(timed);
    rs_result_destroy(both);
    rs_design_destroy(d);
    rs_err_destroy(err);
}

/* Everything that a result says twice agrees. */
static void expect_consistent(const rs_result *r, const char *what)
{
    const rs_summary *s = rs_result_summary(r);
    uint64_t cycles = 0, layer_cycles = 0, energy = 0, area = 0, kinds[3] = {0};
    size_t n;
    const rs_amount *causes = rs_result_breakdown(r, &n);
    cr_expect_eq(n, s->method == RS_BOUND ? 0 : N_CAUSES);
    for (size_t i = 0; i < n; i++)
        cycles += causes[i].value;
    const rs_layer *layers = rs_result_layers(r, &n);
    for (size_t i = 0; i < n; i++)
        layer_cycles += layers[i].cycles;
    if (s->method != RS_BOUND) {
        cr_expect_eq(cycles, s->cycles, "%s: breakdown", what);
        cr_expect_eq(layer_cycles, s->cycles, "%s: layers", what);
    }
    const rs_component *components = rs_result_components(r, &n);
    for (size_t i = 0; i < n; i++) {
        energy += components[i].energy_fj;
        area += components[i].area_um2;
    }
    cr_expect_eq(energy, s->energy_fj, "%s: components", what);
    cr_expect_eq(area, s->area_um2, "%s: area", what);
    const rs_action *actions = rs_result_actions(r, &n);
    for (size_t i = 0; i < n; i++)
        kinds[actions[i].kind] += actions[i].energy_fj;
    cr_expect_eq(kinds[RS_ONCHIP], s->energy_onchip_fj, "%s", what);
    cr_expect_eq(kinds[RS_OFFCHIP], s->energy_offchip_fj, "%s", what);
    cr_expect_eq(kinds[RS_IDLE], s->energy_idle_fj, "%s", what);
    cr_expect_eq(kinds[0] + kinds[1] + kinds[2], s->energy_fj, "%s", what);
    cr_expect_gt(s->cycles, 0);
    cr_expect_gt(s->area_um2, 0);
    cr_expect_leq(s->macs, s->macs_issued, "%s", what);
    cr_expect_leq(s->utilization, 1, "%s", what);
}

static const struct point {
    const char *work, *sets[MAX_SETS];
} points[] = {
    /* A period of tokens in which layers were skipped. */
    {MODEL("edge_kjv_d64"), {"work.shape.layers=6", "work.phase=decode", "work.tokens=8"}},
    {MODEL("edge_kjv_d64"), {"work.seq=96"}},
    {MODEL("edge_kjv_d64"), {"work.seq=65", "work.form=recurrent"}},
    {MODEL("edge_kjv_d64"), {"work.seq=100", "work.form=chunkwise", "work.chunk=32", "work.lm_head=all"}},
    {MODEL("edge_kjv_d64"), {"work.seq=30", "work.phase=decode", "work.tokens=5"}},
    {MODEL("edge_kjv_d64"), {"work.seq=30", "work.phase=decode", "work.tokens=5", "work.decode=kv_cache"}},
    {MODEL("edge_kjv_d64"), {"work.seq=33", "work.phase=both", "work.tokens=3"}},
    {MODEL("edge_kjv_d64"), {"work.seq=40", "work.phase=both", "work.tokens=3", "work.form=recurrent"}},
    {MODEL("edge_kjv_d128"), {"work.seq=64", "work.lm_head=none"}},
    {KERNEL("msr"), {"work.seq=64", "arch.clocks.soc=300 MHz"}},
    {KERNEL("gemm"), {"work.m=70", "work.n=50", "work.k=90"}},
};
enum { N_POINTS = sizeof points / sizeof points[0] };

Test(api, results_agree_with_themselves_and_with_the_closed_forms)
{
    for (int i = 0; i < N_POINTS; i++) {
        char what[80];
        rs_design *d = load(points[i].work, points[i].sets);
        rs_result *r = run(d, RS_FOLDED), *bound = run(d, RS_BOUND);
        snprintf(what, sizeof what, "point %d", i);
        expect_consistent(r, what);
        expect_consistent(bound, what);
        cr_expect_eq(rs_result_summary(r)->macs, work_macs(d->work), "%s: %llu MACs, closed form %llu", what,
                     (unsigned long long)rs_result_summary(r)->macs, (unsigned long long)work_macs(d->work));
        cr_expect_leq(rs_result_summary(bound)->cycles, rs_result_summary(r)->cycles, "%s: bound", what);
        rs_result_destroy(r);
        rs_result_destroy(bound);
        rs_design_destroy(d);
    }
}

/* The JSON object up to what names the method and the host's time. */
static char *comparable(const rs_result *r)
{
    char *json = rs_result_json(r);
    char *from = strstr(json, "\"cycles\":"), *to = strstr(json, "\"version\":");
    cr_assert(from && to && from < to);
    *to = '\0';
    char *s = strdup(from);
    free(json);
    return s;
}

Test(api, folded_and_full_write_the_same_result)
{
    for (int i = 0; i < N_POINTS; i++) {
        rs_design *d = load(points[i].work, points[i].sets);
        rs_result *folded = run(d, RS_FOLDED), *full = run(d, RS_FULL);
        char *a = comparable(folded), *b = comparable(full);
        cr_expect_str_eq(a, b, "point %d", i);
        free(a);
        free(b);
        rs_result_destroy(folded);
        rs_result_destroy(full);
        rs_design_destroy(d);
    }
}

Test(api, a_result_outlives_its_design)
{
    rs_design *d = load(MODEL("edge_kjv_d64"), (const char *const[]){"work.seq=8", NULL});
    rs_result *r = run(d, RS_FOLDED);
    char *before = rs_result_json(r);
    rs_design_destroy(d);
    char *after = rs_result_json(r);
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
    rs_result_destroy(r);
}

Test(api, a_clock_above_its_limit_is_noted)
{
    const char *const sets[] = {"arch.clocks.soc=2 GHz", "work.seq=4", NULL};
    rs_design *d = load(MODEL("edge_kjv_d64"), sets);
    rs_result *r = run(d, RS_FOLDED);
    size_t n;
    const char *const *notes = rs_result_notes(r, &n);
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found |= strstr(notes[i], "above the estimated limit") != NULL;
    cr_expect(found);
    cr_expect_lt(rs_result_summary(r)->fmax_hz, 2000000000);
    rs_result_destroy(r);
    rs_design_destroy(d);
}

/* Ticks that are no whole cycles: each row keeps within a cycle of its share,
 * and together they are the run. */
Test(api, ticks_become_cycles_without_loss)
{
    static const uint64_t soc_ticks[] = {1, 2, 3, 7, 1000};
    static const struct host_cfg host;
    static const struct hyperram_cfg hyperram;
    struct rng rng = {.s = 3};
    for (int i = 0; i < 200; i++) {
        struct program p;
        struct machine *m = calloc(1, sizeof *m);
        rs_result *r = calloc(1, sizeof *r);
        uint64_t total = 0, sum = 0;
        program_init(&p);
        m->prog = &p;
        m->host_cfg = &host;
        m->hyperram_cfg = &hyperram;
        m->soc_ticks = soc_ticks[i % 5];
        for (int c = 0; c < N_CAUSES; c++)
            total += m->cause[c] = rng_below(&rng, 5000);
        m->layer_cycles[0] = total; /* a program without layers has the rest alone */
        uint64_t cycles = (total + m->soc_ticks - 1) / m->soc_ticks;
        result_timing(r, m, cycles);
        for (size_t c = 0; c < r->n_causes; c++) {
            uint64_t low = m->cause[c] / m->soc_ticks, v = r->causes[c].value;
            cr_expect(v >= low && v <= low + 1);
            sum += v;
        }
        cr_expect_eq(sum, cycles);
        cr_expect_eq(r->layers[0].cycles, cycles);
        rs_result_destroy(r);
        program_finish(&p);
        free(m);
    }
}

Test(api, errors_are_sorted_and_cleared)
{
    rs_err *err = rs_err_create();
    cr_expect_eq(rs_err_code(err), 0);
    cr_expect_str_eq(rs_err_text(err), "");
    cr_expect_not(rs_err_add(err, 65, "it is %d", 7));
    rs_err_add(err, 78, "second");
    cr_expect_eq(rs_err_code(err), 65);
    cr_expect_str_eq(rs_err_text(err), "retsim: error: it is 7\nretsim: error: second\n");
    rs_err_clear(err);
    cr_expect_eq(rs_err_code(err), 0);
    cr_expect_str_eq(rs_err_text(err), "");
    rs_err_destroy(err);
    rs_err_destroy(NULL);
}

Test(api, every_listed_key_can_be_explained)
{
    static const char *const keys[] = {"arch", "work", "tech", "sweep", "arch.engine", "arch.engine.modes",
                                       "arch.engine.modes.0.w", "work.shape.d_model", "work.map"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        rs_err *err = rs_err_create();
        char *text = rs_explain(keys[i], err);
        cr_assert_not_null(text, "%s: %s", keys[i], rs_err_text(err));
        cr_expect_gt(strlen(text), 20);
        free(text);
        rs_err_destroy(err);
    }
}
