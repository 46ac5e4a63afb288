/* An engine fed by streams: its row rule and the closed form of it, stall patterns, folding, errors. That its
 * cycles are those of an RTL is in the table of docs/accuracy.md. */
#include "arch/machine.h"
#include "arch/row_pipe.h"
#include "include/retsim.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCH(name) TEST_ROOT "/configs/arch/" name ".yaml"
#define KERNEL(name) TEST_ROOT "/workloads/kernels/ita_" name ".yaml"

static uint64_t seed = 1;

/* xorshift64*: 0 .. n - 1 */
static uint64_t below(uint64_t n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 2685821657736338717u >> 33) % n;
}

/* ---- stall patterns ---- */

Test(stall, patterns)
{
    static const struct {
        const char *text;
        unsigned port;
        const char *high; /* of cycles 0, 1, ... */
    } t[] = {
        {"none", 0, "11111111"},
        {"low_when_c%2==1", 0, "10101010"},
        {"low_when_c%4==3", 1, "11101110"},
        {"high_only_when_c%4==0", 2, "10001000"},
        {"low_when_c%8>=6", 0, "1111110011"},
        {"low_when_c%8<3", 0, "0001111100011111"},
        {"high_only_when_c%5<2", 0, "1100011000"},
        {"high_only_when_c%3>=1", 0, "011011"},
        /* By hand: bits 16 to 18 of 2654435761 c are 6, 5 (c = 2), 4 (3), 2 (4), ...; 0 at c = 0. */
        {"low_when_hash8==0", 0, "011111"},
        {"low_when_hash1024<102", 1, "011"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct stall s;
        cr_assert(stall_parse(&s, t[i].text), "%s", t[i].text);
        cr_expect(!stall_always(&s));
        for (uint64_t c = 0; t[i].high[c]; c++)
            cr_expect_eq(stall_low(&s, c, t[i].port), t[i].high[c] == '0', "%s, cycle %" PRIu64, t[i].text,
                         c);
    }
}

Test(stall, hash_by_its_definition)
{
    struct stall a, b;
    stall_parse(&a, "low_when_hash8==0");
    stall_parse(&b, "low_when_hash1024<102");
    for (unsigned port = 0; port < 3; port++)
        for (uint64_t c = 0; c < 50000; c += 7) {
            uint64_t h = (c + 1000 * port) * 2654435761u % (1ull << 32) >> 16;
            cr_assert_eq(stall_low(&a, c, port), h % 8 == 0);
            cr_assert_eq(stall_low(&a, c + stall_period(&a), port), h % 8 == 0);
            h = c * 2654435761u % (1ull << 32) >> 16;
            cr_assert_eq(stall_low(&b, c, port), h % 1024 < 102);
            cr_assert_eq(stall_low(&b, c + stall_period(&b), port), h % 1024 < 102);
        }
}

Test(stall, rejects)
{
    static const char *const bad[] = {"", "None", "low_when_c%4=3", "low_when_c%==3", "low_when_c%0==0",
        "low_when_c%4==", "low_when_c%4==3 ", "low_when_c%4>3", "low_when_c%4<=3", "low_when_hash8==1",
        "low_when_hash1024<103", "high_only_when_hash8==0", "low_when_c%-4==3", "low_when_c%4==3x",
        "low_when_c%99999999999==3", "low_when_c%2000000==3", "high_only_when_c%4"};
    static const char *const never[] = {"low_when_c%1==0", "low_when_c%4>=0", "low_when_c%4<4",
        "high_only_when_c%4==4", "high_only_when_c%4>=4", "high_only_when_c%4<0"};
    struct stall s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(!stall_parse(&s, bad[i]), "%s", bad[i]);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        cr_expect(stall_parse(&s, never[i]) && stall_always(&s), "%s", never[i]);
}

/* ---- the row rule ---- */

static struct row_pipe pipe_of(uint32_t rows, uint32_t beats, uint32_t credits, uint32_t latency)
{
    return (struct row_pipe){.rows_per_set = rows, .beats_per_set = beats, .sets = 2, .credits = credits,
                             .latency = latency, .beats_per_row = 1, .beats_per_output = 1};
}

/* Cycle after the last output of `rows` rows when nothing stalls; *first: of the first row offered. */
static uint64_t run_unstalled(struct row_pipe *p, uint64_t rows, bool last, uint64_t *first)
{
    uint64_t cycle = 0, taken = 0;
    struct row_events ev;
    *first = UINT64_MAX;
    for (; taken < rows || p->in_flight; cycle++) {
        struct row_offer in = {.left = taken < rows, .row = true, .weight = true, .ready = true,
                               .last = last};
        if (*first == UINT64_MAX && row_pipe_open(p))
            *first = cycle;
        ev = row_pipe_cycle(p, cycle, &in);
        taken += ev.row;
    }
    return cycle;
}

/* The engine that is fed by buffers counts rows x cycles a row, and delivers after its latency. */
Test(row_pipe, engine_of_buffers_is_its_closed_form)
{
    struct arena arena = {0};
    struct err err = {0};
    struct ynode *root = yaml_load(&arena, ARCH("pulpissimo_retention"), &err);
    struct arch *a = arch_decode(&arena, root, &err);
    cr_assert_not_null(a);
    struct engine_cfg *e = arch_cfg_mutable(a, &engine_class);
    struct machine *m = calloc(1, sizeof *m);
    m->arch = a;
    m->engine = e;
    m->buffers = ARCH_CFG(a, buffers);
    m->retention = ARCH_CFG(a, retention);
    m->streams_cfg = ARCH_CFG(a, streams);
    for (unsigned i = 0; i < 2000; i++) {
        e->units = 1 + below(8);
        e->length = 1 + below(32);
        e->latency_cycles = 1 + below(20);
        m->geom = engine_geometry(e);
        struct cmd c = {.op = OP_MM, .cols = (uint32_t)e->units, .k = (uint32_t)e->length, .first = true,
                        .last = true, .a_bits = 8, .passes = (uint8_t)(1 + below(3)), .rows = 1};
        c.mm_dst = MM_OUT;
        uint32_t rows = (uint32_t)(1 + below(300)), latency = (uint32_t)e->latency_cycles;
        uint64_t cycles = engine_cycles(m, &c, rows), first;
        struct row_pipe p = pipe_of((uint32_t)(1 + below(rows)), 1, latency + 1 + (uint32_t)below(8),
                                    latency);
        p.full = 2; /* the sets are there before the command */
        p.beats_per_row = c.passes;
        uint64_t end = run_unstalled(&p, rows, true, &first);
        cr_assert_eq(first, 0);
        cr_assert_eq(end, cycles + latency, "%u rows, %u passes, latency %u: %" PRIu64 ", not %" PRIu64, rows,
                     c.passes, latency, end, cycles + latency);
    }
    free(m);
    arena_finish(&arena);
}

/* Steady state of a group: rows, beats of its set, or credits a loop, whatever is slowest. */
Test(row_pipe, slowest_stream_decides)
{
    for (unsigned i = 0; i < 300; i++) {
        uint32_t rows = (uint32_t)(4 + below(60)), beats = (uint32_t)(1 + below(100));
        uint32_t latency = (uint32_t)(1 + below(12)), credits = (uint32_t)(1 + below(16));
        struct row_pipe p = pipe_of(rows, beats, credits, latency);
        uint64_t first, sets = 40, end = run_unstalled(&p, sets * rows, true, &first);
        cr_assert_eq(first, beats, "a set can be used in the cycle after its last beat");
        uint64_t loop = latency + 1, n = sets * rows;
        if (beats <= rows && credits >= loop)
            cr_assert_eq(end, beats + n + latency);
        if (beats > rows && credits >= loop)
            cr_assert_eq(end, sets * beats + rows + latency);
        if (beats <= rows && credits < loop)
            cr_assert_eq(end, beats + (n - 1) / credits * loop + (n - 1) % credits + 1 + latency);
    }
}

/* Rows that finish nothing take no credit, but wait for one. */
Test(row_pipe, credits)
{
    struct row_pipe p = pipe_of(64, 1, 1, 11);
    p.full = 2;
    struct row_offer in = {.left = true, .row = true, .last = true};
    cr_expect(row_pipe_cycle(&p, 0, &in).row);
    in.last = false;
    for (uint64_t c = 1; c < 20; c++) {
        struct row_events ev = row_pipe_cycle(&p, c, &in);
        cr_expect(!ev.row && !ev.output && ev.wait == ROW_NO_CREDIT);
    }
    in.ready = true;
    struct row_events ev = row_pipe_cycle(&p, 20, &in);
    cr_expect(ev.output && !ev.row, "the credit can be used in the cycle after");
    for (uint64_t c = 21; c < 40; c++)
        cr_expect(row_pipe_cycle(&p, c, &in).row);
}

/* ---- runs ---- */

struct design {
    const char *arch, *work;
    char sets[20][80];
    unsigned n;
};

__attribute__((format(printf, 2, 3))) static void set(struct design *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->sets[d->n++], sizeof d->sets[0], fmt, ap);
    va_end(ap);
}

