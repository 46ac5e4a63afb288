/* The host: the FC core as far as the accelerator needs it. It alone programs
 * the uDMA, writes jobs and takes events. Costs are cycles of APB accesses and
 * interrupts; instruction fetch and data
 * stay in the private banks, so the core does not load the interleaved banks. */
#include "arch/fold.h"
#include "arch/regfile.h"
#include "arch/result.h"

#include <stdlib.h>

static const char *const core_names[] = {"cv32e40p", "ibex", NULL};
static const char *const dispatch_names[] = {"preprog", "queued", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct host_cfg, m), .def = d
static const struct field fields[] = {
    {F("core", FIELD_ENUM, core, "cv32e40p"), .no_program = true,
     .names = core_names, .doc = "fabric controller core"},
    {F("kge", FIELD_U64, kge, "41"), .no_program = true,
     .min = 1, .max = 1000, .unit = "kGE", .doc = "size of the core",
     .prov = PROV_ESTIMATE, .source = "from memory: RI5CY 40-41 kGE in 65 nm"},
    {F("irq_path_cycles", FIELD_U64, irq_path_cycles, "4"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "event to the core's interrupt input", .prov = PROV_RTL,
     .source = "pulp_soc bf65372a by reading: registers of event queue, event FIFO, pending, core"},
    {F("irq_entry_cycles", FIELD_U64, irq_entry_cycles, "8"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "pipeline drain and vector fetch", .prov = PROV_ESTIMATE,
     .source = "pipeline of CV32E40P, 6..10; not measured"},
    {F("isr_cycles", FIELD_U64, isr_cycles, "12"), .no_program = true, .max = 1000, .unit = "cycles",
     .doc = "instructions of the handler besides its APB read", .prov = PROV_ASSUMPTION,
     .source = "save, decode, restore of a minimal handler"},
    {F("acquire_cycles", FIELD_U64, acquire_cycles, "6"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "ACQUIRE read of the register file", .prov = PROV_MEASURED,
     .source = "HWPE register read: one per 6 cycles (interconnect.md section 5)"},
    {F("dispatch", FIELD_ENUM, dispatch, "preprog"), .no_program = true, .names = dispatch_names,
     .doc = "jobs of streams that share a port: preprog: the next is triggered when the one before is seen "
            "to be over, queued: ahead, as contexts allow"},
    {0},
};
#undef F
static const struct section section = {"host", "FC core", sizeof(struct host_cfg), fields, NULL};

struct host {
    struct event done, restart;
    uint16_t job_token; /* of committed jobs */
    bool busy;    /* executing the current command */
    bool waited;  /* the current command was found blocked: the core sleeps */
    struct job_queue jobs;
};

/* One job at a time: RUN_IDLE, RUN_STARTING, RUN_RUN of hwpe-ctrl. */
static void start_job(struct machine *m)
{
    struct host *h = m->host;
    if (!h->restart.queued && job_start(&h->jobs))
        token_post(m, h->job_token, 1);
}

static void restart(void *self, uint64_t now)
{
    struct machine *m = self;
    m->now = now;
    acct_sync(m);
    start_job(m);
    machine_kick(m);
}

void host_job_done(struct machine *m)
{
    uint64_t cycles = m->regfile_cfg->restart_cycles;
    job_done(&m->host->jobs);
    if (cycles && m->host->jobs.waiting)
        machine_post(m, &m->host->restart, soc_edge(m, m->now) + cycles * m->soc_ticks, PHASE_DELIVER);
    else
        start_job(m);
}

bool host_working(const struct machine *m)
{
    return m->host->busy;
}

enum { C_ACTIVE, C_IRQS, C_APB, C_JOBS };

uint64_t host_cmd_cycles(const struct machine *m, const struct cmd *c)
{
    const struct host_cfg *h = m->host_cfg;
    const struct apb_cfg *apb = m->apb_cfg;
    switch (c->op) {
    case OP_WAIT: return apb->load_cycles; /* polled; sleeping for it costs the interrupt too */
    case OP_POST: return apb->store_cycles;
    case OP_UDMA_RX: case OP_UDMA_TX: return m->udma_cfg->cfg_stores * apb->store_cycles;
    case OP_JOB: return h->acquire_cycles + c->words * apb->store_cycles + apb->store_cycles +
                        m->regfile_cfg->trigger_to_start_cycles;
    case OP_HOST_WORK: return c->cycles;
    default: return 0;
    }
}

static bool ready(struct machine *m, const struct cmd *c)
{
    switch (c->op) {
    case OP_WAIT: return host_has(m, c);
    case OP_UDMA_RX: return udma_room(m, false);
    case OP_UDMA_TX: return udma_room(m, true);
    default: return true;
    }
}

void host_count(struct machine *m, const struct cmd *c, uint64_t cycles, bool interrupt)
{
    uint64_t *n = &m->counter[m->cb.host];
    n[C_ACTIVE] += cycles;
    n[C_IRQS] += interrupt;
    n[C_JOBS] += c->op == OP_JOB;
    if (c->op == OP_UDMA_RX || c->op == OP_UDMA_TX)
        n[C_APB] += m->udma_cfg->cfg_stores;
    else if (c->op == OP_JOB)
        n[C_APB] += c->words + 2;
    else
        n[C_APB] += c->op == OP_WAIT || c->op == OP_POST;
}

void host_job(struct machine *m)
{
    m->counter[m->cb.host + C_JOBS]++;
}

/* Loops cost the core a cycle or two; that is within the cost of what they hold. */
static bool control(struct machine *m, struct thread *t)
{
    const struct cmd *c = &m->prog->cmds[THREAD_HOST][t->pc];
    if (c->op == OP_REPEAT) {
        fold_saw_loop(m, THREAD_HOST, thread_enter(t, c) ? STEP_ENTER : STEP_SKIP);
        return true;
    }
    if (c->op == OP_END) {
        fold_saw_loop(m, THREAD_HOST, thread_iterate(t) ? STEP_ITERATE : STEP_LEAVE);
        return true;
    }
    if (c->op == OP_NEXT) {
        t->part[c->l2ring]++;
        t->pc++;
        fold_saw_loop(m, THREAD_HOST, STEP_RING);
        return true;
    }
    if (c->op == OP_HALT && !t->halted) {
        t->halted = true;
        machine_kick(m);
    }
    return false;
}

static void complete(struct machine *m)
{
    struct thread *t = &m->thread[THREAD_HOST];
    const struct cmd *c = &m->prog->cmds[THREAD_HOST][t->pc];
    switch (c->op) {
    case OP_POST: token_post(m, c->token, c->count); break;
    case OP_JOB:
        job_commit(&m->host->jobs);
        m->host->job_token = c->token;
        start_job(m);
        break;
    case OP_UDMA_RX: case OP_UDMA_TX:
        udma_enqueue(m, c, aff_eval(&c->addr, t->idx, t->depth) + l2_part(m, t, c),
                     aff_eval(&c->ext, t->idx, t->depth));
        break;
    default: break;
    }
    t->pc++;
}

/* True when the next command is over already. */
static bool begin(struct machine *m)
{
    struct host *h = m->host;
    struct thread *t = &m->thread[THREAD_HOST];
    if (h->busy || t->halted)
        return false;
    while (control(m, t))
        ;
    if (t->halted)
        return false;
    const struct cmd *c = &m->prog->cmds[THREAD_HOST][t->pc];
    if (!ready(m, c)) {
        h->waited = true;
        return false;
    }
    uint64_t cycles = host_cmd_cycles(m, c);
    if (c->op == OP_JOB && job_acquire(&h->jobs, 0) < 0) {
        h->waited = true; /* sleeps until a job is done */
        return false;
    }
    if (c->op == OP_WAIT) {
        m->token[c->token] -= c->count;
        const struct host_cfg *cfg = m->host_cfg;
        cycles += h->waited ? cfg->irq_path_cycles + cfg->irq_entry_cycles + cfg->isr_cycles : 0;
    }
    host_count(m, c, cycles, c->op == OP_WAIT && h->waited);
    h->waited = false;
    acct_sync(m);
    if (!cycles) {
        complete(m);
        return true;
    }
    h->busy = true;
    machine_post(m, &h->done, soc_edge(m, m->now) + cycles * m->soc_ticks, PHASE_DELIVER);
    return false;
}

bool host_try(struct machine *m)
{
    bool moved = false;
    while (begin(m))
        moved = true;
    return moved;
}

static void done(void *self, uint64_t now)
{
    struct machine *m = self;
    m->now = now;
    acct_sync(m);
    m->host->busy = false;
    complete(m);
    machine_kick(m);
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    m->host = calloc(1, sizeof *m->host);
    if (!m->host)
        abort();
    machine_event(m, &m->host->done, done);
    machine_event(m, &m->host->restart, restart);
    job_queue_init(&m->host->jobs, (unsigned)m->regfile_cfg->contexts);
    m->cb.host = counter_add(m, "host", "active", "cycle");
    counter_add(m, "host", "interrupt", "interrupt");
    counter_add(m, "host", "apb", "access");
    counter_add(m, "host", "job", "job");
    return true;
}

static void finish(struct machine *m)
{
    free(m->host);
}

static void state(struct machine *m, struct state_io *io)
{
    struct thread *t = &m->thread[THREAD_HOST];
    struct host *h = m->host;
    struct job_queue *q = &h->jobs;
    /* Where that is goes by the thread's loops. Asleep it does not matter: it is seen whether it wakes. */
    bool asleep = !h->busy && h->waited && m->prog->cmds[THREAD_HOST][t->pc].op == OP_WAIT;
    state_u32(io, io->load || asleep ? UINT32_MAX : fold_at(m, THREAD_HOST));
    uint8_t v = state_u8(io, t->halted | (unsigned)h->busy << 1 | (unsigned)h->waited << 2 |
                                 (unsigned)q->programming << 3 | (unsigned)q->running << 4);
    t->halted = v & 1;
    h->busy = v >> 1 & 1;
    h->waited = v >> 2 & 1;
    q->programming = v >> 3 & 1;
    q->running = v >> 4 & 1;
    q->used = state_u8(io, q->used);
    q->waiting = state_u8(io, q->waiting);
    h->job_token = state_u16(io, h->job_token);
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const uint64_t *n = &m->counter[m->cb.host];
    struct cost_item *it = cost_add(sink, "host", "core", 1);
    uint64_t active = n[C_ACTIVE] < sink->total_cycles ? n[C_ACTIVE] : sink->total_cycles;
    it->path = "stage";
    cost_param(it, "kge", (double)m->host_cfg->kge);
    cost_count(it, "active_cycle", active);
    cost_count(it, "sleep_cycle", sink->total_cycles - active);
}

const struct arch_class host_class = {.name = "host", .section = &section, .init = init, .finish = finish,
                                      .state = state, .cost = cost};
