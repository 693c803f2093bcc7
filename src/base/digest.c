/* digest.c - see digest.h. */
#include "digest.h"

#include <stdio.h>

static void print_hex(XXH128_hash_t hash, char hex[CSO_DIGEST_HEX]) {
    snprintf(hex, CSO_DIGEST_HEX, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

void cso_digest_begin(cso_digest *digest) {
    XXH3_128bits_reset(&digest->state);
}

void cso_digest_add(cso_digest *digest, const void *bytes, size_t size) {
    if (size)
        XXH3_128bits_update(&digest->state, bytes, size);
}

void cso_digest_hex(const cso_digest *digest, char hex[CSO_DIGEST_HEX]) {
    print_hex(XXH3_128bits_digest(&digest->state), hex);
}

void cso_digest_words(const cso_digest *digest, uint64_t *low, uint64_t *high) {
    XXH128_hash_t hash = XXH3_128bits_digest(&digest->state);
    *low = hash.low64;
    *high = hash.high64;
}

void cso_digest_bytes(const void *bytes, size_t size, char hex[CSO_DIGEST_HEX]) {
    print_hex(XXH3_128bits(bytes, size), hex);
}
