/* A resolved architecture: one configuration struct per component class, each
 * decoded by that class's own schema table (arch/registry.h lists the classes).
 * Immutable after arch_decode; shared by threads. */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include "arch/registry.h"
#include "arch/stall.h"
#include "base/schema.h"

struct machine;
struct state_io;
struct cost_sink;
struct arch;

/* A component class. Add one: its file, a row in registry.h, a line in
 * meson.build, a test. */
struct arch_class {
    const char *name;               /* key of its section in an architecture file */
    const struct section *section;  /* schema; section->size bytes of configuration */
    /* Checks against the other components; may add to arch->hypothetical. NULL ok. */
    bool (*check)(struct arch *a, const struct ynode *node, struct err *err);
    /* Build-up of the run-time state in `m` and of the counters. NULL ok. */
    bool (*init)(struct machine *m, struct err *err);
    void (*finish)(struct machine *m);
    /* The relative state, saved or loaded (arch/state_io.h). NULL ok. */
    void (*state)(struct machine *m, struct state_io *io);
    /* Describes structure and counted actions. NULL ok. */
    void (*cost)(const struct machine *m, struct cost_sink *sink);
    bool streamed; /* also a part of a machine whose engine is fed by streams */
};
extern const struct arch_class *const arch_classes[]; /* sorted by name, NULL at the end */
enum { ARCH_MAX_CLASSES = 24, ARCH_MAX_NOTES = 24 };

struct arch {
    struct arena *arena;
    const char *name, *title;
    const char *tech_path;  /* as written, relative to the architecture file */
    void *blob;             /* decoded top-level section */
    const char *hypothetical[ARCH_MAX_NOTES];
    unsigned n_hypothetical;
    const char *warnings[ARCH_MAX_NOTES];
    unsigned n_warnings;
};

/* Top-level schema: name, tech and one sub-section per class. */
const struct section *arch_section(void);
/* NULL on error; everything lives in `a`. */
struct arch *arch_decode(struct arena *a, const struct ynode *root, struct err *err);
/* The two halves of it. The second puts values in the place of `auto` in a->blob, of section->size bytes. */
struct arch *arch_decode_unchecked(struct arena *a, const struct ynode *root, struct err *err);
bool arch_check(struct arch *a, const struct ynode *root, struct err *err);
/* Configuration of a class. */
const void *arch_cfg(const struct arch *a, const struct arch_class *cls);
void arch_hypothetical(struct arch *a, const char *key);

/* ---- configurations, by class ---- */

