/* view_parts.h - what the readers of the forms share. */
#ifndef CSO_RECORDS_VIEW_PARTS_H
#define CSO_RECORDS_VIEW_PARTS_H

#include "record_view.h"

#include "base/memory.h"

#include <stdint.h>

/* The value of a field of the record; text NULL: it is missing. */
json_slice view_field_of(const view_reader *reader, const char *key);

/* A place in the record for messages: key, key[index] or key[index].field. */
typedef struct view_at {
    const char *key;
    size_t index; /* SIZE_MAX: none */
    const char *inner;
    size_t inner_index; /* of inner: SIZE_MAX: none */
} view_at;
cso_status view_fail(view_reader *reader, view_at at, const char *field, const char *what, cso_error *err);

/* Reads {"role", "content"}. */
cso_status view_read_message(view_reader *reader, json_slice value, view_at at, view_message *message, cso_error *err);
/* Adds to the path or to the replies' messages: all of an array. */
cso_status view_add_path(view_reader *reader, const view_message *message, cso_error *err);
cso_status view_add_message(view_reader *reader, const view_message *message, cso_error *err);
cso_status view_read_path(view_reader *reader, const char *key, cso_error *err);
/* Adds a reply of the messages from `first` on. */
cso_status view_add_reply(view_reader *reader, size_t first, cso_error *err);
cso_status view_add_turn(view_reader *reader, size_t prompt, size_t first, size_t good, cso_error *err);

/* A string in the arena: the parts one after the other, in quotes. */
cso_status view_join(view_reader *reader, const json_slice *parts, size_t count, json_slice *string, cso_error *err);
bool view_role_is(view_reader *reader, const view_message *message, const char *role);

/* The readers: each adds path, replies and turns to the view. */
cso_status view_read_tree(view_reader *reader, cso_error *err);
cso_status view_read_pair(view_reader *reader, cso_error *err);
cso_status view_read_preference(view_reader *reader, cso_error *err);
cso_status view_read_kto(view_reader *reader, cso_error *err);
cso_status view_read_list(view_reader *reader, cso_error *err);
cso_status view_read_completion(view_reader *reader, cso_error *err);
cso_status view_read_conversation(view_reader *reader, cso_error *err);
cso_status view_read_text(view_reader *reader, cso_error *err);

#endif
