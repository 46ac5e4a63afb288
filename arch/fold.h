/* What the components tell the folding (fold.c) while it watches.
 *
 * A component's future follows from its relative state, which state() names, and
 * from quantities that only count: credits of tokens, what is left of a transfer,
 * loop indices. Those are left out of the state, so that it recurs, and each
 * decision that depends on one of them is reported here. From the reports follows
 * for which other values the same would have happened. */
#ifndef ARCH_FOLD_H
#define ARCH_FOLD_H

#include "arch/machine.h"

#include "base/hash.h"

/* Counting down: bytes of the running transfers off-chip and in L2 (tx, rx each), of the burst; words of a
 * stream's line, lines of its plane (streams); ticks until a unit is done, when they are many. */
enum left_id { LEFT_EXT = 0, LEFT_L2 = 2, LEFT_BURST = 4, LEFT_WORDS = 5, LEFT_LINES = 8, LEFT_DONE = 11,
               N_LEFT = LEFT_DONE + N_UNITS };
/* An end that is no more cycles ahead is part of the state. */
enum { NEAR_CYCLES = 128 };

/* One of them, since the last boundary. */
struct left_watch {
    uint64_t before; /* at the boundary */
    uint64_t low;    /* as long as it had at least so much there, each decision is the same */
    bool exact;      /* it had to be `low` */
    bool set;        /* it got a new value that the old one does not matter for */
    bool settled;    /* either: no further decision depends on what it was */
};

/* What a thread did that depends on its loops; the last two are the uDMA's. */
enum step_kind { STEP_ENTER, STEP_SKIP, STEP_ITERATE, STEP_LEAVE, STEP_RING, STEP_BANK, STEP_ROWS,
                 STEP_USEFUL, STEP_MARK, STEP_TRANSFER, STEP_TRANSFER_END, STEP_ADVANCE };

void fold_init(struct machine *m);
/* The program is about to run. */
void fold_begin(struct machine *m);
void fold_finish(struct machine *m);

/* What was seen of a machine may serve the next run of an equal architecture. False: there is nothing of the
 * kind. *key says what has to be equal besides: clocks, and what tokens are. */
struct graph;
bool fold_key(const struct machine *m, struct hash128 *key);
/* Before the run: builds on the graph, which the caller destroys after the machine. */
void fold_share(struct machine *m, struct graph *g);
struct graph *graph_create(void);
void graph_destroy(struct graph *g);
size_t graph_bytes(const struct graph *g);

/* Folds, and simulates on all the same: what was foretold has to come true. */
void fold_check(struct machine *m);

/* The sequencer is at the END of a loop. True: folding takes this step for it. */
bool fold_at_end(struct machine *m);
/* A burst begins, or a part of a long transfer of a stream. */
void fold_at_part(struct machine *m);
/* Ticks until the unit is done, at the boundary. */
uint64_t fold_ahead(const struct machine *m, unsigned unit);

/* Names for the state: commands that do the same have the same. */
/* What the state reads of a command of the sequencer: small, as many are read each time. */
struct command_name {
    uint32_t name;
    uint8_t src, src2, set, dst; /* enum ring_id; N_RINGS: none */
};
/* By place in the program. */
const struct command_name *fold_commands(const struct machine *m);
/* A command of that name. */
uint32_t fold_named(const struct machine *m, uint32_t name);
/* The one that a thread is at. */
uint32_t fold_at(const struct machine *m, enum thread_id th);

/* ---- fold_record.c: reports ---- */
void fold_note_token(struct machine *m, uint16_t token, uint32_t n, bool has);
/* The host looks whether it can go on. */
void fold_note_host(struct machine *m, const struct cmd *wait, bool has);
void fold_note_post(struct machine *m, uint16_t token, uint32_t n);
void fold_note_loop(struct machine *m, enum thread_id th, enum step_kind kind);
void fold_note_dispatch(struct machine *m, const struct cmd *c, const struct issued *is);
void fold_note_mark(struct machine *m);
void fold_note_burst(struct machine *m, unsigned channel);
void fold_note_transfer(struct machine *m, int64_t l2, int64_t ext);
void fold_note_transfer_end(struct machine *m, unsigned channel);
void fold_note_phase(struct machine *m);

static inline bool token_has(struct machine *m, uint16_t token, uint32_t n)
{
    bool has = m->token[token] >= n;
    if (m->fold)
        fold_note_token(m, token, n, has);
    return has;
}
static inline bool host_has(struct machine *m, const struct cmd *wait)
{
    bool has = m->token[wait->token] >= wait->count;
    if (m->fold)
        fold_note_host(m, wait, has);
    return has;
}
static inline bool left_at_least(struct machine *m, unsigned id, uint64_t left, uint64_t n)
{
    struct left_watch *w = m->watch ? &m->watch[id] : NULL;
    if (w && !w->settled) {
        uint64_t low = left >= n ? w->before - left + n : w->before;
        w->low = low > w->low ? low : w->low;
        w->settled = w->exact = left < n;
    }
    return left >= n;
}
/* The quantity gets a value that the past of it does not matter for. */
static inline void fold_set_left(struct machine *m, unsigned id)
{
    if (m->watch)
        m->watch[id].settled = m->watch[id].set = true;
}
/* After the step. */
static inline void fold_saw_loop(struct machine *m, enum thread_id th, enum step_kind kind)
{
    if (m->fold)
        fold_note_loop(m, th, kind);
}
static inline void fold_saw_dispatch(struct machine *m, const struct cmd *c, const struct issued *is)
{
    if (m->fold)
        fold_note_dispatch(m, c, is);
}
static inline void fold_saw_mark(struct machine *m)
{
    if (m->fold)
        fold_note_mark(m);
}
static inline void fold_saw_post(struct machine *m, uint16_t token, uint32_t n)
{
    if (m->fold)
        fold_note_post(m, token, n);
}
static inline void fold_saw_part(struct machine *m)
{
    if (m->fold)
        fold_at_part(m);
}
static inline void fold_saw_burst(struct machine *m, unsigned channel)
{
    if (m->fold)
        fold_note_burst(m, channel);
}
static inline void fold_saw_transfer(struct machine *m, int64_t l2, int64_t ext)
{
    if (m->fold)
        fold_note_transfer(m, l2, ext);
}
static inline void fold_saw_transfer_end(struct machine *m, unsigned channel)
{
    if (m->fold)
        fold_note_transfer_end(m, channel);
}
/* A phase of an engine fed by streams ends. */
static inline void fold_saw_phase(struct machine *m)
{
    if (m->fold)
        fold_note_phase(m);
}

#endif
