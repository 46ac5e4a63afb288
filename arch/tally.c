#include "arch/tally.h"

#include "arch/visit.h"
#include "base/hash.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

/* All that cycles, words and bytes of a command depend on. */
struct shape {
    uint8_t op, unit, a_bits, passes, k_scale, mm_dst, vec_kind, src_ring, misaligned;
    bool host, transpose, from_state, first, last, silent; /* silent: a step without a read-out */
    uint32_t issued_rows, rows, row_bytes, planes, cols, k, words, cycles;
    uint64_t row_words;
};

struct cost {
    uint64_t stamp; /* of the pricing that it is good for */
    uint64_t cycles, words, bytes, bursts;
};

struct shapes {
    struct shape *shape;
    struct cmd *cmd; /* the same as a command */
    struct cost *cost;
    uint32_t n, cap;
    uint32_t *slot; /* open addressing: index + 1 */
    uint32_t n_slots;
    uint64_t stamp;
};

struct item {
    uint32_t shape;
    uint32_t unit; /* N_UNITS: the host */
    uint64_t n;
};

struct tally {
    struct item *items; /* of steps, one after the other */
    uint32_t n_items, cap_items;
    uint32_t *ends;     /* of each step, in items; what the host does comes after the last */
    uint32_t n_ends, cap_ends;
    struct item *moves; /* of the whole program: what takes words of memory */
    uint32_t n_moves;
    uint64_t steps;     /* of the sequencer */
    struct tally_totals totals;
};

struct shapes *shapes_create(void)
{
    struct shapes *s = xrealloc(NULL, 1, sizeof *s);
    memset(s, 0, sizeof *s);
    s->stamp = 1;
    return s;
}

void shapes_destroy(struct shapes *s)
{
    if (!s)
        return;
    free(s->shape);
    free(s->cmd);
    free(s->cost);
    free(s->slot);
    free(s);
}

size_t shapes_count(const struct shapes *s)
{
    return s->n;
}

void shapes_reprice(struct shapes *s)
{
    s->stamp++;
}

static uint64_t hash_of(const struct shape *k)
{
    uint64_t h = 0, w[sizeof *k / sizeof(uint64_t)];
    _Static_assert(sizeof *k % sizeof(uint64_t) == 0, "whole words");
    memcpy(w, k, sizeof w);
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++)
        h = (h ^ w[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h;
}

static void rehash(struct shapes *s)
{
    s->n_slots = s->n_slots ? s->n_slots * 2 : 256;
    free(s->slot);
    s->slot = calloc(s->n_slots, sizeof *s->slot);
    if (!s->slot)
        abort();
    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t at = hash_of(&s->shape[i]);
        while (s->slot[at & (s->n_slots - 1)])
            at++;
        s->slot[at & (s->n_slots - 1)] = i + 1;
    }
}

static void set_cmd(struct cmd *c, const struct shape *k)
{
    memset(c, 0, sizeof *c);
    c->op = k->op;
    c->unit = k->unit;
    c->a_bits = k->a_bits;
    c->passes = k->passes;
    c->k_scale = k->k_scale;
    c->mm_dst = k->mm_dst;
    c->vec_kind = k->vec_kind;
    c->src.ring = k->src_ring;
    c->addr.c = k->misaligned;
    c->transpose = k->transpose;
    c->from_state = k->from_state;
    c->first = k->first;
    c->last = k->last;
    c->rows = k->rows;
    c->row_bytes = k->row_bytes;
    c->planes = k->planes;
    c->cols = k->cols;
    c->k = k->k;
    c->words = k->words;
    c->cycles = k->cycles;
    c->row_words = (uint32_t)k->row_words;
    c->dst.ring = k->silent ? RING_NONE : 0;
}

