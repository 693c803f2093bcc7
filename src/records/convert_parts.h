/* convert_parts.h - the parts of a conversion. */
#ifndef CSO_RECORDS_CONVERT_PARTS_H
#define CSO_RECORDS_CONVERT_PARTS_H

#include "convert.h"
#include "hash_set.h"

/* A record that outlives its text. Zero-initialise. */
typedef struct kept_record {
    record_view view; /* all but its replies and turns; with kept_finish those too */
    view_reply *good, *bad;
    size_t n_good, n_bad;
    hash_map seen; /* replies that are there */
    cso_json_room room;
    cso_arena arena;
    size_t extra_capacity, path_capacity, message_capacity, good_capacity, bad_capacity, reply_capacity, turn_capacity;
} kept_record;

bool keep_slice(cso_arena *arena, json_slice from, json_slice *to);
bool keep_message(cso_arena *arena, const view_message *from, view_message *to);
/* Takes the prompt and the fields; forgets what was there. */
cso_status kept_begin(kept_record *kept, const record_view *view, cso_error *err);
/* *added false: a good one, or a bad one, of these messages is there already. */
cso_status kept_add_reply(kept_record *kept, const record_view *view, const view_reply *reply, bool good, bool *added,
                          cso_error *err);
/* Makes one turn of the replies. */
cso_status kept_finish(kept_record *kept, cso_error *err);
void kept_free(kept_record *kept);

/* Records that are a prompt with replies: pairs, kto, preference, list. Zero-initialise, set the first four. */
typedef struct flat_writer {
    const cso_convert_options *options;
    cso_record_sink *sink;
    cso_convert_result *result;
    bool once; /* what is equal to something of the same dialogue is not written again */
    text_hash dialogue;
    hash_map seen;
    text_hash *chain; /* (n_path + 1) hashes of the beginnings of the path */
    size_t chain_capacity;
    cso_json_room room;
} flat_writer;
/* dialogue: of the record. */
cso_status flat_write(flat_writer *writer, const record_view *view, text_hash dialogue, cso_error *err);
void flat_free(flat_writer *writer);
/* "key": value as the next member of an object; *first: it is the first one. Nothing for a missing value. */
void write_field(cso_text *out, bool *first, const char *key, json_slice value);
/* The fields of no known meaning. */
void write_extra(cso_text *out, bool *first, const record_view *view);
/* Messages without the brackets around them. */
void write_messages(cso_text *out, const view_message *messages, size_t count);

/* Puts records of a dialogue together again: to trees or conversations. Zero-initialise, set the first five. */
typedef struct dialogue_joiner {
    const cso_convert_options *options;
    cso_record_sink *sink;
    cso_convert_result *result;
    const char *system; /* the system message that trees are read under; "" for none */
    const char *place;  /* of the record that is being added */
    struct joined_dialogue *dialogue;
    hash_set finished;
    cso_json_room room;
} dialogue_joiner;
cso_status dialogue_add(dialogue_joiner *joiner, const record_view *view, text_hash hash, cso_error *err);
cso_status dialogue_finish(dialogue_joiner *joiner, cso_error *err);
void dialogue_free(dialogue_joiner *joiner);

/* "(Strategy) text" in its two parts, without quotes; false: it is not of this form. *blank: one follows the strategy. */
bool split_strategy(json_slice content, json_slice *strategy, json_slice *text, bool *blank);

#endif
