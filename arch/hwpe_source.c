#include "arch/hwpe_stream.h"

#include <string.h>

enum { PACKET_FIFO_DEPTH = 2 }; /* i_misaligned_fifo of a decoupled source */

void hwpe_source_init(struct hwpe_source *s, const struct hwpe_pattern *pattern, unsigned n_ports,
                      bool decoupled, unsigned fifo_depth)
{
    memset(s, 0, sizeof *s);
    hwpe_addrgen_init(&s->gen, pattern, n_ports, false, !decoupled);
    s->n_ports = (uint8_t)n_ports;
    s->ports = (uint16_t)((1u << n_ports) - 1);
    s->decoupled = decoupled;
    s->fifo_depth = (uint8_t)fifo_depth;
    s->none_yet = 1;
}

void hwpe_source_start(struct hwpe_source *s, const struct hwpe_pattern *pattern)
{
    if (s->state == HWPE_IDLE)
        hwpe_addrgen_init(&s->gen, pattern, s->n_ports, false, !s->decoupled);
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

/* Ports whose load FIFO has a word. */
static unsigned data_ready(const struct hwpe_source *s)
{
    unsigned set = 0;
    for (unsigned p = 0, bit = 1; p < s->n_ports; p++, bit <<= 1)
        set |= s->n_data[p] ? bit : 0;
    return set;
}

/* Words at the stream side when the stream side takes those in `ready`. */
static unsigned words_valid(const struct hwpe_source *s, unsigned ready)
{
    unsigned fresh = s->fifo_depth ? data_ready(s) & ready : s->answered;
    return fresh | s->late_out;
}

bool hwpe_source_valid(const struct hwpe_source *s)
{
    if (swallows(s))
        return false;
    if (s->decoupled)
        return s->packets > 0;
    return words_valid(s, s->ports) == s->ports;
}

/* Ports on which the streamer itself wants to send the current address. */
static unsigned core_request(const struct hwpe_source *s, bool ready)
{
    if (s->state != HWPE_WORKING || !ready || s->kill)
        return 0;
    return s->ports & ~(unsigned)s->sent;
}

unsigned hwpe_source_request(const struct hwpe_source *s, bool ready, uint32_t addr[])
{
    unsigned request = 0;
    if (!s->fifo_depth) {
        for (unsigned p = 0; p < s->n_ports; p++)
            addr[p] = hwpe_addrgen_addr(&s->gen) + 4 * p;
        return core_request(s, ready);
    }
    for (unsigned p = 0, bit = 1; p < s->n_ports; p++, bit <<= 1) {
        addr[p] = s->fifo[p].addr[0];
        request |= s->n_addr[p] && s->n_data[p] < s->fifo_depth ? bit : 0;
    }
    return request;
}

/* Ports on which an address that the streamer offers is taken in this cycle. */
static unsigned core_grants(const struct hwpe_source *s, unsigned grants)
{
    unsigned room = 0;
    if (!s->fifo_depth)
        return grants;
    for (unsigned p = 0, bit = 1; p < s->n_ports; p++, bit <<= 1)
        room |= s->n_addr[p] < s->fifo_depth ? bit : 0;
    return room;
}

static void queue_step(struct hwpe_fifo *fifo, uint8_t *n, bool pop, bool push, uint32_t addr)
{
    if (pop) {
        memmove(fifo->addr, fifo->addr + 1, (*n - 1u) * sizeof *fifo->addr);
        fifo->addr[--*n] = 0;
    }
    if (push)
        fifo->addr[(*n)++] = addr;
}

/* Load FIFO of every port: addresses out, responses in, words to `taken` ports. */
static void load_fifos_step(struct hwpe_source *s, unsigned pushed, unsigned grants, unsigned taken)
{
    uint32_t addr = hwpe_addrgen_addr(&s->gen);
    for (unsigned p = 0; p < s->n_ports; p++) {
        unsigned bit = 1u << p;
        bool room = s->n_data[p] < s->fifo_depth;
        bool arrives = (s->answered | s->late_in) & bit;
        bool leaves = taken & bit && s->n_data[p] > 0;
        queue_step(&s->fifo[p], &s->n_addr[p], grants & bit, pushed & bit, addr + 4 * p);
        if (arrives && !room)
            s->late_in |= (uint16_t)bit;
        else
            s->late_in &= (uint16_t)~bit;
        s->n_data[p] = (uint8_t)(s->n_data[p] + (arrives && room) - leaves);
    }
}

/* Joins the words into packets. Returns the ports whose word is taken. */
static unsigned join_step(struct hwpe_source *s, bool packet_leaves)
{
    bool room = s->packets < PACKET_FIFO_DEPTH;
    unsigned ready = room ? s->ports & ~(unsigned)s->joined : 0;
    unsigned valid = words_valid(s, ready);
    bool complete = (valid | s->joined) == s->ports;

    s->joined = (uint16_t)(complete ? 0 : s->joined | valid);
    s->packets = (uint8_t)(s->packets - packet_leaves + (complete && room));
    return ready;
}

static void count_line_word(struct hwpe_source *s)
{
    if (s->gen.misaligned)
        s->line_word = s->line_word == s->gen.pattern.line_length ? 0 : (uint16_t)(s->line_word + 1);
}

/* Words that arrive while the stream does not take them are kept, one a port. */
static void keep_late_words(struct hwpe_source *s, unsigned ready)
{
    unsigned fresh = s->fifo_depth ? data_ready(s) & ready : s->answered;
    s->late_out = (uint16_t)((s->late_out | fresh) & ~ready);
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
    bool swallow = swallows(s), handshake = hwpe_source_valid(s) && ready;
    unsigned request = core_request(s, ready), room = core_grants(s, grants) | s->sent;
    bool working = s->state == HWPE_WORKING && ready, granted = (room & s->ports) == s->ports;
    bool started = s->state == HWPE_IDLE && s->start;
    unsigned taken;

    if (s->decoupled) {
        bool leaves = s->packets > 0 && (ready || swallow);
        taken = join_step(s, leaves);
        if (leaves)
            count_line_word(s);
    } else {
        taken = ready || swallow ? s->ports : 0;
    }
    keep_late_words(s, taken);
    if (s->fifo_depth)
        load_fifos_step(s, request & room, grants, taken);
    if (s->decoupled)
        s->sent = (uint16_t)(!working ? s->sent : granted ? 0 : room & s->ports);
    s->answered = (uint16_t)grants;
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
    unsigned busy = s->state | s->start | s->done | s->packets | s->answered | s->late_in | s->late_out;
    return !busy && !s->joined && !data_ready(s);
}
