#include "results/plot.h"

#include "results/query.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct plot_def {
    const char *name, *doc;
    plot_draw_f *draw;
} plots[] = {
    {"latency-vs-seq", "prefill latency and decode latency per token over the sequence length, by form",
     plot_latency},
    {"energy-vs-seq", "energy per token over the sequence length, by form; on-chip and off-chip parts",
     plot_energy},
    {"pe-array", "latency, energy and area over the size of the PE array, by style, dataflow and form",
     plot_array},
    {"breakdown", "where the cycles go, by form and sequence length", plot_breakdown},
    {"area-breakdown", "area of each component, by architecture", plot_area_breakdown},
    {"energy-breakdown", "on-chip energy of each component, off-chip and idle energy, by form and length",
     plot_energy_breakdown},
    {"power", "power of each point: on-chip, off-chip and idle", plot_power},
    {"quality-vs-energy", "bits per byte above floating point over energy, by form, state and widths",
     plot_quality},
    {"pareto", "energy over latency of all points, with the front and its ties", plot_pareto},
};
enum { N_PLOTS = sizeof plots / sizeof plots[0] };

/* Okabe and Ito's colours, then dark and grey ones that differ in lightness:
 * told apart with any kind of colour vision. */
const char *const plot_colours[12] = {"#0072B2", "#D55E00", "#009E73", "#56B4E9", "#E69F00", "#F0E442",
                                      "#CC79A7", "#882255", "#332288", "#999999", "#DDDDDD", "#117733"};

struct plot_style plot_form_style(const char *form)
{
    static const struct { const char *form; struct plot_style style; } styles[] = {
        {"parallel", {"#0072B2", 7, 2, 0.7}},
        {"recurrent", {"#D55E00", 5, 3.2, 1.1}},
        {"chunkwise", {"#009E73", 9, 1.8, 0.8}}};
    for (size_t i = 0; i < 3; i++) {
        if (!strcmp(form, styles[i].form))
            return styles[i].style;
    }
    return (struct plot_style){"#000000", 13, 2, 0.8};
}

static void add_row(struct figure *fig, struct plot_rows *r, sqlite3_stmt *st, size_t *cap)
{
    if (r->n == *cap) {
        *cap = *cap * 2 + 64;
        r->text = xrealloc(r->text, *cap * (size_t)r->n_cols, sizeof *r->text);
        r->num = xrealloc(r->num, *cap * (size_t)r->n_cols, sizeof *r->num);
    }
    for (int c = 0; c < r->n_cols; c++) {
        size_t at = r->n * (size_t)r->n_cols + (size_t)c;
        const char *s = (const char *)sqlite3_column_text(st, c);
        r->text[at] = s ? arena_strdup(&fig->arena, s) : "";
        r->num[at] = sqlite3_column_double(st, c);
    }
    r->n++;
}

/* Moves the rows into the figure's arena. */
static void keep_rows(struct figure *fig, struct plot_rows *r)
{
    size_t n = r->n * (size_t)r->n_cols;
    const char **text = ARENA_NEW(&fig->arena, const char *, n + 1);
    double *num = ARENA_NEW(&fig->arena, double, n + 1);
    if (n) {
        memcpy(text, r->text, n * sizeof *text);
        memcpy(num, r->num, n * sizeof *num);
    }
    free(r->text);
    free(r->num);
    r->text = text;
    r->num = num;
}

bool plot_load(struct rs_db *db, const char *sql, const char *hint, struct figure *fig,
               struct plot_rows *out, rs_err *err)
{
    size_t cap = 0;
    sqlite3_stmt *st = db_prepare(db, sql, "read", err);
    if (!st)
        return false;
    int rc;
    *out = (struct plot_rows){.n_cols = sqlite3_column_count(st)};
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        add_row(fig, out, st, &cap);
    keep_rows(fig, out);
    bool ok = rc == SQLITE_DONE || db_fail(db, "read", err);
    if (ok && !out->n)
        ok = rs_err_add(err, 65, "%s: nothing to draw: %s", db->path, hint);
    ok = ok && output_rows(db, st, &(struct output){.format = OUTPUT_CSV}, &fig->csv, err);
    sqlite3_finalize(st);
    return ok;
}

const char *plot_cell(const struct plot_rows *r, size_t row, int col)
{
    return r->text[row * (size_t)r->n_cols + (size_t)col];
}

double plot_num(const struct plot_rows *r, size_t row, int col)
{
    return r->num[row * (size_t)r->n_cols + (size_t)col];
}

