/* llama.c - the llama family: LLaMA 3.1 and 3.2, SmolLM2 and others of its shape. Grouped-query attention, RMSNorm before
 * attention and MLP, SwiGLU, rotary positions with llama3 scaling, head tied or not. */
#include "family.h"

static cso_status read_hparams(const cso_hparams_source *source, cso_hparams *hparams, cso_error *err) {
    (void)hparams;
    bool attention_bias = false, mlp_bias = false;
    CSO_TRY(cso_hparams_bool(source, "attention_bias", &attention_bias, err));
    CSO_TRY(cso_hparams_bool(source, "mlp_bias", &mlp_bias, err));
    if (attention_bias || mlp_bias)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s = true is not supported for llama models", source->place,
                        attention_bias ? "attention_bias" : "mlp_bias");
    return CSO_OK;
}

const cso_family cso_family_llama = {
    .name = "llama",
    .norm_hf = {"input_layernorm", NULL, "post_attention_layernorm", NULL},
    .norm_gguf = {"attn_norm", NULL, "ffn_norm", NULL},
    .activation = CSO_SWIGLU,
    .activation_name = "silu",
    .gguf_interleaved_qk = true,
    .read_hparams = read_hparams,
};
