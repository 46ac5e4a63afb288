/* A run as a timeline in a file. */
#include "arch/timeline.h"
#include "workloads/api.h"
#include "workloads/lower.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct trace_format {
    const char *extension;
    void (*write)(const struct trace *t, FILE *f);
};
static const struct trace_format formats[] = {
    {".json", trace_write_json}, {".pftrace", trace_write_pftrace}, {".vcd", trace_write_vcd}};

void rs_trace_options_default(rs_trace_options *options)
{
    *options = (rs_trace_options){.from_cycle = 0, .to_cycle = UINT64_MAX, .max_entries = 1000000};
}

static const struct trace_format *format_of(const char *path, struct err *err)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(dot, formats[i].extension) == 0)
            return &formats[i];
    err_add(err, ERR_USAGE, NULL, "cannot tell the format of '%s'; legal: .json (Chrome's trace events), "
            ".pftrace (Perfetto), .vcd (waveforms)", path);
    return NULL;
}

static bool record(const struct rs_design *d, struct trace *trace, struct err *err)
{
    struct program p;
    struct machine *m = lower(&p, d->arch, d->work, err) ? machine_create(d->arch, &p, &evq_wheel, false, err)
                                                         : NULL;
    bool ok = m && timeline_run(m, trace, err);
    machine_destroy(m);
    program_finish(&p);
    return ok;
}

/* A file that is not whole is removed, a device is not. */
static bool write_file(const struct trace *trace, const struct trace_format *format, const char *path,
                       struct err *err)
{
    struct stat st;
    FILE *f = fopen(path, "wb");
    if (!f)
        return err_add(err, ERR_CANTCREAT, NULL, "cannot create %s: %s", path, strerror(errno));
    format->write(trace, f);
    bool bad = fflush(f) != 0 || ferror(f);
    int why = errno;
    bool regular = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
    if (fclose(f) == 0 && !bad)
        return true;
    if (regular)
        unlink(path);
    return err_add(err, ERR_IO, NULL, "cannot write %s: %s", path, strerror(bad ? why : errno));
}

bool rs_trace(const rs_design *design, const char *path, const rs_trace_options *options,
              rs_trace_info *info, rs_err *err)
{
    struct err *e = rs_err_inner(err);
    const struct trace_format *format = format_of(path, e);
    struct trace trace;
    if (!format)
        return false;
    if (options->from_cycle >= options->to_cycle)
        return err_add(e, ERR_USAGE, NULL, "the window of the trace is empty; legal: a first cycle before "
                       "the last one");
    trace_init(&trace, options->from_cycle, options->to_cycle, options->max_entries);
    bool ok = record(design, &trace, e);
    if (ok && trace.to <= trace.from)
        ok = err_add(e, ERR_USAGE, NULL, "the window of the trace begins at cycle %llu; legal: before the "
                     "end of the run at %llu", (unsigned long long)trace.from, (unsigned long long)trace.to);
    *info = (rs_trace_info){.from_cycle = trace.from, .to_cycle = trace.to,
                            .entries = trace.n_slices + trace.n_levels, .cut = trace.full};
    trace_sort(&trace);
    ok = ok && write_file(&trace, format, path, e);
    trace_finish(&trace);
    return ok;
}
