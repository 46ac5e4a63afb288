/* Records a run. Components do not know of it: after each event of the kernel it
 * compares the machine with what it saw last. A state that an event leaves lasts
 * until the next one, so nothing is missed but what takes no time. */
#include "arch/timeline.h"
#include "arch/udma.h"

enum { N_PORT_LEVELS = 3, N_CHANNELS = 2 };

struct open { /* a slice that goes on; what tells it from the next one */
    bool on;
    uint64_t id;
    struct trace_slice s;
};

struct timeline {
    struct trace *trace;
    struct machine *m;
    struct open unit[N_UNITS], host, channel[N_CHANNELS], bus;
    unsigned causes, layers, queue[N_UNITS], ring[N_RINGS], port[N_PORT_LEVELS];
    /* where the cycles go: booked late, one after the other */
    uint64_t booked[N_CAUSES], booked_end;
    struct trace_slice cause;
    /* layers */
    uint64_t marks, layer_from, layer_ticks[MAX_LAYERS];
    /* grants of the last arbitration */
    uint64_t port_count[N_PORT_LEVELS], port_at;
};

/* Ticks as SoC cycles of the run; what begins between two edges begins at the later one. */
static uint64_t cycle(const struct machine *m, uint64_t tick)
{
    return tick < m->origin ? 0 : (tick - m->origin + m->soc_ticks - 1) / m->soc_ticks;
}

static void close_slice(struct timeline *t, struct open *o, uint64_t now)
{
    if (!o->on)
        return;
    o->on = false;
    o->s.to = now;
    trace_slice(t->trace, &o->s);
}

/* A track's present slice is `id`; true when it has just begun, which ends what was there. */
static bool begins(struct timeline *t, struct open *o, uint64_t id, uint64_t now, bool waits)
{
    if (o->on && o->id == id && o->s.waits == waits)
        return false;
    close_slice(t, o, now);
    o->on = true;
    o->id = id;
    o->s.from = now;
    o->s.waits = waits;
    return true;
}

static void name_slice(struct timeline *t, struct open *o, const char *name, uint64_t command)
{
    o->s.name = (uint16_t)trace_name(t->trace, name);
    o->s.command = command < TRACE_NO_COMMAND ? (uint16_t)command : TRACE_NO_COMMAND;
}

/* A command at work. */
static void see_work(struct timeline *t, struct open *o, uint64_t id, uint64_t now, const struct cmd *c,
                     uint64_t pc)
{
    char name[64];
    if (begins(t, o, id, now, false))
        name_slice(t, o, program_cmd_name(c, name, sizeof name), pc);
}

static void see_wait(struct timeline *t, struct open *o, uint64_t id, uint64_t now, const char *name,
                     uint64_t pc)
{
    if (begins(t, o, id, now, true))
        name_slice(t, o, name, pc);
}

static void see_unit(struct timeline *t, unsigned u, uint64_t now)
{
    const struct hw_unit *unit = &t->m->unit[u];
    const struct issued *is = &unit->q[unit->head];
    trace_level(t->trace, t->queue[u], now, unit->n);
    if (unit->n && unit->busy)
        see_work(t, &t->unit[u], is->seq, now, is->c, is->pc);
    else if (unit->n && unit->blocked >= 0)
        see_wait(t, &t->unit[u], is->seq * N_CAUSES + (unsigned)unit->blocked, now,
                 cause_names[unit->blocked], is->pc);
    else
        close_slice(t, &t->unit[u], now);
}

static void see_host(struct timeline *t, uint64_t now)
{
    const struct thread *th = &t->m->thread[THREAD_HOST];
    const struct cmd *c = &t->m->prog->cmds[THREAD_HOST][th->pc];
    if (th->halted)
        close_slice(t, &t->host, now);
    else if (host_working(t->m))
        see_work(t, &t->host, th->pc, now, c, th->pc);
    else
        see_wait(t, &t->host, th->pc, now, "sleep", th->pc);
}

