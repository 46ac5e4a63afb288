#include "arch/hwpe_stream.h"

#include <string.h>

void hwpe_source_init(struct hwpe_source *s, const struct hwpe_pattern *pattern, unsigned n_ports,
                      bool decoupled, unsigned fifo_depth)
{
    memset(s, 0, sizeof *s);
    hwpe_addrgen_init(&s->gen, pattern, n_ports, false, !decoupled);
    hwpe_load_init(&s->lanes, n_ports, fifo_depth);
    s->decoupled = decoupled;
    s->none_yet = 1;
}

void hwpe_source_start(struct hwpe_source *s, const struct hwpe_pattern *pattern)
{
    if (s->state == HWPE_IDLE)
        hwpe_addrgen_init(&s->gen, pattern, s->lanes.n_ports, false, !s->decoupled);
    s->start = 1;
}

/* The realigner swallows the first packet of every misaligned line. A decoupled
 * one counts the lines itself, the other uses the flags of the address
 * generator, which are not delayed to the response. */
static bool swallows(const struct hwpe_source *s)
{
    if (!s->gen.misaligned)
        return false;
    if (s->decoupled)
        return s->line_word == 0;
    return hwpe_addrgen_first(&s->gen) && !s->gen.last_packet;
}

bool hwpe_source_valid(const struct hwpe_source *s)
{
    if (swallows(s))
        return false;
    if (s->decoupled)
        return s->lanes.packets > 0;
    return hwpe_load_words(&s->lanes, s->lanes.depth, s->lanes.ports) == s->lanes.ports;
}

/* Ports on which the streamer itself wants to send the current address. */
static unsigned core_request(const struct hwpe_source *s, bool ready)
{
    if (s->state != HWPE_WORKING || !ready || s->kill)
        return 0;
    return s->lanes.ports & ~(unsigned)s->lanes.sent;
}

static void offered_addresses(const struct hwpe_source *s, uint32_t addr[])
{
    for (unsigned p = 0; p < s->lanes.n_ports; p++)
        addr[p] = hwpe_addrgen_addr(&s->gen) + 4 * p;
}

unsigned hwpe_source_request(const struct hwpe_source *s, bool ready, uint32_t addr[])
{
    if (!s->lanes.depth)
        offered_addresses(s, addr);
    for (unsigned p = 0; s->lanes.depth && p < s->lanes.n_ports; p++)
        addr[p] = hwpe_fifo_addr(&s->lanes.fifo, p);
    return hwpe_load_request(&s->lanes, s->lanes.depth, core_request(s, ready));
}

static void count_line_word(struct hwpe_source *s)
{
    if (s->gen.misaligned)
        s->line_word = s->line_word == s->gen.pattern.line_length ? 0 : (uint16_t)(s->line_word + 1);
}

/* DECOUPLED=1: drains after the last address, done with the last packet. */
static bool decoupled_control(struct hwpe_source *s, bool advance, bool handshake)
{
    bool mid_job = s->none_yet || s->handed_over != 0, enable = false, finished = false;
    uint32_t total = s->gen.pattern.trans_size + s->gen.misaligned;
    bool idle = s->state == HWPE_IDLE;

    if (s->state == HWPE_WORKING) {
        enable = advance;
        if (advance && !s->gen.in_progress && mid_job) {
            s->state = HWPE_DRAINING;
            enable = false;
        }
    } else if (s->state == HWPE_DRAINING && !mid_job) {
        s->state = HWPE_IDLE;
        finished = true;
    }
    if (idle) {
        s->kill = 0;
        s->requested = 0;
        s->handed_over = 0;
        s->none_yet = 1;
    } else {
        if (advance && s->requested + 1 == total)
            s->kill = 1;
        s->requested += advance;
        s->handed_over += handshake;
        if (handshake)
            s->none_yet = 0;
        if (handshake && s->handed_over == s->gen.pattern.trans_size)
            s->handed_over = 0;
    }
    hwpe_addrgen_step(&s->gen, enable);
    return finished;
}

/* DECOUPLED=0: done with the last grant. */
static bool direct_control(struct hwpe_source *s, bool granted, bool ready)
{
    bool working = s->state == HWPE_WORKING;
    bool finished = working && granted && !s->gen.in_progress;

    hwpe_addrgen_step(&s->gen, working && granted && ready);
    if (finished)
        s->state = HWPE_IDLE;
    return finished;
}

bool hwpe_source_step(struct hwpe_source *s, bool ready, unsigned grants)
{
    struct hwpe_load *l = &s->lanes;
    bool swallow = swallows(s), handshake = hwpe_source_valid(s) && ready;
    unsigned request = core_request(s, ready), room = hwpe_load_room(l, l->depth, grants) | l->sent;
    bool working = s->state == HWPE_WORKING && ready, granted = (room & l->ports) == l->ports;
    bool started = s->state == HWPE_IDLE && s->start;
    uint32_t addr[HWPE_MAX_PORTS];
    unsigned take = ready || swallow ? l->ports : 0;

    if (s->decoupled) {
        bool leaves = l->packets > 0 && (ready || swallow);
        hwpe_load_join(l, l->depth, l->ports, leaves, &take);
        if (leaves)
            count_line_word(s);
        l->sent = (uint16_t)(!working ? l->sent : granted ? 0 : room & l->ports);
    }
    offered_addresses(s, addr);
    hwpe_load_step(l, l->depth, request & room, addr, grants, take);
    s->done = s->decoupled ? decoupled_control(s, working && granted, handshake)
                           : direct_control(s, granted, ready);
    if (s->done)
        hwpe_addrgen_clear(&s->gen);
    if (started)
        s->state = HWPE_WORKING;
    s->start = 0;
    return handshake;
}

bool hwpe_source_quiet(const struct hwpe_source *s)
{
    return !(s->state | s->start | s->done) && hwpe_load_quiet(&s->lanes);
}