size_t plot_name(struct figure *fig, struct plot_names *names, const char *s)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!strcmp(names->v[i], s))
            return i;
    }
    if (names->n == names->cap) {
        const char **old = names->v;
        names->cap = names->cap * 2 + 16;
        names->v = ARENA_NEW(&fig->arena, const char *, names->cap);
        if (names->n)
            memcpy(names->v, old, names->n * sizeof *old);
    }
    names->v[names->n] = s;
    return names->n++;
}

void plot_forms(struct figure *fig, const struct plot_rows *r, int col, struct plot_names *names)
{
    static const char *const order[] = {"parallel", "recurrent", "chunkwise"};
    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < r->n; i++)
            if (!strcmp(plot_cell(r, i, col), order[f]))
                plot_name(fig, names, order[f]);
    for (size_t i = 0; i < r->n; i++)
        plot_name(fig, names, plot_cell(r, i, col));
}

int plot_block(struct figure *fig, const double (*xy)[2], size_t n)
{
    if (!n)
        return -1;
    text_printf(&fig->script, "$d%u << EOD\n", fig->n_blocks);
    for (size_t i = 0; i < n; i++) {
        text_printf(&fig->script, "%.9g %.9g\n", xy[i][0], xy[i][1]);
        for (int k = 0; k < 2; k++) {
            fig->lo[k] = fig->n_panel_values == 0 || xy[i][k] < fig->lo[k] ? xy[i][k] : fig->lo[k];
            fig->hi[k] = fig->n_panel_values == 0 || xy[i][k] > fig->hi[k] ? xy[i][k] : fig->hi[k];
        }
        fig->n_panel_values++;
    }
    text_add(&fig->script, "EOD\n");
    return (int)fig->n_blocks++;
}

void plot_axis(struct figure *fig, char axis, bool from_zero)
{
    int k = axis == 'y';
    double lo = fig->lo[k], hi = fig->hi[k];
    text_printf(&fig->script, "unset logscale %c\nset format %c '%%g'\n", axis, axis);
    if (lo > 0 && hi / lo >= 10)
        text_printf(&fig->script, "set %crange [*:*]\nset logscale %c 10\n", axis, axis);
    else if (from_zero || lo <= 0)
        text_printf(&fig->script, "set %crange [0:%.9g]\n", axis, hi > 0 ? hi * 1.12 : 1);
    else
        text_printf(&fig->script, "set %crange [%.9g:%.9g]\n", axis, lo - (hi - lo) * 0.1 - hi * 0.01,
                    hi + (hi - lo) * 0.1 + hi * 0.01);
}

void plot_axis_log(struct figure *fig, char axis, const char *unit)
{
    text_printf(&fig->script, "set %crange [*:*]\nset logscale %c 10\nset format %c '%%.0s %%c%s'\n", axis,
                axis, axis, unit);
}

void plot_quote(struct text *out, const char *s)
{
    text_add(out, "'");
    for (; *s; s++)
        text_addn(out, *s == '\'' ? "''" : s, *s == '\'' ? 2 : 1);
    text_add(out, "'");
}

/* A terminal has room for one column of panels only. */
void plot_grid_begin(struct figure *fig, const struct plot_grid *g)
{
    struct text *s = &fig->script;
    unsigned w = g->left + g->cols * g->panel_w + (g->cols - 1) * g->gap_x + g->right;
    unsigned h = g->top + g->rows * g->panel_h + (g->rows - 1) * g->gap_y + g->bottom;
    fig->width_px = w;
    fig->panel_w = g->panel_w;
    fig->height_px = fig->is_text ? g->rows * g->cols : h;
    text_add(s, "set multiplot layout ");
    if (fig->is_text)
        text_printf(s, "%u,1", g->rows * g->cols);
    else
        text_printf(s, "%u,%u margins screen %.4f,%.4f,%.4f,%.4f spacing screen %.4f,%.4f", g->rows, g->cols,
                    (double)g->left / w, 1 - (double)g->right / w, (double)g->bottom / h,
                    1 - (double)g->top / h, (double)g->gap_x / w, (double)g->gap_y / h);
    text_add(s, "\nunset key\n");
    if (fig->is_text)
        return;
    text_add(s, "set label 1000 ");
    plot_quote(s, g->title);
    text_printf(s, " at screen 0.5,%.4f center font ',15' front\n", 1 - 24.0 / h);
}

