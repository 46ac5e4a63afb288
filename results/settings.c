/* Canonical configuration text, `key: value` a line, as SQL values. */
#include "results/db.h"

#include <string.h>

bool setting_next(const char **cursor, struct setting *out)
{
    const char *line = *cursor;
    while (line && *line) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line);
        const char *colon = memchr(line, ':', len);
        *cursor = end ? end + 1 : line + len;
        if (!colon) {
            line = *cursor;
            continue;
        }
        const char *value = colon + 1;
        while (value < line + len && *value == ' ')
            value++;
        *out = (struct setting){line, value, (size_t)(colon - line), (size_t)(line + len - value)};
        return true;
    }
    return false;
}

struct db_cell setting_cell(const struct setting *s, struct text *buf)
{
    buf->len = 0;
    text_addn(buf, s->value, s->value_len);
    struct db_cell c = {.kind = CELL_TEXT, .s = buf->s ? buf->s : ""};
    if (text_parse_i64(c.s, &c.i))
        c.kind = CELL_INT;
    else if (text_parse_real(c.s, &c.r))
        c.kind = CELL_REAL;
    return c;
}

struct db_cell setting_find(const char *text, const char *key, struct text *buf)
{
    struct setting s;
    size_t n = strlen(key);
    while (setting_next(&text, &s)) {
        if (s.key_len == n && !memcmp(s.key, key, n))
            return setting_cell(&s, buf);
    }
    return (struct db_cell){.kind = CELL_NULL};
}
