/* The recorder of timelines. Entries are kept in memory, up to a limit, since
 * components are not seen in order of time. */
#include "sim/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void trace_init(struct trace *t, uint64_t from, uint64_t to, size_t limit)
{
    *t = (struct trace){.from = from, .to = to, .limit = limit};
}

void trace_finish(struct trace *t)
{
    free(t->slices);
    free(t->levels);
    arena_finish(&t->arena);
}

unsigned trace_track(struct trace *t, const char *group, const char *name, const char *unit)
{
    assert(t->n_tracks < TRACE_MAX_TRACKS);
    struct arena *a = &t->arena;
    t->track[t->n_tracks] = (struct trace_track){arena_strdup(a, group), arena_strdup(a, name),
                                                 unit ? arena_strdup(a, unit) : NULL};
    return t->n_tracks++;
}

unsigned trace_name(struct trace *t, const char *name)
{
    for (unsigned i = 0; i < t->n_names; i++)
        if (strcmp(t->name[i], name) == 0)
            return i;
    assert(t->n_names < TRACE_MAX_NAMES);
    t->name[t->n_names] = arena_strdup(&t->arena, name);
    return t->n_names++;
}

/* Room for one more entry of all; false when the limit is reached. */
static bool room(struct trace *t)
{
    t->full = t->n_slices + t->n_levels >= t->limit;
    return !t->full;
}

void trace_slice(struct trace *t, const struct trace_slice *s)
{
    struct trace_slice k = *s;
    k.from = k.from < t->from ? t->from : k.from;
    k.to = k.to > t->to ? t->to : k.to;
    if (k.from >= k.to || !room(t))
        return;
    if (t->n_slices == t->cap_slices)
        t->slices = xrealloc(t->slices, t->cap_slices = 2 * t->cap_slices + 1024, sizeof *t->slices);
    t->slices[t->n_slices++] = k;
}

void trace_level(struct trace *t, unsigned track, uint64_t at, uint32_t value)
{
    struct trace_level *last = t->last[track] ? &t->levels[t->last[track] - 1] : NULL;
    at = at < t->from ? t->from : at;
    if ((last && last->value == value) || at >= t->to)
        return;
    if (last && last->at == at) {
        last->value = value;
        return;
    }
    if (!room(t))
        return;
    if (t->n_levels == t->cap_levels)
        t->levels = xrealloc(t->levels, t->cap_levels = 2 * t->cap_levels + 1024, sizeof *t->levels);
    t->levels[t->n_levels++] = (struct trace_level){at, value, (uint16_t)track};
    t->last[track] = t->n_levels;
}

static int by_begin(const void *a, const void *b)
{
    const struct trace_slice *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->track < y->track ? -1 : x->track > y->track;
}

static int by_time(const void *a, const void *b)
{
    const struct trace_level *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->track < y->track ? -1 : x->track > y->track;
}

void trace_sort(struct trace *t)
{
    if (t->n_slices)
        qsort(t->slices, t->n_slices, sizeof *t->slices, by_begin);
    if (t->n_levels)
        qsort(t->levels, t->n_levels, sizeof *t->levels, by_time);
}

static int by_edge(const void *a, const void *b)
{
    const struct trace_edge *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

struct trace_edge *trace_edges(const struct trace *t, size_t *n)
{
    struct trace_edge *e = xrealloc(NULL, 2 * t->n_slices + t->n_levels + 1, sizeof *e);
    *n = 0;
    for (size_t i = 0; i < t->n_slices; i++) {
        e[(*n)++] = (struct trace_edge){t->slices[i].from, i, TRACE_BEGIN};
        e[(*n)++] = (struct trace_edge){t->slices[i].to, i, TRACE_END};
    }
    for (size_t i = 0; i < t->n_levels; i++)
        e[(*n)++] = (struct trace_edge){t->levels[i].at, i, TRACE_LEVEL};
    qsort(e, *n, sizeof *e, by_edge);
    return e;
}
