#include "workloads/lower_ctx.h"

#include "base/num.h"

#include <assert.h>

struct cmd *emit(struct lower *l, enum op op, enum unit_id unit)
{
    return prog_add(l->p, THREAD_ACCEL, op, unit);
}

void emit_slot(struct lower *l, enum op op, enum unit_id unit, enum ring_id ring, uint8_t age, uint8_t stage)
{
    const struct slot_use use = {.ring = (uint8_t)ring, .age = age, .stage = stage,
                                 .acquire = op == OP_ALLOC, .commit = op == OP_COMMIT,
                                 .release = op == OP_FREE};
    prog_slot(l->p, op, unit, &use);
}

/* Rows without a gap are one line. */
static void set_lines(struct cmd *c, const struct rows_of *r, uint64_t pitch)
{
    uint64_t row_bytes = bytes_of(r->cols, r->bits);
    bool one = pitch == row_bytes && r->rows > 1 && r->rows * row_bytes <= UINT32_MAX;
    c->rows = one ? 1 : (uint32_t)r->rows;
    c->row_bytes = (uint32_t)(one ? r->rows * row_bytes : row_bytes);
    c->row_stride = (int64_t)pitch;
    c->cols = (uint32_t)r->cols;
    c->out_bits = (uint8_t)r->bits;
}

struct cmd *emit_load(struct lower *l, enum ring_id ring, struct where w, const struct rows_of *r,
                      uint64_t pitch, uint8_t kind, bool acquire, bool commit)
{
    struct cmd *c = emit(l, OP_LOAD, UNIT_LOAD);
    c->addr = w.addr;
    c->l2ring = w.l2ring;
    set_lines(c, r, pitch);
    c->buf_offset = (uint32_t)r->at;
    c->tensor = kind;
    c->dst = (struct slot_use){.ring = (uint8_t)ring, .stage = 2, .acquire = acquire, .commit = commit};
    return c;
}

struct cmd *emit_store(struct lower *l, struct where w, const struct rows_of *r, const struct tensor *t,
                       bool release)
{
    struct cmd *c = emit(l, OP_STORE, UNIT_STORE);
    c->addr = w.addr;
    c->l2ring = w.l2ring;
    set_lines(c, r, t->apart && !t->ext ? t->apart : staged_pitch(t));
    c->src_at = (uint32_t)r->at;
    c->tensor = t->kind;
    c->src = (struct slot_use){.ring = RING_OUT, .stage = 2, .release = release};
    return c;
}

struct cmd *emit_store_tiles(struct lower *l, struct where w, const struct rows_of *r, const struct tensor *t)
{
    struct cmd *c = emit_store(l, w, r, t, true);
    c->rows = (uint32_t)(r->cols / l->geom.n_tile);
    c->row_bytes = (uint32_t)(r->rows * t->line);
    c->row_stride = (int64_t)t->plane;
    c->cols = l->geom.n_tile;
    c->tiled = true;
    return c;
}

/* Loops that are open on either thread: deeper terms are zero. */
static unsigned open_loops(const struct lower *l)
{
    return l->p->depth[THREAD_ACCEL] > l->p->depth[THREAD_HOST] ? l->p->depth[THREAD_ACCEL]
                                                                : l->p->depth[THREAD_HOST];
}

struct affine position_of(const struct lower *l, const struct affine *tok)
{
    int64_t tok_step = l->decoding ? PROG_SEQUENCE : 1; /* rows are sequences */
    const struct affine *from = l->decoding ? &l->now : &l->blk;
    if (l->p->tallier) /* which numbers they are does not matter */
        return aff(0);
    struct affine at = aff(tok->c * tok_step + from->c + l->seq.c * PROG_SEQUENCE);
    for (unsigned d = 0, n = open_loops(l); d < n; d++)
        at.k[d] = tok->k[d] * tok_step + from->k[d] + l->seq.k[d] * PROG_SEQUENCE;
    return at;
}

uint64_t position_step(const struct lower *l)
{
    return l->decoding ? (uint64_t)PROG_SEQUENCE : 1;
}

/* Layer and head of the command, which is new. */
static void set_unit(const struct lower *l, struct cmd *c)
{
    int64_t heads = (int64_t)max64(l->w->shape.heads, 1);
    if (l->p->tallier)
        return;
    c->unit_at.c = l->layer.c * heads + l->head.c;
    for (unsigned d = 0, n = open_loops(l); d < n; d++)
        c->unit_at.k[d] = l->layer.k[d] * heads + l->head.k[d];
}

void emit_what(struct lower *l, struct cmd *c, enum what_kind what, const struct affine *col,
               const struct affine *tok)
{
    if (l->p->tallier)
        return;
    c->what = (uint8_t)what;
    set_unit(l, c);
    c->col_at = *col;
    c->pos_at = position_of(l, tok);
    c->pos_step = position_step(l);
}

