/* The job of PULP's hwpe-mac-engine, made of the components under test: sources (DECOUPLED, load FIFO of 4,
 * behind it a FIFO of 2) for a and b, and for the addend of a dot product; multiplier and accumulator, a
 * register each; a FIFO of 2, and a sink with its FIFO of 2 and a store FIFO of 4 behind it; on the 13 x 4
 * crossbar beside random background masters. (mac_streamer.sv, mac_engine.sv: cd48c57.) */
#ifndef TESTS_MAC_JOB_H
#define TESTS_MAC_JOB_H

#include "arch/hwpe_stream.h"
#include "arch/xbar.h"
#include "base/hash.h"

enum { MAC_BANKS = 4, MAC_MASTERS = 13, MAC_HOST_SIDE = 9, MAC_FIFO = 2, MAC_STORE = 4 };

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
    unsigned n_store;               /* in the store FIFO */
    uint32_t store[MAC_STORE];      /* their addresses */
    uint32_t taken;                 /* elements */
    bool product, sum;              /* the registers of multiplier and accumulator are valid */
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

/* One element a cycle when both operands are there and the product has room; a dot product ends with its last
 * element, the addend comes whenever it comes. */
static inline void mac_datapath(struct mac_run *r, const struct mac_job *j, bool out_room)
{
    bool result = j->dot ? r->sum : r->product, room = !result || out_room;
    bool last = r->product && r->taken == j->length, product_room = !r->product || room;
    r->n_out += result && out_room;
    if (r->n[2] && room)
        r->n[2]--;
    if (j->dot && room)
        r->sum = last;
    if (!product_room)
        return;
    r->product = r->n[0] && r->n[1];
    r->n[0] -= r->product;
    r->n[1] -= r->product;
    r->taken += r->product;
}

/* What the sink pushed out, and what memory took. */
static inline void mac_store(struct mac_run *r, bool pushed, uint32_t addr, bool granted)
{
    for (unsigned i = 1; granted && i < r->n_store; i++)
        r->store[i - 1] = r->store[i];
    r->n_store -= granted;
    if (pushed)
        r->store[r->n_store++] = addr;
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
        if (p < 2 || j->dot)
            hwpe_source_start(&r.load[p], &line[p]);
    }
    hwpe_sink_init(&r.d, &line[3], 1, 2);
    hwpe_sink_start(&r.d, &line[3]);
    for (unsigned m = 0; m < j->background; m++)
        r.bank[m] = (uint8_t)rng_below(&r.rng, MAC_BANKS);
    for (unsigned c = 0; c < 100000; c++) {
        uint32_t addr[4] = {0}, written = 0;
        bool ready[3], valid = r.n_out > 0, out_room = r.n_out < MAC_FIFO;
        if (r.d.done)
            return c;
        bool pushed = hwpe_sink_request(&r.d, valid, &written) && r.n_store < MAC_STORE;
        unsigned ports = r.n_store ? 8 : 0;
        addr[3] = r.store[0];
        for (unsigned p = 0; p < 3; p++) {
            ready[p] = r.n[p] < MAC_FIFO;
            ports |= hwpe_source_request(&r.load[p], ready[p], addr + p) << p;
        }
        unsigned granted = mac_arbitrate(&r, j->background, ports, addr);
        mac_datapath(&r, j, out_room);
        for (unsigned p = 0; p < 3; p++)
            r.n[p] += hwpe_source_step(&r.load[p], ready[p], granted >> p & 1);
        mac_store(&r, pushed, written, granted >> 3 & 1);
        r.n_out -= hwpe_sink_step(&r.d, valid, pushed);
    }
    return 0;
}

/* Trigger to event: what lies before the streams and behind them. */
enum { MAC_FIXED = 8, MAC_ROWS = 20 };

/* Measured on the RTL of the engine, one seed of the background masters. */
static const struct mac_row {
    bool dot;
    unsigned length, background, cycles;
} mac_measured[MAC_ROWS] = {
    {true, 1024, 0, 1044},  {true, 1024, 1, 1142},  {true, 1024, 2, 1431},  {true, 1024, 4, 1865},
    {true, 1024, 8, 2533},  {false, 1024, 0, 1042}, {false, 1024, 1, 1274}, {false, 1024, 2, 1499},
    {false, 1024, 4, 1851}, {false, 1024, 8, 2598}, {true, 256, 0, 276},    {true, 256, 1, 305},
    {true, 256, 2, 384},    {true, 256, 4, 476},    {true, 256, 8, 665},    {false, 256, 0, 274},
    {false, 256, 1, 324},   {false, 256, 2, 385},   {false, 256, 4, 483},   {false, 256, 8, 626},
};

/* The same, mean of 20 seeds. */
static inline double mac_mean(const struct mac_row *row)
{
    double sum = 0;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct mac_job j = {.length = row->length, .base = {0x1000, 0x2004, 0x3008, 0x400c}, .dot = row->dot,
                            .background = row->background, .seed = seed};
        sum += mac_cycles(&j) + MAC_FIXED;
    }
    return sum / 20;
}

#endif
