/* The workload schema and the closed forms of its multiply-accumulates, against
 * a count that walks every token, chunk and key. */
#include "base/hash.h"
#include "workloads/work.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Retention of one layer over a prefill, pair by pair of tokens. */
static uint64_t walk_retention(const struct work *w)
{
    const struct shape *s = &w->shape;
    uint64_t both = s->d_model + s->value_dim, state = s->d_model * work_dv(w), macs = 0;
    for (uint64_t t = 0; t < w->seq; t++) {
        uint64_t first = w->form == FORM_CHUNKWISE ? t / w->chunk * w->chunk : 0;
        for (uint64_t seen = first; w->form != FORM_RECURRENT && seen <= t; seen++)
            macs += both;
        if (w->form != FORM_PARALLEL)
            macs += 2 * state;
    }
    return macs;
}

static uint64_t walk_layer(const struct work *w, uint64_t tokens)
{
    const struct shape *s = &w->shape;
    uint64_t macs = 0;
    for (uint64_t t = 0; t < tokens; t++) {
        macs += 2 * s->d_model * s->d_model + 2 * s->d_model * s->value_dim; /* q k v g */
        macs += s->value_dim * s->d_model;                                   /* out */
        if (w->kind == WORK_NETWORK)
            macs += 3 * s->d_model * s->ffn_dim;
    }
    return macs;
}

static uint64_t walk(const struct work *w)
{
    const struct shape *s = &w->shape;
    bool prefill = w->phase != PHASE_DECODE, decode = w->phase != PHASE_PREFILL;
    uint64_t macs = 0, head = w->kind == WORK_NETWORK ? s->d_model * s->vocab : 0;
    for (uint64_t l = 0; l < s->layers; l++) {
        if (prefill)
            macs += walk_layer(w, w->seq) + walk_retention(w);
        if (w->phase == PHASE_BOTH && w->form == FORM_PARALLEL && w->decode == DECODE_STATE)
            macs += w->seq * s->d_model * work_dv(w);
        if (decode)
            macs += walk_layer(w, w->tokens);
        for (uint64_t t = 0; decode && t < w->tokens; t++)
            macs += w->decode == DECODE_STATE ? 2 * s->d_model * work_dv(w)
                                              : (w->seq + t + 1) * (s->d_model + s->value_dim);
    }
    if (prefill && w->lm_head != LM_NONE)
        macs += head * (w->lm_head == LM_ALL ? w->seq : 1);
    if (decode && w->lm_head != LM_NONE)
        macs += head * w->tokens;
    return macs * w->batch;
}

static struct work random_work(struct rng *r)
{
    struct work w = {.kind = (int)rng_below(r, 2), .form = (int)rng_below(r, 3),
                     .phase = (int)rng_below(r, 3), .decode = (int)rng_below(r, 2),
                     .lm_head = (int)rng_below(r, 3)};
    w.seq = 1 + rng_below(r, 40);
    w.tokens = 1 + rng_below(r, 9);
    w.chunk = 1 + rng_below(r, 50);
    w.batch = 1 + rng_below(r, 3);
    w.shape.heads = 1 + rng_below(r, 4);
    w.shape.d_model = w.shape.heads * 2 * (1 + rng_below(r, 5));
    w.shape.value_dim = w.shape.heads * (1 + rng_below(r, 9));
    w.shape.ffn_dim = 1 + rng_below(r, 30);
    w.shape.layers = 1 + rng_below(r, 3);
    w.shape.vocab = 1 + rng_below(r, 20);
    return w;
}

Test(work, closed_forms_count_what_a_walk_counts)
{
    struct rng r = {.s = 7};
    for (int i = 0; i < 3000; i++) {
        struct work w = random_work(&r);
        cr_assert_eq(work_macs(&w), walk(&w), "case %d: form %d phase %d decode %d seq %llu chunk %llu", i,
                     w.form, w.phase, w.decode, (unsigned long long)w.seq, (unsigned long long)w.chunk);
    }
}

static struct work *decode_text(struct arena *a, const char *text, struct err *err)
{
    const struct ynode *root = yaml_parse(a, "test.yaml", text, strlen(text), err);
    return root ? work_decode(a, root, err) : NULL;
}

/* MAC a token and layer of projections and feed-forward network. The paper's
 * own network has two matrices (50.3 M a token and layer for 1.3 B) where
 * torchscale's, which is simulated, has three. */
