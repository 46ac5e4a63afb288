/* What operands were, where a run computed values: energy can follow it
 * (`activity: measured` of a technology file). */
#ifndef ARCH_ACTIVITY_H
#define ARCH_ACTIVITY_H

#include <stdint.h>

/* Of what: products of the engine, products of the retention lanes, words that
 * the accelerator moves over the crossbar. */
enum activity_of { ACTIVITY_ENGINE, ACTIVITY_RETENTION, ACTIVITY_TCDM, N_ACTIVITIES };

struct cost_activity {
    uint64_t pairs, zeros;  /* operations; those whose stationary operand is zero (words: that are zero) */
    uint64_t bits, toggles; /* of the moving operands; those that changed from one to the next */
};

#endif
