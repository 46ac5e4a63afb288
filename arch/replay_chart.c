#include "arch/replay_engine.h"

#include <inttypes.h>
#include <stdio.h>

enum { LABEL_WIDTH = 8, RULE = 10, MAX_CYCLES_A_LINE = 1000 };

char replay_bank_symbol(unsigned bank)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    return bank < sizeof digits - 1 ? digits[bank] : '+';
}

void replay_chart_mark(struct replay_chart *chart, unsigned row, uint64_t cycle, char symbol)
{
    if (cycle >= chart->end)
        chart->end = cycle + 1;
    chart->used[row] = true;
    if (cycle < CHART_MAX_CYCLES)
        chart->cell[row][cycle] = symbol;
}

static void draw_ruler(uint64_t from, uint64_t to, struct text *out)
{
    text_printf(out, "%-*s", LABEL_WIDTH, "cycle");
    for (uint64_t c = from; c < to; c += RULE)
        text_printf(out, c + RULE < to ? "%-10" PRIu64 : "%" PRIu64 "\n", c);
}

static void draw_row(const struct replay_chart *chart, const struct replay_trace *t, unsigned row,
                     uint64_t from, uint64_t to, struct text *out)
{
    char label[24], line[MAX_CYCLES_A_LINE + 1];

    if (row < t->n_masters)
        snprintf(label, sizeof label, "m%u", row);
    else
        snprintf(label, sizeof label, "%s", row == t->n_masters ? "source" : "sink");
    for (uint64_t c = from; c < to; c++)
        line[c - from] = chart->cell[row][c] ? chart->cell[row][c] : '.';
    line[to - from] = '\0';
    text_printf(out, "%-*s%s\n", LABEL_WIDTH, label, line);
}

static const char *legend(const struct replay_trace *t)
{
    switch (t->dut) {
    case REPLAY_SOC:
        return "0-9a-z bank granted, P Q private banks, R ROM, A peripheral,\n"
               "H HWPE registers, E N X errors, - waits, . no request";
    case REPLAY_HCI:
        return "0-9a-z bank granted, + bank 36 and up, # wide access granted,\n- waits, . no request";
    case REPLAY_STREAM:
        return "0-9a-z bank granted, + bank 36 and up, s k stream handshake,\n"
               "- waits (background), . nothing";
    case REPLAY_CROSSBAR:
        break;
    }
    return "0-9a-z bank granted, + bank 36 and up, - waits, . no request";
}

/* Cycles of a line: whole steps of the ruler, one at least. */
static uint64_t cycles_a_line(unsigned columns)
{
    uint64_t n = columns > LABEL_WIDTH ? (columns - LABEL_WIDTH) / RULE * RULE : 0;
    return n < RULE ? RULE : n > MAX_CYCLES_A_LINE ? MAX_CYCLES_A_LINE : n;
}

void replay_chart_draw(const struct replay_chart *chart, const struct replay_trace *t, unsigned columns,
                       struct text *out)
{
    uint64_t end = chart->end < CHART_MAX_CYCLES ? chart->end : CHART_MAX_CYCLES;
    uint64_t step = cycles_a_line(columns);

    for (uint64_t from = 0; from < end; from += step) {
        uint64_t to = from + step < end ? from + step : end;
        draw_ruler(from, to, out);
        for (unsigned row = 0; row < t->n_masters + 2 && row < CHART_MAX_ROWS; row++)
            if (chart->used[row])
                draw_row(chart, t, row, from, to, out);
        text_add(out, "\n");
    }
    text_printf(out, "%s\n", legend(t));
    if (chart->end > end)
        text_printf(out, "cycles %" PRIu64 "..%" PRIu64 " are not drawn\n", end, chart->end - 1);
}
