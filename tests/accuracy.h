/* The table of docs/accuracy.md: one row a reference. A row is a function that
 * compares the model with its reference point by point, and the limits that a
 * change may not break. To add one: a function in some tests/accuracy_*.c, its
 * row in accuracy.c, then `accuracy --update docs/accuracy.md`. */
#ifndef TESTS_ACCURACY_H
#define TESTS_ACCURACY_H

#include <stdbool.h>
#include <stdint.h>

struct accuracy {
    uint64_t points, exact;
    double sum_pct, max_pct; /* errors relative to the reference */
};

/* Compares one figure. */
void accuracy_point(struct accuracy *a, double model, double reference);
/* Compares what is right or wrong, such as a line of text: wrong counts as 100 %. */
void accuracy_match(struct accuracy *a, bool equal);
/* Ends the program with a message: a reference is missing or does not run. */
__attribute__((format(printf, 1, 2), noreturn)) void accuracy_die(const char *fmt, ...);

/* A CSV file: lines that begin with # are remarks, the first other line names the columns. */
enum { CSV_MAX_COLS = 48, CSV_LINE = 1024 };
struct csv {
    void *file;
    char names[CSV_LINE], line[CSV_LINE];
    char *name[CSV_MAX_COLS], *cell[CSV_MAX_COLS];
    unsigned n;
};
/* `path` is relative to tests/reference. */
void csv_open(struct csv *c, const char *path);
bool csv_next(struct csv *c); /* false, and closed, at the end */
const char *csv_text(const struct csv *c, const char *column);
uint64_t csv_u64(const struct csv *c, const char *column);
double csv_real(const struct csv *c, const char *column);

/* ---- measurements; `arg` is the row's ---- */
void accuracy_tcdm(struct accuracy *a, const char *dut);          /* accuracy_tcdm.c */
void accuracy_saturated(struct accuracy *a, const char *unused);
void accuracy_mac_jobs(struct accuracy *a, const char *which);
void accuracy_scalesim(struct accuracy *a, const char *dataflow); /* accuracy_scalesim.c */
void accuracy_tiles(struct accuracy *a, const char *what);        /* accuracy_tiles.c */
void accuracy_twin_bus(struct accuracy *a, const char *dut);      /* accuracy_twin.c */
void accuracy_twin_streams(struct accuracy *a, const char *unused);
void accuracy_twin_tiles(struct accuracy *a, const char *what);
void accuracy_area(struct accuracy *a, const char *units);        /* accuracy_cost.c */
void accuracy_sram(struct accuracy *a, const char *quantity);

#endif