static uint32_t intern(struct shapes *s, const struct shape *k)
{
    if (2 * s->n >= s->n_slots)
        rehash(s);
    uint64_t at = hash_of(k);
    for (uint32_t i; (i = s->slot[at & (s->n_slots - 1)]); at++)
        if (memcmp(&s->shape[i - 1], k, sizeof *k) == 0)
            return i - 1;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 128;
        s->shape = xrealloc(s->shape, s->cap, sizeof *s->shape);
        s->cmd = xrealloc(s->cmd, s->cap, sizeof *s->cmd);
        s->cost = xrealloc(s->cost, s->cap, sizeof *s->cost);
    }
    s->shape[s->n] = *k;
    s->cost[s->n].stamp = 0;
    set_cmd(&s->cmd[s->n], k);
    s->slot[at & (s->n_slots - 1)] = ++s->n;
    return s->n - 1;
}

/* ---- making a tally ---- */

struct making {
    struct tally *t;
    struct shapes *shapes;
};

/* Once more in the current step. */
static void add_item(struct tally *t, uint32_t shape, uint32_t unit, uint64_t n)
{
    uint32_t from = t->n_ends ? t->ends[t->n_ends - 1] : 0;
    for (uint32_t i = from; i < t->n_items; i++)
        if (t->items[i].shape == shape) {
            t->items[i].n += n;
            return;
        }
    if (t->n_items == t->cap_items) {
        t->cap_items = t->cap_items ? t->cap_items * 2 : 128;
        t->items = xrealloc(t->items, t->cap_items, sizeof *t->items);
    }
    t->items[t->n_items++] = (struct item){shape, unit, n};
}

static bool moves(const struct shapes *s, uint32_t shape)
{
    const struct cmd *c = &s->cmd[shape];
    return s->shape[shape].host ? c->op == OP_UDMA_RX || c->op == OP_UDMA_TX : cmd_streams(c);
}

static void find_moves(struct tally *t, const struct shapes *s)
{
    t->moves = xrealloc(NULL, t->n_items + 1, sizeof *t->moves);
    for (uint32_t i = 0; i < t->n_items; i++) {
        uint32_t k = 0;
        if (!moves(s, t->items[i].shape))
            continue;
        while (k < t->n_moves && t->moves[k].shape != t->items[i].shape)
            k++;
        if (k == t->n_moves)
            t->moves[t->n_moves++] = t->items[i];
        else
            t->moves[k].n += t->items[i].n;
    }
}

static void end_step(void *self)
{
    struct tally *t = ((struct making *)self)->t;
    if (t->n_ends == t->cap_ends) {
        t->cap_ends = t->cap_ends ? t->cap_ends * 2 : 32;
        t->ends = xrealloc(t->ends, t->cap_ends, sizeof *t->ends);
    }
    t->ends[t->n_ends++] = t->n_items;
}

static void shape_of(struct shape *k, const struct visited *v)
{
    const struct cmd *c = v->c;
    memset(k, 0, sizeof *k); /* padding, too: shapes are compared as bytes */
    k->op = c->op;
    k->unit = c->unit;
    k->a_bits = c->a_bits;
    k->passes = c->passes;
    k->k_scale = c->k_scale;
    k->mm_dst = c->mm_dst;
    k->vec_kind = c->vec_kind;
    k->src_ring = c->src.ring;
    k->misaligned = c->addr.c & 3;
    k->host = v->th == THREAD_HOST;
    k->transpose = c->transpose;
    k->from_state = c->from_state;
    k->first = c->first;
    k->last = c->last;
    k->issued_rows = v->rows;
    k->rows = c->rows;
    k->row_bytes = c->row_bytes;
    k->planes = c->planes;
    k->cols = c->cols;
    k->k = c->k;
    k->words = c->words;
    k->cycles = c->cycles;
    k->row_words = c->row_words;
    k->silent = c->op == OP_RET_STEP && !retention_reads(c);
}

