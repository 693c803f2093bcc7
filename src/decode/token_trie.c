/* token_trie.c - a vocabulary as a trie. */
#include "base/memory.h"
#include "constraint_parts.h"

#include <stdlib.h>
#include <string.h>

size_t cso_token_trie_words(const cso_token_trie *trie) {
    return (trie->vocab + 63) / 64;
}

/* Adds the token's bytes to the pool; none if it is not for text. */
static cso_status add_token(cso_token_trie *t, size_t *used, size_t *capacity, const cso_tokenizer *tokenizer, int32_t id,
                            cso_error *err) {
    char *bytes = NULL;
    size_t size = 0;
    t->begins[id] = (uint32_t)*used;
    if (!cso_tokenizer_is_text(tokenizer, id) || t->ends[id / 64] >> (id % 64) & 1)
        return CSO_OK;
    CSO_TRY(cso_tokenizer_decode_bytes(tokenizer, &id, 1, &bytes, &size, err));
    if (size > TOKEN_LONGEST)
        size = 0;
    bool fits = *used + size <= UINT32_MAX && cso_grow(&t->pool, capacity, *used + size + 1, 1);
    if (fits && size)
        memcpy(t->pool + *used, bytes, size);
    *used += size;
    free(bytes);
    return fits ? CSO_OK : cso_fail_memory(err, "the vocabulary's trie");
}

static cso_status build(cso_token_trie *t, cso_error *err) {
    byte_trie_string *strings = cso_calloc(t->vocab + 1, sizeof *strings);
    uint32_t count = 0;
    if (!strings)
        return cso_fail_memory(err, "the vocabulary's trie");
    for (uint32_t id = 0; id < t->vocab; id++) {
        uint32_t size = t->begins[id + 1] - t->begins[id];
        if (size)
            strings[count++] = (byte_trie_string){t->pool + t->begins[id], size, id};
        if (size == 1)
            t->bytes[(uint8_t)t->pool[t->begins[id]]] = true;
    }
    cso_status status = byte_trie_build(&t->trie, strings, count, err);
    free(strings);
    return status;
}

/* Children come after their parents, so from the last node to the first each is finished before its parent needs it. */
cso_status token_trie_heights(const cso_token_trie *t, const bool plain[256], uint16_t **heights, cso_error *err) {
    const byte_trie_node *nodes = t->trie.nodes;
    uint16_t *h = cso_calloc(t->trie.count, sizeof *h);
    *heights = h;
    if (!h)
        return cso_fail_memory(err, "the vocabulary's trie");
    for (uint32_t node = t->trie.count; node-- > 1;) {
        bool all = plain[nodes[node].byte];
        uint16_t below = 0;
        for (uint32_t child = node + 1; all && child < nodes[node].end; child = nodes[child].end) {
            all = h[child];
            if (h[child] > below)
                below = h[child];
        }
        if (all)
            h[node] = (uint16_t)(below + 1);
    }
    return CSO_OK;
}

static cso_status fill(cso_token_trie *t, const cso_tokenizer *tokenizer, const int32_t *ends, size_t n_ends, cso_error *err) {
    size_t used = 0, capacity = 0;
    t->begins = cso_calloc(t->vocab + 1, sizeof *t->begins);
    t->ends = cso_calloc(cso_token_trie_words(t), sizeof *t->ends);
    if (!t->begins || !t->ends)
        return cso_fail_memory(err, "the vocabulary's trie");
    for (size_t i = 0; i < n_ends; i++)
        if (ends[i] >= 0 && (size_t)ends[i] < t->vocab)
            t->ends[ends[i] / 64] |= UINT64_C(1) << ends[i] % 64;
    for (size_t id = 0; id < t->vocab; id++)
        CSO_TRY(add_token(t, &used, &capacity, tokenizer, (int32_t)id, err));
    t->begins[t->vocab] = (uint32_t)used;
    CSO_TRY(build(t, err));
    t->continuations = true;
    for (int byte = 0x80; byte < 0xC0; byte++)
        t->continuations = t->continuations && t->bytes[byte];
    bool plain[256] = {false};
    for (int byte = 0x20; byte < 0x7F; byte++)
        plain[byte] = byte != '"' && byte != '\\';
    return token_trie_heights(t, plain, &t->heights, err);
}

cso_status cso_token_trie_create(cso_token_trie **trie, const cso_tokenizer *tokenizer, const int32_t *ends, size_t n_ends,
                                 cso_error *err) {
    cso_token_trie *t = cso_calloc(1, sizeof *t);
    *trie = NULL;
    if (!t)
        return cso_fail_memory(err, "the vocabulary's trie");
    t->vocab = cso_tokenizer_vocab(tokenizer);
    cso_status status = fill(t, tokenizer, ends, n_ends, err);
    if (status != CSO_OK) {
        cso_token_trie_free(t);
        return status;
    }
    *trie = t;
    return CSO_OK;
}

void cso_token_trie_free(cso_token_trie *trie) {
    if (!trie)
        return;
    byte_trie_free(&trie->trie);
    free(trie->heights);
    free(trie->begins);
    free(trie->pool);
    free(trie->ends);
    free(trie);
}
