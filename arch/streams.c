/* An engine fed by streams: rows of the moving operand, weights and outputs
 * come and go over ready/valid streams, each with its own width and stalls, and
 * the row rule (row_pipe.h) decides. A command is a tile step: a square tile of
 * the moving operand passes as many sets as cover a tile of outputs.
 *
 * feed: driver. Somebody outside offers all three streams; commands follow each
 * other without a bubble. Cycle 0 is the start pulse; rows are accepted from
 * cycle 1, weights from cycle 0.
 * feed: port. The streams share a memory port and each tile step is a job of
 * its own (port.c). Cycle 0 is the trigger of the first job.
 * feed: buffers. No streams: the engine reads the accelerator's buffers. */
#include "arch/streams.h"
#include "arch/fold.h"
#include "arch/result.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

static const char *const feed_names[] = {"buffers", "driver", "port", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct beat_cfg, m), .def = d
#define BEAT(name, doc_)                                                                            \
    static const struct field name##_fields[] = {                                                   \
        {F("beat_bytes", FIELD_U64, beat_bytes, "auto"), .min = 1, .max = 1 << 20,                  \
         .allow_auto = true, .unit = "bytes", .doc = doc_},                                         \
        {F("stall", FIELD_TEXT, stall, "none"), .doc = "cycles without the stream: " STALL_GRAMMAR}, \
        {0},                                                                                        \
    };                                                                                              \
    static const struct section name##_section = {#name, #name " stream", sizeof(struct beat_cfg),  \
                                                  name##_fields, NULL}
BEAT(input, "of a beat of rows; auto: a row (engine.length)");
BEAT(weight, "of a beat of weights; auto: engine.units (driver) or memory.port_bytes (port)");
BEAT(output, "of a beat of outputs; auto: those of a row (engine.units)");
#undef BEAT
#undef F

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct streams_cfg, m), .def = d
static const struct field fields[] = {
    {F("feed", FIELD_ENUM, feed, "buffers"), .names = feed_names,
     .doc = "who feeds the engine: the accelerator's buffers, streams that a driver offers, or streams that "
            "share a memory port"},
    {F("input", FIELD_SECTION, input, NULL), .sub = &input_section, .doc = "rows of the moving operand"},
    {F("weight", FIELD_SECTION, weight, NULL), .sub = &weight_section, .doc = "stationary operand"},
    {F("output", FIELD_SECTION, output, NULL), .sub = &output_section, .doc = "results"},
    {F("bias_bits", FIELD_U64, bias_bits, "24"), .min = 8, .max = 64, .unit = "bits",
     .doc = "of a bias value; it travels with the rows", .prov = PROV_RTL, .source = "ita_package.sv"},
    {F("activation", FIELD_BOOL, activation, "false"),
     .doc = "a requantiser and an activation unit an output behind the first requantiser; their time is in "
            "engine.latency_cycles"},
    {F("softmax_dividers", FIELD_U64, softmax_dividers, "0"), .max = 64,
     .doc = "dividers of a softmax over rows as they stream; 0: none"},
    {F("address_fifo", FIELD_U64, address_fifo, "2"), .min = 1, .max = 64, .unit = "addresses",
     .doc = "port: addresses ahead of each stream", .prov = PROV_RTL, .source = "hci_core_source.sv"},
    {F("request_fifo", FIELD_U64, request_fifo, "2"), .min = 2, .max = 64, .unit = "requests",
     .doc = "port: requests, and responses, in front of the port", .prov = PROV_RTL,
     .source = "ita_hwpe_streamer.sv: hci_core_fifo depth 2"},
    {F("data_fifo", FIELD_U64, data_fifo, "8"), .min = 1, .max = 1024, .unit = "beats",
     .doc = "port: beats between each stream and the engine", .prov = PROV_RTL,
     .source = "ita_hwpe_input_buffer.sv"},
    {0},
};
#undef F
static const struct section section = {"streams", "streams that feed the engine", sizeof(struct streams_cfg),
                                       fields, NULL};

/* ---- phases ---- */

static struct stream_layer *open_layer(struct streams *s)
{
    if (s->open)
        return &s->layers[s->n - 1];
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->layers = xrealloc(s->layers, s->cap, sizeof *s->layers);
    }
    s->open = true;
    s->layers[s->n] = (struct stream_layer){.name = ""};
    return &s->layers[s->n++];
}

