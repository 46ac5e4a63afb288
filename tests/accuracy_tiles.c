/* `retsim run` on every run of the ITA tables: the core (three streams) and the HWPE (one port). The latter
 * by the second account of jobs behind a port too. */
#include "tests/accuracy.h"

#include "include/retsim.h"
#include "tests/tiles_twin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SETS = 16, MAX_ROWS = 512 };

/* A run of the table: rows of phases or jobs, then the one of the whole. */
struct row {
    char phase[16];
    char numbers[5][16]; /* as columns[] */
};
static const char *const columns[5] = {"total_cycles", "first_issue", "last_issue", "first_out", "last_out"};
/* Cycles without a row: for want of weights, of the row, of a credit; column of the table and the breakdown's
 * name. */
static const char *const waits[3][2] = {
    {"stall_weight", "weight_wait"}, {"stall_input", "operand_wait"}, {"stall_outfifo", "buffer_wait"}};
struct measured {
    char sets[MAX_SETS][80];
    unsigned n_sets;
    char arch[16], layer[24], stall[32];
    struct tiles_job job; /* for the second account */
    uint64_t waits[3];    /* cycles, as waits[] below */
    struct row rows[MAX_ROWS];
    unsigned n;
};

__attribute__((format(printf, 2, 3))) static void set(struct measured *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->sets[r->n_sets++], sizeof r->sets[0], fmt, ap);
    va_end(ap);
}

static void lower_case(char *out, const char *in, size_t size)
{
    size_t n = 0;
    for (; in[n] && n + 1 < size; n++)
        out[n] = (char)(in[n] >= 'A' && in[n] <= 'Z' ? in[n] - 'A' + 'a' : in[n]);
    out[n] = '\0';
}

static void settings(struct measured *r, const struct csv *c)
{
    char activation[16];
    lower_case(activation, csv_text(c, "activation"), sizeof activation);
    set(r, "work.s=%s", csv_text(c, "S"));
    set(r, "work.e=%s", csv_text(c, "E"));
    set(r, "work.p=%s", csv_text(c, "P"));
    set(r, "work.f=%s", csv_text(c, "F"));
    set(r, "work.bias=%s", csv_text(c, "bias"));
    set(r, "work.activation=%s", activation);
    set(r, "arch.engine.units=%s", csv_text(c, "N"));
    set(r, "arch.engine.length=%s", csv_text(c, "M"));
    set(r, "arch.engine.output_credits=%s", csv_text(c, "fifo"));
    set(r, "arch.streams.weight.beat_bytes=%s", csv_text(c, "weight_beat_bytes"));
    const char *dispatch = csv_text(c, "dispatch");
    if (strcmp(r->arch, "hwpe") == 0) {
        set(r, "arch.memory.stall=%s", csv_text(c, "pat_mem"));
        set(r, "arch.host.dispatch=%s", dispatch);
        return;
    }
    set(r, "arch.engine.weights_preloaded=%s", strcmp(dispatch, "warm") ? "false" : "true");
    set(r, "arch.streams.input.stall=%s", csv_text(c, "pat_in"));
    set(r, "arch.streams.weight.stall=%s", csv_text(c, "pat_w"));
    set(r, "arch.streams.output.stall=%s", csv_text(c, "pat_out"));
}

/* In the order of enum tiles_kernel. */
static const char *const kernels[][2] = {{"Linear", "linear"}, {"Attention", "attention"},
    {"Feedforward", "feedforward"}, {"SingleAttention", "single_attention"}};

static unsigned kernel(const struct measured *r)
{
    unsigned i = 0;
    while (i + 1 < N_KERNELS && strcmp(r->layer, kernels[i][0]))
        i++;
    return i;
}

static void second_account(struct measured *r, const struct csv *c)
{
    r->job = (struct tiles_job){.kernel = (enum tiles_kernel)kernel(r), .s = csv_u64(c, "S"),
        .e = csv_u64(c, "E"), .p = csv_u64(c, "P"), .f = csv_u64(c, "F"), .tile = csv_u64(c, "M"),
        .bias = csv_u64(c, "bias"), .queued = !strcmp(csv_text(c, "dispatch"), "queued")};
    tiles_twin_phases_of(&r->job);
}

/* Reads the rows up to the one of the whole run. */
static bool next_run(struct csv *c, struct measured *r)
{
    r->n = r->n_sets = 0;
    do {
        if (!csv_next(c))
            return false;
        if (r->n == MAX_ROWS)
            accuracy_die("a run has more than %d rows", MAX_ROWS);
        struct row *row = &r->rows[r->n++];
        snprintf(row->phase, sizeof row->phase, "%s", csv_text(c, "phase"));
        for (unsigned i = 0; i < 5; i++)
            snprintf(row->numbers[i], sizeof row->numbers[i], "%s", csv_text(c, columns[i]));
    } while (strcmp(r->rows[r->n - 1].phase, "TOTAL"));
    snprintf(r->arch, sizeof r->arch, "%s", csv_text(c, "level"));
    snprintf(r->layer, sizeof r->layer, "%s", csv_text(c, "layer"));
    snprintf(r->stall, sizeof r->stall, "%s", csv_text(c, "pat_mem"));
    for (unsigned i = 0; i < 3; i++)
        r->waits[i] = csv_u64(c, waits[i][0]);
    settings(r, c);
    second_account(r, c);
    return true;
}

