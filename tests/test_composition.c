/* The same instances are timed and priced: nothing that is simulated has no
 * price, nothing is priced that does not take part. */
#include "arch/arch.h"
#include "include/retsim.h"
#include "tests/random_design.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Classes without a price of their own, and why. */
static const struct { const char *name, *why; } unpriced_classes[] = {
    {"clocks", "frequencies, no hardware"},
    {"memory", "what feeds an engine from outside: not part of the core that is described"},
    {"traffic", "requests of others: their accesses are priced in tcdm"},
};

Test(composition, every_class_has_a_price_or_a_reason)
{
    for (size_t i = 0; arch_classes[i]; i++) {
        bool excused = false;

        for (size_t k = 0; k < sizeof unpriced_classes / sizeof unpriced_classes[0]; k++)
            excused |= strcmp(unpriced_classes[k].name, arch_classes[i]->name) == 0;
        cr_expect(excused != (arch_classes[i]->cost != NULL), "class %s: priced %d, excused %d",
                  arch_classes[i]->name, arch_classes[i]->cost != NULL, excused);
    }
}

struct counts {
    const rs_action *a;
    size_t n;
};

static uint64_t count_of(const struct counts *c, const char *component, const char *action)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->a[i].kind != RS_OFFCHIP && !strcmp(c->a[i].component, component) &&
            !strcmp(c->a[i].action, action))
            n += c->a[i].count;
    return n;
}

static bool is_priced(const struct counts *c, const char *component, const char *action)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->a[i].component, component) && !strcmp(c->a[i].action, action) && c->a[i].priced)
            return true;
    return false;
}

/* Counters without a price of their own: the sum of `parts` is the sum of
 * `priced` (words of component.action); or nothing happens that takes energy beyond what is counted
 * elsewhere, and `why` says it. */
static const struct rule {
    const char *parts, *priced, *why;
} rules[] = {
    {"tcdm.hwpe_grant tcdm.udma_grant traffic.grant", "tcdm.transfer", NULL},
    {"tcdm.hwpe_grant tcdm.udma_grant traffic.grant", "tcdm.read tcdm.write", NULL},
    {"streamer.load streamer.weight streamer.store", "streamer.push", NULL},
    {"streamer.weight", "engine.write", NULL},
    {"sequencer.command", "sequencer.push", NULL},
    {"tcdm.udma_grant", "udma.word", NULL},
    {"udma.rx_byte udma.tx_byte", NULL, "in word, rounded up"},
    {"host.active", "host.active_cycle", NULL},
    {"host.active", "private_l2.read", NULL},
    {"host.apb", "apb.access", NULL},
    {"engine.mac_wide engine.busy engine.rows", NULL, "in mac, by pass"},
    {"engine.acc_read engine.acc_write", NULL,
     "dot products: acc_write has a price; systolic: add, as often as acc_read; the rest is the buffer's"},
    {"retention.busy retention.tokens vector.busy tcdm.busy hyperram.active", NULL, "time"},
    {"tcdm.conflict traffic.wait host.interrupt host.job", NULL, "waiting; the core's cycles are active"},
    {"retention.mac", NULL, "in update and readout"},
    {"udma.transfer streamer.command", NULL, "in the words; set up by the sequencer's command"},
};
enum { N_RULES = sizeof rules / sizeof rules[0] };

static uint64_t sum_of(const struct counts *c, const char *words)
{
    char copy[256], *save = NULL;
    uint64_t n = 0;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *dot = strchr(w, '.');
        *dot = 0;
        n += count_of(c, w, dot + 1);
    }
    return n;
}

static bool has_rule(const rs_action *a)
{
    char word[128];
    snprintf(word, sizeof word, "%s.%s", a->component, a->action);
    size_t len = strlen(word);
    for (size_t i = 0; i < N_RULES; i++)
        for (const char *p = rules[i].parts; (p = strstr(p, word)); p += len)
            if ((p == rules[i].parts || p[-1] == ' ') && (!p[len] || p[len] == ' '))
                return true;
    return false;
}

