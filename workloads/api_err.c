/* Errors and versions of the public interface. */
#include "workloads/api.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *rs_version(void)
{
    return RETSIM_VERSION;
}

/* Goes up with every change that moves a count, a cycle or a joule. */
const char *rs_model_version(void)
{
    return "3";
}

rs_err *rs_err_create(void)
{
    rs_err *err = xrealloc(NULL, 1, sizeof *err);
    *err = (rs_err){.text = NULL};
    return err;
}

void rs_err_clear(rs_err *err)
{
    err_finish(&err->e);
    free(err->text);
    *err = (rs_err){.text = NULL};
}

void rs_err_destroy(rs_err *err)
{
    if (!err)
        return;
    rs_err_clear(err);
    free(err);
}

int rs_err_code(const rs_err *err)
{
    return (int)err->e.code;
}

const char *rs_err_text(rs_err *err)
{
    free(err->text);
    err_sort(&err->e);
    err->text = err_render(&err->e, "retsim");
    return err->text ? err->text : "";
}

bool rs_err_add(rs_err *err, int code, const char *fmt, ...)
{
    va_list ap;
    char *text;
    assert(fmt);
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    text = xrealloc(NULL, (size_t)(n < 0 ? 0 : n) + 1, 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)(n < 0 ? 0 : n) + 1, fmt, ap);
    va_end(ap);
    err_add(&err->e, (enum err_code)code, NULL, "%s", text);
    free(text);
    return false;
}

struct err *rs_err_inner(rs_err *err)
{
    return &err->e;
}
