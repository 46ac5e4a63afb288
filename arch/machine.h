/* Run-time state of one simulated machine, and what its components share.
 * Components meet only through this header. */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include "arch/arch.h"
#include "arch/program.h"
#include "arch/state_io.h"
#include "sim/evq.h"

enum { QUEUE_MAX = 16, SLOTS_MAX = 8, MAX_COUNTERS = 160, MAX_LAYERS = 160, MAX_PORTS = 16,
       MAX_EVENTS = 40, N_COMMITS = 64, N_MARKS = 64 };

/* Breakdown of cycles, in the order in which results show it. */
enum cause {
    CAUSE_ENGINE, CAUSE_RETENTION, CAUSE_VECTOR, CAUSE_FILL_DRAIN, CAUSE_WEIGHT_WAIT, CAUSE_OPERAND_WAIT,
    CAUSE_BUFFER_WAIT, CAUSE_TCDM_CONFLICT, CAUSE_OFFCHIP_WAIT, CAUSE_HOST, CAUSE_IDLE, N_CAUSES
};
extern const char *const cause_names[N_CAUSES];
enum { FIRST_COUNTER = 2 + N_CAUSES + 4 * N_TENSOR_KINDS, N_TOTALS = FIRST_COUNTER + MAX_COUNTERS };

struct counter_info {
    const char *component, *action, *unit;
};

/* A command as dispatched: affine parts evaluated, slots renamed. */
struct issued {
    const struct cmd *c;
    uint32_t pc;
    uint32_t rows;
    uint64_t seq; /* tells it from others */
    int64_t addr;
    uint64_t src, src2, set, dst; /* allocation numbers */
};

struct slot { /* of a ring */
    uint8_t stage;      /* 0 free or filling, 1 and 2 as committed */
    uint64_t lifetimes; /* how often it was released */
};
struct ring {
    uint64_t n_slots;
    uint64_t allocs; /* renamed so far, by the sequencer */
    struct slot slot[SLOTS_MAX];
};

struct commit { /* effects that a pipelined unit delivers after its latency */
    uint64_t at;
    const struct cmd *c;
    uint64_t dst;
};

struct hw_unit {
    struct issued q[QUEUE_MAX];
    unsigned head, n;
    bool busy;       /* the head is being executed */
    bool active;     /* counts as working in the breakdown */
    int blocked;     /* enum cause while the head waits, -1 otherwise */
    struct event done;
    struct commit commits[N_COMMITS];
    unsigned commit_head, n_commits;
    struct event deliver;
    uint64_t drain_until;
};

struct loop_frame {
    uint32_t pc; /* of the REPEAT */
    uint64_t trips;
};
struct thread {
    uint32_t pc;
    unsigned depth;
    uint64_t idx[PROG_MAX_DEPTH];
    struct loop_frame frame[PROG_MAX_DEPTH];
    uint64_t part[PROG_MAX_L2RINGS]; /* steps taken on each L2 ring */
    bool halted;
};

/* Enters the loop of a REPEAT, or goes behind it when there is nothing to do. */
static inline bool thread_enter(struct thread *t, const struct cmd *c)
{
    int64_t trips = aff_eval(&c->trips, t->idx, t->depth);
    if (trips <= 0) {
        t->pc = c->match + 1;
        return false;
    }
    t->frame[t->depth] = (struct loop_frame){t->pc, (uint64_t)trips};
    t->idx[t->depth++] = 0;
    t->pc++;
    return true;
}

/* At an END: the next iteration, or false and behind the loop. */
static inline bool thread_iterate(struct thread *t)
{
    unsigned d = t->depth - 1;
    if (++t->idx[d] < t->frame[d].trips) {
        t->pc = t->frame[d].pc + 1;
        return true;
    }
    t->depth--;
    t->pc++;
    return false;
}

struct streamer;
struct tcdm;
struct traffic;
struct udma;
struct host;
struct fold;
struct left_watch;
struct streams;

/* A phase or a job of an engine fed by streams; cycles count from the start of the run. */
struct stream_layer {
    const char *name;
    uint64_t cycles, first_row, last_row, first_output, last_output;
    uint64_t rows, outputs;
};

