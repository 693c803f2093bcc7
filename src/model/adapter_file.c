/* adapter_file.c - adapters in PEFT's form: a folder with adapter_config.json and adapter_model.safetensors.
 *
 * The tensors are those of the adapter's table (trainables.h): base_model.model.model.layers.<i>.<self_attn.q_proj>.lora_A.weight
 * (rank, in) and lora_B.weight (out, rank). What PEFT can express and this engine cannot is refused by name, never ignored.
 */
#include "adapter_outline.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME  "adapter_config.json"
#define WEIGHTS_NAME "adapter_model.safetensors"
#define PREFIX       "base_model.model.model.layers."

enum { CONFIG_MAX_BYTES = 1 << 24 };

/* The layer and projection that a tensor's name says; false if it is no name of a trained array. */
static bool parse_name(const char *name, size_t *layer, cso_module *module) {
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
        *module = m;
        for (cso_trainable_kind kind = 0; kind < CSO_TRAINABLE_KINDS; kind++)
            if (strcmp(end + 1 + length, cso_trainable_suffix(kind)) == 0)
                return true;
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

/* Finds the adapted projections by the file's tensors (target_modules may be a pattern). Every name must fit the model. */
static cso_status find_targets(const cso_safetensors *file, const cso_model *model, bool targets[CSO_MODULE_COUNT],
                               cso_error *err) {
    for (size_t i = 0; i < cso_safetensors_count(file); i++) {
        const cso_tensor *tensor = cso_safetensors_at(file, i);
        size_t layer;
        cso_module module;
        if (!parse_name(tensor->name, &layer, &module))
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is no LoRA factor of a projection this program adapts",
                            cso_safetensors_path(file), tensor->name);
        if (layer >= model->hparams.n_layers)
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: the model has only %zu layers (is it an adapter of another model?)",
                            cso_safetensors_path(file), tensor->name, model->hparams.n_layers);
        targets[module] = true;
    }
    return CSO_OK;
}

/* Checks every tensor before an adapter of that size is allocated, so that a small file cannot ask for much memory. */
static cso_status check_tensors(const cso_adapter *outline, const cso_safetensors *file, cso_error *err) {
    cso_trainables trained = cso_adapter_trainables(outline);
    if (trained.count == 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: has no LoRA factors of F32, F16 or BF16", cso_safetensors_path(file));
    return cso_trainables_check(&trained, file, err);
}

static cso_status read_tensors(cso_adapter *adapter, const cso_safetensors *file, cso_error *err) {
    CSO_TRY(cso_adapter_allocate(adapter, err));
    cso_trainables trained = cso_adapter_trainables(adapter);
    return cso_trainables_read(&trained, file, trained.params, err);
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
    CSO_TRY_DONE(cso_adapter_outline(&read, model, &options, err));
    CSO_TRY_DONE(check_tensors(read, file, err));
    if (cso_adapter_check(model, &options, err) != CSO_OK) {
        status = cso_error_prefix(err, CSO_ERR_INPUT, "%s", folder);
        goto done;
    }
    CSO_TRY_DONE(read_tensors(read, file, err));
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

cso_status cso_adapter_write(const cso_adapter *adapter, const char *folder, cso_error *err) {
    cso_trainables trained = cso_adapter_trainables(adapter);
    char *config_path = cso_path_join(folder, CONFIG_NAME), *weights_path = cso_path_join(folder, WEIGHTS_NAME);
    cso_status status = config_path && weights_path ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK)
        status = cso_trainables_write(&trained, weights_path, err);
    if (status == CSO_OK)
        status = write_config(adapter, config_path, err);
    free(config_path);
    free(weights_path);
    return status;
}
