/* generate.h - replies from a model, greedily: the most probable token at each position. */
#ifndef CSO_GENERATE_H
#define CSO_GENERATE_H

#include "base/status.h"
#include "decoder.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One reply to make. */
typedef struct cso_generation {
    const cso_adapter *adapter; /* NULL: the base model */
    const int32_t *prompt;      /* (n_prompt > 0) */
    size_t n_prompt;
    cso_ids *reply; /* appended to */
} cso_generation;

typedef struct cso_generate_options {
    size_t max_tokens;    /* of a reply */
    size_t vocab;         /* only ids below this are chosen: the tokenizer's size, which may be below the model's rows; 0: all */
    const int32_t *stops; /* (n_stops) ids that end a reply; -1 is ignored */
    size_t n_stops;
    size_t leaves; /* replies that are made at the same time; 0: 16. They do not depend on it */
    /* Is told of each token of each reply; *stop (false before) ends the reply after this one. NULL: nobody is. */
    cso_status (*token)(void *context, size_t which, int32_t id, bool *stop, cso_error *err);
    void *context; /* of token */
} cso_generate_options;

/* Appends to each reply the greedy continuation of its prompt: until one of the stop ids (which is not appended) or max_tokens. Of
 * equally probable tokens the lowest id is taken. What prompts share is computed once. */
cso_status cso_generate_greedy(cso_decoder *decoder, const cso_generation *list, size_t n, const cso_generate_options *options,
                               cso_error *err);

#endif
