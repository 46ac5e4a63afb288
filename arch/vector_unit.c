/* The vector unit: elementwise work and row norms. Lanes do one elementary
 * operation a cycle; a norm adds, for each row, an iterative integer square
 * root and a division that overlap with the lanes' work on other rows, so a
 * command takes rows x (slowest stage) + the other stages once. */
#include "arch/result.h"

#include "base/num.h"

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct vector_cfg, m), .def = d
static const struct field fields[] = {
    {F("lanes", FIELD_U64, lanes, "8"), .no_program = true,
     .min = 1, .max = 256, .doc = "elements handled a cycle"},
    {F("isqrt_units", FIELD_U64, isqrt_units, "1"), .no_program = true,
     .min = 1, .max = 16, .doc = "integer square root units"},
    {F("isqrt_cycles", FIELD_U64, isqrt_cycles, "17"), .no_program = true,
     .min = 1, .max = 64, .unit = "cycles",
     .doc = "one square root", .prov = PROV_MEASURED,
     .source = "binary search over 0..46342 takes about 17 steps"},
    {F("div_units", FIELD_U64, div_units, "1"), .no_program = true, .min = 1, .max = 16, .doc = "dividers"},
    {F("div_cycles", FIELD_U64, div_cycles, "32"), .no_program = true, .min = 1, .max = 64, .unit = "cycles",
     .doc = "one division", .prov = PROV_ASSUMPTION, .source = "one quotient bit a cycle for 2^30 / std"},
    {F("lut_ports", FIELD_U64, lut_ports, "8"), .no_program = true, .min = 1, .max = 256, .unit = "reads",
     .doc = "table look-ups a cycle"},
    {F("latency_cycles", FIELD_U64, latency_cycles, "4"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "pipeline of a lane", .prov = PROV_ASSUMPTION, .source = "read, multiply, round, write"},
    {F("pipeline", FIELD_U64, pipeline, "1"), .no_program = true, .min = 1, .max = 16, .unit = "ranks",
     .doc = "ranks a lane's logic is divided into; each beyond the first adds registers and a cycle to "
            "latency_cycles"},
    {0},
};
#undef F
static const struct section section = {"vector", "vector unit", sizeof(struct vector_cfg), fields, NULL};

/* Lane operations and look-ups an element takes, by kind. */
struct vec_work {
    uint8_t ops, luts;
    bool norm; /* square root and division a row */
};
static const struct vec_work work[N_VEC_KINDS] = {
    [VEC_RMS] = {2, 0, true},      /* square-sum pass, scale pass */
    [VEC_RMS_GATE] = {2, 0, true}, /* the gate product shares the scale pass */
    [VEC_ROTARY] = {1, 1, false},  /* a lane holds two multipliers and an adder */
    [VEC_ROTARY_DECAY] = {2, 1, false},
    [VEC_LUT] = {1, 1, false},
    [VEC_GLU] = {1, 1, false},
    [VEC_RESIDUAL] = {1, 0, false},
    [VEC_REQUANT] = {1, 0, false},
    [VEC_GATHER] = {1, 0, false},
    [VEC_ALIGN] = {1, 0, false},
};

uint64_t vector_cycles(const struct machine *m, const struct cmd *c, uint32_t rows)
{
    const struct vector_cfg *v = m->vector;
    const struct vec_work *w = &work[c->vec_kind];
    uint64_t ops = w->ops * div_up(c->cols, v->lanes), luts = w->luts * div_up(c->cols, v->lut_ports);
    uint64_t lanes = ops > luts ? ops : luts;
    if (!w->norm)
        return rows * lanes;
    uint64_t root = div_up(v->isqrt_cycles, v->isqrt_units), quotient = div_up(v->div_cycles, v->div_units);
    uint64_t slowest = lanes > root ? lanes : root;
    slowest = slowest > quotient ? slowest : quotient;
    return rows * slowest + lanes + v->isqrt_cycles + v->div_cycles - slowest;
}

enum { C_OPS, C_LUT, C_ISQRT, C_DIV, C_BUSY };

void vector_count(struct machine *m, const struct issued *is, uint64_t cycles)
{
    const struct vec_work *w = &work[is->c->vec_kind];
    uint64_t *n = &m->counter[m->cb.vector], elements = (uint64_t)is->rows * is->c->cols;
    n[C_OPS] += elements * w->ops;
    n[C_LUT] += elements * w->luts;
    n[C_ISQRT] += w->norm ? is->rows : 0;
    n[C_DIV] += w->norm ? is->rows : 0;
    n[C_BUSY] += cycles;
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    m->cb.vector = counter_add(m, "vector", "op", "op");
    counter_add(m, "vector", "lut", "read");
    counter_add(m, "vector", "isqrt", "root");
    counter_add(m, "vector", "div", "division");
    counter_add(m, "vector", "busy", "cycle");
    return true;
}

static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct vector_cfg *v = m->vector;
    const uint64_t *n = &m->counter[m->cb.vector];
    struct cost_item *it = cost_add(sink, "vector", "vector_lane", v->lanes);
    cost_param(it, "bits", 16);
    cost_count(it, "op", n[C_OPS]);
    it->path = "lane";
    it->pipeline = (unsigned)v->pipeline;
    cost_idle(m, it, n[C_BUSY], n[C_OPS]);
    it = cost_add(sink, "vector", "look_up", v->lut_ports);
    cost_param(it, "bits", 16);
    cost_count(it, "lut", n[C_LUT]);
    it->path = "look-up";
    cost_idle(m, it, n[C_BUSY], n[C_LUT]);
    it = cost_add(sink, "vector", "isqrt", v->isqrt_units);
    cost_param(it, "bits", 32);
    cost_count(it, "isqrt", n[C_ISQRT]);
    it->path = "square root";
    cost_idle(m, it, n[C_BUSY], n[C_ISQRT] * v->isqrt_cycles);
    it = cost_add(sink, "vector", "div", v->div_units);
    cost_param(it, "bits", 32);
    cost_count(it, "div", n[C_DIV]);
    it->path = "division";
    cost_idle(m, it, n[C_BUSY], n[C_DIV] * v->div_cycles);
}

const struct arch_class vector_class = {.name = "vector", .section = &section, .init = init, .cost = cost};
