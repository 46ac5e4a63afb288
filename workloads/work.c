/* The workload schema, its cross-field checks and the closed forms of the
 * useful multiply-accumulates. */
#include "workloads/work.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;

enum { MAX_SEQ = 1 << 20, MAX_TOKENS = 1 << 20, MAX_CHUNK = 4096, MAX_BATCH = 1024, MAX_WIDTH = 1 << 16,
       MAX_LAYERS = 128, MAX_VOCAB = 1 << 20, MAX_GEMM = 1 << 20, MAX_BLOCK = 4096,
       MAX_TILED = 1 << 16 };

static const char *const kind_names[] = {"network", "msr", "block", "gemm", "linear", "attention",
                                         "feedforward",
                                         "single_attention", NULL};
static const char *const form_names[] = {"parallel", "recurrent", "chunkwise", NULL};
static const char *const phase_names[] = {"prefill", "decode", "both", NULL};
static const char *const decode_names[] = {"state", "kv_cache", NULL};
static const char *const lm_head_names[] = {"last", "all", "none", NULL};
static const char *const gamma_names[] = {"formula", "linspace", NULL};
static const char *const activation_names[] = {"swish", "gelu", NULL};
static const char *const kernel_activation_names[] = {"identity", "relu", "gelu", NULL};
static const char *const order_names[] = {"auto", "layer", "block", "token", NULL};

#define KEY(type_, member) .key = #member, .offset = offsetof(struct type_, member)

static const struct field shape_fields[] = {
    {KEY(shape, d_model), .type = FIELD_U64, .min = 2, .max = MAX_WIDTH, .unit = "values",
     .doc = "width of the residual stream; a multiple of 2 x heads"},
    {KEY(shape, heads), .type = FIELD_U64, .min = 1, .max = 256,
     .doc = "retention heads; each has its own decay"},
    {KEY(shape, value_dim), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 1,
     .max = MAX_WIDTH, .unit = "values",
     .doc = "width of values and gate over all heads; auto: 2 x d_model; a multiple of heads",
     .prov = PROV_DATASHEET, .source = "RetNet paper v4, section 3 (V = 2d)"},
    {KEY(shape, ffn_dim), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 1, .max = MAX_WIDTH,
     .unit = "values", .doc = "inner width of the gated feed-forward network; auto: value_dim",
     .prov = PROV_DATASHEET,
     .source = "torchscale presets: decoder_ffn_embed_dim = decoder_value_embed_dim"},
    {KEY(shape, layers), .type = FIELD_U64, .def = "1", .min = 1, .max = MAX_LAYERS,
     .doc = "blocks of retention and feed-forward network; 1 for kind msr"},
    {KEY(shape, vocab), .type = FIELD_U64, .def = "0", .max = MAX_VOCAB, .unit = "entries",
     .doc = "vocabulary of embedding and language-model head; a network needs one"},
    {KEY(shape, gamma), .type = FIELD_ENUM, .def = "formula", .names = gamma_names, .prov = PROV_DATASHEET,
     .source = "torchscale component/multiscale_retention.py",
     .doc = "decay of head h: formula 1 - 2^(-5-h), or linspace as in the paper's experiments"},
    {KEY(shape, activation), .type = FIELD_ENUM, .def = "swish", .names = activation_names,
     .doc = "activation of the feed-forward network, by table", .prov = PROV_DATASHEET,
     .source = "every torchscale fairseq preset"},
    {KEY(shape, pre_norm), .type = FIELD_BOOL, .def = "true",
     .doc = "RMS norm before each half of a block and after the last; false: after each residual addition",
     .prov = PROV_DATASHEET, .source = "torchscale RetNetConfig decoder_normalize_before"},
    {0},
};
static const struct section shape_section = {.name = "shape", .doc = "widths of the network",
                                             .size = sizeof(struct shape), .fields = shape_fields};

