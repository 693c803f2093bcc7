/* qwen2.c - Qwen2 and Qwen2.5: the llama block with biases on Q, K and V. */
#include "family.h"

static cso_status read_hparams(const cso_hparams_source *source, cso_hparams *hparams, cso_error *err) {
    (void)hparams;
    bool sliding = false;
    CSO_TRY(cso_hparams_bool(source, "use_sliding_window", &sliding, err));
    if (sliding)
        return cso_fail(err, CSO_ERR_INPUT, "%s: use_sliding_window = true is not supported for qwen2 models", source->place);
    return CSO_OK;
}

const cso_family cso_family_qwen2 = {
    .name = "qwen2",
    .norm_hf = {"input_layernorm", NULL, "post_attention_layernorm", NULL},
    .norm_gguf = {"attn_norm", NULL, "ffn_norm", NULL},
    .activation = CSO_SWIGLU,
    .activation_name = "silu",
    .qkv_bias = true,
    .read_hparams = read_hparams,
};
