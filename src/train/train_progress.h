/* train_progress.h - how far a run is, and how long it still takes. */
#ifndef CSO_TRAIN_PROGRESS_H
#define CSO_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

/* What a run does before its first step. */
typedef enum cso_train_stage {
    CSO_STAGE_MODEL,     /* opens the model and its tokenizer */
    CSO_STAGE_DATA,      /* reads the training data: counts records */
    CSO_STAGE_EVAL_DATA, /* and the evaluation data */
    CSO_STAGE_PLAN,      /* goes through the batches of the plan */
    CSO_STAGE_RATES,     /* measures the processor */
    CSO_STAGE_RESUME     /* looks for a checkpoint and reads it */
} cso_train_stage;

/* What is being done now. */
typedef enum cso_train_pass {
    CSO_PASS_NONE,      /* between passes: trees are laid out, parameters updated */
    CSO_PASS_REFERENCE, /* the reference's log-probabilities, where the cache lacks them */
    CSO_PASS_FORWARD,
    CSO_PASS_BACKWARD,
    CSO_PASS_SAVE /* a checkpoint is written */
} cso_train_pass;

typedef struct cso_train_progress {
    cso_train_pass pass;
    bool evaluation;          /* of the step's parameters, after the step */
    size_t step, total_steps; /* the step in hand, from 1 */
    size_t tree, trees;       /* the tree in hand, from 1, of the step's or the evaluation's; trees 0: not known */
    size_t layer, layers;     /* done of the pass in hand; the head counts as one */
    size_t tokens;            /* of the step's or the evaluation's trees that are done */
    double part;              /* of the step or the evaluation that is done: 0 to 1 */
    /* Seconds, by the measured speed so far and before that by the plan's; NAN: not known yet. */
    double step_seconds_left; /* to the end of the step and of the evaluation that follows it, without checkpoint */
    double seconds_left;      /* of the run: steps, the reference's passes and evaluations */
} cso_train_progress;

#endif
