#include "results/db.h"

#include "base/arena.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct db_table_def db_tables[DB_N_TABLES] = {
    [DB_CONFIG] = {"config", 1, DB_ALONE, {"hash", "part", "name", "text"}},
    [DB_SETTING] = {"setting", 2, DB_OF_CONFIG, {"hash", "key", "value"}},
    [DB_POINT] = {"point", 1, DB_ALONE,
                  {"key", "arch_hash", "work_hash", "method", "has_values", "model_version", "arch",
                   "work", "network", "form", "phase", "seq", "work_tokens", "batch", "chunk", "engine_style",
                   "dataflow", "rows", "cols", "units", "length", "peak_macs_per_cycle", "tokens",
                   "soc_hz", "cycles", "macs", "macs_issued", "utilization", "time_ns",
                   "tokens_per_s", "sqnr_db", "bits_per_byte", "float_bits_per_byte",
                   "values_compared", "is_hypothetical", "hypothetical"}},
    [DB_PRICE] = {"price", 2, DB_ALONE,
                  {"key", "tech_hash", "tech", "voltage", "area_um2", "energy_fj", "energy_onchip_fj",
                   "energy_offchip_fj", "energy_idle_fj", "energy_upper_fj", "energy_rel_err", "area_rel_err",
                   "power_uw", "fmax_hz", "fmax_rel_err"}},
    [DB_COMPONENT] = {"component", 3, DB_OF_PRICE,
                      {"key", "tech_hash", "ord", "component", "class", "area_um2", "area_rel_err",
                       "energy_fj", "energy_rel_err", "path", "path_fo4", "path_rel_err", "fmax_hz",
                       "fmax_rel_err"}},
    [DB_ACTION] = {"action", 3, DB_OF_PRICE,
                   {"key", "tech_hash", "ord", "component", "action", "unit", "kind", "priced",
                    "count", "energy_fj", "rel_err", "bound"}},
    [DB_NOTE] = {"note", 3, DB_OF_PRICE, {"key", "tech_hash", "ord", "text"}},
    [DB_BREAKDOWN] = {"breakdown", 2, DB_OF_POINT, {"key", "ord", "cause", "cycles"}},
    [DB_TRAFFIC] = {"traffic", 2, DB_OF_POINT, {"key", "ord", "interface", "bytes"}},
    [DB_LAYER] = {"layer", 2, DB_OF_POINT, {"key", "ord", "layer", "layer_index", "cycles"}},
    [DB_HOME] = {"home", 2, DB_OF_POINT, {"key", "ord", "tensor", "home", "bytes"}},
    [DB_COUNTS] = {"counts", 1, DB_OF_POINT, {"key", "text"}},
    [DB_FAILURE] = {"failure", 2, DB_ALONE,
                    {"key", "tech_hash", "arch_hash", "work_hash", "method", "has_values",
                     "model_version", "arch", "work", "tech", "form", "phase", "seq", "chunk", "code",
                     "message"}},
    [DB_SWEEP] = {"sweep", 2, DB_ALONE, {"sweep", "spec_hash", "spec", "planned"}},
    [DB_SWEEP_POINT] = {"sweep_point", 3, DB_ALONE, {"sweep", "key", "tech_hash"}},
};

unsigned db_n_cols(enum db_table t)
{
    unsigned n = 0;
    while (n < DB_MAX_COLS && db_tables[t].cols[n])
        n++;
    return n;
}

void row_cell(struct db_row *r, struct db_cell cell)
{
    r->cells[r->n++] = cell;
}

void row_u64(struct db_row *r, uint64_t v)
{
    r->overflow |= v > INT64_MAX;
    row_cell(r, (struct db_cell){.kind = CELL_INT, .i = (int64_t)v});
}

void row_real(struct db_row *r, double v)
{
    row_cell(r, (struct db_cell){.kind = isfinite(v) ? CELL_REAL : CELL_NULL, .r = v});
}

void row_text(struct db_row *r, const char *s)
{
    row_cell(r, (struct db_cell){.kind = s ? CELL_TEXT : CELL_NULL, .s = s});
}

void row_hash(struct db_row *r, const uint8_t hash[16])
{
    row_cell(r, (struct db_cell){.kind = CELL_BLOB, .s = (const char *)hash});
}

static int code_of(int rc, bool writing)
{
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR:
        return 65;
    case SQLITE_CANTOPEN:
        return writing ? 73 : 66;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return 73;
    default:
        return 74;
    }
}

