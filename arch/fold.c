/* Exact folding. At the end of each iteration of a sequencer loop the machine's
 * relative state is compared with one saved state (Brent: re-saved at powers of
 * two). When they are equal byte for byte, the iterations in between are a
 * period: as many whole periods as both threads still have iterations for are
 * multiplied out into the counters. The conditions are those of
 * facts/engineering.md section 4.1; the sequencer is the most advanced stage, so
 * nothing looks past the loop that it is in. Time is not moved: `skipped` counts
 * what was jumped over. */
#include "arch/machine.h"

#include "base/arena.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_WORDS = (PROG_MAX_TOKENS + 63) / 64 };

struct snapshot {
    bool valid;
    struct text state;
    struct thread thread[N_THREADS];
    uint32_t token[PROG_MAX_TOKENS];
    uint64_t time; /* ticks, skipped ones included */
    uint64_t counter[MAX_COUNTERS], macs, macs_issued, traffic[N_TENSOR_KINDS][4], cause[N_CAUSES];
    uint64_t layer_cycles[MAX_LAYERS], layer_marks, layer_pending;
    struct stream_layer open;
};

/* A period that was seen: the machine at its two ends, which are the same in
 * relative terms. The loop's next instance need not find it again. */
struct period {
    struct snapshot from, to;
};

struct fold {
    struct event event;
    unsigned depth;     /* of the outermost loop with an iteration that ended in this cycle */
    uint32_t pc;        /* of its REPEAT */
    struct text state;  /* scratch */
    struct snapshot snap[PROG_MAX_DEPTH];
    uint64_t seen[PROG_MAX_DEPTH]; /* boundaries since the loop was entered */
    uint64_t *modulus[N_THREADS];  /* by pc of a REPEAT; 0: never fold */
    uint64_t (*waits[N_THREADS])[TOKEN_WORDS]; /* by pc of a REPEAT: tokens its body waits for */
    struct period **kept;          /* by pc of an accel REPEAT, NULL until one is known */
    struct snapshot scratch;
    int64_t *layer_step;           /* by pc of an accel REPEAT: layers an iteration advances marks by */
};

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
    if (m->streams_cfg->feed == FEED_PORT)
        return 0; /* a job is too much state, and all too short */
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

static void put(struct text *out, uint64_t v)
{
    text_addn(out, (const char *)&v, sizeof v);
}

static void put_unit(const struct machine *m, const struct hw_unit *u, struct text *out)
{
    uint64_t line = 4 * m->tcdm_cfg->banks;
    const struct thread *t = &m->thread[THREAD_ACCEL];
    put(out, u->n | (uint64_t)u->busy << 8 | (uint64_t)u->active << 9 | (uint64_t)(u->blocked + 1) << 10 |
                 (uint64_t)u->n_commits << 20);
    put(out, u->drain_until > m->now ? u->drain_until - m->now : 0);
    for (unsigned i = 0; i < u->n; i++) {
        const struct issued *is = &u->q[(u->head + i) % QUEUE_MAX];
        uint64_t addr = (uint64_t)is->addr % line;
        if (is->c->op == OP_MARK)
            addr = (uint64_t)(is->addr - aff_eval(&is->c->layer, t->idx, t->depth));
        put(out, is->pc | (uint64_t)is->rows << 32);
        put(out, m->next_seq - is->seq);
        put(out, addr);
        const struct cmd *c = is->c;
        put(out, c->src.ring == RING_NONE ? 0 : m->ring[c->src.ring].allocs - is->src);
        put(out, c->src2.ring == RING_NONE ? 0 : m->ring[c->src2.ring].allocs - is->src2);
        put(out, c->set.ring == RING_NONE ? 0 : m->ring[c->set.ring].allocs - is->set);
        put(out, c->dst.ring == RING_NONE ? 0 : m->ring[c->dst.ring].allocs - is->dst);
    }
    for (unsigned i = 0; i < u->n_commits; i++) {
        const struct commit *k = &u->commits[(u->commit_head + i) % N_COMMITS];
        put(out, k->at - m->now);
        put(out, k->c->dst.ring == RING_NONE ? 0 : m->ring[k->c->dst.ring].allocs - k->dst);
        put(out, (uint64_t)(k->c - m->prog->cmds[THREAD_ACCEL]));
    }
}

