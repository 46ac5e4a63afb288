/* Each knob of work.quant does what it says, and a quantized network is the same integers again. */
#include "tests/net_gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct qnet *make(struct net *n, const char *a, const char *b)
{
    struct err err = {0};
    struct quant q = gen_quant(a, b);
    struct qnet *made = eval_quantize(n, &q, 0, &err);
    cr_assert(made, "%s: %s", a ? a : "", err.n_diags ? err.diags[0].text : "");
    return made;
}

static struct net *small(void)
{
    static const struct gen g = {NET_BLOCK, 40, 32, 2, 64, 16, 48, 1, 0, 2, 0, false, NULL, 3};
    return gen_net(&g);
}

struct caught { /* integers of one point, and all of them in a hash */
    enum point p;
    int32_t *v;
    uint64_t n, hash;
};

static void catch(void *arg, uint64_t layer, enum point p, const int32_t *v, uint64_t n)
{
    struct caught *c = arg;
    for (uint64_t i = 0; i < n; i++)
        c->hash = mix64(c->hash * 31 + (uint32_t)v[i] + layer * 1000003 + p);
    if (p != c->p || layer)
        return;
    c->v = memcpy(xrealloc(c->v, n, sizeof *v), v, n * sizeof *v);
    c->n = n;
}

static struct caught run(const struct qnet *q, enum net_form form, enum point p)
{
    struct caught c = {.p = p};
    struct golden_sink sink = {.whole = catch, .arg = &c};
    struct golden_job job = {.form = form, .prefill = q->n->S};
    static struct overflow over;
    golden_int(q, &job, q->n->x ? q->n->x : q->n->tokens ? q->n->tokens : q->n->eval, &sink, &over);
    return c;
}

static int32_t largest(const int32_t *v, uint64_t n)
{
    int32_t most = 0;
    for (uint64_t i = 0; i < n; i++)
        most = abs(v[i]) > most ? abs(v[i]) : most;
    return most;
}

static int32_t largest_weight(const struct qmat *w)
{
    int32_t most = 0;
    for (uint64_t i = 0; i < w->out * w->in; i++)
        most = abs(w->w[i]) > most ? abs(w->w[i]) : most;
    return most;
}

Test(knobs, widths_of_weights_and_activations)
{
    struct net *n = small();
    for (unsigned bits = 2; bits <= 8; bits++) {
        char w[40], a[40];
        int32_t top = (1 << (bits - 1)) - 1;
        snprintf(w, sizeof w, "work.quant.weights=%u", bits);
        snprintf(a, sizeof a, "work.quant.activations=%u", bits);
        struct qnet *q = make(n, w, a);
        cr_expect_eq(largest_weight(&q->layer[0].wq), top, "%u", bits);
        cr_expect_eq(largest_weight(&q->layer[0].fc2), top, "%u", bits);
        static const enum point narrow[] = {P_LN1, P_V, P_QR, P_KR, P_NORM, P_GATED, P_LN2, P_PROD};
        for (unsigned i = 0; i < sizeof narrow / sizeof narrow[0]; i++) {
            struct caught c = run(q, NET_RECURRENT, narrow[i]);
            cr_expect(c.n && largest(c.v, c.n) == top, "%u bits, point %u", bits, narrow[i]);
            free(c.v);
        }
        qnet_destroy(q);
    }
    net_destroy(n);
}

static int32_t most_at(struct net *n, const char *set, enum point p)
{
    struct qnet *q = make(n, set, NULL);
    struct caught c = run(q, NET_RECURRENT, p);
    int32_t most = largest(c.v, c.n);
    free(c.v);
    qnet_destroy(q);
    return most;
}

Test(knobs, widths_of_what_is_wide)
{
    struct net *n = small();
    cr_expect(most_at(n, "work.quant.rotary_bits=8", P_Q) <= 127);
    cr_expect(most_at(n, NULL, P_Q) > 4096);
    cr_expect(most_at(n, "work.quant.residual_bits=10", P_RES1) <= 511);
    cr_expect(most_at(n, NULL, P_RES1) > 4096);
    cr_expect(most_at(n, "work.quant.state_bits=16", P_STATE) <= INT16_MAX);
    int32_t wide = most_at(n, "work.quant.state_bits=32", P_STATE);
    struct qnet *q = make(n, NULL, NULL), *w = make(n, "work.quant.state_bits=32", NULL);
    cr_expect_eq(w->layer[0].head[0].state.p, -4, "four guard bits");
    double coarse = most_at(n, "work.quant.state_bits=16", P_STATE), fine = 0;
    for (uint64_t h = 0; h < n->H; h++)
        fine = fmax(fine, ldexp(wide, -4 - q->layer[0].head[h].state.p));
    cr_expect(coarse <= fine * 1.02 && coarse > fine / 17, "%g and %g: the same state, finer", coarse, fine);
    qnet_destroy(q);
    qnet_destroy(w);
    net_destroy(n);
}

