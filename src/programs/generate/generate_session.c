/* generate_session.c - see generate_session.h. */
#include "generate_session.h"

#include "base/file.h"
#include "base/memory.h"
#include "programs/common/open_context.h"
#include "programs/common/word_option.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SYSTEM_PROMPT = 1 << 20 };

static cso_status open_constraints(generate_session *s, cso_error *err) {
    s->constraints = cso_calloc(1, sizeof *s->constraints);
    if (!s->constraints)
        return cso_fail_memory(err, "constraints");
    s->constraints->tokenizer = s->base.tokenizer;
    s->constraints->stops[0] = cso_chat_end_of_turn(s->base.chat, s->base.tokenizer);
    s->constraints->stops[1] = cso_tokenizer_eos(s->base.tokenizer);
    return CSO_OK;
}

static cso_status open_strategies(generate_session *s, cso_error *err) {
    const generate_arguments *o = s->arguments;
    size_t size;
    s->strategies = cso_strategies_builtin();
    if (o->strategies) {
        if (strcmp(o->strategies, "esc-pro") != 0) {
            CSO_TRY(cso_strategies_read(&s->own_strategies, o->strategies, err));
            s->strategies = s->own_strategies;
        }
        s->system_prompt = cso_strategies_prompt(s->strategies);
    }
    if (o->system_prompt) {
        CSO_TRY(cso_read_file(o->system_prompt, MAX_SYSTEM_PROMPT, &s->system_text, &size, err));
        s->system_prompt = s->system_text;
    }
    return s->defaults->strategy ? check_strategy(s->strategies, s->defaults->strategy, "--strategy", CSO_ERR_USAGE, err) : CSO_OK;
}

cso_status generate_session_open(generate_session *s, const generate_arguments *arguments, const reply_options *defaults,
                                 cso_error *err) {
    *s = (generate_session){.arguments = arguments, .defaults = defaults};
    CSO_TRY(open_strategies(s, err));
    CSO_TRY(open_context(&s->ctx, (int)arguments->threads, err));
    CSO_TRY(open_model(&s->base, arguments->model, arguments->tokenizer, arguments->chat_template, err));
    CSO_TRY(open_constraints(s, err));
    return arguments->adapter ? opened_model_adapter(&s->adapter, &s->base, arguments->adapter, err) : CSO_OK;
}

cso_status generate_session_decoder(generate_session *s, cso_error *err) {
    int compute;
    CSO_TRY(parse_word("--compute", s->arguments->compute, cso_decode_words, &compute, err));
    const cso_decoder_options options = {.compute = (cso_decode_compute)compute};
    return cso_decoder_create(&s->decoder, s->ctx, s->base.model, &options, err);
}

void generate_session_close(generate_session *s) {
    cso_decoder_free(s->decoder);
    if (s->constraints)
        reply_constraints_free(s->constraints);
    free(s->constraints);
    cso_context_free(s->ctx);
    cso_adapter_free(s->adapter);
    close_model(&s->base);
    cso_strategies_free(s->own_strategies);
    free(s->system_text);
    *s = (generate_session){0};
}

row_settings generate_session_rows(const generate_session *s) {
    return (row_settings){.chat = s->base.chat,
                          .tokenizer = s->base.tokenizer,
                          .vocab = cso_tokenizer_vocab(s->base.tokenizer),
                          .defaults = s->defaults,
                          .strategies = s->strategies,
                          .system_prompt = s->system_prompt,
                          .parse_special = s->arguments->parse_special};
}

cso_generate_options generate_session_options(const generate_session *s) {
    return (cso_generate_options){.tokenizer = s->base.tokenizer, .leaves = s->arguments->leaves};
}
