/* SRAM macros by interpolation in a table of CACTI runs. */
#ifndef ARCH_SRAM_H
#define ARCH_SRAM_H

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

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
    unsigned n_bytes, n_bits; /* knots: the capacities and widths of all rows, sorted */
    double *bytes, *bits;
    struct sram_surfaces *surfaces;
};

/* Reads a CSV with at least the columns cell, node_nm, capacity_bytes,
 * width_bits, read_pj, write_pj, leak_mw, area_mm2, access_ns, cycle_ns. `at`
 * is where the file is named. NULL with an error (66 or 78). */
struct sram_table *sram_load(struct arena *a, const char *path, const struct place *at, struct err *err);
/* The table without the rows that `out` says: what is left estimates them. NULL
 * when nothing is left. */
struct sram_table *sram_without(struct arena *a, const struct sram_table *t,
                                bool (*out)(const struct sram_row *row, const void *arg), const void *arg);
/* True when the table has rows of this cell type and node. */
bool sram_has(const struct sram_table *t, const char *cell, unsigned node_nm);
/* "lstp 22, lstp 32, ..": the cells and nodes that it has. */
void sram_list(const struct sram_table *t, struct text *out);
/* Estimates a macro: between the knots of capacity and width straight lines in
 * logarithms, beyond them power laws. False when the table has no such cell and
 * node, or a size is not above zero. */
bool sram_query(const struct sram_table *t, const char *cell, unsigned node_nm, double capacity_bytes,
                double width_bits, double out[SRAM_N]);

/* False for a size outside the table's. */
bool sram_inside(const struct sram_table *t, double capacity_bytes, double width_bits);

#endif
