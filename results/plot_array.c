/* Latency, energy and area over the size of the PE array: a row of three
 * panels for each job; colour is style and dataflow, the dash is the form. */
#include "results/plot.h"

#include <string.h>

enum { COL_JOB, COL_ENGINE, COL_FORM, COL_PEAK, COL_TIME, COL_ENERGY, COL_AREA, MAX_SIZES = 200 };

static const char sql[] =
    "WITH sized AS (SELECT work, phase, seq, min(macs / max(tokens, 1)) OVER (PARTITION BY work) AS net_size,"
    " work || ' ' || coalesce(phase, '') || coalesce(' ' || seq, '') AS job,"
    " CASE engine_style WHEN 'systolic' THEN 'systolic ' || coalesce(dataflow, '') ELSE"
    " replace(coalesce(engine_style, 'engine'), '_', ' ') END AS engine, coalesce(form, '') AS form,"
    " peak_macs_per_cycle, time_ms, energy_uj, area_mm2 FROM v_points),"
    " jobs AS (SELECT job, phase, net_size, count(DISTINCT peak_macs_per_cycle) AS n, row_number() OVER"
    "  (PARTITION BY work, phase ORDER BY count(DISTINCT peak_macs_per_cycle) DESC, seq DESC) AS place"
    "  FROM sized GROUP BY job),"
    " shown AS (SELECT * FROM jobs WHERE place = 1 AND n > 1 ORDER BY phase DESC, net_size, job LIMIT 4)"
    " SELECT job, engine, form, peak_macs_per_cycle, min(time_ms) AS time_ms, min(energy_uj) AS energy_uj,"
    " min(area_mm2) AS area_mm2 FROM sized JOIN shown s USING(job) GROUP BY job, engine, form,"
    " peak_macs_per_cycle ORDER BY s.phase DESC, s.net_size, job, engine, form, peak_macs_per_cycle";

struct names {
    struct plot_names jobs, engines, forms;
};

static int line_block(struct figure *fig, const struct plot_rows *r, const char *job, const char *engine,
                      const char *form, int y)
{
    double xy[MAX_SIZES][2];
    size_t n = 0;
    for (size_t i = 0; i < r->n && n < MAX_SIZES; i++) {
        if (strcmp(plot_cell(r, i, COL_JOB), job) || strcmp(plot_cell(r, i, COL_ENGINE), engine) ||
            (form && strcmp(plot_cell(r, i, COL_FORM), form)))
            continue;
        if (n && xy[n - 1][0] >= plot_num(r, i, COL_PEAK)) /* the next form's rows: area is the same */
            break;
        xy[n][0] = plot_num(r, i, COL_PEAK);
        xy[n++][1] = plot_num(r, i, y);
    }
    return plot_block(fig, (const double(*)[2])xy, n);
}

static void add_line(const struct figure *fig, struct text *plot, int block, size_t engine, size_t form,
                     const char *title)
{
    static const int points[] = {7, 5, 9, 13}, dashes[] = {1, 2, 3, 4};
    if (block < 0)
        return;
    text_printf(plot, "%s$d%d using 1:2 with linespoints lc rgb '%s' lw 1.8 dt %d pt %d ps 0.8",
                plot->len ? ", " : "", block, plot_colours[engine % 5], dashes[form % 4], points[form % 4]);
    if (fig->is_text) {
        text_add(plot, " title ");
        plot_quote(plot, title);
    }
}

static void draw_key(struct figure *fig, const struct names *names)
{
    static const int points[] = {7, 5, 9, 13}, dashes[] = {1, 2, 3, 4};
    struct plot_key keys[PLOT_MAX_LINES];
    size_t n = 0;
    for (size_t e = 0; e < names->engines.n && n < PLOT_MAX_LINES / 2; e++)
        keys[n++] = (struct plot_key){names->engines.v[e], plot_colours[e % 5], KEY_LINE, 0, 1, 4};
    for (size_t f = 0; f < names->forms.n && n < PLOT_MAX_LINES && names->forms.n > 1; f++)
        keys[n++] = (struct plot_key){names->forms.v[f], "#444444", KEY_LINE, points[f % 4], dashes[f % 4],
                                      1.8};
    plot_key_draw(fig, keys, n);
}

static void draw_panel(struct figure *fig, const struct plot_rows *r, const struct names *names, size_t job,
                       int col)
{
    static const char *const what[] = {"latency (ms)", "energy (" MU "J)", "area (mm\xc2\xb2)"};
    const char *label = what[col - COL_TIME];
    struct text plot = {0}, *s = &fig->script;
    bool by_form = col != COL_AREA;
    for (size_t e = 0; e < names->engines.n; e++) {
        for (size_t f = 0; f < (by_form ? names->forms.n : 1); f++) {
            const char *form = by_form ? names->forms.v[f] : NULL;
            const char *title = arena_printf(&fig->arena, "%s %s", names->engines.v[e], form ? form : "");
            int block = line_block(fig, r, names->jobs.v[job], names->engines.v[e], form, col);
            add_line(fig, &plot, block, e, f, title);
        }
    }
    text_add(s, "set title ");
    plot_quote(s, arena_printf(&fig->arena, "%s%s", names->jobs.v[job], by_form ? "" : ": any form"));
    text_printf(s, "\nset ylabel '%s'\n%s\n", label,
                fig->is_text ? "set key outside right top Left reverse" : "");
    if (job == 0 && col == COL_TIME)
        draw_key(fig, names);
    plot_axis(fig, 'y', true);
    text_printf(s, "plot %s\n", plot.len ? plot.s : "NaN notitle");
    plot_key_end(fig);
    text_finish(&plot);
}

bool plot_array(struct rs_db *db, struct figure *fig, rs_err *err)
{
    struct names names = {.jobs = {0}};
    struct plot_rows r;
    if (!plot_load(db, sql, "no network has points with several array sizes", fig, &r, err))
        return false;
    plot_forms(fig, &r, COL_FORM, &names.forms);
    for (size_t i = 0; i < r.n; i++) {
        plot_name(fig, &names.jobs, plot_cell(&r, i, COL_JOB));
        plot_name(fig, &names.engines, plot_cell(&r, i, COL_ENGINE));
    }
    struct plot_grid grid = {.rows = (unsigned)names.jobs.n, .cols = 3, .panel_w = 330, .panel_h = 270,
                             .left = 80, .right = 25, .top = 75, .bottom = 95, .gap_x = 85, .gap_y = 95,
                             .title = "Latency, energy and area over the size of the PE array (best of each "
                                      "size)"};
    plot_grid_begin(fig, &grid);
    text_add(&fig->script, "set logscale x 2\nset xtics 1,2\nset xlabel 'peak MAC per cycle'\n");
    for (size_t job = 0; job < names.jobs.n; job++) {
        for (int col = COL_TIME; col <= COL_AREA; col++)
            draw_panel(fig, &r, &names, job, col);
    }
    return true;
}
