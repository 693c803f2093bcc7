/* train_stages_look.h - all stages of a run looked at before the first of them begins: what cannot go well must not show after days. */
#ifndef CSO_TRAIN_STAGES_LOOK_H
#define CSO_TRAIN_STAGES_LOOK_H

#include "config/config.h"
#include "train_run.h"

/* Plans the stages that are to be run (one, or all), prints their plans and the sum, and marks those that need not be run: they
 * and all before them are complete, their adapters whole. done is (configs->count). In the first process alone. */
cso_status train_look_at_stages(train_process *process, const cso_run_configs *configs, bool *done, cso_error *err);

#endif