enum { KEY_TAG = 2000, KEY_CHAR_PX = 7, KEY_MARK_PX = 34, KEY_GAP_PX = 26, KEY_LINE_PX = 18 };

static unsigned key_width(const struct plot_key *k)
{
    unsigned mark = k->kind == KEY_NOTE ? 0 : KEY_MARK_PX + 6;
    return mark + KEY_CHAR_PX * (unsigned)strlen(k->title) + KEY_GAP_PX;
}

static void key_entry(struct figure *fig, const struct plot_key *k, unsigned tag, double x_px, double y_px)
{
    struct text *s = &fig->script;
    double w = fig->width_px, h = fig->height_px, x = x_px / w, y = y_px / h, end = (x_px + KEY_MARK_PX) / w;
    if (k->kind == KEY_BOX)
        text_printf(s, "set object %u rectangle from screen %.5f,%.5f to screen %.5f,%.5f fc rgb '%s' "
                    "fs solid 1 border lc rgb '#ffffff'\n", tag, (x_px + 14) / w, (y_px - 6) / h, end,
                    (y_px + 6) / h, k->colour);
    else if (k->kind == KEY_LINE)
        text_printf(s, "set arrow %u from screen %.5f,%.5f to screen %.5f,%.5f nohead lc rgb '%s' "
                    "lw %g dt %d\n", tag, x, y, end, y, k->colour, k->width, k->dash ? k->dash : 1);
    if (k->point)
        text_printf(s, "set label %u '' at screen %.5f,%.5f point pt %d ps 1 lc rgb '%s'\n", tag + 1,
                    (x + end) / 2, y, k->point, k->colour);
    text_printf(s, "set label %u ", tag);
    plot_quote(s, k->title);
    text_printf(s, " at screen %.5f,%.5f left\n", k->kind == KEY_NOTE ? x : end + 6 / w, y);
}

void plot_key_draw(struct figure *fig, const struct plot_key *keys, size_t n)
{
    unsigned room = fig->width_px - 40, lines = 1, used = 0;
    if (fig->is_text)
        return;
    for (size_t i = 0; i < n; i++) {
        if (used && used + key_width(&keys[i]) > room) {
            lines++;
            used = 0;
        }
        used += key_width(&keys[i]);
    }
    size_t i = 0;
    for (unsigned line = 0; line < lines; line++) {
        size_t end = i;
        for (used = 0; end < n && (!used || used + key_width(&keys[end]) <= room); end++)
            used += key_width(&keys[end]);
        double x = (fig->width_px - used + KEY_GAP_PX) / 2.0, y = 16 + KEY_LINE_PX * (lines - 1 - line);
        for (; i < end; x += key_width(&keys[i++]))
            key_entry(fig, &keys[i], KEY_TAG + 2 * (unsigned)i, x, y);
    }
}

void plot_key_end(struct figure *fig)
{
    text_add(&fig->script, "unset key\nunset label\nunset arrow\nunset object\n");
    fig->n_panel_values = 0;
}

const char *rs_plot_list(void)
{
    static char list[2048];
    size_t at = 0;
    for (size_t i = 0; i < N_PLOTS; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s\t%s\n", plots[i].name, plots[i].doc);
    return list;
}

static const struct plot_def *find_plot(const char *name, rs_err *err)
{
    const char *names[N_PLOTS];
    struct text all = {0};
    for (size_t i = 0; i < N_PLOTS; i++) {
        if (!strcmp(plots[i].name, name))
            return &plots[i];
    }
    for (size_t i = 0; i < N_PLOTS; i++) {
        names[i] = plots[i].name;
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = text_nearest(name, names, N_PLOTS);
    rs_err_add(err, 64, "unknown plot `%s`; legal are %s%s%s%s", name, all.s,
               near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    text_finish(&all);
    return NULL;
}

bool rs_db_plot(rs_db *db, const char *name, const char *path, char **text_out, rs_err *err)
{
    const struct plot_def *p = find_plot(name, err);
    unsigned columns = db->columns < 60 ? PLOT_COLUMNS : db->columns > 160 ? 160 : db->columns;
    struct figure fig = {.is_text = !strcmp(path, "-"), .columns = columns};
    if (text_out)
        *text_out = NULL;
    bool ok = p && p->draw(db, &fig, err) && gnuplot_draw(&fig, path, text_out, err);
    arena_finish(&fig.arena);
    text_finish(&fig.script);
    text_finish(&fig.csv);
    text_finish(&fig.drawn);
    return ok;
}
