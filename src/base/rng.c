/* rng.c - Philox4x32-10 (Salmon et al. 2011).
 *
 * Each call computes the block of four words for (seed, stream, index) and uses as many as it needs. Any number can therefore be
 * computed alone, by setting index.
 *
 *   counter words 0, 1: index (low, high)   2, 3: stream (low, high)   key words 0, 1: seed (low, high)
 */
#include "rng.h"

#include <math.h>

typedef struct block {
    uint32_t word[4];
} block;

__extension__ typedef unsigned __int128 uint128;

static block next_block(cso_rng *rng) {
    uint32_t c0 = (uint32_t)rng->index, c1 = (uint32_t)(rng->index >> 32);
    uint32_t c2 = (uint32_t)rng->stream, c3 = (uint32_t)(rng->stream >> 32);
    uint32_t k0 = (uint32_t)rng->seed, k1 = (uint32_t)(rng->seed >> 32);
    rng->index++;
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* the golden ratio and sqrt(3) - 1, as the paper has them */
        k1 += 0xBB67AE85u;
    }
    return (block){{c0, c1, c2, c3}};
}

cso_rng cso_rng_make(uint64_t seed, uint64_t purpose, uint64_t number) {
    return (cso_rng){.seed = seed, .stream = purpose << 56 | (number & (UINT64_MAX >> 8)), .index = 0};
}

uint32_t cso_rng_u32(cso_rng *rng) {
    return next_block(rng).word[0];
}

uint64_t cso_rng_u64(cso_rng *rng) {
    block b = next_block(rng);
    return (uint64_t)b.word[1] << 32 | b.word[0];
}

float cso_rng_float(cso_rng *rng) {
    return (float)(cso_rng_u32(rng) >> 8) * 0x1p-24f;
}

/* Lemire 2019, "Fast random integer generation in an interval": the high half of a product; the few low halves that would bias
 * the result are redrawn. */
uint64_t cso_rng_below(cso_rng *rng, uint64_t n) {
    uint64_t biased = -n % n; /* 2^64 mod n */
    for (;;) {
        uint128 product = (uint128)cso_rng_u64(rng) * n;
        if ((uint64_t)product >= biased)
            return (uint64_t)(product >> 64);
    }
}

/* Box & Muller 1958; the first uniform number lies in (0, 1], so that its logarithm is finite. */
double cso_rng_normal(cso_rng *rng) {
    block b = next_block(rng);
    uint64_t first = (uint64_t)b.word[1] << 32 | b.word[0], second = (uint64_t)b.word[3] << 32 | b.word[2];
    double u = (double)((first >> 11) + 1) * 0x1p-53, v = (double)(second >> 11) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

void cso_rng_shuffle(cso_rng *rng, size_t *items, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)cso_rng_below(rng, i), item = items[j];
        items[j] = items[i - 1];
        items[i - 1] = item;
    }
}
