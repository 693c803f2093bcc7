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
    size_t position; /* pairs of the current epoch's order that are done */
    bool has_best;
    double best_metric; /* lowest evaluation loss */
    size_t best_step;
    /* What may change from one process to the next, but is told then, or kept (0, "": not recorded): */
    size_t total_steps;             /* length of the run, on which learning rates depend */
    size_t max_tokens;              /* of one tree, for which the run has had memory since its start: where batches are cut */
    char kernels[16];               /* cso_kernels.name; other kernels give other last bits */
    size_t skipped, skipped_in_row; /* steps that changed nothing, in all and up to now */
} cso_train_state;

/* Writes dir/checkpoint-<step>/ and gives its path, if path is not NULL, which the caller frees. */
cso_status cso_checkpoint_write(const char *dir, const cso_train_state *state, const cso_identity *identity,
                                const cso_adapter *adapter, const cso_adamw *adamw, char **path, cso_error *err);

/* Reads a checkpoint into adapter's parameters and adamw's moments, which have their sizes already. A damaged one is
 * CSO_ERR_INPUT and *damaged; one of another run is CSO_ERR_INPUT with the list of what differs. Nothing is changed on
 * failure. */
cso_status cso_checkpoint_read(const char *folder, const cso_identity *identity, const cso_model *model, cso_adapter *adapter,
                               cso_adamw *adamw, cso_train_state *state, bool *damaged, cso_error *err);

/* Steps of the checkpoints in dir, ascending; the caller frees. A missing dir has none. */
cso_status cso_checkpoint_list(const char *dir, size_t **steps, size_t *count, cso_error *err);
/* Removes all but the keep_last (at least one) up to step `newest`, the one just written, and the one of best_step (0: none).
 * Checkpoints beyond `newest` are not of this run's past: they count for nothing and stay. */
cso_status cso_checkpoint_rotate(const char *dir, size_t newest, size_t keep_last, size_t best_step, cso_error *err);
/* A damaged checkpoint gets the name checkpoint-<step>.damaged, so that it no longer counts as one. */
cso_status cso_checkpoint_set_aside(const char *dir, size_t step, cso_error *err);

/* Makes dir and takes its lock until the descriptor is closed. CSO_ERR_USAGE if another process has it. */
cso_status cso_run_folder_lock(const char *dir, int *descriptor, cso_error *err);
/* Removes what a trainer that was killed had begun to write, and counts it. Only for the one who has the lock. */
cso_status cso_run_folder_clean(const char *dir, size_t *removed, cso_error *err);

#endif
