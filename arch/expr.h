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
/* What a quantity is: twice the exponents of energy, time and length, so that a
 * square root has some. Numbers written in a formula are taken as pure. */
struct dim {
    signed char energy, time, length;
};
static inline bool dim_same(struct dim a, struct dim b)
{
    return a.energy == b.energy && a.time == b.time && a.length == b.length;
}
static inline bool dim_pure(struct dim d)
{
    return dim_same(d, (struct dim){0, 0, 0});
}
/* Dimension of the formula for those of its slots. False, with what is wrong,
 * when different ones are added or compared, or a function that needs a number
 * is given something else. */
bool expr_dim(const struct expr *e, const struct dim *slots, struct dim *out, const char **why);
/* Slots that the formula reads: true when it reads `slot`. */
bool expr_uses(const struct expr *e, unsigned slot);

#endif
