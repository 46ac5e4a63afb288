/* Streams behind one memory port: rows, weights, biases and outputs of a tile
 * step, which is a job. Each stream has an address generator with a FIFO, a
 * FIFO of requests and one of responses in front of the port, and buffers on
 * the engine's side; the port serves one request a cycle, round robin.
 *
 * The rules are those of the RTL (hci_core_source, hci_core_sink, hci_core_fifo,
 * hci_core_mux_ooo, hwpe_stream_fence, the wrapper's buffers and its control),
 * cycle by cycle:
 *   the turn advances with every grant, whoever gets it, and a request that was
 *   not granted keeps the port until it is;
 *   a request is not made when its response might find no room;
 *   rows and biases meet in a fence, which may take a beat ahead of its partner;
 *   the weights of a job are fetched in one go, then the first set of the next
 *   job; a job that stores nothing is over when its last row was accepted, any
 *   other when its last write was granted. */
#include "arch/result.h"
#include "arch/streams.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

enum lane_id { LANE_INPUT, LANE_WEIGHT, LANE_BIAS, LANE_OUTPUT, N_LANES };
enum lane_state { LANE_IDLE, LANE_WORKING, LANE_DRAINING };
enum job_state { JOB_WAITING, JOB_LOADING, JOB_DRAINING };
enum { NOBODY = N_LANES };

struct lane {
    uint8_t state;
    bool valid, reply;           /* an address is offered; a response arrives in this cycle */
    uint32_t total, generated, moved; /* beats of the transfer */
    uint32_t addresses, requests, replies; /* in the FIFOs */
};

struct port {
    /* constants */
    uint32_t address_fifo, request_fifo, data_fifo, rows_per_beat;
    uint32_t groups_per_bias_beat, bias_beats_per_group; /* one of them is 1 */
    bool ahead;                  /* jobs are committed ahead */
    uint64_t trigger_to_start, restart;
    struct stall stall;
    /* port */
    struct lane lane[N_LANES];
    uint8_t turn, keeps;         /* keeps: who asked in vain, NOBODY */
    /* buffers: beats, rows taken of (or put in) the beat at the front */
    uint32_t in_beats, in_rows, weight_beats, out_beats, out_rows;
    uint32_t bias_beats, bias_rows;
    bool bias_open, bias_valid;  /* all there; readable */
    bool caught[2], taken[2];    /* fence: rows, biases; taken off the buffer already */
    /* job */
    uint8_t state;               /* enum job_state */
    bool armed, loaded;          /* the engine was started; weights of a job are or will be there */
    bool fetch;                  /* the weight stream starts in this cycle */
    uint32_t fetch_beats, rows;  /* rows: of the job */
    uint64_t start_at, last_done;
    unsigned counter;
};

struct port *port_create(const struct machine *m)
{
    const struct streams_cfg *c = m->streams_cfg;
    const struct engine_cfg *e = m->engine;
    struct port *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->address_fifo = (uint32_t)c->address_fifo;
    p->request_fifo = (uint32_t)c->request_fifo;
    p->data_fifo = (uint32_t)c->data_fifo;
    p->rows_per_beat = (uint32_t)(m->memory_cfg->port_bytes / e->length);
    uint64_t beat = m->memory_cfg->port_bytes * 8, group = e->units * c->bias_bits; /* bits */
    p->groups_per_bias_beat = (uint32_t)max64(beat / group, 1);
    p->bias_beats_per_group = (uint32_t)div_up(group, beat);
    p->ahead = m->host_cfg->dispatch == DISPATCH_QUEUED && m->regfile_cfg->contexts > 1;
    p->trigger_to_start = m->regfile_cfg->trigger_to_start_cycles;
    p->restart = m->regfile_cfg->restart_cycles;
    p->stall = m->memory_cfg->pattern;
    p->keeps = NOBODY;
    return p;
}

void port_destroy(struct port *p)
{
    free(p);
}

/* The event comes a cycle after the job is over, the host sees it in the next. */
void port_job(struct machine *m, const struct cmd *c)
{
    struct port *p = m->streams->port;
    p->rows = c->rows;
    host_job(m);
    if (!p->last_done)
        p->start_at = p->trigger_to_start;
    else if (p->ahead)
        p->start_at = p->last_done - 1 + p->restart;
    else
        p->start_at = p->last_done + 1 + p->trigger_to_start;
}

