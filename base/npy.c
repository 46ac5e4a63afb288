#include "base/npy.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 30, MAX_HEADER_BYTES = 1 << 16 };

static const struct {
    const char *descr;
    unsigned size;
} types[N_NPY_TYPES] = {{"<f4", 4}, {"<f8", 8}, {"|i1", 1}, {"<i2", 2}, {"<i4", 4}};

static bool bad(struct err *err, const char *name, const char *what)
{
    struct place at = {.file = name};
    return err_add(err, ERR_DATA, &at, "%s", what);
}

/* The text after `'key':` of the header's dictionary, NULL when it is not there. */
static const char *entry(const char *header, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " ");
}

static bool parse_type(const char *name, const char *header, struct npy *out, struct err *err)
{
    const char *d = entry(header, "descr");
    for (unsigned t = 0; d && t < N_NPY_TYPES; t++) {
        size_t n = strlen(types[t].descr);
        bool same = d[0] == '\'' && strncmp(d + 1, types[t].descr, n) == 0 && d[1 + n] == '\'';
        bool byte = t == NPY_I8 && strncmp(d, "'<i1'", 5) == 0;
        if (!same && !byte)
            continue;
        out->type = (enum npy_type)t;
        return true;
    }
    return bad(err, name, "its type is not one that retsim reads; legal: <f4, <f8, |i1, <i2, <i4");
}

static bool parse_shape(const char *name, const char *header, struct npy *out, struct err *err)
{
    const char *s = entry(header, "shape");
    if (!s || *s++ != '(')
        return bad(err, name, "its header has no shape");
    out->n = 1;
    for (s += strspn(s, " "); *s != ')'; s += strspn(s, " ")) {
        char *end;
        if (*s < '0' || *s > '9' || out->n_dims == NPY_MAX_DIMS)
            return bad(err, name, "its shape is not one to four sizes");
        uint64_t d = strtoull(s, &end, 10);
        if (d > MAX_FILE_BYTES || (d && out->n > MAX_FILE_BYTES / d))
            return bad(err, name, "its shape is larger than any file that retsim reads (1 GiB)");
        out->dim[out->n_dims++] = d;
        out->n *= d;
        s = end + strspn(end, " ");
        if (*s == ',')
            s++;
        else if (*s != ')')
            return bad(err, name, "its shape is not one to four sizes");
    }
    return true;
}

static double element(enum npy_type t, const unsigned char *p)
{
    float f;
    double d;
    int16_t h;
    int32_t w;
    switch (t) {
    case NPY_F32: memcpy(&f, p, 4); return (double)f;
    case NPY_F64: memcpy(&d, p, 8); return d;
    case NPY_I8: return (double)(int8_t)*p;
    case NPY_I16: memcpy(&h, p, 2); return (double)h;
    default: memcpy(&w, p, 4); return (double)w;
    }
}

static bool parse_data(struct arena *a, const char *name, const unsigned char *data, size_t size,
                       struct npy *out, struct err *err)
{
    struct place at = {.file = name};
    unsigned width = types[out->type].size;
    if (size != out->n * width)
        return err_add(err, ERR_DATA, &at, "it has %zu bytes of data; its shape asks for %" PRIu64, size,
                       out->n * width);
    double *v = ARENA_NEW(a, double, out->n ? out->n : 1);
    for (uint64_t i = 0; i < out->n; i++) {
        v[i] = element(out->type, data + i * width);
        if (!isfinite(v[i]))
            return err_add(err, ERR_DATA, &at, "element %" PRIu64 " is not a finite number", i);
    }
    out->v = v;
    return true;
}

bool npy_parse(struct arena *a, const char *name, const unsigned char *bytes, size_t size, struct npy *out,
               struct err *err)
{
    memset(out, 0, sizeof *out);
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return bad(err, name, "it is no .npy file");
    if ((bytes[6] != 1 && bytes[6] != 2) || bytes[7] != 0)
        return bad(err, name, "its version is not one that retsim reads; legal: 1.0 and 2.0");
    size_t start = bytes[6] == 1 ? 10 : 12, len = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] == 2 && size >= 12)
        len |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (len > MAX_HEADER_BYTES || size < start || size - start < len)
        return bad(err, name, "its header is cut short");
    const char *header = arena_strndup(a, (const char *)bytes + start, len);
    const char *order = entry(header, "fortran_order");
    if (!order || strncmp(order, "False", 5) != 0)
        return bad(err, name, "its elements are not in C order");
    return parse_type(name, header, out, err) && parse_shape(name, header, out, err) &&
           parse_data(a, name, bytes + start + len, size - start - len, out, err);
}

bool npy_load(struct arena *a, const char *path, struct npy *out, struct err *err)
{
    const char *name = arena_strdup(a, path);
    struct place at = {.file = name};
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_add(err, ERR_NOINPUT, &at, "cannot be opened");
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (size < 0 || size > MAX_FILE_BYTES || fseek(f, 0, SEEK_SET) != 0) {
        fclose(f);
        return err_add(err, ERR_DATA, &at, "cannot be read, or is longer than 1 GiB");
    }
    unsigned char *bytes = xrealloc(NULL, (size_t)size + 1, 1);
    size_t got = fread(bytes, 1, (size_t)size, f);
    fclose(f);
    bool ok = npy_parse(a, name, bytes, got, out, err);
    free(bytes);
    return ok;
}

static void put_element(enum npy_type t, double v, unsigned char *p)
{
    float f = (float)v;
    long long i = llround(v);
    int8_t b = (int8_t)i;
    int16_t h = (int16_t)i;
    int32_t w = (int32_t)i;
    const void *from[N_NPY_TYPES] = {&f, &v, &b, &h, &w};
    memcpy(p, from[t], types[t].size);
}

bool npy_save(const char *path, enum npy_type type, unsigned n_dims, const uint64_t *dim, const double *v,
              struct err *err)
{
    struct text h = {0};
    struct place at = {.file = path};
    uint64_t n = 1;
    text_printf(&h, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].descr);
    for (unsigned i = 0; i < n_dims; i++) {
        text_printf(&h, i ? ", %" PRIu64 : "%" PRIu64, dim[i]);
        n *= dim[i];
    }
    text_add(&h, n_dims == 1 ? ",), }" : "), }");
    while ((10 + h.len + 1) % 64)
        text_add(&h, " ");
    text_add(&h, "\n");
    FILE *f = fopen(path, "wb");
    if (!f) {
        text_finish(&h);
        return err_add(err, ERR_CANTCREAT, &at, "cannot be created");
    }
    unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(h.len & 255),
                              (unsigned char)(h.len >> 8)}, e[8];
    bool ok = fwrite(head, 1, 10, f) == 10 && fwrite(h.s, 1, h.len, f) == h.len;
    for (uint64_t i = 0; i < n && ok; i++) {
        put_element(type, v[i], e);
        ok = fwrite(e, types[type].size, 1, f) == 1;
    }
    ok = fclose(f) == 0 && ok;
    text_finish(&h);
    return ok || err_add(err, ERR_IO, &at, "cannot be written");
}
