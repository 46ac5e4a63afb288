/* Rows of the moving operand past one weight set. */
#include "workloads/values_impl.h"

#include "base/num.h"

#include <inttypes.h>
#include <string.h>

struct mm {
    struct values *v;
    const struct vissued *is;
    const struct cmd *c;
    struct vslot *set;
    struct bytes *src, *dst;
    uint32_t row;    /* at hand, of the whole sweep */
    uint32_t lanes;  /* contraction elements that count for it */
    uint32_t cols;   /* outputs that count for it */
    int64_t pos;     /* its token */
    int32_t *acc;    /* of its first output */
    int32_t *words;  /* bits of its largest score, by block of keys; NULL: one scale for all rows */
    uint64_t macs;
};

static int32_t dot(const int16_t *a, const int16_t *b, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (uint32_t)(a[i] * b[i]);
    return (int32_t)sum;
}

/* How many of `n` keys from `at` on the row's token sees. */
static uint32_t seen(const struct mm *m, int64_t at, uint32_t n)
{
    int64_t see = m->pos - (m->is->key + at) + 1;
    return see < 0 ? 0 : see > (int64_t)n ? n : (uint32_t)see;
}

/* The row's operands as whole numbers. A triangular operand ends at the diagonal. */
static bool fetch(struct mm *m)
{
    const struct cmd *c = m->c;
    struct values *v = m->v;
    uint64_t bit = (uint64_t)m->is->k_at * c->a_bits;
    int64_t at = (int64_t)c->src_at + (int64_t)m->row * c->src_pitch + (int64_t)(bit / 8);
    m->lanes = c->causal == CAUSAL_VALUES ? (uint32_t)min64(m->row - (uint64_t)m->is->k_at + 1, c->k) : c->k;
    uint64_t bytes = div_up(bit % 8 + (uint64_t)m->lanes * c->a_bits, 8);
    const uint8_t *from = bytes_at(v, m->is, m->src, at, bytes);
    if (!from)
        return false;
    unpack(from, bit % 8, c->a_bits, m->lanes, v->a);
    return true;
}

/* ---- shifts of a row's scores ---- */

/* The block of keys that key `n` of the sweep is in, counted from the first that the row's form sees. */
static uint64_t key_block(const struct mm *m, int64_t n)
{
    uint64_t at = position(m->pos), key = position(m->is->key + n), block = m->v->q->q.score_block;
    uint64_t chunk = m->v->work->chunk, from = form_at(m->v, at) == NET_CHUNKWISE ? at / chunk * chunk : 0;
    return block ? (key - from) / block : 0;
}

static int shift_of(const struct mm *m, uint64_t block)
{
    return row_shift((unsigned)m->words[block], m->v->q->q.score_bits);
}

/* The smallest shift of the row: the step of its sums. */
static int row_step(const struct mm *m)
{
    uint64_t last = key_block(m, m->pos - m->is->key);
    int step = shift_of(m, 0);
    for (uint64_t b = 1; b <= last; b++)
        step = shift_of(m, b) < step ? shift_of(m, b) : step;
    return step;
}

/* By how much products of the set's scores are shifted to be of that step. */
static unsigned score_step_up(const struct mm *m)
{
    if (!seen(m, m->is->k_at, 1))
        return 0;
    return (unsigned)(shift_of(m, key_block(m, m->is->k_at)) - row_step(m));
}

/* The words of the row at hand, enough for the last key that it sees. */
static bool find_words(struct mm *m)
{
    const struct cmd *c = m->c;
    uint64_t at = c->row_at + (uint64_t)m->row * c->row_words;
    if (!c->row_words)
        return true;
    m->words = m->v->acc + at;
    if (at + c->row_words > m->v->n_acc || key_block(m, m->pos - m->is->key) >= c->row_words)
        return values_fail(m->v, m->is, "row %u has %u words for its shifts at %" PRIu64, m->row,
                           c->row_words, at);
    return true;
}

/* Numbers that nobody wrote meet zeros or make results that do not count. */
static bool known(const struct mm *m, uint32_t col)
{
    const uint8_t *set = m->set->w_set + (uint64_t)col * m->set->k;
    for (uint32_t i = 0; i < m->lanes; i++)
        if (!set[i] && m->v->a[i])
            return values_fail(m->v, m->is, "output %u takes weight %u of its set, which nobody wrote", col,
                               i);
    return true;
}

