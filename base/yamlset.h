/* Between yamldoc.c and yamlset.c only. */
#ifndef BASE_YAMLSET_H
#define BASE_YAMLSET_H

#include "base/yamldoc.h"

/* The tree of `value`, which points into "path=value" behind the equals sign;
 * its places are columns of that text. */
struct ynode *yaml_parse_setting(struct arena *a, const char *setting, const char *value, const char *name,
                                 struct err *err);
/* A scalar of which nothing is written, as in `key:`. */
bool yaml_is_empty(const struct ynode *n);

#endif
