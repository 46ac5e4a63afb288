/* The ten phenomena that a PULP engineer will check, each with its number, on
 * the components that `retsim run` uses: whole machines with small programs, and the streamers' ports. */
#include "arch/machine.h"
#include "arch/regfile.h"
#include "arch/soc_bus.h"
#include "tests/mac_job.h"
#include "workloads/api.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ARCH TEST_ROOT "/configs/arch/pulpissimo_retention.yaml"
#define GEMM TEST_ROOT "/workloads/kernels/gemm.yaml"
#define BIT(i) (UINT64_C(1) << (i))

/* A machine with a program of the test's own. */
struct bench {
    rs_design *design;
    struct program p;
    uint64_t cycles;
    uint64_t words, grants; /* of the streams, of other masters */
    uint64_t udma_words, bursts;
};

/* Settings end with NULL. */
static void bench_open(struct bench *b, const char *const *sets)
{
    rs_err *err = rs_err_create();
    size_t n = 0;
    while (sets && sets[n])
        n++;
    memset(b, 0, sizeof *b);
    b->design = rs_design_load(ARCH, GEMM, NULL, sets, n, err);
    cr_assert_not_null(b->design, "%s", rs_err_text(err));
    rs_err_destroy(err);
    program_init(&b->p);
}

static uint64_t counter(const struct machine *m, const char *component, const char *action)
{
    for (unsigned i = 0; i < m->n_counters; i++)
        if (!strcmp(m->info[i].component, component) && !strcmp(m->info[i].action, action))
            return m->counter[i];
    cr_assert_fail("no counter %s.%s", component, action);
    return 0;
}

/* Runs the program to its end. */
static void bench_run(struct bench *b)
{
    struct err err = {0};
    prog_add(&b->p, THREAD_ACCEL, OP_HALT, N_UNITS);
    prog_add(&b->p, THREAD_HOST, OP_HALT, N_UNITS);
    struct machine *m = machine_create(b->design->arch, &b->p, &evq_wheel, false, &err);
    cr_assert(m && machine_run(m, &err), "%s", err.n_diags ? err.diags[0].text : "");
    b->cycles = m->now / m->soc_ticks;
    b->words = counter(m, "tcdm", "hwpe_grant");
    b->grants = counter(m, "traffic", "grant");
    b->udma_words = counter(m, "udma", "word");
    b->bursts = counter(m, "hyperram", "command");
    machine_destroy(m);
    program_finish(&b->p);
    rs_design_destroy(b->design);
}

static struct cmd *add_load(struct bench *b, int64_t addr, uint32_t rows, uint32_t row_bytes, int64_t stride)
{
    struct cmd *c = prog_add(&b->p, THREAD_ACCEL, OP_LOAD, UNIT_LOAD);
    c->addr = aff(addr);
    c->rows = rows;
    c->row_bytes = row_bytes;
    c->row_stride = stride;
    c->dst = (struct slot_use){.ring = RING_ACT, .stage = 2, .acquire = true, .commit = true};
    return c;
}

/* What other masters get in `cycles` cycles of the crossbar. */
static uint64_t grants_of(unsigned masters, const char *pattern, unsigned stride, unsigned first,
                          uint32_t cycles)
{
    char text[4][64];
    snprintf(text[0], 64, "arch.traffic.masters=%u", masters);
    snprintf(text[1], 64, "arch.traffic.pattern=%s", pattern);
    snprintf(text[2], 64, "arch.traffic.stride_words=%u", stride);
    snprintf(text[3], 64, "arch.traffic.first_words=%u", first);
    const char *sets[] = {text[0], text[1], text[2], text[3], "arch.hyperram.kind=none", NULL};
    struct bench b;
    bench_open(&b, sets);
    prog_add(&b.p, THREAD_HOST, OP_HOST_WORK, N_UNITS)->cycles = cycles - 1; /* the last cycle included */
    bench_run(&b);
    return b.grants;
}