struct machine {
    const struct cost_activity *activity; /* by enum activity_of; NULL: values were not computed */
    const struct arch *arch;
    const struct program *prog;
    const struct evq_ops *evq_ops;
    struct evq *evq;
    uint64_t now;            /* ticks */
    uint64_t skipped;        /* ticks that folding jumped over */
    uint64_t soc_ticks, periph_ticks; /* ticks of a clock period */
    uint64_t both_ticks; /* after so many the clocks stand as before */
    /* configurations, resolved once */
    const struct clocks_cfg *clocks;
    const struct tcdm_cfg *tcdm_cfg;
    const struct traffic_cfg *traffic_cfg;
    const struct engine_cfg *engine;
    const struct retention_cfg *retention;
    const struct vector_cfg *vector;
    const struct buffers_cfg *buffers;
    const struct sequencer_cfg *sequencer;
    const struct streamer_cfg *streamer_cfg;
    const struct udma_cfg *udma_cfg;
    const struct hyperram_cfg *hyperram_cfg;
    const struct host_cfg *host_cfg;
    const struct apb_cfg *apb_cfg;
    const struct regfile_cfg *regfile_cfg;
    const struct streams_cfg *streams_cfg;
    const struct memory_cfg *memory_cfg;
    struct engine_geom geom;
    /* sequencer and units */
    struct thread thread[N_THREADS];
    struct hw_unit unit[N_UNITS];
    struct ring ring[N_RINGS];
    uint32_t token[PROG_MAX_TOKENS];
    uint64_t next_seq;
    uint8_t order[N_UNITS * QUEUE_MAX]; /* whose queues commands are in, the oldest first */
    unsigned n_order;
    struct event seq_event, kick_event;
    bool seq_blocked;
    /* components with their own files */
    struct streamer *streamer;
    struct tcdm *tcdm;
    struct traffic *traffic_state;
    struct udma *udma;
    struct host *host;
    struct fold *fold;       /* NULL: every cycle is simulated */
    struct left_watch *watch; /* of folding (fold.h), by enum left_id; NULL as well */
    struct streams *streams; /* NULL: the engine is fed by buffers */
    uint64_t origin;         /* tick at which the run's cycles begin to count */
    /* additive; `total` is all of them, those of counter[] last */
    union {
        struct {
            uint64_t macs, macs_issued;
            uint64_t cause[N_CAUSES]; /* breakdown, in ticks */
            uint64_t traffic[N_TENSOR_KINDS][4]; /* bytes: L2 read, write, off-chip read, write */
            uint64_t counter[MAX_COUNTERS];
        };
        uint64_t total[N_TOTALS];
    };
    struct counter_info info[MAX_COUNTERS];
    unsigned n_counters;
    struct { /* first counter of each component */
        unsigned engine, retention, vector, buffers, streamer, tcdm, traffic, udma, hyperram, host,
            sequencer;
    } cb;
    uint64_t acct_last; /* booked so far */
    uint64_t acct_conflicts, acct_conflict_end; /* ticks of conflicts since, but for the last; its end */
    int acct_cause;
    uint64_t layer_cycles[MAX_LAYERS]; /* ticks */
    uint64_t layer_last; /* time of the last mark, skipped ticks included */
    uint64_t mark[N_MARKS], marks_in, marks_out; /* layers whose mark is in the store unit's queue */
    struct event *events[MAX_EVENTS]; /* every event of the machine; the index is its id */
    unsigned n_events;
    enum phase phase; /* of the event being served */
    bool kicking;
    bool watched; /* somebody looks after each event */
};

/* Ticks since the start, skipped ones included. */
static inline uint64_t machine_time(const struct machine *m)
{
    return m->now + m->skipped;
}

/* Registers a counter; the index is stable. */
unsigned counter_add(struct machine *m, const char *component, const char *action, const char *unit);

/* Counters that others read: host's and hyperram's, by place. */
enum { HOST_INTERRUPTS = 1, HYPER_BURSTS = 2 };

/* ---- program_check.c ---- */
/* Addresses within the interleaved L2, loads within their slots. */
bool program_check(const struct program *p, const struct arch *a, struct err *err);

