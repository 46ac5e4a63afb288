#include "base/yamldoc.h"
#include "results/query.h"
#include "tests/results_util.h"
#include <sqlite3.h>

static const char *const forms[] = {"parallel", "recurrent", "chunkwise"};

/* 3 forms x 5 lengths x 5 arrays on two networks. */
static const char *fill(const char *name)
{
    const char *path = scratch(name);
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    rs_options options;
    rs_options_default(&options);
    for (unsigned i = 0; i < 150; i++) {
        char form[40], seq[40], units[40], style[40];
        const char *sets[] = {form, seq, units, style};
        snprintf(form, sizeof form, "work.form=%s", forms[i % 3]);
        snprintf(seq, sizeof seq, "work.seq=%u", 32u << (2 * (i / 3 % 5)));
        snprintf(units, sizeof units, "arch.engine.units=%u", 2u << (i / 15 % 5));
        snprintf(style, sizeof style, "arch.engine.style=%s", i / 15 % 5 == 2 ? "systolic" : "dot_product");
        const char *net = i < 75 ? "net_d64.yaml" : "net_d192.yaml";
        options.values = i == 1;
        rs_design *d = rs_design_load("soc.yaml", net, NULL, sets, 4, err);
        rs_result *r = rs_run(d, &options, err);
        cr_assert(rs_db_put(db, d, &options, r, "q", err));
        rs_result_destroy(r);
        rs_design_destroy(d);
    }
    rs_db_close(db);
    rs_err_destroy(err);
    return path;
}

static size_t lines(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == '\n';
    return n;
}

/* Every canned query gives the same number of rows in all formats; JSON is a
 * list of objects with the CSV's columns. */
Test(query, canned_queries_in_all_formats)
{
    const char *path = fill("q.db"), *list = rs_query_list();
    char name[64];
    unsigned n = 0;
    for (; sscanf(list, "%63[^\t]", name) == 1; list = strchr(list, '\n') + 1, n++) {
        if (!strcmp(name, "sensitivity") || !strcmp(name, "ert") || !strcmp(name, "art"))
            continue; /* need a technology: tests/cli/query_sensitivity, query_ert */
        char *table = query(path, name, "table"), *csv = query(path, name, "csv");
        char *json = query(path, name, "json");
        struct arena a = {0};
        struct err err = {0};
        size_t rows = lines(csv) - 1;
        cr_expect_eq(lines(table), rows + 1, "%s", name);
        const struct ynode *root = rows < 1000 ? yaml_parse(&a, name, json, strlen(json), &err) : NULL;
        if (rows < 1000) {
            cr_assert(root && root->kind == YNODE_LIST, "%s: no JSON: %.80s", name, json);
            cr_expect_eq(root->n, rows, "%s", name);
        }
        bool may_be_empty = !strcmp(name, "failures");
        cr_expect(rows > 0 || may_be_empty, "%s is empty", name);
        arena_finish(&a);
        err_finish(&err);
        free(table);
        free(csv);
        free(json);
    }
    cr_expect(n >= 14);
}

Test(query, views_have_rows)
{
    static const char *const views[] = {"v_points", "v_latency", "v_pareto", "v_best_per_seq", "v_breakdown",
                                        "v_energy", "v_component", "v_form", "v_setting", "v_sweep"};
    const char *path = fill("q.db");
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", views[i]);
        cr_expect(query_number(path, sql) > 0, "%s", views[i]);
    }
    cr_expect_eq(query_number(path, "SELECT count(*) FROM v_best_per_seq"), 10);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM v_points WHERE abs(time_ms - cycles / 2e5)"
                                    " > 1e-9"), 0);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM (SELECT sum(percent) AS p FROM v_breakdown GROUP BY"
                                    " key) WHERE abs(p - 100) > 1e-6"), 0);
}

/* The front of the query is that of the view, which is its definition in SQL. */
Test(query, pareto_agrees_with_its_definition)
{
    const char *path = fill("q.db");
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    char *front = rs_db_query(db, "pareto", "csv", NULL, err);
    char *view = query(path, "SELECT count(*) FROM v_pareto", "csv");
    cr_assert(front);
    cr_expect_eq((long long)lines(front) - 1, atoll(strchr(view, '\n') + 1));
    cr_expect(lines(front) > 11 && lines(front) < 150);
    for (char *row = strchr(front, '\n') + 1; *row; row = strchr(row, '\n') + 1) {
        char sql[160];
        const char *id = strchr(row, '\n') - 32;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM v_pareto WHERE id = '%.32s'", id);
        cr_expect_eq(query_number(path, sql), 1, "%s", sql);
    }
    free(front);
    free(view);
    rs_db_close(db);
    rs_err_destroy(err);
}

