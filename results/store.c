/* Writing results: one result becomes one row of `point`, one of `price` and
 * their children. A key that is there already must hold the very same rows. */
#include "results/db.h"

#include "base/hash.h"
#include "results/sweep.h"
#include <math.h>
#include <string.h>

/* Identity of what is being stored, computed once a point. */
struct ident {
    uint8_t key[16], arch[16], work[16], tech[16];
    char network[33]; /* "" when no number comes from one */
    const char *arch_name, *work_name, *tech_name, *arch_text, *work_text;
};

static struct ident ident_of(const rs_design *d, const rs_options *options)
{
    struct ident id = {
        .arch_name = rs_design_name(d, "arch"), .work_name = rs_design_name(d, "work"),
        .tech_name = rs_design_name(d, "tech"), .arch_text = rs_design_text(d, "arch"),
        .work_text = rs_design_text(d, "work"),
    };
    struct hash128 network;
    if (rs_design_network(d, options, network.b))
        hash_hex(&network, id.network);
    rs_design_key(d, options, id.key);
    rs_design_part_hash(d, "arch", id.arch);
    rs_design_part_hash(d, "work", id.work);
    rs_design_part_hash(d, "tech", id.tech);
    return id;
}

static const char *class_of(rs_method method)
{
    return method == RS_BOUND ? "bound" : "exact";
}

static const char *method_name(rs_method method)
{
    static const char *const names[] = {[RS_FULL] = "full", [RS_FOLDED] = "folded", [RS_BOUND] = "bound"};
    return names[method];
}

static bool put_settings(struct rs_db *db, const uint8_t hash[16], const char *text, rs_err *err)
{
    struct setting s;
    struct text key = {0}, value = {0};
    bool ok = true;
    while (ok && setting_next(&text, &s)) {
        struct db_row row = {0};
        key.len = 0;
        text_addn(&key, s.key, s.key_len);
        row_hash(&row, hash);
        row_text(&row, key.s);
        row_cell(&row, setting_cell(&s, &value));
        ok = db_put_row(db, DB_SETTING, &row, NULL, err);
    }
    text_finish(&key);
    text_finish(&value);
    return ok;
}

static bool put_config(struct rs_db *db, const rs_design *d, unsigned which, const uint8_t hash[16],
                       rs_err *err)
{
    static const char *const parts[] = {"arch", "work", "tech"};
    const char *part = parts[which];
    struct db_row row = {0};
    if (db->last[which].valid && memcmp(db->last[which].hash, hash, 16) == 0)
        return true;
    const char *text = rs_design_text(d, part);
    bool is_new;
    row_hash(&row, hash);
    row_text(&row, part);
    row_text(&row, rs_design_name(d, part));
    row_text(&row, text);
    if (!db_put_row(db, DB_CONFIG, &row, &is_new, err) || (is_new && !put_settings(db, hash, text, err)))
        return false;
    db->last[which].valid = true;
    memcpy(db->last[which].hash, hash, 16);
    return true;
}

static bool put_configs(struct rs_db *db, const rs_design *d, const struct ident *id, rs_err *err)
{
    return put_config(db, d, 0, id->arch, err) && put_config(db, d, 1, id->work, err) &&
           put_config(db, d, 2, id->tech, err);
}

/* A column taken from canonical text: `alt` is where the key is found else.
 * Words in a column of numbers ("auto") are left out; `setting` has them. */
static void row_setting(struct db_row *row, const char *text, const char *key, const char *alt,
                        bool number, struct text *buf)
{
    struct db_cell c = setting_find(text, key, buf);
    if (c.kind == CELL_NULL && alt)
        c = setting_find(text, alt, buf);
    if (number && c.kind != CELL_INT)
        c.kind = CELL_NULL;
    if (!number && c.kind != CELL_NULL)
        c = (struct db_cell){.kind = CELL_TEXT, .s = buf->s ? buf->s : ""};
    row_cell(row, c);
}

enum { N_HUMAN = 6 };

