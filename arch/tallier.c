/* Tallies are made while commands are emitted: what works becomes a shape, the rest is a count of steps.
 * Loops are walked afterwards; arch/visit.c, which walks those of a program, is the slow twin. */
#include "arch/program_check.h"
#include "arch/tally_impl.h"
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum rec_kind {
    REC_STEPS, /* `n` commands that only pass through the sequencer */
    REC_WORK,
    REC_LOOP
};

/* Of a thread, in order of emission. */
struct rec {
    uint8_t kind;
    bool steps;       /* LOOP: one begins in it */
    uint8_t unit;     /* WORK; N_UNITS: the host */
    uint16_t depends; /* on loops around it, a bit for each depth; LOOP: it or anything in it does */
    uint16_t inner;   /* LOOP: anything in it, on it and loops around */
    uint16_t shaped, inner_shaped; /* the same, but for useful work: by trips and rows */
    uint32_t shape;   /* WORK without varying rows */
    uint32_t varying; /* index + 1 of what depends on loop indices; 0: nothing does */
    uint32_t end;     /* LOOP: the first record after it */
    uint32_t begins;  /* parts of the step of the accelerator that begins; 0: none does */
    int64_t n;        /* STEPS: commands, LOOP: trips, WORK: useful MACs */
    uint64_t bytes;   /* WORK: of L2, or off-chip by the host */
};

struct varying {
    struct shape shape;
    struct affine rows, useful, trips;
};

struct emitted {
    struct rec *rec;
    uint32_t n, cap;
    uint32_t closed; /* records below are in loops that have ended, or before them */
    uint32_t open[PROG_MAX_DEPTH];
    struct loop_span span;
};

struct tallier {
    struct shapes *shapes;
    uint64_t l2_bytes; /* that commands must stay in; 0: nobody asks */
    const struct program *p;
    struct cmd pending; /* the command that is being written, of thread `th` */
    bool has_pending;
    enum thread_id th;
    struct emitted thread[N_THREADS];
    struct varying *varying;
    uint32_t n_varying, cap_varying;
    uint32_t begins; /* parts of the step that the next accel command begins; 0: it does not */
    uint32_t parts;  /* of the step that is being counted */
    bool sound;
    /* the tally, in buffers that are used again */
    struct tally t;
    uint32_t cap_items, cap_ends, cap_at;
    uint32_t *item_at; /* by shape: where its item may be */
    uint64_t idx[PROG_MAX_DEPTH]; /* of loops that are stepped; else 0 */
    int64_t twice[PROG_MAX_DEPTH]; /* the mean of it over the trips that are counted at once, doubled */
};

struct tallier *tallier_create(struct shapes *shapes, const struct program *p, const struct arch *a)
{
    struct tallier *t = xrealloc(NULL, 1, sizeof *t);
    memset(t, 0, sizeof *t);
    t->shapes = shapes;
    t->l2_bytes = a ? ARCH_CFG(a, tcdm)->bytes : 0;
    t->p = p;
    t->sound = true;
    return t;
}

void tallier_destroy(struct tallier *t)
{
    if (!t)
        return;
    for (int th = 0; th < N_THREADS; th++)
        free(t->thread[th].rec);
    free(t->varying);
    free(t->t.items);
    free(t->t.ends);
    free(t->t.moves);
    free(t->item_at);
    free(t);
}

void tallier_clear(struct tallier *t)
{
    t->has_pending = false;
    t->begins = 0;
    t->sound = true;
    t->n_varying = 0;
    for (int th = 0; th < N_THREADS; th++) {
        t->thread[th].n = t->thread[th].closed = 0;
        t->thread[th].span.depth = 0;
    }
}

/* ---- while commands come ---- */

static struct rec *push(struct tallier *t, enum thread_id th, enum rec_kind kind)
{
    struct emitted *w = &t->thread[th];
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 512;
        w->rec = xrealloc(w->rec, w->cap, sizeof *w->rec);
    }
    struct rec *r = &w->rec[w->n++];
    *r = (struct rec){.kind = (uint8_t)kind, .begins = th == THREAD_ACCEL ? t->begins : 0};
    t->begins = th == THREAD_ACCEL ? 0 : t->begins;
    return r;
}

static struct varying *vary(struct tallier *t, struct rec *r)
{
    if (t->n_varying == t->cap_varying) {
        t->cap_varying = t->cap_varying ? t->cap_varying * 2 : 32;
        t->varying = xrealloc(t->varying, t->cap_varying, sizeof *t->varying);
    }
    r->varying = ++t->n_varying;
    return &t->varying[r->varying - 1];
}

