/* Loops over blocks of tokens on both threads, waits for tensors, staging of
 * what lives off-chip. */
#include "workloads/lower_ctx.h"

#include "base/num.h"

#include <assert.h>

unsigned both_repeat(struct lower *l, uint64_t trips)
{
    unsigned a = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)trips));
    unsigned h = prog_repeat(l->p, THREAD_HOST, aff((int64_t)trips));
    assert(a == h);
    (void)h;
    return a;
}

void both_end(struct lower *l)
{
    prog_end(l->p, THREAD_ACCEL);
    prog_end(l->p, THREAD_HOST);
}

struct where where_at(struct where w, int64_t bytes)
{
    w.addr.c += bytes;
    return w;
}

void each_block(struct lower *l, uint64_t n, uint64_t rows, const struct affine *first, block_fn fn,
                void *arg)
{
    uint64_t full = n / rows, rest = n % rows;
    struct block b = {rows, first ? *first : aff(0)};
    if (full > 1) {
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)full));
        b.tok.k[d] += (int64_t)rows;
        fn(l, arg, &b);
        prog_end(l->p, THREAD_ACCEL);
        b.tok.k[d] -= (int64_t)rows;
    } else if (full == 1) {
        fn(l, arg, &b);
    }
    if (rest) {
        b.rows = rest;
        b.tok.c += (int64_t)(full * rows);
        fn(l, arg, &b);
    }
}

/* Bytes of a token that pass at a time: all of them, or one slice of columns. */
static uint64_t row_bytes(const struct tensor *t)
{
    return t->view ? t->view : t->pitch;
}

void tensor_slice(struct tensor *t, uint64_t cols, const struct affine *first)
{
    t->view = cols == t->cols ? t->pitch : bytes_of(cols, t->bits);
    t->view_off = col_bytes(first, t->bits);
}

void tensor_whole(struct tensor *t)
{
    t->view = 0;
}

struct affine column_place(const struct lower *l, const struct tensor *t, const struct affine *col)
{
    if (!t->plane)
        return col_bytes(col, t->bits);
    return aff_scale(aff_divide(*col, (int64_t)l->geom.n_tile), (int64_t)t->plane);
}

static struct affine place(const struct tensor *t, const struct block *b, uint64_t pitch)
{
    struct affine a = aff_scale(b->tok, (int64_t)pitch);
    a = aff_add(a, &t->outer);
    return aff_plus(a, (int64_t)t->base);
}

uint64_t staged_pitch(const struct tensor *t)
{
    return t->ext ? row_bytes(t) : t->pitch;
}

uint64_t staged_rows(const struct tensor *t, uint64_t rows)
{
    return t->ext ? min64(rows, max64(t->stage_bytes / row_bytes(t), 1)) : rows;
}

/* A slice begins within the rows. */
static struct affine ext_addr(const struct tensor *t, const struct block *b)
{
    struct affine a = place(t, b, t->pitch);
    return t->view ? aff_add(a, &t->view_off) : a;
}

uint64_t pieces(const struct lower *l, uint64_t bytes)
{
    return div_up(bytes, l->udma->max_transfer_bytes);
}

/* Rows whose places are not in sequence, one transfer each. Their addresses are
 * data; consecutive ones stand for them. */
static void host_gather(struct lower *l, const struct tensor *t, const struct block *b, uint16_t token)
{
    uint64_t rows = b->rows;
    struct affine none = aff(0), tok = b->tok;
    unsigned depth = prog_repeat(l->p, THREAD_HOST, aff((int64_t)rows));
    struct cmd *c = prog_add(l->p, THREAD_HOST, OP_UDMA_RX, N_UNITS);
    c->addr = aff_term(aff((int64_t)t->in_base), depth, (int64_t)t->pitch);
    c->l2ring = t->in_ring;
    c->ext = aff_term(aff((int64_t)t->base), depth, (int64_t)t->pitch);
    c->row_bytes = (uint32_t)t->pitch;
    c->tensor = t->kind;
    c->token = token;
    tok = aff_term(tok, depth, 1);
    emit_what(l, c, WHAT_NONE, &none, &tok);
    c->gather = true;
    c->table = (int64_t)t->base;
    prog_end(l->p, THREAD_HOST);
}

struct move { /* of one staged block */
    enum op op;
    const struct tensor *t;
    uint16_t token; /* posted once, when all of it is there */
};

