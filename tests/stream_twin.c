#include "tests/stream_twin.h"
#include "tests/tree_twin.h"

#include <inttypes.h>

enum { MAX_CYCLES = 8000 };

/* Numbers of packets, oldest first. */
struct fifo {
    unsigned n, entry[STREAM_DEPTH + 1];
};

static void push(struct fifo *f, unsigned v)
{
    f->entry[f->n++] = v;
}

static unsigned pop(struct fifo *f)
{
    unsigned v = f->entry[0];
    for (unsigned i = 1; i < f->n; i++)
        f->entry[i - 1] = f->entry[i];
    f->n--;
    return v;
}

/* Byte addresses of a job's accesses. */
static unsigned addresses(const struct stream_job *j, unsigned words, uint32_t *addr)
{
    bool misaligned = (j->base | (uint32_t)j->line_stride | (uint32_t)j->feat_stride) & 3;
    unsigned n = j->size + misaligned, line = j->line_length + misaligned, block = line * j->feat_length;
    for (unsigned i = 0; i < n; i++) {
        unsigned blocks = i / block, feat = blocks;
        if (j->feat_roll)
            feat = j->loop_outer ? blocks / j->feat_roll : blocks % j->feat_roll;
        addr[i] = (j->base + feat * (uint32_t)j->feat_stride + i % block / line * (uint32_t)j->line_stride +
                   i % line * 4 * words) &
                  ~3u;
    }
    return n;
}

struct source {
    uint32_t addr[STREAM_PACKETS];
    unsigned n, current; /* accesses; the one whose address goes out */
    bool working, sent[STREAM_PORTS], taken[STREAM_PORTS], arriving[STREAM_PORTS], held[STREAM_PORTS];
    struct fifo address[STREAM_PORTS], packets;
    unsigned data[STREAM_PORTS];
    unsigned handed, swallow; /* packets; of these the first are not shown */
    int done;                 /* cycle */
};

struct sink {
    uint32_t addr[STREAM_PACKETS];
    unsigned n, current, left; /* packets; accepted; that the producer still has */
    bool working;
    struct fifo fifo[STREAM_PORTS];
    int done, last, before; /* cycles: done flag, last two handshakes */
};

struct run {
    struct stream_twin *t;
    int cycle;
    uint32_t lcg;
    unsigned next[STREAM_BACKGROUND];
    bool on_bus[STREAM_BACKGROUND];
    struct arbiter bank[TWIN_INPUTS];
    struct source source;
    struct sink sink;
    bool source_grant[STREAM_PORTS], sink_grant[STREAM_PORTS];
};

static bool consumer_ready(struct run *r)
{
    const struct stream_twin *t = r->t;
    if (!t->random_ready)
        return (unsigned)r->cycle % t->ready_period == t->ready_period - 1;
    r->lcg = r->lcg * 1664525 + 1013904223;
    return (r->lcg >> 8) % 100 < t->ready_pct;
}

static bool producer_valid(const struct run *r)
{
    const struct stream_twin *t = r->t;
    if (t->sink.start < 0 || r->cycle <= t->sink.start || !r->sink.left)
        return false;
    return (unsigned)r->cycle % t->valid_period == t->valid_period - 1;
}

static bool source_valid(const struct run *r)
{
    const struct source *s = &r->source;
    return r->t->decoupled ? s->packets.n && s->handed >= s->swallow : s->arriving[0] || s->held[0];
}

static bool source_requests(const struct run *r, unsigned p, bool ready, uint32_t *addr)
{
    const struct source *s = &r->source;
    if (!r->t->decoupled) {
        *addr = s->addr[s->current];
        return s->working && ready && s->current < s->n;
    }
    *addr = s->address[p].n ? s->addr[s->address[p].entry[0]] + 4 * p : 0;
    return s->address[p].n && s->data[p] < r->t->load_depth;
}

static bool sink_requests(const struct run *r, unsigned p, bool valid, uint32_t *addr)
{
    const struct sink *k = &r->sink;
    if (!r->t->sink_depth) {
        *addr = k->addr[k->current] + 4 * p;
        return k->working && valid;
    }
    *addr = k->fifo[p].n ? k->addr[k->fifo[p].entry[0]] + 4 * p : 0;
    return k->fifo[p].n;
}

static bool sink_ready(const struct run *r)
{
    bool all = true;
    for (unsigned p = 0; p < r->t->words; p++)
        all &= r->t->sink_depth ? r->sink.fifo[p].n < r->t->sink_depth : r->sink_grant[p];
    return all;
}

/* A blocking master goes on in the cycle after the response. */
static bool blocked(const struct run *r, unsigned m)
{
    return r->t->blocking[m] && r->next[m] &&
           r->t->request[m][r->next[m] - 1].grant + 1 >= (uint64_t)r->cycle;
}

