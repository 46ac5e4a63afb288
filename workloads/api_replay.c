/* A request trace through an interconnect. */
#include "arch/replay.h"
#include "workloads/api.h"

char *rs_replay(const char *path, unsigned chart_columns, rs_err *err)
{
    struct text out = {0};
    text_add(&out, "");
    if (!replay_run(path, chart_columns, &out, rs_err_inner(err)))
        text_finish(&out);
    return out.s;
}
