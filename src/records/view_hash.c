/* view_hash.c - what tells dialogues, messages and records apart. */
#include "view_parts.h"

/* Hash of a message by role and content; plain texts have no role. */
bool view_message_hash(const view_message *message, cso_json_room *room, text_hash *hash) {
    cso_digest digest;
    cso_digest_begin(&digest);
    bool done = slice_digest(&digest, message->role, room) && slice_digest(&digest, message->content, room);
    *hash = text_hash_end(&digest);
    return done;
}

text_hash view_hash_chain(text_hash before, text_hash message) {
    const text_hash both[2] = {before, message};
    cso_digest digest;
    cso_digest_begin(&digest);
    cso_digest_add(&digest, both, sizeof both);
    return text_hash_end(&digest);
}

bool view_dialogue(view_reader *reader, bool with_system, text_hash *hash) {
    const record_view *view = &reader->view;
    json_slice system = {0}, user = {0};
    for (size_t i = 0; i < view->n_path && !user.text; i++) {
        const view_message *message = &view->path[i];
        if (view->plain || view_role_is(reader, message, VIEW_USER))
            user = message->content;
        else if (view_role_is(reader, message, VIEW_SYSTEM))
            system = message->content;
    }
    cso_digest digest;
    cso_digest_begin(&digest);
    bool done = (!with_system || slice_digest(&digest, system, &reader->room)) &&
                slice_digest(&digest, view->scene, &reader->room) && slice_digest(&digest, view->description, &reader->room) &&
                slice_digest(&digest, user, &reader->room);
    *hash = text_hash_end(&digest);
    return done;
}

static bool digest_messages_of(view_reader *reader, const view_message *messages, size_t count, cso_digest *digest) {
    text_hash hash;
    cso_digest_add(digest, &count, sizeof count);
    for (size_t i = 0; i < count; i++) {
        if (!view_message_hash(&messages[i], &reader->room, &hash))
            return false;
        cso_digest_add(digest, &hash, sizeof hash);
    }
    return true;
}

bool view_content_hash(view_reader *reader, text_hash *hash) {
    const record_view *view = &reader->view;
    cso_digest digest;
    cso_digest_begin(&digest);
    bool done = slice_digest(&digest, view->scene, &reader->room) && slice_digest(&digest, view->description, &reader->room) &&
                digest_messages_of(reader, view->path, view->n_path, &digest);
    for (size_t i = 0; i < view->n_turns; i++) {
        const view_turn *turn = &view->turns[i];
        cso_digest_add(&digest, turn, sizeof *turn);
    }
    for (size_t i = 0; done && i < view->n_replies; i++)
        done = digest_messages_of(reader, view->messages + view->replies[i].first, view->replies[i].count, &digest);
    *hash = text_hash_end(&digest);
    return done;
}
