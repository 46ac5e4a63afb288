/* Arbitration against a literal tree walk, and the phenomena that follow from it. */
#include "arch/hci.h"
#include "arch/xbar.h"
#include "base/hash.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define BIT(m) (UINT64_C(1) << (m))

/* The rule word for word: a complete binary tree over the slots, from the root. */
static unsigned walk(uint64_t requests, unsigned rr, unsigned n_masters)
{
    unsigned levels = 0, lo = 0;
    while (1u << levels < n_masters)
        levels++;
    for (unsigned l = 0; l < levels; l++) {
        unsigned half = 1u << (levels - 1 - l);
        bool left = false, right = false;
        for (unsigned i = 0; i < half; i++) {
            left |= requests >> (lo + i) & 1;
            right |= requests >> (lo + half + i) & 1;
        }
        if (!left || (right && rr >> (levels - 1 - l) & 1))
            lo += half;
    }
    return lo;
}

static unsigned next_pointer(uint64_t requests, unsigned rr, unsigned n_masters)
{
    for (unsigned i = rr + 1; i < n_masters; i++)
        if (requests >> i & 1)
            return i;
    for (unsigned i = 0; i <= rr; i++)
        if (requests >> i & 1)
            return i;
    return rr;
}

static uint64_t masters(unsigned n)
{
    return n == 64 ? ~UINT64_C(0) : BIT(n) - 1;
}

Test(xbar, tricks_agree_with_the_tree_walk_on_random_states)
{
    struct rng rng = {11};
    for (unsigned n = 1; n <= 64; n++) {
        for (unsigned i = 0; i < 4000; i++) {
            uint64_t requests = rng_next(&rng) & masters(n);
            for (uint64_t thin = rng_below(&rng, 4); thin; thin--)
                requests &= rng_next(&rng);
            unsigned rr = (unsigned)rng_below(&rng, n);
            if (!requests)
                continue;
            cr_assert_eq(xbar_pick(requests, rr), walk(requests, rr, n), "n %u rr %u set %llx", n, rr,
                         (unsigned long long)requests);
            cr_assert_eq(xbar_next(requests, rr), next_pointer(requests, rr, n), "n %u rr %u set %llx", n,
                         rr, (unsigned long long)requests);
        }
    }
}

/* Masters that hold their request until granted, against the literal twin. */
Test(xbar, a_run_with_refusing_banks_agrees_with_the_twin)
{
    static const unsigned sizes[] = {1, 2, 3, 5, 7, 9, 13, 16, 33, 64};
    struct rng rng = {12};
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (unsigned lock_in = 0; lock_in < 2; lock_in++) {
            unsigned n = sizes[s], rr = 0;
            uint64_t pending = 0, locked = 0;
            bool lock = false;
            struct xbar x;
            xbar_init(&x, n, 1, lock_in);
            for (unsigned c = 0; c < 3000; c++) {
                pending |= rng_next(&rng) & rng_next(&rng) & masters(n);
                bool granted = rng_below(&rng, 3) > 0;
                uint64_t seen = lock ? locked : pending;
                int want = seen && granted ? (int)walk(seen, rr, n) : -1;
                cr_assert_eq(xbar_seen(&x, 0, pending), seen);
                cr_assert_eq(xbar_settle(&x, 0, pending, granted), want, "n %u cycle %u", n, c);
                if (want >= 0)
                    rr = next_pointer(seen, rr, n);
                lock = lock_in && seen && !granted;
                locked = seen;
                if (want >= 0)
                    pending &= ~BIT(want);
            }
        }
    }
}

Test(xbar, state_is_flat)
{
    struct xbar a, b;
    memset(&a, 0xff, sizeof a);
    memset(&b, 0, sizeof b);
    xbar_init(&a, 13, 4, true);
    xbar_init(&b, 13, 4, true);
    cr_assert_eq(memcmp(&a, &b, sizeof a), 0);
    xbar_settle(&a, 2, 6, false);
    cr_assert_neq(memcmp(&a, &b, sizeof a), 0);
    xbar_settle(&a, 2, 6, true);
    xbar_settle(&b, 2, 6, true);
    cr_assert_eq(memcmp(&a, &b, sizeof a), 0);
}

