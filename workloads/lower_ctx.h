/* Inside lowering: tensors and their homes, block loops, staging, sweeps. */
#ifndef WORKLOADS_LOWER_CTX_H
#define WORKLOADS_LOWER_CTX_H

#include "base/num.h"
#include "workloads/lower.h"

enum { MAX_TENSORS = 24, L2_ALIGN = 64, UDMA_WORD = 4 };

/* A tensor of `rows` tokens (or states), `pitch` bytes each. In L2 it is read
 * and written in place; off-chip it is staged block by block through L2 rings. */
struct tensor {
    const char *name;
    uint8_t kind;        /* enum tensor_kind */
    uint8_t reader;      /* unit that reads it: load or weight */
    bool used, ext, scattered; /* scattered: rows are fetched one by one */
    bool in_place;       /* staged results go to where the inputs were: one pair of parts for both */
    uint64_t cols, bits;  /* numbers of a row, bits of one */
    uint64_t pitch, rows;
    /* Values that sets take lie tile by tile of columns, so that a set is one run of bytes: `line` bytes
     * between tokens, `plane` between tiles. plane 0: rows are whole, line is pitch. */
    uint64_t line, plane;
    uint64_t base;       /* L2 or off-chip offset */
    struct affine outer; /* further offset from enclosing loops (layer, head, batch) */
    uint16_t ready;      /* posted by the store unit once a block is written */
    bool pending;        /* posts not yet waited for, in program order */
    uint64_t block, posts; /* tokens a post covers; posts over the whole tensor */
    uint64_t parts;        /* posts of a block */
    uint64_t before;       /* posts that come before those of the last pass over its blocks */
    uint64_t stage_bytes;  /* of one staged block */
    uint64_t apart;        /* bytes between rows as they are written; 0: pitch. Rows of several sequences */
    uint64_t view;         /* bytes of a token in the current slice of columns, 0 all: tensor_slice */
    struct affine view_off; /* where that slice begins within a row, bytes */
    uint8_t in_ring, out_ring;
    uint64_t in_base, out_base;
    uint16_t in_full, in_free, out_full, out_free, out_done;
};

struct block { /* of tokens */
    uint64_t rows;
    struct affine tok; /* index of the first one */
};

struct where { /* an L2 address as commands take it */
    struct affine addr;
    uint8_t l2ring;
};

struct archive { /* off-chip, of keys and values: lower_archive.c */
    uint64_t base[2]; /* keys, values */
    uint16_t fetched, free, written, moved, landed;
};