/* A lone stream: one word a cycle, the first after 2 cycles, data 3 after the grant; a bank serves one. */
Test(phenomena, n01_bank_serialisation)
{
    for (uint32_t words = 1; words <= 1024; words = words * 3 + 1) {
        struct bench b;
        bench_open(&b, (const char *const[]){"arch.tcdm.hwpe_ports=1", NULL});
        add_load(&b, 0, 1, 4 * words, 0);
        bench_run(&b);
        cr_expect_eq(b.words, words);
        cr_expect_eq(b.cycles, 2 + words + 3, "%u words: %u cycles", words, (unsigned)b.cycles);
    }
    cr_expect_eq(grants_of(5, "linear", 0, 0, 1000), 1000, "five masters on one bank: one grant a cycle");
    for (unsigned k = 1; k <= 7; k++)
        cr_expect_leq(grants_of(k, "random", 0, 0, 1000), 4 * 1000u);
}

static unsigned order_of(struct xbar *x, uint64_t who, unsigned n, int *order)
{
    for (unsigned i = 0; i < n; i++)
        order[i] = xbar_grant(x, 0, who);
    return n;
}

/* Equal shares in index order; random traffic as measured, not as the memoryless curve has it. */
Test(phenomena, n02_round_robin_fairness)
{
    static const double measured[] = {1.0000, 1.7520, 2.2719, 2.6269, 2.8718, 3.0473, 3.1786, 3.2795, 3.3583};
    enum { CYCLES = 400000 };
    for (unsigned k = 2; k <= 9; k++) {
        struct xbar x;
        int order[90];
        xbar_init(&x, 13, 4, false);
        for (unsigned i = 0; i < order_of(&x, BIT(k) - 1, 10 * k, order); i++)
            cr_expect_eq(order[i], (int)(i % k), "served in turn, after k - 1 cycles at most");
    }
    struct xbar x;
    int order[30];
    xbar_init(&x, 13, 4, false);
    for (unsigned i = 0; i < order_of(&x, BIT(0) | BIT(3) | BIT(5), 30, order); i++)
        cr_expect_eq(order[i], ((const int[]){0, 3, 5})[i % 3]);
    for (unsigned k = 1; k <= 9; k++) {
        double rate = (double)grants_of(k, "random", 0, 0, CYCLES) / CYCLES;
        cr_expect_leq(fabs(rate / measured[k - 1] - 1), 0.005, "%u masters: %.4f, not %.4f", k, rate,
                      measured[k - 1]);
    }
}

/* Cycles of the reference job: dot product or element-wise product. */
static unsigned mac(bool dot, unsigned length, bool same_bank, uint32_t misaligned)
{
    struct mac_job j = {.length = length, .base = {0x1000, 0x2000, 0x3000, 0x4000}, .dot = dot};
    for (unsigned p = 0; p < 4 && !same_bank; p++)
        j.base[p] += 4 * p;
    j.base[0] += misaligned;
    return mac_cycles(&j) + MAC_FIXED;
}

/* Streams from the same bank lose a few cycles once: 3.99 grants a cycle, +3 cycles for a job. */
Test(phenomena, n03_self_staggering)
{
    static const unsigned together[] = {0, 1000, 1999, 2997, 3994, 3994};
    for (unsigned k = 1; k <= 5; k++)
        cr_expect_eq(grants_of(k, "linear", 1, 0, 1000), together[k], "%u streams", k);
    for (unsigned k = 1; k <= 4; k++)
        cr_expect_eq(grants_of(k, "linear", 1, 1, 1000), 1000 * k, "%u staggered streams", k);
    for (unsigned length = 16; length <= 1024; length *= 2)
        for (unsigned dot = 0; dot < 2; dot++)
            cr_expect_eq(mac(dot, length, true, 0) - mac(dot, length, false, 0), 3);
}

/* The job beside k masters that read at random: as measured (one seed) within 5 %, alone exact, and slower
 * with every master. */
Test(phenomena, n04_contention_with_the_host)
{
    double before = 0;
    for (unsigned i = 0; i < MAC_ROWS; i++) {
        double cycles = mac_mean(&mac_measured[i]);
        unsigned k = mac_measured[i].background, measured = mac_measured[i].cycles;
        cr_expect_leq(fabs(cycles / measured - 1), k ? 0.05 : 0, "%s, length %u, %u masters: %.0f, not %u",
                      mac_measured[i].dot ? "dot product" : "element-wise", mac_measured[i].length, k, cycles,
                      measured);
        cr_expect(k == 0 || cycles > before, "more masters, more cycles");
        before = cycles;
    }
}

