/* Plots: a query gives rows, a draw function turns them into gnuplot commands
 * for a grid of panels, gnuplot.c adds the terminal and runs it. */
#ifndef RESULTS_PLOT_H
#define RESULTS_PLOT_H

#include "base/arena.h"
#include "results/db.h"

#define MU "\xc2\xb5"

enum { PLOT_MAX_LINES = 24, PLOT_MAX_PANELS = 12, PLOT_MAX_BARS = 64, PLOT_COLUMNS = 100 };

struct plot_rows { /* a query's result, row by row; "" and 0 for NULL */
    size_t n;
    int n_cols;
    const char **text;
    double *num;
};
struct figure {
    struct arena arena;
    struct text script; /* all but the terminal and the output */
    struct text csv;    /* the data as one tidy table */
    struct text drawn;  /* finished text, when the figure draws itself in a terminal */
    unsigned width_px, height_px, panel_w;
    unsigned n_blocks, n_panel_values;
    double lo[2], hi[2]; /* of the x and y in the blocks of the current panel */
    bool is_text;
    unsigned columns; /* of a terminal */
};

/* Runs sql, keeps its rows and their CSV. No rows is error 65, with `hint`. */
bool plot_load(struct rs_db *db, const char *sql, const char *hint, struct figure *fig,
               struct plot_rows *out, rs_err *err);
const char *plot_cell(const struct plot_rows *r, size_t row, int col);
double plot_num(const struct plot_rows *r, size_t row, int col);

/* Scale of 'x' or 'y' for the data blocks of the panel: logarithmic from a
 * decade on, else linear: from 0, or around the values. */
void plot_axis(struct figure *fig, char axis, bool from_zero);
/* Logarithmic, each tick with a prefix and the unit: 100 us, 1 ms, 10 ms. */
void plot_axis_log(struct figure *fig, char axis, const char *unit);

struct plot_names { /* distinct texts in order of appearance */
    size_t n, cap;
    const char **v;
};
/* Index of s, added when new. */
size_t plot_name(struct figure *fig, struct plot_names *names, const char *s);

/* The forms of retention of a column in their usual order, then any others. */
void plot_forms(struct figure *fig, const struct plot_rows *r, int col, struct plot_names *names);

/* A data block of x y pairs. Returns its number; -1 when `n` is 0. */
int plot_block(struct figure *fig, const double (*xy)[2], size_t n);

/* A grid of panels with room for a title above and a key below. */
struct plot_grid {
    unsigned rows, cols;
    unsigned panel_w, panel_h;
    unsigned left, right, top, bottom, gap_x, gap_y;
    const char *title;
};
void plot_grid_begin(struct figure *fig, const struct plot_grid *grid);
/* Text as a gnuplot string. */
void plot_quote(struct text *out, const char *s);

/* Key of the whole figure, in one line at the bottom (more lines when it is too
 * long). gnuplot's own key belongs to one panel and wraps at its width. In a
 * terminal the panels have keys of their own instead. */
struct plot_key {
    const char *title, *colour;
    enum { KEY_LINE, KEY_BOX, KEY_POINT, KEY_NOTE } kind; /* a note is text alone */
    int point, dash; /* gnuplot's numbers; 0: none */
    double width;
};
void plot_key_draw(struct figure *fig, const struct plot_key *keys, size_t n);
/* Commands after a panel: key and title are drawn once. */
void plot_key_end(struct figure *fig);

/* Colour and point of a retention form; any other name is black. */
struct plot_style {
    const char *colour;
    int point;
    double width, size; /* the middle one is drawn wide, so that lines on top of it leave it visible */
};
struct plot_style plot_form_style(const char *form);
extern const char *const plot_colours[12];

/* gnuplot.c: draws fig into path, or into *text_out when path is "-". */
bool gnuplot_draw(struct figure *fig, const char *path, char **text_out, rs_err *err);

typedef bool plot_draw_f(struct rs_db *db, struct figure *fig, rs_err *err);
plot_draw_f plot_latency, plot_energy, plot_array, plot_pareto, plot_quality;
plot_draw_f plot_breakdown, plot_area_breakdown, plot_energy_breakdown, plot_power;

/* SQL: points with the number of sequence lengths that their network ran on their architecture.
 * A curve over the length follows one machine: the one with most of them. */
#define PLOT_LENGTHS \
    "(SELECT * FROM v_points JOIN (SELECT work, arch_hash, count(DISTINCT seq) AS lengths FROM point" \
    " GROUP BY work, arch_hash) USING (work, arch_hash))"

#endif