/* Depths of the loops that it depends on. */
static uint16_t depths(const struct emitted *w, const struct affine *a)
{
    unsigned on = 0;
    for (unsigned d = 0; d < w->span.depth && d < PROG_MAX_DEPTH; d++)
        on |= (unsigned)(a->k[d] != 0) << d;
    return (uint16_t)on;
}

/* What a loop contains. */
static void contain(struct emitted *w, const struct rec *r)
{
    if (w->span.depth == 0)
        return;
    struct rec *loop = &w->rec[w->open[w->span.depth - 1]];
    loop->inner |= r->depends;
    loop->inner_shaped |= r->shaped;
    loop->steps |= r->begins > 0 || r->steps;
}

static void step(struct tallier *t)
{
    struct emitted *w = &t->thread[THREAD_ACCEL];
    if (!t->begins && w->n > w->closed && w->rec[w->n - 1].kind == REC_STEPS) {
        w->rec[w->n - 1].n++;
        return;
    }
    struct rec *r = push(t, THREAD_ACCEL, REC_STEPS);
    r->n = 1;
    contain(w, r);
}

static void open_loop(struct tallier *t, enum thread_id th, const struct affine *trips)
{
    struct emitted *w = &t->thread[th];
    struct rec *r = push(t, th, REC_LOOP);
    r->n = trips->c;
    r->shaped = r->depends = depths(w, trips);
    if (r->depends)
        vary(t, r)->trips = *trips;
    w->open[w->span.depth] = w->n - 1;
    if (r->depends)
        loop_open(&w->span, trips);
    else
        w->span.most[w->span.depth++] = trips->c > 0 ? trips->c - 1 : 0; /* the same, sooner */
}

/* A loop without commands leaves nothing (prog_prune). */
static void close_loop(struct tallier *t, enum thread_id th)
{
    struct emitted *w = &t->thread[th];
    uint32_t at = w->open[--w->span.depth];
    struct rec *r = &w->rec[at];
    if (th == THREAD_ACCEL)
        t->begins = 0; /* between the last command and the end nothing begins */
    if (w->n == at + 1) {
        t->begins = r->begins;
        w->n--;
        return;
    }
    r->end = w->closed = w->n;
    r->depends |= (uint16_t)(r->inner & ~(1u << w->span.depth));
    r->shaped |= (uint16_t)(r->inner_shaped & ~(1u << w->span.depth));
    contain(w, r);
}

static uint64_t bytes_moved(const struct cmd *c)
{
    if (c->op == OP_UDMA_RX || c->op == OP_UDMA_TX)
        return c->row_bytes;
    return cmd_streams(c) && !c->from_state ? (uint64_t)c->rows * c->row_bytes * c->planes : 0;
}

static void work(struct tallier *t, enum thread_id th, const struct cmd *c)
{
    struct emitted *w = &t->thread[th];
    bool useful = machine_has_useful(c);
    uint32_t rows = c->rows_is_affine ? (uint32_t)c->rows_aff.c : c->rows;
    struct shape k = shape_of(c, th == THREAD_HOST, rows);
    struct rec *r = push(t, th, REC_WORK);
    r->unit = th == THREAD_HOST ? N_UNITS : c->unit;
    r->bytes = bytes_moved(c);
    r->n = useful ? c->useful.c : 0;
    if (c->rows_is_affine)
        r->shaped = r->depends = depths(w, &c->rows_aff);
    if (useful)
        r->depends |= depths(w, &c->useful);
    contain(w, r);
    if (!r->depends) {
        r->shape = shapes_intern(t->shapes, &k);
        return;
    }
    struct varying *v = vary(t, r);
    v->shape = k;
    v->rows = c->rows_is_affine ? c->rows_aff : aff(c->rows);
    v->useful = useful ? c->useful : aff(0);
}

static void take(struct tallier *t, enum thread_id th, const struct cmd *c)
{
    if (t->l2_bytes && t->sound)
        t->sound = cmd_stays_inside(t->p, t->l2_bytes, &t->thread[th].span, c);
    if (c->op == OP_REPEAT)
        open_loop(t, th, &c->trips);
    else if (c->op == OP_END)
        close_loop(t, th);
    else if (th == THREAD_HOST || cmd_works(c))
        work(t, th, c);
    else
        step(t);
}

static void complete(struct tallier *t)
{
    if (t->has_pending)
        take(t, t->th, &t->pending);
    t->has_pending = false;
}

struct cmd *tallier_next(struct tallier *t, enum thread_id th)
{
    complete(t);
    t->has_pending = true;
    t->th = th;
    return &t->pending;
}

