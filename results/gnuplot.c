/* Running gnuplot on a script file that stays beside the picture. */
#include "results/plot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *ending, *terminal; /* %u: width and height in pixels */
    bool inches;
} terminals[] = {
    {".svg", "set terminal svg size %u,%u dynamic noenhanced background '#ffffff' font 'sans-serif,12'",
     false},
    {".png", "set terminal pngcairo size %u,%u noenhanced background '#ffffff' font 'DejaVu Sans,10'", false},
    {".pdf", "set terminal pdfcairo size %.3fin,%.3fin noenhanced background '#ffffff' font 'DejaVu Sans,12' "
             "fontscale 0.75", true},
};
enum { N_TERMINALS = 3, TEXT_ROWS = 24 };

static int terminal_of(const char *path)
{
    size_t n = strlen(path);
    for (int i = 0; i < N_TERMINALS; i++) {
        if (n > 4 && !strcmp(path + n - 4, terminals[i].ending))
            return i;
    }
    return -1;
}

static void add_head(struct text *out, const struct figure *fig, const char *path)
{
    int t = terminal_of(path);
    text_add(out, "set encoding utf8\n");
    if (fig->is_text)
        text_printf(out, "set terminal dumb noenhanced size %u,%u\n", fig->columns,
                    fig->height_px * TEXT_ROWS);
    else if (terminals[t].inches)
        text_printf(out, terminals[t].terminal, fig->width_px / 96.0, fig->height_px / 96.0);
    else
        text_printf(out, terminals[t].terminal, fig->width_px, fig->height_px);
    if (!fig->is_text) {
        text_add(out, "\nset output ");
        plot_quote(out, path);
    }
    text_add(out, "\n");
    text_add(out, "set tics nomirror out\nset border 3 lc rgb '#444444'\nset style fill solid 1.0\n");
    if (!fig->is_text) /* on a terminal the rules look like another line */
        text_add(out, "set grid lc rgb '#dddddd' lw 0.7 lt 1\n");
}

static bool write_file(const char *path, const struct text *t, rs_err *err)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return rs_err_add(err, 73, "cannot create `%s`: %s", path, strerror(errno));
    bool ok = fwrite(t->s ? t->s : "", 1, t->len, f) == t->len;
    ok = fclose(f) == 0 && ok;
    return ok || rs_err_add(err, 74, "cannot write `%s`: %s", path, strerror(errno));
}

/* For the shell: 'it'\''s'. */
static void shell_quote(struct text *out, const char *s)
{
    text_add(out, "'");
    for (; *s; s++)
        text_addn(out, *s == '\'' ? "'\\''" : s, *s == '\'' ? 4 : 1);
    text_add(out, "'");
}

/* Everything that gnuplot prints goes to `printed`. */
static bool run(const char *script_path, struct text *printed, rs_err *err)
{
    struct text cmd = {0};
    char buf[4096];
    size_t n;
    text_add(&cmd, "gnuplot ");
    shell_quote(&cmd, script_path);
    text_add(&cmd, " 2>&1");
    FILE *p = popen(cmd.s, "r");
    text_finish(&cmd);
    if (!p)
        return rs_err_add(err, 70, "cannot start a shell for gnuplot: %s", strerror(errno));
    while ((n = fread(buf, 1, sizeof buf, p)) > 0)
        text_addn(printed, buf, n);
    text_add(printed, "");
    int status = pclose(p);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return rs_err_add(err, 70, "gnuplot is not installed: install the package gnuplot-nox "
                          "(the data is in the .csv file beside the picture)");
    return status == 0 || rs_err_add(err, 70, "gnuplot failed on `%s`: %s", script_path, printed->s);
}

/* PATH without its ending, and another one. */
static char *beside(struct figure *fig, const char *path, const char *ending)
{
    return arena_printf(&fig->arena, "%.*s%s", (int)(strlen(path) - 4), path, ending);
}

static bool draw_file(struct figure *fig, const char *path, const struct text *script, rs_err *err)
{
    struct text printed = {0};
    struct stat st;
    const char *gp = beside(fig, path, ".gp");
    unlink(path);
    bool ok = write_file(beside(fig, path, ".csv"), &fig->csv, err) && write_file(gp, script, err) &&
              run(gp, &printed, err);
    if (ok && (stat(path, &st) != 0 || st.st_size == 0))
        ok = rs_err_add(err, 73, "gnuplot wrote no picture `%s`: %s", path, printed.s);
    text_finish(&printed);
    return ok;
}

/* Grey rules and trailing blanks say nothing on a terminal. */
static char *tidy(const struct text *drawn)
{
    struct text out = {0};
    const char *p = drawn->s;
    text_add(&out, "");
    while (*p) {
        size_t n = strcspn(p, "\n"), len = n;
        while (len && (p[len - 1] == ' ' || p[len - 1] == '\f' || p[len - 1] == '\r'))
            len--;
        if (len || out.len)
            text_printf(&out, "%.*s\n", (int)len, p);
        p += n + (p[n] == '\n');
    }
    return out.s;
}

static bool draw_text(const struct text *script, char **text_out, rs_err *err)
{
    struct text printed = {0};
    const char *dir = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/retsim-plot-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0)
        return rs_err_add(err, 73, "cannot create `%s`: %s", path, strerror(errno));
    close(fd);
    bool ok = write_file(path, script, err) && run(path, &printed, err);
    unlink(path);
    if (ok)
        *text_out = tidy(&printed);
    text_finish(&printed);
    return ok;
}

bool gnuplot_draw(struct figure *fig, const char *path, char **text_out, rs_err *err)
{
    struct text script = {0};
    if (fig->is_text && fig->drawn.s) {
        *text_out = strdup(fig->drawn.s);
        return true;
    }
    if (!fig->is_text && terminal_of(path) < 0)
        return rs_err_add(err, 64, "`%s`: pictures end in .svg, .png or .pdf; `-` draws in the terminal",
                          path);
    add_head(&script, fig, path);
    text_add(&script, fig->script.s ? fig->script.s : "");
    text_add(&script, "\nunset multiplot\nunset output\n");
    bool ok = fig->is_text ? draw_text(&script, text_out, err) : draw_file(fig, path, &script, err);
    text_finish(&script);
    return ok;
}
