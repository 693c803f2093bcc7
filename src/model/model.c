/* model.c - finds a model's tensors under one set of names and checks every shape. Matrices stay in the mapping; only the
 * vectors (norms, biases, rotary frequencies) are copied, as f32. */
#include "model.h"
#include "base/memory.h"
#include "family.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t cso_module_in(const cso_model *model, cso_module module) {
    const cso_hparams *h = &model->hparams;
    return module == CSO_O_PROJ ? h->n_heads * h->head_dim : module == CSO_DOWN_PROJ ? h->ffn : h->hidden;
}

size_t cso_module_out(const cso_model *model, cso_module module) {
    const cso_hparams *h = &model->hparams;
    switch (module) {
    case CSO_Q_PROJ:
        return h->n_heads * h->head_dim;
    case CSO_K_PROJ:
    case CSO_V_PROJ:
        return h->n_kv_heads * h->head_dim;
    case CSO_GATE_PROJ:
    case CSO_UP_PROJ:
        return h->ffn;
    default:
        return h->hidden;
    }
}

const char *cso_model_family_name(const cso_model *model) {
    return model->family->name;
}

/* "model.layers.3.self_attn.q_proj.weight" or "blk.3.attn_q.weight". */
static void layer_name(const cso_model *model, size_t layer, const char *hf, const char *gguf, const char *what, char *name,
                       size_t size) {
    if (model->weights->format == CSO_WEIGHTS_GGUF)
        snprintf(name, size, "blk.%zu.%s.%s", layer, gguf, what);
    else
        snprintf(name, size, "model.layers.%zu.%s.%s", layer, hf, what);
}

/* A vector as f32, with `offset` added; NaN and Inf are refused. */
static cso_status load_vector(cso_model *model, const char *name, size_t size, float offset, float **vector, cso_error *err) {
    cso_tensor tensor;
    CSO_TRY(cso_weights_require(model->weights, name, 1, &size, &tensor, err));
    if (!(*vector = cso_calloc(size, sizeof **vector)))
        return cso_fail_memory(err, name);
    cso_dequantize_row(tensor.dtype, tensor.data, *vector, size);
    for (size_t i = 0; i < size; i++) {
        if (!isfinite((*vector)[i]))
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: item %zu is not a finite number", model->weights->path, name, i);
        (*vector)[i] += offset;
    }
    model->n_params += size;
    return CSO_OK;
}

static cso_status load_matrix(cso_model *model, const char *name, size_t rows, size_t columns, cso_tensor *matrix, cso_error *err) {
    size_t shape[2] = {rows, columns};
    CSO_TRY(cso_weights_require(model->weights, name, 2, shape, matrix, err));
    model->n_params += rows * columns;
    return CSO_OK;
}

static cso_status load_norm(cso_model *model, size_t layer, cso_norm norm, float **vector, cso_error *err) {
    const cso_family *family = model->family;
    if (!family->norm_hf[norm])
        return CSO_OK;
    char name[CSO_MAX_NAME];
    layer_name(model, layer, family->norm_hf[norm], family->norm_gguf[norm], "weight", name, sizeof name);
    bool baked = model->weights->format == CSO_WEIGHTS_GGUF;
    return load_vector(model, name, model->hparams.hidden, family->norm_plus_one && !baked ? 1 : 0, vector, err);
}

static cso_status load_bias(cso_model *model, size_t index, cso_module module, cso_error *err) {
    char name[CSO_MAX_NAME];
    layer_name(model, index, cso_module_path(module), cso_module_gguf(module), "bias", name, sizeof name);
    return load_vector(model, name, cso_module_out(model, module), 0, &model->layers[index].bias[module], err);
}

static cso_status load_layer(cso_model *model, size_t index, cso_error *err) {
    cso_layer *layer = &model->layers[index];
    CSO_TRY(load_norm(model, index, CSO_INPUT_NORM, &layer->input_norm, err));
    CSO_TRY(load_norm(model, index, CSO_POST_ATTENTION_NORM, &layer->post_attention_norm, err));
    CSO_TRY(load_norm(model, index, CSO_FFN_NORM, &layer->ffn_norm, err));
    CSO_TRY(load_norm(model, index, CSO_POST_FFN_NORM, &layer->post_ffn_norm, err));
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
        char name[CSO_MAX_NAME];
        layer_name(model, index, cso_module_path(m), cso_module_gguf(m), "weight", name, sizeof name);
        CSO_TRY(load_matrix(model, name, cso_module_out(model, m), cso_module_in(model, m), &layer->linear[m], err));
        if (m > CSO_K_PROJ)
            continue;
        if (model->family->gguf_interleaved_qk && model->weights->format == CSO_WEIGHTS_GGUF)
            layer->linear[m].interleaved_head_dim = model->hparams.head_dim;
    }
    if (model->hparams.qkv_bias)
        for (cso_module m = CSO_Q_PROJ; m <= CSO_V_PROJ; m++)
            CSO_TRY(load_bias(model, index, m, err));
    return CSO_OK;
}

