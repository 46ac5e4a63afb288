/* NumPy's .npy files, versions 1.0 and 2.0: little-endian f4, f8, i1, i2, i4 in C
 * order. Anything else is an error that says what is legal. What a header merely
 * claims is never allocated: the file must be as long as it says. */
#ifndef BASE_NPY_H
#define BASE_NPY_H

#include "base/arena.h"
#include "base/err.h"
#include <stdint.h>

enum npy_type { NPY_F32, NPY_F64, NPY_I8, NPY_I16, NPY_I32, N_NPY_TYPES };
enum { NPY_MAX_DIMS = 4 };

struct npy {
    enum npy_type type;
    unsigned n_dims;
    uint64_t dim[NPY_MAX_DIMS];
    uint64_t n;      /* elements */
    const double *v; /* values, whatever the type; every one is finite */
};

/* Reads a file into `a`. Errors: 66 (cannot be read), 65 (not such a file). */
bool npy_load(struct arena *a, const char *path, struct npy *out, struct err *err);
/* The same from memory; `name` is what errors call it. */
bool npy_parse(struct arena *a, const char *name, const unsigned char *bytes, size_t size, struct npy *out,
               struct err *err);
/* Writes version 1.0; values are rounded to the type. Errors: 73, 74. */
bool npy_save(const char *path, enum npy_type type, unsigned n_dims, const uint64_t *dim, const double *v,
              struct err *err);

#endif
