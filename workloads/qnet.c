/* Calibration: ranges from a float run, scales from ranges, whole-number
 * multipliers, shifts and tables from scales. */
#include "workloads/qnet.h"

#include "base/num.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLIP_STEPS = 80, BINS_PER_OCTAVE = 64, LEAST_OCTAVE = -32, N_BINS = 56 * BINS_PER_OCTAVE };

struct bin {
    double n, sum, squares;
};
struct samples { /* magnitudes of one point of one layer, in bins of equal ratio */
    double most, n;
    struct bin *bin; /* N_BINS; the first takes all that is smaller */
};

struct calibration {
    const struct net *n;
    struct samples *s;  /* L,N_POINTS */
    double *state_max;  /* L,H: largest |sum gamma^i k v| */
    double *score_max;  /* L,H: largest decayed score */
    double *kept[2];           /* qr and v of the layer at hand */
    uint64_t S;
};

static void sample(struct samples *s, const double *v, uint64_t n)
{
    if (!s->bin)
        s->bin = memset(xrealloc(NULL, N_BINS, sizeof *s->bin), 0, N_BINS * sizeof *s->bin);
    for (uint64_t i = 0; i < n; i++) {
        double x = fabs(v[i]);
        int at = x > 0 ? (int)floor((log2(x) - LEAST_OCTAVE) * BINS_PER_OCTAVE) : 0;
        struct bin *b = &s->bin[at < 0 ? 0 : at >= N_BINS ? N_BINS - 1 : at];
        b->n++;
        b->sum += x;
        b->squares += x * x;
        s->most = fmax(s->most, x);
    }
    s->n += (double)n;
}

/* Largest raw state of a head: kr S,dk; v S rows of dv, V apart. */
static double largest_state(const struct net *n, uint64_t S, const double *kr, const double *v, double gamma)
{
    double most = 0, *state = xrealloc(NULL, n->dk * n->dv, sizeof *state);
    memset(state, 0, n->dk * n->dv * sizeof *state);
    for (uint64_t t = 0; t < S; t++)
        for (uint64_t i = 0; i < n->dk; i++)
            for (uint64_t c = 0; c < n->dv; c++) {
                double *s = &state[i * n->dv + c];
                *s = *s * gamma + kr[t * n->dk + i] * v[t * n->V + c];
                most = fmax(most, fabs(*s));
            }
    free(state);
    return most;
}

static double largest_score(const struct net *n, uint64_t S, const double *qr, const double *kr, double gamma)
{
    double most = 0;
    for (uint64_t t = 0; t < S; t++) {
        double decay = 1;
        for (uint64_t m = t + 1; m-- > 0 && decay > 1e-4; decay *= gamma) {
            double sum = 0;
            for (uint64_t i = 0; i < n->dk; i++)
                sum += qr[t * n->dk + i] * kr[m * n->dk + i];
            most = fmax(most, fabs(sum) * decay);
        }
    }
    return most;
}

static void tap(void *arg, uint64_t layer, enum point p, const double *v, uint64_t count)
{
    struct calibration *c = arg;
    const struct net *n = c->n;
    if (p == P_STATE || p == P_SCALE)
        return;
    sample(&c->s[layer * N_POINTS + p], v, count);
    if (p != P_V && p != P_QR && p != P_KR)
        return;
    if (p != P_KR) { /* both come before the keys */
        double **to = &c->kept[p == P_V];
        *to = memcpy(xrealloc(*to, count, sizeof **to), v, count * sizeof *v);
        return;
    }
    for (uint64_t h = 0; h < n->H; h++) {
        double *state = &c->state_max[layer * n->H + h], *score = &c->score_max[layer * n->H + h];
        const double *q = c->kept[0] + h * c->S * n->dk, *k = v + h * c->S * n->dk;
        *state = fmax(*state, largest_state(n, c->S, k, c->kept[1] + h * n->dv, n->decay[h]));
        *score = fmax(*score, largest_score(n, c->S, q, k, n->decay[h]));
    }
    free(c->kept[0]);
    free(c->kept[1]);
    c->kept[0] = c->kept[1] = NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return x < y ? -1 : x > y;
}

