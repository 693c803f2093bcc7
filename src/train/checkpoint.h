/* checkpoint.h - the run folder: checkpoints that are whole or absent, their rotation, and the lock against a second writer.
 *
 * checkpoint-<step>/ holds adapter_model.safetensors and adapter_config.json (PEFT), optimizer.safetensors (exp_avg,
 * exp_avg_sq), trainer_state.json (trainer_state.h) and cso_state.json, from which a run resumes and which has the XXH3-128 of
 * all other files and of itself. Random numbers are functions of (seed, step), so there is no generator state to save.
 */
#ifndef CSO_CHECKPOINT_H
#define CSO_CHECKPOINT_H

#include "base/identity.h"
#include "base/status.h"
#include "log_history.h"
#include "model/lora.h"
#include "optim.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_train_state {
    size_t step; /* steps done */
    double epoch;
    size_t position; /* examples of the current epoch's order that are done */
    bool has_best;
    double best_metric; /* lowest evaluation loss */
    size_t best_step;
    size_t no_better; /* evaluations since one was better by train.early_stopping_min_delta */
    /* May differ on resume; a change is reported or the recorded value kept (0, "": not recorded): */
    size_t total_steps;             /* length of the run, which learning rates depend on */
    size_t max_tokens;              /* of a tree, by the memory at the run's start: batches are cut by it */
    char kernels[16];               /* cso_kernels.name; other kernels give other last bits */
    size_t skipped, skipped_in_row; /* skipped steps, in all and in a row up to now */
    size_t tokens_seen;             /* of the steps' examples, not shared */
} cso_train_state;

/* What trainer_state.json tells of the settings. */
typedef struct cso_trainer_settings {
    size_t logging_steps, eval_steps, save_steps, batch_size, epochs;
    bool best_kept; /* the best checkpoint is one that is there */
} cso_trainer_settings;

/* What a checkpoint is written of. */
typedef struct cso_checkpoint {
    const cso_train_state *state;
    const cso_identity *identity;
    const cso_adapter *adapter;
    const cso_adamw *adamw;
    const cso_log_history *history;
    cso_trainer_settings settings;
} cso_checkpoint;

/* Writes dir/checkpoint-<step>/. path: NULL, or gets the folder's path, which the caller frees. */
cso_status cso_checkpoint_write(const char *dir, const cso_checkpoint *checkpoint, char **path, cso_error *err);

/* Reads a checkpoint into adamw's moments and the parameters it updates, and into history. Takes those of the version
 * before (format 2), which have no history. CSO_ERR_INPUT with *damaged for a damaged one, without for one of another run, whose
 * message lists what differs. Changes nothing on failure. */
cso_status cso_checkpoint_read(const char *folder, const cso_identity *identity, cso_adamw *adamw, cso_train_state *state,
                               cso_log_history *history, bool *damaged, cso_error *err);

/* Steps of the checkpoints in dir, ascending; the caller frees. A missing dir has none. */
cso_status cso_checkpoint_list(const char *dir, size_t **steps, size_t *count, cso_error *err);
/* Of the checkpoints up to step `newest`, the one just written: those that rotation keeps, which are the last keep_last (at least
 * one) and that of best_step (0: none). Ascending; the caller frees. Later checkpoints are not of this run's past: they do not
 * count. */
cso_status cso_checkpoint_list_kept(const char *dir, size_t newest, size_t keep_last, size_t best_step, size_t **steps,
                                    size_t *count, cso_error *err);
/* Removes the other checkpoints up to step `newest`; a link is removed, not followed. Goes on past one that cannot be removed; the
 * error is the first. */
cso_status cso_checkpoint_rotate(const char *dir, size_t newest, size_t keep_last, size_t best_step, cso_error *err);
/* Renames a damaged checkpoint to checkpoint-<step>.damaged, which no longer counts as a checkpoint. */
cso_status cso_checkpoint_set_aside(const char *dir, size_t step, cso_error *err);

/* CSO_ERR_USAGE where dir is no place for a run: the root folder; "~/..." which nothing replaces; and where no run has been in it,
 * a folder with other files that is the current or the home folder, lies above one of them, or lies in the root folder. */
cso_status cso_run_folder_suits(const char *dir, cso_error *err);
/* Checks dir as above, makes it, and locks it until the descriptor is closed. CSO_ERR_USAGE if another process holds the lock. */
cso_status cso_run_folder_lock(const char *dir, int *descriptor, cso_error *err);
/* Whether another process holds it now, as cso_run_folder_lock would fail. Makes nothing. */
cso_status cso_run_folder_check_lock(const char *dir, cso_error *err);
/* A descriptor of dir, which the caller closes; and whether dir still is that folder: CSO_ERR_SYSTEM if it was moved, removed or
 * replaced. dir may be a link. */
cso_status cso_run_folder_hold(const char *dir, int *descriptor, cso_error *err);
cso_status cso_run_folder_check(const char *dir, int descriptor, cso_error *err);
/* Removes and counts the temporary files of a killed trainer, as many as it can; the error is the first. Only for the holder of
 * the lock. */
cso_status cso_run_folder_clean(const char *dir, size_t *removed, cso_error *err);

#endif
