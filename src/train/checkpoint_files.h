/* checkpoint_files.h - names of a checkpoint's files; inside src/train only. */
#ifndef CSO_CHECKPOINT_FILES_H
#define CSO_CHECKPOINT_FILES_H

#include "base/status.h"
#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>

/* Format 2 had its state in trainer_state.json, without a history. */
enum { CSO_STATE_FORMAT = 3, CSO_STATE_FORMAT_BEFORE = 2 };
#define CSO_STATE_FILE        "cso_state.json"
#define CSO_STATE_FILE_BEFORE "trainer_state.json"

/* dir/checkpoint-<step>; the caller frees; NULL for lack of memory. */
char *checkpoint_path(const char *dir, size_t step);
/* "checkpoint-12" gives 12, every other name 0. */
size_t checkpoint_step_of(const char *name);
extern const char *const run_folder_ours[]; /* how the names of files in a run's folder begin (cso_save_is_leftover) */

/* Reads the state of a checkpoint and checks its seal; *name: the file it is in. A missing or damaged file is CSO_ERR_INPUT. */
cso_status checkpoint_read_state(const char *folder, cJSON **json, const char **name, cso_error *err);

#endif
