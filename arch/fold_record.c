/* What happens between two boundaries, and for which other counts it would have
 * happened the same way. */
#include "arch/fold_impl.h"
#include "arch/udma.h"

#include "base/arena.h"
#include "base/num.h"

/* ---- quantities that only count ---- */

uint64_t fold_page_at(const struct machine *m, unsigned channel)
{
    struct channel *c = &m->udma->ch[channel];
    const struct transfer *t = channel_head(c);
    return c->n ? ((uint64_t)t->ext + t->bytes - c->ext_left) % m->hyperram_cfg->burst_bytes : 0;
}

uint32_t fold_head_tokens(const struct machine *m, unsigned channel)
{
    struct channel *c = &m->udma->ch[channel];
    return c->n ? channel_head(c)->c->token | (uint32_t)channel_head(c)->c->token2 << 16 : NO_GUARD;
}

static struct token_rule *rule_of(struct recording *r, uint16_t token)
{
    struct token_rule *t = &r->rule[token];
    if (!(r->seen[token / 64] >> (token % 64) & 1)) {
        r->seen[token / 64] |= 1ull << (token % 64);
        *t = (struct token_rule){.token = token, .high = UINT32_MAX, .short_of = UINT32_MAX};
    }
    return t;
}

/* The host's looks in vain become looks like any other's. */
static void close_sleep(struct recording *r)
{
    struct token_rule *t = rule_of(r, r->sleep.token);
    t->high = r->sleep.high < t->high ? r->sleep.high : t->high;
    t->short_of = r->sleep.short_of < t->short_of ? r->sleep.short_of : t->short_of;
    r->slept = false;
}

void fold_note_token(struct machine *m, uint16_t token, uint32_t n, bool has)
{
    struct recording *r = &m->fold->rec;
    struct token_rule *t = rule_of(r, token);
    int64_t limit = (int64_t)n - ((int64_t)m->token[token] - (int64_t)r->token[token]);
    if (has) {
        t->passed = true;
        if (limit > (int64_t)t->low)
            t->low = (uint32_t)limit;
        return;
    }
    if (limit - 1 < (int64_t)t->high)
        t->high = (uint32_t)(limit - 1);
    if (n < t->short_of)
        t->short_of = n;
}

void fold_note_post(struct machine *m, uint16_t token, uint32_t n)
{
    rule_of(&m->fold->rec, token)->posts += n;
}

void fold_note_host(struct machine *m, const struct cmd *wait, bool has)
{
    struct recording *r = &m->fold->rec;
    if (has) {
        r->went_on[THREAD_HOST] = true;
        fold_note_token(m, wait->token, wait->count, true);
        return;
    }
    if (r->slept && r->sleep.token != wait->token)
        close_sleep(r); /* it went on in between */
    int64_t delta = (int64_t)m->token[wait->token] - (int64_t)r->token[wait->token];
    uint32_t high = (uint32_t)((int64_t)wait->count - 1 - delta);
    if (!r->slept || high < r->sleep.high)
        r->sleep = (struct token_rule){.token = wait->token, .high = high, .short_of = wait->count};
    r->slept = true;
}

void fold_note_left(struct machine *m, enum left_id id, uint64_t left, uint64_t n, bool at_least)
{
    struct recording *r = &m->fold->rec;
    struct left_rule *l = &r->left[id];
    if (l->set || l->exact)
        return;
    uint64_t before = r->left_before[id];
    l->exact = !at_least;
    l->low = at_least ? max64(l->low, before - left + n) : before;
}

void fold_note_set(struct machine *m, enum left_id id)
{
    m->fold->rec.left[id].set = true;
}

static void same(struct recording *r, unsigned id, uint64_t value)
{
    r->left[id].exact = true;
    r->left[id].low = value;
}

void fold_note_burst(struct machine *m, unsigned channel)
{
    struct recording *r = &m->fold->rec;
    uint64_t page = m->hyperram_cfg->burst_bytes;
    if (!r->left[LEFT_EXT + channel].set) {
        uint64_t moved = r->left_before[LEFT_EXT + channel] - m->udma->ch[channel].ext_left;
        same(r, SAME_PAGE + channel, (fold_page_at(m, channel) + page - moved % page) % page);
        r->left[LEFT_EXT + channel].paged = true;
    }
    fold_note_set(m, LEFT_BURST);
    fold_at_part(m);
}

/* ---- threads ---- */

