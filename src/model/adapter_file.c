/* adapter_file.c - adapters in PEFT's form: a folder with adapter_config.json and adapter_model.safetensors.
 *
 * The tensors are those of the adapter's table (trainables.h): base_model.model.model.layers.<i>.<self_attn.q_proj>.lora_A.weight
 * (rank, in) and lora_B.weight (out, rank). What PEFT can express and this engine cannot is refused by name, never ignored.
 */
#include "adapter_outline.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/safetensors.h"
#include "peft_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME  "adapter_config.json"
#define WEIGHTS_NAME "adapter_model.safetensors"
#define PREFIX       "base_model.model.model.layers."

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

/* Every tensor must belong to a module that the configuration adapts. */
static cso_status check_names(const cso_safetensors *file, const cso_model *model, const peft_config *config, cso_error *err) {
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
        if (!config->adapted[layer * CSO_MODULE_COUNT + module])
            return cso_fail(err, CSO_ERR_INPUT,
                            "%s: tensor %s: " CONFIG_NAME " does not adapt its module (target_modules, "
                            "exclude_modules, layers_to_transform)",
                            cso_safetensors_path(file), tensor->name);
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
    peft_config config = {0};
    cso_safetensors *file = NULL;
    cso_adapter *read = NULL;
    char *config_path = cso_path_join(folder, CONFIG_NAME), *weights_path = cso_path_join(folder, WEIGHTS_NAME);
    if (!config_path || !weights_path) {
        status = cso_fail_memory(err, "a path");
        goto done;
    }
    CSO_TRY_DONE(peft_config_read(&config, model, config_path, err));
    CSO_TRY_DONE(cso_safetensors_open(&file, weights_path, err));
    CSO_TRY_DONE(check_names(file, model, &config, err));
    CSO_TRY_DONE(cso_adapter_outline(&read, model, &config.options, config.adapted, err));
    CSO_TRY_DONE(check_tensors(read, file, err));
    if (cso_adapter_check(model, &config.options, err) != CSO_OK) {
        status = cso_error_prefix(err, CSO_ERR_INPUT, "%s", folder);
        goto done;
    }
    CSO_TRY_DONE(read_tensors(read, file, err));
    free(read->base);
    read->base = config.base;
    config.base = NULL;
    *adapter = read;
    read = NULL;
done:
    cso_adapter_free(read);
    cso_safetensors_close(file);
    peft_config_free(&config);
    free(config_path);
    free(weights_path);
    return status;
}

cso_status cso_adapter_write(const cso_adapter *adapter, const char *folder, cso_error *err) {
    cso_trainables trained = cso_adapter_trainables(adapter);
    char *config_path = cso_path_join(folder, CONFIG_NAME), *weights_path = cso_path_join(folder, WEIGHTS_NAME);
    cso_status status = config_path && weights_path ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK)
        status = cso_trainables_write(&trained, weights_path, err);
    if (status == CSO_OK)
        status = peft_config_write(adapter, config_path, err);
    free(config_path);
    free(weights_path);
    return status;
}
