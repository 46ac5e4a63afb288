#include "sim/evq.h"
#include "base/arena.h"
#include "evq_dist.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

/* A component: one event in each of the queues under comparison. */
struct pair {
    struct event wheel, heap;
};

static void set(struct event *e, uint64_t t, unsigned phase)
{
    e->t = t;
    e->phase = (uint8_t)phase;
}

struct twin {
    struct evq *wheel, *heap;
    struct pair *pairs;
    size_t n, n_queued;
    struct rng rng;
    uint64_t now;
    int phase;
};

static void twin_push(struct twin *w, struct pair *p, uint64_t t, unsigned phase)
{
    set(&p->wheel, t, phase);
    set(&p->heap, t, phase);
    evq_wheel.push(w->wheel, &p->wheel);
    evq_heap.push(w->heap, &p->heap);
    w->n_queued++;
}

static void twin_init(struct twin *w, size_t n, uint64_t seed)
{
    *w = (struct twin){.wheel = evq_wheel.create(), .heap = evq_heap.create(), .n = n, .phase = -1};
    w->rng.s = seed;
    w->pairs = xrealloc(NULL, n, sizeof(*w->pairs));
    for (size_t i = 0; i < n; i++) {
        w->pairs[i] = (struct pair){0};
        w->pairs[i].wheel.id = w->pairs[i].heap.id = (uint16_t)i;
    }
}

static void twin_finish(struct twin *w)
{
    evq_wheel.destroy(w->wheel);
    evq_heap.destroy(w->heap);
    free(w->pairs);
}

/* Pops both; they must agree. NULL when both are empty. */
static struct pair *twin_pop(struct twin *w)
{
    struct event *a = evq_wheel.pop(w->wheel), *b = evq_heap.pop(w->heap);

    cr_assert((a == NULL) == (b == NULL));
    if (!a)
        return NULL;
    cr_assert(a->id == b->id && a->t == b->t && a->phase == b->phase && a->seq == b->seq,
              "wheel gives %u at %lu.%u, heap %u at %lu.%u", a->id, a->t, a->phase, b->id, b->t, b->phase);
    cr_assert(a->t > w->now || (a->t == w->now && a->phase >= w->phase));
    cr_assert(!a->queued && !b->queued);
    w->now = a->t;
    w->phase = a->phase;
    w->n_queued--;
    return &w->pairs[a->id];
}

static void twin_repost(struct twin *w, struct pair *p, enum dist dist)
{
    uint64_t dice = rng_below(&w->rng, 8), next = (uint64_t)w->phase + 1;

    if (dice == 0 && next < N_PHASES)
        twin_push(w, p, w->now, (unsigned)(next + rng_below(&w->rng, N_PHASES - next)));
    else
        twin_push(w, p, w->now + dist_next(dist, &w->rng), (unsigned)rng_below(&w->rng, N_PHASES));
}

static void twin_cancel(struct twin *w, enum dist dist)
{
    struct pair *p = &w->pairs[rng_below(&w->rng, w->n)];

    if (!p->wheel.queued)
        return;
    cr_assert(p->heap.queued);
    evq_wheel.cancel(w->wheel, &p->wheel);
    evq_heap.cancel(w->heap, &p->heap);
    cr_assert(!p->wheel.queued && !p->heap.queued);
    w->n_queued--;
    twin_repost(w, p, dist);
}

static void twin_shift(struct twin *w)
{
    uint64_t dt = rng_below(&w->rng, rng_below(&w->rng, 2) ? 3000 : (uint64_t)1 << 40);

    evq_wheel.shift(w->wheel, dt);
    evq_heap.shift(w->heap, dt);
    w->now += dt;
}

