#include "workloads/eval.h"

#include "base/json.h"
#include "base/num.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a run leaves behind ---- */

struct shot {
    double *v;
    uint64_t n;
};
struct shots { /* L,N_POINTS */
    struct shot *s;
};

static void catch_all(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    struct shot *s = &((struct shots *)arg)->s[layer * N_POINTS + p];
    s->v = memcpy(xrealloc(s->v, n + 1, sizeof *v), v, n * sizeof *v);
    s->n = n;
}

static void catch_output(void *arg, uint64_t layer, enum point p, const double *v, uint64_t n)
{
    if (p == P_LOGITS)
        catch_all(arg, layer, p, v, n);
}

static struct shots shots_new(const struct net *n)
{
    struct shots s = {xrealloc(NULL, n->L * N_POINTS, sizeof(struct shot))};
    memset(s.s, 0, n->L * N_POINTS * sizeof(struct shot));
    return s;
}

static void shots_finish(struct shots *s, const struct net *n)
{
    for (uint64_t i = 0; i < n->L * N_POINTS; i++)
        free(s->s[i].v);
    free(s->s);
}

/* ---- comparing ---- */

static double max_abs_error(const double *a, const double *b, uint64_t n)
{
    double most = 0;
    for (uint64_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

/* Signal to noise in dB; rows of `row` values are compared up to a positive
 * factor of their own when `free_rows` (the integer form drops row normalisers). */
static double sqnr_db(const double *ref, const double *v, uint64_t n, uint64_t row, bool free_rows)
{
    double signal = 0, noise = 0;
    for (uint64_t at = 0; at < n; at += row) {
        double rv = 0, vv = 0, gain = 1;
        for (uint64_t i = at; i < at + row && i < n; i++) {
            rv += ref[i] * v[i];
            vv += v[i] * v[i];
        }
        if (free_rows && vv > 0 && rv > 0)
            gain = rv / vv;
        for (uint64_t i = at; i < at + row && i < n; i++) {
            signal += ref[i] * ref[i];
            noise += (ref[i] - gain * v[i]) * (ref[i] - gain * v[i]);
        }
    }
    return noise > 0 ? 10 * log10(signal / noise) : signal > 0 ? 300 : 0;
}

/* Name under which a point is stored for a form; NULL: it never is. */
static const char *stored_name(struct arena *a, const struct net *n, enum net_form form, uint64_t layer,
                               enum point p)
{
    static const char *const plain[N_POINTS] = {[P_Q] = "q", [P_K] = "k_scaled", [P_V] = "v", [P_G] = "g",
        [P_QR] = "qr", [P_KR] = "kr", [P_LN1] = "mid_ln1", [P_LN2] = "mid_ffn_in", [P_FFN] = "mid_ffn",
        [P_SWISH] = "swish", [P_GATED] = "gated", [P_RES1] = "mid_residual", [P_FC1] = "ffn_fc1_out",
        [P_ACT] = "ffn_act", [P_GATE] = "ffn_gate_out", [P_PROD] = "ffn_product", [P_STATE] = "state_final",
        [P_SCALE] = "scale_final", [P_FINAL] = "final_norm", [P_HIDDEN] = "hidden"};
    const char *f = net_form_names[form], *name = plain[p];
    if (p == P_RET)
        name = arena_printf(a, "ret_%s", f);
    if (p == P_NORM)
        name = arena_printf(a, "norm_%s", f);
    if (p == P_LOGITS)
        return arena_printf(a, n->tokens ? "logits_%s" : "logits_%s_seq0", f);
    if (n->kind == NET_MSR)
        return p == P_MSR ? arena_printf(a, "out_%s", f) : name;
    if (p == P_MSR)
        name = "mid_msr";
    if (n->kind == NET_BLOCK)
        return p == P_OUT ? arena_printf(a, "out_%s", f) : name;
    if (p == P_HIDDEN || p == P_OUT)
        return arena_printf(a, "hidden_%" PRIu64, layer + (p == P_OUT));
    return p == P_FINAL ? name : arena_printf(a, "l%" PRIu64 "_%s", layer, name);
}

/* Stored intermediates without a form in their name come from the parallel one. */
static bool comparable(enum net_form form, enum point p)
{
    bool shared = p >= P_Q && p <= P_KR;
    bool named = p == P_RET || p == P_NORM || p == P_LOGITS || p == P_STATE || p == P_SCALE;
    return form == NET_PARALLEL || shared || named;
}

static enum point output_of(const struct net *n)
{
    return n->kind == NET_MSR ? P_MSR : n->kind == NET_BLOCK ? P_OUT : P_LOGITS;
}

struct job {
    struct eval *e;
    struct net *n;
    const struct qnet *q;
    const double *in;
    uint64_t S;
    struct err *err;
};

/* A case may hold the output and the recurrent rows in double precision beside the form's own. */
static const char *stored_ref64(const struct net *n, enum net_form form, enum point p)
{
    if (form == NET_PARALLEL && p == output_of(n))
        return n->kind == NET_LM ? "logits_ref64" : "out_ref64";
    return form == NET_RECURRENT && p == P_RET && n->kind != NET_LM ? "ret_recurrent_ref64" : NULL;
}

static void compare_ref64(struct job *j, struct eval_form *f, enum point p, const struct shot *real,
                          double sqnr)
{
    const char *name = stored_ref64(j->n, f->form, p);
    struct npy stored;
    if (name && net_reference(j->n, name, &stored, j->err) && stored.n == real->n)
        f->tensors[f->n_tensors++] =
            (struct eval_tensor){name, max_abs_error(real->v, stored.v, real->n), sqnr};
}

/* even: the float model in the coordinates of the integers. */
static void compare(struct job *j, struct eval_form *f, const struct shots *real, const struct shots *even,
                    const struct shots *whole)
{
    struct net *n = j->n;
    f->tensors = ARENA_NEW(&j->e->arena, struct eval_tensor, n->L * N_POINTS + 1);
    for (uint64_t l = 0; l < n->L; l++)
        for (unsigned p = 0; p < N_POINTS; p++) {
            const struct shot *r = &real->s[l * N_POINTS + p], *w = &whole->s[l * N_POINTS + p];
            const char *name = stored_name(&j->e->arena, n, f->form, l, p);
            if (!r->n || !name || (p == P_HIDDEN && l > 0) || (p == P_HIDDEN && n->kind == NET_BLOCK))
                continue;
            struct eval_tensor *t = &f->tensors[f->n_tensors++];
            struct npy stored;
            bool output = p == output_of(n);
            *t = (struct eval_tensor){name, NAN, NAN};
            if ((comparable(f->form, p) || output) && net_reference(n, name, &stored, j->err) &&
                stored.n == r->n)
                t->max_abs_error = max_abs_error(r->v, stored.v, r->n);
            if (w->n == r->n)
                t->sqnr_db = sqnr_db(even->s[l * N_POINTS + p].v, w->v, r->n, n->dv, p == P_RET);
            if (output) {
                f->max_abs_error = t->max_abs_error;
                f->sqnr_db = t->sqnr_db;
            }
            compare_ref64(j, f, p, r, t->sqnr_db);
        }
}

static void single_precision(struct job *j, struct eval_form *f)
{
    struct shots s = shots_new(j->n);
    struct npy stored;
    enum point p = output_of(j->n);
    const char *name = stored_name(&j->e->arena, j->n, f->form, 0, p);
    golden_f32(j->n, f->form, j->S, j->in, catch_all, &s);
    if (net_reference(j->n, name, &stored, j->err) && stored.n == s.s[p].n)
        f->max_abs_error_f32 = max_abs_error(s.s[p].v, stored.v, stored.n);
    shots_finish(&s, j->n);
}

/* ---- language models ---- */

/* Summed cross-entropy in bits of targets under logits S,vocab. */
static double bits(const double *logits, const double *target, uint64_t S, uint64_t vocab)
{
    double sum = 0;
    for (uint64_t s = 0; s < S; s++) {
        const double *row = logits + s * vocab;
        double most = row[0], z = 0;
        for (uint64_t i = 1; i < vocab; i++)
            most = fmax(most, row[i]);
        for (uint64_t i = 0; i < vocab; i++)
            z += exp(row[i] - most);
        sum += log2(z) + (most - row[(uint64_t)target[s]]) / log(2);
    }
    return sum;
}

static uint64_t argmax(const double *v, uint64_t n)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i < n; i++)
        best = v[i] > v[best] ? i : best;
    return best;
}

