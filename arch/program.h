/* The program: what lowering emits, what timing, values and bounds read.
 *
 * Two threads of commands: `accel` (the accelerator's sequencer) and `host`
 * (the FC core). The sequencer walks loops, renames buffer slots and hands each
 * command to the in-order queue of its unit; units meet through slots and
 * tokens. Nothing is unrolled: addresses and trip counts are affine in the
 * indices of the enclosing loops.
 *
 * Slots. A ring (activation, weight set, score, output) is used in the order in
 * which the sequencer dispatches: a command with `acquire` on its destination
 * allocates the next slot; later commands name it by age (0: the newest when
 * they are dispatched, 1: the one before, ...). A slot goes free -> stage 1
 * (commit) [-> stage 2 (vector unit done)] -> free (release). */
#ifndef ARCH_PROGRAM_H
#define ARCH_PROGRAM_H

#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROG_MAX_DEPTH = 10, PROG_MAX_TOKENS = 96, PROG_MAX_L2RINGS = 32 };
enum { L2RING_NONE = 255, TOKEN_NONE = 65535 };

enum op {
    /* accel */
    OP_LOAD,     /* L2 -> ring slot */
    OP_STORE,    /* output slot -> L2 */
    OP_LDW,      /* L2 or state buffer -> weight set */
    OP_MM,       /* rows of the moving operand past one weight set */
    OP_RET_STEP, /* decay + update + read-out, token by token */
    OP_RET_DECAY, /* clears (or decays) the state of one head */
    OP_CLEAR,    /* flash-clears valid bits of `cols` accumulators from acc_offset on: they start from zero */
    OP_RET_LOAD, /* L2 -> state buffer */
    OP_RET_SAVE, /* state buffer -> L2 */
    OP_VEC,      /* vector unit */
    OP_ALLOC,    /* takes the next slot of dst's ring */
    OP_COMMIT,   /* dst's slot is complete once the unit's pipeline is empty */
    OP_FREE,     /* src's slot is free */
    OP_MARK,     /* end of a layer, seen by the store unit */
    /* host */
    OP_UDMA_RX, /* off-chip -> L2 */
    OP_UDMA_TX, /* L2 -> off-chip */
    OP_JOB,     /* writes the register file, triggers */
    OP_HOST_WORK, /* cycles of the core itself */
    OP_TAKE,      /* the host takes results out of L2; its work on them is counted apart */
    /* control, both threads */
    OP_REPEAT,
    OP_END,
    OP_WAIT,
    OP_POST,
    OP_NEXT, /* steps an L2 ring: later addresses of this thread are in its next part */
    OP_HALT,
    N_OPS
};

enum unit_id { UNIT_LOAD, UNIT_WEIGHT, UNIT_ENGINE, UNIT_RETENTION, UNIT_VECTOR, UNIT_STORE, N_UNITS };
enum ring_id { RING_ACT, RING_AUX, RING_SET, RING_SCORE, RING_OUT, N_RINGS, RING_NONE = 255 };
enum thread_id { THREAD_ACCEL, THREAD_HOST, N_THREADS };

/* Where the result rows of an mm go. */
enum mm_dst { MM_ACC, MM_OUT, MM_SCORE, MM_STATE, MM_MAX /* nowhere: a row's largest is kept */ };
enum causal { CAUSAL_NONE, CAUSAL_SCORES, CAUSAL_VALUES };
#define PROG_SEQUENCE (INT64_C(1) << 32)

/* What numbers are: results of a step of the integer dataflow (docs/model.md). */
enum what_kind {
    WHAT_NONE,
    WHAT_EMBED,  /* residual stream out of the embedding */
    WHAT_NARROW, /* the same in 8 bits (post-norm) */
    WHAT_LN1,    /* what the projections take */
    WHAT_Q, WHAT_K, WHAT_V, WHAT_G, /* projections */
    WHAT_QR, WHAT_KR, /* after rotary */
    WHAT_KHAT,   /* keys as the state of a chunk takes them */
    WHAT_SWISH,  /* gates after their table */
    WHAT_SCORE, WHAT_CROSS, WHAT_STATE,
    WHAT_RAW,    /* rows of a head before its norm */
    WHAT_GATED,  /* after norm and gate */
    WHAT_OUT,    /* output projection, what is added to the stream */
    WHAT_RES1,   /* stream after retention */
    WHAT_LN2,    /* what the FFN takes */
    WHAT_FC1, WHAT_GATE,
    WHAT_PROD,   /* activation times gate */
    WHAT_FC2,    /* what is added to the stream */
    WHAT_RES2,   /* stream after the block */
    WHAT_BACK1, WHAT_BACK2, /* post-norm: stream after the norms that follow the two additions */
    WHAT_FINAL,  /* what the language-model head takes */
    WHAT_LOGITS,
    WHAT_MSR,    /* result of one retention layer alone */
    WHAT_GEMM,   /* of one matrix product */
    N_WHAT
};
extern const char *const what_names[N_WHAT];

