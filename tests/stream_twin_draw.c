/* Random scenarios for the slow twin of the streamers, and their text. */
#include "tests/stream_twin.h"

#include <inttypes.h>
#include <string.h>

static bool chance(struct rng *rng, unsigned pct)
{
    return rng_below(rng, 100) < pct;
}

static struct stream_job draw_job(bool may_misalign, struct rng *rng)
{
    struct stream_job j = {.base = 4 * (uint32_t)rng_below(rng, 4096),
                           .size = 1 + (uint32_t)rng_below(rng, chance(rng, 20) ? 4 : 120),
                           .feat_length = 1};
    j.line_length = j.size;
    if (may_misalign && chance(rng, 20)) {
        j.base += 1 + (uint32_t)rng_below(rng, 3);
        return j;
    }
    if (chance(rng, 40))
        return j;
    j.line_length = 1 + (uint32_t)rng_below(rng, 20);
    j.line_stride = 4 * ((int32_t)rng_below(rng, 200) - 100);
    if (chance(rng, 50))
        return j;
    j.feat_length = 1 + (uint32_t)rng_below(rng, 6);
    j.feat_stride = 4 * ((int32_t)rng_below(rng, 400) - 200);
    j.feat_roll = (uint32_t)rng_below(rng, 5);
    j.loop_outer = chance(rng, 50);
    return j;
}

static void draw_background(struct stream_twin *t, struct rng *rng)
{
    t->background = (unsigned)rng_below(rng, STREAM_BACKGROUND + 1);
    unsigned gap_pct = (unsigned)rng_below(rng, 100), stride = (unsigned)rng_below(rng, 3);
    for (unsigned m = 0; m < t->background; m++) {
        uint32_t earliest = 0;
        t->blocking[m] = chance(rng, 30);
        t->n[m] = (unsigned)rng_below(rng, STREAM_REQUESTS);
        for (unsigned i = 0; i < t->n[m]; i++) {
            if (chance(rng, gap_pct))
                earliest += 1 + (uint32_t)rng_below(rng, 8);
            t->request[m][i].earliest = earliest;
            t->request[m][i].addr = stride ? i * stride : (uint32_t)rng_below(rng, 1000);
        }
    }
}

void stream_twin_draw(struct stream_twin *t, struct rng *rng)
{
    memset(t, 0, sizeof *t);
    t->decoupled = chance(rng, 70);
    t->words = t->decoupled && chance(rng, 50) ? 1 + (unsigned)rng_below(rng, STREAM_PORTS) : 1;
    t->banks = 1 + (unsigned)rng_below(rng, 32);
    t->load_depth = t->decoupled ? 1 + (unsigned)rng_below(rng, chance(rng, 50) ? 4 : STREAM_DEPTH) : 0;
    t->sink_depth = (unsigned)rng_below(rng, chance(rng, 70) ? 4 : STREAM_DEPTH + 1);
    t->ready_period = chance(rng, 50) ? 1 : 1 + (unsigned)rng_below(rng, 6);
    t->valid_period = chance(rng, 50) ? 1 : 1 + (unsigned)rng_below(rng, 3);
    t->random_ready = chance(rng, 30);
    t->ready_pct = 5 + (unsigned)rng_below(rng, 96);
    t->ready_seed = (uint32_t)rng_next(rng);
    t->source = draw_job(t->decoupled, rng);
    t->sink = draw_job(false, rng);
    unsigned use = (unsigned)rng_below(rng, 5);
    t->loop = use == 4 && (t->decoupled || t->sink_depth);
    t->source.start = use == 0 && !t->loop ? -1 : (int)rng_below(rng, 30);
    t->sink.start = use == 1 || use == 2 ? -1 : (int)rng_below(rng, 30);
    if (t->loop) {
        t->sink.size = t->source.size;
        t->sink.start = t->source.start;
    }
    draw_background(t, rng);
}

static void print_job(const char *side, const struct stream_job *j, struct text *out)
{
    text_printf(out, "# start_%s: %d\n# %s_base: %" PRIu32 "\n# %s_size: %" PRIu32 "\n", side, j->start,
                side, j->base, side, j->size);
    text_printf(out,
                "# %s_line_length: %" PRIu32 "\n# %s_line_stride: %" PRId32 "\n# %s_feat_length: %" PRIu32
                "\n",
                side, j->line_length, side, j->line_stride, side, j->feat_length);
    text_printf(out, "# %s_feat_stride: %" PRId32 "\n# %s_feat_roll: %" PRIu32 "\n# %s_loop_outer: %d\n",
                side, j->feat_stride, side, j->feat_roll, side, j->loop_outer);
}

void stream_twin_trace(const struct stream_twin *t, struct text *out)
{
    text_printf(out, "# dut: hwpe_stream\n# masters: %u\n# banks: %u\n# address unit: word\n# words: %u\n",
                t->background + 2 * t->words, t->banks, t->words);
    text_printf(out,
                "# decoupled: %d\n# load_fifo_depth: %u\n# sink_fifo_depth: %u\n# background_masters: %u\n",
                t->decoupled, t->load_depth, t->sink_depth, t->background);
    text_printf(out, "# loop: %d\n# ready_period: %u\n# valid_period: %u\n", t->loop, t->ready_period,
                t->valid_period);
    if (t->random_ready)
        text_printf(out, "# ready_pct: %u\n# ready_seed: %" PRIu32 "\n", t->ready_pct, t->ready_seed);
    text_add(out, "# blocking:");
    for (unsigned m = 0; m < t->background; m++)
        if (t->blocking[m])
            text_printf(out, " %u", m);
    text_add(out, "\n");
    print_job("src", &t->source, out);
    print_job("snk", &t->sink, out);
    for (unsigned m = 0; m < t->background; m++)
        for (unsigned i = 0; i < t->n[m]; i++)
            text_printf(out, "%u %" PRIu32 " 0 %" PRIx32 "\n", m, t->request[m][i].earliest,
                        t->request[m][i].addr);
}
