/* Query results as an aligned table that fits a terminal where it can. */
#include "results/output_impl.h"

#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_DIGITS = 32, GAP = 2, MIN_WRAP = 24 };

struct column {
    size_t width;
    bool number, same; /* in all rows */
    bool hidden;       /* said above the table, or left out */
    bool left_out;
    bool is_id;
    char *first; /* cell of the first row */
};
struct table {
    struct rows *r;
    struct column *cols;
    size_t n_rows;
    size_t id_digits, wrap; /* of the last column; 0: whole */
    struct text cell;
};

/* Columns on a terminal, not bytes: continuation bytes of UTF-8 take none. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static const char *cell(struct table *t, int c)
{
    t->cell.len = 0;
    text_add(&t->cell, "");
    output_cell(&t->cell, t->r->st, c, false);
    if (t->cols[c].is_id && t->id_digits && t->cell.len > t->id_digits)
        t->cell.s[t->id_digits] = '\0';
    return t->cell.s;
}

static void measure_cell(struct table *t, int c)
{
    struct column *col = &t->cols[c];
    const char *s = cell(t, c);
    int type = sqlite3_column_type(t->r->st, c);
    if (width_of(s) > col->width)
        col->width = width_of(s);
    col->number &= type != SQLITE_TEXT && type != SQLITE_BLOB;
    if (t->n_rows == 0)
        col->first = strdup(s);
    col->same = col->same && col->first && !strcmp(col->first, s);
    col->is_id &= strlen(s) == ID_DIGITS && strspn(s, "0123456789abcdef") == ID_DIGITS;
}

static int measure(struct table *t)
{
    struct rows *r = t->r;
    int rc;
    for (int c = r->skip; c < r->n; c++) {
        const char *name = sqlite3_column_name(r->st, c);
        t->cols[c] = (struct column){.width = width_of(name), .number = true, .same = true,
                                     .is_id = !strcmp(name, "id")};
    }
    while ((rc = output_next(r)) == SQLITE_ROW) {
        for (int c = r->skip; c < r->n; c++)
            measure_cell(t, c);
        t->n_rows++;
    }
    return rc;
}

static size_t total_width(const struct table *t)
{
    size_t sum = 0, shown = 0;
    for (int c = t->r->skip; c < t->r->n; c++) {
        if (t->cols[c].hidden)
            continue;
        sum += t->cols[c].width;
        shown++;
    }
    return shown ? sum + GAP * (shown - 1) : 0;
}

static int last_shown(const struct table *t)
{
    int c = t->r->n - 1;
    while (c > t->r->skip && t->cols[c].hidden)
        c--;
    return c;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* As many digits as tell all ids of this table apart, at least eight. */
static size_t digits_needed(struct table *t, int c)
{
    char **ids = xrealloc(NULL, t->n_rows + 1, sizeof *ids);
    size_t n = 0, digits = 8;
    output_rewind(t->r);
    while (n < t->n_rows && output_next(t->r) == SQLITE_ROW)
        ids[n++] = strdup(cell(t, c));
    qsort(ids, n, sizeof *ids, by_text);
    for (size_t i = 1; i < n; i++) {
        size_t same = 0;
        while (ids[i][same] && ids[i][same] == ids[i - 1][same])
            same++;
        if (ids[i][same] && same >= digits)
            digits = same + 1;
    }
    for (size_t i = 0; i < n; i++)
        free(ids[i]);
    free(ids);
    return digits;
}

static void shorten_id(struct table *t)
{
    for (int c = t->r->skip; c < t->r->n; c++) {
        if (!t->cols[c].is_id || t->cols[c].hidden)
            continue;
        t->id_digits = digits_needed(t, c);
        t->cols[c].width = t->id_digits;
    }
}

/* Leaves spare columns out until the table fits. */
static void leave_out(struct table *t, size_t columns)
{
    for (const char *s = t->r->spare; s && *s && total_width(t) > columns;) {
        size_t len = strcspn(s, " ");
        for (int c = t->r->skip; c < t->r->n; c++) {
            const char *name = sqlite3_column_name(t->r->st, c);
            if (!t->cols[c].hidden && strlen(name) == len && !strncmp(s, name, len))
                t->cols[c].hidden = t->cols[c].left_out = true;
        }
        s += len + (s[len] == ' ');
    }
}

/* A canned query has columns that some databases have nothing for. */
static void hide_empty(struct table *t)
{
    for (int c = t->r->skip; t->n_rows && c < t->r->n; c++)
        t->cols[c].hidden = t->cols[c].same && !*t->cols[c].first;
}

