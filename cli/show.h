/* A result for people. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "base/text.h"
#include "include/retsim.h"

/* Appends the report of one run: what ran, how long, where the cycles and the
 * joules go, what moved. */
void show_result(const rs_design *d, const rs_result *r, struct text *out);

#endif
