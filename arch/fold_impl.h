/* Inside folding: fold.c drives, fold_record.c watches, fold_graph.c keeps. */
#ifndef ARCH_FOLD_IMPL_H
#define ARCH_FOLD_IMPL_H

#include "arch/fold.h"

#include "base/arena.h"

enum { NO_GUARD = UINT32_MAX };

/* One step of a thread: `skip` commands on from the last one. */
struct step {
    uint8_t kind, thread;
    uint16_t skip;
    uint32_t value, value2; /* place behind an END; bank; rows; bank and place in page */
};

/* Credits of a token at the beginning for which the same happens. */
struct token_rule {
    uint16_t token;
    bool passed;          /* somebody found enough */
    uint32_t low, high;
    uint32_t short_of;    /* fewest that somebody found missing */
    uint32_t posts;
    int32_t delta;
};

/* A quantity at the beginning for which the same happens, and what becomes of it. */
struct left_rule {
    uint8_t id;
    bool set;      /* at the end it is `take`, not so much less */
    bool paged;    /* SAME_PAGE holds of it, too */
    bool event;    /* something that it decides happens: it is not only far from its end */
    uint64_t low, over; /* at least `low`, at most so much more */
    uint64_t take;
};
static inline bool left_exact(const struct left_rule *l)
{
    return !l->over;
}

/* What is not the state but has to be as it was: place of a running transfer in its page, the tokens that
 * its end posts; or that the host, waiting for whatever token, does not get it. */
enum same_id { SAME_PAGE, SAME_TOKENS = SAME_PAGE + 2, N_SAME = SAME_TOKENS + 2 };
struct same_rule {
    uint32_t id, value;
};

struct sum {
    uint32_t at; /* in machine.total */
    uint64_t n;
};

struct stream_rule { /* of the open phase of an engine fed by streams */
    uint64_t rows, outputs;
    uint64_t last_row, last_output; /* cycles after the beginning */
};

/* From one boundary to the next. What belongs to it lies behind it, in one piece: first what says whether it
 * fits. */
struct edge {
    struct edge *next; /* of the same node */
    struct node *to;
    uint64_t ticks;
    const struct sum *sums;
    const struct left_rule *left;
    const struct token_rule *tokens;
    const struct step *steps;
    const struct same_rule *same;
    const uint64_t *marks; /* ticks after the beginning */
    const struct stream_rule *stream; /* or NULL */
    uint16_t n_sums, n_left, n_tokens, n_steps, n_same, n_marks;
    /* Bytes of a thread to go back to, should a step turn out not to fit after others moved it. */
    uint16_t undo[N_THREADS];
    uint32_t place[N_THREADS]; /* of a thread that goes on; NO_GUARD: it does not */
    bool plain;       /* steps are at most the next iteration of the loop */
    bool host_sleeps; /* the host, waiting for whatever token, does not get it */
};

struct node {
    uint64_t hash;
    struct edge *edges; /* the likeliest first */
    uint32_t len;
    bool at_end; /* the sequencer is at an END, its next step */
    uint8_t key[];
};

#define POOL(type) struct { type *v; size_t n, cap; }

/* Equal items have the same name, the number of the first. */
struct names {
    POOL(uint8_t) items; /* n: bytes */
    size_t size;         /* of an item */
    uint32_t n;
    uint32_t *table; /* names by hash, NO_NAME: empty */
    size_t table_size;
};
enum { NO_NAME = UINT32_MAX };

/* What was seen of a machine, in terms that hold for any program on it. */
struct graph {
    struct names commands, places;
    struct arena arena;  /* of nodes and edges */
    struct node **table; /* by hash, NULL: empty */
    size_t table_size, n_nodes;
};
#define POOL_ADD(p, count)                                                                   \
    ((p)->n + (count) > (p)->cap                                                             \
         ? (void)((p)->cap = ((p)->n + (count)) * 2,                                         \
                  (p)->v = xrealloc((p)->v, (p)->cap, sizeof *(p)->v)) : (void)0,            \
     (p)->n += (count), &(p)->v[(p)->n - (count)])

/* The state's node, made when new; NULL: no room. */
struct node *graph_node(struct graph *g, const uint8_t *key, size_t len, bool at_end);

enum { MAX_STEPS = 256, MAX_EDGE_MARKS = 32, MAX_EDGE_TRANSFERS = 32, STATE_ROOM = 32768 };

