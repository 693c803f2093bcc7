/* chat.c - choosing a chat template, and its rendering as text and ids. */
#include "base/memory.h"
#include "chat_template.h"
#include "tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const cso_chat_template *const templates[] = {&cso_chat_llama3, &cso_chat_gemma2, &cso_chat_chatml, &cso_chat_smollm2};

enum { TEMPLATE_COUNT = sizeof templates / sizeof *templates };

#define NAMES "llama3, gemma2, chatml or smollm2"

const char *cso_chat_template_name(const cso_chat_template *chat) {
    return chat->name;
}

/* The hash of a template's text without differences that mean nothing to Jinja: both quotes are equal, a line break may be
 * written as an escape, lines may end with CR LF, and white space at both ends of the file does not count. */
static bool hash_template(const char *text, uint64_t *hash) {
    size_t size = strlen(text), used = 0;
    char *same = cso_malloc(size + 1);
    if (!same)
        return false;
    while (size && (unsigned char)text[size - 1] <= ' ')
        size--;
    for (size_t i = 0; i < size; i++) {
        if (!used && (unsigned char)text[i] <= ' ')
            continue;
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n')
            continue;
        if (text[i] == '\\' && i + 1 < size && text[i + 1] == 'n') {
            same[used++] = '\n';
            i++;
        } else {
            same[used++] = text[i] == '"' ? '\'' : text[i];
        }
    }
    *hash = XXH3_64bits(same, used);
    free(same);
    return true;
}

static cso_status recognise(const cso_chat_template **chat, const char *text, const char *place, cso_error *err) {
    const char *like = NULL;
    uint64_t hash;
    if (!text)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: there is no chat template in the model's files (set model.chat_template to " NAMES ")", place);
    if (!hash_template(text, &hash))
        return cso_fail_memory(err, "the chat template");
    for (int i = 0; i < TEMPLATE_COUNT; i++) {
        for (const uint64_t *version = templates[i]->versions; *version; version++)
            if (*version == hash) {
                *chat = templates[i];
                return CSO_OK;
            }
        if (!like && strstr(text, templates[i]->hint))
            like = templates[i]->name;
    }
    return cso_fail(err, CSO_ERR_INPUT,
                    "%s: the model's chat template (%016llx) is unknown%s%s%s (set model.chat_template to " NAMES ")", place,
                    (unsigned long long)hash, like ? ", though it resembles " : "", like ? like : "",
                    like ? ", and may write other text" : "");
}

cso_status cso_chat_template_get(const cso_chat_template **chat, const char *name, const cso_tokenizer *tokenizer,
                                 const char *place, cso_error *err) {
    if (!strcmp(name, "auto"))
        return recognise(chat, cso_tokenizer_chat_template(tokenizer), place, err);
    for (int i = 0; i < TEMPLATE_COUNT; i++)
        if (!strcmp(name, templates[i]->name)) {
            *chat = templates[i];
            return CSO_OK;
        }
    return cso_fail(err, CSO_ERR_USAGE, "model.chat_template: \"%.64s\" is not known (expected auto, " NAMES ")", name);
}

int32_t cso_chat_end_of_turn(const cso_chat_template *chat, const cso_tokenizer *tokenizer) {
    return cso_tokenizer_find(tokenizer, chat->end_of_turn);
}

/* The token of a special string that the template wrote. */
static cso_status find_mark(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_rendering *rendering,
                            const cso_mark *mark, int32_t *id, cso_error *err) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)mark->size, rendering->text.data + mark->begin);
    *id = cso_tokenizer_find(tokenizer, name);
    if (*id < 0)
        return cso_fail(err, CSO_ERR_INPUT,
                        "the chat template %s writes %s, which is not a token of this model (model.chat_template)", chat->name,
                        name);
    return CSO_OK;
}

/* Text between special tokens, which must not become a special token. Gemma's turn markers are pieces that libsentencepiece
 * finds in every text, so one that was typed is encoded in two parts, "<" and the rest. */
