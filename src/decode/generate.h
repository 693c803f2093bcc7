/* generate.h - replies from a model, greedily: the most probable token at each position. */
#ifndef CSO_GENERATE_H
#define CSO_GENERATE_H

#include "base/status.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_generate_options {
    size_t max_tokens;    /* of the reply */
    size_t vocab;         /* only ids below this are chosen: the tokenizer's size, which may be below the model's rows; 0: all */
    const int32_t *stops; /* (n_stops) ids that end the reply; -1 is ignored */
    size_t n_stops;
    /* Is told of each token; *stop (false before) ends the reply after this one. NULL: nobody is. */
    cso_status (*token)(void *context, int32_t id, bool *stop, cso_error *err);
    void *context; /* of token */
} cso_generate_options;

/* Appends to reply the greedy continuation of prompt (n_prompt > 0 ids): until one of the stop ids (which is not appended) or
 * max_tokens. Of equally probable tokens the lowest id is taken. */
cso_status cso_generate_greedy(cso_engine *engine, const cso_adapter *adapter, const int32_t *prompt, size_t n_prompt,
                               const cso_generate_options *options, cso_ids *reply, cso_error *err);

#endif
