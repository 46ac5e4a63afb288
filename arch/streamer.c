/* The streamer: the accelerator's load, weight and store streams share the HWPE
 * ports of the interconnect. Each stream walks a 3-D address pattern in packets
 * of one word a port; ports slip past each other by up to `fifo` packets
 * (decoupled) or move together (lockstep). Several streams meet in a
 * round-robin multiplexer at each port (hwpe_stream_tcdm_mux). Timing of a lone
 * stream: first request two cycles after the start, one packet a cycle, data
 * three cycles after the last grant (facts/interconnect.md section 4). A command
 * that follows without a gap starts at once: its registers are double buffered. */
#include "arch/result.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 32, N_STREAMS = 3 };

static const char *const issue_names[] = {"decoupled", "lockstep", NULL};
static const char *const transpose_names[] = {"strided", "buffer", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct stream_cfg, m), .def = d
static const struct field stream_fields[] = {
    {F("issue", FIELD_ENUM, issue, "decoupled"), .names = issue_names,
     .doc = "whether the ports of a packet may be granted in different cycles and slip"},
    {F("fifo", FIELD_U64, fifo, "4"), .min = 1, .max = 16, .unit = "packets",
     .doc = "depth of each port's FIFO", .prov = PROV_RTL, .source = "mac_streamer.sv: TCDM FIFO depth 4"},
    {F("dims", FIELD_U64, dims, "3"), .min = 1, .max = 3, .doc = "dimensions of the address generator"},
    {0},
};
#undef F
static const struct section stream_section = {"stream", "one stream", sizeof(struct stream_cfg),
                                              stream_fields, NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct streamer_cfg, m), .def = d
static const struct field fields[] = {
    {F("load", FIELD_SECTION, load, NULL), .sub = &stream_section,
     .doc = "L2 to activation and operand buffers"},
    {F("weight", FIELD_SECTION, weight, NULL), .sub = &stream_section, .doc = "L2 to the weight sets"},
    {F("store", FIELD_SECTION, store, NULL), .sub = &stream_section, .doc = "output buffer to L2"},
    {F("start_cycles", FIELD_U64, start_cycles, "2"), .max = 64, .unit = "cycles",
     .doc = "start of an idle stream to its first request", .prov = PROV_MEASURED,
     .source = "hwpe_stream v1.8.0: request visible at t+2 (facts/interconnect.md section 4)"},
    {F("latency_cycles", FIELD_U64, latency_cycles, "2"), .max = 64, .unit = "cycles",
     .doc = "cycle after the last grant to data in the buffer", .prov = PROV_MEASURED,
     .source = "hwpe_stream v1.8.0: stream data at grant+3 (facts/interconnect.md section 4)"},
    {F("transpose", FIELD_ENUM, transpose, "strided"), .names = transpose_names,
     .doc = "strided: one byte a word, a quarter of the rate; "
            "buffer: full rate through a transposing buffer"},
    {0},
};
#undef F
static const struct section section = {"streamer", "streams between L2 and the buffers",
                                       sizeof(struct streamer_cfg), fields, NULL};

struct packet {
    uint8_t bank[MAX_PORTS];
    uint8_t words;
};
struct stream {
    const struct cmd *c; /* NULL: idle */
    int64_t base;
    uint64_t start_at, idle_since;
    uint32_t plane, line, pos; /* generator */
    bool generated;            /* no further packets */
    uint8_t head, n;           /* ring of packets from the oldest unfinished one */
    uint8_t pushed;            /* store: packets handed to the port FIFOs */
    uint8_t wait;              /* cycles until the buffer takes the next packet */
    uint8_t rel[MAX_PORTS];    /* packets done by each port, counted from head */
    struct packet pk[RING];
};
struct streamer {
    struct stream s[N_STREAMS];
    uint8_t rr[MAX_PORTS];      /* stream preferred by each port */
    uint8_t asking[MAX_PORTS];  /* stream that a port's request belongs to */
    uint8_t fifo[N_STREAMS], interval[N_STREAMS];
    bool lockstep[N_STREAMS];
    uint8_t ports;
    uint32_t bank_mask;
};

static const uint8_t unit_stream[N_UNITS] = {[UNIT_LOAD] = 0, [UNIT_WEIGHT] = 1, [UNIT_STORE] = 2};
static const uint8_t stream_unit[N_STREAMS] = {UNIT_LOAD, UNIT_WEIGHT, UNIT_STORE};