static rs_result *try_run(const struct design *d, rs_method method, rs_err *err)
{
    const char *list[20];
    rs_options options = {.method = method};
    for (unsigned i = 0; i < d->n; i++)
        list[i] = d->sets[i];
    rs_design *design = rs_design_load(d->arch, d->work, NULL, list, d->n, err);
    rs_result *r = design ? rs_run(design, &options, err) : NULL;
    rs_design_destroy(design);
    return r;
}

static rs_result *run(const struct design *d, rs_method method)
{
    rs_err *err = rs_err_create();
    rs_result *r = try_run(d, method, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return r;
}

static uint64_t cycles_of(const struct design *d, rs_method method)
{
    rs_result *r = run(d, method);
    uint64_t cycles = rs_result_summary(r)->cycles;
    rs_result_destroy(r);
    return cycles;
}

/* The result as text, without what tells the methods apart. */
static char *text_of(const rs_result *r, const char *method)
{
    char *json = rs_result_json(r), *seconds = strstr(json, ",\"host_seconds\""), word[32];
    cr_assert_not_null(seconds);
    *seconds = '\0';
    snprintf(word, sizeof word, "\"method\":\"%s\"", method);
    char *at = strstr(json, word);
    cr_assert_not_null(at);
    memset(at, ' ', strlen(word));
    return json;
}

static void random_stall(struct design *d, const char *key)
{
    static const char *const stalls[] = {"none", "none", "none", "low_when_c%2==1", "low_when_c%4==3",
        "high_only_when_c%4==0", "low_when_c%16>=12", "low_when_c%7<3", "high_only_when_c%3>=1",
        "low_when_hash8==0", "low_when_hash1024<102", "high_only_when_c%40==39"};
    set(d, "%s=%s", key, stalls[below(sizeof stalls / sizeof stalls[0])]);
}

static struct design random_design(bool port)
{
    static const char *const works[] = {KERNEL("linear"), KERNEL("attention"), KERNEL("feedforward"),
                                        KERNEL("single_attention")};
    static const char *const dims[] = {"s", "e", "p", "f"};
    struct design d = {.arch = port ? ARCH("ita_hwpe") : ARCH("ita_core"), .work = works[below(4)]};
    uint64_t length = 8u << below(port ? 4 : 3), units = length >> below(3);
    for (unsigned i = 0; i < 4; i++)
        set(&d, "work.%s=%" PRIu64, dims[i], 1 + below((port ? 3 : i == 1 ? 12 : 5) * length));
    set(&d, "work.bias=%" PRIu64, below(2));
    set(&d, "arch.engine.length=%" PRIu64, length);
    set(&d, "arch.engine.units=%" PRIu64, units);
    set(&d, "arch.engine.output_credits=%" PRIu64, 1 + below(16));
    set(&d, "arch.sequencer.queue_depth=%" PRIu64, 1 + below(4));
    if (port) {
        set(&d, "arch.streams.data_fifo=%" PRIu64, 1 + below(9));
        set(&d, "arch.memory.port_bytes=%" PRIu64, length << below(units % 2 ? 1 : 2));
        random_stall(&d, "arch.memory.stall");
        set(&d, "arch.host.dispatch=%s", below(2) ? "queued" : "preprog");
        return d;
    }
    set(&d, "arch.engine.weights_preloaded=%s", below(2) ? "true" : "false");
    set(&d, "arch.streams.weight.beat_bytes=%" PRIu64, units << below(2));
    if (below(4) == 0)
        set(&d, "arch.streams.input.beat_bytes=%" PRIu64, 1 + below(length));
    if (below(4) == 0)
        set(&d, "arch.streams.output.beat_bytes=%" PRIu64, 1 + below(units));
    random_stall(&d, "arch.streams.input.stall");
    random_stall(&d, "arch.streams.weight.stall");
    random_stall(&d, "arch.streams.output.stall");
    return d;
}

static void check_sums(const rs_result *r)
{
    const rs_summary *s = rs_result_summary(r);
    size_t n;
    uint64_t sum = 0;
    const rs_amount *cause = rs_result_breakdown(r, &n);
    for (size_t i = 0; i < n; i++)
        sum += cause[i].value;
    cr_expect_eq(sum, s->cycles);
    cr_expect_leq(s->macs, s->macs_issued);
    const rs_layer *l = rs_result_layers(r, &n);
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++)
        last = l[i].has_output ? l[i].last_output : l[i].last_row;
    cr_expect_lt(last, s->cycles);
}

