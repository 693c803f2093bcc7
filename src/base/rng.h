/* rng.h - random numbers that are a pure function of (seed, stream, counter): no state to save or restore.
 *
 * Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): key = seed, counter = (stream, index).
 */
#ifndef CSO_RNG_H
#define CSO_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct cso_rng {
    uint64_t seed;
    uint64_t stream; /* purpose: CSO_STREAM_... combined with an epoch, layer, ... */
    uint64_t index;  /* the next number */
} cso_rng;

enum {
    CSO_STREAM_SHUFFLE = 1,
    CSO_STREAM_LORA = 2,
    CSO_STREAM_DROPOUT = 3,
    CSO_STREAM_MODEL = 4,
    CSO_STREAM_SAMPLE = 5,
    CSO_STREAM_SEARCH = 6,
    CSO_STREAM_REPLY = 7,
    CSO_STREAM_BOOTSTRAP = 8
};

cso_rng cso_rng_make(uint64_t seed, uint64_t purpose, uint64_t number);
uint32_t cso_rng_u32(cso_rng *rng);
uint64_t cso_rng_u64(cso_rng *rng);
float cso_rng_float(cso_rng *rng);                               /* uniform in [0, 1) with 24 bits */
uint64_t cso_rng_below(cso_rng *rng, uint64_t n);                /* uniform in [0, n), without bias; n > 0 */
double cso_rng_normal(cso_rng *rng);                             /* mean 0, variance 1 */
void cso_rng_shuffle(cso_rng *rng, size_t *items, size_t count); /* Fisher-Yates */

#endif
