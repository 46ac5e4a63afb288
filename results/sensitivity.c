/* Which coefficient of a technology moves the answer most: every stored point is
 * priced again with each coefficient at 80 and at 120 %. The answer is the
 * energy, the area and the clock, and also which point of a job takes least. */
#include "results/db.h"

#include "base/arena.h"
#include "results/query.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOW, HIGH, N_SIDES };
enum { ENERGY, AREA, FMAX, N_FIGURES };

/* A job is what has to be computed; its points are the ways to do it. */
struct jobs {
    size_t n_points, n_jobs;
    size_t *of; /* job of each point, in order of keys */
};
struct prices {
    const rs_design *tech;
    double sum[N_FIGURES];
    double *energy_fj; /* of each point */
    size_t n;
};

static bool load_jobs(struct rs_db *db, struct jobs *jobs, rs_err *err)
{
    sqlite3_stmt *st = db_prepare(db, "SELECT dense_rank() OVER (ORDER BY p.work, p.phase, p.seq,"
                                  " p.work_tokens, p.batch, p.method, p.model_version) - 1 FROM point p"
                                  " JOIN counts c ON c.key = p.key ORDER BY p.key", "read", err);
    size_t cap = 0;
    int rc = SQLITE_DONE;
    while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (jobs->n_points == cap)
            jobs->of = xrealloc(jobs->of, cap = cap * 2 + 64, sizeof *jobs->of);
        size_t job = (size_t)sqlite3_column_int64(st, 0);
        jobs->of[jobs->n_points++] = job;
        jobs->n_jobs = job + 1 > jobs->n_jobs ? job + 1 : jobs->n_jobs;
    }
    sqlite3_finalize(st);
    return st && (rc == SQLITE_DONE || db_fail(db, "read", err));
}

static bool add_point(struct rs_db *db, const uint8_t key[16], const char *counts, uint64_t cycles,
                      uint64_t soc_hz, void *arg, rs_err *err)
{
    struct prices *p = arg;
    (void)db;
    (void)key;
    rs_result *r = rs_reprice(counts, cycles, soc_hz, p->tech, err);
    if (!r)
        return false;
    const rs_summary *s = rs_result_summary(r);
    p->energy_fj[p->n++] = (double)s->energy_fj;
    p->sum[ENERGY] += (double)s->energy_fj;
    p->sum[AREA] += (double)s->area_um2;
    p->sum[FMAX] += (double)s->fmax_hz;
    rs_result_destroy(r);
    return true;
}

static bool price_all(struct rs_db *db, const rs_design *tech, const struct jobs *jobs, struct prices *p,
                      rs_err *err)
{
    *p = (struct prices){.tech = tech};
    p->energy_fj = xrealloc(NULL, jobs->n_points + 1, sizeof *p->energy_fj);
    return db_each_point(db, add_point, p, err);
}

/* The point of least energy of each job; the first of equal ones. */
static size_t *find_best(const struct jobs *jobs, const struct prices *p)
{
    size_t *best = xrealloc(NULL, jobs->n_jobs + 1, sizeof *best);
    for (size_t j = 0; j < jobs->n_jobs; j++)
        best[j] = SIZE_MAX;
    for (size_t i = 0; i < jobs->n_points; i++) {
        size_t *b = &best[jobs->of[i]];
        if (*b == SIZE_MAX || p->energy_fj[i] < p->energy_fj[*b])
            *b = i;
    }
    return best;
}

static double percent(double v, double base)
{
    return base > 0 ? 100 * (v / base - 1) : 0;
}

struct moved { /* by one coefficient */
    double percent[N_FIGURES][N_SIDES];
    size_t new_best; /* jobs, on the worse side */
};