static void check_methods(const struct design *d)
{
    char where[1024] = "";
    for (unsigned i = 0; i < d->n; i++)
        snprintf(where + strlen(where), sizeof where - strlen(where), " -s %s", d->sets[i]);
    rs_result *full = run(d, RS_FULL), *folded = run(d, RS_FOLDED);
    char *a = text_of(full, "full"), *b = text_of(folded, "folded");
    cr_expect_leq(cycles_of(d, RS_BOUND), rs_result_summary(full)->cycles, "-w %s%s", d->work, where);
    /* The names of the methods differ in length. */
    cr_expect_str_eq(a + strcspn(a, " "), b + strcspn(b, " ") + 2, "-w %s%s", d->work,
                     where);
    check_sums(full);
    free(a);
    free(b);
    rs_result_destroy(full);
    rs_result_destroy(folded);
}

Test(streams, folded_equals_full, .timeout = 300)
{
    for (unsigned i = 0; i < 120; i++) {
        struct design d = random_design(i % 4 == 3);
        check_methods(&d);
    }
}

/* Long runs fold: ten times the work, hardly more time. */
Test(streams, long_run, .timeout = 60)
{
    struct design d = {.arch = ARCH("ita_core"), .work = KERNEL("linear")};
    set(&d, "work.s=8192");
    set(&d, "work.e=8192");
    set(&d, "work.p=8192");
    cr_expect_eq(cycles_of(&d, RS_FOLDED), 64 + (uint64_t)8192 * 8192 * 8192 / 1024 + 11);
}

