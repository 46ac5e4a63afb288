/* Prices of stored points by another technology: temporary tables and views
 * shadow those of the file, so that every query sees the new prices. */
#include "results/db.h"

#include "base/arena.h"
#include "results/query.h"
#include <math.h>
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

typedef bool (*point_fn)(struct rs_db *db, const uint8_t key[16], const char *counts, uint64_t cycles,
                         uint64_t soc_hz, void *arg, rs_err *err);

static bool each_point(struct rs_db *db, point_fn fn, void *arg, rs_err *err)
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
                                  " AND text NOT LIKE 'the clock of %'", "re-price", err);
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
           db_exec(db, "BEGIN", "re-price", err) && each_point(db, price_point, (void *)tech, err) &&
           copy_notes(db, tech, err) && db_exec(db, "COMMIT;PRAGMA query_only=1", "re-price", err);
}

/* ---- sensitivity ---- */

struct sums {
    const rs_design *tech;
    double energy_fj, area_um2, fmax_hz;
    uint64_t points;
};

static bool sum_point(struct rs_db *db, const uint8_t key[16], const char *counts, uint64_t cycles,
                      uint64_t soc_hz, void *arg, rs_err *err)
{
    struct sums *s = arg;
    (void)db;
    (void)key;
    rs_result *r = rs_reprice(counts, cycles, soc_hz, s->tech, err);
    if (!r)
        return false;
    s->energy_fj += (double)rs_result_summary(r)->energy_fj;
    s->area_um2 += (double)rs_result_summary(r)->area_um2;
    s->fmax_hz += (double)rs_result_summary(r)->fmax_hz;
    s->points++;
    rs_result_destroy(r);
    return true;
}

static double percent(double v, double base)
{
    return base > 0 ? 100 * (v / base - 1) : 0;
}

/* One row: the coefficient at 80 % and at 120 %. A value that the technology
 * does not allow leaves its columns empty. */
static bool put_row(struct rs_db *db, const struct sums *base, const char *name, rs_err *err)
{
    static const double factors[] = {0.8, 1.2};
    struct text sql = {0};
    text_printf(&sql, "INSERT INTO temp.sensitivity VALUES('%s'", name);
    for (unsigned i = 0; i < 2; i++) {
        rs_err *quiet = rs_err_create();
        rs_design *tech = rs_tech_scaled(base->tech, name, factors[i], quiet);
        struct sums s = {.tech = tech};
        if (tech && each_point(db, sum_point, &s, quiet))
            text_printf(&sql, ",%.6f,%.6f,%.6f", percent(s.energy_fj, base->energy_fj),
                        percent(s.area_um2, base->area_um2), percent(s.fmax_hz, base->fmax_hz));
        else
            text_add(&sql, ",NULL,NULL,NULL");
        rs_design_destroy(tech);
        rs_err_destroy(quiet);
    }
    text_add(&sql, ")");
    bool ok = db_exec(db, sql.s, "store sensitivities", err);
    text_finish(&sql);
    return ok;
}

char *rs_db_sensitivity(rs_db *db, const rs_design *tech, const char *format, rs_err *err)
{
    struct sums base = {.tech = tech};
    bool ok = each_point(db, sum_point, &base, err);
    if (ok && base.points == 0)
        ok = rs_err_add(err, 65, "%s: no points to price", db->path);
    ok = ok && db_exec(db, "PRAGMA query_only=0", "store sensitivities", err) &&
         db_exec(db, "CREATE TEMP TABLE sensitivity(coefficient TEXT, energy_minus REAL, area_minus REAL,"
                 " fmax_minus REAL, energy_plus REAL, area_plus REAL, fmax_plus REAL)",
                 "store sensitivities", err);
    for (size_t i = 0; ok && rs_tech_coefficient(tech, i); i++)
        ok = put_row(db, &base, rs_tech_coefficient(tech, i), err);
    ok = ok && db_exec(db, "PRAGMA query_only=1", "store sensitivities", err);
    if (!ok)
        return NULL;
    return rs_db_query(db, "SELECT coefficient, energy_minus AS energy_percent_at_80,"
                       " energy_plus AS energy_percent_at_120, area_minus AS area_percent_at_80,"
                       " area_plus AS area_percent_at_120, fmax_minus AS fmax_percent_at_80,"
                       " fmax_plus AS fmax_percent_at_120 FROM temp.sensitivity"
                       " ORDER BY max(abs(ifnull(energy_minus, 0)), abs(ifnull(energy_plus, 0))) DESC,"
                       " max(abs(ifnull(area_minus, 0)), abs(ifnull(area_plus, 0))) DESC, coefficient",
                       format, NULL, err);
}
