#include "tests/random_design.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARCH_FILE "configs/arch/pulpissimo_retention.yaml"
static const char *const work_files[N_BASES] = {
    [BASE_NETWORK] = "workloads/models/edge_kjv_d64.yaml",
    [BASE_MSR] = "workloads/kernels/msr.yaml",
    [BASE_GEMM] = "workloads/kernels/gemm.yaml",
};

enum { NETWORK = 1 << BASE_NETWORK, MSR = 1 << BASE_MSR, GEMM = 1 << BASE_GEMM, RETENTION = NETWORK | MSR,
       ALL = NETWORK | MSR | GEMM };

/* A key, the chance that it is set at all, and values one of which it gets. */
struct choice {
    const char *path;
    unsigned bases, percent;
    const char *values; /* separated by '|'; repeated ones are likelier */
};
static const struct choice choices[] = {
    {"arch.engine.style", ALL, 70, "dot_product|systolic"},
    {"arch.engine.units", ALL, 60, "1|3|4|8|12|16"},
    {"arch.engine.length", ALL, 60, "8|16|24|32|64"},
    {"arch.engine.rows", ALL, 60, "4|8|12|16|32"},
    {"arch.engine.cols", ALL, 60, "4|8|10|16"},
    {"arch.engine.dataflow", ALL, 70, "os|ws|is"},
    {"arch.engine.os_depth", ALL, 30, "16|64|100"},
    {"arch.engine.fill_drain", ALL, 40, "serial|overlapped"},
    {"arch.engine.weight_sets", ALL, 50, "1|2|3|5"},
    {"arch.engine.latency_cycles", ALL, 30, "0|1|11|40"},
    {"arch.engine.requant_lanes", ALL, 30, "1|4|auto"},
    {"arch.engine.modes", ALL, 20, "[{w: 8, a: 8, passes: 2}, {w: 16, a: 8, passes: 4}, {w: 4, a: 8}]|"
     "[{w: 8, a: 8}, {w: 16, a: 8, passes: 2}, {w: 4, a: 8, macs_per_cycle: 512}]|"
     "[{w: 8, a: 8}, {w: 16, a: 8, passes: 2}, {w: 8, a: 16, passes: 2}]|"
     "[{w: 8, a: 8}, {w: 16, a: 8, passes: 2}, {w: 4, a: 4, macs_per_cycle: 1024}, "
     "{w: 2, a: 2, macs_per_cycle: 2048}]"},
    {"work.shape.pre_norm", NETWORK, 30, "true|false"},
    {"arch.retention.state", RETENTION, 70, "buffer|buffer|engine|l2"},
    {"arch.retention.lanes", RETENTION, 50, "1|4|16|64"},
    {"arch.retention.state_bits", RETENTION, 50, "16|32"},
    {"arch.retention.read_bits", RETENTION, 30, "8|16"},
    {"arch.retention.update", RETENTION, 30, "token|chunk"},
    {"arch.retention.fused_readout", RETENTION, 40, "true|false"},
    {"arch.retention.latency_cycles", RETENTION, 20, "0|20"},
    {"arch.sequencer.autonomy", ALL, 60, "tile|layer|network"},
    {"arch.sequencer.queue_depth", ALL, 60, "1|1|2|4|8|16"},
    {"arch.sequencer.clock_gating", ALL, 30, "none|unit|lane"},
    {"arch.regfile.contexts", ALL, 30, "1|2|4"},
    {"arch.tcdm.banks", ALL, 40, "1|2|4|8|16"},
    {"arch.tcdm.hwpe_ports", ALL, 40, "1|2|3|4|8"},
    {"arch.tcdm.bytes", ALL, 60, "32 KiB|48 KiB|64 KiB|128 KiB|256 KiB"},
    {"arch.tcdm.ideal", ALL, 5, "true"},
    {"arch.streamer.transpose", ALL, 40, "strided|buffer"},
    {"arch.streamer.load.issue", ALL, 50, "decoupled|lockstep"},
    {"arch.streamer.weight.issue", ALL, 50, "decoupled|lockstep"},
    {"arch.streamer.store.issue", ALL, 50, "decoupled|lockstep"},
    {"arch.streamer.load.fifo", ALL, 50, "1|2|4|8"},
    {"arch.streamer.weight.fifo", ALL, 50, "1|2|4|8"},
    {"arch.streamer.store.fifo", ALL, 50, "1|2|4|8"},
    {"arch.buffers.activation.bytes", ALL, 40, "2 KiB|4 KiB|16 KiB"},
    {"arch.buffers.activation.slots", ALL, 30, "1|2|4"},
    {"arch.buffers.activation.banks", ALL, 20, "1|2|4"},
    {"arch.buffers.operand.bytes", ALL, 30, "4 KiB|16 KiB"},
    {"arch.buffers.operand.slots", ALL, 20, "1|2|3"},
    {"arch.buffers.accumulator.bytes", ALL, 40, "4 KiB|8 KiB|32 KiB"},
    {"arch.buffers.accumulator.ports", ALL, 30, "1rw|1r1w"},
    {"arch.buffers.accumulator.width_bits", ALL, 20, "64|512"},
    {"arch.buffers.score.bytes", RETENTION, 30, "2 KiB|8 KiB"},
    {"arch.buffers.score.slots", RETENTION, 20, "1|2"},
    {"arch.buffers.state.bytes", RETENTION, 50, "1 KiB|4 KiB|16 KiB|32 KiB"},
    {"arch.buffers.state.banks", RETENTION, 20, "1|2"},
    {"arch.buffers.output.bytes", ALL, 30, "2 KiB|8 KiB|16 KiB"},
    {"arch.buffers.output.slots", ALL, 30, "1|2|4"},
    {"arch.vector.lanes", ALL, 30, "1|4|8|16"},
    {"arch.vector.div_units", RETENTION, 20, "1|2|4"},
    {"arch.vector.isqrt_units", RETENTION, 20, "1|2|4"},
    {"arch.clocks.periph", ALL, 40, "200 MHz|100 MHz|150 MHz|50 MHz"},
    {"arch.clocks.soc", ALL, 30, "200 MHz|250 MHz|300 MHz|100 MHz"},
    {"arch.udma.fifo_words", ALL, 30, "1|2|4|16"},
    {"arch.udma.pending", ALL, 20, "0|1|4"},
    {"arch.udma.max_transfer_bytes", ALL, 20, "256 B|4 KiB|1 MiB"},
    {"arch.hyperram.burst_bytes", ALL, 30, "64 B|128 B|512 B|1 KiB"},
    {"arch.hyperram.bytes_per_phy_clk", ALL, 20, "1|2|4"},
    {"work.form", RETENTION, 80, "parallel|recurrent|chunkwise"},
    {"work.phase", RETENTION, 80, "prefill|decode|both"},
    {"work.decode", RETENTION, 50, "state|state|kv_cache"},
    {"work.seq", RETENTION, 100, "1|7|64|65|100|128|200|256"},
    {"work.tokens", RETENTION, 100, "1|3|5|12|40"},
    {"work.chunk", RETENTION, 60, "16|32|64|50|7"},
    {"work.batch", ALL, 40, "1|2|3"},
    {"work.m", GEMM, 100, "1|3|64|65|200"},
    {"work.n", GEMM, 100, "1|16|50|128|250"},
    {"work.k", GEMM, 100, "1|16|50|128|260"},
    {"work.lm_head", NETWORK, 50, "last|all|none"},
    {"work.quant.weights", ALL, 40, "8|4|3|6|2"},
    {"work.quant.activations", ALL, 40, "8|4|4|2|2|3|5|6|7"},
    {"work.quant.score_scale", RETENTION, 60, "static|row_shift"},
    {"work.quant.score_block", RETENTION, 30, "0|16|32|64|100|7"},
    {"work.quant.score_bits", RETENTION, 22, "4|6|8|4|6|8|12|16"},
    {"work.quant.state_update", RETENTION, 30, "token|chunk|auto"},
    {"work.quant.residual_bits", RETENTION, 20, "8|12"},
    {"work.quant.weight_scale", RETENTION, 10, "tensor|channel"},
    {"work.quant.requant", RETENTION, 10, "half_up|floor|int32"},
    {"work.quant.norm", RETENTION, 10, "native|deeploy"},
    {"work.map.order", RETENTION, 60, "auto|layer|block"},
    {"work.map.token_block", ALL, 30, "1|5|16|32|64"},
    {"work.map.spill", ALL, 20, "true|false"},
    {"work.sample_cycles", NETWORK, 20, "0|1000"},
    {"work.quant.rounding", RETENTION, 30, "truncate|stochastic|half_even"},
    {"work.quant.decay", RETENTION, 20, "shift|multiply|per_token"},
    {"work.quant.decay_bits", RETENTION, 20, "8|16"},
    {"work.quant.decay_block", RETENTION, 20, "16|64|256"},
    {"work.quant.norm_bits", RETENTION, 20, "8|12|16"},
    {"work.quant.rotary_bits", RETENTION, 20, "8|16"},
};

