/* Scales from calibrated ranges; whole-number multipliers, shifts and tables from
 * scales. */
#include "workloads/calibrate.h"
#include "workloads/equalize.h"
#include "workloads/feedback.h"
#include "workloads/qnet.h"
#include "workloads/requant32.h"
#include "workloads/score_scale.h"

#include "base/num.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Room above the largest value that calibration saw, for what stays wide: a bit is
 * spared more easily than a wrap. */
#define HEADROOM 1.5

struct maker {
    struct qnet *q;
    const struct net *n;
    struct calibration *c;
};

static struct rq rq_for(const struct maker *m, double factor)
{
    return rq_of(factor, m->q->q.requant);
}

static double step_at(const struct maker *m, uint64_t layer, enum point p)
{
    return calibrated_step(m->c, m->q->q.calibration, layer, p, m->q->amax);
}

static double wide_step(const struct maker *m, uint64_t layer, enum point p, int32_t most)
{
    double largest = calibrated_most(m->c, layer, p);
    return largest > 0 ? HEADROOM * largest / most : 1.0 / most;
}

/* factor: of the inputs, for error feedback; NULL: to the nearest. */
static struct qmat matrix(const struct maker *m, const double *w, uint64_t out, uint64_t in, bool by_row,
                          const double *factor)
{
    struct arena *a = &m->q->arena;
    struct qmat q = {ARENA_NEW(a, int16_t, out * in), ARENA_NEW(a, double, out), out, in};
    int32_t most = (1 << (m->q->q.weights - 1)) - 1;
    uint64_t rows = by_row ? 1 : out;
    for (uint64_t o = 0; o < out; o += rows) {
        double largest = 0;
        for (uint64_t i = 0; i < rows * in; i++)
            largest = fmax(largest, fabs(w[o * in + i]));
        double step = step_of(m->q->q.calibration, w + o * in, rows * in, largest, most);
        for (uint64_t i = 0; i < rows * in && !factor; i++)
            q.w[o * in + i] = (int16_t)clip((int64_t)floor(w[o * in + i] / step + 0.5), most);
        for (uint64_t i = 0; i < rows; i++)
            q.scale[o + i] = step;
    }
    if (factor)
        feedback_round(factor, w, q.scale, out, in, most, q.w);
    return q;
}

static struct qmat weights(const struct maker *m, const double *w, uint64_t out, uint64_t in,
                           uint64_t layer, enum matrix_input input)
{
    return matrix(m, w, out, in, m->q->q.weight_scale == SCALE_CHANNEL,
                  m->c->inputs[layer * N_MATRIX_INPUTS + input]);
}

/* Scales of a layer's heads and, rho apart, of its queries or keys before rotary: one
 * multiplier after rotary serves all heads. */
static double before_rotary(const struct maker *m, uint64_t layer, bool keys)
{
    const struct net *n = m->n;
    const struct qlayer *l = &m->q->layer[layer];
    double rho = 0;
    for (uint64_t h = 0; h < n->H; h++) {
        const struct head_range *r = &m->c->head[layer * n->H + h];
        double step = keys ? l->head[h].s_kr : l->head[h].s_qr;
        rho = fmax(rho, HEADROOM * (keys ? r->k : r->q) / (step * m->q->rmax));
    }
    return rho > 0 ? rho : 1;
}

static void head_scales(const struct maker *m, uint64_t layer)
{
    const struct net *n = m->n;
    struct qlayer *l = &m->q->layer[layer];
    int way = m->q->q.calibration;
    bool one = m->q->q.activation_scale == ACTIVATION_TENSOR;
    double qr = step_at(m, layer, P_QR), kr = step_at(m, layer, P_KR), v = step_at(m, layer, P_V);
    for (uint64_t i = 0; i < n->H; i++) {
        struct qhead *h = &l->head[i];
        h->s_qr = one ? qr : calibrated_head_step(m->c, way, layer, i, HEAD_QR, m->q->amax);
        h->s_kr = one ? kr : calibrated_head_step(m->c, way, layer, i, HEAD_KR, m->q->amax);
        h->s_v = one ? v : calibrated_head_step(m->c, way, layer, i, HEAD_V, m->q->amax);
    }
    double rho_q = before_rotary(m, layer, false), rho_k = before_rotary(m, layer, true);
    for (uint64_t i = 0; i < n->H; i++) {
        l->head[i].s_q = rho_q * l->head[i].s_qr;
        l->head[i].s_k = rho_k * l->head[i].s_kr;
    }
    l->qr = rq_for(m, rho_q / 16384);
    l->kr = rq_for(m, rho_k / 16384);
}

