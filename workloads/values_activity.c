/* Zero operands and bits that change, counted where the values pass by. What
 * follows what is a matter of one unit's commands, whose order is the program's:
 * the counts do not depend on who takes turns. */
#include "workloads/values_impl.h"

#include "base/num.h"

#include <string.h>

static unsigned ones(uint32_t x)
{
    return count_bits(x);
}

/* What a set does not fill is zero. */
void activity_set(struct values *v, const struct vslot *set, uint64_t rows, uint64_t issued)
{
    struct cost_activity *a = &v->counts->activity[ACTIVITY_ENGINE];
    uint64_t n = (uint64_t)set->cols * set->k, nonzero = 0;
    for (uint64_t i = 0; i < n; i++)
        nonzero += set->w_set[i] && set->w[i];
    a->pairs += issued;
    a->zeros += issued - rows * nonzero;
}

/* Lanes that a row does not fill are zero. */
void activity_row(struct values *v, const struct cmd *c, uint32_t lanes)
{
    struct cost_activity *a = &v->counts->activity[ACTIVITY_ENGINE];
    uint64_t all = (uint64_t)v->geom.k_tile * c->k_scale;
    uint64_t mask = ((1u << c->a_bits) - 1) * UINT64_C(0x0001000100010001), toggles = 0;
    int16_t *lane = v->watch.lane;
    memset(v->a + lanes, 0, (round_up(all, 4) - lanes) * sizeof *v->a);
    for (uint64_t i = 0; i < all; i += 4) { /* four lanes at a time */
        uint64_t now, then;
        memcpy(&now, v->a + i, sizeof now);
        memcpy(&then, lane + i, sizeof then);
        toggles += ones((uint32_t)((now ^ then) & mask)) + ones((uint32_t)(((now ^ then) & mask) >> 32));
        memcpy(lane + i, &now, sizeof now);
    }
    a->toggles += toggles;
    a->bits += all * c->a_bits;
}

/* Values go past the lanes, and again for each element of the key. */
void activity_step(struct values *v, const struct cmd *c, const int16_t *key, const int16_t *val)
{
    struct cost_activity *a = &v->counts->activity[ACTIVITY_RETENTION];
    uint64_t lanes = ARCH_CFG(v->job->arch, retention)->lanes, pass = 0;
    for (uint32_t j = 0; j < c->cols; j++) {
        uint64_t before = j >= lanes ? j - lanes : j + (c->cols - 1 - j) / lanes * lanes;
        pass += ones((uint8_t)(val[j] ^ val[before]));
    }
    for (uint32_t i = 0; i < c->k; i++) {
        a->toggles += pass + (i ? min64(lanes, c->cols) * ones((uint8_t)(key[i] ^ key[i - 1])) : 0);
        a->zeros += key[i] ? 0 : c->cols;
    }
    a->bits += 16 * (uint64_t)c->k * c->cols;
    a->pairs += (uint64_t)c->k * c->cols;
}

/* Word i of a line goes over port i modulo their number. */
void activity_line(struct values *v, unsigned unit, const uint8_t *b, uint64_t n)
{
    struct cost_activity *a = &v->counts->activity[ACTIVITY_TCDM];
    uint64_t ports = ARCH_CFG(v->job->arch, tcdm)->hwpe_ports;
    uint32_t *last = v->watch.word[unit];
    uint64_t toggles = 0, zeros = 0;
    for (uint64_t at = 0, port = 0; at < n; at += 4) {
        uint32_t word = 0;
        if (n - at >= 4)
            memcpy(&word, b + at, 4);
        else
            memcpy(&word, b + at, n - at);
        toggles += ones(word ^ last[port]);
        zeros += !word;
        last[port] = word;
        port = port + 1 == ports ? 0 : port + 1;
    }
    a->toggles += toggles;
    a->zeros += zeros;
    a->bits += 32 * div_up(n, 4);
    a->pairs += div_up(n, 4);
}