void tallier_pass(struct tallier *t)
{
    complete(t);
    step(t);
}

void tallier_repeat(struct tallier *t, enum thread_id th, const struct affine *trips)
{
    complete(t);
    open_loop(t, th, trips);
}

void tallier_end(struct tallier *t, enum thread_id th)
{
    complete(t);
    close_loop(t, th);
}

void tallier_step(struct tallier *t, uint64_t parts)
{
    complete(t);
    t->begins = (uint32_t)parts;
}

bool tallier_sound(struct tallier *t)
{
    complete(t);
    return t->sound;
}

/* ---- the tally ---- */

/* Once more in the current step. */
static void add_item(struct tallier *t, uint32_t shape, uint32_t unit, uint64_t n)
{
    struct tally *y = &t->t;
    uint32_t from = y->n_ends ? y->ends[y->n_ends - 1].items : 0;
    if (shape >= t->cap_at) {
        uint32_t old = t->cap_at;
        t->cap_at = shape * 2 + 128;
        t->item_at = xrealloc(t->item_at, t->cap_at, sizeof *t->item_at);
        memset(t->item_at + old, 0, (t->cap_at - old) * sizeof *t->item_at);
    }
    uint32_t at = t->item_at[shape]; /* of this step or stale */
    if (at >= from && at < y->n_items && y->items[at].shape == shape) {
        y->items[at].n += n;
        return;
    }
    if (y->n_items == t->cap_items) {
        t->cap_items = t->cap_items ? t->cap_items * 2 : 256;
        y->items = xrealloc(y->items, t->cap_items, sizeof *y->items);
        y->moves = xrealloc(y->moves, t->cap_items, sizeof *y->moves);
    }
    t->item_at[shape] = y->n_items;
    y->items[y->n_items++] = (struct item){shape, unit, n};
}

/* The next one has so many parts. */
static void end_step(struct tallier *t, uint32_t parts)
{
    if (t->t.n_ends == t->cap_ends) {
        t->cap_ends = t->cap_ends ? t->cap_ends * 2 : 64;
        t->t.ends = xrealloc(t->t.ends, t->cap_ends, sizeof *t->t.ends);
    }
    t->t.ends[t->t.n_ends++] = (struct step_end){t->t.n_items, t->parts};
    t->parts = parts;
}

static void count_work(struct tallier *t, const struct rec *r, unsigned depth, uint64_t n)
{
    struct tally_totals *sum = &t->t.totals;
    uint32_t shape = r->shape;
    int64_t useful = r->n;
    if (r->varying) {
        const struct varying *v = &t->varying[r->varying - 1];
        struct shape k = shape_with_rows(v->shape, (uint32_t)aff_eval(&v->rows, t->idx, depth));
        shape = shapes_intern(t->shapes, &k);
        useful = 2 * v->useful.c;
        for (unsigned d = 0; d < depth; d++)
            useful += v->useful.k[d] * t->twice[d];
        sum->macs += (uint64_t)useful * n / 2;
    } else {
        sum->macs += (uint64_t)useful * n;
    }
    *(r->unit == N_UNITS ? &sum->offchip_bytes : &sum->l2_bytes) += r->bytes * n;
    add_item(t, shape, r->unit, n);
}

static void set_index(struct tallier *t, unsigned depth, int64_t k)
{
    t->idx[depth] = (uint64_t)k;
    t->twice[depth] = 2 * k;
}

static int64_t trips_of(const struct tallier *t, const struct rec *r, unsigned depth)
{
    int64_t n = r->varying ? aff_eval(&t->varying[r->varying - 1].trips, t->idx, depth) : r->n;
    return n > 0 ? n : 0;
}

static uint32_t visit(struct tallier *t, enum thread_id th, uint32_t i, unsigned depth, uint64_t n);

static void walk(struct tallier *t, enum thread_id th, uint32_t from, uint32_t to, unsigned depth, uint64_t n)
{
    for (uint32_t i = from; i < to;)
        i = visit(t, th, i, depth, n);
}

