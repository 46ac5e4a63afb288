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

char *rs_eval(const char *dir, const char *form, const char *const *sets, size_t n_sets, bool json,
              rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct arena a = {0};
    struct quant q;
    struct text out = {0};
    unsigned forms;
    struct net *n = NULL;
    struct eval *v = NULL;
    if (forms_of(form, &forms, e) && eval_quant(&a, sets, n_sets, &q, e))
        n = net_load(dir, e);
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
