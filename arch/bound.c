/* Closed-form lower bound: the program is walked once, loops multiply instead
 * of repeating (only loops that shapes depend on are stepped), and every unit is
 * taken to be busy all the time. No wait, no conflict, no latency. */
#include "arch/result.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

struct walk {
    struct machine *m;
    bool counts;  /* collects counters, too */
    bool *begins; /* by pc: a step begins that waits for the one before */
    bool *shaped; /* by pc of a REPEAT: what is in it depends on its index */
    enum thread_id th;
    uint64_t idx[PROG_MAX_DEPTH];
    uint64_t busy[N_UNITS + 1]; /* cycles; the last is the host's */
    uint64_t words, steps;
    uint64_t serial, before[N_UNITS]; /* steps one after the other; busy cycles when the current one began */
    uint64_t off_bytes, off_bursts;
    uint64_t counter[MAX_COUNTERS], macs, issued, traffic[N_TENSOR_KINDS][4];
};

/* Loops that are open while commands are looked at one after the other. */
struct open_loops {
    uint32_t pc[PROG_MAX_DEPTH];
    unsigned depth;
};

/* Marks the open loops that `a` depends on. */
static void mark_shaped(bool *shaped, const struct open_loops *open, const struct affine *a)
{
    for (unsigned d = 0; d < open->depth; d++)
        shaped[open->pc[d]] |= a->k[d] != 0;
}

/* By pc of a REPEAT: trip counts or rows within depend on its index; so may useful work, which
 * only counters ask for. */
static void find_shaped(const struct walk *w, enum thread_id th, bool *shaped)
{
    struct open_loops open = {.depth = 0};
    const struct cmd *cmds = w->m->prog->cmds[th];
    for (uint32_t pc = 0; pc < w->m->prog->n[th]; pc++) {
        const struct cmd *c = &cmds[pc];
        if (c->op == OP_END) {
            open.depth--;
            continue;
        }
        if (c->op == OP_REPEAT) {
            mark_shaped(shaped, &open, &c->trips);
            open.pc[open.depth++] = pc;
            continue;
        }
        if (c->rows_is_affine)
            mark_shaped(shaped, &open, &c->rows_aff);
        if (w->counts && machine_has_useful(c))
            mark_shaped(shaped, &open, &c->useful);
    }
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

static bool streams(const struct cmd *c)
{
    return c->op == OP_LOAD || c->op == OP_STORE || c->op == OP_LDW || c->op == OP_RET_LOAD ||
           c->op == OP_RET_SAVE;
}

/* Busy cycles of a command's unit. */
static uint64_t cycles_of(struct walk *w, const struct cmd *c, uint32_t rows)
{
    struct machine *m = w->m;
    switch (c->op) {
    case OP_MM: return engine_cycles(m, c, rows);
    case OP_RET_STEP: case OP_RET_DECAY: return retention_cycles(m, c, rows);
    case OP_VEC: return vector_cycles(m, c, rows);
    default: return m->tcdm_cfg->ideal || !streams(c) ? 0 : streamer_packets(m, c);
    }
}

/* What a command counts, times `n`. */
static void count(struct walk *w, const struct issued *is, uint64_t cycles, unsigned depth, uint64_t n)
{
    struct machine *m = w->m;
    const struct cmd *c = is->c;
    if (c->op == OP_MM)
        engine_count(m, is, cycles);
    if (c->op == OP_MM && m->streams)
        streams_traffic(m, c, n, w->traffic);
    if (c->op == OP_RET_STEP || c->op == OP_RET_DECAY)
        retention_count(m, is, cycles);
    if (c->op == OP_VEC)
        vector_count(m, is, cycles);
    if (streams(c))
        streamer_count(m, c->unit, c);
    if (streams(c) && !c->from_state) {
        bool write = c->op == OP_STORE || c->op == OP_RET_SAVE;
        w->traffic[c->tensor][write] += (uint64_t)c->rows * c->row_bytes * c->planes * n;
    }
    buffers_count(m, is);
    machine_count_useful(m, c, (uint64_t)aff_eval(&c->useful, w->idx, depth));
    collect(w, n);
}

static void unit_command(struct walk *w, const struct cmd *c, unsigned depth, uint64_t n)
{
    struct issued is = {.c = c, .rows = c->rows};
    if (!streams(c) && c->op != OP_MM && c->op != OP_RET_STEP && c->op != OP_RET_DECAY && c->op != OP_VEC &&
        c->op != OP_CLEAR)
        return;
    if (c->rows_is_affine)
        is.rows = (uint32_t)aff_eval(&c->rows_aff, w->idx, depth);
    uint64_t cycles = cycles_of(w, c, is.rows);
    w->busy[c->unit] += cycles * n;
    if (streams(c))
        w->words += streamer_words(w->m, c) * n;
    if (w->counts)
        count(w, &is, cycles, depth, n);
}

static void host_command(struct walk *w, const struct cmd *c, uint64_t n)
{
    struct machine *m = w->m;
    uint64_t cycles = host_cmd_cycles(m, c), page = m->hyperram_cfg->burst_bytes;
    uint64_t bursts = div_up(c->row_bytes, page);
    bool rx = c->op == OP_UDMA_RX, transfer = rx || c->op == OP_UDMA_TX;
    w->busy[N_UNITS] += cycles * n;
    if (transfer) {
        w->off_bytes += c->row_bytes * n;
        w->off_bursts += bursts * n;
        w->words += (c->row_bytes + 3) / 4 * n;
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
        if (w->th == THREAD_ACCEL && w->begins[pc])
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
        bool step = trips > 0 && w->shaped[pc];
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

/* Walks both threads; the caller frees it. */
static struct walk *walk_program(struct machine *m, bool counts)
{
    struct walk *w = calloc(1, sizeof *w);
    const struct program *p = m->prog;
    if (!w)
        abort();
    w->m = m;
    w->counts = counts;
    uint32_t most = p->n[THREAD_ACCEL] > p->n[THREAD_HOST] ? p->n[THREAD_ACCEL] : p->n[THREAD_HOST];
    w->begins = calloc(most + 1, 2);
    if (!w->begins)
        abort();
    w->shaped = w->begins + most + 1;
    for (uint32_t i = 0; i < p->n_ops; i++)
        w->begins[p->op_start[i]] = true;
    for (w->th = THREAD_ACCEL; w->th < N_THREADS; w->th++) {
        memset(w->shaped, 0, most + 1);
        find_shaped(w, w->th, w->shaped);
        walk(w, 0, p->n[w->th], 0, 1);
    }
    free(w->begins);
    end_step(w);
    return w;
}

static uint64_t bound_of(const struct machine *m, const struct walk *w)
{
    uint64_t cycles = w->steps * m->sequencer->step_cycles;
    for (unsigned u = 0; u <= N_UNITS; u++)
        cycles = max64(cycles, w->busy[u]);
    if (!m->tcdm_cfg->ideal)
        cycles = max64(cycles, w->words / m->tcdm_cfg->banks);
    return max64(cycles, offchip_cycles(m, w));
}

uint64_t machine_bound(struct machine *m)
{
    struct walk *w = walk_program(m, true);
    uint64_t cycles = bound_of(m, w);
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
    /* Steps hide most of what goes off-chip and the other way round; not the first rows
     * and weights, nor what the rings are too short for. */
    uint64_t cycles = max64(w->serial, bound_of(m, w)) + min64(w->serial, offchip_cycles(m, w)) / 8;
    free(w);
    return cycles;
}
