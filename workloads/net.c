#include "workloads/net.h"

#include "base/text.h"
#include "base/yamldoc.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const net_form_names[N_NET_FORMS] = {"parallel", "recurrent", "chunkwise"};

struct reader {
    struct net *n;
    const struct ynode *root;
    struct err *err;
    bool ok;
};

static double real_of(struct reader *r, const char *key, double min, double max, double otherwise)
{
    const struct ynode *v = yaml_get(r->root, key);
    double x = otherwise;
    if (!v && isfinite(otherwise))
        return otherwise;
    char from[32], to[32];
    if (!v || v->kind != YNODE_SCALAR || !text_parse_real(v->text, &x) || !(x >= min && x <= max))
        r->ok = err_add(r->err, ERR_CONFIG, v ? &v->at : &r->root->at, "`%s` %s a number from %s to %s", key,
                        v ? "must be" : "is missing; legal:", text_real(min, from, sizeof from),
                        text_real(max, to, sizeof to));
    return x;
}

static uint64_t size_of(struct reader *r, const char *key, uint64_t max, double otherwise)
{
    double x = real_of(r, key, 1, (double)max, otherwise);
    if (r->ok && x != floor(x))
        r->ok = err_add(r->err, ERR_CONFIG, &yaml_get(r->root, key)->at, "`%s` must be a whole number", key);
    return r->ok ? (uint64_t)x : 1;
}

static bool flag_of(struct reader *r, const char *key, bool otherwise)
{
    const struct ynode *v = yaml_get(r->root, key);
    if (!v)
        return otherwise;
    if (v->kind == YNODE_SCALAR && (!strcmp(v->text, "true") || !strcmp(v->text, "false")))
        return v->text[0] == 't';
    r->ok = err_add(r->err, ERR_CONFIG, &v->at, "`%s` must be true or false", key);
    return otherwise;
}

static unsigned word_of(struct reader *r, const char *key, const char *const *names, unsigned otherwise)
{
    const struct ynode *v = yaml_get(r->root, key);
    if (!v && otherwise != UINT32_MAX)
        return otherwise;
    for (unsigned i = 0; v && v->kind == YNODE_SCALAR && names[i]; i++)
        if (!strcmp(v->text, names[i]))
            return i;
    struct text all = {0};
    for (unsigned i = 0; names[i]; i++)
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    r->ok = err_add(r->err, ERR_CONFIG, v ? &v->at : &r->root->at, "`%s` must be one of %s", key, all.s);
    text_finish(&all);
    return 0;
}

static const char *path_of(struct net *n, const char *name, const char *suffix)
{
    return arena_printf(&n->arena, "%s/%s%s", n->dir, name, suffix);
}

/* Whole numbers of a quantized network times the scale of their row, or the one there is. */
static const double *scaled(struct reader *r, const char *name, const struct npy *t, uint64_t rows)
{
    struct npy s;
    const char *scale = arena_printf(&r->n->arena, "%s_scale", name), *path = path_of(r->n, scale, ".npy");
    struct place at = {.file = path};
    if (access(path, R_OK) != 0)
        return t->v;
    if (!npy_load(&r->n->arena, path, &s, r->err))
        return r->ok = false, NULL;
    if (s.n_dims != 1 || (s.n != 1 && s.n != rows)) {
        r->ok = err_add(r->err, ERR_DATA, &at, "its shape is not (%" PRIu64 ")", rows ? rows : 1);
        return NULL;
    }
    double *v = ARENA_NEW(&r->n->arena, double, t->n);
    for (uint64_t i = 0; i < t->n; i++)
        v[i] = t->v[i] * s.v[s.n == 1 ? 0 : i / (t->n / rows)];
    return v;
}

static const char *shape_text(struct arena *a, const uint64_t *dim, unsigned n)
{
    const char *s = "(";
    for (unsigned i = 0; i < n; i++)
        s = arena_printf(a, "%s%s%" PRIu64, s, i ? ", " : "", dim[i]);
    return arena_printf(a, "%s)", s);
}

/* A tensor of the network: rows 0 means a vector of `cols`. */
static const double *tensor(struct reader *r, const char *name, uint64_t rows, uint64_t cols)
{
    struct npy t;
    const char *path = path_of(r->n, name, ".npy");
    struct place at = {.file = path};
    if (!npy_load(&r->n->arena, path, &t, r->err))
        return r->ok = false, NULL;
    bool right = rows ? t.n_dims == 2 && t.dim[0] == rows && t.dim[1] == cols
                      : t.n_dims == 1 && t.dim[0] == cols;
    if (!right) {
        const uint64_t wanted[] = {rows, cols};
        r->ok = err_add(r->err, ERR_DATA, &at, "its shape is %s; the network's is %s",
                        shape_text(&r->n->arena, t.dim, t.n_dims),
                        rows ? shape_text(&r->n->arena, wanted, 2) : shape_text(&r->n->arena, &cols, 1));
        return NULL;
    }
    if (r->n->quantized)
        return scaled(r, name, &t, rows);
    return t.v;
}