static struct step *add_step(struct machine *m, enum thread_id th, enum step_kind kind, uint32_t pc)
{
    struct recording *r = &m->fold->rec;
    uint32_t skip = pc - r->pc[th];
    r->pc[th] = pc;
    r->went_on[th] = true;
    if (r->n_steps == MAX_STEPS || skip > UINT16_MAX) {
        r->lost = true;
        return &r->steps[MAX_STEPS];
    }
    struct step *s = &r->steps[r->n_steps++];
    *s = (struct step){.kind = (uint8_t)kind, .thread = (uint8_t)th, .skip = (uint16_t)skip};
    return s;
}

/* Where the loop command was that the thread has just left behind. */
static uint32_t loop_pc(const struct machine *m, enum thread_id th, enum step_kind kind)
{
    const struct thread *t = &m->thread[th];
    const struct cmd *cmds = m->prog->cmds[th];
    switch (kind) {
    case STEP_ITERATE: return cmds[t->pc - 1].match;
    case STEP_SKIP: return cmds[t->pc - 1].match;
    default: return t->pc - 1;
    }
}

void fold_note_loop(struct machine *m, enum thread_id th, enum step_kind kind)
{
    struct step *s = add_step(m, th, kind, loop_pc(m, th, kind));
    if (kind == STEP_ITERATE || kind == STEP_LEAVE)
        s->value = m->fold->place[th][m->thread[th].pc];
    m->fold->rec.pc[th] = m->thread[th].pc;
}

void fold_note_dispatch(struct machine *m, const struct cmd *c, const struct issued *is)
{
    struct fold *f = m->fold;
    uint8_t dynamic = f->dynamic[THREAD_ACCEL][is->pc];
    const struct thread *t = &m->thread[THREAD_ACCEL];
    if (dynamic & DYNAMIC_BANK)
        add_step(m, THREAD_ACCEL, STEP_BANK, is->pc)->value =
            (uint32_t)((uint64_t)is->addr % (4 * m->tcdm_cfg->banks));
    if (dynamic & DYNAMIC_ROWS)
        add_step(m, THREAD_ACCEL, STEP_ROWS, is->pc)->value = is->rows;
    if (c->op == OP_MARK && !m->streams)
        add_step(m, THREAD_ACCEL, STEP_MARK, is->pc);
    if (dynamic & DYNAMIC_USEFUL) {
        uint64_t macs = (uint64_t)aff_eval(&c->useful, t->idx, t->depth);
        add_step(m, THREAD_ACCEL, STEP_USEFUL, is->pc);
        f->rec.useful += macs;
        f->rec.useful_issued += c->op == OP_RET_STEP ? macs : 0;
    }
}

void fold_note_transfer(struct machine *m, int64_t l2, int64_t ext)
{
    struct recording *r = &m->fold->rec;
    struct step *s = add_step(m, THREAD_HOST, STEP_TRANSFER, m->thread[THREAD_HOST].pc);
    s->value = (uint32_t)((uint64_t)l2 % (4 * m->tcdm_cfg->banks));
    s->value2 = (uint32_t)((uint64_t)ext % m->hyperram_cfg->burst_bytes);
    r->lost |= ++r->n_transfers > MAX_EDGE_TRANSFERS;
}

void fold_note_transfer_end(struct machine *m, unsigned channel)
{
    struct recording *r = &m->fold->rec;
    if (!r->left[LEFT_EXT + channel].set)
        same(r, SAME_TOKENS + channel, fold_head_tokens(m, channel));
    add_step(m, THREAD_HOST, STEP_TRANSFER_END, r->pc[THREAD_HOST])->value = channel;
}

/* ---- layers ---- */

void fold_note_mark(struct machine *m)
{
    struct recording *r = &m->fold->rec;
    uint64_t now = machine_time(m);
    *POOL_ADD(&m->fold->done, 1) = (struct mark){m->mark[m->marks_out % N_MARKS], now - m->layer_last};
    if (r->n_marks == MAX_EDGE_MARKS)
        r->lost = true;
    else
        r->marks[r->n_marks++] = now - r->since;
}

void fold_note_phase(struct machine *m)
{
    m->fold->rec.lost = true;
}

/* ---- from boundary to boundary ---- */

/* Ends of units that are far. */
static void see_units(struct machine *m)
{
    uint64_t horizon = m->now + NEAR_CYCLES * m->soc_ticks;
    for (unsigned u = 0; u < N_UNITS; u++) {
        const struct event *e = &m->unit[u].done;
        m->fold->ahead[u] = e->queued && e->t > horizon ? e->t - m->now : 0;
    }
}

