/* The values reading: programs compute what the golden model says, on random designs under several orders of
 * units, host and uDMA; timing counts the same MACs and bytes.
 * RETSIM_VALUES_DESIGNS and RETSIM_VALUES_SEED choose how many random designs and which. */
#include "arch/machine.h"
#include "base/num.h"
#include "tests/effort.h"
#include "tests/random_design.h"
#include "workloads/api.h"
#include "workloads/lower_ctx.h"
#include "workloads/values.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_DESIGNS = EFFORT(100, 36), SEED = EFFORT(5, 6), SCHEDULES = 2 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

/* ---- a program is the golden model, and what is timed ---- */

static bool same_counts(const struct rs_design *d, const struct program *p, const struct values_counts *c,
                        struct text *why)
{
    struct err e = {0};
    struct machine *m = machine_create(d->arch, p, &evq_wheel, true, &e);
    bool ok = m && machine_run(m, &e);
    if (!ok)
        text_printf(why, "timing: %s", e.n_diags ? e.diags[0].text : "failed");
    if (ok && (m->macs != c->macs || m->macs_issued != c->macs_issued)) {
        ok = false;
        text_printf(why, "MACs %" PRIu64 " of %" PRIu64 ", timed %" PRIu64 " of %" PRIu64, c->macs,
                    c->macs_issued, m->macs, m->macs_issued);
    }
    for (int t = 0; ok && t < N_TENSOR_KINDS; t++)
        for (int k = 0; ok && k < 4; k++)
            if (m->traffic[t][k] != c->traffic[t][k]) {
                ok = false;
                text_printf(why, "%s traffic %d: %" PRIu64 " bytes, timed %" PRIu64, tensor_kind_names[t], k,
                            c->traffic[t][k], m->traffic[t][k]);
            }
    machine_destroy(m);
    err_finish(&e);
    return ok;
}

/* The uDMA moves whole words: slices of weights begin and end on one. */
static bool whole_words(const struct program *p, struct text *why)
{
    for (uint32_t i = 0; i < p->n[THREAD_HOST]; i++) {
        const struct cmd *c = &p->cmds[THREAD_HOST][i];
        bool whole = c->row_bytes % UDMA_WORD == 0 && c->ext.c % UDMA_WORD == 0;
        if (c->op != OP_UDMA_RX || c->tensor != T_WEIGHT)
            continue;
        for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
            whole = whole && c->ext.k[d] % UDMA_WORD == 0;
        if (!whole) {
            text_printf(why, "command %" PRIu32 " moves weights that do not begin and end on words", i);
            return false;
        }
    }
    return true;
}

/* False with the reason; true also when the design cannot be lowered. */
static bool reads(const struct rs_design *d, uint64_t seed, bool *legal, struct text *why)
{
    struct err e = {0};
    struct program p;
    struct values_report r;
    *legal = lower(&p, d->arch, d->work, &e);
    bool ok = true;
    if (*legal) {
        ok = values_point(d->arch, d->work, &p, NULL, seed, SCHEDULES, &r, &e);
        if (!ok)
            text_add(why, e.n_diags ? e.diags[0].text : "failed");
        ok = ok && same_counts(d, &p, &r.counts, why) && whole_words(&p, why);
    }
    program_finish(&p);
    err_finish(&e);
    return ok;
}

struct trial {
    const struct random_bases *bases;
    uint64_t seed;
};

static bool fails(const struct random_design *d, void *arg)
{
    const struct trial *t = arg;
    rs_err *err = rs_err_create();
    struct text why = {0};
    rs_design *design = random_design_create(d, t->bases, err);
    bool legal, bad = design && !reads(design, t->seed, &legal, &why);
    text_finish(&why);
    rs_design_destroy(design);
    rs_err_destroy(err);
    return bad;
}

Test(values, random_programs_compute_the_golden_model)
{
    struct random_bases bases;
    uint64_t n = setting("RETSIM_VALUES_DESIGNS", N_DESIGNS), seed = setting("RETSIM_VALUES_SEED", SEED),
        runs = 0;
    random_bases_load(&bases);
    for (uint64_t i = 0; i < n; i++) {
        struct rng rng = {seed * 1000003 + i};
        struct random_design d;
        struct text why = {0}, command = {0};
        rs_err *err = rs_err_create();
        bool legal = false;
        random_design_draw(&d, &rng);
        rs_design *design = random_design_create(&d, &bases, err);
        if (design && !reads(design, i, &legal, &why)) {
            struct trial t = {&bases, i};
            random_design_shrink(&d, fails, &t);
            random_design_command(&d, &command);
            cr_expect_fail("%s\n%s --values", why.s, command.s);
        }
        runs += legal;
        text_finish(&why);
        text_finish(&command);
        rs_design_destroy(design);
        rs_err_destroy(err);
    }
    cr_expect_geq(runs * 3, n, "only %" PRIu64 " of %" PRIu64 " designs could be lowered", runs, n);
    random_bases_finish(&bases);
}

