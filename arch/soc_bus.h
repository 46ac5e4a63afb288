/* The SoC interconnect of PULPissimo (pulp_soc soc_interconnect_wrap bf65372a):
 * a demux per master in front of the interleaved crossbar, the contiguous
 * crossbar (private banks, boot ROM) and the AXI crossbar with the APB bridge;
 * HWPE ports reach interleaved memory only. Cycle model, flat state: no
 * pointers, no absolute times. */
#ifndef ARCH_SOC_BUS_H
#define ARCH_SOC_BUS_H

#include "arch/xbar.h"

enum {
    SOC_BUS_SYSTEM_MASTERS = 9, /* FC data, FC instr, uDMA tx, rx, debug, 4 x AXI plug; HWPE ports follow */
    SOC_BUS_MAX_MASTERS = XBAR_MAX_MASTERS,
};

/* What an access goes to: a value below SOC_PRIVATE0 is an interleaved bank. */
enum soc_target {
    SOC_PRIVATE0 = XBAR_MAX_BANKS,
    SOC_PRIVATE1,
    SOC_ROM,
    SOC_APB,        /* peripheral without wait states */
    SOC_APB_HWPE,   /* HWPE register file behind apb2per: a read takes one cycle more */
    SOC_APB_NONE,   /* in the peripheral window, no slave there: error from the APB bridge */
    SOC_AXI_ERROR,  /* no region: decode error of the AXI crossbar */
    SOC_HWPE_ERROR, /* HWPE port outside interleaved memory */
    SOC_PLUG,       /* cluster plug: nothing is connected, never answered */
};

/* A two-entry spill register of common_cells: cuts all combinational paths. */
struct soc_spill {
    uint8_t a_full, b_full, a, b; /* b is the older entry */
};

/* One direction (0 read, 1 write) of the AXI path to the APB bridge. */
struct soc_axi_way {
    uint64_t busy;          /* masters with a transaction of this direction in flight */
    struct soc_spill queue; /* at the output of the AXI crossbar; holds masters */
    uint8_t bridge_busy;    /* the AXI-Lite converter takes one transaction */
    uint8_t bridge_master;
    uint8_t response;       /* 1: answered in this cycle */
    uint8_t pad;
};

struct soc_bus {
    struct xbar interleaved, contiguous;
    struct xbar axi_mux;    /* two arbiters: reads, writes */
    struct xbar apb_mux;    /* one arbiter over {read, write} */
    struct soc_axi_way way[2];
    struct soc_spill apb_queue; /* holds directions */
    uint64_t pending;       /* masters whose demux waits for a response */
    uint64_t memory;        /* masters answered in this cycle by a memory or an error slave */
    uint64_t error[2];      /* AXI decode errors: [0] answered in this cycle, [1] in the next */
    uint64_t write;         /* direction of each pending AXI access */
    uint64_t slow, none;    /* pending AXI accesses to SOC_APB_HWPE, SOC_APB_NONE */
    uint8_t n_masters;
    uint8_t apb_access;     /* APB is in its access phase */
    uint8_t apb_wait;       /* access cycles still to come before the last */
    uint8_t pad[5];
};

/* n_masters: 9 system masters + HWPE ports (10..64). n_banks: a power of two. */
void soc_bus_init(struct soc_bus *bus, unsigned n_masters, unsigned n_banks);
/* Where `master` ends up with a byte address. */
uint8_t soc_bus_target(const struct soc_bus *bus, unsigned master, uint32_t addr);
/* Masters whose response is valid in the coming cycle (known before it). */
uint64_t soc_bus_responses(const struct soc_bus *bus);
/* One cycle: sets of requesting masters and of those that write, the target of
 * each requester. Returns the granted masters. A request stays until granted. */
uint64_t soc_bus_step(struct soc_bus *bus, uint64_t request, uint64_t write, const uint8_t target[]);
/* True when nothing is in flight: the state cannot change without a request. */
bool soc_bus_idle(const struct soc_bus *bus);

#endif
