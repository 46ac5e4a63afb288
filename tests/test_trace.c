/* Timelines: three formats, read back here with readers of their own, and held against the counters of the
 * same run. */
#include "base/yamldoc.h"
#include "include/retsim.h"
#include "tests/effort.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARCH(name) TEST_ROOT "/configs/arch/" name ".yaml"
#define MODEL(name) TEST_ROOT "/workloads/models/" name ".yaml"
#define KERNEL(name) TEST_ROOT "/workloads/kernels/" name ".yaml"

enum { MAX_TRACKS = 64, MAX_SUMS = 512 };

static const struct scenario {
    const char *arch, *work, *sets[5];
    bool streams;
} scenarios[] = {
    {ARCH("pulpissimo_retention"), MODEL("edge_kjv_d64"), {"work.seq=16", NULL}, false},
    {ARCH("pulpissimo_retention"), MODEL("edge_kjv_d64"),
     {"work.seq=24", "work.form=recurrent", "work.phase=both", "work.tokens=2", NULL}, false},
    {ARCH("pulpissimo_retention"), MODEL("edge_kjv_d128"),
     {"work.phase=decode", "work.tokens=1", "work.seq=8", NULL}, false},
    {ARCH("pulpissimo_retention"), KERNEL("msr"), {"arch.retention.state=l2", "work.form=recurrent",
     "work.seq=16", NULL}, false},
    {ARCH("systolic_ideal"), KERNEL("gemm"), {"work.m=40", "work.n=24", "work.k=56", NULL}, false},
    {ARCH("ita_core"), KERNEL("ita_attention"), {"arch.streams.weight.stall=low_when_c%3==0", NULL}, true},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

/* What the slices and levels of a file add up to, whatever its format. */
struct seen {
    struct {
        char track[40], name[40];
        bool waits;
        uint64_t cycles, n;
    } slices[MAX_SUMS];
    size_t n_slices;
    struct {
        char track[40];
        uint64_t area, last, at; /* level x cycles */
    } levels[MAX_TRACKS];
    size_t n_levels;
    uint64_t end;
};

static void see_slice(struct seen *s, const char *track, const char *name, bool waits, uint64_t cycles)
{
    size_t i = 0;
    while (i < s->n_slices && (strcmp(s->slices[i].track, track) || strcmp(s->slices[i].name, name) ||
                               s->slices[i].waits != waits))
        i++;
    cr_assert_lt(i, MAX_SUMS);
    if (i == s->n_slices) {
        snprintf(s->slices[i].track, sizeof s->slices[i].track, "%s", track);
        snprintf(s->slices[i].name, sizeof s->slices[i].name, "%s", name);
        s->slices[s->n_slices++].waits = waits;
    }
    s->slices[i].cycles += cycles;
    s->slices[i].n++;
}

static void see_level(struct seen *s, const char *track, uint64_t at, uint64_t value)
{
    size_t i = 0;
    while (i < s->n_levels && strcmp(s->levels[i].track, track))
        i++;
    cr_assert_lt(i, MAX_TRACKS);
    if (i == s->n_levels)
        snprintf(s->levels[s->n_levels++].track, sizeof s->levels[i].track, "%s", track);
    cr_assert_geq(at, s->levels[i].at, "%s goes back from %lu to %lu", track, s->levels[i].at, at);
    s->levels[i].area += s->levels[i].last * (at - s->levels[i].at);
    s->levels[i].at = at;
    s->levels[i].last = value;
}

static uint64_t level_area(const struct seen *s, const char *track)
{
    for (size_t i = 0; i < s->n_levels; i++)
        if (!strcmp(s->levels[i].track, track))
            return s->levels[i].area + s->levels[i].last * (s->end - s->levels[i].at);
    return 0;
}

/* name NULL: any. */
static uint64_t slice_sum(const struct seen *s, const char *track, const char *name, uint64_t *n)
{
    uint64_t cycles = 0, count = 0;
    for (size_t i = 0; i < s->n_slices; i++) {
        if (strcmp(s->slices[i].track, track) || (name && strcmp(s->slices[i].name, name)) ||
            s->slices[i].waits)
            continue;
        cycles += s->slices[i].cycles;
        count += s->slices[i].n;
    }
    if (n)
        *n = count;
    return cycles;
}

static rs_design *load(const struct scenario *k)
{
    size_t n = 0;
    while (k->sets[n])
        n++;
    rs_err *err = rs_err_create();
    rs_design *d = rs_design_load(k->arch, k->work, NULL, k->sets, n, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return d;
}

/* The file of a trace; the caller frees and gets the bytes. */
static char *trace(const rs_design *d, const char *extension, const rs_trace_options *options, size_t *len,
                   rs_trace_info *info)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/retsim-trace-%ld%s", (long)getpid(), extension);
    rs_err *err = rs_err_create();
    cr_assert(rs_trace(d, path, options, info, err), "%s", rs_err_text(err));
    rs_err_destroy(err);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    *len = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, *len + 1);
    cr_assert_eq(fread(text, 1, *len, f), *len);
    fclose(f);
    unlink(path);
    return text;
}