static double squared_error(const double *v, uint64_t n, double step, int32_t most)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        double q = floor(v[i] / step + 0.5);
        q = q > most ? most : q < -most ? -most : q;
        sum += (v[i] - q * step) * (v[i] - q * step);
    }
    return sum;
}

/* Real value of a step for values of which v are samples. */
static double step_of(const struct quant *q, const double *v, uint64_t n, double largest, int32_t most)
{
    double best = largest / most, least = INFINITY;
    if (!(largest > 0))
        return 1.0 / most;
    if (q->calibration == CALIBRATE_MINMAX)
        return best;
    if (q->calibration == CALIBRATE_PERCENTILE) {
        double *sorted = memcpy(xrealloc(NULL, n, sizeof *sorted), v, n * sizeof *v);
        qsort(sorted, n, sizeof *sorted, by_size);
        double at = fabs(sorted[(uint64_t)(0.9999 * (double)(n - 1))]);
        free(sorted);
        return at > 0 ? at / most : best;
    }
    for (int i = 0; i < CLIP_STEPS; i++) {
        double step = largest / most * (100 - i) / 100, e = squared_error(v, n, step, most);
        if (e < least)
            best = step;
        least = fmin(least, e);
    }
    return best;
}

/* Squared error of rounding and clipping, from bins: exact where values are
 * clipped, step^2/12 where a bin is wide against a step. */
static double bin_error(const struct samples *s, double step, int32_t most)
{
    double sum = 0, top = most * step;
    for (unsigned i = 0; i < N_BINS; i++) {
        const struct bin *b = &s->bin[i];
        if (b->n == 0)
            continue;
        double x = b->sum / b->n, q = floor(x / step + 0.5) * step;
        if (x > top)
            sum += b->squares - 2 * top * b->sum + b->n * top * top;
        else if (x / BINS_PER_OCTAVE > step / 4)
            sum += b->n * step * step / 12;
        else
            sum += b->squares - 2 * q * b->sum + b->n * q * q;
    }
    return sum;
}

static double percentile_of(const struct samples *s, double share)
{
    double n = 0;
    for (unsigned i = 0; i < N_BINS; i++) {
        n += s->bin[i].n;
        if (n >= share * s->n && s->bin[i].n > 0)
            return s->bin[i].sum / s->bin[i].n;
    }
    return s->most;
}

/* The same for values of which bins are kept. */
static double sampled_step(const struct quant *q, const struct samples *s, int32_t most)
{
    double best = s->most / most, least = INFINITY;
    if (!s->bin || !(s->most > 0))
        return 1.0 / most;
    if (q->calibration == CALIBRATE_MINMAX)
        return best;
    if (q->calibration == CALIBRATE_PERCENTILE)
        return fmax(percentile_of(s, 0.9999), 1e-12) / most;
    for (int i = 0; i < CLIP_STEPS; i++) {
        double step = s->most / most * (100 - i) / 100, e = bin_error(s, step, most);
        if (e < least)
            best = step;
        least = fmin(least, e);
    }
    return best;
}

struct maker {
    struct qnet *q;
    const struct net *n;
    struct calibration *c;
};

static double step_at(const struct maker *m, uint64_t layer, enum point p)
{
    return sampled_step(&m->q->q, &m->c->s[layer * N_POINTS + p], m->q->amax);
}

/* Wide values take their largest with room for what calibration did not see: a
 * bit is spared more easily than a wrap. */
static double wide_step(const struct maker *m, uint64_t layer, enum point p, int32_t most)
{
    double largest = m->c->s[layer * N_POINTS + p].most;
    return largest > 0 ? 1.5 * largest / most : 1.0 / most;
}

/* Before rotary: narrow values are clipped where that pays. */
static double rotary_step(const struct maker *m, uint64_t layer, enum point p)
{
    if (m->q->rmax > 127)
        return wide_step(m, layer, p, m->q->rmax);
    return sampled_step(&m->q->q, &m->c->s[layer * N_POINTS + p], m->q->rmax);
}