static const char *const weight_scale_names[] = {"tensor", "channel", NULL};
static const char *const weight_rounding_names[] = {"nearest", "feedback", "auto", NULL};
static const char *const state_update_names[] = {"token", "chunk", "auto", NULL};
static const char *const rounding_names[] = {"half_up", "truncate", "stochastic", "half_even", "auto", NULL};
static const char *const quant_decay_names[] = {"auto", "shift", "multiply", "per_token", NULL};
static const char *const score_scale_names[] = {"static", "row_shift", "auto", NULL};
static const char *const activation_scale_names[] = {"tensor", "head", "auto", NULL};
static const char *const equalize_names[] = {"none", "channel", "auto", NULL};
static const char *const requant_names[] = {"half_up", "floor", "int32", NULL};
static const char *const norm_names[] = {"native", "deeploy", NULL};
static const char *const calibration_names[] = {"minmax", "percentile", "mse", NULL};

/* What shapes cycles is `weights`; the others decide values (`retsim eval`). */
static const struct field quant_fields[] = {
    {KEY(quant, weights), .type = FIELD_U64, .def = "8", .min = 2, .max = 8, .unit = "bits",
     .doc = "width of a weight", .prov = PROV_MEASURED,
     .source = "8-bit weights and activations: 25 to 29 dB SQNR over a retention layer"},
    {KEY(quant, activations), .type = FIELD_U64, .def = "8", .min = 2, .max = 8, .unit = "bits",
     .doc = "width of an activation; in memory it takes 2, 4 or 8 bits", .prov = PROV_MEASURED,
     .source = "activation width limits quality: about 5 dB a bit"},
    {.key = "residual_bits", .offset = offsetof(struct quant, residual), .type = FIELD_U64, .def = "16",
     .min = 8, .max = 16, .unit = "bits", .doc = "width of the residual stream; it takes two bytes in memory",
     .prov = PROV_MEASURED, .source = "8 bits cost 10 to 11 dB of a block's own contribution"},
    {KEY(quant, weight_scale), .type = FIELD_ENUM, .def = "channel", .names = weight_scale_names,
     .doc = "one scale for a weight matrix or one for each output channel"},
    {KEY(quant, weight_rounding), .type = FIELD_ENUM, .def = "auto", .names = weight_rounding_names,
     .doc = "weights to the nearest step, or column by column with what is lost so far made good on the "
            "calibration's inputs; auto: nearest, for scored language models feedback"},
    {KEY(quant, activation_scale), .type = FIELD_ENUM, .def = "auto", .names = activation_scale_names,
     .doc = "queries, keys and values of a layer: one scale, or one for each head (the per-head norm drops "
            "it); auto: tensor, for scored language models head"},
    {KEY(quant, equalize), .type = FIELD_ENUM, .def = "auto", .names = equalize_names,
     .doc = "evens out channels before quantization, the function stays; auto: channel for scored "
            "language models that are calibrated on 8 tokens a channel of d_model or more, and on 400"},
    {KEY(quant, state_bits), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 16, .max = 32,
     .unit = "bits",
         .doc = "width of the retention state, 16 or 32; auto: 16, for scored language models 32"},
    {KEY(quant, state_update), .type = FIELD_ENUM, .def = "auto", .names = state_update_names,
     .doc = "states of the chunkwise form, and those built after the parallel one: updated once a chunk or "
            "token by token; auto: as arch.retention.update, in `eval` once a chunk"},
    {KEY(quant, read_bits), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 8, .max = 16,
     .unit = "bits",
     .doc = "bits of the state that the read-out takes; auto: arch.retention.read_bits, in `eval` 16"},
    {KEY(quant, rounding), .type = FIELD_ENUM, .def = "auto", .names = rounding_names,
     .doc = "rounding of the state's shifts; auto: arch.retention.rounding, in `eval` half_up; half_even: "
            "ties, which products of integers often are, add no bias"},
    {KEY(quant, seed), .type = FIELD_U64, .def = "1", .max = UINT32_MAX, .doc = "of stochastic rounding"},
    {KEY(quant, decay), .type = FIELD_ENUM, .def = "auto", .names = quant_decay_names,
     .doc = "decay of the state: auto is a shift where 1 - gamma is a power of two and "
            "arch.retention.decay is shift, else a multiplication; per_token: the same numbers as multiply"},
    {KEY(quant, decay_bits), .type = FIELD_U64, .def = "8", .min = 8, .max = 16, .unit = "bits",
     .doc = "width of an entry of the decay table"},
    {KEY(quant, decay_block), .type = FIELD_U64, .def = "256", .min = 1, .max = 65536, .unit = "tokens",
     .doc = "entries of the decay table; longer distances take a factor for each block beside it"},
    {KEY(quant, score_bits), .type = FIELD_U64, .def = "8", .min = 4, .max = 16, .unit = "bits",
     .doc = "width of a score"},
    {KEY(quant, score_scale), .type = FIELD_ENUM, .def = "auto", .names = score_scale_names,
     .doc = "scores by one scale a head, or by a power of two for each row from its maximum, which takes a "
            "first pass over the keys; auto: row_shift for a network, static for shapes alone"},
    {KEY(quant, score_block), .type = FIELD_U64, .def = "0", .max = 65536, .unit = "keys",
     .doc = "keys that share a row's shift, and most rows and keys of a tile; 0: the whole row"},
    {KEY(quant, rotary_bits), .type = FIELD_U64, .def = "16", .min = 8, .max = 16, .unit = "bits",
     .doc = "width of queries and keys before rotary"},
    {KEY(quant, norm_bits), .type = FIELD_U64, .def = "12", .min = 8, .max = 16, .unit = "bits",
     .doc = "width of a row at the input of the per-head norm, after a shift of its own"},
    {KEY(quant, calibration), .type = FIELD_ENUM, .def = "mse", .names = calibration_names,
     .doc = "range of weights and activations: largest value, 99.99 percentile, least squared error"},
    {KEY(quant, requant), .type = FIELD_ENUM, .def = "half_up", .names = requant_names,
     .doc = "arithmetic of requantisation: half up of a 48-bit product, down as QuantLib's devel branch, or "
            "int32: half up of a product that fits 32 bits, as Deeploy's kernels have it, where these exist"},
    {KEY(quant, norm), .type = FIELD_ENUM, .def = "native", .names = norm_names,
     .doc = "norms: isqrt with fractional bits and eps, or Deeploy's iRMSNorm (isqrt of mean square + 1)"},
    {KEY(quant, calibration_row), .type = FIELD_U64, .def = "auto", .allow_auto = true, .max = 1 << 20,
     .doc = "first evaluation sequence to calibrate on; auto: the last quarter of them"},
    {KEY(quant, calibration_rows), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 1,
     .max = 1 << 20, .doc = "how many"},
    {KEY(quant, score_rows), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 1, .max = 1 << 20,
     .doc = "evaluation sequences to score, from the first; auto: the first three quarters"},
    {0},
};
static const struct section quant_section = {.name = "quant", .doc = "widths of numbers",
                                             .size = sizeof(struct quant), .fields = quant_fields};

