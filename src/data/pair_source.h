/* pair_source.h - preference pairs, lists, single replies and conversations as texts: what the readers of the forms give and render.c
 * turns into tokens. */
#ifndef CSO_DATA_PAIR_SOURCE_H
#define CSO_DATA_PAIR_SOURCE_H

#include "hash.h"
#include "messages.h"
#include "record.h"

typedef struct source_reply {
    const cso_message *messages; /* usually one */
    size_t count;
    cso_reply_info info; /* empty: nothing but white space behind the strategy. strategy_from and strategy_to are unknown yet */
} source_reply;

typedef struct pair_source {
    bool plain; /* texts without a template: prompt[0] and the replies' messages[0] have no role */
    const cso_message *prompt;
    size_t prompt_count;
    size_t n_replies;          /* 0: a conversation, which is the whole prompt: its assistant messages count */
    const source_reply *reply; /* (n_replies) of a pair chosen, rejected; of a list by rank */
    bool pair;
    bool label;                /* of a labeled reply */
    cso_reply_info whole;      /* of a conversation; empty: a message that counts is */
    size_t unknown_strategies; /* replies that should have one of options->strategies and have not */
    text_hash dialogue;        /* equal for the pairs of one dialogue or search tree */
    bool has_identity;         /* ESC-Pro: pairs that are equal in every field occur once only */
    text_hash identity;
} pair_source;

/* Nothing known but the name. */
cso_reply_info reply_info(const char *name);

/* place: "FILE:LINE", or with "messages[N]" behind it. */
typedef cso_status (*pair_source_visitor)(void *context, const pair_source *source, const char *place, cso_error *err);

/* What is seen of a record beside its pairs. */
typedef struct source_counts {
    size_t empty_turns;
    size_t duplicates; /* negatives that a list has already */
} source_counts;

typedef struct source_request {
    const cJSON *record;
    const char *place;
    const cso_data_options *options;
    source_counts *counts;
    pair_source_visitor visit;
    void *context;
} source_request;

/* The readers of the forms. A tree is pairs; with options->kind CSO_EXAMPLE_TEXT the conversation of its preferred replies, with
 * CSO_EXAMPLE_LIST a list for each turn. */
cso_status esc_tree_sources(const source_request *request, cso_error *err);
cso_status esc_pair_sources(const source_request *request, cso_error *err);
cso_status preference_sources(const source_request *request, cso_error *err);
cso_status conversation_sources(const source_request *request, cso_error *err);
cso_status text_sources(const source_request *request, cso_error *err);
cso_status list_sources(const source_request *request, cso_error *err);
cso_status completion_sources(const source_request *request, cso_error *err);
cso_status kto_sources(const source_request *request, cso_error *err);
/* Whether records of this form can be examples of this kind; CSO_ERR_INPUT that says for which loss they are. */
cso_status record_check_kind(cso_record_form form, cso_example_kind kind, const char *place, cso_error *err);
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
/* The numbers q and n of a reply's object, if it has them. name: "messages[3]", for messages. */
cso_status reply_info_read(cso_reply_info *info, const cJSON *reply, const char *place, const char *name, cso_error *err);

#endif
