/* Lowering of a whole workload at a given mapping: tensors, phases, orders. */
#include "workloads/lower_layer.h"

#include "base/num.h"

#include <string.h>

static void init_context(struct lower *l)
{
    const struct work *w = l->w;
    l->engine = ARCH_CFG(l->arch, engine);
    l->buffers = ARCH_CFG(l->arch, buffers);
    l->ret = ARCH_CFG(l->arch, retention);
    l->tcdm = ARCH_CFG(l->arch, tcdm);
    l->hyper = ARCH_CFG(l->arch, hyperram);
    l->udma = ARCH_CFG(l->arch, udma);
    l->geom = engine_geometry(l->engine);
    uint64_t acts = w->quant.activations, weights = w->quant.weights;
    l->weight_mode = l->geom.swapped ? engine_mode(l->engine, acts, weights)
                                     : engine_mode(l->engine, weights, acts);
    l->act_mode = engine_mode(l->engine, acts, acts);
    const struct buffers_cfg *b = l->buffers;
    l->act_slot = b->activation.bytes / b->activation.slots;
    l->aux_slot = b->operand.bytes / b->operand.slots;
    l->score_slot = b->score.bytes / b->score.slots;
    l->out_slot = b->output.bytes / b->output.slots;
    l->acc_values = b->accumulator.bytes * 8 / l->engine->acc_bits;
    l->state_bytes = b->state.bytes;
    l->dk = w->shape.heads ? work_dk(w) : 0;
    l->dv = w->shape.heads ? work_dv(w) : 0;
    l->row_shift = w->kind != WORK_GEMM && work_score_scale(w) == SCORE_ROW_SHIFT;
    int update = w->quant.state_update == UPDATE_AUTO ? l->ret->update : w->quant.state_update;
    l->token_update = update == UPDATE_TOKEN;
    l->wb = weight_bits(l);
    l->ab = activation_bits(l);
    l->sb = field_bits(w->quant.score_bits);
    l->xb = w->quant.residual <= 8 ? 8 : 16;
    l->layer = l->head = l->seq = l->blk = l->now = aff(0);
    const uint64_t slots[N_RINGS] = {[RING_ACT] = l->act_slot, [RING_AUX] = l->aux_slot,
        [RING_SET] = engine_set_bytes(l->engine), [RING_SCORE] = l->score_slot,
        [RING_OUT] = l->out_slot};
    memcpy(l->p->slot_bytes, slots, sizeof slots);
}

static struct tensor tensor(const char *name, enum tensor_kind kind, enum unit_id reader, uint64_t cols,
                            uint64_t bits, uint64_t rows, uint64_t block)
{
    uint64_t pitch = round_up(bytes_of(cols, bits), UDMA_WORD); /* the uDMA moves whole words */
    return (struct tensor){.name = name, .kind = (uint8_t)kind, .reader = (uint8_t)reader,
                           .used = rows && pitch, .cols = cols, .bits = bits, .pitch = pitch,
                           .line = pitch, .rows = rows, .stage_bytes = pitch * block};
}

/* Keys as states take them. An odd number of words a line keeps strided reads off a single bank. */
static struct tensor decayed_keys(const struct lower *l, uint64_t rows, uint64_t block)
{
    struct tensor t = tensor("decayed keys", T_ACT, UNIT_LOAD, l->dk, l->ab, rows, block);
    t.pitch = t.line = (div_up(t.pitch, 4) | 1) * 4;
    t.stage_bytes = t.pitch * block;
    return t;
}

/* Rows of the embedding that are staged at a time: few, since each is a transfer
 * of its own. */
static uint64_t embed_part(const struct lower *l, uint64_t block)
{
    uint64_t rows = block;
    while (rows % 2 == 0 && rows * l->w->shape.d_model > 4096)
        rows /= 2;
    return rows;
}