enum vec_kind {
    VEC_RMS,       /* rms norm of rows: square-sum, isqrt, divide, scale */
    VEC_RMS_GATE,  /* per-head norm of the output rows, times the gate rows */
    VEC_ROTARY,    /* rotary of adjacent pairs */
    VEC_ROTARY_DECAY, /* rotary, and a second, decayed copy for the chunk state */
    VEC_LUT,       /* activation by table */
    VEC_GLU,       /* lut(a) * b */
    VEC_RESIDUAL,  /* requantise and add the residual rows */
    VEC_REQUANT,   /* requantise accumulators */
    VEC_GATHER,    /* embedding rows: widen and scale */
    VEC_ALIGN,     /* per-row block shift */
    N_VEC_KINDS
};

struct affine { /* c + sum k[d] * index of the loop at depth d */
    int64_t c;
    int64_t k[PROG_MAX_DEPTH];
};

/* How a command uses a slot of a ring. */
struct slot_use {
    uint8_t ring;  /* enum ring_id, RING_NONE: unused */
    uint8_t age;   /* of the slot, counted at dispatch after the command's own acquire */
    uint8_t stage; /* consumer: stage that it waits for; producer: stage that it commits to */
    bool acquire;  /* producer: takes a fresh slot */
    bool commit;   /* producer: the slot is complete afterwards */
    bool release;  /* consumer: the slot is free afterwards */
};

/* Plain numbers come first, so that what is read most lies together; affine parts after them. */
struct cmd {
    uint8_t op;
    uint8_t unit; /* accel commands; for WAIT/POST the unit whose queue carries it */
    uint8_t l2ring;      /* addr counts from the current part of this L2 ring; L2RING_NONE */
    uint8_t tensor;      /* enum tensor_kind: traffic is counted by it */
    bool transpose;      /* bytes land column-wise */
    bool from_state;     /* LDW out of the state buffer */
    bool rows_is_affine;
    uint8_t vec_kind;
    /* mm, ret, vec shapes */
    uint8_t w_bits, a_bits, passes;
    uint8_t k_scale;     /* mm: narrow operands that a lane takes at a time */
    uint8_t mm_dst;
    bool first, last;    /* mm: overwrite / finish the accumulator */
    uint8_t causal;      /* mm: enum causal: triangular mask on the result or operand */
    bool again;          /* mm: computes what was computed before: its MACs are no useful work */
    bool swapped;        /* mm: rows are outputs and columns tokens: the result is written transposed */
    bool bias;           /* mm of an engine fed by streams: bias travels with the rows */
    bool acc_tile;
    bool gather;         /* rows are those of the tokens, from byte `table` on */
    bool tiled;          /* store: tiles of outputs, `cols` wide, one a line */
    /* Bits of a number: of a result, of a second one (0: none), or of what moves, `cols` of them a row.
     * vec: a_bits and w_bits are those of its operands (0: none). */
    uint8_t out_bits, out2_bits;
    uint8_t what;        /* enum what_kind of the result: scales, tables and what is stored follow from it */
    uint8_t depth;       /* of the loop a REPEAT opens */
    /* slots */
    struct slot_use src, src2, set, dst;
    uint32_t rows;       /* lines; constant part of mm/vec rows as well */
    uint32_t row_bytes;  /* contiguous bytes of a line */
    uint32_t planes;     /* third dimension, 1 when unused */
    uint32_t cols;       /* mm: outputs of the set in use; vec: row width; ret: dv */
    uint32_t k;          /* mm: contraction of the set in use; ret: dk */
    uint32_t match;      /* REPEAT <-> END */
    uint16_t token;      /* WAIT POST, UDMA completion */
    uint16_t token2;     /* UDMA completion, a second reader; TOKEN_NONE */
    uint32_t count;      /* WAIT POST */
    uint32_t cycles;     /* HOST_WORK */
    uint32_t words;      /* JOB: registers written */
    uint32_t layer_name; /* MARK: index of the layer class */
    int64_t row_stride;  /* bytes between lines */
    int64_t plane_stride;
    uint32_t buf_offset; /* bytes into the slot (or state buffer) */
    uint32_t buf_pitch;  /* bytes between lines in the slot */
    uint32_t acc_offset; /* values into the accumulator buffer: row r of the command is acc_pitch r on, */
    uint32_t acc_pitch;  /* column c of its sweep c values, or of its set alone when acc_tile */
    /* Scores with a shift for each row: the accumulators hold the bits of a row's largest score, a word for
     * each block of keys, row r's from row_at + r row_words on; 0: one scale for all rows. */
    uint32_t row_at, row_words;
    /* Where operands and results lie inside slots: bytes of the first row, bytes between rows (0: rows follow
     * each other). A second operand without a slot of its own lies in the first one's, a second result in the
     * first one's slot. */
    uint32_t src_at, src_pitch, src2_at, dst_at, dst_pitch, dst2_at;
    uint32_t dst_tile;   /* mm: bytes between tiles of outputs, each with its rows; 0: rows are whole */
    uint64_t pos_step;
    uint32_t tokens;     /* of the chunk that a state update takes in */
    int64_t table;
    /* What depends on the loops around it. */
    struct affine addr;  /* L2 byte offset: LOAD STORE LDW RET_LOAD RET_SAVE UDMA_* */
    struct affine trips; /* REPEAT */
    struct affine rows_aff; /* rows that pass (affine: causal skip); used when rows_is_affine */
    struct affine useful; /* useful MACs */
    /* From here on nothing that a bound or an estimate depends on (CMD_TALLIED). */
    struct affine ext;   /* off-chip byte offset (UDMA_*) */
    struct affine n_at, k_at; /* mm, ldw: first output and contraction element of the set in its sweep */
    struct affine state_at;   /* bytes into the state buffer */
    /* Which numbers of the network they are. */
    struct affine unit_at; /* layer x heads + head */
    struct affine col_at;  /* first column, of the head for what belongs to heads */
    struct affine pos_at;  /* token of row 0: sequence x PROG_SEQUENCE + position; rows are pos_step apart */
    struct affine key_at;  /* position of key 0 of a sweep of keys; where the chunk of row 0 begins */
    struct affine layer;   /* MARK: index */
};
#define CMD_TALLIED offsetof(struct cmd, ext)