/* Phenomenon 1: a bank serves one access a cycle, and one in every cycle with a request. */
Test(phenomenon_1, bank_serialisation)
{
    struct xbar x;
    xbar_init(&x, 13, 4, false);
    cr_assert_eq(xbar_grant(&x, 0, 0), -1);
    for (unsigned c = 0; c < 100; c++)
        cr_assert_eq(xbar_grant(&x, 0, BIT(7)), 7); /* alone: period 1 */
    cr_assert_eq(xbar_grant(&x, 0, masters(13)), 7, "a lone master keeps the pointer");
}

/* Phenomenon 2: k saturating masters on one bank are served 0, 1, .. k-1 in turn. */
Test(phenomenon_2, round_robin_order)
{
    for (unsigned k = 1; k <= 64; k++) {
        struct xbar x;
        xbar_init(&x, k, 1, false);
        for (unsigned c = 0; c < 5 * k; c++)
            cr_assert_eq(xbar_grant(&x, 0, masters(k)), (int)(c % k), "k %u cycle %u", k, c);
    }
    static const int order[] = {0, 3, 5};
    struct xbar x;
    xbar_init(&x, 13, 1, false);
    for (unsigned c = 0; c < 30; c++)
        cr_assert_eq(xbar_grant(&x, 0, BIT(0) | BIT(3) | BIT(5)), order[c % 3]);
}

struct loop {
    struct xbar x;
    struct rng rng;
    uint64_t requests[4];
};

/* Grants of a cycle, each re-issued at once to the bank that `again` names. */
static unsigned loop_cycle(struct loop *l, unsigned (*again)(struct loop *, unsigned bank))
{
    unsigned n = 0, to[4];
    uint64_t who[4];
    for (unsigned b = 0; b < 4; b++) {
        int m = xbar_grant(&l->x, b, l->requests[b]);
        if (m < 0)
            continue;
        l->requests[b] &= ~BIT(m);
        who[n] = BIT(m);
        to[n++] = again(l, b);
    }
    for (unsigned i = 0; i < n; i++)
        l->requests[to[i]] |= who[i];
    return n;
}

static unsigned any_bank(struct loop *l, unsigned bank)
{
    (void)bank;
    return (unsigned)rng_below(&l->rng, 4);
}

static unsigned next_bank(struct loop *l, unsigned bank)
{
    (void)l;
    return (bank + 1) % 4;
}

/* Phenomenon 2: closed-loop uniform random banks; measured on the RTL, and the
 * exact Markov chain of the same loop. */
Test(phenomenon_2, random_table_within_half_a_percent)
{
    static const double measured[] = {1.0000, 1.7520, 2.2719, 2.6269, 2.8718, 3.0473, 3.1786, 3.2795, 3.3583};
    static const double chain[] = {1.0000, 1.7500, 2.2692, 2.6210, 2.8633, 3.0370, 3.1663, 3.2657, 3.3444};
    enum { CYCLES = 400000 };
    for (unsigned k = 1; k <= 9; k++) {
        struct loop l = {.rng = {k}};
        uint64_t grants = 0;
        xbar_init(&l.x, k, 4, false);
        for (unsigned m = 0; m < k; m++)
            l.requests[any_bank(&l, 0)] |= BIT(m);
        for (unsigned c = 0; c < CYCLES; c++)
            grants += loop_cycle(&l, any_bank);
        double rate = (double)grants / CYCLES;
        cr_assert_lt(fabs(rate / measured[k - 1] - 1), 0.005, "k %u: %.4f", k, rate);
        cr_assert_lt(fabs(rate / chain[k - 1] - 1), 0.002, "k %u: %.4f", k, rate);
    }
}