/* Who reads keys and values, how long they live, follows from the form. */
static void define_tensors(struct lower *l)
{
    const struct work *w = l->w;
    const struct shape *s = &w->shape;
    bool prefill = w->phase != PHASE_DECODE, decode = decodes(w);
    bool cache = decode && w->decode == DECODE_KV_CACHE;
    uint64_t rows = max64(prefill ? l->scope : 0, decode ? w->batch : 0);
    uint64_t block = max64(min64(l->T, rows), decode ? w->batch : 1); /* a decode takes the batch at once */
    uint64_t heads_block = prefill ? max64(block, min64(retention_block(l), rows)) : block;
    uint64_t kv_block = cache ? max64(heads_block, cache_block(l)) : heads_block;
    if (w->form == FORM_PARALLEL && w->phase == PHASE_BOTH && !cache) /* the state is built chunk by chunk */
        heads_block = kv_block = max64(heads_block, min64(w->chunk, w->seq));
    enum unit_id gemm = l->geom.swapped ? UNIT_WEIGHT : UNIT_LOAD;
    bool step = (prefill && w->form == FORM_RECURRENT) || (decode && !cache);
    bool chunk = prefill && w->form == FORM_CHUNKWISE, par = prefill && w->form == FORM_PARALLEL;
    bool scopes = prefill && l->scope < w->seq; /* later tokens of a sequence come back to a layer */
    l->keep_kv = cache || (par && scopes);
    uint64_t slice = bytes_of(l->dk * l->state_dv, l->ret->state_bits), ab = l->ab;
    uint64_t states = kept_layers(l) * s->heads * w->batch;
    /* Slices of one width each: the last may be narrower than its place. */
    uint64_t kept = states * div_up(l->dv, l->state_dv) * slice;
    uint64_t kv_rows = l->keep_kv ? (l->kv_local ? 1 : states) * l->context : rows;
    enum tensor_kind kv = l->keep_kv ? T_KV : T_ACT;
    enum unit_id kv_reader = par || chunk || cache ? UNIT_WEIGHT : UNIT_LOAD;
    if (work_has_stream(w))
        l->x = tensor("residual", T_RESIDUAL, UNIT_LOAD, s->d_model, l->xb, l->layer_major ? w->seq : rows,
                      block);
    l->xn = tensor("normalised", T_ACT, gemm, s->d_model, ab, rows, block);
    /* In pieces, only keys and values of the parallel form outlive one. */
    uint64_t local = l->piece ? max64(l->piece, decode ? w->batch : 0) : rows;
    if (l->piece && !par)
        kv_rows = local;
    l->q = tensor("queries", T_ACT, UNIT_LOAD, l->dk, ab, local, heads_block);
    l->k = tensor("keys", kv, kv_reader, l->dk, ab, kv_rows, kv_block);
    l->v = tensor("values", kv, kv_reader, l->dv, ab, kv_rows, kv_block);
    bool direct = prefill && retention_fused(l, (enum work_form)w->form); /* retention itself writes y */
    l->gates_in_y = direct && !decode && !l->piece && !l->may_spill && !l->parked;
    uint64_t gates = l->gates_in_y ? s->value_dim : l->dv;
    l->g = tensor("gates", T_ACT, UNIT_LOAD, gates, ab, local, heads_block);
    l->y = tensor("heads", T_ACT, gemm, s->value_dim, ab, rows, direct ? heads_block : block);
    uint64_t hidden = w->kind == WORK_MSR ? s->d_model : s->ffn_dim;
    l->h = tensor("hidden", T_ACT, gemm, hidden, ab, rows, block);
    bool build = par && decode && !cache;
    l->builds_state = build;
    if ((chunk || build) && !l->token_update)
        l->khat = decayed_keys(l, local, heads_block);
    l->state_resident = l->ret->state == STATE_BUFFER && kept <= l->state_bytes;
    l->state_saved = decode || scopes;
    bool in_l2 = l->ret->state == STATE_L2 || (l->state_saved && !l->state_resident);
    if (in_l2 && (step || chunk || build))
        l->state = tensor("state", T_STATE, UNIT_LOAD, l->dk * l->state_dv, l->ret->state_bits,
                          states * div_up(l->dv, l->state_dv), 1);
    /* Stepped in L2, a state comes back from where the step before left it. */
    l->state.in_place = l->ret->state == STATE_L2 || pieces(l, l->state.stage_bytes) <= 1;
    l->p->state_bytes = l->state_resident ? kept : slice;
    if (l->parked || l->layer_major)
        stream_stage(l, block);
    if (l->parked)
        parked_stages(l, block, direct);
    uint64_t heads = w->lm_head == LM_ALL && prefill ? rows : w->batch;
    if (s->vocab && w->lm_head != LM_NONE && w->kind == WORK_NETWORK)
        l->logits = tensor("logits", T_LOGIT, UNIT_STORE, s->vocab, 16, heads, heads);
    if (s->vocab && w->kind == WORK_NETWORK) {
        l->emb = tensor("embedding", T_EMBED, UNIT_LOAD, s->d_model, field_bits(w->quant.weights), s->vocab,
                        embed_part(l, block));
        l->emb.scattered = true;
    }
}

