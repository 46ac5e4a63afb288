/* A calibrated network as a directory: network.yaml and .npy tensors. One description of
 * what there is serves writing and reading. */
#include "workloads/qnet.h"
#include "workloads/requant32.h"

#include "base/num.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct qio {
    struct qnet *q;
    const char *dir, *prefix; /* "" or "l3_" */
    bool writing, ok;
    struct err *err;
};

/* Copies `n` numbers out of or into a tensor's doubles. */
typedef void (*pass_fn)(void *at, double *v, uint64_t n, bool writing);

static void pass_i16(void *at, double *v, uint64_t n, bool writing)
{
    int16_t *p = at;
    for (uint64_t i = 0; i < n; i++)
        if (writing)
            v[i] = p[i];
        else
            p[i] = (int16_t)v[i];
}

static void pass_u16(void *at, double *v, uint64_t n, bool writing)
{
    uint16_t *p = at;
    for (uint64_t i = 0; i < n; i++)
        if (writing)
            v[i] = p[i];
        else
            p[i] = (uint16_t)v[i];
}

static void pass_u32(void *at, double *v, uint64_t n, bool writing)
{
    uint32_t *p = at;
    for (uint64_t i = 0; i < n; i++)
        if (writing)
            v[i] = p[i];
        else
            p[i] = (uint32_t)v[i];
}

/* Whole numbers that came from doubles: exact. */
static void pass_u64(void *at, double *v, uint64_t n, bool writing)
{
    uint64_t *p = at;
    for (uint64_t i = 0; i < n; i++)
        if (writing)
            v[i] = (double)p[i];
        else
            p[i] = v[i] >= 0 && v[i] < 0x1p63 ? (uint64_t)v[i] : 0;
}

static void pass_f64(void *at, double *v, uint64_t n, bool writing)
{
    if (writing)
        memcpy(v, at, n * sizeof *v);
    else
        memcpy(at, v, n * sizeof *v);
}

/* multiplier and shift; what is added follows from the rounding */
static void pass_rq(void *at, double *v, uint64_t n, bool writing)
{
    struct rq *p = at;
    for (uint64_t i = 0; i < n / 2; i++) {
        if (writing) {
            v[2 * i] = p[i].m;
            v[2 * i + 1] = p[i].sh;
        } else {
            p[i].m = (int32_t)v[2 * i];
            p[i].sh = (int)v[2 * i + 1];
        }
    }
}

/* The layer comes after the first word: w_q of layer 3 is w_l3_q. */
static const char *file_of(struct qio *io, const char *name)
{
    const char *rest = strchr(name, '_');
    int first = rest ? (int)(rest + 1 - name) : 0;
    return arena_printf(&io->q->arena, "%s/%.*s%s%s.npy", io->dir, first, name, io->prefix, name + first);
}

/* Tables are U0.16 or narrower. */
static bool in_range(struct qio *io, const char *path, const struct npy *t, pass_fn pass)
{
    struct place place = {.file = path};
    for (uint64_t i = 0; i < t->n && (pass == pass_u16 || pass == pass_u32); i++)
        if (t->v[i] < 0 || t->v[i] > UINT16_MAX)
            return io->ok = err_add(io->err, ERR_DATA, &place,
                                    "element %" PRIu64 " is not from 0 to 65535", i);
    return true;
}

/* A tensor of rows x cols elements (rows 0: a vector). */
static void tensor(struct qio *io, const char *name, enum npy_type type, uint64_t rows, uint64_t cols,
                   pass_fn pass, void *at)
{
    uint64_t dim[2] = {rows ? rows : cols, cols}, n = max64(rows, 1) * cols;
    const char *path = file_of(io, name);
    if (!io->ok || n == 0)
        return;
    if (io->writing) {
        double *v = xrealloc(NULL, n, sizeof *v);
        pass(at, v, n, true);
        io->ok = npy_save(path, type, rows ? 2 : 1, dim, v, io->err);
        free(v);
        return;
    }
    struct npy t;
    struct place place = {.file = path};
    io->ok = npy_load(&io->q->arena, path, &t, io->err);
    if (!io->ok)
        return;
    if (t.type != type || t.n_dims != (rows ? 2u : 1u) || t.dim[0] != dim[0] || (rows && t.dim[1] != cols))
        io->ok = err_add(io->err, ERR_DATA, &place,
                         "it is not of the type and shape that the network asks for: %" PRIu64 " x %" PRIu64,
                         dim[0], rows ? cols : 1);
    else if (in_range(io, path, &t, pass))
        pass(at, (double *)(uintptr_t)t.v, n, false);
}

