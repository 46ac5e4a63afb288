#include "workloads/requant32.h"

#include <stdlib.h>

struct pass {
    const struct qnet *q;
    bool check, fits; /* or narrow */
};

/* A multiplier whose accumulators reach `most`. */
static void one(struct pass *p, struct rq *rq, int64_t most)
{
    if (p->check)
        p->fits &= rq_fits32(*rq, most);
    else
        *rq = rq_within(*rq, most);
}

/* Of each output: sum |w| times the largest activation. */
static void matrix(struct pass *p, const struct qmat *w, struct rq *rq)
{
    for (uint64_t o = 0; rq && o < w->out; o++) {
        int64_t sum = 0;
        for (uint64_t i = 0; i < w->in; i++)
            sum += abs(w->w[o * w->in + i]);
        one(p, &rq[o], sum * p->q->amax);
    }
}

static void layer(struct pass *p, struct qlayer *l)
{
    int64_t product = (int64_t)p->q->amax * p->q->amax;
    matrix(p, &l->wq, l->rq_q);
    matrix(p, &l->wk, l->rq_k);
    matrix(p, &l->wv, l->rq_v);
    matrix(p, &l->wg, l->rq_g);
    one(p, &l->gated, product);
    matrix(p, &l->wo, p->q->n->kind == NET_MSR ? l->rq_msr : l->rq_o);
    if (p->q->n->kind == NET_MSR)
        return;
    matrix(p, &l->fc1, l->rq_fc1);
    matrix(p, &l->gate, l->rq_gate);
    one(p, &l->prod, product);
    matrix(p, &l->fc2, l->rq_fc2);
    one(p, &l->res1, p->q->omax);
    one(p, &l->res2, p->q->omax);
}

static void all(struct pass *p)
{
    const struct qnet *q = p->q;
    for (uint64_t l = 0; l < q->n->L; l++)
        layer(p, &q->layer[l]);
    for (uint64_t t = 0; q->n->kind == NET_LM && t < q->embed.out; t++) { /* a token takes a row as it is */
        int32_t most = 0;
        for (uint64_t i = 0; i < q->embed.in; i++)
            most = abs(q->embed.w[t * q->embed.in + i]) > most ? abs(q->embed.w[t * q->embed.in + i]) : most;
        one(p, &q->rq_embed[t], most);
    }
}

void requant32_narrow(struct qnet *q)
{
    struct pass p = {.q = q};
    all(&p);
    one(&p, &q->narrow, q->omax);
}

bool requant32_fits(const struct qnet *q)
{
    struct rq narrow = q->narrow;
    struct pass p = {.q = q, .check = true, .fits = true};
    all(&p);
    one(&p, &narrow, q->omax);
    return p.fits;
}
