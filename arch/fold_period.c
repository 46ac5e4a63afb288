/* Periods. At the end of each iteration of a loop the node is compared with one
 * saved node (Brent: re-saved at powers of two). When they are the same, what
 * happened in between is a period: as many whole ones as both threads, the tokens
 * and the transfers allow are multiplied out. The sequencer
 * is the most advanced stage, so nothing looks past the loop that it is in. */
#include "arch/fold_impl.h"
#include "arch/hwpe_lanes.h"

#include "base/arena.h"
#include "base/num.h"

/* With fewer iterations to come a snapshot costs more than what it may spare. */
enum { LEAST_AHEAD = 4 };

static uint64_t abs64(int64_t v)
{
    return v < 0 ? (uint64_t)-v : (uint64_t)v;
}

/* How many iterations bring every address of the body back to the same bank and
 * off-chip page; 0 when a shape depends on the index. */
static uint64_t modulus_of(const struct machine *m, enum thread_id th, uint32_t pc)
{
    const struct cmd *cmds = m->prog->cmds[th], *loop = &cmds[pc];
    unsigned d = loop->depth;
    uint64_t line = 4 * m->tcdm_cfg->banks, page = m->hyperram_cfg->burst_bytes, mod = 1;
    for (uint32_t i = pc + 1; i < loop->match; i++) {
        const struct cmd *c = &cmds[i];
        if (c->trips.k[d] || c->rows_aff.k[d] || c->useful.k[d] || (m->streams && c->op == OP_MARK))
            return 0;
        uint64_t a = abs64(c->addr.k[d]) % line, e = abs64(c->ext.k[d]) % page;
        mod = a ? lcm(mod, line / gcd(a, line)) : mod;
        mod = e ? lcm(mod, page / gcd(e, page)) : mod;
    }
    return mod;
}

static int64_t layer_step_of(const struct machine *m, uint32_t pc)
{
    const struct cmd *cmds = m->prog->cmds[THREAD_ACCEL];
    for (uint32_t i = pc + 1; i < cmds[pc].match; i++)
        if (cmds[i].op == OP_MARK)
            return cmds[i].layer.k[cmds[pc].depth];
    return 0;
}

void period_init(struct machine *m)
{
    struct fold *f = m->fold;
    for (int th = 0; th < N_THREADS; th++) {
        f->modulus[th] = xrealloc(NULL, m->prog->n[th] + 1, sizeof *f->modulus[th]);
        for (uint32_t pc = 0; pc < m->prog->n[th]; pc++)
            f->modulus[th][pc] = m->prog->cmds[th][pc].op == OP_REPEAT ? modulus_of(m, th, pc) : 0;
    }
    f->layer_step = xrealloc(NULL, m->prog->n[THREAD_ACCEL] + 1, sizeof *f->layer_step);
    for (uint32_t pc = 0; pc < m->prog->n[THREAD_ACCEL]; pc++)
        f->layer_step[pc] = m->prog->cmds[THREAD_ACCEL][pc].op == OP_REPEAT ? layer_step_of(m, pc) : 0;
}

/* Where a thread is, in the loops that are open. */
static void save_thread(struct thread *to, const struct thread *t)
{
    to->pc = t->pc;
    to->depth = t->depth;
    for (unsigned d = 0; d < t->depth; d++) {
        to->idx[d] = t->idx[d];
        to->frame[d] = t->frame[d];
    }
}

static void save(struct machine *m, struct snapshot *s)
{
    const struct fold *f = m->fold;
    const struct stream_layer *l = m->streams ? streams_steady(m) : NULL;
    s->valid = true;
    s->node = f->node;
    for (unsigned th = 0; th < N_THREADS; th++)
        save_thread(&s->thread[th], &m->thread[th]);
    memcpy(s->token, m->token, m->prog->n_tokens * sizeof s->token[0]);
    s->time = machine_time(m);
    s->clock = f->clock;
    memcpy(s->total, m->total, f->n_totals * sizeof s->total[0]);
    for (unsigned i = 0; i < N_LEFT; i++)
        s->left[i] = *f->left[i];
    for (unsigned i = 0; i < 2; i++) {
        s->page_at[i] = fold_page_at(m, i);
        s->tokens[i] = fold_head_tokens(m, i);
    }
    s->marks = f->done.n;
    s->layer_pending = s->time - m->layer_last;
    if (m->streams)
        s->stream = l ? *l : (struct stream_layer){.name = ""};
}