/* Transfers of a channel, and the bursts that they are made of. */
static void see_udma(struct timeline *t, uint64_t now)
{
    const struct udma *u = t->m->udma;
    for (unsigned i = 0; i < N_CHANNELS; i++) {
        const struct channel *c = &u->ch[i];
        const struct transfer *head = &c->q[c->head];
        if (c->n)
            see_work(t, &t->channel[i], c->head, now, head->c,
                     (uint64_t)(head->c - t->m->prog->cmds[THREAD_HOST]));
        else
            close_slice(t, &t->channel[i], now);
    }
    uint64_t burst = t->m->counter[t->m->cb.hyperram + HYPER_BURSTS];
    if (u->dir < 0)
        close_slice(t, &t->bus, now);
    else if (begins(t, &t->bus, burst, now, false))
        name_slice(t, &t->bus, u->dir ? "read burst" : "write burst", TRACE_NO_COMMAND);
}

/* Slots that hold something. */
static void see_rings(struct timeline *t, uint64_t now)
{
    for (unsigned r = 0; r < N_RINGS; r++) {
        const struct ring *ring = &t->m->ring[r];
        uint32_t filled = 0;
        for (uint64_t i = 0; i < ring->n_slots && i < SLOTS_MAX; i++)
            filled += ring->slot[i].stage > 0;
        trace_level(t->trace, t->ring[r], now, filled);
    }
}

/* Words granted in a cycle are gone in the next one. */
static void ports_idle(struct timeline *t)
{
    for (unsigned i = 0; i < N_PORT_LEVELS; i++)
        trace_level(t->trace, t->port[i], cycle(t->m, t->port_at + t->m->soc_ticks), 0);
}

static void see_ports(struct timeline *t)
{
    const uint64_t *n = &t->m->counter[t->m->cb.tcdm];
    uint64_t now = t->m->now, moved[N_PORT_LEVELS], any = 0;
    for (unsigned i = 0; i < N_PORT_LEVELS; i++) {
        any |= moved[i] = n[i] - t->port_count[i];
        t->port_count[i] = n[i];
    }
    if (cycle(t->m, now) < t->trace->from)
        return;
    if (now > t->port_at + t->m->soc_ticks)
        ports_idle(t);
    for (unsigned i = 0; any && i < N_PORT_LEVELS; i++)
        trace_level(t->trace, t->port[i], cycle(t->m, now), (uint32_t)moved[i]);
    if (any)
        t->port_at = now;
}

static void end_cause(struct timeline *t)
{
    t->cause.to = cycle(t->m, t->m->origin + t->booked_end);
    trace_slice(t->trace, &t->cause);
}

/* Causes are booked for stretches that have passed. Several within one stretch are shown one after the
 * other: a drain comes first, the order of the rest is not known. */
static void see_causes(struct timeline *t)
{
    static const uint8_t order[N_CAUSES] = {CAUSE_FILL_DRAIN, CAUSE_TCDM_CONFLICT, CAUSE_ENGINE,
        CAUSE_RETENTION, CAUSE_VECTOR, CAUSE_WEIGHT_WAIT, CAUSE_OPERAND_WAIT, CAUSE_BUFFER_WAIT,
        CAUSE_OFFCHIP_WAIT, CAUSE_HOST, CAUSE_IDLE};
    for (unsigned i = 0; i < N_CAUSES; i++) {
        unsigned c = order[i];
        uint64_t more = t->m->cause[c] - t->booked[c];
        if (!more)
            continue;
        unsigned name = trace_name(t->trace, cause_names[c]);
        if (t->cause.name != name || !t->booked_end) {
            end_cause(t);
            t->cause.from = cycle(t->m, t->m->origin + t->booked_end);
            t->cause.name = (uint16_t)name;
        }
        t->booked[c] += more;
        t->booked_end += more;
    }
}

