/* The results database: one connection, its prepared statements and the table
 * of columns from which inserting, comparing and merging are generated. */
#ifndef RESULTS_DB_H
#define RESULTS_DB_H

#include "base/text.h"
#include "include/retsim.h"
#include <sqlite3.h>

enum {
    DB_APPLICATION_ID = 0x52745331, /* "RtS1" */
    DB_USER_VERSION = 6,
    DB_COMMIT_ROWS = 1000, /* points a transaction at most */
    DB_COMMIT_MS = 1000,   /* age of a transaction at most */
    DB_BUSY_MS = 5000,
    DB_MAX_COLS = 36,
};

extern const char results_schema_sql[], results_views_sql[];

enum db_table {
    DB_CONFIG, DB_SETTING, DB_POINT, DB_PRICE, DB_COMPONENT, DB_ACTION, DB_NOTE, DB_BREAKDOWN,
    DB_TRAFFIC, DB_LAYER, DB_HOME, DB_COUNTS, DB_FAILURE, DB_SWEEP, DB_SWEEP_POINT, DB_N_TABLES
};

/* How rows of a table hang together: rows with the same parent come from one
 * result, so that two databases hold either all of them or none. */
enum db_parent { DB_ALONE, DB_OF_CONFIG, DB_OF_POINT, DB_OF_PRICE };

struct db_table_def {
    const char *name;
    unsigned n_key; /* the first n_key columns are the primary key */
    enum db_parent parent;
    const char *cols[DB_MAX_COLS]; /* ends with NULL */
};
extern const struct db_table_def db_tables[DB_N_TABLES];
unsigned db_n_cols(enum db_table t);

struct db_cell {
    enum { CELL_NULL, CELL_INT, CELL_REAL, CELL_TEXT, CELL_BLOB } kind;
    int64_t i;
    double r;
    const char *s; /* TEXT: NUL terminated; BLOB: 16 bytes */
};
struct db_row {
    struct db_cell cells[DB_MAX_COLS];
    unsigned n;
    bool overflow; /* a count above 2^63-1 was added */
};
void row_u64(struct db_row *r, uint64_t v);
void row_real(struct db_row *r, double v); /* not finite: NULL */
void row_text(struct db_row *r, const char *s); /* NULL: NULL */
void row_hash(struct db_row *r, const uint8_t hash[16]);
void row_cell(struct db_row *r, struct db_cell cell);

struct rs_db {
    sqlite3 *sql;
    char *path;
    unsigned columns; /* that tables should keep to; 0: any */
    bool readonly, immutable, in_txn;
    unsigned n_txn_rows;
    uint64_t txn_ms; /* when the transaction began */
    sqlite3_stmt *insert[DB_N_TABLES], *match[DB_N_TABLES];
    sqlite3_stmt *has_point, *has_price, *has_failure, *drop_failure, *provenance;
    char host[128];
    struct { /* the configuration that was stored last */
        bool valid;
        uint8_t hash[16];
    } last[3]; /* arch, work, tech */
};

/* Adds SQLite's message about the last failure; the code follows from the kind
 * of failure. Returns false. */
bool db_fail(struct rs_db *db, const char *doing, rs_err *err);
bool db_exec(struct rs_db *db, const char *sql, const char *doing, rs_err *err);
/* NULL on error. The caller finalizes. */
sqlite3_stmt *db_prepare(struct rs_db *db, const char *sql, const char *doing, rs_err *err);
/* First column of the first row as an integer; -1 on error. */
int64_t db_scalar(struct rs_db *db, const char *sql, rs_err *err);
bool db_begin(struct rs_db *db, rs_err *err); /* no-op inside a transaction */
bool db_point_done(struct rs_db *db, rs_err *err); /* counts a stored point; commits when it is time */
void db_forget_last(struct rs_db *db); /* what was stored may be undone */
/* Inserts, or checks that the row that is there is the same. */
bool db_put_row(struct rs_db *db, enum db_table t, const struct db_row *row, bool *inserted, rs_err *err);
/* Statements that insert into table t and compare with it. */
bool db_prepare_table(struct rs_db *db, enum db_table t, rs_err *err);
/* The rows of a price: price, component, action (store.c). */
bool db_put_prices(struct rs_db *db, const uint8_t key[16], const rs_design *tech, const rs_result *r,
                   rs_err *err);
/* Checks application_id and user_version of `schema` ("main", "src"). */
bool db_check_format(struct rs_db *db, const char *schema, const char *path, rs_err *err);
/* "mode=rw" or "mode=ro": how to open a database that is only read. */
const char *db_read_mode(const char *path);
/* `file:` URI of a path; heap. */
char *db_uri(const char *path, const char *query);

/* reprice.c: calls `fn` for each point that has counts, in order of keys. */
typedef bool db_point_fn(struct rs_db *db, const uint8_t key[16], const char *counts, uint64_t cycles,
                         uint64_t soc_hz, void *arg, rs_err *err);
bool db_each_point(struct rs_db *db, db_point_fn *fn, void *arg, rs_err *err);

/* settings.c: one line `key: value` of canonical text at a time. */
struct setting {
    const char *key, *value;
    size_t key_len, value_len;
};
bool setting_next(const char **cursor, struct setting *out);
/* The value as INTEGER, REAL or TEXT. `buf` holds the text of the cell. */
struct db_cell setting_cell(const struct setting *s, struct text *buf);
/* Value of one key of canonical text; NULL cell when absent. `buf` as above. */
struct db_cell setting_find(const char *text, const char *key, struct text *buf);

#endif
