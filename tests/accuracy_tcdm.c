/* Replay of RTL traces: every line of every result of one device. */
#include "tests/accuracy.h"

#include "arch/replay.h"
#include "tests/mac_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *s = calloc(1, size + 1);
    if (!s || fread(s, 1, size, f) != size)
        accuracy_die("%s: cannot read", path);
    fclose(f);
    return s;
}

/* Lines of `want` that are in the same place of `is`; remarks do not count. */
static void compare(struct accuracy *a, const char *is, const char *want)
{
    while (*want || *is) {
        size_t n = strcspn(want, "\n"), k = strcspn(is, "\n");
        if (*want != '#' || *is != '#')
            accuracy_match(a, n == k && memcmp(is, want, n) == 0);
        want += n + (want[n] != '\0');
        is += k + (is[k] != '\0');
    }
}

static void scenario(struct accuracy *a, const char *name)
{
    char path[512];
    struct text out = {0};
    struct err err = {0};
    snprintf(path, sizeof path, TEST_REFERENCE "/tcdm/%s.result", name);
    char *want = slurp(path);
    if (!want) {
        snprintf(path, sizeof path, TEST_REFERENCE "/tcdm/%s.summary", name);
        want = slurp(path);
    }
    snprintf(path, sizeof path, TEST_REFERENCE "/tcdm/%s.trace", name);
    if (!want || !replay_run(path, 0, &out, &err))
        accuracy_die("%s: no result", path);
    compare(a, out.s, want);
    text_finish(&out);
    free(want);
}

void accuracy_tcdm(struct accuracy *a, const char *dut)
{
    struct csv c;
    csv_open(&c, "tcdm/index.csv");
    while (csv_next(&c))
        if (strcmp(csv_text(&c, "dut"), dut) == 0)
            scenario(a, csv_text(&c, "name"));
}

void accuracy_mac_jobs(struct accuracy *a, const char *which)
{
    bool beside = strcmp(which, "beside masters") == 0;
    for (unsigned i = 0; i < MAC_ROWS; i++)
        if ((mac_measured[i].background > 0) == beside)
            accuracy_point(a, mac_mean(&mac_measured[i]), mac_measured[i].cycles);
}

/* Masters that ask for a random bank as soon as they were served. */
static double grants_a_cycle(unsigned masters)
{
    enum { BANKS = 4, CYCLES = 400000 };
    struct rng rng = {masters};
    struct xbar x;
    uint64_t ask[BANKS] = {0}, grants = 0;
    xbar_init(&x, masters, BANKS, false);
    for (unsigned m = 0; m < masters; m++)
        ask[rng_below(&rng, BANKS)] |= UINT64_C(1) << m;
    for (unsigned c = 0; c < CYCLES; c++) {
        uint64_t next[BANKS] = {0};
        for (unsigned b = 0; b < BANKS; b++) {
            int winner = xbar_grant(&x, b, ask[b]);
            if (winner < 0)
                continue;
            grants++;
            ask[b] &= ~(UINT64_C(1) << winner);
            next[rng_below(&rng, BANKS)] |= UINT64_C(1) << winner;
        }
        for (unsigned b = 0; b < BANKS; b++)
            ask[b] |= next[b];
    }
    return (double)grants / CYCLES;
}

void accuracy_saturated(struct accuracy *a, const char *unused)
{
    static const double measured[] = {1.0000, 1.7520, 2.2719, 2.6269, 2.8718, 3.0473, 3.1786, 3.2795, 3.3583};
    (void)unused;
    for (unsigned k = 1; k <= sizeof measured / sizeof *measured; k++)
        accuracy_point(a, grants_a_cycle(k), measured[k - 1]);
}