/* ---- machine.c ---- */
/* Configurations, geometry and clocks: all of a machine that costs of single commands depend on. */
void machine_resolve(struct machine *m, const struct arch *a);
struct machine *machine_create(const struct arch *arch, const struct program *prog, const struct evq_ops *ops,
                               bool folding, struct err *err);
void machine_destroy(struct machine *m);
/* Saves or loads the relative state of everything. False: no room to save it. */
bool machine_state(struct machine *m, struct state_io *io);
/* Runs to the end. False on a deadlock (with a report of who waits for what). */
bool machine_run(struct machine *m, struct err *err);
/* Looks at the machine after each of its events; returning false ends the run. */
struct observer {
    void *self;
    bool (*after_event)(void *self);
};
/* The same, watched. */
bool machine_watch(struct machine *m, const struct observer *observer, struct err *err);
/* Asks for another look at every unit in this cycle's request phase. */
void machine_kick(struct machine *m);
/* Makes an event of the machine. */
void machine_event(struct machine *m, struct event *e, void (*fn)(void *self, uint64_t now));
void machine_post(struct machine *m, struct event *e, uint64_t t, enum phase phase);
/* First SoC clock edge at or after tick t. */
static inline uint64_t soc_edge(const struct machine *m, uint64_t t)
{
    return m->soc_ticks == 1 ? t : (t + m->soc_ticks - 1) / m->soc_ticks * m->soc_ticks;
}
void token_post(struct machine *m, uint16_t token, uint32_t n);
static inline bool machine_has_useful(const struct cmd *c)
{
    return c->op == OP_MM || c->op == OP_RET_STEP || c->op == OP_CLEAR;
}
/* Useful MACs of a command, on whatever they are counted. */
void machine_count_useful(struct machine *m, const struct cmd *c, uint64_t macs);

/* ---- deadlock.c ---- */
/* Adds one error that says who waits for what. */
void deadlock_report(const struct machine *m, struct err *err);

/* ---- acct.c: which cause each cycle is booked on ---- */
void acct_sync(struct machine *m);   /* books the time since the last call */
void acct_update(struct machine *m); /* decides the cause from now on */
void acct_conflict(struct machine *m); /* an accelerator port lost arbitration in this cycle */

/* ---- unit.c: queues, slots, completion ---- */
bool unit_push(struct machine *m, enum unit_id u, const struct issued *is); /* false: full */
bool unit_start(struct machine *m, enum unit_id u); /* the head, if it may: true when anything happened */
static inline bool unit_try(struct machine *m, enum unit_id u)
{
    return m->unit[u].n && !m->unit[u].busy && unit_start(m, u);
}
void unit_complete(struct machine *m, enum unit_id u, uint64_t latency_ticks); /* head finished */
struct issued *unit_head(struct hw_unit *u);
void units_init(struct machine *m);
/* The oldest layer whose mark is on its way is over. */
void layer_done(struct machine *m, uint64_t time);
void unit_state(struct machine *m, struct state_io *io);

/* ---- components ---- */
void sequencer_tick(void *self, uint64_t now);
/* A sequencer that was blocked goes on, in the next cycle or, when steps take no time, at once: true
 * when it did. */
