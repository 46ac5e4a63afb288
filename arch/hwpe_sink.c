#include "arch/hwpe_stream.h"

#include <string.h>

void hwpe_sink_init(struct hwpe_sink *k, const struct hwpe_pattern *pattern, unsigned n_ports,
                    unsigned fifo_depth)
{
    memset(k, 0, sizeof *k);
    hwpe_addrgen_init(&k->gen, pattern, n_ports, true, false);
    hwpe_store_init(&k->lanes, n_ports, fifo_depth);
}

void hwpe_sink_start(struct hwpe_sink *k, const struct hwpe_pattern *pattern)
{
    if (k->state == HWPE_IDLE)
        hwpe_addrgen_init(&k->gen, pattern, k->lanes.n_ports, true, false);
    k->start = 1;
}

/* The last access of a misaligned line is made of what is left over. */
static bool flushes(const struct hwpe_sink *k)
{
    return k->gen.misaligned && hwpe_addrgen_last(&k->gen);
}

/* A packet comes out of the realigner, not counting one that it holds. */
static bool fresh_packet(const struct hwpe_sink *k, bool valid)
{
    if (!k->gen.misaligned)
        return valid;
    return !k->gen.last_packet && (valid || flushes(k)) && hwpe_addrgen_strobe(&k->gen);
}

static bool packet_valid(const struct hwpe_sink *k, bool valid)
{
    return fresh_packet(k, valid) || k->held;
}

static bool packet_ready(const struct hwpe_sink *k, bool valid, unsigned grants)
{
    return !packet_valid(k, valid) || hwpe_store_room(&k->lanes, k->lanes.depth, grants) == k->lanes.ports;
}

static void offered_addresses(const struct hwpe_sink *k, uint32_t addr[])
{
    for (unsigned p = 0; p < k->lanes.n_ports; p++)
        addr[p] = hwpe_addrgen_addr(&k->gen) + 4 * p;
}

unsigned hwpe_sink_request(const struct hwpe_sink *k, bool valid, uint32_t addr[])
{
    bool offers = k->state == HWPE_WORKING && packet_valid(k, valid);
    if (!k->lanes.depth)
        offered_addresses(k, addr);
    for (unsigned p = 0; k->lanes.depth && p < k->lanes.n_ports; p++)
        addr[p] = hwpe_fifo_addr(&k->lanes.fifo, p);
    return hwpe_store_request(&k->lanes, k->lanes.depth, offers ? k->lanes.ports : 0);
}

bool hwpe_sink_ready(const struct hwpe_sink *k, bool valid, unsigned grants)
{
    return packet_ready(k, valid, grants) && !flushes(k);
}

static bool in_flight(const struct hwpe_sink *k, bool valid)
{
    uint32_t addr[HWPE_MAX_PORTS];
    return hwpe_sink_request(k, valid, addr) != 0;
}

bool hwpe_sink_step(struct hwpe_sink *k, bool valid, unsigned grants)
{
    bool handshake = valid && hwpe_sink_ready(k, valid, grants);
    bool fresh = fresh_packet(k, valid), packet = packet_valid(k, valid);
    bool ready = packet_ready(k, valid, grants), working = k->state == HWPE_WORKING;
    bool started = !working && k->start;
    bool enable = handshake && (working || started);
    bool finished = false;

    if (working && !handshake) {
        if (flushes(k))
            enable = true;
        else
            finished = !k->gen.in_progress_late && !in_flight(k, valid);
    }
    if (k->gen.misaligned)
        k->held = fresh ? !ready : k->held && !ready;
    uint32_t addr[HWPE_MAX_PORTS];
    offered_addresses(k, addr);
    hwpe_store_step(&k->lanes, k->lanes.depth, working && packet ? k->lanes.ports : 0, addr, grants);
    hwpe_addrgen_step(&k->gen, enable);
    k->done = finished;
    if (finished) {
        hwpe_addrgen_clear(&k->gen);
        k->state = HWPE_IDLE;
    } else if (started) {
        k->state = HWPE_WORKING;
    }
    k->start = 0;
    return handshake;
}

bool hwpe_sink_quiet(const struct hwpe_sink *k)
{
    return k->state == HWPE_IDLE && !k->start && !k->done && !in_flight(k, false);
}
