#include "arch/tech_impl.h"

#include "base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *tech_name(const struct tech *t)
{
    return t->name;
}

double tech_voltage(const struct tech *t)
{
    return t->voltage;
}

bool tech_wants_activity(const struct tech *t)
{
    return t->measured;
}

/* Alpha-power law: delay grows as V / (V - Vt)^alpha. */
static double delay_factor(const struct tech *t, double v)
{
    return v / pow(v - t->fixed[TECH_V_T], t->fixed[TECH_ALPHA]);
}

double tech_fmax_hz(const struct tech *t, double fo4)
{
    double slower = delay_factor(t, t->voltage) / delay_factor(t, t->fixed[TECH_V_NOM]);

    return fo4 > 0 ? 1e12 / (fo4 * t->fixed[TECH_FO4_PS] * slower) : 0;
}

double tech_fmax_rel_err(const struct tech *t, double path_rel_err)
{
    return hypot(path_rel_err, t->coef_err[t->fixed_at[TECH_FO4_PS]]);
}

double tech_energy_level_err(const struct tech *t)
{
    return t->coef_err[t->fixed_at[TECH_CAL_ENERGY]];
}

double tech_area_level_err(const struct tech *t)
{
    return t->coef_err[t->fixed_at[TECH_CAL_AREA]];
}

const char *tech_coefficient(const struct tech *t, size_t i, double *value, double *rel_err)
{
    if (i >= t->n_coefs)
        return NULL;
    *value = t->coefs[i];
    *rel_err = t->coef_err[i];
    return t->coef_names[i];
}

void tech_eval_coefs(const struct tech *t, size_t coef, double factor, double *out)
{
    for (size_t k = 0; k < t->n_coefs; k++) {
        size_t i = t->coef_order[k];

        out[i] = expr_eval(t->coef_exprs[i], out) * (i == coef ? factor : 1);
    }
}

const struct tech *tech_scaled(struct arena *a, const struct tech *t, size_t coef, double factor)
{
    struct tech *s = ARENA_NEW(a, struct tech, 1);

    *s = *t;
    s->coefs = ARENA_NEW(a, double, t->n_coefs + 1);
    tech_eval_coefs(t, coef, factor, s->coefs);
    for (unsigned f = 0; f < TECH_N_FIXED; f++)
        if (t->fixed_at[f] < t->n_coefs)
            s->fixed[f] = s->coefs[t->fixed_at[f]];
    return s;
}

struct entry {
    const char *key;
    const struct ynode *node;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static void emit_scalar(const struct ynode *n, struct text *out)
{
    double v;

    if (!n->quoted && text_parse_real(n->text, &v))
        text_printf(out, "%.17g", v);
    else
        text_add(out, n->text);
}

/* `doc` says nothing that a result depends on; `base` is already merged. */
static void emit(const struct ynode *n, const char *path, struct text *out)
{
    struct entry *e;

    if (n->kind == YNODE_SCALAR) {
        text_printf(out, "%s: ", path);
        emit_scalar(n, out);
        text_add(out, "\n");
        return;
    }
    e = xrealloc(NULL, n->n + 1, sizeof(*e));
    for (size_t i = 0; i < n->n; i++)
        e[i] = (struct entry){n->kind == YNODE_MAP ? n->keys[i] : "", n->items[i]};
    if (n->kind == YNODE_MAP)
        qsort(e, n->n, sizeof(*e), by_key);
    for (size_t i = 0; i < n->n; i++) {
        struct text sub = {0};

        if (strcmp(e[i].key, "doc") == 0 || strcmp(e[i].key, "base") == 0)
            continue;
        if (n->kind == YNODE_MAP)
            text_printf(&sub, "%s.%s", path, e[i].key);
        else
            text_printf(&sub, "%s.%zu", path, i);
        emit(e[i].node, sub.s, out);
        text_finish(&sub);
    }
    free(e);
}

static void emit_table(const struct sram_table *t, struct text *out)
{
    struct text rows = {0};
    struct hash128 h;
    char hex[33];

    for (size_t i = 0; i < t->n_rows; i++) {
        const struct sram_row *r = &t->rows[i];

        text_printf(&rows, "%s %u %.17g %.17g", r->cell, r->node_nm, r->capacity_bytes, r->width_bits);
        for (unsigned q = 0; q < SRAM_N; q++)
            text_printf(&rows, " %.17g", r->value[q]);
        text_add(&rows, "\n");
    }
    h = hash_bytes(rows.s, rows.len);
    hash_hex(&h, hex);
    text_printf(out, "tech.sram_table.rows: %s\n", hex);
    text_finish(&rows);
}

void tech_emit(const struct tech *t, struct text *out)
{
    emit(t->root, "tech", out);
    if (t->sram)
        emit_table(t->sram, out);
    tech_emit_tables(t, out);
}
