#include "arch/hwpe_addrgen.h"

#include <string.h>

enum { INNER_COUNTER_MASK = 0x3ff }; /* CNT = 10 bits */

static uint32_t byte_addr(const struct hwpe_addrgen *g)
{
    return g->pattern.base + g->feat_addr + g->line_addr + g->word_addr;
}

void hwpe_addrgen_init(struct hwpe_addrgen *g, const struct hwpe_pattern *pattern, unsigned n_ports,
                       bool is_sink, bool stops_early)
{
    memset(g, 0, sizeof *g);
    g->pattern = *pattern;
    g->step_bytes = (uint8_t)(4 * n_ports);
    g->is_sink = is_sink;
    g->stops_early = stops_early;
    uint32_t all = pattern->base | (uint16_t)pattern->line_stride | (uint16_t)pattern->feat_stride;
    g->unaligned = g->misaligned = (all & 3) != 0;
    g->in_progress = 1;
}

uint32_t hwpe_addrgen_addr(const struct hwpe_addrgen *g)
{
    return byte_addr(g) & ~UINT32_C(3);
}

/* A misaligned line takes one access more than it has packets. */
static uint16_t last_word(const struct hwpe_addrgen *g)
{
    return (uint16_t)(g->misaligned ? g->pattern.line_length : g->pattern.line_length - 1);
}

bool hwpe_addrgen_first(const struct hwpe_addrgen *g)
{
    return g->word == 0;
}

bool hwpe_addrgen_last(const struct hwpe_addrgen *g)
{
    return g->word >= last_word(g);
}

bool hwpe_addrgen_strobe(const struct hwpe_addrgen *g)
{
    return !g->misaligned || !hwpe_addrgen_last(g) || byte_addr(g) & 3;
}

/* Packets that may start before the flag in_progress begins to fall. */
static uint32_t last_counted(const struct hwpe_addrgen *g)
{
    return g->pattern.trans_size - (g->misaligned ? 1 : 2);
}

static bool stays_in_progress(const struct hwpe_addrgen *g, bool enable)
{
    uint32_t limit = last_counted(g);
    if (limit == UINT32_MAX) /* one packet only */
        return !g->stops_early && g->overall == 0;
    return g->overall < limit || (g->overall == limit && !enable);
}

static void next_feature(struct hwpe_addrgen *g)
{
    uint32_t stride = (uint32_t)(int32_t)g->pattern.feat_stride;
    uint16_t last = (uint16_t)(g->pattern.feat_roll - 1);
    bool endless = g->pattern.feat_roll == 0;

    if (g->pattern.loop_outer && (g->feat == last || endless)) {
        g->feat_addr += stride;
        g->feat = 0;
    } else if (g->feat < last || endless) {
        g->feat_addr += g->pattern.loop_outer ? 0 : stride;
        g->feat = (uint16_t)((g->feat + 1) & INNER_COUNTER_MASK);
    } else {
        g->feat_addr = 0;
        g->feat = 0;
    }
}

static void next_word(struct hwpe_addrgen *g)
{
    if (g->word < last_word(g)) {
        g->word_addr += g->step_bytes;
        g->word = (uint16_t)((g->word + 1) & INNER_COUNTER_MASK);
        return;
    }
    g->word_addr = 0;
    g->word = 0;
    if (g->line < (uint16_t)(g->pattern.feat_length - 1)) {
        g->line_addr += (uint32_t)(int32_t)g->pattern.line_stride;
        g->line = (uint16_t)((g->line + 1) & INNER_COUNTER_MASK);
        return;
    }
    g->line_addr = 0;
    g->line = 0;
    next_feature(g);
}

void hwpe_addrgen_step(struct hwpe_addrgen *g, bool enable)
{
    bool counted = !(g->misaligned && hwpe_addrgen_first(g));
    bool at_limit = g->misaligned && g->overall == last_counted(g);

    enable |= g->is_sink && at_limit; /* the sink flushes its last word by itself */
    g->in_progress_late = g->in_progress;
    g->in_progress = stays_in_progress(g, enable);
    if (enable) {
        g->last_packet = at_limit;
        next_word(g);
        g->overall = (uint16_t)(g->overall + counted);
    }
    g->misaligned = g->unaligned;
}

void hwpe_addrgen_clear(struct hwpe_addrgen *g)
{
    g->word_addr = g->line_addr = g->feat_addr = 0;
    g->word = g->line = g->feat = g->overall = 0;
    g->in_progress = 1;
    g->in_progress_late = 0;
    g->last_packet = 0;
    g->misaligned = 0;
}