static const char *hint_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_IOERR: return "; what was committed before is safe: look at the disk, and run again";
    case SQLITE_FULL: return "; what was committed before is safe: free some space and run again";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "; another process is writing to it: wait for it, or write to another file";
    case SQLITE_READONLY: return "; it must be writable, and its directory too";
    case SQLITE_NOTADB: return "; this is no SQLite database";
    default: return "";
    }
}

bool db_fail(struct rs_db *db, const char *doing, rs_err *err)
{
    int rc = db->sql ? sqlite3_errcode(db->sql) : SQLITE_NOMEM;
    int code = code_of(rc, !db->readonly);
    const char *msg = db->sql ? sqlite3_errmsg(db->sql) : "out of memory";
    rs_err_add(err, code, "%s: cannot %s: %s%s", db->path, doing, msg, hint_of(rc));
    /* SQLite itself rolls back on a full disk or an I/O error. */
    if (db->sql && sqlite3_get_autocommit(db->sql))
        db->in_txn = false;
    return false;
}

bool db_exec(struct rs_db *db, const char *sql, const char *doing, rs_err *err)
{
    return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK || db_fail(db, doing, err);
}

sqlite3_stmt *db_prepare(struct rs_db *db, const char *sql, const char *doing, rs_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
        db_fail(db, doing, err);
    return st;
}

