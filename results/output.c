/* Query results as an aligned table, CSV (RFC 4180) or a JSON list of objects. */
#include "results/output_impl.h"

#include "base/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_real(struct text *out, double v, bool exact)
{
    char buf[40];
    if (!exact) {
        text_printf(out, fabs(v) >= 1e5 && fabs(v) < 1e15 ? "%.0f" : "%.5g", v);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    text_add(out, buf);
}

static void add_hex(struct text *out, sqlite3_stmt *st, int col)
{
    const uint8_t *b = sqlite3_column_blob(st, col);
    int n = sqlite3_column_bytes(st, col);
    for (int i = 0; i < n; i++)
        text_printf(out, "%02x", b[i]);
}

void output_cell(struct text *out, sqlite3_stmt *st, int col, bool exact)
{
    switch (sqlite3_column_type(st, col)) {
    case SQLITE_NULL: break;
    case SQLITE_FLOAT: add_real(out, sqlite3_column_double(st, col), exact); break;
    case SQLITE_BLOB: add_hex(out, st, col); break;
    default: text_add(out, (const char *)sqlite3_column_text(st, col)); break;
    }
}

static void csv_text(struct text *out, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (; *s; s++)
        text_addn(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    text_add(out, "\"");
}

void output_csv_field(sqlite3_stmt *st, int col, struct text *out)
{
    if (sqlite3_column_type(st, col) == SQLITE_TEXT)
        csv_text(out, (const char *)sqlite3_column_text(st, col));
    else
        output_cell(out, st, col, true);
}

int output_next(struct rows *r)
{
    int rc;
    while ((rc = sqlite3_step(r->st)) == SQLITE_ROW) {
        if (!r->keep || r->keep[r->next++])
            break;
    }
    return rc;
}

void output_rewind(struct rows *r)
{
    sqlite3_reset(r->st);
    r->next = 0;
}

static int put_csv(struct rows *r, struct text *out)
{
    int rc;
    for (int c = r->skip; c < r->n; c++) {
        text_add(out, c > r->skip ? "," : "");
        csv_text(out, sqlite3_column_name(r->st, c));
    }
    text_add(out, "\n");
    while ((rc = output_next(r)) == SQLITE_ROW) {
        for (int c = r->skip; c < r->n; c++) {
            text_add(out, c > r->skip ? "," : "");
            output_csv_field(r->st, c, out);
        }
        text_add(out, "\n");
    }
    return rc;
}

static void json_cell(struct json *j, sqlite3_stmt *st, int col)
{
    const char *key = sqlite3_column_name(st, col);
    struct text hex = {0};
    switch (sqlite3_column_type(st, col)) {
    case SQLITE_NULL: json_str(j, key, NULL); break;
    case SQLITE_FLOAT: json_real(j, key, sqlite3_column_double(st, col)); break;
    case SQLITE_TEXT: json_str(j, key, (const char *)sqlite3_column_text(st, col)); break;
    case SQLITE_BLOB:
        add_hex(&hex, st, col);
        json_str(j, key, hex.s ? hex.s : "");
        break;
    default:
        if (sqlite3_column_int64(st, col) >= 0)
            json_u64(j, key, (uint64_t)sqlite3_column_int64(st, col));
        else /* the writer knows no negative integers; a double is exact up to 2^53 */
            json_real(j, key, (double)sqlite3_column_int64(st, col));
        break;
    }
    text_finish(&hex);
}

static int put_json(struct rows *r, struct text *out)
{
    struct json j;
    int rc;
    json_begin(&j, out);
    json_open(&j, NULL, '[');
    while ((rc = output_next(r)) == SQLITE_ROW) {
        json_open(&j, NULL, '{');
        for (int c = r->skip; c < r->n; c++)
            json_cell(&j, r->st, c);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    text_add(out, "\n");
    return rc;
}

bool output_rows(struct rs_db *db, sqlite3_stmt *st, const struct output *how, struct text *out,
                 rs_err *err)
{
    struct rows r = {.st = st, .keep = how->keep, .skip = how->skip, .n = sqlite3_column_count(st),
                     .spare = how->spare};
    output_rewind(&r);
    int rc = how->format == OUTPUT_CSV    ? put_csv(&r, out)
             : how->format == OUTPUT_JSON ? put_json(&r, out)
                                          : output_table(&r, db->columns, out);
    if (rc != SQLITE_DONE)
        return db_fail(db, "run the query", err);
    output_rewind(&r);
    return true;
}