struct lower {
    const struct arch *arch;
    const struct work *w;
    struct program *p;
    struct err *err;
    struct engine_geom geom;
    const struct mode_cfg *weight_mode; /* of products with weights */
    const struct mode_cfg *act_mode;    /* of activations with activations */
    const struct engine_cfg *engine;
    const struct buffers_cfg *buffers;
    const struct retention_cfg *ret;
    const struct tcdm_cfg *tcdm;
    const struct hyperram_cfg *hyper;
    const struct udma_cfg *udma;
    /* mapping */
    uint64_t T;        /* token block */
    uint64_t scope;    /* tokens that pass a layer before the next layer begins */
    uint64_t R;        /* most query rows of a block in the parallel form */
    uint64_t piece;    /* tokens of a head that are projected and retained in turn; 0: all of the scope */
    bool in_pipe;      /* inside such a loop: the host's part and the steps are emitted by it */
    bool state_owed;   /* the last head's state is still to be moved out */
    bool may_spill;    /* tensors of one layer may live off-chip */
    bool must_spill;   /* else the mapping is not wanted */
    bool unwanted;     /* it is not wanted if it fits */
    bool may_pipe;     /* heads may pass in pieces */
    bool kv_local;     /* L2 holds keys and values of one head; an archive those of earlier scopes */
    bool gates_in_y;   /* gates wait where the rows that they gate will be */
    bool parked;       /* the stream and the rows of finished heads wait off-chip, staged in small parts */
    bool deep;         /* parked: hidden rows as well; rows that come back lie over what nobody reads then */
    bool sliced;       /* rows of a head are chosen for their products alone, even if that cuts its columns */
    unsigned lean;     /* heads are cut smaller, so that L2 holds less of them: style.lean */
    bool same_heads;   /* neither makes a difference */
    bool layer_major;  /* all scopes pass a layer before any passes the next; the stream waits off-chip */
    bool last_scope;   /* the scope at hand ends its sequence */
    struct archive archive;
    uint64_t context;  /* tokens of a sequence over the whole run */
    bool ext_over;     /* the off-chip memory is too small */
    bool weights_ext, state_resident, state_saved, keep_kv;
    /* capacities in bytes of one slot */
    uint64_t act_slot, aux_slot, score_slot, out_slot, acc_values, state_bytes;
    uint64_t dk, dv;         /* head sizes */
    uint64_t wb, ab, xb, sb; /* bits that weights, activations, the stream and scores take */
    bool row_shift;          /* scores have a shift for each row, from its maximum */
    bool token_update;       /* states take up tokens one by one in every form */
    bool builds_state;       /* a parallel prefill leaves a state for the decode */
    /* memory */
    uint64_t l2_top, ext_top, w_slot;
    /* Next free byte for staging x, a head's tensors, y, h: two pairs share their places. */
    uint64_t stage_at[4];
    uint64_t w_base, w_layer_bytes, w_head_bytes, w_out, w_ffn1, w_ffn2, w_lm;
    uint8_t w_ring;
    uint64_t w_ring_base;
    uint16_t w_full, w_free, w_due;
    uint64_t w_shares; /* that each fetch of weights comes in; 0: at once */
    struct tensor emb, x, xn, q, k, khat, v, g, o, y, h, logits, state;
    struct tensor y_back, h_back; /* parked: all of y (h) in L2 again, for the product that reads it */
    /* state buffer hand-over */
    uint16_t st_token[N_UNITS]; /* a credit: the state belongs to this unit */
    struct where st_in, st_out;
    struct affine blk;         /* tokens of the sequence before this scope */
    struct affine now;         /* decode: position of the token at hand */
    bool decoding;
    bool state_zero;           /* the op begins with an empty state */
    uint64_t state_dv;         /* value columns of a state slice; the same for every op */
    /* loops that are open on both threads */
    struct affine layer, head, seq; /* their indices */
    uint16_t parts_moved; /* transfers of a block but its last; nobody waits for them */
    uint16_t job, job_weight, contexts, sampled;
    unsigned mark_embed, mark_layer, mark_head;
};

/* Layers whose keys and values, or states, of earlier scopes are kept; the one at hand among them. */
static inline uint64_t kept_layers(const struct lower *l)
{
    return l->layer_major ? 1 : l->w->shape.layers;
}

static inline struct affine kept_layer(const struct lower *l)
{
    return l->layer_major ? aff(0) : l->layer;
}

static inline bool decodes(const struct work *w)
{
    return w->phase != PHASE_PREFILL;
}

/* Kind gemm: rows of A, the sequences of a batch one below the other. */
static inline uint64_t gemm_rows(const struct work *w)
{
    return w->m * w->batch;
}

/* ---- lower.c ---- */
/* FIT_NOT and FIT_OVER, which is too much for the off-chip memory, come with an error; FIT_UNWANTED is a
 * mapping that another one does as well. */
enum fit { FIT_WELL, FIT_NOT, FIT_OVER, FIT_UNWANTED };
/* The program at the mapping that `l` holds. The caller finishes the program either way. */
enum fit lower_build(struct lower *l);

/* ---- lower_mem.c ---- */
/* Plans L2 and off-chip; false with an error when it does not fit. */
bool plan_memory(struct lower *l);
uint64_t tensor_bytes(const struct tensor *t);
/* Small stages for the residual stream, and for all that is parked: enough for the columns and rows that any
 * op takes at once. */
void stream_stage(struct lower *l, uint64_t block);
void parked_stages(struct lower *l, uint64_t block, bool direct);
void report_homes(struct lower *l);
/* Tells the program what its memories hold before the run. */
void describe_image(struct lower *l);

/* ---- lower_fetch.c: weights that live off-chip ---- */
/* The ring, of two parts of w_slot bytes from w_ring_base. */
void plan_fetch(struct lower *l);
/* Host: `bytes` of them at off, into the next part. */
void host_weights(struct lower *l, const struct affine *off, uint64_t bytes);
/* Accelerator: waits for them. `blocks` of tokens follow, each told at its beginning. */
struct where weights_begin(struct lower *l, uint64_t bytes, uint64_t blocks);
void weights_block(struct lower *l);
/* Their place is free. */
void weights_end(struct lower *l);

