#include "arch/replay_parse.h"

#include "base/arena.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key_rule {
    const char *name;
    int64_t min, max, def;
};

/* Strides are 16-bit registers: 65472 and -64 are the same. */
#define STREAM_KEYS(side)                                                                          \
    {side "_base", 0, UINT32_MAX, 0}, {side "_size", 1, 65535, 16},                                \
    {side "_line_length", 1, 65535, 0}, {side "_line_stride", -32768, 65535, 0},                   \
    {side "_feat_length", 1, 65535, 1}, {side "_feat_stride", -32768, 65535, 0},                   \
    {side "_feat_roll", 0, 65535, 0}, {side "_loop_outer", 0, 1, 0}

static const struct key_rule rules[N_KEYS] = {
    {"masters", 1, XBAR_MAX_MASTERS, 0}, {"banks", 1, XBAR_MAX_BANKS, 0},
    {"n_core", 0, 64, 0}, {"n_ext", 0, 64, 0}, {"n_dma", 0, 64, 0}, {"n_hwpe", 0, 8, 0},
    {"hwpe_words", 1, 64, 1}, {"expfifo", 0, 65535, 0},
    {"invert_prio", 0, 1, 0}, {"prio_num", 0, 255, 0}, {"prio_den", 0, 255, 0},
    {"words", 1, HWPE_MAX_PORTS, 0}, {"decoupled", 0, 1, 0},
    {"load_fifo_depth", 0, HWPE_MAX_DEPTH, 0}, {"sink_fifo_depth", 0, HWPE_MAX_DEPTH, 0},
    {"background_masters", 0, 62, 0}, {"loop", 0, 1, 0},
    {"ready_period", 1, 10000, 1}, {"valid_period", 1, 10000, 1},
    {"ready_pct", 0, 100, 100}, {"ready_seed", 0, UINT32_MAX, 0},
    {"start_src", -1, 1000000000, 0}, {"start_snk", -1, 1000000000, -1},
    STREAM_KEYS("src"), STREAM_KEYS("snk"),
};

const char *replay_key_name(enum replay_key key)
{
    return rules[key].name;
}

/* A piece of one line: [s, end). */
struct span {
    const char *s, *end;
};

struct reader {
    struct replay_lines *l;
    struct err *err;
    const char *line; /* its text */
    unsigned n;       /* its number */
    size_t errors;
};

static struct place place_of(const struct reader *r, const char *s)
{
    return (struct place){r->l->file, r->line, r->n, (unsigned)(s - r->line) + 1};
}

#define COMPLAIN(r, s, ...)                                                                        \
    do {                                                                                           \
        struct place at_ = place_of(r, s);                                                         \
        err_add((r)->err, ERR_DATA, &at_, __VA_ARGS__);                                            \
        (r)->errors++;                                                                             \
    } while (0)

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span w)
{
    while (w.s < w.end && blank(*w.s))
        w.s++;
    while (w.end > w.s && blank(w.end[-1]))
        w.end--;
    return w;
}

/* Takes the next blank-separated word off the front. */
static bool next_word(struct span *rest, struct span *word)
{
    *rest = trim(*rest);
    word->s = rest->s;
    while (rest->s < rest->end && !blank(*rest->s))
        rest->s++;
    word->end = rest->s;
    return word->s < word->end;
}

static int len(struct span w)
{
    return w.end - w.s > 60 ? 60 : (int)(w.end - w.s);
}

static bool is(struct span w, const char *name)
{
    size_t n = strlen(name);
    return (size_t)(w.end - w.s) == n && !memcmp(w.s, name, n);
}

static bool parse_decimal(struct span w, int64_t *out)
{
    bool minus = w.s < w.end && *w.s == '-';
    int64_t v = 0;

    w.s += minus;
    if (w.s == w.end)
        return false;
    for (; w.s < w.end; w.s++) {
        if (*w.s < '0' || *w.s > '9' || v > (INT64_MAX - 9) / 10)
            return false;
        v = 10 * v + (*w.s - '0');
    }
    *out = minus ? -v : v;
    return true;
}

