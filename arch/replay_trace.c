#include "arch/replay_trace.h"

#include "arch/replay_parse.h"
#include "arch/soc_bus.h"
#include "base/arena.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct checker {
    struct replay_lines *l;
    struct err *err;
    bool ok;
};

/* Keys that a device cannot do without. */
static const uint8_t needed_hci[] = {KEY_N_CORE, KEY_N_EXT, KEY_N_DMA, KEY_N_HWPE, KEY_HWPE_WORDS,
                                     KEY_INVERT_PRIO, KEY_PRIO_NUM, KEY_PRIO_DEN};
static const uint8_t needed_stream[] = {KEY_WORDS, KEY_DECOUPLED, KEY_LOAD_FIFO_DEPTH,
                                        KEY_SINK_FIFO_DEPTH, KEY_BACKGROUND_MASTERS};

#define COMPLAIN(c, at, ...) ((c)->ok = err_add((c)->err, ERR_DATA, at, __VA_ARGS__))

static void need_key(struct checker *c, enum replay_key key)
{
    struct place at = {.file = c->l->file, .line = 1, .col = 1};
    if (c->l->at[key].line)
        return;
    COMPLAIN(c, c->l->dut_at.line ? &c->l->dut_at : &at, "header key '%s' is missing",
             replay_key_name(key));
}

static void need_keys(struct checker *c)
{
    struct replay_lines *l = c->l;
    struct place at = {.file = l->file, .line = 1, .col = 1};

    if (!l->dut_at.line)
        COMPLAIN(c, &at, "header key 'dut' is missing");
    if (!l->unit_at.line)
        COMPLAIN(c, l->dut_at.line ? &l->dut_at : &at, "header key 'address unit' is missing");
    need_key(c, KEY_MASTERS);
    need_key(c, KEY_BANKS);
    if (!l->dut_at.line)
        return;
    for (unsigned i = 0; l->dut == REPLAY_HCI && i < sizeof needed_hci; i++)
        need_key(c, needed_hci[i]);
    for (unsigned i = 0; l->dut == REPLAY_STREAM && i < sizeof needed_stream; i++)
        need_key(c, needed_stream[i]);
}

static void check_soc(struct checker *c)
{
    struct replay_lines *l = c->l;
    int64_t banks = l->value[KEY_BANKS];
    struct soc_bus *bus;

    if (l->value[KEY_MASTERS] <= SOC_BUS_SYSTEM_MASTERS)
        COMPLAIN(c, &l->at[KEY_MASTERS], "soc_interconnect_wrap has 9 system masters and 1 or more HWPE "
                 "ports; legal is 10..64");
    if (banks & (banks - 1))
        COMPLAIN(c, &l->at[KEY_BANKS], "soc_interconnect_wrap has a power of two of banks; legal are "
                 "1, 2, 4, 8, 16, 32, 64");
    if (!l->byte_addresses)
        COMPLAIN(c, &l->unit_at, "soc_interconnect_wrap decodes byte addresses; legal is byte");
    if (!c->ok)
        return;
    bus = xrealloc(NULL, 1, sizeof *bus);
    soc_bus_init(bus, (unsigned)l->value[KEY_MASTERS], (unsigned)banks);
    for (size_t i = 0; i < l->n_rows; i++) {
        const struct replay_row *row = &l->rows[i];
        struct place at = {l->file, row->source, row->line, 1};
        if (soc_bus_target(bus, row->master, row->request.addr) == SOC_PLUG)
            COMPLAIN(c, &at, "address %" PRIx32 " is in the cluster plug, which never answers: no cluster "
                     "is connected", row->request.addr);
    }
    free(bus);
}

static void check_hci(struct checker *c)
{
    struct replay_lines *l = c->l;
    const int64_t *v = l->value;
    int64_t sum = v[KEY_N_CORE] + v[KEY_N_EXT] + v[KEY_N_DMA] + v[KEY_N_HWPE];

    if (v[KEY_EXPFIFO])
        COMPLAIN(c, &l->at[KEY_EXPFIFO], "an HCI with FIFOs is not modelled; legal is 0");
    if (sum != v[KEY_MASTERS])
        COMPLAIN(c, &l->at[KEY_MASTERS], "masters is %d, but n_core + n_ext + n_dma + n_hwpe is %d",
                 (int)v[KEY_MASTERS], (int)sum);
    if (v[KEY_HWPE_WORDS] > v[KEY_BANKS])
        COMPLAIN(c, &l->at[KEY_HWPE_WORDS], "an HWPE access of %d words does not fit %d banks",
                 (int)v[KEY_HWPE_WORDS], (int)v[KEY_BANKS]);
}

static void check_stream(struct checker *c)
{
    struct replay_lines *l = c->l;
    const int64_t *v = l->value;
    int64_t sum = v[KEY_BACKGROUND_MASTERS] + 2 * v[KEY_WORDS];
    bool source_waits = v[KEY_DECOUPLED] && v[KEY_LOAD_FIFO_DEPTH];

    if (sum != v[KEY_MASTERS])
        COMPLAIN(c, &l->at[KEY_MASTERS], "masters is %d, but background_masters + 2 words is %d",
                 (int)v[KEY_MASTERS], (int)sum);
    if (v[KEY_LOOP] && !source_waits && !v[KEY_SINK_FIFO_DEPTH])
        COMPLAIN(c, &l->at[KEY_LOOP], "a source without FIFO that drives a sink without FIFO is a "
                 "combinational loop; one of them needs a FIFO");
    if (l->generator.present)
        COMPLAIN(c, &l->generator_at, "hwpe_stream has no generated traces");
    for (size_t i = 0; i < l->n_rows; i++) {
        struct place at = {l->file, l->rows[i].source, l->rows[i].line, 1};
        if (l->rows[i].master >= v[KEY_BACKGROUND_MASTERS])
            COMPLAIN(c, &at, "master %u is a port of a stream; requests come from the %d background masters",
                     l->rows[i].master, (int)v[KEY_BACKGROUND_MASTERS]);
    }
}

