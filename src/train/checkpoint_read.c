/* checkpoint_read.c - reads a checkpoint: checks that it is whole, then that it is of this run, then takes its contents. */
#include "checkpoint_files.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "checkpoint.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATE_BYTES = 1 << 20 };

/* Reads trainer_state.json and checks its own checksum, which is the last member. */
static cso_status read_state(const char *folder, cJSON **json, cso_error *err) {
    char *path = cso_path_join(folder, CSO_STATE_FILE), *text = NULL, hex[33];
    size_t size;
    cso_status status;
    if (!path)
        return cso_fail_memory(err, "a path");
    CSO_TRY_DONE(cso_read_file(path, MAX_STATE_BYTES, &text, &size, err));
    char *seal = NULL;
    for (char *found = text; (found = strstr(found, CSO_STATE_SEAL)); found++)
        seal = found;
    if (seal)
        cso_digest_bytes(text, (size_t)(seal - text), hex);
    if (!seal || strlen(text) != size || strncmp(seal + strlen(CSO_STATE_SEAL), hex, 32) != 0 ||
        strcmp(seal + strlen(CSO_STATE_SEAL) + 32, "\"\n}\n") != 0) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: damaged (its checksum differs)", path);
        goto done;
    }
    status = cso_json_parse(json, text, size, path, 1, err);
done:
    free(path);
    free(text);
    return status;
}

static cso_status check_files(const char *folder, const cJSON *json, cso_error *err) {
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(json, "files");
    for (int i = 0; i < CSO_CHECKPOINT_FILES; i++) {
        const char *expected = NULL;
        char hex[33];
        CSO_TRY(cso_json_string(files, cso_checkpoint_files[i], folder, &expected, err));
        CSO_TRY(cso_checksum_file(folder, cso_checkpoint_files[i], hex, err));
        if (!expected || strcmp(expected, hex) != 0)
            return cso_fail(err, CSO_ERR_INPUT, "%s/%s: damaged (its checksum differs)", folder, cso_checkpoint_files[i]);
    }
    return CSO_OK;
}

/* One message lists all differences. */
static cso_status check_identity(const char *folder, const cJSON *json, const cso_identity *identity, cso_error *err) {
    const cJSON *run = cJSON_GetObjectItemCaseSensitive(json, "run");
    cso_text differs = {0};
    for (size_t i = 0; i < identity->count; i++) {
        const char *key = identity->items[i].key, *here = identity->items[i].value, *there = NULL;
        if (cso_json_string(run, key, folder, &there, NULL) != CSO_OK || !there)
            there = "(not recorded)";
        if (strcmp(here, there) != 0)
            cso_text_format(&differs, "%s%s is %s here and %s there", differs.size ? ", " : "", key, here, there);
    }
    cso_status status = CSO_OK;
    if (differs.failed)
        status = cso_fail_memory(err, "a message");
    else if (differs.size)
        status = cso_fail(err, CSO_ERR_INPUT, "%s: a checkpoint of another run: %s (expected the same, or another checkpoint.dir)",
                          folder, differs.data);
    free(differs.data);
    return status;
}

/* One of AdamW's moments: n finite values of at least `least`. What this program wrote holds no others. */
static cso_status moment(const cso_safetensors *file, const char *name, size_t n, float least, const cso_tensor **tensor,
                         cso_error *err) {
    *tensor = cso_safetensors_find(file, name);
    if (!*tensor || (*tensor)->dtype != CSO_F32 || (*tensor)->n_dims != 1 || (*tensor)->shape[0] != n)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected %zu f32 values", cso_safetensors_path(file), name, n);
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, (const uint8_t *)(*tensor)->data + i * sizeof value, sizeof value);
        if (!(isfinite(value) && value >= least))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: value %zu is %g (expected a finite number%s)", cso_safetensors_path(file),
                            name, i, (double)value, least < 0 ? "" : " of at least 0");
    }
    return CSO_OK;
}

/* Opens a file of the checkpoint; the caller closes it. */
static cso_status open_tensors(cso_safetensors **file, const char *folder, const char *name, cso_error *err) {
    char *path = cso_path_join(folder, name);
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = cso_safetensors_open(file, path, err);
    free(path);
    return status;
}

