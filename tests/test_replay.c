/* Replay of traces: the RTL's results byte for byte, generated traces, bad ones, the chart. */
#include "arch/hci.h"
#include "arch/replay_engine.h"
#include "base/hash.h"
#include "tests/replay_text.h"

#include <dirent.h>
#include <time.h>

#define REFERENCE TEST_REFERENCE "/tcdm/"

static unsigned scenarios(char names[][128], unsigned max)
{
    DIR *d = opendir(REFERENCE);
    struct dirent *entry;
    unsigned n = 0;
    cr_assert_not_null(d);
    while ((entry = readdir(d)) && n < max) {
        size_t len = strlen(entry->d_name);
        if (len > 6 && len < 128 && !strcmp(entry->d_name + len - 6, ".trace"))
            snprintf(names[n++], 128, "%.*s", (int)len - 6, entry->d_name);
    }
    closedir(d);
    return n;
}

/* Every byte of every result that the RTL gave, remarks included. */
Test(reference, all_scenarios_are_byte_equal)
{
    char names[256][128], path[512];
    unsigned n = scenarios(names, 256);
    cr_assert_geq(n, 47u);
    for (unsigned i = 0; i < n; i++) {
        struct text out = {0};
        struct err err = {0};
        size_t size = 0;
        char *want;
        snprintf(path, sizeof path, REFERENCE "%s.result", names[i]);
        want = slurp(path, &size);
        if (!want) {
            snprintf(path, sizeof path, REFERENCE "%s.summary", names[i]);
            want = slurp(path, &size);
        }
        cr_assert_not_null(want, "%s", names[i]);
        snprintf(path, sizeof path, REFERENCE "%s.trace", names[i]);
        cr_assert(replay_run(path, 0, &out, &err), "%s", names[i]);
        cr_assert_eq(out.len, size, "%s: %zu bytes, not %zu", names[i], out.len, size);
        cr_assert_eq(memcmp(out.s, want, size), 0, "%s", names[i]);
        text_finish(&out);
        free(want);
    }
}

/* How many grant cycles of an HCI scenario change without LockIn. */
static unsigned without_lock(const char *name, bool lock_in)
{
    struct replay_trace t;
    struct replay_engine e, twin;
    struct err err = {0};
    struct hci h;
    char path[512];
    uint64_t requests[XBAR_MAX_BANKS] = {0};
    uint8_t bank[XBAR_MAX_MASTERS] = {0};
    unsigned changed = 0;

    snprintf(path, sizeof path, REFERENCE "%s.trace", name);
    cr_assert(replay_trace_load(&t, path, &err));
    unsigned n_log = t.hci.n_core + t.hci.n_ext + t.hci.n_dma;
    replay_engine_init(&e, &t, NULL);
    hci_init(&h, n_log, t.n_banks, t.hci.n_hwpe, t.hci.words);
    h.invert = (uint8_t)t.hci.invert;
    h.num = (uint8_t)t.hci.num;
    h.den = (uint8_t)t.hci.den;
    h.log.lock_in = lock_in;
    for (uint64_t cycle = 0; e.asserted | e.waiting; cycle++) {
        for (uint64_t fresh = replay_engine_assert(&e, cycle); fresh; fresh &= fresh - 1) {
            unsigned m = (unsigned)__builtin_ctzll(fresh);
            bank[m] = (uint8_t)replay_bank(&t, e.master[m].addr);
            if (m < n_log)
                requests[bank[m]] |= UINT64_C(1) << m;
        }
        struct hci_grants g = hci_step(&h, UINT64_MAX, requests, e.asserted >> n_log, bank + n_log);
        for (uint64_t got = g.log | g.hwpe << n_log; got; got &= got - 1) {
            unsigned m = (unsigned)__builtin_ctzll(got);
            if (m < n_log)
                requests[bank[m]] &= ~(UINT64_C(1) << m);
            replay_engine_grant(&e, m, cycle, ' ');
            replay_engine_response(&e, m, cycle + 1);
        }
    }
    replay_engine_init(&twin, &t, NULL);
    replay_hci(&twin);
    for (size_t i = 0; i < t.first[XBAR_MAX_MASTERS]; i++)
        changed += memcmp(&e.times[i], &twin.times[i], sizeof *e.times) != 0;
    replay_engine_finish(&e);
    replay_engine_finish(&twin);
    replay_trace_finish(&t);
    return changed;
}

