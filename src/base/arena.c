/* arena.c - see arena.h. Under AddressSanitizer unused memory is poisoned, and a gap follows each allocation. */
#include "arena.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define GUARDED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined GUARDED
#include <sanitizer/asan_interface.h>
enum { GAP = 1 };
#define FORBID(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define ALLOW(at, bytes)  ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
enum { GAP = 0 };
#define FORBID(at, bytes) ((void)(at), (void)(bytes))
#define ALLOW(at, bytes)  ((void)(at), (void)(bytes))
#endif

enum { ALIGNMENT = 64, SMALLEST = 1 << 16 };

struct cso_arena_chunk {
    cso_arena_chunk *next;
    size_t size;                     /* bytes of data */
    _Alignas(ALIGNMENT) char data[]; /* the chunk itself is aligned */
};

static cso_arena_chunk *make_chunk(size_t size) {
    size_t bytes;
    cso_arena_chunk *chunk = cso_size_add(size, sizeof *chunk, &bytes) ? cso_aligned_alloc(bytes, 1) : NULL;
    if (!chunk)
        return NULL;
    *chunk = (cso_arena_chunk){.size = size};
    FORBID(chunk->data, size);
    return chunk;
}

static void free_chunks(cso_arena_chunk *chunk) {
    while (chunk) {
        cso_arena_chunk *next = chunk->next;
        ALLOW(chunk->data, chunk->size);
        free(chunk);
        chunk = next;
    }
}

/* Moves to the next chunk that holds `need` bytes: an empty one from before, or a new one as large as all others together. */
static bool advance(cso_arena *arena, size_t bytes) {
    cso_arena_chunk **place = arena->current ? &arena->current->next : &arena->first;
    while (*place && (*place)->size < bytes)
        place = &(*place)->next;
    if (!*place) {
        size_t size = SMALLEST;
        for (const cso_arena_chunk *chunk = arena->first; chunk; chunk = chunk->next)
            size += chunk->size;
        *place = make_chunk(size > bytes ? size : bytes);
        if (!*place && size > bytes)
            *place = make_chunk(bytes);
        if (!*place)
            return false;
    }
    arena->current = *place;
    arena->used = 0;
    return true;
}

void *cso_arena_alloc(cso_arena *arena, size_t count, size_t size) {
    size_t wanted, bytes;
    if (!cso_size_mul(count, size, &wanted) || !cso_size_add(wanted, GAP + ALIGNMENT - 1, &bytes))
        return NULL;
    bytes = bytes / ALIGNMENT * ALIGNMENT;
    if (!bytes)
        bytes = ALIGNMENT;
    if ((!arena->current || arena->current->size - arena->used < bytes) && !advance(arena, bytes))
        return NULL;
    char *at = arena->current->data + arena->used;
    arena->used += bytes;
    arena->total += bytes;
    if (arena->total > arena->high)
        arena->high = arena->total;
    ALLOW(at, wanted);
    return memset(at, 0, wanted);
}

cso_arena_mark cso_arena_get_mark(const cso_arena *arena) {
    return (cso_arena_mark){arena->current, arena->used, arena->total};
}

void cso_arena_release(cso_arena *arena, cso_arena_mark mark) {
    cso_arena_chunk *from = mark.chunk ? mark.chunk : arena->first;
    size_t used = mark.chunk ? mark.used : 0;
    for (const cso_arena_chunk *chunk = from; chunk; chunk = chunk->next)
        FORBID(chunk->data + (chunk == from ? used : 0), chunk->size - (chunk == from ? used : 0));
    arena->current = from;
    arena->used = used;
    arena->total = mark.total;
}

void cso_arena_reset(cso_arena *arena) {
    cso_arena_release(arena, (cso_arena_mark){0});
    if (arena->first && arena->first->next)
        cso_arena_reserve(arena, arena->high); /* on failure it stays empty and grows again when there is memory */
}

bool cso_arena_reserve(cso_arena *arena, size_t bytes) {
    if (arena->first && !arena->first->next && arena->first->size >= bytes)
        return true;
    free_chunks(arena->first);
    arena->first = arena->current = make_chunk(bytes > SMALLEST ? bytes : SMALLEST);
    arena->used = 0;
    return arena->first != NULL;
}

void cso_arena_free(cso_arena *arena) {
    free_chunks(arena->first);
    *arena = (cso_arena){0};
}
