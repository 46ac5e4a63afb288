/* 128-bit content hash and a small seeded generator for tests and searches. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint8_t b[16];
};
/* Murmur3 x64 128 (public domain algorithm), seed 0. Not cryptographic. */
struct hash128 hash_bytes(const void *data, size_t len);
void hash_hex(const struct hash128 *h, char out[33]);
uint64_t hash64(const void *data, size_t len); /* fast, for state comparison */

struct rng { /* splitmix64 */
    uint64_t s;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n), n > 0 */

#endif