/* ---- lower_archive.c: nothing without kv_local ---- */
bool archive_fits(const struct lower *l);
/* Before the projections of a head; after them; after its retention; after all heads. */
void archive_open(struct lower *l);
void archive_exchange(struct lower *l, uint64_t tokens);
void archive_close(struct lower *l);
void archive_settle(struct lower *l);

/* ---- lower_loop.c ---- */
/* Opens a loop on both threads; returns its depth. */
unsigned both_repeat(struct lower *l, uint64_t trips);
void both_end(struct lower *l);
typedef void (*block_fn)(struct lower *l, void *arg, const struct block *b);
/* Blocks of `rows` tokens over `n` tokens from `first`, accelerator thread only. */
void each_block(struct lower *l, uint64_t n, uint64_t rows, const struct affine *first, block_fn fn,
                void *arg);
/* The host's part for staged tensors of such blocks: inputs in, outputs out. */
void host_staged(struct lower *l, uint64_t n, uint64_t rows, struct tensor *const *in,
                 struct tensor *const *out);
/* Both together. */
void each_staged(struct lower *l, uint64_t n, uint64_t rows, struct tensor *const *in,
                 struct tensor *const *out, block_fn fn, void *arg);
/* Host side of one block: fetch inputs, move results out, wait for the latter. */
void host_in(struct lower *l, struct tensor *const *in, const struct block *b);
void host_out(struct lower *l, struct tensor *const *out, const struct block *b);
void host_drain(struct lower *l, struct tensor *const *out, uint64_t n, uint64_t rows);
void host_release(struct lower *l, struct tensor *const *in);
/* Before an op reads t in blocks of `rows` tokens: waits for the whole of it
 * unless block-by-block waits are possible (`once`: each block is read once). */
void tensor_open(struct lower *l, struct tensor *t, uint64_t rows, bool once);
struct where tensor_in(struct lower *l, struct tensor *t, const struct block *b);
void tensor_in_end(struct lower *l, struct tensor *t);
struct where tensor_out(struct lower *l, struct tensor *t, const struct block *b);
void tensor_out_end(struct lower *l, struct tensor *t);
/* Marks t as being written by posts of `rows` tokens over `n`. */
void tensor_written(struct tensor *t, uint64_t n, uint64_t rows, uint64_t slices);
struct where where_at(struct where w, int64_t bytes);
/* `cols` columns from `first` on pass next; tensor_whole: all of them again. */
void tensor_slice(struct tensor *t, uint64_t cols, const struct affine *first);
void tensor_whole(struct tensor *t);
/* Where column `col` of rows begins. */
struct affine column_place(const struct lower *l, const struct tensor *t, const struct affine *col);
/* Bytes between the rows of a block where commands find it. */
uint64_t staged_pitch(const struct tensor *t);
/* Rows of a block that has `rows`, fewer when staging of t is smaller. */
uint64_t staged_rows(const struct tensor *t, uint64_t rows);
/* Brings `tokens` of what is parked back when all of it was written: to `back`, from where t lives. */
void parked_back(struct lower *l, const struct tensor *back, const struct tensor *t, uint64_t tokens);
/* uDMA transfers that `bytes` take. */
uint64_t pieces(const struct lower *l, uint64_t bytes);

/* ---- lower_cmd.c ---- */
struct cmd *emit(struct lower *l, enum op op, enum unit_id unit);
void emit_slot(struct lower *l, enum op op, enum unit_id unit, enum ring_id ring, uint8_t age, uint8_t stage);
/* Rows from L2 into a ring slot; acquire/commit as given. */
struct rows_of { /* rows of `cols` numbers of so many bits; `at`: their first byte in the slot */
    uint64_t rows, cols, bits, at;
};
struct cmd *emit_load(struct lower *l, enum ring_id ring, struct where w, const struct rows_of *r,
                      uint64_t pitch, uint8_t kind, bool acquire, bool commit);
/* Out of the output slot. */
struct cmd *emit_store(struct lower *l, struct where w, const struct rows_of *r, const struct tensor *t,
                       bool release);
/* The same into tiles of columns. */
struct cmd *emit_store_tiles(struct lower *l, struct where w, const struct rows_of *r,
                             const struct tensor *t);
