/* A component's relative state as bytes, both ways. One function per component
 * names each quantity once: saving appends it, loading gives back what was saved,
 * so the two cannot differ. Quantities are relative (no absolute time, pointer,
 * total or loop index): equal bytes mean an equal future. */
#ifndef ARCH_STATE_IO_H
#define ARCH_STATE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct state_io {
    bool load;
    uint8_t *p;      /* saving: room for what is appended; loading: what is next */
    uint8_t *end;
};

/* No component has more (machine_state looks to it): a quantity is put without asking whether there is
 * room. */
enum { STATE_MOST_BYTES = 8192 };

/* A component whose state is large has its function twice, one for each direction: STATE_EITHER_WAY(name, m,
 * io) of a STATE_BODY. Where the direction is known and nothing else points to `io`, a quantity is an
 * instruction. */
#define STATE_BODY static inline __attribute__((always_inline))
#define STATE_EITHER_WAY(body, m, io)    \
    do {                                 \
        struct state_io either = *(io);  \
        if (either.load) {               \
            either.load = true;          \
            body((m), &either);          \
        } else {                         \
            either.load = false;         \
            body((m), &either);          \
        }                                \
        *(io) = either;                  \
    } while (0)

static inline uint64_t state_put(struct state_io *io, uint64_t v, unsigned bytes)
{
    if (io->load) {
        v = 0;
        memcpy(&v, io->p, bytes); /* little endian hosts, as everywhere here */
    } else {
        memcpy(io->p, &v, bytes);
    }
    io->p += bytes;
    return v;
}

static inline uint8_t state_u8(struct state_io *io, uint64_t v)
{
    return (uint8_t)state_put(io, v, 1);
}
static inline uint16_t state_u16(struct state_io *io, uint64_t v)
{
    return (uint16_t)state_put(io, v, 2);
}
static inline uint32_t state_u32(struct state_io *io, uint64_t v)
{
    return (uint32_t)state_put(io, v, 4);
}
static inline uint64_t state_u64(struct state_io *io, uint64_t v)
{
    return state_put(io, v, 8);
}
static inline void state_bytes(struct state_io *io, uint8_t *bytes, size_t n)
{
    memcpy(io->load ? bytes : io->p, io->load ? io->p : bytes, n);
    io->p += n;
}
/* A time that lies ahead: how far. What has passed is as good as now. */
static inline uint64_t state_time(struct state_io *io, uint64_t now, uint64_t t)
{
    return now + state_u64(io, t > now ? t - now : 0);
}

#endif
