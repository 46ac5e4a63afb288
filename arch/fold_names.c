/* Names by which the state calls commands and places of a thread. The same edge
 * serves wherever the same happens: in every head, projection and copy of a loop,
 * not only at the same line of the program, and in other programs. */
#include "arch/fold_impl.h"

#include "base/arena.h"
#include "base/hash.h"

#include <stdlib.h>

static uint8_t dynamic_of(const struct machine *m, const struct cmd *c)
{
    int64_t line = 4 * (int64_t)m->tcdm_cfg->banks;
    bool bank = c->l2ring != L2RING_NONE && m->prog->l2rings[c->l2ring].stride % (uint64_t)line;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        bank |= c->addr.k[d] % line != 0;
    bool rows = c->rows_is_affine && !aff_is_const(&c->rows_aff), useful = !aff_is_const(&c->useful);
    return (uint8_t)((bank && c->op != OP_MARK ? DYNAMIC_BANK : 0) | (rows ? DYNAMIC_ROWS : 0) |
                     (useful ? DYNAMIC_USEFUL : 0));
}

/* Of a command, what the timing and the counts of the components read; what depends on
 * loop indices is reported by steps (fold_record.c). What values alone read is not here.
 * Small fields first, no padding: compared as bytes. */
struct deed {
    uint8_t op, unit, transpose, from_state, tensor, w_bits, a_bits, passes, k_scale, mm_dst, first, last;
    uint8_t causal, bias, vec_kind, out_bits, out2_bits, dynamic, none[6];
    struct slot_use src, src2, set, dst;
    uint16_t token, token2;
    uint32_t rows, row_bytes, planes, cols, k, count, cycles, layer_name, words, bank, align;
    int64_t row_stride, plane_stride, rows_fixed, useful, row_words;
};
_Static_assert(sizeof(struct deed) == 24 + 4 * sizeof(struct slot_use) + 2 * 2 + 11 * 4 + 5 * 8,
               "no padding");

static struct deed deed_of(const struct machine *m, const struct cmd *c, uint8_t dynamic)
{
    uint64_t line = 4 * m->tcdm_cfg->banks;
    struct deed d;
    memset(&d, 0, sizeof d);
    d.op = c->op, d.unit = c->unit, d.transpose = c->transpose, d.from_state = c->from_state;
    d.tensor = c->tensor, d.w_bits = c->w_bits, d.a_bits = c->a_bits, d.passes = c->passes;
    d.k_scale = c->k_scale, d.mm_dst = c->mm_dst, d.first = c->first, d.last = c->last, d.bias = c->bias;
    d.causal = c->causal, d.vec_kind = c->vec_kind, d.out_bits = c->out_bits, d.out2_bits = c->out2_bits;
    d.dynamic = dynamic;
    d.src = c->src, d.src2 = c->src2, d.set = c->set, d.dst = c->dst;
    d.token = c->token, d.token2 = c->token2;
    d.rows = c->rows, d.row_bytes = c->row_bytes, d.planes = c->planes, d.cols = c->cols, d.k = c->k;
    d.count = c->count, d.cycles = c->cycles, d.layer_name = c->layer_name, d.words = c->words;
    d.row_words = c->row_words;
    d.bank = dynamic & DYNAMIC_BANK ? 0 : (uint32_t)((uint64_t)c->addr.c % line);
    d.align = (uint32_t)(c->addr.c & 3); /* words of a transfer are counted by it */
    d.row_stride = c->row_stride, d.plane_stride = c->plane_stride;
    d.rows_fixed = dynamic & DYNAMIC_ROWS || !c->rows_is_affine ? -1 : c->rows_aff.c;
    d.useful = dynamic & DYNAMIC_USEFUL ? 0 : c->useful.c;
    return d;
}

