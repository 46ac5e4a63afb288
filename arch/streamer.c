/* The streamer: the accelerator's load, weight and store streams share the HWPE
 * ports of the interconnect. Each stream walks a 3-D address pattern in packets
 * of one word a port; behind the addresses are the FIFOs and the join of
 * hwpe-stream, the ones that `replay` validates (arch/hwpe_lanes.h), so a lone
 * command is granted in the very cycles of hwpe_stream_source and _sink.
 * `lockstep` is their variant without FIFOs. Several streams meet in a
 * round-robin multiplexer at each port (hwpe_stream_tcdm_mux). A command that
 * follows without a gap starts at once: its registers are double buffered. */
#include "arch/streamer.h"

#include "arch/result.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

static const char *const issue_names[] = {"decoupled", "lockstep", NULL};
static const char *const transpose_names[] = {"strided", "buffer", NULL};

static const char *const packing_names[] = {"fields", "dense", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct stream_cfg, m), .def = d
static const struct field stream_fields[] = {
    {F("issue", FIELD_ENUM, issue, "decoupled"), .no_program = true, .names = issue_names,
     .doc = "whether the ports of a packet may be granted in different cycles and slip"},
    {F("fifo", FIELD_U64, fifo, "4"), .no_program = true, .min = 1, .max = 16, .unit = "packets",
     .doc = "depth of each port's FIFO", .prov = PROV_RTL, .source = "mac_streamer.sv: TCDM FIFO depth 4"},
    {F("dims", FIELD_U64, dims, "3"), .no_program = true,
     .min = 1, .max = 3, .doc = "dimensions of the address generator"},
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
    {F("start_cycles", FIELD_U64, start_cycles, "2"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "start of an idle stream to its first request, FIFO included", .prov = PROV_MEASURED,
     .source = "RTL of hwpe-stream v1.8.0, simulated: request visible at t+2"},
    {F("latency_cycles", FIELD_U64, latency_cycles, "3"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "cycle after the last grant to data in the buffer", .prov = PROV_MEASURED,
     .source = "RTL of hwpe-stream v1.8.0, simulated: stream data at grant+3, readable a cycle later"},
    {F("store_fence", FIELD_BOOL, store_fence, "true"), .no_program = true,
     .doc = "each port takes its word of a stored packet once (hwpe_stream_fence before the sink); false: "
            "hwpe_stream_sink v1.8.0 by itself, which repeats the writes of a packet that waits"},
    {F("transpose", FIELD_ENUM, transpose, "strided"), .no_program = true, .names = transpose_names,
     .doc = "strided: one byte a word, a quarter of the rate; "
            "buffer: full rate through a transposing buffer"},
    {F("weight_packing", FIELD_ENUM, weight_packing, "dense"), .names = packing_names,
     .doc = "weights of 2 to 8 bits in memory. dense: one after the other, unpacked in front of the sets; "
            "fields: as lanes take them, in 2, 4 or 8 bits, without an unpacker"},
    {0},
};
#undef F
static const struct section section = {"streamer", "streams between L2 and the buffers",
                                       sizeof(struct streamer_cfg), fields, NULL};

static const uint8_t unit_stream[N_UNITS] = {[UNIT_LOAD] = 0, [UNIT_WEIGHT] = 1, [UNIT_STORE] = 2};
const uint8_t stream_unit[N_STREAMS] = {UNIT_LOAD, UNIT_WEIGHT, UNIT_STORE};

static void stream_cfgs(const struct streamer_cfg *c, const struct stream_cfg *out[N_STREAMS])
{
    out[0] = &c->load;
    out[1] = &c->weight;
    out[2] = &c->store;
}

static bool wide_port(const struct machine *m)
{
    return m->tcdm_cfg->kind == INTERCONNECT_HCI;
}

bool stream_strided(const struct machine *m, const struct cmd *c)
{
    return c->transpose && c->op == OP_LOAD && m->streamer_cfg->transpose == TRANSPOSE_STRIDED;
}

/* Words of one line that starts at byte address `a`. A line that does not
 * start on a word costs one word more (interconnect.md section 4). */
static uint32_t line_words(int64_t a, uint32_t bytes)
{
    return (uint32_t)(((a & 3) + bytes + 3) / 4);
}

/* A packet of `words` words. On one wide port it is a single access. */
static void offer_packet(const struct streamer *st, struct stream *s, uint32_t words)
{
    bool wide = st->lanes < st->ports;
    s->need = (uint16_t)(wide ? 1 : (1u << words) - 1);
    if (wide)
        s->addr[0] = (s->addr[0] & ((1u << WORDS_SHIFT) - 1)) | words << WORDS_SHIFT;
}

/* Long transfers are cut into parts for folding. */
enum { PART_WORDS = 256, PART_LINES = 16 };

static void first_line(struct machine *m, unsigned i, int64_t at)
{
    struct stream *s = &m->streamer->s[i];
    s->line_at = s->plane_at = at;
    s->pos = 0;
    s->lines = s->c->rows;
    s->words = s->strided ? s->c->row_bytes : line_words(at, s->c->row_bytes);
    fold_set_left(m, LEFT_LINES + i);
    fold_set_left(m, LEFT_WORDS + i);
}

static void next_line(struct machine *m, unsigned i)
{
    struct stream *s = &m->streamer->s[i];
    s->lines--;
    if (!left_at_least(m, LEFT_LINES + i, s->lines, 1)) {
        s->generated = ++s->plane >= s->c->planes;
        first_line(m, i, s->plane_at + s->c->plane_stride);
        return;
    }
    s->line_at += s->c->row_stride;
    s->pos = 0;
    s->words = line_words(s->line_at, s->c->row_bytes);
    fold_set_left(m, LEFT_WORDS + i);
    if (s->lines % PART_LINES == 0)
        fold_saw_part(m);
}

/* One byte of each line, `lanes` lines a packet; they are in different banks. */
static void generate_strided(struct machine *m, unsigned i)
{
    struct streamer *st = m->streamer;
    struct stream *s = &st->s[i];
    uint64_t words = left_at_least(m, LEFT_LINES + i, s->lines, st->lanes) ? st->lanes : s->lines;
    for (unsigned p = 0; p < words; p++)
        s->addr[p] = (uint32_t)(s->line_at + s->pos + p * s->c->row_stride);
    offer_packet(st, s, (uint32_t)words);
    s->line_at += (int64_t)words * s->c->row_stride;
    s->lines -= words;
    if (left_at_least(m, LEFT_LINES + i, s->lines, 1))
        return;
    s->line_at = s->plane_at;
    s->lines = s->c->rows;
    fold_set_left(m, LEFT_LINES + i);
    s->pos++;
    s->words--;
    s->generated = !left_at_least(m, LEFT_WORDS + i, s->words, 1);
    if (s->words % PART_LINES == 0)
        fold_saw_part(m);
}

/* Puts the next packet on offer. */
static void generate(struct machine *m, unsigned i)
{
    struct streamer *st = m->streamer;
    struct stream *s = &st->s[i];
    s->need = 0;
    if (s->generated)
        return;
    if (s->strided) {
        generate_strided(m, i);
        return;
    }
    uint64_t words = left_at_least(m, LEFT_WORDS + i, s->words, st->ports) ? st->ports : s->words;
    for (unsigned p = 0; p < words; p++)
        s->addr[p] = (uint32_t)s->line_at + 4 * (s->pos + p);
    offer_packet(st, s, (uint32_t)words);
    s->pos += (uint32_t)words;
    s->words -= words;
    if (!left_at_least(m, LEFT_WORDS + i, s->words, 1))
        next_line(m, i);
    else if (s->words % PART_WORDS == 0)
        fold_saw_part(m);
}

uint64_t *streamer_words_left(struct machine *m, unsigned stream)
{
    return &m->streamer->s[stream].words;
}

uint64_t *streamer_lines_left(struct machine *m, unsigned stream)
{
    return &m->streamer->s[stream].lines;
}

uint64_t streamer_words(const struct machine *m, const struct cmd *c)
{
    if (c->from_state)
        return 0;
    if (stream_strided(m, c))
        return (uint64_t)c->rows * c->row_bytes * c->planes;
    return (uint64_t)line_words(c->addr.c & 3, c->row_bytes) * c->rows * c->planes;
}

uint64_t streamer_packets(const struct machine *m, const struct cmd *c)
{
    uint64_t ports = m->tcdm_cfg->hwpe_ports;
    if (c->from_state)
        return 0;
    if (stream_strided(m, c))
        return div_up(c->rows, wide_port(m) ? 1 : ports) * c->row_bytes * c->planes;
    return div_up(line_words(c->addr.c & 3, c->row_bytes), ports) * c->rows * c->planes;
}

enum { C_LOAD_WORDS, C_WEIGHT_WORDS, C_STORE_WORDS, C_COMMANDS, C_UNPACKED };

/* Bytes that pass the unpacker: fields go around it. */
static uint64_t unpacked_bytes(const struct cmd *c)
{
    bool dense = c->op == OP_LDW && field_bits(c->w_bits) != c->w_bits;
    return dense ? (uint64_t)c->rows * c->row_bytes : 0;
}

void streamer_count(struct machine *m, enum unit_id u, const struct cmd *c)
{
    if (c->from_state)
        return;
    m->counter[m->cb.streamer + C_COMMANDS]++;
    m->counter[m->cb.streamer + C_UNPACKED] += unpacked_bytes(c);
    m->counter[m->cb.streamer + unit_stream[u]] += streamer_words(m, c);
}

/* The packet on offer was sent: its words will be joined. */
static void take_off(struct machine *m, unsigned i)
{
    struct stream *s = &m->streamer->s[i];
    s->flying_need[s->flying] = s->need;
    s->flying = (uint8_t)((s->flying + 1) % MAX_FLYING);
    generate(m, i);
}

/* A command that follows without a gap finds its first address in the FIFOs;
 * an idle stream starts as hwpe-stream does: start in t, addresses from t+1. */
static void begin(struct machine *m, unsigned i, const struct issued *is)
{
    struct stream *s = &m->streamer->s[i];
    bool store = i == STORE;
    uint64_t start = m->streamer_cfg->start_cycles;
    bool gap = s->idle_since == 0 || m->now > s->idle_since;
    s->c = is->c;
    s->strided = stream_strided(m, is->c);
    s->plane = 0;
    s->generated = false;
    first_line(m, i, is->addr);
    s->work_at = m->now + (gap && start ? (start - 1) * m->soc_ticks : 0);
    generate(m, i);
    if (gap && start)
        return;
    if (store && s->store.depth && !s->wait) {
        hwpe_fifo_push(&s->store.fifo, s->store.ports, s->store.depth, s->need, s->addr);
        generate(m, i);
        s->wait = m->streamer->interval[STORE] - 1;
    } else if (!store && s->load.depth) {
        hwpe_fifo_push(&s->load.fifo, s->load.ports, s->load.depth, s->need, s->addr);
        take_off(m, i);
    }
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
    m->counter[m->cb.streamer + C_UNPACKED] += unpacked_bytes(c);
    if (m->tcdm_cfg->ideal) {
        m->counter[m->cb.streamer + unit_stream[u]] += streamer_words(m, c);
        return true;
    }
    st->active |= (uint8_t)(1u << unit_stream[u]);
    begin(m, unit_stream[u], is);
    tcdm_wake(m);
    return false;
}

/* Ports on which a stream offers the addresses of its packet. */
static unsigned offered(const struct stream *s, uint64_t now)
{
    if (!s->need || s->wait || now < s->work_at)
        return 0;
    return s->need & ~(unsigned)s->load.sent;
}

static unsigned wanted(const struct streamer *st, unsigned i, uint64_t now)
{
    const struct stream *s = &st->s[i];
    if (!s->c)
        return 0;
    unsigned depth = i == STORE ? s->store.depth : s->load.depth, offer = depth ? 0 : offered(s, now);
    return i == STORE ? hwpe_store_request(&s->store, depth, offer)
                      : hwpe_load_request(&s->load, depth, offer);
}

/* Addresses that the FIFOs give out, NULL without FIFOs. */
static const struct hwpe_fifos *fifos(const struct stream *s, unsigned i)
{
    if (i == STORE)
        return s->store.depth ? &s->store.fifo : NULL;
    return s->load.depth ? &s->load.fifo : NULL;
}

static uint32_t address(const struct stream *s, unsigned i, unsigned port)
{
    const struct hwpe_fifos *f = fifos(s, i);
    return f ? hwpe_fifo_addr(f, port) : s->addr[port];
}

/* The multiplexers of all ports at once: a stream gets a port that it wants where its own turn is next, or
 * where those before it do not want it. A request that was refused stays. */
static void choose(struct streamer *st, const unsigned w[N_STREAMS])
{
    const uint16_t *first = st->prefers;
    unsigned kept = 0, keeps[N_STREAMS];
    if (!((w[0] & w[1]) | (w[1] & w[2]) | (w[2] & w[0]))) { /* no two want the same port: most cycles */
        for (unsigned i = 0; i < N_STREAMS; i++)
            st->asks[i] = (uint16_t)w[i];
        return;
    }
    for (unsigned i = 0; i < N_STREAMS; i++)
        kept |= keeps[i] = st->held & st->asks[i] & w[i];
    for (unsigned i = 0; i < N_STREAMS; i++) {
        unsigned next = i + 1 < N_STREAMS ? i + 1 : 0, last = N_STREAMS - i - next;
        unsigned taken = (first[next] & (w[next] | w[last])) | (first[last] & w[last]);
        st->asks[i] = (uint16_t)((w[i] & ~taken & ~kept) | keeps[i]);
    }
}

/* Banks of the ports that a stream asks on. */
static void ask_banks(const struct streamer *st, unsigned i, uint8_t *bank, struct bank_use *use)
{
    const struct stream *s = &st->s[i];
    struct bank_use sum = *use; /* a copy: sums in memory would wait for each other */
    for (unsigned left = st->asks[i]; left; left &= left - 1) {
        unsigned p = (unsigned)__builtin_ctz(left);
        unsigned b = address(s, i, p) >> 2 & st->bank_mask;
        bank[p] = (uint8_t)b;
        bank_used(&sum, b);
    }
    *use = sum;
}

uint32_t streamer_requests(struct machine *m, uint8_t *bank, struct bank_use *use)
{
    struct streamer *st = m->streamer;
    if (!st->active)
        return 0;
    unsigned want[N_STREAMS], any = 0;
    for (unsigned i = 0; i < N_STREAMS; i++)
        any |= want[i] = wanted(st, i, m->now);
    choose(st, want);
    for (unsigned i = 0; i < N_STREAMS; i++)
        if (st->asks[i])
            ask_banks(st, i, bank, use);
    return any;
}

static void last_grant(struct machine *m, unsigned i)
{
    struct stream *s = &m->streamer->s[i];
    s->c = NULL;
    s->idle_since = m->now + m->soc_ticks;
    machine_post(m, &m->unit[stream_unit[i]].done, m->now + m->soc_ticks, PHASE_DELIVER);
}

/* Words of the access at the head, before the step takes it out. */
static unsigned wide_words(const struct stream *s, unsigned i, unsigned grants)
{
    return grants ? address(s, i, 0) >> WORDS_SHIFT : 0;
}

/* hwpe_stream_source, DECOUPLED=1: the consumer's ready lets addresses out, too. */
static inline void load_step(struct machine *m, unsigned i, unsigned depth, unsigned grants)
{
    struct stream *s = &m->streamer->s[i];
    struct hwpe_load *l = &s->load;
    unsigned offer = offered(s, m->now), room = hwpe_load_room(l, depth, grants), take = 0;
    bool leaves = l->packets && !s->wait;
    unsigned sent = (l->sent | (offer & room)) & s->need;
    bool gone = offer && sent == s->need;
    unsigned joins = s->flying == s->joining ? l->ports : s->flying_need[s->joining];
    if (hwpe_load_join(l, depth, joins, leaves, &take))
        s->joining = (uint8_t)((s->joining + 1) % MAX_FLYING);
    hwpe_load_step(l, depth, offer & room, s->addr, grants, take);
    l->sent = (uint16_t)(gone ? 0 : sent);
    if (leaves)
        s->wait = m->streamer->interval[i] - 1;
    else if (s->wait)
        s->wait--;
    if (gone)
        take_off(m, i);
    if (s->c && !s->need && !hwpe_fifo_any(&l->fifo))
        last_grant(m, i);
    if (!stream_active(s, i))
        m->streamer->active &= (uint8_t)~(1u << i);
}

/* hwpe_stream_sink: the packet is taken when every port takes its word, and
 * ports that can take it do so in every cycle that it waits. Behind a fence
 * each takes it once. */
static inline void store_step(struct machine *m, unsigned depth, unsigned grants)
{
    const unsigned i = STORE;
    struct stream *s = &m->streamer->s[i];
    struct hwpe_store *k = &s->store;
    unsigned offer = offered(s, m->now), room = hwpe_store_room(k, depth, grants);
    unsigned took = (s->load.sent | (offer & room)) & s->need;
    bool taken = offer && took == s->need;
    hwpe_store_step(k, depth, offer, s->addr, grants);
    s->load.sent = (uint16_t)(taken || !m->streamer_cfg->store_fence ? 0 : took);
    if (taken) {
        generate(m, i);
        s->wait = m->streamer->interval[i] - 1;
    } else if (s->wait) {
        s->wait--;
    }
    if (s->c && !s->need && !hwpe_fifo_any(&k->fifo)) {
        last_grant(m, i);
        m->streamer->active &= (uint8_t)~(1u << i);
    }
}

/* The depth that nearly all machines have gets steps of its own. */
enum { USUAL_DEPTH = 4 };

static void stream_step(struct machine *m, unsigned i, unsigned grants)
{
    const struct stream *s = &m->streamer->s[i];
    if (i == STORE && s->store.depth == USUAL_DEPTH)
        store_step(m, USUAL_DEPTH, grants);
    else if (i == STORE)
        store_step(m, s->store.depth, grants);
    else if (s->load.depth == USUAL_DEPTH)
        load_step(m, i, USUAL_DEPTH, grants);
    else
        load_step(m, i, s->load.depth, grants);
}

/* The turn of a port passes to the stream behind the one that was granted. */
static void pass_on(struct streamer *st, unsigned granted)
{
    unsigned of[N_STREAMS];
    for (unsigned i = 0; i < N_STREAMS; i++)
        of[i] = granted & st->asks[i];
    for (unsigned i = 0; i < N_STREAMS; i++)
        st->prefers[i] = (uint16_t)((st->prefers[i] & ~granted) | of[i ? i - 1 : N_STREAMS - 1]);
}

unsigned streamer_grants(struct machine *m, uint32_t granted, uint32_t requested)
{
    struct streamer *st = m->streamer;
    unsigned words = 0, active = st->active;
    if (!active)
        return 0;
    pass_on(st, granted);
    st->held = (uint16_t)(requested & ~granted);
    for (unsigned i = 0; i < N_STREAMS; i++) {
        unsigned grants = granted & st->asks[i];
        if (grants) {
            unsigned n = st->lanes < st->ports ? wide_words(&st->s[i], i, grants) : count_bits(grants);
            m->counter[m->cb.streamer + i] += n;
            words += n;
        }
        if (active >> i & 1)
            stream_step(m, i, grants);
    }
    if (granted != requested)
        acct_conflict(m);
    return words;
}

bool streamer_busy(const struct machine *m)
{
    return m->streamer->active;
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    struct streamer *st = calloc(1, sizeof *st);
    if (!st)
        abort();
    m->streamer = st;
    st->ports = (uint8_t)m->tcdm_cfg->hwpe_ports;
    st->lanes = wide_port(m) ? 1 : st->ports;
    st->bank_mask = (uint32_t)m->tcdm_cfg->banks - 1;
    st->prefers[0] = (uint16_t)((1u << st->lanes) - 1);
    const struct stream_cfg *cfg[N_STREAMS];
    stream_cfgs(m->streamer_cfg, cfg);
    /* A buffer narrower than a packet takes it in several cycles. */
    uint64_t width[N_STREAMS] = {m->buffers->activation.width_bits, UINT64_MAX,
                                 m->buffers->output.width_bits};
    for (unsigned i = 0; i < N_STREAMS; i++) {
        unsigned depth = cfg[i]->issue == 1 ? 0 : (unsigned)cfg[i]->fifo;
        hwpe_load_init(&st->s[i].load, st->lanes, depth);
        hwpe_store_init(&st->s[i].store, st->lanes, depth);
        uint64_t packet = st->ports * 32u;
        st->interval[i] = width[i] >= packet ? 1 : (uint8_t)((packet + width[i] - 1) / width[i]);
    }
    m->cb.streamer = counter_add(m, "streamer", "load", "word");
    counter_add(m, "streamer", "weight", "word");
    counter_add(m, "streamer", "store", "word");
    counter_add(m, "streamer", "command", "command");
    counter_add(m, "streamer", "unpacked", "byte");
    return true;
}

static void finish(struct machine *m)
{
    free(m->streamer);
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
    const struct tcdm_cfg *t = ARCH_CFG(a, tcdm);
    if (!ARCH_CFG(a, streamer)->store_fence && t->hwpe_ports > 1 && (s[2]->fifo < 2 || s[2]->issue))
        err_add(err, ERR_CONFIG, &node->at, "arch.streamer.store_fence: without a fence ports with less than "
                "two words of FIFO may block each other for ever; legal: true, or a decoupled store with a "
                "FIFO of 2 or more");
    if (!ARCH_CFG(a, streamer)->store_fence && t->hwpe_ports > t->banks)
        return err_add(err, ERR_CONFIG, &node->at, "arch.streamer.store_fence: without a fence a packet of "
                       "%llu words never gets into %llu banks; legal: true, or no more ports than banks",
                       (unsigned long long)t->hwpe_ports, (unsigned long long)t->banks);
    return !err_any(err);
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
    if (m->streamer_cfg->weight_packing == PACKING_DENSE) {
        it = cost_add(sink, "streamer", "unpacker", 1);
        cost_param(it, "bits", 32 * (double)ports);
        cost_count(it, "unpacked", n[C_UNPACKED]);
        it->path = "selection";
        cost_idle(m, it, 0, n[C_UNPACKED]);
    }
}

const struct arch_class streamer_class = {.name = "streamer", .section = &section, .check = check,
                                          .init = init, .finish = finish, .state = streamer_state,
                                          .cost = cost};
