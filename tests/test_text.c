#include "base/arena.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Test(text, buffer_grows)
{
    struct text t = {0};

    for (int i = 0; i < 1000; i++)
        text_printf(&t, "%03d,", i);
    cr_assert_eq(t.len, 4000);
    cr_assert_eq(strlen(t.s), 4000);
    cr_assert_str_eq(t.s + 3996, "999,");
    text_finish(&t);
    cr_assert_null(t.s);
    text_add(&t, "ab");
    text_addn(&t, "cdef", 1);
    cr_assert_str_eq(t.s, "abc");
    text_finish(&t);
}

struct legal {
    const char *s;
    enum unit unit;
    uint64_t want;
};

Test(text, legal_integers)
{
    static const struct legal cases[] = {
        {"0", UNIT_NONE, 0},
        {"16", UNIT_NONE, 16},
        {"18446744073709551615", UNIT_NONE, UINT64_MAX},
        {"0 B", UNIT_BYTES, 0},
        {"1 B", UNIT_BYTES, 1},
        {"64 KiB", UNIT_BYTES, 65536},
        {"64KiB", UNIT_BYTES, 65536},
        {"3 MiB", UNIT_BYTES, 3145728},
        {"17179869183 GiB", UNIT_BYTES, UINT64_MAX - (1 << 30) + 1},
        {"200 MHz", UNIT_HZ, 200000000},
        {"333.3 MHz", UNIT_HZ, 333300000},
        {"333.333333 MHz", UNIT_HZ, 333333333},
        {"0.5 GHz", UNIT_HZ, 500000000},
        {"1.500000000000000 kHz", UNIT_HZ, 1500},
        {"1.0 Hz", UNIT_HZ, 1},
        {"18.446744073 GHz", UNIT_HZ, 18446744073},
    };
    const char *why;
    char buf[200];
    uint64_t v;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert(text_parse_u64(cases[i].s, cases[i].unit, &v, buf, sizeof(buf), &why), "%s: %s", cases[i].s,
                  why);
        cr_assert_eq(v, cases[i].want, "%s gives %lu", cases[i].s, v);
    }
}

struct illegal {
    const char *s;
    enum unit unit;
    const char *says;
};

Test(text, illegal_integers_say_why)
{
    static const struct illegal cases[] = {
        {"", UNIT_NONE, "empty"},
        {"-1", UNIT_NONE, "sign"},
        {"+1", UNIT_NONE, "sign"},
        {"010", UNIT_NONE, "octal"},
        {"00", UNIT_NONE, "octal"},
        {"0o17", UNIT_NONE, "octal"},
        {"0x10", UNIT_NONE, "hexadecimal"},
        {"1_000", UNIT_NONE, "separators"},
        {"1,000", UNIT_NONE, "separators"},
        {"1e3", UNIT_NONE, "exponents"},
        {"1.5", UNIT_NONE, "fractions"},
        {"1.", UNIT_NONE, "not a number"},
        {".5", UNIT_NONE, "not a number"},
        {"ten", UNIT_NONE, "not a number"},
        {" 1", UNIT_NONE, "not a number"},
        {"1 ", UNIT_NONE, "blank"},
        {"8 KiB", UNIT_NONE, "'KiB' does not belong there; write a plain integer such as 8"},
        {"18446744073709551616", UNIT_NONE, "64 bits"},
        {"99999999999999999999999999999999999999999999999999", UNIT_NONE, "64 bits"},
        {"64", UNIT_BYTES, "no unit; legal units: B, KiB, MiB, GiB, e.g. '64 KiB'"},
        {"64 KB", UNIT_BYTES, "'KB' is not a unit; legal units: B, KiB, MiB, GiB, e.g. '64 KiB'"},
        {"64kB", UNIT_BYTES, "'64 KiB'"},
        {"2 M", UNIT_BYTES, "'2 MiB'"},
        {"2 gib", UNIT_BYTES, "'2 GiB'"},
        {"64  KiB", UNIT_BYTES, "not a unit"},
        {"64 KiB ", UNIT_BYTES, "not a unit"},
        {"1.5 KiB", UNIT_BYTES, "fractions"},
        {"17179869184 GiB", UNIT_BYTES, "64 bits"},
        {"200", UNIT_HZ, "no unit; legal units: Hz, kHz, MHz, GHz, e.g. '200 MHz'"},
        {"200 mhz", UNIT_HZ, "'200 MHz'"},
        {"1.5 ghz", UNIT_HZ, "'1.5 GHz'"},
        {"200 MHZ", UNIT_HZ, "'200 MHz'"},
        {"0.5 Hz", UNIT_HZ, "whole number of Hz"},
        {"333.3333333 MHz", UNIT_HZ, "whole number of Hz"},
        {"1.0000000001 GHz", UNIT_HZ, "whole number of Hz"},
        {"18446744074 GHz", UNIT_HZ, "64 bits"},
        {"5. MHz", UNIT_HZ, "not a number"},
        {"1.2.3 MHz", UNIT_HZ, "not a number"},
    };
    const char *why;
    char buf[200];
    uint64_t v;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        why = NULL;
        v = 4711;
        cr_assert(!text_parse_u64(cases[i].s, cases[i].unit, &v, buf, sizeof(buf), &why), "'%s' is taken",
                  cases[i].s);
        cr_assert(strstr(why, cases[i].says), "'%s' says: %s", cases[i].s, why);
        cr_assert_eq(v, 4711);
    }
}

