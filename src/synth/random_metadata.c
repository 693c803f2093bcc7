/* random_metadata.c - hyperparameters of a random model as config.json and as GGUF keys, as transformers and llama.cpp write
 * them. */
#include "random_metadata.h"

#include "base/file.h"
#include "io/json.h"
#include "model/family.h"
#include "random_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_number(cso_text *text, const char *key, double value) {
    cso_text_format(text, "  \"%s\": ", key);
    cso_text_json_number(text, value);
    cso_text_format(text, ",\n");
}

static void add_float(cso_text *text, const char *key, float value) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.7g", (double)value); /* 1e-05, not its binary expansion */
    cso_text_format(text, "  \"%s\": %s,\n", key, digits);
}

static void add_token(cso_text *text, const char *key, int32_t id) {
    if (id >= 0)
        cso_text_format(text, "  \"%s\": %d,\n", key, (int)id);
}

static void add_rope(cso_text *text, const cso_random_model *model) {
    add_number(text, "rope_theta", model->hparams.rope_theta);
    if (model->rope_factor > 0) {
        cso_text_format(text, "  \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": ");
        cso_text_json_number(text, model->rope_factor);
        cso_text_format(text,
                        ", \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": %zu},\n",
                        model->rope_original);
    }
}

static void add_config(cso_text *text, const cso_random_model *model) {
    const cso_hparams *h = &model->hparams;
    const cso_family *family = cso_family_find(model->family);
    static const char *const TYPES[] = {[CSO_F32] = "float32", [CSO_F16] = "float16", [CSO_BF16] = "bfloat16"};
    cso_text_format(text, "{\n  \"architectures\": [\"%c%sForCausalLM\"],\n  \"model_type\": \"%s\",\n",
                    family->name[0] - 'a' + 'A', family->name + 1, family->name);
    cso_text_format(text, "  \"hidden_size\": %zu,\n  \"intermediate_size\": %zu,\n  \"num_hidden_layers\": %zu,\n", h->hidden,
                    h->ffn, h->n_layers);
    cso_text_format(text, "  \"num_attention_heads\": %zu,\n  \"num_key_value_heads\": %zu,\n", h->n_heads, h->n_kv_heads);
    if (family->head_dim_default || h->head_dim * h->n_heads != h->hidden)
        cso_text_format(text, "  \"head_dim\": %zu,\n", h->head_dim);
    cso_text_format(text, "  \"max_position_embeddings\": %zu,\n  \"vocab_size\": %zu,\n", h->max_positions, h->vocab);
    add_float(text, "rms_norm_eps", h->norm_eps);
    add_rope(text, model);
    cso_text_format(text, "  \"hidden_act\": \"%s\",\n", family->activation_name);
    if (!strcmp(family->name, "gemma2")) {
        cso_text_format(text, "  \"hidden_activation\": \"%s\",\n", family->activation_name);
        add_number(text, "query_pre_attn_scalar", model->query_scalar);
        add_number(text, "attn_logit_softcapping", (double)h->attention_softcap);
        add_number(text, "final_logit_softcapping", (double)h->final_softcap);
        cso_text_format(text, "  \"sliding_window\": %zu,\n", h->window);
    }
    if (!family->qkv_bias)
        cso_text_format(text, "  \"attention_bias\": false,\n");
    else
        cso_text_format(text, "  \"use_sliding_window\": false,\n");
    add_token(text, "bos_token_id", model->bos);
    add_token(text, "eos_token_id", model->eos);
    cso_text_format(text, "  \"tie_word_embeddings\": %s,\n  \"attention_dropout\": 0.0,\n  \"initializer_range\": 0.02,\n",
                    h->tied ? "true" : "false");
    cso_text_format(text, "  \"use_cache\": true,\n  \"torch_dtype\": \"%s\"\n}\n", TYPES[model->dtype]);
}

static cso_status write_text(cso_text *text, const char *folder, const char *name, cso_error *err) {
    char *path = cso_path_join(folder, name);
    cso_status status = path && !text->failed ? cso_save_text(path, text->data, text->size, err) : cso_fail_memory(err, name);
    free(path);
    free(text->data);
    return status;
}

cso_status cso_random_write_config(const cso_random_model *model, const char *folder, cso_error *err) {
    cso_text text = {0}, generation = {0};
    add_config(&text, model);
    CSO_TRY(write_text(&text, folder, "config.json", err));
    cso_text_format(&generation, "{\n");
    add_token(&generation, "bos_token_id", model->bos);
    add_token(&generation, "eos_token_id", model->eos);
    cso_text_format(&generation, "  \"do_sample\": false\n}\n");
    return write_text(&generation, folder, "generation_config.json", err);
}

/* general.file_type: the type of most matrices (llama.cpp's enum llama_ftype). */
static const uint32_t FILE_TYPES[CSO_DTYPE_COUNT] = {
    [CSO_F32] = 0,   [CSO_F16] = 1,   [CSO_BF16] = 32, [CSO_Q4_0] = 2,    [CSO_Q4_1] = 3,
    [CSO_Q5_0] = 8,  [CSO_Q5_1] = 9,  [CSO_Q8_0] = 7,  [CSO_Q2_K] = 10,   [CSO_Q3_K] = 12,
    [CSO_Q4_K] = 15, [CSO_Q5_K] = 17, [CSO_Q6_K] = 18, [CSO_IQ4_NL] = 25, [CSO_IQ4_XS] = 30,
};

static void family_u32(cso_gguf_writer *writer, const char *family, const char *key, size_t value) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", family, key);
    cso_gguf_writer_u32(writer, name, (uint32_t)value);
}

static void family_f32(cso_gguf_writer *writer, const char *family, const char *key, double value) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", family, key);
    cso_gguf_writer_f32(writer, name, (float)value);
}

void cso_random_write_keys(const cso_random_model *model, cso_gguf_writer *writer) {
    const cso_hparams *h = &model->hparams;
    const char *family = model->family;
    cso_gguf_writer_string(writer, "general.architecture", family);
    cso_gguf_writer_string(writer, "general.type", "model");
    cso_gguf_writer_string(writer, "general.name", "random weights");
    cso_gguf_writer_u32(writer, "general.file_type", FILE_TYPES[model->dtype]);
    cso_gguf_writer_u32(writer, "general.quantization_version", 2);
    family_u32(writer, family, "block_count", h->n_layers);
    family_u32(writer, family, "context_length", h->max_positions);
    family_u32(writer, family, "embedding_length", h->hidden);
    family_u32(writer, family, "feed_forward_length", h->ffn);
    family_u32(writer, family, "attention.head_count", h->n_heads);
    family_u32(writer, family, "attention.head_count_kv", h->n_kv_heads);
    family_u32(writer, family, "attention.key_length", h->head_dim);
    family_u32(writer, family, "attention.value_length", h->head_dim);
    family_u32(writer, family, "rope.dimension_count", h->head_dim);
    family_u32(writer, family, "vocab_size", h->vocab);
    family_f32(writer, family, "rope.freq_base", h->rope_theta);
    family_f32(writer, family, "attention.layer_norm_rms_epsilon", (double)h->norm_eps);
    if (!strcmp(family, "gemma2")) {
        family_f32(writer, family, "attn_logit_softcapping", (double)h->attention_softcap);
        family_f32(writer, family, "final_logit_softcapping", (double)h->final_softcap);
        family_u32(writer, family, "attention.sliding_window", h->window);
        family_f32(writer, family, "attention.scale", 1 / sqrt(model->query_scalar));
    }
}
