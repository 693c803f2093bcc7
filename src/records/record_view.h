/* record_view.h - what a record of any form holds, as slices of its text: the messages, and at which of them replies compete.
 *
 * A view reads what src/data reads for training, and refuses the same records; but it keeps the record's own bytes and needs no
 * tokenizer.
 */
#ifndef CSO_RECORDS_RECORD_VIEW_H
#define CSO_RECORDS_RECORD_VIEW_H

#include "base/arena.h"
#include "slice.h"

typedef enum cso_data_form {
    CSO_FORM_TREES,      /* ESC-Pro trees */
    CSO_FORM_PAIRS,      /* ESC-Pro pairs */
    CSO_FORM_KTO,        /* {"messages", "label"}, or {"prompt", "completion", "label"} */
    CSO_FORM_PREFERENCE, /* {"prompt", "chosen", "rejected"}, the prompt may be implicit */
    CSO_FORM_LIST,       /* {"prompt", "completions", "q"?}, the best completion first */
    CSO_FORM_SFT,        /* {"messages"} */
    CSO_FORM_COMPLETION, /* {"prompt", "completion"} */
    CSO_FORM_TEXT,       /* {"text"} */
    CSO_FORM_IDS,        /* {"ids"} */
    CSO_FORM_COUNT
} cso_data_form;

typedef struct view_field {
    json_slice key, value;
} view_field;

typedef struct view_message {
    json_slice object;        /* as in the record; text NULL: made of role and content alone */
    json_slice role, content; /* strings; a plain text has no role */
} view_message;

/* A reply to a prompt: messages [first, first + count) of the view. Of a tree also its two parts, without quotes. */
typedef struct view_reply {
    size_t first, count;
    json_slice strategy, text;
    json_slice q, n; /* of a tree's turn or a list's reply: what the search said of it; may be missing */
} view_reply;

/* Where replies compete: after the first `prompt` messages of the path. Its replies are [first, first + good + bad), the good ones
 * first. */
typedef struct view_turn {
    size_t prompt, first, good, bad;
} view_turn;

typedef struct record_view {
    cso_data_form form;
    bool plain; /* texts without roles: path and replies have one message each */
    json_slice scene, description, iter;
    view_field *extra; /* (n_extra) fields of no known meaning */
    size_t n_extra;
    view_message *path; /* (n_path) of a tree and a conversation the whole dialogue, else the prompt */
    size_t n_path;
    view_message *messages; /* (n_messages) of the replies */
    size_t n_messages;
    view_reply *replies; /* (n_replies) */
    size_t n_replies;
    view_turn *turns; /* (n_turns) in the order of the path; none of a conversation or text */
    size_t n_turns;
    size_t renamed_roles,
        lost_fields; /* roles that are another word for assistant; fields without meaning here: of turns, and such as the form does not have */
} record_view;

/* What kind of fault a refused record has. */
typedef enum view_fault { VIEW_FAULT_RECORD, VIEW_FAULT_ROLES } view_fault;

/* Reads one record after the other. Zero-initialise. */
typedef struct view_reader {
    record_view view; /* of the last record; slices of its text or of the arena, until the next one is read */
    view_fault fault;
    const char *place; /* "FILE:LINE" of the record, for messages */
    view_field *fields;
    size_t n_fields;
    cso_arena arena;
    cso_json_room room;
    size_t field_capacity, extra_capacity, path_capacity, message_capacity, reply_capacity, turn_capacity;
} view_reader;

/* Reads a record that passed cso_json_check_record. A record of no known form, a missing or wrong field, roles out of order: CSO_ERR_INPUT
 * with "FILE:LINE: ...". */
cso_status view_read(view_reader *reader, const char *text, size_t size, const char *place, cso_error *err);
void view_reader_free(view_reader *reader);

/* The system message, user message and assistant message of a path are written in these bytes. */
#define VIEW_SYSTEM    "\"system\""
#define VIEW_USER      "\"user\""
#define VIEW_ASSISTANT "\"assistant\""

/* "trees", "pairs", "kto", "preference", "list", "sft", ... */
extern const char *const cso_data_form_words[CSO_FORM_COUNT + 1];
/* "an ESC-Pro tree", "a preference record": for messages. */
const char *view_form_name(cso_data_form form);

/* Hash of what the records of one dialogue or search tree have in common: scene, description and first user message; with_system: the
 * system message too. For texts the prompt. False if out of memory. */
bool view_dialogue(view_reader *reader, bool with_system, text_hash *hash);
/* Hash of a message by role and content; of a list of messages that go on after those of `before`. */
bool view_message_hash(const view_message *message, cso_json_room *room, text_hash *hash);
text_hash view_hash_chain(text_hash before, text_hash message);
/* Hash of all that training sees of a record; not of iter, q, n and fields without meaning. */
bool view_content_hash(view_reader *reader, text_hash *hash);

#endif
