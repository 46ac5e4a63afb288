/* Pareto fronts over any objectives. A job (network, phase, lengths, method,
 * technology) has one front; how it is done is what the points differ in. */
#include "results/query.h"

#include "base/arena.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OBJECTIVES = 8, N_GROUP = 1 };

struct objective {
    const char *name, *column, *shown;
    bool maximise;
    const char *rel_err; /* column of its relative error; NULL: exact */
};
static const struct objective known[] = {
    {"cycles", "cycles", NULL, false, NULL},
    {"time", "time_ms", NULL, false, NULL},
    {"latency", "us_per_token", NULL, false, NULL},
    {"tokens_per_s", "tokens_per_s", NULL, true, NULL},
    {"energy", "energy_fj", "energy_uj", false, "energy_rel_err"},
    {"energy_onchip", "energy_onchip_fj", NULL, false, "energy_rel_err"},
    {"energy_offchip", "energy_offchip_fj", NULL, false, "energy_rel_err"},
    {"power", "power_uw", NULL, false, "energy_rel_err"},
    {"area", "area_um2", "area_mm2", false, "area_rel_err"},
    {"utilization", "utilization", NULL, true, NULL},
    {"fmax", "fmax_hz", NULL, true, "fmax_rel_err"},
    {"sqnr", "sqnr_db", NULL, true, NULL},
    {"bits_per_byte", "bits_per_byte", NULL, false, NULL},
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

/* In order of rows: the job, then the objectives. */
static void add_order(struct text *sql, int n)
{
    text_add(sql, " ORDER BY job");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", o%d", i);
    text_add(sql, ", key");
}

/* Columns: group number, objectives (all to be minimised), their absolute
 * errors, then what is shown. */
static void front_sql(struct text *sql, const struct objective *obj, int n)
{
    text_add(sql, "WITH ranked AS (SELECT dense_rank() OVER (ORDER BY work, phase, seq, work_tokens, batch,"
                  " method, model_version, tech) AS job");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", %s%s AS o%d", obj[i].maximise ? "-" : "", obj[i].column, i);
    for (int i = 0; i < n; i++)
        if (obj[i].rel_err)
            text_printf(sql, ", abs(%s) * coalesce(%s, 0) AS e%d", obj[i].column, obj[i].rel_err, i);
        else
            text_printf(sql, ", 0.0 AS e%d", i);
    text_add(sql, ", work, phase, seq, batch, arch, array, engine_style, dataflow, form, chunk, voltage"
             ", soc_hz / 1e6 AS soc_mhz, CASE WHEN soc_hz > fmax_hz THEN 'above limit' END AS clock");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", %s", obj[i].shown ? obj[i].shown : obj[i].column);
    text_add(sql, ", method, tech, id, key FROM v_points WHERE 1");
    for (int i = 0; i < n; i++)
        text_printf(sql, " AND %s IS NOT NULL", obj[i].column);
    text_add(sql, ") SELECT job");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", o%d", i);
    for (int i = 0; i < n; i++)
        text_printf(sql, ", e%d", i);
    text_add(sql, ", work, phase, seq, batch, arch, array, engine_style, dataflow, form, chunk, voltage,"
             " soc_mhz, clock");
    for (int i = 0; i < n; i++)
        text_printf(sql, ", %s", obj[i].shown ? obj[i].shown : obj[i].column);
    text_add(sql, ", retsim_tie(row_number() OVER (");
    add_order(sql, n);
    text_add(sql, ")) AS tie, varied(key) AS varied, method, tech, id FROM ranked");
    add_order(sql, n);
}

struct front {
    double *v; /* values, then errors, of each member of the current job's front */
    size_t *row;
    size_t n, cap;
    int n_obj;
};
enum { MARK_OFF, MARK_FRONT, MARK_TIE };
struct marks {
    uint8_t *of_row;
    size_t n, cap;
};

static const double *member(const struct front *f, size_t i)
{
    return f->v + i * 2 * (size_t)f->n_obj;
}

/* Rows come in lexicographic order, so that a later row never beats an earlier
 * one; equal rows all stay. */
