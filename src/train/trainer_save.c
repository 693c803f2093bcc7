/* trainer_save.c - writing a run's checkpoints and removing old ones. */
#include "trainer_parts.h"

#include "base/clock.h"
#include "run_checksums.h"

#include <stdint.h>
#include <stdlib.h>

static void warn_if_failed(const trainer *t, cso_status status, const cso_error *err) {
    if (status != CSO_OK)
        trainer_warn(t, "%s", err->message);
}

/* One more than keep_last asks for, where none may be known to be good. */
static size_t count_kept(const trainer *t, bool proven) {
    size_t keep = t->job->config->checkpoint.keep_last;
    return proven || keep > 2 ? keep : 2;
}

static size_t best_kept(const trainer *t) {
    return t->job->config->checkpoint.keep_best && t->state.has_best ? t->state.best_step : 0;
}

/* keep SIZE_MAX: all stay. */
static cso_status write_checksums(const trainer *t, size_t keep, cso_error *err) {
    const char *dir = t->job->config->checkpoint.dir;
    cso_run_checksums checksums = {.metrics = &t->metrics};
    size_t *steps = NULL;
    checksums.config[0] = t->config_checksum[0] ? t->config_checksum : NULL;
    if (t->saved_step)
        CSO_TRY(cso_checkpoint_list_kept(dir, t->saved_step, keep, best_kept(t), &steps, &checksums.checkpoint_count, err));
    checksums.checkpoints = steps;
    cso_status status = cso_run_checksums_write(dir, &checksums, err);
    free(steps);
    return status;
}

cso_status trainer_write_checksums(const trainer *t, cso_error *err) {
    return write_checksums(t, count_kept(t, !t->unproven), err);
}

/* The checksums come first: what they list is there at every moment. */
static cso_status rotate(const trainer *t, bool proven, cso_error *err) {
    size_t keep = count_kept(t, proven);
    CSO_TRY(cso_run_folder_check(t->job->config->checkpoint.dir, t->folder, err));
    CSO_TRY(write_checksums(t, keep, err));
    return cso_checkpoint_rotate(t->job->config->checkpoint.dir, t->saved_step, keep, best_kept(t), err);
}

/* One warning, until it goes well again. */
static void rotate_or_warn(trainer *t, bool proven) {
    cso_error err;
    cso_status status = rotate(t, proven, &err);
    if (status != CSO_OK && !t->not_rotated)
        trainer_warn(t, "%s; old checkpoints stay until they can be removed", err.message);
    t->not_rotated = status != CSO_OK;
}

void trainer_rotate(trainer *t) {
    if (trainer_writes(t) && t->saved_step && !t->state.skipped_in_row)
        rotate_or_warn(t, !t->unproven);
}

static cso_trainer_settings settings_of(const trainer *t) {
    const cso_run_config *config = t->job->config;
    size_t total = t->length.total_steps, epoch = t->length.epoch_steps;
    return (cso_trainer_settings){
        .logging_steps = cso_log_history_every(total),
        .eval_steps = config->log.eval_every_steps ? config->log.eval_every_steps : total,
        .save_steps = config->checkpoint.every_steps ? config->checkpoint.every_steps : total,
        .batch_size = config->train.batch_size,
        .epochs = (total + epoch - 1) / epoch,
        .best_kept = config->checkpoint.keep_best,
    };
}

static cso_status write_checkpoint(trainer *t, bool proven, cso_error *err) {
    const cso_run_config *config = t->job->config;
    double began = cso_clock();
    CSO_TRY(trainer_check_state(t, err));
    CSO_TRY(cso_metrics_log_sync(&t->metrics, err)); /* a checkpoint's past has all its lines, even after a power cut */
    warn_if_failed(t, cso_reference_cache_save(&t->train_cache, err), err); /* can be computed again */
    warn_if_failed(t, cso_reference_cache_save(&t->eval_cache, err), err);
    const cso_checkpoint checkpoint = {&t->state, &t->identity, t->job->adapter, &t->adamw, &t->history, settings_of(t)};
    CSO_TRY(cso_checkpoint_write(config->checkpoint.dir, &checkpoint, NULL, err));
    trainer_note(t, "checkpoint-%zu saved in %.3f s", t->state.step, cso_clock() - began);
    t->saved_step = t->state.step;
    if (proven || !t->state.skipped_in_row) /* a checkpoint within a row of skipped steps may be as bad as the one before */
        rotate_or_warn(t, proven);
    else
        warn_if_failed(t, write_checksums(t, SIZE_MAX, err), err);
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
    if (trainer_writes(t) && t->unproven && t->saved_step && t->job->config->checkpoint.keep_last < 2)
        rotate_or_warn(t, true);
    t->unproven = false;
}
