/* Laws that hold for every design: what a result says twice agrees, fast paths
 * equal their slow twins, no program deadlocks. RETSIM_LAWS_DESIGNS and
 * RETSIM_LAWS_SEED choose how many random designs and which. */
#include "arch/fold.h"
#include "base/num.h"
#include "tests/effort.h"
#include "tests/random_design.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_DESIGNS = EFFORT(250, 80), SEED = EFFORT(20, 21), MAX_BOUND_CYCLES = 1500000, MAX_REPORTS = 2 };

struct runs { /* of one design */
    const struct random_design *random;
    rs_design *design;
    rs_result *full, *folded, *bound;
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

/* ---- reading results ---- */

static uint64_t counter(const rs_result *r, const char *component, const char *action)
{
    size_t n;
    const rs_action *a = rs_result_actions(r, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i].component, component) == 0 && strcmp(a[i].action, action) == 0)
            return a[i].count;
    cr_assert_fail("no counter %s.%s", component, action);
    return 0;
}

static uint64_t amount(const rs_amount *a, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i].name, name) == 0)
            return a[i].value;
    return 0;
}

static uint64_t traffic(const rs_result *r, const char *name)
{
    size_t n;
    const rs_amount *a = rs_result_traffic(r, &n);
    return amount(a, n, name);
}

static uint64_t cause(const rs_result *r, const char *name)
{
    size_t n;
    const rs_amount *a = rs_result_breakdown(r, &n);
    return amount(a, n, name);
}

static bool equal(struct text *why, const char *what, uint64_t is, uint64_t should)
{
    if (is == should)
        return true;
    text_printf(why, "%s is %" PRIu64 ", not %" PRIu64 "; ", what, is, should);
    return false;
}

static bool at_most(struct text *why, const char *what, uint64_t is, uint64_t limit)
{
    if (is <= limit)
        return true;
    text_printf(why, "%s is %" PRIu64 ", above %" PRIu64 "; ", what, is, limit);
    return false;
}

/* ---- laws ---- */

/* The JSON object up to what names the method and the host's time. */
static char *comparable(const rs_result *r)
{
    char *json = rs_result_json(r), *from = strstr(json, "\"cycles\":"), *to = strstr(json, "\"version\":");
    cr_assert(from && to && from < to);
    char *s = strndup(from, (size_t)(to - from));
    free(json);
    return s;
}

static bool folding_changes_nothing(const struct runs *r, struct text *why)
{
    char *full = comparable(r->full), *folded = comparable(r->folded);
    size_t same = 0;
    while (full[same] && full[same] == folded[same])
        same++;
    bool ok = full[same] == folded[same];
    size_t from = same > 40 ? same - 40 : 0;
    if (!ok)
        text_printf(why, "full ...%.80s..., folded ...%.80s...", full + from, folded + from);
    free(full);
    free(folded);
    return ok;
}

/* After runs of other workloads on the same machine, and of the same: what was seen there is used. */
static bool what_was_seen_before_changes_nothing(const struct runs *r, struct text *why)
{
    static const char *const others[2][3][2] = {
        {{"work.seq=48", "work.form=recurrent"}, {"work.seq=80", "work.form=chunkwise"},
         {"work.seq=33", "work.batch=1"}},
        {{"work.m=40", "work.n=64"}, {"work.k=96", "work.m=24"}, {"work.n=33", "work.k=32"}}};
    rs_memory *memory = rs_memory_create();
    rs_options options = {.method = RS_FOLDED, .memory = memory};
    struct runs again = *r;
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        rs_err *err = rs_err_create();
        rs_design *other = rs_design_with(r->design, others[r->random->base == BASE_GEMM][i], 2, err);
        if (other) /* which may not fit */
            rs_result_destroy(rs_run(other, &options, err));
        rs_design_destroy(other);
        rs_err_destroy(err);
    }
    for (int i = 0; ok && i < 2; i++) {
        rs_err *err = rs_err_create();
        again.folded = rs_run(r->design, &options, err);
        ok = again.folded && folding_changes_nothing(&again, why);
        rs_result_destroy(again.folded);
        rs_err_destroy(err);
    }
    rs_memory_destroy(memory);
    return ok;
}

