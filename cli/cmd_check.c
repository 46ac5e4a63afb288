/* `retsim check`: are these files legal? */
#include "cli/cli.h"

#include <stdio.h>

int cmd_check(int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    static const struct cli_command cmd = {
        .name = "check", .usage = "check FILE.yaml...", .options = options, .min_operands = 1,
        .max_operands = SIZE_MAX, .needs = "needs at least one file",
        .about = "Decides what each file is (architecture, workload, technology, sweep) and checks it.\n"
                 "Prints nothing when all of them are legal; else every error, and the exit code is 78\n"
                 "(66 when a file cannot be read).",
        .examples = "  retsim check configs/arch/*.yaml workloads/models/*.yaml\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    for (size_t i = 0; i < n; i++) {
        rs_err *err = rs_err_create();
        int worst = rs_check(argv[i], err) ? cli_fail(err) : 0;
        if (!worst)
            rs_err_destroy(err);
        code = code ? code : worst;
    }
    return code;
}
