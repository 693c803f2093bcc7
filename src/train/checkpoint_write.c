/* checkpoint_write.c - writes a checkpoint's folder, which gets its name when everything in it is on the disk. */
#include "checkpoint_files.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint.h"
#include "checksums.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "trainer_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void add_state(cso_text *text, const cso_checkpoint *c) {
    const cso_train_state *state = c->state;
    cso_text_format(text, "{\n  \"format\": %d,\n  \"step\": %zu,\n  \"epoch\": ", CSO_STATE_FORMAT, state->step);
    cso_text_json_number(text, state->epoch);
    cso_text_format(text, ",\n  \"position\": %zu,\n  \"optimizer_steps\": %zu,\n", state->position, c->adamw->steps);
    if (state->has_best) {
        cso_text_format(text, "  \"best_metric\": ");
        cso_text_json_number(text, state->best_metric);
        cso_text_format(text, ",\n  \"best_step\": %zu,\n", state->best_step);
    }
    if (state->no_better) /* came after the first release */
        cso_text_format(text, "  \"no_better\": %zu,\n", state->no_better);
    cso_text_format(text, "  \"max_steps\": %zu,\n  \"tree_tokens\": %zu,\n  \"kernels\": \"%s\",\n", state->total_steps,
                    state->max_tokens, state->kernels);
    cso_text_format(text, "  \"skipped\": %zu,\n  \"skipped_in_row\": %zu,\n  \"tokens_seen\": %zu,\n", state->skipped,
                    state->skipped_in_row, state->tokens_seen);
    cso_log_history_add_sums(text, c->history);
    cso_text_format(text, "  \"run\": {");
    for (size_t i = 0; i < c->identity->count; i++) {
        const char *value = c->identity->items[i].value;
        cso_text_format(text, "%s\n    \"%s\": ", i ? "," : "", c->identity->items[i].key);
        cso_text_json_string(text, value, strlen(value));
    }
    cso_text_format(text, "\n  },\n");
}

/* The last file of a checkpoint: it has the checksums of the others, whichever they are. */
static cso_status write_state(const char *folder, const cso_checkpoint *checkpoint, cso_error *err) {
    cso_text text = {0};
    cso_status status;
    char *path = cso_path_join(folder, CSO_STATE_FILE);
    add_state(&text, checkpoint);
    CSO_TRY_DONE(cso_checksums_add(&text, folder, CSO_STATE_FILE, err));
    cso_seal_add(&text);
    if (text.failed || !path)
        status = cso_fail_memory(err, "the state of the run");
    else
        status = cso_save_text(path, text.data, text.size, err);
done:
    free(path);
    free(text.data);
    return status;
}

cso_status cso_checkpoint_write(const char *dir, const cso_checkpoint *checkpoint, char **path, cso_error *err) {
    char *temporary = NULL, *folder = checkpoint_path(dir, checkpoint->state->step);
    cso_status status;
    if (!folder)
        return cso_fail_memory(err, "a path");
    CSO_TRY_DONE(cso_folder_begin(folder, &temporary, err));
    CSO_TRY_DONE(cso_adapter_write(checkpoint->adapter, temporary, err));
    CSO_TRY_DONE(write_optimizer(temporary, checkpoint->adamw, err));
    CSO_TRY_DONE(cso_trainer_state_write(temporary, checkpoint, err));
    CSO_TRY_DONE(write_state(temporary, checkpoint, err));
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
