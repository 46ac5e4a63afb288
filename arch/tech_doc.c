/* What the keys of a technology file mean: `explain` and JSON Schema from one
 * table. `*` stands for a name that the file chooses. */
#include "arch/tech_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum doc_type { DOC_MAP, DOC_TEXT, DOC_NUMBER, DOC_FORMULA, DOC_NAMES, DOC_KIND, DOC_BOUND, DOC_ACTIVITY,
                DOC_STAGE, DOC_STAGE_KIND };

static const struct doc_key {
    const char *path;
    enum doc_type type;
    const char *unit, *doc;
} keys[] = {
    {"name", DOC_TEXT, NULL, "name of the technology, stored with results"},
    {"doc", DOC_TEXT, NULL, "free text"},
    {"base", DOC_TEXT, NULL, "file whose keys hold where this one is silent, relative to this file"},
    {"voltage", DOC_NUMBER, "V", "operating supply, from v_min to v_max; default v_nom"},
    {"temp_k", DOC_NUMBER, "K", "operating temperature, for leakage; default temp_ref_k"},
    {"activity", DOC_ACTIVITY, NULL,
     "of data: default (data_zeros, data_toggles), or measured where a run computed values (run --values)"},
    {"coefficients", DOC_MAP, NULL, "numbers that formulas name"},
    {"coefficients.*", DOC_MAP, NULL, "one number with its backing"},
    {"coefficients.*.value", DOC_FORMULA, NULL, "number, or formula over other coefficients"},
    {"coefficients.*.unit", DOC_TEXT, NULL,
     "fJ, pJ, nW, uW, mW, ps, ns, um, mm, um2, mm2, fJ/mm, pJ/bit, nW/GE, ..; default: the end of the name"},
    {"coefficients.*.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"coefficients.*.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"coefficients.*.doc", DOC_TEXT, NULL, "free text"},
    {"sram_table", DOC_MAP, NULL, "table of SRAM macros"},
    {"sram_table.file", DOC_TEXT, NULL, "CSV file, relative to the file that names it"},
    {"sram_table.source", DOC_TEXT, NULL, "where the table comes from; required"},
    {"sram_table.doc", DOC_TEXT, NULL, "free text"},
    {"idle", DOC_MAP, NULL, "energy of one clocked cycle without work, for classes without their own"},
    {"idle.energy_fj", DOC_FORMULA, "fJ", "per instance and cycle; may name area_ge"},
    {"idle.energy_pj", DOC_FORMULA, "pJ", "the same in pJ"},
    {"idle.bound", DOC_BOUND, NULL, "upper: an upper bound, no estimate; outputs say so"},
    {"idle.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"idle.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"idle.doc", DOC_TEXT, NULL, "free text"},
    {"leak", DOC_MAP, NULL, "leakage, for classes without their own"},
    {"leak.power_nw", DOC_FORMULA, "nW", "per instance at v_nom and temp_ref_k; may name area_ge"},
    {"leak.bound", DOC_BOUND, NULL, "upper: an upper bound, no estimate; outputs say so"},
    {"leak.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"leak.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"leak.doc", DOC_TEXT, NULL, "free text"},
    {"area_err", DOC_MAP, NULL, "error of areas, for classes without their own"},
    {"area_err.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"area_err.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"area_err.doc", DOC_TEXT, NULL, "free text"},
    {"accelergy", DOC_MAP, NULL, "tables of Accelergy that replace formulas, by component.class"},
    {"accelergy.ert", DOC_TEXT, NULL, "energy reference table, relative to this file"},
    {"accelergy.art", DOC_TEXT, NULL, "area reference table, relative to this file"},
    {"accelergy.voltage", DOC_NUMBER, "V", "supply that the tables hold at; must be the operating supply"},
    {"accelergy.cycle_ns", DOC_NUMBER, "ns", "cycle that the energy of `leak` is for"},
    {"accelergy.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"accelergy.source", DOC_TEXT, NULL, "where the tables come from; required"},
    {"accelergy.doc", DOC_TEXT, NULL, "free text"},
    {"classes", DOC_MAP, NULL, "what can be priced"},
    {"classes.*", DOC_MAP, NULL, "one class of component"},
    {"classes.*.doc", DOC_TEXT, NULL, "free text"},
    {"classes.*.params", DOC_NAMES, NULL, "parameters that the machine gives; all are required"},
    {"classes.*.memory", DOC_MAP, NULL, "macro whose sram_* results the formulas may name"},
    {"classes.*.memory.cell", DOC_TEXT, NULL, "cell type in the table: lstp, lop or hp"},
    {"classes.*.memory.node_nm", DOC_NUMBER, "nm", "node in the table"},
    {"classes.*.memory.capacity_bytes", DOC_FORMULA, "bytes", "capacity over the parameters"},
    {"classes.*.memory.width_bits", DOC_FORMULA, "bits", "width over the parameters"},
    {"classes.*.locals", DOC_MAP, NULL, "named part formulas of this class"},
    {"classes.*.locals.*", DOC_FORMULA, NULL, "formula over parameters, coefficients and other locals"},
    {"classes.*.area_ge", DOC_FORMULA, "gate equivalents", "area of one instance (or area_um2)"},
    {"classes.*.area_um2", DOC_FORMULA, "um2", "area of one instance (or area_ge)"},
    {"classes.*.area_err", DOC_MAP, NULL, "error of the area, without ge_um2, utilisation and cal_area"},
    {"classes.*.area_err.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"classes.*.area_err.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"classes.*.area_err.doc", DOC_TEXT, NULL, "free text"},
    {"classes.*.path_fo4", DOC_FORMULA, "FO4", "longest register-to-register path (or path)"},
    {"classes.*.path", DOC_MAP, NULL, "the same as a sum of named stages"},
    {"classes.*.path.*", DOC_STAGE, "FO4", "one stage"},
    {"classes.*.path.*.fo4", DOC_FORMULA, "FO4", "formula over the scope"},
    {"classes.*.path.*.kind", DOC_STAGE_KIND, NULL,
     "logic (default; divided by a pipeline), loop (never divided) or register (paid in each rank)"},
    {"classes.*.path.*.doc", DOC_TEXT, NULL, "free text"},
    {"classes.*.idle", DOC_MAP, NULL, "energy of one clocked cycle without work"},
    {"classes.*.idle.energy_fj", DOC_FORMULA, "fJ", "per instance and cycle"},
    {"classes.*.idle.energy_pj", DOC_FORMULA, "pJ", "the same in pJ"},
    {"classes.*.idle.bound", DOC_BOUND, NULL, "upper: an upper bound, no estimate; outputs say so"},
    {"classes.*.idle.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"classes.*.idle.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"classes.*.idle.doc", DOC_TEXT, NULL, "free text"},
    {"classes.*.leak", DOC_MAP, NULL, "leakage of this class"},
    {"classes.*.leak.power_nw", DOC_FORMULA, "nW", "per instance at v_nom and temp_ref_k"},
    {"classes.*.leak.bound", DOC_BOUND, NULL, "upper: an upper bound, no estimate; outputs say so"},
    {"classes.*.leak.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"classes.*.leak.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"classes.*.leak.doc", DOC_TEXT, NULL, "free text"},
    {"classes.*.actions", DOC_MAP, NULL, "what is counted"},
    {"classes.*.actions.*", DOC_MAP, NULL, "energy of one action of one instance at v_nom"},
    {"classes.*.actions.*.energy_fj", DOC_FORMULA, "fJ", "formula over the scope and area_ge"},
    {"classes.*.actions.*.energy_pj", DOC_FORMULA, "pJ", "the same in pJ"},
    {"classes.*.actions.*.unit", DOC_TEXT, NULL, "what one count is: MAC, read, write, byte, ..."},
    {"classes.*.actions.*.kind", DOC_KIND, NULL,
     "onchip (default; scaled by supply and cal_energy) or offchip"},
    {"classes.*.actions.*.bound", DOC_BOUND, NULL, "upper: an upper bound, no estimate; outputs say so"},
    {"classes.*.actions.*.rel_err", DOC_NUMBER, NULL, "relative error, 0 to 10; required"},
    {"classes.*.actions.*.source", DOC_TEXT, NULL, "where the number comes from; required"},
    {"classes.*.actions.*.doc", DOC_TEXT, NULL, "free text"},
};
enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

static const char *const type_names[] = {"map", "text", "number", "formula or number", "list of names",
                                         "onchip|offchip", "upper", "default|measured",
                                         "formula, number or map",
                                         "logic|loop|register"};

/* Does `path` match the pattern, component by component? */
static bool matches(const char *pattern, const char *path)
{
    while (*pattern && *path) {
        size_t np = strcspn(pattern, "."), n = strcspn(path, ".");

        if (strncmp(pattern, "*", np) != 0 && (np != n || strncmp(pattern, path, n) != 0))
            return false;
        pattern += np + (pattern[np] == '.');
        path += n + (path[n] == '.');
    }
    return *pattern == *path;
}

/* The part of a pattern below `prefix` when it is a direct child, or NULL. */
static const char *child(const char *pattern, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncmp(pattern, prefix, n) != 0 || (n && pattern[n] != '.'))
        return NULL;
    pattern += n + (n > 0);
    return *pattern && !strchr(pattern, '.') ? pattern : NULL;
}

