/* One run of a sweep: shared state of the worker threads. */
#ifndef CLI_SWEEP_JOB_H
#define CLI_SWEEP_JOB_H

#include "cli/cmd_results.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { SWEEP_MAX_THREADS = 256, SWEEP_MAX_MESSAGES = 3 };
enum sweep_end { SWEEP_DONE, SWEEP_INTERRUPTED, SWEEP_LEFT_RUNNING };

struct sweep_base { /* a triple of files, loaded once */
    const char *arch, *work, *tech;
    rs_design *design;
};

struct sweep_job {
    const char *path, *db_path;
    uint64_t n_threads, shard, n_shards, max_points;
    bool dry_run;
    rs_sweep *sweep;
    rs_db *db;
    rs_err *err; /* the main thread's */
    struct sweep_base *bases;
    size_t n_bases;
    uint64_t n_planned, n_mine; /* after constraints: in all, in this shard */
    struct timespec started;
    pthread_t main_thread;
    atomic_uint_fast64_t next, n_started;
    atomic_bool stop;
    atomic_uint n_active;
    pthread_mutex_t lock; /* guards the database and all that follows */
    bool db_closed;
    int db_code;
    uint64_t n_new, n_skipped, n_failed, n_failed_before, n_invalid;
    uint64_t n_faults; /* failures by a fault of this program, now or before */
    double best_rate; /* tokens a second */
};

/* Counts the points and loads the files that they start from. */
bool sweep_job_prepare(struct sweep_job *job);
/* Runs until done, interrupted or broken (db_code set, message printed). The
 * database is flushed; after SWEEP_LEFT_RUNNING it is closed too. */
enum sweep_end sweep_job_run(struct sweep_job *job);
double sweep_job_seconds(const struct sweep_job *job);
void sweep_job_finish(struct sweep_job *job);

#endif
