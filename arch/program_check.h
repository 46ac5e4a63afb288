/* What a program may not do; command by command while it is emitted, or all at once. */
#ifndef ARCH_PROGRAM_CHECK_H
#define ARCH_PROGRAM_CHECK_H

#include "arch/arch.h"
#include "arch/program.h"

struct loop_span { /* of the indices of the loops that are open */
    int64_t most[PROG_MAX_DEPTH];
    unsigned depth;
};
void loop_open(struct loop_span *s, const struct affine *trips);
/* The rule of program_check for one command, where the interleaved memory has so many bytes. */
bool cmd_stays_inside(const struct program *p, uint64_t l2_bytes, const struct loop_span *s,
                      const struct cmd *c);

#endif
