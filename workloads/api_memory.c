/* What is kept for further runs: programs, and graphs of folded runs of equal machines. */
#include "arch/fold.h"
#include "base/arena.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <stdlib.h>

enum { N_KEPT = 32, MOST_BYTES = 64 << 20 };

struct kept {
    struct hash128 arch, machine; /* of the architecture's text, of what else decides (fold_key) */
    struct graph *graph;
    size_t bytes;
    uint64_t used_at;
};
struct rs_memory {
    struct lower_cache *programs;
    struct kept kept[N_KEPT];
    uint64_t clock;
    size_t bytes;
};

rs_memory *rs_memory_create(void)
{
    struct rs_memory *r = xrealloc(NULL, 1, sizeof *r);
    memset(r, 0, sizeof *r);
    r->programs = lower_cache_create();
    return r;
}

static void forget(struct rs_memory *r, struct kept *k)
{
    r->bytes -= k->bytes;
    graph_destroy(k->graph);
    *k = (struct kept){.graph = NULL};
}

void rs_memory_destroy(rs_memory *memory)
{
    if (!memory)
        return;
    for (unsigned i = 0; i < N_KEPT; i++)
        forget(memory, &memory->kept[i]);
    lower_cache_destroy(memory->programs);
    free(memory);
}

const struct program *memory_lower(rs_memory *r, const struct rs_design *d, struct err *err)
{
    return lower_cached(r->programs, d->arch, d->work, err);
}

static struct kept *oldest(struct rs_memory *r)
{
    struct kept *k = &r->kept[0];
    for (unsigned i = 1; i < N_KEPT; i++)
        k = r->kept[i].used_at < k->used_at ? &r->kept[i] : k;
    return k;
}

void memory_lend(rs_memory *r, const struct rs_design *d, struct machine *m)
{
    struct hash128 arch, machine;
    if (!r || !fold_key(m, &machine))
        return;
    rs_design_part_hash(d, "arch", arch.b);
    struct kept *k = NULL;
    for (unsigned i = 0; i < N_KEPT; i++) {
        struct kept *c = &r->kept[i];
        if (c->graph && !memcmp(&c->arch, &arch, sizeof arch) &&
            !memcmp(&c->machine, &machine, sizeof machine))
            k = c;
    }
    if (!k) {
        k = oldest(r);
        forget(r, k);
        *k = (struct kept){.arch = arch, .machine = machine, .graph = graph_create()};
    }
    k->used_at = ++r->clock;
    fold_share(m, k->graph);
}

void memory_return(rs_memory *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < N_KEPT; i++) {
        struct kept *k = &r->kept[i];
        if (!k->graph || k->used_at != r->clock)
            continue;
        r->bytes -= k->bytes;
        k->bytes = graph_bytes(k->graph);
        r->bytes += k->bytes;
    }
    while (r->bytes > MOST_BYTES) {
        struct kept *k = NULL;
        for (unsigned i = 0; i < N_KEPT; i++)
            if (r->kept[i].graph && (!k || r->kept[i].used_at < k->used_at))
                k = &r->kept[i];
        forget(r, k);
    }
}