static rs_result *run(const struct measured *r)
{
    char arch[256], work[256];
    const char *list[MAX_SETS];
    rs_options options;
    rs_err *err = rs_err_create();
    snprintf(arch, sizeof arch, TEST_ROOT "/configs/arch/ita_%s.yaml", r->arch);
    snprintf(work, sizeof work, TEST_ROOT "/workloads/kernels/ita_%s.yaml", kernels[kernel(r)][1]);
    for (unsigned i = 0; i < r->n_sets; i++)
        list[i] = r->sets[i];
    rs_options_default(&options);
    rs_design *d = rs_design_load(arch, work, NULL, list, r->n_sets, err);
    rs_result *result = d ? rs_run(d, &options, err) : NULL;
    if (!result)
        accuracy_die("%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
    return result;
}

static bool same(const char *text, bool there, uint64_t value)
{
    return *text ? there && strtoull(text, NULL, 10) == value : !there;
}

static void compare_layers(struct accuracy *a, const struct measured *r, const rs_result *result)
{
    size_t n;
    const rs_layer *l = rs_result_layers(result, &n);
    if (r->n == 1)
        return; /* the table has only the whole of this run */
    for (size_t i = 0; i + 1 < r->n; i++) {
        const struct row *row = &r->rows[i];
        bool ok = n == r->n - 1 && strcmp(l[i].name, row->phase) == 0 &&
                  same(row->numbers[0], true, l[i].cycles) &&
                  same(row->numbers[1], l[i].has_rows, l[i].first_row) &&
                  same(row->numbers[2], l[i].has_rows, l[i].last_row) &&
                  same(row->numbers[3], l[i].has_output, l[i].first_output) &&
                  same(row->numbers[4], l[i].has_output, l[i].last_output);
        accuracy_match(a, ok);
    }
}

static void compare_waits(struct accuracy *a, const struct measured *r, const rs_result *result)
{
    size_t n;
    const rs_amount *b = rs_result_breakdown(result, &n);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < 3; k++)
            if (strcmp(b[i].name, waits[k][1]) == 0)
                accuracy_match(a, b[i].value == r->waits[k]);
}

/* Jobs where they are in the table, and the last of them else. */
static void compare_steps(struct accuracy *a, const struct measured *r)
{
    size_t n;
    struct tiles_port p = tiles_port_measured;
    struct tiles_step *step = tiles_port_steps(&r->job, &n);
    if (!tiles_pattern_parse(&p.stall, r->stall))
        accuracy_die("%s is no pattern", r->stall);
    tiles_port_run(&p, r->job.queued, step, n);
    accuracy_match(a, same(r->rows[r->n - 1].numbers[0], true, step[n - 1].done));
    for (size_t i = 0; i + 1 < r->n; i++) {
        const struct row *row = &r->rows[i];
        const struct tiles_step *s = &step[i];
        bool ok = n == r->n - 1 && strcmp(s->phase->name, row->phase) == 0 &&
                  same(row->numbers[0], true, s->done - (i ? step[i - 1].done : 0)) &&
                  same(row->numbers[1], true, s->first_row) && same(row->numbers[2], true, s->last_row) &&
                  same(row->numbers[3], s->last, s->first_out) && same(row->numbers[4], s->last, s->last_out);
        accuracy_match(a, ok);
    }
    free(step);
}

/* `what`: the level of the runs, what of them, and for totals behind a port whether the memory stalls. */
void accuracy_tiles(struct accuracy *a, const char *what)
{
    static struct measured r;
    struct csv c;
    bool core = strncmp(what, "core", 4) == 0, layers = strstr(what, "layers"), none = strstr(what, "none");
    csv_open(&c, "ita/ita_rtl_cycles.csv");
    while (next_run(&c, &r)) {
        if (core != (strcmp(r.arch, "core") == 0) ||
            (!core && !layers && none != (strcmp(r.stall, "none") == 0)))
            continue;
        if (strstr(what, "twin")) {
            compare_steps(a, &r);
            continue;
        }
        rs_result *result = run(&r);
        if (layers)
            compare_layers(a, &r, result);
        else if (strstr(what, "waits"))
            compare_waits(a, &r, result);
        else
            accuracy_point(a, (double)rs_result_summary(result)->cycles,
                           strtod(r.rows[r.n - 1].numbers[0], NULL));
        rs_result_destroy(result);
    }
}