/* One objective: the front is the optimum of each job. */
static const struct {
    const char *objectives, *optimum;
} single[] = {
    {"cycles", "min(cycles)"},
    {"area", "min(area_um2)"},
    {"max:energy", "max(energy_fj)"},
    {"utilization", "max(utilization)"},
    {"min:utilization", "min(utilization)"},
    {"tokens_per_s", "max(tokens_per_s)"},
};

Test(query, pareto_of_one_objective_is_the_optimum)
{
    const char *path = fill("q.db");
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        char sql[256];
        char *front = rs_db_query(db, "pareto", "csv", single[i].objectives, err);
        const char *optimum = single[i].optimum;
        int len = (int)strlen(optimum) - 5;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM v_points p JOIN (SELECT work, seq, %s AS best FROM"
                 " v_points GROUP BY work, seq) b USING(work, seq) WHERE p.%.*s = b.best", optimum, len,
                 optimum + 4);
        cr_assert(front, "%s", rs_err_text(err));
        cr_expect_eq((long long)lines(front) - 1, query_number(path, sql), "%s", single[i].objectives);
        free(front);
    }
    rs_db_close(db);
    rs_err_destroy(err);
}

/* Energies by hand, 10 % of error each. The faster of two points whose energies
 * differ by less is clearly better; the slower one's place on the front is a tie. */
static const struct {
    int energy[3]; /* of the fastest, the middle and the slowest point */
    const char *ties;
    int n_front;
} tie_cases[] = {
    {{1000, 900, 800}, "-,tie,tie", 3},  {{1000, 600, 550}, "-,-,tie", 3}, {{1000, 600, 300}, "-,-,-", 3},
    {{1000, 1001, 900}, "-,tie", 2},     {{1000, 1000, 1000}, "-", 1},     {{1000, 870, 740}, "-,tie,-", 3},
    {{1000, 850, 700}, "-,-,-", 3},
};

Test(query, a_ranking_inside_the_error_bars_is_a_tie)
{
    for (size_t i = 0; i < sizeof tie_cases / sizeof tie_cases[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "tie%zu.db", i);
        const char *path = fill(name);
        const int *e = tie_cases[i].energy;
        char text[700], got[64] = "";
        sqlite3 *sql;
        sqlite3_open(path, &sql);
        snprintf(text, sizeof text,
                 "DELETE FROM point WHERE NOT (work = 'net_d64' AND units IS 2 AND seq = 512);"
                 "UPDATE point SET cycles = CASE form WHEN 'parallel' THEN 1 WHEN 'recurrent' THEN 2"
                 " ELSE 3 END;UPDATE price SET energy_rel_err = 0.1,"
                 " energy_fj = (SELECT CASE p.form WHEN 'parallel' THEN %d"
                 " WHEN 'recurrent' THEN %d ELSE %d END"
                 " FROM point p WHERE p.key = price.key)"
                 " WHERE key IN (SELECT key FROM point)", e[0], e[1], e[2]);
        cr_assert_eq(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(sql));
        sqlite3_close(sql);
        rs_err *err = rs_err_create();
        rs_db *db = rs_db_open_readonly(path, err);
        char *csv = rs_db_query(db, "pareto", "csv", "cycles,energy", err);
        cr_assert(csv, "%s", rs_err_text(err));
        cr_expect_eq((int)lines(csv) - 1, tie_cases[i].n_front, "%s", csv);
        for (char *row = strchr(csv, '\n') + 1; *row; row = strchr(row, '\n') + 1) {
            char *end = strchr(row, '\n'), *tie = strstr(row, ",tie,");
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", *got ? "," : "",
                     tie && tie < end ? "tie" : "-");
        }
        cr_expect_str_eq(got, tie_cases[i].ties, "case %zu: %s", i, csv);
        free(csv);
        rs_db_close(db);
        rs_err_destroy(err);
    }
}

/* Cycles of the forms are set by hand: the best changes once. */
Test(query, crossover_is_where_the_best_form_changes)
{
    const char *path = fill("q.db");
    sqlite3 *sql;
    sqlite3_open(path, &sql);
    sqlite3_exec(sql, "UPDATE point SET cycles = CASE form WHEN 'parallel' THEN seq * seq WHEN 'recurrent'"
                      " THEN seq * 1000 ELSE seq * 2000 END WHERE work = 'net_d64' AND units IS 2;"
                      "DELETE FROM point WHERE NOT (work = 'net_d64' AND units IS 2)", NULL, NULL, NULL);
    sqlite3_close(sql);
    char *csv = query(path, "crossover", "csv");
    cr_expect(strstr(csv, ",512,parallel,,262144,"), "%s", csv);
    cr_expect(strstr(csv, ",2048,recurrent,,2048000,"), "%s", csv);
    const char *note = strstr(csv, "parallel -> recurrent between 512 and 2048");
    cr_expect(note && !strstr(note + strlen("parallel ->"), "->"), "%s", csv);
    cr_expect_eq(lines(csv), 6);
    free(csv);
}

