/* What kind of file a YAML file is. */
#include "workloads/api.h"

/* How many top-level keys of a file a kind of file has. */
static size_t score(const struct ynode *root, const char *const *keys)
{
    size_t n = 0;
    for (size_t i = 0; i < root->n; i++)
        for (size_t k = 0; keys[k]; k++)
            n += strcmp(root->keys[i], keys[k]) == 0;
    return n;
}

static size_t score_section(const struct ynode *root, const struct section *sec)
{
    size_t n = 0;
    for (size_t i = 0; i < root->n; i++)
        for (const struct field *f = sec->fields; f->key; f++)
            n += strcmp(root->keys[i], f->key) == 0;
    return n;
}

/* How many keys of each kind of file there are. */
static void count_keys(const struct ynode *root, size_t scores[N_KINDS])
{
    static const char *const sweep_keys[] = {"sweep", "base", "set", "axes", "where", "groups", "method",
                                             NULL};
    static const char *const tech_keys[] = {"name", "base", "voltage", "temp_k", "coefficients", "sram_table",
                                            "idle", "leak", "area_err", "accelergy", "classes", NULL};
    scores[KIND_ARCH] = score_section(root, arch_section());
    scores[KIND_WORK] = score_section(root, work_section());
    scores[KIND_TECH] = score(root, tech_keys);
    scores[KIND_SWEEP] = score(root, sweep_keys);
}

/* The kind with the most known keys; the first in case of doubt. */
enum file_kind file_kind_of(const struct ynode *root)
{
    size_t scores[N_KINDS];
    count_keys(root, scores);
    enum file_kind best = KIND_ARCH;
    for (int k = 1; k < N_KINDS; k++)
        if (scores[k] > scores[best])
            best = (enum file_kind)k;
    return scores[best] ? best : N_KINDS;
}

bool part_fits(const struct ynode *root, enum part part, struct err *err)
{
    static const enum file_kind kinds_of[N_PARTS] = {KIND_ARCH, KIND_WORK, KIND_TECH};
    static const char *const names[N_KINDS] = {"an architecture (-a)", "a workload (-w)", "a technology (-t)",
                                               "a sweep (`retsim sweep`)"};
    size_t scores[N_KINDS];
    if (!root || root->kind != YNODE_MAP)
        return root != NULL; /* what is no map is the decoder's to say */
    count_keys(root, scores);
    enum file_kind wanted = kinds_of[part], is = file_kind_of(root);
    if (is == N_KINDS || is == wanted || scores[is] < scores[wanted] + 2)
        return true;
    return err_add(err, ERR_CONFIG, &root->at, "this is %s, not %s", names[is], names[wanted]);
}
