/* Replay of RTL traces: every line of every result of one device. */
#include "tests/accuracy.h"

#include "arch/replay.h"

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
    if (!want || !replay_run(path, false, &out, &err))
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
