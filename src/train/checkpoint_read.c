/* checkpoint_read.c - reads a checkpoint: checks that it is whole, then that it is of this run, then takes its contents. */
#include "checkpoint_files.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint.h"
#include "checksums.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "trainer_state.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cso_status checkpoint_read_state(const char *folder, cJSON **json, const char **name, cso_error *err) {
    char *path = cso_path_join(folder, CSO_STATE_FILE);
    size_t format;
    cso_status status;
    if (!path)
        return cso_fail_memory(err, "a path");
    *name = CSO_STATE_FILE;
    status = cso_sealed_read(folder, *name, json, err);
    if (status == CSO_ERR_INPUT && !cso_path_exists(path)) { /* one of the format before? */
        cso_status before = cso_sealed_read(folder, CSO_STATE_FILE_BEFORE, json, NULL);
        if (before == CSO_OK && cso_json_size(*json, "format", folder, 0, &format, NULL) == CSO_OK && format) {
            *name = CSO_STATE_FILE_BEFORE;
            status = CSO_OK;
        } else {
            cJSON_Delete(*json);
            *json = NULL;
        }
    }
    free(path);
    return status;
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

/* Everything of the state that is not checked elsewhere. */
static cso_status take_state(const char *folder, const cJSON *json, cso_train_state *state, size_t *optimizer_steps,
                             cso_error *err) {
    const char *kernels;
    CSO_TRY(cso_json_size(json, "step", folder, 0, &state->step, err));
    CSO_TRY(cso_json_number(json, "epoch", folder, 0, &state->epoch, err));
    CSO_TRY(cso_json_size(json, "position", folder, 0, &state->position, err));
    CSO_TRY(cso_json_size(json, "optimizer_steps", folder, 0, optimizer_steps, err));
    CSO_TRY(cso_json_number(json, "best_metric", folder, 0, &state->best_metric, err));
    CSO_TRY(cso_json_size(json, "best_step", folder, 0, &state->best_step, err));
    CSO_TRY(cso_json_size(json, "no_better", folder, 0, &state->no_better, err));
    CSO_TRY(cso_json_size(json, "max_steps", folder, 0, &state->total_steps, err));
    CSO_TRY(cso_json_size(json, "tree_tokens", folder, 0, &state->max_tokens, err));
    CSO_TRY(cso_json_string(json, "kernels", folder, &kernels, err));
    snprintf(state->kernels, sizeof state->kernels, "%s", kernels ? kernels : "");
    CSO_TRY(cso_json_size(json, "skipped", folder, 0, &state->skipped, err));
    CSO_TRY(cso_json_size(json, "skipped_in_row", folder, 0, &state->skipped_in_row, err));
    CSO_TRY(cso_json_size(json, "tokens_seen", folder, 0, &state->tokens_seen, err));
    state->has_best = cJSON_HasObjectItem(json, "best_metric");
    return CSO_OK;
}

/* Whether this version reads it, and all its files are as they were written. */
static cso_status check_whole(const char *folder, const cJSON *json, bool *damaged, cso_error *err) {
    size_t format;
    CSO_TRY(cso_json_size(json, "format", folder, 0, &format, err));
    if (format != CSO_STATE_FORMAT && format != CSO_STATE_FORMAT_BEFORE) {
        *damaged = false;
        return cso_fail(err, CSO_ERR_INPUT, "%s: written by another version: format %zu (expected %d or %d)", folder, format,
                        CSO_STATE_FORMAT_BEFORE, CSO_STATE_FORMAT);
    }
    CSO_TRY(cso_checksums_check(folder, json, err));
    *damaged = false;
    return CSO_OK;
}

cso_status cso_checkpoint_read(const char *folder, const cso_identity *identity, cso_adamw *adamw, cso_train_state *state,
                               cso_log_history *history, bool *damaged, cso_error *err) {
    cJSON *json = NULL;
    cso_status status;
    size_t optimizer_steps;
    const char *name;
    cso_train_state read = {0};
    cso_log_history past = {0};
    *damaged = true;
    if (!cso_path_is_folder(folder))
        return cso_fail(err, CSO_ERR_INPUT, "%s: no such checkpoint (expected a folder checkpoint-STEP)", folder);
    CSO_TRY_DONE(checkpoint_read_state(folder, &json, &name, err));
    CSO_TRY_DONE(check_whole(folder, json, damaged, err));
    CSO_TRY_DONE(check_identity(folder, json, identity, err));
    CSO_TRY_DONE(take_state(folder, json, &read, &optimizer_steps, err));
    CSO_TRY_DONE(cso_log_history_read_sums(&past, json, folder, err));
    if (!strcmp(name, CSO_STATE_FILE))
        CSO_TRY_DONE(cso_trainer_state_read(folder, &past, err));
    CSO_TRY_DONE(load(folder, optimizer_steps, adamw, err));
    *state = read;
    cso_log_history_free(history);
    *history = past;
    past = (cso_log_history){0};
done:
    cso_log_history_free(&past);
    cJSON_Delete(json);
    return status;
}
