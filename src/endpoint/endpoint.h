/* endpoint.h - questions to OpenAI-compatible endpoints (POST .../chat/completions), many at once, over libcurl.
 *
 * A pool serves several services (a service is an endpoint, a model and how to ask it) and any number of threads. One thread of the
 * pool's own does all transfers. A question is tried again where that may help (docs/search.md lists when), alone and a bounded
 * number of times; the pauses double, with jitter, and are at least what Retry-After says.
 *
 * The key of a service comes from an environment variable. It is in no message, log or file. From the moment a pool with a key opens
 * the process writes no core and cannot be traced, to its end: libcurl's freed memory and the environment still hold the key after
 * the pool is closed.
 */
#ifndef CSO_ENDPOINT_H
#define CSO_ENDPOINT_H

#include "base/option.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_endpoint_options {
    char *endpoint;    /* base URL, "https://host/v1"; http only to this machine */
    char *model;       /* as the endpoint calls it */
    char *api_key_env; /* name of the environment variable with the key; "": none */
    double temperature;
    size_t max_tokens;  /* of an answer */
    size_t context;     /* tokens that the model takes, answer included; 0: not known */
    size_t max_retries; /* further tries of one question, whatever the reason */
    double retry_seconds, timeout_seconds;
    size_t max_parallel;        /* requests at once */
    double price_in, price_out; /* for a million tokens */
} cso_endpoint_options;

/* What came of a question. */
typedef struct cso_chat_answer {
    char *text;                                /* UTF-8, not trimmed; of the taker, who frees it */
    uint64_t prompt_tokens, completion_tokens; /* of this answer, as `usage` has them; bytes / 4 where it has none */
    bool estimated;
    bool cut;     /* finish_reason is "length" */
    size_t tries; /* requests of this asking; those made before do not count */
    double cost;  /* of all of these, by the prices */
} cso_chat_answer;

typedef struct cso_chat_question {
    size_t service;
    const char *system, *user; /* UTF-8; no system message where it is "" */
    size_t tries;              /* requests made for it before (an answer that was not what was asked); they count */
} cso_chat_question;

/* What the pool did so far. */
typedef struct cso_endpoint_stats {
    size_t requests, retries, running, waiting; /* waiting: asked, and not sent or in a pause */
    uint64_t prompt_tokens, completion_tokens;
    double cost;
    double unknown_cost; /* what requests that broke off after they were sent may have cost at most: counts towards the limit */
    bool cost_reached;   /* a question failed because of the limit */
} cso_endpoint_stats;

typedef struct cso_endpoint_pool cso_endpoint_pool;

/* options (count) outlive the pool; names (count) are for messages: "role.judge". An address that is none, http to another machine,
 * a variable that is not set: CSO_ERR_USAGE. Sends nothing. The environment variable SSL_CERT_FILE may name the certificates to
 * trust. */
cso_status cso_endpoint_pool_open(cso_endpoint_pool **pool, const cso_endpoint_options *options, const char *const *names,
                                  size_t count, cso_error *err);
void cso_endpoint_pool_close(cso_endpoint_pool *pool); /* NULL is fine; no thread may be asking */

/* No request is sent that may make the cost larger than this: what is asked then fails with CSO_ERR_SYSTEM, once the requests that
 * run have shown what they really cost. What a request may cost: a token for every three bytes of its prompt, and max_tokens. 0: no
 * limit. spent: before this pool. */
void cso_endpoint_pool_limit_cost(cso_endpoint_pool *pool, double max_cost, double spent);

/* Takes an answer, in the asking thread, as soon as it is there. A failure ends the asking; the requests of it that run are then
 * dropped, and nothing else is taken. */
typedef cso_status (*cso_chat_taker)(void *context, size_t index, cso_chat_answer *answer, cso_error *err);
/* Asks questions (count) at once and returns when all are answered. The first that fails for good ends the asking: the others that
 * run are waited for and taken, those that wait are not sent. CSO_ERR_SYSTEM: the network or the endpoint failed, the message names
 * the service; CSO_ERR_USAGE: it refuses key, model or address (other questions to that service fail at once from then on);
 * CSO_STOPPED after cso_endpoint_pool_stop; answers that were there before are taken all the same. */
cso_status cso_endpoint_ask(cso_endpoint_pool *pool, const cso_chat_question *questions, size_t count, cso_chat_taker take,
                            void *context, cso_error *err);

/* Ends all asking at once with CSO_STOPPED: transfers are dropped. May be called from any thread. */
void cso_endpoint_pool_stop(cso_endpoint_pool *pool);
void cso_endpoint_pool_stats(cso_endpoint_pool *pool, cso_endpoint_stats *stats);

#endif
