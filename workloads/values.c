/* The sequencer, the host and the uDMA as programs see them, and who goes next. */
#include "workloads/values_impl.h"

#include "base/hash.h"
#include "base/num.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const agent_names[N_AGENTS] = {"load", "weight", "engine", "retention", "vector", "store",
                                                  "sequencer", "host", "uDMA receive", "uDMA send"};

bool values_fail(struct values *v, const struct vissued *is, const char *fmt, ...)
{
    char what[400];
    va_list ap;
    if (v->failed)
        return false;
    v->failed = true;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    unsigned agent = is->c->op == OP_UDMA_RX ? AGENT_RX : is->c->op == OP_UDMA_TX ? AGENT_TX
                   : is->c->op == OP_TAKE ? AGENT_HOST : is->c->unit;
    return err_add(v->err, ERR_SOFTWARE, NULL, "values: command %u (%s): %s", is->pc, agent_names[agent],
                   what);
}

enum net_form form_at(const struct values *v, uint64_t pos)
{
    const struct work *w = v->work;
    if (w->phase == PHASE_DECODE || pos >= w->seq)
        return w->decode == DECODE_KV_CACHE ? NET_PARALLEL : NET_RECURRENT;
    static const enum net_form forms[] = {[FORM_PARALLEL] = NET_PARALLEL, [FORM_RECURRENT] = NET_RECURRENT,
                                          [FORM_CHUNKWISE] = NET_CHUNKWISE};
    return forms[w->form];
}

uint64_t eps_position(const struct values *v, uint64_t pos)
{
    return form_at(v, pos) == NET_CHUNKWISE ? pos % v->work->chunk : pos;
}

/* ---- slots ---- */

struct vslot *slot_of(struct values *v, const struct slot_use *s, uint64_t alloc)
{
    struct vring *r = &v->ring[s->ring];
    return &r->slot[alloc % r->n_slots];
}

static bool readable(struct values *v, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE)
        return true;
    const struct vslot *slot = slot_of(v, s, alloc);
    return slot->lifetimes == alloc / v->ring[s->ring].n_slots && slot->stage >= s->stage;
}

static bool writable(struct values *v, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE || !s->acquire)
        return true;
    const struct vslot *slot = slot_of(v, s, alloc);
    return slot->lifetimes == alloc / v->ring[s->ring].n_slots && slot->stage == 0;
}

static bool release(struct values *v, const struct vissued *is, const struct slot_use *s, uint64_t alloc)
{
    if (s->ring == RING_NONE || !s->release)
        return true;
    struct vslot *slot = slot_of(v, s, alloc);
    if (slot->lifetimes != alloc / v->ring[s->ring].n_slots || !slot->stage)
        return values_fail(v, is, "frees a slot that is not in use");
    slot->stage = 0;
    slot->lifetimes++;
    return true;
}

/* A slot that is written is the current one. */
static bool owns(struct values *v, const struct vissued *is)
{
    const struct slot_use *s = &is->c->dst;
    if (s->ring == RING_NONE)
        return true;
    struct vslot *slot = slot_of(v, s, is->dst);
    if (slot->lifetimes != is->dst / v->ring[s->ring].n_slots)
        return values_fail(v, is, "writes a slot that is not its own");
    if (s->acquire && slot->b.held) {
        memset(slot->b.set, 0, slot->b.held);
        memset(slot->b.v, 0x5a, slot->b.held);
    }
    return true;
}

/* ---- units ---- */

static void post(struct values *v, uint16_t token, uint32_t n)
{
    v->token[token] += n;
    for (uint32_t i = 0; token == v->p->context_token && i < n; i++)
        v->job_running = false;
    if (!v->job_running && v->jobs_waiting) { /* one job at a time */
        v->job_running = true;
        v->jobs_waiting--;
        v->token[v->job_token]++;
    }
}

static bool ready(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    if (c->op == OP_WAIT)
        return v->token[c->token] >= c->count;
    return readable(v, &c->set, is->set) && readable(v, &c->src, is->src) &&
           readable(v, &c->src2, is->src2) && writable(v, &c->dst, is->dst);
}

