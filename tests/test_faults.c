/* Faults planted in programs, one command after the other: the values reading finds those that can change a
 * number. */
#include "arch/machine.h"
#include "tests/effort.h"
#include "workloads/api.h"
#include "workloads/lower_ctx.h"
#include "workloads/values.h"

#include <criterion/criterion.h>
#include <inttypes.h>


/* Plants a fault in a command; false when the class has none there. */
typedef bool (*fault_fn)(struct cmd *c);

static bool is_move(const struct cmd *c)
{
    return (c->op == OP_LOAD && !c->gather) || c->op == OP_STORE || (c->op == OP_LDW && !c->from_state) ||
           ((c->op == OP_UDMA_RX || c->op == OP_UDMA_TX) && !c->gather) || c->op == OP_RET_LOAD ||
           c->op == OP_RET_SAVE;
}

static bool address(struct cmd *c)
{
    c->addr.c += 16;
    return is_move(c);
}

static bool off_chip_address(struct cmd *c)
{
    c->ext.c += 16;
    return (c->op == OP_UDMA_RX || c->op == OP_UDMA_TX) && !c->gather;
}

static bool other_tensor(struct cmd *c)
{
    c->tensor = T_SCORE; /* never off-chip */
    return c->op == OP_UDMA_RX || c->op == OP_UDMA_TX;
}

static bool transfer_dropped(struct cmd *c)
{
    bool has = is_move(c) && c->op != OP_UDMA_RX && c->op != OP_UDMA_TX && !c->dst.acquire &&
        !c->src.release &&
               !c->dst.commit;
    c->op = has ? OP_MARK : c->op;
    return has;
}

static bool older_slot(struct cmd *c)
{
    struct slot_use *s = c->set.ring != RING_NONE ? &c->set : &c->src;
    s->age++;
    return s->ring != RING_NONE && c->op != OP_FREE;
}

static bool early_free(struct cmd *c)
{
    bool has = c->op == OP_MM && !c->src.release;
    c->src.release = true;
    return has;
}

static bool not_first(struct cmd *c)
{
    bool has = c->op == OP_MM && c->first;
    c->first = false;
    return has;
}

static bool first_again(struct cmd *c)
{
    bool has = c->op == OP_MM && !c->first;
    c->first = true;
    return has;
}

static bool not_last(struct cmd *c)
{
    bool has = c->op == OP_MM && c->last;
    c->last = false;
    return has;
}

/* Takes its set and adds nothing. */
static bool accumulate_dropped(struct cmd *c)
{
    bool has = c->op == OP_MM && !c->first && !c->last;
    c->rows_is_affine = true;
    c->rows_aff = aff(0);
    return has;
}

static bool not_cleared(struct cmd *c)
{
    bool has = c->op == OP_CLEAR;
    c->op = has ? OP_MARK : c->op;
    return has;
}

static bool operand_place(struct cmd *c)
{
    c->src_at++;
    return c->op == OP_MM;
}

static bool result_place(struct cmd *c)
{
    c->dst_at++;
    return c->op == OP_MM && c->last && (c->mm_dst == MM_OUT || c->mm_dst == MM_SCORE);
}

static bool accumulator_place(struct cmd *c)
{
    c->acc_offset++;
    return c->op == OP_MM && !(c->first && c->last);
}

static bool other_head(struct cmd *c)
{
    bool reads_head = c->what == WHAT_SCORE || c->what == WHAT_RAW || c->what == WHAT_STATE ||
        c->what == WHAT_CROSS;
    c->unit_at.c++;
    return c->op == OP_MM && c->last && reads_head;
}

static bool next_position(struct cmd *c)
{
    c->pos_at.c++;
    return (c->op == OP_VEC && c->vec_kind == VEC_ROTARY) || (c->op == OP_MM && c->last &&
                                                              c->mm_dst == MM_SCORE);
}

static bool row_words_place(struct cmd *c)
{
    c->row_at++;
    return c->op == OP_MM && row_words_used(c);
}

static bool maxima_dropped(struct cmd *c)
{
    bool has = c->op == OP_MM && c->mm_dst == MM_MAX;
    c->rows_is_affine = true;
    c->rows_aff = aff(0);
    return has;
}

