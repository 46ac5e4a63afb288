/* What the parts of an engine fed by streams share: streams.c holds the engine
 * and the three streams of a driver, port.c the streams behind one port. */
#ifndef ARCH_STREAMS_H
#define ARCH_STREAMS_H

#include "arch/machine.h"
#include "arch/row_pipe.h"

/* Parses the stall pattern of `key`, with a diagnostic at its place. */
bool stall_decode(struct stall *s, const char *text, const char *key, const struct place *at,
                  struct err *err);

struct port;
struct cost_sink;
struct streams {
    struct row_pipe pipe;
    struct stall input, weight, output;
    struct event tick;
    bool started;
    uint32_t rows_left;  /* of the command in work */
    const struct cmd *cmd;
    struct port *port;   /* NULL: a driver feeds the streams */
    struct stream_layer *layers;
    size_t n, cap;       /* layers; the last is open until it is marked */
    bool open;
};

/* Cycles since the start of the run, skipped ones included. */
static inline uint64_t streams_cycle(const struct machine *m)
{
    return (m->now + m->skipped - m->origin) / m->soc_ticks;
}
/* Books rows and outputs of this cycle on their phase. */
void streams_record(struct machine *m, const struct row_events *ev);
/* A row was accepted; when it was the command's last, a driver's engine goes on
 * with the next command and this returns true. */
bool streams_row(struct machine *m);

/* ---- port.c ---- */
struct port *port_create(const struct machine *m);
void port_destroy(struct port *p);
/* A job is written: it starts as the host's dispatch has it. */
void port_job(struct machine *m, const struct cmd *c);
/* One cycle; the cause that it is booked on. */
enum cause port_cycle(struct machine *m);
void port_counters(struct machine *m);
void port_cost(const struct machine *m, struct cost_sink *sink);
/* Registers, output FIFO, activation, softmax and control of the streamed core
 * (streams_cost.c), for so many accepted rows and finished values. */
void streams_cost(const struct machine *m, struct cost_sink *sink, uint64_t rows, uint64_t values);

#endif
