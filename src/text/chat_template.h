/* chat_template.h - how a chat template is written in C. A new one: a file chat_<name>.c with its const cso_chat_template,
 * and a row in chat.c's table.
 */
#ifndef CSO_CHAT_TEMPLATE_H
#define CSO_CHAT_TEMPLATE_H

#include "chat.h"
#include "io/json.h"

#include <stdint.h>

/* A rendering: its text, and where in it the template itself wrote special tokens. */
typedef struct cso_mark {
    size_t begin, size; /* in text */
} cso_mark;

typedef struct cso_rendering {
    cso_text text;
    cso_mark *marks; /* (mark_count), in order */
    size_t mark_count, mark_capacity;
    cso_mark *turns; /* (turn_count), in order: the assistant's turns, what counts in training on them */
    size_t turn_count, turn_capacity;
    bool failed; /* out of memory for a mark or turn */
} cso_rendering;

struct cso_chat_template {
    const char *name;
    const char *end_of_turn; /* the token that ends an assistant's turn */
    const char *hint;        /* a string that only this kind of template contains, for messages */
    /* Known versions of the model's own text, as chat.c's hash of them; ends with 0. */
    const uint64_t *versions;
    /* count > 0, and every role is "system", "user" or "assistant". */
    cso_status (*render)(cso_rendering *out, const cso_message *messages, size_t count, bool add_generation_prompt, cso_error *err);
};

extern const cso_chat_template cso_chat_llama3, cso_chat_gemma2, cso_chat_chatml, cso_chat_smollm2;

void cso_render_special(cso_rendering *out, const char *token); /* a special token's string */
void cso_render_text(cso_rendering *out, const char *text);
void cso_render_bytes(cso_rendering *out, const char *text, size_t size);   /* what people wrote */
void cso_render_trimmed(cso_rendering *out, const char *text, size_t size); /* without white space around it */

/* Around what counts of an assistant's turn; for other roles nothing happens. */
void cso_render_turn_begin(cso_rendering *out, const cso_message *message);
void cso_render_turn_end(cso_rendering *out, const cso_message *message);

static inline bool cso_has_role(const cso_message *message, const char *role) {
    const char *a = message->role;
    while (*a && *a == *role) {
        a++;
        role++;
    }
    return *a == *role;
}

#endif