static void score(struct job *j, struct eval_form *f)
{
    const struct net *n = j->n;
    struct shots real = shots_new(n), whole = shots_new(n);
    double a = 0, b = 0;
    uint64_t same = 0, S = n->eval_len, rows = j->e->scored_rows;
    struct golden_job job = {.form = f->form, .prefill = S};
    struct golden_sink sink = {.real = catch_output, .arg = &whole};
    for (uint64_t r = 0; r < rows; r++) {
        const double *in = n->eval + r * (S + 1);
        golden_f64(n, f->form, S, in, catch_output, &real);
        golden_int(j->q, &job, in, &sink, &f->over);
        const double *x = real.s[P_LOGITS].v, *y = whole.s[P_LOGITS].v;
        a += bits(x, in + 1, S, n->vocab);
        b += bits(y, in + 1, S, n->vocab);
        for (uint64_t s = 0; s < S; s++)
            same += argmax(x + s * n->vocab, n->vocab) == argmax(y + s * n->vocab, n->vocab);
    }
    f->float_bits = a / (double)(rows * S);
    f->integer_bits = b / (double)(rows * S);
    f->agreement = (double)same / (double)(rows * S);
    shots_finish(&real, n);
    shots_finish(&whole, n);
}

static void one_form(struct job *j, enum net_form form)
{
    struct eval_form *f = &j->e->form[j->e->n_forms++];
    struct shots real = shots_new(j->n), whole = shots_new(j->n);
    *f = (struct eval_form){.form = form, .max_abs_error = NAN, .max_abs_error_f32 = NAN, .sqnr_db = NAN,
                            .float_bits = NAN, .integer_bits = NAN, .agreement = NAN};
    struct golden_job job = {.form = form, .prefill = j->S};
    struct golden_sink sink = {.real = catch_all, .arg = &whole};
    golden_f64(j->n, form, j->S, j->in, catch_all, &real);
    golden_int(j->q, &job, j->in, &sink, &f->over);
    bool apart = j->q->n != j->n;
    struct shots even = apart ? shots_new(j->n) : real;
    if (apart)
        golden_f64(j->q->n, form, j->S, j->in, catch_all, &even);
    compare(j, f, &real, &even, &whole);
    if (apart)
        shots_finish(&even, j->n);
    single_precision(j, f);
    if (j->n->eval)
        score(j, f);
    shots_finish(&real, j->n);
    shots_finish(&whole, j->n);
}

