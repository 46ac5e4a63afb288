#include "cli/show.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BAR_WIDTH = 30, MAX_LAYERS_SHOWN = 12 };

/* "1.23 MHz", "0 J". */
static const char *quantity(double v, const char *unit, char *buf, size_t size)
{
    text_si(v, buf, size);
    size_t len = strlen(buf);
    snprintf(buf + len, size - len, "%s%s", strchr(buf, ' ') ? "" : " ", unit);
    return buf;
}

/* Value of a key of canonical text: "work.form" -> "chunkwise". */
static const char *setting(const rs_design *d, const char *key, char *buf, size_t size)
{
    const char *text = rs_design_text(d, "work");
    size_t len = strlen(key);
    buf[0] = '\0';
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0 && strncmp(line + len, ": ", 2) == 0)
            snprintf(buf, size, "%.*s", (int)strcspn(line + len + 2, "\n"), line + len + 2);
    }
    return buf;
}

/* "chunkwise prefill of 512 tokens (chunk 64), then decode of 64". */
static void add_work(const rs_design *d, struct text *out)
{
    char kind[24], form[24], phase[24], seq[24], tokens[24], chunk[24], decode[24], batch[24], rows[24];
    const char *by = setting(d, "work.decode", decode, sizeof decode);
    setting(d, "work.kind", kind, sizeof kind);
    setting(d, "work.form", form, sizeof form);
    setting(d, "work.phase", phase, sizeof phase);
    setting(d, "work.seq", seq, sizeof seq);
    setting(d, "work.tokens", tokens, sizeof tokens);
    text_printf(out, "workload      %s: ", rs_design_name(d, "work"));
    if (strcmp(kind, "gemm") == 0) {
        text_printf(out, "m %s, n %s, k %s\n", setting(d, "work.m", seq, sizeof seq),
                    setting(d, "work.n", tokens, sizeof tokens), setting(d, "work.k", chunk, sizeof chunk));
        return;
    }
    if (strcmp(setting(d, "work.s", rows, sizeof rows), "0")) {
        text_printf(out, "s %s, e %s, p %s, f %s\n", rows, setting(d, "work.e", seq, sizeof seq),
                    setting(d, "work.p", tokens, sizeof tokens), setting(d, "work.f", chunk, sizeof chunk));
        return;
    }
    if (strcmp(phase, "decode") == 0) {
        text_printf(out, "decode of %s tokens after %s, by %s", tokens, seq, by);
    } else {
        text_printf(out, "%s prefill of %s tokens", form, seq);
        if (strcmp(form, "chunkwise") == 0)
            text_printf(out, " (chunk %s)", setting(d, "work.chunk", chunk, sizeof chunk));
        if (strcmp(phase, "both") == 0)
            text_printf(out, ", then decode of %s by %s", tokens, by);
    }
    if (strcmp(setting(d, "work.batch", batch, sizeof batch), "1") != 0)
        text_printf(out, ", batch %s", batch);
    text_add(out, "\n");
}

static void add_energy(const rs_summary *s, struct text *out)
{
    char all[24], on[24], off[24], idle[24];
    text_printf(out, "energy        %s", quantity((double)s->energy_fj * 1e-15, "J", all, sizeof all));
    if (s->energy_rel_err > 0)
        text_printf(out, " +- %.0f %%", 100 * s->energy_rel_err);
    text_printf(out, ": on-chip %s, off-chip %s, idle %s\n",
                quantity((double)s->energy_onchip_fj * 1e-15, "J", on, sizeof on),
                quantity((double)s->energy_offchip_fj * 1e-15, "J", off, sizeof off),
                quantity((double)s->energy_idle_fj * 1e-15, "J", idle, sizeof idle));
    if (s->energy_upper_fj)
        text_printf(out, "              %s of it are upper bounds (data sheet maxima), no estimates\n",
                    quantity((double)s->energy_upper_fj * 1e-15, "J", all, sizeof all));
}

