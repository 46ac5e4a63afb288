/* The retention unit: decay, rank-1 update and read-out of one head's state,
 * token by token (the recurrent form). Lanes work on
 * state elements; a token takes dk x dv / lanes cycles when update and
 * read-out are fused, twice that when they are not. A state buffer with one
 * port takes two cycles for each read-modify-write. With `state: engine` the
 * state sits in the array's accumulators: a systolic array updates rows x cols
 * elements a cycle, a dot-product array `units` (the accumulator port). */
#include "arch/result.h"

#include "base/num.h"

static const char *const state_names[] = {"buffer", "engine", "l2", NULL};
static const char *const update_names[] = {"token", "chunk", NULL};
static const char *const decay_names[] = {"shift", "multiply", "per_token", NULL};
static const char *const rounding_names[] = {"half_up", "truncate", "stochastic", "half_even", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct retention_cfg, m), .def = d
static const struct field fields[] = {
    {F("state", FIELD_ENUM, state, "buffer"), .names = state_names,
     .doc = "where the state works: its own buffer, the engine's accumulators, "
            "or L2 (loaded and saved each time)"},
    {F("state_bits", FIELD_U64, state_bits, "16"), .min = 8, .max = 32, .unit = "bits",
     .doc = "width of a state element: 16 or 32"},
    {F("lanes", FIELD_U64, lanes, "16"), .no_program = true,
     .min = 1, .max = 1024, .doc = "state elements updated a cycle"},
    {F("update", FIELD_ENUM, update, "chunk"), .names = update_names,
     .doc = "granularity of the state update in the chunkwise form"},
    {F("decay", FIELD_ENUM, decay, "shift"), .no_program = true, .names = decay_names,
     .doc = "shift: S - (S >> (5+h)); multiply: a U0.16 multiplier a lane; per_token: factor is an input"},
    {F("rounding", FIELD_ENUM, rounding, "half_up"), .no_program = true,
     .names = rounding_names, .doc = "of decayed states"},
    {F("read_bits", FIELD_U64, read_bits, "16"), .min = 8, .max = 16, .unit = "bits",
     .doc = "width of the state as read out"},
    {F("fused_readout", FIELD_BOOL, fused_readout, "true"), .no_program = true,
     .doc = "read out in the pass that updates; false: a second pass"},
    {F("latency_cycles", FIELD_U64, latency_cycles, "6"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "last state element read to result row complete", .prov = PROV_ASSUMPTION,
     .source = "read 1, decay 1, multiply-add 2, reduction 1, write 1"},
    {F("pipeline", FIELD_U64, pipeline, "1"), .no_program = true, .min = 1, .max = 16, .unit = "ranks",
     .doc = "ranks a lane's logic is divided into; each beyond the first adds registers and a cycle to "
            "latency_cycles"},
    {F("decay_block", FIELD_U64, decay_block, "64"), .no_program = true,
     .min = 16, .max = 256, .unit = "tokens",
     .doc = "distances covered by one decay table"},
    {0},
};
#undef F
static const struct section section = {"retention", "retention unit", sizeof(struct retention_cfg), fields,
                                       NULL};

bool retention_reads(const struct cmd *c)
{
    return c->dst.ring != RING_NONE;
}

uint64_t retention_cycles(const struct machine *m, const struct cmd *c, uint32_t rows)
{
    const struct retention_cfg *r = m->retention;
    uint64_t elements = (uint64_t)c->k * c->cols, per_token;
    if (r->state == STATE_ENGINE && m->engine->style == ENGINE_SYSTOLIC) {
        per_token = div_up(c->k, m->engine->rows) * div_up(c->cols, m->engine->cols);
    } else if (r->state == STATE_ENGINE) {
        bool dual = m->buffers->accumulator.ports == PORTS_1R1W || m->buffers->accumulator.banks >= 2;
        per_token = div_up(elements, m->engine->units) * (dual ? 1 : 2);
    } else {
        const struct buffer_cfg *b = &m->buffers->state;
        uint64_t beats = div_up(r->lanes * r->state_bits, b->width_bits);
        bool dual = b->ports == PORTS_1R1W || b->banks >= 2;
        per_token = div_up(elements, r->lanes) * beats * (dual ? 1 : 2);
    }
    if (c->op == OP_RET_DECAY)
        return per_token;
    return (uint64_t)rows * per_token * (r->fused_readout || !retention_reads(c) ? 1 : 2);
}

enum { C_UPDATE, C_READOUT, C_BUSY, C_TOKENS, C_MACS };

void retention_count(struct machine *m, const struct issued *is, uint64_t cycles)
{
    const struct cmd *c = is->c;
    uint64_t *n = &m->counter[m->cb.retention];
    uint64_t elements = (uint64_t)c->k * c->cols;
    n[C_BUSY] += cycles;
    if (c->op == OP_RET_DECAY) {
        n[C_UPDATE] += elements;
        return;
    }
    n[C_UPDATE] += is->rows * elements;
    n[C_READOUT] += retention_reads(c) ? is->rows * elements : 0;
    n[C_TOKENS] += is->rows;
    n[C_MACS] += is->rows * elements * (retention_reads(c) ? 2 : 1);
}

uint64_t retention_own_macs(const struct machine *m)
{
    return m->retention->state == STATE_ENGINE ? 0 : m->counter[m->cb.retention + C_MACS];
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    m->cb.retention = counter_add(m, "retention", "update", "element");
    counter_add(m, "retention", "readout", "element");
    counter_add(m, "retention", "busy", "cycle");
    counter_add(m, "retention", "tokens", "token");
    counter_add(m, "retention", "mac", "mac");
    return true;
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct retention_cfg *r = ARCH_CFG(a, retention);
    if (r->state_bits != 16 && r->state_bits != 32)
        return err_add(err, ERR_CONFIG, yaml_place(node, "state_bits"),
                       "arch.retention.state_bits is %llu; legal: 16, 32",
                       (unsigned long long)r->state_bits);
    if (r->read_bits != 8 && r->read_bits != 16)
        return err_add(err, ERR_CONFIG, yaml_place(node, "read_bits"),
                       "arch.retention.read_bits is %llu; legal: 8, 16",
                       (unsigned long long)r->read_bits);
    return true;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct retention_cfg *r = m->retention;
    const uint64_t *n = &m->counter[m->cb.retention];
    struct cost_item *it = cost_add(sink, "retention", "retention_lane", r->lanes);
    cost_param(it, "state_bits", (double)r->state_bits);
    cost_param(it, "k_bits", 8);
    cost_param(it, "decay_mul", r->decay != 0);
    cost_count(it, "update", n[C_UPDATE]);
    cost_count(it, "readout", n[C_READOUT]);
    it->path = "state update";
    cost_activity(m, it, ACTIVITY_RETENTION);
    it->pipeline = (unsigned)r->pipeline;
    cost_idle(m, it, n[C_BUSY], n[C_UPDATE] + (r->fused_readout ? 0 : n[C_READOUT]));
}

const struct arch_class retention_class = {.name = "retention", .section = &section, .check = check,
                                           .init = init, .cost = cost};