void record_init(struct machine *m)
{
    struct fold *f = m->fold;
    for (unsigned i = 0; i < 2; i++) {
        f->left[LEFT_EXT + i] = &m->udma->ch[i].ext_left;
        f->left[LEFT_L2 + i] = &m->udma->ch[i].l2_left;
    }
    f->left[LEFT_BURST] = &m->udma->burst_left;
    for (unsigned i = 0; i < LEFT_LINES - LEFT_WORDS; i++) {
        f->left[LEFT_WORDS + i] = streamer_words_left(m, i);
        f->left[LEFT_LINES + i] = streamer_lines_left(m, i);
    }
    for (unsigned u = 0; u < N_UNITS; u++)
        f->left[LEFT_DONE + u] = &f->ahead[u];
    record_open(m);
}

void record_open(struct machine *m)
{
    struct fold *f = m->fold;
    struct recording *r = &f->rec;
    const struct stream_layer *s = m->streams ? streams_steady(m) : NULL;
    r->from = f->node;
    r->lost = m->streams && !s;
    r->since = machine_time(m);
    memcpy(r->total, m->total, f->n_totals * sizeof r->total[0]);
    r->useful = r->useful_issued = 0;
    r->n_steps = r->n_transfers = r->n_marks = 0;
    for (unsigned th = 0; th < N_THREADS; th++)
        r->pc[th] = r->first_pc[th] = m->thread[th].pc;
    memset(r->went_on, 0, sizeof r->went_on);
    r->slept = false;
    memset(r->seen, 0, sizeof r->seen);
    memcpy(r->token, m->token, m->prog->n_tokens * sizeof r->token[0]);
    memset(r->left, 0, sizeof r->left);
    see_units(m);
    for (unsigned i = 0; i < N_LEFT; i++)
        r->left_before[i] = *f->left[i];
    if (s)
        r->stream = *s;
}

void fold_book(struct machine *m, const struct token_rule *t, unsigned n, const struct left_rule *l,
               unsigned n_left)
{
    struct fold *f = m->fold;
    f->clock++;
    for (; n; n--, t++) {
        if (t->passed)
            f->passed_at[t->token] = f->clock;
        if (t->short_of != UINT32_MAX) {
            f->short_of[t->token] = t->short_of;
            f->short_at[t->token] = f->clock;
        }
    }
    for (; n_left; n_left--, l++)
        if (l->id < N_LEFT && (l->set || l->exact))
            f->left_events[l->id] = f->clock;
}

static unsigned close_tokens(struct machine *m, struct token_rule out[PROG_MAX_TOKENS])
{
    struct recording *r = &m->fold->rec;
    unsigned n = 0;
    for (uint16_t t = 0; t < m->prog->n_tokens; t++) {
        if (m->token[t] == r->token[t] && !(r->seen[t / 64] >> (t % 64) & 1))
            continue;
        struct token_rule *rule = rule_of(r, t);
        rule->delta = (int32_t)(m->token[t] - r->token[t]);
        out[n++] = *rule;
    }
    return n;
}

/* A unit that is still at work at the end, and far from being done, may take longer or
 * less long; any other end is an event. */
static void close_unit(struct machine *m, unsigned u)
{
    struct recording *r = &m->fold->rec;
    struct left_rule *l = &r->left[LEFT_DONE + u];
    uint64_t before = r->left_before[LEFT_DONE + u], now = m->fold->ahead[u];
    uint64_t ticks = machine_time(m) - r->since;
    if (now && now == before - ticks) { /* else it was done, if only just now */
        l->low = ticks + NEAR_CYCLES * m->soc_ticks + 1;
        return;
    }
    l->exact = before > 0;
    l->low = before;
    l->set = before || now;
}

/* The rules that say something, one after the other. */
static unsigned close_left(struct machine *m, struct left_rule out[N_RULES])
{
    struct fold *f = m->fold;
    unsigned n = 0;
    see_units(m);
    for (unsigned u = 0; u < N_UNITS; u++)
        close_unit(m, u);
    for (unsigned i = 0; i < N_RULES; i++) {
        struct left_rule *l = &f->rec.left[i];
        l->id = (uint8_t)i;
        if (i < N_LEFT)
            l->take = l->set ? *f->left[i] : f->rec.left_before[i] - *f->left[i];
        if (l->set || l->exact || l->low || l->take)
            out[n++] = *l;
    }
    return n;
}

static bool close_stream(struct machine *m, struct stream_rule *out)
{
    const struct stream_layer *l = streams_steady(m), *was = &m->fold->rec.stream;
    uint64_t since = (m->fold->rec.since - m->origin) / m->soc_ticks;
    if (!l)
        return false;
    *out = (struct stream_rule){l->rows - was->rows, l->outputs - was->outputs, l->last_row - since,
                                l->last_output - since};
    return true;
}

