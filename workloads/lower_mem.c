/* Where everything lives. L2 holds what is used in place; what does not fit
 * goes off-chip, weights first, then tensors in a fixed order of regret. */
#include "workloads/lower_ctx.h"

#include "base/num.h"

#include <assert.h>
#include <string.h>

uint64_t tensor_bytes(const struct tensor *t)
{
    return round_up(t->pitch * t->rows, L2_ALIGN);
}

static void tensors(struct lower *l, struct tensor *out[], unsigned *n)
{
    /* Spilled from the front: what outlives a layer, then what is bulky and
     * touched once; the residual stream last. */
    struct tensor *all[] = {&l->state, &l->h, &l->y, &l->g, &l->o, &l->v, &l->k, &l->khat, &l->q, &l->xn,
                            &l->x};
    *n = 0;
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i]->used)
            out[(*n)++] = all[i];
}

static bool of_head(const struct lower *l, const struct tensor *t)
{
    const struct tensor *const head[] = {&l->q, &l->k, &l->khat, &l->v, &l->g, &l->o};
    for (unsigned i = 0; i < sizeof head / sizeof head[0]; i++)
        if (t == head[i])
            return true;
    return false;
}

/* While rows of heads are parked, a head's tensors, all rows of y, h and the logits take
 * turns in one place: each is read before the stream, which passes off-chip between any
 * two of them, lets the next begin. */
static uint64_t pool_bytes(const struct lower *l)
{
    const struct tensor *const head[] = {&l->q, &l->k, &l->khat, &l->v, &l->g, &l->o};
    uint64_t heads = 0;
    if (!l->parked)
        return 0;
    for (unsigned i = 0; i < sizeof head / sizeof head[0]; i++)
        heads += head[i]->used && !head[i]->ext ? tensor_bytes(head[i]) : 0;
    return l->deep ? heads : max64(heads, max64(tensor_bytes(&l->y), tensor_bytes(&l->h)));
}

/* Rows that come back lie over the pool and the normalised rows after it, which nobody reads then. */
static uint64_t back_bytes(const struct lower *l)
{
    return l->deep ? max64(tensor_bytes(&l->y), tensor_bytes(&l->h)) : 0;
}

/* The hidden rows of the FFN take the place of the heads' rows: the last of
 * these is read before the first of those is written, because units work in
 * program order. */
static uint64_t shared_bytes(const struct lower *l)
{
    bool network = work_has_stream(l->w); /* a layer alone writes its result while it reads y */
    if (!network || !l->y.used || !l->h.used || l->y.ext || l->h.ext)
        return 0;
    uint64_t y = tensor_bytes(&l->y), h = tensor_bytes(&l->h);
    return min64(y, h);
}

/* What a tensor takes where it lies: the larger of a shared pair takes the place. */
static uint64_t place_bytes(const struct lower *l, const struct tensor *t)
{
    if (t == &l->g && l->gates_in_y)
        return 0;
    if (l->parked && (of_head(l, t) || t == &l->y || t == &l->h))
        return 0; /* in the pool */
    bool shared = (t == &l->y || t == &l->h) && shared_bytes(l);
    if (!shared)
        return tensor_bytes(t);
    return t == &l->h ? 0 : max64(tensor_bytes(&l->y), tensor_bytes(&l->h));
}

static bool spillable(const struct lower *l, const struct tensor *t)
{
    if (l->kv_local && t->kind == T_KV)
        return false;
    if (l->piece && t != &l->state && t != &l->h && t != &l->x)
        return false; /* heads in pieces need the rest at hand */
    if (t->stage_bytes * 4 >= tensor_bytes(t))
        return false; /* staging would take more than the tensor */
    return l->may_spill || t->kind == T_KV || t->kind == T_STATE;
}

/* Staging of x and of a head's tensors is never needed in the same op, nor that
 * of y and h: each pair shares its place. Class of t in lower.stage_at, -1 none. */
