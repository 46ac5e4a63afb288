/* `retsim estimate`: the cost of one component. */
#include "cli/cli.h"

#include "arch/estimate.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RETSIM_DATA_DIR
#define RETSIM_DATA_DIR "."
#endif

enum { MAX_ARGS = 32 };

static const char *const sram_keys[] = {"read_pj", "write_pj", "leak_mw", "area_mm2", "access_ns",
                                        "cycle_ns"};
static const char *const sram_words[] = {"read", "write", "leakage", "area", "access time", "cycle time"};
static const char *const sram_units[] = {"pJ", "pJ", "mW", "mm2", "ns", "ns"};

struct options {
    const char *tech, *style;
    bool path, json;
    struct cli_list sets;
};

static int failed(struct err *err)
{
    char *text;
    int code = err->code;

    err_sort(err);
    text = err_render(err, "retsim");
    fputs(text ? text : "retsim: error: out of memory\n", stderr);
    free(text);
    err_finish(err);
    return code ? code : 70;
}

static bool apply_set(struct arena *a, struct ynode *root, const char *set, struct err *err)
{
    const char *eq = strchr(set, '=');

    if (!eq || strncmp(set, "tech.", 5) != 0)
        return err_add(err, ERR_USAGE, NULL, "`%s` is not tech.PATH=VALUE", set);
    return yaml_set(a, root, arena_strndup(a, set + 5, (size_t)(eq - set) - 5), eq + 1, "command line", err);
}

static struct tech *load(struct arena *a, const struct options *o, struct err *err)
{
    struct ynode *root = yaml_load(a, o->tech ? o->tech : RETSIM_DATA_DIR "/configs/tech/gf22fdx.yaml", err);

