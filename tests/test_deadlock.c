/* Programs that cannot finish: the run ends, and the report names who waits for what. */
#include "arch/machine.h"
#include "include/retsim.h"
#include "workloads/api.h"

#include <criterion/criterion.h>
#include <string.h>

#define ARCH TEST_ROOT "/configs/arch/pulpissimo_retention.yaml"
#define GEMM TEST_ROOT "/workloads/kernels/gemm.yaml"

struct fixture {
    rs_design *design;
    struct program p;
};

static void setup(struct fixture *f)
{
    rs_err *err = rs_err_create();
    const char *sets[] = {"work.m=16", "work.n=16", "work.k=16", "arch.sequencer.queue_depth=4"};
    f->design = rs_design_load(ARCH, GEMM, NULL, sets, 4, err);
    cr_assert_not_null(f->design, "%s", rs_err_text(err));
    rs_err_destroy(err);
    program_init(&f->p);
}

/* Runs the program, which must not end, in both methods; its report holds each of `parts`. */
static void expect_report(struct fixture *f, const char *const *parts)
{
    prog_add(&f->p, THREAD_ACCEL, OP_HALT, N_UNITS);
    prog_add(&f->p, THREAD_HOST, OP_HALT, N_UNITS);
    for (int folding = 0; folding < 2; folding++) {
        struct err err = {0};
        struct machine *m = machine_create(f->design->arch, &f->p, &evq_wheel, folding, &err);
        cr_assert_not_null(m);
        cr_expect(!machine_run(m, &err));
        cr_expect_eq(err.code, ERR_SOFTWARE);
        cr_assert_eq(err.n_diags, 1);
        for (size_t i = 0; parts[i]; i++)
            cr_expect(strstr(err.diags[0].text, parts[i]), "no '%s' in '%s'", parts[i], err.diags[0].text);
        machine_destroy(m);
        err_finish(&err);
    }
    program_finish(&f->p);
    rs_design_destroy(f->design);
}

static struct cmd *load(struct fixture *f, int64_t addr)
{
    struct cmd *c = prog_add(&f->p, THREAD_ACCEL, OP_LOAD, UNIT_LOAD);
    c->addr = aff(addr);
    c->rows = 1;
    c->row_bytes = 64;
    c->dst = (struct slot_use){.ring = RING_ACT, .stage = 2, .acquire = true, .commit = true};
    f->p.slot_bytes[RING_ACT] = 64;
    return c;
}

Test(deadlock, two_units_wait_for_each_other)
{
    struct fixture f;
    setup(&f);
    uint16_t a = prog_token(&f.p, "a written", 0, WAIT_OPERAND);
    uint16_t b = prog_token(&f.p, "b written", 0, WAIT_OPERAND);
    prog_wait(&f.p, THREAD_ACCEL, UNIT_LOAD, a, 1);
    prog_post(&f.p, THREAD_ACCEL, UNIT_LOAD, b, 1);
    prog_wait(&f.p, THREAD_ACCEL, UNIT_STORE, b, 2);
    prog_post(&f.p, THREAD_ACCEL, UNIT_STORE, a, 1);
    expect_report(&f, (const char *const[]){
        "deadlock at cycle 4",
        "the load unit at command 0 (wait) waits for token 'a written' (has 0, needs 1), given by command 3 "
        "(post)",
        "the store unit at command 2 (wait) waits for token 'b written' (has 0, needs 2), given by command 1 "
        "(post)", NULL});
}

Test(deadlock, nobody_frees_a_slot)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 8; i++)
        load(&f, 64 * i);
    expect_report(&f, (const char *const[]){
        "the load unit at command 2 (load weight) waits for a free slot of act (2 of 2 slots hold something)",
        "the sequencer at command 6 (load weight) waits for room in the queue of the load unit", NULL});
}

Test(deadlock, host_waits_for_what_nobody_gives)
{
    struct fixture f;
    setup(&f);
    uint16_t t = prog_token(&f.p, "never", 0, WAIT_HOST);
    prog_wait(&f.p, THREAD_HOST, N_UNITS, t, 1);
    expect_report(&f, (const char *const[]){
        "the host at command 0 (wait) waits for token 'never' (has 0, needs 1), which nobody gives", NULL});
}

/* Cores that win every cycle leave the accelerator nothing, for ever. */
Test(deadlock, starvation_is_told_from_a_bug)
{
    rs_err *err = rs_err_create();
    const char *sets[] = {"work.m=64", "work.n=64", "work.k=64", "arch.tcdm.hci.prio_num=0",
                          "arch.traffic.period_cycles=1"};
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/cluster_retention.yaml", GEMM, NULL, sets, 5, err);
    rs_options options;
    rs_options_default(&options);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    cr_expect_null(rs_run(d, &options, err));
    cr_expect_eq(rs_err_code(err), 78, "%s", rs_err_text(err));
    cr_expect(strstr(rs_err_text(err), "change arch.tcdm.hci or arch.traffic"), "%s", rs_err_text(err));
    rs_design_destroy(d);
    rs_err_destroy(err);
}
