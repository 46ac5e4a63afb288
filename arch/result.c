#include "arch/result.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct cost_item *cost_add(struct cost_sink *s, const char *component, const char *cls, uint64_t instances)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 32;
        s->items = xrealloc(s->items, s->cap, sizeof *s->items);
    }
    struct cost_item *it = &s->items[s->n++];
    memset(it, 0, sizeof *it);
    it->component = component;
    it->cls = cls;
    it->instances = instances;
    it->total_cycles = s->total_cycles;
    for (const struct cost_item *o = s->items; o < it; o++)
        it->ordinal += strcmp(o->component, component) == 0 && strcmp(o->cls, cls) == 0;
    return it;
}

void cost_param(struct cost_item *it, const char *name, double value)
{
    assert(it->n_params < COST_MAX_PARAMS);
    it->params[it->n_params++] = (struct cost_param){name, value};
}

void cost_count(struct cost_item *it, const char *action, uint64_t count)
{
    assert(it->n_actions < COST_MAX_ACTIONS);
    it->actions[it->n_actions++] = (struct cost_action){action, count};
}

void cost_idle(const struct machine *m, struct cost_item *it, uint64_t busy_cycles, uint64_t active)
{
    int gating = m->sequencer->clock_gating;
    uint64_t cycles = gating == GATE_NONE ? it->total_cycles : gating == GATE_UNIT ? busy_cycles : 0;
    /* A bound may be shorter than the work that it overlaps. */
    it->clocked_cycles = cycles * it->instances > active ? cycles * it->instances - active : 0;
}

void cost_activity(const struct machine *m, struct cost_item *it, enum activity_of of)
{
    if (m->activity)
        it->activity = m->activity[of];
}

void cost_sink_finish(struct cost_sink *s)
{
    free(s->items);
    memset(s, 0, sizeof *s);
}

void machine_cost(const struct machine *m, struct cost_sink *s)
{
    for (unsigned i = 0; arch_classes[i]; i++)
        if (arch_classes[i]->cost && (!m->streams || arch_classes[i]->streamed))
            arch_classes[i]->cost(m, s);
}
