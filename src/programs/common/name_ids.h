/* name_ids.h - the token ids of "(NAME)" for each strategy, whose probabilities are those of the strategies. */
#ifndef CSO_NAME_IDS_H
#define CSO_NAME_IDS_H

#include "data/strategies.h"
#include "text/tokenizer.h"

typedef struct name_ids {
    cso_ids *items; /* (count), in the order of the strategies */
    size_t count;
} name_ids;

/* Zero-initialise; name_ids_free, also after a failure. */
cso_status name_ids_make(name_ids *names, const cso_strategies *strategies, const cso_tokenizer *tokenizer, cso_error *err);
void name_ids_free(name_ids *names);
/* Tokens of all names: rows of logits that their scores behind one prompt need at most. */
size_t name_ids_tokens(const name_ids *names);

#endif
