/* digest.h - XXH3-128 of bytes, as fingerprints and checksums use it: 32 hex digits, the high half first. */
#ifndef CSO_DIGEST_H
#define CSO_DIGEST_H

#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

enum { CSO_DIGEST_HEX = 33 }; /* with the terminating zero */

/* Bytes that come in pieces: begin, add any number of times, then one of the ends. It holds no memory. */
typedef struct cso_digest {
    XXH3_state_t state;
} cso_digest;
void cso_digest_begin(cso_digest *digest);
void cso_digest_add(cso_digest *digest, const void *bytes, size_t size);
void cso_digest_hex(const cso_digest *digest, char hex[CSO_DIGEST_HEX]);
void cso_digest_words(const cso_digest *digest, uint64_t *low, uint64_t *high);

/* All bytes at once. */
void cso_digest_bytes(const void *bytes, size_t size, char hex[CSO_DIGEST_HEX]);

#endif