/* Layer, head and token are the network's. */
static bool named(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    uint64_t units = v->work->shape.layers * v->heads, rows = is->rows ? is->rows - 1 : 0;
    bool computes = c->op == OP_MM || c->op == OP_VEC || c->op == OP_RET_STEP || c->from_state;
    if (!v->q || !computes)
        return true;
    if (is->unit < 0 || (uint64_t)is->unit >= units)
        return values_fail(v, is, "head %lld of %llu", (long long)is->unit, (unsigned long long)units);
    uint64_t last = position(is->pos) + (c->pos_step == 1 ? rows : 0);
    if (c->op != OP_MM && !c->from_state && (is->pos < 0 || last >= v->q->S_max))
        return values_fail(v, is, "token %llu of %llu", (unsigned long long)last,
                           (unsigned long long)v->q->S_max);
    return true;
}

static bool execute(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    if (!named(v, is))
        return false;
    switch (c->op) {
    case OP_WAIT: v->token[c->token] -= c->count; return true;
    case OP_POST: post(v, c->token, c->count); return true;
    case OP_LOAD: return run_load(v, is);
    case OP_STORE: return run_store(v, is);
    case OP_LDW: return run_set(v, is);
    case OP_MM: return run_mm(v, is);
    case OP_VEC: return run_vec(v, is);
    case OP_RET_STEP: return run_step(v, is);
    case OP_RET_DECAY: return run_clear(v, is);
    case OP_RET_LOAD: case OP_RET_SAVE: return run_state_move(v, is);
    case OP_CLEAR: return run_flash(v, is);
    default: return true; /* alloc, commit, free: slots alone; mark */
    }
}

static bool unit_turn(struct values *v, unsigned id)
{
    struct vunit *u = &v->unit[id];
    if (!u->n || !ready(v, &u->q[u->head]))
        return false;
    const struct vissued is = u->q[u->head];
    const struct cmd *c = is.c;
    u->head = (u->head + 1) % QUEUE_MAX;
    u->n--;
    if (!owns(v, &is) || !execute(v, &is))
        return false;
    if (!release(v, &is, &c->set, is.set) || !release(v, &is, &c->src, is.src) ||
        !release(v, &is, &c->src2, is.src2))
        return false;
    if (c->dst.ring != RING_NONE && c->dst.commit)
        slot_of(v, &c->dst, is.dst)->stage = c->dst.stage;
    return true;
}

/* ---- threads ---- */

static uint64_t renamed(struct values *v, const struct slot_use *s)
{
    if (s->ring == RING_NONE)
        return 0;
    struct vring *r = &v->ring[s->ring];
    r->allocs += s->acquire;
    return r->allocs - 1 - s->age;
}

static int64_t part(const struct values *v, const struct thread *t, const struct cmd *c)
{
    if (c->l2ring == L2RING_NONE)
        return 0;
    const struct l2ring *r = &v->p->l2rings[c->l2ring];
    return (int64_t)((t->part[c->l2ring] + r->parts - 1) % r->parts * r->stride);
}

static struct vissued issue(struct values *v, const struct thread *t, const struct cmd *c)
{
    struct vissued is = {.c = c, .pc = t->pc, .rows = c->rows};
    is.addr = aff_eval(&c->addr, t->idx, t->depth) + part(v, t, c);
    is.ext = aff_eval(&c->ext, t->idx, t->depth);
    is.unit = aff_eval(&c->unit_at, t->idx, t->depth);
    is.col = aff_eval(&c->col_at, t->idx, t->depth);
    is.pos = aff_eval(&c->pos_at, t->idx, t->depth);
    is.key = aff_eval(&c->key_at, t->idx, t->depth);
    is.n_at = aff_eval(&c->n_at, t->idx, t->depth);
    is.k_at = aff_eval(&c->k_at, t->idx, t->depth);
    is.state = aff_eval(&c->state_at, t->idx, t->depth);
    if (c->rows_is_affine)
        is.rows = (uint32_t)aff_eval(&c->rows_aff, t->idx, t->depth);
    return is;
}

