#include "tests/results_util.h"
#include <sys/stat.h>

static const char *const names[] = {"latency-vs-seq", "energy-vs-seq", "pe-array", "breakdown",
                                    "area-breakdown", "energy-breakdown", "pareto", "quality-vs-energy"};
enum { N_NAMES = sizeof names / sizeof names[0] };

/* Two networks, both phases, three forms, four lengths, four arrays. */
static const char *fill(const char *name)
{
    static const char *const forms[] = {"parallel", "recurrent", "chunkwise"};
    const char *path = scratch(name);
    rs_err *err = rs_err_create();
    rs_db *db = rs_db_open(path, err);
    rs_options options;
    rs_options_default(&options);
    for (unsigned i = 0; i < 192; i++) {
        char form[40], seq[40], phase[40], units[40], style[50];
        const char *sets[] = {form, seq, phase, units, style};
        snprintf(form, sizeof form, "work.form=%s", forms[i % 3]);
        snprintf(seq, sizeof seq, "work.seq=%u", 64u << (2 * (i / 3 % 4)));
        snprintf(phase, sizeof phase, "work.phase=%s", i / 12 % 2 ? "decode" : "prefill");
        snprintf(units, sizeof units, "arch.engine.units=%u", 4u << (i / 24 % 4));
        snprintf(style, sizeof style, "arch.engine.style=%s", i / 24 % 4 == 3 ? "systolic" : "dot_product");
        rs_design *d = rs_design_load("it's_soc.yaml", i < 96 ? "net_d64.yaml" : "net_d192.yaml", NULL, sets,
                                      5, err);
        rs_result *r = rs_run(d, &options, err);
        cr_assert(rs_db_put(db, d, &options, r, "q", err));
        rs_result_destroy(r);
        rs_design_destroy(d);
    }
    rs_db_close(db);
    rs_err_destroy(err);
    return path;
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct text t = {0};
    char buf[4096];
    size_t n;
    cr_assert(f, "%s", path);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        text_addn(&t, buf, n);
    fclose(f);
    text_add(&t, "");
    return t.s;
}

static bool draw(const char *db_path, const char *name, const char *path, char **text, rs_err *err)
{
    rs_db *db = rs_db_open_readonly(db_path, err);
    bool ok = db && rs_db_plot(db, name, path, text, err);
    rs_db_close(db);
    return ok;
}

Test(plot, lists_all)
{
    for (size_t i = 0; i < N_NAMES; i++)
        cr_expect(strstr(rs_plot_list(), names[i]), "%s", names[i]);
}

/* A picture, its script and its data; the script alone draws the same picture. */
Test(plot, draws_svg_with_script_and_data)
{
    const char *db = fill("p.db");
    rs_err *err = rs_err_create();
    for (size_t i = 0; i < N_NAMES; i++) {
        cr_assert(draw(db, names[i], scratch("one.svg"), NULL, err), "%s: %s", names[i], rs_err_text(err));
        char *first = slurp(scratch("one.svg")), *csv = slurp(scratch("one.csv")), command[500];
        cr_expect(strstr(first, "<svg") && strstr(first, "</svg>"));
        cr_expect(strstr(csv, "net_d64") || !strcmp(names[i], "area-breakdown"), "%s", names[i]);
        cr_expect(strchr(csv, '\n')[1], "%s has no data", names[i]);
        unlink(scratch("one.svg"));
        snprintf(command, sizeof command, "gnuplot '%s'", scratch("one.gp"));
        cr_assert_eq(system(command), 0);
        char *again = slurp(scratch("one.svg"));
        cr_expect_str_eq(first, again, "%s differs from one run to the next", names[i]);
        free(first);
        free(again);
        free(csv);
    }
    rs_err_destroy(err);
}

