/* `retsim sweep`: worker threads take points off a counter, run them and hand
 * the results to the database one at a time; the main thread watches. */
#include "cli/sweep_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whole string, decimal, at least `min`. */
static bool parse_u64(const char *s, uint64_t min, uint64_t *out)
{
    char buf[160];
    const char *why;
    return text_parse_u64(s, UNIT_NONE, out, buf, sizeof buf, &why) && *out >= min;
}

static bool parse_shard(const char *s, struct sweep_job *job)
{
    char index[32];
    const char *slash = strchr(s, '/');
    if (!slash || (size_t)(slash - s) >= sizeof index)
        return false;
    snprintf(index, sizeof index, "%.*s", (int)(slash - s), s);
    return parse_u64(index, 0, &job->shard) && parse_u64(slash + 1, 1, &job->n_shards) &&
           job->shard < job->n_shards;
}

struct sweep_args {
    const char *db, *jobs, *shard, *max;
};

/* 0, or 64 after a message. */
static int decode(const struct sweep_args *a, struct sweep_job *job)
{
    job->db_path = a->db;
    if (a->jobs && (!parse_u64(a->jobs, 1, &job->n_threads) || job->n_threads > SWEEP_MAX_THREADS))
        return cli_usage("sweep", "-j takes 1 to %d, not '%s'", SWEEP_MAX_THREADS, a->jobs);
    if (a->max && !parse_u64(a->max, 1, &job->max_points))
        return cli_usage("sweep", "--max-points takes a number from 1, not '%s'", a->max);
    if (a->shard && !parse_shard(a->shard, job))
        return cli_usage("sweep", "--shard takes I/N with 0 <= I < N, not '%s'", a->shard);
    return a->db || job->dry_run ? 0 : cli_usage("sweep", "no database: pass -o DB");
}

static int parse(int argc, char **argv, struct sweep_job *job)
{
    struct sweep_args a = {.db = NULL};
    const struct cli_option options[] = {
        {.letter = 'o', .name = "output", .arg = "DB", .text = &a.db,
         .help = "the database; created when absent"},
        {.letter = 'j', .name = "jobs", .arg = "N", .text = &a.jobs,
         .help = "threads (default: one a processor)"},
        {.name = "shard", .arg = "I/N", .text = &a.shard,
         .help = "only the points of shard I of N, 0 <= I < N"},
        {.name = "max-points", .arg = "N", .text = &a.max, .help = "stop after N new points"},
        {.name = "dry-run", .on = &job->dry_run, .help = "decode every point and say what would run"},
        {0}};
    const struct cli_command cmd = {
        .name = "sweep",
        .usage = "sweep SWEEP.yaml -o DB [-j N] [--shard I/N] [--max-points N] [--dry-run]",
        .options = options, .min_operands = 1, .max_operands = 1, .needs = "needs one sweep file",
        .about = "Runs every point of a sweep and stores it in DB. Points that DB holds already are\n"
                 "skipped: after an interruption the same command goes on. Shards are put together\n"
                 "by `retsim merge`. Exit code: 0 all done, 65 some points cannot run (see\n"
                 "`retsim query DB failures`), 70 some failed by a fault of this program, 75 interrupted,\n"
                 "78 the sweep or a file of it is wrong. Points that failed before count as well.",
        .examples = "  retsim sweep configs/sweeps/seq_latency.yaml -o seq.db\n"
                    "  retsim sweep configs/sweeps/pe_array.yaml -o part3.db --shard 3/8\n"};
    size_t n;
    int code = cli_parse(&cmd, argc, argv, &n);
    if (code)
        return code;
    job->path = argv[0];
    return decode(&a, job);
}

static bool open_db(struct sweep_job *job)
{
    if (!job->dry_run)
        job->db = rs_db_open(job->db_path, job->err);
    else if (job->db_path && access(job->db_path, F_OK) == 0)
        job->db = rs_db_open_readonly(job->db_path, job->err);
    return job->db || rs_err_code(job->err) == 0;
}

static int report_dry(const struct sweep_job *job)
{
    printf("sweep: %s\npoints: %llu\nexcluded: %llu\nin this shard: %llu\nstored: %llu\nfailed before: %llu\n"
           "invalid: %llu\nto run: %llu\n", rs_sweep_name(job->sweep),
           (unsigned long long)rs_sweep_count(job->sweep),
           (unsigned long long)(rs_sweep_count(job->sweep) - job->n_planned),
           (unsigned long long)job->n_mine, (unsigned long long)job->n_skipped,
           (unsigned long long)job->n_failed_before, (unsigned long long)job->n_invalid,
           (unsigned long long)job->n_new);
    return job->n_invalid ? 65 : 0;
}

/* Stored in the database: results and failures alike, of this shard. */
static uint64_t n_stored(const struct sweep_job *job)
{
    return job->n_new + job->n_skipped + job->n_failed + job->n_failed_before;
}

static int report(struct sweep_job *job, bool interrupted)
{
    unsigned long long stored = n_stored(job), mine = job->n_mine;
    unsigned long long failures = job->n_failed + job->n_failed_before, invalid = job->n_invalid;
    if (job->db_code)
        return job->db_code;
    if (interrupted) {
        fprintf(stderr, "retsim sweep: interrupted: %llu of %llu points stored; run the same command to go "
                "on\n", stored, mine);
        return 75;
    }
    fprintf(stderr, "retsim sweep: %s: %llu of %llu points stored in %s (%llu new, %llu before",
            rs_sweep_name(job->sweep), stored, mine, job->db_path,
            (unsigned long long)(job->n_new + job->n_failed),
            (unsigned long long)(job->n_skipped + job->n_failed_before));
    if (failures)
        fprintf(stderr, ", %llu of them failures", failures);
    if (job->n_faults)
        fprintf(stderr, ", %llu by a fault of this program", (unsigned long long)job->n_faults);
    if (invalid)
        fprintf(stderr, ", %llu invalid and not stored", invalid);
    fprintf(stderr, ") in %.1f s\n", sweep_job_seconds(job));
    return job->n_faults ? 70 : failures + invalid ? 65 : 0;
}

static void finish(struct sweep_job *job)
{
    sweep_job_finish(job);
    rs_db_close(job->db);
    rs_sweep_destroy(job->sweep);
    rs_err_destroy(job->err);
}

static int run(struct sweep_job *job)
{
    job->err = rs_err_create();
    job->sweep = rs_sweep_load(job->path, job->err);
    bool ok = job->sweep && rs_sweep_validate(job->sweep, job->err) && sweep_job_prepare(job);
    if (ok && !job->n_planned)
        ok = rs_err_add(job->err, 78, "%s: `where` leaves no point", job->path);
    ok = ok && open_db(job);
    if (ok && !job->dry_run)
        ok = rs_db_put_sweep(job->db, job->sweep, job->n_planned, job->err);
    if (!ok) {
        int code = rs_err_code(job->err);
        fputs(rs_err_text(job->err), stderr);
        finish(job);
        return code;
    }
    enum sweep_end end = sweep_job_run(job);
    int code = job->dry_run && end == SWEEP_DONE ? report_dry(job) : report(job, end != SWEEP_DONE);
    if (end == SWEEP_LEFT_RUNNING) { /* a worker is deep in a long point: nothing of it is kept */
        fflush(stdout);
        _exit(code);
    }
    finish(job);
    return code;
}

int cmd_sweep(int argc, char **argv)
{
    struct sweep_job job = {.n_shards = 1};
    int code = parse(argc, argv, &job);
    if (code)
        return code == CLI_DONE ? 0 : code;
    return run(&job);
}
