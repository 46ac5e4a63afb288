#include "tests/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool page_write(const char *path, const struct text *t)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(t->s, 1, t->len, f) == t->len;
    ok = f && fclose(f) == 0 && ok;
    if (!ok)
        fprintf(stderr, "%s: cannot write\n", path);
    return ok;
}

bool page_is_current(const char *path, const struct text *t)
{
    FILE *f = fopen(path, "r");
    char *s = calloc(1, t->len + 2);
    size_t n = f && s ? fread(s, 1, t->len + 1, f) : 0;
    bool same = n == t->len && memcmp(s, t->s, n) == 0;
    if (f)
        fclose(f);
    free(s);
    if (!same)
        fprintf(stderr, "%s is out of date: run this test with --update; it should be:\n%s", path, t->s);
    return same;
}