/* Measured against the RTL: a model without LockIn gets exactly so many requests wrong. */
Test(reference, lock_in_matters_where_a_bank_can_refuse)
{
    cr_assert_eq(without_lock("h02_lin128_random4_inv1_n0_d0", true), 0u);
    cr_assert_eq(without_lock("h02_lin128_random4_inv1_n0_d0", false), 395u);
    cr_assert_eq(without_lock("h13_light_cores_rowcross", false), 2u);
    cr_assert_eq(without_lock("h20_288b_8cores_lic", false), 1065u);
}

Test(reference, generated_traces_run_at_five_million_requests_a_second)
{
    static const char trace[] =
        "# dut: interleaved_crossbar\n# masters: 13\n# banks: 4\n# address unit: word\n"
        "# generator: seed=1 count=100000 span=16384 write_pct=25 gap_pct=0 gap_max=8\n";
    clock_t start = clock();
    struct text out = replay_text(trace);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    text_finish(&out);
#ifdef __OPTIMIZE__
#ifndef __SANITIZE_ADDRESS__
    cr_assert_lt(seconds, 1.3e6 / 5e6, "%.3f s", seconds);
#endif
#endif
    cr_assert_lt(seconds, 30.0);
}

/* The generator's requests, written out, give the totals of the generated trace. */
Test(reference, generator_and_list_agree)
{
    struct text list = {0}, out, summary;
    text_add(&list, "# dut: interleaved_crossbar\n# masters: 3\n# banks: 8\n# address unit: word\n");
    for (uint32_t m = 0; m < 3; m++) {
        uint32_t x = 50 + m;
        uint64_t earliest = 0;
        for (unsigned i = 0; i < 200; i++) {
            uint32_t v[4];
            for (unsigned d = 0; d < 3; d++)
                v[d] = (x = 1664525u * x + 1013904223u) >> 8;
            if (v[2] % 100 < 30)
                earliest += 1 + ((x = 1664525u * x + 1013904223u) >> 8) % 5;
            text_printf(&list, "%u %llu %d %x\n", m, (unsigned long long)earliest, v[1] % 100 < 40,
                        v[0] % 777);
        }
    }
    out = replay_text(list.s);
    summary = replay_text("# dut: interleaved_crossbar\n# masters: 3\n# banks: 8\n# address unit: word\n"
                          "# generator: seed=50 count=200 span=777 write_pct=40 gap_pct=30 gap_max=5\n");
    const char *line = strchr(out.s, '\n') + 1, *total = strchr(summary.s, '\n') + 1;
    for (unsigned m = 0; m < 3; m++) {
        unsigned long long hash = 0xcbf29ce484222325u, last = 0, sum = 0, max = 0, w[5], s[4], want;
        for (unsigned i = 0; i < 200; i++, line = strchr(line, '\n') + 1) {
            cr_assert_eq(sscanf(line, "%llu %llu %llu %llu %llu", w, w + 1, w + 2, w + 3, w + 4), 5);
            last = w[3];
            sum += w[3] - w[2];
            max = w[3] - w[2] > max ? w[3] - w[2] : max;
            for (unsigned b = 0; b < 4; b++)
                hash = (hash ^ (last >> 8 * b & 0xff)) * 0x100000001b3u;
        }
        cr_assert_eq(sscanf(total, "%*u %llu %llu %llu %llu %llx", s, s + 1, s + 2, s + 3, &want), 5);
        cr_assert_eq(s[0], 200u);
        cr_assert_eq(s[1], last);
        cr_assert_eq(s[2], sum);
        cr_assert_eq(s[3], max);
        cr_assert_eq(want, hash);
        total = strchr(total, '\n') + 1;
    }
    text_finish(&list);
    text_finish(&out);
    text_finish(&summary);
}

