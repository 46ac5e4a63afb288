#include "arch/replay_engine.h"

#include "base/arena.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define BIT(m) (UINT64_C(1) << (m))
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint32_t draw(uint32_t *x, uint32_t n)
{
    *x = *x * 1664525 + 1013904223;
    return (*x >> 8) % n;
}

static void generate(struct replay_master *ma, const struct replay_generator *g)
{
    ma->addr = draw(&ma->lcg, g->span);
    ma->write = draw(&ma->lcg, 100) < g->write_pct;
    if (g->gap_pct && draw(&ma->lcg, 100) < g->gap_pct)
        ma->earliest += 1 + draw(&ma->lcg, g->gap_max);
}

/* Looks at the next request; false when there is none. */
static bool fetch(struct replay_engine *e, unsigned m)
{
    struct replay_master *ma = &e->master[m];
    const struct replay_request *q;

    if (ma->next == ma->end)
        return false;
    if (!e->times) {
        generate(ma, &e->trace->generator);
        return true;
    }
    q = &e->trace->requests[ma->next];
    ma->addr = q->addr;
    ma->write = q->write;
    ma->earliest = q->earliest;
    return true;
}

static void schedule(struct replay_master *ma)
{
    ma->ready_at = max64(ma->earliest, max64(ma->gate, ma->answered));
}

void replay_engine_init(struct replay_engine *e, const struct replay_trace *t,
                        struct replay_chart *chart)
{
    unsigned n = t->dut == REPLAY_STREAM ? t->stream.background : t->n_masters;

    memset(e, 0, sizeof *e);
    e->trace = t;
    e->chart = chart;
    e->blocking = t->blocking;
    if (!t->generator.present)
        e->times = xrealloc(NULL, t->first[XBAR_MAX_MASTERS] + 1, sizeof *e->times);
    for (unsigned m = 0; m < n; m++) {
        struct replay_master *ma = &e->master[m];
        e->stats[m].hash = FNV_BASIS;
        ma->lcg = t->generator.seed + m;
        ma->next = t->generator.present ? 0 : t->first[m];
        ma->end = t->generator.present ? t->generator.count : t->first[m + 1];
        if (!fetch(e, m))
            continue;
        e->waiting |= BIT(m);
        e->group_left[t->group[m]] |= BIT(m);
        schedule(ma);
    }
}

void replay_engine_finish(struct replay_engine *e)
{
    free(e->times);
    e->times = NULL;
}

uint64_t replay_engine_assert(struct replay_engine *e, uint64_t cycle)
{
    uint64_t fresh = 0;
    for (uint64_t left = e->waiting; left; left &= left - 1) {
        unsigned m = (unsigned)__builtin_ctzll(left);
        if (e->master[m].ready_at > cycle)
            continue;
        e->master[m].asserted_at = cycle;
        fresh |= BIT(m);
    }
    e->waiting &= ~fresh;
    e->asserted |= fresh;
    return fresh;
}

uint64_t replay_engine_next(const struct replay_engine *e)
{
    uint64_t next = UINT64_MAX;
    for (uint64_t left = e->waiting; left; left &= left - 1) {
        uint64_t at = e->master[__builtin_ctzll(left)].ready_at;
        next = at < next ? at : next;
    }
    return next;
}

static void count_grant(struct replay_stats *s, uint64_t wait, uint64_t cycle)
{
    uint64_t hash = s->hash;
    s->count++;
    s->last_grant = cycle;
    s->wait_sum += wait;
    s->wait_max = max64(s->wait_max, wait);
    for (unsigned i = 0; i < 32; i += 8)
        hash = (hash ^ (cycle >> i & 0xff)) * FNV_PRIME;
    s->hash = hash;
}

/* The members of a group go on together, one cycle after the last was granted. */
static void group_granted(struct replay_engine *e, unsigned m, uint64_t cycle)
{
    unsigned g = e->trace->group[m];
    uint64_t members = 0;

    e->group_left[g] &= ~BIT(m);
    e->master[m].gate = UINT64_MAX;
    if (e->group_left[g])
        return;
    for (uint64_t left = e->waiting | BIT(m); left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (e->trace->group[i] != g)
            continue;
        e->master[i].gate = cycle + 1;
        schedule(&e->master[i]);
        members |= BIT(i);
    }
    e->group_left[g] = members & e->waiting;
}

void replay_engine_grant(struct replay_engine *e, unsigned m, uint64_t cycle, char symbol)
{
    struct replay_master *ma = &e->master[m];

    e->asserted &= ~BIT(m);
    if (e->chart) {
        for (uint64_t c = ma->asserted_at; c < cycle; c++)
            replay_chart_mark(e->chart, m, c, '-');
        replay_chart_mark(e->chart, m, cycle, symbol);
    }
    if (e->times) {
        e->times[ma->next].first = ma->asserted_at;
        e->times[ma->next].grant = cycle;
    } else {
        count_grant(&e->stats[m], cycle - ma->asserted_at, cycle);
    }
    ma->unanswered = ma->next++;
    if (e->blocking >> m & 1)
        ma->answered = UINT64_MAX;
    if (fetch(e, m))
        e->waiting |= BIT(m);
    ma->gate = cycle + 1;
    if (e->trace->group[m])
        group_granted(e, m, cycle);
    schedule(ma);
}

void replay_engine_response(struct replay_engine *e, unsigned m, uint64_t cycle)
{
    struct replay_master *ma = &e->master[m];
    if (e->times)
        e->times[ma->unanswered].response = cycle;
    if (e->blocking >> m & 1) {
        ma->answered = cycle + 1;
        schedule(ma);
    }
}

unsigned replay_bank(const struct replay_trace *t, uint32_t addr)
{
    uint32_t word = t->byte_addresses ? addr >> 2 : addr, n = t->n_banks;
    return n & (n - 1) ? word % n : word & (n - 1);
}