/* Record i of a loop at `depth` of so many trips, all of them. Within a step the order does not matter. */
static uint32_t visit_each(struct tallier *t, enum thread_id th, uint32_t i, unsigned depth, uint64_t n,
                           int64_t trips)
{
    const struct rec *r = &t->thread[th].rec[i];
    uint32_t end = r->kind == REC_LOOP ? r->end : i + 1;
    if (!(r->depends >> depth & 1))
        return visit(t, th, i, depth + 1, n * (uint64_t)trips);
    bool count = r->kind == REC_LOOP && !(r->inner >> depth & 3); /* its trips alone depend on the index */
    uint64_t sum = 0;
    for (int64_t k = 0; k < trips; k++) {
        set_index(t, depth, k);
        if (count)
            sum += (uint64_t)trips_of(t, r, depth + 1);
        else
            visit(t, th, i, depth + 1, n);
    }
    set_index(t, depth, 0);
    if (count && sum)
        walk(t, th, i + 1, end, depth + 2, n * sum);
    t->t.steps += count && th == THREAD_ACCEL ? n * (uint64_t)trips : 0;
    return end;
}

/* Record i, `n` times; returns the one after it. Loops that nothing in them depends on multiply. */
static uint32_t visit(struct tallier *t, enum thread_id th, uint32_t i, unsigned depth, uint64_t n)
{
    const struct rec *r = &t->thread[th].rec[i];
    if (r->begins)
        end_step(t, r->begins);
    t->t.steps += th == THREAD_HOST ? 0 : r->kind == REC_STEPS ? (uint64_t)r->n * n : n;
    if (r->kind == REC_WORK)
        count_work(t, r, depth, n);
    if (r->kind != REC_LOOP)
        return i + 1;
    int64_t trips = trips_of(t, r, depth);
    /* Steps are not told apart by their useful work. */
    bool each = (r->steps ? r->inner_shaped : r->inner) >> depth & 1;
    if (trips && !each) {
        t->twice[depth] = trips - 1;
        walk(t, th, i + 1, r->end, depth + 1, n * (uint64_t)trips);
    }
    for (uint32_t k = i + 1; trips && each && !r->steps && k < r->end;)
        k = visit_each(t, th, k, depth, n, trips);
    for (int64_t k = 0; each && r->steps && k < trips; k++) {
        set_index(t, depth, k);
        walk(t, th, i + 1, r->end, depth + 1, n);
    }
    set_index(t, depth, 0);
    return r->end;
}

static void find_moves(struct tallier *t)
{
    struct tally *y = &t->t;
    for (uint32_t i = 0; i < y->n_items; i++) {
        struct item it = y->items[i];
        if (!shape_moves(&t->shapes->shape[it.shape]))
            continue;
        uint32_t at = t->item_at[it.shape];
        if (at >= y->n_moves || y->moves[at].shape != it.shape) {
            t->item_at[it.shape] = at = y->n_moves++;
            y->moves[at] = (struct item){it.shape, it.unit, 0};
        }
        y->moves[at].n += it.n;
    }
}

size_t tally_bytes(const struct tally *t)
{
    return sizeof *t + (t->n_items + t->n_moves) * sizeof *t->items + t->n_ends * sizeof *t->ends;
}

/* One piece of memory, of its own. */
static struct tally *copy(const struct tally *y)
{
    struct tally *out = xrealloc(NULL, 1, tally_bytes(y));
    *out = *y;
    out->items = (struct item *)(out + 1);
    out->moves = out->items + y->n_items;
    out->ends = (struct step_end *)(out->moves + y->n_moves);
    memcpy(out->items, y->items, y->n_items * sizeof *y->items);
    memcpy(out->moves, y->moves, y->n_moves * sizeof *y->moves);
    memcpy(out->ends, y->ends, y->n_ends * sizeof *y->ends);
    return out;
}

struct tally *tallier_tally(struct tallier *t)
{
    complete(t);
    t->t.n_items = t->t.n_moves = t->t.n_ends = 0;
    t->t.steps = 0;
    t->parts = 1;
    t->t.totals = (struct tally_totals){0};
    memset(t->idx, 0, sizeof t->idx);
    memset(t->twice, 0, sizeof t->twice);
    for (int th = 0; th < N_THREADS; th++)
        walk(t, (enum thread_id)th, 0, t->thread[th].n, 0, 1);
    end_step(t, 1);
    find_moves(t);
    return copy(&t->t);
}

struct tally *tally_create(const struct program *p, struct shapes *shapes)
{
    struct tallier *t = tallier_create(shapes, p, NULL);
    for (int th = 0; th < N_THREADS; th++)
        for (uint32_t i = 0, op = 0; i < p->n[th]; i++) {
            for (; th == THREAD_ACCEL && op < p->n_ops && p->op_start[op].at <= i; op++)
                t->begins = p->op_start[op].parts;
            take(t, (enum thread_id)th, &p->cmds[th][i]);
        }
    struct tally *y = tallier_tally(t);
    tallier_destroy(t);
    return y;
}

void tally_destroy(struct tally *t)
{
    free(t);
}