Test(work, shipped_models_have_their_published_sizes)
{
    static const struct {
        const char *file;
        uint64_t dk, dv, dense_macs;
    } rows[] = {
        {"retnet_1p3b", 256, 512, 58720256},    {"retnet_2p7b", 256, 512, 91750400},
        {"retnet_6p7b", 256, 512, 234881024},   {"torchscale_base", 256, 432, 3178496},
        {"torchscale_medium", 256, 432, 12713984}, {"torchscale_xl", 256, 432, 50855936},
        {"torchscale_3b", 256, 428, 78848000},  {"torchscale_7b", 256, 432, 203423744},
        {"edge_kjv_d64", 32, 64, 57344},        {"edge_kjv_d128", 32, 64, 229376},
        {"edge_d192", 64, 128, 516096},         {"edge_d256", 64, 128, 917504},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena a = {0};
        struct err err = {0};
        char path[256];
        snprintf(path, sizeof path, TEST_ROOT "/workloads/models/%s.yaml", rows[i].file);
        const struct ynode *root = yaml_load(&a, path, &err);
        struct work *w = root ? work_decode(&a, root, &err) : NULL;
        cr_assert_not_null(w, "%s: %s", rows[i].file, err.n_diags ? err.diags[0].text : "");
        cr_expect_str_eq(w->name, rows[i].file);
        cr_expect_eq(work_dk(w), rows[i].dk, "%s", rows[i].file);
        cr_expect_eq(work_dv(w), rows[i].dv, "%s", rows[i].file);
        w->phase = PHASE_DECODE;
        w->tokens = 1;
        w->lm_head = LM_NONE;
        uint64_t dense = work_macs(w) / w->shape.layers - 2 * w->shape.d_model * work_dv(w);
        cr_expect_eq(dense, rows[i].dense_macs, "%s: %llu", rows[i].file, (unsigned long long)dense);
        arena_finish(&a);
        err_finish(&err);
    }
}

Test(work, defaults_follow_the_paper)
{
    struct arena a = {0};
    struct err err = {0};
    struct work *w = decode_text(&a, "name: w\nshape: {d_model: 64, heads: 2, vocab: 8}", &err);
    cr_assert_not_null(w);
    cr_expect_eq(w->shape.value_dim, 128);
    cr_expect_eq(w->shape.ffn_dim, 128);
    cr_expect_eq(w->shape.layers, 1);
    cr_expect_eq(w->kind, WORK_NETWORK);
    cr_expect_eq(w->form, FORM_PARALLEL);
    cr_expect_eq(w->phase, PHASE_PREFILL);
    cr_expect_eq(w->seq, 512);
    cr_expect_eq(w->tokens, 64);
    cr_expect_eq(w->chunk, 64);
    cr_expect_eq(w->batch, 1);
    cr_expect_eq(w->lm_head, LM_LAST);
    cr_expect_eq(w->quant.weights, 8);
    cr_expect_eq(w->quant.residual, 16);
    cr_expect_eq(w->map.token_block, FIELD_AUTO);
    cr_expect_eq(w->sample_cycles, FIELD_AUTO);
    cr_expect(w->map.spill && w->shape.pre_norm);
    arena_finish(&a);
}

/* What cannot work is said with its reason, and with what would. */
Test(work, illegal_workloads_are_refused)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"shape: {d_model: 768, heads: 3, value_dim: 1280, vocab: 9}",
            "1280, which 3 heads do not divide; legal"},
        {"shape: {d_model: 64, heads: 3, value_dim: 126, vocab: 9}", "such as 60 or 66"},
        {"shape: {d_model: 30, heads: 2, vocab: 9}", "rotary"},
        {"shape: {d_model: 4, heads: 8, value_dim: 8, vocab: 9}", "such as 16"},
        {"shape: {d_model: 64, heads: 2}", "shape.vocab is 0"},
        {"seq: 4", "shape is required"},
        {"kind: msr\nshape: {d_model: 64, heads: 2, layers: 2}", "layers is 2; legal: 1"},
        {"kind: gemm\nm: 1\nn: 1", "work.k is missing"},
        {"kind: gemm\nm: 1\nn: 1\nk: 1\nshape: {d_model: 64, heads: 2}", "no meaning for kind gemm"},
        {"n: 5\nshape: {d_model: 64, heads: 2, vocab: 9}", "no meaning for kind network"},
        {"seq: 0\nshape: {d_model: 64, heads: 2, vocab: 9}", "seq is 0"},
        {"phase: both\nform: recurrent\ndecode: kv_cache\nshape: {d_model: 64, heads: 2, vocab: 9}",
            "no cache"},
        {"quant: {residual_bits: 7}\nshape: {d_model: 64, heads: 2, vocab: 9}", "residual_bits is 7"},
        {"seq: 1048576\nbatch: 1024\nshape: {d_model: 65536, heads: 1, layers: 128, vocab: 9}", "2^63"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena a = {0};
        struct err err = {0};
        const char *text = arena_printf(&a, "name: w\n%s\n", rows[i].text);
        cr_expect_null(decode_text(&a, text, &err), "accepted: %s", rows[i].text);
        char *said = err_render(&err, NULL);
        cr_expect_eq(err.code, ERR_CONFIG);
        cr_expect_not_null(strstr(said, rows[i].says), "%s: says %s", rows[i].text, said);
        free(said);
        err_finish(&err);
        arena_finish(&a);
    }
}

Test(work, a_decode_may_begin_with_an_empty_context)
{
    struct arena a = {0};
    struct err err = {0};
    struct work *w = decode_text(&a, "name: w\nphase: decode\nseq: 0\nform: recurrent\ndecode: kv_cache\n"
                                     "shape: {d_model: 64, heads: 2, vocab: 8}", &err);
    cr_assert_not_null(w);
    cr_expect_eq(work_macs(w), walk(w));
    arena_finish(&a);
}

Test(work, gemm_counts_m_n_k_and_batch)
{
    struct arena a = {0};
    struct err err = {0};
    struct work *w = decode_text(&a, "name: w\nkind: gemm\nm: 3\nn: 5\nk: 7\nbatch: 2", &err);
    cr_assert_not_null(w);
    cr_expect_eq(work_macs(w), 210);
    arena_finish(&a);
}
