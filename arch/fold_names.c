/* Names by which the state calls commands and places of a thread. The same edge
 * serves wherever the same happens: in every head, projection and copy of a loop,
 * not only at the same line of the program. */
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
    uint8_t bias, vec_kind, out_bits, out2_bits, dynamic;
    struct slot_use src, src2, set, dst;
    uint16_t token, token2;
    uint32_t rows, row_bytes, planes, cols, k, count, cycles, layer_name, words, bank, align;
    int64_t row_stride, plane_stride, rows_fixed, useful;
};

static struct deed deed_of(const struct machine *m, const struct cmd *c, uint8_t dynamic)
{
    uint64_t line = 4 * m->tcdm_cfg->banks;
    struct deed d;
    memset(&d, 0, sizeof d);
    d.op = c->op, d.unit = c->unit, d.transpose = c->transpose, d.from_state = c->from_state;
    d.tensor = c->tensor, d.w_bits = c->w_bits, d.a_bits = c->a_bits, d.passes = c->passes;
    d.k_scale = c->k_scale, d.mm_dst = c->mm_dst, d.first = c->first, d.last = c->last, d.bias = c->bias;
    d.vec_kind = c->vec_kind, d.out_bits = c->out_bits, d.out2_bits = c->out2_bits, d.dynamic = dynamic;
    d.src = c->src, d.src2 = c->src2, d.set = c->set, d.dst = c->dst;
    d.token = c->token, d.token2 = c->token2;
    d.rows = c->rows, d.row_bytes = c->row_bytes, d.planes = c->planes, d.cols = c->cols, d.k = c->k;
    d.count = c->count, d.cycles = c->cycles, d.layer_name = c->layer_name, d.words = c->words;
    d.bank = dynamic & DYNAMIC_BANK ? 0 : (uint32_t)((uint64_t)c->addr.c % line);
    d.align = (uint32_t)(c->addr.c & 3); /* words of a transfer are counted by it */
    d.row_stride = c->row_stride, d.plane_stride = c->plane_stride;
    d.rows_fixed = dynamic & DYNAMIC_ROWS || !c->rows_is_affine ? -1 : c->rows_aff.c;
    d.useful = dynamic & DYNAMIC_USEFUL ? 0 : c->useful.c;
    return d;
}

/* Finds equal things: the first index that was given one of them. */
struct names {
    const uint8_t *items;
    size_t size;
    uint32_t *table, mask;
};

static void names_init(struct names *s, const void *items, size_t size, uint32_t n)
{
    uint32_t room = 16;
    while (room < 2 * n)
        room *= 2;
    *s = (struct names){items, size, xrealloc(NULL, room, sizeof *s->table), room - 1};
    memset(s->table, 0xff, room * sizeof *s->table);
}

static uint32_t name_of(struct names *s, uint32_t i)
{
    const uint8_t *item = s->items + i * s->size;
    uint32_t at = (uint32_t)hash64(item, s->size) & s->mask;
    for (; s->table[at] != UINT32_MAX; at = (at + 1) & s->mask)
        if (!memcmp(s->items + s->table[at] * s->size, item, s->size))
            return s->table[at];
    return s->table[at] = i;
}

static void name_commands(struct machine *m, enum thread_id th, uint32_t *command)
{
    uint32_t n = m->prog->n[th];
    struct deed *d = xrealloc(NULL, n + 1, sizeof *d);
    struct names names;
    names_init(&names, d, sizeof *d, n);
    for (uint32_t pc = 0; pc < n; pc++) {
        d[pc] = deed_of(m, &m->prog->cmds[th][pc], m->fold->dynamic[th][pc]);
        command[pc] = name_of(&names, pc);
    }
    free(names.table);
    free(d);
}

struct here { /* a command and what follows it, up to the next END */
    uint32_t command, next, behind;
};

/* Equal places are followed by equal commands up to the next END, which reports
 * where it leads to. */
static void name_places(struct machine *m, enum thread_id th, const uint32_t *command, uint32_t *place)
{
    uint32_t n = m->prog->n[th];
    const struct cmd *cmds = m->prog->cmds[th];
    struct here *here = xrealloc(NULL, n + 1, sizeof *here);
    struct names names;
    names_init(&names, here, sizeof *here, n);
    for (uint32_t pc = n; pc-- > 0;) {
        bool last = cmds[pc].op == OP_END || cmds[pc].op == OP_HALT, loop = cmds[pc].op == OP_REPEAT;
        here[pc] = (struct here){command[pc], last ? 0 : place[pc + 1], loop ? place[cmds[pc].match + 1] : 0};
        place[pc] = name_of(&names, pc);
    }
    free(names.table);
    free(here);
}

void fold_names(struct machine *m)
{
    struct fold *f = m->fold;
    for (unsigned th = 0; th < N_THREADS; th++) {
        uint32_t n = m->prog->n[th];
        f->dynamic[th] = xrealloc(NULL, n + 1, sizeof *f->dynamic[th]);
        f->place[th] = xrealloc(NULL, n + 1, sizeof *f->place[th]);
        f->command[th] = xrealloc(NULL, n + 1, sizeof *f->command[th]);
        for (uint32_t pc = 0; pc < n; pc++)
            f->dynamic[th][pc] = dynamic_of(m, &m->prog->cmds[th][pc]);
        name_commands(m, th, f->command[th]);
        name_places(m, th, f->command[th], f->place[th]);
    }
}
