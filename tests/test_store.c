#include "base/yamldoc.h"
#include "results/db.h"
#include "tests/results_util.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { N_POINTS = 36 };

/* Point i of a small sweep: 3 forms x 4 sequence lengths x 3 arrays. */
static rs_design *design(unsigned i, const char *tech)
{
    static const char *const forms[] = {"parallel", "recurrent", "chunkwise"};
    char form[40], seq[40], units[40];
    const char *sets[] = {form, seq, units};
    rs_err *err = rs_err_create();
    snprintf(form, sizeof form, "work.form=%s", forms[i % 3]);
    snprintf(seq, sizeof seq, "work.seq=%u", 64u << (2 * (i / 3 % 4)));
    snprintf(units, sizeof units, "arch.engine.units=%u", 4u << (i / 12));
    rs_design *d = rs_design_load("soc.yaml", "net_d128.yaml", tech, sets, 3, err);
    cr_assert(d);
    rs_err_destroy(err);
    return d;
}

static bool put(rs_db *db, unsigned i, const char *tech, rs_err *err)
{
    rs_options options;
    rs_options_default(&options);
    rs_design *d = design(i, tech);
    rs_result *r = rs_run(d, &options, err);
    bool ok = rs_db_put(db, d, &options, r, "test", err);
    rs_result_destroy(r);
    rs_design_destroy(d);
    return ok;
}

/* Points from, from + step, ... (modulo N_POINTS), n of them. */
static const char *fill(const char *name, unsigned from, unsigned step, unsigned n)
{
    const char *path = scratch(name);
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    cr_assert(db, "%s", rs_err_text(err));
    for (unsigned k = 0; k < n; k++)
        cr_assert(put(db, (from + k * step) % N_POINTS, NULL, err), "%s", rs_err_text(err));
    rs_db_close(db);
    rs_err_destroy(err);
    return path;
}

Test(store, keeps_what_was_put)
{
    const char *path = fill("a.db", 0, 1, N_POINTS);
    rs_options options;
    rs_options_default(&options);
    rs_err *err = rs_err_create();
    rs_design *d = design(5, NULL);
    rs_result *r = rs_run(d, &options, err);
    const rs_summary *s = rs_result_summary(r);
    const struct { const char *sql; uint64_t expected; } numbers[] = {
        {"SELECT cycles FROM point", s->cycles},
        {"SELECT macs_issued FROM point", s->macs_issued},
        {"SELECT energy_fj FROM price NATURAL JOIN point", s->energy_fj},
        {"SELECT energy_idle_fj FROM price NATURAL JOIN point", s->energy_idle_fj},
        {"SELECT area_um2 FROM price NATURAL JOIN point", s->area_um2},
        {"SELECT fmax_hz FROM price NATURAL JOIN point", s->fmax_hz},
        {"SELECT sum(b.cycles) FROM breakdown b JOIN point p USING(key)", s->cycles},
        {"SELECT sum(l.cycles) FROM layer l JOIN point p USING(key)", s->cycles},
        {"SELECT sum(a.energy_fj) FROM action a JOIN point p USING(key)", s->energy_fj},
        {"SELECT sum(c.area_um2) FROM component c JOIN point p USING(key)", s->area_um2},
        {"SELECT bytes FROM traffic t JOIN point p USING(key)", rs_result_traffic(r, &(size_t){0})[0].value},
        {"SELECT bytes FROM home h JOIN point p USING(key)", rs_result_homes(r, &(size_t){0})[0].bytes},
        {"SELECT units * 1000 + length FROM point", 4032},
        {"SELECT coalesce(rows, 77) FROM point", 77},
        {"SELECT value FROM setting s JOIN point p ON s.hash = p.work_hash AND s.key = 'work.seq' JOIN "
         "(SELECT 1)", 256},
        {"SELECT count(*) FROM sweep_point s JOIN point p USING(key)", 1},
        {"SELECT attempts FROM provenance r JOIN point p USING(key)", 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char sql[300];
        snprintf(sql, sizeof sql, "%s WHERE form = 'chunkwise' AND seq = 256 AND units = 4", numbers[i].sql);
        cr_expect_eq(query_number(path, sql), (long long)numbers[i].expected, "%s: %lld", sql,
                     query_number(path, sql));
    }
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), N_POINTS);
    cr_expect_eq(query_number(path, "SELECT chunk FROM point WHERE form = 'chunkwise'"), 64);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point WHERE form <> 'chunkwise' AND chunk IS NULL"),
                 24);
    cr_expect_eq(query_number(path, "SELECT min(typeof(value)) = 'integer' FROM setting"
                                    " WHERE key = 'work.seq'"),
                 1);
    cr_expect_eq(query_number(path, "SELECT min(typeof(value)) = 'text' FROM setting"
                                    " WHERE key = 'work.form'"),
                 1);
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
}

