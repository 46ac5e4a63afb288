/* Value change dump (IEEE 1364-2005, clause 18), for GTKWave and other waveform
 * viewers. A group of tracks is a module. A track X of slices is a module with the
 * signals `X_busy`, `X_waits`, `X_what` (number of the name, listed in a comment)
 * and `X_command`; the last two are x while nothing goes on. A track of levels is
 * one signal. Changes within one time step show their last value only. */
#include "sim/trace.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNALS = 4, WIDTH = 16, UNKNOWN = -1 };
enum signal { BUSY, WAITS, WHAT, COMMAND };

struct wave {
    int32_t now[TRACE_MAX_TRACKS * SIGNALS], shown[TRACE_MAX_TRACKS * SIGNALS];
};

/* Identifier codes are printable characters, least significant digit first. */
static void code(unsigned signal, FILE *f)
{
    do
        fputc('!' + (int)(signal % 94), f);
    while ((signal /= 94) > 0);
}

/* A simple identifier: letters, digits, underscores. */
static void identifier(const char *name, FILE *f)
{
    for (; *name; name++)
        fputc(isalnum((unsigned char)*name) ? *name : '_', f);
}

/* Viewers show the last part of a name alone, so that it says the track again. */
static void declare(unsigned signal, unsigned width, const char *track, const char *name, FILE *f)
{
    fprintf(f, "$var wire %u ", width);
    code(signal, f);
    fputc(' ', f);
    identifier(track, f);
    identifier(name, f);
    if (width > 1)
        fprintf(f, " [%u:0]", width - 1);
    fputs(" $end\n", f);
}

static void open_scope(const char *name, FILE *f)
{
    fputs("$scope module ", f);
    identifier(name, f);
    fputs(" $end\n", f);
}

static void declare_track(const struct trace *t, unsigned i, FILE *f)
{
    static const char *const names[SIGNALS] = {"_busy", "_waits", "_what", "_command"};
    if (t->track[i].unit) {
        declare(i * SIGNALS, WIDTH, t->track[i].name, "", f);
        return;
    }
    open_scope(t->track[i].name, f);
    for (unsigned s = 0; s < SIGNALS; s++)
        declare(i * SIGNALS + s, s < WHAT ? 1 : WIDTH, t->track[i].name, names[s], f);
    fputs("$upscope $end\n", f);
}

static void write_header(const struct trace *t, FILE *f)
{
    fputs("$version retsim $end\n$comment one ns is one cycle of the SoC clock $end\n$comment what:\n", f);
    for (unsigned i = 0; i < t->n_names; i++)
        fprintf(f, "  %u %s\n", i, t->name[i]);
    fputs("$end\n$timescale 1 ns $end\n", f);
    for (unsigned i = 0; i < t->n_tracks; i++) {
        if (i == 0 || strcmp(t->track[i].group, t->track[i - 1].group)) {
            fputs(i ? "$upscope $end\n" : "", f);
            open_scope(t->track[i].group, f);
        }
        declare_track(t, i, f);
    }
    fputs(t->n_tracks ? "$upscope $end\n$enddefinitions $end\n" : "$enddefinitions $end\n", f);
}

static bool is_vector(const struct trace *t, unsigned signal)
{
    return t->track[signal / SIGNALS].unit || signal % SIGNALS >= WHAT;
}

static bool exists(const struct trace *t, unsigned signal)
{
    return !t->track[signal / SIGNALS].unit || signal % SIGNALS == 0;
}

static void write_value(const struct trace *t, unsigned signal, int32_t v, FILE *f)
{
    if (!is_vector(t, signal)) {
        fputc(v ? '1' : '0', f);
    } else if (v == UNKNOWN) {
        fputs("bx ", f);
    } else {
        unsigned bit = 31 - (unsigned)__builtin_clz((unsigned)v | 1);
        fputc('b', f);
        for (unsigned b = bit + 1; b-- > 0;)
            fputc('0' + (v >> b & 1), f);
        fputc(' ', f);
    }
    code(signal, f);
    fputc('\n', f);
}

/* All signals that differ from what was last written. */
static void write_changes(const struct trace *t, struct wave *w, uint64_t at, FILE *f)
{
    bool any = false;
    for (unsigned s = 0; s < t->n_tracks * SIGNALS; s++) {
        if (w->now[s] == w->shown[s])
            continue;
        if (!any)
            fprintf(f, "#%" PRIu64 "\n", at);
        any = true;
        write_value(t, s, w->now[s], f);
        w->shown[s] = w->now[s];
    }
}

static void apply(const struct trace *t, const struct trace_edge *e, struct wave *w)
{
    if (e->kind == TRACE_LEVEL) {
        w->now[t->levels[e->i].track * SIGNALS] = (int32_t)t->levels[e->i].value;
        return;
    }
    const struct trace_slice *s = &t->slices[e->i];
    int32_t *v = &w->now[s->track * SIGNALS];
    bool on = e->kind == TRACE_BEGIN;
    v[BUSY] = on && !s->waits;
    v[WAITS] = on && s->waits;
    v[WHAT] = on ? s->name : UNKNOWN;
    v[COMMAND] = on && s->command != TRACE_NO_COMMAND ? s->command : UNKNOWN;
}

/* What every signal is before the first change. */
static void write_initial(const struct trace *t, struct wave *w, FILE *f)
{
    fprintf(f, "#%" PRIu64 "\n$dumpvars\n", t->from);
    for (unsigned s = 0; s < t->n_tracks * SIGNALS; s++) {
        bool unknown = !t->track[s / SIGNALS].unit && s % SIGNALS >= WHAT;
        w->now[s] = w->shown[s] = unknown ? UNKNOWN : 0;
        if (exists(t, s))
            write_value(t, s, w->now[s], f);
    }
    fputs("$end\n", f);
}

void trace_write_vcd(const struct trace *t, FILE *f)
{
    struct wave w;
    size_t n;
    struct trace_edge *e = trace_edges(t, &n);
    write_header(t, f);
    write_initial(t, &w, f);
    for (size_t i = 0; i < n && !ferror(f);) {
        uint64_t at = e[i].at;
        for (; i < n && e[i].at == at; i++)
            apply(t, &e[i], &w);
        write_changes(t, &w, at, f);
    }
    fprintf(f, "#%" PRIu64 "\n", t->to);
    free(e);
}