/* Parameters and moments. Reads and checks all of them before it changes the first. */
static cso_status load(const char *folder, size_t optimizer_steps, cso_adamw *adamw, cso_error *err) {
    cso_safetensors *weights = NULL, *moments = NULL;
    const cso_tensor *m, *v;
    cso_status status;
    float *params = cso_calloc(adamw->n, sizeof *params);
    if (!params)
        return cso_fail_memory(err, "parameters");
    CSO_TRY_DONE(open_tensors(&weights, folder, "adapter_model.safetensors", err));
    CSO_TRY_DONE(cso_trainables_read(&adamw->trained, weights, params, err));
    CSO_TRY_DONE(open_tensors(&moments, folder, "optimizer.safetensors", err));
    CSO_TRY_DONE(moment(moments, "exp_avg", adamw->n, -FLT_MAX, &m, err));
    CSO_TRY_DONE(moment(moments, "exp_avg_sq", adamw->n, 0, &v, err));
    memcpy(adamw->trained.params, params, adamw->n * sizeof *params);
    memcpy(adamw->m, m->data, adamw->n * sizeof *adamw->m);
    memcpy(adamw->v, v->data, adamw->n * sizeof *adamw->v);
    adamw->steps = optimizer_steps;
done:
    cso_safetensors_close(weights);
    cso_safetensors_close(moments);
    free(params);
    return status;
}

cso_status cso_checkpoint_read(const char *folder, const cso_identity *identity, cso_adamw *adamw, cso_train_state *state,
                               bool *damaged, cso_error *err) {
    cJSON *json = NULL;
    cso_status status;
    size_t format, optimizer_steps;
    const char *kernels;
    cso_train_state read = {0};
    *damaged = true;
    if (!cso_path_is_folder(folder))
        return cso_fail(err, CSO_ERR_INPUT, "%s: no such checkpoint (expected a folder checkpoint-STEP)", folder);
    CSO_TRY_DONE(read_state(folder, &json, err));
    CSO_TRY_DONE(cso_json_size(json, "format", folder, 0, &format, err));
    if (format != CSO_STATE_FORMAT) {
        *damaged = false;
        status = cso_fail(err, CSO_ERR_INPUT, "%s: written by another version: format %zu (expected %d)", folder, format,
                          CSO_STATE_FORMAT);
        goto done;
    }
    CSO_TRY_DONE(check_files(folder, json, err));
    *damaged = false;
    CSO_TRY_DONE(check_identity(folder, json, identity, err));
    CSO_TRY_DONE(cso_json_size(json, "step", folder, 0, &read.step, err));
    CSO_TRY_DONE(cso_json_number(json, "epoch", folder, 0, &read.epoch, err));
    CSO_TRY_DONE(cso_json_size(json, "position", folder, 0, &read.position, err));
    CSO_TRY_DONE(cso_json_size(json, "optimizer_steps", folder, 0, &optimizer_steps, err));
    CSO_TRY_DONE(cso_json_number(json, "best_metric", folder, 0, &read.best_metric, err));
    CSO_TRY_DONE(cso_json_size(json, "best_step", folder, 0, &read.best_step, err));
    CSO_TRY_DONE(cso_json_size(json, "max_steps", folder, 0, &read.total_steps, err));
    CSO_TRY_DONE(cso_json_size(json, "tree_tokens", folder, 0, &read.max_tokens, err));
    CSO_TRY_DONE(cso_json_string(json, "kernels", folder, &kernels, err));
    snprintf(read.kernels, sizeof read.kernels, "%s", kernels ? kernels : "");
    CSO_TRY_DONE(cso_json_size(json, "skipped", folder, 0, &read.skipped, err));
    CSO_TRY_DONE(cso_json_size(json, "skipped_in_row", folder, 0, &read.skipped_in_row, err));
    read.has_best = cJSON_HasObjectItem(json, "best_metric");
    CSO_TRY_DONE(load(folder, optimizer_steps, adamw, err));
    *state = read;
done:
    cJSON_Delete(json);
    return status;
}