/* What a wait on a token is booked on while nothing else works. */
enum wait_class { WAIT_OPERAND, WAIT_WEIGHT, WAIT_BUFFER, WAIT_OFFCHIP, WAIT_HOST };

/* Parts of L2 used in turn by both threads (staging of what lives off-chip). */
struct l2ring {
    const char *name;
    uint64_t parts, stride;
    uint64_t base; /* of the first part in L2 */
};

struct token {
    const char *name, *role; /* role: what a credit means, "" when the name says it */
    uint32_t initial;
    uint8_t wait_class;
};

enum tensor_kind { T_WEIGHT, T_ACT, T_RESIDUAL, T_KV, T_SCORE, T_STATE, T_EMBED, T_LOGIT, N_TENSOR_KINDS };
extern const char *const tensor_kind_names[N_TENSOR_KINDS];

struct prog_home {
    const char *tensor, *home;
    uint64_t bytes;
};

/* What memory holds before the run: a matrix as the sets take it (set by set, all contraction tiles of an
 * output tile one after the other, in each set output by output; two matrices of a gated product take turns
 * by output tile), or, `by_rows`, output by output. Elements are packed, sets and rows begin on a byte. */
struct prog_matrix {
    uint8_t what[2];   /* of what it makes; the second WHAT_NONE: one matrix */
    bool ext, by_rows;
    int64_t at;        /* of layer 0, head 0 */
    uint64_t layer_bytes, head_bytes; /* between layers and heads; head_bytes 0: not by heads */
    uint64_t n, k;     /* outputs and contraction of a matrix */
    uint32_t n_tile, k_tile, bits;
};
/* A tensor that is there before the run or read after it: rows of `cols` numbers. */
struct prog_tensor {
    uint8_t what;
    bool ext;
    int64_t at;
    uint64_t pitch, rows;
    uint32_t cols, bits;
    uint64_t line, plane; /* bytes between rows of a tile, and between tiles; plane 0: rows are whole */
    struct affine pos; /* of row 0 */
};

/* What off-chip memory holds, a tensor's padding included. A move that names its kind stays inside one. */
struct prog_region {
    uint8_t tensor;
    uint64_t at, bytes;
};

struct tallier; /* tally.h */

