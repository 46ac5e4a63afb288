/* retsim: cycle-approximate simulator of a RetNet accelerator in a PULPissimo
 * SoC. The library's only public header.
 *
 * Conventions. Handles are opaque; create/load gives one, destroy takes it
 * back and accepts NULL. A function that can fail takes `rs_err *err` last
 * (never NULL) and returns NULL, -1 or false; the error holds all diagnostics.
 * Pointers inside views stay valid until their handle is destroyed. A design
 * may be shared by threads; everything else belongs to one thread at a time.
 * All counts are exact; cycles are cycles of the SoC clock. */
#ifndef RETSIM_H
#define RETSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version -------------------------------------------------------- */

/* "MAJOR.MINOR.PATCH" of the program. */
const char *rs_version(void);
/* Identifies the timing and cost model; part of every result's identity. */
const char *rs_model_version(void);

/* ---- errors --------------------------------------------------------- */

typedef struct rs_err rs_err;
rs_err *rs_err_create(void);
void rs_err_destroy(rs_err *err);
/* 0, or a sysexits(3) value: 64 usage, 65 data, 66 no input, 70 software,
 * 73 cannot create, 74 I/O, 75 interrupted but resumable, 78 configuration. */
int rs_err_code(const rs_err *err);
/* Every diagnostic, sorted, as `file:line:col: error: text` with the source
 * line and a caret. Owned by err, "" when there is none. */
const char *rs_err_text(rs_err *err);
void rs_err_clear(rs_err *err);
/* Adds a diagnostic of the caller's own. Always returns false. */
__attribute__((format(printf, 3, 4))) bool rs_err_add(rs_err *err, int code, const char *fmt, ...);

/* ---- designs -------------------------------------------------------- */

/* An architecture, a workload and a technology, decoded and checked. */
typedef struct rs_design rs_design;

/* Loads the three files. tech_path NULL takes the file that the architecture
 * names. sets are "PATH=VALUE" with full paths (arch.engine.rows=16,
 * work.seq=512, tech.voltage=0.65). Errors: 66, 78. */
rs_design *rs_design_load(const char *arch_path, const char *work_path, const char *tech_path,
                          const char *const *sets, size_t n_sets, rs_err *err);
/* The same files with further sets, parsed trees reused: for sweeps. Safe from
 * several threads on one base. */
rs_design *rs_design_with(const rs_design *base, const char *const *sets, size_t n_sets,
                          rs_err *err);
void rs_design_destroy(rs_design *design);
/* Canonical text (sorted keys, base units, defaults filled in): `arch`, `work`
 * or `tech`. */
const char *rs_design_text(const rs_design *design, const char *part);
const char *rs_design_name(const rs_design *design, const char *part);

/* ---- running -------------------------------------------------------- */

typedef enum rs_method { RS_FULL, RS_FOLDED, RS_BOUND } rs_method;

/* Programs of earlier runs, and what folded ones have seen of their machines. Further runs on equal
 * architectures, or on those that lowering takes for equal, are faster with it, and their results the same.
 * One run at a time may use it; between runs it keeps about 100 MiB at most. */
typedef struct rs_memory rs_memory;
rs_memory *rs_memory_create(void);
void rs_memory_destroy(rs_memory *memory);

typedef struct rs_options {
    rs_method method; /* default RS_FOLDED */
    bool values;      /* also execute the program on bytes (default false) */
    bool quality;     /* also evaluate the workload's network in integers and in floating point, once for
                         all designs that ask for the same numbers (default false) */
    rs_memory *memory; /* of earlier runs: programs, and for folding (default NULL) */
} rs_options;
void rs_options_default(rs_options *options);

/* 128-bit identity of (architecture, workload, method class, values, quality, model
 * version) as 16 bytes. full and folded are one class. The technology is not
 * part of it: it prices, it does not time. Of a network, the last part of its directory's path is, and with
 * values or quality what rs_design_network says. */
void rs_design_key(const rs_design *design, const rs_options *options, uint8_t key[16]);
/* 128-bit digest of the network's files as they are now. False, and zeros, when no result of these options
 * comes from a network, or it cannot be read. Files are read again only after one has changed. */