static const rs_component *component_of(const rs_result *r, const char *name)
{
    size_t n;
    const rs_component *c = rs_result_components(r, &n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c[i].name, name))
            return &c[i];
    return NULL;
}

/* Everything that moved is on something that has an area. `ideal` parts are not
 * there, and an engine between streams has neither buffers nor a streamer. */
static void check(const rs_result *r, const char *what, bool whole)
{
    struct counts c = {0};
    c.a = rs_result_actions(r, &c.n);
    for (size_t i = 0; i < c.n; i++) {
        const rs_action *a = &c.a[i];
        const rs_component *on = component_of(r, a->component);
        cr_assert_not_null(on, "%s: %s", what, a->component);
        cr_expect(a->priced || has_rule(a) || !whole, "%s: %s.%s has no price and no rule", what,
                  a->component, a->action);
        bool device = !strcmp(a->component, "traffic");
        cr_expect(!whole || device || !a->count || on->area_um2 > 0, "%s: %s.%s happens on no area", what,
                  a->component, a->action);
    }
    for (size_t i = 0; i < N_RULES && whole; i++) {
        if (!rules[i].priced)
            continue;
        uint64_t parts = sum_of(&c, rules[i].parts), priced = sum_of(&c, rules[i].priced);
        cr_expect_eq(parts, priced, "%s: %s: %" PRIu64 " and %s: %" PRIu64, what,
                     rules[i].parts, parts, rules[i].priced, priced);
    }
    cr_expect(is_priced(&c, "engine", "mac"), "%s", what);
}

static const char *work_of(const char *arch)
{
    return strstr(arch, "ita_")       ? TEST_ROOT "/workloads/kernels/ita_linear.yaml"
           : strstr(arch, "systolic") ? TEST_ROOT "/workloads/kernels/gemm.yaml"
                                      : TEST_ROOT "/workloads/models/edge_kjv_d64.yaml";
}

Test(composition, shipped_architectures)
{
    glob_t g;
    cr_assert_eq(glob(TEST_ROOT "/configs/arch/*.yaml", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        rs_err *err = rs_err_create();
        const char *sets[] = {"work.seq=64"}, *path = g.gl_pathv[i], *work = work_of(path);
        rs_design *d = rs_design_load(path, work, NULL, sets, strstr(work, "models") ? 1 : 0, err);
        cr_assert_not_null(d, "%s: %s", path, rs_err_text(err));
        rs_result *r = rs_run(d, &(rs_options){.method = RS_FOLDED}, err);
        cr_assert_not_null(r, "%s: %s", path, rs_err_text(err));
        check(r, path, !strstr(path, "ita_") && !strstr(path, "ideal"));
        rs_result_destroy(r);
        rs_design_destroy(d);
        rs_err_destroy(err);
    }
    cr_expect_geq(g.gl_pathc, 8);
    globfree(&g);
}

static double sequencer_um2(unsigned depth)
{
    char set[48];
    const char *sets[] = {set, "work.seq=8"};
    rs_err *err = rs_err_create();
    size_t n;
    snprintf(set, sizeof set, "arch.sequencer.queue_depth=%u", depth);
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml",
                                  TEST_ROOT "/workloads/models/edge_kjv_d64.yaml", NULL, sets, 2, err);
    rs_result *r = d ? rs_run(d, &(rs_options){.method = RS_BOUND}, err) : NULL;
    cr_assert_not_null(r, "%s", rs_err_text(err));
    const rs_component *c = rs_result_components(r, &n);
    while (strcmp(c->name, "sequencer"))
        c++;
    double area = (double)c->area_um2;
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
    return area;
}

/* Six queues of 192 bits, 9.3 gates a bit. */
Test(composition, command_queues_take_registers)
{
    double one = sequencer_um2(1), four = sequencer_um2(4);
    double eight = sequencer_um2(8), sixteen = sequencer_um2(16);
    double bit = (sixteen - four) / (6 * 192 * 12);
    cr_expect_float_eq((sixteen - eight) / (eight - four), 2, 0.01);
    cr_expect_gt(four, one);
    double gate = bit / 9.323; /* placed, of 22 nm */
    cr_expect(gate > 0.2 && gate < 0.6, "%.3f um2", gate);
}