static void stream_cfgs(const struct streamer_cfg *c, const struct stream_cfg *out[N_STREAMS])
{
    out[0] = &c->load;
    out[1] = &c->weight;
    out[2] = &c->store;
}

static bool strided(const struct machine *m, const struct cmd *c)
{
    return c->transpose && c->op == OP_LOAD && m->streamer_cfg->transpose == TRANSPOSE_STRIDED;
}

/* Words of one line that starts at byte address `a`. A line that does not
 * start on a word costs one word more (interconnect.md section 4). */
static uint32_t line_words(int64_t a, uint32_t bytes)
{
    return (uint32_t)(((a & 3) + bytes + 3) / 4);
}

static void generate(struct machine *m, struct stream *s)
{
    struct streamer *st = m->streamer;
    const struct cmd *c = s->c;
    struct packet *pk = &s->pk[(s->head + s->n) % RING];
    int64_t line = s->base + s->line * c->row_stride + s->plane * c->plane_stride;
    if (strided(m, c)) { /* one byte of each line, `ports` lines a packet */
        uint32_t left = c->rows - s->line;
        pk->words = (uint8_t)(left < st->ports ? left : st->ports);
        for (unsigned p = 0; p < pk->words; p++)
            pk->bank[p] = (uint8_t)((((line + s->pos) + p * c->row_stride) >> 2) & st->bank_mask);
        s->n++;
        s->line += pk->words;
        if (s->line >= c->rows) {
            s->line = 0;
            s->generated = ++s->pos >= c->row_bytes;
        }
        return;
    }
    uint32_t total = line_words(line, c->row_bytes), left = total - s->pos;
    pk->words = (uint8_t)(left < st->ports ? left : st->ports);
    for (unsigned p = 0; p < pk->words; p++)
        pk->bank[p] = (uint8_t)(((line >> 2) + s->pos + p) & st->bank_mask);
    s->n++;
    s->pos += pk->words;
    if (s->pos < total)
        return;
    s->pos = 0;
    if (++s->line < c->rows)
        return;
    s->line = 0;
    s->generated = ++s->plane >= c->planes;
}

uint64_t streamer_words(const struct machine *m, const struct cmd *c)
{
    if (c->from_state)
        return 0;
    if (strided(m, c))
        return (uint64_t)c->rows * c->row_bytes * c->planes;
    return (uint64_t)line_words(c->addr.c & 3, c->row_bytes) * c->rows * c->planes;
}

uint64_t streamer_packets(const struct machine *m, const struct cmd *c)
{
    uint64_t ports = m->tcdm_cfg->hwpe_ports;
    if (c->from_state)
        return 0;
    if (strided(m, c))
        return div_up(c->rows, ports) * c->row_bytes * c->planes;
    return div_up(line_words(c->addr.c & 3, c->row_bytes), ports) * c->rows * c->planes;
}

enum { C_LOAD_WORDS, C_WEIGHT_WORDS, C_STORE_WORDS, C_COMMANDS };

void streamer_count(struct machine *m, enum unit_id u, const struct cmd *c)
{
    if (c->from_state)
        return;
    m->counter[m->cb.streamer + C_COMMANDS]++;
    m->counter[m->cb.streamer + unit_stream[u]] += streamer_words(m, c);
}

bool streamer_start(struct machine *m, enum unit_id u, const struct issued *is)
{
    struct streamer *st = m->streamer;
    const struct cmd *c = is->c;
    uint64_t bytes = (uint64_t)c->rows * c->row_bytes * c->planes;
    if (c->from_state) { /* the state buffer's own port */
        uint64_t beats = div_up(bytes * 8, m->buffers->state.width_bits);
        machine_post(m, &m->unit[u].done, m->now + beats * m->soc_ticks, PHASE_DELIVER);
        return false;
    }
    bool write = c->op == OP_STORE || c->op == OP_RET_SAVE;
    m->traffic[c->tensor][write] += bytes;
    m->counter[m->cb.streamer + C_COMMANDS]++;
    if (m->tcdm_cfg->ideal) {
        m->counter[m->cb.streamer + unit_stream[u]] += streamer_words(m, c);
        return true;
    }
    struct stream *s = &st->s[unit_stream[u]];
    uint64_t idle = s->idle_since;
    memset(s, 0, offsetof(struct stream, pk));
    s->c = c;
    s->base = is->addr;
    bool gap = idle == 0 || m->now > idle;
    s->start_at = m->now + (gap ? m->streamer_cfg->start_cycles * m->soc_ticks : 0);
    tcdm_wake(m);
    return false;
}

