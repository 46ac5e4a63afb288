/* The job of PULP's hwpe-mac-engine, made of the components under test: three sources (DECOUPLED, load FIFO
 * of 4, behind it a FIFO of 2), the multiplier, a FIFO of 2 and a sink with a store FIFO of 4, on the 13 x 4
 * crossbar beside random background masters. */
#ifndef TESTS_MAC_JOB_H
#define TESTS_MAC_JOB_H

#include "arch/hwpe_stream.h"
#include "arch/xbar.h"
#include "base/hash.h"

enum { MAC_BANKS = 4, MAC_MASTERS = 13, MAC_HOST_SIDE = 9, MAC_FIFO = 2, MAC_PIPE = 2 };

struct mac_job {
    uint32_t length;     /* words */
    uint32_t base[4];    /* byte addresses: a, b, c, d */
    bool dot;            /* one result, else one an element */
    unsigned background; /* masters that read a random bank again and again */
    uint64_t seed;
};

struct mac_run {
    struct hwpe_source load[3];
    struct hwpe_sink d;
    unsigned n[3], n_out;           /* words in the FIFOs */
    uint32_t taken, made, pipe;     /* elements; results on their way, one bit a stage */
    struct xbar xbar;
    uint8_t bank[MAC_MASTERS];      /* of background masters */
    struct rng rng;
};

static inline struct hwpe_pattern mac_line(uint32_t base, uint32_t words)
{
    return (struct hwpe_pattern){.base = base, .trans_size = words, .line_length = (uint16_t)words,
                                 .feat_length = 1};
}

/* Loads a, b, c at 9..11, store d at 12: as on the bench that the job was measured on. */
static inline unsigned mac_index(unsigned port)
{
    return MAC_HOST_SIDE + port;
}

/* Grants of one cycle, one bit a port. */
static inline unsigned mac_arbitrate(struct mac_run *r, unsigned background, unsigned ports,
                                     const uint32_t addr[4])
{
    uint64_t ask[MAC_BANKS] = {0};
    unsigned granted = 0;
    for (unsigned m = 0; m < background; m++)
        ask[r->bank[m]] |= UINT64_C(1) << m;
    for (unsigned p = 0; p < 4; p++)
        if (ports >> p & 1)
            ask[addr[p] >> 2 & (MAC_BANKS - 1)] |= UINT64_C(1) << mac_index(p);
    for (unsigned b = 0; b < MAC_BANKS; b++) {
        int m = xbar_grant(&r->xbar, b, ask[b]);
        if (m >= MAC_HOST_SIDE)
            granted |= 1u << (m - MAC_HOST_SIDE);
        else if (m >= 0)
            r->bank[m] = (uint8_t)rng_below(&r->rng, MAC_BANKS);
    }
    return granted;
}

/* One element a cycle when both operands are there and the result has room. */
static inline void mac_datapath(struct mac_run *r, const struct mac_job *j, bool out_room)
{
    bool stall = r->pipe >> (MAC_PIPE - 1) & 1 && !out_room;
    if (stall)
        return;
    if (r->pipe >> (MAC_PIPE - 1) & 1)
        r->n_out++;
    r->pipe = r->pipe << 1 & ((1u << MAC_PIPE) - 1);
    /* The dot product takes its one addend with the first element. */
    bool addend = !j->dot || r->taken == 0;
    if (!r->n[0] || !r->n[1] || (addend && !r->n[2]))
        return;
    r->n[0]--;
    r->n[1]--;
    r->n[2] -= addend;
    r->taken++;
    r->pipe |= !j->dot || r->taken == j->length;
}

/* Cycles from the start of the streams to the done flag of the sink. */
static inline unsigned mac_cycles(const struct mac_job *j)
{
    struct mac_run r = {.rng = {j->seed}};
    uint32_t words[4] = {j->length, j->length, j->dot ? 1 : j->length, j->dot ? 1 : j->length};
    struct hwpe_pattern line[4];
    for (unsigned p = 0; p < 4; p++)
        line[p] = mac_line(j->base[p], words[p]);
    xbar_init(&r.xbar, MAC_MASTERS, MAC_BANKS, false);
    for (unsigned p = 0; p < 3; p++) {
        hwpe_source_init(&r.load[p], &line[p], 1, true, 4);
        hwpe_source_start(&r.load[p], &line[p]);
    }
    hwpe_sink_init(&r.d, &line[3], 1, 4);
    hwpe_sink_start(&r.d, &line[3]);
    for (unsigned m = 0; m < j->background; m++)
        r.bank[m] = (uint8_t)rng_below(&r.rng, MAC_BANKS);
    for (unsigned c = 0; c < 100000; c++) {
        uint32_t addr[4] = {0};
        bool ready[3], valid = r.n_out > 0, out_room = r.n_out < MAC_FIFO;
        if (r.d.done)
            return c;
        unsigned ports = hwpe_sink_request(&r.d, valid, addr + 3) << 3;
        for (unsigned p = 0; p < 3; p++) {
            ready[p] = r.n[p] < MAC_FIFO;
            ports |= hwpe_source_request(&r.load[p], ready[p], addr + p) << p;
        }
        unsigned granted = mac_arbitrate(&r, j->background, ports, addr);
        mac_datapath(&r, j, out_room);
        for (unsigned p = 0; p < 3; p++)
            r.n[p] += hwpe_source_step(&r.load[p], ready[p], granted >> p & 1);
        r.n_out -= hwpe_sink_step(&r.d, valid, granted >> 3 & 1);
    }
    return 0;
}

#endif