Test(store, order_of_insertion_does_not_matter)
{
    const char *a = fill("a.db", 0, 1, N_POINTS), *b = fill("b.db", 35, 35, N_POINTS);
    const char *c = fill("c.db", 7, 5, N_POINTS);
    same_dump(a, b);
    same_dump(a, c);
}

Test(store, putting_twice_changes_nothing_but_attempts)
{
    const char *a = fill("a.db", 0, 1, N_POINTS);
    char *before = dump(a);
    fill("a.db", 3, 1, N_POINTS);
    char *after = dump(scratch("a.db"));
    cr_expect_str_eq(before, after);
    cr_expect_eq(query_number(a, "SELECT sum(attempts) FROM provenance"), 2 * N_POINTS);
    free(before);
    free(after);
}

Test(store, refuses_a_different_result_for_the_same_point)
{
    const char *path = fill("a.db", 0, 1, 3);
    char *before = dump(path);
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    fake_skew = 1;
    cr_expect_not(put(db, 1, NULL, err));
    cr_expect_eq(rs_err_code(err), 65);
    cr_expect(strstr(rs_err_text(err), "another result for the same point"));
    fake_skew = 0;
    rs_err_clear(err);
    cr_expect(put(db, 4, NULL, err), "the connection still works");
    rs_db_close(db);
    char *after = dump(path);
    cr_expect(strncmp(before, after, 200) == 0 && strcmp(before, after) != 0);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), 4);
    free(before);
    free(after);
    rs_err_destroy(err);
}

Test(store, technologies_price_one_point_twice)
{
    const char *path = scratch("t.db");
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    cr_assert(put(db, 0, "t22.yaml", err) && put(db, 0, "t65.yaml", err), "%s", rs_err_text(err));
    rs_options options;
    rs_options_default(&options);
    static const struct { const char *tech; rs_stored expected; } rows[] = {
        {"t22.yaml", RS_STORED}, {"t65.yaml", RS_STORED}, {"t7.yaml", RS_ABSENT}};
    for (size_t i = 0; i < 3; i++) {
        rs_design *d = design(0, rows[i].tech);
        rs_stored stored;
        uint8_t key[16];
        rs_design_key(d, &options, key);
        cr_expect(rs_db_lookup(db, d, &options, NULL, &stored, err));
        cr_expect_eq(stored, rows[i].expected, "%s", rows[i].tech);
        cr_expect(rs_db_has(db, key));
        rs_design_destroy(d);
    }
    rs_db_close(db);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), 1);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM price"), 2);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM breakdown"), 11);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM component"), 16);
    rs_err_destroy(err);
}

Test(store, failures)
{
    const char *path = scratch("f.db");
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    rs_options options;
    rs_options_default(&options);
    rs_design *d = design(2, NULL);
    rs_stored stored;
    cr_expect(rs_db_lookup(db, d, &options, NULL, &stored, err) && stored == RS_ABSENT);
    cr_expect(rs_db_put_failure(db, d, &options, 78, "too big, by 3 bytes", "s1", err));
    cr_expect(rs_db_lookup(db, d, &options, "s2", &stored, err) && stored == RS_FAILED);
    cr_expect(rs_db_put_failure(db, d, &options, 78, "too big, by 3 bytes", "s1", err), "idempotent");
    rs_db_close(db);
    char *csv = query(path, "failures", "csv");
    cr_expect(strstr(csv, "net_d128,soc,prefill,chunkwise,64,64,,78,\"too big, by 3 bytes\"\n"), "%s", csv);
    free(csv);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM sweep_point"), 2);
    db = rs_db_open(path, err);
    cr_expect(put(db, 2, NULL, err), "%s", rs_err_text(err));
    cr_expect(rs_db_lookup(db, d, &options, NULL, &stored, err) && stored == RS_STORED);
    cr_expect_not(rs_db_put_failure(db, d, &options, 78, "now it fails", NULL, err));
    cr_expect_eq(rs_err_code(err), 65);
    rs_db_close(db);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM failure"), 0);
    rs_design_destroy(d);
    rs_err_destroy(err);
}