static void requant_up_to(struct qio *io, const char *name, struct rq *rq, uint64_t n, int32_t most)
{
    tensor(io, name, NPY_I32, n, 2, pass_rq, rq);
    for (uint64_t i = 0; i < n && !io->writing && io->ok; i++) {
        if (rq[i].sh < -31 || rq[i].sh > 62 || rq[i].m < 0 || rq[i].m > most) {
            struct place at = {.file = file_of(io, name)};
            io->ok = err_add(io->err, ERR_DATA, &at,
                             "row %" PRIu64 " is no multiplier from 0 to %d and shift from -31 to 62", i,
                             most);
            return;
        }
        bool half = rq[i].sh > 0 && io->q->q.requant != REQUANT_FLOOR && rq[i].m;
        rq[i].add = half ? INT64_C(1) << (rq[i].sh - 1) : 0;
    }
}

static void requant(struct qio *io, const char *name, struct rq *rq, uint64_t n)
{
    requant_up_to(io, name, rq, n, INT16_MAX);
}

static void *storage(struct qio *io, void *at, uint64_t n, uint64_t size)
{
    return io->writing ? at : arena_alloc(&io->q->arena, max64(n, 1) * size);
}

static struct rq *channels(struct qio *io, const char *name, struct rq *rq, uint64_t n)
{
    rq = storage(io, rq, n, sizeof *rq);
    requant(io, arena_printf(&io->q->arena, "rq_%s", name), rq, n);
    return rq;
}

static void matrix(struct qio *io, const char *name, struct qmat *w, uint64_t out, uint64_t in)
{
    w->out = out;
    w->in = in;
    w->w = storage(io, w->w, out * in, sizeof *w->w);
    w->scale = storage(io, w->scale, out, sizeof *w->scale);
    tensor(io, arena_printf(&io->q->arena, "w_%s", name), NPY_I8, out, in, pass_i16, w->w);
    tensor(io, arena_printf(&io->q->arena, "w_%s_scale", name), NPY_F64, 0, out, pass_f64, w->scale);
}

static void norm(struct qio *io, const char *name, struct rms_norm *n, double *step)
{
    int16_t *gain = storage(io, (void *)(uintptr_t)n->gain, io->q->n->d, sizeof *gain);
    n->kind = io->q->q.norm;
    n->gain = gain;
    tensor(io, arena_printf(&io->q->arena, "w_%s", name), NPY_I8, 0, io->q->n->d, pass_i16, gain);
    tensor(io, arena_printf(&io->q->arena, "w_%s_scale", name), NPY_F64, 0, 1, pass_f64, step);
    tensor(io, arena_printf(&io->q->arena, "eps_%s", name), NPY_F64, 0, 1, pass_u64, &n->eps);
}

enum { HEAD_STEPS = 10, HEAD_NUMBERS = 7 };

