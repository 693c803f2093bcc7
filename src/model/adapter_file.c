/* adapter_file.c - adapters in PEFT's form: a folder with adapter_config.json and adapter_model.safetensors.
 *
 * Tensors are named base_model.model.model.layers.<i>.<self_attn.q_proj>.lora_A.weight (rank, in) and lora_B.weight (out,
 * rank). Whatever PEFT can express and this engine cannot is refused by name, never ignored.
 */
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME  "adapter_config.json"
#define WEIGHTS_NAME "adapter_model.safetensors"
#define PREFIX       "base_model.model.model.layers."

enum { CONFIG_MAX_BYTES = 1 << 24 };

static void tensor_name(char *name, size_t size, size_t layer, cso_module module, char factor) {
    snprintf(name, size, PREFIX "%zu.%s.lora_%c.weight", layer, cso_module_path(module), factor);
}

/* Splits a tensor's name; false if it is not one of this engine's. */
static bool parse_name(const char *name, size_t *layer, cso_module *module, char *factor) {
    size_t prefix = strlen(PREFIX);
    if (strncmp(name, PREFIX, prefix) != 0 || name[prefix] < '0' || name[prefix] > '9')
        return false;
    char *end;
    unsigned long long number = strtoull(name + prefix, &end, 10);
    if (*end != '.' || number > INT32_MAX)
        return false;
    *layer = (size_t)number;
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
        size_t length = strlen(cso_module_path(m));
        if (strncmp(end + 1, cso_module_path(m), length) != 0)
            continue;
        const char *rest = end + 1 + length;
        *module = m;
        *factor = strncmp(rest, ".lora_", 6) == 0 ? rest[6] : 0;
        return (*factor == 'A' || *factor == 'B') && strcmp(rest + 7, ".weight") == 0;
    }
    return false;
}

/* Whether a configuration value means "not used": missing, null, false, empty. */
static bool is_empty(const cJSON *item) {
    return !item || cJSON_IsNull(item) || cJSON_IsFalse(item) || ((cJSON_IsArray(item) || cJSON_IsObject(item)) && !item->child);
}

static cso_status read_config(const char *path, cso_lora_options *options, char **base, cso_error *err) {
    static const char *const unsupported[] = {
        "use_dora",          "rank_pattern",           "alpha_pattern",       "modules_to_save",
        "layer_replication", "fan_in_fan_out",         "lora_bias",           "use_qalora",
        "use_bdlora",        "target_parameters",      "layers_to_transform", "trainable_token_indices",
        "megatron_config",   "alora_invocation_tokens"};
    cJSON *config;
    CSO_TRY(cso_json_read(&config, path, CONFIG_MAX_BYTES, err));
    cso_status status = CSO_OK;
    const char *text;
    CSO_TRY_DONE(cso_json_string(config, "peft_type", path, &text, err));
    if (!text || strcmp(text, "LORA") != 0) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: peft_type is \"%s\" (expected \"LORA\")", path, text ? text : "");
        goto done;
    }
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (!is_empty(cJSON_GetObjectItemCaseSensitive(config, unsupported[i]))) {
            status = cso_fail(err, CSO_ERR_INPUT, "%s: %s is set, which this program does not support", path, unsupported[i]);
            goto done;
        }
    CSO_TRY_DONE(cso_json_string(config, "bias", path, &text, err));
    if (text && strcmp(text, "none") != 0) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: bias is \"%s\" (expected \"none\")", path, text);
        goto done;
    }
    CSO_TRY_DONE(cso_json_size(config, "r", path, 0, &options->rank, err));
    CSO_TRY_DONE(cso_json_number(config, "lora_alpha", path, (double)options->rank, &options->alpha, err));
    CSO_TRY_DONE(cso_json_number(config, "lora_dropout", path, 0, &options->dropout, err));
    CSO_TRY_DONE(cso_json_bool(config, "use_rslora", path, false, &options->rslora, err));
    if (options->rank == 0 || !isfinite(options->alpha) || options->alpha == 0 ||
        !(options->dropout >= 0 && options->dropout < 1)) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: r %zu, lora_alpha %g, lora_dropout %g make no sense", path, options->rank,
                          options->alpha, options->dropout);
        goto done;
    }
    CSO_TRY_DONE(cso_json_string(config, "base_model_name_or_path", path, &text, err));
    if (!(*base = cso_strdup(text ? text : "")))
        status = cso_fail_memory(err, CONFIG_NAME);
