/* Who waits for what, when nothing can happen any more. */
#include "arch/machine.h"

static const char *const unit_names[N_UNITS] = {"load", "weight", "engine", "retention", "vector", "store"};
static const char *const ring_names[N_RINGS] = {"act", "aux", "set", "score", "out"};

static void add_cmd(const struct machine *m, unsigned th, uint32_t pc, struct text *out)
{
    char name[64];
    const struct cmd *c = &m->prog->cmds[th][pc];
    text_printf(out, "command %u (%s)", pc, program_cmd_name(c, name, sizeof name));
}

static bool gives(const struct cmd *c, uint16_t token)
{
    bool udma = c->op == OP_UDMA_RX || c->op == OP_UDMA_TX;
    return ((udma || c->op == OP_POST || c->op == OP_JOB) && c->token == token) ||
           (udma && c->token2 == token);
}

/* Who could give the token: the first few of them. */
static void add_givers(const struct machine *m, uint16_t token, struct text *out)
{
    unsigned n = 0;
    for (unsigned th = 0; th < N_THREADS; th++)
        for (uint32_t pc = 0; pc < m->prog->n[th] && n < 3; pc++) {
            if (!gives(&m->prog->cmds[th][pc], token))
                continue;
            text_add(out, n++ ? ", " : ", given by ");
            add_cmd(m, th, pc, out);
            text_add(out, th == THREAD_HOST ? " of the host" : "");
        }
    if (!n)
        text_add(out, ", which nobody gives");
}

static void add_token(const struct machine *m, const struct cmd *c, struct text *out)
{
    const struct token *t = &m->prog->tokens[c->token];
    text_printf(out, "token '%s%s' (has %u, needs %u)", t->name, t->role, m->token[c->token], c->count);
    add_givers(m, c->token, out);
}

/* How full a ring is. */
static void add_ring(const struct machine *m, uint8_t ring, struct text *out)
{
    const struct ring *r = &m->ring[ring];
    unsigned used = 0;
    for (uint64_t i = 0; i < r->n_slots && i < SLOTS_MAX; i++)
        used += r->slot[i].stage > 0;
    text_printf(out, "%s (%u of %u slots hold something)", ring_names[ring], used, (unsigned)r->n_slots);
}

static void add_slots(const struct machine *m, const struct hw_unit *u, const struct cmd *c, struct text *out)
{
    const struct slot_use *s = u->blocked == CAUSE_WEIGHT_WAIT ? &c->set
                               : u->blocked == CAUSE_BUFFER_WAIT ? &c->dst : &c->src;
    if (s->ring == RING_NONE)
        s = &c->src2;
    if (u->blocked < 0 || s->ring == RING_NONE) {
        text_add(out, u->busy ? "memory" : "nothing");
        return;
    }
    text_add(out, u->blocked == CAUSE_BUFFER_WAIT ? "a free slot of " : "data in ");
    add_ring(m, s->ring, out);
}

static void add_unit(const struct machine *m, unsigned id, struct text *out)
{
    const struct hw_unit *u = &m->unit[id];
    const struct issued *is = &u->q[u->head];
    text_printf(out, "; the %s unit at ", unit_names[id]);
    add_cmd(m, THREAD_ACCEL, is->pc, out);
    text_add(out, " waits for ");
    if (is->c->op == OP_WAIT)
        add_token(m, is->c, out);
    else
        add_slots(m, u, is->c, out);
}

static void add_thread(const struct machine *m, unsigned th, struct text *out)
{
    uint32_t pc = m->thread[th].pc;
    const struct cmd *c = &m->prog->cmds[th][pc];
    text_printf(out, "; the %s at ", th ? "host" : "sequencer");
    add_cmd(m, th, pc, out);
    if (th == THREAD_ACCEL) {
        text_printf(out, " waits for room in the queue of the %s unit", unit_names[c->unit]);
    } else if (c->op == OP_WAIT) {
        text_add(out, " waits for ");
        add_token(m, c, out);
    } else {
        text_add(out, c->op == OP_JOB ? " waits for a free context" : " waits for a free uDMA channel");
    }
}

void deadlock_report(const struct machine *m, struct err *err)
{
    struct text t = {0};
    bool starved = tcdm_starved(m);
    text_add(&t, "");
    for (unsigned u = 0; u < N_UNITS; u++)
        if (m->unit[u].n)
            add_unit(m, u, &t);
    for (unsigned th = 0; th < N_THREADS; th++)
        if (!m->thread[th].halted)
            add_thread(m, th, &t);
    if (starved)
        text_add(&t, "; other masters have priority and take every cycle: change arch.tcdm.hci or "
                 "arch.traffic");
    err_add(err, starved ? ERR_CONFIG : ERR_SOFTWARE, NULL, "deadlock at cycle %llu%s",
            (unsigned long long)(machine_time(m) / m->soc_ticks), t.s);
    text_finish(&t);
}
