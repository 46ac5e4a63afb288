/* What the subcommands share: the table of options, errors, tables of text. A
 * command gets argv[0] = its own name and returns the exit code. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/text.h"
#include "include/retsim.h"

enum { CLI_MAX_SETS = 256, CLI_DONE = -1 };

struct cli_list { /* of a repeated option */
    const char *v[CLI_MAX_SETS];
    size_t n;
};

struct cli_option {
    char letter;       /* 0: none */
    const char *name;  /* without dashes; NULL at the end of a table */
    const char *arg;   /* what its value is called; NULL: a switch */
    const char *help;
    /* Where it goes; exactly one is set. */
    bool *on;
    const char **text;
    struct cli_list *list;
};

struct cli_command {
    const char *name, *usage, *about, *examples; /* usage: what follows "retsim " */
    const struct cli_option *options;
    size_t min_operands, max_operands;
    const char *needs; /* said when there are too few or too many operands */
};

/* Reads options and operands (moved to argv[0..*n)). Options are `-s X`,
 * `-sX`, `--set X` and `--set=X`; `--` ends them; -h and --help are always
 * there. 0; CLI_DONE when help was printed; 64 after a message. */
int cli_parse(const struct cli_command *cmd, int argc, char **argv, size_t *n);

/* `retsim CMD: error: ...; see ...` on stderr. Returns 64. */
__attribute__((format(printf, 2, 3))) int cli_usage(const char *cmd, const char *fmt, ...);
/* Prints the diagnostics to stderr, destroys err, returns its code. */
int cli_fail(rs_err *err);
/* Columns of the terminal: COLUMNS, or what a terminal on stdout says; 0: no limit. */
unsigned cli_columns(void);
/* Prints the text, or the diagnostics when there is none; destroys err. Returns the exit code. */
int cli_answer(char *text, rs_err *err);
/* Prints text on stdout and frees it. Returns 0; main() reports a failed write. */
int cli_print(char *text);

/* -a, -w, -t and -s of the commands that take a design. */
struct cli_design {
    const char *arch, *work, *tech;
    struct cli_list sets;
};
/* NULL with a message printed and *code set. */
rs_design *cli_load(const char *cmd, const struct cli_design *d, int *code);

/* A table of text: cells are added row by row; columns that are not left hold
 * numbers. Zero-initialise. */
enum { CLI_MAX_COLS = 8 };
struct cli_table {
    unsigned n_cols;
    const char *const *heads;
    bool left[CLI_MAX_COLS];
    char **cells;
    size_t n, cap;
};
__attribute__((format(printf, 2, 3))) void cli_cell(struct cli_table *t, const char *fmt, ...);
/* Appends the table to `out` and empties it. */
void cli_table_end(struct cli_table *t, struct text *out);
/* 1234567 -> "1,234,567". */
const char *cli_count(uint64_t v, char *buf, size_t size);

int cmd_check(int argc, char **argv);
int cmd_estimate(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_lower(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_trace(int argc, char **argv);

#endif
