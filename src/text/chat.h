/* chat.h - chat templates: messages to text and ids.
 *
 * The templates known (chat.c's table: llama3, gemma2, chatml, smollm2) are written in C, each equal to the Jinja template
 * its models ship. A rendering is a list of parts, so that what the template writes (where special tokens are tokens) and
 * what people typed (where they are text) stay apart.
 */
#ifndef CSO_CHAT_H
#define CSO_CHAT_H

#include "base/status.h"
#include "tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_message {
    const char *role; /* "system", "user", "assistant" */
    const char *content;
    size_t size; /* bytes of content */
} cso_message;

typedef struct cso_chat_template cso_chat_template;

/* name: "auto", which recognises the model's own template text (CSO_ERR_INPUT naming model.chat_template if it is not
 * known), or one of the table's names (CSO_ERR_USAGE listing them otherwise). The result is static. */
cso_status cso_chat_template_get(const cso_chat_template **chat, const char *name, const cso_tokenizer *tokenizer,
                                 const char *place, cso_error *err);
const char *cso_chat_template_name(const cso_chat_template *chat);

/* A chat to render. */
typedef struct cso_chat_request {
    const cso_message *messages;
    size_t count; /* > 0 */
    bool add_generation_prompt;
    bool parse_special; /* as in cso_tokenizer_encode, for the contents only */
} cso_chat_request;

/* Appends the ids (ids != NULL) and gives the text (text != NULL; the caller frees) of the rendering. A chat that the template
 * refuses (roles out of order, ...) is CSO_ERR_INPUT with the template's message. */
cso_status cso_chat_render(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_chat_request *request,
                           cso_ids *ids, char **text, size_t *text_size, cso_error *err);

/* The ids of a conversation for training on it. */
typedef struct cso_chat_ids {
    cso_ids ids;
    uint8_t *counted; /* (ids.count) nonzero: the token belongs to an assistant's turn, and the model is to learn to write it */
} cso_chat_ids;

/* Renders a whole conversation (the request is without generation prompt); *out is overwritten, and cso_chat_ids_free frees it. An
 * assistant's turn is what the template writes for the assistant, up to and including the token that ends the turn and, where the
 * template writes one, the newline after it: for llama3 and gemma2 from the content on, for chatml and smollm2 with the newline
 * before the content (as in TRL's training templates). A token that lies partly in a turn counts. */
cso_status cso_chat_render_counted(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_chat_request *request,
                                   cso_chat_ids *out, cso_error *err);
void cso_chat_ids_free(cso_chat_ids *ids);

/* The token that ends an assistant turn (<|eot_id|>, <|im_end|>, <end_of_turn>): where generation stops. -1: none. */
int32_t cso_chat_end_of_turn(const cso_chat_template *chat, const cso_tokenizer *tokenizer);

#endif