/* Multipliers from an accumulator of s_in times the channel's scale to s_out. */
static struct rq *channels(const struct maker *m, const struct qmat *w, double s_in, double s_out)
{
    struct rq *rq = ARENA_NEW(&m->q->arena, struct rq, w->out);
    for (uint64_t o = 0; o < w->out; o++)
        rq[o] = rq_for(m, s_in * w->scale[o] / s_out);
    return rq;
}

static uint64_t fixed(double v)
{
    return v > 0x1p60 ? UINT64_C(1) << 60 : (uint64_t)llround(v);
}

/* The same to steps that heads of `width` channels have. */
static struct rq *head_channels(const struct maker *m, const struct qmat *w, double s_in, uint64_t width,
                                const struct qhead *head, size_t step)
{
    struct rq *rq = ARENA_NEW(&m->q->arena, struct rq, w->out);
    for (uint64_t o = 0; o < w->out; o++) {
        double s_out = *(const double *)((const char *)&head[o / width] + step);
        rq[o] = rq_for(m, s_in * w->scale[o] / s_out);
    }
    return rq;
}

/* A norm's gains in a byte; eps in steps of the row, s_row. */
static struct rms_norm rms_of(const struct maker *m, const double *w, double s_row, double *step)
{
    int16_t *g = ARENA_NEW(&m->q->arena, int16_t, m->n->d);
    double largest = 0;
    for (uint64_t i = 0; i < m->n->d; i++)
        largest = fmax(largest, fabs(w[i]));
    *step = largest > 0 ? largest / 127 : 1;
    for (uint64_t i = 0; i < m->n->d; i++)
        g[i] = (int16_t)lround(w[i] / *step);
    return (struct rms_norm){m->q->q.norm, fixed(m->n->eps / (s_row * s_row) * 256), g};
}

/* What rms_element takes for a result of steps s_out. Native: x gain / (16 std) 2^16. */
static struct rq norm_rq(const struct maker *m, double gain_step, double s_out)
{
    if (m->q->q.norm == NORM_DEEPLOY)
        return (struct rq){(int32_t)fmin(round(65536 * gain_step / s_out), INT32_MAX), 16, 0};
    return rq_for(m, 16.0 / 65536 * gain_step / s_out);
}

static struct head_norm head_norm_of(const struct maker *m, double s_y)
{
    const struct quant *q = &m->q->q;
    struct rq rq = q->norm == NORM_DEEPLOY ? (struct rq){(int32_t)round(65536 / s_y), 16, 0}
                                           : rq_for(m, ldexp(1 / s_y, -20));
    return (struct head_norm){q->norm, q->norm_bits, rq, m->q->amax};
}

static void lut(int16_t *t, double s_in, double s_out, bool gelu, int32_t most)
{
    for (int i = -128; i < 128; i++) {
        double x = i * s_in, y = gelu ? 0.5 * x * (1 + erf(x / sqrt(2))) : x / (1 + exp(-x));
        t[i + 128] = (int16_t)clip((int64_t)floor(y / s_out + 0.5), most);
    }
}