/* `bytes` from byte `at` of the staged block; `last`: the block is complete. */
static void host_transfer(struct lower *l, const struct move *m, const struct affine *at, struct affine ext,
                          uint64_t bytes, bool last)
{
    bool rx = m->op == OP_UDMA_RX;
    struct cmd *c = prog_add(l->p, THREAD_HOST, m->op, N_UNITS);
    c->addr = aff_plus(*at, (int64_t)(rx ? m->t->in_base : m->t->out_base));
    c->l2ring = rx ? m->t->in_ring : m->t->out_ring;
    c->ext = ext;
    c->row_bytes = (uint32_t)bytes;
    c->tensor = m->t->kind;
    c->token = last ? m->token : l->parts_moved;
    c->token2 = last && !rx ? m->t->out_done : TOKEN_NONE;
}

/* Contiguous bytes in as many transfers as they take; a channel keeps their order. */
static void host_run(struct lower *l, const struct move *m, struct affine at, struct affine ext,
                     uint64_t bytes,
                     bool last)
{
    uint64_t max = l->udma->max_transfer_bytes;
    for (uint64_t done = 0; done < bytes; done += max) {
        uint64_t n = min64(bytes - done, max);
        host_transfer(l, m, &at, ext, n, last && done + n == bytes);
        at = aff_plus(at, (int64_t)n);
        ext = aff_plus(ext, (int64_t)n);
    }
}

/* Rows that are apart off-chip: slices of columns, or one row of each sequence. The
 * uDMA is linear: a transfer each. */
static void host_lines(struct lower *l, const struct move *m, const struct block *b)
{
    uint64_t line = row_bytes(m->t), apart = m->t->apart ? m->t->apart : m->t->pitch;
    struct affine at = aff(0), ext = ext_addr(m->t, b), row_at, row_ext;
    if (b->rows > 1) {
        unsigned d = prog_repeat(l->p, THREAD_HOST, aff((int64_t)b->rows - 1));
        row_at = aff_term(at, d, (int64_t)line);
        row_ext = aff_term(ext, d, (int64_t)apart);
        host_run(l, m, row_at, row_ext, line, false);
        prog_end(l->p, THREAD_HOST);
    }
    row_at = aff_plus(at, (int64_t)((b->rows - 1) * line));
    row_ext = aff_plus(ext, (int64_t)((b->rows - 1) * apart));
    host_run(l, m, row_at, row_ext, line, true);
}

/* One staged block between off-chip memory and the current part of a ring. */
static void host_move(struct lower *l, enum op op, const struct tensor *t, const struct block *b,
                      uint16_t token)
{
    struct move m = {op, t, token};
    bool lines = (t->view && t->view < t->pitch) || (t->apart && op == OP_UDMA_TX && b->rows > 1);
    if (t->scattered)
        host_gather(l, t, b, token);
    else if (lines)
        host_lines(l, &m, b);
    else
        host_run(l, &m, aff(0), ext_addr(t, b), b->rows * t->pitch, true);
}

void parked_back(struct lower *l, const struct tensor *back, const struct tensor *t, uint64_t tokens)
{
    uint64_t bytes = tokens * back->pitch, max = l->udma->max_transfer_bytes;
    /* They take the place of rows that may still be read: the last head's, which its state is made of. */
    prog_post(l->p, THREAD_ACCEL, UNIT_LOAD, back->in_free, 1);
    prog_post(l->p, THREAD_ACCEL, UNIT_WEIGHT, back->in_free, 1);
    prog_wait(l->p, THREAD_HOST, N_UNITS, back->in_free, 2);
    for (uint64_t at = 0; at < bytes; at += max) {
        struct cmd *c = prog_add(l->p, THREAD_HOST, OP_UDMA_RX, N_UNITS);
        c->addr = aff((int64_t)(back->base + at));
        c->l2ring = L2RING_NONE;
        c->ext = aff((int64_t)(t->base + at));
        c->row_bytes = (uint32_t)min64(bytes - at, max);
        c->tensor = back->kind;
        c->token = back->in_full;
    }
    prog_wait(l->p, THREAD_ACCEL, back->reader, back->in_full, pieces(l, bytes));
}

static void host_next(struct lower *l, uint8_t ring)
{
    prog_add(l->p, THREAD_HOST, OP_NEXT, N_UNITS)->l2ring = ring;
}

void host_in(struct lower *l, struct tensor *const *in, const struct block *b)
{
    for (; *in; in++) {
        struct tensor *t = *in;
        if (!t->ext)
            continue;
        prog_wait(l->p, THREAD_HOST, N_UNITS, t->in_free, 1);
        host_next(l, t->in_ring);
        host_move(l, OP_UDMA_RX, t, b, t->in_full);
    }
}

void host_out(struct lower *l, struct tensor *const *out, const struct block *b)
{
    for (; *out; out++) {
        struct tensor *t = *out;
        if (!t->ext)
            continue;
        prog_wait(l->p, THREAD_HOST, N_UNITS, t->out_full, 1);
        host_next(l, t->out_ring);
        host_move(l, OP_UDMA_TX, t, b, t->out_free);
    }
}

