/* chat_memo.h - ids of texts that were encoded before: the turns of a dialogue come again in each later prompt. */
#ifndef CSO_CHAT_MEMO_H
#define CSO_CHAT_MEMO_H

#include "tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct chat_memo_slot {
    uint64_t low, high;           /* XXH3-128 of the text: equal hashes are taken for equal texts */
    uint32_t first, count_plus_1; /* its ids in the pool; 0: the slot is free */
} chat_memo_slot;

/* Of one tokenizer. Bounded: when it is full it is emptied. Zero-initialise. */
typedef struct chat_memo {
    chat_memo_slot *slots; /* open addressing, at most half full */
    size_t used;
    cso_ids pool;
} chat_memo;

/* Appends the ids of text[size] that `encode` gives, or gave before: it is the same in all calls with this memo, as is the
 * tokenizer. memo NULL: encodes. */
typedef cso_status (*chat_memo_encoder)(const cso_tokenizer *tokenizer, const char *text, size_t size, cso_ids *ids,
                                        cso_error *err);
cso_status chat_memo_encode(chat_memo *memo, const cso_tokenizer *tokenizer, const char *text, size_t size,
                            chat_memo_encoder encode, cso_ids *ids, cso_error *err);
void chat_memo_free(chat_memo *memo);

#endif
