/* What a loaded technology file looks like inside; for arch/tech*.c and
 * arch/cost.c only. */
#ifndef ARCH_TECH_IMPL_H
#define ARCH_TECH_IMPL_H

#include "arch/cost.h"
#include "arch/expr.h"
#include "arch/sram.h"

/* Names of one scope: coefficients, then a class's parameters, `pipeline`,
 * `zeros` and `toggles`, macro results, locals and area_ge. Bounds the slots of an evaluation. */
enum { TECH_MAX_NAMES = 192 };

/* Coefficients that the pricing itself needs; the loader insists on all but the
 * last two, which are 1/256 and 0.5, those of random bytes, when they are missing. */
enum tech_fixed { TECH_V_NOM, TECH_V_MIN, TECH_V_MAX, TECH_V_T, TECH_ALPHA, TECH_V_DIBL, TECH_TEMP_REF,
                  TECH_TEMP_SLOPE, TECH_FO4_PS, TECH_GE_UM2, TECH_UTILISATION, TECH_CAL_ENERGY,
                  TECH_CAL_AREA, TECH_N_REQUIRED,
                  TECH_DATA_ZEROS = TECH_N_REQUIRED, TECH_DATA_TOGGLES, TECH_N_FIXED };
extern const char *const tech_fixed_names[TECH_N_FIXED];

struct tech_price_rule { /* one formula with its error */
    const struct expr *expr;
    double scale; /* to femtojoules or nanowatts */
    double rel_err;
    bool upper; /* the number is an upper bound */
};
/* One part of a register-to-register path. */
struct tech_stage {
    const char *name;
    const struct expr *expr;
    enum cost_stage_kind kind;
};
struct tech_action {
    const char *name, *unit;
    enum cost_kind kind;
    struct tech_price_rule energy;
};
struct tech_class {
    const char *name;
    struct place at;
    size_t n_params, n_locals, n_actions;
    const char **params;
    const char **locals;
    const struct expr **local_exprs; /* in order of evaluation: order[i] is a local */
    size_t *local_order;
    const char *cell; /* memory macro: NULL for none */
    unsigned node_nm;
    const struct expr *macro_bytes, *macro_bits;
    const struct expr *area;
    bool area_in_um2; /* else gate equivalents */
    double area_rel_err;
    size_t n_stages; /* 0: no path */
    struct tech_stage *stages;
    size_t n_path_coefs; /* coefficients that move the path, fo4_ps apart */
    size_t *path_coefs;
    struct tech_price_rule idle, leak;
    struct tech_action *actions;
};
/* What an imported ERT and ART say of one instance. */
struct tech_table {
    const char *name; /* component.class */
    struct place at;
    double area_um2;  /* below 0: not there */
    unsigned n_actions;
    struct tech_table_action {
        const char *name;
        double pj;
        unsigned n; /* combinations of arguments that it is the mean of */
    } actions[COST_MAX_ACTIONS + 2];
};
struct tech {
    const char *name;
    const struct ynode *root; /* merged with its base */
    double voltage, temp_k;
    bool measured; /* activity of the data, where it is known */
    size_t n_coefs;
    const char **coef_names;
    double *coefs; /* evaluated */
    double *coef_err; /* relative errors */
    struct dim *coef_dims;
    double *coefs_up; /* row i: all of them when number i is larger by its error */
    const struct expr **coef_exprs;
    size_t *coef_order;
    double fixed[TECH_N_FIXED];
    size_t fixed_at[TECH_N_FIXED]; /* which coefficient it is; n_coefs: none */
    struct sram_table *sram; /* NULL: none */
    size_t n_tables; /* imported ones (arch/accelergy.c) */
    struct tech_table *tables;
    double table_cycle_ns, table_rel_err;
    size_t n_classes;
    struct tech_class *classes;
};