static struct qmat matrix(const struct maker *m, const double *w, uint64_t out, uint64_t in, bool by_row)
{
    struct arena *a = &m->q->arena;
    struct qmat q = {ARENA_NEW(a, int16_t, out * in), ARENA_NEW(a, double, out), out, in};
    int32_t most = (1 << (m->q->q.weights - 1)) - 1;
    uint64_t rows = by_row ? 1 : out;
    for (uint64_t o = 0; o < out; o += rows) {
        double largest = 0;
        for (uint64_t i = 0; i < rows * in; i++)
            largest = fmax(largest, fabs(w[o * in + i]));
        double step = step_of(&m->q->q, w + o * in, rows * in, largest, most);
        for (uint64_t i = 0; i < rows * in; i++)
            q.w[o * in + i] = (int16_t)clip((int64_t)floor(w[o * in + i] / step + 0.5), most);
        for (uint64_t i = 0; i < rows; i++)
            q.scale[o + i] = step;
    }
    return q;
}

static struct qmat weights(const struct maker *m, const double *w, uint64_t out, uint64_t in)
{
    return matrix(m, w, out, in, m->q->q.weight_scale == SCALE_CHANNEL);
}

/* Multipliers from an accumulator of s_in times the channel's scale to s_out. */
static struct rq *channels(const struct maker *m, const struct qmat *w, double s_in, double s_out)
{
    struct rq *rq = ARENA_NEW(&m->q->arena, struct rq, w->out);
    for (uint64_t o = 0; o < w->out; o++)
        rq[o] = rq_of(s_in * w->scale[o] / s_out);
    return rq;
}

static int16_t *gains(const struct maker *m, const double *w, double *step)
{
    int16_t *g = ARENA_NEW(&m->q->arena, int16_t, m->n->d);
    double largest = 0;
    for (uint64_t i = 0; i < m->n->d; i++)
        largest = fmax(largest, fabs(w[i]));
    *step = largest > 0 ? largest / 127 : 1;
    for (uint64_t i = 0; i < m->n->d; i++)
        g[i] = (int16_t)lround(w[i] / *step);
    return g;
}

/* t of the norm is x gain / (16 std) 2^16: its real value per step. */
static struct rq norm_rq(double gain_step, double s_out)
{
    return rq_of(16.0 / 65536 * gain_step / s_out);
}

static uint64_t fixed(double v)
{
    return v > 0x1p60 ? UINT64_C(1) << 60 : (uint64_t)llround(v);
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
    double shift = -log2(1 - gamma);
    bool power = fabs(shift - round(shift)) < 1e-6 && shift < 31;
    h->gamma = gamma;
    h->gamma_u16 = (uint32_t)fmin(round(gamma * 65536), 65535);
    h->gamma_chunk_u16 = (uint32_t)fmin(round(pow(gamma, (double)m->n->B) * 65536), 65535);
    h->decay_shift = power && (q->decay == DECAY_AUTO || q->decay == DECAY_SHIFT) ? (int)round(shift) : -1;
    if (q->decay == DECAY_SHIFT && !power)
        return err_add(err, ERR_CONFIG, NULL,
                       "work.quant.decay is shift, but the decay of head %" PRIu64 " is %g; "
                       "legal: auto, multiply, per_token", index, gamma);
    uint64_t entries = q->decay_block;
    double full = (double)(1u << q->decay_bits);
    h->table = ARENA_NEW(&m->q->arena, uint16_t, entries);
    for (uint64_t i = 0; i < entries; i++)
        h->table[i] = (uint16_t)round(pow(gamma,
                                          (double)i) * (full - 1)); /* 1 is not among U0.b: all are scaled */
    h->n_blocks = (max64(m->q->S_max, m->n->B) + 1) / entries + 1;
    h->block = ARENA_NEW(&m->q->arena, uint32_t, h->n_blocks);
    for (uint64_t i = 0; i < h->n_blocks; i++)
        h->block[i] = (uint32_t)fmin(round(pow(gamma, (double)(i * entries)) * 65536), 65535);
    return true;
}

