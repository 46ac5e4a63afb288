/* Stacked bars: what the cycles, the area and the energy of each point are made
 * of. One SQL shape for all three; in a terminal the bars are text. */
#include "results/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COL_PANEL, COL_GROUP, COL_BAR, COL_LABEL, COL_TOTAL, COL_SEGMENT, COL_VALUE, MAX_SEGMENTS = 12 };

struct stack_plot {
    const char *title, *sql, *hint, *x_label, *y_label;
    double scale;     /* of values and totals */
    const char *unit; /* behind a total in a label */
    bool share;       /* bars are percentages; the total goes into the label */
};
struct bar {
    const char *panel, *group, *label;
    double total, x, v[MAX_SEGMENTS];
};
struct bars {
    size_t n;
    struct bar *v;
    struct plot_names panels, segments;
    bool other; /* the last segment gathers what has no colour of its own */
};

/* Segments beyond the palette, the smallest ones, become "other". */
static void name_segments(struct figure *fig, const struct plot_rows *r, struct bars *b)
{
    struct plot_names all = {0};
    for (size_t i = 0; i < r->n; i++)
        plot_name(fig, &all, plot_cell(r, i, COL_SEGMENT));
    double *sum = ARENA_NEW(&fig->arena, double, all.n);
    for (size_t i = 0; i < r->n; i++)
        sum[plot_name(fig, &all, plot_cell(r, i, COL_SEGMENT))] +=
            plot_num(r, i, COL_VALUE) / fmax(plot_num(r, i, COL_TOTAL), 1e-30);
    for (size_t i = 0; i < all.n; i++) {
        size_t larger = 0;
        for (size_t k = 0; k < all.n; k++)
            larger += sum[k] > sum[i] || (sum[k] == sum[i] && k < i);
        if (sum[i] > 0 && (all.n <= MAX_SEGMENTS || larger < MAX_SEGMENTS - 1))
            plot_name(fig, &b->segments, all.v[i]);
    }
    b->other = all.n > MAX_SEGMENTS;
    if (b->other)
        plot_name(fig, &b->segments, "other");
}

static size_t segment_of(const struct bars *b, const char *name)
{
    size_t i = 0;
    while (i < b->segments.n && strcmp(b->segments.v[i], name))
        i++;
    return i < b->segments.n ? i : b->segments.n - 1;
}

/* Rows of one bar follow each other. Groups are set apart by a gap. */
static void collect(struct figure *fig, const struct stack_plot *sp, const struct plot_rows *r,
                    struct bars *b)
{
    const char *last = NULL;
    double x = 0;
    name_segments(fig, r, b);
    b->v = ARENA_NEW(&fig->arena, struct bar, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const char *id = arena_printf(&fig->arena, "%s|%s|%s", plot_cell(r, i, COL_PANEL),
                                      plot_cell(r, i, COL_GROUP), plot_cell(r, i, COL_BAR));
        struct bar *bar = b->n ? &b->v[b->n - 1] : NULL;
        if (!last || strcmp(last, id)) {
            bool same_panel = bar && !strcmp(bar->panel, plot_cell(r, i, COL_PANEL));
            bool same_group = same_panel && !strcmp(bar->group, plot_cell(r, i, COL_GROUP));
            x = !same_panel ? 0 : same_group ? x + 1 : x + 2;
            bar = &b->v[b->n++];
            *bar = (struct bar){.panel = plot_cell(r, i, COL_PANEL), .group = plot_cell(r, i, COL_GROUP),
                                .label = plot_cell(r, i, COL_LABEL), .x = x,
                                .total = plot_num(r, i, COL_TOTAL) * sp->scale};
            plot_name(fig, &b->panels, bar->panel);
        }
        if (plot_num(r, i, COL_VALUE) > 0)
            bar->v[segment_of(b, plot_cell(r, i, COL_SEGMENT))] += plot_num(r, i, COL_VALUE) * sp->scale;
        last = id;
    }
}

/* 585 uJ, 3.00 J, 1.05 M: the prefix belongs to the unit. */
static const char *with_unit(double v, const char *unit, char *buf, size_t size)
{
    char si[32];
    text_si(v, si, sizeof si);
    bool prefix = si[0] && strchr(si, ' ');
    snprintf(buf, size, "%s%s%s", si, *unit && !prefix ? " " : "", unit);
    return buf;
}

static const char *bar_label(struct figure *fig, const struct stack_plot *sp, const struct bar *bar)
{
    char si[48];
    if (!sp->share)
        return bar->label;
    return arena_printf(&fig->arena, "%s: %s", bar->label, with_unit(bar->total, sp->unit, si, sizeof si));
}