static void issue(struct run *r)
{
    for (unsigned m = 0; m < r->t->background; m++)
        if (!r->on_bus[m] && r->next[m] < r->t->n[m] && !blocked(r, m) &&
            (int)r->t->request[m][r->next[m]].earliest <= r->cycle) {
            r->on_bus[m] = true;
            r->t->request[m][r->next[m]].first = (uint64_t)r->cycle;
        }
}

static void grant_background(struct run *r, unsigned m)
{
    r->t->request[m][r->next[m]].grant = (uint64_t)r->cycle;
    r->on_bus[m] = false;
    r->next[m]++;
}

/* Index at the arbiters of background master or port m. */
static unsigned place_of(const struct stream_twin *t, unsigned m)
{
    enum { SYSTEM = 9 };
    if (!t->in_soc)
        return m;
    return m < t->background ? system_place(m, t->background) : SYSTEM + t->words - 1 - (m - t->background);
}

static void arbitrate_all(struct run *r, bool ready, bool valid, struct text *out)
{
    const struct stream_twin *t = r->t;
    unsigned n = t->background + 2 * t->words;
    uint32_t addr[TWIN_INPUTS] = {0};
    bool asks[TWIN_INPUTS] = {false}, won[TWIN_INPUTS] = {false};
    for (unsigned m = 0; m < t->background; m++) {
        asks[m] = r->on_bus[m];
        addr[m] = asks[m] ? 4 * t->request[m][r->next[m]].addr : 0;
    }
    for (unsigned p = 0; p < t->words; p++) {
        unsigned m = t->background + p;
        asks[m] = source_requests(r, p, ready, &addr[m]);
        asks[m + t->words] = sink_requests(r, p, valid, &addr[m + t->words]);
    }
    for (unsigned b = 0; b < t->banks; b++) {
        bool set[TWIN_INPUTS] = {false};
        unsigned who[TWIN_INPUTS] = {0};
        for (unsigned m = 0; m < n; m++)
            if (asks[m] && addr[m] / 4 % t->banks == b) {
                set[place_of(t, m)] = true;
                who[place_of(t, m)] = m;
            }
        int winner = arbitrate(&r->bank[b], set, t->in_soc ? 9 + t->words : n, true);
        if (winner != NEVER)
            won[who[winner]] = true;
    }
    for (unsigned m = 0; m < n; m++) {
        if (won[m] && m < t->background)
            grant_background(r, m);
        else if (won[m])
            text_printf(out, "g %u %d %" PRIx32 " %d\n", m, r->cycle, addr[m],
                        m >= t->background + t->words);
    }
    memcpy(r->source_grant, won + t->background, t->words * sizeof *won);
    memcpy(r->sink_grant, won + t->background + t->words, t->words * sizeof *won);
}

/* True: the stream hands over a packet. */
static bool direct_source_ends(struct run *r, bool ready)
{
    struct source *s = &r->source;
    bool handshake = source_valid(r) && ready;
    s->held[0] = source_valid(r) && !ready;
    s->arriving[0] = r->source_grant[0];
    s->current += s->arriving[0];
    if (s->arriving[0] && s->current == s->n)
        s->done = r->cycle + 1;
    return handshake;
}

static void send_addresses(struct run *r)
{
    struct source *s = &r->source;
    bool all = true;
    for (unsigned p = 0; p < r->t->words; p++) {
        bool room = s->address[p].n - r->source_grant[p] + r->source_grant[p] < r->t->load_depth;
        if (!s->sent[p] && room) {
            push(&s->address[p], s->current);
            s->sent[p] = true;
        }
        all &= s->sent[p];
    }
    if (!all)
        return;
    s->current++;
    memset(s->sent, 0, sizeof s->sent);
}

/* Words of the ports into packets, when there is room for one. */
static void join(struct source *s, unsigned words, bool room, const unsigned *there)
{
    bool all = true;
    if (!room)
        return;
    for (unsigned p = 0; p < words; p++) {
        if (!s->taken[p] && there[p]) {
            s->taken[p] = true;
            s->data[p]--;
        }
        all &= s->taken[p];
    }
    if (!all)
        return;
    push(&s->packets, 0);
    memset(s->taken, 0, sizeof s->taken);
}