void streams_record(struct machine *m, const struct row_events *ev)
{
    struct streams *s = m->streams;
    uint64_t cycle = streams_cycle(m);
    if (ev->row) {
        struct stream_layer *l = &s->layers[s->n - 1];
        l->first_row = l->rows++ ? l->first_row : cycle;
        l->last_row = cycle;
        l->cycles = cycle - l->first_row + 1;
    }
    if (ev->output) {
        struct stream_layer *l = &s->layers[ev->tag];
        l->first_output = l->outputs++ ? l->first_output : cycle;
        l->last_output = cycle;
        l->cycles = cycle - l->first_row + 1;
    }
}

void streams_mark(struct machine *m, const struct cmd *c)
{
    struct streams *s = m->streams;
    fold_saw_phase(m);
    open_layer(s)->name = m->prog->layer_names[c->layer_name];
    s->open = false;
}

const struct stream_layer *streams_layers(const struct machine *m, size_t *n)
{
    *n = m->streams->n;
    return m->streams->layers;
}

struct stream_layer *streams_steady(const struct machine *m)
{
    const struct streams *s = m->streams;
    struct stream_layer *l = s->n ? &s->layers[s->n - 1] : NULL;
    if (!s->open || !l->rows || !l->outputs)
        return NULL;
    for (uint32_t i = 0; i < s->pipe.in_flight; i++)
        if (s->pipe.tag[(s->pipe.head + i) % ROW_PIPE_MAX] != s->n - 1)
            return NULL;
    return l;
}

/* ---- the engine ---- */

void streams_traffic(const struct machine *m, const struct cmd *c, uint64_t n,
                     uint64_t traffic[N_TENSOR_KINDS][4])
{
    const struct engine_cfg *e = m->engine;
    if (m->streams_cfg->feed != FEED_PORT)
        return; /* the other ends of a driver's streams are not here */
    uint64_t sets = div_up(c->rows, e->length), bias = div_up(e->units * m->streams_cfg->bias_bits, 8);
    traffic[T_ACT][0] += n * c->rows * e->length;
    traffic[T_ACT][1] += c->last ? n * c->rows * e->units : 0;
    traffic[T_WEIGHT][0] += n * sets * (e->units * e->length + (c->bias ? bias : 0));
}

void streams_begin(struct machine *m, const struct issued *is)
{
    struct streams *s = m->streams;
    s->cmd = is->c;
    s->rows_left = is->rows;
    open_layer(s);
    streams_traffic(m, is->c, 1, m->traffic);
    if (s->port)
        port_job(m, is->c);
    if (s->started)
        return;
    s->started = true;
    m->origin = m->now + m->soc_ticks;
    machine_post(m, &s->tick, m->origin, PHASE_DELIVER);
}

bool streams_row(struct machine *m)
{
    struct streams *s = m->streams;
    if (--s->rows_left || s->port)
        return false;
    s->cmd = NULL;
    unit_complete(m, UNIT_ENGINE, 0);
    return true;
}

static enum cause cause_of(const struct row_events *ev)
{
    static const uint8_t causes[] = {[ROW_TAKEN] = CAUSE_ENGINE, [ROW_NO_CREDIT] = CAUSE_BUFFER_WAIT,
        [ROW_NO_SET] = CAUSE_WEIGHT_WAIT, [ROW_NOT_OFFERED] = CAUSE_OPERAND_WAIT,
        [ROW_NONE_LEFT] = CAUSE_FILL_DRAIN};
    return causes[ev->wait];
}

static enum cause driver_cycle(struct machine *m)
{
    struct streams *s = m->streams;
    uint64_t cycle = streams_cycle(m);
    struct row_offer in = {
        .left = s->cmd && cycle > 0,
        .row = !stall_low(&s->input, cycle, 0),
        .weight = !stall_low(&s->weight, cycle, 1),
        .ready = !stall_low(&s->output, cycle, 2),
        .last = s->cmd && s->cmd->last,
        .tag = (uint32_t)s->n - 1,
    };
    struct row_events ev = row_pipe_cycle(&s->pipe, (m->now - m->origin) / m->soc_ticks, &in);
    streams_record(m, &ev);
    if (ev.row)
        streams_row(m);
    return cause_of(&ev);
}