/* ---- JSON ---- */

/* 1.234 (microseconds) -> 1234 */
static uint64_t cycles_of(const struct ynode *n)
{
    unsigned long us, ns;
    cr_assert_not_null(n);
    cr_assert_eq(sscanf(n->text, "%lu.%3lu", &us, &ns), 2, "%s", n->text);
    return us * 1000 + ns;
}

static void read_event(struct seen *s, const struct ynode *e, char names[][40], uint64_t *ends)
{
    const char *ph = yaml_get(e, "ph")->text, *name = yaml_get(e, "name")->text;
    size_t tid = yaml_get(e, "tid") ? strtoul(yaml_get(e, "tid")->text, NULL, 10) : 0;
    cr_assert_lt(tid, MAX_TRACKS);
    if (*ph == 'M' && !strcmp(name, "thread_name"))
        snprintf(names[tid], 40, "%s", yaml_get(yaml_get(e, "args"), "name")->text);
    if (*ph == 'i')
        s->end = cycles_of(yaml_get(e, "ts"));
    if (*ph == 'C')
        see_level(s, name, cycles_of(yaml_get(e, "ts")),
                  strtoul(yaml_get(e, "args")->items[0]->text, NULL, 10));
    if (*ph != 'X')
        return;
    uint64_t at = cycles_of(yaml_get(e, "ts")), cycles = cycles_of(yaml_get(e, "dur"));
    cr_assert(names[tid][0], "a slice on a track without a name");
    cr_assert_gt(cycles, 0);
    cr_assert_geq(at, ends[tid], "slices of %s overlap at %lu", names[tid], at);
    ends[tid] = at + cycles;
    see_slice(s, names[tid], name, !strcmp(yaml_get(e, "cat")->text, "wait"), cycles);
}

/* Event by event, since the whole is more than a configuration file may be. JSON is YAML. */
static struct seen read_json(char *text)
{
    static char names[MAX_TRACKS][40];
    uint64_t ends[MAX_TRACKS] = {0};
    struct seen s = {.n_slices = 0};
    memset(names, 0, sizeof names);
    char *line = strstr(text, "[\n"), *last = strstr(text, "\n]}\n");
    cr_assert(line && last && last[4] == '\0' && !strncmp(text, "{\"displayTimeUnit\":\"ns\",", 24));
    *last = '\0';
    for (line += 2; *line;) {
        size_t len = strcspn(line, "\n");
        bool more = line[len] == '\n';
        cr_assert_eq(line[len - 1] == ',', more, "a comma too many or too few");
        struct arena a = {0};
        struct err err = {0};
        struct ynode *e = yaml_parse(&a, "event", line, len - more, &err);
        cr_assert_not_null(e, "%.*s", (int)len, line);
        read_event(&s, e, names, ends);
        arena_finish(&a);
        err_finish(&err);
        line += len + more;
    }
    return s;
}

