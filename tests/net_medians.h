/* Quality of a kind of network rather than of one draw: medians over seeds. A single case may lose 5 dB by
 * the sign of one near-zero score in its first row, where a head's only key meets the norm. */
#ifndef TESTS_NET_MEDIANS_H
#define TESTS_NET_MEDIANS_H

#include "tests/net_gen.h"

#include <criterion/criterion.h>

enum { MEDIANS_MAX = 9 };

static int gen_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* SQNR in dB of the parallel, recurrent and chunkwise form, median over seeds 1..seeds (odd). Overflows of
 * all seeds together. */
static uint64_t gen_medians(struct gen g, const struct quant *q, unsigned seeds, double db[3])
{
    double all[3][MEDIANS_MAX];
    uint64_t over = 0;
    for (unsigned s = 0; s < seeds; s++) {
        struct err err = {0};
        g.seed = s + 1;
        struct net *n = gen_net(&g);
        struct eval *e = eval_run(n, q, 7, &err);
        cr_assert(e, "%s", err.n_diags ? err.diags[0].text : "");
        for (unsigned f = 0; f < 3; f++) {
            all[f][s] = e->form[f].sqnr_db;
            over += overflow_count(&e->form[f].over);
        }
        eval_destroy(e);
        net_destroy(n);
    }
    for (unsigned f = 0; f < 3; f++) {
        qsort(all[f], seeds, sizeof all[f][0], gen_by_value);
        db[f] = all[f][seeds / 2];
    }
    return over;
}

#endif
