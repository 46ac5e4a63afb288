/* The accelerator's units: in-order queues, slot and token conditions, and the
 * delivery of results after a pipeline's latency. */
#include "arch/fold.h"

#include <assert.h>
#include <string.h>

struct issued *unit_head(struct hw_unit *u)
{
    return &u->q[u->head % QUEUE_MAX];
}

bool unit_push(struct machine *m, enum unit_id id, const struct issued *is)
{
    struct hw_unit *u = &m->unit[id];
    if (u->n >= m->sequencer->queue_depth)
        return false;
    u->q[(u->head + u->n) % QUEUE_MAX] = *is;
    u->n++;
    m->order[m->n_order++] = (uint8_t)id;
    return true;
}

/* A consumer may read once its allocation is at the stage it waits for. */
static bool slot_readable(const struct machine *m, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE)
        return true;
    const struct ring *r = &m->ring[s->ring];
    const struct slot *slot = &r->slot[alloc % r->n_slots];
    return slot->lifetimes == alloc / r->n_slots && slot->stage >= s->stage;
}

/* A producer may begin once all earlier allocations of the slot were released. */
static bool slot_writable(const struct machine *m, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE || !s->acquire)
        return true;
    const struct ring *r = &m->ring[s->ring];
    const struct slot *slot = &r->slot[alloc % r->n_slots];
    return slot->lifetimes == alloc / r->n_slots && slot->stage == 0;
}

static void slot_release(struct machine *m, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE || !s->release)
        return;
    struct ring *r = &m->ring[s->ring];
    struct slot *slot = &r->slot[alloc % r->n_slots];
    assert(slot->lifetimes == alloc / r->n_slots && slot->stage);
    slot->stage = 0;
    slot->lifetimes++;
}

static void slot_commit(struct machine *m, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE || !s->commit)
        return;
    struct ring *r = &m->ring[s->ring];
    struct slot *slot = &r->slot[alloc % r->n_slots];
    assert(slot->lifetimes == alloc / r->n_slots);
    slot->stage = s->stage;
}

static int wait_cause(const struct machine *m, uint16_t token)
{
    static const int causes[] = {[WAIT_OPERAND] = CAUSE_OPERAND_WAIT, [WAIT_WEIGHT] = CAUSE_WEIGHT_WAIT,
                                 [WAIT_BUFFER] = CAUSE_BUFFER_WAIT, [WAIT_OFFCHIP] = CAUSE_OFFCHIP_WAIT,
                                 [WAIT_HOST] = CAUSE_HOST};
    return causes[m->prog->tokens[token].wait_class];
}

/* What the head waits for before it may start; -1: nothing. */
static int head_blocked(struct machine *m, const struct issued *is)
{
    const struct cmd *c = is->c;
    if (c->op == OP_WAIT)
        return token_has(m, c->token, c->count) ? -1 : wait_cause(m, c->token);
    if (!slot_readable(m, &c->set, is->set))
        return CAUSE_WEIGHT_WAIT;
    if (!slot_readable(m, &c->src, is->src) || !slot_readable(m, &c->src2, is->src2))
        return CAUSE_OPERAND_WAIT;
    if (!slot_writable(m, &c->dst, is->dst))
        return CAUSE_BUFFER_WAIT;
    return -1;
}

static bool is_stream(const struct cmd *c)
{
    switch (c->op) {
    case OP_LOAD: case OP_STORE: case OP_RET_LOAD: case OP_RET_SAVE: case OP_LDW:
        return true;
    default:
        return false;
    }
}

static void pop(struct machine *m, struct hw_unit *u)
{
    uint8_t *at = m->order;
    while (*at != u - m->unit) /* the unit's oldest */
        at++;
    memmove(at, at + 1, (size_t)(m->order + --m->n_order - at));
    u->head = (u->head + 1) % QUEUE_MAX;
    u->n--;
    u->busy = u->active = false;
}

static void arm_delivery(struct machine *m, struct hw_unit *u)
{
    if (u->n_commits && !u->deliver.queued)
        machine_post(m, &u->deliver, u->commits[u->commit_head].at, PHASE_DELIVER);
}

static void take_effect(struct machine *m, const struct cmd *c, uint64_t dst)
{
    if (c->op == OP_POST)
        token_post(m, c->token, c->count);
    else
        slot_commit(m, &c->dst, dst);
    machine_kick(m);
}

/* Slots and posts take effect when the unit's pipeline has run empty. */
static void commit_later(struct machine *m, struct hw_unit *u, const struct cmd *c, uint64_t dst)
{
    if (u->drain_until <= m->now) {
        take_effect(m, c, dst);
        return;
    }
    unsigned last = (u->commit_head + u->n_commits++) % N_COMMITS;
    u->commits[last] = (struct commit){u->drain_until, c, dst};
    arm_delivery(m, u);
}

/* Commands without duration: control, slots and marks. */
static bool run_instant(struct machine *m, struct hw_unit *u, const struct issued *is)
{
    const struct cmd *c = is->c;
    if (c->op == OP_WAIT)
        m->token[c->token] -= c->count;
    else if (c->op == OP_POST)
        commit_later(m, u, c, 0);
    else if (c->op == OP_FREE)
        slot_release(m, &c->src, is->src);
    else if (c->op == OP_COMMIT)
        commit_later(m, u, c, is->dst);
    else if (c->op == OP_MARK && m->streams)
        streams_mark(m, c);
    else if (c->op == OP_MARK) {
        fold_saw_mark(m);
        layer_done(m, machine_time(m));
    } else if (c->op != OP_CLEAR && c->op != OP_ALLOC)
        return false;
    pop(m, u);
    return true;
}

