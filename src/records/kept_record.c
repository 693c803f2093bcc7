/* kept_record.c - copies of records that are put together from several. */
#include "convert_parts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool keep_slice(cso_arena *arena, json_slice from, json_slice *to) {
    *to = (json_slice){0};
    if (!from.text)
        return true;
    char *copy = cso_arena_alloc(arena, from.size, 1);
    if (!copy)
        return false;
    memcpy(copy, from.text, from.size);
    *to = (json_slice){copy, from.size};
    return true;
}

/* A part of `from` is the same part of `to`. */
static json_slice moved(json_slice part, json_slice from, json_slice to) {
    return (json_slice){to.text + (part.text - from.text), part.size};
}

bool keep_message(cso_arena *arena, const view_message *from, view_message *to) {
    if (!from->object.text)
        return to->object = (json_slice){0},
               keep_slice(arena, from->role, &to->role) && keep_slice(arena, from->content, &to->content);
    if (!keep_slice(arena, from->object, &to->object))
        return false;
    to->role = moved(from->role, from->object, to->object);
    to->content = moved(from->content, from->object, to->object);
    return true;
}

cso_status kept_begin(kept_record *kept, const record_view *view, cso_error *err) {
    record_view *to = &kept->view;
    cso_arena_reset(&kept->arena);
    hash_map_free(&kept->seen);
    to->n_path = to->n_messages = to->n_extra = to->n_replies = to->n_turns = kept->n_good = kept->n_bad = 0;
    to->form = view->form;
    to->plain = view->plain;
    if (!keep_slice(&kept->arena, view->scene, &to->scene) || !keep_slice(&kept->arena, view->description, &to->description) ||
        !keep_slice(&kept->arena, view->iter, &to->iter) ||
        !cso_grow(&to->extra, &kept->extra_capacity, view->n_extra, sizeof *to->extra) ||
        !cso_grow(&to->path, &kept->path_capacity, view->n_path, sizeof *to->path))
        return cso_fail_memory(err, "a record");
    for (; to->n_extra < view->n_extra; to->n_extra++)
        if (!keep_slice(&kept->arena, view->extra[to->n_extra].key, &to->extra[to->n_extra].key) ||
            !keep_slice(&kept->arena, view->extra[to->n_extra].value, &to->extra[to->n_extra].value))
            return cso_fail_memory(err, "a record");
    for (; to->n_path < view->n_path; to->n_path++)
        if (!keep_message(&kept->arena, &view->path[to->n_path], &to->path[to->n_path]))
            return cso_fail_memory(err, "a record");
    return CSO_OK;
}

cso_status kept_add_reply(kept_record *kept, const record_view *view, const view_reply *reply, bool good, bool *added,
                          cso_error *err) {
    record_view *to = &kept->view;
    view_reply **list = good ? &kept->good : &kept->bad;
    size_t *count = good ? &kept->n_good : &kept->n_bad, *capacity = good ? &kept->good_capacity : &kept->bad_capacity;
    view_reply copy = {.first = to->n_messages, .count = reply->count};
    text_hash key = {.low = good}, message;
    size_t number;
    for (size_t i = 0; i < reply->count; i++) {
        if (!view_message_hash(&view->messages[reply->first + i], &kept->room, &message))
            return cso_fail_memory(err, "a record");
        key = view_hash_chain(key, message);
    }
    if (!hash_map_get(&kept->seen, key, 0, &number, added))
        return cso_fail_memory(err, "a record");
    if (!*added)
        return CSO_OK;
    if (!cso_grow(list, capacity, *count + 1, sizeof **list) ||
        !cso_grow(&to->messages, &kept->message_capacity, to->n_messages + reply->count, sizeof *to->messages) ||
        !keep_slice(&kept->arena, reply->q, &copy.q) || !keep_slice(&kept->arena, reply->n, &copy.n))
        return cso_fail_memory(err, "a record");
    for (size_t i = 0; i < reply->count; i++)
        if (!keep_message(&kept->arena, &view->messages[reply->first + i], &to->messages[to->n_messages++]))
            return cso_fail_memory(err, "a record");
    (*list)[(*count)++] = copy;
    return CSO_OK;
}

cso_status kept_finish(kept_record *kept, cso_error *err) {
    record_view *to = &kept->view;
    if (!cso_grow(&to->replies, &kept->reply_capacity, kept->n_good + kept->n_bad, sizeof *to->replies) ||
        !cso_grow(&to->turns, &kept->turn_capacity, 1, sizeof *to->turns))
        return cso_fail_memory(err, "a record");
    to->n_replies = 0;
    for (size_t i = 0; i < kept->n_good; i++)
        to->replies[to->n_replies++] = kept->good[i];
    for (size_t i = 0; i < kept->n_bad; i++)
        to->replies[to->n_replies++] = kept->bad[i];
    to->turns[0] = (view_turn){to->n_path, 0, kept->n_good, kept->n_bad};
    to->n_turns = 1;
    return CSO_OK;
}

void kept_free(kept_record *kept) {
    free(kept->view.extra);
    free(kept->view.path);
    free(kept->view.messages);
    free(kept->view.replies);
    free(kept->view.turns);
    free(kept->good);
    free(kept->bad);
    hash_map_free(&kept->seen);
    free(kept->room.bytes);
    cso_arena_free(&kept->arena);
    *kept = (kept_record){0};
}
