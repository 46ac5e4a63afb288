/* Queries: canned ones by name, output in three formats, Pareto fronts. */
#ifndef RESULTS_QUERY_H
#define RESULTS_QUERY_H

#include "results/db.h"

struct canned {
    const char *name, *doc, *sql;
    const char *spare; /* columns that a table may do without, the first to go first; NULL: none */
};
extern const struct canned canned_queries[]; /* ends with name NULL */

enum output_format { OUTPUT_TABLE, OUTPUT_CSV, OUTPUT_JSON };
/* Rows of a prepared statement as text. `keep`, when not NULL, has one byte a
 * row: only rows with 1 are shown. The first `skip` columns are left out.
 * `spare`: as in struct canned. False on an SQL error. */
struct output {
    enum output_format format;
    const uint8_t *keep;
    int skip;
    const char *spare;
};
bool output_rows(struct rs_db *db, sqlite3_stmt *st, const struct output *how, struct text *out,
                 rs_err *err);
/* One CSV field of a column, quoted where needed. */
void output_csv_field(sqlite3_stmt *st, int col, struct text *out);

/* The answer to a statement, which the caller frees; NULL with an error. */
char *query_sql(struct rs_db *db, const char *sql, const char *spare, const char *format, rs_err *err);

/* varied.c: the SQL functions varied(key) and setting(key, name), until closed. */
struct varied *varied_open(struct rs_db *db, rs_err *err);
void varied_close(struct varied *v);

/* The query `pareto`: non-dominated points of each job. objectives: names
 * separated by commas, NULL for time,energy,area; `max:` or `min:` before a
 * name sets its sense. */
bool pareto_query(struct rs_db *db, const char *objectives, enum output_format format, struct text *out,
                  rs_err *err);

#endif
