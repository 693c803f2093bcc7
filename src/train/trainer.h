/* trainer.h - a training run: the loop over steps, evaluation, checkpoints, resuming. */
#ifndef CSO_TRAINER_H
#define CSO_TRAINER_H

#include "base/profile.h"
#include "base/status.h"
#include "comm/comm.h"
#include "data/dataset.h"
#include "engine/engine.h"
#include "metrics_log.h"
#include "model/lora.h"
#include "model/model.h"
#include "run_config.h"
#include "train_progress.h"

#include <stdbool.h>
#include <stddef.h>

/* Where a run stands. */
typedef struct cso_train_standing {
    size_t step;    /* that is being made, 0: none */
    size_t done;    /* the last that was made */
    size_t saved;   /* that of the last checkpoint, 0: none */
    double seconds; /* that the step will take, with its evaluation (pace.h); 0: unknown */
} cso_train_standing;

/* Whoever runs a trainer is told what happens; any of the functions may be NULL. */
typedef struct cso_train_observer {
    void *context;
    void (*step)(void *context, const cso_step_report *report);
    void (*standing)(void *context, const cso_train_standing *now); /* at the start (zeros), before and after each step */
    void (*note)(void *context, const char *text);
    void (*warning)(void *context, const char *text);
    /* Before the first step: done of total, total 0: not known. Called at each record and batch. */
    void (*stage)(void *context, cso_train_stage stage, size_t done, size_t total);
    /* During steps and evaluations, after each layer of each pass. Both must be quick. */
    void (*progress)(void *context, const cso_train_progress *progress);
    bool (*should_stop)(void *context); /* asked after each step, of every process: true ends the run as a signal does */
} cso_train_observer;

/* Memory that a run's steps take. */
typedef struct cso_train_need {
    cso_engine_need engine;
    size_t arena; /* bytes of a batch's arena */
} cso_train_need;

/* Where a run begins. */
typedef struct cso_train_start {
    size_t step;        /* steps done */
    size_t tree_tokens; /* by which its batches are cut; 0: cso_engine_tree_tokens */
    bool complete;      /* nothing is left to do */
} cso_train_start;

/* Everything opened; the trainer owns nothing of it and changes only the adapter's parameters. */
typedef struct cso_train_job {
    const cso_run_config *config;
    const char *config_text; /* for checkpoint.dir/config.toml; NULL: not written */
    const cso_model *model;
    cso_engine *engine;
    const cso_objective *objective;
    const cso_dataset *train;
    const cso_dataset *eval;           /* NULL: none */
    cso_adapter *adapter;              /* as it is at the start; trained in place */
    const cso_adapter *reference;      /* NULL: the base model */
    const char *resume;                /* "auto": the newest whole checkpoint, if any; "never"; or a checkpoint's folder */
    cso_comm *comm;                    /* the processes of the run, which all have the same job; NULL: this one alone */
    cso_train_start start;             /* for plans: of the checkpoint that the run resumes from; zeros: from the beginning */
    const struct cso_train_plan *plan; /* for the time left; NULL: by the steps so far */
    cso_train_need need;               /* of a plan: reserved before the first step; zeros: memory grows as it is needed */
    cso_profile *profile;              /* gets the time of the steps, without evaluation and checkpoints; NULL: not measured */
    cso_train_observer observer;
} cso_train_job;

/* Steps of an epoch (the last may be short), of the run, and of the warm-up. */
typedef struct cso_train_length {
    size_t epoch_steps, total_steps, warmup_steps;
} cso_train_length;
cso_train_length cso_train_measure(const cso_run_config *config, size_t n_examples);

/* Trains to the end, or to the end of the step in which a signal came or the observer wanted to stop: then CSO_STOPPED, after
 * saving a checkpoint. A step whose loss, gradient or update is no finite number is skipped with a warning; after train.max_skipped
 * of them in a row CSO_ERR_NUMERIC names step, matrix and records. A checkpoint that cannot be written while the run goes on is a
 * warning; the last one, the one after a signal and the final adapter are CSO_ERR_SYSTEM. With several processes only rank 0 reads
 * and writes checkpoint.dir and tells its observer of steps, notes and warnings; a signal or failure of one is that of all. A run
 * whose steps were skipped and changed nothing is CSO_ERR_NUMERIC, without adapter/; a checkpoint.dir that was moved meanwhile is
 * CSO_ERR_SYSTEM. */
cso_status cso_train(const cso_train_job *job, cso_error *err);

/* The metrics of a whole data set, in batches of batch_size; adapter NULL: the base model. Dropout is off. */
cso_status cso_evaluate(const cso_batch_job *job, const cso_adapter *adapter, size_t batch_size, cso_batch_result *result,
                        cso_error *err);

#endif
