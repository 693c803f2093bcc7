/* train_run.h - one run of cso-train: everything opened, the plan, the training. */
#ifndef CSO_TRAIN_RUN_H
#define CSO_TRAIN_RUN_H

#include "api/train_open.h"
#include "base/log.h"
#include "comm/comm.h"
#include "programs/common/args.h"
#include "train/run_check.h"
#include "train/train_plan.h"

#include <stdbool.h>
#include <stddef.h>

/* The command line. */
typedef struct train_options {
    const char *config, *resume, *stage, *help_loss; /* stage NULL: all */
    cso_arg_list set;
    size_t threads;
    bool dry_run, quiet, help_config;
} train_options;

/* What all runs of this process have in common. */
typedef struct train_process {
    const train_options *options;
    cso_comm *comm;
    cso_log *log;
    int threads;    /* where nothing else is set */
    bool told_slow; /* of a slow matrix library and the like: once */
} train_process;

/* What the plan of a stage says, beside the lines it prints. */
typedef struct train_outlook {
    bool complete; /* nothing is left to do, and the rest is 0 */
    cso_run_disk disk;
    double seconds;       /* of what is left, 0: not measured */
    double peak_bytes;    /* with the mapped weights */
    cso_adapter *adapter; /* a copy of what is trained, which the caller frees */
} train_outlook;

/* Opens a stage and plans it, in this process alone: nothing is trained or changed. Prints the plan unless the run is quiet, to
 * standard output in a dry run; of a complete stage one line. `before`: bytes that earlier stages will put on the disk, which must be
 * free as well. */
cso_status train_look(train_process *process, const cso_run_config *config, const train_stand_ins *stand_ins, double before,
                      train_outlook *outlook, cso_error *err);

/* Trains. A run without stages prints its plan first; one with stages has been looked at. */
cso_status train_run_config(train_process *process, const cso_run_config *config, cso_error *err);

/* Flushes standard output. */
cso_status train_finish_output(cso_error *err);

#endif
