#include "cli/sweep_job.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static const struct sweep_base *find_base(const struct sweep_job *job, const rs_point *p)
{
    for (size_t i = 0; i < job->n_bases; i++) {
        const struct sweep_base *b = &job->bases[i];
        if (same_text(b->work, p->work_path) && same_text(b->arch, p->arch_path) &&
            same_text(b->tech, p->tech_path))
            return b;
    }
    return NULL;
}

static bool add_base(struct sweep_job *job, const rs_point *p)
{
    rs_design *design = rs_design_load(p->arch_path, p->work_path, p->tech_path, NULL, 0, job->err);
    struct sweep_base *bases = design ? realloc(job->bases, (job->n_bases + 1) * sizeof *bases) : NULL;
    if (!bases) {
        rs_design_destroy(design);
        return design ? rs_err_add(job->err, 70, "out of memory") : false;
    }
    job->bases = bases;
    bases[job->n_bases++] = (struct sweep_base){p->arch_path, p->work_path, p->tech_path, design};
    return true;
}

bool sweep_job_prepare(struct sweep_job *job)
{
    rs_point_buf *buf = rs_point_buf_create(job->sweep);
    uint64_t n = rs_sweep_count(job->sweep);
    bool ok = true;
    for (uint64_t i = 0; ok && i < n; i++) {
        rs_point p = rs_sweep_point(job->sweep, i, buf);
        if (p.excluded)
            continue;
        job->n_planned++;
        if (!rs_sweep_in_shard(job->sweep, i, job->shard, job->n_shards))
            continue;
        job->n_mine++;
        ok = find_base(job, &p) || add_base(job, &p);
    }
    rs_point_buf_destroy(buf);
    return ok;
}

void sweep_job_finish(struct sweep_job *job)
{
    for (size_t i = 0; i < job->n_bases; i++)
        rs_design_destroy(job->bases[i].design);
    free(job->bases);
}

double sweep_job_seconds(const struct sweep_job *job)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - job->started.tv_sec) + (double)(now.tv_nsec - job->started.tv_nsec) / 1e9;
}

/* What the error says, without places and source lines: these differ from
 * host to host, and a stored failure must not. */
