/* inspect.h - shared by the files of cso-inspect. */
#ifndef CSO_INSPECT_H
#define CSO_INSPECT_H

#include "base/status.h"
#include "kernels/tensor.h"
#include "programs/common/report.h"

typedef struct inspect_options {
    bool json, tensors, keys, verify;
    int threads; /* 0: the physical cores */
} inspect_options;

/* Tensors of one or several files. */
typedef struct tensor_list {
    const cso_tensor **items;
    size_t count, capacity;
} tensor_list;

cso_status tensor_list_add(tensor_list *list, const cso_tensor *tensor, cso_error *err);
/* Counts (that of all numbers under the name `total`), dtypes, with --tensors each one, with --verify what is in them. NaN or
 * Inf is CSO_ERR_INPUT, after the report. */
cso_status inspect_tensors(report *r, const inspect_options *options, const tensor_list *list, const char *total, const char *place,
                           cso_error *err);

/* Reports on `path`, whatever it is. *complete: print the report even if the call failed; it names the error. */
cso_status inspect_path(report *r, const inspect_options *options, const char *path, bool *complete, cso_error *err);
/* A GGUF or safetensors model; r is within the object. */
cso_status inspect_model(report *r, const inspect_options *options, const char *path, bool *complete, cso_error *err);
/* A tokenizer with its chat template, as a group; path: where model or tokenizer are. gguf may be NULL. */
struct cso_gguf;
cso_status inspect_tokenizer(report *r, const char *path, const struct cso_gguf *gguf, cso_error *err);
/* Compares a folder of cso-train with its checksums, before anything in it is read: a damage is reported and CSO_ERR_INPUT. Does
 * nothing where the folder is none of cso-train's. */
cso_status inspect_verify(report *r, const char *folder, bool *complete, cso_error *err);
/* Folders of cso-train: PEFT adapters, checkpoints, runs. */
cso_status inspect_adapter(report *r, const inspect_options *options, const char *folder, bool *complete, cso_error *err);
cso_status inspect_checkpoint(report *r, const inspect_options *options, const char *folder, bool *complete, cso_error *err);
cso_status inspect_run(report *r, const char *folder, bool *complete, cso_error *err);

/* --make-model and its options. */
typedef struct make_options {
    int threads; /* 0: the physical cores */
    const char *family, *out, *preset, *type, *tokenizer, *seed, *shard;
    size_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context; /* 0: the preset's */
    bool quiet, json;
} make_options;
cso_status make_model(const make_options *options, cso_error *err);

#endif
