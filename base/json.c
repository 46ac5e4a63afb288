#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MAX_DEPTH = sizeof(((struct json *)0)->first) / sizeof(bool) };

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t utf8_len(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
             : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))
        return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return n;
}

static void add_string(struct text *t, const char *s)
{
    text_add(t, "\"");
    while (*s) {
        unsigned char c = (unsigned char)*s;
        size_t n = utf8_len((const unsigned char *)s);

        if (c == '"' || c == '\\')
            text_printf(t, "\\%c", c);
        else if (c == '\n')
            text_add(t, "\\n");
        else if (c == '\t')
            text_add(t, "\\t");
        else if (c < 0x20 || c == 0x7f)
            text_printf(t, "\\u%04x", c);
        else if (n)
            text_addn(t, s, n);
        else
            text_add(t, "\\ufffd");
        s += n ? n : 1;
    }
    text_add(t, "\"");
}

static void before_value(struct json *j, const char *key)
{
    if (j->depth && !j->first[j->depth - 1])
        text_add(j->out, ",");
    if (j->depth)
        j->first[j->depth - 1] = false;
    if (key) {
        add_string(j->out, key);
        text_add(j->out, ":");
    }
}

void json_begin(struct json *j, struct text *out)
{
    *j = (struct json){.out = out};
}

void json_open(struct json *j, const char *key, char kind)
{
    assert(kind == '{' || kind == '[');
    assert(j->depth < MAX_DEPTH);
    before_value(j, key);
    text_addn(j->out, &kind, 1);
    j->first[j->depth++] = true;
}

void json_close(struct json *j, char kind)
{
    assert(kind == '}' || kind == ']');
    assert(j->depth > 0);
    j->depth--;
    text_addn(j->out, &kind, 1);
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
    before_value(j, key);
    text_printf(j->out, "%" PRIu64, v);
}

void json_real(struct json *j, const char *key, double v)
{
    char buf[40];

    before_value(j, key);
    text_add(j->out, isfinite(v) ? text_real(v, buf, sizeof(buf)) : "null");
}

void json_str(struct json *j, const char *key, const char *v)
{
    before_value(j, key);
    if (v)
        add_string(j->out, v);
    else
        text_add(j->out, "null");
}

void json_bool(struct json *j, const char *key, bool v)
{
    before_value(j, key);
    text_add(j->out, v ? "true" : "false");
}
