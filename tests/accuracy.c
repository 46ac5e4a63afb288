/* usage: accuracy [--update] FILE
 * Measures every row and compares the table with FILE, or writes it there.
 * Exit code 1: the file is out of date, or a row is worse than its limits. */
#include "tests/accuracy.h"

#include "base/text.h"
#include "tests/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *reference, *figure;
    void (*measure)(struct accuracy *a, const char *arg);
    const char *arg;
    uint64_t points;           /* at least */
    double mean_pct, max_pct;  /* at most; 0: every point is exact */
};

static const struct row rows[] = {
    {"RTL, pulp_soc crossbar", "lines: grants, responses", accuracy_tcdm, "interleaved_crossbar", 12471, 0,
     0},
    {"RTL, pulp_soc SoC interconnect", "lines: grants, responses", accuracy_tcdm, "soc_interconnect_wrap",
     1674, 0, 0},
    {"RTL, HCI cluster interconnect", "lines: grants, responses", accuracy_tcdm, "hci_interconnect", 5280, 0,
     0},
    {"RTL, hwpe-stream source and sink", "lines: events", accuracy_tcdm, "hwpe_stream", 2983, 0, 0},
    {"RTL, crossbar with 1..9 saturating masters, random banks", "grants a cycle", accuracy_saturated, "", 9,
     0.3, 0.5},
    {"RTL, hwpe-mac-engine, alone", "cycles of a job", accuracy_mac_jobs, "alone", 4, 0, 0},
    {"RTL, hwpe-mac-engine beside random masters, one seed", "cycles of a job, mean of 20", accuracy_mac_jobs,
     "beside masters", 16, 3, 5},
    {"SCALE-Sim v2 and v3, `os`", "cycles", accuracy_scalesim, "os", 48, 0, 0},
    {"SCALE-Sim v2 and v3, `ws`", "cycles", accuracy_scalesim, "ws", 34, 0, 0},
    {"SCALE-Sim v2 and v3, `is`", "cycles", accuracy_scalesim, "is", 21, 0, 0},
    {"RTL, ITA core", "cycles", accuracy_tiles, "core total", 525, 0, 0},
    {"RTL, ITA core", "phases: cycles, rows, outputs", accuracy_tiles, "core layers", 600, 0, 0},
    {"RTL, ITA core", "cycles waited for weights, rows, credits", accuracy_tiles, "core waits", 1575, 0, 0},
    {"RTL, ITA as a HWPE, memory always there", "cycles", accuracy_tiles, "hwpe total none", 30, 0, 0},
    {"RTL, ITA as a HWPE, memory with stalls", "cycles", accuracy_tiles, "hwpe total", 26, 0, 0},
    {"RTL, ITA as a HWPE", "jobs: cycles, rows, outputs", accuracy_tiles, "hwpe layers", 191, 0, 0},
    {"RTL, ITA as a HWPE, by the second account", "runs and jobs: cycles, rows, outputs", accuracy_tiles,
     "hwpe layers twin", 247, 0, 0},
    {"second account, crossbar", "lines of random traces", accuracy_twin_bus, "interleaved_crossbar", 40000,
     0, 0},
    {"second account, SoC interconnect", "lines of random traces", accuracy_twin_bus, "soc_interconnect_wrap",
     40000, 0, 0},
    {"second account, HCI", "lines of random traces", accuracy_twin_bus, "hci_interconnect", 30000, 0, 0},
    {"second account, HWPE streams", "lines of random traces", accuracy_twin_streams, "", 40000, 0, 0},
    {"second account, rows of streamed tiles", "cycles of random runs", accuracy_twin_tiles, "core", 200, 0,
     0},
    {"second account, tiles behind a port with stalls", "runs and jobs", accuracy_twin_tiles, "stalled", 2000,
     0, 0},
    {"second account, the same in other sizes", "runs and jobs", accuracy_twin_tiles, "stalled sizes", 2000,
     0, 0},
    {"jobs of the RTL, summed", "cycles of random runs", accuracy_twin_tiles, "port", 200, 0, 0},
    {"synthesis, dot products", "gate equivalents", accuracy_area, "dot csa", 100, 0.5, 2},
    {"synthesis, multipliers", "gate equivalents", accuracy_area, "mul csa", 7, 4, 10},
    {"synthesis, requantisers", "gate equivalents", accuracy_area, "requant csa", 4, 4, 10},
    {"synthesis, other blocks", "gate equivalents", accuracy_area, "other rtl", 50, 4, 10},
    {"synthesis, products left to the tool", "gate equivalents", accuracy_area, "products rtl", 17, 20, 60},
    {"CACTI 7, left out in turn", "read energy", accuracy_sram, "read_pj", 479, 8, 55},
    {"CACTI 7, left out in turn", "write energy", accuracy_sram, "write_pj", 479, 5, 28},
    {"CACTI 7, left out in turn", "leakage", accuracy_sram, "leak_mw", 479, 3, 25},
    {"CACTI 7, left out in turn", "area", accuracy_sram, "area_mm2", 479, 6, 45},
    {"CACTI 7, left out in turn", "access time", accuracy_sram, "access_ns", 479, 4.5, 20},
    {"CACTI 7, left out in turn", "cycle time", accuracy_sram, "cycle_ns", 479, 8, 100},
};

