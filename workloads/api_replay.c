/* A request trace through an interconnect. */
#include "arch/replay.h"
#include "workloads/api.h"

char *rs_replay(const char *path, bool chart, rs_err *err)
{
    struct text out = {0};
    text_add(&out, "");
    if (!replay_run(path, chart, &out, rs_err_inner(err)))
        text_finish(&out);
    return out.s;
}
