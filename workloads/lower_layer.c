/* One layer: jobs, products, the loop over heads, norms, feed-forward. */
#include "workloads/lower_layer.h"

#include "workloads/lower_ret.h"

/* ---- jobs ---- */

void emit_job(struct lower *l, bool counted)
{
    struct program *p = l->p;
    if (counted)
        prog_wait(p, THREAD_HOST, N_UNITS, l->contexts, 1);
    struct cmd *c = prog_add(p, THREAD_HOST, OP_JOB, N_UNITS);
    c->words = (uint32_t)ARCH_CFG(l->arch, regfile)->job_registers;
    c->token = l->job;
    prog_wait(p, THREAD_ACCEL, UNIT_LOAD, l->job, 1);
    prog_post(p, THREAD_ACCEL, UNIT_LOAD, l->job_weight, 1);
    prog_wait(p, THREAD_ACCEL, UNIT_WEIGHT, l->job_weight, 1);
}

void job_begin(struct lower *l, enum autonomy level)
{
    if (ARCH_CFG(l->arch, sequencer)->autonomy == (int)level)
        emit_job(l, true);
}

void job_end(struct lower *l, enum autonomy level)
{
    if (ARCH_CFG(l->arch, sequencer)->autonomy == (int)level)
        prog_post(l->p, THREAD_ACCEL, UNIT_STORE, l->contexts, 1);
}

void mark(struct lower *l, unsigned name, const struct affine *index)
{
    struct cmd *c = emit(l, OP_MARK, UNIT_STORE);
    c->layer_name = name;
    c->layer = *index;
}

/* ---- one layer ---- */

struct gemm gemm_op(struct tensor *in, uint64_t k, uint64_t tokens, struct affine w_off)
{
    return (struct gemm){.in = in, .k = k, .tokens = tokens, .first_tok = aff(0), .w_off = w_off};
}

void add_seg(struct gemm *g, uint64_t n, enum post post, enum what_kind what, struct tensor *dst,
             struct tensor *dst2)
{
    g->seg[g->n_segs++] = (struct gemm_seg){.n = n, .post = post, .what = what, .dst = dst, .dst2 = dst2};
}

void run_gemm(struct lower *l, struct gemm *g)
{
    prog_op(l->p, div_up(g->tokens, l->T) * g->n_segs);
    job_begin(l, AUTONOMY_TILE);
    emit_gemm(l, g);
    job_end(l, AUTONOMY_TILE);
}

/* Keys and values that live on: where those of this layer, head and sequence
 * begin in the cache. */
void place_cache(struct lower *l, const struct affine *position)
{
    if (!l->keep_kv)
        return;
    int64_t heads = (int64_t)l->w->shape.heads, batch = (int64_t)l->w->batch, len = (int64_t)l->context;
    struct affine a = aff_scale(kept_layer(l), heads);
    a = aff_scale(aff_add(a, &l->head), batch);
    a = l->kv_local ? aff(0) : aff_scale(aff_add(a, &l->seq), len);
    struct tensor *const kv[] = {&l->k, &l->v};
    for (unsigned i = 0; i < 2; i++) {
        struct affine within = aff_scale(*position, (int64_t)kv[i]->line);
        kv[i]->outer = aff_scale(a, (int64_t)kv[i]->pitch);
        kv[i]->outer = aff_add(kv[i]->outer, &within);
    }
}

struct gemm projection(struct lower *l, uint64_t tokens)
{
    const struct shape *s = &l->w->shape;
    struct affine off = aff_scale(l->layer, (int64_t)l->w_layer_bytes);
    struct affine h = aff_scale(l->head, (int64_t)l->w_head_bytes);
    struct gemm g = gemm_op(&l->xn, s->d_model, tokens, aff_add(off, &h));
    struct tensor *khat = l->khat.used && !l->decoding ? &l->khat : NULL;
    add_seg(&g, l->dk, POST_ROTARY, WHAT_QR, &l->q, NULL);
    add_seg(&g, l->dk, khat ? POST_ROTARY_DECAY : POST_ROTARY, WHAT_KR, &l->k, khat);
    add_seg(&g, l->dv, POST_NONE, WHAT_V, &l->v, NULL);
    add_seg(&g, l->dv, POST_LUT, WHAT_SWISH, &l->g, NULL);
    return g;
}

void project(struct lower *l, uint64_t tokens, bool norm)
{
    struct gemm g = projection(l, tokens);
    g.norm = norm ? WHAT_LN1 : WHAT_NONE;
    run_gemm(l, &g);
}

/* Norms ride along with the product that reads them: L2 holds both sides, and
 * there is another block to work on meanwhile. A job of a tile is one step alone. */
static bool norm_rides(const struct lower *l, uint64_t tokens)
{
    return work_has_stream(l->w) && l->w->shape.pre_norm && tokens > l->T && !l->x.ext && !l->xn.ext &&
           ARCH_CFG(l->arch, sequencer)->autonomy != AUTONOMY_TILE;
}

