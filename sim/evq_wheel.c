#include "sim/evq.h"
#include "sim/heap4.h"

#include <stdlib.h>

/* 1024 slots: accelerator delays rarely exceed a burst or an off-chip access,
 * and larger or smaller wheels measured within 30 % of it. */
enum { N_SLOTS = 1024, N_WORDS = N_SLOTS / 64 };

/* Events of one tick: a circular FIFO a phase, known by its tail. */
struct slot {
    struct event *tail[N_PHASES];
};

/* Invariant: the wheel holds what is due in [now, now + N_SLOTS), the overflow
 * heap all that is later. Events move from heap to wheel when the clock
 * advances, so before any later push to their tick: insertion order holds. */
struct evq {
    struct slot slots[N_SLOTS];
    uint64_t occupied[N_WORDS]; /* one bit a slot */
    uint32_t words;             /* one bit a non-zero word of `occupied` */
    int phase;                  /* being served at `now`; -1 before the first pop */
    uint64_t now, seq;
    uint64_t first; /* no event is due before; a lower bound, for reach() */
    struct heap4 later;
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
        free(q->later.v);
    free(q);
}

static void add_to_wheel(struct evq *q, struct event *e)
{
    unsigned i = e->t % N_SLOTS;
    struct event **tail = &q->slots[i].tail[e->phase];

    if (*tail) {
        e->next = (*tail)->next;
        (*tail)->next = e;
    } else {
        e->next = e;
        q->occupied[i / 64] |= (uint64_t)1 << (i % 64);
        q->words |= 1u << (i / 64);
    }
    *tail = e;
}

/* Unlinks the event behind `before` in a FIFO of slot i. */
static struct event *take_behind(struct evq *q, unsigned i, struct event **tail, struct event *before)
{
    struct event *e = before->next;
    const struct slot *s = &q->slots[i];

    before->next = e->next;
    if (*tail == e)
        *tail = before == e ? NULL : before;
    e->next = NULL;
    if (!*tail && !s->tail[0] && !s->tail[1] && !s->tail[2] && !s->tail[3]) {
        q->occupied[i / 64] &= ~((uint64_t)1 << (i % 64));
        if (!q->occupied[i / 64])
            q->words &= ~(1u << (i / 64));
    }
    return e;
}

static void push(struct evq *q, struct event *e)
{
    assert(!e->queued && e->phase < N_PHASES);
    assert(e->t > q->now || (e->t == q->now && e->phase > q->phase));
    e->queued = true;
    e->seq = q->seq++;
    if (e->t < q->first)
        q->first = e->t;
    if (e->t - q->now < N_SLOTS)
        add_to_wheel(q, e);
    else
        heap4_add(&q->later, e);
}

/* Ticks from `now` to the next occupied slot; the wheel is not empty. */
static unsigned ticks_to_next(const struct evq *q)
{
    unsigned start = q->now % N_SLOTS, w = start / 64;
    uint64_t bits = q->occupied[w] >> (start % 64);
    uint32_t after;

    if (bits)
        return (unsigned)__builtin_ctzll(bits);
    after = q->words & ~((2u << w) - 1);
    w = (unsigned)__builtin_ctz(after ? after : q->words);
    return (w * 64 + (unsigned)__builtin_ctzll(q->occupied[w]) - start) % N_SLOTS;
}

static void advance(struct evq *q, uint64_t t)
{
    q->now = t;
    while (q->later.n && q->later.v[0].t - t < N_SLOTS)
        add_to_wheel(q, heap4_remove_at(&q->later, 0));
}

static struct event *pop(struct evq *q)
{
    unsigned i = q->now % N_SLOTS, p = 0;
    struct event **tail, *e;

    if (!(q->occupied[i / 64] >> (i % 64) & 1)) {
        if (!q->words && !q->later.n)
            return NULL;
        advance(q, q->words ? q->now + ticks_to_next(q) : q->later.v[0].t);
        i = q->now % N_SLOTS;
    }
    while (!q->slots[i].tail[p])
        p++;
    tail = &q->slots[i].tail[p];
    e = take_behind(q, i, tail, *tail);
    e->queued = false;
    q->phase = e->phase;
    return e;
}

static void cancel(struct evq *q, struct event *e)
{
    unsigned i = e->t % N_SLOTS;
    struct event **tail = &q->slots[i].tail[e->phase], *before = *tail;

    assert(e->queued);
    e->queued = false;
    if (e->t - q->now >= N_SLOTS) {
        heap4_remove(&q->later, e);
        return;
    }
    assert(before);
    while (before->next != e) {
        before = before->next;
        assert(before != *tail);
    }
    take_behind(q, i, tail, before);
}

/* Takes all events out in order and puts them back dt later: the slot of an
 * event depends on its absolute time. */
static void shift(struct evq *q, uint64_t dt)
{
    struct event *first = NULL, **end = &first, *next;

    assert(q->now <= UINT64_MAX - dt);
    while (q->words) {
        unsigned i = (unsigned)((q->now + ticks_to_next(q)) % N_SLOTS), p = 0;

        while (!q->slots[i].tail[p])
            p++;
        *end = take_behind(q, i, &q->slots[i].tail[p], q->slots[i].tail[p]);
        end = &(*end)->next;
    }
    q->now += dt;
    q->first = 0;
    heap4_shift(&q->later, dt);
    for (; first; first = next) {
        next = first->next;
        assert(first->t <= UINT64_MAX - dt);
        first->t += dt;
        add_to_wheel(q, first);
    }
}

/* Something may be due at t before `phase` is over, or earlier. */
static bool due(struct evq *q, uint64_t t, enum phase phase)
{
    q->first = q->words ? q->now + ticks_to_next(q) : q->later.n ? q->later.v[0].t : UINT64_MAX;
    if (q->first != t)
        return q->first < t;
    if (!q->words)
        return q->later.v[0].e->phase <= phase;
    for (unsigned p = 0; p <= phase; p++)
        if (q->slots[t % N_SLOTS].tail[p])
            return true;
    return false;
}

static bool reach(struct evq *q, uint64_t t, enum phase phase)
{
    assert(t > q->now || (t == q->now && (int)phase > q->phase));
    if (t >= q->first && due(q, t, phase))
        return false;
    advance(q, t);
    q->phase = (int)phase;
    return true;
}

const struct evq_ops evq_wheel = {"wheel", create, destroy, push, pop, cancel, shift, reach};
