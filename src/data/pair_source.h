/* pair_source.h - preference pairs and conversations as texts: what the readers of the forms give and render.c turns into tokens. */
#ifndef CSO_DATA_PAIR_SOURCE_H
#define CSO_DATA_PAIR_SOURCE_H

#include "hash.h"
#include "messages.h"
#include "record.h"

typedef struct pair_source {
    bool plain; /* texts without a template: prompt[0] and reply[.][0] have no role */
    const cso_message *prompt;
    size_t prompt_count;
    size_t n_replies;            /* 2; 0: no pair but a conversation, which is the whole prompt: its assistant messages count */
    const cso_message *reply[2]; /* chosen, rejected; usually one message each */
    size_t reply_count[2];
    bool empty[2]; /* nothing but white space in a reply (behind its strategy); [0]: in a message that counts */
    const char *strategy[2];
    size_t unknown_strategies; /* replies of this pair that should have one of options->strategies and have not */
    text_hash dialogue;        /* equal for the pairs of one dialogue or search tree */
    bool has_identity;         /* ESC-Pro: pairs that are equal in every field occur once only */
    text_hash identity;
} pair_source;

/* place: "FILE:LINE", or with "messages[N]" behind it. */
typedef cso_status (*pair_source_visitor)(void *context, const pair_source *source, const char *place, cso_error *err);

/* What is seen of a record beside its pairs. */
typedef struct source_counts {
    size_t empty_turns;
} source_counts;

typedef struct source_request {
    const cJSON *record;
    const char *place;
    const cso_data_options *options;
    source_counts *counts;
    pair_source_visitor visit;
    void *context;
} source_request;

/* The readers of the forms. A tree is pairs, or with options->kind CSO_EXAMPLE_TEXT the conversation of its preferred replies. */
cso_status esc_tree_sources(const source_request *request, cso_error *err);
cso_status esc_pair_sources(const source_request *request, cso_error *err);
cso_status preference_sources(const source_request *request, cso_error *err);
cso_status conversation_sources(const source_request *request, cso_error *err);
cso_status text_sources(const source_request *request, cso_error *err);
/* The one that fits the form; CSO_ERR_INTERNAL for a form without pairs. */
cso_status record_sources(const source_request *request, cso_record_form form, cso_error *err);

/* "scene" and "description" of an ESC-Pro record; content NULL where one is missing. */
typedef struct esc_texts {
    cso_message scene, description;
} esc_texts;
cso_status esc_texts_read(esc_texts *texts, const cJSON *record, message_list *list, const char *place, cso_error *err);

/* Hash of what all pairs of a dialogue have in common: system message, scene and description (texts may be NULL), first user
 * message. */
text_hash dialogue_hash(const cso_message *messages, size_t count, const esc_texts *texts);
/* Hash of all of a pair; source->dialogue (with scene and description) must be set. */
text_hash identity_hash(const pair_source *source);
/* The same in parts, for pairs whose prompts begin alike: digest_messages adds the prompt's messages between the two. */
void identity_begin(cso_digest *hash, text_hash dialogue);
text_hash identity_end(const cso_digest *prompt, const pair_source *source);
bool is_blank(const char *text, size_t size);

#endif
