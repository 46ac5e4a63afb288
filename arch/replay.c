#include "arch/replay.h"

#include "arch/replay_engine.h"
#include "base/arena.h"

#include <inttypes.h>
#include <stdlib.h>

static const char requests_header[] =
    "# columns: master index first_request_cycle grant_cycle response_cycle\n";
static const char summary_header[] =
    "# columns: master count last_grant_cycle sum_of_wait max_wait fnv1a64_of_grant_cycles\n";
static const char stream_header[] =
    "# g port cycle byte_address_hex write | s cycle | k cycle | d src|snk cycle | "
    "b master index first_request_cycle grant_cycle response_cycle\n";

static void print_requests(const struct replay_engine *e, const char *prefix, struct text *out)
{
    const struct replay_trace *t = e->trace;
    for (unsigned m = 0; m < t->n_masters; m++)
        for (size_t i = t->first[m]; i < t->first[m + 1]; i++) {
            const struct replay_time *q = &e->times[i];
            text_printf(out, "%s%u %zu %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", prefix, m, i - t->first[m],
                        q->first, q->grant, q->response);
        }
}

static void print_summary(const struct replay_engine *e, struct text *out)
{
    text_add(out, summary_header);
    for (unsigned m = 0; m < e->trace->n_masters; m++) {
        const struct replay_stats *s = &e->stats[m];
        text_printf(out, "%u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", m, s->count,
                    s->last_grant, s->wait_sum, s->wait_max, s->hash);
    }
}

static void run_bus(struct replay_engine *e, struct text *out)
{
    if (e->trace->dut == REPLAY_CROSSBAR)
        replay_crossbar(e);
    else if (e->trace->dut == REPLAY_HCI)
        replay_hci(e);
    else
        replay_soc(e);
    if (e->trace->generator.present) {
        print_summary(e, out);
        return;
    }
    text_add(out, requests_header);
    print_requests(e, "", out);
}

static void run(const struct replay_trace *t, struct replay_chart *chart, struct text *out)
{
    struct replay_engine *e = xrealloc(NULL, 1, sizeof *e);

    replay_engine_init(e, t, chart);
    if (t->dut == REPLAY_STREAM) {
        text_add(out, stream_header);
        replay_stream(e, out);
        print_requests(e, "b ", out);
    } else {
        run_bus(e, out);
    }
    replay_engine_finish(e);
    free(e);
}

bool replay_run(const char *path, unsigned chart_columns, struct text *out, struct err *err)
{
    struct replay_trace trace;
    struct text unused = {0};
    struct replay_chart *drawing;

    if (!replay_trace_load(&trace, path, err))
        return false;
    if (!chart_columns) {
        run(&trace, NULL, out);
    } else {
        drawing = calloc(1, sizeof *drawing);
        if (!drawing)
            abort();
        run(&trace, drawing, &unused);
        replay_chart_draw(drawing, &trace, chart_columns, out);
        free(drawing);
        text_finish(&unused);
    }
    replay_trace_finish(&trace);
    return true;
}