static bool decay_of(const struct maker *m, struct qhead *h, double gamma, uint64_t index, struct err *err)
{
    const struct quant *q = &m->q->q;
    struct arena *a = &m->q->arena;
    double shift = -log2(1 - gamma);
    bool power = fabs(shift - round(shift)) < 1e-6 && shift < 31;
    char value[32];
    if (q->decay == DECAY_SHIFT && !power)
        return err_add(err, ERR_CONFIG, NULL,
                       "work.quant.decay is shift, but the decay of head %" PRIu64 " is %s; "
                       "legal: auto, multiply, per_token", index, text_real(gamma, value, sizeof value));
    h->gamma = gamma;
    h->state.rounding = q->rounding;
    bool by_shift = power && (q->decay == DECAY_AUTO || q->decay == DECAY_SHIFT);
    h->state.decay_shift = by_shift ? (int)round(shift) : -1;
    h->state.gamma_u16 = (uint32_t)fmin(round(gamma * 65536), 65535);
    h->gamma_pow = ARENA_NEW(a, uint32_t, m->n->B + 1);
    decay_powers(h->gamma_pow, gamma, m->n->B + 1, 1);
    struct decay_table *t = &h->decay;
    t->entries = q->decay_block;
    t->entry = ARENA_NEW(a, uint16_t, t->entries);
    decay_entries(t->entry, gamma, t->entries, q->decay_bits);
    t->n_blocks = (max64(m->q->S_max, m->n->B) + 1) / t->entries + 1;
    t->block = ARENA_NEW(a, uint32_t, t->n_blocks);
    decay_powers(t->block, gamma, t->n_blocks, t->entries);
    return true;
}

/* Bits by which the largest magnitude leaves `top`. */
static int bits_above(double most, double top)
{
    return most > top ? (int)ceil(log2(most / top)) : 0;
}

/* Where the 16-bit row takes its bits from the accumulators of each form. */
static void row_shifts(const struct quant *q, struct qhead *h, double unit)
{
    int state_step = h->state.p + h->read_shift;
    double inner = q->score_scale == SCORE_STATIC ? unit * h->score_scale : unit;
    h->o_shift[NET_PARALLEL] = bits_above(HEADROOM * h->row_max / inner, INT16_MAX);
    h->o_shift[NET_CHUNKWISE] = h->o_shift[NET_PARALLEL];
    h->s_o[NET_PARALLEL] = h->s_o[NET_CHUNKWISE] = ldexp(inner, h->o_shift[NET_PARALLEL]);
    h->o_shift[NET_RECURRENT] = bits_above(HEADROOM * ldexp(h->row_max / unit, -state_step), INT16_MAX);
    h->s_o[NET_RECURRENT] = ldexp(unit, state_step + h->o_shift[NET_RECURRENT]);
    h->to_inner = rq_of(ldexp(1 / h->score_scale, state_step - (int)q->decay_bits), REQUANT_HALF_UP);
}

/* eps z_n, z_n = sum gamma^i of position n: the row normalisers that the integers leave out. */
static uint64_t *eps_table(struct qnet *q, double gamma, double s_o)
{
    uint64_t *eps = ARENA_NEW(&q->arena, uint64_t, q->S_max);
    double z = 0;
    for (uint64_t t = 0; t < q->S_max; t++) {
        z = z * gamma + 1;
        eps[t] = fixed(q->n->eps * z / (s_o * s_o) * 4096);
    }
    return eps;
}

/* What follows from calibrated ranges and the widths of the machine's states and scores. */
static void head_on_machine(struct qnet *q, struct qhead *h)
{
    const struct quant *w = &q->q;
    h->state.most = w->state_bits == 32 ? INT32_MAX : INT16_MAX;
    if (w->state_bits == 32) {
        h->state.p = -4;
        h->read_shift = bits_above(h->state_max * 16, ldexp(1, (int)w->read_bits - 1));
    } else {
        h->state.p = bits_above(h->state_max, INT16_MAX);
        h->read_shift = 16 - (int)w->read_bits;
    }
    row_shifts(w, h, h->s_qr * h->s_kr * h->s_v);
    h->eps[NET_PARALLEL] = h->eps[NET_CHUNKWISE] = eps_table(q, h->gamma, h->s_o[NET_PARALLEL]);
    h->eps[NET_RECURRENT] = eps_table(q, h->gamma, h->s_o[NET_RECURRENT]);
}