    for (size_t i = 0; root && i < o->sets.n; i++)
        if (!apply_set(a, root, o->sets.v[i], err))
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

static void print_path(const struct estimate *e)
{
    static const char *const kinds[] = {"", "  feedback loop", "  in each rank"};

    if (!(e->path_fo4 > 0)) {
        printf("  %-12s %10s\n", "path", "unknown");
        return;
    }
    printf("  %-12s %10.1f FO4  +-%.0f %%\n", "path", e->path_fo4, 100 * e->path_rel_err);
    for (unsigned i = 0; i < e->n_stages; i++)
        printf("    %-10s %10.1f FO4%s\n", e->stages[i].name, e->stages[i].fo4, kinds[e->stages[i].kind]);
    printf("  %-12s %10.0f MHz  +-%.0f %%  a ranking, no timing closure\n", "clock", e->fmax_hz / 1e6,
           100 * e->fmax_rel_err);
}

static void print_json(const struct estimate *e, const struct tech *t, const char *unit, bool path)
{
    struct text out = {0};
    struct json j;

    json_begin(&j, &out);
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
    printf("%s\n", out.s);
    text_finish(&out);
}

static void print_sram(const struct estimate *e)
{
    /* Mean leave-one-out errors of the interpolation (tests/test_sram.c). */
    static const int percent[] = {7, 4, 2, 5, 4, 7};

    printf("sram %s %u nm, table of CACTI 7.0, not calibrated\n", e->cell, e->node_nm);
    for (unsigned q = 0; q < 6; q++) {
        printf("  %-12s %10.4g %-4s ", sram_words[q], e->sram[q], sram_units[q]);
        if (e->extrapolated)
            printf("outside the table\n");
        else
            printf("+-%d %% against CACTI\n", percent[q]);
    }
}

static void print_lines(const struct estimate *e)
{
    for (unsigned i = 0; i + 2 < e->n_lines; i++) {
        const struct cost_line *l = &e->lines[i];

        printf("  %-12s %10.4g fJ   +-%.0f %%  one %s%s%s\n", l->action, (double)l->energy_fj,
               100 * l->rel_err, l->unit, l->kind == COST_OFFCHIP ? ", off chip" : "",
               l->upper ? ", an upper bound" : "");
    }
    printf("  %-12s %10.4g fJ   +-%.0f %%  a clocked cycle without work\n", "idle",
           (double)e->lines[e->n_lines - 2].energy_fj, 100 * e->lines[e->n_lines - 2].rel_err);
    printf("  %-12s %10.4g nW   +-%.0f %%\n", "leakage", e->leak_nw, 100 * e->lines[e->n_lines - 1].rel_err);
}

static void print_human(const struct estimate *e, const struct tech *t, const char *unit, bool path)
{
    if (e->is_sram) {
        print_sram(e);
        if (e->n_lines) {
            printf("as class sram of %s at %.3g V\n", tech_name(t), tech_voltage(t));
            print_lines(e);
        }
        if (path)
            print_path(e);
        return;
    }
    printf("%s in %s at %.3g V\n", unit, tech_name(t), tech_voltage(t));
    if (e->has_gates)
        printf("  %-12s %10.2f GE\n  %-12s %10.2f GE\n", "logic", e->gates.comb_ge, "flip-flops",
               e->gates.seq_ge);
    printf("  %-12s %10.2f GE   +-%.0f %%\n", "total", e->area_ge, 100 * e->rel_err);
    printf("  %-12s %10.4g um2  placed, +-%.0f %%\n", "area", e->area_um2,
           100 * hypot(e->rel_err, e->level_err));
    if (e->n_lines)
        print_lines(e);
    if (path)
        print_path(e);
}

/* Splits KEY=VALUE in place. */
static bool split(char **operands, size_t n, struct estimate_arg *args)
{
    for (size_t i = 0; i < n; i++) {
        char *eq = strchr(operands[i], '=');

        if (!eq || eq == operands[i])
            return false;
        *eq = '\0';
        args[i] = (struct estimate_arg){operands[i], eq + 1};
    }
    return true;
}

static int estimate(const struct options *o, const char *unit, struct estimate_arg *args, size_t n)
{
    enum gate_style style = o->style && strcmp(o->style, "rtl") == 0 ? GATES_RTL : GATES_CSA;
    struct arena a = {0};
    struct err err = {0};
    struct estimate e;
    struct tech *t = load(&a, o, &err);
    int code = 0;

    if (!t || !estimate_unit(t, unit, style, args, n, &e, &err))
        code = failed(&err);
    else if (o->json)
        print_json(&e, t, unit, o->path);
    else
        print_human(&e, t, unit, o->path);
    err_finish(&err);
    arena_finish(&a);
    return code;
}

int cmd_estimate(int argc, char **argv)
{
    static struct options o;
    static const struct cli_option options[] = {
        {.letter = 't', .name = "tech", .arg = "TECH.yaml", .help = "technology file", .text = &o.tech},
        {.letter = 's', .name = "set", .arg = "PATH=VALUE", .help = "overrides a key, e.g. tech.voltage=0.65",
         .list = &o.sets},
        {.name = "style", .arg = "csa|rtl", .help = "mul and dot: adder trees (csa) or plain synthesis (rtl)",
         .text = &o.style},
        {.name = "path", .help = "longest path and clock too", .on = &o.path},
        {.name = "json", .help = "one JSON object", .on = &o.json},
        {0}};
    static const struct cli_command cmd = {
        .name = "estimate",
        .usage = "estimate CLASS KEY=VALUE... [-t TECH.yaml] [--style csa|rtl] [--path] [--json]",
        .options = options, .min_operands = 1, .max_operands = MAX_ARGS, .needs = "needs a class",
        .about = "Area, energy and speed of one component. CLASS is a class of the technology file or\n"
                 "  mul      w_bits a_bits                  add, max, barrel, isqrt, div   p1=bits\n"
                 "  dot      w_bits a_bits length acc_bits  fifo      p1=depth p2=width_bits\n"
                 "  requant  acc_bits w_bits=mul_bits       regfile   p1=depth p2=width_bits p3=read_ports\n"
                 "  xbar     p1=masters p2=banks p3=data_bits\n"
                 "  sram     capacity_bytes width_bits [cell] [node_nm]\n"
                 "All but sram take pipeline=RANKS. --path gives the stages of the longest path.",
        .examples = "  retsim estimate dot w_bits=8 a_bits=8 length=64 acc_bits=26 --path\n"
                    "  retsim estimate sram capacity_bytes=65536 width_bits=64 --json\n"
                    "  retsim estimate core kge=40 -s tech.voltage=0.65\n"};
    struct estimate_arg args[MAX_ARGS];
    size_t n;
    int code;

    o = (struct options){0};
    code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (o.style && strcmp(o.style, "rtl") != 0 && strcmp(o.style, "csa") != 0)
        return cli_usage("estimate", "--style is `%s`; csa and rtl are legal", o.style);
    if (!split(argv + 1, n - 1, args))
        return cli_usage("estimate", "what follows the class must be KEY=VALUE");
    return estimate(&o, argv[0], args, n - 1);
}