Test(query, forms_that_are_equally_fast_are_named_together)
{
    const char *path = fill("t.db");
    sqlite3 *sql;
    sqlite3_open(path, &sql);
    sqlite3_exec(sql, "UPDATE point SET cycles = CASE form WHEN 'parallel' THEN seq * seq ELSE seq * 1000 END"
                      " WHERE work = 'net_d64' AND units IS 2;"
                      "DELETE FROM point WHERE NOT (work = 'net_d64' AND units IS 2)", NULL, NULL, NULL);
    sqlite3_close(sql);
    char *csv = query(path, "crossover", "csv");
    cr_expect(strstr(csv, ",512,parallel,,262144,8.93167,chunkwise,1.953125,,\n"), "%s", csv);
    cr_expect(strstr(csv, ",2048,chunkwise = recurrent,"), "%s", csv);
    cr_expect(strstr(csv, ",parallel,2.048,parallel -> chunkwise = recurrent between 512 and 2048,\n"));
    cr_expect_eq(lines(csv), 6);
    free(csv);
}

static size_t longest_line(const char *s)
{
    size_t most = 0;
    for (; *s; s += strcspn(s, "\n") + 1)
        if (strcspn(s, "\n") > most)
            most = strcspn(s, "\n");
    return most;
}

Test(query, wide_tables_are_made_to_fit)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(fill("wide.db"), err);
    cr_assert(db, "%s", rs_err_text(err));
    static const char sql[] = "SELECT 'the same' AS one, id, 7 AS two, CASE seq WHEN 32 THEN 'a short note'"
        " ELSE 'a note of many words that has to be put on several lines' END AS note"
        " FROM v_points ORDER BY seq, id";
    char *wide = rs_db_query(db, sql, "table", NULL, err);
    rs_db_columns(db, 40);
    char *narrow = rs_db_query(db, sql, "table", NULL, err), *csv = rs_db_query(db, sql, "csv", NULL, err);
    cr_assert(wide && narrow && csv);
    cr_expect_gt(longest_line(wide), 80);
    cr_expect_leq(longest_line(narrow), 40);
    cr_expect_eq(strstr(narrow, "in all rows: one the same, two 7\n\nid        note\n"), narrow);
    cr_expect(strstr(narrow, "  a note of many words that has\n          to be put on several lines\n"));
    cr_expect(strstr(csv, "the same,"), "%s", csv);
    /* Every id is still there, by its first digits. */
    for (const char *line = strchr(csv, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        char id[11] = "";
        snprintf(id, sizeof id, "\n%.8s ", strchr(line, ',') + 1);
        cr_expect(strstr(narrow, id), "%s", id);
    }
    free(wide);
    free(narrow);
    free(csv);
    rs_db_close(db);
    rs_err_destroy(err);
}

/* Tables that stay too wide leave columns out, and say which; csv has them. */
Test(query, canned_tables_fit_a_terminal)
{
    static const char *const names[] = {"points",  "ranking", "pareto", "values",
                                        "quality", "latency", "best",   "breakdown"};
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(fill("fit.db"), err);
    rs_db_columns(db, 80);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *table = rs_db_query(db, names[i], "table", NULL, err);
        cr_assert(table, "%s", rs_err_text(err));
        cr_expect_leq(longest_line(table), 80, "%s\n%s", names[i], table);
        free(table);
    }
    rs_db_columns(db, 100);
    for (const struct canned *q = canned_queries; q->name; q++) {
        char *table = q->sql ? rs_db_query(db, q->name, "table", NULL, err) : NULL;
        cr_expect(!table || longest_line(table) <= 100, "%s\n%s", q->name, table);
        free(table);
    }
    rs_db_columns(db, 80);
    char *table = rs_db_query(db, "points", "table", NULL, err);
    char *csv = rs_db_query(db, "points", "csv", NULL, err);
    const char *left = strstr(table, "\nleft out (--wide has it): ");
    cr_assert(left, "%s", table);
    cr_expect(strstr(left, "onchip_uj"));
    cr_expect(strstr(csv, ",onchip_uj,"));
    free(table);
    free(csv);
    /* A single row is a line a column. */
    table = rs_db_query(db, "SELECT 'a value that is forty columns wide, or so' AS one,"
                            " 'another of the same width, about forty two' AS second, 7 AS n", "table", NULL,
                        err);
    cr_expect_str_eq(table, "one     a value that is forty columns wide, or so\n"
                            "second  another of the same width, about forty two\nn       7\n");
    free(table);
    rs_db_close(db);
    rs_err_destroy(err);
}