Test(text, a_small_buffer_cuts_the_reason)
{
    const char *why;
    char buf[8];
    uint64_t v;

    cr_assert(!text_parse_u64("x", UNIT_HZ, &v, buf, sizeof(buf), &why));
    cr_assert_str_eq(why, "it is n");
}

Test(text, signed_integers)
{
    int64_t v;

    cr_assert(text_parse_i64("-9223372036854775808", &v) && v == INT64_MIN);
    cr_assert(text_parse_i64("9223372036854775807", &v) && v == INT64_MAX);
    cr_assert(text_parse_i64("-5", &v) && v == -5);
    cr_assert(text_parse_i64("0", &v) && v == 0);
    cr_assert(!text_parse_i64("-0", &v));
    cr_assert(!text_parse_i64("--5", &v));
    cr_assert(!text_parse_i64("-", &v));
    cr_assert(!text_parse_i64("9223372036854775808", &v));
    cr_assert(!text_parse_i64("-9223372036854775809", &v));
}

Test(text, reals)
{
    static const char *const bad[] = {"", "-", ".5", "5.", "1e", "1e+", "inf", "nan", "0x1p3", "01.5", "1.5 ",
                                      "1e999", "+1", "1.5f"};
    double v;

    cr_assert(text_parse_real("0.8", &v) && v == 0.8);
    cr_assert(text_parse_real("-1.25e-3", &v) && v == -1.25e-3);
    cr_assert(text_parse_real("3", &v) && v == 3);
    cr_assert(text_parse_real("1E6", &v) && v == 1e6);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(!text_parse_real(bad[i], &v), "'%s' is taken", bad[i]);
}

Test(text, reals_are_written_short_and_exact)
{
    struct rng r = {1};
    char buf[40];
    double v, back;

    cr_assert_str_eq(text_real(0.1, buf, sizeof(buf)), "0.1");
    cr_assert_str_eq(text_real(100, buf, sizeof(buf)), "100");
    cr_assert_str_eq(text_real(1e20, buf, sizeof(buf)), "1e+20");
    cr_assert_str_eq(text_real(1.0 / 3, buf, sizeof(buf)), "0.3333333333333333");
    for (int i = 0; i < 10000; i++) {
        v = ((double)rng_next(&r) - 9e18) * pow(2, (double)rng_below(&r, 300) - 200);
        cr_assert(text_parse_real(text_real(v, buf, sizeof(buf)), &back) && back == v, "%s", buf);
    }
}

Test(text, nearest_name)
{
    static const char *const names[] = {"rows", "cols", "dataflow", "bytes"};

    cr_assert_str_eq(text_nearest("rowz", names, 4), "rows");
    cr_assert_str_eq(text_nearest("rwos", names, 4), "rows"); /* a swap is one typo */
    cr_assert_str_eq(text_nearest("row", names, 4), "rows");
    cr_assert_str_eq(text_nearest("dtaflwo", names, 4), "dataflow");
    cr_assert_null(text_nearest("xyz", names, 4));
    cr_assert_null(text_nearest("r", names, 4));
    cr_assert_null(text_nearest("", names, 4));
    cr_assert_null(text_nearest("rows", names, 0));
    static const char *const long_names[] = {"latency-vs-seq", "energy-vs-seq", "energy-breakdown", "power"};
    cr_assert_str_eq(text_nearest("latency", long_names, 4), "latency-vs-seq"); /* begun, not finished */
    cr_assert_null(text_nearest("energy", long_names, 4)); /* two begin so */
    cr_assert_null(text_nearest("la", long_names, 4));
}

Test(text, sizes_and_frequencies_as_text)
{
    char buf[32];

    cr_assert_str_eq(text_bytes(65536, buf, sizeof(buf)), "64 KiB");
    cr_assert_str_eq(text_bytes(65537, buf, sizeof(buf)), "65537 B");
    cr_assert_str_eq(text_bytes(0, buf, sizeof(buf)), "0 B");
    cr_assert_str_eq(text_bytes((uint64_t)5 << 30, buf, sizeof(buf)), "5 GiB");
    cr_assert_str_eq(text_hz(200000000, buf, sizeof(buf)), "200 MHz");
    cr_assert_str_eq(text_hz(333300000, buf, sizeof(buf)), "333300 kHz");
    cr_assert_str_eq(text_hz(1, buf, sizeof(buf)), "1 Hz");
}