static const struct field map_fields[] = {
    {KEY(map, token_block), .type = FIELD_U64, .def = "auto", .allow_auto = true, .min = 1,
     .max = MAX_BLOCK, .unit = "tokens",
     .doc = "tokens that share one loaded weight tile; independent of the form of retention"},
    {KEY(map, order), .type = FIELD_ENUM, .def = "auto", .names = order_names,
     .doc = "outer loop: layer (weights once), block (all layers for a token block) or token (decode)"},
    {KEY(map, spill), .type = FIELD_BOOL, .def = "true",
     .doc = "what does not fit in L2 may live off-chip; false: it is an error"},
    {0},
};
static const struct section map_section = {.name = "map", .doc = "placement and order of the work",
                                           .size = sizeof(struct map), .fields = map_fields};

static const struct field work_fields[] = {
    {KEY(work, name), .type = FIELD_TEXT, .doc = "short name, stored"},
    {KEY(work, title), .type = FIELD_TEXT, .def = "", .doc = "one line for people"},
    {KEY(work, network), .type = FIELD_TEXT, .def = "",
     .doc = "directory of a network (case.json or network.yaml beside .npy tensors), relative to this file: "
            "its numbers are what `run --values` computes with and `quality` of a sweep evaluates; without "
            "one weights are drawn from a seed"},
    {KEY(work, kind), .type = FIELD_ENUM, .def = "network", .names = kind_names,
     .doc = "network: a whole model; msr: one retention layer; block: layers without embedding and head; "
            "gemm: C[m,n] = A[m,k] B[k,n]; in whole tiles, "
            "for an engine fed by streams: linear [s,e][e,p], attention, feedforward [s,e][e,f][f,e], "
            "single_attention (scores and context alone)"},
    {KEY(work, form), .type = FIELD_ENUM, .def = "parallel", .names = form_names,
     .doc = "form of retention in prefill"},
    {KEY(work, phase), .type = FIELD_ENUM, .def = "prefill", .names = phase_names,
     .doc = "prefill: seq tokens at once; decode: one token at a time; both: one after the other"},
    {KEY(work, seq), .type = FIELD_U64, .def = "512", .max = MAX_SEQ, .unit = "tokens",
     .doc = "tokens of the prefill; in phase decode the tokens already in the context"},
    {KEY(work, tokens), .type = FIELD_U64, .def = "64", .min = 1, .max = MAX_TOKENS, .unit = "tokens",
     .doc = "tokens generated in decode"},
    {KEY(work, chunk), .type = FIELD_U64, .def = "64", .min = 1, .max = MAX_CHUNK, .unit = "tokens",
     .doc = "tokens of a chunk in the chunkwise form; the last may be shorter", .prov = PROV_CHOICE},
    {KEY(work, batch), .type = FIELD_U64, .def = "1", .min = 1, .max = MAX_BATCH, .unit = "sequences",
     .doc = "sequences processed together"},
    {KEY(work, decode), .type = FIELD_ENUM, .def = "state", .names = decode_names,
     .doc = "what a generated token reads: the recurrent state, or all keys and values so far"},
    {KEY(work, lm_head), .type = FIELD_ENUM, .def = "last", .names = lm_head_names,
     .doc = "tokens of a prefill that pass the language-model head; in decode none, or each"},
    {KEY(work, shape), .type = FIELD_SECTION, .def = "none", .sub = &shape_section,
     .doc = "widths of the network; required unless kind is gemm"},
    {KEY(work, quant), .type = FIELD_SECTION, .sub = &quant_section, .doc = "widths of numbers"},
    {KEY(work, map), .type = FIELD_SECTION, .sub = &map_section, .doc = "placement and order of the work"},
    {KEY(work, m), .type = FIELD_U64, .def = "0", .max = MAX_GEMM, .unit = "rows",
     .doc = "kind gemm: rows of A and C"},
    {KEY(work, n), .type = FIELD_U64, .def = "0", .max = MAX_GEMM, .unit = "columns",
     .doc = "kind gemm: columns of B and C"},
    {KEY(work, k), .type = FIELD_U64, .def = "0", .max = MAX_GEMM, .unit = "values",
     .doc = "kind gemm: columns of A, rows of B"},
    {KEY(work, s), .type = FIELD_U64, .def = "0", .max = MAX_TILED, .unit = "rows",
     .doc = "kernels in tiles: length of the sequence"},
    {KEY(work, e), .type = FIELD_U64, .def = "0", .max = MAX_TILED, .unit = "values",
     .doc = "kernels in tiles: embedding width"},
    {KEY(work, p), .type = FIELD_U64, .def = "0", .max = MAX_TILED, .unit = "values",
     .doc = "kernels in tiles: projection width"},
    {KEY(work, f), .type = FIELD_U64, .def = "0", .max = MAX_TILED, .unit = "values",
     .doc = "kernels in tiles: inner width of the feed-forward network"},
    {KEY(work, bias), .type = FIELD_FLAG, .def = "1",
     .doc = "kernels in tiles: 1 when products with weights have a bias"},
    {KEY(work, activation), .type = FIELD_ENUM, .def = "identity", .names = kernel_activation_names,
     .doc = "kernels in tiles: function of the output stage, whose pipeline is as long without one"},
    {KEY(work, sample_cycles), .type = FIELD_U64, .def = "auto", .allow_auto = true, .max = UINT32_MAX,
     .unit = "cycles", .prov = PROV_ASSUMPTION, .source = "a compare and a branch for each logit",
     .doc = "host work between two generated tokens; auto: 2 for each vocabulary entry"},
    {0},
};
static const struct section section = {.name = "workload", .doc = "a network or a kernel, and how it is run",
                                       .size = sizeof(struct work), .fields = work_fields};

