/* Tile kernels on an engine fed by streams against a second account of them: rows counted cycle by cycle from
 * the rules measured on an RTL, for random builds, shapes and stalls; and behind a port, where nothing stalls,
 * the sum of the measured cycles of its jobs. */
#include "base/hash.h"
#include "include/retsim.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum kernel { LINEAR, ATTENTION, FEEDFORWARD, SINGLE_ATTENTION, N_KERNELS };
static const char *const kernels[] = {"linear", "attention", "feedforward", "single_attention"};

enum { MAX_PHASES = 64, PIPE = 11, MAX_SETS = 16 };

/* Output tiles, each of `inner` tile steps one after the other. */
struct phase {
    const char *name;
    uint64_t outputs, inner;
    bool bias;
    uint64_t first_row, last_row, first_out, last_out; /* cycles */
};

struct job {
    enum kernel kernel;
    uint64_t s, e, p, f, tile;
    bool bias;
    struct phase phase[MAX_PHASES];
    unsigned n;
};

static void add(struct job *j, const char *name, uint64_t outputs, uint64_t inner, bool bias)
{
    j->phase[j->n++] = (struct phase){.name = name, .outputs = outputs, .inner = inner, .bias = bias,
                                      .first_row = UINT64_MAX, .first_out = UINT64_MAX};
}

static uint64_t tiles(const struct job *j, uint64_t size)
{
    return (size + j->tile - 1) / j->tile;
}

static void phases(struct job *j)
{
    uint64_t s = tiles(j, j->s), e = tiles(j, j->e), p = tiles(j, j->p), f = tiles(j, j->f);
    j->n = 0;
    if (j->kernel == LINEAR)
        add(j, "MatMul", s * p, e, j->bias);
    if (j->kernel == FEEDFORWARD) {
        add(j, "F1", s * f, e, j->bias);
        add(j, "F2", s * e, f, j->bias);
    }
    if (j->kernel == ATTENTION) {
        add(j, "Q", s * p, e, j->bias);
        add(j, "K", s * p, e, j->bias);
        add(j, "V", s * p, e, j->bias);
    }
    for (uint64_t i = 0; i < s && (j->kernel == ATTENTION || j->kernel == SINGLE_ATTENTION); i++) {
        add(j, "QK", s, p, false);
        add(j, "AV", p, s, false);
    }
    if (j->kernel == ATTENTION)
        add(j, "OW", s * e, p, j->bias);
}

/* ---- stalls, by their definition ---- */

struct pattern {
    char text[40];
    unsigned kind, n, k; /* kind: 0 none, 1 ==, 2 >=, 3 <, 4 hash8, 5 hash1024 */
    bool high;           /* high_only_when */
};

static struct pattern draw_pattern(struct rng *rng)
{
    static const char *const tests[] = {"", "==", ">=", "<"};
    struct pattern t = {.text = "none"};
    t.kind = rng_below(rng, 2) ? 0 : (unsigned)rng_below(rng, 6);
    t.n = 2 + (unsigned)rng_below(rng, rng_below(rng, 3) ? 12 : 200);
    t.k = 1 + (unsigned)rng_below(rng, t.n - 1);
    t.high = rng_below(rng, 2);
    if (t.kind >= 4)
        snprintf(t.text, sizeof t.text, "%s", t.kind == 4 ? "low_when_hash8==0" : "low_when_hash1024<102");
    else if (t.kind)
        snprintf(t.text, sizeof t.text, "%s_c%%%u%s%u", t.high ? "high_only_when" : "low_when", t.n,
                 tests[t.kind], t.k);
    return t;
}

static bool up(const struct pattern *t, uint64_t c, unsigned port)
{
    uint64_t r = c % t->n;
    bool holds = t->kind == 1 ? r == t->k : t->kind == 2 ? r >= t->k : r < t->k;
    switch (t->kind) {
    case 0: return true;
    case 4: return ((c + 1000 * port) * 2654435761u % 4294967296u / 65536) % 8 != 0;
    case 5: return (c * 2654435761u % 4294967296u / 65536) % 1024 >= 102;
    default: return holds == t->high;
    }
}

/* ---- the core ---- */

struct build {
    uint64_t units, length, credits, weight_beat;
    bool preloaded;
    struct pattern in, w, out;
};

/* The phase of a row, and whether the row finishes an output. */
static struct phase *phase_of(struct job *j, const struct build *b, uint64_t row, bool *last)
{
    uint64_t step = b->length * b->length / b->units;
    for (unsigned i = 0; i < j->n; i++) {
        uint64_t rows = step * j->phase[i].outputs * j->phase[i].inner;
        *last = row / step % j->phase[i].inner == j->phase[i].inner - 1;
        if (row < rows)
            return &j->phase[i];
        row -= rows;
    }
    return NULL;
}