static bool state_place(struct cmd *c)
{
    c->state_at.c += 4;
    return c->op == OP_RET_STEP || (c->op == OP_MM && c->mm_dst == MM_STATE);
}

static bool wait_dropped(struct cmd *c)
{
    bool has = c->op == OP_WAIT;
    c->count = has ? 0 : c->count;
    return has;
}

static bool post_dropped(struct cmd *c)
{
    bool has = c->op == OP_POST;
    c->count = has ? 0 : c->count;
    return has;
}

static const struct fault {
    const char *name;
    fault_fn plant;
    unsigned least; /* per cent of the planted ones that must be found; the others cannot change a number */
} faults[] = {
    {"address + 16", address, 99}, /* sets of keys that no token sees yet are masked */
    {"off-chip address + 16", off_chip_address, 100},
    {"a move off-chip names another tensor", other_tensor, 100},
    /* a state that is loaded again while the buffer still holds it */
    {"a transfer into a shared slot is dropped", transfer_dropped, 75},
    {"slot age + 1", older_slot, 100},
    {"operand freed early", early_free, 100},
    {"first cleared", not_first, 99}, /* a maximum with older sums may have as many bits */
    {"first set", first_again, 90}, /* the only key block of a first row finds cleared accumulators anyway */
    {"last cleared", not_last, 100},
    {"an accumulate is dropped", accumulate_dropped, 100},
    {"accumulators not cleared", not_cleared, 90}, /* rows before may have had no larger scores */
    {"operand place + 1", operand_place, 100},
    {"result place + 1", result_place, 100},
    {"accumulator place + 1", accumulator_place, 100},
    /* heads may shift their rows alike */
    {"parameters of the next head", other_head, 75},
    {"next position", next_position, 100},
    {"state place + 4", state_place, 100},
    {"place of row shifts + 1", row_words_place, 100},
    /* often another key of the row has as many bits */
    {"a maximum is dropped", maxima_dropped, 50},
    /* Most waits repeat what the order within units guarantees: what they protect hangs on an earlier wait,
     * or on data that cannot be there before. */
    {"a wait is dropped", wait_dropped, 50},
    {"a post is dropped", post_dropped, 95}, /* the last posts of a run have no reader */
};
enum { N_FAULTS = sizeof faults / sizeof faults[0], FAULT_SCHEDULES = 6 };

struct planted {
    uint64_t tried, found;
};

struct subject { /* a program with its golden model */
    const struct rs_design *d;
    struct program p;
    struct net *net;
    struct qnet *q;
    struct expected *want;
};

static void subject_create(struct subject *s, const struct rs_design *d)
{
    struct err e = {0};
    struct golden_job job = golden_job_of(d->work);
    uint64_t S = job.prefill + job.decode;
    struct quant quant = values_quant(d->arch, d->work);
    const double *seqs[4];
    s->d = d;
    cr_assert(lower(&s->p, d->arch, d->work, &e));
    s->net = net_synthetic(d->work, 1, S, seqs, &e);
    s->q = qnet_create(s->net, &quant, 1, S, seqs, S, &e);
    s->want = expected_create(d->work, s->q, seqs, &e);
    cr_assert_not_null(s->want);
}

static void subject_finish(struct subject *s)
{
    expected_destroy(s->want);
    qnet_destroy(s->q);
    net_destroy(s->net);
    program_finish(&s->p);
}

static bool found(const struct subject *s)
{
    struct values_job job = {s->d->arch, s->d->work, &s->p, s->q, s->want, 0};
    struct values_counts counts;
    bool ok = true;
    for (job.seed = 1; ok && job.seed <= FAULT_SCHEDULES; job.seed++) {
        struct err e = {0};
        ok = values_run(&job, &counts, &e);
        err_finish(&e);
    }
    return !ok;
}

/* Loops may have no trips: what they hold has no fault that matters. */
static bool executed(struct subject *s, int th, uint32_t i)
{
    struct cmd *c = &s->p.cmds[th][i], kept = *c;
    if (th == THREAD_ACCEL) {
        c->op = OP_VEC; /* no such command */
        c->unit = UNIT_VECTOR;
        c->vec_kind = VEC_ALIGN;
    } else {
        c->op = OP_UDMA_RX;
        c->addr = aff(INT64_MAX / 2);
    }
    bool is = found(s);
    *c = kept;
    return is;
}

