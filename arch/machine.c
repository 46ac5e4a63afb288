/* Builds a machine from an architecture and a program, and runs it. */
#include "arch/fold.h"

#include "base/num.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

unsigned counter_add(struct machine *m, const char *component, const char *action, const char *unit)
{
    assert(m->n_counters < MAX_COUNTERS);
    m->info[m->n_counters] = (struct counter_info){component, action, unit};
    return m->n_counters++;
}

void machine_event(struct machine *m, struct event *e, void (*fn)(void *self, uint64_t now))
{
    assert(m->n_events < MAX_EVENTS);
    *e = (struct event){.fn = fn, .self = m, .id = (uint16_t)m->n_events};
    m->events[m->n_events++] = e;
}

void machine_post(struct machine *m, struct event *e, uint64_t t, enum phase phase)
{
    e->t = t;
    e->phase = (uint8_t)phase;
    m->evq_ops->push(m->evq, e);
}

void machine_kick(struct machine *m)
{
    if (m->kicking || m->kick_event.queued)
        return;
    uint64_t t = soc_edge(m, m->now);
    if (t == m->now && m->phase >= PHASE_REQUEST)
        t += m->soc_ticks;
    machine_post(m, &m->kick_event, t, PHASE_REQUEST);
}

void token_post(struct machine *m, uint16_t token, uint32_t n)
{
    fold_saw_post(m, token, n);
    m->token[token] += n;
    for (uint32_t i = 0; token == m->prog->context_token && i < n; i++)
        host_job_done(m);
    machine_kick(m);
}

void machine_count_useful(struct machine *m, const struct cmd *c, uint64_t macs)
{
    if (!machine_has_useful(c))
        return;
    m->macs += macs;
    m->macs_issued += c->op == OP_RET_STEP ? macs : 0;
}

/* Lets every unit, the host and the sequencer look again, until nothing moves. */
static void kick(void *self, uint64_t now)
{
    struct machine *m = self;
    m->now = now;
    acct_sync(m);
    m->kicking = true;
    bool again = true;
    while (again) {
        bool moved = true;
        while (moved) {
            moved = false;
            for (unsigned u = 0; u < N_UNITS; u++)
                moved |= unit_try(m, u);
        }
        again = host_try(m);
        again |= sequencer_retry(m);
    }
    m->kicking = false;
    acct_update(m);
}

void machine_resolve(struct machine *m, const struct arch *a)
{
    m->arch = a;
    m->clocks = ARCH_CFG(a, clocks);
    m->tcdm_cfg = ARCH_CFG(a, tcdm);
    m->traffic_cfg = ARCH_CFG(a, traffic);
    m->engine = ARCH_CFG(a, engine);
    m->retention = ARCH_CFG(a, retention);
    m->vector = ARCH_CFG(a, vector);
    m->buffers = ARCH_CFG(a, buffers);
    m->sequencer = ARCH_CFG(a, sequencer);
    m->streamer_cfg = ARCH_CFG(a, streamer);
    m->udma_cfg = ARCH_CFG(a, udma);
    m->hyperram_cfg = ARCH_CFG(a, hyperram);
    m->host_cfg = ARCH_CFG(a, host);
    m->apb_cfg = ARCH_CFG(a, apb);
    m->regfile_cfg = ARCH_CFG(a, regfile);
    m->streams_cfg = ARCH_CFG(a, streams);
    m->memory_cfg = ARCH_CFG(a, memory);
    m->geom = engine_geometry(m->engine);
    uint64_t g = gcd(m->clocks->soc_hz, m->clocks->periph_hz);
    m->soc_ticks = m->clocks->periph_hz / g;
    m->periph_ticks = m->clocks->soc_hz / g;
    m->both_ticks = lcm(m->soc_ticks, m->periph_ticks);
}

static void init_rings(struct machine *m)
{
    m->ring[RING_ACT].n_slots = m->buffers->activation.slots;
    m->ring[RING_AUX].n_slots = m->buffers->operand.slots;
    m->ring[RING_SET].n_slots = m->engine->weight_sets;
    m->ring[RING_SCORE].n_slots = m->buffers->score.slots;
    m->ring[RING_OUT].n_slots = m->buffers->output.slots;
    for (unsigned t = 0; t < m->prog->n_tokens; t++)
        m->token[t] = m->prog->tokens[t].initial;
}

struct machine *machine_create(const struct arch *arch, const struct program *prog, const struct evq_ops *ops,
                               bool folding, struct err *err)
{
    struct machine *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    m->prog = prog;
    m->evq_ops = ops;
    m->evq = ops->create();
    m->acct_cause = CAUSE_IDLE;
    machine_resolve(m, arch);
    units_init(m);
    machine_event(m, &m->kick_event, kick);
    bool ok = true;
    for (unsigned i = 0; ok && arch_classes[i]; i++)
        ok = !arch_classes[i]->init || arch_classes[i]->init(m, err);
    init_rings(m);
    if (ok && folding)
        fold_init(m);
    if (ok)
        return m;
    machine_destroy(m);
    return NULL;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    fold_finish(m);
    for (unsigned i = 0; arch_classes[i]; i++)
        if (arch_classes[i]->finish)
            arch_classes[i]->finish(m);
    m->evq_ops->destroy(m->evq);
    free(m);
}

/* Pending events that are near, by time; then those that are far, by insertion: one of
 * each are never due together. */
