/* An engine whose rows, weights, biases and outputs share one port of a memory, cycle by cycle: the second
 * account of jobs behind a port. Every queue between the memory and the engine is here as a count, and all
 * that is decided in a cycle is decided from the counts before it.
 *
 * A stream makes an address a cycle into its address queue; an address becomes a request when the engine's
 * side of the stream has room; the port grants one request a cycle; the answer comes in the cycle after, to
 * the answer queue, and moves on when the engine's side has room. Writes take the same way with their data,
 * and are answered too.
 *
 * Measured are 16 units of 64 on a port of 128 bytes, with queues of 2, 2 and 8: all jobs of those runs come
 * out to the cycle (docs/accuracy.md). Of other sizes nothing was measured. The rules are taken to be the
 * same there, and where they could be read in two ways, it says so below. */
#include "tests/tiles_twin.h"

#include <stdlib.h>
#include <string.h>

/* Measured on the RTL of ITA: facts of its engine, of its wrapper, and 3 cycles from trigger to start. */
const struct tiles_port tiles_port_measured = {
    .units = 16, .length = 64, .latency = 11, .credits = 12, .sets = 2, .port_bytes = 128, .bias_bits = 24,
    .addresses = 2, .requests = 2, .beats = 8, .to_start = 3, .restart = 3, .stall = {.text = "none"}};

enum { MOST_SETS = 8, WAYS = 512 };

struct stream {
    enum { IDLE, WORKS, ENDS } state;
    uint64_t beats, made, moved; /* of this run: all, addresses made, beats that came or went */
    bool offers;                 /* an address, in front of the queue */
    uint64_t addresses, requests, answers; /* in the queues */
    bool answered;                         /* granted in the cycle before */
};

/* Round robin: the turn goes on with each grant; who was chosen and not granted stays chosen. */
struct arbiter {
    unsigned turn, chosen;
    bool any, granted; /* in the cycle before */
};

/* Rows and biases go to the engine in pairs; one of them may be held for the other, and is then off its queue
 * when the engine would have taken it. (On the RTL a beat that was held and not taken comes twice. Nobody
 * measured what a correct one does; here it leaves its queue with its partner.) */
struct half {
    bool offered, held, taken;
};

struct engine {
    bool busy;                               /* inside a step */
    uint64_t input, weight, output;          /* beats in the queues between streams and engine */
    uint64_t input_row, output_row, row;     /* of the beat in front, of the one in the making, of the step */
    uint64_t bias_beats, bias_row;           /* that came; rows that had theirs */
    bool bias_there, bias_read;              /* all of them came; and were read out */
    struct half half[2];                     /* rows, biases */
    bool full[MOST_SETS];
    uint64_t writing, reading, set_beats, set_rows; /* sets, and how far they are */
    uint64_t under_way, oldest, newest, ready[WAYS]; /* rows whose outputs are to leave */
};

struct wrapper {
    const struct tiles_port *p;
    struct tiles_step *step;
    struct stream stream[TILES_STREAMS];
    struct arbiter arbiter;
    struct engine e;
    /* Of a job: waits for its start; streams weights; streams the first set of the next job, or has none
     * to stream. */
    enum { WAITS, OWN_WEIGHTS, LAST_WEIGHTS } state;
    bool weights_start; /* in this cycle */
    uint64_t weights;   /* beats of that run */
    bool first, next;   /* the first job loads its first set; the last one none for another */
};

/* Columns that a set covers; the last group may be narrower, and takes as long. */
static uint64_t groups(const struct tiles_port *p)
{
    return (p->length + p->units - 1) / p->units;
}

static uint64_t rows_of_step(const struct tiles_port *p)
{
    return p->length * groups(p);
}

static uint64_t rows_of_beat(const struct tiles_port *p)
{
    return p->port_bytes / p->length;
}

static uint64_t beats_of_set(const struct tiles_port *p)
{
    return p->units * p->length / p->port_bytes;
}

/* Measured: beats of 96 bytes on a port of 128, the biases of 2 column groups of 16. So a beat has whole
 * groups; a group that does not fit takes as many beats as it needs. */
