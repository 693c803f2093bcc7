/* view_flat.c - records that are a prompt with replies, and conversations and texts. The rules are those of the readers for training in
 * src/data. */
#include "view_parts.h"

#include <stdio.h>
#include <string.h>

static view_at key_at(const char *key) {
    return (view_at){key, SIZE_MAX, NULL, SIZE_MAX};
}

static cso_status fail_record(view_reader *reader, const char *what, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s", reader->place, what);
}

static cso_status fail_role(view_reader *reader, view_at at, const view_message *message, const char *expected, cso_error *err) {
    char what[160];
    reader->fault = VIEW_FAULT_ROLES;
    snprintf(what, sizeof what, "is %.*s (expected %s)", message->role.size < 64 ? (int)message->role.size : 64, message->role.text,
             expected);
    return view_fail(reader, at, "role", what, err);
}

/* That each role is system, user or assistant. */
static cso_status check_roles(view_reader *reader, const view_message *messages, size_t count, const char *key, cso_error *err) {
    for (size_t i = 0; i < count; i++)
        if (!view_role_is(reader, &messages[i], VIEW_USER) && !view_role_is(reader, &messages[i], VIEW_ASSISTANT) &&
            !view_role_is(reader, &messages[i], VIEW_SYSTEM))
            return fail_role(reader, (view_at){key, i, NULL, SIZE_MAX}, &messages[i], "system, user or assistant", err);
    return CSO_OK;
}

/* The prompt of messages: there is one, and it asks for a reply. */
static cso_status check_prompt(view_reader *reader, const char *key, cso_error *err) {
    const record_view *view = &reader->view;
    if (!view->n_path)
        return view_fail(reader, key_at(key), NULL, "is empty", err);
    CSO_TRY(check_roles(reader, view->path, view->n_path, key, err));
    if (!view_role_is(reader, &view->path[view->n_path - 1], VIEW_ASSISTANT))
        return CSO_OK;
    reader->fault = VIEW_FAULT_ROLES;
    return fail_record(reader, "the prompt ends with an assistant message (expected a user message)", err);
}

static cso_status add_text(view_reader *reader, json_slice value, bool path, cso_error *err) {
    const view_message message = {.content = value};
    return path ? view_add_path(reader, &message, err) : view_add_message(reader, &message, err);
}

/* A reply: a text, a message or an array of messages, as the prompt is. */
static cso_status read_reply(view_reader *reader, json_slice value, view_at at, cso_error *err) {
    record_view *view = &reader->view;
    size_t first = view->n_messages;
    view_message message;
    if (slice_is_string(value) != view->plain)
        return view_fail(reader, at, NULL,
                         view->plain ? "is no text (expected a text, as the prompt is)"
                                     : "is no message (expected messages, as the prompt is)",
                         err);
    if (view->plain) {
        CSO_TRY(add_text(reader, value, false, err));
        return view_add_reply(reader, first, err);
    }
    if (slice_is_object(value)) {
        CSO_TRY(view_read_message(reader, value, at, &message, err));
        CSO_TRY(view_add_message(reader, &message, err));
    } else if (slice_is_array(value)) {
        cso_json_walk walk = cso_json_walk_begin(value.text, value.size);
        for (view_at one = {at.key, 0, NULL, SIZE_MAX}; cso_json_walk_next(&walk); one.index++) {
            CSO_TRY(view_read_message(reader, (json_slice){walk.value, walk.value_size}, one, &message, err));
            CSO_TRY(view_add_message(reader, &message, err));
        }
    } else {
        return view_fail(reader, at, NULL, value.text ? "is neither a message nor an array of messages" : "is missing", err);
    }
    if (view->n_messages == first)
        return view_fail(reader, at, NULL, "has no message", err);
    CSO_TRY(check_roles(reader, view->messages + first, view->n_messages - first, at.key, err));
    if (!view_role_is(reader, &view->messages[first], VIEW_ASSISTANT))
        return fail_role(reader, at, &view->messages[first], "the assistant's reply to the prompt", err);
    return view_add_reply(reader, first, err);
}

