/* policy_engine.h - roles that are played by models on this machine: all questions of all searches in one batch.
 *
 * Roles with the same model, tokenizer, template and arithmetic share one decoder, with adapters or without, with one tree of keys and values: questions about one dialogue
 * share their beginnings whoever asks them, and many searches are answered in the same steps. One thread computes for all that ask.
 *
 * Answers have the form that the role is asked for, by constraints: the strategy role writes free text, then JSON with a score for each
 * of the strategies; the judge four lines; supporter and seeker a text of one line that is not empty. An answer is a function of the
 * question's texts and seed, the model and the adapter alone.
 */
#ifndef CSO_POLICY_ENGINE_H
#define CSO_POLICY_ENGINE_H

#include "base/status.h"
#include "data/strategies.h"
#include "decode/decoder.h"
#include "policy.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

/* How one role is played. What it points to outlives the policy. */
typedef struct cso_engine_player {
    const cso_model *model;     /* NULL: the role is not played here */
    const cso_adapter *adapter; /* NULL: the base model */
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat_template;
    cso_decode_compute compute;
    double temperature;
    size_t max_tokens; /* of an answer */
    size_t context;    /* tokens that the model takes, prompt and answer; 0: the model's own */
    size_t max_retries;
} cso_engine_player;

typedef struct cso_engine_options {
    cso_engine_player players[CSO_ROLES];
    const cso_strategies *strategies; /* that the strategy role scores */
    size_t memory;                    /* bytes of keys and values of all models together; 0: half of what is available */
    size_t leaves;                    /* answers that are made at the same time; 0: 64 */
} cso_engine_options;

typedef struct cso_engine_stats {
    size_t answers, running, waiting;      /* running: in the batch now */
    uint64_t prompt_tokens, reused_tokens; /* of all questions; tokens that were given to the model less those
                                            * that were computed: of these the ones whose keys and values were there */
    uint64_t completion_tokens;
    uint64_t computed_tokens;         /* some of them again, after eviction */
    size_t bytes, most_bytes, memory; /* of keys and values: in use, the most so far, the budget */
    double seconds;                   /* that it computed */
} cso_engine_stats;

typedef struct cso_policy_engine cso_policy_engine;

/* ctx serves the policy's own thread alone until it is closed. Errors: CSO_ERR_SYSTEM (memory, a thread), CSO_ERR_INPUT (a vocabulary
 * that cannot write a constraint's texts). */
cso_status cso_policy_engine_open(cso_policy_engine **engine, cso_context *ctx, const cso_engine_options *options, cso_error *err);
void cso_policy_engine_close(cso_policy_engine *engine); /* NULL is fine; no thread may be asking */
/* Any thread: all that ask get CSO_STOPPED after the current step. */
void cso_policy_engine_stop(cso_policy_engine *engine);
void cso_policy_engine_stats(cso_policy_engine *engine, cso_engine_stats *stats);
/* For the roles that it plays. A prompt that does not fit in the model is CSO_ERR_USAGE, logits that are NaN CSO_ERR_NUMERIC. */
cso_policy cso_policy_of_engine(cso_policy_engine *engine);

#endif
