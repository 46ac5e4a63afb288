#include "workloads/api.h"
#include "workloads/eval.h"

#include <string.h>

static bool forms_of(const char *form, unsigned *forms, struct err *err)
{
    *forms = (1u << N_NET_FORMS) - 1;
    for (unsigned i = 0; form && i < N_NET_FORMS; i++)
        if (!strcmp(form, net_form_names[i])) {
            *forms = 1u << i;
            return true;
        }
    return !form || err_add(err, ERR_USAGE, NULL, "'%s' is no form; legal: parallel, recurrent, chunkwise",
                            form);
}

/* The network of a directory and its numbers: of a quantized one those it was quantized with, of
 * which a setting can only change how many sequences are scored. */
static struct net *open_network(struct arena *a, const char *dir, const char *const *sets, size_t n_sets,
                                struct quant *q, struct err *err)
{
    struct quant asked;
    if (!eval_quant(a, sets, n_sets, &asked, err))
        return NULL;
    struct net *n = net_load(dir, err);
    *q = asked;
    if (!n || !n->quantized)
        return n;
    *q = n->quantized->quant;
    q->score_rows = asked.score_rows;
    for (size_t i = 0; i < n_sets; i++)
        if (strncmp(sets[i], "work.quant.score_rows=", 22) != 0)
            err_add(err, ERR_CONFIG, NULL,
                    "%s is quantized: '%s' cannot be set; legal: work.quant.score_rows", dir,
                    sets[i]);
    if (!err_any(err))
        return n;
    net_destroy(n);
    return NULL;
}

bool rs_quantize(const char *dir, const char *out, uint64_t positions, const char *const *sets, size_t n_sets,
                 rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct arena a = {0};
    struct quant q;
    struct net *n = open_network(&a, dir, sets, n_sets, &q, e);
    struct qnet *made = n ? eval_quantize(n, &q, positions, e) : NULL;
    bool ok = made && qnet_save(made, out, e);
    qnet_destroy(made);
    net_destroy(n);
    arena_finish(&a);
    return ok;
}

char *rs_eval(const char *dir, const char *form, const char *const *sets, size_t n_sets, bool json,
              rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct arena a = {0};
    struct quant q;
    struct text out = {0};
    unsigned forms;
    struct eval *v = NULL;
    struct net *n = forms_of(form, &forms, e) ? open_network(&a, dir, sets, n_sets, &q, e) : NULL;
    if (n)
        v = eval_run(n, &q, forms, e);
    if (v && json)
        eval_json(v, &out);
    else if (v)
        eval_text(v, &out);
    eval_destroy(v);
    net_destroy(n);
    arena_finish(&a);
    return out.s;
}