static const struct {
    const char *name, *words[8]; /* that must be in the picture */
} words[] = {
    {"latency-vs-seq", {"(fastest point of each form)", "net_d64: prefill", "net_d192: decode",
                        "latency", "latency per token", " ms", "sequence length (tokens)", "chunkwise"}},
    {"energy-vs-seq", {"(least of each form)", "energy per token", " uJ", "on-chip", "off-chip", "idle"}},
    {"pe-array", {"peak MAC per cycle", "latency (ms)", "energy (\xc2\xb5J)", "area (mm\xc2\xb2)",
                  "systolic os", "dot product"}},
    {"breakdown", {"(fastest point", "engine", "retention", "vector", "fill_drain", "tcdm_conflict",
                   "offchip_wait", "share of cycles (%)"}},
    {"area-breakdown", {"it's_soc", "area (mm\xc2\xb2)", "vector_unit", "16x32"}},
    {"energy-breakdown", {"share of energy (%)", "off-chip (upper bound)", "idle", "retention_unit"}},
    {"power", {"power (mW)", "on-chip", "off-chip", "idle", "sequence length"}},
    {"pareto", {"Pareto front", "tie: less energy", "on-chip + off-chip + idle (\xc2\xb5J)",
                "latency per token (ms)"}},
};

/* Text in SVG: entities undone, so that words can be looked for. */
static void undo_entities(char *s)
{
    for (char *p; (p = strstr(s, "&#39;")) || (p = strstr(s, "&apos;"));) {
        size_t n = strcspn(p, ";") + 1;
        *p = '\'';
        memmove(p + 1, p + n, strlen(p + n) + 1);
    }
}

Test(plot, names_axes_units_and_series)
{
    const char *db = fill("p.db");
    rs_err *err = rs_err_create();
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        cr_assert(draw(db, words[i].name, scratch("w.svg"), NULL, err), "%s", rs_err_text(err));
        char *svg = slurp(scratch("w.svg"));
        undo_entities(svg);
        for (size_t w = 0; w < 8 && words[i].words[w]; w++)
            cr_expect(strstr(svg, words[i].words[w]), "%s lacks `%s`", words[i].name, words[i].words[w]);
        free(svg);
    }
    rs_err_destroy(err);
}

Test(plot, draws_png_pdf_and_text)
{
    const char *db = fill("p.db");
    rs_err *err = rs_err_create();
    for (size_t i = 0; i < N_NAMES; i++) {
        char *text = NULL;
        cr_assert(draw(db, names[i], scratch("x.png"), NULL, err), "%s", rs_err_text(err));
        cr_assert(draw(db, names[i], scratch("it's x.pdf"), NULL, err), "%s", rs_err_text(err));
        cr_assert(draw(db, names[i], "-", &text, err), "%s", rs_err_text(err));
        char *png = slurp(scratch("x.png")), *pdf = slurp(scratch("it's x.pdf"));
        cr_expect(!memcmp(png, "\x89PNG", 4));
        cr_expect(!memcmp(pdf, "%PDF", 4));
        cr_assert(text);
        cr_expect(strlen(text) > 400 && !strchr(text, '\f'), "%s: %zu", names[i], strlen(text));
        free(text);
        free(png);
        free(pdf);
    }
    rs_err_destroy(err);
}

static void expect_error(const char *db, const char *name, const char *path, int code, const char *says)
{
    rs_err *err = rs_err_create();
    char *text = NULL;
    cr_expect_not(draw(db, name, path, &text, err), "%s %s", name, path);
    cr_expect_eq(rs_err_code(err), code, "%s %s: %d", name, path, rs_err_code(err));
    cr_expect(strstr(rs_err_text(err), says), "%s", rs_err_text(err));
    rs_err_destroy(err);
}

Test(plot, explains_errors)
{
    const char *db = fill("p.db"), *empty = scratch("e.db");
    rs_err *err = rs_err_create();
    rs_db_close(rs_db_open(empty, err));
    expect_error(db, "pe-aray", scratch("x.svg"), 64, "(did you mean `pe-array`?)");
    expect_error(db, "zzzzzz", scratch("x.svg"), 64, "unknown plot `zzzzzz`; legal are latency-vs-seq");
    expect_error(db, "pareto", scratch("x.gif"), 64, "pictures end in .svg, .png or .pdf");
    expect_error(db, "pareto", scratch("no/dir/x.svg"), 73, "cannot create");
    for (size_t i = 0; i < N_NAMES; i++)
        expect_error(empty, names[i], scratch("x.svg"), 65, "nothing to draw");
    setenv("PATH", "/nonexistent", 1);
    expect_error(db, "pareto", scratch("x.svg"), 70, "gnuplot-nox");
    rs_err_destroy(err);
}
