/* open_model.h - a model with its tokenizer and chat template, as programs and the library open them. */
#ifndef CSO_OPEN_MODEL_H
#define CSO_OPEN_MODEL_H

#include "model/lora.h"
#include "model/model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

typedef struct opened_model {
    cso_model *model;
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
} opened_model;

/* tokenizer: a path, or "" for the model's own. chat_template: "auto" or a name; NULL: no template. */
cso_status open_model(opened_model *opened, const char *path, const char *tokenizer, const char *chat_template, cso_error *err);
/* cso_adapter_read for the opened model. */
cso_status opened_model_adapter(cso_adapter **adapter, const opened_model *base, const char *folder, cso_error *err);
void close_model(opened_model *opened);
/* Bytes of all the model's tensors. */
size_t opened_model_bytes(const opened_model *opened);
/* Bytes for activations: gib GiB, or 80 % of the memory that is free beside the weights if gib is 0. */
size_t memory_budget(const opened_model *opened, double gib);

#endif