static void check_masters(struct checker *c)
{
    struct replay_lines *l = c->l;
    for (unsigned m = (unsigned)l->value[KEY_MASTERS]; m < XBAR_MAX_MASTERS; m++)
        if (l->member_at[m].line)
            COMPLAIN(c, &l->member_at[m], "master %u is out of range; legal is 0..%d", m,
                     (int)l->value[KEY_MASTERS] - 1);
    if (l->generator.present && l->n_rows) {
        struct place at = {l->file, l->rows[0].source, l->rows[0].line, 1};
        COMPLAIN(c, &at, "a request in a trace with a generator; legal is one or the other");
    }
}

static bool check(struct replay_lines *l, bool lines_ok, struct err *err)
{
    struct checker c = {l, err, true};
    if (err->code == ERR_NOINPUT)
        return false;
    need_keys(&c);
    if (!c.ok || !lines_ok)
        return false;
    check_masters(&c);
    if (l->dut == REPLAY_SOC)
        check_soc(&c);
    else if (l->dut == REPLAY_HCI)
        check_hci(&c);
    else if (l->dut == REPLAY_STREAM)
        check_stream(&c);
    return c.ok;
}

/* `v` points at the first of the eight keys of a side. */
static struct hwpe_pattern pattern(const int64_t *v)
{
    enum { BASE, SIZE, LINE_LENGTH, LINE_STRIDE, FEAT_LENGTH, FEAT_STRIDE, FEAT_ROLL, LOOP_OUTER };
    return (struct hwpe_pattern){
        .base = (uint32_t)v[BASE],
        .trans_size = (uint32_t)v[SIZE],
        .line_length = (uint16_t)(v[LINE_LENGTH] ? v[LINE_LENGTH] : v[SIZE]),
        .line_stride = (int16_t)v[LINE_STRIDE],
        .feat_length = (uint16_t)v[FEAT_LENGTH],
        .feat_stride = (int16_t)v[FEAT_STRIDE],
        .feat_roll = (uint16_t)v[FEAT_ROLL],
        .loop_outer = (uint16_t)v[LOOP_OUTER],
    };
}

static void copy_header(struct replay_trace *t, const struct replay_lines *l)
{
    const int64_t *v = l->value;
    t->dut = l->dut;
    t->n_masters = (uint32_t)v[KEY_MASTERS];
    t->n_banks = (uint32_t)v[KEY_BANKS];
    t->byte_addresses = l->byte_addresses;
    t->blocking = l->blocking;
    memcpy(t->group, l->group, sizeof t->group);
    t->n_groups = l->n_groups;
    t->generator = l->generator;
    t->hci = (struct replay_hci){
        (uint32_t)v[KEY_N_CORE],     (uint32_t)v[KEY_N_EXT],       (uint32_t)v[KEY_N_DMA],
        (uint32_t)v[KEY_N_HWPE],     (uint32_t)v[KEY_HWPE_WORDS],  (uint32_t)v[KEY_INVERT_PRIO],
        (uint32_t)v[KEY_PRIO_NUM],   (uint32_t)v[KEY_PRIO_DEN],
    };
    t->stream = (struct replay_stream){
        .words = (uint32_t)v[KEY_WORDS],
        .decoupled = (uint32_t)v[KEY_DECOUPLED],
        .load_depth = (uint32_t)v[KEY_LOAD_FIFO_DEPTH],
        .sink_depth = (uint32_t)v[KEY_SINK_FIFO_DEPTH],
        .background = (uint32_t)v[KEY_BACKGROUND_MASTERS],
        .loop = (uint32_t)v[KEY_LOOP],
        .ready_period = (uint32_t)v[KEY_READY_PERIOD],
        .valid_period = (uint32_t)v[KEY_VALID_PERIOD],
        .ready_pct = (uint32_t)v[KEY_READY_PCT],
        .ready_seed = (uint32_t)v[KEY_READY_SEED],
        .random_ready = l->at[KEY_READY_PCT].line != 0,
        .start_source = v[KEY_START_SRC],
        .start_sink = v[KEY_START_SNK],
        .source = pattern(v + KEY_SRC_BASE),
        .sink = pattern(v + KEY_SNK_BASE),
    };
}

/* Stable counting sort by master. */
static void copy_requests(struct replay_trace *t, const struct replay_lines *l)
{
    size_t next[XBAR_MAX_MASTERS];

    for (size_t i = 0; i < l->n_rows; i++)
        t->first[l->rows[i].master + 1]++;
    for (unsigned m = 0; m < XBAR_MAX_MASTERS; m++) {
        t->first[m + 1] += t->first[m];
        next[m] = t->first[m];
    }
    t->requests = xrealloc(NULL, l->n_rows + 1, sizeof *t->requests);
    for (size_t i = 0; i < l->n_rows; i++)
        t->requests[next[l->rows[i].master]++] = l->rows[i].request;
}

bool replay_trace_load(struct replay_trace *t, const char *path, struct err *err)
{
    struct replay_lines l;
    bool lines_ok = replay_lines_load(&l, path, err), ok = check(&l, lines_ok, err);

    memset(t, 0, sizeof *t);
    if (ok) {
        copy_header(t, &l);
        copy_requests(t, &l);
    }
    replay_lines_finish(&l);
    return ok;
}

void replay_trace_finish(struct replay_trace *t)
{
    free(t->requests);
    memset(t, 0, sizeof *t);
}