int64_t db_scalar(struct rs_db *db, const char *sql, rs_err *err)
{
    sqlite3_stmt *st = db_prepare(db, sql, "read", err);
    if (!st)
        return -1;
    int rc = sqlite3_step(st);
    int64_t v = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    if (rc != SQLITE_ROW)
        db_fail(db, "read", err);
    sqlite3_finalize(st);
    return v;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool db_begin(struct rs_db *db, rs_err *err)
{
    if (db->in_txn)
        return true;
    if (!db_exec(db, "BEGIN IMMEDIATE", "write", err))
        return false;
    db->in_txn = true;
    db->n_txn_rows = 0;
    db->txn_ms = now_ms();
    return true;
}

void db_forget_last(struct rs_db *db)
{
    for (unsigned i = 0; i < sizeof db->last / sizeof db->last[0]; i++)
        db->last[i].valid = false;
}

bool rs_db_flush(rs_db *db, rs_err *err)
{
    if (!db->in_txn)
        return true;
    if (sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) {
        db->in_txn = false;
        return true;
    }
    db_fail(db, "commit", err);
    db_forget_last(db);
    if (db->in_txn) { /* a busy commit can be tried again; anything else is given up */
        if ((sqlite3_errcode(db->sql) & 0xff) == SQLITE_BUSY)
            return false;
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
        db->in_txn = false;
    }
    return false;
}

bool db_point_done(struct rs_db *db, rs_err *err)
{
    if (++db->n_txn_rows >= DB_COMMIT_ROWS || now_ms() - db->txn_ms >= DB_COMMIT_MS)
        return rs_db_flush(db, err);
    return true;
}

bool db_prepare_table(struct rs_db *db, enum db_table t, rs_err *err)
{
    const struct db_table_def *def = &db_tables[t];
    struct text insert = {0}, match = {0};
    text_printf(&insert, "INSERT OR IGNORE INTO %s VALUES(", def->name);
    text_printf(&match, "SELECT 1 FROM %s WHERE ", def->name);
    for (unsigned i = 0; i < db_n_cols(t); i++) {
        text_printf(&insert, "%s?%u", i ? "," : "", i + 1);
        text_printf(&match, "%s%s IS ?%u", i ? " AND " : "", def->cols[i], i + 1);
    }
    text_add(&insert, ")");
    db->insert[t] = db_prepare(db, insert.s, "write", err);
    db->match[t] = db_prepare(db, match.s, "write", err);
    text_finish(&insert);
    text_finish(&match);
    return db->insert[t] && db->match[t];
}

static void bind_row(sqlite3_stmt *st, const struct db_row *row)
{
    for (unsigned i = 0; i < row->n; i++) {
        const struct db_cell *c = &row->cells[i];
        int at = (int)i + 1;
        switch (c->kind) {
        case CELL_NULL: sqlite3_bind_null(st, at); break;
        case CELL_INT: sqlite3_bind_int64(st, at, c->i); break;
        case CELL_REAL: sqlite3_bind_double(st, at, c->r); break;
        case CELL_TEXT: sqlite3_bind_text(st, at, c->s, -1, SQLITE_STATIC); break;
        case CELL_BLOB: sqlite3_bind_blob(st, at, c->s, 16, SQLITE_STATIC); break;
        }
    }
}

static int run_row(sqlite3_stmt *st, const struct db_row *row)
{
    bind_row(st, row);
    int rc = sqlite3_step(st);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc;
}

bool db_put_row(struct rs_db *db, enum db_table t, const struct db_row *row, bool *inserted, rs_err *err)
{
    const char *name = db_tables[t].name;
    if (row->overflow)
        return rs_err_add(err, 65, "%s: a count of table %s exceeds 2^63-1", db->path, name);
    if (run_row(db->insert[t], row) != SQLITE_DONE)
        return db_fail(db, "write", err);
    bool is_new = sqlite3_changes(db->sql) > 0;
    if (inserted)
        *inserted = is_new;
    if (is_new)
        return true;
    int rc = run_row(db->match[t], row);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        return db_fail(db, "read", err);
    return rs_err_add(err, 65, "%s: table %s holds another result for the same point; results must not "
                      "depend on when or where a point ran", db->path, name);
}

char *db_uri(const char *path, const char *query)
{
    struct text t = {0};
    text_add(&t, "file:");
    for (const char *p = path; *p; p++)
        text_printf(&t, strchr("%?# ", *p) ? "%%%02x" : "%c", *p);
    text_printf(&t, "?%s", query);
    return t.s;
}

bool db_check_format(struct rs_db *db, const char *schema, const char *path, rs_err *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA %s.application_id", schema);
    int64_t id = db_scalar(db, sql, err);
    if (rs_err_code(err))
        return false;
    if (id != DB_APPLICATION_ID)
        return rs_err_add(err, 65, "%s: an SQLite database, but not one of retsim's", path);
    snprintf(sql, sizeof sql, "PRAGMA %s.user_version", schema);
    int64_t version = db_scalar(db, sql, err);
    if (rs_err_code(err))
        return false;
    if (version > DB_USER_VERSION)
        return rs_err_add(err, 65, "%s: written by a newer retsim (format %lld, this program knows %d); "
                          "use that one", path, (long long)version, DB_USER_VERSION);
    if (version < DB_USER_VERSION)
        return rs_err_add(err, 65, "%s: written by an older retsim (format %lld, this program knows %d); "
                          "run the sweep again into a new database", path, (long long)version,
                          DB_USER_VERSION);
    return true;
}

/* A file without any table is taken for a new one; anything else must be ours. */
static bool create_or_check(struct rs_db *db, rs_err *err)
{
    int64_t n = db_scalar(db, "SELECT count(*) FROM sqlite_schema", err);
    if (rs_err_code(err))
        return false;
    if (n > 0)
        return db_check_format(db, "main", db->path, err);
    int64_t id = db_scalar(db, "PRAGMA application_id", err);
    if (id != 0 && id != DB_APPLICATION_ID)
        return db_check_format(db, "main", db->path, err);
    if (!db_exec(db, "PRAGMA journal_mode=WAL", "switch to write-ahead logging", err) ||
        !db_exec(db, "BEGIN IMMEDIATE", "write", err))
        return false;
    char pragma[96];
    snprintf(pragma, sizeof pragma, "PRAGMA application_id=%d;PRAGMA user_version=%d;",
             DB_APPLICATION_ID, DB_USER_VERSION);
    /* Another process may have created the tables since the count above. */
    bool ok = db_scalar(db, "SELECT count(*) FROM sqlite_schema", err) > 0 ||
              (db_exec(db, pragma, "create the tables", err) &&
               db_exec(db, results_schema_sql, "create the tables", err) &&
               db_exec(db, results_views_sql, "create the views", err));
    if (!ok || !db_exec(db, "COMMIT", "commit", err)) {
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    return true;
}

static bool prepare_all(struct rs_db *db, rs_err *err)
{
    for (enum db_table t = 0; t < DB_N_TABLES; t++) {
        if (!db_prepare_table(db, t, err))
            return false;
    }
    db->drop_failure = db_prepare(db, "DELETE FROM failure WHERE key=?1 AND tech_hash=?2", "write", err);
    db->provenance = db_prepare(db,
        "INSERT INTO provenance VALUES(?1,?2,?3,?4,?5,1,strftime('%Y-%m-%dT%H:%M:%SZ','now'),?6) "
        "ON CONFLICT DO UPDATE SET attempts=attempts+1", "write", err);
    return db->drop_failure && db->provenance;
}

static bool prepare_lookups(struct rs_db *db, rs_err *err)
{
    db->has_point = db_prepare(db, "SELECT 1 FROM point WHERE key=?1", "read", err);
    db->has_price = db_prepare(db, "SELECT 1 FROM price WHERE key=?1 AND tech_hash=?2", "read", err);
    db->has_failure = db_prepare(db, "SELECT code FROM failure WHERE key=?1 AND tech_hash=?2", "read", err);
    return db->has_point && db->has_price && db->has_failure;
}

static struct rs_db *db_new(const char *path, bool readonly)
{
    struct rs_db *db = xrealloc(NULL, 1, sizeof *db);
    *db = (struct rs_db){.readonly = readonly};
    size_t n = strlen(path) + 1;
    db->path = memcpy(xrealloc(NULL, n, 1), path, n);
    if (gethostname(db->host, sizeof db->host - 1) != 0)
        strcpy(db->host, "unknown");
    return db;
}

rs_db *rs_db_open(const char *path, rs_err *err)
{
    /* What a savepoint may undo, a point's pages, stays in memory. */
    static const char setup[] = "PRAGMA synchronous=NORMAL;PRAGMA cache_size=-65536;PRAGMA temp_store=MEMORY";
    struct rs_db *db = db_new(path, false);
    /* One thread at a time (retsim.h): SQLite need not lock every call. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    char *uri = db_uri(path, "mode=rwc");
    int rc = sqlite3_open_v2(uri, &db->sql, flags, NULL);
    free(uri);
    bool ok = rc == SQLITE_OK || db_fail(db, "open for writing", err);
    if (ok) {
        sqlite3_busy_timeout(db->sql, DB_BUSY_MS);
        sqlite3_extended_result_codes(db->sql, 1);
    }
    /* A file that the system lets us only read is opened so without a word. */
    if (ok && sqlite3_db_readonly(db->sql, "main") == 1)
        ok = rs_err_add(err, 73, "%s: cannot write: the file or its directory is read-only", path);
    ok = ok && create_or_check(db, err) &&
         db_exec(db, "PRAGMA journal_mode=WAL", "switch to write-ahead logging", err) &&
         db_exec(db, setup, "set up", err) &&
         prepare_lookups(db, err) && prepare_all(db, err);
    if (ok)
        return db;
    rs_db_close(db);
    return NULL;
}

/* A connection that may not write leaves the log's two side files behind when
 * it closes. Where we may, we open for writing and forbid it in SQL instead. */
const char *db_read_mode(const char *path)
{
    const char *slash = strrchr(path, '/');
    char dir[4096];
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return access(path, W_OK) == 0 && access(dir, W_OK) == 0 ? "mode=rw" : "mode=ro";
}

static bool open_ro(struct rs_db *db, const char *query, rs_err *err)
{
    bool rw = !strcmp(query, "mode=rw");
    int flags = (rw ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_URI;
    char *uri = db_uri(db->path, query);
    int rc = sqlite3_open_v2(uri, &db->sql, flags, NULL);
    free(uri);
    if (rc != SQLITE_OK)
        return db_fail(db, "open", err);
    sqlite3_busy_timeout(db->sql, DB_BUSY_MS);
    sqlite3_extended_result_codes(db->sql, 1);
    return db_exec(db, "PRAGMA query_only=1", "open", err);
}

/* Reading a write-ahead-logged file needs a writable directory, unless it is
 * declared immutable; that is only right when there is no log to be read. */
static bool needs_immutable(struct rs_db *db)
{
    char wal[4096];
    snprintf(wal, sizeof wal, "%s-wal", db->path);
    if (access(wal, F_OK) == 0)
        return false;
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sql, "SELECT count(*) FROM sqlite_schema", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY;
}

rs_db *rs_db_open_readonly(const char *path, rs_err *err)
{
    if (access(path, R_OK) != 0) {
        rs_err_add(err, 66, "%s: no such database, or it cannot be read", path);
        return NULL;
    }
    struct rs_db *db = db_new(path, true);
    bool ok = open_ro(db, db_read_mode(path), err);
    if (ok && needs_immutable(db)) {
        sqlite3_close(db->sql);
        db->sql = NULL;
        db->immutable = true;
        ok = open_ro(db, "mode=ro&immutable=1", err);
    }
    ok = ok && db_check_format(db, "main", path, err) && prepare_lookups(db, err);
    if (ok)
        return db;
    rs_db_close(db);
    return NULL;
}

void rs_db_close(rs_db *db)
{
    if (!db)
        return;
    if (db->sql && db->in_txn)
        sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
    for (enum db_table t = 0; t < DB_N_TABLES; t++) {
        sqlite3_finalize(db->insert[t]);
        sqlite3_finalize(db->match[t]);
    }
    sqlite3_stmt *rest[] = {db->has_point, db->has_price, db->has_failure, db->drop_failure,
                            db->provenance};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
        sqlite3_finalize(rest[i]);
    sqlite3_close(db->sql);
    free(db->path);
    free(db);
}
