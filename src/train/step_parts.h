/* step_parts.h - one step in progress, shared by step.c (its course), step_passes.c (one tree) and step_arrays.c (what a loss is
 * given and gives); inside src/train only. */
#ifndef CSO_STEP_PARTS_H
#define CSO_STEP_PARTS_H

#include "train_batch.h"

/* A loss's arrays, for the examples of one tree in batch order or for all of the step in its order. */
typedef struct loss_arrays {
    cso_loss_batch in;
    cso_objective_result out;
    size_t n_sequences, n_tokens; /* n_tokens 0 where the loss wants no tokens */
    /* in's and out's arrays, to be filled */
    double *policy, *reference, *policy_tokens, *alignment, *loss, *parts, *weights;
    size_t *rank;
    bool *label;
} loss_arrays;

typedef struct step {
    const cso_batch_job *job;
    const cso_adapter *adapter; /* the policy's; NULL: the base model */
    float *grads;               /* NULL: forward only */
    cso_arena *arena;
    cso_batch_result *result;
    cso_batch_source source;
    cso_batch batch;    /* this rank's examples */
    loss_arrays all;    /* of the whole step */
    double *references; /* room for the reference cache's exchange between ranks */
    double *counts;     /* room for that of the result's numbers */

    /* The tree in hand. */
    size_t from; /* batch position of its first example */
    cso_tree tree;
    double *edges;       /* (tree.n_edges) log-probabilities, then their derivatives */
    double *squares;     /* (tree.n_edges) of the policy, for CSO_LOSS_ALIGNMENT; NULL: not wanted */
    loss_arrays here;    /* of its examples */
    cso_arena_mark mark; /* what was in the arena before it */
    struct {
        double reference, forward, backward;
    } costs; /* of its passes (pace.h) */
} step;

static inline bool step_needs(const step *s, unsigned what) {
    return (s->job->objective->needs & what) != 0;
}

/* step_passes.c. Lays out tree k and its arrays; end_tree gives the memory back. */
cso_status step_begin_tree(step *s, size_t k, cso_error *err);
void step_end_tree(step *s);
/* The reference's log-probabilities of the tree in hand, if the loss needs them: from the cache, after a pass if it lacks any. */
cso_status step_reference_pass(step *s, cso_error *err);
/* The policy's. keep: a backward pass follows. */
cso_status step_policy_pass(step *s, bool keep, cso_error *err);
/* The gradient, from the derivatives of the tree in hand. */
cso_status step_backward_pass(step *s, cso_error *err);

/* step_arrays.c. Arrays of n examples, zero but for what the data say of them, in the arena. examples (n): indexes into the data. */
typedef struct step_counts {
    size_t n;
    const size_t *examples, *first, *token_first;
} step_counts;
cso_status step_make_arrays(loss_arrays *a, const step *s, const step_counts *counts, cso_error *err);
void step_compute_loss(const step *s, loss_arrays *a);
/* Log-probabilities and losses of the tree in hand go to the arrays of the step, ... */
void step_store_values(step *s);
/* ... derivatives come from there. */
void step_load_derivatives(step *s);
/* Adds up the ranks' log-probabilities and losses, so that every rank has those of the whole step. */
void step_share_arrays(step *s);
/* Adds up the ranks' counts in the result. counts has room for STEP_COUNTS of each rank. */
enum { STEP_COUNTS = 7 };
void step_share_counts(step *s);

#endif
