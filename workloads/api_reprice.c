/* Prices without a simulation: the account of a run as text, and back. */
#include "workloads/api.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* item    component class instances clocked total path pipeline n_params {name value} {action count}
 * activity: pairs zeros bits toggles of the item before it, where they were measured
 * counter component action unit count */
static void field(struct text *out, const char *s)
{
    text_add(out, "\t");
    text_add(out, s);
}

static void number_field(struct text *out, uint64_t v)
{
    text_add(out, "\t");
    text_u64(out, v);
}

/* As %.17g has it. */
static void real_field(struct text *out, double v)
{
    if (!signbit(v) && v < 1e15 && v == (double)(uint64_t)v)
        number_field(out, (uint64_t)v);
    else
        text_printf(out, "\t%.17g", v);
}

static void item_text(const struct cost_item *it, struct text *out)
{
    text_add(out, "item");
    field(out, it->component);
    field(out, it->cls);
    number_field(out, it->instances);
    number_field(out, it->clocked_cycles);
    number_field(out, it->total_cycles);
    field(out, it->path ? it->path : "-");
    number_field(out, it->pipeline);
    number_field(out, it->n_params);
    for (unsigned i = 0; i < it->n_params; i++) {
        field(out, it->params[i].name);
        real_field(out, it->params[i].value);
    }
    for (unsigned i = 0; i < it->n_actions; i++) {
        field(out, it->actions[i].name);
        number_field(out, it->actions[i].count);
    }
    text_add(out, "\n");
    const struct cost_activity *a = &it->activity;
    if (a->pairs)
        text_printf(out, "activity\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", a->pairs, a->zeros,
                    a->bits, a->toggles);
}

const char *account_text(struct arena *a, const struct account *acc)
{
    struct text t = {0};
    text_add(&t, "");
    for (unsigned i = 0; i < acc->sink.n; i++)
        item_text(&acc->sink.items[i], &t);
    for (unsigned i = 0; i < acc->n_counters; i++) {
        text_add(&t, "counter");
        field(&t, acc->info[i].component);
        field(&t, acc->info[i].action);
        field(&t, acc->info[i].unit);
        number_field(&t, acc->counter[i]);
        text_add(&t, "\n");
    }
    const char *s = arena_strdup(a, t.s);
    text_finish(&t);
    return s;
}

enum { FIXED_FIELDS = 9, MAX_FIELDS = FIXED_FIELDS + 2 * (COST_MAX_PARAMS + COST_MAX_ACTIONS) };

/* Cuts a line at its tabs, in place; 0 when there are too many fields. */
static unsigned cut(char *line, char *field[MAX_FIELDS])
{
    unsigned n = 0;
    for (char *p = line; p; n++) {
        if (n == MAX_FIELDS)
            return 0;
        field[n] = p;
        p = strchr(p, '\t');
        if (p)
            *p++ = 0;
    }
    return n;
}

static bool number(const char *s, uint64_t *out)
{
    char *end;
    *out = strtoull(s, &end, 10);
    return *s >= '0' && *s <= '9' && *end == 0;
}

static bool parse_item(struct account *acc, char *const *f, unsigned n)
{
    uint64_t instances, pipeline, n_params;
    if (n < FIXED_FIELDS || (n - FIXED_FIELDS) % 2 || !number(f[3], &instances) ||
        !number(f[7], &pipeline) || pipeline > UINT32_MAX || !number(f[8], &n_params))
        return false;
    struct cost_item *it = cost_add(&acc->sink, f[1], f[2], instances);
    it->path = strcmp(f[6], "-") ? f[6] : NULL;
    it->pipeline = (unsigned)pipeline;
    if (!number(f[4], &it->clocked_cycles) || !number(f[5], &it->total_cycles))
        return false;
    if (n_params > COST_MAX_PARAMS || FIXED_FIELDS + 2 * n_params > n ||
        (n - FIXED_FIELDS) / 2 - n_params > COST_MAX_ACTIONS)
        return false;
    unsigned at = FIXED_FIELDS;
    for (uint64_t i = 0; i < n_params; i++, at += 2)
        cost_param(it, f[at], strtod(f[at + 1], NULL));
    for (; at < n; at += 2) {
        uint64_t count;
        if (!number(f[at + 1], &count))
            return false;
        cost_count(it, f[at], count);
    }
    return true;
}

static bool parse_activity(struct account *acc, char *const *f, unsigned n)
{
    if (n != 5 || !acc->sink.n)
        return false;
    struct cost_activity *a = &acc->sink.items[acc->sink.n - 1].activity;
    return number(f[1], &a->pairs) && number(f[2], &a->zeros) && number(f[3], &a->bits) &&
           number(f[4], &a->toggles);
}

static bool parse_counter(struct parsed_account *p, char *const *f, unsigned n)
{
    if (n != 5 || p->acc.n_counters == MAX_COUNTERS || !number(f[4], &p->counter[p->acc.n_counters]))
        return false;
    p->info[p->acc.n_counters++] = (struct counter_info){f[1], f[2], f[3]};
    return true;
}

bool account_parse(struct arena *a, const char *counts, struct parsed_account *p)
{
    p->info = ARENA_NEW(a, struct counter_info, MAX_COUNTERS);
    p->counter = ARENA_NEW(a, uint64_t, MAX_COUNTERS);
    p->acc.info = p->info;
    p->acc.counter = p->counter;
    for (char *line = arena_strdup(a, counts), *next; *line; line = next) {
        char *f[MAX_FIELDS];
        next = strchr(line, '\n');
        if (!next)
            return false;
        *next++ = 0;
        unsigned n = cut(line, f);
        bool ok = n && !strcmp(f[0], "item") ? parse_item(&p->acc, f, n)
                  : n && !strcmp(f[0], "activity") ? parse_activity(&p->acc, f, n)
                  : n && !strcmp(f[0], "counter") && parse_counter(p, f, n);
        if (!ok)
            return false;
    }
    return true;
}

rs_result *rs_reprice(const char *counts, uint64_t cycles, uint64_t soc_hz, const rs_design *tech,
                      rs_err *err)
{
    struct err *e = rs_err_inner(err);
    struct parsed_account p = {0};
    struct rs_result *r = xrealloc(NULL, 1, sizeof *r);
    memset(r, 0, sizeof *r);
    r->summary.cycles = cycles;
    r->summary.soc_hz = soc_hz;
    r->tech_name = arena_strdup(&r->arena, tech_name(tech->tech));
    bool ok = account_parse(&r->arena, counts, &p) && soc_hz;
    if (!ok)
        err_add(e, ERR_DATA, NULL, "the stored counts of a point cannot be read");
    ok = ok && account_price(r, &p.acc, tech->tech, e);
    cost_sink_finish(&p.acc.sink);
    if (ok) {
        result_derive(&r->summary);
        return r;
    }
    rs_result_destroy(r);
    return NULL;
}
