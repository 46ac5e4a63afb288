/* network.yaml of a quantized network. */
#include "workloads/net.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void shape(const struct net *n, struct text *t)
{
    static const char *const kinds[] = {"msr", "block", "lm"};
    char eps[32], alpha[32], scale[32];
    text_real(n->eps, eps, sizeof eps);
    text_real(n->alpha, alpha, sizeof alpha);
    text_real(n->embed_scale, scale, sizeof scale);
    text_printf(t, "kind: %s\nseq_len: %" PRIu64 "\nd_model: %" PRIu64 "\nheads: %" PRIu64 "\n",
                kinds[n->kind], n->S, n->d, n->H);
    text_printf(t, "value_dim: %" PRIu64 "\nchunk: %" PRIu64 "\nnorm_eps: %s\n", n->V, n->B, eps);
    if (n->kind == NET_MSR)
        return;
    text_printf(t, "ffn_dim: %" PRIu64 "\nresidual_alpha: %s\npre_norm: %s\nactivation: %s\n", n->F, alpha,
                n->pre_norm ? "true" : "false", n->gelu ? "gelu" : "swish");
    if (n->kind == NET_LM)
        text_printf(t, "layers: %" PRIu64 "\nvocab: %" PRIu64 "\nembed_scale: %s\n", n->L, n->vocab, scale);
}

/* Widths that are the machine's, as far as `auto` leaves them to it. */
static bool is_machines(const char *line)
{
    static const char *const keys[] = {"state_bits:", "read_bits:"};
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strncmp(line, keys[i], strlen(keys[i])) == 0)
            return true;
    return false;
}

void net_knobs(const struct quant *q, bool machine, const char *indent, struct text *t)
{
    struct text lines = {0};
    schema_emit(quant_section_of(), q, "", &lines);
    text_printf(t, "%squant:\n", indent);
    for (const char *at = lines.s; *at;) {
        at += *at == '.';
        size_t len = strcspn(at, "\n");
        if (machine || !is_machines(at))
            text_printf(t, "%s  %.*s\n", indent, (int)len, at);
        at += len + (at[len] == '\n');
    }
    text_finish(&lines);
}

static bool save(const char *dir, const char *name, enum npy_type type, uint64_t rows, uint64_t cols,
                 const double *v, struct err *err)
{
    char path[4096];
    uint64_t dim[2] = {rows ? rows : cols, cols};
    if (!v)
        return true;
    snprintf(path, sizeof path, "%s/%s.npy", dir, name);
    return npy_save(path, type, rows ? 2 : 1, dim, v, err);
}

bool net_describe(const struct net *n, const struct net_quantized *q, const char *dir, struct err *err)
{
    struct text t = {0};
    char path[4096];
    struct place at = {.file = path};
    snprintf(path, sizeof path, "%s/network.yaml", dir);
    text_add(&t, "# A network in integers, as `retsim quantize` made it.\n");
    shape(n, &t);
    text_printf(&t, "quantized:\n  positions: %" PRIu64 "\n", q->positions);
    net_knobs(&q->quant, true, "  ", &t);
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(t.s, 1, t.len, f) == t.len;
    ok = (!f || fclose(f) == 0) && ok;
    text_finish(&t);
    if (!ok)
        return err_add(err, ERR_CANTCREAT, &at, "cannot be written");
    return save(dir, "decay", NPY_F64, 0, n->H, n->decay, err) &&
           save(dir, "x", NPY_F64, n->S, n->d, n->x, err) &&
           save(dir, "tokens", NPY_I32, 0, n->S, n->tokens, err) &&
           save(dir, "eval_tokens", NPY_I32, n->eval_rows, n->eval_len + 1, n->eval, err);
}