/* ---- one cycle: what is decided from the state at its beginning ---- */

struct moment {
    uint64_t cycle;
    bool starts, over;       /* the job */
    bool ready[N_LANES];     /* the buffer behind a stream takes a beat */
    bool store;              /* the output stream makes a request */
    uint8_t winner;          /* of the port; NOBODY */
    bool asked;              /* somebody asked for the port */
    bool popped[2];          /* rows, biases off their buffers */
};

static bool asks(const struct port *p, const struct moment *t, unsigned k)
{
    const struct lane *l = &p->lane[k];
    bool tight = l->replies + 1 == p->request_fifo && l->reply && !t->ready[k];
    return l->requests && l->replies < p->request_fifo && !tight;
}

static void arbitrate(struct port *p, struct moment *t)
{
    uint8_t who = NOBODY;
    for (unsigned i = N_LANES; i-- > 0;)
        if (asks(p, t, (p->turn + i) % N_LANES))
            who = (uint8_t)((p->turn + i) % N_LANES);
    if (p->keeps != NOBODY && asks(p, t, p->keeps))
        who = p->keeps;
    t->asked = who != NOBODY;
    bool granted = t->asked && !stall_low(&p->stall, t->cycle, 0);
    t->winner = granted ? who : NOBODY;
    p->keeps = t->asked && !granted ? who : NOBODY;
    p->turn = (uint8_t)((p->turn + granted) % N_LANES);
}

static bool weights_moved(const struct port *p)
{
    const struct lane *l = &p->lane[LANE_WEIGHT];
    return l->state == LANE_DRAINING && !l->addresses && l->moved == l->total;
}

static bool job_over(const struct machine *m)
{
    const struct port *p = m->streams->port;
    const struct lane *l = p->lane;
    if (p->state != JOB_DRAINING || l[LANE_WEIGHT].state != LANE_IDLE)
        return false;
    if (!m->streams->cmd->last)
        return !m->streams->rows_left && l[LANE_INPUT].state == LANE_IDLE && l[LANE_BIAS].state == LANE_IDLE;
    return l[LANE_OUTPUT].state == LANE_IDLE && !l[LANE_OUTPUT].requests && !l[LANE_OUTPUT].replies &&
           !l[LANE_WEIGHT].requests && !l[LANE_WEIGHT].replies;
}

/* Rows and biases leave their buffers together, or one waits in the fence for
 * the other. (The RTL's fence delivers a beat twice that it caught while the
 * engine was not ready; that error is not modelled.) */
static bool fence(const struct machine *m, struct port *p, struct moment *t)
{
    const struct streams *s = m->streams;
    bool no_bias = s->cmd && !s->cmd->bias;
    const bool there[2] = {p->in_beats > 0, no_bias || (p->bias_open && p->bias_valid)};
    bool open = p->armed && row_pipe_open(&s->pipe);
    bool both = (there[0] || p->caught[0]) && (there[1] || p->caught[1]);
    for (unsigned k = 0; k < 2; k++) {
        bool direct = there[k] && !p->caught[k];
        t->popped[k] = open && (direct || (both && p->caught[k] && !p->taken[k]));
        bool keep = p->caught[k] && p->taken[k] && !open;
        p->taken[k] = both ? keep : p->caught[k] ? p->taken[k] || t->popped[k] : t->popped[k];
        p->caught[k] = both ? keep : p->caught[k] || there[k];
    }
    return both && p->armed;
}

/* ---- what follows ---- */