void layer_done(struct machine *m, uint64_t time)
{
    uint64_t layer = m->mark[m->marks_out++ % N_MARKS];
    m->layer_cycles[layer] += time - m->layer_last;
    m->layer_last = time;
}

static uint64_t compute_cycles(struct machine *m, enum unit_id id, const struct issued *is)
{
    uint64_t cycles;
    if (id == UNIT_ENGINE) {
        cycles = is->c->op == OP_MM ? engine_cycles(m, is->c, is->rows)
                                    : retention_cycles(m, is->c, is->rows);
        if (is->c->op == OP_MM)
            engine_count(m, is, cycles);
        else
            retention_count(m, is, cycles);
    } else if (id == UNIT_RETENTION) {
        cycles = retention_cycles(m, is->c, is->rows);
        retention_count(m, is, cycles);
    } else {
        cycles = vector_cycles(m, is->c, is->rows);
        vector_count(m, is, cycles);
    }
    buffers_count(m, is);
    return cycles;
}

static void start(struct machine *m, enum unit_id id, const struct issued *is)
{
    struct hw_unit *u = &m->unit[id];
    u->busy = true;
    u->blocked = -1;
    if (is_stream(is->c)) {
        buffers_count(m, is);
        if (streamer_start(m, id, is))
            unit_complete(m, id, 0);
        return;
    }
    u->active = true;
    uint64_t cycles = compute_cycles(m, id, is);
    if (m->streams && is->c->op == OP_MM) {
        streams_begin(m, is);
        return;
    }
    machine_post(m, &u->done, m->now + cycles * m->soc_ticks, PHASE_DELIVER);
}

bool unit_start(struct machine *m, enum unit_id id)
{
    struct hw_unit *u = &m->unit[id];
    struct issued *is = unit_head(u);
    /* A full delivery queue: the oldest result frees a place at its time. */
    if (u->n_commits == N_COMMITS) {
        u->blocked = CAUSE_BUFFER_WAIT;
        return false;
    }
    u->blocked = head_blocked(m, is);
    if (u->blocked >= 0)
        return false;
    if (!run_instant(m, u, is))
        start(m, id, is);
    return true;
}

void unit_complete(struct machine *m, enum unit_id id, uint64_t latency_ticks)
{
    struct hw_unit *u = &m->unit[id];
    struct issued *is = unit_head(u);
    const struct cmd *c = is->c;
    slot_release(m, &c->set, is->set);
    slot_release(m, &c->src, is->src);
    slot_release(m, &c->src2, is->src2);
    u->drain_until = m->now + latency_ticks;
    if (c->dst.ring != RING_NONE && c->dst.commit)
        commit_later(m, u, c, is->dst);
    pop(m, u);
    machine_kick(m);
}

static void deliver(struct machine *m, struct hw_unit *u)
{
    while (u->n_commits && u->commits[u->commit_head].at <= m->now) {
        struct commit *k = &u->commits[u->commit_head];
        take_effect(m, k->c, k->dst);
        u->commit_head = (u->commit_head + 1) % N_COMMITS;
        u->n_commits--;
    }
    arm_delivery(m, u);
    machine_kick(m);
}

static uint64_t latency(const struct machine *m, enum unit_id id)
{
    const struct hw_unit *u = &m->unit[id];
    switch (id) {
    case UNIT_ENGINE: return (m->engine->latency_cycles + m->engine->pipeline - 1) * m->soc_ticks;
    case UNIT_RETENTION: return (m->retention->latency_cycles + m->retention->pipeline - 1) * m->soc_ticks;
    case UNIT_VECTOR: return (m->vector->latency_cycles + m->vector->pipeline - 1) * m->soc_ticks;
    case UNIT_LOAD: case UNIT_WEIGHT:
        return u->q[u->head].c->from_state ? 0 : m->streamer_cfg->latency_cycles * m->soc_ticks;
    default: return 0;
    }
}

/* Event handlers get the machine; which unit it is follows from the event that
 * is due, so each unit has its own pair. */
#define UNIT_EVENTS(name, id)                                             \
    static void name##_done(void *self, uint64_t now)                     \
    {                                                                     \
        struct machine *m = self;                                         \
        m->now = now;                                                     \
        acct_sync(m);                                                     \
        unit_complete(m, id, latency(m, id));                             \
    }                                                                     \
    static void name##_deliver(void *self, uint64_t now)                  \
    {                                                                     \
        struct machine *m = self;                                         \
        m->now = now;                                                     \
        acct_sync(m);                                                     \
        deliver(m, &m->unit[id]);                                         \
    }
UNIT_EVENTS(load, UNIT_LOAD)
UNIT_EVENTS(weight, UNIT_WEIGHT)
UNIT_EVENTS(engine, UNIT_ENGINE)
UNIT_EVENTS(retention, UNIT_RETENTION)
UNIT_EVENTS(vector, UNIT_VECTOR)
UNIT_EVENTS(store, UNIT_STORE)
#undef UNIT_EVENTS

void units_init(struct machine *m)
{
    static void (*const done[N_UNITS])(void *, uint64_t) = {load_done, weight_done, engine_done,
                                                            retention_done, vector_done, store_done};
    static void (*const due[N_UNITS])(void *, uint64_t) = {load_deliver, weight_deliver, engine_deliver,
                                                           retention_deliver, vector_deliver, store_deliver};
    for (unsigned i = 0; i < N_UNITS; i++) {
        m->unit[i].blocked = -1;
        machine_event(m, &m->unit[i].done, done[i]);
        machine_event(m, &m->unit[i].deliver, due[i]);
    }
}
