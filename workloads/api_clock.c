/* `arch.clocks.soc: max`: the clock that the longest path of the design allows
 * in its technology. The resolved frequency takes the word's place before
 * anything is timed: it is part of the point's identity, the word is not. */
#include "workloads/api.h"

#include <inttypes.h>

static const struct ynode *soc_node(const struct rs_design *d)
{
    return yaml_get(yaml_get(d->tree[PART_ARCH], "clocks"), "soc");
}

bool clock_is_max(const struct rs_design *d)
{
    const struct ynode *n = soc_node(d);
    return n && n->kind == YNODE_SCALAR && !n->quoted && strcmp(n->text, "max") == 0;
}

/* Structure does not depend on what runs: a program that does nothing will do. */
static struct machine *idle_machine(const struct arch *arch, struct program *p, struct err *err)
{
    program_init(p);
    prog_add(p, THREAD_ACCEL, OP_HALT, N_UNITS);
    prog_add(p, THREAD_HOST, OP_HALT, N_UNITS);
    return machine_create(arch, p, &evq_wheel, false, err);
}

/* 0 with an error. */
static uint64_t limit_hz(const struct arch *arch, const struct tech *tech, struct err *err)
{
    struct program p;
    struct cost_sink sink = {.total_cycles = 1};
    struct machine *m = idle_machine(arch, &p, err);
    double hz = 0;
    bool ok = m != NULL;
    if (ok)
        machine_cost(m, &sink);
    for (unsigned i = 0; i < sink.n && ok; i++) {
        struct cost_price price;
        ok = tech_price(tech, &sink.items[i], 1000000, &price, err);
        double limit = ok ? tech_fmax_hz(tech, price.path_fo4) : 0;
        if (limit > 0 && (hz <= 0 || limit < hz))
            hz = limit;
    }
    cost_sink_finish(&sink);
    machine_destroy(m);
    program_finish(&p);
    if (ok && !(hz >= 1e6 && hz <= 1e10))
        err_add(err, ERR_CONFIG, NULL, "arch.clocks.soc: the technology gives no clock of 1 MHz to 10 GHz "
                "for `max`; write a frequency");
    return err_any(err) ? 0 : (uint64_t)hz;
}

bool clock_resolve(struct rs_design *d, struct err *err)
{
    struct arch *a = arch_decode(&d->arena, d->tree[PART_ARCH], err);
    if (!a)
        return false;
    /* Ours alone as yet. Paths do not depend on the clock, but a machine has one. */
    struct clocks_cfg *clocks = (struct clocks_cfg *)(uintptr_t)ARCH_CFG(a, clocks);
    clocks->soc_hz = clocks->periph_hz;
    uint64_t hz = limit_hz(a, d->tech, err) / 1000000 * 1000000;
    return hz && design_set_clock(d, hz, err);
}