/* Post-norm: what the block's first norm makes is what the FFN takes, what its second makes is the next
 * block's. */
static void norm_step(struct lower *l, uint64_t tokens, enum what_kind what)
{
    job_begin(l, AUTONOMY_TILE);
    if (l->w->shape.pre_norm)
        emit_norm(l, tokens, NULL, what);
    else
        emit_post_norm(l, tokens, what);
    job_end(l, AUTONOMY_TILE);
}

void output_and_ffn(struct lower *l, uint64_t tokens)
{
    const struct shape *s = &l->w->shape;
    bool network = work_has_stream(l->w);
    struct affine base = aff_scale(l->layer, (int64_t)l->w_layer_bytes);
    if (l->parked)
        parked_back(l, &l->y_back, &l->y, tokens);
    struct gemm g = gemm_op(l->parked ? &l->y_back : &l->y, s->value_dim, tokens,
                            aff_plus(base, (int64_t)l->w_out));
    add_seg(&g, s->d_model, network ? POST_RESIDUAL : POST_NONE, network ? WHAT_RES1 : WHAT_MSR,
            network ? &l->x : &l->h, NULL);
    run_gemm(l, &g);
    pipe_settle(l);
    archive_settle(l);
    if (network && !s->pre_norm)
        norm_step(l, tokens, WHAT_LN2);
    if (!network || !s->ffn_dim)
        return;
    bool rides = norm_rides(l, tokens);
    if (s->pre_norm && !rides)
        norm_step(l, tokens, WHAT_LN2);
    g = gemm_op(&l->xn, s->d_model, tokens, aff_plus(base, (int64_t)l->w_ffn1));
    g.norm = rides ? WHAT_LN2 : WHAT_NONE;
    add_seg(&g, s->ffn_dim, POST_GLU, WHAT_PROD, &l->h, NULL);
    run_gemm(l, &g);
    if (l->deep)
        parked_back(l, &l->h_back, &l->h, tokens);
    g = gemm_op(l->deep ? &l->h_back : &l->h, s->ffn_dim, tokens, aff_plus(base, (int64_t)l->w_ffn2));
    add_seg(&g, s->d_model, POST_RESIDUAL, WHAT_RES2, &l->x, NULL);
    run_gemm(l, &g);
    if (!s->pre_norm)
        norm_step(l, tokens, WHAT_LN1);
}

/* Readers inside a loop cannot wait for what was written before it. */
void settle(struct lower *l, struct tensor *t)
{
    tensor_open(l, t, 0, false);
}

unsigned loop_index(struct lower *l, uint64_t trips, struct affine *index)
{
    unsigned d = both_repeat(l, trips);
    *index = aff_term(aff(0), d, 1);
    return d;
}

void heads_begin(struct lower *l)
{
    settle(l, &l->xn);
    loop_index(l, l->w->shape.heads, &l->head);
}

/* All heads have written their columns: what a reader of one block waits for is
 * the post of the last head. */
static void heads_written(struct lower *l)
{
    uint64_t posts = l->y.posts, heads = l->w->shape.heads;
    l->y.posts = posts * heads;
    l->y.before = posts * (heads - 1);
}

void heads_end(struct lower *l)
{
    both_end(l);
    l->head = aff(0);
    heads_written(l);
}

static bool post_norm(const struct lower *l)
{
    return work_has_stream(l->w) && !l->w->shape.pre_norm;
}

/* Whether the next layer may begin with the first block of the residual stream
 * while the last ones are written: embedding and layer post it block by block. */
static bool stream_carries(const struct lower *l)
{
    const struct shape *s = &l->w->shape;
    struct gemm g = gemm_op((struct tensor *)&l->h, s->ffn_dim, 0, aff(0));
    add_seg(&g, s->d_model, POST_RESIDUAL, WHAT_RES2, (struct tensor *)&l->x, NULL);
    return l->w->kind == WORK_NETWORK && s->pre_norm && s->ffn_dim && !l->x.ext &&
           (!l->weights_ext || gemm_weight_bytes(l, &g) <= l->w_slot);
}

/* Opens the loop over layers; post-norm layers find their narrow input written already. */
void layers_begin(struct lower *l, uint64_t tokens)
{
    if (post_norm(l)) {
        emit_narrow(l, tokens);
        settle(l, &l->xn);
    }
    if (l->x.used && !stream_carries(l))
        settle(l, &l->x);
    loop_index(l, l->w->shape.layers, &l->layer);
}

void layer_begin(struct lower *l, uint64_t tokens)
{
    job_begin(l, AUTONOMY_LAYER);
    bool rides = norm_rides(l, tokens) && !l->piece;
    if (work_has_stream(l->w) && l->w->shape.pre_norm && !rides)
        emit_norm(l, tokens, NULL, WHAT_LN1);
}

