/* Matrix products. Weights are packed offline in the order in which the sets
 * are used, so that a slice of output columns is one run of bytes. */
#include "workloads/lower_gemm.h"

#include "base/num.h"

#include <string.h>

struct body { /* what a block of tokens runs */
    const struct gemm *g;
    unsigned seg0, n_segs;  /* segments of this slice */
    struct affine n0;       /* first column of the slice (single segment) */
    uint64_t n;             /* its columns */
    struct where weights;   /* of the slice */
    bool norm;              /* the input's norm is made on the way, one block ahead */
    const struct block *next; /* the block to normalise meanwhile */
};

struct group { /* one output group of a block */
    const struct body *b;
    const struct gemm_seg *seg;
    const struct block *blk;
    struct gemm_plan plan;
    struct where x, w;      /* operand block, weights of the group */
    struct where res, out, out2; /* the block in residual and results */
    struct affine col;      /* first column */
    uint64_t n;
    const struct block *next; /* to normalise in parts, one before each group */
};

static struct where where_add(struct where w, const struct affine *a)
{
    w.addr = aff_add(w.addr, a);
    return w;
}

/* What the array makes before the vector unit has its turn. */
static enum what_kind product_of(const struct gemm_seg *seg, unsigned part)
{
    switch (seg->what) {
    case WHAT_QR: return WHAT_Q;
    case WHAT_KR: return WHAT_K;
    case WHAT_SWISH: return WHAT_G;
    case WHAT_PROD: return part ? WHAT_GATE : WHAT_FC1;
    case WHAT_RES1: return WHAT_OUT;
    case WHAT_RES2: return WHAT_FC2;
    default: return seg->what;
    }
}

/* Bits in the output slot of what the array makes. */
static uint64_t product_bits(const struct lower *l, enum what_kind what)
{
    switch (what) {
    case WHAT_Q: case WHAT_K: case WHAT_LOGITS: return 16;
    case WHAT_OUT: case WHAT_FC2: return l->xb;
    case WHAT_GEMM: return 8;
    default: return l->ab;
    }
}

static uint64_t parts_of(const struct gemm_seg *seg)
{
    return seg->post == POST_GLU ? 2 : 1;
}

/* The weights move, rows of them; the activations are stationary. */
static void swapped_chunk(struct lower *l, const struct group *gr, struct sweep *s, struct where x,
                          uint64_t k0,
                          int kdepth, unsigned part)
{
    uint64_t wb = l->wb, line = bytes_of(gr->b->g->k, wb), parts = parts_of(gr->seg);
    struct rows_of lines = {gr->n, s->k, wb, 0};
    struct where w = where_at(gr->w, (int64_t)(line * part + bytes_of(k0, wb)));
    if (kdepth >= 0)
        w.addr.k[kdepth] += (int64_t)bytes_of(gr->plan.k_chunk, wb);
    emit_load(l, RING_ACT, w, &lines, line * parts, T_WEIGHT, true, true);
    s->a_bits = (uint8_t)wb;
    s->w_bits = (uint8_t)l->ab;
    s->src_pitch = (uint32_t)bytes_of(s->k, wb);
    s->swapped = true;
    s->rows = gr->n;
    s->n = gr->blk->rows;
    s->set = x;
    s->pitch = gr->b->g->in->pitch;
    s->tensor = gr->b->g->in->kind;
    emit_sweep(l, s);
    emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
}