Test(knobs, scales_of_weights)
{
    struct net *n = small();
    struct qnet *t = make(n, "work.quant.weight_scale=tensor", NULL), *c = make(n, NULL, NULL);
    unsigned differ = 0;
    for (uint64_t o = 1; o < n->d; o++) {
        cr_expect_eq(t->layer[0].wq.scale[o], t->layer[0].wq.scale[0]);
        differ += c->layer[0].wq.scale[o] != c->layer[0].wq.scale[0];
    }
    cr_expect(differ > n->d / 2);
    qnet_destroy(t);
    qnet_destroy(c);
    net_destroy(n);
}

Test(knobs, calibration_sets_the_step)
{
    struct net *n = small();
    struct qnet *m = make(n, "work.quant.calibration=minmax", NULL);
    struct qnet *p = make(n, "work.quant.calibration=percentile", NULL), *e = make(n, NULL, NULL);
    double most = 0;
    for (uint64_t i = 0; i < n->d; i++)
        most = fmax(most, fabs(n->layer[0].wq[i]));
    cr_expect_float_eq(m->layer[0].wq.scale[0], most / 127, 1e-12);
    for (uint64_t o = 0; o < n->d; o++) {
        double most_step = m->layer[0].wq.scale[o] * (1 + 1e-12);
        cr_expect(p->layer[0].wq.scale[o] <= most_step && e->layer[0].wq.scale[o] <= most_step);
    }
    cr_expect(p->layer[0].s_x < m->layer[0].s_x && e->layer[0].s_x <= m->layer[0].s_x);
    qnet_destroy(m);
    qnet_destroy(p);
    qnet_destroy(e);
    net_destroy(n);
}

Test(knobs, decays)
{
    struct net *n = small();
    n->decay[1] = 1 - 0.0123;
    struct qnet *a = make(n, NULL, NULL), *m = make(n, "work.quant.decay=multiply", NULL);
    struct qnet *t = make(n, "work.quant.decay_bits=12", "work.quant.decay_block=16");
    cr_expect_eq(a->layer[0].head[0].state.decay_shift, 5);
    cr_expect_eq(a->layer[0].head[1].state.decay_shift, -1, "no power of two");
    cr_expect_eq(m->layer[0].head[0].state.decay_shift, -1);
    cr_expect_eq(m->layer[0].head[0].state.gamma_u16, 65536 - 2048);
    cr_expect_eq(t->layer[0].head[0].decay.entry[0], 4095);
    cr_expect_eq(t->layer[0].head[0].decay.entries, 16);
    double at40 = (double)decayed(&t->layer[0].head[0].decay, 40, 1 << 20) / (4095.0 * (1 << 20));
    cr_expect_float_eq(at40, pow(n->decay[0], 40), 2e-3, "table and block: %g", at40);
    struct err err = {0};
    struct quant q = gen_quant("work.quant.decay=shift", NULL);
    cr_expect_null(eval_quantize(n, &q, 0, &err));
    cr_expect_eq(err.code, ERR_CONFIG);
    err_finish(&err);
    qnet_destroy(a);
    qnet_destroy(m);
    qnet_destroy(t);
    net_destroy(n);
}

static uint64_t hash_of(struct net *n, const char *a, const char *b, enum net_form form)
{
    struct qnet *q = make(n, a, b);
    struct caught c = run(q, form, P_STATE);
    free(c.v);
    qnet_destroy(q);
    return c.hash;
}

