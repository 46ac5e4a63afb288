/* Streamers behind a crossbar with background masters. */
#include "arch/hwpe_stream.h"
#include "arch/replay_engine.h"

#include <inttypes.h>
#include <string.h>

#define BIT(m) (UINT64_C(1) << (m))

/* A stream without an event for so long (and a period of its consumer and
 * producer) is stuck for good: v1.8.0 has configurations that never finish,
 * e.g. decoupled, misaligned and more than one line. */
enum { STUCK_CYCLES = 10000 };

struct stream_run {
    struct replay_engine *e;
    const struct replay_stream *c;
    struct text *out;
    struct xbar xbar;
    struct hwpe_source source;
    struct hwpe_sink sink;
    uint64_t cycle;
    uint64_t last_event; /* of a stream */
    uint32_t produced; /* packets taken by the sink from the producer */
    uint32_t lcg;
    uint32_t addr[2 * HWPE_MAX_PORTS];
    uint64_t requests[XBAR_MAX_BANKS];
};

static bool consumer_ready(struct stream_run *r)
{
    if (r->c->random_ready) {
        r->lcg = r->lcg * 1664525 + 1013904223;
        return (r->lcg >> 8) % 100 < r->c->ready_pct;
    }
    return r->cycle % r->c->ready_period == r->c->ready_period - 1;
}

static bool producer_valid(const struct stream_run *r)
{
    if (r->c->start_sink < 0 || r->cycle <= (uint64_t)r->c->start_sink)
        return false;
    return r->produced < r->c->sink.trans_size && r->cycle % r->c->valid_period == r->c->valid_period - 1;
}

static void event(struct stream_run *r, unsigned row, const char *text, char symbol)
{
    text_printf(r->out, "%s %" PRIu64 "\n", text, r->cycle);
    r->last_event = r->cycle;
    if (r->e->chart && symbol)
        replay_chart_mark(r->e->chart, row, r->cycle, symbol);
}

static void stream_grant(struct stream_run *r, unsigned port, unsigned bank)
{
    unsigned m = r->c->background + port;
    text_printf(r->out, "g %u %" PRIu64 " %" PRIx32 " %d\n", m, r->cycle, r->addr[port],
                port >= r->c->words);
    /* A sink may repeat a write for ever, a source that is not decoupled a read. */
    if (port < r->c->words && r->c->decoupled)
        r->last_event = r->cycle;
    if (r->e->chart)
        replay_chart_mark(r->e->chart, m, r->cycle, replay_bank_symbol(bank));
}

static void grant_background(struct stream_run *r, unsigned m, unsigned bank)
{
    replay_engine_grant(r->e, m, r->cycle, replay_bank_symbol(bank));
    replay_engine_response(r->e, m, r->cycle + 1);
}

/* `ports`: requesting stream ports. Returns the granted ones. */
static unsigned arbitrate(struct stream_run *r, unsigned ports)
{
    const struct replay_trace *t = r->e->trace;
    unsigned background = r->c->background, granted = 0;
    uint8_t bank[XBAR_MAX_MASTERS];

    memset(r->requests, 0, t->n_banks * sizeof *r->requests);
    for (uint64_t left = r->e->asserted | (uint64_t)ports << background; left; left &= left - 1) {
        unsigned m = (unsigned)__builtin_ctzll(left);
        if (m < background)
            bank[m] = (uint8_t)replay_bank(t, r->e->master[m].addr);
        else
            bank[m] = (uint8_t)((r->addr[m - background] >> 2) % t->n_banks);
        r->requests[bank[m]] |= BIT(m);
    }
    for (unsigned b = 0; b < t->n_banks; b++) {
        int m = xbar_grant(&r->xbar, b, r->requests[b]);
        if (m >= (int)background)
            granted |= 1u << (m - (int)background);
        else if (m >= 0)
            grant_background(r, (unsigned)m, b);
    }
    for (unsigned p = 0; p < 2 * r->c->words; p++)
        if (granted >> p & 1)
            stream_grant(r, p, bank[background + p]);
    return granted;
}