/* Widths that divide; smaller than edge models so that `full` takes milliseconds. */
static const struct widths {
    unsigned d, heads, v, f, vocab;
} widths[] = {
    {64, 2, 128, 128, 128}, {32, 1, 32, 64, 40}, {48, 3, 96, 50, 100}, {64, 4, 64, 1, 16},
    {96, 2, 160, 100, 60},  {36, 3, 60, 30, 9},  {128, 4, 256, 256, 128}, {24, 2, 26, 17, 5},
    {130, 1, 70, 200, 33},
};

void random_bases_load(struct random_bases *b)
{
    rs_err *err = rs_err_create();
    const char *drawn = "work.network=\"\""; /* shapes are not that of the file's network */
    for (int i = 0; i < N_BASES; i++) {
        char work[256];
        snprintf(work, sizeof work, "%s/%s", TEST_ROOT, work_files[i]);
        b->design[i] = rs_design_load(TEST_ROOT "/" ARCH_FILE, work, NULL, &drawn, 1, err);
        cr_assert_not_null(b->design[i], "%s", rs_err_text(err));
    }
    rs_err_destroy(err);
}

void random_bases_finish(struct random_bases *b)
{
    for (int i = 0; i < N_BASES; i++)
        rs_design_destroy(b->design[i]);
}