static int stage_class(const struct lower *l, const struct tensor *t)
{
    if (of_head(l, t))
        return t->kind == T_KV ? -1 : 1;
    if (l->w->kind != WORK_NETWORK)
        return -1; /* a layer alone writes its result while it reads y */
    return t == &l->x ? 0 : t == &l->y ? 2 : t == &l->h ? 3 : -1;
}

/* Bytes of staging by class; the rest is returned. */
static uint64_t staging(struct lower *l, uint64_t by_class[4])
{
    struct tensor *t[MAX_TENSORS];
    unsigned n;
    uint64_t other = 0;
    tensors(l, t, &n);
    by_class[0] = by_class[1] = by_class[2] = by_class[3] = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!t[i]->ext)
            continue;
        int c = stage_class(l, t[i]);
        *(c < 0 ? &other : &by_class[c]) += (t[i]->in_place ? 2 : 4) * round_up(t[i]->stage_bytes, L2_ALIGN);
    }
    return other;
}

/* The logits take the place of a head's tensors: the last head is done when they
 * are made, and the host fetches the rows of the next tokens, without which no head
 * begins, after it has taken them. */
static bool under_logits(const struct lower *l, const struct tensor *t)
{
    return of_head(l, t) && l->emb.ext && t->used && !t->ext && t->kind == T_ACT && place_bytes(l, t);
}

/* Bytes of L2 in the current assignment, without weights. */
static uint64_t l2_need(struct lower *l)
{
    struct tensor *t[MAX_TENSORS];
    unsigned n;
    tensors(l, t, &n);
    uint64_t bytes = l->emb.ext ? 2 * round_up(l->emb.stage_bytes, L2_ALIGN) : 0, under = 0;
    for (unsigned i = 0; i < n; i++)
        *(under_logits(l, t[i]) ? &under : &bytes) += t[i]->ext ? 0 : place_bytes(l, t[i]);
    uint64_t pool = max64(max64(under, pool_bytes(l)), tensor_bytes(&l->logits));
    uint64_t over = pool + tensor_bytes(&l->xn), back = back_bytes(l);
    bytes += pool + (back > over ? back - over : 0);
    uint64_t stage[4], other = staging(l, stage);
    return bytes + other + max64(stage[0], stage[1]) + max64(stage[2], stage[3]);
}

static uint64_t matrices(const struct lower *l, uint64_t n, uint64_t k, uint64_t parts)
{
    return round_up(packed_bytes(l, n, k, parts), L2_ALIGN);
}

static uint64_t matrix(const struct lower *l, uint64_t n, uint64_t k)
{
    return matrices(l, n, k, 1);
}

/* Layout of one layer's packed weights: per head q, k, v, g; out; fc1 with
 * gate; fc2. A matrix product has B alone. */
static void layout_weights(struct lower *l)
{
    const struct shape *s = &l->w->shape;
    if (l->w->kind == WORK_GEMM) {
        l->w_lm = l->w_layer_bytes = matrix(l, l->w->n, l->w->k);
        return;
    }
    l->w_head_bytes = 2 * matrix(l, l->dk, s->d_model) + 2 * matrix(l, l->dv, s->d_model);
    l->w_out = l->w_head_bytes * s->heads;
    l->w_ffn1 = l->w_out + matrix(l, s->d_model, s->value_dim);
    l->w_ffn2 = l->w_ffn1 + matrices(l, s->ffn_dim, s->d_model, 2);
    bool ffn = s->ffn_dim > 0;
    l->w_layer_bytes = ffn ? l->w_ffn2 + matrix(l, s->d_model, s->ffn_dim) : l->w_ffn1;
    l->w_lm = l->w_layer_bytes * s->layers;
}

static uint64_t weight_bytes(const struct lower *l)
{
    const struct shape *s = &l->w->shape;
    return l->w_lm + (s->vocab && l->w->lm_head != LM_NONE ? matrix(l, s->vocab, s->d_model) : 0);
}

