/* reply_line.c - see reply_line.h. */
#include "reply_line.h"

#include <stdlib.h>
#include <string.h>

static cso_status add_alternative(cso_text *line, const cso_tokenizer *tokenizer, const cso_alternative *a, cso_error *err) {
    char *text = NULL;
    size_t size;
    CSO_TRY(cso_tokenizer_decode(tokenizer, &a->id, 1, &text, &size, err));
    cso_text_format(line, "{\"id\": %d, \"text\": ", (int)a->id);
    cso_text_json_string(line, text, size);
    cso_text_add(line, ", \"logprob\": ", 13);
    cso_text_json_number(line, a->logp);
    cso_text_add(line, "}", 1);
    free(text);
    return CSO_OK;
}

/* The alternatives at each position, a list each. */
static cso_status add_top(cso_text *line, const cso_tokenizer *tokenizer, const cso_reply *reply, cso_error *err) {
    size_t n = reply->request->n_top;
    cso_text_format(line, ", \"top_logprobs\": [");
    for (size_t i = 0; i < reply->n_ids; i++) {
        cso_text_format(line, "%s[", i ? ", " : "");
        for (size_t k = 0; k < n; k++) {
            const cso_alternative *a = &reply->top[i * n + k];
            if (a->id < 0)
                break;
            cso_text_add(line, ", ", k ? 2 : 0);
            CSO_TRY(add_alternative(line, tokenizer, a, err));
        }
        cso_text_add(line, "]", 1);
    }
    cso_text_add(line, "]", 1);
    return CSO_OK;
}

static void add_strategies(cso_text *line, const reply_line_parts *parts) {
    cso_text_format(line, ", \"strategies\": {");
    for (size_t i = 0; i < parts->strategies->count; i++) {
        const char *name = parts->strategies->items[i].name;
        cso_text_add(line, ", ", i ? 2 : 0);
        cso_text_json_string(line, name, strlen(name));
        cso_text_add(line, ": ", 2);
        cso_text_json_number(line, parts->probabilities[i]);
    }
    cso_text_add(line, "}", 1);
}

cso_status reply_line_add(cso_text *line, const reply_line_parts *parts, const cso_reply *reply, cso_error *err) {
    const prompt_row *row = parts->row;
    cso_text_format(line, "{\"index\": %zu", row->index);
    if (row->has_turn)
        cso_text_format(line, ", \"turn\": %zu", row->turn);
    cso_text_format(line, ", \"reply\": %zu, \"text\": ", reply->number);
    cso_text_json_string(line, reply->text, reply->size);
    cso_text_format(line, ", \"ids\": [");
    for (size_t i = 0; i < reply->n_ids; i++)
        cso_text_format(line, "%s%d", i ? ", " : "", (int)reply->ids[i]);
    cso_text_format(line, "], \"finish_reason\": \"%s\"", cso_finish_words[reply->finish]);
    if (reply->logps) {
        cso_text_format(line, ", \"logprobs\": [");
        for (size_t i = 0; i < reply->n_ids; i++) {
            cso_text_add(line, ", ", i ? 2 : 0);
            cso_text_json_number(line, reply->logps[i]);
        }
        cso_text_add(line, "]", 1);
    }
    if (reply->top)
        CSO_TRY(add_top(line, parts->tokenizer, reply, err));
    if (parts->probabilities)
        add_strategies(line, parts);
    if (parts->origin)
        reply_origin_add(line, parts->origin);
    cso_text_add(line, "}\n", 2);
    return line->failed ? cso_fail_memory(err, "a reply") : CSO_OK;
}