static void add_totals(struct tally_totals *t, const struct visited *v)
{
    const struct cmd *c = v->c;
    if (machine_has_useful(c))
        t->macs += (uint64_t)aff_eval(&c->useful, v->idx, v->depth) * v->n;
    if (cmd_streams(c) && !c->from_state)
        t->l2_bytes += (uint64_t)c->rows * c->row_bytes * c->planes * v->n;
    if (c->op == OP_UDMA_RX || c->op == OP_UDMA_TX)
        t->offchip_bytes += c->row_bytes * v->n;
}

static void command(void *self, const struct visited *v)
{
    struct making *m = self;
    struct shape k;
    if (v->th == THREAD_ACCEL)
        m->t->steps += v->n;
    add_totals(&m->t->totals, v);
    if (v->n == 0 || (v->th == THREAD_ACCEL && !cmd_works(v->c)))
        return;
    shape_of(&k, v);
    add_item(m->t, intern(m->shapes, &k), v->th == THREAD_HOST ? N_UNITS : v->c->unit, v->n);
}

struct tally *tally_create(const struct program *p, struct shapes *shapes)
{
    struct making m = {xrealloc(NULL, 1, sizeof *m.t), shapes};
    memset(m.t, 0, sizeof *m.t);
    program_visit(p, &(struct visitor){&m, command, end_step, true});
    find_moves(m.t, shapes);
    return m.t;
}

void tally_destroy(struct tally *t)
{
    if (!t)
        return;
    free(t->items);
    free(t->moves);
    free(t->ends);
    free(t);
}

/* ---- its use ---- */

static const struct cost *cost_of(struct shapes *s, uint32_t i, const struct machine *m)
{
    struct cost *k = &s->cost[i];
    const struct cmd *c = &s->cmd[i];
    if (k->stamp == s->stamp)
        return k;
    *k = (struct cost){.stamp = s->stamp};
    if (!s->shape[i].host) {
        k->cycles = cmd_busy_cycles(m, c, s->shape[i].issued_rows);
        k->words = cmd_streams(c) ? streamer_words(m, c) : 0;
        return k;
    }
    k->cycles = host_cmd_cycles(m, c);
    if (c->op == OP_UDMA_RX || c->op == OP_UDMA_TX) {
        k->words = (c->row_bytes + 3) / 4;
        k->bytes = c->row_bytes;
        k->bursts = div_up(c->row_bytes, m->hyperram_cfg->burst_bytes);
    }
    return k;
}

static void sum(const struct tally *t, struct shapes *s, const struct machine *m, struct bound_sums *out)
{
    *out = (struct bound_sums){.steps = t->steps};
    for (uint32_t e = 0, i = 0; e < t->n_ends; e++) {
        uint64_t busy[N_UNITS + 1] = {0};
        for (; i < t->ends[e]; i++)
            busy[t->items[i].unit] += cost_of(s, t->items[i].shape, m)->cycles * t->items[i].n;
        out->serial += step_cycles(busy);
        for (unsigned u = 0; u <= N_UNITS; u++)
            out->busy[u] += busy[u];
    }
    for (uint32_t i = 0; i < t->n_moves; i++) {
        const struct cost *k = cost_of(s, t->moves[i].shape, m);
        out->words += k->words * t->moves[i].n;
        out->off_bytes += k->bytes * t->moves[i].n;
        out->off_bursts += k->bursts * t->moves[i].n;
    }
}

const struct tally_totals *tally_totals(const struct tally *t)
{
    return &t->totals;
}

uint64_t tally_bound(const struct tally *t, struct shapes *s, const struct machine *m, const char **limit)
{
    struct bound_sums sums;
    sum(t, s, m, &sums);
    uint64_t cycles = bound_of(m, &sums);
    if (limit)
        *limit = bound_limit(m, &sums);
    return cycles;
}

uint64_t tally_estimate(const struct tally *t, struct shapes *s, const struct machine *m)
{
    struct bound_sums sums;
    sum(t, s, m, &sums);
    return estimate_of_sums(m, &sums);
}
