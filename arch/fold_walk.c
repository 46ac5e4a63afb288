/* Following an edge: what was recorded happens again, without the machine. Only
 * what counts is moved on: threads, tokens, transfers, totals and time. */
#include "arch/fold_impl.h"
#include "arch/udma.h"

#include "base/arena.h"
#include "base/num.h"

struct transfer_ahead {
    const struct cmd *c;
    int64_t l2, ext;
};

/* What the steps of an edge do besides moving the threads; done once all of them fit. */
struct effects {
    uint64_t useful, useful_issued;
    uint64_t marks[MAX_EDGE_MARKS];
    unsigned n_marks, n_transfers;
    struct transfer_ahead transfer[MAX_EDGE_TRANSFERS];
};

static bool places_fit(const struct machine *m, const struct edge *e)
{
    for (unsigned th = 0; th < N_THREADS; th++)
        if (e->place[th] != NO_GUARD && e->place[th] != m->fold->place[th][m->thread[th].pc])
            return false;
    return true;
}

static bool tokens_fit(const struct machine *m, const struct edge *e)
{
    const struct token_rule *t = e->tokens;
    for (unsigned n = e->n_tokens; n; n--, t++)
        if (m->token[t->token] < t->low || m->token[t->token] > t->high)
            return false;
    return true;
}

static struct token_rule rule_of(const struct edge *e, uint16_t token)
{
    const struct token_rule *t = e->tokens;
    for (unsigned n = e->n_tokens; n; n--, t++)
        if (t->token == token)
            return *t;
    return (struct token_rule){.token = token};
}

/* Times in a row, up to `k`, that an edge may be taken before the host wakes. */
static uint64_t host_sleeps(const struct machine *m, const struct edge *e, uint64_t k)
{
    const struct cmd *c = &m->prog->cmds[THREAD_HOST][m->thread[THREAD_HOST].pc];
    struct token_rule t = rule_of(e, c->token);
    uint64_t most = (uint64_t)m->token[c->token] + t.posts;
    if (most >= c->count)
        return 0;
    return t.delta > 0 ? min64(k, (c->count - 1 - most) / (uint64_t)t.delta + 1) : k;
}

static bool left_fits(const struct machine *m, const struct edge *e)
{
    const struct left_rule *l = e->left;
    for (unsigned n = e->n_left; n; n--, l++)
        if (*m->fold->left[l->id] - l->low > l->over)
            return false;
    return true;
}

static bool same_fits(const struct machine *m, const struct edge *e)
{
    const struct same_rule *s = e->same;
    for (unsigned n = e->n_same; n; n--, s++)
        if (s->value != (s->id < SAME_TOKENS ? fold_page_at(m, s->id - SAME_PAGE)
                                             : fold_head_tokens(m, s->id - SAME_TOKENS)))
            return false;
    return !e->host_sleeps || host_sleeps(m, e, 1);
}

static bool transfer_fits(const struct machine *m, const struct thread *t, const struct step *s,
                          struct effects *out)
{
    const struct cmd *c = &m->prog->cmds[THREAD_HOST][t->pc];
    int64_t l2 = aff_eval(&c->addr, t->idx, t->depth) + l2_part(m, t, c);
    int64_t ext = aff_eval(&c->ext, t->idx, t->depth);
    out->transfer[out->n_transfers++] = (struct transfer_ahead){c, l2, ext};
    return (uint64_t)l2 % (4 * m->tcdm_cfg->banks) == s->value &&
           (uint64_t)ext % m->hyperram_cfg->burst_bytes == s->value2;
}

/* Takes a step; false when it does not go as recorded. */
static bool step_fits(struct machine *m, const struct step *s, struct effects *out)
{
    struct thread *t = &m->thread[s->thread];
    t->pc += s->skip;
    const struct cmd *c = &m->prog->cmds[s->thread][t->pc];
    switch ((enum step_kind)s->kind) {
    case STEP_ITERATE: case STEP_LEAVE:
        return thread_iterate(t) == (s->kind == STEP_ITERATE) && m->fold->place[s->thread][t->pc] == s->value;
    case STEP_ENTER: return thread_enter(t, c);
    case STEP_SKIP: return !thread_enter(t, c);
    case STEP_RING:
        t->part[c->l2ring]++;
        t->pc++;
        return true;
    case STEP_BANK:
        return (uint64_t)(aff_eval(&c->addr, t->idx, t->depth) + l2_part(m, t, c)) %
               (4 * m->tcdm_cfg->banks) == s->value;
    case STEP_ROWS: return (uint32_t)aff_eval(&c->rows_aff, t->idx, t->depth) == s->value;
    case STEP_USEFUL: {
        uint64_t macs = (uint64_t)aff_eval(&c->useful, t->idx, t->depth);
        out->useful += macs;
        out->useful_issued += c->op == OP_RET_STEP ? macs : 0;
        return true;
    }
    case STEP_MARK:
        out->marks[out->n_marks++] = (uint64_t)aff_eval(&c->layer, t->idx, t->depth);
        return out->n_marks < MAX_EDGE_MARKS;
    case STEP_TRANSFER: return transfer_fits(m, t, s, out);
    case STEP_TRANSFER_END: case STEP_ADVANCE: return true;
    }
    return false;
}

