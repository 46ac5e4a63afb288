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
    "summary{cursor:pointer}\nnav{columns:3 16em;margin:1em 0}\nnav a{display:block}\n"
    "</style></head><body>\n";

struct report {
    FILE *out;
    FILE *contents; /* links to the sections */
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

static void put_heading(struct report *r, const char *id, const char *title)
{
    char first = title[0] >= 'a' && title[0] <= 'z' ? (char)(title[0] - 'a' + 'A') : title[0];
    fprintf(r->out, "<h2 id=\"%s\">%c%s</h2>\n", id, first, title + 1);
    fprintf(r->contents, "<a href=\"#%s\">%c%s</a>\n", id, first, title + 1);
}

struct table {
    const char *id, *query, *title; /* query NULL: the canned one called id */
    bool folded;
};

static bool put_table(struct report *r, const struct table *t, rs_err *err)
{
    char *csv = rs_db_query(r->db, t->query ? t->query : t->id, "csv", NULL, err);
    if (!csv)
        return false;
    const char *newline = strchr(csv, '\n');
    if (newline && newline[1]) {
        put_heading(r, t->id, t->title);
        fprintf(r->out, "%s<div class=\"scroll\"><table>\n",
                t->folded ? "<details><summary>show</summary>" : "");
        put_rows(r->out, csv);
        fprintf(r->out, "</table></div>%s\n", t->folded ? "</details>" : "");
    }
    free(csv);
    return true;
}

static bool put_tables(struct report *r, const struct table *tables, size_t n, rs_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!put_table(r, &tables[i], err))
            return false;
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
    if (start) {
        put_heading(r, name, title);
        fprintf(r->out, "<figure>\n%s</figure>\n", start);
    }
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

static bool put_sections(struct report *r, rs_err *err)
{
    static const struct table before[] = {{"sweeps", NULL, "Sweeps", false}};
    static const struct table after[] = {
        {"best", NULL, "Fastest point for each network, phase and sequence length", false},
        {"crossover", NULL, "Fastest form at each sequence length", false},
        {"pareto", NULL, "Pareto front of cycles, energy and area", true},
        {"quality", NULL, "Bits per byte and signal to noise ratio", true},
        {"values", NULL, "What execution on bytes compared and measured", true},
        {"area", NULL, "Area of each component", true},
        {"hypothetical", "SELECT DISTINCT arch, hypothetical AS keys FROM v_points WHERE is_hypothetical"
         " ORDER BY arch, keys",
         "Hypothetical: what no PULPissimo can have", false},
        {"failures", NULL, "Points that could not run", true},
        {"settings", NULL, "What was varied", true},
        {"points", NULL, "All points", true},
    };
    return put_tables(r, before, 1, err) && put_plots(r, err) &&
           put_tables(r, after, sizeof after / sizeof after[0], err);
}

static void put_title(FILE *out, const char *db_path)
{
    const char *slash = strrchr(db_path, '/'), *name = slash ? slash + 1 : db_path;
    fputs(head, out);
    fputs("<h1>retsim report: ", out);
    put_text(out, name, strlen(name));
    fprintf(out, "</h1>\n<p>retsim %s, model version %s. Cycles are cycles of the SoC clock.</p>\n",
            rs_version(), rs_model_version());
}

/* Sections first: the contents name those that there are. */
static bool put_body(struct report *r, FILE *file, const char *db_path, rs_err *err)
{
    char *sections = NULL, *contents = NULL;
    size_t n_sections, n_contents;
    r->out = open_memstream(&sections, &n_sections);
    r->contents = open_memstream(&contents, &n_contents);
    bool ok = r->out && r->contents ? put_sections(r, err) : rs_err_add(err, 70, "out of memory");
    if (r->out)
        fclose(r->out);
    if (r->contents)
        fclose(r->contents);
    if (ok) {
        put_title(file, db_path);
        fprintf(file, "<nav>\n%s</nav>\n%s</body></html>\n", contents, sections);
    }
    free(sections);
    free(contents);
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
    FILE *file = fopen(path, "w");
    if (!file)
        return rs_err_add(err, 73, "cannot create `%s`: %s", path, strerror(errno));
    if (!make_dir(r, err)) {
        fclose(file);
        return false;
    }
    bool ok = put_body(r, file, db_path, err);
    rmdir(r->dir);
    bool bad = ferror(file);
    if ((fclose(file) != 0 || bad) && ok)
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