static void dispatch(struct values *v, const struct thread *t, const struct cmd *c)
{
    struct vunit *u = &v->unit[c->unit];
    struct vissued is = issue(v, t, c);
    is.dst = renamed(v, &c->dst);
    if (c->op == OP_MM) /* results go to the newest slot */
        is.dst = v->ring[c->mm_dst == MM_SCORE ? RING_SCORE : RING_OUT].allocs - 1;
    is.set = renamed(v, &c->set);
    is.src = renamed(v, &c->src);
    is.src2 = renamed(v, &c->src2);
    u->q[(u->head + u->n++) % QUEUE_MAX] = is;
}

/* Loops and L2 rings; false for any other command. */
static bool control(struct thread *t, const struct cmd *c)
{
    unsigned d;
    int64_t trips;
    switch (c->op) {
    case OP_REPEAT:
        trips = aff_eval(&c->trips, t->idx, t->depth);
        if (trips <= 0) {
            t->pc = c->match + 1;
            return true;
        }
        t->frame[t->depth] = (struct loop_frame){t->pc, (uint64_t)trips};
        t->idx[t->depth++] = 0;
        t->pc++;
        return true;
    case OP_END:
        d = t->depth - 1;
        if (++t->idx[d] < t->frame[d].trips) {
            t->pc = t->frame[d].pc + 1;
            return true;
        }
        t->depth--;
        t->pc++;
        return true;
    case OP_NEXT:
        t->part[c->l2ring]++;
        t->pc++;
        return true;
    case OP_HALT:
        t->halted = true;
        return true;
    default:
        return false;
    }
}

static bool sequencer_turn(struct values *v)
{
    struct thread *t = &v->thread[THREAD_ACCEL];
    if (t->halted)
        return false;
    const struct cmd *c = &v->p->cmds[THREAD_ACCEL][t->pc];
    if (control(t, c))
        return true;
    if (v->unit[c->unit].n >= v->queue_depth)
        return false;
    dispatch(v, t, c);
    t->pc++;
    return true;
}

static bool enqueue(struct values *v, struct thread *t, const struct cmd *c)
{
    struct vunit *u = &v->channel[c->op == OP_UDMA_RX ? CHANNEL_RX : CHANNEL_TX];
    if (u->n > v->pending)
        return false;
    u->q[(u->head + u->n++) % QUEUE_MAX] = issue(v, t, c);
    return true;
}

static bool host_turn(struct values *v)
{
    struct thread *t = &v->thread[THREAD_HOST];
    if (t->halted)
        return false;
    const struct cmd *c = &v->p->cmds[THREAD_HOST][t->pc];
    if (control(t, c))
        return true;
    struct vissued is;
    switch (c->op) {
    case OP_WAIT:
        if (v->token[c->token] < c->count)
            return false;
        v->token[c->token] -= c->count;
        break;
    case OP_POST: post(v, c->token, c->count); break;
    case OP_JOB:
        if (v->jobs_waiting + v->job_running >= v->contexts)
            return false;
        v->job_token = c->token;
        v->jobs_waiting++;
        if (!v->job_running) {
            v->job_running = true;
            v->jobs_waiting--;
            v->token[c->token]++;
        }
        break;
    case OP_UDMA_RX: case OP_UDMA_TX:
        if (!enqueue(v, t, c))
            return false;
        break;
    case OP_TAKE:
        is = issue(v, t, c);
        if (!run_take(v, &is))
            return false;
        break;
    default: break;
    }
    t->pc++;
    return true;
}

static bool channel_turn(struct values *v, unsigned i)
{
    struct vunit *u = &v->channel[i];
    if (!u->n)
        return false;
    const struct vissued is = u->q[u->head];
    u->head = (u->head + 1) % QUEUE_MAX;
    u->n--;
    if (!run_transfer(v, &is))
        return false;
    if (is.c->token != TOKEN_NONE)
        post(v, is.c->token, 1);
    if (is.c->token2 != TOKEN_NONE)
        post(v, is.c->token2, 1);
    return true;
}

