/* random_metadata.h - config and metadata of a random model; internal to src/synth. */
#ifndef CSO_RANDOM_METADATA_H
#define CSO_RANDOM_METADATA_H

#include "io/gguf_write.h"
#include "random_model.h"

/* config.json and generation_config.json in a folder. */
cso_status cso_random_write_config(const cso_random_model *model, const char *folder, cso_error *err);
/* general.* and <family>.* of a GGUF. */
void cso_random_write_keys(const cso_random_model *model, cso_gguf_writer *writer);

#endif