/* Boxes of one panel as `x x0 x1 y0 y1 colour`. Returns the block's number. */
static unsigned box_block(struct figure *fig, const struct stack_plot *sp, const struct bars *b,
                          const char *panel)
{
    text_printf(&fig->script, "$d%u << EOD\n", fig->n_blocks);
    for (size_t i = 0; i < b->n; i++) {
        const struct bar *bar = &b->v[i];
        double y = 0, per = sp->share && bar->total > 0 ? 100 / bar->total : 1;
        for (size_t k = 0; k < b->segments.n && !strcmp(bar->panel, panel); k++) {
            if (bar->v[k] > 0)
                text_printf(&fig->script, "%g %g %g %.7g %.7g 0x%s\n", bar->x, bar->x - 0.42, bar->x + 0.42,
                            y, y + bar->v[k] * per, plot_colours[k] + 1);
            y += bar->v[k] * per;
        }
    }
    text_add(&fig->script, "EOD\n");
    return fig->n_blocks++;
}

static double add_tics(struct figure *fig, const struct stack_plot *sp, const struct bars *b,
                       const char *panel)
{
    struct text *s = &fig->script;
    double end = 0;
    bool first = true;
    text_add(s, "set xtics rotate by 90 right font ',9' scale 0 (");
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->v[i].panel, panel))
            continue;
        text_add(s, first ? "" : ", ");
        plot_quote(s, bar_label(fig, sp, &b->v[i]));
        text_printf(s, " %g", b->v[i].x);
        end = b->v[i].x;
        first = false;
    }
    text_add(s, ")\n");
    return end;
}

/* The name of each group above its bars. */
static void add_groups(struct figure *fig, const struct bars *b, const char *panel)
{
    for (size_t i = 0, tag = 1; i < b->n; i++) {
        const struct bar *bar = &b->v[i];
        size_t last = i;
        while (last + 1 < b->n && !strcmp(b->v[last + 1].panel, bar->panel) &&
               !strcmp(b->v[last + 1].group, bar->group))
            last++;
        if (!strcmp(bar->panel, panel) && bar->group[0]) {
            text_printf(&fig->script, "set label %zu ", tag++);
            plot_quote(&fig->script, bar->group);
            text_printf(&fig->script, " at first %g, graph 1.035 center font ',10'\n",
                        (bar->x + b->v[last].x) / 2);
        }
        i = last;
    }
}

static void draw_key(struct figure *fig, const struct bars *b)
{
    struct plot_key keys[MAX_SEGMENTS];
    for (size_t k = 0; k < b->segments.n; k++)
        keys[k] = (struct plot_key){b->segments.v[k], plot_colours[k], KEY_BOX, 0, 0, 0};
    plot_key_draw(fig, keys, b->segments.n);
}

static void draw_panel(struct figure *fig, const struct stack_plot *sp, const struct bars *b,
                       const char *panel, bool first)
{
    struct text *s = &fig->script;
    unsigned block = box_block(fig, sp, b, panel);
    text_add(s, "set title ");
    plot_quote(s, panel);
    text_add(s, " offset 0,1\n");
    double end = add_tics(fig, sp, b, panel);
    add_groups(fig, b, panel);
    /* A few bars stay as slim as many, in the middle. */
    double span = end + 1.6, least = fig->panel_w / 40.0, more = span < least ? (least - span) / 2 : 0;
    text_printf(s, "set xrange [%g:%g]\n", -0.8 - more, end + 0.8 + more);
    if (first)
        draw_key(fig, b);
    text_printf(s, "plot $d%u using 1:(0):2:3:4:5:6 with boxxyerror fs solid 1 border lc rgb '#ffffff' "
                "lw 0.5 fc rgb variable notitle\n", block);
    plot_key_end(fig);
}

/* Letters of the segments: the first one of the name that is still free. */
static void pick_letters(const struct bars *b, char *letters)
{
    static const char spare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (size_t k = 0; k < b->segments.n; k++) {
        struct text candidates = {0};
        text_printf(&candidates, "%s%s", b->segments.v[k], spare);
        for (const char *c = candidates.s; *c; c++) {
            char up = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
            if (!strchr(spare, up) || memchr(letters, up, k))
                continue;
            letters[k] = up;
            break;
        }
        text_finish(&candidates);
    }
}

static void text_bar(struct figure *fig, const struct stack_plot *sp, const struct bars *b,
                     const struct bar *bar, const char *letters, double full)
{
    enum { MAX_WIDTH = 160, BESIDE = 38 };
    char cells[MAX_WIDTH + 1], si[48];
    double y = 0;
    size_t at = 0, width = fig->columns - BESIDE;
    for (size_t k = 0; k < b->segments.n; k++) {
        y += bar->v[k];
        while (at < width && full > 0 && (double)at + 0.5 <= y / full * (double)width)
            cells[at++] = letters[k];
    }
    cells[at] = '\0';
    if (sp->share)
        with_unit(bar->total, sp->unit, si, sizeof si);
    else
        snprintf(si, sizeof si, "%.4g%s", bar->total, sp->unit);
    text_printf(&fig->drawn, "  %-12s %-8s |%-*s| %s\n", bar->group, bar->label, (int)width, cells, si);
}

