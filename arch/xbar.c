#include "arch/xbar.h"

#include <string.h>

void xbar_init(struct xbar *x, unsigned n_masters, unsigned n_banks, bool lock_in)
{
    memset(x, 0, sizeof *x);
    x->n_masters = (uint8_t)n_masters;
    x->n_banks = (uint8_t)n_banks;
    x->lock_in = lock_in;
}

static uint64_t swap_groups(uint64_t v, uint64_t low, unsigned distance)
{
    return (v >> distance & low) | (v & low) << distance;
}

uint64_t xbar_permute(uint64_t requests, unsigned rr)
{
    static const uint64_t low[6] = {
        0x5555555555555555, 0x3333333333333333, 0x0f0f0f0f0f0f0f0f,
        0x00ff00ff00ff00ff, 0x0000ffff0000ffff, 0x00000000ffffffff,
    };
    for (unsigned k = 0; rr >> k; k++)
        if (rr >> k & 1)
            requests = swap_groups(requests, low[k], 1u << k);
    return requests;
}
