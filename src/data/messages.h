/* messages.h - lists of chat messages read from records. */
#ifndef CSO_DATA_MESSAGES_H
#define CSO_DATA_MESSAGES_H

#include "base/status.h"
#include "io/json.h"
#include "text/chat.h"

#include <stdbool.h>
#include <stddef.h>

/* Roles and contents point into the record or to texts that the list owns. Zero-initialise. */
typedef struct message_list {
    cso_message *items;
    size_t count, capacity;
    char **owned;
    size_t owned_count, owned_capacity;
} message_list;

void message_list_free(message_list *list);
cso_status message_list_add(message_list *list, const char *role, const char *content, size_t size, cso_error *err);

/* A copy of a message, its texts owned by list. */
cso_status message_list_copy(message_list *list, const cso_message *message, cso_error *err);

/* A string of a record with its length: it may hold U+0000. key is for the message of a wrong type; what is decoded belongs to
 * list. */
cso_status message_list_text(message_list *list, const cJSON *string, const char *place, const char *key, const char **text,
                             size_t *size, cso_error *err);
/* "(strategy) content", owned by the list. */
cso_status message_list_strategy_text(message_list *list, const char *strategy, const char *content, size_t content_size,
                                      const char **text, size_t *size, cso_error *err);

/* One {"role", "content"} object. name: "messages[3]", for messages. */
cso_status message_list_read_one(message_list *list, const cJSON *message, const char *place, const char *name, cso_error *err);
/* An array of them, or (where single is true) one object. */
cso_status message_list_read(message_list *list, const cJSON *array, const char *place, const char *key, bool single,
                             cso_error *err);
/* That all are of the system, the user or the assistant. */
cso_status message_list_check_roles(const message_list *list, const char *place, const char *key, cso_error *err);

#endif