Test(merge, shards_give_the_whole)
{
    const char *whole = fill("whole.db", 0, 1, N_POINTS), *out = scratch("out.db");
    const char *in[] = {fill("p0.db", 0, 3, 12), fill("p1.db", 1, 3, 12), fill("p2.db", 2, 3, 12),
                        fill("p'3 %?#.db", 5, 1, 20)};
    rs_err *err = rs_err_create();
    cr_expect(rs_db_merge(out, in, 4, err), "%s", rs_err_text(err));
    same_dump(whole, out);
    cr_expect(rs_db_merge(out, in, 4, err), "merging again changes nothing: %s", rs_err_text(err));
    same_dump(whole, out);
    cr_expect_eq(query_number(out, "SELECT count(*) FROM provenance"), N_POINTS);
    cr_expect_not(rs_db_merge(out, &out, 1, err));
    cr_expect_eq(rs_err_code(err), 64);
    rs_err_destroy(err);
}

/* Each row changes one table of a copy: the merge must notice, and add nothing. */
static const char *const damages[] = {
    "UPDATE point SET cycles = cycles + 1", "UPDATE point SET utilization = NULL",
    "UPDATE price SET energy_fj = energy_fj + 1", "UPDATE breakdown SET cycles = cycles + 1 WHERE ord = 3",
    "UPDATE action SET count = count + 1 WHERE ord = 7", "UPDATE layer SET layer = 'x' WHERE ord = 1",
    "UPDATE setting SET value = 3 WHERE key = 'work.seq'", "UPDATE config SET text = 'x' WHERE part = 'arch'",
    "DELETE FROM layer WHERE ord = 2", "DELETE FROM component WHERE ord = 0",
    "INSERT INTO note SELECT key, tech_hash, 9, 'new' FROM note",
    ("INSERT INTO failure SELECT key, tech_hash, arch_hash, work_hash, method, 0, '', arch, work, tech, form,"
     " phase, seq, chunk, 78, 'x' FROM point JOIN price USING(key); DELETE FROM point; DELETE FROM price"),
};

Test(merge, notices_every_disagreement)
{
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        const char *a = fill("a.db", 0, 1, 4), *b = fill("b.db", 2, 1, 4);
        sqlite3 *sql;
        cr_assert_eq(sqlite3_open(b, &sql), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(sql, damages[i], NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(sql));
        sqlite3_close(sql);
        char *before = dump(a);
        rs_err *err = rs_err_create();
        cr_expect_not(rs_db_merge(a, &b, 1, err), "%s", damages[i]);
        cr_expect_eq(rs_err_code(err), 65, "%s: %s", damages[i], rs_err_text(err));
        cr_expect(strstr(rs_err_text(err), "disagree in table"), "%s", rs_err_text(err));
        char *after = dump(a);
        cr_expect_str_eq(before, after);
        free(before);
        free(after);
        unlink(a);
        unlink(b);
        rs_err_destroy(err);
    }
}

static int open_code(const char *path, const char *text)
{
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    int code = rs_err_code(err);
    cr_expect_null(db, "%s", path);
    cr_expect(strstr(rs_err_text(err), text), "%s: %s", path, rs_err_text(err));
    rs_db_close(db);
    rs_err_clear(err);
    if (code == 65) {
        cr_expect_null(rs_db_open_readonly(path, err));
        cr_expect_eq(rs_err_code(err), 65);
    }
    rs_err_destroy(err);
    return code;
}