static void explain_one(const struct doc_key *k, const char *path, struct text *out)
{
    bool first = true;

    text_printf(out, "tech.%s\n    %s\n    type: %s", path, k->doc, type_names[k->type]);
    if (k->unit)
        text_printf(out, "\n    unit: %s", k->unit);
    text_add(out, "\n");
    if (k->type != DOC_MAP)
        return;
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *c = child(keys[i].path, k->path);

        if (!c)
            continue;
        text_printf(out, "%s %s", first ? "    keys:" : ",", strcmp(c, "*") == 0 ? "any name" : c);
        first = false;
    }
    if (strcmp(path, "coefficients") == 0) {
        text_add(out, "\n    required:");
        for (unsigned f = 0; f < TECH_N_FIXED; f++)
            text_printf(out, "%s %s", f ? "," : "", tech_fixed_names[f]);
    }
    text_add(out, "\n");
}

void tech_explain(const char *path_or_null, struct text *out)
{
    if (path_or_null && *path_or_null) {
        for (size_t i = 0; i < N_KEYS; i++)
            if (matches(keys[i].path, path_or_null)) {
                explain_one(&keys[i], path_or_null, out);
                return;
            }
        return;
    }
    text_add(out, "tech  technology file: numbers, each with an error and a source, and formulas\n");
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *last = strrchr(keys[i].path, '.');
        int indent = 2;

        if (strcmp(last ? last + 1 : keys[i].path, "doc") == 0)
            continue;
        for (const char *p = keys[i].path; *p; p++)
            indent += *p == '.' ? 2 : 0;
        last = last ? last + 1 : keys[i].path;
        text_printf(out, "%*s%-*s %s [%s]\n", indent, "", indent < 26 ? 28 - indent : 2,
                    strcmp(last, "*") == 0 ? "NAME" : last, keys[i].doc,
                    keys[i].unit ? keys[i].unit : type_names[keys[i].type]);
    }
}

