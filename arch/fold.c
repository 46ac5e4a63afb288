/* Exact folding. The machine is cut at boundaries: ends of iterations of the
 * sequencer's loops and, where there are none, beginnings of off-chip bursts and of
 * parts of long transfers. What can be seen of it at
 * a boundary in relative terms is a node; what happens up to the next boundary is
 * an edge, with the values of everything that only counts (tokens, bytes left,
 * loop indices) for which the same would happen. Where the edge is known it is
 * followed and nothing is simulated; where none is known, the machine is put
 * into the state of the node and goes on beat by beat, which records the edge. On
 * top of that, whole periods of loops are multiplied out (fold_period.c). Time is
 * not moved: `skipped` counts what was not simulated.
 *
 * It is exact because the node holds everything that the future depends on but
 * the counts, each decision that depends on a count is recorded (arch/fold.h), and
 * a known edge is only taken where each decision goes the same way. */
#include "arch/fold_impl.h"

#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>

enum { RANDOM_TRAFFIC = 1 };
/* Parts of transfers are boundaries only where loops have none. */
enum { LEAST_CYCLES = 192 };

const struct command_name *fold_commands(const struct machine *m)
{
    return m->fold->queued;
}

uint32_t fold_named(const struct machine *m, uint32_t name)
{
    return m->fold->command_pc[name];
}

uint32_t fold_at(const struct machine *m, enum thread_id th)
{
    bool waits = th == THREAD_ACCEL && m->fold->at_end;
    return m->fold->command[th][m->thread[th].pc] | (uint32_t)waits << 31;
}

static void boundary(struct machine *m, uint64_t t)
{
    if (!m->fold->event.queued)
        machine_post(m, &m->fold->event, t, PHASE_OBSERVE);
}

bool fold_at_end(struct machine *m)
{
    if (!m->fold)
        return false;
    boundary(m, m->now);
    if (!m->sequencer->step_cycles)
        return false; /* more of the program follows in this very cycle */
    m->fold->at_end = true;
    return true;
}

/* Accounts are kept in whole cycles: the boundary is at an edge of the clock. */
void fold_at_part(struct machine *m)
{
    if (machine_time(m) - m->fold->rec.since >= LEAST_CYCLES * m->soc_ticks)
        boundary(m, soc_edge(m, m->now));
}

uint64_t fold_ahead(const struct machine *m, unsigned unit)
{
    return m->fold->ahead[unit];
}

static struct node *save(struct machine *m)
{
    struct fold *f = m->fold;
    struct state_io io = {.p = f->state, .end = f->state + sizeof f->state};
    return machine_state(m, &io) ? graph_node(f->graph, f->state, (size_t)(io.p - f->state), f->at_end)
                                 : NULL;
}

static void load(struct machine *m)
{
    struct fold *f = m->fold;
    struct node *n = f->node;
    struct state_io io = {.load = true, .p = n->key, .end = n->key + n->len};
    bool all = machine_state(m, &io);
    assert(all && io.p == io.end);
}

/* The edge that was foretold, when folding is checked, has come true. */
static void compare(const struct edge *a, const struct edge *b)
{
    if (!a || !b || a->ticks != b->ticks)
        return; /* parts of transfers may have been cut at other places */
    assert(a->to == b->to && a->n_sums == b->n_sums && a->n_steps == b->n_steps);
    for (unsigned i = 0; i < a->n_sums; i++)
        assert(a->sums[i].at == b->sums[i].at && a->sums[i].n == b->sums[i].n);
}

static void observe(void *self, uint64_t now)
{
    struct machine *m = self;
    struct fold *f = m->fold;
    bool moved = false;
    m->now = now;
    acct_sync(m);
    struct node *node = save(m);
    const struct edge *edge = record_close(m, node);
    f->node = node;
    if (f->check) {
        compare(f->foretold, edge);
        f->foretold = walk_find(m);
    } else {
        for (bool on = true; on; moved |= on) {
            on = fold_periods(m);
            on |= walk_edge(m);
        }
    }
    if (moved)
        load(m);
    record_open(m);
    if (f->at_end) {
        f->at_end = false;
        fold_note_loop(m, THREAD_ACCEL, thread_iterate(&m->thread[THREAD_ACCEL]) ? STEP_ITERATE : STEP_LEAVE);
    }
}

/* ---- build-up ---- */

void fold_init(struct machine *m)
{
    if (m->streams_cfg->feed == FEED_PORT || (traffic_on(m) && m->traffic_cfg->pattern == RANDOM_TRAFFIC))
        return; /* never the same twice */
    struct fold *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    m->fold = f;
    f->event = (struct event){.fn = observe, .self = m};
    f->n_totals = FIRST_COUNTER + m->n_counters;
    period_init(m);
    record_init(m);
}

bool fold_key(const struct machine *m, struct hash128 *key)
{
    const struct program *p = m->prog;
    struct { /* what of the program its commands do not say */
        uint32_t context_token, n_tokens;
        uint64_t soc_ticks, periph_ticks;
        uint8_t wait_class[PROG_MAX_TOKENS];
    } k;
    if (!m->fold || m->streams)
        return false;
    memset(&k, 0, sizeof k);
    k.context_token = p->context_token, k.n_tokens = p->n_tokens;
    k.soc_ticks = m->soc_ticks, k.periph_ticks = m->periph_ticks;
    for (unsigned t = 0; t < p->n_tokens; t++)
        k.wait_class[t] = p->tokens[t].wait_class;
    *key = hash_bytes(&k, sizeof k);
    return true;
}

void fold_share(struct machine *m, struct graph *g)
{
    m->fold->graph = g;
    m->fold->shared = true;
}

void fold_begin(struct machine *m)
{
    if (!m->fold)
        return;
    if (!m->fold->graph)
        m->fold->graph = graph_create();
    fold_names(m);
}

void fold_check(struct machine *m)
{
    if (m->fold)
        m->fold->check = true;
}

void fold_finish(struct machine *m)
{
    struct fold *f = m->fold;
    if (!f)
        return;
    if (!f->shared)
        graph_destroy(f->graph);
    for (int th = 0; th < N_THREADS; th++) {
        free(f->dynamic[th]);
        free(f->command[th]);
        free(f->place[th]);
        free(f->modulus[th]);
    }
    free(f->command_pc);
    free(f->queued);
    free(f->layer_step);
    free(f->done.v);
    free(f);
}
