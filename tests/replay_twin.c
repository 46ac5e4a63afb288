#include "tests/replay_twin.h"
#include "tests/tree_twin.h"

enum { MAX_CYCLES = 400000, SYSTEM = 9 /* masters that see the whole map */ };

/* ---- masters ---- */

struct run {
    struct twin *t;
    uint64_t cycle;
    unsigned next[TWIN_MASTERS]; /* the request that is on the bus or comes next */
    bool on_bus[TWIN_MASTERS];
    bool granted[TWIN_MASTERS]; /* in this cycle */
};

static struct twin_request *current(struct run *r, unsigned m)
{
    return &r->t->request[m][r->next[m]];
}

/* Members of the group whose request before this one was not granted before this cycle. */
static bool group_waits(const struct run *r, unsigned m)
{
    const struct twin *t = r->t;
    unsigned i = r->next[m];
    for (unsigned k = 0; t->group[m] && k < t->masters; k++)
        if (t->group[k] == t->group[m] && i > 0 && i <= t->n[k] && r->next[k] < i)
            return true;
    return false;
}

static void issue(struct run *r)
{
    for (unsigned m = 0; m < r->t->masters; m++) {
        if (r->on_bus[m] || r->next[m] == r->t->n[m])
            continue;
        struct twin_request *q = current(r, m);
        bool waits = q->earliest > r->cycle || group_waits(r, m);
        if (r->t->blocking[m] && r->next[m] > 0)
            waits |= q[-1].response >= r->cycle;
        if (waits)
            continue;
        q->first = r->cycle;
        q->response = UINT64_MAX;
        r->on_bus[m] = true;
    }
}

static void retire(struct run *r)
{
    for (unsigned m = 0; m < r->t->masters; m++)
        if (r->granted[m]) {
            current(r, m)->grant = r->cycle;
            r->next[m]++;
            r->on_bus[m] = r->granted[m] = false;
        }
}

static unsigned bank_of(const struct twin *t, uint32_t addr)
{
    return (t->byte_addresses ? addr / 4 : addr) % t->banks;
}

/* ---- interleaved crossbar ---- */

struct banks {
    struct arbiter arbiter[TWIN_MASTERS];
};

static void crossbar_cycle(struct run *r, struct banks *b)
{
    for (unsigned bank = 0; bank < r->t->banks; bank++) {
        bool set[TWIN_MASTERS] = {false};
        for (unsigned m = 0; m < r->t->masters; m++)
            set[m] = r->on_bus[m] && bank_of(r->t, current(r, m)->addr) == bank;
        int winner = arbitrate(&b->arbiter[bank], set, r->t->masters, true);
        if (winner == NEVER)
            continue;
        r->granted[winner] = true;
        current(r, (unsigned)winner)->response = r->cycle + 1;
    }
}

/* ---- HCI ---- */

struct hci_twin {
    struct banks log;
    unsigned count;                        /* of the arbiter in front of the banks */
    unsigned tree[TWIN_HWPES][TWIN_HWPES]; /* of the arbiters of each level */
};

/* hci_arbiter: owner[b] is true where the bank belongs to the `high` input. */
static void hci_arbiter(unsigned *count, const struct twin *t, unsigned num, unsigned den, const bool *high,
                        const bool *low, bool *owner)
{
    const bool *hs = t->invert ? low : high, *ls = t->invert ? high : low;
    bool conflict = false;
    for (unsigned b = 0; b < t->banks; b++)
        conflict |= hs[b] && ls[b];
    bool suppress = num > 0 && num <= *count && *count < den && conflict;
    for (unsigned b = 0; b < t->banks; b++) {
        bool to_hs = hs[b] && !suppress;
        owner[b] = t->invert ? !to_hs : to_hs;
    }
    if (conflict)
        *count = *count + 1 == den ? 0 : (*count + 1) % 256;
}

/* The tree of the HWPEs, level by level: pairs meet in an arbiter, an odd one passes. wish[i]: banks that
 * input i of the level asks for, in the end wish[0] those of the tree; own[h][b] is cleared where the other
 * input of an arbiter above HWPE h has bank b. */
static void hci_tree(struct hci_twin *h, const struct twin *t, bool wish[TWIN_HWPES][TWIN_MASTERS],
                     bool own[TWIN_HWPES][TWIN_MASTERS])
{
    unsigned inputs = t->hwpes, span = 1;
    for (unsigned level = 0; inputs > 1; level++, span *= 2) {
        for (unsigned i = 0; i + 1 < inputs; i += 2) {
            bool high[TWIN_MASTERS], out[TWIN_MASTERS];
            hci_arbiter(&h->tree[level][i / 2], t, 1, 2, wish[i], wish[i + 1], high);
            for (unsigned k = 0; k < 2 * span && i * span + k < t->hwpes; k++)
                for (unsigned b = 0; b < t->banks; b++)
                    own[i * span + k][b] &= (k < span) == high[b];
            for (unsigned b = 0; b < t->banks; b++)
                out[b] = high[b] ? wish[i][b] : wish[i + 1][b];
            memcpy(wish[i / 2], out, sizeof out);
        }
        if (inputs % 2)
            memmove(wish[inputs / 2], wish[inputs - 1], sizeof wish[0]);
        inputs = (inputs + 1) / 2;
    }
}