/* ---- the stream off-chip: what large models need, forced on small ones ---- */

/* A prefill with a memory off-chip. */
static void draw_parked(struct random_design *d, struct rng *rng)
{
    do
        random_design_draw(d, rng);
    while (d->base != BASE_NETWORK);
    random_design_set(d, "work.phase", "prefill");
    random_design_set(d, "arch.hyperram.kind", "hyperram");
}

static void draw_parallel(struct random_design *d, struct rng *rng)
{
    draw_parked(d, rng);
    random_design_set(d, "work.form", "parallel");
}

/* More weights than fit beside the rows of many tokens, and an array that takes its time. */
static void draw_busy(struct random_design *d, struct rng *rng)
{
    static const unsigned seqs[] = {64, 100, 128, 200, 256}, l2_kib[] = {48, 64, 96, 128};
    draw_parked(d, rng);
    random_design_set(d, "work.seq", "%u", seqs[rng_below(rng, 5)]);
    random_design_set(d, "work.shape.layers", "3");
    random_design_set(d, "arch.tcdm.bytes", "%u KiB", l2_kib[rng_below(rng, 4)]);
    random_design_set(d, "arch.engine.units", "%u", 3 + (unsigned)rng_below(rng, 6));
    random_design_set(d, "arch.engine.length", "8");
    random_design_set(d, "arch.engine.rows", "4");
}

typedef void (*draw_fn)(struct random_design *d, struct rng *rng);
typedef bool (*lower_fn)(struct program *p, const struct rs_design *d, struct rng *rng, struct err *err);

/* In blocks of any length. */
static bool lower_at(struct lower *l, uint64_t scope, uint64_t block)
{
    uint64_t seq = l->w->seq;
    l->scope = scope;
    l->T = block;
    for (l->R = 16; scope < seq && scope % l->R;)
        l->R /= 2;
    l->context = round_up(seq, 64);
    bool ok = lower_build(l) == FIT_WELL && program_check(l->p, l->arch, l->err);
    l->p->tokens_done = l->w->batch * seq;
    return ok;
}

static const uint64_t lengths[] = {8, 16, 24, 32, 48, 64};

/* Lowered with rows of heads parked, in scopes and blocks of any length. */
static bool lower_parked(struct program *p, const struct rs_design *d, struct rng *rng, struct err *err)
{
    struct lower l = {.arch = d->arch, .w = d->work, .p = p, .err = err, .parked = true};
    l.deep = rng_below(rng, 2);
    uint64_t seq = d->work->seq, scope = lengths[rng_below(rng, 6)];
    scope = scope < seq && rng_below(rng, 4) ? scope : seq;
    return lower_at(&l, scope, lengths[rng_below(rng, 6)]);
}

/* All scopes pass a layer before any passes the next. */
static bool lower_by_layers(struct program *p, const struct rs_design *d, struct rng *rng, struct err *err)
{
    struct lower l = {.arch = d->arch, .w = d->work, .p = p, .err = err, .layer_major = true};
    uint64_t seq = d->work->seq, scope = lengths[rng_below(rng, 6)];
    l.kv_local = rng_below(rng, 2);
    l.may_spill = !l.kv_local;
    return scope < seq && d->work->shape.pre_norm && lower_at(&l, scope, lengths[rng_below(rng, 6)]);
}

/* Weights come in shares, one a block of tokens. */
static bool lower_in_shares(struct program *p, const struct rs_design *d, struct rng *rng, struct err *err)
{
    struct lower l = {.arch = d->arch, .w = d->work, .p = p, .err = err};
    uint64_t seq = d->work->seq, scope = 64 * (1 + rng_below(rng, 4));
    l.may_spill = rng_below(rng, 2);
    return lower_at(&l, scope < seq ? scope : seq, lengths[rng_below(rng, 4)]) && l.w_shares;
}

/* SoC cycles; 0 after an error. */
static uint64_t cycles_of(const struct rs_design *d, const struct program *p, bool folding)
{
    struct err e = {0};
    struct machine *m = machine_create(d->arch, p, &evq_wheel, folding, &e);
    uint64_t cycles = 0;
    if (m && machine_run(m, &e))
        cycles = div_up(m->now + m->skipped - m->origin, m->soc_ticks);
    machine_destroy(m);
    err_finish(&e);
    return cycles;
}