/* ---- Perfetto ---- */

struct field {
    unsigned number, type;
    uint64_t value; /* or length */
    const uint8_t *bytes;
};

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end; shift += 7) {
        v |= (uint64_t)(**p & 0x7f) << shift;
        if (!(*(*p)++ & 0x80))
            return v;
    }
    cr_assert_fail("a varint that does not end");
    return 0;
}

static bool next_field(const uint8_t **p, const uint8_t *end, struct field *f)
{
    if (*p == end)
        return false;
    uint64_t key = varint(p, end);
    *f = (struct field){.number = (unsigned)(key >> 3), .type = key & 7, .value = varint(p, end)};
    f->bytes = *p;
    cr_assert(f->type == 0 || f->type == 2, "wire type %u", f->type);
    if (f->type == 2) {
        cr_assert_leq(f->value, (uint64_t)(end - *p));
        *p += f->value;
    }
    return true;
}

/* The first field `number` of a message, zero when it has none. */
static struct field get(const struct field *message, unsigned number)
{
    const uint8_t *p = message->bytes, *end = p + message->value;
    struct field f;
    while (next_field(&p, end, &f))
        if (f.number == number)
            return f;
    return (struct field){0};
}

struct perfetto {
    struct seen *seen;
    char tracks[256][40], names[1024][40];
    bool on[256], waits[256];
    uint64_t begun[256], what[256], now;
};

static void read_interned(struct perfetto *p, const struct field *data)
{
    const uint8_t *at = data->bytes, *end = at + data->value;
    struct field f;
    while (next_field(&at, end, &f)) {
        struct field iid = get(&f, 1), name = get(&f, 2);
        cr_assert_lt(iid.value, 1024);
        if (f.number == 2)
            snprintf(p->names[iid.value], 40, "%.*s", (int)name.value, (const char *)name.bytes);
    }
}

static void read_track_event(struct perfetto *p, const struct field *event, uint64_t now)
{
    uint64_t type = get(event, 9).value, uuid = get(event, 11).value, value = get(event, 30).value;
    cr_assert(uuid < 256 && p->tracks[uuid][0]);
    cr_assert_geq(now, p->now, "packets are not in order of time");
    p->now = now;
    if (type == 4) {
        see_level(p->seen, p->tracks[uuid], now, value);
    } else if (type == 1) {
        cr_assert(!p->on[uuid], "slices of %s nest", p->tracks[uuid]);
        p->on[uuid] = true;
        p->begun[uuid] = now;
        p->what[uuid] = get(event, 10).value;
        p->waits[uuid] = get(event, 3).value == 2;
    } else {
        cr_assert(type == 2 && p->on[uuid]);
        p->on[uuid] = false;
        see_slice(p->seen, p->tracks[uuid], p->names[p->what[uuid]], p->waits[uuid], now - p->begun[uuid]);
    }
}

static struct seen read_pftrace(const char *text, size_t len, uint64_t end_cycle)
{
    struct seen s = {.end = end_cycle};
    struct perfetto *p = calloc(1, sizeof *p);
    p->seen = &s;
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    struct field packet;
    while (next_field(&at, end, &packet)) {
        cr_assert(packet.number == 1 && packet.type == 2);
        struct field track = get(&packet, 60), data = get(&packet, 12), event = get(&packet, 11);
        cr_assert_eq(get(&packet, 10).value, 1);
        if (track.number) {
            struct field name = get(&track, 2);
            uint64_t uuid = get(&track, 1).value;
            cr_assert(uuid > 0 && uuid < 256 && !p->tracks[uuid][0]);
            snprintf(p->tracks[uuid], 40, "%.*s", (int)name.value, (const char *)name.bytes);
        }
        if (data.number)
            read_interned(p, &data);
        if (event.number)
            read_track_event(p, &event, get(&packet, 8).value);
    }
    for (unsigned i = 0; i < 256; i++)
        cr_assert(!p->on[i], "a slice of %s does not end", p->tracks[i]);
    free(p);
    return s;
}

