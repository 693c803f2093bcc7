/* trainer_state.h - trainer_state.json of a checkpoint: the fields of Hugging Face's TrainerState (transformers 4.5x), no more and
 * no fewer, for tools that read it. What a run resumes from is in cso_state.json; of this file it takes log_history alone.
 *
 * best_model_checkpoint is a name in the run's folder, so that a folder can be moved; total_flos is 0, as TRL's DPOTrainer leaves
 * it; num_input_tokens_seen counts what a trainer without shared prefixes would have laid out.
 */
#ifndef CSO_TRAINER_STATE_H
#define CSO_TRAINER_STATE_H

#include "checkpoint.h"

#define CSO_TRAINER_STATE_FILE "trainer_state.json"

cso_status cso_trainer_state_write(const char *folder, const cso_checkpoint *checkpoint, cso_error *err);
/* The entries of log_history of a file that cso_trainer_state_write wrote. Adds them to a history that has none. */
cso_status cso_trainer_state_read(const char *folder, cso_log_history *history, cso_error *err);

#endif
