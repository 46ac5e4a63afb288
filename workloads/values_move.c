/* Bytes between memories and slots. */
#include "workloads/values_impl.h"

#include "base/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool inside(struct values *v, const struct vissued *is, const struct bytes *m, int64_t at, uint64_t n)
{
    if (at >= 0 && (uint64_t)at + n <= m->n)
        return true;
    return values_fail(v, is, "bytes %" PRId64 "..%" PRId64 " of %s, which has %" PRIu64, at,
                       at + (int64_t)n - 1, m->name, m->n);
}

void bytes_hold(struct bytes *m, uint64_t n)
{
    uint64_t most = min64(max64(n, 2 * m->held), m->n);
    if (n <= m->held)
        return;
    m->v = xrealloc(m->v, most, 1);
    m->set = xrealloc(m->set, most, 1);
    memset(m->set + m->held, 0, most - m->held);
    m->held = most;
}

const uint8_t *bytes_at(struct values *v, const struct vissued *is, const struct bytes *m, int64_t at,
                        uint64_t n)
{
    if (!inside(v, is, m, at, n))
        return NULL;
    if ((uint64_t)at + n > m->held) {
        values_fail(v, is, "reads bytes up to %" PRId64 " of %s, which nobody wrote", at + (int64_t)n - 1,
                    m->name);
        return NULL;
    }
    const uint8_t *gap = memchr(m->set + at, 0, n);
    if (!gap)
        return m->v + at;
    values_fail(v, is, "reads byte %" PRId64 " of %s, which nobody wrote", (int64_t)(gap - m->set), m->name);
    return NULL;
}

uint8_t *bytes_put(struct values *v, const struct vissued *is, struct bytes *m, int64_t at, uint64_t n)
{
    if (!inside(v, is, m, at, n))
        return NULL;
    bytes_hold(m, (uint64_t)at + n);
    memset(m->set + at, 1, n);
    return m->v + at;
}

void unpack(const uint8_t *b, uint64_t at, unsigned bits, uint64_t n, int16_t *to)
{
    if (bits == 16) {
        for (uint64_t i = 0; i < n; i++)
            to[i] = get16(b + at / 8 + 2 * i);
        return;
    }
    if (bits == 8 && at % 8 == 0) {
        const int8_t *s = (const int8_t *)b + at / 8;
        for (uint64_t i = 0; i < n; i++)
            to[i] = s[i];
        return;
    }
    for (uint64_t i = 0; i < n; i++, at += bits) {
        unsigned low = (unsigned)(at % 8), all = b[at / 8];
        if (low + bits > 8)
            all |= (unsigned)b[at / 8 + 1] << 8;
        all = (all >> low) & ((1u << bits) - 1);
        to[i] = (int16_t)(all >> (bits - 1) ? (int)all - (1 << bits) : (int)all);
    }
}