static cso_status load_head(cso_model *model, cso_error *err) {
    bool gguf = model->weights->format == CSO_WEIGHTS_GGUF;
    const char *embedding = gguf ? "token_embd.weight" : "model.embed_tokens.weight",
               *head = gguf ? "output.weight" : "lm_head.weight";
    const cso_tensor *stored = cso_weights_find(model->weights, embedding);
    if (!stored)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is missing", model->weights->path, embedding);
    cso_hparams *h = &model->hparams;
    h->vocab = stored->n_dims == 2 ? stored->shape[0] : 0;
    if (h->vocab > INT32_MAX)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s has %zu rows (expected fewer than 2^31)", model->weights->path,
                        embedding, h->vocab);
    if (!gguf) {
        char place[512];
        snprintf(place, sizeof place, "%.480s/config.json", model->weights->folder);
        size_t declared;
        CSO_TRY(cso_json_size(model->weights->config, "vocab_size", place, h->vocab, &declared, err));
        if (declared != h->vocab)
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s has %zu rows (expected vocab_size = %zu of config.json)",
                            model->weights->path, embedding, h->vocab, declared);
    }
    CSO_TRY(load_matrix(model, embedding, h->vocab, h->hidden, &model->embedding, err));
    model->head = model->embedding;
    if (!h->tied)
        CSO_TRY(load_matrix(model, head, h->vocab, h->hidden, &model->head, err));
    return load_vector(model, gguf ? "output_norm.weight" : "model.norm.weight", h->hidden, h->norm_plus_one && !gguf ? 1 : 0,
                       &model->final_norm, err);
}

static cso_status find_family(cso_model *model, cso_error *err) {
    const cso_weights *weights = model->weights;
    char name[64] = "";
    const char *text = NULL, *key = "model_type";
    if (weights->format == CSO_WEIGHTS_GGUF) {
        size_t size = 0;
        key = "general.architecture";
        CSO_TRY(cso_gguf_get_string(weights->gguf, key, &text, &size, NULL, err));
        snprintf(name, sizeof name, "%.*s", (int)(size < 60 ? size : 60), text);
    } else {
        CSO_TRY(cso_json_string(weights->config, key, weights->path, &text, err));
        snprintf(name, sizeof name, "%.60s", text ? text : "");
    }
    if (!(model->family = cso_family_find(name)))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s \"%s\" is not a model family this program knows (expected one of %s)",
                        weights->path, key, name, cso_family_names());
    return CSO_OK;
}

static cso_status load(cso_model *model, const char *path, cso_error *err) {
    CSO_TRY(cso_weights_open(&model->weights, path, err));
    CSO_TRY(find_family(model, err));
    cso_hparams *h = &model->hparams;
    CSO_TRY(cso_hparams_read(model->weights, model->family, h, err));
    if (!(model->inv_freq = cso_calloc(h->head_dim / 2, sizeof *model->inv_freq)))
        return cso_fail_memory(err, "rotary frequencies");
    CSO_TRY(cso_rope_frequencies(model->weights, model->family, h, model->inv_freq, err));
    CSO_TRY(load_head(model, err));
    if (!(model->layers = cso_calloc(h->n_layers, sizeof *model->layers)))
        return cso_fail_memory(err, "layers");
    for (size_t i = 0; i < h->n_layers; i++)
        CSO_TRY(load_layer(model, i, err));
    return CSO_OK;
}

cso_status cso_model_open(cso_model **model, const char *path, cso_error *err) {
    *model = NULL;
    cso_model *opened = cso_calloc(1, sizeof *opened);
    if (!opened)
        return cso_fail_memory(err, "a model");
    cso_status status = load(opened, path, err);
    if (status != CSO_OK) {
        cso_model_free(opened);
        return status;
    }
    *model = opened;
    return CSO_OK;
}

void cso_model_free(cso_model *model) {
    if (!model)
        return;
    for (size_t i = 0; model->layers && i < model->hparams.n_layers; i++) {
        cso_layer *layer = &model->layers[i];
        free(layer->input_norm);
        free(layer->post_attention_norm);
        free(layer->ffn_norm);
        free(layer->post_ffn_norm);
        for (int m = 0; m < CSO_MODULE_COUNT; m++)
            free(layer->bias[m]);
    }
    free(model->layers);
    free(model->final_norm);
    free(model->inv_freq);
    cso_weights_close(model->weights);
    free(model);
}
