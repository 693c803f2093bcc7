/* checkpoint.h - the run folder: checkpoints that are whole or absent, their rotation, and the lock against a second writer.
 *
 * checkpoint-<step>/ holds adapter_model.safetensors and adapter_config.json (PEFT), optimizer.safetensors (exp_avg,
 * exp_avg_sq) and trainer_state.json, which has the XXH3-128 of the other files and of itself. Random numbers are functions
 * of (seed, step), so there is no generator state to save.
 */
#ifndef CSO_CHECKPOINT_H
#define CSO_CHECKPOINT_H

#include "base/status.h"
#include "identity.h"
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
    /* May differ on resume; a change is reported or the recorded value kept (0, "": not recorded): */
    size_t total_steps;             /* length of the run, which learning rates depend on */
    size_t max_tokens;              /* of a tree, by the memory at the run's start: batches are cut by it */
    char kernels[16];               /* cso_kernels.name; other kernels give other last bits */
    size_t skipped, skipped_in_row; /* skipped steps, in all and in a row up to now */
} cso_train_state;

/* Writes dir/checkpoint-<step>/. path: NULL, or gets the folder's path, which the caller frees. */
cso_status cso_checkpoint_write(const char *dir, const cso_train_state *state, const cso_identity *identity,
                                const cso_adapter *adapter, const cso_adamw *adamw, char **path, cso_error *err);

/* Reads a checkpoint into adamw's moments and the parameters it updates. CSO_ERR_INPUT with *damaged for a damaged one, without
 * for one of another run, whose message lists what differs. Changes nothing on failure. */
cso_status cso_checkpoint_read(const char *folder, const cso_identity *identity, cso_adamw *adamw, cso_train_state *state,
                               bool *damaged, cso_error *err);

/* Steps of the checkpoints in dir, ascending; the caller frees. A missing dir has none. */
cso_status cso_checkpoint_list(const char *dir, size_t **steps, size_t *count, cso_error *err);
/* Removes the checkpoints up to step `newest`, the one just written, except for the last keep_last (at least one) and that of
 * best_step (0: none). Later checkpoints are not of this run's past: they do not count and stay. */
cso_status cso_checkpoint_rotate(const char *dir, size_t newest, size_t keep_last, size_t best_step, cso_error *err);
/* Renames a damaged checkpoint to checkpoint-<step>.damaged, which no longer counts as a checkpoint. */
cso_status cso_checkpoint_set_aside(const char *dir, size_t step, cso_error *err);

/* Makes dir and locks it until the descriptor is closed. CSO_ERR_USAGE if another process holds the lock. */
cso_status cso_run_folder_lock(const char *dir, int *descriptor, cso_error *err);
/* Whether another process holds it now, as cso_run_folder_lock would fail. Makes nothing. */
cso_status cso_run_folder_check_lock(const char *dir, cso_error *err);
/* Removes and counts the temporary files of a killed trainer. Only for the holder of the lock. */
cso_status cso_run_folder_clean(const char *dir, size_t *removed, cso_error *err);

#endif