/* form, phase, seq, tokens, batch, chunk; chunk belongs to one form only. */
static void row_work(struct db_row *row, const char *work, bool brief, struct text buf[N_HUMAN])
{
    row_setting(row, work, "work.form", NULL, false, &buf[0]);
    bool chunkwise = row->cells[row->n - 1].kind == CELL_TEXT && !strcmp(buf[0].s, "chunkwise");
    row_setting(row, work, "work.phase", NULL, false, &buf[1]);
    row_setting(row, work, "work.seq", NULL, true, &buf[2]);
    if (!brief) {
        row_setting(row, work, "work.tokens", NULL, true, &buf[3]);
        row_setting(row, work, "work.batch", NULL, true, &buf[4]);
    }
    if (chunkwise)
        row_setting(row, work, "work.chunk", "work.map.chunk", true, &buf[5]);
    else
        row_text(row, NULL);
}

/* The size keys of the style that is not used would only confuse. */
static void row_engine(struct db_row *row, const char *arch, struct text buf[2])
{
    static const char *const sizes[] = {"arch.engine.rows", "arch.engine.cols", "arch.engine.units",
                                        "arch.engine.length"};
    struct text scratch = {0};
    row_setting(row, arch, "arch.engine.style", NULL, false, &buf[0]);
    const char *style = row->cells[row->n - 1].kind == CELL_TEXT ? buf[0].s : "";
    bool systolic = !strcmp(style, "systolic"), dot = !strcmp(style, "dot_product");
    if (dot)
        row_text(row, NULL);
    else
        row_setting(row, arch, "arch.engine.dataflow", NULL, false, &buf[1]);
    for (int i = 0; i < 4; i++) {
        if (i < 2 ? dot : systolic)
            row_text(row, NULL);
        else
            row_setting(row, arch, sizes[i], NULL, true, &scratch);
    }
    text_finish(&scratch);
}

static void row_identity(struct db_row *row, const struct ident *id, const rs_options *options)
{
    row_hash(row, id->arch);
    row_hash(row, id->work);
    row_text(row, class_of(options->method));
    row_u64(row, options->values);
    row_text(row, rs_model_version());
    row_text(row, id->arch_name);
    row_text(row, id->work_name);
}

static bool put_point(struct rs_db *db, const struct ident *id, const rs_options *options,
                      const rs_result *r, bool *is_new, rs_err *err)
{
    const rs_summary *s = rs_result_summary(r);
    struct text work[N_HUMAN] = {{0}}, engine[2] = {{0}}, hypo = {0};
    struct db_row row = {0};
    size_t n_hypo;
    const char *const *keys = rs_result_hypothetical(r, &n_hypo);
    for (size_t i = 0; i < n_hypo; i++)
        text_printf(&hypo, "%s%s", i ? ", " : "", keys[i]);
    row_hash(&row, id->key);
    row_identity(&row, id, options);
    row_text(&row, *id->network ? id->network : NULL);
    row_work(&row, id->work_text, false, work);
    row_engine(&row, id->arch_text, engine);
    const uint64_t counts[] = {s->peak_macs_per_cycle, s->tokens, s->soc_hz, s->cycles, s->macs,
                               s->macs_issued};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        row_u64(&row, counts[i]);
    row_real(&row, s->utilization);
    row_real(&row, s->time_ns);
    row_real(&row, s->tokens_per_s);
    const double quality[] = {s->sqnr_db, s->bits_per_byte, s->float_bits_per_byte};
    for (size_t i = 0; i < sizeof quality / sizeof quality[0]; i++)
        row_real(&row, s->has_values || s->has_quality ? quality[i] : NAN);
    if (s->has_values)
        row_u64(&row, s->values_compared);
    else
        row_text(&row, NULL);
    row_u64(&row, n_hypo > 0);
    row_text(&row, hypo.s ? hypo.s : "");
    bool ok = db_put_row(db, DB_POINT, &row, is_new, err);
    for (size_t i = 0; i < N_HUMAN; i++)
        text_finish(&work[i]);
    text_finish(&engine[0]);
    text_finish(&engine[1]);
    text_finish(&hypo);
    return ok;
}

