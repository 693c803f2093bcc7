/* lora.h - LoRA adapters (Hu et al. 2021, arXiv 2106.09685): y = x W^T + b + scale (x A^T) B^T on any of the seven projections.
 *
 * All factors of an adapter lie in one flat f32 array, layer by layer. Within a layer each set of projections with one input, (q,
 * k, v), o, (gate, up), down, has every A, then every B, so that one product reads the input for every A of the set. Gradients and
 * optimizer state have the same layout. scale = alpha / rank, or alpha / sqrt(rank) with rslora (Kalajdzievski 2023).
 *
 * The engine finds factors by layer and projection (cso_adapter_slot); all others go by the table (cso_adapter_trainables).
 */
#ifndef CSO_LORA_H
#define CSO_LORA_H

#include "base/status.h"
#include "model.h"
#include "trainables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_lora_options {
    size_t rank;
    double alpha;
    bool rslora;
    double dropout;
    bool targets[CSO_MODULE_COUNT];
} cso_lora_options;

/* The factors of one projection. */
typedef struct cso_lora_slot {
    size_t in, out; /* features; 0: the projection has none */
    size_t a;       /* offset of A (rank, in) in the flat array */
    size_t b;       /* offset of B (out, rank) */
} cso_lora_slot;

/* What an adapter adds to a model's projections; the engine has a row for each (addition.h). */
typedef enum cso_adapter_kind { CSO_ADAPTER_LORA, CSO_ADAPTER_KINDS } cso_adapter_kind;

typedef struct cso_adapter {
    cso_adapter_kind kind;
    cso_lora_options options;
    float scale;
    size_t n_layers;
    cso_lora_slot *slots;   /* (n_layers, CSO_MODULE_COUNT) */
    cso_trainable *trained; /* (n_trained) layer by layer, for each projection A, then B: the order of files */
    size_t n_trained;
    size_t n_params;
    float *params; /* (n_params) */
    char *base;    /* base_model_name_or_path, for adapter_config.json */
} cso_adapter;

/* The table of the adapter's arrays, which is the adapter's memory. */
static inline cso_trainables cso_adapter_trainables(const cso_adapter *adapter) {
    return (cso_trainables){adapter->trained, adapter->n_trained, adapter->n_params, adapter->params};
}

static inline const cso_lora_slot *cso_adapter_slot(const cso_adapter *adapter, size_t layer, cso_module module) {
    return &adapter->slots[layer * CSO_MODULE_COUNT + module];
}

/* A fresh adapter as PEFT initialises one: A Kaiming-uniform with a = sqrt(5), that is uniform in +-1/sqrt(in); B zero. */
cso_status cso_adapter_create(cso_adapter **adapter, const cso_model *model, const cso_lora_options *options, uint64_t seed,
                              cso_error *err);
cso_status cso_adapter_copy(cso_adapter **copy, const cso_adapter *adapter, cso_error *err);
/* Gives the adapter another name of its base model, of which it takes a copy. */
cso_status cso_adapter_set_base(cso_adapter *adapter, const char *name, cso_error *err);
void cso_adapter_free(cso_adapter *adapter);

/* PEFT's form: folder with adapter_config.json and adapter_model.safetensors. Reading checks every name, shape and option
 * against the model: CSO_ERR_INPUT names the tensor of another model's adapter. Writing fills an existing folder. */
cso_status cso_adapter_read(cso_adapter **adapter, const cso_model *model, const char *folder, cso_error *err);
cso_status cso_adapter_write(const cso_adapter *adapter, const char *folder, cso_error *err);

/* XXH3-128 of options and parameters, 32 hex digits (caches, tests of determinism). */
void cso_adapter_fingerprint(const cso_adapter *adapter, char hex[33]);

#endif
