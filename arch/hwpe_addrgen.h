/* Address generator of the HWPE streamers (hwpe_stream_addressgen v1, 65c99a4a). */
#ifndef ARCH_HWPE_ADDRGEN_H
#define ARCH_HWPE_ADDRGEN_H

#include <stdbool.h>
#include <stdint.h>

/* Three nested loops: word in a line, line in a feature, feature. Widths are
 * those of the RTL: strides are signed 16 bit, the inner counters 10 bit. */
struct hwpe_pattern {
    uint32_t base;       /* bytes */
    uint32_t trans_size; /* packets of the whole job, 1..65535 */
    uint16_t line_length; /* packets */
    uint16_t feat_length; /* lines */
    uint16_t feat_roll;   /* features */
    int16_t line_stride, feat_stride; /* bytes */
    uint16_t loop_outer;  /* 1: repeat a feature feat_roll times before going on */
};

struct hwpe_addrgen {
    struct hwpe_pattern pattern;
    uint32_t word_addr, line_addr, feat_addr;
    uint16_t word, line, feat; /* counters */
    uint16_t overall;          /* packets so far; the first of a misaligned line does not count */
    uint8_t step_bytes;
    uint8_t unaligned;         /* some address of the pattern is not a multiple of 4 */
    uint8_t misaligned;        /* the register made of it: low for a cycle after a job */
    uint8_t is_sink;
    uint8_t stops_early;       /* DECOUPLED=0 source: a one-packet job is over at once */
    uint8_t in_progress;
    uint8_t in_progress_late;  /* the sink sees the flag one cycle later */
    uint8_t last_packet;
};

/* is_sink: REALIGN_TYPE; stops_early: DECOUPLED=0 on a source. */
void hwpe_addrgen_init(struct hwpe_addrgen *g, const struct hwpe_pattern *pattern, unsigned n_ports,
                       bool is_sink, bool stops_early);
/* Byte address of the first word of the current packet, word aligned. */
uint32_t hwpe_addrgen_addr(const struct hwpe_addrgen *g);
/* One clock: `enable` moves on to the next packet. */
void hwpe_addrgen_step(struct hwpe_addrgen *g, bool enable);
/* The clear of a finished job. */
void hwpe_addrgen_clear(struct hwpe_addrgen *g);
/* First and last access of a line. */
bool hwpe_addrgen_first(const struct hwpe_addrgen *g);
bool hwpe_addrgen_last(const struct hwpe_addrgen *g);
/* False when no byte of the current access is enabled (last access of an
 * aligned line in a job that is misaligned elsewhere). */
bool hwpe_addrgen_strobe(const struct hwpe_addrgen *g);

#endif
