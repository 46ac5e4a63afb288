#include "tests/tiles_twin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kernels[] = {"linear", "attention", "feedforward", "single_attention"};
enum { PIPE = 11 }; /* cycles from a row to its output */

static void add(struct tiles_job *j, const char *name, uint64_t outputs, uint64_t inner, bool bias)
{
    j->phase[j->n++] = (struct tiles_phase){.name = name,
                                            .outputs = outputs,
                                            .inner = inner,
                                            .bias = bias,
                                            .first_row = UINT64_MAX,
                                            .first_out = UINT64_MAX};
}

static uint64_t tiles(const struct tiles_job *j, uint64_t size)
{
    return (size + j->tile - 1) / j->tile;
}

void tiles_twin_phases_of(struct tiles_job *j)
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

static const char *const tests[] = {"", "==", ">=", "<"};

bool tiles_pattern_up(const struct tiles_pattern *t, uint64_t c, unsigned port)
{
    uint64_t r = t->n ? c % t->n : 0;
    bool holds = t->kind == 1 ? r == t->k : t->kind == 2 ? r >= t->k : r < t->k;
    switch (t->kind) {
    case 0: return true;
    case 4: return ((c + 1000 * port) * 2654435761u % 4294967296u / 65536) % 8 != 0;
    case 5: return (c * 2654435761u % 4294967296u / 65536) % 1024 >= 102;
    default: return holds == t->high;
    }
}

bool tiles_pattern_parse(struct tiles_pattern *t, const char *text)
{
    char test[3];
    int end = 0;
    memset(t, 0, sizeof *t);
    snprintf(t->text, sizeof t->text, "%s", text);
    if (!strcmp(text, "none"))
        return true;
    if (strstr(text, "hash")) {
        t->kind = !strcmp(text, "low_when_hash8==0") ? 4 : 5;
        return t->kind == 4 || !strcmp(text, "low_when_hash1024<102");
    }
    t->high = !strncmp(text, "high", 4);
    const char *period = strchr(text, '%');
    if (!period || sscanf(period, "%%%u%2[=><]%u%n", &t->n, test, &t->k, &end) != 3 || period[end])
        return false;
    for (t->kind = 1; t->kind < 4 && strcmp(test, tests[t->kind]);)
        t->kind++;
    return t->n && t->kind < 4;
}

/* Lets some beat pass; remainders that never come are in, and periods of 1. */
static struct tiles_pattern draw_pattern(struct rng *rng)
{
    struct tiles_pattern t;
    bool passes = false;
    do {
        memset(&t, 0, sizeof t);
        t.kind = rng_below(rng, 3) == 0 ? 0 : 1 + (unsigned)rng_below(rng, 5);
        uint64_t most = rng_below(rng, 2) ? 12 : rng_below(rng, 2) ? 67 : 1024;
        t.n = 1 + (unsigned)rng_below(rng, most);
        t.k = (unsigned)rng_below(rng, t.n + 2);
        t.high = rng_below(rng, 2);
        /* A memory that is there once in more than 40 cycles takes long and shows little. */
        unsigned up = 0, seen = t.kind && t.kind < 4 ? t.n : 8;
        for (unsigned c = 0; c < seen; c++)
            up += tiles_pattern_up(&t, c, 0);
        passes = up * 40 >= seen;
    } while (!passes);
    if (t.kind >= 4)
        snprintf(t.text, sizeof t.text, "%s", t.kind == 4 ? "low_when_hash8==0" : "low_when_hash1024<102");
    else if (t.kind)
        snprintf(t.text, sizeof t.text, "%s_c%%%u%s%u", t.high ? "high_only_when" : "low_when", t.n,
                 tests[t.kind], t.k);
    else
        snprintf(t.text, sizeof t.text, "none");
    return t;
}

/* ---- the core ---- */

struct build {
    uint64_t units, length, credits, weight_beat;
    bool preloaded;
    struct tiles_pattern in, w, out;
};

/* Rows of a tile step: all of a tile for each group of columns that a set covers. */
static uint64_t rows_of_step(const struct build *b)
{
    return b->length * ((b->length + b->units - 1) / b->units);
}

