/* The engine: a dot-product array (units x length, stationary weights in
 * double-buffered sets) or a systolic array. Timing of one mm
 * command; operands are resident when it starts, so nothing can stall it.
 *
 * dot_product: one row a cycle and pass; a set holds units x length weights.
 * systolic ws: the same with cols outputs and rows of contraction.
 * systolic is: roles swapped, the activation is stationary and weights move.
 * systolic os: rows x cols outputs stay, the contraction streams: a set holds
 * cols x os_depth weights and serves ceil(moving rows / rows) tiles.
 * fill_drain serial: each command pays its fill and drain and absent rows cost
 * as present ones (SCALE-Sim's rule); overlapped:
 * consecutive tiles hide them, the pipeline latency remains. */
#include "arch/result.h"
#include "arch/row_pipe.h"

#include "base/num.h"
#include <stdlib.h>

static const char *const style_names[] = {"dot_product", "systolic", NULL};
static const char *const flow_names[] = {"os", "ws", "is", NULL};
static const char *const fill_names[] = {"overlapped", "serial", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct mode_cfg, m), .def = d
static const struct field mode_fields[] = {
    {F("w", FIELD_U64, w, NULL), .min = 2, .max = 16, .unit = "bits",
     .doc = "width of the stationary operand"},
    {F("a", FIELD_U64, a, NULL), .min = 2, .max = 16, .unit = "bits",
     .doc = "width of the moving operand"},
    {F("macs_per_cycle", FIELD_U64, macs_per_cycle, "auto"), .min = 1, .max = 1 << 20, .allow_auto = true,
     .doc = "in one pass; auto: the array's size. More: narrow operands share the lanes; "
            "a part of it: several passes"},
    {F("passes", FIELD_U64, passes, "1"), .min = 1, .max = 8, .doc = "passes a row takes in this mode"},
    {0},
};
#undef F
static const struct section mode_section = {"mode", "one operand width that the array does",
                                            sizeof(struct mode_cfg), mode_fields, NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct engine_cfg, m), .def = d
