/* The memory behind the port that streams share (arch.streams.feed port): one
 * request a cycle, granted in the same cycle unless the pattern says no, data
 * and write responses in the next. */
#include "arch/streams.h"

#include <string.h>

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct memory_cfg, m), .def = d
static const struct field fields[] = {
    {F("port_bytes", FIELD_U64, port_bytes, "128"), .min = 4, .max = 4096, .unit = "bytes",
     .doc = "width of the port that the streams of arch.streams.feed port share", .prov = PROV_RTL,
     .source = "ita_hwpe_package.sv: 1024-bit TCDM port"},
    {F("stall", FIELD_TEXT, stall, "none"), .doc = "cycles without a grant: " STALL_GRAMMAR},
    {0},
};
#undef F
static const struct section section = {"memory", "memory behind the port that streams share",
                                       sizeof(struct memory_cfg), fields, NULL};

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    struct memory_cfg *c = arch_cfg_mutable(a, &memory_class);
    const struct ynode *value = yaml_get(node, "stall");
    const struct place *at = value ? &value->at : &node->at;
    if (!stall_decode(&c->pattern, c->stall, "arch.memory.stall", at, err))
        return false;
    if (ARCH_CFG(a, streams)->feed != FEED_PORT && strcmp(c->stall, "none"))
        return err_add(err, ERR_CONFIG, at, "arch.memory.stall has no meaning without streams that share a "
                       "port; legal: none, or arch.streams.feed port");
    return true;
}

const struct arch_class memory_class = {.name = "memory", .section = &section, .check = check};
