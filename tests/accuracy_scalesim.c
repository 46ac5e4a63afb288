/* `retsim run` in its compatibility mode on every matrix product of the SCALE-Sim table. */
#include "tests/accuracy.h"

#include "include/retsim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARCH TEST_ROOT "/configs/arch/systolic_ideal.yaml"
#define WORK TEST_ROOT "/workloads/kernels/gemm.yaml"

static uint64_t cycles_of(const struct csv *c)
{
    char sets[6][64];
    const char *list[6];
    rs_options options;
    rs_err *err = rs_err_create();
    snprintf(sets[0], sizeof sets[0], "arch.engine.rows=%s", csv_text(c, "array_h"));
    snprintf(sets[1], sizeof sets[1], "arch.engine.cols=%s", csv_text(c, "array_w"));
    snprintf(sets[2], sizeof sets[2], "arch.engine.dataflow=%s", csv_text(c, "dataflow"));
    snprintf(sets[3], sizeof sets[3], "work.m=%s", csv_text(c, "M"));
    snprintf(sets[4], sizeof sets[4], "work.n=%s", csv_text(c, "N"));
    snprintf(sets[5], sizeof sets[5], "work.k=%s", csv_text(c, "K"));
    for (unsigned i = 0; i < 6; i++)
        list[i] = sets[i];
    rs_options_default(&options);
    rs_design *d = rs_design_load(ARCH, WORK, NULL, list, 6, err);
    rs_result *r = d ? rs_run(d, &options, err) : NULL;
    if (!r)
        accuracy_die("%s", rs_err_text(err));
    uint64_t cycles = rs_result_summary(r)->cycles;
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
    return cycles;
}

void accuracy_scalesim(struct accuracy *a, const char *dataflow)
{
    struct csv c;
    csv_open(&c, "scalesim/scalesim.csv");
    while (csv_next(&c))
        if (strcmp(csv_text(&c, "dataflow"), dataflow) == 0)
            accuracy_point(a, (double)cycles_of(&c), csv_real(&c, "formula_cycles"));
}
