/* The 32-bit ports behind a streamer (pulp-platform/hwpe-stream 65c99a4a,
 * v1.8.0): load side (hwpe_stream_tcdm_fifo_load on every port and the join of
 * the words into packets) and store side (tcdm_fifo_store). One copy serves the
 * streamers of a trace (hwpe_source.c, hwpe_sink.c: replay) and those of the
 * accelerator (streamer.c: run); they differ in where addresses come from.
 *
 * A FIFO of depth D takes an entry iff it is not full at the start of the
 * cycle; a pop is visible in the cycle after the push. Masks have one bit a
 * port; of a packet that is not as wide as the stream only the ports in `need`
 * take part. Depth 0: no FIFO, requests go straight to the memory. Flat. */
#ifndef ARCH_HWPE_LANES_H
#define ARCH_HWPE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { HWPE_MAX_PORTS = 16, HWPE_MAX_DEPTH = 16 };
enum { HWPE_PACKET_FIFO = 2 }; /* i_misaligned_fifo of a decoupled source */

/* How full the FIFOs of all ports are, so that one operation moves them all: bit
 * 16 * (i % 4) + p of word i / 4 says that port p has more than i entries. */
struct hwpe_fill {
    uint64_t more[HWPE_MAX_DEPTH / 4];
};

/* A number below HWPE_MAX_DEPTH for each port, a byte each, so that they move eight at a time. */
union hwpe_places {
    uint8_t of[HWPE_MAX_PORTS];
    uint64_t eight[HWPE_MAX_PORTS / 8];
};

/* Of addresses; those of port p are addr[i][p], i from head up to tail, round and round. */
struct hwpe_fifos {
    struct hwpe_fill fill;
    union hwpe_places head, tail;
    uint32_t addr[HWPE_MAX_DEPTH][HWPE_MAX_PORTS];
};

struct hwpe_load {
    uint16_t ports;    /* all */
    uint16_t sent;     /* ports that already sent the current address */
    uint16_t joined;   /* ports whose word of the current packet is held */
    uint16_t answered; /* ports with a response in this cycle */
    uint16_t late_in;  /* ports with a response held in front of a full FIFO */
    uint16_t late_out; /* ports with a word held in front of the stream */
    uint8_t n_ports, depth;
    uint8_t packets;   /* in the packet FIFO */
    uint8_t pad;
    struct hwpe_fill data; /* words */
    struct hwpe_fifos fifo;
};

struct hwpe_store {
    uint16_t ports;
    uint8_t n_ports, depth;
    struct hwpe_fifos fifo;
};

void hwpe_load_init(struct hwpe_load *l, unsigned n_ports, unsigned depth);
void hwpe_store_init(struct hwpe_store *s, unsigned n_ports, unsigned depth);

/* Ports with more than i entries. */
static inline unsigned hwpe_fill_more(const struct hwpe_fill *f, unsigned i)
{
    return (uint16_t)(f->more[i / 4] >> (16 * (i % 4)));
}

static inline uint64_t hwpe_fill_spread(unsigned ports)
{
    return ports * UINT64_C(0x0001000100010001);
}

/* One entry more in each of `ports`, which have room. */
static inline void hwpe_fill_add(struct hwpe_fill *f, unsigned depth, unsigned ports)
{
    uint64_t all = hwpe_fill_spread(ports);
    for (unsigned w = (depth - 1) / 4; w; w--)
        f->more[w] |= (f->more[w] << 16 | f->more[w - 1] >> 48) & all;
    f->more[0] |= (f->more[0] << 16 | 0xffff) & all;
}

/* One less. */
static inline void hwpe_fill_drop(struct hwpe_fill *f, unsigned depth, unsigned ports)
{
    uint64_t all = hwpe_fill_spread(ports);
    unsigned last = (depth - 1) / 4;
    for (unsigned w = 0; w < last; w++)
        f->more[w] = (f->more[w] & ~all) | ((f->more[w] >> 16 | f->more[w + 1] << 48) & all);
    f->more[last] = (f->more[last] & ~all) | (f->more[last] >> 16 & all);
}