static bool finished(const struct machine *m)
{
    const struct streams *s = m->streams;
    return !s->cmd && !s->pipe.in_flight && m->thread[THREAD_ACCEL].halted && !m->unit[UNIT_ENGINE].n;
}

static void tick(void *self, uint64_t now)
{
    struct machine *m = self;
    struct streams *s = m->streams;
    m->now = now;
    if (finished(m))
        return;
    m->cause[s->port ? port_cycle(m) : driver_cycle(m)] += m->soc_ticks;
    machine_post(m, &s->tick, now + m->soc_ticks, PHASE_DELIVER);
}

static void init_pipe(struct streams *s, const struct machine *m)
{
    const struct engine_cfg *e = m->engine;
    const struct streams_cfg *c = m->streams_cfg;
    s->pipe = (struct row_pipe){
        .rows_per_set = (uint32_t)e->length,
        .beats_per_set = (uint32_t)(e->units * e->length / c->weight.beat_bytes),
        .sets = (uint32_t)e->weight_sets,
        .credits = (uint32_t)(e->output_credits == FIELD_AUTO ? e->latency_cycles + 1 : e->output_credits),
        .latency = (uint32_t)e->latency_cycles,
        .beats_per_row = (uint32_t)div_up(e->length, c->input.beat_bytes),
        .beats_per_output = (uint32_t)div_up(e->units, c->output.beat_bytes),
        .full = e->weights_preloaded ? (uint32_t)e->weight_sets : 0,
    };
    s->input = c->input.pattern;
    s->weight = c->weight.pattern;
    s->output = c->output.pattern;
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    if (m->streams_cfg->feed == FEED_BUFFERS)
        return true;
    struct streams *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    m->streams = s;
    machine_event(m, &s->tick, tick);
    init_pipe(s, m);
    if (m->streams_cfg->feed == FEED_PORT) {
        s->port = port_create(m);
        port_counters(m);
    }
    return true;
}

static void finish(struct machine *m)
{
    if (!m->streams)
        return;
    port_destroy(m->streams->port);
    free(m->streams->layers);
    free(m->streams);
    m->streams = NULL;
}

/* Streams behind a port are not folded (fold.c): a job is too much state, and all too short. */
static void state(struct machine *m, struct state_io *io)
{
    struct streams *s = m->streams;
    if (!s)
        return;
    struct row_pipe *p = &s->pipe;
    uint64_t cycle = (m->now - m->origin) / m->soc_ticks;
    p->full = state_u32(io, p->full);
    p->beats = state_u32(io, p->beats);
    p->row = state_u32(io, p->row);
    p->row_beats = state_u32(io, p->row_beats);
    p->output_beats = state_u32(io, p->output_beats);
    p->in_flight = state_u32(io, p->in_flight);
    s->rows_left = state_u32(io, s->rows_left);
    uint8_t v = state_u8(io, s->started | (unsigned)s->open << 1 | (unsigned)(s->cmd != NULL) << 2);
    if (io->load)
        s->cmd = v >> 2 & 1 ? unit_head(&m->unit[UNIT_ENGINE])->c : NULL;
    for (uint32_t i = 0; i < p->in_flight; i++) {
        uint32_t at = (p->head + i) % ROW_PIPE_MAX;
        p->due[at] = state_time(io, cycle, p->due[at]);
        p->tag[at] = (uint32_t)s->n - state_u16(io, s->n - p->tag[at]);
    }
    const struct stall *all[] = {&s->input, &s->weight, &s->output};
    for (unsigned i = 0; i < 3; i++)
        state_u32(io, streams_cycle(m) % stall_period(all[i]));
}

/* ---- configuration ---- */

static const struct place *place_of(const struct ynode *node, const char *stream, const char *key)
{
    const struct ynode *map = yaml_get(node, stream), *value = yaml_get(map, key);
    return value ? &value->at : map ? &map->at : &node->at;
}

bool stall_decode(struct stall *s, const char *text, const char *key, const struct place *at,
                  struct err *err)
{
    if (!stall_parse(s, text))
        return err_add(err, ERR_CONFIG, at, "%s is '%s'; legal: %s", key, text, STALL_GRAMMAR);
    if (stall_always(s))
        return err_add(err, ERR_CONFIG, at, "%s is '%s', which never lets a beat pass; legal: a pattern with "
                       "some cycle that does", key, text);
    return true;
}

