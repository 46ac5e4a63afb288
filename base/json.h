/* JSON writer: appends to a text buffer, tracks commas and nesting. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/text.h"

struct json {
    struct text *out;
    unsigned depth;
    bool first[32];
};
void json_begin(struct json *j, struct text *out);
/* kind is '{' or '['; key is NULL inside lists and at top. */
void json_open(struct json *j, const char *key, char kind);
void json_close(struct json *j, char kind); /* '}' or ']' */
void json_u64(struct json *j, const char *key, uint64_t v);
void json_real(struct json *j, const char *key, double v); /* shortest that round-trips; not finite: null */
void json_str(struct json *j, const char *key, const char *v); /* NULL: null */
void json_bool(struct json *j, const char *key, bool v);

#endif
