/* Request traces through an interconnect, cycle by cycle: parser of the trace
 * format (see tests/reference/tcdm/README.md) and replay. */
#ifndef ARCH_REPLAY_H
#define ARCH_REPLAY_H

#include "base/err.h"
#include "base/text.h"

/* Replays the trace file and appends the result to `out`: the `.result` format,
 * or the `.summary` format if the trace has a `generator:` line, or with
 * `chart` a drawing of the grants over time. On failure nothing is appended and
 * every error of the trace is in `err`. */
bool replay_run(const char *path, bool chart, struct text *out, struct err *err);

#endif