static const struct field fields[] = {
    {F("style", FIELD_ENUM, style, "dot_product"), .names = style_names, .doc = "array organisation"},
    {F("dataflow", FIELD_ENUM, dataflow, "ws"), .names = flow_names,
     .doc = "what stays in a systolic array: outputs, weights or inputs"},
    {F("units", FIELD_U64, units, "8"), .min = 1, .max = 1024, .doc = "dot-product units"},
    {F("length", FIELD_U64, length, "32"), .min = 1, .max = 1024, .unit = "elements",
     .doc = "length of a dot-product unit"},
    {F("rows", FIELD_U64, rows, "16"), .min = 1, .max = 1024, .doc = "rows of a systolic array"},
    {F("cols", FIELD_U64, cols, "16"), .min = 1, .max = 1024, .doc = "columns of a systolic array"},
    {F("weight_sets", FIELD_U64, weight_sets, "2"), .no_program = true, .min = 1, .max = SLOTS_MAX,
     .doc = "stationary sets; 2 = double buffered", .prov = PROV_RTL, .source = "ita_package.sv: 2 sets"},
    {F("os_depth", FIELD_U64, os_depth, "64"), .min = 1, .max = 1 << 20, .unit = "elements",
     .doc = "contraction that one weight set of an os array holds"},
    {F("acc_bits", FIELD_U64, acc_bits, "32"), .min = 16, .max = 64, .unit = "bits",
     .doc = "accumulator width"},
    {F("latency_cycles", FIELD_U64, latency_cycles, "11"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "row accepted to requantised output", .prov = PROV_MEASURED,
     .source = "RTL of configs/arch/ita_core.yaml, simulated: accept to output handshake 11 cycles"},
    {F("output_credits", FIELD_U64, output_credits, "auto"), .no_program = true,
     .min = 1, .max = ROW_PIPE_MAX,
     .allow_auto = true, .unit = "rows",
     .doc = "finished rows under way (depth of the output FIFO), for an engine fed by streams; "
            "auto: latency_cycles + 1, the fewest that never wait", .prov = PROV_MEASURED,
     .source = "RTL of configs/arch/ita_core.yaml: 12 for a latency of 11"},
    {F("weights_preloaded", FIELD_BOOL, weights_preloaded, "false"), .no_program = true,
     .doc = "the sets are full when a run begins, for an engine fed by streams"},
    {F("pipeline", FIELD_U64, pipeline, "1"), .no_program = true, .min = 1, .max = 16, .unit = "ranks",
     .doc = "ranks the array's and the requantiser's logic is divided into; each beyond the first adds "
            "registers and a cycle to latency_cycles"},
    {F("requant_bits", FIELD_U64, requant_bits, "15"), .no_program = true,
     .min = 2, .max = 32, .unit = "bits",
     .doc = "multiplier of a requantiser; changes area and energy only"},
    {F("requant_lanes", FIELD_U64, requant_lanes, "auto"), .no_program = true,
     .min = 1, .max = 1024, .allow_auto = true,
     .doc = "requantisers at the output; auto: one an output"},
    {F("fill_drain", FIELD_ENUM, fill_drain, "overlapped"), .no_program = true, .names = fill_names,
     .doc = "serial: every tile pays fill and drain and absent rows (SCALE-Sim); "
            "overlapped: as real arrays do"},
    {F("modes", FIELD_LIST, modes, "[{w: 8, a: 8}, {w: 16, a: 8, passes: 2}]"), .sub = &mode_section,
     .doc = "operand widths the hardware does; any other is an error"},
    {0},
};
#undef F
static const struct section section = {"engine", "PE array", sizeof(struct engine_cfg), fields, NULL};

struct engine_geom engine_geometry(const struct engine_cfg *e)
{
    struct engine_geom g = {0};
    if (e->style == ENGINE_DOT_PRODUCT) {
        g.n_tile = (uint32_t)e->units;
        g.k_tile = (uint32_t)e->length;
        g.macs_per_cycle = e->units * e->length;
        return g;
    }
    g.macs_per_cycle = e->rows * e->cols;
    g.n_tile = (uint32_t)e->cols;
    g.k_tile = (uint32_t)(e->dataflow == FLOW_OS ? e->os_depth : e->rows);
    g.swapped = e->dataflow == FLOW_IS;
    return g;
}

const struct mode_cfg *engine_mode(const struct engine_cfg *e, uint64_t w_bits, uint64_t a_bits)
{
    const struct mode_cfg *best = NULL, *modes = e->modes.items;
    for (size_t i = 0; i < e->modes.n; i++) {
        if (modes[i].w < w_bits || modes[i].a < a_bits)
            continue;
        if (!best || modes[i].w * modes[i].a * modes[i].passes < best->w * best->a * best->passes)
            best = &modes[i];
    }
    return best;
}

static uint64_t array_macs(const struct engine_cfg *e)
{
    return engine_geometry(e).macs_per_cycle;
}

uint64_t mode_scale(const struct engine_cfg *e, const struct mode_cfg *m)
{
    return m->macs_per_cycle == FIELD_AUTO ? 1 : max64(m->macs_per_cycle / array_macs(e), 1);
}

uint64_t mode_passes(const struct engine_cfg *e, const struct mode_cfg *m)
{
    return m->passes * (m->macs_per_cycle == FIELD_AUTO ? 1 : div_up(array_macs(e), m->macs_per_cycle));
}

uint64_t engine_set_bytes(const struct engine_cfg *e)
{
    struct engine_geom g = engine_geometry(e);
    const struct mode_cfg *m = e->modes.items;
    uint64_t bytes = 1; /* of a lane */
    for (size_t i = 0; i < e->modes.n; i++)
        bytes = max64(bytes, div_up(m[i].w * mode_scale(e, &m[i]), 8 * m[i].passes));
    return (uint64_t)g.n_tile * g.k_tile * bytes;
}

/* Accumulators in a single-port memory: a read and a write for each row. */
static uint64_t accumulate_factor(const struct machine *m, const struct cmd *c)
{
    bool rmw = !c->first || c->mm_dst == MM_STATE;
    const struct buffer_cfg *b = c->mm_dst == MM_STATE ? &m->buffers->state : &m->buffers->accumulator;
    uint64_t beats = 1;
    uint64_t bits = c->mm_dst == MM_STATE ? m->retention->state_bits : m->engine->acc_bits;
    if (!c->first || !c->last || c->mm_dst == MM_ACC || c->mm_dst == MM_STATE)
        beats = div_up(c->cols * bits, b->width_bits);
    bool dual = b->ports == PORTS_1R1W || b->banks >= 2;
    return beats * (rmw && !dual ? 2 : 1);
}

/* Rows of the moving operand come over the source buffer's port. */
static uint64_t operand_factor(const struct machine *m, const struct cmd *c)
{
    const struct buffer_cfg *b = c->src.ring == RING_SCORE ? &m->buffers->score : &m->buffers->activation;
    uint64_t beats = div_up((uint64_t)c->k * c->a_bits, b->width_bits);
    /* One port for filling and reading: they alternate. */
    bool shared = b->ports == PORTS_1RW && b->banks < b->slots;
    return beats * (shared ? 2 : 1);
}

uint64_t row_words_used(const struct cmd *c)
{
    if (c->mm_dst == MM_MAX || c->mm_dst == MM_SCORE)
        return c->row_words != 0;
    /* Products of scores are brought to the smallest shift of the row's blocks. */
    return c->last || (c->src.ring == RING_SCORE && c->row_words > 1) ? c->row_words : 0;
}

/* Cycles of the accumulators' port for rows that read, or keep, words of their own; consecutive rows' lie
 * side by side, and partial sums take their turns as before. */
static uint64_t row_word_cycles(const struct machine *m, const struct cmd *c, uint32_t rows, uint64_t acc)
{
    const struct buffer_cfg *b = &m->buffers->accumulator;
    uint64_t beats = div_up(rows * row_words_used(c) * m->engine->acc_bits, b->width_bits);
    bool dual = b->ports == PORTS_1R1W || b->banks >= 2, sums = !c->first || c->mm_dst == MM_ACC;
    return beats ? beats * (c->mm_dst == MM_MAX && !dual ? 2 : 1) + (sums ? rows * acc : 0) : 0;
}

static uint64_t array_cycles(const struct machine *m, const struct cmd *c, uint32_t rows, uint64_t acc)
{
    const struct engine_cfg *e = m->engine;
    uint64_t per_row = c->passes, lanes = e->requant_lanes == FIELD_AUTO ? m->geom.n_tile : e->requant_lanes;
    uint64_t operand = operand_factor(m, c);
    per_row = per_row > acc ? per_row : acc;
    if (c->last && div_up(c->cols, lanes) > per_row)
        per_row = div_up(c->cols, lanes);
    if (e->style == ENGINE_SYSTOLIC && e->dataflow == FLOW_OS) {
        uint64_t tiles = div_up(rows, e->rows), k = div_up(c->k, c->k_scale) * c->passes;
        if (e->fill_drain == FILL_SERIAL)
            return tiles * (k + e->rows + e->cols - 2);
        /* Outputs leave row by row while the next tile fills. */
        uint64_t lines = min64(rows, e->rows);
        return tiles * max64(k, lines * max64(operand, acc));
    }
    per_row = per_row > operand ? per_row : operand;
    uint64_t cycles = row_pipe_unstalled(rows, per_row);
    if (e->style == ENGINE_SYSTOLIC && e->fill_drain == FILL_SERIAL)
        cycles += 2 * e->rows + e->cols - 2;
    return cycles;
}

uint64_t engine_cycles(const struct machine *m, const struct cmd *c, uint32_t rows)
{
    if (m->streams_cfg->feed != FEED_BUFFERS)
        return row_pipe_unstalled(rows, 1);
    uint64_t acc = accumulate_factor(m, c);
    return max64(array_cycles(m, c, rows, acc), row_word_cycles(m, c, rows, acc));
}

enum { C_MAC, C_MAC_WIDE, C_BUSY, C_REQUANT, C_ACC_READ, C_ACC_WRITE, C_ROWS, C_ROW_MAX, N_C };

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    m->cb.engine = counter_add(m, "engine", "mac", "mac");
    counter_add(m, "engine", "mac_wide", "mac");
    counter_add(m, "engine", "busy", "cycle");
    counter_add(m, "engine", "requant", "value");
    counter_add(m, "engine", "acc_read", "value");
    counter_add(m, "engine", "acc_write", "value");
    counter_add(m, "engine", "rows", "row");
    counter_add(m, "engine", "row_max", "value");
    return true;
}

