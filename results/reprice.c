/* Prices of stored points by another technology: temporary tables and views
 * shadow those of the file, so that every query sees the new prices. */
#include "results/db.h"

#include "base/arena.h"
#include "results/query.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum db_table shadowed[] = {DB_PRICE, DB_COMPONENT, DB_ACTION, DB_NOTE};
enum { N_SHADOWED = sizeof shadowed / sizeof shadowed[0] };

/* Tables first: statements and views made afterwards see them. */
static bool shadow(struct rs_db *db, rs_err *err)
{
    char sql[160];
    for (unsigned i = 0; i < N_SHADOWED; i++) {
        const char *name = db_tables[shadowed[i]].name;
        snprintf(sql, sizeof sql, "CREATE TEMP TABLE %s AS SELECT * FROM main.%s WHERE 0", name, name);
        if (!db_exec(db, sql, "re-price", err) || !db_prepare_table(db, shadowed[i], err))
            return false;
    }
    struct text views = {0};
    for (const char *s = results_views_sql, *at; *s; s = at) {
        const char *create = strstr(s, "CREATE VIEW ");
        at = create ? create + strlen("CREATE VIEW ") : s + strlen(s);
        text_addn(&views, s, (size_t)((create ? create : at) - s));
        if (create)
            text_add(&views, "CREATE TEMP VIEW ");
    }
    bool ok = db_exec(db, views.s, "re-price", err);
    text_finish(&views);
    return ok;
}

bool db_each_point(struct rs_db *db, db_point_fn *fn, void *arg, rs_err *err)
{
    sqlite3_stmt *st = db_prepare(db, "SELECT p.key, c.text, p.cycles, p.soc_hz FROM point p JOIN counts c"
                                  " ON c.key = p.key ORDER BY p.key", "read", err);
    int rc = SQLITE_DONE;
    bool ok = st != NULL;
    while (ok && (rc = sqlite3_step(st)) == SQLITE_ROW)
        ok = fn(db, sqlite3_column_blob(st, 0), (const char *)sqlite3_column_text(st, 1),
                (uint64_t)sqlite3_column_int64(st, 2), (uint64_t)sqlite3_column_int64(st, 3), arg, err);
    if (ok && rc != SQLITE_DONE)
        ok = db_fail(db, "read", err);
    sqlite3_finalize(st);
    return ok;
}

static bool put_note(struct rs_db *db, const uint8_t key[16], const uint8_t tech[16], const char *text,
                     rs_err *err)
{
    struct db_row row = {0};
    row_hash(&row, key);
    row_hash(&row, tech);
    row_u64(&row, INT64_MAX); /* after those of the run */
    row_text(&row, text);
    return db_put_row(db, DB_NOTE, &row, NULL, err);
}

static bool price_point(struct rs_db *db, const uint8_t key[16], const char *counts, uint64_t cycles,
                        uint64_t soc_hz, void *arg, rs_err *err)
{
    const rs_design *tech = arg;
    uint8_t hash[16];
    rs_result *r = rs_reprice(counts, cycles, soc_hz, tech, err);
    if (!r)
        return false;
    rs_design_part_hash(tech, "tech", hash);
    bool ok = db_put_prices(db, key, tech, r, err);
    size_t n;
    const char *const *notes = rs_result_notes(r, &n);
    for (size_t i = 0; i < n && ok; i++)
        ok = put_note(db, key, hash, notes[i], err);
    rs_result_destroy(r);
    return ok;
}

/* Notes of the run itself; what one says of the clock is the technology's. */
static bool copy_notes(struct rs_db *db, const rs_design *tech, rs_err *err)
{
    uint8_t hash[16];
    sqlite3_stmt *st = db_prepare(db, "INSERT INTO temp.note SELECT key, ?1, ord, text FROM main.note n WHERE"
                                  " tech_hash = (SELECT min(tech_hash) FROM main.note WHERE key = n.key)"
                                  " AND text NOT LIKE 'the clock of %'"
                                  " AND text NOT LIKE 'activity: measured,%'", "re-price", err);
    rs_design_part_hash(tech, "tech", hash);
    if (!st)
        return false;
    sqlite3_bind_blob(st, 1, hash, 16, SQLITE_STATIC);
    bool ok = sqlite3_step(st) == SQLITE_DONE || db_fail(db, "re-price", err);
    sqlite3_finalize(st);
    return ok;
}

bool rs_db_reprice(rs_db *db, const rs_design *tech, rs_err *err)
{
    return db_exec(db, "PRAGMA query_only=0", "re-price", err) && shadow(db, err) &&
           db_exec(db, "BEGIN", "re-price", err) && db_each_point(db, price_point, (void *)tech, err) &&
           copy_notes(db, tech, err) && db_exec(db, "COMMIT;PRAGMA query_only=1", "re-price", err);
}
