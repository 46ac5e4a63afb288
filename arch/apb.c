/* The FC's path to peripheral registers: AXI crossbar, AXI-Lite, APB. The FC
 * has one outstanding access, so a store keeps it for its whole period. */
#include "arch/result.h"

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct apb_cfg, m), .def = d
static const struct field fields[] = {
    {F("store_cycles", FIELD_U64, store_cycles, "5"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "period of back-to-back stores", .prov = PROV_MEASURED,
     .source = "RTL of soc_interconnect_wrap and axi_lite_to_apb (pulp_soc bf65372a), simulated"},
    {F("load_cycles", FIELD_U64, load_cycles, "5"), .no_program = true, .max = 64, .unit = "cycles",
     .doc = "period of loads from a slave without wait states", .prov = PROV_MEASURED,
     .source = "RTL of soc_interconnect_wrap and axi_lite_to_apb (pulp_soc bf65372a), simulated"},
    {F("hwpe_load_cycles", FIELD_U64, hwpe_load_cycles, "6"), .no_program = true,
     .min = 1, .max = 64, .unit = "cycles",
     .doc = "period of loads from HWPE registers", .prov = PROV_MEASURED,
     .source = "RTL of soc_interconnect_wrap and axi_lite_to_apb (pulp_soc bf65372a), simulated"},
    {F("slaves", FIELD_U64, slaves, "11"), .no_program = true,
     .min = 1, .max = 64, .doc = "APB slaves", .prov = PROV_RTL,
     .source = "soc_peripherals.sv"},
    {0},
};
#undef F
static const struct section section = {"apb", "peripheral bus", sizeof(struct apb_cfg), fields, NULL};
static void cost(const struct machine *m, struct cost_sink *sink)
{
    struct cost_item *it = cost_add(sink, "apb", "apb", 1);
    cost_param(it, "slaves", (double)m->apb_cfg->slaves);
    it->path = "decode";
    cost_count(it, "access", m->counter[m->cb.host + 2]);
}

const struct arch_class apb_class = {.name = "apb", .section = &section, .cost = cost};
