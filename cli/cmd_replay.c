/* `retsim replay`: a request trace through an interconnect. */
#include "cli/cli.h"

enum { PAGE_COLUMNS = 98 };

int cmd_replay(int argc, char **argv)
{
    bool chart = false;
    const struct cli_option options[] = {
        {.name = "chart", .on = &chart,
         .help = "draws the grants over time: a row a master, a column a cycle"},
        {0}};
    const struct cli_command cmd = {
        .name = "replay", .usage = "replay FILE.trace [--chart]", .options = options, .min_operands = 1,
        .max_operands = 1, .needs = "needs one trace",
        .about = "Replays a request trace through an interconnect, cycle by cycle, and prints for\n"
                 "every request the cycles of its first assertion, its grant and its response.\n"
                 "A trace with a generator line gives one line of totals a master instead.\n"
                 "\n"
                 "A trace starts with header lines `# key: value`; one request a line follows:\n"
                 "`master earliest_cycle write address_hex`. Keys of every trace: `dut`\n"
                 "(interleaved_crossbar, soc_interconnect_wrap, hci_interconnect, hwpe_stream),\n"
                 "`masters`, `banks`, `address unit` (word or byte); optional: `blocking`, `group`,\n"
                 "`generator`. The keys of each dut are in tests/reference/tcdm/README.md.",
        .examples = "  retsim replay tests/reference/tcdm/h11_hwpe_alone.trace\n"
                    "  retsim replay tests/reference/tcdm/h11_hwpe_alone.trace --chart\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    rs_err *err = rs_err_create();
    unsigned columns = cli_columns() ? cli_columns() : PAGE_COLUMNS;
    char *text = rs_replay(argv[0], chart ? columns : 0, err);
    return cli_answer(text, err);
}
