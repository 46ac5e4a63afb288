/* Steps that the vector unit does on its own: embedding, norms, the per-head
 * norm and gate when the retention op could not take them along. */
#include "workloads/lower_ctx.h"

#include "base/num.h"

struct vec_op { /* rows of `in` (and `gate`) to rows of `out` */
    enum vec_kind kind;
    enum what_kind what;
    struct tensor *in, *gate, *out;
    bool in_place; /* results replace the rows in their own slot, which leaves `out` to the engine */
    bool back; /* wide rows go back to `in` as well: the residual stream of a post-norm block */
    uint64_t width;
    uint64_t rows; /* that fit at a time */
    struct affine first, out_col;
    struct affine tok; /* of the block at hand */
    struct where src, gat, dst, again;
};

static void sub_rows(struct lower *l, void *arg, const struct block *b)
{
    const struct vec_op *v = arg;
    struct affine at = aff_scale(b->tok, (int64_t)v->in->pitch), tok = aff_add(b->tok, &v->tok),
        none = aff(0);
    struct where src = v->src;
    src.addr = aff_add(src.addr, &at);
    struct rows_of rows = {b->rows, v->width, v->in->bits, 0};
    struct cmd *load = emit_load(l, RING_AUX, src, &rows, v->in->pitch, v->in->kind, true, !v->gate);
    uint32_t gate_at = (uint32_t)(b->rows * bytes_of(v->width, v->in->bits));
    if (v->in_place)
        load->dst.stage = 1;
    if (v->gate) {
        struct where g = v->gat;
        struct affine ga = aff_scale(b->tok, (int64_t)v->gate->pitch);
        g.addr = aff_add(g.addr, &ga);
        struct rows_of gates = {b->rows, v->width, v->gate->bits, gate_at};
        emit_load(l, RING_AUX, g, &gates, v->gate->pitch, v->gate->kind, false, true);
    }
    struct rows_of r = {b->rows, v->width, v->out->bits, 0};
    struct cmd *c = emit_vec(l, v->kind, b->rows, v->width, v->in->bits,
                             v->gate ? v->gate->bits : 0);
    emit_what(l, c, v->what, &none, &tok);
    c->src = (struct slot_use){.ring = RING_AUX, .stage = 2, .release = !v->in_place};
    c->dst = (struct slot_use){.ring = RING_OUT, .stage = 2, .acquire = true, .commit = true};
    if (v->in_place) {
        c->src.stage = 1;
        c->dst = (struct slot_use){.ring = RING_AUX, .stage = 2, .commit = true};
    }
    c->out_bits = (uint8_t)v->out->bits;
    c->out2_bits = (uint8_t)(v->back ? v->in->bits : 0);
    c->src2_at = v->gate ? gate_at : 0;
    uint32_t second = v->back ? (uint32_t)(b->rows * bytes_of(v->width, v->out->bits)) : 0;
    c->dst2_at = second; /* the next command may move this one */
    struct where dst = v->dst;
    struct affine da = aff_scale(b->tok, (int64_t)staged_pitch(v->out));
    dst.addr = aff_add(dst.addr, &da);
    struct cmd *store = emit_store(l, dst, &r, v->out, !v->back);
    store->src.ring = v->in_place ? RING_AUX : RING_OUT;
    emit_what(l, store, v->what, &none, &tok);
    if (!v->back)
        return;
    struct where again = v->again;
    again.addr = aff_add(again.addr, &at);
    r.at = second;
    r.bits = v->in->bits;
    emit_what(l, emit_store(l, again, &r, v->in, true), v->what == WHAT_LN2 ? WHAT_BACK1 : WHAT_BACK2, &none,
              &tok);
}

static void vec_block(struct lower *l, void *arg, const struct block *b)
{
    struct vec_op *v = arg;
    struct block at = *b;
    at.tok = aff_add(at.tok, &v->first);
    v->tok = at.tok;
    v->src = tensor_in(l, v->in, &at);
    if (v->gate)
        v->gat = tensor_in(l, v->gate, &at);
    v->dst = tensor_out(l, v->out, &at);
    v->dst.addr = aff_add(v->dst.addr, &v->out_col);
    if (v->back)
        v->again = tensor_out(l, v->in, &at);
    each_block(l, b->rows, min64(v->rows, b->rows), NULL, sub_rows, v);
    tensor_in_end(l, v->in);
    if (v->gate)
        tensor_in_end(l, v->gate);
    tensor_out_end(l, v->out);
    if (v->back)
        tensor_out_end(l, v->in);
}

