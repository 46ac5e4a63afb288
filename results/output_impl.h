/* Rows of a statement, for those who print them. */
#ifndef RESULTS_OUTPUT_IMPL_H
#define RESULTS_OUTPUT_IMPL_H

#include "results/query.h"

struct rows {
    sqlite3_stmt *st;
    const uint8_t *keep; /* one byte a row; NULL: all are shown */
    size_t next;
    int skip, n; /* columns skip .. n-1 are shown */
    const char *spare; /* names of columns that a table may leave out, the first to go first; or NULL */
};

/* Steps to the next row to show; the value is SQLite's. */
int output_next(struct rows *r);
void output_rewind(struct rows *r);
/* One cell as text; exact: with all digits. */
void output_cell(struct text *out, sqlite3_stmt *st, int col, bool exact);
/* An aligned table (table.c). A table that is wider than `columns`, when these are not 0, is
 * made narrower: what all rows have in common is said once above, ids are cut to the digits that
 * tell them apart, spare columns are left out and named, a long last column is wrapped. A single
 * row becomes a line a column. */
int output_table(struct rows *r, unsigned columns, struct text *out);

#endif
