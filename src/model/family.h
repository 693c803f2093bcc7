/* family.h - what distinguishes one model family from another. A family is one file and one row of CMakeLists.txt. */
#ifndef CSO_FAMILY_H
#define CSO_FAMILY_H

#include "hparams_source.h"
#include "model.h"

/* A block's norms, in the order of computation. */
typedef enum cso_norm { CSO_INPUT_NORM, CSO_POST_ATTENTION_NORM, CSO_FFN_NORM, CSO_POST_FFN_NORM, CSO_NORM_COUNT } cso_norm;

typedef struct cso_family {
    const char *name;                      /* model_type of config.json and general.architecture of GGUF */
    const char *norm_hf[CSO_NORM_COUNT];   /* "input_layernorm"; NULL: the family has no such norm */
    const char *norm_gguf[CSO_NORM_COUNT]; /* "attn_norm" */
    cso_activation activation;
    const char *activation_name; /* what config.json must say where it says anything */
    bool qkv_bias;
    bool norm_plus_one;       /* Hugging Face's norm weights lack the 1 (GGUF has it baked in) */
    bool gguf_interleaved_qk; /* GGUF permutes the rows of Q and K to interleaved rotary pairs */
    bool tied_by_default;     /* tie_word_embeddings where config.json is silent */
    size_t head_dim_default;  /* where config.json is silent; 0: hidden / heads */
    /* Reads what only this family has into hparams; may be NULL. */
    cso_status (*read_hparams)(const cso_hparams_source *source, cso_hparams *hparams, cso_error *err);
} cso_family;

/* NULL: unknown. */
const cso_family *cso_family_find(const char *name);
/* GGUF's name of a projection, "attn_q"; Hugging Face's is cso_module_path. */
const char *cso_module_gguf(cso_module module);
/* "llama, qwen2, gemma2", for messages. */
const char *cso_family_names(void);

#endif