Test(open, refuses_what_is_not_ours)
{
    const char *other = scratch("other.db"), *newer = fill("newer.db", 0, 1, 1);
    sqlite3 *sql;
    sqlite3_open(other, &sql);
    sqlite3_exec(sql, "CREATE TABLE t(a); INSERT INTO t VALUES(1)", NULL, NULL, NULL);
    sqlite3_close(sql);
    sqlite3_open(newer, &sql);
    sqlite3_exec(sql, "PRAGMA user_version = 99", NULL, NULL, NULL);
    sqlite3_close(sql);
    cr_expect_eq(open_code(other, "not one of retsim's"), 65);
    cr_expect_eq(open_code(newer, "written by a newer retsim (format 99"), 65);
    cr_expect_eq(open_code(write_scratch("text.db", "hello, this is no database at all, is it?"),
                           "no SQLite database"), 65);
    cr_expect_eq(open_code(scratch("no/such/dir.db"), "cannot open for writing"), 73);
    rs_err *err = rs_err_create();
    cr_expect_null(rs_db_open_readonly(scratch("absent.db"), err));
    cr_expect_eq(rs_err_code(err), 66);
    rs_err_destroy(err);
}

Test(open, sets_what_it_should)
{
    const char *path = fill("a.db", 0, 1, 1);
    cr_expect_eq(query_number(path, "SELECT application_id FROM pragma_application_id"), DB_APPLICATION_ID);
    cr_expect_eq(query_number(path, "SELECT user_version FROM pragma_user_version"), DB_USER_VERSION);
    char *mode = query(path, "SELECT journal_mode FROM pragma_journal_mode", "csv");
    cr_expect_str_eq(mode, "journal_mode\nwal\n");
    free(mode);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND"
                                    " sql NOT LIKE '%STRICT, WITHOUT ROWID'"), 0);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), 16);
    cr_expect_neq(access(scratch("a.db-wal"), F_OK), 0, "reading leaves no log behind");
}

Test(open, another_writer_is_an_error_and_not_a_loss)
{
    const char *path = fill("a.db", 0, 1, 5);
    sqlite3 *sql;
    sqlite3_open(path, &sql);
    sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    cr_assert(db, "%s", rs_err_text(err));
    sqlite3_busy_timeout(db->sql, 20);
    cr_expect_not(put(db, 9, NULL, err));
    cr_expect_eq(rs_err_code(err), 74);
    cr_expect(strstr(rs_err_text(err), "another process is writing"), "%s", rs_err_text(err));
    sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(sql);
    rs_err_clear(err);
    cr_expect(put(db, 9, NULL, err), "%s", rs_err_text(err));
    rs_db_close(db);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), 6);
    rs_err_destroy(err);
}

/* A limit on the size of files stands for the full disk. */
Test(open, full_disk_keeps_what_was_committed)
{
    const char *path = fill("a.db", 0, 1, 5);
    struct rlimit limit, small;
    struct stat st;
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    stat(path, &st);
    small = limit;
    small.rlim_cur = (rlim_t)st.st_size + 20000;
    bool ok = true;
    unsigned i = 5, flushed = 5;
    setrlimit(RLIMIT_FSIZE, &small);
    for (; ok && i < N_POINTS; i++) {
        ok = put(db, i, NULL, err) && rs_db_flush(db, err);
        flushed += ok;
    }
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_expect_not(ok, "the limit was not reached");
    cr_expect_eq(rs_err_code(err), 74, "%s", rs_err_text(err));
    rs_db_close(db);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), flushed);
    cr_expect_eq(query_number(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    fill("a.db", 0, 1, N_POINTS);
    same_dump(path, fill("b.db", 0, 1, N_POINTS));
    rs_err_destroy(err);
}

Test(open, a_killed_writer_loses_only_what_it_did_not_commit)
{
    const char *path = scratch("k.db");
    pid_t pid = fork();
    if (pid == 0) {
        rs_err *err = rs_err_create();
        rs_db *db = rs_db_open(path, err);
        bool ok = db != NULL;
        for (unsigned i = 0; ok && i < 7; i++)
            ok = put(db, i, NULL, err);
        ok = ok && rs_db_flush(db, err) && put(db, 8, NULL, err);
        _exit(ok ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_expect_eq(query_number(path, "SELECT count(*) FROM point"), 7);
    fill("k.db", 0, 1, N_POINTS);
    same_dump(path, fill("b.db", 0, 1, N_POINTS));
}
