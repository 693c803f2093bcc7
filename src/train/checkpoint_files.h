/* checkpoint_files.h - names and checksums of a checkpoint's files; inside src/train only. */
#ifndef CSO_CHECKPOINT_FILES_H
#define CSO_CHECKPOINT_FILES_H

#include "base/status.h"

#include <stddef.h>

enum { CSO_STATE_FORMAT = 2, CSO_CHECKPOINT_FILES = 3 };
extern const char *const cso_checkpoint_files[CSO_CHECKPOINT_FILES]; /* all but trainer_state.json */
#define CSO_STATE_FILE "trainer_state.json"
/* The beginning of trainer_state.json's last member, which is the XXH3-128 of all bytes before it. */
#define CSO_STATE_SEAL "\"checksum\": \""

/* dir/checkpoint-<step>; the caller frees; NULL for lack of memory. */
char *checkpoint_path(const char *dir, size_t step);
cso_status cso_checksum_file(const char *folder, const char *name, char hex[33], cso_error *err);

#endif
