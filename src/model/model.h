/* model.h - the transformer's description and weights: hyperparameters, families, and tensors under one set of names. */
#ifndef CSO_MODEL_H
#define CSO_MODEL_H

#include "base/status.h"
#include "io/weights.h"
#include "kernels/tensor.h"

#include <stdbool.h>
#include <stddef.h>

/* The linear layers of a block that LoRA can adapt, in Hugging Face's words. */
typedef enum cso_module {
    CSO_Q_PROJ,
    CSO_K_PROJ,
    CSO_V_PROJ,
    CSO_O_PROJ,
    CSO_GATE_PROJ,
    CSO_UP_PROJ,
    CSO_DOWN_PROJ,
    CSO_MODULE_COUNT
} cso_module;
extern const char *const cso_module_words[];    /* (CSO_MODULE_COUNT) and NULL: "q_proj", ... */
const char *cso_module_name(cso_module module); /* "q_proj" */
const char *cso_module_path(cso_module module); /* "self_attn.q_proj" */

typedef enum cso_activation { CSO_SWIGLU, CSO_GEGLU } cso_activation;

typedef struct cso_hparams {
    size_t n_layers, hidden, n_heads, n_kv_heads, head_dim, ffn, vocab;
    size_t max_positions; /* the context the model was trained for */
    float norm_eps;
    double rope_theta;
    float attention_scale;   /* 1/sqrt(head_dim), or query_pre_attn_scalar^-0.5 */
    float attention_softcap; /* 0: none */
    float final_softcap;     /* 0: none */
    float embedding_scale;   /* 1, or sqrt(hidden) */
    size_t window;           /* sliding window in tokens, itself included; 0: none */
    size_t window_every;     /* layer l is windowed if window != 0 and l % window_every == 0 (Gemma-2: 2) */
    bool qkv_bias, post_norms, norm_plus_one /* stored norm weights lack the 1 */, tied;
    cso_activation activation;
} cso_hparams;

/* A layer's weights; vectors are f32 copies. */
typedef struct cso_layer {
    float *input_norm;          /* (D) before attention */
    float *post_attention_norm; /* (D) on the attention's output (Gemma-2), NULL otherwise */
    float *ffn_norm;            /* (D) before the MLP */
    float *post_ffn_norm;       /* (D) on the MLP's output (Gemma-2), NULL otherwise */
    cso_tensor linear[CSO_MODULE_COUNT];
    float *bias[CSO_MODULE_COUNT]; /* (out) or NULL */
} cso_layer;

typedef struct cso_model {
    const struct cso_family *family;
    cso_hparams hparams;
    double *inv_freq;     /* (head_dim / 2): angle per position of each rotary pair, llama3 scaling included */
    cso_tensor embedding; /* (V, D) */
    cso_tensor head;      /* (V, D); the embedding where tied */
    float *final_norm;    /* (D) */
    cso_layer *layers;    /* (n_layers) */
    cso_weights *weights; /* owned */
    size_t n_params;
} cso_model;

cso_status cso_model_open(cso_model **model, const char *path, cso_error *err);
void cso_model_free(cso_model *model);
size_t cso_module_in(const cso_model *model, cso_module module);
size_t cso_module_out(const cso_model *model, cso_module module);
const char *cso_model_family_name(const cso_model *model); /* "llama" */

#endif