/* What changes which form, and what does not. */
Test(knobs, reach_the_forms_that_they_name)
{
    static const struct {
        const char *set;
        bool in[3]; /* parallel, recurrent, chunkwise */
    } cases[] = {{"work.quant.score_bits=6", {1, 0, 1}},
                 {"work.quant.score_scale=static", {1, 0, 1}},
                 {"work.quant.score_block=8", {1, 0, 1}},
                 {"work.quant.decay_bits=10", {1, 0, 1}},
                 {"work.quant.read_bits=8", {0, 1, 1}},
                 {"work.quant.rounding=truncate", {0, 1, 1}},
                 {"work.quant.rounding=stochastic", {0, 1, 1}},
                 {"work.quant.rounding=half_even", {0, 1, 1}},
                 {"work.quant.state_update=token", {0, 0, 1}},
                 {"work.quant.decay=multiply", {0, 1, 0}},
                 {"work.quant.norm_bits=8", {1, 1, 1}},
                 {"work.quant.norm=deeploy", {1, 1, 1}},
                 {"work.quant.requant=floor", {1, 1, 1}},
                 {"work.quant.requant=int32", {1, 1, 1}},
                 {"work.quant.activation_scale=head", {1, 1, 1}},
                 {"work.quant.weight_rounding=feedback", {1, 1, 1}},
                 {"work.quant.equalize=channel", {1, 1, 1}}};
    struct net *n = small();
    uint64_t plain[3];
    for (unsigned f = 0; f < 3; f++)
        plain[f] = hash_of(n, NULL, NULL, (enum net_form)f);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned f = 0; f < 3; f++)
            cr_expect_eq(hash_of(n, cases[i].set, NULL, (enum net_form)f) != plain[f], cases[i].in[f],
                         "%s, form %u", cases[i].set, f);
    cr_expect_neq(hash_of(n, "work.quant.rounding=stochastic", "work.quant.seed=2", NET_RECURRENT),
                  hash_of(n, "work.quant.rounding=stochastic", NULL, NET_RECURRENT));
    cr_expect_eq(hash_of(n, "work.quant.seed=2", NULL, NET_RECURRENT), plain[NET_RECURRENT]);
    net_destroy(n);
}

/* Deeploy's and QuantLib's arithmetic by hand. */
Test(knobs, deeploy_arithmetic)
{
    static const int16_t x[4] = {100, -50, 25, 7}, gain[4] = {127, 64, -127, 1};
    struct rms_norm n = {NORM_DEEPLOY, 12345, gain};
    struct rq w = {300, 16, 0};
    int64_t std = rms_std(&n, x, 4); /* isqrt((10000 + 2500 + 625 + 49) / 4 + 1) = isqrt(3294) */
    cr_expect_eq(std, 57);
    cr_expect_eq(rms_element(&n, w, -50, 64, std), -1); /* -960000 / 57 = -16842, >> 16 */
    cr_expect_eq(rms_element(&n, w, 100, 127, std), 1); /* 3810000 / 57 = 66842 >> 16 */
    struct rq up = rq_of(0.75, REQUANT_HALF_UP), down = rq_of(0.75, REQUANT_FLOOR);
    cr_expect_eq(rq_apply(up, 2), 2);  /* 1.5 */
    cr_expect_eq(rq_apply(down, 2), 1);
    cr_expect_eq(rq_apply(up, -2), -1);
    cr_expect_eq(rq_apply(down, -2), -2);
}

/* Deeploy's kernel on int32: product, half, sum and shift, each step in 32 bits. */
static int32_t kernel32(int32_t acc, struct rq q, bool *wraps)
{
    int32_t product, sum;
    *wraps |= __builtin_mul_overflow(acc, q.m, &product);
    *wraps |= __builtin_add_overflow(product, (int32_t)q.add, &sum);
    return sum >> q.sh;
}

static void fits_and_is_tight(double factor, int32_t most, struct rng *rng)
{
    struct rq wide = rq_of(factor, REQUANT_INT32), q = rq_within(wide, most);
    bool wraps = false;
    for (unsigned i = 0; i < 200; i++) {
        int32_t acc = (int32_t)rng_below(rng, 2 * (uint64_t)most + 1) - most;
        acc = i == 0 ? most : i == 1 ? -most : acc;
        cr_expect_eq(kernel32(acc, q, &wraps), rq_apply(q, acc));
    }
    cr_expect_not(wraps, "%g, up to %d", factor, most);
    int drop = wide.sh - q.sh - 1;
    if (drop < 0)
        return;
    struct rq finer = {(wide.m + (1 << drop >> 1)) >> drop, q.sh + 1, INT64_C(1) << q.sh};
    cr_expect_not(rq_fits32(finer, most), "%g, up to %d: %d could have a bit more", factor, most, q.m);
    cr_expect(fabs(ldexp(q.m, -q.sh) - factor) <= ldexp(0.75, -q.sh), "%g, up to %d", factor, most);
}

