/* lm_generate.c - replies. */
#include "api.h"

#include "decode/generate.h"

#include <stdlib.h>

enum { DEFAULT_TOKENS = 256 };

/* Gives the caller's callback the text of each token. */
typedef struct listener {
    const cso_lm_generate_options *options;
    const cso_tokenizer *tokenizer;
    cso_token_stream stream;
} listener;

static cso_status on_token(void *context, size_t which, int32_t id, bool *stop, cso_error *err) {
    listener *l = context;
    (void)which; /* there is one reply */
    CSO_TRY(cso_token_stream_feed(&l->stream, l->tokenizer, id, err));
    *stop = !l->options->callback(l->options->context, id, l->stream.text, l->stream.size);
    return CSO_OK;
}

/* A character that the last token began and no other ended. */
static cso_status finish(listener *l, cso_error *err) {
    CSO_TRY(cso_token_stream_flush(&l->stream, err));
    if (l->stream.size)
        l->options->callback(l->options->context, -1, l->stream.text, l->stream.size);
    return CSO_OK;
}

static cso_status generate(cso_lm_worker *worker, const int32_t *ids, size_t count, const cso_lm_generate_options *options,
                           cso_ids *reply, cso_error *err) {
    const cso_lm_tokenizer *tokenizer = &worker->model->tokenizer;
    const int32_t stops[2] = {tokenizer->chat ? cso_chat_end_of_turn(tokenizer->chat, tokenizer->tokenizer) : -1,
                              cso_tokenizer_eos(tokenizer->tokenizer)};
    listener listen = {.options = options, .tokenizer = tokenizer->tokenizer};
    const cso_generate_options settings = {
        .max_tokens = options->max_tokens ? options->max_tokens : DEFAULT_TOKENS,
        .vocab = cso_tokenizer_vocab(tokenizer->tokenizer),
        .stops = stops,
        .n_stops = 2,
        .token = options->callback ? on_token : NULL,
        .context = &listen,
    };
    const cso_adapter *adapter;
    cso_status status;
    CSO_TRY(api_adapter(worker, options->adapter, &adapter, err));
    if (settings.max_tokens > INT32_MAX || count > INT32_MAX)
        return cso_fail(err, CSO_ERR_USAGE, "%zu tokens and a reply of up to %zu are too many", count, settings.max_tokens);
    CSO_TRY_DONE(api_decoder(worker, err));
    worker->steps++;
    const cso_generation generation = {adapter, ids, count, reply};
    CSO_TRY_DONE(cso_generate_greedy(worker->decoder, &generation, 1, &settings, err));
    if (options->callback)
        status = finish(&listen, err);
done:
    api_forget(worker, adapter);
    cso_token_stream_free(&listen.stream);
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
