/* The component classes, sorted by name, and the architecture schema that
 * follows from them. */
#include "arch/arch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ENTRY(name) &name##_class,
const struct arch_class *const arch_classes[] = {ARCH_CLASSES(ENTRY) NULL};
#undef ENTRY

struct head { /* first fields of the decoded blob */
    const char *name, *title, *tech;
};
static struct field top_fields[ARCH_MAX_CLASSES + 4];
static struct section top = {"arch", "architecture", 0, top_fields, NULL};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void build(void)
{
    static const struct field head_fields[] = {
        {.key = "name", .type = FIELD_TEXT, .offset = offsetof(struct head, name),
         .doc = "short name, stored"},
        {.key = "title", .type = FIELD_TEXT, .offset = offsetof(struct head, title), .def = "",
         .doc = "one line for people"},
        {.key = "tech", .type = FIELD_TEXT, .offset = offsetof(struct head, tech),
         .def = "../tech/gf22fdx.yaml", .doc = "technology file, relative to this file"},
    };
    unsigned n = 0;
    for (; n < 3; n++)
        top_fields[n] = head_fields[n];
    size_t offset = (sizeof(struct head) + 15) & ~(size_t)15;
    for (unsigned i = 0; arch_classes[i]; i++, n++) {
        const struct section *s = arch_classes[i]->section;
        top_fields[n] = (struct field){.key = arch_classes[i]->name, .type = FIELD_SECTION, .offset = offset,
                                       .sub = s, .doc = s->doc};
        offset += (s->size + 15) & ~(size_t)15;
    }
    top.size = offset;
}

const struct section *arch_section(void)
{
    pthread_once(&once, build);
    return &top;
}

const void *arch_cfg(const struct arch *a, const struct arch_class *cls)
{
    for (const struct field *f = top_fields; f->key; f++)
        if (f->sub == cls->section)
            return (const char *)a->blob + f->offset;
    return NULL;
}

void *arch_cfg_mutable(struct arch *a, const struct arch_class *cls)
{
    return (void *)arch_cfg(a, cls);
}

void arch_hypothetical(struct arch *a, const char *key)
{
    if (a->n_hypothetical < ARCH_MAX_NOTES)
        a->hypothetical[a->n_hypothetical++] = key;
}

bool arch_check(struct arch *a, const struct ynode *root, struct err *err)
{
    bool ok = true;
    for (unsigned i = 0; arch_classes[i]; i++) {
        const struct ynode *node = yaml_get(root, arch_classes[i]->name);
        if (arch_classes[i]->check && !arch_classes[i]->check(a, node ? node : root, err))
            ok = false;
    }
    return ok;
}

struct arch *arch_decode_unchecked(struct arena *arena, const struct ynode *root, struct err *err)
{
    const struct section *sec = arch_section();
    struct arch *a = ARENA_NEW(arena, struct arch, 1);
    a->arena = arena;
    a->blob = arena_alloc(arena, sec->size);
    if (!schema_decode(arena, sec, root, "arch", a->blob, err))
        return NULL;
    const struct head *h = a->blob;
    a->name = h->name;
    a->title = h->title;
    a->tech_path = h->tech;
    return a;
}

struct arch *arch_decode(struct arena *arena, const struct ynode *root, struct err *err)
{
    struct arch *a = arch_decode_unchecked(arena, root, err);
    return a && arch_check(a, root, err) ? a : NULL;
}