/* Half the width, twice the cycles. */
Test(streams, narrow_beats)
{
    static const struct {
        const char *set;
        uint64_t cycles;
    } t[] = {
        {"arch.streams.input.beat_bytes=64", 64 + 256 + 11},
        {"arch.streams.input.beat_bytes=32", 64 + 511 + 11},
        {"arch.streams.weight.beat_bytes=8", 4 * 128 + 64 + 11},
        {"arch.streams.weight.beat_bytes=128", 8 + 256 + 11},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct design d = {.arch = ARCH("ita_core"), .work = KERNEL("linear")};
        set(&d, "%s", t[i].set);
        cr_expect_eq(cycles_of(&d, RS_FULL), t[i].cycles, "%s: %" PRIu64, t[i].set, cycles_of(&d, RS_FULL));
    }
    struct design d = {.arch = ARCH("ita_core"), .work = KERNEL("linear")};
    set(&d, "arch.streams.output.beat_bytes=8");
    set(&d, "arch.engine.output_credits=200");
    cr_expect_eq(cycles_of(&d, RS_FULL), 64 + 11 + 2 * 256);
}

/* A switch is true or false, or 1 or 0. */
Test(streams, preloaded)
{
    static const char *const sets[] = {"true", "1", "false", "0"};
    for (unsigned i = 0; i < 4; i++) {
        struct design d = {.arch = ARCH("ita_core"), .work = KERNEL("linear")};
        set(&d, "arch.engine.weights_preloaded=%s", sets[i]);
        cr_expect_eq(cycles_of(&d, RS_FULL), (i < 2 ? 1 : 64) + 256 + 11, "%s", sets[i]);
    }
}

