/* `retsim eval`: the numbers of a network, without hardware. */
#include "cli/cli.h"

int cmd_eval(int argc, char **argv)
{
    const char *form = NULL;
    bool json = false;
    struct cli_list sets = {.n = 0};
    const struct cli_option options[] = {
        {.name = "form", .arg = "FORM", .text = &form,
         .help = "parallel, recurrent or chunkwise (default: all three)"},
        {.letter = 's', .name = "set", .arg = "work.quant.KEY=VALUE", .list = &sets,
         .help = "sets a width, a rounding, a calibration ...; repeatable"},
        {.name = "json", .on = &json, .help = "one JSON object instead of text"},
        {0}};
    const struct cli_command cmd = {
        .name = "eval", .usage = "eval NETWORK_DIR [--form FORM] [-s work.quant.KEY=VALUE]... [--json]",
        .options = options, .min_operands = 1, .max_operands = 1, .needs = "needs one network directory",
        .about = "Evaluates a network (case.json or network.yaml, and .npy tensors beside it) in floating\n"
                 "point and in integers: the error of the float model against stored tensors, the signal\n"
                 "to noise ratio of the integer model against the float one of the same form, and bits\n"
                 "per byte for language models with eval_tokens. `retsim explain work.quant` lists the\n"
                 "keys of the integer model.",
        .examples = "  retsim eval workloads/networks/kjv_d64_l2\n"
                    "  retsim eval workloads/networks/kjv_d64_l2 --form recurrent -s work.quant.weights=6\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    rs_err *err = rs_err_create();
    char *text = rs_eval(argv[0], form, sets.v, sets.n, json, err);
    return cli_answer(text, err);
}