static bool move(struct rs_db *db, const struct jobs *jobs, const struct prices *base, const char *name,
                 struct moved *m, rs_err *err)
{
    static const double factor[N_SIDES] = {0.8, 1.2};
    size_t *before = find_best(jobs, base);
    bool ok = true;
    *m = (struct moved){.new_best = 0};
    for (int side = 0; side < N_SIDES && ok; side++) {
        rs_design *tech = rs_tech_scaled(base->tech, name, factor[side], err);
        struct prices p = {.n = 0};
        ok = tech && price_all(db, tech, jobs, &p, err);
        size_t *after = ok ? find_best(jobs, &p) : NULL, changed = 0;
        for (size_t j = 0; ok && j < jobs->n_jobs; j++)
            changed += after[j] != before[j];
        m->new_best = changed > m->new_best ? changed : m->new_best;
        for (int f = 0; f < N_FIGURES; f++)
            m->percent[f][side] = percent(p.sum[f], base->sum[f]);
        free(after);
        free(p.energy_fj);
        rs_design_destroy(tech);
    }
    free(before);
    return ok;
}

static bool put_row(struct rs_db *db, const char *name, double value, double rel_err, const struct moved *m,
                    rs_err *err)
{
    struct text sql = {0};
    text_printf(&sql, "INSERT INTO temp.sensitivity VALUES('%s',%.9g,%.9g", name, value, rel_err);
    for (int f = 0; f < N_FIGURES; f++)
        for (int side = 0; side < N_SIDES; side++)
            text_printf(&sql, ",%.6f", m->percent[f][side]);
    text_printf(&sql, ",%zu)", m->new_best);
    bool ok = db_exec(db, sql.s, "store sensitivities", err);
    text_finish(&sql);
    return ok;
}

/* Coefficients without an error are definitions: they do not move. */
static bool fill(struct rs_db *db, const struct jobs *jobs, const struct prices *base, rs_err *err)
{
    const char *name;
    double value, rel_err;
    bool ok = true;
    for (size_t i = 0; ok && (name = rs_tech_coefficient(base->tech, i, &value, &rel_err)); i++) {
        struct moved m;
        if (rel_err == 0)
            continue;
        ok = move(db, jobs, base, name, &m, err) && put_row(db, name, value, rel_err, &m, err);
    }
    return ok;
}

char *rs_db_sensitivity(rs_db *db, const rs_design *tech, const char *format, rs_err *err)
{
    struct jobs jobs = {0};
    struct prices base = {.n = 0};
    bool ok = load_jobs(db, &jobs, err) && price_all(db, tech, &jobs, &base, err);
    if (ok && jobs.n_points == 0)
        ok = rs_err_add(err, 65, "%s: no points to price", db->path);
    ok = ok && db_exec(db, "PRAGMA query_only=0", "store sensitivities", err) &&
         db_exec(db, "CREATE TEMP TABLE sensitivity(coefficient TEXT, value REAL, rel_err REAL,"
                 " energy_minus REAL, energy_plus REAL, area_minus REAL, area_plus REAL, fmax_minus REAL,"
                 " fmax_plus REAL, new_best INTEGER)", "store sensitivities", err) &&
         fill(db, &jobs, &base, err) && db_exec(db, "PRAGMA query_only=1", "store sensitivities", err);
    free(jobs.of);
    free(base.energy_fj);
    if (!ok)
        return NULL;
    return query_sql(db, "SELECT coefficient, value, rel_err, energy_minus AS energy_percent_at_80,"
                     " energy_plus AS energy_percent_at_120, area_minus AS area_percent_at_80,"
                     " area_plus AS area_percent_at_120, fmax_minus AS fmax_percent_at_80,"
                     " fmax_plus AS fmax_percent_at_120, new_best AS jobs_with_new_best"
                     " FROM temp.sensitivity ORDER BY max(abs(energy_minus), abs(energy_plus)) DESC,"
                     " max(abs(area_minus), abs(area_plus)) DESC,"
                     " max(abs(fmax_minus), abs(fmax_plus)) DESC, coefficient",
                     "energy_percent_at_80 area_percent_at_80 fmax_percent_at_80 value", format, err);
}