/* The phase of a row, and whether the row finishes an output. */
static struct tiles_phase *phase_of(struct tiles_job *j, const struct build *b, uint64_t row, bool *last)
{
    uint64_t step = rows_of_step(b);
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
static uint64_t core_cycles(struct tiles_job *j, const struct build *b)
{
    enum { WAYS = 64 };
    uint64_t beats = b->units * b->length / b->weight_beat, rows = 0, row = 0, under_way = 0;
    uint64_t ready[WAYS], filled = b->preloaded ? 2 * beats : 0, oldest = 0, newest = 0;
    struct tiles_phase *of[WAYS];
    for (unsigned i = 0; i < j->n; i++)
        rows += rows_of_step(b) * j->phase[i].outputs * j->phase[i].inner;
    for (uint64_t c = 0;; c++) {
        bool last = false;
        struct tiles_phase *ph = phase_of(j, b, row, &last);
        /* Sets used up so far; the one in use is full when its last beat came before this cycle. */
        uint64_t used = row / b->length;
        bool full = filled / beats > used, room = filled < (used + 2) * beats;
        bool takes = c > 0 && row < rows && full && under_way < b->credits && tiles_pattern_up(&b->in, c, 0);
        bool leaves = oldest < newest && ready[oldest % WAYS] <= c && tiles_pattern_up(&b->out, c, 2);
        if (room && tiles_pattern_up(&b->w, c, 1))
            filled++;
        if (leaves) {
            struct tiles_phase *o = of[oldest++ % WAYS];
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

/* ---- the same for the simulator ---- */

__attribute__((format(printf, 2, 3))) static void set(struct tiles_job *j, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->text[j->n_sets++], sizeof j->text[0], fmt, ap);
    va_end(ap);
}

static void draw(struct tiles_job *j, uint64_t tile, unsigned most, struct rng *rng)
{
    uint64_t *const size[] = {&j->s, &j->e, &j->p, &j->f};
    memset(j, 0, sizeof *j);
    j->kernel = (enum tiles_kernel)rng_below(rng, N_KERNELS);
    j->tile = tile;
    for (unsigned i = 0; i < 4; i++)
        *size[i] = rng_below(rng, 2) ? tile * (1 + rng_below(rng, most)) : 1 + rng_below(rng, most * tile);
    j->bias = rng_below(rng, 2);
    tiles_twin_phases_of(j);
    set(j, "work.s=%" PRIu64, j->s);
    set(j, "work.e=%" PRIu64, j->e);
    set(j, "work.p=%" PRIu64, j->p);
    set(j, "work.f=%" PRIu64, j->f);
    set(j, "work.bias=%d", j->bias);
}

void tiles_twin_core(struct tiles_job *j, struct rng *rng)
{
    struct build b = {.length = 8u << rng_below(rng, 4), .credits = 1 + rng_below(rng, 20)};
    b.units = b.length >> rng_below(rng, 4);
    if (rng_below(rng, 3) == 0) { /* units that do not divide a tile, or are more than its columns */
        b.length = 4 + rng_below(rng, 60);
        b.units = 1 + rng_below(rng, b.length + 4);
    }
    do {
        b.weight_beat = 1 + rng_below(rng, rng_below(rng, 2) ? b.units * b.length : 4 * b.units);
    } while (b.units * b.length % b.weight_beat);
    b.preloaded = rng_below(rng, 3) == 0;
    b.in = draw_pattern(rng);
    b.w = draw_pattern(rng);
    b.out = draw_pattern(rng);
    draw(j, b.length, b.length > 16 ? 2 : 4, rng);
    j->arch = "ita_core";
    set(j, "arch.engine.units=%" PRIu64, b.units);
    set(j, "arch.engine.length=%" PRIu64, b.length);
    set(j, "arch.engine.output_credits=%" PRIu64, b.credits);
    set(j, "arch.engine.weights_preloaded=%s", b.preloaded ? "true" : "false");
    set(j, "arch.streams.weight.beat_bytes=%" PRIu64, b.weight_beat);
    set(j, "arch.streams.input.stall=%s", b.in.text);
    set(j, "arch.streams.weight.stall=%s", b.w.text);
    set(j, "arch.streams.output.stall=%s", b.out.text);
    j->cycles = core_cycles(j, &b);
}

/* Table of the RTL's jobs, in cycles: of those that end no output, and of those that do, with and without
 * bias; more for the first job, less for the last and for those that were committed ahead. */
void tiles_twin_port(struct tiles_job *j, struct rng *rng)
{
    uint64_t jobs = 0;
    draw(j, 64, 4, rng);
    j->queued = rng_below(rng, 2);
    j->arch = "ita_hwpe";
    set(j, "arch.host.dispatch=%s", j->queued ? "queued" : "preprog");
    bool first_stores = j->phase[0].inner == 1;
    for (unsigned i = 0; i < j->n; i++) {
        const struct tiles_phase *p = &j->phase[i];
        j->cycles += p->outputs * ((p->inner - 1) * (p->bias ? 274 : 267) + (p->bias ? 309 : 308));
        jobs += p->outputs * p->inner;
    }
    j->cycles += j->phase[0].bias ? (first_stores ? 8 : 12) : (first_stores ? 7 : 17);
    j->cycles -= 9 + (j->queued ? 2 * (jobs - 1) : 0);
}

/* Sizes that the port can have: whole rows in a beat, whole beats in a set and in a step. */
static void draw_port(struct tiles_port *p, struct rng *rng)
{
    uint64_t rows; /* of a beat */
    do {
        rows = 1 + rng_below(rng, 4);
        p->length = 8 + rng_below(rng, 60);
        p->units = rows * (1 + rng_below(rng, p->length / rows + 4));
    } while (p->length * ((p->length + p->units - 1) / p->units) % rows);
    p->port_bytes = p->length * rows;
    p->credits = 1 + rng_below(rng, 16);
    p->latency = rng_below(rng, 16);
    p->addresses = 1 + rng_below(rng, 4);
    p->requests = 2 + rng_below(rng, 4);
    p->beats = 1 + rng_below(rng, 12);
    p->sets = 2 + rng_below(rng, 3);
    p->bias_bits = 8 + rng_below(rng, 40);
    p->to_start = rng_below(rng, 6);
    p->restart = 1 + rng_below(rng, 6);
}

void tiles_twin_stalled(struct tiles_job *j, struct tiles_port *p, bool build, struct rng *rng)
{
    static const char *const activations[] = {"identity", "relu", "gelu"};
    *p = tiles_port_measured;
    if (build)
        draw_port(p, rng);
    p->stall = draw_pattern(rng);
    draw(j, p->length, rng_below(rng, 4) ? 2 : 4, rng);
    bool queued = rng_below(rng, 2);
    uint64_t contexts = rng_below(rng, 2) ? 4 : 1 + rng_below(rng, 8);
    j->queued = queued && contexts > 1; /* one context holds the job that runs */
    j->arch = "ita_hwpe";
    set(j, "work.activation=%s", activations[rng_below(rng, 3)]);
    set(j, "arch.host.dispatch=%s", queued ? "queued" : "preprog");
    set(j, "arch.regfile.contexts=%" PRIu64, contexts);
    set(j, "arch.memory.stall=%s", p->stall.text);
    if (!build)
        return;
    set(j, "arch.engine.units=%" PRIu64, p->units);
    set(j, "arch.engine.length=%" PRIu64, p->length);
    set(j, "arch.engine.latency_cycles=%" PRIu64, p->latency);
    set(j, "arch.engine.output_credits=%" PRIu64, p->credits);
    set(j, "arch.engine.weight_sets=%" PRIu64, p->sets);
    set(j, "arch.memory.port_bytes=%" PRIu64, p->port_bytes);
    set(j, "arch.streams.bias_bits=%" PRIu64, p->bias_bits);
    set(j, "arch.streams.address_fifo=%" PRIu64, p->addresses);
    set(j, "arch.streams.request_fifo=%" PRIu64, p->requests);
    set(j, "arch.streams.data_fifo=%" PRIu64, p->beats);
    set(j, "arch.regfile.trigger_to_start_cycles=%" PRIu64, p->to_start);
    set(j, "arch.regfile.restart_cycles=%" PRIu64, p->restart);
}

static bool same_beats(const struct tiles_step *step, size_t n, const rs_result *r)
{
    static const char *const names[] = {"input_beat", "weight_beat", "bias_beat", "output_beat"};
    unsigned found = 0;
    size_t k;
    const rs_action *a = rs_result_actions(r, &k);
    for (size_t i = 0; i < k; i++)
        for (unsigned s = 0; s < TILES_STREAMS; s++) {
            uint64_t beats = 0;
            for (size_t m = 0; m < n; m++)
                beats += step[m].beats[s];
            found += !strcmp(a[i].component, "streams") && !strcmp(a[i].action, names[s]) &&
                     a[i].count == beats;
        }
    return found == TILES_STREAMS;
}

bool tiles_twin_steps(const struct tiles_step *step, size_t n, const rs_result *r)
{
    size_t k;
    const rs_layer *l = rs_result_layers(r, &k);
    bool same = n == k && same_beats(step, n, r);
    for (size_t i = 0; same && i < n; i++) {
        const struct tiles_step *s = &step[i];
        same = !strcmp(l[i].name, s->phase->name) && l[i].first_row == s->first_row &&
               l[i].last_row == s->last_row && l[i].has_output == s->last &&
               l[i].cycles == s->done - (i ? step[i - 1].done : 0) &&
               (!s->last || (l[i].first_output == s->first_out && l[i].last_output == s->last_out));
    }
    return same;
}

rs_result *tiles_twin_simulate(const struct tiles_job *j, rs_method method, const char *more,
                               rs_err *err)
{
    char path[2][300];
    const char *list[TILES_SETS + 1];
    rs_options options;
    snprintf(path[0], sizeof path[0], TEST_ROOT "/configs/arch/%s.yaml", j->arch);
    snprintf(path[1], sizeof path[1], TEST_ROOT "/workloads/kernels/ita_%s.yaml", kernels[j->kernel]);
    for (unsigned i = 0; i < j->n_sets; i++)
        list[i] = j->text[i];
    list[j->n_sets] = more;
    rs_options_default(&options);
    options.method = method;
    rs_design *d = rs_design_load(path[0], path[1], NULL, list, j->n_sets + (more != NULL), err);
    rs_result *r = d ? rs_run(d, &options, err) : NULL;
    rs_design_destroy(d);
    return r;
}

bool tiles_twin_phases(const struct tiles_job *j, const rs_result *r)
{
    size_t n;
    const rs_layer *l = rs_result_layers(r, &n);
    bool same = n == j->n;
    for (unsigned i = 0; same && i < j->n; i++) {
        const struct tiles_phase *p = &j->phase[i];
        same = !strcmp(l[i].name, p->name) && l[i].first_row == p->first_row &&
               l[i].last_row == p->last_row && l[i].first_output == p->first_out &&
               l[i].last_output == p->last_out && l[i].cycles == p->last_out - p->first_row + 1;
    }
    return same;
}