struct program {
    struct cmd *cmds[N_THREADS];
    uint32_t n[N_THREADS], cap[N_THREADS];
    struct token tokens[PROG_MAX_TOKENS];
    unsigned n_tokens;
    uint16_t context_token; /* posted when a job is done; TOKEN_NONE */
    struct l2ring l2rings[PROG_MAX_L2RINGS];
    unsigned n_l2rings;
    struct prog_step { /* begins at an accel command, and waits for the one before */
        uint32_t at;
        uint32_t parts; /* that do not wait for each other, one after the other */
    } *op_start;
    uint32_t n_ops, cap_ops;
    uint64_t slot_bytes[N_RINGS]; /* of one slot, as lowered */
    uint64_t l2_bytes, ext_bytes; /* highest byte in use + 1 */
    uint64_t state_bytes;
    const char *layer_names[16]; /* classes of MARK */
    unsigned n_layer_names;
    uint64_t n_layers;           /* layer indices are below this */
    uint64_t tokens_done;        /* processed or generated tokens of the whole run */
    struct prog_matrix matrices[10];
    unsigned n_matrices;
    struct prog_tensor embedding, input, output, keys, values, state; /* rows 0: none */
    uint64_t heads, batch, context, state_cols; /* what addresses in caches and states are made of */
    uint64_t scope; /* tokens that pass a layer before the next layer begins; of a prefill */
    struct prog_region regions[24];
    unsigned n_regions;
    struct prog_home homes[24];
    unsigned n_homes;
    uint64_t spilled_bytes[N_TENSOR_KINDS]; /* moved off-chip for lack of L2, whole run */
    struct text notes;           /* one decision a line */
    /* builder */
    struct tallier *tallier; /* takes the commands, which are not kept then; NULL */
    size_t zeroed;           /* bytes of a new command; what others write is not read */
    uint8_t depth[N_THREADS];
    uint32_t open[N_THREADS][PROG_MAX_DEPTH];
};

void program_init(struct program *p);
/* From now on its commands are counted instead of kept. */
void program_count(struct program *p, struct tallier *t);
void program_finish(struct program *p);
/* Gives back what its commands do not take; how many bytes they do. */
size_t program_trim(struct program *p);
/* Empties it for another program; keeps its memory. */
void program_clear(struct program *p);

/* Builder: returns the new command, zeroed, with op and unit set. In a program with a tallier it is gone when
 * the next one is added, and zero up to CMD_TALLIED. */
struct cmd *prog_add(struct program *p, enum thread_id th, enum op op, enum unit_id unit);
/* A command of the accelerator that only takes, completes or frees a slot: OP_ALLOC, OP_COMMIT, OP_FREE. */
void prog_slot(struct program *p, enum op op, enum unit_id unit, const struct slot_use *use);
/* Opens a loop; its index is dimension `return value` of affine expressions. */
unsigned prog_repeat(struct program *p, enum thread_id th, struct affine trips);
void prog_end(struct program *p, enum thread_id th);
uint16_t prog_token(struct program *p, const char *name, uint32_t initial, enum wait_class cls);
void prog_wait(struct program *p, enum thread_id th, enum unit_id unit, uint16_t token, uint64_t n);
void prog_post(struct program *p, enum thread_id th, enum unit_id unit, uint16_t token, uint64_t n);

/* What a number of so many bits takes where it passes a buffer: buffers hold what lanes take,
 * fields of 2, 4 or 8 bits and whole words. */
static inline uint64_t field_bits(uint64_t bits)
{
    return bits <= 2 ? 2 : bits <= 4 ? 4 : bits <= 8 ? 8 : bits <= 16 ? 16 : 32;
}

static inline struct affine aff(int64_t c)
{
    return (struct affine){.c = c};
}
/* a + k * index(depth) */
static inline struct affine aff_term(struct affine a, unsigned depth, int64_t k)
{
    a.k[depth] += k;
    return a;
}
static inline struct affine aff_plus(struct affine a, int64_t c)
{
    a.c += c;
    return a;
}
static inline int64_t aff_eval(const struct affine *a, const uint64_t *idx, unsigned depth)
{
    int64_t v = a->c;
    for (unsigned d = 0; d < depth; d++)
        v += a->k[d] * (int64_t)idx[d];
    return v;
}
static inline struct affine aff_scale(struct affine a, int64_t s)
{
    a.c *= s;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        a.k[d] *= s;
    return a;
}
/* Exact division: every part is a multiple. */
static inline struct affine aff_divide(struct affine a, int64_t s)
{
    a.c /= s;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        a.k[d] /= s;
    return a;
}
static inline struct affine aff_add(struct affine a, const struct affine *b)
{
    a.c += b->c;
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        a.k[d] += b->k[d];
    return a;
}
static inline bool aff_is_const(const struct affine *a)
{
    for (unsigned d = 0; d < PROG_MAX_DEPTH; d++)
        if (a->k[d])
            return false;
    return true;
}

/* Says that the next accel command begins a new step, of so many parts that do not wait for each other. */
void prog_op(struct program *p, uint64_t parts);
/* Adds an L2 ring; returns its number. */
uint8_t prog_l2ring(struct program *p, const char *name, uint64_t parts, uint64_t stride, uint64_t base);
/* Removes loops without commands (both threads). */
void prog_prune(struct program *p);

/* What a command does, in a word or two: "mm", "load activation", "vec rms". Returns buf. */
const char *program_cmd_name(const struct cmd *c, char *buf, size_t size);
/* Name of the class of layer `index`, as its first mark has it. */
const char *program_layer_name(const struct program *p, uint64_t index);
/* The program as text, one command a line. */
void program_print(const struct program *p, struct text *out);

#endif
