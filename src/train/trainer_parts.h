/* trainer_parts.h - a run's state, shared by trainer.c (the loop), trainer_step.c (a step), trainer_open.c, trainer_resume.c,
 * trainer_save.c, trainer_best.c and trainer_checks.c;
 * inside src/train only. */
#ifndef CSO_TRAINER_PARTS_H
#define CSO_TRAINER_PARTS_H

#include "checkpoint.h"
#include "optim.h"
#include "pace.h"
#include "trainer.h"

typedef struct trainer {
    const cso_train_job *job;
    cso_train_length length;
    cso_train_state state;
    cso_identity identity;
    cso_adamw adamw;
    float *grads;  /* (adapter->n_params) */
    size_t *order; /* (train->count) the examples of the current epoch */
    size_t epoch;  /* whose order that is; SIZE_MAX: none yet */
    cso_batch_job train, eval;
    cso_metric_table table;
    double *weights[2]; /* of the training and the evaluation examples; NULL: 1 */
    cso_arena arena;    /* of the batches */
    cso_reference_cache train_cache, eval_cache;
    cso_metrics_log metrics;
    int *signals; /* (processes) 2 for each, room for what it was told */
    cso_log_history history;
    char config_checksum[33]; /* of config.toml, "": none was written */
    int lock;                 /* descriptor, -1: none */
    int folder;               /* descriptor of checkpoint.dir, -1: none */
    size_t saved_step;        /* of the last checkpoint written or read */
    cso_pace pace;
    bool looks_only;     /* nothing on the disk may change (run_check.c) */
    bool unproven;       /* one checkpoint more than checkpoint.keep_last may be there */
    bool save_due;       /* a checkpoint was due at a skipped step */
    bool metrics_behind; /* a warning has said so */
    bool not_rotated;    /* likewise */
    bool reached, moved; /* the checks of trainer_checks.c are done */
    bool recut;          /* told that batches are cut otherwise than at the run's start */
} trainer;

/* What the run folder's cache has of the reference's log-probabilities of the training or the evaluation data; nothing where there
 * is no cache. A cache that cannot be used is a warning. */
cso_status trainer_read_cache(const cso_train_job *job, bool training, cso_reference_cache *cache, cso_error *warning,
                              cso_error *err);

/* trainer_step.c: one optimizer step. A step that is skipped (train.max_skipped) changes nothing but t->state, and the report says
 * why. */
cso_status trainer_step(trainer *t, cso_step_report *report, cso_error *err);

/* Nothing opened yet: trainer_close may follow. */
void trainer_init(trainer *t, const cso_train_job *job);
/* Whether no step is left: all are made, or as many evaluations in a row as train.early_stopping_patience says were no better. */
bool trainer_is_complete(const trainer *t);
bool trainer_stopped_early(const trainer *t);
/* Locks the run folder, reads the checkpoint to go on from, opens caches and the metrics log. */
cso_status trainer_open(trainer *t, const cso_train_job *job, cso_error *err);
void trainer_close(trainer *t);

/* trainer_resume.c. Reads the checkpoint that job->resume asks for, if any, into adapter, moments and state. */
cso_status trainer_resume(trainer *t, cso_error *err);
/* What may differ from the process before: the length of the run, the kernels, the memory. Warns where that changes the result. */
void trainer_take_over(trainer *t);

/* Writes a checkpoint of the current step, unless there is one, and removes old ones. proven: these very parameters have given
 * finite numbers. Until they have, one more checkpoint is kept, so that there is always one that is known to be good. What
 * fails without harm to the checkpoint is a warning. */
cso_status trainer_save(trainer *t, bool proven, cso_error *err);
/* Of a run that is complete already: removes what checkpoint.keep_last, as it is now, does not keep. */
void trainer_rotate(trainer *t);
/* Writes the checksums of the run's folder (run_checksums.h) as it is now. */
cso_status trainer_write_checksums(const trainer *t, cso_error *err);
/* Takes account of an evaluation's loss after a step: whether none before was as low. */
bool trainer_rate(trainer *t, double loss, size_t step);
/* Gives the adapter the parameters of the best checkpoint; *step is that of the parameters. A checkpoint that is missing or damaged is
 * CSO_ERR_INPUT. */
cso_status trainer_restore_best(trainer *t, size_t *step, cso_error *err);
/* To be called after a step whose numbers were finite: the newest checkpoint is good, and the one more can go. */
void trainer_proven(trainer *t);

/* trainer_ranks.c: what several processes must do together. Whether this one writes the run's folder: */
bool trainer_writes(const trainer *t);
/* All must have the same model, data and settings: what differs is CSO_ERR_USAGE. */
cso_status trainer_check_ranks(const trainer *t, cso_error *err);
/* Adapter, moments and state as rank 0 has read them. */
void trainer_share_start(trainer *t);
void trainer_share_cache(const trainer *t, cso_reference_cache *cache);
/* All must still have the same parameters: CSO_ERR_INTERNAL if not. */
cso_status trainer_check_equal(const trainer *t, cso_error *err);
/* The signal that asked one of them to stop, for all of them, 0: none; TRAINER_STOP_ASKED: the observer did. And whether one was
 * asked for a checkpoint. */
enum { TRAINER_STOP_ASKED = -1 };
int trainer_share_signals(const trainer *t, bool *save);

/* Guards; each names the array of trained numbers at fault. At the first step that can tell: every group of arrays must get a
 * gradient. */
cso_status trainer_check_reached(trainer *t, const cso_batch_result *result, cso_error *err);
/* No gradient may be NaN or Inf. */
cso_status trainer_check_gradient(const trainer *t, double norm, const size_t *examples, size_t n, cso_error *err);
/* No update may make a parameter or moment NaN or Inf. */
cso_status trainer_check_update(const trainer *t, double scale, double rate, const size_t *examples, size_t n, cso_error *err);
/* No checkpoint may hold a NaN or Inf. */
cso_status trainer_check_state(const trainer *t, cso_error *err);

void trainer_note(const trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trainer_warn(const trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
