/* Query results as an aligned table, CSV (RFC 4180) or a JSON list of objects. */
#include "results/query.h"

#include "base/arena.h"
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

static void add_cell(struct text *out, sqlite3_stmt *st, int col, bool exact)
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
        add_cell(out, st, col, true);
}

struct rows {
    sqlite3_stmt *st;
    const uint8_t *keep;
    size_t next;
    int skip, n;
};

/* Steps to the next row to show. */
static int next_row(struct rows *r)
{
    int rc;
    while ((rc = sqlite3_step(r->st)) == SQLITE_ROW) {
        if (!r->keep || r->keep[r->next++])
            break;
    }
    return rc;
}

static void rewind_rows(struct rows *r)
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
    while ((rc = next_row(r)) == SQLITE_ROW) {
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
    while ((rc = next_row(r)) == SQLITE_ROW) {
        json_open(&j, NULL, '{');
        for (int c = r->skip; c < r->n; c++)
            json_cell(&j, r->st, c);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    text_add(out, "\n");
    return rc;
}

/* Columns on a terminal, not bytes: continuation bytes of UTF-8 take none. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static int measure(struct rows *r, size_t *width, bool *number)
{
    struct text cell = {0};
    int rc;
    for (int c = r->skip; c < r->n; c++) {
        width[c] = width_of(sqlite3_column_name(r->st, c));
        number[c] = true;
    }
    while ((rc = next_row(r)) == SQLITE_ROW) {
        for (int c = r->skip; c < r->n; c++) {
            int type = sqlite3_column_type(r->st, c);
            cell.len = 0;
            text_add(&cell, "");
            add_cell(&cell, r->st, c, false);
            if (width_of(cell.s) > width[c])
                width[c] = width_of(cell.s);
            number[c] &= type != SQLITE_TEXT && type != SQLITE_BLOB;
        }
    }
    text_finish(&cell);
    return rc;
}

static void pad(struct text *out, const char *s, size_t width, bool right, bool last)
{
    int blanks = (int)(width - width_of(s));
    if (right)
        text_printf(out, "%*s", blanks, "");
    text_add(out, s);
    if (!right && !last)
        text_printf(out, "%*s", blanks, "");
    text_add(out, last ? "\n" : "  ");
}

static int put_table(struct rows *r, struct text *out)
{
    size_t *width = xrealloc(NULL, (size_t)r->n + 1, sizeof *width);
    bool *number = xrealloc(NULL, (size_t)r->n + 1, sizeof *number);
    struct text cell = {0};
    int rc = measure(r, width, number);
    for (int c = r->skip; rc == SQLITE_DONE && c < r->n; c++)
        pad(out, sqlite3_column_name(r->st, c), width[c], number[c], c + 1 == r->n);
    rewind_rows(r);
    while (rc == SQLITE_DONE || rc == SQLITE_ROW) {
        rc = next_row(r);
        if (rc != SQLITE_ROW)
            break;
        for (int c = r->skip; c < r->n; c++) {
            cell.len = 0;
            text_add(&cell, "");
            add_cell(&cell, r->st, c, false);
            pad(out, cell.s, width[c], number[c], c + 1 == r->n);
        }
    }
    text_finish(&cell);
    free(width);
    free(number);
    return rc;
}

bool output_rows(struct rs_db *db, sqlite3_stmt *st, enum output_format format, const uint8_t *keep,
                 int skip, struct text *out, rs_err *err)
{
    struct rows r = {.st = st, .keep = keep, .skip = skip, .n = sqlite3_column_count(st)};
    rewind_rows(&r);
    int rc = format == OUTPUT_CSV    ? put_csv(&r, out)
             : format == OUTPUT_JSON ? put_json(&r, out)
                                     : put_table(&r, out);
    if (rc != SQLITE_DONE)
        return db_fail(db, "run the query", err);
    rewind_rows(&r);
    return true;
}