/* One contraction chunk of a group: k_chunk x n weights. */
static void chunk(struct lower *l, const struct group *gr, uint64_t k0, int kdepth, uint64_t kc,
                  unsigned part, bool first, bool last)
{
    uint64_t k = gr->b->g->k;
    const struct tensor *in = gr->b->g->in;
    enum what_kind what = product_of(gr->seg, part);
    struct where x = where_at(gr->x, (int64_t)bytes_of(k0, l->ab));
    if (kdepth >= 0)
        x.addr.k[kdepth] += (int64_t)bytes_of(gr->plan.k_chunk, l->ab);
    struct sweep s = {.rows = gr->blk->rows, .n = gr->n, .k = kc, .first = first, .last = last,
                      .src = RING_ACT, .dst = MM_OUT, .out_bits = (uint8_t)product_bits(l, what),
                      .tensor = T_WEIGHT, .useful_scale = 1, .k_depth = -1, .what = what, .col = gr->col,
                      .pos = position_of(l, &gr->blk->tok), .pos_step = position_step(l)};
    s.dst_pitch = (uint32_t)bytes_of(gr->n, s.out_bits);
    s.dst_at = (uint32_t)(part * gr->blk->rows * s.dst_pitch);
    if (gr->seg->dst->plane) {
        s.dst_pitch = (uint32_t)gr->seg->dst->line;
        s.dst_tile = (uint32_t)(gr->blk->rows * s.dst_pitch);
    }
    sweep_mode(l, &s, l->weight_mode);
    if (l->geom.swapped) {
        swapped_chunk(l, gr, &s, x, k0, kdepth, part);
        return;
    }
    struct rows_of rows = {gr->blk->rows, kc, l->ab, 0};
    if (!gr->plan.hold)
        emit_load(l, RING_ACT, x, &rows, in->pitch, in->kind, true, true);
    s.packed = true;
    s.w_bits = (uint8_t)l->wb;
    s.a_bits = (uint8_t)l->ab;
    s.src_pitch = (uint32_t)bytes_of(kc, l->ab);
    s.set = gr->w;
    s.packed_k = k;
    s.packed_n = parts_of(gr->seg);
    s.packed_part = part;
    s.k0 = k0;
    s.k_step = gr->plan.k_chunk;
    s.k_depth = kdepth;
    emit_sweep(l, &s);
    if (!gr->plan.hold)
        emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
}

static void contraction(struct lower *l, const struct group *gr, unsigned part)
{
    uint64_t k = gr->b->g->k, kc = gr->plan.k_chunk, full = k / kc, rest = k % kc, n = full + (rest != 0);
    chunk(l, gr, 0, -1, kc < k ? kc : k, part, true, n == 1);
    if (n > 2) {
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)n - 2));
        chunk(l, gr, kc, (int)d, kc, part, false, false);
        prog_end(l->p, THREAD_ACCEL);
    }
    if (n > 1)
        chunk(l, gr, (n - 1) * kc, -1, rest ? rest : kc, part, false, true);
}


static bool plain(enum post post)
{
    return post == POST_NONE || post == POST_WIDE;
}

static void post_process(struct lower *l, const struct group *gr)
{
    static const enum vec_kind kinds[] = {
        [POST_LUT] = VEC_LUT, [POST_ROTARY] = VEC_ROTARY, [POST_ROTARY_DECAY] = VEC_ROTARY_DECAY,
        [POST_GLU] = VEC_GLU, [POST_RESIDUAL] = VEC_RESIDUAL,
    };
    enum post post = gr->seg->post;
    if (plain(post))
        return;
    uint64_t rows = gr->blk->rows, n = gr->n;
    uint64_t a = product_bits(l, product_of(gr->seg, 0));
    uint64_t second = post == POST_GLU ? a : post == POST_RESIDUAL ? l->xb : 0;
    struct cmd *c = emit_vec(l, kinds[post], rows, n, a, second);
    emit_what(l, c, gr->seg->what, &gr->col, &gr->blk->tok);
    c->src = (struct slot_use){.ring = RING_OUT, .stage = 1};
    c->dst = (struct slot_use){.ring = RING_OUT, .stage = 2, .commit = true};
    c->out_bits = (uint8_t)gr->seg->dst->bits;
    if (post == POST_GLU)
        c->src2_at = (uint32_t)(rows * bytes_of(n, a));
    if (post == POST_ROTARY_DECAY) {
        c->dst2_at = (uint32_t)(2 * rows * n);
        c->out2_bits = (uint8_t)gr->seg->dst2->bits;
    }
    if (post == POST_RESIDUAL)
        c->src2 = (struct slot_use){.ring = RING_AUX, .stage = 2, .release = true};
}

/* Where the group's columns begin in a row of t: a staged block may have one slice alone. */
static struct affine columns_at(const struct lower *l, const struct group *gr, const struct tensor *t)
{
    struct affine col = column_place(l, t, &gr->col), view = aff_scale(t->view_off, -1);
    return t->ext && t->view ? aff_add(col, &view) : col;
}

