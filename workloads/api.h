/* What is behind the handles of include/retsim.h. */
#ifndef WORKLOADS_API_H
#define WORKLOADS_API_H

#include "arch/arch.h"
#include "arch/result.h"
#include "arch/program.h"
#include "base/hash.h"
#include "include/retsim.h"
#include "workloads/work.h"
#include <stdatomic.h>
#include <string.h>

struct rs_err {
    struct err e;
    char *text; /* as last rendered */
};
/* The diagnostics inside a public error. */
struct err *rs_err_inner(rs_err *err);

enum part { PART_ARCH, PART_WORK, PART_TECH, N_PARTS };
extern const char *const part_names[N_PARTS];
/* -1 when there is no such part. */
int part_index(const char *name);

/* Parts that no setting touches are the base's own: it lives as long as any
 * design that was made from it. */
struct rs_design {
    atomic_uint refs;
    struct arena arena;
    struct rs_design *base; /* NULL: loaded from files */
    const char *arch_path;
    const char *work_path; /* what work.network is relative to; NULL: the working directory */
    bool tech_given; /* by the caller, not by the architecture */
    const char *tech_path;
    struct ynode *tree[N_PARTS];
    const char *text[N_PARTS];
    struct hash128 hash[N_PARTS]; /* of the texts */
    const struct arch *arch;
    const struct work *work;
    const struct tech *tech;
};

/* api_kind.c: the kind of file that has most keys in common with a map. */
enum file_kind { KIND_ARCH, KIND_WORK, KIND_TECH, KIND_SWEEP, N_KINDS };
enum file_kind file_kind_of(const struct ynode *root);
/* False, with an error, when a file is clearly one of another kind; false when it could not be read. */
bool part_fits(const struct ynode *root, enum part part, struct err *err);

/* Time, rates and shares that follow from counts (api_run.c). */
void result_derive(rs_summary *s);

/* api_clock.c: is `arch.clocks.soc` the word max; puts the frequency in its place. */
bool clock_is_max(const struct rs_design *d);
bool clock_resolve(struct rs_design *d, struct err *err);
/* Decodes the architecture with another SoC clock; the tree stays as it was (api_design.c). */
bool design_set_clock(struct rs_design *d, uint64_t hz, struct err *err);

struct rs_result {
    struct arena arena;
    rs_summary summary;
    struct hash128 key;
    bool as_scalesim; /* ideal memory and serial tiles: comparable with SCALE-Sim */
    const char *arch_name, *work_name, *tech_name;
    struct cost_activity activity[N_ACTIVITIES]; /* when values were computed */
    const char *counts; /* what prices follow from, as text */
    rs_amount *causes, *traffic;
    rs_component *components;
    rs_action *actions;
    rs_layer *layers;
    rs_home *homes;
    const char **hypothetical, **notes;
    size_t n_causes, n_traffic, n_components, n_actions, n_layers, n_homes, n_hypothetical, n_notes;
};

/* A path as written in the file `from`: relative to its directory. */
const char *path_beside(struct arena *a, const char *from, const char *path);

/* What a run is priced by: blocks with their counts, and counters without a price. */
struct account {
    struct cost_sink sink;
    const struct counter_info *info;
    const uint64_t *counter;
    unsigned n_counters;
};
/* One line an item or counter, tabs between fields (api_reprice.c). */
const char *account_text(struct arena *a, const struct account *acc);
/* Back from text; what it points to lives in `a`. The caller finishes acc.sink. */
struct parsed_account {
    struct account acc;
    struct counter_info *info;
    uint64_t *counter;
};
bool account_parse(struct arena *a, const char *counts, struct parsed_account *p);
/* Components, actions, energy, area, fmax of r by the technology (api_price.c). */
bool account_price(struct rs_result *r, const struct account *acc, const struct tech *tech, struct err *err);

/* Fills everything of `r` that follows from a finished machine: causes, traffic,
 * layers, homes (api_result.c). */
void result_timing(struct rs_result *r, const struct machine *m, uint64_t cycles);
/* Prices the machine and keeps its account as text (api_price.c). */
bool result_price(struct rs_result *r, const struct machine *m, const struct tech *tech, struct err *err);
/* Of `cycles`, how many at most rest on keys marked `estimate`. */
uint64_t result_estimated_cycles(const struct machine *m, uint64_t cycles);
/* Executes the program and compares it with the golden model; notes what the operands were
 * (api_values.c). */
bool result_values(struct rs_result *r, const struct rs_design *d, const struct program *p, struct err *err);
/* Evaluates the network of the workload, without its program (api_values.c). */
bool result_quality(struct rs_result *r, const struct rs_design *d, struct err *err);
/* Before a run: the machine builds on what earlier runs of an equal one have seen. After it. Either does
 * nothing when there is no memory (api_memory.c). */
void memory_lend(rs_memory *memory, const struct rs_design *d, struct machine *m);
void memory_return(rs_memory *memory);
/* The program of a design, perhaps of an earlier run; good until the next call. NULL with an error. */
const struct program *memory_lower(rs_memory *memory, const struct rs_design *d, struct err *err);
/* The directory that work.network names, "" when it names none. */
const char *design_network(struct arena *a, const struct rs_design *d);
/* Of a path, without slashes at its end. */
const char *last_part(struct arena *a, const char *dir);
/* A workload out of a network directory, as a tree. NULL on error. */
struct ynode *network_work(struct arena *a, const char *dir, struct err *err);
__attribute__((format(printf, 2, 3))) void result_note(struct rs_result *r, const char *fmt, ...);

#endif
