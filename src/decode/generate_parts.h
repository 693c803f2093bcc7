/* generate_parts.h - what the files of the generation loop share. */
#ifndef CSO_GENERATE_PARTS_H
#define CSO_GENERATE_PARTS_H

#include "generate.h"
#include "stop_texts.h"

/* A request whose replies are being made. */
typedef struct cso_job {
    const cso_request *request;
    int32_t *start; /* (n_prompt + n_forced) prompt and prefix */
    size_t n_forced;
    cso_stop_texts stops;
    cso_constraint_state state; /* after the prefix */
    cso_session *base;          /* with `start`, once it was fed */
    size_t n, begun, finished;  /* replies: in all, those that have a place or had one, those that are done */
    size_t feed;                /* base's, of the current step */
} cso_job;

/* A reply that is being made. */
typedef struct cso_unfinished {
    cso_job *job;
    size_t number;
    cso_session *session; /* NULL: it takes its first token from the logits of the job's base */
    size_t feed;          /* of the current step */
    size_t n_new;         /* the last of ids, which the session does not have yet */
    int32_t *ids;         /* (n_ids) */
    double *logps;        /* (n_ids) where they are wanted */
    cso_alternative *top; /* (n_ids, n_top) */
    size_t n_ids, ids_capacity, logps_capacity, top_capacity;
    size_t told; /* tokens that the caller was told of */
    cso_token_stream stream;
    cso_constraint_state state;
    uint64_t *mask;      /* of the constraint; NULL: there is none */
    size_t *stop_states; /* of the job's stop texts */
    char *text;          /* size bytes of the reply so far, and a zero */
    size_t size, text_capacity;
    size_t shown; /* bytes that the caller was given */
    bool ended;   /* why: finish */
    bool stopped; /* by a stop text */
    cso_finish finish;
    cso_status status; /* of the choice of its token */
    cso_error err;
} cso_unfinished;

/* ---- generate_jump.c ---- */

/* Adds the text that must come next, as far as max_tokens has room. */
cso_status cso_unfinished_jump(cso_unfinished *u, const cso_decoder *decoder, const cso_tokenizer *tokenizer, size_t vocab,
                               cso_error *err);

/* ---- unfinished.c: one reply ---- */

/* mask_words: of a constraint's mask. */
cso_status cso_unfinished_begin(cso_unfinished *u, cso_job *job, size_t mask_words, cso_error *err);
void cso_unfinished_free(cso_unfinished *u);
/* Adds a token that was chosen or forced by this row of logits. */
cso_status cso_unfinished_add(cso_unfinished *u, const cso_decoder *decoder, const float *logits, size_t vocab, int32_t id,
                              cso_error *err);
/* Tells the caller of the tokens that were added since the last call, and ends the reply where a stop text or the caller does. */
cso_status cso_unfinished_tell(cso_unfinished *u, const cso_generate_options *options, cso_error *err);
/* Hands over a reply that has ended. */
cso_status cso_unfinished_finish(cso_unfinished *u, const cso_generate_options *options, cso_error *err);

#endif
