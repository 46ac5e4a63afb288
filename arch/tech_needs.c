/* What the components of the simulator give to and ask of a class: a file in
 * which something is missing is refused when it is read, not in mid-sweep. */
#include "arch/tech_impl.h"

#include <string.h>

static const struct need {
    const char *cls, *params, *actions; /* words */
} needs[] = {
    {"dot_product", "w_bits a_bits length acc_bits", "mac acc_write"},
    {"systolic_pe", "w_bits a_bits acc_bits", "mac shift"},
    {"add", "bits", "add"},
    {"requant", "acc_bits mul_bits", "requant"},
    {"row_max", "bits lanes", "row_max"},
    {"regs", "bits", "write"},
    {"fifo", "depth width_bits", "push"},
    {"regfile", "depth width_bits read_ports", "read write"},
    {"sram", "capacity_bytes width_bits", "read write"},
    {"rom", "capacity_bytes", "read"},
    {"crossbar", "masters banks data_bits", "transfer"},
    {"vector_lane", "bits", "op"},
    {"look_up", "bits", "lut"},
    {"isqrt", "bits", "isqrt"},
    {"div", "bits", "div"},
    {"retention_lane", "state_bits k_bits decay_mul", "update readout"},
    {"core", "kge", "active_cycle sleep_cycle"},
    {"apb", "slaves", "access"},
    {"udma", "channels", "word"},
    {"hyperram_phy", "", "read_byte write_byte command"},
    {"hyperram", "capacity_bytes", "read_byte write_byte command"},
    {"sequencer", "program_bytes contexts", "command"},
    {"address_gen", "dims bits", "packet"},
    {"transposer", "bytes", "byte"},
    {"unpacker", "bits", "unpacked"},
};

static bool has_word(const char *words, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = words; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && strncmp(p, name, n) == 0)
            return true;
    return false;
}

static bool has_action(const struct tech_class *c, const char *name, size_t n)
{
    for (size_t i = 0; i < c->n_actions; i++)
        if (strlen(c->actions[i].name) == n && strncmp(c->actions[i].name, name, n) == 0)
            return true;
    return false;
}

bool tech_check_needs(const struct tech_class *c, const struct ynode *params, struct err *err)
{
    bool ok = true;

    for (size_t k = 0; k < sizeof(needs) / sizeof(needs[0]); k++) {
        if (strcmp(needs[k].cls, c->name) != 0)
            continue;
        for (size_t i = 0; i < c->n_params; i++)
            if (!has_word(needs[k].params, c->params[i]))
                ok = err_add(err, ERR_CONFIG, &params->items[i]->at,
                             "no component gives the parameter `%s` to class `%s`; legal: %s", c->params[i],
                             c->name, needs[k].params);
        for (const char *p = needs[k].actions; *p; p += strcspn(p, " "), p += *p == ' ')
            if (!has_action(c, p, strcspn(p, " ")))
                ok = err_add(err, ERR_CONFIG, &c->at, "class `%s` lacks the action `%.*s`, which is counted",
                             c->name, (int)strcspn(p, " "), p);
    }
    return ok;
}
