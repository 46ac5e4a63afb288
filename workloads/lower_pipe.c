/* Heads in pieces: a piece of tokens is projected and passes retention before the
 * next piece is projected. Queries, keys, values and gates of a piece are all
 * that L2 holds of a head (the parallel form keeps its keys and values), which
 * leaves room for a longer scope and so for fewer passes of the weights.
 *
 * One copy of them is enough: units work in order, so what reads a piece has
 * read it before the loads and sets of the next projection, whose results would
 * overwrite it, begin. */
#include "workloads/lower_ret.h"

#include "base/num.h"

static bool has_decayed_build(const struct work *w)
{
    return w->form == FORM_PARALLEL && decodes(w) && w->decode != DECODE_KV_CACHE;
}

uint64_t pipe_piece(const struct lower *l)
{
    const struct work *w = l->w;
    struct head_plan hp;
    /* The host fetches a head ahead; jobs of single tiles would tie it to the head at hand. */
    if (ARCH_CFG(l->arch, sequencer)->autonomy == AUTONOMY_TILE)
        return 0;
    if (l->ret->state == STATE_ENGINE && w->form != FORM_PARALLEL) /* projections need the accumulators */
        return 0;
    /* The state of a parallel prefill is built from the whole sequence; keys
     * and values that several scopes share are staged block by block. */
    if (has_decayed_build(w) || (w->form == FORM_PARALLEL && (l->scope < w->seq || decodes(w))))
        return 0;
    if (!plan_form(l, (enum work_form)w->form, &hp) || hp.dv < l->dv)
        return 0;
    uint64_t unit = w->form == FORM_CHUNKWISE ? chunk_of(l) : w->form == FORM_PARALLEL ? hp.rows : l->T;
    uint64_t piece = l->T % unit ? unit : l->T;
    return piece < l->scope ? piece : 0;
}

bool pipe_fits(const struct lower *l)
{
    const struct tensor *const local[] = {&l->xn, &l->q, &l->k, &l->khat, &l->v, &l->g, &l->o, &l->y};
    for (unsigned i = 0; i < sizeof local / sizeof local[0]; i++)
        if (local[i]->ext)
            return false;
    return l->state_dv == l->dv && (!l->weights_ext || l->w_head_bytes <= l->w_slot);
}

struct pipe {
    struct ret_op r;
    struct where weights;
    uint64_t y_posts;
};

/* Tensors of which L2 holds one piece: what `tokens` before it would take is taken off. */
static void local_outer(struct lower *l, const struct affine *tokens)
{
    struct tensor *const all[] = {&l->q, &l->khat, &l->g, &l->k, &l->v};
    unsigned n = l->w->form == FORM_PARALLEL ? 3 : 5;
    for (unsigned i = 0; i < n; i++)
        all[i]->outer = aff_scale(*tokens, -(int64_t)all[i]->line);
}

/* `rows` tokens from `first` of the scope. */
static void piece(struct lower *l, struct pipe *p, uint64_t rows, const struct affine *first)
{
    struct affine none = aff(0), blk = l->blk;
    struct gemm g = projection(l, rows);
    g.first_tok = *first;
    local_outer(l, first);
    prog_op(l->p, g.n_segs);
    gemm_piece(l, &g, &p->weights);
    local_outer(l, &none);
    l->y.outer = aff_scale(*first, (int64_t)l->y.pitch);
    l->blk = aff_add(blk, first);
    retention_piece(l, &p->r, rows);
    l->blk = blk;
    l->y.outer = aff(0);
}

static void pieces_of(struct lower *l, struct pipe *p, uint64_t tokens)
{
    uint64_t full = tokens / l->piece, rest = tokens % l->piece;
    struct affine first = aff(0);
    if (full > 1) {
        unsigned d = both_repeat(l, full);
        first = aff_term(first, d, (int64_t)l->piece);
        piece(l, p, l->piece, &first);
        both_end(l);
    } else if (full) {
        piece(l, p, l->piece, &first);
    }
    p->y_posts = full ? full * l->y.posts : 0;
    if (!rest)
        return;
    first = aff((int64_t)(full * l->piece));
    piece(l, p, rest, &first);
    p->y_posts += l->y.posts;
}

/* Host: weights and state of the head `ahead` of the one at hand. */
static void fetch(struct lower *l, const struct ret_op *r, const struct gemm *g, uint64_t ahead)
{
    struct affine head = l->head, off = aff_plus(g->w_off, (int64_t)(ahead * l->w_head_bytes));
    l->head = aff_plus(head, (int64_t)ahead);
    state_fetch(l, r);
    l->head = head;
    gemm_fetch(l, g, &off);
}

void emit_pipe(struct lower *l, uint64_t tokens)
{
    uint64_t heads = l->w->shape.heads;
    struct ret_op any = {.form = (enum work_form)l->w->form};
    struct gemm g = projection(l, tokens);
    tensor_open(l, &l->xn, 0, false);
    fetch(l, &any, &g, 0);
    unsigned d = prog_repeat(l->p, THREAD_ACCEL, aff((int64_t)heads));
    prog_repeat(l->p, THREAD_HOST, aff((int64_t)heads - 1));
    l->in_pipe = true;
    l->head = aff_term(aff(0), d, 1);
    g = projection(l, tokens);
    /* The host is one head ahead of the accelerator, and one behind with states. */
    fetch(l, &any, &g, 1);
    struct pipe p = {.weights = gemm_begin(l, &g)};
    p.r = retention_begin(l, any.form);
    pieces_of(l, &p, tokens);
    retention_end(l, &p.r);
    gemm_end(l);
    state_move_out(l, &p.r);
    both_end(l);
    l->in_pipe = false;
    l->head = aff(0);
    l->y.posts = p.y_posts * heads;
    l->y.block = 0;
    l->state_owed = true;
}

void pipe_settle(struct lower *l)
{
    struct ret_op any = {.form = (enum work_form)l->w->form};
    uint64_t heads = l->w->shape.heads;
    if (!l->state_owed)
        return;
    l->state_owed = false;
    l->head = aff((int64_t)heads - 1);
    state_move_out(l, &any);
    l->head = aff(0);
    state_drain(l, heads);
}