static bool put_price(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    const rs_summary *s = rs_result_summary(r);
    struct db_row row = {0};
    row_hash(&row, id->key);
    row_hash(&row, id->tech);
    row_text(&row, id->tech_name);
    row_real(&row, s->voltage);
    row_u64(&row, s->area_um2);
    row_u64(&row, s->energy_fj);
    row_u64(&row, s->energy_onchip_fj);
    row_u64(&row, s->energy_offchip_fj);
    row_u64(&row, s->energy_idle_fj);
    row_u64(&row, s->energy_upper_fj);
    row_real(&row, s->energy_rel_err);
    row_real(&row, s->area_rel_err);
    row_real(&row, s->power_uw);
    row_u64(&row, s->fmax_hz);
    row_real(&row, s->fmax_rel_err);
    return db_put_row(db, DB_PRICE, &row, NULL, err);
}

/* Head of a child row: the point, the technology when `tech` is set, the position. */
static struct db_row child(const struct ident *id, bool tech, size_t ord)
{
    struct db_row row = {0};
    row_hash(&row, id->key);
    if (tech)
        row_hash(&row, id->tech);
    row_u64(&row, ord);
    return row;
}

static bool put_amounts(struct rs_db *db, enum db_table t, const struct ident *id, const rs_amount *a,
                        size_t n, rs_err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct db_row row = child(id, false, i);
        row_text(&row, a[i].name);
        row_u64(&row, a[i].value);
        if (!db_put_row(db, t, &row, NULL, err))
            return false;
    }
    return true;
}

static bool put_layers(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    size_t n;
    const rs_layer *l = rs_result_layers(r, &n);
    for (size_t i = 0; i < n; i++) {
        struct db_row row = child(id, false, i);
        row_text(&row, l[i].name);
        row_u64(&row, l[i].index);
        row_u64(&row, l[i].cycles);
        if (!db_put_row(db, DB_LAYER, &row, NULL, err))
            return false;
    }
    const rs_home *h = rs_result_homes(r, &n);
    for (size_t i = 0; i < n; i++) {
        struct db_row row = child(id, false, i);
        row_text(&row, h[i].tensor);
        row_text(&row, h[i].home);
        row_u64(&row, h[i].bytes);
        if (!db_put_row(db, DB_HOME, &row, NULL, err))
            return false;
    }
    return true;
}

static bool put_actions(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    static const char *const kinds[] = {
        [RS_ONCHIP] = "onchip", [RS_OFFCHIP] = "offchip", [RS_IDLE] = "idle"};
    size_t n;
    const rs_action *a = rs_result_actions(r, &n);
    for (size_t i = 0; i < n; i++) {
        struct db_row row = child(id, true, i);
        row_text(&row, a[i].component);
        row_text(&row, a[i].action);
        row_text(&row, a[i].unit);
        row_text(&row, kinds[a[i].kind]);
        row_u64(&row, a[i].priced);
        row_u64(&row, a[i].count);
        row_u64(&row, a[i].energy_fj);
        row_real(&row, a[i].rel_err);
        row_text(&row, a[i].upper_bound ? "upper" : NULL);
        if (!db_put_row(db, DB_ACTION, &row, NULL, err))
            return false;
    }
    return true;
}

static bool put_priced(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    size_t n;
    const rs_component *c = rs_result_components(r, &n);
    for (size_t i = 0; i < n; i++) {
        struct db_row row = child(id, true, i);
        row_text(&row, c[i].name);
        row_text(&row, c[i].class_name);
        row_u64(&row, c[i].area_um2);
        row_real(&row, c[i].area_rel_err);
        row_u64(&row, c[i].energy_fj);
        row_real(&row, c[i].energy_rel_err);
        row_text(&row, c[i].path);
        row_real(&row, c[i].path_fo4);
        row_real(&row, c[i].path_rel_err);
        row_u64(&row, c[i].fmax_hz);
        row_real(&row, c[i].fmax_rel_err);
        if (!db_put_row(db, DB_COMPONENT, &row, NULL, err))
            return false;
    }
    return put_actions(db, id, r, err);
}