done:
    cJSON_Delete(config);
    return status;
}

/* Which projections the file adapts, by its tensors (target_modules may be a pattern). Every name must be one of the
 * model's. */
static cso_status find_targets(const cso_safetensors *file, const cso_model *model, bool targets[CSO_MODULE_COUNT],
                               cso_error *err) {
    for (size_t i = 0; i < cso_safetensors_count(file); i++) {
        const cso_tensor *tensor = cso_safetensors_at(file, i);
        size_t layer;
        cso_module module;
        char factor;
        if (!parse_name(tensor->name, &layer, &module, &factor))
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is no LoRA factor of a projection this program adapts",
                            cso_safetensors_path(file), tensor->name);
        if (layer >= model->hparams.n_layers)
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: the model has only %zu layers (is it an adapter of another model?)",
                            cso_safetensors_path(file), tensor->name, model->hparams.n_layers);
        targets[module] = true;
    }
    return CSO_OK;
}

static cso_status find_factor(const cso_safetensors *file, size_t layer, cso_module module, char factor, size_t rows,
                              size_t columns, const cso_tensor **found, cso_error *err) {
    char name[CSO_MAX_NAME];
    tensor_name(name, sizeof name, layer, module, factor);
    const char *path = cso_safetensors_path(file), *dtype;
    const cso_tensor *tensor = *found = cso_safetensors_find(file, name);
    if (!tensor) {
        const void *data;
        size_t size;
        CSO_TRY(cso_safetensors_raw(file, name, &dtype, &data, &size, err));
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: tensor %s is of dtype %s or has more than %d dimensions (expected F32, F16 or BF16)", path, name,
                        dtype, CSO_MAX_DIMS);
    }
    if (tensor->n_dims != 2)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s has %d dimensions (expected 2)", path, name, tensor->n_dims);
    if (tensor->shape[0] != rows || tensor->shape[1] != columns)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: tensor %s has shape (%zu, %zu) (expected (%zu, %zu); is it an adapter of another model?)", path, name,
                        tensor->shape[0], tensor->shape[1], rows, columns);
    return CSO_OK;
}

/* All factors are there before an adapter is allocated, so that a small file cannot ask for much. */
static cso_status check_factors(const cso_safetensors *file, const cso_model *model, const cso_lora_options *options,
                                cso_error *err) {
    const cso_tensor *tensor;
    bool any = false;
    for (size_t layer = 0; layer < model->hparams.n_layers; layer++)
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
            if (!options->targets[m])
                continue;
            any = true;
            CSO_TRY(find_factor(file, layer, m, 'A', options->rank, cso_module_in(model, m), &tensor, err));
            CSO_TRY(find_factor(file, layer, m, 'B', cso_module_out(model, m), options->rank, &tensor, err));
        }
    return any ? CSO_OK : cso_fail(err, CSO_ERR_INPUT, "%s: has no LoRA factors of F32, F16 or BF16", cso_safetensors_path(file));
}

static cso_status read_factor(const cso_safetensors *file, size_t layer, cso_module module, char factor, size_t rows,
                              size_t columns, float *out, cso_error *err) {
    const cso_tensor *tensor;
    CSO_TRY(find_factor(file, layer, module, factor, rows, columns, &tensor, err));
    for (size_t r = 0; r < rows; r++)
        cso_dequantize_row(tensor->dtype, cso_tensor_row(tensor, r), out + r * columns, columns);
    for (size_t i = 0; i < rows * columns; i++)
        if (!isfinite(out[i]))
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: item %zu is not a finite number", cso_safetensors_path(file),
                            tensor->name, i);
    return CSO_OK;
}

static cso_status read_factors(cso_adapter *adapter, const cso_safetensors *file, cso_error *err) {
    size_t rank = adapter->options.rank;
    for (size_t layer = 0; layer < adapter->n_layers; layer++)
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
            const cso_lora_slot *slot = cso_adapter_slot(adapter, layer, m);
            if (!slot->in)
                continue;
            CSO_TRY(read_factor(file, layer, m, 'A', rank, slot->in, adapter->params + slot->a, err));
            CSO_TRY(read_factor(file, layer, m, 'B', slot->out, rank, adapter->params + slot->b, err));
        }
    return CSO_OK;
}

