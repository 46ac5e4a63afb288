/* The Trace Event format of Chrome (JSON), which Perfetto's viewer, Chrome and
 * Speedscope open: complete events "X" of tracks of slices, counters "C", names
 * "M". A group of tracks is a process, a track one of its threads. */
#include "base/json.h"
#include "sim/trace.h"

#include <inttypes.h>
#include <string.h>

/* The number of a track's group, counted from 1. */
static unsigned group_of(const struct trace *t, unsigned track)
{
    unsigned g = 1;
    for (unsigned i = 1; i <= track; i++)
        g += strcmp(t->track[i].group, t->track[i - 1].group) != 0;
    return g;
}

static void quote(const char *s, FILE *f)
{
    struct text out = {0};
    struct json j;
    json_begin(&j, &out);
    json_str(&j, NULL, s);
    fputs(out.s, f);
    text_finish(&out);
}

/* Cycles, shown as nanoseconds, in the format's microseconds. */
static void stamp(const char *key, uint64_t cycles, FILE *f)
{
    fprintf(f, ",\"%s\":%" PRIu64 ".%03u", key, cycles / 1000, (unsigned)(cycles % 1000));
}

static void name_one(const char *what, unsigned group, unsigned track, const char *name, FILE *f)
{
    fprintf(f, "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":", what, group, track);
    quote(name, f);
    fputs("}},\n", f);
}

static void write_names(const struct trace *t, FILE *f)
{
    for (unsigned i = 0; i < t->n_tracks; i++) {
        unsigned g = group_of(t, i);
        if (i == 0 || g != group_of(t, i - 1))
            name_one("process_name", g, 0, t->track[i].group, f);
        if (!t->track[i].unit)
            name_one("thread_name", g, i + 1, t->track[i].name, f);
    }
}

static void write_slice(const struct trace *t, const struct trace_slice *s, FILE *f)
{
    fputs("{\"ph\":\"X\",\"name\":", f);
    quote(t->name[s->name], f);
    fprintf(f, ",\"cat\":\"%s\",\"pid\":%u,\"tid\":%u", s->waits ? "wait" : "work", group_of(t, s->track),
            s->track + 1u);
    stamp("ts", s->from, f);
    stamp("dur", s->to - s->from, f);
    if (s->command != TRACE_NO_COMMAND)
        fprintf(f, ",\"args\":{\"command\":%u}", s->command);
    fputs("},\n", f);
}

static void write_level(const struct trace *t, const struct trace_level *l, FILE *f)
{
    const struct trace_track *track = &t->track[l->track];
    fputs("{\"ph\":\"C\",\"name\":", f);
    quote(track->name, f);
    fprintf(f, ",\"pid\":%u", group_of(t, l->track));
    stamp("ts", l->at, f);
    fputs(",\"args\":{", f);
    quote(track->unit, f);
    fprintf(f, ":%u}},\n", l->value);
}

void trace_write_json(const struct trace *t, FILE *f)
{
    size_t i = 0, k = 0;
    fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"clock\":\"1 ns is one cycle of the SoC clock\"},\n"
          "\"traceEvents\":[\n", f);
    write_names(t, f);
    while (i < t->n_slices || k < t->n_levels)
        if (k == t->n_levels || (i < t->n_slices && t->slices[i].from <= t->levels[k].at))
            write_slice(t, &t->slices[i++], f);
        else
            write_level(t, &t->levels[k++], f);
    /* An instant at the end saves every other line from having to know whether it is the last. */
    fputs("{\"ph\":\"i\",\"name\":\"end of the trace\",\"s\":\"g\",\"pid\":1,\"tid\":1", f);
    stamp("ts", t->to, f);
    fputs("}\n]}\n", f);
}