static uint64_t embed_bytes(const struct lower *l)
{
    return l->emb.used ? tensor_bytes(&l->emb) : 0;
}

static uint64_t min_slice(const struct lower *l)
{
    const struct shape *s = &l->w->shape;
    if (l->w->kind == WORK_GEMM)
        return round_up(gemm_min_slice(l, l->w->k, false), L2_ALIGN);
    uint64_t a = gemm_min_slice(l, s->d_model, s->ffn_dim > 0), b = gemm_min_slice(l, s->value_dim, false);
    uint64_t c = gemm_min_slice(l, s->ffn_dim, false);
    a = a > b ? a : b;
    return round_up(max64(a, c), L2_ALIGN);
}

/* Largest slice that is of use: the largest group of matrices an op takes at once. */
static uint64_t max_slice(const struct lower *l)
{
    const struct shape *s = &l->w->shape;
    if (l->w->kind == WORK_GEMM)
        return l->w_layer_bytes;
    uint64_t m = l->w_head_bytes, out = matrix(l, s->d_model, s->value_dim);
    uint64_t ffn = matrices(l, s->ffn_dim, s->d_model, 2), lm = matrix(l, s->vocab, s->d_model);
    m = m > out ? m : out;
    m = m > ffn ? m : ffn;
    return m > lm ? m : lm;
}

static uint64_t l2_take(struct lower *l, uint64_t bytes)
{
    uint64_t at = l->l2_top;
    l->l2_top += round_up(bytes, L2_ALIGN);
    return at;
}

static uint64_t ext_take(struct lower *l, uint8_t tensor, uint64_t bytes)
{
    struct program *p = l->p;
    uint64_t at = round_up(l->ext_top, l->hyper->burst_bytes), taken = round_up(bytes, UDMA_WORD);
    assert(p->n_regions < sizeof p->regions / sizeof p->regions[0]);
    p->regions[p->n_regions++] = (struct prog_region){tensor, at, taken};
    l->ext_top = at + taken;
    return at;
}

static uint16_t role(struct lower *l, struct tensor *t, const char *what, uint64_t credits,
                     enum wait_class cls)
{
    uint16_t token = prog_token(l->p, t->name, (uint32_t)credits, cls);
    l->p->tokens[token].role = what;
    return token;
}

static void share_staging(struct lower *l)
{
    uint64_t stage[4];
    staging(l, stage);
    l->stage_at[0] = l->stage_at[1] = l2_take(l, max64(stage[0], stage[1]));
    l->stage_at[2] = l->stage_at[3] = l2_take(l, max64(stage[2], stage[3]));
}

static uint64_t stage_take(struct lower *l, const struct tensor *t, uint64_t bytes)
{
    int c = stage_class(l, t);
    if (c < 0)
        return l2_take(l, bytes);
    uint64_t at = l->stage_at[c];
    l->stage_at[c] += bytes;
    return at;
}

/* `bytes` is what it takes of L2 when it lives there. */
static void place_tensor(struct lower *l, struct tensor *t, uint64_t bytes)
{
    struct program *p = l->p;
    t->pending = false;
    t->ready = role(l, t, " written", 0, t->reader == UNIT_WEIGHT ? WAIT_WEIGHT : WAIT_OPERAND);
    if (!t->ext) {
        t->base = l2_take(l, bytes);
        return;
    }
    uint64_t stage = round_up(t->stage_bytes, L2_ALIGN);
    t->base = ext_take(l, t->kind, t->pitch * t->rows);
    t->in_base = stage_take(l, t, 2 * stage);
    t->in_ring = prog_l2ring(p, t->name, 2, stage, t->in_base);
    t->in_full = role(l, t, " fetched", 0, WAIT_OFFCHIP);
    t->in_free = role(l, t, " fetch part", 2, WAIT_OFFCHIP);
    if (t->scattered)
        return;
    t->out_base = t->in_place ? t->in_base : stage_take(l, t, 2 * stage);
    t->out_ring = prog_l2ring(p, t->name, 2, stage, t->out_base);
    t->out_full = role(l, t, " to move out", 0, WAIT_OFFCHIP);
    t->out_done = role(l, t, " moved out", 0, WAIT_OFFCHIP);
    t->out_free = role(l, t, " store part", 2, WAIT_OFFCHIP);
}

