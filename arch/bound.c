/* Closed-form lower bound: the program is visited once (arch/visit.c), and every
 * unit is taken to be busy all the time. No wait, no conflict, no latency. */
#include "arch/result.h"
#include "arch/visit.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

struct walk {
    struct machine *m;
    bool counts;  /* collects counters, too */
    struct bound_sums sums;
    uint64_t before[N_UNITS]; /* busy cycles when the current step began */
    uint32_t parts;           /* of it */
    uint64_t counter[MAX_COUNTERS], macs, issued, traffic[N_TENSOR_KINDS][4];
};

/* What one execution adds to the machine's counters, times `n`. */
static void collect(struct walk *w, uint64_t n)
{
    struct machine *m = w->m;
    for (unsigned i = 0; i < m->n_counters; i++)
        w->counter[i] += m->counter[i] * n;
    w->macs += m->macs * n;
    w->issued += m->macs_issued * n;
    memset(m->counter, 0, m->n_counters * sizeof m->counter[0]);
    m->macs = m->macs_issued = 0;
}

uint64_t cmd_busy_cycles(const struct machine *m, const struct cmd *c, uint32_t rows)
{
    switch (c->op) {
    case OP_MM: return engine_cycles(m, c, rows);
    case OP_RET_STEP: case OP_RET_DECAY: return retention_cycles(m, c, rows);
    case OP_VEC: return vector_cycles(m, c, rows);
    default: return m->tcdm_cfg->ideal || !cmd_streams(c) ? 0 : streamer_packets(m, c);
    }
}

/* What a command counts, times its number. */
static void count(struct walk *w, const struct visited *v, uint64_t cycles)
{
    struct machine *m = w->m;
    const struct cmd *c = v->c;
    struct issued is = {.c = c, .rows = v->rows};
    if (c->op == OP_MM)
        engine_count(m, &is, cycles);
    if (c->op == OP_MM && m->streams)
        streams_traffic(m, c, v->n, w->traffic);
    if (c->op == OP_RET_STEP || c->op == OP_RET_DECAY)
        retention_count(m, &is, cycles);
    if (c->op == OP_VEC)
        vector_count(m, &is, cycles);
    if (cmd_streams(c))
        streamer_count(m, c->unit, c);
    if (cmd_streams(c) && !c->from_state) {
        bool write = c->op == OP_STORE || c->op == OP_RET_SAVE;
        w->traffic[c->tensor][write] += (uint64_t)c->rows * c->row_bytes * c->planes * v->n;
    }
    buffers_count(m, &is);
    machine_count_useful(m, c, (uint64_t)aff_eval(&c->useful, v->idx, v->depth));
    collect(w, v->n);
}

static void unit_command(struct walk *w, const struct visited *v)
{
    const struct cmd *c = v->c;
    uint64_t cycles = cmd_busy_cycles(w->m, c, v->rows);
    w->sums.busy[c->unit] += cycles * v->n;
    if (cmd_streams(c))
        w->sums.words += streamer_words(w->m, c) * v->n;
    if (w->counts)
        count(w, v, cycles);
}

static void host_command(struct walk *w, const struct visited *v)
{
    struct machine *m = w->m;
    const struct cmd *c = v->c;
    uint64_t cycles = host_cmd_cycles(m, c), page = m->hyperram_cfg->burst_bytes, n = v->n;
    uint64_t bursts = div_up(c->row_bytes, page);
    bool rx = c->op == OP_UDMA_RX, transfer = rx || c->op == OP_UDMA_TX;
    w->sums.busy[N_UNITS] += cycles * n;
    if (transfer) {
        w->sums.off_bytes += c->row_bytes * n;
        w->sums.off_bursts += bursts * n;
        w->sums.words += (c->row_bytes + 3) / 4 * n;
    }
    if (!w->counts)
        return;
    host_count(m, c, cycles, false);
    if (transfer) {
        w->traffic[c->tensor][rx ? 2 : 3] += c->row_bytes * n;
        udma_count(m, c->row_bytes, rx, bursts);
    }
    collect(w, n);
}

static void command(void *self, const struct visited *v)
{
    struct walk *w = self;
    w->sums.steps += v->th == THREAD_ACCEL ? v->n : 0;
    if (v->th == THREAD_HOST)
        host_command(w, v);
    else if (cmd_works(v->c))
        unit_command(w, v);
}

static void next_step(void *self, uint32_t parts)
{
    struct walk *w = self;
    uint64_t d[N_UNITS];
    for (unsigned u = 0; u < N_UNITS; u++) {
        d[u] = w->sums.busy[u] - w->before[u];
        w->before[u] = w->sums.busy[u];
    }
    w->sums.serial += step_cycles(d, w->parts);
    w->parts = parts;
}

static uint64_t offchip_cycles(const struct machine *m, uint64_t bytes, uint64_t bursts)
{
    if (!bursts)
        return 0;
    uint64_t overhead = hyperram_burst_ticks(m, 0);
    uint64_t clk = m->hyperram_cfg->phy_div * m->periph_ticks;
    uint64_t data = div_up(bytes, m->hyperram_cfg->bytes_per_phy_clk);
    /* The last recovery is nobody's wait. */
    uint64_t ticks = bursts * overhead + data * clk - m->hyperram_cfg->recovery_clks * clk;
    return ticks / m->soc_ticks;
}

/* The caller frees it. */
static struct walk *walk_program(struct machine *m, bool counts)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->m = m;
    w->counts = counts;
    w->parts = 1;
    program_visit(m->prog, &(struct visitor){w, command, next_step, counts});
    return w;
}

uint64_t bound_of(const struct machine *m, const struct bound_sums *s)
{
    uint64_t cycles = s->steps * m->sequencer->step_cycles;
    for (unsigned u = 0; u <= N_UNITS; u++)
        cycles = max64(cycles, s->busy[u]);
    if (!m->tcdm_cfg->ideal)
        cycles = max64(cycles, s->words / m->tcdm_cfg->banks);
    return max64(cycles, offchip_cycles(m, s->off_bytes, s->off_bursts));
}

const char *bound_limit(const struct machine *m, const struct bound_sums *s)
{
    static const char *const units[N_UNITS + 1] = {"load", "weight", "engine", "retention", "vector", "store",
                                                   "host"};
    uint64_t bound = bound_of(m, s);
    for (unsigned u = 0; u <= N_UNITS; u++)
        if (s->busy[u] == bound)
            return units[u];
    if (offchip_cycles(m, s->off_bytes, s->off_bursts) == bound)
        return "hyperram";
    return s->steps * m->sequencer->step_cycles == bound ? "sequencer" : "tcdm";
}

uint64_t estimate_of_sums(const struct machine *m, const struct bound_sums *s)
{
    /* Steps hide most of what goes off-chip and the other way round; not the first rows
     * and weights, nor what the rings are too short for. */
    return max64(s->serial, bound_of(m, s)) +
           min64(s->serial, offchip_cycles(m, s->off_bytes, s->off_bursts)) / 8;
}

uint64_t machine_bound(struct machine *m)
{
    struct walk *w = walk_program(m, true);
    uint64_t cycles = bound_of(m, &w->sums);
    memcpy(m->counter, w->counter, sizeof m->counter);
    memcpy(m->traffic, w->traffic, sizeof m->traffic);
    m->macs = w->macs;
    m->macs_issued = w->issued;
    free(w);
    return cycles;
}

uint64_t machine_estimate(struct machine *m, const struct program *p)
{
    m->prog = p;
    struct walk *w = walk_program(m, false);
    uint64_t cycles = estimate_of_sums(m, &w->sums);
    free(w);
    return cycles;
}
