/* chat_template.h - how a chat template is written in C. A new one: a file chat_<name>.c with its const cso_chat_template,
 * and a row in chat.c's table.
 */
#ifndef CSO_CHAT_TEMPLATE_H
#define CSO_CHAT_TEMPLATE_H

#include "chat.h"
#include "chat_memo.h"
#include "io/json.h"

#include <stdint.h>

/* A rendering: its text, and where in it the template itself wrote special tokens. */
typedef struct cso_mark {
    size_t begin, size; /* in text */
} cso_mark;

/* Where the rendering of a message begins, if all before it depends only on the messages before it. */
typedef struct cso_cut {
    size_t message;            /* its index, > 0; the number of messages: what comes behind them */
    size_t text, marks, turns; /* of the rendering before it */
} cso_cut;

typedef struct cso_rendering {
    cso_text text;
    cso_mark *marks; /* (mark_count), in order */
    size_t mark_count, mark_capacity;
    cso_mark *turns; /* (turn_count), in order: the assistant's turns, what counts in training on them */
    size_t turn_count, turn_capacity;
    cso_cut *cuts; /* (cut_count), in order */
    size_t cut_count, cut_capacity;
    bool failed; /* out of memory for a mark, turn or cut */
} cso_rendering;
void cso_rendering_free(cso_rendering *rendering);

struct cso_chat_template {
    const char *name;
    const char *end_of_turn; /* the token that ends an assistant's turn */
    const char *hint;        /* a string that only this kind of template contains, for messages */
    /* Known versions of the model's own text, as chat.c's hash of them; ends with 0. */
    const uint64_t *versions;
    /* Writes request->messages[first] on, of which `first` are written: 0, or the message of one of the cuts that it made before,
     * for messages that begin alike. count > 0, and every role is "system", "user" or "assistant". */
    cso_status (*render)(cso_rendering *out, const cso_chat_request *request, size_t first, cso_error *err);
};

extern const cso_chat_template cso_chat_llama3, cso_chat_gemma2, cso_chat_chatml, cso_chat_smollm2;

void cso_render_special(cso_rendering *out, const char *token); /* a special token's string */
void cso_render_text(cso_rendering *out, const char *text);
void cso_render_bytes(cso_rendering *out, const char *text, size_t size);   /* what people wrote */
void cso_render_trimmed(cso_rendering *out, const char *text, size_t size); /* without white space around it */

void cso_render_cut(cso_rendering *out, size_t message); /* the rendering of this message begins here: see cso_cut */

/* Around what counts of an assistant's turn; for other roles nothing happens. */
void cso_render_turn_begin(cso_rendering *out, const cso_message *message);
void cso_render_turn_end(cso_rendering *out, const cso_message *message);

/* Checks the roles of messages[first] on. */
cso_status cso_chat_check(const cso_message *messages, size_t first, size_t count, cso_error *err);
/* The template's rendering of the request from message `first` on, at the end of the rendering of those before. */
cso_status cso_chat_write(const cso_chat_template *chat, const cso_chat_request *request, size_t first, cso_rendering *rendering,
                          cso_error *err);
/* Whether the marks are tokens of this tokenizer. */
cso_status cso_chat_check_marks(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_rendering *rendering,
                                cso_error *err);
/* Where ids go. */
typedef struct cso_chat_output {
    cso_ids *ids;
    size_t *after; /* (mark_count) how many ids there are up to and including each mark; NULL: not wanted */
} cso_chat_output;
/* Appends the ids of what lies behind the first `first` marks, contents as text. */
cso_status cso_chat_encode(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_rendering *rendering,
                           size_t first, chat_memo *memo, const cso_chat_output *out, cso_error *err);

static inline bool cso_has_role(const cso_message *message, const char *role) {
    const char *a = message->role;
    while (*a && *a == *role) {
        a++;
        role++;
    }
    return *a == *role;
}

#endif