static uint64_t beats_of_bias(const struct tiles_port *p)
{
    uint64_t bits = p->units * p->bias_bits, port = 8 * p->port_bytes, n = groups(p);
    return bits > port ? n * ((bits + port - 1) / port) : (n + port / bits - 1) / (port / bits);
}

/* ---- what happens in a cycle ---- */

struct cycle {
    uint64_t now;
    bool start, over;               /* of the job */
    bool starts[TILES_STREAMS];
    bool room[TILES_STREAMS];       /* on the engine's side; outputs: a beat is there */
    bool moves[TILES_STREAMS];      /* an address becomes a request */
    bool arrives[TILES_STREAMS];    /* an answer leaves its queue */
    unsigned chosen;
    bool any, grant;
    bool pair, pops[2];             /* row and bias are there; they leave their queues */
    bool row, leaves, weight;       /* a row is taken, an output handed over, a beat of weights taken */
};

static void decide_streams(const struct wrapper *w, struct cycle *c)
{
    const struct tiles_port *p = w->p;
    c->room[TILES_INPUT] = w->e.input < p->beats;
    c->room[TILES_WEIGHT] = w->e.weight < p->beats;
    c->room[TILES_BIAS] = !w->e.bias_there;
    c->room[TILES_OUTPUT] = w->e.output > 0;
    for (unsigned i = 0; i < TILES_STREAMS; i++) {
        const struct stream *s = &w->stream[i];
        c->moves[i] = s->state != IDLE && s->addresses && c->room[i] && s->requests < p->requests;
        c->arrives[i] = s->answers && (i == TILES_OUTPUT || c->room[i]);
    }
}

/* No request is made whose answer might find the queue full. (With 2 places, as measured, one answer is there
 * then; with more, all places but one are taken.) */
static bool asks(const struct wrapper *w, const struct cycle *c, unsigned i)
{
    const struct stream *s = &w->stream[i];
    bool stuck = i != TILES_OUTPUT && !c->room[i];
    return s->requests && s->answers < w->p->requests &&
           !(s->answers == w->p->requests - 1 && s->answered && stuck);
}

static void decide_grant(const struct wrapper *w, struct cycle *c)
{
    const struct arbiter *a = &w->arbiter;
    c->chosen = a->chosen;
    if (a->granted || !a->any) {
        c->chosen = a->turn;
        for (unsigned k = TILES_STREAMS; k-- > 0;)
            if (asks(w, c, (a->turn + k) % TILES_STREAMS))
                c->chosen = (a->turn + k) % TILES_STREAMS;
    }
    for (unsigned i = 0; i < TILES_STREAMS; i++)
        c->any |= asks(w, c, i);
    c->grant = asks(w, c, c->chosen) && tiles_pattern_up(&w->p->stall, c->now, 0);
}

static void decide_engine(struct wrapper *w, struct cycle *c)
{
    struct engine *e = &w->e;
    struct half *h = e->half;
    bool open = e->full[e->reading] && e->under_way < w->p->credits;
    h[0].offered = e->input;
    h[1].offered = !w->step->phase->bias || (e->bias_there && e->bias_read);
    c->pair = (h[0].offered || h[0].held) && (h[1].offered || h[1].held);
    for (unsigned i = 0; i < 2; i++)
        c->pops[i] = open && (h[i].held ? c->pair && !h[i].taken : h[i].offered);
    c->row = c->pair && open;
    c->leaves = e->oldest < e->newest && e->ready[e->oldest % WAYS] <= c->now && e->output < w->p->beats;
    c->weight = e->weight && !e->full[e->writing];
}

static bool idle(const struct wrapper *w, unsigned i)
{
    return w->stream[i].state == IDLE;
}

static bool no_requests(const struct wrapper *w, unsigned i)
{
    return !w->stream[i].requests && !w->stream[i].answers;
}

