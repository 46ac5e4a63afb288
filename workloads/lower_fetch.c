/* Weights that live off-chip pass through a ring of two parts in L2: the host
 * fetches one op's while the op before it computes.
 *
 * Where an op computes for much longer than the next one's weights take to come,
 * they come in shares, one with each block of tokens: every block then shares L2
 * with the uDMA in the same way, instead of the first ones alone. The last share is
 * asked for when the last block begins. Where time is short, all of a fetch is asked
 * for at once, as soon as there is a place for it. */
#include "workloads/lower_ctx.h"

#include "base/num.h"

/* Fewer blocks are not worth it. */
enum { LEAST_SHARES = 4 };
/* Cycles that the engine takes for a byte of weights, at the least; the default HyperRAM brings one in 1.09.
 * Its timing does not count: lowering does not read it, so that a program serves any. */
enum { BUSY_CYCLES = 2 };

static uint64_t shares_of(const struct lower *l)
{
    const struct work *w = l->w;
    const struct mode_cfg *m = l->weight_mode;
    uint64_t shares = div_up(l->scope, l->T);
    uint64_t busy = l->scope * 8 * mode_passes(l->engine, m); /* of a byte; times bits and MACs a cycle */
    /* A head that passes in pieces and the archive have the host do other things meanwhile; a decode has one
     * block. */
    if (shares < LEAST_SHARES || l->piece || l->kv_local || decodes(w))
        return 0;
    if (l->w_slot > l->udma->max_transfer_bytes)
        return 0;
    uint64_t least = BUSY_CYCLES * l->wb * l->geom.macs_per_cycle * mode_scale(l->engine, m);
    return busy >= least ? shares : 0;
}

void plan_fetch(struct lower *l)
{
    struct program *p = l->p;
    l->w_ring = prog_l2ring(p, "weights", 2, l->w_slot, l->w_ring_base);
    l->w_full = prog_token(p, "weights", 0, WAIT_OFFCHIP);
    l->w_free = prog_token(p, "weights free", 2, WAIT_OFFCHIP);
    l->w_shares = shares_of(l);
    if (l->w_shares) /* those of the first op may all come */
        l->w_due = prog_token(p, "weights due", (uint32_t)l->w_shares, WAIT_OFFCHIP);
}

static void fetch(struct lower *l, const struct affine *at, const struct affine *off, uint64_t bytes,
                  uint16_t token)
{
    struct cmd *c = prog_add(l->p, THREAD_HOST, OP_UDMA_RX, N_UNITS);
    c->addr = aff_plus(*at, (int64_t)l->w_ring_base);
    c->l2ring = l->w_ring;
    c->ext = aff_add(*off, at);
    c->row_bytes = (uint32_t)bytes;
    c->tensor = T_WEIGHT;
    c->token = token;
}

/* Shares are whole bursts; so there may be fewer of them, and the last one smaller. */
static void fetch_shares(struct lower *l, const struct affine *off, uint64_t bytes)
{
    uint64_t share = round_up(div_up(bytes, l->w_shares), l->hyper->burst_bytes);
    uint64_t before = (bytes - 1) / share;
    struct affine at = aff(0);
    if (before) {
        unsigned d = prog_repeat(l->p, THREAD_HOST, aff((int64_t)before));
        prog_wait(l->p, THREAD_HOST, N_UNITS, l->w_due, 1);
        at = aff_term(at, d, (int64_t)share);
        fetch(l, &at, off, share, l->parts_moved);
        prog_end(l->p, THREAD_HOST);
    }
    at = aff((int64_t)(before * share));
    prog_wait(l->p, THREAD_HOST, N_UNITS, l->w_due, l->w_shares - before);
    fetch(l, &at, off, bytes - before * share, l->w_full);
}

void host_weights(struct lower *l, const struct affine *off, uint64_t bytes)
{
    uint64_t most = l->udma->max_transfer_bytes;
    prog_wait(l->p, THREAD_HOST, N_UNITS, l->w_free, 1);
    prog_add(l->p, THREAD_HOST, OP_NEXT, N_UNITS)->l2ring = l->w_ring;
    if (l->w_shares) {
        fetch_shares(l, off, bytes);
        return;
    }
    for (uint64_t done = 0; done < bytes; done += most) {
        struct affine at = aff((int64_t)done);
        fetch(l, &at, off, min64(bytes - done, most), l->w_full);
    }
}

static enum unit_id weight_reader(const struct lower *l)
{
    return l->geom.swapped ? UNIT_LOAD : UNIT_WEIGHT;
}

static void due(struct lower *l, uint64_t shares)
{
    if (shares)
        prog_post(l->p, THREAD_ACCEL, weight_reader(l), l->w_due, shares);
}

struct where weights_begin(struct lower *l, uint64_t bytes, uint64_t blocks)
{
    prog_wait(l->p, THREAD_ACCEL, weight_reader(l), l->w_full, l->w_shares ? 1 : pieces(l, bytes));
    emit(l, OP_NEXT, weight_reader(l))->l2ring = l->w_ring;
    due(l, l->w_shares > blocks ? l->w_shares - blocks : 0);
    return (struct where){aff((int64_t)l->w_ring_base), l->w_ring};
}

void weights_block(struct lower *l)
{
    due(l, l->w_shares > 0);
}

void weights_end(struct lower *l)
{
    prog_post(l->p, THREAD_ACCEL, weight_reader(l), l->w_free, 1);
}
