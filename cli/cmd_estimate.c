/* `retsim estimate`: the cost of one component. */
#include "cli/cli.h"

#include <string.h>

#ifndef RETSIM_DATA_DIR
#define RETSIM_DATA_DIR "."
#endif

int cmd_estimate(int argc, char **argv)
{
    const char *tech = NULL, *style = NULL;
    struct cli_list sets = {.n = 0};
    rs_estimate_options o = {.json = false};
    const struct cli_option options[] = {
        {.letter = 't', .name = "tech", .arg = "TECH.yaml", .text = &tech,
         .help = "technology file (default: gf22fdx as shipped)"},
        {.letter = 's', .name = "set", .arg = "PATH=VALUE", .help = "overrides a key, e.g. tech.voltage=0.65",
         .list = &sets},
        {.name = "style", .arg = "csa|rtl", .help = "mul and dot: adder trees (csa) or plain synthesis (rtl)",
         .text = &style},
        {.name = "path", .help = "longest path and clock too", .on = &o.path},
        {.name = "json", .help = "one JSON object", .on = &o.json},
        {0}};
    const struct cli_command cmd = {
        .name = "estimate",
        .usage = "estimate CLASS KEY=VALUE... [-t TECH.yaml] [--style csa|rtl] [--path] [--json]",
        .options = options, .min_operands = 1, .max_operands = SIZE_MAX, .needs = "needs a class",
        .about = "Area, energy and speed of one component. CLASS is a class of the technology file\n"
                 "(such as dot_product or core; a wrong name lists them) or\n"
                 "  mul      w_bits a_bits                  add, max, barrel, isqrt, div   p1=bits\n"
                 "  dot      w_bits a_bits length acc_bits  fifo      p1=depth p2=width_bits\n"
                 "  requant  acc_bits w_bits=mul_bits       regfile   p1=depth p2=width_bits p3=read_ports\n"
                 "  xbar     p1=masters p2=banks p3=data_bits\n"
                 "  sram     capacity_bytes width_bits [cell] [node_nm]\n"
                 "All but sram take pipeline=RANKS. --path gives the stages of the longest path.",
        .examples = "  retsim estimate dot w_bits=8 a_bits=8 length=64 acc_bits=26 --path\n"
                    "  retsim estimate sram capacity_bytes=65536 width_bits=64 --json\n"
                    "  retsim estimate core kge=40 -s tech.voltage=0.65\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (style && strcmp(style, "rtl") != 0 && strcmp(style, "csa") != 0)
        return cli_usage("estimate", "--style is `%s`; csa and rtl are legal", style);
    o.tech_path = tech ? tech : RETSIM_DATA_DIR "/configs/tech/gf22fdx.yaml";
    o.sets = sets.v;
    o.n_sets = sets.n;
    o.plain_rtl = style && strcmp(style, "rtl") == 0;
    rs_err *err = rs_err_create();
    char *text = rs_estimate(argv[0], (const char *const *)argv + 1, n - 1, &o, err);
    return cli_answer(text, err);
}