static bool breakdown_and_layers_cover_the_run(const struct runs *r, struct text *why)
{
    const rs_result *const of[] = {r->full, r->folded};
    bool ok = true;
    for (int k = 0; k < 2; k++) {
        uint64_t cycles = rs_result_summary(of[k])->cycles, causes = 0, in_layers = 0;
        size_t n;
        const rs_amount *a = rs_result_breakdown(of[k], &n);
        ok &= equal(why, "number of causes", n, N_CAUSES);
        for (size_t i = 0; i < n; i++)
            causes += a[i].value;
        const rs_layer *layers = rs_result_layers(of[k], &n);
        for (size_t i = 0; i < n; i++)
            in_layers += layers[i].cycles;
        ok &= equal(why, "sum of the breakdown", causes, cycles);
        ok &= equal(why, "sum of the layers", in_layers, cycles);
    }
    return ok;
}

static bool parts_of_energy_and_area_sum(const struct runs *r, struct text *why)
{
    const rs_result *const of[] = {r->full, r->folded, r->bound};
    bool ok = true;
    for (int k = 0; k < 3; k++) {
        const rs_summary *s = rs_result_summary(of[k]);
        uint64_t energy = 0, area = 0, kinds[3] = {0};
        size_t n;
        const rs_component *c = rs_result_components(of[k], &n);
        for (size_t i = 0; i < n; i++) {
            energy += c[i].energy_fj;
            area += c[i].area_um2;
        }
        const rs_action *a = rs_result_actions(of[k], &n);
        for (size_t i = 0; i < n; i++)
            kinds[a[i].kind] += a[i].energy_fj;
        ok &= equal(why, "energy of the components", energy, s->energy_fj);
        ok &= equal(why, "energy of the kinds",
                    s->energy_onchip_fj + s->energy_offchip_fj + s->energy_idle_fj, s->energy_fj);
        ok &= equal(why, "on-chip energy of the actions", kinds[RS_ONCHIP], s->energy_onchip_fj);
        ok &= equal(why, "off-chip energy of the actions", kinds[RS_OFFCHIP], s->energy_offchip_fj);
        ok &= equal(why, "idle energy of the actions", kinds[RS_IDLE], s->energy_idle_fj);
        ok &= equal(why, "area of the components", area, s->area_um2) && area > 0 && energy > 0;
    }
    return ok;
}

/* Utilization is of the 8 x 8 peak: modes of narrow numbers may be faster. */
static uint64_t fastest_mode(const struct rs_design *d)
{
    const struct engine_cfg *e = ARCH_CFG(d->arch, engine);
    const struct mode_cfg *modes = e->modes.items;
    uint64_t most = 1;
    for (size_t i = 0; i < e->modes.n; i++)
        most = max64(mode_scale(e, &modes[i]), most);
    return most;
}

static bool macs_are_the_closed_form(const struct runs *r, struct text *why)
{
    const rs_summary *s = rs_result_summary(r->full), *b = rs_result_summary(r->bound);
    bool ok = equal(why, "useful MACs", s->macs, work_macs(r->design->work));
    ok &= equal(why, "the bound's MACs", b->macs, s->macs);
    ok &= equal(why, "the bound's issued MACs", b->macs_issued, s->macs_issued);
    return ok & at_most(why, "utilization, in millionths", (uint64_t)(s->utilization * 1e6),
                        1000000 * fastest_mode(r->design));
}

static bool the_bound_is_below(const struct runs *r, struct text *why)
{
    size_t n, m;
    const rs_amount *a = rs_result_traffic(r->folded, &n), *b = rs_result_traffic(r->bound, &m);
    bool ok = at_most(why, "the bound", rs_result_summary(r->bound)->cycles,
                      rs_result_summary(r->folded)->cycles);
    ok &= equal(why, "rows of the bound's traffic", m, n);
    for (size_t i = 0; i < n && i < m; i++)
        ok &= strcmp(a[i].name, b[i].name) == 0 && equal(why, b[i].name, b[i].value, a[i].value);
    return ok;
}

/* Counts that two components keep of the same things, and none beyond what the
 * hardware can do in the time. */
