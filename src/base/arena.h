/* arena.h - a bump allocator: memory that is taken piece by piece and given back all at once.
 *
 * For work that repeats, such as a training step: after the first rounds the memory is there and nothing is allocated any more.
 * A zeroed arena is empty and ready. One thread at a time.
 */
#ifndef CSO_ARENA_H
#define CSO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_arena_chunk cso_arena_chunk;

typedef struct cso_arena {
    cso_arena_chunk *first, *current; /* those after the current one are empty */
    size_t used;                      /* bytes of the current chunk */
    size_t total;                     /* bytes in use, in all chunks */
    size_t high;                      /* the most that was ever in use */
} cso_arena;

/* How full an arena was at some time. */
typedef struct cso_arena_mark {
    cso_arena_chunk *chunk;
    size_t used, total;
} cso_arena_mark;

/* count * size zeroed bytes, aligned to 64; NULL, and nothing changed, on overflow or lack of memory; never NULL for 0 bytes. */
void *cso_arena_alloc(cso_arena *arena, size_t count, size_t size);

/* Takes back all that was allocated since the mark, which is then as good as before; marks made since are void. */
cso_arena_mark cso_arena_get_mark(const cso_arena *arena);
void cso_arena_release(cso_arena *arena, cso_arena_mark mark);

/* Takes back everything. If the arena has grown to several chunks they become one that holds what was ever in use at one time, so
 * that a round like those before allocates nothing. */
void cso_arena_reset(cso_arena *arena);
/* Makes an empty arena hold at least so many bytes (such as another one's `high`) in one chunk; false for lack of memory. */
bool cso_arena_reserve(cso_arena *arena, size_t bytes);
/* Gives the memory back to the system; the arena is as a new one. */
void cso_arena_free(cso_arena *arena);

#endif
