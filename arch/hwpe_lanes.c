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