/* Slot layout of a class scope. */
static inline size_t tech_slot_param(const struct tech *t) { return t->n_coefs; }
static inline size_t tech_slot_pipeline(const struct tech *t, const struct tech_class *c)
{
    return t->n_coefs + c->n_params;
}
/* `zeros`, then `toggles`. */
static inline size_t tech_slot_zeros(const struct tech *t, const struct tech_class *c)
{
    return t->n_coefs + c->n_params + 1;
}
static inline size_t tech_slot_macro(const struct tech *t, const struct tech_class *c)
{
    return tech_slot_zeros(t, c) + 2;
}
static inline size_t tech_slot_local(const struct tech *t, const struct tech_class *c)
{
    return tech_slot_macro(t, c) + SRAM_N;
}
static inline size_t tech_slot_area(const struct tech *t, const struct tech_class *c)
{
    return tech_slot_local(t, c) + c->n_locals;
}

/* All coefficients when number `coef` is multiplied by `factor`. */
void tech_eval_coefs(const struct tech *t, size_t coef, double factor, double *out);
const struct tech_class *tech_find_class(const struct tech *t, const char *name);
/* Sets `zeros` and `toggles`: as measured, or as the file has them. */
void tech_set_activity(const struct tech *t, const struct tech_class *c, const struct cost_activity *a,
                       double *slots);
/* Fills slots from parameters that are already in place: macro results,
 * locals, area. False with what is wrong in `why`. */
void tech_fill_locals(const struct tech *t, const struct tech_class *c, double *slots);
bool tech_fill(const struct tech *t, const struct tech_class *c, double *slots, char *why, size_t size);

/* NULL when nothing was imported for it. */
const struct tech_table *tech_find_table(const struct tech *t, const struct cost_item *item);
/* Puts what the table says in the place of what the formulas said. A table
 * without the action is an error; no table changes nothing. */
bool tech_table_energy(const struct tech *t, const struct tech_table *table, const char *action,
                       double *attojoules, double *rel_err, struct err *err);
bool tech_table_leak(const struct tech *t, const struct tech_table *table, double *picowatts,
                     double *rel_err, struct err *err);
void tech_table_area(const struct tech *t, const struct cost_item *item, struct cost_price *out);
void tech_emit_tables(const struct tech *t, struct text *out);

/* Loader pieces. Each returns false (or NULL) after reporting. */
struct ynode *tech_merge_base(struct arena *a, const struct ynode *root, struct err *err);
/* Dimensions (arch/tech_units.c): of a name by its end, of a `unit`, and of a
 * formula, which must be that of the unit `expected` (NULL: any) or a number. */
struct dim tech_dim_of_name(const char *name);
bool tech_dim_of_unit(const struct ynode *unit, struct dim *out, struct err *err);
bool tech_check_dim(const struct expr *e, const struct ynode *node, const struct dim *slots,
                    const char *expected, struct dim *out, struct err *err);
/* Parameters and actions of a class that the simulator's components rely on. */
bool tech_check_needs(const struct tech_class *c, const struct ynode *params, struct err *err);
bool tech_load_tables(struct arena *a, struct tech *t, const struct ynode *root, struct err *err);
bool tech_load_class(struct arena *a, struct tech *t, const char *name, const struct ynode *node,
                     const struct place *key_at, const struct ynode *root, struct err *err);
/* Reports keys of `map` that are not in `keys` (NULL-terminated). */
bool tech_known_keys(const struct ynode *map, const char *what, const char *const *keys, struct err *err);
/* Required scalar text, or NULL with an error at `at`. */
const char *tech_text(const struct ynode *map, const char *key, const struct place *at, struct err *err);
/* rel_err and source of a rule: both required. */
bool tech_backing(const struct ynode *map, const struct place *at, double *rel_err, struct err *err);
/* Order in which n formulas, bound to slots first.., can be evaluated.
 * Reports a cycle at nodes[i]. */
bool tech_order(const struct expr *const *exprs, const char *const *names, const struct ynode *const *nodes,
                size_t n, size_t first, size_t *order, struct err *err);
/* Path of a file named in a technology file, relative to it. */
const char *tech_sibling(struct arena *a, const struct place *at, const char *file);

#endif