void engine_count(struct machine *m, const struct issued *is, uint64_t cycles)
{
    const struct cmd *c = is->c;
    uint64_t *n = &m->counter[m->cb.engine];
    /* The array spends a full set's MACs on each row and pass. */
    uint64_t macs = (uint64_t)is->rows * m->geom.n_tile * m->geom.k_tile;
    if (m->engine->style == ENGINE_SYSTOLIC && m->engine->dataflow == FLOW_OS)
        macs = div_up(is->rows, m->engine->rows) * m->engine->rows * m->geom.n_tile *
               div_up(c->k, c->k_scale);
    n[C_MAC] += macs * c->passes;
    n[C_MAC_WIDE] += c->passes > 1 ? macs : 0;
    n[C_BUSY] += cycles;
    n[C_ROWS] += is->rows;
    uint64_t values = (uint64_t)is->rows * c->cols;
    n[C_ACC_READ] += c->first ? 0 : values;
    uint64_t finished = (uint64_t)finished_rows(c, is->rows) * c->cols;
    n[C_ACC_WRITE] += c->mm_dst == MM_ACC ? values : values - finished;
    n[C_REQUANT] += finished;
    n[C_ROW_MAX] += c->mm_dst == MM_MAX ? finished : 0;
    if (m->streams) /* else the streamer counts the words of the sets it fills */
        m->counter[m->cb.streamer + 1] +=
            div_up(is->rows, m->geom.k_tile) * m->geom.n_tile * m->geom.k_tile / 4;
    m->macs_issued += macs * c->k_scale;
}

