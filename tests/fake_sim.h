/* A simulator in a few formulas behind the public accessors, so that results/
 * and its commands are tested without the real one. Defines symbols: include
 * it in one file of a program only. Numbers are plausible, not right. */
#ifndef TESTS_FAKE_SIM_H
#define TESTS_FAKE_SIM_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/text.h"
#include "include/retsim.h"
#include "results/sweep.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rs_err {
    struct err e;
    char *text;
};
rs_err *rs_err_create(void)
{
    return calloc(1, sizeof(struct rs_err));
}
void rs_err_clear(rs_err *err)
{
    err_finish(&err->e);
    free(err->text);
    *err = (struct rs_err){.text = NULL};
}
void rs_err_destroy(rs_err *err)
{
    if (err)
        rs_err_clear(err);
    free(err);
}
bool rs_sweep_validate(const rs_sweep *s, rs_err *err)
{
    (void)s;
    (void)err;
    return true;
}
int rs_err_code(const rs_err *err)
{
    return (int)err->e.code;
}
const char *rs_err_text(rs_err *err)
{
    free(err->text);
    err_sort(&err->e);
    err->text = err_render(&err->e, "retsim");
    return err->text ? err->text : "";
}
bool rs_err_add(rs_err *err, int code, const char *fmt, ...)
{
    char buf[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    return err_add(&err->e, (enum err_code)code, NULL, "%s", buf);
}
struct err *rs_err_inner(rs_err *err)
{
    return &err->e;
}
const char *rs_version(void)
{
    return "0.0.0";
}
const char *rs_model_version(void)
{
    return "fake-1";
}

enum { FAKE_MAX_KEYS = 40 };
struct fake_key {
    char key[64], value[64];
};
struct rs_design {
    char name[3][64], *text[3];
    struct fake_key keys[FAKE_MAX_KEYS];
    size_t n;
};
static const char *const fake_parts[3] = {"arch", "work", "tech"};
/* Added to the cycles of every result: two runs that disagree. */
static uint64_t fake_skew;

static void fake_set(struct rs_design *d, const char *key, const char *value)
{
    size_t i = 0;
    while (i < d->n && strcmp(d->keys[i].key, key))
        i++;
    snprintf(d->keys[i].key, sizeof d->keys[i].key, "%s", key);
    snprintf(d->keys[i].value, sizeof d->keys[i].value, "%s", value);
    d->n += i == d->n;
}

static const char *fake_get(const struct rs_design *d, const char *key)
{
    for (size_t i = 0; i < d->n; i++) {
        if (!strcmp(d->keys[i].key, key))
            return d->keys[i].value;
    }
    return "";
}

static uint64_t fake_num(const struct rs_design *d, const char *key)
{
    return strtoull(fake_get(d, key), NULL, 10);
}

static bool fake_is(const struct rs_design *d, const char *key, const char *value)
{
    return !strcmp(fake_get(d, key), value);
}

static int fake_order(const void *a, const void *b)
{
    return strcmp(((const struct fake_key *)a)->key, ((const struct fake_key *)b)->key);
}

static void fake_texts(struct rs_design *d)
{
    qsort(d->keys, d->n, sizeof d->keys[0], fake_order);
    for (int p = 0; p < 3; p++) {
        struct text t = {0};
        text_add(&t, "");
        for (size_t i = 0; i < d->n; i++) {
            if (!strncmp(d->keys[i].key, fake_parts[p], 4))
                text_printf(&t, "%s: %s\n", d->keys[i].key, d->keys[i].value);
        }
        text_printf(&t, "%s.name: %s\n", fake_parts[p], d->name[p]);
        free(d->text[p]);
        d->text[p] = t.s;
    }
}

static void fake_name(char out[64], const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, 64, "%s", slash ? slash + 1 : path);
    out[strcspn(out, ".")] = '\0';
}

