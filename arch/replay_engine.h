/* Masters that issue the requests of a trace, what became of them, and the
 * chart. Private to arch/replay_*.c and its tests. */
#ifndef ARCH_REPLAY_ENGINE_H
#define ARCH_REPLAY_ENGINE_H

#include "arch/replay_trace.h"
#include "base/text.h"

struct replay_time {
    uint64_t first, grant, response; /* cycles */
};

/* Per master of a generated trace. */
struct replay_stats {
    uint64_t count, last_grant, wait_sum, wait_max;
    uint64_t hash; /* FNV-1a 64 over the grant cycles, 4 bytes each, least significant first */
};

enum { CHART_MAX_CYCLES = 4000, CHART_MAX_ROWS = XBAR_MAX_MASTERS + 2 };

/* One row a master, one character a cycle; row n_masters and the next are the
 * two streams. */
struct replay_chart {
    uint64_t end; /* cycles seen, drawn or not */
    bool used[CHART_MAX_ROWS];
    char cell[CHART_MAX_ROWS][CHART_MAX_CYCLES];
};

struct replay_master {
    uint64_t ready_at; /* first cycle in which the next request may be asserted */
    uint64_t asserted_at;
    uint64_t gate;     /* the same for its group; UINT64_MAX: others are not there yet */
    uint64_t answered; /* the same for a blocking master; UINT64_MAX: no response yet */
    uint64_t earliest; /* of the next request */
    uint64_t next, end; /* requests: of the trace by index, of a generator by count */
    uint64_t unanswered; /* index of the granted request that waits for a response */
    uint32_t lcg;
    uint32_t addr; /* of the next or asserted request */
    bool write;
};

struct replay_engine {
    const struct replay_trace *trace;
    uint64_t asserted, waiting; /* masters with a request on the bus; with one still to come */
    uint64_t blocking;
    uint64_t group_left[XBAR_MAX_MASTERS + 1]; /* members that were not granted in this round */
    struct replay_master master[XBAR_MAX_MASTERS];
    struct replay_time *times;  /* parallel to trace->requests; NULL for a generated trace */
    struct replay_stats stats[XBAR_MAX_MASTERS];
    struct replay_chart *chart; /* may be NULL */
};

void replay_engine_init(struct replay_engine *e, const struct replay_trace *t,
                        struct replay_chart *chart);
void replay_engine_finish(struct replay_engine *e);
/* Puts on the bus what may be there from this cycle on. Returns the new ones. */
uint64_t replay_engine_assert(struct replay_engine *e, uint64_t cycle);
/* First cycle in which a waiting request may be asserted, UINT64_MAX if a response must come first. */
uint64_t replay_engine_next(const struct replay_engine *e);
/* Records a grant; `symbol` is what the chart shows. */
void replay_engine_grant(struct replay_engine *e, unsigned m, uint64_t cycle, char symbol);
/* Records the response of the last granted request of m. */
void replay_engine_response(struct replay_engine *e, unsigned m, uint64_t cycle);

/* Bank of an address in a word-interleaved memory. */
unsigned replay_bank(const struct replay_trace *t, uint32_t addr);
char replay_bank_symbol(unsigned bank);
void replay_chart_mark(struct replay_chart *chart, unsigned row, uint64_t cycle, char symbol);
void replay_chart_draw(const struct replay_chart *chart, const struct replay_trace *t, unsigned columns,
                       struct text *out);

void replay_crossbar(struct replay_engine *e);
void replay_hci(struct replay_engine *e);
void replay_soc(struct replay_engine *e);
/* Appends the events of the streams to `out`. */
void replay_stream(struct replay_engine *e, struct text *out);

#endif