static bool dominated(const struct front *f, const double *v)
{
    for (size_t i = 0; i < f->n; i++) {
        const double *m = member(f, i);
        bool no_worse = true, better = false;
        for (int k = 0; k < f->n_obj && no_worse; k++) {
            no_worse = m[k] <= v[k];
            better |= m[k] < v[k];
        }
        if (no_worse && better)
            return true;
    }
    return false;
}

static void front_add(struct front *f, const double *v, size_t row)
{
    size_t width = 2 * (size_t)f->n_obj;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xrealloc(f->v, f->cap * width, sizeof *f->v);
        f->row = xrealloc(f->row, f->cap, sizeof *f->row);
    }
    f->row[f->n] = row;
    memcpy(f->v + f->n++ * width, v, width * sizeof *v);
}

/* Is all that p has over q inside the error bars? Errors are taken as
 * independent: what two points share makes this the cautious side. */
static bool no_better(const struct front *f, const double *p, const double *q)
{
    for (int k = 0; k < f->n_obj; k++)
        if (q[k] - p[k] > hypot(p[f->n_obj + k], q[f->n_obj + k]))
            return false;
    return true;
}

/* Members that another member might as well push off the front. */
static void mark_ties(const struct front *f, struct marks *m)
{
    for (size_t i = 0; i < f->n; i++)
        for (size_t j = 0; j < f->n; j++)
            if (i != j && no_better(f, member(f, i), member(f, j)))
                m->of_row[f->row[i]] = MARK_TIE;
}

static bool mark_front(struct rs_db *db, sqlite3_stmt *st, int n_obj, struct marks *m, rs_err *err)
{
    struct front f = {.n_obj = n_obj};
    int64_t job = -1;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        double v[2 * MAX_OBJECTIVES];
        if (sqlite3_column_int64(st, 0) != job) {
            mark_ties(&f, m);
            f.n = 0;
        }
        job = sqlite3_column_int64(st, 0);
        for (int k = 0; k < 2 * n_obj; k++)
            v[k] = sqlite3_column_double(st, N_GROUP + k);
        if (m->n == m->cap)
            m->of_row = xrealloc(m->of_row, m->cap = m->cap * 2 + 64, 1);
        m->of_row[m->n] = dominated(&f, v) ? MARK_OFF : MARK_FRONT;
        if (m->of_row[m->n++] == MARK_FRONT)
            front_add(&f, v, m->n - 1);
    }
    mark_ties(&f, m);
    free(f.v);
    free(f.row);
    return rc == SQLITE_DONE || db_fail(db, "run the query", err);
}

/* SQL: retsim_tie(number of a row from 1) is `tie` or NULL; NULL for all rows
 * while they are being marked. */
static void tie_of(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    const struct marks *m = sqlite3_user_data(ctx);
    size_t row = (size_t)sqlite3_value_int64(v[0]) - 1;
    (void)n;
    if (row < m->n && m->of_row[row] == MARK_TIE)
        sqlite3_result_text(ctx, "tie", -1, SQLITE_STATIC);
}

bool pareto_query(struct rs_db *db, const char *objectives, enum output_format format, struct text *out,
                  rs_err *err)
{
    struct objective obj[MAX_OBJECTIVES];
    struct text sql = {0};
    struct marks marks = {0};
    int n = parse_objectives(objectives ? objectives : "time,energy,area", obj, err);
    if (n < 0)
        return false;
    front_sql(&sql, obj, n);
    sqlite3_create_function(db->sql, "retsim_tie", 1, SQLITE_UTF8, &marks, tie_of, NULL, NULL);
    sqlite3_stmt *st = db_prepare(db, sql.s, "run the query", err);
    text_finish(&sql);
    bool ok = st && mark_front(db, st, n, &marks, err);
    struct output how = {.format = format, .keep = marks.of_row, .skip = N_GROUP + 2 * n,
                         .spare = "method tech dataflow clock engine_style soc_mhz id"};
    ok = ok && output_rows(db, st, &how, out, err);
    sqlite3_finalize(st);
    sqlite3_create_function(db->sql, "retsim_tie", 1, SQLITE_UTF8, NULL, NULL, NULL, NULL);
    free(marks.of_row);
    return ok;
}