static uint64_t rows_at_a_time(const struct lower *l, const struct vec_op *v)
{
    uint64_t in = bytes_of(v->width, v->in->bits), out = bytes_of(v->width, v->out->bits);
    in += v->gate ? bytes_of(v->width, v->gate->bits) : 0;
    out += v->back ? bytes_of(v->width, v->in->bits) : 0;
    return min64(l->aux_slot / in, l->out_slot / out);
}

static void vec_op(struct lower *l, struct vec_op *v, uint64_t tokens)
{
    uint64_t rows = min64(l->T, tokens);
    rows = staged_rows(v->in, staged_rows(v->out, rows));
    rows = v->gate ? staged_rows(v->gate, rows) : rows;
    v->rows = rows_at_a_time(l, v);
    prog_op(l->p, div_up(tokens, rows));
    struct tensor *ins[3] = {v->in, v->gate, NULL}, *outs[3] = {v->out, v->back ? v->in : NULL, NULL};
    tensor_open(l, v->in, rows, v->first.c == 0 && aff_is_const(&v->first));
    if (v->gate)
        tensor_open(l, v->gate, rows, true);
    struct affine outer = v->in->outer, skipped = aff_scale(v->first, (int64_t)v->in->pitch);
    if (v->in->ext) /* the host counts from the first row that is wanted */
        v->in->outer = aff_add(outer, &skipped);
    each_staged(l, tokens, rows, ins, outs, vec_block, v);
    v->in->outer = outer;
    v->in->pending = false;
    if (v->gate)
        v->gate->pending = false;
    tensor_written(v->out, tokens, rows, 1);
    if (v->back)
        tensor_written(v->in, tokens, rows, 1);
}

static struct vec_op norm_op(struct lower *l, enum what_kind what)
{
    return (struct vec_op){.kind = VEC_RMS, .what = what, .in = &l->x, .out = &l->xn,
                           .width = l->w->shape.d_model};
}

void norm_rows(struct lower *l, const struct block *b, enum what_kind what)
{
    struct vec_op v = norm_op(l, what);
    v.in_place = true;
    v.rows = rows_at_a_time(l, &v);
    v.src = (struct where){aff_plus(l->x.outer, (int64_t)l->x.base), L2RING_NONE};
    v.dst = (struct where){aff_plus(l->xn.outer, (int64_t)l->xn.base), L2RING_NONE};
    each_block(l, b->rows, min64(v.rows, b->rows), &b->tok, sub_rows, &v);
}

void emit_norm(struct lower *l, uint64_t tokens, const struct affine *first, enum what_kind what)
{
    struct vec_op v = norm_op(l, what);
    if (first)
        v.first = *first;
    vec_op(l, &v, tokens);
}

void emit_post_norm(struct lower *l, uint64_t tokens, enum what_kind what)
{
    struct vec_op v = {.kind = VEC_RMS, .what = what, .in = &l->x, .out = &l->xn,
                       .width = l->w->shape.d_model, .back = true};
    vec_op(l, &v, tokens);
}

void emit_narrow(struct lower *l, uint64_t tokens)
{
    struct vec_op v = {.kind = VEC_REQUANT, .what = WHAT_NARROW, .in = &l->x, .out = &l->xn,
                       .width = l->w->shape.d_model};
    vec_op(l, &v, tokens);
}

void emit_norm_gate(struct lower *l, uint64_t tokens)
{
    struct vec_op v = {.kind = VEC_RMS_GATE, .what = WHAT_GATED, .in = &l->o, .gate = &l->g, .out = &l->y,
                       .width = l->dv};
    struct affine col = aff_scale(l->head, (int64_t)l->dv);
    v.out_col = l->y.ext ? aff(0) : col_bytes(&col, l->y.bits);
    tensor_slice(&l->y, l->dv, &col);
    vec_op(l, &v, tokens);
    tensor_whole(&l->y);
}

/* ---- embedding ---- */

struct embed {
    struct where table;
    uint64_t rows, part; /* at a time; staged at a time */
    struct where dst;    /* of the part */
    struct where block;
    struct affine tok; /* of the part */
    struct affine block_tok;
};

