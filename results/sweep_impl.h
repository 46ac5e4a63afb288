/* Inside of a sweep: groups of axes, an axis a list of choices, a choice one
 * or more assignments. Nothing is stored for each point. */
#ifndef RESULTS_SWEEP_IMPL_H
#define RESULTS_SWEEP_IMPL_H

#include "base/arena.h"
#include "base/text.h"
#include "base/yamldoc.h"
#include "results/sweep.h"

enum { SWEEP_MAX_VALUES = 100000, SWEEP_MAX_SETS = 64 };
#define SWEEP_MAX_POINTS UINT64_C(1000000000) /* to ask `where` about each takes a minute */

struct assign {
    const char *path;  /* "work.seq", or "arch", "work", "tech" for a file */
    const char *value; /* YAML text, or the path of a file */
    const char *set;   /* "PATH=VALUE"; NULL for a file */
    struct place at;
};
struct choice {
    size_t n;
    struct assign *assigns;
};
struct axis {
    const char *key;
    struct place at;
    size_t n;
    struct choice *choices;
};
enum sweep_file { FILE_ARCH, FILE_WORK, FILE_TECH, N_FILES };
extern const char *const sweep_files[N_FILES + 1];

struct sweep_doc { /* a base file, loaded because a constraint asks for a key of it */
    const char *path;
    const struct ynode *root;
    struct sweep_doc *next;
};
struct where;
struct group {
    const char *files[N_FILES];
    size_t n_axes, n_where;
    struct axis *axes;
    struct where **where;
    uint64_t count;
    struct place at;
};
struct rs_sweep {
    struct arena arena;
    const char *path, *dir, *name, *spec;
    rs_method method;
    bool quality, values;
    size_t n_groups;
    struct group *groups;
    uint64_t count;
    struct sweep_doc *docs;
};
struct rs_point_buf {
    const char *sets[SWEEP_MAX_SETS];
    const struct assign *assigns[SWEEP_MAX_SETS];
};

/* sweep_axes.c */
/* Values of axis `key`; false with errors. */
bool sweep_axis_decode(struct rs_sweep *s, const char *key, const struct place *key_at,
                       const struct ynode *node, struct axis *out, struct err *err);
/* An axis of one choice out of a map of assignments. */
bool sweep_fixed_decode(struct rs_sweep *s, const char *key, const struct ynode *node, struct axis *out,
                        struct err *err);
/* Path of a file named in the sweep; NULL with an error when it cannot be read. */
const char *sweep_file_path(struct rs_sweep *s, const struct ynode *node, struct err *err);
/* Index in sweep_files, or -1. */
int sweep_file_index(const char *key);
/* `node` is a map with keys out of `names` alone. */
bool sweep_keys_check(const struct ynode *node, const char *what, const char *const *names,
                      struct err *err);

/* sweep_where.c */
struct where *sweep_where_parse(struct rs_sweep *s, const struct ynode *node, struct err *err);
/* Checks that every path has a value in each point of the group. */
bool sweep_where_check(struct rs_sweep *s, const struct group *g, const struct where *w, struct err *err);
bool sweep_where_holds(const struct rs_sweep *s, const struct where *w, const rs_point *p,
                       const struct rs_point_buf *b);

#endif