/* Steps and small numbers of the heads, one row each. */
static void head_rows(struct qio *io, struct qlayer *l)
{
    uint64_t H = io->q->n->H;
    double *steps = ARENA_NEW(&io->q->arena, double, H * HEAD_STEPS);
    double *numbers = ARENA_NEW(&io->q->arena, double, H * HEAD_NUMBERS);
    for (uint64_t i = 0; i < H && io->writing; i++) {
        const struct qhead *h = &l->head[i];
        double s[HEAD_STEPS] = {h->s_q, h->s_k, h->s_qr, h->s_kr, h->s_v, h->score_scale,
                                h->s_o[NET_PARALLEL], h->s_o[NET_RECURRENT], h->state_max, h->row_max};
        double k[HEAD_NUMBERS] = {h->state.decay_shift, h->state.p, h->state.gamma_u16, h->read_shift,
                                  h->o_shift[NET_PARALLEL], h->o_shift[NET_RECURRENT],
                                  h->o_shift[NET_CHUNKWISE]};
        memcpy(steps + i * HEAD_STEPS, s, sizeof s);
        memcpy(numbers + i * HEAD_NUMBERS, k, sizeof k);
    }
    tensor(io, "head_steps", NPY_F64, H, HEAD_STEPS, pass_f64, steps);
    tensor(io, "head_numbers", NPY_I32, H, HEAD_NUMBERS, pass_f64, numbers);
    for (uint64_t i = 0; i < H && !io->writing && io->ok; i++) {
        const double *s = steps + i * HEAD_STEPS, *k = numbers + i * HEAD_NUMBERS;
        struct qhead *h = &l->head[i];
        double *to[HEAD_STEPS] = {&h->s_q, &h->s_k, &h->s_qr, &h->s_kr, &h->s_v, &h->score_scale,
                                  &h->s_o[NET_PARALLEL], &h->s_o[NET_RECURRENT], &h->state_max, &h->row_max};
        for (unsigned j = 0; j < HEAD_STEPS; j++) {
            *to[j] = s[j];
            if (!(s[j] >= (j < HEAD_STEPS - 2 ? 1e-30 : 0) && s[j] <= 1e30))
                io->ok = err_add(io->err, ERR_DATA, NULL,
                                 "%s: a number of head %" PRIu64 " is no step or range",
                                 file_of(io, "head_steps"), i);
        }
        static const int least[HEAD_NUMBERS] = {-1, -8, 0, 0, -31, -31, -31};
        static const int most[HEAD_NUMBERS] = {31, 31, UINT16_MAX, 31, 62, 62, 62};
        for (unsigned j = 0; j < HEAD_NUMBERS; j++)
            if (!(k[j] >= least[j] && k[j] <= most[j])) {
                io->ok = err_add(io->err, ERR_DATA, NULL,
                                 "%s: number %u of head %" PRIu64 " is not from %d to %d",
                                 file_of(io, "head_numbers"), j, i, least[j], most[j]);
                return;
            }
        h->s_o[NET_CHUNKWISE] = h->s_o[NET_PARALLEL];
        h->state = (struct state_rule){io->q->q.rounding, (int)k[0], (int)k[1], (uint32_t)k[2],
                                       io->q->q.state_bits == 32 ? INT32_MAX : INT16_MAX};
        h->read_shift = (int)k[3];
        h->o_shift[NET_PARALLEL] = (int)k[4];
        h->o_shift[NET_RECURRENT] = (int)k[5];
        h->o_shift[NET_CHUNKWISE] = (int)k[6];
        h->gamma = io->q->n->decay[i];
    }
}

static void head(struct qio *io, struct qhead *h, uint64_t i)
{
    const struct qnet *q = io->q;
    struct arena *a = &io->q->arena;
    struct decay_table *t = &h->decay;
    t->entries = q->q.decay_block;
    t->n_blocks = (max64(q->S_max, q->n->B) + 1) / t->entries + 1;
    t->entry = storage(io, t->entry, t->entries, sizeof *t->entry);
    t->block = storage(io, t->block, t->n_blocks, sizeof *t->block);
    h->gamma_pow = storage(io, h->gamma_pow, q->n->B + 1, sizeof *h->gamma_pow);
    tensor(io, arena_printf(a, "h%" PRIu64 "_decay_table", i), NPY_I32, 0, t->entries, pass_u16, t->entry);
    tensor(io, arena_printf(a, "h%" PRIu64 "_decay_block", i), NPY_I32, 0, t->n_blocks, pass_u32, t->block);
    tensor(io, arena_printf(a, "h%" PRIu64 "_decay_chunk", i), NPY_I32, 0, q->n->B + 1, pass_u32,
           h->gamma_pow);
    requant(io, arena_printf(a, "h%" PRIu64 "_rq_score", i), &h->score, 1);
    requant(io, arena_printf(a, "h%" PRIu64 "_rq_cross", i), &h->to_inner, 1);
    if (io->ok && h->to_inner.sh > 0 && h->to_inner.m) /* rounds half up whatever the knob says */
        h->to_inner.add = INT64_C(1) << (h->to_inner.sh - 1);
    for (unsigned f = 0; f < NET_CHUNKWISE; f++) {
        h->eps[f] = storage(io, h->eps[f], q->S_max, sizeof **h->eps);
        tensor(io, arena_printf(a, "h%" PRIu64 "_eps_%s", i, net_form_names[f]), NPY_F64, 0, q->S_max,
               pass_u64,
               h->eps[f]);
    }
    h->eps[NET_CHUNKWISE] = h->eps[NET_PARALLEL];
}