static void json_types(struct json *j, const char *a, const char *b)
{
    json_open(j, "type", '[');
    json_str(j, NULL, a);
    json_str(j, NULL, b);
    json_close(j, ']');
}

static void json_enum(struct json *j, const char *const *words)
{
    json_open(j, "enum", '[');
    for (; *words; words++)
        json_str(j, NULL, *words);
    json_close(j, ']');
}

static void json_leaf(struct json *j, enum doc_type type)
{
    switch (type) {
    case DOC_FORMULA:
        json_types(j, "string", "number");
        break;
    case DOC_NAMES:
        json_str(j, "type", "array");
        json_open(j, "items", '{');
        json_str(j, "type", "string");
        json_close(j, '}');
        break;
    case DOC_KIND:
        json_enum(j, (const char *const[]){"onchip", "offchip", NULL});
        break;
    case DOC_ACTIVITY:
        json_enum(j, (const char *const[]){"default", "measured", NULL});
        break;
    case DOC_BOUND:
        json_enum(j, (const char *const[]){"upper", NULL});
        break;
    case DOC_STAGE_KIND:
        json_enum(j, (const char *const[]){"logic", "loop", "register", NULL});
        break;
    case DOC_STAGE:
        json_open(j, "type", '[');
        json_str(j, NULL, "string");
        json_str(j, NULL, "number");
        json_str(j, NULL, "object");
        json_close(j, ']');
        break;
    default:
        json_str(j, "type", type == DOC_NUMBER ? "number" : "string");
    }
}

/* Keys of the map at `prefix`; a `*` child describes every other key. Depth is
 * that of the table, five. */
static void json_map(struct json *j, const char *prefix)
{
    bool any = false;

    json_str(j, "type", "object");
    json_open(j, "properties", '{');
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            json_close(j, '}');
        for (size_t i = 0; i < N_KEYS; i++) {
            const char *c = child(keys[i].path, prefix);

            if (!c || (strcmp(c, "*") == 0) != (pass == 1))
                continue;
            any |= pass == 1;
            json_open(j, pass == 1 ? "additionalProperties" : c, '{');
            json_str(j, "description", keys[i].doc);
            if (keys[i].type == DOC_MAP)
                json_map(j, keys[i].path);
            else
                json_leaf(j, keys[i].type);
            json_close(j, '}');
        }
    }
    if (!any)
        json_bool(j, "additionalProperties", false);
}

void tech_schema_json(struct text *out)
{
    struct json j;

    json_begin(&j, out);
    json_open(&j, NULL, '{');
    json_str(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_str(&j, "title", "technology");
    json_map(&j, "");
    json_open(&j, "required", '[');
    json_str(&j, NULL, "name");
    json_close(&j, ']');
    json_close(&j, '}');
}
