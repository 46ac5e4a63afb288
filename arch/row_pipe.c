#include "arch/row_pipe.h"

bool row_pipe_open(const struct row_pipe *p)
{
    return p->in_flight < p->credits && p->full > 0;
}

static uint8_t why_not(const struct row_pipe *p, const struct row_offer *in)
{
    if (!in->left)
        return ROW_NONE_LEFT;
    return p->in_flight >= p->credits ? ROW_NO_CREDIT : p->full == 0 ? ROW_NO_SET : ROW_NOT_OFFERED;
}

static void accept_row(struct row_pipe *p, uint64_t cycle, const struct row_offer *in)
{
    p->row_beats = 0;
    if (++p->row == p->rows_per_set) {
        p->row = 0;
        p->full--;
    }
    if (!in->last)
        return;
    uint32_t end = (p->head + p->in_flight++) % ROW_PIPE_MAX;
    p->due[end] = cycle + p->latency;
    p->tag[end] = in->tag;
}

static void accept_weight(struct row_pipe *p)
{
    if (++p->beats < p->beats_per_set)
        return;
    p->beats = 0;
    p->full++;
}

/* True when the whole output has left. */
static bool send_output(struct row_pipe *p)
{
    if (++p->output_beats < p->beats_per_output)
        return false;
    p->output_beats = 0;
    p->head = (p->head + 1) % ROW_PIPE_MAX;
    p->in_flight--;
    return true;
}

struct row_events row_pipe_cycle(struct row_pipe *p, uint64_t cycle, const struct row_offer *in)
{
    struct row_events ev = {.wait = ROW_TAKEN};
    bool open = row_pipe_open(p), offered = in->left && in->row;
    ev.weight = in->weight && p->full < p->sets;
    bool leaves = p->in_flight && p->due[p->head] <= cycle && in->ready;
    ev.tag = p->tag[p->head];
    /* The beats of a row before its last are collected meanwhile. */
    if (offered && p->row_beats + 1 < p->beats_per_row) {
        p->row_beats++;
        offered = false;
    }
    ev.row = offered && open;
    if (!ev.row)
        ev.wait = why_not(p, in);
    if (ev.weight)
        accept_weight(p);
    if (leaves)
        ev.output = send_output(p);
    if (ev.row)
        accept_row(p, cycle, in);
    return ev;
}