static void add_values(const rs_summary *s, struct text *out)
{
    char a[40];
    if (!s->has_values)
        return;
    text_printf(out, "values        %s numbers are the integer model's",
                cli_count(s->values_compared, a, sizeof a));
    if (isfinite(s->sqnr_db))
        text_printf(out, "; SQNR %.2f dB", s->sqnr_db);
    if (isfinite(s->bits_per_byte))
        text_printf(out, "; %.4f bits per byte (float %.4f)", s->bits_per_byte, s->float_bits_per_byte);
    text_add(out, "\n");
}

static void add_summary(const rs_design *d, const rs_summary *s, struct text *out)
{
    static const char *const methods[] = {"full", "folded", "bound (closed form, a lower bound)"};
    char a[40], b[40], c[40];
    add_work(d, out);
    text_printf(out, "architecture  %s\ntechnology    %s\nmethod        %s\n\n", rs_design_name(d, "arch"),
                rs_design_name(d, "tech"), methods[s->method]);
    text_printf(out, "cycles        %s\n", cli_count(s->cycles, a, sizeof a));
    text_printf(out, "time          %s at %s", quantity(s->time_ns * 1e-9, "s", a, sizeof a),
                quantity((double)s->soc_hz, "Hz", b, sizeof b));
    if (s->fmax_hz)
        text_printf(out, " (estimated limit %s +- %.0f %%)", quantity((double)s->fmax_hz, "Hz", c, sizeof c),
                    100 * s->fmax_rel_err);
    text_add(out, "\n");
    if (s->tokens)
        text_printf(out, "tokens        %s, %s tokens/s\n", cli_count(s->tokens, a, sizeof a),
                    text_si(s->tokens_per_s, b, sizeof b));
    text_printf(out, "MACs          %s useful, %s issued; peak %" PRIu64 " a cycle\n",
                cli_count(s->macs, a, sizeof a), cli_count(s->macs_issued, b, sizeof b),
                s->peak_macs_per_cycle);
    text_printf(out, "utilization   %.1f %%%s\n", 100 * s->utilization,
                s->utilization > 1 ? " of the 8 x 8 peak; modes of narrow numbers are faster" : "");
    if (s->estimated_cycles)
        text_printf(out, "estimates     at most %.2g %% of the cycles (interrupt entry, HyperBus overhead)\n",
                    100 * (double)s->estimated_cycles / (double)s->cycles);
    add_values(s, out);
    add_energy(s, out);
    text_printf(out, "power         %s\n", quantity(s->power_uw * 1e-6, "W", a, sizeof a));
    text_printf(out, "area          %.4f mm2", (double)s->area_um2 * 1e-6);
    if (s->area_rel_err > 0)
        text_printf(out, " +- %.0f %%", 100 * s->area_rel_err);
    if (s->energy_level_err > 0)
        text_printf(out, "; the levels of energy +- %.0f %%, of area +- %.0f %%", 100 * s->energy_level_err,
                    100 * s->area_level_err);
    text_add(out, "\n");
}

static void add_breakdown(const rs_result *r, struct text *out)
{
    static const char *const heads[] = {"where the cycles go", "cycles", "share", ""};
    struct cli_table t = {.n_cols = 4, .heads = heads, .left = {[0] = true, [3] = true}};
    static const char bar[BAR_WIDTH + 1] = "##############################";
    double cycles = (double)rs_result_summary(r)->cycles;
    size_t n;
    const rs_amount *v = rs_result_breakdown(r, &n);
    char buf[40];
    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        double share = (double)v[i].value / cycles;
        cli_cell(&t, "%s", v[i].name);
        cli_cell(&t, "%s", cli_count(v[i].value, buf, sizeof buf));
        cli_cell(&t, "%.1f %%", 100 * share);
        cli_cell(&t, "%.*s", (int)(share * BAR_WIDTH + 0.5), bar);
    }
    text_add(out, "\n");
    cli_table_end(&t, out);
}