bool rs_design_network(const rs_design *design, const rs_options *options, uint8_t digest[16]);
/* 128-bit hash of one part's canonical text. */
void rs_design_part_hash(const rs_design *design, const char *part, uint8_t hash[16]);

typedef struct rs_result rs_result;
/* Runs one point. Errors: 78 (does not fit, illegal program), 70 (deadlock; with values, numbers that
 * are not the golden model's), 65, 66 (the network that work.network names). */
rs_result *rs_run(const rs_design *design, const rs_options *options, rs_err *err);
void rs_result_destroy(rs_result *result);
/* Lower bounds of many points around one design. Paths are looked up once, no file or text is touched for
 * a point, and points that differ only in keys that lowering does not read share their programs. */
typedef struct rs_bounds rs_bounds;
typedef struct rs_bound {
    uint64_t cycles, macs;            /* as those of rs_run with RS_BOUND */
    uint64_t l2_bytes, offchip_bytes; /* both ways */
    const char *limit; /* what is busy for all of `cycles`: a unit, host, sequencer, tcdm or hyperram */
} rs_bound;
/* Paths are full ones of arch and work whose values are integers, switches or names, in designs whose
 * engine is fed by buffers; arch.clocks.soc has to be a number. Errors: 64, 78. */
rs_bounds *rs_bounds_create(const rs_design *base, const char *const *paths, size_t n_paths, rs_err *err);
void rs_bounds_destroy(rs_bounds *bounds);
/* One point: a value for each path, in base units (bytes, hertz), 0 or 1 for a switch, the index of a name
 * in its list, UINT64_MAX for `auto`. False on a value that is not legal or a design that does not fit. */
bool rs_bounds_at(rs_bounds *bounds, const uint64_t *values, rs_bound *out, rs_err *err);
/* The lowered program as text (the specification of the sequencer). Heap
 * string that the caller frees. */
char *rs_lower(const rs_design *design, rs_err *err);

typedef struct rs_trace_options {
    uint64_t from_cycle, to_cycle; /* what is recorded; default the whole run */
    uint64_t max_entries;          /* slices and levels; default 1,000,000 */
} rs_trace_options;
void rs_trace_options_default(rs_trace_options *options);

typedef struct rs_trace_info {
    uint64_t from_cycle, to_cycle; /* recorded */
    uint64_t entries;
    bool cut; /* max_entries was reached: to_cycle is where */
} rs_trace_info;
/* Runs beat by beat and writes a timeline of it. The format is that of the path's extension: .json (Chrome's
 * trace events), .pftrace (Perfetto), .vcd (waveforms). One SoC cycle is shown as one nanosecond. Errors:
 * those of rs_run; 64 (format, empty window), 73, 74. */
bool rs_trace(const rs_design *design, const char *path, const rs_trace_options *options,
              rs_trace_info *info, rs_err *err);

typedef struct rs_summary {
    rs_method method;
    uint64_t cycles;         /* SoC clock */
    uint64_t macs;           /* useful ones */
    uint64_t macs_issued;    /* with padding and masked ones */
    uint64_t peak_macs_per_cycle;
    uint64_t tokens;         /* processed or generated in `cycles` */
    uint64_t soc_hz;
    double voltage;          /* supply of the chip that prices are for */
    uint64_t fmax_hz;        /* estimate, 0 when unknown */
    uint64_t area_um2;
    uint64_t energy_fj;      /* on-chip dynamic + off-chip + idle */
    uint64_t energy_onchip_fj, energy_offchip_fj, energy_idle_fj;
    uint64_t energy_upper_fj; /* part of energy_fj that is an upper bound, no estimate */
    /* One sigma, relative, 0 when unknown. What scales all points of a technology
     * alike is kept apart: it cancels in a ranking. fmax_rel_err has all of it. */
    double energy_rel_err, area_rel_err, energy_level_err, area_level_err, fmax_rel_err;
    double time_ns, power_uw, tokens_per_s;
    double utilization;      /* useful MACs of the engine alone, of cycles x its 8 x 8 peak; fast modes of
                              * narrow numbers may pass 1 */
    uint64_t estimated_cycles; /* of `cycles`, at most so many rest on keys marked `estimate` */
    double host_seconds;     /* CPU time of the simulation itself */
    bool has_values, has_quality;
    double sqnr_db;          /* when either: integers against floating point; NAN for a product */
    double bits_per_byte, float_bits_per_byte; /* when either and there is text to score; else NAN */
    uint64_t values_compared; /* numbers that were found equal to the golden model's */
} rs_summary;

