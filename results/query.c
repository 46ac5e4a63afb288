#include "results/query.h"

#include "base/arena.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *rs_query_list(void)
{
    static char list[4096];
    size_t at = 0;
    for (const struct canned *q = canned_queries; q->name; q++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s\t%s\n", q->name, q->doc);
    return list;
}

static const struct canned *find_canned(const char *name, rs_err *err)
{
    const char *names[64];
    size_t n = 0;
    for (const struct canned *q = canned_queries; q->name; q++) {
        if (!strcmp(q->name, name))
            return q;
        names[n++] = q->name;
    }
    struct text all = {0};
    for (size_t i = 0; i < n; i++)
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    const char *near = text_nearest(name, names, n);
    if (near)
        rs_err_add(err, 64, "unknown query `%s`; legal are %s, or SQL that begins with SELECT or WITH "
                   "(did you mean `%s`?)", name, all.s, near);
    else
        rs_err_add(err, 64, "unknown query `%s`; legal are %s, or SQL that begins with SELECT or WITH",
                   name, all.s);
    text_finish(&all);
    return NULL;
}

static bool begins_with_word(const char *s, const char *word)
{
    size_t n = strlen(word);
    return !strncasecmp(s, word, n) && !isalnum((unsigned char)s[n]) && s[n] != '_';
}

/* The key that ends in the column that SQLite did not find; NULL: none. */
static const char *setting_named(struct rs_db *db, const char *message, struct arena *a)
{
    const char *column = strstr(message, "no such column: "), *found = NULL;
    sqlite3_stmt *st = NULL;
    if (!column || sqlite3_prepare_v2(db->sql, "SELECT min(key) FROM setting WHERE key = ?1 OR substr(key,"
                                      " -length(?1) - 1) = '.' || ?1", -1, &st, NULL) != SQLITE_OK)
        return NULL;
    sqlite3_bind_text(st, 1, strchr(column, ':') + 2, -1, SQLITE_STATIC);
    if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
        found = arena_strdup(a, (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return found;
}

/* Adds SQLite's message, with the name that may have been meant. */
static bool wrong_sql(struct rs_db *db, rs_err *err)
{
    static const struct {
        const char *message, *names;
    } kinds[] = {
        {"no such table: ", "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name"},
        {"no such column: ", "SELECT DISTINCT p.name FROM sqlite_schema s, pragma_table_info(s.name) p"
                             " WHERE s.type IN ('table', 'view') ORDER BY p.name"},
    };
    enum { MAX_NAMES = 400 };
    struct text message = {0};
    struct arena a = {0};
    const char *names[MAX_NAMES], *near = NULL;
    size_t n = 0;
    text_add(&message, sqlite3_errmsg(db->sql));
    for (size_t i = 0; i < 2 && !near; i++) {
        size_t len = strlen(kinds[i].message);
        sqlite3_stmt *st = NULL;
        if (strncmp(message.s, kinds[i].message, len) ||
            sqlite3_prepare_v2(db->sql, kinds[i].names, -1, &st, NULL) != SQLITE_OK)
            continue;
        while (n < MAX_NAMES && sqlite3_step(st) == SQLITE_ROW)
            names[n++] = arena_strdup(&a, (const char *)sqlite3_column_text(st, 0));
        sqlite3_finalize(st);
        near = text_nearest(message.s + len, names, n);
    }
    const char *setting = near ? NULL : setting_named(db, message.s, &a);
    if (setting)
        rs_err_add(err, 65, "SQL: %s; setting(key, '%s') has the value of that key", message.s, setting);
    else
        rs_err_add(err, 65, "SQL: %s%s%s%s", message.s, near ? " (did you mean `" : "", near ? near : "",
                   near ? "`?)" : "");
    text_finish(&message);
    arena_finish(&a);
    return false;
}

static bool run_sql(struct rs_db *db, const char *sql, const struct output *how, struct text *out,
                    rs_err *err)
{
    sqlite3_stmt *st = NULL;
    const char *tail = "";
    if (sqlite3_prepare_v2(db->sql, sql, -1, &st, &tail) != SQLITE_OK)
        return wrong_sql(db, err);
    while (isspace((unsigned char)*tail) || *tail == ';')
        tail++;
    bool ok = *tail ? rs_err_add(err, 65, "SQL: one statement at a time; the rest is `%s`", tail)
              : !sqlite3_stmt_readonly(st)
                  ? rs_err_add(err, 65, "SQL: only queries that change nothing are run")
                  : output_rows(db, st, how, out, err);
    sqlite3_finalize(st);
    return ok;
}

static bool parse_format(const char *name, enum output_format *format, rs_err *err)
{
    static const char *const names[] = {"table", "csv", "json"};
    for (size_t i = 0; i < 3; i++) {
        if (!strcmp(name, names[i])) {
            *format = (enum output_format)i;
            return true;
        }
    }
    return rs_err_add(err, 64, "unknown format `%s`; legal are table, csv, json", name);
}

char *query_sql(struct rs_db *db, const char *sql, const char *spare, const char *format, rs_err *err)
{
    struct output how = {.format = OUTPUT_TABLE, .spare = spare};
    struct text out = {0};
    text_add(&out, "");
    if ((!format || parse_format(format, &how.format, err)) && run_sql(db, sql, &how, &out, err))
        return out.s;
    text_finish(&out);
    return NULL;
}

void rs_db_columns(rs_db *db, unsigned columns)
{
    db->columns = columns;
}

static char *pareto_text(rs_db *db, const char *objectives, const char *format, rs_err *err)
{
    enum output_format f = OUTPUT_TABLE;
    struct text out = {0};
    text_add(&out, "");
    if ((!format || parse_format(format, &f, err)) && pareto_query(db, objectives, f, &out, err))
        return out.s;
    text_finish(&out);
    return NULL;
}

static char *answer(rs_db *db, const char *s, const char *format, const char *objectives, rs_err *err)
{
    while (isspace((unsigned char)*s))
        s++;
    bool is_sql = begins_with_word(s, "SELECT") || begins_with_word(s, "WITH");
    const struct canned *q = is_sql ? NULL : find_canned(s, err);
    if (!is_sql && !q)
        return NULL;
    if (!is_sql && !strcmp(q->name, "pareto"))
        return pareto_text(db, objectives, format, err);
    if (objectives)
        rs_err_add(err, 64, "objectives belong to the query `pareto` alone");
    else if (!is_sql && !q->sql)
        rs_err_add(err, 64, "`%s` needs a technology: rs_db_sensitivity, rs_db_accelergy", q->name);
    else
        return query_sql(db, is_sql ? s : q->sql, is_sql ? NULL : q->spare ? q->spare : "", format, err);
    return NULL;
}

char *rs_db_query(rs_db *db, const char *name_or_sql, const char *format, const char *objectives,
                  rs_err *err)
{
    struct varied *v = varied_open(db, err);
    char *text = answer(db, name_or_sql, format, objectives, err);
    varied_close(v);
    return text;
}