/* Which evaluation sequences calibrate and which are scored: the last quarter
 * and the first three, a single one both. */
static bool split_rows(struct eval *e, const struct net *n, struct err *err)
{
    uint64_t rows = n->eval_rows, quarter = max64(rows / 4, 1);
    struct quant *q = &e->q;
    e->calibrated_rows = q->calibration_rows == FIELD_AUTO ? quarter : q->calibration_rows;
    e->calibrated_from = q->calibration_row == FIELD_AUTO ? rows - min64(quarter, rows) : q->calibration_row;
    e->scored_rows = q->score_rows == FIELD_AUTO ? max64(rows - quarter, 1) : q->score_rows;
    if (q->calibration_row != FIELD_AUTO && q->calibration_rows == FIELD_AUTO)
        e->calibrated_rows = 1;
    if (e->calibrated_from + e->calibrated_rows > rows || e->scored_rows > rows)
        return err_add(err, ERR_CONFIG, NULL,
                       "%s has %" PRIu64 " evaluation sequences; work.quant.calibration_row, "
                       "calibration_rows and score_rows must lie within", n->dir, rows);
    return true;
}

bool eval_quant(struct arena *a, const char *const *sets, size_t n_sets, struct quant *out, struct err *err)
{
    static const char empty[] = "work: {quant: {}}";
    struct ynode *root = yaml_parse(a, "work", empty, sizeof empty - 1, err);
    bool ok = root != NULL;
    for (size_t i = 0; ok && i < n_sets; i++) {
        size_t len = strcspn(sets[i], "=");
        if (strncmp(sets[i], "work.quant.", 11) != 0 || sets[i][len] != '=')
            ok = err_add(err, ERR_USAGE, NULL, "'%s' is no setting of eval; legal: work.quant.KEY=VALUE",
                         sets[i]);
        else
            ok = yaml_set(a, root, arena_strndup(a, sets[i], len), sets[i] + len + 1, "command line", err);
    }
    memset(out, 0, sizeof *out);
    return ok && schema_decode(a, quant_section_of(), yaml_get(yaml_get(root, "work"), "quant"), "work.quant",
                               out, err);
}

