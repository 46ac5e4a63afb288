/* The state of one head: clearing, loading, saving, and whose turn it is. */
#include "workloads/lower_ret.h"

#include "base/num.h"

uint64_t state_slice_bytes(const struct lower *l)
{
    return l->dk * l->state_dv * l->ret->state_bits / 8;
}

/* The state belongs to one unit at a time: a credit is handed on explicitly.
 * Between ops it is the retention unit's. */
void state_pass(struct lower *l, enum unit_id from, enum unit_id to)
{
    prog_post(l->p, THREAD_ACCEL, from, l->st_token[to], 1);
}

void state_take(struct lower *l, enum unit_id unit)
{
    prog_wait(l->p, THREAD_ACCEL, unit, l->st_token[unit], 1);
}

enum unit_id ret_unit(const struct lower *l)
{
    return l->ret->state == STATE_ENGINE ? UNIT_ENGINE : UNIT_RETENTION;
}

/* Index of the slice at hand among those of all (layer, head, sequence). */
static struct block state_block(const struct lower *l, const struct ret_op *r)
{
    int64_t heads = (int64_t)l->w->shape.heads, batch = (int64_t)l->w->batch;
    int64_t slices = (int64_t)div_up(l->dv, l->state_dv);
    struct affine a = aff_scale(l->layer, heads), s = l->seq;
    a = aff_scale(aff_add(a, &l->head), batch);
    a = aff_scale(aff_add(a, &s), slices);
    return (struct block){1, aff_add(a, &r->slice)};
}

/* Only what stays in the buffer has a place of its own there. */
struct affine state_at(const struct lower *l, const struct ret_op *r)
{
    struct block b = state_block(l, r);
    return l->state_resident ? aff_scale(b.tok, (int64_t)state_slice_bytes(l)) : aff(0);
}

static void state_move(struct lower *l, enum op op, const struct ret_op *r, struct where home)
{
    struct cmd *c = emit(l, op, op == OP_RET_LOAD ? UNIT_LOAD : UNIT_STORE);
    c->addr = home.addr;
    c->l2ring = home.l2ring;
    c->row_bytes = (uint32_t)(l->dk * r->dv * l->ret->state_bits / 8);
    c->tensor = T_STATE;
    c->state_at = state_at(l, r);
}

/* The credit goes from `from` over the load (store) unit to `to`. */
void state_load(struct lower *l, const struct ret_op *r, enum unit_id from, enum unit_id to)
{
    state_take(l, from);
    state_pass(l, from, UNIT_LOAD);
    state_take(l, UNIT_LOAD);
    state_move(l, OP_RET_LOAD, r, l->st_in);
    state_pass(l, UNIT_LOAD, to);
}

void state_save(struct lower *l, const struct ret_op *r, enum unit_id from, enum unit_id to)
{
    state_take(l, from);
    state_pass(l, from, UNIT_STORE);
    state_take(l, UNIT_STORE);
    state_move(l, OP_RET_SAVE, r, l->st_out);
    state_pass(l, UNIT_STORE, to);
}

static void state_clear(struct lower *l, const struct ret_op *r, enum unit_id to)
{
    state_take(l, ret_unit(l));
    struct cmd *c = emit(l, OP_RET_DECAY, ret_unit(l));
    c->k = (uint32_t)l->dk;
    c->cols = (uint32_t)r->dv;
    c->state_at = state_at(l, r);
    state_pass(l, ret_unit(l), to);
}

/* Brings the state in (or clears it) and gives it to `to`. */
void state_begin(struct lower *l, const struct ret_op *r, enum unit_id to)
{
    if (!l->state_zero && (l->state_resident || l->ret->state == STATE_L2)) {
        if (to != ret_unit(l)) {
            state_take(l, ret_unit(l));
            state_pass(l, ret_unit(l), to);
        }
    } else if (l->state_zero) {
        state_clear(l, r, to);
    } else {
        state_load(l, r, ret_unit(l), to);
    }
}

/* Takes it back from `from`, saving it when somebody needs it later. */
void state_end(struct lower *l, const struct ret_op *r, enum unit_id from)
{
    if (l->state_saved && !l->state_resident && l->ret->state != STATE_L2) {
        state_save(l, r, from, ret_unit(l));
    } else if (from != ret_unit(l)) {
        state_take(l, from);
        state_pass(l, from, ret_unit(l));
    }
}

static bool state_comes(const struct lower *l)
{
    return l->state.used && !l->state_resident && (!l->state_zero || l->ret->state == STATE_L2);
}

static bool state_goes(const struct lower *l)
{
    return l->state.used && !l->state_resident && (l->state_saved || l->ret->state == STATE_L2);
}

/* Parts of both directions are the same memory: their rings step together. */
static void step_idle(struct lower *l, enum thread_id th, uint8_t ring)
{
    if (l->state.ext && l->state.in_place)
        prog_add(l->p, th, OP_NEXT, th == THREAD_HOST ? N_UNITS : UNIT_LOAD)->l2ring = ring;
}

void state_fetch(struct lower *l, const struct ret_op *r)
{
    struct block b = state_block(l, r);
    struct tensor *t[] = {&l->state, NULL};
    if (state_comes(l))
        host_in(l, t, &b);
    else
        step_idle(l, THREAD_HOST, l->state.in_ring);
}

/* A state that came and goes keeps its part until it has left. */
static bool state_stays(const struct lower *l)
{
    return l->state.in_place && state_comes(l) && state_goes(l);
}

void state_move_out(struct lower *l, const struct ret_op *r)
{
    struct block b = state_block(l, r);
    struct tensor there = l->state, *t[] = {&there, NULL};
    if (state_stays(l))
        there.out_free = there.in_free;
    if (state_goes(l))
        host_out(l, t, &b);
    else
        step_idle(l, THREAD_HOST, l->state.out_ring);
}

void state_drain(struct lower *l, uint64_t n)
{
    struct tensor *t[] = {&l->state, NULL};
    if (state_goes(l))
        host_drain(l, t, n, 1);
}

/* Homes of the state at hand, staged when it lives off-chip. */
void state_open(struct lower *l, const struct ret_op *r)
{
    struct block b = state_block(l, r);
    if (!l->in_pipe)
        state_fetch(l, r);
    if (state_comes(l))
        l->st_in = tensor_in(l, &l->state, &b);
    else
        step_idle(l, THREAD_ACCEL, l->state.in_ring);
    if (state_goes(l) && !(l->state.ext && state_stays(l))) {
        l->st_out = tensor_out(l, &l->state, &b);
        return;
    }
    step_idle(l, THREAD_ACCEL, l->state.out_ring);
    l->st_out = (struct where){aff((int64_t)l->state.out_base), l->state.out_ring};
}

void state_close(struct lower *l, const struct ret_op *r)
{
    if (!l->state.ext)
        return;
    if (state_comes(l) && !state_stays(l))
        tensor_in_end(l, &l->state);
    if (state_goes(l))
        tensor_out_end(l, &l->state);
    if (l->in_pipe)
        return;
    state_move_out(l, r);
    state_drain(l, 1);
}
