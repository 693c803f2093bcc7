/* train_stages.h - the stages of a configuration one after the other; or, without stages, its one run. */
#ifndef CSO_TRAIN_STAGES_H
#define CSO_TRAIN_STAGES_H

#include "config/config.h"
#include "train/trainer.h"

typedef struct train_stages {
    const cso_run_configs *configs;
    const char *only;                   /* name of the stage that is to be run alone; NULL: all */
    cso_comm *comm;                     /* NULL: this process alone */
    const cso_train_observer *observer; /* is told of what concerns the whole; should_stop is asked between stages */
    /* One run. It resumes what is there, and gives CSO_OK when the run is complete. */
    cso_status (*run)(void *context, const cso_run_config *config, cso_error *err);
    void (*between)(void *context); /* after a stage that another one follows; may be NULL */
    void *context;
} train_stages;

/* Runs them, in a locked folder with the whole config.toml; after the last one the folder gets a copy of its adapter/. Errors begin
 * with "stage NAME: ". A signal, or should_stop, between two stages is CSO_STOPPED. */
cso_status train_stages_run(const train_stages *stages, cso_error *err);

/* Whether the stage of this index can be run: CSO_ERR_USAGE where it needs the adapter of an earlier stage that is not there. */
cso_status train_stage_is_ready(const cso_run_configs *configs, size_t index, cso_error *err);

#endif