bool sequencer_retry(struct machine *m);
/* Where the current part of a command's L2 ring begins. */
int64_t l2_part(const struct machine *m, const struct thread *t, const struct cmd *c);
uint64_t engine_cycles(const struct machine *m, const struct cmd *c, uint32_t rows);
uint64_t retention_cycles(const struct machine *m, const struct cmd *c, uint32_t rows);
uint64_t vector_cycles(const struct machine *m, const struct cmd *c, uint32_t rows);
/* Rows that the engine took and values that it requantised. */
uint64_t engine_rows(const struct machine *m);
uint64_t engine_values(const struct machine *m);
/* Rows of an mm that leave the accumulators: of a triangular operand those whose diagonal is in the set. */
static inline uint32_t finished_rows(const struct cmd *c, uint32_t rows)
{
    if (!c->last)
        return 0;
    return c->causal == CAUSAL_VALUES && c->k < rows ? c->k : rows;
}
/* Words of a row's own that a command takes from the accumulators (row shifts of scores). */
uint64_t row_words_used(const struct cmd *c);
void engine_count(struct machine *m, const struct issued *is, uint64_t cycles);
/* Useful MACs of the unit's own lanes; 0 where the state works in the engine. */
uint64_t retention_own_macs(const struct machine *m);
/* Does a step make rows, or does the state take tokens up alone? */
bool retention_reads(const struct cmd *c);
void retention_count(struct machine *m, const struct issued *is, uint64_t cycles);
void vector_count(struct machine *m, const struct issued *is, uint64_t cycles);
void buffers_count(struct machine *m, const struct issued *is);
/* True when the transfer takes no time: it is over. */
bool streamer_start(struct machine *m, enum unit_id u, const struct issued *is);
/* Banks that are asked for in a cycle, and those by two or more; a bit each. */
struct bank_use {
    uint64_t asked, twice;
};
static inline void bank_used(struct bank_use *use, unsigned bank)
{
    uint64_t bit = UINT64_C(1) << bank;
    use->twice |= use->asked & bit;
    use->asked |= bit;
}
/* Ports that ask this cycle: bank by port, mask as return value; adds to *use. */
uint32_t streamer_requests(struct machine *m, uint8_t *bank, struct bank_use *use);
/* Returns how many words were moved. */
unsigned streamer_grants(struct machine *m, uint32_t granted, uint32_t requested);
/* Counts a transfer that is only walked, not simulated. */
void streamer_count(struct machine *m, enum unit_id u, const struct cmd *c);
bool streamer_busy(const struct machine *m);
uint64_t streamer_packets(const struct machine *m, const struct cmd *c);
uint64_t streamer_words(const struct machine *m, const struct cmd *c);
/* Requests of other masters: bank by master, mask as return value. */
uint32_t traffic_requests(struct machine *m, uint8_t *bank);
uint64_t traffic_words(const struct machine *m); /* granted so far */
void traffic_grants(struct machine *m, uint32_t granted, uint32_t requested);
/* Other masters leave the accelerator nothing; arbitration has stopped. */
bool tcdm_starved(const struct machine *m);
bool traffic_on(const struct machine *m);
void tcdm_wake(struct machine *m); /* somebody asks from the next cycle on */
/* uDMA masters' requests: bit 0 tx, bit 1 rx. */
uint32_t udma_requests(struct machine *m, uint8_t *bank);
void udma_grants(struct machine *m, uint32_t granted);
/* Counts of a transfer that is only walked. */
void udma_count(struct machine *m, uint64_t bytes, bool rx, uint64_t bursts);
void hyperram_count(struct machine *m, uint64_t bytes, bool rx, uint64_t bursts);
void host_count(struct machine *m, const struct cmd *c, uint64_t cycles, bool interrupt);
bool udma_room(const struct machine *m, bool tx);
void udma_enqueue(struct machine *m, const struct cmd *c, int64_t l2, int64_t ext);
bool udma_busy(const struct machine *m);
uint64_t hyperram_burst_ticks(const struct machine *m, uint64_t bytes);
/* True when the host did something that took no time. */
bool host_try(struct machine *m);
/* The accelerator has finished the oldest job. */
void host_job_done(struct machine *m);
bool host_working(const struct machine *m);
/* Counts a job that nobody spends the core's cycles on: they are before the run, or beside it. */
void host_job(struct machine *m);
uint64_t host_cmd_cycles(const struct machine *m, const struct cmd *c);

/* ---- streams.c: an engine fed by streams ---- */
/* The engine takes a command: rows of one tile step. */
void streams_begin(struct machine *m, const struct issued *is);
/* What a command moves over the port, `n` times. */
void streams_traffic(const struct machine *m, const struct cmd *c, uint64_t n,
                     uint64_t traffic[N_TENSOR_KINDS][4]);
/* A phase (or a job) ends. */
void streams_mark(struct machine *m, const struct cmd *c);
/* Phases or jobs so far. */
const struct stream_layer *streams_layers(const struct machine *m, size_t *n);
/* The open one, when all rows and outputs under way are its own and it had some of each; NULL otherwise. */
struct stream_layer *streams_steady(const struct machine *m);

/* Words of the line, lines of the plane that a stream has left. */
uint64_t *streamer_words_left(struct machine *m, unsigned stream);
uint64_t *streamer_lines_left(struct machine *m, unsigned stream);

#endif
