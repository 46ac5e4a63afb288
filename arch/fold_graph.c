/* Nodes (relative states) and edges of what was seen, in growing pools. */
#include "arch/fold_impl.h"

#include "base/arena.h"
#include "base/hash.h"

#include <stdlib.h>

enum { FIRST_TABLE = 1024, MOST_KEY_BYTES = 128 << 20 };

static void grow(struct graph *g)
{
    size_t size = g->table_size ? 2 * g->table_size : FIRST_TABLE;
    g->table = xrealloc(g->table, size, sizeof *g->table);
    memset(g->table, 0xff, size * sizeof *g->table);
    g->table_size = size;
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        size_t at = g->nodes.v[i].hash & (size - 1);
        while (g->table[at] != NO_NODE)
            at = (at + 1) & (size - 1);
        g->table[at] = i;
    }
}

uint32_t graph_node(struct graph *g, const uint8_t *key, size_t len, bool at_end)
{
    if (2 * (g->nodes.n + 1) > g->table_size)
        grow(g);
    uint64_t hash = hash64(key, len);
    size_t at = hash & (g->table_size - 1);
    for (; g->table[at] != NO_NODE; at = (at + 1) & (g->table_size - 1)) {
        const struct node *n = &g->nodes.v[g->table[at]];
        if (n->hash == hash && n->len == len && !memcmp(&g->keys.v[n->key], key, len))
            return g->table[at];
    }
    if (g->keys.n > MOST_KEY_BYTES)
        return NO_NODE;
    uint64_t where = g->keys.n;
    memcpy(POOL_ADD(&g->keys, len), key, len);
    g->table[at] = (uint32_t)g->nodes.n;
    *POOL_ADD(&g->nodes, 1) = (struct node){hash, where, (uint32_t)len, NO_EDGE, at_end};
    return g->table[at];
}

struct graph *graph_create(void)
{
    struct graph *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    POOL_BEGIN(&g->steps);
    POOL_BEGIN(&g->tokens);
    POOL_BEGIN(&g->sums);
    POOL_BEGIN(&g->marks);
    POOL_BEGIN(&g->lefts);
    POOL_BEGIN(&g->streams);
    return g;
}

void graph_destroy(struct graph *g)
{
    if (!g)
        return;
    names_finish(&g->commands);
    names_finish(&g->places);
    free(g->nodes.v);
    free(g->edges.v);
    free(g->steps.v);
    free(g->tokens.v);
    free(g->sums.v);
    free(g->marks.v);
    free(g->lefts.v);
    free(g->streams.v);
    free(g->keys.v);
    free(g->table);
    free(g);
}

size_t graph_bytes(const struct graph *g)
{
    return g->keys.cap + g->nodes.cap * sizeof *g->nodes.v + g->edges.cap * sizeof *g->edges.v +
           g->steps.cap * sizeof *g->steps.v + g->tokens.cap * sizeof *g->tokens.v +
           g->sums.cap * sizeof *g->sums.v + g->marks.cap * sizeof *g->marks.v +
           g->lefts.cap * sizeof *g->lefts.v + g->streams.cap * sizeof *g->streams.v +
           g->table_size * sizeof *g->table + g->commands.items.cap + g->places.items.cap;
}
