/* trainer_best.c - the evaluation loss: which checkpoint is the best, when a run ends early, and what adapter/ gets.
 *
 * As transformers has it: the best is the lowest loss of all, and an evaluation counts as better, for early stopping, if it is lower
 * than that by more than train.early_stopping_min_delta.
 */
#include "trainer_parts.h"

#include "checkpoint_files.h"
#include "checksums.h"
#include "io/safetensors.h"

#include "base/file.h"

#include <stdlib.h>

bool trainer_rate(trainer *t, double loss, size_t step) {
    cso_train_state *s = &t->state;
    double delta = t->job->config->train.early_stopping_min_delta;
    bool best = !s->has_best || loss < s->best_metric;
    s->no_better = best && (!s->has_best || s->best_metric - loss > delta) ? 0 : s->no_better + 1;
    if (best) {
        s->has_best = true;
        s->best_metric = loss;
        s->best_step = step;
    }
    return best;
}

bool trainer_stopped_early(const trainer *t) {
    size_t patience = t->job->config->train.early_stopping_patience;
    return patience && t->job->eval && t->state.no_better >= patience && t->state.step < t->length.total_steps;
}

bool trainer_is_complete(const trainer *t) {
    return t->state.step >= t->length.total_steps || trainer_stopped_early(t);
}

/* A checkpoint's parameters alone, after its checksums. */
static cso_status read_parameters(trainer *t, const char *folder, cso_error *err) {
    cJSON *json = NULL;
    const char *name;
    cso_safetensors *weights = NULL;
    char *path = cso_path_join(folder, "adapter_model.safetensors");
    cso_status status;
    if (!path)
        CSO_TRY_DONE(cso_fail_memory(err, "a path"));
    CSO_TRY_DONE(checkpoint_read_state(folder, &json, &name, err));
    CSO_TRY_DONE(cso_checksums_check(folder, json, err));
    CSO_TRY_DONE(cso_safetensors_open(&weights, path, err));
    status = cso_trainables_read(&t->adamw.trained, weights, t->job->adapter->params, err);
done:
    cso_safetensors_close(weights);
    cJSON_Delete(json);
    free(path);
    return status;
}

cso_status trainer_restore_best(trainer *t, size_t *step, cso_error *err) {
    const cso_train_state *s = &t->state;
    *step = s->step;
    if (!s->has_best || s->best_step == s->step)
        return CSO_OK;
    char *folder = checkpoint_path(t->job->config->checkpoint.dir, s->best_step);
    if (!folder)
        return cso_fail_memory(err, "a path");
    cso_status status = read_parameters(t, folder, err);
    if (status == CSO_OK)
        trainer_note(t, "the parameters of checkpoint-%zu, with the lowest evaluation loss (%g), become the adapter", s->best_step,
                     s->best_metric);
    else
        status = cso_error_prefix(err, status, "checkpoint.restore_best");
    free(folder);
    *step = s->best_step;
    return status;
}