/* One mistake each: where it is reported and which words name it. */
static const struct {
    const char *trace;
    unsigned line, col;
    const char *words;
} bad[] = {
    {"", 1, 1, "'dut' is missing"},
    {"# masters: 4\n# banks: 4\n# address unit: word\n", 1, 1, "'dut' is missing"},
    {"# dut: interleaved_crossbar\n# masters: 4\n# address unit: word\n", 1, 3, "'banks' is missing"},
    {"# dut: interleaved_crossbar\n# banks: 4\n# address unit: word\n", 1, 3, "'masters' is missing"},
    {"# dut: interleaved_crossbar\n# masters: 4\n# banks: 4\n", 1, 3, "'address unit' is missing"},
    {"# dut: crossbar\n# masters: 4\n# banks: 4\n# address unit: word\n", 1, 8, "unknown dut 'crossbar'"},
    {"# dut: hci_interconect\n", 1, 8, "did you mean hci_interconnect?"},
    {"# dut: interleaved_crossbar\n# masters: 65\n# banks: 4\n# address unit: word\n",
     2, 12, "legal is 1..64"},
    {"# dut: interleaved_crossbar\n# masters: 4\n# banks: 0\n# address unit: word\n",
     3, 10, "legal is 1..64"},
    {"# dut: interleaved_crossbar\n# masters: four\n# banks: 4\n# address unit: word\n", 2, 12, "decimal"},
    {"# dut: interleaved_crossbar\n# masters:\n# banks: 4\n# address unit: word\n", 2, 11, "missing"},
    {"# dut: interleaved_crossbar\n# masters: 4\n# banks: 4\n# address unit: bit\n", 4, 17, "word, byte"},
    {XBAR_HEAD "# bank: 4\n", 5, 3, "did you mean 'banks'"},
    {XBAR_HEAD "# banks: 8\n", 5, 3, "already given in line 3"},
    {XBAR_HEAD "4 0 0 10\n", 5, 1, "legal is 0..3"},
    {XBAR_HEAD "-1 0 0 10\n", 5, 1, "legal is 0..3"},
    {XBAR_HEAD "x 0 0 10\n", 5, 1, "decimal"},
    {XBAR_HEAD "0 5 0 10\n1 3 0 10\n0 4 0 10\n", 7, 3, "decreases"},
    {XBAR_HEAD "0 0x1 0 10\n", 5, 3, "decimal"},
    {XBAR_HEAD "0 99999999999999999999 0 10\n", 5, 3, "decimal"},
    {XBAR_HEAD "0 4294967296 0 10\n", 5, 3, "out of range"},
    {XBAR_HEAD "0 0 2 10\n", 5, 5, "write 2 is out of range"},
    {XBAR_HEAD "0 0 0 1g\n", 5, 7, "hexadecimal"},
    {XBAR_HEAD "0 0 0 123456789\n", 5, 7, "hexadecimal"},
    {XBAR_HEAD "0 0 0\n", 5, 6, "hexadecimal"},
    {XBAR_HEAD "0 0\n", 5, 4, "write is missing"},
    {XBAR_HEAD "0\n", 5, 2, "earliest_cycle is missing"},
    {XBAR_HEAD "0 0 0 10 7\n", 5, 10, "after the address"},
    {XBAR_HEAD "0 0 0 10\n# blocking: 0\n", 6, 3, "after the first request"},
    {XBAR_HEAD "# blocking: 4\n", 5, 13, "out of range"},
    {XBAR_HEAD "# group: 0 1\n# group: 1 2\n", 6, 10, "already in a group"},
    {XBAR_HEAD "# group: a\n", 5, 10, "decimal"},
    {XBAR_HEAD "# generator: seed=1 count=2 span=3 write_pct=4 gap_pct=0\n", 5, 14, "no gap_max="},
    {XBAR_HEAD "# generator: seed=1 count=2 span=0 write_pct=4 gap_pct=0 gap_max=1\n", 5, 34, "span 0"},
    {XBAR_HEAD "# generator: seed=1 count=2 span=3 write_pct=4 gap_pct=5 gap_max=0\n", 5, 14, "gap_max=0"},
    {XBAR_HEAD "# generator: seed=1 count=2 span=3 write_pct=4 gap_pct=0 gap_max=1 x=1\n", 5, 68, "unknown"},
    {XBAR_HEAD "# generator: seed=1 count=2 span=3 write_pct=4 gap_pct=0 gap_max=1\n0 0 0 1\n",
     6, 1, "one or the other"},
    {"# dut: soc_interconnect_wrap\n# masters: 9\n# banks: 4\n# address unit: byte\n", 2, 3, "10..64"},
    {"# dut: soc_interconnect_wrap\n# masters: 13\n# banks: 6\n# address unit: byte\n", 3, 3, "power of two"},
    {"# dut: soc_interconnect_wrap\n# masters: 13\n# banks: 4\n# address unit: word\n",
     4, 3, "legal is byte"},
    {SOC_HEAD "0 0 0 10000000\n", 5, 1, "never answers"},
    {HCI_HEAD, 1, 3, "'prio_den' is missing"},
    {HCI_HEAD "# prio_den: 256\n", 12, 13, "legal is 0..255"},
    {HCI_HEAD "# prio_den: 4\n# expfifo: 2\n", 13, 3, "legal is 0"},
    {STREAM_HEAD "# decoupled: 1\n# load_fifo_depth: 4\n", 1, 3, "'sink_fifo_depth' is missing"},
    {STREAM_HEAD "# decoupled: 0\n# load_fifo_depth: 0\n# sink_fifo_depth: 0\n# loop: 1\n",
     10, 3, "combinational loop"},
    {STREAM_HEAD "# decoupled: 1\n# load_fifo_depth: 4\n# sink_fifo_depth: 2\n4 0 0 1\n",
     10, 1, "port of a stream"},
    {STREAM_HEAD "# decoupled: 1\n# load_fifo_depth: 4\n# sink_fifo_depth: 2\n# src_size: 0\n",
     10, 13, "1..65535"},
    {STREAM_HEAD "# decoupled: 1\n# load_fifo_depth: 4\n# sink_fifo_depth: 2\n# src_sizes: 3\n",
     10, 3, "'src_size'"},
};

