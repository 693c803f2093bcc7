/* json_walk.h - large values of a JSON text, checked but not built.
 *
 * A vocabulary can have more than a million values, and cJSON needs three allocations for each. cso_json_parse_large leaves such
 * values in the text; a walk goes over their items. As in json.h, U+0000 in a string becomes C0 80.
 */
#ifndef CSO_JSON_WALK_H
#define CSO_JSON_WALK_H

#include "json.h"

/* The member `key` of the root's member `object`. */
typedef struct cso_json_large {
    const char *object, *key;
    const char *text; /* set: the value in the text, NULL if it is missing */
    size_t size, items;
    bool inside; /* while the text is read */
} cso_json_large;

/* Like cso_json_parse, with null in the tree for each of large[count]. */
cso_status cso_json_parse_large(cJSON **value, const char *text, size_t size, const char *place, cso_json_large *large,
                                size_t count, cso_error *err);

/* Walks the members of an object or the items of an array; other values have none. */
typedef struct cso_json_walk {
    const char *text;
    size_t size, at;
    bool object;
    const char *key, *value; /* of the item: the key (of an object) with its quotes, the value's text */
    size_t key_size, value_size;
    size_t items; /* of the value, if it is an array or object */
} cso_json_walk;

cso_json_walk cso_json_walk_begin(const char *text, size_t size);
bool cso_json_walk_next(cso_json_walk *walk);                         /* false: at the end */
bool cso_json_walk_number(const cso_json_walk *walk, double *number); /* false: the value is not a number */

/* Room for a string that has escapes; zero-initialise, free(room.bytes). */
typedef struct cso_json_room {
    char *bytes;
    size_t capacity;
} cso_json_room;
/* The bytes of a string with its quotes (a key, or a value that begins with one): in the text or in the room, not
 * zero-terminated. False if out of memory. */
bool cso_json_walk_string(cso_json_room *room, const char *string, size_t size, const char **bytes, size_t *length);

#endif