/* Columns [col, col + n) of one segment for one block. */
static void emit_group(struct lower *l, const struct group *gr)
{
    const struct gemm_seg *seg = gr->seg;
    struct tensor *dst = seg->dst;
    struct rows_of r = {gr->blk->rows, gr->n, dst->bits, 0};
    struct affine col = columns_at(l, gr, dst);
    if (seg->post == POST_RESIDUAL)
        emit_load(l, RING_AUX, where_add(gr->res, &col), &r, staged_pitch(dst), dst->kind, true, true);
    emit_slot(l, OP_ALLOC, UNIT_ENGINE, RING_OUT, 0, 0);
    for (unsigned part = 0; part < parts_of(seg); part++)
        contraction(l, gr, part);
    emit_slot(l, OP_COMMIT, UNIT_ENGINE, RING_OUT, 0, plain(seg->post) ? 2 : 1);
    post_process(l, gr);
    struct where to = where_add(gr->out, &col);
    struct cmd *c = dst->plane ? emit_store_tiles(l, to, &r, dst)
                               : emit_store(l, to, &r, dst, seg->dst2 == NULL);
    emit_what(l, c, seg->what, &gr->col, &gr->blk->tok);
    if (!seg->dst2)
        return;
    r.at = 2 * r.rows * r.cols;
    r.bits = seg->dst2->bits;
    col = columns_at(l, gr, seg->dst2);
    c = emit_store(l, where_add(gr->out2, &col), &r, seg->dst2, true);
    emit_what(l, c, WHAT_KHAT, &gr->col, &gr->blk->tok);
}

/* Part `index` of n of the rows to normalise: between two groups the vector unit
 * has time, and no slot is held for long. Each part is a post. */
static void norm_part(struct lower *l, enum what_kind what, const struct block *next,
                      const struct affine *index, uint64_t n)
{
    if (!next)
        return;
    struct affine at = aff_scale(*index, (int64_t)(next->rows / n));
    struct block part = {next->rows / n, aff_add(next->tok, &at)};
    if (part.rows)
        norm_rows(l, &part, what);
    tensor_out_end(l, &l->xn);
}

/* The rows that n equal parts leave. */
static void norm_rest(struct lower *l, enum what_kind what, const struct block *next, uint64_t n)
{
    if (!next || !(next->rows % n))
        return;
    struct block rest = {next->rows % n, aff_plus(next->tok, (int64_t)(next->rows / n * n))};
    norm_rows(l, &rest, what);
}

static void emit_segment(struct lower *l, struct group gr, uint64_t n, struct affine col)
{
    uint64_t group = min64(gr.plan.group, n), full = n / group, rest = n % group;
    int64_t bytes = (int64_t)packed_bytes(l, group, gr.b->g->k, parts_of(gr.seg));
    struct where w = gr.w;
    struct affine index = aff(0);
    norm_rest(l, gr.b->g->norm, gr.next, full);
    gr.n = group;
    gr.col = col;
    if (full > 1) {
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)full));
        gr.w.addr.k[d] += bytes;
        gr.col.k[d] += (int64_t)group;
        index.k[d] = 1;
        norm_part(l, gr.b->g->norm, gr.next, &index, full);
        emit_group(l, &gr);
        prog_end(l->p, THREAD_ACCEL);
    } else {
        norm_part(l, gr.b->g->norm, gr.next, &index, 1);
        emit_group(l, &gr);
    }
    if (rest) {
        gr.w = where_at(w, (int64_t)full * bytes);
        gr.col = aff_plus(col, (int64_t)(full * group));
        gr.n = rest;
        emit_group(l, &gr);
    }
}

static uint64_t seg_bytes(const struct lower *l, const struct gemm *g, const struct gemm_seg *s)
{
    return round_up(packed_bytes(l, s->n, g->k, parts_of(s)), L2_ALIGN);
}

/* The last slice takes along what pads it to a word: the segment is stored with it. */
static uint64_t slice_bytes(const struct lower *l, const struct gemm *g, const struct gemm_seg *s,
                            uint64_t cols)
{
    return round_up(packed_bytes(l, cols, g->k, parts_of(s)), UDMA_WORD);
}

