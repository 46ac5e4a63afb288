/* What the memories hold before the run, and what they must hold after it. */
#include "workloads/values_impl.h"

#include "base/num.h"

#include <inttypes.h>
#include <string.h>

struct image {
    struct values *v;
    struct vissued none; /* stands for the builder in errors */
    struct cmd c;
};

static struct bytes *memory(struct values *v, bool ext)
{
    return ext ? &v->ext : &v->l2;
}

static const struct qmat *matrix_of(const struct values *v, enum what_kind what, uint64_t layer)
{
    const struct qlayer *l = &v->q->layer[layer];
    switch (what) {
    case WHAT_Q: return &l->wq;
    case WHAT_K: return &l->wk;
    case WHAT_V: return &l->wv;
    case WHAT_G: return &l->wg;
    case WHAT_OUT: case WHAT_MSR: return &l->wo;
    case WHAT_FC1: return &l->fc1;
    case WHAT_GATE: return &l->gate;
    case WHAT_FC2: return &l->fc2;
    default: return &v->q->lm;
    }
}

/* Weights that make output `out` of a matrix. */
static const int16_t *weights_of(const struct values *v, enum what_kind what, uint64_t layer, uint64_t out)
{
    if (what == WHAT_GEMM)
        return expected_weights(v->job->want, out);
    const struct qmat *m = matrix_of(v, what, layer);
    return m->w + out * m->in;
}

struct slab { /* one matrix, or two that take turns, of a layer and head */
    const struct prog_matrix *m;
    uint64_t layer, first; /* first output in the network's matrix */
    int64_t at;
};

/* Contraction elements [k0, k0 + k) of outputs [n0, n0 + n): `line` outputs follow each other. */
static bool put_set(struct image *im, const struct slab *s, unsigned part, uint64_t n0, uint64_t n,
                    uint64_t k0,
                    uint64_t k, int64_t at)
{
    struct values *v = im->v;
    uint8_t *to = bytes_put(v, &im->none, memory(v, s->m->ext), at, bytes_of(n * k, s->m->bits));
    if (!to)
        return false;
    for (uint64_t o = 0; o < n; o++) {
        const int16_t *w = weights_of(v, (enum what_kind)s->m->what[part], s->layer, s->first + n0 + o);
        pack(to, o * k * s->m->bits, s->m->bits, k, w + k0);
    }
    return true;
}

static bool put_slab(struct image *im, const struct slab *s)
{
    const struct prog_matrix *m = s->m;
    unsigned parts = m->what[1] == WHAT_NONE ? 1 : 2;
    uint64_t nt = m->by_rows ? 1 : m->n_tile, kt = m->by_rows ? m->k : m->k_tile;
    int64_t at = s->at;
    for (uint64_t n0 = 0; n0 < m->n; n0 += nt)
        for (unsigned part = 0; part < parts; part++)
            for (uint64_t k0 = 0; k0 < m->k; k0 += kt) {
                uint64_t n = min64(nt, m->n - n0), k = min64(kt, m->k - k0);
                if (!put_set(im, s, part, n0, n, k0, k, at))
                    return false;
                at += (int64_t)bytes_of(n * k, m->bits);
            }
    return true;
}

static bool put_matrix(struct image *im, const struct prog_matrix *m)
{
    const struct shape *s = &im->v->work->shape;
    bool lone = m->what[0] == WHAT_LOGITS || m->what[0] == WHAT_GEMM;
    uint64_t layers = lone ? 1 : s->layers, heads = m->head_bytes ? s->heads : 1;
    for (uint64_t l = 0; l < layers; l++)
        for (uint64_t h = 0; h < heads; h++) {
            struct slab slab = {m, l, h * m->n, m->at + (int64_t)(l * m->layer_bytes + h * m->head_bytes)};
            if (!put_slab(im, &slab))
                return false;
        }
    return true;
}

static bool put_row(struct image *im, const struct prog_tensor *t, uint64_t row, const int16_t *from)
{
    uint8_t *to = bytes_put(im->v, &im->none, memory(im->v, t->ext), t->at + (int64_t)(row * t->pitch),
                            bytes_of(t->cols, t->bits));
    if (to)
        pack(to, 0, t->bits, t->cols, from);
    return to != NULL;
}

/* Row `row` of unit `unit` of a cache, whole or by tiles. */
static bool put_cached(struct image *im, const struct prog_tensor *t, uint64_t unit, uint64_t row,
                       const int16_t *from)
{
    struct values *v = im->v;
    uint64_t n = t->plane ? v->geom.n_tile : t->cols;
    int64_t at = t->at + (int64_t)(unit * v->p->context * t->pitch + row * t->line);
    for (uint64_t c = 0; c < t->cols; c += n, at += (int64_t)t->plane) {
        uint8_t *to = bytes_put(v, &im->none, memory(v, t->ext), at, bytes_of(n, t->bits));
        if (!to)
            return false;
        pack(to, 0, t->bits, n, from + c);
    }
    return true;
}