static uint64_t counted(const rs_result *r, const char *action, bool priced)
{
    struct counts c = {0};
    c.a = rs_result_actions(r, &c.n);
    cr_expect_eq(is_priced(&c, "engine", action), priced, "%s", action);
    return count_of(&c, "engine", action);
}

/* Scores are decayed, and their rows' largest kept, once more for a shift a row: in all forms whose keys pass
 * twice the first pass is as many values as the second, and nothing else is requantised for it. */
Test(composition, row_maxima_are_counted_and_priced)
{
    static const struct {
        const char *form, *lanes;
        bool scores;
    } rows[] = {{"work.form=parallel", "arch.engine.requant_lanes=auto", true},
                {"work.form=chunkwise", "arch.engine.requant_lanes=4", true},
                {"work.form=recurrent", "arch.engine.requant_lanes=auto", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rs_result *r[2];
        rs_err *err = rs_err_create();
        for (int shift = 0; shift < 2; shift++) {
            const char *scale = shift ? "work.quant.score_scale=row_shift" : "work.quant.score_scale=static";
            const char *sets[] = {rows[i].form, rows[i].lanes, "work.seq=100", scale};
            rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml",
                                          TEST_ROOT "/workloads/models/edge_kjv_d64.yaml", NULL, sets, 4,
                                          err);
            r[shift] = d ? rs_run(d, &(rs_options){.method = RS_FOLDED}, err) : NULL;
            cr_assert_not_null(r[shift], "%s", rs_err_text(err));
            rs_design_destroy(d);
        }
        uint64_t more = counted(r[1], "requant", true) - counted(r[0], "requant", true);
        cr_expect_eq(counted(r[0], "row_max", true), 0);
        cr_expect_eq(counted(r[1], "row_max", true), more, "%s", rows[i].form);
        cr_expect_eq(more > 0, rows[i].scores, "%s", rows[i].form);
        cr_expect_eq(rs_result_summary(r[0])->area_um2, rs_result_summary(r[1])->area_um2);
        rs_result_destroy(r[0]);
        rs_result_destroy(r[1]);
        rs_err_destroy(err);
    }
}

/* ---- the one published core that two scalars are calibrated on ---- */

struct core {
    double fj_mac, mm2, fmax_hz;
};

static struct core ita(unsigned tiles)
{
    char set[3][24];
    const char *sets[3] = {set[0], set[1], set[2]};
    rs_err *err = rs_err_create();
    for (int i = 0; i < 3; i++)
        snprintf(set[i], sizeof set[i], "work.%c=%u", "sep"[i], 64 * tiles);
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/ita_core.yaml",
                                  TEST_ROOT "/workloads/kernels/ita_linear.yaml", NULL, sets, 3, err);
    rs_result *r = d ? rs_run(d, &(rs_options){.method = RS_FOLDED}, err) : NULL;
    cr_assert_not_null(r, "%s", rs_err_text(err));
    const rs_summary *s = rs_result_summary(r);
    struct core c = {(double)s->energy_fj / (double)s->macs, (double)s->area_um2 * 1e-6, (double)s->fmax_hz};
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
    return c;
}

/* 16.9 TOPS/W = 118.34 fJ a MAC, 5.93 TOPS/mm2 at 1.024 TOPS = 0.17268 mm2
 * (0.8 V). How many tiles of 64 a contraction had is not said: one and four are
 * to lie around the figure. */
Test(composition, ita_comes_out_as_published)
{
    struct core one = ita(1), four = ita(4);
    printf("ITA %.2f and %.2f fJ/MAC (published 118.34), %.4f mm2 (0.1727), %.0f MHz (500, from memory)\n",
           one.fj_mac, four.fj_mac, one.mm2, one.fmax_hz / 1e6);
    cr_expect_float_eq(sqrt(one.fj_mac * four.fj_mac), 118.34, 0.6);
    cr_expect(one.fj_mac > 0.92 * 118.34 && four.fj_mac < 1.08 * 118.34);
    cr_expect_float_eq(one.mm2, 0.17268, 0.0009);
    cr_expect_eq(one.mm2, four.mm2);
    cr_expect_float_eq(one.fmax_hz, 500e6, 25e6);
}

