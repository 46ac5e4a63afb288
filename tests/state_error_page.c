/* usage: state_error [--update] PAGE.md PICTURE.svg
 * Measures the error of the state over 8192 tokens and compares PAGE with it, or writes both
 * files (the picture needs gnuplot). Exit code 1: a file is out of date. */
#include "tests/page.h"
#include "tests/state_error.h"

#include "base/hash.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST = STATE_LENGTHS - 1 };

static const char *const titles[STATE_VARIANTS] = {
    "int32, 4 guard bits, rounded",  "int32, 4 guard bits, truncated", "int16, rounded",
    "int16, truncated",              "int16, stochastic",              "int16, once per 64 tokens",
    "int16, ties to even"};

static const char head[] =
    "# Error of the state\n\n"
    "How far the integer state of a head is from the exact one as a sequence grows: signal to noise\n"
    "(SQNR, dB) of q x S over the last half of the tokens so far, against exact arithmetic. q, k and v\n"
    "are normal int8 numbers whose largest is 127, dk = dv = 16, the decay of head h is 1 - 2^-(5+h).\n"
    "The integers are the datapath's (`workloads/intops.h`): decay by shift and one update a token, or\n"
    "one update in 64 tokens with keys decayed to 8 bits, where queries read the state of the chunks\n"
    "before. 32-bit states hold k v with 4 guard bits and are read in full here (the datapath reads\n"
    "their top 16 bits); 16-bit states hold k v / 2^p, p from the largest exact state.\n\n"
    "The tests write this page (`tests/state_error --update docs/state_error.md docs/state_error.svg`\n"
    "in the build folder) and fail when it is out of date; `tests/test_quality.c` fails when a figure\n"
    "at 8192 tokens is more than 1.5 dB from its reference. Figures are medians of five seeds, all of\n"
    "them with the p of the reference (rounded, the first bit that k v loses costs 22 dB, the next\n"
    "ones 4 to 5 each, so seeds with other p would be another experiment). The reference, in brackets,\n"
    "is an independent NumPy model of the same operations on one seed of its own data; for chunks it\n"
    "measured the state itself.\n\n"
    "## At 8192 tokens\n\n";

static const char second[] =
    "\n![SQNR of q x S over the number of tokens, one panel for each kind of state, one line a "
    "head](state_error.svg)\n\n"
    "## By kind of state\n\n"
    "*Lost* is what 32 times the tokens cost (256 to 8192), *off* the distance from the reference over\n"
    "the nine heads, *clipped* counts updates that met the limit of the width, of ";

static const char text[] =
    "\n**What it shows.** *32 bits* with guard bits are far better than the 8-bit operands around them,\n"
    "at every length; rounding shows only from h = 11 on, where a decay moves the state by 2^-16 and\n"
    "less. *Truncation* takes half a step away in every token, and the steps add up over the memory of\n"
    "the head, 2^(5+h) tokens: 3 dB are lost with every doubling of the tokens until that memory is\n"
    "full. *16 bits, rounded half up*, lose almost as much once k v is shifted (p > 0), for two\n"
    "reasons. Products of integers often lie on a tie, all ties go up, and that bias adds up in the\n"
    "same way: *ties to even* (`rounding: half_even`) win 14 to 19 dB at h = 2, 3 and 5. And values\n"
    "below half of 2^(5+h) steps do not decay (from h = 11 on a 16-bit state never does), which is what\n"
    "remains from h = 7 on.\n"
    "*Stochastic* rounding has neither, and loses next to nothing with the length. *One update in 64\n"
    "tokens* rounds 64 times less often; fast heads are limited by the keys' 8 bits, which is no error\n"
    "that grows, slow ones (h = 9 and more) are 30 dB better than with an update a token. So a 16-bit\n"
    "state is good for an update a token up to h = 3, with ties to even up to h = 5; slower heads want\n"
    "chunks, stochastic rounding or 32 bits.\n\n";

struct figures {
    struct state_error of[STATE_HEADS];
};

static void first_table(const struct figures *f, struct text *out)
{
    text_add(out, "| h | p |");
    for (unsigned v = 0; v < STATE_VARIANTS; v++)
        text_printf(out, " %s |", titles[v]);
    text_add(out, "\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for (unsigned i = 0; i < STATE_HEADS; i++) {
        text_printf(out, "| %u | %d |", state_heads[i], state_measured_p[i]);
        for (unsigned v = 0; v < STATE_VARIANTS; v++)
            if (state_measured[i][v] > 0)
                text_printf(out, " %.1f (%.1f) |", f->of[i].db[v][LAST], state_measured[i][v]);
            else
                text_printf(out, " %.1f |", f->of[i].db[v][LAST]);
        text_add(out, "\n");
    }
}