/* A stream of reads is done when all its beats came; one of writes when all of them went to the requests. */
static bool ends(const struct wrapper *w, unsigned i)
{
    const struct stream *s = &w->stream[i];
    return s->state == ENDS && s->moved == s->beats && (i == TILES_OUTPUT || !s->addresses);
}

static void decide_job(const struct wrapper *w, struct cycle *c)
{
    c->start = w->state == WAITS && c->now == w->step->start;
    c->starts[TILES_INPUT] = c->start;
    c->starts[TILES_WEIGHT] = w->weights_start;
    c->starts[TILES_BIAS] = c->start && w->step->phase->bias;
    c->starts[TILES_OUTPUT] = c->start && w->step->last;
    if (w->state != LAST_WEIGHTS || !idle(w, TILES_WEIGHT))
        return;
    if (w->step->last)
        c->over = idle(w, TILES_OUTPUT) && no_requests(w, TILES_WEIGHT) && no_requests(w, TILES_OUTPUT);
    else
        c->over = idle(w, TILES_INPUT) && idle(w, TILES_BIAS) && !w->e.busy;
}

/* ---- what follows from it ---- */

static void step_job(struct wrapper *w, const struct cycle *c)
{
    const struct tiles_port *p = w->p;
    uint64_t set = beats_of_set(p), sets = groups(p);
    bool loaded = w->state == OWN_WEIGHTS && ends(w, TILES_WEIGHT);
    w->weights_start = c->start || loaded;
    if (c->start) {
        w->weights = set * (w->first ? sets : sets - 1);
        w->state = w->next ? OWN_WEIGHTS : LAST_WEIGHTS;
    } else if (loaded) {
        w->weights = set;
        w->state = LAST_WEIGHTS;
    }
}

static void step_stream(struct wrapper *w, const struct cycle *c, unsigned i, uint64_t beats)
{
    struct stream *s = &w->stream[i];
    bool over = ends(w, i), room = s->addresses < w->p->addresses;
    bool grant = c->grant && c->chosen == i;
    if (c->starts[i])
        s->beats = beats;
    bool all = room && s->made == s->beats;
    s->addresses += (s->offers && room) - c->moves[i];
    if (room && (s->state != IDLE || c->starts[i])) {
        s->offers = s->made < s->beats;
        s->made += s->offers;
    }
    s->moved += i == TILES_OUTPUT ? c->moves[i] : c->arrives[i];
    s->requests += c->moves[i] - (uint64_t)grant;
    s->answers += s->answered - (uint64_t)c->arrives[i];
    s->answered = grant;
    w->step->beats[i] += grant;
    if (over) {
        s->state = IDLE;
        s->made = s->moved = 0;
    } else if (s->state == IDLE && c->starts[i])
        s->state = WORKS;
    else if (s->state == WORKS && all)
        s->state = ENDS;
}

/* Beats between streams and engine. */
static void step_queues(struct wrapper *w, const struct cycle *c)
{
    struct engine *e = &w->e;
    uint64_t rows = rows_of_beat(w->p);
    e->input += c->arrives[TILES_INPUT];
    e->weight += c->arrives[TILES_WEIGHT] - (uint64_t)c->weight;
    e->output -= c->moves[TILES_OUTPUT];
    if (c->pops[0] && ++e->input_row == rows) {
        e->input_row = 0;
        e->input--;
    }
    if (c->leaves && ++e->output_row == rows) {
        e->output_row = 0;
        e->output++;
    }
    e->bias_read = e->bias_there;
    /* Biases stay for the whole step. */
    if (c->pops[1] && w->step->phase->bias && ++e->bias_row == rows_of_step(w->p)) {
        e->bias_row = 0;
        e->bias_there = false;
    }
    e->bias_beats += c->arrives[TILES_BIAS];
    if (e->bias_beats == beats_of_bias(w->p)) {
        e->bias_beats = 0;
        e->bias_there = true;
    }
}