static struct tensor comes_back(struct lower *l, const struct tensor *t)
{
    struct tensor back = *t;
    back.ext = false;
    back.base = l->logits.base;
    back.in_full = role(l, &back, " back", 0, WAIT_OFFCHIP);
    back.in_free = role(l, &back, " may come back", 0, WAIT_OFFCHIP);
    return back;
}

static void share_pool(struct lower *l)
{
    struct tensor *const head[] = {&l->q, &l->k, &l->khat, &l->v, &l->g, &l->o};
    uint64_t at = l->logits.base;
    for (unsigned i = 0; i < sizeof head / sizeof head[0]; i++) {
        if (!head[i]->used || head[i]->ext)
            continue;
        head[i]->base = at;
        at += tensor_bytes(head[i]);
    }
    l->y_back = comes_back(l, &l->y);
    if (l->deep && l->h.used)
        l->h_back = comes_back(l, &l->h);
    else
        l->h.base = l->logits.base;
}

static uint64_t archive_rows(const struct lower *l)
{
    return kept_layers(l) * l->w->shape.heads * l->w->batch * l->context;
}

static void plan_archive(struct lower *l)
{
    struct archive *a = &l->archive;
    struct tensor *k = &l->k;
    a->base[0] = ext_take(l, l->k.kind, archive_rows(l) * l->k.pitch);
    a->base[1] = ext_take(l, l->v.kind, archive_rows(l) * l->v.pitch);
    a->fetched = role(l, k, " and values fetched", 0, WAIT_OFFCHIP);
    a->free = role(l, k, " and values read", 1, WAIT_OFFCHIP);
    a->written = role(l, k, " and values to move out", 0, WAIT_OFFCHIP);
    a->moved = role(l, k, " and values moved out", 2, WAIT_OFFCHIP);
    a->landed = role(l, k, " and values landed", 0, WAIT_OFFCHIP);
}

static bool too_big(struct lower *l, const char *what, uint64_t need, uint64_t have, const char *keys)
{
    return err_add(l->err, ERR_CONFIG, NULL, "%s on %s does not fit: %s is short of %llu bytes (needs %llu, "
                   "has %llu); %s", l->w->name, l->arch->name, what, (unsigned long long)(need - have),
                   (unsigned long long)need, (unsigned long long)have, keys);
}

enum { FEW_BYTES = 4096 };

static uint64_t few_rows(const struct lower *l, uint64_t block)
{
    return min64(block, max64(FEW_BYTES / (2 * l->w->shape.d_model), 1));
}

/* Columns that may be all of a row, which is whole words. */
static uint64_t words(uint64_t bytes)
{
    return round_up(bytes, UDMA_WORD);
}

void stream_stage(struct lower *l, uint64_t block)
{
    l->x.stage_bytes = max64(few_rows(l, block) * l->x.pitch, block * words(2 * stage_unit(l)));
}

void parked_stages(struct lower *l, uint64_t block, bool direct)
{
    uint64_t unit = block * words(stage_unit(l)), ret = retention_block(l);
    uint64_t rows = few_rows(l, block), y = direct ? ret : rows;
    l->y.stage_bytes = y * words(bytes_of(l->dv, l->y.bits));
    if (l->deep) {
        l->h.stage_bytes = max64(min64(block * l->h.pitch, FEW_BYTES), unit);
        l->h.in_place = true; /* it comes back past its stage */
    }
    struct tensor *const kv[] = {&l->k, &l->v};
    for (unsigned i = 0; i < 2 && l->keep_kv; i++)
        kv[i]->stage_bytes = max64(ret * kv[i]->pitch, unit);
}