static bool head(const struct maker *m, const struct qlayer *l, uint64_t layer, uint64_t i, struct err *err)
{
    const struct net *n = m->n;
    const struct quant *q = &m->q->q;
    struct qhead *h = &l->head[i];
    const struct head_range *range = &m->c->head[layer * n->H + i];
    double top = (double)((1u << (q->score_bits - 1)) - 1);
    if (!decay_of(m, h, n->decay[i], i, err))
        return false;
    h->state_max = range->state / (h->s_kr * h->s_v);
    h->row_max = range->row;
    const struct head_rows *rows = &m->c->rows[layer * n->H + i];
    double step = range->score / top;
    struct score_operands ops = {h->s_qr, h->s_kr, m->q->amax};
    if (rows->n)
        step = score_step(rows, n, &ops, h->gamma, m->c->S, range->score, (int32_t)top);
    h->score_scale = fmax(step / (h->s_qr * h->s_kr), 1e-9);
    h->score = rq_for(m, ldexp(1 / h->score_scale, -(int)q->decay_bits));
    head_on_machine(m->q, h);
    return true;
}

static bool msr_of(const struct maker *m, uint64_t i, struct err *err)
{
    const struct net *n = m->n;
    const struct net_layer *w = &n->layer[i];
    struct qlayer *l = &m->q->layer[i];
    int32_t amax = m->q->amax;
    l->s_x = step_at(m, i, P_LN1);
    l->head = ARENA_NEW(&m->q->arena, struct qhead, n->H);
    head_scales(m, i);
    l->s_g = step_at(m, i, P_G);
    l->s_y = step_at(m, i, P_NORM);
    l->s_sw = step_at(m, i, P_SWISH);
    l->s_gated = step_at(m, i, P_GATED);
    l->wq = weights(m, w->wq, n->d, n->d, i, IN_LN1);
    l->wk = weights(m, w->wk, n->d, n->d, i, IN_LN1);
    l->wv = weights(m, w->wv, n->V, n->d, i, IN_LN1);
    l->wg = weights(m, w->wg, n->V, n->d, i, IN_LN1);
    l->wo = weights(m, w->wo, n->d, n->V, i, IN_GATED);
    double s_k = l->s_x / sqrt((double)n->dk); /* dk^-0.5 costs nothing */
    l->rq_q = head_channels(m, &l->wq, l->s_x, n->dk, l->head, offsetof(struct qhead, s_q));
    l->rq_k = head_channels(m, &l->wk, s_k, n->dk, l->head, offsetof(struct qhead, s_k));
    l->rq_v = head_channels(m, &l->wv, l->s_x, n->dv, l->head, offsetof(struct qhead, s_v));
    l->rq_g = channels(m, &l->wg, l->s_x, l->s_g);
    l->y = head_norm_of(m, l->s_y);
    l->gated = rq_for(m, l->s_y * l->s_sw / l->s_gated);
    lut(l->swish, l->s_g, l->s_sw, false, amax);
    if (n->kind == NET_MSR) {
        l->s_msr = step_at(m, i, P_MSR);
        l->rq_msr = channels(m, &l->wo, l->s_gated, l->s_msr);
    }
    for (uint64_t h = 0; h < n->H; h++)
        if (!head(m, l, i, h, err))
            return false;
    return true;
}

/* The stream's step is l->s_in before and s_r1, s_r2 after the two additions;
 * post-norm turns those into s_n1 and s_n2. */
