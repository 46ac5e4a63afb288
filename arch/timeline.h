/* A run as a timeline (sim/trace.h): what each unit, the host, the uDMA and the
 * off-chip bus did, where the cycles went, how full slots, queues and ports were. */
#ifndef ARCH_TIMELINE_H
#define ARCH_TIMELINE_H

#include "arch/machine.h"
#include "sim/trace.h"

/* Runs the machine, which must not fold, and records the trace's window; the run ends
 * with the window, or when the trace is full. `to` of the trace becomes the last cycle
 * that was recorded. False on a deadlock. */
bool timeline_run(struct machine *m, struct trace *trace, struct err *err);

#endif
