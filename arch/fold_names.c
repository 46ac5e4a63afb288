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

/* The command without what the values alone read, what steps of a thread report, and where it is. Of an
 * address that steps report its place in a word stays: words are counted by it (streamer_words). */
static void strip(const struct machine *m, struct cmd *c, uint8_t dynamic)
{
    uint64_t line = 4 * m->tcdm_cfg->banks;
    int64_t in_word = c->addr.c & 3;
    int64_t bank = dynamic & DYNAMIC_BANK ? in_word - 4 : (int64_t)((uint64_t)c->addr.c % line);
    int64_t rows = dynamic & DYNAMIC_ROWS ? -1 : c->rows_is_affine ? c->rows_aff.c : 0;
    int64_t useful = dynamic & DYNAMIC_USEFUL ? -1 : c->useful.c;
    c->addr = aff(bank);
    c->rows_aff = aff(rows);
    c->useful = aff(useful);
    c->ext = c->trips = c->layer = aff(0);
    c->l2ring = 0;
    c->match = 0;
    c->depth = 0;
    c->buf_offset = c->buf_pitch = c->acc_offset = c->acc_pitch = 0;
    c->src_at = c->src_pitch = c->src2_at = c->dst_at = c->dst_pitch = c->dst2_at = c->tokens = 0;
    c->acc_tile = c->again = c->swapped = c->gather = false;
    c->n_at = c->k_at = c->state_at = c->unit_at = c->col_at = c->pos_at = c->key_at = aff(0);
    c->what = 0;
    c->pos_step = 0;
    c->table = 0;
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
    struct cmd *c = xrealloc(NULL, n + 1, sizeof *c);
    struct names names;
    memcpy(c, m->prog->cmds[th], n * sizeof *c);
    names_init(&names, c, sizeof *c, n);
    for (uint32_t pc = 0; pc < n; pc++) {
        strip(m, &c[pc], m->fold->dynamic[th][pc]);
        command[pc] = name_of(&names, pc);
    }
    free(names.table);
    free(c);
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