/* Retention that cannot take the norm along writes its raw rows first. */
static void define_raw(struct lower *l)
{
    bool prefill = l->w->phase != PHASE_DECODE;
    bool cache = decodes(l->w) && l->w->decode == DECODE_KV_CACHE, step = decodes(l->w) && !cache;
    bool raw = (prefill && !retention_fused(l, (enum work_form)l->w->form)) ||
               (step && !retention_fused(l, FORM_RECURRENT)) || (cache && !cached_fused(l));
    if (raw)
        l->o = tensor("raw heads", T_ACT, UNIT_LOAD, l->dv, 16, l->q.rows, l->q.stage_bytes / l->q.pitch);
}

/* ---- phases ---- */

/* What is done to the scope at hand, its first token at l->blk. */
typedef void (*scope_fn)(struct lower *l, uint64_t tokens, bool last);

static void logits_of(struct lower *l, uint64_t tokens, bool last)
{
    const struct work *w = l->w;
    if (w->lm_head == LM_ALL)
        head_on(l, tokens, 0);
    else if (w->lm_head == LM_LAST && last)
        head_on(l, 1, tokens - 1);
    else if (l->x.used)
        settle(l, &l->x);
}

static void all_of_scope(struct lower *l, uint64_t tokens, bool last)
{
    embed(l, tokens);
    layers_begin(l, tokens);
    prefill_layer(l, tokens);
    layers_end(l);
    logits_of(l, tokens, last);
}

static void embed_scope(struct lower *l, uint64_t tokens, bool last)
{
    (void)last;
    embed(l, tokens);
}

static void layer_of_scope(struct lower *l, uint64_t tokens, bool last)
{
    (void)last;
    prefill_layer(l, tokens);
}

static void scope_at(struct lower *l, struct affine before)
{
    l->blk = before;
    if (l->layer_major) /* all rows of the stream are there, not those of a scope */
        l->x.outer = aff_scale(before, (int64_t)l->x.pitch);
}

/* Scopes between the first, which begins with empty states, and the last, which
 * makes the logits and leaves states only for a decode: they are alike. */
static void middle_scopes(struct lower *l, uint64_t first, uint64_t n, scope_fn fn)
{
    struct affine before = aff((int64_t)(first * l->scope));
    if (n > 1) {
        unsigned d = both_repeat(l, n);
        scope_at(l, aff_term(before, d, (int64_t)l->scope));
        fn(l, l->scope, false);
        both_end(l);
    } else if (n) {
        scope_at(l, before);
        fn(l, l->scope, false);
    }
}

