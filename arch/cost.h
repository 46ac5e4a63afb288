/* Cost: a technology file turns structures into gate equivalents, square
 * micrometres and FO4, and action counts into energy. Components describe
 * themselves as cost items; nothing here knows what they are. */
#ifndef ARCH_COST_H
#define ARCH_COST_H

#include "arch/activity.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "base/yamldoc.h"

enum { COST_MAX_PARAMS = 10, COST_MAX_ACTIONS = 12, COST_MAX_STAGES = 10 };

enum cost_kind { COST_ONCHIP, COST_OFFCHIP, COST_IDLE };

struct cost_param {
    const char *name;
    double value;
};
struct cost_action {
    const char *name; /* as in the technology file's class */
    uint64_t count;   /* over all instances */
};
/* A group of identical blocks inside one component instance. */
struct cost_item {
    const char *component; /* instance the cost is booked on, e.g. "engine" */
    const char *cls;       /* technology class, e.g. "dot_product", "sram" */
    unsigned ordinal;      /* among the items of this component and class, from 0 */
    uint64_t instances;
    unsigned n_params, n_actions;
    struct cost_param params[COST_MAX_PARAMS];
    struct cost_action actions[COST_MAX_ACTIONS];
    /* Cycles in which an instance is clocked but does nothing (idle energy), summed over instances. */
    uint64_t clocked_cycles;
    struct cost_activity activity; /* zero: not measured */
    uint64_t total_cycles;   /* run length: leakage */
    const char *path;        /* what the longest register-to-register path is, for fmax; NULL = no path */
    unsigned pipeline;       /* ranks that the path is divided into; 0 counts as 1 */
};

/* "engine.dot_product", "streamer.fifo_2": what an item is called in tables of
 * Accelergy. */
void cost_table_name(const struct cost_item *item, char *out, size_t size);

struct tech; /* a loaded technology file, immutable */

/* Decodes and checks a technology tree (units, unknown names, cycles between
 * formulas, a source on each number). Lives in `a`. NULL on error. */
struct tech *tech_decode(struct arena *a, const struct ynode *root, struct err *err);
const char *tech_name(const struct tech *t);
/* Canonical text: sorted keys, for hashing and storing. */
void tech_emit(const struct tech *t, struct text *out);
/* JSON Schema of a technology file; `explain` lines. */
void tech_schema_json(struct text *out);
void tech_explain(const char *path_or_null, struct text *out);
double tech_voltage(const struct tech *t);
/* True for `activity: measured`. */
bool tech_wants_activity(const struct tech *t);

struct cost_line { /* price of one (item, action) */
    uint64_t energy_fj;
    uint64_t each; /* attojoules of one count; picowatts of one instance for "leak" */
    enum cost_kind kind;
    const char *action, *unit;
    uint64_t count;
    double rel_err;
    bool upper; /* an upper bound, not an estimate */
};
/* A part of a path. Logic is divided by pipelining, a feedback loop is not, and
 * a register's overhead is paid in each rank. */
enum cost_stage_kind { COST_LOGIC, COST_LOOP, COST_REGISTER };
struct cost_stage {
    const char *name;
    enum cost_stage_kind kind;
    double fo4;
};
struct cost_price { /* price of one item */
    double area_ge, area_um2; /* all instances */
    double area_rel_err;      /* without the technology's common factors */
    double path_fo4;          /* of the slowest rank; 0: none */
    double path_rel_err;
    unsigned n_stages; /* of the path before it is divided */
    struct cost_stage stages[COST_MAX_STAGES];
    unsigned n_lines;
    struct cost_line lines[COST_MAX_ACTIONS + 2]; /* actions, then "clock" and "leak" as COST_IDLE */
};
/* Prices one item at the technology's voltage. Energy per (component, action)
 * is an exact integer: count x (coefficient in attojoules, rounded once) / 1000,
 * in 128-bit arithmetic; false with an error when it exceeds 63 bits, when the
 * class or action is unknown, or a parameter is missing. soc_hz gives leakage
 * time. */
bool tech_price(const struct tech *t, const struct cost_item *item, uint64_t soc_hz,
                struct cost_price *out, struct err *err);
/* Highest clock of a path of `fo4` at the technology's voltage. */
double tech_fmax_hz(const struct tech *t, double fo4);
/* Relative error of a clock whose path has the error `path_rel_err`. */
double tech_fmax_rel_err(const struct tech *t, double path_rel_err);
/* Relative errors of what scales all energies and all areas of the technology
 * alike: they do not change a ranking. */
double tech_energy_level_err(const struct tech *t);
double tech_area_level_err(const struct tech *t);

/* Name, value and relative error of coefficient i, NULL past the last; the
 * technology in which one of them (and what follows from it) is multiplied by
 * `factor`, at the same voltage. It shares the rest with `t` and lives in `a`. */
const char *tech_coefficient(const struct tech *t, size_t i, double *value, double *rel_err);
const struct tech *tech_scaled(struct arena *a, const struct tech *t, size_t coef, double factor);

#endif
