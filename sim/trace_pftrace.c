/* Perfetto's own format: a stream of protobuf messages, of which this needs few.
 *
 *   Trace            packet = 1
 *   TracePacket      timestamp = 8, trusted_packet_sequence_id = 10, track_event = 11,
 *                    interned_data = 12, sequence_flags = 13, track_descriptor = 60
 *   TrackDescriptor  uuid = 1, name = 2, parent_uuid = 5, counter = 8
 *   CounterDescriptor unit_name = 6
 *   InternedData     event_categories = 1, event_names = 2, debug_annotation_names = 3
 *                    (each: iid = 1, name = 2)
 *   TrackEvent       category_iids = 3, debug_annotations = 4, type = 9 (1 begin, 2 end,
 *                    4 counter), name_iid = 10, track_uuid = 11, counter_value = 30
 *   DebugAnnotation  name_iid = 1, uint_value = 3
 *
 * A field is a key (number x 8 + wire type) and a value: a varint of seven bits
 * a byte, low ones first (type 0), or a length and so many bytes (type 2). */
#include "base/text.h"
#include "sim/trace.h"

#include <stdlib.h>
#include <string.h>

enum { SEQUENCE = 1, CLEARED = 1, NEEDS_INTERNED = 2 };
enum { CATEGORY_WORK = 1, CATEGORY_WAIT };

static void varint(struct text *m, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        text_addn(m, (char[]){(char)(v | 0x80)}, 1);
    text_addn(m, (char[]){(char)v}, 1);
}

static void number(struct text *m, unsigned field, uint64_t v)
{
    varint(m, field * 8);
    varint(m, v);
}

static void bytes(struct text *m, unsigned field, const char *s, size_t n)
{
    varint(m, field * 8 + 2);
    varint(m, n);
    text_addn(m, s, n);
}

/* Appends message `sub` and empties it. */
static void message(struct text *m, unsigned field, struct text *sub)
{
    bytes(m, field, sub->s ? sub->s : "", sub->len);
    sub->len = 0;
}

static void write_packet(struct text *packet, FILE *f)
{
    struct text out = {0};
    message(&out, 1, packet);
    fwrite(out.s, 1, out.len, f);
    text_finish(&out);
}

/* Tracks have the numbers 1 ..; their groups follow. */
static uint64_t group_uuid(const struct trace *t, unsigned track)
{
    while (track && !strcmp(t->track[track].group, t->track[track - 1].group))
        track--;
    return TRACE_MAX_TRACKS + 1 + track;
}

static void describe(uint64_t uuid, const char *name, uint64_t parent, const char *unit, FILE *f)
{
    struct text packet = {0}, track = {0}, counter = {0};
    number(&track, 1, uuid);
    bytes(&track, 2, name, strlen(name));
    if (parent)
        number(&track, 5, parent);
    if (unit) {
        bytes(&counter, 6, unit, strlen(unit));
        message(&track, 8, &counter);
    }
    number(&packet, 10, SEQUENCE);
    message(&packet, 60, &track);
    write_packet(&packet, f);
    text_finish(&packet);
    text_finish(&track);
    text_finish(&counter);
}

static void intern(struct text *data, unsigned field, uint64_t iid, const char *name)
{
    struct text entry = {0};
    number(&entry, 1, iid);
    bytes(&entry, 2, name, strlen(name));
    message(data, field, &entry);
    text_finish(&entry);
}

static void write_names(const struct trace *t, FILE *f)
{
    struct text packet = {0}, data = {0};
    intern(&data, 1, CATEGORY_WORK, "work");
    intern(&data, 1, CATEGORY_WAIT, "wait");
    for (unsigned i = 0; i < t->n_names; i++)
        intern(&data, 2, i + 1, t->name[i]);
    intern(&data, 3, 1, "command");
    number(&packet, 10, SEQUENCE);
    message(&packet, 12, &data);
    number(&packet, 13, CLEARED | NEEDS_INTERNED);
    write_packet(&packet, f);
    text_finish(&packet);
    text_finish(&data);
}

static void begin(const struct trace_slice *s, struct text *event)
{
    struct text note = {0};
    number(event, 3, s->waits ? CATEGORY_WAIT : CATEGORY_WORK);
    if (s->command != TRACE_NO_COMMAND) {
        number(&note, 1, 1);
        number(&note, 3, s->command);
        message(event, 4, &note);
    }
    number(event, 9, 1);
    number(event, 10, s->name + 1u);
    number(event, 11, s->track + 1u);
    text_finish(&note);
}

static void write_edge(const struct trace *t, const struct trace_edge *e, struct text *packet,
                       struct text *event, FILE *f)
{
    packet->len = event->len = 0;
    if (e->kind == TRACE_BEGIN) {
        begin(&t->slices[e->i], event);
    } else if (e->kind == TRACE_END) {
        number(event, 9, 2);
        number(event, 11, t->slices[e->i].track + 1u);
    } else {
        number(event, 9, 4);
        number(event, 11, t->levels[e->i].track + 1u);
        number(event, 30, t->levels[e->i].value);
    }
    number(packet, 8, e->at);
    number(packet, 10, SEQUENCE);
    message(packet, 11, event);
    number(packet, 13, NEEDS_INTERNED);
    write_packet(packet, f);
}

void trace_write_pftrace(const struct trace *t, FILE *f)
{
    struct text packet = {0}, event = {0};
    size_t n;
    struct trace_edge *e = trace_edges(t, &n);
    write_names(t, f);
    for (unsigned i = 0; i < t->n_tracks; i++) {
        uint64_t group = group_uuid(t, i);
        if (group == TRACE_MAX_TRACKS + 1u + i)
            describe(group, t->track[i].group, 0, NULL, f);
        describe(i + 1, t->track[i].name, group, t->track[i].unit, f);
    }
    for (size_t i = 0; i < n && !ferror(f); i++)
        write_edge(t, &e[i], &packet, &event, f);
    text_finish(&packet);
    text_finish(&event);
    free(e);
}