static void step_sets(struct wrapper *w, const struct cycle *c)
{
    struct engine *e = &w->e;
    if (c->weight && ++e->set_beats == beats_of_set(w->p)) {
        e->set_beats = 0;
        e->full[e->writing] = true;
        e->writing = (e->writing + 1) % w->p->sets;
    }
    if (c->row && ++e->set_rows == w->p->length) {
        e->set_rows = 0;
        e->full[e->reading] = false;
        e->reading = (e->reading + 1) % w->p->sets;
    }
}

static void step_rows(struct wrapper *w, const struct cycle *c)
{
    struct engine *e = &w->e;
    struct tiles_step *step = w->step;
    e->busy |= c->start;
    if (c->leaves) {
        step->first_out = e->oldest == 0 ? c->now : step->first_out;
        step->last_out = c->now;
        e->oldest++;
        e->under_way--;
    }
    if (c->row) {
        step->first_row = e->row == 0 ? c->now : step->first_row;
        step->last_row = c->now;
        e->busy = ++e->row < rows_of_step(w->p);
        if (step->last) {
            e->ready[e->newest++ % WAYS] = c->now + w->p->latency;
            e->under_way++;
        }
    }
    if (e->row == rows_of_step(w->p))
        e->row = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct half *h = &e->half[i];
        h->taken = !c->pair && (h->taken || c->pops[i]);
        h->held = !c->pair && (h->held || h->offered);
    }
}

static void run_step(struct wrapper *w, uint64_t *now)
{
    bool over = false;
    for (w->e.oldest = w->e.newest = 0; !over; ++*now) {
        struct cycle c = {.now = *now};
        uint64_t rows = rows_of_step(w->p), beats[TILES_STREAMS];
        decide_streams(w, &c);
        decide_grant(w, &c);
        decide_engine(w, &c);
        decide_job(w, &c);
        step_job(w, &c);
        beats[TILES_INPUT] = beats[TILES_OUTPUT] = rows / rows_of_beat(w->p);
        beats[TILES_BIAS] = beats_of_bias(w->p);
        beats[TILES_WEIGHT] = w->weights;
        for (unsigned i = 0; i < TILES_STREAMS; i++)
            step_stream(w, &c, i, beats[i]);
        w->arbiter.turn = (w->arbiter.turn + c.grant) % TILES_STREAMS;
        w->arbiter.chosen = c.chosen;
        w->arbiter.granted = c.grant;
        w->arbiter.any = c.any;
        step_queues(w, &c);
        step_sets(w, &c);
        step_rows(w, &c);
        over = c.over;
    }
    /* The end of a job clears streams and arbiter, not what is between streams and engine. */
    memset(w->stream, 0, sizeof w->stream);
    memset(&w->arbiter, 0, sizeof w->arbiter);
    memset(w->e.half, 0, sizeof w->e.half);
    w->state = WAITS;
    w->step->done = *now; /* the event, a cycle after the end was seen */
}

void tiles_port_run(const struct tiles_port *p, bool queued, struct tiles_step *step, size_t n)
{
    struct wrapper w = {.p = p};
    uint64_t now = 0;
    for (size_t i = 0; i < n; i++) {
        /* A job that is not committed ahead is triggered in the cycle after the event. */
        uint64_t seen = i ? step[i - 1].done : 0;
        step[i].start = i == 0 ? p->to_start : queued ? seen - 1 + p->restart : seen + 1 + p->to_start;
        w.step = &step[i];
        w.first = i == 0;
        w.next = i + 1 < n;
        run_step(&w, &now);
    }
}

struct tiles_step *tiles_port_steps(const struct tiles_job *j, size_t *n)
{
    struct tiles_step *step = NULL;
    *n = 0;
    for (unsigned i = 0; i < j->n; i++)
        *n += j->phase[i].outputs * j->phase[i].inner;
    step = calloc(*n, sizeof *step);
    for (size_t i = 0, k = 0; i < j->n; i++)
        for (uint64_t s = 0; s < j->phase[i].outputs * j->phase[i].inner; s++, k++)
            step[k] = (struct tiles_step){.phase = &j->phase[i],
                                          .last = s % j->phase[i].inner == j->phase[i].inner - 1};
    return step;
}