/* ---- random designs ---- */

enum { DESIGNS = 60, MAX_BOUND_CYCLES = 3000000 };

static const char *const techs[] = {"gf22fdx", "generic45", "generic65"};
enum { N_TECHS = sizeof techs / sizeof techs[0] };

static void load_bases(struct random_bases *b, const char *tech)
{
    static const char *const work[N_BASES] = {"models/edge_kjv_d64", "kernels/msr", "kernels/gemm"};
    rs_err *err = rs_err_create();
    for (int i = 0; i < N_BASES; i++) {
        char path[512], file[512];
        snprintf(path, sizeof path, "%s/workloads/%s.yaml", TEST_ROOT, work[i]);
        snprintf(file, sizeof file, "%s/configs/tech/%s.yaml", TEST_ROOT, tech);
        b->design[i] = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml", path, file, NULL,
                                      0, err);
        cr_assert_not_null(b->design[i], "%s", rs_err_text(err));
    }
    rs_err_destroy(err);
}

/* The next legal and short random design; its bound. */
static rs_design *draw(const struct random_bases *b, struct rng *rng, rs_result **bound,
                       struct random_design *d)
{
    for (;;) {
        rs_err *err = rs_err_create();
        random_design_draw(d, rng);
        if (rng_below(rng, 4) == 0)
            random_design_draw_beside(d, rng);
        rs_design *design = random_design_create(d, b, err);
        *bound = design ? rs_run(design, &(rs_options){.method = RS_BOUND}, err) : NULL;
        rs_err_destroy(err);
        if (*bound && rs_result_summary(*bound)->cycles <= MAX_BOUND_CYCLES)
            return design;
        rs_result_destroy(*bound);
        rs_design_destroy(design);
    }
}

Test(composition, random_designs)
{
    struct random_bases b;
    struct rng rng = {.s = 7};
    random_bases_load(&b);
    for (int i = 0; i < DESIGNS; i++) {
        struct random_design d;
        struct text what = {0};
        rs_err *err = rs_err_create();
        rs_result *bound;
        rs_design *design = draw(&b, &rng, &bound, &d);
        rs_result *r = rs_run(design, &(rs_options){.method = RS_FOLDED}, err);
        const char *ideal = random_design_get(&d, "arch.tcdm.ideal");
        random_design_command(&d, &what);
        cr_assert_not_null(r, "%s: %s", what.s, rs_err_text(err));
        if (!ideal)
            check(r, what.s, true);
        rs_result_destroy(r);
        rs_result_destroy(bound);
        rs_design_destroy(design);
        rs_err_destroy(err);
        text_finish(&what);
    }
    random_bases_finish(&b);
}

static void same_prices(const rs_result *run, const rs_result *priced, const char *what)
{
    const rs_summary *s = rs_result_summary(run), *p = rs_result_summary(priced);
    size_t n, m;
    cr_expect_eq(s->energy_fj, p->energy_fj, "%s: energy", what);
    cr_expect_eq(s->energy_onchip_fj, p->energy_onchip_fj, "%s: on chip", what);
    cr_expect_eq(s->energy_offchip_fj, p->energy_offchip_fj, "%s: off chip", what);
    cr_expect_eq(s->energy_idle_fj, p->energy_idle_fj, "%s: idle", what);
    cr_expect_eq(s->energy_upper_fj, p->energy_upper_fj, "%s: upper bound", what);
    cr_expect_eq(s->area_um2, p->area_um2, "%s: area", what);
    cr_expect_eq(s->fmax_hz, p->fmax_hz, "%s: fmax", what);
    cr_expect_eq(s->energy_rel_err, p->energy_rel_err, "%s: error of energy", what);
    cr_expect_eq(s->area_rel_err, p->area_rel_err, "%s: error of area", what);
    cr_expect_eq(s->power_uw, p->power_uw, "%s: power", what);
    const rs_action *a = rs_result_actions(run, &n), *q = rs_result_actions(priced, &m);
    cr_assert_eq(n, m, "%s: actions", what);
    for (size_t i = 0; i < n; i++)
        cr_expect(a[i].energy_fj == q[i].energy_fj && a[i].count == q[i].count && a[i].kind == q[i].kind &&
                  !strcmp(a[i].action, q[i].action) && !strcmp(a[i].component, q[i].component) &&
                  a[i].rel_err == q[i].rel_err, "%s: %s.%s", what, a[i].component, a[i].action);
    const rs_component *c = rs_result_components(run, &n), *e = rs_result_components(priced, &m);
    cr_assert_eq(n, m, "%s: components", what);
    for (size_t i = 0; i < n; i++)
        cr_expect(c[i].energy_fj == e[i].energy_fj && c[i].area_um2 == e[i].area_um2 &&
                  c[i].fmax_hz == e[i].fmax_hz && c[i].path_fo4 == e[i].path_fo4, "%s: %s", what, c[i].name);
}

