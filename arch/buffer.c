/* On-chip buffers of the accelerator: activation (moving operands), operand
 * (second operands of the vector unit), accumulator, score, state and output.
 * Rings (activation, operand, score, output) are split into `slots`; the
 * accumulator and the state are plain memories. Timing of their ports is in the
 * units that use them (a single port shared by filling and reading alternates);
 * accesses are counted here, one per port-wide word. */
#include "arch/result.h"

#include "base/num.h"

static const char *const ports_names[] = {"1rw", "1r1w", NULL};

#define BUFFER(name, bytes_def, width_def, banks_def, slots_def, ports_def)                                  \
    static const struct field name##_fields[] = {                                                            \
        {.key = "bytes", .type = FIELD_BYTES, .offset = offsetof(struct buffer_cfg, bytes),                  \
         .def = bytes_def, .min = 16, .max = 1ull << 44, .doc = "capacity, all slots together"},             \
        {.key = "width_bits", .type = FIELD_U64, .offset = offsetof(struct buffer_cfg, width_bits),          \
         .def = width_def, .min = 8, .max = 65536, .unit = "bits", .allow_auto = true,                       \
         .no_program = true,                                                                                 \
         .doc = "width of a port; auto: a row of the PE array or a packet of the streams"},                  \
        {.key = "banks", .type = FIELD_U64, .offset = offsetof(struct buffer_cfg, banks), .def = banks_def,  \
         .no_program = true, .min = 1, .max = 64, .doc = "independent banks"},                               \
        {.key = "ports", .type = FIELD_ENUM, .offset = offsetof(struct buffer_cfg, ports), .def = ports_def, \
         .no_program = true, .names = ports_names,                                                           \
         .doc = "ports of a bank: 1rw takes two cycles for a read-modify-write"},                            \
        {.key = "slots", .type = FIELD_U64, .offset = offsetof(struct buffer_cfg, slots), .def = slots_def,  \
         .min = 1, .max = SLOTS_MAX, .doc = "parts used in turn; 2 = double buffered"},                      \
        {0},                                                                                                 \
    };                                                                                                       \
    static const struct section name##_section = {#name, #name " buffer", sizeof(struct buffer_cfg),         \
                                                  name##_fields, NULL}
BUFFER(activation, "16 KiB", "auto", "2", "2", "1rw");
BUFFER(operand, "16 KiB", "auto", "2", "2", "1rw");
BUFFER(accumulator, "16 KiB", "auto", "1", "1", "1r1w");
BUFFER(score, "8 KiB", "auto", "2", "2", "1rw");
BUFFER(state, "16 KiB", "256", "2", "1", "1rw");
BUFFER(output, "16 KiB", "auto", "2", "2", "1rw");
#undef BUFFER

