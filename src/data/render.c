/* render.c - pairs of texts to pairs of token sequences, lists to as many as they have replies, and conversations to one.
 *
 * TRL's rule. The prompt is the template's rendering with generation prompt; a sequence is its rendering of prompt and reply
 * without one. The reply begins where the two part, for a pair or list at the smallest of the common prefixes: tokens may merge
 * across the border (a reply that begins with a newline takes that of "<|im_start|>assistant\n" with it). Plain texts are
 * encoded as prompt + reply + EOS, with BOS where the tokenizer's own post-processor puts one.
 *
 * A conversation is the template's rendering of all messages; the tokens of the assistant's turns count (chat.h).
 *
 * What is too long loses its oldest turns, whole: the prompt is cut so that it begins, after the system message, with a
 * later user message. Roles go on taking turns, and the last user message always stays.
 */
#include "render.h"

#include "base/memory.h"
#include "render_marks.h"

#include <stdlib.h>
#include <string.h>

const char *const cso_truncation_words[] = {
    [CSO_TRUNCATE_LEFT] = "left",
    [CSO_TRUNCATE_DROP] = "drop",
    [CSO_TRUNCATE_ERROR] = "error",
    NULL,
};

void cso_pair_tokens_free(cso_pair_tokens *pair) {
    for (size_t i = 0; pair->sequence && i < pair->n; i++)
        free(pair->sequence[i].ids);
    free(pair->sequence);
    free(pair->reply);
    free(pair->scored);
    *pair = (cso_pair_tokens){0};
}

void pair_renderer_free(pair_renderer *renderer) {
    cso_chat_series_free(renderer->series);
    free(renderer->prompt.ids);
    free(renderer->messages);
    *renderer = (pair_renderer){0};
}

static cso_status ids_append(cso_ids *ids, const int32_t *more, size_t count, cso_error *err) {
    if (!cso_grow(&ids->ids, &ids->capacity, ids->count + count, sizeof *ids->ids))
        return cso_fail_memory(err, "token ids");
    if (count)
        memcpy(ids->ids + ids->count, more, count * sizeof *more);
    ids->count += count;
    return CSO_OK;
}