static double off(const struct figures *f, unsigned i, unsigned v)
{
    return !(state_measured[i][v] > 0) ? 0 : fabs(f->of[i].db[v][LAST] - state_measured[i][v]);
}

static void row_of(const struct figures *f, unsigned v, struct text *out)
{
    unsigned worst = 0, most = 0;
    double lost[STATE_HEADS], sum = 0, largest = 0;
    uint64_t clipped = 0;
    for (unsigned i = 0; i < STATE_HEADS; i++) {
        const struct state_error *e = &f->of[i];
        lost[i] = e->db[v][0] - e->db[v][LAST];
        worst = e->db[v][LAST] < f->of[worst].db[v][LAST] ? i : worst;
        most = lost[i] > lost[most] ? i : most;
        sum += off(f, i, v);
        largest = fmax(largest, off(f, i, v));
        clipped += e->over[v];
    }
    text_printf(out, "| %s | %.1f dB (h = %u) | %.1f dB (h = %u) | ", titles[v], f->of[worst].db[v][LAST],
                state_heads[worst], lost[most], state_heads[most]);
    if (state_measured[0][v] > 0)
        text_printf(out, "%.1f dB | %.1f dB", sum / STATE_HEADS, largest);
    else
        text_add(out, "- | -");
    text_printf(out, " | %" PRIu64 " |\n", clipped);
}

static void compare(const struct figures *f, struct text *out)
{
    double sum = 0, largest = 0, spread = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < STATE_HEADS; i++)
        for (unsigned v = 0; v < STATE_VARIANTS && state_measured[i][v] > 0; v++, n++) {
            sum += f->of[i].db[v][LAST] - state_measured[i][v];
            largest = fmax(largest, off(f, i, v));
            spread = fmax(spread, f->of[i].most[v] - f->of[i].least[v]);
        }
    text_printf(out,
                "**How it compares.** The %u medians are %.1f dB from their references on average (largest\n"
                "distance %.1f dB); the best and the worst of five seeds are up to %.1f dB apart.\n"
                "Seeds move all figures together: the largest of 131,072 normal numbers takes 127, and\n"
                "how far outside it lies decides how large the others are.\n",
                n, sum / n, largest, spread);
}

static void page(const struct figures *f, struct text *out)
{
    text_add(out, head);
    first_table(f, out);
    text_add(out, second);
    text_printf(out, "%u million.\n\n", STATE_HEADS * STATE_SEEDS * STATE_TOKENS * 256 / 1000000);
    text_add(out, "| state | worst head | most lost | off, mean | off, most | clipped |\n"
                  "|---|---:|---:|---:|---:|---:|\n");
    for (unsigned v = 0; v < STATE_VARIANTS; v++)
        row_of(f, v, out);
    text_add(out, text);
    compare(f, out);
}

/* ---- the picture: a panel for each kind of state, a line for each head ---- */

static void data(const struct figures *f, struct text *out)
{
    for (unsigned v = 0; v < STATE_VARIANTS; v++) {
        text_printf(out, "$state%u << END\n", v);
        for (unsigned n = 0; n < STATE_LENGTHS; n++) {
            text_printf(out, "%d", STATE_SHORTEST << n);
            for (unsigned i = 0; i < STATE_HEADS; i++)
                text_printf(out, " %.1f", f->of[i].db[v][n]);
            text_add(out, "\n");
        }
        text_add(out, "END\n");
    }
}

static void margins(double left, double right, double bottom, double top, struct text *out)
{
    text_printf(out, "set lmargin at screen %.3f\nset rmargin at screen %.3f\nset bmargin at screen %.3f\n"
                "set tmargin at screen %.3f\n", left, right, bottom, top);
}

