/* hash.h - digests of lists of texts, and a map from such hashes to numbers.
 *
 * Equal hashes are taken for equal texts: with 128 bits a chance collision among a billion records has a probability below
 * 1e-20.
 */
#ifndef CSO_DATA_HASH_H
#define CSO_DATA_HASH_H

#include "base/digest.h"
#include "text/chat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text_hash {
    uint64_t low, high;
} text_hash;

/* The length goes in before the bytes, so that ("ab", "c") and ("a", "bc") differ. NULL differs from "". */
void digest_text(cso_digest *digest, const char *text, size_t size);
void digest_messages(cso_digest *digest, const cso_message *messages, size_t count);
text_hash text_hash_end(const cso_digest *digest);

/* Open addressing with linear probing, at most half full. Zero-initialise. */
typedef struct hash_map {
    text_hash *keys;
    size_t *values; /* SIZE_MAX: free */
    size_t count, capacity;
} hash_map;

/* The value of a key; one that is new gets `value` and sets *added. False: out of memory. */
bool hash_map_get(hash_map *map, text_hash key, size_t value, size_t *found, bool *added);
void hash_map_free(hash_map *map);

#endif