/* Lanes are 8 x 8 bits: narrower operands may share one, in whole numbers. */
static bool check_modes(const struct engine_cfg *e, const struct ynode *node, struct err *err)
{
    const struct mode_cfg *m = e->modes.items;
    uint64_t macs = array_macs(e);
    for (size_t i = 0; i < e->modes.n; i++) {
        uint64_t n = m[i].macs_per_cycle == FIELD_AUTO ? macs : m[i].macs_per_cycle;
        uint64_t scale = mode_scale(e, &m[i]);
        if (n % macs && macs % n)
            return err_add(err, ERR_CONFIG, yaml_place(node, "modes"),
                           "arch.engine.modes[%zu].macs_per_cycle is %llu; "
                           "legal: multiples and whole parts of the array's %llu", i, (unsigned long long)n,
                           (unsigned long long)macs);
        if (scale > 1 && (m[i].w * m[i].a * scale > 64 || scale > 16))
            return err_add(err, ERR_CONFIG, yaml_place(node, "modes"),
                           "arch.engine.modes[%zu]: %llu x %llu bits at %llu "
                           "MAC/cycle is more than lanes of 8 x 8 bits hold; legal: up to %llu", i,
                           (unsigned long long)m[i].w, (unsigned long long)m[i].a, (unsigned long long)n,
                           (unsigned long long)(macs * max64(64 / (m[i].w * m[i].a), 1)));
    }
    return true;
}

static void note_idle(struct arch *a, const char *key, uint64_t value)
{
    const struct field *f = fields;
    while (strcmp(f->key, key))
        f++;
    if (value != strtoull(f->def, NULL, 10) && a->n_warnings < ARCH_MAX_NOTES)
        a->warnings[a->n_warnings++] = arena_printf(a->arena, "arch.engine.%s has no effect: arch.engine."
                                                    "style is %s", key,
                                                    style_names[ARCH_CFG(a, engine)->style]);
}

/* Sizes of the other style with values that somebody chose, and expects something of. It is the values that
 * say so, not who wrote them: the same design has the same notes. */
static void note_idle_keys(struct arch *a)
{
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    bool systolic = e->style == ENGINE_SYSTOLIC;
    note_idle(a, systolic ? "units" : "rows", systolic ? e->units : e->rows);
    note_idle(a, systolic ? "length" : "cols", systolic ? e->length : e->cols);
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    note_idle_keys(a);
    struct engine_geom g = engine_geometry(e);
    if (!engine_mode(e, 8, 8))
        return err_add(err, ERR_CONFIG, yaml_place(node, "modes"), "arch.engine.modes lacks {w: 8, a: 8}; "
                       "every network needs it");
    if (!check_modes(e, node, err))
        return false;
    uint64_t credits = e->output_credits == FIELD_AUTO ? e->latency_cycles + 1 : e->output_credits;
    if (ARCH_CFG(a, streams)->feed == FEED_BUFFERS && (credits <= e->latency_cycles || e->weights_preloaded))
        return err_add(err, ERR_CONFIG, &node->at, "arch.engine.output_credits and weights_preloaded are "
                       "for an engine fed by streams; legal: auto and false, or arch.streams.feed driver "
                       "or port");
    if (g.n_tile * (uint64_t)g.k_tile > 1 << 20 && !ARCH_CFG(a, buffers)->ideal)
        return err_add(err, ERR_CONFIG, &node->at, "arch.engine: a weight set of %u x %u is too large; "
                       "legal: up to 1048576 weights", g.n_tile, g.k_tile);
    return true;
}

