/* hparams.c - hyperparameters from config.json (its transformers 4 and 5 forms) or from GGUF metadata. */
#include "family.h"
#include "hparams_source.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 1024, MAX_HEADS = 4096, MAX_HEAD_DIM = 4096, MAX_WIDTH = 1 << 22 };

/* "family.key" of GGUF in a buffer. */
static void gguf_key(const cso_hparams_source *source, const char *key, char *buffer, size_t size) {
    snprintf(buffer, size, "%s.%s", source->family, key);
}

static const cJSON *config_item(const cso_hparams_source *source, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(source->weights->config, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static cso_status missing(const cso_hparams_source *source, const char *key, bool *found, cso_error *err) {
    if (!found)
        return cso_fail(err, CSO_ERR_INPUT, "%s: key %s is missing", source->place, key);
    *found = false;
    return CSO_OK;
}

cso_status cso_hparams_size(const cso_hparams_source *source, const char *hf, const char *gguf, size_t *value, bool *found,
                            cso_error *err) {
    if (found)
        *found = false;
    if (source->weights->format == CSO_WEIGHTS_GGUF) {
        if (!gguf)
            return CSO_OK;
        char key[160];
        gguf_key(source, gguf, key, sizeof key);
        return cso_gguf_get_size(source->weights->gguf, key, value, found, err);
    }
    if (!hf)
        return CSO_OK;
    if (!config_item(source, hf))
        return missing(source, hf, found, err);
    CSO_TRY(cso_json_size(source->weights->config, hf, source->place, *value, value, err));
    if (found)
        *found = true;
    return CSO_OK;
}

cso_status cso_hparams_float(const cso_hparams_source *source, const char *hf, const char *gguf, double *value, bool *found,
                             cso_error *err) {
    bool here = false;
    const char *name = hf;
    char key[160];
    if (source->weights->format == CSO_WEIGHTS_GGUF) {
        if (gguf) {
            gguf_key(source, gguf, key, sizeof key);
            name = key;
            CSO_TRY(cso_gguf_get_float(source->weights->gguf, key, value, found ? &here : NULL, err));
            here = here || !found;
        }
    } else if (hf) {
        if (config_item(source, hf)) {
            CSO_TRY(cso_json_number(source->weights->config, hf, source->place, 0, value, err));
            here = true;
        } else if (!found) {
            return missing(source, hf, NULL, err);
        }
    }
    if (here && !(*value >= FLT_MIN && *value <= FLT_MAX)) /* most of them are used as f32, where it would become 0 or Inf */
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is %g (expected a positive number that f32 holds)", source->place, name, *value);
    if (found)
        *found = here;
    return CSO_OK;
}

cso_status cso_hparams_bool(const cso_hparams_source *source, const char *hf, bool *value, cso_error *err) {
    if (source->weights->format == CSO_WEIGHTS_GGUF || !config_item(source, hf))
        return CSO_OK;
    return cso_json_bool(source->weights->config, hf, source->place, *value, value, err);
}

cso_status cso_hparams_string(const cso_hparams_source *source, const char *hf, const char **text, cso_error *err) {
    *text = NULL;
    if (source->weights->format == CSO_WEIGHTS_GGUF || !config_item(source, hf))
        return CSO_OK;
    return cso_json_string(source->weights->config, hf, source->place, text, err);
}

static cso_status check_range(const cso_hparams_source *source, const char *what, size_t value, size_t max, cso_error *err) {
    if (value == 0 || value > max)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is %zu (expected 1 to %zu)", source->place, what, value, max);
    return CSO_OK;
}

static cso_status check(const cso_hparams_source *source, const cso_hparams *h, cso_error *err) {
    CSO_TRY(check_range(source, "number of layers", h->n_layers, MAX_LAYERS, err));
    CSO_TRY(check_range(source, "hidden size", h->hidden, MAX_WIDTH, err));
    CSO_TRY(check_range(source, "feed-forward size", h->ffn, MAX_WIDTH, err));
    CSO_TRY(check_range(source, "number of attention heads", h->n_heads, MAX_HEADS, err));
    CSO_TRY(check_range(source, "number of key-value heads", h->n_kv_heads, h->n_heads, err));
    if (h->n_heads % h->n_kv_heads != 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %zu attention heads are no multiple of %zu key-value heads", source->place,
                        h->n_heads, h->n_kv_heads);
    CSO_TRY(check_range(source, "head_dim", h->head_dim, MAX_HEAD_DIM, err));
    if (h->head_dim % 2 != 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: head_dim is %zu (expected an even number)", source->place, h->head_dim);
    CSO_TRY(check_range(source, "context length", h->max_positions, (size_t)1 << 31, err));
    return CSO_OK;
}

static cso_status check_activation(const cso_hparams_source *source, const cso_family *family, cso_error *err) {
    const char *name;
    CSO_TRY(cso_hparams_string(source, "hidden_activation", &name, err));
    if (!name)
        CSO_TRY(cso_hparams_string(source, "hidden_act", &name, err));
    if (name && strcmp(name, family->activation_name) != 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: activation \"%s\" is not that of %s models (expected \"%s\")", source->place, name,
                        family->name, family->activation_name);
    return CSO_OK;
}

/* The object that holds the rotary settings: rope_parameters (transformers 5) or the configuration itself. */
static const cJSON *rope_object(const cso_weights *weights) {
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(weights->config, "rope_parameters");
    return cJSON_IsObject(object) ? object : weights->config;
}

cso_status cso_hparams_read(const cso_weights *weights, const cso_family *family, cso_hparams *hparams, cso_error *err) {
    cso_hparams_source source = {.weights = weights, .family = family->name};
    snprintf(source.place, sizeof source.place, "%s", weights->path);
    bool found, gguf = weights->format == CSO_WEIGHTS_GGUF;
    if (!gguf)
        snprintf(source.place, sizeof source.place, "%.480s/config.json", weights->folder);
    cso_hparams h = {.activation = family->activation,
                     .qkv_bias = family->qkv_bias,
                     .post_norms = family->norm_hf[CSO_POST_ATTENTION_NORM] != NULL,
                     .norm_plus_one = family->norm_plus_one,
                     .embedding_scale = 1,
                     .rope_theta = 10000};
    CSO_TRY(cso_hparams_size(&source, "num_hidden_layers", "block_count", &h.n_layers, NULL, err));
    CSO_TRY(cso_hparams_size(&source, "hidden_size", "embedding_length", &h.hidden, NULL, err));
    CSO_TRY(cso_hparams_size(&source, "intermediate_size", "feed_forward_length", &h.ffn, NULL, err));
    CSO_TRY(cso_hparams_size(&source, "num_attention_heads", "attention.head_count", &h.n_heads, NULL, err));
    h.n_kv_heads = h.n_heads;
    CSO_TRY(cso_hparams_size(&source, "num_key_value_heads", "attention.head_count_kv", &h.n_kv_heads, &found, err));
    CSO_TRY(cso_hparams_size(&source, "head_dim", "attention.key_length", &h.head_dim, &found, err));
    if (!found)
        h.head_dim = !gguf && family->head_dim_default ? family->head_dim_default : h.n_heads ? h.hidden / h.n_heads : 0;
    CSO_TRY(cso_hparams_size(&source, "max_position_embeddings", "context_length", &h.max_positions, NULL, err));
    CSO_TRY(check(&source, &h, err)); /* before the rest is compared with these */
    double eps = 0;
    CSO_TRY(cso_hparams_float(&source, "rms_norm_eps", "attention.layer_norm_rms_epsilon", &eps, NULL, err));
    if (eps > 1) /* a row that is all eps loses its numbers in f32 */
        return cso_fail(err, CSO_ERR_INPUT, "%s: the norms' epsilon is %g (expected at most 1)", source.place, eps);
    h.norm_eps = (float)eps;
    if (gguf) {
        CSO_TRY(cso_hparams_float(&source, NULL, "rope.freq_base", &h.rope_theta, &found, err));
        size_t rotated = h.head_dim;
        CSO_TRY(cso_hparams_size(&source, NULL, "rope.dimension_count", &rotated, &found, err));
        if (rotated != h.head_dim)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s.rope.dimension_count is %zu (expected the head size, %zu)", source.place,
                            family->name, rotated, h.head_dim);
        size_t value_length = h.head_dim;
        CSO_TRY(cso_hparams_size(&source, NULL, "attention.value_length", &value_length, &found, err));
        if (value_length != h.head_dim)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s.attention.value_length is %zu (expected the key's, %zu)", source.place,
                            family->name, value_length, h.head_dim);
        h.tied = cso_weights_find(weights, "output.weight") == NULL;
    } else {
        CSO_TRY(cso_json_number(rope_object(weights), "rope_theta", source.place, h.rope_theta, &h.rope_theta, err));
        h.tied = family->tied_by_default;
        CSO_TRY(cso_hparams_bool(&source, "tie_word_embeddings", &h.tied, err));
        CSO_TRY(check_activation(&source, family, err));
    }
    if (!(h.rope_theta > 1 && isfinite(h.rope_theta)))
        return cso_fail(err, CSO_ERR_INPUT, "%s: rope_theta is %g (expected a number above 1)", source.place, h.rope_theta);
    h.attention_scale = (float)(1.0 / sqrt((double)h.head_dim));
    if (family->read_hparams)
        CSO_TRY(family->read_hparams(&source, &h, err));
    *hparams = h;
    return CSO_OK;
}
