/* render_marks.h - what is done to token sequences after rendering: end tokens, and where strategies lie. */
#ifndef CSO_DATA_RENDER_MARKS_H
#define CSO_DATA_RENDER_MARKS_H

#include "record.h"

/* EOS behind each sequence that does not end with it, and BOS in front of all where the tokenizer puts one and it is missing. */
cso_status mark_end_tokens(cso_pair_tokens *pair, const cso_tokenizer *tokenizer, cso_error *err);
/* Fills strategy_from and strategy_to of the replies that have a strategy: the tokens that overlap the bytes of "(Strategy)". */
cso_status mark_strategies(cso_pair_tokens *pair, const cso_tokenizer *tokenizer, cso_error *err);

#endif