uint64_t engine_rows(const struct machine *m)
{
    return m->counter[m->cb.engine + C_ROWS];
}

uint64_t engine_values(const struct machine *m)
{
    return m->counter[m->cb.engine + C_REQUANT];
}

/* Partial sums that come back from the accumulators are added at the array's
 * edge; a dot-product unit has its own row for them. */
static void cost_edge(const struct machine *m, struct cost_sink *sink)
{
    struct cost_item *it = cost_add(sink, "engine", "add", m->geom.n_tile);
    uint64_t adds = m->counter[m->cb.engine + C_ACC_READ];
    cost_param(it, "bits", (double)m->engine->acc_bits);
    cost_count(it, "add", adds);
    it->path = "accumulation";
    cost_idle(m, it, m->counter[m->cb.engine + C_BUSY], adds);
}

/* A row's largest score, behind the requantisers, which decay the scores. */
static void cost_row_max(const struct machine *m, struct cost_sink *sink, uint64_t lanes)
{
    struct cost_item *it = cost_add(sink, "engine", "row_max", 1);
    const uint64_t *n = &m->counter[m->cb.engine];
    cost_param(it, "bits", (double)m->engine->acc_bits);
    cost_param(it, "lanes", (double)lanes);
    cost_count(it, "row_max", n[C_ROW_MAX]);
    it->path = "row maximum";
    it->pipeline = (unsigned)m->engine->pipeline;
    cost_idle(m, it, n[C_BUSY], div_up(n[C_ROW_MAX], lanes));
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct engine_cfg *e = m->engine;
    const uint64_t *n = &m->counter[m->cb.engine];
    bool dot = e->style == ENGINE_DOT_PRODUCT;
    uint64_t pes = dot ? e->units : e->rows * e->cols;
    uint64_t sets = e->weight_sets * engine_set_bytes(e);
    struct cost_item *it = cost_add(sink, "engine", dot ? "dot_product" : "systolic_pe", pes);
    cost_param(it, "w_bits", 8);
    cost_param(it, "a_bits", 8);
    if (dot)
        cost_param(it, "length", (double)e->length);
    cost_param(it, "acc_bits", (double)e->acc_bits);
    cost_count(it, "mac", n[C_MAC]);
    cost_count(it, dot ? "acc_write" : "shift", dot ? n[C_ACC_WRITE] + n[C_REQUANT] : n[C_MAC]);
    it->path = "array";
    cost_activity(m, it, ACTIVITY_ENGINE);
    it->pipeline = (unsigned)e->pipeline;
    cost_idle(m, it, n[C_BUSY], dot ? n[C_MAC] / e->length : n[C_MAC]);
    if (!dot)
        cost_edge(m, sink);
    uint64_t lanes = e->requant_lanes == FIELD_AUTO ? m->geom.n_tile : e->requant_lanes;
    it = cost_add(sink, "engine", "requant", lanes);
    cost_param(it, "acc_bits", (double)e->acc_bits);
    cost_param(it, "mul_bits", (double)e->requant_bits);
    cost_count(it, "requant", n[C_REQUANT]);
    it->path = "requantiser";
    it->pipeline = (unsigned)e->pipeline;
    cost_idle(m, it, n[C_BUSY], n[C_REQUANT]);
    if (m->buffers->ideal)
        return;
    if (m->streams_cfg->feed == FEED_BUFFERS)
        cost_row_max(m, sink, lanes);
    it = cost_add(sink, "engine", "regs", div_up(sets * 8, 32)); /* weight sets, in words */
    cost_param(it, "bits", 32);
    cost_count(it, "write", m->counter[m->cb.streamer + 1]);
    it->path = "weight set";
    cost_idle(m, it, 0, m->counter[m->cb.streamer + 1]);
}

const struct arch_class engine_class = {.name = "engine", .section = &section, .check = check,
                                        .init = init, .cost = cost, .streamed = true};