typedef struct rs_amount { /* one named count */
    const char *name;
    uint64_t value;
} rs_amount;

typedef enum rs_energy_kind { RS_ONCHIP, RS_OFFCHIP, RS_IDLE } rs_energy_kind;

typedef struct rs_action { /* one priced or merely counted action of a component */
    const char *component, *action;
    const char *unit;        /* of one count: "mac", "access", "cycle", "byte", ... */
    uint64_t count;
    uint64_t energy_fj;      /* 0 for actions without a price */
    rs_energy_kind kind;
    bool priced;
    bool upper_bound;        /* the energy is one */
    double rel_err;          /* of the energy */
} rs_action;

typedef struct rs_component {
    const char *name, *class_name;
    uint64_t area_um2, energy_fj;
    double area_rel_err, energy_rel_err; /* as in rs_summary */
    double path_fo4, path_rel_err;       /* longest path, 0 when it has none */
    uint64_t fmax_hz;                    /* of that path */
    double fmax_rel_err;
    const char *path;                    /* what it is, or NULL */
} rs_component;

/* In program order; cycles sum to the total. Of an engine fed by streams: a phase, from its first row to its
 * last output (phases overlap by the pipeline), or a job. Its cycles of first and last row and output count
 * from the start of the run; has_output is false for a job that only accumulates. */
typedef struct rs_layer {
    const char *name;
    uint64_t index, cycles;
    bool has_rows, has_output;
    uint64_t first_row, last_row, first_output, last_output;
} rs_layer;

typedef struct rs_home { /* where a class of tensors lives */
    const char *tensor, *home; /* "l2", "hyperram", "buffer" */
    uint64_t bytes;
} rs_home;

const rs_summary *rs_result_summary(const rs_result *r);
/* Flat, sums to cycles; always the same 11 names in the same order. Empty for RS_BOUND. */
const rs_amount *rs_result_breakdown(const rs_result *r, size_t *n);
/* Bytes over each interface; spilled bytes by kind. */
const rs_amount *rs_result_traffic(const rs_result *r, size_t *n);
const rs_component *rs_result_components(const rs_result *r, size_t *n);
/* Grouped by component, in components' order. */
const rs_action *rs_result_actions(const rs_result *r, size_t *n);
const rs_layer *rs_result_layers(const rs_result *r, size_t *n);
const rs_home *rs_result_homes(const rs_result *r, size_t *n);
/* Keys whose values no PULPissimo can have. */
const char *const *rs_result_hypothetical(const rs_result *r, size_t *n);
/* Warnings and decisions worth showing (mapping chosen, clock above fmax). */
const char *const *rs_result_notes(const rs_result *r, size_t *n);
/* What the prices follow from, as text: blocks with parameters and counts. For
 * rs_reprice; lives as long as the result. */
const char *rs_result_counts(const rs_result *r);
/* A technology alone: a design without architecture and workload. Errors: 66, 78. */
rs_design *rs_tech_load(const char *path, const char *const *sets, size_t n_sets, rs_err *err);
/* Name, value and relative error of coefficient i, NULL past the last. */
const char *rs_tech_coefficient(const rs_design *tech, size_t i, double *value, double *rel_err);
/* The same technology with the value of one coefficient multiplied. */
rs_design *rs_tech_scaled(const rs_design *tech, const char *coefficient, double factor, rs_err *err);
double rs_tech_voltage(const rs_design *tech);
/* Entries of Accelergy's ERT, or of its ART, for the structure in `counts`; names
 * begin with `prefix`. Heap string. */
