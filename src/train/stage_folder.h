/* stage_folder.h - the folder of a run with stages: config.toml with all of them, the stages' own folders, and in the end adapter/,
 * that of the last stage.
 */
#ifndef CSO_STAGE_FOLDER_H
#define CSO_STAGE_FOLDER_H

#include "base/status.h"
#include "trainer.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_stage_folder {
    const char *dir;
    int lock, folder; /* descriptors, -1: none */
    char config_checksum[33];
} cso_stage_folder;

/* Makes and locks dir, removes what a killed process left unfinished, and writes config.toml. The observer is told of that. Fails as
 * cso_run_folder_lock does; a folder of a run without stages is CSO_ERR_USAGE. The caller closes, also after a failure. */
cso_status cso_stage_folder_open(cso_stage_folder *folder, const char *dir, const char *config_text,
                                 const cso_train_observer *observer, cso_error *err);
void cso_stage_folder_close(cso_stage_folder *folder); /* takes a zeroed one too */
/* Fails as opening would. Makes nothing. */
cso_status cso_stage_folder_check(const char *dir, cso_error *err);

/* Whether a stage's adapter/ is there, and all of its files are as they were written. */
bool cso_stage_adapter_is_whole(const char *stage_dir);
/* Copies the adapter/ of a stage to dir/adapter, which appears whole or not at all. */
cso_status cso_stage_folder_finish(const cso_stage_folder *folder, const char *stage_dir, const cso_train_observer *observer,
                                   cso_error *err);

/* "stage-2-cso": whether it is the name of a stage's folder. */
bool cso_is_stage_folder(const char *name);

#endif
