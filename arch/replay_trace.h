/* A parsed request trace. Private to arch/replay_*.c and its tests. */
#ifndef ARCH_REPLAY_TRACE_H
#define ARCH_REPLAY_TRACE_H

#include "arch/hwpe_stream.h"
#include "arch/xbar.h"
#include "base/err.h"
#include <stddef.h>

enum replay_dut { REPLAY_CROSSBAR, REPLAY_SOC, REPLAY_HCI, REPLAY_STREAM };

struct replay_request {
    uint32_t addr;     /* byte or word address, as the trace's unit says */
    uint32_t earliest; /* cycle */
    bool write;
};

/* Requests made up on the fly by a linear congruential generator. */
struct replay_generator {
    bool present;
    uint32_t seed, count, span, write_pct, gap_pct, gap_max;
};

struct replay_hci {
    uint32_t n_core, n_ext, n_dma, n_hwpe, words, invert, num, den;
};

struct replay_stream {
    uint32_t words, decoupled, load_depth, sink_depth, background;
    uint32_t loop;                       /* the source drives the sink */
    uint32_t ready_period, valid_period; /* cycles */
    uint32_t ready_pct, ready_seed;
    bool random_ready;                   /* ready_pct is given */
    int64_t start_source, start_sink;    /* cycle; -1: not used */
    struct hwpe_pattern source, sink;
};

struct replay_trace {
    enum replay_dut dut;
    uint32_t n_masters, n_banks;
    bool byte_addresses;
    uint64_t blocking;
    uint8_t group[XBAR_MAX_MASTERS]; /* 0: none */
    uint32_t n_groups;
    struct replay_generator generator;
    struct replay_hci hci;
    struct replay_stream stream;
    struct replay_request *requests; /* by master, in issue order */
    size_t first[XBAR_MAX_MASTERS + 1]; /* requests of master m: first[m]..first[m+1]-1 */
};

/* Reads and checks a trace. On failure false, with everything that is wrong in
 * `err` and nothing to be finished. */
bool replay_trace_load(struct replay_trace *t, const char *path, struct err *err);
void replay_trace_finish(struct replay_trace *t);

#endif