void pack(uint8_t *b, uint64_t at, unsigned bits, uint64_t n, const int16_t *from)
{
    b += at / 8;
    at %= 8;
    if (bits == 16 || (bits == 8 && !at)) {
        for (uint64_t i = 0; i < n; i++) {
            if (bits == 16)
                put16(b + 2 * i, from[i]);
            else
                b[i] = (uint8_t)from[i];
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++, at += bits) {
        unsigned low = (unsigned)(at % 8), mask = ((1u << bits) - 1) << low;
        unsigned all = (unsigned)from[i] << low & mask;
        uint8_t *to = b + at / 8;
        to[0] = (uint8_t)((to[0] & ~mask) | all);
        if (low + bits > 8)
            to[1] = (uint8_t)((to[1] & ~(mask >> 8)) | all >> 8);
    }
}

static void count_l2(struct values *v, const struct cmd *c, bool write)
{
    v->counts->traffic[c->tensor][write] += (uint64_t)c->rows * c->row_bytes * c->planes;
}

static int64_t line_at(const struct values *v, const struct vissued *is, uint32_t row)
{
    const struct cmd *c = is->c;
    if (!c->gather)
        return is->addr + row * c->row_stride;
    uint64_t token = expected_token(v->job->want, is->pos + (int64_t)(row * c->pos_step));
    return c->table + (int64_t)token * c->row_stride;
}

struct line { /* of a load: its bytes in L2, which of them somebody wrote */
    const uint8_t *from, *known;
    uint32_t row;
};

/* As it is. What nobody wrote stays so: it must not be used. */
static bool load_plain(struct values *v, const struct vissued *is, struct bytes *slot, const struct line *s)
{
    const struct cmd *c = is->c;
    int64_t to = (int64_t)c->buf_offset + (int64_t)s->row * (c->buf_pitch ? c->buf_pitch : c->row_bytes);
    if (!inside(v, is, slot, to, c->row_bytes))
        return false;
    bytes_hold(slot, (uint64_t)to + c->row_bytes);
    memcpy(slot->v + to, s->from, c->row_bytes);
    memcpy(slot->set + to, s->known, c->row_bytes);
    return true;
}

/* Numbers of the line below each other: a token is a column. */
static bool load_transposed(struct values *v, const struct vissued *is, struct bytes *slot,
                            const struct line *s)
{
    const struct cmd *c = is->c;
    uint32_t bits = c->out_bits;
    for (uint32_t i = 0; i < c->cols; i++) {
        int64_t bit = (int64_t)s->row * bits;
        int64_t to = (int64_t)c->buf_offset + (int64_t)i * c->buf_pitch + bit / 8;
        int16_t x;
        if (!inside(v, is, slot, to, 1))
            return false;
        bytes_hold(slot, (uint64_t)to + 1);
        unpack(s->from, (uint64_t)i * bits, bits, 1, &x);
        pack(slot->v + to, (uint64_t)bit % 8, bits, 1, &x);
        slot->set[to] = s->known[(uint64_t)i * bits / 8];
    }
    return true;
}

bool run_load(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    struct bytes *slot = &slot_of(v, &c->dst, is->dst)->b;
    count_l2(v, c, false);
    for (uint32_t r = 0; r < c->rows; r++) {
        int64_t at = line_at(v, is, r);
        if (!inside(v, is, &v->l2, at, c->row_bytes))
            return false;
        const struct line s = {v->l2.v + at, v->l2.set + at, r};
        activity_line(v, UNIT_LOAD, s.from, c->row_bytes);
        if (!(c->transpose ? load_transposed(v, is, slot, &s) : load_plain(v, is, slot, &s)))
            return false;
    }
    return true;
}

static bool compare(struct values *v, const struct vissued *is, const uint8_t *from, uint32_t row,
                    uint64_t first)
{
    const struct cmd *c = is->c;
    int64_t col = is->col + (int64_t)first;
    int32_t should = 0;
    int64_t pos = is->pos + (int64_t)(row * c->pos_step);
    unpack(from, 0, c->out_bits, c->cols, v->out);
    for (uint32_t i = 0; i < c->cols; i++)
        v->wide[i] = v->out[i];
    v->counts->compared += c->cols;
    int64_t bad = expected_differs(v->job->want, (enum what_kind)c->what, (uint64_t)is->unit,
                                   (uint64_t)col, pos,
                                   v->wide, c->cols, &should);
    if (bad < 0)
        return true;
    return values_fail(v, is,
                       "%s of layer %" PRIu64 ", head %" PRIu64 ", sequence %" PRIu64 ", token %" PRIu64
                       ", column %" PRIu64 " is %d; the golden model has %d", what_names[c->what],
                       (uint64_t)is->unit / v->heads, (uint64_t)is->unit % v->heads,
                       (uint64_t)(pos / PROG_SEQUENCE), position(pos), (uint64_t)(col + bad),
                       v->wide[bad],
                       should);
}

bool run_store(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    struct bytes *slot = &slot_of(v, &c->src, is->src)->b;
    uint64_t bytes = (uint64_t)c->rows * c->row_bytes, row = bytes_of(c->cols, c->out_bits);
    count_l2(v, c, true);
    const uint8_t *from = bytes_at(v, is, slot, c->src_at, bytes);
    if (!from)
        return false;
    uint64_t tokens = c->tiled && row ? c->row_bytes / row : UINT64_MAX; /* of a tile */
    for (uint64_t r = 0; row && r < bytes / row; r++)
        if (!compare(v, is, from + r * row, (uint32_t)(r % tokens), r / tokens * c->cols))
            return false;
    for (uint32_t r = 0; r < c->rows; r++) {
        uint8_t *to = bytes_put(v, is, &v->l2, is->addr + r * c->row_stride, c->row_bytes);
        if (!to)
            return false;
        memcpy(to, from + (uint64_t)r * c->row_bytes, c->row_bytes);
        activity_line(v, UNIT_STORE, to, c->row_bytes);
    }
    return true;
}

bool run_take(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    for (uint32_t r = 0; r < c->rows; r++) {
        const uint8_t *from = bytes_at(v, is, &v->l2, is->addr + r * c->row_stride, c->row_bytes);
        if (!from || !compare(v, is, from, r, 0))
            return false;
    }
    return true;
}

bool check_row(struct values *v, const struct vissued *is, const struct bytes *m)
{
    const uint8_t *from = bytes_at(v, is, m, is->addr, is->c->row_bytes);
    return from && compare(v, is, from, 0, 0);
}

/* Off-chip bytes of the tensor that a move names, and of no other. */
static bool of_tensor(struct values *v, const struct vissued *is, int64_t at, uint64_t n)
{
    uint8_t tensor = is->c->tensor;
    for (unsigned i = 0; i < v->p->n_regions; i++) {
        const struct prog_region *r = &v->p->regions[i];
        if (r->tensor == tensor && at >= (int64_t)r->at && (uint64_t)at + n <= r->at + r->bytes)
            return true;
    }
    return values_fail(v, is, "bytes %" PRId64 "..%" PRId64 " of %s are not all of one tensor of kind %s", at,
                       at + (int64_t)n - 1, v->ext.name, tensor_kind_names[tensor]);
}

bool run_transfer(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    bool rx = c->op == OP_UDMA_RX;
    struct bytes *from = rx ? &v->ext : &v->l2, *to = rx ? &v->l2 : &v->ext;
    int64_t at = rx ? is->ext : is->addr, put = rx ? is->addr : is->ext;
    if (c->gather)
        at = c->table + (int64_t)(expected_token(v->job->want, is->pos) * c->row_bytes);
    v->counts->traffic[c->tensor][rx ? 2 : 3] += (uint64_t)c->rows * c->row_bytes;
    for (uint32_t r = 0; r < c->rows; r++) {
        if (!inside(v, is, from, at, c->row_bytes) || !inside(v, is, to, put, c->row_bytes) ||
            !of_tensor(v, is, rx ? at : put, c->row_bytes))
            return false;
        memcpy(to->v + put, from->v + at, c->row_bytes);
        memcpy(to->set + put, from->set + at, c->row_bytes);
        at += rx ? c->row_stride : c->row_bytes;
        put += rx ? c->row_bytes : c->row_stride;
    }
    return true;
}

/* ---- weight sets ---- */

static bool set_room(struct vslot *s, uint64_t n)
{
    if (n > s->cap) {
        s->w = xrealloc(s->w, n, sizeof *s->w);
        s->w_set = xrealloc(s->w_set, n, 1);
        s->cap = n;
    }
    memset(s->w_set, 1, n);
    s->whole = true;
    return true;
}

static void unknown(struct vslot *s, uint64_t i)
{
    s->w_set[i] = 0;
    s->whole = false;
}

/* The state as read_bits wide values. */
static bool set_from_state(struct values *v, const struct vissued *is, struct vslot *s)
{
    const struct cmd *c = is->c;
    int shift = head_of(v, is)->read_shift;
    int32_t top = (1 << (v->q->q.read_bits - 1)) - 1;
    for (uint32_t k = 0; k < c->k; k++) {
        int64_t at = is->state + (is->k_at + k) * c->src_pitch + is->n_at * (int64_t)v->state_bytes;
        const uint8_t *from = bytes_at(v, is, &v->state, at, c->cols * v->state_bytes);
        if (!from)
            return false;
        for (uint32_t n = 0; n < c->cols; n++) {
            int32_t x = v->state_bytes == 2 ? get16(from + 2 * n) : 0;
            if (v->state_bytes == 4)
                memcpy(&x, from + 4 * n, 4);
            s->w[n * c->k + k] = (int16_t)clip(shift_round(x, shift), top);
        }
    }
    return true;
}

static bool written(const uint8_t *known, uint64_t i, unsigned bits)
{
    return known[i * bits / 8] && known[((i + 1) * bits - 1) / 8];
}

/* Lines of contraction elements, one or several: transposed on the way in. */
static void set_transposed(struct vslot *s, const struct cmd *c, uint32_t line, const uint8_t *from,
                           const uint8_t *known)
{
    uint32_t each = c->k / c->rows;
    for (uint32_t i = 0; i < each * c->cols; i++) {
        uint32_t at = i % c->cols * c->k + line * each + i / c->cols;
        unpack(from, (uint64_t)i * c->w_bits, c->w_bits, 1, s->w + at);
        if (!written(known, i, c->w_bits))
            unknown(s, at);
    }
}

/* Lines of whole outputs, one or several. */
static void set_outputs(struct vslot *s, const struct cmd *c, uint32_t line, const uint8_t *from,
                        const uint8_t *known)
{
    uint32_t n = c->cols / c->rows * c->k, first = line * n;
    unpack(from, 0, c->w_bits, n, s->w + first);
    if (!memchr(known, 0, c->row_bytes))
        return;
    for (uint32_t i = 0; i < n; i++)
        if (!written(known, i, c->w_bits))
            unknown(s, first + i);
}

bool run_set(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    struct vslot *s = slot_of(v, &c->dst, is->dst);
    if ((uint64_t)c->cols * c->k > (uint64_t)v->geom.n_tile * v->geom.k_tile * 16 || !c->cols || !c->k)
        return values_fail(v, is, "a set of %u x %u is not one of this array", c->cols, c->k);
    set_room(s, (uint64_t)c->cols * c->k);
    s->cols = c->cols;
    s->k = c->k;
    if (c->from_state)
        return set_from_state(v, is, s);
    count_l2(v, c, false);
    for (uint32_t r = 0; r < c->rows; r++) {
        int64_t at = is->addr + r * c->row_stride;
        if (!inside(v, is, &v->l2, at, c->row_bytes))
            return false;
        activity_line(v, UNIT_WEIGHT, v->l2.v + at, c->row_bytes);
        if (c->transpose)
            set_transposed(s, c, r, v->l2.v + at, v->l2.set + at);
        else
            set_outputs(s, c, r, v->l2.v + at, v->l2.set + at);
    }
    return true;
}

/* ---- states ---- */

bool run_state_move(struct values *v, const struct vissued *is)
{
    const struct cmd *c = is->c;
    bool load = c->op == OP_RET_LOAD;
    count_l2(v, c, !load);
    const uint8_t *from = load ? bytes_at(v, is, &v->l2, is->addr, c->row_bytes)
                               : bytes_at(v, is, &v->state, is->state, c->row_bytes);
    uint8_t *to = !from ? NULL : load ? bytes_put(v, is, &v->state, is->state, c->row_bytes)
                                      : bytes_put(v, is, &v->l2, is->addr, c->row_bytes);
    if (to) {
        memcpy(to, from, c->row_bytes);
        activity_line(v, load ? UNIT_LOAD : UNIT_STORE, to, c->row_bytes);
    }
    return to != NULL;
}