static bool multiply(struct mm *m)
{
    const struct cmd *c = m->c;
    unsigned up = c->src.ring == RING_SCORE && c->row_words > 1 ? score_step_up(m) : 0;
    for (uint32_t n = 0; n < m->cols; n++) {
        if (!m->set->whole && !known(m, n))
            return false;
        uint32_t sum = (uint32_t)dot(m->v->a, m->set->w + (uint64_t)n * m->set->k, m->lanes);
        sum = up < 32 ? sum << up : 0;
        m->acc[n] = (int32_t)(c->first ? sum : (uint32_t)m->acc[n] + sum);
    }
    return true;
}

/* ---- results ---- */

static const struct rq *channels(const struct mm *m, enum what_kind what, uint64_t *width)
{
    const struct qnet *q = m->v->q;
    *width = 0; /* of a head */
    if (what == WHAT_GEMM || what == WHAT_LOGITS)
        return expected_rq(m->v->job->want, what);
    const struct qlayer *l = layer_of(m->v, m->is);
    switch (what) {
    case WHAT_Q: *width = q->n->dk; return l->rq_q;
    case WHAT_K: *width = q->n->dk; return l->rq_k;
    case WHAT_V: *width = q->n->dv; return l->rq_v;
    case WHAT_G: *width = q->n->dv; return l->rq_g;
    case WHAT_OUT: return l->rq_o;
    case WHAT_FC1: return l->rq_fc1;
    case WHAT_GATE: return l->rq_gate;
    case WHAT_FC2: return l->rq_fc2;
    case WHAT_MSR: return l->rq_msr;
    default: return NULL;
    }
}

/* Columns of a head, or of all when it is not by heads. */
static uint64_t outputs_of(const struct mm *m, enum what_kind what, uint64_t width)
{
    const struct net *n = m->v->n;
    if (width)
        return width;
    switch (what) {
    case WHAT_GEMM: return m->v->work->n;
    case WHAT_LOGITS: return n->vocab;
    case WHAT_FC1: case WHAT_GATE: return n->F;
    default: return n->d;
    }
}

static int32_t most_of(const struct mm *m, enum what_kind what)
{
    const struct qnet *q = m->v->q;
    switch (what) {
    case WHAT_Q: case WHAT_K: return q->rmax;
    case WHAT_OUT: case WHAT_FC2: return q->omax;
    case WHAT_LOGITS: return INT16_MAX;
    case WHAT_GEMM: return INT8_MAX;
    default: return q->amax;
    }
}

/* Requantised accumulators of the row in v->wide. */
static bool requantise(struct mm *m)
{
    const struct cmd *c = m->c;
    enum what_kind what = (enum what_kind)c->what;
    uint64_t width, head = (uint64_t)m->is->unit % m->v->heads;
    if (what == WHAT_RAW) {
        int shift = head_of(m->v, m->is)->o_shift[form_at(m->v, position(m->pos))];
        shift -= m->words ? row_step(m) - (int)m->v->q->q.decay_bits : 0;
        for (uint32_t n = 0; n < c->cols; n++)
            m->v->wide[n] = clip(shift_round(m->acc[n], shift), INT16_MAX);
        return true;
    }
    const struct rq *rq = channels(m, what, &width);
    if (!rq)
        return values_fail(m->v, m->is, "%s is nothing that a product makes", what_names[what]);
    int32_t most = most_of(m, what);
    uint64_t first = (uint64_t)m->is->col + (c->swapped ? m->row : (uint64_t)m->is->n_at);
    if (first + (c->swapped ? 1 : c->cols) > outputs_of(m, what, width))
        return values_fail(m->v, m->is, "column %" PRIu64 " of %s", first, what_names[what]);
    /* Rows are outputs when the roles are swapped, columns otherwise. */
    rq += head * width + first;
    for (uint32_t n = 0; n < c->cols; n++)
        m->v->wide[n] = clip(rq_apply(rq[c->swapped ? 0 : n], m->acc[n]), most);
    return true;
}