static bool parse_hex(struct span w, uint32_t *out)
{
    uint32_t v = 0;
    if (w.s == w.end || w.end - w.s > 8)
        return false;
    for (; w.s < w.end; w.s++) {
        char c = *w.s;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

/* *out stays as it is when anything is wrong. */
static bool parse_ranged(struct reader *r, struct span w, const char *what, int64_t min, int64_t max,
                         int64_t *out)
{
    int64_t v;
    if (w.s == w.end) {
        COMPLAIN(r, w.s, "%s is missing; legal is %" PRId64 "..%" PRId64, what, min, max);
        return false;
    }
    if (!parse_decimal(w, &v)) {
        COMPLAIN(r, w.s, "%s '%.*s' is not a decimal integer; legal is %" PRId64 "..%" PRId64, what,
                 len(w), w.s, min, max);
        return false;
    }
    if (v < min || v > max) {
        COMPLAIN(r, w.s, "%s %.*s is out of range; legal is %" PRId64 "..%" PRId64, what, len(w), w.s,
                 min, max);
        return false;
    }
    *out = v;
    return true;
}

static void once(struct reader *r, struct place *seen, struct span key)
{
    if (seen->line)
        COMPLAIN(r, key.s, "header key '%.*s' was already given in line %u", len(key), key.s, seen->line);
    *seen = place_of(r, key.s);
}

static const char *const dut_names[] = {"interleaved_crossbar", "soc_interconnect_wrap",
                                        "hci_interconnect", "hwpe_stream"};
enum { N_DUTS = sizeof dut_names / sizeof *dut_names };

static void read_dut(struct reader *r, struct span value)
{
    char name[61];
    for (unsigned i = 0; i < N_DUTS; i++)
        if (is(value, dut_names[i])) {
            r->l->dut = (enum replay_dut)i;
            return;
        }
    snprintf(name, sizeof name, "%.*s", len(value), value.s);
    const char *near = text_nearest(name, dut_names, N_DUTS);
    COMPLAIN(r, value.s,
             "unknown dut '%s'; legal are interleaved_crossbar, soc_interconnect_wrap, "
             "hci_interconnect, hwpe_stream%s%s%s",
             name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static void read_unit(struct reader *r, struct span value)
{
    if (is(value, "byte"))
        r->l->byte_addresses = true;
    else if (!is(value, "word"))
        COMPLAIN(r, value.s, "unknown address unit '%.*s'; legal are word, byte", len(value), value.s);
}

static void read_members(struct reader *r, struct span value, bool group)
{
    struct replay_lines *l = r->l;
    struct span word;
    int64_t m;

    l->n_groups += group;
    while (next_word(&value, &word)) {
        if (!parse_ranged(r, word, "master", 0, XBAR_MAX_MASTERS - 1, &m))
            continue;
        l->member_at[m] = place_of(r, word.s);
        if (!group)
            l->blocking |= UINT64_C(1) << m;
        else if (l->group[m])
            COMPLAIN(r, word.s, "master %d is already in a group", (int)m);
        else
            l->group[m] = (uint8_t)l->n_groups;
    }
}

static void read_generator(struct reader *r, struct span value)
{
    struct replay_generator *g = &r->l->generator;
    struct field {
        const char *name;
        uint32_t *to;
        int64_t min, max;
        bool seen;
    } fields[] = {
        {"seed", &g->seed, 0, UINT32_MAX, false},       {"count", &g->count, 1, UINT32_MAX, false},
        {"span", &g->span, 1, UINT32_MAX, false},       {"write_pct", &g->write_pct, 0, 100, false},
        {"gap_pct", &g->gap_pct, 0, 100, false},        {"gap_max", &g->gap_max, 0, UINT32_MAX, false},
    };
    struct span word, start = value;
    int64_t v;

    g->present = true;
    while (next_word(&value, &word)) {
        const char *equals = memchr(word.s, '=', (size_t)(word.end - word.s));
        struct span name = {word.s, equals ? equals : word.end};
        struct span number = {equals ? equals + 1 : word.end, word.end};
        struct field *f = NULL;
        for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
            if (is(name, fields[i].name))
                f = &fields[i];
        if (!f || f->seen) {
            COMPLAIN(r, word.s, "%s generator parameter '%.*s'; legal are seed=, count=, span=, "
                     "write_pct=, gap_pct=, gap_max=, each once", f ? "second" : "unknown", len(name),
                     name.s);
            continue;
        }
        f->seen = true;
        if (parse_ranged(r, number, f->name, f->min, f->max, &v))
            *f->to = (uint32_t)v;
    }
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!fields[i].seen)
            COMPLAIN(r, start.s, "the generator has no %s=", fields[i].name);
    if (g->gap_pct && !g->gap_max && fields[5].seen)
        COMPLAIN(r, start.s, "gap_max=0 with gap_pct > 0; legal is 1 or more");
}

/* A key that nobody knows is a remark, unless it looks like a slip of the pen. */
static void read_unknown(struct reader *r, struct span key)
{
    static const char *const texts[] = {"dut", "address unit", "blocking", "group", "generator",
                                        "scenario", "desc", "columns", "check"};
    const char *names[N_KEYS + sizeof texts / sizeof *texts];
    char name[61];

    for (unsigned i = 0; i < N_KEYS; i++)
        names[i] = rules[i].name;
    memcpy(names + N_KEYS, texts, sizeof texts);
    snprintf(name, sizeof name, "%.*s", len(key), key.s);
    const char *near = text_nearest(name, names, sizeof names / sizeof *names);
    if (near)
        COMPLAIN(r, key.s, "unknown header key '%s' (did you mean '%s'?)", name, near);
}

static bool is_remark(struct span key)
{
    return is(key, "scenario") || is(key, "desc") || is(key, "columns") || is(key, "check");
}

static void read_key(struct reader *r, struct span key, struct span value)
{
    struct replay_lines *l = r->l;

    if (is_remark(key))
        return;
    if (is(key, "dut")) {
        once(r, &l->dut_at, key);
        read_dut(r, value);
    } else if (is(key, "address unit")) {
        once(r, &l->unit_at, key);
        read_unit(r, value);
    } else if (is(key, "blocking") || is(key, "group")) {
        read_members(r, value, is(key, "group"));
    } else if (is(key, "generator")) {
        once(r, &l->generator_at, key);
        read_generator(r, value);
    } else {
        unsigned i = 0;
        while (i < N_KEYS && !is(key, rules[i].name))
            i++;
        if (i == N_KEYS) {
            read_unknown(r, key);
            return;
        }
        once(r, &l->at[i], key);
        parse_ranged(r, value, rules[i].name, rules[i].min, rules[i].max, &l->value[i]);
    }
    if (l->n_rows)
        COMPLAIN(r, key.s, "header key '%.*s' after the first request; it must come before", len(key), key.s);
}

static void read_header(struct reader *r, struct span line)
{
    const char *colon = memchr(line.s, ':', (size_t)(line.end - line.s));
    struct span key, value;

    if (!colon)
        return;
    key = trim((struct span){line.s + 1, colon});
    value = trim((struct span){colon + 1, line.end});
    if (key.s < key.end)
        read_key(r, key, value);
}

static void add_row(struct replay_lines *l, const struct replay_row *row)
{
    if (l->n_rows == l->cap_rows) {
        l->cap_rows = l->cap_rows ? 2 * l->cap_rows : 1024;
        l->rows = xrealloc(l->rows, l->cap_rows, sizeof *l->rows);
    }
    l->rows[l->n_rows++] = *row;
}

static bool read_master(struct reader *r, struct span word, uint32_t *master)
{
    struct replay_lines *l = r->l;
    int64_t n = l->value[KEY_MASTERS] ? l->value[KEY_MASTERS] : XBAR_MAX_MASTERS, m = 0;
    if (!parse_ranged(r, word, "master", 0, n - 1, &m))
        return false;
    *master = (uint32_t)m;
    return true;
}

/* master earliest_cycle write address_hex */
static void read_request(struct reader *r, struct span line)
{
    struct replay_row row = {.line = r->n, .source = r->line};
    struct span word;
    int64_t earliest = 0, write = 0;
    size_t before = r->errors;

    next_word(&line, &word);
    bool known = read_master(r, word, &row.master);
    next_word(&line, &word);
    bool timed = parse_ranged(r, word, "earliest_cycle", 0, UINT32_MAX, &earliest);
    if (known && timed && earliest < r->l->last_earliest[row.master])
        COMPLAIN(r, word.s, "earliest_cycle %" PRId64 " of master %u decreases; its previous request has "
                 "%" PRIu32, earliest, row.master, r->l->last_earliest[row.master]);
    if (known && timed)
        r->l->last_earliest[row.master] = (uint32_t)earliest;
    next_word(&line, &word);
    if (timed)
        parse_ranged(r, word, "write", 0, 1, &write);
    next_word(&line, &word);
    if (!parse_hex(word, &row.request.addr) && r->errors == before)
        COMPLAIN(r, word.s, "address '%.*s' is not legal; legal is 1 to 8 hexadecimal digits", len(word),
                 word.s);
    if (next_word(&line, &word))
        COMPLAIN(r, word.s, "'%.*s' after the address; a request is master earliest_cycle write "
                 "address_hex", len(word), word.s);
    row.request.earliest = (uint32_t)earliest;
    row.request.write = write;
    add_row(r->l, &row);
}

static void read_lines(struct reader *r, size_t size)
{
    const char *s = r->l->bytes, *file_end = s + size;
    while (s < file_end) {
        const char *newline = memchr(s, '\n', (size_t)(file_end - s));
        struct span line = {s, newline ? newline : file_end};
        s = newline ? newline + 1 : file_end;
        r->line = line.s;
        r->n++;
        if (line.end > line.s && line.end[-1] == '\r')
            line.end--;
        line = trim(line);
        if (line.s == line.end)
            continue;
        if (*line.s == '#')
            read_header(r, line);
        else
            read_request(r, line);
    }
}

static bool read_file(const char *path, char **bytes, size_t *size, struct err *err)
{
    struct place at = {.file = path};
    FILE *f = fopen(path, "rb");
    size_t cap = 0, n = 0, got;

    *bytes = NULL;
    if (!f)
        return err_add(err, ERR_NOINPUT, &at, "cannot open the trace: %s", strerror(errno));
    do {
        cap = cap ? 2 * cap : 65536;
        *bytes = xrealloc(*bytes, cap + 1, 1);
        got = fread(*bytes + n, 1, cap - n, f);
        n += got;
    } while (n == cap);
    bool failed = ferror(f);
    if (failed)
        err_add(err, ERR_NOINPUT, &at, "cannot read the trace: %s", strerror(errno));
    fclose(f);
    (*bytes)[n] = '\0';
    *size = n;
    return !failed;
}

bool replay_lines_load(struct replay_lines *l, const char *path, struct err *err)
{
    struct reader r = {.l = l, .err = err};
    size_t size = 0;

    memset(l, 0, sizeof *l);
    l->file = path;
    for (unsigned i = 0; i < N_KEYS; i++)
        l->value[i] = rules[i].def;
    if (!read_file(path, &l->bytes, &size, err))
        return false;
    read_lines(&r, size);
    return r.errors == 0;
}

void replay_lines_finish(struct replay_lines *l)
{
    free(l->rows);
    free(l->bytes);
    memset(l, 0, sizeof *l);
}