const struct section *quant_section_of(void)
{
    return &quant_section;
}

const struct section *work_section(void)
{
    return &section;
}

/* A workload being checked; `root` gives the places of errors. */
struct check {
    struct work *w;
    const struct ynode *root, *shape;
    struct err *err;
};

/* Place of a key where it is written, else of the map that lacks it. */
static const struct place *place_of(const struct ynode *map, const char *key)
{
    const struct ynode *value = yaml_get(map, key);
    return value ? &value->at : map ? &map->at : NULL;
}

/* "work.<fmt>" at a key of `map`. */
__attribute__((format(printf, 4, 5))) static bool bad(struct check *c, const struct ynode *map,
                                                      const char *key, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_add(c->err, ERR_CONFIG, place_of(map, key), "work.%s", text);
}

/* What can stand in for `value`, which `by` does not divide: "1278 or 1281". */
static const char *multiples(uint64_t value, uint64_t by, char *buf, size_t size)
{
    uint64_t below = value / by * by;
    if (below)
        snprintf(buf, size, "%" PRIu64 " or %" PRIu64, below, below + by);
    else
        snprintf(buf, size, "%" PRIu64, by);
    return buf;
}

static bool check_heads(struct check *c)
{
    const struct shape *s = &c->w->shape;
    char legal[64];
    bool ok = true;
    multiples(s->d_model, 2 * s->heads, legal, sizeof legal);
    if (s->d_model % s->heads)
        ok = bad(c, c->shape, "d_model", "shape.d_model is %" PRIu64 ", which %" PRIu64 " heads do not "
                 "divide; legal: a multiple of 2 x heads, such as %s", s->d_model, s->heads, legal);
    else if (s->d_model / s->heads % 2)
        ok = bad(c, c->shape, "d_model", "shape.d_model is %" PRIu64 ", %" PRIu64 " for each head, and "
                 "rotary embedding turns pairs; legal: a multiple of 2 x heads, such as %s", s->d_model,
                 s->d_model / s->heads, legal);
    multiples(s->value_dim, s->heads, legal, sizeof legal);
    if (s->value_dim % s->heads)
        ok = bad(c, c->shape, "value_dim", "shape.value_dim is %" PRIu64 ", which %" PRIu64 " heads do not "
                 "divide; legal: a multiple of heads, such as %s", s->value_dim, s->heads, legal);
    return ok;
}