/* Numbers n of the row: side by side, or below each other when rows are outputs. */
static bool put_row(struct mm *m)
{
    const struct cmd *c = m->c;
    uint32_t lines = c->swapped ? c->cols : 1, each = c->swapped ? 1 : c->cols;
    for (uint32_t n = 0; n < c->cols; n++)
        m->v->out[n] = (int16_t)m->v->wide[n];
    for (uint32_t n = 0; n < lines; n++) {
        uint64_t row = c->swapped ? (uint64_t)m->is->n_at + n : m->row;
        uint64_t col = c->swapped ? m->row : (uint64_t)m->is->n_at, nt = m->v->geom.n_tile;
        uint64_t tile = c->dst_tile ? col / nt * c->dst_tile : 0;
        uint64_t bit = (c->dst_tile ? col % nt : col) * c->out_bits;
        uint64_t at = c->dst_at + row * c->dst_pitch + tile;
        uint8_t *to = bytes_put(m->v, m->is, m->dst, (int64_t)(at + bit / 8),
                                bytes_of(bit % 8 / c->out_bits + each, c->out_bits));
        if (!to)
            return false;
        pack(to, bit % 8, c->out_bits, each, m->v->out + n);
    }
    return true;
}

static void scores(struct mm *m)
{
    const struct qhead *h = head_of(m->v, m->is);
    int32_t top = (1 << (m->v->q->q.score_bits - 1)) - 1;
    int64_t distance = m->pos - (m->is->key + m->is->n_at);
    for (uint32_t n = 0; n < m->c->cols; n++, distance--) {
        int64_t s = distance < 0 ? 0 : decayed(&h->decay, (uint64_t)distance, m->acc[n]);
        if (m->words && distance >= 0)
            s = shift_round(s, shift_of(m, key_block(m, m->is->n_at + n)));
        else
            s = rq_apply(h->score, s);
        m->v->wide[n] = distance < 0 ? 0 : clip(s, top);
    }
}

/* The bits of the largest score that the row has in each block of keys. */
static void maxima(struct mm *m)
{
    const struct qhead *h = head_of(m->v, m->is);
    int64_t distance = m->pos - (m->is->key + m->is->n_at);
    for (uint32_t n = 0; n < m->c->cols && distance >= 0; n++, distance--) {
        int64_t s = decayed(&h->decay, (uint64_t)distance, m->acc[n]);
        int32_t *word = &m->words[key_block(m, m->is->n_at + n)];
        *word = (int32_t)max64((uint64_t)*word, bit_width((uint64_t)(s < 0 ? -s : s)));
    }
}

/* Queries x state: decayed, brought to the inner step, rounded once. */
static void cross(struct mm *m)
{
    const struct qhead *h = head_of(m->v, m->is);
    uint64_t distance = (uint64_t)(m->pos - m->is->key) + 1;
    int down = m->words ? row_step(m) - h->state.p - h->read_shift : 0; /* the table's bits cancel */
    for (uint32_t n = 0; n < m->c->cols; n++) {
        int64_t x = decayed(&h->decay, distance, m->acc[n]);
        m->acc[n] = (int32_t)(m->words ? shift_round(x, down) : rq_apply(h->to_inner, x));
    }
}

static bool update(struct mm *m)
{
    struct values *v = m->v;
    const struct cmd *c = m->c;
    const struct qhead *h = head_of(v, m->is);
    uint64_t unit = (uint64_t)m->is->unit, size = v->state_bytes, over = 0;
    uint64_t draw = state_draw(v->q->q.seed, unit / v->heads, unit % v->heads, position(m->is->pos));
    int64_t at = m->is->state + (int64_t)m->row * c->dst_pitch + m->is->n_at * (int64_t)size;
    const uint8_t *from = bytes_at(v, m->is, &v->state, at, c->cols * size);
    if (!from)
        return false;
    uint8_t *to = v->state.v + at;
    for (uint32_t n = 0; n < c->cols; n++) {
        int32_t s = size == 2 ? get16(from + 2 * n) : 0;
        if (size == 4)
            memcpy(&s, from + 4 * n, 4);
        uint64_t row = (uint64_t)m->is->key + m->row, col = (uint64_t)(m->is->col + m->is->n_at) + n;
        s = state_chunk(&h->state, draw, row * v->n->dv + col, s, h->gamma_pow[c->tokens], m->acc[n], &over);
        if (size == 2)
            put16(to + 2 * n, s);
        else
            memcpy(to + 4 * n, &s, 4);
    }
    return true;
}

