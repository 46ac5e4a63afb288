/* Hold model: every component pops its event, works, and posts the next one.
 * Prints millions of events a second (processor time) for both queues. */
#include "sim/evq.h"
#include "base/arena.h"
#include "evq_dist.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N_EVENTS = 1000000, N_DELAYS = 4096, N_REPEATS = 3 };

struct component {
    struct event ev;
    uint64_t n_calls, checksum;
};

static void work(void *self, uint64_t now)
{
    struct component *c = self;

    c->n_calls++;
    c->checksum = c->checksum * 31 + now;
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Events a second; delays are drawn beforehand so that only the queue counts. */
static double run(const struct evq_ops *ops, size_t n, const uint16_t *delays, uint64_t *checksum)
{
    struct component *cs = xrealloc(NULL, n, sizeof(*cs));
    struct evq *q = ops->create();
    double start;

    for (size_t i = 0; i < n; i++) {
        cs[i] = (struct component){.ev = {.t = delays[i % N_DELAYS], .fn = work, .self = &cs[i]}};
        ops->push(q, &cs[i].ev);
    }
    start = seconds();
    for (unsigned k = 0; k < N_EVENTS; k++) {
        struct event *e = ops->pop(q);

        e->fn(e->self, e->t);
        e->t += delays[k % N_DELAYS];
        ops->push(q, e);
    }
    start = seconds() - start;
    *checksum = 0;
    for (size_t i = 0; i < n; i++)
        *checksum = *checksum * 31 + cs[i].checksum;
    ops->destroy(q);
    free(cs);
    return N_EVENTS / start;
}

static double best_run(const struct evq_ops *ops, size_t n, const uint16_t *delays, uint64_t *checksum)
{
    double best = 0, rate;

    for (int i = 0; i < N_REPEATS; i++) {
        rate = run(ops, n, delays, checksum);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(void)
{
    static const size_t sizes[] = {8, 64, 1024};
    static uint16_t delays[N_DELAYS];
    bool same = true;

    printf("%-6s %10s %12s %12s\n", "delays", "components", "wheel Mev/s", "heap Mev/s");
    for (unsigned d = 0; d < N_DISTS; d++) {
        struct rng r = {d};

        for (size_t i = 0; i < N_DELAYS; i++)
            delays[i] = (uint16_t)dist_next((enum dist)d, &r);
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            uint64_t a, b;
            double wheel = best_run(&evq_wheel, sizes[s], delays, &a);
            double heap = best_run(&evq_heap, sizes[s], delays, &b);

            same &= a == b;
            printf("%-6s %10zu %12.1f %12.1f%s\n", dist_names[d], sizes[s], wheel * 1e-6, heap * 1e-6,
                   a == b ? "" : "  DIFFERENT ORDER");
        }
    }
    return same ? 0 : 1;
}
