#include "arch/hwpe_lanes.h"

#define ONES1(b) (((b) & 1) | (uint64_t)((b) >> 1 & 1) << 8 | (uint64_t)((b) >> 2 & 1) << 16 | \
                  (uint64_t)((b) >> 3 & 1) << 24 | (uint64_t)((b) >> 4 & 1) << 32 | \
                  (uint64_t)((b) >> 5 & 1) << 40 | (uint64_t)((b) >> 6 & 1) << 48 | \
                  (uint64_t)((b) >> 7 & 1) << 56)
#define ONES4(b) ONES1(b), ONES1((b) + 1), ONES1((b) + 2), ONES1((b) + 3)
#define ONES16(b) ONES4(b), ONES4((b) + 4), ONES4((b) + 8), ONES4((b) + 12)
#define ONES64(b) ONES16(b), ONES16((b) + 16), ONES16((b) + 32), ONES16((b) + 48)
const uint64_t hwpe_ones[256] = {ONES64(0), ONES64(64), ONES64(128), ONES64(192)};

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
