#include "arch/hwpe_stream.h"

#include <string.h>

void hwpe_sink_init(struct hwpe_sink *k, const struct hwpe_pattern *pattern, unsigned n_ports,
                    unsigned fifo_depth)
{
    memset(k, 0, sizeof *k);
    hwpe_addrgen_init(&k->gen, pattern, n_ports, true, false);
    k->n_ports = (uint8_t)n_ports;
    k->ports = (uint16_t)((1u << n_ports) - 1);
    k->fifo_depth = (uint8_t)fifo_depth;
}

void hwpe_sink_start(struct hwpe_sink *k, const struct hwpe_pattern *pattern)
{
    if (k->state == HWPE_IDLE)
        hwpe_addrgen_init(&k->gen, pattern, k->n_ports, true, false);
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

/* Ports that can take their word. */
static unsigned room(const struct hwpe_sink *k, unsigned grants)
{
    unsigned set = 0;
    if (!k->fifo_depth)
        return grants;
    for (unsigned p = 0, bit = 1; p < k->n_ports; p++, bit <<= 1)
        set |= k->n[p] < k->fifo_depth ? bit : 0;
    return set;
}

static bool packet_ready(const struct hwpe_sink *k, bool valid, unsigned grants)
{
    return !packet_valid(k, valid) || (room(k, grants) & k->ports) == k->ports;
}

unsigned hwpe_sink_request(const struct hwpe_sink *k, bool valid, uint32_t addr[])
{
    unsigned request = 0;
    if (!k->fifo_depth) {
        for (unsigned p = 0; p < k->n_ports; p++)
            addr[p] = hwpe_addrgen_addr(&k->gen) + 4 * p;
        return k->state == HWPE_WORKING && packet_valid(k, valid) ? k->ports : 0;
    }
    for (unsigned p = 0, bit = 1; p < k->n_ports; p++, bit <<= 1) {
        addr[p] = k->fifo[p].addr[0];
        request |= k->n[p] ? bit : 0;
    }
    return request;
}

bool hwpe_sink_ready(const struct hwpe_sink *k, bool valid, unsigned grants)
{
    return packet_ready(k, valid, grants) && !flushes(k);
}

/* Every port that can take its word does, whether or not the others can: a
 * packet that waits is pushed again and again. */
static void store_fifos_step(struct hwpe_sink *k, bool push, unsigned grants)
{
    uint32_t addr = hwpe_addrgen_addr(&k->gen);
    for (unsigned p = 0; p < k->n_ports; p++) {
        bool pushes = push && k->n[p] < k->fifo_depth;
        if (grants >> p & 1) {
            memmove(k->fifo[p].addr, k->fifo[p].addr + 1, (k->n[p] - 1u) * sizeof addr);
            k->fifo[p].addr[--k->n[p]] = 0;
        }
        if (pushes)
            k->fifo[p].addr[k->n[p]++] = addr + 4 * p;
    }
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
    if (k->fifo_depth)
        store_fifos_step(k, working && packet, grants);
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
