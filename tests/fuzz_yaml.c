/* Configuration files with mistakes in them. A deterministic mutator damages shipped files; each result has
 * to be refused with an error that has a place, or to be taken for what it says: no crash, no hang, and
 * nothing that is silently ignored. What is accepted is also lowered, bounded and, when small, simulated.
 * usage: fuzz_yaml [SEED [COUNT]] */
#include "base/text.h"
#include "include/retsim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT TEST_ROOT "/"
#define ARCH ROOT "configs/arch/pulpissimo_retention.yaml"
#define WORK ROOT "workloads/models/edge_kjv_d64.yaml"

enum kind { ARCH_FILE, WORK_FILE, TECH_FILE, SWEEP_FILE };
static const struct seed_file {
    const char *path;
    enum kind kind;
    const char *work; /* of an architecture; NULL: a small network */
} files[] = {
    {ARCH, ARCH_FILE, NULL},
    {ROOT "configs/arch/cluster_retention.yaml", ARCH_FILE, NULL},
    {ROOT "configs/arch/ita_hwpe.yaml", ARCH_FILE, ROOT "workloads/kernels/ita_linear.yaml"},
    {ROOT "configs/arch/systolic_ideal.yaml", ARCH_FILE, NULL},
    {WORK, WORK_FILE, NULL},
    {ROOT "workloads/kernels/gemm.yaml", WORK_FILE, NULL},
    {ROOT "workloads/kernels/msr.yaml", WORK_FILE, NULL},
    {ROOT "configs/tech/gf22fdx.yaml", TECH_FILE, NULL},
    {ROOT "configs/sweeps/seq_latency.yaml", SWEEP_FILE, NULL},
    {ROOT "configs/sweeps/pe_array.yaml", SWEEP_FILE, NULL},
};
enum { N_FILES = sizeof files / sizeof files[0], MAX_SMALL_CYCLES = 300000, SECONDS = 30 };

static char dir[] = "/tmp/retsim-fuzz-XXXXXX"; /* a tree in which the files' relative paths hold */
static uint64_t state; /* of the generator: splitmix64 */

static uint64_t random_below(uint64_t n)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % n;
}

static char *read_file(const char *path)
{
    struct text t = {0};
    char buf[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    while (f && (n = fread(buf, 1, sizeof buf, f)) > 0)
        text_addn(&t, buf, n);
    if (f)
        fclose(f);
    return t.s;
}

static void write_file(const char *path, const struct text *t)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(t->s, 1, t->len, f) != t->len || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}

/* ---- where keys are ---- */

struct pair { /* of `key: value` in a text; offsets */
    size_t key, key_len, value, value_len;
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c >= 'A' && c <= 'Z');
}

/* All pairs with a scalar on the same line that are outside of comments and quotes. */
static size_t find_pairs(const char *s, struct pair *out, size_t max)
{
    size_t n = 0;
    char quote = 0;
    for (size_t i = 0; s[i] && n < max; i++) {
        if (quote || s[i] == '"' || s[i] == '\'') {
            quote = quote == s[i] ? 0 : quote ? quote : s[i];
            continue;
        }
        if (s[i] == '#' && (i == 0 || s[i - 1] == ' ' || s[i - 1] == '\n')) {
            i += strcspn(s + i, "\n") - 1;
            continue;
        }
        if (s[i] != ':' || s[i + 1] != ' ')
            continue;
        size_t key = i;
        while (key > 0 && is_word(s[key - 1]))
            key--;
        size_t value = i + 1 + strspn(s + i + 1, " "), len = strcspn(s + value, ",}]\n#");
        while (len && s[value + len - 1] == ' ')
            len--;
        if (key < i && len && !strchr("{[|>&*!\"'", s[value]))
            out[n++] = (struct pair){key, i - key, value, len};
    }
    return n;
}

/* Keys whose text is free: changing it means nothing to the model. */
static bool is_free(const char *s, const struct pair *p)
{
    static const char *const keys[] = {"title", "name", "doc", "source", "sweep", "tech", "base"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i]) == p->key_len && !strncmp(s + p->key, keys[i], p->key_len))
            return true;
    return false;
}

/* ---- mutations ---- */

enum expectation { ANYTHING, AN_ERROR, ERROR_OR_CHANGE };

static void splice(struct text *out, const char *s, size_t at, size_t drop, const char *put)
{
    text_addn(out, s, at);
    text_add(out, put);
    text_add(out, s + at + drop);
}

static enum expectation mutate_bytes(const char *s, struct text *out)
{
    static const char *const bits[] = {"\t", "\n", " ", ":", "-", "#", "{", "}", "[", "]", "&a ", "*a",
        "<<: ", "\xff", "\xc3\xa9",
        "'", "\"", "!!", "0", "9", "? ", "---\n", "...\n", "%", "|\n", "\x01", ","};
    size_t n = 1 + random_below(4);
    char *now = strdup(s);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(now), at = random_below(len + 1);
        size_t drop = random_below(4) == 0 ? random_below(len - at + 1) % 40 : random_below(2);
        struct text next = {0};
        splice(&next, now, at, at + drop <= len ? drop : 0,
               bits[random_below(sizeof bits / sizeof bits[0])]);
        free(now);
        now = next.s;
    }
    text_add(out, now);
    free(now);
    return ANYTHING;
}

