#include "arch/hwpe_lanes.h"

#include <string.h>

void hwpe_load_init(struct hwpe_load *l, unsigned n_ports, unsigned depth)
{
    memset(l, 0, sizeof *l);
    l->n_ports = (uint8_t)n_ports;
    l->ports = (uint16_t)((1u << n_ports) - 1);
    l->depth = (uint8_t)depth;
}

void hwpe_store_init(struct hwpe_store *s, unsigned n_ports, unsigned depth)
{
    memset(s, 0, sizeof *s);
    s->n_ports = (uint8_t)n_ports;
    s->ports = (uint16_t)((1u << n_ports) - 1);
    s->depth = (uint8_t)depth;
}

/* Words of the data FIFOs: `out` ports lose one, then `in` ports get one. */
static void data_step(struct hwpe_load *l, unsigned out, unsigned in)
{
    unsigned depth = l->depth;
    for (unsigned i = 0; out && i < depth; i++)
        l->data[i] &= (uint16_t)(~out | (i + 1 < depth ? l->data[i + 1] : 0));
    for (unsigned i = depth; in && i-- > 1;)
        l->data[i] |= l->data[i - 1] & (uint16_t)in;
    l->data[0] |= (uint16_t)in;
}

void hwpe_load_step(struct hwpe_load *l, unsigned pushed, const uint32_t addr[], unsigned grants,
                    unsigned take)
{
    if (!l->depth) { /* words that the stream does not take are kept, one a port */
        l->late_out = (uint16_t)((l->late_out | l->answered) & ~take);
        l->answered = (uint16_t)grants;
        return;
    }
    unsigned out = take & l->data[0], arrives = l->answered | l->late_in;
    unsigned full = l->data[l->depth - 1];
    hwpe_fifo_pop(&l->fifo, l->depth, grants);
    hwpe_fifo_push(&l->fifo, l->depth, pushed, addr);
    l->late_in = (uint16_t)(arrives & full);
    data_step(l, out, arrives & ~full);
    l->answered = (uint16_t)grants;
}
