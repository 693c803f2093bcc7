/* hub.h - the Hugging Face hub, for users who give a name there in place of a file. Nothing is ever fetched. */
#ifndef CSO_HUB_H
#define CSO_HUB_H

#include "status.h"

typedef enum cso_hub_kind { CSO_HUB_MODEL, CSO_HUB_DATA } cso_hub_kind;

/* After opening `path` has failed with `status`: where nothing is there and it ends as a hub id does ("meta-llama/Llama-3.1-8B", also
 * as an address), err says how to fetch that. Returns status. */
cso_status cso_hub_hint(cso_status status, const char *path, cso_hub_kind kind, cso_error *err);

#endif
