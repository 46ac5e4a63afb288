/* What a program may not do: an HWPE reaches the interleaved L2 only
 * (soc_interconnect_wrap sends anything else to an error slave), and a slot
 * holds what the buffer has. */
#include "arch/program_check.h"

#include "arch/machine.h"

/* Smallest and largest value of an affine expression over the open loops. */
static void range(const struct affine *a, const struct loop_span *s, int64_t *lo, int64_t *hi)
{
    *lo = *hi = a->c;
    for (unsigned d = 0; d < s->depth; d++) {
        int64_t end = a->k[d] * s->most[d];
        *(end < 0 ? lo : hi) += end;
    }
}

void loop_open(struct loop_span *s, const struct affine *trips)
{
    int64_t lo, hi;
    range(trips, s, &lo, &hi);
    s->most[s->depth++] = hi > 0 ? hi - 1 : 0;
}

static bool touches_l2(const struct cmd *c)
{
    switch (c->op) {
    case OP_LOAD: case OP_STORE: case OP_RET_LOAD: case OP_RET_SAVE: case OP_UDMA_RX: case OP_UDMA_TX:
    case OP_TAKE:
        return true;
    case OP_LDW:
        return !c->from_state;
    default:
        return false;
    }
}

/* First byte and the one after the last. */
static void touched(const struct program *p, const struct loop_span *s, const struct cmd *c, int64_t *lo,
                    int64_t *hi)
{
    range(&c->addr, s, lo, hi);
    *hi += (int64_t)(c->rows - 1) * c->row_stride + (int64_t)(c->planes - 1) * c->plane_stride + c->row_bytes;
    if (c->l2ring != L2RING_NONE)
        *hi += (int64_t)((p->l2rings[c->l2ring].parts - 1) * p->l2rings[c->l2ring].stride);
}

static bool in_l2(uint64_t l2_bytes, int64_t lo, int64_t hi)
{
    return lo >= 0 && hi <= (int64_t)l2_bytes;
}

static bool in_slot(const struct program *p, const struct cmd *c)
{
    return c->op != OP_LOAD || (uint64_t)c->rows * c->row_bytes <= p->slot_bytes[c->dst.ring];
}

bool cmd_stays_inside(const struct program *p, uint64_t l2_bytes, const struct loop_span *s,
                      const struct cmd *c)
{
    int64_t lo = 0, hi = 0;
    if (touches_l2(c))
        touched(p, s, c, &lo, &hi);
    return in_l2(l2_bytes, lo, hi) && in_slot(p, c);
}

static bool explain(const struct program *p, uint64_t l2_bytes, const struct loop_span *s, uint32_t pc,
                    enum thread_id th, struct err *err)
{
    const struct cmd *c = &p->cmds[th][pc];
    int64_t lo, hi;
    touched(p, s, c, &lo, &hi);
    if (touches_l2(c) && !in_l2(l2_bytes, lo, hi))
        return err_add(err, ERR_CONFIG, NULL, "command %u of the %s thread touches L2 bytes %lld..%lld; "
                       "legal: the interleaved memory, 0..%lld (an HWPE reaches nothing else)",
                       pc, th ? "host" : "accel", (long long)lo, (long long)hi - 1, (long long)l2_bytes - 1);
    return err_add(err, ERR_CONFIG, NULL, "command %u loads %llu bytes into a slot of %llu", pc,
                   (unsigned long long)c->rows * c->row_bytes,
                   (unsigned long long)p->slot_bytes[c->dst.ring]);
}

static bool check_thread(const struct program *p, uint64_t l2_bytes, enum thread_id th, struct err *err)
{
    struct loop_span s = {.depth = 0};
    for (uint32_t pc = 0; pc < p->n[th]; pc++) {
        const struct cmd *c = &p->cmds[th][pc];
        if (c->op == OP_REPEAT)
            loop_open(&s, &c->trips);
        else if (c->op == OP_END)
            s.depth--;
        else if (!cmd_stays_inside(p, l2_bytes, &s, c))
            return explain(p, l2_bytes, &s, pc, th, err);
    }
    return true;
}

bool program_check(const struct program *p, const struct arch *a, struct err *err)
{
    uint64_t l2_bytes = ARCH_CFG(a, tcdm)->bytes;
    return check_thread(p, l2_bytes, THREAD_ACCEL, err) && check_thread(p, l2_bytes, THREAD_HOST, err);
}
