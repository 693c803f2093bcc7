/* train_open.h - from a configuration to everything a training run needs, opened and checked. */
#ifndef CSO_TRAIN_OPEN_H
#define CSO_TRAIN_OPEN_H

#include "open_model.h"
#include "train/run_objective.h"
#include "train/trainer.h"

typedef struct train_run {
    opened_model base;
    cso_strategies *strategies; /* NULL: the built-in ones */
    cso_dataset train, eval;
    cso_adapter *adapter, *reference; /* reference NULL: the base model */
    cso_engine *engine;
    cso_objective objective;
    size_t memory;  /* bytes for activations */
    bool stands_in; /* an adapter is one of train_stand_ins */
} train_run;

/* For plans: adapters to use in place of those that earlier stages have not made yet. */
typedef struct train_stand_ins {
    char **folders;         /* (count) where the missing adapters will be */
    cso_adapter **adapters; /* (count) of the right shape */
    size_t count;
} train_stand_ins;

/* Wrong settings are CSO_ERR_USAGE beginning with the configuration's file name. The engine computes with ctx.
 * local_size: processes of the run on this machine, which share its free memory. observer: its `stage` is told of model and
 * data. stand_ins: adapters for folders that are not there yet; NULL: none. */
cso_status train_open(train_run *run, cso_context *ctx, const cso_run_config *config, int local_size,
                      const cso_train_observer *observer, const train_stand_ins *stand_ins, cso_error *err);
void train_close(train_run *run);
/* The job of an opened run, without what its caller decides: config_text, resume, comm, start, plan, need, profile and
 * observer. */
cso_train_job train_job(const train_run *run, const cso_run_config *config);
/* Warns of what the data lack: unknown strategies, dropped pairs. */
void train_warn_of_data(const train_run *run, const cso_train_observer *observer);
/* Warns of settings that have no effect beside the others or with these data. */
void train_warn_of_settings(const train_run *run, const cso_run_config *config, const cso_train_observer *observer);

#endif