/* ---- VCD ---- */

struct vcd_signal {
    char code[8], track[80];
    unsigned width;
    uint64_t value, since, high; /* cycles x value */
    bool known;
};

static void set_signal(struct vcd_signal *v, size_t n, const char *code, const char *digits, uint64_t now)
{
    size_t i = 0;
    while (i < n && strcmp(v[i].code, code))
        i++;
    cr_assert_lt(i, n, "no signal %s", code);
    cr_assert_leq(strlen(digits), v[i].width);
    v[i].high += v[i].known ? v[i].value * (now - v[i].since) : 0;
    v[i].since = now;
    v[i].known = strspn(digits, "01") == strlen(digits);
    cr_assert(v[i].known || !strcmp(digits, "x"), "%s", digits);
    v[i].value = v[i].known ? strtoul(digits, NULL, 2) : 0;
}

static void add_level(struct seen *s, const char *track, uint64_t area)
{
    snprintf(s->levels[s->n_levels].track, sizeof s->levels[0].track, "%s", track);
    s->levels[s->n_levels++].area = area;
}

/* Slices by the signal `busy` of their track, levels by their own. */
static struct seen read_vcd(char *text)
{
    static struct vcd_signal v[256];
    struct seen s = {.n_slices = 0};
    char scope[4][40], *save = NULL;
    unsigned depth = 0;
    uint64_t now = 0;
    size_t n = 0;
    bool header = true;
    memset(v, 0, sizeof v);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char code[8], name[40], digits[40];
        unsigned width;
        unsigned long t;
        if (header && sscanf(line, "$scope module %39s $end", name) == 1) {
            cr_assert_lt(depth, 4);
            strcpy(scope[depth++], name);
        } else if (header && !strncmp(line, "$upscope $end", 13)) {
            cr_assert_gt(depth, 0);
            depth--;
        } else if (header && sscanf(line, "$var wire %u %7s %39s", &width, code, name) == 3) {
            cr_assert(depth > 0 && n < 256);
            snprintf(v[n].track, sizeof v[n].track, "%s/%s", scope[depth - 1], name);
            strcpy(v[n].code, code);
            v[n++].width = width;
        } else if (!strncmp(line, "$enddefinitions $end", 20)) {
            cr_assert_eq(depth, 0);
            header = false;
        } else if (!header && sscanf(line, "#%lu", &t) == 1) {
            cr_assert(t >= now);
            now = t;
        } else if (!header && sscanf(line, "b%39s %7s", digits, code) == 2) {
            set_signal(v, n, code, digits, now);
        } else if (!header && (*line == '0' || *line == '1')) {
            set_signal(v, n, line + 1, (char[]){*line, 0}, now);
        } else {
            cr_assert(header || !strcmp(line, "$dumpvars") || !strcmp(line, "$end"), "'%s'", line);
        }
    }
    s.end = now;
    for (size_t i = 0; i < n; i++) {
        char *slash = strchr(v[i].track, '/');
        set_signal(v, n, v[i].code, "0", now);
        *slash = '\0';
        const char *what = strrchr(slash + 1, '_') ? strrchr(slash + 1, '_') : "";
        if (!strcmp(what, "_busy") && v[i].high)
            see_slice(&s, v[i].track, "", false, v[i].high);
        if (v[i].width > 1 && strcmp(what, "_what") && strcmp(what, "_command"))
            add_level(&s, slash + 1, v[i].high);
    }
    return s;
}

/* ---- laws ---- */