static void block_of(const struct maker *m, uint64_t i)
{
    const struct net *n = m->n;
    const struct net_layer *w = &n->layer[i];
    struct qlayer *l = &m->q->layer[i];
    int32_t omax = m->q->omax;
    l->s_in = wide_step(m, i, P_HIDDEN, omax);
    if (i > 0) /* as the block before leaves it */
        l->s_in = n->pre_norm ? m->q->layer[i - 1].s_r2 : m->q->layer[i - 1].s_n2;
    l->s_r1 = wide_step(m, i, P_RES1, omax);
    l->s_u = step_at(m, i, P_LN2);
    l->s_n1 = wide_step(m, i, P_LN2, omax);
    l->s_n2 = wide_step(m, i, P_OUT, omax);
    l->s_r2 = n->pre_norm ? l->s_n2 : l->s_r1 * n->alpha * 2;
    l->s_a = step_at(m, i, P_FC1);
    l->s_gp = step_at(m, i, P_GATE);
    l->s_act = step_at(m, i, P_ACT);
    l->s_prod = step_at(m, i, P_PROD);
    l->fc1 = weights(m, w->fc1, n->F, n->d, i, IN_LN2);
    l->gate = weights(m, w->gate, n->F, n->d, i, IN_LN2);
    l->fc2 = weights(m, w->fc2, n->d, n->F, i, IN_PROD);
    double before = n->pre_norm ? l->s_in : l->s_r1, after = n->pre_norm ? l->s_r1 : 0;
    double next = i + 1 < n->L ? step_at(m, i + 1, P_LN1) : n->kind == NET_LM ? step_at(m, 0, P_FINAL)
        : l->s_u;
    if (!n->pre_norm) {
        /* What the second addition can reach: the normed stream and the FFN's contribution. */
        l->s_r2 = (n->alpha * calibrated_most(m->c, i, P_LN2) + calibrated_most(m->c, i, P_FFN)) / omax;
        after = l->s_r2;
    }
    l->ln1 = rms_of(m, w->ln1, before, &l->s_w1);
    l->ln2 = rms_of(m, w->ln2, after, &l->s_w2);
    l->n1 = norm_rq(m, l->s_w1, n->pre_norm ? l->s_x : l->s_u);
    l->n2 = norm_rq(m, l->s_w2, n->pre_norm ? l->s_u : next);
    l->back1 = norm_rq(m, l->s_w1, l->s_n1);
    l->back2 = norm_rq(m, l->s_w2, l->s_n2);
    l->res1 = rq_for(m, n->alpha * l->s_in / l->s_r1);
    l->res2 = rq_for(m, n->alpha * (n->pre_norm ? l->s_r1 : l->s_n1) / l->s_r2);
    l->rq_o = channels(m, &l->wo, l->s_gated, l->s_r1);
    l->rq_fc1 = channels(m, &l->fc1, l->s_u, l->s_a);
    l->rq_gate = channels(m, &l->gate, l->s_u, l->s_gp);
    l->rq_fc2 = channels(m, &l->fc2, l->s_prod, l->s_r2);
    l->prod = rq_for(m, l->s_act * l->s_gp / l->s_prod);
    lut(l->act, l->s_a, l->s_act, n->gelu, m->q->amax);
}

static void lm_of(const struct maker *m)
{
    const struct net *n = m->n;
    struct qnet *q = m->q;
    q->embed = matrix(m, n->embed, n->vocab, n->d, true, NULL);
    q->lm = weights(m, n->lm, n->vocab, n->d, 0, IN_FINAL);
    q->rq_embed = channels(m, &q->embed, n->embed_scale, q->layer[0].s_in);
    q->s_f = step_at(m, 0, P_FINAL);
    if (!n->pre_norm)
        return;
    double s = q->layer[n->L - 1].s_r2;
    q->ln = rms_of(m, n->ln, s, &q->s_wf);
    q->nf = norm_rq(m, q->s_wf, q->s_f);
}

static void rotary_tables(struct qnet *q, uint64_t dk)
{
    q->cos = ARENA_NEW(&q->arena, int16_t, q->S_max * dk / 2);
    q->sin = ARENA_NEW(&q->arena, int16_t, q->S_max * dk / 2);
    for (uint64_t s = 0; s < q->S_max; s++)
        for (uint64_t j = 0; j < dk / 2; j++) {
            double a = (double)s * rotary_angle(j, dk);
            q->cos[s * (dk / 2) + j] = (int16_t)lround(cos(a) * 16384);
            q->sin[s * (dk / 2) + j] = (int16_t)lround(sin(a) * 16384);
        }
}

void qnet_widths(struct qnet *q)
{
    q->amax = (1 << (q->q.activations - 1)) - 1;
    q->rmax = (1 << (q->q.rotary_bits - 1)) - 1;
    q->omax = (1 << (q->q.residual - 1)) - 1;
}

