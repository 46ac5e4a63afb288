#include "arch/hci.h"

#include <string.h>

void hci_init(struct hci *h, unsigned n_log, unsigned n_banks, unsigned n_hwpe, unsigned hwpe_words)
{
    memset(h, 0, sizeof *h);
    xbar_init(&h->log, n_log ? n_log : 1, n_banks, true);
    h->n_hwpe = (uint8_t)n_hwpe;
    h->hwpe_words = (uint8_t)hwpe_words;
}

static uint64_t low_bits(unsigned n)
{
    return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

/* Banks of a wide access; the word after the last bank is in bank 0. */
static uint64_t wide_banks(const struct hci *h, unsigned first)
{
    unsigned n = h->log.n_banks, words = h->hwpe_words;
    uint64_t banks = low_bits(words) << first & low_bits(n);
    if (first + words > n)
        banks |= low_bits(first + words - n);
    return banks;
}

/* hci_arbiter: which banks belong to the side `high`. The counter runs over
 * conflict cycles; in num <= count < den the prioritised side gets nothing,
 * not even the banks that the other side leaves alone. */
static uint64_t arbiter(uint8_t *count, bool invert, unsigned num, unsigned den, uint64_t high,
                        uint64_t low)
{
    uint64_t first = invert ? low : high;
    bool conflict = high & low;
    bool suppress = conflict && num > 0 && num <= *count && *count < den;
    if (conflict)
        *count = *count == (uint8_t)(den - 1) ? 0 : (uint8_t)(*count + 1);
    if (suppress)
        first = 0;
    return invert ? ~first : first;
}

struct hwpe_tree {
    uint64_t request[2 * HCI_MAX_HWPE]; /* banks wanted by each node, level by level, leaves first */
    uint64_t high[2 * HCI_MAX_HWPE];    /* banks a node gives to its even input */
    uint8_t base[5];                    /* first node of each level */
    uint8_t width[5];
    unsigned n_levels;
};

/* Pairs are arbitrated with a fixed 1:2 counter; an odd one out passes. */
static void tree_up(struct hci *h, struct hwpe_tree *t)
{
    unsigned used = 0;
    t->base[0] = 0;
    t->width[0] = h->n_hwpe;
    for (unsigned l = 0; t->width[l] > 1; l++) {
        t->base[l + 1] = (uint8_t)(t->base[l] + t->width[l]);
        t->width[l + 1] = (uint8_t)((t->width[l] + 1) / 2);
        for (unsigned i = 0; i < t->width[l + 1]; i++) {
            unsigned out = t->base[l + 1] + i, in = t->base[l] + 2 * i;
            if (2 * i + 1 == t->width[l]) {
                t->high[out] = ~UINT64_C(0);
                t->request[out] = t->request[in];
                continue;
            }
            t->high[out] = arbiter(&h->tree[used++], h->invert, 1, 2, t->request[in], t->request[in + 1]);
            t->request[out] = (t->request[in] & t->high[out]) | (t->request[in + 1] & ~t->high[out]);
        }
        t->n_levels = l + 1;
    }
}

/* Turns the banks owned by the root into the banks owned by every leaf. */
static void tree_down(const struct hwpe_tree *t, uint64_t owned[2 * HCI_MAX_HWPE])
{
    for (unsigned l = t->n_levels; l-- > 0;)
        for (unsigned i = 0; i < t->width[l]; i++) {
            unsigned up = t->base[l + 1] + i / 2;
            owned[t->base[l] + i] = owned[up] & (i % 2 ? ~t->high[up] : t->high[up]);
        }
}

static uint64_t wide_grants(struct hci *h, const struct hwpe_tree *t, uint64_t banks)
{
    uint64_t owned[2 * HCI_MAX_HWPE] = {0}, grants = 0;
    owned[t->base[t->n_levels]] = banks;
    tree_down(t, owned);
    for (unsigned i = 0; i < h->n_hwpe; i++)
        if (t->request[i] && !(t->request[i] & ~owned[i]))
            grants |= UINT64_C(1) << i;
    return grants;
}

/* Banks where a master of the log branch is seen. */
static uint64_t seen_banks(const struct hci *h, uint64_t asked, const uint64_t requests[])
{
    uint64_t seen = h->stalled;
    for (uint64_t left = asked & ~seen; left; left &= left - 1) {
        unsigned b = (unsigned)__builtin_ctzll(left);
        seen |= (uint64_t)(requests[b] != 0) << b;
    }
    return seen;
}

struct hci_grants hci_step(struct hci *h, uint64_t asked, const uint64_t requests[], uint64_t hwpe,
                           const uint8_t first_bank[])
{
    struct hci_grants grants = {0, 0};
    struct hwpe_tree t = {.n_levels = 0};

    for (unsigned i = 0; i < h->n_hwpe; i++)
        t.request[i] = hwpe >> i & 1 ? wide_banks(h, first_bank[i]) : 0;
    tree_up(h, &t);
    uint64_t wide = h->n_hwpe ? t.request[t.base[t.n_levels]] : 0;
    uint64_t log = seen_banks(h, asked, requests);
    uint64_t log_owns = arbiter(&h->count, h->invert, h->num, h->den, log, wide);
    h->stalled = 0;
    for (uint64_t left = log; left; left &= left - 1) {
        unsigned b = (unsigned)__builtin_ctzll(left);
        int winner = xbar_settle(&h->log, b, requests[b], log_owns >> b & 1);
        if (winner >= 0)
            grants.log |= UINT64_C(1) << winner;
        h->stalled |= (uint64_t)(h->log.locked[b] != 0) << b;
    }
    if (h->n_hwpe)
        grants.hwpe = wide_grants(h, &t, ~log_owns);
    return grants;
}