static bool check_shape(struct check *c)
{
    struct shape *s = &c->w->shape;
    if (!s->d_model)
        return bad(c, c->root, "shape", "shape is required for kind %s; e.g. '{d_model: 64, heads: 2, "
                   "layers: 2, vocab: 128}'", kind_names[c->w->kind]);
    if (s->value_dim == FIELD_AUTO)
        s->value_dim = 2 * s->d_model;
    if (s->ffn_dim == FIELD_AUTO)
        s->ffn_dim = s->value_dim;
    bool ok = check_heads(c);
    if (c->w->kind == WORK_NETWORK && !s->vocab)
        ok = bad(c, c->shape, "vocab", "shape.vocab is 0; legal: at least 1 for kind network, or kind msr "
                 "for one retention layer alone");
    if (c->w->kind == WORK_BLOCK && s->vocab)
        ok = bad(c, c->shape, "vocab", "shape.vocab has no meaning for kind block; legal: kind network");
    if (c->w->kind == WORK_MSR && s->layers != 1)
        ok = bad(c, c->shape, "layers", "shape.layers is %" PRIu64 "; legal: 1 for kind msr, or kind network",
                 s->layers);
    return ok;
}

static bool check_phase(struct check *c)
{
    const struct work *w = c->w;
    bool ok = true;
    if (w->phase != PHASE_DECODE && w->seq == 0)
        ok = bad(c, c->root, "seq", "seq is 0; legal: at least 1 in phase %s", phase_names[w->phase]);
    if (w->phase == PHASE_BOTH && w->decode == DECODE_KV_CACHE && w->form != FORM_PARALLEL)
        ok = bad(c, c->root, "decode", "decode is 'kv_cache' after a %s prefill, which leaves a state and no "
                 "cache; legal: state, or form parallel", form_names[w->form]);
    return ok;
}

