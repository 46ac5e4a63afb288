/* The command `sweep` on a simulator of a few formulas: threads, resuming,
 * interruption. */
#include "cli/cmd_results.h"
#include "tests/results_util.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static const char *sweep_file(const char *name, const char *axes)
{
    char text[600];
    write_scratch("soc.yaml", "name: soc\n");
    write_scratch("net_d128.yaml", "name: net\n");
    snprintf(text, sizeof text, "sweep: t\nbase: {arch: soc.yaml, work: net_d128.yaml}\n%s\n", axes);
    return write_scratch(name, text);
}

#define AXES \
    "axes: {work.form: [parallel, recurrent, chunkwise], work.seq: {from: 64, to: 1024, step: 64}," \
    " arch.engine.units: [4, 8]}\nwhere: work.seq != 512"
enum { N_AXES_POINTS = 90 };

/* Runs the command with stdout and stderr in a file; returns the exit code. */
static int run_with(const char *out, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(out, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        int code = cmd_sweep(argc, argv);
        fflush(NULL);
        _exit(code);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char *read_out(const char *path)
{
    static char text[8192];
    FILE *f = fopen(path, "r");
    cr_assert(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static int sweep(const char *file, const char *db, const char *option, const char *value)
{
    char *argv[] = {(char *)"sweep", (char *)file,   (char *)"-o", (char *)db,
                    (char *)option,  (char *)value, NULL};
    return run_with(scratch("out"), argv);
}

Test(sweep_job, any_number_of_threads_gives_the_same)
{
    const char *file = sweep_file("s.yaml", AXES);
    const char *one = scratch("1.db"), *four = scratch("4.db");
    cr_expect_eq(sweep(file, one, "-j", "1"), 0);
    cr_expect(strstr(read_out(scratch("out")), "90 of 90 points stored"), "%s", read_out(scratch("out")));
    cr_expect_eq(sweep(file, four, "-j", "4"), 0);
    cr_expect_eq(query_number(one, "SELECT count(*) FROM point"), N_AXES_POINTS);
    cr_expect_eq(query_number(one, "SELECT planned FROM sweep"), N_AXES_POINTS);
    same_dump(one, four);
    cr_expect_eq(sweep(file, one, "-j", "2"), 0);
    cr_expect(strstr(read_out(scratch("out")), "(0 new, 90 before)"), "%s", read_out(scratch("out")));
    same_dump(one, four);
}

Test(sweep_job, goes_on_after_max_points)
{
    const char *file = sweep_file("s.yaml", AXES), *whole = scratch("w.db"), *part = scratch("p.db");
    cr_expect_eq(sweep(file, whole, "-j", "2"), 0);
    cr_expect_eq(sweep(file, part, "--max-points", "7"), 0);
    cr_expect_eq(query_number(part, "SELECT count(*) FROM point"), 7);
    cr_expect_eq(sweep(file, part, "--max-points", "50"), 0);
    cr_expect_eq(query_number(part, "SELECT count(*) FROM point"), 57);
    cr_expect_eq(sweep(file, part, "-j", "3"), 0);
    same_dump(whole, part);
}

Test(sweep_job, shards_merge_to_the_whole)
{
    const char *file = sweep_file("s.yaml", AXES), *whole = scratch("w.db"), *out = scratch("m.db");
    const char *parts[] = {scratch("0.db"), scratch("1.db"), scratch("2.db")};
    static const char *const shards[] = {"0/3", "1/3", "2/3"};
    rs_err *err = rs_err_create();
    cr_expect_eq(sweep(file, whole, "-j", "2"), 0);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(sweep(file, parts[i], "--shard", shards[i]), 0);
    cr_expect(rs_db_merge(out, parts, 3, err), "%s", rs_err_text(err));
    same_dump(whole, out);
    rs_err_destroy(err);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Starts a sweep, signals it after a while, returns its exit code. */
static int interrupted(const char *file, const char *db, int sig, double *reaction)
{
    const char *out = scratch("out");
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)"sweep", (char *)file, (char *)"-o", (char *)db, (char *)"-j2", NULL};
        int fd = open(out, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        dup2(fd, 2);
        _exit(cmd_sweep(5, argv));
    }
    int status;
    usleep(700 * 1000);
    double start = seconds();
    kill(pid, sig);
    waitpid(pid, &status, 0);
    *reaction = seconds() - start;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

Test(sweep_job, survives_interruptions)
{
    const char *file = sweep_file("s.yaml", "axes: {work.sleep_ms: [60],"
                                  " work.seq: {from: 32, to: 2560, step: 32}}");
    const char *part = scratch("p.db"), *whole = scratch("w.db");
    static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
    long long before = 0;
    for (size_t i = 0; i < 3; i++) {
        double reaction;
        int code = interrupted(file, part, signals[i], &reaction);
        long long n = query_number(part, "SELECT count(*) FROM point");
        cr_expect_eq(code, i == 2 ? 1000 + SIGKILL : 75, "%d", code);
        cr_expect(reaction < 1.0, "%.2f s", reaction);
        if (i < 2)
            cr_expect(strstr(read_out(scratch("out")), "of 80 points stored; run the same command to go on"));
        cr_expect(n >= before && (i == 2 || n > before) && n < 80, "%lld", n);
        before = n;
    }
    cr_expect_eq(sweep(file, part, "-j", "8"), 0);
    cr_expect_eq(sweep(file, whole, "-j", "8"), 0);
    same_dump(whole, part);
}

Test(sweep_job, does_not_wait_for_a_long_point)
{
    const char *file = sweep_file("s.yaml", "axes: {z: [{work.sleep_ms: 1, work.seq: 64},"
                                  " {work.sleep_ms: 60000, work.seq: 128}, {work.sleep_ms: 60000}]}");
    const char *db = scratch("l.db");
    double reaction;
    cr_expect_eq(interrupted(file, db, SIGTERM, &reaction), 75);
    cr_expect(reaction < 1.0, "%.2f s", reaction);
    cr_expect_eq(query_number(db, "SELECT count(*) FROM point"), 1);
}

Test(sweep_job, stores_failures_and_counts_invalid_points)
{
    const char *file = sweep_file("s.yaml", "axes: {z: [{work.fail: 0}, {work.fail: 1}, {work.unknown: 3}],"
                                  " work.seq: [64, 128]}");
    const char *db = scratch("f.db");
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(sweep(file, db, "-j", "2"), 65);
        cr_expect(strstr(read_out(scratch("out")), "unknown key `work.unknown`"));
        cr_expect(strstr(read_out(scratch("out")), "2 of them failures, 2 invalid and not stored"), "%s",
                  read_out(scratch("out")));
        cr_expect_eq(query_number(db, "SELECT count(*) FROM point"), 2);
        cr_expect_eq(query_number(db, "SELECT count(*) FROM failure WHERE code = 78"), 2);
    }
    cr_expect_eq(query_number(db, "SELECT failed FROM v_sweep"), 2);
    cr_expect_eq(query_number(db, "SELECT message LIKE 'does not fit: %' FROM failure"), 1);
}

Test(sweep_job, values_are_an_identity_and_a_verdict)
{
    const char *axes = "axes: {work.wrong: [0, 1], work.seq: [64, 128]}", *db = scratch("v.db");
    char with[200];
    snprintf(with, sizeof with, "values: true\n%s", axes);
    cr_expect_eq(sweep(sweep_file("timed.yaml", axes), db, "-j", "2"), 0);
    cr_expect_eq(query_number(db, "SELECT count(*) FROM point WHERE has_values OR values_compared"), 0);
    cr_expect_eq(sweep(sweep_file("valued.yaml", with), db, "-j", "2"), 70);
    const char *out = read_out(scratch("out"));
    cr_expect(strstr(out, "(4 new, 0 before, 2 of them failures, 2 by a fault of this program)"), "%s", out);
    cr_expect(strstr(out, "a point fails by a fault of this program: values: row 3 is 7"), "%s", out);
    cr_expect_eq(query_number(db, "SELECT count(*) FROM point"), 6);
    cr_expect_eq(query_number(db, "SELECT count(*) FROM point WHERE has_values AND values_compared"
                                  " = 1000"), 2);
    cr_expect_eq(query_number(db, "SELECT count(*) FROM failure WHERE has_values AND code = 70 AND"
                                  " message LIKE 'values: %'"), 2);
    /* Whatever was stored before: the exit code is that of the whole sweep. */
    cr_expect_eq(sweep(sweep_file("valued.yaml", with), db, "-j", "2"), 70);
    cr_expect(strstr(read_out(scratch("out")), "(0 new, 4 before, 2 of them failures, 2 by a fault of"));
    const char *parts = scratch("parts.db");
    cr_expect_eq(sweep(sweep_file("valued.yaml", with), parts, "--max-points", "3"), 70);
    const char *all = "SELECT (SELECT count(*) FROM point) + (SELECT count(*) FROM failure)";
    cr_expect_eq(query_number(parts, all), 3);
    cr_expect_eq(sweep(sweep_file("valued.yaml", with), parts, "-j", "1"), 70);
}

Test(sweep_job, dry_run_counts)
{
    const char *file = sweep_file("s.yaml", AXES), *db = scratch("d.db");
    cr_expect_eq(sweep(file, db, "--max-points", "20"), 0);
    char *argv[] = {(char *)"sweep", (char *)file, (char *)"--dry-run", (char *)"-o", (char *)db, NULL};
    cr_expect_eq(run_with(scratch("out"), argv), 0);
    const char *out = read_out(scratch("out"));
    cr_expect(strstr(out, "points: 96\nexcluded: 6\nin this shard: 90\nstored: 20\n"), "%s", out);
    cr_expect(strstr(out, "to run: 70\n"), "%s", out);
    cr_expect_eq(query_number(db, "SELECT count(*) FROM point"), 20);
}

static const struct {
    const char *option, *value;
    int code;
} usages[] = {
    {"-j", "0", 64},       {"-j", "x", 64},       {"-j", "257", 64},  {"--shard", "3/3", 64},
    {"--shard", "1", 64},  {"--shard", "-1/3", 64}, {"--shard", "0/0", 64}, {"--max-points", "0", 64},
    {"--jobs", "2", 0},    {"--nope", "1", 64},
};

Test(sweep_job, checks_its_options)
{
    const char *file = sweep_file("s.yaml", "axes: {work.seq: [64]}");
    for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++)
        cr_expect_eq(sweep(file, scratch("u.db"), usages[i].option, usages[i].value), usages[i].code, "%s %s",
                     usages[i].option, usages[i].value);
    cr_expect_eq(sweep(sweep_file("bad.yaml", "axs: {}"), scratch("v.db"), "-j", "1"), 78);
    cr_expect_eq(sweep(scratch("none.yaml"), scratch("v.db"), "-j", "1"), 66);
    cr_expect_eq(sweep(file, scratch("no/dir.db"), "-j", "1"), 73);
    cr_expect_eq(sweep(file, file, "-j", "1"), 65);
}
