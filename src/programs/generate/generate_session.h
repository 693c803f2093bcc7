/* generate_session.h - what every way to generate needs: the model, the adapter, a decoder, and what prompts are made with. */
#ifndef CSO_GENERATE_SESSION_H
#define CSO_GENERATE_SESSION_H

#include "api/open_model.h"
#include "data/strategies.h"
#include "decode/decoder.h"
#include "decode/generate.h"
#include "prompt_rows.h"
#include "reply_constraints.h"
#include "reply_options.h"

typedef struct generate_arguments {
    const char *model, *adapter, *tokenizer, *chat_template, *compute;
    const char *prompt, *file, *prompts, *out, *strategies, *system_prompt;
    size_t threads, leaves;
    bool chat, parse_special;
} generate_arguments;

typedef struct generate_session {
    const generate_arguments *arguments;
    const reply_options *defaults;
    opened_model base;
    cso_context *ctx;
    cso_adapter *adapter;
    cso_decoder *decoder;
    reply_constraints *constraints;   /* that requests use */
    const cso_strategies *strategies; /* named by --strategies, else ESC-Pro's */
    cso_strategies *own_strategies;
    char *system_text;
    const char *system_prompt; /* before what has no system message; NULL: nothing was asked for */
} generate_session;

/* Opens all but the decoder. */
cso_status generate_session_open(generate_session *session, const generate_arguments *arguments, const reply_options *defaults,
                                 cso_error *err);
cso_status generate_session_decoder(generate_session *session, cso_error *err);
void generate_session_close(generate_session *session); /* a zeroed one is fine */

row_settings generate_session_rows(const generate_session *session);
/* Options that a cso_generate call begins with. */
cso_generate_options generate_session_options(const generate_session *session);

#endif
