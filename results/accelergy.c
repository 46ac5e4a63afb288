/* The queries `ert` and `art`: the architectures of a database as tables of
 * Accelergy. */
#include "results/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_head(struct text *out, const rs_design *tech, bool area)
{
    text_printf(out, "# technology %s at %g V.", rs_design_name(tech, "tech"), rs_tech_voltage(tech));
    text_add(out, area ? " Square micrometres of one instance.\n"
                       : " pJ of one action of one instance, exact to 1e-6 pJ; `clock` is a clocked\n"
                         "# cycle without work, `leak` is per cycle of the clock given with each design.\n");
    text_printf(out, "%s:\n  version: 0.4\n  tables:\n", area ? "ART" : "ERT");
}

static bool add_design(sqlite3_stmt *st, bool several, const rs_design *tech, bool area, struct text *out,
                       rs_err *err)
{
    char prefix[160];
    uint64_t hz = (uint64_t)sqlite3_column_int64(st, 3);
    const char *hash = (const char *)sqlite3_column_text(st, 0), *arch = (const char *)sqlite3_column_text(st,
                                                                                                           1);
    snprintf(prefix, sizeof prefix, several ? "%s_%.8s" : "%s", arch, hash);
    char *tables = rs_accelergy_tables((const char *)sqlite3_column_text(st, 2), hz, tech, prefix, area, err);
    if (!tables)
        return false;
    text_printf(out, "    # %s: cycle %.9g ns\n%s", prefix, 1e9 / (double)hz, tables);
    free(tables);
    return true;
}

char *rs_db_accelergy(rs_db *db, const rs_design *tech, bool area, rs_err *err)
{
    struct text out = {0};
    int64_t n = db_scalar(db, "SELECT count(DISTINCT arch_hash) FROM point", err);
    sqlite3_stmt *st = db_prepare(db, "SELECT lower(hex(p.arch_hash)), p.arch, c.text, p.soc_hz, min(p.key)"
                                  " FROM point p JOIN counts c ON c.key = p.key GROUP BY p.arch_hash"
                                  " ORDER BY p.arch, p.arch_hash", "read", err);
    int rc = SQLITE_DONE;
    bool ok = st != NULL && (n > 0 || rs_err_add(err, 65, "%s: no points to export", db->path));
    add_head(&out, tech, area);
    while (ok && (rc = sqlite3_step(st)) == SQLITE_ROW)
        ok = add_design(st, n > 1, tech, area, &out, err);
    if (ok && rc != SQLITE_DONE)
        ok = db_fail(db, "read", err);
    sqlite3_finalize(st);
    if (ok)
        return out.s;
    text_finish(&out);
    return NULL;
}