/* As many bits of the multiplier as there is room for, and no fewer: what Deeploy computes never wraps, and
 * is what the wide operation gives. */
Test(knobs, requantisation_fits_32_bits)
{
    static const double factors[] = {0.9, 0.25, 1.0 / 3, 0.011, 3e-4, 7e-6};
    struct rng rng = {5};
    for (unsigned f = 0; f < sizeof factors / sizeof factors[0]; f++)
        for (unsigned bits = 8; bits < 28; bits += 3)
            fits_and_is_tight(factors[f], (1 << bits) - 1 - (int32_t)rng_below(&rng, 1 << (bits - 2)), &rng);
    cr_expect_eq(rq_within(rq_of(1e-12, REQUANT_INT32), 1 << 20).m, 0); /* nothing is left */
}

/* An overflow is counted with its place. */
Test(knobs, overflows_are_counted)
{
    struct net *n = small();
    struct qnet *q = make(n, NULL, NULL);
    struct golden_sink sink = {0};
    struct golden_job job = {.form = NET_RECURRENT, .prefill = n->S};
    static struct overflow over;
    golden_int(q, &job, n->x, &sink, &over);
    cr_expect_eq(overflow_count(&over), 0);
    for (uint64_t h = 0; h < n->H; h++) {
        q->layer[0].head[h].state.most = 100;
        q->layer[0].head[h].o_shift[NET_RECURRENT] = 0;
    }
    golden_int(q, &job, n->x, &sink, &over);
    cr_expect(over.n[0][OVER_STATE] > 100);
    cr_expect_eq(over.n[0][OVER_ACC], 0);
    qnet_destroy(q);
    net_destroy(n);
}

/* Decode continues where prefill stopped: tokens after a recurrent prefill are the same run, and the
 * cached keys of the parallel form give its rows. */
Test(knobs, decode_continues)
{
    struct net *n = small();
    struct qnet *q = make(n, NULL, NULL);
    static const enum net_form forms[] = {NET_RECURRENT, NET_PARALLEL};
    for (unsigned i = 0; i < 2; i++) {
        static struct overflow over;
        struct caught whole = {.p = P_OUT}, split = {.p = P_OUT};
        struct golden_sink a = {.whole = catch, .arg = &whole}, b = {.whole = catch, .arg = &split};
        struct golden_job one = {forms[i], n->S, 0, false}, two = {forms[i], 25, n->S - 25, i == 1};
        golden_int(q, &one, n->x, &a, &over);
        golden_int(q, &two, n->x, &b, &over);
        cr_expect_eq(memcmp(whole.v, split.v, whole.n * sizeof *whole.v), 0, "%u", i);
        free(whole.v);
        free(split.v);
    }
    qnet_destroy(q);
    net_destroy(n);
}

static uint64_t hash_of_job(const struct qnet *q, const struct golden_job *job)
{
    struct caught c = {.p = N_POINTS};
    struct golden_sink sink = {.whole = catch, .arg = &c};
    static struct overflow over;
    golden_int(q, job, q->n->x, &sink, &over);
    return c.hash;
}

/* Another length of chunks changes the numbers of those jobs that are said to have chunks, and no others,
 * calibration included. */
Test(knobs, chunks_belong_to_some_jobs)
{
    static const char *const updates[] = {"work.quant.state_update=chunk", "work.quant.state_update=token"};
    static const struct golden_job jobs[] = {{NET_RECURRENT, 40, 0, false}, {NET_RECURRENT, 20, 20, false},
                                             {NET_PARALLEL, 40, 0, false},  {NET_PARALLEL, 20, 20, true},
                                             {NET_PARALLEL, 20, 20, false}, {NET_CHUNKWISE, 40, 0, false},
                                             {NET_CHUNKWISE, 25, 15, false}};
    unsigned with = 0;
    for (unsigned u = 0; u < 2; u++) {
        struct net *a = small(), *b = small();
        b->B = 7;
        struct qnet *qa = make(a, updates[u], "work.quant.state_bits=16");
        struct qnet *qb = make(b, updates[u], "work.quant.state_bits=16");
        for (unsigned i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
            bool has = golden_has_chunks(&jobs[i], &qa->q);
            cr_expect_eq(hash_of_job(qa, &jobs[i]) != hash_of_job(qb, &jobs[i]), has, "job %u, %s", i,
                         updates[u]);
            with += has;
        }
        qnet_destroy(qa);
        qnet_destroy(qb);
        net_destroy(a);
        net_destroy(b);
    }
    cr_expect_eq(with, 5);
}

