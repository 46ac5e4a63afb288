/* The choice of a mapping: what is left out, what is kept as tallies, and what lowering does not read. */
#include "tests/random_design.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { N_DESIGNS = 400, SEED = 5 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

/* Longer sequences than designs that are simulated have, every second time. */
static void draw(struct random_design *d, struct rng *rng)
{
    static const unsigned seqs[] = {96, 320, 512, 640, 1000, 1024, 2048};
    random_design_draw(d, rng);
    if (d->base != BASE_GEMM && rng_below(rng, 2))
        random_design_set(d, "work.seq", "%u", seqs[rng_below(rng, 7)]);
    if (d->base == BASE_NETWORK && rng_below(rng, 2))
        random_design_set(d, "work.map.order", "auto");
    if (d->base == BASE_NETWORK && rng_below(rng, 2))
        random_design_set(d, "work.phase", "prefill");
}

static char *text_of(bool ok, struct program *p)
{
    struct text t = {0};
    if (ok) {
        program_print(p, &t);
        text_add(&t, p->notes.s ? p->notes.s : "");
    }
    program_finish(p);
    return t.s;
}

static const char *command_of(const struct random_design *d, struct text *t)
{
    random_design_command(d, t);
    return t->s;
}

/* Every mapping tried, and those that the search tries: the same choice. */
static void same_choice(const struct random_design *d, const rs_design *design)
{
    struct err a = {0}, b = {0};
    struct program fast, slow;
    struct text line = {0};
    bool ok = lower(&fast, design->arch, design->work, &a);
    bool also = lower_exhaustively(&slow, design->arch, design->work, &b);
    char *x = text_of(ok, &fast), *y = text_of(also, &slow);
    cr_expect(ok == also && (!ok || strcmp(x, y) == 0), "%s", command_of(d, &line));
    free(x);
    free(y);
    text_finish(&line);
    err_finish(&a);
    err_finish(&b);
}

/* The bound of the program, and that of the mapping chosen among tallies. */
static void same_bound(const struct random_design *d, const rs_design *design)
{
    struct err err = {0};
    struct program p;
    struct text line = {0};
    struct mappings maps = {.shapes = shapes_create()};
    bool ok = lower(&p, design->arch, design->work, &err);
    cr_expect_eq(lower_mappings(&maps, design->arch, design->work, &err), ok);
    if (ok) {
        struct machine *m = machine_create(design->arch, &p, &evq_wheel, false, &err);
        const struct mapping *best = mappings_choose(&maps, m);
        uint64_t fast = tally_bound(best->tally, maps.shapes, m), slow = machine_bound(m);
        cr_expect_eq(fast, slow, "%" PRIu64 ", not %" PRIu64 ": %s", fast, slow, command_of(d, &line));
        machine_destroy(m);
    }
    program_finish(&p);
    mappings_finish(&maps);
    shapes_destroy(maps.shapes);
    text_finish(&line);
    err_finish(&err);
}

static void each_random(void (*check)(const struct random_design *, const rs_design *), uint64_t n,
                        uint64_t seed)
{
    struct random_bases bases;
    struct rng rng = {seed};
    unsigned legal = 0;
    rs_err *err = rs_err_create();
    random_bases_load(&bases);
    for (uint64_t i = 0; i < n; i++) {
        struct random_design d;
        draw(&d, &rng);
        rs_err_clear(err);
        rs_design *design = random_design_create(&d, &bases, err);
        if (design) {
            check(&d, design);
            legal++;
        }
        rs_design_destroy(design);
    }
    cr_expect(legal > n / 3, "%u legal designs of %" PRIu64, legal, n);
    rs_err_destroy(err);
    random_bases_finish(&bases);
}

Test(mapping, nothing_better_is_left_out)
{
    each_random(same_choice, setting("RETSIM_MAPPINGS", N_DESIGNS), setting("RETSIM_MAPPINGS_SEED", SEED));
}

Test(mapping, tallies_bound_as_programs_do)
{
    each_random(same_bound, setting("RETSIM_MAPPINGS", N_DESIGNS), setting("RETSIM_MAPPINGS_SEED", SEED + 1));
}
