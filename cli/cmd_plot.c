/* `retsim plot`: pictures of a database, by gnuplot. */
#include "cli/cmd_results.h"

#include <string.h>

static int draw(const char *db_path, const char *name, const char *path)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(db_path, err);
    char *text = NULL;
    if (db)
        rs_db_columns(db, cli_columns());
    bool ok = db && rs_db_plot(db, name, path, &text, err);
    rs_db_close(db);
    if (!ok)
        return cli_fail(err);
    rs_err_destroy(err);
    return text ? cli_print(text) : 0;
}

int cmd_plot(int argc, char **argv)
{
    const char *path = NULL;
    bool list = false;
    const struct cli_option options[] = {
        {.letter = 'o', .name = "output", .arg = "FILE", .text = &path,
         .help = "FILE.svg, FILE.png or FILE.pdf; - draws in the terminal"},
        {.name = "list", .on = &list, .help = "names the plots"},
        {0}};
    const struct cli_command cmd = {
        .name = "plot", .usage = "plot DB NAME -o FILE.svg|.png|.pdf|-", .options = options,
        .max_operands = 2, .needs = "needs a database, the name of a plot and -o FILE",
        .about = "Draws a plot with gnuplot. The script (FILE.gp) and the data (FILE.csv) stay\n"
                 "beside the picture.",
        .examples = "  retsim plot seq.db latency-vs-seq -o latency.svg\n"
                    "  retsim plot pe.db breakdown -o -\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (list)
        return cli_print(strdup(rs_plot_list()));
    if (n != 2 || !path)
        return cli_usage("plot", "%s", cmd.needs);
    return draw(argv[0], argv[1], path);
}
