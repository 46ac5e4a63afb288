#include "arch/program.h"

#include "arch/tally.h"
#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tensor_kind_names[N_TENSOR_KINDS] = {"weight", "activation", "residual", "kv",
                                                       "score",  "state",      "embedding", "logit"};

void program_init(struct program *p)
{
    memset(p, 0, sizeof *p);
    p->context_token = TOKEN_NONE;
    p->zeroed = sizeof(struct cmd);
}

void program_count(struct program *p, struct tallier *t)
{
    p->tallier = t;
    p->zeroed = CMD_TALLIED;
}

void program_clear(struct program *p)
{
    struct program old = *p;
    program_init(p);
    for (int t = 0; t < N_THREADS; t++) {
        p->cmds[t] = old.cmds[t];
        p->cap[t] = old.cap[t];
    }
    if (old.tallier) {
        program_count(p, old.tallier);
        tallier_clear(p->tallier);
    }
    p->op_start = old.op_start;
    p->cap_ops = old.cap_ops;
    p->notes = old.notes;
    p->notes.len = 0;
    if (p->notes.s)
        p->notes.s[0] = '\0';
}

void program_finish(struct program *p)
{
    for (int t = 0; t < N_THREADS; t++)
        free(p->cmds[t]);
    free(p->op_start);
    text_finish(&p->notes);
    memset(p, 0, sizeof *p);
}

size_t program_trim(struct program *p)
{
    size_t bytes = 0;
    for (int t = 0; t < N_THREADS; t++) {
        p->cap[t] = p->n[t];
        bytes += p->n[t] * sizeof *p->cmds[t];
        p->cmds[t] = xrealloc(p->cmds[t], p->n[t] ? p->n[t] : 1, sizeof *p->cmds[t]);
    }
    return bytes;
}

static struct cmd *next_kept(struct program *p, enum thread_id th)
{
    if (p->n[th] == p->cap[th]) {
        p->cap[th] = p->cap[th] ? p->cap[th] * 2 : 128;
        p->cmds[th] = xrealloc(p->cmds[th], p->cap[th], sizeof *p->cmds[th]);
    }
    return &p->cmds[th][p->n[th]++];
}

struct cmd *prog_add(struct program *p, enum thread_id th, enum op op, enum unit_id unit)
{
    struct cmd *c = p->tallier ? tallier_next(p->tallier, th) : next_kept(p, th);
    memset(c, 0, p->zeroed);
    c->op = op;
    c->unit = unit;
    c->src.ring = c->src2.ring = c->set.ring = c->dst.ring = RING_NONE;
    c->l2ring = L2RING_NONE;
    c->token2 = TOKEN_NONE;
    c->planes = 1;
    c->rows = 1;
    c->passes = c->k_scale = 1;
    c->w_bits = c->a_bits = 8;
    c->out_bits = 8;
    return c;
}

void prog_slot(struct program *p, enum op op, enum unit_id unit, const struct slot_use *use)
{
    if (p->tallier) {
        tallier_pass(p->tallier);
        return;
    }
    struct cmd *c = prog_add(p, THREAD_ACCEL, op, unit);
    *(op == OP_FREE ? &c->src : &c->dst) = *use;
}

unsigned prog_repeat(struct program *p, enum thread_id th, struct affine trips)
{
    assert(p->depth[th] < PROG_MAX_DEPTH);
    unsigned d = p->depth[th]++;
    if (p->tallier) {
        tallier_repeat(p->tallier, th, &trips);
        return d;
    }
    p->open[th][d] = p->n[th];
    struct cmd *c = prog_add(p, th, OP_REPEAT, N_UNITS);
    c->trips = trips;
    c->depth = (uint8_t)d;
    return d;
}

void prog_end(struct program *p, enum thread_id th)
{
    assert(p->depth[th] > 0);
    unsigned d = --p->depth[th];
    if (p->tallier) {
        tallier_end(p->tallier, th);
        return;
    }
    uint32_t open = p->open[th][d], end = p->n[th];
    struct cmd *c = prog_add(p, th, OP_END, N_UNITS);
    c->match = open;
    c->depth = (uint8_t)d;
    p->cmds[th][open].match = end;
}

uint16_t prog_token(struct program *p, const char *name, uint32_t initial, enum wait_class cls)
{
    assert(p->n_tokens < PROG_MAX_TOKENS);
    p->tokens[p->n_tokens] = (struct token){.name = name, .role = "", .initial = initial,
                                            .wait_class = (uint8_t)cls};
    return (uint16_t)p->n_tokens++;
}

void prog_wait(struct program *p, enum thread_id th, enum unit_id unit, uint16_t token, uint64_t n)
{
    if (p->tallier && th == THREAD_ACCEL) {
        tallier_pass(p->tallier);
        return;
    }
    struct cmd *c = prog_add(p, th, OP_WAIT, unit);
    c->token = token;
    c->count = (uint32_t)n;
}