/* Cycles to the last output, inclusive. */
static uint64_t core_cycles(struct job *j, const struct build *b)
{
    enum { WAYS = 64 };
    uint64_t beats = b->units * b->length / b->weight_beat, rows = 0, row = 0, under_way = 0;
    uint64_t ready[WAYS], filled = b->preloaded ? 2 * beats : 0, oldest = 0, newest = 0;
    struct phase *of[WAYS];
    for (unsigned i = 0; i < j->n; i++)
        rows += b->length * b->length / b->units * j->phase[i].outputs * j->phase[i].inner;
    for (uint64_t c = 0;; c++) {
        bool last = false;
        struct phase *ph = phase_of(j, b, row, &last);
        /* Sets used up so far; the one in use is full when its last beat came before this cycle. */
        uint64_t used = row / b->length;
        bool full = filled / beats > used, room = filled < (used + 2) * beats;
        bool takes = c > 0 && row < rows && full && under_way < b->credits && up(&b->in, c, 0);
        bool leaves = oldest < newest && ready[oldest % WAYS] <= c && up(&b->out, c, 2);
        if (room && up(&b->w, c, 1))
            filled++;
        if (leaves) {
            struct phase *o = of[oldest++ % WAYS];
            o->first_out = o->first_out == UINT64_MAX ? c : o->first_out;
            o->last_out = c;
            under_way--;
        }
        if (takes) {
            ph->first_row = ph->first_row == UINT64_MAX ? c : ph->first_row;
            ph->last_row = c;
            row++;
            if (last) {
                ready[newest % WAYS] = c + PIPE;
                of[newest++ % WAYS] = ph;
                under_way++;
            }
        }
        if (row == rows && !under_way)
            return c + 1;
    }
}

/* ---- the same by the simulator ---- */

struct settings {
    char text[MAX_SETS][80];
    const char *list[MAX_SETS];
    unsigned n;
};

__attribute__((format(printf, 2, 3))) static void set(struct settings *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->text[s->n], sizeof s->text[0], fmt, ap);
    va_end(ap);
    s->list[s->n] = s->text[s->n];
    s->n++;
}

static void set_job(struct settings *s, const struct job *j)
{
    s->n = 0;
    set(s, "work.s=%" PRIu64, j->s);
    set(s, "work.e=%" PRIu64, j->e);
    set(s, "work.p=%" PRIu64, j->p);
    set(s, "work.f=%" PRIu64, j->f);
    set(s, "work.bias=%d", j->bias);
}

static rs_result *simulate(const char *arch, const struct job *j, const struct settings *s)
{
    char path[2][300];
    rs_options options;
    rs_err *err = rs_err_create();
    snprintf(path[0], sizeof path[0], TEST_ROOT "/configs/arch/%s.yaml", arch);
    snprintf(path[1], sizeof path[1], TEST_ROOT "/workloads/kernels/ita_%s.yaml", kernels[j->kernel]);
    rs_options_default(&options);
    rs_design *d = rs_design_load(path[0], path[1], NULL, s->list, s->n, err);
    rs_result *r = d ? rs_run(d, &options, err) : NULL;
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
    return r;
}

static struct job draw_job(struct rng *rng, uint64_t tile, unsigned most)
{
    struct job j = {.kernel = (enum kernel)rng_below(rng, N_KERNELS), .tile = tile};
    uint64_t *const size[] = {&j.s, &j.e, &j.p, &j.f};
    for (unsigned i = 0; i < 4; i++)
        *size[i] = rng_below(rng, 2) ? tile * (1 + rng_below(rng, most)) : 1 + rng_below(rng, most * tile);
    j.bias = rng_below(rng, 2);
    phases(&j);
    return j;
}

static void check_phases(const struct job *j, const rs_result *r, const char *where)
{
    size_t n;
    const rs_layer *l = rs_result_layers(r, &n);
    cr_assert_eq(n, j->n, "%s", where);
    for (unsigned i = 0; i < j->n; i++) {
        const struct phase *p = &j->phase[i];
        cr_expect_str_eq(l[i].name, p->name);
        cr_expect(l[i].first_row == p->first_row && l[i].last_row == p->last_row &&
                  l[i].first_output == p->first_out && l[i].last_output == p->last_out,
                  "%s: %s", where, p->name);
        cr_expect_eq(l[i].cycles, p->last_out - p->first_row + 1, "%s: %s", where, p->name);
    }
}

Test(tiles_twin, core_runs, .timeout = 300)
{
    struct rng rng = {11};
    for (unsigned i = 0; i < 400; i++) {
        struct build b = {.length = 8u << rng_below(&rng, 4), .credits = 1 + rng_below(&rng, 20)};
        b.units = b.length >> rng_below(&rng, 4);
        b.weight_beat = (b.units * b.length) >> rng_below(&rng, 8);
        b.weight_beat += b.weight_beat == 0;
        b.preloaded = rng_below(&rng, 3) == 0;
        b.in = draw_pattern(&rng);
        b.w = draw_pattern(&rng);
        b.out = draw_pattern(&rng);
        struct job j = draw_job(&rng, b.length, b.length > 16 ? 2 : 4);
        struct settings s;
        set_job(&s, &j);
        set(&s, "arch.engine.units=%" PRIu64, b.units);
        set(&s, "arch.engine.length=%" PRIu64, b.length);
        set(&s, "arch.engine.output_credits=%" PRIu64, b.credits);
        set(&s, "arch.engine.weights_preloaded=%s", b.preloaded ? "true" : "false");
        set(&s, "arch.streams.weight.beat_bytes=%" PRIu64, b.weight_beat);
        set(&s, "arch.streams.input.stall=%s", b.in.text);
        set(&s, "arch.streams.weight.stall=%s", b.w.text);
        set(&s, "arch.streams.output.stall=%s", b.out.text);
        char where[1400] = "";
        for (unsigned k = 0; k < s.n; k++)
            snprintf(where + strlen(where), sizeof where - strlen(where), " -s %s", s.list[k]);
        rs_result *r = simulate("ita_core", &j, &s);
        uint64_t want = core_cycles(&j, &b), is = rs_result_summary(r)->cycles;
        cr_expect_eq(is, want, "%s%s: %" PRIu64 " cycles, not %" PRIu64, kernels[j.kernel], where, is, want);
        check_phases(&j, r, where);
        rs_result_destroy(r);
    }
}