static uint64_t counter(const rs_result *r, const char *component, const char *action)
{
    size_t n;
    const rs_action *a = rs_result_actions(r, &n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(a[i].component, component) && !strcmp(a[i].action, action))
            return a[i].count;
    cr_assert_fail("no counter %s.%s", component, action);
    return 0;
}

static rs_result *run(const rs_design *d)
{
    rs_err *err = rs_err_create();
    rs_result *r = rs_run(d, &(rs_options){.method = RS_FULL}, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return r;
}

static void equals_counters(const struct seen *s, const rs_result *r, const char *format)
{
    uint64_t tx, rx, bursts;
    cr_expect_eq(s->end, rs_result_summary(r)->cycles, "%s", format);
    static const char *const units[] = {"engine", "retention", "vector"};
    for (unsigned u = 0; u < 3; u++)
        cr_expect_eq(slice_sum(s, units[u], NULL, NULL), counter(r, units[u], "busy"), "%s: %s", format,
                     units[u]);
    cr_expect_eq(slice_sum(s, "host", NULL, NULL), counter(r, "host", "active"), "%s: host", format);
    slice_sum(s, "udma tx", NULL, &tx);
    slice_sum(s, "udma rx", NULL, &rx);
    slice_sum(s, "off-chip bus", NULL, &bursts);
    cr_expect_eq(tx + rx, counter(r, "udma", "transfer"), "%s: transfers", format);
    cr_expect_eq(bursts, counter(r, "hyperram", "command"), "%s: bursts", format);
    cr_expect_eq(level_area(s, "accelerator granted"), counter(r, "tcdm", "hwpe_grant"), "%s", format);
    cr_expect_eq(level_area(s, "udma granted"), counter(r, "tcdm", "udma_grant"), "%s", format);
    cr_expect_eq(level_area(s, "refused"), counter(r, "tcdm", "conflict"), "%s", format);
}

static void equals_breakdown(const struct seen *s, const rs_result *r)
{
    size_t n;
    const rs_amount *causes = rs_result_breakdown(r, &n);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(slice_sum(s, "cause", causes[i].name, NULL), causes[i].value, "%s", causes[i].name);
}

static void equals_layers(const struct seen *s, const rs_result *r)
{
    size_t n;
    const rs_layer *l = rs_result_layers(r, &n);
    for (size_t i = 0; i < n; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s %lu", l[i].name, (unsigned long)l[i].index);
        if (strcmp(l[i].name, "end"))
            cr_expect_eq(slice_sum(s, "layers", name, NULL), l[i].cycles, "%s", name);
    }
}

Test(trace, adds_up_to_the_counters_of_the_run)
{
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        if (SANITIZED && i == 2) /* long; the waveform below is of it */
            continue;
        rs_trace_options options;
        rs_trace_info info;
        size_t len;
        rs_design *d = load(&scenarios[i]);
        rs_result *r = run(d);
        rs_trace_options_default(&options);
        char *text = trace(d, ".json", &options, &len, &info);
        struct seen s = read_json(text);
        free(text);
        cr_expect(!info.cut && info.to_cycle == rs_result_summary(r)->cycles);
        equals_breakdown(&s, r);
        if (!scenarios[i].streams) {
            equals_counters(&s, r, "json");
            equals_layers(&s, r);
        }
        text = trace(d, ".pftrace", &options, &len, &info);
        s = read_pftrace(text, len, info.to_cycle);
        free(text);
        equals_breakdown(&s, r);
        if (!scenarios[i].streams)
            equals_counters(&s, r, "pftrace");
        rs_result_destroy(r);
        rs_design_destroy(d);
    }
}