void prog_post(struct program *p, enum thread_id th, enum unit_id unit, uint16_t token, uint64_t n)
{
    if (p->tallier && th == THREAD_ACCEL) {
        tallier_pass(p->tallier);
        return;
    }
    struct cmd *c = prog_add(p, th, OP_POST, unit);
    c->token = token;
    c->count = (uint32_t)n;
}

void prog_op(struct program *p, uint64_t parts)
{
    if (p->tallier) {
        tallier_step(p->tallier, parts);
        return;
    }
    if (p->n_ops == p->cap_ops) {
        p->cap_ops = p->cap_ops ? p->cap_ops * 2 : 32;
        p->op_start = xrealloc(p->op_start, p->cap_ops, sizeof *p->op_start);
    }
    p->op_start[p->n_ops++] = (struct prog_step){p->n[THREAD_ACCEL], (uint32_t)parts};
}

uint8_t prog_l2ring(struct program *p, const char *name, uint64_t parts, uint64_t stride, uint64_t base)
{
    assert(p->n_l2rings < PROG_MAX_L2RINGS);
    p->l2rings[p->n_l2rings] = (struct l2ring){name, parts, stride, base};
    return (uint8_t)p->n_l2rings++;
}

void prog_prune(struct program *p)
{
    for (int th = 0; th < N_THREADS; th++) {
        struct cmd *cmds = p->cmds[th];
        uint32_t n = 0, op = 0, open[PROG_MAX_DEPTH];
        for (uint32_t i = 0; i < p->n[th]; i++) {
            struct cmd *c = &cmds[i];
            while (th == THREAD_ACCEL && op < p->n_ops && p->op_start[op].at <= i)
                p->op_start[op++].at = n;
            if (c->op == OP_REPEAT)
                open[c->depth] = n;
            if (c->op == OP_END && open[c->depth] == n - 1) {
                n--; /* nothing in between */
                continue;
            }
            if (c->op == OP_END) {
                c->match = open[c->depth];
                cmds[c->match].match = n;
            }
            if (n != i)
                cmds[n] = *c;
            n++;
        }
        p->n[th] = n;
    }
}

static const char *const op_names[N_OPS] = {"load", "store", "ldw", "mm", "ret.step", "ret.decay", "clear",
    "ret.load", "ret.save", "vec", "alloc", "commit", "free", "mark", "udma.rx", "udma.tx", "job", "work",
    "take", "repeat", "end", "wait", "post", "next", "halt"};
static const char *const unit_names[N_UNITS + 1] = {"load", "weight", "engine", "retention", "vector",
    "store", "host"};
const char *const what_names[N_WHAT] = {"", "embedded", "narrow", "ln1", "q", "k", "v", "g", "qr", "kr",
                                        "khat",
    "swish", "score", "cross", "state", "raw", "gated", "out", "res1", "ln2", "fc1", "gate", "prod", "fc2",
    "res2", "back1", "back2", "final", "logits", "msr", "product"};
static const char *const ring_names[N_RINGS] = {"act", "aux", "set", "score", "out"};
static const char *const vec_names[N_VEC_KINDS] = {"rms", "rms_gate", "rotary", "rotary_decay", "lut", "glu",
    "residual", "requant", "gather", "align"};
static const char *const dst_names[] = {"acc", "out", "score", "state", "max"};

static void print_affine(const struct affine *a, struct text *out)
{
    bool any = false;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++) {
        if (!a->k[d])
            continue;
        text_printf(out, any && a->k[d] > 0 ? "+" : "");
        if (a->k[d] != 1)
            text_printf(out, "%lld*", (long long)a->k[d]);
        text_printf(out, "i%u", d);
        any = true;
    }
    if (a->c || !any)
        text_printf(out, any && a->c > 0 ? "+%lld" : "%lld", (long long)a->c);
}

static void print_slot(const char *role, const struct slot_use *s, struct text *out)
{
    if (s->ring == RING_NONE)
        return;
    text_printf(out, " %s=%s", role, ring_names[s->ring]);
    if (s->age)
        text_printf(out, "-%u", s->age);
    text_printf(out, "%s", s->acquire ? "+" : "");
    if (s->commit)
        text_printf(out, "!%u", s->stage);
    else if (s->stage)
        text_printf(out, "?%u", s->stage);
    text_printf(out, "%s", s->release ? "~" : "");
}

