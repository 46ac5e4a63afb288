/* Lines of a trace file as they stand, before they mean anything. Private to
 * arch/replay_parse.c and arch/replay_trace.c. */
#ifndef ARCH_REPLAY_PARSE_H
#define ARCH_REPLAY_PARSE_H

#include "arch/replay_trace.h"

/* Header keys with one integer value. */
enum replay_key {
    KEY_MASTERS, KEY_BANKS,
    KEY_N_CORE, KEY_N_EXT, KEY_N_DMA, KEY_N_HWPE, KEY_HWPE_WORDS, KEY_EXPFIFO,
    KEY_INVERT_PRIO, KEY_PRIO_NUM, KEY_PRIO_DEN,
    KEY_WORDS, KEY_DECOUPLED, KEY_LOAD_FIFO_DEPTH, KEY_SINK_FIFO_DEPTH, KEY_BACKGROUND_MASTERS,
    KEY_LOOP, KEY_READY_PERIOD, KEY_VALID_PERIOD, KEY_READY_PCT, KEY_READY_SEED,
    KEY_START_SRC, KEY_START_SNK,
    KEY_SRC_BASE, KEY_SRC_SIZE, KEY_SRC_LINE_LENGTH, KEY_SRC_LINE_STRIDE, KEY_SRC_FEAT_LENGTH,
    KEY_SRC_FEAT_STRIDE, KEY_SRC_FEAT_ROLL, KEY_SRC_LOOP_OUTER,
    KEY_SNK_BASE, KEY_SNK_SIZE, KEY_SNK_LINE_LENGTH, KEY_SNK_LINE_STRIDE, KEY_SNK_FEAT_LENGTH,
    KEY_SNK_FEAT_STRIDE, KEY_SNK_FEAT_ROLL, KEY_SNK_LOOP_OUTER,
    N_KEYS
};

struct replay_row {
    struct replay_request request;
    uint32_t master;
    uint32_t line;
    const char *source;
};

struct replay_lines {
    const char *file;
    char *bytes; /* the whole file, NUL terminated */
    int64_t value[N_KEYS];
    struct place at[N_KEYS]; /* line 0: the key is not in the file */
    struct place dut_at, unit_at, generator_at;
    enum replay_dut dut;
    bool byte_addresses;
    uint64_t blocking;
    uint8_t group[XBAR_MAX_MASTERS];
    uint32_t n_groups;
    struct place member_at[XBAR_MAX_MASTERS]; /* where a master is listed as blocking or in a group */
    struct replay_generator generator;
    struct replay_row *rows;
    size_t n_rows, cap_rows;
    uint32_t last_earliest[XBAR_MAX_MASTERS];
};

const char *replay_key_name(enum replay_key key);
/* Reads the file; false if anything was reported. Finish it either way. */
bool replay_lines_load(struct replay_lines *l, const char *path, struct err *err);
void replay_lines_finish(struct replay_lines *l);

#endif