/* Writes of `n` tokens in blocks of `rows` must land before anybody reads them. */
void host_drain(struct lower *l, struct tensor *const *out, uint64_t n, uint64_t rows)
{
    for (; *out; out++) {
        struct tensor *t = *out;
        if (!t->ext)
            continue;
        prog_wait(l->p, THREAD_HOST, N_UNITS, t->out_done, div_up(n, rows));
    }
}

/* Inputs that share their place with those of another op must be free first. */
void host_release(struct lower *l, struct tensor *const *in)
{
    for (; *in; in++) {
        if (!(*in)->ext)
            continue;
        prog_wait(l->p, THREAD_HOST, N_UNITS, (*in)->in_free, 2);
        prog_post(l->p, THREAD_HOST, N_UNITS, (*in)->in_free, 2);
    }
}

static bool any_ext(struct tensor *const *t)
{
    for (; *t; t++)
        if ((*t)->ext)
            return true;
    return false;
}

/* The host fetches one block ahead of the one whose results it moves out. */
static void host_blocks(struct lower *l, uint64_t n, uint64_t rows, struct tensor *const *in,
                        struct tensor *const *out)
{
    uint64_t full = n / rows, rest = n % rows;
    struct block b = {full ? rows : rest, aff(0)}, next, tail = {rest, aff((int64_t)(full * rows))};
    host_in(l, in, &b);
    if (full > 1) {
        unsigned d = prog_repeat(l->p, THREAD_HOST, aff((int64_t)full - 1));
        b.tok.k[d] = (int64_t)rows;
        next = b;
        next.tok.c += (int64_t)rows;
        host_in(l, in, &next);
        host_out(l, out, &b);
        prog_end(l->p, THREAD_HOST);
        b.tok = aff((int64_t)((full - 1) * rows));
    }
    if (full && rest)
        host_in(l, in, &tail);
    host_out(l, out, &b);
    if (full && rest)
        host_out(l, out, &tail);
    host_drain(l, out, n, rows);
    host_release(l, in);
}

void host_staged(struct lower *l, uint64_t n, uint64_t rows, struct tensor *const *in,
                 struct tensor *const *out)
{
    if (any_ext(in) || any_ext(out))
        host_blocks(l, n, rows, in, out);
}

void each_staged(struct lower *l, uint64_t n, uint64_t rows, struct tensor *const *in,
                 struct tensor *const *out, block_fn fn, void *arg)
{
    host_staged(l, n, rows, in, out);
    each_block(l, n, rows, NULL, fn, arg);
}

void tensor_open(struct lower *l, struct tensor *t, uint64_t rows, bool once)
{
    if (t->ext || !t->pending)
        return;
    bool by_block = once && rows == t->block;
    uint64_t posts = by_block ? t->before : t->posts;
    if (posts)
        prog_wait(l->p, THREAD_ACCEL, t->reader, t->ready, posts);
    t->pending = by_block;
    t->before = 0;
}

struct where tensor_in(struct lower *l, struct tensor *t, const struct block *b)
{
    if (t->ext) {
        prog_wait(l->p, THREAD_ACCEL, t->reader, t->in_full, t->scattered ? b->rows : 1);
        emit(l, OP_NEXT, t->reader)->l2ring = t->in_ring;
        return (struct where){aff((int64_t)t->in_base), t->in_ring};
    }
    if (t->pending)
        prog_wait(l->p, THREAD_ACCEL, t->reader, t->ready, t->parts);
    return (struct where){place(t, b, t->line), L2RING_NONE};
}

void tensor_in_end(struct lower *l, struct tensor *t)
{
    if (t->ext)
        prog_post(l->p, THREAD_ACCEL, t->reader, t->in_free, 1);
}

struct where tensor_out(struct lower *l, struct tensor *t, const struct block *b)
{
    if (!t->ext)
        return (struct where){place(t, b, t->line), L2RING_NONE};
    prog_wait(l->p, THREAD_ACCEL, UNIT_STORE, t->out_free, 1);
    emit(l, OP_NEXT, UNIT_STORE)->l2ring = t->out_ring;
    return (struct where){aff((int64_t)t->out_base), t->out_ring};
}

void tensor_out_end(struct lower *l, struct tensor *t)
{
    prog_post(l->p, THREAD_ACCEL, UNIT_STORE, t->ext ? t->out_full : t->ready, 1);
}

void tensor_written(struct tensor *t, uint64_t n, uint64_t rows, uint64_t slices)
{
    t->pending = !t->ext;
    t->block = slices == 1 ? rows : 0;
    t->posts = div_up(n, rows) * slices;
    t->parts = 1;
    t->before = 0;
}
