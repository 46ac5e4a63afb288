/* YAML as a tree of nodes with places. libyaml parses; merge keys (`<<`) are
 * resolved (shallow, explicit keys win), aliases are followed, duplicate keys
 * are errors, depth and node visits are capped. Keys beginning with `x-` at
 * top level are a home for anchors and are dropped. */
#ifndef BASE_YAMLDOC_H
#define BASE_YAMLDOC_H

#include "base/arena.h"
#include "base/err.h"

enum ynode_kind { YNODE_SCALAR, YNODE_LIST, YNODE_MAP };

struct ynode {
    enum ynode_kind kind;
    bool quoted;           /* scalar written in quotes */
    struct place at;       /* of the value */
    const char *text;      /* scalar */
    size_t n;              /* list items or map entries */
    struct ynode **items;  /* values */
    const char **keys;     /* map: keys, in file order */
    struct place *key_at;  /* map: place of each key */
};

/* Limits that a file must keep; larger is an error that says so. */
enum { YAML_MAX_DEPTH = 32, YAML_MAX_NODES = 100000, YAML_MAX_BYTES = 4 << 20 };

/* Loads a file. Everything, the source text included, lives in `a`.
 * NULL on error (66 when the file cannot be read, 78 for content). */
struct ynode *yaml_load(struct arena *a, const char *path, struct err *err);
/* A file that another one names at `from`, where an error belongs when there is no such file. */
struct ynode *yaml_load_from(struct arena *a, const char *path, const struct place *from, struct err *err);
/* The same from memory; `name` is what errors call it. */
struct ynode *yaml_parse(struct arena *a, const char *name, const char *text, size_t len,
                         struct err *err);
/* Value of a key, or NULL. `map` may be NULL. */
struct ynode *yaml_get(const struct ynode *map, const char *key);
/* Where the value of a key stands; where the map does when it lacks the key. */
const struct place *yaml_place(const struct ynode *map, const char *key);
/* Sets the dotted `path` below root to the YAML text `value` (a scalar or a
 * flow list/map), creating maps on the way. `name` is the place's file, e.g.
 * "command line". A list item is addressed by index or by the value of its
 * `name:` key. False on a path through a scalar. */
bool yaml_set(struct arena *a, struct ynode *root, const char *path, const char *value,
              const char *name, struct err *err);

#endif
