/* `retsim explain`: what a key means, and what it rests on. */
#include "cli/cli.h"

int cmd_explain(int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    static const struct cli_command cmd = {
        .name = "explain", .usage = "explain [KEY]", .options = options, .max_operands = 1,
        .needs = "takes one key at most",
        .about = "Explains a key of an architecture, workload or technology file: type, range, unit,\n"
                 "default and what the default rests on. Without a key: one line for every key.",
        .examples = "  retsim explain arch.engine.units\n"
                    "  retsim explain work.map\n"
                    "  retsim explain sweep\n"
                    "  retsim explain | less\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    rs_err *err = rs_err_create();
    char *text = rs_explain(n ? argv[0] : NULL, err);
    return cli_answer(text, err);
}