static void add_components(const rs_result *r, struct text *out)
{
    static const char *const heads[] = {"component", "class", "energy", "share", "area", "share"};
    struct cli_table t = {.n_cols = 6, .heads = heads, .left = {true, true}};
    const rs_summary *s = rs_result_summary(r);
    size_t n;
    const rs_component *v = rs_result_components(r, &n);
    char buf[40];
    for (size_t i = 0; i < n; i++) {
        if (!v[i].energy_fj && !v[i].area_um2)
            continue;
        cli_cell(&t, "%s", v[i].name);
        cli_cell(&t, "%s", v[i].class_name);
        cli_cell(&t, "%s", quantity((double)v[i].energy_fj * 1e-15, "J", buf, sizeof buf));
        cli_cell(&t, "%.1f %%", s->energy_fj ? 100.0 * (double)v[i].energy_fj / (double)s->energy_fj : 0);
        cli_cell(&t, "%s um2", cli_count(v[i].area_um2, buf, sizeof buf));
        cli_cell(&t, "%.1f %%", s->area_um2 ? 100.0 * (double)v[i].area_um2 / (double)s->area_um2 : 0);
    }
    if (t.n)
        text_add(out, "\n");
    if (t.n)
        cli_table_end(&t, out);
}

static void add_traffic(const rs_result *r, struct text *out)
{
    static const char *const heads[] = {"traffic", "bytes"};
    struct cli_table t = {.n_cols = 2, .heads = heads, .left = {true}};
    size_t n;
    const rs_amount *v = rs_result_traffic(r, &n);
    char buf[40];
    for (size_t i = 0; i < n; i++) {
        if (!v[i].value && i >= 4) /* the four interfaces show always */
            continue;
        cli_cell(&t, "%s%s", i >= 4 ? "  " : "", v[i].name);
        cli_cell(&t, "%s", cli_count(v[i].value, buf, sizeof buf));
    }
    text_add(out, "\n");
    cli_table_end(&t, out);
}

static void add_homes(const rs_result *r, struct text *out)
{
    static const char *const heads[] = {"tensor", "home", "bytes"};
    struct cli_table t = {.n_cols = 3, .heads = heads, .left = {true, true}};
    size_t n;
    const rs_home *v = rs_result_homes(r, &n);
    char buf[40];
    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        cli_cell(&t, "%s", v[i].tensor);
        cli_cell(&t, "%s", v[i].home);
        cli_cell(&t, "%s", cli_count(v[i].bytes, buf, sizeof buf));
    }
    text_add(out, "\n");
    cli_table_end(&t, out);
}

/* One row a layer, or one for a run of layers of the same name when there are many. */
static void add_layers(const rs_result *r, struct text *out)
{
    static const char *const heads[] = {"layer", "index", "cycles", "share"};
    struct cli_table t = {.n_cols = 4, .heads = heads, .left = {true}};
    double total = (double)rs_result_summary(r)->cycles;
    size_t n, end;
    const rs_layer *v = rs_result_layers(r, &n);
    char buf[40], range[48];
    if (!n)
        return;
    for (size_t i = 0; i < n; i = end) {
        uint64_t cycles = v[i].cycles;
        for (end = i + 1; n > MAX_LAYERS_SHOWN && end < n && strcmp(v[end].name, v[i].name) == 0; end++)
            cycles += v[end].cycles;
        snprintf(range, sizeof range, "%" PRIu64 "..%" PRIu64, v[i].index, v[end - 1].index);
        cli_cell(&t, "%s", v[i].name);
        cli_cell(&t, "%.*s", end - i > 1 ? 47 : (int)strcspn(range, "."), range);
        cli_cell(&t, "%s", cli_count(cycles, buf, sizeof buf));
        cli_cell(&t, "%.1f %%", 100 * (double)cycles / total);
    }
    text_add(out, "\n");
    cli_table_end(&t, out);
}

static void add_lines(const char *head, const char *const *v, size_t n, struct text *out)
{
    if (n)
        text_printf(out, "\n%s\n", head);
    for (size_t i = 0; i < n; i++)
        text_printf(out, "  %s\n", v[i]);
}

void show_result(const rs_design *d, const rs_result *r, struct text *out)
{
    size_t n;
    add_summary(d, rs_result_summary(r), out);
    add_breakdown(r, out);
    add_layers(r, out);
    add_components(r, out);
    add_traffic(r, out);
    add_homes(r, out);
    const char *const *notes = rs_result_notes(r, &n);
    add_lines("notes", notes, n, out);
    const char *const *keys = rs_result_hypothetical(r, &n);
    add_lines("hypothetical: keys with values that no PULPissimo can have", keys, n, out);
}
