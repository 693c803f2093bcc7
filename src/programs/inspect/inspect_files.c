/* inspect_files.c - recognises what a path is, and reports everything but models: adapters, checkpoints, run folders, tensor
 * files. */
#include "inspect.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/text.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "train/checkpoint.h"
#include "train/stage_folder.h"
#include "train/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_JSON = 1 << 26, MAX_METRICS = 1 << 30 };

static bool has_file(const char *folder, const char *name) {
    char *path = cso_path_join(folder, name);
    bool found = path && cso_path_exists(path) && !cso_path_is_folder(path);
    free(path);
    return found;
}

static cso_status read_json(const char *folder, const char *name, cJSON **json, cso_error *err) {
    char *path = cso_path_join(folder, name);
    *json = NULL;
    if (!path)
        return cso_fail_memory(err, name);
    cso_status status = cso_json_read(json, path, MAX_JSON, err);
    if (status == CSO_OK && !cJSON_IsObject(*json)) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: expected an object", path);
        cJSON_Delete(*json);
        *json = NULL;
    }
    free(path);
    return status;
}

/* A member of a JSON object under a name of the report's; nothing where it is missing. Arrays of strings are joined. */
static void report_member(report *r, const char *name, const cJSON *object, const char *key) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key), *item;
    if (cJSON_IsString(member))
        report_text(r, name, member->valuestring);
    else if (cJSON_IsNumber(member) && member->valuedouble >= 0 && member->valuedouble < 0x1p53 &&
             floor(member->valuedouble) == member->valuedouble)
        report_size(r, name, (uint64_t)member->valuedouble);
    else if (cJSON_IsNumber(member))
        report_number(r, name, member->valuedouble);
    else if (cJSON_IsBool(member))
        report_bool(r, name, cJSON_IsTrue(member));
    if (!cJSON_IsArray(member))
        return;
    cso_text joined = {0};
    cJSON_ArrayForEach(item, member) if (cJSON_IsString(item)) {
        cso_text_add(&joined, ", ", joined.size ? 2 : 0);
        cso_text_add(&joined, item->valuestring, strlen(item->valuestring));
    }
    report_bytes(r, name, joined.data ? joined.data : "", joined.size);
    free(joined.data);
}

static cso_status report_safetensors(report *r, const inspect_options *options, const char *total, const char *path,
                                     cso_error *err) {
    cso_safetensors *file;
    tensor_list list = {0};
    cso_status status = CSO_OK;
    CSO_TRY(cso_safetensors_open(&file, path, err));
    for (size_t i = 0; i < cso_safetensors_count(file) && status == CSO_OK; i++)
        status = tensor_list_add(&list, cso_safetensors_at(file, i), err);
    if (status == CSO_OK)
        status = inspect_tensors(r, options, &list, total, path, err);
    free(list.items);
    cso_safetensors_close(file);
    return status;
}

/* adapter_config.json and adapter_model.safetensors. */
static cso_status report_adapter(report *r, const inspect_options *options, const char *folder, bool *complete, cso_error *err) {
    cJSON *config;
    CSO_TRY(read_json(folder, "adapter_config.json", &config, err));
    char *path = cso_path_join(folder, "adapter_model.safetensors");
    cso_safetensors *file = NULL;
    cso_status status;
    if (!path)
        CSO_TRY_DONE(cso_fail_memory(err, folder));
    CSO_TRY_DONE(cso_safetensors_open(&file, path, err)); /* a report is complete or absent */
    *complete = true;
    report_member(r, "type", config, "peft_type");
    report_member(r, "base", config, "base_model_name_or_path");
    report_member(r, "rank", config, "r");
    report_member(r, "alpha", config, "lora_alpha");
    report_member(r, "dropout", config, "lora_dropout");
    report_member(r, "rslora", config, "use_rslora");
    report_member(r, "targets", config, "target_modules");
    status = report_safetensors(r, options, "parameters", path, err);
done:
    cso_safetensors_close(file);
    free(path);
    cJSON_Delete(config);
    return status;
}

cso_status inspect_adapter(report *r, const inspect_options *options, const char *folder, bool *complete, cso_error *err) {
    report_text(r, "kind", "adapter");
    report_text(r, "format", "PEFT");
    return report_adapter(r, options, folder, complete, err);
}

