#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN_BYTES = 16, FIRST_CHUNK_BYTES = 4096, MAX_CHUNK_BYTES = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used_bytes, cap_bytes;
    _Alignas(ALIGN_BYTES) unsigned char data[];
};

static _Noreturn void out_of_memory(size_t bytes)
{
    fprintf(stderr, "retsim: out of memory (%zu bytes wanted)\n", bytes);
    abort();
}

void *xrealloc(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        out_of_memory(SIZE_MAX);
    p = realloc(p, bytes ? bytes : 1);
    if (!p)
        out_of_memory(bytes);
    return p;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t bytes)
{
    size_t cap = a->head ? a->head->cap_bytes * 2 : FIRST_CHUNK_BYTES;
    struct arena_chunk *c;

    if (cap > MAX_CHUNK_BYTES)
        cap = MAX_CHUNK_BYTES;
    if (cap < bytes)
        cap = bytes;
    c = malloc(sizeof(*c) + cap);
    if (!c)
        out_of_memory(cap);
    c->used_bytes = 0;
    c->cap_bytes = cap;
    c->next = a->head;
    a->head = c;
    a->total_bytes += cap;
    return c;
}

void *arena_take(struct arena *a, size_t bytes)
{
    struct arena_chunk *c = a->head;
    void *p;

    if (bytes > PTRDIFF_MAX - MAX_CHUNK_BYTES)
        out_of_memory(bytes);
    bytes = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (!c || c->cap_bytes - c->used_bytes < bytes)
        c = add_chunk(a, bytes);
    p = c->data + c->used_bytes;
    c->used_bytes += bytes;
    a->used_bytes += bytes;
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    return memset(arena_take(a, bytes), 0, bytes);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_take(a, n + 1);

    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *p;
    int n;

    assert(fmt);
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}

void arena_finish(struct arena *a)
{
    struct arena_chunk *next;

    for (struct arena_chunk *c = a->head; c; c = next) {
        next = c->next;
        free(c);
    }
    *a = (struct arena){0};
}
