/* The cost of one component, as text. */
#include "arch/estimate.h"
#include "base/json.h"
#include "workloads/api.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_ARGS = 32 };

static const char *const sram_keys[] = {"read_pj", "write_pj", "leak_mw", "area_mm2", "access_ns",
                                        "cycle_ns"};
static const char *const sram_words[] = {"read", "write", "leakage", "area", "access time", "cycle time"};
static const char *const sram_units[] = {"pJ", "pJ", "mW", "mm2", "ns", "ns"};

static bool apply_set(struct arena *a, struct ynode *root, const char *set, struct err *err)
{
    const char *eq = strchr(set, '=');

    if (!eq || strncmp(set, "tech.", 5) != 0)
        return err_add(err, ERR_USAGE, NULL, "`%s` is not tech.PATH=VALUE", set);
    return yaml_set(a, root, arena_strndup(a, set + 5, (size_t)(eq - set) - 5), eq + 1, "command line", err);
}

static struct tech *load(struct arena *a, const rs_estimate_options *o, struct err *err)
{
    struct ynode *root = yaml_load(a, o->tech_path, err);

    for (size_t i = 0; root && i < o->n_sets; i++)
        if (!apply_set(a, root, o->sets[i], err))
            return NULL;
    return root ? tech_decode(a, root, err) : NULL;
}

static void json_actions(struct json *j, const struct estimate *e)
{
    json_open(j, "actions", '{');
    for (unsigned i = 0; i + 2 < e->n_lines; i++) {
        json_open(j, e->lines[i].action, '{');
        json_u64(j, "energy_fj", e->lines[i].energy_fj);
        json_real(j, "energy_pj", (double)e->lines[i].energy_fj / 1000);
        json_str(j, "unit", e->lines[i].unit);
        json_str(j, "kind", e->lines[i].kind == COST_OFFCHIP ? "offchip" : "onchip");
        json_bool(j, "upper_bound", e->lines[i].upper);
        json_real(j, "rel_err", e->lines[i].rel_err);
        json_close(j, '}');
    }
    json_close(j, '}');
    json_u64(j, "idle_fj", e->lines[e->n_lines - 2].energy_fj);
    json_real(j, "leak_nw", e->leak_nw);
    json_real(j, "leak_rel_err", e->lines[e->n_lines - 1].rel_err);
}