static cso_status encode_text(const cso_tokenizer *tokenizer, const char *text, size_t size, cso_ids *ids, cso_error *err) {
    static const char *const markers[] = {"<start_of_turn>", "<end_of_turn>"};
    size_t begin = 0;
    for (size_t i = 0; i < size && !strcmp(cso_tokenizer_kind(tokenizer), "gemma"); i++)
        for (size_t m = 0; text[i] == '<' && m < 2; m++)
            if (size - i >= strlen(markers[m]) && !memcmp(text + i, markers[m], strlen(markers[m]))) {
                CSO_TRY(cso_tokenizer_encode(tokenizer, text + begin, i + 1 - begin, false, ids, err));
                begin = i + 1;
            }
    return cso_tokenizer_encode(tokenizer, text + begin, size - begin, false, ids, err);
}

cso_status cso_chat_encode(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_rendering *rendering,
                           size_t first, chat_memo *memo, const cso_chat_output *out, cso_error *err) {
    const cso_text *text = &rendering->text;
    cso_ids *ids = out->ids;
    size_t done = first ? rendering->marks[first - 1].begin + rendering->marks[first - 1].size : 0;
    for (size_t i = first; i < rendering->mark_count; i++) {
        const cso_mark *mark = &rendering->marks[i];
        int32_t id;
        CSO_TRY(find_mark(chat, tokenizer, rendering, mark, &id, err));
        CSO_TRY(chat_memo_encode(memo, tokenizer, text->data + done, mark->begin - done, encode_text, ids, err));
        CSO_TRY(cso_ids_add(ids, &id, 1, err));
        done = mark->begin + mark->size;
        if (out->after)
            out->after[i] = ids->count;
    }
    return chat_memo_encode(memo, tokenizer, text->data + done, text->size - done, encode_text, ids, err);
}

cso_status cso_chat_check_marks(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_rendering *rendering,
                                cso_error *err) {
    int32_t id;
    for (size_t i = 0; i < rendering->mark_count; i++)
        CSO_TRY(find_mark(chat, tokenizer, rendering, &rendering->marks[i], &id, err));
    return CSO_OK;
}

/* after: see cso_chat_output. Not filled with parse_special. */
static cso_status encode(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_rendering *rendering,
                         bool parse_special, size_t *after, cso_ids *ids, cso_error *err) {
    if (!parse_special)
        return cso_chat_encode(chat, tokenizer, rendering, 0, NULL, &(cso_chat_output){ids, after}, err);
    CSO_TRY(cso_chat_check_marks(chat, tokenizer, rendering, err));
    return cso_tokenizer_encode(tokenizer, rendering->text.data, rendering->text.size, true, ids, err);
}

cso_status cso_chat_check(const cso_message *messages, size_t first, size_t count, cso_error *err) {
    if (!count)
        return cso_fail(err, CSO_ERR_INPUT, "a chat without messages");
    for (size_t i = first; i < count; i++)
        if (!cso_has_role(&messages[i], "system") && !cso_has_role(&messages[i], "user") &&
            !cso_has_role(&messages[i], "assistant"))
            return cso_fail(err, CSO_ERR_INPUT, "message %zu has the role \"%.64s\" (expected system, user or assistant)", i + 1,
                            messages[i].role);
    return CSO_OK;
}

cso_status cso_chat_write(const cso_chat_template *chat, const cso_chat_request *request, size_t first, cso_rendering *rendering,
                          cso_error *err) {
    CSO_TRY(chat->render(rendering, request, first, err));
    return rendering->failed || rendering->text.failed ? cso_fail_memory(err, "a chat") : CSO_OK;
}

/* Checks the messages and renders them; release the rendering whatever the status is. */
static cso_status render(const cso_chat_template *chat, const cso_chat_request *request, cso_rendering *rendering, cso_error *err) {
    CSO_TRY(cso_chat_check(request->messages, 0, request->count, err));
    return cso_chat_write(chat, request, 0, rendering, err);
}