static bool put_notes(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    size_t n;
    const char *const *notes = rs_result_notes(r, &n);
    for (size_t i = 0; i < n; i++) {
        struct db_row row = child(id, true, i);
        row_text(&row, notes[i]);
        if (!db_put_row(db, DB_NOTE, &row, NULL, err))
            return false;
    }
    return true;
}

static bool put_counts(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    struct db_row row = {0};
    row_hash(&row, id->key);
    row_text(&row, rs_result_counts(r));
    return db_put_row(db, DB_COUNTS, &row, NULL, err);
}

bool db_put_prices(struct rs_db *db, const uint8_t key[16], const rs_design *tech, const rs_result *r,
                   rs_err *err)
{
    struct ident id = {.tech_name = rs_design_name(tech, "tech")};
    memcpy(id.key, key, sizeof id.key);
    rs_design_part_hash(tech, "tech", id.tech);
    return put_price(db, &id, r, err) && put_priced(db, &id, r, err);
}

static bool put_children(struct rs_db *db, const struct ident *id, const rs_result *r, rs_err *err)
{
    size_t n;
    const rs_amount *a = rs_result_breakdown(r, &n);
    if (!put_amounts(db, DB_BREAKDOWN, id, a, n, err))
        return false;
    a = rs_result_traffic(r, &n);
    return put_amounts(db, DB_TRAFFIC, id, a, n, err) && put_layers(db, id, r, err) &&
           put_counts(db, id, r, err) && put_priced(db, id, r, err) && put_notes(db, id, r, err);
}

static bool step_done(struct rs_db *db, sqlite3_stmt *st, rs_err *err)
{
    int rc = sqlite3_step(st);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc == SQLITE_DONE || db_fail(db, "write", err);
}

static bool put_provenance(struct rs_db *db, const struct ident *id, const char *method, double seconds,
                           rs_err *err)
{
    sqlite3_bind_blob(db->provenance, 1, id->key, 16, SQLITE_STATIC);
    sqlite3_bind_blob(db->provenance, 2, id->tech, 16, SQLITE_STATIC);
    sqlite3_bind_text(db->provenance, 3, db->host, -1, SQLITE_STATIC);
    sqlite3_bind_double(db->provenance, 4, seconds);
    sqlite3_bind_text(db->provenance, 5, method, -1, SQLITE_STATIC);
    sqlite3_bind_text(db->provenance, 6, rs_version(), -1, SQLITE_STATIC);
    return step_done(db, db->provenance, err);
}

static bool put_sweep_point(struct rs_db *db, const struct ident *id, const char *sweep, rs_err *err)
{
    struct db_row row = {0};
    if (!sweep)
        return true;
    row_text(&row, sweep);
    row_hash(&row, id->key);
    row_hash(&row, id->tech);
    return db_put_row(db, DB_SWEEP_POINT, &row, NULL, err);
}

/* A point that now runs is no failure any more. */
static bool drop_failure(struct rs_db *db, const struct ident *id, rs_err *err)
{
    sqlite3_bind_blob(db->drop_failure, 1, id->key, 16, SQLITE_STATIC);
    sqlite3_bind_blob(db->drop_failure, 2, id->tech, 16, SQLITE_STATIC);
    return step_done(db, db->drop_failure, err);
}

static bool put_all(struct rs_db *db, const rs_design *d, const rs_options *options, const rs_result *r,
                    const struct ident *id, const char *sweep, rs_err *err)
{
    const rs_summary *s = rs_result_summary(r);
    return put_configs(db, d, id, err) && put_point(db, id, options, r, NULL, err) &&
           put_price(db, id, r, err) && put_children(db, id, r, err) && drop_failure(db, id, err) &&
           put_sweep_point(db, id, sweep, err) &&
           put_provenance(db, id, method_name(s->method), s->host_seconds, err);
}