static bool parked_homes(struct lower *l)
{
    uint64_t have = l->tcdm->bytes;
    struct tensor *t[MAX_TENSORS];
    unsigned n;
    tensors(l, t, &n);
    l->weights_ext = true;
    l->emb.ext = l->emb.used;
    for (unsigned i = 0; i < n; i++)
        t[i]->ext = t[i] == &l->x || t[i] == &l->y || (l->deep && t[i] == &l->h) || t[i]->kind == T_KV ||
                    t[i]->kind == T_STATE;
    uint64_t need = l2_need(l) + 2 * min_slice(l);
    return need <= have || too_big(l, "L2", need, have, "lower work.seq or raise arch.tcdm.bytes");
}

/* Off-chip tensors until the rest fits. */
static bool choose_homes(struct lower *l)
{
    uint64_t have = l->tcdm->bytes, all = weight_bytes(l) + embed_bytes(l);
    struct tensor *t[MAX_TENSORS];
    unsigned n;
    tensors(l, t, &n);
    l->weights_ext = l->emb.ext = false;
    if (l2_need(l) + all <= have && !l->layer_major)
        return true;
    if (l->hyper->kind == OFFCHIP_NONE)
        return too_big(l, "L2", l2_need(l) + all, have, "raise arch.tcdm.bytes or give the "
                       "architecture off-chip memory (arch.hyperram.kind)");
    l->weights_ext = true;
    l->emb.ext = l->emb.used;
    l->x.ext = l->layer_major;
    uint64_t least = l->piece ? max64(min_slice(l), l->w_head_bytes) : min_slice(l);
    uint64_t ring = 2 * least, worth = 2 * round_up(max_slice(l), L2_ALIGN);
    if (worth > have / 4)
        worth = have / 4 > ring ? have / 4 : ring;
    /* Weights want a useful ring; tensors make room for it only where the op is streamed anyway. */
    bool spill = l->w->map.spill;
    for (unsigned i = 0; spill && i < n && l2_need(l) + (worth < ring ? ring : worth) > have; i++)
        t[i]->ext |= spillable(l, t[i]);
    if (l2_need(l) + ring <= have)
        return true;
    return too_big(l, "L2", l2_need(l) + ring, have, spill ?
                   "lower work.map.token_block or raise arch.tcdm.bytes" :
                   "allow work.map.spill, lower work.map.token_block or work.seq, or raise arch.tcdm.bytes");
}

/* Values in L2 that sets alone take, tile by tile. What is staged, archived or read by rows is not; nor are
 * rows that several sequences write at once. */
static void tile_values(struct lower *l)
{
    const struct work *w = l->w;
    uint64_t nt = l->geom.n_tile, rows = l->keep_kv ? l->context : l->v.rows;
    bool state = w->form == FORM_CHUNKWISE || l->builds_state;
    bool steps = w->form == FORM_RECURRENT || (state && l->token_update);
    bool by_rows = w->phase != PHASE_DECODE && steps;
    if (!l->v.used || l->v.ext || l->v.reader != UNIT_WEIGHT || by_rows || l->kv_local || l->geom.swapped ||
        l->dv % nt || (l->keep_kv && w->batch > 1) || !value_tiles(l))
        return;
    l->v.line = bytes_of(nt, l->v.bits);
    l->v.plane = rows * l->v.line;
}

