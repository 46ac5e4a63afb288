/* Traces as text, for the tests of replay. */
#ifndef TESTS_REPLAY_TEXT_H
#define TESTS_REPLAY_TEXT_H

#include "arch/replay.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XBAR_HEAD "# dut: interleaved_crossbar\n# masters: 4\n# banks: 4\n# address unit: word\n"
#define SOC_HEAD "# dut: soc_interconnect_wrap\n# masters: 13\n# banks: 4\n# address unit: byte\n"
#define HCI_HEAD                                                                                    \
    "# dut: hci_interconnect\n# masters: 4\n# banks: 4\n# address unit: word\n# n_core: 3\n"        \
    "# n_ext: 0\n# n_dma: 0\n# n_hwpe: 1\n# hwpe_words: 4\n# invert_prio: 0\n# prio_num: 0\n"
#define STREAM_HEAD                                                                                 \
    "# dut: hwpe_stream\n# masters: 6\n# banks: 4\n# address unit: word\n# words: 1\n"              \
    "# background_masters: 4\n"

static inline char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *s = NULL;
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    s = malloc(*size + 1);
    cr_assert_eq(fread(s, 1, *size, f), *size);
    s[*size] = '\0';
    fclose(f);
    return s;
}

static inline void write_file(char path[64], const char *content, size_t size)
{
    const char *dir = getenv("TMPDIR");
    snprintf(path, 64, "%.40s/replayXXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content, size), (ssize_t)size);
    close(fd);
}

/* Replays a trace given as text; the result is the caller's. */
static inline struct text replay_text(const char *trace)
{
    struct text out = {0};
    struct err err = {0};
    char path[64];
    write_file(path, trace, strlen(trace));
    bool ok = replay_run(path, 0, &out, &err);
    unlink(path);
    cr_assert(ok, "%s", err.n_diags ? err.diags[0].text : "no diagnostic");
    return out;
}

#endif
