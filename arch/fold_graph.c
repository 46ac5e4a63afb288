/* Nodes (relative states) and edges of what was seen, one behind the other. */
#include "arch/fold_impl.h"

#include "base/arena.h"
#include "base/hash.h"

#include <stdlib.h>

enum { FIRST_TABLE = 1024, MOST_BYTES = 256 << 20 };

static void grow(struct graph *g)
{
    size_t old = g->table_size, size = old ? 2 * old : FIRST_TABLE;
    struct node **table = calloc(size, sizeof *table);
    if (!table)
        abort();
    for (size_t i = 0; i < old; i++) {
        if (!g->table[i])
            continue;
        size_t at = g->table[i]->hash & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = g->table[i];
    }
    free(g->table);
    g->table = table;
    g->table_size = size;
}

struct node *graph_node(struct graph *g, const uint8_t *key, size_t len, bool at_end)
{
    if (2 * (g->n_nodes + 1) > g->table_size)
        grow(g);
    uint64_t hash = hash64(key, len);
    size_t at = hash & (g->table_size - 1);
    for (; g->table[at]; at = (at + 1) & (g->table_size - 1)) {
        struct node *n = g->table[at];
        if (n->hash == hash && n->len == len && !memcmp(n->key, key, len))
            return n;
    }
    if (g->arena.used_bytes > MOST_BYTES)
        return NULL;
    struct node *n = arena_take(&g->arena, sizeof *n + len);
    *n = (struct node){.hash = hash, .len = (uint32_t)len, .at_end = at_end};
    memcpy(n->key, key, len);
    g->n_nodes++;
    return g->table[at] = n;
}

struct graph *graph_create(void)
{
    struct graph *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    return g;
}

void graph_destroy(struct graph *g)
{
    if (!g)
        return;
    names_finish(&g->commands);
    names_finish(&g->places);
    arena_finish(&g->arena);
    free(g->table);
    free(g);
}

size_t graph_bytes(const struct graph *g)
{
    return g->arena.total_bytes + g->table_size * sizeof *g->table + g->commands.items.cap +
           g->places.items.cap;
}