static void block_body(struct lower *l, void *arg, const struct block *blk)
{
    const struct body *b = arg;
    const struct gemm *g = b->g;
    struct block at = *blk;
    at.tok = aff_add(at.tok, &g->first_tok);
    struct group gr = {.b = b, .blk = &at, .x = tensor_in(l, g->in, &at), .w = b->weights};
    bool held = false;
    if (b->weights.l2ring != L2RING_NONE)
        weights_block(l);
    for (unsigned i = 0; i < b->n_segs; i++) {
        gr.seg = &g->seg[b->seg0 + i];
        gr.plan = plan_of(l, min64(l->T, g->tokens), g->k, b->n_segs == 1 ? b->n : gr.seg->n, gr.seg->post);
        if (gr.seg->post == POST_RESIDUAL)
            gr.res = tensor_in(l, gr.seg->dst, &at);
        gr.out = tensor_out(l, gr.seg->dst, &at);
        if (gr.seg->dst2)
            gr.out2 = tensor_out(l, gr.seg->dst2, &at);
        if (gr.plan.hold && !held) {
            struct rows_of rows = {at.rows, g->k, l->ab, 0};
            emit_load(l, RING_ACT, gr.x, &rows, g->in->pitch, g->in->kind, true, true);
            held = true;
        }
        if (b->next && !i)
            tensor_in(l, &l->x, b->next);
        if (b->n_segs > 1 && !i)
            norm_rest(l, g->norm, b->next, b->n_segs);
        struct affine index = aff((int64_t)i);
        gr.next = b->n_segs == 1 ? b->next : NULL;
        if (b->n_segs > 1)
            norm_part(l, g->norm, b->next, &index, b->n_segs);
        emit_segment(l, gr, b->n_segs == 1 ? b->n : gr.seg->n, b->n0);
        gr.w = where_at(gr.w, (int64_t)seg_bytes(l, g, gr.seg));
        if (gr.seg->post == POST_RESIDUAL)
            tensor_in_end(l, gr.seg->dst);
    }
    tensor_in_end(l, g->in);
    if (held)
        emit_slot(l, OP_FREE, UNIT_ENGINE, RING_ACT, 0, 2);
    for (unsigned i = 0; i < b->n_segs; i++) {
        tensor_out_end(l, g->seg[b->seg0 + i].dst);
        if (g->seg[b->seg0 + i].dst2)
            tensor_out_end(l, g->seg[b->seg0 + i].dst2);
    }
}

/* Every block but the last normalises the one after it. */
static void blocks_with_norm(struct lower *l, struct body *b, struct tensor *const *in,
                             struct tensor *const *out)
{
    uint64_t n = b->g->tokens, rows = min64(l->T, n), full = n / rows, rest = n % rows;
    struct block at = {rows, aff(0)}, next = {rows, aff((int64_t)rows)};
    host_staged(l, n, rows, in, out);
    b->next = &next;
    if (full > 1) {
        unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)full - 1));
        at.tok.k[d] = next.tok.k[d] = (int64_t)rows;
        block_body(l, b, &at);
        prog_end(l->p, THREAD_ACCEL);
    }
    at.tok = aff((int64_t)((full - 1) * rows));
    next = (struct block){rest, aff((int64_t)(full * rows))};
    b->next = rest ? &next : NULL;
    block_body(l, b, &at);
    b->next = NULL;
    if (rest)
        block_body(l, b, &next);
}

static void blocks(struct lower *l, struct body *b)
{
    struct tensor *in[6] = {b->g->in}, *out[10] = {NULL};
    unsigned n_in = 1, n = 0;
    for (unsigned i = 0; i < b->n_segs; i++) {
        const struct gemm_seg *s = &b->g->seg[b->seg0 + i];
        out[n++] = s->dst;
        if (s->dst2)
            out[n++] = s->dst2;
        if (s->post == POST_RESIDUAL)
            in[n_in++] = s->dst;
    }
    if (b->norm)
        blocks_with_norm(l, b, in, out);
    else
        each_staged(l, b->g->tokens, min64(l->T, b->g->tokens), in, out, block_body, b);
}

