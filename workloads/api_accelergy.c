/* Tables of Accelergy 0.4: the energy reference table (ERT) and the area
 * reference table (ART) of a design at one voltage and clock. */
#include "workloads/api.h"

#include <inttypes.h>

/* Attojoules as pJ: six decimals hold them exactly. */
static void add_pj(struct text *out, uint64_t attojoules)
{
    text_printf(out, "%" PRIu64 ".%06" PRIu64, attojoules / 1000000, attojoules % 1000000);
}

static void add_action(struct text *out, const char *name)
{
    text_printf(out, "        - name: %s\n          arguments: {}\n          energy: ", name);
}

static void add_energies(const struct cost_price *price, uint64_t soc_hz, struct text *out)
{
    char buf[40];
    text_add(out, "      actions:\n");
    for (unsigned i = 0; i < price->n_lines; i++) {
        const struct cost_line *l = &price->lines[i];
        add_action(out, l->action);
        if (strcmp(l->action, "leak"))
            add_pj(out, l->each);
        else /* pW over Hz is pJ a cycle */
            text_add(out, text_real((double)l->each / (double)soc_hz, buf, sizeof buf));
        text_add(out, "\n");
    }
}

static bool add_item(const struct cost_item *it, const struct tech *tech, uint64_t soc_hz, const char *prefix,
                     bool area, struct text *out, struct err *err)
{
    struct cost_price price;
    char name[128], buf[40];
    if (it->instances == 0)
        return true;
    if (!tech_price(tech, it, soc_hz, &price, err))
        return false;
    cost_table_name(it, name, sizeof name);
    text_printf(out, "    - name: %s.%s", prefix, name);
    if (it->instances > 1)
        text_printf(out, "[0..%" PRIu64 "]", it->instances - 1);
    text_add(out, "\n");
    if (area)
        text_printf(out, "      area: %s\n",
                    text_real(price.area_um2 / (double)it->instances, buf, sizeof buf));
    else
        add_energies(&price, soc_hz, out);
    return true;
}

char *rs_accelergy_tables(const char *counts, uint64_t soc_hz, const rs_design *tech, const char *prefix,
                          bool area, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct parsed_account p = {.info = NULL};
    struct arena arena = {0};
    struct text out = {0};
    bool ok = (account_parse(&arena, counts, &p) && soc_hz) ||
              err_add(e, ERR_DATA, NULL, "the stored counts of a point cannot be read");
    text_add(&out, "");
    for (unsigned i = 0; i < p.acc.sink.n && ok; i++)
        ok = add_item(&p.acc.sink.items[i], tech->tech, soc_hz, prefix, area, &out, e);
    cost_sink_finish(&p.acc.sink);
    arena_finish(&arena);
    if (ok)
        return out.s;
    text_finish(&out);
    return NULL;
}

double rs_tech_voltage(const rs_design *tech)
{
    return tech_voltage(tech->tech);
}
