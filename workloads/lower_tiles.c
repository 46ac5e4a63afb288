/* Lowering of the kernels in whole tiles for an engine fed by streams. A phase
 * is one product, tiles of outputs by inner tiles; a command is a tile step:
 * engine.length rows of the moving operand past as many sets as cover
 * engine.length outputs. Order: row tile, column tile, inner tile, set, row
 * (tests/reference/ita). Behind a port every tile step is a job of its own. */
#include "workloads/lower.h"

#include "base/num.h"

enum phase_name { P_Q, P_K, P_V, P_QK, P_AV, P_OW, P_F1, P_F2, P_MATMUL, N_PHASES };
static const char *const phase_names[N_PHASES] = {"Q", "K", "V", "QK", "AV", "OW", "F1", "F2", "MatMul"};

struct tiles {
    struct program *p;
    const struct engine_cfg *engine;
    bool jobs; /* each tile step is marked */
    uint64_t s, e, pr, f; /* tiles of each dimension */
    bool bias;
};

static void mark(struct tiles *t, enum phase_name name)
{
    prog_add(t->p, THREAD_ACCEL, OP_MARK, UNIT_ENGINE)->layer_name = name;
}

static void step(struct tiles *t, enum phase_name name, bool bias, bool first, bool last)
{
    const struct engine_cfg *e = t->engine;
    struct cmd *c = prog_add(t->p, THREAD_ACCEL, OP_MM, UNIT_ENGINE);
    c->rows = (uint32_t)(e->length * div_up(e->length, e->units));
    c->cols = (uint32_t)e->units;
    c->k = (uint32_t)e->length;
    c->mm_dst = MM_OUT;
    c->first = first;
    c->last = last;
    c->bias = bias;
    if (t->jobs)
        mark(t, name);
}

/* `outputs` tiles, each the sum of `inner` tile steps. */
static void product(struct tiles *t, enum phase_name name, uint64_t outputs, uint64_t inner)
{
    bool bias = t->bias && name != P_QK && name != P_AV;
    prog_repeat(t->p, THREAD_ACCEL, aff((int64_t)outputs));
    if (inner > 1)
        step(t, name, bias, true, false);
    if (inner > 2) {
        prog_repeat(t->p, THREAD_ACCEL, aff((int64_t)inner - 2));
        step(t, name, bias, false, false);
        prog_end(t->p, THREAD_ACCEL);
    }
    step(t, name, bias, inner == 1, true);
    prog_end(t->p, THREAD_ACCEL);
    if (!t->jobs)
        mark(t, name);
}

/* Scores and context, one row of tiles after the other. */
static void attend(struct tiles *t)
{
    prog_repeat(t->p, THREAD_ACCEL, aff((int64_t)t->s));
    product(t, P_QK, t->s, t->pr);
    product(t, P_AV, t->pr, t->s);
    prog_end(t->p, THREAD_ACCEL);
}

static void emit(struct tiles *t, int kind)
{
    switch (kind) {
    case WORK_LINEAR:
        product(t, P_MATMUL, t->s * t->pr, t->e);
        break;
    case WORK_FEEDFORWARD:
        product(t, P_F1, t->s * t->f, t->e);
        product(t, P_F2, t->s * t->e, t->f);
        break;
    case WORK_ATTENTION:
        product(t, P_Q, t->s * t->pr, t->e);
        product(t, P_K, t->s * t->pr, t->e);
        product(t, P_V, t->pr * t->s, t->e); /* transposed: rows of the weights move */
        attend(t);
        product(t, P_OW, t->s * t->e, t->pr);
        break;
    default:
        attend(t);
    }
}

static bool check(const struct arch *a, const struct work *w, struct err *err)
{
    bool streams = ARCH_CFG(a, streams)->feed != FEED_BUFFERS;
    if (streams && !work_is_tiled(w))
        return err_add(err, ERR_CONFIG, NULL, "the engine of this architecture is fed by streams "
                       "(arch.streams.feed), and this workload needs buffers and a sequencer; legal: a "
                       "work.kind of linear, attention, feedforward or single_attention, or feed buffers");
    if (!streams)
        return err_add(err, ERR_CONFIG, NULL, "this work.kind runs on an engine fed by streams only; legal: "
                       "arch.streams.feed driver or port, or a work.kind of network, msr or gemm");
    return true;
}

bool lower_tiles(struct program *p, const struct arch *a, const struct work *w, struct err *err)
{
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    program_init(p);
    if (!check(a, w, err))
        return false;
    struct tiles t = {.p = p, .engine = e, .jobs = ARCH_CFG(a, streams)->feed == FEED_PORT, .bias = w->bias};
    t.s = div_up(w->s, e->length);
    t.e = div_up(w->e, e->length);
    t.pr = div_up(w->p, e->length);
    t.f = div_up(w->f, e->length);
    for (unsigned i = 0; i < N_PHASES; i++)
        p->layer_names[p->n_layer_names++] = phase_names[i];
    /* Tiles are whole; what is useful in them is known for the kernel. */
    prog_add(p, THREAD_ACCEL, OP_CLEAR, UNIT_ENGINE)->useful = aff((int64_t)work_macs(w));
    emit(&t, w->kind);
    prog_add(p, THREAD_ACCEL, OP_HALT, N_UNITS);
    prog_add(p, THREAD_HOST, OP_HALT, N_UNITS);
    return true;
}