static void load_layer(struct reader *r, struct net_layer *l, const char *prefix)
{
    struct net *n = r->n;
    const struct {
        const char *name;
        const double **to;
        uint64_t rows, cols;
        bool block;
    } all[] = {
        {"q", &l->wq, n->d, n->d, false},     {"k", &l->wk, n->d, n->d, false},
        {"v", &l->wv, n->V, n->d, false},     {"g", &l->wg, n->V, n->d, false},
        {"out", &l->wo, n->d, n->V, false},   {"retention_layer_norm", &l->ln1, 0, n->d, true},
        {"final_layer_norm", &l->ln2, 0, n->d, true}, {"ffn_fc1", &l->fc1, n->F, n->d, true},
        {"ffn_gate", &l->gate, n->F, n->d, true}, {"ffn_fc2", &l->fc2, n->d, n->F, true},
    };
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!all[i].block || n->kind != NET_MSR)
            *all[i].to = tensor(r, arena_printf(&n->arena, "%s%s", prefix, all[i].name), all[i].rows,
                                all[i].cols);
}

static void load_decay(struct reader *r)
{
    struct net *n = r->n;
    const double *g = NULL;
    if (access(path_of(n, "decay", ".npy"), R_OK) == 0)
        g = tensor(r, "decay", 0, n->H);
    for (uint64_t h = 0; h < n->H && r->ok; h++) {
        n->decay[h] = g ? g[h] : 1 - ldexp(1, -5 - (int)h);
        if (!(n->decay[h] > 0 && n->decay[h] < 1))
            r->ok = err_add(r->err, ERR_DATA, NULL,
                            "%s: the decay of head %" PRIu64 " is not between 0 and 1",
                            n->dir, h);
    }
}

static bool whole_vocab(struct reader *r, const char *name, const double *t, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (!(t[i] >= 0 && t[i] < (double)r->n->vocab && t[i] == floor(t[i])))
            return r->ok = err_add(r->err, ERR_DATA, NULL,
                                   "%s/%s.npy: element %" PRIu64 " is no token below %"
                                   PRIu64, r->n->dir, name, i, r->n->vocab);
    return true;
}

/* A post-norm network ends in its last block's norm (torchscale: decoder_normalize_before). A gain for one
 * more would change the logits: it is not left out in silence. */
static void no_final_norm(struct reader *r)
{
    struct place at = {.file = path_of(r->n, "w_layer_norm", ".npy")};
    if (access(at.file, R_OK) == 0)
        r->ok = err_add(r->err, ERR_DATA, &at, "a network with pre_norm: false has no norm after its last "
                        "block; legal: pre_norm: true, or no such tensor");
}

static void load_lm(struct reader *r)
{
    struct net *n = r->n;
    struct npy t;
    n->embed = tensor(r, "w_embed_tokens", n->vocab, n->d);
    n->lm = tensor(r, "w_output_projection", n->vocab, n->d);
    if (n->pre_norm)
        n->ln = tensor(r, "w_layer_norm", 0, n->d);
    else
        no_final_norm(r);
    if (access(path_of(n, "tokens", ".npy"), R_OK) == 0) {
        n->tokens = tensor(r, "tokens", 0, n->S);
        if (n->tokens)
            whole_vocab(r, "tokens", n->tokens, n->S);
    }
    if (!r->ok || !net_reference(n, "eval_tokens", &t, r->err))
        return;
    if (t.n_dims != 2 || t.dim[1] < 2) {
        r->ok = err_add(r->err, ERR_DATA, NULL, "%s/eval_tokens.npy: its shape is not (rows, tokens + 1)",
                        n->dir);
        return;
    }
    n->eval = t.v;
    n->eval_rows = t.dim[0];
    n->eval_len = t.dim[1] - 1;
    whole_vocab(r, "eval_tokens", t.v, t.n);
}