/* Phenomenon 3: linear streams from the same bank de-phase themselves once. */
Test(phenomenon_3, self_staggering_of_streams)
{
    static const unsigned together[] = {0, 1000, 1999, 2997, 3994, 3994};
    static const unsigned staggered[] = {0, 1000, 2000, 3000, 4000, 4000};
    for (unsigned k = 1; k <= 5; k++) {
        struct loop same, apart;
        unsigned same_grants = 0, apart_grants = 0;
        memset(&same, 0, sizeof same);
        xbar_init(&same.x, k, 4, false);
        apart = same;
        same.requests[0] = masters(k);
        for (unsigned m = 0; m < k; m++)
            apart.requests[m % 4] |= BIT(m);
        for (unsigned c = 0; c < 1000; c++) {
            same_grants += loop_cycle(&same, next_bank);
            apart_grants += loop_cycle(&apart, next_bank);
        }
        cr_assert_eq(same_grants, together[k], "k %u: %u", k, same_grants);
        cr_assert_eq(apart_grants, staggered[k], "k %u: %u", k, apart_grants);
    }
}

/* hci_arbiter: of `den` conflict cycles the prioritised side
 * wins the first `num`; num = 0 is strict priority. */
Test(hci, share_of_conflict_cycles)
{
    static const struct {
        unsigned invert, num, den, hwpe_wins_of_24;
    } rows[] = {{0, 0, 0, 0},  {1, 0, 0, 24}, {0, 1, 8, 21}, {1, 1, 8, 3}, {0, 1, 4, 18},
                {0, 3, 4, 6},  {1, 2, 3, 16},  {0, 2, 2, 0},  {0, 1, 2, 12}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hci h;
        uint64_t requests[4] = {1, 0, 0, 0};
        uint8_t first[1] = {3}; /* banks 3 and, past the end, 0 */
        unsigned hwpe = 0, log = 0;
        hci_init(&h, 2, 4, 1, 2);
        h.invert = (uint8_t)rows[i].invert;
        h.num = (uint8_t)rows[i].num;
        h.den = (uint8_t)rows[i].den;
        for (unsigned c = 0; c < 24; c++) {
            struct hci_grants g = hci_step(&h, 15, requests, 1, first);
            hwpe += g.hwpe == 1;
            log += g.log == 1;
        }
        cr_assert_eq(hwpe, rows[i].hwpe_wins_of_24, "row %u: %u", i, hwpe);
        cr_assert_eq(log, 24 - hwpe);
    }
}

Test(hci, without_conflict_everybody_is_served)
{
    struct hci h;
    uint64_t requests[16] = {0};
    uint8_t first[3] = {0, 4, 8};
    hci_init(&h, 4, 16, 3, 4);
    requests[12] = 1;
    requests[15] = 2;
    for (unsigned c = 0; c < 10; c++) {
        struct hci_grants g = hci_step(&h, 0xffff, requests, 7, first);
        cr_assert_eq(g.hwpe, 7u);
        cr_assert_eq(g.log, 3u);
    }
}

/* Three HWPEs on the same banks: the third passes the first level alone and gets half. */
Test(hci, tree_of_three)
{
    struct hci h;
    uint64_t requests[8] = {0};
    uint8_t first[3] = {2, 2, 2};
    unsigned wins[3] = {0};
    hci_init(&h, 1, 8, 3, 4);
    for (unsigned c = 0; c < 400; c++) {
        struct hci_grants g = hci_step(&h, 0xff, requests, 7, first);
        cr_assert_eq(__builtin_popcountll(g.hwpe), g.hwpe != 0);
        for (unsigned i = 0; i < 3; i++)
            wins[i] += g.hwpe >> i & 1;
    }
    cr_assert_eq(wins[0] + wins[1] + wins[2], 400u);
    cr_assert_eq(wins[2], 200u);
}