static void hci_cycle(struct run *r, struct hci_twin *h)
{
    const struct twin *t = r->t;
    unsigned n_log = t->cores + t->ext + t->dma;
    bool wants[TWIN_HWPES][TWIN_MASTERS] = {{false}}, wish[TWIN_HWPES][TWIN_MASTERS];
    bool own[TWIN_HWPES][TWIN_MASTERS], log[TWIN_MASTERS] = {false}, to_log[TWIN_MASTERS];
    bool set[TWIN_MASTERS][TWIN_MASTERS] = {{false}};

    for (unsigned m = 0; m < t->masters; m++) {
        if (!r->on_bus[m])
            continue;
        unsigned bank = bank_of(t, current(r, m)->addr);
        if (m < n_log)
            set[bank][m] = true;
        for (unsigned w = 0; m >= n_log && w < t->words; w++)
            wants[m - n_log][(bank + w) % t->banks] = true;
    }
    memcpy(wish, wants, sizeof wish);
    memset(own, true, sizeof own);
    hci_tree(h, t, wish, own);
    for (unsigned b = 0; b < t->banks; b++)
        log[b] = any(seen(&h->log.arbiter[b], set[b]), 0, n_log, n_log);
    hci_arbiter(&h->count, t, t->num, t->den, log, wish[0], to_log);
    for (unsigned b = 0; b < t->banks && n_log; b++) {
        int winner = arbitrate(&h->log.arbiter[b], set[b], n_log, to_log[b]);
        if (winner != NEVER)
            r->granted[winner] = true;
    }
    for (unsigned i = 0; i < t->hwpes; i++) {
        bool all = r->on_bus[n_log + i];
        for (unsigned b = 0; b < t->banks; b++)
            all &= !wants[i][b] || (own[i][b] && !to_log[b]);
        r->granted[n_log + i] |= all;
    }
    for (unsigned m = 0; m < t->masters; m++)
        if (r->granted[m])
            current(r, m)->response = r->cycle + 1;
}

/* ---- SoC interconnect ---- */

enum place {
    SILENT,
    BANK,
    PRIVATE0,
    PRIVATE1,
    ROM,
    APB,
    APB_SLOW_READ,
    APB_NOWHERE,
    NOWHERE,
    HWPE_NOWHERE
};

static enum place place_of(unsigned master, uint32_t addr)
{
    if (master == 0 && addr < 0x00100000)
        addr += 0x1C000000;
    if (addr >= 0x1C010000 && addr < 0x1C090000)
        return BANK;
    if (master >= SYSTEM)
        return HWPE_NOWHERE;
    if (addr >= 0x1C000000 && addr < 0x1C010000)
        return addr < 0x1C008000 ? PRIVATE0 : PRIVATE1;
    if (addr >= 0x1A000000 && addr < 0x1A040000)
        return ROM;
    if (addr < 0x1A100000 || addr >= 0x1A400000)
        return NOWHERE;
    switch (addr >> 12 & 0xfff) {
    case 0x101:
    case 0x102:
    case 0x103:
    case 0x104:
    case 0x105:
    case 0x106:
    case 0x109:
    case 0x10a:
    case 0x10b:
    case 0x10f: return APB;
    case 0x10c: return APB_SLOW_READ;
    default: return addr >= 0x1A110000 && addr < 0x1A140000 ? APB : APB_NOWHERE;
    }
}

/* A queue of two: takes when it held fewer at the start of the cycle, and can be read a cycle later. */
struct entry {
    unsigned master;
    enum place place;
    bool write;
};
struct queue {
    unsigned n;
    struct entry entry[2];
};

struct soc_twin {
    struct banks banks;
    struct arbiter contiguous[3], axi[2], bridge; /* by direction: read, write */
    struct queue way[2], apb;
    struct twin_request *open[TWIN_MASTERS]; /* granted last */
    uint64_t slot_free[TWIN_MASTERS][2]; /* first cycle in which a transaction of the direction may start */
    uint64_t converter_free[2];          /* the same for the AXI-Lite converter */
    unsigned phase;                      /* cycles that the head of the APB queue has had */
};

static void grant_soc(struct run *r, struct soc_twin *s, unsigned m, uint64_t response)
{
    r->granted[m] = true;
    s->open[m] = current(r, m);
    s->open[m]->response = response;
}

static void push(struct queue *q, struct entry e)
{
    q->entry[q->n++] = e;
}

static struct entry pop(struct queue *q)
{
    struct entry e = q->entry[0];
    q->entry[0] = q->entry[1];
    q->n--;
    return e;
}

