/* Text: growing buffer, units, suggestions, SI formatting. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text { /* zero-initialise */
    char *s;  /* NUL terminated once something was added, else NULL */
    size_t len, cap;
};
void text_add(struct text *t, const char *s);
void text_addn(struct text *t, const char *s, size_t n);
void text_u64(struct text *t, uint64_t v); /* decimal */
__attribute__((format(printf, 2, 3))) void text_printf(struct text *t, const char *fmt, ...);
void text_finish(struct text *t);

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_HZ };

/* Whole-string decimal parse: no sign, no leading zeros, no 0x, no blanks but
 * the one between number and unit. UNIT_BYTES needs B/KiB/MiB/GiB, UNIT_HZ
 * needs Hz/kHz/MHz/GHz (a decimal fraction such as `333.3 MHz` is legal when
 * the result is an integer). On failure returns false and *why says what is
 * wrong and what is legal (static or within `buf`). */
bool text_parse_u64(const char *s, enum unit unit, uint64_t *out, char *buf, size_t buf_size,
                    const char **why);
bool text_parse_i64(const char *s, int64_t *out);
bool text_parse_real(const char *s, double *out); /* decimal, finite, whole string */

/* Nearest name with edit distance <= max(1, len/3), else the only one that begins with s, or NULL. */
const char *text_nearest(const char *s, const char *const *names, size_t n);

/* `64 KiB`, `200 MHz`: the largest unit that divides exactly. Static-free: writes to buf. */
const char *text_bytes(uint64_t bytes, char *buf, size_t size);
const char *text_hz(uint64_t hz, char *buf, size_t size);
/* Human readable with 3 significant digits and SI prefix: 1.23 M, 45.6 k. */
const char *text_si(double v, char *buf, size_t size);
/* The fewest digits that read back as the same double. */
const char *text_real(double v, char *buf, size_t size);

#endif