/* One command after the other gets the fault. */
static void plant_all(struct subject *s, const struct fault *f, struct planted *n, struct text *missed)
{
    for (int th = 0; th < N_THREADS; th++)
        for (uint32_t i = 0; i < s->p.n[th]; i++) {
            struct cmd *c = &s->p.cmds[th][i], kept = *c;
            bool is = false, has = f->plant(c);
            if (SANITIZED && n->tried && i % 4) /* some places; the plain builds count shares */
                has = false;
            if (has)
                is = found(s);
            *c = kept;
            if (!has || (!is && !executed(s, th, i)))
                continue;
            n->tried++;
            n->found += is;
            if (!is)
                text_printf(missed, " %s%u", th ? "h" : "", i);
        }
}

static const char *const fault_designs[][12] = {
    {"work.form=parallel", "work.phase=both", "work.quant.score_scale=static", NULL},
    {"work.form=recurrent", "work.phase=prefill", "arch.retention.state=l2", NULL},
    {"work.form=chunkwise", "work.phase=both", "arch.tcdm.bytes=48 KiB", "work.quant.score_scale=static",
     NULL},
    {"work.form=parallel", "work.phase=both", "work.decode=kv_cache", "arch.engine.style=systolic",
     "arch.engine.dataflow=is", "work.quant.score_scale=row_shift", NULL},
    {"work.form=chunkwise", "work.phase=both", "work.quant.score_scale=row_shift",
     "work.quant.score_block=4", "work.quant.state_update=token", "work.shape.layers=1", NULL},
};
static const char *const fault_shape[] = {
    "work.shape.d_model=48", "work.shape.heads=3", "work.shape.value_dim=96", "work.shape.ffn_dim=50",
    "work.shape.vocab=40", "work.shape.layers=2", "work.seq=40", "work.tokens=3", "work.chunk=16",
    "work.map.token_block=16"};

static rs_design *fault_design(const char *const *more)
{
    const char *sets[24];
    size_t n = 0;
    rs_err *err = rs_err_create();
    for (size_t i = 0; i < sizeof fault_shape / sizeof fault_shape[0]; i++)
        sets[n++] = fault_shape[i];
    for (; *more; more++)
        sets[n++] = *more;
    rs_design *d = rs_design_load(TEST_ROOT "/configs/arch/pulpissimo_retention.yaml",
                                  TEST_ROOT "/workloads/models/edge_kjv_d64.yaml", NULL, sets, n, err);
    cr_assert_not_null(d, "%s", rs_err_text(err));
    rs_err_destroy(err);
    return d;
}

Test(faults, planted_ones_are_found)
{
    struct planted sum[N_FAULTS] = {{0}};
    struct text missed[N_FAULTS] = {{0}};
    for (size_t i = 0; i < sizeof fault_designs / sizeof fault_designs[0]; i++) {
        rs_design *d = fault_design(fault_designs[i]);
        struct subject s;
        subject_create(&s, d);
        cr_assert(!found(&s), "design %zu fails without a fault", i);
        for (unsigned f = 0; f < N_FAULTS; f++) {
            text_printf(&missed[f], " design %zu:", i);
            plant_all(&s, &faults[f], &sum[f], &missed[f]);
        }
        subject_finish(&s);
        rs_design_destroy(d);
    }
    for (unsigned f = 0; f < N_FAULTS; f++) {
        cr_log_info("%s: %" PRIu64 " of %" PRIu64 " found", faults[f].name, sum[f].found, sum[f].tried);
        cr_expect_gt(sum[f].tried, 0, "%s: never planted", faults[f].name);
        cr_expect_geq(sum[f].found * 100, SANITIZED ? 1 : sum[f].tried * faults[f].least,
                      "%s: %" PRIu64 " of %" PRIu64 " found;%s",
                      faults[f].name, sum[f].found, sum[f].tried, missed[f].s);
        text_finish(&missed[f]);
    }
}
