#include "arch/tally_impl.h"

#include "base/hash.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

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
    uint32_t w[sizeof *k / sizeof(uint32_t)];
    uint64_t h = 0;
    _Static_assert(sizeof *k == 15 + 1 + 9 * 4, "whole words, one byte of padding");
    memcpy(w, k, sizeof w);
    for (size_t i = 0; i + 1 < sizeof w / sizeof w[0]; i += 2)
        h = (h ^ (w[i] | (uint64_t)w[i + 1] << 32)) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    h = (h ^ w[sizeof w / sizeof w[0] - 1]) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
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
    c->row_words = k->row_words;
    c->dst.ring = k->silent ? RING_NONE : 0;
}

uint32_t shapes_intern(struct shapes *s, const struct shape *k)
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
        s->cost = xrealloc(s->cost, s->cap, sizeof *s->cost);
    }
    s->shape[s->n] = *k;
    s->cost[s->n].stamp = 0;
    s->slot[at & (s->n_slots - 1)] = ++s->n;
    return s->n - 1;
}

/* ---- its use ---- */

static const struct cost *cost_of(struct shapes *s, uint32_t i, const struct machine *m)
{
    struct cost *k = &s->cost[i];
    if (k->stamp == s->stamp)
        return k;
    const struct cmd *c = &s->cmd;
    set_cmd(&s->cmd, &s->shape[i]);
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
