/* What tells points apart beyond the columns that queries show: the fewest
 * settings that do, chosen from those with several values. SQL functions
 *   varied(key, ...)    `activation.bytes=8192 B tcdm.banks=8`; NULL: nothing. Further
 *                       arguments: keys to leave out, or what they begin with
 *   setting(key, name)  value of one key of the point's configuration
 * Texts of configurations are compared line by line, each once; choosing takes
 * n log n for n points, times settings that vary, times settings chosen. */
#include "results/query.h"

#include "base/arena.h"
#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_KEYS = 256, MAX_CHOSEN = 16, HASH = 16 };

struct conf {
    uint8_t hash[HASH];
    const char *value[MAX_CHOSEN]; /* of the chosen keys; NULL: not a key of this part */
    uint64_t *id;                  /* of the value of each key that varies; 0: not a key of this part */
};
struct entry { /* a point */
    uint8_t key[HASH];
    uint64_t label; /* of what columns show, later of what is chosen as well */
    struct conf *arch, *work;
};
struct population {
    bool known, failed;
    struct arena arena;
    const char *keys[MAX_KEYS], *chosen[MAX_CHOSEN];
    size_t n_keys, n_chosen, n_confs, n_entries;
    struct conf *confs;
    struct entry *entries;
};
struct varied {
    struct rs_db *db;
    struct population points, failures;
    sqlite3_stmt *setting;
    rs_err *err;
};

#define TEXT(column) "coalesce(" column ", '') || '/'"
#define SHOWN \
    "SELECT key, arch_hash, work_hash, method || has_values || model_version || '/' || arch || '/' ||" \
    " work || '/' || " TEXT("form") " || " TEXT("phase") " || " TEXT("seq") " || " TEXT("chunk")
static const char points_sql[] =
    SHOWN " || " TEXT("network") " || " TEXT("work_tokens") " || " TEXT("batch") " || " TEXT("engine_style")
    " || " TEXT("dataflow") " || " TEXT("rows") " || " TEXT("cols") " || " TEXT("units") " || " TEXT("length")
    " FROM point ORDER BY key";
static const char failures_sql[] = SHOWN " FROM failure GROUP BY key ORDER BY key";
#define CONFS(table) \
    "SELECT hash, text FROM config WHERE hash IN (SELECT arch_hash FROM " table \
    " UNION SELECT work_hash FROM " table ") ORDER BY part, hash"
static const char points_confs_sql[] = CONFS("point"), failures_confs_sql[] = CONFS("failure");

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, HASH); /* the first member of both structures */
}

static void add_key(struct population *p, const struct setting *s)
{
    for (size_t i = 0; i < p->n_keys; i++)
        if (strlen(p->keys[i]) == s->key_len && !memcmp(p->keys[i], s->key, s->key_len))
            return;
    if (p->n_keys < MAX_KEYS)
        p->keys[p->n_keys++] = arena_strndup(&p->arena, s->key, s->key_len);
}

static bool same(const char *a, size_t n, const char *b, size_t m)
{
    return n == m && !memcmp(a, b, n);
}

/* Keys that two configurations of one part do not agree in. Both list their keys in order. */
static void compare(struct population *p, const char *a, const char *b)
{
    struct setting x, y;
    bool more = setting_next(&a, &x), also = setting_next(&b, &y);
    while (more || also) {
        size_t n = !more || !also ? 0 : x.key_len < y.key_len ? x.key_len : y.key_len;
        int order = !more ? 1 : !also ? -1 : memcmp(x.key, y.key, n);
        if (more && also && order == 0)
            order = (x.key_len > y.key_len) - (x.key_len < y.key_len);
        if (order < 0 || (order == 0 && !same(x.value, x.value_len, y.value, y.value_len)))
            add_key(p, &x);
        else if (order > 0)
            add_key(p, &y);
        if (order <= 0)
            more = setting_next(&a, &x);
        if (order >= 0)
            also = setting_next(&b, &y);
    }
}

static bool find_keys(struct varied *v, struct population *p)
{
    sqlite3_stmt *st = db_prepare(v->db, p->failed ? failures_confs_sql : points_confs_sql, "read", v->err);
    char *first[2] = {NULL, NULL}; /* of each part; parts come one after the other */
    size_t part = 0;
    while (st && sqlite3_step(st) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 1);
        part = !strncmp(text, "work.", 5);
        if (first[part])
            compare(p, first[part], text);
        else
            first[part] = strdup(text);
        p->n_confs++;
    }
    free(first[0]);
    free(first[1]);
    sqlite3_finalize(st);
    return st != NULL;
}

static uint64_t id_of(const char *text, const char *key)
{
    struct setting s;
    size_t n = strlen(key);
    while (setting_next(&text, &s))
        if (same(s.key, s.key_len, key, n))
            return hash64(s.value, s.value_len) | 1;
    return 0;
}

