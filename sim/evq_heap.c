#include "sim/evq.h"
#include "sim/heap4.h"

#include <stdlib.h>

struct evq {
    struct heap4 heap;
    uint64_t now, seq;
    int phase; /* being served at `now`; -1 before the first pop */
};

static struct evq *create(void)
{
    struct evq *q = xrealloc(NULL, 1, sizeof(*q));

    *q = (struct evq){.phase = -1};
    return q;
}

static void destroy(struct evq *q)
{
    if (q)
        free(q->heap.v);
    free(q);
}

static void push(struct evq *q, struct event *e)
{
    assert(!e->queued && e->phase < N_PHASES);
    assert(e->t > q->now || (e->t == q->now && e->phase > q->phase));
    e->queued = true;
    e->seq = q->seq++;
    heap4_add(&q->heap, e);
}

static struct event *pop(struct evq *q)
{
    struct event *e;

    if (q->heap.n == 0)
        return NULL;
    e = heap4_remove_at(&q->heap, 0);
    e->queued = false;
    q->now = e->t;
    q->phase = e->phase;
    return e;
}

static void cancel(struct evq *q, struct event *e)
{
    assert(e->queued);
    heap4_remove(&q->heap, e);
    e->queued = false;
}

static void shift(struct evq *q, uint64_t dt)
{
    assert(q->now <= UINT64_MAX - dt);
    heap4_shift(&q->heap, dt);
    q->now += dt;
}

static bool reach(struct evq *q, uint64_t t, enum phase phase)
{
    const struct event *first = q->heap.n ? q->heap.v[0].e : NULL;

    assert(t > q->now || (t == q->now && (int)phase > q->phase));
    if (first && (first->t < t || (first->t == t && first->phase <= phase)))
        return false;
    q->now = t;
    q->phase = (int)phase;
    return true;
}

const struct evq_ops evq_heap = {"heap", create, destroy, push, pop, cancel, shift, reach};
