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

static void same(struct recording *r, unsigned id, uint32_t value)
{
    unsigned i = 0;
    while (i < r->n_same && r->same[i].id != id)
        i++;
    r->n_same += i == r->n_same;
    r->same[i] = (struct same_rule){id, value};
}

void fold_note_burst(struct machine *m, unsigned channel)
{
    struct recording *r = &m->fold->rec;
    uint64_t page = m->hyperram_cfg->burst_bytes;
    if (!r->left[LEFT_EXT + channel].set) {
        uint64_t moved = r->left[LEFT_EXT + channel].before - m->udma->ch[channel].ext_left;
        same(r, SAME_PAGE + channel, (uint32_t)((fold_page_at(m, channel) + page - moved % page) % page));
        r->paged[channel] = true;
    }
    fold_set_left(m, LEFT_BURST);
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
    m->watch = f->rec.left;
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
    memset(r->paged, 0, sizeof r->paged);
    r->n_same = 0;
    see_units(m);
    for (unsigned i = 0; i < N_LEFT; i++)
        r->left[i] = (struct left_watch){.before = *f->left[i]};
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
        if (l->event)
            f->left_events[l->id] = f->clock;
}

/* Of all tokens that were looked at or posted: others have not changed. */
static unsigned close_tokens(struct machine *m, struct token_rule out[PROG_MAX_TOKENS])
{
    struct recording *r = &m->fold->rec;
    unsigned n = 0;
    for (unsigned w = 0; w < sizeof r->seen / sizeof r->seen[0]; w++)
        for (uint64_t seen = r->seen[w]; seen; seen &= seen - 1) {
            unsigned t = 64 * w + (unsigned)__builtin_ctzll(seen);
            r->rule[t].delta = (int32_t)(m->token[t] - r->token[t]);
            out[n++] = r->rule[t];
        }
    return n;
}

/* A unit that is still at work at the end, and far from being done, may take longer or
 * less long; any other end is an event. */
static void close_unit(struct machine *m, unsigned u)
{
    struct recording *r = &m->fold->rec;
    struct left_watch *w = &r->left[LEFT_DONE + u];
    uint64_t now = m->fold->ahead[u], ticks = machine_time(m) - r->since;
    if (now && now == w->before - ticks) { /* else it was done, if only just now */
        w->low = ticks + NEAR_CYCLES * m->soc_ticks + 1;
        return;
    }
    w->exact = w->before > 0;
    w->low = w->before;
    w->set = w->before || now;
}