static void draw_text(struct figure *fig, const struct stack_plot *sp, const struct bars *b)
{
    char letters[MAX_SEGMENTS] = {0};
    double max = 0;
    const char *panel = "";
    pick_letters(b, letters);
    text_printf(&fig->drawn, "%s: %s\n ", sp->title, sp->y_label);
    for (size_t k = 0; k < b->segments.n; k++)
        text_printf(&fig->drawn, " %c=%s", letters[k], b->segments.v[k]);
    text_add(&fig->drawn, "\n");
    for (size_t i = 0; i < b->n; i++)
        max = fmax(max, b->v[i].total);
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(panel, b->v[i].panel))
            text_printf(&fig->drawn, "\n%s\n", b->v[i].panel);
        panel = b->v[i].panel;
        text_bar(fig, sp, b, &b->v[i], letters, sp->share ? b->v[i].total : max);
    }
}

static bool draw(struct rs_db *db, const struct stack_plot *sp, struct figure *fig, rs_err *err)
{
    struct plot_rows r;
    struct bars b = {.n = 0};
    if (!plot_load(db, sp->sql, sp->hint, fig, &r, err))
        return false;
    collect(fig, sp, &r, &b);
    if (fig->is_text) {
        draw_text(fig, sp, &b);
        return true;
    }
    size_t widest = 0, panels = b.panels.n < PLOT_MAX_PANELS ? b.panels.n : PLOT_MAX_PANELS;
    for (size_t i = 0; i < b.n; i++)
        widest = (size_t)b.v[i].x + 1 > widest ? (size_t)b.v[i].x + 1 : widest;
    unsigned cols = panels > 1 && widest < 45 ? 2 : 1;
    unsigned wide = (unsigned)widest * 20, least = cols == 1 ? 640 : 460;
    struct plot_grid grid = {.rows = ((unsigned)panels + cols - 1) / cols, .cols = cols,
                             .panel_w = wide < least ? least : wide, .panel_h = 250, .left = 80, .right = 25,
                             .top = 95, .bottom = sp->share ? 200 : 145, .gap_x = 85,
                             .gap_y = sp->share ? 200 : 150, .title = sp->title};
    plot_grid_begin(fig, &grid);
    text_add(&fig->script, "set xlabel ");
    plot_quote(&fig->script, sp->x_label);
    text_add(&fig->script, "\nset ylabel ");
    plot_quote(&fig->script, sp->y_label);
    text_printf(&fig->script, "\nset yrange [0:%s]\nunset grid\n"
                              "set grid ytics lc rgb '#dddddd' lw 0.7 lt 1\n", sp->share ? "100" : "*");
    for (size_t p = 0; p < panels; p++)
        draw_panel(fig, sp, &b, b.panels.v[p], p == 0);
    return true;
}

/* One point a form and sequence length: of the architecture that has most of the lengths, then the
 * fastest. At most 12 panels; the CSV has all of them. */
#define BEST \
    "WITH best AS (SELECT *, min(macs / max(tokens, 1)) OVER (PARTITION BY work) AS net_size," \
    " CASE form WHEN 'parallel' THEN 0 WHEN 'recurrent' THEN 1 ELSE 2 END AS form_order" \
    " FROM (SELECT *, row_number() OVER (PARTITION BY work, phase, form, seq" \
    " ORDER BY lengths DESC, cycles, key, tech_hash) AS place FROM " PLOT_LENGTHS ") WHERE place = 1)"
/* The same for prices, of each technology and supply that there is. */
#define BEST_PRICED \
    "WITH best AS (SELECT *, min(macs / max(tokens, 1)) OVER (PARTITION BY work) AS net_size," \
    " CASE form WHEN 'parallel' THEN 0 WHEN 'recurrent' THEN 1 ELSE 2 END AS form_order," \
    " (SELECT count(DISTINCT tech) FROM v_points) AS techs," \
    " (SELECT count(DISTINCT tech || ' ' || voltage) FROM v_points) AS supplies" \
    " FROM (SELECT *, row_number() OVER (PARTITION BY work, phase, form, seq, tech, voltage" \
    " ORDER BY lengths DESC, time_ms, energy_fj, key, tech_hash) AS place FROM " PLOT_LENGTHS \
    ") WHERE place = 1)"
