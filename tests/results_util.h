/* Helpers of the tests of results/: scratch files and whole-database dumps. */
#ifndef TESTS_RESULTS_UTIL_H
#define TESTS_RESULTS_UTIL_H

#include "tests/fake_sim.h"
#include <criterion/criterion.h>
#include <dirent.h>

static char scratch_dir[256];

static void remove_scratch(void)
{
    DIR *d = opendir(scratch_dir);
    for (const struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(scratch_dir);
}

/* A path in a scratch directory of this process, removed at its end. The same
 * name gives the same string, which stays. */
static const char *scratch(const char *name)
{
    static char paths[64][400];
    static unsigned n;
    if (!scratch_dir[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(scratch_dir, sizeof scratch_dir, "%s/retsim-test-XXXXXX", tmp ? tmp : "/tmp");
        cr_assert(mkdtemp(scratch_dir));
        atexit(remove_scratch);
    }
    snprintf(paths[n], sizeof paths[n], "%s/%s", scratch_dir, name);
    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(paths[i], paths[n]))
            return paths[i];
    }
    cr_assert(n + 1 < 64);
    return paths[n++];
}

static inline const char *write_scratch(const char *name, const char *text)
{
    const char *path = scratch(name);
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static inline char *query(const char *path, const char *sql, const char *format)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    char *text = db ? rs_db_query(db, sql, format, NULL, err) : NULL;
    cr_assert(text, "%s: %s", sql, rs_err_text(err));
    rs_db_close(db);
    rs_err_destroy(err);
    return text;
}

/* First number after the heading of a CSV answer. */
static inline long long query_number(const char *path, const char *sql)
{
    char *text = query(path, sql, "csv");
    long long v = atoll(strchr(text, '\n') + 1);
    free(text);
    return v;
}

/* All tables but `provenance`, ordered by their keys. */
static inline char *dump(const char *path)
{
    static const char *const tables[] = {"config", "setting", "point", "price", "component", "action",
                                         "note", "breakdown", "traffic", "layer", "home", "failure",
                                         "sweep", "sweep_point"};
    struct text all = {0};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY 1, 2, %d", tables[i], i == 7 ? 2 : 3);
        char *text = query(path, sql, "csv");
        text_printf(&all, "%s\n%s", tables[i], text);
        free(text);
    }
    return all.s;
}

static inline void same_dump(const char *a, const char *b)
{
    char *x = dump(a), *y = dump(b);
    cr_assert(strlen(x) > 2000);
    cr_assert(!strcmp(x, y), "%s and %s differ", a, b);
    free(x);
    free(y);
}

#endif