/* `a_bits`, `w_bits`: of the operands in their slots. */
struct cmd *emit_vec(struct lower *l, enum vec_kind kind, uint64_t rows, uint64_t cols, uint64_t a_bits,
                     uint64_t w_bits);
/* Byte of column `col` of a row; whole by the choice of widths (activation_bits). */
static inline struct affine col_bytes(const struct affine *col, uint64_t bits)
{
    return aff_divide(aff_scale(*col, (int64_t)bits), 8);
}

/* rows of the moving operand against N outputs x K contraction of stationary
 * sets: n outer, k inner. */
struct sweep {
    uint64_t rows, n, k;
    bool first, last;
    enum ring_id src;
    uint8_t src_age;
    uint32_t src_at, src_pitch, dst_at, dst_pitch, dst_tile; /* bytes */
    uint8_t a_bits, w_bits; /* that the moving operand and the stationary one take */
    uint8_t passes;         /* by sweep_mode */
    uint64_t k_tile; /* contraction of a set in this mode */
    enum mm_dst dst;
    uint8_t out_bits;
    uint32_t acc_base;
    uint32_t acc_pitch; /* 0: n */
    bool acc_tile;      /* an output tile is finished before the next begins */
    uint32_t row_at, row_words; /* shifts of the rows' scores, as commands have them */
    enum causal causal;
    bool swapped;
    enum what_kind what; /* of the results */
    struct affine col, pos, key;
    uint64_t pos_step;
    uint32_t tokens;     /* of the chunk that a state update takes in */
    struct affine state; /* where the first row that is read or updated lies in the state buffer */
    /* stationary operand */
    struct where set;
    /* Packed weights: sets lie one after the other, all contraction tiles of an
     * output tile first; output tiles are n_tile x packed_k x packed_n bytes
     * apart (packed_n 2: two matrices interleaved). */
    bool packed;
    uint64_t packed_k;    /* whole contraction of the packed matrix */
    uint64_t packed_n;
    uint64_t packed_part; /* which of the interleaved matrices */
    uint64_t k0, k_step;  /* first contraction element: k0 + k_step * index(k_depth) */
    int k_depth;          /* -1: k0 alone */
    bool transpose;  /* contraction runs along the source's rows */
    uint64_t plane;  /* and its columns lie in tiles, so many bytes apart; 0: side by side */
    bool from_state;
    uint64_t pitch;
    uint8_t tensor;
    bool again;            /* computed before: no useful work */
    uint64_t useful_scale; /* 0: what counts was booked elsewhere; else 1 */
};
/* Which numbers a command makes: what of the layer and head at hand, columns from col on, the row of
 * token `tok` first. */
void emit_what(struct lower *l, struct cmd *c, enum what_kind what, const struct affine *col,
               const struct affine *tok);
/* The first row's token: position in its sequence, and which. */
struct affine position_of(const struct lower *l, const struct affine *tok);
uint64_t position_step(const struct lower *l);
/* What the engine's mode says. */
void sweep_mode(struct lower *l, struct sweep *s, const struct mode_cfg *m);
void emit_sweep(struct lower *l, const struct sweep *s);

/* ---- lower_gemm.c ---- */
enum post { POST_NONE, POST_WIDE /* 16 bits */, POST_LUT, POST_ROTARY, POST_ROTARY_DECAY, POST_GLU,
           POST_RESIDUAL };
struct gemm_seg {
    uint64_t n;
    enum post post;
    enum what_kind what;       /* of dst */
    struct tensor *dst, *dst2; /* dst2: decayed copy */
};
struct gemm {
    struct tensor *in;
    uint64_t k;
    uint64_t tokens;          /* of the scope; rows 1.. */
    struct affine first_tok;  /* usually 0 */
    struct affine w_off;      /* of the packed weights */
    unsigned n_segs;
    struct gemm_seg seg[4];
    enum what_kind norm; /* its input is this norm of the stream, made one block ahead; or WHAT_NONE */
};
void emit_gemm(struct lower *l, const struct gemm *g);
/* The same in pieces: all weights of the product stay in L2 meanwhile. */
uint64_t gemm_weight_bytes(const struct lower *l, const struct gemm *g);
/* Host: fetches the weights at off. */
void gemm_fetch(struct lower *l, const struct gemm *g, const struct affine *off);
struct where gemm_begin(struct lower *l, const struct gemm *g);
void gemm_piece(struct lower *l, const struct gemm *g, const struct where *weights);
void gemm_end(struct lower *l);
/* Contraction of a set when weights meet activations. */
uint64_t weight_k_tile(const struct lower *l);
/* Outputs that are not cut apart: whole tiles, and rotary turns pairs. */
uint64_t column_unit(const struct lower *l, enum post post);
/* Outputs that slices of off-chip weights, which begin and end on words, are multiples of; k: contraction. */
uint64_t slice_unit(const struct lower *l, uint64_t k, enum post post);
/* Columns of staged results that will do for each of a layer's products. */
uint64_t stage_unit(const struct lower *l);
/* Bits that activations take: the field that holds work.quant.activations, or the next one whose numbers end
 * on a byte wherever rows are cut. */
