/* Technology files: what is refused and where, laws of scaling, exactness of
 * prices. */
#include "arch/cost.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {"gf22fdx", "generic45", "generic65"};

static struct tech *load(struct arena *a, const char *name, const char *path, const char *value)
{
    struct err err = {0};
    struct ynode *root = yaml_load(a, arena_printf(a, TEST_ROOT "/configs/tech/%s.yaml", name), &err);
    struct tech *t;

    cr_assert_not_null(root);
    if (path)
        cr_assert(yaml_set(a, root, path, value, "command line", &err));
    t = tech_decode(a, root, &err);
    cr_assert_not_null(t, "%s: %s", name, err.n_diags ? err.diags[0].text : "");
    cr_assert_eq(err.n_diags, 0);
    return t;
}

/* "name=value name=value" into an item; actions the same way. */
static struct cost_item item(struct arena *a, const char *cls, uint64_t instances, const char *params,
                             const char *actions)
{
    struct cost_item it = {.component = "dut", .cls = cls, .instances = instances, .path = "longest"};
    char *save, *s;

    for (s = strtok_r(arena_strdup(a, params), " ", &save); s; s = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(s, '=');

        *eq = '\0';
        it.params[it.n_params++] = (struct cost_param){s, atof(eq + 1)};
    }
    for (s = strtok_r(arena_strdup(a, actions), " ", &save); s; s = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(s, '=');

        *eq = '\0';
        it.actions[it.n_actions++] = (struct cost_action){s, strtoull(eq + 1, NULL, 10)};
    }
    return it;
}

static struct cost_price price(const struct tech *t, const struct cost_item *it, uint64_t hz)
{
    struct cost_price p;
    struct err err = {0};

    cr_assert(tech_price(t, it, hz, &p, &err), "%s", err.n_diags ? err.diags[0].text : "");
    return p;
}

/* Every class of the files with plausible parameters and all of its actions. */
static const struct { const char *cls, *params, *actions; } classes[] = {
    {"dot_product", "w_bits=8 a_bits=8 length=64 acc_bits=26", "mac=64 acc_write=1"},
    {"systolic_pe", "w_bits=8 a_bits=8 acc_bits=32", "mac=1 shift=1"},
    {"requant", "acc_bits=32 mul_bits=16", "requant=1"},
    {"regs", "bits=32", "write=1"},
    {"fifo", "depth=4 width_bits=32", "push=1"},
    {"regfile", "depth=32 width_bits=32 read_ports=2", "read=1 write=1"},
    {"sram", "capacity_bytes=16384 width_bits=128", "read=1 write=1"},
    {"rom", "capacity_bytes=8192", "read=1"},
    {"crossbar", "masters=13 banks=4 data_bits=32", "transfer=1"},
    {"vector_lane", "bits=16", "op=1"},
    {"look_up", "bits=16", "lut=1"},
    {"isqrt", "bits=32", "isqrt=1"},
    {"div", "bits=32", "div=1"},
    {"retention_lane", "state_bits=16 k_bits=8 decay_mul=0", "update=1 readout=1"},
    {"retention_lane", "state_bits=16 k_bits=8 decay_mul=1", "update=1 readout=1"},
    {"core", "kge=40", "active_cycle=1 sleep_cycle=1"},
    {"apb", "slaves=8", "access=1"},
    {"udma", "channels=2", "word=1"},
    {"hyperram_phy", "", "read_byte=1 write_byte=1 command=1"},
    {"hyperram", "capacity_bytes=8388608", "read_byte=1 write_byte=1 command=1"},
    {"offchip_dram", "pj_per_bit=8", "read_byte=1 write_byte=1"},
    {"sequencer", "program_bytes=2048 contexts=2", "command=1"},
    {"sequencer", "program_bytes=0 contexts=2", "command=1"},
    {"address_gen", "dims=3 bits=32", "packet=1"},
    {"transposer", "bytes=256", "byte=1"},
    {"unpacker", "bits=128", "unpacked=1"},
};
enum { N_CLASSES = sizeof(classes) / sizeof(classes[0]) };