/* One arbiter for each output, of masters that want `place` (and bank). */
static void memory_output(struct run *r, struct soc_twin *s, struct arbiter *a, const enum place *to,
                          enum place place, unsigned bank, unsigned n)
{
    bool set[TWIN_MASTERS] = {false};
    for (unsigned m = 0; m < n; m++)
        set[m] = to[m] == place && (place != BANK || bank_of(r->t, current(r, m)->addr) == bank);
    int winner = arbitrate(a, set, n, true);
    if (winner != NEVER)
        grant_soc(r, s, (unsigned)winner, r->cycle + 1);
}

/* An address of no region is answered in two cycles, one outside interleaved memory of an HWPE port in one.
 */
static void error_outputs(struct run *r, struct soc_twin *s, const enum place *to)
{
    for (unsigned m = 0; m < r->t->masters; m++) {
        if (to[m] == HWPE_NOWHERE)
            grant_soc(r, s, m, r->cycle + 1);
        if (to[m] != NOWHERE)
            continue;
        bool write = current(r, m)->write;
        if (s->slot_free[m][write] > r->cycle)
            continue;
        grant_soc(r, s, m, r->cycle + 2);
        s->slot_free[m][write] = s->open[m]->response + 1;
    }
}

static void axi_output(struct run *r, struct soc_twin *s, const enum place *to, unsigned write, bool room)
{
    bool set[TWIN_MASTERS] = {false};
    for (unsigned m = 0; m < SYSTEM; m++)
        set[m] = (to[m] == APB || to[m] == APB_SLOW_READ || to[m] == APB_NOWHERE) &&
                 current(r, m)->write == write && s->slot_free[m][write] <= r->cycle;
    int winner = arbitrate(&s->axi[write], set, SYSTEM, room);
    if (winner == NEVER)
        return;
    grant_soc(r, s, (unsigned)winner, UINT64_MAX);
    s->slot_free[winner][write] = UINT64_MAX;
    push(&s->way[write], (struct entry){(unsigned)winner, to[winner], write});
}

/* The head of the queue to the peripherals: setup, access, and one cycle more for a slow read; an address
 * without slave ends in its setup cycle. True when it ends in this cycle. */
static bool apb_cycle(struct soc_twin *s)
{
    const struct entry *e = &s->apb.entry[0];
    if (s->apb.n == 0)
        return false;
    unsigned length = e->place == APB_NOWHERE ? 1 : e->place == APB_SLOW_READ && !e->write ? 3 : 2;
    return ++s->phase == length;
}

static void soc_cycle(struct run *r, struct soc_twin *s)
{
    const struct twin *t = r->t;
    enum place to[TWIN_MASTERS];
    bool room[2] = {s->way[0].n < 2, s->way[1].n < 2}, apb_room = s->apb.n < 2, bridge[2];

    for (unsigned m = 0; m < t->masters; m++) {
        bool hidden = s->open[m] && s->open[m]->response > r->cycle;
        to[m] = !r->on_bus[m] || hidden ? SILENT : place_of(m, current(r, m)->addr);
    }
    for (unsigned d = 0; d < 2; d++)
        bridge[d] = s->way[d].n > 0 && s->converter_free[d] <= r->cycle;
    bool ends = apb_cycle(s);
    for (unsigned b = 0; b < t->banks; b++)
        memory_output(r, s, &s->banks.arbiter[b], to, BANK, b, t->masters);
    for (unsigned k = 0; k < 3; k++)
        memory_output(r, s, &s->contiguous[k], to, (enum place)(PRIVATE0 + k), 0, SYSTEM);
    error_outputs(r, s, to);
    if (ends) {
        struct entry e = pop(&s->apb);
        s->open[e.master]->response = r->cycle + 1;
        s->slot_free[e.master][e.write] = s->converter_free[e.write] = r->cycle + 2;
        s->phase = 0;
    }
    int direction = arbitrate(&s->bridge, bridge, 2, apb_room);
    if (direction != NEVER) {
        push(&s->apb, pop(&s->way[direction]));
        s->converter_free[direction] = UINT64_MAX;
    }
    for (unsigned d = 0; d < 2; d++)
        axi_output(r, s, to, d, room[d]);
}

/* ---- a scenario ---- */

static void lock_in(struct arbiter *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        a[i].lock_in = true;
}

static bool finished(const struct run *r)
{
    for (unsigned m = 0; m < r->t->masters; m++) {
        unsigned n = r->t->n[m];
        if (r->next[m] < n || (n && r->t->request[m][n - 1].response > r->cycle))
            return false;
    }
    return true;
}

bool twin_run(struct twin *t)
{
    struct run r = {.t = t};
    struct banks banks = {0};
    struct hci_twin hci = {.count = 0};
    struct soc_twin soc = {.phase = 0};
    lock_in(hci.log.arbiter, t->banks);
    lock_in(soc.axi, 2);
    lock_in(&soc.bridge, 1);
    for (; !finished(&r); r.cycle++) {
        if (r.cycle == MAX_CYCLES)
            return false;
        issue(&r);
        switch (t->dut) {
        case TWIN_CROSSBAR: crossbar_cycle(&r, &banks); break;
        case TWIN_HCI: hci_cycle(&r, &hci); break;
        case TWIN_SOC: soc_cycle(&r, &soc); break;
        }
        retire(&r);
    }
    return true;
}