/* How often the period from `old` to `now` fits into what is left of a thread;
 * UINT64_MAX when the thread stands still, 0 when this is no period. */
static uint64_t thread_periods(const uint64_t *modulus, const struct thread *old, const struct thread *now)
{
    if (old->pc != now->pc || old->depth != now->depth)
        return 0;
    uint64_t fit = UINT64_MAX;
    for (unsigned d = 0; d < now->depth; d++) {
        if (old->frame[d].pc != now->frame[d].pc || old->frame[d].trips != now->frame[d].trips)
            return 0;
        if (old->idx[d] == now->idx[d])
            continue;
        uint64_t mod = modulus[now->frame[d].pc];
        if (now->idx[d] < old->idx[d] || fit != UINT64_MAX || !mod || (now->idx[d] - old->idx[d]) % mod)
            return 0;
        fit = (now->frame[d].trips - 1 - now->idx[d]) / (now->idx[d] - old->idx[d]);
    }
    return fit;
}

/* Credits that only pile up for somebody who waits for more than there will be
 * do not shape what happens. */
static uint64_t token_periods(const struct machine *m, const struct snapshot *s)
{
    const struct fold *f = m->fold;
    uint64_t fit = UINT64_MAX;
    const struct cmd *host = &m->prog->cmds[THREAD_HOST][m->thread[THREAD_HOST].pc];
    for (unsigned t = 0; t < m->prog->n_tokens; t++) {
        uint64_t now = m->token[t], old = s->token[t];
        if (now == old)
            continue;
        if (now < old || f->passed_at[t] > s->clock)
            return 0;
        if (host->op == OP_WAIT && host->token == t)
            fit = min64(fit, host->count > now ? (host->count - 1 - now) / (now - old) : 0);
        if (f->short_at[t] > s->clock)
            fit = min64(fit, f->short_of[t] > now ? (f->short_of[t] - 1 - now) / (now - old) : 0);
    }
    return fit;
}

/* The most that is ever asked for at a time. */
static uint64_t margin_of(const struct machine *m, unsigned id)
{
    if (id < LEFT_L2)
        return m->hyperram_cfg->burst_bytes;
    return id >= LEFT_DONE ? NEAR_CYCLES * m->soc_ticks + 1 : HWPE_MAX_PORTS;
}

/* What a transfer has less of after a period must have stayed far from its end. */
static uint64_t left_periods(struct machine *m, const struct snapshot *s)
{
    const struct fold *f = m->fold;
    uint64_t fit = UINT64_MAX;
    for (unsigned i = 0; i < 2; i++)
        if (fold_page_at(m, i) != s->page_at[i] || fold_head_tokens(m, i) != s->tokens[i])
            return 0;
    for (unsigned i = 0; i < N_LEFT; i++) {
        uint64_t now = *f->left[i], old = s->left[i], margin = margin_of(m, i);
        if (now == old)
            continue;
        if (now > old || f->left_events[i] > s->clock || now < margin)
            return 0;
        fit = min64(fit, (now - margin) / (old - now));
    }
    return fit;
}

static uint64_t periods(struct machine *m, const struct snapshot *s)
{
    uint64_t k = UINT64_MAX;
    for (int th = 0; th < N_THREADS; th++)
        k = min64(k, thread_periods(m->fold->modulus[th], &s->thread[th], &m->thread[th]));
    bool layers = m->fold->done.n != s->marks;
    if (layers && machine_time(m) - m->layer_last != s->layer_pending)
        return 0;
    if (m->streams && (!s->stream.rows || !streams_steady(m)))
        return 0;
    return k ? min64(k, min64(token_periods(m, s), left_periods(m, s))) : 0;
}

static void advance(struct thread *now, const struct thread *old, uint64_t k)
{
    for (unsigned d = 0; d < now->depth; d++)
        now->idx[d] += (now->idx[d] - old->idx[d]) * k;
}

/* A layer that was skipped is over as well: a period of an outer loop may hold it. */
static void skip_layer(struct machine *m, uint64_t layer, uint64_t ticks)
{
    if (layer >= MAX_LAYERS)
        return;
    m->layer_cycles[layer] += ticks;
    *POOL_ADD(&m->fold->done, 1) = (struct mark){layer, ticks};
}