struct cmd *emit_vec(struct lower *l, enum vec_kind kind, uint64_t rows, uint64_t cols, uint64_t a_bits,
                     uint64_t w_bits)
{
    struct cmd *c = emit(l, OP_VEC, UNIT_VECTOR);
    c->vec_kind = (uint8_t)kind;
    c->a_bits = (uint8_t)a_bits;
    c->w_bits = (uint8_t)w_bits;
    c->rows = (uint32_t)rows;
    c->cols = (uint32_t)cols;
    set_unit(l, c);
    return c;
}

/* Where a set lies in its sweep: outputs and contraction elements before it. `a` is zero. */
static void set_at(struct affine *a, uint64_t tile0, int depth, uint64_t step)
{
    a->c = (int64_t)(tile0 * step);
    if (depth >= 0)
        a->k[depth] = (int64_t)step;
}

void sweep_mode(struct lower *l, struct sweep *s, const struct mode_cfg *m)
{
    s->passes = (uint8_t)mode_passes(l->engine, m);
    s->k_tile = l->geom.k_tile * mode_scale(l->engine, m);
}

struct tile { /* one set of a sweep */
    uint64_t cols, k;
    uint64_t row_skip_const; /* causal: rows that this tile skips */
    bool first, last;
    int n_depth, k_depth; /* loops that step n and k, -1 none */
    uint64_t n0, k0;      /* constant part of the tile's position, in tiles */
};

/* Bytes of the sets of `parts` packed matrices that make `cols` outputs. */
static uint64_t tile_bytes(const struct sweep *s, uint64_t cols, uint64_t parts)
{
    uint64_t kt = s->k_tile, full = s->packed_k / kt, rest = s->packed_k % kt;
    return parts * (full * bytes_of(cols * kt, s->w_bits) + bytes_of(cols * rest, s->w_bits));
}

/* Lines without a gap between them are one. */
static void one_line(struct cmd *c)
{
    uint64_t each = (uint64_t)c->cols * c->k / c->rows;
    if (c->row_stride != c->row_bytes || each * c->w_bits % 8)
        return;
    c->row_bytes *= c->rows;
    c->rows = 1;
}

static void emit_ldw(struct lower *l, const struct sweep *s, const struct tile *t)
{
    struct cmd *c = emit(l, OP_LDW, UNIT_WEIGHT);
    uint64_t nt = l->geom.n_tile, kt = s->k_tile;
    int64_t n_stride, k_stride;
    c->addr = s->set.addr;
    c->l2ring = s->set.l2ring;
    c->tensor = s->tensor;
    c->from_state = s->from_state;
    c->cols = (uint32_t)t->cols;
    c->k = (uint32_t)t->k;
    c->w_bits = s->w_bits;
    set_at(&c->n_at, t->n0, t->n_depth, nt);
    set_at(&c->k_at, t->k0, t->k_depth, kt);
    if (s->packed) {
        uint64_t set = bytes_of(t->cols * kt, s->w_bits), k0 = s->k0 / kt;
        c->row_bytes = (uint32_t)bytes_of(t->cols * t->k, s->w_bits);
        n_stride = (int64_t)tile_bytes(s, nt, s->packed_n);
        k_stride = (int64_t)set;
        c->addr.c += (int64_t)(t->n0 * (uint64_t)n_stride + tile_bytes(s, t->cols, s->packed_part) +
                               (k0 + t->k0) * set);
        if (s->k_depth >= 0)
            c->addr.k[s->k_depth] += (int64_t)(s->k_step / kt * set);
    } else if (s->transpose || s->from_state) {
        /* the contraction runs along rows: one line a contraction element */
        c->rows = (uint32_t)t->k;
        c->row_bytes = (uint32_t)bytes_of(t->cols, s->w_bits);
        c->transpose = true;
        c->row_stride = (int64_t)s->pitch;
        n_stride = (int64_t)(s->plane ? s->plane : bytes_of(nt, s->w_bits));
        k_stride = (int64_t)(kt * s->pitch);
    } else {
        c->rows = (uint32_t)t->cols;
        c->row_bytes = (uint32_t)bytes_of(t->k, s->w_bits);
        c->row_stride = (int64_t)s->pitch;
        n_stride = (int64_t)(nt * s->pitch);
        k_stride = (int64_t)bytes_of(kt, s->w_bits);
    }
    if (!s->packed && !s->from_state)
        one_line(c);
    if (!s->packed)
        c->addr.c += (int64_t)t->n0 * n_stride + (int64_t)t->k0 * k_stride;
    if (t->n_depth >= 0)
        c->addr.k[t->n_depth] += n_stride;
    if (t->k_depth >= 0)
        c->addr.k[t->k_depth] += k_stride;
    if (s->from_state) {
        c->addr = aff(0);
        c->state_at = s->state;
        set_unit(l, c);
        c->src_pitch = (uint32_t)s->pitch;
    }
    c->dst = (struct slot_use){.ring = RING_SET, .stage = 2, .acquire = true, .commit = true};
}