/* Period of a master's accesses of one kind on the SoC bus. */
static unsigned period(uint32_t addr, bool write)
{
    struct soc_bus bus;
    uint8_t target[SOC_BUS_MAX_MASTERS] = {0};
    unsigned first = 0, n = 0;
    soc_bus_init(&bus, 13, 4);
    target[0] = soc_bus_target(&bus, 0, addr);
    for (unsigned c = 0;; c++) {
        if (!soc_bus_step(&bus, 1, write, target))
            continue;
        if (n++ == 0)
            first = c;
        if (n == 11)
            return (c - first) / 10;
    }
}

/* The periods that the machine's host pays are those of the bus: 5, 5 and 6. */
Test(phenomena, n05_apb_blocks)
{
    struct bench b;
    bench_open(&b, NULL);
    const struct apb_cfg *apb = ARCH_CFG(b.design->arch, apb);
    cr_expect_eq(apb->store_cycles, 5);
    cr_expect_eq(period(0x1A104000, true), apb->store_cycles);
    cr_expect_eq(period(0x1A10C000, true), apb->store_cycles);
    cr_expect_eq(period(0x1A104000, false), apb->load_cycles);
    cr_expect_eq(period(0x1A10C000, false), apb->hwpe_load_cycles);
    cr_expect_eq(period(0x1C010000, false), 1);
    cr_expect_eq(ARCH_CFG(b.design->arch, host)->acquire_cycles, 6);
    /* One outstanding access: a load behind a store to a peripheral waits for its response. */
    struct soc_bus bus;
    uint8_t target[SOC_BUS_MAX_MASTERS];
    soc_bus_init(&bus, 13, 4);
    target[0] = soc_bus_target(&bus, 0, 0x1A104000);
    cr_expect_eq(soc_bus_step(&bus, 1, 1, target), 1);
    target[0] = soc_bus_target(&bus, 0, 0x1C010000);
    for (unsigned c = 1; c < 4; c++)
        cr_expect_eq(soc_bus_step(&bus, 1, 0, target), 0, "cycle %u", c);
    cr_expect_eq(soc_bus_step(&bus, 1, 0, target), 1, "in the cycle of the response");
    bench_run(&b);
}

/* First request of a job of N registers: 6 + 5 N + 9 cycles after ACQUIRE began; 55 for eight. */
static uint64_t first_request(uint32_t registers)
{
    struct bench b;
    bench_open(&b, (const char *const[]){"arch.tcdm.hwpe_ports=1", NULL});
    uint16_t job = prog_token(&b.p, "job", 0, WAIT_HOST);
    struct cmd *c = prog_add(&b.p, THREAD_HOST, OP_JOB, N_UNITS);
    c->words = registers;
    c->token = job;
    prog_wait(&b.p, THREAD_ACCEL, UNIT_LOAD, job, 1);
    add_load(&b, 0, 1, 4, 0);
    bench_run(&b);
    return b.cycles - 1 - 3; /* the grant, then data */
}

Test(phenomena, n06_offload_and_job_queue)
{
    for (uint32_t n = 0; n <= 48; n += 4)
        cr_expect_eq(first_request(n), 6 + 5 * n + 9, "%u registers: %u", n, (unsigned)first_request(n));
    cr_expect_eq(first_request(8), 55);
    struct job_queue q;
    job_queue_init(&q, 2);
    cr_expect_eq(job_acquire(&q, 0), 0);
    cr_expect_eq(job_acquire(&q, 1), JOB_OTHER_CORE, "acquire before the commit");
    job_commit(&q);
    cr_expect(job_start(&q));
    cr_expect_eq(job_acquire(&q, 0), 1);
    job_commit(&q);
    cr_expect_not(job_start(&q), "one job runs");
    cr_expect_eq(job_acquire(&q, 0), JOB_NO_CONTEXT, "third acquire with two pending");
    cr_expect_eq(JOB_NO_CONTEXT, -1);
    cr_expect_eq(JOB_OTHER_CORE, -2);
    job_done(&q);
    cr_expect(job_start(&q));
    cr_expect_eq(job_acquire(&q, 0), 2);
}

