/* checkpoint_write.c - writes a checkpoint's folder, which gets its name when everything in it is on the disk. */
#include "checkpoint_files.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "checkpoint.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cso_checkpoint_files[CSO_CHECKPOINT_FILES] = {"adapter_model.safetensors", "adapter_config.json",
                                                                "optimizer.safetensors"};

cso_status cso_checksum_file(const char *folder, const char *name, char hex[33], cso_error *err) {
    cso_map map = {0};
    char *path = cso_path_join(folder, name);
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = cso_map_open(&map, path, err);
    if (status == CSO_OK)
        cso_digest_bytes(map.data, map.size, hex);
    cso_map_close(&map);
    free(path);
    return status;
}

static cso_status write_optimizer(const char *folder, const cso_adamw *adamw, cso_error *err) {
    const cso_safetensors_item items[] = {
        {.name = "exp_avg", .data = adamw->m, .n_dims = 1, .shape = {adamw->n}},
        {.name = "exp_avg_sq", .data = adamw->v, .n_dims = 1, .shape = {adamw->n}},
    };
    char steps[32];
    snprintf(steps, sizeof steps, "%zu", adamw->steps);
    const char *const metadata[] = {"optimizer", "adamw", "steps", steps, NULL};
    char *path = cso_path_join(folder, "optimizer.safetensors");
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = cso_safetensors_write(path, items, 2, metadata, err);
    free(path);
    return status;
}

static cso_status write_state(const char *folder, const cso_train_state *state, const cso_identity *identity,
                              const cso_adamw *adamw, cso_error *err) {
    cso_text text = {0};
    cso_status status = CSO_OK;
    char hex[33], *path = NULL;
    cso_text_format(&text, "{\n  \"format\": %d,\n  \"step\": %zu,\n  \"epoch\": ", CSO_STATE_FORMAT, state->step);
    cso_text_json_number(&text, state->epoch);
    cso_text_format(&text, ",\n  \"position\": %zu,\n  \"optimizer_steps\": %zu,\n", state->position, adamw->steps);
    if (state->has_best) {
        cso_text_format(&text, "  \"best_metric\": ");
        cso_text_json_number(&text, state->best_metric);
        cso_text_format(&text, ",\n  \"best_step\": %zu,\n", state->best_step);
    }
    cso_text_format(&text, "  \"max_steps\": %zu,\n  \"tree_tokens\": %zu,\n  \"kernels\": \"%s\",\n", state->total_steps,
                    state->max_tokens, state->kernels);
    cso_text_format(&text, "  \"skipped\": %zu,\n  \"skipped_in_row\": %zu,\n", state->skipped, state->skipped_in_row);
    cso_text_format(&text, "  \"run\": {");
    for (size_t i = 0; i < identity->count; i++) {
        cso_text_format(&text, "%s\n    \"%s\": ", i ? "," : "", identity->items[i].key);
        cso_text_json_string(&text, identity->items[i].value, strlen(identity->items[i].value));
    }
    cso_text_format(&text, "\n  },\n  \"files\": {");
    for (int i = 0; i < CSO_CHECKPOINT_FILES; i++) {
        CSO_TRY_DONE(cso_checksum_file(folder, cso_checkpoint_files[i], hex, err));
        cso_text_format(&text, "%s\n    \"%s\": \"%s\"", i ? "," : "", cso_checkpoint_files[i], hex);
    }
    cso_text_format(&text, "\n  },\n  ");
    if (!text.failed)
        cso_digest_bytes(text.data, text.size, hex);
    cso_text_format(&text, CSO_STATE_SEAL "%s\"\n}\n", hex);
    path = cso_path_join(folder, CSO_STATE_FILE);
    if (text.failed || !path)
        status = cso_fail_memory(err, "the state of the run");
    else
        status = cso_save_text(path, text.data, text.size, err);
done:
    free(path);
    free(text.data);
    return status;
}

cso_status cso_checkpoint_write(const char *dir, const cso_train_state *state, const cso_identity *identity,
                                const cso_adapter *adapter, const cso_adamw *adamw, char **path, cso_error *err) {
    char *temporary = NULL, *folder = checkpoint_path(dir, state->step);
    cso_status status;
    if (!folder)
        return cso_fail_memory(err, "a path");
    CSO_TRY_DONE(cso_folder_begin(folder, &temporary, err));
    CSO_TRY_DONE(cso_adapter_write(adapter, temporary, err));
    CSO_TRY_DONE(write_optimizer(temporary, adamw, err));
    CSO_TRY_DONE(write_state(temporary, state, identity, adamw, err));
    status = cso_folder_commit(folder, temporary, err);
    temporary = NULL;
done:
    if (temporary)
        cso_folder_abort(temporary);
    if (status == CSO_OK && path)
        *path = folder;
    else
        free(folder);
    return status;
}