static const struct {
    const char *what, *format, *objectives, *error;
    int code;
} wrong[] = {
    {"pionts", "table", NULL, "(did you mean `points`?)", 64},
    {"zzz", "table", NULL, "unknown query `zzz`; legal are points, latency", 64},
    {"points", "xml", NULL, "unknown format `xml`; legal are table, csv, json", 64},
    {"points", "csv", "cycles", "objectives belong to the query `pareto`", 64},
    {"pareto", "csv", "cycles,enrgy", "unknown objective `enrgy`", 64},
    {"pareto", "csv", "cycles,enrgy", "(did you mean `energy`?)", 64},
    {"pareto", "csv", ",", "no objective", 64},
    {"pareto", "csv", "time,time,time,time,time,time,time,time,time", "more than 8 objectives", 64},
    {"SELECT nope FROM point", "csv", NULL, "SQL: no such column: nope", 65},
    {"select 1 from", "csv", NULL, "SQL: incomplete input", 65},
    {"SELECT 1; DELETE FROM point", "csv", NULL, "one statement at a time", 65},
    {"WITH a AS (SELECT 1) DELETE FROM point", "csv", NULL, "change nothing", 65},
    {"DELETE FROM point", "csv", NULL, "unknown query", 64},
    {"selectx", "csv", NULL, "unknown query", 64},
};

Test(query, explains_errors)
{
    const char *path = fill("q.db");
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open_readonly(path, err);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *text = rs_db_query(db, wrong[i].what, wrong[i].format, wrong[i].objectives, err);
        cr_expect_null(text, "%s", wrong[i].what);
        cr_expect_eq(rs_err_code(err), wrong[i].code, "%s: %d", wrong[i].what, rs_err_code(err));
        cr_expect(strstr(rs_err_text(err), wrong[i].error), "%s: %s", wrong[i].what, rs_err_text(err));
        rs_err_clear(err);
        free(text);
    }
    rs_db_close(db);
    rs_err_destroy(err);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), 150);
}

static const struct {
    const char *sql, *format, *expected;
} outputs[] = {
    {"SELECT 1 AS a, 'x' AS b", "csv", "a,b\n1,x\n"},
    {"SELECT 'a,b' AS a, 'c\"d' AS \"e,f\", NULL AS g", "csv", "a,\"e,f\",g\n\"a,b\",\"c\"\"d\",\n"},
    {"SELECT 0.1 AS a, 1e300 AS b, -2.5 AS c", "csv", "a,b,c\n0.1,1e+300,-2.5\n"},
    {"SELECT 9223372036854775807 AS a, x'00ff' AS b", "csv", "a,b\n9223372036854775807,00ff\n"},
    {"SELECT 1 AS a WHERE 0", "csv", "a\n"},
    {"SELECT 'x' AS name, 1 AS n UNION ALL SELECT 'longer', 1234567", "table",
     "name          n\nx             1\nlonger  1234567\n"},
    {"SELECT 1.23456789 AS r, 'z' AS t", "table", "     r  t\n1.2346  z\n"},
    {"  with a as (select 7 as v) select v from a ; ", "csv", "v\n7\n"},
};

Test(query, formats)
{
    const char *path = fill("q.db");
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        char *text = query(path, outputs[i].sql, outputs[i].format);
        cr_expect_str_eq(text, outputs[i].expected, "%s: %s", outputs[i].sql, text);
        free(text);
    }
    struct arena a = {0};
    struct err err = {0};
    char *json = query(path, "SELECT 1 AS a, 'q\"\n' AS b, NULL AS c, 0.5 AS d, -3 AS e", "json");
    const struct ynode *root = yaml_parse(&a, "json", json, strlen(json), &err);
    cr_assert(root && root->n == 1, "%s", json);
    cr_expect_str_eq(yaml_get(root->items[0], "a")->text, "1");
    cr_expect_str_eq(yaml_get(root->items[0], "b")->text, "q\"\n");
    cr_expect_str_eq(yaml_get(root->items[0], "c")->text, "null");
    cr_expect_str_eq(yaml_get(root->items[0], "d")->text, "0.5");
    cr_expect_str_eq(yaml_get(root->items[0], "e")->text, "-3");
    free(json);
    arena_finish(&a);
    err_finish(&err);
}