/* What happened since the last boundary. */
struct recording {
    struct node *from;
    bool lost; /* cannot be kept */
    uint64_t since;
    uint64_t total[N_TOTALS], useful, useful_issued;
    uint32_t pc[N_THREADS], first_pc[N_THREADS];
    bool went_on[N_THREADS];
    bool slept;               /* the host looked in vain */
    struct token_rule sleep;  /* what that says, should it have woken later */
    struct step steps[MAX_STEPS + 1]; /* the last takes what is too much */
    unsigned n_steps, n_transfers;
    uint64_t marks[MAX_EDGE_MARKS];
    unsigned n_marks;
    uint64_t seen[(PROG_MAX_TOKENS + 63) / 64];
    uint32_t token[PROG_MAX_TOKENS];
    struct token_rule rule[PROG_MAX_TOKENS];
    struct left_watch left[N_LEFT];
    bool paged[2];       /* of off-chip transfers: where in their pages they are matters */
    struct same_rule same[N_SAME];
    unsigned n_same;
    struct stream_layer stream;
};

struct snapshot { /* of a loop level, for periods */
    bool valid;
    const struct node *node;
    struct thread thread[N_THREADS]; /* but for `part` */
    uint32_t token[PROG_MAX_TOKENS];
    uint64_t time, clock;
    uint64_t total[N_TOTALS];
    uint64_t left[N_LEFT], page_at[2];
    uint32_t tokens[2]; /* of running transfers */
    size_t marks;
    uint64_t layer_pending;
    struct stream_layer stream; /* rows 0: not a phase that can be multiplied */
};

struct mark { /* a layer that is over */
    uint64_t layer, ticks;
};

struct fold {
    struct graph *graph;
    bool shared; /* the graph outlives the machine */
    struct event event;
    bool at_end;      /* the sequencer waits at an END for this cycle's boundary */
    bool check;
    const struct edge *foretold; /* or NULL */
    struct node *node;           /* NULL: unknown */
    unsigned n_totals;
    uint8_t *dynamic[N_THREADS]; /* by pc: what of a command depends on loop indices */
    uint32_t *command[N_THREADS], *place[N_THREADS]; /* names, by pc */
    uint32_t *command_pc; /* by name: an accel command of this program */
    struct command_name *queued; /* by pc of an accel command */
    uint64_t *modulus[N_THREADS]; /* by pc of a REPEAT; 0: never multiply */
    int64_t *layer_step;          /* by pc of an accel REPEAT: layers an iteration advances marks by */
    struct recording rec;
    uint64_t *left[N_LEFT];  /* the quantities */
    uint64_t ahead[N_UNITS]; /* ticks until a unit is done, when it is far */
    struct snapshot snap[PROG_MAX_DEPTH];
    uint64_t seen[PROG_MAX_DEPTH]; /* boundaries since the loop was entered */
    /* for periods: when something last happened, in boundaries */
    uint64_t clock;
    uint64_t passed_at[PROG_MAX_TOKENS];
    uint32_t short_of[PROG_MAX_TOKENS];
    uint64_t short_at[PROG_MAX_TOKENS];
    uint64_t left_events[N_LEFT];
    POOL(struct mark) done;
    uint8_t state[STATE_ROOM];
};
enum { DYNAMIC_BANK = 1, DYNAMIC_ROWS = 2, DYNAMIC_USEFUL = 4 };

/* Place in its page of what the channel's running transfer moves next. */
uint64_t fold_page_at(const struct machine *m, unsigned channel);
uint32_t fold_head_tokens(const struct machine *m, unsigned channel);

/* ---- fold_names.c ---- */
void fold_names(struct machine *m);
void names_finish(struct names *s);

/* ---- fold_record.c ---- */
void record_init(struct machine *m);
void record_open(struct machine *m);
/* Keeps what was recorded as an edge to `to`; it, or NULL. */
const struct edge *record_close(struct machine *m, struct node *to);
/* Books the tokens and transfers of what happened for the search of periods. */
void fold_book(struct machine *m, const struct token_rule *t, unsigned n, const struct left_rule *l,
               unsigned n_left);

/* ---- fold_walk.c ---- */
/* Follows an edge from where the machine stands; false when none is known. */
bool walk_edge(struct machine *m);
/* The edge that would be followed, or NULL. */
const struct edge *walk_find(struct machine *m);

/* ---- fold_period.c ---- */
/* At the end of an iteration: multiplies whole periods out; true when it did. */
bool fold_periods(struct machine *m);
void period_init(struct machine *m);

#endif