/* Of an activation that is x gain / std: not normalised where Deeploy divides. */
static void norm_requant(struct qio *io, const char *name, struct rq *rq)
{
    bool deeploy = io->q->q.norm == NORM_DEEPLOY;
    requant_up_to(io, name, rq, 1, deeploy ? INT32_MAX : INT16_MAX);
    if (deeploy)
        rq->add = 0;
}

static void msr(struct qio *io, struct qlayer *l)
{
    const struct net *n = io->q->n;
    double *steps[] = {&l->s_x, &l->s_g, &l->s_y, &l->s_sw, &l->s_gated, &l->s_msr, &l->s_in, &l->s_r1,
                       &l->s_n1,
                       &l->s_u, &l->s_a, &l->s_act, &l->s_gp, &l->s_prod, &l->s_r2, &l->s_n2};
    enum { N = sizeof steps / sizeof steps[0] };
    double all[N];
    for (unsigned i = 0; i < N; i++)
        all[i] = *steps[i];
    tensor(io, "steps", NPY_F64, 0, N, pass_f64, all);
    for (unsigned i = 0; i < N; i++)
        *steps[i] = all[i];
    matrix(io, "q", &l->wq, n->d, n->d);
    matrix(io, "k", &l->wk, n->d, n->d);
    matrix(io, "v", &l->wv, n->V, n->d);
    matrix(io, "g", &l->wg, n->V, n->d);
    matrix(io, "out", &l->wo, n->d, n->V);
    l->rq_q = channels(io, "q", l->rq_q, n->d);
    l->rq_k = channels(io, "k", l->rq_k, n->d);
    l->rq_v = channels(io, "v", l->rq_v, n->V);
    l->rq_g = channels(io, "g", l->rq_g, n->V);
    requant(io, "rq_qr", &l->qr, 1);
    requant(io, "rq_kr", &l->kr, 1);
    requant(io, "rq_gated", &l->gated, 1);
    l->y.kind = io->q->q.norm;
    l->y.norm_bits = io->q->q.norm_bits;
    l->y.most = io->q->amax;
    norm_requant(io, "rq_norm", &l->y.rq);
    tensor(io, "lut_swish", NPY_I16, 0, 256, pass_i16, l->swish);
    l->head = storage(io, l->head, n->H, sizeof *l->head);
    head_rows(io, l);
    for (uint64_t i = 0; i < n->H && io->ok; i++)
        head(io, &l->head[i], i);
    if (n->kind == NET_MSR)
        l->rq_msr = channels(io, "out", l->rq_msr, n->d);
}

static void block(struct qio *io, struct qlayer *l)
{
    const struct net *n = io->q->n;
    norm(io, "retention_layer_norm", &l->ln1, &l->s_w1);
    norm(io, "final_layer_norm", &l->ln2, &l->s_w2);
    norm_requant(io, "rq_retention_layer_norm", &l->n1);
    norm_requant(io, "rq_final_layer_norm", &l->n2);
    norm_requant(io, "rq_back1", &l->back1);
    norm_requant(io, "rq_back2", &l->back2);
    matrix(io, "ffn_fc1", &l->fc1, n->F, n->d);
    matrix(io, "ffn_gate", &l->gate, n->F, n->d);
    matrix(io, "ffn_fc2", &l->fc2, n->d, n->F);
    l->rq_o = channels(io, "out", l->rq_o, n->d);
    l->rq_fc1 = channels(io, "ffn_fc1", l->rq_fc1, n->F);
    l->rq_gate = channels(io, "ffn_gate", l->rq_gate, n->F);
    l->rq_fc2 = channels(io, "ffn_fc2", l->rq_fc2, n->d);
    requant(io, "rq_product", &l->prod, 1);
    requant(io, "rq_residual1", &l->res1, 1);
    requant(io, "rq_residual2", &l->res2, 1);
    tensor(io, "lut_activation", NPY_I16, 0, 256, pass_i16, l->act);
}

