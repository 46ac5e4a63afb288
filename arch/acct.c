/* Breakdown of cycles: each goes to exactly one cause. The first active unit
 * in the order engine, retention, vector; if none is active, fill_drain while a
 * pipeline is not empty, else what blocks the oldest unfinished command, else
 * host or idle. */
#include "arch/machine.h"

#include "base/num.h"

#include <assert.h>

const char *const cause_names[N_CAUSES] = {"engine", "retention", "vector", "fill_drain", "weight_wait",
    "operand_wait", "buffer_wait", "tcdm_conflict", "offchip_wait", "host", "idle"};

static uint64_t drain_end(const struct machine *m)
{
    uint64_t end = 0;
    for (unsigned u = 0; u < N_UNITS; u++)
        if (m->unit[u].drain_until > end)
            end = m->unit[u].drain_until;
    return end;
}

/* Ticks of the last conflict's cycle that lie in an interval. Time goes to where it lies, so
 * that an account is the same wherever else it is drawn up in between. */
static uint64_t last_conflict(const struct machine *m, uint64_t from, uint64_t to)
{
    uint64_t end = m->acct_conflict_end, begin = max64(from, end - min64(end, m->soc_ticks));
    end = min64(end, to);
    return end > begin ? end - begin : 0;
}

void acct_sync(struct machine *m)
{
    uint64_t from = m->acct_last, now = m->now;
    if (now == from || m->streams) /* streams book each cycle themselves */
        return;
    m->acct_last = now;
    if (m->acct_cause <= CAUSE_VECTOR) {
        m->cause[m->acct_cause] += now - from;
        return;
    }
    uint64_t drained = drain_end(m);
    if (drained > from) {
        uint64_t until = drained < now ? drained : now;
        m->cause[CAUSE_FILL_DRAIN] += until - from;
        from = until;
    }
    uint64_t lost = m->acct_conflicts + last_conflict(m, from, now);
    assert(lost <= now - from);
    m->cause[CAUSE_TCDM_CONFLICT] += lost;
    m->cause[m->acct_cause] += now - from - lost;
    m->acct_conflicts = 0;
}

void acct_conflict(struct machine *m)
{
    int c = m->acct_cause;
    bool waits = c == CAUSE_WEIGHT_WAIT || c == CAUSE_OPERAND_WAIT || c == CAUSE_BUFFER_WAIT;
    if (waits && m->now >= drain_end(m)) {
        m->acct_conflicts += last_conflict(m, m->acct_last, m->now);
        m->acct_conflict_end = m->now + m->soc_ticks;
    }
}

/* Transfers in progress are waits of whoever needs the data. */
static int busy_cause(unsigned u)
{
    return u == UNIT_WEIGHT ? CAUSE_WEIGHT_WAIT : u == UNIT_LOAD ? CAUSE_OPERAND_WAIT : CAUSE_BUFFER_WAIT;
}

void acct_update(struct machine *m)
{
    static const uint8_t order[] = {UNIT_ENGINE, UNIT_RETENTION, UNIT_VECTOR};
    static const uint8_t cause[] = {CAUSE_ENGINE, CAUSE_RETENTION, CAUSE_VECTOR};
    if (m->streams)
        return;
    for (unsigned i = 0; i < 3; i++) {
        const struct hw_unit *u = &m->unit[order[i]];
        if (u->active) {
            /* `state: engine` runs retention commands on the engine. */
            bool ret = u->q[u->head].c->op == OP_RET_STEP || u->q[u->head].c->op == OP_RET_DECAY;
            m->acct_cause = ret ? CAUSE_RETENTION : cause[i];
            return;
        }
    }
    if (!m->n_order) {
        m->acct_cause = host_working(m) ? CAUSE_HOST : udma_busy(m) ? CAUSE_OFFCHIP_WAIT : CAUSE_IDLE;
        return;
    }
    const struct hw_unit *u = &m->unit[m->order[0]];
    m->acct_cause = u->busy ? busy_cause(m->order[0]) : u->blocked >= 0 ? u->blocked : CAUSE_IDLE;
}
