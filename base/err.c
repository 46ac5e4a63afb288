#include "base/err.h"
#include "base/arena.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A one-line file of megabytes must not flood the terminal once per error. */
enum { MAX_SOURCE_BYTES = 240 };

static size_t source_len(const char *s)
{
    size_t n = 0;

    while (n < MAX_SOURCE_BYTES && s[n] && s[n] != '\n' && s[n] != '\r')
        n++;
    while (n == MAX_SOURCE_BYTES && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* Input text is quoted in messages: keep it from driving the terminal. */
static void defuse(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = *s == '\t' ? '\t' : *s == '\n' ? ' ' : '?';
}

static char *append(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    p[n] = '\0';
    defuse(p);
    return p + n + 1;
}

bool err_add(struct err *err, enum err_code code, const struct place *at, const char *fmt, ...)
{
    struct place none = {0};
    size_t file_len, src_len, text_len;
    struct diag *d;
    va_list ap;
    char *p;

    if (err->code == ERR_OK)
        err->code = code;
    if (err->n_diags == ERR_MAX_DIAGS) {
        err->n_dropped++;
        return false;
    }
    if (!at)
        at = &none;
    file_len = at->file ? strlen(at->file) : 0;
    src_len = at->source ? source_len(at->source) : 0;
    va_start(ap, fmt);
    text_len = (size_t)vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);

    d = &err->diags[err->n_diags++];
    d->at = *at;
    p = d->owned = xrealloc(NULL, file_len + src_len + text_len + 3, 1);
    d->text = p;
    va_start(ap, fmt);
    vsnprintf(p, text_len + 1, fmt, ap);
    va_end(ap);
    defuse(p);
    p += text_len + 1;
    if (at->file) {
        d->at.file = p;
        p = append(p, at->file, file_len);
    }
    if (at->source) {
        d->at.source = p;
        append(p, at->source, src_len);
    }
    return false;
}

bool err_any(const struct err *err)
{
    return err->code != ERR_OK;
}

static int compare_places(const struct place *a, const struct place *b)
{
    int c = strcmp(a->file ? a->file : "", b->file ? b->file : "");

    if (c)
        return c;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->col < b->col ? -1 : a->col > b->col;
}

void err_sort(struct err *err)
{
    for (unsigned i = 1; i < err->n_diags; i++) {
        struct diag d = err->diags[i];
        unsigned j = i;

        for (; j > 0 && compare_places(&err->diags[j - 1].at, &d.at) > 0; j--)
            err->diags[j] = err->diags[j - 1];
        err->diags[j] = d;
    }
}

static const char *next_char(const char *s)
{
    for (s++; ((unsigned char)*s & 0xc0) == 0x80;)
        s++;
    return s;
}

static unsigned n_chars(const char *s)
{
    unsigned n = 0;

    for (; *s; s = next_char(s))
        n++;
    return n;
}

/* Columns count characters, as libyaml does; tabs stay tabs so that the caret
 * stands below the same character whatever the terminal's tab width. */
static void add_caret(struct text *t, const char *source, unsigned col)
{
    const char *s = source;

    for (unsigned c = 1; c < col && *s; c++)
        s = next_char(s);
    if (!*s && col > n_chars(source) + 1) /* the line was cut before */
        return;
    for (const char *p = source; p < s; p = next_char(p))
        text_add(t, *p == '\t' ? "\t" : " ");
    text_add(t, "^\n");
}

static void add_diag(struct text *t, const struct diag *d, const char *program)
{
    if (d->at.file && d->at.line)
        text_printf(t, "%s:%u:%u: ", d->at.file, d->at.line, d->at.col);
    else if (d->at.file)
        text_printf(t, "%s: ", d->at.file);
    else if (program)
        text_printf(t, "%s: ", program);
    text_printf(t, "error: %s\n", d->text);
    if (!d->at.line || !d->at.source)
        return;
    text_printf(t, "%s\n", d->at.source);
    if (d->at.col)
        add_caret(t, d->at.source, d->at.col);
}

char *err_render(const struct err *err, const char *program)
{
    struct text t = {0};

    text_addn(&t, "", 0);
    for (unsigned i = 0; i < err->n_diags; i++)
        add_diag(&t, &err->diags[i], program);
    if (err->n_dropped)
        text_printf(&t, "... and %u more error%s\n", err->n_dropped, err->n_dropped == 1 ? "" : "s");
    return t.s;
}

void err_finish(struct err *err)
{
    for (unsigned i = 0; i < err->n_diags; i++)
        free(err->diags[i].owned);
    *err = (struct err){0};
}
