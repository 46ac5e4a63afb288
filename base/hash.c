#include "base/hash.h"

#include <string.h>

/* Murmur3 x64 128: A. Appleby, MurmurHash3, public domain. Words are read
 * little-endian byte by byte, so that every host gives the same digest. */
static const uint64_t c1 = 0x87c37b91114253d5, c2 = 0x4cf5ad432745937f;

static uint64_t rotl(uint64_t x, int r)
{
    return x << r | x >> (64 - r);
}

static uint64_t read_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t read8_le(const uint8_t *p)
{
    return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static void write_le(uint8_t *p, uint64_t v)
{
    for (size_t i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t fmix(uint64_t k)
{
    k ^= k >> 33;
    k *= 0xff51afd7ed558ccd;
    k ^= k >> 33;
    k *= 0xc4ceb9fe1a85ec53;
    return k ^ k >> 33;
}

struct hash128 hash_bytes(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t h1 = 0, h2 = 0;
    size_t left = len;
    struct hash128 out;

    for (; left >= 16; p += 16, left -= 16) {
        h1 ^= rotl(read8_le(p) * c1, 31) * c2;
        h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= rotl(read8_le(p + 8) * c2, 33) * c1;
        h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    if (left > 8)
        h2 ^= rotl(read_le(p + 8, left - 8) * c2, 33) * c1;
    if (left > 0)
        h1 ^= rotl(read_le(p, left < 8 ? left : 8) * c1, 31) * c2;
    h1 ^= len;
    h2 ^= len;
    h1 += h2;
    h2 += h1;
    h1 = fmix(h1);
    h2 = fmix(h2);
    h1 += h2;
    h2 += h1;
    write_le(out.b, h1);
    write_le(out.b + 8, h2);
    return out;
}

void hash_hex(const struct hash128 *h, char out[33])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++) {
        out[2 * i] = digits[h->b[i] >> 4];
        out[2 * i + 1] = digits[h->b[i] & 15];
    }
    out[32] = '\0';
}

/* Folds a 64x64 multiplication: both halves depend on all bits of both words. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t hash64(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t h = 0x9e3779b97f4a7c15 ^ len, a, b;

    for (; len >= 16; p += 16, len -= 16) {
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        h = fold(a ^ 0xa0761d6478bd642f, b ^ h);
    }
    a = read_le(p, len < 8 ? len : 8);
    b = len > 8 ? read_le(p + 8, len - 8) : 0;
    h = fold(a ^ 0xe7037ed1a0b428db, b ^ h);
    return fmix(h);
}

/* splitmix64: S. Vigna, public domain. */
uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    uint64_t reject = -n % n, x; /* 2^64 mod n: without it small results would be favoured */

    do
        x = rng_next(r);
    while (x < reject);
    return x % n;
}
