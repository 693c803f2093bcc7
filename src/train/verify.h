/* verify.h - compares a folder of cso-train with the checksums that are stored in it. Changes nothing, takes no lock. */
#ifndef CSO_VERIFY_H
#define CSO_VERIFY_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_damage {
    char *file; /* its path */
    char what[96];
} cso_damage;

typedef struct cso_verified {
    size_t files;       /* that were compared */
    size_t uncompared;  /* adapter folders and runs of a version that stored no checksums of them */
    size_t unfinished;  /* temporary files of a save that goes on or was killed: no damage */
    cso_damage *damage; /* (count) */
    size_t count, capacity;
} cso_verified;

/* A checkpoint: each of its files, and that there is no other. A damaged file is no error but an entry of `damage`; CSO_ERR_SYSTEM
 * if a file cannot be read. */
cso_status cso_verify_checkpoint(const char *folder, cso_verified *verified, cso_error *err);
/* The same of an adapter's folder. One without checksums is damaged if it must have them (that of a run), else uncompared (that of
 * another program). */
cso_status cso_verify_adapter(const char *folder, bool must, cso_verified *verified, cso_error *err);
/* A run's folder: adapter/, all checkpoints, config.toml, metrics.jsonl (up to the last checkpoint by its checksum, beyond by its
 * form: whole lines, the steps in order) and reference-cache/; of a run with stages the same of each stage's folder. Looks again where files changed meanwhile: the run may be going
 * on. */
cso_status cso_verify_run(const char *folder, cso_verified *verified, cso_error *err);

/* What a folder is by its names alone, however damaged: CSO_FOLDER_OTHER has nothing of cso-train. An adapter in a run's folder
 * must have checksums (*must). */
typedef enum cso_folder_kind { CSO_FOLDER_OTHER, CSO_FOLDER_RUN, CSO_FOLDER_CHECKPOINT, CSO_FOLDER_ADAPTER } cso_folder_kind;
cso_folder_kind cso_verify_kind(const char *folder, bool *must);
void cso_verified_free(cso_verified *verified); /* takes a zeroed one too */

#endif
