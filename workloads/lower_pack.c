/* How matrix products are cut: columns that share accumulators, contraction that a
 * slot holds, and how their weights are packed. */
#include "workloads/lower_gemm.h"

#include "base/num.h"

/* Bits that a column of results takes in the output slot until it is stored. */
static uint64_t slot_bits(const struct lower *l, enum post post)
{
    switch (post) {
    case POST_GLU: return 2 * l->ab;
    case POST_ROTARY: case POST_WIDE: return 16;
    case POST_RESIDUAL: return l->xb;
    case POST_ROTARY_DECAY: return 16 + l->ab;
    case POST_NONE: return l->w->kind == WORK_GEMM ? 8 : l->ab;
    default: return l->ab;
    }
}

/* A width will do when each head, each tile of outputs and of contraction ends on a byte, and each slice of
 * value columns that buffers force. */
static bool ends_on_bytes(const struct lower *l, uint64_t bits)
{
    uint64_t unit = byte_unit(bits), nt = l->geom.n_tile, kt = l->geom.k_tile;
    bool tiles = kt % unit == 0 && nt % unit == 0;
    return tiles && (!l->dv || (l->dv % unit == 0 && value_columns(l) >= min64(unit, l->dv)));
}

uint64_t activation_bits(const struct lower *l)
{
    uint64_t bits = field_bits(l->w->quant.activations);
    while (bits < 8 && !ends_on_bytes(l, bits))
        bits *= 2;
    return bits;
}

uint64_t weight_bits(const struct lower *l)
{
    bool dense = ARCH_CFG(l->arch, streamer)->weight_packing == PACKING_DENSE && !l->geom.swapped;
    return dense ? l->w->quant.weights : field_bits(l->w->quant.weights);
}

/* Contraction of a set when weights meet activations. */
uint64_t weight_k_tile(const struct lower *l)
{
    return l->geom.k_tile * mode_scale(l->engine, l->weight_mode);
}

/* Weights that move are cut where a byte ends. */
static uint64_t chunk_unit(const struct lower *l)
{
    uint64_t kt = weight_k_tile(l);
    return l->geom.swapped ? lcm(kt, byte_unit(l->wb)) : kt;
}

uint64_t packed_bytes(const struct lower *l, uint64_t n, uint64_t k, uint64_t parts)
{
    uint64_t nt = l->geom.n_tile, kt = weight_k_tile(l), wb = l->wb;
    if (l->geom.swapped)
        return n * parts * bytes_of(k, wb);
    uint64_t tile = k / kt * bytes_of(nt * kt, wb) + bytes_of(nt * (k % kt), wb), rest = n % nt;
    uint64_t part = k / kt * bytes_of(rest * kt, wb) + bytes_of(rest * (k % kt), wb);
    return parts * (n / nt * tile + part);
}

uint64_t column_unit(const struct lower *l, enum post post)
{
    uint64_t nt = l->geom.swapped ? byte_unit(l->ab) : l->geom.n_tile;
    return post == POST_ROTARY || post == POST_ROTARY_DECAY ? lcm(nt, 2) : nt;
}

static uint64_t group_of(const struct lower *l, uint64_t rows, enum post post)
{
    uint64_t nt = column_unit(l, post);
    uint64_t group = min64(l->acc_values / rows, l->out_slot / bytes_of(rows, slot_bits(l, post)));
    if (post == POST_RESIDUAL)
        group = min64(group, l->aux_slot / bytes_of(rows, l->xb));
    if (l->geom.swapped) /* the weights are the moving operand: a chunk of rows has to fit */
        return min64(group, l->act_slot / chunk_unit(l)) / nt * nt;
    return group >= nt ? group / nt * nt : 0;
}

struct gemm_plan plan_of(const struct lower *l, uint64_t rows, uint64_t k, uint64_t n, enum post post)
{
    struct gemm_plan p = {.group = min64(group_of(l, rows, post), n)};
    uint64_t lines = l->geom.swapped ? p.group : rows, kt = chunk_unit(l);
    uint64_t fit = lines ? l->act_slot / lines * 8 / (l->geom.swapped ? l->wb : l->ab) : 0;
    p.hold = fit >= k && !l->geom.swapped;
    p.k_chunk = fit >= k ? k : fit / kt * kt;
    return p;
}

/* The uDMA moves whole words. */
uint64_t slice_unit(const struct lower *l, uint64_t k, enum post post)
{
    uint64_t unit = column_unit(l, post);
    while (packed_bytes(l, unit, k, 1) % UDMA_WORD)
        unit *= 2;
    return unit;
}

uint64_t stage_unit(const struct lower *l)
{
    const struct shape *s = &l->w->shape;
    uint64_t d = slice_unit(l, s->d_model, POST_ROTARY), v = slice_unit(l, s->value_dim, POST_ROTARY);
    return max64(max64(d, v), slice_unit(l, s->ffn_dim, POST_ROTARY));
}

uint64_t gemm_min_slice(const struct lower *l, uint64_t k, bool glu)
{
    return packed_bytes(l, slice_unit(l, k, POST_ROTARY), k, glu ? 2 : 1) + 64;
}

bool gemm_check(struct lower *l)
{
    static const enum post posts[] = {POST_GLU, POST_ROTARY, POST_RESIDUAL, POST_ROTARY_DECAY};
    for (unsigned i = 0; i < 4; i++) {
        struct gemm_plan p = plan_of(l, l->T, chunk_unit(l), 1 << 20, posts[i]);
        if (!p.group || !p.k_chunk)
            return false;
    }
    return true;
}