static bool counters_agree(const struct runs *r, struct text *why)
{
    const rs_result *f = r->full;
    const struct arch *a = r->design->arch;
    const struct tcdm_cfg *t = ARCH_CFG(a, tcdm);
    const uint64_t cycles = rs_result_summary(f)->cycles, ports = t->hwpe_ports;
    uint64_t hwpe = counter(f, "tcdm", "hwpe_grant"), udma = counter(f, "tcdm", "udma_grant");
    uint64_t words = counter(f, "streamer", "load") + counter(f, "streamer", "weight") +
                     counter(f, "streamer", "store");
    uint64_t engine = counter(f, "engine", "busy"), retention = counter(f, "retention", "busy");
    uint64_t conflicts = counter(f, "tcdm", "conflict");
    bool ok = true;
    if (t->ideal) {
        ok &= equal(why, "conflicts of an ideal L2", conflicts + cause(f, "tcdm_conflict"), 0);
    } else {
        ok &= equal(why, "words granted to the accelerator", hwpe, words);
        ok &= at_most(why, "words granted", hwpe + udma, cycles * t->banks);
        ok &= at_most(why, "words granted to the accelerator", hwpe, cycles * ports);
        ok &= at_most(why, "conflicts", conflicts, cycles * (ports + 2));
    }
    ok &= equal(why, "words of the uDMA", udma, counter(f, "udma", "word"));
    ok &= equal(why, "bytes received", counter(f, "udma", "rx_byte"), traffic(f, "offchip_read"));
    ok &= equal(why, "bytes sent", counter(f, "udma", "tx_byte"), traffic(f, "offchip_write"));
    ok &= equal(why, "bytes read off-chip", counter(f, "hyperram", "read_byte"), traffic(f, "offchip_read"));
    ok &= equal(why, "bytes written off-chip", counter(f, "hyperram", "write_byte"),
                traffic(f, "offchip_write"));
    ok &= equal(why, "cycles of the engine", cause(f, "engine"), engine);
    ok &= at_most(why, "cycles booked on retention", cause(f, "retention"), retention);
    ok &= at_most(why, "cycles booked on the vector unit", cause(f, "vector"), counter(f, "vector", "busy"));
    ok &= at_most(why, "busy cycles of retention", retention, cycles);
    ok &= at_most(why, "busy cycles of the vector unit", counter(f, "vector", "busy"), cycles);
    ok &= at_most(why, "busy cycles of L2", counter(f, "tcdm", "busy"), cycles);
    ok &= at_most(why, "active cycles of the host", counter(f, "host", "active"), cycles);
    ok &= at_most(why, "commands", counter(f, "sequencer", "command"), cycles);
    ok &= at_most(why, "useful MACs", rs_result_summary(f)->macs,
                  rs_result_summary(f)->macs_issued + (uint64_t)counter(f, "retention", "update") * 2);
    return ok;
}

/* What the network cannot do without: each pass reads every weight once and
 * passes rows from matrix to matrix through L2. A pass is a prefill of one
 * sequence or a generated token of the whole batch. */
