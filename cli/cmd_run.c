/* `retsim run`: one point. */
#include "cli/cli.h"
#include "cli/show.h"

#include <string.h>

static const char about[] =
    "Simulates a workload on an architecture and prices it with a technology. The method is\n"
    "folded (same counters as full, faster), full (every beat) or bound (a closed-form lower\n"
    "bound of the cycles). WORK.yaml may be the directory of a network.";

static const char examples[] =
    "  retsim run -a configs/arch/pulpissimo_retention.yaml -w workloads/models/edge_kjv_d64.yaml\n"
    "  retsim run -a configs/arch/pulpissimo_retention.yaml \\\n"
    "      -w workloads/models/edge_kjv_d64.yaml -s work.form=chunkwise -s work.chunk=32 --json\n"
    "  retsim run -a configs/arch/pulpissimo_retention.yaml \\\n"
    "      -w workloads/models/edge_d256.yaml -s work.phase=decode -s work.tokens=16 -o points.db\n"
    "  retsim run -a configs/arch/pulpissimo_retention.yaml -w workloads/models/edge_kjv_d64.yaml --values\n";

static const char *const methods[] = {"full", "folded", "bound"};

static int parse_method(const char *name, rs_options *options)
{
    for (int i = 0; name && i < 3; i++)
        if (strcmp(methods[i], name) == 0) {
            options->method = (rs_method)i;
            return 0;
        }
    const char *near = name ? text_nearest(name, methods, 3) : NULL;
    if (near)
        return cli_usage("run", "no method '%s'; legal: full, folded, bound (did you mean '%s'?)", name,
                         near);
    return name ? cli_usage("run", "no method '%s'; legal: full, folded, bound", name) : 0;
}

static bool put(const char *path, const rs_design *d, const rs_options *options, const rs_result *r,
                rs_err *err)
{
    rs_db *db = rs_db_open(path, err);
    bool ok = db && rs_db_put(db, d, options, r, NULL, err) && rs_db_flush(db, err);
    rs_db_close(db);
    return ok;
}

static char *report(const rs_design *d, const rs_result *r, bool json)
{
    struct text t = {0};
    if (json)
        return rs_result_json(r);
    show_result(d, r, &t);
    return t.s;
}

static int run(const rs_design *d, const rs_options *options, const char *db_path, bool json)
{
    rs_err *err = rs_err_create();
    rs_result *r = rs_run(d, options, err);
    bool ok = r && (!db_path || put(db_path, d, options, r, err));
    int code = ok ? cli_print(report(d, r, json)) : cli_fail(err);
    rs_result_destroy(r);
    if (ok)
        rs_err_destroy(err);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct cli_design d = {0};
    const char *db_path = NULL, *method = NULL;
    bool json = false, values = false;
    const struct cli_option table[] = {
        {.letter = 'a', .name = "arch", .arg = "ARCH.yaml", .text = &d.arch, .help = "architecture"},
        {.letter = 'w', .name = "work", .arg = "WORK.yaml", .text = &d.work, .help = "workload"},
        {.letter = 't', .name = "tech", .arg = "TECH.yaml", .text = &d.tech,
         .help = "technology (default: the one that the architecture names)"},
        {.letter = 's', .name = "set", .arg = "PATH=VALUE", .list = &d.sets,
         .help = "sets a key, such as arch.engine.units=16; repeatable"},
        {.letter = 'o', .name = "output", .arg = "DB", .text = &db_path,
         .help = "also stores the point in a database, created when absent"},
        {.name = "method", .arg = "METHOD", .text = &method, .help = "full, folded (default) or bound"},
        {.name = "values", .on = &values,
         .help = "also executes the program on bytes: every number must be the integer model's"},
        {.name = "json", .on = &json, .help = "one JSON object instead of tables"},
        {0}};
    const struct cli_command cmd = {
        .name = "run", .usage = "run -a ARCH.yaml -w WORK.yaml [-t TECH.yaml] [-s PATH=VALUE]... [-o DB]\n"
                                "                  [--method METHOD] [--values] [--json]",
        .options = table, .needs = "files go with -a and -w", .about = about, .examples = examples};
    rs_options options;
    size_t n;
    rs_options_default(&options);
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    code = parse_method(method, &options);
    options.values = values;
    rs_design *design = code ? NULL : cli_load("run", &d, &code);
    if (design)
        code = run(design, &options, db_path, json);
    rs_design_destroy(design);
    return code;
}
