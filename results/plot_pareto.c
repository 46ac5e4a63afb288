/* Energy over latency: all points of a job, its front joined by steps. */
#include "results/plot.h"

#include <string.h>

enum { COL_JOB, COL_FORM, COL_TIME, COL_ENERGY };

/* For each network and phase the sequence length with most points. Ordered so
 * that a front is found in one pass: by latency, then energy. */
static const char sql[] =
    "WITH p AS (SELECT *, work || ' ' || coalesce(phase, '') || coalesce(' ' || seq, '') AS job"
    "  FROM v_points),"
    " jobs AS (SELECT job, work, phase, count(*) AS n, row_number() OVER (PARTITION BY work, phase"
    "  ORDER BY count(*) DESC, seq DESC) AS place, min(macs / max(tokens, 1)) AS net_size"
    "  FROM p GROUP BY job),"
    " shown AS (SELECT * FROM jobs WHERE place = 1 AND n > 1 ORDER BY n DESC, phase DESC, job LIMIT 6)"
    " SELECT p.job, coalesce(p.form, '') AS form, us_per_token / 1e3 AS ms_per_token,"
    " nj_per_token / 1e3 AS uj_per_token, array, dataflow, chunk,"
    " area_mm2 FROM p JOIN shown s ON s.job = p.job"
    " ORDER BY s.phase DESC, s.net_size, p.job, us_per_token, nj_per_token, key";

static int form_block(struct figure *fig, const struct plot_rows *r, const char *job, const char *form)
{
    size_t n = 0;
    double (*xy)[2] = arena_alloc(&fig->arena, sizeof *xy * r->n);
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(plot_cell(r, i, COL_JOB), job) || strcmp(plot_cell(r, i, COL_FORM), form))
            continue;
        xy[n][0] = plot_num(r, i, COL_TIME);
        xy[n++][1] = plot_num(r, i, COL_ENERGY);
    }
    return plot_block(fig, (const double(*)[2])xy, n);
}

static int front_block(struct figure *fig, const struct plot_rows *r, const char *job)
{
    size_t n = 0;
    double (*xy)[2] = arena_alloc(&fig->arena, sizeof *xy * r->n);
    for (size_t i = 0; i < r->n; i++) {
        double energy = plot_num(r, i, COL_ENERGY);
        if (strcmp(plot_cell(r, i, COL_JOB), job) || (n && energy >= xy[n - 1][1]))
            continue;
        xy[n][0] = plot_num(r, i, COL_TIME);
        xy[n++][1] = energy;
    }
    return plot_block(fig, (const double(*)[2])xy, n);
}

static void draw_key(struct figure *fig, const struct plot_names *forms)
{
    struct plot_key keys[PLOT_MAX_LINES];
    size_t n = 0;
    for (size_t f = 0; f < forms->n && n < PLOT_MAX_LINES - 1; f++) {
        struct plot_style s = plot_form_style(forms->v[f]);
        const char *name = forms->v[f][0] ? forms->v[f] : "point";
        keys[n++] = (struct plot_key){name, s.colour, KEY_POINT, s.point, 0, 0};
    }
    keys[n++] = (struct plot_key){"Pareto front", "#000000", KEY_LINE, 6, 1, 1.2};
    plot_key_draw(fig, keys, n);
}

static void draw_panel(struct figure *fig, const struct plot_rows *r, const struct plot_names *forms,
                       const char *job, bool first)
{
    struct text plot = {0}, *s = &fig->script;
    int front = front_block(fig, r, job);
    text_printf(&plot, "$d%d using 1:2 with steps lc rgb '#000000' lw 1.2%s", front,
                fig->is_text ? " title 'front'" : "");
    for (size_t f = 0; f < forms->n; f++) {
        struct plot_style style = plot_form_style(forms->v[f]);
        int block = form_block(fig, r, job, forms->v[f]);
        if (block < 0)
            continue;
        text_printf(&plot, ", $d%d using 1:2 with points lc rgb '%s' pt %d ps 0.9", block, style.colour,
                    style.point);
        if (fig->is_text)
            text_printf(&plot, " title '%s'", forms->v[f]);
    }
    text_printf(&plot, ", $d%d using 1:2 with points lc rgb '#000000' pt 6 ps 1.5%s", front,
                fig->is_text ? " notitle" : "");
    text_add(s, "set title ");
    plot_quote(s, job);
    text_add(s, fig->is_text ? "\nset key outside right top Left reverse\n" : "\n");
    if (first)
        draw_key(fig, forms);
    plot_axis(fig, 'x', false);
    plot_axis(fig, 'y', false);
    text_printf(s, "plot %s\n", plot.s);
    plot_key_end(fig);
    text_finish(&plot);
}

bool plot_pareto(struct rs_db *db, struct figure *fig, rs_err *err)
{
    struct plot_names jobs = {0}, forms = {0};
    struct plot_rows r;
    if (!plot_load(db, sql, "no network has more than one point", fig, &r, err))
        return false;
    for (size_t i = 0; i < r.n; i++) {
        plot_name(fig, &jobs, plot_cell(&r, i, COL_JOB));
        plot_name(fig, &forms, plot_cell(&r, i, COL_FORM));
    }
    unsigned cols = jobs.n > 4 ? 3 : jobs.n > 1 ? 2 : 1, rows = ((unsigned)jobs.n + cols - 1) / cols;
    struct plot_grid grid = {.rows = rows, .cols = cols, .panel_w = cols == 1 ? 620 : 380, .panel_h = 300,
                             .left = 80, .right = 25, .top = 75, .bottom = 95, .gap_x = 85, .gap_y = 95,
                             .title = "Energy over latency"};
    plot_grid_begin(fig, &grid);
    text_add(&fig->script, "set xlabel 'latency per token (ms)'\nset ylabel 'energy per token (" MU "J)'\n");
    for (size_t j = 0; j < jobs.n; j++)
        draw_panel(fig, &r, &forms, jobs.v[j], j == 0);
    return true;
}