/* n jobs of one load of `words` words each. */
static uint64_t jobs(unsigned n, uint32_t words, const char *contexts)
{
    struct bench b;
    bench_open(&b, (const char *const[]){"arch.tcdm.hwpe_ports=1", contexts, NULL});
    uint16_t job = prog_token(&b.p, "job", 0, WAIT_HOST), free = prog_token(&b.p, "free", 0, WAIT_HOST);
    b.p.context_token = free;
    for (unsigned i = 0; i < n; i++) {
        struct cmd *c = prog_add(&b.p, THREAD_HOST, OP_JOB, N_UNITS);
        c->words = 8;
        c->token = job;
        prog_wait(&b.p, THREAD_ACCEL, UNIT_LOAD, job, 1);
        struct cmd *load = add_load(&b, 0, 1, 4 * words, 0);
        load->dst.acquire = i == 0; /* into the same slot again */
        load->dst.commit = i + 1 == n;
        prog_post(&b.p, THREAD_ACCEL, UNIT_LOAD, free, 1);
    }
    bench_run(&b);
    return b.cycles;
}

/* With two contexts the programming of a job hides behind the one before, if that is long enough. */
Test(phenomena, n06_programming_hides_behind_a_job)
{
    uint64_t one = jobs(1, 200, "arch.regfile.contexts=2"), four = jobs(4, 200, "arch.regfile.contexts=2");
    uint64_t serial = jobs(4, 200, "arch.regfile.contexts=1");
    cr_expect_eq((four - one) % 3, 0);
    cr_expect_leq((four - one) / 3, 200 + 2 + 3 + 3 + 1, "stream, drain and restart: %u",
                  (unsigned)((four - one) / 3));
    cr_expect_geq(serial, 4 * (one - 5), "one context hides nothing");
}

static uint64_t load_cycles(uint32_t words, int64_t addr, const char *fifo, const char *masters)
{
    struct bench b;
    bench_open(&b, (const char *const[]){"arch.tcdm.hwpe_ports=1", fifo, masters,
                                         "arch.traffic.pattern=random", NULL});
    add_load(&b, addr, 1, 4 * words, 0);
    bench_run(&b);
    return b.cycles;
}

/* The fixed part does not depend on the length: L + 20 of a dot product, L + 18 of an element-wise one.
 * A deeper FIFO is never slower. */
Test(phenomena, n07_fill_drain_and_fifo_depth)
{
    for (unsigned length = 4; length <= 1024; length *= 4) {
        cr_expect_eq(mac(true, length, false, 0), length + 20);
        cr_expect_eq(mac(false, length, false, 0), length + 18);
        uint64_t cycles = load_cycles(length, 0, "arch.streamer.load.fifo=4", "arch.traffic.masters=0");
        cr_expect_eq(cycles, length + 5);
    }
    for (unsigned k = 0; k <= 6; k += 3) {
        char masters[40];
        uint64_t before = UINT64_MAX;
        snprintf(masters, sizeof masters, "arch.traffic.masters=%u", k);
        for (unsigned depth = 1; depth <= 16; depth *= 2) {
            char fifo[40];
            snprintf(fifo, sizeof fifo, "arch.streamer.load.fifo=%u", depth);
            uint64_t cycles = load_cycles(500, 0, fifo, masters);
            cr_expect_leq(cycles, before, "%u masters, depth %u", k, depth);
            before = cycles;
        }
    }
}

/* A misaligned line costs one access more: 87 for the job of 64; a stride of 16 bytes stays in one bank. */
Test(phenomena, n08_misalignment_and_strides)
{
    for (uint32_t off = 1; off <= 3; off++) {
        cr_expect_eq(mac(true, 64, false, off), 87);
        struct bench b;
        bench_open(&b, (const char *const[]){"arch.tcdm.hwpe_ports=1", NULL});
        add_load(&b, off, 5, 64, 128);
        bench_run(&b);
        cr_expect_eq(b.words, 5 * 17);
    }
    cr_expect_eq(grants_of(2, "linear", 4, 0, 1000), 1000, "two streams in one bank: half the rate each");
    cr_expect_eq(grants_of(2, "linear", 4, 1, 1000), 2000, "in two banks: full rate");
}

