/* Points of a database that were simulated by another model are not taken for those of this one: whoever
 * moves a number raises the version. Here are the numbers that go with it. */
#include "base/hash.h"
#include "base/text.h"
#include "include/retsim.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

/* What a change of the model changes as well. */
static const char version[] = "3", digest[] = "be1e03b085b857cc4835422a6adc6d1d";

#define ARCH(name) TEST_ROOT "/configs/arch/" name ".yaml"
#define MODEL(name) TEST_ROOT "/workloads/models/" name ".yaml"
#define KERNEL(name) TEST_ROOT "/workloads/kernels/" name ".yaml"
#define RETENTION ARCH("pulpissimo_retention")

static const struct {
    const char *arch, *work;
    size_t n_sets;
    const char *sets[3];
    rs_method method;
} points[] = {
    {RETENTION, MODEL("edge_kjv_d64"), 2, {"work.form=parallel", "work.seq=256"}, RS_FOLDED},
    {RETENTION, MODEL("edge_kjv_d64"), 2, {"work.form=recurrent", "work.seq=256"}, RS_FOLDED},
    {RETENTION, MODEL("edge_kjv_d64"), 2, {"work.form=chunkwise", "work.seq=256"}, RS_FOLDED},
    {RETENTION, MODEL("edge_kjv_d64"), 3, {"work.phase=both", "work.tokens=8", "work.seq=48"}, RS_FOLDED},
    {RETENTION, MODEL("edge_kjv_d64"), 3, {"work.phase=decode", "work.tokens=8", "work.decode=kv_cache"},
     RS_FOLDED},
    {RETENTION, MODEL("edge_kjv_d128"), 2, {"work.form=parallel", "work.seq=320"}, RS_FOLDED},
    {RETENTION, MODEL("edge_kjv_d128"), 2, {"work.form=recurrent", "work.seq=512"}, RS_FOLDED},
    {RETENTION, MODEL("edge_d256"), 2, {"work.phase=decode", "work.tokens=4"}, RS_FOLDED},
    {RETENTION, KERNEL("gemm"), 3, {"work.m=70", "work.n=90", "work.k=130"}, RS_FOLDED},
    {RETENTION, KERNEL("msr"), 1, {"work.seq=128"}, RS_FOLDED},
    {ARCH("retention_state_l2"), MODEL("edge_kjv_d64"), 1, {"work.seq=128"}, RS_FOLDED},
    {ARCH("pulpissimo_retention_small"), MODEL("edge_kjv_d64"), 1, {"work.seq=128"}, RS_FOLDED},
    {ARCH("pulpissimo_retention_big"), MODEL("retnet_1p3b"), 1, {"work.seq=2048"}, RS_BOUND},
    {ARCH("cluster_retention"), MODEL("edge_kjv_d64"), 1, {"work.seq=64"}, RS_FOLDED},
    {ARCH("systolic_16x16_ws"), KERNEL("gemm"), 3, {"work.m=70", "work.n=90", "work.k=130"}, RS_FOLDED},
    {ARCH("ita_hwpe"), KERNEL("ita_attention"), 1, {"arch.memory.stall=low_when_c%7==3"}, RS_FOLDED},
};

/* Energy and area to four digits: compilers may differ in the last ones. */
static void add_point(struct text *t, size_t i)
{
    rs_err *err = rs_err_create();
    rs_design *d =
        rs_design_load(points[i].arch, points[i].work, NULL, points[i].sets, points[i].n_sets, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_result *r = rs_run(d, &(rs_options){.method = points[i].method}, err);
    cr_assert_not_null(r, "%s", rs_err_text(err));
    const rs_summary *s = rs_result_summary(r);
    size_t n;
    const rs_action *a = rs_result_actions(r, &n);
    text_printf(t, "%zu: %" PRIu64 " cycles, %.3e fJ, %.3e um2", i, s->cycles, (double)s->energy_fj,
                (double)s->area_um2);
    for (size_t k = 0; k < n; k++)
        text_printf(t, " %" PRIu64, a[k].count);
    text_add(t, "\n");
    rs_result_destroy(r);
    rs_design_destroy(d);
    rs_err_destroy(err);
}

Test(version, goes_up_with_the_numbers)
{
    struct text t = {0};
    char hex[33];
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        add_point(&t, i);
    struct hash128 h = hash_bytes(t.s, t.len);
    hash_hex(&h, hex);
    cr_assert_str_eq(rs_model_version(), version);
    cr_assert_str_eq(hex, digest, "numbers have moved: raise rs_model_version, and write it and the digest "
                     "%s here; the numbers are\n%s", hex, t.s);
    text_finish(&t);
}