/* One out of each of `out`, which have one, then one into each of `in`. Where both happen nothing changes. */
static inline void hwpe_fill_move(struct hwpe_fill *f, unsigned depth, unsigned out, unsigned in)
{
    if (out == in)
        return;
    hwpe_fill_drop(f, depth, out & ~in);
    hwpe_fill_add(f, depth, in & ~out);
}

extern const uint64_t hwpe_ones[256]; /* a byte of 1 for each bit */

/* The places of `ports` move on by one. */
static inline void hwpe_places_next(union hwpe_places *at, unsigned ports)
{
    const uint64_t below = UINT64_C(0x0101010101010101) * (HWPE_MAX_DEPTH - 1);
    at->eight[0] = (at->eight[0] + hwpe_ones[ports & 255]) & below;
    if (ports >> 8)
        at->eight[1] = (at->eight[1] + hwpe_ones[ports >> 8]) & below;
}

/* Ports, port 0 among them, that are all at the same place. */
static inline bool hwpe_places_equal(const union hwpe_places *at, unsigned ports)
{
    const uint64_t all = UINT64_C(0x0101010101010101) * at->of[0];
    uint64_t other = (at->eight[0] ^ all) & hwpe_ones[ports & 255] * (HWPE_MAX_DEPTH - 1);
    if (ports >> 8)
        other |= (at->eight[1] ^ all) & hwpe_ones[ports >> 8] * (HWPE_MAX_DEPTH - 1);
    return !other;
}

static inline unsigned hwpe_fifo_any(const struct hwpe_fifos *f)
{
    return (uint16_t)f->fill.more[0];
}

static inline void hwpe_fifos_clear(struct hwpe_fifos *f)
{
    memset(f, 0, offsetof(struct hwpe_fifos, addr));
}

/* `i` entries behind the head. */
static inline uint32_t *hwpe_fifo_entry(struct hwpe_fifos *f, unsigned port, unsigned i)
{
    return &f->addr[(f->head.of[port] + i) % HWPE_MAX_DEPTH][port];
}

static inline unsigned hwpe_fifo_count(const struct hwpe_fifos *f, unsigned depth, unsigned port)
{
    unsigned n = 0;
    while (n < depth && hwpe_fill_more(&f->fill, n) >> port & 1)
        n++;
    return n;
}

static inline uint32_t hwpe_fifo_addr(const struct hwpe_fifos *f, unsigned port)
{
    return f->addr[f->head.of[port]][port];
}

/* Of `all` ports addresses of `out` leave, those of `in` come. */
static inline void hwpe_fifo_move(struct hwpe_fifos *f, unsigned all, unsigned depth, unsigned out,
                                  unsigned in, const uint32_t addr[])
{
    hwpe_fill_move(&f->fill, depth, out, in);
    hwpe_places_next(&f->head, out);
    if (in == all && hwpe_places_equal(&f->tail, in))
        memcpy(f->addr[f->tail.of[0]], addr, sizeof f->addr[0]);
    else
        for (unsigned left = in; left; left &= left - 1) {
            unsigned p = (unsigned)__builtin_ctz(left);
            f->addr[f->tail.of[p]][p] = addr[p];
        }
    hwpe_places_next(&f->tail, in);
}

static inline void hwpe_fifo_push(struct hwpe_fifos *f, unsigned all, unsigned depth, unsigned ports,
                                  const uint32_t addr[])
{
    hwpe_fifo_move(f, all, depth, 0, ports, addr);
}

static inline unsigned hwpe_fifo_full(const struct hwpe_fifos *f, unsigned depth)
{
    return hwpe_fill_more(&f->fill, depth - 1);
}

