/* Bump allocator for everything that lives as long as one configuration.
 * Running out of memory aborts with a message: no caller could go on. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *head;
    size_t used_bytes, total_bytes;
};

/* A zeroed arena is valid and empty. */
void *arena_alloc(struct arena *a, size_t bytes); /* zeroed, 16-byte aligned */
void *arena_take(struct arena *a, size_t bytes);  /* the same, whatever is in it */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *a, const char *fmt, ...);
void arena_finish(struct arena *a); /* frees all, leaves it empty and valid */

#define ARENA_NEW(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

/* malloc/realloc that abort on failure, for growing arrays. */
void *xrealloc(void *p, size_t n, size_t size);

#endif