char *rs_accelergy_tables(const char *counts, uint64_t soc_hz, const rs_design *tech, const char *prefix,
                          bool area, rs_err *err);
/* Prices of an earlier run by another technology: components, actions, energy,
 * area and fmax of the result are filled, with a note when the clock is above
 * fmax. `cycles` and `soc_hz` are the run's. Errors: 65 (text is not ours), 78. */
rs_result *rs_reprice(const char *counts, uint64_t cycles, uint64_t soc_hz, const rs_design *tech,
                      rs_err *err);
/* The --json object. Heap string that the caller frees. */
char *rs_result_json(const rs_result *r);

/* ---- values --------------------------------------------------------- */

/* Evaluates a network directory (case.json or network.yaml beside .npy tensors)
 * in floating point and in integers. form: "parallel", "recurrent", "chunkwise",
 * NULL for all. sets: "work.quant.KEY=VALUE". Text for people, or one JSON
 * object. Heap string; NULL on error: 64, 65, 66, 78. */
char *rs_eval(const char *dir, const char *form, const char *const *sets, size_t n_sets, bool json,
              rs_err *err);

/* ---- components and interconnects ------------------------------------ */

typedef struct rs_estimate_options {
    const char *tech_path;
    const char *const *sets; /* "tech.PATH=VALUE" */
    size_t n_sets;
    bool plain_rtl; /* mul and dot as plain synthesis makes them, not with adder trees */
    bool path;      /* longest path and clock, too */
    bool json;      /* one object instead of text for people */
} rs_estimate_options;
/* Area, energy and speed of one component. params: "KEY=VALUE". Heap string;
 * NULL on error: 64, 66, 78. */
char *rs_estimate(const char *component, const char *const *params, size_t n_params,
                  const rs_estimate_options *options, rs_err *err);
/* Replays a request trace through an interconnect; chart_columns: draws the grants
 * over time, so wide, instead; 0: does not. Heap string; NULL on error: 65, 66. */
char *rs_replay(const char *path, unsigned chart_columns, rs_err *err);

/* Calibrates a network directory and writes it in integers to the directory `out`: whole-number
 * weights, multipliers, shifts and tables, beside scales; rs_eval takes it as any other. positions:
 * how long sequences may get, 0: as long as the network's own. Errors: 64, 65, 66, 73, 74, 78. */
bool rs_quantize(const char *dir, const char *out, uint64_t positions, const char *const *sets,
                 size_t n_sets, rs_err *err);

/* ---- schemas -------------------------------------------------------- */

/* kind: "arch", "work" (or "workload"), "sweep", "tech". Heap strings; NULL on error (64). */
char *rs_schema_json(const char *kind, rs_err *err);
/* key NULL lists every key; else a dotted path. */
char *rs_explain(const char *key, rs_err *err);
/* Decides what a file is (arch, work, tech, sweep) and checks it. 0, or -1 with errors. */
int rs_check(const char *path, rs_err *err);

/* ---- sweeps --------------------------------------------------------- */

typedef struct rs_sweep rs_sweep;
rs_sweep *rs_sweep_load(const char *path, rs_err *err);
void rs_sweep_destroy(rs_sweep *s);
/* Are there such keys, and do they take such values? How the values of a point go together shows only when
 * its design is made. Errors: 78, with the place in the sweep file. */
bool rs_sweep_validate(const rs_sweep *s, rs_err *err);
const char *rs_sweep_name(const rs_sweep *s);
/* Points before constraints; point numbers are 0..count-1. */
uint64_t rs_sweep_count(const rs_sweep *s);
rs_method rs_sweep_method(const rs_sweep *s);
bool rs_sweep_quality(const rs_sweep *s);
bool rs_sweep_values(const rs_sweep *s);

