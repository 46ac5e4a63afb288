/* Replay, and its chart, against the slow twins (tests/replay_twin.c, tests/stream_twin.c) on random
 * scenarios, byte for byte. RETSIM_TWIN_SCENARIOS chooses how many of each kind, RETSIM_TWIN_SEED which. */
#include "tests/replay_text.h"
#include "tests/replay_twin.h"
#include "tests/stream_twin.h"

enum { N_SCENARIOS = 400 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

static uint64_t n_scenarios(void)
{
    return setting("RETSIM_TWIN_SCENARIOS", N_SCENARIOS);
}

static void compare(const char *trace, const char *want)
{
    struct text out = replay_text(trace);
    size_t at = 0;
    while (out.s[at] && out.s[at] == want[at])
        at++;
    bool same = out.s[at] == want[at];
    while (at && out.s[at - 1] != '\n')
        at--;
    cr_assert(same, "'%.*s', not '%.*s'\n%s", (int)strcspn(out.s + at, "\n"), out.s + at,
              (int)strcspn(want + at, "\n"), want + at, trace);
    text_finish(&out);
}

static void scenarios(enum twin_dut dut)
{
    static struct twin t;
    struct rng rng = {setting("RETSIM_TWIN_SEED", 1) + dut};
    uint64_t requests = 0, n = n_scenarios();
    for (uint64_t i = 0; i < n; i++) {
        struct text trace = {0}, want = {0};
        twin_draw(&t, dut, &rng);
        cr_assert(twin_run(&t), "scenario %u does not end", (unsigned)i);
        twin_trace(&t, &trace);
        twin_result(&t, &want);
        compare(trace.s, want.s);
        for (unsigned m = 0; m < t.masters; m++)
            requests += t.n[m];
        text_finish(&trace);
        text_finish(&want);
    }
    cr_log_info("%u scenarios, %u requests alike", (unsigned)n, (unsigned)requests);
    cr_assert_gt(requests, 50 * n);
}

struct generator {
    uint32_t seed, count, span, write_pct, gap_pct, gap_max;
};

static uint32_t next_draw(uint32_t *x, uint32_t n)
{
    *x = 1664525u * *x + 1013904223u;
    return (*x >> 8) % n;
}

/* The requests of a generator, in place of those that were drawn. */
static void generate(struct twin *t, const struct generator *g)
{
    for (unsigned m = 0; m < t->masters; m++) {
        uint32_t x = g->seed + m, earliest = 0;
        t->n[m] = g->count;
        for (unsigned i = 0; i < g->count; i++) {
            struct twin_request *q = &t->request[m][i];
            q->addr = next_draw(&x, g->span);
            q->write = next_draw(&x, 100) < g->write_pct;
            if (g->gap_pct && next_draw(&x, 100) < g->gap_pct)
                earliest += 1 + next_draw(&x, g->gap_max);
            q->earliest = earliest;
        }
    }
}

static void summary(const struct twin *t, struct text *out)
{
    text_add(out, "# columns: master count last_grant_cycle sum_of_wait max_wait fnv1a64_of_grant_cycles\n");
    for (unsigned m = 0; m < t->masters; m++) {
        unsigned long long hash = 0xcbf29ce484222325u, sum = 0, most = 0, last = 0;
        for (unsigned i = 0; i < t->n[m]; i++) {
            const struct twin_request *q = &t->request[m][i];
            last = q->grant;
            sum += last - q->first;
            most = last - q->first > most ? last - q->first : most;
            for (unsigned b = 0; b < 4; b++)
                hash = (hash ^ (last >> 8 * b & 0xff)) * 0x100000001b3u;
        }
        text_printf(out, "%u %u %llu %llu %llu %016llx\n", m, t->n[m], last, sum, most, hash);
    }
}

/* Generated traces, with blocking masters and groups. */
Test(replay_twin, generators)
{
    static struct twin t;
    struct rng rng = {setting("RETSIM_TWIN_SEED", 1) + 4};
    for (uint64_t i = 0; i < n_scenarios(); i++) {
        struct text trace = {0}, want = {0};
        struct generator g = {.seed = (uint32_t)rng_next(&rng), .count = 1 + (uint32_t)rng_below(&rng, 64)};
        g.span = 1 + (uint32_t)rng_below(&rng, 100);
        g.write_pct = (uint32_t)rng_below(&rng, 101);
        g.gap_pct = rng_below(&rng, 2) ? (uint32_t)rng_below(&rng, 101) : 0;
        g.gap_max = 1 + (uint32_t)rng_below(&rng, 20);
        twin_draw(&t, (enum twin_dut)(i % 3), &rng);
        generate(&t, &g);
        cr_assert(twin_run(&t));
        for (unsigned m = 0; m < t.masters; m++)
            t.n[m] = 0;
        twin_trace(&t, &trace);
        text_printf(&trace, "# generator: seed=%u count=%u span=%u write_pct=%u gap_pct=%u gap_max=%u\n",
                    g.seed, g.count, g.span, g.write_pct, g.gap_pct, g.gap_max);
        for (unsigned m = 0; m < t.masters; m++)
            t.n[m] = g.count;
        summary(&t, &want);
        compare(trace.s, want.s);
        text_finish(&trace);
        text_finish(&want);
    }
}

/* ---- chart ---- */

enum { DRAWN = 4000 /* cycles at most */, COLUMNS = 90, LABEL = 8 };
static char cells[TWIN_MASTERS][DRAWN];

/* What a grant looks like; 0: one of several letters. */
static char symbol(const struct twin *t, unsigned m, uint32_t addr)
{
    unsigned bank = (t->byte_addresses ? addr / 4 : addr) % t->banks;
    if (t->dut == TWIN_SOC && m == 0 && addr < 0x00100000) /* the FC sees L2 there too */
        addr += 0x1C000000;
    if (t->dut == TWIN_HCI && m >= t->masters - t->hwpes)
        return '#';
    if (t->dut == TWIN_SOC && (addr < 0x1C010000 || addr >= 0x1C090000))
        return 0;
    return "0123456789abcdefghijklmnopqrstuvwxyz+"[bank < 36 ? bank : 36];
}

static void draw_cells(const struct twin *t)
{
    memset(cells, '.', sizeof cells);
    for (unsigned m = 0; m < t->masters; m++)
        for (unsigned i = 0; i < t->n[m]; i++) {
            const struct twin_request *q = &t->request[m][i];
            for (uint64_t c = q->first; c < q->grant && c < DRAWN; c++)
                cells[m][c] = '-';
            if (q->grant < DRAWN)
                cells[m][q->grant] = symbol(t, m, q->addr);
        }
}

/* One line of the chart; returns the cells that are not dots. */
static unsigned compare_line(const char *line, unsigned from)
{
    unsigned m = (unsigned)strtoul(line + 1, NULL, 10), marks = 0;
    for (unsigned c = 0; line[LABEL + c] != '\n'; c++) {
        char is = line[LABEL + c], want = cells[m][from + c];
        bool same = want ? is == want : strchr("PQRAHENX", is) != NULL;
        cr_assert(same, "master %u, cycle %u: '%c', not '%c'", m, from + c, is, want ? want : '?');
        marks += is != '.';
    }
    return marks;
}

Test(replay_twin, charts)
{
    static struct twin t;
    struct rng rng = {setting("RETSIM_TWIN_SEED", 1) + 5};
    for (uint64_t i = 0; i < n_scenarios() / 4; i++) {
        struct text trace = {0}, out = {0};
        struct err err = {0};
        unsigned from = 0, marks = 0, should = 0;
        char path[64];
        twin_draw(&t, (enum twin_dut)(i % 3), &rng);
        cr_assert(twin_run(&t));
        twin_trace(&t, &trace);
        draw_cells(&t);
        for (unsigned c = 0; c < sizeof cells; c++)
            should += (&cells[0][0])[c] != '.';
        write_file(path, trace.s, trace.len);
        cr_assert(replay_run(path, COLUMNS, &out, &err));
        unlink(path);
        for (const char *line = out.s; *line; line = strchr(line, '\n') + 1) {
            if (strncmp(line, "cycle ", 6) == 0)
                from = (unsigned)strtoul(line + LABEL, NULL, 10);
            else if (*line == 'm')
                marks += compare_line(line, from);
        }
        cr_expect_eq(marks, should, "%u cells drawn, not %u", marks, should);
        text_finish(&trace);
        text_finish(&out);
    }
}

Test(replay_twin, crossbar)
{
    scenarios(TWIN_CROSSBAR);
}

Test(replay_twin, soc_interconnect)
{
    scenarios(TWIN_SOC);
}

Test(replay_twin, hci)
{
    scenarios(TWIN_HCI);
}

Test(replay_twin, streams)
{
    static struct stream_twin t;
    struct rng rng = {setting("RETSIM_TWIN_SEED", 1) + 3};
    uint64_t events = 0;
    for (uint64_t n = 0; n < n_scenarios();) {
        struct text trace = {0}, want = {0};
        stream_twin_draw(&t, &rng);
        if (stream_twin_run(&t, &want)) {
            stream_twin_trace(&t, &trace);
            compare(trace.s, want.s);
            for (const char *s = want.s; (s = strchr(s, '\n')); s++)
                events++;
            n++;
        }
        text_finish(&trace);
        text_finish(&want);
    }
    cr_log_info("%u scenarios, %u events alike", (unsigned)n_scenarios(), (unsigned)events);
    cr_assert_gt(events, 100 * n_scenarios());
}
