/* Inside the values reading. */
#ifndef WORKLOADS_VALUES_IMPL_H
#define WORKLOADS_VALUES_IMPL_H

#include "arch/machine.h"
#include "workloads/values.h"

struct bytes { /* a memory; `set`: somebody wrote the byte */
    const char *name;
    uint8_t *v, *set;
    uint64_t n;
    uint64_t held; /* bytes from the first that there is room for: all, or as many as were written */
};

struct vslot {
    struct bytes b;
    uint8_t stage;
    uint64_t lifetimes;
    /* a weight set: w[output * k + contraction element] */
    int16_t *w;
    uint8_t *w_set;
    uint64_t cap; /* elements that w holds */
    uint32_t cols, k;
    bool whole; /* all of it was written by somebody */
};
struct vring {
    uint64_t n_slots, allocs;
    struct vslot slot[SLOTS_MAX];
};

struct vissued { /* a command as dispatched: affine parts evaluated, slots renamed */
    const struct cmd *c;
    uint32_t pc;
    uint32_t rows;
    uint64_t src, src2, set, dst;
    int64_t addr, ext, n_at, k_at, state, unit, col, pos, key;
};
struct vunit {
    struct vissued q[QUEUE_MAX];
    unsigned head, n;
};

enum { CHANNEL_RX, CHANNEL_TX, N_CHANNELS, AGENT_SEQUENCER = N_UNITS, AGENT_HOST, AGENT_RX, AGENT_TX,
      N_AGENTS };

struct watched { /* what was there before, for what changes (values_activity.c) */
    int16_t *lane;                     /* of the engine, its moving operand */
    uint32_t word[N_UNITS][MAX_PORTS]; /* of a unit's stream, at a port */
};
struct values {
    struct watched watch;
    const struct values_job *job;
    const struct program *p;
    const struct work *work;
    const struct qnet *q;
    const struct net *n;
    struct values_counts *counts;
    struct err *err;
    bool failed;
    uint64_t heads;
    /* memories */
    struct bytes l2, ext, state;
    int32_t *acc;
    uint64_t n_acc;
    struct vring ring[N_RINGS];
    uint64_t state_bytes; /* of an element */
    /* control */
    struct thread thread[N_THREADS];
    struct vunit unit[N_UNITS];
    struct vunit channel[N_CHANNELS];
    uint32_t token[PROG_MAX_TOKENS];
    uint16_t job_token;
    uint64_t jobs_waiting, contexts, queue_depth, pending;
    bool job_running;
    struct engine_geom geom;
    /* scratch of a row */
    int16_t *a, *b, *out;
    int32_t *wide;
};

/* False, with an error that names the command. */
__attribute__((format(printf, 3, 4))) bool values_fail(struct values *v, const struct vissued *is,
                                                       const char *fmt, ...);
/* Bytes to read: NULL with an error when they are not there or nobody wrote them. */
const uint8_t *bytes_at(struct values *v, const struct vissued *is, const struct bytes *m, int64_t at,
                        uint64_t n);
/* Room for the first n bytes. */
void bytes_hold(struct bytes *m, uint64_t n);
/* Bytes to write, taken as written. */
uint8_t *bytes_put(struct values *v, const struct vissued *is, struct bytes *m, int64_t at, uint64_t n);
struct vslot *slot_of(struct values *v, const struct slot_use *s, uint64_t alloc);
/* Packed elements of up to 16 bits, the first at bit `at` of b. */
void unpack(const uint8_t *b, uint64_t at, unsigned bits, uint64_t n, int16_t *to);
void pack(uint8_t *b, uint64_t at, unsigned bits, uint64_t n, const int16_t *from);

static inline int16_t get16(const uint8_t *b)
{
    return (int16_t)(b[0] | b[1] << 8);
}
static inline void put16(uint8_t *b, int32_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}
static inline uint64_t position(int64_t pos)
{
    return (uint64_t)pos & ((uint64_t)PROG_SEQUENCE - 1);
}
static inline const struct qlayer *layer_of(const struct values *v, const struct vissued *is)
{
    return &v->q->layer[(uint64_t)is->unit / v->heads];
}
static inline const struct qhead *head_of(const struct values *v, const struct vissued *is)
{
    return &layer_of(v, is)->head[(uint64_t)is->unit % v->heads];
}
/* The form in which a token passes retention, and the position of which its eps is taken. */
enum net_form form_at(const struct values *v, uint64_t pos);
uint64_t eps_position(const struct values *v, uint64_t pos);

/* ---- values_activity.c: count what passes by ---- */
void activity_set(struct values *v, const struct vslot *set, uint64_t rows, uint64_t issued);
void activity_row(struct values *v, const struct cmd *c, uint32_t lanes);
void activity_step(struct values *v, const struct cmd *c, const int16_t *key, const int16_t *val);
void activity_line(struct values *v, unsigned unit, const uint8_t *b, uint64_t n);

/* ---- values_move.c: load, store, sets, states, off-chip ---- */
bool run_load(struct values *v, const struct vissued *is);
bool run_store(struct values *v, const struct vissued *is);
bool run_set(struct values *v, const struct vissued *is);
bool run_state_move(struct values *v, const struct vissued *is);
bool run_transfer(struct values *v, const struct vissued *is);
bool run_take(struct values *v, const struct vissued *is);
/* The row at is->addr of a memory, packed, against the golden model's. */
bool check_row(struct values *v, const struct vissued *is, const struct bytes *m);

/* ---- values_mm.c ---- */
bool run_mm(struct values *v, const struct vissued *is);
bool run_flash(struct values *v, const struct vissued *is);

/* ---- values_vec.c ---- */
bool run_vec(struct values *v, const struct vissued *is);
bool run_step(struct values *v, const struct vissued *is);
bool run_clear(struct values *v, const struct vissued *is);

/* ---- values_image.c ---- */
bool image_build(struct values *v);
/* What is left in memory is what the golden model says. */
bool image_check(struct values *v);

/* ---- values_expect.c ---- */
/* A row of numbers against the golden model's; -1 when equal, else the first column that differs,
 * with what it should be. Rows that the model does not name are equal. */
int64_t expected_differs(const struct expected *e, enum what_kind what, uint64_t unit, uint64_t col,
                         int64_t pos,
                         const int32_t *row, uint64_t n, int32_t *should);
/* How the results are requantised that are not the network's: logits to 16 bits, a product to 8. */
const struct rq *expected_rq(const struct expected *e, enum what_kind what);
uint64_t expected_token(const struct expected *e, int64_t pos);
const int16_t *expected_input(const struct expected *e, uint64_t row);   /* narrow rows that are there */
const int16_t *expected_weights(const struct expected *e, uint64_t out); /* of a product */
/* What a decode finds: states (H,dk,dv of a layer), keys (H,S,dk), values (S,V). */
const int32_t *expected_state(const struct expected *e, uint64_t seq, uint64_t layer);
const int32_t *expected_point(const struct expected *e, uint64_t seq, uint64_t layer, enum point p);
uint64_t expected_tokens(const struct expected *e);

#endif