static void load_shape(struct reader *r)
{
    static const char *const kinds[] = {"msr", "block", "lm", NULL}, *const acts[] = {"swish", "gelu", NULL};
    struct net *n = r->n;
    n->kind = (enum net_kind)word_of(r, "kind", kinds, UINT32_MAX);
    n->S = size_of(r, "seq_len", 1 << 20, NAN);
    n->d = size_of(r, "d_model", 1 << 14, NAN);
    n->H = size_of(r, "heads", NET_MAX_HEADS, NAN);
    n->V = size_of(r, "value_dim", 1 << 15, (double)n->d);
    n->B = size_of(r, "chunk", 1 << 20, (double)n->S);
    n->eps = real_of(r, "norm_eps", 0, 1, 1e-6);
    n->F = n->kind == NET_MSR ? 0 : size_of(r, "ffn_dim", 1 << 15, NAN);
    n->L = n->kind == NET_LM ? size_of(r, "layers", NET_MAX_LAYERS, NAN) : 1;
    n->vocab = n->kind == NET_LM ? size_of(r, "vocab", 1 << 18, NAN) : 0;
    n->alpha = real_of(r, "residual_alpha", 1e-3, 1e3, 1);
    n->embed_scale = real_of(r, "embed_scale", 1e-6, 1e6, 1);
    n->pre_norm = flag_of(r, "pre_norm", true);
    n->gelu = word_of(r, "activation", acts, 0) == 1;
    if (!r->ok)
        return;
    if (n->d % n->H || n->V % n->H || n->d / n->H % 2)
        r->ok = err_add(r->err, ERR_CONFIG, &r->root->at, "d_model and value_dim must be multiples of heads, "
                        "d_model / heads even");
    n->dk = n->d / n->H;
    n->dv = n->V / n->H;
    if (r->ok && (size_of(r, "d_key", 1 << 14, (double)n->dk) != n->dk ||
                  size_of(r, "d_value", 1 << 15, (double)n->dv) != n->dv) && r->ok)
        r->ok = err_add(r->err, ERR_CONFIG, &r->root->at,
                        "d_key must be d_model / heads, d_value value_dim / heads");
}

static void load_quantized(struct reader *r)
{
    const struct ynode *node = yaml_get(r->root, "quantized");
    struct net_quantized *q = ARENA_NEW(&r->n->arena, struct net_quantized, 1);
    if (!node)
        return;
    struct reader inner = {.n = r->n, .root = node, .err = r->err, .ok = node->kind == YNODE_MAP};
    if (!inner.ok) {
        r->ok = err_add(r->err, ERR_CONFIG, &node->at, "`quantized` must be keys and values");
        return;
    }
    q->positions = size_of(&inner, "positions", 1 << 20, NAN);
    r->ok = schema_decode(&r->n->arena, quant_section_of(), yaml_get(node, "quant"), "quantized.quant",
                          &q->quant, r->err) && inner.ok && r->ok;
    r->n->quantized = q;
}

static void load_tensors(struct reader *r)
{
    struct net *n = r->n;
    n->layer = ARENA_NEW(&n->arena, struct net_layer, n->L);
    load_decay(r);
    for (uint64_t l = 0; l < n->L && r->ok; l++)
        load_layer(r, &n->layer[l], n->kind == NET_LM ? arena_printf(&n->arena, "w_l%" PRIu64 "_", l) : "w_");
    if (!r->ok)
        return;
    if (n->kind == NET_LM)
        load_lm(r);
    else
        n->x = tensor(r, "x", n->S, n->d);
}

/* The file that describes the network; NULL with an error when there is none. */
static const char *description(struct net *n, struct err *err)
{
    const char *yaml = path_of(n, "network", ".yaml"), *json = path_of(n, "case", ".json");
    struct place at = {.file = n->dir};
    struct stat st;
    if (access(yaml, F_OK) == 0)
        return yaml;
    if (access(json, F_OK) == 0)
        return json;
    bool is_dir = stat(n->dir, &st) == 0 && S_ISDIR(st.st_mode);
    err_add(err, ERR_NOINPUT, &at, "%s; legal: the directory of a network, with case.json or network.yaml "
            "beside .npy tensors, such as workloads/networks/kjv_d64_l2",
            is_dir ? "no case.json or network.yaml is in it" : "this is no directory");
    return NULL;
}

static struct net *load(const char *dir, bool tensors, struct err *err)
{
    struct net *n = xrealloc(NULL, 1, sizeof *n);
    memset(n, 0, sizeof *n);
    n->dir = arena_strdup(&n->arena, dir);
    struct reader r = {.n = n, .err = err, .ok = true};
    const char *file = description(n, err);
    r.root = file ? yaml_load(&n->arena, file, err) : NULL;
    if (r.root && r.root->kind != YNODE_MAP)
        r.ok = err_add(err, ERR_CONFIG, &r.root->at, "a network is described by keys and values");
    if (r.root && r.ok)
        load_shape(&r);
    if (r.root && r.ok)
        load_quantized(&r);
    if (r.root && r.ok && tensors)
        load_tensors(&r);
    if (r.root && r.ok)
        return n;
    net_destroy(n);
    return NULL;
}

struct net *net_load(const char *dir, struct err *err)
{
    return load(dir, true, err);
}

struct net *net_header(const char *dir, struct err *err)
{
    return load(dir, false, err);
}

void net_destroy(struct net *n)
{
    if (!n)
        return;
    arena_finish(&n->arena);
    free(n);
}

bool net_reference(struct net *n, const char *name, struct npy *out, struct err *err)
{
    const char *path = path_of(n, name, ".npy");
    return access(path, R_OK) == 0 && npy_load(&n->arena, path, out, err);
}