static void stream_cycle(struct stream_run *r)
{
    unsigned words = r->c->words, row = r->e->trace->n_masters, ports, granted;
    bool ready = consumer_ready(r), valid = producer_valid(r);

    if ((int64_t)r->cycle == r->c->start_source) {
        hwpe_source_start(&r->source, &r->c->source);
        r->last_event = r->cycle;
    }
    if ((int64_t)r->cycle == r->c->start_sink) {
        hwpe_sink_start(&r->sink, &r->c->sink);
        r->last_event = r->cycle;
    }
    bool source_done = r->source.done, sink_done = r->sink.done;
    if (r->c->loop)
        valid = hwpe_source_valid(&r->source);
    /* With a FIFO the sink's ready comes before the grants, without one after
     * them; then the requests of the source do not depend on it. */
    if (r->c->loop && r->sink.lanes.depth)
        ready = hwpe_sink_ready(&r->sink, valid, 0);
    ports = hwpe_source_request(&r->source, ready, r->addr);
    ports |= hwpe_sink_request(&r->sink, valid, r->addr + words) << words;
    granted = arbitrate(r, ports);
    if (r->c->loop && !r->sink.lanes.depth)
        ready = hwpe_sink_ready(&r->sink, valid, granted >> words);
    if (hwpe_source_step(&r->source, ready, granted & r->source.lanes.ports))
        event(r, row, "s", 's');
    if (hwpe_sink_step(&r->sink, valid, granted >> words)) {
        r->produced++;
        event(r, row + 1, "k", 'k');
    }
    if (source_done)
        event(r, row, "d src", 0);
    if (sink_done)
        event(r, row, "d snk", 0);
}

/* No stream does anything before the next start: both are quiet, or stuck. */
static bool streams_rest(const struct stream_run *r)
{
    const struct replay_stream *c = r->c;
    bool started = r->c->start_sink >= 0 && (int64_t)r->cycle > c->start_sink;

    if (r->cycle > r->last_event + STUCK_CYCLES + c->ready_period + c->valid_period)
        return true;
    if (started && !c->loop && r->produced < c->sink.trans_size)
        return false;
    return hwpe_source_quiet(&r->source) && hwpe_sink_quiet(&r->sink);
}

/* x after n more draws: the generator is x -> m x + a, squared bit by bit. */
static uint32_t lcg_skip(uint32_t x, uint64_t n)
{
    uint32_t m = 1664525, a = 1013904223;
    for (; n; n >>= 1) {
        if (n & 1)
            x = m * x + a;
        a = m * a + a;
        m *= m;
    }
    return x;
}

static uint64_t earlier(uint64_t a, int64_t start, uint64_t cycle)
{
    return start >= (int64_t)cycle && (uint64_t)start < a ? (uint64_t)start : a;
}

/* The next cycle in which something can happen, UINT64_MAX: none. */
static uint64_t next_cycle(const struct stream_run *r)
{
    uint64_t next = r->cycle;
    if (r->e->asserted || !streams_rest(r))
        return next;
    next = earlier(replay_engine_next(r->e), r->c->start_source, r->cycle);
    next = earlier(next, r->c->start_sink, r->cycle);
    return next < r->cycle ? r->cycle : next;
}

void replay_stream(struct replay_engine *e, struct text *out)
{
    const struct replay_stream *c = &e->trace->stream;
    struct stream_run r;

    memset(&r, 0, sizeof r);
    r.e = e;
    r.c = c;
    r.out = out;
    r.lcg = c->ready_seed;
    xbar_init(&r.xbar, e->trace->n_masters, e->trace->n_banks, false);
    hwpe_source_init(&r.source, &c->source, c->words, c->decoupled, c->load_depth);
    hwpe_sink_init(&r.sink, &c->sink, c->words, c->sink_depth);
    for (uint64_t next; (next = next_cycle(&r)) != UINT64_MAX; r.cycle++) {
        r.lcg = lcg_skip(r.lcg, next - r.cycle);
        r.cycle = next;
        replay_engine_assert(e, r.cycle);
        stream_cycle(&r);
    }
}