static void plain_message(rs_err *err, char *out, size_t size)
{
    size_t at = 0;
    const char *mark = "error: ";
    out[0] = '\0';
    for (const char *p = strstr(rs_err_text(err), mark); p && at + 1 < size; p = strstr(p, mark)) {
        p += strlen(mark);
        int len = (int)strcspn(p, "\n");
        int n = snprintf(out + at, size - at, "%s%.*s", at ? "; " : "", len, p);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void broken(struct sweep_job *job, rs_err *err)
{
    if (!job->db_code)
        fputs(rs_err_text(err), stderr);
    job->db_code = job->db_code ? job->db_code : rs_err_code(err);
    job->stop = true;
}

/* A point whose configuration is illegal has no identity to be stored under. */
static void invalid(struct sweep_job *job, uint64_t n, const rs_point *p, rs_err *err)
{
    char message[1024];
    plain_message(err, message, sizeof message);
    pthread_mutex_lock(&job->lock);
    if (job->n_invalid++ < SWEEP_MAX_MESSAGES) {
        fprintf(stderr, "retsim sweep: point %llu is invalid:", (unsigned long long)n);
        for (size_t i = 0; i < p->n_sets; i++)
            fprintf(stderr, " %s", p->sets[i]);
        fprintf(stderr, ": %s\n", message);
    }
    pthread_mutex_unlock(&job->lock);
}

/* True when the point has to be run. */
static bool is_new(struct sweep_job *job, const rs_design *design, const rs_options *options, rs_err *err)
{
    rs_stored stored = RS_ABSENT;
    const char *name = job->dry_run ? NULL : rs_sweep_name(job->sweep);
    pthread_mutex_lock(&job->lock);
    bool ok = !job->db || job->db_closed || rs_db_lookup(job->db, design, options, name, &stored, err);
    if (!ok)
        broken(job, err);
    job->n_skipped += stored == RS_STORED;
    job->n_failed_before += stored == RS_FAILED || stored == RS_FAULT;
    job->n_faults += stored == RS_FAULT;
    if (job->dry_run && stored == RS_ABSENT)
        job->n_new++;
    pthread_mutex_unlock(&job->lock);
    return ok && stored == RS_ABSENT && !job->dry_run;
}

static void store(struct sweep_job *job, const rs_design *design, const rs_options *options,
                  const rs_result *result, rs_err *run_err)
{
    const char *name = rs_sweep_name(job->sweep);
    char message[2048];
    rs_err *err = rs_err_create();
    int code = rs_err_code(run_err);
    if (!result)
        plain_message(run_err, message, sizeof message);
    pthread_mutex_lock(&job->lock);
    if (job->db_closed || job->stop) {
        pthread_mutex_unlock(&job->lock);
        rs_err_destroy(err);
        return;
    }
    bool ok = result ? rs_db_put(job->db, design, options, result, name, err)
                     : rs_db_put_failure(job->db, design, options, code, message, name, err);
    if (!ok)
        broken(job, err);
    job->n_new += ok && result;
    job->n_failed += ok && !result;
    if (!result && code == 70 && job->n_faults++ < SWEEP_MAX_MESSAGES)
        fprintf(stderr, "retsim sweep: a point fails by a fault of this program: %s\n", message);
    if (result && rs_result_summary(result)->tokens_per_s > job->best_rate)
        job->best_rate = rs_result_summary(result)->tokens_per_s;
    pthread_mutex_unlock(&job->lock);
    rs_err_destroy(err);
}

static void run_new(struct sweep_job *job, const rs_design *design, const rs_options *options, rs_err *err)
{
    if (job->max_points && job->n_started++ >= job->max_points) {
        job->next = rs_sweep_count(job->sweep);
        return;
    }
    rs_result *result = rs_run(design, options, err);
    store(job, design, options, result, err);
    rs_result_destroy(result);
}

static void run_point(struct sweep_job *job, uint64_t n, const rs_point *p, rs_memory *memory)
{
    rs_err *err = rs_err_create();
    rs_options options;
    rs_options_default(&options);
    options.method = rs_sweep_method(job->sweep);
    options.quality = rs_sweep_quality(job->sweep);
    options.values = rs_sweep_values(job->sweep);
    options.memory = memory;
    const struct sweep_base *base = find_base(job, p);
    rs_design *design = rs_design_with(base->design, p->sets, p->n_sets, err);
    if (!design)
        invalid(job, n, p, err);
    else if (is_new(job, design, &options, err))
        run_new(job, design, &options, err);
    rs_design_destroy(design);
    rs_err_destroy(err);
}

static void *work(void *arg)
{
    struct sweep_job *job = arg;
    rs_point_buf *buf = rs_point_buf_create(job->sweep);
    rs_memory *memory = rs_memory_create();
    uint64_t count = rs_sweep_count(job->sweep), n;
    while (!job->stop && (n = job->next++) < count) {
        if (!rs_sweep_in_shard(job->sweep, n, job->shard, job->n_shards))
            continue;
        rs_point p = rs_sweep_point(job->sweep, n, buf);
        if (!p.excluded)
            run_point(job, n, &p, memory);
    }
    rs_memory_destroy(memory);
    rs_point_buf_destroy(buf);
    if (--job->n_active == 0)
        pthread_kill(job->main_thread, SIGUSR2); /* wakes it at once */
    return NULL;
}

static bool shows_progress(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
}

static void show_progress(struct sweep_job *job)
{
    double s = sweep_job_seconds(job);
    pthread_mutex_lock(&job->lock);
    uint64_t ran = job->n_new + job->n_failed;
    uint64_t done = ran + job->n_skipped + job->n_failed_before + job->n_invalid;
    double best = job->best_rate;
    pthread_mutex_unlock(&job->lock);
    double rate = s > 0 ? (double)done / s : 0;
    unsigned long left = rate > 0 ? (unsigned long)((double)(job->n_mine - done) / rate) : 0;
    char line[200], si[32];
    int n = snprintf(line, sizeof line, "%llu/%llu points, %.3g/s, ETA %lu:%02lu", (unsigned long long)done,
                     (unsigned long long)job->n_mine, rate, left / 60, left % 60);
    if (best > 0)
        snprintf(line + n, sizeof line - (size_t)n, ", best so far %s tokens/s",
                 text_si(best, si, sizeof si));
    fprintf(stderr, "\r%-78s", line);
}

static void clear_progress(void)
{
    fprintf(stderr, "\r%78s\r", "");
}

/* Commits what is older than a second even while all workers are in long points. */
static void commit_old(struct sweep_job *job)
{
    rs_err *err = rs_err_create();
    pthread_mutex_lock(&job->lock);
    if (!job->dry_run && !rs_db_flush(job->db, err))
        broken(job, err);
    pthread_mutex_unlock(&job->lock);
    rs_err_destroy(err);
}

/* Waits for the workers; false when a signal came first. */
static bool watch(struct sweep_job *job, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = 200 * 1000 * 1000};
    bool progress = shows_progress() && !job->dry_run;
    for (unsigned ticks = 1; job->n_active; ticks++) {
        int sig = sigtimedwait(signals, NULL, &tick);
        if (sig > 0 && sig != SIGUSR2)
            break;
        if (progress)
            show_progress(job);
        if (ticks % 5 == 0)
            commit_old(job);
    }
    if (progress)
        clear_progress();
    return job->n_active == 0;
}

/* After a signal: a moment for short points, then the database is closed so
 * that nothing is lost, whatever the workers do. */
static enum sweep_end interrupt(struct sweep_job *job, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = 50 * 1000 * 1000};
    job->stop = true;
    for (int i = 0; i < 6 && job->n_active; i++)
        sigtimedwait(signals, NULL, &tick);
    commit_old(job);
    if (job->n_active == 0)
        return SWEEP_INTERRUPTED;
    pthread_mutex_lock(&job->lock);
    rs_db_close(job->db);
    job->db_closed = true;
    pthread_mutex_unlock(&job->lock);
    return SWEEP_LEFT_RUNNING;
}

