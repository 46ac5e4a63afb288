/* Request traces through an interconnect, cycle by cycle: parser of the trace
 * format (see tests/reference/tcdm/README.md) and replay. */
#ifndef ARCH_REPLAY_H
#define ARCH_REPLAY_H

#include "base/err.h"
#include "base/text.h"

/* Replays the trace file and appends the result to `out`: the `.result` format,
 * or the `.summary` format if the trace has a `generator:` line, or, if
 * `chart_columns` is not 0, a drawing of the grants over time that is at most so
 * wide (or 20). On failure nothing is appended and every error of the trace is
 * in `err`. */
bool replay_run(const char *path, unsigned chart_columns, struct text *out, struct err *err);

#endif