/* Both reach a time, or neither; and they do exactly when no event is due up to it. */
static void twin_reach(struct twin *w, enum dist dist)
{
    uint64_t t = w->now + rng_below(&w->rng, 3) + (rng_below(&w->rng, 4) ? 0 : dist_next(dist, &w->rng));
    unsigned phase = (unsigned)rng_below(&w->rng, N_PHASES);
    bool due = false;

    if (t == w->now && (int)phase <= w->phase)
        return;
    for (size_t i = 0; i < w->n; i++) {
        const struct event *e = &w->pairs[i].wheel;

        due |= e->queued && (e->t < t || (e->t == t && e->phase <= phase));
    }
    cr_assert_eq(evq_wheel.reach(w->wheel, t, (enum phase)phase), !due);
    cr_assert_eq(evq_heap.reach(w->heap, t, (enum phase)phase), !due);
    if (!due) {
        w->now = t;
        w->phase = (int)phase;
    }
}

static uint64_t run_twin(enum dist dist, size_t n, uint64_t n_pops, uint64_t seed)
{
    struct twin w;
    struct pair *p;

    twin_init(&w, n, seed);
    for (size_t i = 0; i < n; i++)
        twin_push(&w, &w.pairs[i], rng_below(&w.rng, 3000), (unsigned)rng_below(&w.rng, N_PHASES));
    for (uint64_t k = 0; k < n_pops; k++) {
        uint64_t dice = rng_below(&w.rng, 1000);

        p = twin_pop(&w);
        cr_assert(p);
        twin_repost(&w, p, dist);
        if (dice < 20)
            twin_cancel(&w, dist);
        if (dice == 999)
            twin_shift(&w);
        if (dice % 8 == 0)
            twin_reach(&w, dist);
    }
    while (twin_pop(&w))
        ;
    cr_assert_eq(w.n_queued, 0);
    twin_finish(&w);
    return n_pops;
}