static void put_events(const struct machine *m, struct text *out)
{
    const struct event *order[MAX_EVENTS];
    unsigned n = 0;
    for (unsigned i = 0; i < m->n_events; i++) {
        const struct event *e = m->events[i];
        if (!e->queued)
            continue;
        unsigned k = n++;
        for (; k > 0; k--) {
            const struct event *o = order[k - 1];
            if (o->t != e->t ? o->t < e->t : o->phase != e->phase ? o->phase < e->phase : o->seq < e->seq)
                break;
            order[k] = o;
        }
        order[k] = e;
    }
    for (unsigned i = 0; i < n; i++)
        put(out, (order[i]->t - m->now) << 16 | (uint64_t)order[i]->phase << 8 | order[i]->id);
}

/* Everything that the future depends on, in relative quantities. */
static void machine_state(const struct machine *m, struct text *out)
{
    uint64_t line = 4 * m->tcdm_cfg->banks;
    out->len = 0;
    put(out, m->now % m->periph_ticks);
    put(out, (uint64_t)m->acct_cause << 32 | m->acct_conflicts);
    for (unsigned r = 0; r < N_RINGS; r++) {
        const struct ring *g = &m->ring[r];
        /* Slots are alike: they are told apart by who gets them next, not by place. */
        for (uint64_t a = g->allocs; a < g->allocs + g->n_slots; a++) {
            const struct slot *s = &g->slot[a % g->n_slots];
            put(out, (a / g->n_slots - s->lifetimes) << 8 | s->stage);
        }
    }
    for (unsigned th = 0; th < N_THREADS; th++)
        for (unsigned r = 0; r < m->prog->n_l2rings; r++)
            if (m->prog->l2rings[r].stride % line) /* else every part begins in the same bank */
                put(out, m->thread[th].part[r] % m->prog->l2rings[r].parts);
    for (unsigned u = 0; u < N_UNITS; u++)
        put_unit(m, &m->unit[u], out);
    for (unsigned i = 0; arch_classes[i]; i++)
        if (arch_classes[i]->state)
            arch_classes[i]->state(m, out);
    put_events(m, out);
}

static void save(struct machine *m, struct snapshot *s, const struct text *state)
{
    s->valid = true;
    s->state.len = 0;
    text_addn(&s->state, state->s, state->len);
    memcpy(s->thread, m->thread, sizeof s->thread);
    memcpy(s->token, m->token, sizeof s->token);
    s->time = m->now + m->skipped;
    memcpy(s->counter, m->counter, sizeof s->counter);
    s->macs = m->macs;
    s->macs_issued = m->macs_issued;
    memcpy(s->traffic, m->traffic, sizeof s->traffic);
    memcpy(s->cause, m->cause, sizeof s->cause);
    memcpy(s->layer_cycles, m->layer_cycles, sizeof s->layer_cycles);
    s->layer_marks = m->layer_marks;
    s->layer_pending = m->now - m->layer_last;
    if (m->streams)
        s->open = streams_open(m);
}

/* How often the period from `old` to `now` fits into what is left of a thread;
 * UINT64_MAX when the thread stands still, 0 when this is no period. */
