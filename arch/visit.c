#include "arch/visit.h"

#include <stdlib.h>
#include <string.h>

struct visit {
    const struct visitor *to;
    const struct cmd *cmds;
    uint32_t *begins; /* by pc: parts of the step that begins there; 0: none does */
    bool *shaped; /* by pc of a REPEAT: what is in it depends on its index */
    uint64_t idx[PROG_MAX_DEPTH];
    enum thread_id th;
};

/* Loops that are open while commands are looked at one after the other. */
struct open_loops {
    uint32_t pc[PROG_MAX_DEPTH];
    unsigned depth;
};

/* Marks the open loops that `a` depends on. */
static void mark_shaped(bool *shaped, const struct open_loops *open, const struct affine *a)
{
    for (unsigned d = 0; d < open->depth; d++)
        shaped[open->pc[d]] |= a->k[d] != 0;
}

/* Trip counts or rows within a loop depend on its index; so may useful work. */
static void find_shaped(const struct visit *w, uint32_t n)
{
    struct open_loops open = {.depth = 0};
    for (uint32_t pc = 0; pc < n; pc++) {
        const struct cmd *c = &w->cmds[pc];
        if (c->op == OP_END) {
            open.depth--;
            continue;
        }
        if (c->op == OP_REPEAT) {
            mark_shaped(w->shaped, &open, &c->trips);
            open.pc[open.depth++] = pc;
            continue;
        }
        if (c->rows_is_affine)
            mark_shaped(w->shaped, &open, &c->rows_aff);
        if (w->to->useful && machine_has_useful(c))
            mark_shaped(w->shaped, &open, &c->useful);
    }
}

static void walk(struct visit *w, uint32_t from, uint32_t to, unsigned depth, uint64_t n)
{
    struct visited v = {.th = w->th, .n = n, .idx = w->idx, .depth = depth};
    for (uint32_t pc = from; pc < to; pc++) {
        const struct cmd *c = v.c = &w->cmds[pc];
        if (w->th == THREAD_ACCEL && w->begins[pc])
            w->to->step(w->to->self, w->begins[pc]);
        v.rows = c->rows_is_affine ? (uint32_t)aff_eval(&c->rows_aff, w->idx, depth) : c->rows;
        w->to->command(w->to->self, &v);
        if (c->op != OP_REPEAT)
            continue;
        int64_t trips = aff_eval(&c->trips, w->idx, depth);
        bool step = trips > 0 && w->shaped[pc];
        for (int64_t i = 0; i < (step ? trips : trips > 0); i++) {
            w->idx[depth] = (uint64_t)i;
            walk(w, pc + 1, c->match, depth + 1, step ? n : n * (uint64_t)trips);
        }
        w->idx[depth] = 0;
        pc = c->match;
    }
}

void program_visit(const struct program *p, const struct visitor *v)
{
    uint32_t most = p->n[THREAD_ACCEL] > p->n[THREAD_HOST] ? p->n[THREAD_ACCEL] : p->n[THREAD_HOST];
    struct visit w = {.to = v, .begins = calloc(most + 1, sizeof *w.begins + sizeof *w.shaped)};
    if (!w.begins)
        abort();
    w.shaped = (bool *)(w.begins + most + 1);
    for (uint32_t i = 0; i < p->n_ops; i++)
        w.begins[p->op_start[i].at] = p->op_start[i].parts;
    for (w.th = THREAD_ACCEL; w.th < N_THREADS; w.th++) {
        w.cmds = p->cmds[w.th];
        memset(w.shaped, 0, most + 1);
        find_shaped(&w, p->n[w.th]);
        walk(&w, 0, p->n[w.th], 0, 1);
    }
    free(w.begins);
    v->step(v->self, 1);
}