static unsigned start_threads(struct sweep_job *job, pthread_t *threads)
{
    unsigned wanted = (unsigned)job->n_threads, n = 0;
    job->n_active = wanted;
    while (n < wanted && pthread_create(&threads[n], NULL, work, job) == 0)
        n++;
    for (unsigned i = n; i < wanted; i++) {
        if (--job->n_active == 0)
            pthread_kill(job->main_thread, SIGUSR2);
    }
    return n;
}

enum sweep_end sweep_job_run(struct sweep_job *job)
{
    pthread_t threads[SWEEP_MAX_THREADS];
    sigset_t signals, before;
    if (!job->n_threads) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        job->n_threads = n < 1 ? 1 : n > SWEEP_MAX_THREADS ? SWEEP_MAX_THREADS : (uint64_t)n;
    }
    sigemptyset(&signals);
    for (size_t i = 0; i < 4; i++)
        sigaddset(&signals, (const int[]){SIGINT, SIGTERM, SIGHUP, SIGUSR2}[i]);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    pthread_mutex_init(&job->lock, NULL);
    job->main_thread = pthread_self();
    clock_gettime(CLOCK_MONOTONIC, &job->started);
    unsigned n = start_threads(job, threads);
    enum sweep_end end = watch(job, &signals) ? SWEEP_DONE : interrupt(job, &signals);
    if (end == SWEEP_LEFT_RUNNING)
        return end;
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    commit_old(job);
    const struct timespec none = {0};
    while (sigtimedwait(&signals, NULL, &none) > 0) /* what came in too late to matter */
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return end;
}
