/* Running one point, and the views of its result. */
#include "arch/result.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* CPU time of the calling thread. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static char *print_note(struct arena *a, const char *fmt, va_list ap)
{
    char text[512];
    vsnprintf(text, sizeof text, fmt, ap);
    return arena_strdup(a, text);
}

void result_note(struct rs_result *r, const char *fmt, ...)
{
    const char **notes = ARENA_NEW(&r->arena, const char *, r->n_notes + 1);
    va_list ap;
    for (size_t i = 0; i < r->n_notes; i++)
        notes[i] = r->notes[i];
    va_start(ap, fmt);
    notes[r->n_notes++] = print_note(&r->arena, fmt, ap);
    va_end(ap);
    r->notes = notes;
}

static void add_decisions(struct rs_result *r, const struct rs_design *d, const struct program *p)
{
    r->hypothetical = ARENA_NEW(&r->arena, const char *, d->arch->n_hypothetical);
    for (unsigned i = 0; i < d->arch->n_hypothetical; i++)
        r->hypothetical[r->n_hypothetical++] = arena_strdup(&r->arena, d->arch->hypothetical[i]);
    for (unsigned i = 0; i < d->arch->n_warnings; i++)
        result_note(r, "%s", d->arch->warnings[i]);
    for (const char *line = p->notes.s ? p->notes.s : ""; *line;) {
        size_t len = strcspn(line, "\n");
        if (len)
            result_note(r, "%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

void result_derive(rs_summary *s)
{
    double cycles = (double)s->cycles;
    s->time_ns = cycles * 1e9 / (double)s->soc_hz;
    s->tokens_per_s = s->cycles ? (double)s->tokens * 1e9 / s->time_ns : 0;
    s->power_uw = s->cycles ? (double)s->energy_fj / s->time_ns : 0;
}

/* SoC cycles of a simulated run; 0 after an error. A run of no cycles is none. */
static uint64_t simulate(struct machine *m, struct err *err)
{
    uint64_t total = 0;
    if (!machine_run(m, err))
        return 0;
    for (int c = 0; c < N_CAUSES; c++)
        total += m->cause[c];
    if (total != m->now + m->skipped - m->origin || total == 0) {
        err_add(err, ERR_SOFTWARE, NULL, "the breakdown covers %" PRIu64 " ticks of %" PRIu64 "; this is a "
                "bug", total, m->now + m->skipped - m->origin);
        return 0;
    }
    uint64_t layers = 0;
    for (int i = 0; i < MAX_LAYERS; i++)
        layers += m->layer_cycles[i];
    if (!m->streams && layers != total) {
        err_add(err, ERR_SOFTWARE, NULL, "the layers cover %" PRIu64 " ticks of %" PRIu64 "; this is a bug",
                layers, total);
        return 0;
    }
    return (total + m->soc_ticks - 1) / m->soc_ticks;
}

/* Of the engine: what the retention unit's own lanes do is not its work. */
static double utilization(const struct machine *m, const rs_summary *s)
{
    double most = (double)s->cycles * (double)s->peak_macs_per_cycle;
    return most > 0 ? (double)(s->macs - retention_own_macs(m)) / most : 0;
}

static bool measure(struct rs_result *r, const struct rs_design *d, const rs_options *options,
                    struct machine *m, struct err *err)
{
    rs_summary *s = &r->summary;
    bool bound = options->method == RS_BOUND;
    s->cycles = bound ? machine_bound(m) : simulate(m, err);
    if (err_any(err))
        return false;
    s->method = options->method;
    r->as_scalesim = d->work->kind == WORK_GEMM && m->tcdm_cfg->ideal && m->buffers->ideal &&
                     m->engine->style == ENGINE_SYSTOLIC && m->engine->fill_drain == FILL_SERIAL;
    s->macs = m->macs;
    s->macs_issued = m->macs_issued;
    s->peak_macs_per_cycle = m->geom.macs_per_cycle;
    s->utilization = utilization(m, s);
    s->tokens = m->prog->tokens_done;
    s->soc_hz = m->clocks->soc_hz;
    s->estimated_cycles = result_estimated_cycles(m, s->cycles);
    result_timing(r, m, bound ? 0 : s->cycles);
    add_decisions(r, d, m->prog);
    if (options->values && !result_values(r, d, m->prog, err))
        return false;
    m->activity = options->values ? r->activity : NULL;
    if (!result_price(r, m, d->tech, err))
        return false;
    result_derive(s);
    return true;
}

static bool run_program(struct rs_result *r, const struct rs_design *d, const rs_options *options,
                        const struct program *p, struct err *err)
{
    struct machine *m = machine_create(d->arch, p, &evq_wheel, options->method == RS_FOLDED, err);
    if (m)
        memory_lend(options->memory, d, m);
    bool ok = m && measure(r, d, options, m, err);
    machine_destroy(m);
    memory_return(options->memory);
    return ok;
}

rs_result *rs_run(const rs_design *design, const rs_options *options, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct program own;
    const struct program *p = NULL;
    int64_t started = cpu_ns();
    struct rs_result *r = xrealloc(NULL, 1, sizeof *r);
    memset(r, 0, sizeof *r);
    rs_design_key(design, options, r->key.b);
    r->arch_name = arena_strdup(&r->arena, design->arch->name);
    r->work_name = arena_strdup(&r->arena, design->work->name);
    r->tech_name = arena_strdup(&r->arena, tech_name(design->tech));
    program_init(&own);
    if (options->memory)
        p = memory_lower(options->memory, design, e);
    else if (lower(&own, design->arch, design->work, e))
        p = &own;
    bool ok = p && run_program(r, design, options, p, e);
    ok = ok && (!options->quality || result_quality(r, design, e));
    program_finish(&own);
    r->summary.host_seconds = (double)(cpu_ns() - started) / 1e9;
    if (ok)
        return r;
    rs_result_destroy(r);
    return NULL;
}

void rs_result_destroy(rs_result *r)
{
    if (!r)
        return;
    arena_finish(&r->arena);
    free(r);
}

char *rs_lower(const rs_design *design, rs_err *err)
{
    struct program p;
    struct text t = {0};
    text_add(&t, "");
    if (lower(&p, design->arch, design->work, rs_err_inner(err)))
        program_print(&p, &t);
    else
        text_finish(&t);
    program_finish(&p);
    return t.s;
}

const char *rs_result_counts(const rs_result *r)
{
    return r->counts;
}

const rs_summary *rs_result_summary(const rs_result *r)
{
    return &r->summary;
}

const rs_amount *rs_result_breakdown(const rs_result *r, size_t *n)
{
    *n = r->n_causes;
    return r->causes;
}

const rs_amount *rs_result_traffic(const rs_result *r, size_t *n)
{
    *n = r->n_traffic;
    return r->traffic;
}

const rs_component *rs_result_components(const rs_result *r, size_t *n)
{
    *n = r->n_components;
    return r->components;
}

const rs_action *rs_result_actions(const rs_result *r, size_t *n)
{
    *n = r->n_actions;
    return r->actions;
}

const rs_layer *rs_result_layers(const rs_result *r, size_t *n)
{
    *n = r->n_layers;
    return r->layers;
}

const rs_home *rs_result_homes(const rs_result *r, size_t *n)
{
    *n = r->n_homes;
    return r->homes;
}

const char *const *rs_result_hypothetical(const rs_result *r, size_t *n)
{
    *n = r->n_hypothetical;
    return r->hypothetical;
}

const char *const *rs_result_notes(const rs_result *r, size_t *n)
{
    *n = r->n_notes;
    return r->notes;
}