static bool put_rows(struct image *im)
{
    struct values *v = im->v;
    const struct prog_tensor *e = &v->p->embedding, *in = &v->p->input;
    for (uint64_t r = 0; r < e->rows; r++)
        if (!put_row(im, e, r, v->q->embed.w + r * e->cols))
            return false;
    for (uint64_t r = 0; r < in->rows; r++)
        if (!put_row(im, in, r, expected_input(v->job->want, r)))
            return false;
    return true;
}

/* The state of a head in slices of columns; zero before a prefill. */
static bool put_state(struct image *im, uint64_t unit, uint64_t seq, struct bytes *m, int64_t at,
                      uint64_t pitch)
{
    struct values *v = im->v;
    uint64_t dk = v->n->dk, dv = v->n->dv, size = v->state_bytes, step = v->p->state_cols;
    const int32_t *s = NULL;
    if (v->work->phase == PHASE_DECODE && v->work->decode == DECODE_STATE)
        s = expected_state(v->job->want, seq, unit / v->heads) + unit % v->heads * dk * dv;
    for (uint64_t c0 = 0; c0 < dv; c0 += step, at += (int64_t)pitch) {
        uint64_t n = min64(step, dv - c0);
        uint8_t *to = bytes_put(v, &im->none, m, at, dk * n * size);
        for (uint64_t i = 0; to && i < dk * n; i++) {
            int32_t x = s ? s[i / n * dv + c0 + i % n] : 0;
            if (size == 2)
                put16(to + 2 * i, x);
            else
                memcpy(to + 4 * i, &x, 4);
        }
        if (!to)
            return false;
    }
    return true;
}

static bool put_states(struct image *im)
{
    struct values *v = im->v;
    const struct prog_tensor *t = &v->p->state;
    uint64_t slice = v->n->dk * v->p->state_cols * v->state_bytes;
    uint64_t slices = div_up(v->n->dv, v->p->state_cols);
    uint64_t units = v->work->shape.layers * v->heads, all = units * v->p->batch * slices;
    bool resident = !t->rows && v->p->state_bytes >= all * slice;
    if (!t->rows && !resident)
        return true;
    for (uint64_t u = 0; u < units; u++)
        for (uint64_t s = 0; s < v->p->batch; s++) {
            int64_t at = (int64_t)((u * v->p->batch + s) * slices * slice);
            struct bytes *m = resident ? &v->state : memory(v, t->ext);
            if (!put_state(im, u, s, m, resident ? at : at + t->at, slice))
                return false;
        }
    return true;
}

/* Keys and values of the tokens before a decode. */
static bool put_cache(struct image *im, const struct prog_tensor *t, enum point p, uint64_t width)
{
    struct values *v = im->v;
    const struct work *w = v->work;
    uint64_t S = expected_tokens(v->job->want);
    if (w->phase != PHASE_DECODE || !t->rows)
        return true;
    for (uint64_t u = 0; u < w->shape.layers * v->heads; u++)
        for (uint64_t s = 0; s < w->batch; s++) {
            const int32_t *from = expected_point(v->job->want, s, u / v->heads, p);
            uint64_t h = u % v->heads;
            for (uint64_t r = 0; r < w->seq; r++) {
                uint64_t at = p == P_KR ? h * S + r : r * v->heads + h;
                const int32_t *row = from + at * width;
                for (uint64_t i = 0; i < width; i++)
                    v->a[i] = (int16_t)row[i];
                if (!put_cached(im, t, u * w->batch + s, r, v->a))
                    return false;
            }
        }
    return true;
}

static struct image image_of(struct values *v)
{
    struct image im = {.v = v};
    im.c.op = OP_TAKE;
    return im;
}

bool image_build(struct values *v)
{
    struct image im = image_of(v);
    im.none.c = &im.c;
    for (unsigned i = 0; i < v->p->n_matrices; i++)
        if (!put_matrix(&im, &v->p->matrices[i]))
            return false;
    if (!put_rows(&im) || v->work->kind == WORK_GEMM)
        return !v->failed;
    return put_states(&im) && put_cache(&im, &v->p->keys, P_KR, v->n->dk) &&
           put_cache(&im, &v->p->values, P_V, v->n->dv);
}

bool image_check(struct values *v)
{
    const struct prog_tensor *t = &v->p->output;
    struct image im = image_of(v);
    bool decode = v->work->phase != PHASE_PREFILL && v->work->kind != WORK_GEMM;
    struct cmd *c = &im.c;
    im.none.c = c;
    c->what = t->what;
    c->cols = t->cols;
    c->out_bits = (uint8_t)t->bits;
    c->row_bytes = (uint32_t)bytes_of(t->cols, t->bits);
    c->rows = 1;
    im.none.unit = (int64_t)((max64(v->work->shape.layers, 1) - 1) * v->heads);
    for (uint64_t r = 0; r < t->rows; r++) {
        im.none.pos = t->pos.c + (int64_t)r * (decode ? PROG_SEQUENCE : 1);
        im.none.addr = t->at + (int64_t)(r * t->pitch);
        if (!check_row(v, &im.none, memory(v, t->ext)))
            return false;
    }
    return true;
}
