/* `retsim query`: canned queries and SQL on a database. */
#include "cli/cmd_results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RETSIM_DATA_DIR
#define RETSIM_DATA_DIR "."
#endif

enum { PAGE_COLUMNS = 100 }; /* of a table that does not go to a terminal */

struct options {
    const char *format, *objectives, *tech;
    bool wide;
};

/* First field of the only row of a CSV answer; NULL with an error. Frees it. */
static char *ask_one(rs_db *db, const char *sql, rs_err *err)
{
    char *csv = rs_db_query(db, sql, "csv", NULL, err), *row = csv ? strchr(csv, '\n') : NULL;
    char *value = row && row[1] ? strndup(row + 1, strcspn(row + 1, "\r\n")) : NULL;
    free(csv);
    if (!value && csv)
        rs_err_add(err, 65, "no points with prices are stored");
    return value;
}

/* Is this the technology that the points were priced by, byte for byte? */
static bool is_stored(rs_db *db, const rs_design *tech, const char *name, rs_err *err)
{
    uint8_t hash[16];
    char sql[160], hex[33];
    rs_design_part_hash(tech, "tech", hash);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02X", hash[i]);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM price WHERE hex(tech_hash) = '%s'", hex);
    char *n = ask_one(db, sql, err);
    bool same = n && strcmp(n, "0");
    free(n);
    return same || rs_err_add(err, 66, "the technology `%s` that the points were priced by is not the "
                              "shipped file of this name; pass --tech FILE", name);
}

/* The technology to price by: the file given, else the shipped one that the
 * database names, at the stored voltage and temperature. */
static rs_design *technology(rs_db *db, const char *path, rs_err *err)
{
    static const char one[] = "(SELECT min(tech_hash) FROM price)";
    char shipped[4096], sql[256], volts[64], kelvin[64];
    const char *sets[2] = {volts, kelvin};
    size_t n = 0;
    if (path)
        return rs_tech_load(path, NULL, 0, err);
    for (int i = 0; i < 2; i++) {
        static const char *const keys[] = {"tech.voltage", "tech.temp_k"};
        snprintf(sql, sizeof sql, "SELECT max(value) AS v FROM setting WHERE hash = %s AND key = '%s'", one,
                 keys[i]);
        char *value = ask_one(db, sql, err);
        if (!value)
            return NULL;
        if (*value)
            snprintf(n ? kelvin : volts, sizeof volts, "%s=%s", keys[i], value);
        sets[n] = n ? kelvin : volts;
        n += *value != 0;
        free(value);
    }
    snprintf(sql, sizeof sql, "SELECT max(tech) AS tech FROM price WHERE tech_hash = %s", one);
    char *name = ask_one(db, sql, err);
    if (!name)
        return NULL;
    snprintf(shipped, sizeof shipped, RETSIM_DATA_DIR "/configs/tech/%s.yaml", name);
    rs_design *tech = rs_tech_load(shipped, sets, n, err);
    if (tech && !is_stored(db, tech, name, err)) {
        rs_design_destroy(tech);
        tech = NULL;
    }
    free(name);
    return tech;
}

static char *ask(rs_db *db, const char *what, const struct options *o, rs_err *err)
{
    bool sensitivity = !strcmp(what, "sensitivity"), art = !strcmp(what, "art");
    bool tables = art || !strcmp(what, "ert"), needs = sensitivity || tables || o->tech;
    rs_design *tech = needs ? technology(db, o->tech, err) : NULL;
    if (needs && !tech)
        return NULL;
    char *text = NULL;
    if (tables)
        text = rs_db_accelergy(db, tech, art, err);
    else if (sensitivity)
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
    if (db)
        rs_db_columns(db, o->wide ? 0 : cli_columns() ? cli_columns() : PAGE_COLUMNS);
    char *text = db ? ask(db, what, o, err) : NULL;
    rs_db_close(db);
    return cli_answer(text, err);
}

int cmd_query(int argc, char **argv)
{
    struct options o = {0};
    bool list = false;
    const struct cli_option options[] = {
        {.name = "format", .arg = "FORMAT", .text = &o.format, .help = "table (default), csv or json"},
        {.name = "objectives", .arg = "A,B,C", .text = &o.objectives,
         .help = "of `pareto`, each with an optional min: or max: (default time,energy,area)"},
        {.name = "tech", .arg = "FILE", .text = &o.tech,
         .help = "prices stored counts by this technology; nothing is simulated or stored"},
        {.name = "wide", .on = &o.wide, .help = "a table with every column, however wide"},
        {.name = "list", .on = &list, .help = "names the canned queries; needs no database"},
        {0}};
    const struct cli_command cmd = {
        .name = "query",
        .usage = "query DB NAME|\"SELECT ...\" [--format table|csv|json] [--objectives a,b,c] [--tech FILE]"
                 " [--wide]",
        .options = options, .max_operands = 2, .needs = "needs a database and a query",
        .about = "Runs a canned query (`retsim query --list` names them), or SQL that begins with SELECT\n"
                 "or WITH and changes nothing.\n"
                 "The views v_points, v_latency, v_best_per_seq, v_pareto, v_breakdown, v_energy,\n"
                 "v_component, v_form, v_setting and v_sweep are a good start. A table that is wider\n"
                 "than the terminal (elsewhere: than 100 columns) says once, above, what all rows have in\n"
                 "common, and which columns of a canned query it leaves out; csv, json and --wide have all.\n"
                 "Column `varied`: what tells points apart besides. SQL has it as varied(key), and the\n"
                 "value of one key as setting(key, 'work.quant.weights').",
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