#define S(name)                                                                         \
    {.key = #name, .type = FIELD_SECTION, .offset = offsetof(struct buffers_cfg, name), \
     .sub = &name##_section, .doc = #name " buffer"}
static const struct field fields[] = {
    S(activation), S(operand), S(accumulator), S(score), S(state), S(output),
    {.key = "ideal", .type = FIELD_BOOL, .offset = offsetof(struct buffers_cfg, ideal), .def = "false",
     .doc = "buffers and weight sets have no price, whatever their size (hypothetical)"},
    {0}};
#undef S
static const struct section section = {"buffers", "on-chip buffers of the accelerator",
                                       sizeof(struct buffers_cfg), fields, NULL};

static uint64_t words(uint64_t bytes, const struct buffer_cfg *b)
{
    return div_up(bytes * 8, b->width_bits);
}

enum {
    C_ACT_READ, C_ACT_WRITE, C_AUX_READ, C_AUX_WRITE, C_ACC_READ, C_ACC_WRITE, C_SCORE_READ, C_SCORE_WRITE,
    C_STATE_READ, C_STATE_WRITE, C_OUT_READ, C_OUT_WRITE
};

static void count_mm(struct machine *m, const struct issued *is, uint64_t *n)
{
    const struct cmd *c = is->c;
    const struct buffers_cfg *b = m->buffers;
    bool score = c->src.ring == RING_SCORE;
    n[score ? C_SCORE_READ : C_ACT_READ] +=
        is->rows * words(bytes_of(c->k, c->a_bits), score ? &b->score : &b->activation) * c->passes;
    uint64_t acc = words(c->cols * m->engine->acc_bits / 8, &b->accumulator);
    uint64_t done = finished_rows(c, is->rows);
    uint64_t own = words(is->rows * row_words_used(c) * m->engine->acc_bits / 8, &b->accumulator);
    n[C_ACC_READ] += own + (c->first ? 0 : is->rows * acc);
    n[C_ACC_WRITE] += c->mm_dst == MM_MAX ? own : 0;
    n[C_ACC_WRITE] += (c->mm_dst == MM_ACC ? is->rows : is->rows - done) * acc;
    uint64_t out = bytes_of(c->cols, c->out_bits);
    if (c->mm_dst == MM_OUT)
        n[C_OUT_WRITE] += done * words(out, &b->output);
    else if (c->mm_dst == MM_SCORE)
        n[C_SCORE_WRITE] += done * words(out, &b->score);
    else if (c->mm_dst == MM_STATE) {
        uint64_t state = done * words(c->cols * m->retention->state_bits / 8, &b->state);
        n[C_STATE_READ] += state;
        n[C_STATE_WRITE] += state;
    }
}

static void count_vec(struct machine *m, const struct issued *is, uint64_t *n)
{
    const struct cmd *c = is->c;
    const struct buffers_cfg *b = m->buffers;
    bool aux = c->src.ring == RING_AUX, apart = c->src2.ring == RING_AUX;
    uint64_t elements = (uint64_t)is->rows * c->cols, second = bytes_of(elements, c->w_bits);
    uint64_t first = bytes_of(elements, c->a_bits) + (apart ? 0 : second);
    uint64_t out = bytes_of(elements, (uint64_t)c->out_bits + c->out2_bits);
    n[aux ? C_AUX_READ : C_OUT_READ] += words(first, aux ? &b->operand : &b->output);
    n[C_AUX_READ] += apart ? words(second, &b->operand) : 0;
    aux = c->dst.ring == RING_AUX;
    n[aux ? C_AUX_WRITE : C_OUT_WRITE] += words(out, aux ? &b->operand : &b->output);
}

void buffers_count(struct machine *m, const struct issued *is)
{
    const struct cmd *c = is->c;
    const struct buffers_cfg *b = m->buffers;
    uint64_t *n = &m->counter[m->cb.buffers], bytes = (uint64_t)c->rows * c->row_bytes * c->planes;
    uint64_t elements = (uint64_t)is->rows * c->cols;
    switch (c->op) {
    case OP_LOAD: {
        bool aux = c->dst.ring == RING_AUX;
        n[aux ? C_AUX_WRITE : C_ACT_WRITE] += words(bytes, aux ? &b->operand : &b->activation);
        break;
    }
    case OP_STORE: {
        bool aux = c->src.ring == RING_AUX;
        n[aux ? C_AUX_READ : C_OUT_READ] += words(bytes, aux ? &b->operand : &b->output);
        break;
    }
    case OP_RET_LOAD: n[C_STATE_WRITE] += words(bytes, &b->state); break;
    case OP_RET_SAVE: n[C_STATE_READ] += words(bytes, &b->state); break;
    case OP_LDW: n[C_STATE_READ] += c->from_state ? words(bytes, &b->state) : 0; break;
    case OP_MM: count_mm(m, is, n); break;
    case OP_RET_STEP: {
        uint64_t state = words((uint64_t)c->k * c->cols * m->retention->state_bits / 8, &b->state);
        bool acc = m->retention->state == STATE_ENGINE;
        bool reads = retention_reads(c), again = reads && !m->retention->fused_readout;
        n[acc ? C_ACC_READ : C_STATE_READ] += is->rows * state * (again ? 2 : 1);
        n[acc ? C_ACC_WRITE : C_STATE_WRITE] += is->rows * state;
        uint64_t operands = (reads ? 2 : 1) * c->k + c->cols;
        n[C_ACT_READ] += is->rows * words(bytes_of(operands, c->a_bits), &b->activation);
        n[C_OUT_WRITE] += reads ? words(bytes_of(elements, c->out_bits), &b->output) : 0;
        break;
    }
    case OP_VEC: count_vec(m, is, n); break;
    default: break;
    }
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    static const char *const names[] = {"activation", "operand", "accumulator", "score", "state", "output"};
    for (unsigned i = 0; i < 6; i++) {
        unsigned first = counter_add(m, names[i], "read", "access");
        counter_add(m, names[i], "write", "access");
        if (i == 0)
            m->cb.buffers = first;
    }
    return true;
}

/* A port that is as wide as what the array takes or gives in a cycle, and as a
 * packet of the streams, never slows them down. */
static void resolve_widths(struct arch *a)
{
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    struct engine_geom g = engine_geometry(e);
    struct buffers_cfg *b = arch_cfg_mutable(a, &buffers_class);
    const struct mode_cfg *mode = e->modes.items;
    uint64_t in = round_up(g.k_tile, 4) * 8, wide = in, out = g.n_tile * e->acc_bits;
    if (e->style == ENGINE_SYSTOLIC && e->dataflow == FLOW_OS)
        in = round_up(e->rows, 4) * 8; /* a column of the moving operand a cycle */
    for (size_t i = 0; i < e->modes.n; i++)
        wide = max64(wide, g.k_tile * mode_scale(e, &mode[i]) * mode[i].a);
    struct buffer_cfg *all[] = {&b->activation, &b->score, &b->accumulator,
                                &b->operand, &b->state, &b->output};
    uint64_t packet = 32 * ARCH_CFG(a, tcdm)->hwpe_ports;
    const uint64_t width[] = {max64(wide, packet), in, out, packet, packet, packet};
    for (unsigned i = 0; i < 6; i++)
        if (all[i]->width_bits == FIELD_AUTO)
            all[i]->width_bits = width[i];
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct buffers_cfg *b = ARCH_CFG(a, buffers);
    resolve_widths(a);
    const struct buffer_cfg *all[] = {&b->activation, &b->operand, &b->score, &b->output};
    static const char *const names[] = {"activation", "operand", "score", "output"};
    for (unsigned i = 0; i < 4; i++)
        if (all[i]->bytes / all[i]->slots < 16)
            err_add(err, ERR_CONFIG, &node->at, "arch.buffers.%s: a slot has fewer than 16 bytes", names[i]);
    if (b->ideal)
        arch_hypothetical(a, "arch.buffers.ideal");
    return !err_any(err);
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    static const char *const names[] = {"activation", "operand", "accumulator", "score", "state", "output"};
    const struct buffers_cfg *c = m->buffers;
    const struct buffer_cfg *all[] = {&c->activation, &c->operand, &c->accumulator,
                                       &c->score, &c->state, &c->output};
    bool streams = m->streams_cfg->feed != FEED_BUFFERS;
    for (unsigned i = 0; i < 6 && !c->ideal; i++) {
        if (streams && all[i] != &c->accumulator)
            continue;
        const uint64_t *n = &m->counter[m->cb.buffers + 2 * i];
        struct cost_item *it = cost_add(sink, names[i], "sram", all[i]->banks);
        cost_param(it, "capacity_bytes", (double)(all[i]->bytes / all[i]->banks));
        cost_param(it, "width_bits", (double)all[i]->width_bits);
        cost_count(it, "read", n[0]);
        cost_count(it, "write", n[1]);
        it->path = "access";
        cost_idle(m, it, 0, n[0] + n[1]);
    }
}

const struct arch_class buffers_class = {.name = "buffers", .section = &section, .check = check,
                                         .init = init, .cost = cost, .streamed = true};
