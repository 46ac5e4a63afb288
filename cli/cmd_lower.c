/* `retsim lower`: the program that the accelerator's sequencer runs. */
#include "cli/cli.h"

int cmd_lower(int argc, char **argv)
{
    struct cli_design d = {0};
    const struct cli_option options[] = {
        {.letter = 'a', .name = "arch", .arg = "ARCH.yaml", .text = &d.arch, .help = "architecture"},
        {.letter = 'w', .name = "work", .arg = "WORK.yaml", .text = &d.work, .help = "workload"},
        {.letter = 't', .name = "tech", .arg = "TECH.yaml", .text = &d.tech,
         .help = "technology (default: the architecture's)"},
        {.letter = 's', .name = "set", .arg = "PATH=VALUE", .list = &d.sets,
         .help = "sets a key, such as work.seq=64; repeatable"},
        {0}};
    const struct cli_command cmd = {
        .name = "lower", .usage = "lower -a ARCH.yaml -w WORK.yaml [-s PATH=VALUE]...", .options = options,
        .needs = "files go with -a and -w",
        .about = "Prints the program of a workload on an architecture, one command a line: what the\n"
                 "sequencer of the accelerator and the host core do.",
        .examples = "  retsim lower -a configs/arch/pulpissimo_retention.yaml \\\n"
                    "      -w workloads/models/edge_kjv_d64.yaml -s work.form=recurrent\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    rs_design *design = cli_load("lower", &d, &code);
    if (!design)
        return code;
    rs_err *err = rs_err_create();
    char *text = rs_lower(design, err);
    rs_design_destroy(design);
    return cli_answer(text, err);
}