static const char head[] =
    "# Accuracy\n\n"
    "What the model says against what was measured on something else. The tests write this page\n"
    "(`tests/accuracy --update docs/accuracy.md`) and fail when it is out of date or when a row is\n"
    "worse than its limits, the last two columns. Errors are relative to the reference. An RTL trace\n"
    "counts line by line, a wrong line as 100 %; memory figures are interpolated with their own row left\n"
    "out; gate counts are fits to the same rows (`tests/test_gates_fit.c` leaves rows, widths and lengths\n"
    "out). The data and how they were made are in `tests/reference/`. A *second account* is no measurement:\n"
    "it is a slow program in `tests/`, written from the same rules without the simulator's code, on random\n"
    "cases that the reference data do not have (other sizes, patterns and mixtures).\n\n"
    "| reference | figure | points | exact | mean error | max error | limit, mean | limit, max |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|\n";

void accuracy_point(struct accuracy *a, double model, double reference)
{
    double e = reference != 0 ? 100 * fabs(model / reference - 1) : model != 0 ? 100 : 0;
    a->points++;
    a->exact += e < 1e-9;
    a->sum_pct += e;
    a->max_pct = fmax(a->max_pct, e);
}

void accuracy_match(struct accuracy *a, bool equal)
{
    accuracy_point(a, equal, 1);
}

void accuracy_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\n", stderr);
    exit(2);
}

static unsigned split(char *line, char **cell)
{
    unsigned n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p && n < CSV_MAX_COLS;) {
        cell[n++] = p;
        p = strchr(p, ',');
        if (p)
            *p++ = '\0';
    }
    return n;
}

static bool next_line(struct csv *c, char *line)
{
    do
        if (!fgets(line, CSV_LINE, c->file))
            return false;
    while (line[0] == '#' || line[0] == '\n');
    return true;
}

void csv_open(struct csv *c, const char *path)
{
    char full[512];
    snprintf(full, sizeof full, TEST_REFERENCE "/%s", path);
    c->file = fopen(full, "r");
    if (!c->file || !next_line(c, c->names))
        accuracy_die("%s: cannot read", full);
    c->n = split(c->names, c->name);
}

bool csv_next(struct csv *c)
{
    if (!next_line(c, c->line)) {
        fclose(c->file);
        return false;
    }
    if (split(c->line, c->cell) != c->n)
        accuracy_die("a CSV line has not %u columns: %s...", c->n, c->line);
    return true;
}

const char *csv_text(const struct csv *c, const char *column)
{
    for (unsigned i = 0; i < c->n; i++)
        if (strcmp(c->name[i], column) == 0)
            return c->cell[i];
    accuracy_die("no CSV column %s", column);
}

uint64_t csv_u64(const struct csv *c, const char *column)
{
    return strtoull(csv_text(c, column), NULL, 10);
}

double csv_real(const struct csv *c, const char *column)
{
    return strtod(csv_text(c, column), NULL);
}

/* Within its limits? */
static bool print_row(const struct row *r, struct text *out)
{
    struct accuracy a = {0};
    r->measure(&a, r->arg);
    double mean = a.points ? a.sum_pct / (double)a.points : 0;
    bool all = r->max_pct == 0;
    bool ok = a.points >= r->points && (all ? a.exact == a.points : mean <= r->mean_pct &&
                                                                   a.max_pct <= r->max_pct);
    text_printf(out, "| %s | %s | %" PRIu64 " | %" PRIu64 " | %.2f %% | %.2f %% |", r->reference, r->figure,
                a.points, a.exact, mean, a.max_pct);
    if (all)
        text_add(out, " exact | exact |\n");
    else
        text_printf(out, " %g %% | %g %% |\n", r->mean_pct, r->max_pct);
    if (!ok)
        fprintf(stderr, "%s, %s: %" PRIu64 " points, %" PRIu64 " exact, mean %.3f %%, max %.3f %%: worse "
                "than its limits\n", r->reference, r->figure, a.points, a.exact, mean, a.max_pct);
    return ok;
}

int main(int argc, char **argv)
{
    bool write = argc == 3 && strcmp(argv[1], "--update") == 0, ok = true;
    struct text t = {0};
    if (argc != 2 && !write)
        accuracy_die("usage: accuracy [--update] FILE");
    text_add(&t, head);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ok &= print_row(&rows[i], &t);
    ok &= write ? page_write(argv[2], &t) : page_is_current(argv[1], &t);
    text_finish(&t);
    return ok ? 0 : 1;
}
