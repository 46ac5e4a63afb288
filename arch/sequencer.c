/* The sequencer: one program step a cycle (command, loop begin, loop end),
 * renames slots, evaluates affine parts, hands commands to the units' queues.
 * Modelled as the micro-loop processor that HWPEs carry (hwpe-ctrl): loops,
 * adds and moves only. One step a cycle is a choice of this design. */
#include "arch/fold.h"
#include "arch/result.h"

static const char *const autonomy_names[] = {"tile", "layer", "network", NULL};
static const char *const gating_names[] = {"none", "unit", "lane", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct sequencer_cfg, m), .def = d
static const struct field fields[] = {
    {F("autonomy", FIELD_ENUM, autonomy, "network"), .names = autonomy_names,
     .doc = "how much work one host job covers"},
    {F("queue_depth", FIELD_U64, queue_depth, "4"), .no_program = true,
     .min = 1, .max = QUEUE_MAX, .unit = "commands",
     .doc = "commands that may wait in front of each unit"},
    {F("step_cycles", FIELD_U64, step_cycles, "1"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "a command, the beginning or the end of a loop; 0: takes no time (hypothetical)"},
    {F("program_bytes", FIELD_BYTES, program_bytes, "4 KiB"), .no_program = true, .min = 64, .max = 1 << 20,
     .doc = "program store; longer programs are fetched by the host job by job"},
    {F("clock_gating", FIELD_ENUM, clock_gating, "unit"), .no_program = true, .names = gating_names,
     .doc = "what stops when it has nothing to do: decides idle energy"},
    {F("udma_access", FIELD_BOOL, udma_access, "false"), .no_program = true,
     .doc = "the sequencer programs the uDMA itself (hypothetical: a PULPissimo HWPE reaches L2 only)"},
    {0},
};
#undef F
static const struct section section = {"sequencer", "command sequencer of the accelerator",
                                       sizeof(struct sequencer_cfg), fields, NULL};

static uint64_t renamed(struct machine *m, const struct slot_use *s)
{
    if (s->ring == RING_NONE)
        return 0;
    struct ring *r = &m->ring[s->ring];
    if (s->acquire)
        r->allocs++;
    return r->allocs - 1 - s->age;
}

int64_t l2_part(const struct machine *m, const struct thread *t, const struct cmd *c)
{
    if (c->l2ring == L2RING_NONE)
        return 0;
    const struct l2ring *r = &m->prog->l2rings[c->l2ring];
    return (int64_t)((t->part[c->l2ring] + r->parts - 1) % r->parts * r->stride);
}

/* False when the unit's queue is full. */
static bool dispatch(struct machine *m, const struct thread *t, const struct cmd *c)
{
    struct hw_unit *u = &m->unit[c->unit];
    if (u->n >= m->sequencer->queue_depth)
        return false;
    struct issued is = {.c = c, .pc = t->pc, .rows = c->rows, .seq = m->next_seq++};
    is.addr = aff_eval(&c->addr, t->idx, t->depth) + l2_part(m, t, c);
    if (c->rows_is_affine)
        is.rows = (uint32_t)aff_eval(&c->rows_aff, t->idx, t->depth);
    if (c->op == OP_MARK && !m->streams)
        m->mark[m->marks_in++ % N_MARKS] = (uint64_t)aff_eval(&c->layer, t->idx, t->depth);
    machine_count_useful(m, c, (uint64_t)aff_eval(&c->useful, t->idx, t->depth));
    fold_saw_dispatch(m, c, &is);
    is.dst = renamed(m, &c->dst);
    is.set = renamed(m, &c->set);
    is.src = renamed(m, &c->src);
    is.src2 = renamed(m, &c->src2);
    unit_push(m, c->unit, &is);
    m->counter[m->cb.sequencer]++;
    machine_kick(m);
    return true;
}

/* One step. False when it has to be tried again (the unit's queue is full), or at the end. */
static bool step(struct machine *m)
{
    struct thread *t = &m->thread[THREAD_ACCEL];
    const struct cmd *c = &m->prog->cmds[THREAD_ACCEL][t->pc];
    switch (c->op) {
    case OP_HALT:
        t->halted = true;
        machine_kick(m);
        return false;
    case OP_REPEAT:
        fold_saw_loop(m, THREAD_ACCEL, thread_enter(t, c) ? STEP_ENTER : STEP_SKIP);
        break;
    case OP_END:
        if (!fold_at_end(m))
            fold_saw_loop(m, THREAD_ACCEL, thread_iterate(t) ? STEP_ITERATE : STEP_LEAVE);
        break;
    case OP_NEXT:
        t->part[c->l2ring]++;
        t->pc++;
        fold_saw_loop(m, THREAD_ACCEL, STEP_RING);
        break;
    default:
        if (!dispatch(m, t, c)) {
            m->seq_blocked = true; /* the next kick tries again */
            return false;
        }
        t->pc++;
    }
    return true;
}

bool sequencer_retry(struct machine *m)
{
    bool moved = false;
    if (!m->seq_blocked)
        return false;
    m->seq_blocked = false;
    if (m->sequencer->step_cycles) {
        machine_post(m, &m->seq_event, m->now + m->soc_ticks, PHASE_DELIVER);
        return false;
    }
    while (step(m))
        moved = true;
    return moved;
}

void sequencer_tick(void *self, uint64_t now)
{
    struct machine *m = self;
    m->now = now;
    uint64_t cycles = m->sequencer->step_cycles;
    if (step(m) && cycles) {
        machine_post(m, &m->seq_event, now + cycles * m->soc_ticks, PHASE_DELIVER);
    } else if (!cycles && !m->seq_blocked) {
        while (step(m))
            ;
    }
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    machine_event(m, &m->seq_event, sequencer_tick);
    m->cb.sequencer = counter_add(m, "sequencer", "command", "command");
    return true;
}

static void state(struct machine *m, struct state_io *io)
{
    struct thread *t = &m->thread[THREAD_ACCEL];
    state_u32(io, fold_at(m, THREAD_ACCEL)); /* where that is goes by the thread's loops */
    uint8_t v = state_u8(io, t->halted | (unsigned)m->seq_blocked << 1);
    t->halted = v & 1;
    m->seq_blocked = v >> 1 & 1;
}

/* Estimates, in words of 32 bits: a command in the program store, and the mean over the units of one with its
 * sums resolved. Engine and vector unit take eight words (shape 40 bits, places and pitches in three buffers
 * 84, numbers of units, columns and positions 72, slots 20, flags 20), the four others five (address 20,
 * place and pitch 28, three sizes 36, two strides 40, slots 10, flags 16). */
enum { STORED_WORDS = 8, QUEUED_WORDS = (2 * 8 + 4 * 5) / N_UNITS };

static void cost(const struct machine *m, struct cost_sink *sink)
{
    uint64_t commands = m->counter[m->cb.sequencer];
    struct cost_item *it = cost_add(sink, "sequencer", "sequencer", 1);
    cost_param(it, "program_bytes", (double)m->sequencer->program_bytes);
    cost_param(it, "contexts", (double)m->regfile_cfg->contexts);
    cost_count(it, "command", commands);
    it->path = "dispatch";
    cost_idle(m, it, 0, commands * STORED_WORDS);
    it = cost_add(sink, "sequencer", "fifo", N_UNITS); /* the queues, one a unit */
    cost_param(it, "depth", (double)m->sequencer->queue_depth);
    cost_param(it, "width_bits", QUEUED_WORDS * 32);
    cost_count(it, "push", commands);
    it->path = "pointer";
    cost_idle(m, it, 0, commands);
}

const struct arch_class sequencer_class = {.name = "sequencer", .section = &section, .init = init,
                                           .state = state, .cost = cost};