static unsigned events_in_order(const struct machine *m, struct event *order[MAX_EVENTS], unsigned *n_near)
{
    uint64_t horizon = m->now + NEAR_CYCLES * m->soc_ticks;
    unsigned n = 0;
    *n_near = 0;
    for (unsigned i = 0; i < m->n_events; i++) {
        struct event *e = m->events[i];
        if (!e->queued)
            continue;
        unsigned k = n++;
        for (; k > 0; k--) {
            struct event *o = order[k - 1];
            bool far = e->t > horizon, o_far = o->t > horizon;
            if (far != o_far ? far : !far && o->t != e->t ? o->t < e->t
                : !far && o->phase != e->phase ? o->phase < e->phase : o->seq < e->seq)
                break;
            order[k] = o;
        }
        order[k] = e;
        *n_near += e->t <= horizon;
    }
    return n;
}

/* The unit whose end the event is; N_UNITS: none. */
static unsigned unit_done_by(const struct machine *m, const struct event *e)
{
    unsigned u = 0;
    while (u < N_UNITS && e != &m->unit[u].done)
        u++;
    return u;
}

static void save_events(struct machine *m, struct state_io *io)
{
    struct event *order[MAX_EVENTS];
    unsigned near, n = events_in_order(m, order, &near);
    state_u8(io, near);
    state_u8(io, n);
    for (unsigned i = 0; i < n; i++) {
        state_u8(io, order[i]->id | (unsigned)order[i]->phase << 6);
        if (i < near)
            state_u16(io, order[i]->t - m->now);
        else if (unit_done_by(m, order[i]) == N_UNITS)
            state_u64(io, order[i]->t - m->now);
    }
}

static void load_events(struct machine *m, struct state_io *io)
{
    unsigned near = state_u8(io, 0), n = state_u8(io, 0);
    for (unsigned i = 0; i < n; i++) {
        uint8_t v = state_u8(io, 0);
        struct event *e = m->events[v & 63];
        unsigned unit = unit_done_by(m, e);
        uint64_t ahead = i < near ? state_u16(io, 0)
                         : unit < N_UNITS ? fold_ahead(m, unit) : state_u64(io, 0);
        machine_post(m, e, m->now + ahead, v >> 6);
    }
}

/* The clock that is nearest to a tick where the clocks stand as they were saved. */
static void load_time(struct machine *m, struct state_io *io)
{
    uint64_t period = m->both_ticks;
    for (unsigned i = 0; i < m->n_events; i++)
        if (m->events[i]->queued)
            m->evq_ops->cancel(m->evq, m->events[i]);
    uint64_t wanted = state_u32(io, 0), at = m->now % period, on = (wanted + period - at) % period;
    m->evq_ops->shift(m->evq, on);
    m->now += on;
    m->skipped -= on; /* may wrap below zero: sums stay right */
    m->acct_last = m->now;
}

/* Saving: is there room for whatever a component has? */
static bool has_room(const struct state_io *io)
{
    return io->load || io->end - io->p >= STATE_MOST_BYTES;
}

bool machine_state(struct machine *m, struct state_io *io)
{
    if (!has_room(io))
        return false;
    if (io->load)
        load_time(m, io);
    else
        state_u32(io, m->now % m->both_ticks);
    m->acct_cause = state_u8(io, (unsigned)m->acct_cause);
    m->acct_conflict_end = state_time(io, m->now, m->acct_conflict_end);
    unit_state(m, io);
    for (unsigned i = 0; arch_classes[i]; i++) {
        if (!arch_classes[i]->state)
            continue;
        const uint8_t *from = io->p;
        if (!has_room(io))
            return false;
        arch_classes[i]->state(m, io);
        assert(io->p - from <= STATE_MOST_BYTES);
    }
    if (!has_room(io))
        return false;
    if (io->load)
        load_events(m, io);
    else
        save_events(m, io);
    return true;
}

static bool done(const struct machine *m)
{
    for (unsigned u = 0; u < N_UNITS; u++)
        if (m->unit[u].n || m->unit[u].n_commits)
            return false;
    return m->thread[THREAD_ACCEL].halted && m->thread[THREAD_HOST].halted && !udma_busy(m);
}

static void start(struct machine *m)
{
    fold_begin(m);
    machine_post(m, &m->seq_event, 0, PHASE_DELIVER);
    machine_post(m, &m->kick_event, 0, PHASE_REQUEST);
}

static void serve(struct machine *m, struct event *e)
{
    m->phase = e->phase;
    e->fn(e->self, e->t);
}

static bool finish(struct machine *m, struct err *err)
{
    acct_sync(m);
    if (done(m)) {
        m->layer_cycles[m->prog->n_layers] += machine_time(m) - m->layer_last;
        return true;
    }
    deadlock_report(m, err);
    return false;
}

bool machine_run(struct machine *m, struct err *err)
{
    start(m);
    for (struct event *e; (e = m->evq_ops->pop(m->evq));)
        serve(m, e);
    return finish(m, err);
}

bool machine_watch(struct machine *m, const struct observer *observer, struct err *err)
{
    m->watched = true;
    start(m);
    for (struct event *e; (e = m->evq_ops->pop(m->evq));) {
        serve(m, e);
        if (!observer->after_event(observer->self))
            return true;
    }
    return finish(m, err);
}
