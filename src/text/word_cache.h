/* word_cache.h - what words became, for encoders that are slow: one table for all threads.
 *
 * Each slot holds one word and is locked on its own for the few instructions of a copy; a slot that another thread holds counts
 * as a miss, so nobody waits. Whether a word is found never changes a result.
 */
#ifndef CSO_WORD_CACHE_H
#define CSO_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSO_CACHED_WORD = 32, CSO_CACHED_IDS = 8 }; /* the longest that are kept: bytes of a word, its ids */

typedef struct cso_word_cache cso_word_cache;

cso_word_cache *cso_word_cache_create(void); /* NULL for lack of memory */
void cso_word_cache_free(cso_word_cache *cache);

/* ids[CSO_CACHED_IDS] gets the word's ids, *count of them; false: not known. */
bool cso_word_cache_get(cso_word_cache *cache, const char *word, size_t size, int32_t *ids, size_t *count);
void cso_word_cache_put(cso_word_cache *cache, const char *word, size_t size, const int32_t *ids, size_t count);

#endif
