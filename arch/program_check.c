/* What a program may not do: an HWPE reaches the interleaved L2 only
 * (soc_interconnect_wrap sends anything else to an error slave), parts of a
 * ring stay apart, and a slot holds what the buffer has. */
#include "arch/program_check.h"

#include "arch/machine.h"

static bool explain(const struct program *p, uint64_t l2_bytes, const struct loop_span *s, uint32_t pc,
                    enum thread_id th, struct err *err)
{
    const struct cmd *c = &p->cmds[th][pc];
    int64_t lo, hi;
    cmd_touched(p, s, c, &lo, &hi);
    if (cmd_touches_l2(c) && !bytes_in_l2(l2_bytes, lo, hi))
        return err_add(err, ERR_CONFIG, NULL, "command %u of the %s thread touches L2 bytes %lld..%lld; "
                       "legal: the interleaved memory, 0..%lld (an HWPE reaches nothing else)",
                       pc, th ? "host" : "accel", (long long)lo, (long long)hi - 1, (long long)l2_bytes - 1);
    if (!bytes_in_part(p, c, lo, hi))
        return err_add(err, ERR_CONFIG, NULL, "command %u of the %s thread touches L2 bytes %lld..%lld; "
                       "legal: its part of the ring of %s", pc, th ? "host" : "accel", (long long)lo,
                       (long long)hi - 1, p->l2rings[c->l2ring].name);
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
