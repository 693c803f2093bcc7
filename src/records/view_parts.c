/* view_parts.c - see view_parts.h. */
#include "view_parts.h"

#include <stdio.h>
#include <string.h>

cso_status view_fail(view_reader *reader, view_at at, const char *field, const char *what, cso_error *err) {
    char index[32] = "", inner[96] = "", number[32] = "";
    if (at.index != SIZE_MAX)
        snprintf(index, sizeof index, "[%zu]", at.index);
    if (at.inner && at.inner_index != SIZE_MAX)
        snprintf(number, sizeof number, "[%zu]", at.inner_index);
    if (at.inner)
        snprintf(inner, sizeof inner, ".%s%s", at.inner, number);
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s%s%s%s%s %s", reader->place, at.key, index, inner, field ? "." : "",
                    field ? field : "", what);
}

bool view_role_is(view_reader *reader, const view_message *message, const char *role) {
    return slice_is(message->role, role) ||
           (memchr(message->role.text, '\\', message->role.size) && slice_means(message->role,
                                                                                !strcmp(role, VIEW_USER)     ? "user"
                                                                                : !strcmp(role, VIEW_SYSTEM) ? "system"
                                                                                                             : "assistant",
                                                                                &reader->room));
}

cso_status view_read_message(view_reader *reader, json_slice value, view_at at, view_message *message, cso_error *err) {
    *message = (view_message){.object = value};
    if (!slice_is_object(value))
        return view_fail(reader, at, NULL, "is no object (expected {\"role\", \"content\"})", err);
    cso_json_walk walk = cso_json_walk_begin(value.text, value.size);
    while (cso_json_walk_next(&walk)) {
        const json_slice key = {walk.key, walk.key_size}, member = {walk.value, walk.value_size};
        if (slice_is(key, "\"role\""))
            message->role = member;
        else if (slice_is(key, "\"content\""))
            message->content = member;
    }
    if (!slice_is_string(message->role))
        return view_fail(reader, at, "role",
                         message->role.text ? "is no string (expected a string)" : "is missing (expected a string)", err);
    if (!slice_is_string(message->content))
        return view_fail(reader, at, "content",
                         message->content.text ? "is no string (expected a string)" : "is missing (expected a string)", err);
    return CSO_OK;
}

cso_status view_add_path(view_reader *reader, const view_message *message, cso_error *err) {
    record_view *view = &reader->view;
    if (!cso_grow(&view->path, &reader->path_capacity, view->n_path + 1, sizeof *view->path))
        return cso_fail_memory(err, reader->place);
    view->path[view->n_path++] = *message;
    return CSO_OK;
}

cso_status view_add_message(view_reader *reader, const view_message *message, cso_error *err) {
    record_view *view = &reader->view;
    if (!cso_grow(&view->messages, &reader->message_capacity, view->n_messages + 1, sizeof *view->messages))
        return cso_fail_memory(err, reader->place);
    view->messages[view->n_messages++] = *message;
    return CSO_OK;
}

cso_status view_read_path(view_reader *reader, const char *key, cso_error *err) {
    json_slice array = view_field_of(reader, key);
    view_at at = {key, SIZE_MAX, NULL, SIZE_MAX};
    if (!slice_is_array(array))
        return view_fail(reader, at, NULL,
                         array.text ? "is no array (expected an array of messages)" : "is missing (expected an array of messages)",
                         err);
    cso_json_walk walk = cso_json_walk_begin(array.text, array.size);
    for (at.index = 0; cso_json_walk_next(&walk); at.index++) {
        view_message message;
        CSO_TRY(view_read_message(reader, (json_slice){walk.value, walk.value_size}, at, &message, err));
        CSO_TRY(view_add_path(reader, &message, err));
    }
    return CSO_OK;
}

cso_status view_add_reply(view_reader *reader, size_t first, cso_error *err) {
    record_view *view = &reader->view;
    if (!cso_grow(&view->replies, &reader->reply_capacity, view->n_replies + 1, sizeof *view->replies))
        return cso_fail_memory(err, reader->place);
    view->replies[view->n_replies++] = (view_reply){.first = first, .count = view->n_messages - first};
    return CSO_OK;
}

cso_status view_add_turn(view_reader *reader, size_t prompt, size_t first, size_t good, cso_error *err) {
    record_view *view = &reader->view;
    if (!cso_grow(&view->turns, &reader->turn_capacity, view->n_turns + 1, sizeof *view->turns))
        return cso_fail_memory(err, reader->place);
    view->turns[view->n_turns++] = (view_turn){prompt, first, good, view->n_replies - first - good};
    return CSO_OK;
}

cso_status view_join(view_reader *reader, const json_slice *parts, size_t count, json_slice *string, cso_error *err) {
    size_t size = 2;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    char *text = cso_arena_alloc(&reader->arena, size, 1), *at = text;
    if (!text)
        return cso_fail_memory(err, reader->place);
    *at++ = '"';
    for (size_t i = 0; i < count; i++) {
        memcpy(at, parts[i].text, parts[i].size);
        at += parts[i].size;
    }
    *at = '"';
    *string = (json_slice){text, size};
    return CSO_OK;
}