bool plan_memory(struct lower *l)
{
    layout_weights(l);
    if (l->parked ? !parked_homes(l) : !choose_homes(l))
        return false;
    tile_values(l);
    struct program *p = l->p;
    struct tensor *t[MAX_TENSORS];
    unsigned n;
    tensors(l, t, &n);
    bool shared = shared_bytes(l) > 0;
    share_staging(l);
    l->logits.base = l->l2_top;
    for (unsigned i = 0; i < n; i++)
        if (under_logits(l, t[i]))
            place_tensor(l, t[i], place_bytes(l, t[i]));
    l->l2_top = max64(l->l2_top, l->logits.base + max64(pool_bytes(l), tensor_bytes(&l->logits)));
    if (l->deep) /* right after the pool: rows that come back lie over both */
        place_tensor(l, &l->xn, place_bytes(l, &l->xn));
    l->l2_top = max64(l->l2_top, l->logits.base + back_bytes(l));
    for (unsigned i = 0; i < n; i++)
        if (!under_logits(l, t[i]) && !(l->deep && t[i] == &l->xn))
            place_tensor(l, t[i], place_bytes(l, t[i]));
    if (l->parked)
        share_pool(l);
    if (shared)
        l->h.base = l->y.base;
    if (l->gates_in_y)
        l->g.base = l->y.base;
    l->logits.ready = prog_token(p, "logits", 0, WAIT_HOST);
    if (l->emb.used)
        place_tensor(l, &l->emb, tensor_bytes(&l->emb));
    if (l->weights_ext) {
        uint64_t left = (l->tcdm->bytes - l->l2_top) / 2 / L2_ALIGN * L2_ALIGN;
        l->w_slot = min64(left, round_up(max_slice(l), L2_ALIGN));
        l->w_base = ext_take(l, T_WEIGHT, weight_bytes(l));
        l->w_ring_base = l2_take(l, 2 * l->w_slot);
        plan_fetch(l);
    } else {
        l->w_base = l2_take(l, weight_bytes(l));
    }
    if (l->kv_local)
        plan_archive(l);
    p->l2_bytes = l->l2_top;
    p->ext_bytes = l->ext_top;
    l->ext_over = l->ext_top > l->hyper->bytes;
    if (l->ext_over)
        return too_big(l, "off-chip memory", l->ext_top, l->hyper->bytes, "raise arch.hyperram.bytes, lower "
                       "work.quant.weights, or take a smaller network");
    return true;
}

static void home(struct lower *l, const char *tensor, bool ext, uint64_t bytes)
{
    struct program *p = l->p;
    if (bytes && p->n_homes < sizeof p->homes / sizeof p->homes[0])
        p->homes[p->n_homes++] = (struct prog_home){tensor, ext ? "hyperram" : "l2", bytes};
}

/* ---- what memory holds before the run ---- */

static void put_matrix(struct lower *l, enum what_kind a, enum what_kind b, uint64_t n, uint64_t k,
                       uint64_t at,
                       bool by_heads)
{
    struct program *p = l->p;
    p->matrices[p->n_matrices++] = (struct prog_matrix){
        .what = {(uint8_t)a, (uint8_t)b}, .ext = l->weights_ext, .by_rows = l->geom.swapped,
        .at = (int64_t)(l->w_base + at), .layer_bytes = l->w_layer_bytes,
        .head_bytes = by_heads ? l->w_head_bytes : 0, .n = n, .k = k, .n_tile = l->geom.n_tile,
        .k_tile = (uint32_t)weight_k_tile(l), .bits = (uint32_t)l->wb};
}

static void put_layer(struct lower *l)
{
    const struct shape *s = &l->w->shape;
    uint64_t q = matrix(l, l->dk, s->d_model), v = matrix(l, l->dv, s->d_model);
    put_matrix(l, WHAT_Q, WHAT_NONE, l->dk, s->d_model, 0, true);
    put_matrix(l, WHAT_K, WHAT_NONE, l->dk, s->d_model, q, true);
    put_matrix(l, WHAT_V, WHAT_NONE, l->dv, s->d_model, 2 * q, true);
    put_matrix(l, WHAT_G, WHAT_NONE, l->dv, s->d_model, 2 * q + v, true);
    put_matrix(l, l->w->kind == WORK_MSR ? WHAT_MSR : WHAT_OUT, WHAT_NONE, s->d_model, s->value_dim, l->w_out,
               false);
    if (!s->ffn_dim || l->w->kind == WORK_MSR)
        return;
    put_matrix(l, WHAT_FC1, WHAT_GATE, s->ffn_dim, s->d_model, l->w_ffn1, false);
    put_matrix(l, WHAT_FC2, WHAT_NONE, s->d_model, s->ffn_dim, l->w_ffn2, false);
}

