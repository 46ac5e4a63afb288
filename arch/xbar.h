/* Arbitration of the PULP TCDM crossbar: one round-robin tree a bank
 * (pulp-platform common_cells rr_arb_tree, FairArb=1, ExtPrio=0), with and
 * without LockIn. Pure state machines on flat memory: no pointer, no absolute
 * time, padding zeroed, so two states are equal iff memcmp says so. */
#ifndef ARCH_XBAR_H
#define ARCH_XBAR_H

#include <stdbool.h>
#include <stdint.h>

enum { XBAR_MAX_MASTERS = 64, XBAR_MAX_BANKS = 64 };

/* Request sets are masks: bit m is master m. */
struct xbar {
    uint64_t locked[XBAR_MAX_BANKS]; /* request set a stalled arbiter holds on to; 0: not locked */
    uint8_t rr[XBAR_MAX_BANKS];      /* the master that each bank prefers */
    uint8_t n_masters, n_banks;
    uint8_t lock_in; /* 1: new requesters are invisible to a stalled arbiter (HCI, AXI) */
    uint8_t pad[5];
};

/* All pointers at master 0. 1..64 masters, 1..64 banks. */
void xbar_init(struct xbar *x, unsigned n_masters, unsigned n_banks, bool lock_in);

/* Swaps the index bits of a request set that are 1 in rr: bit i moves to i^rr. */
uint64_t xbar_permute(uint64_t requests, unsigned rr);

/* Winner among a non-empty request set. The tree prefers, at every node where
 * both sides request, the side of rr; so the winner is the requester whose
 * index differs from rr in the least significant bits: minimum of i^rr. */
static inline unsigned xbar_pick(uint64_t requests, unsigned rr)
{
    if (requests >> rr & 1)
        return rr;
    if (!(requests & (requests - 1)))
        return (unsigned)__builtin_ctzll(requests);
    return (unsigned)__builtin_ctzll(xbar_permute(requests, rr)) ^ rr;
}

/* Pointer after a grant: the next requester above rr, cyclically; whoever was
 * just served counts, so a lone master keeps the pointer on itself. */
static inline unsigned xbar_next(uint64_t requests, unsigned rr)
{
    uint64_t above = requests & (~UINT64_C(1) << rr);
    return (unsigned)__builtin_ctzll(above ? above : requests);
}

/* One cycle of a bank that always grants. Returns the granted master, or -1
 * when the set is empty. */
static inline int xbar_grant(struct xbar *x, unsigned bank, uint64_t requests)
{
    if (!requests)
        return -1;
    unsigned rr = x->rr[bank];
    unsigned winner = xbar_pick(requests, rr);
    x->rr[bank] = (uint8_t)xbar_next(requests, rr);
    return (int)winner;
}

/* The request set that the arbiter of a bank sees in this cycle: the live one,
 * or with lock_in the one it was stalled on. */
static inline uint64_t xbar_seen(const struct xbar *x, unsigned bank, uint64_t requests)
{
    return x->locked[bank] ? x->locked[bank] : requests;
}

/* One cycle of a bank that may refuse; call it in every cycle. Returns the
 * winner when `granted`, else -1. Masters may not withdraw. */
static inline int xbar_settle(struct xbar *x, unsigned bank, uint64_t requests, bool granted)
{
    uint64_t seen = xbar_seen(x, bank, requests);
    if (!granted) {
        if (x->lock_in)
            x->locked[bank] = seen;
        return -1;
    }
    x->locked[bank] = 0;
    return xbar_grant(x, bank, seen);
}

#endif
