/* The rule by which rows pass the PE array, one cycle at a time. Stationary
 * sets are filled beat by beat and used in turn; a row needs a full set; the
 * rows that finish an output take a credit until their output has left.
 *
 *   a row is accepted when it is offered, the current set is full and fewer
 *   than `credits` finished rows are under way (state at the start of a cycle);
 *   a set can be used from the cycle after its last beat, and be written again
 *   from the cycle after its last row;
 *   an output can leave `latency` cycles after its row was accepted; its credit
 *   can be used from the cycle after it left.
 *
 * Found on the RTL of a published accelerator (docs/accuracy.md): all of
 * its core runs come out to the cycle. Where nothing stalls the rule has a
 * closed form, which the engine of a machine with buffers uses. */
#ifndef ARCH_ROW_PIPE_H
#define ARCH_ROW_PIPE_H

#include <stdbool.h>
#include <stdint.h>

enum { ROW_PIPE_MAX = 256 }; /* credits */
/* Why no row was accepted; when several reasons hold, the first. */
enum row_wait { ROW_TAKEN, ROW_NO_CREDIT, ROW_NO_SET, ROW_NOT_OFFERED, ROW_NONE_LEFT };

struct row_pipe {
    /* constants */
    uint32_t rows_per_set, beats_per_set, sets, credits, latency;
    uint32_t beats_per_row, beats_per_output; /* of the stream that brings rows, takes outputs */
    /* state */
    uint32_t full, beats;       /* full sets, beats in the set being filled */
    uint32_t row, row_beats, output_beats;
    uint32_t head, in_flight;   /* ring of finished rows under way */
    uint64_t due[ROW_PIPE_MAX]; /* first cycle in which the output can leave */
    uint32_t tag[ROW_PIPE_MAX]; /* of the row, as given */
};

/* What is there in a cycle. */
struct row_offer {
    bool left;   /* rows remain to be accepted */
    bool row;    /* the stream of rows is valid */
    bool weight; /* the stream of weights is valid */
    bool ready;  /* the stream of outputs is ready */
    bool last;   /* the next row finishes an output */
    uint32_t tag;
};
/* What happened in it. */
struct row_events {
    bool row, weight, output;
    uint8_t wait; /* enum row_wait */
    uint32_t tag; /* of the output */
};

/* Could a row be accepted in this cycle, were it offered? */
bool row_pipe_open(const struct row_pipe *p);
struct row_events row_pipe_cycle(struct row_pipe *p, uint64_t cycle, const struct row_offer *in);
/* Cycles from the first row accepted to the last, inclusive, when nothing stalls. */
static inline uint64_t row_pipe_unstalled(uint64_t rows, uint64_t cycles_per_row)
{
    return rows * cycles_per_row;
}

#endif