static void same_in_every_form(const struct qnet *a, const struct qnet *b, unsigned which)
{
    for (unsigned f = 0; f < 3; f++) {
        struct caught x = run(a, (enum net_form)f, P_OUT), y = run(b, (enum net_form)f, P_OUT);
        cr_expect_eq(x.hash, y.hash, "case %u, form %u", which, f);
        free(x.v);
        free(y.v);
    }
}

/* On a machine with other states and scores it is as if it had been calibrated for that one. */
static void moves_to_another_machine(struct net *n, const struct net *stored, const struct quant *was,
                                     unsigned which)
{
    struct err err = {0};
    struct quant other = *was;
    other.state_bits = was->state_bits == 16 ? 32 : 16;
    other.read_bits = 12;
    other.score_scale = was->score_scale == SCORE_STATIC ? SCORE_ROW_SHIFT : SCORE_STATIC;
    struct qnet *made = eval_quantize(n, &other, 0, &err);
    struct qnet *moved = qnet_create(stored, &other, 0, 0, NULL, 0, &err);
    cr_assert(made && moved, "%u: %s", which, err.n_diags ? err.diags[0].text : "");
    same_in_every_form(made, moved, which);
    qnet_destroy(made);
    qnet_destroy(moved);
}

/* What quantize writes is read back to the same integers in every form, without calibration. */
Test(knobs, quantized_networks_come_back)
{
    static const double odd[2] = {1 - 0.0123, 1 - 0.03125}, odd4[4] = {0.9, 0.96875, 0.99, 0.999};
    static const struct {
        struct gen g;
        const char *a, *b;
    } cases[] = {
        {{NET_MSR, 20, 32, 2, 64, 8, 0, 1, 0, 1, 0, false, odd, 1}, NULL, NULL},
        {{NET_BLOCK, 33, 32, 2, 32, 16, 48, 1, 0, 2, 0, true, NULL, 2}, "work.quant.norm=deeploy", NULL},
        {{NET_LM, 30, 32, 2, 64, 16, 48, 2, 50, 2, 0, false, odd, 3}, "work.quant.weights=4",
         "work.quant.equalize=channel"},
        {{NET_LM, 30, 32, 4, 64, 16, 48, 1, 50, 2, 0, true, NULL, 4}, "work.quant.requant=floor",
         "work.quant.score_scale=static"},
        {{NET_LM, 30, 64, 4, 64, 16, 48, 1, 50, 2, 0, false, odd4, 6}, "work.quant.requant=int32", NULL},
        {{NET_BLOCK, 33, 32, 2, 32, 16, 48, 1, 0, 2, 0, false, odd, 5}, "work.quant.rounding=stochastic",
         "work.quant.state_bits=32"}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char dir[] = "/tmp/retsim-quantized-XXXXXX", command[128];
        struct err err = {0};
        struct net *n = gen_net(&cases[i].g);
        struct qnet *q = make(n, cases[i].a, cases[i].b);
        cr_assert(mkdtemp(dir));
        cr_assert(qnet_save(q, dir, &err), "%s", err.n_diags ? err.diags[0].text : "");
        struct net *back = net_load(dir, &err);
        cr_assert(back && back->quantized, "%u: %s", i, err.n_diags ? err.diags[0].text : "");
        struct qnet *again = qnet_create(back, &back->quantized->quant, 0, 0, NULL, 0, &err);
        cr_assert(again, "%u: %s", i, err.n_diags ? err.diags[0].text : "");
        same_in_every_form(q, again, i);
        moves_to_another_machine(n, back, &q->q, i);
        struct quant other = back->quantized->quant;
        other.norm_bits = 9;
        cr_expect_null(qnet_create(back, &other, 0, 0, NULL, 0, &err));
        cr_expect_eq(err.code, ERR_CONFIG);
        snprintf(command, sizeof command, "rm -r %s", dir);
        cr_expect_eq(system(command), 0);
        qnet_destroy(q);
        qnet_destroy(again);
        net_destroy(n);
        net_destroy(back);
        err_finish(&err);
    }
}