static void fake_defaults(struct rs_design *d)
{
    static const char *const pairs[][2] = {
        {"arch.engine.style", "dot_product"}, {"arch.engine.units", "8"}, {"arch.engine.length", "32"},
        {"arch.engine.rows", "16"}, {"arch.engine.cols", "16"}, {"arch.engine.dataflow", "os"},
        {"arch.soc.clock", "200000000"}, {"tech.voltage", "0.8"}, {"work.form", "chunkwise"},
        {"work.phase", "prefill"}, {"work.seq", "512"}, {"work.tokens", "16"}, {"work.batch", "1"},
        {"work.chunk", "64"}, {"work.model.d", "64"}, {"work.model.layers", "2"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        fake_set(d, pairs[i][0], pairs[i][1]);
    const char *dim = strstr(d->name[1], "_d"), *big = strstr(d->name[1], "1p3b");
    if (dim)
        fake_set(d, "work.model.d", dim + 2);
    if (big)
        fake_set(d, "work.model.d", "2048");
    uint64_t n = fake_num(d, "work.model.d");
    fake_set(d, "work.model.layers", n >= 2048 ? "24" : n >= 192 ? "6" : n >= 128 ? "4" : "2");
}

static bool fake_sets(struct rs_design *d, const char *const *sets, size_t n, rs_err *err)
{
    char key[64];
    for (size_t i = 0; i < n; i++) {
        const char *eq = strchr(sets[i], '=');
        snprintf(key, sizeof key, "%.*s", (int)(eq - sets[i]), sets[i]);
        if (!strcmp(key, "work.unknown"))
            return rs_err_add(err, 78, "unknown key `work.unknown`");
        fake_set(d, key, eq + 1);
    }
    fake_texts(d);
    return true;
}

void rs_design_destroy(rs_design *d)
{
    for (int p = 0; d && p < 3; p++)
        free(d->text[p]);
    free(d);
}

rs_design *rs_design_load(const char *arch_path, const char *work_path, const char *tech_path,
                          const char *const *sets, size_t n_sets, rs_err *err)
{
    struct rs_design *d = calloc(1, sizeof *d);
    fake_name(d->name[0], arch_path);
    fake_name(d->name[1], work_path);
    fake_name(d->name[2], tech_path ? tech_path : "fake22");
    fake_defaults(d);
    if (fake_sets(d, sets, n_sets, err))
        return d;
    rs_design_destroy(d);
    return NULL;
}

rs_design *rs_design_with(const rs_design *base, const char *const *sets, size_t n_sets, rs_err *err)
{
    struct rs_design *d = malloc(sizeof *d);
    memcpy(d, base, sizeof *d);
    memset(d->text, 0, sizeof d->text);
    if (fake_sets(d, sets, n_sets, err))
        return d;
    rs_design_destroy(d);
    return NULL;
}

static int fake_part(const char *part)
{
    return part[0] == 'a' ? 0 : part[0] == 'w' ? 1 : 2;
}
const char *rs_design_text(const rs_design *d, const char *part)
{
    return d->text[fake_part(part)];
}
const char *rs_design_name(const rs_design *d, const char *part)
{
    return d->name[fake_part(part)];
}
void rs_design_part_hash(const rs_design *d, const char *part, uint8_t hash[16])
{
    struct hash128 h = hash_bytes(rs_design_text(d, part), strlen(rs_design_text(d, part)));
    memcpy(hash, h.b, 16);
}
void rs_design_key(const rs_design *d, const rs_options *o, uint8_t key[16])
{
    struct text t = {0};
    text_printf(&t, "%s%s%d%d", d->text[0], d->text[1], o->method == RS_BOUND, o->values);
    struct hash128 h = hash_bytes(t.s, t.len);
    memcpy(key, h.b, 16);
    text_finish(&t);
}
bool rs_design_network(const rs_design *d, const rs_options *o, uint8_t digest[16])
{
    (void)d;
    (void)o;
    memset(digest, 0, 16);
    return false;
}
void rs_options_default(rs_options *o)
{
    *o = (rs_options){.method = RS_FOLDED};
}

enum { FAKE_CAUSES = 11, FAKE_COMPONENTS = 8 };
struct rs_result {
    rs_summary s;
    rs_amount causes[FAKE_CAUSES], traffic[2];
    rs_component components[FAKE_COMPONENTS];
    rs_action actions[FAKE_COMPONENTS * 2];
    rs_layer layers[3];
    rs_home homes[2];
    const char *notes[1];
    bool systolic, bound;
};

static const char *const fake_causes[FAKE_CAUSES] = {
    "engine", "retention", "vector", "fill_drain", "weight_wait", "operand_wait", "buffer_wait",
    "tcdm_conflict", "offchip_wait", "host", "idle"};

struct fake_load { /* per token */
    uint64_t proj, attend, ret, vec, offchip_bytes, tokens;
};

static struct fake_load fake_load(const struct rs_design *d)
{
    uint64_t n = fake_num(d, "work.model.d"), layers = fake_num(d, "work.model.layers");
    uint64_t seq = fake_num(d, "work.seq"), chunk = fake_num(d, "work.chunk");
    bool decode = fake_is(d, "work.phase", "decode"), parallel = fake_is(d, "work.form", "parallel");
    struct fake_load l = {.proj = layers * 12 * n * n, .vec = layers * n * 9};
    uint64_t window = parallel ? (decode ? 2 * seq : seq) : chunk < seq ? chunk : seq;
    l.tokens = decode ? fake_num(d, "work.tokens") : seq;
    if (parallel || (!decode && fake_is(d, "work.form", "chunkwise")))
        l.attend = layers * n * window * (parallel ? 1 : 2) / (parallel ? 1 : 2);
    if (!parallel)
        l.ret = layers * n * 16 / (decode || fake_is(d, "work.form", "recurrent") ? 1 : 4);
    if (n > 64)
        l.offchip_bytes = l.proj / (decode ? 1 : l.tokens) + (parallel ? layers * seq : 0);
    return l;
}

static uint64_t fake_peak(const struct rs_design *d)
{
    return fake_is(d, "arch.engine.style", "systolic")
               ? fake_num(d, "arch.engine.rows") * fake_num(d, "arch.engine.cols")
               : fake_num(d, "arch.engine.units") * fake_num(d, "arch.engine.length");
}

static void fake_time(struct rs_result *r, const struct rs_design *d, const struct fake_load *l)
{
    uint64_t peak = fake_peak(d), n = l->tokens;
    bool decode = fake_is(d, "work.phase", "decode");
    bool is_ws = fake_is(d, "arch.engine.dataflow", "ws"), is_is = fake_is(d, "arch.engine.dataflow", "is");
    uint64_t skew = is_ws ? 2 : is_is ? 3 : 1;
    uint64_t busy = n * (l->proj + l->attend) / peak + 1;
    uint64_t v[FAKE_CAUSES] = {
        busy, n * l->ret / 64, n * l->vec / 8, busy / 20 + n * skew * r->systolic * 30,
        decode ? n * l->proj / 16 : busy / 30, busy / 12, busy / 40, busy / 9 + n / 3,
        n * l->offchip_bytes, 2000 + n * 5, 300};
    for (int i = 0; i < FAKE_CAUSES; i++) {
        r->causes[i] = (rs_amount){fake_causes[i], v[i] + (i == 10 ? fake_skew : 0)};
        r->s.cycles += r->causes[i].value;
    }
    r->s.macs = n * (l->proj + l->attend + l->ret);
    r->s.macs_issued = r->s.macs + r->s.macs / 7;
    r->s.peak_macs_per_cycle = peak;
    r->s.tokens = n;
    r->s.soc_hz = fake_num(d, "arch.soc.clock");
    r->s.time_ns = (double)r->s.cycles * 1e9 / (double)r->s.soc_hz;
    r->s.tokens_per_s = (double)n * 1e9 / r->s.time_ns;
    r->s.utilization = (double)r->s.macs / ((double)r->s.cycles * (double)peak);
}

static void fake_price(struct rs_result *r, const struct rs_design *d, const struct fake_load *l)
{
    static const char *const names[FAKE_COMPONENTS] = {
        "engine", "retention_unit", "vector_unit", "buffers", "tcdm", "host", "hyperram", "streamer"};
    double volt = strtod(fake_get(d, "tech.voltage"), NULL);
    uint64_t scale = (uint64_t)(volt * volt * 100), peak = r->s.peak_macs_per_cycle;
    uint64_t counts[FAKE_COMPONENTS] = {
        r->s.macs_issued, l->tokens * l->ret, l->tokens * l->vec, r->s.macs / 8, r->s.macs / 16,
        r->s.cycles, l->tokens * l->offchip_bytes, r->s.macs / 16};
    static const uint64_t fj[FAKE_COMPONENTS] = {120, 300, 400, 900, 1100, 2000, 20000, 500};
    for (int i = 0; i < FAKE_COMPONENTS; i++) {
        uint64_t e = counts[i] * fj[i] * scale / 64, idle = r->s.cycles * (uint64_t)(20 + 7 * i);
        rs_energy_kind kind = i == 6 ? RS_OFFCHIP : RS_ONCHIP;
        r->actions[2 * i] = (rs_action){names[i], "work", "access", counts[i], e, kind, true,
                                        i == 6, 0.3};
        r->actions[2 * i + 1] = (rs_action){names[i], "clock", "cycle", r->s.cycles, idle, RS_IDLE, true,
                                            false, 0.3};
        uint64_t area = i == 0 ? peak * (r->systolic ? 520 : 410) : i == 6 ? 0 : 9000 + 7000 * (uint64_t)i;
        r->components[i] = (rs_component){.name = names[i], .class_name = names[i], .area_um2 = area,
                                            .energy_fj = e + idle, .area_rel_err = 0.1,
                                            .energy_rel_err = 0.3, .path = i ? NULL : "array",
                                            .path_fo4 = 50, .path_rel_err = 0.1,
                                            .fmax_hz = 350000000 - peak * 1000, .fmax_rel_err = 0.3};
        r->s.area_um2 += area;
        r->s.energy_fj += e + idle;
        r->s.energy_idle_fj += idle;
        *(kind == RS_OFFCHIP ? &r->s.energy_offchip_fj : &r->s.energy_onchip_fj) += e;
    }
    r->s.energy_rel_err = 0.25;
    r->s.power_uw = (double)r->s.energy_fj / r->s.time_ns;
    r->s.fmax_hz = 350000000 - peak * 1000;
}

rs_memory *rs_memory_create(void)
{
    return NULL;
}

void rs_memory_destroy(rs_memory *memory)
{
    (void)memory;
}

rs_result *rs_run(const rs_design *d, const rs_options *o, rs_err *err)
{
    struct rs_result *r = calloc(1, sizeof *r);
    if (!fake_is(d, "work.sleep_ms", ""))
        usleep((useconds_t)(fake_num(d, "work.sleep_ms") * 1000));
    if (fake_is(d, "work.fail", "1")) {
        rs_err_add(err, 78, "does not fit: the state needs 4096 bytes more; enlarge arch.buffer.state");
        free(r);
        return NULL;
    }
    if (o->values && fake_is(d, "work.wrong", "1")) {
        rs_err_add(err, 70, "values: row 3 is 7, the integer model has 8");
        free(r);
        return NULL;
    }
    r->s.has_values = o->values;
    r->s.values_compared = o->values ? 1000 : 0;
    struct fake_load l = fake_load(d);
    r->s.method = o->method;
    r->bound = o->method == RS_BOUND;
    r->systolic = fake_is(d, "arch.engine.style", "systolic");
    fake_time(r, d, &l);
    fake_price(r, d, &l);
    r->s.host_seconds = 0.001;
    r->s.has_quality = true;
    r->s.sqnr_db = 25 + (double)(r->s.macs % 7);
    r->s.float_bits_per_byte = 1.25;
    r->s.bits_per_byte = 1.25 + (double)(r->s.macs % 11) / 100;
    r->traffic[0] = (rs_amount){"tcdm", r->s.macs / 4};
    r->traffic[1] = (rs_amount){"hyperram", l.tokens * l.offchip_bytes};
    r->layers[0] = (rs_layer){.name = "embed", .index = 0, .cycles = r->s.cycles / 10};
    r->layers[1] = (rs_layer){.name = "block", .index = 0, .cycles = r->s.cycles - r->s.cycles / 10 - 100};
    r->layers[2] = (rs_layer){.name = "head", .index = 0, .cycles = 100};
    r->homes[0] = (rs_home){"weights", l.offchip_bytes ? "hyperram" : "l2", l.proj};
    r->homes[1] = (rs_home){"state", "buffer", l.ret};
    r->notes[0] = "order: layer";
    return r;
}

void rs_result_destroy(rs_result *r)
{
    free(r);
}
const rs_summary *rs_result_summary(const rs_result *r)
{
    return &r->s;
}
const rs_amount *rs_result_breakdown(const rs_result *r, size_t *n)
{
    *n = r->bound ? 0 : FAKE_CAUSES;
    return r->causes;
}
const rs_amount *rs_result_traffic(const rs_result *r, size_t *n)
{
    *n = 2;
    return r->traffic;
}
const rs_component *rs_result_components(const rs_result *r, size_t *n)
{
    *n = FAKE_COMPONENTS;
    return r->components;
}
const rs_action *rs_result_actions(const rs_result *r, size_t *n)
{
    *n = FAKE_COMPONENTS * 2;
    return r->actions;
}
const rs_layer *rs_result_layers(const rs_result *r, size_t *n)
{
    *n = 3;
    return r->layers;
}
const rs_home *rs_result_homes(const rs_result *r, size_t *n)
{
    *n = 2;
    return r->homes;
}
const char *const *rs_result_hypothetical(const rs_result *r, size_t *n)
{
    static const char *const key[] = {"arch.engine.style"};
    *n = r->systolic;
    return key;
}
const char *const *rs_result_notes(const rs_result *r, size_t *n)
{
    *n = 1;
    return r->notes;
}

const char *rs_result_counts(const rs_result *r)
{
    (void)r;
    return "";
}
/* Nothing here prices again. */
rs_result *rs_reprice(const char *counts, uint64_t cycles, uint64_t soc_hz, const rs_design *tech,
                      rs_err *err)
{
    (void)counts;
    (void)cycles;
    (void)soc_hz;
    (void)tech;
    rs_err_add(err, 70, "no prices in the fake simulator");
    return NULL;
}
double rs_tech_voltage(const rs_design *tech)
{
    (void)tech;
    return 1;
}
char *rs_accelergy_tables(const char *counts, uint64_t soc_hz, const rs_design *tech, const char *prefix,
                          bool area, rs_err *err)
{
    (void)counts;
    (void)soc_hz;
    (void)tech;
    (void)prefix;
    (void)area;
    rs_err_add(err, 70, "no prices in the fake simulator");
    return NULL;
}
rs_design *rs_tech_scaled(const rs_design *tech, const char *coefficient, double factor, rs_err *err)
{
    (void)tech;
    (void)coefficient;
    (void)factor;
    rs_err_add(err, 70, "no technology in the fake simulator");
    return NULL;
}
const char *rs_tech_coefficient(const rs_design *tech, size_t i, double *value, double *rel_err)
{
    (void)tech;
    (void)i;
    (void)value;
    (void)rel_err;
    return NULL;
}

#endif
