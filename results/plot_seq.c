/* Latency and energy over the sequence length: a row of panels for each phase,
 * a column for each network; a line for each form. */
#include "results/plot.h"

#include <string.h>

enum { MAX_EXTRA = 5 }; /* keys beside those of the forms */
enum { COL_NET, COL_PHASE, COL_FORM, COL_SEQ, COL_Y, MAX_NETS = 6, MAX_ROWS = 400 };

struct seq_plot {
    const char *title, *sql;
    const char *y_label, *y_label_decode, *unit;
    int n_y; /* values a point: total first */
};

struct panels {
    struct plot_names nets, phases, forms;
    bool decodes, misses; /* some points decode; some could not run */
};

static void collect(struct figure *fig, const struct plot_rows *r, struct panels *p)
{
    plot_forms(fig, r, COL_FORM, &p->forms);
    for (size_t i = 0; i < r->n; i++) {
        if (!strcmp(plot_cell(r, i, COL_PHASE), "prefill"))
            plot_name(fig, &p->phases, "prefill");
    }
    for (size_t i = 0; i < r->n; i++) {
        plot_name(fig, &p->nets, plot_cell(r, i, COL_NET));
        plot_name(fig, &p->phases, plot_cell(r, i, COL_PHASE));
    }
    for (size_t i = 0; i < p->phases.n; i++)
        p->decodes |= !strcmp(p->phases.v[i], "decode");
    if (p->nets.n > MAX_NETS)
        p->nets.n = MAX_NETS;
}

static int line_block(struct figure *fig, const struct plot_rows *r, const char *net, const char *phase,
                      const char *form, int y)
{
    double xy[MAX_ROWS][2];
    size_t n = 0;
    for (size_t i = 0; i < r->n && n < MAX_ROWS; i++) {
        if (strcmp(plot_cell(r, i, COL_NET), net) || strcmp(plot_cell(r, i, COL_PHASE), phase) ||
            strcmp(plot_cell(r, i, COL_FORM), form) || plot_num(r, i, COL_Y + y) <= 0)
            continue;
        xy[n][0] = plot_num(r, i, COL_SEQ);
        xy[n++][1] = plot_num(r, i, COL_Y + y);
    }
    return plot_block(fig, (const double(*)[2])xy, n);
}

static void add_line(const struct figure *fig, struct text *plot, int block, const char *form, int y)
{
    static const char *const parts[] = {"", " on-chip", " off-chip"};
    struct plot_style style = plot_form_style(form);
    if (block < 0)
        return;
    text_printf(plot, "%s$d%d using 1:2 ", plot->len ? ", " : "", block);
    if (y == 0)
        text_printf(plot, "with linespoints lc rgb '%s' lw %g pt %d ps %g", style.colour, style.width,
                    style.point, style.size);
    else
        text_printf(plot, "with lines lc rgb '%s' lw 1.4 dt %d", style.colour, y == 1 ? 2 : 3);
    if (fig->is_text)
        text_printf(plot, " title '%s%s'", form, parts[y]);
}

static void draw_key(struct figure *fig, const struct panels *p, int n_y)
{
    static const char *const parts[] = {"total", "on-chip", "off-chip (idle is the rest of the total)"};
    struct plot_key keys[PLOT_MAX_LINES];
    size_t n = 0;
    for (size_t f = 0; f < p->forms.n && n < PLOT_MAX_LINES - MAX_EXTRA; f++) {
        struct plot_style s = plot_form_style(p->forms.v[f]);
        keys[n++] = (struct plot_key){p->forms.v[f], s.colour, KEY_LINE, s.point, 1, s.width};
    }
    for (int y = 0; n_y > 1 && y < n_y; y++)
        keys[n++] = (struct plot_key){parts[y], "#444444", KEY_LINE, 0, y + 1, y ? 1.4 : 2};
    if (p->decodes)
        keys[n++] = (struct plot_key){.title = "in decode: key-value cache (parallel), state (the other two)",
                                      .kind = KEY_NOTE};
    if (p->misses)
        keys[n++] = (struct plot_key){.title = "a curve ends where the network no longer fits",
                                      .kind = KEY_NOTE};
    plot_key_draw(fig, keys, n);
}