static bool read_confs(struct varied *v, struct population *p)
{
    sqlite3_stmt *st = db_prepare(v->db, p->failed ? failures_confs_sql : points_confs_sql, "read", v->err);
    size_t n = 0;
    p->confs = ARENA_NEW(&p->arena, struct conf, p->n_confs + 1);
    while (st && n < p->n_confs && sqlite3_step(st) == SQLITE_ROW) {
        struct conf *c = &p->confs[n++];
        memcpy(c->hash, sqlite3_column_blob(st, 0), HASH);
        c->id = ARENA_NEW(&p->arena, uint64_t, p->n_keys + 1);
        for (size_t i = 0; i < p->n_keys; i++)
            c->id[i] = id_of((const char *)sqlite3_column_text(st, 1), p->keys[i]);
    }
    sqlite3_finalize(st);
    p->n_confs = n;
    qsort(p->confs, n, sizeof *p->confs, by_hash);
    return st != NULL;
}

static struct conf *find_conf(const struct population *p, const void *hash)
{
    return bsearch(hash, p->confs, p->n_confs, sizeof *p->confs, by_hash);
}

static bool read_entries(struct varied *v, struct population *p)
{
    sqlite3_stmt *st = db_prepare(v->db, p->failed ? failures_sql : points_sql, "read", v->err);
    size_t cap = 0;
    while (st && sqlite3_step(st) == SQLITE_ROW) {
        if (p->n_entries == cap)
            p->entries = xrealloc(p->entries, cap = cap * 2 + 64, sizeof *p->entries);
        struct entry *e = &p->entries[p->n_entries];
        memcpy(e->key, sqlite3_column_blob(st, 0), HASH);
        e->arch = find_conf(p, sqlite3_column_blob(st, 1));
        e->work = find_conf(p, sqlite3_column_blob(st, 2));
        e->label = hash64(sqlite3_column_text(st, 3), (size_t)sqlite3_column_bytes(st, 3));
        p->n_entries += e->arch && e->work;
    }
    sqlite3_finalize(st);
    return st != NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t refined(const struct entry *e, size_t key)
{
    const uint64_t parts[2] = {e->label, e->arch->id[key] + e->work->id[key]}; /* one of them is 0 */
    return hash64(parts, sizeof parts);
}

/* Groups of points that the columns and key tell apart; key SIZE_MAX: the columns alone. */
static size_t groups(const struct population *p, size_t key, uint64_t *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_entries; i++)
        scratch[i] = key == SIZE_MAX ? p->entries[i].label : refined(&p->entries[i], key);
    qsort(scratch, p->n_entries, sizeof *scratch, by_value);
    for (size_t i = 0; i < p->n_entries; i++)
        n += i == 0 || scratch[i] != scratch[i - 1];
    return n;
}

/* The key that makes most groups; of several, the one with the shortest name: what follows from
 * another key by `auto` sits deeper than its cause. */
