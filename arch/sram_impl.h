/* What a table of memories looks like inside; for arch/sram*.c only. */
#ifndef ARCH_SRAM_IMPL_H
#define ARCH_SRAM_IMPL_H

#include "arch/sram.h"

#include <pthread.h>

/* Of one cell and node: logarithms of the quantities at every knot, filled when
 * they are first asked for; threads may ask at once. */
struct sram_surface {
    const char *cell;
    unsigned node_nm;
    bool filled;
    double (*v)[SRAM_N]; /* of knot (i, j): v[i * n_bits + j] */
};
struct sram_surfaces {
    pthread_mutex_t lock;
    size_t n;
    struct sram_surface of[64];
};

/* Where a row is for the interpolation: x and y. */
void sram_place(struct sram_row *r);
void sram_fill(const struct sram_table *t, struct sram_surface *s);

#endif
