/* chat_series.c - see chat_series.h. */
#include "chat_series.h"

#include "base/memory.h"
#include "chat_memo.h"
#include "chat_template.h"

#include <stdlib.h>
#include <string.h>

/* A message of the list before. */
typedef struct known_message {
    const char *role;   /* static */
    size_t begin, size; /* of its content in the track's contents */
} known_message;

typedef struct chat_track {
    known_message *messages; /* (count) */
    size_t count, capacity;
    cso_text contents;
    cso_rendering rendering;
    bool special;  /* whether parse_special was set: then `after` is not filled */
    size_t *after; /* (rendering.mark_count) how many ids there are up to and including each mark */
    size_t after_capacity;
    cso_ids ids;
} chat_track;

struct cso_chat_series {
    const cso_chat_template *chat;
    const cso_tokenizer *tokenizer;
    chat_memo memo, special; /* with special strings as text, and as special tokens */
    chat_track tracks[CSO_CHAT_TRACKS];
};

cso_status cso_chat_series_create(cso_chat_series **series, const cso_chat_template *chat, const cso_tokenizer *tokenizer,
                                  cso_error *err) {
    *series = cso_calloc(1, sizeof **series);
    if (!*series)
        return cso_fail_memory(err, "chats");
    (*series)->chat = chat;
    (*series)->tokenizer = tokenizer;
    return CSO_OK;
}

void cso_chat_series_free(cso_chat_series *series) {
    if (!series)
        return;
    for (int i = 0; i < CSO_CHAT_TRACKS; i++) {
        chat_track *track = &series->tracks[i];
        free(track->messages);
        free(track->contents.data);
        cso_rendering_free(&track->rendering);
        free(track->after);
        free(track->ids.ids);
    }
    chat_memo_free(&series->memo);
    chat_memo_free(&series->special);
    free(series);
}

static bool is_known(const chat_track *track, size_t i, const cso_message *message) {
    const known_message *known = &track->messages[i];
    return known->size == message->size && cso_has_role(message, known->role) &&
           (!known->size || !memcmp(track->contents.data + known->begin, message->content, known->size));
}

/* Keeps what the list has in common with the one before, and takes a copy of the rest. *common: how many messages that are, if it
 * is not known. */
static cso_status take_messages(chat_track *track, const cso_message *messages, size_t count, size_t *common, cso_error *err) {
    size_t same = *common < track->count ? *common : track->count;
    while (same < track->count && same < count && is_known(track, same, &messages[same]))
        same++;
    CSO_TRY(cso_chat_check(messages, same, count, err));
    if (same < track->count)
        track->contents.size = track->messages[same].begin;
    track->count = same;
    if (!cso_grow(&track->messages, &track->capacity, count, sizeof *track->messages))
        return cso_fail_memory(err, "a chat");
    for (size_t i = same; i < count; i++) {
        const char *role = cso_has_role(&messages[i], "user")     ? "user"
                           : cso_has_role(&messages[i], "system") ? "system"
                                                                  : "assistant";
        track->messages[track->count++] = (known_message){role, track->contents.size, messages[i].size};
        cso_text_add(&track->contents, messages[i].content, messages[i].size);
    }
    *common = same;
    return track->contents.failed ? cso_fail_memory(err, "a chat") : CSO_OK;
}

/* Shortens the rendering to the messages that it keeps, and gives their number. */
static size_t keep_rendering(cso_rendering *rendering, size_t common) {
    size_t first = 0;
    while (rendering->cut_count && rendering->cuts[rendering->cut_count - 1].message > common)
        rendering->cut_count--;
    rendering->text.size = rendering->mark_count = rendering->turn_count = 0;
    if (rendering->cut_count) {
        const cso_cut *cut = &rendering->cuts[--rendering->cut_count]; /* the template writes it again */
        first = cut->message;
        rendering->text.size = cut->text;
        rendering->mark_count = cut->marks;
        rendering->turn_count = cut->turns;
    }
    return first;
}

static cso_status encode_special(const cso_tokenizer *tokenizer, const char *text, size_t size, cso_ids *ids, cso_error *err) {
    return cso_tokenizer_encode(tokenizer, text, size, true, ids, err);
}

static cso_status render(cso_chat_series *series, chat_track *track, const cso_chat_request *request, size_t common, size_t *same,
                         cso_error *err) {
    cso_rendering *rendering = &track->rendering;
    CSO_TRY(take_messages(track, request->messages, request->count, &common, err));
    if (track->special != request->parse_special)
        rendering->cut_count = 0;
    track->special = request->parse_special;
    size_t first = keep_rendering(rendering, common), first_mark = rendering->mark_count;
    CSO_TRY(cso_chat_write(series->chat, request, first, rendering, err));
    if (request->parse_special) { /* a special token of the contents may reach across the template's: all is one text */
        track->ids.count = 0;
        CSO_TRY(cso_chat_check_marks(series->chat, series->tokenizer, rendering, err));
        return chat_memo_encode(&series->special, series->tokenizer, rendering->text.data, rendering->text.size, encode_special,
                                &track->ids, err);
    }
    if (!cso_grow(&track->after, &track->after_capacity, rendering->mark_count, sizeof *track->after))
        return cso_fail_memory(err, "a chat");
    *same = track->ids.count = first_mark ? track->after[first_mark - 1] : 0;
    return cso_chat_encode(series->chat, series->tokenizer, rendering, first_mark, &series->memo,
                           &(cso_chat_output){&track->ids, track->after}, err);
}

cso_status cso_chat_series_render(cso_chat_series *series, size_t track, const cso_chat_request *request, size_t known,
                                  const cso_ids **ids, size_t *same, cso_error *err) {
    chat_track *t = &series->tracks[track];
    cso_status status;
    *same = 0;
    *ids = &t->ids;
    if ((status = render(series, t, request, known, same, err)) != CSO_OK) { /* whatever was left is of no list */
        t->count = t->contents.size = t->rendering.cut_count = 0;
        t->contents.failed = t->rendering.failed = t->rendering.text.failed = false;
    }
    return status;
}
