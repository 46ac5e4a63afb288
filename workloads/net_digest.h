/* What the directory of a network holds, as a digest: part of the identity of points with its numbers. */
#ifndef WORKLOADS_NET_DIGEST_H
#define WORKLOADS_NET_DIGEST_H

#include "base/hash.h"

#include <stdbool.h>

/* Of network.yaml, case.json and every .npy in `dir`, by name and content; where the directory is does not
 * matter. Files are read once a process, until one of them changes. From any thread. False when there is
 * no network or a file cannot be read. */
bool net_digest(const char *dir, struct hash128 *out);

#endif