cso_status inspect_checkpoint(report *r, const inspect_options *options, const char *folder, bool *complete, cso_error *err) {
    static const char *const KEYS[] = {"step", "epoch", "position", "optimizer_steps", "best_metric", "best_step"};
    cJSON *state;
    const cJSON *item;
    CSO_TRY(read_json(folder, has_file(folder, "cso_state.json") ? "cso_state.json" : "trainer_state.json", &state, err));
    report_text(r, "kind", "checkpoint");
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        report_member(r, KEYS[i], state, KEYS[i]);
    r->exact = true;
    report_group(r, "run"); /* must be equal on resume: fingerprints of model and data, and the settings */
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "run"))
        report_member(r, item->string, cJSON_GetObjectItemCaseSensitive(state, "run"), item->string);
    report_end_group(r);
    report_group(r, "files");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "files"))
        report_member(r, item->string, cJSON_GetObjectItemCaseSensitive(state, "files"), item->string);
    report_end_group(r);
    r->exact = false;
    report_group(r, "adapter");
    cso_status status = report_adapter(r, options, folder, complete, err);
    report_end_group(r);
    cJSON_Delete(state);
    return status;
}

/* The last complete line of metrics.jsonl. */
static cso_status report_metrics(report *r, const char *folder, cso_error *err) {
    static const char *const KEYS[] = {"step",         "epoch", "loss", "eval_loss", "rewards/accuracies", "rewards/margins",
                                       "learning_rate"};
    char *path = cso_path_join(folder, "metrics.jsonl"), *text = NULL;
    size_t size = 0;
    cJSON *line = NULL;
    cso_status status = path ? cso_read_file(path, MAX_METRICS, &text, &size, err) : cso_fail_memory(err, folder);
    if (status == CSO_OK) {
        while (size && text[size - 1] != '\n') /* a line being written */
            size--;
        size_t end = size ? size - 1 : 0, begin = end;
        while (begin && text[begin - 1] != '\n')
            begin--;
        if (end > begin)
            status = cso_json_parse(&line, text + begin, end - begin, path, 1, err);
    }
    if (line) {
        report_group(r, "last_metrics");
        for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
            report_member(r, KEYS[i], line, KEYS[i]);
        report_end_group(r);
    }
    cJSON_Delete(line);
    free(text);
    free(path);
    return status;
}

/* Of a run with stages, where each of them is. */
static cso_status report_run_stages(report *r, const char *folder, cso_error *err) {
    cso_names names;
    bool any = false;
    cso_status status = CSO_OK;
    CSO_TRY(cso_folder_list(folder, true, &names, err));
    for (size_t i = 0; i < names.count && status == CSO_OK; i++) {
        size_t *steps = NULL, count = 0;
        if (!cso_is_stage_folder(names.items[i]))
            continue;
        char *path = cso_path_join(folder, names.items[i]);
        status = path ? cso_checkpoint_list(path, &steps, &count, err) : cso_fail_memory(err, folder);
        if (!any)
            report_list(r, "stages");
        any = true;
        report_row(r);
        report_text(r, "name", names.items[i]);
        report_size(r, "step", count ? steps[count - 1] : 0);
        report_bool(r, "final_adapter", path && has_file(path, "adapter/adapter_config.json"));
        report_end_row(r);
        free(steps);
        free(path);
    }
    if (any)
        report_end_list(r);
    cso_names_free(&names);
    return status;
}

cso_status inspect_run(report *r, const char *folder, bool *complete, cso_error *err) {
    size_t *steps = NULL, count = 0;
    cso_status status = CSO_OK;
    CSO_TRY(cso_checkpoint_list(folder, &steps, &count, err));
    report_text(r, "kind", "run");
    report_bool(r, "final_adapter", has_file(folder, "adapter/adapter_config.json"));
    report_bool(r, "configuration", has_file(folder, "config.toml"));
    report_list(r, "checkpoints");
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "checkpoint-%zu", steps[i]);
        report_row(r);
        report_text(r, "name", name);
        report_size(r, "step", steps[i]);
        report_end_row(r);
    }
    report_end_list(r);
    status = report_run_stages(r, folder, err);
    if (status == CSO_OK && has_file(folder, "metrics.jsonl"))
        status = report_metrics(r, folder, err);
    *complete = true;
    free(steps);
    return status;
}

static cso_status inspect_tensor_file(report *r, const inspect_options *options, const char *path, bool *complete, cso_error *err) {
    cso_safetensors *file;
    CSO_TRY(cso_safetensors_open(&file, path, err));
    cso_safetensors_close(file);
    report_text(r, "kind", "tensors");
    report_text(r, "format", "safetensors");
    *complete = true;
    return report_safetensors(r, options, "weights", path, err);
}