static void last_scope(struct lower *l, uint64_t before, scope_fn fn)
{
    bool saved = l->state_saved;
    scope_at(l, aff((int64_t)before));
    l->state_saved = decodes(l->w);
    l->last_scope = true;
    fn(l, l->w->seq - before, true);
    l->last_scope = false;
    l->state_saved = saved;
    scope_at(l, aff(0));
}

static void each_scope(struct lower *l, scope_fn fn)
{
    bool states = l->w->form != FORM_PARALLEL || l->builds_state;
    uint64_t n = div_up(l->w->seq, l->scope), first = n > 1 && states;
    l->state_zero = true;
    middle_scopes(l, 0, first, fn);
    l->state_zero = n == 1;
    middle_scopes(l, first, n - 1 - first, fn);
    last_scope(l, (n - 1) * l->scope, fn);
}

/* Embedding and logits are passes of their own then. */
static void emit_layer_major(struct lower *l)
{
    uint64_t before = (div_up(l->w->seq, l->scope) - 1) * l->scope;
    each_scope(l, embed_scope);
    layers_begin(l, l->scope);
    each_scope(l, layer_of_scope);
    layers_end(l);
    if (l->w->lm_head == LM_ALL)
        each_scope(l, logits_of);
    else
        last_scope(l, before, logits_of);
}

static void emit_prefill(struct lower *l)
{
    bool many = l->w->batch > 1;
    if (many)
        loop_index(l, l->w->batch, &l->seq);
    if (l->layer_major)
        emit_layer_major(l);
    else
        each_scope(l, all_of_scope);
    if (many)
        both_end(l);
    l->seq = aff(0);
}

/* One generated token: `full` whole key blocks and `keys` keys of a part. */
static void decode_token(struct lower *l, const struct affine *full, const struct affine *keys,
                         const struct affine *position)
{
    const struct work *w = l->w;
    uint64_t n = w->batch;
    l->now = aff_plus(*position, w->decode == DECODE_STATE ? (int64_t)w->seq : 0);
    prog_wait(l->p, THREAD_ACCEL, UNIT_LOAD, l->sampled, 1);
    embed(l, n);
    layers_begin(l, n);
    layer_begin(l, n);
    heads_begin(l);
    place_cache(l, position);
    if (l->keep_kv) { /* of every sequence one row */
        l->k.apart = l->context * l->k.pitch;
        l->v.apart = l->context * l->v.pitch;
    }
    project(l, n, false);
    struct tensor *in[] = {&l->q, &l->k, &l->v, &l->g};
    for (unsigned i = 0; i < 4; i++)
        settle(l, in[i]);
    struct affine start = aff(0), seq_tok = aff(0);
    if (n > 1)
        loop_index(l, n, &l->seq);
    seq_tok = l->seq;
    struct tensor *per_seq[] = {&l->q, &l->g, &l->y, &l->o, l->keep_kv ? NULL : &l->k,
                                l->keep_kv ? NULL : &l->v};
    for (unsigned i = 0; i < 6; i++)
        if (per_seq[i])
            per_seq[i]->outer = aff_scale(seq_tok, (int64_t)per_seq[i]->pitch);
    /* A row of the cache sees all keys from its start, a step of the state its own. */
    place_cache(l, w->decode == DECODE_KV_CACHE ? &start : position);
    job_begin(l, AUTONOMY_TILE);
    if (l->keep_kv && w->decode == DECODE_KV_CACHE)
        emit_cached(l, full, keys);
    else
        emit_retention(l, FORM_RECURRENT, 1);
    job_end(l, AUTONOMY_TILE);
    for (unsigned i = 0; i < 6; i++)
        if (per_seq[i])
            per_seq[i]->outer = aff(0);
    if (n > 1)
        both_end(l);
    l->seq = aff(0);
    l->y.posts *= n;
    heads_end(l);
    output_and_ffn(l, n);
    layer_end(l);
    layers_end(l);
    head_on(l, n, 0);
    uint64_t cycles = w->sample_cycles == FIELD_AUTO ? 2 * w->shape.vocab * n : w->sample_cycles;
    if (cycles) /* none for a layer alone */
        prog_add(l->p, THREAD_HOST, OP_HOST_WORK, N_UNITS)->cycles = (uint32_t)cycles;
    prog_post(l->p, THREAD_HOST, N_UNITS, l->sampled, 1);
}

