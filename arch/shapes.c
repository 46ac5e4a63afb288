/* Shapes of commands: what a cost is a function of, looked up in nanoseconds. */
#include "arch/tally_impl.h"
#include "base/arena.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

/* ---- a shape ---- */

/* The command that shape_of had, as far as it says; the rest of it is zero. */
static void set_cmd(struct cmd *c, const struct shape *k)
{
    uint64_t kind = k->w[0], flags = k->w[1] >> 8;
    c->op = (uint8_t)kind;
    c->unit = (uint8_t)(kind >> 8);
    c->a_bits = (uint8_t)(kind >> 16);
    c->passes = (uint8_t)(kind >> 24);
    c->k_scale = (uint8_t)(kind >> 32);
    c->mm_dst = (uint8_t)(kind >> 40);
    c->vec_kind = (uint8_t)(kind >> 48);
    c->src.ring = (uint8_t)(kind >> 56);
    c->addr.c = k->w[1] & 3;
    c->transpose = flags & S_TRANSPOSE;
    c->from_state = flags & S_FROM_STATE;
    c->first = flags & S_FIRST;
    c->last = flags & S_LAST;
    c->dst.ring = flags & S_SILENT ? RING_NONE : 0;
    c->row_words = (uint32_t)(k->w[1] >> 32);
    c->rows = (uint32_t)(k->w[2] >> 32);
    c->row_bytes = (uint32_t)k->w[3];
    c->planes = (uint32_t)(k->w[3] >> 32);
    c->cols = (uint32_t)k->w[4];
    c->k = (uint32_t)(k->w[4] >> 32);
    c->words = (uint32_t)k->w[5];
    c->cycles = (uint32_t)k->w[6];
}

/* ---- many of them ---- */

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

/* Products that do not wait for each other. */
static uint64_t hash_of(const struct shape *k)
{
    static const uint64_t odd[SHAPE_WORDS] = {
        0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0x165667b19e3779f9u, 0xd6e8feb86659fd93u,
        0xff51afd7ed558ccdu, 0xc4ceb9fe1a85ec53u, 0x2545f4914f6cdd1du};
    uint64_t h = 0;
    for (unsigned i = 0; i < SHAPE_WORDS; i++)
        h += (k->w[i] ^ k->w[i] >> 32) * odd[i];
    h = (h ^ h >> 32) * odd[0];
    return h ^ h >> 29;
}

static bool same(const struct shape *a, const struct shape *b)
{
    uint64_t differs = 0;
    for (unsigned i = 0; i < SHAPE_WORDS; i++)
        differs |= a->w[i] ^ b->w[i];
    return !differs;
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

uint32_t shapes_intern(struct shapes *s, const struct shape *k)
{
    if (2 * s->n >= s->n_slots)
        rehash(s);
    uint64_t at = hash_of(k);
    for (uint32_t i; (i = s->slot[at & (s->n_slots - 1)]); at++)
        if (same(&s->shape[i - 1], k))
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

const struct cost *shapes_price(struct shapes *s, uint32_t i, const struct machine *m)
{
    struct cost *k = &s->cost[i];
    const struct cmd *c = &s->cmd;
    set_cmd(&s->cmd, &s->shape[i]);
    bool host = shape_is_host(&s->shape[i]);
    *k = (struct cost){.stamp = s->stamp};
    if (!host) {
        k->cycles = cmd_busy_cycles(m, c, (uint32_t)s->shape[i].w[2]);
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