cso_status cso_chat_render(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_chat_request *request,
                           cso_ids *ids, char **text, size_t *text_size, cso_error *err) {
    cso_rendering rendering = {0};
    size_t before = ids ? ids->count : 0;
    cso_status status = render(chat, request, &rendering, err);
    if (status == CSO_OK && ids)
        status = encode(chat, tokenizer, &rendering, request->parse_special, NULL, ids, err);
    if (status == CSO_OK && text) {
        *text = rendering.text.data;
        *text_size = rendering.text.size;
        rendering.text.data = NULL;
    }
    if (status != CSO_OK && ids)
        ids->count = before;
    cso_rendering_free(&rendering);
    return status;
}

/* What find_boundary works with. */
typedef struct boundaries {
    const cso_tokenizer *tokenizer;
    const cso_rendering *rendering;
    bool parse_special;
    const size_t *after; /* see encode */
    const cso_ids *whole;
    cso_ids part;
    size_t mark; /* the first mark that ends behind the last boundary asked for: they are asked for in order */
} boundaries;

/* How many of the whole's ids lie before a byte of the text: as many as stay when the text ends there. Text between special tokens
 * is encoded by itself, so what is before the last special token needs no second look. */
static cso_status find_boundary(boundaries *b, size_t byte, size_t *index, cso_error *err) {
    const cso_rendering *r = b->rendering;
    size_t from = 0, first = 0, same = 0;
    while (!b->parse_special && b->mark < r->mark_count && r->marks[b->mark].begin + r->marks[b->mark].size <= byte)
        b->mark++;
    if (b->mark > 0) {
        from = r->marks[b->mark - 1].begin + r->marks[b->mark - 1].size;
        first = b->after[b->mark - 1];
    }
    b->part.count = 0;
    if (b->parse_special)
        CSO_TRY(cso_tokenizer_encode(b->tokenizer, r->text.data, byte, true, &b->part, err));
    else
        CSO_TRY(encode_text(b->tokenizer, r->text.data + from, byte - from, &b->part, err));
    while (same < b->part.count && first + same < b->whole->count && b->part.ids[same] == b->whole->ids[first + same])
        same++;
    *index = first + same;
    return CSO_OK;
}

static cso_status count_turns(boundaries *b, uint8_t *counted, cso_error *err) {
    for (size_t i = 0; i < b->rendering->turn_count; i++) {
        const cso_mark *turn = &b->rendering->turns[i];
        size_t begin, end;
        CSO_TRY(find_boundary(b, turn->begin, &begin, err));
        CSO_TRY(find_boundary(b, turn->begin + turn->size, &end, err));
        for (size_t t = begin; t < end; t++)
            counted[t] = 1;
    }
    return CSO_OK;
}

cso_status cso_chat_render_counted(const cso_chat_template *chat, const cso_tokenizer *tokenizer, const cso_chat_request *request,
                                   cso_chat_ids *out, cso_error *err) {
    cso_rendering rendering = {0};
    bool parse_special = request->parse_special;
    size_t *after = NULL;
    cso_status status;
    *out = (cso_chat_ids){0};
    boundaries b = {.tokenizer = tokenizer, .rendering = &rendering, .parse_special = parse_special, .whole = &out->ids};
    CSO_TRY_DONE(render(chat, request, &rendering, err));
    after = cso_calloc(rendering.mark_count, sizeof *after);
    if (!after)
        CSO_TRY_DONE(cso_fail_memory(err, "a chat"));
    b.after = after;
    CSO_TRY_DONE(encode(chat, tokenizer, &rendering, parse_special, after, &out->ids, err));
    out->counted = cso_calloc(out->ids.count, 1);
    if (!out->counted)
        CSO_TRY_DONE(cso_fail_memory(err, "a chat"));
    status = count_turns(&b, out->counted, err);
done:
    if (status != CSO_OK)
        cso_chat_ids_free(out);
    free(after);
    free(b.part.ids);
    cso_rendering_free(&rendering);
    return status;
}

void cso_chat_ids_free(cso_chat_ids *ids) {
    free(ids->ids.ids);
    free(ids->counted);
    *ids = (cso_chat_ids){0};
}