static size_t best_key(const struct population *p, uint64_t *scratch)
{
    size_t best = SIZE_MAX, most = groups(p, SIZE_MAX, scratch);
    for (size_t k = 0; k < p->n_keys; k++) {
        size_t n = groups(p, k, scratch);
        bool tie = n == most && best != SIZE_MAX && strlen(p->keys[k]) < strlen(p->keys[best]);
        if (n > most || tie) {
            best = k;
            most = n;
        }
    }
    return best;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void choose_key(struct population *p, size_t k)
{
    for (size_t i = 0; i < p->n_entries; i++)
        p->entries[i].label = refined(&p->entries[i], k);
    p->chosen[p->n_chosen++] = p->keys[k];
}

/* `also`: keys that are named in any case. */
static void choose(struct population *p, const struct population *also)
{
    uint64_t *scratch = xrealloc(NULL, p->n_entries + 1, sizeof *scratch);
    size_t k;
    for (size_t i = 0; also && i < also->n_chosen; i++) {
        for (k = 0; k < p->n_keys && strcmp(p->keys[k], also->chosen[i]) != 0;)
            k++;
        if (k < p->n_keys)
            choose_key(p, k);
        else
            p->chosen[p->n_chosen++] = also->chosen[i];
    }
    while (p->n_chosen < MAX_CHOSEN && (k = best_key(p, scratch)) != SIZE_MAX)
        choose_key(p, k);
    free(scratch);
    qsort(p->chosen, p->n_chosen, sizeof *p->chosen, by_name);
}

static bool read_values(struct varied *v, struct population *p)
{
    sqlite3_stmt *st = db_prepare(v->db, "SELECT text FROM config WHERE hash = ?", "read", v->err);
    for (size_t i = 0; st && i < p->n_confs; i++) {
        sqlite3_bind_blob(st, 1, p->confs[i].hash, HASH, SQLITE_STATIC);
        const char *text = sqlite3_step(st) == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : "";
        struct setting s;
        while (p->n_chosen && setting_next(&text, &s))
            for (size_t k = 0; k < p->n_chosen; k++)
                if (same(s.key, s.key_len, p->chosen[k], strlen(p->chosen[k])))
                    p->confs[i].value[k] = arena_strndup(&p->arena, s.value, s.value_len);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    return st != NULL;
}

/* Failures are named by what tells the points apart, and by what else they differ in. */
static bool study(struct varied *v, struct population *p)
{
    const struct population *also = p->failed ? &v->points : NULL;
    p->known = true;
    if (!find_keys(v, p) || !read_confs(v, p) || !read_entries(v, p))
        return false;
    choose(p, also);
    return read_values(v, p);
}

/* `arch.buffers.activation.bytes`: the last two words are enough. */
static const char *short_name(const char *key)
{
    const char *dot = strrchr(key, '.'), *s = key;
    for (const char *next = strchr(s, '.'); next && next != dot; next = strchr(s, '.'))
        s = next + 1;
    return s;
}

static bool left_out(const char *key, int n, sqlite3_value **names)
{
    for (int i = 0; i < n; i++) {
        const char *name = (const char *)sqlite3_value_text(names[i]);
        if (name && !strncmp(key, name, strlen(name)))
            return true;
    }
    return false;
}

/* SQL: varied(key, left out, ...). */
static void varied_of(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
    struct varied *v = sqlite3_user_data(ctx);
    struct population *all[] = {&v->points, &v->failures};
    struct entry *e = NULL;
    if (n < 1 || sqlite3_value_type(arg[0]) != SQLITE_BLOB || sqlite3_value_bytes(arg[0]) != HASH)
        return;
    for (size_t i = 0; i < 2 && !e; i++) {
        if (!all[i]->known && !study(v, all[i])) {
            sqlite3_result_error(ctx, "settings of points cannot be read", -1);
            return;
        }
        e = all[i]->n_entries ? bsearch(sqlite3_value_blob(arg[0]), all[i]->entries, all[i]->n_entries,
                                        sizeof *e, by_hash) : NULL;
        struct text out = {0};
        for (size_t k = 0; e && k < all[i]->n_chosen; k++) {
            const char *value = e->arch->value[k] ? e->arch->value[k] : e->work->value[k];
            if (value && !left_out(all[i]->chosen[k], n - 1, arg + 1))
                text_printf(&out, "%s%s=%s", out.len ? " " : "", short_name(all[i]->chosen[k]), value);
        }
        if (out.len)
            sqlite3_result_text(ctx, out.s, (int)out.len, SQLITE_TRANSIENT);
        text_finish(&out);
    }
}

static bool setting_exists(struct rs_db *db, const char *name)
{
    sqlite3_stmt *st = NULL;
    static const char sql[] = "SELECT 1 FROM setting WHERE key = ? LIMIT 1";
    if (!name || sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    bool found = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    return found;
}

/* SQL: setting(key, 'work.quant.weights'). A name that no configuration has is an error. */
static void setting_of(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
    static const char sql[] =
        "SELECT value FROM setting WHERE key = ?2 AND hash IN ("
        "SELECT arch_hash FROM point WHERE key = ?1 UNION ALL SELECT work_hash FROM point WHERE key = ?1"
        " UNION ALL SELECT arch_hash FROM failure WHERE key = ?1"
        " UNION ALL SELECT work_hash FROM failure WHERE key = ?1)";
    struct varied *v = sqlite3_user_data(ctx);
    (void)n;
    if (!v->setting && !(v->setting = db_prepare(v->db, sql, "read", v->err))) {
        sqlite3_result_error(ctx, "settings of points cannot be read", -1);
        return;
    }
    sqlite3_bind_value(v->setting, 1, arg[0]);
    sqlite3_bind_value(v->setting, 2, arg[1]);
    if (sqlite3_step(v->setting) == SQLITE_ROW)
        sqlite3_result_value(ctx, sqlite3_column_value(v->setting, 0));
    else if (!setting_exists(v->db, (const char *)sqlite3_value_text(arg[1])))
        sqlite3_result_error(ctx, "no configuration has the key that setting(key, name) asks for;"
                                  " `retsim explain` lists all", -1);
    sqlite3_reset(v->setting);
}

struct varied *varied_open(struct rs_db *db, rs_err *err)
{
    struct varied *v = xrealloc(NULL, 1, sizeof *v);
    *v = (struct varied){.db = db, .err = err, .failures.failed = true};
    sqlite3_create_function(db->sql, "varied", -1, SQLITE_UTF8, v, varied_of, NULL, NULL);
    sqlite3_create_function(db->sql, "setting", 2, SQLITE_UTF8, v, setting_of, NULL, NULL);
    return v;
}

void varied_close(struct varied *v)
{
    struct population *all[] = {&v->points, &v->failures};
    sqlite3_finalize(v->setting);
    sqlite3_create_function(v->db->sql, "varied", -1, SQLITE_UTF8, NULL, NULL, NULL, NULL);
    sqlite3_create_function(v->db->sql, "setting", 2, SQLITE_UTF8, NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        arena_finish(&all[i]->arena);
        free(all[i]->entries);
    }
    free(v);
}
