/* A network as data: a directory with case.json (or network.yaml) and .npy
 * tensors, in the form of a multi-scale retention layer (msr), a block or a
 * language model (lm). */
#ifndef WORKLOADS_NET_H
#define WORKLOADS_NET_H

#include "base/npy.h"
#include "workloads/work.h"

enum net_kind { NET_MSR, NET_BLOCK, NET_LM };
enum net_form { NET_PARALLEL, NET_RECURRENT, NET_CHUNKWISE, N_NET_FORMS };
extern const char *const net_form_names[N_NET_FORMS];
enum { NET_MAX_LAYERS = 128, NET_MAX_HEADS = 256 };

struct net_layer {            /* rows are outputs */
    const double *wq, *wk;    /* d,d */
    const double *wv, *wg;    /* V,d */
    const double *wo;         /* d,V */
    const double *ln1, *ln2;  /* d: gains of the block's norms */
    const double *fc1, *gate; /* F,d */
    const double *fc2;        /* d,F */
};

/* What `retsim quantize` leaves: weights are whole numbers times scales, and what else the
 * integers need lies beside them. */
struct net_quantized {
    struct quant quant;
    uint64_t positions; /* of the tables */
};

struct net {
    struct arena arena;
    const struct net_quantized *quantized; /* NULL: floating point */
    const char *dir;
    enum net_kind kind;
    uint64_t S, d, H, dk, dv, V, F, B, L, vocab;
    double eps, alpha, embed_scale;
    bool pre_norm, gelu;
    double decay[NET_MAX_HEADS]; /* gamma of each head */
    struct net_layer *layer;     /* L of them */
    const double *embed, *lm;    /* vocab,d */
    const double *ln;            /* d: final norm (pre-norm only) */
    const double *x;             /* S,d (msr, block) */
    const double *tokens;        /* S (lm), NULL when there are only eval_tokens */
    const double *eval;          /* eval_rows, eval_len + 1 (lm) */
    uint64_t eval_rows, eval_len;
};

/* Reads a directory. NULL on error: 66 (a file is missing), 65 (a tensor has
 * another shape than case.json says), 78 (case.json). */
struct net *net_load(const char *dir, struct err *err);
/* Its description alone: no tensor is read. */
struct net *net_header(const char *dir, struct err *err);
void net_destroy(struct net *n);
/* A stored tensor that is not part of the network; false without an error when
 * there is none. */
bool net_reference(struct net *n, const char *name, struct npy *out, struct err *err);

/* `quant:` with its keys as YAML, `indent` before each line; without `machine`, those are
 * left out that follow from the machine it runs on. */
void net_knobs(const struct quant *q, bool machine, const char *indent, struct text *t);
/* Writes network.yaml of a quantized network and what a run takes in: decays, input or tokens
 * (net_write.c). */
bool net_describe(const struct net *n, const struct net_quantized *q, const char *dir, struct err *err);

#endif
