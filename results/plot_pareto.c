/* Energy over latency: all points of a job, its front joined by steps. */
#include "results/plot.h"

#include <math.h>
#include <string.h>

enum { COL_JOB, COL_FORM, COL_TIME, COL_ENERGY, COL_REL_ERR, COL_OVER };

/* For each network and phase the sequence length with most points; not those that have but a few beside
 * the fullest one. Ordered so that a front is found in one pass: by latency, then energy. */
static const char sql[] =
    "WITH p AS (SELECT *, work || ' ' || coalesce(phase, '') || coalesce(' ' || seq, '') AS job"
    "  FROM v_points),"
    " jobs AS (SELECT job, work, phase, count(*) AS n, row_number() OVER (PARTITION BY work, phase"
    "  ORDER BY count(*) DESC, seq DESC) AS place, min(macs / max(tokens, 1)) AS net_size"
    "  FROM p GROUP BY job),"
    " shown AS (SELECT * FROM jobs WHERE place = 1 AND n > 1 AND n * 10 >= (SELECT max(n) FROM jobs)"
    "  ORDER BY n DESC, phase DESC, job LIMIT 6)"
    " SELECT p.job, coalesce(p.form, '') AS form, us_per_token / 1e6 AS s_per_token,"
    " nj_per_token / 1e9 AS j_per_token, coalesce(energy_rel_err, 0) AS energy_rel_err,"
    " CASE WHEN soc_hz > fmax_hz THEN 1 ELSE 0 END AS clock_above_limit, array, dataflow,"
    " chunk,"
    " area_mm2 FROM p JOIN shown s ON s.job = p.job"
    " ORDER BY s.phase DESC, s.net_size, p.job, us_per_token, nj_per_token, key";

/* Units of the axes of one panel. */
struct scale {
    double time, energy; /* factors from s and J */
    const char *time_unit, *energy_unit;
};

static double prefix_of(double most, const char **name)
{
    static const char *const names[] = {"", "m", MU, "n", "p", "f"};
    double factor = 1;
    size_t i = 0;
    for (; most > 0 && most * factor < 1 && i < 5; i++)
        factor *= 1e3;
    *name = names[i];
    return factor;
}

static struct scale scale_of(const struct plot_rows *r, const char *job)
{
    struct scale s = {1, 1, "", ""};
    double time = 0, energy = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(plot_cell(r, i, COL_JOB), job))
            continue;
        time = fmax(time, plot_num(r, i, COL_TIME));
        energy = fmax(energy, plot_num(r, i, COL_ENERGY));
    }
    s.time = prefix_of(time, &s.time_unit);
    s.energy = prefix_of(energy, &s.energy_unit);
    return s;
}

static int form_block(struct figure *fig, const struct plot_rows *r, const char *job, const char *form,
                      const struct scale *k)
{
    size_t n = 0;
    double (*xy)[2] = arena_alloc(&fig->arena, sizeof *xy * r->n);
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(plot_cell(r, i, COL_JOB), job) || strcmp(plot_cell(r, i, COL_FORM), form))
            continue;
        xy[n][0] = plot_num(r, i, COL_TIME) * k->time;
        xy[n++][1] = plot_num(r, i, COL_ENERGY) * k->energy;
    }
    return plot_block(fig, (const double(*)[2])xy, n);
}

/* Points of the front and, of them, those whose lower energy than that of the
 * next faster one is inside the error bars. Rows are ordered by time. */
static int front_block(struct figure *fig, const struct plot_rows *r, const char *job,
                       const struct scale *k, int *ties)
{
    size_t n = 0, n_ties = 0;
    double (*xy)[2] = arena_alloc(&fig->arena, sizeof *xy * r->n);
    double (*tie)[2] = arena_alloc(&fig->arena, sizeof *tie * r->n), sigma = 0;
    for (size_t i = 0; i < r->n; i++) {
        double energy = plot_num(r, i, COL_ENERGY) * k->energy;
        if (strcmp(plot_cell(r, i, COL_JOB), job) || (n && energy >= xy[n - 1][1]))
            continue;
        double own = energy * plot_num(r, i, COL_REL_ERR);
        xy[n][0] = plot_num(r, i, COL_TIME) * k->time;
        xy[n][1] = energy;
        if (n && xy[n - 1][1] - energy <= hypot(own, sigma))
            memcpy(tie[n_ties++], xy[n], sizeof *tie);
        sigma = own;
        n++;
    }
    int block = plot_block(fig, (const double(*)[2])xy, n);
    *ties = plot_block(fig, (const double(*)[2])tie, n_ties);
    return block;
}

/* Error bars of the energy of a job's front. Those of all points would hide it. */
static int error_block(struct figure *fig, const struct plot_rows *r, const char *job, const struct scale *k)
{
    double least = INFINITY;
    text_printf(&fig->script, "$d%u << EOD\n", fig->n_blocks);
    for (size_t i = 0; i < r->n; i++) {
        double e = plot_num(r, i, COL_ENERGY) * k->energy;
        double sigma = e * plot_num(r, i, COL_REL_ERR);
        if (strcmp(plot_cell(r, i, COL_JOB), job) != 0 || e >= least)
            continue;
        least = e;
        text_printf(&fig->script, "%.9g %.9g %.9g\n", plot_num(r, i, COL_TIME) * k->time, e, sigma);
        fig->lo[1] = fmin(fig->lo[1], e - sigma);
        fig->hi[1] = fmax(fig->hi[1], e + sigma);
    }
    text_add(&fig->script, "EOD\n");
    return (int)fig->n_blocks++;
}

