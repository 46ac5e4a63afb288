/* `retsim merge`: many databases into one. */
#include "cli/cmd_results.h"

#include <limits.h>

int cmd_merge(int argc, char **argv)
{
    const struct cli_option options[] = {{0}};
    const struct cli_command cmd = {
        .name = "merge", .usage = "merge OUT.db IN.db...", .options = options,
        .min_operands = 2, .max_operands = INT_MAX, .needs = "needs an output and at least one input",
        .about = "Copies the points of the IN databases into OUT, which is created when absent.\n"
                 "A point that several of them hold must be the same in all, bit for bit; else\n"
                 "nothing of that database is copied and the exit code is 65.",
        .examples = "  retsim merge all.db shard0.db shard1.db\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    rs_err *err = rs_err_create();
    if (!rs_db_merge(argv[0], (const char *const *)argv + 1, n - 1, err))
        return cli_fail(err);
    rs_err_destroy(err);
    return 0;
}
