/* decoder.h - decoding with one model: sessions that share keys and values, and steps that compute many of them at once.
 *
 * A session is a sequence of tokens that grows: a leaf of a tree (kv_tree.h). Forking one costs nothing; sessions with the same
 * adapter that are fed the same beginning share it, whether they were forked or not. A step feeds any number of sessions any
 * number of tokens each, a prompt here and one token there, and gives the logits that are asked for. Keys and values stay, also
 * those of dropped sessions, until the memory is needed for others; a session whose keys were evicted is computed again when it
 * takes its next step.
 *
 * The bits of a session's logits depend on its tokens and its adapter alone: not on the other sessions of a step, on how its
 * tokens were cut into steps, on what was shared, evicted or computed again, on the size of batches, or on the number of threads.
 *
 * A decoder serves one thread at a time, as its context does.
 */
#ifndef CSO_DECODER_H
#define CSO_DECODER_H

#include "base/status.h"
#include "kernels/context.h"
#include "model/lora.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_decoder cso_decoder;
typedef struct cso_session cso_session;

/* How products with stored weights are computed. */
typedef enum cso_decode_compute {
    CSO_DECODE_EXACT, /* in f32, as training does: equal to its log-probabilities up to rounding */
    CSO_DECODE_FAST, /* in integers, with a packed copy of the weights where there is memory for it (kernels/qgemm); keys and values
                       * in f16 */
} cso_decode_compute;
extern const char *const cso_decode_words[]; /* "exact", "fast", NULL */

typedef struct cso_decoder_options {
    cso_decode_compute compute;
    size_t memory; /* bytes of keys and values, without the buffers of a batch; 0: half of what is available */
    size_t batch;  /* tokens that are computed at once; 0: 256. It decides speed and the memory of buffers */
} cso_decoder_options;

/* ctx and model must outlive the decoder. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_decoder_create(cso_decoder **decoder, cso_context *ctx, const cso_model *model, const cso_decoder_options *options,
                              cso_error *err);
void cso_decoder_free(cso_decoder *decoder); /* after its sessions; NULL: nothing happens */
cso_context *cso_decoder_context(const cso_decoder *decoder);
const cso_model *cso_decoder_model(const cso_decoder *decoder);
/* Before an adapter that sessions had is freed or changed, after the last of these sessions: drops what was kept for it. */
void cso_decoder_forget(cso_decoder *decoder, const cso_adapter *adapter);

/* An empty session. adapter NULL: the base model; it must stay as it is until the decoder is freed or forgets it. */
cso_status cso_session_open(cso_session **session, cso_decoder *decoder, const cso_adapter *adapter, cso_error *err);
/* A session with the first `length` tokens of another one, which may have more. */
cso_status cso_session_fork(cso_session **fork, const cso_session *session, size_t length, cso_error *err);
void cso_session_drop(cso_session *session); /* NULL: nothing happens */
cso_decoder *cso_session_decoder(const cso_session *session);
size_t cso_session_length(const cso_session *session);
/* The token at a position below the length. */
int32_t cso_session_token(const cso_session *session, size_t position);

/* What a step does with one session. */
typedef struct cso_feed {
    cso_session *session;
    const int32_t *ids; /* (count) tokens to add; none: the logits of those it has */
    size_t count;
    size_t n_logits;     /* of how many of its last tokens the logits are wanted: up to its length */
    const float *logits; /* result: (n_logits, V), in the decoder's memory until its next step */
} cso_feed;

/* Feeds n different sessions. Either all of them have their tokens afterwards, or none has. Errors: CSO_ERR_INPUT (an id that is
 * not in the vocabulary), CSO_ERR_SYSTEM (memory; one session alone does not fit in the decoder's), CSO_ERR_INTERNAL (wrong
 * arguments). Not-a-number in logits is the caller's to find. */
cso_status cso_decode_step(cso_decoder *decoder, cso_feed *feeds, size_t n, cso_error *err);

/* The natural logarithm of a token's probability, in f64, from its row of logits. */
double cso_logits_logp(const cso_decoder *decoder, const float *logits, int32_t id);

typedef struct cso_decode_counts {
    size_t fed;      /* tokens given to sessions, forks apart */
    size_t reused;   /* of them, those that another sequence had already */
    size_t computed; /* tokens whose keys and values were computed, some of them again */
    size_t batches;
    size_t evicted;           /* pages of up to 64 tokens whose data was dropped */
    size_t bytes, most_bytes; /* of keys, values and their tokens: in use, and the most so far */
} cso_decode_counts;
cso_decode_counts cso_decoder_counts(const cso_decoder *decoder);

#endif
