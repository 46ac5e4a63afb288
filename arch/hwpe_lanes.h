/* The 32-bit ports behind a streamer (pulp-platform/hwpe-stream 65c99a4a,
 * v1.8.0): load side (hwpe_stream_tcdm_fifo_load on every port and the join of
 * the words into packets) and store side (tcdm_fifo_store). One copy serves the
 * streamers of a trace (hwpe_source.c, hwpe_sink.c: replay) and those of the
 * accelerator (streamer.c: run); they differ in where addresses come from.
 *
 * A FIFO of depth D takes an entry iff it is not full at the start of the
 * cycle; a pop is visible in the cycle after the push. Masks have one bit a
 * port; of a packet that is not as wide as the stream only the ports in `need`
 * take part. Depth 0: no FIFO, requests go straight to the memory. Flat, and
 * equal states are equal bytes. */
#ifndef ARCH_HWPE_LANES_H
#define ARCH_HWPE_LANES_H

#include <stdbool.h>
#include <stdint.h>

enum { HWPE_MAX_PORTS = 16, HWPE_MAX_DEPTH = 16 };
enum { HWPE_PACKET_FIFO = 2 }; /* i_misaligned_fifo of a decoupled source */

struct hwpe_fifos { /* one a port, of addresses; unused entries are 0 */
    uint16_t more[HWPE_MAX_DEPTH]; /* ports with more than i entries */
    uint8_t n[HWPE_MAX_PORTS];
    uint32_t addr[HWPE_MAX_PORTS][HWPE_MAX_DEPTH];
};

struct hwpe_load {
    uint16_t ports;    /* all */
    uint16_t sent;     /* ports that already sent the current address */
    uint16_t joined;   /* ports whose word of the current packet is held */
    uint16_t answered; /* ports with a response in this cycle */
    uint16_t late_in;  /* ports with a response held in front of a full FIFO */
    uint16_t late_out; /* ports with a word held in front of the stream */
    uint16_t data[HWPE_MAX_DEPTH]; /* ports with more than i words */
    uint8_t n_ports, depth;
    uint8_t packets;   /* in the packet FIFO */
    uint8_t pad;
    struct hwpe_fifos fifo;
};

struct hwpe_store {
    uint16_t ports;
    uint8_t n_ports, depth;
    struct hwpe_fifos fifo;
};

void hwpe_load_init(struct hwpe_load *l, unsigned n_ports, unsigned depth);
void hwpe_store_init(struct hwpe_store *s, unsigned n_ports, unsigned depth);

static inline uint32_t hwpe_fifo_addr(const struct hwpe_fifos *f, unsigned port)
{
    return f->addr[port][0];
}

static inline void hwpe_fifo_push(struct hwpe_fifos *f, unsigned depth, unsigned ports, const uint32_t addr[])
{
    if (!ports)
        return;
    for (unsigned i = depth; i-- > 1;)
        f->more[i] |= f->more[i - 1] & (uint16_t)ports;
    f->more[0] |= (uint16_t)ports;
    for (; ports; ports &= ports - 1) {
        unsigned p = (unsigned)__builtin_ctz(ports);
        f->addr[p][f->n[p]++] = addr[p];
    }
}

static inline void hwpe_fifo_pop(struct hwpe_fifos *f, unsigned depth, unsigned ports)
{
    if (!ports)
        return;
    for (unsigned i = 0; i < depth; i++)
        f->more[i] &= (uint16_t)(~ports | (i + 1 < depth ? f->more[i + 1] : 0));
    for (; ports; ports &= ports - 1) {
        unsigned p = (unsigned)__builtin_ctz(ports), n = --f->n[p];
        for (unsigned i = 0; i < n; i++)
            f->addr[p][i] = f->addr[p][i + 1];
        f->addr[p][n] = 0;
    }
}

static inline unsigned hwpe_fifo_full(const struct hwpe_fifos *f, unsigned depth)
{
    return f->more[depth - 1];
}

/* ---- load side, in this order: request, arbitrate, room, join, step ---- */

/* Ports with a request. `offered`: ports on which the streamer has an address. */
static inline unsigned hwpe_load_request(const struct hwpe_load *l, unsigned offered)
{
    return l->depth ? l->fifo.more[0] & ~(unsigned)l->data[l->depth - 1] : offered;
}

/* Ports on which an address that is offered is taken in this cycle. */
static inline unsigned hwpe_load_room(const struct hwpe_load *l, unsigned grants)
{
    return l->depth ? l->ports & ~hwpe_fifo_full(&l->fifo, l->depth) : grants;
}

/* Words at the stream side when the stream side takes those in `take`. */
static inline unsigned hwpe_load_words(const struct hwpe_load *l, unsigned take)
{
    return (l->depth ? l->data[0] & take : l->answered) | l->late_out;
}

/* Joins words into the packet FIFO, from which a packet leaves or not. *take:
 * ports whose word the stream side takes. True when a packet was completed. */
static inline bool hwpe_load_join(struct hwpe_load *l, unsigned need, bool leaves, unsigned *take)
{
    bool room = l->packets < HWPE_PACKET_FIFO;
    *take = room ? need & ~(unsigned)l->joined : 0;
    unsigned valid = hwpe_load_words(l, *take) & need;
    bool complete = (valid | l->joined) == need;
    l->joined = (uint16_t)(complete ? 0 : l->joined | valid);
    l->packets = (uint8_t)(l->packets - leaves + (complete && room));
    return complete && room;
}

/* Ends the cycle: addresses of `pushed` ports in, those of `grants` out, words
 * of `take` ports to the stream. */
void hwpe_load_step(struct hwpe_load *l, unsigned pushed, const uint32_t addr[], unsigned grants,
                    unsigned take);
/* Nothing is on its way. */
static inline bool hwpe_load_quiet(const struct hwpe_load *l)
{
    unsigned words = l->depth ? l->data[0] : 0;
    return !(l->packets | l->answered | l->late_in | l->late_out | l->joined | words);
}

/* ---- store side: request, arbitrate, room, step ---- */

/* Ports that can take their word. */
static inline unsigned hwpe_store_room(const struct hwpe_store *s, unsigned grants)
{
    return s->depth ? s->ports & ~hwpe_fifo_full(&s->fifo, s->depth) : grants;
}

static inline unsigned hwpe_store_request(const struct hwpe_store *s, unsigned offered)
{
    return s->depth ? s->fifo.more[0] : offered;
}

/* Every port of `offered` that can take its word does, whether or not the
 * others can: a packet that waits is written again and again. */
static inline void hwpe_store_step(struct hwpe_store *s, unsigned offered, const uint32_t addr[],
                                   unsigned grants)
{
    if (!s->depth)
        return;
    unsigned pushed = offered & hwpe_store_room(s, 0);
    hwpe_fifo_pop(&s->fifo, s->depth, grants);
    hwpe_fifo_push(&s->fifo, s->depth, pushed, addr);
}

#endif
