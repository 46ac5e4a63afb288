/* Random cases beyond the reference data, against second accounts written from the rules alone. */
#include "tests/accuracy.h"

#include "arch/replay.h"
#include "tests/replay_twin.h"
#include "tests/stream_twin.h"
#include "tests/tiles_twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Replays a trace given as text. */
static void replay(const struct text *trace, struct text *out)
{
    const char *dir = getenv("TMPDIR");
    struct err err = {0};
    char path[64];
    snprintf(path, sizeof path, "%.40s/twinXXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, trace->s, trace->len) != (ssize_t)trace->len || close(fd))
        accuracy_die("%s: cannot write", path);
    bool ok = replay_run(path, 0, out, &err);
    unlink(path);
    if (!ok)
        accuracy_die("a random trace is refused: %s", err.diags[0].text);
}

static void compare(struct accuracy *a, const struct text *trace, const struct text *want)
{
    struct text out = {0};
    replay(trace, &out);
    const char *is = out.s, *should = want->s;
    while (*should || *is) {
        size_t n = strcspn(should, "\n"), k = strcspn(is, "\n");
        if (*should != '#' || *is != '#')
            accuracy_match(a, n == k && memcmp(is, should, n) == 0);
        should += n + (should[n] != '\0');
        is += k + (is[k] != '\0');
    }
    text_finish(&out);
}

enum { SCENARIOS = 200, RUNS = 200 };

void accuracy_twin_bus(struct accuracy *a, const char *dut)
{
    static const char *const names[] = {"interleaved_crossbar", "soc_interconnect_wrap",
                                        "hci_interconnect"};
    static struct twin t;
    struct rng rng = {31};
    unsigned which = 0;
    while (strcmp(names[which], dut))
        which++;
    for (unsigned i = 0; i < SCENARIOS; i++) {
        struct text trace = {0}, want = {0};
        twin_draw(&t, (enum twin_dut)which, &rng);
        if (!twin_run(&t))
            accuracy_die("a random scenario does not end");
        twin_trace(&t, &trace);
        twin_result(&t, &want);
        compare(a, &trace, &want);
        text_finish(&trace);
        text_finish(&want);
    }
}

void accuracy_twin_streams(struct accuracy *a, const char *unused)
{
    static struct stream_twin t;
    struct rng rng = {32};
    (void)unused;
    for (unsigned n = 0; n < SCENARIOS;) {
        struct text trace = {0}, want = {0};
        stream_twin_draw(&t, &rng);
        if (stream_twin_run(&t, &want)) {
            stream_twin_trace(&t, &trace);
            compare(a, &trace, &want);
            n++;
        }
        text_finish(&trace);
        text_finish(&want);
    }
}

static rs_result *simulate(const struct tiles_job *j)
{
    rs_err *err = rs_err_create();
    rs_result *r = tiles_twin_simulate(j, RS_FOLDED, NULL, err);
    if (!r)
        accuracy_die("%s", rs_err_text(err));
    rs_err_destroy(err);
    return r;
}

/* A point a run, and one a job: right only when all of the run's jobs are. */
static void stalled(struct accuracy *a, bool build, struct rng *rng)
{
    struct tiles_job j;
    struct tiles_port p;
    size_t n;
    tiles_twin_stalled(&j, &p, build, rng);
    struct tiles_step *step = tiles_port_steps(&j, &n);
    tiles_port_run(&p, j.queued, step, n);
    rs_result *r = simulate(&j);
    bool same = tiles_twin_steps(step, n, r);
    accuracy_point(a, (double)rs_result_summary(r)->cycles, (double)step[n - 1].done);
    for (size_t i = 0; i < n; i++)
        accuracy_match(a, same);
    rs_result_destroy(r);
    free(step);
}

void accuracy_twin_tiles(struct accuracy *a, const char *what)
{
    struct rng rng = {33};
    for (unsigned i = 0; i < RUNS; i++) {
        struct tiles_job j;
        if (strncmp(what, "stalled", 7) == 0) {
            stalled(a, strstr(what, "sizes"), &rng);
            continue;
        }
        if (strcmp(what, "core") == 0)
            tiles_twin_core(&j, &rng);
        else
            tiles_twin_port(&j, &rng);
        rs_result *r = simulate(&j);
        accuracy_point(a, (double)rs_result_summary(r)->cycles, (double)j.cycles);
        rs_result_destroy(r);
    }
}