/* The network's input, what calibrates it and the integer network. */
static struct qnet *prepare(struct eval *e, struct job *j, uint64_t positions)
{
    struct net *n = j->n;
    const double *seqs[64];
    uint64_t n_seqs = 1, S = n->eval ? n->eval_len : n->S;
    seqs[0] = j->in = n->kind == NET_LM ? n->tokens : n->x;
    j->S = n->S;
    if (!n->eval && !j->in) {
        err_add(j->err, ERR_DATA, NULL, "%s has neither tokens.npy nor eval_tokens.npy", n->dir);
        return NULL;
    }
    if (n->eval) {
        if (!split_rows(e, n, j->err))
            return NULL;
        n_seqs = min64(e->calibrated_rows, 64);
        for (uint64_t i = 0; i < n_seqs; i++)
            seqs[i] = n->eval + (e->calibrated_from + i) * (n->eval_len + 1);
    }
    if (!j->in) {
        j->in = n->eval;
        j->S = n->eval_len;
    }
    return qnet_create(n, &e->q, n_seqs, S, seqs, max64(positions, max64(n->S, n->eval_len)), j->err);
}

struct qnet *eval_quantize(struct net *n, const struct quant *q, uint64_t positions, struct err *err)
{
    struct eval e = {.n = n, .q = *q};
    struct job j = {.e = &e, .n = n, .err = err};
    return prepare(&e, &j, positions);
}

struct eval *eval_run(struct net *n, const struct quant *q, unsigned forms, struct err *err)
{
    struct eval *e = xrealloc(NULL, 1, sizeof *e);
    memset(e, 0, sizeof *e);
    e->n = n;
    e->q = *q;
    struct job j = {.e = e, .n = n, .err = err};
    struct qnet *qn = prepare(e, &j, 0);
    if (qn)
        e->q = qn->q;
    j.q = qn;
    for (unsigned f = 0; qn && f < N_NET_FORMS; f++)
        if (forms >> f & 1)
            one_form(&j, f);
    qnet_destroy(qn);
    if (qn && !err_any(err))
        return e;
    eval_destroy(e);
    return NULL;
}

void eval_destroy(struct eval *e)
{
    if (!e)
        return;
    arena_finish(&e->arena);
    free(e);
}

/* ---- showing ---- */

static void json_form(struct json *j, const struct eval_form *f)
{
    json_open(j, "float", '{');
    json_real(j, "max_abs_error", f->max_abs_error);
    json_real(j, "max_abs_error_f32", f->max_abs_error_f32);
    json_real(j, "bits_per_byte", f->float_bits);
    json_close(j, '}');
    json_open(j, "integer", '{');
    json_real(j, "sqnr_db", f->sqnr_db);
    json_real(j, "bits_per_byte", f->integer_bits);
    json_real(j, "argmax_agreement", f->agreement);
    json_u64(j, "overflows", overflow_count(&f->over));
    json_close(j, '}');
}

static void json_tensors(struct json *j, const struct eval_form *f)
{
    for (unsigned i = 0; i < f->n_tensors; i++) {
        json_open(j, f->tensors[i].name, '{');
        json_real(j, "max_abs_error", f->tensors[i].max_abs_error);
        json_real(j, "sqnr_db", f->tensors[i].sqnr_db);
        json_close(j, '}');
    }
}

static struct eval_tensor *tensor_of(const struct eval_form *f, const char *name)
{
    for (unsigned i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensors[i].name, name))
            return &f->tensors[i];
    return NULL;
}

/* fmin and fmax pass over what is not there. */
static void worst_tensors(struct eval_form *w, const struct eval_form *f)
{
    for (unsigned i = 0; i < f->n_tensors; i++) {
        const struct eval_tensor *t = &f->tensors[i];
        struct eval_tensor *has = tensor_of(w, t->name);
        if (!has)
            w->tensors[w->n_tensors++] = *t;
        else
            *has = (struct eval_tensor){t->name, fmax(has->max_abs_error, t->max_abs_error),
                                        fmin(has->sqnr_db, t->sqnr_db)};
    }
}

