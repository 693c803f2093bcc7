/* word_cache.c - see word_cache.h. */
#include "word_cache.h"

#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS = 1 << 14 };

typedef struct slot {
    atomic_bool taken;
    uint8_t size, count; /* size 0: empty */
    char word[CSO_CACHED_WORD];
    int32_t ids[CSO_CACHED_IDS];
} slot;

struct cso_word_cache {
    slot slots[SLOTS];
};

cso_word_cache *cso_word_cache_create(void) {
    return cso_calloc(1, sizeof(cso_word_cache));
}

void cso_word_cache_free(cso_word_cache *cache) {
    free(cache);
}

/* The word's only slot, locked; NULL if the word is too long or another thread is at it. */
static slot *take(cso_word_cache *cache, const char *word, size_t size) {
    if (!size || size > CSO_CACHED_WORD)
        return NULL;
    slot *found = &cache->slots[XXH3_64bits(word, size) % SLOTS];
    return atomic_exchange_explicit(&found->taken, true, memory_order_acquire) ? NULL : found;
}

static void release(slot *taken) {
    atomic_store_explicit(&taken->taken, false, memory_order_release);
}

bool cso_word_cache_get(cso_word_cache *cache, const char *word, size_t size, int32_t *ids, size_t *count) {
    slot *taken = take(cache, word, size);
    if (!taken)
        return false;
    bool found = taken->size == size && !memcmp(taken->word, word, size);
    if (found) {
        *count = taken->count;
        memcpy(ids, taken->ids, taken->count * sizeof *ids);
    }
    release(taken);
    return found;
}

void cso_word_cache_put(cso_word_cache *cache, const char *word, size_t size, const int32_t *ids, size_t count) {
    slot *taken = count <= CSO_CACHED_IDS ? take(cache, word, size) : NULL;
    if (!taken)
        return;
    taken->size = (uint8_t)size;
    taken->count = (uint8_t)count;
    memcpy(taken->word, word, size);
    if (count)
        memcpy(taken->ids, ids, count * sizeof *ids);
    release(taken);
}