/* The prompt, a text or messages. */
static cso_status read_prompt(view_reader *reader, cso_error *err) {
    json_slice prompt = view_field_of(reader, "prompt");
    reader->view.plain = slice_is_string(prompt);
    if (reader->view.plain)
        return add_text(reader, prompt, true, err);
    if (!slice_is_array(prompt))
        return view_fail(reader, key_at("prompt"), NULL, prompt.text ? "is neither a text nor an array of messages" : "is missing",
                         err);
    CSO_TRY(view_read_path(reader, "prompt", err));
    return check_prompt(reader, "prompt", err);
}

/* The system message comes first or not at all; then user and assistant. */
static cso_status check_pair_prompt(view_reader *reader, cso_error *err) {
    const record_view *view = &reader->view;
    for (size_t i = 0; i < view->n_path; i++) {
        const view_message *message = &view->path[i];
        bool system = view_role_is(reader, message, VIEW_SYSTEM);
        if (!view_role_is(reader, message, VIEW_USER) && !view_role_is(reader, message, VIEW_ASSISTANT) && (!system || i))
            return fail_role(reader, (view_at){"messages", i, NULL, SIZE_MAX}, message, "user or assistant", err);
    }
    if (view->n_path && view_role_is(reader, &view->path[view->n_path - 1], VIEW_USER))
        return CSO_OK;
    reader->fault = VIEW_FAULT_ROLES;
    return fail_record(reader, "messages must end with a user message, to which chosen and reject reply", err);
}

cso_status view_read_pair(view_reader *reader, cso_error *err) {
    static const char *const KEYS[] = {"chosen", "reject"};
    record_view *view = &reader->view;
    CSO_TRY(view_read_path(reader, "messages", err));
    CSO_TRY(check_pair_prompt(reader, err));
    for (size_t i = 0; i < 2; i++) {
        view_message message;
        json_slice reply = view_field_of(reader, KEYS[i]);
        if (!reply.text)
            return view_fail(reader, key_at(KEYS[i]), NULL, "is missing (an ESC-Pro pair has messages, chosen and reject)", err);
        CSO_TRY(view_read_message(reader, reply, key_at(KEYS[i]), &message, err));
        if (view_role_is(reader, &message, VIEW_USER))
            return fail_role(reader, key_at(KEYS[i]), &message, "assistant", err);
        if (!view_role_is(reader, &message, VIEW_ASSISTANT)) { /* as training reads it */
            message.role = (json_slice){VIEW_ASSISTANT, sizeof VIEW_ASSISTANT - 1};
            message.object = (json_slice){0};
            view->renamed_roles++;
        }
        CSO_TRY(view_add_message(reader, &message, err));
        CSO_TRY(view_add_reply(reader, view->n_messages - 1, err));
    }
    return view_add_turn(reader, view->n_path, 0, 1, err);
}

static bool same_string(view_reader *reader, json_slice a, json_slice b) {
    text_hash x, y;
    if (a.size == b.size && !memcmp(a.text, b.text, a.size))
        return true;
    if (!memchr(a.text, '\\', a.size) && !memchr(b.text, '\\', b.size))
        return false;
    return slice_value_hash(a, &reader->room, &x) && slice_value_hash(b, &reader->room, &y) && x.low == y.low && x.high == y.high;
}

/* Whole conversations: the prompt is how both begin. */
static cso_status split_conversations(view_reader *reader, cso_error *err) {
    record_view *view = &reader->view;
    view_reply *a = &view->replies[0], *b = &view->replies[1];
    size_t common = 0;
    for (; common < a->count && common < b->count; common++) {
        const view_message *x = &view->messages[a->first + common], *y = &view->messages[b->first + common];
        if (!same_string(reader, x->role, y->role) || !same_string(reader, x->content, y->content))
            break;
        CSO_TRY(view_add_path(reader, x, err));
    }
    if (!common)
        return fail_record(reader, "chosen and rejected have no first message in common to be the prompt", err);
    for (size_t i = 0; i < 2; i++) {
        view_reply *reply = &view->replies[i];
        reply->first += common;
        reply->count -= common;
        view_at at = key_at(i ? "rejected" : "chosen");
        if (!reply->count)
            return view_fail(reader, at, NULL, "has no message after those it shares with the other", err);
        if (!view_role_is(reader, &view->messages[reply->first], VIEW_ASSISTANT))
            return fail_role(reader, at, &view->messages[reply->first], "the assistant's reply to the prompt", err);
    }
    return check_prompt(reader, "prompt", err);
}

