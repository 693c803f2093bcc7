/* lm_text.c - texts to ids and back. */
#include "api.h"

#include <stdlib.h>

void cso_lm_ids_free(cso_lm_ids *ids) {
    if (!ids)
        return;
    free(ids->ids);
    *ids = (cso_lm_ids){0};
}

void cso_lm_text_free(cso_lm_text *text) {
    if (!text)
        return;
    free(text->text);
    *text = (cso_lm_text){0};
}

/* Gives the ids away on success, frees them otherwise. */
static void give(cso_status status, cso_ids *from, cso_lm_ids *to) {
    if (status == CSO_OK)
        *to = (cso_lm_ids){from->ids, from->count};
    else
        free(from->ids);
}

cso_lm_status cso_lm_encode(const cso_lm_tokenizer *tokenizer, const char *text, size_t size, bool parse_special, cso_lm_ids *ids,
                            cso_lm_error *error) {
    cso_error err = {0};
    cso_ids found = {0};
    *ids = (cso_lm_ids){0};
    cso_status status = api_require(text || !size ? tokenizer : NULL, "tokenizer or text", &err);
    if (status == CSO_OK)
        status = cso_tokenizer_encode(tokenizer->tokenizer, size ? text : "", size, parse_special, &found, &err);
    give(status, &found, ids);
    return api_result(status, &err, error);
}

cso_lm_status cso_lm_decode(const cso_lm_tokenizer *tokenizer, const int32_t *ids, size_t count, cso_lm_text *text,
                            cso_lm_error *error) {
    cso_error err = {0};
    *text = (cso_lm_text){0};
    cso_status status = api_require(ids || !count ? tokenizer : NULL, "tokenizer or ids", &err);
    if (status == CSO_OK)
        status = cso_tokenizer_decode(tokenizer->tokenizer, ids, count, &text->text, &text->size, &err);
    if (status != CSO_OK)
        *text = (cso_lm_text){0};
    return api_result(status, &err, error);
}

typedef struct rendering {
    bool add_prompt, parse_special;
    cso_ids ids;
    cso_lm_text text;
    bool want_ids; /* the text otherwise */
} rendering;

static cso_status render(const cso_lm_tokenizer *tokenizer, const cso_lm_message *messages, size_t count, rendering *r,
                         cso_error *err) {
    cso_message *copy = NULL;
    const cso_chat_template *chat;
    CSO_TRY(api_require(tokenizer, "tokenizer", err));
    CSO_TRY(api_chat(tokenizer, &chat, err));
    CSO_TRY(api_messages(messages, count, &copy, err));
    const cso_chat_request request = {copy, count, r->add_prompt, r->parse_special};
    cso_status status = cso_chat_render(chat, tokenizer->tokenizer, &request, r->want_ids ? &r->ids : NULL,
                                        r->want_ids ? NULL : &r->text.text, &r->text.size, err);
    free(copy);
    return status;
}

cso_lm_status cso_lm_render_text(const cso_lm_tokenizer *tokenizer, const cso_lm_message *messages, size_t count, bool add_prompt,
                                 cso_lm_text *text, cso_lm_error *error) {
    cso_error err = {0};
    rendering r = {.add_prompt = add_prompt};
    cso_status status = render(tokenizer, messages, count, &r, &err);
    *text = status == CSO_OK ? r.text : (cso_lm_text){0};
    return api_result(status, &err, error);
}

cso_lm_status cso_lm_render_ids(const cso_lm_tokenizer *tokenizer, const cso_lm_message *messages, size_t count, bool add_prompt,
                                bool parse_special, cso_lm_ids *ids, cso_lm_error *error) {
    cso_error err = {0};
    rendering r = {.add_prompt = add_prompt, .parse_special = parse_special, .want_ids = true};
    cso_status status = render(tokenizer, messages, count, &r, &err);
    *ids = (cso_lm_ids){0};
    give(status, &r.ids, ids);
    return api_result(status, &err, error);
}

int32_t cso_lm_token_id(const cso_lm_tokenizer *tokenizer, const char *token) {
    return cso_tokenizer_find(tokenizer->tokenizer, token);
}