/* ---- load side, in this order: request, arbitrate, room, join, step ----
 * `depth` is the one of the struct: who knows it beforehand has half of the work done by the compiler. */

/* Ports with a request. `offered`: ports on which the streamer has an address. */
static inline unsigned hwpe_load_request(const struct hwpe_load *l, unsigned depth, unsigned offered)
{
    return depth ? hwpe_fifo_any(&l->fifo) & ~hwpe_fill_more(&l->data, depth - 1) : offered;
}

/* Ports on which an address that is offered is taken in this cycle. */
static inline unsigned hwpe_load_room(const struct hwpe_load *l, unsigned depth, unsigned grants)
{
    return depth ? l->ports & ~hwpe_fifo_full(&l->fifo, depth) : grants;
}

/* Words at the stream side when the stream side takes those in `take`. */
static inline unsigned hwpe_load_words(const struct hwpe_load *l, unsigned depth, unsigned take)
{
    return (depth ? hwpe_fill_more(&l->data, 0) & take : l->answered) | l->late_out;
}

/* Joins words into the packet FIFO, from which a packet leaves or not. *take:
 * ports whose word the stream side takes. True when a packet was completed. */
static inline bool hwpe_load_join(struct hwpe_load *l, unsigned depth, unsigned need, bool leaves,
                                  unsigned *take)
{
    bool room = l->packets < HWPE_PACKET_FIFO;
    *take = room ? need & ~(unsigned)l->joined : 0;
    unsigned valid = hwpe_load_words(l, depth, *take) & need;
    bool complete = (valid | l->joined) == need;
    l->joined = (uint16_t)(complete ? 0 : l->joined | valid);
    l->packets = (uint8_t)(l->packets - leaves + (complete && room));
    return complete && room;
}

/* Ends the cycle: addresses of `pushed` ports in, those of `grants` out, words
 * of `take` ports to the stream. */
static inline void hwpe_load_step(struct hwpe_load *l, unsigned depth, unsigned pushed,
                                  const uint32_t addr[], unsigned grants, unsigned take)
{
    if (!depth) { /* words that the stream does not take are kept, one a port */
        l->late_out = (uint16_t)((l->late_out | l->answered) & ~take);
        l->answered = (uint16_t)grants;
        return;
    }
    unsigned full = hwpe_fill_more(&l->data, depth - 1), arrives = l->answered | l->late_in;
    hwpe_fifo_move(&l->fifo, l->ports, depth, grants, pushed, addr);
    hwpe_fill_move(&l->data, depth, take & hwpe_fill_more(&l->data, 0), arrives & ~full);
    l->late_in = (uint16_t)(arrives & full);
    l->answered = (uint16_t)grants;
}

/* Nothing is on its way. */
static inline bool hwpe_load_quiet(const struct hwpe_load *l)
{
    unsigned words = hwpe_fill_more(&l->data, 0);
    return !(l->packets | l->answered | l->late_in | l->late_out | l->joined | words);
}

/* ---- store side: request, arbitrate, room, step ---- */

/* Ports that can take their word. */
static inline unsigned hwpe_store_room(const struct hwpe_store *s, unsigned depth, unsigned grants)
{
    return depth ? s->ports & ~hwpe_fifo_full(&s->fifo, depth) : grants;
}

static inline unsigned hwpe_store_request(const struct hwpe_store *s, unsigned depth, unsigned offered)
{
    return depth ? hwpe_fifo_any(&s->fifo) : offered;
}

/* Every port of `offered` that can take its word does, whether or not the
 * others can: a packet that waits is written again and again. */
static inline void hwpe_store_step(struct hwpe_store *s, unsigned depth, unsigned offered,
                                   const uint32_t addr[], unsigned grants)
{
    if (!depth)
        return;
    unsigned pushed = offered & hwpe_store_room(s, depth, 0);
    hwpe_fifo_move(&s->fifo, s->ports, depth, grants, pushed, addr);
}

#endif
