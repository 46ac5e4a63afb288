/* 4-ary min-heap of events on (t, phase, seq): the whole of evq_heap, the far
 * future of evq_wheel. Keys are copied next to the pointers so that sifting
 * does not touch the events. */
#ifndef SIM_HEAP4_H
#define SIM_HEAP4_H

#include "base/arena.h"
#include "sim/evq.h"

#include <assert.h>

struct heap4_item {
    uint64_t t, key; /* key: phase in the two highest bits, then seq */
    struct event *e;
};
struct heap4 {
    struct heap4_item *v;
    size_t n, cap;
};

static inline bool heap4_less(const struct heap4_item *a, const struct heap4_item *b)
{
    return a->t < b->t || (a->t == b->t && a->key < b->key);
}

static inline void heap4_up(struct heap4 *h, size_t i)
{
    struct heap4_item item = h->v[i];

    for (; i > 0 && heap4_less(&item, &h->v[(i - 1) / 4]); i = (i - 1) / 4)
        h->v[i] = h->v[(i - 1) / 4];
    h->v[i] = item;
}

static inline size_t heap4_least_child(const struct heap4 *h, size_t i)
{
    size_t first = 4 * i + 1, end = first + 4 < h->n ? first + 4 : h->n, best = first;

    for (size_t c = first + 1; c < end; c++)
        if (heap4_less(&h->v[c], &h->v[best]))
            best = c;
    return best;
}

static inline void heap4_down(struct heap4 *h, size_t i)
{
    struct heap4_item item = h->v[i];

    while (4 * i + 1 < h->n) {
        size_t c = heap4_least_child(h, i);

        if (!heap4_less(&h->v[c], &item))
            break;
        h->v[i] = h->v[c];
        i = c;
    }
    h->v[i] = item;
}

static inline void heap4_add(struct heap4 *h, struct event *e)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->v = (struct heap4_item *)xrealloc(h->v, h->cap, sizeof(*h->v));
    }
    h->v[h->n] = (struct heap4_item){e->t, (uint64_t)e->phase << 62 | e->seq, e};
    heap4_up(h, h->n++);
}

static inline struct event *heap4_remove_at(struct heap4 *h, size_t i)
{
    struct event *e = h->v[i].e;

    if (i < --h->n) {
        h->v[i] = h->v[h->n];
        heap4_down(h, i);
        heap4_up(h, i);
    }
    return e;
}

static inline void heap4_remove(struct heap4 *h, const struct event *e)
{
    size_t i = 0;

    while (i < h->n && h->v[i].e != e)
        i++;
    assert(i < h->n);
    heap4_remove_at(h, i);
}

static inline void heap4_shift(struct heap4 *h, uint64_t dt)
{
    for (size_t i = 0; i < h->n; i++) {
        assert(h->v[i].t <= UINT64_MAX - dt);
        h->v[i].t = h->v[i].e->t += dt;
    }
}

#endif
