/* folder_lock.h - one process at a time in a folder: an advisory lock (flock) on its file .lock. */
#ifndef CSO_FOLDER_LOCK_H
#define CSO_FOLDER_LOCK_H

#include "status.h"

/* Who takes the lock, for messages: "another process is training in this folder (expected another checkpoint.dir)". */
typedef struct cso_folder_owner {
    const char *doing, *key; /* "training", "checkpoint.dir" */
} cso_folder_owner;

/* Locks an existing folder; close(*descriptor) gives the lock back, *descriptor is -1 after a failure. Another process has it:
 * CSO_ERR_USAGE. */
cso_status cso_folder_lock(const char *dir, const cso_folder_owner *owner, int *descriptor, cso_error *err);
/* Fails as that would. Makes nothing; a folder that is not there is free. */
cso_status cso_folder_check_lock(const char *dir, const cso_folder_owner *owner, cso_error *err);

#endif
