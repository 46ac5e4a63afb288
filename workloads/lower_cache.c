/* What lowering made for earlier points. Lowering depends on what it reads alone (schema tables say what it
 * does not), the choice of a mapping on the rest of the architecture, too. */
#include "arch/machine.h"
#include "base/arena.h"
#include "base/hash.h"
#include "workloads/lower.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 64, MOST_BYTES = 32 << 20 }; /* when full, all are forgotten */

struct entry {
    struct hash128 key; /* of what lowering reads */
    struct mappings maps; /* none where there is no choice */
    struct program **program; /* of each mapping, or of the only one; NULL: not yet */
};
struct lower_cache {
    struct entry entry[MOST_ENTRIES];
    size_t n, bytes; /* of programs and tallies */
    struct shapes *shapes;
    struct machine *machine; /* its configuration only */
};

struct lower_cache *lower_cache_create(void)
{
    struct lower_cache *c = xrealloc(NULL, 1, sizeof *c);
    *c = (struct lower_cache){.shapes = shapes_create(), .machine = xrealloc(NULL, 1, sizeof *c->machine)};
    memset(c->machine, 0, sizeof *c->machine);
    return c;
}

static size_t programs_of(const struct entry *e)
{
    return e->maps.n ? e->maps.n : 1;
}

static void entry_finish(struct entry *e)
{
    for (size_t i = 0; i < programs_of(e); i++) {
        if (e->program[i])
            program_finish(e->program[i]);
        free(e->program[i]);
    }
    free(e->program);
    mappings_finish(&e->maps);
}

static void forget(struct lower_cache *c)
{
    for (size_t i = 0; i < c->n; i++)
        entry_finish(&c->entry[i]);
    c->n = c->bytes = 0;
    shapes_destroy(c->shapes);
    c->shapes = NULL;
}

void lower_cache_destroy(struct lower_cache *c)
{
    if (!c)
        return;
    forget(c);
    free(c->machine);
    free(c);
}

static struct hash128 key_of(const struct arch *a, const struct work *w)
{
    struct text t = {0};
    schema_program_bytes(arch_section(), a->blob, &t);
    schema_program_bytes(work_section(), w, &t);
    struct hash128 key = hash_bytes(t.s, t.len);
    text_finish(&t);
    return key;
}

/* NULL with an error. */
static struct entry *entry_of(struct lower_cache *c, const struct arch *a, const struct work *w,
                              struct err *err)
{
    struct hash128 key = key_of(a, w);
    for (size_t i = 0; i < c->n; i++)
        if (memcmp(&c->entry[i].key, &key, sizeof key) == 0)
            return &c->entry[i];
    if (c->n == MOST_ENTRIES || c->bytes > MOST_BYTES) {
        forget(c);
        c->shapes = shapes_create();
    }
    struct entry e = {.key = key, .maps = {.shapes = c->shapes}};
    if (lower_searches(a, w) && !lower_mappings(&e.maps, a, w, err)) {
        mappings_finish(&e.maps);
        return NULL;
    }
    e.program = xrealloc(NULL, programs_of(&e), sizeof *e.program);
    memset(e.program, 0, programs_of(&e) * sizeof *e.program);
    for (size_t i = 0; i < e.maps.n; i++)
        c->bytes += tally_bytes(e.maps.v[i].tally);
    c->entry[c->n] = e;
    return &c->entry[c->n++];
}

static size_t chosen(struct lower_cache *c, const struct entry *e, const struct arch *a)
{
    if (e->maps.n < 2)
        return 0;
    machine_resolve(c->machine, a);
    shapes_reprice(c->shapes);
    return (size_t)(mappings_choose(&e->maps, c->machine) - e->maps.v);
}

const struct program *lower_cached(struct lower_cache *c, const struct arch *a, const struct work *w,
                                   struct err *err)
{
    struct entry *e = entry_of(c, a, w, err);
    if (!e)
        return NULL;
    size_t i = chosen(c, e, a);
    if (e->program[i])
        return e->program[i];
    struct program *p = xrealloc(NULL, 1, sizeof *p);
    bool known = e->maps.n && e->maps.v[i].recipe.T;
    if (!(known ? lower_recipe(p, a, w, &e->maps.v[i].recipe, err) : lower(p, a, w, err))) {
        program_finish(p);
        free(p);
        return NULL;
    }
    e->program[i] = p;
    c->bytes += sizeof *p + program_trim(p);
    return p;
}
