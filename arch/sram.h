/* SRAM macros by interpolation in a table of CACTI runs. */
#ifndef ARCH_SRAM_H
#define ARCH_SRAM_H

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>

enum sram_quantity { SRAM_READ_PJ, SRAM_WRITE_PJ, SRAM_LEAK_MW, SRAM_AREA_MM2, SRAM_ACCESS_NS,
                     SRAM_CYCLE_NS, SRAM_N };

struct sram_row {
    const char *cell;
    unsigned node_nm;
    double capacity_bytes, width_bits;
    double value[SRAM_N];
    double x, y; /* log2(capacity / 32 KiB), log2(width / 64) */
    double log_value[SRAM_N];
};
struct sram_table {
    size_t n_rows;
    struct sram_row *rows;
    double min_bytes, max_bytes, min_bits, max_bits; /* of the whole table */
    struct sram_memo *memo;
};

/* Reads a CSV with at least the columns cell, node_nm, capacity_bytes,
 * width_bits, read_pj, write_pj, leak_mw, area_mm2, access_ns, cycle_ns. `at`
 * is where the file is named. NULL with an error (66 or 78). */
struct sram_table *sram_load(struct arena *a, const char *path, const struct place *at, struct err *err);
/* True when the table has rows of this cell type and node. */
bool sram_has(const struct sram_table *t, const char *cell, unsigned node_nm);
/* Estimates a macro; a row of the table is returned as it is. Row `skip` (when
 * below n_rows) is treated as absent: leave-one-out. False when the table has
 * no such cell and node, or a size is not above zero. */
bool sram_query(const struct sram_table *t, const char *cell, unsigned node_nm, double capacity_bytes,
                double width_bits, size_t skip, double out[SRAM_N]);

#endif