static void lane_cycle(const struct port *p, struct lane *l, unsigned k, const struct moment *t, bool start,
                       uint32_t total)
{
    bool reads = k != LANE_OUTPUT, exhausted = false, taken = l->replies && t->ready[k];
    bool room = l->addresses < p->address_fifo;
    bool request = l->state != LANE_IDLE && l->addresses && t->ready[k] && l->requests < p->request_fifo;
    bool at_end = l->state == LANE_DRAINING && l->moved == l->total && (!reads || !l->addresses);
    if (!reads)
        request = t->store;
    bool address = l->valid && room;
    if (start)
        l->total = total;
    if (room && (start || l->state != LANE_IDLE)) {
        l->valid = l->generated < l->total;
        exhausted = !l->valid;
        l->generated += l->valid;
    }
    if (l->state == LANE_IDLE)
        l->state = start ? LANE_WORKING : LANE_IDLE;
    else if (l->state == LANE_WORKING)
        l->state = exhausted ? LANE_DRAINING : LANE_WORKING;
    l->moved += reads ? taken : request;
    l->replies += l->reply - (uint32_t)taken;
    l->requests += request - (uint32_t)(t->winner == k);
    l->addresses += address - (uint32_t)request;
    l->reply = t->winner == k;
    if (at_end) {
        l->state = LANE_IDLE;
        l->valid = false;
        l->generated = l->moved = 0;
    }
}

static void lanes_cycle(struct machine *m, const struct moment *t)
{
    struct port *p = m->streams->port;
    const struct cmd *c = m->streams->cmd;
    uint32_t beats = (uint32_t)div_up(p->rows, p->rows_per_beat);
    uint32_t groups = (uint32_t)div_up(p->rows, m->streams->pipe.rows_per_set);
    uint32_t bias = (uint32_t)div_up(groups, p->groups_per_bias_beat) * p->bias_beats_per_group;
    bool arrived[N_LANES];
    for (unsigned k = 0; k < N_LANES; k++)
        arrived[k] = p->lane[k].replies && t->ready[k];
    lane_cycle(p, &p->lane[LANE_INPUT], LANE_INPUT, t, t->starts, beats);
    lane_cycle(p, &p->lane[LANE_WEIGHT], LANE_WEIGHT, t, p->fetch, p->fetch_beats);
    lane_cycle(p, &p->lane[LANE_BIAS], LANE_BIAS, t, t->starts && c->bias, bias);
    lane_cycle(p, &p->lane[LANE_OUTPUT], LANE_OUTPUT, t, t->starts && c->last, beats);
    p->in_beats += arrived[LANE_INPUT];
    p->weight_beats += arrived[LANE_WEIGHT];
    p->bias_beats += arrived[LANE_BIAS];
    /* Biases can be read from the second cycle after the last of them came. */
    p->bias_valid = p->bias_open;
    if (!p->bias_open && p->bias_beats && p->bias_beats == bias) {
        p->bias_open = true;
        p->bias_beats = p->bias_rows = 0;
    }
}

static void buffers_cycle(struct port *p, const struct moment *t, const struct row_events *ev)
{
    if (t->popped[0] && ++p->in_rows == p->rows_per_beat) {
        p->in_rows = 0;
        p->in_beats--;
    }
    if (t->popped[1] && p->bias_valid && ++p->bias_rows == p->rows)
        p->bias_open = p->bias_valid = false;
    p->weight_beats -= ev->weight;
    p->out_beats -= t->store;
    if (ev->output && ++p->out_rows == p->rows_per_beat) {
        p->out_rows = 0;
        p->out_beats++;
    }
}

static bool another_job(const struct machine *m)
{
    const struct hw_unit *u = &m->unit[UNIT_ENGINE];
    for (unsigned i = 1; i < u->n; i++)
        if (u->q[(u->head + i) % QUEUE_MAX].c->op == OP_MM)
            return true;
    return !m->thread[THREAD_ACCEL].halted;
}

/* Weights are fetched from the cycle after the start; the first set is there
 * already when a job before has fetched it. */
static void control(struct machine *m, const struct moment *t, bool moved)
{
    struct port *p = m->streams->port;
    const struct row_pipe *pipe = &m->streams->pipe;
    uint32_t sets = (uint32_t)div_up(p->rows, pipe->rows_per_set);
    p->fetch = false;
    if (t->starts) {
        p->state = JOB_LOADING;
        p->armed = p->fetch = true;
        p->fetch_beats = (sets - p->loaded) * pipe->beats_per_set;
        p->loaded = false;
    } else if (p->state == JOB_LOADING && moved) {
        p->state = JOB_DRAINING;
        p->loaded = p->fetch = another_job(m);
        p->fetch_beats = pipe->beats_per_set;
    }
}