/* The worst of all forms: a summary that hides nothing. */
static struct eval_form worst(struct eval *e)
{
    struct eval_form w = e->form[0];
    unsigned most = 0;
    for (unsigned i = 0; i < e->n_forms; i++)
        most += e->form[i].n_tensors;
    w.tensors = ARENA_NEW(&e->arena, struct eval_tensor, most);
    w.n_tensors = 0;
    worst_tensors(&w, &e->form[0]);
    for (unsigned i = 1; i < e->n_forms; i++) {
        const struct eval_form *f = &e->form[i];
        w.max_abs_error = fmax(w.max_abs_error, f->max_abs_error);
        w.max_abs_error_f32 = fmax(w.max_abs_error_f32, f->max_abs_error_f32);
        w.sqnr_db = fmin(w.sqnr_db, f->sqnr_db);
        w.float_bits = fmax(w.float_bits, f->float_bits);
        w.integer_bits = fmax(w.integer_bits, f->integer_bits);
        w.agreement = fmin(w.agreement, f->agreement);
        worst_tensors(&w, f);
        for (unsigned p = 0; p < NET_MAX_LAYERS * N_OVERFLOWS; p++)
            w.over.n[p / N_OVERFLOWS][p % N_OVERFLOWS] += f->over.n[p / N_OVERFLOWS][p % N_OVERFLOWS];
    }
    return w;
}

void eval_json(struct eval *e, struct text *out)
{
    struct json j;
    struct eval_form w = worst(e);
    json_begin(&j, out);
    json_open(&j, NULL, '{');
    json_str(&j, "network", e->n->dir);
    json_str(&j, "form", e->n_forms == 1 ? net_form_names[w.form] : "all");
    json_form(&j, &w);
    json_open(&j, "tensors", '{');
    json_tensors(&j, &w);
    json_close(&j, '}');
    json_open(&j, "forms", '{');
    for (unsigned i = 0; i < e->n_forms; i++) {
        json_open(&j, net_form_names[e->form[i].form], '{');
        json_form(&j, &e->form[i]);
        json_open(&j, "tensors", '{');
        json_tensors(&j, &e->form[i]);
        json_close(&j, '}');
        json_close(&j, '}');
    }
    json_close(&j, '}');
    json_close(&j, '}');
    text_add(out, "\n");
}

static void cell(struct text *out, const char *format, double v)
{
    char s[32] = "-";
    if (isfinite(v))
        snprintf(s, sizeof s, format, v);
    text_printf(out, "  %12s", s);
}

static void overflows(const struct eval_form *f, struct text *out)
{
    for (unsigned l = 0; l < NET_MAX_LAYERS; l++)
        for (unsigned p = 0; p < N_OVERFLOWS; p++)
            if (f->over.n[l][p])
                text_printf(out, "%s: %" PRIu64 " overflows of layer %u, %s\n", net_form_names[f->form],
                            f->over.n[l][p], l, overflow_names[p]);
}

void eval_text(const struct eval *e, struct text *out)
{
    const struct quant *q = &e->q;
    text_printf(out, "network    %s\nnumbers    W%" PRIu64 " A%" PRIu64 ", state %" PRIu64 " bits\n",
                e->n->dir,
                q->weights, q->activations, q->state_bits);
    if (e->n->eval)
        text_printf(out, "sequences  calibrated on %" PRIu64 " from %" PRIu64 ", scored %" PRIu64 "\n",
                    e->calibrated_rows, e->calibrated_from, e->scored_rows);
    text_printf(out, "\n%-10s  %12s  %12s  %12s  %12s  %12s\n", "form", "float error", "SQNR dB",
                "float bits",
                "integer bits", "same argmax");
    for (unsigned i = 0; i < e->n_forms; i++) {
        const struct eval_form *f = &e->form[i];
        text_printf(out, "%-10s", net_form_names[f->form]);
        cell(out, "%.3g", f->max_abs_error);
        cell(out, "%.2f", f->sqnr_db);
        cell(out, "%.4f", f->float_bits);
        cell(out, "%.4f", f->integer_bits);
        cell(out, "%.4f", f->agreement);
        text_add(out, "\n");
    }
    for (unsigned i = 0; i < e->n_forms; i++)
        overflows(&e->form[i], out);
    for (unsigned i = 0; i < e->n_forms; i++) {
        const struct eval_form *f = &e->form[i];
        text_printf(out, "\n%-22s  %12s  %12s\n", net_form_names[f->form], "float error", "SQNR dB");
        for (unsigned t = 0; t < f->n_tensors; t++) {
            text_printf(out, "%-22s", f->tensors[t].name);
            cell(out, "%.3g", f->tensors[t].max_abs_error);
            cell(out, "%.2f", f->tensors[t].sqnr_db);
            text_add(out, "\n");
        }
    }
}