/* A line for each head; with NULL instead of data only what the key shows. */
static void lines(const char *values, struct text *out)
{
    static const char *const colours[STATE_HEADS] = {"#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187",
                                                     "#4ac16d", "#9dbd20", "#e0a010", "#d0432a"};
    text_add(out, "plot ");
    for (unsigned i = 0; i < STATE_HEADS; i++) {
        text_add(out, i ? ", " : "");
        if (values)
            text_printf(out, "%s using 1:%u", values, i + 2);
        else
            text_add(out, "NaN");
        text_printf(out, " with linespoints lc rgb '%s' lw 1.6 pt %u ps 0.6 title 'h = %u, 1-2^-%u'",
                    colours[i], i + 4, state_heads[i], 5 + state_heads[i]);
    }
    text_add(out, "\n");
}

static void panel(unsigned v, struct text *out)
{
    double left = 0.06 + 0.2 * (v / 2), bottom = v % 2 ? 0.11 : 0.59;
    char values[16];
    margins(left, left + 0.165, bottom, bottom + 0.35, out);
    text_printf(out, "set title '%s'\nset xlabel '%s'\nset ylabel '%s'\n", titles[v], v % 2 ? "tokens" : "",
                v < 2 ? "SQNR of q x S (dB)" : "");
    snprintf(values, sizeof values, "$state%u", v);
    lines(values, out);
}

/* A key as high as the picture beside the panels: that of a panel is cut to its height. */
static void key(struct text *out)
{
    margins(0.87, 0.995, 0.11, 0.94, out);
    text_add(out, "unset title\nunset xlabel\nunset ylabel\nunset tics\nunset border\nunset grid\n"
                  "set key right center vertical samplen 2 spacing 1.5 title 'head, decay'\n");
    lines(NULL, out);
}

static void script(const struct text *values, const char *path, struct text *out)
{
    text_printf(out, "set terminal svg size 1360,640 dynamic noenhanced background '#ffffff' font "
                "'sans-serif,12'\nset output '%s'\n", path);
    text_add(out, values->s);
    text_add(out, "set multiplot\nunset key\nset tics nomirror out\nset border 3 lc rgb '#444444'\n"
                  "set grid lc rgb '#dddddd' lw 0.7 lt 1\nset logscale x 2\nset xrange [240:8740]\n"
                  "set yrange [0:100]\nset ytics 20\nset xtics ('256' 256, '512' 512, '1024' 1024, "
                  "'2048' 2048, '4096' 4096, '8192' 8192)\n");
    for (unsigned v = 0; v < STATE_VARIANTS; v++)
        panel(v, out);
    key(out);
    text_add(out, "unset multiplot\nunset output\n");
}

/* A remark by which a picture is known to be of these data. */
static void mark_of(const struct text *values, char mark[64])
{
    struct hash128 h = hash_bytes(values->s, values->len);
    char hex[33];
    hash_hex(&h, hex);
    snprintf(mark, 64, "<!-- data %s -->\n", hex);
}

static bool draw(const struct text *values, const char *path)
{
    struct text t = {0};
    char mark[64];
    script(values, path, &t);
    FILE *p = popen("gnuplot", "w");
    bool ok = p && fwrite(t.s, 1, t.len, p) == t.len;
    ok = p && pclose(p) == 0 && ok;
    FILE *f = ok ? fopen(path, "a") : NULL;
    mark_of(values, mark);
    ok = f && fputs(mark, f) >= 0;
    ok = f && fclose(f) == 0 && ok;
    if (!ok)
        fprintf(stderr, "%s: gnuplot did not draw it\n", path);
    text_finish(&t);
    return ok;
}

static bool picture_is_current(const struct text *values, const char *path)
{
    char mark[64], line[512], last[512] = "";
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        memcpy(last, line, sizeof last);
    if (f)
        fclose(f);
    mark_of(values, mark);
    bool same = strcmp(last, mark) == 0;
    if (!same)
        fprintf(stderr, "%s shows other data: run this test with --update\n", path);
    return same;
}

int main(int argc, char **argv)
{
    bool write = argc == 4 && strcmp(argv[1], "--update") == 0;
    static struct figures f;
    struct text words = {0}, values = {0};
    if (argc != 3 && !write) {
        fputs("usage: state_error [--update] PAGE.md PICTURE.svg\n", stderr);
        return 2;
    }
    for (unsigned i = 0; i < STATE_HEADS; i++)
        state_error_of(i, &f.of[i]);
    page(&f, &words);
    data(&f, &values);
    bool ok = write ? page_write(argv[2], &words) : page_is_current(argv[1], &words);
    ok = (write ? draw(&values, argv[3]) : picture_is_current(&values, argv[2])) && ok;
    text_finish(&words);
    text_finish(&values);
    return ok ? 0 : 1;
}