/* Keys of one kind that the other would ignore without a word. */
static bool check_foreign(struct check *c)
{
    static const char *const gemm_keys[] = {"m", "n", "k"};
    const struct work *w = c->w;
    bool ok = true;
    if (w->kind == WORK_GEMM && c->shape)
        return bad(c, c->root, "shape", "shape has no meaning for kind gemm; legal: m, n, k");
    if (work_is_tiled(w) && c->shape)
        return bad(c, c->root, "shape", "shape has no meaning for kind %s; legal: s, e, p, f",
                   kind_names[w->kind]);
    for (int i = 0; i < 3; i++) {
        const char *key = gemm_keys[i];
        uint64_t v = i == 0 ? w->m : i == 1 ? w->n : w->k;
        bool written = yaml_get(c->root, key);
        if (w->kind == WORK_GEMM && v == 0)
            ok = bad(c, c->root, key, "%s is %s; legal: 1..%d for kind gemm", key, written ? "0" : "missing",
                     MAX_GEMM);
        if (w->kind != WORK_GEMM && written)
            ok = bad(c, c->root, key, "%s has no meaning for kind %s; legal: kind gemm", key,
                     kind_names[w->kind]);
    }
    return ok;
}

/* Widths of the kernels in tiles; those that a kernel does not use may be there. */
static bool check_tiled(struct check *c)
{
    static const char *const keys[] = {"s", "e", "p", "f"};
    static const char *const used[] = {[WORK_LINEAR] = "sep", [WORK_ATTENTION] = "sep",
                                       [WORK_FEEDFORWARD] = "sef", [WORK_SINGLE_ATTENTION] = "sp"};
    const struct work *w = c->w;
    const uint64_t v[] = {w->s, w->e, w->p, w->f};
    bool tiled = work_is_tiled(w), ok = true;
    for (int i = 0; i < 4; i++) {
        bool written = yaml_get(c->root, keys[i]);
        if (!tiled && written)
            ok = bad(c, c->root, keys[i], "%s has no meaning for kind %s; legal: kind linear, attention, "
                     "feedforward or single_attention", keys[i], kind_names[w->kind]);
        if (tiled && v[i] == 0 && strstr(used[w->kind], keys[i]))
            ok = bad(c, c->root, keys[i], "%s is %s; legal: 1..%d for kind %s", keys[i],
                     written ? "0" : "missing", MAX_TILED, kind_names[w->kind]);
    }
    return ok;
}

