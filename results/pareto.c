/* Pareto fronts over any objectives. A job (network, phase, lengths, method,
 * technology) has one front; how it is done is what the points differ in. */
#include "results/query.h"

#include "base/arena.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_OBJECTIVES = 8, N_GROUP = 1 };

struct objective {
    const char *name, *column, *shown;
    bool maximise;
};
static const struct objective known[] = {
    {"cycles", "cycles", NULL, false},
    {"time", "time_ms", NULL, false},
    {"latency", "us_per_token", NULL, false},
    {"tokens_per_s", "tokens_per_s", NULL, true},
    {"energy", "energy_fj", "energy_uj", false},
    {"energy_onchip", "energy_onchip_fj", NULL, false},
    {"energy_offchip", "energy_offchip_fj", NULL, false},
    {"power", "power_uw", NULL, false},
    {"area", "area_um2", "area_mm2", false},
    {"utilization", "utilization", NULL, true},
    {"fmax", "fmax_hz", NULL, true},
    {"sqnr", "sqnr_db", NULL, true},
};
enum { N_KNOWN = sizeof known / sizeof known[0] };

static bool find_objective(const char *name, struct objective *out, rs_err *err)
{
    const char *names[N_KNOWN];
    bool max = !strncmp(name, "max:", 4), min = !strncmp(name, "min:", 4);
    const char *bare = max || min ? name + 4 : name;
    for (size_t i = 0; i < N_KNOWN; i++) {
        names[i] = known[i].name;
        if (strcmp(known[i].name, bare) && strcmp(known[i].column, bare))
            continue;
        *out = known[i];
        out->maximise = max || (!min && known[i].maximise);
        return true;
    }
    struct text all = {0};
    for (size_t i = 0; i < N_KNOWN; i++)
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    const char *near = text_nearest(bare, names, N_KNOWN);
    rs_err_add(err, 64, "unknown objective `%s`; legal are %s, with min: or max: before%s%s%s", bare, all.s,
               near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    text_finish(&all);
    return false;
}

static int parse_objectives(const char *list, struct objective *out, rs_err *err)
{
    char *copy = strdup(list), *save = NULL;
    int n = 0;
    for (char *name = strtok_r(copy, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
        if (n == MAX_OBJECTIVES) {
            rs_err_add(err, 64, "more than %d objectives", MAX_OBJECTIVES);
            n = -1;
            break;
        }
        if (!find_objective(name, &out[n++], err)) {
            n = -1;
            break;
        }
    }
    if (n == 0) {
        rs_err_add(err, 64, "no objective given");
        n = -1;
    }
    free(copy);
    return n;
}

/* Columns: group number, objectives (all to be minimised), then what is shown. */
static void front_sql(struct text *sql, const struct objective *obj, int n)
{
    text_add(sql, "SELECT dense_rank() OVER (ORDER BY work, phase, seq, work_tokens, batch, method,"
                  " model_version, tech_hash) AS job");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", %s%s AS o%d", obj[i].maximise ? "-" : "", obj[i].column, i);
    text_add(sql, ", work, phase, seq, batch, arch, array, engine_style, dataflow, form, chunk");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", %s", obj[i].shown ? obj[i].shown : obj[i].column);
    text_add(sql, ", method, tech, id FROM v_points WHERE 1");
    for (int i = 0; i < n; i++)
        text_printf(sql, " AND %s IS NOT NULL", obj[i].column);
    text_add(sql, " ORDER BY job");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", o%d", i);
    text_add(sql, ", key");
}

struct front {
    double *v; /* n_obj values a member of the current job's front */
    size_t n, cap;
    int n_obj;
};

/* Rows come in lexicographic order, so that a later row never beats an earlier
 * one; equal rows all stay. */
static bool dominated(const struct front *f, const double *v)
{
    for (size_t i = 0; i < f->n; i++) {
        bool no_worse = true, better = false;
        for (int k = 0; k < f->n_obj && no_worse; k++) {
            no_worse = f->v[i * (size_t)f->n_obj + (size_t)k] <= v[k];
            better |= f->v[i * (size_t)f->n_obj + (size_t)k] < v[k];
        }
        if (no_worse && better)
            return true;
    }
    return false;
}

static void front_add(struct front *f, const double *v)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xrealloc(f->v, f->cap * (size_t)f->n_obj, sizeof *f->v);
    }
    memcpy(f->v + f->n++ * (size_t)f->n_obj, v, (size_t)f->n_obj * sizeof *v);
}

static uint8_t *mark_front(struct rs_db *db, sqlite3_stmt *st, int n_obj, rs_err *err)
{
    struct front f = {.n_obj = n_obj};
    uint8_t *keep = xrealloc(NULL, 64, 1);
    size_t n = 0, cap = 64;
    int64_t job = -1;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        double v[MAX_OBJECTIVES];
        if (sqlite3_column_int64(st, 0) != job)
            f.n = 0;
        job = sqlite3_column_int64(st, 0);
        for (int k = 0; k < n_obj; k++)
            v[k] = sqlite3_column_double(st, N_GROUP + k);
        if (n == cap)
            keep = xrealloc(keep, cap *= 2, 1);
        keep[n] = !dominated(&f, v);
        if (keep[n++])
            front_add(&f, v);
    }
    free(f.v);
    if (rc == SQLITE_DONE)
        return keep;
    db_fail(db, "run the query", err);
    free(keep);
    return NULL;
}

bool pareto_query(struct rs_db *db, const char *objectives, enum output_format format, struct text *out,
                  rs_err *err)
{
    struct objective obj[MAX_OBJECTIVES];
    struct text sql = {0};
    int n = parse_objectives(objectives ? objectives : "cycles,energy,area", obj, err);
    if (n < 0)
        return false;
    front_sql(&sql, obj, n);
    sqlite3_stmt *st = db_prepare(db, sql.s, "run the query", err);
    text_finish(&sql);
    uint8_t *keep = st ? mark_front(db, st, n, err) : NULL;
    bool ok = keep && output_rows(db, st, format, keep, N_GROUP + n, out, err);
    free(keep);
    sqlite3_finalize(st);
    return ok;
}
