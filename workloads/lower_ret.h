/* Inside the lowering of retention. */
#ifndef WORKLOADS_LOWER_RET_H
#define WORKLOADS_LOWER_RET_H

#include "workloads/lower_ctx.h"

struct head_plan {
    uint64_t rows;   /* moving rows at a time (parallel, chunkwise) */
    uint64_t dv;     /* value columns at a time */
    uint64_t tokens; /* of a recurrent step command */
    uint64_t words;  /* of a query row: shifts of its scores; 0: one scale for all */
    bool fused;      /* norm and gate ride along */
};

struct ret_op {
    struct head_plan hp;
    enum work_form form;
    uint64_t tokens;
    /* the slice of value columns at hand */
    uint64_t dv;               /* columns */
    struct affine dv0, slice;  /* first column, number */
    bool again;                /* not the first slice: scores are computed once more */
    bool padded; /* a part of a key block: its MACs are not counted as useful */
    struct affine key_blocks, part_keys; /* against a cache: whole key blocks, keys of the part */
    struct tensor *dst; /* y when fused, o otherwise */
};

/* ---- lower_ret.c: a head in pieces, all value columns at once ---- */
struct ret_op retention_begin(struct lower *l, enum work_form form);
/* The next `tokens`; the tensors' outer offsets say where they are. */
void retention_piece(struct lower *l, struct ret_op *r, uint64_t tokens);
void retention_end(struct lower *l, struct ret_op *r);

/* ---- lower_tile.c: what the forms share ---- */

struct inner { /* one tile of queries and keys */
    uint64_t rows, keys;
    struct affine pos, key; /* of the first query and the first key */
    bool causal, first, last;
};

/* Token `tok` of rows that begin at w; the slice of value columns of t's rows. */
struct where where_tok(struct where w, const struct affine *tok, uint64_t pitch);
struct where where_slice(struct lower *l, struct where w, const struct ret_op *r, const struct tensor *t);
typedef void (*slice_fn)(struct lower *l, struct ret_op *r);
void each_slice(struct lower *l, struct ret_op *r, slice_fn fn);
uint64_t slices_of(const struct lower *l, uint64_t dv);
void staged_blocks(struct lower *l, struct ret_op *r, uint64_t rows, struct tensor *const *in, block_fn fn);
struct sweep ret_sweep(struct lower *l, uint64_t rows, uint64_t n, uint64_t k);
struct affine key_position(const struct lower *l, const struct affine *tok);
/* Where the words of `rows` query rows lie in the accumulators, behind sums and scores. */
uint64_t row_words_at(const struct lower *l, const struct ret_op *r, uint64_t rows);
void clear_row_words(struct lower *l, const struct ret_op *r, uint64_t rows); /* lower_ret.c */
/* The bits of each row's largest score join its words; they begin cleared. */
void emit_maxima(struct lower *l, const struct ret_op *r, const struct inner *t, struct where k);
void emit_scores(struct lower *l, const struct ret_op *r, const struct inner *t, struct where k);
void emit_values(struct lower *l, const struct ret_op *r, const struct inner *t, struct where v);
void load_queries(struct lower *l, struct where q, uint64_t rows);
/* The finished rows, that of token `tok` first: norm and gate on the way out, or raw. */
void emit_result(struct lower *l, const struct ret_op *r, struct where out, struct where g, uint64_t rows,
                 const struct affine *tok);
uint8_t out_stage(const struct ret_op *r);
struct where out_place(struct lower *l, struct ret_op *r, const struct block *b);

/* ---- lower_chunk.c ---- */
void chunk_body(struct lower *l, struct ret_op *r);

/* ---- lower_plan.c ---- */

/* Tiles of a form; false when nothing fits. */
bool plan_form(const struct lower *l, enum work_form form, struct head_plan *hp);
/* Tiles of one query row against a cache. */
struct head_plan cached_plan(const struct lower *l);
/* Tokens of a chunk: no more than there are. */
uint64_t chunk_of(const struct lower *l);
/* Accumulators beside a state in the engine. */
uint64_t free_sums(const struct lower *l);

/* ---- lower_state.c: the state of a head and who may touch it ---- */

/* Where the slice at hand lies in the state buffer, and what one takes. */
struct affine state_at(const struct lower *l, const struct ret_op *r);
uint64_t state_slice_bytes(const struct lower *l);
/* The unit that steps states. */
enum unit_id ret_unit(const struct lower *l);
/* Hands the state from one unit to another; the other takes it. */
void state_pass(struct lower *l, enum unit_id from, enum unit_id to);
void state_take(struct lower *l, enum unit_id unit);
/* The state goes from `from` over the load (store) unit to `to`. */
void state_load(struct lower *l, const struct ret_op *r, enum unit_id from, enum unit_id to);
void state_save(struct lower *l, const struct ret_op *r, enum unit_id from, enum unit_id to);
/* Brings the state of a slice in (or clears it) and gives it to `to`. */
void state_begin(struct lower *l, const struct ret_op *r, enum unit_id to);
/* Takes it back from `from`, saving it when somebody needs it later. */
void state_end(struct lower *l, const struct ret_op *r, enum unit_id from);
/* The host's part for the head at hand: brings the state in, moves it out, waits
 * until `n` states have landed. */
void state_fetch(struct lower *l, const struct ret_op *r);
void state_move_out(struct lower *l, const struct ret_op *r);
void state_drain(struct lower *l, uint64_t n);
/* Homes of the state at hand, staged when it lives off-chip. */
void state_open(struct lower *l, const struct ret_op *r);
void state_close(struct lower *l, const struct ret_op *r);

#endif
