/* `retsim report`: one HTML file with tables and inline pictures, nothing else
 * to load. Tables are canned queries, pictures are plots drawn as SVG. */
#include "cli/cmd_results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>retsim report</title>\n"
    "<style>\nbody{font:15px/1.45 Arial,sans-serif;margin:2em auto;max-width:1500px;padding:0 1em;"
    "color:#222}\n"
    "h2{margin-top:2em;border-bottom:1px solid #ccc}\n.scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:2px 9px;border-bottom:1px solid #e4e4e4;text-align:left;white-space:nowrap}\n"
    "th{background:#f3f3f3;position:sticky;top:0}\ntd.n{text-align:right}\n"
    "figure{margin:1em 0}\nfigure svg{max-width:100%;height:auto}\nfigcaption{color:#555}\n"
    "summary{cursor:pointer}\n</style></head><body>\n";

struct report {
    FILE *out;
    rs_db *db;
    char dir[512]; /* for pictures, emptied after each */
};

static void put_text(FILE *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (s[i]) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(s[i], out); break;
        }
    }
}

/* One CSV field; *cursor is left behind its comma or newline. True at a row's end. */
static bool next_field(const char **cursor, char **field)
{
    const char *p = *cursor;
    size_t n = 0, cap = strcspn(p, "\n") + 2;
    bool quoted = *p == '"';
    if (quoted) /* a quoted field may hold newlines */
        cap = strlen(p) + 1;
    char *out = malloc(cap);
    p += quoted;
    while (*p && out && (quoted || !strchr(",\n", *p))) {
        if (quoted && *p == '"' && *++p != '"')
            break;
        out[n++] = *p++;
    }
    if (out)
        out[n] = '\0';
    *field = out;
    bool end = *p != ',';
    *cursor = *p ? p + 1 : p;
    return end;
}

/* Numbers are shown with five digits; the database has them all. */
static void put_cell(FILE *out, const char *field, bool heading)
{
    char *end;
    double v = strtod(field, &end);
    bool number = *field && !*end;
    fprintf(out, heading ? "<th>" : number ? "<td class=\"n\">" : "<td>");
    if (number && strpbrk(field, ".e"))
        fprintf(out, "%.5g", v);
    else
        put_text(out, field, strlen(field));
    fputs(heading ? "</th>" : "</td>", out);
}

static void put_rows(FILE *out, const char *csv)
{
    for (bool heading = true; *csv; heading = false) {
        fputs("<tr>", out);
        for (bool end = false; !end && *csv;) {
            char *field;
            end = next_field(&csv, &field);
            put_cell(out, field ? field : "", heading);
            free(field);
        }
        fputs("</tr>\n", out);
    }
}

static bool put_table(struct report *r, const char *query, const char *title, bool folded, rs_err *err)
{
    char *csv = rs_db_query(r->db, query, "csv", NULL, err);
    if (!csv)
        return false;
    const char *newline = strchr(csv, '\n');
    if (newline && newline[1]) {
        fprintf(r->out, "<h2 id=\"%s\">%s</h2>\n%s<div class=\"scroll\"><table>\n", query, title,
                folded ? "<details><summary>show</summary>" : "");
        put_rows(r->out, csv);
        fprintf(r->out, "</table></div>%s\n", folded ? "</details>" : "");
    }
    free(csv);
    return true;
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t n = 0, cap = 0;
    if (!f)
        return NULL;
    do {
        char *more = realloc(text, (cap += 1 << 16) + 1);
        if (!more)
            break;
        text = more;
        n += fread(text + n, 1, cap - n, f);
    } while (n == cap);
    fclose(f);
    if (text)
        text[n] = '\0';
    return text;
}

