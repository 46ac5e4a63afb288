/* Bits per byte above floating point over energy: what narrower numbers save and cost. */
#include "results/plot.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { COL_JOB, COL_FORM, COL_ENERGY, COL_MORE, COL_STATE, COL_WIDTHS };

static const char sql[] =
    "WITH w AS (SELECT key, max(CASE setting WHEN 'work.quant.weights' THEN value END) AS weights,"
    " max(CASE setting WHEN 'work.quant.activations' THEN value END) AS activations,"
    " max(CASE setting WHEN 'arch.retention.state_bits' THEN value END) AS state_bits"
    " FROM v_setting GROUP BY key)"
    " SELECT p.work || ' ' || coalesce(p.phase, '') || coalesce(' ' || p.seq, '') || CASE WHEN"
    " (SELECT count(DISTINCT q.network) FROM point q WHERE q.work = p.work) > 1"
    " THEN coalesce(' ' || substr(p.network, 1, 6), '') ELSE '' END AS job,"
    " coalesce(p.form, '') AS form, p.nj_per_token,"
    " max(p.bits_per_byte - p.float_bits_per_byte, 0.001) AS bits_above_float, w.state_bits,"
    " 'W' || w.weights || 'A' || w.activations AS widths, p.bits_per_byte,"
    " p.float_bits_per_byte, p.sqnr_db, p.cycles, p.area_mm2, p.energy_rel_err"
    " FROM v_points p JOIN w ON w.key = p.key WHERE p.bits_per_byte IS NOT NULL"
    " ORDER BY job, p.form, w.state_bits, p.nj_per_token, p.bits_per_byte, p.key";

static bool is_of(const struct plot_rows *r, size_t i, const char *job, const char *form, const char *state)
{
    return !strcmp(plot_cell(r, i, COL_JOB), job) && !strcmp(plot_cell(r, i, COL_FORM), form) &&
           !strcmp(plot_cell(r, i, COL_STATE), state);
}

static int series(struct figure *fig, const struct plot_rows *r, const char *job, const char *form,
                  const char *state)
{
    size_t n = 0;
    double (*xy)[2] = arena_alloc(&fig->arena, sizeof *xy * r->n);
    for (size_t i = 0; i < r->n; i++)
        if (is_of(r, i, job, form, state)) {
            xy[n][0] = plot_num(r, i, COL_ENERGY);
            xy[n++][1] = plot_num(r, i, COL_MORE);
        }
    return plot_block(fig, (const double(*)[2])xy, n);
}

enum { PANEL_H = 320, POINT_PX = 10, LABEL_W_PX = 40, LABEL_H_PX = 12, MAX_SPOTS = 256 };

/* What is drawn already, in pixels from the panel's lower left corner: middle and size. */
struct spots {
    struct spot {
        double x, y, w, h;
    } v[MAX_SPOTS];
    size_t n;
};

static void add_spot(struct spots *s, struct spot spot)
{
    if (s->n < MAX_SPOTS)
        s->v[s->n++] = spot;
}

/* As plot_axis lays an axis out. */
static double pixel(const struct figure *fig, int k, double v, double size)
{
    double lo = fig->lo[k], hi = fig->hi[k], room = (hi - lo) * 0.1 + hi * 0.01;
    if (lo > 0 && hi / lo >= 10) {
        v = log10(v);
        lo = floor(log10(lo));
        hi = ceil(log10(hi));
        room = 0;
    }
    return (v - lo + room) / (hi - lo + 2 * room) * size;
}

/* What a label would lie on, the panel's edges among it. */
static unsigned covered(const struct spots *s, struct spot label, double width)
{
    unsigned n = (label.x < label.w / 2) + (label.x > width - label.w / 2) + (label.y < label.h / 2) +
                 (label.y > PANEL_H - label.h / 2);
    for (size_t i = 0; i < s->n; i++)
        n += fabs(s->v[i].x - label.x) < (s->v[i].w + label.w) / 2 &&
             fabs(s->v[i].y - label.y) < (s->v[i].h + label.h) / 2;
    return n;
}

/* Beside the point at `of` where the least is covered: above it, right, left or below. */
static const char *place_label(struct spots *s, struct spot of, double width)
{
    static const struct {
        double x, y;
        const char *words;
    } places[] = {{0, 1, "center offset 0,1"}, {1, 0, "left offset 1.2,0"},
                  {-1, 0, "right offset -1.2,0"}, {0, -1, "center offset 0,-1"}};
    unsigned least = UINT_MAX, best = 0;
    struct spot taken = of;
    for (unsigned i = 0; i < 4; i++) {
        struct spot label = {of.x + places[i].x * (LABEL_W_PX / 2 + POINT_PX), of.y + places[i].y * 15,
                             LABEL_W_PX, LABEL_H_PX};
        unsigned n = covered(s, label, width);
        if (n >= least)
            continue;
        least = n;
        best = i;
        taken = label;
    }
    add_spot(s, taken);
    return places[best].words;
}

/* The row of a job's point of least energy among those with the widths of row i. */
static size_t least_energy(const struct plot_rows *r, const char *job, size_t i)
{
    size_t best = i;
    for (size_t k = 0; k < r->n; k++)
        if (!strcmp(plot_cell(r, k, COL_JOB), job) &&
            !strcmp(plot_cell(r, k, COL_WIDTHS), plot_cell(r, i, COL_WIDTHS)) &&
            plot_num(r, k, COL_ENERGY) < plot_num(r, best, COL_ENERGY))
            best = k;
    return best;
}