/* The rules that say something, one after the other. */
static unsigned close_left(struct machine *m, struct left_rule out[N_LEFT])
{
    struct fold *f = m->fold;
    unsigned n = 0;
    see_units(m);
    for (unsigned u = 0; u < N_UNITS; u++)
        close_unit(m, u);
    for (unsigned i = 0; i < N_LEFT; i++) {
        const struct left_watch *w = &f->rec.left[i];
        uint64_t take = w->set ? *f->left[i] : w->before - *f->left[i];
        if (w->set || w->exact || w->low || take)
            out[n++] = (struct left_rule){
                .id = (uint8_t)i, .set = w->set, .paged = i < LEFT_L2 && f->rec.paged[i - LEFT_EXT],
                .event = w->set || w->exact, .low = w->low, .over = w->exact ? 0 : UINT64_MAX - w->low,
                .take = take};
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

static unsigned close_sums(struct machine *m, struct sum out[N_TOTALS])
{
    struct fold *f = m->fold;
    struct recording *r = &f->rec;
    unsigned n = 0;
    r->total[0] += r->useful; /* macs, macs_issued: what steps count is not counted here */
    r->total[1] += r->useful_issued;
    for (uint32_t i = 0; i < f->n_totals; i++)
        if (m->total[i] != r->total[i])
            out[n++] = (struct sum){i, m->total[i] - r->total[i]};
    return n;
}

static bool always_fits(enum step_kind kind)
{
    return kind == STEP_ADVANCE || kind == STEP_RING || kind == STEP_USEFUL || kind == STEP_TRANSFER_END;
}

/* What the steps say of the edge as a whole. */
static void look_at_steps(const struct recording *r, struct edge *e)
{
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
}

static void close_threads(struct machine *m)
{
    struct recording *r = &m->fold->rec;
    for (unsigned th = 0; th < N_THREADS; th++) {
        if (r->pc[th] != m->thread[th].pc)
            add_step(m, th, STEP_ADVANCE, m->thread[th].pc);
    }
}

/* Takes `n` items of a kind to what lies behind an edge. */
static void *lay(uint8_t **at, const void *items, size_t n, size_t size)
{
    uint8_t *to = *at;
    memcpy(to, items, n * size);
    *at += (n * size + 7) & ~(size_t)7;
    return to;
}

/* What was closed becomes an edge, the likeliest of its node. */
struct closed {
    struct edge edge; /* but for where the items are */
    struct token_rule tokens[PROG_MAX_TOKENS];
    struct left_rule left[N_LEFT];
    struct sum sums[N_TOTALS];
    struct stream_rule stream;
};
static const struct edge *keep(struct graph *g, const struct recording *r, const struct closed *c)
{
    const struct edge *e = &c->edge;
    size_t bytes = sizeof *e + e->n_sums * sizeof c->sums[0] + e->n_left * sizeof c->left[0] +
                   e->n_tokens * sizeof c->tokens[0] + e->n_steps * sizeof r->steps[0] +
                   e->n_same * sizeof r->same[0] + e->n_marks * sizeof r->marks[0] + sizeof c->stream;
    uint8_t *at = arena_take(&g->arena, bytes + 8 * 7); /* each kind is aligned */
    struct edge *kept = lay(&at, e, 1, sizeof *e);
    kept->left = lay(&at, c->left, e->n_left, sizeof c->left[0]);
    kept->tokens = lay(&at, c->tokens, e->n_tokens, sizeof c->tokens[0]);
    kept->steps = lay(&at, r->steps, e->n_steps, sizeof r->steps[0]);
    kept->same = lay(&at, r->same, e->n_same, sizeof r->same[0]);
    kept->sums = lay(&at, c->sums, e->n_sums, sizeof c->sums[0]);
    kept->marks = lay(&at, r->marks, e->n_marks, sizeof r->marks[0]);
    if (e->stream)
        kept->stream = lay(&at, &c->stream, 1, sizeof c->stream);
    kept->next = r->from->edges;
    r->from->edges = kept;
    return kept;
}

const struct edge *record_close(struct machine *m, struct node *to)
{
    struct fold *f = m->fold;
    struct recording *r = &f->rec;
    struct closed c;
    close_threads(m);
    if (r->slept && r->went_on[THREAD_HOST])
        close_sleep(r);
    unsigned n_tokens = close_tokens(m, c.tokens), n_left = close_left(m, c.left);
    fold_book(m, c.tokens, n_tokens, c.left, n_left);
    if (m->streams && !r->lost)
        r->lost = !close_stream(m, &c.stream);
    if (r->lost || !r->from || !to)
        return NULL;
    c.edge = (struct edge){.to = to, .ticks = machine_time(m) - r->since,
                           .stream = m->streams ? &c.stream : NULL,
                           .n_sums = (uint16_t)close_sums(m, c.sums), .n_left = (uint16_t)n_left,
                           .n_tokens = (uint16_t)n_tokens, .n_steps = (uint16_t)r->n_steps,
                           .n_same = (uint16_t)r->n_same, .n_marks = (uint16_t)r->n_marks,
                           .host_sleeps = r->slept};
    for (unsigned th = 0; th < N_THREADS; th++)
        c.edge.place[th] = r->went_on[th] ? f->place[th][r->first_pc[th]] : NO_GUARD;
    look_at_steps(r, &c.edge);
    return keep(f->graph, r, &c);
}
