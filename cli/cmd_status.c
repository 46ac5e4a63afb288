/* `retsim status`: how far the sweeps of some databases are. */
#include "cli/cmd_results.h"

#include <limits.h>
#include <stdio.h>

static int show(const char *path, bool heading)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    char *text = db ? rs_db_query(db, "sweeps", "table", NULL, err) : NULL;
    rs_db_close(db);
    if (!text)
        return cli_fail(err);
    rs_err_destroy(err);
    if (heading)
        printf("%s\n", path);
    return cli_print(text);
}

int cmd_status(int argc, char **argv)
{
    const struct cli_option options[] = {{0}};
    const struct cli_command cmd = {
        .name = "status", .usage = "status DB...", .options = options,
        .min_operands = 1, .max_operands = INT_MAX, .needs = "needs a database",
        .about = "Shows which sweeps the databases hold: points planned (of the whole sweep, all\n"
                 "shards), stored and failed, and the time that they took.",
        .examples = "  retsim status seq.db\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    for (size_t i = 0; i < n; i++) {
        int one = show(argv[i], n > 1);
        code = code ? code : one;
    }
    return code;
}