static bool head(const struct maker *m, const struct qlayer *l, uint64_t layer, uint64_t i, struct err *err)
{
    const struct net *n = m->n;
    const struct quant *q = &m->q->q;
    struct qhead *h = &l->head[i];
    double unit = l->s_qr * l->s_kr * l->s_v, z = 0;
    if (!decay_of(m, h, n->decay[i], i, err))
        return false;
    h->state_max = m->c->state_max[layer * n->H + i] / (l->s_kr * l->s_v);
    if (q->state_bits == 32) {
        h->p = -4;
        h->read_shift = (int)fmax(0, ceil(log2(fmax(h->state_max, 1) * 16 / ldexp(1,
                                                                                  (int)q->read_bits - 1))));
    } else {
        h->p = (int)fmax(0, ceil(log2(fmax(h->state_max, 1) / 32767)));
        h->read_shift = 16 - (int)q->read_bits;
    }
    double top = (double)((1u << (q->score_bits - 1)) - 1);
    h->score_scale = fmax(m->c->score_max[layer * n->H + i] / (l->s_qr * l->s_kr) / top, 1e-9);
    h->score = rq_of(ldexp(1 / h->score_scale, -(int)q->decay_bits));
    h->eps = ARENA_NEW(&m->q->arena, uint64_t, m->q->S_max);
    h->eps_static = ARENA_NEW(&m->q->arena, uint64_t, m->q->S_max);
    for (uint64_t t = 0; t < m->q->S_max; t++) {
        z = z * n->decay[i] + 1;
        h->eps[t] = fixed(n->eps * z / (unit * unit) * 4096);
        h->eps_static[t] = fixed(n->eps * z / (unit * unit * h->score_scale * h->score_scale) * 4096);
    }
    return true;
}

static bool msr_of(const struct maker *m, uint64_t i, struct err *err)
{
    const struct net *n = m->n;
    const struct net_layer *w = &n->layer[i];
    struct qlayer *l = &m->q->layer[i];
    int32_t amax = m->q->amax;
    l->s_x = step_at(m, i, P_LN1);
    l->s_q = rotary_step(m, i, P_Q);
    l->s_k = rotary_step(m, i, P_K);
    l->s_qr = step_at(m, i, P_QR);
    l->s_kr = step_at(m, i, P_KR);
    l->s_v = step_at(m, i, P_V);
    l->s_g = step_at(m, i, P_G);
    l->s_y = step_at(m, i, P_NORM);
    l->s_sw = step_at(m, i, P_SWISH);
    l->s_gated = step_at(m, i, P_GATED);
    l->wq = weights(m, w->wq, n->d, n->d);
    l->wk = weights(m, w->wk, n->d, n->d);
    l->wv = weights(m, w->wv, n->V, n->d);
    l->wg = weights(m, w->wg, n->V, n->d);
    l->wo = weights(m, w->wo, n->d, n->V);
    l->rq_q = channels(m, &l->wq, l->s_x, l->s_q);
    l->rq_k = channels(m, &l->wk, l->s_x / sqrt((double)n->dk), l->s_k); /* dk^-0.5 costs nothing */
    l->rq_v = channels(m, &l->wv, l->s_x, l->s_v);
    l->rq_g = channels(m, &l->wg, l->s_x, l->s_g);
    l->qr = rq_of(l->s_q / 16384 / l->s_qr);
    l->kr = rq_of(l->s_k / 16384 / l->s_kr);
    l->y = rq_of(ldexp(1 / l->s_y, -20));
    l->gated = rq_of(l->s_y * l->s_sw / l->s_gated);
    lut(l->swish, l->s_g, l->s_sw, false, amax);
    l->head = ARENA_NEW(&m->q->arena, struct qhead, n->H);
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
    l->fc1 = weights(m, w->fc1, n->F, n->d);
    l->gate = weights(m, w->gate, n->F, n->d);
    l->fc2 = weights(m, w->fc2, n->d, n->F);
    l->ln1 = gains(m, w->ln1, &l->s_w1);
    l->ln2 = gains(m, w->ln2, &l->s_w2);
    double before = n->pre_norm ? l->s_in : l->s_r1, after = n->pre_norm ? l->s_r1 : 0;
    double next = i + 1 < n->L ? step_at(m, i + 1, P_LN1) : n->kind == NET_LM ? step_at(m, 0, P_FINAL)
        : l->s_u;
    if (!n->pre_norm) {
        /* What the second addition can reach: the normed stream and the FFN's contribution. */
        l->s_r2 = (n->alpha * m->c->s[i * N_POINTS + P_LN2].most + m->c->s[i * N_POINTS + P_FFN].most) / omax;
        after = l->s_r2;
    }
    l->eps1 = fixed(n->eps / (before * before) * 256);
    l->eps2 = fixed(n->eps / (after * after) * 256);
    l->n1 = norm_rq(l->s_w1, n->pre_norm ? l->s_x : l->s_u);
    l->n2 = norm_rq(l->s_w2, n->pre_norm ? l->s_u : next);
    l->back1 = norm_rq(l->s_w1, l->s_n1);
    l->back2 = norm_rq(l->s_w2, l->s_n2);
    l->res1 = rq_of(n->alpha * l->s_in / l->s_r1);
    l->res2 = rq_of(n->alpha * (n->pre_norm ? l->s_r1 : l->s_n1) / l->s_r2);
    l->rq_o = channels(m, &l->wo, l->s_gated, l->s_r1);
    l->rq_fc1 = channels(m, &l->fc1, l->s_u, l->s_a);
    l->rq_gate = channels(m, &l->gate, l->s_u, l->s_gp);
    l->rq_fc2 = channels(m, &l->fc2, l->s_prod, l->s_r2);
    l->prod = rq_of(l->s_act * l->s_gp / l->s_prod);
    lut(l->act, l->s_a, l->s_act, n->gelu, m->q->amax);
}

