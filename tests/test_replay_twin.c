/* Replay against the slow twins (tests/replay_twin.c, tests/stream_twin.c) on random scenarios, byte for
 * byte. */
#include "tests/replay_text.h"
#include "tests/replay_twin.h"
#include "tests/stream_twin.h"

static void compare(const char *trace, const char *want)
{
    struct text out = replay_text(trace);
    size_t at = 0;
    while (out.s[at] && out.s[at] == want[at])
        at++;
    bool same = out.s[at] == want[at];
    while (at && out.s[at - 1] != '\n')
        at--;
    cr_assert(same, "'%.*s', not '%.*s'\n%s", (int)strcspn(out.s + at, "\n"), out.s + at,
              (int)strcspn(want + at, "\n"), want + at, trace);
    text_finish(&out);
}

static void scenarios(enum twin_dut dut, unsigned n, uint64_t seed)
{
    static struct twin t;
    struct rng rng = {seed};
    uint64_t requests = 0;
    for (unsigned i = 0; i < n; i++) {
        struct text trace = {0}, want = {0};
        twin_draw(&t, dut, &rng);
        cr_assert(twin_run(&t), "scenario %u does not end", i);
        twin_trace(&t, &trace);
        twin_result(&t, &want);
        compare(trace.s, want.s);
        for (unsigned m = 0; m < t.masters; m++)
            requests += t.n[m];
        text_finish(&trace);
        text_finish(&want);
    }
    cr_log_info("%u scenarios, %u requests alike", n, (unsigned)requests);
    cr_assert_gt(requests, 50u * n);
}

Test(replay_twin, crossbar)
{
    scenarios(TWIN_CROSSBAR, 400, 1);
}

Test(replay_twin, soc_interconnect)
{
    scenarios(TWIN_SOC, 400, 2);
}

Test(replay_twin, hci)
{
    scenarios(TWIN_HCI, 400, 3);
}

Test(replay_twin, streams)
{
    static struct stream_twin t;
    struct rng rng = {4};
    uint64_t events = 0;
    for (unsigned n = 0; n < 400;) {
        struct text trace = {0}, want = {0};
        stream_twin_draw(&t, &rng);
        if (stream_twin_run(&t, &want)) {
            stream_twin_trace(&t, &trace);
            compare(trace.s, want.s);
            for (const char *s = want.s; (s = strchr(s, '\n')); s++)
                events++;
            n++;
        }
        text_finish(&trace);
        text_finish(&want);
    }
    cr_log_info("400 scenarios, %u events alike", (unsigned)events);
    cr_assert_gt(events, 400u * 100);
}
