/* tokenizer_pipeline.h - which tokenizer a tokenizer.json describes. */
#ifndef CSO_TOKENIZER_PIPELINE_H
#define CSO_TOKENIZER_PIPELINE_H

#include "io/json.h"
#include "tokenizer_internal.h"

/* Reads normalizer, pre_tokenizer, post_processor and decoder, and sets kind, engine, nfc, adds_bos (and bos, as a string in
 * *bos, owned by root; NULL: none). Any other pipeline than the known ones is CSO_ERR_INPUT naming the part. */
cso_status cso_pipeline_read(cso_tokenizer *tokenizer, const cJSON *root, const char *place, const char **bos, cso_error *err);

#endif
