/* What an engine between streams is made of besides its array: registers that
 * hold a row on its way, the output FIFO, and behind the requantisers an
 * activation stage and the softmax of its rows. They stream: their time is in
 * engine.latency_cycles. */
#include "arch/result.h"
#include "arch/streams.h"

static void add_regs(struct cost_sink *sink, const char *path, uint64_t words, uint64_t bits, uint64_t writes)
{
    struct cost_item *it = cost_add(sink, "streams", "regs", words);
    cost_param(it, "bits", (double)bits);
    cost_count(it, "write", writes);
    it->path = path;
}

static void add_fifo(const struct machine *m, struct cost_sink *sink, uint64_t values)
{
    const struct engine_cfg *e = m->engine;
    struct cost_item *it = cost_add(sink, "streams", "fifo", 1);
    uint64_t depth = e->output_credits == FIELD_AUTO ? e->latency_cycles + 1 : e->output_credits;
    cost_param(it, "depth", (double)depth);
    cost_param(it, "width_bits", (double)(8 * m->geom.n_tile));
    cost_count(it, "push", values / m->geom.n_tile);
    it->path = "output";
}

static void add_post(const struct machine *m, struct cost_sink *sink)
{
    const struct streams_cfg *c = m->streams_cfg;
    struct cost_item *it;
    if (c->activation) {
        it = cost_add(sink, "post", "requant", m->geom.n_tile);
        cost_param(it, "acc_bits", (double)m->engine->acc_bits);
        cost_param(it, "mul_bits", (double)m->engine->requant_bits);
        it->path = "requantiser";
        it = cost_add(sink, "post", "vector_lane", m->geom.n_tile);
        cost_param(it, "bits", 8);
        it->path = "activation";
    }
    if (c->softmax_dividers) {
        it = cost_add(sink, "post", "div", c->softmax_dividers);
        cost_param(it, "bits", 16);
        it->path = "division";
        /* Maximum and sum of a tile's rows. */
        it = cost_add(sink, "post", "regfile", 1);
        cost_param(it, "depth", (double)m->geom.k_tile);
        cost_param(it, "width_bits", 27);
        cost_param(it, "read_ports", 1);
        it->path = "row sums";
    }
}

void streams_cost(const struct machine *m, struct cost_sink *sink, uint64_t rows, uint64_t values)
{
    uint64_t n = m->geom.n_tile;
    struct cost_item *it;
    add_regs(sink, "operand", 1, 8 * (uint64_t)m->geom.k_tile, rows);
    add_regs(sink, "accumulator", n, m->engine->acc_bits, rows * n);
    add_regs(sink, "bias", n, m->streams_cfg->bias_bits, values);
    add_regs(sink, "result", n, 8, values);
    add_fifo(m, sink, values);
    add_post(m, sink);
    it = cost_add(sink, "sequencer", "sequencer", 1);
    cost_param(it, "program_bytes", 0);
    cost_param(it, "contexts", 0); /* regfile has them */
    it->path = "dispatch";
    it->clocked_cycles = it->total_cycles; /* its own clock is never gated */
}
