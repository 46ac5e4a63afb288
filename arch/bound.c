/* Closed-form lower bound: the program is walked once, loops multiply instead
 * of repeating (only loops that shapes depend on are stepped), and every unit is
 * taken to be busy all the time. No wait, no conflict, no latency. */
#include "arch/result.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

struct walk {
    struct machine *m;
    enum thread_id th;
    uint64_t idx[PROG_MAX_DEPTH];
    uint64_t busy[N_UNITS + 1]; /* cycles; the last is the host's */
    uint64_t words, steps;
    uint64_t serial, before[N_UNITS]; /* steps one after the other; busy cycles when the current one began */
    uint64_t off_bytes, off_bursts;
    uint64_t counter[MAX_COUNTERS], macs, issued, traffic[N_TENSOR_KINDS][4];
};

static bool shaped_by(const struct cmd *cmds, uint32_t pc)
{
    unsigned d = cmds[pc].depth;
    for (uint32_t i = pc + 1; i < cmds[pc].match; i++)
        if (cmds[i].trips.k[d] || cmds[i].rows_aff.k[d] || cmds[i].useful.k[d])
            return true;
    return false;
}

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

static void unit_command(struct walk *w, const struct cmd *c, unsigned depth, uint64_t n)
{
    struct machine *m = w->m;
    struct issued is = {.c = c, .rows = c->rows};
    if (c->rows_is_affine)
        is.rows = (uint32_t)aff_eval(&c->rows_aff, w->idx, depth);
    uint64_t cycles = 0;
    switch (c->op) {
    case OP_MM:
        cycles = engine_cycles(m, c, is.rows);
        engine_count(m, &is, cycles);
        if (m->streams)
            streams_traffic(m, c, n, w->traffic);
        break;
    case OP_RET_STEP: case OP_RET_DECAY:
        cycles = retention_cycles(m, c, is.rows);
        retention_count(m, &is, cycles);
        break;
    case OP_VEC:
        cycles = vector_cycles(m, c, is.rows);
        vector_count(m, &is, cycles);
        break;
    case OP_CLEAR:
        break;
    case OP_LOAD: case OP_STORE: case OP_LDW: case OP_RET_LOAD: case OP_RET_SAVE:
        cycles = m->tcdm_cfg->ideal ? 0 : streamer_packets(m, c);
        streamer_count(m, c->unit, c);
        if (!c->from_state) {
            bool write = c->op == OP_STORE || c->op == OP_RET_SAVE;
            w->traffic[c->tensor][write] += (uint64_t)c->rows * c->row_bytes * c->planes * n;
            w->words += streamer_words(m, c) * n;
        }
        break;
    default:
        return;
    }
    buffers_count(m, &is);
    machine_count_useful(m, c, (uint64_t)aff_eval(&c->useful, w->idx, depth));
    w->busy[c->unit] += cycles * n;
    collect(w, n);
}

static void host_command(struct walk *w, const struct cmd *c, uint64_t n)
{
    struct machine *m = w->m;
    host_count(m, c, host_cmd_cycles(m, c), false);
    collect(w, n);
    w->busy[N_UNITS] += host_cmd_cycles(m, c) * n;
    if (c->op != OP_UDMA_RX && c->op != OP_UDMA_TX)
        return;
    uint64_t page = m->hyperram_cfg->burst_bytes, bursts = div_up(c->row_bytes, page);
    w->off_bytes += c->row_bytes * n;
    w->off_bursts += bursts * n;
    w->words += (c->row_bytes + 3) / 4 * n;
    bool rx = c->op == OP_UDMA_RX;
    w->traffic[c->tensor][rx ? 2 : 3] += c->row_bytes * n;
    udma_count(m, c->row_bytes, rx, bursts);
    collect(w, n);
}

static bool begins_step(const struct program *p, uint32_t pc)
{
    uint32_t lo = 0, hi = p->n_ops;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (p->op_start[mid] < pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < p->n_ops && p->op_start[lo] == pc;
}

/* A step takes as long as its busiest unit; the streams share the ports. */
static void end_step(struct walk *w)
{
    uint64_t d[N_UNITS];
    for (unsigned u = 0; u < N_UNITS; u++) {
        d[u] = w->busy[u] - w->before[u];
        w->before[u] = w->busy[u];
    }
    uint64_t most = d[UNIT_LOAD] + d[UNIT_WEIGHT] + d[UNIT_STORE];
    for (unsigned u = UNIT_ENGINE; u <= UNIT_VECTOR; u++)
        most = d[u] > most ? d[u] : most;
    w->serial += most;
}

static void walk(struct walk *w, uint32_t from, uint32_t to, unsigned depth, uint64_t n)
{
    const struct cmd *cmds = w->m->prog->cmds[w->th];
    for (uint32_t pc = from; pc < to; pc++) {
        const struct cmd *c = &cmds[pc];
        if (w->th == THREAD_ACCEL && begins_step(w->m->prog, pc))
            end_step(w);
        w->steps += w->th == THREAD_ACCEL ? n : 0;
        if (c->op != OP_REPEAT) {
            if (w->th == THREAD_ACCEL)
                unit_command(w, c, depth, n);
            else
                host_command(w, c, n);
            continue;
        }
        int64_t trips = aff_eval(&c->trips, w->idx, depth);
        bool step = trips > 0 && shaped_by(cmds, pc);
        for (int64_t i = 0; i < (step ? trips : trips > 0); i++) {
            w->idx[depth] = (uint64_t)i;
            walk(w, pc + 1, c->match, depth + 1, step ? n : n * (uint64_t)trips);
        }
        w->idx[depth] = 0;
        pc = c->match;
    }
}

static uint64_t offchip_cycles(const struct machine *m, const struct walk *w)
{
    if (!w->off_bursts)
        return 0;
    uint64_t overhead = hyperram_burst_ticks(m, 0);
    uint64_t clk = m->hyperram_cfg->phy_div * m->periph_ticks;
    uint64_t data = div_up(w->off_bytes, m->hyperram_cfg->bytes_per_phy_clk);
    /* The last recovery is nobody's wait. */
    uint64_t ticks = w->off_bursts * overhead + data * clk - m->hyperram_cfg->recovery_clks * clk;
    return ticks / m->soc_ticks;
}

uint64_t machine_bound(struct machine *m, uint64_t *estimate)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->m = m;
    for (w->th = THREAD_ACCEL; w->th < N_THREADS; w->th++)
        walk(w, 0, m->prog->n[w->th], 0, 1);
    uint64_t cycles = w->steps * m->sequencer->step_cycles;
    for (unsigned u = 0; u <= N_UNITS; u++)
        cycles = max64(cycles, w->busy[u]);
    if (!m->tcdm_cfg->ideal)
        cycles = max64(cycles, w->words / m->tcdm_cfg->banks);
    cycles = max64(cycles, offchip_cycles(m, w));
    end_step(w);
    /* Steps hide most of what goes off-chip and the other way round; not the first rows
     * and weights, nor what the rings are too short for. */
    if (estimate)
        *estimate = max64(w->serial, cycles) + min64(w->serial, offchip_cycles(m, w)) / 8;
    memcpy(m->counter, w->counter, sizeof m->counter);
    memcpy(m->traffic, w->traffic, sizeof m->traffic);
    m->macs = w->macs;
    m->macs_issued = w->issued;
    free(w);
    return cycles;
}
