#include "base/err.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check_render(struct err *err, const char *want)
{
    char *got = err_render(err, "retsim");

    cr_assert_str_eq(got, want, "got:\n%swant:\n%s", got, want);
    free(got);
    err_finish(err);
}

Test(err, the_four_shapes)
{
    struct err err = {0};
    struct place at = {"a.yaml", "rows: 3000\ncols: 2", 14, 7}, file = {.file = "b.yaml"};

    cr_assert(!err_any(&err));
    cr_assert(!err_add(&err, ERR_CONFIG, &at, "rows is %d", 3000));
    cr_assert(!err_add(&err, ERR_NOINPUT, &file, "cannot be opened"));
    cr_assert(!err_add(&err, ERR_USAGE, NULL, "no file"));
    cr_assert(err_any(&err));
    cr_assert_eq(err.code, ERR_CONFIG);
    check_render(&err, "a.yaml:14:7: error: rows is 3000\nrows: 3000\n      ^\n"
                       "b.yaml: error: cannot be opened\nretsim: error: no file\n");
    cr_assert(!err_any(&err));
    check_render(&err, "");
}

Test(err, copies_its_arguments)
{
    char file[] = "x.yaml", source[] = "k: v";
    struct place at = {file, source, 1, 1};
    struct err err = {0};

    err_add(&err, ERR_CONFIG, &at, "bad");
    memset(file, '#', strlen(file));
    memset(source, '#', strlen(source));
    check_render(&err, "x.yaml:1:1: error: bad\nk: v\n^\n");
}

Test(err, the_caret_stands_below_its_character)
{
    struct place tab = {"f", "\tk:\tv\r\n", 1, 5}, wide = {"f", "\xc3\xa9\xe2\x82\xac: v", 2, 5};
    struct place end = {"f", "ab", 3, 3}, beyond = {"f", "ab", 4, 9};
    struct err err = {0};

    err_add(&err, ERR_CONFIG, &tab, "a");
    err_add(&err, ERR_CONFIG, &wide, "b");
    err_add(&err, ERR_CONFIG, &end, "c");
    err_add(&err, ERR_CONFIG, &beyond, "d");
    check_render(&err, "f:1:5: error: a\n\tk:\tv\n\t  \t^\n"
                       "f:2:5: error: b\n\xc3\xa9\xe2\x82\xac: v\n    ^\n"
                       "f:3:3: error: c\nab\n  ^\nf:4:9: error: d\nab\n");
}

Test(err, input_cannot_drive_the_terminal)
{
    struct place at = {"f", "k: \x1b[31m", 1, 1};
    struct err err = {0};

    err_add(&err, ERR_CONFIG, &at, "unknown key '%s'", "\x1b[2J\nx");
    check_render(&err, "f:1:1: error: unknown key '?[2J x'\nk: ?[31m\n^\n");
}

Test(err, a_huge_line_is_cut)
{
    struct err err = {0};
    char *line = malloc(1000001), *got;
    struct place at = {"f", line, 1, 999999};

    memset(line, 'x', 1000000);
    line[1000000] = '\0';
    err_add(&err, ERR_CONFIG, &at, "long");
    got = err_render(&err, NULL);
    cr_assert_lt(strlen(got), 400);
    free(got);
    free(line);
    err_finish(&err);
}

Test(err, sorting_is_by_place_and_stable)
{
    static const struct {
        const char *file;
        unsigned line, col;
        const char *text;
    } in[] = {
        {"b", 1, 1, "6"}, {"a", 9, 1, "4"}, {"a", 9, 1, "5"},
        {"a", 2, 7, "3"}, {"a", 2, 3, "2"}, {NULL, 0, 0, "1"},
    };
    struct err err = {0};
    char want[2] = "1";

    for (size_t i = 0; i < 6; i++) {
        struct place at = {in[i].file, NULL, in[i].line, in[i].col};

        err_add(&err, ERR_CONFIG, &at, "%s", in[i].text);
    }
    err_sort(&err);
    for (unsigned i = 0; i < 6; i++, want[0]++)
        cr_assert_str_eq(err.diags[i].text, want);
    err_finish(&err);
}

Test(err, the_rest_is_counted)
{
    struct err err = {0};
    char *got;

    for (int i = 0; i < ERR_MAX_DIAGS + 7; i++)
        err_add(&err, ERR_CONFIG, NULL, "e%d", i);
    cr_assert_eq(err.n_diags, ERR_MAX_DIAGS);
    cr_assert_eq(err.n_dropped, 7);
    got = err_render(&err, "retsim");
    cr_assert(strstr(got, "retsim: error: e19\n... and 7 more errors\n"));
    free(got);
    err_finish(&err);
}
