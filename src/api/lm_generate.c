/* lm_generate.c - replies. */
#include "api.h"

#include "base/memory.h"
#include "decode/generate.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 256 };

_Static_assert((int)CSO_LM_FINISH_STOP == CSO_FINISH_STOP && (int)CSO_LM_FINISH_LENGTH == CSO_FINISH_LENGTH &&
                   (int)CSO_LM_FINISH_CANCELLED == CSO_FINISH_CANCELLED,
               "cso.h and decode/generate.h have the same values");
_Static_assert(sizeof(cso_lm_alternative) == sizeof(cso_alternative) &&
                   offsetof(cso_lm_alternative, logp) == offsetof(cso_alternative, logp) &&
                   sizeof(cso_lm_logit_bias) == sizeof(cso_logit_bias) &&
                   offsetof(cso_lm_logit_bias, bias) == offsetof(cso_logit_bias, bias),
               "cso.h and decode/sampling.h have the same structs");

/* The requests of a call, and who is told of their replies. */
typedef struct maker {
    const cso_lm_generate_options *options;
    const cso_lm_prompt *prompts; /* (n) */
    size_t n, begun;
    cso_request *requests; /* (n) */
    cso_ids *ids;          /* of the one reply; NULL: its text, or all go to options->made */
    cso_lm_text *text;
} maker;

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    (void)err;
    maker *m = context;
    *request = m->begun < m->n ? &m->requests[m->begun++] : NULL;
    return CSO_OK;
}

static cso_status on_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    (void)err;
    maker *m = context;
    const cso_lm_token told = {.prompt = (size_t)(token->request - m->requests),
                               .number = token->number,
                               .id = token->id,
                               .forced = token->forced,
                               .logp = token->logp,
                               .text = token->text,
                               .size = token->size};
    *stop = !m->options->callback(m->options->context, &told);
    return CSO_OK;
}

static cso_status on_reply(void *context, const cso_reply *reply, cso_error *err) {
    maker *m = context;
    const cso_lm_made made = {.prompt = (size_t)(reply->request - m->requests),
                              .number = reply->number,
                              .text = reply->text,
                              .size = reply->size,
                              .ids = reply->ids,
                              .count = reply->n_ids,
                              .n_prefix = reply->n_forced,
                              .finish = (cso_lm_finish)reply->finish,
                              .logps = reply->logps,
                              .top = (const cso_lm_alternative *)(const void *)reply->top};
    if (m->ids)
        return cso_ids_add(m->ids, reply->ids, reply->n_ids, err);
    if (!m->text)
        return m->options->made(m->options->context, &made) ? CSO_OK : cso_fail(err, CSO_STOPPED, "a callback stopped the replies");
    *m->text = (cso_lm_text){cso_strndup(reply->text, reply->size), reply->size};
    return m->text->text ? CSO_OK : cso_fail_memory(err, "a reply");
}

static cso_sampling sampling_of(const cso_lm_sampling *s) {
    return (cso_sampling){.temperature = s->temperature,
                          .top_k = s->top_k,
                          .top_p = s->top_p,
                          .min_p = s->min_p,
                          .repetition_penalty = s->repetition_penalty,
                          .presence_penalty = s->presence_penalty,
                          .frequency_penalty = s->frequency_penalty,
                          .bias = (const cso_logit_bias *)(const void *)s->bias,
                          .n_bias = s->n_bias,
                          .seed = s->seed};
}

static cso_status check_options(const maker *m, cso_error *err) {
    const cso_lm_generate_options *options = m->options;
    bool one = m->ids || m->text;
    if (options->n_stop_texts)
        CSO_TRY(api_require(options->stop_texts, "stop_texts", err));
    for (size_t i = 0; i < options->n_stop_texts; i++)
        CSO_TRY(api_require(options->stop_texts[i], "a stop text", err));
    if (options->sampling.n_bias)
        CSO_TRY(api_require(options->sampling.bias, "bias", err));
    if (one && options->n > 1)
        return cso_fail(err, CSO_ERR_USAGE, "n must be 0 or 1 here, got %zu (expected cso_lm_generate for several)", options->n);
    if (!one && !options->made)
        return cso_fail(err, CSO_ERR_USAGE, "made is NULL");
    for (size_t i = 0; i < m->n; i++) {
        CSO_TRY(api_require(m->prompts[i].ids, "ids", err));
        if (!m->prompts[i].count)
            return cso_fail(err, CSO_ERR_USAGE, "there are no ids to continue");
        if (options->max_tokens > INT32_MAX || m->prompts[i].count > INT32_MAX)
            return cso_fail(err, CSO_ERR_USAGE, "%zu tokens and a reply of up to %zu are too many", m->prompts[i].count,
                            options->max_tokens);
    }
    return CSO_OK;
}

/* What the options ask of replies; NULL: nothing. The worker keeps the vocabulary for the next call. */
static cso_status open_constraint(cso_constraint **constraint, cso_lm_worker *worker, const cso_lm_generate_options *options,
                                  const int32_t stops[2], cso_error *err) {
    const cso_free_text free_text = {.mark = options->mark, .max_tokens = options->max_free_tokens};
    *constraint = NULL;
    if (options->json_schema && options->n_only)
        return cso_fail(err, CSO_ERR_USAGE, "json_schema and only exclude each other");
    if (!options->json_schema && !options->n_only)
        return options->mark ? cso_fail(err, CSO_ERR_USAGE, "mark needs json_schema or only") : CSO_OK;
    if (!worker->trie)
        CSO_TRY(cso_token_trie_create(&worker->trie, worker->model->tokenizer.tokenizer, stops, 2, err));
    if (options->json_schema)
        return cso_constraint_schema(constraint, worker->trie, options->json_schema, strlen(options->json_schema), "json_schema",
                                     options->mark ? &free_text : NULL, err);
    CSO_TRY(api_require(options->only, "only", err));
    for (size_t i = 0; i < options->n_only; i++)
        CSO_TRY(api_require(options->only[i], "a text of only", err));
    return cso_constraint_choice(constraint, worker->trie, options->only, options->n_only, options->mark ? &free_text : NULL, err);
}