static void job_done(struct machine *m, uint64_t cycle)
{
    struct streams *s = m->streams;
    struct port *p = s->port;
    s->layers[s->n - 1].cycles = cycle + 1 - p->last_done;
    p->last_done = cycle + 1;
    p->state = JOB_WAITING;
    memset(p->lane, 0, sizeof p->lane);
    memset(p->caught, 0, sizeof p->caught);
    p->turn = 0;
    p->keeps = NOBODY;
    s->cmd = NULL;
    unit_complete(m, UNIT_ENGINE, 0);
}

static enum cause cause_of(const struct port *p, const struct moment *t, const struct row_events *ev)
{
    static const uint8_t causes[] = {[ROW_TAKEN] = CAUSE_ENGINE, [ROW_NO_CREDIT] = CAUSE_BUFFER_WAIT,
        [ROW_NO_SET] = CAUSE_WEIGHT_WAIT, [ROW_NOT_OFFERED] = CAUSE_OPERAND_WAIT,
        [ROW_NONE_LEFT] = CAUSE_FILL_DRAIN};
    if (p->state == JOB_WAITING)
        return CAUSE_HOST;
    bool starved = ev->wait == ROW_NO_SET || ev->wait == ROW_NOT_OFFERED;
    if (starved && t->asked && t->winner == NOBODY)
        return CAUSE_TCDM_CONFLICT;
    return causes[ev->wait];
}

enum cause port_cycle(struct machine *m)
{
    struct streams *s = m->streams;
    struct port *p = s->port;
    const struct lane *out = &p->lane[LANE_OUTPUT];
    struct moment t = {.cycle = streams_cycle(m), .ready = {p->in_beats < p->data_fifo,
                       p->weight_beats < p->data_fifo, !p->bias_open, true}};
    t.starts = s->cmd && p->state == JOB_WAITING && t.cycle >= p->start_at;
    t.over = s->cmd && job_over(m);
    t.store = out->state != LANE_IDLE && p->out_beats && out->addresses && out->requests < p->request_fifo;
    arbitrate(p, &t);
    bool moved = weights_moved(p);
    struct row_offer in = {.left = s->cmd && s->rows_left, .last = s->cmd && s->cmd->last,
                           .weight = p->weight_beats > 0, .ready = p->out_beats < p->data_fifo,
                           .tag = (uint32_t)s->n - 1};
    in.row = fence(m, p, &t);
    struct row_events ev = row_pipe_cycle(&s->pipe, t.cycle, &in);
    streams_record(m, &ev);
    if (t.winner != NOBODY)
        m->counter[p->counter + t.winner]++;
    buffers_cycle(p, &t, &ev);
    lanes_cycle(m, &t);
    control(m, &t, moved);
    enum cause cause = cause_of(p, &t, &ev);
    if (ev.row)
        streams_row(m);
    if (t.over)
        job_done(m, t.cycle);
    return cause;
}

/* ---- counters, cost ---- */

void port_counters(struct machine *m)
{
    static const char *const names[N_LANES] = {"input_beat", "weight_beat", "bias_beat", "output_beat"};
    m->streams->port->counter = counter_add(m, "streams", names[0], "beat");
    for (unsigned i = 1; i < N_LANES; i++)
        counter_add(m, "streams", names[i], "beat");
}

/* Words of the buffers and FIFOs; each beat is written twice on its way. */
void port_cost(const struct machine *m, struct cost_sink *sink)
{
    const struct port *p = m->streams->port;
    uint64_t word = m->memory_cfg->port_bytes / 4, beats = 0;
    uint64_t fifos = 3 * (uint64_t)p->data_fifo + 2 * N_LANES * (uint64_t)p->request_fifo;
    for (unsigned k = 0; k < N_LANES; k++)
        beats += m->counter[p->counter + k];
    struct cost_item *it = cost_add(sink, "streams", "regs", fifos * word);
    cost_param(it, "bits", 32);
    cost_count(it, "write", 2 * beats * word);
}
