/* check_messages.c - roles, strategies, empty and equal replies of a record. */
#include "check_parts.h"

#include "base/did_you_mean.h"
#include "base/memory.h"
#include "view_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name of a message of the path: "messages[3]". */
static const char *path_key(const record_view *view) {
    return view->form == CSO_FORM_PREFERENCE || view->form == CSO_FORM_LIST || view->form == CSO_FORM_COMPLETION ? "prompt"
                                                                                                                 : "messages";
}

static cso_status check_roles(checker *c, cso_error *err) {
    const record_view *view = &c->reader.view;
    size_t first = 0;
    if (view->plain || view->form == CSO_FORM_IDS)
        return CSO_OK;
    if (view->n_path && view_role_is(&c->reader, &view->path[0], VIEW_SYSTEM))
        first = 1;
    for (size_t i = first; i < view->n_path; i++) {
        bool user = (i - first) % 2 == 0;
        const json_slice role = view->path[i].role;
        if (slice_means(role, user ? "user" : "assistant", &c->reader.room))
            continue;
        return check_found(c, CSO_FINDING_ROLES, false, err,
                           "%s[%zu].role is %.*s (expected \"%s\": user and assistant take turns, the user first)", path_key(view),
                           i, role.size < 64 ? (int)role.size : 64, role.text, user ? "user" : "assistant");
    }
    if (view->n_turns && view->form != CSO_FORM_TREES && (view->n_path - first) % 2 == 0)
        return check_found(c, CSO_FINDING_ROLES, false, err, "the prompt does not end with a user message");
    return CSO_OK;
}

/* The name of a reply: "messages[3].negative[0]", "chosen", "completions[2]". */
static const char *reply_name(const record_view *view, const view_turn *turn, size_t index, char *text, size_t size) {
    switch (view->form) {
    case CSO_FORM_TREES:
        if (index < turn->good)
            snprintf(text, size, "messages[%zu]", turn->prompt);
        else
            snprintf(text, size, "messages[%zu].negative[%zu]", turn->prompt, index - turn->good);
        break;
    case CSO_FORM_LIST:
        snprintf(text, size, "completions[%zu]", index);
        break;
    case CSO_FORM_PAIRS:
        snprintf(text, size, "%s", index ? "reject" : "chosen");
        break;
    case CSO_FORM_PREFERENCE:
        snprintf(text, size, "%s", index ? "rejected" : "chosen");
        break;
    default:
        snprintf(text, size, "the reply");
    }
    return text;
}

static cso_status fail_strategy(checker *c, const char *name, const char *given, size_t size, cso_error *err) {
    const cso_strategies *known = c->options->data.strategies ? c->options->data.strategies : cso_strategies_builtin();
    char word[96];
    bool pair = c->reader.view.form == CSO_FORM_PAIRS;
    const char **names = cso_calloc(known->count, sizeof *names);
    if (!names)
        return cso_fail_memory(err, "strategies");
    for (size_t i = 0; i < known->count; i++)
        names[i] = known->items[i].name;
    snprintf(word, sizeof word, "%.*s", size < 90 ? (int)size : 90, given);
    const char *near = cso_did_you_mean(word, names, known->count);
    cso_status status = check_found(c, CSO_FINDING_STRATEGY, pair, err,
                                    near ? "%s: unknown strategy \"%s\" (did you mean \"%s\"?)" : "%s: unknown strategy \"%s\"%s",
                                    name, word, near ? near : " (expected one of the strategies: --strategies)");
    free(names);
    return status;
}

/* The strategy of a tree's reply, or of "(Strategy) text" in pairs. */
static cso_status check_strategy(checker *c, const view_reply *reply, const char *name, bool *empty, cso_error *err) {
    const record_view *view = &c->reader.view;
    const view_message *message = &view->messages[reply->first];
    const cso_strategies *known = c->options->data.strategies;
    const char *bytes;
    size_t size, begin;
    if (view->form != CSO_FORM_TREES && view->form != CSO_FORM_PAIRS)
        return CSO_OK;
    if (!slice_bytes(message->content, &c->reader.room, &bytes, &size))
        return cso_fail_memory(err, c->place);
    if (cso_strategies_of(known, bytes, size, &begin)) {
        *empty = true;
        for (size_t i = begin; i < size && *empty; i++)
            *empty = bytes[i] == ' ' || (bytes[i] >= '\t' && bytes[i] <= '\r');
        return CSO_OK;
    }
    const char *end = size && bytes[0] == '(' ? memchr(bytes, ')', size) : NULL;
    if (end)
        return fail_strategy(c, name, bytes + 1, (size_t)(end - bytes) - 1, err);
    return check_found(c, CSO_FINDING_STRATEGY, true, err, "%s names no strategy (expected \"(Strategy) text\")", name);
}

