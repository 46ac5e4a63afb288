/* Sweep files: what results/ offers beyond the public header. */
#ifndef RESULTS_SWEEP_H
#define RESULTS_SWEEP_H

#include "base/err.h"
#include "include/retsim.h"

/* The diagnostics inside a public error. Defined beside rs_err_create. */
struct err *rs_err_inner(rs_err *err);

/* JSON Schema (draft 2020-12) of a sweep file. Heap string. */
char *rs_sweep_schema_json(void);
/* One line a key: name, what it takes, what it means. Heap string. */
char *rs_sweep_explain(void);
/* Calls `legal` once for every value that `set` and the axes give to a key. False when one was not legal. */
typedef bool sweep_value_f(const char *path, const char *value, const struct place *at, struct err *err);
bool sweep_each_value(const rs_sweep *s, sweep_value_f *legal, struct err *err);
/* Text of the sweep file. */
const char *sweep_spec(const rs_sweep *s);

#endif
