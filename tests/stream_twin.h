/* A second, slow account of the HWPE streamers behind a crossbar, for tests: packets as lists, FIFOs as
 * arrays of packet numbers. It knows what the rules cover: sources with FIFOs (DECOUPLED=1) of any width,
 * misaligned or not if the job is one line; sources without (DECOUPLED=0) of one word; sinks with FIFOs or
 * without, aligned. */
#ifndef TESTS_STREAM_TWIN_H
#define TESTS_STREAM_TWIN_H

#include "base/hash.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    STREAM_PACKETS = 400,
    STREAM_PORTS = 8,
    STREAM_DEPTH = 16,
    STREAM_BACKGROUND = 8,
    STREAM_REQUESTS = 200
};

struct stream_job {
    int start; /* cycle, -1: not used */
    uint32_t base, size, line_length, feat_length, feat_roll;
    int32_t line_stride, feat_stride;
    bool loop_outer;
};

struct stream_twin {
    unsigned words, banks, background, load_depth, sink_depth;
    bool decoupled, loop, random_ready;
    unsigned ready_period, valid_period, ready_pct;
    uint32_t ready_seed;
    struct stream_job source, sink;
    bool in_soc; /* numbered as in a PULPissimo: system_place(), then the source's ports backwards */
    unsigned n[STREAM_BACKGROUND];
    bool blocking[STREAM_BACKGROUND];
    struct {
        uint32_t earliest, addr;
        uint64_t first, grant;
    } request[STREAM_BACKGROUND][STREAM_REQUESTS];
};

/* Place of background master i of `n` in a PULPissimo: those of the uDMA stay free as long as the others
 * do. */
static inline unsigned system_place(unsigned i, unsigned n)
{
    return i < 2 || n > 7 ? i : i + 2;
}

void stream_twin_draw(struct stream_twin *t, struct rng *rng);
/* The result text. False: the scenario is outside of what the rules cover, or does not end. */
bool stream_twin_run(struct stream_twin *t, struct text *out);
void stream_twin_trace(const struct stream_twin *t, struct text *out);

#endif
