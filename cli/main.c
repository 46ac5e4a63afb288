/* The program: finds the subcommand and reports a standard output that could
 * not be written. */
#include "cli/cli.h"
#include "cli/cmd_results.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
};

/* Sorted by name. */
static const struct command commands[] = {
    {"check", cmd_check, "checks architecture, workload, technology and sweep files"},
    {"estimate", cmd_estimate, "costs of one component"},
    {"eval", cmd_eval, "evaluates a network in floating point and in integers"},
    {"explain", cmd_explain, "explains the keys of these files"},
    {"lower", cmd_lower, "prints the program of a workload on an architecture"},
    {"merge", cmd_merge, "merges databases, such as those of shards"},
    {"plot", cmd_plot, "draws a plot of a database"},
    {"quantize", cmd_quantize, "writes a network in integers"},
    {"query", cmd_query, "asks a database"},
    {"replay", cmd_replay, "replays a request trace through an interconnect"},
    {"report", cmd_report, "writes a report of a database"},
    {"run", cmd_run, "simulates one workload on one architecture"},
    {"schema", cmd_schema, "prints the JSON Schema of a kind of file"},
    {"status", cmd_status, "says how far the sweeps of a database are"},
    {"sweep", cmd_sweep, "runs every point of a sweep into a database"},
    {"trace", cmd_trace, "writes the timeline of a run, for Perfetto or a waveform viewer"},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static int by_name(const void *key, const void *command)
{
    return strcmp(key, ((const struct command *)command)->name);
}

static int help(void)
{
    printf("retsim %s: cycle-approximate simulator of a RetNet accelerator in a PULPissimo SoC\n\n"
           "usage: retsim COMMAND [ARGUMENTS]\n"
           "       retsim --version [--json]\n\n"
           "commands:\n", rs_version());
    for (int i = 0; i < N_COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].about);
    printf("\n`retsim COMMAND --help` tells more. Exit codes: 0 done, 64 usage, 65 bad data, 66 no\n"
           "input, 70 a bug, 73 cannot create, 74 input or output, 75 interrupted but resumable,\n"
           "78 bad configuration.\n\n"
           "example:\n"
           "  retsim run -a configs/arch/pulpissimo_retention.yaml -w workloads/models/edge_kjv_d64.yaml\n");
    return 0;
}

static int unknown(const char *what, const char *name, const char *near)
{
    fprintf(stderr, "retsim: error: no %s '%s'", what, name);
    if (near)
        fprintf(stderr, " (did you mean '%s'?)", near);
    fputs("; see `retsim --help`\n", stderr);
    return 64;
}

static int version(int argc, char **argv)
{
    bool json = argc == 1 && strcmp(argv[0], "--json") == 0;
    if (argc && !json)
        return unknown("option", argv[0], "--json");
    if (json)
        printf("{\"name\":\"retsim\",\"version\":\"%s\",\"model_version\":\"%s\"}\n", rs_version(),
               rs_model_version());
    else
        printf("retsim %s\n", rs_version());
    return 0;
}

static int dispatch(int argc, char **argv)
{
    const char *names[N_COMMANDS], *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help();
    if (strcmp(name, "--version") == 0)
        return version(argc - 2, argv + 2);
    const struct command *c = bsearch(name, commands, N_COMMANDS, sizeof *c, by_name);
    if (c)
        return c->run(argc - 1, argv + 1);
    if (name[0] == '-')
        return unknown("option", name, NULL);
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    return unknown("command", name, text_nearest(name, names, N_COMMANDS));
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("retsim: error: no command; see `retsim --help`\n", stderr);
        return 64;
    }
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    int code = dispatch(argc, argv);
    bool unflushed = fflush(stdout) != 0;
    if (code || (!unflushed && !ferror(stdout)))
        return code;
    /* Of an earlier write that failed the reason is lost. */
    fprintf(stderr, "retsim: error: cannot write to the standard output%s%s\n", unflushed ? ": " : "",
            unflushed ? strerror(errno) : "");
    return 74;
}
