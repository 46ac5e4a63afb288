/* Other masters of the interconnect, as far as the accelerator feels them: the
 * cores beside it in a cluster, or the FC and the cluster plug of a PULPissimo.
 * Each repeats a simple pattern: a request, held until it is granted, then the
 * next one `period_cycles` after the grant at the earliest. They run as long as
 * the accelerator does. Linear traffic recurs and folds; random traffic does not. */
#include "arch/result.h"
#include "base/num.h"
#include "base/hash.h"

#include <stdlib.h>

enum { MAX_TRAFFIC = 16, PULPISSIMO_MASTERS = 9, PULPISSIMO_WITHOUT_UDMA = 7 };

static const char *const pattern_names[] = {"linear", "random", NULL};

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct traffic_cfg, m), .def = d
static const struct field fields[] = {
    {F("masters", FIELD_U64, masters, "0"), .no_program = true, .max = MAX_TRAFFIC,
     .doc = "masters that make requests of their own; in a PULPissimo FC data, FC instruction, debug, "
            "the four of the cluster plug; 8 or 9 take the places of the uDMA too"},
    {F("pattern", FIELD_ENUM, pattern, "linear"), .no_program = true, .names = pattern_names,
     .doc = "linear: `stride_words` on at each request; random: any bank"},
    {F("period_cycles", FIELD_U64, period_cycles, "1"), .no_program = true,
     .min = 1, .max = 65535, .unit = "cycles",
     .doc = "grant to the next request; 1: one request a cycle when nobody is in the way"},
    {F("stride_words", FIELD_U64, stride_words, "1"), .no_program = true, .max = 65535, .unit = "words",
     .doc = "step of linear traffic"},
    {F("first_words", FIELD_U64, first_words, "1"), .no_program = true, .max = 65535, .unit = "words",
     .doc = "linear traffic of master i begins at word i x first_words"},
    {F("seed", FIELD_U64, seed, "1"), .no_program = true, .max = UINT32_MAX, .doc = "of random traffic"},
    {0},
};
#undef F
static const struct section section = {"traffic", "requests of other masters", sizeof(struct traffic_cfg),
                                       fields, NULL};

struct master {
    uint32_t word;  /* of the next or held request */
    uint32_t pause; /* cycles before it is made */
    struct rng rng;
};
struct traffic {
    struct master master[MAX_TRAFFIC];
};
enum { TRAFFIC_LINEAR, TRAFFIC_RANDOM };
enum { C_GRANT, C_WAIT };

static void next_word(const struct traffic_cfg *c, uint64_t banks, struct master *a)
{
    if (c->pattern == TRAFFIC_LINEAR) {
        a->word = (uint32_t)((a->word + c->stride_words) & (banks - 1));
        return;
    }
    a->word = (uint32_t)rng_below(&a->rng, banks);
}

bool traffic_on(const struct machine *m)
{
    return m->traffic_cfg->masters && !m->tcdm_cfg->ideal;
}

uint32_t traffic_requests(struct machine *m, uint8_t *bank)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < m->traffic_cfg->masters; i++) {
        struct master *a = &m->traffic_state->master[i];
        if (a->pause) {
            a->pause--;
            continue;
        }
        bank[i] = (uint8_t)a->word;
        mask |= 1u << i;
    }
    return mask;
}

void traffic_grants(struct machine *m, uint32_t granted, uint32_t requested)
{
    const struct traffic_cfg *c = m->traffic_cfg;
    uint64_t *n = &m->counter[m->cb.traffic];
    n[C_GRANT] += count_bits(granted);
    n[C_WAIT] += count_bits(requested & ~granted);
    for (uint32_t left = granted; left; left &= left - 1) {
        struct master *a = &m->traffic_state->master[__builtin_ctz(left)];
        a->pause = (uint32_t)c->period_cycles - 1;
        next_word(c, m->tcdm_cfg->banks, a);
    }
}

uint64_t traffic_words(const struct machine *m)
{
    return m->counter[m->cb.traffic + C_GRANT];
}

static bool init(struct machine *m, struct err *err)
{
    (void)err;
    const struct traffic_cfg *c = m->traffic_cfg;
    m->traffic_state = calloc(1, sizeof *m->traffic_state);
    if (!m->traffic_state)
        abort();
    for (uint64_t i = 0; i < c->masters; i++) {
        struct master *a = &m->traffic_state->master[i];
        a->rng.s = c->seed * MAX_TRAFFIC + i;
        a->word = (uint32_t)((i * c->first_words) & (m->tcdm_cfg->banks - 1));
        if (c->pattern == TRAFFIC_RANDOM)
            next_word(c, m->tcdm_cfg->banks, a);
    }
    m->cb.traffic = counter_add(m, "traffic", "grant", "word");
    counter_add(m, "traffic", "wait", "request-cycle");
    return true;
}

static void finish(struct machine *m)
{
    free(m->traffic_state);
}

static void state(struct machine *m, struct state_io *io)
{
    if (!traffic_on(m))
        return;
    for (unsigned i = 0; i < m->traffic_cfg->masters; i++) {
        struct master *a = &m->traffic_state->master[i];
        a->word = state_u8(io, a->word);
        a->pause = state_u16(io, a->pause);
        if (m->traffic_cfg->pattern == TRAFFIC_RANDOM)
            a->rng.s = state_u64(io, a->rng.s);
    }
}

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct traffic_cfg *c = ARCH_CFG(a, traffic);
    const struct tcdm_cfg *t = ARCH_CFG(a, tcdm);
    bool udma = ARCH_CFG(a, hyperram)->kind != OFFCHIP_NONE;
    uint64_t most = t->kind == INTERCONNECT_HCI ? MAX_TRAFFIC : udma ? PULPISSIMO_WITHOUT_UDMA
                                                                     : PULPISSIMO_MASTERS;
    if (c->masters > most)
        return err_add(err, ERR_CONFIG, yaml_place(node, "masters"),
                       "arch.traffic.masters is %llu; legal: up to %llu%s",
                       (unsigned long long)c->masters, (unsigned long long)most,
                       t->kind == INTERCONNECT_HCI ? "" : udma ? " (the uDMA is two of the nine others)"
                                                               : " besides the accelerator");
    if (c->masters && !ARCH_CFG(a, streamer)->store_fence)
        return err_add(err, ERR_CONFIG, yaml_place(node, "masters"),
                       "arch.traffic.masters: beside other masters a wide store "
                       "without a fence may wait for ever; legal: 0, or arch.streamer.store_fence true");
    return true;
}

const struct arch_class traffic_class = {.name = "traffic", .section = &section, .check = check, .init = init,
                                         .finish = finish, .state = state};
