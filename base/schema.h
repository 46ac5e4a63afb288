/* Schema tables: one table per component gives decoding, defaults, units,
 * ranges, suggestions, canonical text, `explain` and JSON Schema. A default is
 * text run through the same parser, so that it can never be illegal. */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include "base/text.h"
#include "base/yamldoc.h"
#include <limits.h>
#include <stdint.h>

enum field_type {
    FIELD_U64,     /* uint64_t */
    FIELD_BYTES,   /* uint64_t, needs a unit */
    FIELD_HZ,      /* uint64_t, needs a unit */
    FIELD_BOOL,    /* bool; true|false */
    FIELD_FLAG,    /* uint64_t 0|1 */
    FIELD_ENUM,    /* int, index in `names` */
    FIELD_TEXT,    /* const char * */
    FIELD_REAL,    /* double */
    FIELD_SECTION, /* struct in place */
    FIELD_LIST,    /* struct list of `sub` sections */
    FIELD_U64S,    /* struct u64s */
};

/* What a key's default or the model behind it rests on. Stored with results. */
enum prov { PROV_CHOICE, PROV_RTL, PROV_MEASURED, PROV_DATASHEET, PROV_ESTIMATE, PROV_ASSUMPTION };

#define FIELD_AUTO UINT64_MAX /* value of a FIELD_U64/BYTES/FLAG written `auto` */

struct list {
    size_t n;
    void *items; /* n structs of the sub-section's size, contiguous */
};
struct u64s {
    size_t n;
    uint64_t *v;
};

struct section;
struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    const char *def;          /* default as YAML text; NULL: the key is required. A SECTION with NULL is
                               * always decoded, one with "none" stays zero unless it is written */
    uint64_t min, max;        /* inclusive, for the integer types; 0,0 = any */
    bool allow_auto;
    const char *auto_word;    /* "max": what is written for it; NULL: `auto` */
    const char *const *names; /* FIELD_ENUM: NULL-terminated legal names */
    const struct section *sub;
    const char *unit;         /* shown by explain, e.g. "cycles"; NULL for none */
    const char *doc;          /* one line */
    bool no_program;          /* lowering does not read it: programs are the same whatever it is */
    enum prov prov;
    const char *source;       /* where the default comes from; NULL for a free choice */
};
static inline const char *schema_auto(const struct field *f)
{
    return f->auto_word ? f->auto_word : "auto";
}
struct section {
    const char *name, *doc;
    size_t size;
    const struct field *fields; /* ends with key NULL */
    /* Cross-field checks after decoding; NULL for none. `node` is the map. */
    bool (*check)(const void *self, const struct ynode *node, struct err *err);
};

/* Decodes `node` (a map; NULL = empty) into `out` (section->size bytes,
 * zeroed by the callee). Unknown keys, wrong types, units, ranges and missing
 * keys are all reported, with "did you mean". `path` is the dotted prefix used
 * in messages ("arch.engine"). False when anything was reported. */
bool schema_decode(struct arena *a, const struct section *sec, const struct ynode *node,
                   const char *path, void *out, struct err *err);
/* Canonical text: sorted `path.key: value` lines, base units, defaults filled in. */
void schema_emit(const struct section *sec, const void *self, const char *path, struct text *out);
/* Bytes that are equal when all values are that lowering reads (no_program). */
void schema_program_bytes(const struct section *sec, const void *self, struct text *out);
/* JSON Schema (draft 2020-12) of the section. */
void schema_json(const struct section *sec, struct text *out);
/* Puts `v` (an integer, 0 or 1, the index of a name, or FIELD_AUTO) where the field lies in `out`, with an
 * error when that is not legal. Of other types: false with an error, too. */
bool schema_put(const struct field *f, const char *path, uint64_t v, void *out, struct err *err);
/* Field by dotted path below `sec` ("engine.rows"; list items by any index or
 * name), or NULL. *owner, when not NULL, gets the section that holds it. */
const struct field *schema_find(const struct section *sec, const char *path,
                                const struct section **owner);
/* One field explained in a few lines of text: type, unit, range, default, doc, provenance, source. */
void schema_explain(const struct field *f, const char *path, struct text *out);
/* One line a key, nested, for `explain` without a key. */
void schema_list(const struct section *sec, const char *path, struct text *out);

#endif
