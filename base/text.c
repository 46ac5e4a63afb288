#include "base/text.h"
#include "base/arena.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

static void reserve(struct text *t, size_t extra)
{
    if (t->cap - t->len > extra)
        return;
    t->cap = (t->len + extra + 1) * 2 < 64 ? 64 : (t->len + extra + 1) * 2;
    t->s = xrealloc(t->s, t->cap, 1);
}

void text_addn(struct text *t, const char *s, size_t n)
{
    reserve(t, n);
    memcpy(t->s + t->len, s, n);
    t->len += n;
    t->s[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
    size_t room = t->cap - t->len; /* mostly enough: printed once */
    va_list ap;
    int n;

    assert(fmt);
    va_start(ap, fmt);
    n = vsnprintf(room ? t->s + t->len : NULL, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n >= room) {
        reserve(t, (size_t)n);
        va_start(ap, fmt);
        vsnprintf(t->s + t->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    if (n > 0)
        t->len += (size_t)n;
    else if (room)
        t->s[t->len] = '\0';
}

void text_u64(struct text *t, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    text_addn(t, digits + at, sizeof digits - at);
}

void text_finish(struct text *t)
{
    free(t->s);
    *t = (struct text){0};
}

struct scale {
    const char *name;
    uint64_t factor;
};
static const struct scale byte_scales[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {NULL, 0},
};
static const struct scale hz_scales[] = {
    {"GHz", 1000000000}, {"MHz", 1000000}, {"kHz", 1000}, {"Hz", 1}, {NULL, 0},
};

/* The parts of "333.3 MHz". */
struct number {
    const char *digits, *frac, *unit;
    size_t n_digits, n_frac;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t count_digits(const char *s)
{
    size_t n = 0;

    while (is_digit(s[n]))
        n++;
    return n;
}

static bool say(char *buf, size_t size, const char **why, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool say(char *buf, size_t size, const char **why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    *why = buf;
    return false;
}

static const char *example(enum unit unit)
{
    return unit == UNIT_BYTES ? "a size such as '64 KiB'"
         : unit == UNIT_HZ    ? "a frequency such as '200 MHz'"
                              : "a decimal integer such as 16";
}

/* Rejects what is not digits[.digits][ ][unit]; fills `n` otherwise. */
static bool split_number(const char *s, enum unit unit, struct number *n, char *buf, size_t size,
                         const char **why)
{
    const char *eg = example(unit);

    *n = (struct number){.digits = s, .n_digits = count_digits(s)};
    if (!*s)
        return say(buf, size, why, "it is empty; write %s", eg);
    if (*s == '-' || *s == '+')
        return say(buf, size, why, "a sign is not legal; write %s", eg);
    if (n->n_digits == 0)
        return say(buf, size, why, "it is not a number; write %s", eg);
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
        return say(buf, size, why, "hexadecimal is not legal; write %s", eg);
    if (s[0] == '0' && (n->n_digits > 1 || lower(s[1]) == 'o'))
        return say(buf, size, why, "leading zeros (octal?) are not legal; write %s", eg);
    s += n->n_digits;
    if (*s == '.' && is_digit(s[1])) {
        n->frac = s + 1;
        n->n_frac = count_digits(n->frac);
        s = n->frac + n->n_frac;
    }
    if (*s == '_' || *s == ',')
        return say(buf, size, why, "digit separators are not legal; write %s", eg);
    if (lower(*s) == 'e' && (is_digit(s[1]) || s[1] == '+' || s[1] == '-'))
        return say(buf, size, why, "exponents are not legal; write %s", eg);
    if (n->frac && unit != UNIT_HZ)
        return say(buf, size, why, "fractions are not legal; write %s", eg);
    if (*s == '.')
        return say(buf, size, why, "it is not a number; write %s", eg);
    n->unit = *s == ' ' ? s + 1 : s;
    if (*s == ' ' && !s[1])
        return say(buf, size, why, "it ends in a blank; write %s", eg);
    return true;
}

/* What the author of a wrong unit most likely meant: same first letter. */
static const char *intended_unit(const char *unit, enum unit kind)
{
    const struct scale *s = kind == UNIT_BYTES ? byte_scales : hz_scales;

    for (; s->name; s++)
        if (lower(unit[0]) == lower(s->name[0]) && (s->factor > 1 || kind == UNIT_BYTES || unit[1]))
            return s->name;
    return kind == UNIT_BYTES ? "KiB" : "MHz";
}

static bool find_scale(const struct number *n, enum unit unit, uint64_t *factor, char *buf, size_t size,
                       const char **why)
{
    const struct scale *s = unit == UNIT_BYTES ? byte_scales : hz_scales;
    int len = (int)(n->n_digits > 20 ? 20 : n->n_frac ? n->n_digits + 1 + n->n_frac : n->n_digits);
    const char *legal = unit == UNIT_BYTES ? "B, KiB, MiB, GiB" : "Hz, kHz, MHz, GHz";

    if (unit == UNIT_NONE) {
        *factor = 1;
        if (!*n->unit)
            return true;
        return say(buf, size, why, "'%s' does not belong there; write a plain integer such as %.*s",
                   n->unit, len, n->digits);
    }
    for (; s->name; s++)
        if (strcmp(s->name, n->unit) == 0) {
            *factor = s->factor;
            return true;
        }
    if (!*n->unit)
        return say(buf, size, why, "it has no unit; legal units: %s, e.g. '%.*s %s'", legal, len, n->digits,
                   unit == UNIT_BYTES ? "KiB" : "MHz");
    return say(buf, size, why, "'%s' is not a unit; legal units: %s, e.g. '%.*s %s'", n->unit, legal, len,
               n->digits, intended_unit(n->unit, unit));
}

bool text_parse_u64(const char *s, enum unit unit, uint64_t *out, char *buf, size_t buf_size,
                    const char **why)
{
    struct number n;
    uint64_t factor;
    u128 v = 0, part = 0, part_scale = 1;

    if (!split_number(s, unit, &n, buf, buf_size, why) || !find_scale(&n, unit, &factor, buf, buf_size, why))
        return false;
    for (size_t i = 0; i < n.n_digits && v <= UINT64_MAX; i++)
        v = v * 10 + (u128)(n.digits[i] - '0');
    while (n.n_frac && n.frac[n.n_frac - 1] == '0')
        n.n_frac--;
    if (n.n_frac > 9)
        return say(buf, buf_size, why, "it is not a whole number of Hz; write %s", example(unit));
    for (size_t i = 0; i < n.n_frac; i++) {
        part = part * 10 + (u128)(n.frac[i] - '0');
        part_scale *= 10;
    }
    if (part * factor % part_scale)
        return say(buf, buf_size, why, "it is not a whole number of Hz; write %s", example(unit));
    v = v * factor + part * factor / part_scale;
    if (v > UINT64_MAX)
        return say(buf, buf_size, why, "it does not fit in 64 bits");
    *out = (uint64_t)v;
    return true;
}

bool text_parse_i64(const char *s, int64_t *out)
{
    bool negative = *s == '-';
    char buf[8];
    const char *why;
    uint64_t v;

    s += negative;
    if (!text_parse_u64(s, UNIT_NONE, &v, buf, sizeof(buf), &why))
        return false;
    if (v > (uint64_t)INT64_MAX + negative || (negative && v == 0))
        return false;
    *out = negative ? -(int64_t)(v - 1) - 1 : (int64_t)v;
    return true;
}

bool text_parse_real(const char *s, double *out)
{
    const char *p = s;
    size_t n;
    double v;

    p += *p == '-';
    n = count_digits(p);
    if (n == 0 || (n > 1 && *p == '0'))
        return false;
    p += n;
    if (*p == '.') {
        n = count_digits(p + 1);
        if (n == 0)
            return false;
        p += 1 + n;
    }
    if (lower(*p) == 'e') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        n = count_digits(p);
        if (n == 0)
            return false;
        p += n;
    }
    if (*p)
        return false;
    v = strtod(s, NULL);
    if (!isfinite(v))
        return false;
    *out = v;
    return true;
}

enum { MAX_NAME = 64 };

/* Edit distance where swapping two neighbours is one edit, as it is one typo. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][MAX_NAME + 1];

    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned *row = rows[i % 3], *prev = rows[(i + 2) % 3], *prev2 = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = prev[j - 1] + (a[i - 1] != b[j - 1]);

            best = prev[j] + 1 < best ? prev[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && prev2[j - 2] + 1 < best)
                best = prev2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[na % 3][nb];
}

/* The only name that begins with s. */
static const char *begun(const char *s, size_t len, const char *const *names, size_t n)
{
    const char *found = NULL;
    for (size_t i = 0; len > 2 && i < n; i++) {
        if (strncmp(s, names[i], len) != 0)
            continue;
        if (found)
            return NULL;
        found = names[i];
    }
    return found;
}

const char *text_nearest(const char *s, const char *const *names, size_t n)
{
    size_t len = strlen(s), name_len;
    unsigned best = len / 3 > 1 ? (unsigned)(len / 3) : 1, d;
    const char *found = NULL;

    if (len == 0 || len > MAX_NAME)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        name_len = strlen(names[i]);
        if (name_len > MAX_NAME)
            continue;
        d = distance(s, len, names[i], name_len);
        if (d > best || (found && d == best))
            continue;
        best = d;
        found = names[i];
    }
    return found ? found : begun(s, len, names, n);
}

static const char *scaled(uint64_t v, const struct scale *s, char *buf, size_t size)
{
    while (s->factor > 1 && (v == 0 || v % s->factor))
        s++;
    snprintf(buf, size, "%" PRIu64 " %s", v / s->factor, s->name);
    return buf;
}

const char *text_bytes(uint64_t bytes, char *buf, size_t size)
{
    return scaled(bytes, byte_scales, buf, size);
}

const char *text_hz(uint64_t hz, char *buf, size_t size)
{
    return scaled(hz, hz_scales, buf, size);
}

const char *text_si(double v, char *buf, size_t size)
{
    static const char *const prefix[] = {"f", "p", "n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    double m = fabs(v);
    int p = 5, decimals;

    if (!isfinite(v) || v == 0) {
        snprintf(buf, size, "%g", v == 0 ? 0 : v);
        return buf;
    }
    for (; m >= 999.5 && p < 11; p++)
        m /= 1000;
    for (; m < 0.9995 && p > 0; p--)
        m *= 1000;
    decimals = p == 5 && m == floor(m) ? 0 : m < 9.995 ? 2 : m < 99.95 ? 1 : 0;
    snprintf(buf, size, "%s%.*f%s%s", v < 0 ? "-" : "", decimals, m, *prefix[p] ? " " : "", prefix[p]);
    return buf;
}

const char *text_real(double v, char *buf, size_t size)
{
    assert(buf);
    if (v == floor(v) && fabs(v) < 1e15) {
        snprintf(buf, size, "%.0f", v);
        return buf;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, size, "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    return buf;
}