static bool turn(struct values *v, unsigned agent)
{
    if (agent < N_UNITS)
        return unit_turn(v, agent);
    if (agent == AGENT_SEQUENCER)
        return sequencer_turn(v);
    if (agent == AGENT_HOST)
        return host_turn(v);
    return channel_turn(v, agent - AGENT_RX);
}

/* ---- who goes next ---- */

static bool over(const struct values *v)
{
    for (unsigned u = 0; u < N_UNITS; u++)
        if (v->unit[u].n)
            return false;
    return v->thread[0].halted && v->thread[1].halted && !v->channel[0].n && !v->channel[1].n;
}

static bool deadlock(struct values *v)
{
    struct text t = {0};
    for (unsigned u = 0; u < N_UNITS; u++) {
        const struct vunit *unit = &v->unit[u];
        const struct vissued *is = &unit->q[unit->head];
        if (unit->n && is->c->op == OP_WAIT)
            text_printf(&t, "; %s unit at command %u waits for token %s%s (%u of %u)", agent_names[u], is->pc,
                        v->p->tokens[is->c->token].name, v->p->tokens[is->c->token].role,
                        v->token[is->c->token], is->c->count);
        else if (unit->n)
            text_printf(&t, "; %s unit at command %u waits for a slot", agent_names[u], is->pc);
    }
    for (unsigned th = 0; th < N_THREADS; th++)
        if (!v->thread[th].halted)
            text_printf(&t, "; %s thread at command %u", th ? "host" : "accel", v->thread[th].pc);
    v->failed = true;
    err_add(v->err, ERR_SOFTWARE, NULL, "values: deadlock%s", t.s ? t.s : "");
    text_finish(&t);
    return false;
}

/* Agents go in bursts; a seed also says who is in a hurry and who is slow. */
static bool take_turns(struct values *v)
{
    static const unsigned lengths[] = {1, 1, 2, 4, 16, 64};
    struct rng rng = {v->job->seed};
    unsigned burst[N_AGENTS];
    for (unsigned i = 0; i < N_AGENTS; i++)
        burst[i] = lengths[rng_below(&rng, 6)];
    while (!v->failed) {
        unsigned first = (unsigned)rng_below(&rng, N_AGENTS), tried = 0, agent = first;
        while (tried < N_AGENTS && !turn(v, agent)) {
            agent = (agent + 1) % N_AGENTS;
            tried++;
        }
        if (v->failed)
            return false;
        if (tried == N_AGENTS)
            return over(v) || deadlock(v);
        for (unsigned i = 1; i < burst[agent] && turn(v, agent); i++)
            ;
    }
    return false;
}

/* ---- set-up ---- */

static struct bytes bytes_new(const char *name, uint64_t n)
{
    struct bytes b = {.name = name, .n = n, .held = n, .v = calloc(n + 1, 1), .set = calloc(n + 1, 1)};
    if (!b.v || !b.set)
        abort();
    return b;
}

static void bytes_finish(struct bytes *b)
{
    free(b->v);
    free(b->set);
}

static void rings_new(struct values *v)
{
    const struct buffers_cfg *b = ARCH_CFG(v->job->arch, buffers);
    const uint64_t slots[N_RINGS] = {b->activation.slots, b->operand.slots,
                                     ARCH_CFG(v->job->arch, engine)->weight_sets, b->score.slots,
                                     b->output.slots};
    static const char *const names[N_RINGS] = {"an activation slot", "an operand slot", "a weight set",
                                               "a score slot", "an output slot"};
    for (unsigned r = 0; r < N_RINGS; r++) {
        v->ring[r].n_slots = slots[r];
        for (uint64_t i = 0; i < slots[r]; i++)
            v->ring[r].slot[i].b = (struct bytes){.name = names[r],
                                                  .n = r == RING_SET ? 0 : v->p->slot_bytes[r]};
    }
}

enum { MAX_IMAGE = 1 << 30 };

static bool fits(struct values *v)
{
    uint64_t bytes = v->p->l2_bytes + v->p->ext_bytes;
    if (bytes <= MAX_IMAGE)
        return true;
    return err_add(v->err, ERR_CONFIG, NULL,
                   "values: the memories of this run hold %" PRIu64 " bytes; legal: up "
                   "to %d bytes, a smaller network or values false", bytes, MAX_IMAGE);
}