static cso_status read_conversations(view_reader *reader, const json_slice reply[2], cso_error *err) {
    static const char *const KEYS[] = {"chosen", "rejected"};
    record_view *view = &reader->view;
    for (size_t i = 0; i < 2; i++) {
        size_t first = view->n_messages;
        if (!slice_is_array(reply[i]))
            return view_fail(reader, key_at(KEYS[i]), NULL, "is no array (expected an array of messages)", err);
        cso_json_walk walk = cso_json_walk_begin(reply[i].text, reply[i].size);
        for (view_at at = {KEYS[i], 0, NULL, SIZE_MAX}; cso_json_walk_next(&walk); at.index++) {
            view_message message;
            CSO_TRY(view_read_message(reader, (json_slice){walk.value, walk.value_size}, at, &message, err));
            CSO_TRY(view_add_message(reader, &message, err));
        }
        CSO_TRY(check_roles(reader, view->messages + first, view->n_messages - first, KEYS[i], err));
        CSO_TRY(view_add_reply(reader, first, err));
    }
    return split_conversations(reader, err);
}

/* Texts without a prompt: it is how both begin, cut before an escape or character that differs and without the blank before it. */
static cso_status split_texts(view_reader *reader, const json_slice reply[2], cso_error *err) {
    json_slice a = slice_inside(reply[0]), b = slice_inside(reply[1]), prompt;
    size_t length = 0;
    while (length < a.size && length < b.size) {
        size_t next = length + 1;
        if (a.text[length] == '\\') /* an escape is whole or not there */
            next += a.size - length > 5 && a.text[length + 1] == 'u' ? 5 : 1;
        while (next < a.size && (a.text[next] & 0xC0) == 0x80)
            next++;
        if (next > b.size || memcmp(a.text + length, b.text + length, next - length) != 0)
            break;
        length = next;
    }
    if (length && a.text[length - 1] == ' ')
        length--;
    if (!length)
        return fail_record(reader, "prompt is missing, and chosen and rejected do not begin alike", err);
    CSO_TRY(view_join(reader, &(json_slice){a.text, length}, 1, &prompt, err));
    CSO_TRY(add_text(reader, prompt, true, err));
    for (size_t i = 0; i < 2; i++) {
        json_slice whole = i ? b : a, text;
        CSO_TRY(view_join(reader, &(json_slice){whole.text + length, whole.size - length}, 1, &text, err));
        CSO_TRY(add_text(reader, text, false, err));
        CSO_TRY(view_add_reply(reader, i, err));
    }
    return CSO_OK;
}

cso_status view_read_preference(view_reader *reader, cso_error *err) {
    static const char *const KEYS[] = {"chosen", "rejected"};
    record_view *view = &reader->view;
    json_slice prompt = view_field_of(reader, "prompt"), reply[2];
    for (size_t i = 0; i < 2; i++) {
        reply[i] = view_field_of(reader, KEYS[i]);
        if (!reply[i].text)
            return view_fail(reader, key_at(KEYS[i]), NULL, "is missing (a preference record has prompt, chosen and rejected)",
                             err);
    }
    if (slice_is(prompt, "null"))
        return view_fail(reader, key_at("prompt"), NULL, "is neither a text nor an array of messages", err);
    bool texts = slice_is_string(reply[0]) && slice_is_string(reply[1]);
    if (texts && !prompt.text) {
        view->plain = true;
        CSO_TRY(split_texts(reader, reply, err));
    } else if (!texts && !slice_is_array(prompt) && (!prompt.text || slice_is_string(prompt))) {
        CSO_TRY(read_conversations(reader, reply, err)); /* a text as prompt repeats what they begin with (UltraFeedback) */
    } else {
        CSO_TRY(read_prompt(reader, err));
        for (size_t i = 0; i < 2; i++)
            CSO_TRY(read_reply(reader, reply[i], key_at(KEYS[i]), err));
    }
    return view_add_turn(reader, view->n_path, 0, 1, err);
}

