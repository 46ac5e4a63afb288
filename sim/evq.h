/* Event queue: six functions, two implementations. evq_wheel.c is the
 * product (1024 one-cycle slots, occupancy bitmap, overflow heap); evq_heap.c
 * is the test oracle (a plain 4-ary heap). Total order: time, phase, insertion. */
#ifndef SIM_EVQ_H
#define SIM_EVQ_H

#include <stdbool.h>
#include <stdint.h>

/* Phases of one cycle. A zero-delay post may only go to a later phase. */
enum phase { PHASE_DELIVER, PHASE_REQUEST, PHASE_ARBITRATE, PHASE_OBSERVE, N_PHASES };

/* Intrusive: embedded in its component; no allocation while running. */
struct event {
    struct event *next;
    uint64_t t;   /* tick */
    uint64_t seq; /* insertion number, set by the queue */
    void (*fn)(void *self, uint64_t now);
    void *self;
    uint8_t phase;
    bool queued;
    uint16_t id; /* set by the owner; identifies the event in state dumps */
};

struct evq;
struct evq_ops {
    const char *name;
    struct evq *(*create)(void);
    void (*destroy)(struct evq *q); /* NULL ok */
    void (*push)(struct evq *q, struct event *e); /* e->t, e->phase set; asserts !queued and t >= current */
    struct event *(*pop)(struct evq *q);          /* next in total order, or NULL; advances current time */
    void (*cancel)(struct evq *q, struct event *e);
    /* Adds dt to the time of every pending event and to the current time
     * (folding: the relative picture stays as it is). */
    void (*shift)(struct evq *q, uint64_t dt);
    /* Where nothing is due up to (t, phase), that becomes the current time, as if an event had been popped
     * there. False: something is due, nothing changes. Spares whoever alone is at work the way through the
     * queue. */
    bool (*reach)(struct evq *q, uint64_t t, enum phase phase);
};
extern const struct evq_ops evq_wheel, evq_heap;

#endif