static bool make(struct maker *m, struct err *err)
{
    struct qnet *q = m->q;
    const struct net *n = m->n;
    qnet_widths(q);
    if (q->q.state_bits != 16 && q->q.state_bits != 32)
        return err_add(err, ERR_CONFIG, NULL, "work.quant.state_bits is %" PRIu64 "; legal: 16, 32",
                       q->q.state_bits);
    q->undecay = rq_of(1.0 / (double)((1u << q->q.decay_bits) - 1), REQUANT_HALF_UP);
    rotary_tables(q, n->dk);
    q->layer = ARENA_NEW(&q->arena, struct qlayer, n->L);
    for (uint64_t l = 0; l < n->L; l++) {
        if (!msr_of(m, l, err))
            return false;
        if (n->kind != NET_MSR)
            block_of(m, l);
    }
    if (n->kind == NET_LM)
        lm_of(m);
    q->narrow = rq_for(m, q->layer[0].s_in / q->layer[0].s_x);
    if (q->q.requant == REQUANT_INT32)
        requant32_narrow(q);
    return true;
}

/* Ranges of single channels from few tokens are too narrow for the next ones: channels evened
 * out by 100, 200, 400, 1024 tokens change logits by -5, -1, 1, 2 dB (tests/test_quality.c), and the more
 * channels there are the more tokens it takes (docs/model.md). */
enum { EVEN_TOKENS = 400, EVEN_TOKENS_A_CHANNEL = 8 };

/* What `auto` stands for: scored language models take more care than single cases. */
static void resolve(struct quant *q, bool scored, uint64_t channels, uint64_t tokens)
{
    bool enough = tokens >= max64(EVEN_TOKENS, EVEN_TOKENS_A_CHANNEL * channels);
    if (q->state_bits == FIELD_AUTO)
        q->state_bits = scored ? 32 : 16;
    if (q->activation_scale == ACTIVATION_AUTO)
        q->activation_scale = scored ? ACTIVATION_HEAD : ACTIVATION_TENSOR;
    if (q->equalize == EQUALIZE_AUTO)
        q->equalize = scored && enough ? EQUALIZE_CHANNEL : EQUALIZE_NONE;
    if (q->weight_rounding == WEIGHTS_AUTO)
        q->weight_rounding = scored ? WEIGHTS_FEEDBACK : WEIGHTS_NEAREST;
    if (q->score_scale == SCORE_AUTO)
        q->score_scale = SCORE_ROW_SHIFT;
    if (q->state_update == UPDATE_AUTO)
        q->state_update = UPDATE_CHUNK;
    if (q->read_bits == FIELD_AUTO)
        q->read_bits = 16;
    if (q->rounding == ROUND_AUTO)
        q->rounding = ROUND_HALF_UP;
}

/* The widths that are the machine's: what `auto` stands for is as it was quantized. */
static void machine_widths(struct quant *q, const struct quant *asked)
{
    if (asked->state_bits != FIELD_AUTO)
        q->state_bits = asked->state_bits;
    if (asked->score_scale != SCORE_AUTO)
        q->score_scale = asked->score_scale;
    if (asked->state_update != UPDATE_AUTO)
        q->state_update = asked->state_update;
    if (asked->read_bits != FIELD_AUTO)
        q->read_bits = asked->read_bits;
}