static void narrow(struct table *t, size_t columns)
{
    if (t->r->spare)
        hide_empty(t);
    if (t->n_rows > 1 && total_width(t) > columns)
        for (int c = t->r->skip; c < t->r->n; c++)
            t->cols[c].hidden |= t->cols[c].same;
    if (total_width(t) > columns)
        shorten_id(t);
    leave_out(t, columns);
    struct column *last = &t->cols[last_shown(t)];
    size_t others = total_width(t) - last->width;
    if (others + last->width > columns && !last->number && others + MIN_WRAP <= columns)
        last->width = t->wrap = columns - others;
}

/* `title: word, word`, in lines of at most `columns`. */
static void put_word(struct text *out, const char *title, size_t columns, size_t *used, const char *word)
{
    size_t need = width_of(word), indent = strlen(title);
    if (!*used)
        text_add(out, title);
    else if (*used + 3 + need > columns) /* with the comma behind it */
        text_printf(out, ",\n%*s", (int)indent, "");
    else
        text_add(out, ", ");
    *used = !*used || *used + 3 + need > columns ? indent + need : *used + 2 + need;
    text_add(out, word);
}

/* What all rows have in common, and which columns are not shown. */
static void put_hidden(const struct table *t, size_t columns, struct text *out)
{
    struct text word = {0};
    size_t common = 0, left = 0;
    for (int c = t->r->skip; c < t->r->n; c++) {
        const struct column *col = &t->cols[c];
        if (!col->hidden || col->left_out || !*col->first)
            continue;
        word.len = 0;
        text_printf(&word, "%s %s", sqlite3_column_name(t->r->st, c), col->first);
        put_word(out, "in all rows: ", columns, &common, word.s);
    }
    text_add(out, common ? "\n" : "");
    for (int c = t->r->skip; c < t->r->n; c++)
        if (t->cols[c].left_out)
            put_word(out, "left out (--wide has it): ", columns, &left,
                     sqlite3_column_name(t->r->st, c));
    text_add(out, left ? "\n" : "");
    text_add(out, common || left ? "\n" : "");
    text_finish(&word);
}

/* The only row, a line a column. */
static void put_record(const struct table *t, struct text *out)
{
    size_t width = 0;
    for (int c = t->r->skip; c < t->r->n; c++) {
        size_t w = width_of(sqlite3_column_name(t->r->st, c));
        width = w > width ? w : width;
    }
    for (int c = t->r->skip; c < t->r->n; c++)
        if (*t->cols[c].first)
            text_printf(out, "%-*s  %s\n", (int)width, sqlite3_column_name(t->r->st, c), t->cols[c].first);
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

/* A text in lines of at most `width`, broken at blanks, each below the other. */
static void put_wrapped(struct text *out, const char *s, size_t indent, size_t width)
{
    for (;;) {
        size_t n = strlen(s);
        if (n > width) {
            for (n = width; n > 0 && s[n] != ' ';)
                n--;
            n = n ? n : width;
        }
        text_printf(out, "%.*s\n", (int)n, s);
        s += n + (s[n] == ' ');
        if (!*s)
            return;
        text_printf(out, "%*s", (int)indent, "");
    }
}

static void put_row(struct table *t, bool head, struct text *out)
{
    int last = last_shown(t);
    size_t indent = t->wrap ? total_width(t) - t->wrap : 0;
    for (int c = t->r->skip; c <= last; c++) {
        const struct column *col = &t->cols[c];
        if (col->hidden)
            continue;
        const char *s = head ? sqlite3_column_name(t->r->st, c) : cell(t, c);
        if (c == last && t->wrap && !head)
            put_wrapped(out, s, indent, t->wrap);
        else
            pad(out, s, col->width, col->number, c == last);
    }
    size_t end = out->len - 1; /* an empty cell at the end leaves blanks */
    while (end && out->s[end - 1] == ' ')
        end--;
    out->len = end;
    text_add(out, "\n");
}

static bool leaves_out(const struct table *t)
{
    bool any = false;
    for (int c = t->r->skip; c < t->r->n; c++)
        any |= t->cols[c].left_out;
    return any;
}

static int put_rows(struct table *t, size_t columns, struct text *out)
{
    int rc;
    if (columns)
        narrow(t, columns);
    if (columns && t->n_rows == 1 && (leaves_out(t) || total_width(t) > columns)) {
        put_record(t, out);
        return SQLITE_DONE;
    }
    put_hidden(t, columns, out);
    put_row(t, true, out);
    output_rewind(t->r);
    while ((rc = output_next(t->r)) == SQLITE_ROW)
        put_row(t, false, out);
    return rc;
}

int output_table(struct rows *r, unsigned columns, struct text *out)
{
    struct table t = {.r = r, .cols = xrealloc(NULL, (size_t)r->n + 1, sizeof *t.cols)};
    int rc = measure(&t);
    if (rc == SQLITE_DONE && r->n > r->skip)
        rc = put_rows(&t, columns, out);
    for (int c = r->skip; c < r->n; c++)
        free(t.cols[c].first);
    text_finish(&t.cell);
    free(t.cols);
    return rc;
}
