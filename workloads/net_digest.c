#include "workloads/net_digest.h"

#include "base/arena.h"
#include "base/text.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BLOCK = 1 << 20, SETTLED_SECONDS = 2 };

struct known { /* lives as long as the process */
    struct known *next;
    char *dir, *stamp;
    struct hash128 digest;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *all_known;

static bool describes(const char *name)
{
    return !strcmp(name, "network.yaml") || !strcmp(name, "case.json");
}

static int wanted(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return describes(e->d_name) || (n > 4 && !strcmp(e->d_name + n - 4, ".npy"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

struct files {
    struct dirent **v;
    int n;
    struct text path; /* of the file at hand */
};

static const char *path_of(struct files *f, const char *dir, int i)
{
    f->path.len = 0;
    text_printf(&f->path, "%s/%s", dir, f->v[i]->d_name);
    return f->path.s;
}

/* What changes when a file does. *settled: none has changed so recently that a further change might
 * leave its times as they are. */
static bool stamp_of(struct files *f, const char *dir, struct text *stamp, bool *settled)
{
    time_t now = time(NULL);
    bool described = false;
    *settled = true;
    for (int i = 0; i < f->n; i++) {
        struct stat st;
        if (stat(path_of(f, dir, i), &st) != 0 || !S_ISREG(st.st_mode))
            return false;
        described |= describes(f->v[i]->d_name);
        *settled &= st.st_ctim.tv_sec + SETTLED_SECONDS < now;
        text_printf(stamp, "%s %ju %ju %jd %jd.%09ld %jd.%09ld\n", f->v[i]->d_name, (uintmax_t)st.st_dev,
                    (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                    st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    }
    return described;
}

/* Name, and a hash a block, of one file. */
static bool add_file(struct text *sums, const char *name, const char *path, char *block)
{
    FILE *f = fopen(path, "rb");
    uint64_t size = 0;
    size_t n;
    if (!f)
        return false;
    text_addn(sums, name, strlen(name) + 1);
    while ((n = fread(block, 1, BLOCK, f)) > 0) {
        struct hash128 h = hash_bytes(block, n);
        text_addn(sums, (const char *)h.b, sizeof h.b);
        size += n;
    }
    text_printf(sums, "%" PRIu64 "\n", size);
    bool ok = !ferror(f);
    fclose(f);
    return ok;
}

static bool read_all(struct files *f, const char *dir, struct hash128 *out)
{
    struct text sums = {0};
    char *block = xrealloc(NULL, 1, BLOCK);
    bool ok = true;
    for (int i = 0; ok && i < f->n; i++)
        ok = add_file(&sums, f->v[i]->d_name, path_of(f, dir, i), block);
    if (ok)
        *out = hash_bytes(sums.s, sums.len);
    text_finish(&sums);
    free(block);
    return ok;
}

static char *own(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xrealloc(NULL, n, 1), s, n);
}

static struct known *known_of(const char *dir)
{
    struct known *k = all_known;
    while (k && strcmp(k->dir, dir))
        k = k->next;
    return k;
}

static void remember(struct known *k, const char *dir, const char *stamp, const struct hash128 *digest)
{
    if (!k) {
        k = xrealloc(NULL, 1, sizeof *k);
        *k = (struct known){.next = all_known, .dir = own(dir)};
        all_known = k;
    }
    free(k->stamp);
    k->stamp = own(stamp);
    k->digest = *digest;
}

bool net_digest(const char *dir, struct hash128 *out)
{
    struct files f = {0};
    struct text stamp = {0};
    bool settled, ok;
    f.n = scandir(dir, &f.v, wanted, by_name);
    pthread_mutex_lock(&lock);
    ok = f.n > 0 && stamp_of(&f, dir, &stamp, &settled);
    struct known *k = ok ? known_of(dir) : NULL;
    if (k && !strcmp(k->stamp, stamp.s)) {
        *out = k->digest;
    } else if (ok) {
        ok = read_all(&f, dir, out);
        if (ok && settled)
            remember(k, dir, stamp.s, out);
    }
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < f.n; i++)
        free(f.v[i]);
    free(f.v);
    text_finish(&f.path);
    text_finish(&stamp);
    return ok;
}