static void print_transfer(const struct cmd *c, struct text *out)
{
    text_printf(out, " %s l2[%s", tensor_kind_names[c->tensor], c->l2ring == L2RING_NONE ? "" : "ring+");
    print_affine(&c->addr, out);
    text_printf(out, "] %ux%u B", c->rows, c->row_bytes);
    if ((c->op == OP_LOAD || c->op == OP_STORE) && c->out_bits < 8)
        text_printf(out, " of %u-bit numbers", c->out_bits);
    if (c->rows > 1)
        text_printf(out, " step %lld", (long long)c->row_stride);
    if (c->planes > 1)
        text_printf(out, " x%u step %lld", c->planes, (long long)c->plane_stride);
    if (c->transpose)
        text_add(out, " transposed");
    if (c->gather)
        text_printf(out, " rows of the tokens from %lld", (long long)c->table);
    if (c->from_state)
        text_add(out, " from state buffer");
    if (c->buf_offset)
        text_printf(out, " at %u", c->buf_offset);
    if (c->buf_pitch)
        text_printf(out, " pitch %u", c->buf_pitch);
}

/* Where rows lie in their slots. */
static void print_place(const struct cmd *c, struct text *out)
{
    const struct {
        const char *name;
        uint32_t at, pitch;
    } place[] = {{"src", c->src_at, c->src_pitch}, {"src2", c->src2_at, 0}, {"dst", c->dst_at, c->dst_pitch},
                 {"dst2", c->dst2_at, 0}};
    for (unsigned i = 0; i < 4; i++) {
        if (place[i].at || place[i].pitch)
            text_printf(out, " %s@%u", place[i].name, place[i].at);
        if (place[i].pitch)
            text_printf(out, "/%u", place[i].pitch);
    }
    if (c->dst_tile)
        text_printf(out, " tile %u", c->dst_tile);
    if (c->tiled)
        text_printf(out, " tiles of %u columns", c->cols);
}

static void print_named(const char *name, const struct affine *a, struct text *out)
{
    text_add(out, name);
    print_affine(a, out);
}

/* Which numbers a command makes. */
static void print_what(const struct cmd *c, struct text *out)
{
    if (!c->what)
        return;
    text_printf(out, " = %s", what_names[c->what]);
    print_named("[unit ", &c->unit_at, out);
    print_named(" col ", &c->col_at, out);
    print_named(" pos ", &c->pos_at, out);
    if (c->pos_step != 1)
        text_printf(out, " step %llu", (unsigned long long)c->pos_step);
    if (c->what == WHAT_SCORE || c->what == WHAT_CROSS)
        print_named(" key ", &c->key_at, out);
    text_add(out, "]");
}

static void print_body(const struct program *p, const struct cmd *c, struct text *out)
{
    switch (c->op) {
    case OP_LOAD: case OP_STORE: case OP_LDW: case OP_RET_LOAD: case OP_RET_SAVE:
        print_transfer(c, out);
        break;
    case OP_UDMA_RX: case OP_UDMA_TX:
        text_printf(out, " %s l2[%s", tensor_kind_names[c->tensor], c->l2ring == L2RING_NONE ? "" : "ring+");
        print_affine(&c->addr, out);
        text_add(out, "] ext[");
        print_affine(&c->ext, out);
        text_printf(out, "] %u B", c->row_bytes);
        if (c->gather)
            text_printf(out, " of the token's row from %lld", (long long)c->table);
        text_printf(out, " -> token %s%s", p->tokens[c->token].name, p->tokens[c->token].role);
        break;
    case OP_MM:
        text_add(out, " rows ");
        if (c->rows_is_affine)
            print_affine(&c->rows_aff, out);
        else
            text_printf(out, "%u", c->rows);
        text_printf(out, " n %u k %u w%u a%u passes %u -> %s%s%s%s%s", c->cols, c->k, c->w_bits, c->a_bits,
                    c->passes, dst_names[c->mm_dst], c->first ? " first" : "", c->last ? " last" : "",
                    c->causal ? " causal" : "", c->bias ? " bias" : "");
        print_named(" outputs ", &c->n_at, out);
        print_named(" from ", &c->k_at, out);
        text_printf(out, " acc@%u/%u%s", c->acc_offset, c->acc_pitch, c->swapped ? " transposed" : "");
        if (c->row_words)
            text_printf(out, " shifts acc@%u/%u", c->row_at, c->row_words);
        break;
    case OP_CLEAR:
        if (c->cols)
            text_printf(out, " acc@%u %u values", c->acc_offset, c->cols);
        break;
    case OP_RET_STEP: case OP_RET_DECAY:
        text_printf(out, " tokens %u dk %u dv %u state@", c->rows, c->k, c->cols);
        print_affine(&c->state_at, out);
        break;
    case OP_VEC:
        text_printf(out, " %s rows %u width %u", vec_names[c->vec_kind], c->rows, c->cols);
        break;
    case OP_TAKE:
        print_transfer(c, out);
        break;
    case OP_MARK:
        text_printf(out, " %s ", p->layer_names[c->layer_name]);
        print_affine(&c->layer, out);
        break;
    case OP_REPEAT:
        text_printf(out, " i%u < ", c->depth);
        print_affine(&c->trips, out);
        break;
    case OP_WAIT: case OP_POST:
        text_printf(out, " %s%s %u", p->tokens[c->token].name, p->tokens[c->token].role, c->count);
        break;
    case OP_NEXT:
        text_printf(out, " %s", p->l2rings[c->l2ring].name);
        break;
    case OP_JOB:
        text_printf(out, " %u registers -> token %s", c->words, p->tokens[c->token].name);
        break;
    case OP_HOST_WORK:
        text_printf(out, " %u cycles", c->cycles);
        break;
    default:
        break;
    }
    print_place(c, out);
    print_what(c, out);
    print_slot("src", &c->src, out);
    print_slot("src2", &c->src2, out);
    print_slot("set", &c->set, out);
    print_slot("dst", &c->dst, out);
}

