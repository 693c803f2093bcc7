/* run_check.h - what a run will find in checkpoint.dir, told before it starts. Nothing is created or changed. */
#ifndef CSO_RUN_CHECK_H
#define CSO_RUN_CHECK_H

#include "train_plan.h"

/* Finds the checkpoint that the run would resume from, for job->start; zeros: it begins anew. Fails as the run would: another
 * process holds the lock (CSO_ERR_USAGE), a checkpoint of another run with the list of what differs (CSO_ERR_INPUT), every
 * checkpoint damaged, no such checkpoint, ... warn: job->observer.warning is told what the run would warn of. */
cso_status cso_run_find_start(const cso_train_job *job, bool warn, cso_train_start *start, cso_error *err);

/* Whether the run could write its folder: it exists or can be made, is writable, and its files can be replaced. Fails as the run
 * would; a reference cache that would be ignored is a warning. */
cso_status cso_run_check_folder(const cso_train_job *job, cso_error *err);

/* Bytes on the disk beyond those that are used now. */
typedef struct cso_run_disk {
    size_t checkpoints; /* at the same time, the one that is being written included */
    double checkpoint;  /* of one of them */
    double need;        /* of all that the run adds: checkpoints, adapter, reference cache, metrics */
    double free;        /* for this user; < 0: the file system does not tell */
} cso_run_disk;
cso_status cso_run_measure_disk(const cso_train_job *job, const cso_train_plan *plan, cso_run_disk *disk, cso_error *err);
/* CSO_ERR_SYSTEM where the need is above what is free. */
cso_status cso_run_check_disk(const cso_train_job *job, const cso_run_disk *disk, cso_error *err);

#endif