/* What lives off-chip passes slice by slice of columns as well. */
static void set_view(struct body *b)
{
    const struct gemm_seg *s = &b->g->seg[b->seg0];
    struct tensor *t[2] = {s->dst, s->dst2};
    for (unsigned i = 0; i < 2 && t[i]; i++)
        tensor_slice(t[i], b->n, &b->n0);
}

static void clear_view(struct body *b)
{
    const struct gemm_seg *s = &b->g->seg[b->seg0];
    tensor_whole(s->dst);
    if (s->dst2)
        tensor_whole(s->dst2);
}

static void streamed_slice(struct lower *l, struct body *b, const struct affine *off, uint64_t bytes)
{
    host_weights(l, off, bytes);
    b->weights = weights_begin(l, bytes, div_up(b->g->tokens, min64(l->T, b->g->tokens)));
    if (b->n_segs == 1)
        set_view(b);
    blocks(l, b);
    if (b->n_segs == 1)
        clear_view(b);
    weights_end(l);
}

/* The rows of the first block come before everything, those of the others ride. */
static void norm_begin(struct lower *l, const struct gemm *g, uint64_t slice)
{
    uint64_t rows = min64(l->T, g->tokens), parts = g->n_segs;
    struct block b = {rows, aff(0)};
    prog_op(l->p, 1);
    tensor_open(l, &l->x, rows, true);
    tensor_in(l, &l->x, &b);
    norm_rows(l, &b, g->norm);
    if (slice || parts == 1)
        parts = slice / min64(plan_of(l, rows, g->k, slice, g->seg[0].post).group, slice);
    prog_post(l->p, THREAD_ACCEL, UNIT_STORE, l->xn.ready, parts);
    tensor_written(&l->xn, g->tokens, rows, parts);
    l->xn.block = rows;
    l->xn.parts = parts;
    prog_op(l->p, div_up(g->tokens, rows) * g->n_segs);
}

static void norm_done(struct lower *l, struct body *b)
{
    if (b->norm)
        l->x.pending = l->xn.pending = b->norm = false;
}

/* Columns of results that staging has room for; all of them are rows with what pads them. */
static uint64_t staged_cols(const struct lower *l, const struct gemm *g, const struct gemm_seg *s)
{
    uint64_t cols = s->n, rows = min64(l->T, g->tokens);
    const struct tensor *const to[] = {s->dst, s->dst2};
    for (unsigned i = 0; i < 2 && to[i]; i++)
        if (to[i]->ext && rows * to[i]->pitch > to[i]->stage_bytes)
            cols = min64(cols, min64(to[i]->stage_bytes / rows * 8 / to[i]->bits, to[i]->cols - 1));
    return cols;
}

/* One segment in slices of columns; every slice passes over all blocks. All but the last end on a word. */
static uint64_t slice_cols(const struct lower *l, const struct gemm *g, const struct gemm_seg *s)
{
    uint64_t tile = slice_unit(l, g->k, s->post), parts = parts_of(s);
    uint64_t cols = l->w_slot / packed_bytes(l, tile, g->k, parts) * tile;
    uint64_t unit = plan_of(l, min64(l->T, g->tokens), g->k, s->n, s->post).group;
    uint64_t most = staged_cols(l, g, s);
    if (packed_bytes(l, s->n, g->k, parts) <= l->w_slot && most == s->n)
        return s->n;
    cols = min64(cols, most / tile * tile);
    unit = lcm(unit, tile); /* of whole groups */
    return cols >= unit ? cols / unit * unit : cols;
}

static void streamed_segment(struct lower *l, struct body *b, const struct affine *off)
{
    const struct gemm *g = b->g;
    const struct gemm_seg *s = &g->seg[b->seg0];
    uint64_t cols = slice_cols(l, g, s), full = s->n / cols, rest = s->n % cols;
    int64_t bytes = (int64_t)slice_bytes(l, g, s, cols);
    struct affine at = *off;
    uint64_t done = b->norm; /* the first slice is the one that normalises */
    b->n = cols;
    b->n0 = aff(0);
    if (done) {
        streamed_slice(l, b, &at, (uint64_t)bytes);
        norm_done(l, b);
        at = aff_plus(at, bytes);
        b->n0 = aff((int64_t)cols);
    }
    if (full > done + 1) {
        unsigned d = both_repeat(l, full - done);
        at = aff_term(at, d, bytes);
        b->n0 = aff_term(b->n0, d, (int64_t)cols);
        streamed_slice(l, b, &at, (uint64_t)bytes);
        both_end(l);
    } else if (full > done) {
        streamed_slice(l, b, &at, (uint64_t)bytes);
    }
    if (rest) {
        at = aff_plus(*off, (int64_t)full * bytes);
        b->n0 = aff((int64_t)(full * cols));
        b->n = rest;
        streamed_slice(l, b, &at, slice_bytes(l, g, s, rest));
    }
}

