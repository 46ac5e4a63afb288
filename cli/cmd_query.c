/* `retsim query`: canned queries and SQL on a database. */
#include "cli/cmd_results.h"

#include <string.h>

static int run(const char *path, const char *what, const char *format, const char *objectives)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    char *text = db ? rs_db_query(db, what, format, objectives, err) : NULL;
    rs_db_close(db);
    if (!text)
        return cli_fail(err);
    rs_err_destroy(err);
    return cli_print(text);
}

int cmd_query(int argc, char **argv)
{
    const char *format = NULL, *objectives = NULL;
    bool list = false;
    const struct cli_option options[] = {
        {.name = "format", .arg = "FORMAT", .text = &format, .help = "table (default), csv or json"},
        {.name = "objectives", .arg = "A,B,C", .text = &objectives,
         .help = "of `pareto`, each with an optional min: or max: (default cycles,energy,area)"},
        {.name = "list", .on = &list, .help = "names the canned queries"},
        {0}};
    const struct cli_command cmd = {
        .name = "query",
        .usage = "query DB NAME|\"SELECT ...\" [--format table|csv|json] [--objectives a,b,c]",
        .options = options, .max_operands = 2, .needs = "needs a database and a query",
        .about = "Runs a canned query, or SQL that begins with SELECT or WITH and changes nothing.\n"
                 "The views v_points, v_latency, v_best_per_seq, v_pareto, v_breakdown, v_energy,\n"
                 "v_component, v_form, v_setting and v_sweep are a good start.",
        .examples = "  retsim query seq.db crossover\n"
                    "  retsim query pe.db pareto --objectives latency,area --format csv\n"
                    "  retsim query pe.db \"SELECT array, min(cycles) FROM v_points GROUP BY array\"\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (list)
        return cli_print(strdup(rs_query_list()));
    if (n != 2)
        return cli_usage("query", "%s", cmd.needs);
    return run(argv[0], argv[1], format ? format : "table", objectives);
}
