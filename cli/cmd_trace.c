/* `retsim trace`: a run as a timeline. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    struct cli_design design;
    const char *out, *from, *to, *max;
};

/* A count in an option; false after a message. */
static bool read_count(const char *option, const char *text, uint64_t *out)
{
    char buf[128];
    const char *why;
    if (!text || text_parse_u64(text, UNIT_NONE, out, buf, sizeof buf, &why))
        return true;
    cli_usage("trace", "--%s is '%s': %s", option, text, why);
    return false;
}

static int trace(const struct options *o)
{
    rs_trace_options window;
    rs_trace_info info;
    int code;
    rs_trace_options_default(&window);
    if (!read_count("from", o->from, &window.from_cycle) || !read_count("to", o->to, &window.to_cycle) ||
        !read_count("max-entries", o->max, &window.max_entries))
        return 64;
    if (!o->out)
        return cli_usage("trace", "no output: pass -o FILE.json, FILE.pftrace or FILE.vcd");
    rs_design *design = cli_load("trace", &o->design, &code);
    if (!design)
        return code;
    rs_err *err = rs_err_create();
    bool ok = rs_trace(design, o->out, &window, &info, err);
    rs_design_destroy(design);
    if (!ok)
        return cli_fail(err);
    rs_err_destroy(err);
    fprintf(stderr, "retsim trace: %s: cycles %" PRIu64 " to %" PRIu64 ", %" PRIu64 " entries\n", o->out,
            info.from_cycle, info.to_cycle, info.entries);
    if (info.cut)
        fprintf(stderr, "retsim trace: cut there: more would be hard to view; `--from %" PRIu64 "` goes on, "
                "--max-entries allows more\n", info.to_cycle);
    return 0;
}

int cmd_trace(int argc, char **argv)
{
    struct options o = {.out = NULL};
    const struct cli_option options[] = {
        {.letter = 'a', .name = "arch", .arg = "ARCH.yaml", .text = &o.design.arch, .help = "architecture"},
        {.letter = 'w', .name = "work", .arg = "WORK.yaml", .text = &o.design.work, .help = "workload"},
        {.letter = 's', .name = "set", .arg = "PATH=VALUE", .list = &o.design.sets,
         .help = "sets a key, such as work.seq=64; repeatable"},
        {.letter = 'o', .name = "output", .arg = "FILE", .text = &o.out,
         .help = "FILE.json, FILE.pftrace or FILE.vcd"},
        {.name = "from", .arg = "CYCLE", .text = &o.from, .help = "first cycle to record (default 0)"},
        {.name = "to", .arg = "CYCLE", .text = &o.to,
         .help = "where the record and the run end (default: the end)"},
        {.name = "max-entries", .arg = "N", .text = &o.max,
         .help = "slices and levels to keep (default 1000000)"},
        {0}};
    const struct cli_command cmd = {
        .name = "trace", .usage = "trace -a ARCH.yaml -w WORK.yaml [-s PATH=VALUE]... -o FILE",
        .options = options, .needs = "files go with -a and -w",
        .about = "Simulates beat by beat (method full) and writes what every unit, the host, the uDMA\n"
                 "and the off-chip bus did, where the cycles went, and how full queues, slots and ports\n"
                 "were. FILE.json and FILE.pftrace open in Perfetto's viewer, FILE.vcd in GTKWave. One\n"
                 "cycle of the SoC clock is shown as one nanosecond; `command` is the number that\n"
                 "`retsim lower` prints. --from and --to cut out a window of a long run.",
        .examples = "  retsim trace -a configs/arch/pulpissimo_retention.yaml \\\n"
                    "      -w workloads/models/edge_kjv_d64.yaml -s work.seq=64 -o prefill.pftrace\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    return trace(&o);
}