/* Draws in the scratch directory. A plot that has no points is left out. */
static bool put_plot(struct report *r, const char *name, const char *title, rs_err *err)
{
    static const char *const endings[] = {"svg", "gp", "csv"};
    char path[600];
    snprintf(path, sizeof path, "%s/plot.svg", r->dir);
    bool ok = rs_db_plot(r->db, name, path, NULL, err);
    char *svg = ok ? read_all(path) : NULL;
    const char *start = svg ? strstr(svg, "<svg") : NULL;
    if (start)
        fprintf(r->out, "<h2 id=\"%s\">%s</h2>\n<figure>\n%s</figure>\n", name, title, start);
    free(svg);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/plot.%s", r->dir, endings[i]);
        unlink(path);
    }
    if (!ok && rs_err_code(err) == 65) {
        rs_err_clear(err);
        return true;
    }
    return ok;
}

static bool put_plots(struct report *r, rs_err *err)
{
    const char *line = rs_plot_list();
    char name[64], title[200];
    bool ok = true;
    while (ok && sscanf(line, "%63[^\t]\t%199[^\n]", name, title) == 2) {
        ok = put_plot(r, name, title, err);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return ok;
}

static bool put_body(struct report *r, const char *db_path, rs_err *err)
{
    const char *slash = strrchr(db_path, '/'), *name = slash ? slash + 1 : db_path;
    fputs(head, r->out);
    fputs("<h1>retsim report: ", r->out);
    put_text(r->out, name, strlen(name));
    fprintf(r->out, "</h1>\n<p>retsim %s, model version %s. Cycles are cycles of the SoC clock.</p>\n",
            rs_version(), rs_model_version());
    bool ok = put_table(r, "sweeps", "Sweeps", false, err) &&
              put_table(r, "settings", "What was varied", false, err) && put_plots(r, err) &&
              put_table(r, "best", "Fastest point for each network, phase and sequence length", false, err) &&
              put_table(r, "crossover", "Fastest form at each sequence length", false, err) &&
              put_table(r, "pareto", "Pareto front of cycles, energy and area", true, err) &&
              put_table(r, "area", "Area of each component", true, err) &&
              put_table(r, "failures", "Points that could not run", false, err) &&
              put_table(r, "points", "All points", true, err);
    fputs("</body></html>\n", r->out);
    return ok;
}

static bool make_dir(struct report *r, rs_err *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(r->dir, sizeof r->dir, "%s/retsim-report-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(r->dir) || rs_err_add(err, 73, "cannot create `%s`: %s", r->dir, strerror(errno));
}

static bool write_report(struct report *r, const char *db_path, const char *path, rs_err *err)
{
    r->out = fopen(path, "w");
    if (!r->out)
        return rs_err_add(err, 73, "cannot create `%s`: %s", path, strerror(errno));
    if (!make_dir(r, err)) {
        fclose(r->out);
        return false;
    }
    bool ok = put_body(r, db_path, err);
    rmdir(r->dir);
    bool bad = ferror(r->out);
    if ((fclose(r->out) != 0 || bad) && ok)
        ok = rs_err_add(err, 74, "cannot write `%s`: %s", path, strerror(errno));
    return ok;
}

int cmd_report(int argc, char **argv)
{
    const char *path = NULL;
    const struct cli_option options[] = {
        {.letter = 'o', .name = "output", .arg = "FILE.html", .text = &path, .help = "the report"}, {0}};
    const struct cli_command cmd = {
        .name = "report", .usage = "report DB -o FILE.html", .options = options,
        .min_operands = 1, .max_operands = 1, .needs = "needs a database and -o FILE.html",
        .about = "Writes a self-contained HTML report: every plot that the database has points for,\n"
                 "and tables of the best points, crossovers, the Pareto front, failures and settings.",
        .examples = "  retsim report seq.db -o seq.html\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code == CLI_DONE ? 0 : code;
    if (!path)
        return cli_usage("report", "%s", cmd.needs);
    rs_err *err = rs_err_create();
    struct report r = {.db = rs_db_open_readonly(argv[0], err)};
    bool ok = r.db && write_report(&r, argv[0], path, err);
    rs_db_close(r.db);
    if (!ok)
        return cli_fail(err);
    rs_err_destroy(err);
    return 0;
}
