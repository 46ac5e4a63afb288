/* What a finished machine says about time and traffic. */
#include "arch/result.h"
#include "base/num.h"
#include "workloads/api.h"

#include <string.h>

/* Ticks of consecutive stretches as whole SoC cycles that sum to the total of
 * the run: each gets the cycle edges that fall into it. */
struct edges {
    uint64_t soc_ticks, ticks, cycles;
};

static uint64_t cycles_of(struct edges *e, uint64_t ticks)
{
    uint64_t before = e->cycles;
    e->ticks += ticks;
    e->cycles = (e->ticks + e->soc_ticks - 1) / e->soc_ticks;
    return e->cycles - before;
}

static void add_causes(struct rs_result *r, const struct machine *m)
{
    struct edges e = {.soc_ticks = m->soc_ticks};
    r->causes = ARENA_NEW(&r->arena, rs_amount, N_CAUSES);
    r->n_causes = N_CAUSES;
    for (int c = 0; c < N_CAUSES; c++)
        r->causes[c] = (rs_amount){cause_names[c], cycles_of(&e, m->cause[c])};
}

/* The last entry is what comes after the last mark. */
static void add_layers(struct rs_result *r, const struct machine *m)
{
    struct edges e = {.soc_ticks = m->soc_ticks};
    uint64_t n = m->prog->n_layers;
    r->layers = ARENA_NEW(&r->arena, rs_layer, n + 1);
    for (uint64_t i = 0; i <= n; i++) {
        uint64_t cycles = cycles_of(&e, m->layer_cycles[i]);
        if (i == n && cycles == 0)
            break;
        const char *name = i == n ? "end" : program_layer_name(m->prog, i);
        r->layers[r->n_layers++] = (rs_layer){.name = arena_strdup(&r->arena, name), .index = i,
                                               .cycles = cycles};
    }
}

/* Phases or jobs of an engine fed by streams. */
static void add_stream_layers(struct rs_result *r, const struct machine *m)
{
    size_t n;
    const struct stream_layer *l = streams_layers(m, &n);
    r->layers = ARENA_NEW(&r->arena, rs_layer, n);
    for (size_t i = 0; i < n; i++)
        r->layers[r->n_layers++] = (rs_layer){
            .name = arena_strdup(&r->arena, l[i].name), .index = i, .cycles = l[i].cycles,
            .has_rows = l[i].rows > 0, .has_output = l[i].outputs > 0, .first_row = l[i].first_row,
            .last_row = l[i].last_row, .first_output = l[i].first_output, .last_output = l[i].last_output};
}

static void add_amount(struct rs_result *r, const char *prefix, const char *name, uint64_t value)
{
    const char *full = arena_printf(&r->arena, "%s%s%s", prefix, *name ? "_" : "", name);
    r->traffic[r->n_traffic++] = (rs_amount){full, value};
}

static void add_traffic(struct rs_result *r, const struct machine *m)
{
    static const char *const interfaces[4] = {"l2_read", "l2_write", "offchip_read", "offchip_write"};
    const uint64_t(*bytes)[4] = m->traffic;
    r->traffic = ARENA_NEW(&r->arena, rs_amount, 4 + 5 * N_TENSOR_KINDS);
    for (int i = 0; i < 4; i++) {
        uint64_t sum = 0;
        for (int t = 0; t < N_TENSOR_KINDS; t++)
            sum += bytes[t][i];
        add_amount(r, interfaces[i], "", sum);
    }
    for (int t = 0; t < N_TENSOR_KINDS; t++)
        add_amount(r, "spilled", tensor_kind_names[t], m->prog->spilled_bytes[t]);
    for (int i = 0; i < 4; i++)
        for (int t = 0; t < N_TENSOR_KINDS; t++)
            if (bytes[t][i])
                add_amount(r, interfaces[i], tensor_kind_names[t], bytes[t][i]);
}

/* Cycles that the keys marked `estimate` put in: the entry of every interrupt, the controller's overhead of
 * every burst. Some of them hide behind other work, so it is a limit. */
uint64_t result_estimated_cycles(const struct machine *m, uint64_t cycles)
{
    uint64_t irqs = m->counter[m->cb.host + HOST_INTERRUPTS];
    uint64_t bursts = m->counter[m->cb.hyperram + HYPER_BURSTS];
    uint64_t clks = bursts * m->hyperram_cfg->fixed_clks * m->hyperram_cfg->phy_div;
    uint64_t ticks = clks * m->periph_ticks;
    return min64(irqs * m->host_cfg->irq_entry_cycles + div_up(ticks, m->soc_ticks), cycles);
}

void result_timing(struct rs_result *r, const struct machine *m, uint64_t cycles)
{
    const struct program *p = m->prog;
    if (cycles) {
        add_causes(r, m);
        if (m->streams)
            add_stream_layers(r, m);
        else
            add_layers(r, m);
    }
    add_traffic(r, m);
    r->homes = ARENA_NEW(&r->arena, rs_home, p->n_homes);
    for (unsigned i = 0; i < p->n_homes; i++) {
        const struct prog_home *h = &p->homes[i];
        r->homes[r->n_homes++] = (rs_home){.tensor = arena_strdup(&r->arena, h->tensor),
                                           .home = arena_strdup(&r->arena, h->home),
                                           .bytes = h->bytes};
    }
}
