/* chat_memo.c - see chat_memo.h. */
#include "chat_memo.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS = 1 << 16, MAX_POOL = 1 << 22, MAX_TEXT = 1 << 16 };

void chat_memo_free(chat_memo *memo) {
    free(memo->slots);
    free(memo->pool.ids);
    *memo = (chat_memo){0};
}

/* The slot of the hash, or the free one for it. */
static chat_memo_slot *find_slot(const chat_memo *memo, XXH128_hash_t hash) {
    for (size_t at = hash.low64 & (SLOTS - 1);; at = (at + 1) & (SLOTS - 1)) {
        chat_memo_slot *slot = &memo->slots[at];
        if (!slot->count_plus_1 || (slot->low == hash.low64 && slot->high == hash.high64))
            return slot;
    }
}

/* Makes the memo able to take `count` more ids. */
static bool make_room(chat_memo *memo, size_t count) {
    if (memo->slots && (memo->used >= SLOTS / 2 || memo->pool.count + count > MAX_POOL)) {
        memset(memo->slots, 0, SLOTS * sizeof *memo->slots);
        memo->used = memo->pool.count = 0;
    }
    if (!memo->slots)
        memo->slots = cso_calloc(SLOTS, sizeof *memo->slots);
    return memo->slots && count <= MAX_POOL &&
           cso_grow(&memo->pool.ids, &memo->pool.capacity, memo->pool.count + count, sizeof *memo->pool.ids);
}

cso_status chat_memo_encode(chat_memo *memo, const cso_tokenizer *tokenizer, const char *text, size_t size,
                            chat_memo_encoder encode, cso_ids *ids, cso_error *err) {
    if (!memo || !size || size > MAX_TEXT)
        return encode(tokenizer, text, size, ids, err);
    XXH128_hash_t hash = XXH3_128bits(text, size);
    const chat_memo_slot *known = memo->slots ? find_slot(memo, hash) : NULL;
    if (known && known->count_plus_1)
        return cso_ids_add(ids, memo->pool.ids + known->first, known->count_plus_1 - 1, err);
    size_t before = ids->count;
    CSO_TRY(encode(tokenizer, text, size, ids, err));
    size_t count = ids->count - before;
    if (!make_room(memo, count)) /* it is only slower without */
        return CSO_OK;
    *find_slot(memo, hash) = (chat_memo_slot){hash.low64, hash.high64, (uint32_t)memo->pool.count, (uint32_t)count + 1};
    if (count)
        memcpy(memo->pool.ids + memo->pool.count, ids->ids + before, count * sizeof *ids->ids);
    memo->pool.count += count;
    memo->used++;
    return CSO_OK;
}