static struct spot spot_of(const struct figure *fig, const struct plot_rows *r, size_t i)
{
    return (struct spot){pixel(fig, 0, plot_num(r, i, COL_ENERGY), fig->panel_w),
                         pixel(fig, 1, plot_num(r, i, COL_MORE), PANEL_H), POINT_PX, POINT_PX};
}

/* Widths as text, once a set of widths: beside the point of least energy. */
static void widths(struct figure *fig, const struct plot_rows *r, const char *job, unsigned first_tag)
{
    struct plot_names seen = {0};
    struct spots spots = {.n = 0};
    for (int label = 0; label < 2; label++) /* points first */
        for (size_t i = 0; i < r->n; i++) {
            size_t known = seen.n, at = i;
            if (strcmp(plot_cell(r, i, COL_JOB), job))
                continue;
            if (!label)
                add_spot(&spots, spot_of(fig, r, i));
            else if (plot_name(fig, &seen, plot_cell(r, i, COL_WIDTHS)) == known) {
                at = least_energy(r, job, i);
                text_printf(&fig->script, "set label %u ", first_tag + (unsigned)known);
                plot_quote(&fig->script, plot_cell(r, i, COL_WIDTHS));
                const char *beside = place_label(&spots, spot_of(fig, r, at), fig->panel_w);
                text_printf(&fig->script, " at first %.9g,%.9g %s font ',9'\n", plot_num(r, at, COL_ENERGY),
                            plot_num(r, at, COL_MORE), beside);
            }
        }
}

struct lines { /* what a panel may show */
    struct plot_names forms, states;
};

static void draw_key(struct figure *fig, const struct lines *l)
{
    struct plot_key keys[PLOT_MAX_LINES];
    size_t n = 0;
    for (size_t f = 0; f < l->forms.n && n < PLOT_MAX_LINES - 4; f++) {
        struct plot_style s = plot_form_style(l->forms.v[f]);
        keys[n++] = (struct plot_key){l->forms.v[f], s.colour, KEY_POINT, s.point, 0, 0};
    }
    if (l->states.n > 1)
        keys[n++] = (struct plot_key){"hollow: 32-bit state", "#000000", KEY_NOTE, 0, 0, 0};
    plot_key_draw(fig, keys, n);
}

static void draw_panel(struct figure *fig, const struct plot_rows *r, const struct lines *l,
                       const char *job, bool first)
{
    struct text plot = {0}, *s = &fig->script;
    for (size_t f = 0; f < l->forms.n; f++)
        for (size_t k = 0; k < l->states.n; k++) {
            struct plot_style style = plot_form_style(l->forms.v[f]);
            int block = series(fig, r, job, l->forms.v[f], l->states.v[k]);
            if (block < 0)
                continue;
            bool wide = !strcmp(l->states.v[k], "32") && l->states.n > 1;
            text_printf(&plot, "%s$d%d using 1:2 with points lc rgb '%s' lw 1.6 pt %d ps %g",
                        plot.len ? ", " : "", block, style.colour, style.point - wide, style.size + 0.2);
            if (fig->is_text)
                text_printf(&plot, " title '%s %s'", l->forms.v[f], l->states.v[k]);
        }
    text_add(s, "set title ");
    plot_quote(s, job);
    text_add(s, fig->is_text ? "\nset key outside right top Left reverse\n" : "\n");
    if (first)
        draw_key(fig, l);
    if (!fig->is_text)
        widths(fig, r, job, 3000);
    text_add(s, "set xlabel 'energy per token (nJ)'\nset ylabel 'bits per byte above floating point'\n");
    plot_axis(fig, 'x', false);
    plot_axis(fig, 'y', false);
    text_printf(s, "plot %s\n", plot.s);
    plot_key_end(fig);
    text_finish(&plot);
}

bool plot_quality(struct rs_db *db, struct figure *fig, rs_err *err)
{
    struct plot_names jobs = {0};
    struct lines l = {0};
    struct plot_rows r;
    if (!plot_load(db, sql, "no point has bits per byte; a sweep file asks for them with `quality: true`",
                   fig, &r, err))
        return false;
    plot_forms(fig, &r, COL_FORM, &l.forms);
    for (size_t i = 0; i < r.n; i++) {
        plot_name(fig, &jobs, plot_cell(&r, i, COL_JOB));
        plot_name(fig, &l.states, plot_cell(&r, i, COL_STATE));
    }
    if (jobs.n > PLOT_MAX_PANELS)
        jobs.n = PLOT_MAX_PANELS;
    unsigned cols = jobs.n > 4 ? 3 : jobs.n > 1 ? 2 : 1, rows = ((unsigned)jobs.n + cols - 1) / cols;
    struct plot_grid grid = {.rows = rows, .cols = cols, .panel_w = cols == 1 ? 620 : 420, .panel_h = PANEL_H,
                             .left = 80, .right = 25, .top = 75, .bottom = 110, .gap_x = 85, .gap_y = 95,
                             .title = "Quality over energy, by widths of weights and activations"};
    plot_grid_begin(fig, &grid);
    for (size_t j = 0; j < jobs.n; j++)
        draw_panel(fig, &r, &l, jobs.v[j], j == 0);
    return true;
}