Test(tech, every_class_has_a_price_in_every_file)
{
    for (size_t f = 0; f < 3; f++) {
        struct arena a = {0};
        struct tech *t = load(&a, files[f], NULL, NULL);

        for (size_t c = 0; c < N_CLASSES; c++) {
            bool off = strstr(classes[c].cls, "hyperram") == classes[c].cls && classes[c].params[0];
            struct cost_item it = item(&a, classes[c].cls, 3, classes[c].params, classes[c].actions);
            struct cost_price p;

            off |= strcmp(classes[c].cls, "offchip_dram") == 0;
            it.clocked_cycles = 1000;
            it.total_cycles = 100000;
            p = price(t, &it, 200000000);
            cr_expect_eq(p.n_lines, it.n_actions + 2);
            for (unsigned i = 0; i < it.n_actions; i++) {
                cr_expect_gt(p.lines[i].energy_fj, 0, "%s %s", classes[c].cls, p.lines[i].action);
                cr_expect_eq(p.lines[i].kind, off ? COST_OFFCHIP : COST_ONCHIP, "%s", classes[c].cls);
                cr_expect_gt(p.lines[i].rel_err, 0);
                cr_expect_not_null(p.lines[i].unit);
            }
            cr_expect_str_eq(p.lines[it.n_actions].action, "clock");
            cr_expect_str_eq(p.lines[it.n_actions + 1].action, "leak");
            cr_expect_eq(p.lines[it.n_actions].kind, COST_IDLE);
            cr_expect_eq(p.lines[it.n_actions + 1].kind, COST_IDLE);
            cr_expect(off ? p.area_um2 == 0 : p.area_um2 > 0 && p.path_fo4 > 0, "%s", classes[c].cls);
        }
        arena_finish(&a);
    }
}

/* RedMulE states 470 MHz at 0.65 V and 613 MHz at 0.8 V. */
Test(tech, clock_follows_the_supply)
{
    struct arena a = {0};
    struct tech *nominal = load(&a, "gf22fdx", NULL, NULL), *low = load(&a, "gf22fdx", "voltage", "0.65");
    double last = 0;

    cr_expect_leq(fabs(tech_fmax_hz(nominal, 40) / tech_fmax_hz(low, 40) / (613.0 / 470.0) - 1), 0.01);
    cr_expect_float_eq(tech_voltage(low), 0.65, 1e-12);
    for (int mv = 400; mv <= 900; mv += 50) {
        struct tech *t = load(&a, "gf22fdx", "voltage", arena_printf(&a, "%.2f", mv / 1000.0));

        cr_expect_gt(tech_fmax_hz(t, 40), last);
        last = tech_fmax_hz(t, 40);
    }
    arena_finish(&a);
}

Test(tech, energy_goes_with_the_square_of_the_supply)
{
    struct arena a = {0};
    struct tech *v0 = load(&a, "gf22fdx", NULL, NULL), *v1 = load(&a, "gf22fdx", "voltage", "0.4");

    for (size_t c = 0; c < N_CLASSES; c++) {
        struct cost_item it = item(&a, classes[c].cls, 1, classes[c].params, classes[c].actions);
        struct cost_price p0, p1;

        for (unsigned i = 0; i < it.n_actions; i++)
            it.actions[i].count = 1000000;
        it.clocked_cycles = it.total_cycles = 1000000;
        p0 = price(v0, &it, 200000000);
        p1 = price(v1, &it, 200000000);
        for (unsigned i = 0; i + 1 < p0.n_lines; i++) {
            double want = p0.lines[i].kind == COST_OFFCHIP ? 1 : 0.25;

            /* One attojoule of rounding a coefficient. */
            cr_expect_leq(fabs((double)p1.lines[i].energy_fj - want * (double)p0.lines[i].energy_fj), 1001,
                          "%s %s",
                          classes[c].cls, p0.lines[i].action);
        }
        cr_expect_leq(p1.lines[p1.n_lines - 1].energy_fj, p0.lines[p0.n_lines - 1].energy_fj,
                      "leakage falls");
        cr_expect_eq(p1.area_um2, p0.area_um2);
    }
    arena_finish(&a);
}

Test(tech, energy_is_additive_and_exact)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);

    for (size_t c = 0; c < N_CLASSES; c++) {
        struct cost_item one = item(&a, classes[c].cls, 1, classes[c].params, classes[c].actions), two = one,
                         sum = one;
        struct cost_price p1, p2, ps;

        for (unsigned i = 0; i < one.n_actions; i++) {
            one.actions[i].count = 123457;
            two.actions[i].count = 987654321;
            sum.actions[i].count = 123457 + 987654321;
        }
        p1 = price(t, &one, 200000000);
        p2 = price(t, &two, 200000000);
        ps = price(t, &sum, 200000000);
        for (unsigned i = 0; i < one.n_actions; i++) {
            int64_t d = (int64_t)(ps.lines[i].energy_fj - p1.lines[i].energy_fj - p2.lines[i].energy_fj);

            cr_expect_leq(d < 0 ? -d : d, 1, "%s %s", classes[c].cls, ps.lines[i].action);
        }
        /* A thousand actions are a whole number of femtojoules. */
        one.actions[0].count = 1000;
        two.actions[0].count = 1000000;
        cr_expect_eq(1000 * price(t, &one, 1).lines[0].energy_fj, price(t, &two, 1).lines[0].energy_fj);
    }
    arena_finish(&a);
}