/* A waveform does not show where one slice ends and the next begins, but how long a track is busy. */
Test(trace, waveform_has_the_same_levels_and_busy_times)
{
    rs_trace_options options;
    rs_trace_info info;
    size_t len;
    rs_design *d = load(&scenarios[2]);
    rs_result *r = run(d);
    rs_trace_options_default(&options);
    char *text = trace(d, ".vcd", &options, &len, &info);
    struct seen s = read_vcd(text);
    free(text);
    cr_expect_eq(s.end, rs_result_summary(r)->cycles);
    static const char *const units[] = {"engine", "retention", "vector"};
    for (unsigned u = 0; u < 3; u++)
        cr_expect_eq(slice_sum(&s, units[u], NULL, NULL), counter(r, units[u], "busy"), "%s", units[u]);
    cr_expect_eq(slice_sum(&s, "host", NULL, NULL), counter(r, "host", "active"));
    cr_expect_eq(level_area(&s, "accelerator_granted"), counter(r, "tcdm", "hwpe_grant"));
    cr_expect_eq(level_area(&s, "udma_granted"), counter(r, "tcdm", "udma_grant"));
    cr_expect_eq(level_area(&s, "refused"), counter(r, "tcdm", "conflict"));
    rs_result_destroy(r);
    rs_design_destroy(d);
}

Test(trace, windows_add_up_to_the_whole)
{
    rs_design *d = load(&scenarios[1]);
    rs_trace_options all, part;
    rs_trace_info info;
    size_t len;
    rs_trace_options_default(&all);
    char *text = trace(d, ".json", &all, &len, &info);
    struct seen whole = read_json(text);
    free(text);
    uint64_t cut = info.to_cycle / 3, busy = 0, words = 0, causes = 0;
    for (unsigned i = 0; i < 2; i++) {
        part = all;
        part.from_cycle = i ? cut : 0;
        part.to_cycle = i ? UINT64_MAX : cut;
        text = trace(d, ".json", &part, &len, &info);
        struct seen s = read_json(text);
        free(text);
        cr_expect_eq(info.from_cycle, part.from_cycle);
        cr_expect_eq(info.to_cycle, i ? whole.end : cut);
        busy += slice_sum(&s, "engine", NULL, NULL);
        causes += slice_sum(&s, "cause", NULL, NULL);
        words += level_area(&s, "accelerator granted");
    }
    cr_expect_eq(busy, slice_sum(&whole, "engine", NULL, NULL));
    cr_expect_eq(causes, whole.end);
    cr_expect_eq(words, level_area(&whole, "accelerator granted"));
    rs_design_destroy(d);
}

Test(trace, a_full_trace_says_where_it_was_cut)
{
    rs_design *d = load(&scenarios[0]);
    rs_trace_options options;
    rs_trace_info info;
    size_t len;
    rs_trace_options_default(&options);
    options.max_entries = 500;
    char *text = trace(d, ".pftrace", &options, &len, &info);
    struct seen s = read_pftrace(text, len, info.to_cycle);
    free(text);
    cr_expect(info.cut && info.entries >= 500 && info.entries <= 500 + MAX_TRACKS);
    cr_expect_gt(slice_sum(&s, "engine", NULL, NULL), 0);
    rs_design_destroy(d);
}

Test(trace, refuses_what_it_cannot_do)
{
    static const struct {
        const char *path;
        uint64_t from, to;
        int code;
    } rows[] = {
        {"/tmp/x.txt", 0, UINT64_MAX, 64},        {"/tmp/x", 0, UINT64_MAX, 64},
        {"/tmp/x.json", 5, 5, 64},                {"/tmp/x.json", 100000000, UINT64_MAX, 64},
        {"/nowhere/x.json", 0, UINT64_MAX, 73},
    };
    rs_design *d = load(&scenarios[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rs_trace_options options = {rows[i].from, rows[i].to, 1000000};
        rs_trace_info info;
        rs_err *err = rs_err_create();
        cr_expect(!rs_trace(d, rows[i].path, &options, &info, err));
        cr_expect_eq(rs_err_code(err), rows[i].code, "%s: %s", rows[i].path, rs_err_text(err));
        rs_err_destroy(err);
    }
    rs_design_destroy(d);
}
