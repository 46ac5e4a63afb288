#include "arch/stall.h"

#include <string.h>

/* A decimal number of at most 32 bits at *t, which moves behind it. */
static bool number(const char **t, uint32_t *v)
{
    uint64_t n = 0;
    const char *s = *t;
    for (; *s >= '0' && *s <= '9' && n <= UINT32_MAX; s++)
        n = 10 * n + (uint64_t)(*s - '0');
    if (s == *t || n > UINT32_MAX)
        return false;
    *t = s;
    *v = (uint32_t)n;
    return true;
}

static bool skip(const char **t, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*t, word, len))
        return false;
    *t += len;
    return true;
}

static bool parse_test(struct stall *s, const char *t)
{
    if (!number(&t, &s->modulus) || s->modulus == 0 || s->modulus > STALL_MAX_PERIOD)
        return false;
    if (skip(&t, "=="))
        s->test = STALL_EQ;
    else if (skip(&t, ">="))
        s->test = STALL_GE;
    else if (skip(&t, "<"))
        s->test = STALL_LT;
    else
        return false;
    return number(&t, &s->value) && *t == '\0';
}

bool stall_parse(struct stall *s, const char *text)
{
    *s = (struct stall){.kind = STALL_NONE};
    if (strcmp(text, "none") == 0)
        return true;
    if (strcmp(text, "low_when_hash8==0") == 0) {
        s->kind = STALL_HASH8;
        return true;
    }
    if (strcmp(text, "low_when_hash1024<102") == 0) {
        s->kind = STALL_HASH1024;
        return true;
    }
    if (skip(&text, "low_when_c%"))
        s->kind = STALL_LOW_WHEN;
    else if (skip(&text, "high_only_when_c%"))
        s->kind = STALL_HIGH_WHEN;
    else
        return false;
    return parse_test(s, text);
}

static bool holds(const struct stall *s, uint64_t cycle)
{
    uint64_t r = cycle % s->modulus;
    return s->test == STALL_EQ ? r == s->value : s->test == STALL_GE ? r >= s->value : r < s->value;
}

bool stall_always(const struct stall *s)
{
    if (s->kind != STALL_LOW_WHEN && s->kind != STALL_HIGH_WHEN)
        return false;
    bool all = s->test == STALL_EQ ? s->modulus == 1 && s->value == 0
               : s->test == STALL_GE ? s->value == 0 : s->value >= s->modulus;
    bool none = s->test == STALL_LT ? s->value == 0 : s->value >= s->modulus;
    return s->kind == STALL_LOW_WHEN ? all : none;
}

/* Multiplicative hash of the cycle; the bits that the patterns look at. */
static uint32_t hash(uint64_t cycle)
{
    return ((uint32_t)cycle * 2654435761u) >> 16;
}

bool stall_low(const struct stall *s, uint64_t cycle, unsigned port)
{
    switch (s->kind) {
    case STALL_LOW_WHEN: return holds(s, cycle);
    case STALL_HIGH_WHEN: return !holds(s, cycle);
    case STALL_HASH8: return hash(cycle + 1000 * (uint64_t)port) % 8 == 0;
    case STALL_HASH1024: return hash(cycle) % 1024 < 102;
    default: return false;
    }
}

/* Bits 16 to 18 (16 to 25) of a product depend on as many low bits of a factor. */
uint64_t stall_period(const struct stall *s)
{
    switch (s->kind) {
    case STALL_LOW_WHEN: case STALL_HIGH_WHEN: return s->modulus;
    case STALL_HASH8: return 1 << 19;
    case STALL_HASH1024: return 1 << 26;
    default: return 1;
    }
}
