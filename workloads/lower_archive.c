/* Keys and values of the parallel form when a sequence passes in several scopes: L2
 * holds those of one head, of the whole sequence. Rows of earlier scopes come back
 * from an archive off-chip, once a head and scope; new rows go there. */
#include "workloads/lower_ret.h"

#include "base/num.h"

static const struct tensor *side(const struct lower *l, unsigned i)
{
    return i ? &l->v : &l->k;
}

static struct affine blocks_before(const struct lower *l)
{
    return aff_divide(l->blk, (int64_t)l->scope);
}

/* `tokens` from `first` on of the head at hand; both sides, one transfer each. */
static void move(struct lower *l, enum op op, const struct affine *first, uint64_t tokens)
{
    const struct archive *a = &l->archive;
    for (unsigned i = 0; i < 2; i++) {
        const struct tensor *t = side(l, i);
        struct affine unit = aff_scale(kept_layer(l), (int64_t)l->w->shape.heads);
        unit = aff_scale(aff_add(unit, &l->head), (int64_t)l->w->batch);
        unit = aff_scale(aff_add(unit, &l->seq), (int64_t)l->context);
        struct affine row = aff_add(unit, first), at = aff_scale(*first, (int64_t)t->pitch);
        struct cmd *c = prog_add(l->p, THREAD_HOST, op, N_UNITS);
        row = aff_scale(row, (int64_t)t->pitch);
        c->addr = aff_plus(at, (int64_t)t->base);
        c->l2ring = L2RING_NONE;
        c->ext = aff_plus(row, (int64_t)a->base[i]);
        c->row_bytes = (uint32_t)(tokens * t->pitch);
        c->tensor = t->kind;
        c->token = op == OP_UDMA_RX ? a->fetched : a->moved;
        c->token2 = op == OP_UDMA_RX ? TOKEN_NONE : a->landed;
    }
}

bool archive_fits(const struct lower *l)
{
    return !l->k.ext && !l->v.ext && pieces(l, l->scope * max64(l->k.pitch, l->v.pitch)) == 1;
}

void archive_open(struct lower *l)
{
    const struct archive *a = &l->archive;
    if (!l->kv_local)
        return;
    /* New rows take the place of those of the head before, which have to have left. */
    prog_wait(l->p, THREAD_ACCEL, UNIT_STORE, a->moved, 2);
    if (l->last_scope)
        prog_post(l->p, THREAD_ACCEL, UNIT_STORE, a->moved, 2);
}

void archive_exchange(struct lower *l, uint64_t tokens)
{
    const struct archive *a = &l->archive;
    struct affine n = blocks_before(l), first = aff(0);
    if (!l->kv_local)
        return;
    if (!l->last_scope)
        prog_post(l->p, THREAD_ACCEL, UNIT_STORE, a->written, 1);
    prog_wait(l->p, THREAD_HOST, N_UNITS, a->free, 1);
    unsigned d = prog_repeat(l->p, THREAD_HOST, n);
    first = aff_term(first, d, (int64_t)l->scope);
    move(l, OP_UDMA_RX, &first, l->scope);
    prog_end(l->p, THREAD_HOST);
    prog_repeat(l->p, THREAD_ACCEL, n);
    prog_wait(l->p, THREAD_ACCEL, l->k.reader, a->fetched, 2);
    prog_end(l->p, THREAD_ACCEL);
    if (l->last_scope)
        return;
    prog_wait(l->p, THREAD_HOST, N_UNITS, a->written, 1);
    move(l, OP_UDMA_TX, &l->blk, tokens);
}

void archive_close(struct lower *l)
{
    if (l->kv_local)
        prog_post(l->p, THREAD_ACCEL, l->k.reader, l->archive.free, 1);
}

void archive_settle(struct lower *l)
{
    if (l->kv_local && !l->last_scope)
        prog_wait(l->p, THREAD_HOST, N_UNITS, l->archive.landed, 2 * l->w->shape.heads);
}
