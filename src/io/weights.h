/* weights.h - a model's files of either format: raw tensors by their names in the file, and the metadata. */
#ifndef CSO_WEIGHTS_H
#define CSO_WEIGHTS_H

#include "base/status.h"
#include "gguf.h"
#include "json.h"
#include "kernels/tensor.h"

typedef enum cso_weights_format { CSO_WEIGHTS_SAFETENSORS, CSO_WEIGHTS_GGUF } cso_weights_format;

typedef struct cso_weights {
    cso_weights_format format;
    char *path;           /* as given */
    char *folder;         /* of the files: where config.json, tokenizer.json, ... are */
    const cso_gguf *gguf; /* GGUF: metadata; NULL otherwise */
    const cJSON *config;  /* safetensors: config.json; NULL otherwise */
    struct cso_weights_files *files;
} cso_weights;

/* path: a .gguf file (the first part of a split model), a .safetensors file with config.json beside it, or a folder with
 * config.json and model.safetensors or model.safetensors.index.json (whose shards must all be there, inside the folder), or
 * with one .gguf file.
 * Nothing is converted or copied: tensors point into the mappings. Tensors that an index does not name are omitted. */
cso_status cso_weights_open(cso_weights **weights, const char *path, cso_error *err);
void cso_weights_close(cso_weights *weights);

size_t cso_weights_count(const cso_weights *weights);
const cso_tensor *cso_weights_at(const cso_weights *weights, size_t index);
const cso_tensor *cso_weights_find(const cso_weights *weights, const char *name); /* NULL: none */

/* The tensor with this name and exactly this shape, else CSO_ERR_INPUT naming file, tensor, both shapes. */
cso_status cso_weights_require(const cso_weights *weights, const char *name, int n_dims, const size_t *shape, cso_tensor *tensor,
                               cso_error *err);

/* A name for caches and resumed runs, 32 hex digits: XXH3-128 of the metadata (GGUF keys, config.json) and of all tensors'
 * names, dtypes, shapes, sizes and a sample of their bytes. All zeros if out of memory. */
void cso_weights_fingerprint(const cso_weights *weights, char hex[33]);

#endif
