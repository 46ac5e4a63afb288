/* Between the uDMA channels and the off-chip controller. */
#ifndef ARCH_UDMA_H
#define ARCH_UDMA_H

#include "arch/fold.h"

struct transfer {
    const struct cmd *c;
    int64_t l2, ext;
    uint64_t bytes;
};
struct channel { /* one running transfer and `pending` queued ones */
    struct transfer q[4];
    unsigned head, n;
    uint64_t ext_left;   /* bytes still to cross the off-chip interface */
    uint64_t l2_left;    /* bytes still to cross the interconnect */
    uint64_t fifo_bytes; /* between the two */
    uint64_t l2_addr;    /* of the next L2 access */
};
struct udma {
    struct channel ch[2]; /* 0 tx: L2 -> off-chip, 1 rx */
    /* off-chip controller */
    struct event tick;
    uint64_t burst_left; /* bytes of the running burst */
    int dir;             /* channel of the running burst, -1 none */
    int last;            /* channel served last */
    bool in_recovery;
    bool stopped;        /* the PHY clock waits for a FIFO */
};
/* Whoever of the two is built first makes the shared state. */
void udma_create(struct machine *m);
void udma_finish_transfer(struct machine *m, unsigned ch);
void hyperram_kick(struct machine *m);
struct transfer *channel_head(struct channel *c);
/* The running transfer of channel i is over, the next one begins. */
void udma_next_transfer(struct machine *m, unsigned i);
void udma_append(struct machine *m, const struct cmd *c, int64_t l2, int64_t ext);

#endif