static bool same_times(const struct rs_design *d, const struct program *p, struct text *why)
{
    struct err e = {0};
    struct machine *m = machine_create(d->arch, p, &evq_wheel, false, &e);
    uint64_t folded = cycles_of(d, p, true), full = cycles_of(d, p, false), bound = machine_bound(m);
    machine_destroy(m);
    err_finish(&e);
    bool ok = folded && folded == full && bound <= full;
    if (!ok)
        text_printf(why, "bound %" PRIu64 ", folded %" PRIu64 ", full %" PRIu64, bound, folded, full);
    return ok;
}

static bool forced_reads(const struct rs_design *d, lower_fn lowered, uint64_t seed, bool *legal,
                         struct text *why)
{
    struct rng rng = {seed};
    struct err e = {0};
    struct program p;
    struct values_report r;
    program_init(&p);
    *legal = lowered(&p, d, &rng, &e);
    bool ok = *legal || !e.n_diags || strncmp(e.diags[0].text, "command ", 8) != 0;
    if (!ok) /* what program_check refuses is no lack of memory */
        text_add(why, e.diags[0].text);
    if (*legal) {
        ok = values_point(d->arch, d->work, &p, NULL, seed, SCHEDULES, &r, &e);
        if (!ok)
            text_add(why, e.n_diags ? e.diags[0].text : "failed");
        ok = ok && same_counts(d, &p, &r.counts, why) && whole_words(&p, why);
        ok = ok && (seed % 4 || same_times(d, &p, why));
    }
    program_finish(&p);
    err_finish(&e);
    return ok;
}

static void forced_programs(draw_fn draw, lower_fn lowered, uint64_t n, uint64_t runs[3])
{
    struct random_bases bases;
    uint64_t seed = setting("RETSIM_VALUES_SEED", SEED);
    random_bases_load(&bases);
    for (uint64_t i = 0; i < n; i++) {
        struct rng rng = {seed * 2000003 + i};
        struct random_design d;
        struct text why = {0}, command = {0};
        rs_err *err = rs_err_create();
        bool legal = false;
        draw(&d, &rng);
        rs_design *design = random_design_create(&d, &bases, err);
        if (design && !forced_reads(design, lowered, i, &legal, &why)) {
            random_design_command(&d, &command);
            cr_expect_fail("forced, design %" PRIu64 ": %s\nlike %s", i, why.s, command.s);
        }
        if (legal)
            runs[design->work->form]++;
        text_finish(&why);
        text_finish(&command);
        rs_design_destroy(design);
        rs_err_destroy(err);
    }
    random_bases_finish(&bases);
}

Test(values, programs_with_a_stream_off_chip_compute_the_golden_model)
{
    uint64_t n = 2 * setting("RETSIM_VALUES_DESIGNS", N_DESIGNS), runs[3] = {0};
    forced_programs(draw_parked, lower_parked, n, runs);
    for (unsigned f = 0; f < 3; f++)
        cr_expect_geq(runs[f] * 24, n, "form %u: only %" PRIu64 " of %" PRIu64 " ran", f, runs[f], n);
}

Test(values, programs_layer_by_layer_in_parts_compute_the_golden_model)
{
    uint64_t n = setting("RETSIM_VALUES_DESIGNS", N_DESIGNS), runs[3] = {0};
    forced_programs(draw_parallel, lower_by_layers, n, runs);
    cr_expect_geq(runs[FORM_PARALLEL] * 8, n, "only %" PRIu64 " of %" PRIu64 " ran", runs[FORM_PARALLEL], n);
}

Test(values, programs_whose_weights_come_in_shares_compute_the_golden_model)
{
    uint64_t n = setting("RETSIM_VALUES_DESIGNS", N_DESIGNS), runs[3] = {0};
    forced_programs(draw_busy, lower_in_shares, n, runs);
    uint64_t ran = runs[0] + runs[1] + runs[2];
    cr_expect_geq(ran * 12, n, "only %" PRIu64 " of %" PRIu64 " ran", ran, n);
}

static bool lower_parked_whole(struct program *p, const struct rs_design *d, struct rng *rng, struct err *err)
{
    struct lower l = {.arch = d->arch, .w = d->work, .p = p, .err = err, .parked = true};
    return rng && lower_at(&l, d->work->seq, 64);
}