cso_status view_read_kto(view_reader *reader, cso_error *err) {
    record_view *view = &reader->view;
    json_slice label = view_field_of(reader, "label");
    bool good = slice_is(label, "true");
    if (!good && !slice_is(label, "false"))
        return view_fail(reader, key_at("label"), NULL, "is neither true nor false", err);
    if (!view_field_of(reader, "messages").text) {
        CSO_TRY(read_prompt(reader, err));
        CSO_TRY(read_reply(reader, view_field_of(reader, "completion"), key_at("completion"), err));
        return view_add_turn(reader, view->n_path, 0, good, err);
    }
    CSO_TRY(view_read_path(reader, "messages", err));
    if (view->n_path < 2 || !view_role_is(reader, &view->path[view->n_path - 1], VIEW_ASSISTANT)) {
        reader->fault = VIEW_FAULT_ROLES;
        return fail_record(reader, "messages must end with an assistant message, the reply that label judges", err);
    }
    view->n_path--;
    CSO_TRY(check_prompt(reader, "messages", err));
    CSO_TRY(view_add_message(reader, &view->path[view->n_path], err));
    CSO_TRY(view_add_reply(reader, 0, err));
    return view_add_turn(reader, view->n_path, 0, good, err);
}

static cso_status read_ratings(view_reader *reader, cso_error *err) {
    record_view *view = &reader->view;
    json_slice q = view_field_of(reader, "q");
    size_t count = 0;
    if (!q.text)
        return CSO_OK;
    if (!slice_is_array(q))
        return view_fail(reader, key_at("q"), NULL, "is no array (expected a number for each completion)", err);
    cso_json_walk walk = cso_json_walk_begin(q.text, q.size);
    for (; cso_json_walk_next(&walk); count++) {
        const json_slice value = {walk.value, walk.value_size};
        if (!slice_is_number(value))
            return view_fail(reader, (view_at){"q", count, NULL, SIZE_MAX}, NULL, "is no number", err);
        if (count < view->n_replies)
            view->replies[count].q = value;
    }
    if (count != view->n_replies)
        return view_fail(reader, key_at("q"), NULL, "has not as many numbers as there are completions", err);
    return CSO_OK;
}

cso_status view_read_list(view_reader *reader, cso_error *err) {
    record_view *view = &reader->view;
    json_slice list = view_field_of(reader, "completions");
    if (!slice_is_array(list))
        return view_fail(reader, key_at("completions"), NULL, "is no array (expected replies, the best first)", err);
    CSO_TRY(read_prompt(reader, err));
    cso_json_walk walk = cso_json_walk_begin(list.text, list.size);
    for (view_at at = {"completions", 0, NULL, SIZE_MAX}; cso_json_walk_next(&walk); at.index++)
        CSO_TRY(read_reply(reader, (json_slice){walk.value, walk.value_size}, at, err));
    if (view->n_replies < 2)
        return view_fail(reader, key_at("completions"), NULL, "has fewer than two replies (expected the best and others)", err);
    CSO_TRY(read_ratings(reader, err));
    return view_add_turn(reader, view->n_path, 0, 1, err);
}

cso_status view_read_completion(view_reader *reader, cso_error *err) {
    CSO_TRY(read_prompt(reader, err));
    CSO_TRY(read_reply(reader, view_field_of(reader, "completion"), key_at("completion"), err));
    return view_add_turn(reader, reader->view.n_path, 0, 1, err);
}

cso_status view_read_conversation(view_reader *reader, cso_error *err) {
    const record_view *view = &reader->view;
    CSO_TRY(view_read_path(reader, "messages", err));
    for (size_t i = 0; i < view->n_path; i++)
        if (view_role_is(reader, &view->path[i], VIEW_ASSISTANT))
            return CSO_OK;
    reader->fault = VIEW_FAULT_ROLES;
    return fail_record(reader, "messages has no assistant message to learn from", err);
}

cso_status view_read_text(view_reader *reader, cso_error *err) {
    json_slice text = view_field_of(reader, "text");
    reader->view.plain = true;
    if (!slice_is_string(text))
        return view_fail(reader, key_at("text"), NULL, "is no string (expected a string)", err);
    return add_text(reader, text, true, err);
}
