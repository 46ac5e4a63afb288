/* HWPE streamers (pulp-platform/hwpe-stream 65c99a4a, v1.8.0): the source
 * (loads to a stream) with its load FIFO, and the sink (stream to stores) with
 * its store FIFO, cycle by cycle. Every register of the RTL that timing depends
 * on is here; data are not. A stream of 32*ports bits has one 32-bit TCDM port
 * a word (arch/hwpe_lanes.h). Flat structs without pointers.
 *
 * In every cycle, in this order: ask for the requests, arbitrate, step. A
 * granted access is answered in the next cycle. */
#ifndef ARCH_HWPE_STREAM_H
#define ARCH_HWPE_STREAM_H

#include "arch/hwpe_addrgen.h"
#include "arch/hwpe_lanes.h"

enum hwpe_state { HWPE_IDLE, HWPE_WORKING, HWPE_DRAINING };

struct hwpe_source {
    struct hwpe_addrgen gen;
    struct hwpe_load lanes;
    uint8_t decoupled;       /* DECOUPLED parameter */
    uint8_t state;           /* enum hwpe_state */
    uint8_t start;           /* req_start is high in this cycle */
    uint8_t done;            /* the done flag is high in this cycle */
    uint8_t kill;            /* all requests of the job are out */
    uint8_t none_yet;        /* no packet was handed over yet */
    uint16_t line_word;      /* of the packet at the output, for misaligned lines */
    uint32_t requested, handed_over; /* packets */
};

struct hwpe_sink {
    struct hwpe_addrgen gen;
    struct hwpe_store lanes;
    uint8_t state, start, done;
    uint8_t held;       /* misaligned: a packet waits in the realigner */
    uint8_t pad[2];
};

/* 1..16 ports, depth 0..16. */
void hwpe_source_init(struct hwpe_source *s, const struct hwpe_pattern *pattern, unsigned n_ports,
                      bool decoupled, unsigned fifo_depth);
/* Raises req_start for the coming step. Only in state HWPE_IDLE it has an effect. */
void hwpe_source_start(struct hwpe_source *s, const struct hwpe_pattern *pattern);
/* Stream output valid in this cycle: from registers, whatever `ready` will be. */
bool hwpe_source_valid(const struct hwpe_source *s);
/* TCDM request mask and byte addresses in this cycle. `ready` (the consumer)
 * matters only without load FIFO. */
unsigned hwpe_source_request(const struct hwpe_source *s, bool ready, uint32_t addr[]);
/* Ends the cycle. True if the stream handed over a packet. */
bool hwpe_source_step(struct hwpe_source *s, bool ready, unsigned grants);
/* Nothing to do without a start: a step would only clear `done`. */
bool hwpe_source_quiet(const struct hwpe_source *s);

void hwpe_sink_init(struct hwpe_sink *k, const struct hwpe_pattern *pattern, unsigned n_ports,
                    unsigned fifo_depth);
void hwpe_sink_start(struct hwpe_sink *k, const struct hwpe_pattern *pattern);
/* TCDM request mask and byte addresses. `valid` (the producer) matters only without FIFO. */
unsigned hwpe_sink_request(const struct hwpe_sink *k, bool valid, uint32_t addr[]);
/* Stream input ready. `grants` matters only without FIFO. */
bool hwpe_sink_ready(const struct hwpe_sink *k, bool valid, unsigned grants);
/* Ends the cycle. True if a packet was taken. */
bool hwpe_sink_step(struct hwpe_sink *k, bool valid, unsigned grants);
bool hwpe_sink_quiet(const struct hwpe_sink *k);

#endif