static bool wants(const struct streamer *st, unsigned i, unsigned p, uint64_t now)
{
    const struct stream *s = &st->s[i];
    if (!s->c || now < s->start_at)
        return false;
    unsigned rel = s->rel[p], limit = i == 2 ? s->pushed : st->fifo[i];
    if (rel >= limit || rel >= s->n)
        return false;
    if (!st->lockstep[i])
        return true;
    for (unsigned q = 0; q < st->ports; q++)
        if (s->rel[q] < rel)
            return false;
    return true;
}

/* Ports without a word in their next packet step over it. */
static void skip_empty(struct streamer *st, struct stream *s)
{
    for (unsigned p = 0; p < st->ports; p++)
        while (s->rel[p] < s->n && p >= s->pk[(s->head + s->rel[p]) % RING].words)
            s->rel[p]++;
}

static void prepare(struct machine *m, unsigned i)
{
    struct streamer *st = m->streamer;
    struct stream *s = &st->s[i];
    if (!s->c || m->now < s->start_at)
        return;
    while (!s->generated && s->n < st->fifo[i] + 1)
        generate(m, s);
    skip_empty(st, s);
    if (i != 2)
        return;
    if (s->wait)
        s->wait--;
    else if (s->pushed < s->n && s->pushed < st->fifo[i]) {
        s->pushed++;
        s->wait = st->interval[i] - 1;
    }
}

uint32_t streamer_requests(struct machine *m, uint8_t *bank)
{
    struct streamer *st = m->streamer;
    uint32_t mask = 0;
    for (unsigned i = 0; i < N_STREAMS; i++)
        prepare(m, i);
    for (unsigned p = 0; p < st->ports; p++) {
        for (unsigned k = 0; k < N_STREAMS; k++) {
            unsigned i = st->rr[p] + k < N_STREAMS ? st->rr[p] + k : st->rr[p] + k - N_STREAMS;
            if (!wants(st, i, p, m->now))
                continue;
            const struct stream *s = &st->s[i];
            bank[p] = s->pk[(s->head + s->rel[p]) % RING].bank[p];
            st->asking[p] = (uint8_t)i;
            mask |= 1u << p;
            break;
        }
    }
    return mask;
}

static unsigned slowest(const struct streamer *st, const struct stream *s)
{
    unsigned min = s->rel[0];
    for (unsigned p = 1; p < st->ports; p++)
        min = s->rel[p] < min ? s->rel[p] : min;
    return min;
}

/* Retires the oldest packet once every port has done its word. */
static void retire(struct machine *m, unsigned i)
{
    struct streamer *st = m->streamer;
    struct stream *s = &st->s[i];
    if (!s->c || !s->n || m->now < s->start_at)
        return;
    if (i != 2 && s->wait) {
        s->wait--;
        return;
    }
    skip_empty(st, s);
    if (slowest(st, s) == 0)
        return;
    for (unsigned p = 0; p < st->ports; p++)
        s->rel[p]--;
    s->head = (s->head + 1) % RING;
    s->n--;
    if (i == 2)
        s->pushed--;
    else
        s->wait = st->interval[i] - 1;
    if (s->generated && s->n == 0) {
        s->c = NULL;
        s->idle_since = m->now + m->soc_ticks;
        machine_post(m, &m->unit[stream_unit[i]].done, m->now + m->soc_ticks, PHASE_DELIVER);
    }
}

void streamer_grants(struct machine *m, uint32_t granted, uint32_t requested)
{
    struct streamer *st = m->streamer;
    for (uint32_t left = granted; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left), i = st->asking[p];
        st->s[i].rel[p]++;
        st->rr[p] = (uint8_t)(i + 1 == N_STREAMS ? 0 : i + 1);
        m->counter[m->cb.streamer + i]++;
    }
    for (unsigned i = 0; i < N_STREAMS; i++)
        retire(m, i);
    if (granted != requested)
        acct_conflict(m);
}