/* All rows of a point or none: a savepoint inside the running transaction. */
static bool end_point(struct rs_db *db, bool ok, rs_err *err)
{
    if (ok && db_exec(db, "RELEASE point", "write", err) && db_point_done(db, err))
        return true;
    db_forget_last(db);
    if (ok)
        return false;
    if (!sqlite3_get_autocommit(db->sql)) {
        sqlite3_exec(db->sql, "ROLLBACK TO point", NULL, NULL, NULL);
        sqlite3_exec(db->sql, "RELEASE point", NULL, NULL, NULL);
    }
    return false;
}

bool rs_db_put(rs_db *db, const rs_design *design, const rs_options *options, const rs_result *result,
               const char *sweep_name, rs_err *err)
{
    struct ident id = ident_of(design, options);
    if (!db_begin(db, err) || !db_exec(db, "SAVEPOINT point", "write", err))
        return false;
    return end_point(db, put_all(db, design, options, result, &id, sweep_name, err), err);
}

static bool put_failure_row(struct rs_db *db, const struct ident *id, const rs_options *options, int code,
                            const char *message, rs_err *err)
{
    struct text work[N_HUMAN] = {{0}};
    struct db_row row = {0};
    row_hash(&row, id->key);
    row_hash(&row, id->tech);
    row_identity(&row, id, options);
    row_text(&row, id->tech_name);
    row_work(&row, id->work_text, true, work);
    row_u64(&row, (uint64_t)code);
    row_text(&row, message);
    bool ok = db_put_row(db, DB_FAILURE, &row, NULL, err);
    for (size_t i = 0; i < N_HUMAN; i++)
        text_finish(&work[i]);
    return ok;
}

/* The first column, a number above 0, of the row there is; 0 when there is none. */
static int found(sqlite3_stmt *st, const uint8_t key[16], const uint8_t tech[16])
{
    sqlite3_bind_blob(st, 1, key, 16, SQLITE_STATIC);
    if (tech)
        sqlite3_bind_blob(st, 2, tech, 16, SQLITE_STATIC);
    int value = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return value;
}

bool rs_db_put_failure(rs_db *db, const rs_design *design, const rs_options *options, int code,
                       const char *message, const char *sweep_name, rs_err *err)
{
    struct ident id = ident_of(design, options);
    if (found(db->has_price, id.key, id.tech))
        return rs_err_add(err, 65, "%s: a result is stored for a point that now fails with: %s", db->path,
                          message);
    if (!db_begin(db, err) || !db_exec(db, "SAVEPOINT point", "write", err))
        return false;
    bool ok = put_configs(db, design, &id, err) &&
              put_failure_row(db, &id, options, code, message, err) &&
              put_sweep_point(db, &id, sweep_name, err) &&
              put_provenance(db, &id, method_name(options->method), 0, err);
    return end_point(db, ok, err);
}

bool rs_db_has(rs_db *db, const uint8_t key[16])
{
    return found(db->has_point, key, NULL);
}

bool rs_db_lookup(rs_db *db, const rs_design *design, const rs_options *options, const char *sweep_name,
                  rs_stored *stored, rs_err *err)
{
    struct ident id = ident_of(design, options);
    *stored = RS_STORED;
    if (!found(db->has_price, id.key, id.tech)) {
        int code = found(db->has_failure, id.key, id.tech);
        *stored = code == ERR_SOFTWARE ? RS_FAULT : code ? RS_FAILED : RS_ABSENT;
    }
    if (*stored == RS_ABSENT || !sweep_name)
        return true;
    return db_begin(db, err) && put_sweep_point(db, &id, sweep_name, err) && db_point_done(db, err);
}

bool rs_db_put_sweep(rs_db *db, const rs_sweep *sweep, uint64_t planned, rs_err *err)
{
    const char *spec = sweep_spec(sweep);
    struct hash128 hash = hash_bytes(spec, strlen(spec));
    struct db_row row = {0};
    row_text(&row, rs_sweep_name(sweep));
    row_hash(&row, hash.b);
    row_text(&row, spec);
    row_u64(&row, planned);
    return db_begin(db, err) && db_put_row(db, DB_SWEEP, &row, NULL, err);
}
