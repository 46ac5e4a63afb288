/* A program outside of the tree: it knows the public header and links the library, nothing else. Which array
 * is faster per square millimetre, and what does the recurrent form do at twice the length? */
#include <inttypes.h>
#include <retsim.h>
#include <stdio.h>

static int fail(rs_err *err)
{
    fputs(rs_err_text(err), stderr);
    int code = rs_err_code(err);
    rs_err_destroy(err);
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    rs_err *err = rs_err_create();
    rs_design *base = rs_design_load(argv[1], argv[2], NULL, NULL, 0, err);
    rs_db *db = base ? rs_db_open(argv[3], err) : NULL;
    if (!db)
        return fail(err);
    rs_options options;
    rs_options_default(&options);
    static const char *const units[] = {"arch.engine.units=8", "arch.engine.units=16"};
    uint64_t cycles[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const char *sets[] = {units[i], "work.seq=64", "work.form=recurrent"};
        rs_design *d = rs_design_with(base, sets, 3, err);
        rs_result *r = d ? rs_run(d, &options, err) : NULL;
        if (!r || !rs_db_put(db, d, &options, r, "consumer", err))
            return fail(err);
        const rs_summary *s = rs_result_summary(r);
        size_t n;
        uint64_t sum = 0;
        const rs_amount *causes = rs_result_breakdown(r, &n);
        for (size_t k = 0; k < n; k++)
            sum += causes[k].value;
        cycles[i] = s->cycles;
        if (sum != s->cycles || !s->area_um2 || !s->energy_fj)
            return 1;
        rs_result_destroy(r);
        rs_design_destroy(d);
    }
    if (!rs_db_flush(db, err))
        return fail(err);
    const char *unknown = "arch.engine.unitz=8";
    if (rs_design_with(base, &unknown, 1, err) || rs_err_code(err) != 78)
        return 2;
    rs_db_close(db);
    rs_design_destroy(base);
    rs_err_destroy(err);
    printf("%s more units are %s\n", rs_version(), cycles[1] < cycles[0] ? "faster" : "slower");
    return 0;
}