void layer_end(struct lower *l)
{
    struct affine at = aff_plus(l->layer, 1);
    if (l->x.used && !stream_carries(l))
        settle(l, &l->x);
    if (post_norm(l))
        settle(l, &l->xn);
    mark(l, l->mark_layer, &at);
    job_end(l, AUTONOMY_LAYER);
}

void layers_end(struct lower *l)
{
    both_end(l);
    l->layer = aff(0);
}

/* `owed`: the host moves the state of the head before out once it has asked for
 * all weights of this one. */
static void one_head(struct lower *l, uint64_t tokens, bool norm, bool owed)
{
    const struct work *w = l->w;
    struct ret_op any = {.form = (enum work_form)w->form};
    struct affine head = l->head;
    if (l->in_pipe)
        state_fetch(l, &any);
    if (l->gates_in_y)
        l->g.outer = aff_scale(l->head, (int64_t)(l->dv * l->ab / 8));
    place_cache(l, &l->blk);
    archive_open(l);
    project(l, tokens, norm);
    archive_exchange(l, tokens);
    l->head = aff_plus(head, -1);
    if (owed)
        state_move_out(l, &any);
    l->head = head;
    struct affine start = aff(0);
    place_cache(l, &start);
    job_begin(l, AUTONOMY_TILE);
    emit_retention(l, (enum work_form)w->form, tokens);
    place_cache(l, &l->blk); /* the state takes in the keys and values of this scope */
    if (l->builds_state)
        emit_state_build(l, tokens);
    archive_close(l);
    job_end(l, AUTONOMY_TILE);
}

/* Whether the host may be a head behind with states, so that it asks for the next
 * weights first: a head has one state, staged in parts of which two are there. */
static bool states_lag(const struct lower *l)
{
    return l->state.used && l->state.ext && l->state.in_place && l->state_dv == l->dv &&
           ARCH_CFG(l->arch, sequencer)->autonomy != AUTONOMY_TILE;
}

static void heads_in_turn(struct lower *l, uint64_t tokens)
{
    uint64_t heads = l->w->shape.heads;
    bool rides = norm_rides(l, tokens);
    l->in_pipe = states_lag(l);
    if (!rides && !l->in_pipe) {
        heads_begin(l);
        one_head(l, tokens, false, false);
        heads_end(l);
        return;
    }
    /* The first head is apart: its projections make the norm, and no state is owed. */
    if (!rides)
        settle(l, &l->xn);
    l->head = aff(0);
    one_head(l, tokens, rides, false);
    if (heads > 1) {
        unsigned d = both_repeat(l, heads - 1);
        l->head = aff_term(aff(1), d, 1);
        one_head(l, tokens, false, l->in_pipe);
        both_end(l);
    }
    l->head = aff(0);
    heads_written(l);
    l->state_owed = l->in_pipe;
    l->in_pipe = false;
}

void prefill_layer(struct lower *l, uint64_t tokens)
{
    layer_begin(l, tokens);
    if (l->piece)
        emit_pipe(l, tokens);
    else
        heads_in_turn(l, tokens);
    output_and_ffn(l, tokens);
    layer_end(l);
}

void head_on(struct lower *l, uint64_t tokens, uint64_t first)
{
    const struct shape *s = &l->w->shape;
    struct affine at = aff((int64_t)first), index = aff((int64_t)s->layers + 1);
    if (l->x.used)
        settle(l, &l->x);
    if (!l->logits.used)
        return;
    if (!post_norm(l)) {
        emit_norm(l, tokens, &at, WHAT_FINAL);
        settle(l, &l->xn);
    }
    struct gemm g = gemm_op(&l->xn, s->d_model, tokens, aff((int64_t)l->w_lm));
    g.first_tok = at;
    add_seg(&g, s->vocab, POST_WIDE, WHAT_LOGITS, &l->logits, NULL);
    l->logits.outer = aff(-(int64_t)(first * l->logits.pitch));
    if (post_norm(l) && l->xn.ext) /* the host counts from the first row that is wanted */
        l->xn.outer = aff((int64_t)(first * l->xn.pitch));
    run_gemm(l, &g);
    l->xn.outer = aff(0);
    mark(l, l->mark_head, &index);
    prog_wait(l->p, THREAD_HOST, N_UNITS, l->logits.ready, l->logits.posts);
    l->logits.pending = false;
    struct cmd *take = prog_add(l->p, THREAD_HOST, OP_TAKE, N_UNITS);
    struct affine none = aff(0);
    take->addr = aff((int64_t)l->logits.base);
    take->rows = (uint32_t)tokens;
    take->row_bytes = (uint32_t)bytes_of(s->vocab, 16);
    take->row_stride = (int64_t)l->logits.pitch;
    take->tensor = T_LOGIT;
    take->cols = (uint32_t)s->vocab;
    take->out_bits = 16;
    emit_what(l, take, WHAT_LOGITS, &none, &at);
}

void embed(struct lower *l, uint64_t tokens)
{
    struct affine index = aff(0);
    if (!l->emb.used)
        return;
    emit_embed(l, tokens);
    mark(l, l->mark_embed, &index);
}