static bool single_pass(const struct lower *l, const struct gemm *g, uint64_t total)
{
    bool staged = true;
    for (unsigned i = 0; i < g->n_segs; i++)
        staged = staged && staged_cols(l, g, &g->seg[i]) == g->seg[i].n;
    return !l->weights_ext || (total <= l->w_slot && staged);
}

uint64_t gemm_weight_bytes(const struct lower *l, const struct gemm *g)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < g->n_segs; i++)
        total += seg_bytes(l, g, &g->seg[i]);
    return total;
}

static void written(const struct gemm *g, unsigned seg, uint64_t rows, uint64_t slices)
{
    tensor_written(g->seg[seg].dst, g->tokens, rows, slices);
    if (g->seg[seg].dst2)
        tensor_written(g->seg[seg].dst2, g->tokens, rows, slices);
}

void gemm_fetch(struct lower *l, const struct gemm *g, const struct affine *off)
{
    struct affine at = aff_plus(*off, (int64_t)l->w_base);
    if (l->weights_ext)
        host_weights(l, &at, gemm_weight_bytes(l, g));
}

struct where gemm_begin(struct lower *l, const struct gemm *g)
{
    if (!l->weights_ext)
        return (struct where){aff_plus(g->w_off, (int64_t)l->w_base), L2RING_NONE};
    return weights_begin(l, gemm_weight_bytes(l, g), 0);
}

void gemm_piece(struct lower *l, const struct gemm *g, const struct where *weights)
{
    struct body b = {.g = g, .n_segs = g->n_segs, .n0 = aff(0), .n = g->seg[0].n, .weights = *weights};
    blocks(l, &b);
    for (unsigned i = 0; i < g->n_segs; i++)
        written(g, i, min64(l->T, g->tokens), 1);
}

void gemm_end(struct lower *l)
{
    if (l->weights_ext)
        weights_end(l);
}

void emit_gemm(struct lower *l, const struct gemm *g)
{
    uint64_t total = gemm_weight_bytes(l, g), rows = min64(l->T, g->tokens);
    bool once = single_pass(l, g, total);
    if (g->norm)
        norm_begin(l, g, once && g->n_segs > 1 ? 0 : once ? g->seg[0].n : slice_cols(l, g, &g->seg[0]));
    else
        tensor_open(l, g->in, rows, once && g->first_tok.c == 0);
    for (unsigned i = 0; i < g->n_segs; i++)
        if (g->seg[i].post == POST_RESIDUAL)
            tensor_open(l, g->seg[i].dst, rows, false);
    struct affine off = aff_plus(g->w_off, (int64_t)l->w_base);
    struct body b = {.g = g, .n_segs = g->n_segs, .n0 = aff(0), .n = g->seg[0].n,
                     .norm = g->norm != WHAT_NONE};
    if (!l->weights_ext) {
        b.weights = (struct where){off, L2RING_NONE};
        blocks(l, &b);
    } else if (once) {
        streamed_slice(l, &b, &off, total);
    } else {
        b.n_segs = 1;
        for (unsigned i = 0; i < g->n_segs; i++) {
            b.seg0 = i;
            streamed_segment(l, &b, &off);
            off = aff_plus(off, (int64_t)seg_bytes(l, g, &g->seg[i]));
        }
    }
    g->in->pending = false;
    norm_done(l, &b);
    for (unsigned i = 0; i < g->n_segs; i++) {
        /* Several slices: a block is complete only after the last, so readers wait for all. */
        uint64_t slices = once ? 1 : div_up(g->seg[i].n, slice_cols(l, g, &g->seg[i]));
        written(g, i, rows, slices);
    }
}
