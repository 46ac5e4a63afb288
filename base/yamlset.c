#include "base/yamlset.h"

#include <stdlib.h>
#include <string.h>

struct setting {
    struct arena *a;
    struct err *err;
};

/* The slot of `seg` in a list: by index, else by the value of `name:`. */
static struct ynode **list_slot(const struct ynode *list, const char *seg)
{
    char *end;
    unsigned long i = strtoul(seg, &end, 10);
    const struct ynode *name;

    if (seg[0] >= '0' && seg[0] <= '9' && !*end)
        return i < list->n ? &list->items[i] : NULL;
    for (size_t k = 0; k < list->n; k++) {
        name = yaml_get(list->items[k], "name");
        if (name && name->kind == YNODE_SCALAR && strcmp(name->text, seg) == 0)
            return &list->items[k];
    }
    return NULL;
}

/* The slot of `seg` in a map, added at the end when it is not there. */
static struct ynode **map_slot(struct setting *s, struct ynode *map, const char *seg, struct place at)
{
    struct ynode **items;
    struct place *key_at;
    const char **keys;

    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], seg) == 0) {
            map->key_at[i] = at;
            return &map->items[i];
        }
    items = ARENA_NEW(s->a, struct ynode *, map->n + 1);
    keys = ARENA_NEW(s->a, const char *, map->n + 1);
    key_at = ARENA_NEW(s->a, struct place, map->n + 1);
    for (size_t i = 0; i < map->n; i++) {
        items[i] = map->items[i];
        keys[i] = map->keys[i];
        key_at[i] = map->key_at[i];
    }
    keys[map->n] = seg;
    key_at[map->n] = at;
    map->items = items;
    map->keys = keys;
    map->key_at = key_at;
    return &map->items[map->n++];
}

static struct ynode **find_slot(struct setting *s, struct ynode *node, const char *seg, struct place at)
{
    struct ynode **slot;

    if (yaml_is_empty(node))
        node->kind = YNODE_MAP;
    if (node->kind == YNODE_MAP)
        return map_slot(s, node, seg, at);
    if (node->kind == YNODE_SCALAR) {
        err_add(s->err, ERR_CONFIG, &at, "'%s' cannot be set below a plain value ('%s')", seg, node->text);
        return NULL;
    }
    slot = list_slot(node, seg);
    if (!slot)
        err_add(s->err, ERR_CONFIG, &at,
                "no item '%s' in this list of %zu; write an index from 0 or the name of an item", seg,
                node->n);
    return slot;
}

bool yaml_set(struct arena *a, struct ynode *root, const char *path, const char *value, const char *name,
              struct err *err)
{
    const char *setting = arena_printf(a, "%s=%s", path, value), *p = path, *seg;
    struct place at = {arena_strdup(a, name), setting, 1, 1};
    struct ynode *leaf = yaml_parse_setting(a, setting, setting + strlen(path) + 1, at.file, err);
    struct ynode *node = root, **slot;
    struct setting s = {a, err};
    size_t len;

    if (!leaf)
        return false;
    for (;; p += len + 1) {
        len = strcspn(p, ".");
        at.col = (unsigned)(p - path) + 1;
        if (len == 0)
            return err_add(err, ERR_CONFIG, &at,
                           "'%s' is not a path; write keys with dots between, as in a.b.c", path);
        seg = arena_strndup(a, p, len);
        slot = find_slot(&s, node, seg, at);
        if (!slot)
            return false;
        if (!p[len])
            break;
        if (!*slot) {
            *slot = ARENA_NEW(a, struct ynode, 1);
            (*slot)->kind = YNODE_MAP;
            (*slot)->at = at;
        }
        node = *slot;
    }
    *slot = leaf;
    return true;
}
