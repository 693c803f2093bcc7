/* trainer_state.c - see trainer_state.h. Keys are sorted, as transformers writes them. */
#include "trainer_state.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 30 };
#define BEFORE_ENTRIES "  \"log_history\": ["
#define AFTER_ENTRIES  "],\n  \"logging_steps\": "

static void add_head(cso_text *text, const cso_checkpoint *c) {
    const cso_train_state *state = c->state;
    cso_text_format(text, "{\n  \"best_global_step\": ");
    if (state->has_best) {
        cso_text_format(text, "%zu,\n  \"best_metric\": ", state->best_step);
        cso_text_json_number(text, state->best_metric);
    } else {
        cso_text_format(text, "null,\n  \"best_metric\": null");
    }
    if (state->has_best && c->settings.best_kept)
        cso_text_format(text, ",\n  \"best_model_checkpoint\": \"checkpoint-%zu\",\n  \"epoch\": ", state->best_step);
    else
        cso_text_format(text, ",\n  \"best_model_checkpoint\": null,\n  \"epoch\": ");
    cso_text_json_number(text, state->epoch);
    cso_text_format(text,
                    ",\n  \"eval_steps\": %zu,\n  \"global_step\": %zu,\n  \"is_hyper_param_search\": false,\n"
                    "  \"is_local_process_zero\": true,\n  \"is_world_process_zero\": true,\n" BEFORE_ENTRIES,
                    c->settings.eval_steps, state->step);
}

static void add_tail(cso_text *text, const cso_checkpoint *c) {
    const cso_trainer_settings *settings = &c->settings;
    cso_text_format(text,
                    AFTER_ENTRIES "%zu,\n  \"max_steps\": %zu,\n  \"num_input_tokens_seen\": %zu,\n  \"num_train_epochs\": %zu,\n"
                                  "  \"save_steps\": %zu,\n  \"stateful_callbacks\": {},\n  \"total_flos\": 0.0,\n"
                                  "  \"train_batch_size\": %zu,\n  \"trial_name\": null,\n  \"trial_params\": null\n}\n",
                    settings->logging_steps, c->state->total_steps, c->state->tokens_seen, settings->epochs, settings->save_steps,
                    settings->batch_size);
}

cso_status cso_trainer_state_write(const char *folder, const cso_checkpoint *checkpoint, cso_error *err) {
    const cso_text *entries = &checkpoint->history->entries;
    cso_text text = {0};
    cso_save *save = NULL;
    cso_status status;
    char *path = cso_path_join(folder, CSO_TRAINER_STATE_FILE);
    add_head(&text, checkpoint);
    cso_text_add(&text, "\n", entries->size > 0);
    size_t head = text.size;
    cso_text_add(&text, "\n  ", entries->size ? 3 : 0);
    add_tail(&text, checkpoint);
    if (!path || text.failed)
        CSO_TRY_DONE(cso_fail_memory(err, CSO_TRAINER_STATE_FILE));
    CSO_TRY_DONE(cso_save_begin(&save, path, err));
    CSO_TRY_DONE(cso_save_write(save, text.data, head, err));
    CSO_TRY_DONE(cso_save_write(save, entries->data, entries->size, err));
    CSO_TRY_DONE(cso_save_write(save, text.data + head, text.size - head, err));
    status = cso_save_commit(save, err);
    save = NULL;
done:
    cso_save_abort(save);
    free(text.data);
    free(path);
    return status;
}

cso_status cso_trainer_state_read(const char *folder, cso_log_history *history, cso_error *err) {
    char *path = cso_path_join(folder, CSO_TRAINER_STATE_FILE), *text = NULL;
    size_t size;
    cso_status status;
    if (!path)
        return cso_fail_memory(err, "a path");
    CSO_TRY_DONE(cso_read_file(path, MAX_BYTES, &text, &size, err));
    const char *begin = strstr(text, BEFORE_ENTRIES "\n"), *end = strstr(text, "\n  " AFTER_ENTRIES);
    if (begin && end) {
        begin += strlen(BEFORE_ENTRIES "\n");
        cso_text_add(&history->entries, begin, (size_t)(end - begin));
    }
    if (history->entries.failed)
        status = cso_fail_memory(err, path);
done:
    free(text);
    free(path);
    return status;
}