static bool compulsory_bytes_are_moved(const struct runs *r, struct text *why)
{
    const struct work *w = r->design->work;
    const struct shape *s = &w->shape;
    const rs_result *f = r->full;
    bool prefill = w->phase != PHASE_DECODE, decode = w->phase != PHASE_PREFILL, ok = true;
    if (w->kind != WORK_NETWORK)
        return at_most(why, "bytes read for results", 1, traffic(f, "l2_write"));
    uint64_t rows = w->batch * ((prefill ? w->seq : 0) + (decode ? w->tokens : 0));
    uint64_t passes = (prefill ? w->batch : 0) + (decode ? w->tokens : 0);
    uint64_t heads = w->lm_head == LM_NONE ? 0 : (prefill ? w->batch : 0) + (decode ? w->tokens : 0);
    uint64_t logit_rows = w->lm_head == LM_NONE ? 0 : w->lm_head == LM_ALL && prefill ? rows
                          : w->batch * ((prefill ? 1 : 0) + (decode ? w->tokens : 0));
    uint64_t layer = s->d_model * (2 * s->d_model + 3 * s->value_dim + 3 * s->ffn_dim);
    uint64_t weights = (passes * s->layers * layer + heads * s->vocab * s->d_model) * w->quant.weights / 8;
    bool offchip = false;
    size_t n;
    const rs_home *homes = rs_result_homes(f, &n);
    for (size_t i = 0; i < n; i++)
        offchip |= strcmp(homes[i].tensor, "weights") == 0 && strcmp(homes[i].home, "hyperram") == 0;
    ok &= at_most(why, "compulsory weight bytes from L2", weights, traffic(f, "l2_read_weight"));
    if (offchip)
        ok &= at_most(why, "compulsory weight bytes from off-chip", weights,
                      traffic(f, "offchip_read_weight"));
    else
        ok &= equal(why, "weight bytes from off-chip", traffic(f, "offchip_read_weight"), 0);
    ok &= at_most(why, "compulsory embedding bytes", rows * s->d_model * w->quant.weights / 8,
                  traffic(f, "l2_read_embedding"));
    /* Twice read and once written in each half of a layer; the embedding writes it first. */
    uint64_t residual = rows * s->layers * s->d_model * w->quant.residual / 8;
    ok &= at_most(why, "compulsory residual reads", 4 * residual, traffic(f, "l2_read_residual"));
    ok &= at_most(why, "compulsory residual writes", 2 * residual + residual / s->layers,
                  traffic(f, "l2_write_residual"));
    /* Normalised rows twice, gated heads, hidden rows. */
    uint64_t act = rows * s->layers * (2 * s->d_model + s->value_dim + s->ffn_dim) * w->quant.activations / 8;
    ok &= at_most(why, "compulsory activation reads", act, traffic(f, "l2_read_activation"));
    ok &= at_most(why, "compulsory activation writes", act, traffic(f, "l2_write_activation"));
    ok &= equal(why, "logit bytes", traffic(f, "l2_write_logit"), logit_rows * s->vocab * 2);
    return ok;
}

/* Where the uDMA's blocks of one L2 ring begin and end within a part. */
struct span {
    int64_t low, high;
};

static void add_transfer(struct span *of, const struct cmd *c, const int64_t *trips, unsigned depth)
{
    int64_t end = c->addr.c + c->row_bytes;
    for (unsigned d = 0; d < depth; d++)
        end += c->addr.k[d] * (trips[d] - 1);
    if (c->addr.c < of->low)
        of->low = c->addr.c;
    if (end > of->high)
        of->high = end;
}

/* A block that were larger than its part would fall into the next tensor's. */
static bool staged_blocks_fit_their_part(const struct runs *r, struct text *why)
{
    struct program p;
    struct err err = {0};
    struct span span[PROG_MAX_L2RINGS];
    int64_t trips[PROG_MAX_DEPTH];
    unsigned depth = 0;
    bool ok = lower(&p, r->design->arch, r->design->work, &err);
    for (unsigned i = 0; i < PROG_MAX_L2RINGS; i++)
        span[i] = (struct span){INT64_MAX, INT64_MIN};
    for (uint32_t pc = 0; ok && pc < p.n[THREAD_HOST]; pc++) {
        const struct cmd *c = &p.cmds[THREAD_HOST][pc];
        if (c->op == OP_REPEAT)
            trips[depth++] = c->trips.c;
        else if (c->op == OP_END)
            depth--;
        else if ((c->op == OP_UDMA_RX || c->op == OP_UDMA_TX) && c->l2ring != L2RING_NONE)
            add_transfer(&span[c->l2ring], c, trips, depth);
    }
    for (unsigned i = 0; i < p.n_l2rings; i++)
        if (span[i].high > span[i].low)
            ok &= at_most(why, p.l2rings[i].name, (uint64_t)(span[i].high - span[i].low),
                          p.l2rings[i].stride);
    program_finish(&p);
    err_finish(&err);
    return ok;
}

/* Everything additive of a finished machine, and its end. */
static bool same_machines(const struct machine *a, const struct machine *b, struct text *why)
{
    bool ok = equal(why, "end of the heap's run", b->now + b->skipped, a->now + a->skipped);
    for (unsigned i = 0; i < a->n_counters; i++)
        ok &= equal(why, a->info[i].action, b->counter[i], a->counter[i]);
    ok &= memcmp(a->cause, b->cause, sizeof a->cause) == 0;
    ok &= memcmp(a->layer_cycles, b->layer_cycles, sizeof a->layer_cycles) == 0;
    return ok && memcmp(a->traffic, b->traffic, sizeof a->traffic) == 0;
}