static enum expectation truncate_text(const char *s, struct text *out)
{
    text_addn(out, s, 1 + random_below(strlen(s)));
    return ANYTHING;
}

/* A line more, a line less, two lines swapped, another indentation. */
static enum expectation mutate_lines(const char *s, struct text *out)
{
    const char *from = s + random_below(strlen(s));
    while (from > s && from[-1] != '\n')
        from--;
    size_t len = strcspn(from, "\n") + 1, at = (size_t)(from - s), what = random_below(3);
    char *line = strndup(from, len);
    if (what == 0)
        splice(out, s, at, 0, line);
    else if (what == 1)
        splice(out, s, at, strlen(line), "");
    else
        splice(out, s, at, 0, random_below(2) ? " " : "    ");
    free(line);
    return ANYTHING;
}

/* Some names in a technology file are the author's own. */
static enum expectation rename_key(const char *s, const struct pair *p, enum kind kind, struct text *out)
{
    splice(out, s, p->key + random_below(p->key_len + 1), 0, "q");
    return kind == TECH_FILE ? ANYTHING : AN_ERROR;
}

static enum expectation repeat_pair(const char *s, const struct pair *p, struct text *out)
{
    char put[400];
    snprintf(put, sizeof put, "{%.*s, %.*s}", (int)(p->value + p->value_len - p->key), s + p->key,
             (int)(p->value + p->value_len - p->key), s + p->key);
    splice(out, s, p->value, p->value_len, put); /* the value becomes a map with a repeated key */
    return AN_ERROR;
}

static enum expectation replace_value(const char *s, const struct pair *p, struct text *out)
{
    static const char *const junk[] = {"-1", "0x10", "010", "1e3", "1.5", ".inf", ".nan", "~", "null", "''",
        "99999999999999999999", "18446744073709551615", "0", "1", "3", "7", "65536", "4 KB", "4KiB", "4 kib",
        "200 mhz", "yes", "TRUE", "autto", "[]", "{}", "[1, 2]", "{a: b}", "'8'", "8 8", "+8", "1_000",
        "\xc3\xa9", "-0", "auto", "none", "%d", "1 GiB", "1 Hz", "100 GHz"};
    const char *put = junk[random_below(sizeof junk / sizeof junk[0])];
    bool is_switch = !strncmp(s + p->value, "true", 4) || !strncmp(s + p->value, "false", 5);
    splice(out, s, p->value, p->value_len, put);
    /* `auto` may mean what was there, and 0 and 1 are switches, too. */
    bool same = !strcmp(put, "auto") || (is_switch && put[1] == '\0');
    return same || is_free(s, p) ? ANYTHING : ERROR_OR_CHANGE;
}

static enum expectation mutate(const char *s, const struct pair *pairs, size_t n, enum kind kind,
                               struct text *out)
{
    const struct pair *p = &pairs[random_below(n)];
    switch (random_below(8)) {
    case 0: return mutate_bytes(s, out);
    case 1: return truncate_text(s, out);
    case 2: return mutate_lines(s, out);
    case 3: return rename_key(s, p, kind, out);
    case 4: return repeat_pair(s, p, out);
    default: return replace_value(s, p, out);
    }
}

/* ---- what has to hold ---- */

static bool fail(const char *path, const char *why, const char *text)
{
    printf("%s: %s\n%s\n", path, why, text);
    return false;
}

/* Each error names the file and a place in it, or says what was asked for on the command line. */
static bool good_error(const char *path, rs_err *err)
{
    const char *text = rs_err_text(err);
    int code = rs_err_code(err);
    unsigned line, col;
    if (code != 66 && code != 78)
        return fail(path, "an error with another code than 66 and 78", text);
    if (!strstr(text, "error: "))
        return fail(path, "an error without a text", text);
    const char *place = text + strlen(path);
    if (!strncmp(text, path, strlen(path)) && sscanf(place, ":%u:%u: error: ", &line, &col) != 2)
        return fail(path, "an error without line and column", text);
    return true;
}

/* Runs what was accepted; it may be refused as a whole. */
static bool run(const char *path, const rs_design *d)
{
    rs_err *err = rs_err_create();
    rs_options options = {.method = RS_BOUND};
    rs_result *r = rs_run(d, &options, err);
    bool small = r && rs_result_summary(r)->cycles < MAX_SMALL_CYCLES, ok = true;
    uint64_t bound = r ? rs_result_summary(r)->cycles : 0;
    rs_result_destroy(r);
    r = NULL;
    if (small) {
        options.method = RS_FOLDED;
        r = rs_run(d, &options, err);
        if (r && rs_result_summary(r)->cycles < bound)
            ok = fail(path, "faster than its bound", "");
        rs_result_destroy(r);
    }
    if (rs_err_code(err))
        ok = good_error(path, err);
    rs_err_destroy(err);
    return ok;
}

