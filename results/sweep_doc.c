/* What a sweep file may hold, as JSON Schema and as text: one table for both. */
#include "results/sweep.h"

#include "base/text.h"

struct sweep_key {
    const char *key, *takes, *doc, *schema;
};

#define FILES \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"arch\":{\"type\":\"string\"}," \
    "\"work\":{\"type\":\"string\"},\"tech\":{\"type\":\"string\"}}}"
#define SET \
    "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^(arch|work|tech)(\\\\.[A-Za-z0-9_.-]+)?$\"}}"
#define RANGE \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"from\",\"to\"],\"properties\":{" \
    "\"from\":{},\"to\":{},\"step\":{},\"times\":{\"type\":\"integer\",\"minimum\":2}}," \
    "\"oneOf\":[{\"required\":[\"step\"]},{\"required\":[\"times\"]}]}"
#define VALUES "{\"oneOf\":[{\"type\":\"array\",\"minItems\":1}," RANGE "]}"
#define AXIS_MAP "{\"type\":\"object\",\"additionalProperties\":" VALUES "}"
#define AXES "{\"oneOf\":[" AXIS_MAP ",{\"type\":\"array\",\"items\":" AXIS_MAP "}]}"
#define WHERE "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"}}]}"
#define GROUPS \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"additionalProperties\":false," \
    "\"properties\":{\"doc\":{\"type\":\"string\"},\"base\":" FILES ",\"set\":" SET ",\"axes\":" AXES \
    ",\"where\":" WHERE "}}}"

static const struct sweep_key keys[] = {
    {"sweep", "name", "name of the sweep, required; results are listed under it",
     "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_.-]+$\"}"},
    {"doc", "text", "what the sweep is for", "{\"type\":\"string\"}"},
    {"method", "full|folded|bound", "how points are timed (default folded)",
     "{\"enum\":[\"full\",\"folded\",\"bound\"]}"},
    {"quality", "true|false", "also evaluates each point's work.network in integers (default false)",
     "{\"type\":\"boolean\"}"},
    {"values", "true|false",
     "also executes each point's program on bytes; a point with another number than the integer model's "
     "fails (default false)", "{\"type\":\"boolean\"}"},
    {"base", "{arch: FILE, work: FILE, tech: FILE}",
     "the files that points start from, relative to the sweep file; tech is optional", FILES},
    {"set", "{PATH: VALUE, ...}", "keys that have the same value in all points", SET},
    {"axes", "{PATH: VALUES, ...}",
     "the product of all axes is run, the last one changing fastest. PATH is arch.KEY, work.KEY, tech.KEY, "
     "or arch, work, tech for a list of files. VALUES is a list, {from, to, step} (added) or "
     "{from, to, times} (multiplied). Any other name with a list of maps sets several paths together",
     AXES},
    {"where", "[COMPARISON, ...]",
     "only points that fulfil all of them are run: `work.chunk <= work.seq`, with == != < <= > >= and/or",
     WHERE},
    {"groups", "[{base, set, axes, where}, ...]",
     "blocks whose points are concatenated; each starts from what the file's top says", GROUPS},
};
enum { N_KEYS = sizeof keys / sizeof keys[0] };

char *rs_sweep_schema_json(void)
{
    struct text t = {0};
    text_add(&t, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"retsim sweep\","
                 "\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"sweep\"],"
                 "\"patternProperties\":{\"^x-\":{}},\"properties\":{");
    for (size_t i = 0; i < N_KEYS; i++) {
        /* Adding the description inside keeps the fragments above plain. */
        text_printf(&t, "%s\"%s\":{\"description\":\"%s\",%s", i ? "," : "", keys[i].key, keys[i].doc,
                    keys[i].schema + 1);
    }
    text_add(&t, "}}\n");
    return t.s;
}

char *rs_sweep_explain(void)
{
    struct text t = {0};
    for (size_t i = 0; i < N_KEYS; i++)
        text_printf(&t, "%s: %s\n    %s\n", keys[i].key, keys[i].takes, keys[i].doc);
    return t.s;
}