static void lm_of(const struct maker *m)
{
    const struct net *n = m->n;
    struct qnet *q = m->q;
    q->embed = matrix(m, n->embed, n->vocab, n->d, true);
    q->lm = weights(m, n->lm, n->vocab, n->d);
    q->rq_embed = channels(m, &q->embed, n->embed_scale, q->layer[0].s_in);
    q->s_f = step_at(m, 0, P_FINAL);
    if (!n->pre_norm)
        return;
    double s = q->layer[n->L - 1].s_r2;
    q->ln = gains(m, n->ln, &q->s_wf);
    q->epsf = fixed(n->eps / (s * s) * 256);
    q->nf = norm_rq(q->s_wf, q->s_f);
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

static bool make(struct maker *m, struct err *err)
{
    struct qnet *q = m->q;
    const struct net *n = m->n;
    q->amax = (1 << (q->q.activations - 1)) - 1;
    q->rmax = (1 << (q->q.rotary_bits - 1)) - 1;
    q->omax = (1 << (q->q.residual - 1)) - 1;
    if (q->q.state_bits == FIELD_AUTO)
        q->q.state_bits = 16;
    if (q->q.state_bits != 16 && q->q.state_bits != 32)
        return err_add(err, ERR_CONFIG, NULL, "work.quant.state_bits is %" PRIu64 "; legal: 16, 32",
                       q->q.state_bits);
    q->smax = q->q.state_bits == 32 ? INT32_MAX : 32767;
    q->undecay = rq_of(1.0 / (double)((1u << q->q.decay_bits) - 1));
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
    q->narrow = rq_of(q->layer[0].s_in / q->layer[0].s_x);
    return true;
}

struct qnet *qnet_create(const struct net *n, const struct quant *quant, uint64_t n_seqs, uint64_t S,
                         const double *const *seqs, struct err *err)
{
    struct arena scratch = {0};
    struct qnet *q = xrealloc(NULL, 1, sizeof *q);
    struct calibration c = {.n = n, .S = S};
    memset(q, 0, sizeof *q);
    q->n = n;
    q->q = *quant;
    q->S_max = max64(max64(S, n->S), n->eval_len);
    c.s = ARENA_NEW(&scratch, struct samples, n->L * N_POINTS);
    c.state_max = ARENA_NEW(&scratch, double, n->L * n->H);
    c.score_max = ARENA_NEW(&scratch, double, n->L * n->H);
    for (uint64_t i = 0; i < n_seqs; i++) {
        golden_f64(n, NET_PARALLEL, S, seqs[i], tap, &c);
        if (n->kind == NET_MSR)
            sample(&c.s[P_LN1], seqs[i], S * n->d);
    }
    struct maker m = {q, n, &c};
    bool ok = make(&m, err);
    for (uint64_t i = 0; i < n->L * N_POINTS; i++)
        free(c.s[i].bin);
    arena_finish(&scratch);
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
