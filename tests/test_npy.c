/* .npy files: what is read, what is refused, and that nothing makes it crash. */
#include "base/npy.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t build(unsigned char *out, unsigned major, const char *header, const void *data, size_t size)
{
    size_t len = strlen(header), at = major == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)major;
    out[7] = 0;
    out[8] = (unsigned char)(len & 255);
    out[9] = (unsigned char)(len >> 8);
    if (major == 2)
        out[10] = out[11] = 0;
    memcpy(out + at, header, len);
    if (size)
        memcpy(out + at + len, data, size);
    return at + len + size;
}

static int code_of(const unsigned char *bytes, size_t n)
{
    struct arena a = {0};
    struct err err = {0};
    struct npy t;
    npy_parse(&a, "t.npy", bytes, n, &t, &err);
    int code = (int)err.code;
    err_finish(&err);
    arena_finish(&a);
    return code;
}

Test(npy, reads_its_types)
{
    static const struct {
        const char *descr;
        unsigned char data[16];
        size_t size;
    } cases[] = {
        {"<f4", {0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0}, 8},
        {"<f8", {0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}, 16},
    };
    for (unsigned i = 0; i < 2; i++)
        for (unsigned major = 1; major <= 2; major++) {
            char header[128];
            unsigned char file[256];
            struct arena a = {0};
            struct err err = {0};
            struct npy t;
            snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }\n",
                     cases[i].descr);
            size_t n = build(file, major, header, cases[i].data, cases[i].size);
            cr_assert(npy_parse(&a, "t.npy", file, n, &t, &err), "%s", cases[i].descr);
            cr_expect_eq(t.n, 2);
            cr_expect_eq(t.v[0], 1.5);
            cr_expect_eq(t.v[1], -2.0);
            err_finish(&err);
            arena_finish(&a);
        }
}

Test(npy, writes_what_it_reads)
{
    static const double v[6] = {-3, 0, 127, 5, -128, 1};
    const uint64_t dim[2] = {2, 3};
    char path[] = "/tmp/retsim-npy-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    for (unsigned type = 0; type < N_NPY_TYPES; type++) {
        struct arena a = {0};
        struct err err = {0};
        struct npy t;
        cr_assert(npy_save(path, (enum npy_type)type, 2, dim, v, &err));
        cr_assert(npy_load(&a, path, &t, &err));
        cr_expect(t.type == type && t.n_dims == 2 && t.dim[0] == 2 && t.dim[1] == 3);
        cr_expect(memcmp(t.v, v, sizeof v) == 0, "type %u", type);
        err_finish(&err);
        arena_finish(&a);
    }
    unlink(path);
}

Test(npy, refuses_with_bad_data)
{
    static const char *const headers[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", /* big endian */
        "{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '<f4', 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", /* shorter than it says */
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }", /* longer */
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        "{'descr': '<f4', 'fortran_order': False, }",
        "",
    };
    static const unsigned char one[4] = {0, 0, 0x80, 0x3f}, nan[4] = {0, 0, 0xc0, 0x7f};
    unsigned char file[512];
    for (unsigned i = 0; i < sizeof headers / sizeof headers[0]; i++)
        cr_expect_eq(code_of(file, build(file, 1, headers[i], one, 4)), 65, "%s", headers[i]);
    const char *good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
    cr_expect_eq(code_of(file, build(file, 1, good, one, 4)), 0);
    cr_expect_eq(code_of(file, build(file, 1, good, nan, 4)), 65);
    file[6] = 3;
    cr_expect_eq(code_of(file, build(file, 3, good, one, 4)), 65);
}

/* Any damage is an error or another tensor, never a crash or a huge allocation. */
Test(npy, survives_damage)
{
    const char *good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    static const float data[6] = {1, 2, 3, 4, 5, 6};
    unsigned char file[256], damaged[256];
    size_t n = build(file, 1, good, data, sizeof data);
    uint64_t s = 88172645463325252u;
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(damaged, file, n);
        for (unsigned k = 0; k < 1 + i % 4; k++) {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            damaged[s % n] = (unsigned char)(s >> 32);
        }
        size_t len = i % 3 ? n : s % (n + 1);
        int code = code_of(damaged, len);
        cr_assert(code == 0 || code == 65);
    }
}