/* The rows of a single head are rows of the tensor: 35 bytes and one that pads them. Both are staged. */
Test(values, staging_holds_what_pads_a_row)
{
    static const char *const sets[] = {
        "work.shape.d_model=64", "work.shape.heads=1", "work.shape.value_dim=70", "work.shape.ffn_dim=64",
        "work.shape.vocab=16", "work.shape.layers=1", "work.phase=prefill", "work.form=recurrent",
        "work.seq=128", "work.quant.activations=4", "arch.tcdm.bytes=128 KiB",
        "arch.hyperram.kind=hyperram"};
    struct random_bases bases;
    struct text why = {0};
    bool legal = false;
    rs_err *err = rs_err_create();
    random_bases_load(&bases);
    rs_design *d = rs_design_with(bases.design[BASE_NETWORK], sets, sizeof sets / sizeof sets[0], err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    cr_expect(forced_reads(d, lower_parked_whole, 0, &legal, &why), "%s", why.s);
    cr_expect(legal);
    text_finish(&why);
    rs_design_destroy(d);
    rs_err_destroy(err);
    random_bases_finish(&bases);
}

/* ---- slices of weights off-chip ---- */

/* Outputs of 26 and 25 bytes, of which as many as fit the ring are no whole words: cut there, the last slice
 * begins in the middle of a word and ends behind the weights, which are the last tensor off-chip. */
static const char *const odd_sets[] = {"arch.tcdm.bytes=32 KiB", "arch.engine.units=1", "arch.engine.rows=8",
                                       "arch.engine.cols=4", "work.m=3", "work.n=1664"};
static const char *const odd_shapes[][4] = {
    {"arch.engine.style=dot_product", "arch.engine.dataflow=ws", "work.k=26", "work.quant.weights=8"},
    {"arch.engine.style=systolic", "arch.engine.dataflow=is", "work.k=26", "work.quant.weights=8"},
    {"arch.engine.style=systolic", "arch.engine.dataflow=is", "work.k=50", "work.quant.weights=4"}};
enum { N_ODD_SETS = sizeof odd_sets / sizeof odd_sets[0],
       N_ODD_SHAPES = sizeof odd_shapes / sizeof odd_shapes[0] };

Test(values, slices_of_weights_off_chip_are_whole_words)
{
    struct random_bases bases;
    random_bases_load(&bases);
    for (size_t i = 0; i < N_ODD_SHAPES; i++) {
        const char *sets[N_ODD_SETS + 4];
        struct text why = {0};
        bool legal = false;
        rs_err *err = rs_err_create();
        memcpy(sets, odd_sets, sizeof odd_sets);
        memcpy(sets + N_ODD_SETS, odd_shapes[i], sizeof odd_shapes[i]);
        rs_design *d = rs_design_with(bases.design[BASE_GEMM], sets, N_ODD_SETS + 4, err);
        cr_assert_not_null(d, "%s", rs_err_text(err));
        cr_expect(reads(d, i, &legal, &why), "shape %zu: %s", i, why.s);
        cr_expect(legal);
        text_finish(&why);
        rs_design_destroy(d);
        rs_err_destroy(err);
    }
    random_bases_finish(&bases);
}

/* ---- networks as data ---- */

static rs_result *run_on(const char *work, const char *const *sets, size_t n)
{
    rs_err *err = rs_err_create();
    rs_options options;
    rs_options_default(&options);
    options.values = true;
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml", work, NULL, sets, n,
                                  err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_result *r = rs_run(d, &options, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
    return r;
}

/* The integers that `eval` scores and those that the program computes are the same: so is what they cost. */
Test(values, network_directories_run_in_all_forms)
{
    static const char *const dirs[] = {TEST_REFERENCE "/retnet/msr_s16_d64_h2_v1_c8",
                                       TEST_REFERENCE "/retnet/block_s64_d64_h4_v2_c16",
                                       TEST_ROOT "/workloads/networks/kjv_d64_l2"};
    static const double least_db[] = {27.5, 44, 22};
    static const char *const forms[] = {"work.form=parallel", "work.form=recurrent", "work.form=chunkwise"};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned f = 0; f < 3; f++) {
            rs_result *r = run_on(dirs[i], &forms[f], 1);
            const rs_summary *s = rs_result_summary(r);
            cr_expect(s->has_values && s->values_compared > 1000);
            cr_expect_geq(s->sqnr_db, least_db[i], "%s, %s: %.2f dB", dirs[i], forms[f], s->sqnr_db);
            cr_expect_eq(isfinite(s->bits_per_byte) != 0, i == 2);
            rs_result_destroy(r);
        }
}

Test(values, a_text_that_is_too_short_is_said_so)
{
    static const char *const sets[] = {"work.seq=2000"};
    rs_err *err = rs_err_create();
    rs_options options;
    rs_options_default(&options);
    options.values = true;
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml",
                                  TEST_ROOT "/workloads/networks/kjv_d64_l2", NULL, sets, 1, err);
    cr_assert_not_null(d);
    cr_expect_null(rs_run(d, &options, err));
    cr_expect_eq(rs_err_code(err), 78);
    cr_expect_not_null(strstr(rs_err_text(err), "16 sequences of 513 tokens"), "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
}