static uint64_t periods_left(const uint64_t *modulus, const struct thread *old, const struct thread *now)
{
    if (old->depth != now->depth)
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

/* The loop level at which a thread moved between two positions; -1: it did not. */
static int moved_level(const struct thread *old, const struct thread *now)
{
    for (unsigned d = 0; d < now->depth; d++)
        if (old->idx[d] != now->idx[d])
            return (int)d;
    return -1;
}

static bool waited(const struct machine *m, enum thread_id th, const struct thread *old, unsigned token)
{
    const struct thread *now = &m->thread[th];
    int level = moved_level(old, now);
    return level >= 0 && m->fold->waits[th][now->frame[level].pc][token / 64] >> (token % 64) & 1;
}

/* Credits that a loop only piles up for somebody behind it do not shape what
 * happens inside: they grow by the period's difference. The period may not be
 * repeated so often that the host, asleep on such a token, would wake. */
static uint64_t token_periods(const struct machine *m, const struct snapshot *s)
{
    uint64_t fit = UINT64_MAX;
    const struct thread *host = &m->thread[THREAD_HOST];
    const struct cmd *sleep = &m->prog->cmds[THREAD_HOST][host->pc];
    for (unsigned t = 0; t < m->prog->n_tokens; t++) {
        if (m->token[t] == s->token[t])
            continue;
        if (m->token[t] < s->token[t] || waited(m, THREAD_ACCEL, &s->thread[THREAD_ACCEL], t) ||
            waited(m, THREAD_HOST, &s->thread[THREAD_HOST], t))
            return 0;
        if (sleep->op != OP_WAIT || sleep->token != t)
            continue;
        if (m->token[t] >= sleep->count)
            return 0;
        uint64_t k = (sleep->count - 1 - m->token[t]) / (m->token[t] - s->token[t]);
        fit = k < fit ? k : fit;
    }
    return fit;
}

static void multiply(uint64_t *v, const uint64_t *old, size_t n, uint64_t k)
{
    for (size_t i = 0; i < n; i++)
        v[i] += (v[i] - old[i]) * k;
}

static void advance(struct thread *now, const struct thread *old, uint64_t k)
{
    for (unsigned d = 0; d < now->depth; d++)
        now->idx[d] += (now->idx[d] - old->idx[d]) * k;
}

/* Layers that the period advances by: the skipped ones took as long. */
static void multiply_layers(struct machine *m, const struct snapshot *s, uint64_t k, uint64_t step)
{
    uint64_t delta[MAX_LAYERS];
    for (unsigned i = 0; i < MAX_LAYERS; i++)
        delta[i] = m->layer_cycles[i] - s->layer_cycles[i];
    for (uint64_t j = 1; j <= k; j++)
        for (uint64_t i = 0; i + j * step < MAX_LAYERS; i++)
            m->layer_cycles[i + j * step] += delta[i];
    if (step == 0)
        return;
    for (unsigned u = 0; u < N_UNITS; u++)
        for (unsigned i = 0; i < m->unit[u].n; i++) {
            struct issued *is = &m->unit[u].q[(m->unit[u].head + i) % QUEUE_MAX];
            if (is->c->op == OP_MARK)
                is->addr += (int64_t)(k * step);
        }
}

static void jump(struct machine *m, const struct snapshot *s, uint64_t k, unsigned depth)
{
    struct thread *accel = &m->thread[THREAD_ACCEL];
    uint64_t ticks = m->now + m->skipped - s->time;
    uint64_t iterations = accel->idx[depth] - s->thread[THREAD_ACCEL].idx[depth];
    int64_t step = m->fold->layer_step[accel->frame[depth].pc] * (int64_t)iterations;
    multiply(m->counter, s->counter, m->n_counters, k);
    multiply(&m->macs, &s->macs, 1, k);
    multiply(&m->macs_issued, &s->macs_issued, 1, k);
    multiply(&m->traffic[0][0], &s->traffic[0][0], sizeof s->traffic / sizeof s->traffic[0][0], k);
    multiply(m->cause, s->cause, N_CAUSES, k);
    if (m->layer_marks == s->layer_marks)
        m->layer_last -= k * ticks; /* may wrap below zero: differences stay right */
    else
        multiply_layers(m, s, k, (uint64_t)step);
    multiply(&m->layer_marks, &s->layer_marks, 1, k);
    for (unsigned t = 0; t < m->prog->n_tokens; t++)
        m->token[t] += (uint32_t)(k * (m->token[t] - s->token[t]));
    if (m->streams)
        streams_repeat(m, &s->open, k, ticks);
    advance(accel, &s->thread[THREAD_ACCEL], k);
    advance(&m->thread[THREAD_HOST], &s->thread[THREAD_HOST], k);
    m->skipped += k * ticks;
}

static bool equal(const struct machine *m, const struct snapshot *s, const struct text *state)
{
    return s->state.len == state->len && !memcmp(s->state.s, state->s, state->len) &&
           (m->layer_marks == s->layer_marks || m->now - m->layer_last == s->layer_pending);
}

static void keep(struct machine *m, const struct snapshot *from, uint32_t pc, const struct text *state)
{
    struct period **k = &m->fold->kept[pc];
    if (!*k && !(*k = calloc(1, sizeof **k)))
        abort();
    struct text none = (*k)->from.state;
    (*k)->from = *from;
    (*k)->from.state = none;
    save(m, &(*k)->to, state);
}

/* Whether addresses and shapes are the same at two places of a thread. */
static bool alike(const uint64_t *modulus, const struct thread *a, const struct thread *b)
{
    if (a->depth != b->depth || a->pc != b->pc)
        return false;
    for (unsigned d = 0; d < a->depth; d++) {
        uint64_t apart = a->idx[d] > b->idx[d] ? a->idx[d] - b->idx[d] : b->idx[d] - a->idx[d];
        if (a->frame[d].pc != b->frame[d].pc)
            return false;
        if (apart && (!modulus[a->frame[d].pc] || apart % modulus[a->frame[d].pc]))
            return false;
    }
    return true;
}

/* Tokens that the period waits for have the credits that they had. */
static bool same_credits(const struct machine *m, const struct period *p)
{
    for (unsigned t = 0; t < m->prog->n_tokens; t++)
        if (m->token[t] != p->to.token[t] &&
            (waited(m, THREAD_ACCEL, &p->from.thread[THREAD_ACCEL], t) ||
             waited(m, THREAD_HOST, &p->from.thread[THREAD_HOST], t)))
            return false;
    return true;
}

/* How far marks of the loop at pc have moved on since the period was seen. */
static int64_t layers_apart(const struct machine *m, uint32_t pc, const struct thread *then)
{
    const struct cmd *cmds = m->prog->cmds[THREAD_ACCEL];
    const struct thread *now = &m->thread[THREAD_ACCEL];
    int64_t apart = 0;
    for (uint32_t i = pc + 1; i < cmds[pc].match; i++) {
        if (cmds[i].op != OP_MARK)
            continue;
        for (unsigned d = 0; d < now->depth; d++)
            apart += cmds[i].layer.k[d] * ((int64_t)now->idx[d] - (int64_t)then->idx[d]);
        return apart;
    }
    return 0;
}

static void step_back(uint64_t *out, const uint64_t *now, const uint64_t *from, const uint64_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = now[i] - (to[i] - from[i]);
}

/* The machine as it would have been a period ago. */
static void rewind_to(struct machine *m, const struct period *p, uint32_t pc, struct snapshot *s)
{
    const struct snapshot *from = &p->from, *to = &p->to;
    int64_t apart = layers_apart(m, pc, &to->thread[THREAD_ACCEL]);
    for (int th = 0; th < N_THREADS; th++) {
        s->thread[th] = m->thread[th];
        step_back(s->thread[th].idx, m->thread[th].idx, from->thread[th].idx, to->thread[th].idx,
                  m->thread[th].depth);
    }
    for (unsigned t = 0; t < m->prog->n_tokens; t++)
        s->token[t] = m->token[t] - (to->token[t] - from->token[t]);
    s->time = m->now + m->skipped - (to->time - from->time);
    step_back(s->counter, m->counter, from->counter, to->counter, m->n_counters);
    step_back(&s->macs, &m->macs, &from->macs, &to->macs, 1);
    step_back(&s->macs_issued, &m->macs_issued, &from->macs_issued, &to->macs_issued, 1);
    step_back(&s->traffic[0][0], &m->traffic[0][0], &from->traffic[0][0], &to->traffic[0][0],
              sizeof s->traffic / sizeof s->traffic[0][0]);
    step_back(s->cause, m->cause, from->cause, to->cause, N_CAUSES);
    step_back(&s->layer_marks, &m->layer_marks, &from->layer_marks, &to->layer_marks, 1);
    memcpy(s->layer_cycles, m->layer_cycles, sizeof s->layer_cycles);
    for (int64_t i = 0; i < MAX_LAYERS; i++)
        if (i + apart >= 0 && i + apart < MAX_LAYERS)
            s->layer_cycles[i + apart] -= to->layer_cycles[i] - from->layer_cycles[i];
}

/* Periods that are left when `s` was one period ago; 0 or UINT64_MAX: none. */
static uint64_t periods_from(const struct machine *m, const struct snapshot *s)
{
    const struct fold *f = m->fold;
    uint64_t k = UINT64_MAX;
    for (int th = 0; th < N_THREADS; th++)
        k = min64(k, periods_left(f->modulus[th], &s->thread[th], &m->thread[th]));
    return min64(k, token_periods(m, s));
}

/* Jumps by a period that an earlier instance of the loop went through. */
static bool jump_again(struct machine *m, unsigned d, const struct text *state)
{
    struct fold *f = m->fold;
    uint32_t pc = m->thread[THREAD_ACCEL].frame[d].pc;
    const struct period *p = f->kept[pc];
    if (!p || !equal(m, &p->to, state) || !same_credits(m, p))
        return false;
    for (int th = 0; th < N_THREADS; th++)
        if (!alike(f->modulus[th], &p->to.thread[th], &m->thread[th]))
            return false;
    rewind_to(m, p, pc, &f->scratch);
    uint64_t k = periods_from(m, &f->scratch);
    if (k == 0 || k == UINT64_MAX)
        return false;
    jump(m, &f->scratch, k, d);
    return true;
}

static void observe(void *self, uint64_t now)
{
    struct machine *m = self;
    struct fold *f = m->fold;
    m->now = now;
    unsigned d = f->depth;
    const struct thread *accel = &m->thread[THREAD_ACCEL];
    struct snapshot *s = &f->snap[d];
    if (accel->depth <= d || accel->frame[d].pc != f->pc)
        return; /* left the loop in this very cycle */
    if (accel->idx[d] == 1 || (s->valid && accel->idx[d] < s->thread[THREAD_ACCEL].idx[d])) {
        s->valid = false;
        f->seen[d] = 0;
    }
    acct_sync(m);
    machine_state(m, &f->state);
    if (jump_again(m, d, &f->state)) {
        s->valid = false;
        f->seen[d] = 0;
        return;
    }
    bool moved = s->valid && moved_level(&s->thread[THREAD_ACCEL], accel) == (int)d;
    if (moved && equal(m, s, &f->state)) {
        uint64_t k = periods_from(m, s);
        keep(m, s, f->pc, &f->state);
        if (k > 0 && k != UINT64_MAX) {
            jump(m, s, k, d);
            s->valid = false;
            f->seen[d] = 0;
            return;
        }
    }
    f->seen[d]++;
    if (!(f->seen[d] & (f->seen[d] - 1)))
        save(m, s, &f->state);
}

void fold_boundary(struct machine *m, unsigned depth)
{
    struct fold *f = m->fold;
    if (!m->folding)
        return;
    const struct thread *t = &m->thread[THREAD_ACCEL];
    const struct loop_frame *frame = &t->frame[depth];
    if (frame->trips < 4 || !f->modulus[THREAD_ACCEL][frame->pc])
        return;
    /* Steps that take no time may pass several boundaries in a cycle. */
    if (f->event.queued && depth >= f->depth)
        return;
    f->depth = depth;
    f->pc = frame->pc;
    if (!f->event.queued)
        machine_post(m, &f->event, m->now, PHASE_OBSERVE);
}

static void find_waits(const struct machine *m, struct fold *f, enum thread_id th)
{
    const struct cmd *cmds = m->prog->cmds[th];
    f->waits[th] = xrealloc(NULL, m->prog->n[th] + 1, sizeof f->waits[th][0]);
    memset(f->waits[th], 0, (m->prog->n[th] + 1) * sizeof f->waits[th][0]);
    for (uint32_t pc = 0; pc < m->prog->n[th]; pc++)
        for (uint32_t i = pc + 1; cmds[pc].op == OP_REPEAT && i < cmds[pc].match; i++)
            if (cmds[i].op == OP_WAIT)
                f->waits[th][pc][cmds[i].token / 64] |= 1ull << (cmds[i].token % 64);
}

bool fold_init(struct machine *m, struct err *err)
{
    (void)err;
    struct fold *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    m->fold = f;
    f->event = (struct event){.fn = observe, .self = m};
    for (int th = 0; th < N_THREADS; th++) {
        f->modulus[th] = xrealloc(NULL, m->prog->n[th] + 1, sizeof *f->modulus[th]);
        for (uint32_t pc = 0; pc < m->prog->n[th]; pc++)
            f->modulus[th][pc] = m->prog->cmds[th][pc].op == OP_REPEAT ? modulus_of(m, th, pc) : 0;
    }
    for (int th = 0; th < N_THREADS; th++)
        find_waits(m, f, th);
    f->kept = calloc(m->prog->n[THREAD_ACCEL] + 1, sizeof *f->kept);
    if (!f->kept)
        abort();
    f->layer_step = xrealloc(NULL, m->prog->n[THREAD_ACCEL] + 1, sizeof *f->layer_step);
    for (uint32_t pc = 0; pc < m->prog->n[THREAD_ACCEL]; pc++)
        f->layer_step[pc] = m->prog->cmds[THREAD_ACCEL][pc].op == OP_REPEAT ? layer_step_of(m, pc) : 0;
    return true;
}

void fold_finish(struct machine *m)
{
    struct fold *f = m->fold;
    if (!f)
        return;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        text_finish(&f->snap[d].state);
    text_finish(&f->state);
    for (uint32_t pc = 0; pc < m->prog->n[THREAD_ACCEL]; pc++) {
        if (f->kept[pc])
            text_finish(&f->kept[pc]->to.state);
        free(f->kept[pc]);
    }
    free(f->kept);
    free(f->modulus[THREAD_ACCEL]);
    free(f->modulus[THREAD_HOST]);
    free(f->waits[THREAD_ACCEL]);
    free(f->waits[THREAD_HOST]);
    free(f->layer_step);
    free(f);
}
