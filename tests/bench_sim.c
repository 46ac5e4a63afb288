/* How fast the simulator is, in processor time of one thread. */
#include "include/retsim.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARCH(name) BENCH_ROOT "/configs/arch/" name ".yaml"
#define MODEL(name) BENCH_ROOT "/workloads/models/" name ".yaml"

enum { MAX_SETS = 4, SWEEP_MS = 2000 };

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void *must(void *p, rs_err *err)
{
    if (p)
        return p;
    fputs(rs_err_text(err), stderr);
    exit(1);
}

/* Settings end with NULL. */
static rs_design *load(const char *arch, const char *work, const char *const *sets, rs_err *err)
{
    size_t n = 0;
    while (sets[n])
        n++;
    return must(rs_design_load(arch, work, NULL, sets, n, err), err);
}

/* Processor seconds; the run's cycles go to *cycles. */
static double run_with(const rs_design *d, rs_options options, uint64_t *cycles, rs_err *err)
{
    double start = now();
    rs_result *r = must(rs_run(d, &options, err), err);
    double seconds = now() - start;
    *cycles = rs_result_summary(r)->cycles;
    rs_result_destroy(r);
    return seconds;
}

static double run(const rs_design *d, rs_method method, uint64_t *cycles, rs_err *err)
{
    return run_with(d, (rs_options){.method = method}, cycles, err);
}

static void bench_full(rs_err *err)
{
    static const char *const forms[] = {"parallel", "recurrent", "chunkwise"};
    for (int i = 0; i < 3; i++) {
        char form[32];
        uint64_t cycles;
        snprintf(form, sizeof form, "work.form=%s", forms[i]);
        rs_design *d = load(ARCH("pulpissimo_retention"), MODEL("edge_kjv_d128"),
                            (const char *const[]){"work.seq=1024", form, NULL}, err);
        double full = run(d, RS_FULL, &cycles, err), folded = run(d, RS_FOLDED, &cycles, err);
        printf("d128 seq 1024, %-10s %12" PRIu64 " cycles: full %6.3f s, %5.1f Mcycles/s; "
               "folded %6.3f s, %.1f x\n",
               forms[i], cycles, full, (double)cycles / full * 1e-6, folded, full / folded);
        rs_design_destroy(d);
    }
}

static void bench_large(rs_err *err)
{
    static const char *const models[] = {MODEL("retnet_1p3b"), MODEL("retnet_6p7b")};
    static const char *const names[] = {"1.3 B", "6.7 B"};
    static const char *const sets[][MAX_SETS] = {{"work.seq=2048", "work.form=parallel", NULL},
                                                 {"work.seq=2048", "work.form=chunkwise", NULL},
                                                 {"work.seq=2048", "work.form=recurrent", NULL},
                                                 {"work.phase=decode", "work.tokens=64", NULL}};
    static const char *const what[] = {"prefill 2048, parallel", "prefill 2048, chunks",
                                       "prefill 2048, recurrent", "decode 64 tokens"};
    for (int i = 0; i < 8; i++) {
        uint64_t cycles;
        rs_design *d = load(ARCH("pulpissimo_retention_big"), models[i / 4], sets[i % 4], err);
        double seconds = run(d, RS_FOLDED, &cycles, err);
        printf("%s %-24s %16" PRIu64 " cycles: folded %7.3f s\n", names[i / 4], what[i % 4], cycles, seconds);
        rs_design_destroy(d);
    }
}

/* How the cost grows: one setting after the other, the rest as in the first benchmark. */
static void bench_growth(rs_err *err)
{
    static const struct {
        const char *model, *set;
        bool full; /* within seconds */
    } t[] = {
        {MODEL("edge_kjv_d128"), "work.seq=1024", true},  {MODEL("edge_kjv_d128"), "work.seq=8192", true},
        {MODEL("edge_kjv_d128"), "work.seq=65536", false}, {MODEL("edge_kjv_d64"), "work.seq=512", true},
        {MODEL("edge_kjv_d128"), "work.seq=512", true},   {MODEL("edge_d192"), "work.seq=512", true},
        {MODEL("edge_d256"), "work.seq=512", true},
        {MODEL("edge_kjv_d128"), "arch.engine.units=4", true},
        {MODEL("edge_kjv_d128"), "arch.engine.units=16", true},
        {MODEL("edge_kjv_d128"), "arch.engine.units=32", true},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint64_t cycles;
        rs_design *d = load(ARCH("pulpissimo_retention"), t[i].model,
                            (const char *const[]){"work.form=recurrent", t[i].set, NULL}, err);
        double full = t[i].full ? run(d, RS_FULL, &cycles, err) : 0, folded = run(d, RS_FOLDED, &cycles, err);
        printf("%-18s %-22s %12" PRIu64 " cycles: folded %6.3f s", strrchr(t[i].model, '/') + 1, t[i].set,
               cycles, folded);
        if (t[i].full)
            printf(", full %6.3f s", full);
        puts("");
        rs_design_destroy(d);
    }
}