Test(streams, padded_tiles)
{
    struct design d = {.arch = ARCH("ita_core"), .work = KERNEL("linear")};
    set(&d, "work.s=65");
    set(&d, "work.e=1");
    set(&d, "work.p=64");
    rs_result *r = run(&d, RS_FULL);
    cr_expect_eq(rs_result_summary(r)->macs, 65 * 64);
    cr_expect_eq(rs_result_summary(r)->macs_issued, 2 * 64 * 64 * 64);
    rs_result_destroy(r);
}

Test(streams, errors)
{
    static const struct {
        const char *arch, *work, *set, *says;
    } t[] = {
        {ARCH("ita_core"), TEST_ROOT "/workloads/models/edge_kjv_d64.yaml", "work.seq=4", "fed by streams"},
        {ARCH("ita_hwpe"), TEST_ROOT "/workloads/kernels/gemm.yaml", "work.m=4", "fed by streams"},
        {ARCH("pulpissimo_retention"), KERNEL("linear"), "work.s=64", "arch.streams.feed driver or port"},
        {ARCH("ita_core"), KERNEL("linear"), "arch.streams.input.stall=low", "is 'low'; legal: none,"},
        {ARCH("ita_core"), KERNEL("linear"), "arch.streams.output.stall=low_when_c%3>=0", "lets a beat"},
        {ARCH("ita_hwpe"), KERNEL("linear"), "arch.memory.stall=low_when_c%0==0", "arch.memory.stall is"},
        {ARCH("ita_core"), KERNEL("linear"), "arch.memory.stall=low_when_c%2==0", "without streams"},
        {ARCH("ita_core"), KERNEL("linear"), "arch.streams.weight.beat_bytes=24", "does not divide a set"},
        {ARCH("ita_core"), KERNEL("linear"), "arch.streams.input.beat_bytes=65", "more than a row"},
        {ARCH("ita_core"), KERNEL("linear"), "arch.engine.style=systolic", "dot-product units only"},
        {ARCH("ita_hwpe"), KERNEL("linear"), "arch.engine.length=48", "a multiple of engine.length"},
        {ARCH("ita_hwpe"), KERNEL("linear"), "arch.engine.weights_preloaded=true", "weights_preloaded false"},
        {ARCH("ita_core"), KERNEL("linear"), "work.s=0", "s is 0; legal: 1.."},
        {ARCH("ita_core"), KERNEL("linear"), "work.seq=x", "work.seq"},
        {ARCH("pulpissimo_retention"), TEST_ROOT "/workloads/kernels/gemm.yaml", "work.e=4", "no meaning"},
        {ARCH("pulpissimo_retention"), TEST_ROOT "/workloads/kernels/gemm.yaml",
         "arch.engine.weights_preloaded=true", "fed by streams"},
        {ARCH("pulpissimo_retention"), TEST_ROOT "/workloads/kernels/gemm.yaml",
         "arch.streams.input.stall=low_when_c%2==0", "fed by buffers"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct design d = {.arch = t[i].arch, .work = t[i].work};
        rs_err *err = rs_err_create();
        set(&d, "%s", t[i].set);
        rs_result *r = try_run(&d, RS_FULL, err);
        cr_expect_null(r, "%s", t[i].set);
        cr_expect_not_null(strstr(rs_err_text(err), t[i].says), "%s: %s", t[i].set, rs_err_text(err));
        cr_expect_eq(rs_err_code(err), 78, "%s", t[i].set);
        rs_result_destroy(r);
        rs_err_destroy(err);
    }
}