Test(tech, no_work_is_leakage_alone)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);
    struct cost_item it = item(&a, "sram", 4, "capacity_bytes=16384 width_bits=32", "read=0 write=0");
    struct cost_price p, half;

    it.total_cycles = 200000000;
    p = price(t, &it, 200000000);
    half = price(t, &it, 400000000);
    cr_expect_eq(p.lines[0].energy_fj + p.lines[1].energy_fj + p.lines[2].energy_fj, 0);
    cr_expect_gt(p.lines[3].energy_fj, 0);
    cr_expect_eq(p.lines[3].energy_fj, 2 * half.lines[3].energy_fj, "half the time, half the leakage");
    it.instances = 8;
    cr_expect_eq(price(t, &it, 200000000).lines[3].energy_fj, 2 * p.lines[3].energy_fj);
    arena_finish(&a);
}

Test(tech, energy_and_area_grow_with_parameters)
{
    static const struct { const char *cls, *small, *large, *action; } rows[] = {
        {"dot_product", "w_bits=4 a_bits=8 length=32 acc_bits=26", "w_bits=8 a_bits=8 length=32 acc_bits=26",
         "mac"},
        {"dot_product", "w_bits=8 a_bits=4 length=32 acc_bits=26", "w_bits=8 a_bits=8 length=32 acc_bits=26",
         "mac"},
        {"sram", "capacity_bytes=4096 width_bits=64", "capacity_bytes=16384 width_bits=64", "read"},
        {"sram", "capacity_bytes=16384 width_bits=64", "capacity_bytes=16384 width_bits=128", "write"},
        {"crossbar", "masters=9 banks=8 data_bits=32", "masters=13 banks=8 data_bits=32", "transfer"},
        {"crossbar", "masters=13 banks=4 data_bits=32", "masters=13 banks=4 data_bits=64", "transfer"},
        {"retention_lane", "state_bits=16 k_bits=8 decay_mul=0", "state_bits=32 k_bits=8 decay_mul=0",
         "update"},
        {"retention_lane", "state_bits=16 k_bits=8 decay_mul=0", "state_bits=16 k_bits=8 decay_mul=1",
         "update"},
        {"fifo", "depth=4 width_bits=32", "depth=8 width_bits=32", "push"},
        {"core", "kge=20", "kge=40", "active_cycle"},
    };
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *one = arena_printf(&a, "%s=1000", rows[i].action);
        struct cost_item s = item(&a, rows[i].cls, 1, rows[i].small, one);
        struct cost_item l = item(&a, rows[i].cls, 1, rows[i].large, one);
        struct cost_price ps = price(t, &s, 1000000), pl = price(t, &l, 1000000);

        cr_expect_gt(pl.lines[0].energy_fj, ps.lines[0].energy_fj, "%s %s", rows[i].cls, rows[i].large);
        /* A wider SRAM may be a smaller one. */
        if (strcmp(rows[i].action, "write") != 0)
            cr_expect_gt(pl.area_um2, ps.area_um2, "%s %s", rows[i].cls, rows[i].large);
    }
    arena_finish(&a);
}

Test(tech, node_by_node)
{
    double last_fj = 0, last_um2 = 0;

    for (size_t f = 0; f < 3; f++) {
        struct arena a = {0};
        struct tech *t = load(&a, files[f], NULL, NULL);
        struct cost_item it = item(&a, "dot_product", 1, classes[0].params, "mac=1000000");
        struct cost_price p = price(t, &it, 200000000);

        cr_expect_str_eq(tech_name(t), files[f]);
        cr_expect_gt((double)p.lines[0].energy_fj, last_fj);
        cr_expect_gt(p.area_um2, last_um2);
        last_fj = (double)p.lines[0].energy_fj;
        last_um2 = p.area_um2;
        arena_finish(&a);
    }
}

