/* Quality of a network as data: the float model against stored tensors, the
 * integer model against the float one of the same form. */
#ifndef WORKLOADS_EVAL_H
#define WORKLOADS_EVAL_H

#include "base/text.h"
#include "workloads/qnet.h"

struct eval_tensor { /* NAN where there is nothing to compare */
    const char *name;
    double max_abs_error; /* f64 model against the stored tensor */
    double sqnr_db;       /* integer against f64 model */
};
struct eval_form {
    enum net_form form;
    struct eval_tensor *tensors;
    unsigned n_tensors;
    double max_abs_error, max_abs_error_f32, sqnr_db; /* of the output */
    double float_bits, integer_bits;                  /* per byte, on scored sequences */
    double agreement;                                 /* share of equal argmax */
    struct overflow over;
};
struct eval {
    struct arena arena;
    const struct net *n;
    struct quant q; /* as resolved */
    uint64_t calibrated_from, calibrated_rows, scored_rows;
    struct eval_form form[N_NET_FORMS];
    unsigned n_forms;
};

/* Quantization from settings work.quant.KEY=VALUE; other paths are errors (64). */
bool eval_quant(struct arena *a, const char *const *sets, size_t n_sets, struct quant *out, struct err *err);
/* Evaluates the forms whose bit is set. NULL on error. */
/* Of a quantized network, q is what it was quantized with. */
struct eval *eval_run(struct net *n, const struct quant *q, unsigned forms, struct err *err);
/* Calibrates as eval_run does. positions: of the tables, at least those of the network's sequences. */
struct qnet *eval_quantize(struct net *n, const struct quant *q, uint64_t positions, struct err *err);
void eval_destroy(struct eval *e);
void eval_json(struct eval *e, struct text *out);
void eval_text(const struct eval *e, struct text *out);

#endif