/* Points whose clock is above what their longest path is estimated to allow; -1: none. */
static int over_block(struct figure *fig, const struct plot_rows *r, const char *job, const struct scale *k)
{
    size_t n = 0;
    double (*xy)[2] = arena_alloc(&fig->arena, sizeof *xy * r->n);
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(plot_cell(r, i, COL_JOB), job) || plot_num(r, i, COL_OVER) <= 0)
            continue;
        xy[n][0] = plot_num(r, i, COL_TIME) * k->time;
        xy[n++][1] = plot_num(r, i, COL_ENERGY) * k->energy;
    }
    return plot_block(fig, (const double(*)[2])xy, n);
}

static const char tie_colour[] = "#AA3377", over_colour[] = "#CC3311";

static void draw_key(struct figure *fig, const struct plot_names *forms)
{
    struct plot_key keys[PLOT_MAX_LINES];
    size_t n = 0;
    for (size_t f = 0; f < forms->n && n < PLOT_MAX_LINES - 3; f++) {
        struct plot_style s = plot_form_style(forms->v[f]);
        const char *name = forms->v[f][0] ? forms->v[f] : "point";
        keys[n++] = (struct plot_key){name, s.colour, KEY_POINT, s.point, 0, 0};
    }
    keys[n++] = (struct plot_key){"Pareto front", "#000000", KEY_LINE, 6, 1, 1.2};
    keys[n++] = (struct plot_key){"clock above its estimated limit", over_colour, KEY_POINT, 2, 0, 0};
    keys[n++] = (struct plot_key){"tie: less energy only inside the error bars", tie_colour, KEY_POINT, 4, 0,
                                  0};
    plot_key_draw(fig, keys, n);
}

static void draw_panel(struct figure *fig, const struct plot_rows *r, const struct plot_names *forms,
                       const char *job, bool first)
{
    struct text plot = {0}, *s = &fig->script;
    struct scale k = scale_of(r, job);
    int ties, front = front_block(fig, r, job, &k, &ties), over = over_block(fig, r, job, &k);
    int bars = fig->is_text ? -1 : error_block(fig, r, job, &k);
    text_printf(&plot, "$d%d using 1:2 with steps lc rgb '#000000' lw 1.2%s", front,
                fig->is_text ? " title 'front'" : "");
    if (bars >= 0)
        text_printf(&plot, ", $d%d using 1:2:3 with yerrorbars lc rgb '#888888' lw 0.8 pt 0 ps 0", bars);
    for (size_t f = 0; f < forms->n; f++) {
        struct plot_style style = plot_form_style(forms->v[f]);
        int block = form_block(fig, r, job, forms->v[f], &k);
        if (block < 0)
            continue;
        text_printf(&plot, ", $d%d using 1:2 with points lc rgb '%s' pt %d ps 0.9", block, style.colour,
                    style.point);
        if (fig->is_text)
            text_printf(&plot, " title '%s'", forms->v[f]);
    }
    text_printf(&plot, ", $d%d using 1:2 with points lc rgb '#000000' pt 6 ps 1.5%s", front,
                fig->is_text ? " notitle" : "");
    if (ties >= 0)
        text_printf(&plot, ", $d%d using 1:2 with points lc rgb '%s' pt 4 ps 2.2%s", ties, tie_colour,
                    fig->is_text ? " title 'tie'" : "");
    if (over >= 0)
        text_printf(&plot, ", $d%d using 1:2 with points lc rgb '%s' pt 2 ps 1.4%s", over, over_colour,
                    fig->is_text ? " title 'clock above its limit'" : "");
    text_add(s, "set title ");
    plot_quote(s, job);
    text_add(s, fig->is_text ? "\nset key outside right top Left reverse\n" : "\n");
    if (first)
        draw_key(fig, forms);
    text_printf(s, "set xlabel 'latency per token (%ss)'\n"
                "set ylabel 'energy per token, on-chip + off-chip + idle (%sJ)'\n", k.time_unit,
                k.energy_unit);
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
    plot_forms(fig, &r, COL_FORM, &forms);
    for (size_t i = 0; i < r.n; i++)
        plot_name(fig, &jobs, plot_cell(&r, i, COL_JOB));
    unsigned cols = jobs.n > 4 ? 3 : jobs.n > 1 ? 2 : 1, rows = ((unsigned)jobs.n + cols - 1) / cols;
    struct plot_grid grid = {.rows = rows, .cols = cols, .panel_w = cols == 1 ? 620 : 380, .panel_h = 300,
                             .left = 80, .right = 25, .top = 75, .bottom = 110, .gap_x = 85, .gap_y = 95,
                             .title = "Energy over latency, with the standard error of the front"};
    plot_grid_begin(fig, &grid);
    for (size_t j = 0; j < jobs.n; j++)
        draw_panel(fig, &r, &forms, jobs.v[j], j == 0);
    return true;
}
