/* The interconnect that `run` simulates, inside a whole machine, against the slow twin of the arbiters
 * (tests/replay_twin.c) and of the streams (tests/stream_twin.c): one load of the accelerator beside other
 * masters, random sizes and strides. */
#include "arch/machine.h"
#include "tests/replay_twin.h"
#include "tests/stream_twin.h"
#include "workloads/api.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCH TEST_ROOT "/configs/arch/pulpissimo_retention.yaml"
#define GEMM TEST_ROOT "/workloads/kernels/gemm.yaml"

/* First request two cycles after the start of a load; data three after its last grant, and the program ends
 * in the cycle after that, in which the other masters still get what they ask for. */
enum { FIRST_REQUEST = 2, DATA = 4, FIRST_HWPE = 9, MAX_SETS = 12 };

struct trial {
    bool hci;
    unsigned banks, cores, ports, stride, first, packets, invert, num, den;
    uint32_t base; /* word */
};

struct counts {
    uint64_t cycles, hwpe, others, waits;
};

static uint64_t counter(const struct machine *m, const char *component, const char *action)
{
    for (unsigned i = 0; i < m->n_counters; i++)
        if (!strcmp(m->info[i].component, component) && !strcmp(m->info[i].action, action))
            return m->counter[i];
    cr_assert_fail("no counter %s.%s", component, action);
    return 0;
}