static bool steps_fit(struct machine *m, const struct edge *e, struct effects *out)
{
    const struct step *s = e->steps;
    struct thread before[N_THREADS];
    if (!e->n_steps)
        return true;
    if (!s->skip && s->thread == THREAD_ACCEL && (s->kind == STEP_ITERATE || s->kind == STEP_LEAVE)) {
        const struct thread *t = &m->thread[THREAD_ACCEL]; /* at an END: cheaper than to go back */
        bool on = t->idx[t->depth - 1] + 1 < t->frame[t->depth - 1].trips;
        uint32_t pc = on ? t->frame[t->depth - 1].pc + 1 : t->pc + 1;
        if (on != (s->kind == STEP_ITERATE) || m->fold->place[THREAD_ACCEL][pc] != s->value)
            return false;
    }
    for (unsigned th = 0; th < N_THREADS; th++)
        if (e->undo[th])
            memcpy(&before[th], &m->thread[th], e->undo[th]);
    for (unsigned n = e->n_steps; n; n--, s++)
        if (!step_fits(m, s, out)) {
            for (unsigned th = 0; th < N_THREADS; th++)
                memcpy(&m->thread[th], &before[th], e->undo[th]);
            return false;
        }
    return true;
}

/* ---- what an edge does, k times ---- */

static void move_left(struct machine *m, const struct edge *e, uint64_t k)
{
    const struct left_rule *l = e->left;
    for (unsigned n = e->n_left; n; n--, l++) {
        uint64_t *v = m->fold->left[l->id];
        *v = l->set ? l->take : *v - k * l->take;
    }
}

static void move_transfers(struct machine *m, const struct edge *e, const struct effects *out)
{
    const struct step *s = e->steps;
    const struct transfer_ahead *t = out->transfer;
    for (unsigned n = e->n_steps; n; n--, s++) {
        if (s->kind == STEP_TRANSFER_END)
            udma_next_transfer(m, s->value);
        else if (s->kind == STEP_TRANSFER) {
            udma_append(m, t->c, t->l2, t->ext);
            t++;
        }
    }
}

static void move_stream(struct machine *m, const struct edge *e, uint64_t since, uint64_t k)
{
    const struct stream_rule *r = e->stream;
    struct stream_layer *l = streams_steady(m);
    uint64_t start = since - m->origin + (k - 1) * e->ticks, cycle = start / m->soc_ticks;
    l->rows += k * r->rows;
    l->outputs += k * r->outputs;
    if (r->rows)
        l->last_row = cycle + r->last_row;
    if (r->outputs)
        l->last_output = cycle + r->last_output;
    if (r->rows || r->outputs)
        l->cycles = max64(l->last_row, l->last_output) - l->first_row + 1;
}

static void finish_layers(struct machine *m, const struct edge *e, const struct effects *out, uint64_t since)
{
    const uint64_t *at = e->marks;
    for (unsigned i = 0; i < out->n_marks; i++)
        m->mark[m->marks_in++ % N_MARKS] = out->marks[i];
    for (unsigned n = e->n_marks; n; n--, at++) {
        uint64_t layer = m->mark[m->marks_out % N_MARKS];
        *POOL_ADD(&m->fold->done, 1) = (struct mark){layer, since + *at - m->layer_last};
        layer_done(m, since + *at);
    }
}

/* What is likely to be looked at next is fetched while this edge is booked: graphs are larger than caches. */
static void fetch_ahead(const struct edge *e)
{
    enum { LINE_BYTES = 64, LINES = 5 }; /* the edge, and mostly what says whether it fits */
    for (unsigned i = 0; e && i < LINES; i++)
        __builtin_prefetch((const char *)e + i * LINE_BYTES);
}