/* Positions p .. p + n - 1 that lie in one key block: `block` and p % step known
 * as affine expressions of enclosing loops. */
static void decode_run(struct lower *l, uint64_t n, struct affine blocks, uint64_t within, uint64_t step)
{
    unsigned d = both_repeat(l, n);
    struct affine keys = aff_term(aff((int64_t)within + 1), d, 1);
    struct affine position = aff_scale(blocks, (int64_t)step);
    position = aff_term(aff_plus(position, (int64_t)within), d, 1);
    decode_token(l, &blocks, &keys, &position);
    both_end(l);
}

static void emit_decode(struct lower *l)
{
    const struct work *w = l->w;
    uint64_t p = w->seq, left = w->tokens, step = w->decode == DECODE_KV_CACHE ? cache_block(l) : w->tokens;
    l->state_zero = false;
    l->decoding = true;
    l->blk = aff(0);
    if (w->decode == DECODE_STATE) {
        l->k.reader = l->v.reader = UNIT_LOAD; /* whoever read them in the prefill */
        l->v.line = l->v.pitch;
        l->v.plane = 0;
        decode_run(l, left, aff(0), 0, 0);
        return;
    }
    if (p % step) {
        uint64_t n = min64(left, step - p % step);
        decode_run(l, n, aff((int64_t)(p / step)), p % step, step);
        p += n;
        left -= n;
    }
    uint64_t runs = left / step;
    if (runs) {
        unsigned d = both_repeat(l, runs);
        decode_run(l, step, aff_term(aff((int64_t)(p / step)), d, 1), 0, step);
        both_end(l);
        p += runs * step;
        left -= runs * step;
    }
    if (left)
        decode_run(l, left, aff((int64_t)(p / step)), 0, step);
}

static void emit_gemm_kernel(struct lower *l)
{
    struct gemm g = gemm_op(&l->xn, l->w->k, gemm_rows(l->w), aff(0));
    struct affine index = aff(0);
    add_seg(&g, l->w->n, POST_NONE, WHAT_GEMM, &l->y, NULL);
    run_gemm(l, &g);
    mark(l, l->mark_layer, &index);
}

static void start(struct lower *l)
{
    struct program *p = l->p;
    static const char *const names[] = {"embedding", "layer", "head"};
    for (unsigned i = 0; i < 3; i++)
        p->layer_names[p->n_layer_names++] = names[i];
    l->mark_embed = 0;
    l->mark_layer = 1;
    l->mark_head = 2;
    p->n_layers = l->w->kind == WORK_GEMM ? 1 : l->w->shape.layers + 2;
    unsigned owner = l->ret->state == STATE_ENGINE ? UNIT_ENGINE : UNIT_RETENTION;
    for (unsigned u = 0; u < N_UNITS; u++)
        l->st_token[u] = prog_token(p, "state", u == owner, u == UNIT_WEIGHT ? WAIT_WEIGHT : WAIT_OPERAND);
    l->job = prog_token(p, "job", 0, WAIT_HOST);
    l->job_weight = prog_token(p, "job", 0, WAIT_HOST);
    l->contexts = prog_token(p, "contexts", (uint32_t)ARCH_CFG(l->arch, regfile)->contexts, WAIT_HOST);
    p->context_token = l->contexts;
    if (p->ext_bytes)
        l->parts_moved = prog_token(p, "parts moved", 0, WAIT_OFFCHIP);
    l->sampled = prog_token(p, "sampled", 1, WAIT_HOST);
    if (ARCH_CFG(l->arch, sequencer)->autonomy == AUTONOMY_NETWORK)
        emit_job(l, false);
}

