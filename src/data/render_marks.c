/* render_marks.c - see render_marks.h. */
#include "render_marks.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The marks of a conversation's `count` tokens with so many more before and behind: those before do not count, those behind do if the
 * last token does. */
static cso_status widen_marks(cso_pair_tokens *pair, size_t count, size_t before, size_t behind, cso_error *err) {
    uint8_t *wider = cso_calloc(count + before + behind, 1);
    if (!wider)
        return cso_fail_memory(err, "token ids");
    memcpy(wider + before, pair->scored, count);
    if (behind && count)
        wider[before + count] = pair->scored[count - 1];
    free(pair->scored);
    pair->scored = wider;
    return CSO_OK;
}

cso_status mark_end_tokens(cso_pair_tokens *pair, const cso_tokenizer *tokenizer, cso_error *err) {
    int32_t bos = cso_tokenizer_adds_bos(tokenizer) ? cso_tokenizer_bos(tokenizer) : -1, eos = cso_tokenizer_eos(tokenizer);
    bool missing = bos >= 0 && (!pair->sequence[0].count || pair->sequence[0].ids[0] != bos);
    for (size_t i = 0; i < pair->n; i++) {
        cso_ids *ids = &pair->sequence[i];
        bool open = eos >= 0 && (!ids->count || ids->ids[ids->count - 1] != eos);
        if (!cso_grow(&ids->ids, &ids->capacity, ids->count + 2, sizeof *ids->ids))
            return cso_fail_memory(err, "token ids");
        if (pair->scored)
            CSO_TRY(widen_marks(pair, ids->count, missing, open, err));
        if (missing) {
            memmove(ids->ids + 1, ids->ids, ids->count * sizeof *ids->ids);
            ids->ids[0] = bos;
            ids->count++;
        }
        if (open)
            ids->ids[ids->count++] = eos;
    }
    /* A text or conversation, which is no prompt and reply, stays so. */
    pair->prompt_length += missing && pair->prompt_length;
    return CSO_OK;
}

/* The bytes of tokens from a position on, decoded until "(Strategy)" is complete behind white space: a template's newline may be part
 * of the reply's first token. */
typedef struct strategy_search {
    const char *strategy;
    size_t size;    /* of "(Strategy)" */
    size_t matched; /* bytes of it so far */
    bool failed;
} strategy_search;

static char strategy_byte(const strategy_search *search, size_t at) {
    return at == 0 ? '(' : at == search->size - 1 ? ')' : search->strategy[at - 1];
}

/* Whether one of these bytes belongs to "(Strategy)". */
static bool feed(strategy_search *search, const char *bytes, size_t size) {
    bool inside = false;
    for (size_t i = 0; i < size && search->matched < search->size && !search->failed; i++) {
        if (!search->matched && (bytes[i] == ' ' || (bytes[i] >= '\t' && bytes[i] <= '\r')))
            continue;
        search->failed = bytes[i] != strategy_byte(search, search->matched);
        search->matched += !search->failed;
        inside = true;
    }
    return inside && !search->failed;
}

static cso_status mark_strategy(const cso_ids *ids, size_t start, cso_reply_info *info, const cso_tokenizer *tokenizer,
                                cso_error *err) {
    strategy_search search = {info->strategy, strlen(info->strategy) + 2, 0, false};
    size_t from = ids->count, t = start;
    for (; t < ids->count && search.matched < search.size && !search.failed; t++) {
        char *bytes;
        size_t size;
        CSO_TRY(cso_tokenizer_decode_bytes(tokenizer, &ids->ids[t], 1, &bytes, &size, err));
        if (feed(&search, bytes, size) && from == ids->count)
            from = t;
        free(bytes);
    }
    bool found = search.matched == search.size;
    info->strategy_from = found ? from : 0;
    info->strategy_to = found ? t : 0;
    return CSO_OK;
}

cso_status mark_strategies(cso_pair_tokens *pair, const cso_tokenizer *tokenizer, cso_error *err) {
    for (size_t i = 0; i < pair->n; i++)
        if (pair->reply[i].strategy)
            CSO_TRY(mark_strategy(&pair->sequence[i], pair->prompt_length, &pair->reply[i], tokenizer, err));
    return CSO_OK;
}