struct clocks_cfg {
    uint64_t soc_hz, periph_hz;
};
struct tcdm_cfg {
    int kind; /* enum interconnect */
    uint64_t banks, bytes, masters, hwpe_ports;
    struct hci_cfg {
        bool invert_prio;
        uint64_t prio_num, prio_den;
    } hci;
    bool ideal;
};
enum interconnect { INTERCONNECT_CROSSBAR, INTERCONNECT_HCI };
struct traffic_cfg {
    int pattern;
    uint64_t masters, period_cycles, stride_words, first_words, seed;
};
struct private_l2_cfg {
    uint64_t bytes, rom_bytes;
};
struct apb_cfg {
    uint64_t store_cycles, load_cycles, hwpe_load_cycles, slaves;
};
struct host_cfg {
    int core, dispatch; /* dispatch: enum dispatch */
    uint64_t irq_path_cycles, irq_entry_cycles, isr_cycles, acquire_cycles, kge;
};
/* When the next of several jobs is triggered: once the one before is seen to be over, or ahead. */
enum dispatch { DISPATCH_PREPROG, DISPATCH_QUEUED };
struct regfile_cfg {
    uint64_t contexts, job_registers, trigger_to_start_cycles, restart_cycles;
};
struct sequencer_cfg {
    int autonomy; /* enum autonomy */
    uint64_t queue_depth, program_bytes, step_cycles;
    int clock_gating;
    bool udma_access;
};
enum autonomy { AUTONOMY_TILE, AUTONOMY_LAYER, AUTONOMY_NETWORK };
enum gating { GATE_NONE, GATE_UNIT, GATE_LANE };
struct udma_cfg {
    uint64_t fifo_words, max_transfer_bytes, pending, cfg_stores;
};
struct hyperram_cfg {
    int kind; /* enum offchip_kind */
    uint64_t bytes, phy_div, bytes_per_phy_clk, command_clks, latency_clks, extra_latency, recovery_clks,
        fixed_clks, max_cs_clks, burst_bytes;
};
enum offchip_kind { OFFCHIP_HYPERRAM, OFFCHIP_NONE };
struct stream_cfg {
    int issue; /* 0 decoupled, 1 lockstep */
    uint64_t fifo, dims;
};
struct streamer_cfg {
    struct stream_cfg load, weight, store;
    uint64_t start_cycles, latency_cycles;
    bool store_fence;
    int transpose;      /* enum transpose_kind */
    int weight_packing; /* enum packing_kind */
};
enum packing_kind { PACKING_FIELDS, PACKING_DENSE };
enum transpose_kind { TRANSPOSE_STRIDED, TRANSPOSE_BUFFER };
struct buffer_cfg {
    uint64_t bytes, width_bits, banks, slots;
    int ports; /* enum ports_kind */
};
enum ports_kind { PORTS_1RW, PORTS_1R1W };
struct buffers_cfg {
    struct buffer_cfg activation, operand, accumulator, score, state, output;
    bool ideal;
};
struct mode_cfg {
    uint64_t w, a, macs_per_cycle, passes;
};
struct engine_cfg {
    int style, dataflow; /* enum engine_style, enum dataflow */
    uint64_t units, length, rows, cols, weight_sets, acc_bits, latency_cycles, requant_lanes, os_depth,
        output_credits, pipeline, requant_bits;
    bool weights_preloaded;
    int fill_drain; /* enum fill_drain */
    struct list modes; /* struct mode_cfg */
};
enum engine_style { ENGINE_DOT_PRODUCT, ENGINE_SYSTOLIC };
enum dataflow { FLOW_OS, FLOW_WS, FLOW_IS };
enum fill_drain { FILL_OVERLAPPED, FILL_SERIAL };
struct retention_cfg {
    int state; /* enum state_place */
    uint64_t state_bits, lanes, read_bits, latency_cycles, decay_block, pipeline;
    int update, decay, rounding; /* token|chunk; shift|multiply|per_token; as listed */
    bool fused_readout;
};
enum state_place { STATE_BUFFER, STATE_ENGINE, STATE_L2 };
struct vector_cfg {
    uint64_t lanes, isqrt_units, isqrt_cycles, div_units, div_cycles, lut_ports, latency_cycles,
        pipeline;
};

struct beat_cfg {
    uint64_t beat_bytes;
    const char *stall;
    struct stall pattern; /* as parsed */
};
struct streams_cfg {
    int feed; /* enum feed */
    struct beat_cfg input, weight, output;
    uint64_t bias_bits, address_fifo, request_fifo, data_fifo, softmax_dividers;
    bool activation;
};
/* Who feeds the engine: buffers and commands, streams of their own, or streams that share a port. */
enum feed { FEED_BUFFERS, FEED_DRIVER, FEED_PORT };
struct memory_cfg {
    uint64_t port_bytes;
    const char *stall;
    struct stall pattern;
};

#define ARCH_DECLARE(name) extern const struct arch_class name##_class;
ARCH_CLASSES(ARCH_DECLARE)
#undef ARCH_DECLARE

/* For a class's check, which puts values in the place of `auto`. */
void *arch_cfg_mutable(struct arch *a, const struct arch_class *cls);
#define ARCH_CFG(a, cls) ((const struct cls##_cfg *)arch_cfg((a), &cls##_class))

/* ---- derived from the engine's configuration ---- */

/* Geometry of one stationary set: outputs x contraction, and the useful width. */
struct engine_geom {
    uint32_t n_tile, k_tile; /* outputs of a set, contraction of a set */
    uint64_t macs_per_cycle; /* peak, 8 x 8 */
    bool swapped;            /* is: the activation is stationary, the weights move */
};
struct engine_geom engine_geometry(const struct engine_cfg *e);
/* Smallest mode that takes w x a bits, or NULL. */
/* Narrow operands that a lane takes at a time in a mode; passes of a row. */
uint64_t mode_scale(const struct engine_cfg *e, const struct mode_cfg *m);
uint64_t mode_passes(const struct engine_cfg *e, const struct mode_cfg *m);
/* Bytes of a stationary set in the widest mode. */
uint64_t engine_set_bytes(const struct engine_cfg *e);
const struct mode_cfg *engine_mode(const struct engine_cfg *e, uint64_t w_bits, uint64_t a_bits);

#endif