static void keep_sums(struct machine *m, struct edge *e)
{
    struct fold *f = m->fold;
    const struct recording *r = &f->rec;
    e->sums = (uint32_t)f->graph->sums.n;
    for (uint32_t i = 0; i < f->n_totals; i++) {
        uint64_t n = m->total[i] - r->total[i] - (i == 0 ? r->useful : i == 1 ? r->useful_issued : 0);
        if (n)
            *POOL_ADD(&f->graph->sums, 1) = (struct sum){i, n};
    }
    e->n_sums = (uint16_t)(f->graph->sums.n - e->sums);
}

static bool always_fits(enum step_kind kind)
{
    return kind == STEP_ADVANCE || kind == STEP_RING || kind == STEP_USEFUL || kind == STEP_TRANSFER_END;
}

static void keep_steps(struct graph *g, const struct recording *r, struct edge *e)
{
    e->steps = (uint32_t)g->steps.n;
    e->n_steps = (uint16_t)r->n_steps;
    e->plain = r->n_marks == 0;
    bool may_fail = false;
    for (unsigned i = 0; i < r->n_steps; i++) {
        const struct step *s = &r->steps[i];
        bool at_end = i == 0 && s->thread == THREAD_ACCEL && !s->skip;
        e->plain &= s->kind == STEP_ADVANCE || (at_end && s->kind == STEP_ITERATE);
        may_fail |= !always_fits((enum step_kind)s->kind) &&
                    !(at_end && (s->kind == STEP_ITERATE || s->kind == STEP_LEAVE));
        size_t moved = s->kind == STEP_RING ? sizeof(struct thread) : offsetof(struct thread, part);
        e->undo[s->thread] = (uint16_t)max64(e->undo[s->thread], moved);
    }
    if (!may_fail)
        memset(e->undo, 0, sizeof e->undo);
    if (r->n_steps)
        memcpy(POOL_ADD(&g->steps, r->n_steps), r->steps, r->n_steps * sizeof r->steps[0]);
}

static void append(struct graph *g, uint32_t from, const struct edge *e)
{
    *POOL_ADD(&g->edges, 1) = *e;
    g->edges.v[g->edges.n - 1].next = g->nodes.v[from].edges;
    g->nodes.v[from].edges = (uint32_t)g->edges.n - 1;
}

static void close_threads(struct machine *m)
{
    struct recording *r = &m->fold->rec;
    for (unsigned th = 0; th < N_THREADS; th++) {
        if (r->pc[th] != m->thread[th].pc)
            add_step(m, th, STEP_ADVANCE, m->thread[th].pc);
    }
}

uint32_t record_close(struct machine *m, uint32_t to)
{
    struct fold *f = m->fold;
    struct recording *r = &f->rec;
    struct graph *g = f->graph;
    struct token_rule tokens[PROG_MAX_TOKENS];
    struct left_rule left[N_RULES];
    struct stream_rule stream = {0};
    close_threads(m);
    if (r->slept && r->went_on[THREAD_HOST])
        close_sleep(r);
    r->left[HOST_SLEEPS].set = r->slept;
    unsigned n_tokens = close_tokens(m, tokens), n_left = close_left(m, left);
    fold_book(m, tokens, n_tokens, left, n_left);
    if (m->streams && !r->lost)
        r->lost = !close_stream(m, &stream);
    if (r->lost || r->from == NO_NODE || to == NO_NODE)
        return NO_EDGE;
    struct edge e = {.ticks = machine_time(m) - r->since, .to = to, .next = NO_EDGE, .stream = NO_GUARD,
                     .n_tokens = (uint16_t)n_tokens, .n_marks = (uint16_t)r->n_marks,
                     .n_left = (uint16_t)n_left};
    for (unsigned th = 0; th < N_THREADS; th++)
        e.place[th] = r->went_on[th] ? f->place[th][r->first_pc[th]] : NO_GUARD;
    e.tokens = (uint32_t)g->tokens.n;
    if (n_tokens)
        memcpy(POOL_ADD(&g->tokens, n_tokens), tokens, n_tokens * sizeof tokens[0]);
    e.marks = (uint32_t)g->marks.n;
    if (r->n_marks)
        memcpy(POOL_ADD(&g->marks, r->n_marks), r->marks, r->n_marks * sizeof r->marks[0]);
    e.left = (uint32_t)g->lefts.n;
    if (n_left)
        memcpy(POOL_ADD(&g->lefts, n_left), left, n_left * sizeof left[0]);
    if (m->streams) {
        e.stream = (uint32_t)g->streams.n;
        *POOL_ADD(&g->streams, 1) = stream;
    }
    keep_sums(m, &e);
    keep_steps(g, r, &e);
    append(g, r->from, &e);
    return (uint32_t)g->edges.n - 1;
}
