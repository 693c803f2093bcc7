/* sampling.h - one token from a row of logits: penalties, filters, a draw.
 *
 * In this order, each step as the transformers library does it where it has one, in f32:
 *
 *   1. logit bias          logit += bias
 *   2. repetition penalty  logit > 0: logit / r, else logit * r; once for each distinct token of prompt and reply (Keskar et al. 2019)
 *   3. frequency penalty   logit -= f * times the token is in the reply; presence penalty: logit -= p if it is there at all (OpenAI)
 *   4. allowed ids         a constraint's mask: others become impossible
 *   5. temperature 0: the most probable token; of equals the lowest id. Else logits / temperature, and
 *   6. top-k               the k most probable, and what is as probable as the last of them
 *   7. top-p               of these, the most probable until their sum reaches p, at least one; of equals the lowest id first
 *   8. min-p               of these, those with at least m times the probability of the most probable
 *   9. a draw by the probabilities of those that are left.
 *
 * The reply includes a forced beginning. The draw's random number is a function of (seed, sequence, position) alone, so that a token is
 * a function of these and of the logits: not of other replies, batches or threads.
 */
#ifndef CSO_SAMPLING_H
#define CSO_SAMPLING_H

#include "base/status.h"
#include "kernels/context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_logit_bias {
    int32_t id;
    float bias; /* -INFINITY: the token is impossible */
} cso_logit_bias;

/* All zeros: always the most probable token. */
typedef struct cso_sampling {
    double temperature;         /* 0: the most probable token, and filters and seed have no effect; else >= 1e-6 */
    size_t top_k;               /* 0: all */
    double top_p;               /* 0 to 1; 0 and 1: all */
    double min_p;               /* 0 to 1; 0: all */
    double repetition_penalty;  /* above 1 against repetition; 0 and 1: none; else >= 1e-6 */
    double presence_penalty;    /* above 0 against repetition */
    double frequency_penalty;   /* the same */
    const cso_logit_bias *bias; /* (n_bias), each id once */
    size_t n_bias;
    uint64_t seed;
} cso_sampling;

/* What is wrong with it: CSO_ERR_USAGE. vocab: ids are below it. */
cso_status cso_sampling_check(const cso_sampling *sampling, size_t vocab, cso_error *err);

/* Working memory for one thread. */
typedef struct cso_sampler {
    const cso_kernels *kernels;
    size_t vocab;
    float *scores;    /* (V) logits after steps 1 to 4, and divided by the temperature */
    float *weights;   /* (V) in proportion to the probabilities; 0: not drawn */
    uint32_t *counts; /* (V) all 0 between uses */
    void *spare;      /* of the filters */
} cso_sampler;

/* vocab > 0: only ids below it are chosen, and rows of logits may be longer. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_sampler_init(cso_sampler *sampler, const cso_kernels *kernels, size_t vocab, cso_error *err);
void cso_sampler_free(cso_sampler *sampler);

/* Where a token is chosen. */
typedef struct cso_sampling_place {
    const float *logits;   /* (V at least) */
    const int32_t *prompt; /* (n_prompt) tokens before the reply */
    size_t n_prompt;
    const int32_t *reply; /* (n_reply) tokens of the reply so far */
    size_t n_reply;
    const uint64_t *allowed; /* bit i % 64 of word i / 64: whether id i may come; NULL: all. At least one must be allowed */
    uint64_t sequence;       /* below 2^56 */
} cso_sampling_place;

/* Chooses a token; the draw's position is n_prompt + n_reply. Logits that are NaN or infinite: CSO_ERR_NUMERIC; nothing possible
 * is left, by bias and mask: CSO_ERR_USAGE. sampling must have passed the check. */
cso_status cso_sampler_choose(cso_sampler *sampler, const cso_sampling *sampling, const cso_sampling_place *place, int32_t *id,
                              cso_error *err);
/* Steps 1 to 8 for a temperature above 0: sampler->weights, and their sum in *total. */
cso_status cso_sampler_weigh(cso_sampler *sampler, const cso_sampling *sampling, const cso_sampling_place *place, double *total,
                             cso_error *err);

/* A token and the natural logarithm of its probability, by the model's own distribution: before all of the steps above. */
typedef struct cso_alternative {
    int32_t id;
    double logp;
} cso_alternative;

/* The n most probable ids below vocab, the most probable first, of equals the lowest id; rows: length of logits. Where there are
 * fewer, ids are -1. logp has the bits of cso_logits_logp. */
void cso_top_alternatives(const cso_kernels *kernels, const float *logits, size_t rows, size_t vocab, cso_alternative *top,
                          size_t n);

#endif