static void embed_rows(struct lower *l, void *arg, const struct block *b)
{
    const struct embed *e = arg;
    uint64_t d = l->w->shape.d_model;
    struct where src = e->table;
    struct affine at = aff_scale(b->tok, (int64_t)l->emb.pitch);
    struct rows_of r = {b->rows, d, l->emb.bits, 0};
    src.addr = aff_add(src.addr, &at);
    /* Row addresses depend on the tokens; every row begins in the same bank. */
    struct cmd *c = emit_load(l, RING_AUX, src, &r, l->emb.pitch, T_EMBED, true, true);
    struct affine none = aff(0), tok = aff_add(b->tok, &e->tok);
    c->rows = (uint32_t)b->rows;
    c->row_bytes = (uint32_t)bytes_of(d, r.bits);
    if (!l->emb.ext) {
        emit_what(l, c, WHAT_NONE, &none, &tok);
        c->gather = true;
        c->table = (int64_t)l->emb.base;
    }
    struct cmd *v = emit_vec(l, VEC_GATHER, b->rows, d, r.bits, 0);
    emit_what(l, v, WHAT_EMBED, &none, &tok);
    v->src = (struct slot_use){.ring = RING_AUX, .stage = 2, .release = true};
    v->dst = (struct slot_use){.ring = RING_OUT, .stage = 2, .acquire = true, .commit = true};
    r.bits = l->x.bits;
    v->out_bits = (uint8_t)r.bits;
    struct where dst = e->dst;
    struct affine da = aff_scale(b->tok, (int64_t)l->x.pitch);
    dst.addr = aff_add(dst.addr, &da);
    emit_what(l, emit_store(l, dst, &r, &l->x, true), WHAT_EMBED, &none, &tok);
}

static void embed_part(struct lower *l, void *arg, const struct block *b)
{
    struct embed *e = arg;
    struct block any = {b->rows, aff(0)}; /* rows are wherever the tokens say */
    struct affine at = aff_scale(b->tok, (int64_t)l->x.pitch);
    e->table = tensor_in(l, &l->emb, &any);
    e->dst = e->block;
    e->dst.addr = aff_add(e->dst.addr, &at);
    e->tok = aff_add(e->block_tok, &b->tok);
    each_block(l, b->rows, min64(e->rows, b->rows), NULL, embed_rows, e);
    tensor_in_end(l, &l->emb);
}

static void embed_block(struct lower *l, void *arg, const struct block *b)
{
    struct embed *e = arg;
    e->block = tensor_out(l, &l->x, b);
    e->block_tok = b->tok;
    each_block(l, b->rows, min64(e->part, b->rows), NULL, embed_part, e);
    tensor_out_end(l, &l->x);
}

/* Host: the parts of one block of the stream, then the block itself moves out. */
static void host_embed_block(struct lower *l, const struct block *b, uint64_t part)
{
    struct tensor *in[] = {&l->emb, NULL}, *out[] = {&l->x, NULL};
    uint64_t full = b->rows / part;
    struct block at = {part, b->tok}, rest = {b->rows % part, aff_plus(b->tok, (int64_t)(full * part))};
    if (full) {
        unsigned d = prog_repeat(l->p, THREAD_HOST, aff((int64_t)full));
        at.tok.k[d] = (int64_t)part;
        host_in(l, in, &at);
        prog_end(l->p, THREAD_HOST);
    }
    if (rest.rows)
        host_in(l, in, &rest);
    host_out(l, out, b);
}

static void host_embed(struct lower *l, uint64_t tokens, uint64_t rows, uint64_t part)
{
    struct tensor *out[] = {&l->x, NULL};
    uint64_t full = tokens / rows, rest = tokens % rows;
    struct block b = {rows, aff(0)}, tail = {rest, aff((int64_t)(full * rows))};
    if (full) {
        unsigned d = prog_repeat(l->p, THREAD_HOST, aff((int64_t)full));
        b.tok.k[d] = (int64_t)rows;
        host_embed_block(l, &b, part);
        prog_end(l->p, THREAD_HOST);
    }
    if (rest)
        host_embed_block(l, &tail, part);
    host_drain(l, out, tokens, rows);
}

void emit_embed(struct lower *l, uint64_t tokens)
{
    uint64_t d = l->w->shape.d_model, rows = staged_rows(&l->x, min64(l->T, tokens));
    uint64_t in = bytes_of(d, l->emb.bits), out = bytes_of(d, l->x.bits);
    struct embed e = {.rows = min64(l->aux_slot / in, l->out_slot / out)};
    struct tensor *ins[] = {&l->emb, NULL}, *outs[] = {&l->x, NULL};
    e.part = l->emb.ext ? min64(l->emb.stage_bytes / l->emb.pitch, rows) : rows;
    if (l->x.ext && e.part < rows)
        host_embed(l, tokens, rows, e.part);
    else
        host_staged(l, tokens, e.part, ins, outs);
    each_block(l, tokens, rows, NULL, embed_block, &e);
    tensor_written(&l->x, tokens, rows, 1);
}