static const char *design_text(const rs_design *d, enum kind kind)
{
    return rs_design_text(d, kind == ARCH_FILE ? "arch" : "work");
}

static rs_design *load(const char *path, const struct seed_file *file, rs_err *err)
{
    const char *sets[] = {"work.seq=16"};
    if (file->kind == ARCH_FILE)
        return rs_design_load(path, file->work ? file->work : WORK, NULL, sets, !file->work, err);
    return rs_design_load(ARCH, path, NULL, NULL, 0, err);
}

static bool holds(const char *path, const struct seed_file *file, enum expectation what)
{
    rs_err *err = rs_err_create();
    enum kind kind = file->kind;
    bool refused = rs_check(path, err) != 0, ok = true;
    if (refused)
        ok = good_error(path, err);
    else if (what == AN_ERROR)
        ok = fail(path, "accepted", "");
    if (!refused && (kind == ARCH_FILE || kind == WORK_FILE)) {
        rs_design *d = load(path, file, err), *first = load(file->path, file, err);
        if (rs_err_code(err))
            ok = good_error(path, err) && ok;
        if (d && first && what == ERROR_OR_CHANGE && !strcmp(design_text(d, kind), design_text(first, kind)))
            ok = fail(path, "accepted, and nothing changed", "");
        ok = ok && (!d || run(path, d));
        rs_design_destroy(d);
        rs_design_destroy(first);
    }
    rs_err_destroy(err);
    return ok;
}

/* A mutation that says the same: the value that was there, or a default written out. */
static bool same_value(const char *s, const char *mutant)
{
    return !strcmp(s, mutant);
}

/* Undamaged, a file is legal where the damaged ones are put; else nothing was tried. */
static bool is_legal_there(const struct seed_file *file)
{
    char path[256];
    struct text t = {0};
    rs_err *err = rs_err_create();
    char *s = read_file(file->path);
    text_add(&t, s ? s : "");
    snprintf(path, sizeof path, "%s/configs/fuzz/f.yaml", dir);
    write_file(path, &t);
    bool ok = rs_check(path, err) == 0 || fail(path, "refused undamaged", rs_err_text(err));
    unlink(path);
    rs_err_destroy(err);
    text_finish(&t);
    free(s);
    return ok;
}

static bool fuzz(const struct seed_file *file, uint64_t seed)
{
    struct pair pairs[400];
    char path[256];
    struct text out = {0};
    state = seed;
    char *s = read_file(file->path);
    if (!s)
        return fail(file->path, "cannot be read", "");
    size_t n = find_pairs(s, pairs, 400);
    enum expectation what = n ? mutate(s, pairs, n, file->kind, &out) : ANYTHING;
    snprintf(path, sizeof path, "%s/configs/fuzz/f.yaml", dir);
    write_file(path, &out);
    alarm(SECONDS);
    bool ok = holds(path, file, same_value(s, out.s) ? ANYTHING : what);
    alarm(0);
    unlink(path);
    if (!ok)
        printf("seed %" PRIu64 " on %s\n--8<--\n%s\n-->8--\n", seed, file->path, out.s);
    free(s);
    text_finish(&out);
    return ok;
}

static const char *const linked[][2] = {
    {"configs/arch", "configs/arch"},
    {"configs/tech", "configs/tech"},
    {"workloads", "workloads"},
    {"configs/tech/cacti.csv", "configs/fuzz/cacti.csv"},
};
enum { N_LINKED = sizeof linked / sizeof linked[0] };

static void make_tree(void)
{
    char path[256];
    bool ok = mkdtemp(dir) != NULL;
    snprintf(path, sizeof path, "%s/configs", dir);
    ok = ok && mkdir(path, 0700) == 0;
    snprintf(path, sizeof path, "%s/configs/fuzz", dir);
    ok = ok && mkdir(path, 0700) == 0;
    for (size_t i = 0; i < N_LINKED; i++) {
        char target[256];
        snprintf(path, sizeof path, "%s/%s", dir, linked[i][1]);
        snprintf(target, sizeof target, ROOT "%s", linked[i][0]);
        ok = ok && symlink(target, path) == 0;
    }
    if (!ok) {
        perror(dir);
        exit(2);
    }
}

static void remove_tree(void)
{
    char path[256];
    static const char *const dirs[] = {"/configs/fuzz", "/configs", ""};
    for (size_t i = 0; i < N_LINKED; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, linked[i][1]);
        unlink(path);
    }
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", dir, dirs[i]);
        rmdir(path);
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000, failed = 0;
    make_tree();
    for (size_t i = 0; i < N_FILES; i++)
        failed += !is_legal_there(&files[i]);
    for (uint64_t i = 0; i < count && failed < 5; i++)
        failed += !fuzz(&files[i % N_FILES], seed * 1000003 + i);
    remove_tree();
    printf("%" PRIu64 " files, %" PRIu64 " failed\n", count, failed);
    return failed ? 1 : 0;
}