Test(tech, overflow_is_an_error)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);
    struct cost_item it = item(&a, "core", 1, "kge=40", "active_cycle=18446744073709551615");
    struct cost_price p;
    struct err err = {0};

    cr_expect_not(tech_price(t, &it, 200000000, &p, &err));
    cr_expect_eq(err.code, ERR_DATA);
    err_finish(&err);
    it = item(&a, "core", 1ull << 62, "kge=40", "active_cycle=1");
    it.total_cycles = UINT64_MAX;
    cr_expect_not(tech_price(t, &it, 1, &p, &err));
    err_finish(&err);
    arena_finish(&a);
}

Test(tech, canonical_text)
{
    struct arena a = {0};
    struct text x = {0}, y = {0}, z = {0};

    tech_emit(load(&a, "generic45", NULL, NULL), &x);
    tech_emit(load(&a, "generic45", "voltage", "0.9"), &y);
    tech_emit(load(&a, "generic45", "voltage", "0.8"), &z);
    cr_expect_str_eq(x.s, y.s, "0.90 and 0.9 are one number");
    cr_expect_str_neq(x.s, z.s);
    cr_expect_not_null(strstr(x.s, "tech.classes.sram.memory.node_nm: 45\n"), "own keys win over the base's");
    cr_expect_not_null(strstr(x.s, "tech.coefficients.e_mul8_fj.value: 200 * sb_scale\n"),
                       "the base's are there");
    cr_expect_not_null(strstr(x.s, "tech.sram_table.rows: "));
    text_finish(&x);
    text_finish(&y);
    text_finish(&z);
    arena_finish(&a);
}

static double path_fo4(const struct tech *t, struct arena *a, const char *cls, const char *params,
                       unsigned ranks)
{
    struct cost_item it = item(a, cls, 1, params, "");

    it.pipeline = ranks;
    return price(t, &it, 1000000).path_fo4;
}

/* The stages sum to the path; ranks divide logic, not loops, and cost area. */
Test(tech, a_pipeline_divides_what_is_no_loop)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);

    for (size_t c = 0; c < N_CLASSES; c++) {
        struct cost_item it = item(&a, classes[c].cls, 1, classes[c].params, classes[c].actions);
        struct cost_price one = price(t, &it, 1000000), p;
        double sum[3] = {0}, last = one.path_fo4, area = one.area_ge;

        for (unsigned i = 0; i < one.n_stages; i++)
            sum[one.stages[i].kind] += one.stages[i].fo4;
        cr_expect_float_eq(sum[0] + sum[1] + sum[2], one.path_fo4, 1e-9, "%s", classes[c].cls);
        for (unsigned ranks = 2; ranks <= 16; ranks++) {
            it.pipeline = ranks;
            p = price(t, &it, 1000000);
            cr_expect_leq(p.path_fo4, last, "%s", classes[c].cls);
            cr_expect_geq(p.path_fo4, sum[COST_REGISTER] + sum[COST_LOOP] - 1e-9, "%s", classes[c].cls);
            cr_expect_geq(p.area_ge, area, "%s", classes[c].cls);
            last = p.path_fo4;
            area = p.area_ge;
        }
    }
    cr_expect_lt(path_fo4(t, &a, "dot_product", classes[0].params, 2),
                 0.7 * path_fo4(t, &a, "dot_product", classes[0].params, 1));
    arena_finish(&a);
}

/* Rahimi et al., DATE 2011: 38 FO4 for 8 x 16 ports, 84 for four times both. */
Test(tech, crossbar_path_as_published)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);
    double small = path_fo4(t, &a, "crossbar", "masters=8 banks=16 data_bits=32", 1);
    double large = path_fo4(t, &a, "crossbar", "masters=32 banks=64 data_bits=32", 1);

    printf("crossbar 8x16 %.1f FO4 (published 38), 32x64 %.1f FO4 (84)\n", small, large);
    cr_expect_leq(fabs(small / 38 - 1), 0.05);
    cr_expect_leq(fabs(large / 84 - 1), 0.05);
    arena_finish(&a);
}

