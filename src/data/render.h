/* render.h - pairs of texts to pairs of token sequences, cut to the maximal length. */
#ifndef CSO_DATA_RENDER_H
#define CSO_DATA_RENDER_H

#include "pair_source.h"

enum { RENDER_MEMO = 4 };

typedef struct render_memo {
    text_hash key;
    cso_ids ids;
    size_t last_use; /* 0: free */
} render_memo;

/* Consecutive pairs are often the alternatives of one turn, with the same prompt and the same preferred reply, so the last few
 * renderings are kept. Set the first three fields, zero the rest. */
typedef struct pair_renderer {
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    const cso_data_options *options;
    render_memo memo[RENDER_MEMO];
    size_t renderings;
    cso_message *messages; /* the list that is being rendered */
    size_t messages_capacity;
} pair_renderer;

/* *pair is zeroed first and filled; with CSO_TRUNCATE_ERROR a pair that is too long is CSO_ERR_INPUT. */
cso_status render_pair(pair_renderer *renderer, const pair_source *source, const char *place, cso_pair_tokens *pair,
                       cso_error *err);
void pair_renderer_free(pair_renderer *renderer);

#endif