bool streamer_busy(const struct machine *m)
{
    const struct streamer *st = m->streamer;
    return st->s[0].c || st->s[1].c || st->s[2].c;
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    struct streamer *st = calloc(1, sizeof *st);
    if (!st)
        abort();
    m->streamer = st;
    st->ports = (uint8_t)m->tcdm_cfg->hwpe_ports;
    st->bank_mask = (uint32_t)m->tcdm_cfg->banks - 1;
    const struct stream_cfg *cfg[N_STREAMS];
    stream_cfgs(m->streamer_cfg, cfg);
    /* A buffer narrower than a packet takes it in several cycles. */
    uint64_t width[N_STREAMS] = {m->buffers->activation.width_bits, UINT64_MAX,
                                 m->buffers->output.width_bits};
    for (unsigned i = 0; i < N_STREAMS; i++) {
        st->fifo[i] = (uint8_t)cfg[i]->fifo;
        st->lockstep[i] = cfg[i]->issue == 1;
        uint64_t packet = st->ports * 32u;
        st->interval[i] = width[i] >= packet ? 1 : (uint8_t)((packet + width[i] - 1) / width[i]);
    }
    m->cb.streamer = counter_add(m, "streamer", "load", "word");
    counter_add(m, "streamer", "weight", "word");
    counter_add(m, "streamer", "store", "word");
    counter_add(m, "streamer", "command", "command");
    return true;
}

static void finish(struct machine *m)
{
    free(m->streamer);
}

static void state(const struct machine *m, struct text *out)
{
    const struct streamer *st = m->streamer;
    text_addn(out, (const char *)st->rr, st->ports);
    for (unsigned i = 0; i < N_STREAMS; i++) {
        const struct stream *s = &st->s[i];
        /* Whether a command that starts now follows without a gap. */
        uint8_t idle = !s->c && s->idle_since >= m->now;
        text_addn(out, (const char *)&idle, 1);
        if (!s->c)
            continue;
        uint64_t start = s->start_at > m->now ? s->start_at - m->now : 0;
        uint32_t gen[5] = {s->plane, s->line, s->pos, s->generated,
                           (uint32_t)(s->base & (4 * st->bank_mask + 3))};
        text_addn(out, (const char *)&start, sizeof start);
        text_addn(out, (const char *)gen, sizeof gen);
        uint8_t small[3] = {s->n, s->pushed, s->wait};
        text_addn(out, (const char *)small, sizeof small);
        text_addn(out, (const char *)s->rel, st->ports);
    }
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct stream_cfg *s[N_STREAMS];
    static const char *const names[] = {"load", "weight", "store"};
    stream_cfgs(ARCH_CFG(a, streamer), s);
    for (size_t i = 0; i < N_STREAMS; i++)
        if (s[i]->dims < 2)
            return err_add(err, ERR_CONFIG, &node->at, "arch.streamer.%s.dims is %llu; tiles need 2 or 3",
                           names[i], (unsigned long long)s[i]->dims);
    return true;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const uint64_t *n = &m->counter[m->cb.streamer];
    uint64_t words = n[C_LOAD_WORDS] + n[C_WEIGHT_WORDS] + n[C_STORE_WORDS], ports = m->tcdm_cfg->hwpe_ports;
    struct cost_item *it = cost_add(sink, "streamer", "address_gen", N_STREAMS);
    cost_param(it, "dims", 3);
    cost_param(it, "bits", 32);
    cost_count(it, "packet", div_up(words, ports));
    it->path = "address";
    cost_idle(m, it, 0, div_up(words, ports));
    const struct stream_cfg *cfg[N_STREAMS];
    stream_cfgs(m->streamer_cfg, cfg);
    for (unsigned i = 0; i < N_STREAMS; i++) {
        it = cost_add(sink, "streamer", "fifo", ports);
        cost_param(it, "depth", (double)cfg[i]->fifo);
        cost_param(it, "width_bits", 32);
        cost_count(it, "push", n[C_LOAD_WORDS + i]);
        it->path = "pointer";
        cost_idle(m, it, 0, n[C_LOAD_WORDS + i]);
    }
    if (m->streamer_cfg->transpose == TRANSPOSE_BUFFER) {
        it = cost_add(sink, "streamer", "transposer", 1);
        cost_param(it, "bytes", 256);
        cost_count(it, "byte", n[C_LOAD_WORDS] * 4);
        it->path = "selection";
        cost_idle(m, it, 0, n[C_LOAD_WORDS]);
    }
}

const struct arch_class streamer_class = {.name = "streamer", .section = &section, .check = check,
                                          .init = init, .finish = finish, .state = state, .cost = cost};