/* Rows that pass a tile of a triangular block, and the pairs that count. */
static void causal_rows(const struct sweep *s, const struct tile *t, uint64_t nt, uint64_t kt, struct cmd *c)
{
    bool scores = s->causal == CAUSAL_SCORES;
    uint64_t step = scores ? nt : kt, tile = scores ? t->cols : t->k, at = scores ? t->n0 : t->k0;
    uint64_t other = scores ? t->k : t->cols;
    int depth = scores ? t->n_depth : t->k_depth;
    c->rows_is_affine = true;
    c->causal = (uint8_t)s->causal;
    c->rows_aff.c = (int64_t)s->rows - (int64_t)(at * step);
    /* rows x tile less the triangle above the diagonal */
    c->useful.c = ((int64_t)(s->rows - at * step) * (int64_t)tile - (int64_t)(tile * (tile - 1) / 2)) *
                  (int64_t)(other * s->useful_scale);
    if (depth >= 0) {
        c->rows_aff.k[depth] = -(int64_t)step;
        c->useful.k[depth] = -(int64_t)(step * tile * other * s->useful_scale);
    }
}

static void emit_mm(struct lower *l, const struct sweep *s, const struct tile *t)
{
    struct cmd *c = emit(l, OP_MM, UNIT_ENGINE);
    c->rows = (uint32_t)s->rows;
    c->cols = (uint32_t)t->cols;
    c->k = (uint32_t)t->k;
    c->first = t->first;
    c->last = t->last;
    c->a_bits = s->a_bits;
    c->w_bits = s->w_bits;
    c->passes = s->passes;
    c->k_scale = (uint8_t)(s->k_tile / l->geom.k_tile);
    c->mm_dst = (uint8_t)(t->last ? s->dst : MM_ACC);
    c->out_bits = s->out_bits;
    c->acc_offset = s->acc_base;
    c->acc_tile = s->acc_tile;
    c->acc_pitch = (uint32_t)(s->acc_pitch ? s->acc_pitch : s->acc_tile ? l->geom.n_tile : s->n);
    c->row_at = s->row_at;
    c->row_words = s->row_words;
    c->again = s->again;
    c->swapped = s->swapped;
    c->useful.c = (int64_t)(s->rows * t->cols * t->k * s->useful_scale);
    set_at(&c->n_at, t->n0, t->n_depth, l->geom.n_tile);
    set_at(&c->k_at, t->k0, t->k_depth, s->k_tile);
    if (s->causal != CAUSAL_NONE)
        causal_rows(s, t, l->geom.n_tile, s->k_tile, c);
    c->set = (struct slot_use){.ring = RING_SET, .stage = 2, .release = true};
    c->src = (struct slot_use){.ring = (uint8_t)s->src, .age = s->src_age, .stage = 2};
    c->src_at = s->src_at;
    c->src_pitch = s->src_pitch;
    c->dst_at = s->dst_at;
    c->dst_pitch = s->dst_pitch;
    c->dst_tile = s->dst_tile;
    c->tokens = s->tokens;
    if (l->p->tallier)
        return;
    set_unit(l, c);
    c->what = (uint8_t)s->what;
    c->col_at = s->col;
    c->pos_at = s->pos;
    c->pos_step = s->pos_step;
    c->key_at = s->key;
    c->state_at = s->state;
}

static void emit_tile(struct lower *l, const struct sweep *s, const struct tile *t)
{
    emit_ldw(l, s, t);
    emit_mm(l, s, t);
}

/* All contraction tiles of one output tile; the first and the last are peeled. A row of a
 * triangular operand is finished by the tile that its diagonal is in. */
static void sweep_k(struct lower *l, const struct sweep *s, struct tile t)
{
    uint64_t kt = s->k_tile, full = s->k / kt, rest = s->k % kt, n = full + (rest != 0);
    t.k_depth = -1;
    t.k0 = 0;
    t.k = full ? kt : rest;
    t.first = s->first;
    bool each = s->last && s->causal == CAUSAL_VALUES;
    t.last = each || (s->last && n == 1);
    emit_tile(l, s, &t);
    uint64_t middle = n > 1 ? n - 2 : 0;
    t.first = false;
    t.last = each;
    if (middle) {
        t.k0 = 1;
        t.k = kt;
        t.k_depth = (int)prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)middle));
        emit_tile(l, s, &t);
        prog_end(l->p, THREAD_ACCEL);
        t.k_depth = -1;
    }
    if (n > 1) {
        t.k0 = n - 1;
        t.k = rest ? rest : kt;
        t.last = s->last;
        emit_tile(l, s, &t);
    }
}

void emit_sweep(struct lower *l, const struct sweep *s)
{
    uint64_t nt = l->geom.n_tile, full = s->n / nt, rest = s->n % nt;
    struct tile t = {.cols = nt, .n_depth = -1};
    if (full > 1) {
        t.n_depth = (int)prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)full));
        sweep_k(l, s, t);
        prog_end(l->p, THREAD_ACCEL);
    } else if (full == 1) {
        sweep_k(l, s, t);
    }
    if (rest) {
        t.n_depth = -1;
        t.n0 = full;
        t.cols = rest;
        sweep_k(l, s, t);
    }
}