static cso_status make(maker *m, cso_lm_worker *worker, cso_error *err) {
    const cso_lm_tokenizer *tokenizer = &worker->model->tokenizer;
    const cso_lm_generate_options *options = m->options;
    const int32_t stops[2] = {tokenizer->chat ? cso_chat_end_of_turn(tokenizer->chat, tokenizer->tokenizer) : -1,
                              cso_tokenizer_eos(tokenizer->tokenizer)};
    const cso_generate_options settings = {.tokenizer = tokenizer->tokenizer,
                                           .leaves = options->together,
                                           .context = m,
                                           .next = next_request,
                                           .token = options->callback ? on_token : NULL,
                                           .finished = on_reply};
    const cso_adapter *adapter;
    cso_constraint *constraint;
    CSO_TRY(check_options(m, err));
    CSO_TRY(api_adapter(worker, options->adapter, &adapter, err));
    CSO_TRY(api_decoder(worker, err));
    CSO_TRY(open_constraint(&constraint, worker, options, stops, err));
    m->requests = cso_calloc(m->n, sizeof *m->requests);
    if (!m->requests) {
        cso_constraint_free(constraint);
        return cso_fail_memory(err, "requests");
    }
    for (size_t i = 0; i < m->n; i++)
        m->requests[i] = (cso_request){.adapter = adapter,
                                       .prompt = m->prompts[i].ids,
                                       .n_prompt = m->prompts[i].count,
                                       .sampling = sampling_of(&options->sampling),
                                       .sequence = options->sampling.sequence + i,
                                       .n = options->n,
                                       .max_tokens = options->max_tokens ? options->max_tokens : DEFAULT_TOKENS,
                                       .stops = stops,
                                       .n_stops = 2,
                                       .stop_texts = options->stop_texts,
                                       .n_stop_texts = options->n_stop_texts,
                                       .prefix = options->prefix,
                                       .constraint = constraint,
                                       .logps = options->logps,
                                       .n_top = options->n_top};
    worker->steps++;
    cso_status status = cso_generate(worker->decoder, &settings, err);
    free(m->requests);
    cso_constraint_free(constraint);
    api_forget(worker, adapter);
    return status;
}

cso_lm_status cso_lm_generate(cso_lm_worker *worker, const cso_lm_prompt *prompts, size_t n, const cso_lm_generate_options *options,
                              cso_lm_error *error) {
    cso_error err = {0};
    cso_status status;
    maker m = {.options = options, .prompts = prompts, .n = n};
    CSO_TRY_DONE(api_require(worker, "worker", &err));
    CSO_TRY_DONE(api_require(options, "options", &err));
    if (n)
        CSO_TRY_DONE(api_require(prompts, "prompts", &err));
    status = make(&m, worker, &err);
done:
    return api_result(status, &err, error);
}

/* One reply to one prompt: its ids or its text. */
static cso_lm_status make_one(cso_lm_worker *worker, const cso_lm_prompt *prompt, const cso_lm_generate_options *options,
                              maker target, cso_lm_error *error) {
    static const cso_lm_generate_options none;
    cso_error err = {0};
    cso_status status;
    target.options = options ? options : &none;
    target.prompts = prompt;
    target.n = 1;
    CSO_TRY_DONE(api_require(worker, "worker", &err));
    status = make(&target, worker, &err);
done:
    return api_result(status, &err, error);
}

cso_lm_status cso_lm_continue(cso_lm_worker *worker, const int32_t *ids, size_t count, const cso_lm_generate_options *options,
                              cso_lm_ids *reply, cso_lm_error *error) {
    cso_ids found = {0};
    cso_lm_status status = make_one(worker, &(cso_lm_prompt){ids, count}, options, (maker){.ids = &found}, error);
    *reply = (cso_lm_ids){0};
    if (status == CSO_LM_OK)
        *reply = (cso_lm_ids){found.ids, found.count};
    else
        free(found.ids);
    return status;
}

cso_lm_status cso_lm_reply(cso_lm_worker *worker, const cso_lm_message *messages, size_t count,
                           const cso_lm_generate_options *options, cso_lm_text *reply, cso_lm_error *error) {
    cso_lm_ids ids = {0};
    *reply = (cso_lm_text){0};
    const cso_lm_tokenizer *tokenizer = worker ? &worker->model->tokenizer : NULL;
    bool parse_special = options && options->parse_special;
    cso_lm_status status = cso_lm_render_ids(tokenizer, messages, count, true, parse_special, &ids, error);
    if (status == CSO_LM_OK)
        status = make_one(worker, &(cso_lm_prompt){ids.ids, ids.count}, options, (maker){.text = reply}, error);
    if (status != CSO_LM_OK)
        cso_lm_text_free(reply);
    cso_lm_ids_free(&ids);
    return status;
}