uint64_t activation_bits(const struct lower *l);
/* Bits that weights take: what streams into sets is packed densely (arch.streamer.weight_packing), what
 * moves past them lies in fields. */
uint64_t weight_bits(const struct lower *l);
/* Numbers of so many bits that end on a byte. */
static inline uint64_t byte_unit(uint64_t bits)
{
    return 8 / gcd(8, bits);
}
/* Bytes of `parts` matrices of n outputs that take turns by output tile, packed in sets (or rows). */
uint64_t packed_bytes(const struct lower *l, uint64_t n, uint64_t k, uint64_t parts);
/* Bytes of one weight slice that any legal schedule needs. */
uint64_t gemm_min_slice(const struct lower *l, uint64_t k, bool glu);
bool gemm_check(struct lower *l);

/* ---- lower_ret.c ---- */
bool retention_check(struct lower *l);
/* `tokens` of one head, in the given form. Parallel: `before` blocks of keys
 * precede the scope. */
void emit_retention(struct lower *l, enum work_form form, uint64_t tokens);
/* One new token of every sequence against `full` whole key blocks and a part. */
void emit_cached(struct lower *l, const struct affine *full, const struct affine *keys);
uint64_t cache_block(const struct lower *l);
/* State of the finished sequence out of keys and values (parallel, then decode). */
void emit_state_build(struct lower *l, uint64_t tokens);
/* Whether norm and gate ride along, so that no raw rows are written. */
bool retention_fused(const struct lower *l, enum work_form form);
bool cached_fused(const struct lower *l);
/* Tokens that the retention op of the prefill handles at a time. */
uint64_t retention_block(const struct lower *l);
/* Whether slices of value columns are whole tiles of the array. */
bool value_tiles(const struct lower *l);
/* Whether heads are cut in other ways than without l->sliced, or than a l->lean less. */
bool heads_differ(const struct lower *l);
/* Value columns that the state buffer and rows against a cache leave room for. */
uint64_t value_columns(const struct lower *l);
/* Value columns of a state slice that every op of this run can hold. */
uint64_t state_slice(const struct lower *l);

/* ---- lower_pipe.c ---- */
/* Tokens of a piece when heads can be projected and retained piece by piece; 0 otherwise. */
uint64_t pipe_piece(const struct lower *l);
/* Whether what the pieces need lives in L2 as planned. */
bool pipe_fits(const struct lower *l);
/* All heads of the layer at hand. */
void emit_pipe(struct lower *l, uint64_t tokens);
/* The state of the last head leaves L2. */
void pipe_settle(struct lower *l);

/* ---- lower.c, for lower_pipe.c ---- */
void place_cache(struct lower *l, const struct affine *position);
struct gemm projection(struct lower *l, uint64_t tokens);

/* ---- lower_vec.c ---- */
void emit_norm(struct lower *l, uint64_t tokens, const struct affine *first, enum what_kind what);
/* The norm of one block's rows alone; its waits and posts are the caller's. */
void norm_rows(struct lower *l, const struct block *b, enum what_kind what);
void emit_embed(struct lower *l, uint64_t tokens);
/* Norm after a residual addition: into the stream again and, narrow, for the next product. */
void emit_post_norm(struct lower *l, uint64_t tokens, enum what_kind what);
/* The stream, narrow, without a norm. */
void emit_narrow(struct lower *l, uint64_t tokens);
void emit_norm_gate(struct lower *l, uint64_t tokens);

#endif
