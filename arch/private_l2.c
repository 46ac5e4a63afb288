/* Private L2 banks and boot ROM: FC code and data. Not reachable by the HWPE. */
#include "arch/result.h"

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct private_l2_cfg, m), .def = d
static const struct field fields[] = {
    {F("bytes", FIELD_BYTES, bytes, "64 KiB"), .no_program = true, .min = 1024, .max = 1 << 20,
     .doc = "two private banks together", .prov = PROV_RTL,
     .source = "l2_ram_multi_bank.sv: 2 x 8192 x 32 bit"},
    {F("rom_bytes", FIELD_BYTES, rom_bytes, "8 KiB"), .no_program = true,
     .min = 1024, .max = 1 << 20, .doc = "boot ROM",
     .prov = PROV_RTL, .source = "pulp_soc.sv ROM_ADDR_WIDTH 13"},
    {0},
};
#undef F
static const struct section section = {"private_l2", "private L2 banks and boot ROM",
                                       sizeof(struct private_l2_cfg), fields, NULL};
static void cost(const struct machine *m, struct cost_sink *sink)
{
    const struct private_l2_cfg *c = ARCH_CFG(m->arch, private_l2);
    struct cost_item *it = cost_add(sink, "private_l2", "sram", 2);
    cost_param(it, "capacity_bytes", (double)(c->bytes / 2));
    cost_param(it, "width_bits", 32);
    it->path = "access";
    cost_count(it, "read", m->counter[m->cb.host]); /* one instruction fetch an active host cycle */
    it = cost_add(sink, "private_l2", "rom", 1);
    cost_param(it, "capacity_bytes", (double)c->rom_bytes);
    it->path = "access";
}

const struct arch_class private_l2_class = {.name = "private_l2", .section = &section, .cost = cost};
