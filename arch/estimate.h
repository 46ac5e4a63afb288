/* Cost of one component from the command line: reference units by structure,
 * SRAM macros from the table, and any class of a technology file. */
#ifndef ARCH_ESTIMATE_H
#define ARCH_ESTIMATE_H

#include "arch/cost.h"
#include "arch/gates.h"

struct estimate_arg { /* KEY=VALUE, split */
    const char *key, *value;
};
struct estimate {
    bool is_sram;        /* quantities instead of gates */
    bool has_gates;      /* comb_ge and seq_ge are known apart */
    struct gates gates;
    double sram[6];      /* read_pj, write_pj, leak_mw, area_mm2, access_ns, cycle_ns; uncalibrated */
    bool extrapolated;   /* the size is outside the table */
    const char *cell;    /* as given or the default */
    unsigned node_nm;
    double area_ge, area_um2, rel_err; /* of the gates */
    double level_err;                  /* of what turns gates into area */
    double path_fo4, fmax_hz;          /* 0: not known */
    double path_rel_err, fmax_rel_err;
    unsigned n_stages;
    struct cost_stage stages[COST_MAX_STAGES];
    const char *cls;                   /* class of the technology whose lines follow, or NULL */
    unsigned n_lines;                  /* per action, one count each; "clock" and "leak" last */
    struct cost_line lines[COST_MAX_ACTIONS + 2];
    double leak_nw;
};

/* Names that estimate_unit takes besides the technology's classes: mul, dot,
 * requant, xbar, fifo, regfile, barrel, add, max, isqrt, div, sram. Ends with NULL. */
extern const char *const estimate_units[];
/* `unit parameters` lines for help. */
void estimate_list(const struct tech *t, struct text *out);
/* Parameters are those of tests/reference/area (p1.. or their meaning) and
 * tests/reference/sram; of a class, its own; of all, `pipeline`. The order of
 * `args` may change. 64 for unknown or missing ones. */
bool estimate_unit(const struct tech *t, const char *unit, enum gate_style style,
                   struct estimate_arg *args, size_t n_args, struct estimate *out, struct err *err);

#endif