/* The first key that a quantized network has otherwise, calibration and the machine's widths apart. */
static bool same_knobs(const struct net *n, const struct quant *want, struct err *err)
{
    struct quant a = n->quantized->quant, b = *want;
    struct text have = {0}, asked = {0};
    machine_widths(&a, want);
    machine_widths(&b, &a);
    b.calibration = a.calibration;
    b.equalize = a.equalize;
    b.activation_scale = a.activation_scale;
    b.weight_rounding = a.weight_rounding;
    b.calibration_row = a.calibration_row;
    b.calibration_rows = a.calibration_rows;
    b.score_rows = a.score_rows;
    schema_emit(quant_section_of(), &a, "work.quant", &have);
    schema_emit(quant_section_of(), &b, "work.quant", &asked);
    const char *x = have.s, *y = asked.s;
    size_t line = strcspn(x, "\n");
    while (*x && strncmp(x, y, line + 1) == 0) {
        x += line + 1;
        y += line + 1;
        line = strcspn(x, "\n");
    }
    bool ok = !*x || err_add(err, ERR_CONFIG, NULL, "%s is quantized with %.*s, not %.*s", n->dir, (int)line,
                             x,
                             (int)strcspn(y, "\n"), y);
    text_finish(&have);
    text_finish(&asked);
    return ok;
}

/* The integers of a quantized network, for the machine at hand. */
static struct qnet *loaded(const struct net *n, const struct quant *quant, uint64_t S_max, struct err *err)
{
    struct qnet *q = qnet_load(n, S_max, err);
    if (!q)
        return NULL;
    struct quant was = q->q;
    machine_widths(&q->q, quant);
    if (was.state_bits == q->q.state_bits && was.read_bits == q->q.read_bits &&
        was.score_scale == q->q.score_scale)
        return q;
    qnet_widths(q);
    for (uint64_t i = 0; i < n->L * n->H; i++) {
        struct qhead *h = &q->layer[i / n->H].head[i % n->H];
        head_on_machine(q, h);
        if (h->state.p <= 62 && h->read_shift <= 62 && h->o_shift[NET_PARALLEL] <= 62 &&
            h->o_shift[NET_RECURRENT] <= 62 && h->to_inner.sh >= -31 && h->to_inner.sh <= 62)
            continue;
        err_add(err, ERR_DATA, NULL, "%s: a range of head %" PRIu64 " takes a shift of more than 62", n->dir,
                i);
        qnet_destroy(q);
        return NULL;
    }
    return q;
}

/* In place. */
static void factor_inputs(const struct calibration *c, uint64_t layer)
{
    const struct net *n = c->n;
    const uint64_t width[N_MATRIX_INPUTS] = {[IN_LN1] = n->d, [IN_GATED] = n->V, [IN_LN2] = n->d,
                                             [IN_PROD] = n->F, [IN_FINAL] = n->d};
    for (unsigned i = 0; i < N_MATRIX_INPUTS; i++)
        if (c->inputs[layer * N_MATRIX_INPUTS + i])
            feedback_factor(c->inputs[layer * N_MATRIX_INPUTS + i], width[i]);
}

struct qnet *qnet_create(const struct net *n, const struct quant *quant, uint64_t n_seqs, uint64_t S,
                         const double *const *seqs, uint64_t S_max, struct err *err)
{
    if (n->quantized)
        return same_knobs(n, quant, err) ? loaded(n, quant, max64(S, S_max), err) : NULL;
    struct qnet *q = xrealloc(NULL, 1, sizeof *q);
    struct calibration c;
    memset(q, 0, sizeof *q);
    q->n = n;
    q->q = *quant;
    resolve(&q->q, n->eval_rows > 1, n->d, n_seqs * S);
    if (q->q.equalize == EQUALIZE_CHANNEL)
        q->n = n = equalized(&q->arena, n, &q->q, n_seqs, S, seqs);
    q->S_max = max64(S, S_max);
    bool feedback = q->q.weight_rounding == WEIGHTS_FEEDBACK;
    unsigned want = feedback ? CALIBRATE_INPUTS : 0;
    want |= q->q.calibration == CALIBRATE_MSE ? CALIBRATE_ROWS : 0u;
    calibrate(&c, n, want, n_seqs, S, seqs);
    for (uint64_t l = 0; feedback && l < n->L; l++)
        factor_inputs(&c, l);
    struct maker m = {q, n, &c};
    bool ok = make(&m, err);
    calibration_finish(&c);
    if (ok)
        return q;
    qnet_destroy(q);
    return NULL;
}

void qnet_destroy(struct qnet *q)
{
    if (!q)
        return;
    arena_finish(&q->arena);
    free(q);
}
