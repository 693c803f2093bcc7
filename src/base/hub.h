/* hub.h - the Hugging Face hub, for users who give a name there in place of a file. Nothing is ever fetched. */
#ifndef CSO_HUB_H
#define CSO_HUB_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>

enum { CSO_HUB_ID_BYTES = 97 }; /* of the longest id, with its end */

typedef enum cso_hub_kind { CSO_HUB_MODEL, CSO_HUB_DATA } cso_hub_kind;

/* Whether a text is a hub id with an owner: "meta-llama/Llama-3.1-8B-Instruct". */
bool cso_is_hub_id(const char *text);
/* The model's id in a hub's address, behind which "/tree/main" and the like may come, or in a text that is one; false: none. The
 * text has `size` bytes and needs no end. */
bool cso_hub_read_id(const char *text, size_t size, char id[CSO_HUB_ID_BYTES]);

/* After opening `path` has failed with `status`: where nothing is there and it ends as a hub id does ("meta-llama/Llama-3.1-8B",
 * also as an address), err says how to fetch that. Returns status. */
cso_status cso_hub_hint(cso_status status, const char *path, cso_hub_kind kind, cso_error *err);

#endif