#define PRICED_PANEL "b.work || coalesce(': ' || b.phase, '') || CASE WHEN b.techs > 1 THEN ', ' || b.tech" \
    " ELSE '' END || CASE WHEN b.supplies > b.techs THEN printf(', %g V', b.voltage) ELSE '' END AS panel," \
    " coalesce(b.form, '') AS form, b.id AS bar,"
#define PRICED_ORDER " ORDER BY b.net_size, b.work, b.phase DESC, b.tech, b.voltage, b.form_order, b.form," \
    " b.seq, b.key"
#define PANEL "b.work || coalesce(': ' || b.phase, '') AS panel, coalesce(b.form, '') AS form, b.id AS bar,"
#define BEST_ORDER " ORDER BY b.net_size, b.work, b.phase DESC, b.form_order, b.form, b.seq, b.key, s.ord"

bool plot_breakdown(struct rs_db *db, struct figure *fig, rs_err *err)
{
    static const struct stack_plot sp = {
        "Where the cycles go (fastest point of each form and length)",
        BEST " SELECT " PANEL " coalesce(b.seq, b.array) AS label, b.cycles AS total_cycles, s.cause,"
        " s.cycles FROM best b JOIN breakdown s ON s.key = b.key" BEST_ORDER,
        "no stored point has a breakdown (bounds have none)", "sequence length: cycles",
        "share of cycles (%)", 1, "", true};
    return draw(db, &sp, fig, err);
}

/* Off-chip and idle energy stay apart from a component's own work. */
#define KIND_OF \
    "CASE s.kind WHEN 'onchip' THEN s.component WHEN 'idle' THEN 'idle'" \
    " WHEN 'offchip' THEN CASE WHEN s.bound = 'upper' THEN 'off-chip (upper bound)' ELSE 'off-chip' END END"

bool plot_energy_breakdown(struct rs_db *db, struct figure *fig, rs_err *err)
{
    static const struct stack_plot sp = {
        "Energy of the fastest point of each form and length",
        BEST_PRICED " SELECT " PRICED_PANEL " coalesce(b.seq, b.array) AS label, b.energy_fj AS total_fj, "
        KIND_OF
        " AS part, sum(s.energy_fj) AS energy_fj FROM best b JOIN action s ON s.key = b.key"
        " AND s.tech_hash = b.tech_hash GROUP BY b.key, b.tech_hash, part" PRICED_ORDER
        ", s.kind = 'idle', s.kind = 'offchip', min(s.ord)",
        "no stored point has priced components", "sequence length: energy", "share of energy (%)", 1e-15,
        "J", true};
    return draw(db, &sp, fig, err);
}

/* Milliwatts: a femtojoule a nanosecond is a microwatt. */
bool plot_power(struct rs_db *db, struct figure *fig, rs_err *err)
{
    static const struct stack_plot sp = {
        "Power of the fastest point of each form and length",
        BEST_PRICED " SELECT " PRICED_PANEL " coalesce(b.seq, b.array) AS label,"
        " b.power_uw / 1e3 AS power_mw,"
        " CASE s.kind WHEN 'onchip' THEN 'on-chip' ELSE " KIND_OF " END AS part,"
        " sum(s.energy_fj) / b.time_ms / 1e9 AS part_mw FROM best b JOIN action s ON s.key = b.key"
        " AND s.tech_hash = b.tech_hash GROUP BY b.key, b.tech_hash, part" PRICED_ORDER
        ", s.kind = 'idle', s.kind = 'offchip'",
        "no stored point has prices", "sequence length", "power (mW)", 1, " mW", false};
    return draw(db, &sp, fig, err);
}

bool plot_area_breakdown(struct rs_db *db, struct figure *fig, rs_err *err)
{
    static const struct stack_plot sp = {
        "Area by component",
        "WITH one AS (SELECT *, row_number() OVER (PARTITION BY arch_hash, tech_hash ORDER BY key) AS place"
        " FROM v_points), kept AS (SELECT * FROM one WHERE place = 1 ORDER BY area_um2, key LIMIT 60)"
        " SELECT b.arch || ' (' || b.tech || ')' AS panel, CASE b.engine_style WHEN 'systolic'"
        " THEN 'systolic ' || coalesce(b.dataflow, '')"
        " ELSE replace(coalesce(b.engine_style, ''), '_', ' ') END AS engine,"
        " b.id AS bar, b.array AS label, b.area_um2 AS total_um2, s.component, s.area_um2 FROM kept b"
        " JOIN component s ON s.key = b.key AND s.tech_hash = b.tech_hash"
        " ORDER BY panel, engine, b.area_um2, b.key, s.ord",
        "no stored point has priced components", "PE array", "area (mm\xc2\xb2)", 1e-6, "", false};
    return draw(db, &sp, fig, err);
}
