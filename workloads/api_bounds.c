/* Bounds of many points: the decoded design is changed in place, programs are kept as tallies. */
#include "arch/machine.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MAX_ENTRIES = 256, N_SLOTS = 1024 }; /* programs kept; when full, all are forgotten */

struct knob {
    enum part part;
    const struct field *field;
    const char *path;
    size_t offset;  /* in the part's decoded form */
    bool program;   /* lowering reads it */
};

struct entry { /* mappings of what lowering reads */
    uint64_t *key;
    struct mappings maps;
};

struct rs_bounds {
    rs_design *design; /* with every knob written */
    struct arena arena;
    struct knob *knobs;
    size_t n_knobs, n_keys;
    bool in_arch, in_work; /* some knob is */
    const void *raw_arch;  /* decoded and unchecked */
    const struct work *raw_work;
    struct arch arch, plain; /* as checked for the point at hand; before any check */
    struct work work;
    struct machine *machine; /* its configuration only */
    struct shapes *shapes;
    struct entry entry[MAX_ENTRIES];
    size_t n_entries;
    uint16_t slot[N_SLOTS]; /* open addressing: index + 1 */
    uint64_t *key;
};

/* The field at a dotted path, and where it lies. */
static const struct field *locate(const struct section *sec, const char *path, size_t *offset)
{
    size_t len = strcspn(path, ".");
    const struct field *f = sec->fields;
    while (f->key && (strlen(f->key) != len || strncmp(f->key, path, len) != 0))
        f++;
    if (!f->key)
        return NULL;
    *offset += f->offset;
    if (!path[len])
        return f;
    return f->type == FIELD_SECTION ? locate(f->sub, path + len + 1, offset) : NULL;
}

static bool add_knob(rs_bounds *b, const char *path, struct err *err)
{
    struct knob *k = &b->knobs[b->n_knobs];
    size_t part = strcspn(path, ".");
    *k = (struct knob){.path = path, .part = strncmp(path, "work.", 5) ? PART_ARCH : PART_WORK};
    if (path[part] && (k->part == PART_WORK || strncmp(path, "arch.", 5) == 0))
        k->field = locate(k->part == PART_ARCH ? arch_section() : work_section(), path + part + 1,
                          &k->offset);
    if (!k->field || k->field->type == FIELD_TEXT || k->field->type >= FIELD_REAL)
        return err_add(err, ERR_USAGE, NULL, "'%s' has no integer, switch or name; legal: such keys of arch "
                       "and work, see `retsim explain`", path);
    k->program = !k->field->no_program;
    b->n_keys += k->program;
    *(k->part == PART_ARCH ? &b->in_arch : &b->in_work) = true;
    b->n_knobs++;
    return true;
}

/* "path=value" as the design has it. */
static const char *setting(struct arena *a, const rs_design *d, const struct knob *k)
{
    size_t len = strlen(k->path);
    for (const char *line = d->text[k->part]; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, k->path, len) == 0 && strncmp(line + len, ": ", 2) == 0) {
            const char *value = line + len + 2, *unit = "";
            if (k->field->type == FIELD_BYTES && *value >= '0' && *value <= '9')
                unit = strpbrk(value, " \n") && *strpbrk(value, " \n") == ' ' ? "" : " B";
            if (k->field->type == FIELD_HZ && *value >= '0' && *value <= '9')
                unit = strpbrk(value, " \n") && *strpbrk(value, " \n") == ' ' ? "" : " Hz";
            return arena_printf(a, "%s=%.*s%s", k->path, (int)strcspn(value, "\n"), value, unit);
        }
    return NULL;
}

/* The base with every knob written, so that checks of what is written see them. */
static bool write_knobs(rs_bounds *b, const rs_design *base, rs_err *err)
{
    const char **sets = ARENA_NEW(&b->arena, const char *, b->n_knobs + 1);
    size_t n = 0;
    for (size_t i = 0; i < b->n_knobs; i++)
        if ((sets[n] = setting(&b->arena, base, &b->knobs[i])))
            n++;
    b->design = rs_design_with(base, sets, n, err);
    return b->design != NULL;
}

static bool decode_raw(rs_bounds *b, struct err *err)
{
    const struct arch *a = arch_decode_unchecked(&b->arena, b->design->tree[PART_ARCH], err);
    b->raw_work = work_decode_unchecked(&b->arena, b->design->tree[PART_WORK], err);
    if (!a || !b->raw_work)
        return false;
    b->plain = b->arch = *a;
    b->raw_arch = a->blob;
    b->arch.blob = arena_alloc(&b->arena, arch_section()->size);
    memcpy(b->arch.blob, a->blob, arch_section()->size);
    b->work = *b->raw_work;
    return arch_check(&b->arch, b->design->tree[PART_ARCH], err) &&
           work_check(&b->work, b->design->tree[PART_WORK], err);
}