Test(bad_traces, one_error_each_at_its_place)
{
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct text out = {0};
        struct err err = {0};
        bool found = false;
        char path[64];
        write_file(path, bad[i].trace, strlen(bad[i].trace));
        cr_assert_not(replay_run(path, 0, &out, &err), "row %u", i);
        unlink(path);
        cr_assert_eq(err.code, ERR_DATA, "row %u", i);
        cr_assert_eq(out.len, 0u);
        for (unsigned d = 0; d < err.n_diags; d++) {
            const struct diag *g = &err.diags[d];
            found |= g->at.line == bad[i].line && g->at.col == bad[i].col && strstr(g->text, bad[i].words);
        }
        cr_assert(found, "row %u: %u:%u: %s", i, err.diags[0].at.line, err.diags[0].at.col,
                  err.diags[0].text);
        err_finish(&err);
    }
}

Test(bad_traces, all_errors_are_reported)
{
    static const char trace[] = XBAR_HEAD "9 0 0 1\n0 0 3 1\n0 0 0 zz\n1 7 0 1\n1 6 0 1\n";
    struct text out = {0};
    struct err err = {0};
    char path[64];
    write_file(path, trace, strlen(trace));
    cr_assert_not(replay_run(path, 0, &out, &err));
    unlink(path);
    cr_assert_eq(err.n_diags, 4u);
    err_finish(&err);
}

/* A bad number of masters does not let any master pass. */
Test(bad_traces, masters_out_of_range)
{
    static const char *const traces[] = {
        "# dut: interleaved_crossbar\n# masters: 65535\n# banks: 4\n# address unit: word\n65000 0 0 1\n",
        "# dut: interleaved_crossbar\n# masters: -1\n# banks: 4\n# address unit: word\n63 0 0 1\n64 0 0 1\n",
    };
    for (unsigned i = 0; i < 2; i++) {
        struct text out = {0};
        struct err err = {0};
        char path[64];
        write_file(path, traces[i], strlen(traces[i]));
        cr_assert_not(replay_run(path, 0, &out, &err));
        unlink(path);
        cr_assert_eq(err.n_diags, 2u);
        err_finish(&err);
    }
}