static bool decoupled_source_ends(struct run *r, bool ready)
{
    struct source *s = &r->source;
    unsigned there[STREAM_PORTS], full[STREAM_PORTS];
    bool room = s->packets.n < 2, shown = source_valid(r),
         swallowed = s->packets.n && s->handed < s->swallow;
    memcpy(there, s->data, sizeof there);
    for (unsigned p = 0; p < r->t->words; p++)
        full[p] = s->data[p] == r->t->load_depth;
    if (s->working && ready && s->current < s->n)
        send_addresses(r);
    if (swallowed || (shown && ready)) {
        pop(&s->packets);
        s->handed++;
    }
    join(s, r->t->words, room, there);
    for (unsigned p = 0; p < r->t->words; p++) {
        bool comes = s->arriving[p] || s->held[p];
        s->held[p] = comes && full[p];
        s->data[p] += comes && !full[p];
        s->arriving[p] = r->source_grant[p];
        if (r->source_grant[p])
            pop(&s->address[p]);
    }
    if (shown && ready && s->handed == s->n)
        s->done = r->cycle + 2;
    return shown && ready;
}

static bool sink_ends(struct run *r, bool valid)
{
    const struct stream_twin *t = r->t;
    struct sink *k = &r->sink;
    bool accepts = k->working && valid && sink_ready(r), waits = false;
    for (unsigned p = 0; p < t->words; p++) {
        bool room = k->fifo[p].n < t->sink_depth;
        if (t->sink_depth && r->sink_grant[p])
            pop(&k->fifo[p]);
        if (t->sink_depth && room && valid && k->working)
            push(&k->fifo[p], k->current);
        waits |= k->fifo[p].n > 0;
    }
    if (accepts) {
        k->current++;
        k->before = k->last;
        k->last = r->cycle;
        k->left--;
    }
    if (k->working && k->current == k->n && !waits && !k->done) {
        k->done = r->cycle + 2;
        if (k->n == 1 && k->done < k->last + 4)
            k->done = k->last + 4; /* the flag in_progress falls later for a lone packet */
    }
    return accepts;
}

static bool cycle_of(struct run *r, struct text *out)
{
    const struct stream_twin *t = r->t;
    bool ready = consumer_ready(r), valid = producer_valid(r);
    issue(r);
    if (t->loop)
        valid = source_valid(r);
    if (t->loop && t->sink_depth)
        ready = sink_ready(r) || !valid;
    arbitrate_all(r, ready, valid, out);
    if (t->loop && !t->sink_depth)
        ready = sink_ready(r) || !valid;
    if (t->loop && valid && !r->sink.working)
        return false; /* the rules do not say what an idle sink does with a packet */
    bool source_done = r->source.done && r->source.done == r->cycle;
    bool sink_done = r->sink.done && r->sink.done == r->cycle;
    if (t->decoupled ? decoupled_source_ends(r, ready) : direct_source_ends(r, ready))
        text_printf(out, "s %d\n", r->cycle);
    if (sink_ends(r, valid))
        text_printf(out, "k %d\n", r->cycle);
    if (source_done)
        text_printf(out, "d src %d\n", r->cycle);
    if (sink_done)
        text_printf(out, "d snk %d\n", r->cycle);
    if (source_done || r->cycle == t->source.start)
        r->source.working = !source_done;
    if (sink_done || r->cycle == t->sink.start)
        r->sink.working = !sink_done;
    return true;
}

static bool over(const struct run *r)
{
    const struct stream_twin *t = r->t;
    for (unsigned m = 0; m < t->background; m++)
        if (r->next[m] < t->n[m])
            return false;
    bool source = t->source.start < 0 || (r->source.done && r->cycle > r->source.done && !source_valid(r));
    return source && (t->sink.start < 0 || (r->sink.done && r->cycle > r->sink.done));
}

static void print_background(const struct stream_twin *t, struct text *out)
{
    for (unsigned m = 0; m < t->background; m++)
        for (unsigned i = 0; i < t->n[m]; i++)
            text_printf(out, "b %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", m, i, t->request[m][i].first,
                        t->request[m][i].grant, t->request[m][i].grant + 1);
}

bool stream_twin_run(struct stream_twin *t, struct text *out)
{
    struct run r;
    memset(&r, 0, sizeof r);
    r.t = t;
    r.lcg = t->ready_seed;
    r.source.n = addresses(&t->source, t->words, r.source.addr);
    r.source.swallow = r.source.n - t->source.size;
    r.sink.n = r.sink.left = addresses(&t->sink, t->words, r.sink.addr);
    r.sink.last = r.sink.before = -1;
    text_add(out, "# g port cycle byte_address_hex write | s cycle | k cycle | d src|snk cycle | "
                  "b master index first_request_cycle grant_cycle response_cycle\n");
    for (; !over(&r); r.cycle++)
        if (r.cycle == MAX_CYCLES || !cycle_of(&r, out))
            return false;
    print_background(t, out);
    /* A sink whose last packet comes three cycles after the one before it does not write it: a limit of the
     * RTL. */
    return t->sink.start < 0 || r.sink.n < 2 || r.sink.last - r.sink.before < 3;
}