/* Retention of one layer over a prefill of one sequence. */
static u128 prefill_retention(const struct work *w)
{
    const struct shape *s = &w->shape;
    u128 seq = w->seq, both = s->d_model + s->value_dim, state = (u128)s->d_model * work_dv(w);
    u128 full = w->seq / w->chunk, rest = w->seq % w->chunk, chunk = w->chunk;
    switch (w->form) {
    case FORM_PARALLEL:
        return seq * (seq + 1) / 2 * both;
    case FORM_RECURRENT:
        return 2 * seq * state;
    default:
        return (full * (chunk * (chunk + 1) / 2) + rest * (rest + 1) / 2) * both + 2 * seq * state;
    }
}

/* A token at context length p sees p + 1 keys. */
static u128 decode_retention(const struct work *w)
{
    const struct shape *s = &w->shape;
    u128 n = w->tokens, seen = n * w->seq + n * (n + 1) / 2;
    if (w->decode == DECODE_KV_CACHE)
        return seen * (s->d_model + s->value_dim);
    return 2 * n * s->d_model * work_dv(w);
}

/* Everything of a layer but retention, for one token. */
static u128 dense_per_token(const struct work *w)
{
    const struct shape *s = &w->shape;
    u128 d = s->d_model, v = s->value_dim;
    return 2 * d * d + 3 * d * v + (work_has_stream(w) ? 3 * d * s->ffn_dim : 0);
}

static u128 tiled_macs(const struct work *w)
{
    u128 s = w->s, scores = 2 * s * s * w->p;
    switch (w->kind) {
    case WORK_LINEAR: return s * w->e * w->p;
    case WORK_ATTENTION: return 4 * s * w->e * w->p + scores;
    case WORK_FEEDFORWARD: return 2 * s * w->e * w->f;
    default: return scores;
    }
}

static u128 count_macs(const struct work *w)
{
    const struct shape *s = &w->shape;
    if (work_is_tiled(w))
        return tiled_macs(w);
    u128 head = w->kind == WORK_NETWORK && w->lm_head != LM_NONE ? (u128)s->d_model * s->vocab : 0, macs = 0;
    if (w->kind == WORK_GEMM)
        return (u128)w->m * w->n * w->k * w->batch;
    if (w->phase != PHASE_DECODE) {
        macs += s->layers * (w->seq * dense_per_token(w) + prefill_retention(w));
        macs += head * (w->lm_head == LM_ALL ? w->seq : 1);
    }
    /* The parallel form leaves no state: K^T V of the whole prefill builds it once. */
    if (w->phase == PHASE_BOTH && w->form == FORM_PARALLEL && w->decode == DECODE_STATE)
        macs += (u128)s->layers * w->seq * s->d_model * work_dv(w);
    if (w->phase != PHASE_PREFILL) {
        macs += s->layers * (w->tokens * dense_per_token(w) + decode_retention(w));
        macs += head * w->tokens;
    }
    return macs * w->batch;
}

uint64_t work_macs(const struct work *w)
{
    return (uint64_t)count_macs(w);
}

bool work_check(struct work *w, const struct ynode *root, struct err *err)
{
    struct check c = {w, root, yaml_get(root, "shape"), err};
    bool ok = check_foreign(&c);
    ok &= check_tiled(&c);
    if (w->kind != WORK_GEMM && !work_is_tiled(w)) {
        ok &= check_shape(&c);
        ok &= check_phase(&c);
    }
    if (ok && count_macs(w) > INT64_MAX)
        ok = err_add(err, ERR_CONFIG, &root->at, "the workload has more than 2^63 multiply-accumulates; "
                     "legal: a smaller seq, tokens or batch");
    return ok;
}

struct work *work_decode_unchecked(struct arena *a, const struct ynode *root, struct err *err)
{
    struct work *w = ARENA_NEW(a, struct work, 1);
    return schema_decode(a, &section, root, "work", w, err) ? w : NULL;
}

struct work *work_decode(struct arena *a, const struct ynode *root, struct err *err)
{
    struct work *w = work_decode_unchecked(a, root, err);
    return w && work_check(w, root, err) ? w : NULL;
}
