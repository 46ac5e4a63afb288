/* Clock domains. Ticks are those of the least common multiple of the clocks, so
 * that every edge of every domain is an integer. Clocks are required keys: no
 * published PULPissimo frequency could be verified. */
#include "arch/machine.h"

#include "base/num.h"

#define F(k, t, m, d) .key = k, .type = t, .offset = offsetof(struct clocks_cfg, m), .def = d
static const struct field fields[] = {
    {F("soc", FIELD_HZ, soc_hz, NULL), .no_program = true, .min = 1000, .max = 10000000000ull, .unit = "Hz",
     .allow_auto = true, .auto_word = "max",
     .doc = "max: what the longest path allows at the technology's voltage, in whole MHz; FC, L2, "
            "interconnect, accelerator, uDMA core"},
    {F("periph", FIELD_HZ, periph_hz, NULL), .no_program = true,
     .min = 1000, .max = 10000000000ull, .unit = "Hz",
     .doc = "peripherals: the HyperBus PHY runs from it"},
    {0},
};
#undef F
static const struct section section = {"clocks", "clock domains", sizeof(struct clocks_cfg), fields, NULL};

static bool check(struct arch *a, const struct ynode *node, struct err *err)
{
    const struct clocks_cfg *c = ARCH_CFG(a, clocks);
    if (c->soc_hz == FIELD_AUTO) /* the technology is not known yet: workloads/api_clock.c */
        return true;
    uint64_t g = gcd(c->soc_hz, c->periph_hz);
    /* A hyper-period of more ticks than this would wear out 64-bit time. */
    if (c->soc_hz / g > 1 << 20 || c->periph_hz / g > 1 << 20)
        return err_add(err, ERR_CONFIG, yaml_place(node, "soc"),
                       "arch.clocks: soc and periph have no small common ratio; "
                       "legal: both ratios to their common divisor below 2^20");
    return true;
}

const struct arch_class clocks_class = {.name = "clocks", .section = &section, .check = check};