static rs_design *design(const struct trial *t)
{
    char text[MAX_SETS][64];
    const char *sets[MAX_SETS];
    rs_err *err = rs_err_create();
    unsigned n = 0;
    snprintf(text[n++], 64, "arch.tcdm.banks=%u", t->banks);
    snprintf(text[n++], 64, "arch.tcdm.hwpe_ports=%u", t->ports);
    snprintf(text[n++], 64, "arch.tcdm.masters=%u", FIRST_HWPE + t->ports);
    snprintf(text[n++], 64, "arch.tcdm.kind=%s", t->hci ? "hci" : "crossbar");
    snprintf(text[n++], 64, "arch.tcdm.hci.invert_prio=%s", t->invert ? "true" : "false");
    snprintf(text[n++], 64, "arch.tcdm.hci.prio_num=%u", t->num);
    snprintf(text[n++], 64, "arch.tcdm.hci.prio_den=%u", t->den);
    snprintf(text[n++], 64, "arch.traffic.masters=%u", t->cores);
    snprintf(text[n++], 64, "arch.traffic.stride_words=%u", t->stride);
    snprintf(text[n++], 64, "arch.traffic.first_words=%u", t->first);
    snprintf(text[n++], 64, "arch.hyperram.kind=none");
    for (unsigned i = 0; i < n; i++)
        sets[i] = text[i];
    rs_design *d = rs_design_load(ARCH, GEMM, NULL, sets, n, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return d;
}

static struct counts run(const struct trial *t)
{
    struct program p;
    struct err err = {0};
    rs_design *d = design(t);
    program_init(&p);
    struct cmd *c = prog_add(&p, THREAD_ACCEL, OP_LOAD, UNIT_LOAD);
    c->addr = aff(4 * (int64_t)t->base);
    c->rows = 1;
    c->row_bytes = 4 * t->ports * t->packets;
    c->dst = (struct slot_use){.ring = RING_ACT, .stage = 2, .acquire = true, .commit = true};
    prog_add(&p, THREAD_ACCEL, OP_HALT, N_UNITS);
    prog_add(&p, THREAD_HOST, OP_HALT, N_UNITS);
    struct machine *m = machine_create(d->arch, &p, &evq_wheel, false, &err);
    cr_assert(m && machine_run(m, &err), "%s", err.n_diags ? err.diags[0].text : "");
    struct counts n = {m->now / m->soc_ticks, counter(m, "tcdm", "hwpe_grant"),
                       counter(m, "traffic", "grant"), counter(m, "traffic", "wait")};
    machine_destroy(m);
    program_finish(&p);
    rs_design_destroy(d);
    return n;
}

/* Requests of a master that goes on at once: as many as the twin keeps of one. */
static void linear(struct twin *w, unsigned m, uint32_t from, uint32_t stride, unsigned n,
                   uint32_t earliest)
{
    w->n[m] = n;
    for (unsigned i = 0; i < n; i++)
        w->request[m][i] =
            (struct twin_request){.earliest = earliest ? earliest + i : 0, .addr = from + i * stride};
}

static struct counts predicted(const struct trial *t)
{
    static struct twin w;
    memset(&w, 0, sizeof w);
    w.dut = t->hci ? TWIN_HCI : TWIN_CROSSBAR;
    w.banks = t->banks;
    w.masters = t->hci ? t->cores + 3 : FIRST_HWPE + 1;
    w.cores = t->cores;
    w.dma = 2;
    w.hwpes = 1;
    w.words = t->ports;
    w.invert = t->invert;
    w.num = t->num;
    w.den = t->den;
    for (unsigned i = 0; i < t->cores; i++) {
        unsigned at = t->hci ? i : system_place(i, t->cores);
        linear(&w, at, i * t->first, t->stride, TWIN_REQUESTS, 0);
    }
    unsigned port = w.masters - 1;
    linear(&w, port, t->base, t->ports, t->packets, FIRST_REQUEST);
    cr_assert(twin_run(&w));
    struct counts n = {w.request[port][t->packets - 1].grant + DATA, (uint64_t)t->packets * t->ports, 0, 0};
    for (unsigned m = 0; m < port; m++)
        for (unsigned i = 0; i < w.n[m]; i++) {
            const struct twin_request *q = &w.request[m][i];
            n.others += q->grant <= n.cycles;
            for (uint64_t c = q->first; c < q->grant && c <= n.cycles; c++)
                n.waits++;
        }
    return n;
}

static struct trial draw(struct rng *rng, bool hci)
{
    struct trial t = {
        .hci = hci, .banks = 1u << (1 + rng_below(rng, 5)), .cores = (unsigned)rng_below(rng, 10)};
    t.ports = hci ? 1 + (unsigned)rng_below(rng, t.banks < 16 ? t.banks : 16) : 1;
    t.stride = (unsigned)rng_below(rng, 5);
    t.first = (unsigned)rng_below(rng, 5);
    t.base = (uint32_t)rng_below(rng, 64);
    t.packets = 1 + (unsigned)rng_below(rng, 20);
    t.invert = hci && rng_below(rng, 2);
    t.num = 1 + (unsigned)rng_below(rng, 3);
    t.den = t.num + (unsigned)rng_below(rng, 4) + !t.invert;
    return t;
}

static void expect_same(const struct trial *t, const struct counts *want, const struct counts *is)
{
    cr_assert(!memcmp(want, is, sizeof *is),
              "banks %u cores %u ports %u stride %u first %u packets %u base "
              "%u invert %u num %u den %u: cycles %u hwpe %u others %u waits %u, not %u %u %u %u",
              t->banks, t->cores, t->ports, t->stride, t->first, t->packets, t->base, t->invert, t->num,
              t->den, (unsigned)is->cycles, (unsigned)is->hwpe, (unsigned)is->others, (unsigned)is->waits,
              (unsigned)want->cycles, (unsigned)want->hwpe, (unsigned)want->others, (unsigned)want->waits);
}

static void trials(bool hci, uint64_t seed)
{
    struct rng rng = {seed};
    uint64_t waits = 0;
    for (unsigned i = 0; i < 150; i++) {
        struct trial t = draw(&rng, hci);
        struct counts want = predicted(&t), is = run(&t);
        if (want.cycles + 2 >= TWIN_REQUESTS)
            continue; /* the twin's masters would run dry */
        expect_same(&t, &want, &is);
        waits += is.waits;
    }
    cr_assert_gt(waits, 1000u);
}

Test(run_twin, crossbar)
{
    trials(false, 21);
}

Test(run_twin, hci)
{
    trials(true, 22);
}

/* The same of a load over several ports, which slip past each other. */
static struct counts streamed(const struct trial *t)
{
    static struct stream_twin w;
    struct text events = {0};
    struct counts n = {0, (uint64_t)t->packets * t->ports, 0, 0};
    memset(&w, 0, sizeof w);
    w.words = t->ports;
    w.banks = t->banks;
    w.background = t->cores;
    w.in_soc = w.decoupled = true;
    w.load_depth = 4;
    w.ready_period = w.valid_period = 1;
    w.source = (struct stream_job){
        .base = 4 * t->base, .size = t->packets, .line_length = t->packets, .feat_length = 1};
    w.sink = (struct stream_job){.start = -1, .size = 1, .line_length = 1, .feat_length = 1};
    for (unsigned i = 0; i < t->cores; i++) {
        w.n[i] = STREAM_REQUESTS;
        for (unsigned k = 0; k < STREAM_REQUESTS; k++)
            w.request[i][k].addr = i * t->first + k * t->stride;
    }
    cr_assert(stream_twin_run(&w, &events));
    for (const char *s = events.s; (s = strstr(s, "\ns ")); s++)
        n.cycles = strtoull(s + 3, NULL, 10) + 1;
    for (unsigned i = 0; i < t->cores; i++)
        for (unsigned k = 0; k < STREAM_REQUESTS; k++) {
            n.others += w.request[i][k].grant <= n.cycles;
            for (uint64_t c = w.request[i][k].first; c < w.request[i][k].grant && c <= n.cycles; c++)
                n.waits++;
        }
    text_finish(&events);
    return n;
}

Test(run_twin, ports_of_a_load)
{
    struct rng rng = {23};
    uint64_t waits = 0;
    for (unsigned i = 0; i < 150; i++) {
        struct trial t = draw(&rng, false);
        t.ports = 1 + (unsigned)rng_below(&rng, STREAM_PORTS);
        t.cores = (unsigned)rng_below(&rng, STREAM_BACKGROUND + 1);
        t.packets = 1 + (unsigned)rng_below(&rng, 40);
        while (t.banks < t.ports)
            t.banks *= 2;
        struct counts want = streamed(&t), is = run(&t);
        if (want.cycles + 2 >= STREAM_REQUESTS)
            continue; /* the twin's masters would run dry */
        expect_same(&t, &want, &is);
        waits += is.waits;
    }
    cr_assert_gt(waits, 1000u);
}

/* A product on the cluster's interconnect; 0: it starves. */
static uint64_t cluster_cycles(const char *cores, const char *period, const char *num, const char *den)
{
    char text[4][64];
    const char *sets[] = {text[0], text[1], text[2], text[3], "work.m=128", "work.n=128", "work.k=128"};
    rs_options options;
    rs_err *err = rs_err_create();
    snprintf(text[0], 64, "arch.traffic.masters=%s", cores);
    snprintf(text[1], 64, "arch.traffic.period_cycles=%s", period);
    snprintf(text[2], 64, "arch.tcdm.hci.prio_num=%s", num);
    snprintf(text[3], 64, "arch.tcdm.hci.prio_den=%s", den);
    rs_options_default(&options);
    rs_design *d =
        rs_design_load(TEST_ROOT "/configs/arch/cluster_retention.yaml", GEMM, NULL, sets, 7, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_result *r = rs_run(d, &options, err);
    uint64_t cycles = r ? rs_result_summary(r)->cycles : 0;
    cr_assert(r || strstr(rs_err_text(err), "arch.tcdm.hci"), "%s", rs_err_text(err));
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
    return cycles;
}

/* Cores beside the wide port cost it cycles, more of them and busier ones more; priorities say how many. */
Test(run_twin, cores_beside_a_wide_port)
{
    uint64_t alone = cluster_cycles("0", "1", "1", "2"), few = cluster_cycles("4", "4", "1", "2");
    uint64_t all = cluster_cycles("8", "4", "1", "2"), busy = cluster_cycles("8", "1", "1", "2");
    cr_expect(alone < few && few < all && all < busy, "%u %u %u %u", (unsigned)alone, (unsigned)few,
              (unsigned)all, (unsigned)busy);
    uint64_t mostly = cluster_cycles("8", "1", "1", "8"), hardly = cluster_cycles("8", "1", "7", "8");
    cr_expect(alone < mostly && mostly < busy && busy < hardly, "%u %u %u %u", (unsigned)alone,
              (unsigned)mostly, (unsigned)busy, (unsigned)hardly);
    cr_expect_eq(cluster_cycles("8", "1", "0", "1"), 0, "whoever always has priority leaves nothing");
}