Test(tech, paths_have_errors_and_grow)
{
    static const struct { const char *cls, *small, *large; } rows[] = {
        {"dot_product", "w_bits=8 a_bits=8 length=16 acc_bits=26", "w_bits=8 a_bits=8 length=64 acc_bits=26"},
        {"dot_product", "w_bits=4 a_bits=4 length=16 acc_bits=26", "w_bits=8 a_bits=8 length=16 acc_bits=26"},
        {"crossbar", "masters=8 banks=8 data_bits=32", "masters=9 banks=8 data_bits=32"},
        {"crossbar", "masters=8 banks=8 data_bits=32", "masters=8 banks=16 data_bits=32"},
        {"sram", "capacity_bytes=4096 width_bits=64", "capacity_bytes=65536 width_bits=64"},
        {"requant", "acc_bits=24 mul_bits=8", "acc_bits=32 mul_bits=16"},
        {"add", "bits=16", "bits=32"},
        {"mul", "w_bits=4 a_bits=8", "w_bits=8 a_bits=8"},
        {"retention_lane", "state_bits=16 k_bits=8 decay_mul=0", "state_bits=32 k_bits=8 decay_mul=0"},
    };
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cost_item it = item(&a, rows[i].cls, 1, rows[i].large, "");
        struct cost_price p = price(t, &it, 1000000);

        cr_expect_gt(p.path_fo4, path_fo4(t, &a, rows[i].cls, rows[i].small, 1), "%s %s", rows[i].cls,
                     rows[i].large);
        cr_expect(p.path_rel_err > 0.01 && p.path_rel_err < 0.3, "%s: %g", rows[i].cls, p.path_rel_err);
        cr_expect_gt(tech_fmax_rel_err(t, p.path_rel_err), p.path_rel_err);
    }
    arena_finish(&a);
}

/* Energy follows what the operands did, if the file wants it and a run measured it. */
Test(tech, activity_replaces_the_default)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL), *m = load(&a, "gf22fdx", "activity", "measured");
    static const struct { const char *cls, *params, *action; } rows[] = {
        {"dot_product", "w_bits=8 a_bits=8 length=64 acc_bits=26", "mac=1000000"},
        {"systolic_pe", "w_bits=8 a_bits=8 acc_bits=32", "mac=1000000"},
        {"crossbar", "masters=13 banks=4 data_bits=32", "transfer=1000000"},
        {"retention_lane", "state_bits=16 k_bits=8 decay_mul=0", "update=1000000"},
    };

    cr_expect(tech_wants_activity(m) && !tech_wants_activity(t));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cost_item it = item(&a, rows[i].cls, 1, rows[i].params, rows[i].action);
        uint64_t base = price(t, &it, 1000000).lines[0].energy_fj, last = 0;

        cr_expect_eq(price(m, &it, 1000000).lines[0].energy_fj, base, "%s: not measured", rows[i].cls);
        it.activity = (struct cost_activity){256, 1, 64, 32};
        cr_expect_eq(price(m, &it, 1000000).lines[0].energy_fj, base, "%s: random", rows[i].cls);
        it.activity.toggles = 16;
        cr_expect_eq(price(t, &it, 1000000).lines[0].energy_fj, base, "%s: default", rows[i].cls);
        for (it.activity.toggles = 0; it.activity.toggles <= 64; it.activity.toggles += 8) {
            uint64_t e = price(m, &it, 1000000).lines[0].energy_fj;

            cr_expect_gt(e, last, "%s, %d toggles", rows[i].cls, (int)it.activity.toggles);
            last = e;
        }
        for (it.activity.zeros = 32; it.activity.zeros <= 256 && i != 2; it.activity.zeros += 32) {
            uint64_t e = price(m, &it, 1000000).lines[0].energy_fj;

            cr_expect_lt(e, last, "%s, %d zeros", rows[i].cls, (int)it.activity.zeros);
            last = e;
        }
    }
    arena_finish(&a);
}

/* What follows from a coefficient moves with it. */
Test(tech, a_scaled_coefficient)
{
    struct arena a = {0};
    struct tech *t = load(&a, "gf22fdx", NULL, NULL);
    struct cost_item it = item(&a, "systolic_pe", 1, classes[1].params, "mac=1000000");
    double base = (double)price(t, &it, 1000000).lines[0].energy_fj, value, rel_err;
    size_t n = 0;

    for (const char *name; (name = tech_coefficient(t, n, &value, &rel_err)); n++) {
        const struct tech *up = tech_scaled(&a, t, n, 1.2);
        double e = (double)price(up, &it, 1000000).lines[0].energy_fj / base;
        bool all = strcmp(name, "cal_energy") == 0 || strcmp(name, "sb_scale") == 0;

        if (strcmp(name, "v_nom") == 0)
            continue;
        if (all)
            cr_expect_float_eq(e, 1.2, 1e-4, "%s: %g", name, e);
        else if (strcmp(name, "e_mul8_fj") == 0)
            cr_expect(e > 1.05 && e < 1.2, "%s: %g", name, e);
        else
            cr_expect_lt(e, 1.11, "%s: %g", name, e);
    }
    cr_expect_gt(n, 30);
    arena_finish(&a);
}