void program_print(const struct program *p, struct text *out)
{
    static const char *const threads[] = {"accel", "host"};
    text_printf(out, "# l2 %llu B, off-chip %llu B, state buffer %llu B\n", (unsigned long long)p->l2_bytes,
                (unsigned long long)p->ext_bytes, (unsigned long long)p->state_bytes);
    for (unsigned r = 0; r < N_RINGS; r++)
        text_printf(out, "# slot of %s: %llu B\n", ring_names[r], (unsigned long long)p->slot_bytes[r]);
    for (unsigned t = 0; t < p->n_tokens; t++)
        text_printf(out, "# token %s%s starts at %u\n", p->tokens[t].name, p->tokens[t].role,
                    p->tokens[t].initial);
    for (int th = 0; th < N_THREADS; th++) {
        text_printf(out, "%s:\n", threads[th]);
        unsigned indent = 1;
        for (uint32_t i = 0; i < p->n[th]; i++) {
            const struct cmd *c = &p->cmds[th][i];
            if (c->op == OP_END)
                indent--;
            text_printf(out, "%5u %*s%s", i, (int)(indent * 2), "", op_names[c->op]);
            if ((c->op == OP_WAIT || c->op == OP_POST) && th == THREAD_ACCEL)
                text_printf(out, ".%s", unit_names[c->unit]);
            print_body(p, c, out);
            text_add(out, "\n");
            if (c->op == OP_REPEAT)
                indent++;
        }
    }
}

const char *program_cmd_name(const struct cmd *c, char *buf, size_t size)
{
    const char *op = op_names[c->op], *of = "";
    switch (c->op) {
    case OP_LOAD: case OP_STORE: case OP_LDW: case OP_RET_LOAD: case OP_RET_SAVE:
    case OP_UDMA_RX: case OP_UDMA_TX:
        of = tensor_kind_names[c->tensor];
        break;
    case OP_VEC:
        of = vec_names[c->vec_kind];
        break;
    default:
        break;
    }
    snprintf(buf, size, "%s%s%s", op, *of ? " " : "", of);
    return buf;
}

/* A MARK command, the loops around it and the layer that is looked for. */
struct mark {
    const struct cmd *mark, *loop[PROG_MAX_DEPTH];
    unsigned depth;
    uint64_t idx[PROG_MAX_DEPTH];
    int64_t wanted;
};

/* Is there an iteration of the loops from `d` on in which the mark ends the
 * wanted layer? Loops that the layer does not depend on are run once. */
static bool marks_layer(struct mark *k, unsigned d)
{
    if (d == k->depth)
        return aff_eval(&k->mark->layer, k->idx, k->depth) == k->wanted;
    int64_t trips = k->mark->layer.k[d] ? aff_eval(&k->loop[d]->trips, k->idx, d) : 1;
    for (int64_t i = 0; i < trips; i++) {
        k->idx[d] = (uint64_t)i;
        if (marks_layer(k, d + 1))
            return true;
    }
    k->idx[d] = 0;
    return false;
}

const char *program_layer_name(const struct program *p, uint64_t index)
{
    struct mark k = {.wanted = (int64_t)index};
    for (uint32_t pc = 0; pc < p->n[THREAD_ACCEL]; pc++) {
        const struct cmd *c = &p->cmds[THREAD_ACCEL][pc];
        if (c->op == OP_REPEAT)
            k.loop[k.depth++] = c;
        else if (c->op == OP_END)
            k.depth--;
        k.mark = c;
        memset(k.idx, 0, sizeof k.idx);
        if (c->op == OP_MARK && marks_layer(&k, 0))
            return p->layer_names[c->layer_name];
    }
    return "end";
}
