/* `retsim quantize`: a network in integers, as a directory. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

int cmd_quantize(int argc, char **argv)
{
    const char *out = NULL, *count = NULL;
    uint64_t positions = 0;
    struct cli_list sets = {.n = 0};
    const struct cli_option options[] = {
        {.letter = 'o', .name = "output", .arg = "DIR", .text = &out,
         .help = "directory, created when absent"},
        {.letter = 's', .name = "set", .arg = "work.quant.KEY=VALUE", .list = &sets,
         .help = "sets a width, a rounding, a calibration ...; repeatable"},
        {.name = "positions", .arg = "N", .text = &count,
         .help = "tables for sequences of up to N tokens (default: those of the network)"},
        {0}};
    const struct cli_command cmd = {
        .name = "quantize",
            .usage = "quantize NETWORK_DIR -o DIR [-s work.quant.KEY=VALUE]... [--positions N]",
        .options = options, .min_operands = 1, .max_operands = 1, .needs = "needs one network directory",
        .about = "Calibrates a network and writes it in integers: weights as 8-bit tensors, multipliers and\n"
                 "shifts of every requantisation, rotary, decay and activation tables, scales, and\n"
                 "network.yaml with the numbers it was made for. `retsim eval DIR` evaluates exactly these\n"
                 "integers without calibrating again.",
        .examples = "  retsim quantize workloads/networks/kjv_d64_l2 -o kjv_d64_int8\n"
                    "  retsim quantize workloads/networks/kjv_d64_l2 -o kjv_w6 -s work.quant.weights=6\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (!out)
        return cli_usage("quantize", "no directory to write; legal: -o DIR");
    char buf[64];
    const char *why;
    if (count && (!text_parse_u64(count, UNIT_NONE, &positions, buf, sizeof buf, &why) || !positions ||
                  positions > 1 << 20))
        return cli_usage("quantize", "'%s' is no number of positions; legal: 1 to 1048576", count);
    rs_err *err = rs_err_create();
    if (!rs_quantize(argv[0], out, positions, sets.v, sets.n, err))
        return cli_fail(err);
    rs_err_destroy(err);
    return 0;
}