static void grow(struct names *s)
{
    size_t size = s->table_size ? 2 * s->table_size : 256;
    s->table = xrealloc(s->table, size, sizeof *s->table);
    memset(s->table, 0xff, size * sizeof *s->table);
    s->table_size = size;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t at = hash64(s->items.v + i * s->size, s->size) & (size - 1);
        while (s->table[at] != NO_NAME)
            at = (at + 1) & (size - 1);
        s->table[at] = i;
    }
}

static uint32_t name_of(struct names *s, const void *item, size_t size)
{
    s->size = size;
    if (2 * (s->n + 1) > s->table_size)
        grow(s);
    size_t mask = s->table_size - 1, at = hash64(item, size) & mask;
    for (; s->table[at] != NO_NAME; at = (at + 1) & mask)
        if (!memcmp(s->items.v + s->table[at] * size, item, size))
            return s->table[at];
    memcpy(POOL_ADD(&s->items, size), item, size);
    return s->table[at] = s->n++;
}

void names_finish(struct names *s)
{
    free(s->items.v);
    free(s->table);
}

struct here { /* a command and what follows it, up to the next END */
    uint32_t command, next, behind;
};

/* Equal places are followed by equal commands up to the next END, which reports
 * where it leads to. */
static void name_places(struct machine *m, enum thread_id th, const uint32_t *command, uint32_t *place)
{
    const struct cmd *cmds = m->prog->cmds[th];
    for (uint32_t pc = m->prog->n[th]; pc-- > 0;) {
        bool last = cmds[pc].op == OP_END || cmds[pc].op == OP_HALT, loop = cmds[pc].op == OP_REPEAT;
        struct here here = {command[pc], last ? 0 : place[pc + 1], loop ? place[cmds[pc].match + 1] : 0};
        place[pc] = name_of(&m->fold->graph->places, &here, sizeof here);
    }
}

/* For names in states: a command of this program for each that it has. */
static void find_named(struct fold *f, uint32_t n)
{
    f->command_pc = xrealloc(NULL, f->graph->commands.n + 1, sizeof *f->command_pc);
    memset(f->command_pc, 0, f->graph->commands.n * sizeof *f->command_pc);
    for (uint32_t pc = n; pc-- > 0;)
        f->command_pc[f->command[THREAD_ACCEL][pc]] = pc;
}

static uint8_t ring_of(const struct slot_use *s)
{
    return s->ring == RING_NONE ? N_RINGS : s->ring;
}

static void name_queued(struct fold *f, const struct cmd *cmds, uint32_t n)
{
    f->queued = xrealloc(NULL, n + 1, sizeof *f->queued);
    for (uint32_t pc = 0; pc < n; pc++) {
        const struct cmd *c = &cmds[pc];
        f->queued[pc] = (struct command_name){
            .name = f->command[THREAD_ACCEL][pc], .src = ring_of(&c->src), .src2 = ring_of(&c->src2),
            .set = ring_of(&c->set), .dst = ring_of(&c->dst)};
    }
}

void fold_names(struct machine *m)
{
    struct fold *f = m->fold;
    for (unsigned th = 0; th < N_THREADS; th++) {
        uint32_t n = m->prog->n[th];
        f->dynamic[th] = xrealloc(NULL, n + 1, sizeof *f->dynamic[th]);
        f->place[th] = xrealloc(NULL, n + 1, sizeof *f->place[th]);
        f->command[th] = xrealloc(NULL, n + 1, sizeof *f->command[th]);
        for (uint32_t pc = 0; pc < n; pc++) {
            const struct cmd *c = &m->prog->cmds[th][pc];
            f->dynamic[th][pc] = dynamic_of(m, c);
            struct deed d = deed_of(m, c, f->dynamic[th][pc]);
            f->command[th][pc] = name_of(&f->graph->commands, &d, sizeof d);
        }
        name_places(m, th, f->command[th], f->place[th]);
    }
    find_named(f, m->prog->n[THREAD_ACCEL]);
    name_queued(f, m->prog->cmds[THREAD_ACCEL], m->prog->n[THREAD_ACCEL]);
}