static struct prog_tensor there(const struct tensor *t, enum what_kind what)
{
    return (struct prog_tensor){.what = (uint8_t)what, .ext = t->ext, .at = (int64_t)t->base,
                                .pitch = t->pitch, .rows = t->used ? t->rows : 0, .pos = aff(0),
                                .cols = (uint32_t)t->cols, .bits = (uint32_t)t->bits, .line = t->line,
                                .plane = t->plane};
}

/* The last rows of the run that `t` holds. */
static struct prog_tensor left(const struct lower *l, const struct tensor *t, enum what_kind what)
{
    struct prog_tensor p = there(t, what);
    const struct work *w = l->w;
    uint64_t rest = w->seq % l->scope;
    if (w->kind == WORK_GEMM)
        return p;
    p.rows = decodes(w) ? w->batch : l->layer_major ? w->seq : rest ? rest : min64(l->scope, w->seq);
    p.pos = decodes(w) ? aff((int64_t)(w->seq + w->tokens - 1))
                       : aff((int64_t)(w->seq - p.rows) + (int64_t)(w->batch - 1) * PROG_SEQUENCE);
    return p;
}

void describe_image(struct lower *l)
{
    struct program *p = l->p;
    const struct work *w = l->w;
    p->heads = max64(w->shape.heads, 1);
    p->batch = w->batch;
    p->context = l->context;
    p->state_cols = l->state_dv;
    p->scope = l->scope;
    if (w->kind == WORK_GEMM) {
        put_matrix(l, WHAT_GEMM, WHAT_NONE, w->n, w->k, 0, false);
        p->input = there(&l->xn, WHAT_GEMM);
        p->output = left(l, &l->y, WHAT_GEMM);
        return;
    }
    put_layer(l);
    if (l->logits.used)
        put_matrix(l, WHAT_LOGITS, WHAT_NONE, w->shape.vocab, w->shape.d_model, l->w_lm, false);
    if (l->emb.used)
        p->embedding = there(&l->emb, WHAT_EMBED);
    if (w->kind == WORK_BLOCK)
        p->input = there(&l->x, WHAT_EMBED);
    if (w->kind == WORK_MSR)
        p->input = there(&l->xn, WHAT_LN1);
    if (l->keep_kv && !l->kv_local) {
        p->keys = there(&l->k, WHAT_KR);
        p->values = there(&l->v, WHAT_V);
    }
    if (l->state.used)
        p->state = there(&l->state, WHAT_STATE);
    enum what_kind last = w->shape.pre_norm ? WHAT_RES2 : WHAT_BACK2;
    p->output = w->kind == WORK_MSR ? left(l, &l->h, WHAT_MSR) : left(l, &l->x, last);
}

void report_homes(struct lower *l)
{
    struct tensor *t[MAX_TENSORS];
    unsigned n;
    home(l, "weights", l->weights_ext, weight_bytes(l));
    home(l, "embedding", l->emb.ext, embed_bytes(l));
    tensors(l, t, &n);
    for (unsigned i = 0; i < n; i++)
        home(l, t[i]->name, t[i]->ext,
             (t[i] == &l->g ? bytes_of(l->dv, l->g.bits) : t[i]->pitch) * t[i]->rows);
    home(l, "logits", false, tensor_bytes(&l->logits));
    if (l->kv_local)
        home(l, "keys and values", true, archive_rows(l) * (l->k.pitch + l->v.pitch));
    struct program *p = l->p;
    if (l->state_resident && p->n_homes < sizeof p->homes / sizeof p->homes[0])
        p->homes[p->n_homes++] = (struct prog_home){"state", "buffer", p->state_bytes};
}
