/* The values reading of a point, and workloads out of network directories. */
#include "workloads/api.h"
#include "workloads/quality.h"
#include "workloads/values.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { SEED = 1, SCHEDULES = 1 };

const char *design_network(struct arena *a, const struct rs_design *d)
{
    const char *dir = d->work->network;
    return *dir && d->work_path ? path_beside(a, d->work_path, dir) : dir;
}

/* The directory that work.network names, with a network of the workload's shape; "" when it names
 * none. NULL with an error. */
static const char *network_of(struct arena *a, const struct rs_design *d, struct err *err)
{
    const struct ynode *node = yaml_get(d->tree[PART_WORK], "network");
    const struct place *at = node ? &node->at : NULL;
    const char *dir = design_network(a, d);
    struct stat st;
    if (!*dir)
        return "";
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        err_add(err, ERR_NOINPUT, at, "work.network: no directory %s; legal: a directory with case.json or "
                "network.yaml beside .npy tensors, relative to the workload's file", dir);
        return NULL;
    }
    struct net *head = net_header(dir, err);
    bool ok = head && network_fits(head, d->work, at, err);
    net_destroy(head);
    return ok ? dir : NULL;
}

bool result_values(struct rs_result *r, const struct rs_design *d, const struct program *p, struct err *err)
{
    struct values_report v;
    rs_summary *s = &r->summary;
    const char *dir = network_of(&r->arena, d, err);
    if (!dir || !values_point(d->arch, d->work, p, *dir ? dir : NULL, SEED, SCHEDULES, &v, err))
        return false;
    if (v.counts.macs != s->macs && s->method != RS_BOUND)
        return err_add(err, ERR_SOFTWARE, NULL,
                       "values: %" PRIu64 " useful MACs, %" PRIu64 " when timed; this is "
                       "a bug", v.counts.macs, s->macs);
    s->has_values = true;
    s->sqnr_db = v.sqnr_db;
    s->bits_per_byte = v.bits;
    s->float_bits_per_byte = v.float_bits;
    s->values_compared = v.counts.compared;
    memcpy(r->activity, v.counts.activity, sizeof r->activity);
    if (v.synthetic)
        result_note(r, "values: weights and inputs are drawn from seed %d (work.network names none)", SEED);
    if (v.multiplies && ARCH_CFG(d->arch, retention)->decay == 0)
        result_note(r, "values: decays of states are multiplied; lanes are priced without multipliers "
                    "(arch.retention.decay: shift)");
    return true;
}

/* What a token passes through: decode steps with the state, or reads all keys. */
static enum net_form form_of(const struct work *w)
{
    if (w->phase == PHASE_DECODE)
        return w->decode == DECODE_STATE ? NET_RECURRENT : NET_PARALLEL;
    return (enum net_form)w->form;
}

bool result_quality(struct rs_result *r, const struct rs_design *d, struct err *err)
{
    rs_summary *s = &r->summary;
    struct quality v;
    struct quant q = values_quant(d->arch, d->work);
    const char *dir = network_of(&r->arena, d, err);
    if (dir && !*dir)
        return err_add(err, ERR_CONFIG, NULL,
                       "quality: work.network names no network; legal: a directory with case.json or "
                       "network.yaml and .npy tensors");
    if (!dir || !quality_of(dir, &q, form_of(d->work), d->work->chunk, &v, err))
        return false;
    s->has_quality = true;
    s->sqnr_db = v.sqnr_db;
    s->bits_per_byte = v.bits;
    s->float_bits_per_byte = v.float_bits;
    return true;
}

const char *last_part(struct arena *a, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    const char *all = arena_strndup(a, dir, n), *slash = strrchr(all, '/');
    return slash && slash[1] ? slash + 1 : all;
}

struct ynode *network_work(struct arena *a, const char *dir, struct err *err)
{
    struct net *n = net_header(dir, err);
    struct text t = {0};
    if (!n)
        return NULL;
    bool msr = n->kind == NET_MSR;
    text_printf(&t, "name: %s\ntitle: the network in %s\nnetwork: %s\nkind: %s\n", last_part(a, dir), dir,
                dir,
                msr ? "msr" : n->kind == NET_LM ? "network" : "block");
    text_printf(&t, "seq: %" PRIu64 "\nchunk: %" PRIu64 "\n", n->S, n->B);
    text_printf(&t, "shape: {d_model: %" PRIu64 ", heads: %" PRIu64 ", value_dim: %" PRIu64, n->d, n->H,
                n->V);
    if (!msr)
        text_printf(&t, ", ffn_dim: %" PRIu64 ", layers: %" PRIu64 ", pre_norm: %s, activation: %s", n->F,
                    n->L,
                    n->pre_norm ? "true" : "false", n->gelu ? "gelu" : "swish");
    if (n->kind == NET_LM)
        text_printf(&t, ", vocab: %" PRIu64, n->vocab);
    text_add(&t, "}\n");
    if (n->quantized)
        net_knobs(&n->quantized->quant, false, "", &t);
    struct ynode *root = yaml_parse(a, arena_strdup(a, dir), arena_strdup(a, t.s), strlen(t.s), err);
    text_finish(&t);
    net_destroy(n);
    return root;
}
