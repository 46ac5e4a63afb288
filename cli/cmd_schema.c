/* `retsim schema`: the JSON Schema of a kind of file, for editors. */
#include "cli/cli.h"

int cmd_schema(int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    static const struct cli_command cmd = {
        .name = "schema", .usage = "schema arch|workload|sweep|tech", .options = options, .min_operands = 1,
        .max_operands = 1, .needs = "needs one of arch, workload, sweep, tech",
        .about = "Prints the JSON Schema (draft 2020-12) of a kind of file. Editors with a YAML language\n"
                 "server complete and check keys with it.",
        .examples = "  retsim schema arch > arch.schema.json\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    rs_err *err = rs_err_create();
    char *text = rs_schema_json(argv[0], err);
    return cli_answer(text, err);
}
