#include "cli/cmd_replay.h"

#include "arch/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char usage[] = "usage: retsim replay FILE.trace [--chart]\n";

static const char help[] =
    "\n"
    "Replays a request trace through an interconnect, cycle by cycle, and prints for\n"
    "every request the cycles of its first assertion, its grant and its response.\n"
    "A trace with a generator line gives one line of totals a master instead.\n"
    "\n"
    "  --chart   draw the grants over time instead: a row a master, a column a cycle,\n"
    "            as wide as the terminal\n"
    "  --help    this text\n"
    "\n"
    "A trace starts with header lines `# key: value`; one request a line follows:\n"
    "`master earliest_cycle write address_hex`. Keys of every trace: `dut`\n"
    "(interleaved_crossbar, soc_interconnect_wrap, hci_interconnect, hwpe_stream),\n"
    "`masters`, `banks`, `address unit` (word or byte); optional: `blocking`, `group`,\n"
    "`generator`. The keys of each dut are in tests/reference/tcdm/README.md.\n"
    "\n"
    "Exit codes: 0 done, 64 usage, 65 bad trace, 66 no such file, 74 cannot write.\n";

static int misuse(const char *what, const char *arg)
{
    fprintf(stderr, "retsim replay: %s", what);
    if (arg)
        fprintf(stderr, " '%s'", arg);
    fprintf(stderr, "\n%s", usage);
    return ERR_USAGE;
}

static int complain(struct err *err)
{
    int code = err->code ? (int)err->code : ERR_SOFTWARE;
    char *text;

    err_sort(err);
    text = err_render(err, "retsim");
    if (text)
        fputs(text, stderr);
    free(text);
    return code;
}

static int print(const struct text *out)
{
    size_t written = out->len ? fwrite(out->s, 1, out->len, stdout) : 0;
    if (written == out->len && fflush(stdout) == 0)
        return 0;
    fputs("retsim: cannot write the result\n", stderr);
    return ERR_IO;
}

/* Of the terminal, or what fits on a page. */
static unsigned columns(void)
{
    struct winsize size;
    bool known = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col;
    return known ? size.ws_col : 98;
}

static int replay(const char *path, bool chart)
{
    struct text out = {0};
    struct err err = {0};
    int code = replay_run(path, chart ? columns() : 0, &out, &err) ? print(&out) : complain(&err);

    text_finish(&out);
    err_finish(&err);
    return code;
}

int cmd_replay(int argc, char **argv)
{
    const char *path = NULL;
    bool chart = false, options = true;

    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (options && !strcmp(a, "--")) {
            options = false;
        } else if (options && !strcmp(a, "--chart")) {
            chart = true;
        } else if (options && (!strcmp(a, "--help") || !strcmp(a, "-h"))) {
            printf("%s%s", usage, help);
            return fflush(stdout) ? ERR_IO : 0;
        } else if (options && a[0] == '-' && a[1]) {
            return misuse("unknown option", a);
        } else if (path) {
            return misuse("more than one trace; the second is", a);
        } else {
            path = a;
        }
    }
    return path ? replay(path, chart) : misuse("no trace is given", NULL);
}
