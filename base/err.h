/* Errors as values. A function that can fail takes a `struct err *` last and
 * returns false, NULL or -1. All errors of a file are collected, sorted by
 * place and printed together by cli/; nothing in the library prints. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* sysexits(3) values, so that an error code is also the exit code. */
enum err_code {
    ERR_OK = 0,
    ERR_USAGE = 64,
    ERR_DATA = 65,
    ERR_NOINPUT = 66,
    ERR_SOFTWARE = 70,
    ERR_CANTCREAT = 73,
    ERR_IO = 74,
    ERR_TEMPFAIL = 75,
    ERR_CONFIG = 78,
};

/* A place in an input. `file` is borrowed and outlives the error; line 0
 * means that there is no place in the file, file NULL that there is no file.
 * `source` is the text of the line (not NUL terminated at its end, may be
 * NULL): it ends at the first newline or NUL. */
struct place {
    const char *file;
    const char *source;
    unsigned line, col;
};

struct diag {
    struct place at;
    const char *text; /* one sentence: what is wrong; what is legal */
    char *owned;      /* heap copy of file, source line and text */
};

enum { ERR_MAX_DIAGS = 20 };

/* Zero-initialise; finish releases the texts. The first code set wins. */
struct err {
    enum err_code code;
    unsigned n_diags, n_dropped;
    struct diag diags[ERR_MAX_DIAGS];
};

/* Adds one diagnostic (copied; the arguments may be freed afterwards).
 * `at` may be NULL. Returns false, so that callers can `return err_add(..)`. */
__attribute__((format(printf, 4, 5))) bool err_add(struct err *err, enum err_code code,
                                                    const struct place *at, const char *fmt, ...);
bool err_any(const struct err *err);
/* Sorts by file, line, column; stable. */
void err_sort(struct err *err);
/* Renders every diagnostic in gcc shape, with source line and caret:
 *   FILE:LINE:COL: error: TEXT\n<source>\n<caret>\n
 * Returns a heap string that the caller frees, NULL when out of memory. */
char *err_render(const struct err *err, const char *program);
void err_finish(struct err *err);

#endif