/* How many ids two lists have in common, of which the first `length` are known to be. */
static size_t common_prefix(const cso_ids *a, const cso_ids *b, size_t length) {
    while (length < a->count && length < b->count && a->ids[length] == b->ids[length])
        length++;
    return length;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The number of leading messages that truncation keeps. */
static size_t system_count(const pair_source *source) {
    return source->prompt_count && !strcmp(source->prompt[0].role, "system");
}

/* Fills renderer->messages with the prompt, less `dropped` messages after the system message; room for `more` stays behind them. */
static cso_status list_prompt(pair_renderer *renderer, const pair_source *source, size_t dropped, size_t more, size_t *count,
                              cso_error *err) {
    size_t head = system_count(source), tail = head + dropped;
    *count = 0;
    if (!cso_grow(&renderer->messages, &renderer->messages_capacity, source->prompt_count + more, sizeof *renderer->messages))
        return cso_fail_memory(err, "messages");
    for (size_t i = 0; i < source->prompt_count; i++)
        if (i < head || i >= tail)
            renderer->messages[(*count)++] = source->prompt[i];
    return CSO_OK;
}

/* A list to render: the first `count` of renderer->messages. track, known: see chat_series.h. */
typedef struct list_request {
    size_t track, count, known;
    bool generation_prompt;
} list_request;

static cso_status render(pair_renderer *renderer, const list_request *list, const cso_ids **ids, size_t *same, cso_error *err) {
    const cso_chat_request request = {renderer->messages, list->count, list->generation_prompt, renderer->options->parse_special};
    if (!renderer->series)
        CSO_TRY(cso_chat_series_create(&renderer->series, renderer->chat, renderer->tokenizer, err));
    return cso_chat_series_render(renderer->series, list->track, &request, list->known, ids, same, err);
}

/* A conversation, less `dropped` messages after the system message. */
static cso_status render_conversation(pair_renderer *renderer, const pair_source *source, size_t dropped, cso_pair_tokens *pair,
                                      cso_error *err) {
    cso_chat_ids whole;
    size_t count;
    CSO_TRY(list_prompt(renderer, source, dropped, 0, &count, err));
    const cso_chat_request request = {renderer->messages, count, false, renderer->options->parse_special};
    CSO_TRY(cso_chat_render_counted(renderer->chat, renderer->tokenizer, &request, &whole, err));
    free(pair->sequence[0].ids);
    free(pair->scored);
    pair->sequence[0] = whole.ids;
    pair->scored = whole.counted;
    return CSO_OK;
}

static cso_status render_chat(pair_renderer *renderer, const pair_source *source, size_t dropped, cso_pair_tokens *pair,
                              cso_error *err) {
    const cso_ids *ids;
    list_request list = {.track = dropped > 0, .generation_prompt = true};
    size_t count, same, common = SIZE_MAX, larger = 0;
    if (!source->n_replies)
        return render_conversation(renderer, source, dropped, pair, err);
    for (size_t i = 0; i < source->n_replies; i++)
        larger = source->reply[i].count > larger ? source->reply[i].count : larger;
    CSO_TRY(list_prompt(renderer, source, dropped, larger, &count, err));
    list.count = count;
    CSO_TRY(render(renderer, &list, &ids, &same, err));
    renderer->prompt.count = 0;
    CSO_TRY(ids_append(&renderer->prompt, ids->ids, ids->count, err));
    pair->prompt_length = ids->count;
    for (size_t i = 0; i < source->n_replies; i++) {
        const source_reply *reply = &source->reply[i];
        for (size_t k = 0; k < reply->count; k++)
            renderer->messages[count + k] = reply->messages[k];
        list = (list_request){.track = list.track, .count = count + reply->count, .known = count};
        CSO_TRY(render(renderer, &list, &ids, &same, err));
        common = smaller(common, same); /* all ids before it are still those of the prompt */
        pair->prompt_length = smaller(pair->prompt_length, common_prefix(&renderer->prompt, ids, common));
        pair->sequence[i].count = 0;
        CSO_TRY(ids_append(&pair->sequence[i], ids->ids, ids->count, err));
    }
    return CSO_OK;
}

/* Whether text ends with what the EOS token stands for; *size is then without it. */
static cso_status cut_eos(const cso_tokenizer *tokenizer, int32_t eos, const char *text, size_t *size, cso_error *err) {
    char *piece;
    size_t piece_size;
    CSO_TRY(cso_tokenizer_decode_bytes(tokenizer, &eos, 1, &piece, &piece_size, err));
    if (piece_size && *size >= piece_size && !memcmp(text + *size - piece_size, piece, piece_size))
        *size -= piece_size;
    free(piece);
    return CSO_OK;
}

static cso_status encode_plain(pair_renderer *renderer, const cso_message *prompt, const cso_message *reply, cso_ids *ids,
                               cso_error *err) {
    const cso_tokenizer *tokenizer = renderer->tokenizer;
    int32_t bos = cso_tokenizer_bos(tokenizer), eos = cso_tokenizer_eos(tokenizer);
    size_t reply_size = reply ? reply->size : 0, size;
    if (cso_tokenizer_adds_bos(tokenizer) && bos >= 0)
        CSO_TRY(ids_append(ids, &bos, 1, err));
    if (reply && eos >= 0)
        CSO_TRY(cut_eos(tokenizer, eos, reply->content, &reply_size, err));
    if (!cso_size_add(prompt->size, reply_size, &size))
        return cso_fail_memory(err, "a text");
    char *text = cso_calloc(size, 1);
    if (!text)
        return cso_fail_memory(err, "a text");
    if (prompt->size)
        memcpy(text, prompt->content, prompt->size);
    if (reply_size)
        memcpy(text + prompt->size, reply->content, reply_size);
    cso_status status = cso_tokenizer_encode(tokenizer, text, size, renderer->options->parse_special, ids, err);
    free(text);
    if (status == CSO_OK && reply && eos >= 0)
        status = ids_append(ids, &eos, 1, err);
    return status;
}

static cso_status render_plain(pair_renderer *renderer, const pair_source *source, cso_pair_tokens *pair, cso_error *err) {
    static const cso_message nothing = {0};
    cso_ids prompt = {0};
    cso_status status;
    if (!source->n_replies) /* all of the text counts */
        return encode_plain(renderer, &nothing, source->prompt, &pair->sequence[0], err);
    CSO_TRY_DONE(encode_plain(renderer, source->prompt, NULL, &prompt, err));
    pair->prompt_length = prompt.count;
    for (size_t i = 0; i < source->n_replies; i++) {
        CSO_TRY_DONE(encode_plain(renderer, source->prompt, source->reply[i].messages, &pair->sequence[i], err));
        pair->prompt_length = smaller(pair->prompt_length, common_prefix(&prompt, &pair->sequence[i], 0));
    }
done:
    free(prompt.ids);
    return status;
}

/* Of the longest sequence. */
static size_t pair_length(const cso_pair_tokens *pair) {
    size_t length = 0;
    for (size_t i = 0; i < pair->n; i++)
        length = pair->sequence[i].count > length ? pair->sequence[i].count : length;
    return length;
}

static cso_status render_all(pair_renderer *renderer, const pair_source *source, size_t dropped, cso_pair_tokens *pair,
                             cso_error *err) {
    CSO_TRY(source->plain ? render_plain(renderer, source, pair, err) : render_chat(renderer, source, dropped, pair, err));
    return renderer->options->end_token ? mark_end_tokens(pair, renderer->tokenizer, err) : CSO_OK;
}

/* The next larger number of messages to drop, such that the rest goes on with a user message, to which there is a reply; 0: there
 * is none. */
static size_t next_cut(const pair_source *source, size_t dropped) {
    size_t head = system_count(source), end = source->prompt_count;
    while (!source->n_replies && end && strcmp(source->prompt[end - 1].role, "assistant") != 0)
        end--; /* the end of a conversation that has no reply of its own */
    for (size_t i = head + dropped + 1; i < end; i++)
        if (!strcmp(source->prompt[i].role, "user"))
            return i - head;
    return 0;
}

/* The fewest turns to drop. Dropping more never makes a rendering longer, so the cut is found by halving; but the pairs of a dialogue
 * are cut at nearly the same turn, so the search begins where the pair before was cut, with steps that double until the cut lies
 * between two that were tried. */
static cso_status find_cut(pair_renderer *renderer, const pair_source *source, const size_t *cuts, size_t count,
                           cso_pair_tokens *pair, size_t *found, cso_error *err) {
    size_t low = 0, high = count, probe = 0, step = 1; /* cuts below low are too short, those from high on enough */
    while (probe + 1 < count && cuts[probe] < renderer->last_cut)
        probe++;
    while (low < high) {
        CSO_TRY(render_all(renderer, source, cuts[probe], pair, err));
        if (pair_length(pair) <= renderer->options->max_length)
            high = probe;
        else
            low = probe + 1;
        if (!low) /* so far all were enough */
            probe = high > step ? high - step : 0;
        else if (high == count) /* none was */
            probe = low + smaller(step, high - low) - 1;
        else
            probe = low + (high - low) / 2;
        step *= 2;
    }
    *found = high;
    return CSO_OK;
}

static cso_status cut_turns(pair_renderer *renderer, const pair_source *source, cso_pair_tokens *pair, cso_error *err) {
    size_t count = 0, found;
    size_t *cuts = cso_calloc(source->prompt_count, sizeof *cuts);
    if (!cuts)
        return cso_fail_memory(err, "messages");
    for (size_t cut = next_cut(source, 0); cut; cut = next_cut(source, cut))
        cuts[count++] = cut;
    cso_status status = find_cut(renderer, source, cuts, count, pair, &found, err);
    if (status == CSO_OK && found < count) {
        pair->turns_dropped = renderer->last_cut = cuts[found];
        status = render_all(renderer, source, cuts[found], pair, err);
    } else if (status == CSO_OK) {
        pair->dropped = true;
    }
    free(cuts);
    return status;
}

static cso_status fit(pair_renderer *renderer, const pair_source *source, const char *place, cso_pair_tokens *pair,
                      cso_error *err) {
    size_t max_length = renderer->options->max_length;
    if (pair_length(pair) <= max_length)
        return CSO_OK;
    switch (renderer->options->truncation) {
    case CSO_TRUNCATE_ERROR:
        return cso_fail(err, CSO_ERR_INPUT, "%s: %zu tokens of prompt and reply are more than data.max_length = %zu", place,
                        pair_length(pair), max_length);
    case CSO_TRUNCATE_DROP:
        pair->dropped = true;
        return CSO_OK;
    case CSO_TRUNCATE_LEFT:
        break;
    }
    if (!source->plain)
        return cut_turns(renderer, source, pair, err);
    pair->dropped = true; /* a text has no turns */
    return CSO_OK;
}

/* Room for the sequences, and what the source knows of them. */
static cso_status begin_pair(const pair_source *source, cso_pair_tokens *pair, cso_error *err) {
    size_t n = source->n_replies ? source->n_replies : 1;
    *pair = (cso_pair_tokens){.n = n, .pair = source->pair, .unknown_strategies = source->unknown_strategies};
    pair->sequence = cso_calloc(n, sizeof *pair->sequence);
    pair->reply = cso_calloc(n, sizeof *pair->reply);
    if (!pair->sequence || !pair->reply)
        return cso_fail_memory(err, "token sequences");
    for (size_t i = 0; i < n; i++)
        pair->reply[i] = source->n_replies ? source->reply[i].info : source->whole;
    return CSO_OK;
}

cso_status render_pair(pair_renderer *renderer, const pair_source *source, const char *place, cso_pair_tokens *pair,
                       cso_error *err) {
    CSO_TRY(begin_pair(source, pair, err));
    cso_status status = render_all(renderer, source, 0, pair, err);
    if (status != CSO_OK) /* the template knows nothing of files */
        return status == CSO_ERR_INPUT ? cso_error_prefix(err, status, "%s", place) : status;
    for (size_t i = 0; i < pair->n; i++) /* without a token before the reply, or without a reply, there is nothing to score */
        if (pair->sequence[i].count <= (pair->prompt_length ? pair->prompt_length : 1))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s has no tokens of its own", place, pair->reply[i].name);
    CSO_TRY(fit(renderer, source, place, pair, err));
    return pair->dropped ? CSO_OK : mark_strategies(pair, renderer->tokenizer, err);
}