static void add_set(char (*sets)[64], const char **p, size_t *n, const char *path, double value)
{
    snprintf(sets[*n], sizeof sets[0], "%s=%.3f", path, value);
    p[*n] = sets[*n];
    ++*n;
}

/* Counts of a run by one technology, priced by another one at another supply
 * and temperature, are what running with that one gives: to the femtojoule. */
Test(composition, prices_of_counts_are_prices_of_a_run)
{
    struct random_bases b[N_TECHS];
    struct rng rng = {.s = 11};
    for (int i = 0; i < N_TECHS; i++)
        load_bases(&b[i], techs[i]);
    for (int i = 0; i < DESIGNS; i++) {
        struct random_design d, other;
        struct text what = {0};
        char sets[4][64], file[512];
        const char *p[4];
        size_t n = 0, to = rng_below(&rng, N_TECHS);
        rs_err *err = rs_err_create();
        rs_result *bound, *result[2];
        rs_design *from = draw(&b[rng_below(&rng, N_TECHS)], &rng, &bound, &d);
        add_set(sets, p, &n, "tech.voltage", (to == 2 ? 0.85 : 0.65) + 0.01 * (double)rng_below(&rng, 20));
        add_set(sets, p, &n, "tech.temp_k", 280 + (double)rng_below(&rng, 90));
        add_set(sets, p, &n, "tech.coefficients.toggle.value", 0.1 + 0.01 * (double)rng_below(&rng, 50));
        other = d;
        for (size_t k = 0; k < n; k++) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)strcspn(sets[k], "="), sets[k]);
            random_design_set(&other, key, "%s", strchr(sets[k], '=') + 1);
        }
        snprintf(file, sizeof file, "%s/configs/tech/%s.yaml", TEST_ROOT, techs[to]);
        rs_design *tech = rs_tech_load(file, p, n, err);
        rs_design *with = random_design_create(&other, &b[to], err);
        cr_assert(tech && with, "%s", rs_err_text(err));
        rs_method method = rng_below(&rng, 4) ? RS_FOLDED : RS_BOUND;
        result[0] = rs_run(from, &(rs_options){.method = method}, err);
        result[1] = rs_run(with, &(rs_options){.method = method}, err);
        random_design_command(&other, &what);
        cr_assert(result[0] && result[1], "%s: %s", what.s, rs_err_text(err));
        const rs_summary *s = rs_result_summary(result[1]);
        rs_result *priced = rs_reprice(rs_result_counts(result[0]), s->cycles, s->soc_hz, tech, err);
        cr_assert_not_null(priced, "%s: %s", what.s, rs_err_text(err));
        same_prices(result[1], priced, what.s);
        rs_result_destroy(priced);
        rs_result_destroy(result[0]);
        rs_result_destroy(result[1]);
        rs_result_destroy(bound);
        rs_design_destroy(tech);
        rs_design_destroy(with);
        rs_design_destroy(from);
        rs_err_destroy(err);
        text_finish(&what);
    }
    for (int i = 0; i < N_TECHS; i++)
        random_bases_finish(&b[i]);
}