static void take(struct machine *m, const struct edge *e, const struct effects *out, uint64_t k)
{
    uint64_t since = machine_time(m);
    const struct sum *s = e->sums;
    fetch_ahead(e->to->edges);
    if (k == 1) /* nearly always */
        for (unsigned n = e->n_sums; n; n--, s++)
            m->total[s->at] += s->n;
    else
        for (unsigned n = e->n_sums; n; n--, s++)
            m->total[s->at] += k * s->n;
    const struct token_rule *t = e->tokens;
    for (unsigned i = 0; i < e->n_tokens; i++)
        m->token[t[i].token] += (uint32_t)((int64_t)k * t[i].delta);
    if (!e->plain) {
        m->macs += out->useful;
        m->macs_issued += out->useful_issued;
        move_transfers(m, e, out);
    }
    move_left(m, e, k);
    if (e->stream)
        move_stream(m, e, since, k);
    m->skipped += k * e->ticks;
    if (e->n_marks | out->n_marks)
        finish_layers(m, e, out, since);
    fold_book(m, t, e->n_tokens, e->left, e->n_left);
}

/* ---- edges from a node to itself ---- */

static uint64_t left_repeats(const struct machine *m, const struct edge *e)
{
    uint64_t k = UINT64_MAX, page = m->hyperram_cfg->burst_bytes;
    const struct left_rule *l = e->left;
    for (unsigned n = e->n_left; n; n--, l++) {
        uint64_t v = *m->fold->left[l->id];
        if (l->set ? l->take == v : l->take == 0)
            continue;
        if (l->event || (l->paged && l->take % page))
            return 1;
        k = min64(k, (v - l->low) / l->take + 1);
    }
    return e->host_sleeps ? host_sleeps(m, e, k) : k;
}

/* How often a plain edge that fits once can be taken in a row. */
static uint64_t repeats(struct machine *m, const struct edge *e)
{
    const struct token_rule *t = e->tokens;
    const struct thread *a = &m->thread[THREAD_ACCEL];
    uint64_t k = left_repeats(m, e);
    if (e->n_steps && e->steps[0].kind != STEP_ITERATE)
        return 1; /* the thread is elsewhere afterwards, if only before an equal command */
    if (e->n_steps)
        k = min64(k, a->frame[a->depth - 1].trips - 1 - a->idx[a->depth - 1]);
    for (unsigned n = e->n_tokens; n; n--, t++) {
        uint64_t v = m->token[t->token];
        if (t->delta > 0 && t->high != UINT32_MAX)
            k = min64(k, (t->high - v) / (uint64_t)t->delta + 1);
        if (t->delta < 0)
            k = min64(k, (v - t->low) / (uint64_t)-(int64_t)t->delta + 1);
    }
    return k == UINT64_MAX ? 1 : k;
}

static const struct edge *find(struct machine *m, struct effects *out, uint64_t *k)
{
    struct fold *f = m->fold;
    if (!f->node || (m->streams && !streams_steady(m)))
        return NULL;
    struct edge **from = &f->node->edges;
    for (struct edge *e; (e = *from); from = &e->next) {
        if (!places_fit(m, e) || !tokens_fit(m, e) || !left_fits(m, e) || !same_fits(m, e))
            continue;
        *k = e->plain && e->to == f->node ? repeats(m, e) : 1;
        out->useful = out->useful_issued = 0;
        out->n_marks = out->n_transfers = 0;
        if (!*k || !steps_fit(m, e, out))
            continue;
        *from = e->next; /* the likeliest next time */
        e->next = f->node->edges;
        f->node->edges = e;
        return e;
    }
    return NULL;
}

bool walk_edge(struct machine *m)
{
    struct effects out;
    uint64_t k;
    const struct edge *e = find(m, &out, &k);
    if (!e)
        return false;
    struct thread *a = &m->thread[THREAD_ACCEL];
    if (k > 1 && e->n_steps && e->steps[0].kind == STEP_ITERATE)
        a->idx[a->depth - 1] += k - 1;
    take(m, e, &out, k);
    m->fold->node = e->to;
    m->fold->at_end = e->to->at_end;
    return true;
}

const struct edge *walk_find(struct machine *m)
{
    struct effects out;
    struct thread before[N_THREADS];
    uint64_t k;
    memcpy(before, m->thread, sizeof before);
    const struct edge *e = find(m, &out, &k);
    memcpy(m->thread, before, sizeof before);
    return e;
}
