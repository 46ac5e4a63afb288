#include "arch/tally_impl.h"

static void sum(const struct tally *t, struct shapes *s, const struct machine *m, struct bound_sums *out)
{
    *out = (struct bound_sums){.steps = t->steps};
    for (uint32_t e = 0, i = 0; e < t->n_ends; e++) {
        uint64_t busy[N_UNITS + 1] = {0};
        for (; i < t->ends[e].items; i++)
            busy[t->items[i].unit] += shapes_cost(s, t->items[i].shape, m)->cycles * t->items[i].n;
        out->serial += step_cycles(busy, t->ends[e].parts);
        for (unsigned u = 0; u <= N_UNITS; u++)
            out->busy[u] += busy[u];
    }
    for (uint32_t i = 0; i < t->n_moves; i++) {
        const struct cost *k = shapes_cost(s, t->moves[i].shape, m);
        out->words += k->words * t->moves[i].n;
        out->off_bytes += k->bytes * t->moves[i].n;
        out->off_bursts += k->bursts * t->moves[i].n;
    }
}

const struct tally_totals *tally_totals(const struct tally *t)
{
    return &t->totals;
}

uint64_t tally_bound(const struct tally *t, struct shapes *s, const struct machine *m, const char **limit)
{
    struct bound_sums sums;
    sum(t, s, m, &sums);
    uint64_t cycles = bound_of(m, &sums);
    if (limit)
        *limit = bound_limit(m, &sums);
    return cycles;
}

uint64_t tally_estimate(const struct tally *t, struct shapes *s, const struct machine *m)
{
    struct bound_sums sums;
    sum(t, s, m, &sums);
    return estimate_of_sums(m, &sums);
}
