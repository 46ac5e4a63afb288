/* Subcommands around sweeps and databases. argv[0] is the subcommand's name;
 * the value is the exit code. */
#ifndef CLI_CMD_RESULTS_H
#define CLI_CMD_RESULTS_H

#include "cli/cli.h"

int cmd_sweep(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_report(int argc, char **argv);

#endif
