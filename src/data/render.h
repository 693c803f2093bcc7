/* render.h - pairs of texts to pairs of token sequences, cut to the maximal length. */
#ifndef CSO_DATA_RENDER_H
#define CSO_DATA_RENDER_H

#include "pair_source.h"
#include "text/chat_series.h"

/* Consecutive pairs are often of one dialogue, with prompts that begin alike. Set the first three fields, zero the rest. */
typedef struct pair_renderer {
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    const cso_data_options *options;
    cso_chat_series *series; /* track 0: whole pairs; 1: cut ones */
    cso_ids prompt;
    cso_message *messages; /* the list that is being rendered */
    size_t messages_capacity;
    size_t last_cut; /* messages dropped from the last pair that was cut */
} pair_renderer;

/* *pair is zeroed first and filled; with CSO_TRUNCATE_ERROR a pair that is too long is CSO_ERR_INPUT. */
cso_status render_pair(pair_renderer *renderer, const pair_source *source, const char *place, cso_pair_tokens *pair,
                       cso_error *err);
void pair_renderer_free(pair_renderer *renderer);

#endif
