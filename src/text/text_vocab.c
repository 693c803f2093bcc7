/* text_vocab.c - see text_vocab.h. */
#include "text_vocab.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static bool pool_add(cso_vocab *vocab, const char *text, size_t size, uint32_t *offset) {
    size_t need;
    if (!cso_size_add(vocab->pool_size, size, &need) || need > UINT32_MAX ||
        !cso_grow(&vocab->pool, &vocab->pool_capacity, need ? need : 1, 1))
        return false;
    if (size)
        memcpy(vocab->pool + vocab->pool_size, text, size);
    *offset = (uint32_t)vocab->pool_size;
    vocab->pool_size = need;
    return true;
}

cso_status cso_vocab_set(cso_vocab *vocab, size_t id, cso_chars text, cso_chars bytes, cso_token_kind kind, const char *place,
                         cso_error *err) {
    if (id >= CSO_MAX_TOKENS)
        return cso_fail(err, CSO_ERR_INPUT, "%s: token id %zu is too high (below %d)", place, id, CSO_MAX_TOKENS);
    if (text.size > CSO_MAX_TOKEN_SIZE)
        return cso_fail(err, CSO_ERR_INPUT, "%s: token %zu has %zu bytes (at most %d)", place, id, text.size, CSO_MAX_TOKEN_SIZE);
    if (id >= vocab->count) {
        if (!cso_grow(&vocab->tokens, &vocab->capacity, id + 1, sizeof *vocab->tokens))
            return cso_fail_memory(err, "the vocabulary");
        memset(vocab->tokens + vocab->count, 0, (id + 1 - vocab->count) * sizeof *vocab->tokens);
        vocab->count = id + 1;
    }
    cso_token *token = &vocab->tokens[id];
    if (token->kind != CSO_TOKEN_NONE)
        return cso_fail(err, CSO_ERR_INPUT, "%s: id %zu belongs to two tokens, \"%.*s\" and \"%.*s\"", place, id,
                        (int)(token->text_size < 64 ? token->text_size : 64), vocab->pool + token->text,
                        (int)(text.size < 64 ? text.size : 64), text.text);
    if (!pool_add(vocab, text.text, text.size, &token->text))
        return cso_fail_memory(err, "the vocabulary");
    token->text_size = (uint32_t)text.size;
    token->bytes = token->text;
    token->bytes_size = token->text_size;
    if (bytes.text && !(bytes.size == text.size && !memcmp(bytes.text, text.text, text.size))) {
        if (!pool_add(vocab, bytes.text, bytes.size, &token->bytes))
            return cso_fail_memory(err, "the vocabulary");
        token->bytes_size = (uint32_t)bytes.size;
    }
    token->kind = (uint8_t)kind;
    return CSO_OK;
}

/* The slot of the string, or the empty slot for it. */
static cso_vocab_slot *find_slot(const cso_vocab *vocab, const char *text, size_t size, uint64_t hash) {
    for (size_t at = hash & vocab->mask;; at = (at + 1) & vocab->mask) {
        cso_vocab_slot *slot = &vocab->slots[at];
        if (!slot->number)
            return slot;
        if (slot->tag != (uint32_t)(hash >> 32))
            continue;
        const cso_token *token = &vocab->tokens[slot->number - 1];
        if (token->text_size == size && !memcmp(vocab->pool + token->text, text, size))
            return slot;
    }
}

cso_status cso_vocab_index(cso_vocab *vocab, const char *place, cso_error *err) {
    size_t slots = 16;
    while (slots < vocab->count * 2)
        slots *= 2;
    free(vocab->slots);
    vocab->mask = slots - 1;
    vocab->slots = cso_calloc(slots, sizeof *vocab->slots);
    if (!vocab->slots)
        return cso_fail_memory(err, "the vocabulary's index");
    for (size_t id = 0; id < vocab->count; id++) {
        const cso_token *token = &vocab->tokens[id];
        if (token->kind == CSO_TOKEN_NONE)
            continue;
        const char *text = vocab->pool + token->text;
        uint64_t hash = XXH3_64bits(text, token->text_size);
        cso_vocab_slot *slot = find_slot(vocab, text, token->text_size, hash);
        if (!slot->number)
            *slot = (cso_vocab_slot){(uint32_t)id + 1, (uint32_t)(hash >> 32)};
        else if (token->kind != CSO_TOKEN_UNUSED) /* padding tokens may repeat: nothing is ever encoded to them */
            return cso_fail(err, CSO_ERR_INPUT, "%s: the tokens %u and %zu are both \"%.*s\"", place, (unsigned)slot->number - 1,
                            id, (int)(token->text_size < 64 ? token->text_size : 64), text);
    }
    return CSO_OK;
}

cso_status cso_vocab_check(const cso_vocab *vocab, const char *place, cso_error *err) {
    if (!vocab->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: the vocabulary is empty", place);
    for (size_t id = 0; id < vocab->count; id++)
        if (vocab->tokens[id].kind == CSO_TOKEN_NONE)
            return cso_fail(err, CSO_ERR_INPUT, "%s: no token has the id %zu (ids must run from 0 to %zu)", place, id,
                            vocab->count - 1);
    return CSO_OK;
}

void cso_vocab_free(cso_vocab *vocab) {
    free(vocab->tokens);
    free(vocab->pool);
    free(vocab->slots);
    *vocab = (cso_vocab){0};
}

int32_t cso_vocab_find(const cso_vocab *vocab, const char *text, size_t size) {
    return vocab->slots ? (int32_t)find_slot(vocab, text, size, XXH3_64bits(text, size))->number - 1 : -1;
}