/* Chunks begin at multiples of work.chunk whatever the order: the scope is a
 * whole number of them. */
static void whole_chunks(struct lower *l)
{
    const struct work *w = l->w;
    bool build = w->form == FORM_PARALLEL && w->phase == PHASE_BOTH && w->decode == DECODE_STATE;
    if (w->kind == WORK_GEMM || (w->form != FORM_CHUNKWISE && !build) || l->scope >= w->seq)
        return;
    l->scope = min64(max64(l->scope / w->chunk * w->chunk, w->chunk), w->seq);
    while (build && l->scope < w->seq && l->scope % l->R)
        l->R = l->R % 2 ? 1 : l->R / 2;
}

static bool define(struct lower *l)
{
    const struct work *w = l->w;
    init_context(l);
    whole_chunks(l);
    l->same_heads = (l->sliced || l->lean) && !heads_differ(l);
    if (l->same_heads)
        return true;
    if (w->kind == WORK_GEMM) {
        enum unit_id reader = l->geom.swapped ? UNIT_WEIGHT : UNIT_LOAD;
        l->xn = tensor("a", T_ACT, reader, w->k, l->ab, gemm_rows(w), min64(l->T, gemm_rows(w)));
        l->y = tensor("c", T_ACT, UNIT_LOAD, w->n, 8, gemm_rows(w), min64(l->T, gemm_rows(w)));
    } else {
        if (!retention_check(l))
            return false;
        l->state_dv = state_slice(l);
        define_tensors(l);
        define_raw(l);
    }
    if (!gemm_check(l))
        return err_add(l->err, ERR_CONFIG, NULL, "no tile of %llu tokens fits the buffers; raise "
                       "arch.buffers.output.bytes, operand.bytes, accumulator.bytes or activation.bytes",
                       (unsigned long long)l->T);
    return plan_memory(l);
}

/* Tensors and their homes. */
static bool prepare(struct lower *l)
{
    bool heads = l->w->kind != WORK_GEMM && l->w->phase != PHASE_DECODE;
    if (!heads || !l->may_pipe)
        return define(l) && (l->same_heads || !l->kv_local || archive_fits(l));
    struct lower probe = *l;
    init_context(&probe);
    whole_chunks(&probe);
    l->piece = pipe_piece(&probe);
    if (!l->piece || !define(l))
        return false;
    return pipe_fits(l);
}

/* Something lives off-chip that could not without `may_spill`. */
static bool spills(const struct lower *l)
{
    const struct tensor *const t[] = {&l->x, &l->xn, &l->q, &l->k, &l->khat, &l->v, &l->g, &l->o, &l->y,
                                      &l->h};
    bool any = false;
    for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++)
        any |= t[i]->ext && t[i]->kind != T_KV;
    return any;
}

enum fit lower_build(struct lower *l)
{
    const struct work *w = l->w;
    program_clear(l->p);
    if (!prepare(l))
        return l->ext_over ? FIT_OVER : FIT_NOT;
    if (l->unwanted || l->same_heads || (l->must_spill && !spills(l)))
        return FIT_UNWANTED;
    start(l);
    uint64_t T = l->T;
    if (w->kind == WORK_GEMM)
        emit_gemm_kernel(l);
    else if (w->phase != PHASE_DECODE)
        emit_prefill(l);
    if (w->kind != WORK_GEMM && decodes(w)) {
        l->T = w->batch;
        emit_decode(l);
    }
    l->T = T;
    prog_add(l->p, THREAD_ACCEL, OP_HALT, N_UNITS);
    prog_add(l->p, THREAD_HOST, OP_HALT, N_UNITS);
    if (l->p->tallier) /* nobody reads the rest */
        return FIT_WELL;
    prog_prune(l->p);
    report_homes(l);
    describe_image(l);
    return FIT_WELL;
}
