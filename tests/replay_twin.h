/* A second, slow account of the interconnects, for tests: random scenarios and what has to come of them,
 * written from the rules (arbitration trees walked node by node, queues as counted lists, every cycle of
 * every master looked at), with nothing of arch/ in it. */
#ifndef TESTS_REPLAY_TWIN_H
#define TESTS_REPLAY_TWIN_H

#include "base/hash.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum twin_dut { TWIN_CROSSBAR, TWIN_SOC, TWIN_HCI };
enum { TWIN_MASTERS = 64, TWIN_REQUESTS = 64, TWIN_HWPES = 8 };

struct twin_request {
    uint32_t earliest, addr;
    bool write;
    uint64_t first, grant, response; /* cycles; the result */
};

struct twin {
    enum twin_dut dut;
    unsigned masters, banks;
    bool byte_addresses;
    bool blocking[TWIN_MASTERS];
    unsigned group[TWIN_MASTERS];                             /* 0: none */
    unsigned cores, ext, dma, hwpes, words, invert, num, den; /* of HCI */
    unsigned n[TWIN_MASTERS];
    struct twin_request request[TWIN_MASTERS][TWIN_REQUESTS];
};

/* Draws a scenario: sizes, who is active, how, and where to. */
void twin_draw(struct twin *t, enum twin_dut dut, struct rng *rng);
/* Fills in first, grant and response of every request. False: it does not end. */
bool twin_run(struct twin *t);
/* The scenario in the trace format, the result in the result format. */
void twin_trace(const struct twin *t, struct text *out);
void twin_result(const struct twin *t, struct text *out);

#endif