static void language_model(struct qio *io)
{
    struct qnet *q = io->q;
    const struct net *n = q->n;
    matrix(io, "embed_tokens", &q->embed, n->vocab, n->d);
    matrix(io, "output_projection", &q->lm, n->vocab, n->d);
    q->rq_embed = channels(io, "embed_tokens", q->rq_embed, n->vocab);
    tensor(io, "step_final", NPY_F64, 0, 1, pass_f64, &q->s_f);
    if (!n->pre_norm)
        return;
    norm(io, "layer_norm", &q->ln, &q->s_wf);
    norm_requant(io, "rq_layer_norm", &q->nf);
}

static void whole(struct qio *io)
{
    struct qnet *q = io->q;
    const struct net *n = q->n;
    uint64_t pairs = n->dk / 2;
    q->cos = storage(io, q->cos, q->S_max * pairs, sizeof *q->cos);
    q->sin = storage(io, q->sin, q->S_max * pairs, sizeof *q->sin);
    tensor(io, "rotary_cos", NPY_I16, q->S_max, pairs, pass_i16, q->cos);
    tensor(io, "rotary_sin", NPY_I16, q->S_max, pairs, pass_i16, q->sin);
    requant(io, "rq_undecay", &q->undecay, 1);
    if (q->undecay.sh > 0 && q->undecay.m)
        q->undecay.add = INT64_C(1) << (q->undecay.sh - 1);
    requant(io, "rq_narrow", &q->narrow, 1);
    q->layer = storage(io, q->layer, n->L, sizeof *q->layer);
    for (uint64_t i = 0; i < n->L && io->ok; i++) {
        io->prefix = n->kind == NET_LM ? arena_printf(&q->arena, "l%" PRIu64 "_", i) : "";
        msr(io, &q->layer[i]);
        if (n->kind != NET_MSR)
            block(io, &q->layer[i]);
    }
    io->prefix = "";
    if (n->kind == NET_LM)
        language_model(io);
}

bool qnet_save(const struct qnet *q, const char *dir, struct err *err)
{
    struct qio io = {.q = (struct qnet *)(uintptr_t)q, .dir = dir, .prefix = "", .writing = true, .ok = true,
                     .err = err};
    struct place at = {.file = dir};
    if (mkdir(dir, 0777) != 0 && access(dir, W_OK) != 0)
        return err_add(err, ERR_CANTCREAT, &at, "the directory cannot be created");
    whole(&io);
    struct net_quantized made = {q->q, q->S_max};
    return io.ok && net_describe(q->n, &made, dir, err);
}

struct qnet *qnet_load(const struct net *n, uint64_t S_max, struct err *err)
{
    struct qnet *q = xrealloc(NULL, 1, sizeof *q);
    memset(q, 0, sizeof *q);
    q->n = n;
    q->q = n->quantized->quant;
    q->S_max = n->quantized->positions;
    qnet_widths(q);
    struct qio io = {.q = q, .dir = n->dir, .prefix = "", .ok = true, .err = err};
    if (S_max > q->S_max)
        io.ok = err_add(err, ERR_CONFIG, NULL, "%s has tables for %" PRIu64 " positions, %" PRIu64
                        " are needed; quantize it with more --positions", n->dir, q->S_max, S_max);
    if (io.ok)
        whole(&io);
    struct place at = {.file = n->dir};
    if (io.ok && q->q.requant == REQUANT_INT32 && !requant32_fits(q))
        io.ok = err_add(err, ERR_DATA, &at, "requant is int32, and a product with a multiplier of rq_*.npy "
                        "leaves 32 bits");
    if (io.ok)
        return q;
    qnet_destroy(q);
    return NULL;
}
