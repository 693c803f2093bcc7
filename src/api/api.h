/* api.h - what the handles of include/cso.h hold. */
#ifndef CSO_API_HANDLES_H
#define CSO_API_HANDLES_H

#include "base/status.h"
#include "cso.h"
#include "decode/choices.h"
#include "decode/constraint.h"
#include "decode/decoder.h"
#include "engine/engine.h"
#include "model/lora.h"
#include "open_model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

struct cso_lm_tokenizer {
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat; /* NULL: unknown, and no_chat says why */
    cso_error no_chat;
};

struct cso_lm {
    opened_model base;
    cso_lm_tokenizer tokenizer; /* base's */
    char *path, *chat_template;
};

struct cso_lm_adapter {
    cso_adapter *adapter;
    const cso_lm *model;
};

struct cso_lm_worker {
    const cso_lm *model;
    cso_context *ctx;
    cso_engine *engine;
    cso_decode_compute decode;
    cso_decoder *decoder; /* NULL: nothing was decoded so far */
    cso_token_trie *trie; /* for constraints; NULL: none was asked for so far */
    size_t memory;
    uint64_t steps; /* of sessions, and replies */
    cso_lm_session *sessions;
};

/* What a public function returns: the status, and *from in *to where it is a failure. */
cso_lm_status api_result(cso_status status, const cso_error *from, cso_lm_error *to);
/* NULL: the base model; an adapter of another model is CSO_ERR_USAGE. */
cso_status api_adapter(const cso_lm_worker *worker, const cso_lm_adapter *adapter, const cso_adapter **found, cso_error *err);
/* CSO_ERR_USAGE where a required argument is NULL. */
cso_status api_require(const void *argument, const char *name, cso_error *err);
/* The tokenizer's template, or the reason why there is none. */
cso_status api_chat(const cso_lm_tokenizer *tokenizer, const cso_chat_template **chat, cso_error *err);
/* The worker's decoder, made where it is missing. */
cso_status api_decoder(cso_lm_worker *worker, cso_error *err);
/* After the last use of an adapter: its caller may close it. */
void api_forget(cso_lm_worker *worker, const cso_adapter *adapter);
/* Scores n texts as the choices of a set, which has the beginning. The worker's decoder is there. */
cso_status api_choices(cso_lm_worker *worker, cso_choice_set set, cso_lm_choice *texts, size_t n, cso_error *err);
/* Messages as the text layer has them; free(). */
cso_status api_messages(const cso_lm_message *messages, size_t count, cso_message **copy, cso_error *err);

#endif
