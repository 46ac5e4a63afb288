/* Quality of a network in a form with given numbers, evaluated once a process whatever the
 * number of designs that ask, from any thread. */
#ifndef WORKLOADS_QUALITY_H
#define WORKLOADS_QUALITY_H

#include "workloads/eval.h"

struct quality {
    double sqnr_db, bits, float_bits; /* NAN where there is nothing to compare or score */
};
/* The network in `dir` in chunks of `chunk` (0: its own). False with an error: 65, 66, 78. */
bool quality_of(const char *dir, const struct quant *q, enum net_form form, uint64_t chunk,
                struct quality *out, struct err *err);

#endif