/* Behind a port without stalls: a job takes what it took on the RTL. */
static uint64_t port_cycles(const struct job *j, bool queued)
{
    uint64_t cycles = 0;
    unsigned jobs = 0;
    bool first_stores = j->phase[0].inner == 1;
    for (unsigned i = 0; i < j->n; i++) {
        const struct phase *p = &j->phase[i];
        cycles += p->outputs * ((p->inner - 1) * (p->bias ? 274 : 267) + (p->bias ? 309 : 308));
        jobs += (unsigned)(p->outputs * p->inner);
    }
    cycles += j->phase[0].bias ? (first_stores ? 8 : 12) : (first_stores ? 7 : 17);
    return cycles - 9 - (queued ? 2 * (jobs - 1) : 0);
}

Test(tiles_twin, jobs_behind_a_port, .timeout = 300)
{
    struct rng rng = {12};
    for (unsigned i = 0; i < 150; i++) {
        struct job j = draw_job(&rng, 64, 4);
        bool queued = rng_below(&rng, 2);
        struct settings s;
        set_job(&s, &j);
        set(&s, "arch.host.dispatch=%s", queued ? "queued" : "preprog");
        rs_result *r = simulate("ita_hwpe", &j, &s);
        uint64_t is = rs_result_summary(r)->cycles, want = port_cycles(&j, queued), sum = 0;
        cr_expect_eq(is, want, "%s s %" PRIu64 " e %" PRIu64 " p %" PRIu64 " f %" PRIu64 " bias %d %s: %" PRIu64
                     " cycles, not %" PRIu64, kernels[j.kernel], j.s, j.e, j.p, j.f, j.bias,
                     queued ? "queued" : "preprog", is, want);
        size_t n;
        const rs_layer *l = rs_result_layers(r, &n);
        for (size_t k = 0; k < n; k++)
            sum += l[k].cycles;
        cr_expect_eq(sum, is, "jobs follow each other");
        rs_result_destroy(r);
    }
}

/* With stalls: never faster than without, never slower than one grant less for every cycle without one, and
 * near the port's beats over the share of cycles with a grant. */
Test(tiles_twin, stalled_port, .timeout = 300)
{
    static const struct { const char *text; double duty; } stalls[] = {
        {"low_when_c%4==3", 0.75}, {"low_when_c%2==1", 0.5}, {"high_only_when_c%4==0", 0.25},
        {"low_when_hash8==0", 0.875}, {"low_when_hash1024<102", 0.9}, {"low_when_c%128>=96", 0.75},
        {"low_when_c%512>=384", 0.75}, {"low_when_c%8==1", 0.875}, {"high_only_when_c%3<2", 2 / 3.0},
    };
    struct rng rng = {13};
    for (unsigned i = 0; i < 150; i++) {
        unsigned k = i % (sizeof stalls / sizeof *stalls);
        struct job j = draw_job(&rng, 64, 2);
        bool queued = rng_below(&rng, 2);
        struct settings s;
        uint64_t jobs = 0, beats = 0, plain = port_cycles(&j, queued);
        set_job(&s, &j);
        set(&s, "arch.host.dispatch=%s", queued ? "queued" : "preprog");
        set(&s, "arch.memory.stall=%s", stalls[k].text);
        rs_result *r = simulate("ita_hwpe", &j, &s);
        uint64_t is = rs_result_summary(r)->cycles;
        for (unsigned m = 0; m < j.n; m++) {
            const struct phase *p = &j.phase[m];
            jobs += p->outputs * p->inner;
            beats += p->outputs * (p->inner * (160 + 2 * p->bias) + 128);
        }
        double least = (double)beats / stalls[k].duty, most = (double)plain / stalls[k].duty + 20 * (double)jobs;
        cr_expect_geq(is, plain, "%s %s", kernels[j.kernel], stalls[k].text);
        cr_expect_geq((double)is + 520, least, "%s %s: %" PRIu64 ", %.0f", kernels[j.kernel], stalls[k].text, is,
                      least);
        cr_expect_leq((double)is, most + 520, "%s %s: %" PRIu64 ", %.0f", kernels[j.kernel], stalls[k].text, is,
                      most);
        rs_result_destroy(r);
    }
}
