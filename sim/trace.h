/* A timeline: what happened when, on named tracks. A track of slices holds
 * stretches of time that do not overlap; a track of levels holds a count that
 * changes. The recorder keeps what falls into a window; three writers turn it
 * into files that others' viewers open. Times are cycles, one of which is shown
 * as a nanosecond: viewers know no cycles. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TRACE_MAX_TRACKS = 64, TRACE_MAX_NAMES = 1024 };
enum { TRACE_NO_COMMAND = UINT16_MAX };

struct trace_track {
    const char *group, *name;
    const char *unit; /* of levels; NULL: slices */
};
struct trace_slice {
    uint64_t from, to; /* to > from */
    uint16_t track, name, command;
    bool waits; /* for something, instead of working */
};
struct trace_level {
    uint64_t at;
    uint32_t value;
    uint16_t track;
};

struct trace {
    struct arena arena;
    uint64_t from, to; /* window; nothing outside is kept */
    size_t limit;      /* entries */
    bool full;         /* the limit was reached */
    struct trace_track track[TRACE_MAX_TRACKS];
    unsigned n_tracks;
    const char *name[TRACE_MAX_NAMES];
    unsigned n_names;
    struct trace_slice *slices;
    struct trace_level *levels;
    size_t n_slices, n_levels, cap_slices, cap_levels;
    size_t last[TRACE_MAX_TRACKS]; /* 1 + the place of a track's last level */
};

void trace_init(struct trace *t, uint64_t from, uint64_t to, size_t limit);
void trace_finish(struct trace *t);
/* Tracks of a group follow one another. Strings are copied. */
unsigned trace_track(struct trace *t, const char *group, const char *name, const char *unit);
/* The number of a name, the same for equal names. */
unsigned trace_name(struct trace *t, const char *name);
/* Clipped to the window; dropped when nothing is left. A track's slices come in order. */
void trace_slice(struct trace *t, const struct trace_slice *s);
/* From `at` on; equal levels are dropped, the last one of a cycle counts. */
void trace_level(struct trace *t, unsigned track, uint64_t at, uint32_t value);

/* An edge of a slice or a new level, for formats that are a list of changes. */
enum trace_edge_kind { TRACE_END, TRACE_BEGIN, TRACE_LEVEL };
struct trace_edge {
    uint64_t at;
    size_t i; /* of the slice or level */
    uint8_t kind;
};
/* All edges in order of time, ends first. The caller frees. */
struct trace_edge *trace_edges(const struct trace *t, size_t *n);
/* Puts slices and levels in order of time. */
void trace_sort(struct trace *t);

/* Writers of a sorted trace; a failed write shows in ferror(). */
void trace_write_json(const struct trace *t, FILE *f);
void trace_write_pftrace(const struct trace *t, FILE *f);
void trace_write_vcd(const struct trace *t, FILE *f);

#endif
