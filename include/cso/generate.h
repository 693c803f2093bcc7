/* generate.h - replies from a model: for now the most probable token, again and again. */
#ifndef CSO_GENERATE_H
#define CSO_GENERATE_H

#include "cso/engine.h"
#include "cso/status.h"
#include "cso/tokenizer.h"

/* Appends to reply the greedy continuation of prompt (n_prompt > 0 ids): until one of the stop ids (which is not appended) or
 * max_tokens. Of equally probable tokens the lowest id is taken. */
cso_status cso_generate_greedy(cso_engine *engine, const cso_adapter *adapter, const int32_t *prompt, size_t n_prompt, size_t max_tokens,
                               const int32_t *stops, size_t n_stops, cso_ids *reply, cso_error *err);

#endif
