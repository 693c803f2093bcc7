/* gemma2.c - Gemma 2 (Gemma team 2024, arXiv 2408.00118): head_dim apart from hidden/heads, GeGLU with the tanh form, norms
 * before and after attention and MLP with weights 1 + w, soft caps on attention scores and logits, a sliding window on every
 * other layer (from the first), embeddings scaled by sqrt(hidden), tied head. */
#include "family.h"

#include <math.h>

static cso_status read_hparams(const cso_hparams_source *source, cso_hparams *hparams, cso_error *err) {
    bool found;
    double cap = 0, scale = 0, scalar = 0;
    CSO_TRY(cso_hparams_float(source, "attn_logit_softcapping", "attn_logit_softcapping", &cap, &found, err));
    hparams->attention_softcap = (float)cap;
    cap = 0;
    CSO_TRY(cso_hparams_float(source, "final_logit_softcapping", "final_logit_softcapping", &cap, &found, err));
    hparams->final_softcap = (float)cap;
    CSO_TRY(cso_hparams_size(source, "sliding_window", "attention.sliding_window", &hparams->window, &found, err));
    hparams->window_every = 2;
    hparams->embedding_scale = sqrtf((float)hparams->hidden);
    /* GGUF has no standard key for query_pre_attn_scalar: attention.scale where a converter wrote it, else llama.cpp's rule,
     * which is head_dim^-0.5 but (hidden/heads)^-0.5 for the 27B with its 46 layers. */
    CSO_TRY(cso_hparams_float(source, NULL, "attention.scale", &scale, &found, err));
    if (found) {
        hparams->attention_scale = (float)scale;
        return CSO_OK;
    }
    CSO_TRY(cso_hparams_float(source, "query_pre_attn_scalar", NULL, &scalar, &found, err));
    if (!found)
        scalar = source->weights->format != CSO_WEIGHTS_GGUF ? 256
                 : hparams->n_layers == 46                   ? (double)hparams->hidden / (double)hparams->n_heads
                                                             : (double)hparams->head_dim;
    hparams->attention_scale = (float)(1.0 / sqrt(scalar));
    return CSO_OK;
}

const cso_family cso_family_gemma2 = {
    .name = "gemma2",
    .norm_hf = {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"},
    .norm_gguf = {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"},
    .activation = CSO_GEGLU,
    .activation_name = "gelu_pytorch_tanh",
    .norm_plus_one = true,
    .tied_by_default = true,
    .head_dim_default = 256,
    .read_hparams = read_hparams,
};