/* A LoRA adapter in GGUF, as llama.cpp takes them. */
static cso_status inspect_gguf_adapter(report *r, const inspect_options *options, const cso_gguf *gguf, bool *complete,
                                       cso_error *err) {
    const char *text;
    size_t size, rank = 0;
    double alpha = 0;
    bool found;
    tensor_list list = {0};
    cso_status status = CSO_OK;
    for (size_t i = 0; i < cso_gguf_tensor_count(gguf) && status == CSO_OK; i++) {
        const cso_tensor *tensor = cso_gguf_tensor_at(gguf, i);
        if (cso_ends_with(tensor->name, ".lora_a") && tensor->n_dims == 2)
            rank = tensor->shape[0];
        status = tensor_list_add(&list, tensor, err);
    }
    if (status == CSO_OK) {
        *complete = true;
        report_text(r, "kind", "adapter");
        report_text(r, "format", "GGUF");
        if (cso_gguf_get_string(gguf, "general.architecture", &text, &size, &found, NULL) == CSO_OK && found)
            report_bytes(r, "architecture", text, size);
        report_size(r, "rank", rank);
        if (cso_gguf_get_float(gguf, "adapter.lora.alpha", &alpha, &found, NULL) == CSO_OK && found)
            report_number(r, "alpha", alpha);
        status = inspect_tensors(r, options, &list, "parameters", cso_gguf_path(gguf), err);
    }
    free(list.items);
    return status;
}

/* *handled: it is an adapter and is reported. */
static cso_status try_gguf_adapter(report *r, const inspect_options *options, const char *path, bool *handled, bool *complete,
                                   cso_error *err) {
    cso_gguf *gguf;
    const char *type = "";
    size_t size = 0;
    bool found;
    CSO_TRY(cso_gguf_open(&gguf, path, err));
    cso_status status = cso_gguf_get_string(gguf, "general.type", &type, &size, &found, err);
    *handled = status == CSO_OK && size == 7 && !memcmp(type, "adapter", 7);
    if (*handled)
        status = inspect_gguf_adapter(r, options, gguf, complete, err);
    cso_gguf_close(gguf);
    return status;
}

static bool is_run(const char *folder) {
    bool must;
    return cso_verify_kind(folder, &must) == CSO_FOLDER_RUN;
}

static cso_status inspect_folder(report *r, const inspect_options *options, const char *folder, bool *complete, cso_error *err) {
    bool state = has_file(folder, "cso_state.json") || has_file(folder, "trainer_state.json"); /* the second is of format 2 */
    if (options->verify)
        CSO_TRY(inspect_verify(r, folder, complete, err));
    if (state && has_file(folder, "adapter_config.json"))
        return inspect_checkpoint(r, options, folder, complete, err);
    if (has_file(folder, "adapter_config.json"))
        return inspect_adapter(r, options, folder, complete, err);
    if (has_file(folder, "model.safetensors") || has_file(folder, "model.safetensors.index.json"))
        return inspect_model(r, options, folder, complete, err);
    if (is_run(folder))
        return inspect_run(r, folder, complete, err);
    if (has_file(folder, "tokenizer.json") || has_file(folder, "tokenizer.model")) {
        report_text(r, "kind", "tokenizer");
        CSO_TRY(inspect_tokenizer(r, folder, NULL, err));
        *complete = true;
        return CSO_OK;
    }
    return inspect_model(r, options, folder, complete, err); /* one .gguf, or the error that says what is missing */
}

static cso_status inspect_file(report *r, const inspect_options *options, const char *path, bool *complete, cso_error *err) {
    const char *name = cso_path_name(path);
    bool state = !strcmp(name, "cso_state.json") || !strcmp(name, "trainer_state.json"),
         adapter = !strcmp(name, "adapter_config.json"), handled = false;
    char *folder = cso_path_folder(path);
    cso_status status;
    if (!folder)
        return cso_fail_memory(err, path);
    if (state || adapter) {
        status = state ? inspect_checkpoint(r, options, folder, complete, err) : inspect_adapter(r, options, folder, complete, err);
    } else if (!strcmp(name, "tokenizer.json") || !strcmp(name, "tokenizer.model")) {
        report_text(r, "kind", "tokenizer");
        status = inspect_tokenizer(r, path, NULL, err);
        *complete = status == CSO_OK;
    } else if (cso_ends_with(name, ".safetensors") && (strncmp(name, "model", 5) || !has_file(folder, "config.json"))) {
        status = inspect_tensor_file(r, options, path, complete, err);
    } else {
        status = CSO_OK;
        if (cso_ends_with(name, ".gguf"))
            status = try_gguf_adapter(r, options, path, &handled, complete, err);
        if (status == CSO_OK && !handled)
            status = inspect_model(r, options, path, complete, err);
    }
    free(folder);
    return status;
}

cso_status inspect_path(report *r, const inspect_options *options, const char *path, bool *complete, cso_error *err) {
    *complete = false;
    report_text(r, "path", path);
    cso_status status =
        cso_path_is_folder(path) ? inspect_folder(r, options, path, complete, err) : inspect_file(r, options, path, complete, err);
    return cso_hub_hint(status, path, CSO_HUB_MODEL, err);
}
