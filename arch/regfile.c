/* HWPE register file and job queue (hwpe-ctrl v1.7.3, facts/pulpissimo.md 3.1):
 * `contexts` jobs may be committed ahead; an ACQUIRE beyond that returns -1. */
#include "arch/result.h"

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct regfile_cfg, m), .def = d
static const struct field fields[] = {
    {F("contexts", FIELD_U64, contexts, "2"), .min = 1, .max = 8, .unit = "jobs",
     .doc = "jobs that may be queued, the running one included", .prov = PROV_RTL,
     .source = "hwpe_ctrl_package.sv REGFILE_N_CONTEXT"},
    {F("job_registers", FIELD_U64, job_registers, "16"), .min = 1, .max = 48, .unit = "registers",
     .doc = "registers written for a job", .prov = PROV_RTL, .source = "mac-engine: 16 I/O registers"},
    {F("trigger_to_start_cycles", FIELD_U64, trigger_to_start_cycles, "3"), .max = 64, .unit = "cycles",
     .doc = "trigger write to the start of the sequencer", .prov = PROV_MEASURED,
     .source = "ITA wrapper: trigger to engine start 3 (facts/ita.md section 3)"},
    {F("restart_cycles", FIELD_U64, restart_cycles, "3"), .max = 64, .unit = "cycles",
     .doc = "done to start of a queued job", .prov = PROV_RTL,
     .source = "hwpe-ctrl FSM: done, IDLE, STARTING (facts/pulpissimo.md 3.1; by reading)"},
    {0},
};
#undef F
static const struct section section = {"regfile", "register file and job queue", sizeof(struct regfile_cfg),
                                       fields, NULL};

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct regfile_cfg *c = m->regfile_cfg;
    struct cost_item *it = cost_add(sink, "regfile", "regs", c->contexts * c->job_registers);
    cost_param(it, "bits", 32);
    cost_count(it, "write", m->counter[m->cb.host + 3] * c->job_registers);
    it->path = "register";
    cost_idle(m, it, 0, m->counter[m->cb.host + 3] * c->job_registers);
}

const struct arch_class regfile_class = {.name = "regfile", .section = &section, .cost = cost};
