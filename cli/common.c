/* Errors, output and tables of the subcommands. */
#include "cli/cli.h"
#include "base/arena.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int cli_fail(rs_err *err)
{
    int code = rs_err_code(err);
    fputs(rs_err_text(err), stderr);
    rs_err_destroy(err);
    return code ? code : 70;
}

unsigned cli_columns(void)
{
    const char *set = getenv("COLUMNS");
    unsigned long n = set ? strtoul(set, NULL, 10) : 0;
    struct winsize w;
    if (n > 0 && n < 10000)
        return (unsigned)n;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

int cli_print(char *text)
{
    fputs(text, stdout);
    free(text);
    return 0;
}

int cli_answer(char *text, rs_err *err)
{
    if (!text)
        return cli_fail(err);
    rs_err_destroy(err);
    return cli_print(text);
}

rs_design *cli_load(const char *cmd, const struct cli_design *d, int *code)
{
    if (!d->arch || !d->work) {
        *code = cli_usage(cmd, "%s: pass %s", d->arch ? "no workload" : "no architecture",
                          d->arch ? "-w WORK.yaml" : "-a ARCH.yaml");
        return NULL;
    }
    rs_err *err = rs_err_create();
    rs_design *design = rs_design_load(d->arch, d->work, d->tech, d->sets.v, d->sets.n, err);
    if (!design)
        *code = cli_fail(err);
    else
        rs_err_destroy(err);
    return design;
}

void cli_cell(struct cli_table *t, const char *fmt, ...)
{
    va_list ap;
    char text[256];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (t->n == t->cap)
        t->cells = xrealloc(t->cells, t->cap = t->cap * 2 + 64, sizeof *t->cells);
    t->cells[t->n] = xrealloc(NULL, strlen(text) + 1, 1);
    strcpy(t->cells[t->n++], text);
}

static void add_row(const struct cli_table *t, const char *const *cells, const int *width, struct text *out)
{
    for (unsigned c = 0; c < t->n_cols; c++) {
        const char *gap = c ? "  " : "";
        bool last = c + 1 == t->n_cols;
        text_printf(out, t->left[c] ? "%s%-*s" : "%s%*s", gap, last && t->left[c] ? 0 : width[c], cells[c]);
    }
    while (out->len && out->s[out->len - 1] == ' ') /* an empty cell at the end */
        out->s[--out->len] = '\0';
    text_add(out, "\n");
}

void cli_table_end(struct cli_table *t, struct text *out)
{
    int width[CLI_MAX_COLS] = {0};
    for (unsigned c = 0; c < t->n_cols && t->heads; c++)
        width[c] = (int)strlen(t->heads[c]);
    for (size_t i = 0; i < t->n; i++) {
        int len = (int)strlen(t->cells[i]), *w = &width[i % t->n_cols];
        *w = len > *w ? len : *w;
    }
    if (t->heads)
        add_row(t, t->heads, width, out);
    for (size_t i = 0; i + t->n_cols <= t->n; i += t->n_cols)
        add_row(t, (const char *const *)t->cells + i, width, out);
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    t->cells = NULL;
    t->n = t->cap = 0;
}

const char *cli_count(uint64_t v, char *buf, size_t size)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, v);
    size_t at = 0;
    for (int i = 0; i < n && at + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}
