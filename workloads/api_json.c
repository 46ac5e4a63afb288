/* A result as one JSON object. */
#include "base/json.h"
#include "workloads/api.h"

#include <string.h>

static const char *method_name(rs_method m)
{
    return m == RS_FULL ? "full" : m == RS_FOLDED ? "folded" : "bound";
}

static void add_summary(struct json *j, const rs_summary *s)
{
    json_u64(j, "cycles", s->cycles);
    json_u64(j, "macs", s->macs);
    json_u64(j, "macs_issued", s->macs_issued);
    json_u64(j, "peak_macs_per_cycle", s->peak_macs_per_cycle);
    json_u64(j, "tokens", s->tokens);
    json_u64(j, "energy_fj", s->energy_fj);
    json_u64(j, "area_um2", s->area_um2);
    json_real(j, "time_ns", s->time_ns);
    json_real(j, "tokens_per_s", s->tokens_per_s);
    json_real(j, "power_uw", s->power_uw);
    json_real(j, "utilization", s->utilization);
    json_u64(j, "estimated_cycles", s->estimated_cycles);
    json_real(j, "estimated_share", s->cycles ? (double)s->estimated_cycles / (double)s->cycles : 0);
    json_u64(j, "soc_hz", s->soc_hz);
    json_u64(j, "fmax_hz", s->fmax_hz);
    json_real(j, "voltage", s->voltage);
    json_real(j, "fmax_rel_err", s->fmax_rel_err);
    json_real(j, "energy_rel_err", s->energy_rel_err);
    json_real(j, "area_rel_err", s->area_rel_err);
    json_real(j, "energy_level_err", s->energy_level_err);
    json_real(j, "area_level_err", s->area_level_err);
    if (s->has_values || s->has_quality) {
        json_real(j, "sqnr_db", s->sqnr_db);
        json_real(j, "bits_per_byte", s->bits_per_byte);
        json_real(j, "float_bits_per_byte", s->float_bits_per_byte);
    }
    if (s->has_values)
        json_u64(j, "values_compared", s->values_compared);
    json_u64(j, "energy_upper_bound_fj", s->energy_upper_fj);
    json_open(j, "energy_parts", '{');
    json_u64(j, "onchip_fj", s->energy_onchip_fj);
    json_u64(j, "offchip_fj", s->energy_offchip_fj);
    json_u64(j, "idle_fj", s->energy_idle_fj);
    json_close(j, '}');
}

static void add_amounts(struct json *j, const char *key, const rs_amount *v, size_t n)
{
    json_open(j, key, '{');
    for (size_t i = 0; i < n; i++)
        json_u64(j, v[i].name, v[i].value);
    json_close(j, '}');
}

static const char *kind_name(rs_energy_kind kind)
{
    return kind == RS_ONCHIP ? "onchip" : kind == RS_OFFCHIP ? "offchip" : "idle";
}

/* Counters by action; an action that has several kinds of energy shows the
 * count of the first. */
static void add_counters(struct json *j, const struct rs_result *r, const char *component)
{
    json_open(j, "counters", '{');
    for (size_t i = 0; i < r->n_actions; i++) {
        const rs_action *a = &r->actions[i];
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(r->actions[k].component, component) == 0 &&
                strcmp(r->actions[k].action, a->action) == 0;
        if (!seen && strcmp(a->component, component) == 0)
            json_u64(j, a->action, a->count);
    }
    json_close(j, '}');
}

static void add_energy(struct json *j, const struct rs_result *r, const char *component)
{
    json_open(j, "energy", '[');
    for (size_t i = 0; i < r->n_actions; i++) {
        const rs_action *a = &r->actions[i];
        if (!a->priced || strcmp(a->component, component))
            continue;
        json_open(j, NULL, '{');
        json_str(j, "action", a->action);
        json_str(j, "unit", a->unit);
        json_str(j, "kind", kind_name(a->kind));
        json_u64(j, "count", a->count);
        json_u64(j, "energy_fj", a->energy_fj);
        json_real(j, "rel_err", a->rel_err);
        json_bool(j, "upper_bound", a->upper_bound);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add_components(struct json *j, const struct rs_result *r)
{
    json_open(j, "components", '{');
    for (size_t i = 0; i < r->n_components; i++) {
        const rs_component *c = &r->components[i];
        json_open(j, c->name, '{');
        json_str(j, "class", c->class_name);
        json_u64(j, "area_um2", c->area_um2);
        json_real(j, "area_rel_err", c->area_rel_err);
        json_u64(j, "energy_fj", c->energy_fj);
        json_real(j, "energy_rel_err", c->energy_rel_err);
        if (c->path) {
            json_str(j, "path", c->path);
            json_real(j, "path_fo4", c->path_fo4);
            json_real(j, "path_rel_err", c->path_rel_err);
            json_u64(j, "fmax_hz", c->fmax_hz);
            json_real(j, "fmax_rel_err", c->fmax_rel_err);
        }
        add_counters(j, r, c->name);
        add_energy(j, r, c->name);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static void add_rows(struct json *j, const rs_layer *l)
{
    if (l->has_rows) {
        json_u64(j, "first_issue", l->first_row);
        json_u64(j, "last_issue", l->last_row);
    }
    if (l->has_output) {
        json_u64(j, "first_out", l->first_output);
        json_u64(j, "last_out", l->last_output);
    }
}

static void add_layers(struct json *j, const struct rs_result *r)
{
    json_open(j, "layers", '[');
    for (size_t i = 0; i < r->n_layers; i++) {
        json_open(j, NULL, '{');
        json_str(j, "name", r->layers[i].name);
        json_u64(j, "index", r->layers[i].index);
        json_u64(j, "cycles", r->layers[i].cycles);
        add_rows(j, &r->layers[i]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add_homes(struct json *j, const struct rs_result *r)
{
    json_open(j, "homes", '{');
    for (size_t i = 0; i < r->n_homes; i++) {
        json_open(j, r->homes[i].tensor, '{');
        json_str(j, "home", r->homes[i].home);
        json_u64(j, "bytes", r->homes[i].bytes);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static void add_strings(struct json *j, const char *key, const char *const *v, size_t n)
{
    json_open(j, key, '[');
    for (size_t i = 0; i < n; i++)
        json_str(j, NULL, v[i]);
    json_close(j, ']');
}

char *rs_result_json(const rs_result *r)
{
    struct text t = {0};
    struct json j;
    char hex[33];
    hash_hex(&r->key, hex);
    json_begin(&j, &t);
    json_open(&j, NULL, '{');
    json_str(&j, "arch", r->arch_name);
    json_str(&j, "work", r->work_name);
    json_str(&j, "tech", r->tech_name);
    json_str(&j, "method", method_name(r->summary.method));
    add_summary(&j, &r->summary);
    /* SCALE-Sim prints the index of the last cycle, not their number. */
    if (r->as_scalesim)
        json_u64(&j, "scalesim_total_cycles", r->summary.cycles - 1);
    add_amounts(&j, "breakdown", r->causes, r->n_causes);
    add_components(&j, r);
    add_amounts(&j, "traffic_bytes", r->traffic, r->n_traffic);
    add_layers(&j, r);
    add_homes(&j, r);
    add_strings(&j, "hypothetical", r->hypothetical, r->n_hypothetical);
    add_strings(&j, "notes", r->notes, r->n_notes);
    json_str(&j, "config_hash", hex);
    json_str(&j, "version", rs_version());
    json_str(&j, "model_version", rs_model_version());
    json_real(&j, "host_seconds", r->summary.host_seconds);
    json_close(&j, '}');
    text_add(&t, "\n");
    return t.s;
}
