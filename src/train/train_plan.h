/* train_plan.h - what a run will cost, before it starts. */
#ifndef CSO_TRAIN_PLAN_H
#define CSO_TRAIN_PLAN_H

#include "train_rates.h"
#include "trainer.h"

/* Seconds of a run from the step it begins or resumes with to its end, without checkpoints. */
typedef struct cso_train_time {
    double steps;      /* forward and backward passes, and updates */
    double reference;  /* log-probabilities that the cache lacks */
    double evaluation; /* all evaluations together */
} cso_train_time;

typedef struct cso_train_plan {
    cso_train_length length;
    size_t first_step;              /* job->start.step: what is done before is not planned; length.total_steps if nothing is left */
    size_t tokens, tokens_unshared; /* of an epoch, as it is cut */
    size_t nodes;                   /* tokens that need logits */
    size_t trees;
    size_t largest_tree; /* tokens */
    size_t kept_layers;  /* in the largest tree: the others are recomputed */
    cso_train_need need; /* of any of the epoch's batches, and of the evaluation's */
    size_t bytes;        /* all of that: for what train.memory_gib is the budget */
    size_t peak_bytes;   /* the process at its peak, but for the mapped weights */

    double epoch_flops;                          /* forward, backward and recomputation of an epoch (engine_work.h) */
    cso_train_work steps, reference, evaluation; /* of what is left of the run */
    size_t evaluations, evaluation_trees;        /* how many are left, and the trees of each */
    size_t typical_batch, typical_tree;          /* where in the first epoch a tree of typical size is: batch, and tree of that */

    /* By cso_train_plan_measure; zeros before. */
    cso_train_rates rates[2]; /* by cso_compute */
    cso_train_time time[2];   /* by cso_compute; zeros where this build or processor lacks it */
} cso_train_plan;

/* Goes through the first epoch's batches and the evaluation's. Later epochs count as the first, which they are but for the order.
 * The run folder's reference cache is read, if there is one. An example that does not fit train.memory_gib even alone is
 * CSO_ERR_USAGE naming its record. Where the memory does not hold the buffers of all threads beside the largest tree, the engine's
 * context has fewer threads from then on, and a warning says so. */
cso_status cso_train_plan_make(cso_train_plan *plan, const cso_train_job *job, cso_error *err);

/* Measures this processor for a few seconds (train_rates.h) and fills plan->time, in every compute type that there is. */
cso_status cso_train_plan_measure(cso_train_plan *plan, const cso_train_job *job, cso_error *err);

/* How many evaluations a run still makes after `first_step` steps. */
size_t cso_train_evaluations(const cso_train_job *job, size_t first_step, size_t total_steps);

double cso_train_time_total(const cso_train_time *time);

#endif
