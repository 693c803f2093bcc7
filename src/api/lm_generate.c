/* lm_generate.c - replies. */
#include "api.h"

#include "decode/generate.h"

#include <stdlib.h>

enum { DEFAULT_TOKENS = 256 };

/* One request, and who is told of its reply. */
typedef struct listener {
    const cso_lm_generate_options *options;
    const cso_request *request; /* NULL: it was taken */
    cso_ids *reply;
} listener;

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    (void)err;
    listener *l = context;
    *request = l->request;
    l->request = NULL;
    return CSO_OK;
}

static cso_status on_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    (void)err;
    listener *l = context;
    *stop = !l->options->callback(l->options->context, token->id, token->text, token->size);
    return CSO_OK;
}

static cso_status on_reply(void *context, const cso_reply *reply, cso_error *err) {
    return cso_ids_add(((listener *)context)->reply, reply->ids, reply->n_ids, err);
}

static cso_status generate(cso_lm_worker *worker, const int32_t *ids, size_t count, const cso_lm_generate_options *options,
                           cso_ids *reply, cso_error *err) {
    const cso_lm_tokenizer *tokenizer = &worker->model->tokenizer;
    const int32_t stops[2] = {tokenizer->chat ? cso_chat_end_of_turn(tokenizer->chat, tokenizer->tokenizer) : -1,
                              cso_tokenizer_eos(tokenizer->tokenizer)};
    cso_request request = {.prompt = ids,
                           .n_prompt = count,
                           .max_tokens = options->max_tokens ? options->max_tokens : DEFAULT_TOKENS,
                           .stops = stops,
                           .n_stops = 2};
    listener listen = {options, &request, reply};
    const cso_generate_options settings = {.tokenizer = tokenizer->tokenizer,
                                           .leaves = 1,
                                           .context = &listen,
                                           .next = next_request,
                                           .token = options->callback ? on_token : NULL,
                                           .finished = on_reply};
    cso_status status;
    CSO_TRY(api_adapter(worker, options->adapter, &request.adapter, err));
    if (request.max_tokens > INT32_MAX || count > INT32_MAX)
        return cso_fail(err, CSO_ERR_USAGE, "%zu tokens and a reply of up to %zu are too many", count, request.max_tokens);
    CSO_TRY_DONE(api_decoder(worker, err));
    worker->steps++;
    status = cso_generate(worker->decoder, &settings, err);
done:
    api_forget(worker, request.adapter);
    return status;
}

cso_lm_status cso_lm_continue(cso_lm_worker *worker, const int32_t *ids, size_t count, const cso_lm_generate_options *options,
                              cso_lm_ids *reply, cso_lm_error *error) {
    static const cso_lm_generate_options none;
    cso_error err = {0};
    cso_ids found = {0};
    cso_status status;
    *reply = (cso_lm_ids){0};
    CSO_TRY_DONE(api_require(worker, "worker", &err));
    CSO_TRY_DONE(api_require(ids, "ids", &err));
    if (!count) {
        status = cso_fail(&err, CSO_ERR_USAGE, "there are no ids to continue");
        goto done;
    }
    CSO_TRY_DONE(generate(worker, ids, count, options ? options : &none, &found, &err));
    *reply = (cso_lm_ids){found.ids, found.count};
    return CSO_LM_OK;
done:
    free(found.ids);
    return api_result(status, &err, error);
}

cso_lm_status cso_lm_reply(cso_lm_worker *worker, const cso_lm_message *messages, size_t count,
                           const cso_lm_generate_options *options, cso_lm_text *reply, cso_lm_error *error) {
    cso_lm_ids prompt = {0}, ids = {0};
    *reply = (cso_lm_text){0};
    const cso_lm_tokenizer *tokenizer = worker ? &worker->model->tokenizer : NULL;
    bool parse_special = options && options->parse_special;
    cso_lm_status status = cso_lm_render_ids(tokenizer, messages, count, true, parse_special, &prompt, error);
    if (status == CSO_LM_OK)
        status = cso_lm_continue(worker, prompt.ids, prompt.count, options, &ids, error);
    if (status == CSO_LM_OK)
        status = cso_lm_decode(tokenizer, ids.ids, ids.count, reply, error);
    cso_lm_ids_free(&prompt);
    cso_lm_ids_free(&ids);
    return status;
}