rs_bounds *rs_bounds_create(const rs_design *base, const char *const *paths, size_t n_paths, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    rs_bounds *b = xrealloc(NULL, 1, sizeof *b);
    memset(b, 0, sizeof *b);
    b->shapes = shapes_create();
    b->knobs = ARENA_NEW(&b->arena, struct knob, n_paths + 1);
    bool ok = true;
    if (clock_is_max(base))
        ok = err_add(e, ERR_CONFIG, NULL, "arch.clocks.soc is max, which prices decide; write a frequency");
    if (ARCH_CFG(base->arch, streams)->feed != FEED_BUFFERS)
        ok = err_add(e, ERR_CONFIG, NULL, "arch.streams.feed: bounds of many points are for engines fed by "
                     "buffers");
    for (size_t i = 0; i < n_paths; i++)
        ok = add_knob(b, arena_strdup(&b->arena, paths[i]), e) && ok;
    b->key = ARENA_NEW(&b->arena, uint64_t, b->n_keys + 1);
    if (ok && write_knobs(b, base, err) && decode_raw(b, e)) {
        b->machine = xrealloc(NULL, 1, sizeof *b->machine);
        memset(b->machine, 0, sizeof *b->machine);
        machine_resolve(b->machine, &b->arch);
        return b;
    }
    rs_bounds_destroy(b);
    return NULL;
}

static void forget(rs_bounds *b)
{
    for (size_t i = 0; i < b->n_entries; i++) {
        mappings_finish(&b->entry[i].maps);
        free(b->entry[i].key);
    }
    b->n_entries = 0;
    memset(b->slot, 0, sizeof b->slot);
    shapes_destroy(b->shapes);
    b->shapes = shapes_create();
}

void rs_bounds_destroy(rs_bounds *b)
{
    if (!b)
        return;
    forget(b);
    shapes_destroy(b->shapes);
    free(b->machine);
    rs_design_destroy(b->design);
    arena_finish(&b->arena);
    free(b);
}

/* The decoded design of one point, checked. */
static bool set_point(rs_bounds *b, const uint64_t *values, struct err *err)
{
    size_t n = 0;
    bool ok = true;
    if (b->in_arch) {
        void *blob = b->arch.blob;
        b->arch = b->plain;
        b->arch.blob = blob;
        memcpy(blob, b->raw_arch, arch_section()->size);
    }
    b->work = *b->raw_work;
    for (size_t i = 0; i < b->n_knobs; i++) {
        const struct knob *k = &b->knobs[i];
        char *to = k->part == PART_ARCH ? b->arch.blob : (char *)&b->work;
        ok = schema_put(k->field, k->path, values[i], to + k->offset, err) && ok;
        if (k->program)
            b->key[n++] = values[i];
    }
    if (ok && b->in_arch && ARCH_CFG(&b->arch, clocks)->soc_hz == FIELD_AUTO)
        ok = err_add(err, ERR_CONFIG, NULL, "arch.clocks.soc: prices decide what max is; write a frequency");
    return ok && (!b->in_arch || arch_check(&b->arch, b->design->tree[PART_ARCH], err)) &&
           work_check(&b->work, b->design->tree[PART_WORK], err);
}

static uint64_t hash_key(const rs_bounds *b)
{
    uint64_t h = 0;
    for (size_t i = 0; i < b->n_keys; i++) {
        h = (h ^ b->key[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

/* Mappings of the point; lowered when its like has not been seen. NULL with an error. */
static const struct mappings *mappings_at(rs_bounds *b, struct err *err)
{
    size_t bytes = b->n_keys * sizeof *b->key;
    uint64_t at = hash_key(b);
    for (uint16_t i; (i = b->slot[at % N_SLOTS]); at++)
        if (memcmp(b->entry[i - 1].key, b->key, bytes) == 0)
            return &b->entry[i - 1].maps;
    if (b->n_entries == MAX_ENTRIES)
        forget(b);
    struct mappings m = {.shapes = b->shapes};
    if (!lower_mappings(&m, &b->arch, &b->work, err)) {
        mappings_finish(&m);
        return NULL;
    }
    struct entry *e = &b->entry[b->n_entries++];
    *e = (struct entry){xrealloc(NULL, b->n_keys + 1, sizeof *e->key), m};
    memcpy(e->key, b->key, bytes);
    for (at = hash_key(b); b->slot[at % N_SLOTS]; at++)
        continue;
    b->slot[at % N_SLOTS] = (uint16_t)b->n_entries;
    return &e->maps;
}

bool rs_bounds_at(rs_bounds *b, const uint64_t *values, rs_bound *out, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    if (!set_point(b, values, e))
        return false;
    machine_resolve(b->machine, &b->arch);
    const struct mappings *m = mappings_at(b, e);
    if (!m)
        return false;
    shapes_reprice(b->shapes);
    const struct tally *t = mappings_choose(m, b->machine)->tally;
    const struct tally_totals *totals = tally_totals(t);
    *out = (rs_bound){.macs = totals->macs, .l2_bytes = totals->l2_bytes,
                      .offchip_bytes = totals->offchip_bytes};
    out->cycles = tally_bound(t, b->shapes, b->machine, &out->limit);
    return true;
}
