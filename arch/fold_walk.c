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
    const struct token_rule *t = &m->fold->graph->tokens.v[e->tokens];
    for (unsigned n = e->n_tokens; n; n--, t++)
        if (m->token[t->token] < t->low || m->token[t->token] > t->high)
            return false;
    return true;
}

static uint64_t value_of(const struct machine *m, unsigned id)
{
    if (id < N_LEFT)
        return *m->fold->left[id];
    if (id == HOST_SLEEPS)
        return 0;
    return id < SAME_TOKENS ? fold_page_at(m, id - SAME_PAGE) : fold_head_tokens(m, id - SAME_TOKENS);
}

static struct token_rule rule_of(const struct machine *m, const struct edge *e, uint16_t token)
{
    const struct token_rule *t = &m->fold->graph->tokens.v[e->tokens];
    for (unsigned n = e->n_tokens; n; n--, t++)
        if (t->token == token)
            return *t;
    return (struct token_rule){.token = token};
}

/* Times in a row, up to `k`, that an edge may be taken before the host wakes. */
static uint64_t host_sleeps(const struct machine *m, const struct edge *e, uint64_t k)
{
    const struct cmd *c = &m->prog->cmds[THREAD_HOST][m->thread[THREAD_HOST].pc];
    struct token_rule t = rule_of(m, e, c->token);
    uint64_t most = (uint64_t)m->token[c->token] + t.posts;
    if (most >= c->count)
        return 0;
    return t.delta > 0 ? min64(k, (c->count - 1 - most) / (uint64_t)t.delta + 1) : k;
}

static bool left_fits(const struct machine *m, const struct edge *e)
{
    const struct left_rule *l = &m->fold->graph->lefts.v[e->left];
    for (unsigned n = e->n_left; n; n--, l++) {
        if (l->id == HOST_SLEEPS && !host_sleeps(m, e, 1))
            return false;
        uint64_t v = value_of(m, l->id);
        if (l->exact ? v != l->low : v < l->low)
            return false;
    }
    return true;
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
    const struct step *s = &m->fold->graph->steps.v[e->steps];
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
    const struct left_rule *l = &m->fold->graph->lefts.v[e->left];
    for (unsigned n = e->n_left; n; n--, l++)
        if (l->id < N_LEFT) {
            uint64_t *v = m->fold->left[l->id];
            *v = l->set ? l->take : *v - k * l->take;
        }
}

static void move_transfers(struct machine *m, const struct edge *e, const struct effects *out)
{
    const struct step *s = &m->fold->graph->steps.v[e->steps];
    const struct transfer_ahead *t = out->transfer;
    for (unsigned n = e->plain ? 0 : e->n_steps; n; n--, s++) {
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
    if (e->stream == NO_GUARD)
        return;
    const struct stream_rule *r = &m->fold->graph->streams.v[e->stream];
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
    const uint64_t *at = &m->fold->graph->marks.v[e->marks];
    for (unsigned i = 0; i < out->n_marks; i++)
        m->mark[m->marks_in++ % N_MARKS] = out->marks[i];
    for (unsigned n = e->n_marks; n; n--, at++) {
        uint64_t layer = m->mark[m->marks_out % N_MARKS];
        *POOL_ADD(&m->fold->done, 1) = (struct mark){layer, since + *at - m->layer_last};
        layer_done(m, since + *at);
    }
}

static void take(struct machine *m, const struct edge *e, const struct effects *out, uint64_t k)
{
    struct fold *f = m->fold;
    uint64_t since = machine_time(m);
    const struct sum *s = &f->graph->sums.v[e->sums];
    for (unsigned n = e->n_sums; n; n--, s++)
        m->total[s->at] += k * s->n;
    m->macs += out->useful;
    m->macs_issued += out->useful_issued;
    const struct token_rule *t = &f->graph->tokens.v[e->tokens];
    for (unsigned i = 0; i < e->n_tokens; i++)
        m->token[t[i].token] += (uint32_t)((int64_t)k * t[i].delta);
    move_transfers(m, e, out);
    move_left(m, e, k);
    move_stream(m, e, since, k);
    m->skipped += k * e->ticks;
    finish_layers(m, e, out, since);
    fold_book(m, t, e->n_tokens, &f->graph->lefts.v[e->left], e->n_left);
}

/* ---- edges from a node to itself ---- */

static uint64_t left_repeats(const struct machine *m, const struct edge *e)
{
    uint64_t k = UINT64_MAX, page = m->hyperram_cfg->burst_bytes;
    const struct left_rule *l = &m->fold->graph->lefts.v[e->left];
    for (unsigned n = e->n_left; n; n--, l++) {
        uint64_t v = value_of(m, l->id);
        if (l->id == HOST_SLEEPS)
            k = host_sleeps(m, e, k);
        if (l->id >= N_LEFT || (l->set ? l->take == v : l->take == 0))
            continue;
        if (l->set || l->exact || (l->paged && l->take % page))
            return 1;
        k = min64(k, (v - l->low) / l->take + 1);
    }
    return k;
}

/* How often a plain edge that fits once can be taken in a row. */
static uint64_t repeats(struct machine *m, const struct edge *e)
{
    const struct graph *g = m->fold->graph;
    const struct token_rule *t = &g->tokens.v[e->tokens];
    const struct thread *a = &m->thread[THREAD_ACCEL];
    uint64_t k = left_repeats(m, e);
    if (e->n_steps && g->steps.v[e->steps].kind != STEP_ITERATE)
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

static uint32_t find(struct machine *m, struct effects *out, uint64_t *k)
{
    struct fold *f = m->fold;
    struct graph *g = f->graph;
    if (f->node == NO_NODE || (m->streams && !streams_steady(m)))
        return NO_EDGE;
    for (uint32_t i = g->nodes.v[f->node].edges, before = NO_EDGE; i != NO_EDGE; i = g->edges.v[i].next) {
        struct edge *e = &g->edges.v[i];
        uint32_t last = before;
        before = i;
        if (!places_fit(m, e) || !tokens_fit(m, e) || !left_fits(m, e))
            continue;
        *k = e->plain && e->to == f->node ? repeats(m, e) : 1;
        out->useful = out->useful_issued = 0;
        out->n_marks = out->n_transfers = 0;
        if (!*k || !steps_fit(m, e, out))
            continue;
        if (last != NO_EDGE) { /* the likeliest next time */
            g->edges.v[last].next = e->next;
            e->next = g->nodes.v[f->node].edges;
            g->nodes.v[f->node].edges = i;
        }
        return i;
    }
    return NO_EDGE;
}

bool walk_edge(struct machine *m)
{
    struct effects out;
    uint64_t k;
    uint32_t i = find(m, &out, &k);
    if (i == NO_EDGE)
        return false;
    const struct edge *e = &m->fold->graph->edges.v[i];
    struct thread *a = &m->thread[THREAD_ACCEL];
    if (k > 1 && e->n_steps && m->fold->graph->steps.v[e->steps].kind == STEP_ITERATE)
        a->idx[a->depth - 1] += k - 1;
    take(m, e, &out, k);
    m->fold->node = e->to;
    m->fold->at_end = m->fold->graph->nodes.v[e->to].at_end;
    return true;
}

uint32_t walk_find(struct machine *m)
{
    struct effects out;
    struct thread before[N_THREADS];
    uint64_t k;
    memcpy(before, m->thread, sizeof before);
    uint32_t i = find(m, &out, &k);
    memcpy(m->thread, before, sizeof before);
    return i;
}