/* 5 distributions x 4 sizes x 100,000 pops, with cancels and shifts. */
Test(evq, wheel_and_heap_pop_in_the_same_order, .timeout = 240)
{
    static const size_t sizes[] = {1, 8, 64, 1024};
    uint64_t n_ops = 0;

    for (unsigned d = 0; d < N_DISTS; d++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
            n_ops += run_twin((enum dist)d, sizes[s], 100000, d * 16 + s);
    cr_assert_eq(n_ops, 2000000);
}

/* The naive meaning of the total order: the least (t, phase, pushed first). */
static struct event *least(struct event *es, size_t n)
{
    struct event *best = NULL;

    for (size_t i = 0; i < n; i++) {
        struct event *e = &es[i];

        if (e->queued && (!best || e->t < best->t || (e->t == best->t && e->phase < best->phase)
                          || (e->t == best->t && e->phase == best->phase && e->seq < best->seq)))
            best = e;
    }
    return best;
}

static void run_naive(const struct evq_ops *ops, enum dist dist, uint64_t seed)
{
    struct event es[40] = {0}, *want, *got;
    struct evq *q = ops->create();
    struct rng r = {seed};

    for (size_t i = 0; i < 40; i++) {
        set(&es[i], rng_below(&r, 5000), (unsigned)rng_below(&r, N_PHASES));
        ops->push(q, &es[i]);
        cr_assert_eq(es[i].seq, i);
    }
    for (unsigned k = 0; k < 20000; k++) {
        want = least(es, 40);
        got = ops->pop(q);
        cr_assert(got == want, "%s, %s: pop %u", ops->name, dist_names[dist], k);
        set(got, got->t + dist_next(dist, &r), (unsigned)rng_below(&r, N_PHASES));
        ops->push(q, got);
    }
    ops->destroy(q);
}

Test(evq, both_follow_the_naive_order)
{
    for (unsigned d = 0; d < N_DISTS; d++) {
        run_naive(&evq_wheel, (enum dist)d, d);
        run_naive(&evq_heap, (enum dist)d, d);
    }
}

static const struct evq_ops *const both[] = {&evq_wheel, &evq_heap};

Test(evq, an_event_from_the_far_future_keeps_its_turn)
{
    for (int i = 0; i < 2; i++) {
        struct evq *q = both[i]->create();
        struct event first = {.t = 5000, .phase = PHASE_REQUEST}, step = {.t = 4500}, second = first;

        both[i]->push(q, &first); /* beyond the wheel */
        both[i]->push(q, &step);
        cr_assert(both[i]->pop(q) == &step);
        both[i]->push(q, &second); /* the same tick is now within the wheel */
        cr_assert(both[i]->pop(q) == &first);
        cr_assert(both[i]->pop(q) == &second);
        cr_assert_null(both[i]->pop(q));
        both[i]->destroy(q);
        both[i]->destroy(NULL);
    }
}

Test(evq, shift_keeps_order_and_distance)
{
    static const uint64_t dts[] = {0, 1, 1023, 1024, 1025, 4096, (uint64_t)1 << 50};

    for (size_t k = 0; k < 2 * sizeof(dts) / sizeof(dts[0]); k++) {
        const struct evq_ops *ops = both[k % 2];
        struct evq *q = ops->create();
        struct event es[6] = {{.t = 10}, {.t = 12}, {.t = 12}, {.t = 1033}, {.t = 1034}, {.t = 9000}};

        for (int i = 0; i < 6; i++)
            ops->push(q, &es[i]);
        cr_assert(ops->pop(q) == &es[0]);
        ops->shift(q, dts[k / 2]);
        cr_assert_eq(es[5].t, 9000 + dts[k / 2]);
        for (int i = 1; i < 6; i++)
            cr_assert(ops->pop(q) == &es[i], "%s, shift by %lu: event %d", ops->name, dts[k / 2], i);
        cr_assert_eq(es[1].t, 12 + dts[k / 2]);
        ops->destroy(q);
    }
}

Test(evq, works_up_to_the_end_of_time)
{
    for (int i = 0; i < 2; i++) {
        struct evq *q = both[i]->create();
        struct event a = {.t = UINT64_MAX - 1}, b = {.t = UINT64_MAX, .phase = PHASE_OBSERVE};

        both[i]->push(q, &b);
        both[i]->push(q, &a);
        cr_assert(both[i]->pop(q) == &a);
        cr_assert(both[i]->pop(q) == &b);
        both[i]->destroy(q);
    }
}

Test(evq, cancel_head_middle_tail_and_far)
{
    for (int i = 0; i < 2; i++) {
        for (unsigned victim = 0; victim < 5; victim++) {
            struct evq *q = both[i]->create();
            struct event es[5] = {{.t = 7}, {.t = 7}, {.t = 7}, {.t = 70000}, {.t = 70000}};

            for (int k = 0; k < 5; k++)
                both[i]->push(q, &es[k]);
            both[i]->cancel(q, &es[victim]);
            for (unsigned k = 0; k < 5; k++)
                if (k != victim)
                    cr_assert(both[i]->pop(q) == &es[k]);
            cr_assert_null(both[i]->pop(q));
            both[i]->destroy(q);
        }
    }
}

static void push_twice(const struct evq_ops *ops)
{
    struct event e = {.t = 1};
    struct evq *q = ops->create();

    ops->push(q, &e);
    ops->push(q, &e);
}

static void push_into_the_past(const struct evq_ops *ops)
{
    struct event e = {.t = 10}, late = {.t = 9, .phase = PHASE_OBSERVE};
    struct evq *q = ops->create();

    ops->push(q, &e);
    ops->pop(q);
    ops->push(q, &late);
}

static void push_into_the_served_phase(const struct evq_ops *ops)
{
    struct event e = {.t = 10, .phase = PHASE_REQUEST}, again = {.t = 10, .phase = PHASE_REQUEST};
    struct evq *q = ops->create();

    ops->push(q, &e);
    ops->pop(q);
    ops->push(q, &again);
}

Test(evq, wheel_refuses_a_queued_event, .signal = SIGABRT)
{
    push_twice(&evq_wheel);
}

Test(evq, heap_refuses_a_queued_event, .signal = SIGABRT)
{
    push_twice(&evq_heap);
}

Test(evq, wheel_refuses_the_past, .signal = SIGABRT)
{
    push_into_the_past(&evq_wheel);
}

Test(evq, heap_refuses_the_past, .signal = SIGABRT)
{
    push_into_the_past(&evq_heap);
}

Test(evq, wheel_refuses_the_served_phase, .signal = SIGABRT)
{
    push_into_the_served_phase(&evq_wheel);
}

Test(evq, heap_refuses_the_served_phase, .signal = SIGABRT)
{
    push_into_the_served_phase(&evq_heap);
}
