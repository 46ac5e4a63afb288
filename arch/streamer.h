/* What the streamer (streamer.c) keeps of its streams. */
#ifndef ARCH_STREAMER_H
#define ARCH_STREAMER_H

#include "arch/fold.h"
#include "arch/hwpe_lanes.h"

enum { N_STREAMS = 3, STORE = 2 };
enum { MAX_FLYING = 64 }; /* packets between address and join: below 2 x depth + 4 */

/* The generator makes packets of up to `ports` words; the ports behind it are
 * those of hwpe-stream (arch/hwpe_lanes.h), loads and stores alike. They keep
 * what is on its way when the next command begins. */
struct stream {
    const struct cmd *c; /* NULL: idle */
    uint64_t work_at, idle_since;
    /* Generator: what comes after the packet on offer. */
    int64_t plane_at, line_at; /* where they begin */
    uint32_t plane, pos;       /* pos: words into the line; strided: bytes into all lines */
    uint64_t words, lines;     /* left: words of the line (strided: bytes of all), lines of the plane */
    bool generated;            /* nothing comes */
    bool strided;              /* the command is a transposed load that reads byte by byte */
    uint16_t need;             /* ports of the packet on offer; 0: none */
    uint8_t wait;              /* cycles until the buffer gives or takes the next packet */
    uint8_t flying, joining;   /* packets sent off, packets joined: modulo MAX_FLYING */
    uint16_t flying_need[MAX_FLYING];
    uint32_t addr[HWPE_MAX_PORTS]; /* of the packet on offer */
    struct hwpe_load load;
    struct hwpe_store store;
};
struct streamer {
    struct stream s[N_STREAMS];
    uint16_t prefers[N_STREAMS]; /* ports whose next turn is that stream's: each port is in one of them */
    uint16_t asks[N_STREAMS];    /* ports whose request belongs to that stream */
    uint16_t held;               /* ports that were refused: a request is not withdrawn for another */
    uint8_t active;              /* streams that have something to do, a bit each */
    uint8_t interval[N_STREAMS];
    uint8_t ports; /* words of a packet */
    uint8_t lanes; /* ports of the interconnect: as many, or one wide one */
    uint32_t bank_mask;
};

/* An address as the FIFOs hold it: the bits that choose a bank, and how many
 * words a wide port moves with it. */
enum { WORDS_SHIFT = 16 };

extern const uint8_t stream_unit[N_STREAMS];
/* A transposed load that reads byte by byte. */
bool stream_strided(const struct machine *m, const struct cmd *c);
void streamer_state(struct machine *m, struct state_io *io);

/* Of the store stream only commands are active: nothing comes after its last grant. */
static inline bool stream_active(const struct stream *s, unsigned i)
{
    return s->c || (i != STORE && (s->wait || !hwpe_load_quiet(&s->load)));
}

#endif
