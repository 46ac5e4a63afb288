/* `retsim query`: canned queries and SQL on a database. */
#include "cli/cmd_results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RETSIM_DATA_DIR
#define RETSIM_DATA_DIR "."
#endif

struct options {
    const char *format, *objectives, *tech;
};

/* The technology to price by: the file given, else the shipped one that the
 * database names. */
static rs_design *technology(rs_db *db, const char *path, rs_err *err)
{
    char shipped[4096], *name, *end;
    if (path)
        return rs_tech_load(path, NULL, 0, err);
    name = rs_db_query(db, "SELECT min(tech) AS tech FROM price", "csv", NULL, err);
    if (!name)
        return NULL;
    end = strchr(name, '\n');
    end[1 + strcspn(end + 1, "\r\n")] = 0;
    snprintf(shipped, sizeof shipped, RETSIM_DATA_DIR "/configs/tech/%s.yaml", end + 1);
    free(name);
    return rs_tech_load(shipped, NULL, 0, err);
}

static char *ask(rs_db *db, const char *what, const struct options *o, rs_err *err)
{
    bool sensitivity = !strcmp(what, "sensitivity");
    rs_design *tech = NULL;
    if (sensitivity || o->tech)
        tech = technology(db, o->tech, err);
    if ((sensitivity || o->tech) && !tech)
        return NULL;
    char *text = NULL;
    if (sensitivity)
        text = rs_db_sensitivity(db, tech, o->format, err);
    else if (!tech || rs_db_reprice(db, tech, err))
        text = rs_db_query(db, what, o->format, o->objectives, err);
    rs_design_destroy(tech);
    return text;
}

static int run(const char *path, const char *what, const struct options *o)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    char *text = db ? ask(db, what, o, err) : NULL;
    rs_db_close(db);
    if (!text)
        return cli_fail(err);
    rs_err_destroy(err);
    return cli_print(text);
}

int cmd_query(int argc, char **argv)
{
    struct options o = {0};
    bool list = false;
    const struct cli_option options[] = {
        {.name = "format", .arg = "FORMAT", .text = &o.format, .help = "table (default), csv or json"},
        {.name = "objectives", .arg = "A,B,C", .text = &o.objectives,
         .help = "of `pareto`, each with an optional min: or max: (default cycles,energy,area)"},
        {.name = "tech", .arg = "FILE", .text = &o.tech,
         .help = "prices stored counts by this technology; nothing is simulated or stored"},
        {.name = "list", .on = &list, .help = "names the canned queries"},
        {0}};
    const struct cli_command cmd = {
        .name = "query",
        .usage = "query DB NAME|\"SELECT ...\" [--format table|csv|json] [--objectives a,b,c] [--tech FILE]",
        .options = options, .max_operands = 2, .needs = "needs a database and a query",
        .about = "Runs a canned query, or SQL that begins with SELECT or WITH and changes nothing.\n"
                 "The views v_points, v_latency, v_best_per_seq, v_pareto, v_breakdown, v_energy,\n"
                 "v_component, v_form, v_setting and v_sweep are a good start.",
        .examples = "  retsim query seq.db crossover\n"
                    "  retsim query pe.db pareto --objectives latency,area --format csv\n"
                    "  retsim query pe.db energy --tech configs/tech/generic65.yaml\n"
                    "  retsim query pe.db \"SELECT array, min(cycles) FROM v_points GROUP BY array\"\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (list)
        return cli_print(strdup(rs_query_list()));
    if (n != 2)
        return cli_usage("query", "%s", cmd.needs);
    if (!o.format)
        o.format = "table";
    return run(argv[0], argv[1], &o);
}