static bool either_queue_gives_the_same(const struct runs *r, struct text *why)
{
    struct program p;
    struct err err = {0};
    bool ok = lower(&p, r->design->arch, r->design->work, &err);
    for (int folding = 0; ok && folding < 2; folding++) {
        struct machine *wheel = machine_create(r->design->arch, &p, &evq_wheel, folding, &err);
        struct machine *heap = machine_create(r->design->arch, &p, &evq_heap, folding, &err);
        ok = wheel && heap && machine_run(wheel, &err) && machine_run(heap, &err) &&
             same_machines(wheel, heap, why);
        machine_destroy(wheel);
        machine_destroy(heap);
    }
    program_finish(&p);
    err_finish(&err);
    return ok;
}

/* Folds and simulates on: what is foretold at each boundary is compared with what happens. */
static bool what_is_foretold_happens(const struct runs *r, struct text *why)
{
    struct program p;
    struct err err = {0};
    bool ok = lower(&p, r->design->arch, r->design->work, &err);
    struct machine *full = ok ? machine_create(r->design->arch, &p, &evq_wheel, false, &err) : NULL;
    struct machine *watched = ok ? machine_create(r->design->arch, &p, &evq_wheel, true, &err) : NULL;
    if (watched)
        fold_check(watched);
    ok = full && watched && machine_run(full, &err) && machine_run(watched, &err) &&
         same_machines(full, watched, why);
    machine_destroy(full);
    machine_destroy(watched);
    program_finish(&p);
    err_finish(&err);
    return ok;
}

static const struct law {
    const char *name;
    bool (*holds)(const struct runs *r, struct text *why);
} laws[] = {
    {"full and folded agree in everything", folding_changes_nothing},
    {"what was seen in other runs changes nothing", what_was_seen_before_changes_nothing},
    {"breakdown and layers sum to the cycles", breakdown_and_layers_cover_the_run},
    {"energies and areas sum to their totals", parts_of_energy_and_area_sum},
    {"MACs are the closed form", macs_are_the_closed_form},
    {"the bound is below, with the same traffic", the_bound_is_below},
    {"counters agree with each other and with the time", counters_agree},
    {"compulsory bytes are moved", compulsory_bytes_are_moved},
    {"staged blocks fit their part of L2", staged_blocks_fit_their_part},
    {"wheel and heap agree", either_queue_gives_the_same},
    {"what folding foretells happens", what_is_foretold_happens},
};
enum { N_LAWS = sizeof laws / sizeof laws[0], RUNS = N_LAWS }; /* RUNS: it runs without an error */

/* ---- running ---- */

enum outcome { ILLEGAL, TOO_SLOW, FINE, BROKEN };

static rs_result *run(const struct runs *r, rs_method method, rs_err *err)
{
    return rs_run(r->design, &(rs_options){.method = method}, err);
}

static void runs_finish(struct runs *r)
{
    rs_result_destroy(r->full);
    rs_result_destroy(r->folded);
    rs_result_destroy(r->bound);
    rs_design_destroy(r->design);
}

/* What does not fit says so before it runs; after that nothing may fail. */
static enum outcome run_all(struct runs *r, const struct random_bases *b, rs_err *err)
{
    r->design = random_design_create(r->random, b, err);
    r->bound = r->design ? run(r, RS_BOUND, err) : NULL;
    if (!r->bound)
        return rs_err_code(err) == 78 ? ILLEGAL : BROKEN;
    if (rs_result_summary(r->bound)->cycles > MAX_BOUND_CYCLES)
        return TOO_SLOW;
    r->full = run(r, RS_FULL, err);
    r->folded = r->full ? run(r, RS_FOLDED, err) : NULL;
    return r->folded ? FINE : BROKEN;
}

struct trial {
    const struct random_bases *bases;
    int broken; /* law, RUNS, or -1 */
    struct text why;
};

static struct text trying; /* command line, should it not come back */

