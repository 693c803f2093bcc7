/* trainer_save.c - writing a run's checkpoints and removing old ones. */
#include "trainer_parts.h"

#include "base/clock.h"

static void warn_if_failed(const trainer *t, cso_status status, const cso_error *err) {
    if (status != CSO_OK)
        trainer_warn(t, "%s", err->message);
}

static cso_status rotate(const trainer *t, size_t keep, cso_error *err) {
    const cso_run_config *config = t->job->config;
    bool keep_best = config->checkpoint.keep_best && t->state.has_best;
    return cso_checkpoint_rotate(config->checkpoint.dir, t->saved_step, keep, keep_best ? t->state.best_step : 0, err);
}

static cso_status write_checkpoint(trainer *t, bool proven, cso_error *err) {
    const cso_run_config *config = t->job->config;
    double began = cso_clock();
    CSO_TRY(trainer_check_state(t, err));
    CSO_TRY(cso_metrics_log_sync(&t->metrics, err)); /* a checkpoint's past has all its lines, even after a power cut */
    warn_if_failed(t, cso_reference_cache_save(&t->train_cache, err), err); /* can be computed again */
    warn_if_failed(t, cso_reference_cache_save(&t->eval_cache, err), err);
    CSO_TRY(cso_checkpoint_write(config->checkpoint.dir, &t->state, &t->identity, t->job->adapter, &t->adamw, NULL, err));
    trainer_note(t, "checkpoint-%zu saved in %.3f s", t->state.step, cso_clock() - began);
    t->saved_step = t->state.step;
    size_t keep = config->checkpoint.keep_last;
    if (proven || !t->state.skipped_in_row) /* a checkpoint within a row of skipped steps may be as bad as the one before */
        warn_if_failed(t, rotate(t, proven || keep > 2 ? keep : 2, err), err);
    return CSO_OK;
}

cso_status trainer_save(trainer *t, bool proven, cso_error *err) {
    if (t->saved_step == t->state.step)
        return CSO_OK;
    cso_pace_saving(&t->pace);
    CSO_TRY(trainer_check_equal(t, err));
    CSO_TRY(cso_comm_agree(t->job->comm, trainer_writes(t) ? write_checkpoint(t, proven, err) : CSO_OK, err));
    t->saved_step = t->state.step;
    t->unproven = !proven;
    return CSO_OK;
}

void trainer_proven(trainer *t) {
    cso_error err;
    if (trainer_writes(t) && t->unproven && t->job->config->checkpoint.keep_last < 2)
        warn_if_failed(t, rotate(t, 1, &err), &err);
    t->unproven = false;
}