struct extent { /* what commands use at most: buffers without a price may be of any size */
    uint64_t accumulators, row;
};

static struct extent extent_of(const struct values *v)
{
    const struct shape *s = &v->work->shape;
    uint64_t widest = max64(max64(s->d_model, s->value_dim), max64(s->vocab, v->work->n));
    struct extent e = {1, max64((uint64_t)v->geom.k_tile * 16, widest) + 4};
    for (uint32_t i = 0; i < v->p->n[THREAD_ACCEL]; i++) {
        const struct cmd *c = &v->p->cmds[THREAD_ACCEL][i];
        if (c->op == OP_CLEAR) {
            e.accumulators = max64(e.accumulators, (uint64_t)c->acc_offset + c->cols);
            continue;
        }
        e.row = max64(e.row, max64(max64(c->cols, c->k), c->row_bytes) + 4);
        if (c->op == OP_MM)
            e.accumulators = max64(e.accumulators,
                                   c->acc_offset + (uint64_t)c->rows * c->acc_pitch + c->cols);
    }
    return e;
}

static void setup(struct values *v)
{
    const struct arch *a = v->job->arch;
    const struct engine_cfg *e = ARCH_CFG(a, engine);
    const struct buffers_cfg *b = ARCH_CFG(a, buffers);
    v->geom = engine_geometry(e);
    v->queue_depth = ARCH_CFG(a, sequencer)->queue_depth;
    v->contexts = ARCH_CFG(a, regfile)->contexts;
    v->pending = ARCH_CFG(a, udma)->pending;
    v->state_bytes = ARCH_CFG(a, retention)->state_bits / 8;
    v->heads = max64(v->work->shape.heads, 1);
    v->l2 = bytes_new("L2", v->p->l2_bytes);
    v->ext = bytes_new("off-chip memory", v->p->ext_bytes);
    v->state = bytes_new("the state buffer", v->p->state_bytes);
    struct extent most = extent_of(v);
    v->n_acc = min64(b->accumulator.bytes * 8 / e->acc_bits, most.accumulators);
    v->acc = xrealloc(NULL, v->n_acc + 1, sizeof *v->acc);
    memset(v->acc, 0x5a, v->n_acc * sizeof *v->acc);
    uint64_t row = most.row;
    v->a = xrealloc(NULL, row, sizeof *v->a);
    v->watch.lane = calloc((uint64_t)v->geom.k_tile * 16 + 1, sizeof *v->watch.lane);
    if (!v->watch.lane)
        abort();
    v->b = xrealloc(NULL, row, sizeof *v->b);
    v->out = xrealloc(NULL, row, sizeof *v->out);
    v->wide = xrealloc(NULL, row, sizeof *v->wide);
    rings_new(v);
    for (unsigned t = 0; t < v->p->n_tokens; t++)
        v->token[t] = v->p->tokens[t].initial;
}

static void finish(struct values *v)
{
    for (unsigned r = 0; r < N_RINGS; r++)
        for (uint64_t i = 0; i < v->ring[r].n_slots; i++) {
            bytes_finish(&v->ring[r].slot[i].b);
            free(v->ring[r].slot[i].w);
            free(v->ring[r].slot[i].w_set);
        }
    bytes_finish(&v->l2);
    bytes_finish(&v->ext);
    bytes_finish(&v->state);
    free(v->acc);
    free(v->watch.lane);
    free(v->a);
    free(v->b);
    free(v->out);
    free(v->wide);
}

bool values_run(const struct values_job *job, struct values_counts *counts, struct err *err)
{
    struct values *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    *v = (struct values){.job = job, .p = job->prog, .work = job->work, .q = job->q, .counts = counts,
                         .err = err};
    v->n = job->q ? job->q->n : NULL;
    memset(counts, 0, sizeof *counts);
    bool ok = fits(v);
    if (ok) {
        setup(v);
        ok = image_build(v) && take_turns(v) && image_check(v);
        finish(v);
    }
    free(v);
    return ok;
}
