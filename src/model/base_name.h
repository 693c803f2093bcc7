/* base_name.h - what a model is called on the Hugging Face hub, for those who load its adapters. */
#ifndef CSO_BASE_NAME_H
#define CSO_BASE_NAME_H

#include "base/status.h"
#include "model.h"

/* *name (the caller frees): the model's hub id as its files tell it, else the absolute path of the model. The files tell it by
 *   GGUF: general.source.huggingface.repository, general.source.repo_url or .url, general.base_model.0.repo_url (of a single base
 *     model), general.repo_url or .url (GGUF's specification, ggml-org/ggml docs/gguf.md). A repository of GGUF files is none that
 *     PEFT can load, so the file's place in the hub's cache tells nothing. Where general.finetune or general.name says that the
 *     model is tuned, so must the id: a model converted from a tuned one names as its base what that one was tuned from;
 *   Hugging Face: the folder's place in the hub's cache (models--OWNER--NAME/snapshots/...), or config.json's _name_or_path. */
cso_status cso_model_base_name(const cso_model *model, char **name, cso_error *err);

#endif