static bool finish_row(struct mm *m)
{
    const struct cmd *c = m->c;
    switch (c->mm_dst) {
    case MM_ACC:
        if (c->what == WHAT_CROSS)
            cross(m);
        return true;
    case MM_SCORE:
        scores(m);
        return put_row(m);
    case MM_MAX:
        maxima(m);
        return true;
    case MM_STATE:
        return update(m);
    default:
        return requantise(m) && put_row(m);
    }
}

static bool one_row(struct mm *m)
{
    const struct cmd *c = m->c;
    bool score = c->what == WHAT_SCORE, weigh = c->src.ring == RING_SCORE;
    int64_t index = (int64_t)c->acc_offset + (int64_t)m->row * c->acc_pitch + (c->acc_tile ? 0 : m->is->n_at);
    if (index < 0 || (uint64_t)index + c->cols > m->v->n_acc)
        return values_fail(m->v, m->is, "accumulators %" PRId64 "..%" PRId64 " of %" PRIu64, index,
                           index + c->cols - 1, m->v->n_acc);
    m->acc = m->v->acc + index;
    m->pos = m->is->pos + (int64_t)(m->row * c->pos_step);
    if (!find_words(m) || !fetch(m))
        return false;
    activity_row(m->v, c, m->lanes);
    m->cols = score ? seen(m, m->is->n_at, c->cols) : c->cols;
    uint32_t lanes = weigh ? (uint32_t)min64(seen(m, m->is->k_at, c->k), m->lanes) : m->lanes;
    m->macs += (uint64_t)m->cols * lanes;
    bool open = c->causal == CAUSAL_VALUES && m->row >= m->is->k_at + c->k; /* goes on in a later set */
    return multiply(m) && (!c->last || open || finish_row(m));
}

/* The array spends a full set's MACs on each row; one that keeps outputs works on whole tiles of rows. */
static uint64_t issued(const struct values *v, const struct vissued *is)
{
    const struct engine_cfg *e = ARCH_CFG(v->job->arch, engine);
    const struct cmd *c = is->c;
    if (e->style == ENGINE_SYSTOLIC && e->dataflow == FLOW_OS)
        return round_up(is->rows, e->rows) * v->geom.n_tile * div_up(c->k, c->k_scale) * c->k_scale;
    return (uint64_t)is->rows * v->geom.n_tile * v->geom.k_tile * c->k_scale;
}

bool run_mm(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    struct mm m = {.v = v, .is = is, .c = c, .set = slot_of(v, &c->set, is->set)};
    uint32_t first = 0;
    m.src = &slot_of(v, &c->src, is->src)->b;
    if (m.set->k != c->k || m.set->cols != c->cols)
        return values_fail(v, is, "takes a set of %u x %u, and the slot has one of %u x %u", c->cols, c->k,
                           m.set->cols, m.set->k);
    if (c->mm_dst == MM_OUT || c->mm_dst == MM_SCORE) {
        struct vring *r = &v->ring[c->mm_dst == MM_OUT ? RING_OUT : RING_SCORE];
        m.dst = &r->slot[is->dst % r->n_slots].b;
    }
    if (c->causal == CAUSAL_SCORES)
        first = (uint32_t)is->n_at;
    if (c->causal == CAUSAL_VALUES)
        first = (uint32_t)is->k_at;
    for (uint32_t r = 0; r < is->rows; r++) {
        m.row = first + r;
        if (!one_row(&m))
            return false;
    }
    v->counts->macs += c->again ? 0 : m.macs;
    v->counts->macs_issued += issued(v, is);
    activity_set(v, m.set, is->rows, issued(v, is));
    return true;
}

bool run_flash(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    if ((uint64_t)c->acc_offset + c->cols > v->n_acc)
        return values_fail(v, is, "accumulators %u..%u of %" PRIu64, c->acc_offset,
                           c->acc_offset + c->cols - 1, v->n_acc);
    memset(v->acc + c->acc_offset, 0, c->cols * sizeof *v->acc);
    return true;
}
