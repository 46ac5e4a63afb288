/* Network directories with mistakes in them: case.json, network.yaml and .npy files are damaged by a
 * deterministic mutator. Each has to be refused with an error or evaluated: no crash, no hang, and no memory
 * that a header merely claims.
 * usage: fuzz_network [SEED [COUNT]] */
#include "include/retsim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_BYTES = 1 << 16, MAX_RSS_KIB = 600 * 1024 };

static uint64_t state;

static uint64_t below(uint64_t n)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % n;
}

static size_t read_file(const char *path, unsigned char *to)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        exit(66);
    size_t n = fread(to, 1, MAX_BYTES, f);
    fclose(f);
    return n;
}

static void write_file(const char *path, const unsigned char *from, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(from, 1, n, f) != n)
        exit(74);
    fclose(f);
}

/* Damages a copy: bytes, numbers in text, the length. Returns the new length. */
static size_t damage(unsigned char *b, size_t n)
{
    static const char *const texts[] = {"99999999999", "-1", "0", "1e308", "nan", "(", "{", "[", "'", "<f2"};
    uint64_t head = below(2) && n > 128 ? 128 : n; /* headers more often than data */
    for (uint64_t k = 1 + below(4); k > 0; k--) {
        size_t at = below(head);
        const char *t = texts[below(sizeof texts / sizeof texts[0])];
        if (below(3))
            b[at] = (unsigned char)below(256);
        else if (at + strlen(t) <= n)
            memcpy(b + at, t, strlen(t));
    }
    return below(4) ? n : below(n + 1);
}

static int try_one(const char *dir, const char *file)
{
    static unsigned char good[MAX_BYTES], bad[MAX_BYTES];
    static const char *const careful[] = {"work.quant.equalize=channel",
                                          "work.quant.weight_rounding=feedback"};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    size_t n = read_file(path, good);
    memcpy(bad, good, n);
    write_file(path, bad, damage(bad, n));
    rs_err *err = rs_err_create();
    char *text = rs_eval(dir, "chunkwise", careful, below(2) * 2, true, err);
    int code = rs_err_code(err);
    if (text ? code != 0 : code != 65 && code != 66 && code != 78) {
        printf("%s: code %d: %s\n", path, code, rs_err_text(err));
        exit(1);
    }
    free(text);
    rs_err_destroy(err);
    write_file(path, good, n);
    return code;
}

int main(int argc, char **argv)
{
    static const char *const plain[] = {"case.json", "case.json", "case.json", "w_q.npy", "w_out.npy",
                                        "x.npy", "decay.npy", "out_chunkwise.npy"};
    static const char *const whole[] = {"network.yaml", "network.yaml", "w_q.npy", "w_q_scale.npy",
                                        "rq_v.npy", "rq_gated.npy",
                                        "head_numbers.npy", "head_steps.npy", "steps.npy",
                                        "h0_decay_table.npy", "h1_decay_chunk.npy", "h0_eps_parallel.npy",
                                        "h0_rq_cross.npy", "lut_swish.npy", "rotary_cos.npy", "decay.npy"};
    char dir[] = "/tmp/retsim-fuzz-XXXXXX", a[64], b[64], command[512];
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 3000, refused = 0;
    struct rusage use;
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    rs_err *err = rs_err_create();
    if (!mkdtemp(dir))
        return 73;
    snprintf(a, sizeof a, "%s/a", dir);
    snprintf(b, sizeof b, "%s/b", dir);
    snprintf(command, sizeof command, "cp -r '%s/tests/reference/retnet/msr_s16_d64_h2_v1_c8' %s",
             TEST_ROOT, a);
    if (system(command) != 0 || !rs_quantize(a, b, 0, NULL, 0, err))
        return 73;
    for (uint64_t i = 0; i < count; i++)
        refused += (i % 2 ? try_one(b, whole[below(sizeof whole / sizeof whole[0])])
                          : try_one(a, plain[below(sizeof plain / sizeof plain[0])])) != 0;
    getrusage(RUSAGE_SELF, &use);
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (system(command) != 0)
        return 74;
    rs_err_destroy(err);
    printf("%" PRIu64 " directories, %" PRIu64 " refused, %ld MiB\n", count, refused, use.ru_maxrss / 1024);
    return refused == 0 || refused == count || use.ru_maxrss > MAX_RSS_KIB;
}
