/* view_tree.c - ESC-Pro trees: a dialogue whose assistant turns carry the replies that scored low. */
#include "view_parts.h"

#include <stdio.h>

/* A turn, or a negative of one. */
typedef struct tree_turn {
    view_message message;
    json_slice strategy, negative, q, n;
    size_t others; /* fields of no known meaning */
} tree_turn;

static cso_status read_turn(view_reader *reader, json_slice value, view_at at, tree_turn *turn, cso_error *err) {
    *turn = (tree_turn){.message = {.object = value}};
    if (!slice_is_object(value))
        return view_fail(reader, at, NULL, "is no object (expected {\"role\", \"content\"})", err);
    static const char *const KEYS[] = {"\"role\"", "\"content\"", "\"strategy\"", "\"negative\"", "\"q\"", "\"n\""};
    json_slice *const members[] = {
        &turn->message.role, &turn->message.content, &turn->strategy, &turn->negative, &turn->q, &turn->n};
    enum { MEMBERS = sizeof KEYS / sizeof *KEYS };
    cso_json_walk walk = cso_json_walk_begin(value.text, value.size);
    while (cso_json_walk_next(&walk)) {
        size_t i = 0;
        while (i < MEMBERS && !slice_is((json_slice){walk.key, walk.key_size}, KEYS[i]))
            i++;
        if (i < MEMBERS)
            *members[i] = (json_slice){walk.value, walk.value_size};
        turn->others += i == MEMBERS;
    }
    return CSO_OK;
}

static cso_status check_string(view_reader *reader, json_slice value, view_at at, const char *field, cso_error *err) {
    if (slice_is_string(value))
        return CSO_OK;
    return view_fail(reader, at, field, value.text ? "is no string (expected a string)" : "is missing (expected a string)", err);
}

static cso_status check_number(view_reader *reader, json_slice value, view_at at, const char *field, cso_error *err) {
    if (!value.text || slice_is_number(value))
        return CSO_OK;
    return view_fail(reader, at, field, "is no number (expected a number)", err);
}

/* Adds "(Strategy) content" as a reply, with its parts. */
static cso_status add_reply(view_reader *reader, tree_turn *turn, view_at at, cso_error *err) {
    record_view *view = &reader->view;
    CSO_TRY(check_string(reader, turn->message.content, at, "content", err));
    CSO_TRY(check_string(reader, turn->strategy, at, "strategy", err));
    CSO_TRY(check_number(reader, turn->q, at, "q", err));
    CSO_TRY(check_number(reader, turn->n, at, "n", err));
    const json_slice strategy = slice_inside(turn->strategy), text = slice_inside(turn->message.content);
    const json_slice parts[] = {{"(", 1}, strategy, {") ", 2}, text};
    view_message message = {.role = {VIEW_ASSISTANT, sizeof VIEW_ASSISTANT - 1}};
    CSO_TRY(view_join(reader, parts, 4, &message.content, err));
    CSO_TRY(view_add_message(reader, &message, err));
    CSO_TRY(view_add_reply(reader, view->n_messages - 1, err));
    view_reply *reply = &view->replies[view->n_replies - 1];
    reply->strategy = strategy;
    reply->text = text;
    reply->q = turn->q;
    reply->n = turn->n;
    view->lost_fields += turn->others;
    return CSO_OK;
}

static cso_status read_negatives(view_reader *reader, json_slice array, view_at at, cso_error *err) {
    if (array.text && !slice_is_array(array))
        return view_fail(reader, at, "negative", "is no array", err);
    cso_json_walk walk = cso_json_walk_begin(array.text ? array.text : "", array.size);
    at.inner = "negative";
    for (at.inner_index = 0; cso_json_walk_next(&walk); at.inner_index++) {
        tree_turn negative;
        const json_slice value = {walk.value, walk.value_size};
        if (!slice_is_object(value))
            return view_fail(reader, at, NULL, "is no object (expected {\"content\", \"strategy\"})", err);
        CSO_TRY(read_turn(reader, value, at, &negative, err));
        CSO_TRY(add_reply(reader, &negative, at, err));
    }
    return CSO_OK;
}

static cso_status add_assistant(view_reader *reader, tree_turn *turn, view_at at, cso_error *err) {
    record_view *view = &reader->view;
    size_t first = view->n_replies;
    CSO_TRY(add_reply(reader, turn, at, err));
    CSO_TRY(read_negatives(reader, turn->negative, at, err));
    CSO_TRY(view_add_turn(reader, view->n_path, first, 1, err));
    view->renamed_roles += !slice_is(turn->message.role, VIEW_ASSISTANT);
    return view_add_path(reader, &view->messages[view->replies[first].first], err);
}

/* Every role but "user" is the assistant; the two take turns, the user first. */
static cso_status add_turn(view_reader *reader, json_slice value, view_at at, cso_error *err) {
    tree_turn turn;
    CSO_TRY(read_turn(reader, value, at, &turn, err));
    CSO_TRY(check_string(reader, turn.message.role, at, "role", err));
    bool is_user = view_role_is(reader, &turn.message, VIEW_USER), expect_user = at.index % 2 == 0;
    if (is_user != expect_user || view_role_is(reader, &turn.message, VIEW_SYSTEM)) {
        char what[200];
        reader->fault = VIEW_FAULT_ROLES;
        snprintf(what, sizeof what, "is %.*s (expected %s: user and assistant take turns, the user first)",
                 turn.message.role.size < 64 ? (int)turn.message.role.size : 64, turn.message.role.text,
                 expect_user ? "user" : "assistant");
        return view_fail(reader, at, "role", what, err);
    }
    if (!is_user)
        return add_assistant(reader, &turn, at, err);
    CSO_TRY(check_string(reader, turn.message.content, at, "content", err));
    return view_add_path(reader, &turn.message, err);
}

cso_status view_read_tree(view_reader *reader, cso_error *err) {
    json_slice turns = view_field_of(reader, "messages");
    view_at at = {"messages", SIZE_MAX, NULL, SIZE_MAX};
    if (!slice_is_array(turns))
        return view_fail(reader, at, NULL, "is no array (expected an array of turns)", err);
    cso_json_walk walk = cso_json_walk_begin(turns.text, turns.size);
    for (at.index = 0; cso_json_walk_next(&walk); at.index++)
        CSO_TRY(add_turn(reader, (json_slice){walk.value, walk.value_size}, at, err));
    at.index = SIZE_MAX;
    return reader->view.n_path ? CSO_OK : view_fail(reader, at, NULL, "is empty (expected an array of turns)", err);
}
