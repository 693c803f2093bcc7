/* generate.h - replies from a model: one loop that steps many replies at once, each with options of its own.
 *
 * Requests are pulled one by one, when there is room for a reply, and each reply is handed over when it is finished: neither all
 * requests nor all replies are in memory. What prompts share is computed once.
 *
 * A reply is a function of its request, the model and the adapter: not of the other replies, of how many are made at a time, of the
 * order of requests, or of the number of threads.
 */
#ifndef CSO_GENERATE_H
#define CSO_GENERATE_H

#include "base/status.h"
#include "constraint.h"
#include "decoder.h"
#include "sampling.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The replies to make to one prompt. Everything that it points to must stay until its last reply is finished. */
typedef struct cso_request {
    const char *name;           /* begins errors about it: a file and line; NULL: nothing */
    void *owner;                /* the caller's */
    const cso_adapter *adapter; /* NULL: the base model */
    const int32_t *prompt;      /* (n_prompt > 0) */
    size_t n_prompt;
    cso_sampling sampling; /* reply i of n draws from sequence number `sequence` * 65536 + i */
    uint64_t sequence;     /* below 2^40: gives replies with one seed draws of their own */
    size_t n;              /* replies, below 65536; 0: 1 */
    size_t max_tokens;     /* chosen for a reply, a forced beginning apart */
    const int32_t *stops;  /* (n_stops) ids that end a reply and are no part of it; -1 is ignored */
    size_t n_stops;
    /* (n_stop_texts) not empty: the first to be complete ends the reply, whose text ends before it. */
    const char *const *stop_texts;
    size_t n_stop_texts;
    /* Text that the reply begins with: encoded as by cso_tokenizer_encode, fed, and part of the reply; NULL: none. Stop texts are
     * looked for behind it. */
    const char *prefix;
    /* What the reply, its prefix included, must satisfy; NULL: anything. The ids that end replies in its vocabulary must be those of
     * stops.
     * Where nothing can follow, the reply ends by CSO_FINISH_STOP; one that ends otherwise may be unfinished. */
    const cso_constraint *constraint;
    /* Where the constraint leaves one text only, it is encoded and fed at once: the model is asked where there is a choice. Its tokens
     * count as chosen ones. Not with logps or n_top. */
    bool jump;
    bool logps;   /* log-probabilities are wanted */
    size_t n_top; /* most probable alternatives at each position that are wanted, with log-probabilities */
} cso_request;

/* One token of a reply. */
typedef struct cso_reply_token {
    const cso_request *request;
    size_t number;              /* of the reply, below n */
    int32_t id;                 /* -1: no token, but the text that was held back, at the end of the reply */
    bool forced;                /* of the prefix */
    double logp;                /* by the model's own distribution, before penalties and filters; NAN: not wanted */
    const cso_alternative *top; /* (n_top of the request) */
    const char *text; /* what can be shown since the last call: complete UTF-8, without what may be the beginning of a stop text */
    size_t size;      /* of text in bytes; a zero follows. 0: nothing */
} cso_reply_token;

typedef enum cso_finish {
    CSO_FINISH_STOP,      /* a stop id, or a stop text */
    CSO_FINISH_LENGTH,    /* max_tokens */
    CSO_FINISH_CANCELLED, /* the callback for tokens */
} cso_finish;
extern const char *const cso_finish_words[]; /* "stop", "length", "cancelled", NULL */

/* A finished reply; everything lives as long as the call that is given it. */
typedef struct cso_reply {
    const cso_request *request;
    size_t number;      /* of the reply, below n */
    const int32_t *ids; /* (n_ids) its tokens: those of the prefix, and those that were chosen, with those of a stop text */
    size_t n_ids, n_forced;
    /* Of the ids, without a stop text and what follows it: size bytes of UTF-8 and a zero; "" without a tokenizer. */
    const char *text;
    size_t size;
    cso_finish finish;
    const double *logps;        /* (n_ids), by the model's own distribution; NULL: not wanted */
    const cso_alternative *top; /* (n_ids, n_top); NULL: not wanted */
} cso_reply;

typedef struct cso_generate_options {
    const cso_tokenizer *tokenizer; /* for texts; NULL: there are none, and requests must have neither prefix nor stop texts */
    size_t vocab;  /* only ids below this are chosen; 0: the tokenizer's size, which may be below the model's rows, or all rows */
    size_t leaves; /* replies that are made at the same time; 0: 16 */
    void *context; /* of the following; a status other than CSO_OK from any of them ends everything and is returned (CSO_STOPPED) */
    /* The next request, when there is room, before each step; NULL: there is none at the moment. Must be given. */
    cso_status (*next)(void *context, const cso_request **request, cso_error *err);
    /* Is told of each token, in order within a reply; *stop (false before) ends this reply after this token. NULL: nobody is. */
    cso_status (*token)(void *context, const cso_reply_token *token, bool *stop, cso_error *err);
    /* Takes a reply when it is finished, in the order in which they finish. NULL: nobody does. */
    cso_status (*finished)(void *context, const cso_reply *reply, cso_error *err);
} cso_generate_options;

/* The loop in steps of its own, for callers that have more than one decoder, or use a decoder between the steps. */
typedef struct cso_generator cso_generator;

/* The options are copied. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_generator_create(cso_generator **generator, cso_decoder *decoder, const cso_generate_options *options,
                                cso_error *err);
/* Begins replies while there is room, and makes one step of all. *live: replies that it made a step of; 0: `next` had no request.
 * After a failure nothing but cso_generator_free may follow. Errors: those of cso_generate. */
cso_status cso_generator_step(cso_generator *generator, size_t *live, cso_error *err);
void cso_generator_free(cso_generator *generator); /* unfinished replies are lost; NULL: nothing happens */

/* Makes replies until `next` has no request and no reply is being made. Those that are unfinished when it fails are lost. Errors:
 * CSO_ERR_USAGE (options of a request), CSO_ERR_INPUT (its ids), CSO_ERR_SYSTEM (memory), CSO_ERR_NUMERIC (logits that are NaN). */
cso_status cso_generate(cso_decoder *decoder, const cso_generate_options *options, cso_error *err);

/* What is wrong with a request, before its turn: CSO_ERR_USAGE, or CSO_ERR_INPUT for ids. */
cso_status cso_request_check(const cso_request *request, const cso_generate_options *options, const cso_decoder *decoder,
                             cso_error *err);

#endif