/* A layer ends when the store unit sees its mark. */
static void see_layers(struct timeline *t, uint64_t now)
{
    if (t->m->marks_out == t->marks)
        return;
    t->marks = t->m->marks_out;
    for (unsigned i = 0; i < MAX_LAYERS; i++) {
        if (t->m->layer_cycles[i] == t->layer_ticks[i])
            continue;
        struct trace_slice s = {.from = t->layer_from, .to = now, .track = (uint16_t)t->layers,
                                .command = TRACE_NO_COMMAND};
        s.name = (uint16_t)trace_name(t->trace, arena_printf(&t->trace->arena, "%s %u",
                                                             program_layer_name(t->m->prog, i), i));
        trace_slice(t->trace, &s);
        t->layer_from = now;
        t->layer_ticks[i] = t->m->layer_cycles[i];
    }
}

static bool after_event(void *self)
{
    struct timeline *t = self;
    uint64_t now = cycle(t->m, t->m->now);
    see_causes(t);
    see_layers(t, now);
    see_ports(t);
    if (now < t->trace->from)
        return true;
    for (unsigned u = 0; u < N_UNITS; u++)
        see_unit(t, u, now);
    see_host(t, now);
    see_udma(t, now);
    see_rings(t, now);
    return now < t->trace->to && !t->trace->full;
}

static void add_tracks(struct timeline *t)
{
    static const char *const units[N_UNITS] = {"load", "weight", "engine", "retention", "vector", "store"};
    static const char *const queues[N_UNITS] = {"load queue", "weight queue", "engine queue",
                                                "retention queue", "vector queue", "store queue"};
    static const char *const rings[N_RINGS] = {"act filled", "aux filled", "set filled", "score filled",
                                               "out filled"};
    static const char *const ports[N_PORT_LEVELS] = {"accelerator granted", "udma granted", "refused"};
    struct trace *tr = t->trace;
    t->causes = trace_track(tr, "run", "cause", NULL);
    t->layers = trace_track(tr, "run", "layers", NULL);
    for (unsigned u = 0; u < N_UNITS; u++)
        t->unit[u].s.track = (uint16_t)trace_track(tr, "accelerator", units[u], NULL);
    for (unsigned u = 0; u < N_UNITS; u++)
        t->queue[u] = trace_track(tr, "accelerator", queues[u], "commands");
    for (unsigned r = 0; r < N_RINGS; r++)
        t->ring[r] = trace_track(tr, "accelerator", rings[r], "slots");
    for (unsigned i = 0; i < N_PORT_LEVELS; i++)
        t->port[i] = trace_track(tr, "l2", ports[i], "words");
    t->host.s.track = (uint16_t)trace_track(tr, "soc", "host", NULL);
    t->channel[0].s.track = (uint16_t)trace_track(tr, "soc", "udma tx", NULL);
    t->channel[1].s.track = (uint16_t)trace_track(tr, "soc", "udma rx", NULL);
    t->bus.s.track = (uint16_t)trace_track(tr, "soc", "off-chip bus", NULL);
    t->cause = (struct trace_slice){.track = (uint16_t)t->causes, .command = TRACE_NO_COMMAND};
}

/* Ends what goes on at the end of the window or of the run. */
static void end_all(struct timeline *t)
{
    uint64_t now = cycle(t->m, t->m->now);
    struct trace *tr = t->trace;
    if (now < tr->to)
        tr->to = now;
    acct_sync(t->m);
    tr->limit += TRACE_MAX_TRACKS; /* a full trace has room for the ends */
    acct_sync(t->m); /* the last event of a window need not have booked the cycles before it */
    see_causes(t);
    end_cause(t);
    if (now > cycle(t->m, t->port_at))
        ports_idle(t);
    for (unsigned u = 0; u < N_UNITS; u++)
        close_slice(t, &t->unit[u], now);
    for (unsigned i = 0; i < N_CHANNELS; i++)
        close_slice(t, &t->channel[i], now);
    close_slice(t, &t->host, now);
    close_slice(t, &t->bus, now);
}

bool timeline_run(struct machine *m, struct trace *trace, struct err *err)
{
    struct timeline t = {.trace = trace, .m = m};
    add_tracks(&t);
    bool ok = machine_watch(m, &(struct observer){&t, after_event}, err);
    bool cut = trace->full;
    end_all(&t);
    trace->full = cut;
    return ok;
}