static bool check_widths(const struct streams_cfg *c, const struct engine_cfg *e, const struct ynode *node,
                         struct err *err)
{
    uint64_t set = e->units * e->length;
    bool ok = true;
    if (set % c->weight.beat_bytes)
        ok = err_add(err, ERR_CONFIG, place_of(node, "weight", "beat_bytes"),
                     "arch.streams.weight.beat_bytes is %llu, which does not divide a set of %llu bytes "
                     "(engine.units x length); legal: a divisor", (unsigned long long)c->weight.beat_bytes,
                     (unsigned long long)set);
    if (c->input.beat_bytes > e->length || c->output.beat_bytes > e->units)
        ok = err_add(err, ERR_CONFIG, place_of(node, "input", "beat_bytes"),
                     "arch.streams: a beat of more than a row (input: engine.length, output: engine.units); "
                     "legal: auto, or fewer bytes");
    if (e->style != ENGINE_DOT_PRODUCT)
        ok = err_add(err, ERR_CONFIG, &node->at, "arch.streams feeds dot-product units only; legal: "
                     "arch.engine.style dot_product, or feed buffers");
    return ok;
}

static bool stalls(const struct beat_cfg *c)
{
    return strcmp(c->stall, "none") != 0;
}

static bool check_port(const struct streams_cfg *c, const struct engine_cfg *e, uint64_t port,
                       const struct ynode *node, struct err *err)
{
    uint64_t rows = e->length * div_up(e->length, e->units);
    bool ok = true;
    if (port % e->length || rows % max64(port / e->length, 1) || c->weight.beat_bytes != port)
        ok = err_add(err, ERR_CONFIG, &node->at, "arch.memory.port_bytes is %llu; legal: a multiple of "
                     "engine.length (%llu), of which a tile fills whole beats, and the same as "
                     "streams.weight.beat_bytes (%llu)", (unsigned long long)port,
                     (unsigned long long)e->length, (unsigned long long)c->weight.beat_bytes);
    if (c->input.beat_bytes != e->length || c->output.beat_bytes != e->units || stalls(&c->input) ||
        stalls(&c->weight) || stalls(&c->output) || e->weights_preloaded || e->weight_sets < 2)
        ok = err_add(err, ERR_CONFIG, &node->at, "arch.streams behind a port have whole rows, no stalls of "
                     "their own, and two weight sets or more, that the first job loads; legal: beat_bytes "
                     "auto, stall none, engine.weights_preloaded false, engine.weight_sets 2, and "
                     "arch.memory.stall");
    return ok;
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    static const char *const names[] = {"input", "weight", "output"};
    static const char *const keys[] = {"arch.streams.input.stall", "arch.streams.weight.stall",
                                       "arch.streams.output.stall"};
    struct streams_cfg *c = arch_cfg_mutable(a, &streams_class);
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    const struct memory_cfg *memory = ARCH_CFG(a, memory);
    struct beat_cfg *all[] = {&c->input, &c->weight, &c->output};
    const uint64_t beat[] = {e->length, c->feed == FEED_PORT ? memory->port_bytes : e->units, e->units};
    bool ok = true;
    for (unsigned i = 0; i < 3; i++) {
        if (all[i]->beat_bytes == FIELD_AUTO)
            all[i]->beat_bytes = beat[i];
        ok &= stall_decode(&all[i]->pattern, all[i]->stall, keys[i], place_of(node, names[i], "stall"), err);
        if (c->feed == FEED_BUFFERS && stalls(all[i]))
            ok = err_add(err, ERR_CONFIG, place_of(node, names[i], "stall"), "%s has no meaning for an "
                         "engine fed by buffers; legal: none, or arch.streams.feed driver", keys[i]);
    }
    if (c->feed != FEED_BUFFERS)
        ok &= check_widths(c, e, node, err);
    if (c->feed == FEED_PORT)
        ok &= check_port(c, e, memory->port_bytes, node, err);
    return ok;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    if (!m->streams)
        return;
    streams_cost(m, sink, engine_rows(m), engine_values(m));
    if (m->streams->port)
        port_cost(m, sink);
}

const struct arch_class streams_class = {.name = "streams", .section = &section, .check = check,
                                         .init = init, .finish = finish, .state = state, .cost = cost,
                                         .streamed = true};
