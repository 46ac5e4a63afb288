/* Merging databases: attach one, compare what both have, copy the rest. Doubles
 * as a determinism test: a point computed twice must agree in every column. */
#include "results/db.h"

#include <stdlib.h>
#include <sys/stat.h>

/* `a.k1 = b.k1 AND a.k2 = b.k2 ...` over the first n columns. */
static void key_join(struct text *sql, enum db_table t, unsigned n, const char *a, const char *b)
{
    for (unsigned i = 0; i < n; i++)
        text_printf(sql, "%s%s.%s = %s.%s", i ? " AND " : "", a, db_tables[t].cols[i], b,
                    db_tables[t].cols[i]);
}

/* Rows of table t in schema a that schema b lacks although it has their parent. */
static void orphan_sql(struct text *sql, enum db_table t, const char *a, const char *b)
{
    static const struct { const char *table; unsigned n_key; } parents[] = {
        [DB_OF_CONFIG] = {"config", 1}, [DB_OF_POINT] = {"point", 1}, [DB_OF_PRICE] = {"price", 2}};
    const char *name = db_tables[t].name, *parent = parents[db_tables[t].parent].table;
    text_printf(sql, "SELECT lower(hex(x.%s)) FROM %s.%s x JOIN %s.%s p ON ", db_tables[t].cols[0], a,
                name, b, parent);
    key_join(sql, t, parents[db_tables[t].parent].n_key, "x", "p");
    text_printf(sql, " WHERE NOT EXISTS(SELECT 1 FROM %s.%s y WHERE ", b, name);
    key_join(sql, t, db_tables[t].n_key, "y", "x");
    text_add(sql, ") LIMIT 1");
}

static void differ_sql(struct text *sql, enum db_table t)
{
    const struct db_table_def *def = &db_tables[t];
    text_printf(sql, "SELECT lower(hex(s.%s)) FROM src.%s s JOIN main.%s m ON ", def->cols[0], def->name,
                def->name);
    key_join(sql, t, def->n_key, "s", "m");
    text_add(sql, " WHERE ");
    for (unsigned i = def->n_key; i < db_n_cols(t); i++)
        text_printf(sql, "s.%s IS NOT m.%s OR ", def->cols[i], def->cols[i]);
    text_add(sql, "0 LIMIT 1");
}

/* Runs a query that must find nothing; a row it finds is a conflict. */
static bool must_be_empty(struct rs_db *db, const char *sql, const char *table, const char *src,
                          rs_err *err)
{
    sqlite3_stmt *st = db_prepare(db, sql, "compare", err);
    if (!st)
        return false;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        rs_err_add(err, 65, "%s and %s disagree in table %s on %s; the same point must give the same "
                   "result wherever it runs: one of them comes from another build or is damaged",
                   db->path, src, table, (const char *)sqlite3_column_text(st, 0));
    else if (rc != SQLITE_DONE)
        db_fail(db, "compare", err);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE;
}

static bool agrees(struct rs_db *db, enum db_table t, const char *src, rs_err *err)
{
    const char *name = db_tables[t].name;
    struct text sql = {0};
    differ_sql(&sql, t);
    bool ok = must_be_empty(db, sql.s, name, src, err);
    const char *schemas[] = {"src", "main"};
    for (int i = 0; ok && i < 2 && db_tables[t].parent != DB_ALONE; i++) {
        sql.len = 0;
        orphan_sql(&sql, t, schemas[i], schemas[!i]);
        ok = must_be_empty(db, sql.s, name, src, err);
    }
    text_finish(&sql);
    return ok;
}

static bool outcomes_agree(struct rs_db *db, const char *src, rs_err *err)
{
    static const char *const sql[] = {
        "SELECT lower(hex(f.key)) FROM src.failure f JOIN main.price p USING(key, tech_hash) LIMIT 1",
        "SELECT lower(hex(f.key)) FROM main.failure f JOIN src.price p USING(key, tech_hash) LIMIT 1"};
    return must_be_empty(db, sql[0], "failure", src, err) && must_be_empty(db, sql[1], "failure", src, err);
}

static bool copy_all(struct rs_db *db, const char *src, rs_err *err)
{
    bool ok = outcomes_agree(db, src, err);
    for (enum db_table t = 0; ok && t < DB_N_TABLES; t++)
        ok = agrees(db, t, src, err);
    for (enum db_table t = 0; ok && t < DB_N_TABLES; t++) {
        struct text sql = {0};
        text_printf(&sql, "INSERT OR IGNORE INTO main.%s SELECT * FROM src.%s", db_tables[t].name,
                    db_tables[t].name);
        ok = db_exec(db, sql.s, "write", err);
        text_finish(&sql);
    }
    return ok && db_exec(db, "INSERT OR IGNORE INTO main.provenance SELECT * FROM src.provenance",
                         "write", err);
}

static bool copy_attached(struct rs_db *db, const char *src, rs_err *err)
{
    if (!db_check_format(db, "src", src, err) || !db_begin(db, err))
        return false;
    if (copy_all(db, src, err))
        return rs_db_flush(db, err);
    sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    db->in_txn = false;
    return false;
}

static bool attach(struct rs_db *db, const char *src, bool immutable, rs_err *err)
{
    char *uri = db_uri(src, immutable ? "mode=ro&immutable=1" : db_read_mode(src));
    sqlite3_stmt *st = db_prepare(db, "ATTACH ?1 AS src", "attach a database", err);
    bool ok = st != NULL;
    if (ok) {
        sqlite3_bind_text(st, 1, uri, -1, SQLITE_STATIC);
        ok = sqlite3_step(st) == SQLITE_DONE || db_fail(db, "attach a database", err);
    }
    sqlite3_finalize(st);
    free(uri);
    return ok;
}

static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static bool merge_one(struct rs_db *db, const char *src, rs_err *err)
{
    if (same_file(db->path, src))
        return rs_err_add(err, 64, "%s is both an input and the output", src);
    rs_db *probe = rs_db_open_readonly(src, err);
    if (!probe)
        return false;
    bool immutable = probe->immutable;
    rs_db_close(probe);
    if (!attach(db, src, immutable, err))
        return false;
    bool ok = copy_attached(db, src, err);
    sqlite3_exec(db->sql, "DETACH src", NULL, NULL, NULL);
    return ok;
}

/* Before a new file is made for it. */
static bool is_ours(const char *path, rs_err *err)
{
    rs_db *db = rs_db_open_readonly(path, err);
    rs_db_close(db);
    return db != NULL;
}

bool rs_db_merge(const char *out_path, const char *const *in_paths, size_t n, rs_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!is_ours(in_paths[i], err))
            return false;
    rs_db *db = rs_db_open(out_path, err);
    bool ok = db != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = merge_one(db, in_paths[i], err);
    rs_db_close(db);
    return ok;
}
