/* rr_arb_tree walked node by node: the slow twin of arch/xbar.h, for tests. */
#ifndef TESTS_TREE_TWIN_H
#define TESTS_TREE_TWIN_H

#include <stdbool.h>
#include <string.h>

enum { TWIN_INPUTS = 64, NEVER = -1 };

struct arbiter {
    unsigned rr;
    bool lock_in, locked;
    bool held[TWIN_INPUTS]; /* what a stalled arbiter with LockIn goes on seeing */
};

static inline bool any(const bool *set, unsigned from, unsigned to, unsigned n)
{
    for (unsigned i = from; i < to && i < n; i++)
        if (set[i])
            return true;
    return false;
}

static inline unsigned tree_winner(const bool *set, unsigned n, unsigned rr)
{
    unsigned levels = 0, lo = 0;
    while (1u << levels < n)
        levels++;
    for (unsigned l = 0; l < levels; l++) {
        unsigned half = 1u << (levels - 1 - l);
        bool left = any(set, lo, lo + half, n), right = any(set, lo + half, lo + 2 * half, n);
        if (!left || (right && rr >> (levels - 1 - l) & 1))
            lo += half;
    }
    return lo;
}

/* What the arbiter looks at in this cycle. */
static inline const bool *seen(const struct arbiter *a, const bool *set)
{
    return a->locked ? a->held : set;
}

/* One cycle: the winner, or NEVER. `grant`: the output takes it. */
static inline int arbitrate(struct arbiter *a, const bool *live, unsigned n, bool grant)
{
    bool set[TWIN_INPUTS];
    memcpy(set, seen(a, live), n * sizeof *set);
    if (!any(set, 0, n, n))
        return NEVER;
    if (!grant) {
        a->locked = a->lock_in;
        memcpy(a->held, set, n * sizeof *set);
        return NEVER;
    }
    unsigned winner = tree_winner(set, n, a->rr), next = a->rr;
    do
        next = (next + 1) % n;
    while (!set[next]);
    a->rr = next;
    a->locked = false;
    return (int)winner;
}

#endif