static char *find(struct random_design *d, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < d->n; i++)
        if (strncmp(d->set[i], path, len) == 0 && d->set[i][len] == '=')
            return d->set[i];
    return NULL;
}

const char *random_design_get(const struct random_design *d, const char *path)
{
    char *set = find((struct random_design *)d, path);
    return set ? set + strlen(path) + 1 : NULL;
}

void random_design_set(struct random_design *d, const char *path, const char *fmt, ...)
{
    char value[RANDOM_SET_SIZE], *at = find(d, path);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    cr_assert_lt(d->n, RANDOM_MAX_SETS);
    int len = snprintf(at ? at : d->set[d->n++], RANDOM_SET_SIZE, "%s=%s", path, value);
    cr_assert_lt(len, RANDOM_SET_SIZE, "%s=%s is too long", path, value);
}

static void pick(struct random_design *d, const struct choice *c, struct rng *rng)
{
    unsigned n = 1, wanted;
    const char *v = c->values;
    for (const char *s = v; *s; s++)
        n += *s == '|';
    for (wanted = (unsigned)rng_below(rng, n); wanted; wanted--)
        v = strchr(v, '|') + 1;
    random_design_set(d, c->path, "%.*s", (int)strcspn(v, "|"), v);
}

static void draw_shape(struct random_design *d, struct rng *rng)
{
    const struct widths *w = &widths[rng_below(rng, sizeof widths / sizeof widths[0])];
    random_design_set(d, "work.shape.d_model", "%u", w->d);
    random_design_set(d, "work.shape.heads", "%u", w->heads);
    random_design_set(d, "work.shape.value_dim", "%u", w->v);
    if (d->base == BASE_MSR)
        return;
    random_design_set(d, "work.shape.ffn_dim", "%u", w->f);
    random_design_set(d, "work.shape.vocab", "%u", w->vocab);
    random_design_set(d, "work.shape.layers", "%u", 1 + (unsigned)rng_below(rng, 3));
}

/* Who else is on the interconnect, and on which. */
static const struct choice beside[] = {
    {"arch.tcdm.kind", ALL, 50, "hci"},
    {"arch.tcdm.hci.prio_den", ALL, 50, "3|4|8"}, /* not 1: cores that take every cycle */
    {"arch.tcdm.hci.invert_prio", ALL, 20, "true"},
    {"arch.traffic.masters", ALL, 50, "1|2|4|7"},
    {"arch.traffic.pattern", ALL, 20, "random"},
    {"arch.traffic.period_cycles", ALL, 60, "1|2|3|5|8"},
    {"arch.traffic.stride_words", ALL, 30, "0|2|3"},
    {"arch.streamer.store_fence", ALL, 15, "false"},
};

void random_design_draw_beside(struct random_design *d, struct rng *rng)
{
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        if (rng_below(rng, 100) < beside[i].percent)
            pick(d, &beside[i], rng);
}

void random_design_draw(struct random_design *d, struct rng *rng)
{
    uint64_t base = rng_below(rng, 10);
    d->base = base == 0 ? BASE_GEMM : base == 1 ? BASE_MSR : BASE_NETWORK;
    d->n = 0;
    random_design_set(d, "arch.tcdm.masters", "17"); /* room for up to eight ports */
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        bool meant = choices[i].bases >> d->base & 1;
        if (rng_below(rng, 100) < choices[i].percent && meant)
            pick(d, &choices[i], rng);
    }
    if (d->base != BASE_GEMM && rng_below(rng, 5))
        draw_shape(d, rng);
}

void random_design_thin(struct random_design *d, struct rng *rng)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (rng_below(rng, 6) == 0)
            memmove(d->set[n++], d->set[i], sizeof d->set[0]);
    d->n = n;
}

rs_design *random_design_create(const struct random_design *d, const struct random_bases *b, rs_err *err)
{
    const char *sets[RANDOM_MAX_SETS];
    for (size_t i = 0; i < d->n; i++)
        sets[i] = d->set[i];
    return rs_design_with(b->design[d->base], sets, d->n, err);
}

void random_design_command(const struct random_design *d, struct text *out)
{
    text_printf(out, "retsim run -a %s -w %s", ARCH_FILE, work_files[d->base]);
    for (size_t i = 0; i < d->n; i++)
        text_printf(out, " -s '%s'", d->set[i]);
}

void random_design_shrink(struct random_design *d, bool (*fails)(const struct random_design *d, void *arg),
                          void *arg)
{
    for (size_t i = d->n; i-- > 0;) {
        struct random_design less = *d;
        memmove(less.set[i], less.set[i + 1], (less.n - i - 1) * sizeof less.set[0]);
        less.n--;
        if (!fails(&less, arg))
            continue;
        *d = less;
        i = d->n; /* earlier ones may have become superfluous */
    }
}