/* Points a second, each with its own design as in a sweep. What was seen is kept for the 24 points. */
enum { SWEEP_POINTS = 24 };
static void bench_sweep(rs_method method, const char *name, rs_err *err)
{
    static const char *const none[] = {NULL};
    rs_design *base = load(ARCH("pulpissimo_retention"), MODEL("edge_kjv_d64"), none, err);
    double start = now(), seconds = 0;
    unsigned points = 0;
    rs_memory *memory = NULL;
    for (; seconds * 1000 < SWEEP_MS; points++) {
        if (points % SWEEP_POINTS == 0) {
            rs_memory_destroy(memory);
            memory = rs_memory_create();
        }
        static const char *const units[] = {"arch.engine.units=4", "arch.engine.units=8",
                                            "arch.engine.units=16"};
        static const char *const lanes[] = {"arch.vector.lanes=4", "arch.vector.lanes=8"};
        static const char *const seqs[] = {"work.seq=128", "work.seq=256", "work.seq=512", "work.seq=1024"};
        const char *sets[] = {units[points % 3], lanes[points / 3 % 2], seqs[points / 6 % 4]};
        uint64_t cycles;
        rs_design *d = must(rs_design_with(base, sets, 3, err), err);
        run_with(d, (rs_options){.method = method, .memory = memory}, &cycles, err);
        rs_design_destroy(d);
        seconds = now() - start;
    }
    printf("d64 sweep, %-8s %20.1f points/s\n", name, points / seconds);
    rs_memory_destroy(memory);
    rs_design_destroy(base);
}

/* Bounds of points around one design. Lanes, banks, clock and latencies vary; `programs`: engine and
 * sequence, too; `fresh`: no program is met twice before 2691 others. */
static void bench_bounds(const char *name, bool programs, bool fresh, rs_err *err)
{
    static const char *const none[] = {NULL};
    static const char *const paths[] = {"arch.vector.lanes", "arch.tcdm.banks", "arch.clocks.periph",
                                        "arch.hyperram.latency_clks", "arch.engine.units", "work.seq"};
    rs_design *base = load(ARCH("pulpissimo_retention"), MODEL("edge_kjv_d64"), none, err);
    rs_bounds *b = must(rs_bounds_create(base, paths, 6, err), err);
    double start = now(), seconds = 0;
    uint64_t points = 0, sum = 0;
    for (; seconds * 1000 < SWEEP_MS; points++) {
        uint64_t p = programs ? points : 0, seq = fresh ? 128 + p / 3 % 897 : 128ull << (p / 3 % 4);
        const uint64_t v[] = {4ull << (points % 3), 1ull << (points / 3 % 5),
                              100000000ull << (points / 15 % 2), 1 + points / 30 % 64, 4ull << (p % 3),
                              programs ? seq : 512};
        rs_bound r;
        if (!rs_bounds_at(b, v, &r, err))
            must(NULL, err);
        sum += r.cycles;
        if (fresh || points % 64 == 0)
            seconds = now() - start;
    }
    printf("d64 bounds, %-32s %12.0f points/s (mean %.0f cycles)\n", name, (double)points / seconds,
           (double)sum / (double)points);
    rs_bounds_destroy(b);
    rs_design_destroy(base);
}

static bool wanted(int argc, char **argv, const char *name)
{
    bool any = argc < 2;
    for (int i = 1; i < argc; i++)
        any |= strcmp(argv[i], name) == 0;
    return any;
}

/* All of them, or those that are named. */
int main(int argc, char **argv)
{
    rs_err *err = rs_err_create();
    if (wanted(argc, argv, "full"))
        bench_full(err);
    if (wanted(argc, argv, "large"))
        bench_large(err);
    if (wanted(argc, argv, "growth"))
        bench_growth(err);
    if (wanted(argc, argv, "sweep"))
        bench_sweep(RS_FOLDED, "folded", err);
    if (wanted(argc, argv, "bound"))
        bench_sweep(RS_BOUND, "bound", err);
    if (wanted(argc, argv, "bounds")) {
        bench_bounds("one program", false, false, err);
        bench_bounds("12 programs", true, false, err);
        bench_bounds("a new program each", true, true, err);
    }
    rs_err_destroy(err);
    return 0;
}