static cso_status check_reply(checker *c, const view_turn *turn, size_t index, cso_error *err) {
    const record_view *view = &c->reader.view;
    const view_reply *reply = &view->replies[turn->first + index];
    char text[96];
    const char *name = reply_name(view, turn, index, text, sizeof text);
    bool empty = slice_is_blank(view->messages[reply->first].content, &c->reader.room);
    CSO_TRY(check_strategy(c, reply, name, &empty, err));
    if (view->form == CSO_FORM_TREES && reply->text.text) {
        const json_slice quoted = {reply->text.text - 1, reply->text.size + 2}; /* the string in the record */
        empty = slice_is_blank(quoted, &c->reader.room);
    }
    return empty ? check_found(c, CSO_FINDING_EMPTY, false, err, "%s is empty", name) : CSO_OK;
}

static cso_status hash_reply(checker *c, const view_reply *reply, text_hash *hash, cso_error *err) {
    *hash = (text_hash){0};
    for (size_t i = 0; i < reply->count; i++) {
        text_hash message;
        if (!view_message_hash(&c->reader.view.messages[reply->first + i], &c->reader.room, &message))
            return cso_fail_memory(err, c->place);
        *hash = view_hash_chain(*hash, message);
    }
    return CSO_OK;
}

/* Few replies compete in one place: each is compared with those before it. */
static cso_status check_equal(checker *c, const view_turn *turn, cso_error *err) {
    enum { MOST = 256 };
    text_hash hashes[MOST];
    const record_view *view = &c->reader.view;
    size_t count = turn->good + turn->bad < MOST ? turn->good + turn->bad : MOST;
    for (size_t i = 0; i < count; i++) {
        CSO_TRY(hash_reply(c, &view->replies[turn->first + i], &hashes[i], err));
        for (size_t k = 0; k < i; k++)
            if (hashes[k].low == hashes[i].low && hashes[k].high == hashes[i].high) {
                char a[96], b[96];
                bool both_bad = k >= turn->good;
                CSO_TRY(check_found(c, CSO_FINDING_EQUAL, both_bad, err, "%s and %s are equal",
                                    reply_name(view, turn, k, a, sizeof a), reply_name(view, turn, i, b, sizeof b)));
                break;
            }
    }
    return CSO_OK;
}

/* Messages that are no reply of a turn: those of prompts, and those of conversations, of which the assistant's are replies. */
static cso_status check_path(checker *c, cso_error *err) {
    const record_view *view = &c->reader.view;
    for (size_t i = 0; i < view->n_path; i++) {
        const view_message *message = &view->path[i];
        bool user = !message->role.text || slice_means(message->role, "user", &c->reader.room);
        bool learnt =
            view->form == CSO_FORM_TEXT || (view->form == CSO_FORM_SFT && slice_means(message->role, "assistant", &c->reader.room));
        if ((!user && !learnt) || !slice_is_blank(message->content, &c->reader.room))
            continue;
        if (view->plain)
            CSO_TRY(check_found(c, CSO_FINDING_EMPTY, !learnt, err, "the %s is empty", learnt ? "text" : "prompt"));
        else
            CSO_TRY(check_found(c, CSO_FINDING_EMPTY, !learnt, err, "%s[%zu].content is empty", path_key(view), i));
    }
    return CSO_OK;
}

cso_status check_messages(checker *c, cso_error *err) {
    const record_view *view = &c->reader.view;
    CSO_TRY(check_roles(c, err));
    CSO_TRY(check_path(c, err));
    for (size_t t = 0; t < view->n_turns; t++) {
        const view_turn *turn = &view->turns[t];
        for (size_t i = 0; i < turn->good + turn->bad; i++)
            CSO_TRY(check_reply(c, turn, i, err));
        CSO_TRY(check_equal(c, turn, err));
        c->result->turns++;
        c->result->replies += turn->good + turn->bad;
        c->result->bare_turns += turn->good + turn->bad == 1;
    }
    return CSO_OK;
}
