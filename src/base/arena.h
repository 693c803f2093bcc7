/* arena.h - a bump allocator: allocations are freed all at once.
 *
 * For work that repeats, such as a training step: after the first rounds it allocates nothing more.
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

/* How full an arena is at one moment. */
typedef struct cso_arena_mark {
    cso_arena_chunk *chunk;
    size_t used, total;
} cso_arena_mark;

/* count * size zeroed bytes, aligned to 64; NULL, and nothing changed, on overflow or if out of memory; never NULL for 0 bytes. */
void *cso_arena_alloc(cso_arena *arena, size_t count, size_t size);

/* Frees everything allocated since the mark, which stays valid; later marks become invalid. */
cso_arena_mark cso_arena_get_mark(const cso_arena *arena);
void cso_arena_release(cso_arena *arena, cso_arena_mark mark);

/* Frees everything. Several chunks become one that holds the most bytes ever in use, so that a round like those before
 * allocates nothing. */
void cso_arena_reset(cso_arena *arena);
/* Makes an empty arena hold at least this many bytes (such as another one's `high`) in one chunk; false if out of memory. */
bool cso_arena_reserve(cso_arena *arena, size_t bytes);
/* Returns the memory to the system; the arena is as new. */
void cso_arena_free(cso_arena *arena);

#endif
