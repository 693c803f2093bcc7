/* word_cache.h - the ids of recent words, for slow encoders: one table for all threads.
 *
 * Each slot holds one word and is locked on its own for the few instructions of a copy; a slot that another thread holds counts
 * as a miss, so nobody waits. Whether a word is found never changes a result.
 */
#ifndef CSO_WORD_CACHE_H
#define CSO_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSO_CACHED_WORD = 32, CSO_CACHED_IDS = 8 }; /* limits of a cached word: its bytes, its ids */

typedef struct cso_word_cache cso_word_cache;

cso_word_cache *cso_word_cache_create(void); /* NULL if out of memory */
void cso_word_cache_free(cso_word_cache *cache);

/* ids[CSO_CACHED_IDS] gets the word's ids, *count of them; false: not known. */
bool cso_word_cache_get(cso_word_cache *cache, const char *word, size_t size, int32_t *ids, size_t *count);
void cso_word_cache_put(cso_word_cache *cache, const char *word, size_t size, const int32_t *ids, size_t count);

#endif