Test(bad_traces, no_such_file)
{
    struct text out = {0};
    struct err err = {0};
    cr_assert_not(replay_run("/nonexistent/x.trace", 0, &out, &err));
    cr_assert_eq(err.code, ERR_NOINPUT);
    err_finish(&err);
    err = (struct err){0};
    cr_assert_not(replay_run("/", 0, &out, &err));
    cr_assert_eq(err.code, ERR_NOINPUT);
    err_finish(&err);
}

/* Bytes knocked out of shape end in a result or in diagnostics, never in a crash. */
Test(bad_traces, mangled_traces)
{
    static const char *const names[] = {"x36_8m_mixed_rw_sparse", "p13_two_masters_apb_same_time",
                                        "h11_hwpe_alone", "s140_copy", "w401_linear"};
    static const char alphabet[] = "0123456789abcdef #:-\n\t\0xz";
    struct rng rng = {3};
    for (unsigned i = 0; i < 400; i++) {
        struct text out = {0};
        struct err err = {0};
        char path[512], file[64];
        size_t size;
        snprintf(path, sizeof path, REFERENCE "%s.trace", names[i % 5]);
        char *s = slurp(path, &size);
        cr_assert_not_null(s);
        for (uint64_t n = 1 + rng_below(&rng, 4); n; n--)
            s[rng_below(&rng, size < 400 ? size : 400)] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        write_file(file, s, size);
        bool ok = replay_run(file, i % 2 ? 20 + i : 0, &out, &err);
        unlink(file);
        cr_assert_eq(ok, err.n_diags == 0);
        cr_assert_eq(ok, out.len > 0);
        text_finish(&out);
        err_finish(&err);
        free(s);
    }
}

Test(legal_traces, odd_but_legal)
{
    static const char *const traces[] = {
        XBAR_HEAD,
        XBAR_HEAD "# a remark without meaning\n#\n\n  0  1\t1   FfFf0123  \r\n",
        SOC_HEAD "0 0 0 fffffffc\n12 0 1 0\n",
        "# dut: interleaved_crossbar\n# masters: 1\n# banks: 3\n# address unit: byte\n"
        "0 4294967295 0 ffffffff\n",
        STREAM_HEAD "# decoupled: 1\n# load_fifo_depth: 4\n# sink_fifo_depth: 2\n0 4000000000 0 1\n",
        STREAM_HEAD "# decoupled: 1\n# load_fifo_depth: 0\n# sink_fifo_depth: 0\n# ready_pct: 0\n"
        "# start_snk: 900000000\n",
    };
    for (unsigned i = 0; i < sizeof traces / sizeof *traces; i++) {
        struct text out = replay_text(traces[i]);
        cr_assert_gt(out.len, 0u);
        text_finish(&out);
    }
}

/* The chart: as wide as was asked for, no line more, and as many grants drawn as there are requests. */
Test(chart, fits_the_terminal)
{
    static const char *const names[] = {"x52_pulpissimo_mac_streams", "p11_full_mix", "h32_two_hwpe_vs_cores",
                                        "w404_vs_4_random", "x60_long_13x4_saturated"};
    for (unsigned i = 0; i < 5; i++) {
        struct text out = {0};
        struct err err = {0};
        char path[512];
        unsigned column = 0, widest = 0, marks = 0, width = 80 + 10 * i;
        bool row = false;
        snprintf(path, sizeof path, REFERENCE "%s.trace", names[i]);
        cr_assert(replay_run(path, width, &out, &err));
        for (size_t k = 0; k < out.len; k++) {
            if (column == 0)
                row = out.s[k] == 'm';
            column = out.s[k] == '\n' ? 0 : column + 1;
            widest = column > widest ? column : widest;
            marks += row && column > 8 && out.s[k] != '.' && out.s[k] != '-' && out.s[k] != ' ';
        }
        cr_assert_leq(widest, width, "%s", names[i]);
        cr_assert_gt(widest, width - 11, "%s", names[i]);
        if (i == 0)
            cr_assert_eq(marks, 1078u);
        if (i == 1)
            cr_assert_eq(marks, 960u);
        if (i == 2)
            cr_assert_eq(marks, 480u);
        text_finish(&out);
    }
}
