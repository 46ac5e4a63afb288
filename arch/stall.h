/* When a stream is not there: a pattern of cycles in which its valid or ready
 * is low. Cycles count from the start of the run. */
#ifndef ARCH_STALL_H
#define ARCH_STALL_H

#include <stdbool.h>
#include <stdint.h>

enum stall_kind { STALL_NONE, STALL_LOW_WHEN, STALL_HIGH_WHEN, STALL_HASH8, STALL_HASH1024 };
enum stall_test { STALL_EQ, STALL_GE, STALL_LT };

enum { STALL_MAX_PERIOD = 1 << 20 };

struct stall { /* zero: never low */
    uint8_t kind, test; /* enum stall_kind, enum stall_test */
    uint32_t modulus, value;
};

/* What stall_parse takes, for messages. */
#define STALL_GRAMMAR "none, low_when_c%N==K, high_only_when_c%N==K (also >= and <), " \
                      "low_when_hash8==0, low_when_hash1024<102; N up to 1048576"

/* False when `text` is not of the grammar. */
bool stall_parse(struct stall *s, const char *text);
/* Is the stream low for ever? */
bool stall_always(const struct stall *s);
/* Low in this cycle? `port` tells streams with the same hash apart. */
bool stall_low(const struct stall *s, uint64_t cycle, unsigned port);
/* The pattern of the future depends on the cycle modulo this. */
uint64_t stall_period(const struct stall *s);

#endif