cso_status cso_adapter_read(cso_adapter **adapter, const cso_model *model, const char *folder, cso_error *err) {
    *adapter = NULL;
    cso_status status = CSO_OK;
    cso_lora_options options = {0};
    cso_safetensors *file = NULL;
    cso_adapter *read = NULL;
    char *base = NULL, *config_path = cso_path_join(folder, CONFIG_NAME), *weights_path = cso_path_join(folder, WEIGHTS_NAME);
    if (!config_path || !weights_path) {
        status = cso_fail_memory(err, "a path");
        goto done;
    }
    CSO_TRY_DONE(read_config(config_path, &options, &base, err));
    CSO_TRY_DONE(cso_safetensors_open(&file, weights_path, err));
    CSO_TRY_DONE(find_targets(file, model, options.targets, err));
    CSO_TRY_DONE(check_factors(file, model, &options, err));
    if ((status = cso_adapter_create(&read, model, &options, 0, err)) != CSO_OK) {
        status = cso_error_prefix(err, CSO_ERR_INPUT, "%s", folder);
        goto done;
    }
    CSO_TRY_DONE(read_factors(read, file, err));
    free(read->base);
    read->base = base;
    base = NULL;
    *adapter = read;
    read = NULL;
done:
    cso_adapter_free(read);
    cso_safetensors_close(file);
    free(base);
    free(config_path);
    free(weights_path);
    return status;
}

static cso_status write_config(const cso_adapter *adapter, const char *path, cso_error *err) {
    const cso_lora_options *options = &adapter->options;
    cso_text text = {0};
    cso_text_format(&text, "{\n  \"alpha_pattern\": {},\n  \"base_model_name_or_path\": ");
    cso_text_json_string(&text, adapter->base, strlen(adapter->base));
    cso_text_format(&text, ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n  \"inference_mode\": true,\n"
                           "  \"init_lora_weights\": true,\n  \"lora_alpha\": ");
    cso_text_json_number(&text, options->alpha);
    cso_text_format(&text, ",\n  \"lora_dropout\": ");
    cso_text_json_number(&text, options->dropout);
    cso_text_format(&text,
                    ",\n  \"modules_to_save\": null,\n  \"peft_type\": \"LORA\",\n  \"r\": %zu,\n  \"rank_pattern\": {},\n"
                    "  \"target_modules\": [",
                    options->rank);
    const char *separator = "";
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++)
        if (options->targets[m]) {
            cso_text_format(&text, "%s\n    \"%s\"", separator, cso_module_name(m));
            separator = ",";
        }
    cso_text_format(&text, "\n  ],\n  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": false,\n  \"use_rslora\": %s\n}\n",
                    options->rslora ? "true" : "false");
    cso_status status = text.failed ? cso_fail_memory(err, CONFIG_NAME) : cso_save_text(path, text.data, text.size, err);
    free(text.data);
    return status;
}

static cso_status write_weights(const cso_adapter *adapter, const char *path, cso_error *err) {
    size_t capacity = adapter->n_layers * CSO_MODULE_COUNT * 2, count = 0;
    cso_safetensors_item *items = cso_calloc(capacity, sizeof *items);
    char(*names)[CSO_MAX_NAME] = cso_calloc(capacity, sizeof *names);
    cso_status status = items && names ? CSO_OK : cso_fail_memory(err, WEIGHTS_NAME);
    for (size_t layer = 0; status == CSO_OK && layer < adapter->n_layers; layer++)
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
            const cso_lora_slot *slot = cso_adapter_slot(adapter, layer, m);
            if (!slot->in)
                continue;
            size_t rank = adapter->options.rank;
            tensor_name(names[count], sizeof names[count], layer, m, 'A');
            items[count] = (cso_safetensors_item){names[count], adapter->params + slot->a, 2, {rank, slot->in}};
            count++;
            tensor_name(names[count], sizeof names[count], layer, m, 'B');
            items[count] = (cso_safetensors_item){names[count], adapter->params + slot->b, 2, {slot->out, rank}};
            count++;
        }
    static const char *const metadata[] = {"format", "pt", NULL};
    if (status == CSO_OK)
        status = cso_safetensors_write(path, items, count, metadata, err);
    free(items);
    free(names);
    return status;
}

cso_status cso_adapter_write(const cso_adapter *adapter, const char *folder, cso_error *err) {
    char *config_path = cso_path_join(folder, CONFIG_NAME), *weights_path = cso_path_join(folder, WEIGHTS_NAME);
    cso_status status = config_path && weights_path ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK)
        status = write_weights(adapter, weights_path, err);
    if (status == CSO_OK)
        status = write_config(adapter, config_path, err);
    free(config_path);
    free(weights_path);
    return status;
}
