/* HWPE register file and job queue (hwpe-ctrl v1.7.3):
 * `contexts` jobs may be committed ahead; an ACQUIRE beyond that returns -1. */
#include "arch/regfile.h"

#include "arch/result.h"

#include <assert.h>

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct regfile_cfg, m), .def = d
static const struct field fields[] = {
    {F("contexts", FIELD_U64, contexts, "2"), .min = 1, .max = 8, .unit = "jobs",
     .doc = "jobs that may be queued, the running one included", .prov = PROV_RTL,
     .source = "hwpe_ctrl_package.sv REGFILE_N_CONTEXT"},
    {F("job_registers", FIELD_U64, job_registers, "16"), .min = 1, .max = 48, .unit = "registers",
     .doc = "registers written for a job", .prov = PROV_RTL, .source = "mac-engine: 16 I/O registers"},
    {F("trigger_to_start_cycles", FIELD_U64, trigger_to_start_cycles, "2"), .no_program = true,
     .max = 64, .unit = "cycles",
     .doc = "end of the trigger's store to the start of the job", .prov = PROV_MEASURED,
     .source = "RTL of hwpe-mac-engine cd48c57, simulated: trigger store to first request 9 = store 5 + 2 "
               "+ stream start 2"},
    {F("restart_cycles", FIELD_U64, restart_cycles, "3"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "done to start of a queued job", .prov = PROV_RTL,
     .source = "hwpe-ctrl v1.7.3 by reading: done, IDLE, STARTING"},
    {0},
};
#undef F
static const struct section section = {"regfile", "register file and job queue", sizeof(struct regfile_cfg),
                                       fields, NULL};

void job_queue_init(struct job_queue *q, unsigned contexts)
{
    *q = (struct job_queue){.contexts = (uint8_t)contexts};
}

int job_acquire(struct job_queue *q, unsigned core)
{
    if (q->programming)
        return JOB_OTHER_CORE;
    if (q->used == q->contexts)
        return JOB_NO_CONTEXT;
    q->programming = true;
    q->core = (uint8_t)core;
    q->used++;
    return q->next_id++;
}

void job_commit(struct job_queue *q)
{
    assert(q->programming);
    q->programming = false;
    q->waiting++;
}

bool job_start(struct job_queue *q)
{
    if (q->running || !q->waiting)
        return false;
    q->waiting--;
    q->running = true;
    return true;
}

void job_done(struct job_queue *q)
{
    assert(q->running && q->used);
    q->running = false;
    q->used--;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct regfile_cfg *c = m->regfile_cfg;
    struct cost_item *it = cost_add(sink, "regfile", "regs", c->contexts * c->job_registers);
    cost_param(it, "bits", 32);
    cost_count(it, "write", m->counter[m->cb.host + 3] * c->job_registers);
    it->path = "register";
    cost_idle(m, it, 0, m->counter[m->cb.host + 3] * c->job_registers);
}

const struct arch_class regfile_class = {.name = "regfile", .section = &section, .cost = cost,
                                         .streamed = true};
