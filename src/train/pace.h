/* pace.h - the estimate of the time left; inside src/train only.
 *
 * Every pass has a cost: the seconds that the plan's measured rates give its work, or its floating-point operations where nothing
 * was measured. A pace knows what the run costs in all, adds up what is done, and takes the time of the rest from the speed so far.
 */
#ifndef CSO_PACE_H
#define CSO_PACE_H

#include "train_plan.h"
#include "train_progress.h"

typedef struct cso_pace {
    cso_train_rates rates;   /* cost of a unit of work */
    bool planned;            /* the costs below are known */
    double steps, reference; /* of all steps and of the reference's passes, from first_step on */
    double evaluation;       /* of one evaluation */
    double trust;            /* cost for which the plan's speed counts beside the measured one; 0 where rates are not measured */
    size_t first_step, evaluations, evaluation_trees;
    double began; /* cso_clock */

    double done, done_steps, done_reference, done_evaluations; /* cost of complete passes, steps and evaluations */
    size_t complete_steps, complete_evaluations;

    bool evaluation_follows;   /* the step in hand or next; set by the trainer */
    bool busy;                 /* a step or an evaluation is in hand */
    double part;               /* its cost so far, without the reference's passes */
    size_t visits, visited;    /* of the batch's trees; losses that need the whole batch visit a tree twice */
    size_t trees_before;       /* in the evaluation's batches before this one */
    double trees_cost;         /* of the visits so far */
    double tree_cost, in_tree; /* of the visit in hand: in all, and done */
    double pass_cost, fraction;
    bool reference_pass;

    cso_train_progress now;
    void (*hear)(void *context, const cso_train_progress *progress); /* NULL: nobody is told */
    void *context;
} cso_pace;

/* The run begins after `step` steps. Takes costs and rates from job->plan and the listener from job->observer. */
void cso_pace_start(cso_pace *pace, const cso_train_job *job, size_t step, size_t total_steps);

/* pace may be NULL in the functions up to cso_pace_backward, except cso_pace_part: then they do nothing. A step or an evaluation
 * begins and ends. */
void cso_pace_begin(cso_pace *pace, bool evaluation);
void cso_pace_end(cso_pace *pace);
/* Its next batch has so many trees, which are visited so often together. */
void cso_pace_batch(cso_pace *pace, size_t trees, size_t visits);
/* Tree k of the batch is visited with passes of this cost. */
void cso_pace_tree(cso_pace *pace, size_t k, double cost);
void cso_pace_end_tree(cso_pace *pace, size_t tokens);
void cso_pace_pass(cso_pace *pace, cso_train_pass pass, double cost);
void cso_pace_end_pass(cso_pace *pace);
/* Part `done` of the pass's `of` is done (cso_engine_listener). context: the pace. */
void cso_pace_part(void *context, size_t done, size_t of);
/* A checkpoint is written, until the next of these calls. */
void cso_pace_saving(cso_pace *pace);

/* Cost of a forward pass, and of a backward pass with what it computes again. */
double cso_pace_forward(const cso_pace *pace, const cso_pass_work *work);
double cso_pace_backward(const cso_pace *pace, const cso_pass_work *work);

/* Seconds of the step that comes next, with the evaluation that follows it; NAN: not known yet. */
double cso_pace_next_step(const cso_pace *pace);
/* Seconds left of the run; NAN: not known yet. */
double cso_pace_left(const cso_pace *pace);

#endif