Test(text, si_prefixes)
{
    static const struct {
        double v;
        const char *want;
    } cases[] = {
        {0, "0"},          {5, "5"},           {999, "999"},         {1234567, "1.23 M"}, {45600, "45.6 k"},
        {999499, "999 k"}, {999600, "1.00 M"}, {0.00125, "1.25 m"},  {-1500, "-1.50 k"},  {12.34, "12.3"},
        {1e30, "1000000000000 E"}, {3.2e-15, "3.20 f"},
    };
    char buf[40];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_str_eq(text_si(cases[i].v, buf, sizeof(buf)), cases[i].want);
}

Test(arena, keeps_what_it_gives)
{
    struct arena a = {0};
    char *strings[500];
    unsigned char *big;

    for (int i = 0; i < 500; i++)
        strings[i] = arena_printf(&a, "number %d", i);
    big = arena_alloc(&a, 3 << 20);
    cr_assert_eq((uintptr_t)big % 16, 0);
    for (size_t i = 0; i < 3 << 20; i++)
        cr_assert_eq(big[i], 0);
    cr_assert_str_eq(strings[0], "number 0");
    cr_assert_str_eq(strings[499], "number 499");
    cr_assert_str_eq(arena_strndup(&a, "abcdef", 3), "abc");
    cr_assert_geq(a.total_bytes, a.used_bytes);
    arena_finish(&a);
    cr_assert(a.head == NULL && a.used_bytes == 0);
    cr_assert_str_eq(arena_strdup(&a, "again"), "again");
    arena_finish(&a);
}

static void check_hash(const char *s, const char *want)
{
    struct hash128 h = hash_bytes(s, strlen(s));
    char hex[33];

    hash_hex(&h, hex);
    cr_assert_str_eq(hex, want, "'%s' gives %s", s, hex);
}

/* Digests as the reference implementation stores them: two little-endian words. */
Test(hash, murmur3_known_answers)
{
    check_hash("", "00000000000000000000000000000000");
    check_hash("hello", "029bbd41b3a7d8cb191dae486a901e5b");
    check_hash("The quick brown fox jumps over the lazy dog", "6c1b07bc7bbc4be347939ac4a93c437a");
}

Test(hash, every_byte_and_every_length_counts)
{
    unsigned char data[64] = {0};
    uint64_t seen[64 + 64], h;
    size_t n = 0;

    for (size_t len = 0; len < 64; len++)
        seen[n++] = hash64(data, len);
    for (size_t i = 0; i < 64; i++) {
        struct hash128 before = hash_bytes(data, 64), after;

        data[i] = 1;
        after = hash_bytes(data, 64);
        cr_assert(memcmp(&before, &after, sizeof(before)) != 0);
        seen[n++] = hash64(data, 64);
        data[i] = 0;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert(seen[i] != seen[j], "%zu and %zu collide", i, j);
    h = hash64(data, 64);
    cr_assert_eq(h, hash64(data, 64));
}

Test(hash, splitmix_known_answer_and_range)
{
    struct rng r = {1234567};
    unsigned counts[7] = {0};

    cr_assert_eq(rng_next(&r), 6457827717110365317u);
    cr_assert_eq(rng_next(&r), 3203168211198807973u);
    for (int i = 0; i < 70000; i++)
        counts[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        cr_assert(counts[i] > 9500 && counts[i] < 10500, "%u", counts[i]);
    cr_assert_eq(rng_below(&r, 1), 0);
}

Test(json, nesting_commas_and_escapes)
{
    struct text t = {0};
    struct json j;

    json_begin(&j, &t);
    json_open(&j, NULL, '{');
    json_u64(&j, "max", UINT64_MAX);
    json_real(&j, "x", 0.5);
    json_real(&j, "nan", NAN);
    json_str(&j, "s", "q\" b\\ \n\t\x01 \xc3\xa9 \xff");
    json_str(&j, "none", NULL);
    json_bool(&j, "yes", true);
    json_open(&j, "list", '[');
    json_open(&j, NULL, '{');
    json_close(&j, '}');
    json_u64(&j, NULL, 1);
    json_u64(&j, NULL, 2);
    json_close(&j, ']');
    json_bool(&j, "no", false);
    json_close(&j, '}');
    cr_assert_str_eq(t.s, "{\"max\":18446744073709551615,\"x\":0.5,\"nan\":null,"
                          "\"s\":\"q\\\" b\\\\ \\n\\t\\u0001 \xc3\xa9 \\ufffd\",\"none\":null,\"yes\":true,"
                          "\"list\":[{},1,2],\"no\":false}");
    text_finish(&t);
}