static void name_the_crashed(int signal)
{
    if (write(STDERR_FILENO, trying.s, trying.len) < 0)
        _exit(1);
    raise(signal); /* the default action again: SA_RESETHAND */
}

static enum outcome try_design(const struct random_design *d, struct trial *t)
{
    trying.len = 0;
    random_design_command(d, &trying);
    text_add(&trying, "\n");
    rs_err *err = rs_err_create();
    struct runs r = {.random = d};
    enum outcome outcome = run_all(&r, t->bases, err);
    t->broken = outcome == BROKEN ? RUNS : -1;
    text_finish(&t->why);
    if (outcome == BROKEN)
        text_add(&t->why, rs_err_text(err));
    for (int i = 0; i < N_LAWS && outcome == FINE; i++)
        if (!laws[i].holds(&r, &t->why)) {
            t->broken = i;
            outcome = BROKEN;
        }
    runs_finish(&r);
    rs_err_destroy(err);
    return outcome;
}

struct shrinking {
    const struct random_bases *bases;
    int law;
};

static bool still_breaks(const struct random_design *d, void *arg)
{
    const struct shrinking *s = arg;
    struct trial t = {.bases = s->bases};
    bool breaks = try_design(d, &t) == BROKEN && t.broken == s->law;
    text_finish(&t.why);
    return breaks;
}

/* The failure with the fewest settings. */
static void report(struct random_design *d, struct trial *t)
{
    struct shrinking s = {t->bases, t->broken};
    struct text command = {0};
    random_design_shrink(d, still_breaks, &s);
    try_design(d, t);
    random_design_command(d, &command);
    cr_expect_fail("%s: %s\n    %s", s.law == RUNS ? "a legal design runs to its end" : laws[s.law].name,
                   t->why.s ? t->why.s : "", command.s);
    text_finish(&command);
}

/* Settings of which a law was once broken. */
Test(laws, designs_that_broke_one_obey_it_now)
{
    static const struct random_design once[] = {
        /* an edge of the folding that ends before an equal command was repeated */
        {BASE_NETWORK, 3, {"arch.tcdm.banks=2", "work.seq=65", "work.shape.layers=1"}},
    };
    struct random_bases bases;
    struct trial t = {.bases = &bases};
    random_bases_load(&bases);
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        cr_expect_eq(try_design(&once[i], &t), FINE, "design %zu: %s", i, t.why.s ? t.why.s : "");
    text_finish(&t.why);
    text_finish(&trying);
    random_bases_finish(&bases);
}

Test(laws, random_designs_obey_them)
{
    struct random_bases bases;
    struct trial t = {.bases = &bases};
    struct rng rng = {.s = setting("RETSIM_LAWS_SEED", SEED)}, beside = rng, thin = rng;
    uint64_t wanted = setting("RETSIM_LAWS_DESIGNS", N_DESIGNS), n[4] = {0}, drawn = 0;
    unsigned broken[N_LAWS + 1] = {0};
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGFPE};
    const struct sigaction named = {.sa_handler = name_the_crashed, .sa_flags = SA_RESETHAND};
    for (int i = 0; i < 3; i++)
        sigaction(crashes[i], &named, NULL);
    random_bases_load(&bases);
    while (n[FINE] + n[BROKEN] < wanted && drawn++ < 10 * wanted) {
        struct random_design d;
        random_design_draw(&d, &rng);
        if (drawn % 4 == 0)
            random_design_thin(&d, &thin);
        if (drawn % 5 == 0)
            random_design_draw_beside(&d, &beside);
        enum outcome outcome = try_design(&d, &t);
        n[outcome]++;
        if (outcome == BROKEN && broken[t.broken]++ < MAX_REPORTS)
            report(&d, &t);
    }
    cr_log_info("%" PRIu64 " designs: %" PRIu64 " fine, %" PRIu64 " broken, %" PRIu64 " illegal, %" PRIu64
                " long", drawn, n[FINE], n[BROKEN], n[ILLEGAL], n[TOO_SLOW]);
    cr_expect_geq(n[FINE], wanted - n[BROKEN]);
    text_finish(&t.why);
    text_finish(&trying);
    random_bases_finish(&bases);
}
