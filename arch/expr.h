/* Formulas of technology files: names, numbers, + - * / ^, unary minus,
 * parentheses and a few functions. Parsed once into a postfix program. */
#ifndef ARCH_EXPR_H
#define ARCH_EXPR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/yamldoc.h"

/* Nesting (and with it the evaluation stack) and length of one formula. */
enum { EXPR_MAX_DEPTH = 48, EXPR_MAX_OPS = 512 };

struct expr; /* immutable, lives in the arena it was parsed into */

/* Parses the scalar `node`. Name i of `names` is bound to slot i; names that
 * are NULL match nothing. NULL with an error at the place of the offending
 * character: unknown names and functions (with a suggestion), wrong number of
 * arguments, syntax, nesting. */
const struct expr *expr_parse(struct arena *a, const struct ynode *node, const char *const *names,
                              size_t n_names, struct err *err);
/* Value for slots of the names given to expr_parse. May be infinite or NaN. */
double expr_eval(const struct expr *e, const double *slots);
/* Slots that the formula reads: true when it reads `slot`. */
bool expr_uses(const struct expr *e, unsigned slot);

#endif
