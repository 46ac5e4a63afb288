/* Error of the retention state over 8192 tokens of random int8 q, k, v: SQNR of what queries
 * read of an integer state against the same in exact arithmetic, for the head whose decay is
 * 1 - 2^-(5+h). The integer arithmetic is workloads/intops.h. */
#ifndef TESTS_STATE_ERROR_H
#define TESTS_STATE_ERROR_H

#include <stdint.h>

enum { STATE_TOKENS = 8192, STATE_CHUNK = 64, STATE_SEEDS = 5 };
enum { STATE_LENGTHS = 6, STATE_SHORTEST = 256 }; /* 256, 512 .. 8192 */
enum { STATE_HEADS = 9 };
enum state_variant {
    STATE_32,
    STATE_32_TRUNCATED,
    STATE_16,
    STATE_16_TRUNCATED,
    STATE_16_STOCHASTIC,
    STATE_16_CHUNK,
    STATE_16_EVEN, /* nobody else measured it */
    STATE_VARIANTS
};

extern const unsigned state_heads[STATE_HEADS]; /* h */
/* dB at 8192 tokens that others measured with a model of their own, on one seed of data of their
 * own (facts/retnet.md section 7.4, zero mean; chunks: 8-bit keys, of the state itself); 0: not
 * measured. */
extern const double state_measured[STATE_HEADS][STATE_VARIANTS];
/* Bits by which a 16-bit state was shifted there. The first step costs 22 dB, others 4 to 5. */
extern const int state_measured_p[STATE_HEADS];
/* Most that a median over seeds may differ from that: one seed is up to 1 dB from another. */
#define STATE_LIMIT_DB 1.5

struct state_error {
    /* dB over the last half of each length: median of the first STATE_SEEDS seeds whose largest
     * exact state needs the shift of state_measured_p */
    double db[STATE_VARIANTS][STATE_LENGTHS];
    double least[STATE_VARIANTS], most[STATE_VARIANTS]; /* of the seeds, longest length */
    uint64_t over[STATE_VARIANTS];                      /* values clipped or wrapped, all seeds */
    unsigned seeds_tried;
};
void state_error_of(unsigned head, struct state_error *out); /* index in state_heads */

#endif