/* Layers that the period advances by: the skipped ones took as long. */
static void multiply_layers(struct machine *m, const struct snapshot *s, uint64_t k, uint64_t step,
                            uint64_t ticks)
{
    struct fold *f = m->fold;
    if (f->done.n == s->marks)
        return; /* the one that is open takes it all */
    size_t n = f->done.n;
    for (size_t i = s->marks; i < n; i++) {
        struct mark d = f->done.v[i];
        if (step == 0)
            skip_layer(m, d.layer, k * d.ticks);
        for (uint64_t j = 1; step && j <= k && j < MAX_LAYERS; j++)
            skip_layer(m, d.layer + j * step, d.ticks);
    }
    for (uint64_t i = m->marks_out; i < m->marks_in; i++)
        m->mark[i % N_MARKS] += k * step;
    m->layer_last += k * ticks;
}

static void multiply_stream(struct machine *m, const struct snapshot *s, uint64_t k, uint64_t ticks)
{
    struct stream_layer *l = m->streams ? streams_steady(m) : NULL;
    uint64_t skipped = k * ticks / m->soc_ticks;
    if (!l)
        return;
    l->last_row += l->rows != s->stream.rows ? skipped : 0;
    l->last_output += l->outputs != s->stream.outputs ? skipped : 0;
    l->cycles = max64(l->last_row, l->last_output) - l->first_row + 1;
    l->rows += k * (l->rows - s->stream.rows);
    l->outputs += k * (l->outputs - s->stream.outputs);
}

static void jump(struct machine *m, const struct snapshot *s, uint64_t k, unsigned depth)
{
    struct fold *f = m->fold;
    struct thread *accel = &m->thread[THREAD_ACCEL];
    uint64_t ticks = machine_time(m) - s->time;
    uint64_t iterations = accel->idx[depth] - s->thread[THREAD_ACCEL].idx[depth];
    int64_t step = f->layer_step[accel->frame[depth].pc] * (int64_t)iterations;
    for (unsigned i = 0; i < f->n_totals; i++)
        m->total[i] += (m->total[i] - s->total[i]) * k;
    for (unsigned t = 0; t < m->prog->n_tokens; t++)
        m->token[t] += (uint32_t)(k * (m->token[t] - s->token[t]));
    for (unsigned i = 0; i < N_LEFT; i++)
        *f->left[i] -= k * (s->left[i] - *f->left[i]);
    multiply_layers(m, s, k, (uint64_t)step, ticks);
    multiply_stream(m, s, k, ticks);
    advance(accel, &s->thread[THREAD_ACCEL], k);
    advance(&m->thread[THREAD_HOST], &s->thread[THREAD_HOST], k);
    m->skipped += k * ticks;
}

/* Only the loop that the sequencer is in has moved on, or nothing has. */
static bool only_moved(const struct thread *old, const struct thread *now, unsigned depth)
{
    for (unsigned d = 0; d < depth; d++)
        if (old->idx[d] != now->idx[d] || old->frame[d].pc != now->frame[d].pc)
            return false;
    return old->depth == now->depth && now->idx[depth] >= old->idx[depth];
}

bool fold_periods(struct machine *m)
{
    struct fold *f = m->fold;
    const struct thread *accel = &m->thread[THREAD_ACCEL];
    if (!accel->depth || !f->node || (m->sequencer->step_cycles && !f->at_end))
        return false;
    unsigned d = accel->depth - 1;
    const struct loop_frame *frame = &accel->frame[d];
    if (frame->trips < 4 || !f->modulus[THREAD_ACCEL][frame->pc])
        return false;
    struct snapshot *s = &f->snap[d];
    const struct thread *old = &s->thread[THREAD_ACCEL];
    if (!s->valid || old->frame[d].pc != frame->pc || !only_moved(old, accel, d)) {
        s->valid = false;
        f->seen[d] = 0;
    } else if (s->node == f->node && accel->idx[d] > old->idx[d]) {
        uint64_t k = periods(m, s);
        if (k > 0 && k != UINT64_MAX) {
            jump(m, s, k, d);
            s->valid = false;
            f->seen[d] = 0;
            return true;
        }
    }
    f->seen[d]++;
    if (!(f->seen[d] & (f->seen[d] - 1)) && frame->trips - accel->idx[d] > LEAST_AHEAD)
        save(m, s);
    return false;
}