static void json_path(struct json *j, const struct estimate *e)
{
    static const char *const kinds[] = {"logic", "loop", "register"};

    json_real(j, "path_fo4", e->path_fo4);
    json_real(j, "path_rel_err", e->path_rel_err);
    json_real(j, "fmax_hz", e->fmax_hz);
    json_real(j, "fmax_rel_err", e->fmax_rel_err);
    json_open(j, "stages", '[');
    for (unsigned i = 0; i < e->n_stages; i++) {
        json_open(j, NULL, '{');
        json_str(j, "stage", e->stages[i].name);
        json_real(j, "fo4", e->stages[i].fo4);
        json_str(j, "kind", kinds[e->stages[i].kind]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void print_path(const struct estimate *e, struct text *out)
{
    static const char *const kinds[] = {"", "  feedback loop", "  in each rank"};

    if (!(e->path_fo4 > 0)) {
        text_printf(out, "  %-12s %10s\n", "path", "unknown");
        return;
    }
    text_printf(out, "  %-12s %10.1f FO4  +-%.0f %%\n", "path", e->path_fo4, 100 * e->path_rel_err);
    for (unsigned i = 0; i < e->n_stages; i++)
        text_printf(out, "    %-10s %10.1f FO4%s\n", e->stages[i].name, e->stages[i].fo4,
                    kinds[e->stages[i].kind]);
    text_printf(out, "  %-12s %10.0f MHz  +-%.0f %%  a ranking, no timing closure\n", "clock",
                e->fmax_hz / 1e6,
           100 * e->fmax_rel_err);
}

static void print_json(const struct estimate *e, const struct tech *t, const char *unit, bool path,
                       struct text *out)
{
    struct json j;

    json_begin(&j, out);
    json_open(&j, NULL, '{');
    json_str(&j, "class", unit);
    json_str(&j, "tech", tech_name(t));
    if (e->is_sram) {
        json_str(&j, "cell", e->cell);
        json_u64(&j, "node_nm", e->node_nm);
        for (unsigned q = 0; q < 6; q++)
            json_real(&j, sram_keys[q], e->sram[q]);
        json_bool(&j, "extrapolated", e->extrapolated);
    } else {
        if (e->has_gates) {
            json_real(&j, "ge_comb", e->gates.comb_ge);
            json_real(&j, "ge_seq", e->gates.seq_ge);
        }
        json_real(&j, "ge_total", e->area_ge);
        json_real(&j, "area_um2", e->area_um2);
        json_real(&j, "voltage", tech_voltage(t));
    }
    json_real(&j, "rel_err", e->rel_err);
    if (e->n_lines)
        json_actions(&j, e);
    if (path)
        json_path(&j, e);
    json_close(&j, '}');
    text_add(out, "\n");
}

/* Four digits, in full: 325300, not 3.253e+05. */
static const char *four_digits(double v, char *buf, size_t size)
{
    double unit = 1;
    while (v >= 1e4 * unit)
        unit *= 10;
    if (unit > 1)
        snprintf(buf, size, "%.0f", round(v / unit) * unit);
    else
        snprintf(buf, size, "%.4g", v);
    return buf;
}

static void print_sram(const struct estimate *e, struct text *out)
{
    /* Mean leave-one-out errors of the interpolation (tests/test_sram.c). */
    static const int percent[] = {7, 4, 2, 5, 4, 7};

    text_printf(out, "sram %s %u nm, table of CACTI 7.0, not calibrated\n", e->cell, e->node_nm);
    for (unsigned q = 0; q < 6; q++) {
        text_printf(out, "  %-12s %10.4g %-4s ", sram_words[q], e->sram[q], sram_units[q]);
        if (e->extrapolated)
            text_printf(out, "outside the table\n");
        else
            text_printf(out, "+-%d %% against CACTI\n", percent[q]);
    }
}

static void print_lines(const struct estimate *e, struct text *out)
{
    char buf[32];
    for (unsigned i = 0; i + 2 < e->n_lines; i++) {
        const struct cost_line *l = &e->lines[i];

        text_printf(out, "  %-12s %10s fJ   +-%.0f %%  one %s%s%s\n", l->action,
                    four_digits((double)l->energy_fj, buf, sizeof buf), 100 * l->rel_err, l->unit,
                    l->kind == COST_OFFCHIP ? ", off chip" : "", l->upper ? ", an upper bound" : "");
    }
    const struct cost_line *idle = &e->lines[e->n_lines - 2];
    text_printf(out, "  %-12s %10s fJ   +-%.0f %%  a clocked cycle without work\n", "idle",
                four_digits((double)idle->energy_fj, buf, sizeof buf), 100 * idle->rel_err);
    text_printf(out, "  %-12s %10s nW   +-%.0f %%\n", "leakage", four_digits(e->leak_nw, buf, sizeof buf),
                100 * e->lines[e->n_lines - 1].rel_err);
}

static void print_human(const struct estimate *e, const struct tech *t, const char *unit, bool path,
                        struct text *out)
{
    if (e->is_sram) {
        print_sram(e, out);
        if (e->n_lines) {
            text_printf(out, "as class sram of %s at %.3g V\n", tech_name(t), tech_voltage(t));
            print_lines(e, out);
        }
        if (path)
            print_path(e, out);
        return;
    }
    char buf[32];
    text_printf(out, "%s in %s at %.3g V\n", unit, tech_name(t), tech_voltage(t));
    if (e->has_gates)
        text_printf(out, "  %-12s %10.2f GE\n  %-12s %10.2f GE\n", "logic", e->gates.comb_ge, "flip-flops",
               e->gates.seq_ge);
    text_printf(out, "  %-12s %10.2f GE   +-%.0f %%\n", "total", e->area_ge, 100 * e->rel_err);
    text_printf(out, "  %-12s %10s um2  placed, +-%.0f %%\n", "area",
                four_digits(e->area_um2, buf, sizeof buf), 100 * hypot(e->rel_err, e->level_err));
    if (e->n_lines)
        print_lines(e, out);
    if (path)
        print_path(e, out);
}

/* KEY=VALUE in two. */
static bool split(struct arena *a, const char *const *texts, size_t n, struct estimate_arg *args,
                  struct err *err)
{
    if (n > MAX_ARGS)
        return err_add(err, ERR_USAGE, NULL, "more than %d parameters", MAX_ARGS);
    for (size_t i = 0; i < n; i++) {
        const char *eq = strchr(texts[i], '=');

        if (!eq || eq == texts[i])
            return err_add(err, ERR_USAGE, NULL, "`%s`: what follows the class must be KEY=VALUE", texts[i]);
        args[i] = (struct estimate_arg){arena_strndup(a, texts[i], (size_t)(eq - texts[i])), eq + 1};
    }
    return true;
}

char *rs_estimate(const char *component, const char *const *params, size_t n_params,
                  const rs_estimate_options *o, rs_err *err)
{
    enum gate_style style = o->plain_rtl ? GATES_RTL : GATES_CSA;
    struct estimate_arg args[MAX_ARGS];
    struct err *inner = rs_err_inner(err);
    struct arena a = {0};
    struct text out = {0};
    struct estimate e;
    struct tech *t = split(&a, params, n_params, args, inner) ? load(&a, o, inner) : NULL;

    if (t && estimate_unit(t, component, style, args, n_params, &e, inner)) {
        if (o->json)
            print_json(&e, t, component, o->path, &out);
        else
            print_human(&e, t, component, o->path, &out);
    }
    arena_finish(&a);
    return out.s;
}