static void draw_panel(struct figure *fig, const struct seq_plot *sp, const struct plot_rows *r,
                       const struct panels *p, size_t phase, size_t net)
{
    struct text plot = {0}, *s = &fig->script;
    bool decode = !strcmp(p->phases.v[phase], "decode"), first = phase == 0 && net == 0;
    for (size_t f = 0; f < p->forms.n; f++) {
        for (int y = 0; y < sp->n_y; y++)
            add_line(fig, &plot, line_block(fig, r, p->nets.v[net], p->phases.v[phase], p->forms.v[f], y),
                     p->forms.v[f], y);
    }
    if (!plot.len) {
        text_add(s, "set multiplot next\n");
        return;
    }
    text_add(s, "set title ");
    plot_quote(s, arena_printf(&fig->arena, "%s: %s", p->nets.v[net], p->phases.v[phase]));
    text_add(s, "\n");
    if (fig->is_text)
        text_add(s, "set key outside right top Left reverse\n");
    else if (first)
        draw_key(fig, p, sp->n_y);
    if (net == 0 || fig->is_text) {
        text_add(s, "set ylabel ");
        plot_quote(s, decode ? sp->y_label_decode : sp->y_label);
        text_add(s, "\n");
    } else {
        text_add(s, "unset ylabel\n");
    }
    plot_axis_log(fig, 'y', sp->unit);
    text_printf(s, "plot %s\n", plot.s);
    plot_key_end(fig);
    text_finish(&plot);
}

static bool draw(struct rs_db *db, const struct seq_plot *sp, struct figure *fig, rs_err *err)
{
    struct plot_rows r;
    struct panels p = {.nets = {0}};
    if (!plot_load(db, sp->sql, "no stored point has a form, a phase and a sequence length", fig, &r, err))
        return false;
    collect(fig, &r, &p);
    p.misses = db_scalar(db, "SELECT count(*) FROM failure WHERE seq > 0 AND form IS NOT NULL", err) > 0;
    struct plot_grid grid = {.rows = (unsigned)p.phases.n, .cols = (unsigned)p.nets.n, .panel_w = 250,
                             .panel_h = 230, .left = 108, .right = 25, .top = 75, .bottom = 118, .gap_x = 74,
                             .gap_y = 108, .title = sp->title};
    if (p.nets.n < 3)
        grid.panel_w = p.nets.n == 1 ? 560 : 360;
    plot_grid_begin(fig, &grid);
    text_add(&fig->script, "set logscale x 2\nset xtics 1,4\n"
                           "set xlabel 'sequence length (tokens)'\n");
    for (size_t phase = 0; phase < p.phases.n; phase++) {
        for (size_t net = 0; net < p.nets.n; net++)
            draw_panel(fig, sp, &r, &p, phase, net);
    }
    return true;
}

/* Several architectures of one name: the one with most lengths is drawn. Several chunks: the best one. */
#define SELECT_SEQ(values) \
    "SELECT CASE WHEN (SELECT count(DISTINCT arch) FROM point p WHERE p.work = v.work" \
    " AND seq IS NOT NULL) > 1 THEN work || ' on ' || arch ELSE work END AS network, phase, form, seq," \
    " " values \
    " FROM (SELECT *, max(lengths) OVER (PARTITION BY work, arch) AS most FROM " PLOT_LENGTHS ") v" \
    " WHERE lengths = most AND form IS NOT NULL AND phase IS NOT NULL AND seq > 0" \
    " GROUP BY work, arch, phase, form, seq" \
    " ORDER BY min(macs / max(tokens, 1)) OVER (PARTITION BY work), work, arch, phase DESC, form, seq"

bool plot_latency(struct rs_db *db, struct figure *fig, rs_err *err)
{
    static const struct seq_plot sp = {
        "Latency over sequence length (fastest point of each form)",
        SELECT_SEQ("min(CASE phase WHEN 'decode' THEN us_per_token / 1e6"
        " ELSE time_ms / 1e3 END) AS latency_s"), "latency", "latency per token", "s", 1};
    return draw(db, &sp, fig, err);
}

bool plot_energy(struct rs_db *db, struct figure *fig, rs_err *err)
{
    static const struct seq_plot sp = {
        "Energy per token over sequence length (least of each form)",
        SELECT_SEQ("min(nj_per_token) / 1e9 AS j_per_token, energy_onchip_fj / 1e15 / max(tokens, 1) AS"
        " onchip_j_per_token, energy_offchip_fj / 1e15 / max(tokens, 1) AS offchip_j_per_token,"
        " energy_idle_fj / 1e15 / max(tokens, 1) AS idle_j_per_token"),
        "energy per token", "energy per token", "J", 3};
    return draw(db, &sp, fig, err);
}