typedef struct rs_point { /* views into arrays owned by the caller's buffer */
    const char *arch_path, *work_path, *tech_path; /* tech NULL = the architecture's */
    const char *const *sets;
    size_t n_sets;
    bool excluded; /* a `where` constraint rejects it */
} rs_point;
typedef struct rs_point_buf rs_point_buf;
rs_point_buf *rs_point_buf_create(const rs_sweep *s);
void rs_point_buf_destroy(rs_point_buf *b);
/* Decodes point n arithmetically. */
rs_point rs_sweep_point(const rs_sweep *s, uint64_t n, rs_point_buf *b);
/* True when point n belongs to shard i of n_shards (permuted, so that every
 * shard gets the same mix). */
bool rs_sweep_in_shard(const rs_sweep *s, uint64_t n, uint64_t i, uint64_t n_shards);

/* ---- the database --------------------------------------------------- */

typedef struct rs_db rs_db;
/* Opens for writing; creates it when absent. Errors: 65 not ours or newer, 73, 74. */
rs_db *rs_db_open(const char *path, rs_err *err);
rs_db *rs_db_open_readonly(const char *path, rs_err *err);
void rs_db_close(rs_db *db);
bool rs_db_has(rs_db *db, const uint8_t key[16]);
/* RS_FAULT: a failure by a fault of this program (code 70). */
typedef enum rs_stored { RS_ABSENT, RS_STORED, RS_FAILED, RS_FAULT } rs_stored;
/* What is stored for a design, its technology included. A point that is there
 * is also listed under sweep_name when that is not NULL. False on error (74). */
bool rs_db_lookup(rs_db *db, const rs_design *design, const rs_options *options,
                  const char *sweep_name, rs_stored *stored, rs_err *err);
/* Stores the sweep file's text and how many points it has after constraints. */
bool rs_db_put_sweep(rs_db *db, const rs_sweep *sweep, uint64_t planned, rs_err *err);
/* Stores a result under its design's key; idempotent. False on error (65 when
 * an existing row of the same key differs, 74). Commits every 1000 rows or 1 s. */
bool rs_db_put(rs_db *db, const rs_design *design, const rs_options *options,
               const rs_result *result, const char *sweep_name, rs_err *err);
/* Stores that a point could not run (does not fit, ...), with its message. */
bool rs_db_put_failure(rs_db *db, const rs_design *design, const rs_options *options, int code,
                       const char *message, const char *sweep_name, rs_err *err);
bool rs_db_flush(rs_db *db, rs_err *err);
/* Merges other databases in. */
bool rs_db_merge(const char *out_path, const char *const *in_paths, size_t n, rs_err *err);

/* Result table of a query as text in format "table", "csv" or "json". Heap
 * string. `name_or_sql`: a canned name, or SQL beginning with SELECT/WITH. */
char *rs_db_query(rs_db *db, const char *name_or_sql, const char *format, const char *objectives,
                  rs_err *err);
/* From now on tables, and plots in a terminal, are made to fit so many columns where they can; 0: any. */
void rs_db_columns(rs_db *db, unsigned columns);
/* From now on all points of this connection show prices by `tech`, computed
 * from stored counts; nothing is written to the file. Errors: 65, 74, 78. */
bool rs_db_reprice(rs_db *db, const rs_design *tech, rs_err *err);
/* Tables of Accelergy (YAML) of all architectures in the database: ERT, or ART. */
char *rs_db_accelergy(rs_db *db, const rs_design *tech, bool area, rs_err *err);
/* How far the summed energy and area of all points move when one coefficient of
 * `tech` is changed by 20 % either way, largest first. Text as rs_db_query. */
char *rs_db_sensitivity(rs_db *db, const rs_design *tech, const char *format, rs_err *err);
/* Canned queries: "name\tdescription\n" lines. */
const char *rs_query_list(void);
const char *rs_plot_list(void);
/* Draws plot `name` to path (.svg .png .pdf, or "-" for terminal text returned
 * in *text_out, heap). Keeps the .gp script and .csv data beside the picture. */
bool rs_db_plot(rs_db *db, const char *name, const char *path, char **text_out, rs_err *err);

#ifdef __cplusplus
}
#endif
#endif