/* Cycles of one transfer from the off-chip memory, from the first register write to the event. */
static struct bench transfer(uint32_t bytes, int64_t l2, const char *burst, const char *periph)
{
    struct bench b;
    bench_open(&b, (const char *const[]){burst, periph, NULL});
    uint16_t full = prog_token(&b.p, "full", 0, WAIT_OFFCHIP);
    struct cmd *c = prog_add(&b.p, THREAD_HOST, OP_UDMA_RX, N_UNITS);
    c->addr = aff(l2);
    c->row_bytes = bytes;
    c->token = full;
    prog_wait(&b.p, THREAD_HOST, N_UNITS, full, 1);
    bench_run(&b);
    return b;
}

/* L2 accesses of a transfer; a burst of n bytes takes 2 + 3 + 12 + n / 2 + 6 PHY clocks: 279 for 512. */
Test(phenomena, n09_udma_and_hyperbus)
{
    const char *const same = "arch.clocks.periph=200 MHz", *const half = "arch.clocks.periph=100 MHz";
    cr_expect_eq(transfer(1000, 0, "arch.hyperram.burst_bytes=512 B", same).udma_words, 250);
    cr_expect_eq(transfer(1000, 2, "arch.hyperram.burst_bytes=512 B", same).udma_words, 251);
    static const struct {
        uint32_t bytes;
        const char *key;
        uint64_t clks;
    } rows[] = {{512, "arch.hyperram.burst_bytes=512 B", 279}, {64, "arch.hyperram.burst_bytes=64 B", 55}};
    uint64_t before = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct bench two = transfer(2 * rows[i].bytes, 0, rows[i].key, same);
        struct bench three = transfer(3 * rows[i].bytes, 0, rows[i].key, same);
        cr_expect_eq(three.cycles - two.cycles, 2 * rows[i].clks);
        three = transfer(3 * rows[i].bytes, 0, rows[i].key, half);
        two = transfer(2 * rows[i].bytes, 0, rows[i].key, half);
        cr_expect_eq(three.cycles - two.cycles, 4 * rows[i].clks, "half the clock");
        struct bench equal = transfer(4096, 0, rows[i].key, same);
        cr_expect_gt(equal.cycles, before, "more bursts, more time");
        before = equal.cycles;
        cr_expect_eq(equal.bursts, 4096 / rows[i].bytes);
    }
    for (uint32_t words = 10; words < 1000; words *= 3) /* nothing else goes by the peripherals' clock */
        cr_expect_eq(load_cycles(words, 0, "arch.streamer.load.fifo=4", same),
                     load_cycles(words, 0, "arch.streamer.load.fifo=4", half));
}

/* Whoever would touch what an HWPE cannot reach gets an error, never a silent result. */
Test(phenomena, n10_legality_and_capacity)
{
    static const int64_t bad[] = {-4, 512 * 1024 - 60, 512 * 1024, 0x1C000000};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bench b;
        struct err err = {0};
        bench_open(&b, NULL);
        add_load(&b, bad[i], 1, 64, 0);
        cr_expect_not(program_check(&b.p, b.design->arch, &err));
        cr_expect_eq(err.code, ERR_CONFIG);
        err_finish(&err);
        bench_run(&b);
    }
    /* The built memory is 256 KiB; what needs more is an error, not an alias. */
    rs_err *err = rs_err_create();
    const char *sets[] = {"arch.tcdm.bytes=256 KiB", "arch.hyperram.kind=none", "work.m=1024", "work.n=256"};
    rs_design *d = rs_design_load(ARCH, GEMM, NULL, sets, 4, err);
    rs_options options;
    rs_options_default(&options);
    cr_assert_not_null(d);
    cr_expect_null(rs_run(d, &options, err));
    cr_expect_not_null(strstr(rs_err_text(err), "arch.tcdm.bytes"), "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
}
